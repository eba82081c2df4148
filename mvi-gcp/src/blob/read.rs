//! Reads: what there is to know of an object by gRPC, its bytes by HTTP, both at once.
//!
//! ```text
//!   get ─┬─▶ GetObject ───▶ generation 7, size, checksum, properties
//!        └─▶ objects.get ─▶ generation 7, bytes ─✂
//!                             └─▶ objects.get(generation 7, from there) ─▶ bytes ─▶ checked
//! ```
//!
//! The headers of a download lack what [`Meta`] has, and the answer of a `GetObject` has no bytes. Where the object was replaced between the
//! two, their generations differ, and both are asked again.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::{StreamExt as _, future::join, stream};
use google_cloud_gax::error::Error as GaxError;
use google_cloud_storage::{
    model::GetObjectRequest, model_ext::ReadRange, read_object::ReadObjectResponse,
};
use mvi_core::{
    Applied, BucketName, Error, ErrorKind, Result,
    blob::{ByteRange, Checked, Get, Head, Meta, Object},
};
use tokio::time::{sleep, timeout};

use super::{
    client::{Client, Opening, path},
    object::{self, matched, pinned},
};
use crate::{attempt::pause, error};

const OP: &str = "objects.get";
/// How often to ask again for an object that is replaced while it is asked for.
const ROUNDS: u32 = 8;

/// What a read would tell of an object.
pub(super) async fn head(client: &Client, request: Head) -> Result<Meta> {
    let Head { bucket, key, version } = request;
    let generation = pinned(version.as_ref())?;
    let read = GetObjectRequest::new().set_bucket(path(&bucket)).set_object(key.as_str());
    let read = read.set_generation(generation.unwrap_or_default());
    let found = client.get_object(client.deadline(), &read).await?;
    Ok(object::meta(key, &found))
}

/// Opens an object.
pub(super) async fn get(client: Arc<Client>, request: Get) -> Result<Object> {
    request.check()?;
    let Get { bucket, key, range, if_match, if_none_match, version } = request;
    let generation = pinned(version.as_ref())?;
    let if_match = if_match.as_ref().map(matched).transpose()?;
    // What is no tag of ours is the tag of nothing, and so another one.
    let if_none_match = if_none_match.and_then(|it| object::generation(it.as_str()));

    let mut read = GetObjectRequest::new().set_bucket(path(&bucket)).set_object(key.as_str());
    read.generation = generation.unwrap_or_default();
    read.if_generation_match = if_match;
    read.if_generation_not_match = if_none_match;
    let opening = Opening {
        bucket: bucket.clone(),
        name: key.as_str().to_owned(),
        generation,
        if_match,
        if_none_match,
        range: wire_range(range),
    };
    let mut round = 0;
    loop {
        round += 1;
        let deadline = client.deadline();
        let (found, opened) =
            join(client.get_object(deadline, &read), client.open(deadline, &opening)).await;
        // Its codes are plainer than a download's.
        let found = found?;
        let meta = object::meta(key.clone(), &found);
        let range = range.map_or(Ok(0..meta.size), |it| it.resolve(meta.size))?;
        match opened {
            Ok(reader) if reader.object().generation == found.generation => {
                let reading = Reading {
                    client,
                    bucket,
                    name: key.as_str().to_owned(),
                    generation: found.generation,
                    left: range.clone(),
                    reader: Some(Reader::new(reader)),
                    failures: 0,
                };
                return Ok(checked(meta, range, reading));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            // It was replaced in between.
            _ if round < ROUNDS => {}
            Err(error) => return Err(error),
            Ok(_) => {
                return Err(Error::conflict(format!("replaced while it was read, {round} times")));
            }
        }
    }
}

fn wire_range(range: Option<ByteRange>) -> ReadRange {
    match range {
        None => ReadRange::all(),
        Some(ByteRange::From(start)) => ReadRange::offset(start),
        Some(ByteRange::Between(start, end)) => {
            ReadRange::segment(start, end.saturating_sub(start))
        }
        Some(ByteRange::Last(bytes)) => ReadRange::tail(bytes),
    }
}

fn checked(meta: Meta, range: Range<u64>, reading: Reading) -> Object {
    let whole = range == (0..meta.size);
    let length = range.end - range.start;
    let pieces = stream::try_unfold(reading, Reading::next).boxed();
    // Google unpacks nothing for us: what is stored is what comes, and what the checksum is of.
    let body = Checked::new(pieces, length, meta.checksum.filter(|_| whole));
    Object::new(meta, range, body.boxed())
}

/// A download under way.
struct Reading {
    client: Arc<Client>,
    bucket: BucketName,
    name: String,
    generation: i64,
    /// What has not come yet.
    left: Range<u64>,
    reader: Option<Reader>,
    /// How often it broke since the last piece came.
    failures: u32,
}

/// The crate's reader. It is only ever read by one; the lock makes it `Sync`.
struct Reader(Mutex<ReadObjectResponse>);

impl Reader {
    fn new(reader: ReadObjectResponse) -> Self {
        Self(Mutex::new(reader))
    }

    async fn next(&mut self) -> Option<Result<Bytes, GaxError>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).next().await
    }
}

impl Reading {
    /// The next piece. This is the one place that goes on with a body that broke: as often as any call is tried, anew for each piece.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        let limits = self.client.config().limits;
        loop {
            if self.left.is_empty() {
                return Ok(None);
            }
            let mut reader = match self.reader.take() {
                Some(reader) => reader,
                None => self.reopen().await?,
            };
            let piece = timeout(limits.timeouts.attempt, reader.next()).await;
            let failed = match piece {
                Ok(Some(Ok(piece))) => {
                    self.left.start += piece.len() as u64;
                    if self.left.start > self.left.end {
                        let message = "a body longer than it was said to be";
                        return Err(Error::new(ErrorKind::Corrupt, message));
                    }
                    if piece.is_empty() {
                        self.reader = Some(reader);
                        continue;
                    }
                    self.failures = 0;
                    self.reader = Some(reader);
                    return Ok(Some((piece, self)));
                }
                Ok(Some(Err(error))) => broken(error)?,
                Ok(None) => Error::new(ErrorKind::Unavailable, "a body that ended early"),
                Err(_) => Error::new(ErrorKind::Timeout, "a body that stalled"),
            };
            self.failures += 1;
            if self.failures >= limits.retries.attempts {
                return Err(failed.with_applied(Applied::No));
            }
            sleep(pause(&limits.retries, self.failures)).await;
        }
    }

    /// Opens the rest of the same object.
    async fn reopen(&self) -> Result<Reader> {
        let opening = Opening {
            bucket: self.bucket.clone(),
            name: self.name.clone(),
            generation: Some(self.generation),
            if_match: None,
            if_none_match: None,
            range: ReadRange::segment(self.left.start, self.left.end - self.left.start),
        };
        let opened = self.client.open(self.client.deadline(), &opening).await;
        opened.map(Reader::new).map_err(|e| match e.kind() {
            ErrorKind::NotFound => {
                Error::conflict("the object was replaced or removed while it was read")
                    .with_source(e)
            }
            _ => e,
        })
    }
}

/// What broke a body, where it may go on.
fn broken(error: GaxError) -> Result<Error> {
    if error.is_deserialization() {
        // It is not the object that it was said to be.
        let message = "a body longer than it was said to be";
        return Err(Error::new(ErrorKind::Corrupt, message).with_applied(Applied::No));
    }
    let error = error::from_gax(OP, error);
    if error.is_retryable() { Ok(error) } else { Err(error) }
}
