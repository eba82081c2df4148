//! The one way to create.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Attempt, Backend, Born, Life, Marks, Observed, Unique, Wanted,
    stamp::hex,
    sweep::{holder, unsettled},
};
use crate::{Applied, Error, ErrorKind, Result, time::instant};

/// How often to send a create that may have been applied, where twice is once.
const CREATES: u32 = 2;
/// How often to ask for what lost a race to be removed.
const DISCARDS: u32 = 3;

/// Returns the resource that `wanted` names, and makes it where there is none.
///
/// It may be dropped at any time, or fail at any step: the next call carries on from what it finds.
/// See the [module](mod@crate::ensure) for what it promises.
///
/// # Errors
///
/// Those of the backend;
/// [`AlreadyExists`](ErrorKind::AlreadyExists) where the name has other settings or is not ours;
/// [`Timeout`](ErrorKind::Timeout) where patience ends, saying what was waited for.
/// [`applied`](Error::applied) says whether this call has made something that is still there, or completed it.
pub async fn ensure<B: Backend>(backend: &B, wanted: &Wanted) -> Result<B::Resource> {
    let mut run = Run {
        backend,
        wanted,
        unique: backend.unique(),
        deadline: later(instant(), wanted.patience),
        applied: Applied::No,
        own: None,
        discarded: Vec::new(),
        chain: Chain { base: None, spent: 0, used: Vec::new() },
        winner_since: None,
        creates: 0,
        losses: 0,
        refusals: 0,
        refused: None,
        lost: None,
    };
    run.complete().await.map_err(|error| {
        let applied = run.applied.join(error.applied());
        error.with_applied(applied).or_at(wanted.op, &wanted.name)
    })
}

/// One call of [`ensure`].
struct Run<'a, B: Backend> {
    backend: &'a B,
    wanted: &'a Wanted,
    unique: Unique,
    deadline: Instant,
    /// Whether something that this call made is there.
    applied: Applied,
    /// What this call made and has not settled yet.
    own: Option<Own<B::Id>>,
    /// What this call made and removed: a list that lags may show it still.
    discarded: Vec<B::Id>,
    chain: Chain<B::Id>,
    /// Since when this call sees the one that leads the race.
    winner_since: Option<(B::Id, Instant)>,
    creates: u32,
    losses: u32,
    refusals: u32,
    /// The provider says that the name is taken, by what can't be seen yet.
    refused: Option<Refused>,
    /// The last create whose answer was lost.
    lost: Option<Error>,
}

struct Own<Id> {
    /// Unknown, where the answer was lost.
    id: Option<Id>,
    born: Born,
    since: Instant,
    /// Whether the provider said that it is not there.
    missing: bool,
}

struct Refused {
    error: Error,
    /// Until when it may not be seen.
    until: Instant,
}

/// What to do about what was observed.
enum Next<Id> {
    /// Look again, between two polls or then.
    Wait {
        what: String,
        until: Option<Instant>,
    },
    /// Create, after that one died.
    Create {
        after: Option<Id>,
    },
    Finish(Id),
    Discard(Id),
    Fail(Error),
}

