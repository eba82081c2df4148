//! Large bodies: chunk by chunk, through cuts at every one of them.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use mvi_core::{
    Applied, Blob as _, BlobExt as _, Error, ErrorKind,
    blob::{Body, Crc32c, Mode},
};
use tokio::time::Instant;

use super::{World, bodies, cloud::Fault, get, pattern, put, told};

const MIB: usize = 1 << 20;
const LARGE: usize = 20 * MIB + 12_345;

#[tokio::test]
async fn a_large_body_goes_in_chunks_and_is_there_when_the_last_one_is() {
    let world = World::new().await;
    let bytes = pattern(LARGE);
    for body in bodies(&bytes) {
        world.forget();
        let meta = world.gcp.blob.put(put(), body).await.unwrap();
        assert_eq!(meta.size, LARGE as u64);
        assert_eq!(meta.checksum, Some(Crc32c::of(&bytes)));
        assert_eq!(world.cloud.object("key").unwrap().bytes, bytes);
        let asked = world.http.asked();
        let sizes: Vec<_> = asked.iter().map(|it| (it.op, it.body.len())).skip(1).collect();
        let rest = LARGE - 16 * MIB;
        assert_eq!(sizes, [("chunk", 8 * MIB), ("chunk", 8 * MIB), ("chunk", rest)]);
    }
}

#[tokio::test]
async fn a_cut_at_any_chunk_goes_on_where_it_broke() {
    let world = World::new().await;
    let bytes = pattern(LARGE);
    // Before anything has arrived, in the middle, at the end, and after the answer was due: at each of the three chunks.
    let cuts = [Fault::Cut(0), Fault::Cut(3 * MIB + 17), Fault::Refuse(503), Fault::Lose];
    for cut in cuts {
        for chunk in 0..3 {
            for body in bodies(&bytes) {
                world.forget();
                let before = std::iter::repeat_n(Fault::None, chunk);
                world.cloud.befall("chunk", before.chain([cut.clone()]));
                let made = world.gcp.blob.put(put().mode(Mode::Always), body).await;
                let meta = made.unwrap_or_else(|e| panic!("{cut:?} at {chunk}: {e:?}"));
                assert_eq!(meta.checksum, Some(Crc32c::of(&bytes)), "{cut:?} at {chunk}");
                assert_eq!(world.cloud.object("key").unwrap().bytes, bytes, "{cut:?} at {chunk}");
                assert_eq!(world.http.count("status"), 1, "{cut:?} at {chunk}");
                // What had arrived is not sent again.
                let sent: usize = world.http.asked().iter().map(|it| it.body.len()).sum();
                assert!(sent < LARGE + 8 * MIB + 2_000, "{sent} bytes, {cut:?} at {chunk}");
            }
        }
    }
}

#[tokio::test]
async fn each_chunk_has_its_own_attempts() {
    let world = World::new().await;
    let bytes = pattern(LARGE);
    let twice = || [Fault::Cut(0), Fault::Cut(0), Fault::None];
    world.cloud.befall("chunk", twice().into_iter().chain(twice()).chain(twice()));
    world.gcp.blob.put(put(), Body::from(bytes.clone())).await.unwrap();
    assert_eq!(world.cloud.object("key").unwrap().bytes, bytes);

    world.cloud.befall("chunk", [Fault::None, Fault::Cut(0), Fault::Cut(0), Fault::Cut(0)]);
    let error = world.gcp.blob.put(put(), Body::from(bytes)).await.unwrap_err();
    // The last chunk was never sent.
    assert_eq!(told(&error), (ErrorKind::Unavailable, Applied::No), "{error:?}");
    // Whoever has the session's address goes on with it.
    let shown = format!("{error:?} {error}");
    assert!(!shown.contains("upload_id") && !shown.contains("session-"), "{shown}");
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
        world.cloud.befall("chunk", [Fault::None, Fault::None, fault]);
        world.gcp.blob.put(absent(), Body::from(bytes.clone())).await.unwrap();
    }
    // It won, and others wrote after it: nothing is left to tell.
    world.cloud.locked().objects.clear();
    let lost = [Fault::None, Fault::None, Fault::LoseAfter];
    world.cloud.befall("chunk", lost);
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
async fn the_checksum_is_sent_with_the_start_or_with_the_last_chunk() {
    let world = World::new().await;
    let bytes = pattern(LARGE);
    let sum = Crc32c::of(&bytes);
    world.gcp.blob.put(put().checksum(sum), Body::from(bytes.clone())).await.unwrap();
    let start = &world.http.asked()[0];
    assert!(String::from_utf8_lossy(&start.body).contains(&sum.to_string()));

    world.forget();
    world.gcp.blob.put(put(), Body::from(bytes)).await.unwrap();
    let last = world.http.asked().pop().unwrap();
    assert_eq!(last.headers["x-goog-hash"], format!("crc32c={sum}"));
}

#[tokio::test]
async fn a_chunk_that_is_never_answered_is_an_error_in_time() {
    let world = World::new().await;
    let start = Instant::now();
    world.cloud.befall("chunk", [Fault::None, Fault::Ignore]);
    let error = world.gcp.blob.put(put(), Body::from(pattern(LARGE))).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Timeout, Applied::No), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_body_that_takes_its_time_is_waited_for() {
    let world = World::new().await;
    let pieces =
        stream::iter(pattern(9 * MIB).chunks(3 * MIB).map(<[u8]>::to_vec).collect::<Vec<_>>());
    let slow = pieces.then(|piece| async move {
        tokio::time::sleep(Duration::from_millis(900)).await;
        Ok(Bytes::from(piece))
    });
    world.gcp.blob.put(put(), Body::Once(slow.boxed())).await.unwrap();
    let found = world.gcp.blob.get_bytes(get(), 9 * MIB).await.unwrap();
    assert_eq!(found, pattern(9 * MIB));
}
