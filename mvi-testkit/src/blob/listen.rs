//! Presigned URLs that answer: HTTP on a loopback port.

use std::{
    convert::Infallible,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{self, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use mvi_core::{
    Applied, BucketName, Error, ErrorKind, Result,
    blob::{Body, ByteRange, Checked, Get, Key, Meta, Method, Mode, Properties, Put, Tag},
    hook::Op,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::{
    Door, SimBlob,
    content::{Content, Sending},
    op,
    sign::{Query, Signed, Signer, place},
    store::{Opened, Store},
};
use crate::sim::world::lock;

const GET: &Op = op("blob.get");
const PUT: &Op = op("blob.put");

/// The port that answers presigned URLs, as long as this lives: see [`SimBlob::listen`].
#[must_use = "it stops listening when it is dropped"]
pub struct Listening {
    address: SocketAddr,
    door: Door,
    task: JoinHandle<()>,
}

impl Listening {
    /// Where: a port of `127.0.0.1`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        let mut door = lock(&self.door);
        if *door == Some(self.address) {
            *door = None;
        }
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("address", &self.address).finish_non_exhaustive()
    }
}

impl SimBlob {
    /// Answers presigned URLs by HTTP, on a port of `127.0.0.1`: `GET`, with `HEAD`, ranges and conditions, and `PUT`.
    ///
    /// A URL is good for as long as it says in simulated time. What comes through one takes no simulated time, whatever the weather,
    /// and meets all else that the weather does. It is real I/O: while a paused runtime waits for a client's answer,
    /// [`hold_time`](crate::Sim::hold_time).
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) where there is no port; [`Internal`](ErrorKind::Internal) outside of a tokio runtime.
    ///
    /// # Panics
    ///
    /// On a runtime whose I/O is not enabled, as tokio does.
    pub async fn listen(&self) -> Result<Listening> {
        let no_port = |e: std::io::Error| {
            let error = Error::new(ErrorKind::Unavailable, "no port of 127.0.0.1 to listen on");
            error.with_applied(Applied::No).with_source(e)
        };
        self.world.clock.check_running()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(no_port)?;
        let address = listener.local_addr().map_err(no_port)?;
        *lock(&self.door) = Some(address);
        let task = tokio::spawn(serve(listener, self.clone()));
        Ok(Listening { address, door: Arc::clone(&self.door), task })
    }
}

/// Connections end with their listener.
async fn serve(listener: TcpListener, blob: SimBlob) {
    let mut connections = JoinSet::new();
    loop {
        // A client that is gone before it is accepted is no reason to stop.
        let Ok((stream, _)) = listener.accept().await else { continue };
        connections.spawn(connection(stream, blob.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, blob: SimBlob) {
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request| {
        let blob = blob.clone();
        async move { Ok::<_, Infallible>(answer(&blob, request).await) }
    });
    // The client is told of what goes wrong by its end of the connection.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

type Reply = Response<UnsyncBoxBody<Bytes, Error>>;

async fn answer(blob: &SimBlob, request: Request<Incoming>) -> Reply {
    let method = match request.method().as_str() {
        "GET" | "HEAD" => Method::Get,
        "PUT" => Method::Put,
        _ => return refusal(StatusCode::METHOD_NOT_ALLOWED, "wanted GET, HEAD or PUT"),
    };
    let (bucket, key) = match admitted(blob, method, &request) {
        Ok(place) => place,
        Err(why) => return refusal(StatusCode::FORBIDDEN, why),
    };
    let answered = match method {
        Method::Get => read(blob, Get::new(bucket, key), &request),
        Method::Put => write(blob, Put::new(bucket, key), request).await,
    };
    answered.unwrap_or_else(|error| {
        let status = match error.kind() {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::PRECONDITION_FAILED,
            ErrorKind::Invalid | ErrorKind::Corrupt => StatusCode::BAD_REQUEST,
            ErrorKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        refusal(status, error.message())
    })
}

/// What the URL is good for, if it is one of ours and still good.
fn admitted(
    blob: &SimBlob,
    method: Method,
    request: &Request<Incoming>,
) -> Result<(BucketName, Key), &'static str> {
    let (uri, headers) = (request.uri(), request.headers());
    let query = Query::parse(uri.query().unwrap_or_default());
    let Some(expires) = query.expires else { return Err("the URL is not signed") };
    let content_type = text(headers, &header::CONTENT_TYPE);
    let content_type = query.typed.then(|| content_type.unwrap_or_default());
    let signed = Signed { method, path: uri.path(), expires, content_type };
    if Signer::new(blob.world.seed()).sign(&signed) != query.signature {
        return Err("the signature is not that of this request");
    }
    if blob.world.catch_up().timestamp().as_second() >= expires {
        return Err("the URL has expired");
    }
    place(uri.path()).ok_or("the URL names no object")
}

fn read(blob: &SimBlob, get: Get, request: &Request<Incoming>) -> Result<Reply> {
    let (headers, bucket) = (request.headers(), get.bucket.clone());
    let if_match = said(headers, &header::IF_MATCH)?;
    let if_none_match = said(headers, &header::IF_NONE_MATCH)?;
    let Opened { made, fate, chunk, .. } = blob.now(GET, &bucket, get, Store::get)?;
    let (meta, content) = (made.meta(), made.content().clone());
    let mut answer = Response::builder();
    let told = answer.headers_mut().expect("a builder that was given nothing has no error");
    describe(told, &meta);
    if if_match.is_some_and(|it| !names(it, &meta.tag)) {
        return Ok(refusal(StatusCode::PRECONDITION_FAILED, "the object has another tag"));
    }
    if if_none_match.is_some_and(|it| names(it, &meta.tag)) {
        return Ok(finished(answer.status(StatusCode::NOT_MODIFIED), empty()));
    }
    let wanted = text(headers, &header::RANGE).and_then(parse_range);
    let (range, checksum) = match wanted.map(|it| it.resolve(meta.size)) {
        None => (0..meta.size, Some(content.checksum)),
        Some(Ok(range)) => {
            let shown = format!("bytes {}-{}/{}", range.start, range.end - 1, meta.size);
            answer = answer.status(StatusCode::PARTIAL_CONTENT).header("content-range", shown);
            (range, None)
        }
        Some(Err(error)) => {
            let mut refused = refusal(StatusCode::RANGE_NOT_SATISFIABLE, error.message());
            tell(refused.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{}", meta.size));
            return Ok(refused);
        }
    };
    let length = range.end - range.start;
    answer = answer.header(header::CONTENT_LENGTH, length);
    if request.method() == hyper::Method::HEAD {
        return Ok(finished(answer, empty()));
    }
    let (world, op) = (Arc::clone(&blob.world), GET);
    let sending = Sending { world, op, content, range, chunk, fate, takes_time: false };
    let checked = Checked::new(sending.body(), length, checksum);
    // An error ends the connection, so that nobody takes what came for the whole.
    let body = StreamBody::new(checked.map_ok(Frame::data)).boxed_unsync();
    Ok(finished(answer, body))
}

async fn write(blob: &SimBlob, mut put: Put, request: Request<Incoming>) -> Result<Reply> {
    let (head, body) = request.into_parts();
    let mut properties = Properties::default();
    if let Some(content_type) = said(&head.headers, &header::CONTENT_TYPE)? {
        properties.content_type = content_type.to_owned().into();
    }
    let owned = |name| Ok::<_, Error>(said(&head.headers, &name)?.map(str::to_owned));
    properties.cache_control = owned(header::CACHE_CONTROL)?;
    properties.content_disposition = owned(header::CONTENT_DISPOSITION)?;
    put.properties = properties;
    let if_match = said(&head.headers, &header::IF_MATCH)?;
    match (if_match, said(&head.headers, &header::IF_NONE_MATCH)?) {
        (None, None) => {}
        (None, Some("*")) => put.mode = Mode::IfAbsent,
        (Some(tag), None) => put.mode = Mode::IfMatch(Tag::new(tag.trim_matches('"'))),
        _ => {
            return Err(Error::invalid(
                "conditions that no write has: wanted one tag, or none at all",
            ));
        }
    }
    put.check()?;
    let broken = |e: hyper::Error| {
        let error = Error::new(ErrorKind::Unavailable, "the connection broke amid the body");
        error.with_applied(Applied::No).with_source(e)
    };
    let frames = futures::TryStreamExt::map_err(BodyStream::new(body), broken);
    let bytes = frames.try_filter_map(|it| async move { Ok(it.into_data().ok()) });
    let bytes: BoxStream<'static, Result<Bytes>> = bytes.boxed();
    let content = Content::read(Body::Once(bytes)).await?;
    let bucket = put.bucket.clone();
    let meta = blob.now(PUT, &bucket, (put, content), Store::put)?.meta();
    let mut answer = Response::builder();
    if let Some(headers) = answer.headers_mut() {
        tell(headers, header::ETAG, &format!("\"{}\"", meta.tag.as_str()));
    }
    Ok(finished(answer.header(header::CONTENT_LENGTH, 0), empty()))
}

/// What HTTP tells of an object.
fn describe(headers: &mut HeaderMap, meta: &Meta) {
    let Properties { content_type, cache_control, content_disposition, metadata } =
        &meta.properties;
    tell(headers, header::CONTENT_TYPE, content_type);
    if let Some(it) = cache_control {
        tell(headers, header::CACHE_CONTROL, it);
    }
    if let Some(it) = content_disposition {
        tell(headers, header::CONTENT_DISPOSITION, it);
    }
    for (name, value) in metadata.iter() {
        if let Ok(name) = HeaderName::try_from(format!("x-mvi-meta-{name}")) {
            tell(headers, name, value);
        }
    }
    tell(headers, header::ACCEPT_RANGES, "bytes");
    tell(headers, header::ETAG, &format!("\"{}\"", meta.tag.as_str()));
    if let Some(modified) = meta.modified {
        let modified = modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        tell(headers, header::LAST_MODIFIED, &modified);
    }
}

/// What HTTP can't carry is not told.
fn tell(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A condition, or what is to be written, which is never passed over: what nobody can read may be what keeps a write from happening.
///
/// # Errors
///
/// [`Invalid`](ErrorKind::Invalid) where it is not of visible ASCII.
fn said<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let read = |value: &'a HeaderValue| {
        value.to_str().map_err(|_| Error::invalid(format!("{name} is not of visible ASCII")))
    };
    headers.get(name).map(read).transpose()
}

/// Whether a list of tags has this one.
fn names(list: &str, tag: &Tag) -> bool {
    list.split(',').map(str::trim).any(|it| it == "*" || it.trim_matches('"') == tag.as_str())
}

/// One range, as HTTP writes it. What is none, or more than one, is passed over, as HTTP allows.
fn parse_range(header: &str) -> Option<ByteRange> {
    let (start, end) = header.strip_prefix("bytes=")?.split_once('-')?;
    Some(match (start, end) {
        ("", last) => ByteRange::Last(last.parse().ok()?),
        (start, "") => ByteRange::From(start.parse().ok()?),
        (start, end) => {
            let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
            (start <= end).then(|| ByteRange::from(start..=end))?
        }
    })
}

fn refusal(status: StatusCode, why: &str) -> Reply {
    let answer = Response::builder().status(status).header(header::CONTENT_TYPE, "text/plain");
    let body = Full::new(Bytes::from(format!("{why}\n"))).map_err(|e: Infallible| match e {});
    finished(answer, body.boxed_unsync())
}

fn empty() -> UnsyncBoxBody<Bytes, Error> {
    Full::default().map_err(|e: Infallible| match e {}).boxed_unsync()
}

fn finished(answer: hyper::http::response::Builder, body: UnsyncBoxBody<Bytes, Error>) -> Reply {
    answer.body(body).expect("each header was checked when it was told")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_http_writes_it() {
        for range in [ByteRange::Between(2, 5), ByteRange::From(7), ByteRange::Last(3)] {
            assert_eq!(parse_range(&range.header()), Some(range));
        }
        for none in ["", "bytes=", "bytes=-", "bytes=5-2", "items=1-2", "bytes=1-2,4-5", "bytes=a-"]
        {
            assert_eq!(parse_range(none), None, "{none}");
        }
    }

    #[test]
    fn a_list_of_tags_has_what_it_names() {
        let tag = Tag::new("tag-1");
        assert!(["*", "\"tag-1\"", "\"x\", \"tag-1\"", "tag-1"].iter().all(|it| names(it, &tag)));
        assert!(["", "\"tag-2\"", "\"tag-1x\""].iter().all(|it| !names(it, &tag)));
    }
}
