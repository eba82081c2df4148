//! Buckets.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::TryStreamExt as _;
use mvi_core::{
    Blob, BlobExt as _, BucketName, ErrorKind, Labels, Result,
    blob::{
        Complete, Copy, CreateBucket, Delete, DeleteMany, Get, Head, Key, List, Part, PartNumber,
        Put, Rule, Source, StartUpload, Tag, Upload, Versioning, Versions,
    },
};

use super::{
    Place, Scope, eventually, fails, none,
    place::{create, noise},
    race, stream_fails,
};

fn team(name: &str) -> Result<Labels> {
    Labels::new().with("team", name)
}

pub(super) async fn a_bucket_is_as_it_was_asked_for(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let name = scope.bucket("bucket")?;
    let request = CreateBucket::new(name.clone()).labels(team("links")?);
    let made = blob.create_bucket(request).await?;
    assert_eq!((&made.name, &made.labels), (&name, &team("links")?));
    let found = blob.wait_bucket(&name, Scope::CHANGE).await?;
    assert_eq!((&found.name, &found.labels), (&name, &team("links")?));
    assert_eq!((found.versioning, found.lifecycle), (Versioning::Off, vec![]));
    Ok(())
}

pub(super) async fn a_create_repeats_safely(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    let key = place.save_at("a", "1").await?;
    let again = blob.create_bucket(CreateBucket::new(place.bucket.clone())).await?;
    assert_eq!(again.name, place.bucket);
    // What was changed since is no setting of the create.
    blob.set_versioning(&place.bucket, Versioning::On).await?;
    blob.set_lifecycle(&place.bucket, vec![Rule::expire("tmp/", 3)]).await?;
    let again = blob.create_bucket(CreateBucket::new(place.bucket.clone())).await?;
    assert_eq!(again.name, place.bucket);
    let found = blob.bucket(&place.bucket).await?;
    assert_eq!((found.versioning, found.lifecycle.len()), (Versioning::On, 1));
    place.holds(&key, "1").await
}

pub(super) async fn a_name_with_other_settings_already_exists(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let name = scope.bucket("bucket")?;
    create(blob, CreateBucket::new(name.clone()).labels(team("links")?)).await?;
    for labels in [Labels::new(), team("other")?, team("links")?.with("more", "")?] {
        let other = CreateBucket::new(name.clone()).labels(labels);
        let error = fails(blob.create_bucket(other).await, ErrorKind::AlreadyExists);
        assert_eq!((error.op(), error.resource()), ("blob.create_bucket", name.as_str()));
    }
    assert_eq!(blob.bucket(&name).await?.labels, team("links")?);
    Ok(())
}

pub(super) async fn a_bucket_created_after_its_deletion_is_empty(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    let key = place.save_at("a", "1").await?;
    blob.set_lifecycle(&place.bucket, vec![Rule::expire("tmp/", 3)]).await?;
    blob.delete(place.delete(&key)).await?;
    blob.delete_bucket(&place.bucket).await?;
    gone(blob, &place.bucket).await?;
    // The name is free again, for other settings too.
    create(blob, CreateBucket::new(place.bucket.clone()).labels(team("links")?)).await?;
    let found = blob.bucket(&place.bucket).await?;
    assert_eq!((found.labels, found.lifecycle), (team("links")?, vec![]));
    place.lacks(&key).await?;
    place.save(&key, "2").await?;
    place.holds(&key, "2").await
}

async fn gone(blob: &Arc<dyn Blob>, name: &BucketName) -> Result<()> {
    eventually("end of the bucket", Scope::CHANGE, || async {
        let found = none(blob.bucket(name).await)?;
        Ok(found.is_none().then_some(()))
    })
    .await
}

pub(super) async fn a_bucket_that_is_not_there_is_not_found(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let name = scope.bucket("none")?;
    let error = fails(blob.bucket(&name).await, ErrorKind::NotFound);
    assert_eq!((error.op(), error.resource()), ("blob.bucket", name.as_str()));
    Ok(())
}

