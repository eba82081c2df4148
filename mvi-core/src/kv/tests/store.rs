//! The least store that keeps a Kv's promises for one table, and fails as it is told: what calls do is what these tests are about.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    Applied, Error, ErrorKind, Items, Kv, Labels, Name, Result,
    kv::{
        Attr, Condition, Consistency, CreateTable, Delete, Expiry, Found, Get, GetMany, Item, Key,
        Order, Put, Query, Record, Scan, Table, TableState, Transact, Ttl, Update, Version, Write,
        WriteMany, apply,
    },
    time::instant,
};

/// What befalls a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// It fails, and nothing happens.
    Refuse(ErrorKind),
    /// It happens, and the answer is lost.
    Lose,
    /// The caller is told of a timeout, and it happens as late as at the start of the next write.
    Late,
    /// It never answers, and nothing happens.
    Hang,
}

#[derive(Debug)]
pub(super) struct Store(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    table: Table,
    records: BTreeMap<Key, Record>,
    begun: Instant,
    writes: u64,
    late: Vec<Update>,
    faults: VecDeque<(&'static str, Fault)>,
    calls: Vec<&'static str>,
}

pub(super) fn name() -> Name {
    Name::new("table").unwrap()
}

impl Store {
    pub(super) fn new(partition: Attr, sort: Option<Attr>) -> Arc<Self> {
        let mut table = Table::new(name(), partition, sort, TableState::Active);
        table.ttl = Ttl::On;
        Arc::new(Self(Mutex::new(Inner {
            table,
            records: BTreeMap::new(),
            begun: instant(),
            writes: 0,
            late: Vec::new(),
            faults: VecDeque::new(),
            calls: Vec::new(),
        })))
    }

    pub(super) fn table_now(&self) -> Table {
        self.lock().table.clone()
    }

    pub(super) fn set_state(&self, state: TableState) {
        self.lock().table.state = state;
    }

    /// The next call of `op` after the faults already there meets `fault`.
    pub(super) fn fault(&self, op: &'static str, fault: Fault) {
        self.lock().faults.push_back((op, fault));
    }

    /// The operations so far; forgets them.
    pub(super) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.lock().calls)
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.lock().records.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Lets others go on, notes the call, and meets the fault that was meant for it.
    async fn call<R>(
        &self,
        op: &'static str,
        run: impl FnOnce(&mut Inner) -> Result<R>,
    ) -> Result<R> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let fault = {
            let mut inner = self.lock();
            inner.calls.push(op);
            let next = inner.faults.iter().position(|it| it.0 == op);
            next.and_then(|at| inner.faults.remove(at)).map(|it| it.1)
        };
        let told = |message: &str| Error::new(ErrorKind::Timeout, message).at("kv", op);
        match fault {
            None => run(&mut self.lock()),
            Some(Fault::Refuse(kind)) => Err(Error::new(kind, "refused").with_applied(Applied::No)),
            Some(Fault::Lose) => {
                let _ = run(&mut self.lock());
                Err(told("lost"))
            }
            Some(Fault::Late) => Err(told("late")),
            Some(Fault::Hang) => std::future::pending().await,
        }
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.begun.elapsed()
    }

    fn at(&self, key: &Key) -> Option<&Record> {
        let now = self.now();
        self.records.get(key).filter(|it| it.expires.is_none_or(|expires| expires > now))
    }

    fn allow(&self, key: &Key, condition: Option<&Condition>) -> Result<()> {
        let found = self.at(key).map(|it| Found { item: &it.item, version: &it.version });
        match condition {
            Some(it) if !it.holds(found, self.now())? => Err(Error::conflict("it does not hold")),
            _ => Ok(()),
        }
    }

    fn version(&mut self) -> Version {
        self.writes += 1;
        Version::new(self.writes.to_string())
    }

    fn put(&mut self, put: Put) -> Result<Version> {
        put.check(&self.table)?;
        let Put { table: _, key, item, only_if, expires } = put;
        self.allow(&key, only_if.as_ref())?;
        let expires = expires.map(|it| it.resolve(self.now())).transpose()?;
        let version = self.version();
        let mut record = Record::new(key.clone(), item, version.clone());
        record.expires = expires;
        self.records.insert(key, record);
        Ok(version)
    }

    fn update(&mut self, update: Update) -> Result<Record> {
        update.check(&self.table)?;
        let Update { table: _, key, changes, only_if, expires } = update;
        self.allow(&key, only_if.as_ref())?;
        let now = self.now();
        let version = self.version();
        let mut record = match self.at(&key) {
            Some(record) => record.clone(),
            None => Record::new(key.clone(), Item::new(), version.clone()),
        };
        apply(&changes, &mut record.item, now)?;
        record.version = version;
        match expires {
            None => {}
            Some(Expiry::Never) => record.expires = None,
            Some(Expiry::At(when)) => record.expires = Some(when.resolve(now)?),
        }
        self.records.insert(key, record.clone());
        Ok(record)
    }

    fn delete(&mut self, delete: &Delete) -> Result<()> {
        delete.check(&self.table)?;
        self.allow(&delete.key, delete.only_if.as_ref())?;
        self.records.remove(&delete.key);
        Ok(())
    }

    fn arrive(&mut self) {
        for late in std::mem::take(&mut self.late) {
            let _ = self.update(late);
        }
    }
}

