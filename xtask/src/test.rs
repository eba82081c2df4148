//! `cargo xtask test`: every check and every test of the workspace, against every oracle.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::emulators::{self, Failure, Session};
use crate::process::{self, Stream};
use crate::require::{self, Require};
use crate::tally::Tally;
use crate::{Result, checks, clock, matrix, root};

/// The steps, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Fmt,
    Clippy,
    Doc,
    Test,
    Oracles,
    Deny,
    Typos,
    Matrix,
}

impl Step {
    const ALL: [Self; 8] = [
        Self::Fmt,
        Self::Clippy,
        Self::Doc,
        Self::Test,
        Self::Oracles,
        Self::Deny,
        Self::Typos,
        Self::Matrix,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Doc => "doc",
            Self::Test => "test",
            Self::Oracles => "oracles",
            Self::Deny => "deny",
            Self::Typos => "typos",
            Self::Matrix => "matrix",
        }
    }

    fn needs_oracles(self) -> bool {
        matches!(self, Self::Test | Self::Oracles)
    }

    fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|step| step.name() == text).ok_or_else(|| {
            format!("no step `{text}`: there are {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    steps: Vec<Step>,
    keep: bool,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self> {
        let (mut only, mut skip, mut keep) = (Vec::new(), Vec::new(), false);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut step = || {
                let name =
                    words.next().ok_or_else(|| format!("{word} wants the name of a step"))?;
                Step::parse(name)
            };
            match *word {
                "--only" => only.push(step()?),
                "--skip" => skip.push(step()?),
                "--keep" => keep = true,
                other => {
                    return Err(format!("`test` takes --only, --skip and --keep, not {other}"));
                }
            }
        }
        let chosen = |step: &Step| (only.is_empty() || only.contains(step)) && !skip.contains(step);
        let steps: Vec<Step> = Step::ALL.into_iter().filter(chosen).collect();
        if steps.is_empty() {
            Err("no step is left to run".to_owned())
        } else {
            Ok(Self { steps, keep })
        }
    }
}

/// How a step ended.
#[derive(Debug)]
enum Outcome {
    Good,
    /// What it needs is not on this machine, and nobody required it.
    Missing(String),
    Bad(String),
}

/// One line of the summary.
#[derive(Debug)]
struct Row {
    name: &'static str,
    outcome: Outcome,
    tally: Tally,
    taken: Duration,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, detail) = match &self.outcome {
            Outcome::Good => ("ok", ""),
            Outcome::Missing(why) => ("missing", why.as_str()),
            Outcome::Bad(why) => ("FAILED", why.as_str()),
        };
        write!(f, "{:<10} {word:<8} {:>7.1} s", self.name, self.taken.as_secs_f64())?;
        if self.tally != Tally::default() {
            write!(f, "  {}", self.tally)?;
        }
        // The whole message stands where the step ran.
        detail.lines().next().map_or(Ok(()), |line| write!(f, "  {line}"))
    }
}

/// `cargo xtask test`. Its last line is `N passed, N failed`: all tests that ran, and a failure
/// for each step that failed without one of them.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let options = Options::parse(words)?;
    let require = Require::from_env(&emulators::names())?;
    let started = clock::start();
    let mut background = Background::start(&options.steps)?;
    let mut rows = Vec::new();
    for step in &options.steps {
        if process::interrupted() {
            break;
        }
        if step.needs_oracles() && background.session.is_none() {
            rows.push(row("emulators", || wait_for_oracles(&mut background, &require)));
        }
        rows.push(row(step.name(), || run_step(*step, &mut background, &require)));
    }
    if !options.keep {
        rows.push(row("stop", || (background.stop(), Tally::default())));
    }
    if process::interrupted() && !rows.iter().any(|row| matches!(row.outcome, Outcome::Bad(_))) {
        let outcome = Outcome::Bad("not all steps ran".to_owned());
        let (tally, taken) = (Tally::default(), Duration::ZERO);
        rows.push(Row { name: "interrupt", outcome, tally, taken });
    }
    summarize(&rows, started.elapsed())
}

fn summarize(rows: &[Row], taken: Duration) -> Result<()> {
    let mut total = Tally::default();
    println!();
    for row in rows {
        println!("{row}");
        total += row.tally;
        if matches!(row.outcome, Outcome::Bad(_)) && row.tally.failed == 0 {
            total.failed += 1;
        }
    }
    println!("in all {:.0} s\n", taken.as_secs_f64());
    println!("{total}");
    if total.failed == 0 { Ok(()) } else { Err(String::new()) }
}

