//! Many objects at once.

use std::sync::Arc;

use mvi_core::{
    Blob, Result,
    blob::{DeleteMany, Key},
};

use super::{Place, Scope};

/// Deletes them, and wants as many successes.
async fn delete(place: &Place<'_>, keys: &[Key]) -> Result<()> {
    let many = DeleteMany::new(place.bucket.clone(), keys.iter().cloned());
    let outcomes = place.blob.delete_many(many).await?;
    assert_eq!(outcomes.len(), keys.len());
    outcomes.into_iter().collect()
}

pub(super) async fn delete_many_removes_more_than_one_request_can(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let keys = place.fill("", 1_100).await?;
    let kept = place.save_at("kept", "1").await?;
    delete(&place, &keys).await?;
    assert_eq!(place.keys(place.list(), 0).await?, [kept.as_str()]);
    place.holds(&kept, "1").await
}

pub(super) async fn delete_many_of_what_is_not_there_succeeds(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let mut keys = place.fill("", 5).await?;
    keys.insert(2, place.key("none")?);
    keys.push(place.key("none either")?);
    delete(&place, &keys).await?;
    delete(&place, &keys).await?;
    assert_eq!(place.keys(place.list(), 0).await?, Vec::<String>::new());
    Ok(())
}

pub(super) async fn delete_many_takes_a_key_twice(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (key, other) = (place.save_at("a", "1").await?, place.save_at("b", "1").await?);
    delete(&place, &[key.clone(), other.clone(), key.clone()]).await?;
    place.lacks(&key).await?;
    place.lacks(&other).await
}

pub(super) async fn delete_many_of_nothing_does_nothing(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.save_at("a", "1").await?;
    delete(&place, &[]).await?;
    place.holds(&key, "1").await
}
