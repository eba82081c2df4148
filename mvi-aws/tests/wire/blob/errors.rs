//! What S3 answers, as the caller sees it.

use futures::TryStreamExt as _;
use mvi_core::{
    Applied, Blob as _, Error, ErrorKind,
    blob::{Delete, Get, Head, List, Mode, Properties},
};

use super::{
    bucket, complete, copy, get, key, number, put,
    server::{Reply, Server, object},
    tag, upload,
};

/// A server that answers `op` with an error.
async fn answering(op: &'static str, status: u16, code: &'static str) -> Server {
    Server::start(move |call| {
        (call.op == op).then(|| match code {
            "" => Reply::status(status),
            code => Reply::error(status, code),
        })
    })
    .await
}

#[tokio::test]
async fn of_a_read() {
    for (status, code, kind) in [
        (404, "NoSuchKey", ErrorKind::NotFound),
        (404, "NoSuchBucket", ErrorKind::NotFound),
        (404, "NoSuchVersion", ErrorKind::NotFound),
        (405, "MethodNotAllowed", ErrorKind::NotFound),
        (304, "", ErrorKind::Conflict),
        (412, "PreconditionFailed", ErrorKind::Conflict),
        (416, "InvalidRange", ErrorKind::Invalid),
        (403, "AccessDenied", ErrorKind::Forbidden),
        (403, "SignatureDoesNotMatch", ErrorKind::Unauthenticated),
        (403, "InvalidObjectState", ErrorKind::Conflict),
        (301, "PermanentRedirect", ErrorKind::Invalid),
        (503, "SlowDown", ErrorKind::Throttled),
        (500, "InternalError", ErrorKind::Internal),
    ] {
        let server = answering("GetObject", status, code).await;
        let error = server.blob().await.get(get()).await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (kind, Applied::No), "{code}: {error:?}");
        assert_eq!((error.op(), error.resource()), ("blob.get", bucket().as_str()));
        assert_eq!(error.request_id(), Some("REQ1"), "{error:?}");
    }
}

#[tokio::test]
async fn of_a_head_which_has_no_body() {
    for (status, kind) in [
        (404, ErrorKind::NotFound),
        (403, ErrorKind::Forbidden),
        (405, ErrorKind::NotFound),
        (503, ErrorKind::Unavailable),
    ] {
        let server = answering("HeadObject", status, "").await;
        let error = server.blob().await.head(Head::new(bucket(), key("a"))).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error:?}");
    }
}

#[tokio::test]
async fn of_a_write() {
    for (status, code, kind, applied) in [
        (404, "NoSuchBucket", ErrorKind::NotFound, Applied::No),
        (412, "PreconditionFailed", ErrorKind::Conflict, Applied::No),
        // Something with a tag was wanted, and nothing is there.
        (404, "NoSuchKey", ErrorKind::Conflict, Applied::No),
        (400, "BadDigest", ErrorKind::Corrupt, Applied::No),
        (400, "EntityTooLarge", ErrorKind::Invalid, Applied::No),
        (400, "RequestTimeout", ErrorKind::Timeout, Applied::Unknown),
        (500, "InternalError", ErrorKind::Internal, Applied::Unknown),
        (503, "ServiceUnavailable", ErrorKind::Unavailable, Applied::Unknown),
        (503, "SlowDown", ErrorKind::Throttled, Applied::No),
    ] {
        let server = answering("PutObject", status, code).await;
        let put = put().mode(Mode::IfMatch(tag("\"e0\"")));
        let error = server.blob().await.put(put, "hello".into()).await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (kind, applied), "{code}: {error:?}");
    }
}

