//! Failures on demand at the seam, over any provider: each where and when the test says.
//!
//! ```text
//!            refused: nothing applied
//!   app ──▶ ✗ ───────────────────▶ provider
//!       ◀──────────────── ✗ ◀─────┘
//!            lost: applied, and the answer gone
//! ```

mod plan;
mod recovery;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use mvi_core::{
    Applied, Error, ErrorKind, Result,
    hook::{Call, Hook, Verdict},
};

use self::{
    plan::{Effect, Rule},
    recovery::Watch,
};
pub use self::{
    plan::{Fault, Lost},
    recovery::Recovery,
};
use crate::sim::{
    Outcome, Weather,
    world::{World, lock},
};

/// The faults of a test, as a [`Hook`] over any provider. The first that matches a call and is due, decides.
///
/// ```text
///            refused: nothing applied
///   app ──▶ ✗ ───────────────────▶ provider
///       ◀──────────────── ✗ ◀─────┘
///            lost: applied, and the answer gone
/// ```
///
/// ```
/// use std::time::Duration;
/// use mvi_core::ErrorKind;
/// use mvi_testkit::{Fault, Faults, Lost, Sim};
///
/// let faults = Faults::new(7)
///     .with(Fault::refuse("kv.*", ErrorKind::Throttled).chance(0.2))
///     .with(Fault::lose("kv.put", Lost::Timeout).on("links").nth(3));
/// let cloud = Sim::new(7).cloud().hooked(faults);
///
/// // A simulated cloud has a seam of its own, in its log and with its seed.
/// let sim = Sim::new(7);
/// sim.faults().inject(Fault::delay("kv.get", Duration::from_secs(2)).times(1));
/// # let _ = cloud;
/// ```
pub struct Faults {
    world: Arc<World>,
    state: Mutex<State>,
}

/// How many injected faults are remembered.
const MOST_INJECTED: usize = 10_000;

#[derive(Default)]
struct State {
    rules: Vec<(Rule, Watch)>,
    injected: VecDeque<Injected>,
}

/// A fault that was injected.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// When, since the faults were made; in a [`Sim`](crate::Sim), since its start.
    pub time: Duration,
    /// The operation.
    pub op: &'static str,
    /// What it was for.
    pub resource: String,
    /// On a stream, which item.
    pub item: Option<u64>,
    /// Which fault, as it describes itself.
    pub fault: String,
}

impl Faults {
    /// None yet; `seed` decides what is left to chance.
    pub fn new(seed: u64) -> Self {
        Self::of(World::new(seed, Weather::calm(), false))
    }

    pub(crate) fn of(world: Arc<World>) -> Self {
        Self { world, state: Mutex::default() }
    }

    /// Adds a fault.
    #[must_use]
    pub fn with(self, fault: Fault) -> Self {
        self.inject(fault);
        self
    }

    /// Adds a fault to those of a running test.
    pub fn inject(&self, fault: Fault) {
        let now = self.world.clock.now();
        lock(&self.state).rules.push((Rule::new(fault), Watch::new(now)));
    }

    /// Heals them all: from now on every call passes. What was injected, and how the app recovered from it, is still told.
    pub fn heal(&self) {
        let now = self.world.clock.now();
        for (rule, watch) in &mut lock(&self.state).rules {
            rule.healed = true;
            watch.heal(now);
        }
    }

    /// What was injected so far, the oldest first: the last 10,000.
    pub fn injected(&self) -> Vec<Injected> {
        lock(&self.state).injected.iter().cloned().collect()
    }

    /// How the app took each fault, in the order in which they were added.
    pub fn recoveries(&self) -> Vec<Recovery> {
        let now = self.world.clock.now();
        lock(&self.state).rules.iter().map(|(rule, watch)| watch.report(rule, now)).collect()
    }

