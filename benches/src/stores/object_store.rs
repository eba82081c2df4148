//! `object_store`, for S3 and for Cloud Storage.

use std::path::Path as File;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{
    ObjectStore, ObjectStoreExt as _, PutPayload, WriteMultipart, aws::AmazonS3Builder,
    gcp::GoogleCloudStorageBuilder, path::Path,
};
use tokio::io::AsyncReadExt as _;

use super::{Place, Result, Store, cryptography};
use crate::objects::{BUCKET, PARALLEL, PART_BYTES};

/// How much of a file is read at a time.
const READ_BYTES: usize = 256 << 10;

/// One of its stores.
#[derive(Debug)]
pub struct CloudStore(Box<dyn ObjectStore>);

impl CloudStore {
    /// S3 at `place`. A signed payload is what it does unless told otherwise.
    pub fn s3(place: &Place, signed: bool) -> Result<Self> {
        cryptography();
        let store = AmazonS3Builder::new()
            .with_endpoint(&place.url)
            .with_allow_http(true)
            .with_region("us-east-1")
            .with_bucket_name(BUCKET)
            .with_access_key_id(&place.id)
            .with_secret_access_key(&place.key)
            .with_unsigned_payload(!signed)
            .build()?;
        Ok(Self(Box::new(store)))
    }

    /// Cloud Storage at `place`.
    pub fn gcs(place: &Place) -> Result<Self> {
        cryptography();
        let options = object_store::ClientOptions::new().with_allow_http(true);
        let store = GoogleCloudStorageBuilder::new()
            .with_base_url(&place.url)
            .with_client_options(options)
            .with_bucket_name(BUCKET)
            .with_bearer_token(&place.key)
            .build()?;
        Ok(Self(Box::new(store)))
    }

    async fn writer(&self, key: &str) -> Result<WriteMultipart> {
        let upload = self.0.put_multipart(&Path::from(key)).await?;
        Ok(WriteMultipart::new_with_chunk_size(upload, PART_BYTES))
    }
}

#[async_trait]
impl Store for CloudStore {
    async fn get(&self, key: &str) -> Result<Bytes> {
        Ok(self.0.get(&Path::from(key)).await?.bytes().await?)
    }

    async fn put(&self, key: &str, body: Bytes) -> Result {
        self.0.put(&Path::from(key), PutPayload::from(body)).await?;
        Ok(())
    }

    async fn download(&self, key: &str) -> Result<usize> {
        let body = self.0.get(&Path::from(key)).await?.into_stream();
        Ok(body.try_fold(0, async |length, bytes| Ok(length + bytes.len())).await?)
    }

    async fn upload(&self, key: &str, body: Bytes) -> Result {
        let mut writer = self.writer(key).await?;
        for start in (0..body.len()).step_by(PART_BYTES) {
            writer.wait_for_capacity(PARALLEL).await?;
            writer.put(body.slice(start..body.len().min(start + PART_BYTES)));
        }
        writer.finish().await?;
        Ok(())
    }

    async fn upload_file(&self, key: &str, file: &File) -> Result {
        let mut writer = self.writer(key).await?;
        let mut file = tokio::fs::File::open(file).await?;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = file.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            writer.wait_for_capacity(PARALLEL).await?;
            writer.write(&buffer[..read]);
        }
        writer.finish().await?;
        Ok(())
    }

    async fn list(&self) -> Result<usize> {
        Ok(self.0.list(None).try_fold(0, async |count, _| Ok(count + 1)).await?)
    }
}
