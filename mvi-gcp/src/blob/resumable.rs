//! Writes of large bodies, by resumable uploads: the crate's own, which keeps the session and the chunk that is under way.
//!
//! A session outlives its connections. Where one breaks, the crate asks how many bytes have arrived and sends the rest of the chunk
//! from memory. It would give up after so many breaks in all, and wait for ever for one answer; here each chunk has its own attempts, and
//! a piece of the body that is not taken, or not answered, in the time of an attempt ends the call.
//!
//! Source: [resumable uploads][resumable].
//!
//! [resumable]: https://cloud.google.com/storage/docs/resumable-uploads

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use google_cloud_gax::{
    error::Error as GaxError, retry_policy::RetryPolicy, retry_result::RetryResult,
    retry_state::RetryState, retry_throttler::RetryThrottler,
};
use google_cloud_storage::{
    model::{DeleteObjectRequest, Object},
    retry_policy::RetryableErrors,
    streaming_source::{SizeHint, StreamingSource},
};
use mvi_core::{
    Applied, Error, ErrorKind, Result,
    blob::{Crc32c, MAX_OBJECT_BYTES, parts::PART_BYTES},
};
use tokio::time::{Instant, timeout_at};

use super::{
    client::{Client, NewObject, path},
    object,
};
use crate::error;

const OP: &str = "objects.insert";
/// How much is sent and kept in memory at a time. A multiple of 256 KiB, as all chunks but the last must be.
const CHUNK_BYTES: u64 = PART_BYTES;

/// The pieces that are there already, and the body that follows them.
pub(super) fn joined<const N: usize>(
    pieces: [Bytes; N],
    body: BoxStream<'static, Result<Bytes>>,
) -> BoxStream<'static, Result<Bytes>> {
    stream::iter(pieces).map(Ok).chain(body).boxed()
}

/// Writes `new` in chunks. What fails before the last of them has changed nothing.
pub(super) async fn write(
    client: &Client,
    new: &NewObject,
    body: BoxStream<'static, Result<Bytes>>,
    length: Option<u64>,
    checksum: Option<Crc32c>,
) -> Result<Object> {
    let unsent = |e: Error| e.with_applied(Applied::No);
    let limits = client.config().limits.with_body(CHUNK_BYTES);
    let connection = client.connection().await.map_err(unsent)?;
    let state = Arc::new(Shared(Mutex::new(State::new())));
    let source =
        Source { body: Mutex::new(body), length, wanted: checksum, state: Arc::clone(&state) };
    let request = connection.storage.write_object(path(&new.bucket), &new.name, source);
    let request = new.on(request);
    let request = match checksum {
        // Cloud Storage itself refuses what has another one.
        Some(checksum) => request.with_known_crc32c(checksum.value()),
        None => request,
    };
    let chunk = usize::try_from(CHUNK_BYTES).unwrap_or(usize::MAX);
    let request = request
        .with_resumable_upload_threshold(0_usize)
        .with_resumable_upload_buffer_size(chunk)
        .with_retry_policy(PerChunk {
            attempts: limits.retries.attempts,
            state: Arc::clone(&state),
        })
        .with_backoff_policy(client.backoff()?)
        .with_retry_throttler(Unthrottled);

    let mut sending = pin!(request.send_buffered());
    let sent = loop {
        let until = state.get().quiet_since().map(|it| it + limits.timeouts.attempt);
        // Whoever reads the body may take as long as it does; it is looked after again when it has come.
        let until = until.unwrap_or_else(|| Instant::now() + limits.timeouts.attempt);
        match timeout_at(until, &mut sending).await {
            Ok(sent) => break sent.map_err(|e| error::from_gax(OP, e)),
            Err(_) if state.get().is_silent(until, limits.timeouts.attempt) => {
                let message = format!("{OP} got no answer in time");
                break Err(Error::new(ErrorKind::Timeout, message));
            }
            Err(_) => {}
        }
    };
    match sent {
        Ok(object) => {
            let (seen, bytes) = state.get().sent();
            held(client, new, object, seen, bytes).await
        }
        Err(error) => Err(state.get().because(error)),
    }
}

/// Checks that what was stored is what was sent, and removes it where it is not.
///
/// Cloud Storage has checked it before, but for an upload that had to be resumed and whose checksum nobody knew at the start.
async fn held(
    client: &Client,
    new: &NewObject,
    object: Object,
    seen: Crc32c,
    bytes: u64,
) -> Result<Object> {
    let same = object::checksum(&object).is_none_or(|it| it == seen);
    if same && object::size(&object) == bytes {
        return Ok(object);
    }
    let remove = DeleteObjectRequest::new()
        .set_bucket(path(&new.bucket))
        .set_object(&new.name)
        .set_generation(object.generation);
    let removed = client.delete_object(client.deadline(), &remove).await;
    let applied = if removed.is_ok() { Applied::No } else { Applied::Yes };
    let message = format!("{OP} stored other bytes than were sent");
    Err(Error::new(ErrorKind::Corrupt, message).with_applied(applied))
}