impl<B: Backend> Run<'_, B> {
    async fn complete(&mut self) -> Result<B::Resource> {
        loop {
            // The moment before the look: what is seen may be older than that, never younger.
            let (now, at) = (self.backend.birth().time(), instant());
            let all = self.look().await?;
            match self.judge(&all, now, at) {
                Next::Wait { what, until: None } => self.wait(&what, None).await?,
                Next::Wait { until: Some(until), .. } => sleep_until(until).await,
                Next::Discard(id) => self.discard(id).await?,
                Next::Fail(error) => return Err(error),
                Next::Finish(id) => {
                    if let Some(resource) = self.finish(id).await? {
                        return Ok(resource);
                    }
                }
                Next::Create { after } => {
                    // Where the answer is enough to go by, another look is not worth its time.
                    let made = self.create(after).await?;
                    if let (Some(id), Unique::Name | Unique::Token | Unique::Alias) =
                        (made, self.unique)
                        && let Some(resource) = self.finish(id).await?
                    {
                        return Ok(resource);
                    }
                }
            }
        }
    }

    /// Observes. With something of our own in a race, a passing failure must not leave it there undecided.
    async fn look(&self) -> Result<Vec<Observed<B::Id>>> {
        loop {
            match self.backend.observe().await {
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    self.wait("what has the name to be seen whole", Some(error)).await?;
                }
                Err(error) if error.is_retryable() && self.own.is_some() => {
                    self.wait("it to be seen", Some(error)).await?;
                }
                // To look changes nothing, whatever became of it.
                other => return other.map_err(|it| it.with_applied(Applied::No)),
            }
        }
    }

    fn judge(&mut self, all: &[Observed<B::Id>], now: Timestamp, at: Instant) -> Next<B::Id> {
        self.find_own(all, at);
        let lives =
            |it: &&Observed<B::Id>| it.life == Life::Alive && !self.discarded.contains(&it.id);
        let mut alive: Vec<_> = all.iter().filter(lives).cloned().collect();
        if let (Unique::Tag, Some(Own { id: Some(id), born, .. })) = (self.unique, &self.own)
            && alive.iter().all(|it| it.id != *id)
        {
            // Made for sure, and listed late.
            let stamp = Some(self.wanted.stamp.clone());
            let marks = Marks { name: None, stamp, born: Some(*born) };
            alive.push(Observed::new(id.clone(), Life::Alive, marks));
        }
        let foreign = alive.iter().find(|it| it.named && it.marks.stamp.is_none());
        if let Some(holder) = foreign.or_else(|| holder(alive.iter())) {
            return self.yield_to(holder, at).unwrap_or_else(|| self.meet(holder, now, at));
        }
        if let Some(next) = self.carry_on(at) {
            return next;
        }
        // Made for the alias by someone who may have crashed: whoever gives it the alias first is right.
        let unfinished =
            alive.iter().filter(|it| it.marks.stamp.as_ref() == Some(&self.wanted.stamp));
        if let Some(unfinished) = unfinished.min_by_key(|it| (it.marks.born, &it.id)) {
            return Next::Finish(unfinished.id.clone());
        }
        if let Some(dying) = all.iter().find(|it| it.life == Life::Dying && it.named) {
            let what = format!("{}, which is on its way out, to be gone", dying.id);
            return Next::Wait { what, until: None };
        }
        let dead = |it: &&Observed<B::Id>| it.life == Life::Dead && it.marks.stamp.is_some();
        self.make(all.iter().rfind(dead).map(|it| it.id.clone()), at)
    }

    /// Learns from an observation what became of what this call made.
    fn find_own(&mut self, all: &[Observed<B::Id>], at: Instant) {
        let Some(own) = &mut self.own else { return };
        let by_birth = matches!(self.unique, Unique::Tag | Unique::Alias);
        let seen = all.iter().find(|it| {
            own.id.as_ref() == Some(&it.id) || (by_birth && it.marks.born == Some(own.born))
        });
        let lagged = at >= later(own.since, self.wanted.settle);
        match seen {
            Some(it) if it.life == Life::Alive => {
                own.id = Some(it.id.clone());
                self.applied = Applied::Yes;
            }
            // Of one name and id, what is seen may be the one before.
            Some(_) if self.unique == Unique::Name && !lagged => {}
            // Someone has removed it since.
            Some(_) => {
                self.own = None;
                self.applied = Applied::No;
            }
            None if !by_birth && own.missing && lagged => {
                // The token brought back what died before, or someone has removed it since.
                self.own = None;
                self.chain.spend();
                self.applied = Applied::No;
            }
            None => {}
        }
    }

    /// Takes what this call made out of the way of `holder`.
    fn yield_to(&mut self, holder: &Observed<B::Id>, at: Instant) -> Option<Next<B::Id>> {
        let own = self.own.as_ref()?;
        match (&own.id, self.unique) {
            // Whoever made it, it may be in others' hands.
            (_, Unique::Name | Unique::Token) => {}
            (Some(id), _) if *id == holder.id => return None,
            (Some(id), _) => return Some(Next::Discard(id.clone())),
            (None, _) => {
                let until = later(own.since, self.wanted.settle);
                if at < until {
                    let what = "what was made in a lost answer to be seen".to_owned();
                    return Some(Next::Wait { what, until: Some(until) });
                }
            }
        }
        self.own = None;
        None
    }

    /// Adopts `holder`, or refuses.
    fn meet(&mut self, holder: &Observed<B::Id>, now: Timestamp, at: Instant) -> Next<B::Id> {
        let taken = |message| Next::Fail(Error::new(ErrorKind::AlreadyExists, message));
        let Some(stamp) = &holder.marks.stamp else {
            return taken(format!("{} has the name and was not made by MVI", holder.id));
        };
        if let (Unique::Tag, Some(born)) = (self.unique, holder.marks.born) {
            let since = match &self.winner_since {
                Some((id, since)) if *id == holder.id => *since,
                _ => at,
            };
            self.winner_since = Some((holder.id.clone(), since));
            // An earlier one may still turn up. By our own watch too, as its maker's clock may be far ahead.
            let by_birth = unsettled(now, born.time(), self.wanted.settle);
            let by_watch = self
                .wanted
                .settle
                .checked_sub(at.saturating_duration_since(since))
                .filter(|it| !it.is_zero());
            if let (Some(by_birth), Some(by_watch)) = (by_birth, by_watch) {
                let what = "the race to be settled".to_owned();
                return Next::Wait { what, until: Some(later(at, by_birth.min(by_watch))) };
            }
        }
        if *stamp == self.wanted.stamp {
            return Next::Finish(holder.id.clone());
        }
        let wanted = &self.wanted.stamp;
        taken(format!(
            "{} has the name and other settings: found {stamp}, wanted {wanted}",
            holder.id
        ))
    }

    /// Goes on with what this call made, where nobody is seen to hold the name.
    fn carry_on(&mut self, at: Instant) -> Option<Next<B::Id>> {
        let own = self.own.as_ref()?;
        if let Some(id) = &own.id {
            return Some(Next::Finish(id.clone()));
        }
        let until = later(own.since, self.wanted.settle);
        if at < until {
            let what = "what was made in a lost answer to be seen".to_owned();
            return Some(Next::Wait { what, until: Some(until) });
        }
        // It may have been made; another would be one too many.
        let gone = "what was made in a lost answer is not to be seen";
        Some(Next::Fail(self.lost.take().unwrap_or_else(|| Error::new(ErrorKind::Internal, gone))))
    }

    /// Decides whether to create, where there is nothing.
    fn make(&mut self, after: Option<B::Id>, at: Instant) -> Next<B::Id> {
        if self.refused.as_ref().is_some_and(|it| at < it.until) {
            let what = "what has the name to be seen".to_owned();
            return Next::Wait { what, until: None };
        }
        if let Some(refused) = self.refused.take() {
            match self.unique {
                // Nobody alive has the token: what had it is dead, and forgotten.
                Unique::Token => self.chain.spend(),
                // Once more, since it may have been removed while we looked for it.
                _ if self.refusals < CREATES => {}
                _ => return Next::Fail(refused.error),
            }
        }
        if let Some(lost) = self.lost.take_if(|_| self.losses >= CREATES) {
            return Next::Fail(lost);
        }
        if self.creates > 0 && at >= self.deadline {
            return Next::Fail(self.end("the name to be free", None));
        }
        Next::Create { after }
    }

    async fn create(&mut self, after: Option<B::Id>) -> Result<Option<B::Id>> {
        self.creates += 1;
        let (born, since) = (self.backend.birth(), instant());
        let by_birth = matches!(self.unique, Unique::Tag | Unique::Alias);
        let attempt = Attempt {
            marks: Marks {
                name: Some(self.wanted.name.clone()),
                stamp: Some(self.wanted.stamp.clone()),
                born: by_birth.then_some(born),
            },
            token: self.chain.token(&self.wanted.name, after),
        };
        let error = match self.backend.create(&attempt).await {
            Ok(id) => {
                self.applied = Applied::Yes;
                self.own = Some(Own { id: Some(id.clone()), born, since, missing: false });
                return Ok(Some(id));
            }
            Err(error) => error,
        };
        if error.may_have_applied() {
            self.applied = Applied::Unknown;
            self.own = by_birth.then_some(Own { id: None, born, since, missing: false });
            self.lost = Some(error);
            self.losses += 1;
            return Ok(None);
        }
        match (error.kind(), self.unique) {
            // Also a token that is spent: others may see more of what spent it than we do, and come to another token.
            (ErrorKind::AlreadyExists, Unique::Name | Unique::Token)
            | (ErrorKind::Conflict, Unique::Token) => self.refuse(error),
            (ErrorKind::Conflict, Unique::Name) => {
                self.wait("the name to be free", Some(error)).await?;
            }
            _ => return Err(error),
        }
        Ok(None)
    }

    /// Completes it and returns it, or `None` where to look again.
    async fn finish(&mut self, id: B::Id) -> Result<Option<B::Resource>> {
        let error = match self.backend.finish(&id).await {
            Ok(resource) => return Ok(Some(resource)),
            Err(error) => error,
        };
        let is_own = self.own.as_mut().filter(|it| it.id.as_ref() == Some(&id));
        match (error.kind(), self.unique) {
            (ErrorKind::AlreadyExists, Unique::Alias) => {
                let is_own = is_own.is_some();
                self.refuse(error);
                if is_own {
                    self.discard(id).await?;
                } else {
                    self.wait("what holds the alias to be seen", None).await?;
                }
            }
            (ErrorKind::NotFound, _) => {
                if let Some(own) = is_own {
                    own.missing = true;
                }
                self.wait(&format!("{id} to be seen"), Some(error)).await?;
            }
            (ErrorKind::Conflict, _) => {
                if let Some(own) = is_own {
                    own.missing = false;
                }
                self.wait(&format!("{id} to be ready"), Some(error)).await?;
            }
            _ => return Err(error),
        }
        Ok(None)
    }

    /// Remembers that someone has the name, who may not be seen yet.
    fn refuse(&mut self, error: Error) {
        self.refusals += 1;
        let until = later(instant(), self.wanted.settle);
        self.refused = Some(Refused { error, until });
    }

    /// Removes what this very call made.
    async fn discard(&mut self, id: B::Id) -> Result<()> {
        let mut times = 1;
        loop {
            match self.backend.discard(&id).await {
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) if times < DISCARDS && error.is_retryable() => times += 1,
                other => break other?,
            }
            sleep(self.pause()).await;
        }
        self.discarded.push(id);
        self.own = None;
        self.applied = Applied::No;
        Ok(())
    }

    /// Waits until it is time to look again; an error where patience has ended.
    async fn wait(&self, what: &str, why: Option<Error>) -> Result<()> {
        let left = self.deadline.saturating_duration_since(instant());
        if left.is_zero() {
            return Err(self.end(what, why));
        }
        sleep(self.pause().min(left)).await;
        Ok(())
    }

    fn end(&self, what: &str, why: Option<Error>) -> Error {
        let message = format!("waited {:?} for {what}", self.wanted.patience);
        let error = Error::new(ErrorKind::Timeout, message).with_applied(Applied::No);
        match why {
            Some(why) => error.with_source(why),
            None => error,
        }
    }

    /// Never nothing, or a loop would hold a paused clock.
    fn pause(&self) -> Duration {
        self.wanted.poll.max(Duration::from_millis(1))
    }
}

