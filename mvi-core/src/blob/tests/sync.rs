//! `sync`: a directory and a prefix become the same, and nothing else is touched.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{
    bucket, noise,
    store::{Fault, Store},
};
use crate::{
    Applied, BlobExt as _, ErrorKind,
    blob::{Extra, Key, Run, SyncDir, Synced, sync::path_of},
};

fn dir(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    dir
}

/// The files below a directory, and what they have.
fn files(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.push((below, fs::read_to_string(path).unwrap_or_default()));
            }
        }
    }
    found.sort();
    found
}

fn keys(keys: &[Key]) -> Vec<&str> {
    keys.iter().map(Key::as_str).collect()
}

fn skipped(report: &Synced) -> Vec<&str> {
    report.skipped.iter().map(|it| &*it.what).collect()
}

#[tokio::test]
async fn a_directory_goes_up_and_only_what_differs_goes_again() {
    let dir = dir(&[("a.txt", "a"), ("b/c.txt", "c"), ("b/d/e", "e"), ("same", "1234")]);
    let store = Store::new();
    store.set("www/same", "1234");
    store.set("www/a.txt", "b");
    store.set("www/extra", "x");
    store.set("other", "x");
    let up = SyncDir::up(dir.path(), bucket(), "www/");
    let report = store.sync(up.clone()).await.unwrap();
    assert_eq!(keys(&report.written), ["www/a.txt", "www/b/c.txt", "www/b/d/e"]);
    assert_eq!((report.same, report.written_bytes, report.removed.len()), (1, 3, 0));
    assert_eq!(store.bytes("www/b/d/e").unwrap(), "e");
    assert_eq!(store.bytes("www/extra").unwrap(), "x");
    store.calls();
    let report = store.sync(up.clone().extra(Extra::Remove)).await.unwrap();
    assert_eq!((report.same, report.written.len()), (4, 0));
    assert_eq!(keys(&report.removed), ["www/extra"]);
    assert_eq!(store.keys(), ["other", "www/a.txt", "www/b/c.txt", "www/b/d/e", "www/same"]);
    assert!(!store.calls().contains(&"put"));
}