    /// Decides what befalls a call that is about to be made, or an item that has come.
    fn decide(&self, call: &Call<'_>, stage: Stage) -> Option<Effect> {
        let mut known = lock(&self.state);
        let State { rules, injected } = &mut *known;
        if rules.is_empty() {
            return None;
        }
        let now = self.world.clock.now();
        let dice = |probability| self.world.chance(probability);
        let (mut effect, mut told) = (None, None);
        for (rule, watch) in rules {
            // Each rule counts each call, whichever of them decides.
            if rule.fires(call, stage, now, dice) && effect.is_none() {
                rule.fire(now);
                watch.fire(now);
                if rule.is_spent() {
                    watch.heal(now);
                }
                effect = Some(rule.fault.effect);
                told = Some(rule.fault.to_string());
            }
        }
        if let Some(fault) = told {
            if injected.len() == MOST_INJECTED {
                injected.pop_front();
            }
            injected.push_back(Injected {
                time: now.since_start(),
                op: call.op(),
                resource: call.resource().to_owned(),
                item: call.item(),
                fault,
            });
            self.world.log(now, None, call.op(), call.resource(), Outcome::Injected);
        }
        effect
    }

    /// Remembers how a call went that a fault is about.
    fn observe(&self, call: &Call<'_>, succeeded: bool) {
        let rules = &mut lock(&self.state).rules;
        if rules.is_empty() {
            return;
        }
        let now = self.world.clock.now();
        for (rule, watch) in rules {
            if rule.fault.is_about(call) {
                watch.see(rule, succeeded, now);
            }
        }
    }
}

/// A call under way: one that is given up has failed.
struct Watched<'a> {
    faults: &'a Faults,
    call: &'a Call<'a>,
    succeeded: bool,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.faults.observe(self.call, self.succeeded);
    }
}

/// When a fault is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before the call is made, or before the next item of a stream is waited for.
    Before,
    /// When an item of a stream has come.
    Item,
}

impl Hook for Faults {
    async fn around<R: Send>(
        &self,
        call: &Call<'_>,
        next: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let mut watched = Watched { faults: self, call, succeeded: false };
        let answer = match self.decide(call, Stage::Before) {
            // What befalls an item, befalls it when it has come.
            None
            | Some(Effect::Drop(_) | Effect::Repeat(_) | Effect::Fail(..) | Effect::Outage) => {
                next.await
            }
            Some(Effect::Refuse(kind)) => Err(failure(call, kind, "refused")),
            Some(Effect::Lose(lost)) => {
                // What became of it, nobody learns.
                let _ = next.await;
                Err(failure(call, lost.kind(), "the answer was lost"))
            }
            Some(Effect::Cut(_)) => {
                Err(failure(call, ErrorKind::Unavailable, "the stream was cut"))
            }
            Some(Effect::Delay(time)) => {
                let until = self.world.clock.now().after(time);
                self.world
                    .clock
                    .until(until)
                    .await
                    .map_err(|e| e.at(call.op(), call.resource()))?;
                next.await
            }
            Some(Effect::Silence) => {
                let _ = next.await;
                std::future::pending().await
            }
        };
        watched.succeeded = answer.is_ok();
        answer
    }

    fn item(&self, call: &Call<'_>, _n: u64) -> Verdict {
        match self.decide(call, Stage::Item) {
            Some(Effect::Drop(_)) => Verdict::Drop,
            Some(Effect::Repeat(_)) => Verdict::Repeat,
            Some(Effect::Fail(_, kind)) => {
                self.observe(call, false);
                Verdict::Fail(failure(call, kind, "the item failed"))
            }
            _ => Verdict::Pass,
        }
    }
}

/// An error as the caller would see it: what it may know of the call is what the kind says.
fn failure(call: &Call<'_>, kind: ErrorKind, what: &str) -> Error {
    let error = Error::new(kind, format!("a fault was injected: {what}"));
    let error = if call.mutates() { error } else { error.with_applied(Applied::No) };
    error.at(call.op(), call.resource())
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = &lock(&self.state).rules;
        f.debug_list().entries(rules.iter().map(|(rule, _)| &rule.fault)).finish()
    }
}
