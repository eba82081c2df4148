//! A file up.

use std::{collections::HashMap, fs::File, io, ops::Range, path::PathBuf, sync::Arc};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures::{TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    Gauge, PutFile,
    disk::{self, Kept, Stamp, local, named},
    read::{self, Pool},
};
use crate::{
    Applied, Error, ErrorKind, Result,
    blob::{
        Blob, Body, Complete, Crc32c, Meta, Part, PartNumber, Put, Tag, Upload, check::invalid,
        parts,
    },
};

const FORMAT: &str = "mvi put_file";
const VERSION: u32 = 1;

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
            give_up(blob, &it.upload).await?;
            None
        }
        Kept::Foreign(found) => {
            // What another version began can be ended, at least.
            if let Some(Ok(upload)) = found.get("upload").cloned().map(serde_json::from_value) {
                give_up(blob, &upload).await?;
            }
            None
        }
    };
    if in_one {
        let meta = blob.put(put, Body::File(open.path)).await?;
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
            let part_bytes = part_bytes.unwrap_or_else(|| parts::part_bytes(length));
            let upload = job.start(part_bytes).await?;
            job.run(upload, part_bytes, HashMap::new()).await
        }
    }
}

impl State {
    /// Whether it is of what is to be done now.
    fn is_of(&self, put: &Put, file: &Stamp, part_bytes: Option<u64>) -> Result<bool> {
        Ok((&self.upload.bucket, &self.upload.key) == (&put.bucket, &put.key)
            && self.file == *file
            && part_bytes.is_none_or(|it| it == self.part_bytes)
            && self.settings == settings(put)?)
    }
}

/// What an upload is started with, as far as it can't be seen from outside.
fn settings(put: &Put) -> Result<String> {
    let text = serde_json::to_vec(&(&put.properties, &put.encryption))
        .map_err(|e| Error::new(ErrorKind::Internal, "can't write a state").with_source(e))?;
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
            let text = serde_json::to_vec(&state)
                .map_err(|e| Error::new(ErrorKind::Internal, "can't write a state").with_source(e));
            let kept = match text {
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
        let stored = self.blob.parts(&upload).map_ok(|it| (it.number, it)).try_collect().await;
        match stored {
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
        match self.complete(upload, made).await {
            Ok(meta) if meta.size == self.open.stamp.bytes => {
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

    /// Sends what is not stored, and makes the object of all.
    async fn run(
        &self,
        upload: Upload,
        part_bytes: u64,
        stored: HashMap<PartNumber, Part>,
    ) -> Result<Meta> {
        let sent = self.send(&upload, part_bytes, &stored).await;
        let parts = match sent {
            Ok(parts) => parts,
            Err((error, is_over)) => {
                // Without a state nobody can go on.
                if is_over || self.state.is_none() {
                    self.end(&upload).await;
                }
                return Err(error.with_applied(Applied::No));
            }
        };
        match self.complete(upload.clone(), parts).await {
            Ok(meta) => {
                self.forget().await?;
                Ok(meta)
            }
            Err(error) => {
                let is_over = matches!(
                    error.kind(),
                    ErrorKind::Conflict
                        | ErrorKind::Invalid
                        | ErrorKind::Corrupt
                        | ErrorKind::NotFound
                );
                if is_over || self.state.is_none() {
                    self.end(&upload).await;
                }
                Err(error)
            }
        }
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
        let mut parts: Vec<Part> = match sent {
            Ok(parts) => parts,
            Err(error) => {
                let is_gone = error.kind() == ErrorKind::NotFound;
                let has_changed = !self.open.is_unchanged().await.unwrap_or(false);
                return Err((error, is_gone || has_changed));
            }
        };
        match self.open.is_unchanged().await {
            Ok(true) => {}
            Ok(false) => {
                let path = named(&self.open.path);
                return Err((Error::invalid(format!("{path} changed while it was sent")), true));
            }
            Err(error) => return Err((error, false)),
        }
        parts.sort_unstable_by_key(|it| it.number);
        Ok(parts)
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
        let (piece, checksum) = self.open.part(range).await?;
        let part = parts::store(self.blob, upload, number, piece, checksum).await?;
        self.gauge.add(size);
        Ok(part)
    }

    async fn complete(&self, upload: Upload, parts: Vec<Part>) -> Result<Meta> {
        let Put { mode, checksum, .. } = &self.put;
        let complete = Complete::new(upload, parts).mode(mode.clone());
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

/// Aborts what was begun before, in a bucket that may be gone.
async fn give_up<B: Blob + ?Sized>(blob: &B, upload: &Upload) -> Result<()> {
    match blob.abort_upload(upload).await {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// The object is there, whatever became of the state.
fn done(removed: Result<()>) -> Result<()> {
    removed.map_err(|e| e.with_applied(Applied::Yes))
}

impl Open {
    async fn new(path: PathBuf) -> Result<Self> {
        let opened = disk::blocking("can't read", &path, |path| {
            let file = File::open(path)?;
            let meta = file.metadata()?;
            Ok((file, meta))
        });
        let (file, meta) = opened.await?;
        if !meta.is_file() {
            return invalid(format!("{} is no file", named(&path)));
        }
        Ok(Self { file: Arc::new(file), stamp: Stamp::of(&meta), path, pool: Pool::default() })
    }

    async fn is_unchanged(&self) -> Result<bool> {
        let file = Arc::clone(&self.file);
        let meta = disk::blocking("can't read", &self.path, move |_| file.metadata());
        Ok(Stamp::of(&meta.await?) == self.stamp)
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
