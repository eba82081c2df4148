//! Reads: what there is to know of an object, and its bytes.

use std::{collections::HashMap, ops::Range, sync::Arc};

use aws_sdk_s3::{
    operation::{get_object::GetObjectOutput, head_object::HeadObjectOutput},
    types::{ChecksumMode, ChecksumType, ServerSideEncryption},
};
use futures::{StreamExt as _, stream};
use mvi_core::{
    Result,
    blob::{
        ByteRange, Checked, Crc32c, Encryption, Get, Head, Key, Meta, Metadata, Object, Properties,
        Tag, VersionId,
    },
};

use super::{Inner, NONCE, download::Download, time, unknown};
use crate::attempt::{Failure, Repeat, send};

/// What an answer says of an object, under the names that `GetObject` and `HeadObject` share.
macro_rules! meta {
    ($key:expr, $size:expr, $answer:expr) => {{
        let answer = $answer;
        let tag = answer.e_tag.take().ok_or_else(|| unknown("an object without an ETag"))?;
        let mut meta = Meta::new($key, $size, Tag::new(tag));
        meta.version = answer.version_id.take().map(VersionId::new);
        meta.properties = Properties {
            content_type: answer.content_type.take().map_or(Properties::BINARY.into(), Into::into),
            cache_control: answer.cache_control.take(),
            content_disposition: answer.content_disposition.take(),
            metadata: Metadata::reported(answer.metadata.take().unwrap_or_default()),
        };
        meta.checksum = whole(answer.checksum_crc32_c.as_deref(), answer.checksum_type.as_ref());
        meta.encryption =
            encryption(answer.server_side_encryption.as_ref(), answer.ssekms_key_id.take());
        meta.modified = answer.last_modified.take().and_then(time);
        meta
    }};
}

/// An object, as `HeadObject` tells of it.
pub(super) struct Known {
    pub(super) meta: Meta,
    /// That of the write that made it.
    pub(super) nonce: Option<String>,
}

impl Inner {
    pub(super) async fn head(&self, request: Head) -> Result<Meta> {
        let Head { bucket, key, version } = request;
        self.known(bucket.as_str(), key, version).await.map(|it| it.meta)
    }

    pub(super) async fn known(
        &self,
        bucket: &str,
        key: Key,
        version: Option<VersionId>,
    ) -> Result<Known> {
        let call = self
            .client
            .head_object()
            .bucket(bucket)
            .key(key.as_str())
            .set_version_id(version.map(|it| it.as_str().to_owned()))
            .checksum_mode(ChecksumMode::Enabled);
        let mut answer: HeadObjectOutput =
            send("HeadObject", Repeat::Read, call.send()).await.map_err(Failure::into_error)?;
        let nonce = nonce_of(answer.metadata.as_mut());
        let size = size(answer.content_length)?;
        Ok(Known { meta: meta!(key, size, &mut answer), nonce })
    }

    /// The object at `key`, where it is what the write with `nonce` left.
    pub(super) async fn written(&self, bucket: &str, key: Key, nonce: &str) -> Option<Meta> {
        let found = self.known(bucket, key, None).await.ok()?;
        (found.nonce.as_deref() == Some(nonce)).then_some(found.meta)
    }

    pub(super) async fn get_object(&self, request: &Get) -> Result<GetObjectOutput> {
        let Get { bucket, key, range, if_match, if_none_match, version } = request;
        let text = |tag: &Tag| tag.as_str().to_owned();
        let call = self
            .client
            .get_object()
            .bucket(bucket.as_str())
            .key(key.as_str())
            .set_range(range.map(ByteRange::header))
            .set_if_match(if_match.as_ref().map(text))
            .set_if_none_match(if_none_match.as_ref().map(text))
            .set_version_id(version.as_ref().map(|it| it.as_str().to_owned()));
        send("GetObject", Repeat::Read, call.send()).await.map_err(Failure::into_error)
    }
}

pub(super) async fn get(inner: &Arc<Inner>, request: Get) -> Result<Object> {
    request.check()?;
    let mut answer = inner.get_object(&request).await?;
    let length = size(answer.content_length)?;
    let (range, size) = match (answer.content_range.as_deref().map(content_range), request.range) {
        (Some(Some(found)), _) => found,
        // What is empty has no range, and some say so in an odd way.
        (Some(None), Some(range)) if length == 0 => (range.resolve(0)?, 0),
        (Some(None), _) => return Err(unknown("a content range that is none")),
        (None, Some(range)) if range.resolve(length)? != (0..length) => {
            return Err(unknown("the whole object, where a part was asked for"));
        }
        (None, _) => (0..length, length),
    };
    let body = std::mem::take(&mut answer.body);
    let mut meta = meta!(request.key.clone(), size, &mut answer);
    if request.range.is_some() {
        // Some say that of the range.
        meta.checksum = None;
    }
    let body = Download::new(Arc::clone(inner), request, &meta.tag, range.clone(), body);
    let body = stream::try_unfold(body, Download::next).boxed();
    let checked = Checked::new(body, range.end.saturating_sub(range.start), meta.checksum);
    Ok(Object::new(meta, range, checked.boxed()))
}

/// Takes the nonce out of an object's metadata.
fn nonce_of(metadata: Option<&mut HashMap<String, String>>) -> Option<String> {
    metadata.and_then(|it| it.remove(NONCE))
}

fn size(length: Option<i64>) -> Result<u64> {
    length
        .and_then(|it| u64::try_from(it).ok())
        .ok_or_else(|| unknown("an object without a length"))
}

/// `bytes 0-9/100`: which bytes come, and how many there are.
pub(super) fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, last) = range.split_once('-')?;
    let (start, last, size) = (start.parse().ok()?, last.parse::<u64>().ok()?, size.parse().ok()?);
    (start <= last && last < size).then(|| (start..last + 1, size))
}

/// The checksum of a whole object. One that is [made of its parts'][source] can't be compared with anything.
///
/// [source]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
pub(super) fn whole(checksum: Option<&str>, kind: Option<&ChecksumType>) -> Option<Crc32c> {
    // One of parts has `-` and how many they are, and so is none of ours.
    checksum.filter(|_| kind != Some(&ChecksumType::Composite))?.parse().ok()
}

pub(super) fn encryption(kind: Option<&ServerSideEncryption>, key: Option<String>) -> Encryption {
    match (kind, key) {
        (Some(ServerSideEncryption::AwsKms), Some(key)) => Encryption::Key(key),
        _ => Encryption::Provider,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_says_which_bytes_of_how_many() {
        assert_eq!(content_range("bytes 0-0/1"), Some((0..1, 1)));
        assert_eq!(content_range("bytes 5-9/100"), Some((5..10, 100)));
        for none in ["", "bytes", "bytes */10", "bytes 0-9/*", "bytes 5-4/10", "bytes 0-10/10"] {
            assert_eq!(content_range(none), None, "{none:?}");
        }
        assert_eq!(content_range(&format!("bytes 0-{}/{}", u64::MAX, u64::MAX)), None);
    }

    #[test]
    fn a_checksum_of_parts_is_none_of_the_whole() {
        let whole_of = |text, kind: Option<ChecksumType>| whole(Some(text), kind.as_ref());
        let crc = "yZRlqg==".parse().ok();
        assert_eq!(whole_of("yZRlqg==", None), crc);
        assert_eq!(whole_of("yZRlqg==", Some(ChecksumType::FullObject)), crc);
        assert_eq!(whole_of("yZRlqg==", Some(ChecksumType::Composite)), None);
        assert_eq!(whole_of("yZRlqg==-2", None), None);
        assert_eq!(whole(None, None), None);
    }
}
