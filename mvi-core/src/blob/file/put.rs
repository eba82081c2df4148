//! A file up.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    ops::Range,
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures::{TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    Gauge, PutFile,
    disk::{self, Kept, Stamp, done, local, named},
    read::{self, Pool},
};
use crate::{
    Applied, Error, ErrorKind, Result,
    blob::{
        Blob, Body, Complete, Crc32c, MAX_PART_BYTES, MAX_PARTS, MIN_PART_BYTES, Meta, Part,
        PartNumber, Put, Replay, Tag, Upload,
        check::{check_size, invalid},
        parts,
    },
};

const FORMAT: &str = "mvi put_file";
const VERSION: u32 = 1;
/// How often parts that a bucket has lost are sent again.
const MENDS: u32 = 2;

/// What is kept to go on: it is written once, and says nothing of parts, since the bucket has them.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    format: String,
    version: u32,
    upload: Upload,
    part_bytes: u64,
    file: Stamp,
    /// Of what else is written on the object, which may be nobody's business.
    settings: String,
}

/// The file, open from the start to the end, so that one that takes its place is not mixed in.
struct Open {
    file: Arc<File>,
    stamp: Stamp,
    path: PathBuf,
    pool: Pool,
}

pub(in crate::blob) async fn put<B: Blob + ?Sized>(blob: &B, request: PutFile) -> Result<Meta> {
    request.check()?;
    let PutFile { put, path, state, part_bytes, parallel, progress } = request;
    let open = Open::new(path).await?;
    let length = open.stamp.bytes;
    // What can't come to a good end is told of before anything is sent.
    check_size(length)?;
    let bytes = part_bytes.unwrap_or_else(|| parts::part_bytes(length));
    if !fits(length, bytes) {
        let path = named(&open.path);
        return invalid(format!(
            "{path} of {length} bytes, wanted at most {MAX_PARTS} parts of {bytes} bytes"
        ));
    }
    let gauge = Gauge::new(length, progress);
    let kept = match &state {
        Some(path) => disk::state::<State>(path, FORMAT, VERSION).await?.0,
        None => Kept::Nothing,
    };
    let in_one = length <= part_bytes.unwrap_or(parts::PART_BYTES);
    let usable = match kept {
        Kept::Nothing => None,
        Kept::State(it) if !in_one && it.is_of(&put, &open.stamp, part_bytes)? => Some(it),
        Kept::State(it) => {
            leave(blob, &it.upload).await?;
            None
        }
        Kept::Foreign(found) => {
            // What another version began can be ended, at least.
            if let Some(Ok(upload)) = found.get("upload").cloned().map(serde_json::from_value) {
                leave(blob, &upload).await?;
            }
            None
        }
    };
    if in_one {
        let meta = in_one_call(blob, put, &open).await?;
        if let Some(state) = &state {
            done(disk::remove(state).await)?;
        }
        gauge.add(length);
        return Ok(meta);
    }
    let job = Job { blob, put, state, parallel, gauge, open };
    let begun = match usable {
        Some(State { upload, part_bytes, .. }) => job.resume(upload, part_bytes).await?,
        None => Begun::Nothing,
    };
    match begun {
        Begun::Done(meta) => Ok(meta),
        Begun::Parts(upload, part_bytes, stored) => job.run(upload, part_bytes, stored).await,
        Begun::Nothing => {
            let upload = job.start(bytes).await?;
            job.run(upload, bytes, HashMap::new()).await
        }
    }
}

/// Writes an object from a file in one call.
pub(in crate::blob) async fn send<B: Blob + ?Sized>(
    blob: &B,
    put: Put,
    path: PathBuf,
) -> Result<Meta> {
    let open = Open::new(path).await?;
    check_size(open.stamp.bytes)?;
    in_one_call(blob, put, &open).await
}

async fn in_one_call<B: Blob + ?Sized>(blob: &B, put: Put, open: &Open) -> Result<Meta> {
    let length = open.stamp.bytes;
    if length <= parts::PART_BYTES {
        let (bytes, _) = open.part(0..length).await?;
        open.check().await?;
        return blob.put(put, Body::Bytes(bytes)).await;
    }
    // More is read as it is sent. What changes meanwhile has another checksum by then, and is not stored.
    let checksum = match put.checksum {
        Some(checksum) => checksum,
        None => open.checksum(0..length).await?,
    };
    open.check().await?;
    let body = Body::Replay(Replay::of_file(length, Arc::clone(&open.file)));
    match blob.put(put.checksum(checksum), body).await {
        Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Invalid) => {
            let changed = open.check().await.err().map(|it| it.with_applied(e.applied()));
            Err(changed.unwrap_or(e))
        }
        other => other,
    }
}

