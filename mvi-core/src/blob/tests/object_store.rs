//! The adapter to `object_store`. That crate's own tests run on the simulated Blob, in mvi-testkit.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{
    Attribute, Attributes, CopyMode, CopyOptions, Error as StoreError, GetOptions, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, RenameOptions, RenameTargetMode,
    UpdateVersion, WriteMultipart, buffered::BufWriter, path::Path,
};
use tokio::io::AsyncWriteExt as _;

use super::{
    bucket, noise,
    store::{Fault, Store as Fake},
};
use crate::{
    BlobExt as _, Error, ErrorKind,
    blob::{Crc32c, Store},
};

fn both(prefix: &str) -> (Fake, Store) {
    let fake = Fake::new();
    let store = Store::new(Arc::new(fake.clone()), bucket()).prefix(prefix);
    (fake, store)
}

#[tokio::test]
async fn parts_of_any_size_become_parts_that_providers_take() {
    let (fake, store) = both("");
    let bytes = noise((11 << 20) + 3, 5);
    let mut upload = store.put_multipart(&Path::from("film")).await.unwrap();
    for chunk in bytes.chunks(700_001) {
        upload.put_part(Bytes::copy_from_slice(chunk).into()).await.unwrap();
    }
    upload.complete().await.unwrap();
    assert_eq!(fake.bytes("film").unwrap(), bytes);
    assert_eq!(fake.stored().len(), 3);
    // What is less than a part needs none.
    for length in [0, 10] {
        let mut upload = store.put_multipart(&Path::from("note")).await.unwrap();
        upload.put_part(bytes[..length].to_vec().into()).await.unwrap();
        upload.complete().await.unwrap();
        assert_eq!(fake.bytes("note").unwrap(), bytes[..length]);
    }
    assert_eq!((fake.stored().len(), fake.uploads_now()), (3, vec![]));
    // object_store's own writers.
    let mut writer =
        WriteMultipart::new(store.put_multipart(&Path::from("written")).await.unwrap());
    bytes.chunks(1 << 16).for_each(|it| writer.write(it));
    writer.finish().await.unwrap();
    assert_eq!(fake.bytes("written").unwrap(), bytes);
    let mut writer = BufWriter::new(Arc::new(store), Path::from("buffered"));
    writer.write_all(&bytes).await.unwrap();
    writer.shutdown().await.unwrap();
    assert_eq!(fake.bytes("buffered").unwrap(), bytes);
}

#[tokio::test]
async fn an_upload_with_a_part_that_failed_is_no_object() {
    let (fake, store) = both("");
    fake.fault("upload_part", Fault::Refuse(ErrorKind::Unavailable));
    let mut upload = store.put_multipart(&Path::from("film")).await.unwrap();
    upload.put_part(noise(6 << 20, 1).into()).await.unwrap_err();
    upload.put_part(noise(6 << 20, 2).into()).await.unwrap();
    let error = upload.complete().await.unwrap_err();
    assert!(error.to_string().contains("1 parts are stored, wanted all 2"), "{error}");
    assert_eq!(fake.bytes("film"), None);
    upload.abort().await.unwrap();
    assert_eq!(fake.uploads_now(), []);
}

#[tokio::test]
async fn a_small_upload_that_failed_is_written_whole_when_it_is_asked_for_again() {
    let (fake, store) = both("");
    let mut upload = store.put_multipart(&Path::from("note")).await.unwrap();
    upload.put_part("hel".into()).await.unwrap();
    upload.put_part("lo".into()).await.unwrap();
    for kind in [ErrorKind::Unavailable, ErrorKind::Throttled] {
        fake.fault("put", Fault::Refuse(kind));
        upload.complete().await.unwrap_err();
    }
    upload.complete().await.unwrap();
    assert_eq!((fake.bytes("note").unwrap(), fake.uploads_now()), ("hello".into(), vec![]));
}

#[tokio::test]
async fn a_part_that_arrives_as_another_makes_no_object() {
    for last in [false, true] {
        let (fake, store) = both("");
        let mut upload = store.put_multipart(&Path::from("film")).await.unwrap();
        if last {
            upload.put_part(noise(6 << 20, 1).into()).await.unwrap();
            upload.put_part(noise(10, 2).into()).await.unwrap();
            fake.fault("upload_part", Fault::Flip);
        } else {
            fake.fault("upload_part", Fault::Flip);
            let error = upload.put_part(noise(6 << 20, 1).into()).await.unwrap_err();
            assert_eq!(Error::from(error).kind(), ErrorKind::Corrupt);
        }
        upload.complete().await.unwrap_err();
        assert_eq!(fake.bytes("film"), None);
    }
}

