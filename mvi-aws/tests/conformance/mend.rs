//! A proxy that mends on the wire what an emulator of S3 is known to get wrong, so that all that hangs on it can be seen.
//!
//! - `ministack` takes the checksum of a whole upload for that of its parts' checksums, and refuses it: it is left out.
//! - `moto` drops the tags of `CreateBucket`, without which nobody can tell whose a bucket is: they are set right after. It names the
//!   roots of two answers otherwise than S3 does, so that the SDK can't read them. And it looks and writes in two steps: what has a
//!   condition goes by itself.
//! - `microburst` drops the length of what it passes on, which no object of S3 is without: it is asked for behind it. What it cuts goes
//!   on with a range, which ministack, behind it, ignores for a version: it is cut out.

use std::{env, sync::Arc};

use http_body_util::{BodyExt as _, Either, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, RANGE, TRANSFER_ENCODING},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use mvi_core::{Error, ErrorKind, Result};
use tokio::{net::TcpListener, sync::Mutex};

/// What is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Ministack,
    Moto,
    /// With ministack behind it.
    Microburst,
}

/// How often an object may be replaced while its length is asked for.
const REPLACED: u32 = 100;

type Sent = Either<Incoming, Full<Bytes>>;

struct Proxy {
    of: Of,
    to: String,
    client: Client<HttpConnector, Sent>,
    alone: Mutex<()>,
}

