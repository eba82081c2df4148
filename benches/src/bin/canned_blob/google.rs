//! The answers of Cloud Storage's JSON API, and of its XML API.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, http::response::Builder,
};
use mvi_benches::objects::{BUCKET, Content, TAG, WRITTEN};
use mvi_core::blob::Crc32c;
use serde_json::json;

use crate::{Answer, Canned, finish, read};

const GENERATION: &str = "1767323045000000";

/// What has arrived of each upload.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<HashMap<String, Arrived>>);

#[derive(Clone, Copy, Default)]
struct Arrived {
    checksum: Crc32c,
    bytes: usize,
}

impl Uploads {
    fn with<T>(&self, id: &str, then: impl FnOnce(&mut Arrived) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        then(all.entry(id.to_owned()).or_default())
    }

    fn start(&self) -> String {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = format!("upload-{}", all.len());
        all.insert(id.clone(), Arrived::default());
        id
    }
}

pub(crate) async fn answer(canned: &Canned, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let value =
        |name: &str| query.split('&').find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
    let name = value("name").unwrap_or_default().replace("%2F", "/");
    match (&parts.method, value("uploadType"), value("upload_id")) {
        (&Method::PUT, _, Some(id)) => part(canned, id, &parts.headers, body).await,
        (&Method::POST, Some("resumable"), _) => {
            let _ = body.collect().await;
            let id = canned.google.start();
            // Google's client says the name of Google's host to every server, so it can't be sent back there.
            let url =
                format!("{}{path}?uploadType=resumable&upload_id={id}&name={name}", canned.url);
            finish(Response::builder().header(header::LOCATION, url), Bytes::new())
        }
        (&Method::POST, ..) => {
            let sent =
                body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let media = media(&parts.headers, &sent);
            object(&name, media.len(), Crc32c::of(media))
        }
        _ if value("alt") == Some("media") => {
            let object = canned.object(&path.replace("%2F", "/"));
            let answer = stored(object);
            read(answer, &parts.method, &parts.headers, object)
        }
        _ => {
            let key = path.split("/o/").nth(1).unwrap_or_default().replace("%2F", "/");
            let stored = canned.object(&key);
            let checksum = stored.checksum.parse().unwrap_or_default();
            object(&key, stored.bytes.len(), checksum)
        }
    }
}

/// Whether a request at a path like S3's is for the XML API: a write has Google's hash, and a read is nobody's, and wants what is packed as
/// it is.
pub(crate) fn is_xml(headers: &hyper::HeaderMap) -> bool {
    headers.contains_key("x-goog-hash")
        || headers.get(header::ACCEPT_ENCODING).is_some_and(|it| it == "gzip")
            && !headers.contains_key(header::AUTHORIZATION)
}

/// A whole object by the XML API: as MVI would have written it.
pub(crate) async fn answer_xml(canned: &Canned, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    if parts.method == Method::PUT {
        let sent = body.collect().await.map(http_body_util::Collected::to_bytes);
        let sent = sent.unwrap_or_default();
        let answer = Response::builder()
            .header(header::ETAG, TAG)
            .header("x-goog-generation", GENERATION)
            .header("x-goog-metageneration", "1")
            .header("x-goog-hash", format!("crc32c={}", Crc32c::of(&sent)))
            .header("x-goog-stored-content-encoding", "identity")
            .header("x-goog-stored-content-length", sent.len());
        return finish(answer, Bytes::new());
    }
    let object = canned.object(parts.uri.path());
    let answer = stored(object)
        .header(header::CACHE_CONTROL, "private, max-age=0")
        .header("x-goog-meta-mvi-nonce", "5d3a0c6f9be14b7a8f2c1d0e9a8b7c6d");
    read(answer, &parts.method, &parts.headers, object)
}

/// The headers that a download has in any case.
fn stored(object: &Content) -> Builder {
    Response::builder()
        .header(header::ETAG, TAG)
        .header(header::LAST_MODIFIED, WRITTEN)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header("x-goog-hash", format!("crc32c={}", object.checksum))
        .header("x-goog-generation", GENERATION)
        .header("x-goog-metageneration", "1")
        .header("x-goog-storage-class", "STANDARD")
        .header("x-goog-stored-content-encoding", "identity")
        .header("x-goog-stored-content-length", object.bytes.len())
}

/// One piece of a resumable upload: more is wanted until the last byte is there.
async fn part(canned: &Canned, id: &str, headers: &hyper::HeaderMap, mut body: Incoming) -> Answer {
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(bytes) = frame.data_ref() {
            canned.google.with(id, |it| {
                it.checksum = it.checksum.append(bytes);
                it.bytes += bytes.len();
            });
        }
    }
    let arrived = canned.google.with(id, |it| *it);
    let range = headers.get(header::CONTENT_RANGE).and_then(|it| it.to_str().ok());
    let whole = range.and_then(|it| it.rsplit('/').next()?.parse::<usize>().ok());
    if whole.is_some_and(|it| it > arrived.bytes) || range.is_some_and(|it| it.ends_with("/*")) {
        let answer = Response::builder()
            .status(StatusCode::PERMANENT_REDIRECT)
            .header(header::RANGE, format!("bytes=0-{}", arrived.bytes.saturating_sub(1)));
        return finish(answer, Bytes::new());
    }
    object("large/object", arrived.bytes, arrived.checksum)
}

/// The last part of a `multipart/related` body.
fn media<'a>(headers: &hyper::HeaderMap, body: &'a Bytes) -> &'a [u8] {
    let kind =
        headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let Some((_, boundary)) = kind.split_once("boundary=") else { return body };
    let end = BytesMut::from(format!("\r\n--{}--", boundary.trim_matches('"')).as_bytes());
    let find = |text: &[u8], from: usize| {
        body[from..].windows(text.len()).position(|it| it == text).map(|it| from + it)
    };
    // Two heads, each before an empty line: that of the description, and that of the bytes.
    let start =
        find(b"\r\n\r\n", 0).and_then(|first| find(b"\r\n\r\n", first + 4)).map(|it| it + 4);
    let start = start.unwrap_or(0);
    let tail = body.len().saturating_sub(end.len() + 8).max(start);
    &body[start..find(&end, tail).unwrap_or(body.len())]
}

fn object(name: &str, bytes: usize, checksum: Crc32c) -> Answer {
    let described = json!({
        "kind": "storage#object",
        "id": format!("{BUCKET}/{name}/{GENERATION}"),
        "name": name,
        "bucket": BUCKET,
        "generation": GENERATION,
        "metageneration": "1",
        "contentType": "application/octet-stream",
        "storageClass": "STANDARD",
        "size": bytes.to_string(),
        "crc32c": checksum.to_string(),
        "etag": "CPjf6e3K4YUDEAE=",
        "timeCreated": "2026-01-02T03:04:05.000Z",
        "updated": "2026-01-02T03:04:05.000Z",
        "timeStorageClassUpdated": "2026-01-02T03:04:05.000Z",
    });
    let answer =
        Response::builder().header(header::CONTENT_TYPE, "application/json; charset=UTF-8");
    finish(answer, described.to_string())
}
