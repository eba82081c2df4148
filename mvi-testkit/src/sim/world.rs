//! What all services of a simulation share: one heap of events, one source of chance, one log.

use std::{
    cell::OnceCell,
    cmp::Ordering,
    collections::BinaryHeap,
    fmt,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{self, AtomicBool, AtomicU64},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use futures::channel::oneshot;
use mvi_core::{
    Applied, Error, ErrorKind, Result, Timestamp,
    hook::{Op, Plane},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use super::{
    log::{Entry, Log, Outcome},
    weather::{Outage, Weather},
};
use crate::clock::{Clock, Moment};

/// One heap of events ordered by time and sequence, caught up at the start of every call and by whoever waits.
pub(crate) struct World {
    seed: u64,
    pub(crate) clock: Clock,
    /// When the earliest event is due, so that a call with nothing due takes no lock.
    due: AtomicU64,
    heap: Mutex<Heap>,
    /// Held by the thread that runs events.
    turn: Mutex<()>,
    calls: AtomicU64,
    dice: Mutex<ChaCha8Rng>,
    tokens: AtomicU64,
    weather: RwLock<Weather>,
    /// Whether calls take time in this weather, so that one that takes none asks only this.
    takes_time: AtomicBool,
    log: Option<Mutex<Log>>,
}

#[derive(Default)]
struct Heap {
    events: BinaryHeap<Event>,
    sequence: u64,
    /// The thread that is running events.
    runner: Option<ThreadId>,
}

type Run = Box<dyn FnOnce(&Arc<World>, Moment) + Send>;

struct Event {
    at: Moment,
    sequence: u64,
    run: Run,
}

/// A [`BinaryHeap`] gives the greatest first: the earliest is the greatest.
impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// A call's turn at its service.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) world: &'a Arc<World>,
    pub(crate) weather: &'a Weather,
    at: OnceCell<Moment>,
}

impl Turn<'_> {
    /// When it is. A call that takes no time reads the clock only if it has to.
    pub(crate) fn at(&self) -> Moment {
        *self.at.get_or_init(|| self.world.clock.now())
    }

    /// The time on the service's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.at().timestamp()
    }
}

impl World {
    pub(crate) fn new(seed: u64, weather: Weather, log: bool) -> Arc<Self> {
        Arc::new(Self {
            seed,
            clock: Clock::start(),
            due: AtomicU64::new(Moment::NEVER.0),
            heap: Mutex::default(),
            turn: Mutex::default(),
            calls: AtomicU64::new(0),
            dice: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
            tokens: AtomicU64::new(0),
            takes_time: AtomicBool::new(weather.takes_time()),
            weather: RwLock::new(weather),
            log: log.then(Mutex::default),
        })
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Not to be asked in a call's turn, which has it.
    pub(crate) fn weather(&self) -> RwLockReadGuard<'_, Weather> {
        self.weather.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call is answered later than it is made.
    pub(crate) fn takes_time(&self) -> bool {
        self.takes_time.load(atomic::Ordering::Acquire)
    }

    pub(crate) fn set_weather(&self, change: impl FnOnce(&mut Weather)) {
        // Nothing is locked meanwhile: the change may ask for the time, and events may run.
        let mut weather = self.weather().clone();
        change(&mut weather);
        self.takes_time.store(weather.takes_time(), atomic::Ordering::Release);
        *self.weather.write().unwrap_or_else(PoisonError::into_inner) = weather;
    }

    /// Runs `run` at the moment `at`, or at the next catching up where that is past.
    pub(crate) fn schedule(
        &self,
        at: Moment,
        run: impl FnOnce(&Arc<Self>, Moment) + Send + 'static,
    ) {
        if at == Moment::NEVER {
            return;
        }
        let run: Run = Box::new(run);
        let mut heap = lock(&self.heap);
        let sequence = heap.sequence;
        heap.sequence += 1;
        heap.events.push(Event { at, sequence, run });
        self.due.fetch_min(at.0, atomic::Ordering::AcqRel);
    }

    /// Runs every event that is due, in order, and returns the time.
    pub(crate) fn catch_up(self: &Arc<Self>) -> Moment {
        let now = self.clock.now();
        if self.due.load(atomic::Ordering::Acquire) <= now.0 {
            self.run_until(now);
        }
        now
    }

    fn run_until(self: &Arc<Self>, now: Moment) {
        let me = thread::current().id();
        if lock(&self.heap).runner == Some(me) {
            // An event calls in: it is served as the world is.
            return;
        }
        // Others wait until the world has caught up, or they would find their own events undone.
        let _turn = lock(&self.turn);
        lock(&self.heap).runner = Some(me);
        let _running = Running(self);
        while let Some(event) = self.next_due(now) {
            (event.run)(self, event.at);
        }
    }

    fn next_due(&self, now: Moment) -> Option<Event> {
        let mut heap = lock(&self.heap);
        let due = heap.events.peek().map_or(Moment::NEVER, |it| it.at);
        if due <= now {
            return heap.events.pop();
        }
        self.due.store(due.0, atomic::Ordering::Release);
        None
    }

    /// Waits until `at`, catches up, and returns the time.
    pub(crate) async fn until(self: &Arc<Self>, at: Moment) -> Result<Moment> {
        self.clock.until(at).await?;
        Ok(self.catch_up())
    }

    /// Makes a call that takes the time, and meets the fate, that the weather has for it.
    ///
    /// It arrives now, `work` is done at an event of its own, and the answer comes later; where calls take no time, all
    /// of it is done here. A call that is dropped after it arrived still takes effect.
    pub(crate) async fn call<R: Send + 'static>(
        self: &Arc<Self>,
        op: &'static Op,
        resource: &str,
        work: impl FnOnce(&Turn<'_>) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        if !self.takes_time() {
            return self.call_now(op, resource, work);
        }
        // Boxed, so that a call that takes no time is not as large as one that does.
        let answer = Box::pin(self.send(op, resource, work)).await;
        answer.map_err(|error| error.or_at(op.name(), resource))
    }

