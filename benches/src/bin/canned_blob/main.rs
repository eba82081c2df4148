//! An S3 and a Cloud Storage that know all of their answers beforehand, for clients to be measured against.
//!
//! `canned_blob LARGE_BYTES LISTED` prints its port, and ends when its standard input does. Nothing is stored, and no signature looked at; but every checksum that is
//! given is right, so that a client that checks what it reads has to do the work and finds nothing wrong.

mod google;
mod grpc;
mod s3;

use std::{convert::Infallible, io, net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderMap},
    http::response::Builder,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use mvi_benches::{
    objects::{Content, SMALL_BYTES},
    until_orphaned,
};
use tokio::net::TcpListener;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

struct Canned {
    url: String,
    small: Content,
    large: Content,
    s3: s3::Pages,
    google: google::Uploads,
    listing: grpc::Pages,
}

impl Canned {
    /// What is at `key`: anything may be.
    fn object(&self, key: &str) -> &Content {
        if key.contains("large") { &self.large } else { &self.small }
    }
}

/// Which of an object's bytes a request asks for.
fn range(headers: &HeaderMap, length: usize) -> Option<(usize, usize)> {
    let (start, end) =
        headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let start: usize = start.parse().ok()?;
    let end = end.parse::<usize>().map_or(length, |it| (it + 1).min(length));
    Some((start, end))
}

/// The answer to a read, whole or of a range; `answer` has all headers but those of the range.
fn read(answer: Builder, method: &Method, headers: &HeaderMap, object: &Content) -> Answer {
    let length = object.bytes.len();
    let (answer, body) = match range(headers, length) {
        Some((start, end)) => {
            let at = format!("bytes {start}-{}/{length}", end.saturating_sub(1));
            let answer =
                answer.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, at);
            (answer, object.bytes.slice(start..end))
        }
        None => (answer, object.bytes.clone()),
    };
    let answer = answer.header(header::CONTENT_LENGTH, body.len());
    finish(answer, if method == Method::HEAD { Bytes::new() } else { body })
}

fn finish(answer: Builder, body: impl Into<Bytes>) -> Answer {
    answer.body(Full::new(body.into()).boxed_unsync()).unwrap_or_else(|error| {
        eprintln!("canned_blob: {error}");
        let mut answer = Response::new(Full::default().boxed_unsync());
        *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        answer
    })
}

async fn serve(canned: Arc<Canned>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path();
    Ok(if grpc::is_call(request.headers()) {
        grpc::answer(&canned, request).await
    } else if path.starts_with("/storage/v1/") || path.starts_with("/upload/storage/v1/") {
        google::answer(&canned, request).await
    } else if google::is_xml(request.headers()) {
        google::answer_xml(&canned, request).await
    } else {
        s3::answer(&canned, request).await
    })
}

fn main() -> io::Result<()> {
    until_orphaned();
    let mut words = std::env::args().skip(1).map_while(|it| it.parse().ok());
    let (Some(large), Some(listed)) = (words.next(), words.next()) else {
        return Err(io::Error::other(
            "wanted how large the large object is, and how many are listed",
        ));
    };
    // Two threads, so that the server is not what a client of several connections waits for.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let canned = Arc::new(Canned {
            url: format!("http://127.0.0.1:{port}"),
            small: Content::new(SMALL_BYTES),
            large: Content::new(large),
            s3: s3::Pages::new(listed),
            google: google::Uploads::default(),
            listing: grpc::Pages::new(listed),
        });
        println!("{port}");
        loop {
            let (socket, _) = listener.accept().await?;
            // Without it an answer may wait 40 ms for an acknowledgement.
            socket.set_nodelay(true)?;
            let canned = Arc::clone(&canned);
            tokio::spawn(async move {
                let answer = service_fn(|request| serve(Arc::clone(&canned), request));
                // A client that hangs up has what it wants.
                #[cfg(feature = "google")]
                let server = {
                    use hyper_util::{rt::TokioExecutor, server::conn::auto::Builder};
                    Builder::new(TokioExecutor::new())
                };
                #[cfg(not(feature = "google"))]
                let server = hyper::server::conn::http1::Builder::new();
                let _ = server.serve_connection(TokioIo::new(socket), answer).await;
            });
        }
    })
}
