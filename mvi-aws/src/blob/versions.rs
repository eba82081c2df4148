//! The versions of a bucket's objects, in order.

use std::{cmp::Reverse, sync::Arc};

use aws_sdk_s3::types::EncodingType;
use futures::{Stream, TryStreamExt as _, stream};
use mvi_core::{
    Error, Result,
    blob::{Key, ObjectVersion, Tag, VersionId, VersionState, Versions},
};

use super::{Inner, list::Written as Keys, time, unknown};
use crate::attempt::{Failure, Repeat, send};

pub(super) fn versions(
    inner: Arc<Inner>,
    request: Versions,
) -> impl Stream<Item = Result<ObjectVersion>> + Send + 'static {
    let opened = async move {
        request.check()?;
        Ok::<_, Error>(Listing { inner, request, key: None, version: None, done: false })
    };
    let read = |mut listing: Listing| async move {
        let page = listing.page().await?;
        Ok::<_, Error>(page.map(|page| (stream::iter(page.into_iter().map(Ok)), listing)))
    };
    stream::once(opened).map_ok(move |it| stream::try_unfold(it, read).try_flatten()).try_flatten()
}

struct Listing {
    inner: Arc<Inner>,
    request: Versions,
    key: Option<String>,
    version: Option<String>,
    done: bool,
}

impl Listing {
    /// The versions of the next page, which may have none and not be the last.
    async fn page(&mut self) -> Result<Option<Vec<ObjectVersion>>> {
        if self.done {
            return Ok(None);
        }
        let Versions { bucket, prefix, page } = &self.request;
        let call = self
            .inner
            .client
            .list_object_versions()
            .bucket(bucket.as_str())
            .encoding_type(EncodingType::Url)
            .set_prefix(Some(prefix.clone()).filter(|it| !it.is_empty()))
            .set_max_keys(page.map(|it| i32::try_from(it.get().min(1_000)).unwrap_or(1_000)))
            .set_key_marker(self.key.take())
            .set_version_id_marker(self.version.take());
        let answer = send("ListObjectVersions", Repeat::Read, call.send())
            .await
            .map_err(Failure::into_error)?;
        let keys = Keys::as_said(answer.encoding_type.as_ref());
        let mut found = Vec::new();
        for it in answer.versions.unwrap_or_default() {
            let state = match it.is_latest {
                Some(true) => VersionState::Current,
                _ => VersionState::Noncurrent,
            };
            let Some(mut version) = version_of(keys, it.key, it.version_id, state)? else {
                continue;
            };
            let size = it.size.and_then(|it| u64::try_from(it).ok());
            version.size = size.ok_or_else(|| unknown("a version without a size"))?;
            version.tag = it.e_tag.map(Tag::new);
            version.modified = it.last_modified.and_then(time);
            found.push((it.is_latest == Some(true), version));
        }
        for it in answer.delete_markers.unwrap_or_default() {
            let state = VersionState::DeleteMarker;
            let Some(mut version) = version_of(keys, it.key, it.version_id, state)? else {
                continue;
            };
            version.modified = it.last_modified.and_then(time);
            found.push((it.is_latest == Some(true), version));
        }
        // S3 has both in one order, of which the SDK makes two lists.
        found.sort_by(|(latest, a), (also_latest, b)| {
            let newest = |latest: &bool, it: &ObjectVersion| Reverse((*latest, it.modified));
            a.key.cmp(&b.key).then_with(|| newest(latest, a).cmp(&newest(also_latest, b)))
        });
        if answer.is_truncated == Some(true) {
            let key = answer.next_key_marker.map(|it| keys.read(it));
            self.key = Some(key.ok_or_else(|| unknown("a page without the next"))?);
            self.version = answer.next_version_id_marker;
        } else {
            self.done = true;
        }
        Ok(Some(found.into_iter().map(|(_, version)| version).collect()))
    }
}

/// A version, but of what is no key of ours.
fn version_of(
    keys: Keys,
    key: Option<String>,
    version: Option<String>,
    state: VersionState,
) -> Result<Option<ObjectVersion>> {
    let (Some(key), Some(version)) = (key, version) else {
        return Err(unknown("a version without its key or id"));
    };
    let key = Key::new(keys.read(key)).ok();
    Ok(key.map(|key| ObjectVersion::new(key, VersionId::new(version), state)))
}
