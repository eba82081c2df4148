//! One story, told by a seed: what is there before, who asks for what and when, and what goes wrong.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::cloud::{Caller, Cloud, Faults, Flaw, Given, LANDS, Random, SETTLE, SKEW, marks};
use crate::{
    Applied, Error, ErrorKind, Result,
    ensure::{
        Fingerprint, Life, Marks, Reason, Stamp, Unique, Wanted, ensure, sweep, sweep::holder,
    },
};

/// What a test changes in all of its stories.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) flaw: Flaw,
    pub(super) settle: Duration,
    pub(super) told: bool,
}

impl Plan {
    pub(super) const HONEST: Self = Self { flaw: Flaw::None, settle: SETTLE, told: false };
}

/// How often things happened: a test that never met a race proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) made: usize,
    pub(super) given: usize,
    pub(super) adopted: usize,
    pub(super) refused: usize,
    pub(super) failed: usize,
    pub(super) crashed: usize,
    pub(super) discards: usize,
    pub(super) orphans: usize,
    pub(super) finished_for_another: usize,
    pub(super) made_anew: usize,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.made += other.made;
        self.given += other.given;
        self.adopted += other.adopted;
        self.refused += other.refused;
        self.failed += other.failed;
        self.crashed += other.crashed;
        self.discards += other.discards;
        self.orphans += other.orphans;
        self.finished_for_another += other.finished_for_another;
        self.made_anew += other.made_anew;
    }
}

/// What is there before anyone asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    Ours,
    OtherSettings,
    NotOurs,
    Dying,
    DyingNotOurs,
    Dead,
    /// What crashes left: two that nobody has chosen from.
    Two,
}

/// How a call ended.
#[derive(Clone, Debug)]
enum End {
    Crash,
    Given(Given),
    Failed(ErrorKind, Applied),
}

/// Tells the story of `seed`; an error is what went wrong in it.
pub(super) fn tell(unique: Unique, seed: u64, plan: Plan) -> Result<Tally, String> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut story = Story::new(unique, seed, plan);
        let ended = timeout(Duration::from_hours(24), story.play()).await.is_ok();
        let mut state = story.cloud.state();
        if !ended {
            state.wrong("it never ends".into());
        }
        let lines = state.story.take().unwrap_or_default().join("\n");
        match state.wrongs.first() {
            None => Ok(story.tally),
            Some(_) => {
                Err(format!("{unique:?}, seed {seed}: {}\n{lines}", state.wrongs.join("; ")))
            }
        }
    })
}

struct Story {
    cloud: Cloud,
    plan: Plan,
    random: Random,
    stamps: [Stamp; 2],
    /// Whether nothing fails and nobody crashes: then nothing may be left over, either.
    calm: bool,
    /// Settings and the clock of each who asks.
    actors: Vec<(usize, u64)>,
    calls: u32,
    ends: BTreeMap<u32, End>,
    tally: Tally,
}

impl Story {
    fn new(unique: Unique, seed: u64, plan: Plan) -> Self {
        let mut random = Random(seed);
        let cloud = Cloud::new(unique, plan.flaw, Random(random.next()));
        let stamp = |size| Fingerprint::of("thing").field("size", size).stamp();
        let stamps = [stamp(1), stamp(2)];
        let same = random.percent(60);
        let settings = |random: &mut Random| usize::from(!same && random.percent(40));
        let mut actors: Vec<_> = (0..=random.below(3))
            .map(|_| (settings(&mut random), random.below(2 * SKEW + 1)))
            .collect();
        actors[0].0 = 0;
        let mut before = random.one_of(&[
            Before::Nothing,
            Before::Nothing,
            Before::Nothing,
            Before::Ours,
            Before::OtherSettings,
            Before::NotOurs,
            Before::Dying,
            Before::DyingNotOurs,
            Before::Dead,
            Before::Two,
        ]);
        if before == Before::Two && matches!(unique, Unique::Name | Unique::Token) {
            before = Before::Nothing;
        }
        let calm = random.percent(30) && before != Before::Two;
        {
            let mut state = cloud.state();
            state.story = plan.told.then(Vec::new);
            state.tell(|| format!("before: {before:?}, calm {calm}, actors {actors:?}"));
            // A list that shows what is gone can't be told from a namesake that is in the way.
            state.lists_removed = same && random.percent(50);
            let ours = |stamp: &Stamp, nonce| match unique {
                Unique::Tag | Unique::Alias => marks(stamp, nonce),
                Unique::Name | Unique::Token => Marks { born: None, ..marks(stamp, nonce) },
            };
            let foreign = Marks { name: Some("web".into()), ..Marks::default() };
            let slow = random.one_of(&[500, 20_000]);
            match before {
                Before::Nothing => {}
                Before::Ours => {
                    let at = state.seed(ours(&stamps[0], 1));
                    state.give_alias(at);
                }
                Before::OtherSettings => {
                    state.lists_removed = false;
                    let at = state.seed(ours(&stamps[1], 1));
                    state.give_alias(at);
                    state.finish_all(at);
                }
                Before::NotOurs => {
                    let at = state.seed(foreign);
                    state.give_alias(at);
                }
                Before::Dying | Before::DyingNotOurs => {
                    let is_ours = before == Before::Dying;
                    let at = state.seed(if is_ours { ours(&stamps[0], 1) } else { foreign });
                    state.give_alias(at);
                    state.lists_removed &= is_ours;
                    state.remove(at, slow);
                }
                Before::Dead => {
                    let at = state.seed(ours(&stamps[0], 1));
                    state.kill(at);
                }
                Before::Two => {
                    state.seed(ours(&stamps[0], 1));
                    state.seed(ours(&stamps[0], 2));
                }
            }
        }
        let (calls, ends, tally) = (0, BTreeMap::new(), Tally::default());
        Self { cloud, plan, random, stamps, calm, actors, calls, ends, tally }
    }