#[tokio::test]
async fn what_has_no_place_is_refused_and_never_dropped() {
    let (fake, store) = both("");
    let path = Path::from("page");
    let mut tags = object_store::TagSet::default();
    tags.push("a", "b");
    let odd = [
        (Attribute::ContentEncoding, "gzip"),
        (Attribute::ContentLanguage, "en"),
        (Attribute::StorageClass, "COLD"),
        (Attribute::Metadata("Owner_Name".into()), "ann"),
    ];
    let mut refused: Vec<PutOptions> =
        odd.into_iter().map(|it| Attributes::from_iter([it]).into()).collect();
    refused.push(tags.clone().into());
    for options in refused {
        let error = store.put_opts(&path, "x".into(), options.clone()).await.unwrap_err();
        assert!(matches!(error, StoreError::NotImplemented { .. }), "{error}");
        let PutOptions { tags, attributes, .. } = options;
        let options = PutMultipartOptions { tags, attributes, ..Default::default() };
        let error = store.put_multipart_opts(&path, options).await.unwrap_err();
        assert!(matches!(error, StoreError::NotImplemented { .. }), "{error}");
    }
    let version = UpdateVersion { e_tag: None, version: Some("7".into()) };
    let update = store.put_opts(&path, "x".into(), PutMode::Update(version).into()).await;
    assert!(matches!(update, Err(StoreError::NotSupported { .. })), "{update:?}");
    assert!(fake.calls().is_empty());
    // The rest comes back.
    let kept = Attributes::from_iter([
        (Attribute::ContentType, "text/html"),
        (Attribute::CacheControl, "no-store"),
        (Attribute::ContentDisposition, "inline"),
        (Attribute::Metadata("owner".into()), "ann"),
    ]);
    store.put_opts(&path, "x".into(), kept.clone().into()).await.unwrap();
    assert_eq!(store.get(&path).await.unwrap().attributes, kept);
}

#[tokio::test]
async fn conditions_that_a_provider_cannot_say_hold_too() {
    let (_, store) = both("");
    let path = Path::from("page");
    let tag = store.put(&path, "x".into()).await.unwrap().e_tag.unwrap();
    let several = format!("other, {tag}");
    let ask = async |options: GetOptions| store.get_opts(&path, options).await;
    let matches = GetOptions::new().with_if_match(Some(several.clone()));
    assert_eq!(ask(matches).await.unwrap().bytes().await.unwrap(), "x");
    ask(GetOptions::new().with_if_match(Some("*"))).await.unwrap();
    for options in [
        GetOptions::new().with_if_none_match(Some(several)),
        GetOptions::new().with_if_none_match(Some("*")),
        GetOptions::new().with_if_none_match(Some(tag.clone())).with_head(true),
        GetOptions::new().with_if_none_match(Some(tag.clone())).with_if_match(Some(tag.clone())),
    ] {
        let error = ask(options).await.unwrap_err();
        assert!(matches!(error, StoreError::NotModified { .. }), "{error}");
    }
    let wrong = GetOptions::new().with_if_match(Some("other")).with_head(true);
    assert!(matches!(ask(wrong).await, Err(StoreError::Precondition { .. })));
}

