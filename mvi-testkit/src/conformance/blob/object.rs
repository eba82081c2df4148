//! One object: put, get, head, delete.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_core::{
    Applied, Blob, BlobExt as _, ErrorKind, Result,
    blob::{Body, Crc32c, Encryption, Metadata, Mode, Properties, Put, Replay},
};

use super::{
    Place, Scope, fails,
    place::{File, MOST, failing, noise, once, same, timeless},
};

/// How much providers send in one request.
const EDGE: usize = 8 << 20;

/// Bytes that can be made again.
fn replay(bytes: &Bytes) -> Body {
    let bytes = bytes.clone();
    Body::Replay(Replay::new(bytes.len() as u64, move |range| {
        let at = |offset| usize::try_from(offset).expect("it is in memory");
        // In pieces, as whatever makes them may.
        let part = bytes.slice(at(range.start)..at(range.end));
        let pieces: Vec<_> = part.chunks(300_000).map(Bytes::copy_from_slice).map(Ok).collect();
        stream::iter(pieces).boxed()
    }))
}

/// Wants bodies of these lengths back as they were, and as long as they are said to be.
async fn round_trip(place: &Place<'_>, lengths: &[usize]) -> Result<()> {
    for (seed, length) in (1..).zip(lengths) {
        let key = place.key(&format!("{length}"))?;
        let body = noise(seed, *length);
        let put = place.save(&key, body.clone()).await?;
        let object = place.blob.get(place.get(&key)).await?;
        assert_eq!((put.size, object.meta.size), (*length as u64, *length as u64));
        assert_eq!(object.range, 0..*length as u64);
        let found = object.bytes(MOST).await?;
        same(Some(&found), Some(&body), &format!("{length} bytes"));
    }
    Ok(())
}

pub(super) async fn a_body_is_read_back_bit_for_bit(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    round_trip(&place, &[0, 1, 2, 63, 64, 65, 1_000, 65_536, 100_001, 1 << 20]).await?;
    // Every byte there is.
    let all: Vec<u8> = (0..=255).collect();
    let key = place.key("all")?;
    place.save(&key, all.clone()).await?;
    place.holds(&key, all).await
}

pub(super) async fn a_body_of_one_request_or_just_more_is_read_back(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    round_trip(&place, &[EDGE - 1, EDGE, EDGE + 1]).await
}

pub(super) async fn a_body_of_several_parts_is_read_back(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    round_trip(&place, &[20 << 20, 2 * EDGE]).await
}

pub(super) async fn every_kind_of_body_is_stored(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    for bytes in [Bytes::new(), noise(1, 100_000)] {
        let file = File::new(&bytes)?;
        let bodies = [
            ("bytes", Body::Bytes(bytes.clone())),
            ("file", file.body()),
            ("replay", replay(&bytes)),
            ("once", once(&bytes, &[1, 0, 7, 4_096, 13])),
        ];
        for (name, body) in bodies {
            let key = place.key(name)?;
            let put = place.save(&key, body).await?;
            assert_eq!(put.size, bytes.len() as u64, "{name}");
            place.holds(&key, bytes.clone()).await?;
        }
    }
    Ok(())
}

pub(super) async fn every_kind_of_large_body_is_stored(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let bytes = noise(2, EDGE + 70_001);
    let file = File::new(&bytes)?;
    let bodies = [
        ("file", file.body()),
        ("replay", replay(&bytes)),
        ("once", once(&bytes, &[999_983, 1, 65_536])),
    ];
    for (name, body) in bodies {
        let key = place.key(name)?;
        assert_eq!(place.save(&key, body).await?.size, bytes.len() as u64, "{name}");
        place.holds(&key, bytes.clone()).await?;
    }
    Ok(())
}

pub(super) async fn a_body_that_comes_once_ends_where_it_ends(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    // About the length of one request nobody can know yet whether more is to come.
    for length in [EDGE - 1, EDGE, EDGE + 1, 2 * EDGE] {
        let key = place.key(&length.to_string())?;
        let bytes = noise(3, length);
        assert_eq!(place.save(&key, once(&bytes, &[1_000_003])).await?.size, length as u64);
        place.holds(&key, bytes).await?;
    }
    Ok(())
}

