//! Kv on Firestore, in native mode.
//!
//! ```text
//!   mvi-tables/links ─────── the table's schema, stamp and state
//!   mvi-kv-links-64f…/ ───── one flat collection
//!     3ahttps.-80000000… ──── one record: hh, partition, sort
//!        i: {url, hits}   _k: key   _ix_by-owner: place   _v: version   _x: expiry
//! ```
//!
//! | operation | call | note |
//! |---|---|---|
//! | `create_table` | `Commit` with `exists = false`; `fields.patch` | a table with expiry gets a TTL policy |
//! | `table`, `list_tables` | `BatchGetDocuments`, `RunQuery` | |
//! | `delete_table` | `RunQuery`, `BatchWrite`, `Commit` | takes as long as the table is large; what was cut short goes on with the next call |
//! | `get`, `get_many` | `BatchGetDocuments` | [strong][consistency], whatever was asked for |
//! | `put`, `delete` | `Commit` | with a condition after `BatchGetDocuments`, but for [`Absent`](mvi_core::kv::Condition::Absent) |
//! | `update` | `BatchGetDocuments`, `Commit` | Firestore's own increment saturates, its own append drops duplicates |
//! | `write_many` | `BatchWrite` | conditional ones one by one |
//! | `transact` | `BatchGetDocuments`, `Commit` | checks are writes that change nothing |
//! | `query`, `scan` | `RunQuery` | equality in the filter of an ascending read is held there, the rest here |
//!
//! | limit | value | source |
//! |---|---|---|
//! | a document's id | 1,500 B | [quotas] |
//! | an indexed value | 1,500 B | [quotas] |
//! | a document | 1 MiB | [quotas] |
//! | a request | 10 MiB | [quotas] |
//! | a document's index entries | 40,000, and 8 MiB with its name in each | [quotas]; 5,000 values under a key near the longest are more |
//! | writes to one document | about one a second, for long | [best practices][best] |
//!
//! [quotas]: https://cloud.google.com/firestore/quotas
//! [best]: https://cloud.google.com/firestore/docs/best-practices
//! [consistency]: https://cloud.google.com/firestore/docs/understand-reads-writes-scale

mod client;
mod document;
mod many;
mod query;
mod table;
mod ttl;
mod value;
mod write;

use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use firestore::FirestoreDb;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_core::{
    Applied, Error, ErrorKind, Items, Kv, Labels, Name, Result,
    ensure::{self, Attempt, Backend, Born, Life, Marks, Observed, Unique, Wanted},
    kv::{
        CreateTable, Delete, Get, GetMany, Key, Put, Query, Record, Scan, Step, Table, TableState,
        Tables, Transact, Ttl, Update, Version, Write, WriteMany, codec,
    },
};
use tokio::time::Instant;

use self::{
    client::Client,
    document::Stored,
    query::{Plan, Reads, holds},
    table::{Entry, Schema, collection},
    ttl::Settings,
    write::{Planned, commit},
};
use crate::{clock, config::Config, error};

/// Small structured records, on Firestore. Made by [`Gcp`](crate::Gcp).
///
/// ```
/// use mvi_core::{Kv as _, Name, kv::{Item, Put}};
/// use mvi_gcp::Gcp;
///
/// # async fn example() -> mvi_core::Result<()> {
/// let gcp = Gcp::builder().project("demo").build().await?;
/// let put = Put::new(Name::new("links")?, "gh", Item::new().with("hits", 0));
/// let version = gcp.kv.put(put).await?;
/// # let _ = version; Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FirestoreKv {
    client: Arc<Client>,
    settings: Arc<Settings>,
    tables: Arc<Tables>,
}

impl fmt::Debug for FirestoreKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FirestoreKv").field(&self.client).finish()
    }
}

