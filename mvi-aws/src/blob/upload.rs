//! Uploads in parts.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use aws_sdk_s3::{
    primitives::{ByteStream, SdkBody},
    types::{
        ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, EncodingType,
    },
};
use bytes::Bytes;
use futures::{Stream, ready, stream, stream::BoxStream};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use mvi_core::{
    Applied, BucketName, Error, ErrorKind, Result,
    blob::{
        Body, Complete, Crc32c, Encryption, Key, MAX_COLLECTED_BYTES, MAX_PART_BYTES, Meta, Part,
        PartNumber, Properties, StartUpload, Tag, Upload,
        parts::{PART_BYTES, Replayable},
    },
};

use super::{
    Inner,
    lane::Ask,
    limits::within,
    list::Written as Keys,
    time, unknown,
    write::{Conditions, Written, noted, sse},
};
use crate::{
    attempt::{Failure, Repeat, send},
    nonce::nonce,
};

impl Inner {
    pub(super) async fn start_upload(&self, request: StartUpload) -> Result<Upload> {
        request.check()?;
        let StartUpload { bucket, key, properties, encryption } = request;
        let nonce = nonce()?;
        let (sse, sse_key) = sse(&encryption);
        let call = self
            .client
            .create_multipart_upload()
            .bucket(bucket.as_str())
            .key(key.as_str())
            .content_type(properties.content_type)
            .set_cache_control(properties.cache_control)
            .set_content_disposition(properties.content_disposition)
            .set_metadata(Some(noted(&properties.metadata, &nonce)))
            .set_server_side_encryption(sse)
            .set_ssekms_key_id(sse_key)
            .checksum_algorithm(ChecksumAlgorithm::Crc32C)
            .checksum_type(ChecksumType::FullObject);
        // Where an answer is lost, the upload that nobody knows holds nothing, and is removed with the week.
        let answer = send("CreateMultipartUpload", Repeat::Idempotent, call.send())
            .await
            .map_err(Failure::into_error)?;
        let id = answer.upload_id.ok_or_else(|| unknown("an upload without an id"));
        let mut upload =
            Upload::new(bucket, key, id.map_err(|e| e.with_applied(Applied::Unknown))?);
        upload.nonce = Some(nonce);
        Ok(upload)
    }

    pub(super) async fn upload_part(
        &self,
        upload: &Upload,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        // Nothing has been sent.
        let unsent = |e: Error| e.with_applied(Applied::No);
        let body = body.replayable(MAX_COLLECTED_BYTES).await.map_err(unsent)?;
        let size = body.length();
        if size > MAX_PART_BYTES {
            let message = format!("a part of {size} bytes, wanted at most {MAX_PART_BYTES}");
            return Err(Error::invalid(message));
        }
        if matches!(body, Replayable::Replay(_)) && size > PART_BYTES {
            return self.stream_part(upload, number, body).await;
        }
        let bytes = body.bytes(0..size).await.map_err(unsent)?;
        let checksum = Crc32c::of(&bytes);
        self.store_part(upload, number, bytes, checksum).await
    }

    /// Stores a part in memory, whose checksum is known.
    pub(super) async fn store_part(
        &self,
        upload: &Upload,
        number: PartNumber,
        bytes: Bytes,
        checksum: Crc32c,
    ) -> Result<Part> {
        let size = bytes.len() as u64;
        let Upload { bucket, key, id, .. } = upload;
        let repeat = Repeat::Idempotent;
        let ask = Ask::new("UploadPart", "PUT", bucket.as_str(), Some(key.as_str()), repeat)
            .param("partNumber", &number.get().to_string())
            .param("uploadId", id)
            .header("x-amz-sdk-checksum-algorithm", Some("CRC32C"))
            .header("x-amz-checksum-crc32c", Some(checksum.to_string()))
            .body(bytes);
        let answer = self.lane.send(&ask).await?;
        stored(number, size, answer.text("etag"), Some(checksum))
    }

