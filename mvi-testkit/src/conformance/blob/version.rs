//! Buckets that keep versions.

use std::{num::NonZeroU32, sync::Arc};

use bytes::Bytes;
use futures::TryStreamExt as _;
use mvi_core::{
    Blob, BlobExt as _, ErrorKind, Result,
    blob::{
        Complete, DeleteMany, Head, Key, Mode, ObjectVersion, Target, VersionId, VersionState,
        Versioning, Versions,
    },
};

use super::{
    Place, Scope, fails, none,
    place::{MOST, pages},
};

/// What is at `key` as that version.
async fn read(place: &Place<'_>, key: &Key, version: &VersionId) -> Result<Option<Bytes>> {
    none(place.blob.get_bytes(place.get(key).version(version.clone()), MOST).await)
}

/// Three versions of one key, the newest first, which hold `3`, `2`, `1`.
async fn three(place: &Place<'_>, key: &Key) -> Result<Vec<ObjectVersion>> {
    for body in ["1", "2", "3"] {
        place.save(key, body).await?;
    }
    let versions = place.versions(key).await?;
    assert_eq!(versions.len(), 3, "{versions:?}");
    Ok(versions)
}

pub(super) async fn what_is_replaced_is_kept(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    let key = place.key("a")?;
    let made = [place.save(&key, "1").await?, place.save(&key, "22").await?];
    place.holds(&key, "22").await?;
    let found = place.versions(&key).await?;
    let states: Vec<_> = found.iter().map(|it| (it.state, it.size)).collect();
    assert_eq!(states, [(VersionState::Current, 2), (VersionState::Noncurrent, 1)]);
    // A write says which version it made, and so do reads of it.
    for (made, found) in made.iter().rev().zip(&found) {
        assert_eq!(made.version.as_ref(), Some(&found.version));
        assert_eq!(Some(&made.tag), found.tag.as_ref());
        assert!(found.modified.is_some(), "{found:?}");
    }
    assert_eq!(place.head(&key).await?.version, made[1].version);
    assert_eq!(read(&place, &key, &found[1].version).await?.as_deref(), Some(&b"1"[..]));
    assert_eq!(read(&place, &key, &found[0].version).await?.as_deref(), Some(&b"22"[..]));
    Ok(())
}

pub(super) async fn what_is_deleted_is_kept(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    let key = place.save_at("a", "1").await?;
    blob.delete(place.delete(&key)).await?;
    place.lacks(&key).await?;
    assert_eq!(place.keys(place.list(), 0).await?, Vec::<String>::new());
    let found = place.versions(&key).await?;
    assert_eq!(found.iter().map(|it| it.state).collect::<Vec<_>>(), [VersionState::Noncurrent]);
    assert_eq!(read(&place, &key, &found[0].version).await?.as_deref(), Some(&b"1"[..]));
    // What is deleted is absent, and comes again as another version.
    blob.put(place.put(&key).mode(Mode::IfAbsent), "2".into()).await?;
    place.holds(&key, "2").await?;
    assert_eq!(place.versions(&key).await?.len(), 2);
    Ok(())
}

pub(super) async fn the_same_bytes_are_another_version(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    let key = place.save_at("a", "1").await?;
    place.save(&key, "1").await?;
    let found = place.versions(&key).await?;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_ne!(found[0].version, found[1].version);
    Ok(())
}

pub(super) async fn versions_are_listed_by_key_the_newest_first(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    // The order of keys is that of bytes, and the sizes say which write it was.
    let keys = ["a", "a/b", "a0", "b", "\u{ff5e}", "🦀"];
    for size in 1..=4 {
        for key in keys.iter().rev() {
            place.save(&place.key(key)?, "x".repeat(size)).await?;
        }
    }
    let wanted: Vec<_> =
        keys.iter().flat_map(|key| (1..=4).rev().map(|size| ((*key).to_owned(), size))).collect();
    for page in pages() {
        let asked = Versions { page, ..Versions::new(place.bucket.clone()).prefix(place.prefix()) };
        let found: Vec<_> = blob.versions(asked).try_collect().await?;
        let cut = place.prefix().len();
        let view = |it: &ObjectVersion| (it.key.as_str()[cut..].to_owned(), it.size);
        assert_eq!(found.iter().map(view).collect::<Vec<_>>(), wanted, "pages of {page:?}");
        let current = found.iter().filter(|it| it.state == VersionState::Current);
        assert!(current.clone().all(|it| it.size == 4) && current.count() == keys.len());
    }
    Ok(())
}

