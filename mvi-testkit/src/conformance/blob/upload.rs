//! Uploads in parts.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_core::{
    Applied, Blob, BlobExt as _, Error, ErrorKind, Result,
    blob::{
        Body, Complete, Crc32c, MAX_COLLECTED_BYTES, MAX_PARTS, Metadata, Mode, Part, PartNumber,
        Properties, StartUpload, Tag, Upload,
    },
};

use super::{
    Place, Scope, fails,
    place::{File, PART, noise, once, same, timeless},
    stream_fails,
};

/// The bodies one after the other.
fn joined(bodies: &[Bytes]) -> Bytes {
    let mut all = BytesMut::new();
    for body in bodies {
        all.extend_from_slice(body);
    }
    all.freeze()
}

async fn parts(place: &Place<'_>, upload: &Upload) -> Result<Vec<Part>> {
    place.blob.parts(upload).try_collect().await
}

pub(super) async fn parts_make_the_object_in_the_order_of_their_numbers(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let bodies = [noise(1, PART), noise(2, PART + 3), noise(3, 1)];
    let upload = place.start(&key).await?;
    assert_eq!((&upload.bucket, &upload.key), (&place.bucket, &key));
    // Sent in another order, and with numbers left out.
    let third = place.part(&upload, 70, bodies[2].clone()).await?;
    let first = place.part(&upload, 2, bodies[0].clone()).await?;
    let second = place.part(&upload, 9, bodies[1].clone()).await?;
    assert_eq!((first.number.get(), first.size), (2, PART as u64));
    assert_eq!((third.number.get(), third.size), (70, 1));
    let whole = joined(&bodies);
    let made = blob.complete_upload(Complete::new(upload, vec![first, second, third])).await?;
    assert_eq!((made.key.clone(), made.size), (key.clone(), whole.len() as u64));
    place.holds(&key, whole).await?;
    assert_eq!(timeless(place.head(&key).await?).tag, made.tag);
    Ok(())
}

pub(super) async fn parts_may_be_sent_side_by_side(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let bodies: Vec<_> = (0..4).map(|it| noise(it, PART)).collect();
    let upload = place.start(&key).await?;
    let sent = super::race(4, |racer| {
        let (blob, upload) = (Arc::clone(blob), upload.clone());
        let body = bodies[racer].clone();
        async move {
            let number = PartNumber::new(u32::try_from(racer).expect("few racers") + 1)?;
            blob.upload_part(&upload, number, body.into()).await
        }
    });
    let sent = sent.await.into_iter().collect::<Result<Vec<_>>>()?;
    blob.complete_upload(Complete::new(upload, sent)).await?;
    place.holds(&key, joined(&bodies)).await
}

pub(super) async fn a_part_replaces_that_of_its_number(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let upload = place.start(&key).await?;
    place.part(&upload, 1, "the first that was sent").await?;
    let kept = place.part(&upload, 1, "another").await?;
    let listed = parts(&place, &upload).await?;
    assert_eq!(listed.iter().map(|it| (it.number.get(), it.size)).collect::<Vec<_>>(), [(1, 7)]);
    blob.complete_upload(Complete::new(upload, vec![kept])).await?;
    place.holds(&key, "another").await
}

pub(super) async fn an_upload_may_have_one_part(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    // The last number there is, too.
    for (name, number) in [("first", 1), ("last", MAX_PARTS)] {
        let key = place.key(name)?;
        let upload = place.start(&key).await?;
        let part = place.part(&upload, number, "small").await?;
        blob.complete_upload(Complete::new(upload, vec![part])).await?;
        place.holds(&key, "small").await?;
    }
    Ok(())
}

