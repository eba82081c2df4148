//! What is signed, and what is not.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use mvi_aws::Payloads;
use mvi_core::{
    Blob as _, ErrorKind,
    blob::{Body, Crc32c, Method, Presign, Replay},
};

use super::{
    bucket, get, key, number, put,
    server::{Reply, Server},
    upload,
};

/// The SHA-256 of `hello`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

async fn signed(payloads: Payloads) -> Vec<(&'static str, String)> {
    let server = Server::start(|_| None).await;
    let blob = server.builder().loopback_payloads(payloads).build().await.unwrap().blob;
    blob.put(put(), "hello".into()).await.unwrap();
    blob.upload_part(&upload(), number(1), "hello".into()).await.unwrap();
    blob.set_lifecycle(&bucket(), vec![]).await.unwrap();
    for call in server.all() {
        let authorization = call.header("authorization").unwrap();
        assert!(authorization.contains("x-amz-content-sha256"), "{authorization}");
        if call.op != "PutBucketLifecycleConfiguration" {
            assert!(authorization.contains("x-amz-checksum-crc32c"), "{authorization}");
        }
    }
    let hash = |it: &super::server::Call| it.header("x-amz-content-sha256").unwrap().to_owned();
    server.all().iter().map(|it| (it.op, hash(it))).collect()
}

#[tokio::test]
async fn over_plain_http_a_body_is_signed() {
    let signed = signed(Payloads::Signed).await;
    assert_eq!(signed[0], ("PutObject", HELLO.to_owned()));
    assert_eq!(signed[1], ("UploadPart", HELLO.to_owned()));
}

#[tokio::test]
async fn on_loopback_a_body_may_go_unsigned_and_nothing_else_does() {
    let unsigned = signed(Payloads::Unsigned).await;
    assert_eq!(unsigned[0], ("PutObject", "UNSIGNED-PAYLOAD".to_owned()));
    assert_eq!(unsigned[1], ("UploadPart", "UNSIGNED-PAYLOAD".to_owned()));
    assert_eq!(unsigned[2].1.len(), HELLO.len(), "{unsigned:?}");
}

/// A body of 9 MiB, read as it is sent.
fn large() -> Body {
    const LENGTH: u64 = 9 << 20;
    Body::Replay(Replay::new(LENGTH, |range| {
        let pieces = range.step_by(1 << 20).map(|at| {
            let end = LENGTH.min(at + (1 << 20));
            Ok(Bytes::from(vec![7; usize::try_from(end - at).unwrap()]))
        });
        stream::iter(pieces).boxed()
    }))
}

#[tokio::test]
async fn a_part_that_is_read_as_it_is_sent_has_its_checksum_behind_it() {
    let server = Server::start(|call| (call.nth == 0).then_some(Reply::Lost)).await;
    let part = server.blob().await.upload_part(&upload(), number(1), large()).await.unwrap();
    let whole = Crc32c::of(&vec![7; 9 << 20]);
    assert_eq!(part.size, 9 << 20);
    let calls = server.calls("UploadPart");
    assert_eq!(calls.len(), 2, "it is read again for the second attempt");
    for call in calls {
        let hash = call.header("x-amz-content-sha256");
        assert_eq!(hash, Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"));
        assert_eq!(call.header("x-amz-trailer"), Some("x-amz-checksum-crc32c"));
        assert_eq!(call.header("x-amz-decoded-content-length"), Some("9437184"));
        let end = String::from_utf8_lossy(&call.body[call.body.len() - 300..]).into_owned();
        assert!(end.contains(&format!("x-amz-checksum-crc32c:{whole}")), "{end}");
    }
}

#[tokio::test]
async fn a_body_that_fails_says_why_and_is_not_stored() {
    let server = Server::start(|_| None).await;
    let body = Body::Replay(Replay::new(9 << 20, |_| {
        let first = Ok(Bytes::from(vec![7; 1 << 20]));
        let gone = mvi_core::Error::new(ErrorKind::NotFound, "the film is gone");
        stream::iter([first, Err(gone)]).boxed()
    }));
    let error = server.blob().await.upload_part(&upload(), number(1), body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert_eq!(error.message(), "the film is gone");
    // One that is shorter than it says.
    let body = Body::Replay(Replay::new(9 << 20, |_| stream::iter([Ok("short".into())]).boxed()));
    let error = server.blob().await.upload_part(&upload(), number(1), body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
}

#[tokio::test]
async fn a_url_has_all_that_it_needs_and_does_not_show_it() {
    let server = Server::start(|_| None).await;
    let blob = server.blob().await;
    let week = Duration::from_hours(7 * 24);
    let signed = blob.presign(Presign::get(bucket(), key("a b+ü"), week)).await.unwrap();
    assert_eq!(signed.method, Method::Get);
    let place = format!("{}/acme-7f3-links/a%20b%2B%C3%BC?", server.url);
    assert!(signed.url.starts_with(&place), "{}", signed.url);
    for part in ["X-Amz-Expires=604800", "X-Amz-SignedHeaders=host&", "X-Amz-Signature="] {
        assert!(signed.url.contains(part), "{part}: {}", signed.url);
    }
    assert!(signed.headers.is_empty(), "{:?}", signed.headers);
    let shown = format!("{signed:?}");
    assert!(!shown.contains("X-Amz") && !shown.contains("test-id"), "{shown}");

    let put = Presign::put(bucket(), key("a"), Duration::from_mins(1)).content_type("text/csv");
    let signed = blob.presign(put).await.unwrap();
    assert_eq!(signed.headers, [("content-type".to_owned(), "text/csv".to_owned())]);
    assert!(signed.url.contains("X-Amz-SignedHeaders=content-type%3Bhost&"), "{}", signed.url);

    let long = Presign::get(bucket(), key("a"), week + Duration::from_secs(1));
    assert_eq!(blob.presign(long).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn the_key_is_in_no_error() {
    let server = Server::start(|_| Some(Reply::error(403, "SignatureDoesNotMatch"))).await;
    let error = server.blob().await.get(get()).await.unwrap_err();
    let shown = format!("{error:?} {:?}", server.blob().await);
    assert!(!shown.contains("test-key") && !shown.contains("Signature="), "{shown}");
}