pub(super) async fn a_delete_of_no_bucket_succeeds(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    blob.delete_bucket(&scope.bucket("none")?).await?;
    let place = Place::own(blob, scope, "bucket").await?;
    blob.delete_bucket(&place.bucket).await?;
    blob.delete_bucket(&place.bucket).await?;
    gone(blob, &place.bucket).await
}

pub(super) async fn a_bucket_with_an_object_is_kept(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    let key = place.save_at("a", "1").await?;
    let error = fails(blob.delete_bucket(&place.bucket).await, ErrorKind::Conflict);
    assert_eq!((error.op(), error.resource()), ("blob.delete_bucket", place.bucket.as_str()));
    place.holds(&key, "1").await?;
    blob.bucket(&place.bucket).await.map(drop)
}

pub(super) async fn a_bucket_with_a_version_is_kept(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    blob.set_versioning(&place.bucket, Versioning::On).await?;
    let key = place.save_at("a", "1").await?;
    blob.delete(place.delete(&key)).await?;
    place.lacks(&key).await?;
    fails(blob.delete_bucket(&place.bucket).await, ErrorKind::Conflict);
    assert_eq!(place.versions(&key).await?.len(), 1);
    Ok(())
}

pub(super) async fn unfinished_uploads_do_not_hold_a_bucket(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    place.start(&place.key("empty")?).await?;
    place.begun(&place.key("a")?, "part").await?;
    blob.delete_bucket(&place.bucket).await?;
    gone(blob, &place.bucket).await
}

pub(super) async fn every_operation_on_no_bucket_is_not_found(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    const WANTED: ErrorKind = ErrorKind::NotFound;
    let none = scope.bucket("none")?;
    let (name, key) = (|| none.clone(), || Key::new("a"));
    fails(blob.set_versioning(&none, Versioning::On).await, WANTED);
    fails(blob.set_lifecycle(&none, vec![Rule::expire("", 1)]).await, WANTED);
    fails(blob.put(Put::new(name(), key()?), "1".into()).await, WANTED);
    fails(blob.get(Get::new(name(), key()?)).await, WANTED);
    fails(blob.head(Head::new(name(), key()?)).await, WANTED);
    fails(blob.delete(Delete::new(name(), key()?)).await, WANTED);
    let many = blob.delete_many(DeleteMany::new(name(), [key()?])).await;
    fails(many.and_then(|all| all.into_iter().collect::<Result<Vec<_>>>()), WANTED);
    stream_fails(blob.list(List::new(name())), WANTED).await;
    stream_fails(blob.versions(Versions::new(name())), WANTED).await;
    stream_fails(blob.uploads(&none), WANTED).await;
    fails(blob.start_upload(StartUpload::new(name(), key()?)).await, WANTED);
    let upload = Upload::new(name(), key()?, "none");
    fails(blob.upload_part(&upload, PartNumber::new(1)?, "1".into()).await, WANTED);
    stream_fails(blob.parts(&upload), WANTED).await;
    let part = Part::new(PartNumber::new(1)?, 1, Tag::new("none"));
    fails(blob.complete_upload(Complete::new(upload, vec![part])).await, WANTED);
    // Of a copy either may be missing.
    let place = Place::shared(blob, scope).await?;
    let there = place.save_at("a", "1").await?;
    let from = Copy::new(Source::new(name(), there.clone()), place.bucket.clone(), there.clone());
    fails(blob.copy(from).await, WANTED);
    fails(blob.copy(Copy::new(place.source(&there), name(), there.clone())).await, WANTED);
    place.holds(&there, "1").await
}

pub(super) async fn a_large_put_to_no_bucket_is_not_found(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let put = Put::new(scope.bucket("none")?, Key::new("a")?);
    fails(blob.put(put, noise(1, 9 << 20).into()).await, ErrorKind::NotFound);
    Ok(())
}

