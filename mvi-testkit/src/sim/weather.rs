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
/// | a fresh bucket is `NotFound`, a removed one listed, for up to | – | – | 2 s |
/// | a list of versions is old by up to | – | – | 1 s |
/// | what a lifecycle removes is removed after midnight within | no time | a day | a day |
/// | a body comes in chunks of | as it was stored | 64 KiB to 1 MiB | 1 B to 64 KiB |
/// | a call of Blob is throttled | – | – | a fiftieth |
/// | an upload arrives torn; a part is lost | – | – | a fiftieth each |
/// | a read has a bit flipped; its body is cut | – | – | a fiftieth each |
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
    /// What Blob does by itself.
    pub blob: BlobWeather,
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

/// What the simulated Blob does by itself. A probability is 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct BlobWeather {
    /// For how long a fresh bucket may be `NotFound`, and a removed one still listed.
    pub visibility: RangeInclusive<Duration>,
    /// How far behind a list of versions may be. Each of its pages is behind by its own. All else is seen at once.
    pub versions_lag: RangeInclusive<Duration>,
    /// How long after midnight UTC a bucket's lifecycle, and the abort of uploads a week old, is done. What is due by a midnight is done after it.
    pub removal: RangeInclusive<Duration>,
    /// The most items of a page, where the caller does not say: at least 1.
    pub page: u32,
    /// How probable it is that a page has fewer items than it could.
    pub short_page: f64,
    /// How probable it is that a page has no item, although more are to come.
    pub empty_page: f64,
    /// How many bytes of a body come at a time; as they were stored, where the start is [`u32::MAX`]. Where calls take time, each takes as long
    /// as a call.
    pub chunk: RangeInclusive<u32>,
    /// How probable it is that one item of a batch is [`Throttled`](mvi_core::ErrorKind::Throttled).
    pub partial_batch: f64,
    /// How probable it is that a call on what is in a bucket is [`Throttled`](mvi_core::ErrorKind::Throttled).
    pub throttled: f64,
    /// How probable it is that a body arrives torn, whole or part: it is refused as [`Corrupt`](mvi_core::ErrorKind::Corrupt), and nothing is stored.
    pub torn_upload: f64,
    /// How probable it is that a part is gone when its upload is completed, which is [`Invalid`](mvi_core::ErrorKind::Invalid) then: the upload is still
    /// there, to send the part again.
    pub lost_part: f64,
    /// How probable it is that a read has one bit flipped: [`Corrupt`](mvi_core::ErrorKind::Corrupt) at the end of a whole read, and not
    /// noticed in a range.
    pub bit_flip: f64,
    /// How probable it is that a body ends amid, with [`Unavailable`](mvi_core::ErrorKind::Unavailable).
    pub cut_body: f64,
}

impl BlobWeather {
    /// The most items of a page, and how probable it is that there are fewer, and none.
    pub(crate) fn pages(&self) -> (u32, f64, f64) {
        (self.page, self.short_page, self.empty_page)
    }
}

impl KvWeather {
    /// The most records of a page, and how probable it is that there are fewer, and none.
    pub(crate) fn pages(&self) -> (u32, f64, f64) {
        (self.page, self.short_page, self.empty_page)
    }
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
        let blob = BlobWeather {
            visibility: ZERO,
            versions_lag: ZERO,
            removal: ZERO,
            page: 1_000,
            short_page: 0.0,
            empty_page: 0.0,
            chunk: u32::MAX..=u32::MAX,
            partial_batch: 0.0,
            throttled: 0.0,
            torn_upload: 0.0,
            lost_part: 0.0,
            bit_flip: 0.0,
            cut_body: 0.0,
        };
        Self { latency: ZERO, outages: Vec::new(), kv, blob }
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
            blob: BlobWeather {
                removal: Duration::ZERO..=Duration::from_hours(24),
                chunk: 64 << 10..=1 << 20,
                ..calm.blob
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
            blob: BlobWeather {
                visibility: Duration::ZERO..=Duration::from_secs(2),
                versions_lag: Duration::ZERO..=Duration::from_secs(1),
                removal: Duration::ZERO..=Duration::from_hours(24),
                page: 20,
                short_page: 0.5,
                empty_page: 0.25,
                chunk: 1..=64 << 10,
                partial_batch: 0.2,
                throttled: 0.02,
                torn_upload: 0.02,
                lost_part: 0.02,
                bit_flip: 0.02,
                cut_body: 0.02,
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