impl FirestoreKv {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            settings: Arc::new(Settings::new(config.clone())),
            client: Arc::new(Client::new(config)),
            tables: Arc::new(Tables::default()),
        }
    }

    /// The SDK's client, for what MVI does not do: connected, and with the same credentials and limits.
    ///
    /// ```no_run
    /// # async fn example(gcp: mvi_gcp::Gcp) -> mvi_core::Result<()> {
    /// let documents = gcp.kv.client().await?.get_documents_path().clone();
    /// # let _ = documents; Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) or [`Timeout`](ErrorKind::Timeout) where there is no connection.
    pub async fn client(&self) -> Result<FirestoreDb> {
        self.client.db().await
    }

    /// The table called `name`, whose records can be used, and its collection.
    async fn usable(&self, deadline: Instant, name: &Name) -> Result<(Arc<Table>, String)> {
        let load = async {
            match table::find(&self.client, deadline, name).await? {
                Some(entry) => Ok(entry.table),
                None => Err(no_table()),
            }
        };
        let table = self.tables.get(name, load).await.map_err(unsent)?;
        if table.state == TableState::Deleting {
            return Err(no_table());
        }
        let collection = collection(&table);
        Ok((table, collection))
    }

    /// Checks and plans each of `steps`. A table is looked up once, also where it is not there.
    async fn plan(
        &self,
        deadline: Instant,
        steps: impl IntoIterator<Item = Step>,
    ) -> Vec<Result<Planned>> {
        let mut tables = HashMap::new();
        let mut planned = Vec::new();
        for step in steps {
            let name = step.target().0;
            if !tables.contains_key(name) {
                tables.insert(name.clone(), self.usable(deadline, name).await);
            }
            planned.push(match &tables[name] {
                Ok((table, collection)) => step
                    .check(table)
                    .and_then(|()| Planned::new(&self.client, Arc::clone(table), collection, step)),
                Err(error) => Err(error::again(error)),
            });
        }
        planned
    }

    async fn commit_one(&self, step: Step) -> Result<Option<Record>> {
        let deadline = self.client.deadline();
        let steps: Vec<_> = self.plan(deadline, [step]).await.into_iter().collect::<Result<_>>()?;
        Ok(commit(&self.client, deadline, &steps).await?.pop().flatten())
    }

    async fn read_one(&self, table: &Table, collection: &str, key: &Key) -> Result<Option<Record>> {
        let name = self.client.document(collection, &codec::document_id(key));
        let found = self.client.batch_get(self.client.deadline(), &[name]).await?;
        let stored =
            found.into_iter().flatten().next().map(|it| Stored::read(table, it)).transpose()?;
        Ok(stored.filter(|it| it.is_live(clock::now())).map(|it| it.record))
    }

    /// The records that `plan` says, read as they are asked for.
    fn records<F>(
        &self,
        op: &'static str,
        name: Name,
        plan: impl FnOnce(Self, Arc<Table>, String) -> F + Send + 'static,
    ) -> Items<Record>
    where
        F: Future<Output = Result<Items<Record>>> + Send + 'static,
    {
        let (this, table) = (self.clone(), name.clone());
        let opened = async move {
            let (table, collection) = this.usable(this.client.deadline(), &table).await?;
            plan(this, table, collection).await
        };
        let at = move |error: Error| error.or_at(op, &name);
        stream::once(opened).try_flatten().map_err(at).boxed()
    }

    /// What `reads` comes to.
    async fn items(self, table: &Table, collection: &str, reads: Reads) -> Result<Items<Record>> {
        Ok(match reads {
            Reads::Nothing => stream::empty().boxed(),
            Reads::One(key, filter) => {
                let found = self.read_one(table, collection, &key).await?;
                let fits = match &found {
                    Some(record) => holds(filter.as_ref(), record, clock::now())?,
                    None => false,
                };
                stream::iter(found.filter(|_| fits).map(Ok)).boxed()
            }
            Reads::Pages(plan) => plan.stream(self.client),
        })
    }
}

fn no_table() -> Error {
    Error::new(ErrorKind::NotFound, "no such table")
}

