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
        self, ByteRange, Checked, Crc32c, Encryption, Get, Key, Meta, Metadata, Object, Properties,
        Tag, VersionId,
    },
};

use super::{
    Inner, NONCE,
    download::Download,
    lane::{Answer, Ask},
    time, unknown,
};
use crate::attempt::Repeat;

/// An object, as `HeadObject` tells of it.
pub(super) struct Known {
    pub(super) meta: Meta,
    /// That of the write that made it.
    pub(super) nonce: Option<String>,
}

impl Inner {
    pub(super) async fn head(&self, request: blob::Head) -> Result<Meta> {
        request.check()?;
        let blob::Head { bucket, key, version } = request;
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
        let head = Head::of(&answer);
        let nonce = head.nonce.map(str::to_owned);
        Ok(Known { meta: head.meta(key, head.length()?)?, nonce })
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
    let head = Head::of(&answer);
    let length = head.length()?;
    let (range, size) = match (head.range.map(content_range), request.range) {
        (Some(Some(found)), _) => found,
        // What is empty has no range, and some say so in an odd way.
        (Some(None), Some(range)) if length == 0 => (range.resolve(0)?, 0),
        (Some(None), _) => return Err(unknown("a content range that is none")),
        (None, Some(range)) if range.resolve(length)? != (0..length) => {
            return Err(unknown("the whole object, where a part was asked for"));
        }
        (None, _) => (0..length, length),
    };
    let mut meta = head.meta(request.key.clone(), size)?;
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
#[derive(Default)]
struct Head<'a> {
    length: Option<&'a str>,
    range: Option<&'a str>,
    tag: Option<&'a str>,
    version: Option<&'a str>,
    content_type: Option<&'a str>,
    cache_control: Option<&'a str>,
    content_disposition: Option<&'a str>,
    checksum: Option<&'a str>,
    checksum_type: Option<&'a str>,
    encryption: Option<&'a str>,
    master_key: Option<&'a str>,
    modified: Option<&'a str>,
    nonce: Option<&'a str>,
    metadata: Vec<(&'a str, &'a str)>,
}

impl<'a> Head<'a> {
    fn of(answer: &'a Answer) -> Self {
        let mut head = Self::default();
        for (name, value) in answer.headers() {
            let known = match name {
                "content-length" => &mut head.length,
                "content-range" => &mut head.range,
                "etag" => &mut head.tag,
                "x-amz-version-id" => &mut head.version,
                "content-type" => &mut head.content_type,
                "cache-control" => &mut head.cache_control,
                "content-disposition" => &mut head.content_disposition,
                "x-amz-checksum-crc32c" => &mut head.checksum,
                "x-amz-checksum-type" => &mut head.checksum_type,
                "x-amz-server-side-encryption" => &mut head.encryption,
                "x-amz-server-side-encryption-aws-kms-key-id" => &mut head.master_key,
                "last-modified" => &mut head.modified,
                _ => match name.strip_prefix("x-amz-meta-") {
                    Some(NONCE) => &mut head.nonce,
                    Some(name) => {
                        head.metadata.push((name, value));
                        continue;
                    }
                    None => continue,
                },
            };
            known.get_or_insert(value);
        }
        head
    }

    fn length(&self) -> Result<u64> {
        let length = self.length.and_then(|it| it.parse().ok());
        length.ok_or_else(|| unknown("an object without a length"))
    }

    fn meta(&self, key: Key, size: u64) -> Result<Meta> {
        let text = |text: &str| text.to_owned();
        let tag = self.tag.ok_or_else(|| unknown("an object without an ETag"))?;
        let mut meta = Meta::new(key, size, Tag::new(tag));
        meta.version = self.version.map(VersionId::new);
        meta.properties = Properties {
            content_type: match self.content_type {
                None | Some(Properties::BINARY) => Properties::BINARY.into(),
                Some(other) => other.to_owned().into(),
            },
            cache_control: self.cache_control.map(text),
            content_disposition: self.content_disposition.map(text),
            metadata: Metadata::reported(self.metadata.iter().copied()),
        };
        let kind = self.checksum_type.map(ChecksumType::from);
        meta.checksum = whole(self.checksum, kind.as_ref());
        let kind = self.encryption.map(ServerSideEncryption::from);
        meta.encryption = encryption(kind.as_ref(), self.master_key.map(text));
        let modified = self.modified;
        let modified =
            modified.and_then(|it| DateTime::from_str(it, DateTimeFormat::HttpDate).ok());
        meta.modified = modified.and_then(time);
        Ok(meta)
    }
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