/// Whether a file of `length` bytes goes in parts of so many.
fn fits(length: u64, part_bytes: u64) -> bool {
    length.div_ceil(part_bytes.max(1)) <= u64::from(MAX_PARTS)
}

impl State {
    /// Whether it is of what is to be done now.
    fn is_of(&self, put: &Put, file: &Stamp, part_bytes: Option<u64>) -> Result<bool> {
        Ok((&self.upload.bucket, &self.upload.key) == (&put.bucket, &put.key)
            && self.file == *file
            // Whatever has become of the state file.
            && (MIN_PART_BYTES..=MAX_PART_BYTES).contains(&self.part_bytes)
            && fits(file.bytes, self.part_bytes)
            && part_bytes.is_none_or(|it| it == self.part_bytes)
            && self.settings == settings(put)?)
    }
}

/// What an upload is started with, as far as it can't be seen from outside.
fn settings(put: &Put) -> Result<String> {
    let text = disk::json(&(&put.properties, &put.encryption))?;
    Ok(HEXLOWER.encode(&Sha256::digest(&text)))
}

/// What is there of an upload that was begun before.
enum Begun {
    /// It was aborted, or its object has been replaced since.
    Nothing,
    /// It is under way.
    Parts(Upload, u64, HashMap<PartNumber, Part>),
    /// It is the object.
    Done(Meta),
}

struct Job<'a, B: ?Sized> {
    blob: &'a B,
    put: Put,
    state: Option<PathBuf>,
    parallel: usize,
    gauge: Gauge,
    open: Open,
}

