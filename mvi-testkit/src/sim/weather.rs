//! How kind the simulated cloud is.

use std::{ops::RangeInclusive, time::Duration};

use mvi_core::hook::Plane;

/// How kind the simulated cloud is: how long things take, and what goes wrong by itself.
///
/// | | [`calm`](Self::calm) | [`fair`](Self::fair) | [`hostile`](Self::hostile) |
/// |---|---|---|---|
/// | a call takes | no time | 2 to 9 ms | 1 to 50 ms |
/// | a table is made or removed in | no time | 0.5 to 3 s | 1 to 10 s |
/// | a fresh table is `NotFound`, a removed one listed, for up to | – | – | 2 s |
/// | an eventual read is old by up to | – | 0.2 s | 1 s |
/// | an expired record is removed within | no time | an hour | two days |
/// | pages are short; empty with more to come | – | – | half; a quarter |
/// | a batch's items are throttled; a transaction meets another | – | – | a fifth; a tenth |
///
/// ```
/// use std::time::Duration;
/// use mvi_testkit::{Sim, Weather};
///
/// let slow = Duration::from_millis(100)..=Duration::from_millis(200);
/// let sim = Sim::new(7).weather(Weather { latency: slow, ..Weather::calm() });
/// # let _ = sim;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Weather {
    /// How long a call takes, in whole milliseconds: at a moment in between it takes effect. Where the end is zero, calls
    /// take no time at all.
    pub latency: RangeInclusive<Duration>,
    /// When which plane answers nothing but [`Unavailable`](mvi_core::ErrorKind::Unavailable).
    pub outages: Vec<Outage>,
    /// What Kv does by itself.
    pub kv: KvWeather,
}

/// A time in which a plane is down. A call that is under way when it begins loses its answer, whether or not it took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Which plane; both, where it is `None`.
    pub plane: Option<Plane>,
    /// From when, since the start of the simulation.
    pub from: Duration,
    /// Up to when, since the start of the simulation.
    pub until: Duration,
}

/// What the simulated Kv does by itself. A probability is 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct KvWeather {
    /// How long a table is [`Creating`](mvi_core::kv::TableState::Creating) or [`Deleting`](mvi_core::kv::TableState::Deleting).
    pub change: RangeInclusive<Duration>,
    /// For how long a fresh table may be `NotFound`, and a removed one still listed.
    pub visibility: RangeInclusive<Duration>,
    /// How far behind an eventual read, or a read of an index, may be. Each page of a stream is behind by its own.
    pub lag: RangeInclusive<Duration>,
    /// How long an expired record stays, unseen, before it is removed.
    pub removal: RangeInclusive<Duration>,
    /// The most records of a page, where the caller does not say: at least 1.
    pub page: u32,
    /// How probable it is that a page has fewer records than it could.
    pub short_page: f64,
    /// How probable it is that a page has no record, although more are to come.
    pub empty_page: f64,
    /// How probable it is that one item of a batch is [`Throttled`](mvi_core::ErrorKind::Throttled).
    pub partial_batch: f64,
    /// How probable it is that another write comes between a transaction's.
    pub transaction_conflict: f64,
    /// How many reads and writes of one partition a second are served; the rest is [`Throttled`](mvi_core::ErrorKind::Throttled).
    pub partition_rate: Option<u32>,
}

const ZERO: RangeInclusive<Duration> = Duration::ZERO..=Duration::ZERO;

impl Weather {
    /// The simplest cloud: all happens at once, and nothing goes wrong.
    pub const fn calm() -> Self {
        let kv = KvWeather {
            change: ZERO,
            visibility: ZERO,
            lag: ZERO,
            removal: ZERO,
            page: 100,
            short_page: 0.0,
            empty_page: 0.0,
            partial_batch: 0.0,
            transaction_conflict: 0.0,
            partition_rate: None,
        };
        Self { latency: ZERO, outages: Vec::new(), kv }
    }

    /// A cloud on a good day, which is the default: things take time, and an eventual read is eventual.
    pub fn fair() -> Self {
        let calm = Self::calm();
        Self {
            latency: Duration::from_millis(2)..=Duration::from_millis(9),
            kv: KvWeather {
                change: Duration::from_millis(500)..=Duration::from_secs(3),
                lag: Duration::ZERO..=Duration::from_millis(200),
                removal: Duration::ZERO..=Duration::from_hours(1),
                ..calm.kv
            },
            outages: calm.outages,
        }
    }

    /// Everything that a provider's documents allow, often. A partition's rate and outages are yours to set.
    pub fn hostile() -> Self {
        let calm = Self::calm();
        Self {
            latency: Duration::from_millis(1)..=Duration::from_millis(50),
            kv: KvWeather {
                change: Duration::from_secs(1)..=Duration::from_secs(10),
                visibility: Duration::ZERO..=Duration::from_secs(2),
                lag: Duration::ZERO..=Duration::from_secs(1),
                removal: Duration::ZERO..=Duration::from_hours(48),
                page: 20,
                short_page: 0.5,
                empty_page: 0.25,
                partial_batch: 0.2,
                transaction_conflict: 0.1,
                partition_rate: None,
            },
            outages: calm.outages,
        }
    }
}

impl Default for Weather {
    fn default() -> Self {
        Self::fair()
    }
}
