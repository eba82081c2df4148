//! Files up and down: in parts, side by side, and on from where a crash broke them.
//!
//! ```text
//!   film.mp4 ──parts, some at a time──▶ upload ──complete──▶ object
//!       └─ state file: which upload, of which file. What is stored, the bucket itself knows
//!
//!   object ──ranges of one tag──▶ film.mp4.mvi-part ──checked, renamed──▶ film.mp4
//!                                     └─ state file: which ranges are there, and their checksums
//! ```

pub(super) mod disk;
mod get;
mod put;
pub(super) mod read;

pub(super) use get::{Fresh, get, pour};
pub(super) use put::put;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Get, Put,
    check::{MAX_PART_BYTES, MIN_PART_BYTES, invalid},
    parts::PARALLEL,
};
use crate::Result;

/// The most parts that may be under way at a time.
const MAX_PARALLEL: usize = 256;

/// How far it is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are done, those from before a crash included. It never falls.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// Is told of [`Progress`]. It should return soon: the transfer waits for it.
#[derive(Clone)]
pub struct OnProgress(Arc<dyn Fn(Progress) + Send + Sync>);

impl OnProgress {
    /// Calls `tell` when a part is done.
    pub fn new(tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnProgress(…)")
    }
}

/// How a file moves, whichever way.
macro_rules! moved {
    ($request:ident) => {
        impl $request {
            /// Keeps at `path` what is needed to go on after a crash.
            #[must_use]
            pub fn state(mut self, path: impl Into<PathBuf>) -> Self {
                self.state = Some(path.into());
                self
            }

            /// Moves parts of so many bytes.
            #[must_use]
            pub fn part_bytes(mut self, bytes: u64) -> Self {
                self.part_bytes = Some(bytes);
                self
            }

            /// Moves so many parts at a time.
            #[must_use]
            pub fn parallel(mut self, parts: usize) -> Self {
                self.parallel = parts;
                self
            }

            /// Tells how far it is.
            #[must_use]
            pub fn progress(mut self, tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
                self.progress = Some(OnProgress::new(tell));
                self
            }
        }
    };
}

/// See [`BlobExt::put_file`](super::BlobExt::put_file).
///
/// ```
/// use mvi_core::{BucketName, blob::{Key, Put, PutFile}};
///
/// let put = Put::new(BucketName::new("acme-7f3-films")?, Key::new("1.mp4")?);
/// let film = PutFile::new(put.content_type("video/mp4"), "1.mp4")
///     .state("1.mp4.state")
///     .progress(|it| println!("{} of {} bytes", it.done_bytes, it.total_bytes));
/// # let _ = film;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PutFile {
    /// What to write, and when.
    pub put: Put,
    /// The file.
    pub path: PathBuf,
    /// Where to keep what is needed to go on after a crash; it can't go on, unless set. Its folder must be there.
    pub state: Option<PathBuf>,
    /// How large a part is, 5 MiB to 5 GiB; [what fits](super::parts::part_bytes), unless set. A file that is not larger goes as one.
    pub part_bytes: Option<u64>,
    /// How many parts are under way at a time, each in memory: 1 to 256; 4, unless set.
    pub parallel: usize,
    /// Who is told how far it is; nobody, unless set.
    pub progress: Option<OnProgress>,
}

impl PutFile {
    /// Writes what the file at `path` has.
    pub fn new(put: Put, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { put, path, state: None, part_bytes: None, parallel: PARALLEL, progress: None }
    }

    /// Checks it before anything is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { put, path: _, state: _, part_bytes, parallel, progress: _ } = self;
        put.check()?;
        check_parts(*part_bytes, MIN_PART_BYTES, *parallel)
    }
}

/// See [`BlobExt::get_file`](super::BlobExt::get_file).
///
/// ```
/// use mvi_core::{BucketName, blob::{Get, GetFile, Key}};
///
/// let get = Get::new(BucketName::new("acme-7f3-films")?, Key::new("1.mp4")?);
/// let film = GetFile::new(get, "1.mp4").state("1.mp4.state").parallel(8);
/// # let _ = film;
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GetFile {
    /// What to read: a whole object, without a [range](Get::range).
    pub get: Get,
    /// The file.
    pub path: PathBuf,
    /// Where to keep what is needed to go on after a crash; it can't go on, unless set. Its folder must be there.
    pub state: Option<PathBuf>,
    /// How large the ranges are that are read, 1 MiB to 5 GiB; [as parts are](super::parts::part_bytes), unless set.
    pub part_bytes: Option<u64>,
    /// How many ranges are under way at a time: 1 to 256; 4, unless set.
    pub parallel: usize,
    /// Who is told how far it is; nobody, unless set.
    pub progress: Option<OnProgress>,
}

impl GetFile {
    /// Writes what the object has to the file at `path`.
    pub fn new(get: Get, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { get, path, state: None, part_bytes: None, parallel: PARALLEL, progress: None }
    }

    /// Checks it before anything is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { get, path: _, state: _, part_bytes, parallel, progress: _ } = self;
        get.check()?;
        if get.range.is_some() {
            return invalid("a range to be read into a file, wanted the whole object");
        }
        check_parts(*part_bytes, 1 << 20, *parallel)
    }
}

moved!(PutFile);
moved!(GetFile);

fn check_parts(part_bytes: Option<u64>, least: u64, parallel: usize) -> Result<()> {
    if let Some(bytes) = part_bytes
        && !(least..=MAX_PART_BYTES).contains(&bytes)
    {
        return invalid(format!("parts of {bytes} bytes, wanted {least} to {MAX_PART_BYTES}"));
    }
    if !(1..=MAX_PARALLEL).contains(&parallel) {
        return invalid(format!("{parallel} parts at a time, wanted 1 to {MAX_PARALLEL}"));
    }
    Ok(())
}

/// Counts what is done, and tells.
struct Gauge {
    done: AtomicU64,
    total: u64,
    tell: Option<OnProgress>,
}

impl Gauge {
    /// Nothing is done yet.
    fn new(total: u64, tell: Option<OnProgress>) -> Self {
        Self { done: AtomicU64::new(0), total, tell }
    }

    /// One task does all of a transfer's work, so that what is told comes in its order.
    fn add(&self, bytes: u64) {
        let done_bytes = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(OnProgress(tell)) = &self.tell {
            tell(Progress { done_bytes, total_bytes: self.total });
        }
    }
}
