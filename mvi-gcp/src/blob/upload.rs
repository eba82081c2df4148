//! Uploads in parts: Cloud Storage has none that several processes can share, so here they are objects under a hidden start.
//!
//! ```text
//!   U+10FFFD u/ID            the marker: empty, with all that will be written on the object, its key and its nonce
//!   U+10FFFD p/ID/00001      a part, by its number
//!   U+10FFFD p/ID/t-NONCE-7  parts that were joined, while a completion is under way
//! ```
//!
//! The marker is the upload: where it is gone, the upload was aborted or completed, and whoever comes late removes what it wrote. So it is
//! removed first, and the parts after it; parts whose removal was cut short are removed by whoever aborts again, or after a week.
//!
//! A completion joins at most 32 objects a call, in a tree. Each source is pinned to the generation that was listed, so that a part that is
//! replaced meanwhile is noticed, and the checksum of the whole is known from those of the parts before anything is joined. The last
//! call carries the precondition, the checksum and the properties: until then no reader sees anything.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use futures::{StreamExt as _, TryStreamExt as _, future::join, stream};
use google_cloud_storage::model::{
    ComposeObjectRequest, DeleteObjectRequest, GetObjectRequest, Object, ObjectChecksums,
    compose_object_request::SourceObject,
};
use mvi_core::{
    Applied, BucketName, Error, ErrorKind, Items, Result,
    blob::{
        Body, Complete, Crc32c, Encryption, Key, MAX_COLLECTED_BYTES, MAX_PART_BYTES, Meta, Part,
        PartNumber, Properties, StartUpload, Upload,
        parts::{PARALLEL, PART_BYTES, Replayable},
    },
};

use super::{
    bucket,
    client::{Client, NewObject, path},
    list::Pages,
    object::{self, checksum, nonce, nonce_of, size, tag},
    put::{settle, write},
};

/// The most sources of one joining.
const SOURCES: usize = 32;
/// How many objects are removed at a time.
pub(super) const REMOVED_AT_ONCE: usize = 16;
/// Where a marker notes its upload's key.
const KEY: &str = "mvi-key";

fn marker(id: &str) -> String {
    format!("{}{id}", markers())
}

fn markers() -> String {
    format!("{}u/", Key::HIDDEN)
}

fn parts_of(id: &str) -> String {
    format!("{}p/{id}/", Key::HIDDEN)
}

fn part_name(id: &str, number: PartNumber) -> String {
    format!("{}{:05}", parts_of(id), number.get())
}

/// An upload's id as callers have it: a nonce of ours and, where parts are encrypted with a key of the caller's, that key behind a `@`.
fn full_id(id: &str, encryption: &Encryption) -> String {
    match encryption {
        Encryption::Provider => id.to_owned(),
        Encryption::Key(key) => format!("{id}@{key}"),
    }
}

/// With what an upload's parts are encrypted.
fn encryption_of(upload: &Upload) -> Encryption {
    match upload.id.split_once('@') {
        Some((_, key)) => Encryption::Key(key.to_owned()),
        None => Encryption::Provider,
    }
}

/// An upload's nonce, which goes into names of objects.
fn check_id(upload: &Upload) -> Result<&str> {
    let id = upload.id.split('@').next().unwrap_or_default();
    let ours = id.len() == 32 && id.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    if ours { Ok(id) } else { Err(no_upload()) }
}

fn no_upload() -> Error {
    Error::new(ErrorKind::NotFound, "no such upload: it was aborted or completed")
}

/// Begins an upload.
pub(super) async fn start(client: &Client, request: StartUpload) -> Result<Upload> {
    request.check()?;
    let StartUpload { bucket, key, properties, encryption } = request;
    let id = nonce()?;
    let new = NewObject {
        bucket: bucket.clone(),
        name: marker(&id),
        properties,
        encryption,
        nonce: id.clone(),
        notes: vec![(KEY, BASE64URL_NOPAD.encode(key.as_str().as_bytes()))],
        wanted: None,
    };
    let made = write(client, &new, &Replayable::Bytes(Bytes::new()), None).await?;
    let mut upload = Upload::new(bucket, key, full_id(&id, &new.encryption));
    upload.nonce = Some(id);
    upload.started = object::time(made.create_time);
    Ok(upload)
}

