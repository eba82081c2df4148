//! `BlobExt`, but for files and directories.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use proptest::prelude::*;

use super::{
    bucket, key, noise,
    store::{Fault, Store},
};
use crate::{
    Applied, Blob as _, BlobExt as _, Error, ErrorKind,
    blob::{
        ByteRange, Encryption, Get, GetRanges, Mode, Properties, Put, Rename, StartUpload, Tag,
        many::together,
    },
};

fn ranges(of: &str) -> GetRanges {
    GetRanges::new(Get::new(bucket(), key(of)))
}

#[tokio::test]
async fn what_is_put_is_got() {
    let store = Store::new();
    let put = Put::new(bucket(), key("a")).content_type("text/plain");
    let meta = store.put_bytes(put, "hello").await.unwrap();
    assert_eq!((meta.size, &*meta.properties.content_type), (5, "text/plain"));
    let get = Get::new(bucket(), key("a"));
    assert_eq!(store.get_bytes(get.clone(), 5).await.unwrap(), "hello");
    let error = store.get_bytes(get, 4).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "blob.get acme-7f3-tests: 5 bytes to read, wanted at most 4 (Invalid)"
    );
}

#[tokio::test]
async fn ranges_come_in_the_order_asked_and_near_ones_together() {
    let store = Store::new();
    let bytes = noise(100_000, 1);
    store.set("a", bytes.clone());
    let request = ranges("a")
        .near_bytes(100)
        .range(ByteRange::Last(8))
        .range(0..10)
        .range(110..120)
        .range(5..20)
        .range(50_000..50_001)
        .range(99_990..200_000);
    let read = store.get_ranges(request).await.unwrap();
    let wanted = [99_992..100_000, 0..10, 110..120, 5..20, 50_000..50_001, 99_990..100_000];
    assert_eq!(read, wanted.map(|it| Bytes::copy_from_slice(&bytes[it])));
    let mut seen = store.read();
    seen.sort_unstable();
    assert_eq!(seen, [(0, 120), (50_000, 50_001), (99_990, 100_000)]);
    assert_eq!(store.calls(), ["head", "get", "get", "get"]);
    assert!(store.get_ranges(ranges("a")).await.unwrap().is_empty());
    assert!(store.calls().is_empty());
}

proptest! {
    #[test]
    fn ranges_together_cover_what_was_asked_and_no_more_than_near(
        asked in prop::collection::vec((0_u64..1_000, 1_u64..50), 0..20),
        near in 0_u64..60,
    ) {
        let asked: Vec<_> = asked.into_iter().map(|(start, length)| start..start + length).collect();
        let groups = together(asked.iter().cloned(), near);
        for pair in groups.windows(2) {
            prop_assert!(pair[0].end + near < pair[1].start);
        }
        for range in &asked {
            let holds = |it: &&std::ops::Range<u64>| it.start <= range.start && range.end <= it.end;
            prop_assert_eq!(groups.iter().filter(holds).count(), 1);
        }
        // Each byte that is read is asked for, or near to one that is.
        for byte in groups.into_iter().flatten() {
            let is_near = |it: &std::ops::Range<u64>| byte + near >= it.start && byte < it.end + near;
            prop_assert!(asked.iter().any(is_near) || near == 0 && asked.iter().any(|it| it.contains(&byte)));
        }
    }
}

#[tokio::test]
async fn ranges_are_of_one_object() {
    let store = Store::new();
    store.set("a", noise(10, 1));
    let behind = store.get_ranges(ranges("a").range(0..1).range(10..)).await.unwrap_err();
    assert_eq!((behind.kind(), behind.op()), (ErrorKind::Invalid, "blob.get"));
    let other = Get::new(bucket(), key("a")).if_match(Tag::new("other"));
    let other = store.get_ranges(GetRanges::new(other).range(0..1)).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict);
    let nothing = store.get_ranges(ranges("b").range(0..1)).await.unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::NotFound);
    let both = GetRanges::new(Get::new(bucket(), key("a")).range(0..1)).range(0..1);
    let both = store.get_ranges(both).await.unwrap_err();
    assert_eq!((both.kind(), both.op()), (ErrorKind::Invalid, "blob.get_ranges"));
    assert_eq!(both.resource(), "acme-7f3-tests");
    // One that is replaced between two of its ranges.
    store.calls();
    let read = super::file::killed(store.get_ranges(ranges("a").range(0..1)), 3).await;
    assert!(read.is_none() && store.calls().contains(&"head"));
}