/// Listens before `endpoint`, for as long as the program runs; says where.
pub(crate) async fn mended(endpoint: &str, of: Of) -> Result<String> {
    let unset = |e| Error::new(ErrorKind::Unavailable, "no port to listen on").with_source(e);
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(unset)?;
    let url = format!("http://{}", listener.local_addr().map_err(unset)?);
    let client = Client::builder(TokioExecutor::new()).build_http();
    let to = endpoint.trim_end_matches('/').to_owned();
    let proxy = Arc::new(Proxy { of, to, client, alone: Mutex::new(()) });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let proxy = Arc::clone(&proxy);
            let answer = service_fn(move |request| {
                let proxy = Arc::clone(&proxy);
                async move { proxy.answer(request).await }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    Ok(url)
}

/// Gives of a version what was asked for, where ministack gave the whole.
async fn ranged(answer: Response<Sent>, asked: &str) -> Result<Response<Sent>, BoxError> {
    let (mut head, body) = answer.into_parts();
    let whole = body.collect().await?.to_bytes();
    let asked = asked.trim_start_matches("bytes=").split_once('-').ok_or("a range")?;
    let most = whole.len().checked_sub(1).ok_or("a range of nothing")?;
    let (first, last) = match asked {
        ("", bytes) => (whole.len().saturating_sub(bytes.parse()?), most),
        (first, "") => (first.parse()?, most),
        (first, last) => (first.parse()?, most.min(last.parse()?)),
    };
    if first > last {
        return Err("a range that starts behind its end".into());
    }
    let range = format!("bytes {first}-{last}/{}", whole.len());
    let body = whole.slice(first..=last);
    head.status = StatusCode::PARTIAL_CONTENT;
    head.headers.insert(CONTENT_RANGE, range.parse()?);
    head.headers.insert(CONTENT_LENGTH, body.len().into());
    Ok(Response::from_parts(head, Either::Right(Full::from(body))))
}

/// How many bytes `bytes 3-9/20` is about.
fn length_of(range: &str) -> Option<u64> {
    let (first, last) = range.strip_prefix("bytes ")?.split('/').next()?.split_once('-')?;
    last.parse::<u64>().ok()?.checked_sub(first.parse().ok()?)?.checked_add(1)
}

fn is_conditional(headers: &HeaderMap) -> bool {
    headers.contains_key("if-match") || headers.contains_key("if-none-match")
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Proxy {
    async fn answer(&self, mut request: Request<Incoming>) -> Result<Response<Sent>, BoxError> {
        let (path, query) = {
            let uri = request.uri();
            (uri.path().to_owned(), uri.query().unwrap_or_default().to_owned())
        };
        let has = |name: &str| query.split('&').any(|it| it.split('=').next() == Some(name));
        let is_bucket = !path.trim_matches('/').contains('/');
        match (self.of, request.method().clone()) {
            (Of::Ministack | Of::Microburst, Method::POST) if has("uploadId") => {
                let headers = request.headers_mut();
                headers.remove("x-amz-checksum-crc32c");
                headers.remove("x-amz-checksum-type");
                self.pass(request.map(Either::Left)).await
            }
            (Of::Moto, Method::PUT) if is_bucket && query.is_empty() => {
                self.create_bucket(request, &path).await
            }
            (Of::Moto, Method::GET) if has("uploadId") || has("versioning") => {
                let (mut head, body) = self.pass(request.map(Either::Left)).await?.into_parts();
                let body = body.collect().await?.to_bytes();
                let body = String::from_utf8_lossy(&body);
                let body = body
                    .replace("ListPartsResponse", "ListPartsResult")
                    .replace("GetBucketVersioningResponse", "VersioningConfiguration");
                head.headers.insert(CONTENT_LENGTH, body.len().into());
                Ok(Response::from_parts(head, Either::Right(Full::from(body))))
            }
            (Of::Microburst, Method::GET | Method::HEAD) if !is_bucket && !has("uploadId") => {
                self.sized(request).await
            }
            (Of::Moto, _) if is_conditional(request.headers()) => {
                let _alone = self.alone.lock().await;
                self.pass(request.map(Either::Left)).await
            }
            _ => self.pass(request.map(Either::Left)).await,
        }
    }

    async fn pass(&self, mut request: Request<Sent>) -> Result<Response<Sent>, BoxError> {
        let place = request.uri().path_and_query().map_or("/", |it| it.as_str());
        *request.uri_mut() = format!("{}{place}", self.to).parse::<Uri>()?;
        Ok(self.client.request(request).await?.map(Either::Left))
    }

    /// Says of an object how long it is.
    async fn sized(&self, request: Request<Incoming>) -> Result<Response<Sent>, BoxError> {
        let behind = env::var("MVI_MINISTACK")?;
        let (head, _) = request.into_parts();
        let place = head.uri.path_and_query().map_or("/", |it| it.as_str());
        let whole = format!("{}{place}", behind.trim_end_matches('/')).parse::<Uri>()?;
        let empty = || Either::Right(Full::default());
        // What is replaced in between is asked for again.
        for _ in 0..REPLACED {
            let mut answer = self.pass(Request::from_parts(head.clone(), empty())).await?;
            if !answer.status().is_success() {
                return Ok(answer);
            }
            let range = answer.headers().get(CONTENT_RANGE).and_then(|it| it.to_str().ok());
            let length = if let Some(length) = range.and_then(length_of) {
                length.into()
            } else {
                let mut whole = Request::head(whole.clone());
                if let Some(signature) = head.headers.get(AUTHORIZATION) {
                    whole = whole.header(AUTHORIZATION, signature);
                }
                let whole = self.client.request(whole.body(empty())?).await?;
                match whole.headers().get(CONTENT_LENGTH) {
                    Some(length) if whole.headers().get(ETAG) == answer.headers().get(ETAG) => {
                        length.clone()
                    }
                    _ => continue,
                }
            };
            answer.headers_mut().remove(TRANSFER_ENCODING);
            answer.headers_mut().insert(CONTENT_LENGTH, length);
            let asked = head.headers.get(RANGE).and_then(|it| it.to_str().ok());
            return match asked {
                Some(asked) if answer.status() == StatusCode::OK => ranged(answer, asked).await,
                _ => Ok(answer),
            };
        }
        Err("it is replaced whenever it is looked at".into())
    }

    /// Makes a bucket, then sets the tags that it was to be made with.
    async fn create_bucket(
        &self,
        request: Request<Incoming>,
        path: &str,
    ) -> Result<Response<Sent>, BoxError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        let mut tagging = Request::put(format!("{path}?tagging"));
        for name in ["authorization", "x-amz-date", "host"] {
            if let Some(value) = head.headers.get(name) {
                tagging = tagging.header(name, value);
            }
        }
        let made = Request::from_parts(head, Either::Right(Full::from(body)));
        let made = self.pass(made).await?;
        let tags = text.split_once("<Tags>").and_then(|(_, it)| it.split_once("</Tags>"));
        if let (true, Some((tags, _))) = (made.status().is_success(), tags) {
            let body = format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
            let set = self.pass(tagging.body(Either::Right(Full::from(body)))?).await?;
            if !set.status().is_success() {
                return Ok(set);
            }
        }
        Ok(made)
    }
}
