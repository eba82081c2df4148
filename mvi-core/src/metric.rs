//! Metric: numbers from apps and services; aggregate, analyse, graph, alarm.
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands.
//!
//! - **Why** what is so, in numbers, and since when.
//! - **Depends on** nothing.
//! - **Knobs** alarms. **Gauges** series, late points.
//!
//! | | AWS | Google Cloud |
//! |---|---|---|
//! | service | CloudWatch | Cloud Monitoring |

use std::fmt;

use crate::hook::ops;

/// Numbers from apps and services; aggregate, analyse, graph, alarm. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Metric: fmt::Debug + Send + Sync + 'static {}

ops! {
    Metric as "metric";
    calls {}
    streams {}
}
