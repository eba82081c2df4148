//! A cloud in memory: one clock, one heap of events, one seed.

mod log;
pub(crate) mod shared;
mod weather;
pub(crate) mod world;

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use mvi_core::{Cloud, Result, Timestamp, hook::Plane};

use self::world::World;
pub use self::{
    log::{Entry, Outcome},
    weather::{BlobWeather, KvWeather, Outage, Weather},
};
use crate::{
    blob::SimBlob,
    clock::{Held, Moment},
    fault::{Fault, Faults},
    kv::SimKv,
};

/// A simulated cloud. Clones are the same cloud.
///
/// Its time is tokio's. On a paused runtime a day passes as fast as its events, and the same seed gives the same
/// [log](Self::log): there, on one thread and without real I/O, nothing is left to chance but what the seed decides. On any other runtime it
/// runs in real time, for a demonstration say.
///
/// Where calls take time, as they do unless it is [`calm`](Self::calm), it needs a tokio runtime with its timers
/// enabled: elsewhere a call is [`Internal`](mvi_core::ErrorKind::Internal), and nothing is applied. Use one runtime a simulation.
///
/// ```
/// use mvi_core::{Kv, KvExt, Name, kv::{Attr, Condition, CreateTable, Get, Item, Put}};
/// use mvi_testkit::Sim;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> mvi_core::Result<()> {
/// let sim = Sim::new(7);
/// let links = Name::new("links")?;
/// sim.kv.create_table(CreateTable::new(links.clone(), Attr::text("code"))).await?;
/// sim.sleep(std::time::Duration::from_secs(10)).await?;
///
/// let item = Item::new().with("url", "https://github.com");
/// sim.kv.put(Put::new(links.clone(), "gh", item).only_if(Condition::Absent)).await?;
/// let found = sim.kv.get(Get::new(links, "gh").strong()).await?;
/// assert!(found.is_some());
/// for entry in sim.log() {
///     println!("{entry}");
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Sim {
    world: Arc<World>,
    faults: Arc<Faults>,
    /// Its Kv.
    pub kv: SimKv,
    /// Its Blob.
    pub blob: SimBlob,
}

impl Sim {
    /// A cloud in which `seed` decides all that is left to chance, in [fair weather](Weather::fair).
    pub fn new(seed: u64) -> Self {
        let world = World::new(seed, Weather::fair(), true);
        let faults = Arc::new(Faults::of(Arc::clone(&world)));
        let kv = SimKv::of(Arc::clone(&world));
        let blob = SimBlob::of(Arc::clone(&world));
        Self { world, faults, kv, blob }
    }

    /// The same cloud in the simplest [weather](Weather::calm): calls take no time, and nothing goes wrong.
    #[must_use]
    pub fn calm(self) -> Self {
        self.weather(Weather::calm())
    }

    /// The same cloud in another weather, from now on.
    #[must_use]
    pub fn weather(self, weather: Weather) -> Self {
        self.set_weather(|it| *it = weather);
        self
    }

    /// Changes the weather from now on. A call that is under way keeps its time.
    pub fn set_weather(&self, change: impl FnOnce(&mut Weather)) {
        self.world.set_weather(change);
    }

    /// Takes a plane down, or both where it is `None`, for a time since the start of the simulation. How the app took
    /// it is among the [recoveries](Faults::recoveries) of its [`faults`](Self::faults), where it calls through its [`cloud`](Self::cloud).
    ///
    /// ```
    /// use std::time::Duration;
    /// use mvi_core::hook::Plane;
    /// use mvi_testkit::Sim;
    ///
    /// let sim = Sim::new(7);
    /// sim.outage(Some(Plane::Control), Duration::from_secs(10)..Duration::from_secs(40));
    /// ```
    pub fn outage(&self, plane: Option<Plane>, window: Range<Duration>) {
        let Range { start: from, end: until } = window.clone();
        self.set_weather(|it| it.outages.push(Outage { plane, from, until }));
        self.faults.inject(Fault::outage(plane, window));
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.world.seed()
    }

