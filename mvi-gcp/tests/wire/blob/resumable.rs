//! Large bodies: through cuts anywhere, and at every request.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use mvi_core::{
    Applied, Blob as _, BlobExt as _, Error, ErrorKind,
    blob::{Body, Crc32c, Mode, Replay},
};
use tokio::time::Instant;

use super::{World, bodies, cloud::Fault, get, pattern, put, told};

const MIB: usize = 1 << 20;
const LARGE: usize = 20 * MIB + 12_345;

/// Those that can be read again: of the others see the uploads.
fn again(bytes: &[u8]) -> Vec<Body> {
    bodies(bytes).into_iter().filter(|it| !matches!(it, Body::Once(_))).collect()
}

#[tokio::test]
async fn a_large_body_is_there_when_its_last_byte_is() {
    let world = World::new().await;
    let bytes = pattern(LARGE);
    for body in again(&bytes) {
        world.forget();
        let meta = world.gcp.blob.put(put(), body).await.unwrap();
        assert_eq!(meta.size, LARGE as u64);
        assert_eq!(meta.checksum, Some(Crc32c::of(&bytes)));
        assert_eq!(world.cloud.object("key").unwrap().bytes, bytes);
        let ops: Vec<_> = world.http.asked().iter().map(|it| it.op).collect();
        assert_eq!(ops, ["start", "chunk"]);
    }
}

#[tokio::test]
async fn a_cut_anywhere_goes_on_where_it_broke() {
    let world = World::new().await;
    let bytes = pattern(LARGE);
    // Before anything has arrived, in the middle, and after the answer was due.
    let places = (0..=LARGE / (5 * MIB)).map(|it| Fault::Cut(it * 5 * MIB + it * 17));
    let cuts = places.chain([Fault::Refuse(503), Fault::Lose, Fault::Cut(LARGE - 1)]);
    for cut in cuts {
        for body in again(&bytes) {
            world.forget();
            world.cloud.befall("chunk", [cut.clone()]);
            let made = world.gcp.blob.put(put().mode(Mode::Always), body).await;
            let meta = made.unwrap_or_else(|e| panic!("{cut:?}: {e:?}"));
            assert_eq!(meta.checksum, Some(Crc32c::of(&bytes)), "{cut:?}");
            assert_eq!(world.cloud.object("key").unwrap().bytes, bytes, "{cut:?}");
            assert_eq!(world.http.count("status"), 1, "{cut:?}");
            // What had arrived is not sent again.
            let arrived: usize = world.http.asked().iter().map(|it| it.body.len()).sum();
            let again = if matches!(cut, Fault::Refuse(_)) { LARGE } else { 256 << 10 };
            assert!(arrived <= LARGE + again + 2_000, "{arrived} bytes, {cut:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_gets_further_may_break_as_often_as_it_likes() {
    let world = World::new().await;
    let bytes = pattern(LARGE);
    world.cloud.befall("chunk", (0..15).map(|_| Fault::Cut(MIB)));
    world.gcp.blob.put(put(), Body::from(bytes.clone())).await.unwrap();
    assert_eq!(world.cloud.object("key").unwrap().bytes, bytes);

    world.forget();
    let stuck = (0..9).map(|_| Fault::Cut(0));
    world.cloud.befall("chunk", [Fault::Cut(9 * MIB)].into_iter().chain(stuck));
    let error = world.gcp.blob.put(put(), Body::from(bytes)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(world.http.count("chunk"), 1 + 3);
    // Whoever has the session's address goes on with it.
    let shown = format!("{error:?} {error}");
    assert!(!shown.contains("upload_id") && !shown.contains("session-"), "{shown}");
}

#[tokio::test]
async fn an_answer_that_it_is_not_all_for_ever_is_an_error_in_the_end() {
    let world = World::new().await;
    world.cloud.befall("chunk", (0..99).map(|_| Fault::Refuse(308)));
    let error = world.gcp.blob.put(put(), Body::from(pattern(LARGE))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(world.http.count("chunk") < 9, "{}", world.http.count("chunk"));
}

#[tokio::test]
async fn what_comes_once_goes_in_parts_that_are_sent_again_from_memory() {
    let world = World::new().await;
    let bytes = pattern(LARGE);
    let once = || bodies(&bytes).pop().unwrap();
    // Each of the requests is cut in turn: the marker, the three parts, the joining.
    for at in 0..5 {
        for cut in [Fault::Cut(0), Fault::Cut(1_000), Fault::Lose] {
            world.cloud.locked().objects.clear();
            if at < 4 {
                let before = std::iter::repeat_n(Fault::None, at);
                world.cloud.befall("insert", before.chain([cut.clone()]));
            } else {
                world.cloud.befall("ComposeObject", [Fault::Lose]);
            }
            let sum = Crc32c::of(&bytes);
            let request = put().mode(Mode::IfAbsent).checksum(sum);
            let meta = world.gcp.blob.put(request, once()).await.unwrap();
            assert_eq!(meta.checksum, Some(sum), "{cut:?} at {at}");
            assert_eq!(world.cloud.object("key").unwrap().bytes, bytes, "{cut:?} at {at}");
            assert_eq!(world.cloud.names(), ["key"], "{cut:?} at {at}");
        }
    }
}

#[tokio::test]
async fn a_session_whose_answer_is_lost_is_begun_again() {
    let world = World::new().await;
    let bytes = pattern(LARGE);
    world.cloud.befall("start", [Fault::Lose, Fault::Refuse(503)]);
    let made = world.gcp.blob.put(put().mode(Mode::IfAbsent), Body::from(bytes.clone())).await;
    made.unwrap();
    assert_eq!(world.cloud.object("key").unwrap().bytes, bytes);
}

#[tokio::test]
async fn the_condition_holds_when_the_last_chunk_comes() {
    let world = World::new().await;
    let bytes = pattern(LARGE);
    let absent = || put().mode(Mode::IfAbsent);
    world.gcp.blob.put(absent(), Body::from(bytes.clone())).await.unwrap();
    let error = world.gcp.blob.put(absent(), Body::from(bytes.clone())).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Conflict, Applied::No), "{error}");

    // It won, and its last answer was lost in both ways.
    for fault in [Fault::Lose, Fault::Swallow] {
        world.cloud.locked().objects.clear();
        world.cloud.befall("chunk", [fault]);
        world.gcp.blob.put(absent(), Body::from(bytes.clone())).await.unwrap();
    }
    // It won, and others wrote after it: nothing is left to tell.
    world.cloud.locked().objects.clear();
    world.cloud.befall("chunk", [Fault::LoseAfter]);
    world.cloud.befall("status", [Fault::Refuse(404)]);
    let error = world.gcp.blob.put(absent(), Body::from(bytes)).await.unwrap_err();
    assert_eq!(error.applied(), Applied::Unknown, "{error}");
}

#[tokio::test]
async fn a_body_that_fails_or_is_another_changes_nothing() {
    let world = World::new().await;
    let bytes = Bytes::from(pattern(LARGE));
    let pieces = |error: Option<Error>| {
        let pieces: Vec<_> = bytes.chunks(MIB).map(|it| Ok(Bytes::copy_from_slice(it))).collect();
        Body::Once(stream::iter(pieces).chain(stream::iter(error.map(Err))).boxed())
    };
    let failing = Error::new(ErrorKind::Forbidden, "the disk is gone");
    let error = world.gcp.blob.put(put(), pieces(Some(failing))).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Forbidden, Applied::No), "{error}");
    assert_eq!(error.message(), "the disk is gone");

    for body in bodies(&bytes).into_iter().chain([pieces(None)]) {
        let wrong = put().checksum(Crc32c::of(b"other"));
        let error = world.gcp.blob.put(wrong, body).await.unwrap_err();
        assert_eq!(told(&error), (ErrorKind::Corrupt, Applied::No), "{error}");
        assert!(world.cloud.names().is_empty());
    }
    let right = put().checksum(Crc32c::of(&bytes));
    world.gcp.blob.put(right, pieces(None)).await.unwrap();
    assert_eq!(world.cloud.object("key").unwrap().bytes, bytes);
}

#[tokio::test]
async fn the_checksum_is_sent_where_it_is_known_and_held_where_it_is_not() {
    let world = World::new().await;
    let bytes = pattern(LARGE);
    let sum = Crc32c::of(&bytes);
    let [memory, replay] = <[Body; 2]>::try_from(again(&bytes)).unwrap();
    world.gcp.blob.put(put(), memory).await.unwrap();
    let start = &world.http.asked()[0];
    assert!(String::from_utf8_lossy(&start.body).contains(&sum.to_string()));
    world.forget();
    world.gcp.blob.put(put(), replay).await.unwrap();
    let start = &world.http.asked()[0];
    assert!(!String::from_utf8_lossy(&start.body).contains("crc32c"));

    // What was stored is not what was sent: it goes, however the upload came to its end.
    for faults in [vec![Fault::Garble], vec![Fault::Cut(9 * MIB), Fault::Garble]] {
        for body in again(&bytes) {
            world.cloud.locked().objects.clear();
            world.cloud.befall("chunk", faults.clone());
            let error = world.gcp.blob.put(put(), body).await.unwrap_err();
            assert_eq!(error.applied(), Applied::No, "{error}");
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid), "{error}");
            assert!(world.cloud.names().is_empty());
        }
    }
}

