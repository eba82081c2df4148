//! What is compared: one object store behind several clients, each used as its own documentation says to.

mod google;
mod hyper;
mod mvi;
mod sdk;

#[cfg(feature = "peers")]
mod object_store;
#[cfg(feature = "peers")]
mod opendal;

use std::{error::Error, fmt, path::Path};

use async_trait::async_trait;
use bytes::Bytes;
use mvi_aws::Payloads;

pub use self::{google::Google, hyper::RawHyper, mvi::Mvi};
#[cfg(feature = "peers")]
pub use self::{object_store::CloudStore, opendal::Dal};
pub use sdk::Sdk;

/// What can go wrong here is a bug.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Where the server is.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its URL, without a path.
    pub url: String,
    /// The access key's name.
    pub id: String,
    /// The access key.
    pub key: String,
}

impl Place {
    /// A server at `port` of this machine, which takes this key if it looks at keys at all.
    pub fn local(port: u16) -> Self {
        Self {
            url: format!("http://127.0.0.1:{port}"),
            id: "AKIAEXAMPLE".into(),
            key: "secretsecretsecret".into(),
        }
    }
}

/// A client of the object store.
#[async_trait]
pub trait Store: Send + Sync {
    /// Reads a whole object into memory.
    async fn get(&self, key: &str) -> Result<Bytes>;

    /// Writes an object from memory, in one request.
    async fn put(&self, key: &str, body: Bytes) -> Result;

    /// Reads a whole object, piece by piece, and returns how many bytes there were.
    async fn download(&self, key: &str) -> Result<usize>;

    /// Writes a large object from memory.
    async fn upload(&self, key: &str, body: Bytes) -> Result;

    /// Writes a large object from a file, of which memory need not hold more than some parts.
    async fn upload_file(&self, key: &str, file: &Path) -> Result;

    /// Lists the whole bucket, and returns how many objects there were.
    async fn list(&self) -> Result<usize>;
}

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// MVI on S3, as it is over TLS: the payload is not signed, but checked by its CRC-32C.
    Mvi,
    /// MVI on S3, as it is without TLS: the payload is signed.
    MviSigned,
    /// MVI on Cloud Storage.
    MviGoogle,
    /// The official SDK, as one would set it up.
    Sdk,
    /// The official SDK with uploads in parts by hand, four at a time, without a signature of the payload.
    SdkParts,
    /// HTTP and nothing else: no signature, no checksum, no time limit.
    Hyper,
    /// `object_store`.
    ObjectStore,
    /// `object_store` without a signature of the payload.
    ObjectStoreUnsigned,
    /// `opendal`, with its layers for retries and time limits.
    OpenDal,
    /// Google's own client.
    Google,
    /// `object_store`, for Cloud Storage.
    ObjectStoreGoogle,
}

impl Client {
    /// All that are built.
    pub const ALL: &[Self] = &[
        Self::Mvi,
        Self::MviSigned,
        #[cfg(feature = "google")]
        Self::MviGoogle,
        Self::Sdk,
        Self::SdkParts,
        Self::Hyper,
        #[cfg(feature = "peers")]
        Self::ObjectStore,
        #[cfg(feature = "peers")]
        Self::ObjectStoreUnsigned,
        #[cfg(feature = "peers")]
        Self::OpenDal,
        Self::Google,
        #[cfg(feature = "peers")]
        Self::ObjectStoreGoogle,
    ];

    /// What a report calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mvi | Self::MviSigned => "`mvi-aws`",
            Self::MviGoogle => "`mvi-gcp`",
            Self::Sdk => "`aws-sdk-s3`",
            Self::SdkParts => "`aws-sdk-s3` in parts, payload not signed",
            Self::Hyper => "raw `hyper`",
            Self::ObjectStore | Self::ObjectStoreGoogle => "`object_store`",
            Self::ObjectStoreUnsigned => "`object_store`, payload not signed",
            Self::OpenDal => "`opendal`",
            Self::Google => "`google-cloud-storage`",
        }
    }

    /// What a command line calls it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mvi => "mvi",
            Self::MviSigned => "mvi-signed",
            Self::MviGoogle => "mvi-google",
            Self::Sdk => "sdk",
            Self::SdkParts => "sdk-parts",
            Self::Hyper => "hyper",
            Self::ObjectStore => "object_store",
            Self::ObjectStoreUnsigned => "object_store-unsigned",
            Self::OpenDal => "opendal",
            Self::Google => "google",
            Self::ObjectStoreGoogle => "object_store-google",
        }
    }

    /// The client that a command line calls `word`.
    pub fn find(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.word() == word)
    }

    /// The client itself, at `place`.
    pub async fn open(self, place: &Place) -> Result<Box<dyn Store>> {
        Ok(match self {
            Self::Mvi => Box::new(Mvi::s3(place, Payloads::Unsigned).await?),
            Self::MviSigned => Box::new(Mvi::s3(place, Payloads::Signed).await?),
            #[cfg(feature = "google")]
            Self::MviGoogle => Box::new(Mvi::google(place).await?),
            Self::Sdk => Box::new(Sdk::new(place, sdk::Uploads::Whole)),
            Self::SdkParts => Box::new(Sdk::new(place, sdk::Uploads::Parts)),
            Self::Hyper => Box::new(RawHyper::new(place)),
            #[cfg(feature = "peers")]
            Self::ObjectStore => Box::new(CloudStore::s3(place, true)?),
            #[cfg(feature = "peers")]
            Self::ObjectStoreUnsigned => Box::new(CloudStore::s3(place, false)?),
            #[cfg(feature = "peers")]
            Self::OpenDal => Box::new(Dal::new(place)?),
            Self::Google => Box::new(Google::new(place).await?),
            #[cfg(feature = "peers")]
            Self::ObjectStoreGoogle => Box::new(CloudStore::gcs(place)?),
            #[cfg(not(all(feature = "peers", feature = "google")))]
            _ => return Err(format!("{self} is behind a feature that is off").into()),
        })
    }
}

/// Says which cryptography TLS has, where nobody has yet: clients want to know, though all here is plain HTTP.
fn cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
