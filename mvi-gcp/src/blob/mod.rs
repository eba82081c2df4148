//! Blob on Cloud Storage.
//!
//! ```text
//!   acme-7f3-logs/ ── labels: app, mvi-stamp … ── closed, uniform, nothing kept of what is removed
//!     today.txt ───── generation 1700000000000001, metadata: host, mvi-nonce
//!     U+10FFFD… ───── uploads and their parts: no caller sees them, and a rule of the bucket removes them after a week
//! ```
//!
//! | operation | call | note |
//! |---|---|---|
//! | `create_bucket` | `ListBuckets`, `CreateBucket`, `GetBucket` | uniform access, public access prevented, [no soft delete](#soft-delete), all in the request that makes it |
//! | `bucket`, `list_buckets` | `GetBucket`, `ListBuckets` | labels are looked for here |
//! | `delete_bucket` | `DeleteBucket` | where only what uploads left behind is in the way, that is removed first |
//! | `set_versioning`, `set_lifecycle` | `GetBucket`, `UpdateBucket` | with the metageneration as precondition; others' rules that MVI has no words for stay |
//! | `put` | XML [`PUT Object`][put] | above 8 MiB `objects.insert`, resumable; what comes once as an upload in parts |
//! | `get` | XML [`GET Object`][get] | the generation is pinned, also where it goes on after a cut; [with a `GetObject`](#what-others-wrote) for what others wrote |
//! | `head` | `GetObject` | |
//! | `delete`, `delete_many` | `DeleteObject` | 16 at a time; what is not there costs a `GetBucket` |
//! | `list`, `versions` | `ListObjects` | |
//! | `copy` | `GetObject`, `RewriteObject` | |
//! | `start_upload`, `upload_part` | as `put`, and `GetObject` | under a hidden start |
//! | `complete_upload` | `GetObject`, `ListObjects`, `ComposeObject`, `DeleteObject` | 32 at a time, in a tree |
//! | `abort_upload`, `parts`, `uploads` | `ListObjects`, `DeleteObject` | |
//! | `presign` | none, or IAM's `signBlob` | needs credentials that sign |
//!
//! | limit | value | source |
//! |---|---|---|
//! | writes to one key | about one a second | [quotas] |
//! | sources of a `ComposeObject` | 32 | [quotas] |
//! | custom metadata | 8 KiB | [quotas] |
//! | names of custom metadata that a `get` can take, of what others wrote | some 70 | [the HTTP client][client], which reads at most 100 headers |
//! | changes to one bucket's settings | one a second | [quotas] |
//! | creations of buckets | about one in two seconds | [quotas] |
//!
//! A [`Tag`](mvi_core::blob::Tag) and a [`VersionId`](mvi_core::blob::VersionId) are both an object's generation. Times are whole seconds, as a
//! download has them.
//!
//! # Soft delete
//!
//! Cloud Storage keeps what is removed for a week, at its price, unless a bucket says otherwise. The buckets that MVI makes say otherwise: what
//! is removed is gone, as on other providers, and the parts of an upload are not paid for twice. Whoever wants it turns it
//! on by [`GcsBlob::control`], and MVI leaves it on.
//!
//! # What others wrote
//!
//! A download's headers have all that there is to know of an object, but for two things: which key it is encrypted with, and whether
//! the `Cache-Control` that they have is the object's own. MVI notes on what it writes whether it was given either. `get` asks a `GetObject` as well
//! where this does not tell: of what others wrote, or whose metadata they have changed; of what is encrypted with a key of the caller's, where no header names it; and of
//! what comes from a cache, as Cloud Storage has one for what all the world may read. So it does for `if_none_match`, which the XML API has no generation for.
//!
//! Where others have rewritten an object of MVI's as it is, but with a key or a `Cache-Control` that it did not have, or where a bucket has a default key,
//! `get` says so only where a header names the key; `head` always does.
//!
//! # Lifecycle
//!
//! A rule for all keys is also for the hidden ones, as Cloud Storage knows no exceptions: one that removes objects after a day removes the
//! parts of an upload that takes longer than a day.
//!
//! [client]: https://docs.rs/hyper/1/hyper/client/conn/http1/struct.Builder.html#method.max_headers
//! [get]: https://cloud.google.com/storage/docs/xml-api/get-object-download
//! [put]: https://cloud.google.com/storage/docs/xml-api/put-object-upload
//! [quotas]: https://cloud.google.com/storage/quotas