#[tokio::test]
async fn onto_itself_nothing_is_done_and_what_is_there_is_there() {
    let (fake, store) = both("");
    let (path, other) = (Path::from("page"), Path::from("other"));
    let create = CopyOptions::new().with_mode(CopyMode::Create);
    let rename = RenameOptions::new().with_target_mode(RenameTargetMode::Create);
    assert!(matches!(store.copy(&path, &path).await, Err(StoreError::NotFound { .. })));
    store.put(&path, "x".into()).await.unwrap();
    store.copy(&path, &path).await.unwrap();
    store.rename(&path, &path).await.unwrap();
    let error = store.copy_opts(&path, &path, create).await.unwrap_err();
    assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
    let error = store.rename_opts(&path, &path, rename.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
    store.put(&other, "y".into()).await.unwrap();
    let error = store.rename_opts(&path, &other, rename).await.unwrap_err();
    assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
    assert_eq!(
        (fake.bytes("page").unwrap(), fake.bytes("other").unwrap()),
        ("x".into(), "y".into())
    );
}

#[tokio::test]
async fn a_rename_whose_source_is_replaced_meanwhile_is_no_target_that_is_there() {
    for mode in [RenameTargetMode::Create, RenameTargetMode::Overwrite] {
        let (fake, store) = both("");
        let (from, to) = (Path::from("draft"), Path::from("final"));
        fake.set("draft", "old");
        let rename = store.rename_opts(&from, &to, RenameOptions::new().with_target_mode(mode));
        // Another writes between the look and the copy.
        let other = async {
            while !fake.calls().contains(&"head") {
                tokio::task::yield_now().await;
            }
            fake.set("draft", "new");
        };
        let (renamed, ()) = futures::join!(rename, other);
        match renamed.unwrap_err() {
            StoreError::Precondition { path, .. } => assert_eq!(path, "draft"),
            error => panic!("{error}"),
        }
        assert_eq!(fake.keys(), ["draft"]);
    }
}

#[tokio::test]
async fn what_befell_all_of_a_batch_is_told_with_all_that_is_known_of_it() {
    let (fake, store) = both("");
    fake.fault("delete_many", Fault::Refuse(ErrorKind::Unavailable));
    let error = Error::from(store.delete(&Path::from("x")).await.unwrap_err());
    assert!(!error.may_have_applied(), "{error:?}");
}

#[tokio::test]
async fn a_key_that_is_no_path_is_an_error_and_not_another_path() {
    for odd in ["a//b", "a/", "/a"] {
        let (fake, store) = both("");
        fake.set(odd, "x");
        let listed: Result<Vec<_>, _> = store.list(None).try_collect().await;
        assert!(listed.is_err(), "{odd}: {listed:?}");
    }
}

#[tokio::test]
async fn errors_come_through_and_back() {
    let kinds = [
        ErrorKind::NotFound,
        ErrorKind::AlreadyExists,
        ErrorKind::Conflict,
        ErrorKind::Invalid,
        ErrorKind::Unauthenticated,
        ErrorKind::Forbidden,
        ErrorKind::Throttled,
        ErrorKind::Unavailable,
        ErrorKind::Unsupported,
        ErrorKind::Corrupt,
    ];
    for kind in kinds {
        let (fake, store) = both("");
        for (op, call) in [("put", true), ("delete_many", false)] {
            fake.fault(op, Fault::Refuse(kind));
            let error = if call {
                store.put(&Path::from("x"), "x".into()).await.unwrap_err()
            } else {
                store.delete(&Path::from("x")).await.unwrap_err()
            };
            assert!(std::error::Error::source(&error).is_some(), "{error:?}");
            let back = Error::from(error);
            assert_eq!((back.kind(), back.message()), (kind, "refused"));
        }
    }
    // What another store says in its own words.
    let theirs = object_store::memory::InMemory::new().get(&Path::from("x")).await.unwrap_err();
    let told = Error::from(theirs);
    assert_eq!(told.kind(), ErrorKind::NotFound);
    assert!(std::error::Error::source(&told).is_some());
}

#[tokio::test]
async fn what_cannot_be_removed_is_told_in_its_place() {
    let (fake, store) = both("");
    fake.fault("delete_one", Fault::Refuse(ErrorKind::Forbidden));
    let paths = ["a", "../b", "c"].map(|it| Ok(Path::from(it)));
    let told: Vec<_> = store.delete_stream(futures::stream::iter(paths).boxed()).collect().await;
    assert!(
        told[0].is_ok() && matches!(told[2], Err(StoreError::PermissionDenied { .. })),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_body_that_breaks_is_an_error_of_the_reader() {
    let (fake, store) = both("");
    fake.set("film", noise(3 << 20, 1));
    fake.fault("get", Fault::Cut);
    let read = store.get(&Path::from("film")).await.unwrap().bytes().await;
    assert_eq!(Error::from(read.unwrap_err()).kind(), ErrorKind::Unavailable);
    let whole = fake.get_bytes(crate::blob::Get::new(bucket(), super::key("film")), 4 << 20).await;
    assert_eq!(Crc32c::of(&whole.unwrap()), fake.meta("film").unwrap().checksum.unwrap());
}
