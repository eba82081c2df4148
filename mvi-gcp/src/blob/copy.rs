//! Copies: the service rewrites the bytes, in as many calls as it likes.

use google_cloud_storage::model::{GetObjectRequest, Object, RewriteObjectRequest};
use mvi_core::{
    Applied, Error, ErrorKind, Result,
    blob::{Copy, Meta, Source},
};

use super::{
    client::{Client, NewObject, path},
    object::{self, matched, nonce, pinned, wanted},
    put::settle,
};

/// How often to begin anew where the source is replaced while it is copied.
const ROUNDS: u32 = 8;

/// Writes an object from another.
pub(super) async fn copy(client: &Client, request: Copy) -> Result<Meta> {
    request.check()?;
    let Copy { source, bucket, key, mode, properties, encryption } = request;
    let Source { bucket: from, key: from_key, version, if_match } = source;
    let unseen = |e: Error| e.with_applied(Applied::No);
    let pinned = pinned(version.as_ref())?;
    let if_match = if_match.as_ref().map(matched).transpose()?;
    let mut read = GetObjectRequest::new().set_bucket(path(&from)).set_object(from_key.as_str());
    read.generation = pinned.unwrap_or_default();
    read.if_generation_match = if_match;
    let generation = wanted(&mode)?;
    let mut round = 0;
    loop {
        round += 1;
        let found = client.get_object(client.deadline(), &read).await.map_err(unseen)?;
        let new = NewObject {
            bucket: bucket.clone(),
            name: key.as_str().to_owned(),
            properties: properties.clone().unwrap_or_else(|| object::properties(&found)),
            encryption: encryption.clone(),
            nonce: nonce()?,
            notes: Vec::new(),
            wanted: generation,
        };
        let carries = properties.is_none();
        match rewrite(client, &new, &found, carries).await {
            Ok(made) => return Ok(object::meta(key, &made)),
            Err(e) if e.kind() == ErrorKind::NotFound && !e.may_have_applied() => {
                // The source is another one by now, or the bucket to write to is not there.
                let now = client.get_object(client.deadline(), &read).await.map_err(unseen)?;
                if now.generation == found.generation || round >= ROUNDS {
                    return Err(e);
                }
            }
            Err(e) => return settle(client, &new, e).await.map(|made| object::meta(key, &made)),
        }
    }
}

/// Has the service move the bytes of `source` until all are there.
async fn rewrite(
    client: &Client,
    new: &NewObject,
    source: &Object,
    carries: bool,
) -> Result<Object> {
    let mut destination = Object::new()
        .set_content_type(&*new.properties.content_type)
        .set_cache_control(new.properties.cache_control.clone().unwrap_or_default())
        .set_content_disposition(new.properties.content_disposition.clone().unwrap_or_default())
        .set_metadata(new.metadata());
    if carries {
        // What MVI has no words for goes along.
        destination.content_encoding.clone_from(&source.content_encoding);
        destination.content_language.clone_from(&source.content_language);
    }
    let mut request = RewriteObjectRequest::new()
        .set_source_bucket(&source.bucket)
        .set_source_object(&source.name)
        .set_source_generation(source.generation)
        .set_destination_bucket(path(&new.bucket))
        .set_destination_name(&new.name)
        .set_destination_kms_key(new.kms_key())
        .set_destination(destination);
    request.if_generation_match = new.wanted;
    loop {
        let moved = client.rewrite(client.deadline_moving(), &request).await?;
        if moved.done {
            let made = moved.resource.ok_or_else(|| crate::error::unread("RewriteObject"))?;
            let (before, after) = (object::checksum(source), object::checksum(&made));
            if let (Some(before), Some(after)) = (before, after) {
                after.check(before).map_err(|e| e.with_applied(Applied::Yes))?;
            }
            return Ok(made);
        }
        request.rewrite_token = moved.rewrite_token;
    }
}
