//! What the stand-in for Cloud Storage does, asked by Google's own Python clients: its control plane is gRPC,
//! which this program does not speak. The checks are in `xtask/oracles/gcsbridge_checks.py`.

use std::process::Command;

use crate::process::output;
use crate::{Result, emulators, root};

pub(super) const ORACLE: &str = "gcs";

const SCRIPT: &str = "xtask/oracles/gcsbridge_checks.py";

/// Runs them all: the name of each, and what came of it.
pub(super) fn run() -> Vec<(String, Result<()>)> {
    answers().unwrap_or_else(|problem| vec![(SCRIPT.to_owned(), Err(problem))])
}

fn answers() -> Result<Vec<(String, Result<()>)>> {
    let oracle = emulators::find(ORACLE)?;
    let python = oracle.kit()?.join("bin/python");
    let script = root::workspace().join(SCRIPT);
    let names = output(Command::new(&python).arg(&script).arg("--list"))?;
    let found = output(Command::new(&python).arg(&script).arg(oracle.port.to_string()))?;
    let outcome = |name: &str| {
        let line = found.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
        match line {
            Some("ok") => Ok(()),
            Some(problem) => Err(problem.to_owned()),
            None => Err("it did not run".to_owned()),
        }
    };
    match names.lines().count() {
        0 => Err("it has no checks".to_owned()),
        _ => Ok(names.lines().map(|name| (name.to_owned(), outcome(name))).collect()),
    }
}
