//! Everything to test against MVI with no cloud: a whole one in memory, faults on demand, and the suite that every
//! provider passes.
//!
//! ```text
//!   your test ──▶ Sim::new(seed) ──▶ .cloud(): the eleven traits ──▶ your app
//!                     │
//!                     ├─ time that runs as fast as its events, or real
//!                     ├─ weather: latency, lag, outages, what a cloud does by itself
//!                     ├─ faults: refused, lost, delayed, cut, where and when you say
//!                     └─ a log: the same for the same seed
//! ```
//!
//! [`Sim`] is the cloud, and [`kv()`] and [`blob()`] are services of it alone. [`Faults`] go over any provider. [`conformance`] holds
//! every provider to the traits' promises.

mod blob;
mod clock;
pub mod conformance;
mod fault;
mod kv;
mod sim;

#[cfg(feature = "http")]
pub use blob::Listening;
pub use blob::{SimBlob, blob};
pub use clock::{EPOCH, Held};
pub use fault::{Fault, Faults, Injected, Lost, Recovery};
pub use kv::{SimKv, kv};
pub use sim::{BlobWeather, Entry, KvWeather, Outage, Outcome, Sim, Weather};

/// The program on the project's first page, so that it keeps working.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadMe;
