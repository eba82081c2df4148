//! Kv: small structured records, highly available, easy to query for reports.
//!
//! ```text
//!   app ──put(key, item, only if absent)──▶ ┏━━━━┓  partition  sort ─▶ item
//!       ◀──────────── version ───────────── ┃ KV ┃  "ann"      1    ─▶ {url, hits}
//!       ──query("ann", 1.., newest first)─▶ ┗━━━━┛  "ann"      2    ─▶ {url, hits}
//! ```
//!
//! - **Why** metadata, such as who owns a link or how a build ended, outlives the VM that wrote it.
//! - **Depends on** nothing.
//! - **Knobs** indexes, expiry, consistency of a read. **Gauges** calls, errors and latency by operation.
//!
//! | operation | AWS: `DynamoDB` | Google Cloud: Firestore |
//! |---|---|---|
//! | `create_table` | `CreateTable`, `UpdateTimeToLive` | `Commit` of an entry in the list of tables; `fields.patch` for expiry |
//! | `table`, `list_tables` | `DescribeTable`, `ListTables`, `ListTagsOfResource` | reads of that list |
//! | `delete_table` | `DeleteTable` | `Commit` of deletes, the entry last |
//! | `get`, `get_many` | `GetItem`, `BatchGetItem` | `BatchGetDocuments` |
//! | `put`, `update`, `delete` | `PutItem`, `UpdateItem`, `DeleteItem` | `Commit`, after a read where there is a condition |
//! | `write_many` | `BatchWriteItem`; conditional ones one by one | `BatchWrite`; conditional ones one by one |
//! | `transact` | `TransactWriteItems` | reads, then one `Commit` with preconditions |
//! | `query`, `scan` | `Query`, `Scan` | `RunQuery` |
//!
//! | portable limit | value | from |
//! |---|---|---|
//! | key: partition and sort together; an index's attributes and the key together | [700 B](MAX_KEY_BYTES), not empty | [Firestore's ids and indexed values][gcp], [DynamoDB's keys][aws] |
//! | item, hidden fields included | [400,000 B](MAX_ITEM_BYTES) | [DynamoDB][aws] |
//! | depth; leaves | [16](MAX_DEPTH); [5,000](MAX_LEAVES) | both |
//! | transaction | [100 steps](MAX_STEPS), [4 MB](MAX_TRANSACT_BYTES), each record once | [DynamoDB][aws] |
//! | condition, changes | [50 terms](MAX_TERMS), [50 changes](MAX_CHANGES) | [DynamoDB's expressions][aws] |
//! | refused | lists inside lists, NaN, names like `__x__`, `_v`, `_x` | [Firestore][gcp], hidden fields |
//! | refused in a condition | attributes of the key, in a filter those of the index too | [DynamoDB][filter], Firestore's item has no key |
//!
//! [aws]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
//! [gcp]: https://cloud.google.com/firestore/quotas
//! [filter]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.FilterExpression.html

mod cache;
mod change;
mod check;
pub mod codec;
mod condition;
mod data;
mod ext;
mod limits;
mod lock;
mod read;
mod request;
mod serde;
mod size;
#[cfg(test)]
mod tests;
mod typed;
mod value;

pub use cache::Tables;
pub use change::apply;
pub use condition::{Comparison, Condition, Found, Operand, time_value};
pub use data::{
    Attr, Cursor, Index, Key, KeyKind, KeyValue, Record, Table, TableState, Ttl, Version,
};
pub use ext::KvExt;
pub use limits::{
    MAX_CHANGES, MAX_DEPTH, MAX_INDEXES, MAX_ITEM_BYTES, MAX_KEY_BYTES, MAX_LEAVES, MAX_NAME_BYTES,
    MAX_SEGMENTS, MAX_STEPS, MAX_TERMS, MAX_TRANSACT_BYTES,
};
pub use lock::{Lease, Lock};
pub use read::{Consistency, Get, GetMany, Order, Query, Range, Scan, Segment};
pub use request::{
    Change, Check, CreateTable, Delete, Expiry, Put, Step, Transact, Update, Write, WriteMany,
};
pub use size::{item_bytes, key_bytes, value_bytes};
pub use typed::{Typed, Versioned};
pub use value::{Item, Number, Path, Value};

use std::fmt;

use async_trait::async_trait;

use crate::{Items, Labels, Name, Result, hook::ops};

