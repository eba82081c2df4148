//! A server that accepts and never answers is an error in time, whatever was asked.

use std::time::Duration;

use futures::{StreamExt as _, future::BoxFuture};
use mvi_core::{
    Applied, Error, ErrorKind, Kv as _, Labels,
    kv::{
        Attr, Condition, CreateTable, Delete, Get, GetMany, OPS, Put, Query, Scan, Transact, Ttl,
        Update, WriteMany,
    },
};
use tokio::time::Instant;

use crate::{
    item, key, links,
    server::{Reply, Server},
    version,
};

type Call = fn(mvi_aws::kv::DynamoKv) -> BoxFuture<'static, Result<(), Error>>;

/// One call of each operation, and those that no retry of the SDK's own is let near.
const CALLS: &[(&str, Call)] = &[
    ("kv.create_table", |kv| {
        let request = CreateTable::new(links(), Attr::text("p")).ttl(Ttl::On);
        Box::pin(async move { kv.create_table(request).await.map(|_| ()) })
    }),
    ("kv.table", |kv| Box::pin(async move { kv.table(&links()).await.map(|_| ()) })),
    ("kv.delete_table", |kv| Box::pin(async move { kv.delete_table(&links()).await })),
    ("kv.get", |kv| Box::pin(async move { kv.get(Get::new(links(), key())).await.map(|_| ()) })),
    ("kv.put", |kv| {
        Box::pin(async move { kv.put(Put::new(links(), key(), item())).await.map(|_| ()) })
    }),
    ("kv.put", |kv| {
        let put = Put::new(links(), key(), item()).only_if(Condition::Absent);
        Box::pin(async move { kv.put(put).await.map(|_| ()) })
    }),
    ("kv.update", |kv| {
        let update = Update::new(links(), key()).increment("hits", 1);
        Box::pin(async move { kv.update(update).await.map(|_| ()) })
    }),
    ("kv.update", |kv| {
        let pinned = Condition::Version(version("n1"));
        let update = Update::new(links(), key()).increment("hits", 1).only_if(pinned);
        Box::pin(async move { kv.update(update).await.map(|_| ()) })
    }),
    ("kv.delete", |kv| Box::pin(async move { kv.delete(Delete::new(links(), key())).await })),
    ("kv.get_many", |kv| {
        let get = GetMany::new(links(), [key()]);
        Box::pin(async move { kv.get_many(get).await.map(|_| ()) })
    }),
    ("kv.write_many", |kv| {
        let write = WriteMany::new([Put::new(links(), key(), item())]);
        Box::pin(async move { kv.write_many(write).await.map(|_| ()) })
    }),
    ("kv.transact", |kv| {
        let transact = Transact::new().step(Put::new(links(), key(), item()));
        Box::pin(async move { kv.transact(transact).await.map(|_| ()) })
    }),
    ("kv.list_tables", |kv| {
        Box::pin(async move { first(kv.list_tables(Labels::new())).await.map(|_| ()) })
    }),
    ("kv.query", |kv| {
        Box::pin(async move { first(kv.query(Query::new(links(), "ann"))).await.map(|_| ()) })
    }),
    ("kv.scan", |kv| Box::pin(async move { first(kv.scan(Scan::new(links()))).await.map(|_| ()) })),
];

async fn first<T>(mut items: mvi_core::Items<T>) -> Result<T, Error> {
    items.next().await.expect("an item or an error")
}

/// Two calls of AWS, of 400 ms each at most, on a machine that is busy.
const IN_TIME: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_called() {
    for op in OPS {
        assert!(CALLS.iter().any(|(name, _)| *name == op.name()), "{} is not called", op.name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_is_an_error_in_time() {
    for (op, call) in CALLS {
        let server = Server::start(|call| match call.op.as_str() {
            // The table is known, what is done with it never ends.
            "DescribeTable" | "ListTagsOfResource" if call.nth == 0 => None,
            _ => Some(Reply::Never),
        })
        .await;
        let kv = server.hasty().await.kv;
        let looks = matches!(*op, "kv.table" | "kv.create_table");
        if looks {
            // The first look is for the others.
            kv.get(Get::new(links(), key())).await.unwrap_err();
        }
        let start = Instant::now();
        let error = call(kv).await.expect_err(op);
        let took = start.elapsed();
        assert!(took < IN_TIME, "{op} took {took:?}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert_eq!((error.op(), error.resource().is_empty()), (*op, *op == "kv.list_tables"));
        let writes = OPS.iter().any(|it| it.name() == *op && it.mutates());
        let applied = if writes && !looks { Applied::Unknown } else { Applied::No };
        assert_eq!(error.applied(), applied, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_can_not_be_looked_at_is_an_error_in_time() {
    for (op, call) in CALLS {
        let server = Server::start(|_| Some(Reply::Never)).await;
        let kv = server.hasty().await.kv;
        let start = Instant::now();
        let error = call(kv).await.expect_err(op);
        assert!(start.elapsed() < IN_TIME, "{op} took {:?}", start.elapsed());
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert_eq!(error.op(), *op);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_was_asked_for_nothing() {
    let server = Server::start(|_| None).await;
    let builder = server.builder();
    drop(server);
    // Its port is closed now, or about to be.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let kv = builder.build().await.unwrap().kv;
    let error = kv.delete_table(&links()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::No), "{error:?}");
}
