//! Bytes that are stored, and how they come to a reader.

use std::{
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, future, stream, stream::BoxStream};
use mvi_core::{
    Applied, Error, ErrorKind, Result,
    blob::{Body, Crc32c, MAX_COLLECTED_BYTES, MAX_OBJECT_BYTES, MAX_PART_BYTES},
    hook::Op,
};

use crate::sim::world::World;

/// Pieces of a stream that are smaller than this are joined.
const PIECE_BYTES: usize = 256 << 10;

/// Bytes that are stored, as they came: nothing is copied that need not be.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pieces: Pieces,
    pub(super) size: u64,
    pub(super) checksum: Crc32c,
}

#[derive(Clone, Debug)]
enum Pieces {
    One(Bytes),
    /// Each with where it starts.
    Many(Arc<[(u64, Bytes)]>),
}

impl Content {
    /// Bytes in memory.
    pub(super) fn one(bytes: Bytes) -> Self {
        let (size, checksum) = (bytes.len() as u64, Crc32c::of(&bytes));
        Self { pieces: Pieces::One(bytes), size, checksum }
    }

    /// All that `body` has.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) where it is more than an object may have; that of the body.
    pub(super) async fn read(body: Body) -> Result<Self> {
        match body {
            Body::Bytes(bytes) => Ok(Self::one(bytes)),
            // Boxed, so that a call with bytes in memory is not as large as one that reads; as below.
            Body::Once(body) => Box::pin(Self::gather(body, MAX_OBJECT_BYTES)).await,
            again => Box::pin(Self::read_again(again, MAX_OBJECT_BYTES)).await,
        }
    }

    /// All that `body` has, for one part of an upload.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) where it is more than a part may have; that of the body.
    pub(super) async fn read_part(body: Body) -> Result<Self> {
        match body {
            Body::Bytes(bytes) if bytes.len() as u64 > MAX_PART_BYTES => {
                Err(too_much(bytes.len() as u64, MAX_PART_BYTES))
            }
            Body::Bytes(bytes) => Ok(Self::one(bytes)),
            other => Box::pin(Self::read_again(other, MAX_PART_BYTES)).await,
        }
    }

    async fn read_again(body: Body, most: u64) -> Result<Self> {
        let body = body.replayable(MAX_COLLECTED_BYTES).await?;
        let length = body.length();
        if length > most {
            return Err(too_much(length, most));
        }
        Self::gather(body.read(0..length), most).await
    }

    async fn gather(mut body: BoxStream<'static, Result<Bytes>>, most: u64) -> Result<Self> {
        let (mut pieces, mut small) = (Vec::new(), BytesMut::new());
        let (mut size, mut checksum) = (0, Crc32c::default());
        while let Some(bytes) = body.try_next().await? {
            size += bytes.len() as u64;
            if size > most {
                return Err(too_much(size, most));
            }
            checksum = checksum.append(&bytes);
            if bytes.len() < PIECE_BYTES {
                small.extend_from_slice(&bytes);
            }
            if !small.is_empty() && (bytes.len() >= PIECE_BYTES || small.len() >= PIECE_BYTES) {
                pieces.push(small.split().freeze());
            }
            if bytes.len() >= PIECE_BYTES {
                pieces.push(bytes);
            }
        }
        if !small.is_empty() {
            pieces.push(small.freeze());
        }
        Ok(Self { pieces: Pieces::of(pieces), size, checksum })
    }

    /// Holds it against the checksum that its writer said.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) where it has another one: then it is not stored.
    pub(super) fn expect(&self, wanted: Crc32c) -> Result<()> {
        self.checksum.check(wanted).map_err(|e| e.with_applied(Applied::No))
    }

