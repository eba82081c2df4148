//! What a fault is, and when it is due.

use std::{fmt, ops::Range, time::Duration};

use mvi_core::{
    ErrorKind,
    hook::{Call, Plane},
};

use super::Stage;
use crate::clock::Moment;

/// How an answer is lost. Only kinds that leave open whether the call was applied are here, so a lost answer never promises what is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    /// The caller waited for long enough: [`ErrorKind::Timeout`].
    Timeout,
    /// The connection broke: [`ErrorKind::Unavailable`].
    Reset,
    /// The provider failed after it had applied the call: [`ErrorKind::Internal`].
    Internal,
}

impl Lost {
    pub(super) const fn kind(self) -> ErrorKind {
        match self {
            Self::Timeout => ErrorKind::Timeout,
            Self::Reset => ErrorKind::Unavailable,
            Self::Internal => ErrorKind::Internal,
        }
    }
}

/// A failure to inject: what happens, to which calls, and when.
///
/// An operation is named in full, as `kv.put`, by its service, as `kv.*`, or as `*` for all. Unless said otherwise the
/// fault befalls every such call, for as long as the test runs.
///
/// ```
/// use std::time::Duration;
/// use mvi_core::ErrorKind;
/// use mvi_testkit::Fault;
///
/// let outage = Fault::refuse("kv.*", ErrorKind::Unavailable)
///     .between(Duration::from_secs(10)..Duration::from_secs(40));
/// assert_eq!(outage.to_string(), "refuse kv.* as Unavailable from 10s to 40s");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    op: String,
    resource: Option<String>,
    pub(super) effect: Effect,
    nth: Option<u64>,
    chance: Option<f64>,
    times: Option<u64>,
    pub(super) window: Option<Range<Duration>>,
    lasts: Option<Duration>,
    plane: Option<Plane>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Refuse(ErrorKind),
    Lose(Lost),
    Delay(Duration),
    Silence,
    Cut(u64),
    Drop(u64),
    Repeat(u64),
    Fail(u64, ErrorKind),
    /// Nothing at the seam: the provider itself is down.
    Outage,
}

impl Effect {
    /// On a stream, the item that it befalls.
    const fn item(self) -> Option<u64> {
        match self {
            Self::Cut(n) | Self::Drop(n) | Self::Repeat(n) | Self::Fail(n, _) => Some(n),
            _ => None,
        }
    }

    const fn stage(self) -> Stage {
        match self {
            Self::Drop(_) | Self::Repeat(_) | Self::Fail(..) => Stage::Item,
            _ => Stage::Before,
        }
    }
}

impl Fault {
    fn new(op: impl Into<String>, effect: Effect) -> Self {
        Self {
            op: op.into(),
            resource: None,
            effect,
            nth: None,
            chance: None,
            times: None,
            window: None,
            lasts: None,
            plane: None,
        }
    }

    /// Tells how an app takes an outage of the provider itself.
    pub(crate) fn outage(plane: Option<Plane>, window: Range<Duration>) -> Self {
        Self { plane, ..Self::new("*", Effect::Outage).between(window) }
    }

    /// Refuses the call before the provider sees it. Of kinds that leave it open whether it was applied, the caller does not learn more.
    pub fn refuse(op: impl Into<String>, kind: ErrorKind) -> Self {
        Self::new(op, Effect::Refuse(kind))
    }

    /// Makes the call, and loses its answer.
    pub fn lose(op: impl Into<String>, lost: Lost) -> Self {
        Self::new(op, Effect::Lose(lost))
    }

    /// Makes the call after a delay; on a stream, its first page.
    pub fn delay(op: impl Into<String>, delay: Duration) -> Self {
        Self::new(op, Effect::Delay(delay))
    }

    /// Makes the call, and never answers: only the caller's own time limit ends it.
    pub fn never_answer(op: impl Into<String>) -> Self {
        Self::new(op, Effect::Silence)
    }

    /// Breaks a stream off with [`Unavailable`](ErrorKind::Unavailable) where its item `n`, from 0, or its end would have come.
    pub fn cut(op: impl Into<String>, n: u64) -> Self {
        Self::new(op, Effect::Cut(n))
    }

    /// Loses a stream's item `n`, from 0, as no provider may: it shows whether a test would notice.
    pub fn drop_item(op: impl Into<String>, n: u64) -> Self {
        Self::new(op, Effect::Drop(n))
    }

    /// Gives a stream's item `n`, from 0, twice, as no provider may: it shows whether a test would notice.
    pub fn repeat_item(op: impl Into<String>, n: u64) -> Self {
        Self::new(op, Effect::Repeat(n))
    }

    /// Fails in place of a stream's item `n`, from 0.
    pub fn fail_item(op: impl Into<String>, n: u64, kind: ErrorKind) -> Self {
        Self::new(op, Effect::Fail(n, kind))
    }

