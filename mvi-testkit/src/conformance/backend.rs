//! Something that claims to keep the promises.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fmt,
    net::{TcpStream, ToSocketAddrs as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use mvi_core::{Cloud, Result};
use tokio::sync::OnceCell;

use super::{
    report::Outcome,
    scope::{self, Scope},
};

/// The most real time that a case may take in one simulated world, and in a real one, where many cases share one machine.
const WATCHDOGS: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(15)];

/// How many worlds a case sees on a simulated backend, unless `MVI_SEED` names one.
const SEEDS: u64 = 4;

/// A cloud to run the cases on: what it is called, how to reach it, and what it is known not to do.
pub struct Backend {
    pub(super) name: &'static str,
    pub(super) oracle: String,
    pub(super) divergences: BTreeMap<&'static str, &'static str>,
    pub(super) twice: Vec<&'static str>,
    /// By service, what stands before the program and mends it.
    pub(super) mended: BTreeMap<&'static str, &'static str>,
    /// The services that it has, where it does not have all.
    pub(super) only: Option<BTreeSet<&'static str>>,
    pub(super) place: Place,
    pub(super) watchdog: Duration,
    /// What the cases have come to, and what they have called.
    pub(super) seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) outcomes: BTreeMap<String, Outcome>,
    pub(super) ops: BTreeMap<String, BTreeSet<&'static str>>,
}