pub(super) async fn buckets_are_listed_by_all_of_their_labels(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    // The run's own value, so that buckets of others do not count.
    let run = scope.bucket("run")?;
    let labels = |env: &str| Labels::new().with("run", run.as_str())?.with("env", env);
    let names = [scope.bucket("one")?, scope.bucket("two")?, scope.bucket("three")?];
    for (name, env) in names.iter().zip(["test", "live", "test"]) {
        create(blob, CreateBucket::new(name.clone()).labels(labels(env)?)).await?;
    }
    let cases = [
        (Labels::new().with("run", run.as_str())?, vec![&names[0], &names[1], &names[2]]),
        (labels("test")?, vec![&names[0], &names[2]]),
        (labels("none")?, vec![]),
    ];
    for (labels, wanted) in cases {
        let wanted: BTreeSet<_> = wanted.into_iter().cloned().collect();
        eventually(&format!("list of {wanted:?} by {labels:?}"), Scope::PATIENCE, || async {
            let found: Vec<_> = blob.list_buckets(labels.clone()).try_collect().await?;
            assert!(found.iter().all(|it| it.labels.contains(&labels)), "{found:?}");
            let all: BTreeSet<_> = found.iter().map(|it| it.name.clone()).collect();
            Ok((all == wanted && found.len() == wanted.len()).then_some(()))
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn racers_create_one_bucket(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let name = scope.bucket("bucket")?;
    let results = race(6, |_| {
        let (blob, name) = (Arc::clone(blob), name.clone());
        async move { blob.create_bucket(CreateBucket::new(name)).await }
    });
    for result in results.await {
        assert_eq!(result?.name, name);
    }
    eventually("list with the bucket", Scope::PATIENCE, || async {
        let own =
            blob.list_buckets(Labels::new()).try_filter(|it| std::future::ready(it.name == name));
        let found: Vec<_> = own.try_collect().await?;
        assert!(found.len() <= 1, "{found:?}");
        Ok((found.len() == 1).then_some(()))
    })
    .await
}

pub(super) async fn racers_with_other_settings_do_not_share_a_bucket(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let name = scope.bucket("bucket")?;
    let results = race(6, |racer| {
        let (blob, name) = (Arc::clone(blob), name.clone());
        async move {
            let request = CreateBucket::new(name).labels(team(&format!("team-{racer}"))?);
            blob.create_bucket(request).await
        }
    });
    let mut won = Vec::new();
    for (racer, result) in results.await.into_iter().enumerate() {
        match result {
            Ok(bucket) => won.push((format!("team-{racer}"), bucket.labels)),
            lost => drop(fails(lost, ErrorKind::AlreadyExists)),
        }
    }
    let [(winner, labels)] = &won[..] else { panic!("{won:?} won") };
    let found = blob.wait_bucket(&name, Scope::CHANGE).await?;
    assert_eq!((labels, &found.labels), (&team(winner)?, &team(winner)?));
    Ok(())
}

pub(super) async fn a_wait_ends_when_the_bucket_is_there(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let none = scope.bucket("none")?;
    let waited = blob.wait_bucket(&none, Duration::from_millis(300)).await;
    fails(waited, ErrorKind::Timeout);
    let name = scope.bucket("bucket")?;
    blob.create_bucket(CreateBucket::new(name.clone())).await?;
    assert_eq!(blob.wait_bucket(&name, Scope::CHANGE).await?.name, name);
    // And then it can be used.
    blob.put(Put::new(name, Key::new("a")?), "1".into()).await.map(drop)
}

pub(super) async fn versioning_is_told(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    for versioning in [Versioning::On, Versioning::Off, Versioning::On] {
        // Twice, as a caller does whose first answer was lost.
        blob.set_versioning(&place.bucket, versioning).await?;
        blob.set_versioning(&place.bucket, versioning).await?;
        eventually(&format!("word of versioning {versioning:?}"), Scope::PATIENCE, || async {
            let found = blob.bucket(&place.bucket).await?.versioning;
            Ok((found == versioning).then_some(()))
        })
        .await?;
    }
    Ok(())
}
