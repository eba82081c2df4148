//! An S3 that keeps nothing: it takes what comes, and gives zeros.

use std::{
    convert::Infallible,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderValue, RANGE},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use mvi_core::blob::Crc32c;
use tokio::net::TcpListener;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Listens on a port of its own; its one object has so many `bytes`. Returns where, and how many bytes it has been sent.
pub(crate) async fn start(bytes: u64) -> (String, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&taken);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let _ = socket.set_nodelay(true);
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let http = hyper::server::conn::http1::Builder::new();
                let answer = service_fn(|request| answer(request, bytes, &counter));
                let _ = http.serve_connection(TokioIo::new(socket), answer).await;
            });
        }
    });
    (format!("http://{address}"), taken)
}

fn text(text: &str) -> UnsyncBoxBody<Bytes, Infallible> {
    Full::new(Bytes::from(text.to_owned())).boxed_unsync()
}

async fn answer(
    mut request: Request<Incoming>,
    bytes: u64,
    taken: &AtomicU64,
) -> Result<Answer, Infallible> {
    let checksum = request.headers().get("x-amz-checksum-crc32c").cloned();
    // Of a completion the body is no body of an object.
    let counts = *request.method() == Method::PUT;
    while let Some(frame) = request.body_mut().frame().await {
        let Ok(frame) = frame else {
            let mut broken = Response::new(text(""));
            *broken.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(broken);
        };
        let length = frame.data_ref().map_or(0, Bytes::len);
        if counts {
            taken.fetch_add(length as u64, Ordering::Relaxed);
        }
    }
    let range = request.headers().get(RANGE).and_then(|it| span(it.to_str().ok()?));
    let query = request.uri().query().unwrap_or_default();
    let mut answer = match *request.method() {
        Method::POST if query.contains("uploads") => Response::new(text(
            "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>",
        )),
        Method::POST => Response::new(text(
            "<CompleteMultipartUploadResult><ETag>&quot;whole&quot;</ETag></CompleteMultipartUploadResult>",
        )),
        Method::GET => Response::new(zeros(range.as_ref().map_or(bytes, |it| it.end - it.start))),
        _ => Response::new(text("")),
    };
    let headers = answer.headers_mut();
    headers.insert(ETAG, HeaderValue::from_static("\"whole\""));
    if let Some(checksum) = checksum {
        headers.insert("x-amz-checksum-crc32c", checksum);
    }
    if let Some(range) = range {
        let told = format!("bytes {}-{}/{bytes}", range.start, range.end - 1);
        headers.insert(CONTENT_LENGTH, (range.end - range.start).into());
        headers.insert(CONTENT_RANGE, HeaderValue::from_str(&told).expect("it is ASCII"));
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    } else if matches!(*request.method(), Method::GET | Method::HEAD) {
        headers.insert(CONTENT_LENGTH, bytes.into());
        let whole = HeaderValue::from_str(&checksum_of(bytes).to_string());
        headers.insert("x-amz-checksum-crc32c", whole.expect("it is base64"));
        headers.insert("x-amz-checksum-type", HeaderValue::from_static("FULL_OBJECT"));
    }
    Ok(answer)
}

/// What `bytes=0-9` says.
fn span(range: &str) -> Option<Range<u64>> {
    let (start, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some(start.parse().ok()?..last.parse::<u64>().ok()? + 1)
}

static CHUNK: Bytes = Bytes::from_static(&[0; 64 << 10]);

fn zeros(bytes: u64) -> UnsyncBoxBody<Bytes, Infallible> {
    let chunks = futures::stream::unfold(bytes, |left| async move {
        let next = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK.len());
        let chunk = Ok(Frame::data(CHUNK.slice(..next)));
        (next > 0).then_some((chunk, left - next as u64))
    });
    StreamBody::new(chunks).boxed_unsync()
}

/// The checksum of so many zeros, whose number is a power of two.
fn checksum_of(bytes: u64) -> Crc32c {
    let (mut length, mut checksum) = (1, Crc32c::of(&[0]));
    while length < bytes {
        checksum = checksum.join(checksum, length);
        length *= 2;
    }
    checksum
}