pub(super) async fn versions_of_a_deleted_object_are_listed_in_pages(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    for key in ["a", "b", "c"] {
        let key = place.key(key)?;
        for body in ["1", "22"] {
            place.save(&key, body).await?;
            blob.delete(place.delete(&key)).await?;
        }
    }
    for page in pages() {
        let asked = Versions { page, ..Versions::new(place.bucket.clone()).prefix(place.prefix()) };
        let all: Vec<_> = blob.versions(asked).try_collect().await?;
        // Whether something says that it was removed, differs.
        let kept = all.iter().filter(|it| it.state != VersionState::DeleteMarker);
        let sizes: Vec<_> = kept.clone().map(|it| it.size).collect();
        assert_eq!(sizes, [2, 1, 2, 1, 2, 1], "pages of {page:?}");
        assert!(kept.into_iter().all(|it| it.state == VersionState::Noncurrent), "{all:?}");
        assert!(all.is_sorted_by_key(|it| it.key.as_str().as_bytes()), "{all:?}");
    }
    Ok(())
}

pub(super) async fn versions_may_have_a_prefix(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    for key in ["a", "a/b", "ab", "b"] {
        place.save(&place.key(key)?, "1").await?;
    }
    let cut = place.prefix().len();
    for (prefix, wanted) in [("a", vec!["a", "a/b", "ab"]), ("a/", vec!["a/b"]), ("c", vec![])] {
        let asked = Versions::new(place.bucket.clone()).prefix(place.prefix() + prefix);
        let found: Vec<_> = blob.versions(asked).try_collect().await?;
        assert_eq!(found.iter().map(|it| &it.key.as_str()[cut..]).collect::<Vec<_>>(), wanted);
    }
    Ok(())
}

pub(super) async fn a_version_is_deleted_for_good(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    let key = place.key("a")?;
    let versions = three(&place, &key).await?;
    let delete = |at: usize| place.delete(&key).version(versions[at].version.clone());
    blob.delete(delete(1)).await?;
    let left: Vec<_> = place.versions(&key).await?.into_iter().map(|it| it.version).collect();
    assert_eq!(left, [versions[0].version.clone(), versions[2].version.clone()]);
    assert_eq!(read(&place, &key, &versions[1].version).await?, None);
    place.holds(&key, "3").await?;
    // As whoever lost the answer does.
    blob.delete(delete(1)).await?;
    blob.delete(delete(2)).await?;
    assert_eq!(place.versions(&key).await?.len(), 1);
    place.holds(&key, "3").await
}

pub(super) async fn versions_are_deleted_at_once(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    let (key, other) = (place.key("a")?, place.key("b")?);
    let (versions, others) = (three(&place, &key).await?, three(&place, &other).await?);
    let old = versions[1..].iter().chain(&others[2..]);
    let targets: Vec<_> =
        old.map(|it| Target { key: it.key.clone(), version: Some(it.version.clone()) }).collect();
    // Again, what is not there is no failure.
    for _ in 0..2 {
        let many = DeleteMany::new(place.bucket.clone(), targets.clone());
        for outcome in blob.delete_many(many).await? {
            outcome?;
        }
        assert_eq!(place.versions(&key).await?.len(), 1);
        assert_eq!(place.versions(&other).await?.len(), 2);
    }
    place.holds(&key, "3").await
}

pub(super) async fn many_are_deleted_as_versions_where_none_is_named(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    let key = place.save_at("a", "1").await?;
    for outcome in blob.delete_many(DeleteMany::new(place.bucket.clone(), [key.clone()])).await? {
        outcome?;
    }
    place.lacks(&key).await?;
    assert_eq!(place.versions(&key).await?.len(), 1);
    Ok(())
}

pub(super) async fn a_version_that_is_not_there_is_not_found(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    let key = place.key("a")?;
    // One that was, since nobody else can know what one looks like.
    let gone = three(&place, &key).await?[1].version.clone();
    blob.delete(place.delete(&key).version(gone.clone())).await?;
    fails(blob.get(place.get(&key).version(gone.clone())).await, ErrorKind::NotFound);
    fails(blob.get(place.get(&key).version(gone.clone()).range(0..1)).await, ErrorKind::NotFound);
    let head = Head::new(place.bucket.clone(), key.clone()).version(gone.clone());
    fails(blob.head(head).await, ErrorKind::NotFound);
    let copy = mvi_core::blob::Copy::new(
        place.source(&key).version(gone),
        place.bucket.clone(),
        place.key("copy")?,
    );
    fails(blob.copy(copy).await, ErrorKind::NotFound);
    place.lacks(&place.key("copy")?).await
}

