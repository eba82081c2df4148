//! A server that accepts and never answers is an error in time, for every operation.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use mvi_core::{
    Applied, ErrorKind, Kv as _, Labels, Result,
    kv::{
        Check, Condition, Delete, Get, GetMany, Key, Put, Query, Scan, Transact, Update, WriteMany,
    },
};
use mvi_gcp::Gcp;

use crate::{
    builder, client, item, make_table, name,
    server::{Reply, Server},
    store::{Fault, Store},
};

/// Every operation, each with its name, whether its first call on a known table writes, and its failure.
async fn all(gcp: &Gcp) -> Vec<(&'static str, bool, Result<()>)> {
    let links = || name("links");
    let key = || Key::sorted("gh", 1);
    let kv = &gcp.kv;
    let put = || Put::new(links(), key(), item());
    let many = kv.write_many(WriteMany::new([put()])).await;
    let one = |it: Vec<Result<_>>| it.into_iter().next().unwrap().map(|_| ());
    let transact = Transact::new().step(Check::new(links(), key(), Condition::Present));
    let update = Update::new(links(), key()).increment("hits", 1);
    let several = kv.get_many(GetMany::new(links(), [key()])).await;
    let of_many = |it: Vec<Result<_>>| it.into_iter().next().unwrap().map(|_| ());
    vec![
        ("kv.create_table", false, make_table(gcp).await.map(|_| ())),
        ("kv.table", false, kv.table(&links()).await.map(|_| ())),
        ("kv.delete_table", false, kv.delete_table(&links()).await),
        ("kv.get", false, kv.get(Get::new(links(), key())).await.map(|_| ())),
        ("kv.put", true, kv.put(put()).await.map(|_| ())),
        ("kv.put", false, kv.put(put().only_if(Condition::Present)).await.map(|_| ())),
        ("kv.put", true, kv.put(put().only_if(Condition::Absent)).await.map(|_| ())),
        ("kv.update", false, kv.update(update).await.map(|_| ())),
        ("kv.delete", true, kv.delete(Delete::new(links(), key())).await),
        ("kv.get_many", false, several.and_then(of_many)),
        ("kv.write_many", true, many.and_then(one)),
        ("kv.transact", false, kv.transact(transact).await.map(|_| ())),
        ("kv.list_tables", false, first(kv.list_tables(Labels::new())).await),
        ("kv.query", false, first(kv.query(Query::new(links(), "gh"))).await),
        ("kv.scan", false, first(kv.scan(Scan::new(links()))).await),
    ]
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
    // 14 operations of 3 attempts of 0.3 s each.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
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
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
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
