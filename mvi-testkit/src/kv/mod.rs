//! Kv in memory: the whole trait, in order, at simulated time.

mod page;
mod records;
mod store;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, future::join_all, stream};
use mvi_core::{
    Error, Items, Kv, Labels, Name, Result,
    hook::Op,
    kv::{
        CreateTable, Delete, Get, GetMany, OPS, Put, Query, Record, Scan, Table, Transact, Update,
        Version, WriteMany,
    },
};

use self::{
    page::Request,
    records::Stored,
    store::{Made, Store},
};
use crate::sim::{
    Weather,
    shared::{self, again, joined, parts},
    world::{Turn, World, lock},
};

/// A Kv in memory. Clones are the same Kv.
///
/// A conditional write is linearizable: it is decided and applied at one moment of simulated time. Strong reads see every write that was answered
/// before; others may lag behind, as the [weather](crate::KvWeather) says.
#[derive(Clone)]
pub struct SimKv {
    world: Arc<World>,
    store: Arc<Mutex<Store>>,
}

/// A Kv without a cloud around it, in [calm](Weather::calm) weather: what it is asked, it does at once.
///
/// ```
/// use mvi_core::{Kv, Name, kv::{Attr, CreateTable, Get, Item, Put}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> mvi_core::Result<()> {
/// let kv = mvi_testkit::kv();
/// let links = Name::new("links")?;
/// kv.create_table(CreateTable::new(links.clone(), Attr::text("code"))).await?;
/// kv.put(Put::new(links.clone(), "gh", Item::new().with("url", "https://github.com"))).await?;
/// assert!(kv.get(Get::new(links, "gh")).await?.is_some());
/// # Ok(()) }
/// ```
pub fn kv() -> SimKv {
    SimKv::of(World::new(0, Weather::calm(), false))
}

impl SimKv {
    pub(crate) fn of(world: Arc<World>) -> Self {
        Self { world, store: Store::new() }
    }

    /// Checks a request before it is sent, where there is a table to check it against.
    fn check(&self, table: &Name, check: impl FnOnce(&Table) -> Result<()>) -> Result<()> {
        lock(&self.store).known(table).map_or(Ok(()), check)
    }

    /// Makes a call of one table.
    async fn call<Q: Send + 'static, R: Send + 'static>(
        &self,
        op: &'static Op,
        table: &Name,
        request: Q,
        check: fn(&Q, &Table) -> Result<()>,
        work: fn(&mut Store, &Turn<'_>, Q) -> Result<R>,
    ) -> Result<R> {
        let resource = table.as_str();
        if !self.world.takes_time() {
            // It is checked in its turn, which is now.
            let work = |turn: &Turn<'_>| work(&mut lock(&self.store), turn, request);
            return self.world.call_now(op, resource, work);
        }
        self.check(table, |it| check(&request, it)).map_err(|e| e.or_at(op.name(), table))?;
        let store = Arc::clone(&self.store);
        let work = move |turn: &Turn<'_>| work(&mut lock(&store), turn, request);
        self.world.call(op, resource, work).await
    }
}

/// The operation, as Kv's table lists it.
const fn op(name: &str) -> &'static Op {
    shared::op(OPS, name)
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Kv for SimKv {
    async fn create_table(&self, request: CreateTable) -> Result<Table> {
        let op = const { op("kv.create_table") };
        let name = request.name.clone();
        request.check().map_err(|e| e.or_at(op.name(), &name))?;
        loop {
            let (store, request) = (Arc::clone(&self.store), request.clone());
            let work = move |turn: &Turn<'_>| lock(&store).create_table(turn, request);
            match self.world.call(op, name.as_str(), work).await? {
                Made::Table(table) => return Ok(table),
                Made::Dying(until) => {
                    self.world.until(until).await.map_err(|e| e.or_at(op.name(), &name))?;
                }
            }
        }
    }

    async fn table(&self, name: &Name) -> Result<Table> {
        let (store, table) = (Arc::clone(&self.store), name.clone());
        let work = move |turn: &Turn<'_>| lock(&store).table(turn, &table);
        self.world.call(const { op("kv.table") }, name.as_str(), work).await
    }

    fn list_tables(&self, labels: Labels) -> Items<Table> {
        let kv = self.clone();
        let listed = async move {
            let store = kv.store;
            let work = move |turn: &Turn<'_>| Ok(lock(&store).list_tables(turn, &labels));
            let tables = kv.world.call(const { op("kv.list_tables") }, "", work).await?;
            Ok::<_, Error>(stream::iter(tables.into_iter().map(Ok)))
        };
        stream::once(listed).try_flatten().boxed()
    }

    async fn delete_table(&self, name: &Name) -> Result<()> {
        let (store, table) = (Arc::clone(&self.store), name.clone());
        let work = move |turn: &Turn<'_>| {
            lock(&store).delete_table(turn, &table);
            Ok(())
        };
        self.world.call(const { op("kv.delete_table") }, name.as_str(), work).await
    }

