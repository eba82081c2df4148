//! The tables, as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::results::{Case, Operation, Run, Unverified, service_of};
use super::{BACKENDS, Backend, Provider};
use crate::Result;

/// All there is to say about one service.
pub(super) struct Sheet<'a> {
    pub(super) service: &'a str,
    pub(super) runs: &'a BTreeMap<String, Run>,
    pub(super) operations: Vec<Operation>,
    pub(super) unverified: &'a [Unverified],
}

/// What a count is marked with that a behaviour of our own has a part in.
const MARK: &str = "†";

impl Sheet<'_> {
    /// The README's part: a row for each operation, what is not kept, what is not verified.
    pub(super) fn summary(&self) -> Result<String> {
        self.check_marks()?;
        let columns = self.columns();
        let mut out = String::from("| Operation |");
        let mut rule = String::from("|---|");
        for of in Provider::ALL {
            // What an operation is made of stands before the columns that prove it.
            if of != Provider::Sim {
                let _ = write!(out, " {} |", provider(of));
                rule.push_str("---|");
            }
            for (backend, run) in columns.iter().filter(|(backend, _)| backend.of == of) {
                let _ = write!(out, " {} |", heading(backend, run));
                rule.push_str(":-:|");
            }
        }
        let _ = write!(out, "\n{rule}\n");
        for operation in &self.operations {
            let _ = write!(out, "| `{}` |", operation.name);
            self.row(&mut out, &columns, operation, |case| case.ops.contains(&operation.name))?;
        }
        let whole = Operation {
            name: "all promises".to_owned(),
            aws: String::new(),
            google: String::new(),
        };
        out.push_str("| **all promises** |");
        self.row(&mut out, &columns, &whole, |_| true)?;
        out.push_str(
            "\nA cell counts the promises that call the operation: those kept, of all. The rest is \
             declared, and has to fail, or the run does; [SUPPORT.md](SUPPORT.md) has each.\n",
        );
        self.mends(&mut out, &columns);
        self.divergences(&mut out, &columns);
        self.shapes(&mut out, &columns);
        self.gaps(&mut out);
        Ok(out)
    }

    fn row(
        &self,
        out: &mut String,
        columns: &[(&Backend, &Run)],
        operation: &Operation,
        counts: impl Fn(&Case) -> bool,
    ) -> Result<()> {
        for of in Provider::ALL {
            match of {
                Provider::Sim => {}
                Provider::Aws => {
                    let _ = write!(out, " {} |", operation.aws);
                }
                Provider::Google => {
                    let _ = write!(out, " {} |", operation.google);
                }
            }
            for (backend, run) in columns.iter().filter(|(backend, _)| backend.of == of) {
                let cases: Vec<&Case> = self.cases(run).filter(|case| counts(case)).collect();
                if cases.is_empty() {
                    return Err(format!("no case calls {} on {}", operation.name, backend.name));
                }
                let kept = cases.iter().filter(|case| case.divergence.is_none()).count();
                let marked = self.unverified.iter();
                let marked = marked.filter(|it| it.marks(backend.name, &operation.name)).count();
                let mark = if marked > 0 { MARK } else { "" };
                let _ = write!(out, " {kept}/{}{mark} |", cases.len());
            }
        }
        out.push('\n');
        Ok(())
    }

    /// Fails where what is unverified is of an operation that is not there.
    fn check_marks(&self) -> Result<()> {
        let known = |method: &String| {
            self.operations.iter().any(|it| it.name == format!("{}.{method}", self.service))
        };
        let all = self.unverified.iter().flat_map(|it| &it.operations);
        match all.into_iter().find(|method| !known(method)) {
            Some(method) => Err(format!(
                "support/unverified.toml is of {}.{method}, which is no operation",
                self.service
            )),
            None => Ok(()),
        }
    }

    /// What the cases did not see as the program does it.
    fn mends(&self, out: &mut String, columns: &[(&Backend, &Run)]) {
        let mends = columns.iter().filter_map(|(backend, run)| {
            Some((heading(backend, run), run.mended.get(self.service)?))
        });
        for (at, (heading, what)) in mends.enumerate() {
            if at == 0 {
                out.push_str("\nMended before the promises see it:\n\n");
            }
            let _ = writeln!(out, "- **{heading}**: {what}");
        }
    }

    /// Each reason once, with how many promises it costs.
    fn divergences(&self, out: &mut String, columns: &[(&Backend, &Run)]) {
        let mut any = false;
        for (backend, run) in columns {
            let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
            for reason in self.cases(run).filter_map(|case| case.divergence.as_deref()) {
                *reasons.entry(reason).or_default() += 1;
            }
            for (reason, count) in reasons {
                if !any {
                    out.push_str("\nNot kept, and why:\n\n");
                    any = true;
                }
                let _ = writeln!(out, "- **{}**: {reason} ({count})", heading(backend, run));
            }
        }
    }

    /// What the marked counts lean on.
    fn shapes(&self, out: &mut String, columns: &[(&Backend, &Run)]) {
        let mut any = false;
        for (backend, run) in columns {
            let own = |it: &&Unverified| it.backend.as_deref() == Some(backend.name);
            for shape in self.unverified.iter().filter(own) {
                if !any {
                    let _ = writeln!(out, "\n{MARK} Shape confirmed, behaviour unverified:\n");
                    any = true;
                }
                let _ =
                    writeln!(out, "- **{}**: {}: {}", heading(backend, run), shape.what, shape.why);
            }
        }
    }

    fn gaps(&self, out: &mut String) {
        let gaps: Vec<_> = self.unverified.iter().filter(|it| it.backend.is_none()).collect();
        if gaps.is_empty() {
            return;
        }
        out.push_str("\nNot verified by any program that we did not write:\n\n");
        for gap in gaps {
            let _ = writeln!(out, "- **{}**: {}: {}", gap.provider, gap.what, gap.why);
        }
    }

    /// SUPPORT.md's part: a row for each promise.
    pub(super) fn page(&self) -> String {
        let columns = self.columns();
        let mut out = format!("## {}\n\n| Promise |", self.service);
        let mut rule = String::from("|---|");
        for (backend, run) in &columns {
            let _ = write!(out, " {} |", heading(backend, run));
            rule.push_str(":-:|");
        }
        let _ = write!(out, "\n{rule}\n");
        let mut notes: Vec<&str> = Vec::new();
        let names: BTreeSet<&String> =
            columns.iter().flat_map(|(_, run)| run.cases.keys()).collect();
        for name in names.into_iter().filter(|name| self.owns(name)) {
            let promise = name.split_once("::").map_or(name.as_str(), |(_, rest)| rest);
            let _ = write!(out, "| {} |", promise.replace("::", ": ").replace('_', " "));
            for (_, run) in &columns {
                let cell = match run.cases.get(name) {
                    None => "not run".to_owned(),
                    Some(Case { divergence: None, .. }) => "✓".to_owned(),
                    Some(Case { divergence: Some(reason), .. }) => {
                        let number = notes.iter().position(|note| note == reason);
                        let number = number.unwrap_or_else(|| {
                            notes.push(reason);
                            notes.len() - 1
                        });
                        format!("no ({})", number + 1)
                    }
                };
                let _ = write!(out, " {cell} |");
            }
            out.push('\n');
        }
        if !notes.is_empty() {
            out.push('\n');
        }
        for (number, note) in notes.iter().enumerate() {
            let _ = writeln!(out, "{}. {note}", number + 1);
        }
        out
    }

    /// The backends that ran cases of this service.
    fn columns(&self) -> Vec<(&'static Backend, &Run)> {
        let of = |backend: &'static Backend| Some((backend, self.runs.get(backend.name)?));
        let all = BACKENDS.iter().filter_map(of);
        all.filter(|(_, run)| run.services().contains(self.service)).collect()
    }

    fn cases<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = &'a Case> {
        run.cases.iter().filter(|(name, _)| self.owns(name)).map(|(_, case)| case)
    }

    fn owns(&self, case: &str) -> bool {
        service_of(case) == Some(self.service)
    }
}