impl<B: Blob + ?Sized> Job<'_, B> {
    async fn start(&self, part_bytes: u64) -> Result<Upload> {
        let upload = self.blob.start_upload(self.put.upload()).await?;
        if let Some(path) = &self.state {
            let state = State {
                format: FORMAT.to_owned(),
                version: VERSION,
                upload: upload.clone(),
                part_bytes,
                file: self.open.stamp.clone(),
                settings: settings(&self.put)?,
            };
            let kept = match disk::json(&state) {
                Ok(text) => disk::replace(path, text).await,
                Err(error) => Err(error),
            };
            if let Err(error) = kept {
                let _ = self.blob.abort_upload(&upload).await;
                return Err(error);
            }
        }
        Ok(upload)
    }

    async fn resume(&self, upload: Upload, part_bytes: u64) -> Result<Begun> {
        match self.stored(&upload).await {
            Ok(stored) => return Ok(Begun::Parts(upload, part_bytes, stored)),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        // It was completed before the crash, or aborted. To complete it once more tells: a provider knows its own object by
        // the upload's nonce, and does not look at the parts of an upload that is gone.
        let mut made = Vec::new();
        for next in parts::ranges(self.open.stamp.bytes, part_bytes) {
            let (number, range) = next?;
            let size = range.end - range.start;
            let mut part = Part::new(number, size, Tag::new("gone"));
            part.checksum = Some(self.open.checksum(range).await?);
            made.push(part);
        }
        let complete = Complete::new(upload, made);
        let whole = complete.whole_checksum();
        match self.complete(complete).await {
            // A file that was rewritten since may have the length and the time that it had.
            Ok(meta)
                if meta.size == self.open.stamp.bytes
                    && meta.checksum.is_none_or(|it| Some(it) == whole) =>
            {
                self.gauge.add(meta.size);
                self.forget().await?;
                Ok(Begun::Done(meta))
            }
            Ok(_) => Ok(Begun::Nothing),
            Err(e) => match e.kind() {
                ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Corrupt => Ok(Begun::Nothing),
                ErrorKind::Conflict => {
                    self.forget().await?;
                    Err(e)
                }
                _ => Err(e),
            },
        }
    }

    /// The parts that the bucket has.
    async fn stored(&self, upload: &Upload) -> Result<HashMap<PartNumber, Part>> {
        self.blob.parts(upload).map_ok(|it| (it.number, it)).try_collect().await
    }

    /// Sends what is not stored, and makes the object of all.
    async fn run(
        &self,
        upload: Upload,
        part_bytes: u64,
        stored: HashMap<PartNumber, Part>,
    ) -> Result<Meta> {
        let sent = self.send(&upload, part_bytes, &stored).await;
        let mut parts = match sent {
            Ok(parts) => parts,
            Err((error, is_over)) => return self.fail(&upload, unseen(error), is_over).await,
        };
        let mut mends = 0;
        loop {
            let complete = Complete::new(upload.clone(), parts.clone());
            let error = match self.complete(complete).await {
                Ok(meta) => {
                    self.forget().await?;
                    return Ok(meta);
                }
                Err(error) => error,
            };
            if error.kind() == ErrorKind::Invalid && mends < MENDS {
                mends += 1;
                match self.mend(&upload, part_bytes, &parts).await {
                    Ok(Some(mended)) => {
                        parts = mended;
                        continue;
                    }
                    Ok(None) => {}
                    Err((error, is_over)) => {
                        return self.fail(&upload, unseen(error), is_over).await;
                    }
                }
            }
            let is_over = matches!(
                error.kind(),
                ErrorKind::Conflict | ErrorKind::Invalid | ErrorKind::Corrupt | ErrorKind::NotFound
            );
            return self.fail(&upload, error, is_over).await;
        }
    }

    /// Without a state nobody can go on.
    async fn fail(&self, upload: &Upload, error: Error, is_over: bool) -> Result<Meta> {
        if is_over || self.state.is_none() {
            self.end(upload).await;
        }
        Err(error)
    }

    /// Sends again what was stored and is lost, and returns all parts; nothing where the bucket has them as they were stored.
    async fn mend(
        &self,
        upload: &Upload,
        part_bytes: u64,
        parts: &[Part],
    ) -> Result<Option<Vec<Part>>, (Error, bool)> {
        let stored = self.stored(upload).await.map_err(|e| is_over(e, false))?;
        let is_there = |it: &&Part| stored.get(&it.number).is_some_and(|at| at.tag == it.tag);
        let there: HashMap<_, _> =
            parts.iter().filter(is_there).map(|it| (it.number, it.clone())).collect();
        if there.len() == parts.len() {
            return Ok(None);
        }
        let all = parts::ranges(self.open.stamp.bytes, part_bytes);
        let mended = stream::iter(all)
            .map_ok(|(number, range)| self.unless(there.get(&number), upload, number, range))
            .try_buffered(self.parallel)
            .try_collect()
            .await;
        self.sent(mended).await.map(Some)
    }

    /// Sends the parts. An error says whether it is of no use to go on with the upload.
    async fn send(
        &self,
        upload: &Upload,
        part_bytes: u64,
        stored: &HashMap<PartNumber, Part>,
    ) -> Result<Vec<Part>, (Error, bool)> {
        let all = parts::ranges(self.open.stamp.bytes, part_bytes);
        let sent = stream::iter(all)
            .map_ok(|(number, range)| self.one(upload, number, range, stored.get(&number)))
            .try_buffer_unordered(self.parallel)
            .try_collect()
            .await;
        let mut parts = self.sent(sent).await?;
        parts.sort_unstable_by_key(|it| it.number);
        Ok(parts)
    }

    /// What was sent, if it is of one file.
    async fn sent(&self, sent: Result<Vec<Part>>) -> Result<Vec<Part>, (Error, bool)> {
        match sent {
            Ok(parts) => match self.open.is_unchanged().await {
                Ok(true) => Ok(parts),
                Ok(false) => Err((self.open.changed(), true)),
                Err(error) => Err((error, false)),
            },
            Err(error) => {
                let has_changed = !self.open.is_unchanged().await.unwrap_or(false);
                Err(is_over(error, has_changed))
            }
        }
    }

    /// Sends one part, unless it is stored as the file has it.
    async fn one(
        &self,
        upload: &Upload,
        number: PartNumber,
        range: Range<u64>,
        stored: Option<&Part>,
    ) -> Result<Part> {
        let size = range.end - range.start;
        if let Some(part) = stored
            && part.size == size
        {
            let checksum = self.open.checksum(range.clone()).await?;
            // Where the provider does not say what it has, the checksum of the whole will.
            if part.checksum.is_none_or(|it| it == checksum) {
                self.gauge.add(size);
                let mut part = part.clone();
                part.checksum = Some(checksum);
                return Ok(part);
            }
        }
        let part = self.part(upload, number, range).await?;
        self.gauge.add(size);
        Ok(part)
    }

    /// Sends one part, unless there is one.
    async fn unless(
        &self,
        there: Option<&Part>,
        upload: &Upload,
        number: PartNumber,
        range: Range<u64>,
    ) -> Result<Part> {
        match there {
            Some(part) => Ok(part.clone()),
            None => self.part(upload, number, range).await,
        }
    }

    async fn part(&self, upload: &Upload, number: PartNumber, range: Range<u64>) -> Result<Part> {
        let (piece, checksum) = self.open.part(range).await?;
        parts::store(self.blob, upload, number, piece, checksum).await
    }

    async fn complete(&self, complete: Complete) -> Result<Meta> {
        let Put { mode, checksum, .. } = &self.put;
        let complete = complete.mode(mode.clone());
        let whole = complete.whole_checksum();
        if let (Some(found), Some(wanted)) = (whole, checksum) {
            found.check(*wanted).map_err(|e| e.with_applied(Applied::No))?;
        }
        self.blob.complete_upload(Complete { checksum: whole, ..complete }).await
    }

    /// Removes the state of what is done, or can't be.
    async fn forget(&self) -> Result<()> {
        match &self.state {
            Some(state) => done(disk::remove(state).await),
            None => Ok(()),
        }
    }

    /// Gives all up. The caller is told of what led here, not of this.
    async fn end(&self, upload: &Upload) {
        // What can't be aborted now is by whoever finds the state.
        if give_up(self.blob, upload).await.is_ok() {
            let _ = self.forget().await;
        }
    }
}

