//! What is to be stored.

use std::{
    fmt,
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};

use super::{
    Crc32c,
    check::invalid,
    file::read::{self, Pool, on_disk},
};
use crate::{Applied, Error, ErrorKind, Result};

/// The most bytes of a [`Once`](Body::Once) that are kept in memory to be sent again.
pub const MAX_COLLECTED_BYTES: usize = 64 << 20;

/// What is to be stored. Whether it can be sent again after a failure is part of the type.
///
/// All but [`Once`](Self::Once) know their length and can be read again, from anywhere. A `Once` is cut into parts that are kept in
/// memory until they are stored, so that every request can be sent again.
///
/// ```
/// use mvi_core::blob::Body;
///
/// let text = Body::from("hello");
/// let film = Body::File("1.mp4".into());
/// # let _ = (text, film);
/// ```
pub enum Body {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file, read as it is sent. It must not change meanwhile: what is sent is held against its length when the call began.
    File(PathBuf),
    /// Bytes that can be made again.
    Replay(Replay),
    /// Bytes that come once, of a length that nobody knows: at most 78 GiB, which is 10,000 parts of 8 MiB, and for one part of an upload
    /// [64 MiB](MAX_COLLECTED_BYTES).
    Once(BoxStream<'static, Result<Bytes>>),
}

/// The body of a [`Replay`] from an offset on, up to another.
type Open = dyn Fn(Range<u64>) -> BoxStream<'static, Result<Bytes>> + Send + Sync;

/// Bytes that can be made again, in part too.
///
/// ```
/// use bytes::Bytes;
/// use futures::{StreamExt as _, stream};
/// use mvi_core::blob::{Body, Replay};
///
/// let zeros = Replay::new(1_000, |range| {
///     let length = usize::try_from(range.end - range.start).unwrap_or(0);
///     stream::iter([Ok(Bytes::from(vec![0; length]))]).boxed()
/// });
/// let body = Body::Replay(zeros);
/// # let _ = body;
/// ```
#[derive(Clone)]
pub struct Replay {
    length: u64,
    source: Source,
}

/// Where the bytes of a [`Replay`] are from.
#[derive(Clone)]
enum Source {
    Made(Arc<Open>),
    File(Arc<FileBody>),
}

impl Replay {
    /// `length` bytes; `open` gives any range of them, the same bytes each time.
    pub fn new(
        length: u64,
        open: impl Fn(Range<u64>) -> BoxStream<'static, Result<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self { length, source: Source::Made(Arc::new(open)) }
    }

    /// The first `length` bytes of a file, which stays open: one that takes its place is not mixed in.
    pub(super) fn of_file(length: u64, file: Arc<File>) -> Self {
        Self { length, source: Source::File(Arc::new(FileBody::new(Place::Open(file)))) }
    }

