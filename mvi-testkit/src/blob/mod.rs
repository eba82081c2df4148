//! Blob in memory: the whole trait, in order, at simulated time.

mod content;
mod lifecycle;
mod list;
#[cfg(feature = "http")]
mod listen;
mod objects;
mod sign;
mod store;
mod uploads;

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt as _, TryStreamExt as _,
    future::{BoxFuture, Either, Ready, join_all, ready},
    stream,
};
use mvi_core::{
    Applied, Blob, BucketName, Error, ErrorKind, Items, Labels, Result,
    blob::{
        Body, Bucket, Checked, Complete, Copy, CreateBucket, Delete, DeleteMany, Entry, Get, Head,
        List, Meta, OPS, Object, ObjectVersion, Part, PartNumber, Presign, Presigned, Put, Rule,
        StartUpload, Upload, Versioning, Versions,
    },
    hook::Op,
};

#[cfg(feature = "http")]
pub use self::listen::Listening;
use self::{
    content::{Content, Sending},
    sign::Signer,
    store::{Made, Opened, Store},
};
use crate::sim::{
    Weather, shared,
    shared::{Page, Progress, joined, paged, parts},
    world::{Turn, World, lock},
};

/// A Blob in memory. Clones are the same Blob.
///
/// What is written is seen by every read after it, whole or not at all, and a mode is decided at the moment of the write. Of
/// the two providers it resembles Cloud Storage: a tag is of one write, so that equal bytes written twice have two; there are no
/// delete markers; and removing the current version by its name brings no older one back. Its bodies are in memory, as they came.
///
/// A URL of [`presign`](Blob::presign) answers while it listens, which it does with the feature `http`: a URL that was made before is of a host
/// that no client finds.
#[derive(Clone)]
pub struct SimBlob {
    world: Arc<World>,
    store: Arc<Mutex<Store>>,
    door: Door,
}

/// Where it listens, if it does.
type Door = Arc<Mutex<Option<SocketAddr>>>;

