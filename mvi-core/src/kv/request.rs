//! What callers build to make tables and to write.

use super::{Attr, Condition, Index, Item, Key, Path, Ttl, Value};
use crate::{Labels, Name, When};

/// See [`Kv::create_table`](super::Kv::create_table).
///
/// ```
/// use mvi_core::{Name, kv::{Attr, CreateTable, Index, Ttl}};
///
/// let by_owner = Index::new(Name::new("by-owner")?, Attr::text("owner")).sort(Attr::int("created"));
/// let links = CreateTable::new(Name::new("links")?, Attr::text("code")).index(by_owner).ttl(Ttl::On);
/// # let _ = links;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTable {
    /// Its name, unique in the account and region or project.
    pub name: Name,
    /// The attribute that says which partition a record is in.
    pub partition: Attr,
    /// The attribute that orders records in a partition; none unless set.
    pub sort: Option<Attr>,
    /// Other ways to find records, at most 20; none unless set.
    pub indexes: Vec<Index>,
    /// Whether records may expire; off unless set.
    pub ttl: Ttl,
    /// What to find it by later.
    pub labels: Labels,
}

impl CreateTable {
    /// A table called `name` whose records are found by `partition`.
    pub fn new(name: Name, partition: Attr) -> Self {
        Self {
            name,
            partition,
            sort: None,
            indexes: Vec::new(),
            ttl: Ttl::Off,
            labels: Labels::new(),
        }
    }

    /// Orders records in a partition by `sort`.
    #[must_use]
    pub fn sort(mut self, sort: Attr) -> Self {
        self.sort = Some(sort);
        self
    }

    /// Adds an index.
    #[must_use]
    pub fn index(mut self, index: Index) -> Self {
        self.indexes.push(index);
        self
    }

    /// Says whether records may expire.
    #[must_use]
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// Writes `labels` on it.
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.labels = labels;
        self
    }
}

/// See [`Kv::put`](super::Kv::put).
///
/// ```
/// use std::time::Duration;
/// use mvi_core::{Name, When, kv::{Condition, Item, Put}};
///
/// let put = Put::new(Name::new("links")?, "gh", Item::new().with("url", "https://github.com"))
///     .only_if(Condition::Absent)
///     .expires(When::In(Duration::from_secs(3600)));
/// # let _ = put;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The table.
    pub table: Name,
    /// The record's key.
    pub key: Key,
    /// The whole new item.
    pub item: Item,
    /// When the write may happen; always, unless set.
    pub only_if: Option<Condition>,
    /// When the record expires; never, unless set. Whole seconds count: a part of one is cut off.
    pub expires: Option<When>,
}

impl Put {
    /// Writes `item` at `key`.
    pub fn new(table: Name, key: impl Into<Key>, item: Item) -> Self {
        Self { table, key: key.into(), item, only_if: None, expires: None }
    }

    /// Writes only where `condition` holds.
    #[must_use]
    pub fn only_if(mut self, condition: Condition) -> Self {
        self.only_if = Some(condition);
        self
    }

    /// Lets the record expire.
    #[must_use]
    pub fn expires(mut self, when: When) -> Self {
        self.expires = Some(when);
        self
    }
}

/// One change to an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Puts a value there.
    Set(Path, Value),
    /// Puts a time there, as the provider's clock has it: milliseconds since 1970.
    SetTime(Path, When),
    /// Adds to the number there; what is absent counts as 0. Beyond an `i64` it is a conflict.
    Increment(Path, i64),
    /// Adds values to the end of the list there; what is absent counts as an empty list.
    Append(Path, Vec<Value>),
    /// Removes what is there, if anything.
    Remove(Path),
}

impl Change {
    /// Where the change is.
    pub fn path(&self) -> &Path {
        match self {
            Self::Set(path, _)
            | Self::SetTime(path, _)
            | Self::Increment(path, _)
            | Self::Append(path, _)
            | Self::Remove(path) => path,
        }
    }
}

/// What an update makes of a record's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It no longer expires.
    Never,
    /// It expires then.
    At(When),
}

/// See [`Kv::update`](super::Kv::update).
///
/// ```
/// use mvi_core::{Name, kv::Update};
///
/// let hit = Update::new(Name::new("links")?, "gh").increment("hits", 1);
/// # let _ = hit;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The table.
    pub table: Name,
    /// The record's key.
    pub key: Key,
    /// What to change, all or nothing; no two at overlapping paths.
    pub changes: Vec<Change>,
    /// When the write may happen; always, unless set.
    pub only_if: Option<Condition>,
    /// What becomes of its expiry; it stays, unless set.
    pub expires: Option<Expiry>,
}