/// What fails before a write is sent has not been applied.
fn unsent(error: Error) -> Error {
    error.with_applied(Applied::No)
}

#[async_trait]
impl Kv for FirestoreKv {
    async fn create_table(&self, request: CreateTable) -> Result<Table> {
        const OP: &str = "kv.create_table";
        request.check().map_err(|e| e.at(OP, &request.name))?;
        let wanted = Wanted::new(OP, &request.name, &request.fingerprint());
        let CreateTable { name, partition, sort, indexes, ttl, labels } = request;
        let schema = Schema { partition, sort, indexes, ttl, labels };
        let made = ensure::ensure(&NewTable { kv: self, name: &name, schema }, &wanted).await?;
        self.tables.remember(made.clone());
        Ok(made)
    }

    async fn table(&self, name: &Name) -> Result<Table> {
        let at = |error: Error| error.or_at("kv.table", name);
        let found = table::find(&self.client, self.client.deadline(), name).await.map_err(at)?;
        found.map(|it| it.table).ok_or_else(|| at(no_table()))
    }

    fn list_tables(&self, labels: Labels) -> Items<Table> {
        let tables = table::list(Arc::clone(&self.client), labels);
        tables.map_err(|e| e.or_at("kv.list_tables", "")).boxed()
    }

    async fn delete_table(&self, name: &Name) -> Result<()> {
        self.tables.forget(name);
        let removed = table::remove(&self.client, &self.settings, name).await;
        // Whoever used it meanwhile has remembered it again.
        self.tables.forget(name);
        removed.map_err(|e| e.or_at("kv.delete_table", name))
    }

    async fn get(&self, request: Get) -> Result<Option<Record>> {
        let at = |error: Error| error.or_at("kv.get", &request.table);
        let deadline = self.client.deadline();
        let (table, collection) = self.usable(deadline, &request.table).await.map_err(at)?;
        request.check(&table).map_err(at)?;
        // Firestore's reads are strong.
        let Get { table: _, key, consistency: _ } = &request;
        self.read_one(&table, &collection, key).await.map_err(at)
    }

    async fn put(&self, request: Put) -> Result<Version> {
        let name = request.table.clone();
        let put = async {
            let record = self.commit_one(request.into()).await?;
            Ok(record.expect("a put gives its record").version)
        };
        put.await.map_err(|e: Error| e.or_at("kv.put", name))
    }

    async fn update(&self, request: Update) -> Result<Record> {
        let name = request.table.clone();
        let update = async {
            let record = self.commit_one(request.into()).await?;
            Ok(record.expect("an update gives its record"))
        };
        update.await.map_err(|e: Error| e.or_at("kv.update", name))
    }

    async fn delete(&self, request: Delete) -> Result<()> {
        let name = request.table.clone();
        let deleted = self.commit_one(request.into()).await;
        deleted.map(|_| ()).map_err(|e| e.or_at("kv.delete", name))
    }

    async fn get_many(&self, request: GetMany) -> Result<Vec<Result<Option<Record>>>> {
        let name = request.table.clone();
        let at = |error: Error| error.or_at("kv.get_many", &name);
        let deadline = self.client.deadline();
        let (table, collection) = self.usable(deadline, &name).await.map_err(at)?;
        request.check(&table).map_err(at)?;
        let answers = many::get(&self.client, &table, &collection, request).await.map_err(at)?;
        Ok(answers.into_iter().map(|it| it.map_err(at)).collect())
    }

    async fn write_many(&self, request: WriteMany) -> Result<Vec<Result<Option<Version>>>> {
        let resource = request.resource();
        let at = |error: Error| error.or_at("kv.write_many", &resource);
        request.check().map_err(at)?;
        let WriteMany { writes } = request;
        let steps = writes.into_iter().map(|write| match write {
            Write::Put(put) => Step::Put(put),
            Write::Delete(delete) => Step::Delete(delete),
        });
        let planned = self.plan(self.client.deadline(), steps).await;
        let outcomes = many::write(&self.client, planned).await;
        Ok(outcomes.into_iter().map(|it| it.map_err(at)).collect())
    }

