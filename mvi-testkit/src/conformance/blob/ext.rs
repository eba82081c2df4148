//! What is built on the core, on every provider.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use mvi_core::{
    Blob, BlobExt as _, Error, ErrorKind, Result,
    blob::{
        ByteRange, Extra, GetFile, GetRanges, Metadata, Mode, Properties, PutFile, Rename, SyncDir,
        Versioning,
    },
};

use super::{
    Place, Scope, fails,
    place::{noise, same},
};

fn failed(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, "a test's own file").with_source(error)
}

pub(super) async fn a_file_goes_up_and_comes_down(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let folder = tempfile::tempdir().map_err(failed)?;
    let (up, down) = (folder.path().join("up"), folder.path().join("down"));
    let (up_state, down_state) = (folder.path().join("up-state"), folder.path().join("down-state"));
    let properties = Properties {
        content_type: "video/mp4".into(),
        metadata: Metadata::new().with("owner", "ann")?,
        ..Properties::default()
    };
    // Nothing, one request, and some parts.
    for length in [0, 1_000, (17 << 20) + 1] {
        let (key, bytes) = (place.key(&length.to_string())?, noise(1, length));
        std::fs::write(&up, &bytes).map_err(failed)?;
        let put = PutFile::new(place.put(&key).properties(properties.clone()), &up);
        let made = blob.put_file(put.state(&up_state)).await?;
        assert_eq!((made.size, &made.properties), (length as u64, &properties));
        let get = GetFile::new(place.get(&key), &down).state(&down_state);
        let found = blob.get_file(get).await?;
        assert_eq!((found.size, found.tag), (length as u64, made.tag));
        let found = std::fs::read(&down).map_err(failed)?;
        same(Some(&found), Some(&bytes), &format!("{length} bytes"));
        assert!(!up_state.exists() && !down_state.exists(), "a state of what is done");
    }
    assert_eq!(place.uploads().await?, []);
    let none = GetFile::new(place.get(&place.key("none")?), &down);
    fails(blob.get_file(none).await, ErrorKind::NotFound);
    let found = std::fs::read(&down).map_err(failed)?;
    assert_eq!(found.len(), (17 << 20) + 1, "the file is not what it was");
    Ok(())
}

pub(super) async fn many_ranges_come_in_the_order_they_were_asked_for(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (key, bytes) = (place.key("a")?, noise(1, 100_000));
    place.save(&key, bytes.clone()).await?;
    for near in [0, 10, 1 << 20] {
        let ranges = GetRanges::new(place.get(&key)).near_bytes(near);
        let ranges = ranges.range(50_000..50_010).range(0..4).range(5..9).range(3..6);
        let found = blob.get_ranges(ranges.range(ByteRange::Last(8)).range(99_990..)).await?;
        let wanted = [
            &bytes[50_000..50_010],
            &bytes[..4],
            &bytes[5..9],
            &bytes[3..6],
            &bytes[99_992..],
            &bytes[99_990..],
        ];
        assert_eq!(found, wanted, "{near}");
    }
    let behind = GetRanges::new(place.get(&key)).range(0..1).range(100_000..);
    fails(blob.get_ranges(behind).await, ErrorKind::Invalid);
    Ok(())
}

pub(super) async fn a_rename_leaves_nothing_behind(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (from, to) = (place.key("from é")?, place.key("to +")?);
    let put = place.put(&from).content_type("text/plain").metadata("owner", "ann")?;
    blob.put_bytes(put, "1").await?;
    let rename = || Rename::new(place.bucket.clone(), from.clone(), to.clone());
    assert_eq!(blob.rename(rename()).await?.key, to);
    place.lacks(&from).await?;
    place.holds(&to, "1").await?;
    let found = place.head(&to).await?.properties;
    assert_eq!((&*found.content_type, found.metadata.get("owner")), ("text/plain", Some("ann")));
    fails(blob.rename(rename()).await, ErrorKind::NotFound);
    place.holds(&to, "1").await
}

pub(super) async fn a_rename_that_does_not_hold_changes_nothing(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (from, to) = (place.save_at("from", "new").await?, place.save_at("to", "old").await?);
    let rename = Rename::new(place.bucket.clone(), from.clone(), to.clone());
    fails(blob.rename(rename.mode(Mode::IfAbsent)).await, ErrorKind::Conflict);
    place.holds(&from, "new").await?;
    place.holds(&to, "old").await
}

pub(super) async fn delete_prefix_removes_what_starts_with_it(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    place.fill("a/", 30).await?;
    place.save_at("a/b/c", "1").await?;
    let kept = [place.save_at("a", "1").await?, place.save_at("ab", "1").await?];
    let prefix = place.prefix() + "a/";
    assert_eq!(blob.delete_prefix(&place.bucket, &prefix).await?, 31);
    let left = place.keys(place.list(), 0).await?;
    assert_eq!(left, [kept[0].as_str(), kept[1].as_str()]);
    assert_eq!(blob.delete_prefix(&place.bucket, &prefix).await?, 0);
    Ok(())
}

pub(super) async fn an_emptied_bucket_can_be_deleted(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    blob.set_versioning(&place.bucket, Versioning::On).await?;
    let key = place.save_at("a", "1").await?;
    place.save(&key, "2").await?;
    let gone = place.save_at("b", "1").await?;
    blob.delete(place.delete(&gone)).await?;
    blob.set_versioning(&place.bucket, Versioning::Off).await?;
    place.save_at("c", "1").await?;
    place.begun(&place.key("d")?, "1").await?;
    fails(blob.delete_bucket(&place.bucket).await, ErrorKind::Conflict);
    // Versions, and whatever else the provider keeps of them.
    assert!(blob.empty(&place.bucket).await? >= 4);
    assert_eq!(blob.empty(&place.bucket).await?, 0);
    blob.delete_bucket(&place.bucket).await
}

/// The files below a directory, by their paths, and what they hold.
fn files(root: &Path, at: &Path, found: &mut BTreeMap<String, String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(at)? {
        let path = entry?.path();
        if path.is_dir() {
            files(root, &path, found)?;
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.insert(name, std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

pub(super) async fn a_directory_goes_up_and_comes_down(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let folder = tempfile::tempdir().map_err(failed)?;
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let write = |path: &str, text: &str| {
        let path = from.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&from)).map_err(failed)?;
        std::fs::write(path, text).map_err(failed)
    };
    for path in ["a.txt", "sub/b c.txt", "sub/deep/é.txt"] {
        write(path, path)?;
    }
    std::fs::create_dir_all(&to).map_err(failed)?;
    let up = || SyncDir::up(&from, place.bucket.clone(), place.prefix()).extra(Extra::Remove);
    let down = || SyncDir::down(place.bucket.clone(), place.prefix(), &to).extra(Extra::Remove);
    let both = async |written: usize, removed: usize| {
        for sync in [up(), down()] {
            let report = blob.sync(sync).await?;
            let counts = (report.written.len(), report.removed.len());
            assert_eq!(counts, (written, removed), "{report:?}");
        }
        let (mut sent, mut found) = (BTreeMap::new(), BTreeMap::new());
        files(&from, &from, &mut sent).map_err(failed)?;
        files(&to, &to, &mut found).map_err(failed)?;
        assert_eq!(found, sent);
        Ok::<_, Error>(())
    };
    both(3, 0).await?;
    // Nothing is done twice.
    both(0, 0).await?;
    write("a.txt", "another")?;
    std::fs::remove_file(from.join("sub/b c.txt")).map_err(failed)?;
    both(1, 1).await
}
