//! What conformance runs found, as they leave it and as the tree keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::BACKENDS;
use crate::{Result, root};

/// What one backend's whole run found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// The program that stood in for the cloud, with its version.
    pub(super) oracle: String,
    /// By service, what was mended before the cases saw that program.
    pub(super) mended: BTreeMap<String, String>,
    /// By name, as in `kv::a_get_of_nothing_is_none`.
    pub(super) cases: BTreeMap<String, Case>,
}

impl Run {
    /// The services that have cases in it.
    pub(super) fn services(&self) -> BTreeSet<&str> {
        self.cases.keys().filter_map(|name| service_of(name)).collect()
    }
}

/// The service that a case is of: `kv` of `kv::a_get_of_nothing_is_none`.
pub(super) fn service_of(case: &str) -> Option<&str> {
    Some(case.split_once("::")?.0)
}

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    /// Why it is not kept, where it is declared not to be.
    pub(super) divergence: Option<String>,
    /// The operations that it calls, as in `kv.get`.
    pub(super) ops: BTreeSet<String>,
}

impl Run {
    /// Reads what the conformance suite wrote. A case that failed has no place in a table.
    fn of_suite(json: &Value) -> Result<Self> {
        let mut cases = BTreeMap::new();
        for case in json["cases"].as_array().ok_or("no list of cases")? {
            let name = case["name"].as_str().ok_or("a case without a name")?;
            let reason = case["reason"].as_str();
            let divergence = match (case["outcome"].as_str(), reason) {
                (Some("pass"), _) => None,
                (Some("divergence"), Some(reason)) => Some(reason.to_owned()),
                (outcome, _) => {
                    return Err(format!(
                        "{name} ended with {}: mend it, or declare it",
                        outcome.unwrap_or("nothing")
                    ));
                }
            };
            cases.insert(name.to_owned(), Case { divergence, ops: texts(&case["ops"]) });
        }
        if cases.is_empty() {
            return Err("no case ran".to_owned());
        }
        Self::of(json, cases)
    }

    /// Reads what `to_text` wrote.
    fn of_text(json: &Value) -> Result<Self> {
        let mut cases = BTreeMap::new();
        for (name, case) in json["cases"].as_object().ok_or("no cases")? {
            let divergence = case["divergence"].as_str().map(str::to_owned);
            cases.insert(name.clone(), Case { divergence, ops: texts(&case["ops"]) });
        }
        Self::of(json, cases)
    }

    fn of(json: &Value, cases: BTreeMap<String, Case>) -> Result<Self> {
        let mended = json["mended"].as_object().into_iter().flatten();
        let text =
            |(service, what): (&String, &Value)| Some((service.clone(), what.as_str()?.to_owned()));
        Ok(Self {
            oracle: json["oracle"].as_str().ok_or("no oracle")?.to_owned(),
            mended: mended.filter_map(text).collect(),
            cases,
        })
    }

    /// The form that the tree keeps: sorted, and the same for the same findings.
    pub(super) fn to_text(&self) -> String {
        let cases: Vec<String> = self
            .cases
            .iter()
            .map(|(name, case)| {
                let mut kept = serde_json::Map::new();
                if let Some(reason) = &case.divergence {
                    kept.insert("divergence".to_owned(), json!(reason));
                }
                kept.insert("ops".to_owned(), json!(case.ops));
                format!("    {}: {}", json!(name), Value::Object(kept))
            })
            .collect();
        // A line a case, so that a review sees which of them changed.
        format!(
            "{{\n  \"oracle\": {},\n  \"mended\": {},\n  \"cases\": {{\n{}\n  }}\n}}\n",
            json!(self.oracle),
            json!(self.mended),
            cases.join(",\n")
        )
    }
}

