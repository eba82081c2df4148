//! How the waits of every room wait.

use std::{
    fmt,
    hash::{Hash, Hasher},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use crate::{Applied, Error, ErrorKind, Result, time::instant};

/// How long what is fresh may be [`NotFound`](ErrorKind::NotFound) before that is believed.
pub(crate) const VISIBLE: Duration = Duration::from_secs(10);
/// How long a call of a wait may take before it counts as unanswered.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

/// Makes one call of a wait; one that does not answer is a timeout in time.
pub(crate) async fn within<R>(call: impl Future<Output = Result<R>>) -> Result<R> {
    match timeout(ANSWER, call).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::new(ErrorKind::Timeout, format!("no answer within {ANSWER:?}"))),
    }
}

/// Looks at what `name` calls, a `what`, until it is there, for `patience` at most and the time that the last look may take. A look that finds it
/// on its way gives `None`.
///
/// # Errors
///
/// [`Timeout`](ErrorKind::Timeout), saying what was seen last; [`NotFound`](ErrorKind::NotFound) where it is not there, from the tenth second on;
/// what waiting can't mend, at once.
pub(crate) async fn until<T, F>(
    op: &'static str,
    what: &str,
    name: &(impl Hash + fmt::Display + ?Sized),
    patience: Duration,
    look: impl Fn() -> F,
) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let begun = instant();
    let mut tries: u32 = 0;
    loop {
        tries = tries.saturating_add(1);
        let seen = match within(look()).await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => Ok(()),
            Err(e) if e.is_retryable() => Err(e),
            Err(e) if e.kind() == ErrorKind::NotFound && begun.elapsed() < VISIBLE => Err(e),
            Err(e) => return Err(e.or_at(op, name)),
        };
        let left = patience.saturating_sub(begun.elapsed());
        if left.is_zero() {
            let told = match &seen {
                Ok(()) => format!("the {what} is still being created"),
                Err(e) => format!("the last look at the {what} failed: {}", e.message()),
            };
            let error = Error::new(ErrorKind::Timeout, format!("{told}, after {patience:?}"))
                .with_applied(Applied::No)
                .at(op, name);
            return Err(match seen {
                Ok(()) => error,
                Err(source) => error.with_source(source),
            });
        }
        sleep(pause(tries, name).min(left)).await;
    }
}

/// How long to wait after so many `tries`, from 50 ms growing to 1 s, and up to half as much again by what tells this
/// caller from others. The same always waits the same, so that simulated runs repeat.
pub(crate) fn pause(tries: u32, caller: impl Hash) -> Duration {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);
    let base = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST);
    let mut hasher = Fnv::new();
    (tries, caller).hash(&mut hasher);
    let part = u32::try_from(hasher.finish() >> 54).unwrap_or(0);
    base + base / 2 * part / 1_024
}

/// [FNV-1a](http://www.isthe.com/chongo/tech/comp/fnv/), spread once more at its end: the standard library's own hash may be another in each
/// of its releases.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    // Numbers are the same on every machine.
    fn write_u32(&mut self, it: u32) {
        self.write(&it.to_le_bytes());
    }

    fn write_u64(&mut self, it: u64) {
        self.write(&it.to_le_bytes());
    }

    fn write_usize(&mut self, it: usize) {
        self.write_u64(it as u64);
    }

    fn finish(&self) -> u64 {
        let spread = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        spread ^ (spread >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_the_same_in_every_release() {
        let pauses = [(1, "a"), (1, "b"), (2, "a"), (9, "a"), (u32::MAX, "")];
        let pauses = pauses.map(|(tries, caller)| pause(tries, caller).as_micros());
        assert_eq!(pauses, [57_202, 61_669, 118_212, 1_347_656, 1_419_921]);
        assert!(
            (50_000..75_000).contains(&pauses[0]) && (1_000_000..1_500_000).contains(&pauses[4])
        );
    }

    #[test]
    fn callers_wait_for_different_times() {
        let pauses: std::collections::BTreeSet<_> =
            (0..100).map(|it| pause(1, format!("host-{it}"))).collect();
        assert!(pauses.len() > 80, "{} of 100", pauses.len());
    }
}
