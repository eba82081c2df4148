//! A bound on the attempts that all calls together repeat, so that a service that is down is not held down by its callers.

use std::sync::atomic::{AtomicU32, Ordering};

/// What is there at first, and at most: as much as the SDK's standard retries have.
const MOST: u32 = 500;
/// What it takes to repeat what failed.
pub(super) const FAILED: u32 = 14;
/// What it takes to repeat what was throttled.
pub(super) const THROTTLED: u32 = 5;

/// What is left for attempts that repeat another.
pub(super) struct Quota(AtomicU32);

impl Quota {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(MOST))
    }

    /// Takes `cost`, where that much is left.
    pub(super) fn take(&self, cost: u32) -> bool {
        let left = |left: u32| left.checked_sub(cost);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
    }

    /// Gives `amount` back, as a call has succeeded.
    pub(super) fn give(&self, amount: u32) {
        // It is full nearly always, and then nobody has to wait for who writes.
        let left = |left: u32| (left < MOST).then(|| left.saturating_add(amount).min(MOST));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_bounded_and_comes_back_with_success() {
        let quota = Quota::new();
        let taken = std::iter::repeat_with(|| quota.take(FAILED)).take_while(|it| *it).count();
        assert_eq!(taken, 35);
        assert!(quota.take(THROTTLED), "10 are left");
        assert!(quota.take(THROTTLED));
        assert!(!quota.take(THROTTLED));
        for _ in 0..4 {
            quota.give(1);
        }
        assert!(!quota.take(THROTTLED));
        quota.give(1);
        assert!(quota.take(THROTTLED));
        quota.give(10_000);
        let taken = std::iter::repeat_with(|| quota.take(FAILED)).take_while(|it| *it).count();
        assert_eq!(taken, 35, "no more than at first");
    }
}
