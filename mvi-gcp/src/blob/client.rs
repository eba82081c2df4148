//! The calls that Cloud Storage gets, each with its limits: whole objects by [our own lane](super::xml), large ones by the crate's
//! HTTP, all else by its gRPC.
//!
//! The crate's own retries are off in each call: the one loop is [`attempt::send`](crate::attempt::send). The only exception are the
//! chunks of a resumable upload, whose session the crate keeps to itself: see [`resumable`](super::resumable).

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use google_cloud_gax::{
    exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder},
    options::RequestOptionsBuilder as _,
    retry_policy::{NeverRetry, RetryPolicy, RetryPolicyExt as _},
};
use google_cloud_storage::{
    builder::storage::WriteObject,
    client::{Storage, StorageControl},
    model::{
        Bucket, ComposeObjectRequest, CreateBucketRequest, DeleteBucketRequest,
        DeleteObjectRequest, GetBucketRequest, GetObjectRequest, ListBucketsRequest,
        ListBucketsResponse, ListObjectsRequest, ListObjectsResponse, Object, RewriteObjectRequest,
        RewriteResponse, UpdateBucketRequest,
    },
    retry_policy::RetryableErrors,
    streaming_source::StreamingSource,
};
use mvi_core::{
    Applied, BucketName, Error, ErrorKind, Result,
    blob::{ByteRange, Crc32c, Encryption, Properties},
};
use tokio::time::Instant;

use super::{
    object::{CACHED, ENCRYPTED, Made, NONCE},
    xml::{self, Lane, Opened},
};
use crate::{
    attempt::{Effect, send},
    config::{Config, Limits, Retries, Service},
    connection::Lazy,
    error,
};

/// How much of a copy or a joining counts as a body of so many bytes: the service moves them while we wait.
const MOVED_BYTES: u64 = 16 << 20;

/// Cloud Storage: each way to it is connected at the first call that takes it, as each takes some 10 ms to make.
pub(crate) struct Client {
    config: Config,
    lane: Lazy<Arc<Lane>>,
    storage: Lazy<Storage>,
    control: Lazy<StorageControl>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.config.project).finish()
    }
}

fn no_client(error: google_cloud_gax::client_builder::Error) -> Error {
    Error::new(ErrorKind::Invalid, "no client for Cloud Storage")
        .with_applied(Applied::No)
        .with_source(error)
}

/// A bucket's name, as Cloud Storage's gRPC has it.
pub(super) fn path(bucket: &BucketName) -> String {
    format!("projects/_/buckets/{bucket}")
}

/// What is to be written.
#[derive(Clone, Debug)]
pub(super) struct NewObject {
    pub(super) bucket: BucketName,
    pub(super) name: String,
    pub(super) properties: Properties,
    pub(super) encryption: Encryption,
    /// By which a lost answer is told from a lost race.
    pub(super) nonce: String,
    /// What more MVI notes on it.
    pub(super) notes: Vec<(&'static str, String)>,
    /// The generation that must be there; 0 for none.
    pub(super) wanted: Option<i64>,
}

impl NewObject {
    /// What is noted on it: by its writer, and by us.
    pub(super) fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        let cached = self.properties.cache_control.as_deref().map(|it| (CACHED, it));
        let encrypted = match &self.encryption {
            Encryption::Provider => None,
            Encryption::Key(_) => Some((ENCRYPTED, "given")),
        };
        let notes = self.notes.iter().map(|(name, value)| (*name, value.as_str()));
        let ours = [(NONCE, self.nonce.as_str())].into_iter().chain(cached).chain(encrypted);
        self.properties.metadata.iter().chain(ours).chain(notes)
    }

    /// The key of the key service that encrypts it; empty for the bucket's own.
    pub(super) fn kms_key(&self) -> &str {
        match &self.encryption {
            Encryption::Provider => "",
            Encryption::Key(key) => key,
        }
    }

