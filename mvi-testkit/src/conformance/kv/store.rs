//! Tables to work in, and what most cases do.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::TryStreamExt as _;
use mvi_core::{
    Error, ErrorKind, Kv, KvExt as _, Name, Result,
    kv::{
        Attr, Check, Condition, CreateTable, Delete, Get, Index, Item, Key, KeyValue, Put, Query,
        Record, Ttl, Update, Version,
    },
};

use crate::conformance::{Scope, eventually, help};

/// How long after the last write an index must have followed.
const SETTLED: Duration = Scope::PATIENCE;

/// The forms of table that cases share, since emulators are slow to make one. Keys in them are a case's own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Keys of text.
    Text,
    /// Keys of whole numbers.
    Int,
    /// Keys of bytes.
    Bytes,
    /// Text, sorted by text.
    ByText,
    /// Text, sorted by whole numbers.
    ByInt,
    /// Text, sorted by bytes.
    ByBytes,
    /// Text, and the indexes `by-owner` (`owner`, sorted by `created`), `by-tag` (`tag`) and `by-group` (`group`, sorted by the key).
    Indexed,
    /// Text, sorted by whole numbers, with expiry and the index `by-owner` (`owner`).
    Expiring,
}

impl Shape {
    fn role(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "int",
            Self::Bytes => "bytes",
            Self::ByText => "by-text",
            Self::ByInt => "by-int",
            Self::ByBytes => "by-bytes",
            Self::Indexed => "indexed",
            Self::Expiring => "expiring",
        }
    }

    /// A request for a table of this form.
    pub(super) fn request(self, name: Name) -> Result<CreateTable> {
        let id = |name| CreateTable::new(name, Attr::text("id"));
        Ok(match self {
            Self::Text => id(name),
            Self::Int => CreateTable::new(name, Attr::int("id")),
            Self::Bytes => CreateTable::new(name, Attr::bytes("id")),
            Self::ByText => id(name).sort(Attr::text("at")),
            Self::ByInt => id(name).sort(Attr::int("at")),
            Self::ByBytes => id(name).sort(Attr::bytes("at")),
            Self::Indexed => {
                let owner = Index::new(Name::new("by-owner")?, Attr::text("owner"));
                let group = Index::new(Name::new("by-group")?, Attr::text("group"));
                id(name)
                    .index(owner.sort(Attr::int("created")))
                    .index(Index::new(Name::new("by-tag")?, Attr::text("tag")))
                    .index(group.sort(Attr::text("id")))
            }
            Self::Expiring => {
                let owner = Index::new(Name::new("by-owner")?, Attr::text("owner"));
                id(name).sort(Attr::int("at")).index(owner).ttl(Ttl::On)
            }
        })
    }

    /// The shared table of this form.
    pub(super) async fn shared<'a>(
        self,
        kv: &'a Arc<dyn Kv>,
        scope: &'a Scope,
    ) -> Result<Store<'a>> {
        let make = |name| async move { create(kv, self.request(name)?).await };
        let name = scope.shared(self.role(), make).await?;
        Ok(Store { kv, scope, name })
    }

    /// A table of this form for this case alone.
    pub(super) async fn own<'a>(self, kv: &'a Arc<dyn Kv>, scope: &'a Scope) -> Result<Store<'a>> {
        let name = scope.name(self.role())?;
        create(kv, self.request(name.clone())?).await?;
        Ok(Store { kv, scope, name })
    }
}

/// Creates a table and waits until its records can be used.
pub(super) async fn create(kv: &Arc<dyn Kv>, request: CreateTable) -> Result<()> {
    let name = request.name.clone();
    kv.create_table(request).await?;
    kv.wait_active(&name, Scope::CHANGE).await.map(drop)
}

/// A table to work in.
#[derive(Debug)]
pub(super) struct Store<'a> {
    pub(super) kv: &'a Arc<dyn Kv>,
    pub(super) scope: &'a Scope,
    pub(super) name: Name,
}

