//! The least store that keeps a Blob's promises for one bucket, and fails as it is told: what calls do is what these tests are about.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use tokio::time::Instant;

use super::bucket;
use crate::{
    Applied, Blob, BucketName, Error, ErrorKind, Items, Labels, Result,
    blob::{
        Body, Bucket, Complete, Copy, Crc32c, CreateBucket, Delete, DeleteMany, Encryption, Entry,
        Get, Head, Key, List, Listed, Meta, Mode, Object, ObjectVersion, Part, PartNumber, Presign,
        Presigned, Properties, Put, Rule, StartUpload, Tag, Upload, VersionId, VersionState,
        Versioning, Versions,
    },
    time::instant,
};

/// What befalls a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// It fails, and nothing happens.
    Refuse(ErrorKind),
    /// It happens, and the answer is lost.
    Lose,
    /// It never answers, and nothing happens.
    Hang,
    /// A byte of the body, of a read or of a part, is another.
    Flip,
    /// The body that it answers breaks in the middle.
    Cut,
    /// The body that it answers has more than was said.
    More,
}

#[derive(Clone, Debug)]
pub(super) struct Store(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    objects: BTreeMap<Key, Kept>,
    uploads: BTreeMap<String, Started>,
    begun: Instant,
    next: u64,
    no_checksums: bool,
    faults: VecDeque<(&'static str, Fault)>,
    calls: Vec<&'static str>,
    /// What was stored, by upload and number: one entry each time.
    stored: Vec<(String, u32)>,
    /// What happens in the middle of the next body.
    meanwhile: Meanwhile,
    /// What was read whole: the ranges of bodies that came to their end.
    read: Arc<Mutex<Vec<(u64, u64)>>>,
}

#[derive(Default)]
struct Meanwhile(Option<Box<dyn FnOnce() + Send>>);

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile(…)")
    }
}

#[derive(Clone, Debug)]
struct Kept {
    meta: Meta,
    bytes: Bytes,
    nonce: String,
}

#[derive(Debug)]
struct Started {
    upload: Upload,
    properties: Properties,
    encryption: Encryption,
    parts: BTreeMap<PartNumber, (Part, Bytes)>,
}

impl Store {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            begun: instant(),
            next: 0,
            no_checksums: false,
            faults: VecDeque::new(),
            calls: Vec::new(),
            stored: Vec::new(),
            meanwhile: Meanwhile::default(),
            read: Arc::default(),
        })))
    }

    /// From now on it does not say what checksums parts and objects have.
    pub(super) fn forget_checksums(&self) {
        self.lock().no_checksums = true;
    }

    /// The next call of `op` after the faults already there meets `fault`.
    pub(super) fn fault(&self, op: &'static str, fault: Fault) {
        self.lock().faults.push_back((op, fault));
    }

    /// Does this when half of the next body that is put has come.
    pub(super) fn meanwhile(&self, run: impl FnOnce() + Send + 'static) {
        self.lock().meanwhile = Meanwhile(Some(Box::new(run)));
    }

    /// From now on it says that an object has so many bytes.
    pub(super) fn claim(&self, key: &str, bytes: u64) {
        self.lock().objects.get_mut(&super::key(key)).unwrap().meta.size = bytes;
    }

    /// The operations so far; forgets them.
    pub(super) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.lock().calls)
    }

    /// Whether there was such an operation.
    pub(super) fn has_called(&self, op: &str) -> bool {
        self.lock().calls.contains(&op)
    }

    /// Each part that was stored, as often as it was.
    pub(super) fn stored(&self) -> Vec<(String, u32)> {
        self.lock().stored.clone()
    }

    /// The ranges that were read to their ends.
    pub(super) fn read(&self) -> Vec<(u64, u64)> {
        self.lock().read.lock().unwrap().clone()
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.lock().objects.keys().map(ToString::to_string).collect()
    }

    pub(super) fn bytes(&self, key: &str) -> Option<Bytes> {
        self.lock().objects.get(&super::key(key)).map(|it| it.bytes.clone())
    }

    pub(super) fn meta(&self, key: &str) -> Option<Meta> {
        self.lock().objects.get(&super::key(key)).map(|it| it.meta.clone())
    }

    pub(super) fn set(&self, key: &str, bytes: impl Into<Bytes>) {
        let mut inner = self.lock();
        let nonce = inner.id("nonce");
        let (properties, encryption) = (Properties::default(), Encryption::Provider);
        let made = inner.write(super::key(key), bytes.into(), nonce, properties, encryption);
        drop(made);
    }

    pub(super) fn uploads_now(&self) -> Vec<Upload> {
        self.lock().uploads.values().map(|it| it.upload.clone()).collect()
    }

    /// Changes what was stored as a part, as nobody should.
    pub(super) fn damage(&self, number: u32, bytes: Vec<u8>) {
        let mut inner = self.lock();
        let tag = inner.id("tag");
        let started = inner.uploads.values_mut().next().unwrap();
        let number = PartNumber::new(number).unwrap();
        let mut part = Part::new(number, bytes.len() as u64, Tag::new(tag));
        part.checksum = Some(Crc32c::of(&bytes));
        started.parts.insert(number, (part, bytes.into()));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    fn met(&self, op: &'static str) -> Option<Fault> {
        let mut inner = self.lock();
        inner.calls.push(op);
        let next = inner.faults.iter().position(|it| it.0 == op);
        next.and_then(|at| inner.faults.remove(at)).map(|it| it.1)
    }

    /// Lets others go on, notes the call, and meets the fault that was meant for it.
    async fn call<R>(
        &self,
        op: &'static str,
        run: impl FnOnce(&mut Inner) -> Result<R>,
    ) -> Result<R> {
        // One may be given up before it happens, and after.
        tokio::task::yield_now().await;
        let answer = match self.met(op) {
            None | Some(Fault::Flip | Fault::Cut | Fault::More) => run(&mut self.lock()),
            Some(Fault::Refuse(kind)) => {
                Err(Error::new(kind, "refused").with_applied(Applied::No).at("blob", op))
            }
            Some(Fault::Lose) => {
                let _ = run(&mut self.lock());
                Err(Error::new(ErrorKind::Timeout, "lost").at("blob", op))
            }
            Some(Fault::Hang) => std::future::pending().await,
        };
        tokio::task::yield_now().await;
        answer
    }
}

