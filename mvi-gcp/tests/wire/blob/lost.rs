//! Answers that are lost, and what a caller is told of each: every call that changes something.

use mvi_core::{
    Applied, Blob as _, BlobExt as _, ErrorKind,
    blob::{
        Body, Complete, Copy, CreateBucket, Delete, DeleteMany, Mode, PartNumber, Source,
        StartUpload, Tag, Versioning,
    },
};

use super::{
    World, bucket,
    cloud::{Fault, RESOURCE_EXHAUSTED, UNAVAILABLE},
    key, put, told,
};

const LOST: [Fault; 2] = [Fault::Lose, Fault::Swallow];

fn number(number: u32) -> PartNumber {
    PartNumber::new(number).unwrap()
}

#[tokio::test]
async fn a_lost_answer_to_a_put_is_not_a_lost_race() {
    for fault in LOST {
        let world = World::new().await;
        let blob = &world.gcp.blob;
        world.cloud.befall("insert", [fault.clone()]);
        let made = blob.put_bytes(put().mode(Mode::IfAbsent), "one").await.unwrap();
        world.cloud.befall("insert", [fault.clone()]);
        let made = blob.put_bytes(put().mode(Mode::IfMatch(made.tag)), "two").await.unwrap();
        assert_eq!(world.cloud.object("key").unwrap().bytes, b"two");
        world.cloud.befall("insert", [fault]);
        blob.put_bytes(put(), "three").await.unwrap();
        let error = blob.put_bytes(put().mode(Mode::IfMatch(made.tag)), "four").await.unwrap_err();
        assert_eq!(told(&error), (ErrorKind::Conflict, Applied::No), "{error}");
    }
}

#[tokio::test]
async fn a_lost_answer_that_others_wrote_over_may_have_been_applied() {
    let world = World::new().await;
    world.cloud.befall("insert", [Fault::LoseAfter]);
    let made = world.gcp.blob.put_bytes(put().mode(Mode::IfAbsent), "one").await;
    assert_eq!(told(&made.unwrap_err()), (ErrorKind::Conflict, Applied::Unknown));
    let other = world.cloud.object("key").unwrap();
    assert_eq!(other.bytes, b"theirs");

    world.cloud.befall("insert", [Fault::Before]);
    let tag = Tag::new(other.object.generation.to_string());
    let made = world.gcp.blob.put_bytes(put().mode(Mode::IfMatch(tag)), "one").await;
    assert_eq!(told(&made.unwrap_err()), (ErrorKind::Conflict, Applied::No));
}

#[tokio::test]
async fn no_answer_at_all_is_settled_by_reading_back() {
    let world = World::new().await;
    world.cloud.befall("insert", [Fault::Swallow, Fault::Ignore, Fault::Ignore]);
    world.gcp.blob.put_bytes(put(), "one").await.unwrap();
    world.cloud.befall("insert", [Fault::Ignore, Fault::Ignore, Fault::Ignore]);
    let error = world.gcp.blob.put_bytes(put(), "two").await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Timeout, Applied::Unknown), "{error}");
    assert_eq!(world.cloud.object("key").unwrap().bytes, b"one");
}

#[tokio::test]
async fn a_throttled_attempt_after_a_timed_out_one_is_not_unapplied() {
    let world = World::new().await;
    let refused = || Fault::Because(429, "rateLimitExceeded");
    world.cloud.befall("insert", [Fault::Ignore, refused(), refused()]);
    let error = world.gcp.blob.put_bytes(put(), "one").await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Throttled, Applied::Unknown), "{error}");
    world.cloud.befall("insert", [refused(), refused(), refused()]);
    let error = world.gcp.blob.put_bytes(put(), "one").await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Throttled, Applied::No), "{error}");
    assert_eq!(world.http.count("insert"), 6);
}