/// What a marker says of its upload; none where it is no marker.
fn read_marker(bucket: &BucketName, marker: &Object) -> Option<Upload> {
    let id = marker.name.strip_prefix(&markers())?;
    let key = BASE64URL_NOPAD.decode(marker.metadata.get(KEY)?.as_bytes()).ok()?;
    let key = Key::new(String::from_utf8(key).ok()?).ok()?;
    let id = full_id(id, &object::encryption(marker));
    let mut upload = Upload::new(bucket.clone(), key, id);
    upload.nonce = nonce_of(marker).map(str::to_owned);
    upload.started = object::time(marker.create_time);
    Some(upload)
}

/// The marker of an upload that is neither aborted nor completed.
async fn find(client: &Client, upload: &Upload) -> Result<Object> {
    let id = check_id(upload)?;
    let read = GetObjectRequest::new().set_bucket(path(&upload.bucket)).set_object(marker(id));
    client.get_object(client.deadline(), &read).await.map_err(|e| match e.kind() {
        ErrorKind::NotFound => no_upload().with_source(e),
        _ => e,
    })
}

/// Stores a part.
pub(super) async fn store(
    client: &Client,
    upload: &Upload,
    number: PartNumber,
    body: Body,
) -> Result<Part> {
    let id = check_id(upload)?;
    let body = body.replayable(MAX_COLLECTED_BYTES).await?;
    let length = body.length();
    if length > MAX_PART_BYTES {
        return Err(Error::invalid(format!(
            "a part of {length} bytes, wanted at most {MAX_PART_BYTES}"
        )));
    }
    // What takes its time is not sent in vain.
    if length > PART_BYTES {
        find(client, upload).await?;
    }
    let new = NewObject {
        bucket: upload.bucket.clone(),
        name: part_name(id, number),
        properties: Properties::default(),
        encryption: encryption_of(upload),
        nonce: nonce()?,
        notes: Vec::new(),
        wanted: None,
    };
    let stored = write(client, &new, &body, None).await?;
    if let Err(gone) = find(client, upload).await {
        if gone.kind() != ErrorKind::NotFound {
            return Err(gone.with_applied(Applied::Yes));
        }
        // The upload ended meanwhile, or was never there: nobody else may know of this part. Where it stays, it goes after a week.
        let _ = remove_all(client, &upload.bucket, [stored]).await;
        return Err(gone);
    }
    Ok(read_part(number, &stored))
}

fn read_part(number: PartNumber, stored: &Object) -> Part {
    let mut part = Part::new(number, size(stored), tag(stored));
    part.checksum = checksum(stored);
    part
}

/// The parts that are stored under `id`, as they come, in the order of their numbers.
fn stored(client: &Arc<Client>, bucket: &BucketName, id: &str) -> Items<(PartNumber, Object)> {
    let start = parts_of(id);
    let pages = Pages::new(Arc::clone(client), bucket).with(|it| it.set_prefix(&start));
    pages
        .objects()
        .try_filter_map(move |object| {
            let number = object.name.strip_prefix(&start).and_then(|it| it.parse::<u32>().ok());
            let number = number.and_then(|it| PartNumber::new(it).ok());
            async move { Ok(number.map(|it| (it, object))) }
        })
        .boxed()
}

/// Streams an upload's parts.
pub(super) fn parts(client: Arc<Client>, upload: &Upload) -> Items<Part> {
    let upload = upload.clone();
    let opened = async move {
        find(&client, &upload).await?;
        let stored = stored(&client, &upload.bucket, check_id(&upload)?);
        Ok::<_, Error>(stored.map_ok(|(number, object)| read_part(number, &object)))
    };
    stream::once(opened).try_flatten().boxed()
}

