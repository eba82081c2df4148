//! Calls of many steps: ranges, a rename, and what removes much.

use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Blob, ByteRange, Copy, Delete, DeleteMany, Entry, Get, Head, Key, List, Meta, Mode, Source,
    Target, Versions, check::invalid, parts::PARALLEL,
};
use crate::{Applied, BucketName, Error, ErrorKind, Items, Result};

/// How many objects are removed at a time: what S3 takes in one call.
pub(super) const CHUNK: usize = 1_000;
/// How often a bucket is looked at once more that somebody writes to while it is emptied.
const ROUNDS: u32 = 10;

/// See [`BlobExt::get_ranges`](super::BlobExt::get_ranges).
///
/// ```
/// use mvi_core::{BucketName, blob::{ByteRange, Get, GetRanges, Key}};
///
/// let get = Get::new(BucketName::new("acme-7f3-data")?, Key::new("2026.parquet")?);
/// let footer_and_two_columns =
///     GetRanges::new(get).range(ByteRange::Last(8)).range(0..4_096).range(9_000..12_000);
/// # let _ = footer_and_two_columns;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetRanges {
    /// The object, without a [range](Get::range).
    pub get: Get,
    /// Which of its bytes, in any order.
    pub ranges: Vec<ByteRange>,
    /// Ranges that are so near to each other, in bytes, are read together; 1 MiB, unless set.
    pub near_bytes: u64,
}

impl GetRanges {
    /// Reads nothing yet of what `get` says.
    pub fn new(get: Get) -> Self {
        Self { get, ranges: Vec::new(), near_bytes: 1 << 20 }
    }

    /// Reads these bytes too.
    #[must_use]
    pub fn range(mut self, range: impl Into<ByteRange>) -> Self {
        self.ranges.push(range.into());
        self
    }

    /// Reads these ranges too.
    #[must_use]
    pub fn ranges<R: Into<ByteRange>>(mut self, ranges: impl IntoIterator<Item = R>) -> Self {
        self.ranges.extend(ranges.into_iter().map(Into::into));
        self
    }

    /// Reads together what is so near to each other, in bytes.
    #[must_use]
    pub fn near_bytes(mut self, bytes: u64) -> Self {
        self.near_bytes = bytes;
        self
    }

    /// Checks it before it is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { get, ranges, near_bytes: _ } = self;
        get.check()?;
        if get.range.is_some() {
            return invalid("a range beside those that are to be read");
        }
        ranges.iter().try_for_each(|it| it.check())
    }
}

/// Joins ranges that overlap, or have at most `near` between them. They come sorted, none of them empty.
pub(super) fn together(ranges: impl IntoIterator<Item = Range<u64>>, near: u64) -> Vec<Range<u64>> {
    let mut all: Vec<_> = ranges.into_iter().collect();
    all.sort_unstable_by_key(|it| (it.start, it.end));
    let mut groups: Vec<Range<u64>> = Vec::new();
    for range in all {
        match groups.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(near) => {
                last.end = last.end.max(range.end);
            }
            _ => groups.push(range),
        }
    }
    groups
}

pub(super) async fn get_ranges<B: Blob + ?Sized>(
    blob: &B,
    request: GetRanges,
) -> Result<Vec<Bytes>> {
    request.check()?;
    let GetRanges { get, ranges, near_bytes } = request;
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    let Get { bucket, key, if_match, if_none_match, version, range: _ } = &get;
    let head = Head { bucket: bucket.clone(), key: key.clone(), version: version.clone() };
    let meta = blob.head(head).await?;
    let matches = if_match.as_ref().is_none_or(|it| *it == meta.tag);
    if !matches || if_none_match.as_ref().is_some_and(|it| *it == meta.tag) {
        return Err(Error::conflict("the object has another tag").at("blob.get", bucket));
    }
    let at = |e: Error| e.or_at("blob.get", bucket);
    let wanted: Vec<_> =
        ranges.iter().map(|it| it.resolve(meta.size)).collect::<Result<_>>().map_err(at)?;
    let groups = together(wanted.iter().cloned(), near_bytes);
    let one = |group: Range<u64>| {
        let get = Get { if_none_match: None, ..get.clone() };
        let get = get.if_match(meta.tag.clone()).range(group.clone());
        async move {
            let object = blob.get(get).await?;
            if object.range != group {
                let message = "a range that was not asked for";
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            let length = usize::try_from(group.end - group.start).unwrap_or(usize::MAX);
            Ok((group.start, object.bytes(length).await?))
        }
    };
    let read: Vec<(u64, Bytes)> = stream::iter(groups.into_iter().map(one))
        .buffered(PARALLEL)
        .try_collect()
        .await
        .map_err(at)?;
    let cut = |range: Range<u64>| {
        let at = read.partition_point(|(start, _)| *start <= range.start).checked_sub(1)?;
        let (start, bytes) = &read[at];
        let offset = |it: u64| usize::try_from(it - start).ok();
        let (from, to) = (offset(range.start)?, offset(range.end)?);
        (to <= bytes.len()).then(|| bytes.slice(from..to))
    };
    let cut = wanted.into_iter().map(cut).collect::<Option<_>>();
    cut.ok_or_else(|| at(Error::new(ErrorKind::Internal, "a range that was not read")))
}

/// See [`BlobExt::rename`](super::BlobExt::rename).
///
/// ```
/// use mvi_core::{BucketName, blob::{Key, Mode, Rename}};
///
/// let bucket = BucketName::new("acme-7f3-logs")?;
/// let publish =
///     Rename::new(bucket, Key::new("draft.txt")?, Key::new("final.txt")?).mode(Mode::IfAbsent);
/// # let _ = publish;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The bucket.
    pub bucket: BucketName,
    /// The key that the object has.
    pub from: Key,
    /// The key that it will have.
    pub to: Key,
    /// When it may be written there; always, unless set.
    pub mode: Mode,
}