/// How far an upload is.
struct State {
    /// Since when nothing has moved; `None` while the body is waited for.
    since: Option<Instant>,
    /// How many bytes of the body have been read.
    bytes: u64,
    checksum: Crc32c,
    /// Whether the body has ended: the object may be there from then on.
    ended: bool,
    /// Why the body failed.
    failed: Option<Error>,
    /// How many attempts have failed since the body last moved, and where it was then.
    failures: (u64, u32),
    /// Whether an attempt failed after the body had ended.
    doubt: bool,
}

impl State {
    fn new() -> Self {
        Self {
            since: Some(Instant::now()),
            bytes: 0,
            checksum: Crc32c::default(),
            ended: false,
            failed: None,
            failures: (0, 0),
            doubt: false,
        }
    }

    /// What has been sent.
    fn sent(&self) -> (Crc32c, u64) {
        (self.checksum, self.bytes)
    }

    /// What `error` means of the whole upload.
    fn because(&mut self, error: Error) -> Error {
        match self.failed.take() {
            // The body's own error. What it had given is no object.
            Some(failed) => failed.with_applied(Applied::No),
            None if !self.ended => error.with_applied(Applied::No),
            None if self.doubt => error.with_applied(Applied::Unknown),
            None => error,
        }
    }

    fn quiet_since(&self) -> Option<Instant> {
        self.since
    }

    /// Whether nothing has moved for so long, at `now`.
    fn is_silent(&self, now: Instant, limit: std::time::Duration) -> bool {
        self.since.is_some_and(|it| it + limit <= now)
    }
}

struct Shared(Mutex<State>);

impl Shared {
    fn get(&self) -> MutexGuard<'_, State> {
        // It is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

/// A body as the crate reads it: counted, summed, and held against what it should be before its last chunk is sent.
struct Source {
    // Only ever read by one; the lock makes it `Sync`.
    body: Mutex<BoxStream<'static, Result<Bytes>>>,
    length: Option<u64>,
    wanted: Option<Crc32c>,
    state: Arc<Shared>,
}

/// The body failed; its error is in the [`State`].
#[derive(Debug)]
struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body failed")
    }
}

impl std::error::Error for Failed {}

impl Source {
    /// What is to be told where the body ends.
    fn end(&self) -> Result<()> {
        let (seen, bytes) = {
            let state = self.state.get();
            (state.checksum, state.bytes)
        };
        if let Some(length) = self.length.filter(|it| *it != bytes) {
            return Err(Error::invalid(format!("a body of {bytes} bytes, wanted {length}")));
        }
        self.wanted.map_or(Ok(()), |wanted| seen.check(wanted))
    }
}

impl StreamingSource for Source {
    type Error = Failed;

    async fn next(&mut self) -> Option<Result<Bytes, Failed>> {
        self.state.get().since = None;
        let next = self.body.get_mut().unwrap_or_else(PoisonError::into_inner).next().await;
        let next = match next {
            Some(Ok(bytes)) => {
                let mut state = self.state.get();
                state.bytes += bytes.len() as u64;
                state.checksum = state.checksum.append(&bytes);
                if state.bytes <= MAX_OBJECT_BYTES {
                    Some(Ok(bytes))
                } else {
                    Some(Err(Error::invalid(format!(
                        "an object of more than {MAX_OBJECT_BYTES} bytes"
                    ))))
                }
            }
            Some(Err(error)) => Some(Err(error)),
            None => self.end().err().map(Err),
        };
        let mut state = self.state.get();
        state.since = Some(Instant::now());
        // With its length known, the crate sends the last chunk without asking for the end.
        let complete = Some(state.bytes) == self.length;
        match next {
            Some(Ok(bytes)) if complete => {
                drop(state);
                let end = self.end();
                let mut state = self.state.get();
                state.ended = end.is_ok();
                match end {
                    Ok(()) => Some(Ok(bytes)),
                    Err(error) => {
                        state.failed = Some(error);
                        Some(Err(Failed))
                    }
                }
            }
            Some(Ok(bytes)) => Some(Ok(bytes)),
            Some(Err(error)) => {
                state.failed = Some(error);
                Some(Err(Failed))
            }
            None => {
                state.ended = true;
                None
            }
        }
    }

    async fn size_hint(&self) -> Result<SizeHint, Failed> {
        Ok(self.length.map_or_else(SizeHint::new, SizeHint::with_exact))
    }
}

/// Repeats what may succeed, so many times for each chunk, and not in all.
#[derive(Debug)]
struct PerChunk {
    attempts: u32,
    state: Arc<Shared>,
}

impl RetryPolicy for PerChunk {
    fn on_error(&self, _: &RetryState, error: GaxError) -> RetryResult {
        let mut state = self.state.get();
        state.doubt |= state.ended;
        // An answer, if only a bad one: it is not silent.
        state.since = state.since.map(|_| Instant::now());
        if state.failures.0 != state.bytes {
            state.failures = (state.bytes, 0);
        }
        state.failures.1 += 1;
        match RetryableErrors.on_error(&RetryState::new(true), error) {
            RetryResult::Continue(error) if state.failures.1 >= self.attempts => {
                RetryResult::Exhausted(error)
            }
            result => result,
        }
    }
}

/// The attempts are bounded for each chunk already.
#[derive(Debug)]
struct Unthrottled;

impl RetryThrottler for Unthrottled {
    fn throttle_retry_attempt(&self) -> bool {
        false
    }

    fn on_retry_failure(&mut self, _: &RetryResult) {}

    fn on_success(&mut self) {}
}
