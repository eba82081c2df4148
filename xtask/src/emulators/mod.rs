//! The oracles: programs that others wrote, which the providers are tested against. Installed at
//! pinned versions under `target/oracles`, bound to loopback, stopped again.

mod catalog;
mod install;

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

pub(crate) use catalog::{ALL, Oracle, find};
pub(crate) use install::{cargo_deny, typos};

use crate::process::{self, Daemon};
use crate::{Result, clock, root};

/// How long an oracle may take until it answers: a Java program on a machine that also compiles.
const PATIENCE: Duration = Duration::from_mins(2);

/// `cargo xtask emulators`.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    match words {
        ["up", names @ ..] => {
            let session = up(&chosen(names)?);
            if process::interrupted() {
                session.stop()?;
                return Err("interrupted".to_owned());
            }
            println!("\nfor `cargo test` by hand:");
            for oracle in ALL.iter().filter(|oracle| session.is_up(oracle)) {
                println!("export {}={}", oracle.variable, oracle.endpoint);
            }
            match session.failed.as_slice() {
                [] => Ok(()),
                failed => Err(format!(
                    "{} of {} oracles did not start",
                    failed.len(),
                    failed.len() + session.up.len()
                )),
            }
        }
        ["down", names @ ..] => down(&chosen(names)?),
        ["status"] => {
            status();
            Ok(())
        }
        _ => Err("wanted `emulators up [NAME]...`, `emulators down [NAME]...` or `emulators \
                  status`"
            .to_owned()),
    }
}

/// What `MVI_REQUIRE` may name: the oracles, and the backends that need none of them.
pub(crate) fn names() -> Vec<&'static str> {
    catalog::names().into_iter().chain(["sim", "aws", "gcp"]).collect()
}

fn chosen(names: &[&str]) -> Result<Vec<&'static Oracle>> {
    if names.is_empty() {
        Ok(ALL.iter().collect())
    } else {
        names.iter().map(|n| find(n)).collect()
    }
}

/// What one `up` brought.
#[derive(Debug)]
pub(crate) struct Session {
    /// Those that answer now.
    pub(crate) up: Vec<&'static Oracle>,
    /// Those that do not, and why.
    pub(crate) failed: Vec<(&'static Oracle, Failure)>,
    started: Vec<&'static Oracle>,
}

impl Session {
    fn is_up(&self, oracle: &Oracle) -> bool {
        self.up.iter().any(|up| up.name == oracle.name)
    }

    /// Tells a test where the oracles are that answer, and of no other.
    pub(crate) fn environment(&self, command: &mut Command) {
        for oracle in &ALL {
            command.env_remove(oracle.variable);
        }
        for oracle in &self.up {
            command.env(oracle.variable, oracle.endpoint);
        }
    }

    /// Stops the oracles that this `up` started; those that were up before stay.
    pub(crate) fn stop(&self) -> Result<()> {
        down(&self.started)
    }
}

/// Why an oracle is not up.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// Another program listens on its port, so a test could meet a stranger.
    PortTaken(String),
    /// It is not on this machine and could not be installed, or does not start.
    Missing(String),
}

impl Failure {
    /// The sentence for whoever reads it.
    pub(crate) fn message(&self) -> &str {
        let (Self::PortTaken(message) | Self::Missing(message)) = self;
        message
    }
}

/// Installs and starts oracles, and waits until each answers. Prints a line for each.
pub(crate) fn up(oracles: &[&'static Oracle]) -> Session {
    let session = Mutex::new(Session { up: Vec::new(), failed: Vec::new(), started: Vec::new() });
    // A taken port is known at once: say so before minutes of installing.
    let (free, taken): (Vec<_>, Vec<_>) = oracles
        .iter()
        .copied()
        .map(|oracle| (oracle, port_is_ours(oracle)))
        .partition(|p| p.1.is_ok());
    for (oracle, failure) in taken {
        let failure = failure.expect_err("the failures were put aside");
        eprintln!("{}: {}", oracle.name, failure.message());
        session.lock().expect("no panic holds the session").failed.push((oracle, failure));
    }
    std::thread::scope(|scope| {
        for (oracle, _) in free {
            let session = &session;
            scope.spawn(move || {
                let outcome = bring_up(oracle);
                let mut session = session.lock().expect("no panic holds the session");
                match outcome {
                    Ok(started) => {
                        if started {
                            session.started.push(oracle);
                        }
                        session.up.push(oracle);
                    }
                    Err(failure) => {
                        eprintln!("{}: {}", oracle.name, failure.message());
                        session.failed.push((oracle, failure));
                    }
                }
            });
        }
    });
    session.into_inner().expect("no panic holds the session")
}

/// Fails where another program listens on an oracle's port.
pub(crate) fn check_ports() -> Result<()> {
    let taken: Vec<String> = ALL
        .iter()
        .filter_map(|oracle| {
            Some(format!("{}: {}", oracle.name, port_is_ours(oracle).err()?.message()))
        })
        .collect();
    if taken.is_empty() { Ok(()) } else { Err(taken.join("\n")) }
}

/// Whether the port is free, or held by the oracle that an earlier `up` started.
fn port_is_ours(oracle: &Oracle) -> std::result::Result<(), Failure> {
    if running(oracle).is_some() {
        return Ok(());
    }
    // Bound and let go: whoever listens there, on whichever address, makes this fail.
    match TcpListener::bind(("127.0.0.1", oracle.port)) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::PortTaken(format!(
            "port {port} of 127.0.0.1 is taken ({error}): stop the program that listens there \
             (`ss -ltnp 'sport = :{port}'` names it)",
            port = oracle.port
        ))),
    }
}

