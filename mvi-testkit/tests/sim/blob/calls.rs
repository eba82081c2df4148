//! Each call in calm weather.

use std::num::NonZeroU32;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use mvi_core::{
    Applied, Blob, BlobExt as _, Error, ErrorKind, Labels,
    blob::{
        Bucket, Complete, Copy, Crc32c, CreateBucket, Delete, DeleteMany, Encryption, Head, List,
        Mode, Part, Properties, Source, StartUpload, Tag, Target, Upload, VersionId, VersionState,
        Versioning, Versions,
    },
};
use mvi_testkit::{Sim, Weather};

use super::{
    all, bucket, get_of, key, least_part, listed, once, part, pattern, put_to, replay, sim_in,
    text, versions, write,
};
use crate::simulated;

/// Runs `test` with a bucket in calm weather, without a cloud around it.
fn calm<F: Future<Output = ()>>(test: impl FnOnce(mvi_testkit::SimBlob) -> F + Send + 'static) {
    simulated(move || async move {
        let blob = mvi_testkit::blob();
        blob.create_bucket(CreateBucket::new(bucket())).await.unwrap();
        test(blob).await;
    });
}

#[test]
fn ten_thousand_keys_are_listed_by_every_size_of_page() {
    calm(|blob| async move {
        let keys: Vec<String> = (0..10_000).map(|n| format!("{n:05}")).collect();
        for key in &keys {
            write(&blob, key, "").await;
        }
        for page in 1..=1_000 {
            let mut listed = blob.list(List::new(bucket()).page(NonZeroU32::new(page).unwrap()));
            let mut left = keys.iter();
            while let Some(entry) = listed.try_next().await.unwrap() {
                assert_eq!(Some(entry.as_str()), left.next().map(String::as_str), "of {page}");
            }
            assert_eq!(left.next(), None, "of {page}");
        }
    });
}

fn kind<T: std::fmt::Debug>(answer: Result<T, Error>) -> ErrorKind {
    answer.unwrap_err().kind()
}

#[test]
fn a_bucket_is_its_settings() {
    calm(|blob| async move {
        let first = blob.bucket(&bucket()).await.unwrap();
        let again = blob.create_bucket(CreateBucket::new(bucket())).await.unwrap();
        assert_eq!(again, first);
        let labels = Labels::new().with("app", "links").unwrap();
        let other = CreateBucket::new(bucket()).labels(labels.clone());
        assert_eq!(kind(blob.create_bucket(other).await), ErrorKind::AlreadyExists);

        let name = mvi_core::BucketName::new("acme-7f3-more").unwrap();
        blob.create_bucket(CreateBucket::new(name.clone()).labels(labels.clone())).await.unwrap();
        let found: Vec<Bucket> = blob.list_buckets(labels).try_collect().await.unwrap();
        assert_eq!(found.iter().map(|it| &it.name).collect::<Vec<_>>(), [&name]);
        assert_eq!(blob.list_buckets(Labels::new()).count().await, 2);

        write(&blob, "a", "a").await;
        assert_eq!(kind(blob.delete_bucket(&bucket()).await), ErrorKind::Conflict);
        blob.delete(Delete::new(bucket(), key("a"))).await.unwrap();
        blob.start_upload(StartUpload::new(bucket(), key("u"))).await.unwrap();
        blob.delete_bucket(&bucket()).await.unwrap();
        blob.delete_bucket(&bucket()).await.unwrap();
        assert_eq!(kind(blob.bucket(&bucket()).await), ErrorKind::NotFound);
        blob.create_bucket(CreateBucket::new(bucket())).await.unwrap();
        assert_eq!(blob.uploads(&bucket()).count().await, 0, "it is a new one");
    });
}

