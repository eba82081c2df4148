//! Copies within S3.

use std::fmt::Write as _;

use aws_sdk_s3::types::{ChecksumAlgorithm, MetadataDirective};
use futures::{TryStreamExt as _, stream};
use mvi_core::{
    Applied, Blob as _, BucketName, Error, ErrorKind, Result,
    blob::{
        Complete, Copy, Key, Meta, Mode, Part, PartNumber, Put, Source, Tag, Upload, VersionId,
        parts::{PARALLEL, part_bytes, ranges},
    },
};

use super::{
    S3Blob,
    limits::within,
    read::whole,
    time, unknown,
    write::{Conditions, Written, noted, sse},
};
use crate::{
    attempt::{Failure, Repeat, send},
    nonce::nonce,
};

/// The most bytes of one [`CopyObject`][source].
///
/// [source]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
const MAX_COPY_BYTES: u64 = 5 << 30;
/// How large the parts of a larger one are: S3 copies them side by side, and each takes its time.
const COPY_PART_BYTES: u64 = 512 << 20;
/// How often to look again at a source that was replaced meanwhile.
const MAX_LOOKS: usize = 4;

pub(super) async fn copy(blob: &S3Blob, request: Copy) -> Result<Meta> {
    request.check()?;
    let unchanged = |e: Error| e.with_applied(Applied::No);
    let mut looks = 0;
    loop {
        looks += 1;
        let Source { bucket, key, version, if_match } = &request.source;
        let found = blob.0.known(bucket.as_str(), key.clone(), version.clone()).await;
        let found = found.map_err(unchanged)?.meta;
        if if_match.as_ref().is_some_and(|tag| *tag != found.tag) {
            return Err(Error::conflict("the source has another tag"));
        }
        let copied = if found.size > MAX_COPY_BYTES {
            copy_in_parts(blob, &request, &found).await
        } else {
            copy_whole(blob, &request, &found).await
        };
        let error = match copied {
            Ok(meta) => return Ok(meta),
            Err(error) => error,
        };
        if !matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound)
            || error.applied() != Applied::No
        {
            return Err(error);
        }
        // S3 says the same of a source that was replaced and of a condition on what is to be written.
        let now = blob.0.known(bucket.as_str(), key.clone(), version.clone()).await;
        match now {
            Ok(now) if now.meta.tag != found.tag && looks < MAX_LOOKS => {}
            Ok(_) if request.mode != Mode::Always && error.code() == Some("NoSuchKey") => {
                return Err(Error::conflict("nothing is there, and something was wanted"));
            }
            _ => return Err(error),
        }
    }
}

async fn copy_whole(blob: &S3Blob, request: &Copy, found: &Meta) -> Result<Meta> {
    let Copy { source, bucket, key, mode, properties, encryption } = request;
    let Source { bucket: from_bucket, key: from, version, if_match: _ } = source;
    let properties = properties.clone().unwrap_or_else(|| found.properties.clone());
    let nonce = nonce()?;
    let Conditions { if_match, if_none_match } = Conditions::from(mode);
    let (sse, sse_key) = sse(encryption);
    let call = blob
        .0
        .client
        .copy_object()
        .bucket(bucket.as_str())
        .key(key.as_str())
        .copy_source(named(from_bucket, from, version.as_ref()))
        .copy_source_if_match(found.tag.as_str())
        // What is written anew has a nonce of its own.
        .metadata_directive(MetadataDirective::Replace)
        .content_type(&*properties.content_type)
        .set_cache_control(properties.cache_control.clone())
        .set_content_disposition(properties.content_disposition.clone())
        .set_metadata(Some(noted(&properties.metadata, &nonce)))
        .set_server_side_encryption(sse)
        .set_ssekms_key_id(sse_key)
        .checksum_algorithm(ChecksumAlgorithm::Crc32C)
        .set_if_match(if_match)
        .set_if_none_match(if_none_match);
    let copied = within!(blob.0.limits.copying(found.size), call);
    match send("CopyObject", Repeat::Idempotent, copied).await {
        Ok(answer) => {
            let result = answer.copy_object_result.ok_or_else(|| unknown("no copy"));
            let result = result.map_err(|e| e.with_applied(Applied::Yes))?;
            let checksum = whole(result.checksum_crc32_c.as_deref(), result.checksum_type.as_ref());
            let written = Written {
                key: key.clone(),
                size: found.size,
                tag: result.e_tag,
                version: answer.version_id,
                checksum,
                properties,
                encryption: encryption.clone(),
            };
            let mut meta = written.meta()?;
            meta.modified = result.last_modified.and_then(time);
            Ok(meta)
        }
        Err(failure) => blob.0.refused(bucket.as_str(), key, Some(&nonce), failure).await,
    }
}

