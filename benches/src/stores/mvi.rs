//! MVI's own Blob, on either cloud.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt as _;
use mvi_aws::{Aws, Payloads};
use mvi_core::{
    Blob, BucketName,
    blob::{Body, Get, Key, List, Put},
};

use super::{Place, Result, Store};
use crate::objects::BUCKET;

/// A Blob, and the one bucket that is used.
#[derive(Debug)]
pub struct Mvi {
    blob: Arc<dyn Blob>,
    bucket: BucketName,
}

impl Mvi {
    /// S3 at `place`.
    pub async fn s3(place: &Place, loopback: Payloads) -> Result<Self> {
        let aws = Aws::builder()
            .endpoint(&place.url)
            .region("us-east-1")
            .credentials(&place.id, &place.key)
            .loopback_payloads(loopback);
        Ok(Self { blob: aws.build().await?.cloud().blob, bucket: BucketName::new(BUCKET)? })
    }

    /// Cloud Storage at `place`, as nobody: a token would be one header more.
    #[cfg(feature = "google")]
    pub async fn google(place: &Place) -> Result<Self> {
        let nobody = google_cloud_auth::credentials::anonymous::Builder::new().build();
        let gcp = mvi_gcp::Gcp::builder();
        let gcp = gcp.endpoint(&place.url).project("mvi-bench").credentials(nobody);
        Ok(Self { blob: gcp.build().await?.cloud().blob, bucket: BucketName::new(BUCKET)? })
    }

    fn key(key: &str) -> Result<Key> {
        Ok(Key::new(key)?)
    }

    async fn store(&self, key: &str, body: Body) -> Result {
        self.blob.put(Put::new(self.bucket.clone(), Self::key(key)?), body).await?;
        Ok(())
    }
}

#[async_trait]
impl Store for Mvi {
    async fn get(&self, key: &str) -> Result<Bytes> {
        let object = self.blob.get(Get::new(self.bucket.clone(), Self::key(key)?)).await?;
        Ok(object.bytes(usize::MAX).await?)
    }

    async fn put(&self, key: &str, body: Bytes) -> Result {
        self.store(key, body.into()).await
    }

    async fn download(&self, key: &str) -> Result<usize> {
        let object = self.blob.get(Get::new(self.bucket.clone(), Self::key(key)?)).await?;
        Ok(object.body.try_fold(0, async |length, bytes| Ok(length + bytes.len())).await?)
    }

    async fn upload(&self, key: &str, body: Bytes) -> Result {
        self.store(key, body.into()).await
    }

    async fn upload_file(&self, key: &str, file: &Path) -> Result {
        self.store(key, Body::File(file.to_owned())).await
    }

    async fn list(&self) -> Result<usize> {
        let entries = self.blob.list(List::new(self.bucket.clone()));
        Ok(entries.try_fold(0, async |count, _| Ok(count + 1)).await?)
    }
}