    /// Befalls only calls for `resource`, as hooks see it: a table, a bucket, a VM.
    #[must_use]
    pub fn on(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Befalls the `n`th such call only, from 1, counted from when the fault is added; on a stream's item, the `n`th stream that comes so far.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.nth = Some(n);
        self
    }

    /// Befalls each such call with this probability, 0 to 1.
    #[must_use]
    pub fn chance(mut self, probability: f64) -> Self {
        self.chance = Some(probability);
        self
    }

    /// Befalls at most this many calls, and heals.
    #[must_use]
    pub fn times(mut self, calls: u64) -> Self {
        self.times = Some(calls);
        self
    }

    /// Befalls calls in a window of time, from when the [`Faults`](super::Faults) were made or the [`Sim`](crate::Sim) started, and heals at its end.
    #[must_use]
    pub fn between(mut self, window: Range<Duration>) -> Self {
        self.window = Some(window);
        self
    }

    /// Heals so long after the first call that it befalls.
    #[must_use]
    pub fn heals_after(mut self, time: Duration) -> Self {
        self.lasts = Some(time);
        self
    }

    /// Whether it may befall such a call, at some time.
    pub(super) fn is_about(&self, call: &Call<'_>) -> bool {
        let op = match self.op.strip_suffix('*') {
            Some(service) => call.op().starts_with(service),
            None => call.op() == self.op,
        };
        let plane = self.plane.is_none_or(|it| it == call.plane());
        op && plane && self.resource.as_ref().is_none_or(|it| it == call.resource())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { op, resource, effect, nth, chance, times, window, lasts, plane } = self;
        match effect {
            Effect::Refuse(kind) => write!(f, "refuse {op} as {kind:?}")?,
            Effect::Lose(lost) => write!(f, "lose the answer of {op} as {:?}", lost.kind())?,
            Effect::Delay(time) => write!(f, "delay {op} by {time:?}")?,
            Effect::Silence => write!(f, "never answer {op}")?,
            Effect::Cut(n) => write!(f, "cut {op} at item {n}")?,
            Effect::Drop(n) => write!(f, "drop item {n} of {op}")?,
            Effect::Repeat(n) => write!(f, "repeat item {n} of {op}")?,
            Effect::Fail(n, kind) => write!(f, "fail item {n} of {op} as {kind:?}")?,
            Effect::Outage => match plane {
                Some(plane) => write!(f, "outage of the {plane:?} plane")?,
                None => f.write_str("outage")?,
            },
        }
        if let Some(resource) = resource {
            write!(f, " on {resource}")?;
        }
        if let Some(n) = nth {
            write!(f, ", call {n} only")?;
        }
        if let Some(chance) = chance {
            write!(f, " with probability {chance}")?;
        }
        if let Some(times) = times {
            write!(f, ", {times} times")?;
        }
        if let Some(Range { start, end }) = window {
            write!(f, " from {start:?} to {end:?}")?;
        }
        if let Some(lasts) = lasts {
            write!(f, " for {lasts:?}")?;
        }
        Ok(())
    }
}

/// A fault, and how often it was due.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) fault: Fault,
    seen: u64,
    pub(super) fired: u64,
    /// When it heals by itself, once it has begun.
    ends: Option<Moment>,
    pub(super) healed: bool,
}

impl Rule {
    pub(super) fn new(fault: Fault) -> Self {
        Self { fault, seen: 0, fired: 0, ends: None, healed: false }
    }

    /// It befalls a call.
    pub(super) fn fire(&mut self, now: Moment) {
        self.fired += 1;
        if let Some(lasts) = self.fault.lasts {
            self.ends.get_or_insert(now.after(lasts));
        }
    }

    /// When it healed, or will, by its own plan.
    pub(super) fn ends(&self) -> Option<Moment> {
        let window = self.fault.window.as_ref().map(|it| Moment::default().after(it.end));
        [window, self.ends].into_iter().flatten().min()
    }

    /// Whether it has done all that it ever will.
    pub(super) fn is_spent(&self) -> bool {
        let times = self.fault.times.is_some_and(|times| self.fired >= times);
        times || self.fault.nth.is_some_and(|_| self.fired > 0)
    }

    /// Counts a call, and says whether it is one for this fault.
    pub(super) fn fires(
        &mut self,
        call: &Call<'_>,
        stage: Stage,
        now: Moment,
        dice: impl FnOnce(f64) -> bool,
    ) -> bool {
        let Fault { effect, nth, chance, window, .. } = &self.fault;
        // A fault of a call befalls a stream when it is opened.
        let here = effect.item().map_or(call.is_first(), |n| call.item() == Some(n));
        if self.healed || stage != effect.stage() || !here || !self.fault.is_about(call) {
            return false;
        }
        let begun = window.as_ref().is_none_or(|it| Moment::default().after(it.start) <= now);
        if !begun || self.ends().is_some_and(|end| end <= now) || *effect == Effect::Outage {
            return false;
        }
        self.seen += 1;
        !self.is_spent() && nth.is_none_or(|n| n == self.seen) && chance.is_none_or(dice)
    }
}
