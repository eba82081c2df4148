//! Which bytes of an object.

use std::ops::{Range, RangeFrom, RangeInclusive};

use serde::{Deserialize, Serialize};

use super::check::invalid;
use crate::Result;

/// Which bytes of an object: not all that is asked for need be there, but the first must.
///
/// ```
/// use mvi_core::blob::ByteRange;
///
/// assert_eq!(ByteRange::from(2..4).resolve(10)?, 2..4);
/// assert_eq!(ByteRange::from(8..100).resolve(10)?, 8..10);
/// assert_eq!(ByteRange::from(8..).resolve(10)?, 8..10);
/// assert_eq!(ByteRange::Last(3).resolve(10)?, 7..10);
/// assert!(ByteRange::from(10..).resolve(10).is_err());
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ByteRange {
    /// From the first offset, counted from 0, up to and without the second.
    Between(u64, u64),
    /// From an offset on.
    From(u64),
    /// The last so many.
    Last(u64),
}

impl ByteRange {
    /// Checks that it has a byte.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Between(start, end) if start >= end => {
                invalid(format!("a range from {start} to {end}, wanted one with a byte"))
            }
            Self::Last(0) => invalid("a range of no bytes, wanted one with a byte"),
            _ => Ok(()),
        }
    }

    /// Which bytes they are of an object of `size`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where there is none.
    pub fn resolve(self, size: u64) -> Result<Range<u64>> {
        self.check()?;
        let range = match self {
            Self::Between(start, end) => start..end.min(size),
            Self::From(start) => start..size,
            Self::Last(bytes) => size.saturating_sub(bytes)..size,
        };
        if range.start >= size {
            return invalid(format!("a range from {} of {size} bytes", range.start));
        }
        Ok(range)
    }

    /// It as HTTP's `Range` says it: `bytes=0-9`. Of a [checked](Self::check) range: of one without a byte it says something else.
    ///
    /// ```
    /// use mvi_core::blob::ByteRange;
    ///
    /// assert_eq!(ByteRange::from(0..10).header(), "bytes=0-9");
    /// assert_eq!(ByteRange::Last(10).header(), "bytes=-10");
    /// ```
    pub fn header(self) -> String {
        match self {
            Self::Between(start, end) => format!("bytes={start}-{}", end.saturating_sub(1)),
            Self::From(start) => format!("bytes={start}-"),
            Self::Last(bytes) => format!("bytes=-{bytes}"),
        }
    }
}

impl From<Range<u64>> for ByteRange {
    fn from(range: Range<u64>) -> Self {
        Self::Between(range.start, range.end)
    }
}

impl From<RangeInclusive<u64>> for ByteRange {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self::Between(*range.start(), range.end().saturating_add(1))
    }
}

impl From<RangeFrom<u64>> for ByteRange {
    fn from(range: RangeFrom<u64>) -> Self {
        Self::From(range.start)
    }
}
