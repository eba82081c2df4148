//! A server that accepts and never answers is an error in time, for every operation.

use std::time::Duration;

use futures::{
    FutureExt as _, StreamExt as _,
    future::{LocalBoxFuture, join_all},
};
use mvi_core::{
    Applied, Blob as _, BlobExt as _, ErrorKind, Items, Labels, Result,
    blob::{
        Body, Complete, Copy, CreateBucket, Delete, DeleteMany, Head, List, Part, PartNumber,
        Source, StartUpload, Tag, Upload, Versioning, Versions,
    },
};
use mvi_gcp::{Gcp, Service};
use tokio::{net::TcpListener, time::Instant};

use super::{World, bucket, builder, cloud::Fault, get, key, put};
use crate::server::{Relay, Reply, Server};

type Told = (&'static str, Result<()>);

fn run<'a>(
    op: &'static str,
    call: impl Future<Output = Result<()>> + 'a,
) -> LocalBoxFuture<'a, Told> {
    call.map(move |answer| (op, answer)).boxed_local()
}

async fn first<T>(mut items: Items<T>) -> Result<()> {
    items.next().await.unwrap().map(drop)
}

/// Every operation that sends something.
async fn all(gcp: &Gcp) -> Vec<Told> {
    let blob = &gcp.blob;
    let number = PartNumber::new(1).unwrap();
    let upload = Upload::new(bucket(), key("key"), "0".repeat(32));
    let part = Part::new(number, 1, Tag::new("1"));
    let complete = Complete::new(upload.clone(), vec![part]);
    let copy = Copy::new(Source::new(bucket(), key("from")), bucket(), key("key"));
    let delete_many = async {
        let outcomes = blob.delete_many(DeleteMany::new(bucket(), [key("key")])).await?;
        outcomes.into_iter().next().unwrap()
    };
    join_all([
        run("blob.create_bucket", async {
            blob.create_bucket(CreateBucket::new(bucket())).await.map(drop)
        }),
        run("blob.bucket", async { blob.bucket(&bucket()).await.map(drop) }),
        run("blob.delete_bucket", async { blob.delete_bucket(&bucket()).await }),
        run("blob.set_versioning", async { blob.set_versioning(&bucket(), Versioning::On).await }),
        run("blob.set_lifecycle", async { blob.set_lifecycle(&bucket(), vec![]).await }),
        run("blob.put", async { blob.put_bytes(put(), "x").await.map(drop) }),
        run("blob.put", async { blob.put(put(), Body::from(vec![0; 9 << 20])).await.map(drop) }),
        run("blob.get", async { blob.get(get()).await.map(drop) }),
        run("blob.head", async { blob.head(Head::new(bucket(), key("key"))).await.map(drop) }),
        run("blob.delete", async { blob.delete(Delete::new(bucket(), key("key"))).await }),
        run("blob.delete_many", delete_many),
        run("blob.copy", async { blob.copy(copy).await.map(drop) }),
        run("blob.start_upload", async {
            blob.start_upload(StartUpload::new(bucket(), key("key"))).await.map(drop)
        }),
        run("blob.upload_part", async {
            blob.upload_part(&upload, number, Body::from("x")).await.map(drop)
        }),
        run("blob.complete_upload", async { blob.complete_upload(complete).await.map(drop) }),
        run("blob.abort_upload", async { blob.abort_upload(&upload).await }),
        run("blob.list_buckets", first(blob.list_buckets(Labels::new()))),
        run("blob.list", first(blob.list(List::new(bucket())))),
        run("blob.versions", first(blob.versions(Versions::new(bucket())))),
        run("blob.parts", first(blob.parts(&upload))),
        run("blob.uploads", first(blob.uploads(&bucket()))),
    ])
    .await
}

#[tokio::test]
async fn every_operation_fails_in_time_where_nothing_answers() {
    let grpc = Server::grpc(|_| Reply::Never).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = format!("http://{}", silent.local_addr().unwrap());
    let world = World::new().await;
    let builder = builder(&grpc, &world.http).endpoint_for(Service::StorageHttp, http);
    let gcp = builder.build().await.unwrap();
    let start = Instant::now();
    for (op, result) in all(&gcp).await {
        let error = result.unwrap_err();
        assert_eq!((error.op(), error.kind()), (op, ErrorKind::Timeout), "{error}");
    }
    // A write that was not answered is read back as well.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_peer_that_never_reads_is_an_error_in_time() {
    let world = World::new().await;
    // It accepts, by its backlog alone, and takes what fits into its buffers.
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = format!("http://{}", deaf.local_addr().unwrap());
    let builder = builder(&world.grpc, &world.http).endpoint_for(Service::StorageHttp, http);
    let gcp = builder.build().await.unwrap();
    for bytes in [8 << 20, 64 << 20] {
        let start = Instant::now();
        let error = gcp.blob.put(put(), Body::from(vec![0; bytes])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_nothing_was_applied() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let world = World::new().await;
    let builder = builder(&world.grpc, &world.http)
        .endpoint_for(Service::Storage, gone.clone())
        .endpoint_for(Service::StorageHttp, gone);
    let gcp = builder.build().await.unwrap();
    for (op, result) in all(&gcp).await {
        let error = result.unwrap_err();
        let found = (error.op(), error.kind(), error.applied());
        assert_eq!(found, (op, ErrorKind::Unavailable, Applied::No), "{error:?}");
    }
}

#[tokio::test]
async fn a_connection_that_went_silent_is_given_up() {
    let world = World::new().await;
    world.cloud.write("key", b"hello");
    let (control, bodies) =
        (Relay::to(world.grpc.address).await, Relay::to(world.http.address()).await);
    let gcp = builder(&world.grpc, &world.http)
        .endpoint_for(Service::Storage, control.url())
        .endpoint_for(Service::StorageHttp, bodies.url())
        .build()
        .await
        .unwrap();
    let read = || gcp.blob.get_bytes(get(), 100);
    assert_eq!(read().await.unwrap(), "hello");
    control.forget_connections();
    bodies.forget_connections();
    assert_eq!(read().await.unwrap(), "hello");
    assert!(control.connections() >= 2 && bodies.connections() >= 2);
}

#[tokio::test]
async fn a_server_that_goes_away_is_found_again() {
    let world = World::new().await;
    world.cloud.write("key", b"hello");
    world.cloud.befall("GetObject", [Fault::Lose, Fault::Lose]);
    world.cloud.befall("media", [Fault::Lose, Fault::Lose]);
    assert_eq!(world.gcp.blob.get_bytes(get(), 100).await.unwrap(), "hello");
}
