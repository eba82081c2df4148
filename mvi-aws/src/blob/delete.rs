//! Removals, of one object and of many.

use std::collections::HashMap;

use aws_sdk_s3::types::{self, ObjectIdentifier};
use futures::{StreamExt as _, stream};
use mvi_core::{
    Applied, BucketName, Error, ErrorKind, Result,
    blob::{Delete, DeleteMany, Target},
};

use super::{Inner, unbuilt, unknown};
use crate::{
    attempt::{Failure, Repeat, send},
    error::{again, of_code, plain},
    partial::Rounds,
};

/// The most objects of one [`DeleteObjects`][source].
///
/// [source]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
const MAX_DELETES: usize = 1_000;
/// How many calls of one batch are under way at a time.
const SIDE_BY_SIDE: usize = 4;

impl Inner {
    pub(super) async fn delete(&self, request: Delete) -> Result<()> {
        request.check()?;
        let Delete { bucket, key, if_match, version } = request;
        let call = self
            .client
            .delete_object()
            .bucket(bucket.as_str())
            .key(key.as_str())
            .set_if_match(if_match.map(|it| it.as_str().to_owned()))
            .set_version_id(version.map(|it| it.as_str().to_owned()));
        match send("DeleteObject", Repeat::Idempotent, call.send()).await {
            Ok(_) => Ok(()),
            // Where an attempt before may have removed it, nothing is left that could tell who did: the error says that it
            // may have been applied.
            Err(failure) => match failure.into_error() {
                e if e.code() == Some("NoSuchVersion") => Ok(()),
                e => Err(e),
            },
        }
    }

    pub(super) async fn delete_many(&self, request: DeleteMany) -> Result<Vec<Result<()>>> {
        request.check()?;
        let DeleteMany { bucket, targets } = request;
        let mut places: HashMap<&Target, Vec<usize>> = HashMap::with_capacity(targets.len());
        let mut unique: Vec<&Target> = Vec::with_capacity(targets.len());
        for (place, target) in targets.iter().enumerate() {
            let same = places.entry(target).or_default();
            if same.is_empty() {
                unique.push(target);
            }
            same.push(place);
        }
        let mut results: Vec<Result<()>> = targets.iter().map(|_| Ok(())).collect();
        let chunks: Vec<_> =
            unique.chunks(MAX_DELETES).map(|it| self.delete_chunk(&bucket, it)).collect();
        let mut answers = stream::iter(chunks).buffer_unordered(SIDE_BY_SIDE);
        let (mut befell_all, mut whole) = (None, true);
        while let Some(Gone { failed, error }) = answers.next().await {
            for (target, error) in failed {
                for place in places.get(target).into_iter().flatten() {
                    results[*place] = Err(again(&error, error.message()));
                }
            }
            whole &= error.is_some();
            befell_all = befell_all.or(error);
        }
        match befell_all {
            Some(error) if whole => Err(error),
            _ => Ok(results),
        }
    }

    /// Removes what one call takes, and asks again for what S3 could not do just then.
    async fn delete_chunk<'a>(&self, bucket: &BucketName, targets: &[&'a Target]) -> Gone<'a> {
        let mut gone = Gone { failed: Vec::new(), error: None };
        let mut left: Vec<&'a Target> = targets.to_vec();
        let mut rounds = Rounds::new(self.retries);
        loop {
            let before = left.len();
            let failed = match self.delete_round(bucket, &left).await {
                Ok(failed) => failed,
                Err(error) => {
                    let all = left.len() == targets.len();
                    let same = |it| (it, again(&error, error.message()));
                    gone.failed.extend(left.into_iter().map(same));
                    gone.error = Some(error).filter(|_| all);
                    return gone;
                }
            };
            let (retried, settled): (Vec<_>, Vec<_>) =
                failed.into_iter().partition(|(_, error)| error.is_retryable());
            gone.failed.extend(settled);
            if !rounds.again(before, retried.len()).await {
                gone.failed.extend(retried);
                return gone;
            }
            left = retried.into_iter().map(|(it, _)| it).collect();
        }
    }

    /// Asks once, and returns what was not removed.
    async fn delete_round<'a>(
        &self,
        bucket: &BucketName,
        targets: &[&'a Target],
    ) -> Result<Vec<(&'a Target, Error)>> {
        let object = |target: &&Target| {
            let Target { key, version } = target;
            ObjectIdentifier::builder()
                .key(key.as_str())
                .set_version_id(version.as_ref().map(|it| it.as_str().to_owned()))
                .build()
        };
        let objects: Result<Vec<_>, _> = targets.iter().map(object).collect();
        let delete = types::Delete::builder()
            .set_objects(Some(objects.map_err(unbuilt)?))
            .quiet(true)
            .build()
            .map_err(unbuilt)?;
        let call = self.client.delete_objects().bucket(bucket.as_str()).delete(delete);
        let answer = send("DeleteObjects", Repeat::Idempotent, call.send())
            .await
            .map_err(Failure::into_error)?;
        let failed = answer.errors.unwrap_or_default();
        if failed.is_empty() {
            return Ok(Vec::new());
        }
        let version = |target: &Target| target.version.as_ref().map(|it| it.as_str().to_owned());
        let asked: HashMap<_, _> =
            targets.iter().map(|it| ((it.key.as_str(), version(it)), *it)).collect();
        let mut left = Vec::with_capacity(failed.len());
        for types::Error { key, version_id, code, message, .. } in failed {
            let name = (key.as_deref().unwrap_or_default(), version_id.filter(|it| !it.is_empty()));
            let target = asked.get(&name).ok_or_else(|| {
                unknown("an error of what was not asked for").with_applied(Applied::Unknown)
            })?;
            let row = of_code("DeleteObjects", code.as_deref(), 0);
            if row.kind == ErrorKind::NotFound && code.as_deref() != Some("NoSuchBucket") {
                continue;
            }
            let message = message.as_deref().map_or_else(|| "it was not removed".into(), plain);
            let error = Error::new(row.kind, message).with_applied(row.applied);
            let error = match code {
                Some(code) => error.with_code(code),
                None => error.with_applied(Applied::Unknown),
            };
            left.push((*target, error));
        }
        Ok(left)
    }
}

/// What a chunk came to.
struct Gone<'a> {
    failed: Vec<(&'a Target, Error)>,
    /// What befell all of it.
    error: Option<Error>,
}