    /// All of `parts`, one behind the other.
    pub(super) fn join<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let (mut pieces, mut size, mut checksum) = (Vec::new(), 0, Crc32c::default());
        for part in parts {
            match &part.pieces {
                Pieces::One(bytes) => pieces.push(bytes.clone()),
                Pieces::Many(many) => pieces.extend(many.iter().map(|(_, bytes)| bytes.clone())),
            }
            size += part.size;
            checksum = checksum.join(part.checksum, part.size);
        }
        Self { pieces: Pieces::of(pieces), size, checksum }
    }

    /// All of `range`, where it lies together, comes in one piece and nothing befalls it.
    pub(super) fn at_once(
        &self,
        range: &Range<u64>,
        fate: Fate,
        chunk: &RangeInclusive<u32>,
    ) -> Option<Bytes> {
        if fate != Fate::Whole || *chunk.start() != u32::MAX {
            return None;
        }
        let length = range.end - range.start;
        Some(self.at(range.start, length)).filter(|it| it.len() as u64 == length)
    }

    /// What lies together at `from`, of at most `most` bytes; nothing at the end.
    fn at(&self, from: u64, most: u64) -> Bytes {
        let (start, bytes) = match &self.pieces {
            Pieces::One(bytes) => (0, bytes),
            Pieces::Many(many) => {
                let behind = many.partition_point(|(start, _)| *start <= from);
                let Some((start, bytes)) = many.get(behind.saturating_sub(1)) else {
                    return Bytes::new();
                };
                (*start, bytes)
            }
        };
        let offset = |it: u64| usize::try_from(it).unwrap_or(usize::MAX).min(bytes.len());
        let (from, to) = (from.saturating_sub(start), from.saturating_add(most) - start);
        bytes.slice(offset(from)..offset(to))
    }
}

impl Pieces {
    fn of(mut pieces: Vec<Bytes>) -> Self {
        pieces.retain(|it| !it.is_empty());
        if pieces.len() < 2 {
            return Self::One(pieces.pop().unwrap_or_default());
        }
        let mut next = 0;
        let placed = pieces.into_iter().map(|bytes| {
            let start = next;
            next += bytes.len() as u64;
            (start, bytes)
        });
        Self::Many(placed.collect())
    }
}

fn too_much(bytes: u64, most: u64) -> Error {
    Error::invalid(format!("a body of {bytes} bytes or more, wanted at most {most}"))
}

/// What befalls a body on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Whole,
    /// The byte at this offset has this bit flipped.
    Flipped(u64, u32),
    /// The connection breaks before the byte at this offset.
    Cut(u64),
}

/// A body on its way to its reader. It holds the very bytes that were there when it was opened.
pub(super) struct Sending {
    pub(super) world: Arc<World>,
    pub(super) op: &'static Op,
    pub(super) content: Content,
    pub(super) range: Range<u64>,
    /// How many bytes come at a time.
    pub(super) chunk: RangeInclusive<u32>,
    pub(super) fate: Fate,
    /// Whether it takes simulated time, where calls do.
    pub(super) takes_time: bool,
}

impl Sending {
    pub(super) fn body(self) -> BoxStream<'static, Result<Bytes>> {
        if !(self.takes_time && self.world.takes_time())
            && let Some(bytes) = self.content.at_once(&self.range, self.fate, &self.chunk)
        {
            return stream::once(future::ready(Ok(bytes))).boxed();
        }
        stream::try_unfold(
            self,
            |mut it| async move { Ok(it.next().await?.map(|bytes| (bytes, it))) },
        )
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.range.is_empty() {
            return Ok(None);
        }
        self.world.transfer(self.op, self.takes_time).await?;
        let from = self.range.start;
        let mut most = u64::from(self.world.pick_in(&self.chunk).max(1));
        if let Fate::Cut(at) = self.fate {
            if at <= from {
                let message = "the connection broke amid the body, as the weather says";
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
            most = most.min(at - from);
        }
        let mut bytes = self.content.at(from, most.min(self.range.end - from));
        if let Fate::Flipped(at, bit) = self.fate
            && (from..from + bytes.len() as u64).contains(&at)
        {
            let mut flipped = BytesMut::from(bytes);
            flipped[usize::try_from(at - from).unwrap_or(0)] ^= 1 << (bit % 8);
            bytes = flipped.freeze();
        }
        self.range.start += bytes.len() as u64;
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_in_memory_is_no_larger_than_a_part_may_be() {
        // Zeros that nobody looks at are in no memory.
        let zeros = usize::try_from(MAX_PART_BYTES + 1).map(|it| vec![0; it]);
        let error = Content::read_part(zeros.unwrap().into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(Content::read_part(vec![0; 10].into()).await.unwrap().size, 10);
    }
}
