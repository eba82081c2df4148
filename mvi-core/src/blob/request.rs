//! What callers build to make buckets and to write.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Crc32c, Encryption, Key, Part, Properties, Tag, Upload, VersionId,
    check::{MAX_PARTS, invalid},
};
use crate::{BucketName, Error, Labels, Result};

/// See [`Blob::create_bucket`](super::Blob::create_bucket).
///
/// ```
/// use mvi_core::{BucketName, Labels, blob::CreateBucket};
///
/// let labels = Labels::new().with("app", "links")?;
/// let uploads = CreateBucket::new(BucketName::new("acme-7f3-uploads")?).labels(labels);
/// # let _ = uploads;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateBucket {
    /// Its name, unique in the world.
    pub name: BucketName,
    /// What to find it by later.
    pub labels: Labels,
}

impl CreateBucket {
    /// A bucket called `name`.
    pub fn new(name: BucketName) -> Self {
        Self { name, labels: Labels::new() }
    }

    /// Writes `labels` on it.
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.labels = labels;
        self
    }
}

/// What is removed by itself, and when: one rule of a bucket's lifecycle.
///
/// ```
/// use mvi_core::blob::Rule;
///
/// let rules = [Rule::expire("tmp/", 1), Rule::expire_noncurrent("", 30)];
/// # let _ = rules;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// What the keys start with; all, where it is empty.
    pub prefix: String,
    /// What happens to them.
    pub action: Action,
}

/// What a [`Rule`] does. Days are whole, 1 to 36,500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Removes an object so many days after it was written. In a bucket that keeps versions it becomes one.
    Expire {
        /// Days since it was written.
        days: u32,
    },
    /// Removes a version for good so many days after it was replaced or removed.
    ExpireNoncurrent {
        /// Days since it was replaced or removed.
        days: u32,
    },
}

impl Rule {
    /// Removes objects under `prefix` so many `days` after they were written.
    pub fn expire(prefix: impl Into<String>, days: u32) -> Self {
        Self { prefix: prefix.into(), action: Action::Expire { days } }
    }

    /// Removes versions under `prefix` so many `days` after they were replaced or removed.
    pub fn expire_noncurrent(prefix: impl Into<String>, days: u32) -> Self {
        Self { prefix: prefix.into(), action: Action::ExpireNoncurrent { days } }
    }
}

/// When a write may happen. It is decided at the moment of the write, and nobody comes between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Always: what was there is replaced.
    #[default]
    Always,
    /// Only where nothing is there.
    IfAbsent,
    /// Only where what is there has this tag.
    IfMatch(Tag),
}

/// See [`Blob::put`](super::Blob::put).
///
/// ```
/// use mvi_core::{BucketName, blob::{Key, Mode, Put}};
///
/// let put = Put::new(BucketName::new("acme-7f3-logs")?, Key::new("today.txt")?)
///     .mode(Mode::IfAbsent)
///     .content_type("text/plain")
///     .metadata("host", "web-1")?;
/// # let _ = put;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The bucket.
    pub bucket: BucketName,
    /// The object's key.
    pub key: Key,
    /// When the write may happen; always, unless set.
    pub mode: Mode,
    /// What is written on it; nothing, unless set.
    pub properties: Properties,
    /// Who holds the key that it is encrypted with; the provider, unless set.
    pub encryption: Encryption,
    /// That of the body, where it is known: what arrives with another one is not stored. Without it, it is computed on the way.
    pub checksum: Option<Crc32c>,
}

impl Put {
    /// Writes the object at `key`.
    pub fn new(bucket: BucketName, key: Key) -> Self {
        Self {
            bucket,
            key,
            mode: Mode::Always,
            properties: Properties::default(),
            encryption: Encryption::Provider,
            checksum: None,
        }
    }

    /// Writes only where `mode` holds.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Stores only what has this checksum.
    #[must_use]
    pub fn checksum(mut self, checksum: Crc32c) -> Self {
        self.checksum = Some(checksum);
        self
    }

    /// The upload that writes the same in parts; [`mode`](Self::mode) and [`checksum`](Self::checksum) are said when it is completed.
    pub fn upload(&self) -> StartUpload {
        let Self { bucket, key, mode: _, properties, encryption, checksum: _ } = self;
        StartUpload {
            bucket: bucket.clone(),
            key: key.clone(),
            properties: properties.clone(),
            encryption: encryption.clone(),
        }
    }
}

