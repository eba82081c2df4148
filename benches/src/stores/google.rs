//! `google-cloud-storage`, Google's own.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_storage::client::Storage;

use super::{Place, Result, Store, cryptography};
use crate::objects::BUCKET;

/// Its client for bodies.
#[derive(Debug)]
pub struct Google {
    client: Storage,
    bucket: String,
}

impl Google {
    /// Talks to `place`, as nobody: a token would be one header more.
    pub async fn new(place: &Place) -> Result<Self> {
        cryptography();
        let credentials = Anonymous::new().build();
        let client = Storage::builder()
            .with_endpoint(&place.url)
            .with_credentials(credentials)
            .build()
            .await?;
        Ok(Self { client, bucket: format!("projects/_/buckets/{BUCKET}") })
    }
}

#[async_trait]
#[expect(clippy::large_futures, reason = "the trait boxes them, and another box would cost")]
impl Store for Google {
    async fn get(&self, key: &str) -> Result<Bytes> {
        let mut object = self.client.read_object(&self.bucket, key).send().await?;
        let mut all = Vec::new();
        while let Some(bytes) = object.next().await {
            all.extend_from_slice(&bytes?);
        }
        Ok(all.into())
    }

    async fn put(&self, key: &str, body: Bytes) -> Result {
        self.client.write_object(&self.bucket, key, body).send_buffered().await?;
        Ok(())
    }

    async fn download(&self, key: &str) -> Result<usize> {
        let mut object = self.client.read_object(&self.bucket, key).send().await?;
        let mut length = 0;
        while let Some(bytes) = object.next().await {
            length += bytes?.len();
        }
        Ok(length)
    }

    async fn upload(&self, key: &str, body: Bytes) -> Result {
        self.client.write_object(&self.bucket, key, body).send_unbuffered().await?;
        Ok(())
    }

    async fn upload_file(&self, key: &str, file: &Path) -> Result {
        let file = tokio::fs::File::open(file).await?;
        self.client.write_object(&self.bucket, key, file).send_unbuffered().await?;
        Ok(())
    }

    async fn list(&self) -> Result<usize> {
        Err("not a thing that its client for bodies does".into())
    }
}
