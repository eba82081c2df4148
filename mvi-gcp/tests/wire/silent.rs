//! A server that accepts and never answers is an error in time, for every operation.

use std::time::Duration;

use futures::{
    FutureExt as _, StreamExt as _,
    future::{LocalBoxFuture, join_all},
};
use mvi_core::{
    Applied, ErrorKind, Kv as _, Labels, Result,
    kv::{
        Check, Condition, Delete, Get, GetMany, Key, Put, Query, Scan, Transact, Update, WriteMany,
    },
};
use mvi_gcp::Gcp;
use tokio::time::Instant;

use crate::{
    builder, client, item, make_table, name,
    server::{Relay, Reply, Server},
    store::{Fault, Store},
};

/// Every operation, each with its name, whether its first call on a known table writes, and its failure.
async fn all(gcp: &Gcp) -> Vec<(&'static str, bool, Result<()>)> {
    let links = || name("links");
    let key = || Key::sorted("gh", 1);
    let kv = &gcp.kv;
    let put = || Put::new(links(), key(), item());
    let get_many = async {
        let found = kv.get_many(GetMany::new(links(), [key()])).await?;
        found.into_iter().next().unwrap().map(drop)
    };
    let write_many = async {
        let made = kv.write_many(WriteMany::new([put()])).await?;
        made.into_iter().next().unwrap().map(drop)
    };
    let transact = Transact::new().step(Check::new(links(), key(), Condition::Present));
    let update = Update::new(links(), key()).increment("hits", 1);
    let mut answers = join_all([
        run("kv.create_table", false, async { make_table(gcp).await.map(drop) }),
        run("kv.table", false, async { kv.table(&links()).await.map(drop) }),
        run("kv.get", false, async { kv.get(Get::new(links(), key())).await.map(drop) }),
        run("kv.put", true, async { kv.put(put()).await.map(drop) }),
        run("kv.put", false, async { kv.put(put().only_if(Condition::Present)).await.map(drop) }),
        run("kv.put", true, async { kv.put(put().only_if(Condition::Absent)).await.map(drop) }),
        run("kv.update", false, async { kv.update(update).await.map(drop) }),
        run("kv.delete", true, kv.delete(Delete::new(links(), key()))),
        run("kv.get_many", false, get_many),
        run("kv.write_many", true, write_many),
        run("kv.transact", false, async { kv.transact(transact).await.map(drop) }),
        run("kv.list_tables", false, first(kv.list_tables(Labels::new()))),
        run("kv.query", false, first(kv.query(Query::new(links(), "gh")))),
        run("kv.scan", false, first(kv.scan(Scan::new(links())))),
    ])
    .await;
    // Last, since it forgets the table.
    answers.push(run("kv.delete_table", false, async { kv.delete_table(&links()).await }).await);
    answers
}

fn run<'a>(
    op: &'static str,
    writes: bool,
    call: impl Future<Output = Result<()>> + 'a,
) -> LocalBoxFuture<'a, (&'static str, bool, Result<()>)> {
    call.map(move |answer| (op, writes, answer)).boxed_local()
}

async fn first<T>(mut items: mvi_core::Items<T>) -> Result<()> {
    items.next().await.unwrap().map(|_| ())
}

#[tokio::test]
async fn every_operation_fails_in_time_where_nothing_answers() {
    let server = Server::grpc(|_| Reply::Never).await;
    let gcp = client(&server).await;
    let start = Instant::now();
    for (op, _, result) in all(&gcp).await {
        let error = result.unwrap_err();
        assert_eq!((error.op(), error.kind()), (op, ErrorKind::Timeout), "{error}");
    }
    // Each within 2 s; the last comes after the others.
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[tokio::test]
async fn every_operation_on_a_known_table_fails_in_time() {
    let store = Store::default();
    let server = store.serve().await;
    let gcp = client(&server).await;
    make_table(&gcp).await.unwrap();
    // One silence for each attempt of all operations.
    for method in ["Commit", "BatchWrite", "BatchGetDocuments", "RunQuery"] {
        store.befall(method, (0..500).map(|_| Fault::Ignore));
    }
    let start = Instant::now();
    for (op, writes, result) in all(&gcp).await {
        let error = result.unwrap_err();
        let applied = if writes { Applied::Unknown } else { Applied::No };
        let found = (error.op(), error.kind(), error.applied());
        assert_eq!(found, (op, ErrorKind::Timeout, applied), "{error}");
    }
    // A write that was not answered is read back as well.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_answer_that_stops_half_way_is_an_error_in_time() {
    let server = Server::grpc(|_| Reply::Stall(Vec::new())).await;
    let gcp = client(&server).await;
    let error = gcp.kv.table(&name("links")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let error = first(gcp.kv.list_tables(Labels::new())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_nothing_was_applied() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = Server::grpc(|_| Reply::Never).await;
    let gcp =
        builder(&server).endpoint_for(mvi_gcp::Service::Firestore, gone).build().await.unwrap();
    for (op, _, result) in all(&gcp).await {
        let error = result.unwrap_err();
        let found = (error.op(), error.kind(), error.applied());
        assert_eq!(found, (op, ErrorKind::Unavailable, Applied::No), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_goes_away_is_found_again() {
    let store = Store::default();
    let server = store.serve().await;
    let gcp = client(&server).await;
    make_table(&gcp).await.unwrap();
    store.befall("BatchGetDocuments", [Fault::Lose, Fault::Lose]);
    assert_eq!(gcp.kv.get(Get::new(name("links"), Key::sorted("gh", 1))).await.unwrap(), None);
}

#[tokio::test]
async fn a_connection_that_went_silent_is_given_up() {
    let store = Store::default();
    let server = store.serve().await;
    let wire = Relay::to(server.address).await;
    let builder = builder(&server).endpoint_for(mvi_gcp::Service::Firestore, wire.url());
    let gcp = builder.build().await.unwrap();
    make_table(&gcp).await.unwrap();
    let get = || gcp.kv.get(Get::new(name("links"), Key::sorted("gh", 1)));
    assert_eq!(get().await.unwrap(), None);

    wire.forget_connections();
    assert_eq!(get().await.unwrap(), None);
    assert_eq!(wire.connections(), 2);
}
