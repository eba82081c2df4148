//! What callers do most, built once on the core for every provider.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use futures::StreamExt as _;

use super::{
    Delete, Get, Key, KeyValue, Kv, Lease, Lock, Path, Query, Range, Record, Table, TableState,
    Value, WriteMany, lock,
};
use crate::{Applied, Error, ErrorKind, Items, Name, Result, wait::until};

/// How many records `delete_prefix` holds and removes at a time: four of DynamoDB's batches.
const CHUNK: usize = 100;

/// What callers do most, in fewer words. Every [`Kv`] has it.
#[async_trait]
pub trait KvExt: Kv {
    /// Returns the record at a key.
    ///
    /// ```
    /// use mvi_core::{Kv, KvExt, Name, Result, kv::{Get, Value}};
    ///
    /// async fn url(kv: &dyn Kv) -> Result<Option<Value>> {
    ///     let link = kv.fetch(Get::new(Name::new("links")?, "gh")).await?;
    ///     Ok(link.item.get("url").cloned())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where there is none.
    async fn fetch(&self, request: Get) -> Result<Record> {
        let table = request.table.clone();
        let missing =
            || Error::new(ErrorKind::NotFound, "no record at the key").at("kv.get", table);
        self.get(request).await?.ok_or_else(missing)
    }

    /// Waits until a table's records can be used, for `patience` at most and the 10 s that the last look may take.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mvi_core::{Kv, KvExt, Result, kv::{CreateTable, Table}};
    ///
    /// async fn ready(kv: &dyn Kv, request: CreateTable) -> Result<Table> {
    ///     let table = kv.create_table(request).await?;
    ///     kv.wait_active(&table.name, Duration::from_secs(120)).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout), saying what was seen last; [`Conflict`](ErrorKind::Conflict) at once where the table is going;
    /// [`NotFound`](ErrorKind::NotFound) where it is not there, from the tenth second on, since a fresh one may not be seen at once. What waiting
    /// can't mend ends the wait at once.
    async fn wait_active(&self, name: &Name, patience: Duration) -> Result<Table> {
        let op = "kv.wait_active";
        until(op, "table", name, patience, || async {
            let table = self.table(name).await?;
            match table.state {
                TableState::Active | TableState::Updating => Ok(Some(table)),
                TableState::Creating => Ok(None),
                TableState::Deleting => {
                    Err(Error::conflict("the table is being deleted, wanted it active")
                        .at(op, name))
                }
            }
        })
        .await
    }

    /// Removes the records of one partition whose sort values start with `prefix`, text or bytes; with an empty one, all of
    /// them, whatever their kind. Returns how many it removed.
    ///
    /// It reads what it removes, 100 records at a time. It is not atomic: what is written meanwhile may stay.
    ///
    /// ```
    /// use mvi_core::{Kv, KvExt, Name, Result};
    ///
    /// async fn forget_builds_of_2025(kv: &dyn Kv) -> Result<u64> {
    ///     kv.delete_prefix(&Name::new("builds")?, "my-app", "2025-").await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// An error leaves the rest, and says how many were removed. To go on, ask again.
    async fn delete_prefix(
        &self,
        table: &Name,
        partition: impl Into<KeyValue> + Send,
        prefix: impl Into<KeyValue> + Send,
    ) -> Result<u64> {
        let mut query = Query::new(table.clone(), partition).strong();
        query.range = match prefix.into() {
            KeyValue::Text(text) if text.is_empty() => Range::All,
            KeyValue::Bytes(bytes) if bytes.is_empty() => Range::All,
            prefix => Range::Prefix(prefix),
        };
        let mut found = self.query(query).fuse();
        let mut removed = 0;
        loop {
            let mut keys = Vec::new();
            let mut failed = None;
            while keys.len() < CHUNK && failed.is_none() {
                match found.next().await {
                    Some(Ok(record)) => keys.push(record.key),
                    Some(Err(e)) => failed = Some(e),
                    None => break,
                }
            }
            if keys.is_empty() && failed.is_none() {
                return Ok(removed);
            }
            if failed.is_none() {
                failed = delete_all(self, table, keys, &mut removed).await.err();
            }
            if let Some(e) = failed {
                return Err(partly("kv.delete_prefix", table, removed, e));
            }
        }
    }

