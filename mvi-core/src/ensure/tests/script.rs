//! A provider that is asked what a script says, and nothing else.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    Error, ErrorKind, Result,
    ensure::{Attempt, Backend, Born, Fingerprint, Life, Marks, Observed, Unique, Wanted, ensure},
    time::instant,
};

/// What the provider is asked next, and what it answers.
#[derive(Debug)]
pub(super) enum Step {
    Observe(Result<Vec<Observed<&'static str>>>),
    /// Sees these, with the marks of the last attempt to create.
    ObserveMade(&'static str, Vec<Observed<&'static str>>),
    Create(Result<&'static str>),
    Finish(&'static str, Result<()>),
    Discard(&'static str, Result<()>),
}
/// A provider that is asked what the script says, or the test fails.
#[derive(Debug)]
pub(super) struct Script {
    unique: Unique,
    pub(super) start: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    steps: VecDeque<Step>,
    attempts: Vec<Attempt>,
    nonce: u64,
}

impl Script {
    pub(super) fn new(unique: Unique, steps: impl IntoIterator<Item = Step>) -> Self {
        let inner =
            Inner { steps: steps.into_iter().collect(), attempts: Vec::new(), nonce: 1 << 32 };
        Self { unique, start: instant(), inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// What it was asked to create.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.inner().attempts.clone()
    }

    fn next(&self, asked: &str) -> Step {
        let step = self.inner().steps.pop_front();
        step.unwrap_or_else(|| panic!("the story is over, and {asked} is asked"))
    }

    /// Plays the story; all of it must have happened.
    pub(super) async fn play(&self, wanted: &Wanted) -> Result<&'static str> {
        let answer = ensure(self, wanted).await;
        let left = std::mem::take(&mut self.inner().steps);
        assert!(left.is_empty(), "{answer:?}, and yet to come: {left:?}");
        answer
    }
}

impl Backend for Script {
    type Id = &'static str;
    type Resource = &'static str;

    fn unique(&self) -> Unique {
        self.unique
    }

    async fn observe(&self) -> Result<Vec<Observed<&'static str>>> {
        match self.next("observe") {
            Step::Observe(answer) => answer,
            Step::ObserveMade(id, mut others) => {
                let marks = self.inner().attempts.last().unwrap().marks.clone();
                others.push(match self.unique {
                    Unique::Alias => Observed::unnamed(id, Life::Alive, marks),
                    _ => Observed::new(id, Life::Alive, marks),
                });
                Ok(others)
            }
            other => panic!("observe is asked, and not {other:?}"),
        }
    }

    async fn create(&self, attempt: &Attempt) -> Result<&'static str> {
        self.inner().attempts.push(attempt.clone());
        match self.next("create") {
            Step::Create(answer) => answer,
            other => panic!("create is asked, and not {other:?}"),
        }
    }

    async fn finish(&self, id: &&'static str) -> Result<&'static str> {
        match self.next("finish") {
            Step::Finish(wanted, answer) if wanted == *id => answer.map(|()| wanted),
            other => panic!("finish {id} is asked, and not {other:?}"),
        }
    }

    async fn discard(&self, id: &&'static str) -> Result<()> {
        match self.next("discard") {
            Step::Discard(wanted, answer) if wanted == *id => answer,
            other => panic!("discard {id} is asked, and not {other:?}"),
        }
    }

    fn birth(&self) -> Born {
        let nonce = &mut self.inner().nonce;
        *nonce += 1;
        Born::new(BEGIN.parse::<Timestamp>().unwrap() + self.start.elapsed(), *nonce)
    }
}

pub(super) const BEGIN: &str = "2026-01-02T03:04:05Z";
pub(super) const SETTLE: Duration = Duration::from_secs(10);

pub(super) fn small() -> Fingerprint {
    Fingerprint::of("thing").field("size", 1)
}

pub(super) fn wanted() -> Wanted {
    Wanted::new("thing.create", "web", &small())
}

pub(super) fn marks(settings: &Fingerprint, born: u64) -> Marks {
    let born = Some(Born::new(Timestamp::UNIX_EPOCH, born));
    Marks { name: Some("web".into()), stamp: Some(settings.stamp()), born }
}

pub(super) fn ours(id: &'static str) -> Observed<&'static str> {
    Observed::new(id, Life::Alive, marks(&small(), 1))
}

pub(super) fn going(id: &'static str, life: Life) -> Observed<&'static str> {
    Observed { life, ..ours(id) }
}

pub(super) fn failed<T>(kind: ErrorKind) -> Result<T> {
    Err(Error::new(kind, "scripted"))
}