    /// Stores a part that is read as it is sent: its checksum comes behind it, from the SDK.
    async fn stream_part(
        &self,
        upload: &Upload,
        number: PartNumber,
        body: Replayable,
    ) -> Result<Part> {
        let size = body.length();
        let call = self
            .client
            .upload_part()
            .bucket(upload.bucket.as_str())
            .key(upload.key.as_str())
            .upload_id(&upload.id)
            .part_number(number_of(number))
            .checksum_algorithm(ChecksumAlgorithm::Crc32C)
            .content_length(i64::try_from(size).unwrap_or(i64::MAX))
            .body(streamed(body));
        let sent = within!(self.limits.carrying(size), call);
        let answer =
            send("UploadPart", Repeat::Idempotent, sent).await.map_err(Failure::into_error)?;
        let checksum = answer.checksum_crc32_c.and_then(|it| it.parse().ok());
        stored(number, size, answer.e_tag, checksum)
    }

    pub(super) async fn complete_upload(&self, request: Complete) -> Result<Meta> {
        request.check()?;
        let (size, whole) = (request.size(), request.whole_checksum());
        let Complete { upload, parts, mode, checksum: _ } = request;
        let Upload { bucket, key, id, nonce, started: _, .. } = upload;
        let completed = |part: Part| {
            CompletedPart::builder()
                .part_number(number_of(part.number))
                .e_tag(part.tag.as_str())
                .set_checksum_crc32_c(part.checksum.map(|it| it.to_string()))
                .build()
        };
        let parts = parts.into_iter().map(completed).collect();
        let Conditions { if_match, if_none_match } = Conditions::from(&mode);
        let call = self
            .client
            .complete_multipart_upload()
            .bucket(bucket.as_str())
            .key(key.as_str())
            .upload_id(id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .set_checksum_type(whole.map(|_| ChecksumType::FullObject))
            .set_checksum_crc32_c(whole.map(|it| it.to_string()))
            .mpu_object_size(i64::try_from(size).unwrap_or(i64::MAX))
            .set_if_match(if_match)
            .set_if_none_match(if_none_match);
        let joined = within!(self.limits.joining(size), call);
        let error = match send("CompleteMultipartUpload", Repeat::Idempotent, joined).await {
            Ok(answer) => {
                let written = Written {
                    key: key.clone(),
                    size,
                    tag: answer.e_tag,
                    version: answer.version_id,
                    checksum: whole,
                    properties: Properties::default(),
                    encryption: Encryption::Provider,
                };
                let meta = written.meta()?;
                return Ok(self.described(&bucket, meta).await);
            }
            Err(failure) => failure.into_error(),
        };
        // It may be that it was completed before, by an attempt or a call whose answer nobody got.
        if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict)
            && let Some(nonce) = nonce
            && let Some(meta) = self.written(bucket.as_str(), key, &nonce).await
        {
            return Ok(meta);
        }
        Err(error)
    }

    /// An object that has just been made of parts, with what was said when they were begun. Where it has been replaced since, and the
    /// bucket keeps no versions, nobody can say that any more.
    async fn described(&self, bucket: &BucketName, meta: Meta) -> Meta {
        // Without versions an object may have one all the same, that is called null and not asked for.
        let version = meta.version.clone().filter(|it| it.as_str() != "null");
        match self.known(bucket.as_str(), meta.key.clone(), version).await {
            Ok(found) if found.meta.tag == meta.tag => found.meta,
            _ => meta,
        }
    }

    pub(super) async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        let call = self
            .client
            .abort_multipart_upload()
            .bucket(upload.bucket.as_str())
            .key(upload.key.as_str())
            .upload_id(&upload.id);
        match send("AbortMultipartUpload", Repeat::Idempotent, call.send()).await {
            Ok(_) => Ok(()),
            Err(failure) => match failure.into_error() {
                e if e.code() == Some("NoSuchUpload") => Ok(()),
                e => Err(e),
            },
        }
    }
}

/// A part that was stored.
fn stored(
    number: PartNumber,
    size: u64,
    tag: Option<String>,
    checksum: Option<Crc32c>,
) -> Result<Part> {
    let tag = tag.ok_or_else(|| unknown("a part without an ETag"));
    let mut part =
        Part::new(number, size, Tag::new(tag.map_err(|e| e.with_applied(Applied::Yes))?));
    part.checksum = checksum;
    Ok(part)
}

fn number_of(part: PartNumber) -> i32 {
    i32::try_from(part.get()).unwrap_or(i32::MAX)
}

