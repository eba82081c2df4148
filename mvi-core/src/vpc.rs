//! Vpc: private networking, everything closed until opened.
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands.
//!
//! - **Why** nothing reaches anything until a rule says so.
//! - **Depends on** nothing.
//! - **Knobs** rules, egress. **Gauges** open-to-the-world findings.
//!
//! | | AWS | Google Cloud |
//! |---|---|---|
//! | service | VPC | VPC networks, Cloud NAT |

use std::fmt;

use crate::hook::ops;

/// Private networking, everything closed until opened. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Vpc: fmt::Debug + Send + Sync + 'static {}

ops! {
    Vpc as "vpc";
    calls {}
    streams {}
}
