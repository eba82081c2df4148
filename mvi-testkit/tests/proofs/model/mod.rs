//! Random sequences of operations give what a list gives.
//!
//! The models are written from the traits' documentation alone: lists, looked through from end to end. They share no code with the
//! simulated cloud, which uses mvi-core's evaluators, checks and codecs.

mod blob;
mod kv;

use std::fmt::Debug;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use tokio::runtime::Builder;

/// How many sequences are run.
const SEQUENCES: u32 = 10_000;

/// A simulated service and its model.
trait Pair {
    /// A step of a sequence.
    type Act: Debug + 'static;
    /// What a step gave, without what only a provider can make up.
    type Seen: Debug + PartialEq;

    /// Does it with both, and gives what both gave.
    async fn act(&mut self, act: Self::Act) -> (Self::Seen, Self::Seen);
}

/// Runs so many sequences on what `start` makes, which is broken or not.
fn run<P: Pair>(
    cases: u32,
    broken: bool,
    sequences: &BoxedStrategy<Vec<P::Act>>,
    start: impl AsyncFn() -> P,
) -> std::result::Result<(), String> {
    // What failed is printed whole, and its seed is of no use to another version.
    let shrink = if broken { 0 } else { 1_000 };
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: shrink, ..Config::default() };
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let mut runner = if broken {
        // The same sequences each time, so that what they find does not change from run to run.
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    } else {
        TestRunner::new(config)
    };
    let outcome = runner.run(sequences, |sequence| {
        runtime.block_on(async {
            let mut pair = start().await;
            for act in sequence {
                let shown = format!("{act:?}");
                let (found, wanted) = pair.act(act).await;
                prop_assert_eq!(found, wanted, "after {}", shown);
            }
            Ok(())
        })
    });
    outcome.map_err(|e| e.to_string())
}