fn heading(backend: &Backend, run: &Run) -> String {
    match backend.of {
        Provider::Sim => "Sim".to_owned(),
        Provider::Aws | Provider::Google => run.oracle.clone(),
    }
}

fn provider(of: Provider) -> &'static str {
    match of {
        Provider::Sim => "Sim",
        Provider::Aws => "AWS",
        Provider::Google => "Google Cloud",
    }
}

const CLOSE: &str = "<!-- /support -->";

/// Puts a service's part where the README has room for it. A service that has none yet gets it
/// after the last one that has.
pub(super) fn between_markers(readme: &str, service: &str, part: &str) -> Result<String> {
    let open = format!("<!-- support:{service} -->");
    if let Some((before, rest)) = readme.split_once(&open) {
        let missing = || format!("README.md lacks the marker `{CLOSE}` after `{open}`");
        let (_, after) = rest.split_once(CLOSE).ok_or_else(missing)?;
        return Ok(format!("{before}{open}\n{part}{CLOSE}{after}"));
    }
    let missing = || format!("README.md lacks the markers `{open}` and, after it, `{CLOSE}`");
    let (before, after) = readme.rsplit_once(CLOSE).ok_or_else(missing)?;
    let title = title(service);
    Ok(format!("{before}{CLOSE}\n\n### {title}\n\n{open}\n{part}{CLOSE}{after}"))
}