pub(super) async fn every_kind_of_body_is_a_part(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (key, bytes) = (place.key("a")?, noise(1, PART));
    let file = File::new(&bytes)?;
    let upload = place.start(&key).await?;
    let sent = vec![
        place.part(&upload, 1, bytes.clone()).await?,
        place.part(&upload, 2, file.body()).await?,
        place.part(&upload, 3, once(&bytes, &[65_537, 1])).await?,
    ];
    assert_eq!(sent.iter().map(|it| it.size).collect::<Vec<_>>(), [PART as u64; 3]);
    blob.complete_upload(Complete::new(upload, sent)).await?;
    place.holds(&key, joined(&[bytes.clone(), bytes.clone(), bytes])).await
}

pub(super) async fn a_part_whose_body_fails_is_not_there(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let upload = place.start(&place.key("a")?).await?;
    let failed = place.part(&upload, 1, super::place::failing(noise(1, 10))).await;
    fails(failed, ErrorKind::Exhausted);
    assert_eq!(parts(&place, &upload).await?, []);
    blob.abort_upload(&upload).await
}

pub(super) async fn a_part_that_comes_once_is_at_most_64_mib(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let upload = place.start(&place.key("a")?).await?;
    let mib = noise(1, 1 << 20);
    let many = MAX_COLLECTED_BYTES / mib.len() + 1;
    let long = stream::iter((0..many).map(move |_| Ok(mib.clone()))).boxed();
    fails(place.part(&upload, 1, Body::Once(long)).await, ErrorKind::Invalid);
    assert_eq!(parts(&place, &upload).await?, []);
    blob.abort_upload(&upload).await
}

pub(super) async fn parts_are_listed_by_their_numbers(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let upload = place.start(&place.key("a")?).await?;
    assert_eq!(parts(&place, &upload).await?, []);
    // By number, and not as text.
    let mut sent = Vec::new();
    for number in [10, 2, 100, 1, 11, 20, 3] {
        let length = usize::try_from(number).expect("small");
        sent.push(place.part(&upload, number, noise(number.into(), length)).await?);
    }
    sent.sort_by_key(|it| it.number);
    let listed = parts(&place, &upload).await?;
    let view = |it: &Part| (it.number, it.size, it.tag.clone());
    assert_eq!(
        listed.iter().map(view).collect::<Vec<_>>(),
        sent.iter().map(view).collect::<Vec<_>>()
    );
    blob.abort_upload(&upload).await
}

pub(super) async fn uploads_are_listed_until_they_end(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    // In the order of bytes, whichever was first; one without a part is one too.
    let (late, early) =
        (place.start(&place.key("b")?).await?, place.begun(&place.key("a")?, "1").await?);
    let empty = place.start(&place.key("a/b")?).await?;
    let keys = async || -> Result<Vec<String>> {
        let cut = place.prefix().len();
        Ok(place.uploads().await?.iter().map(|it| it.key.as_str()[cut..].to_owned()).collect())
    };
    assert_eq!(keys().await?, ["a", "a/b", "b"]);
    let ids: Vec<_> = place.uploads().await?.into_iter().map(|it| it.id).collect();
    assert_eq!(ids, [&*early.upload.id, &*empty.id, &*late.id]);
    blob.complete_upload(early).await?;
    assert_eq!(keys().await?, ["a/b", "b"]);
    blob.abort_upload(&late).await?;
    assert_eq!(keys().await?, ["a/b"]);
    blob.abort_upload(&empty).await?;
    assert_eq!(keys().await?, Vec::<String>::new());
    Ok(())
}

pub(super) async fn uploads_of_one_key_are_apart(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let (one, two) = (place.begun(&key, "one").await?, place.begun(&key, "two").await?);
    assert_ne!(one.upload.id, two.upload.id);
    assert_eq!(place.uploads().await?.len(), 2);
    blob.complete_upload(two).await?;
    place.holds(&key, "two").await?;
    assert_eq!(parts(&place, &one.upload).await?.len(), 1);
    blob.complete_upload(one).await?;
    place.holds(&key, "one").await?;
    assert_eq!(place.uploads().await?, []);
    Ok(())
}

