//! Bodies: what they are is what is sent, and what is not as it was said to be is an error.

use std::fs;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proptest::prelude::*;

use super::{chunks, noise, once};
use crate::{
    Error, ErrorKind, Result,
    blob::{
        Body, Checked, Crc32c, Meta, Object, Replay, Tag,
        parts::{cut, fill},
    },
};

/// Bytes that can be made again, as many as `found`, whatever is said of them.
fn replay(length: u64, found: Vec<u8>) -> Body {
    let found = Bytes::from(found);
    Body::Replay(Replay::new(length, move |range| {
        let at = |it: u64| usize::try_from(it).unwrap().min(found.len());
        let part = found.slice(at(range.start)..at(range.end));
        stream::iter(part.chunks(3).map(|it| Ok(part.slice_ref(it))).collect::<Vec<_>>()).boxed()
    }))
}

fn broken(error: ErrorKind) -> Body {
    Body::Once(chunks(vec![Ok("hel".into()), Err(Error::new(error, "broken"))]))
}

#[tokio::test]
async fn each_kind_is_the_same_as_often_as_one_likes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film");
    let bytes = noise(600_000, 1);
    fs::write(&path, &bytes).unwrap();
    let all = [
        Body::from(bytes.clone()),
        Body::File(path),
        replay(600_000, bytes.clone()),
        once(&bytes, 1_000),
    ];
    for body in all {
        let shown = format!("{body:?}");
        let known = body.length().await.unwrap();
        assert_eq!(known, (!shown.starts_with("Once")).then_some(600_000), "{shown}");
        let body = body.replayable(1 << 20).await.unwrap();
        assert_eq!(body.length(), 600_000, "{shown}");
        for range in [0..600_000, 0..0, 7..300_007, 599_999..600_000] {
            let wanted = &bytes[usize::try_from(range.start).unwrap()..]
                [..usize::try_from(range.end - range.start).unwrap()];
            let streamed: Vec<Bytes> = body.read(range.clone()).try_collect().await.unwrap();
            assert!(streamed.concat() == wanted, "{shown} {range:?}");
            assert!(body.bytes(range.clone()).await.unwrap() == wanted, "{shown} {range:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_comes_once_is_collected_whole_or_refused() {
    for (length, chunk, limit, is_ok) in [
        (10, 3, 10, true),
        (10, 10, 10, true),
        (0, 1, 0, true),
        (11, 3, 10, false),
        // Too much in the very chunk that fills it.
        (11, 11, 10, false),
        (20, 10, 10, false),
    ] {
        let bytes = noise(length, 1);
        let collected = once(&bytes, chunk).replayable(limit).await;
        match collected {
            Ok(body) => {
                assert!(is_ok, "{length} in {chunk}s of {limit}");
                assert!(body.bytes(0..length as u64).await.unwrap() == bytes);
            }
            Err(error) => {
                assert!(!is_ok, "{length} in {chunk}s of {limit}: {error}");
                assert_eq!(error.kind(), ErrorKind::Invalid);
            }
        }
    }
    let error = broken(ErrorKind::Unavailable).replayable(10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // Empty chunks are nothing.
    let empties = chunks(vec![Ok(Bytes::new()), Ok("ab".into()), Ok(Bytes::new())]);
    let body = Body::Once(empties).replayable(2).await.unwrap();
    assert_eq!(body.bytes(0..2).await.unwrap(), "ab");
}

#[tokio::test]
async fn nothing_is_sent_of_a_body_that_cannot_be_read() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Corrupt] {
        assert!(!broken(kind).replayable(10).await.unwrap_err().may_have_applied(), "{kind:?}");
        assert!(!cut(broken(kind)).await.unwrap_err().may_have_applied(), "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_gathered_has_the_memory_that_it_needs() {
    let bytes = noise(700_000, 1);
    for chunk in [10_000, 99_000, 400_000] {
        let Body::Once(mut body) = once(&bytes, chunk) else { unreachable!("it is a Once") };
        let found = fill(&mut body, &mut Bytes::new(), bytes.len()).await.unwrap();
        assert!(found == bytes);
        let held = found.try_into_mut().unwrap().capacity();
        assert_eq!(held, bytes.len(), "in chunks of {chunk}");
    }
    // What is little does not take as much as might have come.
    let Body::Once(mut body) = once(&bytes[..1_000], 400) else { unreachable!("it is a Once") };
    let found = fill(&mut body, &mut Bytes::new(), 8 << 20).await.unwrap();
    assert!(found.try_into_mut().unwrap().capacity() < 4_096);
}

#[tokio::test]
async fn a_body_that_has_not_the_bytes_it_should_is_an_error() {
    for found in [9, 11] {
        let body = replay(10, noise(found, 1)).replayable(0).await.unwrap();
        let read: Result<Vec<_>> = body.read(0..10).try_collect().await;
        // One that has more, and is asked for a range, gives the range.
        assert_eq!(read.is_ok(), found == 11);
    }
    let more = Replay::new(10, |_| chunks(vec![Ok(Bytes::from(vec![0; 11]))]));
    let body = Body::Replay(more).replayable(0).await.unwrap();
    let error = body.bytes(0..10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    // Also in a chunk of its own, behind all that was asked for.
    let more = Replay::new(10, |_| {
        chunks(vec![Ok(Bytes::from(vec![0; 10])), Ok(Bytes::new()), Ok("x".into())])
    });
    let body = Body::Replay(more).replayable(0).await.unwrap();
    assert_eq!(body.bytes(0..10).await.unwrap_err().kind(), ErrorKind::Invalid);
    let body = Body::from("abc").replayable(0).await.unwrap();
    assert_eq!(body.bytes(1..4).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_file_is_held_against_its_length_when_the_call_began() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film");
    fs::write(&path, noise(1_000, 1)).unwrap();
    let body = Body::File(path.clone()).replayable(0).await.unwrap();
    fs::write(&path, noise(2_000, 1)).unwrap();
    assert!(body.bytes(0..1_000).await.unwrap() == noise(1_000, 1), "what grew is cut");
    fs::write(&path, noise(999, 1)).unwrap();
    assert_eq!(body.bytes(0..1_000).await.unwrap_err().kind(), ErrorKind::Invalid);
    fs::remove_file(&path).unwrap();
    let error = body.bytes(0..1_000).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (ErrorKind::Invalid, false));
    for nothing in [path, dir.path().to_owned()] {
        let error = Body::File(nothing).length().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn a_body_says_how_much_it_is_and_never_what() {
    let bodies = [Body::from("5ec7e7"), replay(6, b"5ec7e7".to_vec()), once(b"5ec7e7", 6)];
    for body in bodies {
        assert!(!format!("{body:?}").contains("5ec7e7"));
    }
}

proptest! {
    #[test]
    fn fill_gives_the_same_bytes_however_they_are_cut(
        length in 0_usize..50, chunk in 1_usize..12, limit in 1_usize..20,
    ) {
        let bytes = noise(length, 3);
        let Body::Once(mut body) = once(&bytes, chunk) else { unreachable!("it is a Once") };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let pieces = runtime.block_on(async {
            let (mut rest, mut pieces) = (Bytes::new(), Vec::new());
            loop {
                let piece = fill(&mut body, &mut rest, limit).await.unwrap();
                if piece.is_empty() {
                    return pieces;
                }
                pieces.push(piece);
            }
        });
        let wanted: Vec<_> = bytes.chunks(limit).collect();
        prop_assert_eq!(pieces, wanted);
    }
}

async fn checked(
    body: Vec<Result<Bytes>>,
    length: u64,
    sum: Option<Crc32c>,
) -> (Vec<u8>, Option<ErrorKind>) {
    let mut body = Checked::new(chunks(body), length, sum);
    let mut seen = Vec::new();
    while let Some(next) = body.next().await {
        match next {
            Ok(bytes) => seen.extend_from_slice(&bytes),
            Err(error) => {
                let reads = error.kind() == ErrorKind::Corrupt && error.may_have_applied();
                assert!(!reads, "a read changes nothing: {error:?}");
                assert!(body.next().await.is_none(), "an error ends it");
                return (seen, Some(error.kind()));
            }
        }
    }
    assert!(body.next().await.is_none(), "what has ended has ended");
    (seen, None)
}

#[tokio::test]
async fn what_passes_is_held_against_what_it_should_be() {
    let sum = Some(Crc32c::of(b"hello"));
    let two = || vec![Ok(Bytes::from("hel")), Ok("lo".into())];
    let corrupt = Some(ErrorKind::Corrupt);
    assert_eq!(checked(two(), 5, sum).await, (b"hello".to_vec(), None));
    assert_eq!(checked(two(), 5, None).await, (b"hello".to_vec(), None));
    // Short, long, flipped: the last bytes are never given out as if they were right.
    assert_eq!(checked(vec![Ok("hel".into())], 5, sum).await, (b"hel".to_vec(), corrupt));
    assert_eq!(checked(two(), 4, None).await, (b"hel".to_vec(), corrupt));
    assert_eq!(checked(two(), 3, None).await, (b"hel".to_vec(), corrupt));
    let flipped = vec![Ok("hel".into()), Ok("lp".into())];
    assert_eq!(checked(flipped, 5, sum).await, (b"hel".to_vec(), corrupt));
    assert_eq!(checked(vec![Ok("hellp".into())], 5, sum).await, (vec![], corrupt));
    // Nothing.
    assert_eq!(checked(vec![], 0, Some(Crc32c::of(b""))).await, (vec![], None));
    assert_eq!(checked(vec![], 0, sum).await, (vec![], corrupt));
    assert_eq!(checked(vec![], 1, None).await, (vec![], corrupt));
    // Its own errors come as they are, also behind the last byte.
    let failed = || Err(Error::new(ErrorKind::Unavailable, "reset"));
    let unavailable = Some(ErrorKind::Unavailable);
    assert_eq!(
        checked(vec![Ok("hel".into()), failed()], 5, sum).await,
        (b"hel".to_vec(), unavailable)
    );
    let behind = vec![Ok("hello".into()), failed()];
    assert_eq!(checked(behind, 5, sum).await, (b"hello".to_vec(), unavailable));
    let empties = vec![Ok(Bytes::new()), Ok("hello".into()), Ok(Bytes::new())];
    assert_eq!(checked(empties, 5, sum).await, (b"hello".to_vec(), None));
}

#[tokio::test]
async fn an_object_is_read_into_memory_whole_or_not() {
    let object = |body: &[&'static str], length: u64| {
        let meta = Meta::new(super::key("a"), 100, Tag::new("t"));
        let body = body.iter().map(|it| Ok(Bytes::from_static(it.as_bytes()))).collect();
        Object::new(meta, 10..10 + length, chunks(body))
    };
    for body in [&["hello"][..], &["he", "l", "lo"], &["", "hello"], &["hello", ""]] {
        assert_eq!(object(body, 5).bytes(5).await.unwrap(), "hello", "{body:?}");
    }
    assert_eq!(object(&[], 0).bytes(0).await.unwrap(), "");
    assert_eq!(object(&["hello"], 5).bytes(4).await.unwrap_err().kind(), ErrorKind::Invalid);
    // A chunk that a hook has lost or repeated.
    for body in [&["hel"][..], &["hel", "hel", "lo"], &[], &["hello", "hello"], &["hellohello"]] {
        let error = object(body, 5).bytes(9).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.may_have_applied()),
            (ErrorKind::Corrupt, false),
            "{body:?}"
        );
    }
}

#[tokio::test]
async fn a_whole_object_in_memory_has_its_checksum_and_a_range_need_not() {
    let object = |range: std::ops::Range<u64>, body: &[&'static str]| {
        let mut meta = Meta::new(super::key("a"), 6, Tag::new("t"));
        meta.checksum = Some(Crc32c::of(b"abcdef"));
        let body = body.iter().map(|it| Ok(Bytes::from_static(it.as_bytes()))).collect();
        Object::new(meta, range, chunks(body))
    };
    assert_eq!(object(0..6, &["ab", "cd", "ef"]).bytes(6).await.unwrap(), "abcdef");
    assert_eq!(object(2..4, &["cd"]).bytes(6).await.unwrap(), "cd");
    // A chunk that was lost, and one as long that came twice.
    let error = object(0..6, &["ab", "ab", "ef"]).bytes(6).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (ErrorKind::Corrupt, false));
}
