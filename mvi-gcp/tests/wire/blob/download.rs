//! Bodies that break, stall or are not what they should be, on their way to a reader.

use std::time::Duration;

use gcloud_sdk::{google::storage::v2::GetObjectRequest, prost::Message as _};
use mvi_core::{
    Blob as _, BlobExt as _, ErrorKind, Result,
    blob::{ByteRange, Encryption, Get, Head, Metadata, Properties, Put, Tag},
};
use tokio::time::Instant;

use super::{World, bucket, cloud::Fault, get, key, pattern, put};

const SIZE: usize = 3_000_000;

async fn read(world: &World, request: Get) -> Result<bytes::Bytes> {
    world.gcp.blob.get_bytes(request, SIZE).await
}

#[tokio::test]
async fn a_cut_body_goes_on_where_it_broke_with_the_same_generation() {
    let world = World::new().await;
    let bytes = pattern(SIZE);
    let generation = world.cloud.write("key", &bytes);
    for fault in [Fault::Cut(0), Fault::Cut(1), Fault::Cut(1_234_567), Fault::Cut(SIZE - 1)] {
        world.forget();
        world.cloud.befall("media", [fault.clone(), Fault::Cut(100_000)]);
        assert_eq!(read(&world, get()).await.unwrap(), bytes, "{fault:?}");
        let asked = world.http.asked();
        let again = asked.last().unwrap();
        assert_eq!(again.query["generation"], generation.to_string(), "{fault:?}");
        assert!(again.headers["range"].starts_with("bytes="), "{fault:?}");
    }
    // A range goes on to its own end.
    world.forget();
    world.cloud.befall("media", [Fault::Cut(10)]);
    let found = read(&world, get().range(1_000..2_000)).await.unwrap();
    assert_eq!(found, bytes[1_000..2_000]);
    assert!(world.http.asked().last().unwrap().headers["range"].ends_with("-1999"));
}

#[tokio::test]
async fn a_body_that_always_breaks_is_an_error_in_the_end() {
    let world = World::new().await;
    world.cloud.write("key", &pattern(SIZE));
    world.cloud.befall("media", (0..99).map(|_| Fault::Cut(0)));
    let error = read(&world, get()).await.unwrap_err();
    assert_eq!((error.op(), error.kind()), ("blob.get", ErrorKind::Unavailable), "{error}");
    assert!(world.http.count("media") <= 9, "{}", world.http.count("media"));
}

#[tokio::test]
async fn a_body_that_breaks_after_each_piece_is_read_to_its_end() {
    let world = World::new().await;
    let bytes = pattern(SIZE);
    world.cloud.write("key", &bytes);
    world.cloud.befall("media", (0..29).map(|_| Fault::Cut(100_000)));
    assert_eq!(read(&world, get()).await.unwrap(), bytes);
    assert_eq!(world.http.count("media"), 30);
}