/// Streams a bucket's uploads. Their markers come in the order of their ids, and are sorted here.
pub(super) fn uploads(client: Arc<Client>, bucket: &BucketName) -> Items<Upload> {
    let bucket = bucket.clone();
    let found = async move {
        let pages = Pages::new(client, &bucket).with(|it| it.set_prefix(markers()));
        let mut found: Vec<_> = pages
            .objects()
            .try_filter_map(|object| {
                let upload = read_marker(&bucket, &object);
                async move { Ok(upload) }
            })
            .try_collect()
            .await?;
        found.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        Ok::<_, Error>(stream::iter(found).map(Ok))
    };
    stream::once(found).try_flatten().boxed()
}

/// Removes an upload and its parts.
pub(super) async fn abort(client: &Arc<Client>, upload: &Upload) -> Result<()> {
    let Ok(id) = check_id(upload) else { return bucket::exists(client, &upload.bucket).await };
    for start in [marker(id), parts_of(id)] {
        let pages = Pages::new(Arc::clone(client), &upload.bucket);
        let mut pages = pages.with(|it| it.set_prefix(&start).set_versions(true));
        while let Some(page) = pages.next().await? {
            remove_all(client, &upload.bucket, page.objects).await?;
        }
    }
    Ok(())
}

/// Removes these very generations for good, also where the bucket keeps versions.
pub(super) async fn remove_all(
    client: &Client,
    bucket: &BucketName,
    objects: impl IntoIterator<Item = Object>,
) -> Result<()> {
    let remove = |object: Object| async move {
        let request = DeleteObjectRequest::new()
            .set_bucket(path(bucket))
            .set_object(object.name)
            .set_generation(object.generation);
        match client.delete_object(client.deadline(), &request).await {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    };
    let objects: Vec<_> = objects.into_iter().collect();
    stream::iter(objects).map(remove).buffer_unordered(REMOVED_AT_ONCE).try_collect().await
}

/// Makes the object of an upload's parts.
pub(super) async fn complete(client: &Arc<Client>, request: Complete) -> Result<Meta> {
    request.check()?;
    let id = check_id(&request.upload)?.to_owned();
    let made = match Box::pin(make(client, &request, &id)).await {
        // Somebody else completes the same upload, and was faster: what it made is what was asked for.
        Err(e)
            if matches!(
                e.kind(),
                ErrorKind::Conflict | ErrorKind::NotFound | ErrorKind::Invalid
            ) =>
        {
            done(client, &request.upload, &id).await.ok_or(e)?
        }
        made => made?,
    };
    // It is there, whatever becomes of what it was made of: what is left is removed after a week.
    let _ = abort(client, &request.upload).await;
    Ok(object::meta(request.upload.key, &made))
}

/// The object of an upload that has been completed.
async fn done(client: &Client, upload: &Upload, id: &str) -> Option<Object> {
    let read = GetObjectRequest::new().set_bucket(path(&upload.bucket));
    let read = read.set_object(upload.key.as_str());
    let there = client.get_object(client.deadline(), &read).await.ok()?;
    (nonce_of(&there) == Some(id)).then_some(there)
}

async fn make(client: &Arc<Client>, request: &Complete, id: &str) -> Result<Object> {
    let Complete { upload, parts, mode, checksum: _ } = request;
    let unseen = |e: Error| e.with_applied(Applied::No);
    let (marker, there) = join(find(client, upload), done(client, upload, id)).await;
    // Who asks again, after an answer that was lost, has it already.
    if let Some(there) = there {
        return Ok(there);
    }
    let marker = marker.map_err(unseen)?;
    let found = pinned(client, upload, id, parts).await.map_err(unseen)?;
    let whole = found
        .iter()
        .try_fold(Crc32c::default(), |whole, it| Some(whole.join(checksum(it)?, size(it))));
    let wanted = request.whole_checksum();
    if let (Some(whole), Some(wanted)) = (whole, wanted) {
        whole.check(wanted).map_err(unseen)?;
    }
    let new = NewObject {
        bucket: upload.bucket.clone(),
        name: upload.key.as_str().to_owned(),
        properties: object::properties(&marker),
        encryption: object::encryption(&marker),
        nonce: id.to_owned(),
        notes: Vec::new(),
        wanted: object::wanted(mode)?,
    };
    let sources = few(client, &new, id, found).await.map_err(unseen)?;
    let last = joining(&new, &sources, wanted.or(whole));
    let made = match client.compose(client.deadline_moving(), &last).await {
        Ok(made) => made,
        // What it was to be made of is gone: aborted, or replaced.
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let gone = find(client, upload).await.err().filter(|e| e.kind() == ErrorKind::NotFound);
            let applied = e.applied();
            let error = gone.unwrap_or_else(|| Error::invalid("a part was replaced meanwhile"));
            settle(client, &new, error.with_applied(applied).with_source(e)).await?
        }
        Err(e) => settle(client, &new, e).await?,
    };
    if let (Some(found), Some(wanted)) = (checksum(&made), wanted.or(whole)) {
        found.check(wanted).map_err(|e| e.with_applied(Applied::Yes))?;
    }
    Ok(made)
}

