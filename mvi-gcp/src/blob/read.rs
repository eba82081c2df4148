//! Reads: one request for an object's bytes, with what there is to know of it in its headers.
//!
//! ```text
//!   get ──▶ GET object ──▶ generation 7, size, checksum, properties · bytes ─✂
//!             └─▶ GET object (generation 7, from there) ─────────────▶ bytes ─▶ checked
//! ```
//!
//! Of what others wrote the headers do not tell all: then a `GetObject` does. Where the object was replaced between the two, their
//! generations differ, and the one that it told is read.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use google_cloud_storage::model::GetObjectRequest;
use mvi_core::{
    Applied, BucketName, Error, ErrorKind, Result,
    blob::{ByteRange, Checked, Get, Head, Meta, Object},
};
use tokio::time::{sleep, timeout};

use super::{
    client::{Client, Opening, path},
    object::{self, matched, pinned},
    xml::Opened,
};
use crate::attempt::pause;

/// How often to ask again for an object that is replaced while it is asked for.
const ROUNDS: u32 = 8;

/// What a read would tell of an object.
pub(super) async fn head(client: &Client, request: Head) -> Result<Meta> {
    request.check()?;
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
    let mut opening =
        Opening { bucket, name: key.as_str().to_owned(), generation, if_match, range };
    let asked = Asked { client: &client, generation, if_match, if_none_match };

    // What a `GetObject` told, where one was needed.
    let mut known = match if_none_match {
        Some(_) => Some(Box::pin(asked.ask(&opening)).await?),
        None => None,
    };
    for _ in 0..ROUNDS {
        opening.generation = known.as_ref().map(|it| it.generation).or(generation);
        let opened = match client.open(client.deadline(), &opening).await {
            // It was replaced since.
            Err(e) if e.kind() == ErrorKind::NotFound && known.is_some() => {
                known = Some(Box::pin(asked.ask(&opening)).await?);
                continue;
            }
            opened => opened?,
        };
        let meta = match &known {
            Some(found) => object::meta(key, found),
            None => {
                if let Some(meta) = opened.meta(&key) {
                    meta
                } else {
                    let found = Box::pin(asked.ask(&opening)).await?;
                    if found.generation != opened.generation {
                        known = Some(found);
                        continue;
                    }
                    object::meta(key, &found)
                }
            }
        };
        let resolved = range.map_or(Ok(0..meta.size), |it| it.resolve(meta.size))?;
        opened.check(range, &resolved)?;
        return Ok(checked(client, meta, resolved, opened, opening));
    }
    Err(Error::conflict(format!("replaced while it was read, {ROUNDS} times")))
}

/// What a read asks for, as a `GetObject` does.
struct Asked<'a> {
    client: &'a Client,
    generation: Option<i64>,
    if_match: Option<i64>,
    if_none_match: Option<i64>,
}

impl Asked<'_> {
    async fn ask(&self, opening: &Opening) -> Result<google_cloud_storage::model::Object> {
        let mut read =
            GetObjectRequest::new().set_bucket(path(&opening.bucket)).set_object(&opening.name);
        read.generation = self.generation.unwrap_or_default();
        read.if_generation_match = self.if_match;
        read.if_generation_not_match = self.if_none_match;
        self.client.get_object(self.client.deadline(), &read).await
    }
}

fn checked(
    client: Arc<Client>,
    meta: Meta,
    range: Range<u64>,
    opened: Opened,
    opening: Opening,
) -> Object {
    let whole = range == (0..meta.size);
    let length = range.end - range.start;
    let generation = opened.generation;
    // Google unpacks nothing for us: what is stored is what comes, and what the checksum is of.
    let wanted = meta.checksum.filter(|_| whole);
    let bucket = opening.bucket.clone();
    let reading = Reading {
        client,
        bucket: opening.bucket,
        name: opening.name,
        generation,
        left: range.clone(),
        opened: Some(opened),
        failures: 0,
    };
    let pieces = stream::try_unfold(reading, Reading::next).boxed();
    let body = Checked::new(pieces, length, wanted);
    Object::new(meta, range, body.map_err(move |e| e.or_at("blob.get", &bucket)).boxed())
}

/// A download under way.
struct Reading {
    client: Arc<Client>,
    bucket: BucketName,
    name: String,
    generation: i64,
    /// What has not come yet.
    left: Range<u64>,
    opened: Option<Opened>,
    /// How often it broke since the last piece came.
    failures: u32,
}

impl Reading {
    /// The next piece. This is the one place that goes on with a body that broke: as often as any call is tried, anew for each piece.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        let limits = self.client.config().limits;
        loop {
            if self.left.is_empty() {
                return Ok(None);
            }
            let mut opened = match self.opened.take() {
                Some(opened) => opened,
                None => Box::pin(self.reopen()).await?,
            };
            let failed = match timeout(limits.timeouts.attempt, opened.next()).await {
                Ok(Ok(Some(piece))) => {
                    self.left.start += piece.len() as u64;
                    if self.left.start > self.left.end {
                        let message = "a body longer than it was said to be";
                        return Err(Error::new(ErrorKind::Corrupt, message));
                    }
                    self.opened = Some(opened);
                    if piece.is_empty() {
                        continue;
                    }
                    self.failures = 0;
                    return Ok(Some((piece, self)));
                }
                Ok(Ok(None)) => Error::new(ErrorKind::Unavailable, "a body that ended early"),
                Ok(Err(error)) => error,
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
    async fn reopen(&self) -> Result<Opened> {
        let rest = ByteRange::Between(self.left.start, self.left.end);
        let opening = Opening {
            bucket: self.bucket.clone(),
            name: self.name.clone(),
            generation: Some(self.generation),
            if_match: None,
            range: Some(rest),
        };
        let opened = self.client.open(self.client.deadline(), &opening).await;
        let opened = opened.map_err(|e| match e.kind() {
            ErrorKind::NotFound => {
                Error::conflict("the object was replaced or removed while it was read")
                    .with_source(e)
            }
            _ => e,
        })?;
        opened.check(Some(rest), &self.left)?;
        Ok(opened)
    }
}
