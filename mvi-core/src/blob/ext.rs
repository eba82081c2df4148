//! What callers do most, built once on the core for every provider.

use std::time::Duration;

use super::{
    Blob, Bucket, Get, GetFile, GetRanges, Meta, Put, PutFile, Rename, SyncDir, Synced, file, many,
    sync,
};
use crate::{BucketName, Result, wait::until};
use async_trait::async_trait;
use bytes::Bytes;

/// What callers do most, in fewer words. Every [`Blob`] has it.
#[async_trait]
pub trait BlobExt: Blob {
    /// Writes an object from bytes in memory.
    ///
    /// ```
    /// use mvi_core::{Blob, BlobExt, BucketName, Result, blob::{Key, Meta, Put}};
    ///
    /// async fn greet(blob: &dyn Blob) -> Result<Meta> {
    ///     let put = Put::new(BucketName::new("acme-7f3-texts")?, Key::new("hello.txt")?);
    ///     blob.put_bytes(put.content_type("text/plain"), "hello").await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Blob::put`].
    async fn put_bytes(&self, request: Put, bytes: impl Into<Bytes> + Send) -> Result<Meta> {
        self.put(request, bytes.into().into()).await
    }

    /// Reads an object, of at most `limit` bytes, into memory.
    ///
    /// ```
    /// use mvi_core::{Blob, BlobExt, BucketName, Result, blob::{Get, Key}};
    ///
    /// async fn greeting(blob: &dyn Blob) -> Result<bytes::Bytes> {
    ///     let get = Get::new(BucketName::new("acme-7f3-texts")?, Key::new("hello.txt")?);
    ///     blob.get_bytes(get, 1_024).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Blob::get`]; [`Invalid`](crate::ErrorKind::Invalid) where it has more than `limit` bytes.
    async fn get_bytes(&self, request: Get, limit: usize) -> Result<Bytes> {
        let bucket = request.bucket.clone();
        let object = self.get(request).await?;
        object.bytes(limit).await.map_err(|e| e.or_at("blob.get", bucket))
    }

    /// Writes an object from a file: a large one in parts, some at a time, and from where a crash broke it.
    ///
    /// What a [state file](PutFile::state) says is which upload was started for which file, by its length and the time it was
    /// modified; it is written once, when the upload has started, and removed when all is done. What is stored already, the bucket
    /// knows: asked again, with the same state file, this sends only parts that are not there as the file has them, and where all
    /// was done but for the answer, finds the same object. A state of another file, object or settings is not used, and its upload is aborted;
    /// a state file that is something else is [`Invalid`](crate::ErrorKind::Invalid), and stays as it is. Only one call at a time may use a state file.
    ///
    /// A file that changes while it is sent is [`Invalid`](crate::ErrorKind::Invalid), as far as its length and time of modification tell, and nothing is
    /// written. A file of no more than [one part](PutFile::part_bytes), 8 MiB unless set, goes in one call, and needs no state;
    /// of more than 8 MiB it is read twice then, to know its checksum first.
    ///
    /// Parts under way are in memory. A call that fails leaves its upload only where a state file knows of it, and asking again may mend it.
    /// One that is dropped, or a crash before the state was written, leaves it in [`Blob::uploads`].
    ///
    /// ```
    /// use mvi_core::{Blob, BlobExt, BucketName, Result, blob::{Key, Meta, Put, PutFile}};
    ///
    /// async fn publish(blob: &dyn Blob) -> Result<Meta> {
    ///     let put = Put::new(BucketName::new("acme-7f3-films")?, Key::new("1.mp4")?);
    ///     let film = PutFile::new(put.content_type("video/mp4"), "1.mp4").state("1.mp4.state");
    ///     blob.put_file(film.progress(|it| println!("{} bytes", it.done_bytes))).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Blob::put`], and of each step of an upload. [`Invalid`](crate::ErrorKind::Invalid) where the file or its state can't be read or written.
    async fn put_file(&self, request: PutFile) -> Result<Meta> {
        let bucket = request.put.bucket.clone();
        file::put(self, request).await.map_err(|e| e.or_at("blob.put_file", bucket))
    }

