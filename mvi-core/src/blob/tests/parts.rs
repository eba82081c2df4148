//! How a body becomes one request, or an upload in parts.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use proptest::prelude::*;

use super::{
    bucket, chunks, key, noise, once,
    store::{Fault, Store},
};
use crate::{
    Applied, Error, ErrorKind,
    blob::{
        Body, Crc32c, MAX_OBJECT_BYTES, MAX_PART_BYTES, MIN_PART_BYTES, Mode, Put, Replay,
        parts::{Cut, PART_BYTES, Parts, cut, part_bytes, ranges, upload},
    },
};

const PART: usize = 8 << 20;

fn put() -> Put {
    Put::new(bucket(), key("film"))
}

async fn in_parts(body: Body) -> Parts {
    match cut(body).await.unwrap() {
        Cut::Parts(parts) => parts,
        Cut::Whole(bytes) => panic!("whole, {} bytes", bytes.len()),
    }
}

async fn again(length: usize) -> Parts {
    in_parts(Body::from(noise(length, 1))).await
}

#[tokio::test]
async fn what_fits_into_one_request_goes_in_one() {
    for length in [0, 1, PART - 1, PART] {
        let bytes = noise(length, 1);
        let chunk = PART / 3;
        for body in [Body::from(bytes.clone()), once(&bytes, chunk), once(&bytes, PART)] {
            let Cut::Whole(whole) = cut(body).await.unwrap() else { panic!("{length} in parts") };
            assert!(whole == bytes, "{length}");
        }
    }
    // One byte more does not.
    let bytes = noise(PART + 1, 1);
    for body in [Body::from(bytes.clone()), once(&bytes, PART / 3), once(&bytes, PART + 1)] {
        assert!(matches!(cut(body).await.unwrap(), Cut::Parts(_)));
    }
    // Also where the body goes on with nothing.
    let empties = chunks(vec![Ok(bytes[1..].to_vec().into()), Ok(Bytes::new())]);
    assert!(matches!(cut(Body::Once(empties)).await.unwrap(), Cut::Whole(_)));
    let large = Replay::new(MAX_OBJECT_BYTES + 1, |_| stream::empty().boxed());
    assert_eq!(cut(Body::Replay(large)).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn parts_make_the_body_again() {
    let length = 2 * PART + 5;
    let bytes = noise(length, 1);
    for body in [
        Body::from(bytes.clone()),
        once(&bytes, 1 << 20),
        once(&bytes, 3_000_001),
        once(&bytes, length),
    ] {
        let store = Store::new();
        let shown = format!("{body:?}");
        let parts = in_parts(body).await;
        let meta = upload(&store, put().content_type("video/mp4"), parts).await.unwrap();
        assert!(store.bytes("film").unwrap() == bytes, "{shown}");
        assert_eq!(meta.properties.content_type, "video/mp4");
        let mut numbers: Vec<_> = store.stored().into_iter().map(|it| it.1).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3], "{shown}");
        assert_eq!(store.uploads_now(), []);
    }
}

