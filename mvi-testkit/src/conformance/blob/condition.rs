//! Conditions: what holds is done, and what does not changes nothing.

use std::sync::Arc;

use mvi_core::{
    Blob, BlobExt as _, ErrorKind, Result,
    blob::{DeleteMany, Head, Key, Mode, Tag, Target, VersionId},
};

use super::{
    Place, Scope, fails,
    place::{MOST, noise},
};

/// How much goes in parts.
const LARGE: usize = (8 << 20) + 1;

/// A tag that the object at `key` had before, and the one it has now; it holds `2`.
async fn stale(place: &Place<'_>, key: &Key) -> Result<(Tag, Tag)> {
    let old = place.save(key, "1").await?.tag;
    let new = place.save(key, "2").await?.tag;
    assert_ne!(old, new);
    Ok((old, new))
}

pub(super) async fn if_absent_holds_only_where_nothing_is(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let put = || place.put(&key).mode(Mode::IfAbsent);
    blob.put(put(), "1".into()).await?;
    fails(blob.put(put().content_type("text/html"), "2".into()).await, ErrorKind::Conflict);
    // The same bytes are no less a conflict.
    fails(blob.put(put(), "1".into()).await, ErrorKind::Conflict);
    place.holds(&key, "1").await?;
    assert_eq!(place.head(&key).await?.properties.content_type, "application/octet-stream");
    // What was removed is absent.
    blob.delete(place.delete(&key)).await?;
    blob.put(put(), "3".into()).await?;
    place.holds(&key, "3").await?;
    // Empty is not absent.
    let empty = place.save_at("empty", "").await?;
    let put = place.put(&empty).mode(Mode::IfAbsent);
    fails(blob.put(put, "2".into()).await, ErrorKind::Conflict);
    place.holds(&empty, "").await
}

pub(super) async fn if_match_holds_only_for_what_has_the_tag(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let (old, new) = stale(&place, &key).await?;
    let put = |tag: &Tag| place.put(&key).mode(Mode::IfMatch(tag.clone()));
    fails(blob.put(put(&old).content_type("text/html"), "3".into()).await, ErrorKind::Conflict);
    place.holds(&key, "2").await?;
    let head = place.head(&key).await?;
    assert_eq!((&head.tag, &*head.properties.content_type), (&new, "application/octet-stream"));
    let third = blob.put(put(&new), "3".into()).await?.tag;
    place.holds(&key, "3").await?;
    fails(blob.put(put(&new), "4".into()).await, ErrorKind::Conflict);
    blob.put(put(&third), "4".into()).await?;
    place.holds(&key, "4").await
}

pub(super) async fn if_match_never_holds_where_nothing_is(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (key, never) = (place.key("a")?, place.key("never")?);
    let tag = place.save(&key, "1").await?.tag;
    blob.delete(place.delete(&key)).await?;
    for key in [&key, &never] {
        let put = place.put(key).mode(Mode::IfMatch(tag.clone()));
        fails(blob.put(put, "2".into()).await, ErrorKind::Conflict);
        place.lacks(key).await?;
    }
    // Nor where there is something else again.
    place.save(&key, "3").await?;
    let put = place.put(&key).mode(Mode::IfMatch(tag));
    fails(blob.put(put, "2".into()).await, ErrorKind::Conflict);
    place.holds(&key, "3").await
}

pub(super) async fn a_large_put_if_absent_holds_only_where_nothing_is(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let put = || place.put(&key).mode(Mode::IfAbsent);
    blob.put(put(), noise(1, LARGE).into()).await?;
    fails(blob.put(put(), noise(2, LARGE).into()).await, ErrorKind::Conflict);
    place.holds(&key, noise(1, LARGE)).await?;
    // Nothing is left of what lost.
    assert_eq!(place.uploads().await?, []);
    Ok(())
}

pub(super) async fn a_large_put_if_match_holds_only_for_what_has_the_tag(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let (old, new) = stale(&place, &key).await?;
    let put = |tag: &Tag| place.put(&key).mode(Mode::IfMatch(tag.clone()));
    fails(blob.put(put(&old), noise(2, LARGE).into()).await, ErrorKind::Conflict);
    place.holds(&key, "2").await?;
    assert_eq!(place.uploads().await?, []);
    let large = blob.put(put(&new), noise(3, LARGE).into()).await?.tag;
    place.holds(&key, noise(3, LARGE)).await?;
    blob.put(put(&large), "4".into()).await?;
    place.holds(&key, "4").await
}

