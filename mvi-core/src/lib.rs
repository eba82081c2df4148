//! Eleven cloud services as eleven traits.
//!
//! ```text
//!   your app ──▶ mvi-core: eleven traits, one Error, one seam ◀── mvi-testkit: a whole
//!                     ▲                  ▲                         cloud in memory
//!                  mvi-aws            mvi-gcp
//! ```
//!
//! One service, one file, the same file name in every crate. A service's trait is the small
//! core that a provider implements; its `…Ext` trait is what callers do most, built on the
//! core once for all providers.
//!
//! What holds everywhere: creates repeat safely by name, removing what is not there succeeds,
//! lists are lazy streams, every error is one [`Error`] that says what to do, and every call
//! passes one seam ([`hook`]).

mod cloud;
pub mod ensure;
mod error;
pub mod hook;
mod name;
mod text;
mod time;
mod wait;

pub mod blob;
pub mod container;
pub mod crypto;
pub mod database;
pub mod image;
pub mod kv;
pub mod load_balancer;
pub mod log;
pub mod metric;
pub mod vm;
pub mod vpc;

pub use blob::{Blob, BlobExt};
pub use cloud::{Cloud, Unsupported};
pub use container::Container;
pub use crypto::Crypto;
pub use database::Database;
pub use error::{Applied, Error, ErrorKind, Result, Retry};
pub use image::Image;
pub use kv::{Kv, KvExt};
pub use load_balancer::LoadBalancer;
pub use log::Log;
pub use metric::Metric;
pub use name::{BucketName, Labels, Name};
pub use time::When;
pub use vm::Vm;
pub use vpc::Vpc;

/// The mocks that [`mockall`] makes: one of each trait, to script single calls.
#[cfg(feature = "mock")]
pub mod mock {
    pub use crate::{
        blob::MockBlob, container::MockContainer, crypto::MockCrypto, database::MockDatabase,
        image::MockImage, kv::MockKv, load_balancer::MockLoadBalancer, log::MockLog,
        metric::MockMetric, vm::MockVm, vpc::MockVpc,
    };
}

/// A lazy stream that owns what it needs, so that callers may spawn it.
///
/// Nothing is asked for until it is polled. It pages underneath; an error ends it.
pub type Items<T> = futures::stream::BoxStream<'static, Result<T>>;

pub use jiff::Timestamp;
