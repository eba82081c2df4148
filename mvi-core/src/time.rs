//! Moments as callers say them, resolved by the provider's own clock.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A moment, as a request says it.
///
/// A request is resolved by the provider's one clock, so that the same request means the
/// same on a real cloud and in simulated time.
///
/// ```
/// use std::time::Duration;
/// use mvi_core::When;
///
/// let now = "2026-01-02T03:04:05Z".parse()?;
/// let later = When::In(Duration::from_secs(55)).resolve(now)?;
/// assert_eq!(later.to_string(), "2026-01-02T03:05:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum When {
    /// At the time of the call.
    #[default]
    Now,
    /// This long before the call.
    Ago(Duration),
    /// This long after the call.
    In(Duration),
    /// At this time.
    At(Timestamp),
}

impl When {
    /// Resolves it at `now`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where the moment is outside the years −9999 to 9999.
    pub fn resolve(self, now: Timestamp) -> Result<Timestamp> {
        let moved = match self {
            Self::Now => Ok(now),
            Self::At(time) => Ok(time),
            Self::Ago(duration) => now.checked_sub(duration),
            Self::In(duration) => now.checked_add(duration),
        };
        moved.map_err(|e| Error::invalid(format!("{self:?} is not a time")).with_source(e))
    }
}

impl From<Timestamp> for When {
    fn from(time: Timestamp) -> Self {
        Self::At(time)
    }
}

/// The monotonic time: the one place where mvi-core asks for it.
///
/// It is tokio's, so that a paused test moves it.
pub(crate) fn instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_out_of_range_is_invalid_not_a_panic() {
        let now = Timestamp::UNIX_EPOCH;
        for when in [When::In(Duration::MAX), When::Ago(Duration::MAX)] {
            assert_eq!(when.resolve(now).unwrap_err().kind(), crate::ErrorKind::Invalid);
        }
        assert_eq!(When::Now.resolve(now).unwrap(), now);
        assert_eq!(When::At(Timestamp::MAX).resolve(now).unwrap(), Timestamp::MAX);
    }
}
