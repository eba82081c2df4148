//! Crypto: an unguessable key; create, import, rotate, use, and audit who used it.
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands.
//!
//! - **Why** secrets and data at rest are only as safe as their keys.
//! - **Depends on** nothing.
//! - **Knobs** rotation, state, grants. **Gauges** uses by principal, refusals.
//!
//! | | AWS | Google Cloud |
//! |---|---|---|
//! | service | KMS, CloudTrail | Cloud KMS, Cloud Audit Logs |

use std::fmt;

use crate::hook::ops;

/// An unguessable key; create, import, rotate, use, and audit who used it. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Crypto: fmt::Debug + Send + Sync + 'static {}

ops! {
    Crypto as "crypto";
    calls {}
    streams {}
}
