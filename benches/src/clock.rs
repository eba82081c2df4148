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

fn process_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
