//! `cargo xtask bench`: runs the benchmarks, which print their table and write it.

use std::fs;
use std::process::Command;

use crate::{Result, process, root};

/// `cargo xtask bench [ARGUMENT]...`; the arguments go to `cargo bench`.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let report = root::target().join("bench/report.md");
    // An older table must not pass for this run's.
    let _ = fs::remove_file(&report);
    let mut cargo = Command::new("cargo");
    // With the stores and servers that nothing else here needs.
    cargo.args(["bench", "--package", "mvi-benches", "--features", "google,peers"]).args(words);
    cargo.current_dir(root::workspace());
    if !process::stream(&mut cargo, &process::echo)? {
        return Err("the benchmarks failed".to_owned());
    }
    if !report.is_file() {
        return Err(format!("the benchmarks left no {}", report.display()));
    }
    println!("\n(written to {})", report.display());
    Ok(())
}
