//! A file down.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use futures::{TryStreamExt as _, lock::Mutex, stream};
use serde::{Deserialize, Serialize};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncSeekExt as _, AsyncWriteExt as _},
};

use super::{
    Gauge, GetFile,
    disk::{self, Kept, PARTIAL, done, local, named},
    read,
};
use crate::{
    Applied, BucketName, Error, ErrorKind, Result,
    blob::{Blob, Crc32c, Get, Head, Key, Meta, Object, Tag, VersionId, check::invalid, parts},
};

const FORMAT: &str = "mvi get_file";
const VERSION: u32 = 1;
/// How many ranges there may be at most: each has a line of the state.
const MAX_RANGES: u64 = 1_000_000;

/// What is kept to go on: the first line of the state file. A line of [`Noted`] follows for each range that is there.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    format: String,
    version: u32,
    bucket: BucketName,
    key: Key,
    object: Option<VersionId>,
    tag: Tag,
    bytes: u64,
    part_bytes: u64,
}

/// A range that is there. It need not have reached the disk when this has: the checksum tells.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Noted {
    part: u64,
    checksum: Crc32c,
}

pub(in crate::blob) async fn get<B: Blob + ?Sized>(blob: &B, request: GetFile) -> Result<Meta> {
    request.check()?;
    let GetFile { get, path, state, part_bytes, parallel, progress } = request;
    let Get { bucket, key, range: _, if_match, if_none_match, version } = get;
    // What is there already is looked at first: what can't come to a good end is told of before anything is sent.
    if disk::blocking("can't write", &path, |it| Ok(it.is_dir())).await? {
        return invalid(format!("{} is a directory, wanted a file", named(&path)));
    }
    let kept = match &state {
        Some(state) => disk::state::<State>(state, FORMAT, VERSION).await?,
        None => (Kept::Nothing, Vec::new()),
    };
    let head = Head { bucket: bucket.clone(), key: key.clone(), version: version.clone() };
    let meta = blob.head(head).await?;
    let matches = if_match.is_none_or(|it| it == meta.tag);
    if !matches || if_none_match.is_some_and(|it| it == meta.tag) {
        return Err(Error::conflict("the object has another tag").at("blob.get", &bucket));
    }
    let gauge = Gauge::new(meta.size, progress);
    let get = Get { bucket, key, range: None, if_match: None, if_none_match: None, version }
        .if_match(meta.tag.clone());
    let in_one = meta.size <= part_bytes.unwrap_or(parts::PART_BYTES);
    let now = State {
        format: FORMAT.to_owned(),
        version: VERSION,
        bucket: get.bucket.clone(),
        key: get.key.clone(),
        object: get.version.clone(),
        tag: meta.tag.clone(),
        bytes: meta.size,
        part_bytes: part_bytes.unwrap_or_else(|| parts::part_bytes(meta.size)),
    };
    if !in_one && count(&now) > MAX_RANGES {
        let (found, bytes) = (count(&now), now.part_bytes);
        return invalid(format!("{found} ranges of {bytes} bytes, wanted at most {MAX_RANGES}"));
    }
    let partial = state.as_ref().map(|_| disk::beside(&path, PARTIAL)).transpose()?;
    let mut job = Job { blob, get, meta, path, partial, state, parallel, gauge };
    if in_one {
        job.one().await?;
    } else {
        let noted = match kept {
            (Kept::State(before), lines) if before == now => Some(lines),
            _ => None,
        };
        job.ranges(now, noted).await?;
    }
    Ok(job.meta)
}

struct Job<'a, B: ?Sized> {
    blob: &'a B,
    get: Get,
    meta: Meta,
    path: PathBuf,
    /// Where it is until it is whole, if a state is to know of it.
    partial: Option<PathBuf>,
    state: Option<PathBuf>,
    parallel: usize,
    gauge: Gauge,
}

