//! For provider authors: how a body becomes one request, or an upload in parts.
//!
//! ```text
//!   body ──▶ cut ──▶ Whole(bytes): one request
//!               └──▶ Parts ──▶ upload: start, parts side by side, complete
//!                                  └─ failed or dropped: abort
//! ```

use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};

pub use super::body::{Replayable, fill};
use super::{
    Blob, Body, Complete, Crc32c, MAX_PARTS, Meta, Part, PartNumber, Put, Upload,
    check::{check_size, invalid},
};
use crate::{Applied, Result};

/// How much goes in one request, and how large parts are where nothing needs them larger: 8 MiB.
pub const PART_BYTES: u64 = 8 << 20;
/// How many parts are under way at a time.
pub const PARALLEL: usize = 4;

/// A body, as it is to be sent.
#[derive(Debug)]
pub enum Cut {
    /// In one request.
    Whole(Bytes),
    /// In parts.
    Parts(Parts),
}

/// A body of more than one request.
pub enum Parts {
    /// One that can be read again, in parts of [`part_bytes`].
    Again(Replayable),
    /// One that comes once: its first part, what came with it, and the rest.
    Once(Bytes, Bytes, BoxStream<'static, Result<Bytes>>),
}

/// Reads of a body what fits into one request, and decides how the whole is sent.
///
/// ```
/// use mvi_core::blob::{Body, parts::{Cut, cut}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> mvi_core::Result<()> {
/// assert!(matches!(cut(Body::from("hello")).await?, Cut::Whole(_)));
/// assert!(matches!(cut(Body::from(vec![0; 9 << 20])).await?, Cut::Parts(_)));
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid) where it is larger than an object may be, or its file can't be read; that of the body. Nothing has been
/// sent yet, whatever that says.
pub async fn cut(body: Body) -> Result<Cut> {
    first(body).await.map_err(|e| e.with_applied(Applied::No))
}

async fn first(body: Body) -> Result<Cut> {
    let most = usize::try_from(PART_BYTES).unwrap_or(usize::MAX);
    if let Body::Once(mut body) = body {
        let mut rest = Bytes::new();
        let first = fill(&mut body, &mut rest, most).await?;
        if first.len() < most {
            return Ok(Cut::Whole(first));
        }
        // What is exactly one part is known to be that only when the body has ended.
        while rest.is_empty() {
            match body.try_next().await? {
                Some(chunk) => rest = chunk,
                None => return Ok(Cut::Whole(first)),
            }
        }
        return Ok(Cut::Parts(Parts::Once(first, rest, body)));
    }
    let body = body.replayable(most).await?;
    let length = body.length();
    check_size(length)?;
    if length <= PART_BYTES {
        return Ok(Cut::Whole(body.bytes(0..length).await?));
    }
    Ok(Cut::Parts(Parts::Again(body)))
}

/// How large the parts of an object of `length` bytes are: 8 MiB, or whole MiB so many that 10,000 parts are enough.
///
/// ```
/// use mvi_core::blob::parts::part_bytes;
///
/// assert_eq!(part_bytes(1 << 30), 8 << 20);
/// assert_eq!(part_bytes(1 << 40), 105 << 20);
/// ```
pub const fn part_bytes(length: u64) -> u64 {
    let least = length.div_ceil(MAX_PARTS as u64).next_multiple_of(1 << 20);
    if least > PART_BYTES { least } else { PART_BYTES }
}

/// The parts of an object of `length` bytes, each with its number and its bytes.
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid) where they would be more than 10,000.
pub fn ranges(
    length: u64,
    part_bytes: u64,
) -> impl Iterator<Item = Result<(PartNumber, Range<u64>)>> {
    let part_bytes = part_bytes.max(1);
    (0..length.div_ceil(part_bytes)).map(move |at| {
        let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
        let start = at * part_bytes;
        Ok((PartNumber::new(number)?, start..length.min(start.saturating_add(part_bytes))))
    })
}

impl Parts {
    /// The bytes of each part and their checksum, read when they are asked for.
    fn pieces(self) -> BoxStream<'static, Result<(PartNumber, Bytes, Crc32c)>> {
        match self {
            Self::Again(body) => {
                let length = body.length();
                stream::iter(ranges(length, part_bytes(length)))
                    .and_then(move |(number, range)| {
                        let body = body.clone();
                        async move {
                            let (piece, checksum) = body.summed(range).await?;
                            Ok((number, piece, checksum))
                        }
                    })
                    .boxed()
            }
            Self::Once(first, rest, body) => {
                let most = usize::try_from(PART_BYTES).unwrap_or(usize::MAX);
                stream::try_unfold((1, Some(first), rest, body), move |state| async move {
                    let (number, first, mut rest, mut body) = state;
                    let piece = match first {
                        Some(first) => first,
                        None => fill(&mut body, &mut rest, most).await?,
                    };
                    if piece.is_empty() {
                        return Ok(None);
                    }
                    let Ok(at) = PartNumber::new(number) else {
                        let most = PART_BYTES * u64::from(MAX_PARTS);
                        return invalid(format!(
                            "a body that can be read once, of more than {most} bytes: wanted one that can be read again"
                        ));
                    };
                    let checksum = Crc32c::of(&piece);
                    Ok(Some(((at, piece, checksum), (number + 1, None, rest, body))))
                })
                .boxed()
            }
        }
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Again(body) => f.debug_tuple("Again").field(&body.length()).finish(),
            Self::Once(..) => f.write_str("Once(…)"),
        }
    }
}

