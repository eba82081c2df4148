//! What callers get back: buckets, objects, uploads.

use std::{fmt, ops::Range};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Crc32c, Encryption, Key, Method, PartNumber, Properties, Rule,
    check::invalid,
    checksum::{corrupt, unchanged},
};
use crate::{BucketName, Labels, Result, text::Text};

/// A bucket as the provider reports it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its name, unique in the world.
    pub name: BucketName,
    /// What its creator wrote on it.
    pub labels: Labels,
    /// Whether what is replaced or removed is kept.
    pub versioning: Versioning,
    /// What is removed by itself; without what MVI has removed in every bucket.
    pub lifecycle: Vec<Rule>,
    /// When it was created.
    pub created: Option<Timestamp>,
}

impl Bucket {
    /// A bucket as a provider reported it; the rest is set after.
    pub fn new(name: BucketName) -> Self {
        Self {
            name,
            labels: Labels::new(),
            versioning: Versioning::Off,
            lifecycle: Vec::new(),
            created: None,
        }
    }
}

/// Whether a bucket keeps what is replaced or removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Versioning {
    /// It does not. What was kept before stays; whether the object that is there when versioning ends is kept when it is replaced, differs:
    /// on S3 it is, on Cloud Storage it is not.
    #[default]
    Off,
    /// It does, as [versions](super::Blob::versions).
    On,
}

/// Text by which a provider knows something: made by it, and given back to it.
macro_rules! provider_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Text);

        impl $name {
            /// It as a provider names it.
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(Text::new(text.as_ref()))
            }

            /// It as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(it: $name) -> Self {
                it.as_str().to_owned()
            }
        }
    };
}

provider_text! {
    /// Names one content of one object: what [`Mode::IfMatch`](super::Mode::IfMatch) wants. Compare it; do not read meaning into it. A clone does not allocate.
    ///
    /// On S3 it is the `ETag`, which is of the content alone: the same bytes written twice have the same tag. On Cloud Storage it is the
    /// generation, which is of one write. As a condition it is 1 to 1,024 bytes of visible ASCII with no blank.
    Tag
}

provider_text! {
    /// Names one version of an object in a bucket that keeps them. Compare it; do not read meaning into it. A clone does not allocate.
    ///
    /// Whoever asks for one says 1 to 1,024 bytes of visible ASCII with no blank.
    VersionId
}

/// What there is to know of an object besides its bytes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Its key.
    pub key: Key,
    /// How many bytes it has.
    pub size: u64,
    /// What it is now: for [`Mode::IfMatch`](super::Mode::IfMatch), and to read the same again.
    pub tag: Tag,
    /// Which version it is, where the bucket keeps them.
    pub version: Option<VersionId>,
    /// What is written on it.
    pub properties: Properties,
    /// That of the whole object. What others than MVI wrote may have none.
    pub checksum: Option<Crc32c>,
    /// Who holds the key that it is encrypted with.
    pub encryption: Encryption,
    /// When it was written, by the provider's clock; of a write just done it may be not said yet.
    pub modified: Option<Timestamp>,
}

impl Meta {
    /// An object as a provider reported it; the rest is set after.
    pub fn new(key: Key, size: u64, tag: Tag) -> Self {
        Self::of(key, size, tag, Properties::default())
    }

    /// An object as a provider reported it, with what is written on it; the rest is set after.
    pub fn of(key: Key, size: u64, tag: Tag, properties: Properties) -> Self {
        Self {
            key,
            size,
            tag,
            version: None,
            properties,
            checksum: None,
            encryption: Encryption::Provider,
            modified: None,
        }
    }
}

/// An object that is being read.
#[non_exhaustive]
pub struct Object {
    /// What there is to know of it: of the whole object, also where a range is read.
    pub meta: Meta,
    /// Which of its bytes come.
    pub range: Range<u64>,
    /// The bytes, as they come. An error ends them.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl Object {
    /// An object as a provider sends it. The provider checks the body: see [`Checked`](super::Checked).
    pub fn new(meta: Meta, range: Range<u64>, body: BoxStream<'static, Result<Bytes>>) -> Self {
        Self { meta, range, body }
    }