fn missing(what: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no such {what}"))
}

impl Inner {
    fn id(&mut self, of: &str) -> String {
        self.next += 1;
        format!("{of}-{}", self.next)
    }

    fn find(&self, key: &Key) -> Result<&Kept> {
        self.objects.get(key).ok_or_else(|| missing("object"))
    }

    fn allow(&self, key: &Key, mode: &Mode) -> Result<()> {
        let holds = match (mode, self.objects.get(key)) {
            (Mode::Always, _) | (Mode::IfAbsent, None) => true,
            (Mode::IfMatch(tag), Some(found)) => found.meta.tag == *tag,
            (Mode::IfAbsent, Some(_)) | (Mode::IfMatch(_), None) => false,
        };
        if holds { Ok(()) } else { Err(Error::conflict("it does not hold")) }
    }

    fn write(
        &mut self,
        key: Key,
        bytes: Bytes,
        nonce: String,
        properties: Properties,
        encryption: Encryption,
    ) -> Meta {
        let tag = self.id("tag");
        let mut meta = Meta::new(key.clone(), bytes.len() as u64, Tag::new(tag));
        meta.properties = properties;
        meta.encryption = encryption;
        meta.checksum = (!self.no_checksums).then(|| Crc32c::of(&bytes));
        meta.modified = Some(Timestamp::UNIX_EPOCH + self.begun.elapsed());
        self.objects.insert(key, Kept { meta: meta.clone(), bytes, nonce });
        meta
    }

    fn complete(&mut self, complete: &Complete) -> Result<Meta> {
        complete.check()?;
        let Complete { upload, parts, mode, checksum } = complete;
        let Some(started) = self.uploads.get(&upload.id) else {
            // Whose object it is, its nonce tells.
            let found = self.objects.get(&upload.key);
            let own = found.filter(|it| Some(&it.nonce) == upload.nonce.as_ref());
            return own.map(|it| it.meta.clone()).ok_or_else(|| missing("upload"));
        };
        self.allow(&upload.key, mode)?;
        let mut all = BytesMut::new();
        for part in parts {
            match started.parts.get(&part.number) {
                Some((kept, bytes)) if kept.tag == part.tag => all.extend_from_slice(bytes),
                _ => return Err(Error::invalid("a part that is not there")),
            }
        }
        if let Some(wanted) = checksum {
            Crc32c::of(&all).check(*wanted)?;
        }
        let started = self.uploads.remove(&upload.id).unwrap();
        let nonce = started.upload.nonce.unwrap();
        let (properties, encryption) = (started.properties, started.encryption);
        Ok(self.write(upload.key.clone(), all.freeze(), nonce, properties, encryption))
    }
}

async fn collect(body: Body) -> Result<Bytes> {
    let body = body.replayable(1 << 30).await?;
    body.bytes(0..body.length()).await
}

/// A stream of what is there when it is first asked for.
fn lazy<T: Send + 'static>(
    store: &Store,
    op: &'static str,
    run: impl FnOnce(&mut Inner) -> Result<Vec<T>> + Send + 'static,
) -> Items<T> {
    let store = store.clone();
    async move { store.call(op, run).await.map(|it| stream::iter(it).map(Ok)) }
        .into_stream()
        .try_flatten()
        .boxed()
}

