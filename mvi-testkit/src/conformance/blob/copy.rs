//! Copies.

use std::sync::Arc;

use mvi_core::{
    Blob, ErrorKind, Result,
    blob::{Copy, Metadata, Mode, Properties},
};

use super::{Place, Scope, fails, place::noise};

fn properties() -> Result<Properties> {
    Ok(Properties {
        content_type: "text/plain".into(),
        cache_control: Some("no-cache".to_owned()),
        content_disposition: Some("inline".to_owned()),
        metadata: Metadata::new().with("owner", "ann")?,
    })
}

pub(super) async fn a_copy_has_the_bytes_and_the_properties(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (from, to) = (place.key("from")?, place.key("to")?);
    let source = blob.put(place.put(&from).properties(properties()?), "12345".into()).await?;
    let made = blob.copy(place.copy(&from, &to)).await?;
    assert_eq!((&made.key, made.size, &made.properties), (&to, 5, &properties()?));
    let head = place.head(&to).await?;
    assert_eq!((head.size, &head.tag, &head.properties), (5, &made.tag, &properties()?));
    assert_eq!(head.checksum, source.checksum);
    place.holds(&to, "12345").await?;
    // Each is by itself from then on.
    blob.delete(place.delete(&from)).await?;
    place.holds(&to, "12345").await
}

pub(super) async fn a_copy_may_have_properties_of_its_own(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (from, to) = (place.key("from")?, place.key("to")?);
    blob.put(place.put(&from).properties(properties()?), "12345".into()).await?;
    // All of them are replaced, also those that are not said.
    let other = Properties {
        content_type: "text/html".into(),
        metadata: Metadata::new().with("team", "b")?,
        ..Properties::default()
    };
    let made = blob.copy(place.copy(&from, &to).properties(other.clone())).await?;
    let head = place.head(&to).await?;
    for found in [&made.properties, &head.properties] {
        assert_eq!(found.content_type, other.content_type);
        assert_eq!(found.content_disposition, None);
        assert_eq!(found.metadata, other.metadata);
    }
    place.holds(&to, "12345").await?;
    assert_eq!(place.head(&from).await?.properties, properties()?);
    Ok(())
}

pub(super) async fn a_copy_to_another_bucket(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let other = Place::versioned(blob, scope).await?;
    let from = place.key("from é +%/")?;
    blob.put(place.put(&from).properties(properties()?), "12345".into()).await?;
    let to = other.key("to")?;
    let copy = Copy::new(place.source(&from), other.bucket.clone(), to.clone());
    let made = blob.copy(copy).await?;
    other.holds(&to, "12345").await?;
    assert_eq!(other.head(&to).await?.properties, properties()?);
    assert_eq!(made.version.as_ref(), Some(&other.versions(&to).await?[0].version));
    place.lacks(&place.key("to")?).await
}

pub(super) async fn a_copy_replaces_what_was_there(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (from, to) = (place.save_at("from", "new").await?, place.key("to")?);
    blob.put(place.put(&to).properties(properties()?), "as it was".into()).await?;
    blob.copy(place.copy(&from, &to)).await?;
    place.holds(&to, "new").await?;
    let found = place.head(&to).await?.properties;
    assert_eq!((&*found.content_type, found.metadata), (Properties::BINARY, Metadata::new()));
    Ok(())
}

pub(super) async fn a_copy_if_absent_holds_only_where_nothing_is(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (from, to) = (place.save_at("from", "new").await?, place.save_at("to", "old").await?);
    let copy = || place.copy(&from, &to).mode(Mode::IfAbsent);
    fails(blob.copy(copy()).await, ErrorKind::Conflict);
    place.holds(&to, "old").await?;
    blob.delete(place.delete(&to)).await?;
    blob.copy(copy()).await?;
    place.holds(&to, "new").await
}

pub(super) async fn a_copy_if_match_holds_only_for_what_has_the_tag(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (from, to) = (place.save_at("from", "new").await?, place.key("to")?);
    let stale = place.save(&to, "1").await?.tag;
    let tag = place.save(&to, "2").await?.tag;
    let copy = |tag| place.copy(&from, &to).mode(Mode::IfMatch(tag));
    fails(blob.copy(copy(stale)).await, ErrorKind::Conflict);
    place.holds(&to, "2").await?;
    blob.copy(copy(tag)).await?;
    place.holds(&to, "new").await
}

pub(super) async fn a_copy_may_be_only_of_what_has_a_tag(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (from, to) = (place.key("from")?, place.save_at("to", "old").await?);
    let stale = place.save(&from, "1").await?.tag;
    let tag = place.save(&from, "2").await?.tag;
    let copy = |tag| {
        let source = place.source(&from).if_match(tag);
        Copy::new(source, place.bucket.clone(), to.clone())
    };
    fails(blob.copy(copy(stale)).await, ErrorKind::Conflict);
    place.holds(&to, "old").await?;
    blob.copy(copy(tag)).await?;
    place.holds(&to, "2").await
}

pub(super) async fn a_copy_of_nothing_is_not_found(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (none, to) = (place.key("none")?, place.save_at("to", "as it was").await?);
    let error = fails(blob.copy(place.copy(&none, &to)).await, ErrorKind::NotFound);
    assert_eq!(error.op(), "blob.copy");
    place.holds(&to, "as it was").await?;
    let new = place.key("new")?;
    fails(blob.copy(place.copy(&none, &new)).await, ErrorKind::NotFound);
    place.lacks(&new).await
}

pub(super) async fn a_copy_onto_itself_has_to_change_something(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    blob.put(place.put(&key).properties(properties()?), "12345".into()).await?;
    fails(blob.copy(place.copy(&key, &key)).await, ErrorKind::Invalid);
    let other = Properties { content_type: "text/html".into(), ..Properties::default() };
    blob.copy(place.copy(&key, &key).properties(other)).await?;
    place.holds(&key, "12345").await?;
    let found = place.head(&key).await?.properties;
    assert_eq!((&*found.content_type, found.metadata), ("text/html", Metadata::new()));
    Ok(())
}

pub(super) async fn a_large_object_is_copied_whole(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (from, to) = (place.key("from")?, place.key("to")?);
    let body = noise(1, (8 << 20) + 1);
    blob.put(place.put(&from).properties(properties()?), body.clone().into()).await?;
    assert_eq!(blob.copy(place.copy(&from, &to)).await?.size, body.len() as u64);
    place.holds(&to, body).await?;
    assert_eq!(place.head(&to).await?.properties, properties()?);
    Ok(())
}

pub(super) async fn an_empty_object_is_copied(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (from, to) = (place.save_at("from", "").await?, place.key("to")?);
    assert_eq!(blob.copy(place.copy(&from, &to)).await?.size, 0);
    place.holds(&to, "").await
}
