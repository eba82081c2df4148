//! What the cases of every service do.

use std::fmt::Debug;

use futures::TryStreamExt as _;
use mvi_core::{Error, ErrorKind, Items, Result};

/// Wants a failure of this kind that names its operation, which begins with `service`.
#[track_caller]
pub(super) fn fails<R: Debug>(service: &str, result: Result<R>, kind: ErrorKind) -> Error {
    let error = match result {
        Err(error) => error,
        Ok(answer) => panic!("found {answer:?}, wanted an error of kind {kind:?}"),
    };
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.op().starts_with(service), "an error that names no operation: {error:?}");
    error
}

/// Wants a stream that fails with this kind.
#[track_caller]
pub(super) fn stream_fails<R: Debug + Send>(
    items: Items<R>,
    kind: ErrorKind,
) -> impl Future<Output = Error> {
    let place = std::panic::Location::caller();
    async move {
        match items.try_collect::<Vec<_>>().await {
            Err(error) if error.kind() == kind => error,
            other => panic!("found {other:?}, wanted an error of kind {kind:?} at {place}"),
        }
    }
}

/// Runs `count` tasks at a time, and gives their results in order.
pub(super) async fn race<R, F>(count: usize, start: impl Fn(usize) -> F) -> Vec<Result<R>>
where
    R: Send + 'static,
    F: Future<Output = Result<R>> + Send + 'static,
{
    let racers: Vec<_> = (0..count).map(|it| tokio::spawn(start(it))).collect();
    let mut results = Vec::new();
    for racer in racers {
        results.push(racer.await.expect("a racer that does not panic"));
    }
    results
}

/// The number of the one racer who won; the others must have met a conflict.
#[track_caller]
pub(super) fn winner<R: Debug>(service: &str, results: Vec<Result<R>>) -> usize {
    let mut winners = Vec::new();
    for (number, result) in results.into_iter().enumerate() {
        match result {
            Ok(_) => winners.push(number),
            lost => drop(fails(service, lost, ErrorKind::Conflict)),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?} won");
    winners[0]
}
