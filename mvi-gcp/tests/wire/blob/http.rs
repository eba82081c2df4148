//! The HTTP side of [`Cloud`]: bodies, in and out, and what may befall them on the way. Whole objects go by the XML API, and large ones by
//! the JSON API's resumable uploads.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::{Buf as _, BytesMut};
use gcloud_sdk::google::storage::v2::Object;
use mvi_core::blob::Crc32c;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::cloud::{Cloud, Fault, Session, State};

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// `insert`, `start`, `chunk`, `status` or `media`.
    pub(super) op: &'static str,
    /// As it came, escaped.
    pub(super) path: String,
    pub(super) query: HashMap<String, String>,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// A server on loopback, until it is dropped.
pub(super) struct Http {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Http {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Http {
    pub(super) async fn of(cloud: &Cloud) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, cloud) = (Arc::clone(&asked), cloud.clone());
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                let (kept, cloud) = (Arc::clone(&kept), cloud.clone());
                tokio::spawn(async move { serve(socket, cloud, kept, address).await });
            }
        });
        Self { address, asked, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn count(&self, op: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|it| it.op == op).count()
    }

    pub(super) fn forget(&self) {
        self.asked.lock().unwrap().clear();
    }
}

struct Head {
    verb: String,
    path: String,
    query: HashMap<String, String>,
    headers: HashMap<String, String>,
}

impl Head {
    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let mut first = lines.next().unwrap().split(' ');
        let (verb, target) = (first.next().unwrap(), first.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pair = |it: &str| {
            let (name, value) = it.split_once('=').unwrap_or((it, ""));
            (decoded(name), decoded(value))
        };
        let query = query.split('&').filter(|it| !it.is_empty()).map(pair).collect();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_lowercase(), value.to_owned()))
        };
        let headers = lines.filter_map(header).collect();
        Self { verb: verb.to_owned(), path: path.to_owned(), query, headers }
    }

    fn op(&self) -> &'static str {
        let upload = self.query.get("uploadType").map(String::as_str);
        let range = self.headers.get("content-range").map(String::as_str);
        match (self.verb.as_str(), upload, range) {
            ("POST", Some("resumable"), _) => "start",
            ("PUT", Some("resumable"), Some("bytes */*")) => "status",
            ("PUT", Some("resumable"), _) => "chunk",
            ("PUT", None, None) => "insert",
            ("GET", None, _) => "media",
            other => panic!("{other:?} is not known here"),
        }
    }
}

/// The object that a path of the XML API names: all behind its bucket, as it is.
pub(super) fn named(path: &str) -> String {
    let (bucket, name) = path[1..].split_once('/').unwrap();
    assert!(bucket.starts_with("acme-7f3-"), "{path}");
    decoded(&name.replace('+', "%2B"))
}

/// Percent-encoded text as it was.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut all = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                all.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
                at += 2;
            }
            b'+' => all.push(b' '),
            other => all.push(other),
        }
        at += 1;
    }
    String::from_utf8(all).unwrap()
}

/// Reads more; none where the connection has ended.
async fn more(socket: &mut TcpStream, read: &mut BytesMut) -> Option<()> {
    matches!(socket.read_buf(read).await, Ok(1..)).then_some(())
}

/// The body of a request, or as much of it as `limit` says.
async fn body(
    socket: &mut TcpStream,
    read: &mut BytesMut,
    head: &Head,
    limit: Option<usize>,
) -> Option<Vec<u8>> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut all = Vec::new();
    if head.headers.get("transfer-encoding").is_some_and(|it| it.contains("chunked")) {
        loop {
            let end = loop {
                if let Some(end) = read.windows(2).position(|it| it == b"\r\n") {
                    break end;
                }
                more(socket, read).await?;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&read[..end]).unwrap(), 16);
            let size = size.unwrap();
            read.advance(end + 2);
            while read.len() < size + 2 {
                if all.len() + read.len() >= limit {
                    all.extend_from_slice(read);
                    all.truncate(limit);
                    return Some(all);
                }
                more(socket, read).await?;
            }
            all.extend_from_slice(&read.split_to(size));
            read.advance(2);
            if size == 0 || all.len() >= limit {
                all.truncate(limit);
                return Some(all);
            }
        }
    }
    let length = head.headers.get("content-length").map_or(0, |it| it.parse().unwrap());
    while read.len() < length.min(limit) {
        more(socket, read).await?;
    }
    Some(read.split_to(length.min(limit)).to_vec())
}

