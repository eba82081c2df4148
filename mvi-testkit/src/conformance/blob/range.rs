//! Ranges of an object.

use std::sync::Arc;

use bytes::Bytes;
use mvi_core::{
    Blob, ErrorKind, Result,
    blob::{ByteRange, Key},
};

use super::{
    Place, Scope, fails,
    place::{MOST, noise, same},
};

/// Wants a range to be these of the bytes.
async fn gives(place: &Place<'_>, key: &Key, bytes: &Bytes, range: ByteRange) -> Result<()> {
    // Worked out here, and not by what providers use.
    let size = bytes.len() as u64;
    let (start, end) = match range {
        ByteRange::Between(start, end) => (start, end.min(size)),
        ByteRange::From(start) => (start, size),
        ByteRange::Last(count) => (size.saturating_sub(count), size),
    };
    let object = place.blob.get(place.get(key).range(range)).await?;
    assert_eq!((object.range.clone(), object.meta.size), (start..end, size), "{range:?}");
    assert_eq!(object.length(), end - start);
    let at = |offset| usize::try_from(offset).expect("it is in memory");
    let found = object.bytes(MOST).await?;
    same(Some(&found), Some(&bytes[at(start)..at(end)]), &format!("{range:?} of {size}"));
    Ok(())
}

pub(super) async fn a_range_has_the_bytes_it_says(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (key, bytes) = (place.key("a")?, noise(1, 1_000));
    place.save(&key, bytes.clone()).await?;
    let ranges = [
        ByteRange::from(0..1),
        ByteRange::from(0..10),
        ByteRange::from(10..20),
        ByteRange::from(10..=20),
        ByteRange::from(0..=0),
        ByteRange::from(999..1_000),
        ByteRange::from(0..999),
        ByteRange::from(0..1_000),
        ByteRange::from(0..),
        ByteRange::from(1..),
        ByteRange::from(999..),
        ByteRange::Last(1),
        ByteRange::Last(10),
        ByteRange::Last(999),
        ByteRange::Last(1_000),
    ];
    for range in ranges {
        gives(&place, &key, &bytes, range).await?;
    }
    Ok(())
}

pub(super) async fn a_range_beyond_the_end_is_cut(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (key, bytes) = (place.key("a")?, noise(1, 1_000));
    place.save(&key, bytes.clone()).await?;
    for range in [
        ByteRange::from(990..1_001),
        ByteRange::from(0..1_001),
        ByteRange::from(999..5_000_000_000),
        ByteRange::from(0..=1_000),
        ByteRange::Last(1_001),
        ByteRange::Last(5_000_000_000),
    ] {
        gives(&place, &key, &bytes, range).await?;
    }
    Ok(())
}

pub(super) async fn a_range_behind_the_end_is_invalid(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    place.save(&key, noise(1, 1_000)).await?;
    let behind = [
        ByteRange::from(1_000..),
        ByteRange::from(1_000..1_001),
        ByteRange::from(5_000..6_000),
        ByteRange::from(5_000_000_000..),
    ];
    // And what has no byte at all.
    let none = [ByteRange::from(5..5), ByteRange::Between(5, 4), ByteRange::Last(0)];
    for range in behind.into_iter().chain(none) {
        fails(blob.get(place.get(&key).range(range)).await, ErrorKind::Invalid);
    }
    Ok(())
}

pub(super) async fn an_empty_object_has_no_range(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.save_at("a", "").await?;
    for range in [ByteRange::from(0..1), ByteRange::from(0..), ByteRange::Last(1)] {
        fails(blob.get(place.get(&key).range(range)).await, ErrorKind::Invalid);
    }
    place.holds(&key, "").await
}

pub(super) async fn ranges_of_a_large_object_cross_its_parts(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    const PART: u64 = 8 << 20;
    let place = Place::shared(blob, scope).await?;
    let (key, bytes) = (place.key("a")?, noise(1, (17 << 20) + 5));
    place.save(&key, bytes.clone()).await?;
    for range in [
        ByteRange::from(PART - 1..PART),
        ByteRange::from(PART..PART + 1),
        ByteRange::from(PART - 10..PART + 10),
        ByteRange::from(PART - 1..2 * PART + 1),
        ByteRange::from(2 * PART - 1..),
        ByteRange::Last(PART + 10),
        ByteRange::Last(1),
    ] {
        gives(&place, &key, &bytes, range).await?;
    }
    Ok(())
}

pub(super) async fn a_range_may_have_a_condition(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let old = place.save(&key, "0123456789").await?.tag;
    let part = place.get(&key).range(2..4);
    let found = blob.get(part.clone().if_match(old.clone())).await?;
    assert_eq!(found.bytes(MOST).await?, "23");
    fails(blob.get(part.clone().if_none_match(old.clone())).await, ErrorKind::Conflict);
    place.save(&key, "abcdefghij").await?;
    fails(blob.get(part.clone().if_match(old.clone())).await, ErrorKind::Conflict);
    let found = blob.get(part.if_none_match(old)).await?;
    assert_eq!(found.bytes(MOST).await?, "cd");
    Ok(())
}
