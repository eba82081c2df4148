//! What proves the suite, and what proves the simulated cloud beyond the suite, service by service.
//!
//! - `meta`: each of many services that break one promise is caught by the case that names the promise.
//! - `linearizability`: what racing clients see of one record or object, with answers lost, has an order that explains it.
//! - `model`: random sequences of operations give what a list gives.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod linearizability;
mod meta;
mod model;