    /// How many bytes come.
    pub fn length(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Reads all that comes, of at most `limit` bytes.
    ///
    /// ```
    /// use mvi_core::{Blob, BucketName, Result, blob::{Get, Key}};
    ///
    /// async fn motto(blob: &dyn Blob) -> Result<bytes::Bytes> {
    ///     let get = Get::new(BucketName::new("acme-7f3-texts")?, Key::new("motto.txt")?);
    ///     blob.get(get).await?.bytes(1_024).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where more would come, and then nothing is read; that of the body;
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where it has not as many bytes as were said, or is the whole object, and has another checksum.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes> {
        let length = self.length();
        if length > limit as u64 {
            return invalid(format!("{length} bytes to read, wanted at most {limit}"));
        }
        let length = usize::try_from(length).unwrap_or(limit);
        // A range can't be held against the checksum of the whole.
        let checksum = self.meta.checksum.filter(|_| self.range == (0..self.meta.size));
        let Some(mut first) = self.body.next().await.transpose()? else {
            return whole(Bytes::new(), length, checksum);
        };
        let mut all = BytesMut::new();
        while let Some(chunk) = self.body.next().await.transpose()? {
            // What comes in one chunk is not copied.
            if all.capacity() == 0 {
                all.reserve(length.max(first.len()));
                all.extend_from_slice(&first);
            }
            if all.len() + chunk.len() > length {
                return Err(corrupt(format!(
                    "a body of more than the {length} bytes it should have"
                )));
            }
            all.extend_from_slice(&chunk);
            first = Bytes::new();
        }
        whole(if all.is_empty() { first } else { all.freeze() }, length, checksum)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { meta, range, body: _ } = self;
        f.debug_struct("Object").field("meta", meta).field("range", range).finish_non_exhaustive()
    }
}

/// Chunks pass a seam, where a hook may lose or repeat one behind the provider's own check.
fn whole(bytes: Bytes, length: usize, checksum: Option<Crc32c>) -> Result<Bytes> {
    if bytes.len() != length {
        let found = bytes.len();
        return Err(corrupt(format!("a body of {found} bytes, wanted {length}")));
    }
    match checksum {
        Some(wanted) => Crc32c::of(&bytes).check(wanted).map_err(unchanged).map(|()| bytes),
        None => Ok(bytes),
    }
}

/// What a listing has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// An object.
    Object(Listed),
    /// The start that several keys share, up to the delimiter and with it.
    Prefix(String),
}

impl Entry {
    /// The object's key, or the prefix.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Object(listed) => listed.key.as_str(),
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// An object as a listing has it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its key.
    pub key: Key,
    /// How many bytes it has.
    pub size: u64,
    /// What it is now.
    pub tag: Tag,
    /// When it was written.
    pub modified: Option<Timestamp>,
}

impl Listed {
    /// An object as a provider lists it.
    pub fn new(key: Key, size: u64, tag: Tag) -> Self {
        Self { key, size, tag, modified: None }
    }
}

/// One version of an object.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectVersion {
    /// The object's key.
    pub key: Key,
    /// Which version it is.
    pub version: VersionId,
    /// What became of it.
    pub state: VersionState,
    /// How many bytes it has; a marker has none.
    pub size: u64,
    /// Its tag; a marker has none.
    pub tag: Option<Tag>,
    /// When it was written.
    pub modified: Option<Timestamp>,
}

impl ObjectVersion {
    /// A version as a provider lists it.
    pub fn new(key: Key, version: VersionId, state: VersionState) -> Self {
        Self { key, version, state, size: 0, tag: None, modified: None }
    }
}

/// What became of a version.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VersionState {
    /// It is what a read without a version gives.
    Current,
    /// It was replaced or removed.
    Noncurrent,
    /// It is no object, but says that there was one that was removed. Only S3 has them; removing one brings the object back.
    DeleteMarker,
}

/// An upload under way. Serde keeps it for the next process.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Upload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key that the object will have.
    pub key: Key,
    /// What the provider knows it by.
    pub id: String,
    /// The nonce that its object will carry; one from a listing has none. By it a repeated [`Complete`](super::Complete) knows its own.
    pub nonce: Option<String>,
    /// When it was started, where the provider says so.
    pub started: Option<Timestamp>,
}

impl Upload {
    /// An upload as a provider names it.
    pub fn new(bucket: BucketName, key: Key, id: impl Into<String>) -> Self {
        Self { bucket, key, id: id.into(), nonce: None, started: None }
    }
}

/// A part that was stored.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which one it is.
    pub number: PartNumber,
    /// How many bytes it has.
    pub size: u64,
    /// What it is.
    pub tag: Tag,
    /// Its checksum.
    pub checksum: Option<Crc32c>,
}

impl Part {
    /// A part as a provider stored it.
    pub fn new(number: PartNumber, size: u64, tag: Tag) -> Self {
        Self { number, size, tag, checksum: None }
    }
}

/// A URL with which whoever has it may read or write one object. Its `Debug` leaves out what lets them.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct Presigned {
    /// How to call it.
    pub method: Method,
    /// The URL. It is a secret: whoever has it needs no other.
    pub url: String,
    /// Headers that have to be sent with it, names in lower case.
    pub headers: Vec<(String, String)>,
    /// When it stops working.
    pub expires: Timestamp,
}

impl Presigned {
    /// A URL as a provider signed it.
    pub fn new(method: Method, url: impl Into<String>, expires: Timestamp) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), expires }
    }
}

impl fmt::Debug for Presigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, url, headers, expires } = self;
        let shown = url.split_once('?').map_or("…", |(place, _)| place);
        f.debug_struct("Presigned")
            .field("method", method)
            .field("url", &format_args!("{shown}?…"))
            .field("headers", &headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("expires", expires)
            .finish()
    }
}
