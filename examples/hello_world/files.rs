//! Files: what a link may carry in place of a URL, in any cloud's Blob.
//!
//! ```text
//!   new/TOKEN                 has just come: gone in a day, unless a link takes it
//!   keep/TOKEN                behind a link that stays
//!   1d/TOKEN, 7d/TOKEN, …     behind a link that expires: the bucket's lifecycle removes it by then
//! ```

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use mvi_core::{
    Blob, BlobExt as _, BucketName, Error, ErrorKind, Result,
    blob::{
        Body, ByteRange, Complete, Copy, CreateBucket, Delete, Get, Key, Object, PartNumber, Put,
        Rule, Source, StartUpload,
    },
};
use serde::{Deserialize, Serialize};

use super::{
    links::token,
    patience::{Repeat, patiently},
};

/// After how many days the lifecycle may remove what is behind a link that expires by then.
const DAYS: [u32; 5] = [1, 7, 30, 90, 365];
/// The most bytes of a file.
pub(crate) const MOST_BYTES: u64 = 256 << 20;
/// How much of a file is held before it is sent on.
const PIECE_BYTES: usize = 8 << 20;

/// A file behind a link, as the link's record has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    /// Its object's key.
    pub(crate) key: String,
    /// What its sender calls it.
    pub(crate) name: String,
    /// What its sender says that it is.
    pub(crate) content_type: String,
    /// How many bytes it has.
    pub(crate) size: i64,
}

/// All files, in one bucket.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    blob: Arc<dyn Blob>,
    bucket: BucketName,
}

/// Makes the bucket, or finds it as it was left, and says what is removed by itself.
pub(crate) async fn create_bucket(blob: &dyn Blob, name: &BucketName) -> Result<()> {
    blob.create_bucket(CreateBucket::new(name.clone())).await?;
    blob.wait_bucket(name, Duration::from_mins(1)).await?;
    let expire = DAYS.map(|days| Rule::expire(format!("{days}d/"), days));
    let rules = [Rule::expire("new/", 1)].into_iter().chain(expire).collect();
    blob.set_lifecycle(name, rules).await
}

impl Files {
    /// The files in `bucket`.
    pub(crate) fn new(blob: Arc<dyn Blob>, bucket: BucketName) -> Self {
        Self { blob, bucket }
    }

    /// Stores what comes, a piece at a time, and tells `seen` of each. Nothing is left of what fails.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) where it is too large; what befell the stream.
    pub(crate) async fn receive(
        &self,
        name: String,
        content_type: String,
        pieces: impl Stream<Item = Result<Bytes>> + Unpin,
        seen: impl Fn(u64),
    ) -> Result<File> {
        let key = Key::new(format!("new/{}", token()?))?;
        let mut incoming = Incoming { pieces, rest: BytesMut::new(), size: 0, seen };
        let first = incoming.next().await?;
        let put = Put::new(self.bucket.clone(), key.clone()).content_type(&*content_type);
        // The key is nobody else's, so that asking twice writes the same once.
        if first.len() < PIECE_BYTES {
            patiently(Repeat::Always, || self.blob.put(put.clone(), Body::Bytes(first.clone())))
                .await?;
        } else {
            self.receive_parts(put.upload(), first, &mut incoming).await?;
        }
        let size = i64::try_from(incoming.size).unwrap_or(i64::MAX);
        Ok(File { key: key.as_str().to_owned(), name, content_type, size })
    }

    /// Stores what is larger than one piece: in parts, each of which can be sent again.
    async fn receive_parts<S, F>(
        &self,
        start: StartUpload,
        first: Bytes,
        incoming: &mut Incoming<S, F>,
    ) -> Result<()>
    where
        S: Stream<Item = Result<Bytes>> + Unpin,
        F: Fn(u64),
    {
        // One whose answer is lost has no part, and goes by itself.
        let upload = patiently(Repeat::Always, || self.blob.start_upload(start.clone())).await?;
        let sent = async {
            let (mut parts, mut piece) = (Vec::new(), first);
            for number in 1.. {
                let number = PartNumber::new(number)?;
                let part = patiently(Repeat::Always, || {
                    self.blob.upload_part(&upload, number, Body::Bytes(piece.clone()))
                });
                parts.push(part.await?);
                piece = incoming.next().await?;
                if piece.is_empty() {
                    break;
                }
            }
            let complete = Complete::new(upload.clone(), parts);
            patiently(Repeat::Always, || self.blob.complete_upload(complete.clone())).await
        };
        if let Err(error) = sent.await {
            // What this can't remove, the bucket does in a week.
            let _ = patiently(Repeat::Always, || self.blob.abort_upload(&upload)).await;
            return Err(error);
        }
        Ok(())
    }

    /// Puts a file that has just come to where it stays for as long as its link does.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) where the link expires in more than a year.
    pub(crate) async fn keep(&self, file: &File, expires_in: Option<Duration>) -> Result<File> {
        let class = match expires_in {
            None => "keep".to_owned(),
            Some(time) => {
                let days = time.as_secs().div_ceil(24 * 60 * 60);
                let Some(days) = DAYS.into_iter().find(|it| u64::from(*it) >= days) else {
                    return Err(Error::invalid(
                        "a file's link expires within a year, or not at all",
                    ));
                };
                format!("{days}d")
            }
        };
        let from = Key::new(&file.key)?;
        let token = file.key.rsplit('/').next().unwrap_or_default();
        let to = Key::new(format!("{class}/{token}"))?;
        let source = Source::new(self.bucket.clone(), from);
        let copy = Copy::new(source, self.bucket.clone(), to.clone());
        patiently(Repeat::Always, || self.blob.copy(copy.clone())).await?;
        self.remove(file).await;
        Ok(File { key: to.as_str().to_owned(), ..file.clone() })
    }

    /// Removes a file that no link has. What can't be removed now is removed by the lifecycle, or costs a little.
    pub(crate) async fn remove(&self, file: &File) {
        let Ok(key) = Key::new(&file.key) else { return };
        let delete = Delete::new(self.bucket.clone(), key);
        let _ = patiently(Repeat::Always, || self.blob.delete(delete.clone())).await;
    }

    /// Opens a file, or a range of it.
    pub(crate) async fn open(&self, file: &File, range: Option<ByteRange>) -> Result<Object> {
        let mut get = Get::new(self.bucket.clone(), Key::new(&file.key)?);
        get.range = range;
        let opened = patiently(Repeat::Always, || self.blob.get(get.clone())).await;
        opened.map_err(|e| match e.kind() {
            ErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, "the file is gone").with_source(e)
            }
            _ => e,
        })
    }
}

/// What is coming in.
struct Incoming<S, F> {
    pieces: S,
    rest: BytesMut,
    size: u64,
    seen: F,
}

impl<S: Stream<Item = Result<Bytes>> + Unpin, F: Fn(u64)> Incoming<S, F> {
    /// The next piece: less than a whole one only at the end, and then nothing.
    async fn next(&mut self) -> Result<Bytes> {
        while self.rest.len() < PIECE_BYTES {
            let Some(bytes) = self.pieces.next().await.transpose()? else { break };
            self.size += bytes.len() as u64;
            if self.size > MOST_BYTES {
                return Err(Error::invalid(format!(
                    "the file does not fit: wanted at most {MOST_BYTES} bytes"
                )));
            }
            (self.seen)(self.size);
            self.rest.extend_from_slice(&bytes);
        }
        Ok(self.rest.split_to(self.rest.len().min(PIECE_BYTES)).freeze())
    }
}