/// What is written on an object, as it is said of one call or of an upload.
macro_rules! written {
    ($name:ident) => {
        impl $name {
            /// Writes `properties` on it, in place of what was set.
            #[must_use]
            pub fn properties(mut self, properties: Properties) -> Self {
                self.properties = properties;
                self
            }

            /// Says its media type.
            #[must_use]
            pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
                self.properties.content_type = content_type.into().into();
                self
            }

            /// Notes a value on it.
            ///
            /// # Errors
            ///
            /// [`Invalid`](crate::ErrorKind::Invalid), as [`Metadata::with`](super::Metadata::with) says.
            pub fn metadata(
                mut self,
                name: impl Into<String>,
                value: impl Into<String>,
            ) -> Result<Self> {
                self.properties.metadata = self.properties.metadata.with(name, value)?;
                Ok(self)
            }

            /// Encrypts it with that key.
            #[must_use]
            pub fn encryption(mut self, encryption: Encryption) -> Self {
                self.encryption = encryption;
                self
            }
        }
    };
}

written!(Put);
written!(StartUpload);

/// See [`Blob::delete`](super::Blob::delete).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// The bucket.
    pub bucket: BucketName,
    /// The object's key.
    pub key: Key,
    /// Removes only what has this tag; anything, unless set. Not beside `version`.
    pub if_match: Option<Tag>,
    /// Removes this version for good; the current one, unless set, which a bucket with versioning keeps as a version.
    pub version: Option<VersionId>,
}

impl Delete {
    /// Removes the object at `key`.
    pub fn new(bucket: BucketName, key: Key) -> Self {
        Self { bucket, key, if_match: None, version: None }
    }

    /// Removes only what has this tag.
    #[must_use]
    pub fn if_match(mut self, tag: Tag) -> Self {
        self.if_match = Some(tag);
        self
    }

    /// Removes this version for good.
    #[must_use]
    pub fn version(mut self, version: VersionId) -> Self {
        self.version = Some(version);
        self
    }
}

/// One object, or one of its versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Its key.
    pub key: Key,
    /// Which version; the current one, where there is none.
    pub version: Option<VersionId>,
}

impl From<Key> for Target {
    fn from(key: Key) -> Self {
        Self { key, version: None }
    }
}

/// See [`Blob::delete_many`](super::Blob::delete_many).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteMany {
    /// The bucket.
    pub bucket: BucketName,
    /// What to remove, as many as one likes.
    pub targets: Vec<Target>,
}

impl DeleteMany {
    /// Removes `targets`.
    pub fn new<T: Into<Target>>(bucket: BucketName, targets: impl IntoIterator<Item = T>) -> Self {
        Self { bucket, targets: targets.into_iter().map(Into::into).collect() }
    }
}

/// What a [copy](struct@Copy) reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The bucket.
    pub bucket: BucketName,
    /// The object's key.
    pub key: Key,
    /// Which version; the current one, unless set.
    pub version: Option<VersionId>,
    /// Copies only what has this tag; anything, unless set.
    pub if_match: Option<Tag>,
}

impl Source {
    /// The object at `key`.
    pub fn new(bucket: BucketName, key: Key) -> Self {
        Self { bucket, key, version: None, if_match: None }
    }

    /// This version of it.
    #[must_use]
    pub fn version(mut self, version: VersionId) -> Self {
        self.version = Some(version);
        self
    }

    /// Only what has this tag.
    #[must_use]
    pub fn if_match(mut self, tag: Tag) -> Self {
        self.if_match = Some(tag);
        self
    }
}

/// See [`Blob::copy`](super::Blob::copy).
///
/// ```
/// use mvi_core::{BucketName, blob::{Copy, Key, Mode, Source}};
///
/// let bucket = BucketName::new("acme-7f3-logs")?;
/// let draft = Source::new(bucket.clone(), Key::new("draft.txt")?);
/// let publish = Copy::new(draft, bucket, Key::new("final.txt")?).mode(Mode::IfAbsent);
/// # let _ = publish;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// What is read.
    pub source: Source,
    /// The bucket to write to.
    pub bucket: BucketName,
    /// The new object's key.
    pub key: Key,
    /// When the write may happen; always, unless set.
    pub mode: Mode,
    /// What is written on it; what is written on the source, unless set.
    pub properties: Option<Properties>,
    /// Who holds the key that it is encrypted with; the provider, unless set.
    pub encryption: Encryption,
}

impl Copy {
    /// Writes what `source` has to `key`.
    pub fn new(source: Source, bucket: BucketName, key: Key) -> Self {
        Self {
            source,
            bucket,
            key,
            mode: Mode::Always,
            properties: None,
            encryption: Encryption::Provider,
        }
    }

    /// Writes only where `mode` holds.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Writes `properties` on it, in place of the source's.
    #[must_use]
    pub fn properties(mut self, properties: Properties) -> Self {
        self.properties = Some(properties);
        self
    }

    /// Encrypts it with that key.
    #[must_use]
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }
}

