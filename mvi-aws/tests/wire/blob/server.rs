//! A server that answers as the test says, as S3 would have it, and remembers what it was asked.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use mvi_aws::{Aws, AwsBuilder, Retries, Timeouts, blob::S3Blob};
use mvi_core::blob::Crc32c;
use tokio::net::TcpListener;

/// A call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// As in `PutObject`.
    pub(crate) op: &'static str,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Where its connection began.
    pub(crate) from: std::net::SocketAddr,
    /// How many of this operation came before.
    pub(crate) nth: usize,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|it| it.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The nonce that it would write.
    pub(crate) fn nonce(&self) -> Option<&str> {
        self.header("x-amz-meta-mvi-nonce")
    }

    /// A parameter of its query.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').map(|it| it.split_once('=').unwrap_or((it, "")));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }

    /// All of it that is not new each time.
    pub(crate) fn shown(&self) -> String {
        let varies = ["authorization", "x-amz-date", "user-agent", "x-amz-user-agent", "host"];
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| {
                let name = name.as_str();
                !varies.contains(&name)
                    && !name.starts_with("amz-sdk-")
                    && name != "x-amz-meta-mvi-nonce"
            })
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        let Self { method, path, query, .. } = self;
        format!("{method} {path}?{query}\n{}\n{}", headers.join("\n"), self.text())
    }
}

/// What to do with it.
pub(crate) enum Reply {
    /// A status, headers and a body.
    Answer(u16, Vec<(String, String)>, Bytes),
    /// That, of which only so much comes before the connection ends.
    Cut(Box<Reply>, usize),
    /// That, of which only so much comes, and then nothing for ever.
    Stall(Box<Reply>, usize),
    /// That, after so long.
    Late(Box<Reply>, Duration),
    /// The answer is lost: the connection ends without one.
    Lost,
    /// Nothing, for ever.
    Never,
}

impl Reply {
    pub(crate) fn ok() -> Self {
        Self::Answer(200, Vec::new(), Bytes::new())
    }

    pub(crate) fn xml(body: impl Into<String>) -> Self {
        Self::Answer(200, Vec::new(), Bytes::from(body.into()))
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), Bytes::new())
    }

    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>Not so.</Message></Error>"
        );
        Self::Answer(status, Vec::new(), Bytes::from(body))
    }

    pub(crate) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        if let Self::Answer(_, headers, _) = &mut self {
            headers.retain(|(known, _)| known != name);
            headers.push((name.to_owned(), value.to_string()));
        }
        self
    }

    pub(crate) fn cut(self, after: usize) -> Self {
        Self::Cut(Box::new(self), after)
    }

    pub(crate) fn late(self, by: Duration) -> Self {
        Self::Late(Box::new(self), by)
    }

    pub(crate) fn stall(self, after: usize) -> Self {
        Self::Stall(Box::new(self), after)
    }
}

/// The answer to a read of an object that has `bytes`, written with the nonce `n1`: of that range which is asked for.
pub(crate) fn object(call: &Call, bytes: &[u8]) -> Reply {
    let size = bytes.len();
    let whole = Reply::Answer(200, Vec::new(), Bytes::copy_from_slice(bytes))
        .with("x-amz-checksum-crc32c", Crc32c::of(bytes))
        .with("x-amz-checksum-type", "FULL_OBJECT");
    let reply = match call.header("range").and_then(|it| it.strip_prefix("bytes=")) {
        None => whole,
        Some(range) => {
            let (start, last) = range.split_once('-').unwrap();
            let start: usize = start.parse().unwrap();
            let last = last.parse().unwrap_or(size - 1).min(size - 1);
            Reply::Answer(206, Vec::new(), Bytes::copy_from_slice(&bytes[start..=last]))
                .with("content-range", format!("bytes {start}-{last}/{size}"))
        }
    };
    reply
        .with("etag", "\"e1\"")
        .with("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT")
        .with("content-type", "text/plain")
        .with("x-amz-meta-mvi-nonce", "n1")
        .with("x-amz-meta-owner", "ann")
}

/// Listens on loopback until dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<Call>>>,
    task: tokio::task::JoinHandle<()>,
}

type Script = Arc<dyn Fn(&Call) -> Option<Reply> + Send + Sync>;

