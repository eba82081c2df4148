//! Each field of each request, changed alone, changes what is sent.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use mvi_core::{
    Blob as _, BucketName, Labels,
    blob::{
        Body, Complete, Copy, Crc32c, CreateBucket, Delete, DeleteMany, Encryption, Get, Head,
        List, Metadata, Mode, Part, PartNumber, Properties, Put, Rule, Source, StartUpload, Tag,
        Target, Upload, VersionId, Versioning, Versions,
    },
};

use super::{World, bucket, key};

/// What was sent, but for what is new each time and for the order of a map's entries.
fn sent(world: &World) -> Vec<String> {
    let grpc = world.grpc.calls().into_iter().map(|it| {
        let mut letters: Vec<_> = masked(&it.body).chars().collect();
        letters.sort_unstable();
        format!("{} {:?}", it.method, String::from_iter(letters))
    });
    let http = world.http.asked().into_iter().map(|it| {
        let query: BTreeMap<_, _> = it.query.into_iter().filter(|it| it.0 != "upload_id").collect();
        let query = masked(format!("{query:?}").as_bytes());
        // But for the port, and for the crate's own token.
        let new = ["host", "x-goog-gcs-idempotency-token"];
        let same = |it: &(&String, &String)| !new.contains(&it.0.as_str());
        let headers: BTreeMap<_, _> = it.headers.iter().filter(same).collect();
        let headers = masked(format!("{headers:?}").as_bytes());
        let body = masked(&it.body);
        let path = masked(it.path.as_bytes());
        format!("{} {path} {query} {headers} {body}", it.op)
    });
    let mut all: Vec<_> = grpc.chain(http).collect();
    all.sort();
    world.forget();
    all
}

/// The bytes as text, with every nonce of ours made one.
fn masked(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut masked = String::new();
    let mut run = String::new();
    for c in text.chars().chain(['\0']) {
        if matches!(c, '0'..='9' | 'a'..='f') {
            run.push(c);
            continue;
        }
        masked += if run.len() == 32 { "nonce" } else { &run };
        run.clear();
        masked.push(c);
    }
    masked
}

/// Calls each of the changed requests and sees that it sends something else than the first.
macro_rules! each {
    ($world:expr, $what:literal, $first:expr, [$($changed:expr),* $(,)?], $call:expr) => {{
        let (world, call) = ($world, $call);
        world.forget();
        call(world, $first).await;
        let first = sent(world);
        assert!(!first.is_empty(), "{} sends nothing", $what);
        call(world, $first).await;
        assert_eq!(sent(world), first, "{} again", $what);
        $(
            call(world, $changed).await;
            assert_ne!(sent(world), first, "{}: {}", $what, stringify!($changed));
        )*
    }};
}

fn other() -> BucketName {
    BucketName::new("acme-7f3-other").unwrap()
}

fn tag() -> Tag {
    Tag::new("1700000000000001")
}

fn version() -> VersionId {
    VersionId::new("1700000000000002")
}

fn kms() -> Encryption {
    Encryption::Key("projects/p/locations/l/keyRings/r/cryptoKeys/k".into())
}

fn properties() -> [Properties; 4] {
    let plain = Properties::default;
    [
        Properties { content_type: "text/plain".into(), ..plain() },
        Properties { cache_control: Some("no-store".into()), ..plain() },
        Properties { content_disposition: Some("inline".into()), ..plain() },
        Properties { metadata: Metadata::new().with("owner", "ann").unwrap(), ..plain() },
    ]
}

#[tokio::test]
async fn of_a_put() {
    async fn call(world: &World, put: Put, bytes: Vec<u8>) {
        world.gcp.blob.put(put, Body::from(bytes)).await.ok();
    }
    let world = World::new().await;
    let put = || Put::new(bucket(), key("key"));
    let [kind, cache, disposition, metadata] = properties();
    for size in [3, 9 << 20] {
        each!(
            &world,
            "put",
            put(),
            [
                Put { bucket: other(), ..put() },
                Put { key: key("other"), ..put() },
                Put { mode: Mode::IfAbsent, ..put() },
                Put { mode: Mode::IfMatch(tag()), ..put() },
                Put { properties: kind.clone(), ..put() },
                Put { properties: cache.clone(), ..put() },
                Put { properties: disposition.clone(), ..put() },
                Put { properties: metadata.clone(), ..put() },
                Put { encryption: kms(), ..put() },
            ],
            |world, request| call(world, request, vec![0; size])
        );
    }
    // What is in memory is summed anyway; of what is not, the checksum goes along where it is known.
    let zeros = vec![0; 9 << 20];
    let sum = Put { checksum: Some(Crc32c::of(&zeros)), ..put() };
    let replay = |world, put: Put| {
        let body = super::bodies(&zeros).swap_remove(1);
        replayed(world, put, body)
    };
    each!(&world, "put", put(), [sum.clone()], replay);
}

