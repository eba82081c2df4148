//! Log: ordered text from every container, tailed live, searched later.
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands.
//!
//! - **Why** what happened, in the words of what it happened to.
//! - **Depends on** nothing.
//! - **Knobs** retention. **Gauges** events, bytes, rejected.
//!
//! | | AWS | Google Cloud |
//! |---|---|---|
//! | service | CloudWatch Logs | Cloud Logging |

use std::fmt;

use crate::hook::ops;

/// Ordered text from every container, tailed live, searched later. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Log: fmt::Debug + Send + Sync + 'static {}

ops! {
    Log as "log";
    calls {}
    streams {}
}