#[test]
fn every_body_is_stored_as_it_is() {
    calm(|blob| async move {
        let bytes = pattern(700_001);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let pieces = |size| bytes.chunks(size).map(|it| Ok(Bytes::copy_from_slice(it))).collect();
        let bodies = [
            ("bytes", bytes.clone().into()),
            ("file", mvi_core::blob::Body::File(file.path().to_owned())),
            ("replay", replay(bytes.clone(), 300_000)),
            ("once, small pieces", once(pieces(777))),
            ("once, large pieces", once(pieces(400_000))),
        ];
        for (name, body) in bodies {
            let meta = blob.put(put_to(name), body).await.unwrap();
            assert_eq!((meta.size, meta.checksum), (700_001, Some(Crc32c::of(&bytes))), "{name}");
            assert!(text(&blob, name).await.unwrap() == bytes, "{name}");
            let range = get_of(name).range(299_000..400_001);
            let range = blob.get_bytes(range, 1 << 20).await.unwrap();
            assert!(range == bytes.slice(299_000..400_001), "{name}");
        }
        blob.put(put_to("empty"), once(vec![])).await.unwrap();
        assert!(text(&blob, "empty").await.unwrap().is_empty());
    });
}

#[test]
fn what_goes_wrong_with_a_body_changes_nothing() {
    calm(|blob| async move {
        let broken = || once(vec![Ok("half".into()), Err(Error::invalid("it broke"))]);
        let error = blob.put(put_to("a"), broken()).await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Invalid, Applied::No));
        assert_eq!((error.op(), error.resource()), ("blob.put", bucket().as_str()));
        let error = blob.put(put_to("a").checksum(Crc32c::of(b"other")), "this".into()).await;
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Corrupt, Applied::No));
        assert!(all(&blob).await.is_empty());

        let upload = blob.start_upload(StartUpload::new(bucket(), key("a"))).await.unwrap();
        let error = blob.upload_part(&upload, part(1), broken()).await;
        assert_eq!(kind(error), ErrorKind::Invalid);
        let two = 2 * mvi_core::blob::MAX_COLLECTED_BYTES / 3;
        let large = once((0..2).map(|_| Ok(Bytes::from(vec![0; two]))).collect());
        assert_eq!(kind(blob.upload_part(&upload, part(1), large).await), ErrorKind::Invalid);
        assert_eq!(blob.parts(&upload).count().await, 0);
    });
}

#[test]
fn a_mode_is_decided_at_the_write() {
    calm(|blob| async move {
        let put = |mode| blob.put(put_to("a").mode(mode), "x".into());
        let tag = Tag::new("tag-of-nothing");
        assert_eq!(kind(put(Mode::IfMatch(tag.clone())).await), ErrorKind::Conflict);
        let first = put(Mode::IfAbsent).await.unwrap();
        assert_eq!(kind(put(Mode::IfAbsent).await), ErrorKind::Conflict);
        assert_eq!(kind(put(Mode::IfMatch(tag)).await), ErrorKind::Conflict);
        let second = put(Mode::IfMatch(first.tag.clone())).await.unwrap();
        assert_ne!(second.tag, first.tag, "a tag is of one write, whatever it writes");
        assert_eq!(kind(put(Mode::IfMatch(first.tag)).await), ErrorKind::Conflict);
        assert_eq!(blob.head(Head::new(bucket(), key("a"))).await.unwrap(), second);
    });
}

#[test]
fn all_that_is_known_of_an_object_is_told() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        sim.sleep(super::super::seconds(5)).await.unwrap();
        let put = put_to("a").content_type("text/plain").metadata("owner", "ann").unwrap();
        let put_meta = sim.blob.put_bytes(put.clone(), "hello").await.unwrap();
        assert_eq!((put_meta.size, &put_meta.properties), (5, &put.properties));
        assert_eq!((put_meta.checksum, &put_meta.version), (Some(Crc32c::of(b"hello")), &None));
        assert_eq!(put_meta.modified, Some(sim.now()));
        assert_eq!(sim.blob.head(Head::new(bucket(), key("a"))).await.unwrap(), put_meta);
        let object = sim.blob.get(get_of("a").range(1..3)).await.unwrap();
        assert_eq!((&object.meta, object.range.clone()), (&put_meta, 1..3));
        assert_eq!(object.bytes(9).await.unwrap(), "el");

        let of_mine = put_to("b").encryption(Encryption::Key("mine".into()));
        let error = sim.blob.put_bytes(of_mine, "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("Crypto"), "{error}");
    });
}

