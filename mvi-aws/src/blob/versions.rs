//! The versions of a bucket's objects, in order.
//!
//! S3 answers with objects and with markers of their removal in one order, the newest first, of which the SDK makes two lists. Their times
//! are in whole seconds, so that it could not be told any more which is newer: [`Order`] keeps what stood in the answer.

use std::{cell::RefCell, sync::Arc};

use aws_sdk_s3::types::{DeleteMarkerEntry, EncodingType, ObjectVersion as Found};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept, context::AfterDeserializationInterceptorContextRef, dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use futures::{Stream, TryStreamExt as _, stream};
use mvi_core::{
    Error, Result,
    blob::{Key, ObjectVersion, Tag, VersionId, VersionState, Versions},
};

use super::{Inner, list::Written as Keys, time, unknown};
use crate::attempt::{Failure, Repeat, send};

/// What an entry of a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Version,
    Marker,
}

tokio::task_local! {
    // A call never leaves its task, and an interceptor is given nothing else that belongs to one call.
    static KINDS: RefCell<Vec<Kind>>;
}

/// Keeps the order in which an answer has versions and markers.
#[derive(Debug)]
pub(super) struct Order;

#[dyn_dispatch_hint]
impl Intercept for Order {
    fn name(&self) -> &'static str {
        "mvi order"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Only a page of ours has somewhere to keep it.
        let keep = |kinds: &RefCell<Vec<Kind>>| {
            *kinds.borrow_mut() = kinds_in(context.response().body().bytes().unwrap_or_default());
        };
        KINDS.try_with(keep).ok();
        Ok(())
    }
}

/// What the entries of an answer are, in their order.
fn kinds_in(answer: &[u8]) -> Vec<Kind> {
    // In XML no text has a `<`.
    let tags = answer.split(|b| *b == b'<');
    tags.filter_map(|it| match it {
        it if it.starts_with(b"Version>") => Some(Kind::Version),
        it if it.starts_with(b"DeleteMarker>") => Some(Kind::Marker),
        _ => None,
    })
    .collect()
}

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
        let call = send("ListObjectVersions", Repeat::Read, call.send());
        let call = async move { (call.await, KINDS.with(RefCell::take)) };
        let (answer, kinds) = KINDS.scope(RefCell::default(), call).await;
        let answer = answer.map_err(Failure::into_error)?;
        let keys = Keys::as_said(answer.encoding_type.as_ref());
        let mut versions = answer.versions.unwrap_or_default().into_iter();
        let mut markers = answer.delete_markers.unwrap_or_default().into_iter();
        let mut found = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let next = match kind {
                Kind::Version => versions.next().map(|it| version(keys, it)),
                Kind::Marker => markers.next().map(|it| marker(keys, it)),
            };
            // What is no key of ours is no version of ours.
            found.extend(next.ok_or_else(|| unknown("fewer versions than it seemed"))??);
        }
        if versions.next().is_some() || markers.next().is_some() {
            return Err(unknown("more versions than it seemed"));
        }
        // As they are already, where S3 answers; what else there is may have the one kind before the other.
        found.sort_by(|a, b| a.key.cmp(&b.key));
        if answer.is_truncated == Some(true) {
            let key = answer.next_key_marker.map(|it| keys.read(it));
            self.key = Some(key.ok_or_else(|| unknown("a page without the next"))?);
            self.version = answer.next_version_id_marker;
        } else {
            self.done = true;
        }
        Ok(Some(found))
    }
}

fn version(keys: Keys, found: Found) -> Result<Option<ObjectVersion>> {
    let state = match found.is_latest {
        Some(true) => VersionState::Current,
        _ => VersionState::Noncurrent,
    };
    let Some(mut version) = named(keys, found.key, found.version_id, state)? else {
        return Ok(None);
    };
    let size = found.size.and_then(|it| u64::try_from(it).ok());
    version.size = size.ok_or_else(|| unknown("a version without a size"))?;
    version.tag = found.e_tag.map(Tag::new);
    version.modified = found.last_modified.and_then(time);
    Ok(Some(version))
}

fn marker(keys: Keys, found: DeleteMarkerEntry) -> Result<Option<ObjectVersion>> {
    let marker = named(keys, found.key, found.version_id, VersionState::DeleteMarker)?;
    Ok(marker.map(|mut marker| {
        marker.modified = found.last_modified.and_then(time);
        marker
    }))
}

/// A version, but of what is no key of ours.
fn named(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_an_answer_is_kept() {
        let answer = b"<ListVersionsResult><DeleteMarker><Key>Version&gt;</Key><VersionId>1</VersionId></DeleteMarker>\
            <Version><Key>a</Key></Version><Version></Version><DeleteMarker></DeleteMarker></ListVersionsResult>";
        let (v, m) = (Kind::Version, Kind::Marker);
        assert_eq!(kinds_in(answer), [m, v, v, m]);
        assert_eq!(kinds_in(b""), []);
    }
}
