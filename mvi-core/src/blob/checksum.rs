//! The checksum that goes with an object from its writer to its readers.

use std::{
    fmt,
    pin::Pin,
    str::FromStr,
    task::{Context, Poll},
};

use bytes::Bytes;
use crc_fast::{CrcAlgorithm::Crc32Iscsi, Digest, checksum_combine, crc32_iscsi};
use data_encoding::BASE64;
use futures::{Stream, stream::BoxStream};
use serde::{Deserialize, Serialize};

use crate::{Applied, Error, ErrorKind, Result};

/// A CRC-32C (Castagnoli), the checksum that S3 and Cloud Storage both keep of a whole object.
///
/// As text it is what both write: the base64 of its four bytes, the most significant first.
///
/// ```
/// use mvi_core::blob::Crc32c;
///
/// let whole = Crc32c::of(b"hello world");
/// assert_eq!(Crc32c::of(b"hello ").append(b"world"), whole);
/// assert_eq!(Crc32c::of(b"hello ").join(Crc32c::of(b"world"), 5), whole);
/// assert_eq!(whole.to_string(), "yZRlqg==");
/// assert_eq!("yZRlqg==".parse::<Crc32c>()?, whole);
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Crc32c(u32);

impl Crc32c {
    /// That of a number, as Cloud Storage's gRPC has it.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// That of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        // iSCSI's is Castagnoli's.
        Self(crc32_iscsi(bytes))
    }

    /// That of what it was of with `bytes` behind it.
    #[must_use]
    pub fn append(self, bytes: &[u8]) -> Self {
        let mut digest = Digest::new_with_init_state(Crc32Iscsi, u64::from(!self.0));
        digest.update(bytes);
        Self::low(digest.finalize())
    }

    /// That of what it was of with something behind it, of which only the checksum and the length are known.
    #[must_use]
    pub fn join(self, behind: Self, behind_bytes: u64) -> Self {
        Self::low(checksum_combine(Crc32Iscsi, self.0.into(), behind.0.into(), behind_bytes))
    }

    /// The half of an answer that has a checksum of 32 bits.
    const fn low(checksum: u64) -> Self {
        Self((checksum & 0xFFFF_FFFF) as u32)
    }

    /// It as a number.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Checks that it is `wanted`.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt), with both.
    pub fn check(self, wanted: Self) -> Result<()> {
        if self == wanted {
            return Ok(());
        }
        let message = format!("a checksum of {self}, wanted {wanted}");
        Err(Error::new(ErrorKind::Corrupt, message))
    }
}

impl fmt::Display for Crc32c {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        BASE64.encode_display(&self.0.to_be_bytes()).fmt(f)
    }
}

impl fmt::Debug for Crc32c {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crc32c({self})")
    }
}

impl FromStr for Crc32c {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = BASE64.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|it| <[u8; 4]>::try_from(it).ok());
        bytes
            .map(|it| Self(u32::from_be_bytes(it)))
            .ok_or_else(|| Error::invalid("not a CRC-32C: wanted the base64 of its four bytes"))
    }
}

impl TryFrom<String> for Crc32c {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Crc32c> for String {
    fn from(checksum: Crc32c) -> Self {
        checksum.to_string()
    }
}

/// A body that is held against what it should be, as it passes: a length and, where it is known, a checksum.
///
/// A body that ends early, goes on for too long or has another checksum ends with [`Corrupt`](ErrorKind::Corrupt), and never as if it were
/// whole.
///
/// ```
/// use bytes::Bytes;
/// use futures::{StreamExt as _, TryStreamExt as _, stream};
/// use mvi_core::{ErrorKind, Result, blob::{Checked, Crc32c}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let flipped = stream::iter([Ok(Bytes::from_static(b"hellp"))]).boxed();
/// let checked = Checked::new(flipped, 5, Some(Crc32c::of(b"hello")));
/// let error = checked.try_collect::<Vec<_>>().await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Corrupt);
/// # }
/// ```
pub struct Checked {
    body: BoxStream<'static, Result<Bytes>>,
    wanted: Option<Crc32c>,
    seen: Crc32c,
    left: u64,
    ended: bool,
}

impl Checked {
    /// Holds `body` against `length` and, where there is one, `checksum`.
    pub fn new(
        body: BoxStream<'static, Result<Bytes>>,
        length: u64,
        checksum: Option<Crc32c>,
    ) -> Self {
        Self { body, wanted: checksum, seen: Crc32c::default(), left: length, ended: false }
    }

    /// What is to be told where the body ends.
    fn end(&self) -> Option<Result<Bytes>> {
        let short = |left| Some(Err(corrupt(format!("a body that ends {left} bytes early"))));
        match (self.left, self.wanted) {
            (0, Some(wanted)) => self.seen.check(wanted).map_err(unchanged).err().map(Err),
            (0, None) => None,
            (left, _) => short(left),
        }
    }
}

impl Stream for Checked {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = match self.body.as_mut().poll_next(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(next) => next,
        };
        let item = match next {
            Some(Ok(bytes)) if bytes.len() as u64 <= self.left => {
                self.left -= bytes.len() as u64;
                if self.wanted.is_some() {
                    self.seen = self.seen.append(&bytes);
                }
                // The last bytes are held back where they are wrong: nobody may take them for the end.
                let end = if self.left == 0 { self.end() } else { None };
                self.ended = end.is_some();
                return Poll::Ready(Some(end.unwrap_or(Ok(bytes))));
            }
            Some(Ok(_)) => Some(Err(corrupt("a body longer than it was said to be"))),
            Some(Err(error)) => Some(Err(error)),
            None => self.end(),
        };
        self.ended = true;
        Poll::Ready(item)
    }
}

/// What is said of a body on its way that is not as it should be.
pub(super) fn corrupt(message: impl Into<String>) -> Error {
    unchanged(Error::new(ErrorKind::Corrupt, message))
}

/// Nothing changes by a body that is looked at on its way.
pub(super) fn unchanged(error: Error) -> Error {
    error.with_applied(Applied::No)
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("left", &self.left).finish_non_exhaustive()
    }
}