impl<B: Blob + ?Sized> Job<'_, B> {
    /// Reads all in one call.
    async fn one(&mut self) -> Result<()> {
        let object = self.blob.get(self.get.clone()).await?;
        self.meta = object.meta.clone();
        let (mut file, fresh) = self.begin().await?;
        let seen = pour(object, &mut file, fresh.path(), &self.gauge).await?;
        self.check(seen)?;
        self.finish(fresh).await
    }

    /// Reads it in ranges, those that are not there yet.
    async fn ranges(&self, now: State, noted: Option<Vec<u8>>) -> Result<()> {
        let mut there = BTreeMap::new();
        if let (Some(lines), Some(partial)) = (noted, &self.partial) {
            let noted = read_notes(&lines);
            there = verify(partial, &now, noted.clone()).await?;
            if there.is_empty() && noted.len() as u64 == count(&now) {
                // The crash came after all was done but for the state.
                let found = verify(&self.path, &now, noted).await?;
                if found.len() as u64 == count(&now) && self.check(joined(&found, &now)).is_ok() {
                    self.gauge.add(now.bytes);
                    return done(self.forget().await);
                }
            }
        }
        let mut fresh = match &self.partial {
            Some(partial) if !there.is_empty() => Fresh::at(partial.clone()),
            _ => {
                let (file, fresh) = self.begin().await?;
                file.set_len(now.bytes).await.map_err(local("can't write", fresh.path()))?;
                fresh
            }
        };
        fresh.stays = self.state.is_some();
        let partial = fresh.path();
        let book = self.notes(&now, &there).await?;
        self.gauge.add(there.keys().map(|part| length(&range(*part, &now))).sum());
        let wanted = (0..count(&now)).filter(|part| !there.contains_key(part));
        let read = stream::iter(wanted.map(Ok::<_, Error>))
            .map_ok(|part| self.range(part, &now, partial, book.as_ref()))
            .try_buffer_unordered(self.parallel)
            .try_collect::<BTreeMap<_, _>>()
            .await;
        match read {
            Ok(read) => there.extend(read),
            Err(error) => {
                if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) {
                    self.give_up().await;
                }
                return Err(error);
            }
        }
        if let Err(error) = self.check(joined(&there, &now)) {
            self.give_up().await;
            return Err(error);
        }
        self.finish(fresh).await
    }

    /// Makes the file that is not whole yet.
    async fn begin(&self) -> Result<(File, Fresh)> {
        match &self.partial {
            Some(partial) => {
                let file = disk::create(partial).await?;
                Ok((File::from_std(file), Fresh::at(partial.clone())))
            }
            None => Fresh::beside(&self.path).await,
        }
    }

    /// Begins the state file, with what is there already.
    async fn notes(
        &self,
        now: &State,
        there: &BTreeMap<u64, Crc32c>,
    ) -> Result<Option<(Mutex<File>, &Path)>> {
        let Some(state) = &self.state else { return Ok(None) };
        let mut text = line(now)?;
        for (&part, &checksum) in there {
            text.extend(line(&Noted { part, checksum })?);
        }
        disk::replace(state, text).await?;
        let file = OpenOptions::new().append(true).open(state).await;
        Ok(Some((Mutex::new(file.map_err(local("can't write", state))?), state)))
    }

    /// Reads one range to where it belongs, and notes it.
    async fn range(
        &self,
        part: u64,
        now: &State,
        partial: &Path,
        notes: Option<&(Mutex<File>, &Path)>,
    ) -> Result<(u64, Crc32c)> {
        let range = range(part, now);
        let object = self.blob.get(self.get.clone().range(range.clone())).await?;
        if object.range != range || object.meta.tag != now.tag {
            return Err(corrupt("a range that was not asked for", &self.get));
        }
        let wrong = || local("can't write", partial);
        let mut file = OpenOptions::new().write(true).open(partial).await.map_err(wrong())?;
        file.seek(SeekFrom::Start(range.start)).await.map_err(wrong())?;
        let checksum = pour(object, &mut file, partial, &self.gauge).await?;
        if let Some((notes, path)) = notes {
            let line = line(&Noted { part, checksum })?;
            let mut notes = notes.lock().await;
            notes.write_all(&line).await.map_err(local("can't write", path))?;
            notes.flush().await.map_err(local("can't write", path))?;
        }
        Ok((part, checksum))
    }

    /// Whether the whole is what its writer said. What others than MVI wrote may say nothing.
    fn check(&self, whole: Crc32c) -> Result<()> {
        let wanted = self.meta.checksum.unwrap_or(whole);
        let checked = whole.check(wanted);
        checked.map_err(|e| e.with_applied(Applied::No).at("blob.get", &self.get.bucket))
    }

    /// Puts what is whole in its place.
    async fn finish(&self, fresh: Fresh) -> Result<()> {
        fresh.settle(&self.path).await?;
        done(self.forget().await)
    }

    async fn forget(&self) -> Result<()> {
        match &self.state {
            Some(state) => disk::remove(state).await,
            None => Ok(()),
        }
    }

    /// Removes what is of no use any more. The caller is told of what led here, not of this.
    async fn give_up(&self) {
        if let Some(partial) = &self.partial {
            let _ = disk::remove(partial).await;
        }
        let _ = self.forget().await;
    }
}

/// A file that is not whole yet, and is removed where it never is.
pub(in crate::blob) struct Fresh {
    path: PathBuf,
    /// It stays all the same.
    stays: bool,
}