    async fn get(&self, request: Get) -> Result<Option<Record>> {
        let table = request.table.clone();
        let found =
            self.call(const { op("kv.get") }, &table, request, Get::check, Store::get).await?;
        // Copied here, where nothing is locked.
        Ok(found.map(|it| it.record.clone()))
    }

    async fn put(&self, request: Put) -> Result<Version> {
        let table = request.table.clone();
        self.call(const { op("kv.put") }, &table, request, Put::check, Store::put).await
    }

    async fn update(&self, request: Update) -> Result<Record> {
        let table = request.table.clone();
        self.call(const { op("kv.update") }, &table, request, Update::check, Store::update).await
    }

    async fn delete(&self, request: Delete) -> Result<()> {
        let table = request.table.clone();
        self.call(const { op("kv.delete") }, &table, request, Delete::check, Store::delete).await
    }

    async fn get_many(&self, request: GetMany) -> Result<Vec<Result<Option<Record>>>> {
        let (op, table) = (const { op("kv.get_many") }, request.table.clone());
        let named = |e: Error| e.or_at(op.name(), &table);
        self.check(&table, |it| request.check(it)).map_err(named)?;
        // A key that is there twice is read once.
        let mut places = BTreeMap::new();
        let mut unique = Vec::new();
        for key in &request.keys {
            places.entry(key).or_insert_with(|| {
                unique.push(key.clone());
                unique.len() - 1
            });
        }
        let resource = table.as_str();
        let parts = parts(&self.world, unique, 100).into_iter().map(|keys| {
            let (count, store) = (keys.len(), Arc::clone(&self.store));
            let part = GetMany { table: table.clone(), keys, consistency: request.consistency };
            let work = move |turn: &Turn<'_>| lock(&store).get_many(turn, &part);
            async move { (count, self.world.call(op, resource, work).await) }
        });
        let found = joined(join_all(parts).await)?;
        let answer = |key| match &found[places[key]] {
            Ok(found) => Ok(found.as_ref().map(|it: &Arc<Stored>| it.record.clone())),
            Err(error) => Err(named(again(error))),
        };
        Ok(request.keys.iter().map(answer).collect())
    }

    async fn write_many(&self, request: WriteMany) -> Result<Vec<Result<Option<Version>>>> {
        let (op, resource) = (const { op("kv.write_many") }, request.resource());
        let resource = resource.as_str();
        let named = |e: Error| e.or_at(op.name(), resource);
        request.check().map_err(named)?;
        let parts = parts(&self.world, request.writes, 25).into_iter().map(|writes| {
            let (count, store) = (writes.len(), Arc::clone(&self.store));
            let work = move |turn: &Turn<'_>| {
                let mut store = lock(&store);
                let results = writes.into_iter().map(|write| store.write_one(turn, write));
                Ok(results.collect::<Vec<_>>())
            };
            async move { (count, self.world.call(op, resource, work).await) }
        });
        let results = joined(join_all(parts).await)?;
        Ok(results.into_iter().map(|it| it.map_err(named)).collect())
    }

    async fn transact(&self, request: Transact) -> Result<Vec<Option<Version>>> {
        let (op, resource) = (const { op("kv.transact") }, request.resource());
        let named = |e: Error| e.or_at(op.name(), &resource);
        request.check().map_err(named)?;
        for step in &request.steps {
            self.check(step.target().0, |it| step.check(it)).map_err(named)?;
        }
        let store = Arc::clone(&self.store);
        let work = move |turn: &Turn<'_>| lock(&store).transact(turn, request);
        self.world.call(op, &resource, work).await
    }

    fn query(&self, request: Query) -> Items<Record> {
        self.stream(Request::Query(request))
    }

    fn scan(&self, request: Scan) -> Items<Record> {
        self.stream(Request::Scan(request))
    }
}

impl fmt::Debug for SimKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimKv").field("seed", &self.world.seed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mvi_core::{
        When,
        kv::{Attr, Index, Item, Ttl},
    };

    use super::*;
    use crate::clock::Moment;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_what_nobody_can_read() {
        let mut weather = Weather::calm();
        weather.kv.lag = Duration::ZERO..=Duration::from_secs(1);
        let kv = SimKv::of(World::new(7, weather, false));
        let links = Name::new("links").unwrap();
        let by_owner = Index::new(Name::new("by-owner").unwrap(), Attr::text("owner"));
        let table = CreateTable::new(links.clone(), Attr::text("code")).index(by_owner);
        kv.create_table(table.ttl(Ttl::On)).await.unwrap();
        for owner in ["ann", "bob", "ann"] {
            let put = Put::new(links.clone(), "gh", Item::new().with("owner", owner));
            kv.put(put.expires(When::In(Duration::from_secs(3)))).await.unwrap();
        }
        kv.put(Put::new(links.clone(), "mvi", Item::new().with("owner", "ann"))).await.unwrap();
        kv.delete(Delete::new(links.clone(), "mvi")).await.unwrap();
        assert!(!lock(&kv.store).records(&links).unwrap().is_empty());

        kv.world.until(Moment::default().after(Duration::from_secs(5))).await.unwrap();
        assert!(lock(&kv.store).records(&links).unwrap().is_empty());
    }
}