impl Rename {
    /// Gives the object at `from` the key `to`.
    pub fn new(bucket: BucketName, from: Key, to: Key) -> Self {
        Self { bucket, from, to, mode: Mode::Always }
    }

    /// Writes only where `mode` holds.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }
}

pub(super) async fn rename<B: Blob + ?Sized>(blob: &B, request: Rename) -> Result<Meta> {
    let Rename { bucket, from, to, mode } = request;
    if from == to {
        return invalid("a rename of an object to the key that it has");
    }
    let found = blob.head(Head::new(bucket.clone(), from.clone())).await?;
    let source = Source::new(bucket.clone(), from.clone()).if_match(found.tag.clone());
    let copy = Copy::new(source, bucket.clone(), to).mode(mode).encryption(found.encryption);
    let made = blob.copy(copy).await?;
    match blob.delete(Delete::new(bucket.clone(), from).if_match(found.tag)).await {
        Ok(()) => Ok(made),
        Err(e) => {
            let message = format!("copied, and then it could not be removed: {}", e.message());
            Err(e
                .retold(message)
                .with_applied(Applied::Unknown)
                .at("blob.rename", bucket)
                .with_source(e))
        }
    }
}

pub(super) async fn delete_prefix<B: Blob + ?Sized>(
    blob: &B,
    bucket: &BucketName,
    prefix: &str,
) -> Result<u64> {
    let found = objects(blob, List::new(bucket.clone()).prefix(prefix));
    let mut removed = 0;
    let outcome = delete_all(blob, bucket, found, &mut removed).await;
    outcome.map_err(|e| partly("blob.delete_prefix", bucket, removed, e))?;
    Ok(removed)
}

pub(super) async fn empty<B: Blob + ?Sized>(blob: &B, bucket: &BucketName) -> Result<u64> {
    let mut removed = 0;
    let outcome = empty_all(blob, bucket, &mut removed).await;
    outcome.map_err(|e| partly("blob.empty", bucket, removed, e))?;
    Ok(removed)
}

async fn empty_all<B: Blob + ?Sized>(
    blob: &B,
    bucket: &BucketName,
    removed: &mut u64,
) -> Result<()> {
    for _ in 0..ROUNDS {
        let versions = blob.versions(Versions::new(bucket.clone()));
        let targets = versions.map_ok(|it| Target { key: it.key, version: Some(it.version) });
        delete_all(blob, bucket, targets.boxed(), removed).await?;
        // What was written since, and of a bucket that never had versions what a provider does not list as one.
        let before = *removed;
        delete_all(blob, bucket, objects(blob, List::new(bucket.clone())), removed).await?;
        if *removed == before {
            break;
        }
        // A bucket with versioning keeps what was just removed.
    }
    let mut uploads = blob.uploads(bucket);
    while let Some(upload) = uploads.next().await {
        blob.abort_upload(&upload?).await?;
        *removed += 1;
    }
    Ok(())
}

/// The objects of a list that folds nothing.
fn objects<B: Blob + ?Sized>(blob: &B, list: List) -> Items<Target> {
    let keys = blob.list(list).try_filter_map(|it| async move {
        Ok(match it {
            Entry::Object(listed) => Some(Target::from(listed.key)),
            Entry::Prefix(_) => None,
        })
    });
    keys.boxed()
}

/// Removes what comes, as much at a time as goes in one call, and counts it. It fails with the first that did not go.
pub(super) async fn delete_all<B: Blob + ?Sized>(
    blob: &B,
    bucket: &BucketName,
    found: Items<Target>,
    removed: &mut u64,
) -> Result<()> {
    let mut found = found.fuse();
    loop {
        let mut targets = Vec::new();
        let mut failed = Ok(());
        while targets.len() < CHUNK && failed.is_ok() {
            match found.next().await {
                Some(Ok(target)) => targets.push(target),
                Some(Err(e)) => failed = Err(e),
                None => break,
            }
        }
        failed?;
        if targets.is_empty() {
            return Ok(());
        }
        let mut first = Ok(());
        for outcome in blob.delete_many(DeleteMany::new(bucket.clone(), targets)).await? {
            match outcome {
                Ok(()) => *removed += 1,
                Err(e) => first = first.and(Err(e)),
            }
        }
        first?;
    }
}

/// What is said of a call of many steps that failed after some of them.
pub(super) fn partly(op: &'static str, bucket: &BucketName, removed: u64, error: Error) -> Error {
    let message = format!("{removed} objects removed, then: {}", error.message());
    let applied = if removed == 0 { error.applied() } else { Applied::Unknown };
    error.retold(message).with_applied(applied).at(op, bucket).with_source(error)
}