fn row(name: &'static str, run: impl FnOnce() -> (Outcome, Tally)) -> Row {
    let started = clock::start();
    println!("\n==> {name}");
    let (outcome, tally) = run();
    let row = Row { name, outcome, tally, taken: started.elapsed() };
    if let Outcome::Missing(why) | Outcome::Bad(why) = &row.outcome {
        eprintln!("{why}");
    }
    println!("<== {row}");
    row
}

/// What is set up while the first steps compile.
#[derive(Debug)]
struct Background {
    oracles: Option<JoinHandle<Session>>,
    session: Option<Session>,
    deny: Option<JoinHandle<Result<PathBuf>>>,
    typos: Option<JoinHandle<Result<PathBuf>>>,
}

impl Background {
    fn start(steps: &[Step]) -> Result<Self> {
        let oracles = steps.iter().any(|step| step.needs_oracles());
        if oracles {
            // Known at once, so nobody waits minutes for it.
            emulators::check_ports()?;
        }
        let spawn_if = |step: Step, install: fn() -> Result<PathBuf>| {
            steps.contains(&step).then(|| std::thread::spawn(install))
        };
        Ok(Self {
            deny: spawn_if(Step::Deny, emulators::cargo_deny),
            typos: spawn_if(Step::Typos, emulators::typos),
            oracles: oracles.then(|| {
                let all: Vec<_> = emulators::ALL.iter().collect();
                std::thread::spawn(move || emulators::up(&all))
            }),
            session: None,
        })
    }

    fn session(&mut self) -> Option<&Session> {
        if let Some(handle) = self.oracles.take() {
            self.session = handle.join().ok();
        }
        self.session.as_ref()
    }

    fn stop(&mut self) -> Outcome {
        for install in [self.deny.take(), self.typos.take()].into_iter().flatten() {
            let _ = install.join();
        }
        match self.session().map(Session::stop) {
            Some(Err(problem)) => Outcome::Bad(problem),
            Some(Ok(())) | None => Outcome::Good,
        }
    }
}

fn wait_for_oracles(background: &mut Background, require: &Require) -> (Outcome, Tally) {
    let outcome = match background.session() {
        None => Outcome::Bad("setting up the oracles panicked".to_owned()),
        Some(session) => {
            let bad = |failed: &&(&emulators::Oracle, Failure)| {
                matches!(failed.1, Failure::PortTaken(_)) || require.wants(failed.0.name)
            };
            let list = |failed: Vec<&(&emulators::Oracle, Failure)>| {
                let lines: Vec<_> = failed
                    .iter()
                    .map(|(o, why)| format!("{}: {}", o.name, why.message()))
                    .collect();
                lines.join("\n")
            };
            let (bad, missing): (Vec<_>, Vec<_>) = session.failed.iter().partition(bad);
            match (bad.is_empty(), missing.is_empty()) {
                (true, true) => Outcome::Good,
                (true, false) => Outcome::Missing(list(missing)),
                (false, _) => Outcome::Bad(list(bad)),
            }
        }
    };
    (outcome, Tally::default())
}

fn run_step(step: Step, background: &mut Background, require: &Require) -> (Outcome, Tally) {
    let plain = |outcome| (outcome, Tally::default());
    match step {
        Step::Fmt => plain(cargo(&["fmt", "--all", "--check"], &[])),
        Step::Clippy => plain(clippy()),
        Step::Doc => {
            let words = ["doc", "--workspace", "--no-deps", "--all-features"];
            plain(cargo(&words, &[("RUSTDOCFLAGS", "-D warnings")]))
        }
        Step::Test => tests(background, require),
        Step::Oracles => {
            let session = background.session();
            let up: Vec<_> = session.iter().flat_map(|s| &s.up).map(|oracle| oracle.name).collect();
            let tally = checks::run(&up);
            let outcome = match (tally.failed, tally.passed) {
                (0, 0) => Outcome::Missing("no oracle is up".to_owned()),
                (0, _) => Outcome::Good,
                (failed, _) => Outcome::Bad(format!("{failed} checks failed")),
            };
            (outcome, tally)
        }
        Step::Deny => plain(tool(background.deny.take(), *require == Require::All, |program| {
            let mut command = Command::new(program);
            command.args(["--workspace", "--all-features", "--locked", "check"]);
            // Advisories need the network's newest list: the workflow looks at them.
            command.args(["bans", "licenses", "sources"]);
            command
        })),
        Step::Typos => plain(tool(background.typos.take(), *require == Require::All, Command::new)),
        Step::Matrix => plain(finished(matrix::run(&["--check"]))),
    }
}