async fn replayed(world: &World, put: Put, body: Body) {
    world.gcp.blob.put(put, body).await.ok();
}

#[tokio::test]
async fn of_reads() {
    let world = World::new().await;
    world.cloud.write("key", b"hello");
    let get = || Get::new(bucket(), key("key"));
    each!(
        &world,
        "get",
        get(),
        [
            Get { bucket: other(), ..get() },
            Get { key: key("other"), ..get() },
            Get { range: Some((1..3).into()), ..get() },
            Get { if_match: Some(tag()), ..get() },
            Get { if_none_match: Some(tag()), ..get() },
            Get { version: Some(version()), ..get() },
        ],
        async |world: &World, request: Get| drop(world.gcp.blob.get(request).await)
    );
    let head = || Head::new(bucket(), key("key"));
    each!(
        &world,
        "head",
        head(),
        [
            Head { bucket: other(), ..head() },
            Head { key: key("other"), ..head() },
            Head { version: Some(version()), ..head() },
        ],
        async |world: &World, request: Head| drop(world.gcp.blob.head(request).await)
    );
    let list = || List::new(bucket());
    each!(
        &world,
        "list",
        list(),
        [
            List { bucket: other(), ..list() },
            List { prefix: "a".into(), ..list() },
            List { delimiter: Some("/".into()), ..list() },
            List { start_after: Some("a".into()), ..list() },
            List { limit: Some(7), ..list() },
            List { page: Some(7.try_into().unwrap()), ..list() },
        ],
        async |world: &World, request: List| drop(world.gcp.blob.list(request).next().await)
    );
    let versions = || Versions::new(bucket());
    each!(
        &world,
        "versions",
        versions(),
        [
            Versions { bucket: other(), ..versions() },
            Versions { prefix: "a".into(), ..versions() },
            Versions { page: Some(7.try_into().unwrap()), ..versions() },
        ],
        async |world: &World, request: Versions| drop(
            world.gcp.blob.versions(request).next().await
        )
    );
}

#[tokio::test]
async fn of_removals_and_copies() {
    let world = World::new().await;
    let delete = || Delete::new(bucket(), key("key"));
    each!(
        &world,
        "delete",
        delete(),
        [
            Delete { bucket: other(), ..delete() },
            Delete { key: key("other"), ..delete() },
            Delete { if_match: Some(tag()), ..delete() },
            Delete { version: Some(version()), ..delete() },
        ],
        async |world: &World, request: Delete| drop(world.gcp.blob.delete(request).await)
    );
    let many = || DeleteMany::new(bucket(), [key("key")]);
    let of_version = Target { key: key("key"), version: Some(version()) };
    each!(
        &world,
        "delete_many",
        many(),
        [
            DeleteMany { bucket: other(), ..many() },
            DeleteMany::new(bucket(), [key("other")]),
            DeleteMany::new(bucket(), [key("key"), key("other")]),
            DeleteMany::new(bucket(), [of_version.clone()]),
        ],
        async |world: &World, request: DeleteMany| drop(world.gcp.blob.delete_many(request).await)
    );

    let generation = world.cloud.write("from", b"hello");
    let (from_tag, from_version) =
        (Tag::new(generation.to_string()), VersionId::new(generation.to_string()));
    let source = || Source::new(bucket(), key("from"));
    let copy = || Copy::new(source(), bucket(), key("key"));
    let [kind, cache, disposition, metadata] = properties();
    each!(
        &world,
        "copy",
        copy(),
        [
            Copy { source: Source { bucket: other(), ..source() }, ..copy() },
            Copy { source: Source { key: key("other"), ..source() }, ..copy() },
            Copy { source: Source { version: Some(from_version.clone()), ..source() }, ..copy() },
            Copy { source: Source { if_match: Some(from_tag.clone()), ..source() }, ..copy() },
            Copy { bucket: other(), ..copy() },
            Copy { key: key("other"), ..copy() },
            Copy { mode: Mode::IfAbsent, ..copy() },
            Copy { mode: Mode::IfMatch(tag()), ..copy() },
            Copy { properties: Some(kind.clone()), ..copy() },
            Copy { properties: Some(cache.clone()), ..copy() },
            Copy { properties: Some(disposition.clone()), ..copy() },
            Copy { properties: Some(metadata.clone()), ..copy() },
            Copy { encryption: kms(), ..copy() },
        ],
        async |world: &World, request: Copy| drop(world.gcp.blob.copy(request).await)
    );
}

