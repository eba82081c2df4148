//! Asking again: for how long, and after which failures.

use std::time::Duration;

use mvi_core::{Result, Retry};
use tokio::time::{Instant, sleep};

/// What may be asked again after a failure that asking again can mend.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Whatever is sure not to have happened.
    IfSafe,
    /// Anything: happening twice is the same as once.
    Always,
}

/// Asks until there is an answer, a failure that will stay, or no patience left.
pub(crate) async fn patiently<T, F: Future<Output = Result<T>>>(
    repeat: Repeat,
    ask: impl Fn() -> F,
) -> Result<T> {
    const PATIENCE: Duration = Duration::from_secs(2);
    const LONGEST_PAUSE: Duration = Duration::from_millis(200);
    let started = Instant::now();
    let mut pause = Duration::from_millis(20);
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let wait = error.retry_after().unwrap_or_default().max(pause);
        let may = match error.retry() {
            Retry::Safe => true,
            Retry::IfIdempotent => repeat == Repeat::Always,
            Retry::Never => false,
        };
        if !may || started.elapsed() + wait > PATIENCE {
            return Err(error);
        }
        sleep(wait).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}