/// A body that is read as it is sent, from its start each time.
fn streamed(body: Replayable) -> ByteStream {
    let left = body.length();
    ByteStream::new(SdkBody::retryable(move || {
        SdkBody::from_body_1_x(Streamed { body: Mutex::new(body.read(0..left)), left })
    }))
}

/// A body on its way to S3.
struct Streamed {
    /// Never locked: the SDK wants what threads can share, which a stream need not be.
    body: Mutex<BoxStream<'static, Result<Bytes>>>,
    left: u64,
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let next = ready!(body.as_mut().poll_next(cx));
        if let Some(Ok(bytes)) = &next {
            self.left = self.left.saturating_sub(bytes.len() as u64);
        }
        Poll::Ready(next.map(|it| it.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A listing that goes page by page.
struct Pages<P, T> {
    next: Option<P>,
    items: VecDeque<T>,
}

pub(super) fn parts(
    inner: Arc<Inner>,
    upload: Upload,
) -> impl Stream<Item = Result<Part>> + Send + 'static {
    let first: Pages<Option<String>, Part> = Pages { next: Some(None), items: VecDeque::new() };
    stream::try_unfold((inner, upload, first), |(inner, upload, mut pages)| async move {
        loop {
            if let Some(part) = pages.items.pop_front() {
                return Ok(Some((part, (inner, upload, pages))));
            }
            let Some(marker) = pages.next.take() else { return Ok(None) };
            let call = inner
                .client
                .list_parts()
                .bucket(upload.bucket.as_str())
                .key(upload.key.as_str())
                .upload_id(&upload.id)
                .set_part_number_marker(marker);
            let answer =
                send("ListParts", Repeat::Read, call.send()).await.map_err(Failure::into_error)?;
            for part in answer.parts.unwrap_or_default() {
                let number = part.part_number.and_then(|it| u32::try_from(it).ok());
                let number = number.and_then(|it| PartNumber::new(it).ok());
                let size = part.size.and_then(|it| u64::try_from(it).ok());
                let (Some(number), Some(size), Some(tag)) = (number, size, part.e_tag) else {
                    return Err(unknown("a part without its number, size or ETag"));
                };
                let mut found = Part::new(number, size, Tag::new(tag));
                found.checksum = part.checksum_crc32_c.and_then(|it| it.parse().ok());
                pages.items.push_back(found);
            }
            if answer.is_truncated == Some(true) {
                let marker = answer.next_part_number_marker;
                pages.next = Some(Some(marker.ok_or_else(|| unknown("a page without the next"))?));
            }
        }
    })
}

pub(super) fn uploads(
    inner: Arc<Inner>,
    bucket: BucketName,
) -> impl Stream<Item = Result<Upload>> + Send + 'static {
    type Markers = (Option<String>, Option<String>);
    let first: Pages<Markers, Upload> = Pages { next: Some((None, None)), items: VecDeque::new() };
    stream::try_unfold((inner, bucket, first), |(inner, bucket, mut pages)| async move {
        loop {
            if let Some(upload) = pages.items.pop_front() {
                return Ok(Some((upload, (inner, bucket, pages))));
            }
            let Some((key, id)) = pages.next.take() else { return Ok(None) };
            let call = inner
                .client
                .list_multipart_uploads()
                .bucket(bucket.as_str())
                .encoding_type(EncodingType::Url)
                .set_key_marker(key)
                .set_upload_id_marker(id);
            let answer = send("ListMultipartUploads", Repeat::Read, call.send())
                .await
                .map_err(Failure::into_error)?;
            let keys = Keys::as_said(answer.encoding_type.as_ref());
            for found in answer.uploads.unwrap_or_default() {
                let (Some(key), Some(id)) = (found.key, found.upload_id) else {
                    return Err(unknown("an upload without its key or id"));
                };
                // What is no key of ours is no upload of ours.
                let Ok(key) = Key::new(keys.read(key)) else { continue };
                let mut upload = Upload::new(bucket.clone(), key, id);
                upload.started = found.initiated.and_then(time);
                pages.items.push_back(upload);
            }
            if answer.is_truncated == Some(true) {
                let key = answer.next_key_marker.map(|it| keys.read(it));
                let key = key.ok_or_else(|| unknown("a page without the next"))?;
                pages.next = Some((Some(key), answer.next_upload_id_marker));
            }
        }
    })
}
