//! A suite is as good as the broken implementations that it catches.

macro_rules! flaws {
    ($($(#[$doc:meta])* $flaw:ident,)+) => {
        /// A promise that is broken, and how.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Flaw { $($(#[$doc])* $flaw),+ }

        impl Flaw {
            pub(crate) const ALL: &[Self] = &[$(Self::$flaw),+];
        }
    };
}

pub(crate) mod blob;
pub(crate) mod kv;

use std::{
    collections::BTreeSet,
    fmt::Debug,
    io::{self, Write as _},
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_core::{Error, Items, Result};
use mvi_testkit::conformance::{Backend, check, names};

/// Wants each flaw to be caught by the case beside it; `what` names what has the flaws.
fn every<F: Copy + Debug>(what: &str, caught_by: &[(F, &str)], broken: impl Fn(F) -> Backend) {
    let missed = caught_by.iter().filter(|(flaw, case)| match check(&broken(*flaw), case) {
        Ok(()) => true,
        // A case that ran out of real time has found nothing, nor has one that only could not clean up.
        Err(found) => ["of real time", "no case is called", "it leaves something behind"]
            .iter()
            .any(|it| found.contains(it)),
    });
    let missed: Vec<_> = missed.collect();
    let (caught, all) = (caught_by.len() - missed.len(), caught_by.len());
    // Not `println`, which the test harness keeps for failures.
    let _ = writeln!(io::stdout(), "caught {caught}/{all} broken {what}");
    assert!(missed.is_empty(), "{caught}/{all} caught, missed: {missed:#?}");
}

/// Wants every case of a service to pass, of which there are many.
fn passes(service: &str, sound: &Backend, many: usize) {
    let names = names().into_iter().filter(|it| it.split("::").next() == Some(service));
    let names: Vec<_> = names.collect();
    let failed = names.iter().filter_map(|name| check(sound, name).err().map(|it| (name, it)));
    assert_eq!(failed.collect::<Vec<_>>(), []);
    assert!(names.len() > many, "{}", names.len());
}

/// The flaws that are caught by something, sorted.
fn tried<F: Copy + Ord>(caught_by: &[(F, &str)]) -> Vec<F> {
    let tried: BTreeSet<_> = caught_by.iter().map(|it| it.0).collect();
    assert_eq!(tried.len(), caught_by.len(), "one is there twice");
    tried.into_iter().collect()
}

/// Changes what a stream gives, all at once.
fn rewrite<T, F>(items: Items<T>, change: impl FnOnce(Vec<T>) -> F + Send + 'static) -> Items<T>
where
    T: Send + 'static,
    F: Future<Output = Result<Vec<T>>> + Send,
{
    let all = async move {
        let items = change(items.try_collect().await?).await?;
        Ok::<_, Error>(stream::iter(items.into_iter().map(Ok)))
    };
    stream::once(all).try_flatten().boxed()
}

/// Asks at once, and gives what was found when it is polled.
fn eager<T: Send + 'static>(items: Items<T>) -> Items<T> {
    let asked = tokio::spawn(items.try_collect::<Vec<_>>());
    let all = async move {
        let found = asked.await.unwrap()?;
        Ok::<_, Error>(stream::iter(found.into_iter().map(Ok)))
    };
    stream::once(all).try_flatten().boxed()
}

/// What is wrong at the border of two pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Border {
    Loses,
    Repeats,
}

/// Loses or repeats the first item of each page but the first.
fn at_borders<T: Clone>(all: Vec<T>, page: usize, border: Border) -> Vec<T> {
    let mut given = Vec::new();
    for (at, item) in all.into_iter().enumerate() {
        let first_of_page = at > 0 && at % page == 0;
        if first_of_page && border == Border::Repeats {
            given.push(item.clone());
        }
        if !(first_of_page && border == Border::Loses) {
            given.push(item);
        }
    }
    given
}