/// A service as its trait is called: `LoadBalancer` of `load_balancer`.
fn title(service: &str) -> String {
    let words = service.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    });
    words.collect()
}

/// The whole of SUPPORT.md.
pub(super) fn support_page(parts: &[String]) -> String {
    format!(
        "# What holds where\n\n\
         Every promise is a case of the conformance suite, and runs on the simulated cloud and on \
         programs that others wrote and that stand in for the real ones. ✓ is kept; a number is a \
         declared divergence, which has to fail, or the run does. `cargo xtask matrix` writes this \
         page from the last `cargo xtask test`; a stale one fails it.\n\n{}",
        parts.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(oracle: &str, cases: &[(&str, &[&str], Option<&str>)]) -> Run {
        let cases = cases.iter().map(|(name, ops, divergence)| {
            let ops = ops.iter().map(|op| (*op).to_owned()).collect();
            ((*name).to_owned(), Case { divergence: divergence.map(str::to_owned), ops })
        });
        Run { oracle: oracle.to_owned(), mended: BTreeMap::new(), cases: cases.collect() }
    }

    fn runs() -> BTreeMap<String, Run> {
        let both: &[&str] = &["kv.get", "kv.put"];
        BTreeMap::from([
            (
                "sim".to_owned(),
                run("memory", &[("kv::a_put", both, None), ("kv::a_race", &["kv.put"], None)]),
            ),
            (
                "moto".to_owned(),
                run(
                    "moto 5.2.5",
                    &[
                        ("kv::a_put", both, None),
                        ("kv::a_race", &["kv.put"], Some("one at a time")),
                    ],
                ),
            ),
        ])
    }

    fn operations() -> Vec<Operation> {
        ["get", "put"]
            .map(|name| Operation {
                name: format!("kv.{name}"),
                aws: format!("`{name}Item`"),
                google: "`Commit`".to_owned(),
            })
            .to_vec()
    }

    #[test]
    fn an_operation_counts_the_promises_that_call_it() {
        let runs = runs();
        let gap = Unverified {
            provider: "AWS".into(),
            what: "quota".into(),
            why: "none".into(),
            backend: None,
            operations: vec![],
        };
        let shape = Unverified {
            what: "puts".into(),
            why: "ours".into(),
            backend: Some("moto".into()),
            operations: vec!["put".into()],
            ..gap.clone()
        };
        let unverified = &[gap, shape];
        let sheet = Sheet { service: "kv", runs: &runs, operations: operations(), unverified };
        let text = sheet.summary().unwrap();
        assert!(
            text.contains(
                "| Operation | Sim | AWS | moto 5.2.5 | Google Cloud |\n|---|:-:|---|:-:|---|\n"
            ),
            "{text}"
        );
        assert!(text.contains("| `kv.get` | 1/1 | `getItem` | 1/1 | `Commit` |\n"), "{text}");
        assert!(text.contains("| `kv.put` | 2/2 | `putItem` | 1/2† | `Commit` |\n"), "{text}");
        assert!(text.contains("| **all promises** | 2/2 |  | 1/2 |  |\n"), "{text}");
        assert!(text.contains("- **moto 5.2.5**: one at a time (1)"), "{text}");
        assert!(text.contains("- **AWS**: quota: none"), "{text}");
        let shape = "† Shape confirmed, behaviour unverified:\n\n- **moto 5.2.5**: puts: ours\n";
        assert!(text.contains(shape), "{text}");
    }

    #[test]
    fn what_was_mended_is_told_of_its_service_alone() {
        let mut runs = runs();
        let moto = runs.get_mut("moto").unwrap();
        moto.mended.insert("kv".to_owned(), "one call at a time".to_owned());
        moto.mended.insert("blob".to_owned(), "tags".to_owned());
        let sheet = Sheet { service: "kv", runs: &runs, operations: operations(), unverified: &[] };
        let text = sheet.summary().unwrap();
        let told = "Mended before the promises see it:\n\n- **moto 5.2.5**: one call at a time\n";
        assert!(text.contains(told) && !text.contains("tags"), "{text}");
    }

    #[test]
    fn a_mark_is_of_an_operation_that_is_there() {
        let runs = runs();
        let unverified = &[Unverified {
            provider: "AWS".into(),
            what: "puts".into(),
            why: "ours".into(),
            backend: Some("moto".into()),
            operations: vec!["putt".into()],
        }];
        let sheet = Sheet { service: "kv", runs: &runs, operations: operations(), unverified };
        assert!(sheet.summary().unwrap_err().contains("kv.putt"));
    }

    #[test]
    fn a_backend_is_in_the_tables_of_what_it_has() {
        let mut runs = runs();
        let blob = run("fake-gcs-server", &[("blob::a_put", &["blob.put"], None)]);
        runs.insert("gcs".to_owned(), blob);
        let both =
            [("kv::a_put", &["kv.get", "kv.put"][..], None), ("blob::a_put", &["blob.put"], None)];
        runs.insert("sim".to_owned(), run("memory", &both));
        let kv = Sheet { service: "kv", runs: &runs, operations: operations(), unverified: &[] };
        assert!(!kv.summary().unwrap().contains("fake-gcs-server"));
        let put =
            Operation { name: "blob.put".into(), aws: "`Put`".into(), google: "`Insert`".into() };
        let blob = Sheet { service: "blob", runs: &runs, operations: vec![put], unverified: &[] };
        let text = blob.summary().unwrap();
        assert!(text.contains("| Sim | AWS | Google Cloud | fake-gcs-server |"), "{text}");
        assert!(text.contains("| `blob.put` | 1/1 | `Put` | `Insert` | 1/1 |"), "{text}");
        assert!(!blob.page().contains("moto"), "{}", blob.page());
    }

    #[test]
    fn an_operation_that_no_case_calls_is_an_error() {
        let runs = runs();
        let mut operations = operations();
        operations[0].name = "kv.scan".to_owned();
        let error = Sheet { service: "kv", runs: &runs, operations, unverified: &[] }
            .summary()
            .unwrap_err();
        assert!(error.contains("kv.scan"), "{error}");
    }

    #[test]
    fn each_promise_has_a_row_and_each_reason_a_note() {
        let runs = runs();
        let sheet = Sheet { service: "kv", runs: &runs, operations: vec![], unverified: &[] };
        let text = sheet.page();
        assert!(text.contains("| a put | ✓ | ✓ |"), "{text}");
        assert!(text.contains("| a race | ✓ | no (1) |"), "{text}");
        assert!(text.ends_with("\n1. one at a time\n"), "{text}");
    }

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let readme = "# Title\n<!-- support:kv -->\nold\n<!-- /support -->\nend\n";
        let written = between_markers(readme, "kv", "new\n").unwrap();
        assert_eq!(written, "# Title\n<!-- support:kv -->\nnew\n<!-- /support -->\nend\n");
        assert_eq!(between_markers(&written, "kv", "new\n").unwrap(), written);
        assert!(between_markers("# Title\n", "kv", "new\n").is_err());
        assert!(between_markers("<!-- support:kv -->\n", "kv", "new\n").is_err());
    }

    #[test]
    fn a_service_without_markers_comes_after_the_last_that_has() {
        let readme = "<!-- support:kv -->\nkv\n<!-- /support -->\n\n## End\n";
        let written = between_markers(readme, "load_balancer", "new\n").unwrap();
        assert_eq!(
            written,
            "<!-- support:kv -->\nkv\n<!-- /support -->\n\n### LoadBalancer\n\n\
             <!-- support:load_balancer -->\nnew\n<!-- /support -->\n\n## End\n"
        );
        assert_eq!(between_markers(&written, "load_balancer", "new\n").unwrap(), written);
    }
}