async fn serve(
    mut socket: TcpStream,
    cloud: Cloud,
    kept: Arc<Mutex<Vec<Asked>>>,
    address: SocketAddr,
) -> Option<()> {
    let mut read = BytesMut::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") {
                break end + 4;
            }
            more(&mut socket, &mut read).await?;
        };
        let head = Head::read(std::str::from_utf8(&read.split_to(end)).unwrap());
        let op = head.op();
        let fault = cloud.locked().fault(op);
        let taken = match fault {
            Fault::Cut(bytes) if op != "media" => Some(bytes),
            _ => None,
        };
        let body = body(&mut socket, &mut read, &head, taken).await?;
        let (path, query, headers) = (head.path.clone(), head.query.clone(), head.headers.clone());
        kept.lock().unwrap().push(Asked { op, path, query, headers, body: body.clone() });
        let reply = {
            let mut state = cloud.locked();
            let taking = taken.is_some();
            let refuses = matches!(fault, Fault::Ignore | Fault::Refuse(_) | Fault::Because(..));
            if matches!(fault, Fault::Before) {
                state.other("key", b"theirs");
            }
            let reply = match (refuses, taking) {
                (true, _) => None,
                (false, true) => {
                    state.take(op, &head, &body);
                    None
                }
                (false, false) => {
                    let mut body = body;
                    if matches!(fault, Fault::Garble) {
                        body[0] ^= 1;
                    }
                    Some(state.answer(op, &head, &body, address))
                }
            };
            if matches!(fault, Fault::LoseAfter) {
                state.other("key", b"theirs");
            }
            reply
        };
        match (fault, reply) {
            (Fault::Lose | Fault::LoseAfter, _) | (Fault::Cut(_), None) => return None,
            (Fault::Swallow | Fault::Ignore, _) => return std::future::pending().await,
            (Fault::Refuse(status), _) => {
                let reply = Reply::error(op, u16::try_from(status).unwrap(), "");
                reply.send(&mut socket, usize::MAX).await?;
            }
            (Fault::Because(status, reason), _) => {
                let reply = Reply::error(op, u16::try_from(status).unwrap(), reason);
                reply.send(&mut socket, usize::MAX).await?;
            }
            (Fault::Cut(bytes), Some(reply)) => {
                reply.send(&mut socket, bytes).await;
                return None;
            }
            (Fault::Stall(bytes), Some(reply)) => {
                reply.send(&mut socket, bytes).await;
                return std::future::pending().await;
            }
            // Without a body it is its most needed header that cannot be read.
            (Fault::Flip, Some(mut reply)) if reply.body.is_empty() => {
                let generation = reply.headers.iter_mut().find(|it| it.0 == "x-goog-generation");
                generation.unwrap().1.insert(0, '?');
                reply.send(&mut socket, usize::MAX).await?;
            }
            (Fault::Flip, Some(mut reply)) => {
                let last = reply.body.len() - 1;
                reply.body[last] ^= 1;
                reply.send(&mut socket, usize::MAX).await?;
            }
            (Fault::Longer(bytes), Some(mut reply)) => {
                reply.body.extend(vec![0; bytes]);
                reply.send(&mut socket, usize::MAX).await?;
            }
            (_, Some(reply)) => reply.send(&mut socket, usize::MAX).await?,
            (_, None) => return None,
        }
    }
}

struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Reply {
    fn of(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn json(status: u16, value: &Value) -> Self {
        let reply = Self::of(status).with("content-type", "application/json; charset=UTF-8");
        Self { body: value.to_string().into_bytes(), ..reply }
    }

    /// As Cloud Storage's XML has it, or its JSON: without a canonical code.
    fn error(op: &str, status: u16, reason: &str) -> Self {
        if matches!(op, "insert" | "media") {
            let xml = format!(
                "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{reason}</Code>\
                 <Message>Not so.</Message><Details>None.</Details></Error>"
            );
            let reply = Self::of(status).with("content-type", "application/xml; charset=UTF-8");
            return Self { body: xml.into_bytes(), ..reply };
        }
        let errors = json!([{ "message": "Not so.", "domain": "global", "reason": reason }]);
        let error = json!({ "code": status, "message": "Not so.", "errors": errors });
        Self::json(status, &json!({ "error": error }))
    }

    /// Sends at most so many bytes of the body.
    async fn send(self, socket: &mut TcpStream, limit: usize) -> Option<()> {
        let Self { status, headers, body } = self;
        let mut text = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text.extend([&name, ": ", &value, "\r\n"]);
        }
        text += "\r\n";
        socket.write_all(text.as_bytes()).await.ok()?;
        socket.write_all(&body[..limit.min(body.len())]).await.ok()?;
        socket.flush().await.ok()
    }
}

