//! Partial answers: what AWS left over is asked for again, a bounded number of times.

use std::time::Duration;

use tokio::time::sleep;

use crate::Retries;

/// The most rounds in a row that do none of the work.
const MAX_IDLE_ROUNDS: u32 = 8;

/// The rounds in which a piece of work is asked for.
#[derive(Debug)]
pub(crate) struct Rounds {
    retries: Retries,
    round: u32,
    idle: u32,
}

impl Rounds {
    pub(crate) fn new(retries: Retries) -> Self {
        Self { retries, round: 0, idle: 0 }
    }

    /// Says after a round that was given `before` and left `after` whether to ask for that again, and pauses
    /// before, as an overloaded service wants: until nothing is left, or [`MAX_IDLE_ROUNDS`] in a row did none of it.
    pub(crate) async fn again(&mut self, before: usize, after: usize) -> bool {
        self.idle = if after < before { 0 } else { self.idle + 1 };
        if after == 0 || self.idle >= MAX_IDLE_ROUNDS {
            return false;
        }
        sleep(pause(self.retries, self.round, None)).await;
        self.round += 1;
        true
    }
}

/// How much longer than it would be anyway a pause may become because the service asks for it.
const MAX_ASKED: Duration = Duration::from_secs(5);

/// How long to pause before the next try: up to `first_pause` doubled each `round`, at a random length; and for as long as the
/// service asked, within reason.
pub(crate) fn pause(retries: Retries, round: u32, asked: Option<Duration>) -> Duration {
    let bound = retries.first_pause.saturating_mul(1 << round.min(16)).min(retries.longest_pause);
    // Without random bytes all wait the longest.
    let part = getrandom::u32().map_or(1.0, |it| f64::from(it) / f64::from(u32::MAX));
    let pause = bound.mul_f64(part);
    asked.map_or(pause, |asked| asked.clamp(pause, pause.saturating_add(MAX_ASKED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_makes_progress_is_done_however_slowly() {
        let mut rounds = Rounds::new(Retries::default());
        let mut left = 100;
        while rounds.again(left, left - 1).await {
            left -= 1;
        }
        assert_eq!(left, 1, "the last round left nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn what_makes_none_ends() {
        let mut rounds = Rounds::new(Retries::default());
        let mut asked = 1;
        while rounds.again(2, 2).await {
            asked += 1;
        }
        assert_eq!(asked, MAX_IDLE_ROUNDS);
    }

    #[test]
    fn a_service_that_asks_for_a_pause_gets_it_within_reason() {
        let pause = |asked| pause(Retries::default(), 0, Some(asked));
        assert_eq!(pause(Duration::from_secs(3)), Duration::from_secs(3));
        assert!(pause(Duration::from_hours(1)) <= Duration::from_millis(5_050));
        assert!(pause(Duration::ZERO) <= Duration::from_millis(50));
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        let retries = Retries { longest_pause: Duration::from_secs(1), ..Retries::default() };
        for round in [0, 5, 31, u32::MAX] {
            assert!(pause(retries, round, None) <= retries.longest_pause, "{round}");
        }
    }
}
