//! Transfers that are much larger than the memory that they may have.

use std::{fs::File, io::Read as _, path::PathBuf, process::ExitStatus, sync::atomic::Ordering};

use tokio::runtime::{Builder, Runtime};

use crate::{child::Job, sink};

type Outcome<R = ()> = Result<R, String>;

/// What is sent and read: 1 GiB.
const BYTES: u64 = 1 << 30;
/// What a child may have of data, its program's own included: parts of 8 MiB, four on the way and one being read, are 40 MiB of it.
const LIMIT: u64 = 96 << 20;

fn told(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

/// Runs a child under a limit; returns how it ended, what it said and how many bytes it sent.
fn run(
    runtime: &Runtime,
    role: &'static str,
    path: PathBuf,
    limit: u64,
) -> Outcome<(ExitStatus, String, u64)> {
    let (endpoint, taken) = runtime.block_on(sink::start(BYTES));
    let state = PathBuf::new();
    let job = Job { role, endpoint, path, state, bytes: BYTES, limit: Some(limit) };
    let mut child = job.start().map_err(told)?;
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said).map_err(told)?;
    }
    Ok((child.wait().map_err(told)?, said, taken.load(Ordering::Relaxed)))
}

fn runtime() -> Outcome<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(told)
}

/// Up by each kind of body, and down.
pub(crate) fn flat() -> Outcome {
    let runtime = runtime()?;
    let dir = tempfile::tempdir().map_err(told)?;
    let (from, into) = (dir.path().join("sparse"), dir.path().join("into"));
    File::create(&from).and_then(|it| it.set_len(BYTES)).map_err(told)?;
    for role in ["replay", "once", "file", "down", "into"] {
        let begun = tokio::time::Instant::now();
        let (path, wanted) = match role {
            "replay" | "once" | "file" => (&from, BYTES),
            _ => (&into, 0),
        };
        let (ended, said, sent) = run(&runtime, role, path.clone(), LIMIT)?;
        if !ended.success() {
            return Err(format!("{role} under {LIMIT} bytes: {ended}: {said}"));
        }
        if sent != wanted {
            return Err(format!("{role} sent {sent} bytes, wanted {wanted}"));
        }
        eprintln!("{role}: 1 GiB under {} MiB in {:.1?}", LIMIT >> 20, begun.elapsed());
    }
    let written = into.metadata().map_err(told)?.len();
    if written != BYTES {
        return Err(format!("into wrote {written} bytes, wanted {BYTES}"));
    }
    Ok(())
}

/// The same limit ends a child that collects what it sends; the same child lives without it.
pub(crate) fn bites() -> Outcome {
    let runtime = runtime()?;
    let (ended, said, _) = run(&runtime, "collect", PathBuf::new(), LIMIT)?;
    if ended.success() || !said.contains("memory allocation") {
        return Err(format!("it should have died of memory: {ended}: {said}"));
    }
    eprintln!("collect: {ended}: {}", said.trim());
    let (ended, said, _) = run(&runtime, "collect", PathBuf::new(), 4 << 30)?;
    if !ended.success() {
        return Err(format!("without the limit it should live: {ended}: {said}"));
    }
    Ok(())
}
