//! Simulated time: the Sim's events beside tokio's timers on a paused clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mvi_benches::{Goal, Report, Rounds, Row, Unit, clock};
use mvi_core::Timestamp;
use mvi_testkit::Sim;
use tokio::runtime::{Builder, Runtime};

use crate::{Result, per_second, rate};

pub(crate) fn run(rounds: Rounds, report: &mut Report) -> Result {
    for pending in [1_000, 100_000] {
        let load = Load { pending, again: (rounds.times(1_000_000) / pending).max(1) };
        let (our_runtime, their_runtime) = (paused()?, paused()?);
        let compared = rounds.compare(
            || load.rate(|| our_runtime.block_on(ours(load))),
            || load.rate(|| their_runtime.block_on(theirs(load))),
        );
        report.push(Row {
            what: format!("simulated timers, {}k pending", pending / 1_000),
            ours: rate(compared.ours, "events"),
            theirs: format!("{}, tokio's paused", rate(compared.theirs, "events")),
            result: compared.ratio,
            unit: Unit::Ratio,
            goal: Some(Goal::AtLeast(2.0)),
        });
    }
    Ok(())
}

/// So many timers, each of which comes again so many times.
#[derive(Clone, Copy, Debug)]
struct Load {
    pending: usize,
    again: usize,
}

impl Load {
    fn rate(self, work: impl FnOnce()) -> f64 {
        per_second(self.pending * self.again, clock::cpu(work))
    }
}

/// One timer: how often it still comes, and what its next delay follows from.
#[derive(Clone, Copy, Debug)]
struct Timer {
    left: usize,
    chance: u64,
}

impl Timer {
    fn new(number: usize, left: usize) -> Self {
        Self { left, chance: number as u64 + 1 }
    }

    /// The next delay: whole milliseconds, which is what tokio's timers resolve, up to 10 s.
    fn delay(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        Some(Duration::from_millis(self.chance % 10_000 + 1))
    }
}

fn paused() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_time().start_paused(true).build()?)
}

/// What our timers share.
#[derive(Debug)]
struct Shared {
    sim: Sim,
    running: AtomicUsize,
}

async fn ours(load: Load) {
    let sim = Sim::new(1).calm();
    let shared = Arc::new(Shared { sim, running: AtomicUsize::new(load.pending) });
    let start = shared.sim.now();
    for number in 0..load.pending {
        arm(&shared, Timer::new(number, load.again), start);
    }
    while shared.running.load(Ordering::Relaxed) > 0 {
        shared.sim.sleep(Duration::from_secs(1)).await.expect("the runtime has timers");
    }
}

fn arm(shared: &Arc<Shared>, mut timer: Timer, now: Timestamp) {
    let Some(delay) = timer.delay() else {
        shared.running.fetch_sub(1, Ordering::Relaxed);
        return;
    };
    let again = Arc::clone(shared);
    shared.sim.at(now + delay, move |now| arm(&again, timer, now));
}

async fn theirs(load: Load) {
    let timers = (0..load.pending).map(|number| {
        let mut timer = Timer::new(number, load.again);
        tokio::spawn(async move {
            while let Some(delay) = timer.delay() {
                tokio::time::sleep(delay).await;
            }
        })
    });
    for timer in timers.collect::<Vec<_>>() {
        timer.await.expect("no timer panics");
    }
}