#[tokio::test]
async fn a_lost_answer_to_a_removal_goes_on() {
    for fault in LOST {
        let world = World::new().await;
        let blob = &world.gcp.blob;
        blob.create_bucket(CreateBucket::new(bucket())).await.unwrap();
        world.cloud.write("key", b"x");
        world.cloud.befall("DeleteObject", [fault.clone()]);
        blob.delete(Delete::new(bucket(), key("key"))).await.unwrap();
        world.cloud.write("key", b"x");
        world.cloud.befall("DeleteObject", [fault.clone()]);
        let outcomes = blob.delete_many(DeleteMany::new(bucket(), [key("key")])).await.unwrap();
        assert!(outcomes[0].is_ok() && world.cloud.names().is_empty());

        // It is gone, by us or by another: nothing is left to tell.
        let tag = Tag::new(world.cloud.write("key", b"x").to_string());
        world.cloud.befall("DeleteObject", [fault.clone()]);
        let delete = Delete::new(bucket(), key("key")).if_match(tag);
        let error = blob.delete(delete).await.unwrap_err();
        assert_eq!(told(&error), (ErrorKind::Conflict, Applied::Unknown), "{error}");

        world.cloud.befall("DeleteBucket", [fault]);
        blob.delete_bucket(&bucket()).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_copy_is_not_a_lost_race() {
    for fault in LOST {
        for steps in 0..3 {
            let world = World::new().await;
            // Three calls' worth.
            world.cloud.write("from", &vec![7; 5 << 19]);
            let before = std::iter::repeat_n(Fault::None, steps);
            world.cloud.befall("RewriteObject", before.chain([fault.clone()]));
            let copy = Copy::new(Source::new(bucket(), key("from")), bucket(), key("key"));
            let made = world.gcp.blob.copy(copy.mode(Mode::IfAbsent)).await.unwrap();
            assert_eq!(made.size, 5 << 19);
            assert_eq!(world.cloud.object("key").unwrap().bytes, vec![7; 5 << 19]);
        }
    }
    let world = World::new().await;
    world.cloud.write("from", b"x");
    world.cloud.befall("RewriteObject", [Fault::LoseAfter]);
    let copy = Copy::new(Source::new(bucket(), key("from")), bucket(), key("key"));
    let error = world.gcp.blob.copy(copy.mode(Mode::IfAbsent)).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Conflict, Applied::Unknown), "{error}");
}

#[tokio::test]
async fn a_lost_answer_of_an_upload_goes_on() {
    for fault in LOST {
        for mode in [Mode::Always, Mode::IfAbsent] {
            let world = World::new().await;
            let blob = &world.gcp.blob;
            world.cloud.befall("insert", [fault.clone()]);
            let start = StartUpload::new(bucket(), key("key"));
            let upload = blob.start_upload(start).await.unwrap();
            world.cloud.befall("insert", [fault.clone()]);
            let part = blob.upload_part(&upload, number(1), Body::from("x")).await.unwrap();
            world.cloud.befall("ComposeObject", [fault.clone()]);
            let complete = || Complete::new(upload.clone(), vec![part.clone()]).mode(mode.clone());
            let made = blob.complete_upload(complete()).await.unwrap();
            assert_eq!(world.cloud.object("key").unwrap().bytes, b"x");
            // Whoever lost the answer to the whole call asks again.
            let again = blob.complete_upload(complete()).await.unwrap();
            assert_eq!(again.size, made.size);
            assert_eq!(world.cloud.names(), ["key"]);

            let upload = blob.start_upload(StartUpload::new(bucket(), key("other"))).await.unwrap();
            world.cloud.befall("DeleteObject", [fault.clone()]);
            blob.abort_upload(&upload).await.unwrap();
            assert_eq!(world.cloud.names(), ["key"]);
        }
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_buckets_change_goes_on() {
    for fault in LOST {
        let world = World::new().await;
        let blob = &world.gcp.blob;
        world.cloud.befall("CreateBucket", [fault.clone()]);
        let made = blob.create_bucket(CreateBucket::new(bucket())).await.unwrap();
        assert_eq!(blob.create_bucket(CreateBucket::new(bucket())).await.unwrap(), made);
        world.cloud.befall("UpdateBucket", [fault.clone()]);
        blob.set_versioning(&bucket(), Versioning::On).await.unwrap();
        world.cloud.befall("UpdateBucket", [fault]);
        blob.set_lifecycle(&bucket(), vec![]).await.unwrap();
        assert_eq!(blob.bucket(&bucket()).await.unwrap().versioning, Versioning::On);
    }
}

#[tokio::test]
async fn what_was_refused_for_now_is_tried_again_and_what_is_wrong_is_not() {
    let world = World::new().await;
    world.cloud.befall("insert", [Fault::Refuse(503), Fault::Refuse(429)]);
    world.gcp.blob.put_bytes(put(), "one").await.unwrap();
    assert_eq!(world.http.count("insert"), 3);
    world.cloud.befall("insert", [Fault::Because(400, "invalid")]);
    let error = world.gcp.blob.put_bytes(put(), "one").await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Invalid, Applied::No));
    assert_eq!(world.http.count("insert"), 4);

    let head = || mvi_core::blob::Head::new(bucket(), key("key"));
    world.cloud.befall("GetObject", [RESOURCE_EXHAUSTED, UNAVAILABLE].map(Fault::Refuse));
    world.gcp.blob.head(head()).await.unwrap();
    assert_eq!(world.grpc.count("GetObject"), 3);
}

#[tokio::test]
async fn what_is_written_is_in_no_error() {
    let world = World::new().await;
    let secret = || put().metadata("token", "hunter2").unwrap();
    for status in [400, 401, 403, 404, 408, 409, 412, 429, 500, 502, 503, 504] {
        world.cloud.befall("insert", (0..3).map(|_| Fault::Because(status, "x")));
        let error = world.gcp.blob.put_bytes(secret(), "hunter2").await.unwrap_err();
        let shown = format!("{error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert!(!format!("{:?}", world.gcp).contains("owner"));
}