/// What the JSON of an upload says of the object, with the checksum that it should have.
fn resource(name: &str, query: &HashMap<String, String>, text: &[u8]) -> (Object, Option<u32>) {
    let value: Value = serde_json::from_slice(text).unwrap();
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let pairs = value["metadata"].as_object().into_iter().flatten();
    let metadata = pairs.map(|(name, it)| (name.clone(), it.as_str().unwrap().to_owned()));
    let object = Object {
        name: name.to_owned(),
        content_type: text("contentType"),
        cache_control: text("cacheControl"),
        content_disposition: text("contentDisposition"),
        metadata: metadata.collect(),
        kms_key: query.get("kmsKeyName").cloned().unwrap_or_default(),
        ..Object::default()
    };
    let sum = value["crc32c"].as_str().map(|it| it.parse::<Crc32c>().unwrap().value());
    (object, sum)
}

/// As Cloud Storage says it, with an MD5 that nobody looks at.
fn hash(object: &Object) -> String {
    let sum = Crc32c::new(object.checksums.as_ref().unwrap().crc32c.unwrap());
    format!("md5=XUFAKrxLKna5cZ2REBfFkg==,crc32c={sum}")
}

fn shown(object: &Object) -> Value {
    let sum = Crc32c::new(object.checksums.as_ref().unwrap().crc32c.unwrap());
    json!({
        "name": object.name, "bucket": "acme-7f3-logs", "generation": object.generation.to_string(),
        "metageneration": "1", "size": object.size.to_string(), "contentType": object.content_type,
        "cacheControl": object.cache_control, "contentDisposition": object.content_disposition,
        "metadata": object.metadata, "kmsKeyName": object.kms_key, "crc32c": sum.to_string(),
        "timeCreated": "2023-11-14T22:13:20Z", "updated": "2023-11-14T22:13:20Z",
        "timeFinalized": "2023-11-14T22:13:20Z", "timeStorageClassUpdated": "2023-11-14T22:13:20Z",
    })
}

/// What the headers of an upload say of the object, with the checksum that it should have.
fn written(head: &Head) -> (Object, Option<u32>) {
    let text = |name: &str| head.headers.get(name).cloned().unwrap_or_default();
    let noted = |(name, value): (&String, &String)| {
        Some((name.strip_prefix("x-goog-meta-")?.to_owned(), value.clone()))
    };
    let object = Object {
        name: named(&head.path),
        content_type: text("content-type"),
        cache_control: text("cache-control"),
        content_disposition: text("content-disposition"),
        metadata: head.headers.iter().filter_map(noted).collect(),
        kms_key: text("x-goog-encryption-kms-key-name"),
        ..Object::default()
    };
    let sum = head.headers.get("x-goog-hash").map(|it| it.strip_prefix("crc32c=").unwrap());
    (object, sum.map(|it| it.parse::<Crc32c>().unwrap().value()))
}

impl State {
    /// Keeps what arrived of a chunk: Cloud Storage keeps multiples of 256 KiB.
    fn take(&mut self, op: &str, head: &Head, body: &[u8]) {
        if op == "chunk" {
            let session = self.sessions.get_mut(&head.query["upload_id"]).unwrap();
            let whole = (session.bytes.len() + body.len()) / (256 << 10) * (256 << 10);
            let kept = whole.saturating_sub(session.bytes.len());
            session.bytes.extend_from_slice(&body[..kept]);
        }
    }

    fn answer(&mut self, op: &str, head: &Head, body: &[u8], address: SocketAddr) -> Reply {
        let wanted = match op {
            "insert" => head.headers.get("x-goog-if-generation-match"),
            _ => head.query.get("ifGenerationMatch"),
        };
        let wanted = wanted.map(|it| it.parse().unwrap());
        match op {
            "insert" => {
                assert_eq!(head.headers["content-length"], body.len().to_string());
                let (object, sum) = written(head);
                match self.finish(object, wanted, sum, body.to_vec()) {
                    Ok(made) => Reply::of(200)
                        .with("x-goog-generation", made.generation.to_string())
                        .with("x-goog-metageneration", "1")
                        .with("x-goog-hash", hash(&made))
                        .with("x-goog-stored-content-length", made.size.to_string()),
                    Err((status, code, _)) => Reply::error(op, status, code),
                }
            }
            "start" => {
                let (object, checksum) = resource(&head.query["name"], &head.query, body);
                let id = format!("session-{}", self.sessions.len() + 1);
                let session = Session { object, wanted, checksum, bytes: Vec::new(), done: None };
                self.sessions.insert(id.clone(), session);
                let place = format!(
                    "http://{address}/upload/storage/v1/b/acme-7f3-logs/o?uploadType=resumable&upload_id={id}"
                );
                Reply::of(200).with("location", place)
            }
            "status" => match &self.sessions[&head.query["upload_id"]] {
                Session { done: Some(object), .. } => Reply::json(200, &shown(object)),
                Session { bytes, .. } => Self::so_far(bytes),
            },
            "chunk" => self.chunk(head, body),
            _ => self.media(head),
        }
    }

    fn so_far(bytes: &[u8]) -> Reply {
        match bytes.len() {
            0 => Reply::of(308),
            length => Reply::of(308).with("range", format!("bytes=0-{}", length - 1)),
        }
    }