mod bucket;
mod client;
mod copy;
mod delete;
mod list;
mod object;
mod presign;
mod put;
mod read;
mod resumable;
mod upload;
mod xml;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::TryStreamExt as _;
use google_cloud_storage::client::{Storage, StorageControl};
use mvi_core::{
    Blob, BucketName, Error, Items, Labels, Result,
    blob::{
        Body, Bucket, Complete, Copy, CreateBucket, Delete, DeleteMany, Entry, Get, Head, List,
        Meta, Object, ObjectVersion, Part, PartNumber, Presign, Presigned, Put, Rule, StartUpload,
        Upload, Versioning, Versions,
    },
    ensure::{self, Wanted},
};

use self::{bucket::NewBucket, client::Client};
use crate::config::Config;

/// Lists of buckets are never late, so what is made is seen at once.
const SETTLED: Duration = Duration::from_secs(1);

/// Any amount of unstructured data, on Cloud Storage. Made by [`Gcp`](crate::Gcp).
///
/// ```no_run
/// use mvi_core::{BlobExt as _, BucketName, blob::{Key, Put}};
/// use mvi_gcp::Gcp;
///
/// # async fn example() -> mvi_core::Result<()> {
/// let gcp = Gcp::builder().project("demo").build().await?;
/// let put = Put::new(BucketName::new("acme-7f3-texts")?, Key::new("hello.txt")?);
/// let meta = gcp.blob.put_bytes(put, "hello").await?;
/// # let _ = meta; Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GcsBlob {
    client: Arc<Client>,
}

impl fmt::Debug for GcsBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GcsBlob").field(&self.client).finish()
    }
}

impl GcsBlob {
    pub(crate) fn new(config: Config) -> Self {
        Self { client: Arc::new(Client::new(config)) }
    }

    /// The SDK's client for bodies, for what MVI does not do: with the same credentials and attempts. It has no time limit for an attempt.
    ///
    /// ```no_run
    /// # async fn example(gcp: mvi_gcp::Gcp) -> mvi_core::Result<()> {
    /// let storage = gcp.blob.client().await?;
    /// let read = storage.read_object("projects/_/buckets/acme-7f3-texts", "hello.txt");
    /// # let _ = read; Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Invalid`](mvi_core::ErrorKind::Invalid) where there can be none, as for an endpoint that is no URL.
    pub async fn client(&self) -> Result<Storage> {
        self.client.storage().await
    }

    /// The SDK's client for all but bodies, for what MVI does not do: with the same credentials and limits.
    ///
    /// ```no_run
    /// # async fn example(gcp: mvi_gcp::Gcp) -> mvi_core::Result<()> {
    /// let control = gcp.blob.control().await?;
    /// let policy = control.get_iam_policy().set_resource("projects/_/buckets/acme-7f3-texts");
    /// # let _ = policy; Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Invalid`](mvi_core::ErrorKind::Invalid) where there can be none, as for an endpoint that is no URL.
    pub async fn control(&self) -> Result<StorageControl> {
        self.client.control().await
    }
}

/// Names the operation and the bucket of a stream's errors.
fn named<T: Send + 'static>(op: &'static str, bucket: &BucketName, items: Items<T>) -> Items<T> {
    let bucket = bucket.clone();
    Box::pin(items.map_err(move |e: Error| e.or_at(op, &bucket)))
}

#[async_trait]
impl Blob for GcsBlob {
    async fn create_bucket(&self, request: CreateBucket) -> Result<Bucket> {
        const OP: &str = "blob.create_bucket";
        let wanted = Wanted::new(OP, &request.name, &request.fingerprint()).settle(SETTLED);
        let CreateBucket { name, labels } = request;
        let new = NewBucket { client: &self.client, name: &name, labels };
        ensure::ensure(&new, &wanted).await
    }

    async fn bucket(&self, name: &BucketName) -> Result<Bucket> {
        bucket::find(&self.client, name).await.map_err(|e| e.or_at("blob.bucket", name))
    }

    fn list_buckets(&self, labels: Labels) -> Items<Bucket> {
        let buckets = bucket::list(Arc::clone(&self.client), labels);
        Box::pin(buckets.map_err(|e| e.or_at("blob.list_buckets", "")))
    }