pub(super) enum Place {
    /// A new world for each case and seed, on simulated time.
    Simulated(Box<dyn Fn(u64) -> BoxFuture<'static, Result<Cloud>> + Send + Sync>),
    /// One cloud for all cases, on real time.
    Real(Arc<Shared>),
    /// Nowhere, for this reason.
    Missing(String),
    /// A real cloud, which `MVI_LIVE` does not name.
    Unasked,
}

/// What the cases of a real backend share.
pub(super) struct Shared {
    connect: Box<dyn Fn() -> BoxFuture<'static, Result<Cloud>> + Send + Sync>,
    cloud: OnceCell<Cloud>,
    /// What is made for several cases, such as tables, which emulators are slow to make.
    pub(super) scope: Arc<Scope>,
}

impl Backend {
    /// A simulated cloud: `connect` makes a world from a seed. It is called inside the runtime, whose clock is
    /// paused, for each case.
    pub fn simulated<F>(
        name: &'static str,
        oracle: impl Into<String>,
        connect: impl Fn(u64) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Cloud>> + Send + 'static,
    {
        let connect = move |seed| connect(seed).boxed();
        Self::at(name, oracle, Place::Simulated(Box::new(connect)))
    }

    /// A program that stands in for a cloud: `connect` is given the endpoint that the environment's `variable` holds, once.
    ///
    /// Where the variable is not set, or nobody listens there, the backend is missing.
    pub fn emulator<F>(
        name: &'static str,
        oracle: impl Into<String>,
        variable: &str,
        connect: impl Fn(String) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Cloud>> + Send + 'static,
    {
        let place = match reachable(variable) {
            Ok(endpoint) => Place::real(move || connect(endpoint.clone()).boxed()),
            Err(reason) => Place::Missing(format!(
                "{reason}; `cargo xtask emulators up {name}` starts it and says where"
            )),
        };
        Self::at(name, oracle, place)
    }

    /// A real cloud, where `MVI_LIVE` names it: `connect` is called once.
    pub fn live<F>(
        name: &'static str,
        oracle: impl Into<String>,
        connect: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Cloud>> + Send + 'static,
    {
        let wanted = env::var("MVI_LIVE").unwrap_or_default();
        let place = if wanted.split(',').any(|it| it.trim() == name) {
            Place::real(move || connect().boxed())
        } else {
            Place::Unasked
        };
        Self::at(name, oracle, place)
    }

    /// Declares that it does not pass `case`, as in `kv::an_expired_record_is_never_returned`, and why.
    ///
    /// The case still runs, and has to fail. A case that is not there, or is declared twice, fails the run.
    #[must_use]
    pub fn diverges(mut self, case: &'static str, reason: &'static str) -> Self {
        if self.divergences.insert(case, reason).is_some() {
            self.twice.push(case);
        }
        self
    }

    /// Declares that it passes none of `cases`, all for one `reason`.
    #[must_use]
    pub fn diverges_in(
        self,
        cases: impl IntoIterator<Item = &'static str>,
        reason: &'static str,
    ) -> Self {
        cases.into_iter().fold(self, |backend, case| backend.diverges(case, reason))
    }

    /// Says what is mended before the cases of `service` see the program, so that all that hangs on it can be seen: the support table
    /// tells it.
    #[must_use]
    pub fn mended(mut self, service: &'static str, what: &'static str) -> Self {
        self.mended.insert(service, what);
        self
    }

    /// Declares that it has `services` alone, as in `kv`: no case of another one is run, counted or missed there.
    ///
    /// A service that is not there fails the run.
    #[must_use]
    pub fn only(mut self, services: impl IntoIterator<Item = &'static str>) -> Self {
        self.only = Some(services.into_iter().collect());
        self
    }

    /// Whether it has the service of that name.
    pub(super) fn serves(&self, service: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(service))
    }

    fn at(name: &'static str, oracle: impl Into<String>, place: Place) -> Self {
        let oracle = oracle.into();
        let [simulated, real] = WATCHDOGS;
        let watchdog = if matches!(place, Place::Simulated(_)) { simulated } else { real };
        Self {
            name,
            oracle,
            divergences: BTreeMap::new(),
            twice: Vec::new(),
            mended: BTreeMap::new(),
            only: None,
            place,
            watchdog,
            seen: Mutex::default(),
        }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seeds that each case sees.
    pub(super) fn seeds() -> std::result::Result<Vec<u64>, String> {
        match env::var("MVI_SEED") {
            Err(_) => Ok((1..=SEEDS).collect()),
            Ok(text) => match text.parse() {
                Ok(seed) => Ok(vec![seed]),
                Err(_) => Err(format!("MVI_SEED is {text:?}: wanted a whole number")),
            },
        }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.place {
            Place::Simulated(_) => "simulated",
            Place::Real(_) => "real",
            Place::Missing(reason) => reason,
            Place::Unasked => "not asked for",
        };
        f.debug_struct("Backend")
            .field("name", &self.name)
            .field("place", &place)
            .finish_non_exhaustive()
    }
}

impl Place {
    pub(super) fn real(
        connect: impl Fn() -> BoxFuture<'static, Result<Cloud>> + Send + Sync + 'static,
    ) -> Self {
        let scope = Arc::new(Scope::for_all(&scope::run()));
        Self::Real(Arc::new(Shared { connect: Box::new(connect), cloud: OnceCell::new(), scope }))
    }
}

impl Shared {
    pub(super) async fn cloud(&self) -> Result<&Cloud> {
        self.cloud.get_or_try_init(&self.connect).await
    }

    /// The cloud, where a case has connected to it.
    pub(super) fn connected(&self) -> Option<&Cloud> {
        self.cloud.get()
    }
}

/// The endpoint that `variable` holds, if somebody listens there.
fn reachable(variable: &str) -> std::result::Result<String, String> {
    let endpoint = env::var(variable).map_err(|_| format!("{variable} is not set"))?;
    let address = endpoint.split_once("://").map_or(&*endpoint, |(_, rest)| rest);
    let address = address.trim_end_matches('/');
    let nobody = |why: &dyn fmt::Display| format!("nobody listens at {variable}={endpoint}: {why}");
    let mut found = address.to_socket_addrs().map_err(|e| nobody(&e))?;
    let first = found.next().ok_or_else(|| nobody(&"no such host"))?;
    TcpStream::connect_timeout(&first, Duration::from_secs(2)).map_err(|e| nobody(&e))?;
    Ok(endpoint)
}