    fn chunk(&mut self, head: &Head, body: &[u8]) -> Reply {
        let session = self.sessions.get_mut(&head.query["upload_id"]).unwrap();
        let range = head.headers["content-range"].trim_start_matches("bytes ").to_owned();
        let (range, total) = range.split_once('/').unwrap();
        let start = match range.split_once('-') {
            Some((start, _)) => start.parse().unwrap(),
            None => session.bytes.len(),
        };
        assert_eq!(start, session.bytes.len(), "a chunk begins where the last one ended");
        session.bytes.extend_from_slice(body);
        if total.parse() != Ok(session.bytes.len()) {
            assert_eq!(session.bytes.len() % (256 << 10), 0, "chunks are multiples of 256 KiB");
            return Self::so_far(&session.bytes);
        }
        let given = head.headers.get("x-goog-hash").map(|it| it.trim_start_matches("crc32c="));
        let given = given.map(|it| it.parse::<Crc32c>().unwrap().value());
        let Session { object, wanted, checksum, bytes, done: _ } = session.clone();
        match self.finish(object, wanted, given.or(checksum), bytes) {
            Ok(made) => {
                let reply = Reply::json(200, &shown(&made));
                self.sessions.get_mut(&head.query["upload_id"]).unwrap().done = Some(made);
                reply
            }
            Err((status, _, reason)) => Reply::error("chunk", status, reason),
        }
    }

    /// The object, or why there is none: a status, with its words in XML and in JSON.
    fn finish(
        &mut self,
        object: Object,
        wanted: Option<i64>,
        sum: Option<u32>,
        bytes: Vec<u8>,
    ) -> Result<Object, (u16, &'static str, &'static str)> {
        if !self.fits(&object.name, wanted) {
            return Err((412, "PreconditionFailed", "conditionNotMet"));
        }
        if sum.is_some_and(|it| it != Crc32c::of(&bytes).value()) {
            return Err((400, "BadDigest", "invalid"));
        }
        Ok(self.store(object, bytes))
    }

    fn media(&self, head: &Head) -> Reply {
        let name = named(&head.path);
        let refused = |status, code| Reply::error("media", status, code);
        assert_eq!(head.headers["accept-encoding"], "gzip", "else what is packed is unpacked");
        let asked = head.query.get("generation").map_or(0, |it| it.parse().unwrap());
        let wanted = head.headers.get("x-goog-if-generation-match");
        // What a cache has of it, for whoever does not say which generation.
        let cached = self.cached.get(&name).filter(|_| asked == 0 && wanted.is_none());
        let Some(found) = cached.or_else(|| self.find(&name, asked)) else {
            return refused(404, "NoSuchKey");
        };
        let object = &found.object;
        if wanted.is_some_and(|it| *it != object.generation.to_string()) {
            return refused(412, "PreconditionFailed");
        }
        let size = found.bytes.len();
        let reply = |status| {
            let mut reply = Reply::of(status)
                .with("content-type", object.content_type.clone())
                .with("last-modified", "Tue, 14 Nov 2023 22:13:20 GMT")
                .with("x-goog-generation", object.generation.to_string())
                .with("x-goog-metageneration", object.metageneration.to_string())
                .with("x-goog-stored-content-encoding", "identity")
                .with("x-goog-stored-content-length", size.to_string())
                .with("x-goog-hash", hash(object));
            // Whoever does not say how to cache has it said for it.
            reply = match object.cache_control.as_str() {
                "" => reply.with("cache-control", "private, max-age=0"),
                it => reply.with("cache-control", it),
            };
            if !object.content_disposition.is_empty() {
                reply = reply.with("content-disposition", object.content_disposition.clone());
            }
            if cached.is_some() {
                reply = reply.with("age", "60");
            }
            let noted = object.metadata.iter();
            noted.fold(reply, |reply, (name, it)| reply.with(format!("x-goog-meta-{name}"), it))
        };
        let Some(range) = head.headers.get("range") else {
            return Reply { body: found.bytes.clone(), ..reply(200) };
        };
        let (start, end) = range.trim_start_matches("bytes=").split_once('-').unwrap();
        let (start, end) = match (start.parse::<usize>(), end.parse::<usize>()) {
            (Ok(start), Ok(end)) => (start, (end + 1).min(size)),
            (Ok(start), Err(_)) => (start, size),
            (Err(_), Ok(last)) => (size.saturating_sub(last), size),
            other => panic!("{other:?}"),
        };
        if start >= size {
            return refused(416, "InvalidRange");
        }
        let reply = reply(206).with("content-range", format!("bytes {start}-{}/{size}", end - 1));
        Reply { body: found.bytes[start..end].to_vec(), ..reply }
    }
}