/// The objects that `parts` are, each as it was said to be.
async fn pinned(
    client: &Arc<Client>,
    upload: &Upload,
    id: &str,
    parts: &[Part],
) -> Result<Vec<Object>> {
    let mut found: HashMap<_, _> = stored(client, &upload.bucket, id).try_collect().await?;
    let pin = |part: &Part| {
        let Part { number, size: bytes, tag: wanted, checksum: sum, .. } = part;
        let stored = found.remove(number).filter(|it| {
            let same_sum = sum.is_none() || checksum(it).is_none() || *sum == checksum(it);
            tag(it) == *wanted && size(it) == *bytes && same_sum
        });
        stored.ok_or_else(|| {
            let number = number.get();
            Error::invalid(format!("part {number} is not there as it is said to be"))
        })
    };
    parts.iter().map(pin).collect()
}

/// Joins `objects`, by 32 at a time, until they are few enough for the last joining.
async fn few(
    client: &Client,
    new: &NewObject,
    id: &str,
    mut objects: Vec<Object>,
) -> Result<Vec<Object>> {
    let mut level = 0;
    while objects.len() > SOURCES {
        level += 1;
        let round = nonce()?;
        let join = |(at, group): (usize, Vec<Object>)| {
            let name = format!("{}t-{round}-{level}-{at}", parts_of(id));
            let part =
                NewObject { name, properties: Properties::default(), wanted: None, ..new.clone() };
            async move {
                if let [_] = group.as_slice() {
                    return Ok(group);
                }
                let request = joining(&part, &group, None);
                let made = client.compose(client.deadline_moving(), &request).await;
                made.map(|it| vec![it]).map_err(|e| match e.kind() {
                    ErrorKind::NotFound => {
                        Error::invalid("a part was replaced meanwhile").with_source(e)
                    }
                    _ => e,
                })
            }
        };
        let groups: Vec<_> = objects.chunks(SOURCES).map(<[Object]>::to_vec).collect();
        let joined: Vec<Vec<Object>> = stream::iter(groups.into_iter().enumerate())
            .map(join)
            .buffered(PARALLEL)
            .try_collect()
            .await?;
        objects = joined.into_iter().flatten().collect();
    }
    Ok(objects)
}

/// The request that makes `new` of `sources`, and of nothing else.
fn joining(new: &NewObject, sources: &[Object], checksum: Option<Crc32c>) -> ComposeObjectRequest {
    let Properties { content_type, cache_control, content_disposition, metadata: _ } =
        &new.properties;
    let destination = Object::new()
        .set_bucket(path(&new.bucket))
        .set_name(&new.name)
        .set_content_type(&**content_type)
        .set_cache_control(cache_control.clone().unwrap_or_default())
        .set_content_disposition(content_disposition.clone().unwrap_or_default())
        .set_metadata(new.metadata());
    let source = |it: &Object| SourceObject::new().set_name(&it.name).set_generation(it.generation);
    let sums = checksum.map(|it| ObjectChecksums::new().set_crc32c(it.value()));
    let mut request = ComposeObjectRequest::new()
        .set_destination(destination)
        .set_source_objects(sources.iter().map(source))
        .set_kms_key(new.kms_key())
        .set_or_clear_object_checksums(sums);
    request.if_generation_match = new.wanted;
    request
}