    /// Reads an object into a file: a large one in ranges, some at a time, and from where a crash broke it.
    ///
    /// All ranges are of one object, by its tag. They go to a file of the same name with `.mvi-part` behind it, which takes the place of
    /// what was there when it is whole, on the disk, and has the checksum that its writer said; so nobody ever reads half a file. Without
    /// a state file the name is another, which is removed where the call fails or is dropped.
    ///
    /// What a [state file](GetFile::state) says is which ranges are there, with their checksums, which are held against the file
    /// when this is asked again: only the others are read then. Where the object is another by now, all is read anew.
    /// A state file that is something else is [`Invalid`](crate::ErrorKind::Invalid), and stays as it is. Only one call at a time may use a state file,
    /// or come to the same file with one: two would write into each other's.
    ///
    /// ```
    /// use mvi_core::{Blob, BlobExt, BucketName, Result, blob::{Get, GetFile, Key, Meta}};
    ///
    /// async fn fetch(blob: &dyn Blob) -> Result<Meta> {
    ///     let get = Get::new(BucketName::new("acme-7f3-films")?, Key::new("1.mp4")?);
    ///     blob.get_file(GetFile::new(get, "1.mp4").state("1.mp4.state")).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Blob::get`]. [`Conflict`](crate::ErrorKind::Conflict) where the object is replaced meanwhile; [`Corrupt`](crate::ErrorKind::Corrupt) where the
    /// whole has another checksum; [`Invalid`](crate::ErrorKind::Invalid) where the file or its state can't be read or written,
    /// [`Exhausted`](crate::ErrorKind::Exhausted) where the disk is full.
    async fn get_file(&self, request: GetFile) -> Result<Meta> {
        let bucket = request.get.bucket.clone();
        file::get(self, request).await.map_err(|e| e.or_at("blob.get_file", bucket))
    }

    /// Reads many ranges of one object into memory, in the order in which they were asked for.
    ///
    /// It is the same object throughout, by its tag. Ranges that are [near](GetRanges::near_bytes) to each other come with one call, and what is
    /// between them too: it stays in memory as long as one of the answers does. A range is not checked against the
    /// checksum, which is of the whole.
    ///
    /// ```
    /// use mvi_core::{Blob, BlobExt, BucketName, Result, blob::{ByteRange, Get, GetRanges, Key}};
    ///
    /// async fn header_and_footer(blob: &dyn Blob) -> Result<Vec<bytes::Bytes>> {
    ///     let get = Get::new(BucketName::new("acme-7f3-data")?, Key::new("2026.parquet")?);
    ///     blob.get_ranges(GetRanges::new(get).range(0..4).range(ByteRange::Last(8))).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Blob::get`]. [`Conflict`](crate::ErrorKind::Conflict) where the object is replaced meanwhile; [`Invalid`](crate::ErrorKind::Invalid) where one of the
    /// ranges starts behind the object's end.
    async fn get_ranges(&self, request: GetRanges) -> Result<Vec<Bytes>> {
        let bucket = request.get.bucket.clone();
        many::get_ranges(self, request).await.map_err(|e| e.or_at("blob.get_ranges", bucket))
    }

    /// Gives an object another key: writes it there, with all that is written on it, and removes it where it was, as long as it is the same.
    ///
    /// It is not atomic: for a moment the object is at both keys, and after an error it may stay so.
    ///
    /// ```
    /// use mvi_core::{Blob, BlobExt, BucketName, Result, blob::{Key, Meta, Mode, Rename}};
    ///
    /// async fn publish(blob: &dyn Blob) -> Result<Meta> {
    ///     let bucket = BucketName::new("acme-7f3-logs")?;
    ///     let rename = Rename::new(bucket, Key::new("draft.txt")?, Key::new("final.txt")?);
    ///     blob.rename(rename.mode(Mode::IfAbsent)).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Blob::copy`]. [`Conflict`](crate::ErrorKind::Conflict) also where somebody has written to the old key meanwhile: then both are there.
    async fn rename(&self, request: Rename) -> Result<Meta> {
        let bucket = request.bucket.clone();
        many::rename(self, request).await.map_err(|e| e.or_at("blob.rename", bucket))
    }

