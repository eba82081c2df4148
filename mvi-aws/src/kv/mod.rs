//! Kv on `DynamoDB`.
//!
//! A table's keys and indexes are `DynamoDB`'s own, under the names that [`CreateTable`] declares, so that other programs
//! can read them. Two hidden attributes are added: `_v`, a fresh nonce each write, which is the record's [`Version`],
//! and `_x`, its expiry in seconds since 1970, which is the table's TTL attribute.
//!
//! | promise | how it is kept |
//! |---|---|
//! | an expired record is absent | `_x` is compared here in reads, there in conditions: `DynamoDB` removes records [within days][ttl] |
//! | a lost answer is not a lost race | a failed condition [shows the item][old]: with our nonce, we won |
//! | no change is made twice | what could be is not sent again, but read back; a transaction has a [token][token] |
//! | a partial answer is not an answer | what was left over is asked for again, a bounded number of times, then its own error |
//!
//! [ttl]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
//! [old]: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html
//! [token]: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html

mod batch;
mod change;
mod expression;
mod read;
mod table;
mod transact;
mod value;
mod write;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    config::{Builder, StalledStreamProtectionConfig, retry::RetryPartition},
};
use futures::{StreamExt as _, stream};
use mvi_core::{
    Error, Items, Kv, Labels, Name, Result,
    kv::{
        CreateTable, Delete, Get, GetMany, Key, Put, Query, Record, Scan, Table, Tables, Transact,
        Update, Version, WriteMany,
    },
};

use crate::{
    Retries, Service,
    attempt::{Careful, Watch},
    config::Config,
};

use self::{
    table::Seen,
    value::{Attributes, from_key_value},
};

/// [`Kv`] on `DynamoDB`.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let aws = mvi_aws::Aws::from_env().await?;
/// // What MVI does not do, the SDK does.
/// let limits = aws.kv.client().describe_limits().send().await?;
/// # let _ = limits; Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DynamoKv(Arc<Inner>);

struct Inner {
    client: Client,
    tables: Tables,
    seen: Seen,
    retries: Retries,
}

impl fmt::Debug for DynamoKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoKv").finish_non_exhaustive()
    }
}

impl DynamoKv {
    pub(crate) fn new(config: &Config) -> Self {
        let mut builder = Builder::from(config.shared())
            .retry_config(config.sdk_retries())
            .timeout_config(config.sdk_timeouts())
            // One client that runs out of retries does not take them from another.
            .retry_partition(RetryPartition::custom("mvi kv").build())
            // It guards bodies that trickle; here an attempt has a time limit, body included.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .interceptor(Watch)
            .retry_classifier(Careful { also: transact::is_contended });
        if let Some(url) = config.endpoint(Service::DynamoDb) {
            builder = builder.endpoint_url(url);
        }
        Self(Arc::new(Inner {
            client: Client::from_conf(builder.build()),
            tables: Tables::default(),
            seen: Seen::default(),
            retries: config.retries(),
        }))
    }

    /// The SDK's client, for what MVI does not do. It has the same time limits and retries.
    pub fn client(&self) -> &Client {
        &self.0.client
    }
}

/// `key` under the names of its attributes. It has been checked to fit them.
fn key_attributes(table: &Table, key: Key) -> Attributes {
    let mut attributes = Attributes::with_capacity(2);
    add_key(table, key, &mut attributes);
    attributes
}

fn add_key(table: &Table, key: Key, to: &mut Attributes) {
    let Key { partition, sort } = key;
    to.insert(table.partition.name.clone(), from_key_value(partition));
    if let (Some(attr), Some(value)) = (&table.sort, sort) {
        to.insert(attr.name.clone(), from_key_value(value));
    }
}

#[async_trait]
impl Kv for DynamoKv {
    async fn create_table(&self, request: CreateTable) -> Result<Table> {
        let name = request.name.clone();
        self.0.create_table(request).await.map_err(|e| e.or_at("kv.create_table", name))
    }

    async fn table(&self, name: &Name) -> Result<Table> {
        self.0.table(name).await.map_err(|e| e.or_at("kv.table", name))
    }

    fn list_tables(&self, labels: Labels) -> Items<Table> {
        named("kv.list_tables", String::new(), table::list(Arc::clone(&self.0), labels))
    }

    async fn delete_table(&self, name: &Name) -> Result<()> {
        self.0.delete_table(name).await.map_err(|e| e.or_at("kv.delete_table", name))
    }

    async fn get(&self, request: Get) -> Result<Option<Record>> {
        let name = request.table.clone();
        self.0.get(request).await.map_err(|e| e.or_at("kv.get", name))
    }

    async fn put(&self, request: Put) -> Result<Version> {
        let name = request.table.clone();
        self.0.put(request).await.map_err(|e| e.or_at("kv.put", name))
    }

    async fn update(&self, request: Update) -> Result<Record> {
        let name = request.table.clone();
        self.0.update(request).await.map_err(|e| e.or_at("kv.update", name))
    }

    async fn delete(&self, request: Delete) -> Result<()> {
        let name = request.table.clone();
        self.0.delete(request).await.map_err(|e| e.or_at("kv.delete", name))
    }

    async fn get_many(&self, request: GetMany) -> Result<Vec<Result<Option<Record>>>> {
        let name = request.table.clone();
        let named = |e: Error| e.or_at("kv.get_many", &name);
        let results = self.0.get_many(request).await.map_err(named)?;
        Ok(results.into_iter().map(|it| it.map_err(named)).collect())
    }

    async fn write_many(&self, request: WriteMany) -> Result<Vec<Result<Option<Version>>>> {
        let resource = request.resource();
        let named = |e: Error| e.or_at("kv.write_many", &resource);
        let results = self.0.write_many(request).await.map_err(named)?;
        Ok(results.into_iter().map(|it| it.map_err(named)).collect())
    }

    async fn transact(&self, request: Transact) -> Result<Vec<Option<Version>>> {
        let resource = request.resource();
        self.0.transact(request).await.map_err(|e| e.or_at("kv.transact", resource))
    }

    fn query(&self, request: Query) -> Items<Record> {
        let name = request.table.to_string();
        named("kv.query", name, read::query(Arc::clone(&self.0), request))
    }

    fn scan(&self, request: Scan) -> Items<Record> {
        let name = request.table.to_string();
        named("kv.scan", name, read::scan(Arc::clone(&self.0), request))
    }
}

/// Names the call in a stream's errors.
fn named<T: Send + 'static>(
    op: &'static str,
    resource: String,
    items: impl stream::Stream<Item = Result<T>> + Send + 'static,
) -> Items<T> {
    items.map(move |it| it.map_err(|e| e.or_at(op, &resource))).boxed()
}