impl Update {
    /// Changes the record at `key`; what is absent starts empty.
    pub fn new(table: Name, key: impl Into<Key>) -> Self {
        Self { table, key: key.into(), changes: Vec::new(), only_if: None, expires: None }
    }

    /// Adds a change.
    #[must_use]
    pub fn change(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// Puts `value` at `path`.
    #[must_use]
    pub fn set(self, path: impl Into<Path>, value: impl Into<Value>) -> Self {
        self.change(Change::Set(path.into(), value.into()))
    }

    /// Adds `by` to the number at `path`.
    #[must_use]
    pub fn increment(self, path: impl Into<Path>, by: i64) -> Self {
        self.change(Change::Increment(path.into(), by))
    }

    /// Adds `values` to the end of the list at `path`.
    #[must_use]
    pub fn append(self, path: impl Into<Path>, values: Vec<Value>) -> Self {
        self.change(Change::Append(path.into(), values))
    }

    /// Removes what is at `path`.
    #[must_use]
    pub fn remove(self, path: impl Into<Path>) -> Self {
        self.change(Change::Remove(path.into()))
    }

    /// Writes only where `condition` holds.
    #[must_use]
    pub fn only_if(mut self, condition: Condition) -> Self {
        self.only_if = Some(condition);
        self
    }

    /// Changes when the record expires.
    #[must_use]
    pub fn expires(mut self, expiry: Expiry) -> Self {
        self.expires = Some(expiry);
        self
    }
}

/// See [`Kv::delete`](super::Kv::delete).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// The table.
    pub table: Name,
    /// The record's key.
    pub key: Key,
    /// When the write may happen; always, unless set.
    pub only_if: Option<Condition>,
}

impl Delete {
    /// Removes the record at `key`.
    pub fn new(table: Name, key: impl Into<Key>) -> Self {
        Self { table, key: key.into(), only_if: None }
    }

    /// Removes only where `condition` holds.
    #[must_use]
    pub fn only_if(mut self, condition: Condition) -> Self {
        self.only_if = Some(condition);
        self
    }
}

/// See [`Kv::write_many`](super::Kv::write_many).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteMany {
    /// The writes, as many as one likes, each to another record, in any table.
    pub writes: Vec<Write>,
}

impl WriteMany {
    /// Makes `writes`.
    pub fn new<W: Into<Write>>(writes: impl IntoIterator<Item = W>) -> Self {
        Self { writes: writes.into_iter().map(Into::into).collect() }
    }
}

/// One write of a [`WriteMany`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Writes an item.
    Put(Put),
    /// Removes one.
    Delete(Delete),
}

impl From<Put> for Write {
    fn from(put: Put) -> Self {
        Self::Put(put)
    }
}

impl From<Delete> for Write {
    fn from(delete: Delete) -> Self {
        Self::Delete(delete)
    }
}

/// See [`Kv::transact`](super::Kv::transact).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transact {
    /// What to do, all or nothing: 1 to 100 of them and at most 4 MB, each on another record, in any table.
    pub steps: Vec<Step>,
}

impl Transact {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, step: impl Into<Step>) -> Self {
        self.steps.push(step.into());
        self
    }
}

/// One step of a [`Transact`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes an item.
    Put(Put),
    /// Changes one.
    Update(Update),
    /// Removes one.
    Delete(Delete),
    /// Lets the transaction happen only where a condition holds.
    Check(Check),
}

impl Step {
    /// The table and the key of the step's record.
    pub fn target(&self) -> (&Name, &Key) {
        match self {
            Self::Put(Put { table, key, .. })
            | Self::Update(Update { table, key, .. })
            | Self::Delete(Delete { table, key, .. })
            | Self::Check(Check { table, key, .. }) => (table, key),
        }
    }
}

impl From<Put> for Step {
    fn from(put: Put) -> Self {
        Self::Put(put)
    }
}

impl From<Update> for Step {
    fn from(update: Update) -> Self {
        Self::Update(update)
    }
}

impl From<Delete> for Step {
    fn from(delete: Delete) -> Self {
        Self::Delete(delete)
    }
}

impl From<Check> for Step {
    fn from(check: Check) -> Self {
        Self::Check(check)
    }
}

/// A record that must be as said for a [`Transact`] to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The table.
    pub table: Name,
    /// The record's key.
    pub key: Key,
    /// What must hold.
    pub condition: Condition,
}

impl Check {
    /// Wants `condition` to hold of the record at `key`.
    pub fn new(table: Name, key: impl Into<Key>, condition: Condition) -> Self {
        Self { table, key: key.into(), condition }
    }
}