    /// How many bytes they are.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// These of the bytes.
    pub fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        match &self.source {
            Source::Made(open) => open(range),
            Source::File(file) => file.read(range),
        }
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Body {
    /// Nothing.
    pub const fn empty() -> Self {
        Self::Bytes(Bytes::new())
    }

    /// How many bytes it has; `None` for a [`Once`](Self::Once), which nobody knows.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) where the file can't be read.
    pub fn length(&self) -> impl Future<Output = Result<Option<u64>>> + Send + use<> {
        // What waits holds no `Once`, which can't be shared between threads.
        let (known, path) = match self {
            Self::Bytes(bytes) => (Some(bytes.len() as u64), None),
            Self::Replay(replay) => (Some(replay.length), None),
            Self::Once(_) => (None, None),
            Self::File(path) => (None, Some(path.clone())),
        };
        async move {
            let Some(path) = path else { return Ok(known) };
            let meta = tokio::fs::metadata(path).await.map_err(unreadable)?;
            if !meta.is_file() {
                return invalid("a body that is no file");
            }
            Ok(Some(meta.len()))
        }
    }

    /// For providers: the same bytes as often as one likes. A [`Once`](Self::Once) is collected, of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) where the file can't be read, or more would have to be collected; that of the body. Nothing has been
    /// sent yet, whatever that says.
    pub async fn replayable(self, limit: usize) -> Result<Replayable> {
        self.again(limit).await.map_err(|e| e.with_applied(Applied::No))
    }

    async fn again(self, limit: usize) -> Result<Replayable> {
        let length = self.length().await?.unwrap_or(0);
        Ok(match self {
            Self::Bytes(bytes) => Replayable::Bytes(bytes),
            Self::Replay(replay) => Replayable::Replay(replay),
            Self::File(path) => {
                let file = FileBody::new(Place::Path(path.into()));
                Replayable::Replay(Replay { length, source: Source::File(Arc::new(file)) })
            }
            Self::Once(mut body) => {
                let mut rest = Bytes::new();
                let bytes = fill(&mut body, &mut rest, limit).await?;
                // One byte more is one too many, be it in the same chunk or in one to come.
                while rest.is_empty() {
                    match body.try_next().await? {
                        Some(more) => rest = more,
                        None => return Ok(Replayable::Bytes(bytes)),
                    }
                }
                return invalid(format!(
                    "a body that can be read once, of more than {limit} bytes"
                ));
            }
        })
    }
}

/// For providers: a body whose length is known, and that can be sent again.
#[derive(Clone, Debug)]
pub enum Replayable {
    /// In memory.
    Bytes(Bytes),
    /// Made or read again each time.
    Replay(Replay),
}

impl Replayable {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Replay(replay) => replay.length,
        }
    }

    /// These of its bytes, no more and no fewer: a body that gives others is an error in the stream.
    pub fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        match self {
            Self::Bytes(bytes) => {
                let length = range.end.saturating_sub(range.start);
                let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
                let end = at(range.end).min(bytes.len());
                let part = bytes.slice(at(range.start).min(end)..end);
                let found = stream::iter((!part.is_empty()).then_some(Ok(part.clone()))).boxed();
                if part.len() as u64 == length { found } else { exactly(length, found) }
            }
            Self::Replay(replay) => {
                let length = range.end.saturating_sub(range.start);
                exactly(length, replay.read(range))
            }
        }
    }

    /// These of its bytes, in memory.
    ///
    /// # Errors
    ///
    /// That of the body.
    pub async fn bytes(&self, range: Range<u64>) -> Result<Bytes> {
        if let Self::Bytes(bytes) = self
            && range == (0..bytes.len() as u64)
        {
            return Ok(bytes.clone());
        }
        if let Self::Replay(Replay { source: Source::File(file), .. }) = self {
            return Ok(file.part(range).await?.0);
        }
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let mut body = self.read(range);
        let bytes = fill(&mut body, &mut Bytes::new(), length).await?;
        // What comes behind is one too many, which the body says itself.
        while body.try_next().await?.is_some() {}
        Ok(bytes)
    }

    /// These of its bytes, in memory, and their checksum: that of a file is computed as it is read.
    ///
    /// # Errors
    ///
    /// That of the body.
    pub async fn summed(&self, range: Range<u64>) -> Result<(Bytes, Crc32c)> {
        if let Self::Replay(Replay { source: Source::File(file), .. }) = self {
            return file.part(range).await;
        }
        let bytes = self.bytes(range).await?;
        let checksum = Crc32c::of(&bytes);
        Ok((bytes, checksum))
    }
}

/// Cuts or fails a body that has not `length` bytes, as it was said to.
fn exactly(
    length: u64,
    body: BoxStream<'static, Result<Bytes>>,
) -> BoxStream<'static, Result<Bytes>> {
    let wrong = move || other_length(length);
    stream::try_unfold((body, length), move |(mut body, left)| async move {
        match body.next().await.transpose()? {
            Some(bytes) => match left.checked_sub(bytes.len() as u64) {
                Some(left) => Ok(Some((bytes, (body, left)))),
                None => Err(wrong()),
            },
            None if left > 0 => Err(wrong()),
            None => Ok(None),
        }
    })
    .boxed()
}

