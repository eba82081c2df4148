//! A table of one type: serde writes and reads it, the key's attributes among its fields.

use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use futures::StreamExt as _;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Attr, Condition, Consistency, Delete, Get, GetMany, Item, Key, KeyKind, KeyValue, Kv,
    KvExt as _, Put, Query, Record, Scan, Table, Update, Value, Version,
};
use crate::{Error, ErrorKind, Items, Name, Result, When, wait::pause};

/// How often [`Typed::modify`] tries.
const TRIES: u32 = 12;

/// A table whose records are all of one type.
///
/// The type's fields are the record's attributes, those of the key included: a field called as the table's partition
/// attribute, of its kind, and one called as its sort attribute. A field that is `None` is null; one that an index wants must
/// be skipped while it is `None` (`skip_serializing_if`).
///
/// ```
/// use std::sync::Arc;
/// use mvi_core::{Kv, Name, Result, kv::{Attr, CreateTable, Typed}};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Link {
///     code: String,
///     url: String,
///     hits: u64,
/// }
///
/// async fn follow(kv: Arc<dyn Kv>) -> Result<String> {
///     let table = kv.create_table(CreateTable::new(Name::new("links")?, Attr::text("code"))).await?;
///     let links = Typed::<Link>::new(kv, &table);
///     links.insert(&Link { code: "gh".into(), url: "https://github.com".into(), hits: 0 }).await?;
///     let link = links.modify("gh", |link| link.hits += 1).await?;
///     Ok(link.into_inner().url)
/// }
/// ```
///
/// # Errors
///
/// Those of [`Kv`]; and [`Invalid`](ErrorKind::Invalid), naming the field, where a value does not fit its table or a record its type.
pub struct Typed<T> {
    kv: Arc<dyn Kv>,
    keys: Arc<Keys>,
    consistency: Consistency,
    of: PhantomData<fn() -> T>,
}

struct Keys {
    table: Name,
    partition: Attr,
    sort: Option<Attr>,
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Self {
        Self {
            kv: Arc::clone(&self.kv),
            keys: Arc::clone(&self.keys),
            consistency: self.consistency,
            of: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Typed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").field("table", &self.keys.table).finish_non_exhaustive()
    }
}

impl<T> Typed<T> {
    /// The records of `table`, which is one of `kv`'s.
    pub fn new(kv: Arc<dyn Kv>, table: &Table) -> Self {
        let Table { name, partition, sort, .. } = table;
        let keys = Keys { table: name.clone(), partition: partition.clone(), sort: sort.clone() };
        Self { kv, keys: Arc::new(keys), consistency: Consistency::Eventual, of: PhantomData }
    }

    /// Makes [`get`](Self::get), [`fetch`](Self::fetch) and [`get_many`](Self::get_many) see every write that completed before.
    #[must_use]
    pub fn strong(mut self) -> Self {
        self.consistency = Consistency::Strong;
        self
    }

    /// The table's name.
    pub fn table(&self) -> &Name {
        &self.keys.table
    }

    /// Removes the record at `key`. Removing what is not there succeeds.
    pub async fn delete(&self, key: impl Into<Key>) -> Result<()> {
        self.kv.delete(Delete::new(self.keys.table.clone(), key)).await
    }

    fn at(&self, key: impl Into<Key>) -> Get {
        let Self { keys, consistency, .. } = self;
        Get { table: keys.table.clone(), key: key.into(), consistency: *consistency }
    }

    fn check_table(&self, table: &Name) -> Result<()> {
        let own = &self.keys.table;
        if table == own {
            return Ok(());
        }
        Err(Error::invalid(format!("a request for table {table}, wanted one for {own}")))
    }
}

impl<T: Serialize> Typed<T> {
    /// The put that writes `value`: for a condition or an expiry of one's own, a transaction, a batch.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mvi_core::{Kv, Result, When, kv::{Typed, Version}};
    /// # use serde::Serialize;
    ///
    /// # #[derive(Serialize)]
    /// # struct Session { id: String }
    /// async fn keep(kv: &dyn Kv, sessions: &Typed<Session>, session: &Session) -> Result<Version> {
    ///     kv.put(sessions.to_put(session)?.expires(When::In(Duration::from_secs(3600)))).await
    /// }
    /// ```
    pub fn to_put(&self, value: &T) -> Result<Put> {
        let Keys { table, partition, sort } = &*self.keys;
        let split = || {
            let mut item = Item::of(value)?;
            let partition = take_key(&mut item, partition)?;
            let sort = sort.as_ref().map(|sort| take_key(&mut item, sort)).transpose()?;
            Ok(Put::new(table.clone(), Key { partition, sort }, item))
        };
        split().map_err(|e: Error| e.or_at("kv.put", table))
    }

