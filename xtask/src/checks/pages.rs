//! What the rooms' module pages say of the providers: every call that a table names is one that the provider's own
//! API description has. `xtask/oracles/calls.py` reads both; the descriptions came with the oracles.

use std::path::PathBuf;
use std::process::Command;

use super::Check;
use crate::process::output;
use crate::{Result, emulators, root};

/// Rooms that are a page so far, and then those that are built: their Google calls are partly gRPC's, which the
/// discovery documents do not have.
const DESIGNED: [&str; 9] = [
    "vm.rs",
    "vpc.rs",
    "crypto.rs",
    "image.rs",
    "container.rs",
    "load_balancer.rs",
    "database.rs",
    "log.rs",
    "metric.rs",
];
const BUILT: [&str; 2] = ["kv/mod.rs", "blob/mod.rs"];

pub(super) static CHECKS: [Check; 2] = [
    Check { oracle: "moto", name: "the_pages_name_calls_that_aws_has", holds: aws },
    Check {
        oracle: "firestore-admin",
        name: "the_pages_name_calls_that_google_has",
        holds: google,
    },
];

fn aws() -> Result<()> {
    let pages: Vec<_> = DESIGNED.iter().chain(&BUILT).collect();
    hold("moto", "aws", &pages, ("`RunInstances`", "`RunInstancez`"))
}

fn google() -> Result<()> {
    let pages: Vec<_> = DESIGNED.iter().collect();
    hold("firestore-admin", "google", &pages, ("`instances.insert`", "`instances.insertt`"))
}

/// Holds the pages against the description that comes with `oracle`, and then one of them with a slip, which has to be seen.
fn hold(oracle: &str, provider: &str, pages: &[&&str], slip: (&str, &str)) -> Result<()> {
    let folder = root::workspace().join("mvi-core/src");
    let all: Vec<PathBuf> = pages.iter().map(|page| folder.join(page)).collect();
    let said = calls(oracle, provider, &all)?;
    println!("    {}", said.trim_end());
    let page = std::fs::read_to_string(folder.join("vm.rs")).map_err(|error| error.to_string())?;
    let wrong = page.replace(slip.0, slip.1);
    if wrong == page {
        return Err(format!("vm.rs does not name {}", slip.0));
    }
    let file = std::env::temp_dir().join(format!("mvi-{}-{provider}.rs", std::process::id()));
    std::fs::write(&file, wrong).map_err(|error| error.to_string())?;
    let seen = calls(oracle, provider, std::slice::from_ref(&file));
    // What can't be removed is in the folder for what may be left.
    let _ = std::fs::remove_file(&file);
    match seen {
        Err(_) => Ok(()),
        Ok(said) => Err(format!("a slip is not seen: {}", said.trim_end())),
    }
}

fn calls(oracle: &str, provider: &str, pages: &[PathBuf]) -> Result<String> {
    let python = emulators::find(oracle)?.kit()?.join("bin/python");
    let script = root::workspace().join("xtask/oracles/calls.py");
    output(Command::new(python).arg(script).arg(provider).args(pages))
}