    /// All of it, as the crate's request for `payload`.
    pub(super) fn on<P>(&self, request: WriteObject<P>) -> WriteObject<P>
    where
        P: StreamingSource + Send + Sync + 'static,
    {
        let Properties { content_type, cache_control, content_disposition, metadata: _ } =
            &self.properties;
        let request = request.set_content_type(&**content_type).set_metadata(self.metadata());
        let request = match cache_control {
            Some(it) => request.set_cache_control(it),
            None => request,
        };
        let request = match content_disposition {
            Some(it) => request.set_content_disposition(it),
            None => request,
        };
        let request = match self.kms_key() {
            "" => request,
            key => request.set_kms_key(key),
        };
        match self.wanted {
            Some(generation) => request.set_if_generation_match(generation),
            None => request,
        }
    }
}

/// One call by gRPC. The crate's futures are large, and wait on the heap.
macro_rules! unary {
    ($name:ident, $call:ident, $op:literal, $effect:ident, $bytes:expr, $request:ty => $response:ty) => {
        pub(super) async fn $name(
            &self,
            deadline: Instant,
            request: &$request,
        ) -> Result<$response> {
            let limits = self.config.limits.with_body($bytes);
            let attempt = |control: StorageControl, limit| async move {
                let call = control.$call().with_request(request.clone());
                let call = call.with_attempt_timeout(limit).with_retry_policy(NeverRetry);
                Box::pin(call.send()).await.map_err(|e| error::from_gax($op, e))
            };
            self.call($op, Effect::$effect, &limits, deadline, attempt).await
        }
    };
}