    /// Its services behind its [`faults`](Self::faults). Those that are not built yet answer [`Unsupported`](mvi_core::ErrorKind::Unsupported).
    pub fn cloud(&self) -> Cloud {
        let (kv, blob) = (Arc::new(self.kv.clone()), Arc::new(self.blob.clone()));
        let cloud =
            Cloud { kv, blob, ..Cloud::unsupported("the simulated cloud does not have it yet") };
        cloud.hooked(Arc::clone(&self.faults))
    }

    /// The faults at the seam of its [`cloud`](Self::cloud): none, until some are [injected](Faults::inject). The services as fields, as in `sim.kv`,
    /// are behind the seam.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The time in the simulation, which begins at [`EPOCH`](crate::EPOCH).
    pub fn now(&self) -> Timestamp {
        self.world.catch_up().timestamp()
    }

    /// How long the simulation has run.
    pub fn elapsed(&self) -> Duration {
        self.world.catch_up().since_start()
    }

    /// Lets simulated time pass.
    ///
    /// # Errors
    ///
    /// [`Internal`](mvi_core::ErrorKind::Internal) outside of a tokio runtime.
    pub async fn sleep(&self, duration: Duration) -> Result<()> {
        let at = self.world.catch_up().after(duration);
        self.world.until(at).await.map(drop)
    }

    /// Runs `event` when `delay` has passed, in the order of time, and in the order of asking where times are equal.
    ///
    /// It runs when the simulation next catches up: at a call of a service, [`now`](Self::now) or the end of a
    /// [`sleep`](Self::sleep). It is given its own time, for the next event [at](Self::at) a time after it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mvi_testkit::{Sim, Weather};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> mvi_core::Result<()> {
    /// let sim = Sim::new(7).calm();
    /// let later = sim.clone();
    /// sim.after(Duration::from_secs(3600), move |_| later.set_weather(|it| *it = Weather::hostile()));
    /// sim.sleep(Duration::from_secs(86_400)).await?;
    /// # Ok(()) }
    /// ```
    pub fn after(&self, delay: Duration, event: impl FnOnce(Timestamp) + Send + 'static) {
        let at = self.world.catch_up().after(delay);
        self.world.schedule(at, |_, at| event(at.timestamp()));
    }

    /// Runs `event` at `time`, as [`after`](Self::after) does; at the next catching up, where that is past.
    pub fn at(&self, time: Timestamp, event: impl FnOnce(Timestamp) + Send + 'static) {
        self.world.schedule(Moment::from(time), |_, at| event(at.timestamp()));
    }

    /// Holds simulated time while the guard lives, for one real I/O in a paused test: a paused clock runs ahead while nothing but a socket is
    /// waited for.
    ///
    /// It holds for at most a minute of real time. Drop it before the runtime, which waits for it. It does nothing
    /// outside of a runtime, and nothing where time is not paused.
    ///
    /// ```
    /// use mvi_testkit::Sim;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let sim = Sim::new(7);
    /// let held = sim.hold_time();
    /// // Real I/O here: simulated time stands still.
    /// drop(held);
    /// # }
    /// ```
    pub fn hold_time(&self) -> Held {
        Held::new()
    }

    /// Answers presigned URLs by HTTP, as [`SimBlob::listen`] does.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mvi_core::{Blob, BlobExt, BucketName, blob::{CreateBucket, Key, Presign, Put}};
    /// use mvi_testkit::Sim;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> mvi_core::Result<()> {
    /// let sim = Sim::new(7).calm();
    /// let (texts, key) = (BucketName::new("acme-7f3-texts")?, Key::new("hello.txt")?);
    /// sim.blob.create_bucket(CreateBucket::new(texts.clone())).await?;
    /// sim.blob.put_bytes(Put::new(texts.clone(), key.clone()), "hello").await?;
    ///
    /// let listening = sim.listen().await?;
    /// let link = sim.blob.presign(Presign::get(texts, key, Duration::from_secs(60))).await?;
    /// assert!(link.url.starts_with(&format!("http://{}/", listening.address())));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`SimBlob::listen`].
    #[cfg(feature = "http")]
    pub async fn listen(&self) -> Result<crate::Listening> {
        self.blob.listen().await
    }

    /// What has happened, the oldest first: the last 100,000 entries.
    pub fn log(&self) -> Vec<Entry> {
        self.world.catch_up();
        self.world.entries()
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("seed", &self.seed()).finish_non_exhaustive()
    }
}
