//! Writes of large bodies that can be read again, by resumable uploads: the crate's own, which keeps the session.
//!
//! A session outlives its connections. Where one breaks, the crate asks how many bytes have arrived, and the body is read again from
//! there. It would give up after so many breaks in all, and wait for ever for one answer; here the breaks are counted anew whenever
//! some bytes more have arrived, and a body that is not taken, or not answered, in the time of an attempt ends the call.
//!
//! The crate's other way, by chunks from memory for what comes once, loses a chunk where its connection breaks
//! (`google-cloud-storage` 1.21): such bodies go in [parts](super::upload) of ours.
//!
//! Source: [resumable uploads][resumable].
//!
//! [resumable]: https://cloud.google.com/storage/docs/resumable-uploads

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use google_cloud_gax::{
    error::Error as GaxError, retry_policy::RetryPolicy, retry_result::RetryResult,
    retry_state::RetryState, retry_throttler::RetryThrottler,
};
use google_cloud_storage::{
    error::WriteError,
    model::DeleteObjectRequest,
    retry_policy::RetryableErrors,
    streaming_source::{Seek, SizeHint, StreamingSource},
};
use mvi_core::{
    Applied, Error, ErrorKind, Result,
    blob::{
        Crc32c,
        parts::{PART_BYTES, Replayable},
    },
};
use tokio::time::{Instant, timeout_at};

use super::{
    client::{Client, NewObject, path},
    object::Made,
};
use crate::error;

const OP: &str = "objects.insert";

/// Writes `new`. What fails before the last bytes are sent has changed nothing.
pub(super) async fn write(
    client: &Client,
    new: &NewObject,
    body: Replayable,
    checksum: Option<Crc32c>,
) -> Result<Made> {
    let unsent = |e: Error| e.with_applied(Applied::No);
    // What is in memory is summed before, so that Cloud Storage itself refuses other bytes.
    let checksum = match &body {
        Replayable::Bytes(bytes) => {
            let seen = Crc32c::of(bytes);
            checksum.map_or(Ok(()), |wanted| seen.check(wanted)).map_err(unsent)?;
            Some(seen)
        }
        Replayable::Replay(_) => checksum,
    };
    // A peer may be as slow as with one part's worth of bytes in its buffers.
    let limits = client.config().limits.with_body(PART_BYTES);
    let (attempts, limit) = (limits.retries.attempts, limits.timeouts.attempt);
    let storage = client.storage().await.map_err(unsent)?;
    let mut state = State::new(attempts);
    if let (Replayable::Bytes(bytes), Some(seen)) = (&body, checksum) {
        state.seen = (seen, bytes.len() as u64);
    }
    let state = Arc::new(Shared(Mutex::new(state)));
    let source = Source { reading: None, body, wanted: checksum, state: Arc::clone(&state) };
    let request = storage.write_object(path(&new.bucket), &new.name, source);
    let request = match checksum {
        Some(checksum) => new.on(request).with_known_crc32c(checksum.value()),
        None => new.on(request),
    };
    let request = request
        .with_checksum_precomputation(false)
        .with_resumable_upload_threshold(0_usize)
        .with_retry_policy(WhileItMoves(Arc::clone(&state)))
        .with_backoff_policy(client.backoff()?)
        .with_retry_throttler(Unthrottled);

    let mut sending = Box::pin(request.send_unbuffered());
    let sent = loop {
        let until = state.get().silent_at(limit);
        match timeout_at(until, &mut sending).await {
            Ok(sent) => break sent.map_err(Sent::Failed),
            Err(_) if state.get().silent_at(limit) <= Instant::now() => break Err(Sent::Silent),
            Err(_) => {}
        }
    };
    match sent {
        Ok(object) => {
            let (seen, bytes) = state.get().seen;
            let made = Made::from(&object);
            if made.checksum.is_none_or(|it| it == seen) && made.size == bytes {
                return Ok(made);
            }
            Err(other_bytes(client, new, object.generation).await)
        }
        Err(Sent::Silent) => {
            let message = format!("{OP} got no answer in time");
            Err(state.get().because(Error::new(ErrorKind::Timeout, message)))
        }
        Err(Sent::Failed(error)) => match error::find(&error) {
            Some(WriteError::ChecksumMismatch { object, .. }) => {
                Err(other_bytes(client, new, object.generation).await)
            }
            _ => Err(state.get().because(error::from_gax(OP, error))),
        },
    }
}

/// Why an upload ended without its object.
enum Sent {
    Failed(GaxError),
    Silent,
}

/// Removes what is not what was sent.
///
/// Cloud Storage has checked it before, but where nobody knew the checksum at the start.
async fn other_bytes(client: &Client, new: &NewObject, generation: i64) -> Error {
    let remove = DeleteObjectRequest::new()
        .set_bucket(path(&new.bucket))
        .set_object(&new.name)
        .set_generation(generation);
    let removed = client.delete_object(client.deadline(), &remove).await;
    let applied = if removed.is_ok() { Applied::No } else { Applied::Yes };
    Error::new(ErrorKind::Corrupt, format!("{OP} stored other bytes than were sent"))
        .with_applied(applied)
}

/// How far an upload is.
struct State {
    /// How often to try without getting further.
    attempts: u32,
    /// Since when nothing has moved; `None` while the body is waited for.
    since: Option<Instant>,
    /// What has been read of the body, once: its checksum and how many bytes. Of what is in memory it is known before.
    seen: (Crc32c, u64),
    /// How many bytes Cloud Storage has, as far as it has told.
    stored: u64,
    /// How often it broke, and how often it went on, since it had them.
    broke: u32,
    went_on: u32,
    /// Whether all of the body has been read: the object may be there from then on.
    ended: bool,
    /// Whether an attempt failed after the body had ended.
    doubt: bool,
    /// Why the body failed.
    failed: Option<Error>,
}

