//! The answers of S3.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    Method, Request, Response,
    body::{Body as _, Incoming},
    header::{self, HeaderMap},
    http::response::Builder,
};
use mvi_benches::objects::{self, BUCKET, PAGE, TAG, WRITTEN};

use crate::{Answer, Canned, finish, read};

const CHECKSUM: &str = "x-amz-checksum-crc32c";

/// A listing, page by page.
pub(crate) struct Pages(Vec<Bytes>);

impl Pages {
    pub(crate) fn new(listed: usize) -> Self {
        let pages = listed.div_ceil(PAGE);
        Self((0..pages).map(|page| Self::page(page, page + 1 == pages)).collect())
    }

    fn page(page: usize, is_last: bool) -> Bytes {
        use std::fmt::Write as _;
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Name>{BUCKET}</Name><Prefix></Prefix><KeyCount>{PAGE}</KeyCount><MaxKeys>{PAGE}</MaxKeys>\
             <IsTruncated>{}</IsTruncated>",
            !is_last
        );
        if !is_last {
            let _ = write!(xml, "<NextContinuationToken>page-{}</NextContinuationToken>", page + 1);
        }
        for n in page * PAGE..(page + 1) * PAGE {
            let _ = write!(
                xml,
                "<Contents><Key>{}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>\
                 <ETag>{}</ETag><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
                 <Size>434234</Size><StorageClass>STANDARD</StorageClass></Contents>",
                objects::listed(n),
                TAG.replace('"', "&quot;"),
            );
        }
        xml.push_str("</ListBucketResult>");
        xml.into()
    }
}

/// The headers that every answer has.
fn builder() -> Builder {
    Response::builder()
        .header("x-amz-request-id", "4442587FB7D0A2F9")
        .header(
            "x-amz-id-2",
            "vlR7PnpV2Ce81l0PRw6jlUpck7Jo5ZsQjryTjKlc5aLWGVHPZLj5NeC6qMa0emYBDXOo6QBU0Wo=",
        )
        .header(header::SERVER, "AmazonS3")
}

fn xml(body: impl Into<Bytes>) -> Answer {
    finish(builder().header(header::CONTENT_TYPE, "application/xml"), body)
}

pub(crate) async fn answer(canned: &Canned, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let value =
        |name: &str| query.split('&').find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
    match parts.method {
        Method::GET if value("list-type").is_some() => {
            let page =
                value("continuation-token").and_then(|it| it.strip_prefix("page-")?.parse().ok());
            xml(canned.s3.0.get(page.unwrap_or(0_usize)).cloned().unwrap_or_default())
        }
        Method::GET | Method::HEAD => object(canned, &parts.method, path, &parts.headers),
        Method::POST if query.starts_with("uploads") => {
            drain(body).await;
            let (_, key) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
            let answer =
                copied(&parts.headers, &["x-amz-checksum-algorithm", "x-amz-checksum-type"]);
            finish(
                answer.header(header::CONTENT_TYPE, "application/xml"),
                format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                     <Bucket>{BUCKET}</Bucket><Key>{key}</Key><UploadId>VXBsb2FkIElE</UploadId></InitiateMultipartUploadResult>"
                ),
            )
        }
        Method::POST => {
            drain(body).await;
            let (_, key) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
            let whole = parts.headers.get(CHECKSUM).and_then(|it| it.to_str().ok());
            let checksum = whole.map_or_else(String::new, |it| {
                format!(
                    "<ChecksumCRC32C>{it}</ChecksumCRC32C><ChecksumType>FULL_OBJECT</ChecksumType>"
                )
            });
            xml(format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <Location>http://{BUCKET}.s3.amazonaws.com/{key}</Location><Bucket>{BUCKET}</Bucket><Key>{key}</Key>\
                 <ETag>&quot;3858f62230ac3c915f300c664312c11f-9&quot;</ETag>{checksum}</CompleteMultipartUploadResult>"
            ))
        }
        Method::DELETE => finish(builder().status(hyper::StatusCode::NO_CONTENT), Bytes::new()),
        _ => {
            drain(body).await;
            let answer = copied(
                &parts.headers,
                &[CHECKSUM, "x-amz-checksum-crc32", "x-amz-checksum-crc64nvme"],
            );
            finish(
                answer.header(header::ETAG, TAG).header("x-amz-server-side-encryption", "AES256"),
                Bytes::new(),
            )
        }
    }
}

fn object(canned: &Canned, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
    let object = canned.object(path);
    let mut answer = builder()
        .header(header::ETAG, TAG)
        .header(header::LAST_MODIFIED, WRITTEN)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_TYPE, "binary/octet-stream")
        .header("x-amz-server-side-encryption", "AES256");
    // S3 gives it to who asks, and not with a range.
    if headers.contains_key("x-amz-checksum-mode") && !headers.contains_key(header::RANGE) {
        answer =
            answer.header(CHECKSUM, &object.checksum).header("x-amz-checksum-type", "FULL_OBJECT");
    }
    read(answer, method, headers, object)
}

/// An answer that says again what these headers of the request said.
fn copied(headers: &HeaderMap, names: &[&str]) -> Builder {
    names.iter().fold(builder(), |answer, name| match headers.get(*name) {
        Some(value) => answer.header(*name, value),
        None => answer,
    })
}

async fn drain(mut body: Incoming) {
    while !body.is_end_stream() {
        let Some(Ok(_)) = body.frame().await else { return };
    }
}
