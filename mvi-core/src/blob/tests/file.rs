//! `put_file`: what is stored is not sent again, and what is not whole is never seen.

use std::{
    fs,
    future::poll_fn,
    path::PathBuf,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use tempfile::TempDir;

use super::{
    bucket, key, noise,
    store::{Fault, Store},
};
use crate::{
    Blob as _, BlobExt as _, ErrorKind,
    blob::{
        Crc32c, Get, GetFile, MAX_OBJECT_BYTES, MAX_PART_BYTES, MIN_PART_BYTES, Mode, Put, PutFile,
        StartUpload, file::disk::settled,
    },
};

const PART: usize = 5 << 20;
/// Two parts, and a little one.
const LENGTH: usize = 2 * PART + 7;

/// Polls a future so many times at most, and then drops it.
pub(super) async fn killed<F: Future>(future: F, mut polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

struct Scene {
    dir: TempDir,
    store: Store,
    bytes: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bytes = noise(LENGTH, 1);
        fs::write(dir.path().join("film"), &bytes).unwrap();
        Self { dir, store: Store::new(), bytes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn request(&self) -> PutFile {
        let put = Put::new(bucket(), key("film"));
        PutFile::new(put, self.path("film")).state(self.path("state")).part_bytes(MIN_PART_BYTES)
    }

    fn is_whole(&self) {
        assert!(self.store.bytes("film").unwrap() == self.bytes, "the object is the file");
    }

    /// Whether all is done, be it that nobody was told: who asks again then wants it written again.
    async fn is_done(&self) -> bool {
        settled().await;
        self.store.bytes("film").is_some() && !self.path("state").exists()
    }

    fn is_clean(&self) {
        assert_eq!(self.store.uploads_now(), []);
        let left: Vec<_> =
            fs::read_dir(self.dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["film"]);
    }
}

#[tokio::test]
async fn a_large_file_goes_in_parts_and_leaves_nothing_behind() {
    let it = Scene::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let request = it.request().progress(move |it| told.lock().unwrap().push(it));
    let meta = it.store.put_file(request).await.unwrap();
    assert_eq!(meta.checksum, Some(Crc32c::of(&it.bytes)));
    it.is_whole();
    it.is_clean();
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|it| it.total_bytes == LENGTH as u64));
    assert!(seen.is_sorted_by_key(|it| it.done_bytes), "{seen:?}");
    assert_eq!(seen[2].done_bytes, LENGTH as u64);
    let calls = it.store.calls();
    let parts = ["upload_part"; 3];
    assert_eq!(calls, [&["start_upload"][..], &parts, &["complete_upload"]].concat());
}

#[tokio::test]
async fn a_small_file_goes_in_one_call_without_a_state() {
    let it = Scene::new();
    fs::write(it.path("film"), "small").unwrap();
    it.store.put_file(it.request()).await.unwrap();
    assert_eq!(it.store.bytes("film").unwrap(), "small");
    assert_eq!(it.store.calls(), ["put"]);
    it.is_clean();
    fs::write(it.path("film"), "").unwrap();
    it.store.put_file(it.request()).await.unwrap();
    assert_eq!(it.store.bytes("film").unwrap(), "");
}

#[tokio::test]
async fn given_up_at_any_point_it_goes_on_and_sends_nothing_twice() {
    let mut kills = 0;
    for polls in 1.. {
        let it = Scene::new();
        let first = killed(it.store.put_file(it.request().parallel(2)), polls).await;
        if let Some(done) = first {
            done.unwrap();
            it.is_whole();
            it.is_clean();
            break;
        }
        kills += 1;
        // A reader sees all or nothing.
        assert!(it.store.bytes("film").is_none_or(|found| found == it.bytes));
        // And once more, somewhere else.
        let mut left = polls * 7 % 41 + 1;
        while !it.is_done().await {
            if let Some(done) = killed(it.store.put_file(it.request()), left).await {
                done.unwrap();
            }
            left = usize::MAX;
        }
        it.is_whole();
        let mut stored = it.store.stored();
        let all = stored.len();
        stored.sort();
        stored.dedup();
        // Each part once, and all of one upload: one that nobody wrote down got none.
        assert_eq!((all, stored.len()), (3, 3), "after {polls} polls: {stored:?}");
        // What is left is an upload whose start was never answered, or not written down in time.
        let uploads = it.store.uploads_now();
        assert!(uploads.len() <= 2, "{uploads:?}");
        for orphan in uploads {
            let parts: Vec<_> = futures::StreamExt::collect(it.store.parts(&orphan)).await;
            assert!(parts.is_empty(), "{parts:?}");
        }
        assert!(!it.path("state").exists());
    }
    assert!(kills > 8, "{kills} points to give up at");
}

#[tokio::test]
async fn an_upload_that_was_completed_before_the_crash_is_found_again() {
    for mode in [Mode::Always, Mode::IfAbsent] {
        let it = Scene::new();
        let mut request = it.request();
        request.put = request.put.mode(mode.clone());
        it.store.fault("complete_upload", Fault::Lose);
        let error = it.store.put_file(request.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(it.path("state").exists());
        let made = it.store.meta("film").unwrap();
        it.store.calls();
        assert_eq!(it.store.put_file(request).await.unwrap(), made, "{mode:?}");
        assert_eq!(it.store.calls(), ["parts", "complete_upload"]);
        it.is_clean();
    }
}

#[tokio::test]
async fn an_upload_whose_object_was_replaced_begins_anew() {
    let it = Scene::new();
    it.store.fault("complete_upload", Fault::Lose);
    it.store.put_file(it.request()).await.unwrap_err();
    it.store.set("film", "another's");
    it.store.put_file(it.request()).await.unwrap();
    it.is_whole();
    it.is_clean();
}

#[tokio::test]
async fn an_upload_that_was_aborted_begins_anew() {
    let it = Scene::new();
    it.store.fault("complete_upload", Fault::Refuse(ErrorKind::Unavailable));
    it.store.put_file(it.request()).await.unwrap_err();
    let upload = it.store.uploads_now().remove(0);
    it.store.abort_upload(&upload).await.unwrap();
    it.store.put_file(it.request()).await.unwrap();
    it.is_whole();
    it.is_clean();
}

#[tokio::test]
async fn a_part_that_is_not_as_the_file_has_it_is_sent_again() {
    for damage in [noise(PART, 99), noise(PART - 1, 1)] {
        let it = Scene::new();
        it.store.fault("complete_upload", Fault::Refuse(ErrorKind::Unavailable));
        it.store.put_file(it.request()).await.unwrap_err();
        it.store.damage(2, damage);
        it.store.put_file(it.request()).await.unwrap();
        let numbers: Vec<_> = it.store.stored().into_iter().map(|it| it.1).collect();
        assert_eq!(numbers[3..], [2]);
        it.is_whole();
    }
}

#[tokio::test]
async fn where_parts_have_no_checksums_that_of_the_whole_tells() {
    let it = Scene::new();
    it.store.forget_checksums();
    it.store.fault("complete_upload", Fault::Refuse(ErrorKind::Unavailable));
    it.store.put_file(it.request()).await.unwrap_err();
    // Nothing is sent again.
    let twin = it.store.clone();
    it.store.put_file(it.request()).await.unwrap();
    assert_eq!(twin.stored().len(), 3);
    it.is_whole();
}

#[tokio::test]
async fn a_state_of_something_else_is_not_used_and_its_upload_is_aborted() {
    type Change = fn(&Scene, PutFile) -> PutFile;
    let changes: [(&str, Change); 5] = [
        ("another file", |it, request| {
            fs::write(it.path("film"), noise(LENGTH + 1, 1)).unwrap();
            request
        }),
        ("written since", |it, request| {
            fs::write(it.path("film"), &it.bytes).unwrap();
            let file = fs::File::options().write(true).open(it.path("film")).unwrap();
            let before = file.metadata().unwrap().modified().unwrap();
            file.set_modified(before - std::time::Duration::from_secs(1)).unwrap();
            request
        }),
        ("another key", |_, mut request| {
            request.put.key = key("other");
            request
        }),
        ("other settings", |_, mut request| {
            request.put = request.put.content_type("video/mp4");
            request
        }),
        ("other parts", |_, request| request.part_bytes(MIN_PART_BYTES + 1)),
    ];
    for (what, change) in changes {
        let it = Scene::new();
        it.store.fault("complete_upload", Fault::Refuse(ErrorKind::Unavailable));
        it.store.put_file(it.request()).await.unwrap_err();
        let before = it.store.uploads_now().remove(0);
        it.store.calls();
        let request = change(&it, it.request());
        let key = request.put.key.to_string();
        it.store.put_file(request).await.unwrap();
        assert_eq!(it.store.calls()[..2], ["abort_upload", "start_upload"], "{what}");
        assert!(!it.store.uploads_now().contains(&before), "{what}");
        assert!(it.store.bytes(&key).unwrap() == fs::read(it.path("film")).unwrap(), "{what}");
        it.is_clean();
    }
}

#[tokio::test]
async fn a_state_of_another_version_is_not_used_and_its_upload_is_aborted() {
    let it = Scene::new();
    it.store.fault("complete_upload", Fault::Refuse(ErrorKind::Unavailable));
    it.store.put_file(it.request()).await.unwrap_err();
    let state = fs::read_to_string(it.path("state")).unwrap();
    assert!(state.contains("\"version\":1"), "{state}");
    fs::write(it.path("state"), state.replace("\"version\":1", "\"version\":2")).unwrap();
    it.store.calls();
    it.store.put_file(it.request()).await.unwrap();
    assert_eq!(it.store.calls()[..2], ["abort_upload", "start_upload"]);
    it.is_whole();
    it.is_clean();
}

#[tokio::test]
async fn a_state_file_that_is_none_is_refused_and_kept() {
    for text in ["dear diary", "{\"format\":\"mvi put_fi", "{}", "[1]"] {
        let it = Scene::new();
        fs::write(it.path("state"), text).unwrap();
        let error = it.store.put_file(it.request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("remove this one"), "{error}");
        assert_eq!(fs::read_to_string(it.path("state")).unwrap(), text);
        assert!(it.store.calls().is_empty());
    }
    // An empty one is none.
    let it = Scene::new();
    fs::write(it.path("state"), "").unwrap();
    it.store.put_file(it.request()).await.unwrap();
    it.is_clean();
}

#[tokio::test]
async fn a_state_has_nothing_of_what_is_written_on_the_object() {
    let it = Scene::new();
    it.store.fault("complete_upload", Fault::Refuse(ErrorKind::Unavailable));
    let mut request = it.request();
    request.put = request.put.metadata("owner", "ann-of-green-gables").unwrap();
    it.store.put_file(request).await.unwrap_err();
    let state = fs::read_to_string(it.path("state")).unwrap();
    assert!(!state.contains("gables"), "{state}");
    assert!(state.len() < 1_024, "it is small: {state}");
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_sent_is_never_an_object() {
    let it = Scene::new();
    let path = it.path("film");
    let touched = path.clone();
    let request = it.request().parallel(1).progress(move |it| {
        if it.done_bytes < it.total_bytes {
            // In place, and no longer than before.
            let file = fs::File::options().write(true).open(&touched).unwrap();
            std::io::Write::write_all(&mut &file, b"torn").unwrap();
            let before = file.metadata().unwrap().modified().unwrap();
            file.set_modified(before + std::time::Duration::from_secs(2)).unwrap();
        }
    });
    let error = it.store.put_file(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().ends_with("changed while it was sent"), "{error}");
    assert!(!error.may_have_applied());
    it.is_clean();
    assert_eq!(it.store.bytes("film"), None);
}

#[tokio::test]
async fn a_file_that_becomes_shorter_while_it_is_sent_is_never_an_object() {
    let it = Scene::new();
    let path = it.path("film");
    let request = it.request().parallel(1).progress(move |_| {
        fs::File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
    });
    let error = it.store.put_file(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    it.is_clean();
    assert_eq!(it.store.bytes("film"), None);
}

#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_sent_goes_as_it_was() {
    let it = Scene::new();
    let (path, other) = (it.path("film"), it.path("other"));
    let request = it.request().parallel(1).progress(move |_| {
        fs::write(&other, "other").unwrap();
        fs::rename(&other, &path).unwrap();
    });
    it.store.put_file(request).await.unwrap();
    it.is_whole();
}

#[tokio::test]
async fn what_cannot_be_gone_on_with_is_given_up() {
    // Without a state; and with one, where another has won.
    for (state, mode, fault, kind) in [
        (None, Mode::Always, Some("upload_part"), ErrorKind::Unavailable),
        (None, Mode::Always, Some("complete_upload"), ErrorKind::Unavailable),
        (Some("state"), Mode::IfAbsent, None, ErrorKind::Conflict),
    ] {
        let it = Scene::new();
        it.store.set("film", "before");
        if let Some(op) = fault {
            it.store.fault(op, Fault::Refuse(kind));
        }
        let mut request = it.request();
        request.state = state.map(|state| it.path(state));
        request.put = request.put.mode(mode);
        let error = it.store.put_file(request).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(it.store.bytes("film").unwrap(), "before");
        it.is_clean();
    }
}

#[tokio::test]
async fn another_checksum_than_the_caller_has_is_corrupt() {
    let it = Scene::new();
    let mut request = it.request();
    request.put = request.put.checksum(Crc32c::of(b"other"));
    let error = it.store.put_file(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!error.may_have_applied());
    it.is_clean();
}

#[tokio::test]
async fn nothing_is_left_where_the_state_cannot_be_written() {
    let it = Scene::new();
    let request = it.request().state(it.path("no such folder").join("state"));
    let error = it.store.put_file(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!((error.op(), error.resource()), ("blob.put_file", bucket().as_str()));
    it.is_clean();
}

#[tokio::test]
async fn a_request_is_checked_before_anything_is_sent() {
    let it = Scene::new();
    for request in [
        it.request().part_bytes(MIN_PART_BYTES - 1),
        it.request().part_bytes((5 << 30) + 1),
        it.request().parallel(0),
        it.request().parallel(257),
        PutFile::new(it.request().put, it.dir.path()),
        PutFile::new(it.request().put, it.path("no such file")),
    ] {
        let error = it.store.put_file(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert!(it.store.calls().is_empty());
}

#[tokio::test]
async fn others_uploads_of_the_same_key_are_left_alone() {
    let it = Scene::new();
    let theirs = it.store.start_upload(StartUpload::new(bucket(), key("film"))).await.unwrap();
    it.store.put_file(it.request()).await.unwrap();
    assert_eq!(it.store.uploads_now(), [theirs]);
}

/// Writes into a file as it is, so that it has another time.
fn tear(path: &std::path::Path) {
    let file = fs::File::options().write(true).open(path).unwrap();
    let end = file.metadata().unwrap().len() - 4;
    std::io::Seek::seek(&mut &file, std::io::SeekFrom::Start(end)).unwrap();
    std::io::Write::write_all(&mut &file, b"torn").unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    file.set_modified(before + std::time::Duration::from_secs(2)).unwrap();
}

#[tokio::test]
async fn in_one_call_too_a_file_is_never_torn() {
    for length in [1_000, 9 << 20] {
        let mut it = Scene::new();
        it.bytes.truncate(length);
        fs::write(it.path("film"), &it.bytes).unwrap();
        let (path, other) = (it.path("film"), it.path("other"));
        fs::write(&other, noise(length, 9)).unwrap();
        it.store.meanwhile(move || fs::rename(&other, &path).unwrap());
        it.store.put_file(it.request().part_bytes(MAX_PART_BYTES)).await.unwrap();
        it.is_whole();
        it.is_clean();
    }
    let mut it = Scene::new();
    it.bytes.truncate(9 << 20);
    fs::write(it.path("film"), &it.bytes).unwrap();
    let path = it.path("film");
    it.store.meanwhile(move || tear(&path));
    let error = it.store.put_file(it.request().part_bytes(MAX_PART_BYTES)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().ends_with("changed while it was sent"), "{error}");
    assert_eq!(it.store.bytes("film"), None);
}

#[tokio::test]
async fn what_would_never_fit_is_refused_before_anything_is_sent() {
    for bytes in [MAX_OBJECT_BYTES + 1, 10_000 * MIN_PART_BYTES + 1] {
        let it = Scene::new();
        fs::File::create(it.path("film")).unwrap().set_len(bytes).unwrap();
        // It would take a while to find out otherwise.
        it.store.fault("start_upload", Fault::Refuse(ErrorKind::Unavailable));
        let error = it.store.put_file(it.request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(it.store.calls().is_empty());
    }
}

#[tokio::test]
async fn an_object_of_a_file_that_was_rewritten_since_is_not_taken_for_it() {
    let mut it = Scene::new();
    it.store.fault("complete_upload", Fault::Lose);
    it.store.put_file(it.request()).await.unwrap_err();
    let before = fs::metadata(it.path("film")).unwrap().modified().unwrap();
    it.bytes = noise(LENGTH, 5);
    fs::write(it.path("film"), &it.bytes).unwrap();
    let file = fs::File::options().write(true).open(it.path("film")).unwrap();
    file.set_modified(before).unwrap();
    it.store.put_file(it.request()).await.unwrap();
    it.is_whole();
    it.is_clean();
}

#[tokio::test]
async fn a_part_that_the_bucket_loses_is_sent_again() {
    let it = Scene::new();
    let store = it.store.clone();
    let request = it.request().progress(move |it| {
        if it.done_bytes == it.total_bytes {
            store.damage(2, noise(PART, 99));
        }
    });
    it.store.put_file(request).await.unwrap();
    let mut numbers: Vec<_> = it.store.stored().into_iter().map(|it| it.1).collect();
    assert_eq!(numbers.split_off(3), [2]);
    it.is_whole();
    it.is_clean();
    // Where nothing is lost there is nothing to mend.
    it.store.fault("complete_upload", Fault::Refuse(ErrorKind::Invalid));
    let error = it.store.put_file(it.request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    it.is_clean();
}

#[tokio::test]
async fn a_state_with_other_parts_than_there_can_be_is_not_used() {
    for parts in ["0", "1", "18446744073709551615"] {
        let it = Scene::new();
        it.store.fault("complete_upload", Fault::Refuse(ErrorKind::Unavailable));
        it.store.put_file(it.request()).await.unwrap_err();
        let state = fs::read_to_string(it.path("state")).unwrap();
        let other = state.replace("\"part_bytes\":5242880", &format!("\"part_bytes\":{parts}"));
        assert_ne!(state, other);
        fs::write(it.path("state"), other).unwrap();
        it.store.calls();
        let mut request = it.request();
        request.part_bytes = None;
        it.store.put_file(request).await.unwrap();
        assert_eq!(it.store.calls()[..2], ["abort_upload", "start_upload"]);
        it.is_whole();
        it.is_clean();
    }
}

#[tokio::test]
async fn a_state_is_not_the_file_itself() {
    let it = Scene::new();
    fs::write(it.path("x.mvi-part"), "x").unwrap();
    let (film, put, get) = (it.path("film"), it.request().put, Get::new(bucket(), key("film")));
    for (path, state) in [
        (film.clone(), film.clone()),
        (film.clone(), it.path("film.mvi-part")),
        (it.path("x.mvi-part"), it.path("x")),
        (film.clone(), it.dir.path().join(".").join("film")),
    ] {
        let up = PutFile::new(put.clone(), &path).state(&state);
        let down = GetFile::new(get.clone(), &path).state(&state);
        for refused in [up.check(), down.check()] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains("can't be the state"), "{error}");
        }
    }
    PutFile::new(put, film).state("film.state").check().unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_is_no_file_and_is_not_waited_for() {
    let it = Scene::new();
    let path = it.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let sent = it.store.put_file(PutFile::new(it.request().put, &path));
    let sent = tokio::time::timeout(std::time::Duration::from_secs(3), sent).await;
    // Where it was waited for, this ends it.
    drop(fs::File::options().read(true).write(true).open(path).unwrap());
    assert_eq!(sent.expect("it is not waited for").unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_state_whose_upload_cannot_be_aborted_is_in_nobodys_way() {
    for (kind, goes_on) in [(ErrorKind::Forbidden, true), (ErrorKind::Unavailable, false)] {
        let it = Scene::new();
        it.store.fault("complete_upload", Fault::Refuse(ErrorKind::Unavailable));
        it.store.put_file(it.request()).await.unwrap_err();
        it.store.fault("abort_upload", Fault::Refuse(kind));
        let other = it.request().part_bytes(MIN_PART_BYTES + 1);
        let outcome = it.store.put_file(other).await;
        assert_eq!(outcome.map_err(|e| e.kind()).err(), (!goes_on).then_some(kind));
        assert_eq!(it.path("state").exists(), !goes_on);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_beside_a_state_is_not_written_through() {
    let it = Scene::new();
    let victim = it.dir.path().join("victim");
    fs::write(&victim, "dear diary").unwrap();
    std::os::unix::fs::symlink(&victim, it.path("state.mvi-part")).unwrap();
    it.store.put_file(it.request()).await.unwrap();
    assert_eq!(fs::read_to_string(victim).unwrap(), "dear diary");
    it.is_whole();
}
