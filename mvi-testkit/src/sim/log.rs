//! What happened in a simulation, in order.

use std::{collections::VecDeque, fmt, time::Duration};

use mvi_core::ErrorKind;

/// One line of a simulation's [log](crate::Sim::log).
///
/// ```
/// use mvi_core::{Kv, Name};
/// use mvi_testkit::{Outcome, Sim};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> mvi_core::Result<()> {
/// let sim = Sim::new(7);
/// sim.kv.delete_table(&Name::new("links")?).await?;
/// let [sent, applied, answered] = &*sim.log() else { panic!("three entries") };
/// assert_eq!((sent.op, sent.outcome), ("kv.delete_table", Outcome::Sent));
/// assert!(sent.time <= applied.time && applied.time <= answered.time);
/// # Ok(()) }
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, since the start of the simulation.
    pub time: Duration,
    /// Its place in the log, from 0.
    pub seq: u64,
    /// Which call it is of; the same number in all of a call's entries. `None` for what happens by itself.
    pub call: Option<u64>,
    /// The operation, as in `kv.put`, or the event, as in `kv.expired`.
    pub op: &'static str,
    /// What it is for: a table, a bucket, a VM.
    pub resource: String,
    /// What happened.
    pub outcome: Outcome,
}

/// What happened to a call.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The caller sent it.
    Sent,
    /// The service worked on it: from here on its effect is seen. It went well, or failed with this.
    Applied(Result<(), ErrorKind>),
    /// The caller has the answer. A call that takes no time has only this entry.
    Answered(Result<(), ErrorKind>),
    /// A fault was injected at the seam.
    Injected,
    /// The event happened.
    Happened,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, seq, call, op, resource, outcome } = self;
        write!(f, "{seq:>6} {:>16.9}s ", time.as_secs_f64())?;
        match call {
            Some(call) => write!(f, "#{call:<5} ")?,
            None => write!(f, "       ")?,
        }
        write!(f, "{op} {resource}")?;
        match outcome {
            Outcome::Sent => f.write_str(": sent"),
            Outcome::Applied(Ok(())) => f.write_str(": applied"),
            Outcome::Applied(Err(kind)) => write!(f, ": refused, {kind:?}"),
            Outcome::Answered(Ok(())) => f.write_str(": answered"),
            Outcome::Answered(Err(kind)) => write!(f, ": failed, {kind:?}"),
            Outcome::Injected => f.write_str(": fault injected"),
            Outcome::Happened => Ok(()),
        }
    }
}

/// The last entries, oldest first.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    written: u64,
}

impl Log {
    /// The most entries that are kept: a long-lived simulation forgets its oldest.
    pub(super) const MOST: usize = 100_000;

    pub(super) fn write(&mut self, entry: impl FnOnce(u64) -> Entry) {
        if self.entries.len() == Self::MOST {
            self.entries.pop_front();
        }
        self.entries.push_back(entry(self.written));
        self.written += 1;
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_are_forgotten() {
        let mut log = Log::default();
        let outcome = Outcome::Happened;
        for _ in 0..Log::MOST + 5 {
            let (time, resource) = (Duration::ZERO, String::new());
            log.write(|seq| Entry { time, seq, call: None, op: "kv.gone", resource, outcome });
        }
        let entries = log.entries();
        assert_eq!((entries.len(), entries[0].seq), (Log::MOST, 5));
    }
}
