//! A hostile cloud: it answers late or never, loses answers, shows what is new late and what is gone for a while,
//! and goes on with a request whose sender has crashed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::{
    Applied, Error, ErrorKind, Result,
    ensure::{Attempt, Backend, Born, Life, Marks, Observed, Stamp, Unique},
    time::instant,
};

/// The longest that a request is under way, in milliseconds.
pub(super) const LANDS: u64 = 3_000;
/// The longest that what is new is not seen, or what is gone is.
pub(super) const LAGS: u64 = 3_000;
/// The most that a clock is wrong.
pub(super) const SKEW: u64 = 500;
/// What covers all of them.
pub(super) const SETTLE: Duration = Duration::from_millis(LANDS + 2 * LAGS + 2 * SKEW);
const NEVER: u64 = u64::MAX;

/// `SplitMix64`: small, seeded, the same everywhere.
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

/// What a broken provider, or one that its author has declared wrongly, does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flaw {
    #[default]
    None,
    /// Makes another, whatever the name.
    NameIgnored,
    /// Makes another, whatever the token.
    TokenIgnored,
    /// Takes one token with two settings for two tokens.
    TokenPerSettings,
    /// Gives the alias to whoever asks last.
    AliasMoves,
    /// Writes no stamp.
    StampLost,
    /// Writes no birth.
    BirthLost,
    /// Shows what is new later than declared.
    LagsForLong,
    /// Answers that it has finished, and has not.
    FinishForgets,
    /// Removes the oldest rather than what it is asked to.
    DiscardsTheOldest,
    /// Reports all that was made for the name as the holder of its alias.
    AllNamed,
}

#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub(super) id: String,
    pub(super) marks: Marks,
    /// Which call of `ensure` made it.
    pub(super) call: u32,
    pub(super) made: u64,
    ready: u64,
    /// From when on it is dying, is dead, and is forgotten.
    pub(super) dying: u64,
    dead: u64,
    forgotten: u64,
    /// Which of the two second calls were made.
    finished: [bool; 2],
}

impl Thing {
    pub(super) fn is_alive(&self) -> bool {
        self.dying == NEVER
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished == [true; 2]
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) unique: Unique,
    pub(super) flaw: Flaw,
    pub(super) random: Random,
    start: Instant,
    pub(super) things: Vec<Thing>,
    alias: Option<(usize, u64)>,
    tokens: BTreeMap<String, usize>,
    /// Whether a spent token is refused, rather than answered with what is dead.
    spent_is_conflict: bool,
    /// Whether what is made for an alias can be found before it has it.
    pub(super) lists_unnamed: bool,
    /// Whether what was just removed may be listed as if it lived.
    pub(super) lists_removed: bool,
    /// What callers were given and hold.
    pub(super) returned: BTreeSet<usize>,
    pub(super) wrongs: Vec<String>,
    pub(super) discards: u32,
    pub(super) story: Option<Vec<String>>,
}

/// Milliseconds on the cloud's clock; what was there before the story begins was made at 0.
const BEGIN: u64 = 100_000;

impl State {
    pub(super) fn now(&self) -> u64 {
        BEGIN + u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = self.now() - BEGIN;
        if let Some(story) = &mut self.story {
            story.push(format!("{now:>7} {}", line()));
        }
    }

    pub(super) fn wrong(&mut self, what: String) {
        self.tell(|| format!("WRONG: {what}"));
        self.wrongs.push(what);
    }

    /// Puts something there from before the story.
    pub(super) fn seed(&mut self, marks: Marks) -> usize {
        let id = self.make(marks, 0);
        let thing = &mut self.things[id];
        (thing.made, thing.ready) = (0, 0);
        id
    }

    fn make(&mut self, mut marks: Marks, call: u32) -> usize {
        match self.flaw {
            Flaw::StampLost => marks.stamp = None,
            Flaw::BirthLost => marks.born = None,
            _ => {}
        }
        let at = self.things.len();
        let id = match self.unique {
            // The next of that name has the same id.
            Unique::Name => "web".to_owned(),
            // Ids say nothing of who came first.
            _ => format!("r{:03x}{at}", self.random.below(4096)),
        };
        let (made, ready) = (self.now(), self.random.below(LAGS));
        self.things.push(Thing {
            id,
            marks,
            call,
            made,
            ready: made + ready,
            dying: NEVER,
            dead: NEVER,
            forgotten: NEVER,
            finished: [false; 2],
        });
        at
    }