#[test]
fn a_read_is_of_what_it_asks_for() {
    calm(|blob| async move {
        let meta = write(&blob, "a", "0123456789").await;
        let (same, other) = (meta.tag, Tag::new("tag-other"));
        assert!(blob.get(get_of("a").if_match(same.clone())).await.is_ok());
        assert_eq!(kind(blob.get(get_of("a").if_match(other.clone())).await), ErrorKind::Conflict);
        assert!(blob.get(get_of("a").if_none_match(other)).await.is_ok());
        assert_eq!(kind(blob.get(get_of("a").if_none_match(same)).await), ErrorKind::Conflict);
        assert_eq!(kind(blob.get(get_of("a").range(10..)).await), ErrorKind::Invalid);
        assert_eq!(blob.get_bytes(get_of("a").range(8..99), 9).await.unwrap(), "89");
        assert_eq!(kind(blob.get(get_of("b")).await), ErrorKind::NotFound);
        let version = VersionId::new("7");
        assert_eq!(kind(blob.get(get_of("a").version(version)).await), ErrorKind::NotFound);
        // What no header carries is no version and no tag.
        let odd = || VersionId::new("7\r\nx: y");
        let head = Head::new(bucket(), key("a")).version(odd());
        assert_eq!(kind(blob.head(head).await), ErrorKind::Invalid);
        let targets = [key("a").into(), Target { key: key("a"), version: Some(odd()) }];
        let removed = blob.delete_many(DeleteMany::new(bucket(), targets)).await;
        assert_eq!(kind(removed), ErrorKind::Invalid);
        assert_eq!(text(&blob, "a").await.unwrap(), "0123456789");
    });
}

#[test]
fn a_body_is_of_the_object_that_was_opened() {
    calm(|blob| async move {
        write(&blob, "a", "old").await;
        let whole = blob.get(get_of("a")).await.unwrap();
        let range = blob.get(get_of("a").range(1..3)).await.unwrap();
        write(&blob, "a", "new").await;
        blob.delete(Delete::new(bucket(), key("a"))).await.unwrap();
        assert_eq!(whole.bytes(9).await.unwrap(), "old");
        assert_eq!(range.bytes(9).await.unwrap(), "ld");
    });
}

#[test]
fn a_list_is_sorted_folded_and_begins_where_it_is_told() {
    calm(|blob| async move {
        for name in ["b", "a/x/1", "a/x/2", "a/y", "a-", "a", "ä", "a/", "é/1", "é/2", "z"] {
            write(&blob, name, "").await;
        }
        let list = || List::new(bucket());
        let sorted = ["a", "a-", "a/", "a/x/1", "a/x/2", "a/y", "b", "z", "ä", "é/1", "é/2"];
        let folded = ["a", "a-", "a/", "b", "z", "ä", "é/"];
        for page in [1, 2, 3, 100] {
            let list = || list().page(NonZeroU32::new(page).unwrap());
            assert_eq!(listed(&blob, list()).await, sorted);
            assert_eq!(listed(&blob, list().delimiter("/")).await, folded);
            let inside = list().prefix("a/").delimiter("/");
            assert_eq!(listed(&blob, inside).await, ["a/", "a/x/", "a/y"]);
            assert_eq!(listed(&blob, list().limit(3)).await, sorted[..3]);
            assert!(listed(&blob, list().limit(0)).await.is_empty());
            for after in ["", "a", "a-", "a.", "a/", "a/x/", "a/x/1", "b", "é/", "é/1", "zz"] {
                let behind = |all: &[&str]| {
                    all.iter()
                        .filter(|it| **it > after)
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                };
                let plain = list().start_after(after);
                assert_eq!(listed(&blob, plain.clone()).await, behind(&sorted), "{after}");
                assert_eq!(listed(&blob, plain.delimiter("/")).await, behind(&folded), "{after}");
            }
        }
        let nowhere = List::new(mvi_core::BucketName::new("acme-7f3-none").unwrap());
        let error = blob.list(nowhere).next().await.unwrap();
        assert_eq!(kind(error), ErrorKind::NotFound);
    });
}

