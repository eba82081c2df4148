//! A directory and a prefix of a bucket, made the same.

mod local;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use self::local::{Local, Walked};
use super::{
    Blob, Crc32c, Entry, Get, Head, Key, List, Listed, Properties, Put, Target,
    check::invalid,
    file::{
        Fresh, Gauge,
        disk::{self, PARTIAL, named},
        pour, send,
    },
    many::delete_all,
    parts::PARALLEL,
};
use crate::{Applied, BucketName, Error, ErrorKind, Result};

/// Which side is made like the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The bucket is made like the directory.
    Up,
    /// The directory is made like the bucket.
    Down,
}

/// What becomes of what the source has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Extra {
    /// It stays.
    #[default]
    Keep,
    /// It is removed.
    Remove,
}

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Run {
    /// It is.
    #[default]
    Real,
    /// Nothing is changed: the report says what would be.
    Dry,
}

/// See [`BlobExt::sync`](super::BlobExt::sync).
///
/// A file's key is [`prefix`](Self::prefix), as it is, and then the file's path below the directory with `/` between its parts.
///
/// ```
/// use mvi_core::{BucketName, blob::{Extra, Properties, Run, SyncDir}};
///
/// let site = SyncDir::up("public", BucketName::new("acme-7f3-site")?, "www/")
///     .extra(Extra::Remove)
///     .run(Run::Dry)
///     .properties(|key| Properties {
///         content_type: if key.as_str().ends_with(".html") { "text/html" } else { Properties::BINARY }.into(),
///         ..Properties::default()
///     });
/// # let _ = site;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SyncDir {
    /// The directory. On the way down it is made, where it is not there.
    pub dir: PathBuf,
    /// The bucket.
    pub bucket: BucketName,
    /// What the keys start with: a directory's ends with `/`.
    pub prefix: String,
    /// Which side is made like the other.
    pub direction: Direction,
    /// What becomes of what the source has not; it stays, unless set.
    pub extra: Extra,
    /// Whether anything is changed; it is, unless set.
    pub run: Run,
    /// What is written on an object that is sent up; nothing, unless set. On the way down there is nothing to write it on: then it is
    /// not to be set.
    pub properties: Option<PropertiesOf>,
    /// How many files are compared or sent at a time: 1 to 256; 4, unless set.
    pub parallel: usize,
}

/// Says what is written on an object.
#[derive(Clone)]
pub struct PropertiesOf(Arc<dyn Fn(&Key) -> Properties + Send + Sync>);

impl fmt::Debug for PropertiesOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PropertiesOf(…)")
    }
}

impl SyncDir {
    /// Makes the bucket, below `prefix`, like the directory.
    pub fn up(dir: impl Into<PathBuf>, bucket: BucketName, prefix: impl Into<String>) -> Self {
        Self::new(Direction::Up, dir.into(), bucket, prefix.into())
    }

    /// Makes the directory like the bucket below `prefix`.
    pub fn down(bucket: BucketName, prefix: impl Into<String>, dir: impl Into<PathBuf>) -> Self {
        Self::new(Direction::Down, dir.into(), bucket, prefix.into())
    }

    fn new(direction: Direction, dir: PathBuf, bucket: BucketName, prefix: String) -> Self {
        Self {
            dir,
            bucket,
            prefix,
            direction,
            extra: Extra::Keep,
            run: Run::Real,
            properties: None,
            parallel: PARALLEL,
        }
    }

    /// Says what becomes of what the source has not.
    #[must_use]
    pub fn extra(mut self, extra: Extra) -> Self {
        self.extra = extra;
        self
    }

    /// Says whether anything is changed.
    #[must_use]
    pub fn run(mut self, run: Run) -> Self {
        self.run = run;
        self
    }

    /// Says what is written on an object that is sent up. An object whose bytes are the same is left as it is, whatever this says.
    #[must_use]
    pub fn properties(mut self, of: impl Fn(&Key) -> Properties + Send + Sync + 'static) -> Self {
        self.properties = Some(PropertiesOf(Arc::new(of)));
        self
    }

    /// Compares and sends so many files at a time.
    #[must_use]
    pub fn parallel(mut self, files: usize) -> Self {
        self.parallel = files;
        self
    }