pub(super) async fn a_get_may_ask_for_what_has_a_tag(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let (old, new) = stale(&place, &key).await?;
    let get = |tag: &Tag| place.get(&key).if_match(tag.clone());
    assert_eq!(blob.get_bytes(get(&new), MOST).await?, "2");
    fails(blob.get(get(&old)).await, ErrorKind::Conflict);
    blob.delete(place.delete(&key)).await?;
    // Where nothing is, nothing is found, whatever was asked.
    fails(blob.get(get(&new)).await, ErrorKind::NotFound);
    Ok(())
}

pub(super) async fn a_get_may_ask_for_what_has_another_tag(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let (old, new) = stale(&place, &key).await?;
    let get = |tag: &Tag| place.get(&key).if_none_match(tag.clone());
    assert_eq!(blob.get_bytes(get(&old), MOST).await?, "2");
    fails(blob.get(get(&new)).await, ErrorKind::Conflict);
    fails(blob.get(place.get(&place.key("none")?).if_none_match(new)).await, ErrorKind::NotFound);
    Ok(())
}

pub(super) async fn a_conditional_delete_that_does_not_hold_changes_nothing(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let (old, new) = stale(&place, &key).await?;
    let delete = |tag: &Tag| place.delete(&key).if_match(tag.clone());
    fails(blob.delete(delete(&old)).await, ErrorKind::Conflict);
    place.holds(&key, "2").await?;
    blob.delete(delete(&new)).await?;
    place.lacks(&key).await
}

pub(super) async fn a_conditional_delete_of_nothing_conflicts(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let tag = place.save(&key, "1").await?.tag;
    blob.delete(place.delete(&key)).await?;
    fails(blob.delete(place.delete(&key).if_match(tag.clone())).await, ErrorKind::Conflict);
    let never = place.key("never")?;
    fails(blob.delete(place.delete(&never).if_match(tag)).await, ErrorKind::Conflict);
    Ok(())
}

pub(super) async fn conditions_that_make_no_sense_are_invalid(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    let key = place.key("a")?;
    let meta = place.save(&key, "1").await?;
    let version = place.versions(&key).await?.remove(0).version;
    let both = place.get(&key).if_match(meta.tag.clone()).if_none_match(meta.tag.clone());
    fails(blob.get(both).await, ErrorKind::Invalid);
    let both = place.delete(&key).if_match(meta.tag.clone()).version(version);
    fails(blob.delete(both).await, ErrorKind::Invalid);
    let begun = place.begun(&key, "2").await?;
    // None, one that ends its header and begins another, and two.
    for none in ["", "1\r\nx-other: 2", "1 2"] {
        let (tag, mode) = (|| Tag::new(none), || Mode::IfMatch(Tag::new(none)));
        fails(blob.put(place.put(&key).mode(mode()), "2".into()).await, ErrorKind::Invalid);
        fails(blob.get(place.get(&key).if_match(tag())).await, ErrorKind::Invalid);
        fails(blob.get(place.get(&key).if_none_match(tag())).await, ErrorKind::Invalid);
        fails(blob.delete(place.delete(&key).if_match(tag())).await, ErrorKind::Invalid);
        let copy = place.copy(&key, &place.key("b")?).mode(mode());
        fails(blob.copy(copy).await, ErrorKind::Invalid);
        fails(blob.complete_upload(begun.clone().mode(mode())).await, ErrorKind::Invalid);
        // A version is no less a header, or a part of a URL.
        let version = || VersionId::new(none);
        fails(blob.get(place.get(&key).version(version())).await, ErrorKind::Invalid);
        let head = Head::new(place.bucket.clone(), key.clone()).version(version());
        fails(blob.head(head).await, ErrorKind::Invalid);
        let target = Target { key: key.clone(), version: Some(version()) };
        let many = DeleteMany::new(place.bucket.clone(), [target]);
        fails(blob.delete_many(many).await, ErrorKind::Invalid);
    }
    blob.abort_upload(&begun.upload).await?;
    place.holds(&key, "1").await
}