#[test]
fn a_list_loses_nothing_that_is_there_throughout() {
    calm(|blob| async move {
        for n in 0..20 {
            write(&blob, &format!("{n:02}"), "").await;
        }
        let mut entries = blob.list(List::new(bucket()).page(NonZeroU32::new(3).unwrap()));
        let mut seen = Vec::new();
        while let Some(entry) = entries.try_next().await.unwrap() {
            seen.push(entry.as_str().to_owned());
            if seen.len() % 2 == 0 {
                // What was just read goes, and something comes before it.
                blob.delete(Delete::new(bucket(), key(entry.as_str()))).await.unwrap();
                write(&blob, &format!("{}-", seen[0]), "").await;
            }
        }
        let old: Vec<_> = seen.iter().filter(|it| it.len() == 2).collect();
        assert_eq!(old.len(), 20, "{seen:?}");
        assert!(seen.is_sorted(), "{seen:?}");
    });
}

#[test]
fn versions_are_kept_while_versioning_is_on() {
    calm(|blob| async move {
        let put = |text: &'static str| blob.put_bytes(put_to("a"), text);
        assert_eq!(put("0").await.unwrap().version, None);
        blob.set_versioning(&bucket(), Versioning::On).await.unwrap();
        let one = put("1").await.unwrap().version.unwrap();
        let two = put("2").await.unwrap().version.unwrap();
        blob.delete(Delete::new(bucket(), key("a"))).await.unwrap();
        assert_eq!(kind(text(&blob, "a").await), ErrorKind::NotFound);
        assert!(all(&blob).await.is_empty());
        let three = put("3").await.unwrap().version.unwrap();

        let found = versions(&blob).await;
        let states: Vec<_> = found.iter().map(|it| it.state).collect();
        assert_eq!(states[0], VersionState::Current);
        assert_eq!(states[1..], [VersionState::Noncurrent; 3]);
        let ids: Vec<_> = found.iter().map(|it| &it.version).collect();
        assert_eq!(ids[..3], [&three, &two, &one]);
        for (id, text) in [(&one, "1"), (&two, "2"), (&three, "3"), (ids[3], "0")] {
            let get = get_of("a").version(id.clone());
            assert_eq!(blob.get_bytes(get, 9).await.unwrap(), text);
            let mut head = Head::new(bucket(), key("a"));
            head.version = Some(id.clone());
            assert_eq!(blob.head(head).await.unwrap().version.as_ref(), Some(id));
        }
        let mut gone = Delete::new(bucket(), key("a"));
        gone.version = Some(two.clone());
        blob.delete(gone.clone()).await.unwrap();
        blob.delete(gone).await.unwrap();
        assert_eq!(kind(blob.get(get_of("a").version(two)).await), ErrorKind::NotFound);
        let mut current = Delete::new(bucket(), key("a"));
        current.version = Some(three);
        blob.delete(current).await.unwrap();
        assert_eq!(kind(text(&blob, "a").await), ErrorKind::NotFound, "none comes back");
        assert_eq!(kind(blob.delete_bucket(&bucket()).await), ErrorKind::Conflict);

        blob.set_versioning(&bucket(), Versioning::Off).await.unwrap();
        put("4").await.unwrap();
        put("5").await.unwrap();
        assert_eq!(versions(&blob).await.len(), 3, "5, and what was kept before");
    });
}

#[test]
fn versions_page_amid_a_key() {
    calm(|blob| async move {
        blob.set_versioning(&bucket(), Versioning::On).await.unwrap();
        for name in ["a", "b", "b/c"] {
            for _ in 0..7 {
                write(&blob, name, "x").await;
            }
        }
        let whole = versions(&blob).await;
        assert_eq!(whole.len(), 21);
        for page in 1..10 {
            let paged = Versions::new(bucket()).page(NonZeroU32::new(page).unwrap());
            let paged: Vec<_> = blob.versions(paged).try_collect().await.unwrap();
            assert_eq!(paged, whole);
        }
        let some = Versions::new(bucket()).prefix("b/");
        let some: Vec<_> = blob.versions(some).try_collect().await.unwrap();
        assert_eq!(some, whole[14..]);
    });
}

