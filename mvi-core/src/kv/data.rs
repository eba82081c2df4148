//! What callers get back: tables and records.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Item, Value};
use crate::{Labels, Name, text::Text};

/// A table as the provider reports it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name, unique in the account and region or project.
    pub name: Name,
    /// The attribute that says which partition a record is in.
    pub partition: Attr,
    /// The attribute that orders records in a partition; without it a partition is one record.
    pub sort: Option<Attr>,
    /// Other ways to find records.
    pub indexes: Vec<Index>,
    /// Whether records may expire.
    pub ttl: Ttl,
    /// What its creator wrote on it.
    pub labels: Labels,
    /// How far along it is.
    pub state: TableState,
    /// When it was created.
    pub created: Option<Timestamp>,
}

impl Table {
    /// A table as a provider reported it; the rest is set after.
    pub fn new(name: Name, partition: Attr, sort: Option<Attr>, state: TableState) -> Self {
        Self {
            name,
            partition,
            sort,
            indexes: Vec::new(),
            ttl: Ttl::Off,
            labels: Labels::new(),
            state,
            created: None,
        }
    }

    /// The index called `name`.
    pub fn index(&self, name: &Name) -> Option<&Index> {
        self.indexes.iter().find(|it| it.name == *name)
    }
}

/// How far along a table is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TableState {
    /// Asked for; its records can't be used yet.
    Creating,
    /// Its records can be used.
    Active,
    /// Its settings are changing; its records can be used.
    Updating,
    /// Going.
    Deleting,
}

/// Whether a table's records may expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ttl {
    /// A write that says when a record expires is refused.
    #[default]
    Off,
    /// Records may expire: from then on nobody sees them, and the provider removes them when it gets to it
    /// ([within days][source]).
    ///
    /// [source]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
    On,
}

/// An attribute of a key: its name and its kind.
///
/// ```
/// use mvi_core::kv::Attr;
///
/// let code = Attr::text("code");
/// assert_eq!(code.name, "code");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attr {
    /// Its name: 1 to 255 bytes.
    pub name: String,
    /// Its kind.
    pub kind: KeyKind,
}

impl Attr {
    /// An attribute that is text.
    pub fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: KeyKind::Text }
    }

    /// An attribute that is a whole number.
    pub fn int(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: KeyKind::Int }
    }

    /// An attribute that is bytes.
    pub fn bytes(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: KeyKind::Bytes }
    }
}

/// The kind of a key's attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum KeyKind {
    /// Text, ordered by its UTF-8 bytes.
    Text,
    /// A whole number, ordered as numbers.
    Int,
    /// Bytes, ordered as bytes.
    Bytes,
}

/// Another way to find a table's records: those that have its attributes, by other attributes.
///
/// A record that lacks one of the attributes is not in it. Reads of an index are eventually consistent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Index {
    /// Its name, unique in its table.
    pub name: Name,
    /// The attribute that says which partition a record is in. It may be one of the key's.
    pub partition: Attr,
    /// The attribute that orders records in a partition. It may be one of the key's.
    pub sort: Option<Attr>,
}

impl Index {
    /// An index called `name` on the attribute `partition`.
    pub fn new(name: Name, partition: Attr) -> Self {
        Self { name, partition, sort: None }
    }

    /// Orders its partitions by `sort`.
    #[must_use]
    pub fn sort(mut self, sort: Attr) -> Self {
        self.sort = Some(sort);
        self
    }
}

/// Where a record is in its table.
///
/// ```
/// use mvi_core::kv::Key;
///
/// let link = Key::new("gh");
/// let third_of_ann = Key::sorted("ann", 3);
/// assert_ne!(link, third_of_ann);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Which partition it is in.
    pub partition: KeyValue,
    /// Its place there, where the table has a sort attribute.
    pub sort: Option<KeyValue>,
}

impl Key {
    /// The key of a table without a sort attribute.
    pub fn new(partition: impl Into<KeyValue>) -> Self {
        Self { partition: partition.into(), sort: None }
    }

    /// The key of a table with one.
    pub fn sorted(partition: impl Into<KeyValue>, sort: impl Into<KeyValue>) -> Self {
        Self { partition: partition.into(), sort: Some(sort.into()) }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sort {
            Some(sort) => write!(f, "{:?}/{sort:?}", self.partition),
            None => self.partition.fmt(f),
        }
    }
}

impl<T: Into<KeyValue>> From<T> for Key {
    fn from(partition: T) -> Self {
        Self::new(partition)
    }
}

/// A key attribute's value. Values of one kind have the same order on every provider.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum KeyValue {
    /// Text, not empty, ordered by its UTF-8 bytes.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Bytes, not empty.
    Bytes(Bytes),
}

impl KeyValue {
    /// Its kind.
    pub const fn kind(&self) -> KeyKind {
        match self {
            Self::Text(_) => KeyKind::Text,
            Self::Int(_) => KeyKind::Int,
            Self::Bytes(_) => KeyKind::Bytes,
        }
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Int(int) => int.fmt(f),
            Self::Bytes(bytes) => bytes.fmt(f),
        }
    }
}

impl From<&str> for KeyValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for KeyValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for KeyValue {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<i32> for KeyValue {
    fn from(int: i32) -> Self {
        Self::Int(int.into())
    }
}

impl From<u32> for KeyValue {
    fn from(int: u32) -> Self {
        Self::Int(int.into())
    }
}

impl From<Bytes> for KeyValue {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<KeyValue> for Value {
    fn from(key: KeyValue) -> Self {
        match key {
            KeyValue::Text(text) => Self::Text(text),
            KeyValue::Int(int) => int.into(),
            KeyValue::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

/// Names one write of one record. Compare it; do not read meaning into it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Version(Text);

impl Version {
    /// A version as a provider names it.
    pub fn new(version: impl AsRef<str>) -> Self {
        Self(Text::new(version.as_ref()))
    }

    /// It as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl From<String> for Version {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.as_str().to_owned()
    }
}

/// An item, where it is, and the write that made it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub key: Key,
    /// Its attributes, without the key's.
    pub item: Item,
    /// The write that made it so.
    pub version: Version,
    /// When it expires: from then on nobody sees it.
    pub expires: Option<Timestamp>,
}

impl Record {
    /// A record as a provider read it.
    pub fn new(key: Key, item: Item, version: Version) -> Self {
        Self { key, item, version, expires: None }
    }
}

/// A place in the results of a query or a scan: what comes after it comes next.
///
/// Made from the last record that was seen ([`Cursor::after`], [`Cursor::after_in`]); serde keeps it for the next process.
/// The record need not exist any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// The key of the last record that was seen.
    pub key: Key,
    /// In an index, that record's place there.
    pub place: Option<Key>,
}

impl Cursor {
    /// The place after `record`, in its table.
    pub fn after(record: &Record) -> Self {
        Self { key: record.key.clone(), place: None }
    }
}

impl From<Key> for Cursor {
    fn from(key: Key) -> Self {
        Self { key, place: None }
    }
}