pub(super) async fn a_body_that_fails_changes_nothing(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (old, new) = (place.save_at("old", "as it was").await?, place.key("new")?);
    for length in [0, 1, 100_000, EDGE, EDGE + 1, EDGE + (1 << 20)] {
        for key in [&old, &new] {
            let failed = place.save(key, failing(noise(1, length))).await;
            let error = fails(failed, ErrorKind::Exhausted);
            assert!(error.message().contains("the body's own failure"), "{error}");
        }
        place.holds(&old, "as it was").await?;
        place.lacks(&new).await?;
    }
    // Nor is a part of it left.
    assert_eq!(place.uploads().await?, []);
    Ok(())
}

pub(super) async fn a_body_that_is_not_as_long_as_it_says_changes_nothing(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.save_at("a", "as it was").await?;
    for (said, made) in [(10, 9), (10, 11), (10, 0), (EDGE + 10, EDGE + 9)] {
        let bytes = noise(1, made);
        let wrong = Replay::new(said as u64, move |range| {
            let at = |offset| usize::try_from(offset).expect("it is in memory");
            let part = if range.end == said as u64 {
                bytes.slice(at(range.start).min(made)..made)
            } else {
                bytes.slice(at(range.start)..at(range.end).min(made))
            };
            stream::iter([Ok(part)]).boxed()
        });
        fails(place.save(&key, Body::Replay(wrong)).await, ErrorKind::Invalid);
        place.holds(&key, "as it was").await?;
    }
    let missing = Body::File(PathBuf::from("there/is/no/such/file"));
    fails(place.save(&key, missing).await, ErrorKind::Invalid);
    let folder = Body::File(std::env::temp_dir());
    fails(place.save(&key, folder).await, ErrorKind::Invalid);
    place.holds(&key, "as it was").await
}

pub(super) async fn a_get_of_nothing_is_not_found(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("nothing")?;
    let error = fails(blob.get(place.get(&key)).await, ErrorKind::NotFound);
    assert_eq!((error.op(), error.resource()), ("blob.get", place.bucket.as_str()));
    let error = fails(place.head(&key).await, ErrorKind::NotFound);
    assert_eq!((error.op(), error.resource()), ("blob.head", place.bucket.as_str()));
    fails(blob.get(place.get(&key).range(0..1)).await, ErrorKind::NotFound);
    Ok(())
}

pub(super) async fn errors_name_the_operation_and_the_bucket(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let tag = place.save(&key, "1").await?.tag;
    place.save(&key, "2").await?;
    let stale = |tag: &mvi_core::blob::Tag| Mode::IfMatch(tag.clone());
    let errors = [
        (blob.put(place.put(&key).mode(stale(&tag)), "3".into()).await.err(), "blob.put"),
        (
            blob.put(place.put(&key).mode(stale(&tag)), noise(1, EDGE + 1).into()).await.err(),
            "blob.put",
        ),
        (blob.put(place.put(&key), failing(noise(1, EDGE + 1))).await.err(), "blob.put"),
        (blob.get(place.get(&key).if_match(tag.clone())).await.err(), "blob.get"),
        (blob.get(place.get(&key).range(5..6)).await.err(), "blob.get"),
        (blob.delete(place.delete(&key).if_match(tag)).await.err(), "blob.delete"),
        (blob.copy(place.copy(&place.key("none")?, &key)).await.err(), "blob.copy"),
    ];
    for (error, op) in errors {
        let error = error.unwrap_or_else(|| panic!("{op} does not fail"));
        assert_eq!((error.op(), error.resource()), (op, place.bucket.as_str()), "{error:?}");
    }
    Ok(())
}

/// Everything that can be written on an object.
fn properties() -> Result<Properties> {
    Ok(Properties {
        content_type: "text/csv; charset=utf-8".into(),
        cache_control: Some("max-age=60, must-revalidate".to_owned()),
        content_disposition: Some("attachment; filename=\"a b.csv\"".to_owned()),
        metadata: Metadata::new().with("owner", "ann")?.with("n-1", "a=b; c, \"d\" 100% ~{}")?,
    })
}

