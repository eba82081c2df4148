//! The tables, as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::results::{Case, Operation, Run, Unverified};
use super::{BACKENDS, Backend, Provider};
use crate::Result;

/// All there is to say about one service.
pub(super) struct Sheet<'a> {
    pub(super) service: &'a str,
    pub(super) runs: &'a BTreeMap<String, Run>,
    pub(super) operations: Vec<Operation>,
    pub(super) unverified: &'a [Unverified],
}

impl Sheet<'_> {
    /// The README's part: a row for each operation, what is not kept, what is not verified.
    pub(super) fn summary(&self) -> Result<String> {
        let columns = self.columns();
        let mut out = String::from("| Operation |");
        let mut rule = String::from("|---|");
        let mut last = Provider::Sim;
        for (backend, run) in &columns {
            // What an operation is made of stands before the columns that prove it.
            if backend.of != last {
                last = backend.of;
                let _ = write!(out, " {} |", provider(last));
                rule.push_str("---|");
            }
            let _ = write!(out, " {} |", heading(backend, run));
            rule.push_str(":-:|");
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
        self.divergences(&mut out, &columns);
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
        let mut last = Provider::Sim;
        for (backend, run) in columns {
            if backend.of != last {
                last = backend.of;
                let calls = if last == Provider::Aws { &operation.aws } else { &operation.google };
                let _ = write!(out, " {calls} |");
            }
            let cases: Vec<&Case> = self.cases(run).filter(|case| counts(case)).collect();
            if cases.is_empty() {
                return Err(format!("no case calls {} on {}", operation.name, backend.name));
            }
            let kept = cases.iter().filter(|case| case.divergence.is_none()).count();
            let _ = write!(out, " {kept}/{} |", cases.len());
        }
        out.push('\n');
        Ok(())
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

    fn gaps(&self, out: &mut String) {
        if self.unverified.is_empty() {
            return;
        }
        out.push_str("\nNot verified by any program that we did not write:\n\n");
        for gap in self.unverified {
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

    fn columns(&self) -> Vec<(&'static Backend, &Run)> {
        let of = |backend: &'static Backend| Some((backend, self.runs.get(backend.name)?));
        BACKENDS.iter().filter_map(of).collect()
    }

    fn cases<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = &'a Case> {
        run.cases.iter().filter(|(name, _)| self.owns(name)).map(|(_, case)| case)
    }

    fn owns(&self, case: &str) -> bool {
        case.split_once("::").is_some_and(|(service, _)| service == self.service)
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

/// Puts a service's part where the README has room for it.
pub(super) fn between_markers(readme: &str, service: &str, part: &str) -> Result<String> {
    let open = format!("<!-- support:{service} -->");
    let close = "<!-- /support -->";
    let missing = || format!("README.md lacks the markers `{open}` and, after it, `{close}`");
    let (before, rest) = readme.split_once(&open).ok_or_else(missing)?;
    let (_, after) = rest.split_once(close).ok_or_else(missing)?;
    Ok(format!("{before}{open}\n{part}{close}{after}"))
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
        Run { oracle: oracle.to_owned(), cases: cases.collect() }
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
        let gap = Unverified { provider: "AWS".into(), what: "quota".into(), why: "none".into() };
        let unverified = &[gap];
        let sheet = Sheet { service: "kv", runs: &runs, operations: operations(), unverified };
        let text = sheet.summary().unwrap();
        assert!(
            text.contains("| Operation | Sim | AWS | moto 5.2.5 |\n|---|:-:|---|:-:|\n"),
            "{text}"
        );
        assert!(text.contains("| `kv.get` | 1/1 | `getItem` | 1/1 |"), "{text}");
        assert!(text.contains("| `kv.put` | 2/2 | `putItem` | 1/2 |"), "{text}");
        assert!(text.contains("| **all promises** | 2/2 |  | 1/2 |"), "{text}");
        assert!(text.contains("- **moto 5.2.5**: one at a time (1)"), "{text}");
        assert!(text.contains("- **AWS**: quota: none"), "{text}");
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
    }
}
