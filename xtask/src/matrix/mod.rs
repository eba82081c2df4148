//! `cargo xtask matrix`: the support table, from what the conformance suite found.
//!
//! ```text
//!   target/conformance/NAME.json ──▶ support/NAME.json ──▶ README.md, SUPPORT.md
//!       the last run                  kept in the tree      the tables
//! ```
//!
//! The results are kept in the tree, so that who lacks an oracle can still write the tables, and so
//! that a change of what holds shows up in a review. Nothing in them moves with the time of day.

mod render;
mod results;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use results::Run;

use crate::require::Require;
use crate::{Result, emulators, root};

/// A column of the tables.
struct Backend {
    /// What the conformance suite and `support/` call it.
    name: &'static str,
    /// Whose promises it is the proof of.
    of: Provider,
    /// The only service that it has, where it is a stand-in for one.
    only: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provider {
    Sim,
    Aws,
    Google,
}

impl Provider {
    /// In the order of the tables.
    const ALL: [Self; 3] = [Self::Sim, Self::Aws, Self::Google];
}

/// All columns, in order.
const BACKENDS: [Backend; 9] = [
    Backend { name: "sim", of: Provider::Sim, only: None },
    Backend { name: "ministack", of: Provider::Aws, only: None },
    Backend { name: "moto", of: Provider::Aws, only: None },
    Backend { name: "dynalite", of: Provider::Aws, only: Some("kv") },
    Backend { name: "microburst", of: Provider::Aws, only: None },
    Backend { name: "aws", of: Provider::Aws, only: None },
    Backend { name: "firestore", of: Provider::Google, only: Some("kv") },
    Backend { name: "gcs", of: Provider::Google, only: Some("blob") },
    Backend { name: "gcp", of: Provider::Google, only: None },
];

/// Those that are no stand-in but the cloud itself.
const LIVE: [&str; 2] = ["aws", "gcp"];

/// `cargo xtask matrix [--check]`.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let check = match words {
        [] => false,
        ["--check"] => true,
        _ => return Err("`matrix` takes --check or nothing".to_owned()),
    };
    let require = Require::from_env(&emulators::names())?;
    let fresh = results::last_run(&root::conformance())?;
    let built = results::services(&fresh);
    for backend in &BACKENDS {
        // Of a service without cases there is nothing to find.
        if backend.only.is_some_and(|only| !built.contains(only)) {
            continue;
        }
        if !fresh.contains_key(backend.name) {
            // The Sim is always there, so whoever requires anything requires it.
            let wanted = match backend.name {
                "sim" => require != Require::Nothing,
                // A real cloud costs money, so only its name requires it.
                name if LIVE.contains(&name) => {
                    require != Require::All && require.wants(backend.name)
                }
                name => require.wants(name),
            };
            if LIVE.contains(&backend.name) && !wanted {
                continue;
            }
            let missing = format!("the last run has no result of {}", backend.name);
            if wanted {
                return Err(missing);
            }
            println!("{missing}: its column stays as it was");
        }
    }
    let mut files = Files { check, stale: Vec::new() };
    let support = root::workspace().join("support");
    for (name, run) in &fresh {
        files.put(&support.join(format!("{name}.json")), &run.to_text())?;
    }
    let mut runs: BTreeMap<String, Run> = results::kept(&support)?;
    runs.extend(fresh);
    let unverified = results::unverified(&support.join("unverified.toml"))?;
    let services = results::services(&runs);
    let mut pages = Vec::new();
    let readme_path = root::workspace().join("README.md");
    let mut readme = read(&readme_path)?;
    for service in &services {
        let sheet = render::Sheet {
            service,
            runs: &runs,
            operations: results::operations(service)?,
            unverified: unverified.get(service.as_str()).map_or(&[], Vec::as_slice),
        };
        readme = render::between_markers(&readme, service, &sheet.summary()?)?;
        pages.push(sheet.page());
    }
    files.put(&readme_path, &readme)?;
    files.put(&root::workspace().join("SUPPORT.md"), &render::support_page(&pages))?;
    files.verdict()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes files, or finds those that would change.
struct Files {
    check: bool,
    stale: Vec<String>,
}

impl Files {
    fn put(&mut self, path: &Path, text: &str) -> Result<()> {
        if fs::read_to_string(path).is_ok_and(|found| found == text) {
            return Ok(());
        }
        let shown = path.strip_prefix(root::workspace()).unwrap_or(path).display().to_string();
        if self.check {
            self.stale.push(shown);
            return Ok(());
        }
        println!("{shown} is written");
        fs::write(path, text).map_err(|error| format!("{shown}: {error}"))
    }

    fn verdict(self) -> Result<()> {
        if self.stale.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "not what the last run found: {}; `cargo xtask matrix` writes them",
                self.stale.join(", ")
            ))
        }
    }
}