    async fn play(&mut self) {
        let chapters = if self.random.percent(40) { 2 } else { 1 };
        for chapter in 0..chapters {
            self.ends.clear();
            self.everyone(true).await;
            // All that is under way arrives before the last word; or does not.
            if self.random.percent(50) {
                sleep(Duration::from_millis(LANDS)).await;
            }
            let last = self.everyone(false).await;
            sleep(Duration::from_millis(LANDS)).await;
            let held = self.check(&last).await;
            if chapter + 1 < chapters
                && let Some(held) = held
            {
                let mut state = self.cloud.state();
                state.tell(|| format!("the user removes {}", state_id(held)));
                state.remove(held, 20_000);
                state.returned.clear();
                self.tally.made_anew += 1;
            }
        }
        let state = self.cloud.state();
        self.tally.made += state.things.iter().filter(|it| it.call != 0).count();
        self.tally.discards += usize::try_from(state.discards).unwrap();
    }

    /// Lets everyone ask, at the same time; and again and again where things may go wrong.
    async fn everyone(&mut self, hostile: bool) -> Vec<(usize, End)> {
        let mut tasks = JoinSet::new();
        for (settings, ahead) in self.actors.clone() {
            let random = &mut self.random;
            let start = random.one_of(&[0, 0, 1, 300, 3_000, 15_000]);
            let start = Duration::from_millis(random.below(start + 1));
            let rough = random.one_of(&[0, 0, 2, 6]);
            let faults = Faults { refused: rough, vain: rough, lost: 2 * rough, sure: rough / 2 };
            let tries = if hostile { 1 + random.below(2) } else { 1 };
            let mut calls = Vec::new();
            for _ in 0..tries {
                let mut wanted = Wanted::new("thing.create", "web", &Fingerprint::of("thing"))
                    .settle(self.plan.settle)
                    .patience(Duration::from_millis(3_000 + random.below(60_000)));
                wanted.stamp = self.stamps[settings].clone();
                let mut crash = None;
                let mut faults = faults;
                if !hostile || self.calm {
                    (faults, wanted.patience) = (Faults::default(), Duration::from_mins(10));
                } else if random.percent(40) {
                    let within = random.one_of(&[100, 3_000, 30_000]);
                    crash = Some(Duration::from_millis(random.below(within)));
                }
                self.calls += 1;
                let caller = Caller { cloud: self.cloud.clone(), call: self.calls, faults, ahead };
                calls.push((caller, wanted, crash));
            }
            tasks.spawn(async move {
                sleep(start).await;
                let mut ends = Vec::new();
                for (caller, wanted, crash) in calls {
                    ends.push((settings, caller.call, ask(&caller, &wanted, crash).await));
                }
                ends
            });
        }
        let mut last = Vec::new();
        while let Some(ends) = tasks.join_next().await {
            for (settings, call, end) in ends.expect("a call does not panic") {
                self.count(call, &end);
                self.ends.insert(call, end.clone());
                last.push((settings, end));
            }
        }
        last
    }

    fn count(&mut self, call: u32, end: &End) {
        match end {
            End::Crash => self.tally.crashed += 1,
            End::Given(given) => {
                self.tally.given += 1;
                self.tally.adopted += usize::from(given.call != call);
            }
            End::Failed(ErrorKind::AlreadyExists, _) => self.tally.refused += 1,
            End::Failed(..) => self.tally.failed += 1,
        }
    }

