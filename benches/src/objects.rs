//! The objects that stores are measured with, known to clients and servers alike.

use bytes::{Bytes, BytesMut};
use mvi_core::blob::Crc32c;

/// The bucket that they are in.
pub const BUCKET: &str = "mvi-bench-objects";
/// The key of the small one.
pub const SMALL: &str = "small/object";
/// How large the small one is.
pub const SMALL_BYTES: usize = 1 << 10;
/// The key of the large one.
pub const LARGE: &str = "large/object";
/// How many of them a page has.
pub const PAGE: usize = 1_000;
/// How large the parts of an upload are.
pub const PART_BYTES: usize = 8 << 20;
/// How many parts are under way at a time.
pub const PARALLEL: usize = 4;

/// The tag of every object.
pub const TAG: &str = "\"70ee1738b6b21e2c8a43f3a5ab0eee71\"";
/// When each was written, as HTTP says it.
pub const WRITTEN: &str = "Fri, 02 Jan 2026 03:04:05 GMT";

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// How large the large one is.
    pub large: usize,
    /// How many objects a listing has: whole pages.
    pub listed: usize,
}

impl Sizes {
    /// What is measured.
    pub const FULL: Self = Self { large: 256 << 20, listed: 100_000 };
    /// What shows that it works: some parts, some pages.
    pub const SMOKE: Self = Self { large: 20 << 20, listed: 3 * PAGE };
}

/// So many bytes that no compression makes fewer: the same each time, and those of a larger one start with those of a smaller.
pub fn content(bytes: usize) -> Bytes {
    let mut all = BytesMut::zeroed(bytes);
    let mut chance = 88_172_645_463_325_252_u64;
    for chunk in all.chunks_mut(8) {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        chunk.copy_from_slice(&chance.to_le_bytes()[..chunk.len()]);
    }
    all.freeze()
}

/// An object with its checksum, as both clouds write it.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its bytes.
    pub bytes: Bytes,
    /// Their CRC-32C.
    pub checksum: String,
}

impl Content {
    /// So many bytes of [`content`].
    pub fn new(bytes: usize) -> Self {
        let bytes = content(bytes);
        let checksum = Crc32c::of(&bytes).to_string();
        Self { bytes, checksum }
    }
}

/// The key of object `n` of a listing.
pub fn listed(n: usize) -> String {
    format!("data/2026/part-{n:08}.parquet")
}
