//! What the lane of our own does as the SDK would: where to, as whom, how often.

use std::{collections::HashSet, time::Duration};

use futures::TryStreamExt as _;
use mvi_core::{
    Applied, Blob as _, BucketName, ErrorKind,
    blob::{Delete, Get, Head, List, Put, Upload},
};

use super::{
    bucket, get, key, number, put,
    server::{Call, Reply, Server, object},
    upload,
};

/// The place of an object in a URL, read back.
fn read(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(*first);
        if *first == b'%' {
            let hex = std::str::from_utf8(&after[..2]).unwrap();
            *bytes.last_mut().unwrap() = u8::from_str_radix(hex, 16).unwrap();
            rest = &after[2..];
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn odd_keys_arrive_as_they_are() {
    let long = "ü".repeat(512);
    let keys = [
        "a//b",
        "/a",
        "a/",
        "/a//",
        "a b",
        "a+b",
        "a%20b",
        "%",
        "a?b#c&d=e",
        "...",
        "ü/\u{1f980}",
        "a'b\"c<d>",
        "~-_.!*()@:;,$",
        long.as_str(),
    ];
    let server = Server::start(|_| None).await;
    let blob = server.blob().await;
    for name in keys {
        let at = key(name);
        blob.put(Put::new(bucket(), at.clone()), "hello".into()).await.unwrap();
        blob.get(Get::new(bucket(), at.clone())).await.unwrap();
        blob.head(Head::new(bucket(), at.clone())).await.unwrap();
        let upload = Upload::new(bucket(), at, "u&1/+");
        blob.upload_part(&upload, number(1), "hello".into()).await.unwrap();
        for call in server.all().split_off(server.all().len() - 4) {
            assert_eq!(read(&call.path), format!("/acme-7f3-links/{name}"), "{}", call.op);
        }
        let part = server.calls("UploadPart").pop().unwrap();
        assert_eq!(read(&part.param("uploadId").unwrap()), "u&1/+");
    }
}

#[tokio::test]
async fn each_request_is_signed_for_its_region_with_all_that_matters() {
    let server = Server::start(|_| None).await;
    for region in ["eu-central-1", "us-west-2"] {
        let blob = server.builder().region(region).build().await.unwrap().blob;
        blob.get(get()).await.unwrap();
        blob.put(put(), "hello".into()).await.unwrap();
        blob.list(List::new(bucket())).try_collect::<Vec<_>>().await.unwrap();
        for call in server.all().split_off(server.all().len() - 3) {
            let authorization = call.header("authorization").unwrap();
            let (_, scope) = authorization.split_once("Credential=test-id/").unwrap();
            let scope = scope.split_once(',').unwrap().0.split_once('/').unwrap().1;
            assert_eq!(scope, format!("{region}/s3/aws4_request"));
            let (_, signed) = authorization.split_once("SignedHeaders=").unwrap();
            let signed: HashSet<_> = signed.split_once(',').unwrap().0.split(';').collect();
            let sent = call.headers.keys().map(hyper::header::HeaderName::as_str);
            for name in sent.filter(|it| it.starts_with("x-amz-")).chain(["host"]) {
                assert!(signed.contains(name), "{}: {name} in {authorization}", call.op);
            }
        }
    }
}

#[tokio::test]
async fn another_bucket_is_asked_for_at_its_own_place() {
    let server = Server::start(|_| None).await;
    let blob = server.blob().await;
    let other = BucketName::new("acme-7f3-other").unwrap();
    for bucket in [bucket(), other.clone(), bucket(), other] {
        blob.get(Get::new(bucket.clone(), key("a"))).await.unwrap();
        let call = server.calls("GetObject").pop().unwrap();
        assert_eq!(call.path, format!("/{bucket}/a"));
    }
    assert_eq!(server.all().len(), 4, "to find a bucket, nothing is sent");
}

#[tokio::test]
async fn all_calls_together_repeat_only_so_many_attempts() {
    let server =
        Server::start(|call| (call.op == "GetObject").then(|| Reply::error(500, "InternalError")))
            .await;
    let blob = server.blob().await;
    for _ in 0..50 {
        let error = blob.get(get()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{error:?}");
    }
    // 500 is what there is, and each takes 14.
    assert_eq!(server.calls("GetObject").len(), 50 + 500 / 14);
    // What succeeds gives back.
    for _ in 0..14 {
        blob.put(put(), "hello".into()).await.unwrap();
    }
    let before = server.calls("GetObject").len();
    blob.get(get()).await.unwrap_err();
    assert_eq!(server.calls("GetObject").len() - before, 2);
}

#[tokio::test]
async fn a_refused_attempt_after_one_without_an_answer_leaves_it_open() {
    let server = Server::start(|call| {
        Some(match (call.op, call.nth) {
            ("PutObject" | "UploadPart", 0) => Reply::Lost,
            _ => Reply::error(403, "AccessDenied"),
        })
    })
    .await;
    let blob = server.blob().await;
    for error in [
        blob.put(put(), "hello".into()).await.unwrap_err(),
        blob.upload_part(&upload(), number(1), "hello".into()).await.unwrap_err(),
    ] {
        let got = (error.kind(), error.applied());
        assert_eq!(got, (ErrorKind::Forbidden, Applied::Unknown), "{error:?}");
    }
}

#[tokio::test]
async fn attempts_that_were_all_throttled_were_not_applied() {
    let server = Server::start(|_| Some(Reply::error(503, "SlowDown"))).await;
    let error = server.blob().await.put(put(), "hello".into()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Throttled, Applied::No), "{error:?}");
    assert_eq!(server.calls("PutObject").len(), 2);
}

#[tokio::test]
async fn a_write_that_is_answered_yes_and_breaks_off_was_applied() {
    let server = Server::start(|call| {
        let yes = || Reply::xml("<Odd>but yes</Odd>").with("etag", "\"e1\"").cut(4);
        (call.op == "PutObject").then(yes)
    })
    .await;
    let error = server.blob().await.put(put(), "hello".into()).await.unwrap_err();
    let got = (error.kind(), error.applied());
    assert_eq!(got, (ErrorKind::Unavailable, Applied::Yes), "{error:?}");
    assert_eq!(server.calls("PutObject").len(), 2, "it is tried again");
}

#[tokio::test]
async fn an_error_inside_of_a_yes_is_an_error() {
    for (op, code, kind, attempts) in [
        ("PutObject", "InternalError", ErrorKind::Internal, 2),
        ("PutObject", "SlowDown", ErrorKind::Throttled, 2),
        ("ListObjectsV2", "InternalError", ErrorKind::Internal, 2),
        ("ListObjectsV2", "AccessDenied", ErrorKind::Forbidden, 1),
    ] {
        let server =
            Server::start(move |call| (call.op == op).then(|| Reply::error(200, code))).await;
        let blob = server.blob().await;
        let error = if op == "PutObject" {
            blob.put(put(), "hello".into()).await.unwrap_err()
        } else {
            blob.list(List::new(bucket())).try_collect::<Vec<_>>().await.unwrap_err()
        };
        assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{op}: {error:?}");
        assert_eq!(error.message(), "not so", "{op}");
        assert_eq!(server.calls(op).len(), attempts, "{op} {code}");
    }
}

#[tokio::test]
async fn who_refuses_without_a_word_is_understood_by_the_status() {
    for (status, code, kind) in [
        (404, Some("NotFound"), ErrorKind::NotFound),
        (503, None, ErrorKind::Unavailable),
        (403, None, ErrorKind::Internal),
    ] {
        let server = Server::start(move |_| Some(Reply::status(status))).await;
        let error = server.blob().await.get(get()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, code), "{status}: {error:?}");
        assert_eq!(error.message(), format!("GetObject answered with status {status}"));
        assert_eq!(error.request_id(), Some("REQ1"));
    }
    // Nor does a gateway's page say more.
    let page = || Reply::Answer(502, Vec::new(), "<html>Bad gateway</html>".into());
    let server = Server::start(move |_| Some(page())).await;
    let error = server.blob().await.get(get()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, None), "{error:?}");
}

