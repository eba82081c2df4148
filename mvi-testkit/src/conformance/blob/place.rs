//! Buckets to work in, and what most cases do.

use std::{fmt::Debug, num::NonZeroU32, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use mvi_core::{
    Blob, BlobExt as _, BucketName, Error, ErrorKind, Result,
    blob::{
        Body, Complete, Copy, CreateBucket, Delete, Entry, Get, Head, Key, List, MIN_PART_BYTES,
        Meta, ObjectVersion, Part, PartNumber, Put, Source, StartUpload, Upload, VersionState,
        Versioning, Versions,
    },
};

use crate::conformance::{Scope, help};

/// The most that a case reads into memory.
pub(super) const MOST: usize = 64 << 20;

/// How many calls of one case are under way at a time.
pub(super) const AT_A_TIME: usize = 16;

/// What a part but the last has, at least.
pub(super) const PART: usize = 5 << 20;
const _: () = assert!(PART as u64 == MIN_PART_BYTES);

/// A bucket to work in, and in it what is this case's own.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    pub(super) blob: &'a Arc<dyn Blob>,
    pub(super) scope: &'a Scope,
    pub(super) bucket: BucketName,
}

/// Creates a bucket and waits until it can be used.
pub(super) async fn create(blob: &Arc<dyn Blob>, request: CreateBucket) -> Result<()> {
    let name = request.name.clone();
    blob.create_bucket(request).await?;
    blob.wait_bucket(&name, Scope::CHANGE).await.map(drop)
}

impl<'a> Place<'a> {
    /// The bucket that cases share, since buckets are slow to make and scarce. Keys in it are a case's own.
    pub(super) async fn shared(blob: &'a Arc<dyn Blob>, scope: &'a Scope) -> Result<Self> {
        let make = |name| create(blob, CreateBucket::new(name));
        let bucket = scope.shared_bucket("shared", make).await?;
        Ok(Self { blob, scope, bucket })
    }

    /// The bucket that keeps versions and that cases share.
    pub(super) async fn versioned(blob: &'a Arc<dyn Blob>, scope: &'a Scope) -> Result<Self> {
        let make = |name: BucketName| async move {
            create(blob, CreateBucket::new(name.clone())).await?;
            blob.set_versioning(&name, Versioning::On).await
        };
        let bucket = scope.shared_bucket("versioned", make).await?;
        Ok(Self { blob, scope, bucket })
    }

    /// A bucket for this case alone.
    pub(super) async fn own(blob: &'a Arc<dyn Blob>, scope: &'a Scope, role: &str) -> Result<Self> {
        let bucket = scope.bucket(role)?;
        create(blob, CreateBucket::new(bucket.clone())).await?;
        Ok(Self { blob, scope, bucket })
    }

    /// What this case's keys begin with.
    pub(super) fn prefix(&self) -> String {
        self.scope.text("")
    }

    /// This case's key `text`.
    pub(super) fn key(&self, text: &str) -> Result<Key> {
        Key::new(self.scope.text(text))
    }

    pub(super) fn put(&self, key: &Key) -> Put {
        Put::new(self.bucket.clone(), key.clone())
    }

    pub(super) fn get(&self, key: &Key) -> Get {
        Get::new(self.bucket.clone(), key.clone())
    }

    pub(super) fn delete(&self, key: &Key) -> Delete {
        Delete::new(self.bucket.clone(), key.clone())
    }

    pub(super) fn source(&self, key: &Key) -> Source {
        Source::new(self.bucket.clone(), key.clone())
    }

    /// A copy within the bucket.
    pub(super) fn copy(&self, from: &Key, to: &Key) -> Copy {
        Copy::new(self.source(from), self.bucket.clone(), to.clone())
    }

    /// A listing of what is this case's.
    pub(super) fn list(&self) -> List {
        List::new(self.bucket.clone()).prefix(self.prefix())
    }

    /// Writes, come what may.
    pub(super) async fn save(&self, key: &Key, body: impl Into<Body>) -> Result<Meta> {
        self.blob.put(self.put(key), body.into()).await
    }

    /// Writes `body` at the case's key `text`.
    pub(super) async fn save_at(&self, text: &str, body: &'static str) -> Result<Key> {
        let key = self.key(text)?;
        self.save(&key, body).await.map(|_| key)
    }

    pub(super) async fn head(&self, key: &Key) -> Result<Meta> {
        self.blob.head(Head::new(self.bucket.clone(), key.clone())).await
    }

    /// Reads all of an object; nothing where there is none.
    pub(super) async fn read(&self, key: &Key) -> Result<Option<Bytes>> {
        none(self.blob.get_bytes(self.get(key), MOST).await)
    }