    pub(super) fn finish_all(&mut self, at: usize) {
        self.things[at].finished = [true; 2];
    }

    pub(super) fn give_alias(&mut self, at: usize) {
        self.alias = Some((at, 0));
    }

    /// Lets it go: dying for up to `slow` ms, then listed as dead for longer than anyone is under way, or not at all.
    pub(super) fn remove(&mut self, at: usize, slow: u64) {
        let now = self.now();
        let dead = now + self.random.below(slow + 1);
        let forgotten = self.random.one_of(&[dead, NEVER]);
        let thing = &mut self.things[at];
        (thing.dying, thing.dead, thing.forgotten) = (now, dead, forgotten);
        // It may keep the alias until it is dead.
        if self.holds_alias(at) && self.random.percent(50) {
            self.alias = None;
        }
    }

    /// Lets it be dead since long, and listed as such.
    pub(super) fn kill(&mut self, at: usize) {
        let thing = &mut self.things[at];
        (thing.dying, thing.dead) = (1, 2);
    }

    pub(super) fn holds_alias(&self, at: usize) -> bool {
        self.alias.is_some_and(|(it, _)| it == at) && self.now() < self.things[at].dead
    }

    fn lag(&self) -> u64 {
        if self.flaw == Flaw::LagsForLong { 10 * LAGS } else { LAGS }
    }

    /// Whether what happened at `moment` is seen now: perhaps, and surely once the lag is over.
    fn sees(&mut self, moment: u64) -> bool {
        let now = self.now();
        now >= moment && (now >= moment.saturating_add(self.lag()) || self.random.percent(50))
    }

    fn list(&mut self) -> Vec<Observed<String>> {
        let mut all = Vec::new();
        for at in 0..self.things.len() {
            let Thing { id, marks, made, dying, dead, forgotten, .. } = self.things[at].clone();
            if !self.sees(made) || self.sees(forgotten) {
                continue;
            }
            let gone = if self.lists_removed { self.sees(dying) } else { self.now() >= dying };
            let life = match gone {
                true if self.now() < dead || forgotten == dead => Life::Dying,
                true => Life::Dead,
                false => Life::Alive,
            };
            let named = match (self.unique, self.alias) {
                _ if self.flaw == Flaw::AllNamed => true,
                (Unique::Alias, Some((_, since))) => self.holds_alias(at) && self.sees(since),
                (Unique::Alias, None) => false,
                _ => true,
            };
            if named {
                all.push(Observed::new(id, life, marks));
            } else if self.lists_unnamed {
                all.push(Observed::unnamed(id, life, marks));
            }
        }
        if self.unique == Unique::Name && self.flaw != Flaw::NameIgnored {
            // One name, one answer: the newest that is seen.
            all.drain(..all.len().saturating_sub(1));
        }
        all
    }

    /// All of it as it is, for [`sweep`](crate::ensure::sweep).
    pub(super) fn truth(&self) -> Vec<Observed<String>> {
        let observed = |(at, it): (usize, &Thing)| {
            // One name can't have two ids, but a broken provider can.
            let id = format!("{}#{at}", it.id);
            let life = if it.is_alive() { Life::Alive } else { Life::Dead };
            Observed {
                id,
                life,
                marks: it.marks.clone(),
                named: self.unique != Unique::Alias || self.holds_alias(at),
            }
        };
        self.things.iter().enumerate().map(observed).collect()
    }

