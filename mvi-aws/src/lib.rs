//! Eleven cloud services on Amazon Web Services, through its official SDKs.
//!
//! ```no_run
//! use mvi_aws::Aws;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> mvi_core::Result<()> {
//! let aws = Aws::from_env().await?;
//! let cloud = aws.cloud();
//! # let _ = cloud; Ok(())
//! # }
//! ```
//!
//! One cargo feature a service, none on by default, `full` for all. Built today: `blob`, `kv`. A service whose feature is
//! off, or that is not built yet, answers [`Unsupported`](mvi_core::ErrorKind::Unsupported) and says which.

#[cfg(feature = "_sdk")]
mod attempt;
#[cfg(feature = "blob")]
pub mod blob;
#[cfg(feature = "_sdk")]
mod clock;
mod config;
#[cfg(feature = "_sdk")]
mod error;
#[cfg(feature = "kv")]
pub mod kv;
#[cfg(feature = "_sdk")]
mod nonce;
#[cfg(feature = "_sdk")]
mod partial;

use std::sync::Arc;

use mvi_core::{Cloud, Result};

pub use config::{AwsBuilder, Payloads, Retries, Service, Timeouts};

/// The services of one account in one region.
///
/// Each field is a concrete service, whose SDK client is at hand for what MVI does not do:
/// `aws.kv.client()`.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Any amount of unstructured data, on S3.
    #[cfg(feature = "blob")]
    pub blob: blob::S3Blob,
    /// Small structured records, on `DynamoDB`.
    #[cfg(feature = "kv")]
    pub kv: kv::DynamoKv,
}

impl Aws {
    /// Takes everything from the environment, as every Amazon tool does: variables, the files in `~/.aws`, and the
    /// machine's or container's role.
    ///
    /// # Errors
    ///
    /// [`Invalid`](mvi_core::ErrorKind::Invalid) where no region is known. Credentials are looked for at the first
    /// call, which is [`Unauthenticated`](mvi_core::ErrorKind::Unauthenticated) without.
    pub async fn from_env() -> Result<Self> {
        Self::builder().build().await
    }

    /// Sets by hand what the environment should not.
    pub fn builder() -> AwsBuilder {
        AwsBuilder::default()
    }

    /// The services as one [`Cloud`].
    pub fn cloud(&self) -> Cloud {
        Cloud {
            #[cfg(feature = "blob")]
            blob: Arc::new(self.blob.clone()),
            #[cfg(not(feature = "blob"))]
            blob: Arc::new(mvi_core::Unsupported::feature("mvi-aws", "blob")),
            #[cfg(feature = "kv")]
            kv: Arc::new(self.kv.clone()),
            #[cfg(not(feature = "kv"))]
            kv: Arc::new(mvi_core::Unsupported::feature("mvi-aws", "kv")),
            ..Cloud::unsupported("mvi-aws does not have this service yet")
        }
    }

    #[cfg(feature = "_sdk")]
    async fn with(builder: AwsBuilder) -> Result<Self> {
        let config = config::Config::load(builder).await?;
        Ok(Self {
            #[cfg(feature = "blob")]
            blob: blob::S3Blob::new(&config),
            #[cfg(feature = "kv")]
            kv: kv::DynamoKv::new(&config),
        })
    }

    #[cfg(not(feature = "_sdk"))]
    fn with(_builder: AwsBuilder) -> std::future::Ready<Result<Self>> {
        std::future::ready(Ok(Self {}))
    }
}
