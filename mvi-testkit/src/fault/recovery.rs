//! How long the app took to see a fault, and to be well again.

use std::{fmt, time::Duration};

use super::plan::Rule;
use crate::clock::Moment;

/// How an app took a fault, in simulated time since the simulation's start.
///
/// It is seen at the seam: the fault begins with its window, or where it has none, with the first call that it befalls.
///
/// ```
/// use std::time::Duration;
/// use mvi_core::{ErrorKind, Kv, Name};
/// use mvi_testkit::{Fault, Sim};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> mvi_core::Result<()> {
/// let sim = Sim::new(7).calm();
/// let outage = Duration::from_secs(10)..Duration::from_secs(40);
/// sim.faults().inject(Fault::refuse("kv.delete_table", ErrorKind::Unavailable).between(outage));
/// let (kv, links) = (sim.cloud().kv, Name::new("links")?);
/// for _ in 0..60 {
///     let _ = kv.delete_table(&links).await;
///     sim.sleep(Duration::from_secs(1)).await?;
/// }
/// let recovery = &sim.faults().recoveries()[0];
/// assert_eq!(recovery.time_to_detect(), Some(Duration::ZERO));
/// assert_eq!(recovery.time_to_restore(), Some(Duration::from_secs(30)));
/// # Ok(()) }
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The fault, as it describes itself.
    pub fault: String,
    /// How many calls it befell.
    pub injected: u64,
    /// When it began; `None` where it has not.
    pub began: Option<Duration>,
    /// When a call that it is about first failed.
    pub detected: Option<Duration>,
    /// When it healed; `None` where it has not.
    pub healed: Option<Duration>,
    /// When a call that it is about first succeeded after it had healed.
    pub restored: Option<Duration>,
}

impl Recovery {
    /// From its beginning to the first call that failed.
    pub fn time_to_detect(&self) -> Option<Duration> {
        Some(self.detected?.saturating_sub(self.began?))
    }

    /// From its beginning to the first correct answer after it had healed.
    pub fn time_to_restore(&self) -> Option<Duration> {
        Some(self.restored?.saturating_sub(self.began?))
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} injected", self.fault, self.injected)?;
        match self.time_to_detect() {
            Some(time) => write!(f, ", detected after {time:?}")?,
            None => f.write_str(", not detected")?,
        }
        match self.time_to_restore() {
            Some(time) => write!(f, ", restored after {time:?}"),
            None => f.write_str(", not restored"),
        }
    }
}

/// What was seen of one fault.
#[derive(Debug)]
pub(super) struct Watch {
    added: Moment,
    fired: Option<Moment>,
    detected: Option<Moment>,
    healed: Option<Moment>,
    restored: Option<Moment>,
}

impl Watch {
    pub(super) fn new(added: Moment) -> Self {
        Self { added, fired: None, detected: None, healed: None, restored: None }
    }

    pub(super) fn fire(&mut self, now: Moment) {
        self.fired.get_or_insert(now);
    }

    pub(super) fn heal(&mut self, now: Moment) {
        self.healed.get_or_insert(now);
    }

    /// A call that the fault is about has ended.
    pub(super) fn see(&mut self, rule: &Rule, succeeded: bool, now: Moment) {
        let began = self.began(rule).is_some_and(|it| it <= now);
        if began && !succeeded {
            self.detected.get_or_insert(now);
        }
        if began && succeeded && self.healed(rule, now).is_some() {
            self.restored.get_or_insert(now);
        }
    }

    fn began(&self, rule: &Rule) -> Option<Moment> {
        match &rule.fault.window {
            // A window that had begun when the fault was added, begins then.
            Some(window) => Some(Moment::default().after(window.start).max(self.added)),
            None => self.fired,
        }
    }

    fn healed(&self, rule: &Rule, now: Moment) -> Option<Moment> {
        let ended = rule.ends().filter(|end| *end <= now);
        [self.healed, ended].into_iter().flatten().min()
    }

    pub(super) fn report(&self, rule: &Rule, now: Moment) -> Recovery {
        Recovery {
            fault: rule.fault.to_string(),
            injected: rule.fired,
            began: self.began(rule).filter(|it| *it <= now).map(Moment::since_start),
            detected: self.detected.map(Moment::since_start),
            healed: self.healed(rule, now).map(Moment::since_start),
            restored: self.restored.map(Moment::since_start),
        }
    }
}