#[tokio::test]
async fn of_uploads() {
    let world = World::new().await;
    let start = || StartUpload::new(bucket(), key("key"));
    let [kind, cache, disposition, metadata] = properties();
    each!(
        &world,
        "start_upload",
        start(),
        [
            StartUpload { key: key("other"), ..start() },
            StartUpload { properties: kind.clone(), ..start() },
            StartUpload { properties: cache.clone(), ..start() },
            StartUpload { properties: disposition.clone(), ..start() },
            StartUpload { properties: metadata.clone(), ..start() },
            StartUpload { encryption: kms(), ..start() },
        ],
        async |world: &World, request: StartUpload| drop(
            world.gcp.blob.start_upload(request).await
        )
    );

    let blob = &world.gcp.blob;
    let upload = blob.start_upload(start()).await.unwrap();
    let number = |it| PartNumber::new(it).unwrap();
    let part = async |at, bytes: Vec<u8>| {
        blob.upload_part(&upload, number(at), Body::from(bytes)).await.unwrap()
    };
    world.forget();
    part(1, vec![0; 5 << 20]).await;
    let first = sent(&world);
    for (at, byte) in [(2, 0), (1, 1)] {
        part(at, vec![byte; 5 << 20]).await;
        assert_ne!(sent(&world), first);
    }
    let one = part(1, vec![0; 5 << 20]).await;
    let two = part(2, vec![1]).await;
    let wire = |it: &Part| it.clone();
    // A condition that does not hold: the upload stays.
    let complete =
        || Complete::new(upload.clone(), vec![wire(&one), wire(&two)]).mode(Mode::IfMatch(tag()));
    let whole = Crc32c::of(&vec![0; 5 << 20]).join(Crc32c::of(&[1]), 1);
    let unknown = Upload::new(bucket(), key("key"), "0".repeat(32));
    each!(
        &world,
        "complete_upload",
        complete(),
        [
            Complete { upload: unknown.clone(), ..complete() },
            Complete { parts: vec![wire(&one)], ..complete() },
            Complete { mode: Mode::IfMatch(Tag::new("7")), ..complete() },
            Complete { checksum: Some(Crc32c::of(b"")), ..complete() },
        ],
        async |world: &World, request: Complete| drop(
            world.gcp.blob.complete_upload(request).await
        )
    );
    let told = blob.complete_upload(complete().checksum(whole)).await.unwrap_err();
    assert_eq!(
        told.kind(),
        mvi_core::ErrorKind::Conflict,
        "the right checksum is no other request"
    );
    each!(
        &world,
        "abort_upload",
        unknown.clone(),
        [
            Upload::new(other(), key("key"), "0".repeat(32)),
            Upload::new(bucket(), key("key"), "1".repeat(32)),
        ],
        async |world: &World, upload: Upload| drop(world.gcp.blob.abort_upload(&upload).await)
    );
}

#[tokio::test]
async fn of_buckets() {
    let world = World::new().await;
    let create = || CreateBucket::new(bucket());
    let labels = Labels::new().with("app", "links").unwrap();
    each!(
        &world,
        "create_bucket",
        create(),
        [
            CreateBucket { name: other(), ..create() },
            CreateBucket { labels: labels.clone(), ..create() },
        ],
        async |world: &World, request: CreateBucket| {
            world.cloud.locked().buckets.clear();
            world.gcp.blob.create_bucket(request).await.unwrap();
        }
    );
    world.cloud.locked().buckets.clear();
    let reset = async |world: &World| {
        world.cloud.locked().buckets.clear();
        world.gcp.blob.create_bucket(CreateBucket::new(bucket())).await.unwrap();
        world.forget();
    };
    each!(
        &world,
        "set_versioning",
        Versioning::On,
        [Versioning::Off],
        async |world: &World, to: Versioning| {
            reset(world).await;
            world.gcp.blob.set_versioning(&bucket(), to).await.unwrap();
        }
    );
    each!(
        &world,
        "set_lifecycle",
        vec![Rule::expire("a", 1)],
        [
            vec![],
            vec![Rule::expire("b", 1)],
            vec![Rule::expire("a", 2)],
            vec![Rule::expire_noncurrent("a", 1)],
        ],
        async |world: &World, rules: Vec<Rule>| {
            reset(world).await;
            world.gcp.blob.set_lifecycle(&bucket(), rules).await.unwrap();
        }
    );
}
