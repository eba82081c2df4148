//! What MVI costs, beside what one would pick instead: rounds that alternate, medians, one table.
//!
//! `cargo bench -p mvi-benches --features peers` runs all of it and writes `target/bench/report.md`.

pub mod calls;
pub mod clock;
pub mod objects;
pub mod orders;
mod report;
mod rounds;
mod server;
pub mod stores;

pub use report::{Goal, Report, Row, Unit};
pub use rounds::{Compared, Rounds, median};
pub use server::{Server, until_orphaned};
