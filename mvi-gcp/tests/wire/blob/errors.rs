//! What Cloud Storage answers by HTTP, as callers see it.

use mvi_core::{
    Applied, Blob as _, BlobExt as _,
    ErrorKind::{
        self, Conflict, Exhausted, Forbidden, Internal, Invalid, NotFound, Throttled, Timeout,
        Unauthenticated, Unavailable, Unsupported,
    },
    blob::{Delete, DeleteMany, Head},
};

use super::{World, bucket, cloud::Fault, get, key, put, told};

/// Statuses with their reasons, and what they mean of a write.
const CASES: &[(i32, &str, ErrorKind, Applied)] = &[
    (400, "invalid", Invalid, Applied::No),
    (400, "required", Invalid, Applied::No),
    (401, "authError", Unauthenticated, Applied::No),
    (403, "forbidden", Forbidden, Applied::No),
    (403, "rateLimitExceeded", Throttled, Applied::No),
    (403, "userRateLimitExceeded", Throttled, Applied::No),
    (403, "quotaExceeded", Exhausted, Applied::No),
    (404, "notFound", NotFound, Applied::No),
    (408, "uploadBrokenConnection", Timeout, Applied::Unknown),
    (409, "conflict", Conflict, Applied::No),
    (410, "gone", Unavailable, Applied::Unknown),
    (411, "required", Invalid, Applied::No),
    (412, "conditionNotMet", Conflict, Applied::No),
    (413, "uploadTooLarge", Invalid, Applied::No),
    (416, "requestedRangeNotSatisfiable", Invalid, Applied::No),
    (429, "rateLimitExceeded", Throttled, Applied::No),
    (429, "quotaExceeded", Exhausted, Applied::No),
    (429, "", Throttled, Applied::No),
    (500, "internalError", Internal, Applied::Unknown),
    (501, "notImplemented", Unsupported, Applied::No),
    (502, "badGateway", Unavailable, Applied::Unknown),
    (503, "backendError", Unavailable, Applied::Unknown),
    (504, "gatewayTimeout", Timeout, Applied::Unknown),
];

#[tokio::test]
async fn what_each_status_tells_the_caller_of_a_write() {
    let world = World::new().await;
    for (status, reason, kind, applied) in CASES {
        world.cloud.befall("insert", (0..3).map(|_| Fault::Because(*status, reason)));
        let error = world.gcp.blob.put_bytes(put(), "x").await.unwrap_err();
        assert_eq!(told(&error), (*kind, *applied), "{status} {reason}");
        assert_eq!(error.code(), Some(status.to_string().as_str()), "{status} {reason}");
        assert_eq!((error.op(), error.resource()), ("blob.put", "acme-7f3-logs"));
        // Those that are not tried again are left over.
        while !matches!(world.cloud.locked().fault("insert"), Fault::None) {}
    }
}

#[tokio::test]
async fn a_read_was_never_applied() {
    let world = World::new().await;
    world.cloud.write("key", b"x");
    for (status, reason, kind, _) in CASES.iter().filter(|it| it.2 != NotFound) {
        world.cloud.befall("media", (0..3).map(|_| Fault::Because(*status, reason)));
        let error = world.gcp.blob.get(get()).await.unwrap_err();
        assert_eq!(told(&error), (*kind, Applied::No), "{status} {reason}");
        while !matches!(world.cloud.locked().fault("media"), Fault::None) {}
    }
}

#[tokio::test]
async fn an_answer_that_says_yes_and_cannot_be_read_was_applied() {
    let world = World::new().await;
    world.cloud.befall("insert", [Fault::Flip, Fault::Flip, Fault::Flip]);
    // The last byte of the JSON is another: the object is there.
    let made = world.gcp.blob.put_bytes(put(), "x").await.unwrap();
    assert_eq!(made.size, 1, "read back by its nonce");
    world.cloud.befall("insert", [Fault::Flip, Fault::Flip, Fault::Flip]);
    world.cloud.befall("GetObject", [Fault::Refuse(5)]);
    let error = world.gcp.blob.put_bytes(put(), "x").await.unwrap_err();
    assert_eq!(told(&error), (Internal, Applied::Yes), "{error}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_from_an_object_that_is_not() {
    let world = World::new().await;
    let blob = &world.gcp.blob;
    let delete = || Delete::new(bucket(), key("key"));
    let error = blob.delete(delete()).await.unwrap_err();
    assert_eq!(told(&error), (NotFound, Applied::No), "{error}");
    let many = || DeleteMany::new(bucket(), ["a", "b", "c"].map(key));
    let error = blob.delete_many(many()).await.unwrap_err();
    assert_eq!((error.op(), error.kind()), ("blob.delete_many", NotFound), "{error}");

    // Who may not see the bucket may still remove what is in it.
    world.cloud.befall("GetBucket", [Fault::Refuse(7)]);
    blob.delete(delete()).await.unwrap();
    blob.create_bucket(mvi_core::blob::CreateBucket::new(bucket())).await.unwrap();
    blob.delete(delete()).await.unwrap();
    world.forget();
    assert!(blob.delete_many(many()).await.unwrap().iter().all(Result::is_ok));
    assert_eq!(world.grpc.count("GetBucket"), 1, "once for all of them");
    let error = blob.head(Head::new(bucket(), key("key"))).await.unwrap_err();
    assert_eq!(told(&error), (NotFound, Applied::No), "{error}");
}
