//! Health: what the cloud's real answers say, and how long each failure lasted.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mvi_core::{
    Error, Result,
    hook::{Call, Hook},
};
use serde::Serialize;
use tokio::time::Instant;

use super::say;

/// Watches every call: a failure that may pass starts an incident, and the next answer ends it.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    incident: Option<Incident>,
    report: Report,
}

#[derive(Debug)]
struct Incident {
    began: Instant,
    calls: u64,
}

/// What was seen so far.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Whether the last call had an answer.
    pub(crate) healthy: bool,
    /// How many calls had none.
    pub(crate) failed_calls: u64,
    /// How often the answers came back.
    pub(crate) restored: u64,
    /// The longest that it took, from the first failure to the first answer.
    pub(crate) longest_ms: u64,
}

impl Health {
    pub(crate) fn report(&self) -> Report {
        let seen = self.lock();
        Report { healthy: seen.incident.is_none(), ..seen.report }
    }

    fn failed(&self, call: &Call<'_>, error: &Error) {
        let mut seen = self.lock();
        seen.report.failed_calls += 1;
        if let Some(incident) = &mut seen.incident {
            incident.calls += 1;
            return;
        }
        seen.incident = Some(Incident { began: Instant::now(), calls: 1 });
        let (kind, applied) = (error.kind(), error.applied());
        say(format_args!(
            "failed: {} {}: {kind:?}, applied: {applied:?}",
            call.op(),
            call.resource()
        ));
    }

    fn answered(&self) {
        let mut seen = self.lock();
        let Some(Incident { began, calls }) = seen.incident.take() else { return };
        let took = began.elapsed();
        seen.report.restored += 1;
        seen.report.longest_ms = seen.report.longest_ms.max(millis(took));
        say(format_args!("restored: after {} ms and {calls} failed calls", millis(took)));
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hook for Health {
    async fn around<R: Send>(
        &self,
        call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let answer = next.await;
        match &answer {
            Err(error) if error.is_retryable() => self.failed(call, error),
            // "There is no such link" is an answer too.
            _ => self.answered(),
        }
        answer
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { healthy, failed_calls, restored, longest_ms } = self;
        f.write_str(if *healthy { "healthy" } else { "the cloud does not answer" })?;
        if *failed_calls > 0 {
            write!(
                f,
                "; {failed_calls} calls failed, restored {restored} times, in {longest_ms} ms at most"
            )?;
        }
        Ok(())
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}
