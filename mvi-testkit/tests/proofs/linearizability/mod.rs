//! Conditional writes of one thing are linearizable, also where answers are lost.
//!
//! Clients race on one record, or object, of the simulated cloud, while calls are refused, delayed, and applied with their answers
//! lost. Each history of what they saw must have an order, in keeping with time, in which a plain variable would
//! have answered the same.
//!
//! A write whose answer was lost may have taken effect at any time from its start on, or never. So both are tried, for each of
//! them: it ends with the history, or it is not in it. That makes few histories of one, since its lost answers are at most
//! [`MAX_LOST`], and each is short enough to be decided: a history with more is a failure, not a pass.

mod blob;
mod kv;

use std::{
    io::{self, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};

use mvi_core::ErrorKind;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use todc_utils::{Action, History, Specification, WGLChecker};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};

const HISTORIES: u64 = 4_000;
const CLIENTS: u64 = 4;
const CALLS: usize = 5;
const MAX_LOST: usize = 5;

/// What one call did, with what it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    /// A read gave the number there, if any.
    Read(Option<i64>),
    /// A number was written, whatever was there.
    Write(i64),
    /// A number was written where nothing was; or it was refused.
    Create(i64, bool),
    /// The second was written where the first was; or it was refused.
    Swap(i64, i64, bool),
    /// It was deleted.
    Delete,
    /// It was deleted where this number was; or it was refused.
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
trait Client: Send + 'static {
    /// Does what `random` says; where it writes, it writes `fresh`, which nobody else writes.
    fn act(
        &mut self,
        random: &mut ChaCha8Rng,
        fresh: i64,
    ) -> impl Future<Output = (Act, Known)> + Send;
}

async fn run(mut client: impl Client, number: u64, seed: u64, tape: Arc<Mutex<Tape>>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed * CLIENTS + number);
    for call in 0..CALLS {
        sleep(Duration::from_millis((random.next_u32() % 20).into())).await;
        // No number is written twice, so that what is read tells who wrote it.
        let fresh = i64::try_from(number).unwrap() * 100 + i64::try_from(call).unwrap();
        let began = tape.lock().unwrap().moment();
        let (act, known) = client.act(&mut random, fresh).await;
        let mut tape = tape.lock().unwrap();
        let ended = tape.moment();
        match known {
            Known::Done => tape.calls.push(Call { began, ended: Some(ended), act }),
            Known::Unknown => tape.calls.push(Call { began, ended: None, act }),
            // Nothing was asked of the variable.
            Known::NotDone => {}
        }
    }
}

/// The history that a seed makes, of clients that `start` gives, in simulated time.
fn history<C: Client>(seed: u64, start: impl AsyncFnOnce(u64) -> Vec<C>) -> Vec<Call> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let tape = Arc::new(Mutex::new(Tape::default()));
        let clients: Vec<_> = (1..)
            .zip(start(seed).await)
            .map(|(number, client)| tokio::spawn(run(client, number, seed, Arc::clone(&tape))))
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        std::mem::take(&mut tape.lock().unwrap().calls)
    })
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

/// Wants every history to be linearizable, and enough answers to be lost in them.
fn all_are_linearizable(history: impl Fn(u64) -> Vec<Call>) {
    let begun = Instant::now();
    let (mut calls, mut lost) = (0, 0);
    for seed in 0..HISTORIES {
        let history = history(seed);
        let finding = judge(&history);
        assert_eq!(finding, Finding::Linearizable, "seed {seed}: {history:#?}");
        calls += history.len();
        lost += history.iter().filter(|it| it.ended.is_none()).count();
    }
    // Else it would say nothing of lost answers.
    assert!(lost > usize::try_from(HISTORIES).unwrap() / 2, "{lost} answers lost");
    // Not `println`, which the test harness keeps for failures.
    let took = begun.elapsed();
    let _ = writeln!(
        io::stdout(),
        "{HISTORIES} histories, {calls} calls, {lost} answers lost, {took:?}"
    );
}

/// How many of the first histories a flaw shows in.
fn caught(history: impl Fn(u64) -> Vec<Call>) -> usize {
    (0..300).filter(|seed| judge(&history(*seed)) == Finding::NotLinearizable).count()
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