fn texts(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// All results of the last run. Which operations a case calls is what it calls on the Sim: on a
/// real server a retry may add one.
pub(super) fn last_run(folder: &Path) -> Result<BTreeMap<String, Run>> {
    let mut runs = read_all(folder, Run::of_suite)?;
    whole(&runs)?;
    let sim = runs.get("sim").cloned();
    for (name, case) in runs.values_mut().flat_map(|run| &mut run.cases) {
        if let Some(reference) = sim.as_ref().and_then(|sim| sim.cases.get(name)) {
            case.ops.clone_from(&reference.ops);
        }
    }
    Ok(runs)
}

/// Fails where a backend ran some cases of a service, and not all that another one ran.
fn whole(runs: &BTreeMap<String, Run>) -> Result<()> {
    let all: BTreeSet<&String> = runs.values().flat_map(|run| run.cases.keys()).collect();
    for (name, run) in runs {
        for service in run.services() {
            let wanted = || all.iter().filter(|case| service_of(case) == Some(service));
            let missing: Vec<_> = wanted().filter(|case| !run.cases.contains_key(**case)).collect();
            if let Some(case) = missing.first() {
                return Err(format!(
                    "{} of {} cases did not run on {name}, {case} among them: run the whole suite",
                    missing.len(),
                    wanted().count()
                ));
            }
        }
    }
    Ok(())
}

/// The results that the tree keeps.
pub(super) fn kept(folder: &Path) -> Result<BTreeMap<String, Run>> {
    read_all(folder, Run::of_text)
}

fn read_all(folder: &Path, parse: fn(&Value) -> Result<Run>) -> Result<BTreeMap<String, Run>> {
    let mut runs = BTreeMap::new();
    // No folder is no result.
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path: PathBuf = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let complain = |problem: String| format!("{}: {problem}", path.display());
        if !BACKENDS.iter().any(|backend| backend.name == name) {
            return Err(complain("no column has that name".to_owned()));
        }
        let text = fs::read_to_string(&path).map_err(|error| complain(error.to_string()))?;
        let json = serde_json::from_str(&text).map_err(|error| complain(error.to_string()))?;
        runs.insert(name, parse(&json).map_err(complain)?);
    }
    Ok(runs)
}

/// The services that have cases in any run.
pub(super) fn services(runs: &BTreeMap<String, Run>) -> BTreeSet<String> {
    runs.values().flat_map(Run::services).map(str::to_owned).collect()
}

/// An operation, and what it is made of on each provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    /// As in `kv.get`.
    pub(super) name: String,
    /// The AWS calls, as Markdown.
    pub(super) aws: String,
    /// The Google calls, as Markdown.
    pub(super) google: String,
}

/// The operations of a service, from the table that its module page in mvi-core has.
pub(super) fn operations(service: &str) -> Result<Vec<Operation>> {
    let source = root::workspace().join("mvi-core/src");
    let pages = [format!("{service}/mod.rs"), format!("{service}.rs")];
    let text = pages
        .iter()
        .find_map(|page| fs::read_to_string(source.join(page)).ok())
        .ok_or_else(|| format!("mvi-core has no page of {service}"))?;
    let found = operations_of_page(service, &text);
    if found.is_empty() {
        Err(format!(
            "the page of {service} in mvi-core has no table `| operation | AWS… | Google… |`"
        ))
    } else {
        Ok(found)
    }
}

fn operations_of_page(service: &str, page: &str) -> Vec<Operation> {
    let mut found = Vec::new();
    let lines = page.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let table = lines
        .skip_while(|line| !line.starts_with("| operation |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    for line in table {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        // A fourth column has the limits.
        let [names, aws, google, ..] = cells[..] else { continue };
        let names: Vec<&str> = quoted(names).collect();
        for (at, name) in names.iter().enumerate() {
            found.push(Operation {
                name: format!("{service}.{name}"),
                aws: one_of(aws, at, names.len()),
                google: one_of(google, at, names.len()),
            });
        }
    }
    found
}

/// What stands between backticks: put and update of "`put`, `update`".
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// A cell that lists a call for each operation of its row has one for each; any other is whole.
fn one_of(cell: &str, at: usize, count: usize) -> String {
    let calls: Vec<String> = quoted(cell).map(|call| format!("`{call}`")).collect();
    if calls.len() == count && calls.join(", ") == cell {
        calls[at].clone()
    } else {
        cell.to_owned()
    }
}

/// Something that no oracle shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unverified {
    /// Whose behaviour it is: `AWS` or `Google`.
    pub(super) provider: String,
    /// The behaviour.
    pub(super) what: String,
    /// Why nothing here can show it, and what stands in.
    pub(super) why: String,
    /// The backend whose cases pass on a behaviour that we wrote ourselves: of those the shape is
    /// confirmed and the behaviour is not.
    pub(super) backend: Option<String>,
    /// The operations that this is so of, as in `copy`; all, where there are none.
    pub(super) operations: Vec<String>,
}