/// Stores a body in parts, four at a time, and makes the object of them. What fails or is dropped is aborted.
///
/// # Errors
///
/// Those of [`Blob`]; that of the body. Nothing has changed then, unless the error says that it may have.
pub async fn upload<B: Blob + Clone>(blob: &B, put: Put, parts: Parts) -> Result<Meta> {
    let store = |blob: B, upload: Upload, number, piece, _checksum| async move {
        blob.upload_part(&upload, number, Body::Bytes(piece)).await
    };
    upload_by(blob, put, parts, store).await
}

/// As [`upload`], for a provider that sends a part's checksum along: `store` is told it, so that it is computed once.
///
/// # Errors
///
/// As of [`upload`].
pub async fn upload_by<B, F>(
    blob: &B,
    put: Put,
    parts: Parts,
    store: impl Fn(B, Upload, PartNumber, Bytes, Crc32c) -> F + Send + Sync,
) -> Result<Meta>
where
    B: Blob + Clone,
    F: Future<Output = Result<Part>> + Send,
{
    let unseen = |e: crate::Error| e.with_applied(Applied::No);
    let upload = blob.start_upload(put.upload()).await.map_err(unseen)?;
    let guard = Guard { blob: Some(blob.clone()), upload: upload.clone() };
    let sent = stored(blob, &upload, parts, &store).await.map_err(unseen);
    let made = match sent {
        Ok(parts) => {
            let Put { mode, checksum, .. } = put;
            blob.complete_upload(Complete { upload, parts, mode, checksum }).await
        }
        Err(error) => Err(error),
    };
    match made {
        Ok(meta) => {
            guard.done();
            Ok(meta)
        }
        Err(error) => {
            guard.abort().await;
            Err(error)
        }
    }
}

/// Stores the parts, and returns them in their order.
async fn stored<B, F>(
    blob: &B,
    upload: &Upload,
    parts: Parts,
    store: &(impl Fn(B, Upload, PartNumber, Bytes, Crc32c) -> F + Send + Sync),
) -> Result<Vec<Part>>
where
    B: Blob + Clone,
    F: Future<Output = Result<Part>> + Send,
{
    let mut stored: Vec<_> = parts
        .pieces()
        .map_ok(|(number, piece, checksum)| {
            let stored = store(blob.clone(), upload.clone(), number, piece, checksum);
            async move { held(stored.await?, checksum) }
        })
        .try_buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    stored.sort_unstable_by_key(|it: &Part| it.number);
    Ok(stored)
}

/// Stores one part, which has this checksum.
pub(super) async fn store<B: Blob + ?Sized>(
    blob: &B,
    upload: &Upload,
    number: PartNumber,
    piece: Bytes,
    checksum: Crc32c,
) -> Result<Part> {
    held(blob.upload_part(upload, number, Body::Bytes(piece)).await?, checksum)
}

/// A part that arrived as it is, which is checked here too, where the provider says what it has.
fn held(mut part: Part, checksum: Crc32c) -> Result<Part> {
    match part.checksum {
        Some(found) => found.check(checksum)?,
        None => part.checksum = Some(checksum),
    }
    Ok(part)
}

/// Aborts an upload that was given up.
struct Guard<B: Blob + Clone> {
    blob: Option<B>,
    upload: Upload,
}

impl<B: Blob + Clone> Guard<B> {
    fn done(mut self) {
        self.blob = None;
    }

    /// What can't be aborted is left to the bucket's own clean-up, and the caller is told of the first error, not of this.
    async fn abort(mut self) {
        if let Some(blob) = &self.blob {
            let _ = blob.abort_upload(&self.upload).await;
        }
        self.blob = None;
    }
}

impl<B: Blob + Clone> Drop for Guard<B> {
    fn drop(&mut self) {
        // Outside of a runtime nothing can be sent any more.
        if let (Some(blob), Ok(runtime)) = (self.blob.take(), tokio::runtime::Handle::try_current())
        {
            let upload = self.upload.clone();
            runtime.spawn(async move { blob.abort_upload(&upload).await });
        }
    }
}