/// How a page is read: of what was asked for, from where the last one ended, of at most so many items.
type ReadPage<Q, T, L> =
    fn(&mut Store, &Turn<'_>, &Q, Progress<L>, Option<u64>) -> Result<Page<T, L>>;

/// A Blob without a cloud around it, in [calm](Weather::calm) weather: what it is asked, it does at once.
///
/// ```
/// use mvi_core::{Blob, BlobExt, BucketName, blob::{CreateBucket, Get, Key, Put}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> mvi_core::Result<()> {
/// let blob = mvi_testkit::blob();
/// let (texts, key) = (BucketName::new("acme-7f3-texts")?, Key::new("hello.txt")?);
/// blob.create_bucket(CreateBucket::new(texts.clone())).await?;
/// blob.put_bytes(Put::new(texts.clone(), key.clone()), "hello").await?;
/// assert_eq!(blob.get_bytes(Get::new(texts, key), 1_024).await?, "hello");
/// # Ok(()) }
/// ```
pub fn blob() -> SimBlob {
    SimBlob::of(World::new(0, Weather::calm(), false))
}

impl SimBlob {
    pub(crate) fn of(world: Arc<World>) -> Self {
        Self { world, store: Store::new(), door: Door::default() }
    }

    /// Makes a call of one bucket. Where calls take no time it is done here, and nothing of the request is kept in a future.
    fn call<Q: Send + 'static, R: Send + 'static>(
        &self,
        op: &'static Op,
        bucket: &BucketName,
        request: Q,
        work: fn(&mut Store, &Turn<'_>, Q) -> Result<R>,
    ) -> Either<Ready<Result<R>>, BoxFuture<'static, Result<R>>> {
        if !self.world.takes_time() {
            return Either::Left(ready(self.now(op, bucket, request, work)));
        }
        let (world, bucket) = (Arc::clone(&self.world), bucket.clone());
        let store = Arc::clone(&self.store);
        let work = move |turn: &Turn<'_>| work(&mut lock(&store), turn, request);
        Either::Right(Box::pin(async move { world.call(op, bucket.as_str(), work).await }))
    }

    /// Makes a call that takes no time, whatever the weather.
    fn now<Q, R>(
        &self,
        op: &'static Op,
        bucket: &BucketName,
        request: Q,
        work: fn(&mut Store, &Turn<'_>, Q) -> Result<R>,
    ) -> Result<R> {
        // Lent to the work, which is passed on and on, and not moved with it: a request is large.
        let mut request = Some(request);
        let work = |turn: &Turn<'_>| match request.take() {
            Some(request) => work(&mut lock(&self.store), turn, request),
            None => Err(Error::new(ErrorKind::Internal, "a request that was served before")),
        };
        self.world.call_now(op, bucket.as_str(), work)
    }

    /// Writes what is in memory.
    fn put_now(&self, request: Put, bytes: Bytes) -> Result<Meta> {
        let (op, bucket) = (const { op("blob.put") }, request.bucket.clone());
        request.check().map_err(|e| e.or_at(op.name(), &bucket))?;
        // Copied where nothing is locked; as below.
        Ok(self.now(op, &bucket, (request, Content::one(bytes)), Store::put)?.meta())
    }

    async fn put_later(&self, request: Put, body: Body) -> Result<Meta> {
        let (op, bucket) = (const { op("blob.put") }, request.bucket.clone());
        request.check().map_err(|e| e.or_at(op.name(), &bucket))?;
        let content = Content::read(body).await.map_err(|e| unread(e, op, &bucket))?;
        Ok(self.call(op, &bucket, (request, content), Store::put).await?.meta())
    }

    /// Gives an object that was opened to its reader.
    fn send(&self, op: &'static Op, bucket: BucketName, opened: Opened) -> Object {
        let Opened { made, range, whole, fate, chunk } = opened;
        let content = made.content();
        if !self.world.takes_time()
            && let Some(bytes) = content.at_once(&range, fate, &chunk)
        {
            // These are the very bytes that were written: there is nothing on the way to check.
            return Object::new(made.meta(), range, stream::once(ready(Ok(bytes))).boxed());
        }
        let checksum = whole.then_some(content.checksum);
        let (world, content) = (Arc::clone(&self.world), content.clone());
        let sending =
            Sending { world, op, content, range: range.clone(), chunk, fate, takes_time: true };
        let checked = Checked::new(sending.body(), range.end - range.start, checksum);
        let body = checked.map_err(move |e| e.or_at(op.name(), &bucket)).boxed();
        Object::new(made.meta(), range, body)
    }

    /// Streams what a bucket has, page by page.
    fn pages<Q, T, L>(
        &self,
        op: &'static Op,
        bucket: &BucketName,
        request: Q,
        limit: Option<u64>,
        check: fn(&Q) -> Result<()>,
        read: ReadPage<Q, T, L>,
    ) -> Items<T>
    where
        Q: Send + Sync + 'static,
        T: Send + 'static,
        L: Send + 'static,
    {
        let blob = self.clone();
        let (bucket, request) = (bucket.clone(), Arc::new(request));
        paged(limit, move |progress, left| {
            let (blob, bucket) = (blob.clone(), bucket.clone());
            let request = Arc::clone(&request);
            async move {
                if matches!(progress, Progress::Start) {
                    check(&request).map_err(|e| e.or_at(op.name(), &bucket))?;
                }
                let store = Arc::clone(&blob.store);
                let work =
                    move |turn: &Turn<'_>| read(&mut lock(&store), turn, &request, progress, left);
                blob.world.call(op, bucket.as_str(), work).await
            }
        })
        .boxed()
    }
}

/// The operation, as Blob's table lists it.
const fn op(name: &str) -> &'static Op {
    shared::op(OPS, name)
}