pub(super) async fn an_object_is_hidden_until_its_upload_is_complete(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let (new, old) = (place.key("new")?, place.save_at("old", "as it was").await?);
    let (first, second) = (place.begun(&new, "1").await?, place.begun(&old, "2").await?);
    place.lacks(&new).await?;
    assert_eq!(place.keys(place.list(), 0).await?, [old.as_str()]);
    place.holds(&old, "as it was").await?;
    blob.complete_upload(first).await?;
    blob.complete_upload(second).await?;
    place.holds(&new, "1").await?;
    place.holds(&old, "2").await
}

pub(super) async fn what_is_kept_for_an_upload_is_seen_by_nobody(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::own(blob, scope, "bucket").await?;
    let upload = place.begun(&place.key("a")?, "1").await?.upload;
    let all = mvi_core::blob::List::new(place.bucket.clone());
    assert_eq!(place.keys(all.clone(), 0).await?, Vec::<String>::new());
    assert_eq!(place.keys(all.delimiter("/"), 0).await?, Vec::<String>::new());
    let versions = mvi_core::blob::Versions::new(place.bucket.clone());
    assert_eq!(blob.versions(versions).try_collect::<Vec<_>>().await?, []);
    blob.abort_upload(&upload).await
}

pub(super) async fn a_part_but_the_last_has_at_least_5_mib(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let upload = place.start(&key).await?;
    let bodies = [noise(1, PART - 1), noise(2, PART), noise(3, 5)];
    let small = place.part(&upload, 1, bodies[0].clone()).await?;
    let enough = place.part(&upload, 2, bodies[1].clone()).await?;
    let last = place.part(&upload, 3, bodies[2].clone()).await?;
    let wrong = Complete::new(upload.clone(), vec![small, enough.clone(), last.clone()]);
    fails(blob.complete_upload(wrong).await, ErrorKind::Invalid);
    place.lacks(&key).await?;
    // The others are there still.
    blob.complete_upload(Complete::new(upload, vec![enough, last])).await?;
    place.holds(&key, joined(&bodies[1..])).await
}

pub(super) async fn parts_that_are_not_there_as_said_are_invalid(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let complete = place.begun(&key, "1").await?;
    let (upload, part) = (complete.upload.clone(), complete.parts[0].clone());
    let absent = Part::new(PartNumber::new(2)?, part.size, part.tag.clone());
    // What was replaced is there no more.
    let other = place.begun(&place.key("b")?, "something else").await?;
    let replaced = Part::new(part.number, other.parts[0].size, other.parts[0].tag.clone());
    for wrong in [vec![], vec![absent], vec![replaced]] {
        let wrong = Complete::new(upload.clone(), wrong);
        fails(blob.complete_upload(wrong).await, ErrorKind::Invalid);
        place.lacks(&key).await?;
    }
    blob.abort_upload(&other.upload).await?;
    blob.complete_upload(complete).await?;
    place.holds(&key, "1").await
}

pub(super) async fn parts_out_of_order_are_invalid(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let upload = place.start(&key).await?;
    let one = place.part(&upload, 1, noise(1, PART)).await?;
    let two = place.part(&upload, 2, noise(2, PART)).await?;
    for wrong in [vec![two.clone(), one.clone()], vec![one.clone(), one.clone(), two.clone()]] {
        let wrong = Complete::new(upload.clone(), wrong);
        fails(blob.complete_upload(wrong).await, ErrorKind::Invalid);
    }
    place.lacks(&key).await?;
    blob.abort_upload(&upload).await
}

pub(super) async fn completing_again_gives_the_same_object(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let complete = place.begun(&key, "1").await?;
    let first = blob.complete_upload(complete.clone()).await?;
    // As whoever lost the answer does.
    for _ in 0..2 {
        let again = blob.complete_upload(complete.clone()).await?;
        assert_eq!((&again.key, again.size, &again.tag), (&key, 1, &first.tag));
    }
    place.holds(&key, "1").await?;
    assert_eq!(place.head(&key).await?.tag, first.tag);
    Ok(())
}