    /// Writes `value` whole, in place of what was there. What is written so never expires.
    pub async fn put(&self, value: &T) -> Result<Version> {
        self.kv.put(self.to_put(value)?).await
    }

    /// Writes `value` where there is nothing yet. It never expires.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) where there is a record already.
    pub async fn insert(&self, value: &T) -> Result<Version> {
        self.kv.put(self.to_put(value)?.only_if(Condition::Absent)).await
    }

    /// Writes a value that was read and then changed, where no one has written in between. It expires as it did.
    ///
    /// ```
    /// use mvi_core::{Result, kv::Typed};
    /// # use serde::{Deserialize, Serialize};
    ///
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Link { code: String, url: String }
    /// async fn point(links: &Typed<Link>, url: &str) -> Result<()> {
    ///     let mut link = links.fetch("gh").await?;
    ///     link.url = url.to_owned();
    ///     link.version = links.replace(&link).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) where the record is no longer as it was read: read it again, then decide.
    pub async fn replace(&self, changed: &Versioned<T>) -> Result<Version> {
        self.kv.put(self.to_replace(changed)?).await
    }

    fn to_replace(&self, changed: &Versioned<T>) -> Result<Put> {
        let Versioned { value, version, expires } = changed;
        let mut put = self.to_put(value)?.only_if(Condition::Version(version.clone()));
        put.expires = expires.map(When::At);
        Ok(put)
    }
}

impl<T: DeserializeOwned> Typed<T> {
    /// Reads a record that came from elsewhere, as from a stream of [`Kv`]'s own.
    pub fn read(&self, record: Record) -> Result<Versioned<T>> {
        self.keys.read(record)
    }

    /// Returns the value at `key`, or `None` where there is none.
    pub async fn get(&self, key: impl Into<Key>) -> Result<Option<Versioned<T>>> {
        let found = self.kv.get(self.at(key)).await?;
        found.map(|record| self.keys.read(record)).transpose()
    }

    /// Returns the value at `key`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where there is none.
    pub async fn fetch(&self, key: impl Into<Key>) -> Result<Versioned<T>> {
        self.keys.read(self.kv.fetch(self.at(key)).await?)
    }

    /// Returns the values at many keys, each with its own outcome, in the order of the keys.
    ///
    /// # Errors
    ///
    /// What befell one record is in its own result; only what befell all of them is in the call's.
    pub async fn get_many<K: Into<Key>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Result<Option<Versioned<T>>>>> {
        let mut request = GetMany::new(self.keys.table.clone(), keys);
        request.consistency = self.consistency;
        let found = self.kv.get_many(request).await?;
        let read = |one: Result<Option<Record>>| one?.map(|it| self.keys.read(it)).transpose();
        Ok(found.into_iter().map(read).collect())
    }

    /// Changes a record in place, and returns its value as it is now. What is absent starts empty.
    ///
    /// ```
    /// use mvi_core::{Result, kv::{Typed, Update}};
    /// # use serde::Deserialize;
    ///
    /// # #[derive(Deserialize)]
    /// # struct Link { code: String, hits: u64 }
    /// async fn hit(links: &Typed<Link>) -> Result<u64> {
    ///     let hit = Update::new(links.table().clone(), "gh").increment("hits", 1);
    ///     Ok(links.update(hit).await?.hits)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) as [`Kv::update`] says. Where the record no longer fits its type, it is
    /// [`Invalid`](ErrorKind::Invalid), and has changed.
    pub async fn update(&self, request: Update) -> Result<Versioned<T>> {
        self.check_table(&request.table).map_err(|e| e.at("kv.update", &request.table))?;
        let record = self.kv.update(request).await?;
        self.keys.read(record).map_err(|e| e.with_applied(crate::Applied::Yes))
    }

