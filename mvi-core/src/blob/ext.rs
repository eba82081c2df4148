//! What callers do most, built once on the core for every provider.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::sleep;

use super::{Blob, Bucket, Get, Meta, Put};
use crate::{
    BucketName, ErrorKind, Result,
    time::instant,
    wait::{VISIBLE, pause, within},
};

/// What callers do most, in fewer words. Every [`Blob`] has it.
#[async_trait]
pub trait BlobExt: Blob {
    /// Writes an object from bytes in memory.
    ///
    /// ```
    /// use mvi_core::{Blob, BlobExt, BucketName, Result, blob::{Key, Meta, Put}};
    ///
    /// async fn greet(blob: &dyn Blob) -> Result<Meta> {
    ///     let put = Put::new(BucketName::new("acme-7f3-texts")?, Key::new("hello.txt")?);
    ///     blob.put_bytes(put.content_type("text/plain"), "hello").await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Blob::put`].
    async fn put_bytes(&self, request: Put, bytes: impl Into<Bytes> + Send) -> Result<Meta> {
        self.put(request, bytes.into().into()).await
    }

    /// Reads an object, of at most `limit` bytes, into memory.
    ///
    /// ```
    /// use mvi_core::{Blob, BlobExt, BucketName, Result, blob::{Get, Key}};
    ///
    /// async fn greeting(blob: &dyn Blob) -> Result<bytes::Bytes> {
    ///     let get = Get::new(BucketName::new("acme-7f3-texts")?, Key::new("hello.txt")?);
    ///     blob.get_bytes(get, 1_024).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Blob::get`]; [`Invalid`](ErrorKind::Invalid) where it has more than `limit` bytes.
    async fn get_bytes(&self, request: Get, limit: usize) -> Result<Bytes> {
        let bucket = request.bucket.clone();
        let object = self.get(request).await?;
        object.bytes(limit).await.map_err(|e| e.or_at("blob.get", bucket))
    }

    /// Waits until a fresh bucket can be used, for `patience` at most and the 10 s that the last look may take.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where it is not there, from the tenth second on, since a fresh one may not be seen at once;
    /// what waiting can't mend, at once.
    async fn wait_bucket(&self, name: &BucketName, patience: Duration) -> Result<Bucket> {
        let begun = instant();
        let mut tries: u32 = 0;
        loop {
            tries = tries.saturating_add(1);
            let error = match within(self.bucket(name)).await {
                Ok(bucket) => return Ok(bucket),
                Err(e) if e.is_retryable() => e,
                Err(e) if e.kind() == ErrorKind::NotFound && begun.elapsed() < VISIBLE => e,
                Err(e) => return Err(e),
            };
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(error);
            }
            sleep(pause(tries, name).min(left)).await;
        }
    }
}

impl<T: Blob + ?Sized> BlobExt for T {}
