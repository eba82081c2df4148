//! Blob: any amount of unstructured data, durable.
//!
//! ```text
//!   app ──put(key, only if absent)──▶ ┏━━━━━━┓  "a/1.csv"   ─▶ bytes, checked
//!       ◀──────── meta, tag ───────── ┃ BLOB ┃  "a/2.csv"   ─▶ bytes
//!       ──list("a/", in order)──────▶ ┗━━━━━━┛  upload 7    ─▶ parts, not seen yet
//! ```
//!
//! - **Why** files outlive every VM, and are too large for a record.
//! - **Depends on** nothing; Crypto for keys of one's own.
//! - **Knobs** versioning, lifecycle, parts. **Gauges** calls, errors and latency by operation.
//!
//! | operation | AWS: S3 | Google Cloud: Cloud Storage |
//! |---|---|---|
//! | `create_bucket` | `CreateBucket` with its tags, `PutPublicAccessBlock`, `PutBucketLifecycleConfiguration` | `CreateBucket`, closed and uniform |
//! | `bucket` | `GetBucketTagging`, `GetBucketVersioning`, `GetBucketLifecycleConfiguration` | `GetBucket` |
//! | `list_buckets` | `ListBuckets`, then as `bucket` | `ListBuckets` |
//! | `delete_bucket` | `DeleteBucket` | `DeleteBucket` |
//! | `set_versioning` | `PutBucketVersioning` | `UpdateBucket` |
//! | `set_lifecycle` | `PutBucketLifecycleConfiguration` | `UpdateBucket` |
//! | `put` | `PutObject`; above 8 MiB in parts | XML [`PUT Object`][google-put]; above 8 MiB `objects.insert`, resumable |
//! | `get` | `GetObject` | XML [`GET Object`][google-get]; with `objects.get` where its headers do not tell all |
//! | `head` | `HeadObject` | `GetObject` |
//! | `delete` | `DeleteObject` | `DeleteObject` |
//! | `delete_many` | `DeleteObjects` | `DeleteObject`, side by side |
//! | `list` | `ListObjectsV2` | `ListObjects` |
//! | `versions` | `ListObjectVersions` | `ListObjects` with versions |
//! | `copy` | `CopyObject`; above 5 GiB `UploadPartCopy` | `RewriteObject` |
//! | `start_upload` | `CreateMultipartUpload` | as `put`, of a marker under a hidden prefix |
//! | `upload_part` | `UploadPart` | as `put`, under a hidden prefix |
//! | `complete_upload` | `CompleteMultipartUpload` | `ComposeObject` in a tree |
//! | `abort_upload` | `AbortMultipartUpload` | `DeleteObject` of each part |
//! | `parts` | `ListParts` | `ListObjects` of the upload's hidden prefix |
//! | `uploads` | `ListMultipartUploads` | `ListObjects` of the hidden prefix |
//! | `presign` | a signed query | a signed query |
//!
//! | portable limit | value | from |
//! |---|---|---|
//! | bucket's name | 3 to 63 of `[a-z0-9-]`, see [`BucketName`] | both |
//! | key | [1,024 B](MAX_KEY_BYTES), no control characters, no `.` or `..` segment | [S3][keys], [Cloud Storage][names] |
//! | metadata: names and values together | [1,900 B](MAX_METADATA_BYTES) | [S3's 2 KB][metadata], less our nonce |
//! | metadata: names | [64](MAX_METADATA_NAMES) | the [SDKs' HTTP client][headers], which reads at most 100 headers |
//! | content type, cache control, disposition, a key's name | 1 to 255 B of visible ASCII, blanks only inside | ours: what HTTP carries unchanged |
//! | tag, version, as a condition | 1 to 1,024 B of visible ASCII, no blank | [S3][versions] |
//! | delimiter of a list | 1 to [16 B](MAX_DELIMITER_BYTES) | ours |
//! | parts | [5 MiB](MIN_PART_BYTES) but for the last, to [5 GiB](MAX_PART_BYTES); [10,000](MAX_PARTS) of them | [S3][parts] |
//! | object | [5 TiB](MAX_OBJECT_BYTES) | [Cloud Storage][quotas] |
//! | a body that [comes once](Body::Once) | 78 GiB, as 10,000 parts of 8 MiB; as one part of an upload [64 MiB](MAX_COLLECTED_BYTES) | ours, for the memory |
//! | rules of a lifecycle | [99](MAX_RULES), of 1 to 36,500 whole days, one of a kind for a prefix | [Cloud Storage][quotas], less our own |
//! | presigned URLs | [7 days](MAX_PRESIGN) | [S3][urls], [Cloud Storage][signed] |
//!
//! **Unique by** a bucket's name, in the world: one that is not ours is `AlreadyExists`. An upload by its id, which a lost answer
//! loses: [`Blob::uploads`] finds it. An object by its key.
//!
//! [keys]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
//! [versions]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html
//! [metadata]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
//! [headers]: https://docs.rs/hyper/1/hyper/client/conn/http1/struct.Builder.html#method.max_headers
//! [parts]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
//! [urls]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
//! [google-get]: https://cloud.google.com/storage/docs/xml-api/get-object-download
//! [google-put]: https://cloud.google.com/storage/docs/xml-api/put-object-upload
//! [quotas]: https://cloud.google.com/storage/quotas
//! [names]: https://cloud.google.com/storage/docs/objects#naming
//! [signed]: https://cloud.google.com/storage/docs/access-control/signed-urls

