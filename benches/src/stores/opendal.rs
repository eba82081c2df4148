//! `opendal`, for S3.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt as _;
use opendal::{
    Operator,
    layers::{RetryLayer, TimeoutLayer},
    services::S3,
};
use tokio::io::AsyncReadExt as _;

use super::{Place, Result, Store, cryptography};
use crate::objects::{BUCKET, PARALLEL, PART_BYTES};

/// How much of a file is read at a time.
const READ_BYTES: usize = 256 << 10;

/// Its operator, with retries and time limits, which it leaves to layers.
#[derive(Debug)]
pub struct Dal(Operator);

impl Dal {
    /// S3 at `place`.
    pub fn new(place: &Place) -> Result<Self> {
        cryptography();
        opendal_http_transport_reqwest::install_default();
        let s3 = S3::default()
            .bucket(BUCKET)
            .endpoint(&place.url)
            .region("us-east-1")
            .access_key_id(&place.id)
            .secret_access_key(&place.key)
            .disable_config_load()
            .disable_ec2_metadata();
        Ok(Self(Operator::new(s3)?.layer(TimeoutLayer::new()).layer(RetryLayer::new())))
    }

    async fn writer(&self, key: &str) -> Result<opendal::Writer> {
        Ok(self.0.writer_with(key).chunk(PART_BYTES).concurrent(PARALLEL).await?)
    }
}

#[async_trait]
impl Store for Dal {
    async fn get(&self, key: &str) -> Result<Bytes> {
        Ok(self.0.read(key).await?.to_bytes())
    }

    async fn put(&self, key: &str, body: Bytes) -> Result {
        self.0.write(key, body).await?;
        Ok(())
    }

    async fn download(&self, key: &str) -> Result<usize> {
        let body = self.0.reader(key).await?.into_bytes_stream(..).await?;
        Ok(body.try_fold(0, async |length, bytes| Ok(length + bytes.len())).await?)
    }

    async fn upload(&self, key: &str, body: Bytes) -> Result {
        let mut writer = self.writer(key).await?;
        for start in (0..body.len()).step_by(PART_BYTES) {
            writer.write(body.slice(start..body.len().min(start + PART_BYTES))).await?;
        }
        writer.close().await?;
        Ok(())
    }

    async fn upload_file(&self, key: &str, file: &Path) -> Result {
        let mut writer = self.writer(key).await?;
        let mut file = tokio::fs::File::open(file).await?;
        loop {
            let mut buffer = bytes::BytesMut::with_capacity(READ_BYTES);
            if file.read_buf(&mut buffer).await? == 0 {
                break;
            }
            writer.write(buffer.freeze()).await?;
        }
        writer.close().await?;
        Ok(())
    }

    async fn list(&self) -> Result<usize> {
        let lister = self.0.lister_with("").recursive(true).await?;
        Ok(lister.try_fold(0, async |count, _| Ok(count + 1)).await?)
    }
}
