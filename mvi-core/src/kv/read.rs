//! What callers build to read.

use std::{num::NonZeroU32, ops::Bound};

use super::{Condition, Cursor, Key, KeyValue};
use crate::Name;

/// What a read must see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Consistency {
    /// What was so a moment ago, at half the price on DynamoDB.
    #[default]
    Eventual,
    /// Every write that completed before the read began. An index can't: [`Invalid`](crate::ErrorKind::Invalid).
    Strong,
}

/// See [`Kv::get`](super::Kv::get).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// The table.
    pub table: Name,
    /// The record's key.
    pub key: Key,
    /// What the read must see.
    pub consistency: Consistency,
}

impl Get {
    /// Reads the record at `key`.
    pub fn new(table: Name, key: impl Into<Key>) -> Self {
        Self { table, key: key.into(), consistency: Consistency::Eventual }
    }

    /// Sees every write that completed before.
    #[must_use]
    pub fn strong(mut self) -> Self {
        self.consistency = Consistency::Strong;
        self
    }
}

/// See [`Kv::get_many`](super::Kv::get_many).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMany {
    /// The table.
    pub table: Name,
    /// The records' keys, as many as one likes; one that is there twice is read once and answered twice.
    pub keys: Vec<Key>,
    /// What the reads must see.
    pub consistency: Consistency,
}

impl GetMany {
    /// Reads the records at `keys`.
    pub fn new<K: Into<Key>>(table: Name, keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter().map(Into::into).collect();
        Self { table, keys, consistency: Consistency::Eventual }
    }

    /// Sees every write that completed before.
    #[must_use]
    pub fn strong(mut self) -> Self {
        self.consistency = Consistency::Strong;
        self
    }
}

/// Which way results run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The smallest sort value first.
    #[default]
    Ascending,
    /// The largest sort value first.
    Descending,
}

/// Which sort values of a partition to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Range {
    /// All of them.
    #[default]
    All,
    /// Those that start with this text or these bytes.
    Prefix(KeyValue),
    /// Those between two.
    Between(Bound<KeyValue>, Bound<KeyValue>),
}

/// See [`Kv::query`](super::Kv::query).
///
/// ```
/// use mvi_core::{Name, kv::{Condition, Query}};
///
/// let popular = Query::new(Name::new("links")?, "ann")
///     .index(Name::new("by-owner")?)
///     .between(1_700_000_000..)
///     .filter(Condition::ge("hits", 100))
///     .descending()
///     .limit(10);
/// # let _ = popular;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The table.
    pub table: Name,
    /// The index to read; the table itself, unless set.
    pub index: Option<Name>,
    /// Which partition.
    pub partition: KeyValue,
    /// Which of its sort values; all, unless set.
    pub range: Range,
    /// Which of the records found; all, unless set. What is filtered out was read, and is paid for.
    pub filter: Option<Condition>,
    /// Which way; ascending, unless set. Records with equal sort values in an index come in any order.
    pub order: Order,
    /// The most records to give; all, unless set.
    pub limit: Option<u64>,
    /// Where to go on after; from the start, unless set.
    pub after: Option<Cursor>,
    /// What the reads must see.
    pub consistency: Consistency,
    /// The most records to read at a time; as many as the provider likes, unless set.
    pub page: Option<NonZeroU32>,
}

impl Query {
    /// Reads a whole partition, in order.
    pub fn new(table: Name, partition: impl Into<KeyValue>) -> Self {
        Self {
            table,
            index: None,
            partition: partition.into(),
            range: Range::All,
            filter: None,
            order: Order::Ascending,
            limit: None,
            after: None,
            consistency: Consistency::Eventual,
            page: None,
        }
    }

    /// Reads an index in place of the table.
    #[must_use]
    pub fn index(mut self, index: Name) -> Self {
        self.index = Some(index);
        self
    }

    /// Reads the sort values that start with `prefix`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<KeyValue>) -> Self {
        self.range = Range::Prefix(prefix.into());
        self
    }

    /// Reads the sort values in `range`, as in `3..=7` or `"b"..`.
    #[must_use]
    pub fn between<K: Into<KeyValue> + Clone>(
        mut self,
        range: impl std::ops::RangeBounds<K>,
    ) -> Self {
        let bound = |it: Bound<&K>| it.cloned().map(Into::into);
        self.range = Range::Between(bound(range.start_bound()), bound(range.end_bound()));
        self
    }

    /// Gives only records for which `condition` holds.
    #[must_use]
    pub fn filter(mut self, condition: Condition) -> Self {
        self.filter = Some(condition);
        self
    }

    /// Starts with the largest sort value.
    #[must_use]
    pub fn descending(mut self) -> Self {
        self.order = Order::Descending;
        self
    }

    /// Gives at most `limit` records.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Goes on after `cursor`.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<Cursor>) -> Self {
        self.after = Some(cursor.into());
        self
    }

    /// Sees every write that completed before.
    #[must_use]
    pub fn strong(mut self) -> Self {
        self.consistency = Consistency::Strong;
        self
    }

    /// Reads at most `records` at a time.
    #[must_use]
    pub fn page(mut self, records: NonZeroU32) -> Self {
        self.page = Some(records);
        self
    }
}

/// A part of a table, for scans that run side by side: part `number`, from 0, of `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Which part, from 0.
    pub number: u32,
    /// Of how many, 1 to 256.
    pub of: u32,
}

/// See [`Kv::scan`](super::Kv::scan).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The table.
    pub table: Name,
    /// Which of its records; all, unless set.
    pub filter: Option<Condition>,
    /// Which part of it; the whole, unless set.
    pub segment: Option<Segment>,
    /// The most records to give; all, unless set.
    pub limit: Option<u64>,
    /// Where to go on after; from the start, unless set.
    pub after: Option<Cursor>,
    /// What the reads must see.
    pub consistency: Consistency,
    /// The most records to read at a time; as many as the provider likes, unless set.
    pub page: Option<NonZeroU32>,
}

impl Scan {
    /// Reads a whole table, in no order that means anything.
    pub fn new(table: Name) -> Self {
        Self {
            table,
            filter: None,
            segment: None,
            limit: None,
            after: None,
            consistency: Consistency::Eventual,
            page: None,
        }
    }

    /// Gives only records for which `condition` holds.
    #[must_use]
    pub fn filter(mut self, condition: Condition) -> Self {
        self.filter = Some(condition);
        self
    }

    /// Reads part `number`, from 0, of `of`.
    #[must_use]
    pub fn segment(mut self, number: u32, of: u32) -> Self {
        self.segment = Some(Segment { number, of });
        self
    }

    /// Gives at most `limit` records.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Goes on after `cursor`, in the same segment.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<Cursor>) -> Self {
        self.after = Some(cursor.into());
        self
    }

    /// Sees every write that completed before.
    #[must_use]
    pub fn strong(mut self) -> Self {
        self.consistency = Consistency::Strong;
        self
    }

    /// Reads at most `records` at a time.
    #[must_use]
    pub fn page(mut self, records: NonZeroU32) -> Self {
        self.page = Some(records);
        self
    }
}