#[tokio::test]
async fn a_body_that_is_never_answered_is_an_error_in_time() {
    let world = World::new().await;
    let start = Instant::now();
    world.cloud.befall("chunk", [Fault::Ignore]);
    let error = world.gcp.blob.put(put(), Body::from(pattern(LARGE))).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Timeout, Applied::Unknown), "{error}");
    world.cloud.befall("start", [Fault::Ignore]);
    let error = world.gcp.blob.put(put(), Body::from(pattern(LARGE))).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Timeout, Applied::No), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_body_that_takes_its_time_is_waited_for() {
    let world = World::new().await;
    let bytes = Bytes::from(pattern(9 * MIB));
    let slow = |bytes: Bytes| {
        let pieces: Vec<_> = bytes.chunks(3 * MIB).map(Bytes::copy_from_slice).collect();
        let pieces = stream::iter(pieces).then(|piece| async move {
            tokio::time::sleep(Duration::from_millis(2_500)).await;
            Ok(piece)
        });
        pieces.boxed()
    };
    let whole = bytes.clone();
    let replay = Replay::new(bytes.len() as u64, move |range| {
        let at = |it: u64| usize::try_from(it).unwrap();
        slow(whole.slice(at(range.start)..at(range.end)))
    });
    for body in [Body::Replay(replay), Body::Once(slow(bytes.clone()))] {
        world.gcp.blob.put(put(), body).await.unwrap();
        assert_eq!(world.gcp.blob.get_bytes(get(), 9 * MIB).await.unwrap(), bytes);
    }
}