#[tokio::test]
async fn a_rename_takes_all_that_is_written_along() {
    let store = Store::new();
    let properties = Properties { content_type: "text/plain".into(), ..Properties::default() };
    let put = Put::new(bucket(), key("a")).properties(properties.clone());
    let encryption = Encryption::Key("the-key".into());
    store.put_bytes(put.encryption(encryption.clone()), "hello").await.unwrap();
    let meta = store.rename(Rename::new(bucket(), key("a"), key("b"))).await.unwrap();
    assert_eq!((&meta.properties, &meta.encryption), (&properties, &encryption));
    assert_eq!((store.bytes("a"), store.bytes("b").unwrap()), (None, "hello".into()));
}

#[tokio::test]
async fn a_rename_that_does_not_hold_changes_nothing() {
    let store = Store::new();
    store.set("a", "hello");
    store.set("b", "other");
    let rename = Rename::new(bucket(), key("a"), key("b"));
    let error = store.rename(rename.clone().mode(Mode::IfAbsent)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(store.bytes("b").unwrap(), "other");
    let tag = store.meta("b").unwrap().tag;
    store.rename(rename.mode(Mode::IfMatch(tag))).await.unwrap();
    assert_eq!(store.keys(), ["b"]);
    let nothing = store.rename(Rename::new(bucket(), key("a"), key("b"))).await.unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::NotFound);
    let itself = store.rename(Rename::new(bucket(), key("b"), key("b"))).await.unwrap_err();
    assert_eq!((itself.kind(), itself.op()), (ErrorKind::Invalid, "blob.rename"));
    assert_eq!(store.bytes("b").unwrap(), "hello");
}

#[tokio::test]
async fn a_rename_whose_answer_is_lost_says_what_may_be() {
    let store = Store::new();
    store.set("a", "hello");
    store.fault("copy", Fault::Lose);
    let error = store.rename(Rename::new(bucket(), key("a"), key("b"))).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::Unknown));
    assert_eq!(store.keys(), ["a", "b"], "nothing is removed that may not be elsewhere");
    for (fault, keys) in
        [(Fault::Refuse(ErrorKind::Unavailable), &["a", "b"][..]), (Fault::Lose, &["b"])]
    {
        store.set("a", "hello");
        store.fault("delete", fault);
        let error = store.rename(Rename::new(bucket(), key("a"), key("b"))).await.unwrap_err();
        assert!(error.message().starts_with("copied, and then it could not be removed"), "{error}");
        assert_eq!((error.op(), error.applied()), ("blob.rename", Applied::Unknown));
        assert_eq!(store.keys(), keys);
    }
}

#[tokio::test]
async fn a_rename_does_not_remove_what_was_written_meanwhile() {
    let store = Store::new();
    store.set("a", "old");
    // Another writes as soon as the copy is there.
    let rename = store.rename(Rename::new(bucket(), key("a"), key("b")));
    let other = async {
        while store.bytes("b").is_none() {
            tokio::task::yield_now().await;
        }
        store.set("a", "new");
    };
    let (renamed, ()) = futures::join!(rename, other);
    let error = renamed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(
        (store.bytes("a").unwrap(), store.bytes("b").unwrap()),
        ("new".into(), "old".into())
    );
}

#[tokio::test]
async fn what_starts_so_is_removed_and_counted() {
    let store = Store::new();
    for n in 0..2_500 {
        store.set(&format!("tmp/{n}"), "");
    }
    store.set("tmp", "");
    store.set("tn", "");
    assert_eq!(store.delete_prefix(&bucket(), "tmp/").await.unwrap(), 2_500);
    assert_eq!(store.keys(), ["tmp", "tn"]);
    assert_eq!(store.delete_prefix(&bucket(), "tmp/").await.unwrap(), 0);
    assert_eq!(store.delete_prefix(&bucket(), "").await.unwrap(), 2);
}

#[tokio::test]
async fn an_error_says_how_many_were_removed() {
    let store = Store::new();
    (0..1_500).for_each(|n| store.set(&format!("tmp/{n}"), ""));
    store.fault("delete_one", Fault::Refuse(ErrorKind::Forbidden));
    let error = store.delete_prefix(&bucket(), "tmp/").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "blob.delete_prefix acme-7f3-tests: 999 objects removed, then: refused (Forbidden)"
    );
    assert_eq!(error.applied(), Applied::Unknown);
    store.fault("list", Fault::Refuse(ErrorKind::Unavailable));
    let error = store.delete_prefix(&bucket(), "tmp/").await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::No));
}