#[tokio::test]
async fn a_body_that_stalls_goes_on_or_is_an_error_in_time() {
    let world = World::new().await;
    let bytes = pattern(SIZE);
    world.cloud.write("key", &bytes);
    world.cloud.befall("media", [Fault::Stall(1_000_000)]);
    assert_eq!(read(&world, get()).await.unwrap(), bytes);

    let start = Instant::now();
    world.cloud.befall("media", (0..99).map(|_| Fault::Stall(0)));
    let error = read(&world, get()).await.unwrap_err();
    assert_eq!((error.op(), error.kind()), ("blob.get", ErrorKind::Timeout), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn other_bytes_than_were_written_are_corrupt() {
    let world = World::new().await;
    world.cloud.write("key", &pattern(SIZE));
    world.cloud.befall("media", [Fault::Flip]);
    assert_eq!(read(&world, get()).await.unwrap_err().kind(), ErrorKind::Corrupt);
    world.cloud.befall("media", [Fault::Longer(1)]);
    assert_eq!(read(&world, get()).await.unwrap_err().kind(), ErrorKind::Corrupt);
    // Of a range nobody knows the checksum.
    world.cloud.befall("media", [Fault::Flip]);
    assert!(read(&world, get().range(0..10)).await.is_ok());
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_asked_for_is_one_or_the_other() {
    // Whichever of the two calls it befalls.
    for method in ["GetObject", "media"] {
        let world = World::new().await;
        world.cloud.write("key", b"ours");
        world.cloud.befall(method, [Fault::Before]);
        assert_eq!(read(&world, get()).await.unwrap(), "theirs");
        world.cloud.befall(method, (0..99).map(|_| Fault::Before));
        match read(&world, get()).await {
            Ok(found) => assert_eq!(found, "theirs"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
        }
    }
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_read_is_a_conflict() {
    let world = World::new().await;
    world.cloud.write("key", &pattern(SIZE));
    world.cloud.befall("media", [Fault::Cut(1_000), Fault::Before]);
    let error = read(&world, get()).await.unwrap_err();
    assert_eq!((error.op(), error.kind()), ("blob.get", ErrorKind::Conflict), "{error}");
}

#[tokio::test]
async fn every_range_is_asked_for_as_it_is() {
    let world = World::new().await;
    let bytes = pattern(1_000);
    world.cloud.write("key", &bytes);
    let cases = [
        (ByteRange::Between(0, 1), "bytes=0-0", 0..1),
        (ByteRange::Between(10, 5_000), "bytes=10-4999", 10..1_000),
        (ByteRange::From(990), "bytes=990-", 990..1_000),
        (ByteRange::Last(7), "bytes=-7", 993..1_000),
        (ByteRange::Last(5_000), "bytes=-5000", 0..1_000),
    ];
    for (range, header, wanted) in cases {
        world.forget();
        let request = Get { range: Some(range), ..get() };
        let object = world.gcp.blob.get(request).await.unwrap();
        assert_eq!(object.range, wanted.start as u64..wanted.end as u64);
        assert_eq!(object.bytes(SIZE).await.unwrap(), bytes[wanted]);
        assert_eq!(world.http.asked()[0].headers["range"], header);
    }
    let error = read(&world, get().range(1_000..)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    // Nothing is in an empty one but the whole of it.
    world.cloud.write("key", b"");
    assert_eq!(read(&world, get()).await.unwrap(), "");
    assert_eq!(read(&world, get().range(0..1)).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn conditions_go_over_the_wire() {
    let world = World::new().await;
    let generation = world.cloud.write("key", b"hello");
    let tag = || Tag::new(generation.to_string());
    assert_eq!(read(&world, get().if_match(tag())).await.unwrap(), "hello");
    let asked = world.http.asked();
    assert_eq!(asked[0].headers["x-goog-if-generation-match"], generation.to_string());
    world.forget();
    let error = read(&world, get().if_none_match(tag())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let calls = world.grpc.calls();
    let asked = GetObjectRequest::decode(&*calls[0].body).unwrap();
    assert_eq!(asked.if_generation_not_match, Some(generation));
    assert_eq!(world.http.count("media"), 0, "no byte of it comes");
    let other = || Tag::new("1");
    let error = read(&world, get().if_match(other())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(read(&world, get().if_none_match(other())).await.unwrap(), "hello");
    // A tag of another provider's is that of nothing.
    let foreign = || Tag::new("\"d41d8\"");
    let error = read(&world, get().if_match(foreign())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(read(&world, get().if_none_match(foreign())).await.unwrap(), "hello");
}

/// All that can be said of an object.
fn properties() -> Properties {
    Properties {
        content_type: "text/plain; charset=utf-8".into(),
        cache_control: Some("max-age=60".into()),
        content_disposition: Some("attachment; filename=\"a b.txt\"".into()),
        metadata: Metadata::new().with("owner", "ann").unwrap().with("empty", "").unwrap(),
    }
}

#[tokio::test]
async fn one_request_reads_what_mvi_wrote_with_all_that_there_is_to_know() {
    let world = World::new().await;
    for properties in [properties(), Properties::default()] {
        let made = world.gcp.blob.put_bytes(put().properties(properties.clone()), "hello").await;
        let made = made.unwrap();
        world.forget();
        let found = world.gcp.blob.get(get()).await.unwrap();
        assert!(world.grpc.calls().is_empty(), "one request, no more");
        assert_eq!(world.http.count("media"), 1);
        let head = world.gcp.blob.head(Head::new(bucket(), key("key"))).await.unwrap();
        assert_eq!(found.meta, head);
        assert_eq!(found.meta.properties, properties);
        // A write is not told when it was.
        let mut told = found.meta.clone();
        told.modified = None;
        assert_eq!(told, made);
        // A range is as good.
        let found = world.gcp.blob.get(get().range(1..3)).await.unwrap();
        assert_eq!((&found.meta, found.range.clone()), (&head, 1..3));
        assert_eq!(found.bytes(10).await.unwrap(), "el");
    }
}

#[tokio::test]
async fn what_the_headers_do_not_tell_is_asked_for() {
    let world = World::new().await;
    let blob = &world.gcp.blob;
    let same = async |calls: usize, why: &str| {
        world.forget();
        let found = blob.get(get()).await.unwrap().meta;
        assert_eq!(world.grpc.count("GetObject"), calls, "{why}");
        assert_eq!(found, blob.head(Head::new(bucket(), key("key"))).await.unwrap(), "{why}");
        found
    };
    world.cloud.write("key", b"theirs");
    let found = same(1, "others wrote it").await;
    assert_eq!(found.properties.cache_control, None);

    let kms = Encryption::Key("projects/p/locations/l/keyRings/r/cryptoKeys/k".into());
    let made = blob.put_bytes(put().encryption(kms.clone()), "x").await.unwrap();
    assert_eq!(made.encryption, kms);
    assert_eq!(same(1, "no header names its key").await.encryption, kms);

    blob.put_bytes(put(), "x").await.unwrap();
    same(0, "all is told").await;
    let change = |change: &dyn Fn(&mut gcloud_sdk::google::storage::v2::Object)| {
        change(&mut world.cloud.locked().objects.get_mut("key").unwrap().object);
    };
    change(&|it| {
        it.metageneration = 2;
        it.cache_control = "no-store".into();
    });
    let found = same(1, "others changed what is written on it").await;
    assert_eq!(found.properties.cache_control.as_deref(), Some("no-store"));

    blob.put_bytes(put().properties(properties()), "x").await.unwrap();
    same(0, "all is told").await;
    change(&|it| it.cache_control = "no-store".into());
    let found = same(1, "others rewrote it with another").await;
    assert_eq!(found.properties.cache_control.as_deref(), Some("no-store"));
}

#[tokio::test]
async fn what_a_cache_has_is_not_taken_for_what_is_there() {
    let world = World::new().await;
    let blob = &world.gcp.blob;
    blob.put_bytes(put(), "old").await.unwrap();
    let old = world.cloud.object("key").unwrap();
    world.cloud.locked().cached.insert("key".into(), old);
    assert_eq!(read(&world, get()).await.unwrap(), "old");
    blob.put_bytes(put(), "new").await.unwrap();
    assert_eq!(read(&world, get()).await.unwrap(), "new");
    world.cloud.locked().objects.clear();
    assert_eq!(read(&world, get()).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn every_key_arrives_as_it_is() {
    let world = World::new().await;
    let blob = &world.gcp.blob;
    let long = "ü".repeat(512);
    let keys = [
        "a//b",
        "/",
        "//",
        "/a",
        "a/",
        "a//",
        "...",
        ".a/..b/c.",
        "%41",
        "%2F",
        "%2e%2e/x",
        "a+b c",
        "?a=b&c#d",
        "a\\b",
        "a:b@c",
        "\"'<>|^`{}[]",
        "*~!$();,=",
        "日本/語",
        "a\u{200b}b",
        "e\u{301}",
        &long,
    ];
    for (at, text) in keys.iter().enumerate() {
        let request = Put::new(bucket(), key(text));
        blob.put_bytes(request, at.to_string()).await.unwrap();
        let found = blob.get_bytes(Get::new(bucket(), key(text)), 10).await.unwrap();
        assert_eq!(found, at.to_string(), "{text}");
        let stored = world.cloud.object(text).unwrap_or_else(|| panic!("{text} is not there"));
        assert_eq!(stored.bytes, at.to_string().as_bytes(), "{text}");
    }
    assert_eq!(world.cloud.names().len(), keys.len());
}