    /// Checks it before anything is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { dir: _, bucket, prefix, direction, extra: _, run: _, properties, parallel } =
            self;
        if *direction == Direction::Down && properties.is_some() {
            return invalid("properties of what comes down: files have none");
        }
        if !(1..=256).contains(parallel) {
            return invalid(format!("{parallel} files at a time, wanted 1 to 256"));
        }
        List::new(bucket.clone()).prefix(prefix.clone()).check()
    }
}

/// What a [sync](super::BlobExt::sync) has done, or would do. Each list is sorted.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// What was written: in the bucket on the way up, and as files on the way down.
    pub written: Vec<Key>,
    /// What was removed there, by the key that it had or would have.
    pub removed: Vec<Key>,
    /// How many were the same on both sides.
    pub same: u64,
    /// How many bytes were written.
    pub written_bytes: u64,
    /// What was left alone on both sides.
    pub skipped: Vec<Skipped>,
}

/// What a sync has left alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// A key, or a path below the directory.
    pub what: String,
    /// Why it was.
    pub why: &'static str,
}

impl Skipped {
    fn new(what: impl Into<String>, why: &'static str) -> Self {
        Self { what: what.into(), why }
    }
}

pub(super) async fn sync<B: Blob + ?Sized>(blob: &B, request: SyncDir) -> Result<Synced> {
    request.check()?;
    let job = Job { blob, request, removed: AtomicU64::new(0), changing: AtomicUsize::new(0) };
    let mut done = Synced::default();
    let outcome = match job.request.direction {
        Direction::Up => job.up(&mut done).await,
        Direction::Down => job.down(&mut done).await,
    };
    outcome.map_err(|e| job.partly(&done, e))?;
    done.written.sort_unstable();
    done.removed.sort_unstable();
    done.skipped.sort_unstable();
    Ok(done)
}

struct Job<'a, B: ?Sized> {
    blob: &'a B,
    request: SyncDir,
    /// How many are removed, those of a call included that failed after some of them.
    removed: AtomicU64,
    /// How many changes are under way: what becomes of them is not known where another fails.
    changing: AtomicUsize,
}

/// What became of one file.
enum Outcome {
    Same,
    Written(Key, u64),
    Skipped(Skipped),
}

impl Synced {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Same => self.same += 1,
            Outcome::Written(key, bytes) => {
                self.written.push(key);
                self.written_bytes += bytes;
            }
            Outcome::Skipped(it) => self.skipped.push(it),
        }
    }
}

