//! Signed URLs, by Google's V4 process.
//!
//! Source: [signed URLs][signed].
//!
//! [signed]: https://cloud.google.com/storage/docs/access-control/signed-urls

use std::time::Duration;

use google_cloud_storage::{builder::storage::SignedUrlBuilder, http::Method as HttpMethod};
use jiff::{SignedDuration, Timestamp};
use mvi_core::{
    Applied, Error, ErrorKind, Result,
    blob::{Method, Presign, Presigned},
};
use tokio::time::timeout;

use super::client::{Client, path};
use crate::clock;

/// Makes a URL with which whoever has it may read or write one object.
pub(super) async fn presign(client: &Client, request: Presign) -> Result<Presigned> {
    request.check()?;
    let Presign { method, bucket, key, expires, content_type } = request;
    let signer = client.config().signer()?;
    let http = match method {
        Method::Get => HttpMethod::GET,
        Method::Put => HttpMethod::PUT,
    };
    // Google counts whole seconds.
    let expires = Duration::from_secs(expires.as_secs());
    // The builder takes the time when it is made, so the URL lives no shorter than this.
    let now = Timestamp::from_second(clock::now().as_second()).unwrap_or_default();
    let url = SignedUrlBuilder::for_object(path(&bucket), key.as_str())
        .with_method(http)
        .with_expiration(expires);
    let url = match client.config().storage_http() {
        Some(endpoint) => url.with_endpoint(endpoint),
        None => url,
    };
    let url = match &content_type {
        Some(it) => url.with_header("content-type", it),
        None => url,
    };
    // A machine's account signs by a call, which the crate waits for without limit.
    let limit = client.config().limits.timeouts.operation;
    let failed = |kind, what: &str| Error::new(kind, what).with_applied(Applied::No);
    let url = timeout(limit, url.sign_with(&signer)).await;
    let url = url.map_err(|_| failed(ErrorKind::Timeout, "nobody signed in time"))?;
    let url = url.map_err(|e| {
        let message = "these credentials did not sign: wanted a service account's key, or the right to call signBlob";
        failed(ErrorKind::Unauthenticated, message).with_source(e)
    })?;
    let until = SignedDuration::try_from(expires).ok().and_then(|it| now.checked_add(it).ok());
    let mut presigned = Presigned::new(method, url, until.unwrap_or(Timestamp::MAX));
    presigned.headers =
        content_type.map(|it| ("content-type".to_owned(), it)).into_iter().collect();
    Ok(presigned)
}