mod body;
mod check;
mod checksum;
mod data;
mod ext;
mod file;
mod key;
mod many;
pub mod parts;
mod properties;
mod range;
mod read;
mod request;
#[cfg(feature = "object_store")]
mod store;
mod sync;
#[cfg(test)]
mod tests;

pub use body::{Body, MAX_COLLECTED_BYTES, Replay};
pub use check::{
    MAX_DELIMITER_BYTES, MAX_KEY_BYTES, MAX_METADATA_BYTES, MAX_METADATA_NAMES, MAX_OBJECT_BYTES,
    MAX_PART_BYTES, MAX_PARTS, MAX_PRESIGN, MAX_RULES, MIN_PART_BYTES,
};
pub use checksum::{Checked, Crc32c};
pub use data::{
    Bucket, Entry, Listed, Meta, Object, ObjectVersion, Part, Presigned, Tag, Upload, VersionId,
    VersionState, Versioning,
};
pub use ext::BlobExt;
pub use file::{GetFile, OnProgress, Progress, PutFile};
pub use key::Key;
pub use many::{GetRanges, Rename};
pub use properties::{Encryption, Metadata, Properties};
pub use range::ByteRange;
pub use read::{Get, Head, List, Versions};
pub use request::{
    Action, Complete, Copy, CreateBucket, Delete, DeleteMany, Method, Mode, PartNumber, Presign,
    Put, Rule, Source, StartUpload, Target,
};
#[cfg(feature = "object_store")]
pub use store::Store;
pub use sync::{Direction, Extra, PropertiesOf, Run, Skipped, SyncDir, Synced};

use std::fmt;

use async_trait::async_trait;

use crate::{BucketName, Items, Labels, Result, hook::ops};