impl Client {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, lane: Lazy::default(), storage: Lazy::default(), control: Lazy::default() }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// When a call that begins now must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline_for(0)
    }

    /// When a call that sends so many `bytes` must have ended.
    pub(super) fn deadline_for(&self, bytes: u64) -> Instant {
        Instant::now() + self.config.limits.with_body(bytes).timeouts.operation
    }

    /// When a call that has the service move bytes must have ended.
    pub(super) fn deadline_moving(&self) -> Instant {
        self.deadline_for(MOVED_BYTES)
    }

    /// The crate's client for bodies.
    pub(crate) async fn storage(&self) -> Result<Storage> {
        let limit = self.config.limits.timeouts.connect;
        Ok(self.storage.get(limit, || self.connect_storage()).await?.0)
    }

    /// The crate's client for all else.
    pub(crate) async fn control(&self) -> Result<StorageControl> {
        let limit = self.config.limits.timeouts.connect;
        Ok(self.control.get(limit, || self.connect_control()).await?.0)
    }

    /// How long to pause between two attempts.
    pub(super) fn backoff(&self) -> Result<ExponentialBackoff> {
        let Retries { attempts: _, first_pause, longest_pause } = self.config.limits.retries;
        let backoff = ExponentialBackoffBuilder::new().with_initial_delay(first_pause);
        backoff.with_maximum_delay(longest_pause).build().map_err(|e| {
            Error::invalid("pauses that do not grow").with_applied(Applied::No).with_source(e)
        })
    }

    async fn connect_storage(&self) -> Result<Storage> {
        let storage = Storage::builder()
            .with_credentials(self.config.credentials())
            .with_retry_policy(self.policy())
            .with_backoff_policy(self.backoff()?);
        let storage = match self.config.storage_http() {
            Some(endpoint) => storage.with_endpoint(endpoint),
            None => storage,
        };
        storage.build().await.map_err(no_client)
    }

    async fn connect_control(&self) -> Result<StorageControl> {
        let control = StorageControl::builder()
            .with_credentials(self.config.credentials())
            .with_attempt_timeout(self.config.limits.timeouts.attempt)
            .with_retry_policy(self.policy())
            .with_backoff_policy(self.backoff()?);
        let control = match self.config.endpoint(Service::Storage) {
            Some(endpoint) => control.with_endpoint(endpoint),
            None => control,
        };
        control.build().await.map_err(no_client)
    }

    async fn connect_lane(&self) -> Result<Arc<Lane>> {
        Lane::new(&self.config).await.map(Arc::new)
    }

    /// For those who take the clients to themselves; our own calls set their own.
    fn policy(&self) -> impl RetryPolicy + use<> {
        let Limits { timeouts, retries } = self.config.limits;
        RetryableErrors.with_attempt_limit(retries.attempts).with_time_limit(timeouts.operation)
    }

    /// Makes one call by gRPC in attempts; one without an answer gives up its connection.
    async fn call<T, F>(
        &self,
        wire_op: &'static str,
        effect: Effect,
        limits: &Limits,
        deadline: Instant,
        attempt: impl Fn(StorageControl, Duration) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let attempt = &attempt;
        let attempt = |limit| async move {
            let (control, _watch) = self.control.get(limit, || self.connect_control()).await?;
            attempt(control, limit).await
        };
        send(limits, wire_op, effect, deadline, attempt).await
    }

    unary!(create_bucket, create_bucket, "CreateBucket", Write, 0, CreateBucketRequest => Bucket);
    unary!(get_bucket, get_bucket, "GetBucket", Read, 0, GetBucketRequest => Bucket);
    unary!(list_buckets, list_buckets, "ListBuckets", Read, 0, ListBucketsRequest => ListBucketsResponse);
    unary!(update_bucket, update_bucket, "UpdateBucket", Write, 0, UpdateBucketRequest => Bucket);
    unary!(delete_bucket, delete_bucket, "DeleteBucket", Write, 0, DeleteBucketRequest => ());
    unary!(get_object, get_object, "GetObject", Read, 0, GetObjectRequest => Object);
    unary!(list_objects, list_objects, "ListObjects", Read, 0, ListObjectsRequest => ListObjectsResponse);
    unary!(compose, compose_object, "ComposeObject", Write, MOVED_BYTES, ComposeObjectRequest => Object);
    unary!(rewrite, rewrite_object, "RewriteObject", Write, MOVED_BYTES, RewriteObjectRequest => RewriteResponse);

    /// Removes an object. With a precondition, what is not there is a conflict.
    pub(super) async fn delete_object(
        &self,
        deadline: Instant,
        request: &DeleteObjectRequest,
    ) -> Result<()> {
        let conditional = request.if_generation_match.is_some();
        let op = if conditional { error::CONDITIONAL_DELETE } else { "DeleteObject" };
        let attempt = |control: StorageControl, limit| async move {
            let call = control.delete_object().with_request(request.clone());
            let call = call.with_attempt_timeout(limit).with_retry_policy(NeverRetry);
            Box::pin(call.send()).await.map_err(|e| error::from_gax(op, e))
        };
        self.call(op, Effect::Write, &self.config.limits, deadline, attempt).await
    }

    /// Writes `new` in one request.
    pub(super) async fn insert(
        &self,
        deadline: Instant,
        new: &NewObject,
        bytes: &Bytes,
        checksum: Crc32c,
    ) -> Result<Made> {
        let limits = self.config.limits.with_body(bytes.len() as u64);
        // The same body under the same nonce: twice is once.
        let attempt = |limit| async move {
            let (lane, _watch) = self.lane.get(limit, || self.connect_lane()).await?;
            lane.put(new, bytes, checksum).await
        };
        send(&limits, xml::PUT, Effect::Write, deadline, attempt).await
    }

    /// Opens an object to be read.
    pub(super) async fn open(&self, deadline: Instant, read: &Opening) -> Result<Opened> {
        let attempt = |limit| async move {
            let (lane, _watch) = self.lane.get(limit, || self.connect_lane()).await?;
            lane.get(read).await
        };
        send(&self.config.limits, xml::GET, Effect::Read, deadline, attempt).await
    }
}

/// What of an object is to be read.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) bucket: BucketName,
    pub(super) name: String,
    pub(super) generation: Option<i64>,
    pub(super) if_match: Option<i64>,
    pub(super) range: Option<ByteRange>,
}
