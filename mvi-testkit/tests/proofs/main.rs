//! What proves the suite, and what proves the simulated Kv beyond the suite.
//!
//! - `meta`: each of many Kvs that break one promise is caught by the case that names the promise.
//! - `linearizability`: what racing clients see of one record, with answers lost, has an order that explains it.
//! - `model`: random sequences of operations give what a list of records gives.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod linearizability;
mod meta;
mod model;
