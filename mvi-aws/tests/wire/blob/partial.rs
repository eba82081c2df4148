//! Answers that are only a part of what was asked for: bodies that break, and removals that were not all done.

use std::sync::{Arc, Mutex};

use futures::{StreamExt as _, TryStreamExt as _};
use mvi_core::{
    Applied, Blob as _, Error, ErrorKind,
    blob::{Crc32c, DeleteMany, Key, Target, VersionId},
};

use super::{
    bucket, get, key,
    server::{Call, Reply, Server, object},
    tag,
};

/// The most rounds that do nothing before it is given up, and the first.
const TRIES: usize = 8;

fn bytes() -> Vec<u8> {
    (0..10_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

/// The ranges that were asked for, with the tag that had to be there.
fn asked(server: &Server) -> Vec<(Option<String>, Option<String>)> {
    let header = |call: &Call, name| call.header(name).map(str::to_owned);
    let calls = server.calls("GetObject");
    calls.iter().map(|it| (header(it, "range"), header(it, "if-match"))).collect()
}

#[tokio::test]
async fn a_body_that_breaks_goes_on_where_it_broke() {
    for stalls in [false, true] {
        let server = Server::start(move |call| {
            let whole = object(call, &bytes());
            match (call.op, call.nth) {
                ("GetObject", 0) if stalls => Some(whole.stall(4_000)),
                ("GetObject", 0) => Some(whole.cut(4_000)),
                ("GetObject", 1) => Some(whole.cut(2_000)),
                ("GetObject", 2) => Some(Reply::Lost),
                ("GetObject", _) => Some(whole),
                _ => None,
            }
        })
        .await;
        let blob = if stalls { server.patient(500).await } else { server.blob().await };
        let object = blob.get(get()).await.unwrap();
        assert_eq!((object.range.clone(), object.meta.size), (0..10_000, 10_000));
        assert_eq!(object.meta.checksum, Some(Crc32c::of(&bytes())));
        assert_eq!(object.bytes(10_000).await.unwrap(), bytes());
        let first = Some("\"e1\"".to_owned());
        let range = |text: &str| Some(text.to_owned());
        assert_eq!(
            asked(&server),
            [
                (None, None),
                (range("bytes=4000-9999"), first.clone()),
                (range("bytes=6000-9999"), first.clone()),
                (range("bytes=6000-9999"), first),
            ]
        );
    }
}

#[tokio::test]
async fn a_range_that_breaks_goes_on_in_the_range() {
    let server = Server::start(move |call| {
        let whole = object(call, &bytes());
        (call.op == "GetObject").then(|| if call.nth == 0 { whole.cut(10) } else { whole })
    })
    .await;
    let mut request = get().range(100..200);
    request.version = Some(VersionId::new("v1"));
    let object = server.blob().await.get(request).await.unwrap();
    assert_eq!((object.range.clone(), object.meta.size), (100..200, 10_000));
    assert_eq!(object.bytes(100).await.unwrap(), bytes()[100..200]);
    assert_eq!(asked(&server)[1].0.as_deref(), Some("bytes=110-199"));
    let again = server.calls("GetObject").remove(1);
    assert_eq!(again.param("versionId").as_deref(), Some("v1"), "of the same version");
}

#[tokio::test]
async fn a_body_that_breaks_for_ever_is_given_up() {
    let server =
        Server::start(|call| (call.op == "GetObject").then(|| object(call, &bytes()).cut(0))).await;
    let mut body = server.blob().await.get(get()).await.unwrap().body;
    let error = body.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::No), "{error:?}");
    assert!(body.next().await.is_none(), "an error ends it");
    assert_eq!(asked(&server).len(), TRIES);

    // So is one that gives some each time, and never much.
    let server =
        Server::start(|call| (call.op == "GetObject").then(|| object(call, &bytes()).cut(1))).await;
    let got = server.blob().await.get(get()).await.unwrap().bytes(10_000).await;
    assert_eq!(got.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(asked(&server).len(), TRIES);
}

#[tokio::test]
async fn a_body_does_not_go_on_with_another_object() {
    for (status, code) in [(412, "PreconditionFailed"), (404, "NoSuchKey")] {
        let server = Server::start(move |call| match (call.op, call.nth) {
            ("GetObject", 0) => Some(object(call, &bytes()).cut(4_000)),
            ("GetObject", _) => Some(Reply::error(status, code)),
            _ => None,
        })
        .await;
        let got = server.blob().await.get(get()).await.unwrap().bytes(10_000).await;
        assert_eq!(got.unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(asked(&server).len(), 2);
    }
    // Nor with another part of it.
    let server = Server::start(|call| match (call.op, call.nth) {
        ("GetObject", 0) => Some(object(call, &bytes()).cut(4_000)),
        ("GetObject", _) => {
            Some(object(call, &bytes()).with("content-range", "bytes 4001-9999/10000"))
        }
        _ => None,
    })
    .await;
    let got = server.blob().await.get(get()).await.unwrap().bytes(10_000).await;
    assert_eq!(got.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_flipped_bit_is_found_also_behind_a_break() {
    for (at, cut) in [(1, None), (9_999, None), (1, Some(4_000)), (9_999, Some(4_000))] {
        let server = Server::start(move |call| {
            let mut flipped = bytes();
            flipped[at] ^= 1;
            let reply = object(call, &flipped);
            let reply = match call.header("range") {
                None => reply.with("x-amz-checksum-crc32c", Crc32c::of(&bytes())),
                Some(_) => reply,
            };
            (call.op == "GetObject").then(|| match (call.nth, cut) {
                (0, Some(after)) => reply.cut(after),
                _ => reply,
            })
        })
        .await;
        let body = server.blob().await.get(get()).await.unwrap().body;
        let got: Vec<_> = body.map_ok(|it| it.len()).collect().await;
        let (last, before) = got.split_last().unwrap();
        assert_eq!(last.as_ref().unwrap_err().kind(), ErrorKind::Corrupt, "{at} {cut:?}");
        let given: usize = before.iter().map(|it| it.as_ref().unwrap()).sum();
        assert!(given < 10_000, "the end is held back");
    }
}

#[tokio::test]
async fn a_checksum_of_parts_is_not_compared() {
    let server = Server::start(|call| {
        let foreign = object(call, b"hello")
            .with("x-amz-checksum-crc32c", "AAAAAA==-2")
            .with("x-amz-checksum-type", "COMPOSITE");
        (call.op == "GetObject").then_some(foreign)
    })
    .await;
    let object = server.blob().await.get(get()).await.unwrap();
    assert_eq!(object.meta.checksum, None);
    assert_eq!(object.bytes(5).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_checksum_that_comes_with_a_range_is_not_compared() {
    let server = Server::start(|call| {
        let odd = || object(call, &bytes()).with("x-amz-checksum-crc32c", "AAAAAA==");
        (call.op == "GetObject").then(odd)
    })
    .await;
    let object = server.blob().await.get(get().range(0..10)).await.unwrap();
    assert_eq!(object.bytes(10).await.unwrap(), bytes()[..10]);
}

#[tokio::test]
async fn a_whole_in_place_of_a_range_is_no_range() {
    let server = Server::start(|call| {
        let whole = Reply::Answer(200, Vec::new(), bytes().into()).with("etag", "\"e1\"");
        (call.op == "GetObject").then_some(whole)
    })
    .await;
    let blob = server.blob().await;
    let error = blob.get(get().range(0..10)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error:?}");
    assert_eq!(blob.get(get().range(0..)).await.unwrap().bytes(10_000).await.unwrap(), bytes());
}

#[tokio::test]
async fn nothing_is_asked_again_of_a_body_that_nobody_reads() {
    let server =
        Server::start(|call| (call.op == "GetObject").then(|| object(call, &bytes()).cut(10)))
            .await;
    drop(server.blob().await.get(get()).await.unwrap());
    assert_eq!(asked(&server).len(), 1);
}

/// The keys that a call wants removed.
fn keys_of(call: &Call) -> Vec<String> {
    let text = call.text();
    let keys = text.split("<Key>").skip(1);
    keys.map(|it| it.split_once("</Key>").unwrap().0.to_owned()).collect()
}

fn failed(keys: &[(String, &str)]) -> Reply {
    let errors = keys.iter().map(|(key, code)| {
        format!("<Error><Key>{key}</Key><Code>{code}</Code><Message>Not so.</Message></Error>")
    });
    Reply::xml(format!("<DeleteResult>{}</DeleteResult>", errors.collect::<String>()))
}

#[tokio::test]
async fn what_was_not_removed_is_asked_for_again() {
    // One is never removed, one the third time, one may not be.
    let server = Server::start(|call| {
        let left = |key: String| match (key.as_str(), call.nth) {
            ("1", _) => Some((key, "SlowDown")),
            ("2", 0 | 1) => Some((key, "InternalError")),
            ("3", _) => Some((key, "AccessDenied")),
            ("4", _) => Some((key, "NoSuchKey")),
            _ => None,
        };
        let left: Vec<_> = keys_of(call).into_iter().filter_map(left).collect();
        (call.op == "DeleteObjects").then(|| failed(&left))
    })
    .await;
    let targets = ["0", "1", "2", "3", "4", "1"].map(key);
    let results =
        server.blob().await.delete_many(DeleteMany::new(bucket(), targets)).await.unwrap();
    let kinds: Vec<_> = results.iter().map(|it| it.as_ref().err().map(Error::kind)).collect();
    let throttled = Some(ErrorKind::Throttled);
    assert_eq!(kinds, [None, throttled, None, Some(ErrorKind::Forbidden), None, throttled]);
    let error = results[1].as_ref().unwrap_err();
    assert_eq!((error.op(), error.applied()), ("blob.delete_many", Applied::No));
    let asked: Vec<_> = server.calls("DeleteObjects").iter().map(keys_of).collect();
    assert_eq!(asked[0], ["0", "1", "2", "3", "4"], "each once");
    assert_eq!(asked[1], ["1", "2"], "only what may be removed yet");
    assert_eq!(asked[2], ["1", "2"]);
    assert_eq!(asked[3], ["1"]);
    // The rounds that do nothing are counted anew when one did something.
    assert_eq!(asked.len(), 3 + TRIES);
}

#[tokio::test]
async fn many_go_by_the_thousand_in_any_order_of_answers() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keys: Vec<Key> = (0..2_500).map(|n| key(&format!("{n:04}"))).collect();
    let server = Server::start({
        let seen = Arc::clone(&seen);
        move |call| {
            let keys = keys_of(call);
            seen.lock().unwrap().push(keys.len());
            let denied = keys.into_iter().filter(|it| it.ends_with("77"));
            let denied: Vec<_> = denied.map(|it| (it, "AccessDenied")).collect();
            (call.op == "DeleteObjects").then(|| failed(&denied))
        }
    })
    .await;
    let results =
        server.blob().await.delete_many(DeleteMany::new(bucket(), keys.clone())).await.unwrap();
    for (key, result) in keys.iter().zip(results) {
        assert_eq!(result.is_err(), key.as_str().ends_with("77"), "{key}");
    }
    let mut sizes = seen.lock().unwrap().clone();
    sizes.sort_unstable();
    assert_eq!(sizes, [500, 1_000, 1_000]);
    for call in server.calls("DeleteObjects") {
        assert!(call.headers.keys().any(|it| it.as_str().starts_with("x-amz-checksum-")));
    }
}

#[tokio::test]
async fn what_befell_one_call_of_several_is_with_its_keys_only() {
    let server = Server::start(|call| {
        let first = keys_of(call).first().is_some_and(|it| it == "0000");
        (call.op == "DeleteObjects" && first).then(|| Reply::error(403, "AccessDenied"))
    })
    .await;
    let keys = |count: usize| (0..count).map(|n| key(&format!("{n:04}"))).collect::<Vec<_>>();
    let blob = server.blob().await;
    let results = blob.delete_many(DeleteMany::new(bucket(), keys(1_200))).await.unwrap();
    assert_eq!(results.iter().filter(|it| it.is_err()).count(), 1_000);
    let error = blob.delete_many(DeleteMany::new(bucket(), keys(10))).await.unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::Forbidden, "blob.delete_many"));
}

#[tokio::test]
async fn versions_of_one_key_have_each_their_own_outcome() {
    let server = Server::start(|call| {
        let body = "<DeleteResult><Error><Key>a</Key><VersionId>v2</VersionId><Code>AccessDenied</Code></Error></DeleteResult>";
        (call.op == "DeleteObjects").then(|| Reply::xml(body))
    })
    .await;
    let version = |v: &str| Target { key: key("a"), version: Some(VersionId::new(v)) };
    let targets = [version("v1"), version("v2"), key("a").into()];
    let results =
        server.blob().await.delete_many(DeleteMany::new(bucket(), targets)).await.unwrap();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test]
async fn nothing_is_sent_for_nothing() {
    let server = Server::start(|_| None).await;
    let none = DeleteMany::new(bucket(), [] as [Key; 0]);
    assert!(server.blob().await.delete_many(none).await.unwrap().is_empty());
    assert!(server.all().is_empty());
}

#[tokio::test]
async fn an_object_is_read_as_it_was_written() {
    let server = Server::start(|_| None).await;
    let object = server.blob().await.get(get()).await.unwrap();
    assert_eq!(object.meta.tag, tag("\"e1\""));
    assert_eq!(object.meta.properties.content_type, "text/plain");
    let metadata: Vec<_> = object.meta.properties.metadata.iter().collect();
    assert_eq!(metadata, [("owner", "ann")], "and what is MVI's own is not shown");
    assert_eq!(object.meta.modified, "2026-01-02T03:04:05Z".parse().ok());
    let sent = server.calls("GetObject").remove(0);
    assert_eq!(sent.header("x-amz-checksum-mode"), Some("ENABLED"));
}
