//! A file down.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _, Seek as _, SeekFrom},
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
    disk::{self, Kept, PARTIAL, local},
};
use crate::{
    BucketName, Error, ErrorKind, Result,
    blob::{Blob, Crc32c, Get, Head, Key, Meta, Object, Tag, VersionId, parts},
};

const FORMAT: &str = "mvi get_file";
const VERSION: u32 = 1;

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
    // What is there already is looked at first: a state that is none is told of before anything is sent.
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
    let partial = match &state {
        Some(_) => disk::beside(&path, PARTIAL)?,
        None => Fresh::name(&path)?,
    };
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
    partial: PathBuf,
    state: Option<PathBuf>,
    parallel: usize,
    gauge: Gauge,
}

impl<B: Blob + ?Sized> Job<'_, B> {
    /// Reads all in one call.
    async fn one(&mut self) -> Result<()> {
        let fresh = Fresh(Some(self.partial.clone()));
        let object = self.blob.get(self.get.clone()).await?;
        self.meta = object.meta.clone();
        let mut file =
            self.open(OpenOptions::new().write(true).create(true).truncate(true)).await?;
        let seen = pour(object, &mut file, &self.partial, &self.gauge).await?;
        self.check(seen)?;
        self.finish(fresh).await
    }

    /// Reads it in ranges, those that are not there yet.
    async fn ranges(&self, now: State, noted: Option<Vec<u8>>) -> Result<()> {
        let guard = Fresh(self.state.is_none().then(|| self.partial.clone()));
        let mut there = BTreeMap::new();
        if let Some(lines) = noted {
            let noted = read_notes(&lines);
            there = verify(&self.partial, &now, noted.clone()).await?;
            if there.is_empty() && noted.len() as u64 == count(&now) {
                // The crash came after all was done but for the state.
                let found = verify(&self.path, &now, noted).await?;
                if found.len() as u64 == count(&now) && self.check(joined(&found, &now)).is_ok() {
                    self.gauge.add(now.bytes);
                    return self.forget().await;
                }
            }
        }
        if there.is_empty() {
            // A new file, and not the old one cut short: a call that was dropped may still write to that.
            disk::remove(&self.partial).await?;
            let file = self.open(OpenOptions::new().write(true).create_new(true)).await?;
            file.set_len(now.bytes).await.map_err(local("can't write", &self.partial))?;
        }
        let book = self.notes(&now, &there).await?;
        self.gauge.add(there.keys().map(|part| length(&range(*part, &now))).sum());
        let wanted = (0..count(&now)).filter(|part| !there.contains_key(part));
        let read = stream::iter(wanted.map(Ok::<_, Error>))
            .map_ok(|part| self.range(part, &now, book.as_ref()))
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
        self.finish(guard).await
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
        notes: Option<&(Mutex<File>, &Path)>,
    ) -> Result<(u64, Crc32c)> {
        let range = range(part, now);
        let object = self.blob.get(self.get.clone().range(range.clone())).await?;
        if object.range != range || object.meta.tag != now.tag {
            return Err(corrupt("a range that was not asked for", &self.get));
        }
        let wrong = || local("can't write", &self.partial);
        let mut file = self.open(OpenOptions::new().write(true)).await?;
        file.seek(SeekFrom::Start(range.start)).await.map_err(wrong())?;
        let checksum = pour(object, &mut file, &self.partial, &self.gauge).await?;
        if let Some((notes, path)) = notes {
            let line = line(&Noted { part, checksum })?;
            let mut notes = notes.lock().await;
            notes.write_all(&line).await.map_err(local("can't write", path))?;
            notes.flush().await.map_err(local("can't write", path))?;
        }
        Ok((part, checksum))
    }

    async fn open(&self, options: &mut OpenOptions) -> Result<File> {
        options.open(&self.partial).await.map_err(local("can't write", &self.partial))
    }

    /// Whether the whole is what its writer said. What others than MVI wrote may say nothing.
    fn check(&self, whole: Crc32c) -> Result<()> {
        let wanted = self.meta.checksum.unwrap_or(whole);
        whole.check(wanted).map_err(|e| e.at("blob.get", &self.get.bucket))
    }

    /// Puts what is whole in its place.
    async fn finish(&self, mut guard: Fresh) -> Result<()> {
        disk::blocking("can't write", &self.partial, |partial| {
            fs::File::options().write(true).open(partial)?.sync_all()
        })
        .await?;
        disk::move_to(self.partial.clone(), &self.path).await?;
        guard.0 = None;
        self.forget().await
    }

    async fn forget(&self) -> Result<()> {
        match &self.state {
            Some(state) => disk::remove(state).await,
            None => Ok(()),
        }
    }

    /// Removes what is of no use any more. The caller is told of what led here, not of this.
    async fn give_up(&self) {
        let _ = disk::remove(&self.partial).await;
        let _ = self.forget().await;
    }
}

/// A file that is not whole yet, and is removed where it never is.
pub(in crate::blob) struct Fresh(pub(in crate::blob) Option<PathBuf>);

impl Fresh {
    /// A name beside `path` that nobody else in this process or another uses.
    pub(in crate::blob) fn name(path: &Path) -> Result<PathBuf> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        // Short, since the name beside it may be as long as names can be.
        disk::beside(path, "")?;
        Ok(path.with_file_name(format!(".{}-{next}{PARTIAL}", std::process::id())))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = fs::remove_file(path);
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
    gauge: impl Tell,
) -> Result<Crc32c> {
    let wrong = || local("can't write", path);
    let mut left = object.length();
    let mut seen = Crc32c::default();
    while let Some(chunk) = object.body.try_next().await? {
        let Some(rest) = left.checked_sub(chunk.len() as u64) else { break };
        left = rest;
        seen = seen.append(&chunk);
        file.write_all(&chunk).await.map_err(wrong())?;
        gauge.tell(chunk.len() as u64);
        if left == 0 {
            // What is too much is found out too.
            while let Some(more) = object.body.try_next().await? {
                left += more.len() as u64;
            }
            break;
        }
    }
    if left > 0 {
        let message = "a body of another length than it should have";
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    file.flush().await.map_err(wrong())?;
    Ok(seen)
}

/// Is told how many bytes have come.
pub(in crate::blob) trait Tell: Send + Sync {
    fn tell(&self, bytes: u64);
}

impl Tell for &Gauge {
    fn tell(&self, bytes: u64) {
        self.add(bytes);
    }
}

impl Tell for () {
    fn tell(&self, _: u64) {}
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
    let mut line = serde_json::to_vec(it)
        .map_err(|e| Error::new(ErrorKind::Internal, "can't write a state").with_source(e))?;
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
    disk::blocking("can't read", path, move |path| {
        let mut file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() != bytes {
            return Ok(BTreeMap::new());
        }
        let mut there = BTreeMap::new();
        let mut buffer = vec![0; 256 << 10];
        for (part, checksum, range) in noted {
            file.seek(SeekFrom::Start(range.start))?;
            let mut body = (&mut file).take(length(&range));
            let mut found = Crc32c::default();
            loop {
                let read = body.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                found = found.append(&buffer[..read]);
            }
            if found == checksum {
                there.insert(part, checksum);
            }
        }
        Ok(there)
    })
    .await
}

fn corrupt(message: &str, get: &Get) -> Error {
    Error::new(ErrorKind::Corrupt, message).at("blob.get", &get.bucket)
}
