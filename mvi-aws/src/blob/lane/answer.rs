//! An answer: what its head says, and its body.

use std::{future::poll_fn, pin::Pin};

use aws_smithy_runtime_api::{box_error::BoxError, client::orchestrator::HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Frame};

/// What was answered to a call that succeeded.
#[derive(Debug)]
pub(in super::super) struct Answer {
    head: HttpResponse,
    bytes: Bytes,
}

impl Answer {
    pub(super) fn new(head: HttpResponse, bytes: Bytes) -> Self {
        Self { head, bytes }
    }

    pub(in super::super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.headers().iter()
    }

    pub(in super::super) fn header(&self, name: &'static str) -> Option<&str> {
        self.head.headers().get(name)
    }

    pub(in super::super) fn text(&self, name: &'static str) -> Option<String> {
        self.header(name).map(str::to_owned)
    }

    /// The body of an answer that was read whole.
    pub(in super::super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The body of an answer that was not read.
    pub(in super::super) fn take_body(&mut self) -> SdkBody {
        std::mem::replace(self.head.body_mut(), SdkBody::taken())
    }
}

/// Reads the body of an answer to its end, up to `most` bytes.
pub(super) async fn whole(response: &mut HttpResponse, most: usize) -> Result<Bytes, BoxError> {
    let length = response.headers().get("content-length").and_then(|it| it.parse().ok());
    let body = response.body_mut();
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    // What has no end that is known ahead has to be asked for it, so that its connection can be used again.
    while !body.is_end_stream() {
        let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await else { break };
        let Ok(piece) = frame.map(Frame::into_data)? else { continue };
        if first.len() + all.len() + piece.len() > most {
            return Err(format!("an answer of more than {most} bytes").into());
        }
        // Most have one piece.
        if first.is_empty() && all.is_empty() {
            first = piece;
            continue;
        }
        if all.is_empty() {
            all.reserve(length.unwrap_or(0).min(most));
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&piece);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::StreamBody;

    use super::*;

    fn response(pieces: &[&'static str]) -> HttpResponse {
        let frames: Vec<_> = pieces.iter().map(|it| Ok(Frame::data(Bytes::from(*it)))).collect();
        let body =
            StreamBody::new(stream::iter(frames.into_iter().map(|it: Result<_, BoxError>| it)));
        HttpResponse::new(200.try_into().unwrap(), SdkBody::from_body_1_x(body))
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end_and_no_further_than_it_may() {
        for pieces in [&[][..], &["abc"], &["", "ab", "", "c"], &["a", "b", "c"]] {
            let got = whole(&mut response(pieces), 3).await.unwrap();
            assert_eq!(got, pieces.concat());
        }
        for pieces in [&["abcd"][..], &["abc", "d"], &["a", "b", "c", "d"]] {
            whole(&mut response(pieces), 3).await.unwrap_err();
        }
    }
}
