//! What came of a run, for the support table.

use std::{env, fs, io, path::PathBuf};

use serde_json::json;

use super::{Backend, SERVICES};

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The promise is kept.
    Pass,
    /// It is not, as declared, for this reason.
    Divergence(String),
    /// It is not, or a divergence passed.
    Fail(String),
}

/// Writes `target/conformance/NAME.json`.
pub(super) fn write(backend: &Backend) -> io::Result<()> {
    let folder = folder()?;
    fs::create_dir_all(&folder)?;
    let seen = backend.seen();
    let cases = seen.outcomes.iter().map(|(name, outcome)| {
        let (outcome, reason) = match outcome {
            Outcome::Pass => ("pass", None),
            Outcome::Divergence(reason) => ("divergence", Some(reason)),
            Outcome::Fail(reason) => ("fail", Some(reason)),
        };
        let ops = seen.ops.get(name);
        json!({ "name": name, "ops": ops, "outcome": outcome, "reason": reason })
    });
    let services = SERVICES.iter().map(|it| it.name).filter(|it| backend.serves(it));
    let report = json!({
        "backend": backend.name,
        "services": services.collect::<Vec<_>>(),
        "oracle": backend.oracle,
        "mended": backend.mended,
        "cases": cases.collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&report)?;
    fs::write(folder.join(format!("{}.json", backend.name)), text + "\n")
}

/// The folder `conformance` in cargo's target folder.
fn folder() -> io::Result<PathBuf> {
    if let Some(target) = env::var_os("CARGO_TARGET_DIR") {
        return Ok(PathBuf::from(target).join("conformance"));
    }
    // Test programs are in `target/debug/deps`; cargo marks its target folder for backup programs.
    let program = env::current_exe()?;
    let target = program.ancestors().find(|it| it.join("CACHEDIR.TAG").is_file());
    let missing = || io::Error::new(io::ErrorKind::NotFound, "no target folder above the program");
    target.map(|it| it.join("conformance")).ok_or_else(missing)
}
