//! Uploads in parts: the tree of joinings, parts that change meanwhile, and what is left behind.

use futures::TryStreamExt as _;
use gcloud_sdk::{google::storage::v2::ComposeObjectRequest, prost::Message as _};
use mvi_core::{
    Applied, Blob as _, BlobExt as _, ErrorKind, Result,
    blob::{Body, Complete, Crc32c, Meta, Mode, Part, PartNumber, Properties, StartUpload, Upload},
};

use super::{
    World, bucket,
    cloud::{Fault, UNAVAILABLE},
    key, pattern, put, told,
};

fn number(number: u32) -> PartNumber {
    PartNumber::new(number).unwrap()
}

/// Large enough for a part that is not the last; few bytes of it differ.
fn piece(number: u32) -> Vec<u8> {
    let mut bytes = vec![0; 5 << 20];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes
}

async fn start(world: &World) -> Upload {
    let properties = Properties {
        content_type: "video/mp4".into(),
        cache_control: Some("max-age=60".into()),
        content_disposition: Some("inline".into()),
        ..Properties::default()
    };
    let start = StartUpload::new(bucket(), key("key")).properties(properties);
    world.gcp.blob.start_upload(start.metadata("owner", "ann").unwrap()).await.unwrap()
}

async fn store(world: &World, upload: &Upload, at: u32, bytes: Vec<u8>) -> Result<Part> {
    world.gcp.blob.upload_part(upload, number(at), Body::from(bytes)).await
}

async fn complete(world: &World, upload: &Upload, parts: Vec<Part>) -> Result<Meta> {
    world.gcp.blob.complete_upload(Complete::new(upload.clone(), parts)).await
}

fn joinings(world: &World) -> Vec<ComposeObjectRequest> {
    let calls = world.grpc.calls().into_iter().filter(|it| it.method == "ComposeObject");
    calls.map(|it| ComposeObjectRequest::decode(&*it.body).unwrap()).collect()
}

#[tokio::test]
async fn many_parts_are_joined_in_a_tree_and_only_the_last_joining_is_seen() {
    let world = World::patient().await;
    let upload = start(&world).await;
    let mut parts = Vec::new();
    let mut whole = Vec::new();
    for at in 1..=34 {
        let bytes = if at == 34 { b"end".to_vec() } else { piece(at) };
        whole.extend_from_slice(&bytes);
        parts.push(store(&world, &upload, at, bytes).await.unwrap());
    }
    world.forget();
    let request = Complete::new(upload.clone(), parts).mode(Mode::IfAbsent);
    let made = world.gcp.blob.complete_upload(request).await.unwrap();
    assert_eq!(made.checksum, Some(Crc32c::of(&whole)));
    assert_eq!(world.cloud.object("key").unwrap().bytes, whole);

    let joinings = joinings(&world);
    let sizes: Vec<_> = joinings.iter().map(|it| it.source_objects.len()).collect();
    assert_eq!(sizes.iter().copied().max(), Some(32));
    assert_eq!(sizes.len(), 3, "32 and 2 parts, then the two: {sizes:?}");
    let name = |it: &ComposeObjectRequest| it.destination.as_ref().unwrap().name.clone();
    let (last, hidden) = joinings.split_last().unwrap();
    assert!(hidden.iter().all(|it| name(it).starts_with('\u{10FFFD}')));
    assert!(joinings.iter().flat_map(|it| &it.source_objects).all(|it| it.generation > 0));
    // The last one has all that the object should be, and the precondition.
    assert_eq!((name(last).as_str(), last.if_generation_match), ("key", Some(0)));
    assert!(hidden.iter().all(|it| it.if_generation_match.is_none()));
    let sum = last.object_checksums.as_ref().unwrap().crc32c;
    assert_eq!(sum, Some(Crc32c::of(&whole).value()));
    assert_eq!(made.properties.content_type, "video/mp4");
    assert_eq!(made.properties.cache_control.as_deref(), Some("max-age=60"));
    assert_eq!(made.properties.content_disposition.as_deref(), Some("inline"));
    assert_eq!(made.properties.metadata.iter().collect::<Vec<_>>(), [("owner", "ann")]);
    assert_eq!(world.cloud.names(), ["key"], "nothing is left");
}

#[tokio::test]
async fn parts_are_encrypted_as_the_object_is_to_be() {
    use mvi_core::blob::Encryption;

    let name = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
    let world = World::new().await;
    let start = StartUpload::new(bucket(), key("key")).encryption(Encryption::Key(name.into()));
    let upload = world.gcp.blob.start_upload(start).await.unwrap();
    let found: Vec<Upload> = world.gcp.blob.uploads(&bucket()).try_collect().await.unwrap();
    assert_eq!(found[0].id, upload.id);
    let part = store(&world, &upload, 1, b"x".to_vec()).await.unwrap();
    let keys = |world: &World| {
        let state = world.cloud.locked();
        state.objects.values().map(|it| it.object.kms_key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        keys(&world),
        [format!("{name}/cryptoKeyVersions/1"), format!("{name}/cryptoKeyVersions/1")]
    );
    let made = complete(&world, &upload, vec![part]).await.unwrap();
    assert_eq!(made.encryption, Encryption::Key(name.into()));
    assert_eq!(joinings(&world)[0].kms_key, name);
}

#[tokio::test]
async fn a_part_that_was_replaced_is_noticed() {
    let world = World::new().await;
    let upload = start(&world).await;
    let old = store(&world, &upload, 1, b"old".to_vec()).await.unwrap();
    let new = store(&world, &upload, 1, b"new".to_vec()).await.unwrap();
    let error = complete(&world, &upload, vec![old]).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Invalid, Applied::No), "{error}");

    // Between the look and the joining.
    let name = world.cloud.names().into_iter().find(|it| it.ends_with("/00001")).unwrap();
    let cloud = world.cloud.clone();
    world.cloud.befall("ComposeObject", [Fault::Refuse(UNAVAILABLE)]);
    let replacing = async {
        while world.grpc.count("ComposeObject") == 0 {
            tokio::task::yield_now().await;
        }
        cloud.write(&name, b"theirs");
    };
    let (made, ()) = tokio::join!(complete(&world, &upload, vec![new]), replacing);
    let error = made.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(world.cloud.object("key").map(|it| it.bytes), None);
}