    /// What there is at `key` is these bytes.
    #[track_caller]
    pub(super) fn holds(
        &self,
        key: &Key,
        wanted: impl Into<Bytes>,
    ) -> impl Future<Output = Result<()>> + '_ {
        let (place, key, wanted) = (std::panic::Location::caller(), key.clone(), wanted.into());
        async move {
            let found = self.read(&key).await?;
            same(found.as_deref(), Some(&*wanted), &format!("{key} at {place}"));
            Ok(())
        }
    }

    /// Nothing is at `key`.
    #[track_caller]
    pub(super) fn lacks(&self, key: &Key) -> impl Future<Output = Result<()>> + '_ {
        let (place, key) = (std::panic::Location::caller(), key.clone());
        async move {
            let found = none(self.head(&key).await)?;
            assert_eq!(found, None, "at {place}");
            Ok(())
        }
    }

    /// What a listing gives: objects as `+ key`, and prefixes as `/ prefix`, both without what is before `cut` bytes.
    pub(super) async fn entries(&self, list: List, cut: usize) -> Result<Vec<String>> {
        let view = |entry: Entry| match entry {
            Entry::Object(it) => format!("+ {}", &it.key.as_str()[cut..]),
            Entry::Prefix(it) => format!("/ {}", &it[cut..]),
        };
        self.blob.list(list).map_ok(view).try_collect().await
    }

    /// The keys that a listing gives, without their first `cut` bytes.
    pub(super) async fn keys(&self, list: List, cut: usize) -> Result<Vec<String>> {
        let view = |entry: Entry| entry.as_str()[cut..].to_owned();
        self.blob.list(list).map_ok(view).try_collect().await
    }

    /// The versions of what is at `key`, without what says only that it was removed.
    pub(super) async fn versions(&self, key: &Key) -> Result<Vec<ObjectVersion>> {
        let asked = Versions::new(self.bucket.clone()).prefix(key.as_str());
        let all = self.blob.versions(asked).try_filter(|it| {
            let real = it.key == *key && it.state != VersionState::DeleteMarker;
            std::future::ready(real)
        });
        all.try_collect().await
    }

    pub(super) async fn start(&self, key: &Key) -> Result<Upload> {
        self.blob.start_upload(StartUpload::new(self.bucket.clone(), key.clone())).await
    }

    /// Stores a part.
    pub(super) async fn part(
        &self,
        upload: &Upload,
        number: u32,
        body: impl Into<Body>,
    ) -> Result<Part> {
        self.blob.upload_part(upload, PartNumber::new(number)?, body.into()).await
    }

    /// An upload with one part.
    pub(super) async fn begun(&self, key: &Key, body: &'static str) -> Result<Complete> {
        let upload = self.start(key).await?;
        let part = self.part(&upload, 1, body).await?;
        Ok(Complete::new(upload, vec![part]))
    }

    /// The uploads to this case's keys, in the order of the listing.
    pub(super) async fn uploads(&self) -> Result<Vec<Upload>> {
        let prefix = self.prefix();
        let own = self
            .blob
            .uploads(&self.bucket)
            .try_filter(|it| std::future::ready(it.key.as_str().starts_with(&prefix)));
        own.try_collect().await
    }

    /// Writes `count` small objects, their keys in this case's `folder`, and gives their keys.
    pub(super) async fn fill(&self, folder: &str, count: usize) -> Result<Vec<Key>> {
        let keys = (0..count).map(|n| self.key(&format!("{folder}{n:05}")));
        let keys = keys.collect::<Result<Vec<_>>>()?;
        let writes = keys.iter().map(|key| self.save(key, key.as_str().to_owned()).boxed());
        let writes: Vec<_> = writes.collect();
        stream::iter(writes).buffer_unordered(AT_A_TIME).try_for_each(|_| async { Ok(()) }).await?;
        Ok(keys)
    }
}

/// Takes what is not there as nothing.
pub(super) fn none<R>(result: Result<R>) -> Result<Option<R>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Wants a failure of this kind that names its operation.
#[track_caller]
pub(super) fn fails<R: Debug>(result: Result<R>, kind: ErrorKind) -> Error {
    help::fails("blob.", result, kind)
}

/// Wants the same bytes, and says of others no more than one can read.
#[track_caller]
pub(super) fn same(found: Option<&[u8]>, wanted: Option<&[u8]>, what: &str) {
    if found == wanted {
        return;
    }
    let shown = |bytes: Option<&[u8]>| match bytes {
        None => "nothing".to_owned(),
        Some(bytes) if bytes.len() <= 64 => format!("{:?}", String::from_utf8_lossy(bytes)),
        Some(bytes) => format!("{} bytes", bytes.len()),
    };
    let differ = found.unwrap_or_default().iter().zip(wanted.unwrap_or_default());
    let at = differ.take_while(|(a, b)| a == b).count();
    panic!("{what}: found {}, wanted {}; they part at {at}", shown(found), shown(wanted));
}

/// Bytes without a pattern, the same for the same `seed`.
pub(super) fn noise(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = BytesMut::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.freeze()
}

/// A body that comes once, in chunks of these lengths in turn.
pub(super) fn once(bytes: &Bytes, chunks: &[usize]) -> Body {
    let (mut rest, mut pieces) = (bytes.clone(), Vec::new());
    for length in chunks.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        pieces.push(Ok(rest.split_to(rest.len().min(*length))));
    }
    Body::Once(stream::iter(pieces).boxed())
}

/// A body that comes once, and fails when these bytes have come.
pub(super) fn failing(before: Bytes) -> Body {
    let failure = Error::new(ErrorKind::Exhausted, "the body's own failure");
    Body::Once(stream::iter([Ok(before), Err(failure)]).boxed())
}

/// Small pages, and the provider's own.
pub(super) fn pages() -> [Option<NonZeroU32>; 5] {
    [None, NonZeroU32::new(1), NonZeroU32::new(2), NonZeroU32::new(3), NonZeroU32::new(7)]
}

/// A file that is there as long as this is.
#[derive(Debug)]
pub(super) struct File(tempfile::TempPath);

impl File {
    pub(super) fn new(bytes: &[u8]) -> Result<Self> {
        let failed =
            |e: std::io::Error| Error::new(ErrorKind::Internal, "no temporary file").with_source(e);
        let file = tempfile::NamedTempFile::new().map_err(failed)?;
        std::fs::write(file.path(), bytes).map_err(failed)?;
        Ok(Self(file.into_temp_path()))
    }

    pub(super) fn body(&self) -> Body {
        Body::File(self.0.to_path_buf())
    }
}

/// What is said of an object besides when it was written, which a write may not know yet.
pub(super) fn timeless(mut meta: Meta) -> Meta {
    meta.modified = None;
    meta
}