/// Copies what is too large for one call.
async fn copy_in_parts(blob: &S3Blob, request: &Copy, found: &Meta) -> Result<Meta> {
    let Copy { source, bucket, key, mode, properties, encryption } = request;
    let properties = properties.clone().unwrap_or_else(|| found.properties.clone());
    let put =
        Put::new(bucket.clone(), key.clone()).properties(properties).encryption(encryption.clone());
    let unseen = |e: Error| e.with_applied(Applied::No);
    let upload = blob.start_upload(put.upload()).await.map_err(unseen)?;
    let copied = match copy_parts(blob, source, found, &upload).await.map_err(unseen) {
        Ok(parts) => {
            let complete = Complete::new(upload.clone(), parts).mode(mode.clone());
            blob.complete_upload(complete).await
        }
        Err(error) => Err(error),
    };
    if copied.is_err() {
        // What can't be aborted is left to the bucket's own rule, and the caller is told of the first error.
        let _ = blob.abort_upload(&upload).await;
    }
    copied
}

async fn copy_parts(
    blob: &S3Blob,
    source: &Source,
    found: &Meta,
    upload: &Upload,
) -> Result<Vec<Part>> {
    let bytes = part_bytes(found.size).max(COPY_PART_BYTES);
    let from = named(&source.bucket, &source.key, source.version.as_ref());
    let mut parts: Vec<Part> = stream::iter(ranges(found.size, bytes))
        .map_ok(|(number, range)| copy_part(blob, &from, &found.tag, upload, number, range))
        .try_buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    parts.sort_unstable_by_key(|it| it.number);
    Ok(parts)
}

async fn copy_part(
    blob: &S3Blob,
    from: &str,
    tag: &Tag,
    upload: &Upload,
    number: PartNumber,
    range: std::ops::Range<u64>,
) -> Result<Part> {
    let size = range.end - range.start;
    let call = blob
        .0
        .client
        .upload_part_copy()
        .bucket(upload.bucket.as_str())
        .key(upload.key.as_str())
        .upload_id(&upload.id)
        .part_number(i32::try_from(number.get()).unwrap_or(i32::MAX))
        .copy_source(from)
        .copy_source_if_match(tag.as_str())
        .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1));
    let copied = within!(blob.0.limits.copying(size), call);
    let answer =
        send("UploadPartCopy", Repeat::Idempotent, copied).await.map_err(Failure::into_error)?;
    let result = answer.copy_part_result.ok_or_else(|| unknown("no copy"))?;
    let tag = result.e_tag.ok_or_else(|| unknown("a part without an ETag"))?;
    let mut part = Part::new(number, size, Tag::new(tag));
    part.checksum = result.checksum_crc32_c.and_then(|it| it.parse().ok());
    Ok(part)
}

/// An object as the header `x-amz-copy-source` names it: as in a URL, whose reserved characters a key may have.
fn named(bucket: &BucketName, key: &Key, version: Option<&VersionId>) -> String {
    let mut text = format!("{bucket}/");
    escape(key.as_str(), true, &mut text);
    if let Some(version) = version {
        text.push_str("?versionId=");
        escape(version.as_str(), false, &mut text);
    }
    text
}

fn escape(plain: &str, slashes: bool, to: &mut String) {
    for byte in plain.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                to.push(char::from(byte));
            }
            b'/' if slashes => to.push('/'),
            // Writing to a String does not fail.
            _ => drop(write!(to, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_as_in_a_url() {
        let bucket = BucketName::new("acme-7f3").unwrap();
        let key = Key::new("a b/ü+?#%&~.csv").unwrap();
        assert_eq!(named(&bucket, &key, None), "acme-7f3/a%20b/%C3%BC%2B%3F%23%25%26~.csv");
        let version = VersionId::new("x/y+=");
        let key = Key::new("/").unwrap();
        assert_eq!(named(&bucket, &key, Some(&version)), "acme-7f3//?versionId=x%2Fy%2B%3D");
    }
}