    /// Makes a call that takes no time, whatever the weather.
    pub(crate) fn call_now<R>(
        self: &Arc<Self>,
        op: &'static Op,
        resource: &str,
        work: impl FnOnce(&Turn<'_>) -> Result<R>,
    ) -> Result<R> {
        let at = OnceCell::new();
        if self.due.load(atomic::Ordering::Acquire) != Moment::NEVER.0 {
            at.get_or_init(|| self.catch_up());
        }
        let (answer, at) = self.serve(op, at, work);
        if self.log.is_some() {
            let at = at.get().copied().unwrap_or_else(|| self.clock.now());
            let call = self.calls.fetch_add(1, atomic::Ordering::Relaxed);
            self.log(at, Some(call), op.name(), resource, Outcome::Answered(end(&answer)));
        }
        answer.map_err(|error| error.or_at(op.name(), resource))
    }

    async fn send<R: Send + 'static>(
        self: &Arc<Self>,
        op: &'static Op,
        resource: &str,
        work: impl FnOnce(&Turn<'_>) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.clock.check_running()?;
        let arrived = self.catch_up();
        let call = self.calls.fetch_add(1, atomic::Ordering::Relaxed);
        let latency = self.weather().latency.clone();
        let took = whole_milliseconds(self.draw(&latency));
        let applied = arrived.after(self.draw(&(Duration::ZERO..=took)));
        self.log(arrived, Some(call), op.name(), resource, Outcome::Sent);
        let (reply, answer) = oneshot::channel();
        let name = resource.to_owned();
        self.schedule(applied, move |world, at| {
            let (answer, _) = world.serve(op, at.into(), work);
            world.log(at, Some(call), op.name(), &name, Outcome::Applied(end(&answer)));
            // Nobody waits any more where the caller gave up.
            let _ = reply.send(answer);
        });
        let answered = self.until(arrived.after(took)).await?;
        let mut answer = answer.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Internal, "the simulated service panicked"))
        });
        if self.weather().is_out(op.plane(), answered) {
            answer = Err(unavailable(if op.mutates() { Applied::Unknown } else { Applied::No }));
        }
        self.log(answered, Some(call), op.name(), resource, Outcome::Answered(end(&answer)));
        answer
    }

    fn serve<R>(
        self: &Arc<Self>,
        op: &'static Op,
        at: OnceCell<Moment>,
        work: impl FnOnce(&Turn<'_>) -> Result<R>,
    ) -> (Result<R>, OnceCell<Moment>) {
        let turn = Turn { world: self, weather: &self.weather(), at };
        if !turn.weather.outages.is_empty() && turn.weather.is_out(op.plane(), turn.at()) {
            return (Err(unavailable(Applied::No)), turn.at);
        }
        (work(&turn), turn.at)
    }

    /// A duration in `range`, each as probable.
    pub(crate) fn draw(&self, range: &RangeInclusive<Duration>) -> Duration {
        let nanos = |it: &Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
        let (start, end) = (nanos(range.start()), nanos(range.end()));
        match end.saturating_sub(start).checked_add(1) {
            // One value needs no dice.
            Some(1) => Duration::from_nanos(start),
            Some(span) => Duration::from_nanos(start + lock(&self.dice).next_u64() % span),
            None => Duration::from_nanos(lock(&self.dice).next_u64()),
        }
    }

    /// Waits for the next bytes of a body, where calls take time.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) where the weather has its plane down.
    pub(crate) async fn transfer(
        self: &Arc<Self>,
        op: &'static Op,
        takes_time: bool,
    ) -> Result<()> {
        if takes_time && self.takes_time() {
            let latency = self.weather().latency.clone();
            let took = whole_milliseconds(self.draw(&latency));
            let at = self.catch_up().after(took);
            self.until(at).await?;
        }
        let out = {
            let weather = self.weather();
            !weather.outages.is_empty() && weather.is_out(op.plane(), self.clock.now())
        };
        if out { Err(unavailable(Applied::No)) } else { Ok(()) }
    }

    /// A number in `range`, each as probable.
    pub(crate) fn pick_in(&self, range: &RangeInclusive<u32>) -> u32 {
        let span = range.end().saturating_sub(*range.start()).saturating_add(1);
        range.start().saturating_add(self.pick(span))
    }

    /// A number below `end`, each as probable; 0 where there is none.
    pub(crate) fn pick(&self, end: u32) -> u32 {
        if end < 2 { 0 } else { lock(&self.dice).next_u32() % end }
    }

    /// True with this probability.
    pub(crate) fn chance(&self, probability: f64) -> bool {
        if probability <= 0.0 {
            return false;
        }
        f64::from(lock(&self.dice).next_u32()) <= probability * f64::from(u32::MAX)
    }

    /// A number that no other call of this world gives: ids are made of it.
    pub(crate) fn token(&self) -> u64 {
        let count = self.tokens.fetch_add(1, atomic::Ordering::Relaxed);
        mix(self.seed.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// Writes into the log, where there is one.
    pub(crate) fn log(
        &self,
        at: Moment,
        call: Option<u64>,
        op: &'static str,
        resource: &str,
        outcome: Outcome,
    ) {
        let Some(log) = &self.log else { return };
        let (time, resource) = (at.since_start(), resource.to_owned());
        lock(log).write(|seq| Entry { time, seq, call, op, resource, outcome });
    }

    /// The log so far; empty where none is kept.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.log.as_ref().map_or_else(Vec::new, |log| lock(log).entries())
    }
}

/// Lets the next thread run events, also where an event panicked.
struct Running<'a>(&'a World);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        lock(&self.0.heap).runner = None;
    }
}