#[async_trait]
impl Blob for Store {
    async fn create_bucket(&self, request: CreateBucket) -> Result<Bucket> {
        self.call("create_bucket", |_| Ok(Bucket::new(request.name))).await
    }

    async fn bucket(&self, name: &BucketName) -> Result<Bucket> {
        self.call("bucket", |_| Ok(Bucket::new(name.clone()))).await
    }

    fn list_buckets(&self, _: Labels) -> Items<Bucket> {
        lazy(self, "list_buckets", |_| Ok(vec![Bucket::new(bucket())]))
    }

    async fn delete_bucket(&self, _: &BucketName) -> Result<()> {
        self.call("delete_bucket", |_| Ok(())).await
    }

    async fn set_versioning(&self, _: &BucketName, _: Versioning) -> Result<()> {
        self.call("set_versioning", |_| Ok(())).await
    }

    async fn set_lifecycle(&self, _: &BucketName, _: Vec<Rule>) -> Result<()> {
        self.call("set_lifecycle", |_| Ok(())).await
    }

    async fn put(&self, request: Put, body: Body) -> Result<Meta> {
        request.check()?;
        let meanwhile = self.lock().meanwhile.0.take();
        let bytes = match meanwhile {
            None => collect(body).await?,
            Some(run) => {
                let body = body.replayable(1 << 30).await?;
                let (half, end) = (body.length() / 2, body.length());
                let mut bytes = BytesMut::from(body.bytes(0..half).await?);
                run();
                bytes.extend_from_slice(&body.bytes(half..end).await?);
                bytes.freeze()
            }
        };
        self.call("put", |inner| {
            let Put { bucket: _, key, mode, properties, encryption, checksum } = request;
            inner.allow(&key, &mode)?;
            if let Some(wanted) = checksum {
                Crc32c::of(&bytes).check(wanted)?;
            }
            let nonce = inner.id("nonce");
            Ok(inner.write(key, bytes, nonce, properties, encryption))
        })
        .await
    }

    async fn get(&self, request: Get) -> Result<Object> {
        request.check()?;
        let fault = self.lock().faults.iter().find(|it| it.0 == "get").map(|it| it.1);
        let read = Arc::clone(&self.lock().read);
        self.call("get", |inner| {
            let kept = inner.find(&request.key)?.clone();
            let tag = &kept.meta.tag;
            if request.if_match.is_some_and(|it| it != *tag)
                || request.if_none_match.is_some_and(|it| it == *tag)
            {
                return Err(Error::conflict("it does not hold"));
            }
            let size = kept.meta.size;
            let range = request.range.map_or(Ok(0..size), |it| it.resolve(size))?;
            let (from, to) = (usize::try_from(range.start), usize::try_from(range.end));
            let bytes = kept.bytes.slice(from.unwrap()..to.unwrap());
            let mut chunks: Vec<_> =
                bytes.chunks(1 << 20).map(|it| Ok(bytes.slice_ref(it))).collect();
            match fault {
                Some(Fault::Flip) => {
                    let mut first = chunks[0].as_ref().unwrap().to_vec();
                    first[0] ^= 1;
                    chunks[0] = Ok(first.into());
                }
                Some(Fault::Cut) => {
                    let at = chunks.len() / 2;
                    chunks.truncate(at);
                    chunks.push(Err(Error::new(ErrorKind::Unavailable, "cut")));
                }
                Some(Fault::More) => chunks.push(Ok(Bytes::from_static(b"more"))),
                _ => {}
            }
            let told = (range.start, range.end);
            let end = stream::once(async move {
                read.lock().unwrap().push(told);
                Ok(Bytes::new())
            });
            let body = stream::iter(chunks)
                .then(|it| async {
                    tokio::task::yield_now().await;
                    it
                })
                .chain(end)
                .boxed();
            Ok(Object::new(kept.meta, range, body))
        })
        .await
    }

    async fn head(&self, request: Head) -> Result<Meta> {
        self.call("head", |inner| Ok(inner.find(&request.key)?.meta.clone())).await
    }

    async fn delete(&self, request: Delete) -> Result<()> {
        request.check()?;
        self.call("delete", |inner| {
            if let Some(tag) = request.if_match {
                inner.allow(&request.key, &Mode::IfMatch(tag))?;
            }
            inner.objects.remove(&request.key);
            Ok(())
        })
        .await
    }

    async fn delete_many(&self, request: DeleteMany) -> Result<Vec<Result<()>>> {
        let refused = self.met("delete_one");
        self.call("delete_many", |inner| {
            let mut outcomes: Vec<_> = request
                .targets
                .iter()
                .map(|it| {
                    inner.objects.remove(&it.key);
                    Ok(())
                })
                .collect();
            if let (Some(Fault::Refuse(kind)), Some(last)) = (refused, outcomes.last_mut()) {
                *last = Err(Error::new(kind, "refused"));
            }
            Ok(outcomes)
        })
        .await
    }