#[async_trait]
impl Kv for Store {
    async fn table(&self, _: &Name) -> Result<Table> {
        self.call("table", |inner| Ok(inner.table.clone())).await
    }

    async fn get(&self, request: Get) -> Result<Option<Record>> {
        let op = match request.consistency {
            Consistency::Strong => "get_strong",
            Consistency::Eventual => "get",
        };
        self.call(op, |inner| {
            request.check(&inner.table)?;
            Ok(inner.at(&request.key).cloned())
        })
        .await
    }

    async fn put(&self, request: Put) -> Result<Version> {
        self.call("put", |inner| inner.put(request)).await
    }

    async fn update(&self, request: Update) -> Result<Record> {
        let late = request.clone();
        let is_late = matches!(self.lock().faults.front(), Some(("update", Fault::Late)));
        let answer = self
            .call("update", |inner| {
                inner.arrive();
                inner.update(request)
            })
            .await;
        if is_late {
            self.lock().late.push(late);
        }
        answer
    }

    async fn delete(&self, request: Delete) -> Result<()> {
        self.call("delete", |inner| inner.delete(&request)).await
    }

    async fn get_many(&self, request: GetMany) -> Result<Vec<Result<Option<Record>>>> {
        let get = |inner: &mut Inner| {
            Ok(request.keys.iter().map(|it| Ok(inner.at(it).cloned())).collect())
        };
        self.call("get_many", get).await
    }

    async fn write_many(&self, request: WriteMany) -> Result<Vec<Result<Option<Version>>>> {
        let mut outcomes = Vec::new();
        for write in request.writes {
            outcomes.push(match write {
                Write::Put(put) => self.call("write", |inner| inner.put(put).map(Some)).await,
                Write::Delete(delete) => {
                    self.call("write", |inner| inner.delete(&delete).map(|()| None)).await
                }
            });
        }
        self.call("write_many", |_| Ok(outcomes)).await
    }

    fn query(&self, request: Query) -> Items<Record> {
        let inner = self.lock();
        if let Err(e) = request.check(&inner.table) {
            return stream::iter([Err(e)]).boxed();
        }
        let mut found: Vec<_> = inner
            .records
            .values()
            .filter(|it| it.key.partition == request.partition)
            .filter(|it| request.range.contains(it.key.sort.as_ref()))
            .map(|it| Ok(it.clone()))
            .collect();
        if request.order == Order::Descending {
            found.reverse();
        }
        stream::iter(found).boxed()
    }

    fn scan(&self, _: Scan) -> Items<Record> {
        let found: Vec<_> = self.lock().records.values().cloned().map(Ok).collect();
        stream::iter(found).boxed()
    }

    async fn create_table(&self, _: CreateTable) -> Result<Table> {
        Err(Error::new(ErrorKind::Unsupported, "the store has one table"))
    }

    async fn delete_table(&self, _: &Name) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "the store has one table"))
    }

    fn list_tables(&self, _: Labels) -> Items<Table> {
        stream::empty().boxed()
    }

    async fn transact(&self, _: Transact) -> Result<Vec<Option<Version>>> {
        Err(Error::new(ErrorKind::Unsupported, "the store has no transactions"))
    }
}
