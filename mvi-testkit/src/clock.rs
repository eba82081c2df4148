//! Simulated time: tokio's own, counted from the start of a simulation.
//!
//! On a paused runtime it stands still while anything runs, and jumps to the next timer when all wait; on any other
//! it is real time. Either way a simulation begins at [`EPOCH`].

use std::{fmt, sync::OnceLock, time::Duration};

use mvi_core::{Applied, Error, ErrorKind, Result, Timestamp};
use tokio::{runtime::Handle, time::Instant};

/// Seconds from 1970 to 2030-01-01T00:00:00Z.
const EPOCH_SECONDS: i64 = 1_893_456_000;

/// When every simulation begins: 2030-01-01T00:00:00Z.
pub const EPOCH: Timestamp = Timestamp::constant(EPOCH_SECONDS, 0);

/// Nanoseconds since the start of a simulation: 584 years fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// Later than everything that happens.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    pub(crate) fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    pub(crate) fn timestamp(self) -> Timestamp {
        // Not by adding a span, which takes several times as long: every write has one.
        let (seconds, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_add(EPOCH_SECONDS);
        Timestamp::new(seconds, i32::try_from(nanos).unwrap_or(0)).unwrap_or(Timestamp::MAX)
    }

    /// The moment `duration` later, or [`NEVER`](Self::NEVER).
    pub(crate) fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_nanos().try_into().unwrap_or(u64::MAX)))
    }

    /// The moment `duration` before, at the earliest the start.
    pub(crate) fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_nanos().try_into().unwrap_or(u64::MAX)))
    }
}

/// The start, for what was earlier, and [`Moment::NEVER`] for what is too far.
impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        let nanos = time.as_nanosecond() - EPOCH.as_nanosecond();
        Self(nanos.max(0).try_into().unwrap_or(u64::MAX))
    }
}

/// The one place where the testkit asks for the time.
#[derive(Debug)]
pub(crate) struct Clock(OnceLock<Instant>);

impl Clock {
    /// A clock that starts now; outside of a runtime, when it is first read, since only a runtime can pause it.
    pub(crate) fn start() -> Self {
        let start = OnceLock::new();
        if Handle::try_current().is_ok() {
            start.get_or_init(Instant::now);
        }
        Self(start)
    }

    pub(crate) fn now(&self) -> Moment {
        let now = Instant::now();
        let start = *self.0.get_or_init(|| now);
        Moment::default().after(now.saturating_duration_since(start))
    }

    /// Checks that there are timers to wait with.
    ///
    /// # Errors
    ///
    /// [`Internal`](ErrorKind::Internal) outside of a tokio runtime.
    #[expect(clippy::unused_self, reason = "it is the clock that needs them")]
    pub(crate) fn check_running(&self) -> Result<()> {
        match Handle::try_current() {
            Ok(_) => Ok(()),
            Err(error) => {
                let message = "simulated time passes on a tokio runtime only, and this is none";
                let error = Error::new(ErrorKind::Internal, message).with_source(error);
                Err(error.with_applied(Applied::No))
            }
        }
    }

    /// Waits until `at`.
    ///
    /// # Errors
    ///
    /// [`Internal`](ErrorKind::Internal) outside of a tokio runtime.
    pub(crate) async fn until(&self, at: Moment) -> Result<()> {
        loop {
            let now = self.now();
            if now >= at {
                return Ok(());
            }
            self.check_running()?;
            tokio::time::sleep(Duration::from_nanos(at.0 - now.0)).await;
        }
    }
}

/// Time does not run ahead while this lives: see [`Sim::hold_time`](crate::Sim::hold_time).
#[must_use = "time goes on as soon as it is dropped"]
pub struct Held {
    /// The blocking task ends when this is dropped.
    _end: Option<std::sync::mpsc::Sender<()>>,
}

impl Held {
    /// The longest that time is held, in real time: a forgotten guard then fails a test rather than hang it.
    const LONGEST: Duration = Duration::from_mins(1);

    pub(crate) fn new() -> Self {
        // A paused runtime does not advance its clock while a blocking task runs: the task is there to be waited for.
        let end = Handle::try_current().ok().map(|runtime| {
            let (end, ended) = std::sync::mpsc::channel::<()>();
            runtime.spawn_blocking(move || ended.recv_timeout(Self::LONGEST));
            end
        });
        Self { _end: end }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_timestamps_and_end_where_time_does() {
        let second = Moment::default().after(Duration::from_secs(1));
        assert_eq!(second.timestamp().to_string(), "2030-01-01T00:00:01Z");
        assert_eq!(Moment::from(second.timestamp()), second);
        assert_eq!(Moment::from(Timestamp::UNIX_EPOCH), Moment::default());
        assert_eq!(Moment::from(Timestamp::MAX), Moment::NEVER);
        assert_eq!(Moment::default().after(Duration::MAX), Moment::NEVER);
        assert_eq!(second.before(Duration::MAX), Moment::default());
    }
}