#[tokio::test]
async fn a_directory_comes_down_and_only_what_differs_comes_again() {
    let dir = dir(&[("same", "1234"), ("a.txt", "b"), ("extra", "x"), ("old/deep/f", "x")]);
    let store = Store::new();
    store.set("www/same", "1234");
    store.set("www/a.txt", "a");
    store.set("www/b/c.txt", "c");
    store.set("other", "x");
    let down = SyncDir::down(bucket(), "www/", dir.path());
    let report = store.sync(down.clone()).await.unwrap();
    assert_eq!(keys(&report.written), ["www/a.txt", "www/b/c.txt"]);
    assert_eq!((report.same, report.written_bytes), (1, 2));
    store.calls();
    let report = store.sync(down.clone().extra(Extra::Remove)).await.unwrap();
    assert_eq!((report.same, report.written.len()), (3, 0));
    assert_eq!(keys(&report.removed), ["www/extra", "www/old/deep/f"]);
    let found = files(dir.path());
    let found: Vec<_> = found.iter().map(|it| (&*it.0, &*it.1)).collect();
    assert_eq!(found, [("a.txt", "a"), ("b/c.txt", "c"), ("same", "1234")]);
    assert!(!store.calls().contains(&"get"));
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_changes_nothing() {
    let dir = dir(&[("same", "1234"), ("a.txt", "b"), ("extra/f", "x")]);
    let store = Store::new();
    store.set("same", "1234");
    store.set("a.txt", "a");
    store.set("c", "c");
    let before = (files(dir.path()), store.keys(), store.bytes("a.txt"));
    for sync in [SyncDir::up(dir.path(), bucket(), ""), SyncDir::down(bucket(), "", dir.path())] {
        let sync = sync.extra(Extra::Remove);
        let dry = store.sync(sync.clone().run(Run::Dry)).await.unwrap();
        assert_eq!((files(dir.path()), store.keys(), store.bytes("a.txt")), before);
        assert!(!dry.written.is_empty() && !dry.removed.is_empty());
        let (twin, twin_dir) = (Store::new(), tempfile::tempdir().unwrap());
        for key in store.keys() {
            twin.set(&key, store.bytes(&key).unwrap());
        }
        for (path, bytes) in files(dir.path()) {
            let path = twin_dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let real = SyncDir { dir: twin_dir.path().to_owned(), ..sync };
        assert_eq!(twin.sync(real).await.unwrap(), dry);
    }
    let nowhere = dir.path().join("new");
    let down = SyncDir::down(bucket(), "", &nowhere);
    store.sync(down.clone().run(Run::Dry)).await.unwrap();
    assert!(!nowhere.exists());
    store.sync(down).await.unwrap();
    assert_eq!(files(&nowhere).len(), 3);
}

#[tokio::test]
async fn the_same_size_with_other_bytes_differs_and_no_checksum_may() {
    let dir = dir(&[("a", "abcd")]);
    let store = Store::new();
    store.set("a", "abce");
    let up = SyncDir::up(dir.path(), bucket(), "");
    assert_eq!(store.sync(up.clone()).await.unwrap().written.len(), 1);
    assert_eq!(store.sync(up.clone()).await.unwrap().same, 1);
    store.forget_checksums();
    store.set("a", "abcd");
    assert_eq!(store.sync(up).await.unwrap().written.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_a_path_below_the_directory_is_skipped() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("dir");
    let store = Store::new();
    let odd = ["/etc/x", "a//b", "b/", "d.mvi-part", "e/f", "e", "p..", &"n".repeat(256)];
    for it in odd {
        store.set(it, "x");
    }
    store.set("good", "x");
    let report = store.sync(SyncDir::down(bucket(), "", &dir)).await.unwrap();
    assert_eq!(keys(&report.written), ["e", "good", "p.."]);
    let expected = ["/etc/x", "a//b", "b/", "d.mvi-part", "e/f", &"n".repeat(256)];
    assert_eq!(skipped(&report), expected);
    assert_eq!(files(&dir).len(), 3);
    // What is left of a key behind a prefix may be anything.
    let report = store.sync(SyncDir::down(bucket(), "p", &dir)).await.unwrap();
    assert_eq!(skipped(&report), ["p.."]);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn symlinks_are_neither_followed_nor_written() {
    let outside = dir(&[("secret", "s")]);
    let dir = dir(&[("a", "a")]);
    std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), dir.path().join("file")).unwrap();
    let store = Store::new();
    let report = store.sync(SyncDir::up(dir.path(), bucket(), "")).await.unwrap();
    assert_eq!((keys(&report.written), skipped(&report)), (vec!["a"], vec!["file", "link"]));
    store.set("link/secret", "overwritten");
    store.set("file", "overwritten");
    for run in [Run::Dry, Run::Real] {
        let down = SyncDir::down(bucket(), "", dir.path()).extra(Extra::Remove).run(run);
        let report = store.sync(down).await.unwrap();
        assert_eq!(skipped(&report), ["file", "file", "link", "link/secret"]);
        assert!(report.written.is_empty() && report.removed.is_empty());
    }
    assert_eq!(files(outside.path()), [("secret".to_owned(), "s".to_owned())]);
    assert!(dir.path().join("file").is_symlink() && dir.path().join("link").is_symlink());
}

#[cfg(unix)]
#[tokio::test]
async fn what_cannot_be_a_key_is_refused_before_anything_is_sent() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let long = "n".repeat(200);
    let deep = [&*long, &*long, &*long, &*long, &*long, &*long].join("/");
    for name in [OsStr::from_bytes(b"a\xFF"), OsStr::new("a\nb"), OsStr::new(&deep)] {
        let dir = dir(&[("0", "x")]);
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
        let store = Store::new();
        let error = store.sync(SyncDir::up(dir.path(), bucket(), "")).await.unwrap_err();
        assert_eq!((error.kind(), error.op()), (ErrorKind::Invalid, "blob.sync"));
        assert!(store.calls().is_empty());
        // On the way down it is nobody's, and stays.
        let down = SyncDir::down(bucket(), "", dir.path()).extra(Extra::Remove);
        let report = store.sync(down).await.unwrap();
        assert_eq!((report.removed.len(), report.skipped.len()), (1, 1));
    }
}

#[tokio::test]
async fn a_file_and_a_directory_change_places() {
    let dir = dir(&[("a", "file"), ("b/c", "file")]);
    let store = Store::new();
    store.set("a/x", "1");
    store.set("b", "2");
    let down = SyncDir::down(bucket(), "", dir.path());
    let kept = store.sync(down.clone()).await.unwrap();
    assert_eq!(skipped(&kept), ["a/x", "b"]);
    store.sync(down.extra(Extra::Remove)).await.unwrap();
    let found = files(dir.path());
    assert_eq!(found, [("a/x".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
}

#[tokio::test]
async fn an_error_says_how_far_it_came_and_leaves_no_half_file() {
    let dir = dir(&[("a", "x"), ("b", "x"), ("c", "x")]);
    let store = Store::new();
    store.fault("put", Fault::Refuse(ErrorKind::Unavailable));
    let up = SyncDir::up(dir.path(), bucket(), "").parallel(1);
    let error = store.sync(up.clone()).await.unwrap_err();
    assert_eq!(error.message(), "0 written and 0 removed, then: refused");
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::No));
    store.sync(up).await.unwrap();
    for fault in [Fault::Cut, Fault::Flip] {
        let down = tempfile::tempdir().unwrap();
        store.set("c", String::from_utf8_lossy(&noise(3 << 20, 1)).into_owned());
        for it in ["a", "b"] {
            store.set(it, "x");
        }
        store.fault("get", fault);
        let sync = SyncDir::down(bucket(), "", down.path()).parallel(1);
        let error = store.sync(sync).await.unwrap_err();
        assert!(error.message().starts_with("0 written and 0 removed"), "{error}");
        assert!(files(down.path()).is_empty());
    }
}

#[tokio::test]
async fn properties_are_by_key_and_checked() {
    let dir = dir(&[("a.html", "x"), ("b", "x")]);
    let store = Store::new();
    let html = |key: &Key| {
        let mut properties = crate::blob::Properties::default();
        if key.as_str().contains("html") {
            properties.content_type = "text/html".into();
        }
        properties
    };
    store.sync(SyncDir::up(dir.path(), bucket(), "").properties(html)).await.unwrap();
    assert_eq!(store.meta("a.html").unwrap().properties.content_type, "text/html");
    assert_eq!(store.meta("b").unwrap().properties.content_type, "application/octet-stream");
    let bad = |_: &Key| crate::blob::Properties { content_type: "".into(), ..Default::default() };
    let error = store.sync(SyncDir::up(dir.path(), bucket(), "x/").properties(bad)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(store.keys().len(), 2);
    for sync in [
        SyncDir::up(dir.path().join("nowhere"), bucket(), ""),
        SyncDir::up(dir.path().join("b"), bucket(), ""),
        SyncDir::up(dir.path(), bucket(), "").parallel(0),
        SyncDir::up(dir.path(), bucket(), "a\n"),
    ] {
        assert_eq!(store.sync(sync).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
}

proptest! {
    #[test]
    fn no_key_leaves_the_directory(rest in "[a./\\\\:\u{0}]{0,12}") {
        if let Some(path) = path_of(&rest) {
            let plain = path.components().all(|it| matches!(it, std::path::Component::Normal(_)));
            prop_assert!(plain && path.components().count() > 0, "{path:?}");
            prop_assert_eq!(path.to_str().unwrap(), rest);
        }
    }
}