    async fn transact(&self, request: Transact) -> Result<Vec<Option<Version>>> {
        let resource = request.resource();
        let transact = async {
            request.check()?;
            let Transact { steps } = request;
            let deadline = self.client.deadline();
            let planned: Vec<_> =
                self.plan(deadline, steps).await.into_iter().collect::<Result<_>>()?;
            let records = commit(&self.client, deadline, &planned).await?;
            Ok(records.into_iter().map(|it| it.map(|it| it.version)).collect())
        };
        transact.await.map_err(|e: Error| e.or_at("kv.transact", resource))
    }

    fn query(&self, request: Query) -> Items<Record> {
        self.records("kv.query", request.table.clone(), |this, table, collection| async move {
            request.check(&table)?;
            let reads = Plan::query(&this.client, Arc::clone(&table), collection.clone(), request);
            this.items(&table, &collection, reads).await
        })
    }

    fn scan(&self, request: Scan) -> Items<Record> {
        self.records("kv.scan", request.table.clone(), |this, table, collection| async move {
            request.check(&table)?;
            let reads = Plan::scan(&this.client, Arc::clone(&table), collection.clone(), request);
            this.items(&table, &collection, reads).await
        })
    }
}

/// A table that is to be.
struct NewTable<'a> {
    kv: &'a FirestoreKv,
    name: &'a Name,
    schema: Schema,
}

impl NewTable<'_> {
    async fn find(&self) -> Result<Option<Entry>> {
        let client = &self.kv.client;
        table::find(client, client.deadline(), self.name).await
    }
}

impl Backend for NewTable<'_> {
    type Id = String;
    type Resource = Table;

    fn unique(&self) -> Unique {
        Unique::Name
    }

    async fn observe(&self) -> Result<Vec<Observed<String>>> {
        let entry = match self.find().await? {
            // Nobody else may be left to finish it.
            Some(entry) if entry.table.state == TableState::Deleting => {
                table::remove(&self.kv.client, &self.kv.settings, self.name).await?;
                self.find().await?
            }
            entry => entry,
        };
        let observed = |entry: Entry| {
            let life = match entry.table.state {
                TableState::Deleting => Life::Dying,
                _ => Life::Alive,
            };
            let name = Some(self.name.to_string());
            let marks = Marks { name, stamp: entry.stamp.parse().ok(), born: None };
            Observed::new(collection(&entry.table), life, marks)
        };
        Ok(entry.map(observed).into_iter().collect())
    }

    async fn create(&self, attempt: &Attempt) -> Result<String> {
        let client = &self.kv.client;
        let stamp = attempt.marks.stamp.as_ref().map(ToString::to_string).unwrap_or_default();
        let added = table::add(client, client.deadline(), self.name, &self.schema, &stamp).await;
        match added {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::Conflict => {
                let taken = Error::new(ErrorKind::AlreadyExists, "the name is taken");
                return Err(taken.with_applied(e.applied()).with_source(e));
            }
            Err(e) => return Err(e),
        }
        // Whatever goes wrong from here on, the table is there.
        let made = self.find().await.and_then(|it| it.ok_or_else(no_table));
        made.map(|it| collection(&it.table)).map_err(|e| e.with_applied(Applied::Yes))
    }

    async fn finish(&self, id: &String) -> Result<Table> {
        match self.find().await? {
            Some(entry) if collection(&entry.table) == *id => {
                if entry.table.ttl == Ttl::On {
                    self.kv.settings.turn_on(id).await?;
                }
                Ok(entry.table)
            }
            _ => Err(no_table()),
        }
    }

    async fn discard(&self, _id: &String) -> Result<()> {
        // The name is what makes it unique, so there is never a second to discard.
        Ok(())
    }

    fn birth(&self) -> Born {
        Born::new(clock::now(), getrandom::u64().unwrap_or_default())
    }
}