/// All there is, then the provider crates with no feature, as a caller may have them.
fn clippy() -> Outcome {
    let deny = ["--", "-D", "warnings"];
    let all = ["clippy", "--workspace", "--all-targets", "--all-features"];
    let bare = ["clippy", "--package", "mvi-core", "--package", "mvi-aws", "--package", "mvi-gcp"];
    match cargo(&[&all[..], &deny].concat(), &[]) {
        Outcome::Good => cargo(&[&bare[..], &deny].concat(), &[]),
        other => other,
    }
}

fn finished(result: Result<()>) -> Outcome {
    result.map_or_else(Outcome::Bad, |()| Outcome::Good)
}

fn cargo(words: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let mut command = Command::new("cargo");
    command.args(words).envs(environment.iter().copied());
    execute(&mut command)
}

fn execute(command: &mut Command) -> Outcome {
    match process::stream(command.current_dir(root::workspace()), &process::echo) {
        Ok(true) => Outcome::Good,
        Ok(false) => Outcome::Bad(String::new()),
        Err(problem) => Outcome::Bad(problem),
    }
}

/// Runs a tool that was installed in the background.
fn tool(
    install: Option<JoinHandle<Result<PathBuf>>>,
    required: bool,
    command: impl FnOnce(PathBuf) -> Command,
) -> Outcome {
    let installed = match install.map(JoinHandle::join) {
        Some(Ok(installed)) => installed,
        Some(Err(_)) => Err("its installation panicked".to_owned()),
        None => Err("it was not installed".to_owned()),
    };
    match installed {
        Ok(program) => execute(&mut command(program)),
        Err(problem) if required => Outcome::Bad(problem),
        Err(problem) => Outcome::Missing(problem),
    }
}

/// All tests of the workspace, the documentation's among them.
fn tests(background: &mut Background, require: &Require) -> (Outcome, Tally) {
    // What an older run left must not pass for what this one found.
    let _ = std::fs::remove_dir_all(root::conformance());
    let mut command = Command::new("cargo");
    command
        .args(["test", "--workspace", "--all-features", "--no-fail-fast"])
        .current_dir(root::workspace());
    if let Some(session) = background.session() {
        session.environment(&mut command);
    }
    let tally = Mutex::new(Tally::default());
    let ran = process::stream(&mut command, &|stream, line| {
        process::echo(stream, line);
        if stream == Stream::Out
            && let Some(more) = Tally::of_line(line)
        {
            *tally.lock().expect("no panic holds the tally") += more;
        }
    });
    let tally = tally.into_inner().expect("no panic holds the tally");
    let outcome = match ran {
        Ok(true) if tally.passed == 0 && *require != Require::Nothing => {
            Outcome::Bad(format!("no test ran, and {} is set", require::VARIABLE))
        }
        Ok(true) if tally.failed == 0 => Outcome::Good,
        Ok(_) => Outcome::Bad(String::new()),
        Err(problem) => Outcome::Bad(problem),
    };
    (outcome, tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_steps_run_in_order_unless_told() {
        let options = Options::parse(&[]).unwrap();
        assert_eq!(options.steps, Step::ALL);
        assert!(!options.keep);
    }

    #[test]
    fn only_and_skip_choose_steps() {
        let options = Options::parse(&["--only", "test", "--only", "fmt", "--keep"]).unwrap();
        assert_eq!(options.steps, [Step::Fmt, Step::Test]);
        assert!(options.keep);
        let options = Options::parse(&["--skip", "clippy"]).unwrap();
        assert!(!options.steps.contains(&Step::Clippy));
        assert_eq!(options.steps.len(), Step::ALL.len() - 1);
    }

    #[test]
    fn unknown_words_are_refused() {
        for words in
            [&["--only"][..], &["--only", "lint"], &["--fast"], &["--only", "fmt", "--skip", "fmt"]]
        {
            assert!(Options::parse(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_failed_step_without_a_failed_test_counts_as_one() {
        let row = |outcome, passed, failed| Row {
            name: "step",
            outcome,
            tally: Tally { passed, failed },
            taken: Duration::ZERO,
        };
        assert!(summarize(&[row(Outcome::Good, 3, 0)], Duration::ZERO).is_ok());
        assert!(summarize(&[row(Outcome::Bad(String::new()), 0, 0)], Duration::ZERO).is_err());
        assert!(summarize(&[row(Outcome::Bad(String::new()), 5, 2)], Duration::ZERO).is_err());
    }
}