/// Answers whether it had to be started.
fn bring_up(oracle: &'static Oracle) -> std::result::Result<bool, Failure> {
    let taken = clock::start();
    let kit = oracle.kit.prepare().map_err(Failure::Missing)?;
    let started = match running(oracle) {
        Some((_, title)) if title == oracle.title => false,
        Some((old, _)) => {
            old.stop().map_err(Failure::Missing)?;
            true
        }
        None => true,
    };
    if started {
        port_is_ours(oracle)?;
        let io = |error: std::io::Error| Failure::Missing(format!("{}: {error}", oracle.name));
        fs::create_dir_all(run_folder()).map_err(io)?;
        let daemon = Daemon::start(&mut (oracle.command)(&kit), &log_path(oracle))
            .map_err(Failure::Missing)?;
        fs::write(pid_path(oracle), format!("{daemon}\n{}\n", oracle.title)).map_err(io)?;
    }
    if let Err(message) = wait_until_it_answers(oracle) {
        if started {
            down(&[oracle]).map_err(Failure::Missing)?;
        }
        return Err(Failure::Missing(message));
    }
    let how = if started { "is up" } else { "was up already" };
    println!("{} {how} on 127.0.0.1:{} ({:.1?})", oracle.title, oracle.port, taken.elapsed());
    Ok(started)
}

fn wait_until_it_answers(oracle: &Oracle) -> Result<()> {
    let asked = clock::start();
    loop {
        let problem = match (oracle.answers)(oracle.port) {
            Ok(()) => return Ok(()),
            Err(problem) => problem,
        };
        let end = if running(oracle).is_none() {
            "it ended".to_owned()
        } else if asked.elapsed() > PATIENCE {
            format!("no good answer in {PATIENCE:?}, last: {problem}")
        } else if process::interrupted() {
            "interrupted".to_owned()
        } else {
            clock::tick();
            continue;
        };
        let log = fs::read(log_path(oracle)).unwrap_or_default();
        let log = process::tail(&String::from_utf8_lossy(&log), 15);
        return Err(format!("{} did not start: {end}; the end of its log:\n{log}", oracle.title));
    }
}

/// Stops oracles; one that is not up is none of its business.
pub(crate) fn down(oracles: &[&'static Oracle]) -> Result<()> {
    let mut problems = Vec::new();
    for oracle in oracles {
        if let Some((daemon, title)) = recorded(oracle) {
            let was_up = daemon.is_alive();
            // Also where the program itself is gone: what it had started may not be.
            match daemon.stop() {
                Ok(()) => {
                    let _ = fs::remove_file(pid_path(oracle));
                    if was_up {
                        println!("{title} is down");
                    }
                }
                Err(problem) => problems.push(format!("{}: {problem}", oracle.name)),
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

fn status() {
    for oracle in &ALL {
        let state = match (running(oracle), (oracle.answers)(oracle.port)) {
            (Some((daemon, _)), Ok(())) => format!("up (process {daemon})"),
            (Some((daemon, _)), Err(problem)) => {
                format!("started (process {daemon}) but not well: {problem}")
            }
            (None, Ok(())) => "down; another program answers on its port".to_owned(),
            (None, Err(_)) => match port_is_ours(oracle) {
                Ok(()) => "down".to_owned(),
                Err(failure) => format!("down; {}", failure.message()),
            },
        };
        println!("{:<16} 127.0.0.1:{:<5} {:<40} {state}", oracle.name, oracle.port, oracle.title);
    }
}

fn running(oracle: &Oracle) -> Option<(Daemon, String)> {
    recorded(oracle).filter(|(daemon, _)| daemon.is_alive())
}

fn recorded(oracle: &Oracle) -> Option<(Daemon, String)> {
    let text = fs::read_to_string(pid_path(oracle)).ok()?;
    let (daemon, title) = text.split_once('\n')?;
    Some((Daemon::parse(daemon)?, title.trim().to_owned()))
}

fn run_folder() -> PathBuf {
    root::oracles().join("run")
}

fn pid_path(oracle: &Oracle) -> PathBuf {
    run_folder().join(format!("{}.pid", oracle.name))
}

fn log_path(oracle: &Oracle) -> PathBuf {
    run_folder().join(format!("{}.log", oracle.name))
}
