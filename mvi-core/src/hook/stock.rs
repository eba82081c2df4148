//! The hooks that everyone needs.

use std::{
    pin::pin,
    sync::{Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use futures::poll;
use metrics::{Key, KeyName, Label, Level, Metadata};
use tracing::Instrument as _;

use super::{Call, Hook};
use crate::{Applied, Error, ErrorKind, Result, time::instant};

/// Remembers every call and how it ended.
///
/// ```
/// use std::sync::Arc;
/// use mvi_core::{Kv, Name, Unsupported, hook::{Hooked, Record}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let calls = Arc::new(Record::default());
/// let kv = Hooked::new(Arc::new(Unsupported::because("an example")), calls.clone());
/// let _ = kv.delete_table(&Name::new("links").unwrap()).await;
/// assert_eq!((calls.calls()[0].op, &*calls.calls()[0].resource), ("kv.delete_table", "links"));
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Record(Mutex<Vec<Recorded>>);

/// A call that was made.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The operation, as in `kv.put`.
    pub op: &'static str,
    /// What it was for.
    pub resource: String,
    /// On a stream, which item was waited for.
    pub item: Option<u64>,
    /// Whether it could change anything.
    pub mutates: bool,
    /// What it failed with.
    pub error: Option<ErrorKind>,
}

impl Record {
    /// The calls so far, in the order in which they ended. A call that was given up is not among them.
    pub fn calls(&self) -> Vec<Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the calls so far, and forgets them.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Hook for Record {
    async fn around<R: Send>(
        &self,
        call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let answer = next.await;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Recorded {
            op: call.op(),
            resource: call.resource().to_owned(),
            item: call.item(),
            mutates: call.mutates(),
            error: answer.as_ref().err().map(Error::kind),
        });
        answer
    }
}

/// Puts each call in a [`tracing`] span `mvi` with fields `op` and `resource`, and tells of a failure in
/// an event with its `kind` and whether it was `applied`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace;

impl Hook for Trace {
    async fn around<R: Send>(
        &self,
        call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let span = tracing::info_span!("mvi", op = call.op(), resource = call.resource());
        if span.is_disabled() {
            return next.await;
        }
        let traced = async {
            let answer = next.await;
            if let Err(error) = &answer {
                let (kind, applied) = (error.kind(), error.applied());
                tracing::info!(?kind, ?applied, code = error.code(), %error, "call failed");
            }
            answer
        };
        traced.instrument(span).await
    }
}

/// Gives up on a call after a time, on a stream on each wait for an item.
///
/// The failure is [`ErrorKind::Timeout`]; a change that was given up is [`Applied::Unknown`].
#[derive(Clone, Copy, Debug)]
pub struct Timeout(Duration);

impl Timeout {
    /// Gives up after `limit`.
    pub const fn after(limit: Duration) -> Self {
        Self(limit)
    }
}

impl Hook for Timeout {
    async fn around<R: Send>(
        &self,
        call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let mut next = pin!(next);
        // What answers at once needs no timer.
        if let Poll::Ready(answer) = poll!(next.as_mut()) {
            return answer;
        }
        tokio::time::timeout(self.0, next).await.unwrap_or_else(|_| {
            let applied = if call.mutates() { Applied::Unknown } else { Applied::No };
            let error = Error::new(ErrorKind::Timeout, format!("no answer in {:?}", self.0));
            Err(error.with_applied(applied).at(call.op(), call.resource()))
        })
    }
}

/// Counts and times calls through the [`metrics`] crate's recorder.
///
/// | name | kind | labels |
/// |---|---|---|
/// | `mvi_calls_total` | counter | `op` |
/// | `mvi_call_errors_total` | counter | `op`, `kind` |
/// | `mvi_call_seconds` | histogram | `op` |
///
/// A stream counts as one call; its histogram has each wait for an item.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter;

/// What an operation's metrics are known by: to make them, all of their text is hashed.
#[derive(Debug)]
pub(super) struct Keys {
    seconds: Key,
    calls: Key,
}

impl Keys {
    pub(super) const fn of(labels: &'static [Label]) -> Self {
        Self {
            seconds: Key::from_static_parts("mvi_call_seconds", labels),
            calls: Key::from_static_parts("mvi_calls_total", labels),
        }
    }
}

static METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

impl Meter {
    /// Describes the three metrics to the recorder. Call it once, after the recorder is installed.
    pub fn describe() {
        metrics::describe_counter!("mvi_calls_total", "calls of cloud services");
        metrics::describe_counter!("mvi_call_errors_total", "calls that failed");
        let unit = metrics::Unit::Seconds;
        metrics::describe_histogram!("mvi_call_seconds", unit, "time to a call's answer");
    }
}

impl Hook for Meter {
    async fn around<R: Send>(
        &self,
        call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let started = instant();
        let answer = next.await;
        let elapsed = started.elapsed();
        metrics::with_recorder(|recorder| {
            // Labels are static, so that counting a call that succeeds allocates nothing.
            let made;
            let keys = if let Some(keys) = call.keys() {
                keys
            } else {
                made = Keys::of(call.labels());
                &made
            };
            recorder.register_histogram(&keys.seconds, &METADATA).record(elapsed.as_secs_f64());
            if call.is_first() {
                recorder.register_counter(&keys.calls, &METADATA).increment(1);
            }
            if let Err(error) = &answer {
                let kind = Label::new("kind", format!("{:?}", error.kind()));
                let labels = vec![Label::new("op", call.op()), kind];
                let errors =
                    Key::from_parts(KeyName::from_const_str("mvi_call_errors_total"), labels);
                recorder.register_counter(&errors, &METADATA).increment(1);
            }
        });
        answer
    }
}