impl Server {
    /// Answers with what `script` says; where it says nothing, as a bucket of ours with an object `hello` under each key.
    pub(crate) async fn start(
        script: impl Fn(&Call) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let script: Script = Arc::new(script);
        let task = tokio::spawn(listen(listener, Arc::clone(&calls), script));
        Self { url, calls, task }
    }

    /// A client of it that makes two attempts a call, and waits for longer than a busy machine takes.
    pub(crate) async fn blob(&self) -> S3Blob {
        self.builder().build().await.unwrap().blob
    }

    /// The same that waits for no longer than 150 ms an attempt, and 400 ms in all.
    pub(crate) async fn hasty(&self) -> S3Blob {
        self.patient(50).await
    }

    /// The same that waits for three times `tick` ms an attempt, and eight times that in all; for a piece of a body, twice.
    pub(crate) async fn patient(&self, tick: u64) -> S3Blob {
        let tick = Duration::from_millis(tick);
        let timeouts = Timeouts {
            connect: Duration::from_secs(5),
            read: 2 * tick,
            attempt: 3 * tick,
            operation: 8 * tick,
        };
        self.builder().timeouts(timeouts).build().await.unwrap().blob
    }

    pub(crate) fn builder(&self) -> AwsBuilder {
        let pause = Duration::from_millis(1);
        Aws::builder()
            .region("eu-central-1")
            .endpoint(&self.url)
            .credentials("test-id", "test-key")
            .timeouts(Timeouts {
                connect: Duration::from_secs(10),
                read: Duration::from_secs(20),
                attempt: Duration::from_secs(20),
                operation: Duration::from_secs(30),
            })
            .retries(Retries { attempts: 2, first_pause: pause, longest_pause: 2 * pause })
    }

