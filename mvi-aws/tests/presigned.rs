//! Presigned URLs, as a program without credentials uses them, on an emulator that checks what is signed.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{env, time::Duration};

use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use mvi_aws::Aws;
use mvi_core::{
    Blob as _, BlobExt as _, BucketName,
    blob::{CreateBucket, Delete, Get, Key, Presign, Presigned},
};

/// What a plain client is answered.
async fn ask(
    signed: &Presigned,
    method: Method,
    url: &str,
    body: &'static str,
) -> (StatusCode, Bytes) {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in &signed.headers {
        request = request.header(name, value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request.body(Full::<Bytes>::from(body)).unwrap()).await.unwrap();
    let status = answer.status();
    (status, answer.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_url_lets_a_plain_client_do_what_it_says_and_no_more() {
    let Ok(endpoint) = env::var("MVI_MINISTACK") else {
        let required = env::var("MVI_REQUIRE").unwrap_or_default();
        let required = required.split(',').any(|it| matches!(it.trim(), "all" | "ministack"));
        assert!(!required, "MVI_MINISTACK is not set (MVI_REQUIRE)");
        println!("MVI_MINISTACK is not set: `cargo xtask emulators up ministack` says what to");
        return;
    };
    let aws = Aws::builder().region("eu-central-1").endpoint(endpoint);
    let blob = aws.credentials("test", "test").build().await.unwrap().blob;
    let name = format!("mvi-presigned-{}", std::process::id());
    let (bucket, key) = (BucketName::new(name).unwrap(), Key::new("a b+ü/%41.txt").unwrap());
    blob.create_bucket(CreateBucket::new(bucket.clone())).await.unwrap();
    let minute = Duration::from_mins(1);

    let put = Presign::put(bucket.clone(), key.clone(), minute).content_type("text/csv");
    let put = blob.presign(put).await.unwrap();
    assert_eq!(ask(&put, Method::PUT, &put.url, "hello").await.0, StatusCode::OK);
    let get = Get::new(bucket.clone(), key.clone());
    let object = blob.get(get.clone()).await.unwrap();
    assert_eq!(object.meta.properties.content_type, "text/csv");
    assert_eq!(object.bytes(5).await.unwrap(), "hello");

    let read = blob.presign(Presign::get(bucket.clone(), key.clone(), minute)).await.unwrap();
    assert!(read.headers.is_empty());
    let (status, body) = ask(&read, Method::GET, &read.url, "").await;
    assert_eq!((status, body), (StatusCode::OK, Bytes::from("hello")));

    // Not another object, another method, another time, another media type.
    let elsewhere = read.url.replacen("%2541.txt", "%2542.txt", 1);
    let longer = read.url.replacen("X-Amz-Expires=60", "X-Amz-Expires=61", 1);
    assert!(elsewhere != read.url && longer != read.url, "{}", read.url);
    let mut other = put.clone();
    other.headers = vec![("content-type".into(), "text/html".into())];
    for (signed, method, url) in [
        (&read, Method::GET, &elsewhere),
        (&read, Method::GET, &longer),
        (&read, Method::PUT, &read.url),
        (&other, Method::PUT, &put.url),
    ] {
        let (status, _) = ask(signed, method, url, "other").await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    assert_eq!(blob.get_bytes(get, 5).await.unwrap(), "hello");

    let short = Presign::get(bucket.clone(), key.clone(), Duration::from_secs(1));
    let short = blob.presign(short).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(ask(&short, Method::GET, &short.url, "").await.0, StatusCode::FORBIDDEN);

    blob.delete(Delete::new(bucket.clone(), key)).await.unwrap();
    blob.delete_bucket(&bucket).await.unwrap();
}
