//! How the waits of every room wait.

use std::{
    hash::{DefaultHasher, Hash, Hasher as _},
    time::Duration,
};

use tokio::time::timeout;

use crate::{Error, ErrorKind, Result};

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

/// How long to wait after so many `tries`, from 50 ms growing to 1 s, and up to half as much again by what tells this
/// caller from others. The same always waits the same, so that simulated runs repeat.
pub(crate) fn pause(tries: u32, caller: impl Hash) -> Duration {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);
    let base = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST);
    let mut hasher = DefaultHasher::new();
    (tries, caller).hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % 1_024).unwrap_or(0);
    base + base / 2 * part / 1_024
}
