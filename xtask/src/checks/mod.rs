//! Behaviour tests of the oracles: what our tests rely on is there at the pinned version. When one
//! of these fails after a new version, the tests that lean on it mean something else by then.

mod dynamodb;
mod firestore;
mod gcs;
mod microburst;
mod pages;
mod s3;

use serde_json::Value;

use crate::tally::Tally;
use crate::{Result, process};

/// One thing that an oracle does, and that a test of ours needs it to do.
struct Check {
    oracle: &'static str,
    name: &'static str,
    holds: fn() -> Result<()>,
}

/// Runs the checks of these oracles, a line each.
pub(crate) fn run(up: &[&str]) -> Tally {
    let mut tally = Tally::default();
    let all = dynamodb::CHECKS
        .iter()
        .chain(s3::CHECKS)
        .chain(&microburst::CHECKS)
        .chain(&firestore::CHECKS)
        .chain(&pages::CHECKS);
    for check in all.filter(|check| up.contains(&check.oracle)) {
        if process::interrupted() {
            break;
        }
        tally += told(check.oracle, check.name, (check.holds)());
    }
    if up.contains(&gcs::ORACLE) && !process::interrupted() {
        for (name, outcome) in gcs::run() {
            tally += told(gcs::ORACLE, &name, outcome);
        }
    }
    tally
}

/// Prints the line of one check, and counts it.
fn told(oracle: &str, name: &str, outcome: Result<()>) -> Tally {
    match outcome {
        Ok(()) => {
            println!("oracle {oracle}: {name} ... ok");
            Tally { passed: 1, failed: 0 }
        }
        Err(message) => {
            println!("oracle {oracle}: {name} ... FAILED\n    {message}");
            Tally { passed: 0, failed: 1 }
        }
    }
}

/// Fails with what was found and what was wanted.
fn expect(found: &Value, wanted: impl Into<Value>, what: &str) -> Result<()> {
    let wanted = wanted.into();
    if *found == wanted { Ok(()) } else { Err(format!("{what}: wanted {wanted}, found {found}")) }
}