impl Weather {
    fn takes_time(&self) -> bool {
        !self.latency.end().is_zero()
    }

    fn is_out(&self, plane: Plane, at: Moment) -> bool {
        let at = at.since_start();
        let hit = |it: &Outage| {
            it.plane.is_none_or(|down| down == plane) && (it.from..it.until).contains(&at)
        };
        self.outages.iter().any(hit)
    }
}

fn unavailable(applied: Applied) -> Error {
    let message = "the simulated cloud is down, as its weather says";
    Error::new(ErrorKind::Unavailable, message).with_applied(applied)
}

fn end<R>(answer: &Result<R>) -> std::result::Result<(), ErrorKind> {
    answer.as_ref().map(|_| ()).map_err(Error::kind)
}

/// Tokio's timers tick each millisecond: who waits until a whole one wakes at that very moment.
fn whole_milliseconds(duration: Duration) -> Duration {
    let millis = duration.as_nanos().div_ceil(1_000_000).max(1);
    Duration::from_millis(millis.try_into().unwrap_or(u64::MAX))
}

/// Spreads `bits` over all 64, no two alike: the end of [SplitMix64](https://prng.di.unimi.it/splitmix64.c).
pub(crate) const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// What these locks guard is whole at every moment, so a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_keep_to_their_range() {
        let world = World::new(7, Weather::calm(), false);
        let (short, long) = (Duration::from_nanos(3), Duration::from_nanos(5));
        let drawn: std::collections::BTreeSet<_> =
            (0..100).map(|_| world.draw(&(short..=long)).as_nanos()).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(world.draw(&(long..=short)), long, "an empty range is its start");
        world.draw(&(Duration::ZERO..=Duration::MAX));
        assert!((0..100).all(|_| world.chance(1.0) && !world.chance(0.0)));
        assert!((0..100).all(|_| world.pick(3) < 3) && world.pick(0) == 0);
    }

    #[test]
    fn tokens_are_unique_and_their_seeds() {
        let tokens = |seed| {
            let world = World::new(seed, Weather::calm(), false);
            (0..1_000).map(|_| world.token()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(tokens(1).len(), 1_000);
        assert_eq!(tokens(1), tokens(1));
        assert!(tokens(1).is_disjoint(&tokens(2)));
    }

    #[test]
    fn who_waits_wakes_at_a_whole_millisecond() {
        let millis = |nanos| whole_milliseconds(Duration::from_nanos(nanos)).as_millis();
        assert_eq!([0, 1, 1_000_000, 1_000_001].map(millis), [1, 1, 1, 2]);
    }

    #[test]
    fn an_event_that_panics_does_not_stop_the_others() {
        let world = World::new(7, Weather::calm(), false);
        let ran = Arc::new(AtomicBool::new(false));
        world.schedule(Moment(0), |_, _| panic!("on purpose"));
        let after = Arc::clone(&ran);
        world.schedule(Moment(0), move |_, _| after.store(true, atomic::Ordering::Release));
        let first = Arc::clone(&world);
        let panicked = thread::spawn(move || first.catch_up()).join();
        assert!(panicked.is_err());
        world.catch_up();
        assert!(ran.load(atomic::Ordering::Acquire));
    }
}
