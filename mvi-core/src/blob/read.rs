//! What callers build to read.

use std::num::NonZeroU32;

use super::{ByteRange, Key, Tag, VersionId};
use crate::BucketName;

/// See [`Blob::get`](super::Blob::get).
///
/// ```
/// use mvi_core::{BucketName, blob::{Get, Key}};
///
/// let head = Get::new(BucketName::new("acme-7f3-logs")?, Key::new("today.txt")?).range(0..1_024);
/// # let _ = head;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// The bucket.
    pub bucket: BucketName,
    /// The object's key.
    pub key: Key,
    /// Which of its bytes; all, unless set. A range is not checked against the checksum, which is of the whole.
    pub range: Option<ByteRange>,
    /// Reads only what has this tag; anything, unless set.
    pub if_match: Option<Tag>,
    /// Reads only what has another tag: what a cache asks; anything, unless set. Not beside `if_match`.
    pub if_none_match: Option<Tag>,
    /// Which version; the current one, unless set.
    pub version: Option<VersionId>,
}

impl Get {
    /// Reads the object at `key`.
    pub fn new(bucket: BucketName, key: Key) -> Self {
        Self { bucket, key, range: None, if_match: None, if_none_match: None, version: None }
    }

    /// Reads only these of its bytes.
    #[must_use]
    pub fn range(mut self, range: impl Into<ByteRange>) -> Self {
        self.range = Some(range.into());
        self
    }

    /// Reads only what has this tag.
    #[must_use]
    pub fn if_match(mut self, tag: Tag) -> Self {
        self.if_match = Some(tag);
        self
    }

    /// Reads only what has another tag.
    #[must_use]
    pub fn if_none_match(mut self, tag: Tag) -> Self {
        self.if_none_match = Some(tag);
        self
    }

    /// Reads this version.
    #[must_use]
    pub fn version(mut self, version: VersionId) -> Self {
        self.version = Some(version);
        self
    }
}

/// See [`Blob::head`](super::Blob::head).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The bucket.
    pub bucket: BucketName,
    /// The object's key.
    pub key: Key,
    /// Which version; the current one, unless set.
    pub version: Option<VersionId>,
}

impl Head {
    /// Asks for the object at `key`.
    pub fn new(bucket: BucketName, key: Key) -> Self {
        Self { bucket, key, version: None }
    }

    /// Asks for this version.
    #[must_use]
    pub fn version(mut self, version: VersionId) -> Self {
        self.version = Some(version);
        self
    }
}

/// See [`Blob::list`](super::Blob::list).
///
/// ```
/// use mvi_core::{BucketName, blob::List};
///
/// let folders_and_files = List::new(BucketName::new("acme-7f3-logs")?).prefix("2026/").delimiter("/");
/// # let _ = folders_and_files;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The bucket.
    pub bucket: BucketName,
    /// What the keys start with; anything, unless set.
    pub prefix: String,
    /// Folds keys that are the same up to it, after the prefix, into one entry; nothing is folded, unless set.
    pub delimiter: Option<String>,
    /// Gives only entries, objects or prefixes, that are greater than it, by bytes; all, unless set.
    pub start_after: Option<String>,
    /// The most entries to give; all, unless set.
    pub limit: Option<u64>,
    /// The most entries to ask for at a time; the provider's choice, unless set.
    pub page: Option<NonZeroU32>,
}

impl List {
    /// Lists all of `bucket`.
    pub fn new(bucket: BucketName) -> Self {
        Self {
            bucket,
            prefix: String::new(),
            delimiter: None,
            start_after: None,
            limit: None,
            page: None,
        }
    }

    /// Only keys that start with `prefix`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Folds keys that are the same up to `delimiter`, after the prefix.
    #[must_use]
    pub fn delimiter(mut self, delimiter: impl Into<String>) -> Self {
        self.delimiter = Some(delimiter.into());
        self
    }

    /// Begins behind `entry`, which need not be there.
    #[must_use]
    pub fn start_after(mut self, entry: impl Into<String>) -> Self {
        self.start_after = Some(entry.into());
        self
    }

    /// Gives at most so many entries.
    #[must_use]
    pub fn limit(mut self, entries: u64) -> Self {
        self.limit = Some(entries);
        self
    }

    /// Asks for at most so many entries at a time.
    #[must_use]
    pub fn page(mut self, entries: NonZeroU32) -> Self {
        self.page = Some(entries);
        self
    }
}

/// See [`Blob::versions`](super::Blob::versions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The bucket.
    pub bucket: BucketName,
    /// What the keys start with; anything, unless set.
    pub prefix: String,
    /// The most versions to ask for at a time; the provider's choice, unless set.
    pub page: Option<NonZeroU32>,
}

impl Versions {
    /// Lists all versions in `bucket`.
    pub fn new(bucket: BucketName) -> Self {
        Self { bucket, prefix: String::new(), page: None }
    }

    /// Only keys that start with `prefix`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Asks for at most so many versions at a time.
    #[must_use]
    pub fn page(mut self, versions: NonZeroU32) -> Self {
        self.page = Some(versions);
        self
    }
}