pub(super) async fn completing_again_if_absent_gives_the_same_object(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let complete = place.begun(&key, "1").await?.mode(Mode::IfAbsent);
    let first = blob.complete_upload(complete.clone()).await?;
    // What is there is its own.
    let again = blob.complete_upload(complete.clone()).await?;
    assert_eq!((again.size, again.tag), (1, first.tag));
    // And what another wrote since is not touched.
    place.save(&key, "2").await?;
    let error = blob.complete_upload(complete).await.expect_err("another's is there");
    assert!(matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound), "{error:?}");
    place.holds(&key, "2").await
}

pub(super) async fn a_completion_if_absent_that_conflicts_leaves_the_upload(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.save_at("a", "as it was").await?;
    let complete = place.begun(&key, "1").await?;
    let if_absent = complete.clone().mode(Mode::IfAbsent);
    fails(blob.complete_upload(if_absent.clone()).await, ErrorKind::Conflict);
    place.holds(&key, "as it was").await?;
    assert_eq!(place.uploads().await?.len(), 1);
    assert_eq!(parts(&place, &complete.upload).await?.len(), 1);
    blob.delete(place.delete(&key)).await?;
    blob.complete_upload(if_absent).await?;
    place.holds(&key, "1").await
}

pub(super) async fn a_completion_if_match_that_conflicts_leaves_the_upload(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let old = place.save(&key, "1").await?.tag;
    let new = place.save(&key, "2").await?.tag;
    let complete = place.begun(&key, "3").await?;
    let of = |tag: &Tag| complete.clone().mode(Mode::IfMatch(tag.clone()));
    fails(blob.complete_upload(of(&old)).await, ErrorKind::Conflict);
    place.holds(&key, "2").await?;
    assert_eq!(place.uploads().await?.len(), 1);
    blob.complete_upload(of(&new)).await?;
    place.holds(&key, "3").await?;
    // Where nothing is, nothing has the tag.
    let gone = place.key("gone")?;
    let complete = place.begun(&gone, "1").await?;
    let upload = complete.upload.clone();
    let wrong = complete.mode(Mode::IfMatch(new));
    fails(blob.complete_upload(wrong).await, ErrorKind::Conflict);
    place.lacks(&gone).await?;
    blob.abort_upload(&upload).await
}

pub(super) async fn parts_that_are_left_out_are_removed(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let upload = place.start(&key).await?;
    place.part(&upload, 1, "left out").await?;
    let kept = place.part(&upload, 2, "kept").await?;
    place.part(&upload, 3, "left out too").await?;
    blob.complete_upload(Complete::new(upload, vec![kept])).await?;
    place.holds(&key, "kept").await?;
    assert_eq!(place.uploads().await?, []);
    Ok(())
}

pub(super) async fn an_aborted_upload_leaves_nothing(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.save_at("a", "as it was").await?;
    let complete = place.begun(&key, "1").await?;
    blob.abort_upload(&complete.upload).await?;
    // As whoever lost the answer does.
    blob.abort_upload(&complete.upload).await?;
    assert_eq!(place.uploads().await?, []);
    stream_fails(blob.parts(&complete.upload), ErrorKind::NotFound).await;
    place.holds(&key, "as it was").await
}

pub(super) async fn an_aborted_upload_takes_no_more(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let complete = place.begun(&key, "1").await?;
    blob.abort_upload(&complete.upload).await?;
    fails(place.part(&complete.upload, 2, "2").await, ErrorKind::NotFound);
    fails(blob.complete_upload(complete).await, ErrorKind::NotFound);
    place.lacks(&key).await?;
    assert_eq!(place.uploads().await?, []);
    Ok(())
}

pub(super) async fn a_completed_upload_takes_no_more(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let complete = place.begun(&key, "1").await?;
    let upload = complete.upload.clone();
    blob.complete_upload(complete).await?;
    fails(place.part(&upload, 2, "2").await, ErrorKind::NotFound);
    stream_fails(blob.parts(&upload), ErrorKind::NotFound).await;
    // The object is no longer the upload's.
    blob.abort_upload(&upload).await?;
    place.holds(&key, "1").await
}

