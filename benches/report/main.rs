//! Runs every comparison, prints the table, and writes it to `target/bench/report.md`.
//!
//! ```text
//! cargo bench -p mvi-benches                  all of it: some minutes
//! cargo bench -p mvi-benches -- hooks timers  these only: hooks, kv, provider, blob, s3, google, timers
//! cargo bench -p mvi-benches -- --cold        builds from nothing too: many minutes
//! ```
//!
//! Without `--bench`, as `cargo test --benches` runs it, each comparison runs once and briefly: whether it works, not how fast.

mod blob;
mod cold;
mod hooks;
mod kv;
mod provider;
mod timers;

use std::{error::Error, fs, path::Path, process::ExitCode};

use mvi_benches::{Report, Rounds};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
type Part = fn(Rounds, &mut Report) -> Result;

const PARTS: &[(&str, Part)] = &[
    ("hooks", hooks::run),
    ("kv", kv::run),
    ("provider", provider::run),
    ("blob", blob::simulated),
    ("s3", blob::s3),
    #[cfg(feature = "google")]
    ("google", blob::google),
    ("timers", timers::run),
];

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Vec<String>) -> Result {
    let (options, names): (Vec<_>, Vec<_>) = args.into_iter().partition(|it| it.starts_with('-'));
    let has = |name: &str| options.iter().any(|it| it == name);
    let rounds = if has("--bench") { Rounds::FULL } else { Rounds::SMOKE };
    // What `cargo test` is told is meant for test harnesses: here a name may simply match nothing.
    if has("--bench") {
        if let Some(other) = options.iter().find(|it| !matches!(it.as_str(), "--bench" | "--cold"))
        {
            return Err(format!("unknown option {other}: wanted --cold").into());
        }
        if let Some(other) = names.iter().find(|it| PARTS.iter().all(|(name, _)| name != it)) {
            let known = PARTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(format!("no part {other:?}: wanted {known}").into());
        }
    } else if has("--list") {
        return Ok(());
    }

    let mut report = Report::default();
    for (name, part) in PARTS {
        if names.is_empty() || names.iter().any(|it| it == name) {
            part(rounds, &mut report)?;
        }
    }
    if has("--cold") {
        cold::run(&mut report)?;
    }
    if !has("--bench") {
        return Ok(());
    }
    let (met, goals) = report.met();
    let text =
        format!("{report}\n\n{met} of {goals} goals met; medians of {} rounds.\n", rounds.count);
    let folder = workspace()?.join("target/bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("report.md"), &text)?;
    println!("{text}");
    Ok(())
}

/// The workspace's root.
fn workspace() -> Result<&'static Path> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the package has no parent folder")?)
}

/// One thread, as a service's worker is one.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// `count` things in `seconds`, as so many a second.
fn per_second(count: usize, time: std::time::Duration) -> f64 {
    as_f64(count) / time.as_secs_f64().max(1e-9)
}

#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

/// A rate as a person reads it.
fn rate(each_second: f64, what: &str) -> String {
    if each_second < 1e4 {
        format!("{each_second:.0} {what}/s")
    } else if each_second < 1e6 {
        format!("{:.0}k {what}/s", each_second / 1e3)
    } else {
        format!("{:.2}M {what}/s", each_second / 1e6)
    }
}
