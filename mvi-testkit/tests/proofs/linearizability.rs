//! Conditional writes of one record are linearizable, also where answers are lost.
//!
//! Clients race on one record of the simulated Kv, while calls are refused, delayed, and applied with their answers
//! lost. Each history of what they saw must have an order, in keeping with time, in which a plain variable would
//! have answered the same.
//!
//! A write whose answer was lost may have taken effect at any time from its start on, or never. So both are tried, for each of
//! them: it ends with the history, or it is not in it. That makes few histories of one, since its lost answers are at most
//! [`MAX_LOST`], and each is short enough to be decided: a history with more is a failure, not a pass.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use mvi_core::{
    Cloud, ErrorKind, Kv, Name,
    kv::{Attr, Condition, CreateTable, Delete, Get, Item, Key, Put, Record, Value, Version},
};
use mvi_testkit::{Fault, Faults, KvWeather, Lost, Sim, Weather};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use todc_utils::{Action, History, Specification, WGLChecker};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};

use crate::meta::{Broken, Flaw};

const HISTORIES: u64 = 4_000;
const CLIENTS: u64 = 4;
const CALLS: usize = 5;
const MAX_LOST: usize = 5;

/// What one call did, with what it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    /// A strong read gave the number there, if any.
    Read(Option<i64>),
    /// A number was written, whatever was there.
    Write(i64),
    /// A number was written where nothing was; or it was refused.
    Create(i64, bool),
    /// The second was written where the first was; or it was refused.
    Swap(i64, i64, bool),
    /// The record was deleted.
    Delete,
    /// The record was deleted where this number was; or it was refused.
    Take(i64, bool),
}

struct Variable;

impl Specification for Variable {
    type State = Option<i64>;
    type Operation = Act;

    fn init() -> Self::State {
        None
    }

    fn apply(act: &Act, state: &Self::State) -> (bool, Self::State) {
        // Whether a conditional act is as it must be here, and what it makes of the variable where it happens.
        let only_if = |holds: bool, happened: bool, then: Self::State| {
            (holds == happened, if happened { then } else { *state })
        };
        match *act {
            Act::Read(found) => (found == *state, *state),
            Act::Write(n) => (true, Some(n)),
            Act::Create(n, happened) => only_if(state.is_none(), happened, Some(n)),
            Act::Swap(from, to, happened) => only_if(*state == Some(from), happened, Some(to)),
            Act::Delete => (true, None),
            Act::Take(n, happened) => only_if(*state == Some(n), happened, None),
        }
    }
}

/// A call as the history has it: its place among all beginnings and ends, and what came of it.
#[derive(Clone, Debug)]
struct Call {
    began: usize,
    /// `None`: nobody knows whether it took effect.
    ended: Option<usize>,
    act: Act,
}

#[derive(Debug, Default)]
struct Tape {
    moments: usize,
    calls: Vec<Call>,
}

impl Tape {
    fn moment(&mut self) -> usize {
        self.moments += 1;
        self.moments
    }
}

/// One of those who race.
struct Client {
    kv: Arc<dyn Kv>,
    table: Name,
    tape: Arc<Mutex<Tape>>,
    random: ChaCha8Rng,
    number: i64,
    /// What it saw last.
    seen: Option<(i64, Version)>,
}

impl Client {
    async fn run(mut self) {
        for call in 0..CALLS {
            sleep(Duration::from_millis((self.random.next_u32() % 20).into())).await;
            // No number is written twice, so that what is read tells who wrote it.
            let fresh = self.number * 100 + i64::try_from(call).unwrap();
            let began = self.tape.lock().unwrap().moment();
            let (act, known) = self.act(fresh).await;
            let mut tape = self.tape.lock().unwrap();
            let ended = tape.moment();
            match known {
                Known::Done => tape.calls.push(Call { began, ended: Some(ended), act }),
                Known::Unknown => tape.calls.push(Call { began, ended: None, act }),
                // Nothing was asked of the variable.
                Known::NotDone => {}
            }
        }
    }

