//! Eleven cloud services on Google Cloud, through its SDKs.
//!
//! ```no_run
//! use mvi_gcp::Gcp;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> mvi_core::Result<()> {
//! let gcp = Gcp::from_env().await?;
//! let cloud = gcp.cloud();
//! # let _ = cloud; Ok(())
//! # }
//! ```
//!
//! One cargo feature a service, none on by default, `full` for all. Built today: `blob` and `kv`. A service whose feature is
//! off, or that is not built yet, answers [`Unsupported`](mvi_core::ErrorKind::Unsupported) and says which.

#[cfg(feature = "_sdk")]
mod attempt;
#[cfg(feature = "blob")]
pub mod blob;
#[cfg(any(feature = "blob", feature = "kv"))]
mod clock;
#[cfg_attr(
    not(all(feature = "blob", feature = "kv")),
    allow(dead_code, reason = "each service needs a part of it")
)]
mod config;
#[cfg(any(feature = "blob", feature = "kv"))]
mod connection;
#[cfg(feature = "_sdk")]
#[cfg_attr(
    not(all(feature = "blob", feature = "kv")),
    allow(dead_code, reason = "each service needs a part of it")
)]
mod error;
#[cfg(feature = "kv")]
pub mod kv;

use std::sync::Arc;

#[cfg(not(all(feature = "blob", feature = "kv")))]
use mvi_core::Unsupported;
use mvi_core::{Cloud, Result};

pub use config::{GcpBuilder, Retries, Service, Timeouts};

/// The services of one project.
///
/// Each field is a concrete service, whose SDK client is at hand for what MVI does not do:
/// [`gcp.kv.client()`](kv::FirestoreKv::client).
#[derive(Clone, Debug)]
pub struct Gcp {
    /// Any amount of unstructured data, on Cloud Storage.
    #[cfg(feature = "blob")]
    pub blob: Arc<blob::GcsBlob>,
    /// Small structured records, on Firestore.
    #[cfg(feature = "kv")]
    pub kv: Arc<kv::FirestoreKv>,
}

impl Gcp {
    /// Takes everything from the environment, as every Google tool does: the project from `GOOGLE_CLOUD_PROJECT` or
    /// where the machine's own metadata has it, and the [Application Default Credentials][adc]. Where
    /// `FIRESTORE_EMULATOR_HOST` is set, Firestore is that emulator.
    ///
    /// # Errors
    ///
    /// [`Invalid`](mvi_core::ErrorKind::Invalid) where no project is known, and
    /// [`Unauthenticated`](mvi_core::ErrorKind::Unauthenticated) where credentials are there but can't be read. Those
    /// of a machine are looked for at the first call.
    ///
    /// [adc]: https://cloud.google.com/docs/authentication/application-default-credentials
    pub async fn from_env() -> Result<Self> {
        Self::builder().build().await
    }

    /// Sets by hand what the environment should not.
    pub fn builder() -> GcpBuilder {
        GcpBuilder::default()
    }

    /// The services as one [`Cloud`].
    pub fn cloud(&self) -> Cloud {
        Cloud {
            #[cfg(feature = "blob")]
            blob: self.blob.clone(),
            #[cfg(not(feature = "blob"))]
            blob: Arc::new(Unsupported::feature("mvi-gcp", "blob")),
            #[cfg(feature = "kv")]
            kv: self.kv.clone(),
            #[cfg(not(feature = "kv"))]
            kv: Arc::new(Unsupported::feature("mvi-gcp", "kv")),
            ..Cloud::unsupported("mvi-gcp does not have this service yet")
        }
    }

    #[cfg(feature = "_sdk")]
    async fn with(builder: GcpBuilder) -> Result<Self> {
        let config = config::Config::load(builder).await?;
        Ok(Self {
            #[cfg(feature = "blob")]
            blob: Arc::new(blob::GcsBlob::new(config.clone())),
            #[cfg(feature = "kv")]
            kv: Arc::new(kv::FirestoreKv::new(config)),
        })
    }

    #[cfg(not(feature = "_sdk"))]
    #[expect(clippy::unused_async, reason = "with a service it is async")]
    async fn with(_builder: GcpBuilder) -> Result<Self> {
        Ok(Self {})
    }
}