#[tokio::test]
async fn of_a_removal() {
    let server = answering("DeleteObject", 404, "NoSuchKey").await;
    let mut delete = Delete::new(bucket(), key("a"));
    delete.if_match = Some(tag("\"e1\""));
    let error = server.blob().await.delete(delete).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::No));

    let server = answering("DeleteObject", 404, "NoSuchBucket").await;
    let error = server.blob().await.delete(Delete::new(bucket(), key("a"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);

    let server = answering("DeleteBucket", 409, "BucketNotEmpty").await;
    let error = server.blob().await.delete_bucket(&bucket()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);

    let server = answering("DeleteBucket", 404, "NoSuchBucket").await;
    server.blob().await.delete_bucket(&bucket()).await.unwrap();
    let server = answering("AbortMultipartUpload", 404, "NoSuchUpload").await;
    server.blob().await.abort_upload(&upload()).await.unwrap();
    let server = answering("AbortMultipartUpload", 404, "NoSuchBucket").await;
    let error = server.blob().await.abort_upload(&upload()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn of_an_upload() {
    for (op, code, kind) in [
        ("UploadPart", "NoSuchUpload", ErrorKind::NotFound),
        ("UploadPart", "BadDigest", ErrorKind::Corrupt),
        ("CompleteMultipartUpload", "InvalidPart", ErrorKind::Invalid),
        ("CompleteMultipartUpload", "EntityTooSmall", ErrorKind::Invalid),
        ("CompleteMultipartUpload", "BadDigest", ErrorKind::Corrupt),
    ] {
        let server = answering(op, 400, code).await;
        let blob = server.blob().await;
        let error = if op == "UploadPart" {
            blob.upload_part(&upload(), number(1), "hello".into()).await.unwrap_err()
        } else {
            blob.complete_upload(complete()).await.unwrap_err()
        };
        assert_eq!((error.kind(), error.applied()), (kind, Applied::No), "{op} {code}");
    }
}

/// A server that answers `op` with 200 and an error in the body, so many times.
async fn saying_yes_to(op: &'static str, code: &'static str, times: usize) -> Server {
    Server::start(move |call| {
        let Reply::Answer(_, headers, body) = Reply::error(200, code) else { unreachable!() };
        // S3 sends blanks to keep the connection, before it knows.
        let body = [b"<?xml version=\"1.0\"?>\n\n   ", &body[21..]].concat();
        (call.op == op && call.nth < times).then(|| Reply::Answer(200, headers, body.into()))
    })
    .await
}

#[tokio::test]
async fn an_error_inside_of_a_yes_is_an_error() {
    for (op, copies) in [("CompleteMultipartUpload", false), ("CopyObject", true)] {
        for (code, kind, applied) in [
            ("InternalError", ErrorKind::Internal, Applied::Unknown),
            ("SlowDown", ErrorKind::Throttled, Applied::No),
        ] {
            let ask = async |server: &Server| {
                let blob = server.blob().await;
                if copies {
                    blob.copy(copy()).await.map(drop)
                } else {
                    blob.complete_upload(complete()).await.map(drop)
                }
            };
            let server = saying_yes_to(op, code, usize::MAX).await;
            let error: Error = ask(&server).await.unwrap_err();
            assert_eq!((error.kind(), error.applied()), (kind, applied), "{op} {code}: {error:?}");
            assert_eq!(server.calls(op).len(), 2, "{op} {code}: it is tried again");
            ask(&saying_yes_to(op, code, 1).await).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_answer_that_says_yes_and_breaks_off_leaves_it_open() {
    let server = Server::start(|call| {
        let answer =
            "<CompleteMultipartUploadResult><ETag>\"e1\"</ETag></CompleteMultipartUploadResult>";
        (call.op == "CompleteMultipartUpload").then(|| Reply::xml(answer).cut(20))
    })
    .await;
    let mut complete = complete();
    complete.upload.nonce = None;
    let error = server.blob().await.complete_upload(complete).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::Unknown));
}

#[tokio::test]
async fn of_a_copy() {
    let server = answering("HeadObject", 404, "").await;
    let error = server.blob().await.copy(copy()).await.unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::NotFound, "blob.copy"));

    let server = answering("CopyObject", 412, "PreconditionFailed").await;
    let error = server.blob().await.copy(copy().mode(Mode::IfAbsent)).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::No));
    assert_eq!(server.calls("CopyObject").len(), 1);

    // Something with a tag was wanted to be replaced, and nothing is there.
    let server = answering("CopyObject", 404, "NoSuchKey").await;
    let replace = copy().mode(Mode::IfMatch(tag("\"e0\"")));
    let error = server.blob().await.copy(replace).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::No));
}

#[tokio::test]
async fn a_source_that_is_replaced_meanwhile_is_looked_at_again() {
    // It has another tag when it is copied than when it was looked at, and then stays.
    let server = Server::start(|call| match (call.op, call.nth) {
        ("HeadObject", 0) => Some(object(call, b"hello").with("etag", "\"e0\"")),
        ("CopyObject", _) if call.header("x-amz-copy-source-if-match") == Some("\"e0\"") => {
            Some(Reply::error(412, "PreconditionFailed"))
        }
        _ => None,
    })
    .await;
    let meta = server.blob().await.copy(copy()).await.unwrap();
    assert_eq!(meta.properties.metadata.get("owner"), Some("ann"));
    assert_eq!(server.calls("CopyObject").len(), 2);
    let sent = server.calls("CopyObject").remove(1);
    assert_eq!(sent.header("x-amz-metadata-directive"), Some("REPLACE"));
    assert_eq!(sent.header("x-amz-meta-owner"), Some("ann"), "what is written on the source");
    assert_eq!(sent.header("content-type"), Some("text/plain"));

    // And one that is replaced for ever is given up.
    let server = Server::start(|call| match call.op {
        "HeadObject" => Some(object(call, b"hello").with("etag", format!("\"e{}\"", call.nth))),
        "CopyObject" => Some(Reply::error(412, "PreconditionFailed")),
        _ => None,
    })
    .await;
    let error = server.blob().await.copy(copy()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::No));
    assert_eq!(server.calls("CopyObject").len(), 4);
}

