//! Blob on S3.
//!
//! Objects, versions and uploads are S3's own, so that other programs can read them. What MVI adds is one entry of metadata,
//! `mvi-nonce`, fresh for each write, and of each bucket some tags and one rule of its lifecycle.
//!
//! | promise | how it is kept |
//! |---|---|
//! | a whole read is checked | every write has a CRC-32C of the [whole object][checksums], also in parts, and every read is held against it |
//! | a broken body is not an end | it goes on from there, of the [same object][get], with the checksum carried on |
//! | a lost answer is not a lost race | where a condition does not hold any more, the nonce of what is there says who wrote it |
//! | an error in an answer of 200 is an error | [of `CompleteMultipartUpload`][complete] and of copies |
//! | a partial answer is not an answer | what `DeleteObjects` could not do is asked for again, a bounded number of times |
//! | a create makes one bucket | the tags are in the [same request][create], and are read back: in us-east-1 S3 answers 200 to its second, too |
//! | nothing is public | ACLs are off, and all four public-access blocks are on |
//!
//! S3 [encrypts every object][encryption] with a key of its own unless told otherwise, so there is nothing to set for that; and where
//! an account sets another key for a bucket, MVI does not undo it.
//!
//! The calls that are made most go by a lane of their own: `GetObject`, `HeadObject`, `PutObject`, `ListObjectsV2`, and `UploadPart` of what is in
//! memory. Of a call that moves a KiB, three quarters of the CPU went into the SDK's pipeline, and there is no setting that takes it away. So these
//! are signed with `aws-sigv4`, and sent by the SDK's own connector: TLS, the names of hosts and the connections are the SDK's, and so is the word
//! on where a bucket is and whose credentials sign. All other calls go through the SDK's client, and promise the same.
//!
//! What another program stored under a key that is no [`Key`](mvi_core::blob::Key) is in no listing.
//!
//! [checksums]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
//! [get]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
//! [complete]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
//! [create]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
//! [encryption]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html

mod bucket;
mod copy;
mod delete;
mod download;
mod lane;
mod limits;
mod list;
mod read;
mod sign;
mod upload;
mod versions;
mod write;
mod xml;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::{
        Builder, RequestChecksumCalculation, ResponseChecksumValidation,
        StalledStreamProtectionConfig, retry::RetryPartition,
    },
};
use aws_smithy_runtime_api::client::http::http_client_fn;
use futures::{StreamExt as _, stream};
use mvi_core::{
    Blob, BucketName, Error, ErrorKind, Items, Labels, Result, Timestamp,
    blob::{
        Body, Bucket, Complete, Copy, CreateBucket, Delete, DeleteMany, Entry, Get, Head, List,
        Meta, Object, ObjectVersion, Part, PartNumber, Presign, Presigned, Put, Rule, StartUpload,
        Upload, Versioning, Versions,
    },
};

use crate::{
    Retries, Service, Timeouts,
    attempt::{Careful, Watch},
    config::Config,
};

use self::{lane::Lane, limits::Limits, sign::Wire};

/// The metadata that holds the nonce of a write.
const NONCE: &str = "mvi-nonce";

/// [`Blob`] on S3.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let aws = mvi_aws::Aws::from_env().await?;
/// // What MVI does not do, the SDK does.
/// let websites = aws.blob.client().get_bucket_website().bucket("acme-7f3-site").send().await?;
/// # let _ = websites; Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct S3Blob(Arc<Inner>);

struct Inner {
    client: Client,
    lane: Lane,
    region: String,
    retries: Retries,
    timeouts: Timeouts,
    limits: Limits,
}

impl fmt::Debug for S3Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Blob").finish_non_exhaustive()
    }
}

impl S3Blob {
    pub(crate) fn new(config: &Config) -> Self {
        let limits = Limits::new(config.timeouts(), config.retries());
        let connector = config.connector();
        let shared = connector.clone();
        let mut builder = Builder::from(config.shared())
            // The lane and the client have their connections together.
            .http_client(http_client_fn(move |_, _| shared.clone()))
            .retry_config(config.sdk_retries())
            .timeout_config(limits.sdk())
            // One client that runs out of retries does not take them from another.
            .retry_partition(RetryPartition::custom("mvi blob").build())
            // Our own limits see more: a peer that reads nothing, and what comes in the middle of a body.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // Where we say no checksum, the SDK computes one.
            .request_checksum_calculation(RequestChecksumCalculation::WhenSupported)
            // A body that goes on after a break can be checked only here, and once is enough.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .interceptor(Watch)
            .interceptor(versions::Order)
            .interceptor(Wire { loopback: config.loopback_payloads() })
            .retry_classifier(Careful { also: write::is_worth_another });
        if let Some(url) = config.endpoint(Service::S3) {
            // A bucket in the name of a host needs a resolver that knows it.
            builder = builder.endpoint_url(url).force_path_style(true);
        }
        let region = config.shared().region().map(ToString::to_string).unwrap_or_default();
        let client = Client::from_conf(builder.build());
        Self(Arc::new(Inner {
            lane: Lane::new(config, client.clone(), connector, limits),
            client,
            region,
            retries: config.retries(),
            timeouts: config.timeouts(),
            limits,
        }))
    }

    /// The SDK's client, for what MVI does not do. It has the same time limits, retries and connections; it checks no download, as MVI does that itself.
    pub fn client(&self) -> &Client {
        &self.0.client
    }
}