    fn create(&mut self, attempt: &Attempt, call: u32) -> Result<usize> {
        let now = self.now();
        let refuse = |kind| Err(Error::new(kind, "not now"));
        match self.unique {
            Unique::Name if self.flaw != Flaw::NameIgnored => {
                if self.things.iter().any(Thing::is_alive) {
                    return refuse(ErrorKind::AlreadyExists);
                }
                if self.things.iter().any(|it| now < it.dead) {
                    let kind = [ErrorKind::AlreadyExists, ErrorKind::Conflict];
                    return refuse(self.random.one_of(&kind));
                }
            }
            Unique::Token if self.flaw != Flaw::TokenIgnored => {
                let mut token = attempt.token.clone();
                if self.flaw == Flaw::TokenPerSettings {
                    token = format!("{token} {:?}", attempt.marks.stamp);
                }
                if let Some(at) = self.tokens.get(&token).copied() {
                    if self.things[at].marks != attempt.marks {
                        return refuse(ErrorKind::AlreadyExists);
                    }
                    if self.spent_is_conflict && !self.things[at].is_alive() {
                        return refuse(ErrorKind::Conflict);
                    }
                    return Ok(at);
                }
                let at = self.make(attempt.marks.clone(), call);
                self.tokens.insert(token, at);
                return Ok(at);
            }
            _ => {}
        }
        Ok(self.make(attempt.marks.clone(), call))
    }

    fn find(&mut self, id: &str) -> Result<usize> {
        let at = self.things.iter().rposition(|it| it.id == id && it.is_alive());
        match at {
            Some(at) if self.sees(self.things[at].made) => Ok(at),
            _ => Err(Error::new(ErrorKind::NotFound, "no such thing")),
        }
    }

    fn finish(&mut self, id: &str, step: usize) -> Result<Given> {
        let at = self.find(id)?;
        if self.now() < self.things[at].ready {
            return Err(Error::conflict("still being made"));
        }
        if self.unique == Unique::Alias {
            match self.alias {
                Some((holder, _)) if holder == at => {}
                Some((holder, _)) if self.holds_alias(holder) && self.flaw != Flaw::AliasMoves => {
                    return Err(Error::new(ErrorKind::AlreadyExists, "the alias is another's"));
                }
                _ => self.alias = Some((at, self.now())),
            }
        }
        if self.flaw != Flaw::FinishForgets {
            self.things[at].finished[step] = true;
        }
        Ok(Given { at, call: self.things[at].call })
    }

    fn discard(&mut self, id: &str, call: u32) {
        self.discards += 1;
        let asked = self.things.iter().position(|it| it.id == id);
        let oldest = self.things.iter().position(Thing::is_alive);
        let at = if self.flaw == Flaw::DiscardsTheOldest { oldest } else { asked };
        let Some(at) = at else { return };
        if self.things[at].call != call {
            self.wrong(format!(
                "call {call} removes {id}, which call {} made",
                self.things[at].call
            ));
        }
        if self.returned.contains(&at) {
            self.wrong(format!("call {call} removes {id}, which a caller holds"));
        }
        if self.holds_alias(at) {
            self.wrong(format!("call {call} removes {id}, which holds the alias"));
        }
        if self.things[at].is_alive() {
            self.remove(at, 5_000);
        }
    }
}

/// What `ensure` gives: which of the things it is, and who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) at: usize,
    pub(super) call: u32,
}

/// How likely, in percent, a request fails: not sent, sent in vain, its answer lost, applied and answered with an error.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) refused: u64,
    pub(super) vain: u64,
    pub(super) lost: u64,
    pub(super) sure: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Refused,
    Vain,
    Lost,
    Sure,
    Answered,
}

#[derive(Clone, Debug)]
pub(super) struct Cloud(Arc<Mutex<State>>);

