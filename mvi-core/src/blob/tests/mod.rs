//! Tests of what providers and callers share, and what they are made of.

mod body;
mod check;
mod ext;
mod file;
mod get_file;
#[cfg(feature = "object_store")]
mod object_store;
mod parts;
mod store;
mod sync;
mod values;

use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};

use super::{Body, Key};
use crate::{BucketName, Result};

pub(super) fn bucket() -> BucketName {
    BucketName::new("acme-7f3-tests").unwrap()
}

pub(super) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

/// Bytes that are the same for the same seed, and nowhere alike.
pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// What comes in these chunks.
pub(super) fn chunks(chunks: Vec<Result<Bytes>>) -> BoxStream<'static, Result<Bytes>> {
    stream::iter(chunks).boxed()
}

pub(super) fn once(bytes: &[u8], chunk: usize) -> Body {
    let all: Vec<_> = bytes.chunks(chunk.max(1)).map(|it| Ok(Bytes::copy_from_slice(it))).collect();
    Body::Once(chunks(all))
}
