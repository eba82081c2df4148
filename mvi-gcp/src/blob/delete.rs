//! Removals: of one object, of one of its versions, of many side by side.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use google_cloud_storage::model::DeleteObjectRequest;
use mvi_core::{
    BucketName, Error, ErrorKind, Result,
    blob::{Delete, DeleteMany, Target},
};
use tokio::sync::OnceCell;

use super::{
    bucket,
    client::{Client, path},
    object::{generation, matched},
    upload::REMOVED_AT_ONCE,
};

/// Removes an object, or one of its versions.
pub(super) async fn delete(client: &Client, request: Delete) -> Result<()> {
    request.check()?;
    one(client, request, &OnceCell::new()).await
}

/// `known` is filled when somebody has made sure that the bucket is there.
async fn one(client: &Client, request: Delete, known: &OnceCell<()>) -> Result<()> {
    let Delete { bucket, key, if_match, version } = request;
    let mut delete = DeleteObjectRequest::new().set_bucket(path(&bucket)).set_object(key.as_str());
    delete.if_generation_match = if_match.as_ref().map(matched).transpose()?;
    if let Some(version) = version {
        let Some(version) = generation(version.as_str()) else {
            // No version of ours is called so.
            return there(client, &bucket, known).await;
        };
        delete.generation = version;
    }
    match client.delete_object(client.deadline(), &delete).await {
        // The object is not there, or the whole bucket is not: one code for both.
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let applied = e.applied();
            there(client, &bucket, known).await.map_err(|e: Error| e.with_applied(applied))
        }
        Err(e) if e.kind() == ErrorKind::Conflict && e.code() == Some("NOT_FOUND") => {
            there(client, &bucket, known).await?;
            Err(e)
        }
        removed => removed,
    }
}

async fn there(client: &Client, bucket: &BucketName, known: &OnceCell<()>) -> Result<()> {
    known.get_or_try_init(|| bucket::exists(client, bucket)).await.copied()
}

/// Removes many, some at a time, and says of each what became of it.
pub(super) async fn delete_many(
    client: &Arc<Client>,
    request: DeleteMany,
) -> Result<Vec<Result<()>>> {
    request.check()?;
    let DeleteMany { bucket, targets } = request;
    let known = OnceCell::new();
    let remove = |Target { key, version }: Target| {
        one(client, Delete { bucket: bucket.clone(), key, if_match: None, version }, &known)
    };
    let outcomes: Vec<Result<()>> =
        stream::iter(targets).map(remove).buffered(REMOVED_AT_ONCE).collect().await;
    // What is not there is no failure, so it is the bucket that is not.
    let missing = |it: &Result<()>| matches!(it, Err(e) if e.kind() == ErrorKind::NotFound);
    match outcomes.iter().position(missing) {
        Some(at) => Err(outcomes
            .into_iter()
            .nth(at)
            .and_then(Result::err)
            .unwrap_or_else(bucket::no_bucket)),
        None => Ok(outcomes),
    }
}
