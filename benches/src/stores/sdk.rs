//! `aws-sdk-s3`, as one would set it up by hand: its own checksums, and the time limits that MVI sets.

use std::path::Path;

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Builder, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig,
    },
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_aws::Timeouts;

use super::{Place, Result, Store};
use crate::objects::{BUCKET, PARALLEL, PART_BYTES};

/// How large objects are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploads {
    /// In one call, as the simplest program does.
    Whole,
    /// In parts, four at a time, the payload not signed but checked by its CRC-32C: as an expert does over TLS.
    Parts,
}

/// The SDK's client.
#[derive(Debug)]
pub struct Sdk {
    client: Client,
    uploads: Uploads,
}

impl Sdk {
    /// Talks to `place`.
    pub fn new(place: &Place, uploads: Uploads) -> Self {
        // A body of 256 MiB takes longer than a call may: only what a call of 1 KiB feels is set.
        let Timeouts { connect, read, .. } = Timeouts::default();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(connect)
            .read_timeout(read)
            .operation_attempt_timeout(4 * read)
            .operation_timeout(12 * read);
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(&place.id, &place.key, None, None, "bench"))
            .endpoint_url(&place.url)
            .force_path_style(true)
            .http_client(http)
            .timeout_config(timeouts.build())
            .retry_config(RetryConfig::standard());
        Self { client: Client::from_conf(config.build()), uploads }
    }

    async fn parts(&self, key: &str, body: Bytes) -> Result {
        let started = self
            .client
            .create_multipart_upload()
            .bucket(BUCKET)
            .key(key)
            .checksum_algorithm(ChecksumAlgorithm::Crc32C)
            .checksum_type(ChecksumType::FullObject)
            .send()
            .await?;
        let upload = started.upload_id.ok_or("no upload id")?;
        let starts = (0..body.len()).step_by(PART_BYTES);
        let mut parts: Vec<CompletedPart> = stream::iter((1..).zip(starts))
            .map(|(number, start)| {
                let part = body.slice(start..body.len().min(start + PART_BYTES));
                self.part(key, &upload, number, part)
            })
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        parts.sort_unstable_by_key(|it| it.part_number);
        self.client
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key(key)
            .upload_id(upload)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await?;
        Ok(())
    }

    async fn part(
        &self,
        key: &str,
        upload: &str,
        number: i32,
        body: Bytes,
    ) -> Result<CompletedPart> {
        let stored = self
            .client
            .upload_part()
            .bucket(BUCKET)
            .key(key)
            .upload_id(upload)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32C)
            .body(ByteStream::from(body))
            .customize()
            .disable_payload_signing()
            .send()
            .await?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(stored.e_tag)
            .set_checksum_crc32_c(stored.checksum_crc32_c)
            .build())
    }
}

#[async_trait]
impl Store for Sdk {
    async fn get(&self, key: &str) -> Result<Bytes> {
        let object = self.client.get_object().bucket(BUCKET).key(key).send().await?;
        Ok(object.body.collect().await?.into_bytes())
    }

    async fn put(&self, key: &str, body: Bytes) -> Result {
        let body = ByteStream::from(body);
        self.client.put_object().bucket(BUCKET).key(key).body(body).send().await?;
        Ok(())
    }

    async fn download(&self, key: &str) -> Result<usize> {
        let mut body = self.client.get_object().bucket(BUCKET).key(key).send().await?.body;
        let mut length = 0;
        while let Some(bytes) = body.try_next().await? {
            length += bytes.len();
        }
        Ok(length)
    }

    async fn upload(&self, key: &str, body: Bytes) -> Result {
        match self.uploads {
            Uploads::Whole => self.put(key, body).await,
            Uploads::Parts => self.parts(key, body).await,
        }
    }

    async fn upload_file(&self, key: &str, file: &Path) -> Result {
        let body = ByteStream::from_path(file).await?;
        self.client.put_object().bucket(BUCKET).key(key).body(body).send().await?;
        Ok(())
    }

    async fn list(&self) -> Result<usize> {
        let mut pages = self.client.list_objects_v2().bucket(BUCKET).into_paginator().send();
        let mut count = 0;
        while let Some(page) = pages.try_next().await? {
            count += page.contents().len();
        }
        Ok(count)
    }
}
