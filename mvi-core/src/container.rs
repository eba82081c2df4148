//! Container: many specialized process types on fewer homogeneous VMs.
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands.
//!
//! - **Why** each process type scales and fails by itself.
//! - **Depends on** Image for what it runs, Vpc, `LoadBalancer`, Log.
//! - **Knobs** count, size, rollout. **Gauges** running and wanted count, restarts.
//!
//! | | AWS | Google Cloud |
//! |---|---|---|
//! | service | ECS, EventBridge Scheduler | Cloud Run, Cloud Scheduler |

use std::fmt;

use crate::hook::ops;

/// Many specialized process types on fewer homogeneous VMs. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Container: fmt::Debug + Send + Sync + 'static {}

ops! {
    Container as "container";
    calls {}
    streams {}
}