pub(super) async fn properties_are_kept(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let put = place.put(&key).properties(properties()?);
    let put = blob.put(put, "1,2".into()).await?;
    assert_eq!((&put.key, put.size, &put.properties), (&key, 3, &properties()?));
    let head = place.head(&key).await?;
    assert_eq!(head.properties, properties()?);
    assert_eq!(head.encryption, Encryption::Provider);
    assert_eq!(timeless(head), timeless(put));
    Ok(())
}

pub(super) async fn properties_of_a_large_object_are_kept(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let put = place.put(&key).properties(properties()?);
    blob.put(put, noise(1, EDGE + 1).into()).await?;
    assert_eq!(place.head(&key).await?.properties, properties()?);
    Ok(())
}

pub(super) async fn an_object_without_properties_is_binary(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    for (name, length) in [("small", 10), ("large", EDGE + 1)] {
        let key = place.key(name)?;
        place.save(&key, noise(1, length)).await?;
        let found = place.head(&key).await?.properties;
        assert_eq!(found.content_type, "application/octet-stream");
        assert_eq!((found.content_disposition, found.metadata), (None, Metadata::new()));
    }
    Ok(())
}

pub(super) async fn a_head_is_what_a_get_says(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    blob.put(place.put(&key).properties(properties()?), noise(1, 1_000).into()).await?;
    let head = place.head(&key).await?;
    assert!(head.modified.is_some(), "{head:?}");
    assert_eq!(blob.get(place.get(&key)).await?.meta, head);
    // Of a range too it is what is said of the whole.
    let part = blob.get(place.get(&key).range(10..20)).await?;
    assert_eq!((part.range, part.meta.size, part.meta.tag), (10..20, 1_000, head.tag));
    assert_eq!(part.meta.properties, head.properties);
    Ok(())
}

pub(super) async fn the_checksum_is_that_of_the_whole(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    for length in [0, 1, 1_000] {
        let (key, body) = (place.key("a")?, noise(length, usize::try_from(length).expect("small")));
        let wanted = Some(Crc32c::of(&body));
        // Told or not.
        let told = place.put(&key).checksum(Crc32c::of(&body));
        assert_eq!(blob.put(told, once(&body, &[7])).await?.checksum, wanted);
        assert_eq!(place.save(&key, body).await?.checksum, wanted);
        assert_eq!(place.head(&key).await?.checksum, wanted);
    }
    Ok(())
}

pub(super) async fn the_checksum_of_a_large_object_is_that_of_the_whole(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (key, body) = (place.key("a")?, noise(1, EDGE + 1));
    let wanted = Some(Crc32c::of(&body));
    let told = place.put(&key).checksum(Crc32c::of(&body));
    assert_eq!(blob.put(told, body.into()).await?.checksum, wanted);
    assert_eq!(place.head(&key).await?.checksum, wanted);
    Ok(())
}

/// Wants a body that is not what its checksum says to be refused, and nothing to change.
async fn refuses(place: &Place<'_>, length: usize) -> Result<()> {
    let (old, new) = (place.save_at("old", "as it was").await?, place.key("new")?);
    let body = noise(1, length);
    let wrong = Crc32c::of(&noise(2, length));
    for key in [&old, &new] {
        for body in [Body::Bytes(body.clone()), once(&body, &[99_991])] {
            let put = place.put(key).checksum(wrong);
            let error = fails(place.blob.put(put, body).await, ErrorKind::Corrupt);
            // Of an attempt before it that was not answered, nobody knows.
            assert_ne!(error.applied(), Applied::Yes, "nothing has changed: {error:?}");
        }
    }
    place.holds(&old, "as it was").await?;
    place.lacks(&new).await?;
    assert_eq!(place.uploads().await?, []);
    Ok(())
}

pub(super) async fn a_body_that_is_not_what_its_checksum_says_is_not_stored(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    refuses(&Place::shared(blob, scope).await?, 1_000).await
}

pub(super) async fn a_large_body_that_is_not_what_its_checksum_says_is_not_stored(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    refuses(&Place::shared(blob, scope).await?, EDGE + 1).await
}