    /// All calls so far.
    pub(crate) fn all(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// All calls of `op` so far.
    pub(crate) fn calls(&self, op: &str) -> Vec<Call> {
        self.all().into_iter().filter(|it| it.op == op).collect()
    }

    /// The operations so far.
    pub(crate) fn ops(&self) -> Vec<&'static str> {
        self.all().into_iter().map(|it| it.op).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, calls: Arc<Mutex<Vec<Call>>>, script: Script) {
    loop {
        let (stream, from) = listener.accept().await.unwrap();
        let (calls, script) = (Arc::clone(&calls), Arc::clone(&script));
        let answer = service_fn(move |request| {
            answer(request, from, Arc::clone(&calls), Arc::clone(&script))
        });
        // A connection that the script ends is no failure.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

type Answer = Response<BoxBody<Bytes, std::io::Error>>;

async fn answer(
    request: Request<Incoming>,
    from: std::net::SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    script: Script,
) -> Result<Answer, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let (path, query) =
        (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
    let op = op(&head.method, &path, &query, &head.headers);
    let call = {
        let mut calls = calls.lock().unwrap();
        let nth = calls.iter().filter(|it| it.op == op).count();
        let (method, headers) = (head.method, head.headers);
        let call = Call { op, method, path, query, headers, body, from, nth };
        calls.push(call.clone());
        call
    };
    let (reply, end) = match script(&call).unwrap_or_else(|| usual(&call)) {
        Reply::Lost => return Err(std::io::Error::other("lost")),
        Reply::Never => return std::future::pending().await,
        Reply::Cut(reply, after) => (*reply, Some((after, true))),
        Reply::Stall(reply, after) => (*reply, Some((after, false))),
        Reply::Late(reply, by) => {
            tokio::time::sleep(by).await;
            (*reply, None)
        }
        reply @ Reply::Answer(..) => (reply, None),
    };
    let Reply::Answer(status, headers, bytes) = reply else { panic!("an answer to cut") };
    let mut response = Response::builder().status(status).header("x-amz-request-id", "REQ1");
    for (name, value) in headers {
        response = response.header(name, value);
    }
    if call.method == Method::HEAD {
        let length = Full::new(Bytes::new()).map_err(|e: Infallible| match e {});
        if status == 200 && !bytes.is_empty() {
            response = response.header("content-length", bytes.len());
        }
        return Ok(response.body(length.boxed()).unwrap());
    }
    let Some((after, cut)) = end else {
        let body = Full::new(bytes).map_err(|e: Infallible| match e {});
        return Ok(response.body(body.boxed()).unwrap());
    };
    // The head and what comes before must be on their way before the end.
    let start = futures::stream::iter([Ok(Frame::data(bytes.slice(..after)))]);
    let end = futures::stream::once(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !cut {
            std::future::pending::<()>().await;
        }
        Err(std::io::Error::other("cut"))
    });
    let body = BoxBody::new(StreamBody::new(start.chain(end)));
    Ok(response.header("content-length", bytes.len()).body(body).unwrap())
}

/// What is asked for, as S3 has it.
fn op(method: &Method, path: &str, query: &str, headers: &HeaderMap) -> &'static str {
    let has = |name: &str| query.split('&').any(|it| it.split('=').next() == Some(name));
    let copies = headers.contains_key("x-amz-copy-source");
    let place = path.trim_start_matches('/');
    let is_bucket = !place.trim_end_matches('/').contains('/') || place.is_empty();
    match (method.as_str(), is_bucket) {
        ("GET", true) if place.is_empty() => "ListBuckets",
        ("GET", true) if has("tagging") => "GetBucketTagging",
        ("GET", true) if has("versioning") => "GetBucketVersioning",
        ("GET", true) if has("lifecycle") => "GetBucketLifecycleConfiguration",
        ("GET", true) if has("uploads") => "ListMultipartUploads",
        ("GET", true) if has("versions") => "ListObjectVersions",
        ("GET", true) if has("list-type") => "ListObjectsV2",
        ("PUT", true) if has("versioning") => "PutBucketVersioning",
        ("PUT", true) if has("lifecycle") => "PutBucketLifecycleConfiguration",
        ("PUT", true) if has("publicAccessBlock") => "PutPublicAccessBlock",
        ("PUT", true) => "CreateBucket",
        ("DELETE", true) => "DeleteBucket",
        ("POST", true) if has("delete") => "DeleteObjects",
        ("HEAD", false) => "HeadObject",
        ("GET", false) if has("uploadId") => "ListParts",
        ("GET", false) => "GetObject",
        ("PUT", false) if has("uploadId") && copies => "UploadPartCopy",
        ("PUT", false) if has("uploadId") => "UploadPart",
        ("PUT", false) if copies => "CopyObject",
        ("PUT", false) => "PutObject",
        ("POST", false) if has("uploads") => "CreateMultipartUpload",
        ("POST", false) if has("uploadId") => "CompleteMultipartUpload",
        ("DELETE", false) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", false) => "DeleteObject",
        _ => panic!("{method} {path}?{query}"),
    }
}

/// The stamp of a bucket without labels.
pub(crate) fn stamp() -> String {
    let bucket = mvi_core::blob::CreateBucket::new(crate::blob::bucket());
    bucket.fingerprint().stamp().to_string()
}

pub(crate) fn tags(stamp: &str) -> Reply {
    Reply::xml(format!(
        "<Tagging><TagSet><Tag><Key>mvi-stamp</Key><Value>{stamp}</Value></Tag></TagSet></Tagging>"
    ))
}

/// What S3 says of a bucket of ours, and of the objects in it.
fn usual(call: &Call) -> Reply {
    match call.op {
        "GetBucketTagging" => tags(&stamp()),
        "GetBucketVersioning" => Reply::xml("<VersioningConfiguration/>"),
        "GetBucketLifecycleConfiguration" => Reply::error(404, "NoSuchLifecycleConfiguration"),
        "ListBuckets" => Reply::xml("<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"),
        "ListObjectsV2" => {
            Reply::xml("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        }
        "ListObjectVersions" => {
            Reply::xml("<ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>")
        }
        "ListMultipartUploads" => Reply::xml(
            "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>",
        ),
        "ListParts" => {
            Reply::xml("<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>")
        }
        "HeadObject" | "GetObject" => object(call, b"hello"),
        "PutObject" | "UploadPart" => Reply::ok().with("etag", "\"e1\""),
        "CopyObject" => Reply::xml("<CopyObjectResult><ETag>\"e2\"</ETag></CopyObjectResult>"),
        "UploadPartCopy" => Reply::xml("<CopyPartResult><ETag>\"p1\"</ETag></CopyPartResult>"),
        "CreateMultipartUpload" => Reply::xml(
            "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
        ),
        "CompleteMultipartUpload" => Reply::xml(
            "<CompleteMultipartUploadResult><ETag>\"e1\"</ETag></CompleteMultipartUploadResult>",
        ),
        "DeleteObjects" => Reply::xml("<DeleteResult/>"),
        "DeleteObject" | "DeleteBucket" | "AbortMultipartUpload" => Reply::status(204),
        _ => Reply::ok(),
    }
}
