//! Database: one host name that many containers use at once.
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands.
//!
//! - **Why** relational data outlives every container.
//! - **Depends on** Vpc, Crypto.
//! - **Knobs** size, standby, backups. **Gauges** connections, storage, replica lag.
//!
//! | | AWS | Google Cloud |
//! |---|---|---|
//! | service | RDS | Cloud SQL |

use std::fmt;

use crate::hook::ops;

/// One host name that many containers use at once. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Database: fmt::Debug + Send + Sync + 'static {}

ops! {
    Database as "database";
    calls {}
    streams {}
}
