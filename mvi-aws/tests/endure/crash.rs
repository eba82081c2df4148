//! Transfers that are killed, again and again, and go on.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};

use bytes::Bytes;
use futures::TryStreamExt as _;
use mvi_aws::blob::S3Blob;
use mvi_core::{Blob as _, BlobExt as _, blob::Get};
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, sleep},
};

use crate::{
    child::{Job, bucket, key, s3},
    server::Server,
};

type Outcome<R = ()> = Result<R, String>;

const PUT_KILLS: u32 = 200;
const GET_KILLS: u32 = 200;
/// Five parts, and a little one.
const LENGTH: usize = 5 * (5 << 20) + 7;

/// Numbers that are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("MVI_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(7);
        eprintln!("MVI_SEED={seed}");
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn within(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(f64::from(u32::try_from(self.next() >> 32).unwrap_or(0)) / 4_294_967_296.0)
    }

    /// How long a child may live: mostly a part of what all takes, since what is done stays done, and now and then as long as that.
    fn patience(&mut self, longest: Duration) -> Duration {
        if self.next().is_multiple_of(8) { self.within(longest) } else { self.within(longest / 3) }
    }

    /// A film that differs from `before` in each of its blocks, and so in each of its parts.
    fn film(&mut self, before: &[u8]) -> Bytes {
        let mut film = before.to_vec();
        for block in film.chunks_mut(64 << 10) {
            let next = self.next().to_le_bytes();
            let length = block.len().min(next.len());
            block[..length].copy_from_slice(&next[..length]);
        }
        film.into()
    }
}

struct Stage {
    runtime: Runtime,
    dir: TempDir,
    server: Server,
    endpoint: String,
    blob: S3Blob,
}

/// How a life ended.
enum Life {
    Killed,
    Done,
}

impl Stage {
    fn new() -> Outcome<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(told)?;
        let dir = tempfile::tempdir().map_err(told)?;
        let bucket = dir.path().join("s3").join(bucket().as_str());
        fs::create_dir_all(&bucket).map_err(told)?;
        let root = dir.path().join("s3");
        let (server, endpoint) = runtime.block_on(Server::start(&root));
        let blob = runtime.block_on(s3(&endpoint)).map_err(told)?;
        Ok(Self { runtime, dir, server, endpoint, blob })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn job(&self, role: &'static str) -> Job {
        Job {
            role,
            endpoint: self.endpoint.clone(),
            path: self.path("film"),
            state: self.path("state"),
            bytes: LENGTH as u64,
            limit: None,
        }
    }

    /// Starts a child, and kills it after a time, unless it ends before.
    fn live(&self, job: &Job, patience: Duration) -> Outcome<Life> {
        self.server.seen().life += 1;
        let mut child = job.start().map_err(told)?;
        let ready = ready(&mut child);
        let begun = Instant::now();
        while ready.is_ok() && begun.elapsed() < patience {
            if child.try_wait().map_err(told)?.is_some() {
                break;
            }
            let left = patience.saturating_sub(begun.elapsed());
            self.runtime.block_on(async { sleep(left.min(Duration::from_millis(2))).await });
        }
        // It is SIGKILL: nothing of it runs after that.
        child.kill().map_err(told)?;
        let ended = child.wait().map_err(told)?;
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_string(&mut said).map_err(told)?;
        }
        ready.map_err(|e| format!("{e}: {said}"))?;
        match ended.code() {
            Some(0) => Ok(Life::Done),
            None => Ok(Life::Killed),
            Some(code) => Err(format!("the child failed with {code}: {said}")),
        }
    }

    fn read(&self) -> Outcome<Bytes> {
        let get = Get::new(bucket(), key());
        self.runtime.block_on(self.blob.get_bytes(get, 2 * LENGTH)).map_err(told)
    }

    fn uploads(&self) -> Outcome<BTreeSet<String>> {
        let uploads = self.blob.uploads(&bucket()).map_ok(|it| it.id).try_collect();
        self.runtime.block_on(uploads).map_err(told)
    }

    /// How long a transfer takes that nobody kills.
    fn measure(&self, job: &Job) -> Outcome<Duration> {
        let begun = Instant::now();
        match self.live(job, Duration::from_mins(1))? {
            Life::Done => Ok(begun.elapsed()),
            Life::Killed => Err("one transfer takes a minute".to_owned()),
        }
    }
}

fn told(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn hold(holds: bool, what: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(what()) }
}