async fn parts_of(blob: &dyn Blob, upload: &Upload) -> Vec<Part> {
    let mut parts = Vec::new();
    for number in [2, 1] {
        parts.push(blob.upload_part(upload, part(number), least_part().into()).await.unwrap());
    }
    parts.push(blob.upload_part(upload, part(7), "end".into()).await.unwrap());
    parts.sort_by_key(|it| it.number);
    parts
}

#[test]
fn an_upload_is_seen_when_it_is_complete() {
    calm(|blob| async move {
        let start = StartUpload::new(bucket(), key("film")).content_type("video/mp4");
        let upload = blob.start_upload(start).await.unwrap();
        let parts = parts_of(&blob, &upload).await;
        let stored: Vec<Part> = blob.parts(&upload).try_collect().await.unwrap();
        assert_eq!(stored, parts);
        let again = blob.upload_part(&upload, part(7), "END".into()).await.unwrap();
        let mut under_way: Vec<Upload> = blob.uploads(&bucket()).try_collect().await.unwrap();
        let found = under_way.pop().unwrap();
        assert_eq!((&found.key, &found.id, found.nonce), (&upload.key, &upload.id, None));
        assert!(all(&blob).await.is_empty());

        let whole = [least_part(), least_part(), "END".into()].concat();
        let old = blob.complete_upload(Complete::new(upload.clone(), parts.clone())).await;
        assert_eq!(kind(old), ErrorKind::Invalid, "part 7 was replaced");
        let complete =
            Complete::new(upload.clone(), vec![parts[0].clone(), parts[1].clone(), again]);
        let wrong = complete.clone().checksum(Crc32c::of(b"other"));
        assert_eq!(kind(blob.complete_upload(wrong).await), ErrorKind::Corrupt);
        let meta = blob.complete_upload(complete.clone()).await.unwrap();
        assert_eq!(meta.checksum, Some(Crc32c::of(&whole)));
        assert_eq!(meta.properties.content_type, "video/mp4");
        assert!(text(&blob, "film").await.unwrap() == whole);
        let range = get_of("film").range(5_242_870..5_242_890);
        let range = blob.get_bytes(range, 20).await.unwrap();
        assert_eq!(range, whole[5_242_870..5_242_890]);

        assert_eq!(blob.complete_upload(complete.clone()).await.unwrap(), meta);
        let late = blob.upload_part(&upload, part(1), "x".into()).await;
        assert_eq!(kind(late), ErrorKind::NotFound);
        assert_eq!(kind(blob.parts(&upload).next().await.unwrap()), ErrorKind::NotFound);
        write(&blob, "film", "another").await;
        assert_eq!(kind(blob.complete_upload(complete).await), ErrorKind::NotFound);
    });
}

#[test]
fn an_upload_that_does_not_hold_is_still_there() {
    calm(|blob| async move {
        write(&blob, "film", "there").await;
        let upload = blob.start_upload(StartUpload::new(bucket(), key("film"))).await.unwrap();
        let parts = parts_of(&blob, &upload).await;
        let complete = |parts| Complete::new(upload.clone(), parts);
        let absent = complete(parts.clone()).mode(Mode::IfAbsent);
        assert_eq!(kind(blob.complete_upload(absent).await), ErrorKind::Conflict);
        let mut more = parts.clone();
        more.push(Part::new(part(9), 3, Tag::new("tag-none")));
        more[2].size = mvi_core::blob::MIN_PART_BYTES;
        assert_eq!(kind(blob.complete_upload(complete(more)).await), ErrorKind::Invalid);
        assert_eq!(text(&blob, "film").await.unwrap(), "there");

        // A part that is left out is dropped.
        let some = vec![parts[0].clone(), parts[2].clone()];
        let meta = blob.complete_upload(complete(some)).await.unwrap();
        assert_eq!(meta.size, mvi_core::blob::MIN_PART_BYTES + 3);

        let small = blob.start_upload(StartUpload::new(bucket(), key("small"))).await.unwrap();
        let mut two = Vec::new();
        for number in 1..3 {
            two.push(blob.upload_part(&small, part(number), "x".into()).await.unwrap());
        }
        let too_small = blob.complete_upload(Complete::new(small.clone(), two)).await;
        assert_eq!(kind(too_small), ErrorKind::Invalid);
        blob.abort_upload(&small).await.unwrap();
        blob.abort_upload(&small).await.unwrap();
        assert_eq!(kind(blob.upload_part(&small, part(1), "x".into()).await), ErrorKind::NotFound);
        assert_eq!(blob.uploads(&bucket()).count().await, 0);
    });
}