/// See [`Blob::start_upload`](super::Blob::start_upload).
///
/// ```
/// use mvi_core::{BucketName, blob::{Key, StartUpload}};
///
/// let film = StartUpload::new(BucketName::new("acme-7f3-films")?, Key::new("1.mp4")?)
///     .content_type("video/mp4");
/// # let _ = film;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key that the object will have.
    pub key: Key,
    /// What is written on it; nothing, unless set.
    pub properties: Properties,
    /// Who holds the key that it is encrypted with; the provider, unless set.
    pub encryption: Encryption,
}

impl StartUpload {
    /// An upload to `key`.
    pub fn new(bucket: BucketName, key: Key) -> Self {
        Put::new(bucket, key).upload()
    }
}

/// Which part of an upload: 1 to [10,000](MAX_PARTS). They make the object in the order of their numbers.
///
/// ```
/// use mvi_core::blob::PartNumber;
///
/// assert_eq!(PartNumber::new(1)?.get(), 1);
/// assert!(PartNumber::new(0).is_err());
/// assert!(PartNumber::new(10_001).is_err());
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct PartNumber(u32);

impl PartNumber {
    /// Checks `number` once, so that no provider must.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn new(number: u32) -> Result<Self> {
        if (1..=MAX_PARTS).contains(&number) {
            return Ok(Self(number));
        }
        invalid(format!("part {number}, wanted 1 to {MAX_PARTS}"))
    }

    /// It as a number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for PartNumber {
    type Error = Error;

    fn try_from(number: u32) -> Result<Self> {
        Self::new(number)
    }
}

impl From<PartNumber> for u32 {
    fn from(number: PartNumber) -> Self {
        number.0
    }
}

/// See [`Blob::complete_upload`](super::Blob::complete_upload).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    /// The upload.
    pub upload: Upload,
    /// The parts that make the object, in the order of their numbers, at least one. Parts that are left out are removed.
    pub parts: Vec<Part>,
    /// When the write may happen; always, unless set.
    pub mode: Mode,
    /// That of the whole object, where it is known: otherwise it is made of the parts' checksums.
    pub checksum: Option<Crc32c>,
}

impl Complete {
    /// Makes the object of `parts`.
    pub fn new(upload: Upload, parts: Vec<Part>) -> Self {
        Self { upload, parts, mode: Mode::Always, checksum: None }
    }

    /// Writes only where `mode` holds.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Stores only what has this checksum.
    #[must_use]
    pub fn checksum(mut self, checksum: Crc32c) -> Self {
        self.checksum = Some(checksum);
        self
    }

    /// How many bytes the object will have.
    pub fn size(&self) -> u64 {
        self.parts.iter().fold(0, |sum, it| sum.saturating_add(it.size))
    }

    /// That of the whole object, as it should be: what is [said](Self::checksum), or else what the parts' checksums make, where each has one.
    pub fn whole_checksum(&self) -> Option<Crc32c> {
        self.checksum.or_else(|| {
            self.parts.iter().try_fold(Crc32c::default(), |whole, part| {
                Some(whole.join(part.checksum?, part.size))
            })
        })
    }
}

/// How a [`Presigned`](super::Presigned) URL is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Method {
    /// By `GET`, to read.
    Get,
    /// By `PUT`, to write.
    Put,
}

impl Method {
    /// As HTTP has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
        }
    }
}

/// See [`Blob::presign`](super::Blob::presign).
///
/// ```
/// use std::time::Duration;
/// use mvi_core::{BucketName, blob::{Key, Presign}};
///
/// let (bucket, key) = (BucketName::new("acme-7f3-films")?, Key::new("1.mp4")?);
/// let for_an_hour = Presign::get(bucket, key, Duration::from_secs(3_600));
/// # let _ = for_an_hour;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presign {
    /// What the URL is good for.
    pub method: Method,
    /// The bucket.
    pub bucket: BucketName,
    /// The object's key.
    pub key: Key,
    /// For how long it works, from now on: whole seconds, 1 s to [7 days](super::MAX_PRESIGN). Where the credentials that sign it end
    /// earlier, so does it.
    pub expires: Duration,
    /// What is written must have this media type; any, unless set. Only to write.
    pub content_type: Option<String>,
}

impl Presign {
    /// To read the object at `key` for so long.
    pub fn get(bucket: BucketName, key: Key, expires: Duration) -> Self {
        Self { method: Method::Get, bucket, key, expires, content_type: None }
    }

    /// To write the object at `key` for so long.
    pub fn put(bucket: BucketName, key: Key, expires: Duration) -> Self {
        Self { method: Method::Put, bucket, key, expires, content_type: None }
    }

    /// Only what has this media type.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }
}