pub(super) async fn another_process_goes_on_with_an_upload(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let bodies = [noise(1, PART), noise(2, 10)];
    let upload = place.start(&key).await?;
    let first = place.part(&upload, 1, bodies[0].clone()).await?;
    // All that the next one has is text.
    let told = |e: serde_json::Error| Error::new(ErrorKind::Internal, "no json").with_source(e);
    let saved = serde_json::to_string(&(&upload, &first)).map_err(told)?;
    let (upload, first): (Upload, Part) = serde_json::from_str(&saved).map_err(told)?;
    assert_eq!(parts(&place, &upload).await?.len(), 1);
    let second = place.part(&upload, 2, bodies[1].clone()).await?;
    let complete = Complete::new(upload, vec![first, second]);
    let made = blob.complete_upload(complete.clone()).await?;
    place.holds(&key, joined(&bodies)).await?;
    assert_eq!(blob.complete_upload(complete).await?.tag, made.tag);
    Ok(())
}

pub(super) async fn what_is_listed_of_an_upload_is_enough_to_complete_it(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let bodies = [noise(1, PART), noise(2, 10)];
    let lost = place.start(&key).await?;
    place.part(&lost, 1, bodies[0].clone()).await?;
    place.part(&lost, 2, bodies[1].clone()).await?;
    let found = place.uploads().await?.remove(0);
    let listed = parts(&place, &found).await?;
    blob.complete_upload(Complete::new(found, listed)).await?;
    place.holds(&key, joined(&bodies)).await
}

pub(super) async fn the_checksum_of_parts_is_that_of_the_whole(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let bodies = [noise(1, PART), noise(2, 10)];
    let wanted = Crc32c::of(&joined(&bodies));
    // Told or not.
    for (name, told) in [("told", Some(wanted)), ("untold", None)] {
        let key = place.key(name)?;
        let upload = place.start(&key).await?;
        let first = place.part(&upload, 1, bodies[0].clone()).await?;
        let second = place.part(&upload, 2, bodies[1].clone()).await?;
        let complete = Complete { checksum: told, ..Complete::new(upload, vec![first, second]) };
        assert_eq!(blob.complete_upload(complete).await?.checksum, Some(wanted), "{name}");
        assert_eq!(place.head(&key).await?.checksum, Some(wanted), "{name}");
    }
    Ok(())
}

pub(super) async fn parts_that_are_not_what_their_checksum_says_make_no_object(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.save_at("a", "as it was").await?;
    let complete = place.begun(&key, "1").await?;
    let upload = complete.upload.clone();
    let wrong = complete.checksum(Crc32c::of(b"2"));
    let error = fails(blob.complete_upload(wrong).await, ErrorKind::Corrupt);
    // Of an attempt before it that was not answered, nobody knows.
    assert_ne!(error.applied(), Applied::Yes, "nothing has changed: {error:?}");
    place.holds(&key, "as it was").await?;
    blob.abort_upload(&upload).await
}

pub(super) async fn an_uploads_properties_are_kept(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let properties = Properties {
        content_type: "video/mp4".into(),
        cache_control: Some("no-store".to_owned()),
        content_disposition: Some("inline".to_owned()),
        metadata: Metadata::new().with("owner", "ann")?,
    };
    let start = StartUpload::new(place.bucket.clone(), key.clone()).properties(properties.clone());
    let upload = blob.start_upload(start).await?;
    let part = place.part(&upload, 1, "1").await?;
    let made = blob.complete_upload(Complete::new(upload, vec![part])).await?;
    assert_eq!(made.properties, properties);
    assert_eq!(place.head(&key).await?.properties, properties);
    let plain = place.begun(&key, "2").await?;
    blob.complete_upload(plain).await?;
    let found = place.head(&key).await?.properties;
    assert_eq!((&*found.content_type, found.metadata), (Properties::BINARY, Metadata::new()));
    let read = blob.get_bytes(place.get(&key), 1).await?;
    same(Some(&read), Some(b"2"), "what was uploaded");
    Ok(())
}