impl State {
    fn new(attempts: u32) -> Self {
        Self {
            attempts,
            since: Some(Instant::now()),
            seen: (Crc32c::default(), 0),
            stored: 0,
            broke: 0,
            went_on: 0,
            ended: false,
            doubt: false,
            failed: None,
        }
    }

    /// From when on it has been silent for too long. Whoever reads the body may take as long as it does.
    fn silent_at(&self, limit: Duration) -> Instant {
        self.since.unwrap_or_else(Instant::now) + limit
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

    /// Adds what was read at `offset`, where it was not read before.
    fn add(&mut self, offset: u64, bytes: &Bytes) {
        let (sum, seen) = self.seen;
        let known = usize::try_from(seen.saturating_sub(offset)).unwrap_or(usize::MAX);
        if let Some(fresh) = bytes.get(known..).filter(|it| !it.is_empty())
            && seen >= offset
        {
            self.seen = (sum.append(fresh), seen + fresh.len() as u64);
        }
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

/// A body as the crate reads it, from anywhere: summed, and held against what it should be before its last bytes are sent.
struct Source {
    body: Replayable,
    wanted: Option<Crc32c>,
    /// Where it is read, and from there. It is only ever read by one; the lock makes it `Sync`.
    reading: Option<(u64, Mutex<Pieces>)>,
    state: Arc<Shared>,
}

type Pieces = BoxStream<'static, Result<Bytes>>;

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
    fn fails(&self, error: Error) -> Failed {
        self.state.get().failed = Some(error);
        Failed
    }

    /// Takes what was read at `offset` into account, and tells whether it may be sent.
    fn passes(&self, offset: u64, bytes: &Bytes) -> Result<()> {
        let mut state = self.state.get();
        state.add(offset, bytes);
        if offset + (bytes.len() as u64) < self.body.length() {
            return Ok(());
        }
        let (seen, _) = state.seen;
        self.wanted.map_or(Ok(()), |wanted| seen.check(wanted))?;
        state.ended = true;
        Ok(())
    }
}

impl StreamingSource for Source {
    type Error = Failed;

    async fn next(&mut self) -> Option<Result<Bytes, Failed>> {
        let body = &self.body;
        let (offset, pieces) =
            self.reading.get_or_insert_with(|| (0, Mutex::new(body.read(0..body.length()))));
        self.state.get().since = None;
        let next = pieces.get_mut().unwrap_or_else(PoisonError::into_inner).next().await;
        self.state.get().since = Some(Instant::now());
        let at = *offset;
        match next? {
            Ok(bytes) => {
                *offset += bytes.len() as u64;
                Some(self.passes(at, &bytes).map(|()| bytes).map_err(|e| self.fails(e)))
            }
            Err(error) => Some(Err(self.fails(error))),
        }
    }

    async fn size_hint(&self) -> Result<SizeHint, Failed> {
        Ok(SizeHint::with_exact(self.body.length()))
    }
}

impl Seek for Source {
    type Error = Failed;

    async fn seek(&mut self, offset: u64) -> Result<(), Failed> {
        let turns = {
            let mut state = self.state.get();
            if offset > state.stored {
                (state.stored, state.broke, state.went_on) = (offset, 0, 0);
            }
            // Cloud Storage has said that it has not all of it: no attempt before has made the object.
            (state.ended, state.doubt) = (false, false);
            state.went_on += 1;
            state.went_on
        };
        // Each goes on after a break, which is counted, or after an answer that it is not all yet, which is not.
        if turns > self.state.get().attempts.saturating_mul(2) {
            let error = Error::new(ErrorKind::Unavailable, format!("{OP} gets no further"));
            return Err(self.fails(error));
        }
        self.reading = Some((offset, Mutex::new(self.body.read(offset..self.body.length()))));
        Ok(())
    }
}

/// Repeats what may succeed, so many times without getting further, and not in all.
#[derive(Debug)]
struct WhileItMoves(Arc<Shared>);

impl RetryPolicy for WhileItMoves {
    fn on_error(&self, _: &RetryState, error: GaxError) -> RetryResult {
        let mut state = self.0.get();
        // An answer, if only a bad one: it is not silent.
        state.since = Some(Instant::now());
        state.broke += 1;
        match RetryableErrors.on_error(&RetryState::new(true), error) {
            RetryResult::Continue(error) if state.broke >= state.attempts => {
                state.doubt |= state.ended;
                RetryResult::Exhausted(error)
            }
            RetryResult::Continue(error) => {
                state.doubt |= state.ended;
                RetryResult::Continue(error)
            }
            result => result,
        }
    }
}

/// The attempts are bounded already.
#[derive(Debug)]
struct Unthrottled;

impl RetryThrottler for Unthrottled {
    fn throttle_retry_attempt(&self) -> bool {
        false
    }

    fn on_retry_failure(&mut self, _: &RetryResult) {}

    fn on_success(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_again_is_summed_once() {
        let mut state = State::new(3);
        let whole = Bytes::from_static(b"hello world");
        state.add(0, &whole.slice(..6));
        state.add(2, &whole.slice(2..8));
        state.add(2, &whole.slice(2..4));
        state.add(8, &whole.slice(8..));
        assert_eq!(state.seen, (Crc32c::of(&whole), 11));
        // What leaves a gap is not what was sent, and makes no sum of it.
        state.add(20, &whole);
        assert_eq!(state.seen.1, 11);
    }
}