/// Nothing has changed where a body fails.
fn unread(error: Error, op: &Op, bucket: &BucketName) -> Error {
    error.with_applied(Applied::No).or_at(op.name(), bucket)
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Blob for SimBlob {
    async fn create_bucket(&self, request: CreateBucket) -> Result<Bucket> {
        let (op, bucket) = (const { op("blob.create_bucket") }, request.name.clone());
        request.check().map_err(|e| e.or_at(op.name(), &bucket))?;
        self.call(op, &bucket, request, Store::create_bucket).await
    }

    async fn bucket(&self, name: &BucketName) -> Result<Bucket> {
        let work = |store: &mut Store, turn: &Turn<'_>, name| store.bucket(turn, &name);
        self.call(const { op("blob.bucket") }, name, name.clone(), work).await
    }

    fn list_buckets(&self, labels: Labels) -> Items<Bucket> {
        let blob = self.clone();
        let listed = async move {
            let store = blob.store;
            let work = move |turn: &Turn<'_>| Ok(lock(&store).list_buckets(turn, &labels));
            let buckets = blob.world.call(const { op("blob.list_buckets") }, "", work).await?;
            Ok::<_, Error>(stream::iter(buckets.into_iter().map(Ok)))
        };
        stream::once(listed).try_flatten().boxed()
    }

    async fn delete_bucket(&self, name: &BucketName) -> Result<()> {
        let work = |store: &mut Store, turn: &Turn<'_>, name| store.delete_bucket(turn, &name);
        self.call(const { op("blob.delete_bucket") }, name, name.clone(), work).await
    }

    async fn set_versioning(&self, bucket: &BucketName, to: Versioning) -> Result<()> {
        let (op, request) = (const { op("blob.set_versioning") }, (bucket.clone(), to));
        self.call(op, bucket, request, Store::set_versioning).await
    }

    async fn set_lifecycle(&self, bucket: &BucketName, rules: Vec<Rule>) -> Result<()> {
        let op = const { op("blob.set_lifecycle") };
        Rule::check_all(&rules).map_err(|e| e.or_at(op.name(), bucket))?;
        self.call(op, bucket, (bucket.clone(), rules), Store::set_lifecycle).await
    }

    async fn put(&self, request: Put, body: Body) -> Result<Meta> {
        match body {
            Body::Bytes(bytes) if !self.world.takes_time() => self.put_now(request, bytes),
            body => Box::pin(self.put_later(request, body)).await,
        }
    }

    async fn get(&self, request: Get) -> Result<Object> {
        let (op, bucket) = (const { op("blob.get") }, request.bucket.clone());
        request.check().map_err(|e| e.or_at(op.name(), &bucket))?;
        if !self.world.takes_time() {
            let opened = self.now(op, &bucket, request, Store::get)?;
            return Ok(self.send(op, bucket, opened));
        }
        let opened = self.call(op, &bucket, request, Store::get).await?;
        Ok(self.send(op, bucket, opened))
    }

    async fn head(&self, request: Head) -> Result<Meta> {
        let (op, bucket) = (const { op("blob.head") }, request.bucket.clone());
        request.check().map_err(|e| e.or_at(op.name(), &bucket))?;
        let made = self.call(op, &bucket, request, Store::head).await?;
        Ok(made.meta())
    }

    async fn delete(&self, request: Delete) -> Result<()> {
        let (op, bucket) = (const { op("blob.delete") }, request.bucket.clone());
        request.check().map_err(|e| e.or_at(op.name(), &bucket))?;
        self.call(op, &bucket, request, Store::delete).await
    }

    async fn delete_many(&self, request: DeleteMany) -> Result<Vec<Result<()>>> {
        let op = const { op("blob.delete_many") };
        request.check().map_err(|e| e.or_at(op.name(), &request.bucket))?;
        let DeleteMany { bucket, targets } = request;
        let parts = parts(&self.world, targets, 1_000).into_iter().map(|targets| {
            let (count, request) = (targets.len(), (bucket.clone(), targets));
            let bucket = &bucket;
            async move { (count, self.call(op, bucket, request, Store::delete_many).await) }
        });
        let results: Vec<Result<()>> = joined(join_all(parts).await)?;
        Ok(results.into_iter().map(|it| it.map_err(|e| e.or_at(op.name(), &bucket))).collect())
    }

    fn list(&self, request: List) -> Items<Entry> {
        let (bucket, limit) = (request.bucket.clone(), request.limit);
        self.pages(
            const { op("blob.list") },
            &bucket,
            request,
            limit,
            List::check,
            Store::list_page,
        )
    }

    fn versions(&self, request: Versions) -> Items<ObjectVersion> {
        let bucket = request.bucket.clone();
        let (check, read) = (Versions::check, Store::versions_page);
        self.pages(const { op("blob.versions") }, &bucket, request, None, check, read)
    }

    async fn copy(&self, request: Copy) -> Result<Meta> {
        let (op, bucket) = (const { op("blob.copy") }, request.bucket.clone());
        request.check().map_err(|e| e.or_at(op.name(), &bucket))?;
        Ok(self.call(op, &bucket, request, Store::copy).await?.meta())
    }

    async fn start_upload(&self, request: StartUpload) -> Result<Upload> {
        let (op, bucket) = (const { op("blob.start_upload") }, request.bucket.clone());
        request.check().map_err(|e| e.or_at(op.name(), &bucket))?;
        self.call(op, &bucket, request, Store::start_upload).await
    }

    async fn upload_part(&self, upload: &Upload, number: PartNumber, body: Body) -> Result<Part> {
        let (op, bucket) = (const { op("blob.upload_part") }, &upload.bucket);
        let content = Content::read_part(body).await.map_err(|e| unread(e, op, bucket))?;
        let request = (upload.clone(), number, content);
        self.call(op, bucket, request, Store::upload_part).await
    }

    async fn complete_upload(&self, request: Complete) -> Result<Meta> {
        let (op, bucket) = (const { op("blob.complete_upload") }, request.upload.bucket.clone());
        request.check().map_err(|e| e.or_at(op.name(), &bucket))?;
        let made: Made = self.call(op, &bucket, request, Store::complete_upload).await?;
        Ok(made.meta())
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        let op = const { op("blob.abort_upload") };
        let work = |store: &mut Store, turn: &Turn<'_>, it| store.abort_upload(turn, &it);
        self.call(op, &upload.bucket, upload.clone(), work).await
    }

    fn parts(&self, upload: &Upload) -> Items<Part> {
        let (bucket, upload) = (upload.bucket.clone(), upload.clone());
        self.pages(const { op("blob.parts") }, &bucket, upload, None, |_| Ok(()), Store::parts_page)
    }

    fn uploads(&self, bucket: &BucketName) -> Items<Upload> {
        let name = bucket.clone();
        self.pages(
            const { op("blob.uploads") },
            bucket,
            name,
            None,
            |_| Ok(()),
            Store::uploads_page,
        )
    }

    async fn presign(&self, request: Presign) -> Result<Presigned> {
        let (op, bucket) = (const { op("blob.presign") }, &request.bucket);
        request.check().map_err(|e| e.or_at(op.name(), bucket))?;
        // It is signed where it is asked for, as on every provider: that takes no time.
        self.world.call_now(op, bucket.as_str(), |turn| {
            let signer = Signer::new(self.world.seed());
            Ok(signer.presign(request.clone(), turn.now(), *lock(&self.door)))
        })
    }
}

impl fmt::Debug for SimBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimBlob").field("seed", &self.world.seed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mvi_core::{BlobExt as _, blob::Key};

    use super::*;
    use crate::clock::Moment;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_what_nobody_can_read() {
        let mut weather = Weather::calm();
        weather.blob.versions_lag = Duration::ZERO..=Duration::from_secs(1);
        let blob = SimBlob::of(World::new(7, weather, false));
        let texts = BucketName::new("acme-7f3-texts").unwrap();
        blob.create_bucket(CreateBucket::new(texts.clone())).await.unwrap();
        let key = |name: &str| Key::new(name).unwrap();
        let put = |name| Put::new(texts.clone(), key(name));
        for to in [Versioning::On, Versioning::Off] {
            blob.set_versioning(&texts, to).await.unwrap();
            for name in ["a", "b", "a"] {
                blob.put_bytes(put(name), "x").await.unwrap();
            }
        }
        let upload = blob.start_upload(put("c").upload()).await.unwrap();
        let one = PartNumber::new(1).unwrap();
        blob.upload_part(&upload, one, "x".into()).await.unwrap();
        blob.abort_upload(&upload).await.unwrap();

        let all: Vec<_> = blob.versions(Versions::new(texts.clone())).try_collect().await.unwrap();
        blob.world.until(Moment::default().after(Duration::from_secs(5))).await.unwrap();
        let all = all.into_iter().chain(
            blob.versions(Versions::new(texts.clone())).try_collect::<Vec<_>>().await.unwrap(),
        );
        for it in all {
            let mut delete = Delete::new(texts.clone(), it.key);
            delete.version = Some(it.version);
            blob.delete(delete).await.unwrap();
        }
        assert!(!lock(&blob.store).is_forgotten(&texts), "a list may have them yet");
        blob.world.until(Moment::default().after(Duration::from_secs(10))).await.unwrap();
        assert!(lock(&blob.store).is_forgotten(&texts));
    }

    #[tokio::test]
    async fn bytes_are_stored_as_they_came() {
        let blob = blob();
        let texts = BucketName::new("acme-7f3-texts").unwrap();
        blob.create_bucket(CreateBucket::new(texts.clone())).await.unwrap();
        let key = Key::new("a").unwrap();
        let bytes = bytes::Bytes::from(vec![7; 1_000]);
        blob.put_bytes(Put::new(texts.clone(), key.clone()), bytes.clone()).await.unwrap();
        let read = blob.get_bytes(Get::new(texts, key), 1_000).await.unwrap();
        assert_eq!(read.as_ptr(), bytes.as_ptr(), "nothing is copied");
    }
}
