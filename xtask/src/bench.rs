//! `cargo xtask bench`: runs the benchmarks and prints the table that they wrote.

use std::fs;
use std::process::Command;

use crate::{Result, process, root};

/// `cargo xtask bench [ARGUMENT]...`; the arguments go to `cargo bench`.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let report = root::target().join("bench/report.md");
    // An older table must not pass for this run's.
    let _ = fs::remove_file(&report);
    let mut cargo = Command::new("cargo");
    cargo.args(["bench", "--package", "mvi-benches"]).args(words).current_dir(root::workspace());
    if !process::stream(&mut cargo, &process::echo)? {
        return Err("the benchmarks failed".to_owned());
    }
    let table = fs::read_to_string(&report)
        .map_err(|error| format!("the benchmarks left no {}: {error}", report.display()))?;
    println!("\n{}\n\n(written to {})", table.trim_end(), report.display());
    Ok(())
}