/// The tokens of one name: from that of the last dead one on, each follows the one before once that is spent.
///
/// A provider remembers a token for a day or more, also when what it made is dead and in no list. Everyone who asks for the name
/// must come to the same token, so that it is all the same who comes first: it is made from what everyone sees. For
/// the same reason the settings are no part of it: racers who ask for other settings must meet in one token,
/// which the provider gives to one of them.
struct Chain<Id> {
    base: Option<Id>,
    /// How many of the base's tokens are spent.
    spent: u32,
    /// The bases so far: an observation that lags may lead back to one.
    used: Vec<Id>,
}

impl<Id: Clone + Ord + std::fmt::Display> Chain<Id> {
    fn token(&mut self, name: &str, last_dead: Option<Id>) -> String {
        if let Some(id) = last_dead
            && !self.used.contains(&id)
        {
            self.used.push(id.clone());
            (self.base, self.spent) = (Some(id), 0);
        }
        let base = self.base.as_ref().map(ToString::to_string).unwrap_or_default();
        // Lengths first, so that no two read the same.
        let text = format!("{} {} {} {name}{base}", self.spent, name.len(), base.len());
        hex(&Sha256::digest(text))
    }

    fn spend(&mut self) {
        self.spent += 1;
    }
}

/// `wait` after `start`, or in thirty years: what a caller may ask for is more than the clock can hold.
fn later(start: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_hours(24 * 365 * 30);
    start + wait.min(FAR)
}