impl<B: Blob + ?Sized> Job<'_, B> {
    fn is_real(&self) -> bool {
        self.request.run == Run::Real
    }

    async fn up(&self, done: &mut Synced) -> Result<()> {
        let SyncDir { dir, bucket, prefix, properties, .. } = &self.request;
        let walked = local::walk(dir).await?;
        let Some(Walked { files, skipped, nameless }) = walked else {
            return invalid(format!("{} is no directory", named(dir)));
        };
        // All is known to be a key before anything is sent.
        if let Some(path) = nameless.first() {
            return invalid(format!("{} is not UTF-8, and can't be a key", named(path)));
        }
        let mut puts = BTreeMap::new();
        for file in files {
            let key = Key::new(format!("{prefix}{}", file.below))
                .map_err(|e| Error::invalid(format!("{}: {}", named(&file.path), e.message())))?;
            let mut put = Put::new(bucket.clone(), key.clone());
            if let Some(PropertiesOf(of)) = properties {
                put = put.properties(of(&key));
            }
            put.check()?;
            puts.insert(key, (put, file));
        }
        let left: BTreeSet<_> = skipped.iter().map(|it| format!("{prefix}{}", it.what)).collect();
        done.skipped.extend(skipped);
        let there = self.listed().await?;
        let mut extra = Vec::new();
        if self.request.extra == Extra::Remove {
            for key in there.keys().filter(|it| !puts.contains_key(*it)) {
                let text = key.as_str();
                // What is left alone here is there too, with all below it.
                let mut above = text.match_indices('/').map(|(at, _)| &text[..at]);
                if left.contains(text) || above.any(|it| left.contains(it)) {
                    continue;
                }
                if text.ends_with(PARTIAL) {
                    done.skipped.push(Skipped::new(text, "its name is kept for transfers"));
                } else {
                    extra.push(key.clone());
                }
            }
        }
        let puts = puts.into_values();
        let mut sent = stream::iter(puts.map(|(put, file)| self.send(put, file, &there)))
            .buffer_unordered(self.request.parallel);
        while let Some(outcome) = sent.next().await {
            done.add(outcome?);
        }
        if self.is_real() {
            // As many at a time as go in one call, so that an error can say how many went.
            for chunk in extra.chunks(1_000) {
                let mut removed = 0;
                let targets = stream::iter(chunk.to_vec()).map(|it| Ok(Target::from(it))).boxed();
                let outcome = delete_all(self.blob, bucket, targets, &mut removed).await;
                self.removed.fetch_add(removed, Ordering::Relaxed);
                outcome?;
                done.removed.extend_from_slice(chunk);
            }
        } else {
            done.removed = extra;
        }
        Ok(())
    }

    async fn listed(&self) -> Result<BTreeMap<Key, Listed>> {
        let SyncDir { bucket, prefix, .. } = &self.request;
        let list = List::new(bucket.clone()).prefix(prefix.clone());
        let objects = self.blob.list(list).try_filter_map(|it| async move {
            Ok(match it {
                Entry::Object(listed) => Some((listed.key.clone(), listed)),
                Entry::Prefix(_) => None,
            })
        });
        objects.try_collect().await.map_err(unchanged)
    }

    async fn send(&self, put: Put, file: Local, there: &BTreeMap<Key, Listed>) -> Result<Outcome> {
        let key = put.key.clone();
        if let Some(listed) = there.get(&key)
            && self.is_same(listed, &file).await?
        {
            return Ok(Outcome::Same);
        }
        let mut bytes = file.bytes;
        if self.is_real() {
            bytes = self.change(send(self.blob, put, file.path)).await?.size;
        }
        Ok(Outcome::Written(key, bytes))
    }

    /// Whether an object and a file have the same bytes. What has no checksum might have others.
    async fn is_same(&self, listed: &Listed, file: &Local) -> Result<bool> {
        if listed.size != file.bytes {
            return Ok(false);
        }
        let head = Head::new(self.request.bucket.clone(), listed.key.clone());
        let meta = match self.blob.head(head).await {
            Ok(meta) => meta,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(unchanged(e)),
        };
        let Some(wanted) = meta.checksum else { return Ok(false) };
        if meta.size != file.bytes {
            return Ok(false);
        }
        Ok(local::checksum(&file.path).await?.is_some_and(|it: Crc32c| it == wanted))
    }

    async fn down(&self, done: &mut Synced) -> Result<()> {
        let SyncDir { dir, prefix, .. } = &self.request;
        let there = self.listed().await?;
        let walked = local::walk(dir).await?;
        let Walked { files, skipped, nameless } = walked.unwrap_or_default();
        done.skipped.extend(skipped);
        let no_key = "its name is not UTF-8, and can't be a key";
        done.skipped.extend(nameless.iter().map(|it| Skipped::new(it.to_string_lossy(), no_key)));
        let mut wanted = BTreeMap::new();
        for (key, listed) in &there {
            let below = key.as_str().strip_prefix(prefix.as_str()).unwrap_or_default();
            match local::below(below) {
                Ok(path) => {
                    wanted.insert(path, listed.clone());
                }
                Err(why) => done.skipped.push(Skipped::new(key.as_str(), why)),
            }
        }
        // A file can't be a directory too.
        let paths: BTreeSet<PathBuf> = wanted.keys().cloned().collect();
        wanted.retain(|path, listed| {
            let mut above = path.ancestors().skip(1).filter(|it| !it.as_os_str().is_empty());
            let Some(_) = above.find(|it| paths.contains(*it)) else { return true };
            let why = "another object is where its directory would be";
            done.skipped.push(Skipped::new(listed.key.as_str(), why));
            false
        });
        let mut gone = BTreeSet::new();
        if self.request.extra == Extra::Remove {
            gone = self.remove_files(&files, &there, done).await?;
        }
        let gone = Arc::new(gone);
        let files: BTreeMap<&str, &Local> =
            files.iter().map(|it| (it.below.as_str(), it)).collect();
        let fetched = wanted.into_iter().map(|(path, listed)| {
            let below = listed.key.as_str().strip_prefix(prefix.as_str()).unwrap_or_default();
            let file = files.get(below).copied();
            self.fetch(path, listed, file, &gone)
        });
        let mut fetched = stream::iter(fetched).buffer_unordered(self.request.parallel);
        while let Some(outcome) = fetched.next().await {
            done.add(outcome?);
        }
        Ok(())
    }

    /// Removes the files that the bucket has not, and returns their paths. It comes first: what is written may need their places.
    async fn remove_files(
        &self,
        files: &[Local],
        there: &BTreeMap<Key, Listed>,
        done: &mut Synced,
    ) -> Result<BTreeSet<PathBuf>> {
        let mut gone = BTreeSet::new();
        for file in files {
            match Key::new(format!("{}{}", self.request.prefix, file.below)) {
                Ok(key) if there.contains_key(&key) => {}
                Ok(key) => {
                    if self.is_real() {
                        disk::blocking("can't remove", &file.path, |it| std::fs::remove_file(it))
                            .await?;
                        self.removed.fetch_add(1, Ordering::Relaxed);
                    }
                    gone.insert(file.path.clone());
                    done.removed.push(key);
                }
                Err(_) => done.skipped.push(Skipped::new(&*file.below, "its path can't be a key")),
            }
        }
        Ok(gone)
    }

    async fn fetch(
        &self,
        below: PathBuf,
        listed: Listed,
        file: Option<&Local>,
        gone: &Arc<BTreeSet<PathBuf>>,
    ) -> Result<Outcome> {
        let SyncDir { dir, bucket, .. } = &self.request;
        let key = listed.key.clone();
        if let Some(file) = file
            && self.is_same(&listed, file).await?
        {
            return Ok(Outcome::Same);
        }
        let path = match local::place(dir, &below, self.is_real(), gone).await? {
            Ok(path) => path,
            Err(why) => return Ok(Outcome::Skipped(Skipped::new(key.as_str(), why))),
        };
        if !self.is_real() {
            return Ok(Outcome::Written(key, listed.size));
        }
        let get = Get::new(bucket.clone(), key.clone());
        let object = self.blob.get(get).await.map_err(unchanged)?;
        let (bytes, wanted) = (object.meta.size, object.meta.checksum);
        let (mut file, fresh) = Fresh::beside(&path).await?;
        let seen = pour(object, &mut file, fresh.path(), &Gauge::silent()).await;
        let seen = seen.map_err(unchanged)?;
        let checked = seen.check(wanted.unwrap_or(seen));
        checked.map_err(|e| unchanged(e.at("blob.get", bucket)))?;
        drop(file);
        self.change(fresh.settle(&path)).await?;
        Ok(Outcome::Written(key, bytes))
    }

    /// Counts a change as long as it is under way.
    async fn change<T>(&self, change: impl Future<Output = Result<T>>) -> Result<T> {
        self.changing.fetch_add(1, Ordering::Relaxed);
        let outcome = change.await;
        self.changing.fetch_sub(1, Ordering::Relaxed);
        outcome
    }

    /// What is said of a sync that failed after some of it.
    fn partly(&self, done: &Synced, error: Error) -> Error {
        let written = done.written.len();
        let removed = self.removed.load(Ordering::Relaxed);
        let message = format!("{written} written and {removed} removed, then: {}", error.message());
        let is_alone = self.changing.load(Ordering::Relaxed) == 0;
        let applied = match (written, removed) {
            (0, 0) if is_alone => error.applied(),
            _ => Applied::Unknown,
        };
        let bucket = &self.request.bucket;
        error.retold(message).with_applied(applied).at("blob.sync", bucket).with_source(error)
    }
}

/// An error of what only reads.
fn unchanged(error: Error) -> Error {
    error.with_applied(Applied::No)
}

/// A path below a directory, for tests of what may not leave it.
#[cfg(test)]
pub(super) fn path_of(below: &str) -> Option<PathBuf> {
    local::below(below).ok().filter(|it| !it.is_absolute())
}
