//! A body on its way, which goes on where it broke.

use std::{
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures::{FutureExt as _, Stream, future::BoxFuture, ready};
use hyper::body::{Body as _, Frame};
use mvi_core::{
    Applied, Error, ErrorKind, Result,
    blob::{Get, Tag},
};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Inner, read::content_range};
use crate::partial::Rounds;

/// How much must come between two breaks for the second not to count as one more of the same.
const STEP_BYTES: u64 = 1 << 20;

/// The rest of a body.
pub(super) struct Download {
    state: State,
    /// What a break needs, but while it is being mended.
    mender: Option<Box<Mender>>,
    quiet: Quiet,
    at: u64,
    end: u64,
}

enum State {
    Reading(SdkBody),
    Mending(BoxFuture<'static, (Box<Mender>, Result<SdkBody>)>),
    Ended,
}

/// Asks for what is missing of a body that broke.
struct Mender {
    inner: Arc<Inner>,
    /// What to ask for: the same object, from there on.
    again: Get,
    rounds: Option<Rounds>,
    /// Where the last break was.
    last: u64,
}

impl Download {
    pub(super) fn new(
        inner: Arc<Inner>,
        request: Get,
        tag: &Tag,
        range: Range<u64>,
        body: SdkBody,
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
        let quiet = Quiet { most: inner.timeouts.read, since: None, timer: None };
        let mender = Some(Box::new(Mender { inner, again, rounds: None, last: at }));
        Self { state: State::Reading(body), mender, quiet, at, end }
    }

    /// The next piece, or why there is none.
    fn piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes>> {
        let at = self.at;
        let State::Reading(body) = &mut self.state else {
            return Poll::Ready(Err(broken("a body that is not read", at)));
        };
        loop {
            let frame: Option<std::result::Result<Frame<Bytes>, BoxError>> =
                match Pin::new(&mut *body).poll_frame(cx) {
                    Poll::Ready(frame) => frame,
                    Poll::Pending => {
                        ready!(self.quiet.poll(cx));
                        let waited = self.quiet.most;
                        let message = format!("a body that gave nothing for {waited:?} at {at}");
                        let error = Error::new(ErrorKind::Timeout, message);
                        return Poll::Ready(Err(error.with_applied(Applied::No)));
                    }
                };
            self.quiet.since = None;
            match frame.map(|it| it.map(Frame::into_data)) {
                Some(Ok(Ok(piece))) if !piece.is_empty() => return Poll::Ready(Ok(piece)),
                // Nothing, or what comes behind.
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    let error = broken("a body that broke", at).with_source(error);
                    return Poll::Ready(Err(error));
                }
                None => return Poll::Ready(Err(broken("a body that ended early", at))),
            }
        }
    }
}

impl Stream for Download {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.at >= this.end {
                this.state = State::Ended;
            }
            match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Reading(_) => {
                    let cause = match ready!(this.piece(cx)) {
                        Ok(piece) => {
                            this.at = this.at.saturating_add(piece.len() as u64);
                            return Poll::Ready(Some(Ok(piece)));
                        }
                        Err(cause) => cause,
                    };
                    // What broke is closed before another is asked for.
                    this.state = State::Ended;
                    let Some(mender) = this.mender.take() else {
                        return Poll::Ready(Some(Err(cause)));
                    };
                    this.state = State::Mending(mender.mend(cause, this.at..this.end).boxed());
                }
                State::Mending(mending) => {
                    let (mender, rest) = ready!(mending.poll_unpin(cx));
                    this.mender = Some(mender);
                    match rest {
                        Ok(body) => this.state = State::Reading(body),
                        Err(error) => {
                            this.state = State::Ended;
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                }
            }
        }
    }
}

impl Mender {
    /// Asks for the rest of a body, as long as it may help.
    async fn mend(
        mut self: Box<Self>,
        mut cause: Error,
        rest: Range<u64>,
    ) -> (Box<Self>, Result<SdkBody>) {
        loop {
            if !cause.is_retryable() || !self.may_go_on(&rest).await {
                return (self, Err(cause));
            }
            match self.reopen(rest.clone()).await {
                Ok(body) => return (self, Ok(body)),
                Err(error) => cause = error,
            }
        }
    }

    /// Whether to go on after a break, once it is time to.
    async fn may_go_on(&mut self, rest: &Range<u64>) -> bool {
        let left = |from: u64| {
            let steps = rest.end.saturating_sub(from).div_ceil(STEP_BYTES);
            usize::try_from(steps).unwrap_or(usize::MAX)
        };
        let (before, after) = (left(self.last), left(rest.start));
        self.last = rest.start;
        let retries = self.inner.retries;
        self.rounds.get_or_insert_with(|| Rounds::new(retries)).again(before, after).await
    }

    /// Asks for the rest of a body. Of another object, it would be no rest.
    async fn reopen(&mut self, rest: Range<u64>) -> Result<SdkBody> {
        self.again.range = Some(rest.clone().into());
        let answer = self.inner.get_object(&self.again).await;
        let mut answer = answer.map_err(|error| match error.kind() {
            ErrorKind::Conflict | ErrorKind::NotFound => {
                Error::conflict("the object was replaced or removed while it was read")
                    .with_source(error)
            }
            _ => error,
        })?;
        let found = answer.header("content-range").and_then(content_range);
        if found.is_none_or(|(range, _)| range != rest) {
            let message = format!("the rest of a body, wanted from {} on", rest.start);
            return Err(Error::new(ErrorKind::Corrupt, message).with_applied(Applied::No));
        }
        Ok(answer.take_body())
    }
}

/// How long a body has given nothing.
struct Quiet {
    most: Duration,
    /// Since when it has been waited for.
    since: Option<Instant>,
    /// Goes off when it has been too long, or too early: to set it anew for each piece would cost more than the piece.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Quiet {
    /// Is ready once it has been too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let end = *self.since.get_or_insert_with(Instant::now) + self.most;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= end {
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
    }
}

fn broken(what: &str, at: u64) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what} at {at}")).with_applied(Applied::No)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_quiet_is_so_since_the_last_piece() {
        let most = Duration::from_secs(5);
        let mut quiet = Quiet { most, since: None, timer: None };
        for _ in 0..10 {
            // A piece comes each 4 s.
            let waited = poll_fn(|cx| quiet.poll(cx));
            tokio::select! { biased; () = waited => panic!("too early"), () = sleep(most * 4 / 5) => {} }
            quiet.since = None;
        }
        let start = Instant::now();
        poll_fn(|cx| quiet.poll(cx)).await;
        assert!((most..most + Duration::from_millis(10)).contains(&start.elapsed()));
    }
}