    /// Streams the values of one partition, of the table or an index, in the order of their sort values.
    pub fn query(&self, request: Query) -> Items<Versioned<T>>
    where
        T: Send + 'static,
    {
        match self.check_table(&request.table) {
            Ok(()) => self.values(self.kv.query(request)),
            Err(e) => ends_with(e.at("kv.query", &request.table)),
        }
    }

    /// Streams all values, in no order that means anything.
    pub fn scan(&self, request: Scan) -> Items<Versioned<T>>
    where
        T: Send + 'static,
    {
        match self.check_table(&request.table) {
            Ok(()) => self.values(self.kv.scan(request)),
            Err(e) => ends_with(e.at("kv.scan", &request.table)),
        }
    }

    /// A value that can't be read is an error in its place, and what follows comes all the same.
    fn values(&self, records: Items<Record>) -> Items<Versioned<T>>
    where
        T: Send + 'static,
    {
        let keys = Arc::clone(&self.keys);
        records.map(move |record| keys.read(record?)).boxed()
    }
}

impl<T: Serialize + DeserializeOwned> Typed<T> {
    /// Reads the value at `key`, lets `change` change it, and writes it where no one has written in between; else
    /// it does so again, with what is there then, at most 12 times in some seconds. It expires as it did.
    ///
    /// An [`update`](Self::update) is one call where this is two, and never conflicts: prefer it where it can say the change.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where there is no record, [`Conflict`](ErrorKind::Conflict) where others wrote in between every time, and
    /// [`Invalid`](ErrorKind::Invalid) where `change` changed the key. Where the answer to a write is lost, it
    /// [may have been applied](Error::may_have_applied), and is not made again.
    pub async fn modify(
        &self,
        key: impl Into<Key>,
        mut change: impl FnMut(&mut T),
    ) -> Result<Versioned<T>> {
        let key = key.into();
        let mut tries = 0;
        loop {
            let mut found = self.keys.read(self.kv.fetch(self.at(key.clone()).strong()).await?)?;
            change(&mut found.value);
            let put = self.to_replace(&found)?;
            if put.key != key {
                let message = "the change is of the key, wanted one of other attributes";
                return Err(Error::invalid(message).at("kv.put", &self.keys.table));
            }
            tries += 1;
            match self.kv.put(put).await {
                Ok(version) => {
                    found.version = version;
                    return Ok(found);
                }
                Err(e) if e.kind() == ErrorKind::Conflict && tries < TRIES => {
                    tokio::time::sleep(pause(tries, (&key, &found.version))).await;
                }
                Err(e) => return Err(e),
            }
        }
    }
}

impl Keys {
    fn read<T: DeserializeOwned>(&self, record: Record) -> Result<Versioned<T>> {
        let Record { version, expires, .. } = &record;
        let (version, expires) = (version.clone(), *expires);
        let value = record
            .decode(&self.partition, self.sort.as_ref())
            .map_err(|e| e.or_at("kv.get", &self.table))?;
        Ok(Versioned { value, version, expires })
    }
}

/// Takes the key's attribute out of what serde wrote.
fn take_key(item: &mut Item, attr: &Attr) -> Result<KeyValue> {
    let Attr { name, kind } = attr;
    let found = match (kind, item.attributes_mut().remove(name)) {
        (KeyKind::Text, Some(Value::Text(text))) => return Ok(text.into()),
        (KeyKind::Bytes, Some(Value::Bytes(bytes))) => return Ok(bytes.into()),
        (KeyKind::Int, Some(Value::Number(number))) => match number.as_i64() {
            Some(int) => return Ok(int.into()),
            None => "a number with a fraction",
        },
        (_, Some(other)) => other.kind(),
        (_, None) => "nothing",
    };
    let wanted = match kind {
        KeyKind::Text => "text",
        KeyKind::Int => "a whole number",
        KeyKind::Bytes => "bytes",
    };
    Err(Error::invalid(format!("{name}: found {found}, wanted {wanted}: it is in the key")))
}

fn ends_with<T: Send + 'static>(error: Error) -> Items<T> {
    futures::stream::once(async { Err(error) }).boxed()
}

/// A value, and the write that made it so. It is its value wherever that is wanted.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// The write that made it so.
    pub version: Version,
    /// When it expires.
    pub expires: Option<Timestamp>,
}

impl<T> Versioned<T> {
    /// The value alone.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Versioned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Versioned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
