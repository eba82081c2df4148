//! Blob over the wire, against a Cloud Storage of our own: what no emulator does.

mod buckets;
mod cloud;
mod download;
mod errors;
mod fields;
mod http;
mod list;
mod lost;
mod presign;
mod resumable;
mod silent;
mod uploads;

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use mvi_core::{
    Applied, BucketName, Error, ErrorKind,
    blob::{Body, Get, Key, Put, Replay},
};
use mvi_gcp::{Gcp, GcpBuilder, Retries, Service, Timeouts};

use self::{cloud::Cloud, http::Http};
use crate::server::Server;

/// A Cloud Storage, and a client of it in a hurry.
struct World {
    cloud: Cloud,
    grpc: Server,
    http: Http,
    gcp: Gcp,
}

impl World {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// One whose client waits longer, for what takes longer here.
    async fn patient() -> Self {
        let long = Duration::from_secs(30);
        Self::with(|it| {
            it.timeouts(Timeouts { attempt: long, operation: long, ..Timeouts::default() })
        })
        .await
    }

    async fn with(change: impl FnOnce(GcpBuilder) -> GcpBuilder) -> Self {
        let cloud = Cloud::default();
        let (grpc, http) = (cloud.serve().await, Http::of(&cloud).await);
        let gcp = change(builder(&grpc, &http)).build().await.unwrap();
        Self { cloud, grpc, http, gcp }
    }

    /// How many objects have been asked to be written, and of all else.
    fn forget(&self) {
        self.grpc.forget();
        self.http.forget();
    }
}

fn builder(grpc: &Server, http: &Http) -> GcpBuilder {
    let pause = Duration::from_millis(1);
    Gcp::builder()
        .project("demo")
        .endpoint_for(Service::Storage, grpc.url())
        .endpoint_for(Service::StorageHttp, http.url())
        .emulated()
        .timeouts(Timeouts {
            connect: Duration::from_secs(1),
            attempt: Duration::from_millis(1_500),
            operation: Duration::from_secs(6),
            per_mib: Duration::from_millis(100),
        })
        .retries(Retries { attempts: 3, first_pause: pause, longest_pause: pause })
}

fn bucket() -> BucketName {
    BucketName::new("acme-7f3-logs").unwrap()
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn put() -> Put {
    Put::new(bucket(), key("key"))
}

fn get() -> Get {
    Get::new(bucket(), key("key"))
}

/// So many bytes, of which no two near each other are the same.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 0xff).unwrap()).collect()
}

/// The same bytes as each kind of body.
fn bodies(bytes: &[u8]) -> Vec<Body> {
    let bytes = Bytes::copy_from_slice(bytes);
    let pieces: Vec<_> = bytes.chunks(300_001).map(Bytes::copy_from_slice).collect();
    let again = {
        let bytes = bytes.clone();
        Replay::new(bytes.len() as u64, move |range| {
            let at = |it: u64| usize::try_from(it).unwrap();
            let piece = bytes.slice(at(range.start)..at(range.end));
            stream::iter([Ok(piece)]).boxed()
        })
    };
    let once = stream::iter(pieces.into_iter().map(Ok)).boxed();
    vec![Body::Bytes(bytes), Body::Replay(again), Body::Once(once)]
}

fn told(error: &Error) -> (ErrorKind, Applied) {
    (error.kind(), error.applied())
}