#[tokio::test]
async fn a_page_that_is_no_xml_is_an_error() {
    for page in [
        "",
        "ok",
        "<ListBucketResult><Contents><Key>a</Contents></ListBucketResult>",
        "<ListBucketResult><Contents>",
        "<ListBucketResult><Contents><Key>&who;</Key></Contents></ListBucketResult>",
        "<ListAllMyBucketsResult/>",
    ] {
        let server = Server::start(move |_| Some(Reply::xml(page))).await;
        let listed = server.blob().await.list(List::new(bucket())).try_collect::<Vec<_>>().await;
        let error = listed.unwrap_err();
        let got = (error.kind(), error.applied(), error.op());
        assert_eq!(got, (ErrorKind::Internal, Applied::No, "blob.list"), "{page}: {error:?}");
    }
}

#[tokio::test]
async fn a_service_that_asks_for_a_pause_gets_it() {
    let server = Server::start(|call| {
        let busy = || Reply::Answer(503, Vec::new(), "".into()).with("x-amz-retry-after", 300);
        (call.op == "GetObject" && call.nth == 0).then(busy)
    })
    .await;
    let blob = server.blob().await;
    let start = tokio::time::Instant::now();
    blob.get(get()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_connection_is_used_again_but_after_a_failure() {
    let server = Server::start(|call| {
        (call.op == "GetObject" && call.nth == 1).then(|| Reply::error(503, "ServiceUnavailable"))
    })
    .await;
    let blob = server.blob().await;
    blob.get(get()).await.unwrap().bytes(10).await.unwrap();
    blob.put(put(), "hello".into()).await.unwrap();
    blob.list(List::new(bucket())).try_collect::<Vec<_>>().await.unwrap();
    // A call that goes by the SDK.
    blob.delete(Delete::new(bucket(), key("a"))).await.unwrap();
    blob.get(get()).await.unwrap().bytes(10).await.unwrap();
    let by: Vec<_> = server.all().iter().map(|it: &Call| it.from).collect();
    assert!(by[..5].iter().all(|it| *it == by[0]), "{by:?}");
    assert_ne!(by[4], by[5], "who failed is not asked again");
}

#[tokio::test]
async fn a_large_body_in_one_request_is_read_as_it_comes() {
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let copy = bytes.clone();
    let server = Server::start(move |call| (call.op == "GetObject").then(|| object(call, &copy)));
    let found = server.await.blob().await.get(get()).await.unwrap();
    assert_eq!(found.bytes(3_000_000).await.unwrap(), bytes);
}