pub(super) async fn a_put_replaces_the_whole_object(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    blob.put(place.put(&key).properties(properties()?), "a longer body".into()).await?;
    place.save(&key, "short").await?;
    place.holds(&key, "short").await?;
    let head = place.head(&key).await?;
    assert_eq!((head.size, &*head.properties.content_type), (5, Properties::BINARY));
    assert_eq!(head.properties.content_disposition, None);
    assert!(head.properties.metadata.is_empty(), "{head:?}");
    // Large over small, and small over large.
    place.save(&key, noise(1, EDGE + 1)).await?;
    place.holds(&key, noise(1, EDGE + 1)).await?;
    place.save(&key, "short").await?;
    place.holds(&key, "short").await
}

pub(super) async fn other_bytes_have_another_tag(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let first = place.save(&key, "1").await?;
    assert_eq!(place.head(&key).await?.tag, first.tag);
    assert_eq!(blob.get(place.get(&key)).await?.meta.tag, first.tag);
    let second = place.save(&key, "2").await?;
    assert_ne!(second.tag, first.tag);
    assert_eq!(place.head(&key).await?.tag, second.tag);
    Ok(())
}

pub(super) async fn a_read_sees_the_write_before_it(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    for n in 0..20_u8 {
        place.save(&key, vec![n; 1 + usize::from(n)]).await?;
        place.holds(&key, vec![n; 1 + usize::from(n)]).await?;
        assert_eq!(place.head(&key).await?.size, u64::from(n) + 1);
        if n % 4 == 3 {
            blob.delete(place.delete(&key)).await?;
            place.lacks(&key).await?;
            assert_eq!(place.read(&key).await?, None);
        }
    }
    Ok(())
}

pub(super) async fn a_delete_removes_the_object(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (key, other) = (place.save_at("a", "1").await?, place.save_at("a/b", "2").await?);
    blob.delete(place.delete(&key)).await?;
    place.lacks(&key).await?;
    assert_eq!(place.read(&key).await?, None);
    place.holds(&other, "2").await?;
    // It may come again.
    place.save(&key, "3").await?;
    place.holds(&key, "3").await
}

pub(super) async fn a_delete_of_nothing_succeeds(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    blob.delete(place.delete(&place.key("nothing")?)).await?;
    let key = place.save_at("a", "1").await?;
    blob.delete(place.delete(&key)).await?;
    blob.delete(place.delete(&key)).await
}

pub(super) async fn a_body_that_is_not_read_does_no_harm(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (key, bytes) = (place.key("a")?, noise(1, 3 << 20));
    place.save(&key, bytes.clone()).await?;
    for _ in 0..5 {
        drop(blob.get(place.get(&key)).await?);
        let mut body = blob.get(place.get(&key)).await?.body;
        let first = body.try_next().await?.expect("its first bytes");
        same(Some(&first), Some(&bytes[..first.len()]), "the first chunk");
    }
    place.holds(&key, bytes).await
}

pub(super) async fn a_read_keeps_to_its_object_when_another_takes_its_place(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    for (length, then) in [(1_000, 10), (3 << 20, 3 << 20)] {
        let bytes = noise(1, length);
        place.save(&key, bytes.clone()).await?;
        let mut object = blob.get(place.get(&key)).await?;
        let first = object.body.try_next().await?.expect("its first bytes");
        place.save(&key, noise(2, then)).await?;
        let mut found = first.to_vec();
        // It may break off, since the bytes may be gone. What it may not is go on with others.
        let broke = loop {
            match object.body.next().await {
                Some(Ok(chunk)) => found.extend_from_slice(&chunk),
                Some(Err(error)) => break Some(error.kind()),
                None => break None,
            }
        };
        match broke {
            None => assert_eq!(found.len(), length, "it ended early"),
            Some(ErrorKind::Conflict | ErrorKind::NotFound) => {}
            Some(other) => panic!("it broke with {other:?}"),
        }
        same(Some(&found), Some(&bytes[..found.len()]), "what was read");
    }
    Ok(())
}

pub(super) async fn bytes_in_memory_are_put_and_got(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("hello.txt")?;
    let put = Put::content_type(place.put(&key), "text/plain");
    assert_eq!(blob.put_bytes(put, "hello").await?.size, 5);
    assert_eq!(blob.get_bytes(place.get(&key), 5).await?, "hello");
    assert_eq!(blob.get_bytes(place.get(&key).range(1..3), 2).await?, "el");
    fails(blob.get_bytes(place.get(&key), 4).await, ErrorKind::Invalid);
    Ok(())
}