#[test]
fn a_copy_is_another_object_with_the_same_bytes() {
    calm(|blob| async move {
        let put = put_to("a").content_type("text/plain");
        let first = blob.put_bytes(put, "hello").await.unwrap();
        let source = || Source::new(bucket(), key("a"));
        let copy = || Copy::new(source(), bucket(), key("b"));
        let copied = blob.copy(copy()).await.unwrap();
        assert_eq!((copied.checksum, &copied.properties), (first.checksum, &first.properties));
        assert_ne!(copied.tag, first.tag);
        assert_eq!(text(&blob, "b").await.unwrap(), "hello");
        assert_eq!(kind(blob.copy(copy().mode(Mode::IfAbsent)).await), ErrorKind::Conflict);
        let other = Copy::new(source().if_match(copied.tag), bucket(), key("c"));
        assert_eq!(kind(blob.copy(other).await), ErrorKind::Conflict);
        let none = Copy::new(Source::new(bucket(), key("none")), bucket(), key("c"));
        assert_eq!(kind(blob.copy(none).await), ErrorKind::NotFound);
        let itself = Copy::new(source(), bucket(), key("a"));
        assert_eq!(kind(blob.copy(itself.clone()).await), ErrorKind::Invalid);
        let renamed = itself.properties(Properties::default());
        let renamed = blob.copy(renamed).await.unwrap();
        assert_eq!(renamed.properties, Properties::default());
        assert_eq!(all(&blob).await, ["a", "b"]);
    });
}

#[test]
fn many_are_removed_each_by_itself() {
    calm(|blob| async move {
        blob.set_versioning(&bucket(), Versioning::On).await.unwrap();
        let old = write(&blob, "a", "1").await.version;
        write(&blob, "a", "2").await;
        write(&blob, "b", "1").await;
        let targets = [key("none").into(), key("b").into(), Target { key: key("a"), version: old }];
        let done = blob.delete_many(DeleteMany::new(bucket(), targets)).await.unwrap();
        assert!(done.len() == 3 && done.iter().all(Result::is_ok));
        assert_eq!(all(&blob).await, ["a"]);
        let found = versions(&blob).await;
        assert_eq!(found.len(), 2, "{found:?}");
        let nowhere = mvi_core::BucketName::new("acme-7f3-none").unwrap();
        let lost = blob.delete_many(DeleteMany::new(nowhere, [key("a")])).await;
        assert_eq!(kind(lost), ErrorKind::NotFound);
        let none = Delete::new(bucket(), key("none"));
        assert!(blob.delete(none.clone()).await.is_ok());
        let none = none.if_match(Tag::new("tag-1"));
        assert_eq!(kind(blob.delete(none).await), ErrorKind::Conflict);
    });
}

#[test]
fn names_are_unique_in_one_world_only() {
    simulated(|| async {
        let (one, other) = (Sim::new(1).calm(), Sim::new(2).calm());
        one.cloud().blob.create_bucket(CreateBucket::new(bucket())).await.unwrap();
        assert!(one.blob.bucket(&bucket()).await.is_ok());
        assert_eq!(kind(other.blob.bucket(&bucket()).await), ErrorKind::NotFound);
    });
}
