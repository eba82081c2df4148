//! The one place of this crate that asks for the time or waits: it supervises real programs, so
//! its time is the machine's.

#![expect(clippy::disallowed_methods, reason = "deadlines on real child processes")]

use std::time::{Duration, Instant};

/// How often whoever waits looks again.
const TICK: Duration = Duration::from_millis(50);

/// Starts measuring.
pub(crate) fn start() -> Stopwatch {
    Stopwatch(Instant::now())
}

/// Waits one tick.
pub(crate) fn tick() {
    std::thread::sleep(TICK);
}

/// Time since it was started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Real time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