    /// Makes a bucket, below a prefix, like a directory, or the other way round; returns what it has done, or would do.
    ///
    /// Files and objects are the same where they have the same size and the same CRC-32C; an object without one is
    /// written again. Symlinks are neither followed nor written, and left where they are. Directories that are empty are nothing. On the way up each
    /// path is checked to be a key before anything is sent. On the way down what can't be a path below the directory
    /// (`/a`, `a//b`, `a/`, and `a/b` beside `a`) is skipped, and the report says so; each file takes the place of what was there when it is
    /// whole. Names that end in `.mvi-part` are left alone, and so is, on the other side, what has the place of a symlink or is below it.
    ///
    /// It holds the list of both sides in memory. What others write meanwhile may be missed.
    ///
    /// ```
    /// use mvi_core::{Blob, BlobExt, BucketName, Result, blob::{Extra, SyncDir}};
    ///
    /// async fn back_up(blob: &dyn Blob) -> Result<()> {
    ///     let sync = SyncDir::up("photos", BucketName::new("acme-7f3-backup")?, "photos/");
    ///     let report = blob.sync(sync.extra(Extra::Remove)).await?;
    ///     println!("{} new, {} gone", report.written.len(), report.removed.len());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// An error leaves the rest, and says how many were written and removed. To go on, ask again. [`Invalid`](crate::ErrorKind::Invalid) where a path can't be a key.
    async fn sync(&self, request: SyncDir) -> Result<Synced> {
        let bucket = request.bucket.clone();
        sync::sync(self, request).await.map_err(|e| e.or_at("blob.sync", bucket))
    }

    /// Removes the objects whose keys start with `prefix`: with an empty one, all of them. Returns how many it removed.
    ///
    /// It is not atomic: what is written meanwhile may stay. A bucket with versioning keeps what is removed as versions.
    ///
    /// ```
    /// use mvi_core::{Blob, BlobExt, BucketName, Result};
    ///
    /// async fn forget_2025(blob: &dyn Blob) -> Result<u64> {
    ///     blob.delete_prefix(&BucketName::new("acme-7f3-logs")?, "2025/").await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// An error leaves the rest, and says how many were removed. To go on, ask again.
    async fn delete_prefix(&self, bucket: &BucketName, prefix: &str) -> Result<u64> {
        many::delete_prefix(self, bucket, prefix).await
    }

    /// Removes all that a bucket has, so that it can be [deleted](Blob::delete_bucket): objects, their versions, and uploads, also those that
    /// somebody is still at. Returns how many it removed.
    ///
    /// ```
    /// use mvi_core::{Blob, BlobExt, BucketName, Result};
    ///
    /// async fn remove(blob: &dyn Blob, bucket: &BucketName) -> Result<()> {
    ///     blob.empty(bucket).await?;
    ///     blob.delete_bucket(bucket).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// An error leaves the rest, and says how many were removed. To go on, ask again.
    async fn empty(&self, bucket: &BucketName) -> Result<u64> {
        many::empty(self, bucket).await
    }

    /// Waits until a fresh bucket can be used, for `patience` at most and the 10 s that the last look may take.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mvi_core::{Blob, BlobExt, Result, blob::{Bucket, CreateBucket}};
    ///
    /// async fn ready(blob: &dyn Blob, request: CreateBucket) -> Result<Bucket> {
    ///     let bucket = blob.create_bucket(request).await?;
    ///     blob.wait_bucket(&bucket.name, Duration::from_secs(60)).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Timeout`](crate::ErrorKind::Timeout) where the patience has ended, saying what was seen last; [`NotFound`](crate::ErrorKind::NotFound) where it is
    /// not there, from the tenth second on, since a fresh one may not be seen at once. What waiting can't mend ends the wait at once.
    async fn wait_bucket(&self, name: &BucketName, patience: Duration) -> Result<Bucket> {
        let look = || async { Ok(Some(self.bucket(name).await?)) };
        until("blob.wait_bucket", "bucket", name, patience, look).await
    }
}

impl<T: Blob + ?Sized> BlobExt for T {}
