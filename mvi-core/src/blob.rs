//! Blob: any amount of unstructured data, durable.
//!
//! ```text
//!   app ──put(key, only if absent)──▶ ┏━━━━━━┓  "a/1.csv"   ─▶ bytes, checked
//!       ◀──────── meta, tag ───────── ┃ BLOB ┃  "a/2.csv"   ─▶ bytes
//!       ──list("a/", in order)──────▶ ┗━━━━━━┛  upload 7    ─▶ parts, not seen yet
//! ```
//!
//! Not built yet: the trait is empty, so that the shape of [`Cloud`](crate::Cloud) stands. What follows is its design.
//!
//! - **Why** files outlive every VM, and are too large for a record.
//! - **Depends on** nothing; Crypto for keys of one's own.
//! - **Knobs** versioning, lifecycle. **Gauges** objects, bytes, requests.
//!
//! | operation | AWS: S3 | Google Cloud: storage.v1 | limit |
//! |---|---|---|---|
//! | `create_bucket` | `CreateBucket` with its tags, `PutPublicAccessBlock` | `buckets.insert`, closed and uniform | 3 to 63 of `[a-z0-9-]` |
//! | `buckets` | `ListBuckets`, `GetBucketTagging` | `buckets.list` | |
//! | `delete_bucket` | `DeleteBucket` | `buckets.delete` | only an empty one |
//! | `set_versioning` | `PutBucketVersioning` | `buckets.patch` | |
//! | `set_lifecycle` | `PutBucketLifecycleConfiguration` | `buckets.patch` | 100 rules, whole days |
//! | `put` | `PutObject`; above 8 MiB in parts | `objects.insert`, resumable above 8 MiB | key 1,024 B; metadata 1,900 B |
//! | `get`, `head` | `GetObject`, `HeadObject` | `objects.get` | one range |
//! | `delete` | `DeleteObject` | `objects.delete` | |
//! | `delete_many` | `DeleteObjects` | `objects.delete`, side by side | 1,000 a call |
//! | `list` | `ListObjectsV2` | `objects.list` | 1,000 a page |
//! | `versions` | `ListObjectVersions` | `objects.list` with versions | 1,000 a page |
//! | `copy` | `CopyObject`; above 5 GiB `UploadPartCopy` | `objects.rewrite` | 5 TiB |
//! | `start_upload` | `CreateMultipartUpload` | nothing is sent | |
//! | `upload_part` | `UploadPart` | `objects.insert` under a hidden prefix | 5 MiB to 5 GiB, 10,000 of them |
//! | `complete_upload` | `CompleteMultipartUpload` | `objects.compose` in a tree | 32 sources at a time |
//! | `abort_upload` | `AbortMultipartUpload` | `objects.delete` of each part | |
//! | `uploads` | `ListMultipartUploads` | `objects.list` of the hidden prefix | |
//! | `presign` | a signed query | a signed query | 7 days |
//!
//! Sources: S3's [keys], [metadata], [parts] and [presigned URLs][urls]; Cloud Storage's [quotas] and [names].
//!
//! **Unique by** a bucket's name, in the world: one that is not ours is `AlreadyExists`. An upload by its id on AWS, which a lost
//! answer loses: `uploads` finds it. An object by its key.
//!
//! Doubtful:
//!
//! - Whether Cloud Storage lists a key that starts with U+10FFFD last, and takes it at all: put one, list.
//! - Whether `CompleteMultipartUpload` under a condition that failed leaves the upload to be aborted: complete twice, list.
//! - Whether two racers with the same bytes under `If-Match` both win on S3, since an `ETag` compares content: race a hundred.
//! - How late a bucket that was just made can be written to, from another region: make one, put at once.
//!
//! [keys]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
//! [metadata]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
//! [parts]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
//! [urls]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
//! [quotas]: https://cloud.google.com/storage/quotas
//! [names]: https://cloud.google.com/storage/docs/objects#naming

use std::fmt;

use crate::hook::ops;

/// Any amount of unstructured data, durable. It has no operation yet.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Blob: fmt::Debug + Send + Sync + 'static {}

ops! {
    Blob as "blob";
    calls {}
    streams {}
}