    async fn act(&mut self, fresh: i64) -> (Act, Known) {
        let key = || Key::new("one");
        let table = || self.table.clone();
        let put = || Put::new(table(), key(), Item::new().with("n", fresh));
        let seen = self.seen.clone();
        match (self.random.next_u32() % 8, seen) {
            (0 | 1, _) => {
                let answer = self.kv.get(Get::new(table(), key()).strong()).await;
                let known = told(&answer);
                let found = answer.ok().flatten().map(|it| (number(&it), it.version));
                self.seen = found.clone().or(self.seen.take());
                // What a read that failed saw, nobody knows; it changed nothing.
                let known = if matches!(known, Known::Done) { known } else { Known::NotDone };
                (Act::Read(found.map(|it| it.0)), known)
            }
            (2, _) => {
                let answer = self.kv.put(put()).await;
                (Act::Write(fresh), told(&answer))
            }
            (3, _) => {
                let answer = self.kv.delete(Delete::new(table(), key())).await;
                (Act::Delete, told(&answer))
            }
            (4 | 5, Some((n, version))) => {
                // The same, since no number is written twice.
                let by_version = self.random.next_u32().is_multiple_of(2);
                let condition =
                    if by_version { Condition::Version(version) } else { Condition::eq("n", n) };
                let answer = self.kv.put(put().only_if(condition)).await;
                let (happened, known) = decided(&answer);
                if let Ok(version) = answer {
                    self.seen = Some((fresh, version));
                }
                (Act::Swap(n, fresh, happened), known)
            }
            (6, Some((n, version))) => {
                let delete = Delete::new(table(), key()).only_if(Condition::Version(version));
                let (happened, known) = decided(&self.kv.delete(delete).await);
                (Act::Take(n, happened), known)
            }
            _ => {
                let answer = self.kv.put(put().only_if(Condition::Absent)).await;
                let (happened, known) = decided(&answer);
                (Act::Create(fresh, happened), known)
            }
        }
    }
}

/// What a client knows of its call.
#[derive(Clone, Copy, Debug)]
enum Known {
    Done,
    NotDone,
    Unknown,
}

fn told<R>(answer: &mvi_core::Result<R>) -> Known {
    match answer {
        Ok(_) => Known::Done,
        Err(e) if e.may_have_applied() => Known::Unknown,
        Err(_) => Known::NotDone,
    }
}

/// Whether a conditional write happened. One whose answer was lost: if it did anything, it happened.
fn decided<R>(answer: &mvi_core::Result<R>) -> (bool, Known) {
    match answer {
        Err(e) if e.kind() == ErrorKind::Conflict => (false, Known::Done),
        other => (true, told(other)),
    }
}

fn number(record: &Record) -> i64 {
    record.item.get("n").and_then(Value::as_int).unwrap()
}

