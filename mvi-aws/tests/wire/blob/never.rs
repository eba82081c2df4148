//! A server that accepts and never answers, or stops in the middle: every call ends in time.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use mvi_aws::{Aws, Retries, Timeouts};
use mvi_core::{
    Applied, Blob as _, Error, ErrorKind, Labels, Result,
    blob::{CreateBucket, Delete, DeleteMany, Head, List, Rule, StartUpload, Versioning, Versions},
};
use tokio::{net::TcpListener, time::timeout};

use super::{
    S3, bucket, complete, copy, get, key, number, put,
    server::{Reply, Server, object},
    upload,
};

/// Longer than a call may take, and shorter than for ever.
const WATCHDOG: Duration = Duration::from_secs(20);

async fn ends<T>(call: impl Future<Output = Result<T>>) -> Error {
    let ended = timeout(WATCHDOG, call).await.expect("it ends");
    ended.err().expect("an error")
}

#[tokio::test]
async fn every_call_ends_where_nobody_answers() {
    let server = Server::start(|_| Some(Reply::Never)).await;
    let b: S3 = server.hasty().await;
    let bucket = bucket();
    let writes = [
        ends(b.create_bucket(CreateBucket::new(bucket.clone()))).await,
        ends(b.delete_bucket(&bucket)).await,
        ends(b.set_versioning(&bucket, Versioning::On)).await,
        ends(b.set_lifecycle(&bucket, vec![Rule::expire("", 1)])).await,
        ends(b.put(put(), "hello".into())).await,
        ends(b.delete(Delete::new(bucket.clone(), key("a")))).await,
        ends(b.delete_many(DeleteMany::new(bucket.clone(), [key("a")]))).await,
        ends(b.copy(copy())).await,
        ends(b.start_upload(StartUpload::new(bucket.clone(), key("a")))).await,
        ends(b.upload_part(&upload(), number(1), "hello".into())).await,
        ends(b.complete_upload(complete())).await,
        ends(b.abort_upload(&upload())).await,
    ];
    for error in writes {
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        // What only looked so far has changed nothing.
        let looks = ["blob.create_bucket", "blob.copy"].contains(&error.op());
        let applied = if looks { Applied::No } else { Applied::Unknown };
        assert_eq!(error.applied(), applied, "{error:?}");
    }
    let reads = [
        ends(b.bucket(&bucket)).await,
        ends(b.list_buckets(Labels::new()).try_collect::<Vec<_>>()).await,
        ends(b.get(get())).await,
        ends(b.head(Head::new(bucket.clone(), key("a")))).await,
        ends(b.list(List::new(bucket.clone())).try_collect::<Vec<_>>()).await,
        ends(b.versions(Versions::new(bucket.clone())).try_collect::<Vec<_>>()).await,
        ends(b.parts(&upload()).try_collect::<Vec<_>>()).await,
        ends(b.uploads(&bucket).try_collect::<Vec<_>>()).await,
    ];
    for error in reads {
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::No), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_ends() {
    let server = Server::start(|call| {
        let answer = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        (call.op == "ListObjectsV2").then(|| Reply::xml(answer).stall(10))
    })
    .await;
    let b = server.hasty().await;
    let error = ends(b.list(List::new(bucket())).try_collect::<Vec<_>>()).await;
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
}

#[tokio::test]
async fn a_body_that_stops_is_an_error_in_time() {
    let server = Server::start(|call| {
        let stalled = |call| object(call, &[7; 1_000]).stall(if call.nth == 0 { 300 } else { 0 });
        (call.op == "GetObject").then(|| stalled(call))
    })
    .await;
    let b = server.hasty().await;
    let object = b.get(get()).await.unwrap();
    let error = ends(object.bytes(1_000)).await;
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::No), "{error:?}");
    assert!(error.message().contains("at 300"), "{error:?}");
    let tries = server.calls("GetObject").len();
    assert!((2..=9).contains(&tries), "{tries} tries");
}

/// A peer that takes connections, and reads nothing from them.
async fn deaf() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (format!("http://{}", listener.local_addr().unwrap()), listener)
}

#[tokio::test]
async fn an_upload_to_a_peer_that_reads_nothing_is_an_error_in_time() {
    // More than the buffers of a connection take, so that the request itself can't be sent.
    let large = Bytes::from(vec![7; 8 << 20]);
    let (url, listener) = deaf().await;
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let blob = Aws::builder()
        .region("eu-central-1")
        .endpoint(url)
        .credentials("test-id", "test-key")
        .timeouts(Timeouts {
            connect: Duration::from_secs(5),
            read: Duration::from_millis(100),
            attempt: Duration::from_millis(100),
            operation: Duration::from_millis(300),
        })
        .retries(Retries { attempts: 2, ..Retries::default() })
        .build()
        .await
        .unwrap()
        .blob;
    for error in [
        ends(blob.put(put(), large.clone().into())).await,
        ends(blob.upload_part(&upload(), number(1), large.into())).await,
    ] {
        let got = (error.kind(), error.applied());
        assert_eq!(got, (ErrorKind::Timeout, Applied::Unknown), "{error:?}");
    }
    held.abort();
}

#[tokio::test]
async fn a_large_body_has_more_time_than_a_small_one() {
    // Its MiB have nine times that of an attempt, which is less than the answer takes.
    let late = Duration::from_millis(900);
    let server = Server::start(move |_| Some(Reply::ok().with("etag", "\"e1\"").late(late))).await;
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        read: Duration::from_secs(5),
        attempt: Duration::from_millis(600),
        operation: Duration::from_millis(1_300),
    };
    let blob = server.builder().timeouts(timeouts).build().await.unwrap().blob;
    blob.upload_part(&upload(), number(1), vec![7; 8 << 20].into()).await.unwrap();
    let error = ends(blob.upload_part(&upload(), number(1), "hello".into())).await;
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
}
