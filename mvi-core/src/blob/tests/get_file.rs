//! `get_file`: what is there is not read again, and a file is whole or not there.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;

use super::{
    bucket,
    file::killed,
    key, noise,
    store::{Fault, Store},
};
use crate::{
    Applied, BlobExt as _, ErrorKind,
    blob::{Get, GetFile, Tag, file::disk::settled},
};

const PART: u64 = 1 << 20;
/// Three ranges, and a little one.
const LENGTH: usize = 3 * (1 << 20) + 7;

struct Scene {
    dir: TempDir,
    store: Store,
    bytes: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let (dir, store, bytes) = (tempfile::tempdir().unwrap(), Store::new(), noise(LENGTH, 2));
        store.set("film", bytes.clone());
        Self { dir, store, bytes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn request(&self) -> GetFile {
        let get = Get::new(bucket(), key("film"));
        GetFile::new(get, self.path("film")).state(self.path("state")).part_bytes(PART)
    }

    fn is_whole(&self) {
        assert!(fs::read(self.path("film")).unwrap() == self.bytes, "the file is the object");
        assert_eq!(self.left(), ["film"]);
    }

    fn left(&self) -> Vec<String> {
        let all = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            all.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_large_object_comes_in_ranges_and_leaves_nothing_behind() {
    for with_state in [true, false] {
        let it = Scene::new();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let mut request = it.request().progress(move |it| told.lock().unwrap().push(it));
        if !with_state {
            request.state = None;
        }
        let meta = it.store.get_file(request).await.unwrap();
        assert_eq!(meta, it.store.meta("film").unwrap());
        it.is_whole();
        assert_eq!(it.store.calls(), ["head", "get", "get", "get", "get"]);
        let seen = seen.lock().unwrap().clone();
        assert!(seen.is_sorted_by_key(|it| it.done_bytes), "{seen:?}");
        assert_eq!(seen.last().unwrap().done_bytes, LENGTH as u64);
    }
}

#[tokio::test]
async fn a_small_object_comes_in_one_call() {
    let it = Scene::new();
    for bytes in ["small", ""] {
        it.store.set("film", bytes);
        it.store.get_file(it.request()).await.unwrap();
        assert_eq!(fs::read_to_string(it.path("film")).unwrap(), bytes);
        assert_eq!(it.store.calls(), ["head", "get"]);
        assert_eq!(it.left(), ["film"]);
    }
}

#[tokio::test]
async fn given_up_at_any_point_it_goes_on_and_reads_nothing_twice() {
    let mut kills = 0;
    for polls in 1.. {
        let it = Scene::new();
        fs::write(it.path("film"), "before").unwrap();
        let first = killed(it.store.get_file(it.request().parallel(2)), polls).await;
        if let Some(done) = first {
            done.unwrap();
            it.is_whole();
            break;
        }
        kills += 1;
        // Whoever reads the file has all of one or all of the other.
        settled().await;
        let found = fs::read(it.path("film")).unwrap();
        assert!(found == b"before" || found == it.bytes, "after {polls} polls");
        if found != b"before" && !it.path("state").exists() {
            // All is done, and nobody was told.
            continue;
        }
        let state = fs::read_to_string(it.path("state")).unwrap_or_default();
        let noted = state.lines().filter(|it| it.contains("\"part\"")).count();
        it.store.calls();
        it.store.get_file(it.request()).await.unwrap();
        it.is_whole();
        let gets = it.store.calls().iter().filter(|it| **it == "get").count();
        // What is still written down after the drop may make it fewer.
        assert!(gets + noted <= 4, "after {polls} polls: {gets} reads, {noted} noted");
    }
    assert!(kills > 8, "{kills} points to give up at");
}

#[tokio::test]
async fn what_a_crash_has_not_brought_to_the_disk_is_read_again() {
    let it = Scene::new();
    it.store.fault("head", Fault::Refuse(ErrorKind::Unavailable));
    it.store.get_file(it.request()).await.unwrap_err();
    // The last of four reads fails.
    for _ in 0..2 {
        it.store.fault("get", Fault::Refuse(ErrorKind::Unavailable));
    }
    it.store.get_file(it.request().parallel(4)).await.unwrap_err();
    assert_eq!(it.left(), ["film.mvi-part", "state"]);
    it.store.calls();
    it.store.fault("get", Fault::Cut);
    let _ = it.store.get_file(it.request().parallel(1)).await;
    it.store.fault("get", Fault::Cut);
    let _ = it.store.get_file(it.request().parallel(1)).await;
    let state = fs::read_to_string(it.path("state")).unwrap();
    let noted = state.lines().count() - 1;
    // A block of the file never arrived, and the last note is torn.
    let mut partial = fs::read(it.path("film.mvi-part")).unwrap();
    assert_eq!(partial.len(), LENGTH);
    partial[..4_096].fill(0);
    fs::write(it.path("film.mvi-part"), &partial).unwrap();
    fs::write(it.path("state"), format!("{state}{{\"part\":3,\"check")).unwrap();
    it.store.calls();
    it.store.get_file(it.request()).await.unwrap();
    it.is_whole();
    let gets = it.store.calls().iter().filter(|it| **it == "get").count();
    assert!(gets <= 4 && gets + noted >= 4, "{gets} reads, {noted} noted");
}

#[tokio::test]
async fn a_crash_before_the_state_was_removed_reads_nothing_again() {
    let it = Scene::new();
    it.store.fault("get", Fault::Cut);
    it.store.get_file(it.request().parallel(1)).await.unwrap_err();
    let header = fs::read_to_string(it.path("state")).unwrap();
    let header = header.lines().next().unwrap();
    it.store.get_file(it.request()).await.unwrap();
    let note = |part: usize| {
        let end = LENGTH.min((part + 1) << 20);
        let checksum = crate::blob::Crc32c::of(&it.bytes[part << 20..end]);
        format!("{{\"part\":{part},\"checksum\":\"{checksum}\"}}\n")
    };
    let notes: String = (0..4).map(note).collect();
    fs::write(it.path("state"), format!("{header}\n{notes}")).unwrap();
    it.store.calls();
    it.store.get_file(it.request()).await.unwrap();
    assert_eq!(it.store.calls(), ["head"]);
    it.is_whole();
}

#[tokio::test]
async fn an_object_that_is_another_by_now_is_read_anew() {
    let mut it = Scene::new();
    it.store.fault("get", Fault::Refuse(ErrorKind::Unavailable));
    it.store.get_file(it.request().parallel(1)).await.unwrap_err();
    it.bytes = noise(LENGTH, 3);
    it.store.set("film", it.bytes.clone());
    it.store.calls();
    it.store.get_file(it.request()).await.unwrap();
    assert_eq!(it.store.calls(), ["head", "get", "get", "get", "get"]);
    it.is_whole();
}

#[tokio::test]
async fn an_object_that_is_replaced_meanwhile_is_a_conflict() {
    let it = Scene::new();
    let store = it.store.clone();
    let request = it.request().parallel(1).progress(move |_| store.set("film", noise(LENGTH, 4)));
    let error = it.store.get_file(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(it.left(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_what_was_written_is_corrupt_and_no_file() {
    for with_state in [true, false] {
        for part_bytes in [PART, 8 << 20] {
            let it = Scene::new();
            it.store.fault("get", Fault::Flip);
            let mut request = it.request().part_bytes(part_bytes);
            if !with_state {
                request.state = None;
            }
            let error = it.store.get_file(request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert_eq!(it.left(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn without_a_state_nothing_is_left_of_what_failed() {
    let it = Scene::new();
    let mut request = it.request();
    request.state = None;
    it.store.fault("get", Fault::Cut);
    it.store.get_file(request.clone()).await.unwrap_err();
    assert_eq!(it.left(), Vec::<String>::new());
    for polls in 1.. {
        if killed(it.store.get_file(request.clone()), polls).await.is_some() {
            break;
        }
        // A file that a dropped call was just about to make may come late; it is removed as it comes.
        let left = it.left();
        assert!(left.iter().all(|it| it == "film"), "after {polls} polls: {left:?}");
        let _ = fs::remove_file(it.path("film"));
    }
    it.is_whole();
}

#[tokio::test]
async fn conditions_hold_and_no_state_that_is_none_is_touched() {
    let it = Scene::new();
    let tag = it.store.meta("film").unwrap().tag;
    let with = |change: &dyn Fn(Get) -> Get| {
        let mut request = it.request();
        request.get = change(request.get);
        request
    };
    let other = Tag::new("other");
    for request in
        [with(&|it| it.if_match(other.clone())), with(&|it| it.if_none_match(tag.clone()))]
    {
        let error = it.store.get_file(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    it.store.get_file(with(&|it| it.if_match(tag.clone()))).await.unwrap();
    it.store.get_file(with(&|it| it.if_none_match(other.clone()))).await.unwrap();
    it.store.calls();
    for request in [
        with(&|it| it.range(0..10)),
        it.request().part_bytes((1 << 20) - 1),
        it.request().parallel(0),
    ] {
        assert_eq!(it.store.get_file(request).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    fs::write(it.path("state"), "dear diary").unwrap();
    let error = it.store.get_file(it.request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(fs::read_to_string(it.path("state")).unwrap(), "dear diary");
    assert!(it.store.calls().is_empty());
}

#[tokio::test]
async fn more_than_was_said_is_corrupt_also_where_nothing_was_said() {
    for bytes in ["", "small"] {
        let it = Scene::new();
        it.store.set("film", bytes);
        it.store.fault("get", Fault::More);
        let error = it.store.get_file(it.request()).await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Corrupt, Applied::No));
        assert_eq!(it.left(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_would_never_fit_is_refused_before_it_is_read() {
    let it = Scene::new();
    it.store.claim("film", (1_000_000 << 20) + 1);
    let error = it.store.get_file(it.request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(it.store.calls(), ["head"]);
    fs::create_dir(it.path("film")).unwrap();
    let error = it.store.get_file(it.request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(it.store.calls().is_empty());
}

#[tokio::test]
async fn a_state_that_cannot_be_removed_does_not_undo_the_file() {
    let it = Scene::new();
    let state = it.path("state");
    let request = it.request().progress(move |it| {
        if it.done_bytes == it.total_bytes {
            fs::remove_file(&state).unwrap();
            fs::create_dir(&state).unwrap();
        }
    });
    let error = it.store.get_file(request).await.unwrap_err();
    assert_eq!(error.applied(), Applied::Yes);
    assert!(fs::read(it.path("film")).unwrap() == it.bytes);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_where_a_file_is_to_be_made_is_not_written_through() {
    use std::os::unix::fs::symlink;

    let it = Scene::new();
    let other = tempfile::tempdir().unwrap();
    let victim = other.path().join("victim");
    fs::write(&victim, "dear diary").unwrap();
    it.store.set("film", "small");
    symlink(&victim, it.path("film.mvi-part")).unwrap();
    it.store.get_file(it.request()).await.unwrap();
    assert_eq!(fs::read_to_string(it.path("film")).unwrap(), "small");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "dear diary");
    // Names that are nobody's are tried until one is.
    for next in 0..3_000 {
        let name = format!(".{}-{next}.mvi-part", std::process::id());
        symlink(&victim, it.path(&name)).unwrap();
    }
    let mut request = it.request();
    request.state = None;
    it.store.get_file(request).await.unwrap();
    assert_eq!(fs::read_to_string(it.path("film")).unwrap(), "small");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "dear diary");
    assert_eq!(it.left().len(), 3_001);
}

#[test]
fn what_is_made_for_a_call_that_was_dropped_goes_again() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    for bytes in ["small".into(), noise(LENGTH, 2)] {
        let it = Scene::new();
        it.store.set("film", bytes);
        let mut request = it.request();
        request.state = None;
        runtime.block_on(async {
            let (free, busy) = std::sync::mpsc::channel::<()>();
            let mut busy = Some(busy);
            let mut getting = Box::pin(it.store.get_file(request));
            let mut polls = 0;
            // Nothing can be made from when it is read on, and then it is dropped.
            while polls < 10 {
                assert!(futures::poll!(&mut getting).is_pending());
                tokio::task::yield_now().await;
                if it.store.has_called("head") {
                    polls += 1;
                    if let Some(busy) = busy.take() {
                        tokio::task::spawn_blocking(move || busy.recv());
                    }
                }
            }
            drop(getting);
            drop(free);
            // The one thread comes to what was queued before this.
            tokio::task::spawn_blocking(|| {}).await.unwrap();
        });
        assert_eq!(it.left(), Vec::<String>::new());
    }
}