impl Fresh {
    fn at(path: PathBuf) -> Self {
        Self { path, stays: false }
    }

    pub(in crate::blob) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes one beside `path`, under a name that nobody else uses.
    pub(in crate::blob) async fn beside(path: &Path) -> Result<(File, Self)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        disk::beside(path, "")?;
        let made = disk::blocking("can't write", path, |path| {
            loop {
                let next = NEXT.fetch_add(1, Ordering::Relaxed);
                // Short, since the name beside it may be as long as names can be.
                let name = format!(".{}-{next}{PARTIAL}", std::process::id());
                let fresh = path.with_file_name(name);
                match disk::create_new(&fresh) {
                    // Whoever is dropped while this is made drops what was made.
                    Ok(file) => return Ok((file, Self::at(fresh))),
                    // Processes have the same number in two containers.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
            }
        });
        let (file, fresh) = made.await?;
        Ok((File::from_std(file), fresh))
    }

    /// Puts it, which is whole, in its place.
    pub(in crate::blob) async fn settle(mut self, path: &Path) -> Result<()> {
        disk::blocking("can't write", &self.path, |it| {
            fs::File::options().write(true).open(it)?.sync_all()
        })
        .await?;
        disk::move_to(self.path.clone(), path).await?;
        self.stays = true;
        Ok(())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.stays {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes what comes of an object to `file`, and returns its checksum.
///
/// # Errors
///
/// [`Corrupt`](ErrorKind::Corrupt) where it is not as long as was said: chunks pass a seam behind the provider's own check.
pub(in crate::blob) async fn pour(
    mut object: Object,
    file: &mut File,
    path: &Path,
    gauge: &Gauge,
) -> Result<Crc32c> {
    let wrong = || local("can't write", path);
    let mut left = object.length();
    let mut seen = Crc32c::default();
    while let Some(chunk) = object.body.try_next().await? {
        if chunk.is_empty() {
            continue;
        }
        // What is too much is found out too.
        left = left.checked_sub(chunk.len() as u64).ok_or_else(wrong_length)?;
        seen = seen.append(&chunk);
        file.write_all(&chunk).await.map_err(wrong())?;
        gauge.add(chunk.len() as u64);
    }
    if left > 0 {
        return Err(wrong_length());
    }
    file.flush().await.map_err(wrong())?;
    Ok(seen)
}

fn wrong_length() -> Error {
    let message = "a body of another length than it should have";
    Error::new(ErrorKind::Corrupt, message).with_applied(Applied::No)
}

/// How many ranges there are.
fn count(state: &State) -> u64 {
    state.bytes.div_ceil(state.part_bytes.max(1))
}

fn range(part: u64, state: &State) -> Range<u64> {
    let start = part.saturating_mul(state.part_bytes);
    start..state.bytes.min(start.saturating_add(state.part_bytes))
}

fn length(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

/// The checksum of all the ranges, of which each is there.
fn joined(there: &BTreeMap<u64, Crc32c>, state: &State) -> Crc32c {
    there.iter().fold(Crc32c::default(), |whole, (part, checksum)| {
        whole.join(*checksum, length(&range(*part, state)))
    })
}

fn line(it: &impl Serialize) -> Result<Vec<u8>> {
    let mut line = disk::json(it)?;
    line.push(b'\n');
    Ok(line)
}

/// The notes, but for one that a crash has torn.
fn read_notes(lines: &[u8]) -> BTreeMap<u64, Crc32c> {
    let noted = lines.split(|it| *it == b'\n').filter_map(|it| serde_json::from_slice(it).ok());
    noted.map(|Noted { part, checksum }| (part, checksum)).collect()
}

/// Which of the noted ranges the file at `path` really has.
async fn verify(
    path: &Path,
    state: &State,
    noted: BTreeMap<u64, Crc32c>,
) -> Result<BTreeMap<u64, Crc32c>> {
    let bytes = state.bytes;
    let noted: Vec<_> = noted
        .into_iter()
        .filter(|(part, _)| *part < count(state))
        .map(|(part, checksum)| (part, checksum, range(part, state)))
        .collect();
    let owned = path.to_owned();
    let there = read::on_disk(move |waited| {
        let file = match fs::File::open(owned) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() != bytes {
            return Ok(BTreeMap::new());
        }
        let mut there = BTreeMap::new();
        for (part, checksum, range) in noted {
            if read::checksum(&file, range, waited)? == checksum {
                there.insert(part, checksum);
            }
        }
        Ok(there)
    });
    there.await.map_err(local("can't read", path))
}

fn corrupt(message: &str, get: &Get) -> Error {
    Error::new(ErrorKind::Corrupt, message).with_applied(Applied::No).at("blob.get", &get.bucket)
}