/// Any amount of unstructured data, under keys, in buckets.
///
/// Providers implement this trait; callers also want [`BlobExt`].
///
/// # Promises
///
/// - A reader sees a whole object or none, never a torn one, and a write that was answered is seen by every read after it.
/// - A whole read is checked against the checksum given at write: what does not hold is [`Corrupt`](crate::ErrorKind::Corrupt). A
///   range can't be.
/// - [`IfAbsent`](Mode::IfAbsent) and [`IfMatch`](Mode::IfMatch) are atomic, also where an upload is completed, and exactly one
///   of many racers wins.
/// - Listings are complete, sorted by bytes, and page without loss.
/// - Memory stays flat whatever the size of a body: five parts of 8 MiB are in it at most. A body of more than 78 GiB, which has to know its
///   length, has larger parts, as 10,000 must be enough: 105 MiB each at 1 TiB, 525 MiB at 5 TiB.
/// - An aborted upload leaves nothing; one that was dropped is in [`uploads`](Self::uploads) until it is aborted, or a week has passed.
/// - Nothing is public, and everything is encrypted.
/// - What a provider would refuse is [`Invalid`](crate::ErrorKind::Invalid) before it is sent.
///
/// # Errors
///
/// Each operation on a bucket that is not there is [`NotFound`](crate::ErrorKind::NotFound), but for [`delete_bucket`](Self::delete_bucket), which
/// succeeds, and [`presign`](Self::presign), which looks at nothing; and one that breaks a [portable limit](self) is
/// [`Invalid`](crate::ErrorKind::Invalid). Only what comes on top is said below.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Blob: fmt::Debug + Send + Sync + 'static {
    /// Makes a bucket, closed to the public and encrypted. The same name and settings again return the same bucket.
    ///
    /// It may be [`NotFound`](crate::ErrorKind::NotFound) for a moment: see [`BlobExt::wait_bucket`].
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists) where the name has other settings, or is not ours: names are
    /// unique in the world.
    async fn create_bucket(&self, request: CreateBucket) -> Result<Bucket>;

    /// Returns the bucket called `name`.
    async fn bucket(&self, name: &BucketName) -> Result<Bucket>;

    /// Streams the buckets that have all of `labels`, in no order.
    fn list_buckets(&self, labels: Labels) -> Items<Bucket>;

    /// Removes an empty bucket. Removing what is not there succeeds. What is left of uploads goes with it.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) where it has an object, or a version of one: see [`BlobExt::empty`].
    async fn delete_bucket(&self, name: &BucketName) -> Result<()>;

    /// Says whether what is replaced or removed is kept, from now on.
    async fn set_versioning(&self, bucket: &BucketName, to: Versioning) -> Result<()>;

    /// Says what is removed by itself, in place of what was said before: at most [99 rules](MAX_RULES), of 36,500 days at most, and of each kind
    /// one for a prefix.
    ///
    /// A provider removes within a day or two of when a rule says so. Uploads that are a week old it aborts, whatever the rules.
    async fn set_lifecycle(&self, bucket: &BucketName, rules: Vec<Rule>) -> Result<()>;

    /// Writes an object whole, in place of what was there. A reader sees it when it is all there, and not before.
    ///
    /// A body of more than 8 MiB goes in parts, some at a time; where the call is dropped or fails, they are removed as far as can be. One that
    /// [comes once](Body::Once) has at most 78 GiB.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) where [`Put::mode`] does not hold; [`Corrupt`](crate::ErrorKind::Corrupt) where the body is
    /// not what [`Put::checksum`] says; [`Invalid`](crate::ErrorKind::Invalid) where it is too much; that of the body, where it fails. Then nothing
    /// has changed.
    async fn put(&self, request: Put, body: Body) -> Result<Meta>;

    /// Reads an object, or a range of it.
    ///
    /// Its body is lazy, and checked as it is read: an error in it ends it, and what came before is not to be trusted. A provider
    /// whose connection breaks goes on from there, with the same object, a few times; what breaks for good is an error, and
    /// whoever reads can go on by [`range`](Get::range) and [`if_match`](Get::if_match).
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is no such object or version;
    /// [`Conflict`](crate::ErrorKind::Conflict) where [`Get::if_match`] or [`Get::if_none_match`] does not hold;
    /// [`Invalid`](crate::ErrorKind::Invalid) where the range starts behind the object's end.
    async fn get(&self, request: Get) -> Result<Object>;

    /// Returns what a read would tell of an object, without its body.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is no such object or version.
    async fn head(&self, request: Head) -> Result<Meta>;

    /// Removes an object, or one of its versions for good. Removing what is not there succeeds, unless a condition says otherwise.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) where [`Delete::if_match`] does not hold, as where nothing is there.
    async fn delete(&self, request: Delete) -> Result<()>;

    /// Removes many objects, each by itself and with its own outcome, in their order.
    ///
    /// # Errors
    ///
    /// What befell one object is in its own result; only what befell all of them is in the call's.
    async fn delete_many(&self, request: DeleteMany) -> Result<Vec<Result<()>>>;

    /// Streams a bucket's objects, sorted by the bytes of their keys.
    ///
    /// With a [delimiter](List::delimiter) those whose keys share the text up to it, after the prefix, are one
    /// [`Entry::Prefix`], which stands where the first of them would.
    fn list(&self, request: List) -> Items<Entry>;

    /// Streams the versions of objects, sorted by the bytes of their keys, the newest first.
    fn versions(&self, request: Versions) -> Items<ObjectVersion>;

    /// Writes an object from another, in the same provider, without its bytes coming by.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) where the source is not there; [`Conflict`](crate::ErrorKind::Conflict) where
    /// [`Copy::mode`] or [`Source::if_match`] does not hold; [`Invalid`](crate::ErrorKind::Invalid) where an object is copied onto itself with
    /// neither properties, nor a key of one's own, nor a version: also where that would give it back to the provider's key, which takes
    /// its properties to be said. Then nothing has changed.
    async fn copy(&self, request: Copy) -> Result<Meta>;

    /// Begins an upload whose parts come one by one, from any process that has the [`Upload`], which serde keeps.
    async fn start_upload(&self, request: StartUpload) -> Result<Upload>;

    /// Stores one part of an upload, in place of what had its number. Parts may come in any order, and side by side.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) where the upload was aborted or completed; that of the body, where it fails.
    /// [`Invalid`](crate::ErrorKind::Invalid) where the body is a [`Once`](Body::Once) of more than [64 MiB](MAX_COLLECTED_BYTES).
    async fn upload_part(&self, upload: &Upload, number: PartNumber, body: Body) -> Result<Part>;

    /// Makes the object of an upload's parts. Asking again gives the same object, as long as nobody has replaced it; what is said of the
    /// parts is not looked at then.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) where [`Complete::mode`] does not hold: then the upload is still there, to be completed otherwise
    /// or aborted. [`NotFound`](crate::ErrorKind::NotFound) where the upload was aborted. [`Invalid`](crate::ErrorKind::Invalid) where a part but the
    /// last is less than 5 MiB, or is not there as it is said to be. [`Corrupt`](crate::ErrorKind::Corrupt) where the
    /// whole is not what [`Complete::checksum`] says.
    async fn complete_upload(&self, request: Complete) -> Result<Meta>;

    /// Removes an upload and its parts. Removing what is not there succeeds.
    async fn abort_upload(&self, upload: &Upload) -> Result<()>;

    /// Streams the parts that an upload has so far, sorted by number: whoever goes on with an upload needs to send only the others.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) where the upload was aborted or completed.
    fn parts(&self, upload: &Upload) -> Items<Part>;

    /// Streams a bucket's uploads that are neither completed nor aborted, sorted by the bytes of their keys.
    fn uploads(&self, bucket: &BucketName) -> Items<Upload>;

    /// Makes a URL with which whoever has it may read or write one object for a time, by HTTP, without credentials. Nothing is looked at: neither
    /// the bucket nor the object need be there.
    async fn presign(&self, request: Presign) -> Result<Presigned>;
}