#[tokio::test]
async fn a_copy_of_more_than_5_gib_goes_in_parts() {
    const SIZE: u64 = (6 << 30) + 1;
    let server = Server::start(|call| {
        (call.op == "HeadObject").then(|| object(call, b"").with("content-length", SIZE))
    })
    .await;
    let properties = Properties { content_type: "video/mp4".into(), ..Properties::default() };
    let copy = copy().mode(Mode::IfAbsent).properties(properties);
    let meta = server.blob().await.copy(copy).await.unwrap();
    assert_eq!(meta.size, SIZE);
    let mut ranges: Vec<_> = server
        .calls("UploadPartCopy")
        .iter()
        .map(|it| {
            assert_eq!(it.header("x-amz-copy-source"), Some("acme-7f3-links/a.txt"));
            assert_eq!(it.header("x-amz-copy-source-if-match"), Some("\"e1\""));
            let number: u32 = it.param("partNumber").unwrap().parse().unwrap();
            (number, it.header("x-amz-copy-source-range").unwrap().to_owned())
        })
        .collect();
    ranges.sort();
    assert_eq!(ranges.len(), 13);
    assert_eq!(ranges[0], (1, "bytes=0-536870911".to_owned()));
    assert_eq!(ranges[12], (13, format!("bytes={}-{}", 6_u64 << 30, SIZE - 1)));
    let complete = server.calls("CompleteMultipartUpload").remove(0);
    assert_eq!(complete.header("if-none-match"), Some("*"));
    assert_eq!(complete.header("x-amz-mp-object-size"), Some(SIZE.to_string().as_str()));
    let started = server.calls("CreateMultipartUpload").remove(0);
    assert_eq!(started.header("content-type"), Some("video/mp4"));
    assert!(server.calls("AbortMultipartUpload").is_empty());
}

#[tokio::test]
async fn a_copy_in_parts_that_fails_leaves_nothing() {
    let server = Server::start(|call| match call.op {
        "HeadObject" => Some(object(call, b"").with("content-length", 6_u64 << 30)),
        "UploadPartCopy"
            if call.query.contains("partNumber=3&") || call.query.ends_with("partNumber=3") =>
        {
            Some(Reply::error(403, "AccessDenied"))
        }
        _ => None,
    })
    .await;
    let error = server.blob().await.copy(copy()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Forbidden, Applied::No));
    assert_eq!(error.op(), "blob.copy");
    assert_eq!(server.calls("AbortMultipartUpload").len(), 1);
    assert!(server.calls("CompleteMultipartUpload").is_empty());
}

#[tokio::test]
async fn a_large_put_that_fails_leaves_nothing() {
    let server = Server::start(|call| {
        let second = call.op == "UploadPart" && call.param("partNumber").as_deref() == Some("2");
        second.then(|| Reply::error(403, "AccessDenied"))
    })
    .await;
    let body = vec![7_u8; 20 << 20];
    let error = server.blob().await.put(put(), body.into()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Forbidden, Applied::No));
    assert_eq!((error.op(), error.resource()), ("blob.put", bucket().as_str()));
    assert_eq!(server.calls("AbortMultipartUpload").len(), 1);
    assert!(server.calls("CompleteMultipartUpload").is_empty());
}

#[tokio::test]
async fn of_a_listing() {
    let server = answering("ListObjectsV2", 404, "NoSuchBucket").await;
    let listed = server.blob().await.list(List::new(bucket())).try_collect::<Vec<_>>().await;
    let error = listed.unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::NotFound, "blob.list"));
}

#[tokio::test]
async fn what_is_invalid_is_not_sent() {
    let server = Server::start(|_| None).await;
    let blob = server.blob().await;
    let both = Get { if_none_match: Some(tag("b")), ..get().if_match(tag("a")) };
    assert_eq!(blob.get(both).await.unwrap_err().kind(), ErrorKind::Invalid);
    let mut nothing = complete();
    nothing.parts.clear();
    assert_eq!(blob.complete_upload(nothing).await.unwrap_err().kind(), ErrorKind::Invalid);
    let error = blob.put(put().mode(Mode::IfMatch(tag(""))), "".into()).await.unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::Invalid, "blob.put"));
    assert!(server.all().is_empty());
}