impl Unverified {
    /// Whether it is of this operation, as in `blob.copy`, on this backend.
    pub(super) fn marks(&self, backend: &str, operation: &str) -> bool {
        let method = operation.split_once('.').map_or(operation, |(_, method)| method);
        self.backend.as_deref() == Some(backend)
            && (self.operations.is_empty() || self.operations.iter().any(|it| it == method))
    }
}

/// What no oracle shows, by service, in the order of the file.
pub(super) fn unverified(path: &Path) -> Result<BTreeMap<String, Vec<Unverified>>> {
    let complain = |problem: String| format!("{}: {problem}", path.display());
    let text = fs::read_to_string(path).map_err(|error| complain(error.to_string()))?;
    unverified_of_text(&text).map_err(complain)
}

fn unverified_of_text(text: &str) -> Result<BTreeMap<String, Vec<Unverified>>> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut services = BTreeMap::new();
    for (service, entries) in &table {
        let mut list = Vec::new();
        for entry in entries.as_array().ok_or_else(|| format!("{service} is no list"))? {
            let field = |name: &str| {
                let text = entry.get(name).and_then(toml::Value::as_str);
                text.map(str::to_owned)
                    .ok_or_else(|| format!("an entry of {service} lacks `{name}`"))
            };
            let backend = entry.get("backend").and_then(toml::Value::as_str).map(str::to_owned);
            if let Some(name) = &backend
                && !BACKENDS.iter().any(|it| it.name == name)
            {
                return Err(format!("an entry of {service} is of `{name}`, which is no column"));
            }
            let operations = entry.get("operations").and_then(toml::Value::as_array);
            let operations = operations.into_iter().flatten().filter_map(toml::Value::as_str);
            list.push(Unverified {
                provider: field("provider")?,
                what: field("what")?,
                why: field("why")?,
                backend,
                operations: operations.map(str::to_owned).collect(),
            });
        }
        services.insert(service.clone(), list);
    }
    Ok(services)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_kept_as_it_was_found() {
        let suite = json!({ "oracle": "moto 5.2.5", "backend": "moto", "cases": [
            { "name": "kv::b", "ops": ["kv.put"], "outcome": "divergence", "reason": "none of it" },
            { "name": "kv::a", "ops": ["kv.put", "kv.get"], "outcome": "pass", "reason": null },
        ] });
        let run = Run::of_suite(&suite).unwrap();
        assert_eq!(run.cases["kv::a"].divergence, None);
        assert_eq!(run.cases["kv::b"].divergence.as_deref(), Some("none of it"));
        let text = run.to_text();
        assert_eq!(Run::of_text(&serde_json::from_str(&text).unwrap()).unwrap(), run);
        assert!(text.find("kv::a") < text.find("kv::b"), "the order is not the names'");
    }

    #[test]
    fn a_failed_case_has_no_place_in_a_table() {
        let suite = json!({ "oracle": "moto 5.2.5", "cases": [
            { "name": "kv::a", "ops": [], "outcome": "fail", "reason": "it broke" },
        ] });
        let error = Run::of_suite(&suite).unwrap_err();
        assert!(error.contains("kv::a"), "{error}");
    }

    #[test]
    fn an_empty_run_is_no_run() {
        assert!(Run::of_suite(&json!({ "oracle": "moto 5.2.5", "cases": [] })).is_err());
    }

    #[test]
    fn operations_come_from_the_page() {
        let page = "//! Kv: records.\n//!\n//! | operation | AWS | Google |\n//! |---|---|---|\n\
                    //! | `get`, `get_many` | `GetItem`, `BatchGetItem` | `BatchGet` |\n\
                    //! | `put` | `PutItem` | — |\n\
                    //! | `copy` | `CopyObject` | `rewrite` | 5 TiB |\n\
                    //! | `abort` | `Abort` | `delete` of each part | |\n\
                    //!\n//! | limit | value |\n//! |---|---|\n//! | `key` | 700 B |\nuse x;\n";
        let found = operations_of_page("kv", page);
        let names: Vec<_> = found.iter().map(|operation| operation.name.as_str()).collect();
        assert_eq!(names, ["kv.get", "kv.get_many", "kv.put", "kv.copy", "kv.abort"]);
        assert_eq!(found[0].aws, "`GetItem`");
        assert_eq!(found[1].aws, "`BatchGetItem`");
        assert_eq!(found[1].google, "`BatchGet`");
        assert_eq!(found[2].google, "—");
        assert_eq!(found[3].google, "`rewrite`");
        assert_eq!(found[4].google, "`delete` of each part");
    }

    #[test]
    fn what_is_unverified_says_why() {
        let text = "[[kv]]\nprovider = \"AWS\"\nwhat = \"throttling\"\n";
        let error = unverified_of_text(text).unwrap_err();
        assert!(error.contains("`why`"), "{error}");
        let good = format!("{text}why = \"no emulator throttles\"\n");
        assert_eq!(unverified_of_text(&good).unwrap()["kv"].len(), 1);
    }

    #[test]
    fn what_is_unverified_may_be_of_some_operations_on_a_backend() {
        let entry = "[[blob]]\nprovider = \"Google\"\nwhat = \"copies\"\nwhy = \"ours\"\n";
        let of = |more: &str| unverified_of_text(&format!("{entry}{more}"));
        let some = of("backend = \"gcs\"\noperations = [\"copy\"]\n").unwrap()["blob"][0].clone();
        assert!(some.marks("gcs", "blob.copy"));
        assert!(!some.marks("gcs", "blob.get") && !some.marks("moto", "blob.copy"));
        assert!(of("backend = \"gcs\"\n").unwrap()["blob"][0].marks("gcs", "blob.get"));
        assert!(!of("").unwrap()["blob"][0].marks("gcs", "blob.copy"));
        assert!(of("backend = \"gcz\"\n").unwrap_err().contains("`gcz`"));
    }

    fn ran(cases: &[&str]) -> Run {
        let case = Case { divergence: None, ops: BTreeSet::new() };
        let cases = cases.iter().map(|name| ((*name).to_owned(), case.clone()));
        Run { oracle: "a test".to_owned(), mended: BTreeMap::new(), cases: cases.collect() }
    }

    #[test]
    fn what_was_mended_is_kept() {
        let suite = json!({
            "oracle": "a test",
            "mended": { "blob": "tags" },
            "cases": [{ "name": "blob::a", "ops": [], "outcome": "pass", "reason": null }],
        });
        let run = Run::of_suite(&suite).unwrap();
        assert_eq!(run.mended["blob"], "tags");
        assert_eq!(Run::of_text(&serde_json::from_str(&run.to_text()).unwrap()).unwrap(), run);
    }

    #[test]
    fn a_service_is_run_whole_or_not_at_all() {
        let mut runs = BTreeMap::from([
            ("sim".to_owned(), ran(&["kv::a", "kv::b", "blob::a"])),
            ("dynalite".to_owned(), ran(&["kv::a", "kv::b"])),
            ("gcs".to_owned(), ran(&["blob::a"])),
        ]);
        assert_eq!(whole(&runs), Ok(()));
        assert_eq!(services(&runs), BTreeSet::from(["kv".to_owned(), "blob".to_owned()]));
        runs.insert("moto".to_owned(), ran(&["kv::a", "blob::a"]));
        let error = whole(&runs).unwrap_err();
        assert!(error.contains("1 of 2 cases did not run on moto, kv::b"), "{error}");
    }
}
