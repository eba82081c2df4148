//! One call of a service and the attempts it makes: what all of them together say of a failure.
//!
//! The generated gRPC client sends a call once and waits without limit; the loop here is the only one on top of it.
//! A repeated write does no harm: it carries the same content under the same version, or a precondition that
//! holds only once; and each attempt carries its deadline, after which the server gives up on it too.

use std::time::Duration;

use mvi_core::{Applied, Error, ErrorKind, Result};
use tokio::time::{Instant, timeout};

use crate::config::{Limits, Retries};

/// Whether a call changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It reads: however it fails, nothing was applied.
    Read,
    /// It writes.
    Write,
}

/// Makes one call in as many attempts as `limits` allow, until `deadline` at most.
///
/// An attempt is told how long it may take. The error is the last attempt's; whether it was applied is what all of
/// the attempts say together, so a throttled attempt after one without an answer is not "not applied".
pub(crate) async fn send<T, F>(
    limits: &Limits,
    wire_op: &'static str,
    effect: Effect,
    deadline: Instant,
    attempt: impl Fn(Duration) -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut applied = Applied::No;
    let mut number = 0;
    loop {
        number += 1;
        let left = deadline.saturating_duration_since(Instant::now());
        let late = || Error::new(ErrorKind::Timeout, format!("{wire_op} got no answer in time"));
        if left.is_zero() {
            return Err(late().with_applied(applied));
        }
        let limit = left.min(limits.timeouts.attempt);
        let error = match timeout(limit, attempt(limit)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => late(),
        };
        if effect == Effect::Write {
            applied = applied.join(error.applied());
        }
        let pause = pause(&limits.retries, number).max(error.retry_after().unwrap_or_default());
        let left = deadline.saturating_duration_since(Instant::now());
        if number >= limits.retries.attempts || !error.is_retryable() || pause >= left {
            return Err(error.with_applied(applied));
        }
        tokio::time::sleep(pause).await;
    }
}

/// A random pause after attempt `number`, of at most a bound that doubles.
pub(crate) fn pause(retries: &Retries, number: u32) -> Duration {
    let doubled = 1_u32.checked_shl(number.saturating_sub(1)).unwrap_or(u32::MAX);
    let bound = retries.first_pause.saturating_mul(doubled).min(retries.longest_pause);
    // Without randomness the pause is its bound: longer, never none.
    let part = getrandom::u32().unwrap_or(u32::MAX);
    bound.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::config::Timeouts;

    fn limits() -> Limits {
        Limits { timeouts: Timeouts::default(), retries: Retries::default() }
    }

    async fn run(effect: Effect, script: Vec<Option<Error>>) -> (Result<()>, u32, Duration) {
        let script = RefCell::new(script.into_iter());
        let sent = Cell::new(0);
        let limits = limits();
        let start = Instant::now();
        let attempt = |_| {
            sent.set(sent.get() + 1);
            let next = script.borrow_mut().next();
            async {
                match next {
                    Some(Some(error)) => Err(error),
                    Some(None) => std::future::pending().await,
                    None => Ok(()),
                }
            }
        };
        let deadline = start + limits.timeouts.operation;
        let answer = send(&limits, "Commit", effect, deadline, attempt).await;
        (answer, sent.get(), start.elapsed())
    }

    fn throttled() -> Error {
        Error::new(ErrorKind::Throttled, "slow down")
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_succeed_is_tried_again_and_what_cannot_is_not() {
        let (answer, sent, _) =
            run(Effect::Write, vec![Some(throttled()), Some(throttled())]).await;
        assert!(answer.is_ok());
        assert_eq!(sent, 3);
        let (answer, sent, _) = run(Effect::Write, vec![Some(Error::invalid("no"))]).await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(sent, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_attempt_after_one_without_an_answer_is_not_unapplied() {
        let script = || vec![None, Some(throttled()), Some(throttled())];
        let (answer, ..) = run(Effect::Write, script()).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Throttled, Applied::Unknown));
        let (answer, ..) = run(Effect::Read, script()).await;
        assert_eq!(answer.unwrap_err().applied(), Applied::No);
        let (answer, ..) = run(Effect::Write, (0..9).map(|_| Some(throttled())).collect()).await;
        assert_eq!(answer.unwrap_err().applied(), Applied::No);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_an_error_in_time() {
        let (answer, sent, took) = run(Effect::Write, (0..99).map(|_| None).collect()).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::Unknown));
        assert_eq!(sent, Retries::default().attempts);
        assert!(took <= Timeouts::default().operation, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_when_the_time_is_up() {
        let attempt = |_| async { panic!("sent") };
        let sent: Result<()> =
            send(&limits(), "Commit", Effect::Write, Instant::now(), attempt).await;
        let error = sent.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::No));
    }

    #[tokio::test(start_paused = true)]
    async fn the_providers_wish_to_wait_is_kept_or_the_call_fails_at_once() {
        let wait = |secs| {
            Some(Error::new(ErrorKind::Throttled, "").with_retry_after(Duration::from_secs(secs)))
        };
        let (answer, sent, took) = run(Effect::Read, vec![wait(4)]).await;
        assert!(answer.is_ok());
        assert_eq!(sent, 2);
        assert!(took >= Duration::from_secs(4), "{took:?}");
        let (answer, sent, took) = run(Effect::Read, vec![wait(3_600)]).await;
        assert_eq!(answer.unwrap_err().retry_after(), Some(Duration::from_hours(1)));
        assert_eq!((sent, took), (1, Duration::ZERO));
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let retries = Retries::default();
        for number in 1..200 {
            assert!(pause(&retries, number) <= retries.longest_pause);
        }
        assert!((0..50).all(|_| pause(&retries, 1) <= retries.first_pause));
        assert!((0..200).any(|_| pause(&retries, 9) > retries.first_pause));
    }
}