    /// Holds what is there against what was promised. Gives what everyone was given.
    async fn check(&mut self, last: &[(usize, End)]) -> Option<usize> {
        sleep(2 * SETTLE).await;
        let mut state = self.cloud.state();
        let truth = state.truth();
        let alive = truth.iter().filter(|it| it.life == Life::Alive);
        let foreign = alive.clone().find(|it| it.named && it.marks.stamp.is_none());
        let held = foreign.or_else(|| holder(alive.clone()));
        let held_at = held.map(|held| truth.iter().position(|it| it.id == held.id).unwrap());
        let held_stamp = held.and_then(|it| it.marks.stamp.clone());

        for (settings, end) in last {
            let wanted = &self.stamps[*settings];
            match end {
                End::Given(given)
                    if Some(given.at) == held_at && held_stamp.as_ref() == Some(wanted) => {}
                End::Failed(ErrorKind::AlreadyExists, _)
                    if held.is_some() && held_stamp.as_ref() != Some(wanted) => {}
                other => {
                    state.wrong(format!("in the end {held_at:?} is held, and one has {other:?}"));
                }
            }
        }
        if held.is_some()
            && held_stamp.is_none()
            && held_at.is_some_and(|at| state.things[at].call != 0)
        {
            state.wrong("what a call made is taken for another's".into());
        }
        for at in state.returned.clone() {
            if Some(at) != held_at {
                state.wrong(format!("{at} was given to one, and {held_at:?} is held"));
            }
        }

        // Whatever lives beside the one is reported, and only that.
        let now = jiff::Timestamp::from_millisecond(i64::try_from(state.now()).unwrap()).unwrap();
        let orphans = sweep(&truth, now, SETTLE);
        let ours: Vec<_> = alive.filter(|it| it.marks.stamp.is_some()).collect();
        for one in &ours {
            let reported = orphans.iter().any(|it| it.id == one.id);
            let is_held = held.is_some_and(|it| it.id == one.id);
            if reported == is_held && foreign.is_none() {
                state.wrong(format!("{} is held: {is_held}, reported: {reported}", one.id));
            }
        }
        for orphan in &orphans {
            if let (Reason::Duplicate { of }, Some(held)) = (&orphan.reason, held)
                && *of != held.id
            {
                state.wrong(format!("{} is a duplicate of {of}?", orphan.id));
            }
        }
        let spare = ours.len().saturating_sub(1);
        if spare > 0 && (self.calm || matches!(state.unique, Unique::Name | Unique::Token)) {
            state.wrong(format!("{} live", ours.len()));
        }
        // Only a crash or an error that says so leaves anything.
        for (at, thing) in state.things.clone().into_iter().enumerate() {
            let left = thing.is_alive() && Some(at) != held_at;
            match self.ends.get(&thing.call) {
                // What can't be found can't be removed.
                Some(End::Given(_)) if left && state.lists_unnamed => {
                    state.wrong(format!("call {} succeeded and left {}", thing.call, thing.id));
                }
                Some(End::Failed(kind, Applied::No))
                    if thing.is_alive() && state.unique != Unique::Token =>
                {
                    let call = thing.call;
                    state.wrong(format!(
                        "call {call} made {}, and failed with {kind:?}, not applied",
                        thing.id
                    ));
                }
                _ => {}
            }
            let carried =
                held_at == Some(at) && matches!(self.ends.get(&thing.call), Some(End::Crash));
            self.tally.finished_for_another += usize::from(carried);
        }
        self.tally.orphans += spare;
        held_at.filter(|_| held_stamp.is_some())
    }
}

fn state_id(at: usize) -> String {
    format!("#{at}")
}

/// One call, and whether what it gives is as promised.
async fn ask(caller: &Caller, wanted: &Wanted, crash: Option<Duration>) -> End {
    let call = caller.call;
    let answer = match crash {
        None => ensure(caller, wanted).await,
        Some(after) => {
            let Ok(answer) = timeout(after, ensure(caller, wanted)).await else {
                caller.cloud.state().tell(|| format!("call {call}: crashes"));
                return End::Crash;
            };
            answer
        }
    };
    let mut state = caller.cloud.state();
    state.tell(|| format!("call {call}: ends with {answer:?}"));
    match answer {
        Ok(given) => {
            let thing = state.things[given.at].clone();
            if !thing.is_alive() {
                state.wrong(format!("call {call} was given {}, which is gone", thing.id));
            }
            if !thing.is_finished() {
                state.wrong(format!("call {call} was given {}, which is not finished", thing.id));
            }
            if thing.marks.stamp.as_ref() != Some(&wanted.stamp) {
                state.wrong(format!("call {call} was given {}, with other settings", thing.id));
            }
            state.returned.insert(given.at);
            End::Given(given)
        }
        Err(error) => {
            let is_there = |at: &super::cloud::Thing| at.call == call && at.is_alive();
            // A second call may say so of itself.
            if error.applied() == Applied::Yes
                && caller.faults.sure == 0
                && state.unique != Unique::Token
                && !state.things.iter().any(is_there)
            {
                state.wrong(format!("call {call} says that it left something: {error:?}"));
            }
            check_error(&error);
            End::Failed(error.kind(), error.applied())
        }
    }
}

fn check_error(error: &Error) {
    assert_eq!((error.op(), error.resource()), ("thing.create", "web"), "{error}");
}
