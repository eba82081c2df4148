//! Reads: what there is to know of an object, and its bytes.

use std::{ops::Range, sync::Arc};

use aws_sdk_s3::{
    primitives::{DateTime, DateTimeFormat},
    types::{ChecksumType, ServerSideEncryption},
};
use futures::StreamExt as _;
use mvi_core::{
    Result,
    blob::{
        ByteRange, Checked, Crc32c, Encryption, Get, Head, Key, Meta, Metadata, Object, Properties,
        Tag, VersionId,
    },
};

use super::{
    Inner, NONCE_HEADER,
    download::Download,
    lane::{Answer, Ask},
    time, unknown,
};
use crate::attempt::Repeat;

/// What comes before the names of an object's metadata.
const META: &str = "x-amz-meta-";

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
        let ask = Ask::new("HeadObject", "HEAD", bucket, Some(key.as_str()), Repeat::Read)
            .header("x-amz-checksum-mode", Some("ENABLED"));
        let answer = self.lane.send(&of_version(ask, version.as_ref())).await?;
        let nonce = answer.text(NONCE_HEADER);
        let size = length(&answer)?;
        Ok(Known { meta: meta(key, size, &answer)?, nonce })
    }

    /// The object at `key`, where it is what the write with `nonce` left.
    pub(super) async fn written(&self, bucket: &str, key: Key, nonce: &str) -> Option<Meta> {
        let found = self.known(bucket, key, None).await.ok()?;
        (found.nonce.as_deref() == Some(nonce)).then_some(found.meta)
    }

    pub(super) async fn get_object(&self, request: &Get) -> Result<Answer> {
        let Get { bucket, key, range, if_match, if_none_match, version } = request;
        let ask = Ask::new("GetObject", "GET", bucket.as_str(), Some(key.as_str()), Repeat::Read)
            .streamed()
            .header("range", range.map(ByteRange::header))
            .header("if-match", if_match.as_ref().map(Tag::as_str))
            .header("if-none-match", if_none_match.as_ref().map(Tag::as_str))
            .header("x-amz-checksum-mode", Some("ENABLED"));
        self.lane.send(&of_version(ask, version.as_ref())).await
    }
}

fn of_version<'a>(ask: Ask<'a>, version: Option<&VersionId>) -> Ask<'a> {
    match version {
        Some(version) => ask.param("versionId", version.as_str()),
        None => ask,
    }
}

pub(super) async fn get(inner: &Arc<Inner>, request: Get) -> Result<Object> {
    request.check()?;
    let mut answer = inner.get_object(&request).await?;
    let length = length(&answer)?;
    let found = answer.header("content-range").map(content_range);
    let (range, size) = match (found, request.range) {
        (Some(Some(found)), _) => found,
        // What is empty has no range, and some say so in an odd way.
        (Some(None), Some(range)) if length == 0 => (range.resolve(0)?, 0),
        (Some(None), _) => return Err(unknown("a content range that is none")),
        (None, Some(range)) if range.resolve(length)? != (0..length) => {
            return Err(unknown("the whole object, where a part was asked for"));
        }
        (None, _) => (0..length, length),
    };
    let mut meta = meta(request.key.clone(), size, &answer)?;
    if request.range.is_some() {
        // Some say that of the range.
        meta.checksum = None;
    }
    let body = answer.take_body();
    let body = Download::new(Arc::clone(inner), request, &meta.tag, range.clone(), body).boxed();
    let checked = Checked::new(body, range.end.saturating_sub(range.start), meta.checksum);
    Ok(Object::new(meta, range, checked.boxed()))
}

/// What an answer says of an object, which `GetObject` and `HeadObject` do by the same headers.
fn meta(key: Key, size: u64, answer: &Answer) -> Result<Meta> {
    let tag = answer.text("etag").ok_or_else(|| unknown("an object without an ETag"))?;
    let mut meta = Meta::new(key, size, Tag::new(tag));
    meta.version = answer.text("x-amz-version-id").map(VersionId::new);
    let headers = answer.head().headers().iter();
    let metadata = headers.filter_map(|(name, value)| Some((name.strip_prefix(META)?, value)));
    meta.properties = Properties {
        content_type: answer.text("content-type").unwrap_or_else(|| Properties::BINARY.into()),
        cache_control: answer.text("cache-control"),
        content_disposition: answer.text("content-disposition"),
        metadata: Metadata::reported(metadata),
    };
    let kind = answer.header("x-amz-checksum-type").map(ChecksumType::from);
    meta.checksum = whole(answer.header("x-amz-checksum-crc32c"), kind.as_ref());
    let kind = answer.header("x-amz-server-side-encryption").map(ServerSideEncryption::from);
    let master = answer.text("x-amz-server-side-encryption-aws-kms-key-id");
    meta.encryption = encryption(kind.as_ref(), master);
    let modified = answer.header("last-modified");
    let modified = modified.and_then(|it| DateTime::from_str(it, DateTimeFormat::HttpDate).ok());
    meta.modified = modified.and_then(time);
    Ok(meta)
}

fn length(answer: &Answer) -> Result<u64> {
    answer
        .header("content-length")
        .and_then(|it| it.parse().ok())
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