/// Small structured records under keys, in tables.
///
/// Providers implement this trait; callers also want [`KvExt`] and [`Typed`].
///
/// # Promises
///
/// - A conditional write is linearizable, and exactly one of many racers wins.
/// - A [`Strong`](Consistency::Strong) read sees every write that completed before it began.
/// - Keys have the same order on every provider: text and bytes by their bytes, integers as numbers.
/// - Pages never lose or repeat a record, whatever their size.
/// - An expired record is never returned, and conditions take it as absent, also before the provider removes it.
/// - What a provider would refuse is [`Invalid`](crate::ErrorKind::Invalid) before it is sent.
///
/// # Errors
///
/// Each operation on a table that is not there is [`NotFound`](crate::ErrorKind::NotFound), and one that breaks a
/// [portable limit](self) is [`Invalid`](crate::ErrorKind::Invalid); only what comes on top is said below.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Kv: fmt::Debug + Send + Sync + 'static {
    /// Asks for a table. The same name and settings again return the same table.
    ///
    /// The table may be [`Creating`](TableState::Creating) at first: see [`KvExt::wait_active`].
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists) where the name has other settings, or is not ours.
    async fn create_table(&self, request: CreateTable) -> Result<Table>;

    /// Returns the table called `name`.
    async fn table(&self, name: &Name) -> Result<Table>;

    /// Streams the tables that have all of `labels`, in no order.
    fn list_tables(&self, labels: Labels) -> Items<Table>;

    /// Removes a table and all of its records. Removing what is not there succeeds.
    async fn delete_table(&self, name: &Name) -> Result<()>;

    /// Returns the record at a key, or `None` where there is none.
    async fn get(&self, request: Get) -> Result<Option<Record>>;

    /// Writes an item whole, in place of what was there, and returns its version.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) where [`Put::only_if`] does not hold.
    async fn put(&self, request: Put) -> Result<Version>;

    /// Changes an item in place, and returns the record as it is now. What is absent starts empty.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) where [`Update::only_if`] does not hold, or a change does not fit what is
    /// there: a nested path whose parents are not maps, a sum beyond an `i64`, an increment of what is not a number, values appended
    /// to what is not a list. Then nothing has changed.
    async fn update(&self, request: Update) -> Result<Record>;

    /// Removes a record. Removing what is not there succeeds, unless a condition says otherwise.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) where [`Delete::only_if`] does not hold.
    async fn delete(&self, request: Delete) -> Result<()>;

    /// Returns the records at many keys, each with its own outcome, in the order of the keys.
    ///
    /// # Errors
    ///
    /// What befell one record is in its own result; only what befell all of them is in the call's.
    async fn get_many(&self, request: GetMany) -> Result<Vec<Result<Option<Record>>>>;

    /// Makes many writes, each by itself and with its own outcome, in the order of the writes. A put gives its version.
    ///
    /// # Errors
    ///
    /// What befell one write is in its own result; only what befell all of them is in the call's: two writes of one record are
    /// [`Invalid`](crate::ErrorKind::Invalid), and nothing is sent.
    async fn write_many(&self, request: WriteMany) -> Result<Vec<Result<Option<Version>>>>;

    /// Takes all of the steps, or none. Gives the versions that puts and updates made, in the order of the steps.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) where a condition does not hold, or a change does not fit, or another write came between. Then nothing has changed.
    async fn transact(&self, request: Transact) -> Result<Vec<Option<Version>>>;

    /// Streams one partition's records, of the table or an index, in the order of their sort values.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where an index is to be read [`Strong`](Consistency::Strong)ly.
    fn query(&self, request: Query) -> Items<Record>;

    /// Streams a table's records, in no order that means anything.
    fn scan(&self, request: Scan) -> Items<Record>;
}

ops! {
    Kv as "kv";
    calls {
        create_table(request: CreateTable) -> Table, on request.name, Write Control;
        table(name: &Name) -> Table, on name, Read Control;
        delete_table(name: &Name) -> (), on name, Write Control;
        get(request: Get) -> Option<Record>, on request.table, Read Data;
        put(request: Put) -> Version, on request.table, Write Data;
        update(request: Update) -> Record, on request.table, Write Data;
        delete(request: Delete) -> (), on request.table, Write Data;
        get_many(request: GetMany) -> Vec<Result<Option<Record>>>, on request.table, Read Data;
        write_many(request: WriteMany) -> Vec<Result<Option<Version>>>, on request.resource(), Write Data;
        transact(request: Transact) -> Vec<Option<Version>>, on request.resource(), Write Data;
    }
    streams {
        list_tables(labels: Labels) -> Table, on "", Read Control;
        query(request: Query) -> Record, on request.table, Read Data;
        scan(request: Scan) -> Record, on request.table, Read Data;
    }
}
