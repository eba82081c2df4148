//! Load balancer: one stable name in front of healthy containers.
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands.
//!
//! - **Why** no single container is a single point of failure.
//! - **Depends on** Vpc for its network, Container or Vm for its targets.
//! - **Knobs** health check, weights, drain. **Gauges** requests, errors, latency, healthy targets.
//!
//! | | AWS | Google Cloud |
//! |---|---|---|
//! | service | Elastic Load Balancing, ACM | Cloud Load Balancing |

use std::fmt;

use crate::hook::ops;

/// One stable name in front of healthy containers. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait LoadBalancer: fmt::Debug + Send + Sync + 'static {}

ops! {
    LoadBalancer as "load_balancer";
    calls {}
    streams {}
}