pub(super) async fn a_head_and_a_range_may_be_of_a_version(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    let key = place.key("a")?;
    let first = place.put(&key).content_type("text/plain");
    let first = blob.put(first, "0123456789".into()).await?;
    place.save(&key, "another").await?;
    let version = first.version.clone().expect("a version of what keeps them");
    let head = blob.head(Head::new(place.bucket.clone(), key.clone()).version(version.clone()));
    let head = head.await?;
    assert_eq!((head.size, &head.tag, &head.version), (10, &first.tag, &first.version));
    assert_eq!(head.properties.content_type, "text/plain");
    let part = place.get(&key).version(version.clone()).range(2..5);
    assert_eq!(blob.get_bytes(part, MOST).await?, "234");
    // And a condition is on the version.
    let get = place.get(&key).version(version).if_match(first.tag);
    assert_eq!(blob.get_bytes(get, MOST).await?, "0123456789");
    Ok(())
}

pub(super) async fn a_version_is_copied_back(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    let key = place.key("a")?;
    let first = three(&place, &key).await?[2].version.clone();
    let source = place.source(&key).version(first);
    let back = mvi_core::blob::Copy::new(source, place.bucket.clone(), key.clone());
    let made = blob.copy(back).await?;
    place.holds(&key, "1").await?;
    let versions = place.versions(&key).await?;
    assert_eq!(versions.len(), 4);
    assert_eq!(made.version.as_ref(), Some(&versions[0].version));
    Ok(())
}

pub(super) async fn a_completed_upload_is_a_version(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    let key = place.save_at("a", "1").await?;
    let upload = place.start(&key).await?;
    let part = place.part(&upload, 1, "22").await?;
    // Nothing of it is a version before.
    assert_eq!(place.versions(&key).await?.len(), 1);
    let made = blob.complete_upload(Complete::new(upload, vec![part])).await?;
    let found = place.versions(&key).await?;
    assert_eq!(found.iter().map(|it| it.size).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(made.version.as_ref(), Some(&found[0].version));
    Ok(())
}

pub(super) async fn an_aborted_upload_is_no_version(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    blob.set_versioning(&place.bucket, Versioning::On).await?;
    let upload = place.begun(&place.key("a")?, "1").await?.upload;
    blob.abort_upload(&upload).await?;
    let complete = place.begun(&place.key("b")?, "2").await?;
    blob.complete_upload(complete).await?;
    let all = blob.versions(Versions::new(place.bucket.clone()));
    let all: Vec<_> = all.try_collect().await?;
    assert_eq!(all.iter().map(|it| &it.key).collect::<Vec<_>>(), [&place.key("b")?]);
    // What parts have left behind holds no bucket.
    blob.delete(place.delete(&place.key("b")?).version(all[0].version.clone())).await?;
    blob.delete_bucket(&place.bucket).await
}

pub(super) async fn without_versioning_nothing_is_kept(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.save_at("a", "1").await?;
    place.save(&key, "2").await?;
    let found = place.versions(&key).await?;
    assert!(found.iter().all(|it| it.state == VersionState::Current), "{found:?}");
    assert!(found.len() <= 1, "{found:?}");
    blob.delete(place.delete(&key)).await?;
    assert_eq!(place.versions(&key).await?, []);
    Ok(())
}

pub(super) async fn what_was_kept_stays_when_versioning_ends(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    blob.set_versioning(&place.bucket, Versioning::On).await?;
    let key = place.key("a")?;
    let versions = three(&place, &key).await?;
    blob.set_versioning(&place.bucket, Versioning::Off).await?;
    let kept: Vec<_> = place.versions(&key).await?.into_iter().map(|it| it.version).collect();
    assert_eq!(kept, versions.iter().map(|it| it.version.clone()).collect::<Vec<_>>());
    for (version, body) in versions.iter().zip(["3", "2", "1"]) {
        let found = read(&place, &key, &version.version).await?;
        assert_eq!(found.as_deref(), Some(body.as_bytes()));
    }
    // What comes now takes the place of what came since then.
    for body in ["4", "5", "6"] {
        place.save(&key, body).await?;
    }
    let found = place.versions(&key).await?;
    assert!((3..=4).contains(&found.len()), "{found:?}");
    for (version, body) in versions[1..].iter().zip(["2", "1"]) {
        let found = read(&place, &key, &version.version).await?;
        assert_eq!(found.as_deref(), Some(body.as_bytes()));
    }
    place.holds(&key, "6").await
}

pub(super) async fn many_versions_of_one_key_are_listed(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::versioned(blob, scope).await?;
    let key = place.key("a")?;
    for size in 0..25 {
        place.save(&key, "x".repeat(size)).await?;
    }
    for page in [1, 4, 10] {
        let asked = Versions::new(place.bucket.clone()).prefix(key.as_str());
        let asked = asked.page(NonZeroU32::new(page).expect("not 0"));
        let found: Vec<_> = blob.versions(asked).try_collect().await?;
        let sizes: Vec<_> = found.iter().map(|it| it.size).collect();
        assert_eq!(sizes, (0..25).rev().collect::<Vec<u64>>(), "pages of {page}");
    }
    Ok(())
}