/// Waits until the child says that it begins.
fn ready(child: &mut Child) -> Outcome {
    let stdout = child.stdout.take().ok_or("the child has no output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).map_err(told)?;
    hold(line == "ready\n", || format!("the child said {line:?}"))
}

/// The upload that a state file names.
fn noted(state: &Path) -> Outcome<Option<String>> {
    let Ok(text) = fs::read(state) else { return Ok(None) };
    let state: serde_json::Value =
        serde_json::from_slice(&text).map_err(|e| format!("a torn state: {e}"))?;
    Ok(state["upload"]["id"].as_str().map(str::to_owned))
}

/// A put with a state file, killed at any moment.
pub(crate) fn put() -> Outcome {
    let stage = Stage::new()?;
    let mut dice = Dice::new();
    let job = stage.job("put");
    let object = stage.path("s3").join(bucket().as_str()).join(key().as_str());
    // Put there by hand, since s3s-fs would keep its checksum for what comes after.
    let mut before = Bytes::from_static(b"before");
    fs::write(object, &before).map_err(told)?;
    let mut film = dice.film(&vec![0; LENGTH]);
    fs::write(&job.path, &film).map_err(told)?;
    let longest = stage.measure(&job)?.mul_f64(1.1);
    let begun = Instant::now();
    let (mut kills, mut films, mut unwritten) = (0, 1, BTreeSet::new());
    let mut written = BTreeSet::new();
    while kills < PUT_KILLS {
        let next = dice.film(&film);
        before = std::mem::replace(&mut film, next);
        fs::write(&job.path, &film).map_err(told)?;
        loop {
            let life = stage.live(&job, dice.patience(longest))?;
            written.extend(noted(&job.state)?);
            if let Life::Done = life {
                break;
            }
            kills += 1;
            // It was killed when all was done and written down, and only could not say so.
            if !job.state.exists() && stage.read()? == film {
                break;
            }
            // A reader sees the whole of one or the whole of the other.
            if kills % 20 == 0 {
                let seen = stage.read()?;
                hold(seen == before || seen == film, || {
                    format!("after {kills} kills a reader sees {} bytes", seen.len())
                })?;
            }
        }
        films += 1;
        hold(stage.read()? == film, || format!("film {films} is not what was sent"))?;
        hold(!job.state.exists(), || "the state is left".to_owned())?;
        // What is left of uploads was started by a child that died before it could write down which.
        let left = stage.uploads()?;
        hold(left.is_disjoint(&written), || format!("uploads are left: {left:?}"))?;
        unwritten.extend(left);
        let again = stage.server.seen().again.clone();
        hold(again.is_empty(), || format!("after {kills} kills parts came twice: {again:?}"))?;
    }
    let seen = stage.server.seen();
    // Each film is 6 parts. What came on top is of children that died while S3 stored a part, or before they knew of the upload.
    let least = films * 6;
    eprintln!(
        "{kills} kills in {:.1?}: {films} films, {} parts stored of {least}, {} completed, {} uploads started, {} of them never \
         written down; one that nobody kills takes {longest:.1?}",
        begun.elapsed(),
        seen.stored,
        seen.completed,
        seen.started.len(),
        unwritten.len(),
    );
    hold(seen.completed == films, || format!("{} completed", seen.completed))?;
    hold(kills >= PUT_KILLS && films > 5, || format!("{films} films only"))
}

/// The first bytes of the ranges that a state file says are there.
fn there(state: &Path) -> BTreeSet<u64> {
    let text = fs::read_to_string(state).unwrap_or_default();
    let lines = text.split_inclusive('\n').skip(1).filter(|it| it.ends_with('\n'));
    let notes = lines.filter_map(|it| serde_json::from_str::<serde_json::Value>(it).ok());
    notes.filter_map(|it| it["part"].as_u64()).map(|it| it << 20).collect()
}

/// A get with a state file, killed at any moment.
pub(crate) fn get() -> Outcome {
    let stage = Stage::new()?;
    let mut dice = Dice::new();
    let film = dice.film(&vec![0; LENGTH]);
    let sent = stage.job("put");
    fs::write(&sent.path, &film).map_err(told)?;
    stage.measure(&sent)?;
    fs::create_dir(stage.path("down")).map_err(told)?;
    let job = Job {
        path: stage.path("down").join("film"),
        state: stage.path("down").join("state"),
        ..stage.job("get")
    };
    let longest = stage.measure(&job)?.mul_f64(1.1);
    let begun = Instant::now();
    let (mut kills, mut films) = (0, 1);
    while kills < GET_KILLS {
        fs::write(&job.path, "before").map_err(told)?;
        loop {
            let had = there(&job.state);
            stage.server.seen().read.clear();
            let life = stage.live(&job, dice.patience(longest))?;
            let read = stage.server.seen().read.clone();
            let again: Vec<_> = read.iter().filter(|it| had.contains(it)).collect();
            hold(again.is_empty(), || format!("read again: {again:?} of {had:?}"))?;
            let found = fs::read(&job.path).map_err(told)?;
            hold(found == b"before" || film == found, || {
                format!("after {kills} kills the file has {} bytes", found.len())
            })?;
            if let Life::Done = life {
                break;
            }
            kills += 1;
        }
        films += 1;
        hold(film == fs::read(&job.path).map_err(told)?, || "not the film".to_owned())?;
        let left: Vec<_> = fs::read_dir(stage.path("down")).map_err(told)?.flatten().collect();
        hold(left.len() == 1, || format!("left: {left:?}"))?;
    }
    eprintln!("{kills} kills in {:.1?}: {films} films", begun.elapsed());
    Ok(())
}