/// An error on the way to an object that is not there yet.
fn unseen(error: Error) -> Error {
    error.with_applied(Applied::No)
}

/// An error, and whether it is of no use to go on with the upload.
fn is_over(error: Error, has_changed: bool) -> (Error, bool) {
    let is_gone = error.kind() == ErrorKind::NotFound;
    (error, is_gone || has_changed)
}

/// Aborts what was begun before and is not to be gone on with. What can't be aborted at all is left to the bucket's clean-up, or no
/// call could be made with its state any more.
async fn leave<B: Blob + ?Sized>(blob: &B, upload: &Upload) -> Result<()> {
    match give_up(blob, upload).await {
        Err(e) if e.is_retryable() => Err(e),
        _ => Ok(()),
    }
}

/// Aborts what was begun before, in a bucket that may be gone.
async fn give_up<B: Blob + ?Sized>(blob: &B, upload: &Upload) -> Result<()> {
    match blob.abort_upload(upload).await {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

impl Open {
    async fn new(path: PathBuf) -> Result<Self> {
        let opened = disk::blocking("can't read", &path, |path| {
            // To open a pipe waits for whoever writes to it.
            if !fs::metadata(path)?.is_file() {
                return Ok(None);
            }
            let file = File::open(path)?;
            let meta = file.metadata()?;
            Ok(meta.is_file().then_some((file, meta)))
        });
        let Some((file, meta)) = opened.await? else {
            return invalid(format!("{} is no file", named(&path)));
        };
        Ok(Self { file: Arc::new(file), stamp: Stamp::of(&meta), path, pool: Pool::default() })
    }

    async fn is_unchanged(&self) -> Result<bool> {
        let file = Arc::clone(&self.file);
        let meta = disk::blocking("can't read", &self.path, move |_| file.metadata());
        Ok(Stamp::of(&meta.await?) == self.stamp)
    }

    /// Fails where it has changed.
    async fn check(&self) -> Result<()> {
        if self.is_unchanged().await? { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> Error {
        Error::invalid(format!("{} changed while it was sent", named(&self.path)))
    }

    /// These of its bytes, and their checksum.
    async fn part(&self, range: Range<u64>) -> Result<(Bytes, Crc32c)> {
        let (file, pool) = (Arc::clone(&self.file), self.pool.clone());
        let part = read::on_disk(move |waited| read::part(&file, range, &pool, waited));
        part.await.map_err(|e| self.unread(e))
    }

    /// The checksum of these of its bytes.
    async fn checksum(&self, range: Range<u64>) -> Result<Crc32c> {
        let file = Arc::clone(&self.file);
        let checksum = read::on_disk(move |waited| read::checksum(&file, range, waited));
        checksum.await.map_err(|e| self.unread(e))
    }

    fn unread(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            let path = named(&self.path);
            return Error::invalid(format!("{path} became shorter while it was sent"));
        }
        local("can't read", &self.path)(error)
    }
}