#[tokio::test]
async fn an_emptied_bucket_has_no_object_and_no_upload() {
    let store = Store::new();
    (0..3).for_each(|n| store.set(&format!("{n}"), "x"));
    store.start_upload(StartUpload::new(bucket(), key("u"))).await.unwrap();
    assert_eq!(store.empty(&bucket()).await.unwrap(), 4);
    assert!(store.keys().is_empty() && store.uploads_now().is_empty());
    assert_eq!(store.empty(&bucket()).await.unwrap(), 0);
    store.set("a", "x");
    store.start_upload(StartUpload::new(bucket(), key("u"))).await.unwrap();
    store.fault("abort_upload", Fault::Refuse(ErrorKind::Forbidden));
    let error = store.empty(&bucket()).await.unwrap_err();
    assert_eq!(error.message(), "1 objects removed, then: refused");
    assert_eq!(error.op(), "blob.empty");
}

#[tokio::test]
async fn a_bucket_that_somebody_writes_to_is_looked_at_once_more() {
    let store = Store::new();
    store.set("a", "x");
    let other = async {
        let mut calls = Vec::new();
        while !calls.contains(&"versions") {
            tokio::task::yield_now().await;
            calls.extend(store.calls());
        }
        store.set("late", "x");
    };
    let bucket = bucket();
    let (emptied, ()) = futures::join!(store.empty(&bucket), other);
    assert_eq!(emptied.unwrap(), 2);
    // What was removed by its key alone may be a version now.
    assert!(store.calls().contains(&"versions"));
}

#[tokio::test]
async fn a_sync_that_cannot_be_names_its_call() {
    let dir = tempfile::tempdir().unwrap();
    let sync = crate::blob::SyncDir::up(dir.path(), bucket(), "a").parallel(0);
    let error = Store::new().sync(sync).await.unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::Invalid, "blob.sync"));
}

#[tokio::test(start_paused = true)]
async fn a_fresh_bucket_is_waited_for() {
    let minute = Duration::from_mins(1);
    let store = Store::new();
    for kind in [ErrorKind::NotFound, ErrorKind::Throttled, ErrorKind::NotFound] {
        store.fault("bucket", Fault::Refuse(kind));
    }
    store.wait_bucket(&bucket(), minute).await.unwrap();
    assert_eq!(store.calls(), ["bucket"; 4]);
    // What is not seen for ten seconds is not there.
    (0..100).for_each(|_| store.fault("bucket", Fault::Refuse(ErrorKind::NotFound)));
    let begun = crate::time::instant();
    let error = store.wait_bucket(&bucket(), minute).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!((10..12).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    // What waiting can't mend ends it.
    let store = Store::new();
    store.fault("bucket", Fault::Refuse(ErrorKind::Forbidden));
    let error = store.wait_bucket(&bucket(), minute).await.unwrap_err();
    assert_eq!((error.kind(), store.calls().len()), (ErrorKind::Forbidden, 1));
    store.fault("bucket", Fault::Hang);
    let error = store.wait_bucket(&bucket(), Duration::ZERO).await.unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::Timeout, "blob.wait_bucket"));
    // At the end of the patience it says what was seen last, as every wait does.
    (0..10).for_each(|_| store.fault("bucket", Fault::Refuse(ErrorKind::Throttled)));
    let error = store.wait_bucket(&bucket(), Duration::from_millis(300)).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (ErrorKind::Timeout, false));
    assert_eq!(error.message(), "the last look at the bucket failed: refused, after 300ms");
}

#[tokio::test]
async fn the_store_of_these_tests_pages_as_it_should() {
    let store = Store::new();
    for it in ["a/1", "a/2", "b"] {
        store.set(it, "");
    }
    let list = crate::blob::List::new(bucket()).delimiter("/");
    let listed: Result<Vec<_>, Error> =
        store.list(list.clone()).map_ok(|it| it.as_str().to_owned()).try_collect().await;
    assert_eq!(listed.unwrap(), ["a/", "b"]);
    let rest: Vec<_> = store.list(list.start_after("a/")).try_collect().await.unwrap();
    assert_eq!(rest.len(), 1);
}
