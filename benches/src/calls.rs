//! A service that does nothing, alone and behind the whole stack of hooks: what remains is what a call costs.

use std::{hint::black_box, sync::Arc, time::Duration};

use async_trait::async_trait;
use mvi_core::{
    Items, Kv, Labels, Name, Result, Unsupported,
    hook::{Hook, Hooked, Meter, Timeout, Trace},
    kv::{
        CreateTable, Delete, Get, GetMany, Key, Put, Query, Record, Scan, Table, Transact, Update,
        Version, WriteMany,
    },
};

/// Answers every get at once with nothing.
#[derive(Debug)]
pub struct Nothing(Unsupported);

/// A service that answers every get at once.
pub fn direct() -> Arc<dyn Kv> {
    Arc::new(nothing())
}

/// The same behind `hook`, with one `dyn` around both.
pub fn hooked(hook: impl Hook) -> Arc<dyn Kv> {
    Arc::new(Hooked::new(Arc::new(nothing()), hook))
}

/// The whole stack: [`Trace`], [`Meter`] and [`Timeout`].
pub fn stack() -> impl Hook {
    (Trace, Meter, timeout())
}

/// A time limit that no call here comes near.
pub fn timeout() -> Timeout {
    Timeout::after(Duration::from_secs(20))
}

/// Gets `times` times.
pub async fn gets(kv: &Arc<dyn Kv>, times: usize) -> Result<()> {
    let table = Name::new("links")?;
    for n in 0..times {
        let key = Key::new(i64::try_from(n).unwrap_or_default());
        black_box(black_box(kv).get(Get::new(table.clone(), key)).await?);
    }
    Ok(())
}

fn nothing() -> Nothing {
    Nothing(Unsupported::because("it only answers gets"))
}

#[async_trait]
impl Kv for Nothing {
    async fn get(&self, request: Get) -> Result<Option<Record>> {
        black_box(&request);
        Ok(None)
    }

    async fn create_table(&self, request: CreateTable) -> Result<Table> {
        self.0.create_table(request).await
    }

    async fn table(&self, name: &Name) -> Result<Table> {
        self.0.table(name).await
    }

    fn list_tables(&self, labels: Labels) -> Items<Table> {
        self.0.list_tables(labels)
    }

    async fn delete_table(&self, name: &Name) -> Result<()> {
        self.0.delete_table(name).await
    }

    async fn put(&self, request: Put) -> Result<Version> {
        self.0.put(request).await
    }

    async fn update(&self, request: Update) -> Result<Record> {
        self.0.update(request).await
    }

    async fn delete(&self, request: Delete) -> Result<()> {
        self.0.delete(request).await
    }

    async fn get_many(&self, request: GetMany) -> Result<Vec<Result<Option<Record>>>> {
        self.0.get_many(request).await
    }

    async fn write_many(&self, request: WriteMany) -> Result<Vec<Result<Option<Version>>>> {
        self.0.write_many(request).await
    }

    async fn transact(&self, request: Transact) -> Result<Vec<Option<Version>>> {
        self.0.transact(request).await
    }

    fn query(&self, request: Query) -> Items<Record> {
        self.0.query(request)
    }

    fn scan(&self, request: Scan) -> Items<Record> {
        self.0.scan(request)
    }
}