impl Cloud {
    pub(super) fn new(unique: Unique, flaw: Flaw, mut random: Random) -> Self {
        let state = State {
            unique,
            flaw,
            start: instant(),
            things: Vec::new(),
            alias: None,
            tokens: BTreeMap::new(),
            spent_is_conflict: random.percent(50),
            lists_unnamed: unique != Unique::Alias || random.percent(75),
            lists_removed: false,
            returned: BTreeSet::new(),
            wrongs: Vec::new(),
            discards: 0,
            story: None,
            random,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

/// One call of `ensure` at the cloud.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) cloud: Cloud,
    pub(super) call: u32,
    pub(super) faults: Faults,
    /// Milliseconds by which its clock is ahead of the latest.
    pub(super) ahead: u64,
}

impl Caller {
    async fn request<T: Send + 'static>(
        &self,
        what: String,
        act: impl FnOnce(&mut State) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Faults { refused, vain, lost, sure } = self.faults;
        let (there, back, fate) = {
            let mut state = self.cloud.state();
            let random = &mut state.random;
            let quick = random.one_of(&[1, 20, 200, LANDS]);
            let (there, back) = (random.below(quick), random.below(quick));
            let dice = random.below(100);
            let fate = match dice {
                _ if dice < refused => Fate::Refused,
                _ if dice < refused + vain => Fate::Vain,
                _ if dice < refused + vain + lost => Fate::Lost,
                _ if dice < refused + vain + lost + sure => Fate::Sure,
                _ => Fate::Answered,
            };
            (there, back, fate)
        };
        let (cloud, call) = (self.cloud.clone(), self.call);
        // What is sent arrives, also when its sender has crashed.
        let sent = tokio::spawn(async move {
            sleep(Duration::from_millis(there)).await;
            let answer = {
                let mut state = cloud.state();
                state.tell(|| format!("call {call}: {what}, {fate:?}"));
                match fate {
                    Fate::Refused => Err(Error::new(ErrorKind::Throttled, "slow down")),
                    Fate::Vain => Err(Error::new(ErrorKind::Unavailable, "no service")),
                    Fate::Lost | Fate::Sure | Fate::Answered => act(&mut state),
                }
            };
            sleep(Duration::from_millis(back)).await;
            match (fate, answer) {
                (Fate::Lost, _) => Err(Error::new(ErrorKind::Timeout, "no answer")),
                (Fate::Sure, Ok(_)) => {
                    let error =
                        Error::new(ErrorKind::Internal, "done, and tripped over the answer");
                    Err(error.with_applied(Applied::Yes))
                }
                (_, answer) => answer,
            }
        });
        sent.await.expect("the cloud does not panic")
    }
}

impl Backend for Caller {
    type Id = String;
    type Resource = Given;

    fn unique(&self) -> Unique {
        self.cloud.state().unique
    }

    async fn observe(&self) -> Result<Vec<Observed<String>>> {
        let call = self.call;
        self.request("observe".into(), move |state| {
            let all = state.list();
            state.tell(|| {
                let seen = all.iter().map(|it| {
                    let born = it.marks.born.map(|it| it.to_string());
                    format!("{} {:?} named {} born {born:?}", it.id, it.life, it.named)
                });
                format!("call {call}: sees {:?}", seen.collect::<Vec<_>>())
            });
            Ok(all)
        })
        .await
    }

    async fn create(&self, attempt: &Attempt) -> Result<String> {
        let (call, attempt) = (self.call, attempt.clone());
        self.request(format!("create {}", attempt.token), move |state| {
            let at = state.create(&attempt, call)?;
            let id = state.things[at].id.clone();
            state.tell(|| format!("call {call}: is given {id}"));
            Ok(id)
        })
        .await
    }

    async fn finish(&self, id: &String) -> Result<Given> {
        for step in [0, 1] {
            let id = id.clone();
            let what = format!("finish {id} {step}");
            let given = self.request(what, move |state| state.finish(&id, step)).await?;
            if step == 1 {
                return Ok(given);
            }
        }
        unreachable!("two steps")
    }

    async fn discard(&self, id: &String) -> Result<()> {
        let (id, call) = (id.clone(), self.call);
        let what = format!("discard {id}");
        self.request(what, move |state| {
            state.discard(&id, call);
            Ok(())
        })
        .await
    }

    fn birth(&self) -> Born {
        let mut state = self.cloud.state();
        let millis = i64::try_from(state.now() + self.ahead).unwrap();
        Born::new(Timestamp::from_millisecond(millis).unwrap(), state.random.next())
    }
}

/// The marks of something of ours.
pub(super) fn marks(stamp: &Stamp, nonce: u64) -> Marks {
    let born = Some(Born::new(Timestamp::UNIX_EPOCH, nonce));
    Marks { name: Some("web".into()), stamp: Some(stamp.clone()), born }
}