    async fn delete_bucket(&self, name: &BucketName) -> Result<()> {
        let removed = bucket::remove(&self.client, name).await;
        removed.map_err(|e| e.or_at("blob.delete_bucket", name))
    }

    async fn set_versioning(&self, bucket: &BucketName, to: Versioning) -> Result<()> {
        let set = bucket::set_versioning(&self.client, bucket, to).await;
        set.map_err(|e| e.or_at("blob.set_versioning", bucket))
    }

    async fn set_lifecycle(&self, bucket: &BucketName, rules: Vec<Rule>) -> Result<()> {
        let set = bucket::set_lifecycle(&self.client, bucket, &rules).await;
        set.map_err(|e| e.or_at("blob.set_lifecycle", bucket))
    }

    async fn put(&self, request: Put, body: Body) -> Result<Meta> {
        let bucket = request.bucket.clone();
        let made = put::put(self, request, body).await;
        made.map_err(|e| e.or_at("blob.put", bucket))
    }

    async fn get(&self, request: Get) -> Result<Object> {
        let bucket = request.bucket.clone();
        let found = read::get(Arc::clone(&self.client), request).await;
        found.map_err(|e| e.or_at("blob.get", bucket))
    }

    async fn head(&self, request: Head) -> Result<Meta> {
        let bucket = request.bucket.clone();
        let found = read::head(&self.client, request).await;
        found.map_err(|e| e.or_at("blob.head", bucket))
    }

    async fn delete(&self, request: Delete) -> Result<()> {
        let bucket = request.bucket.clone();
        let removed = delete::delete(&self.client, request).await;
        removed.map_err(|e| e.or_at("blob.delete", bucket))
    }

    async fn delete_many(&self, request: DeleteMany) -> Result<Vec<Result<()>>> {
        let bucket = request.bucket.clone();
        let at = |e: Error| e.or_at("blob.delete_many", &bucket);
        let outcomes = delete::delete_many(&self.client, request).await.map_err(at)?;
        Ok(outcomes.into_iter().map(|it| it.map_err(at)).collect())
    }

    fn list(&self, request: List) -> Items<Entry> {
        let bucket = request.bucket.clone();
        named("blob.list", &bucket, list::list(Arc::clone(&self.client), request))
    }

    fn versions(&self, request: Versions) -> Items<ObjectVersion> {
        let bucket = request.bucket.clone();
        named("blob.versions", &bucket, list::versions(Arc::clone(&self.client), request))
    }

    async fn copy(&self, request: Copy) -> Result<Meta> {
        let bucket = request.bucket.clone();
        let made = copy::copy(&self.client, request).await;
        made.map_err(|e| e.or_at("blob.copy", bucket))
    }

    async fn start_upload(&self, request: StartUpload) -> Result<Upload> {
        let bucket = request.bucket.clone();
        let started = upload::start(&self.client, request).await;
        started.map_err(|e| e.or_at("blob.start_upload", bucket))
    }

    async fn upload_part(&self, upload: &Upload, number: PartNumber, body: Body) -> Result<Part> {
        let stored = upload::store(&self.client, upload, number, body).await;
        stored.map_err(|e| e.or_at("blob.upload_part", &upload.bucket))
    }

    async fn complete_upload(&self, request: Complete) -> Result<Meta> {
        let bucket = request.upload.bucket.clone();
        let made = upload::complete(&self.client, request).await;
        made.map_err(|e| e.or_at("blob.complete_upload", bucket))
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        let removed = upload::abort(&self.client, upload).await;
        removed.map_err(|e| e.or_at("blob.abort_upload", &upload.bucket))
    }

    fn parts(&self, upload: &Upload) -> Items<Part> {
        let parts = upload::parts(Arc::clone(&self.client), upload);
        named("blob.parts", &upload.bucket, parts)
    }

    fn uploads(&self, bucket: &BucketName) -> Items<Upload> {
        named("blob.uploads", bucket, upload::uploads(Arc::clone(&self.client), bucket))
    }

    async fn presign(&self, request: Presign) -> Result<Presigned> {
        let bucket = request.bucket.clone();
        let signed = presign::presign(&self.client, request).await;
        signed.map_err(|e| e.or_at("blob.presign", bucket))
    }
}