#[async_trait]
impl Blob for S3Blob {
    async fn create_bucket(&self, request: CreateBucket) -> Result<Bucket> {
        let name = request.name.clone();
        self.0.create_bucket(request).await.map_err(|e| e.or_at("blob.create_bucket", name))
    }

    async fn bucket(&self, name: &BucketName) -> Result<Bucket> {
        self.0.bucket(name).await.map_err(|e| e.or_at("blob.bucket", name))
    }

    fn list_buckets(&self, labels: Labels) -> Items<Bucket> {
        named("blob.list_buckets", String::new(), bucket::list(Arc::clone(&self.0), labels))
    }

    async fn delete_bucket(&self, name: &BucketName) -> Result<()> {
        self.0.delete_bucket(name).await.map_err(|e| e.or_at("blob.delete_bucket", name))
    }

    async fn set_versioning(&self, bucket: &BucketName, to: Versioning) -> Result<()> {
        let set = self.0.set_versioning(bucket, to).await;
        set.map_err(|e| e.or_at("blob.set_versioning", bucket))
    }

    async fn set_lifecycle(&self, bucket: &BucketName, rules: Vec<Rule>) -> Result<()> {
        let set = self.0.set_lifecycle(bucket, rules).await;
        set.map_err(|e| e.or_at("blob.set_lifecycle", bucket))
    }

    async fn put(&self, request: Put, body: Body) -> Result<Meta> {
        let bucket = request.bucket.clone();
        // Its parts are stored by calls of their own, which the caller did not make.
        write::put(self, request, body).await.map_err(|e| e.at("blob.put", bucket))
    }

    async fn get(&self, request: Get) -> Result<Object> {
        let bucket = request.bucket.clone();
        read::get(&self.0, request).await.map_err(|e| e.or_at("blob.get", bucket))
    }

    async fn head(&self, request: Head) -> Result<Meta> {
        let bucket = request.bucket.clone();
        self.0.head(request).await.map_err(|e| e.or_at("blob.head", bucket))
    }

    async fn delete(&self, request: Delete) -> Result<()> {
        let bucket = request.bucket.clone();
        self.0.delete(request).await.map_err(|e| e.or_at("blob.delete", bucket))
    }

    async fn delete_many(&self, request: DeleteMany) -> Result<Vec<Result<()>>> {
        let bucket = request.bucket.clone();
        let named = |e: Error| e.or_at("blob.delete_many", &bucket);
        let results = self.0.delete_many(request).await.map_err(named)?;
        Ok(results.into_iter().map(|it| it.map_err(named)).collect())
    }

    fn list(&self, request: List) -> Items<Entry> {
        let bucket = request.bucket.to_string();
        named("blob.list", bucket, list::list(Arc::clone(&self.0), request))
    }

    fn versions(&self, request: Versions) -> Items<ObjectVersion> {
        let bucket = request.bucket.to_string();
        named("blob.versions", bucket, versions::versions(Arc::clone(&self.0), request))
    }

    async fn copy(&self, request: Copy) -> Result<Meta> {
        let bucket = request.bucket.clone();
        copy::copy(self, request).await.map_err(|e| e.at("blob.copy", bucket))
    }

    async fn start_upload(&self, request: StartUpload) -> Result<Upload> {
        let bucket = request.bucket.clone();
        self.0.start_upload(request).await.map_err(|e| e.or_at("blob.start_upload", bucket))
    }

    async fn upload_part(&self, upload: &Upload, number: PartNumber, body: Body) -> Result<Part> {
        let stored = self.0.upload_part(upload, number, body).await;
        stored.map_err(|e| e.or_at("blob.upload_part", &upload.bucket))
    }

    async fn complete_upload(&self, request: Complete) -> Result<Meta> {
        let bucket = request.upload.bucket.clone();
        self.0.complete_upload(request).await.map_err(|e| e.or_at("blob.complete_upload", bucket))
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        let aborted = self.0.abort_upload(upload).await;
        aborted.map_err(|e| e.or_at("blob.abort_upload", &upload.bucket))
    }

    fn parts(&self, upload: &Upload) -> Items<Part> {
        let bucket = upload.bucket.to_string();
        named("blob.parts", bucket, upload::parts(Arc::clone(&self.0), upload.clone()))
    }

    fn uploads(&self, bucket: &BucketName) -> Items<Upload> {
        let uploads = upload::uploads(Arc::clone(&self.0), bucket.clone());
        named("blob.uploads", bucket.to_string(), uploads)
    }

    async fn presign(&self, request: Presign) -> Result<Presigned> {
        let bucket = request.bucket.clone();
        self.0.presign(request).await.map_err(|e| e.or_at("blob.presign", bucket))
    }
}

/// Names the call in a stream's errors.
fn named<T: Send + 'static>(
    op: &'static str,
    resource: String,
    items: impl stream::Stream<Item = Result<T>> + Send + 'static,
) -> Items<T> {
    items.map(move |it| it.map_err(|e| e.or_at(op, &resource))).boxed()
}

fn time(of: aws_sdk_s3::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::new(of.secs(), i32::try_from(of.subsec_nanos()).ok()?).ok()
}

fn unknown(found: &'static str) -> Error {
    Error::new(ErrorKind::Internal, format!("the answer has {found}"))
}

fn unbuilt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::invalid("a request without its parts").with_source(error)
}