    fn list(&self, request: List) -> Items<Entry> {
        lazy(self, "list", move |inner| {
            request.check()?;
            let mut entries: Vec<Entry> = Vec::new();
            for (key, kept) in &inner.objects {
                let Some(rest) = key.as_str().strip_prefix(&*request.prefix) else { continue };
                let cut = request.delimiter.as_ref().and_then(|it| Some((rest.find(&**it)?, it)));
                let entry = if let Some((at, delimiter)) = cut {
                    let end = request.prefix.len() + at + delimiter.len();
                    Entry::Prefix(key.as_str()[..end].to_owned())
                } else {
                    let Meta { size, tag, modified, .. } = kept.meta.clone();
                    let mut listed = Listed::new(key.clone(), size, tag);
                    listed.modified = modified;
                    Entry::Object(listed)
                };
                let is_behind =
                    request.start_after.as_ref().is_none_or(|it| entry.as_str() > &**it);
                if is_behind && entries.last() != Some(&entry) {
                    entries.push(entry);
                }
            }
            entries.truncate(usize::try_from(request.limit.unwrap_or(u64::MAX)).unwrap());
            Ok(entries)
        })
    }

    fn versions(&self, request: Versions) -> Items<ObjectVersion> {
        lazy(self, "versions", move |inner| {
            let of = |key: &Key| {
                ObjectVersion::new(key.clone(), VersionId::new("null"), VersionState::Current)
            };
            let keys = inner.objects.keys();
            Ok(keys.filter(|it| it.as_str().starts_with(&*request.prefix)).map(of).collect())
        })
    }

    async fn copy(&self, request: Copy) -> Result<Meta> {
        request.check()?;
        self.call("copy", |inner| {
            let Copy { source, bucket: _, key, mode, properties, encryption } = request;
            let kept = inner.find(&source.key)?.clone();
            if source.if_match.is_some_and(|it| it != kept.meta.tag) {
                return Err(Error::conflict("the source is another"));
            }
            inner.allow(&key, &mode)?;
            let properties = properties.unwrap_or(kept.meta.properties);
            let nonce = inner.id("nonce");
            Ok(inner.write(key, kept.bytes, nonce, properties, encryption))
        })
        .await
    }

    async fn start_upload(&self, request: StartUpload) -> Result<Upload> {
        request.check()?;
        self.call("start_upload", |inner| {
            let StartUpload { bucket, key, properties, encryption } = request;
            let mut upload = Upload::new(bucket, key, inner.id("upload"));
            upload.nonce = Some(inner.id("nonce"));
            let id = upload.id.clone();
            let started =
                Started { upload: upload.clone(), properties, encryption, parts: BTreeMap::new() };
            inner.uploads.insert(id, started);
            Ok(upload)
        })
        .await
    }

    async fn upload_part(&self, upload: &Upload, number: PartNumber, body: Body) -> Result<Part> {
        let mut bytes = collect(body).await?;
        let met = self.lock().faults.iter().find(|it| it.0 == "upload_part").map(|it| it.1);
        if let Some(Fault::Flip) = met {
            let mut flipped = bytes.to_vec();
            flipped[0] ^= 1;
            bytes = flipped.into();
        }
        self.call("upload_part", |inner| {
            let mut part = Part::new(number, bytes.len() as u64, Tag::new(inner.id("tag")));
            part.checksum = (!inner.no_checksums).then(|| Crc32c::of(&bytes));
            let started = inner.uploads.get_mut(&upload.id).ok_or_else(|| missing("upload"))?;
            started.parts.insert(number, (part.clone(), bytes));
            inner.stored.push((upload.id.clone(), number.get()));
            Ok(part)
        })
        .await
    }

    async fn complete_upload(&self, request: Complete) -> Result<Meta> {
        self.call("complete_upload", |inner| inner.complete(&request)).await
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        self.call("abort_upload", |inner| {
            inner.uploads.remove(&upload.id);
            Ok(())
        })
        .await
    }

    fn parts(&self, upload: &Upload) -> Items<Part> {
        let id = upload.id.clone();
        lazy(self, "parts", move |inner| {
            let started = inner.uploads.get(&id).ok_or_else(|| missing("upload"))?;
            Ok(started.parts.values().map(|it| it.0.clone()).collect())
        })
    }

    fn uploads(&self, _: &BucketName) -> Items<Upload> {
        lazy(self, "uploads", |inner| {
            Ok(inner.uploads.values().map(|it| it.upload.clone()).collect())
        })
    }

    async fn presign(&self, _: Presign) -> Result<Presigned> {
        Err(Error::new(ErrorKind::Unsupported, "the store has no URLs"))
    }
}