#[tokio::test]
async fn what_fails_at_any_step_is_aborted_and_changes_nothing() {
    for (op, fault, applied) in [
        ("start_upload", Fault::Refuse(ErrorKind::Unavailable), Applied::No),
        ("upload_part", Fault::Refuse(ErrorKind::Unavailable), Applied::No),
        ("upload_part", Fault::Lose, Applied::No),
        ("complete_upload", Fault::Refuse(ErrorKind::Unavailable), Applied::No),
        ("complete_upload", Fault::Lose, Applied::Unknown),
    ] {
        let store = Store::new();
        store.set("film", "before");
        store.fault(op, fault);
        let error = upload(&store, put(), again(PART + 1).await).await.unwrap_err();
        assert_eq!(error.applied(), applied, "{op} {fault:?}");
        assert_eq!(store.uploads_now(), [], "{op} {fault:?}");
        let is_before = store.bytes("film").unwrap() == "before";
        assert_eq!(is_before, applied == Applied::No, "{op} {fault:?}");
    }
    // One that can't be aborted tells of what led there.
    let store = Store::new();
    store.fault("upload_part", Fault::Refuse(ErrorKind::Forbidden));
    store.fault("abort_upload", Fault::Refuse(ErrorKind::Throttled));
    let error = upload(&store, put(), again(PART + 1).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(store.uploads_now().len(), 1);
}

#[tokio::test]
async fn a_body_that_fails_is_aborted() {
    let store = Store::new();
    let reset = Err(Error::new(ErrorKind::Unavailable, "reset"));
    let body = chunks(vec![Ok(noise(PART, 1).into()), Ok(noise(PART, 2).into()), reset]);
    let error = upload(&store, put(), in_parts(Body::Once(body)).await).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::No));
    assert_eq!((store.uploads_now(), store.bytes("film")), (vec![], None));
}

#[tokio::test]
async fn what_is_dropped_is_aborted() {
    for op in ["upload_part", "complete_upload"] {
        let store = Store::new();
        store.fault(op, Fault::Hang);
        let parts = again(PART + 1).await;
        let call = {
            let store = store.clone();
            tokio::spawn(async move { upload(&store, put(), parts).await })
        };
        while !store.calls().contains(&op) {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.uploads_now().len(), 1, "{op}");
        call.abort();
        let _ = call.await;
        while !store.uploads_now().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.bytes("film"), None);
    }
}

#[tokio::test]
async fn the_mode_and_the_checksum_hold_where_it_is_completed() {
    let store = Store::new();
    store.set("film", "before");
    let absent = upload(&store, put().mode(Mode::IfAbsent), again(PART + 1).await).await;
    assert_eq!(absent.unwrap_err().kind(), ErrorKind::Conflict);
    let other = upload(&store, put().checksum(Crc32c::of(b"other")), again(PART + 1).await).await;
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!((store.uploads_now(), store.bytes("film").unwrap()), (vec![], "before".into()));
    let right = put().checksum(Crc32c::of(&noise(PART + 1, 1)));
    upload(&store, right, again(PART + 1).await).await.unwrap();
    // Where the provider says nothing of parts, they have checksums all the same.
    store.forget_checksums();
    upload(&store, put(), again(PART + 1).await).await.unwrap();
}

proptest! {
    #[test]
    fn parts_cover_every_length_within_the_limits(length in 1..=MAX_OBJECT_BYTES) {
        let bytes = part_bytes(length);
        prop_assert!((MIN_PART_BYTES..=MAX_PART_BYTES).contains(&bytes));
        prop_assert!(bytes >= PART_BYTES && bytes.is_multiple_of(1 << 20));
        prop_assert!(length.div_ceil(bytes) <= 10_000);
    }

    #[test]
    fn ranges_are_the_whole_in_order(length in 0_u64..1_000, bytes in 1_u64..60) {
        let all: Vec<_> = ranges(length, bytes).map(Result::unwrap).collect();
        let mut next = 0;
        for (at, (number, range)) in all.iter().enumerate() {
            prop_assert_eq!(number.get() as usize, at + 1);
            prop_assert_eq!(range.start, next);
            prop_assert!(range.end - range.start <= bytes && range.end > range.start);
            next = range.end;
        }
        prop_assert_eq!(next, length);
    }
}

#[test]
fn too_many_parts_are_an_error_and_no_panic() {
    assert!(ranges(10_000, 1).all(|it| it.is_ok()));
    assert!(ranges(10_001, 1).last().unwrap().is_err());
    assert!(ranges(u64::MAX, u64::MAX - 1).nth(1).unwrap().is_ok());
    assert!(ranges(5, 0).last().unwrap().is_ok());
    assert_eq!(part_bytes(0), PART_BYTES);
}