/// The history that a seed makes, on the cloud that `wrap` makes of the simulated one.
fn history(seed: u64, wrap: fn(Cloud) -> Arc<dyn Kv>) -> Vec<Call> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let latency = Duration::from_millis(1)..=Duration::from_millis(40);
        // Only reads that are not strong may lag.
        let lag = Duration::ZERO..=Duration::from_millis(200);
        let kv = KvWeather { lag, ..Weather::calm().kv };
        let sim = Sim::new(seed).weather(Weather { latency, kv, ..Weather::calm() });
        let table = Name::new("race").unwrap();
        let create = CreateTable::new(table.clone(), Attr::text("id"));
        sim.kv.create_table(create).await.unwrap();
        let lost = Faults::new(seed)
            .with(Fault::lose("kv.put", Lost::Timeout).chance(0.15).times(3))
            .with(Fault::lose("kv.delete", Lost::Reset).chance(0.15).times(2))
            .with(Fault::refuse("kv.*", ErrorKind::Throttled).chance(0.1))
            .with(Fault::delay("kv.*", Duration::from_millis(60)).chance(0.2));
        let kv: Arc<dyn Kv> = wrap(sim.cloud().hooked(lost));
        let tape = Arc::new(Mutex::new(Tape::default()));
        let clients: Vec<_> = (1..=CLIENTS)
            .map(|number| {
                let client = Client {
                    kv: Arc::clone(&kv),
                    table: table.clone(),
                    tape: Arc::clone(&tape),
                    random: ChaCha8Rng::seed_from_u64(seed * CLIENTS + number),
                    number: number.try_into().unwrap(),
                    seen: None,
                };
                tokio::spawn(client.run())
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        std::mem::take(&mut tape.lock().unwrap().calls)
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Linearizable,
    NotLinearizable,
    /// More lost answers than can be tried.
    Undecided,
}

fn judge(calls: &[Call]) -> Finding {
    let (known, lost): (Vec<_>, Vec<_>) = calls.iter().partition(|it| it.ended.is_some());
    if lost.len() > MAX_LOST {
        return Finding::Undecided;
    }
    // Each lost one happened, or did not.
    let explained = (0_u32..1 << lost.len()).any(|happened| {
        let lost = lost.iter().enumerate().filter(|(bit, _)| happened & (1 << bit) != 0);
        let calls = known.iter().copied().chain(lost.map(|it| *it.1));
        let mut actions = Vec::new();
        for (process, call) in calls.enumerate() {
            actions.push((call.began, process, Action::Call(call.act.clone())));
            let ended = call.ended.unwrap_or(usize::MAX);
            actions.push((ended, process, Action::Response(call.act.clone())));
        }
        actions.sort_by_key(|it| it.0);
        let actions: Vec<_> = actions.into_iter().map(|(_, process, act)| (process, act)).collect();
        actions.is_empty()
            || WGLChecker::<Variable>::is_linearizable(History::from_actions(actions))
    });
    if explained { Finding::Linearizable } else { Finding::NotLinearizable }
}

#[test]
fn racing_conditional_writes_are_linearizable_though_answers_are_lost() {
    let begun = Instant::now();
    let (mut calls, mut lost) = (0, 0);
    for seed in 0..HISTORIES {
        let history = history(seed, |cloud| cloud.kv);
        let finding = judge(&history);
        assert_eq!(finding, Finding::Linearizable, "seed {seed}: {history:#?}");
        calls += history.len();
        lost += history.iter().filter(|it| it.ended.is_none()).count();
    }
    // Else it would say nothing of lost answers.
    assert!(lost > usize::try_from(HISTORIES).unwrap() / 2, "{lost} answers lost");
    println!("{HISTORIES} histories, {calls} calls, {lost} answers lost, {:?}", begun.elapsed());
}

/// How many of the first histories a flaw shows in.
fn caught(wrap: fn(Cloud) -> Arc<dyn Kv>) -> usize {
    (0..300).filter(|seed| judge(&history(*seed, wrap)) == Finding::NotLinearizable).count()
}

#[test]
fn a_kv_that_looks_and_then_writes_is_not_linearizable() {
    assert!(caught(|it| Arc::new(Broken::new(it.kv, Some(Flaw::PutLooksThenWrites)))) > 0);
}

#[test]
fn a_kv_that_reads_what_was_is_not_linearizable() {
    assert!(caught(|it| Arc::new(Broken::new(it.kv, Some(Flaw::StrongGetIsEventual)))) > 0);
}

#[test]
fn a_kv_that_forgets_conditions_is_not_linearizable() {
    assert!(caught(|it| Arc::new(Broken::new(it.kv, Some(Flaw::PutForgetsItsCondition)))) > 0);
}

#[test]
fn what_a_lost_write_explains_is_linearizable_and_what_nothing_explains_is_not() {
    let call = |began, ended, act| Call { began, ended, act };
    let lost = || call(1, None, Act::Write(1));
    // It took effect late: after a read that began later, and before the next.
    let late = [lost(), call(2, Some(3), Act::Read(None)), call(4, Some(5), Act::Read(Some(1)))];
    assert_eq!(judge(&late), Finding::Linearizable);
    // Or never.
    let never = [lost(), call(2, Some(3), Act::Read(None)), call(4, Some(5), Act::Read(None))];
    assert_eq!(judge(&never), Finding::Linearizable);
    // But not twice.
    let twice = [
        lost(),
        call(2, Some(3), Act::Read(Some(1))),
        call(4, Some(5), Act::Delete),
        call(6, Some(7), Act::Read(Some(1))),
    ];
    assert_eq!(judge(&twice), Finding::NotLinearizable);
    let many = vec![lost(); MAX_LOST + 1];
    assert_eq!(judge(&many), Finding::Undecided);
}
