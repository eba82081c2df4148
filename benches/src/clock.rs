//! Real time and the process's own: what is measured here is not simulated.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The time that `work` takes.
#[expect(clippy::disallowed_methods, reason = "real time is what a benchmark measures")]
pub fn wall(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// The time that the process's threads spend on a core while `work` runs: what others do meanwhile does not count.
pub fn cpu(work: impl FnOnce()) -> Duration {
    let started = process_time();
    work();
    process_time().saturating_sub(started)
}

/// What `work` takes of both, by one reading of each clock before and after.
pub fn both(work: impl FnOnce()) -> Cost {
    let mut taken = Duration::ZERO;
    let cpu = cpu(|| taken = wall(work));
    Cost { wall: taken, cpu }
}

/// What some work took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// By the clock on the wall.
    pub wall: Duration,
    /// On the process's threads.
    pub cpu: Duration,
}

/// Starts a watch, which tells how long ago that was.
#[expect(clippy::disallowed_methods, reason = "real time is what a benchmark measures")]
pub fn watch() -> impl Fn() -> Duration {
    let started = Instant::now();
    move || started.elapsed()
}

fn process_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