#[tokio::test]
async fn a_wrong_checksum_of_the_whole_joins_nothing() {
    let world = World::new().await;
    let upload = start(&world).await;
    let part = store(&world, &upload, 1, b"hello".to_vec()).await.unwrap();
    let request = Complete::new(upload.clone(), vec![part.clone()]);
    let error = world.gcp.blob.complete_upload(request.checksum(Crc32c::of(b"hellp"))).await;
    assert_eq!(told(&error.unwrap_err()), (ErrorKind::Corrupt, Applied::No));
    assert!(joinings(&world).is_empty());
    let mut lied = part.clone();
    lied.checksum = Some(Crc32c::of(b"hellp"));
    let error = complete(&world, &upload, vec![lied]).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Invalid, Applied::No), "{error}");
    complete(&world, &upload, vec![part]).await.unwrap();
}

#[tokio::test]
async fn a_condition_that_does_not_hold_leaves_the_upload() {
    let world = World::new().await;
    let upload = start(&world).await;
    let part = store(&world, &upload, 1, b"hello".to_vec()).await.unwrap();
    world.cloud.write("key", b"theirs");
    let request = Complete::new(upload.clone(), vec![part.clone()]).mode(Mode::IfAbsent);
    let error = world.gcp.blob.complete_upload(request).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Conflict, Applied::No), "{error}");
    complete(&world, &upload, vec![part]).await.unwrap();
    assert_eq!(world.cloud.object("key").unwrap().bytes, b"hello");
}

#[tokio::test]
async fn two_who_complete_one_upload_get_one_object() {
    for mode in [Mode::Always, Mode::IfAbsent] {
        let world = World::new().await;
        let upload = start(&world).await;
        let part = store(&world, &upload, 1, b"hello".to_vec()).await.unwrap();
        let request = || Complete::new(upload.clone(), vec![part.clone()]).mode(mode.clone());
        let all = (0..4).map(|_| world.gcp.blob.complete_upload(request()));
        let made = futures::future::join_all(all).await;
        for made in made {
            assert_eq!(made.unwrap().checksum, Some(Crc32c::of(b"hello")));
        }
        assert_eq!(world.cloud.names(), ["key"]);
    }
}

#[tokio::test]
async fn another_process_goes_on_with_what_a_listing_says() {
    let world = World::new().await;
    let upload = start(&world).await;
    let mut kept = vec![store(&world, &upload, 1, piece(1)).await.unwrap()];
    kept.push(store(&world, &upload, 3, b"end".to_vec()).await.unwrap());

    let found: Vec<Upload> = world.gcp.blob.uploads(&bucket()).try_collect().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].key, &found[0].id), (&upload.key, &upload.id));
    let parts: Vec<Part> = world.gcp.blob.parts(&found[0]).try_collect().await.unwrap();
    assert_eq!(parts, kept);
    let made = complete(&world, &found[0], parts).await.unwrap();
    assert_eq!(made.properties.content_type, "video/mp4");
}

#[tokio::test]
async fn a_part_that_comes_late_is_removed_again() {
    let world = World::new().await;
    let upload = start(&world).await;
    world.gcp.blob.abort_upload(&upload).await.unwrap();
    for size in [1, 9 << 20] {
        let error = store(&world, &upload, 1, vec![0; size]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(world.cloud.names().is_empty());
    }
    // What is large is not sent in vain.
    assert_eq!(world.http.count("start"), 0);
    let error = complete(&world, &upload, vec![Part::new(number(1), 1, put_tag())]).await;
    assert_eq!(told(&error.unwrap_err()), (ErrorKind::NotFound, Applied::No));
    let parts: Result<Vec<Part>> = world.gcp.blob.parts(&upload).try_collect().await;
    assert_eq!(parts.unwrap_err().kind(), ErrorKind::NotFound);
}

fn put_tag() -> mvi_core::blob::Tag {
    mvi_core::blob::Tag::new("1")
}

#[tokio::test]
async fn an_id_that_is_not_ours_reaches_nothing() {
    let world = World::new().await;
    world.gcp.blob.put_bytes(put(), "x").await.unwrap();
    world.gcp.blob.create_bucket(mvi_core::blob::CreateBucket::new(bucket())).await.unwrap();
    world.forget();
    for id in ["", "../../key", "0123", &"g".repeat(32), &"A".repeat(32)] {
        let upload = Upload::new(bucket(), key("key"), id);
        let error = store(&world, &upload, 1, b"x".to_vec()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        world.gcp.blob.abort_upload(&upload).await.unwrap();
    }
    assert_eq!(world.http.asked().len(), 0);
    assert_eq!(world.cloud.names(), ["key"]);
}

#[tokio::test]
async fn a_large_part_is_resumable() {
    let world = World::new().await;
    let upload = start(&world).await;
    let bytes = pattern(9 << 20);
    let part = store(&world, &upload, 1, bytes.clone()).await.unwrap();
    assert_eq!(part.checksum, Some(Crc32c::of(&bytes)));
    assert_eq!(world.http.count("chunk"), 1);
    complete(&world, &upload, vec![part]).await.unwrap();
    assert_eq!(world.cloud.object("key").unwrap().bytes, bytes);
}