    /// Takes a lock: a lease that ends by itself unless it is renewed, with a token that is larger than all before it.
    ///
    /// Only the provider's clock counts. A lease may end while its holder still believes in it, as when the holder's machine was stopped
    /// for a while; so whatever the lock protects must refuse a token less than the largest it has seen. Tokens come from the
    /// lock's record, which stays for good: removing it makes them start again.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mvi_core::{Kv, KvExt, Name, Result, kv::Lock};
    ///
    /// async fn nightly(kv: &dyn Kv, report: impl AsyncFn(u64) -> Result<()>) -> Result<()> {
    ///     let lock = Lock::new(Name::new("locks")?, "nightly", Duration::from_secs(60));
    ///     let lease = kv.lock(lock.holder("web-1").patience(Duration::from_secs(5))).await?;
    ///     report(lease.token).await?;
    ///     kv.unlock(lease).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict), naming the holder, where it is held for all of the patience; the last error, where none of the answers told.
    /// Where an error [may have been applied](Error::may_have_applied), nobody may get the lock until a lease has passed.
    async fn lock(&self, request: Lock) -> Result<Lease> {
        lock::acquire(self, request).await
    }

    /// Renews a lease from now on, for as long as it was taken. It succeeds also after the lease's end, where nobody has taken the
    /// lock since.
    ///
    /// ```
    /// use mvi_core::{Kv, KvExt, Result, kv::Lease};
    ///
    /// async fn renew_in_time(kv: &dyn Kv, lease: &mut Lease) -> Result<()> {
    ///     if lease.left() < lease.duration / 2 {
    ///         kv.renew_lock(lease).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict), naming the holder, where another has the lock: stop. After any other error ask again while there is
    /// [time left](Lease::left).
    async fn renew_lock(&self, lease: &mut Lease) -> Result<()> {
        lock::renew(self, lease).await
    }

    /// Gives a lock back. Giving back what others hold by now succeeds, and leaves it to them.
    ///
    /// # Errors
    ///
    /// After an error the lock is free when its lease ends.
    async fn unlock(&self, lease: Lease) -> Result<()> {
        lock::release(self, lease).await
    }

    /// Counts records by what they have at `path`. Those that have nothing there count as null, so that the counts add up.
    ///
    /// It holds each value once, in memory.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use mvi_core::{Kv, KvExt, Name, Result, kv::{Scan, Value}};
    ///
    /// async fn links_by_owner(kv: &dyn Kv) -> Result<BTreeMap<Value, u64>> {
    ///     kv.count_by(kv.scan(Scan::new(Name::new("links")?)), "owner").await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// That of the stream, which ends it.
    async fn count_by(
        &self,
        mut records: Items<Record>,
        path: impl Into<Path> + Send,
    ) -> Result<BTreeMap<Value, u64>> {
        let path = path.into();
        let mut counts = BTreeMap::new();
        while let Some(record) = records.next().await {
            let record = record?;
            let value = record.item.at(&path).unwrap_or(&Value::Null);
            match counts.get_mut(value) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(value.clone(), 1);
                }
            }
        }
        Ok(counts)
    }
}

impl<T: Kv + ?Sized> KvExt for T {}

/// Removes the records at `keys`, adds how many went to `removed`, and fails with the first that did not go.
async fn delete_all<K: Kv + ?Sized>(
    kv: &K,
    table: &Name,
    keys: Vec<Key>,
    removed: &mut u64,
) -> Result<()> {
    let deletes = keys.into_iter().map(|key| Delete::new(table.clone(), key));
    let mut first = Ok(());
    for outcome in kv.write_many(WriteMany::new(deletes)).await? {
        match outcome {
            Ok(_) => *removed += 1,
            Err(e) => first = first.and(Err(e)),
        }
    }
    first
}

/// What is said of a call of many steps that failed after some of them.
fn partly(op: &'static str, table: &Name, removed: u64, error: Error) -> Error {
    let message = format!("{removed} records removed, then: {}", error.message());
    let applied = if removed == 0 { error.applied() } else { Applied::Unknown };
    error.retold(message).with_applied(applied).at(op, table).with_source(error)
}