/// For providers: the next `limit` bytes of `body`, or fewer where it ends. `rest` has what came with them, and comes first.
///
/// # Errors
///
/// That of the body.
pub async fn fill(
    body: &mut BoxStream<'static, Result<Bytes>>,
    rest: &mut Bytes,
    limit: usize,
) -> Result<Bytes> {
    let first = rest.split_to(rest.len().min(limit));
    if first.len() == limit {
        return Ok(first);
    }
    let mut all = BytesMut::from(first);
    while all.len() < limit {
        let Some(mut chunk) = body.try_next().await? else { break };
        let fits = chunk.split_to(chunk.len().min(limit - all.len()));
        *rest = chunk;
        if fits.len() == limit {
            // One chunk that is all there is need not be copied.
            return Ok(fits);
        }
        // What is much is nearly always all: it gets its memory at once, and not twice as much as it needs.
        if all.len() + fits.len() > all.capacity() && all.len() + fits.len() > limit / 8 {
            all.reserve(limit - all.len());
        }
        all.extend_from_slice(&fits);
    }
    Ok(all.freeze())
}

fn other_length(length: u64) -> Error {
    Error::invalid(format!("a body that has not the {length} bytes it should"))
}

/// A file that is a body. What is read of it has been in memory that is used again.
struct FileBody {
    place: Place,
    parts: Pool,
    pieces: Pool,
}

/// Where a file is.
#[derive(Clone)]
enum Place {
    /// Opened whenever it is read.
    Path(Arc<Path>),
    Open(Arc<File>),
}

impl Place {
    fn open(self) -> io::Result<Arc<File>> {
        match self {
            Self::Path(path) => File::open(path).map(Arc::new),
            Self::Open(file) => Ok(file),
        }
    }
}

impl FileBody {
    fn new(place: Place) -> Self {
        Self { place, parts: Pool::default(), pieces: Pool::default() }
    }

    /// These of its bytes as they come; fewer, where it has fewer.
    fn read(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let (place, pool) = (self.place.clone(), self.pieces.clone());
        let read = move |(opened, range): (Option<Arc<File>>, Range<u64>)| {
            let (place, pool) = (place.clone(), pool.clone());
            async move {
                if range.is_empty() {
                    return Ok(None);
                }
                let from = range.start;
                let piece = move |_: &_| {
                    let file = opened.map_or_else(|| place.open(), Ok)?;
                    let piece = read::block(&file, range.clone(), &pool)?;
                    Ok((piece, file, range.end))
                };
                let (piece, file, end) = on_disk(piece).await.map_err(unreadable)?;
                let next = from + piece.len() as u64;
                Ok((!piece.is_empty()).then_some((piece, (Some(file), next..end))))
            }
        };
        stream::try_unfold((None, range), read).boxed()
    }

    /// These of its bytes, and their checksum.
    async fn part(&self, range: Range<u64>) -> Result<(Bytes, Crc32c)> {
        let (place, pool) = (self.place.clone(), self.parts.clone());
        let length = range.end.saturating_sub(range.start);
        let part = on_disk(move |waited| read::part(&*place.open()?, range, &pool, waited));
        part.await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => other_length(length),
            _ => unreadable(error),
        })
    }
}

fn unreadable(error: std::io::Error) -> Error {
    let kind = error.kind();
    Error::new(ErrorKind::Invalid, format!("the body's file can't be read: {kind}"))
        .with_applied(Applied::No)
        .with_source(error)
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::Bytes(Bytes::from_static(text.as_bytes()))
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Bytes(Bytes::from_static(bytes))
    }
}

/// Says how much it is, and never what.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Replay(replay) => replay.fmt(f),
            Self::Once(_) => f.write_str("Once(…)"),
        }
    }
}
