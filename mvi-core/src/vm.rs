//! Vm: CPU, memory, network and a server OS.
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands.
//!
//! - **Why** containers run on VMs, and so does whatever no managed service runs.
//! - **Depends on** Vpc for its subnet, Image families for its disk.
//! - **Knobs** size, count, user data, rolling replacement. **Gauges** CPU, running members, boots.
//!
//! | | AWS | Google Cloud |
//! |---|---|---|
//! | service | EC2, Auto Scaling | Compute Engine |

use std::fmt;

use crate::hook::ops;

/// CPU, memory, network and a server OS. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Vm: fmt::Debug + Send + Sync + 'static {}

ops! {
    Vm as "vm";
    calls {}
    streams {}
}
