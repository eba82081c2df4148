//! The answers of Cloud Storage's gRPC: what one object is, and a listing, page by page.
//!
//! Two messages are written by hand, since no crate here makes their servers.

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    header::{self, HeaderMap, HeaderValue},
};
use mvi_benches::objects::{self, BUCKET, PAGE};
use mvi_core::blob::Crc32c;

use crate::{Answer, Canned};

/// When each object was written, in seconds.
const WRITTEN: u64 = 1_767_323_045;
const GENERATION: u64 = 1_767_323_045_000_000;

/// A listing, page by page.
pub(crate) struct Pages(Vec<Bytes>);

impl Pages {
    pub(crate) fn new(listed: usize) -> Self {
        let pages = listed.div_ceil(PAGE);
        let page = |page: usize| {
            let mut message = Message::default();
            for n in page * PAGE..(page + 1) * PAGE {
                message = message.message(1, &object(&objects::listed(n), 434_234, Crc32c::new(7)));
            }
            if page + 1 < pages {
                message = message.text(3, &format!("page-{}", page + 1));
            }
            message.0.freeze()
        };
        Self((0..pages).map(page).collect())
    }
}

pub(crate) fn is_call(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|it| it.as_bytes().starts_with(b"application/grpc"))
}

pub(crate) async fn answer(canned: &Canned, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let sent = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    // Before the message are a byte for whether it is compressed and four for its length.
    let sent = sent.get(5..).unwrap_or_default();
    let method = parts.uri.path().rsplit('/').next().unwrap_or_default();
    let message = if method == "ListObjects" {
        let token = text(sent, 3).and_then(|it| it.strip_prefix("page-")?.parse().ok());
        canned.listing.0.get(token.unwrap_or(0_usize)).cloned().unwrap_or_default()
    } else {
        // `GetObject`.
        let key = text(sent, 2).unwrap_or_default();
        let stored = canned.object(key);
        let checksum = stored.checksum.parse().unwrap_or_default();
        object(key, stored.bytes.len() as u64, checksum).0.freeze()
    };
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    let trailers = async {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        Some(Ok(trailers))
    };
    let body = Full::new(framed.freeze()).with_trailers(trailers).boxed_unsync();
    let mut response = Response::new(body);
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    response
}

fn object(name: &str, bytes: u64, checksum: Crc32c) -> Message {
    let written = Message::default().number(1, WRITTEN);
    let checksums = Message::default().fixed32(1, checksum.value());
    Message::default()
        .text(1, name)
        .text(2, &format!("projects/_/buckets/{BUCKET}"))
        .number(3, GENERATION)
        .number(4, 1)
        .text(5, "STANDARD")
        .number(6, bytes)
        .text(13, "application/octet-stream")
        .message(14, &written)
        .message(16, &checksums)
        .message(17, &written)
        .text(27, "CPjf6e3K4YUDEAE=")
}

/// A message of Protocol Buffers, as it grows.
#[derive(Clone, Debug, Default)]
struct Message(BytesMut);

impl Message {
    fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.put_u8(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
            value >>= 7;
        }
        self.0.put_u8(u8::try_from(value).unwrap_or_default());
        self
    }

    fn number(self, field: u64, value: u64) -> Self {
        self.varint(field << 3).varint(value)
    }

    fn fixed32(self, field: u64, value: u32) -> Self {
        let mut message = self.varint(field << 3 | 5);
        message.0.put_u32_le(value);
        message
    }

    fn bytes(self, field: u64, value: &[u8]) -> Self {
        let mut message = self.varint(field << 3 | 2).varint(value.len() as u64);
        message.0.put_slice(value);
        message
    }

    fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }
}

/// The text in a field of a message, of which only the outermost is looked at.
fn text(mut message: &[u8], wanted: u64) -> Option<&str> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let length = match tag & 7 {
            0 => {
                varint(&mut message)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (value, rest) = message.split_at_checked(length)?;
        if tag == wanted << 3 | 2 {
            return std::str::from_utf8(value).ok();
        }
        message = rest;
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_behind_others() {
        let long = "k".repeat(300);
        let message =
            Message::default().number(9, 1 << 40).fixed32(8, 7).text(2, &long).text(3, "page-7");
        assert_eq!(text(&message.0, 2), Some(long.as_str()));
        assert_eq!(text(&message.0, 3), Some("page-7"));
        assert_eq!(text(&message.0, 4), None);
        assert_eq!(text(&message.0[..20], 3), None);
    }
}
