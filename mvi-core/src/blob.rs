//! Blob: any amount of unstructured data, durable.
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands.
//!
//! - **Why** files outlive every VM.
//! - **Depends on** Crypto for its keys.
//! - **Knobs** versioning, lifecycle. **Gauges** objects, bytes, requests.
//!
//! | | AWS | Google Cloud |
//! |---|---|---|
//! | service | S3 | Cloud Storage |

use std::fmt;

use crate::hook::ops;

/// Any amount of unstructured data, durable. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Blob: fmt::Debug + Send + Sync + 'static {}

ops! {
    Blob as "blob";
    calls {}
    streams {}
}
