//! HTTP and nothing else: what no client can be cheaper than.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Response, body::Incoming};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::{Place, Result, Store};
use crate::objects::{BUCKET, PARALLEL, PART_BYTES};

/// `hyper` with its pool of connections.
#[derive(Debug)]
pub struct RawHyper {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
}

impl RawHyper {
    /// Talks to `place`.
    pub fn new(place: &Place) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, url: place.url.clone() }
    }

    async fn send(&self, method: Method, key: &str, body: Bytes) -> Result<Response<Incoming>> {
        let uri = format!("{}/{BUCKET}/{key}", self.url);
        let request = Request::builder().method(method).uri(uri).body(Full::new(body))?;
        let response = self.client.request(request).await?;
        if !response.status().is_success() {
            return Err(format!("the server answered {}", response.status()).into());
        }
        Ok(response)
    }
}

#[async_trait]
impl Store for RawHyper {
    async fn get(&self, key: &str) -> Result<Bytes> {
        let response = self.send(Method::GET, key, Bytes::new()).await?;
        Ok(response.into_body().collect().await?.to_bytes())
    }

    async fn put(&self, key: &str, body: Bytes) -> Result {
        let response = self.send(Method::PUT, key, body).await?;
        response.into_body().collect().await?;
        Ok(())
    }

    async fn download(&self, key: &str) -> Result<usize> {
        let mut body = self.send(Method::GET, key, Bytes::new()).await?.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(length)
    }

    async fn upload(&self, key: &str, body: Bytes) -> Result {
        let starts = stream::iter((0..body.len()).step_by(PART_BYTES));
        starts
            .map(|start| self.put(key, body.slice(start..body.len().min(start + PART_BYTES))))
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await
    }

    async fn upload_file(&self, _key: &str, _file: &Path) -> Result {
        Err("not a thing that HTTP does".into())
    }

    async fn list(&self) -> Result<usize> {
        Err("not a thing that HTTP does".into())
    }
}
