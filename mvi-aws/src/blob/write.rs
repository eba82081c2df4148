//! Writes of whole objects.

use std::collections::HashMap;

use aws_sdk_s3::{
    operation::complete_multipart_upload::CompleteMultipartUploadError,
    types::{ChecksumAlgorithm, ServerSideEncryption},
};
use aws_smithy_runtime_api::client::interceptors::context::Error as ErasedError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bytes::Bytes;
use mvi_core::{
    Applied, Error, ErrorKind, Result,
    blob::{
        Body, Crc32c, Encryption, Key, Meta, Metadata, Mode, Properties, Put, Tag, Upload,
        VersionId,
        parts::{self, Cut, cut},
    },
};

use super::{Inner, NONCE, S3Blob, limits::within, unknown};
use crate::{
    attempt::{Failure, Repeat, send},
    nonce::nonce,
};

/// Whether S3 could not tell whether a condition holds, since [others write as well][source]: nothing was written, and the same may be
/// asked again. The parts of an upload have to be [stored anew][complete] then.
///
/// [source]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
/// [complete]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
pub(super) fn is_contended(error: &ErasedError, code: Option<&str>) -> bool {
    matches!(code, Some("ConditionalRequestConflict" | "OperationAborted"))
        && error.downcast_ref::<CompleteMultipartUploadError>().is_none()
}

pub(super) async fn put(blob: &S3Blob, request: Put, body: Body) -> Result<Meta> {
    request.check()?;
    // Nothing has been sent.
    match cut(body).await.map_err(|e| e.with_applied(Applied::No))? {
        Cut::Whole(bytes) => blob.0.put_whole(request, bytes).await,
        Cut::Parts(parts) => {
            let store = |blob: S3Blob, upload: Upload, number, piece, checksum| async move {
                blob.0.store_part(&upload, number, piece, checksum).await
            };
            parts::upload_by(blob, request, parts, store).await
        }
    }
}

/// The conditions under which S3 writes.
pub(super) struct Conditions {
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
}

impl From<&Mode> for Conditions {
    fn from(mode: &Mode) -> Self {
        let (if_match, if_none_match) = match mode {
            Mode::Always => (None, None),
            Mode::IfAbsent => (None, Some("*".to_owned())),
            Mode::IfMatch(tag) => (Some(tag.as_str().to_owned()), None),
        };
        Self { if_match, if_none_match }
    }
}

/// What is written on an object, with its nonce.
pub(super) fn noted(metadata: &Metadata, nonce: &str) -> HashMap<String, String> {
    let own = [(NONCE.to_owned(), nonce.to_owned())].into_iter();
    own.chain(metadata.iter().map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

/// Who encrypts, as S3 is told.
pub(super) fn sse(encryption: &Encryption) -> (Option<ServerSideEncryption>, Option<String>) {
    match encryption {
        Encryption::Provider => (None, None),
        Encryption::Key(key) => (Some(ServerSideEncryption::AwsKms), Some(key.clone())),
    }
}

/// What is known of an object that has just been written.
pub(super) struct Written {
    pub(super) key: Key,
    pub(super) size: u64,
    pub(super) tag: Option<String>,
    pub(super) version: Option<String>,
    pub(super) checksum: Option<Crc32c>,
    pub(super) properties: Properties,
    pub(super) encryption: Encryption,
}

impl Written {
    pub(super) fn meta(self) -> Result<Meta> {
        let Self { key, size, tag, version, checksum, properties, encryption } = self;
        let tag = tag.ok_or_else(|| unknown("an object without an ETag"));
        let mut meta =
            Meta::new(key, size, Tag::new(tag.map_err(|e| e.with_applied(Applied::Yes))?));
        meta.version = version.map(VersionId::new);
        meta.checksum = checksum;
        meta.properties = properties;
        meta.encryption = encryption;
        Ok(meta)
    }
}

impl Inner {
    async fn put_whole(&self, request: Put, bytes: Bytes) -> Result<Meta> {
        let Put { bucket, key, mode, properties, encryption, checksum } = request;
        let nonce = nonce()?;
        let size = bytes.len() as u64;
        let checksum = checksum.unwrap_or_else(|| Crc32c::of(&bytes));
        let Conditions { if_match, if_none_match } = Conditions::from(&mode);
        let (sse, sse_key) = sse(&encryption);
        let call = self
            .client
            .put_object()
            .bucket(bucket.as_str())
            .key(key.as_str())
            .content_type(&*properties.content_type)
            .set_cache_control(properties.cache_control.clone())
            .set_content_disposition(properties.content_disposition.clone())
            .set_metadata(Some(noted(&properties.metadata, &nonce)))
            .set_server_side_encryption(sse)
            .set_ssekms_key_id(sse_key)
            .checksum_algorithm(ChecksumAlgorithm::Crc32C)
            .checksum_crc32_c(checksum.to_string())
            .set_if_match(if_match)
            .set_if_none_match(if_none_match)
            .body(bytes.into());
        // Twice is once: what is written under a condition is known by its nonce.
        match send("PutObject", Repeat::Idempotent, within!(self.limits.carrying(size), call)).await
        {
            Ok(answer) => Written {
                key,
                size,
                tag: answer.e_tag,
                version: answer.version_id,
                checksum: Some(checksum),
                properties,
                encryption,
            }
            .meta(),
            Err(failure) => self.refused(bucket.as_str(), &key, Some(&nonce), failure).await,
        }
    }

    /// What a failed write came to: the object, where an attempt before the one that was refused wrote it.
    pub(super) async fn refused<E>(
        &self,
        bucket: &str,
        key: &Key,
        nonce: Option<&str>,
        failure: Failure<E>,
    ) -> Result<Meta>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let unsure = failure.applied() != Applied::No;
        let error: Error = failure.into_error();
        if unsure
            && error.kind() == ErrorKind::Conflict
            && let Some(nonce) = nonce
            && let Some(meta) = self.written(bucket, key.clone(), nonce).await
        {
            return Ok(meta);
        }
        Err(error)
    }
}