ops! {
    Blob as "blob";
    calls {
        create_bucket(request: CreateBucket) -> Bucket, on request.name, Write Control;
        bucket(name: &BucketName) -> Bucket, on name, Read Control;
        delete_bucket(name: &BucketName) -> (), on name, Write Control;
        set_versioning(bucket: &BucketName, to: Versioning) -> (), on bucket, Write Control;
        set_lifecycle(bucket: &BucketName, rules: Vec<Rule>) -> (), on bucket, Write Control;
        put(request: Put, body: Body) -> Meta, on request.bucket, Write Data;
        head(request: Head) -> Meta, on request.bucket, Read Data;
        delete(request: Delete) -> (), on request.bucket, Write Data;
        delete_many(request: DeleteMany) -> Vec<Result<()>>, on request.bucket, Write Data;
        copy(request: Copy) -> Meta, on request.bucket, Write Data;
        start_upload(request: StartUpload) -> Upload, on request.bucket, Write Data;
        upload_part(upload: &Upload, number: PartNumber, body: Body) -> Part, on upload.bucket, Write Data;
        complete_upload(request: Complete) -> Meta, on request.upload.bucket, Write Data;
        abort_upload(upload: &Upload) -> (), on upload.bucket, Write Data;
        presign(request: Presign) -> Presigned, on request.bucket, Read Data;
    }
    downloads {
        get(request: Get) -> Object, on request.bucket, Read Data;
    }
    streams {
        list_buckets(labels: Labels) -> Bucket, on "", Read Control;
        list(request: List) -> Entry, on request.bucket, Read Data;
        versions(request: Versions) -> ObjectVersion, on request.bucket, Read Data;
        parts(upload: &Upload) -> Part, on upload.bucket, Read Data;
        uploads(bucket: &BucketName) -> Upload, on bucket, Read Data;
    }
}