impl Store<'_> {
    /// This case's key `text`.
    pub(super) fn key(&self, text: &str) -> Key {
        Key::new(self.scope.text(text))
    }

    /// The place `sort` in this case's partition `text`.
    pub(super) fn at(&self, text: &str, sort: impl Into<KeyValue>) -> Key {
        Key::sorted(self.scope.text(text), sort)
    }

    pub(super) fn put(&self, key: &Key, item: Item) -> Put {
        Put::new(self.name.clone(), key.clone(), item)
    }

    pub(super) fn update(&self, key: &Key) -> Update {
        Update::new(self.name.clone(), key.clone())
    }

    pub(super) fn delete(&self, key: &Key) -> Delete {
        Delete::new(self.name.clone(), key.clone())
    }

    pub(super) fn check(&self, key: &Key, condition: Condition) -> Check {
        Check::new(self.name.clone(), key.clone(), condition)
    }

    /// A strong query of this case's partition `text`.
    pub(super) fn query(&self, text: &str) -> Query {
        Query::new(self.name.clone(), self.scope.text(text)).strong()
    }

    /// A query of this case's partition `text` in an index.
    pub(super) fn index(&self, index: &str, text: &str) -> Result<Query> {
        Ok(Query::new(self.name.clone(), self.scope.text(text)).index(Name::new(index)?))
    }

    /// Writes, come what may.
    pub(super) async fn save(&self, key: &Key, item: Item) -> Result<Version> {
        self.kv.put(self.put(key, item)).await
    }

    /// A strong read.
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.kv.get(Get::new(self.name.clone(), key.clone()).strong()).await
    }

    /// A strong read of the item alone.
    pub(super) async fn item(&self, key: &Key) -> Result<Option<Item>> {
        Ok(self.get(key).await?.map(|it| it.item))
    }

    /// All that a query gives.
    pub(super) async fn records(&self, query: Query) -> Result<Vec<Record>> {
        self.kv.query(query).try_collect().await
    }

    /// The sort values of all that a query gives.
    pub(super) async fn sorts(&self, query: Query) -> Result<Vec<KeyValue>> {
        let records = self.records(query).await?;
        Ok(records.into_iter().map(|it| it.key.sort.expect("the table has a sort")).collect())
    }

    /// Queries until the records that are found are the `wanted` ones, seen as `view` does: an index follows its table some
    /// time later, each read of it by its own.
    pub(super) async fn gives<R: PartialEq + Debug>(
        &self,
        query: &Query,
        view: impl Fn(Vec<Record>) -> R,
        wanted: R,
    ) -> Result<()> {
        let last = Mutex::new(None);
        let found = eventually("index that follows its table", SETTLED, || async {
            let found = view(self.records(query.clone()).await?);
            if found == wanted {
                return Ok(Some(()));
            }
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            Ok(None)
        });
        match found.await {
            Err(e) if e.kind() == ErrorKind::Timeout && e.op().is_empty() => {
                let found = last.into_inner().unwrap_or_else(PoisonError::into_inner);
                assert_eq!(found, Some(wanted), "{query:?}, {SETTLED:?} after the last write");
                Err(e)
            }
            other => other,
        }
    }
}

/// The keys of records, in their order.
pub(super) fn keys(records: Vec<Record>) -> Vec<Key> {
    records.into_iter().map(|it| it.key).collect()
}

/// An item with the one attribute `n`.
pub(super) fn one(n: i64) -> Item {
    Item::new().with("n", n)
}

/// The items `n` = 0, 1, … under keys named after them.
pub(super) async fn some(store: &Store<'_>, count: i64) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    for n in 0..count {
        let key = store.key(&format!("{n:03}"));
        store.save(&key, one(n)).await?;
        keys.push(key);
    }
    Ok(keys)
}

/// Wants a failure of this kind that names its operation.
#[track_caller]
pub(super) fn fails<R: Debug>(result: Result<R>, kind: ErrorKind) -> Error {
    help::fails("kv.", result, kind)
}
