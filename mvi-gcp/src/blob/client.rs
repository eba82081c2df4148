//! The calls that Cloud Storage gets, each with its limits: bodies by HTTP, all else by gRPC.
//!
//! The crate's own retries are off in each call: the one loop is [`attempt::send`](crate::attempt::send). The only exception are the
//! chunks of a resumable upload, whose session the crate keeps to itself: see [`resumable`](super::resumable).

use std::{fmt, time::Duration};

use bytes::Bytes;
use google_cloud_gax::{
    exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder},
    options::RequestOptionsBuilder as _,
    retry_policy::{NeverRetry, RetryPolicyExt as _},
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
    model_ext::ReadRange,
    read_object::ReadObjectResponse,
    read_resume_policy::NeverResume,
    retry_policy::RetryableErrors,
    streaming_source::StreamingSource,
};
use mvi_core::{
    Applied, BucketName, Error, ErrorKind, Result,
    blob::{Crc32c, Encryption, Properties},
};
use tokio::time::Instant;

use super::object::NONCE;
use crate::{
    attempt::{Effect, send},
    config::{Config, Limits, Retries, Service, Timeouts},
    connection::Lazy,
    error,
};

/// How much of a copy or a joining counts as a body of so many bytes: the service moves them while we wait.
const MOVED_BYTES: u64 = 16 << 20;

/// Cloud Storage, connected at the first call.
pub(crate) struct Client {
    config: Config,
    connection: Lazy<Connection>,
}

/// Both of the crate's clients.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(super) storage: Storage,
    pub(super) control: StorageControl,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.config.project).finish()
    }
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
    pub(super) fn metadata(&self) -> impl Iterator<Item = (String, String)> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let nonce = (NONCE.to_owned(), self.nonce.clone());
        let notes = self.notes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        self.properties.metadata.iter().map(owned).chain([nonce]).chain(notes)
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
            let attempt = |connection: Connection, limit| async move {
                let call = connection.control.$call().with_request(request.clone());
                let call = call.with_attempt_timeout(limit).with_retry_policy(NeverRetry);
                Box::pin(call.send()).await.map_err(|e| error::from_gax($op, e))
            };
            self.call($op, Effect::$effect, &limits, deadline, attempt).await
        }
    };
}

impl Client {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, connection: Lazy::default() }
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

    /// The crate's clients.
    pub(crate) async fn connection(&self) -> Result<Connection> {
        let limit = self.config.limits.timeouts.connect;
        Ok(self.connection.get(limit, || self.connect()).await?.0)
    }

    /// How long to pause between two attempts.
    pub(super) fn backoff(&self) -> Result<ExponentialBackoff> {
        let Retries { attempts: _, first_pause, longest_pause } = self.config.limits.retries;
        let backoff = ExponentialBackoffBuilder::new().with_initial_delay(first_pause);
        backoff.with_maximum_delay(longest_pause).build().map_err(|e| {
            Error::invalid("pauses that do not grow").with_applied(Applied::No).with_source(e)
        })
    }

    async fn connect(&self) -> Result<Connection> {
        let failed = |e: google_cloud_gax::client_builder::Error| {
            Error::new(ErrorKind::Invalid, "no client for Cloud Storage")
                .with_applied(Applied::No)
                .with_source(e)
        };
        let Timeouts { connect: _, attempt, operation, per_mib: _ } = self.config.limits.timeouts;
        let attempts = self.config.limits.retries.attempts;
        // For those who take the clients to themselves; our own calls set their own.
        let policy = || RetryableErrors.with_attempt_limit(attempts).with_time_limit(operation);
        let storage = Storage::builder()
            .with_credentials(self.config.credentials())
            .with_retry_policy(policy())
            .with_backoff_policy(self.backoff()?);
        let storage = match self.config.storage_http() {
            Some(endpoint) => storage.with_endpoint(endpoint),
            None => storage,
        };
        let control = StorageControl::builder()
            .with_credentials(self.config.credentials())
            .with_attempt_timeout(attempt)
            .with_retry_policy(policy())
            .with_backoff_policy(self.backoff()?);
        let control = match self.config.endpoint(Service::Storage) {
            Some(endpoint) => control.with_endpoint(endpoint),
            None => control,
        };
        Ok(Connection {
            storage: storage.build().await.map_err(failed)?,
            control: control.build().await.map_err(failed)?,
        })
    }

    /// Makes one call in attempts; one without an answer gives up its connection.
    async fn call<T, F>(
        &self,
        wire_op: &'static str,
        effect: Effect,
        limits: &Limits,
        deadline: Instant,
        attempt: impl Fn(Connection, Duration) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let attempt = &attempt;
        let attempt = |limit| async move {
            let (connection, _watch) = self.connection.get(limit, || self.connect()).await?;
            attempt(connection, limit).await
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
        let attempt = |connection: Connection, limit| async move {
            let call = connection.control.delete_object().with_request(request.clone());
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
    ) -> Result<Object> {
        const OP: &str = "objects.insert";
        let limits = self.config.limits.with_body(bytes.len() as u64);
        let attempt = |connection: Connection, _limit| async move {
            let request =
                connection.storage.write_object(path(&new.bucket), &new.name, bytes.clone());
            let request = new.on(request).with_known_crc32c(checksum.value());
            // The same body under the same nonce: twice is once.
            let request = request.with_idempotency(true).with_retry_policy(NeverRetry);
            let request = request.with_resumable_upload_threshold(usize::MAX);
            Box::pin(request.send_unbuffered()).await.map_err(|e| error::from_gax(OP, e))
        };
        self.call(OP, Effect::Write, &limits, deadline, attempt).await
    }

    /// Opens an object to be read.
    pub(super) async fn open(
        &self,
        deadline: Instant,
        read: &Opening,
    ) -> Result<ReadObjectResponse> {
        const OP: &str = "objects.get";
        let Opening { bucket, name, generation, if_match, if_none_match, range } = read;
        let attempt = |connection: Connection, _limit| async move {
            let request = connection.storage.read_object(path(bucket), name);
            // Held against the checksum once, by us, also where the read goes on after a cut.
            let request = request.compute_crc32c(false).set_read_range(range.clone());
            let request = request.with_retry_policy(NeverRetry);
            let request = request.with_read_resume_policy(NeverResume);
            let request = match generation {
                Some(generation) => request.set_generation(*generation),
                None => request,
            };
            let request = match if_match {
                Some(generation) => request.set_if_generation_match(*generation),
                None => request,
            };
            let request = match if_none_match {
                Some(generation) => request.set_if_generation_not_match(*generation),
                None => request,
            };
            Box::pin(request.send()).await.map_err(|e| error::from_gax(OP, e))
        };
        self.call(OP, Effect::Read, &self.config.limits, deadline, attempt).await
    }
}

/// What of an object is to be read.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) bucket: BucketName,
    pub(super) name: String,
    pub(super) generation: Option<i64>,
    pub(super) if_match: Option<i64>,
    pub(super) if_none_match: Option<i64>,
    pub(super) range: ReadRange,
}
