//! Image: push, store and pull private binary data, layer by layer.
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands.
//!
//! - **Why** a release is an image that never changes.
//! - **Depends on** nothing.
//! - **Knobs** retention. **Gauges** pushes, pulls, stored bytes.
//!
//! | | AWS | Google Cloud |
//! |---|---|---|
//! | service | ECR | Artifact Registry |

use std::fmt;

use crate::hook::ops;

/// Push, store and pull private binary data, layer by layer. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Image: fmt::Debug + Send + Sync + 'static {}

ops! {
    Image as "image";
    calls {}
    streams {}
}
