//! A body on its way, which goes on where it broke.

use std::{ops::Range, sync::Arc};

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use mvi_core::{
    Applied, Error, ErrorKind, Result,
    blob::{Get, Tag},
};
use tokio::time::timeout;

use super::{Inner, read::content_range};
use crate::partial::Rounds;

/// How much must come between two breaks for the second not to count as one more of the same.
const STEP_BYTES: u64 = 1 << 20;

/// The rest of a body.
pub(super) struct Download {
    inner: Arc<Inner>,
    /// What to ask for where it breaks: the same object, from there on.
    again: Get,
    body: Option<ByteStream>,
    at: u64,
    end: u64,
    breaks: Breaks,
}

/// The breaks so far, which are few and cost nothing as long as there is none.
struct Breaks {
    rounds: Option<Rounds>,
    /// Where the last was.
    at: u64,
}

impl Download {
    pub(super) fn new(
        inner: Arc<Inner>,
        request: Get,
        tag: &Tag,
        range: Range<u64>,
        body: ByteStream,
    ) -> Self {
        let Get { bucket, key, range: _, if_match: _, if_none_match: _, version } = request;
        let again = Get {
            bucket,
            key,
            range: None,
            if_match: Some(tag.clone()),
            if_none_match: None,
            version,
        };
        let Range { start: at, end } = range;
        Self { inner, again, body: Some(body), at, end, breaks: Breaks { rounds: None, at } }
    }

    /// What comes next, and the rest after it.
    pub(super) async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        while self.at < self.end {
            let cause = match self.piece().await {
                Ok(piece) => {
                    self.at = self.at.saturating_add(piece.len() as u64);
                    return Ok(Some((piece, self)));
                }
                Err(cause) => cause,
            };
            self.body = None;
            if !cause.is_retryable() || !self.may_go_on().await {
                return Err(cause);
            }
        }
        Ok(None)
    }

    /// The next piece of the body, which is asked for again where it broke.
    async fn piece(&mut self) -> Result<Bytes> {
        let body = match &mut self.body {
            Some(body) => body,
            none => none.insert(reopen(&self.inner, &mut self.again, self.at..self.end).await?),
        };
        loop {
            match timeout(self.inner.timeouts.read, body.next()).await {
                Ok(Some(Ok(piece))) if piece.is_empty() => {}
                Ok(Some(Ok(piece))) => return Ok(piece),
                Ok(Some(Err(error))) => {
                    return Err(broken("a body that broke", self.at).with_source(error));
                }
                Ok(None) => return Err(broken("a body that ended early", self.at)),
                Err(_) => {
                    let waited = self.inner.timeouts.read;
                    let message = format!("a body that gave nothing for {waited:?} at {}", self.at);
                    return Err(Error::new(ErrorKind::Timeout, message).with_applied(Applied::No));
                }
            }
        }
    }

    /// Whether to go on after a break, once it is time to.
    async fn may_go_on(&mut self) -> bool {
        let left = |from: u64| {
            let steps = self.end.saturating_sub(from).div_ceil(STEP_BYTES);
            usize::try_from(steps).unwrap_or(usize::MAX)
        };
        let (before, after) = (left(self.breaks.at), left(self.at));
        self.breaks.at = self.at;
        let retries = self.inner.retries;
        self.breaks.rounds.get_or_insert_with(|| Rounds::new(retries)).again(before, after).await
    }
}

/// Asks for the rest of a body. Of another object, it would be no rest.
async fn reopen(inner: &Inner, again: &mut Get, rest: Range<u64>) -> Result<ByteStream> {
    again.range = Some(rest.clone().into());
    let answer = inner.get_object(again).await.map_err(|error| match error.kind() {
        ErrorKind::Conflict | ErrorKind::NotFound => {
            Error::conflict("the object was replaced or removed while it was read")
                .with_source(error)
        }
        _ => error,
    })?;
    let found = answer.content_range.as_deref().and_then(content_range);
    if found.is_none_or(|(range, _)| range != rest) {
        let message = format!("the rest of a body, wanted from {} on", rest.start);
        return Err(Error::new(ErrorKind::Corrupt, message).with_applied(Applied::No));
    }
    Ok(answer.body)
}

fn broken(what: &str, at: u64) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what} at {at}")).with_applied(Applied::No)
}
