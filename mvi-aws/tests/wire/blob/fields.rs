//! Each field of each request: change only it, see the wire change.
//!
//! Requests are taken apart without `..`, so that a new field is missing here until it is tried.

use std::{num::NonZeroU32, time::Duration};

use futures::TryStreamExt as _;
use mvi_core::{
    Blob as _, BucketName, Labels,
    blob::{
        Action, Body, ByteRange, Complete, Copy, CreateBucket, Delete, DeleteMany, Encryption, Get,
        Head, List, Metadata, Mode, Part, Presign, Properties, Put, Rule, Source, StartUpload,
        Target, Upload, VersionId, Versioning, Versions,
    },
};

use super::{
    S3, bucket, complete, copy, get, key, number, part, put,
    server::{Reply, Server},
    tag, upload,
};

/// What a call sends, but for what is new each time.
async fn sent<F: Future<Output = ()>>(call: impl FnOnce(S3) -> F) -> Vec<String> {
    let server = Server::start(|call| {
        // A bucket that is not there yet, and then is, with the tags that it was made with.
        let absent = call.op == "GetBucketTagging" && call.nth == 0;
        absent.then(|| Reply::error(404, "NoSuchBucket"))
    })
    .await;
    call(server.blob().await).await;
    server.all().iter().map(super::server::Call::shown).collect()
}

/// Sends `base`, twice, and each change of it; only the changes differ.
macro_rules! fields {
    ($base:expr, $send:expr, { $($($field:ident).+ => $change:expr),+ $(,)? }) => {{
        let base = $base;
        let send = $send;
        let first = sent(|b| send(b, base.clone())).await;
        assert!(!first.is_empty(), "nothing was sent");
        assert_eq!(first, sent(|b| send(b, base.clone())).await, "the same is sent the same");
        $(
            let mut changed = base.clone();
            changed.$($field).+ = $change;
            let other = sent(|b| send(b, changed)).await;
            assert_ne!(first, other, "a change of {} is not seen", stringify!($($field).+));
        )+
    }};
}

fn other() -> BucketName {
    BucketName::new("acme-7f3-other").unwrap()
}

fn noted() -> Metadata {
    Metadata::new().with("owner", "ann").unwrap()
}

fn master() -> Encryption {
    Encryption::Key("arn:aws:kms:eu-central-1:1:key/1".into())
}

fn version() -> VersionId {
    VersionId::new("v1")
}

#[tokio::test]
async fn of_a_put() {
    let base = put();
    let Put { bucket: _, key: _, mode: _, properties, encryption: _, checksum: _ } = &base;
    let Properties { content_type: _, cache_control: _, content_disposition: _, metadata: _ } =
        properties;
    fields!(base, async |b: S3, it| { b.put(it, "hello".into()).await.unwrap(); }, {
        bucket => other(),
        key => key("b"),
        mode => Mode::IfAbsent,
        mode => Mode::IfMatch(tag("\"e1\"")),
        properties.content_type => "text/plain".into(),
        properties.cache_control => Some("no-store".into()),
        properties.content_disposition => Some("attachment".into()),
        properties.metadata => noted(),
        encryption => master(),
        checksum => "AAAAAA==".parse().ok(),
    });
    let hello = sent(async |b| drop(b.put(put(), "hello".into()).await.unwrap())).await;
    assert_ne!(hello, sent(async |b| drop(b.put(put(), "hullo".into()).await.unwrap())).await);
}

#[tokio::test]
async fn of_a_get() {
    let base = get();
    let Get { bucket: _, key: _, range: _, if_match: _, if_none_match: _, version: _ } = &base;
    fields!(base, async |b: S3, it| { b.get(it).await.unwrap(); }, {
        bucket => other(),
        key => key("b"),
        range => Some(ByteRange::Between(1, 3)),
        range => Some(ByteRange::From(1)),
        if_match => Some(tag("\"e1\"")),
        if_none_match => Some(tag("\"e0\"")),
        version => Some(version()),
    });
}

#[tokio::test]
async fn of_a_head() {
    let base = Head::new(bucket(), key("a"));
    let Head { bucket: _, key: _, version: _ } = &base;
    fields!(base, async |b: S3, it| { b.head(it).await.unwrap(); }, {
        bucket => other(),
        key => key("b"),
        version => Some(version()),
    });
}

#[tokio::test]
async fn of_a_delete() {
    let base = Delete::new(bucket(), key("a"));
    let Delete { bucket: _, key: _, if_match: _, version: _ } = &base;
    fields!(base, async |b: S3, it| { b.delete(it).await.unwrap(); }, {
        bucket => other(),
        key => key("b"),
        if_match => Some(tag("\"e1\"")),
        version => Some(version()),
    });
}

#[tokio::test]
async fn of_a_delete_of_many() {
    let base = DeleteMany::new(bucket(), [key("a")]);
    let DeleteMany { bucket: _, targets } = &base;
    let Target { key: _, version: _ } = &targets[0];
    fields!(base, async |b: S3, it| { b.delete_many(it).await.unwrap(); }, {
        bucket => other(),
        targets => vec![key("b").into()],
        targets => vec![Target { key: key("a"), version: Some(version()) }],
        targets => vec![key("a").into(), key("b").into()],
    });
}

#[tokio::test]
async fn of_a_list() {
    let base = List::new(bucket());
    let List { bucket: _, prefix: _, delimiter: _, start_after: _, limit: _, page: _ } = &base;
    let send = async |b: S3, it| drop(b.list(it).try_collect::<Vec<_>>().await.unwrap());
    fields!(base, send, {
        bucket => other(),
        prefix => "a/".into(),
        delimiter => Some("/".into()),
        start_after => Some("a".into()),
        limit => Some(7),
        page => NonZeroU32::new(7),
    });
}

#[tokio::test]
async fn of_a_list_of_versions() {
    let base = Versions::new(bucket());
    let Versions { bucket: _, prefix: _, page: _ } = &base;
    let send = async |b: S3, it| drop(b.versions(it).try_collect::<Vec<_>>().await.unwrap());
    fields!(base, send, {
        bucket => other(),
        prefix => "a/".into(),
        page => NonZeroU32::new(7),
    });
}

#[tokio::test]
async fn of_a_copy() {
    let base = copy();
    let Copy { source, bucket: _, key: _, mode: _, properties: _, encryption: _ } = &base;
    let Source { bucket: _, key: _, version: _, if_match: _ } = source;
    fields!(base, async |b: S3, it| { b.copy(it).await.unwrap(); }, {
        source.bucket => other(),
        source.key => key("c"),
        source.version => Some(version()),
        bucket => other(),
        key => key("c"),
        mode => Mode::IfAbsent,
        mode => Mode::IfMatch(tag("\"e1\"")),
        properties => Some(Properties::default()),
        properties => Some(Properties { metadata: noted(), ..Properties::default() }),
        encryption => master(),
    });
    // The source is looked at first: one of another tag is not copied.
    let mut stale = copy();
    stale.source.if_match = Some(tag("\"e0\""));
    let calls = sent(async |b| drop(b.copy(stale).await.unwrap_err())).await;
    assert_eq!(calls.len(), 1, "{calls:?}");
}

#[tokio::test]
async fn of_an_upload() {
    let base = StartUpload::new(bucket(), key("a"));
    let StartUpload { bucket: _, key: _, properties: _, encryption: _ } = &base;
    fields!(base, async |b: S3, it| { b.start_upload(it).await.unwrap(); }, {
        bucket => other(),
        key => key("b"),
        properties.content_type => "text/plain".into(),
        properties.cache_control => Some("no-store".into()),
        properties.content_disposition => Some("attachment".into()),
        properties.metadata => noted(),
        encryption => master(),
    });
    let base = upload();
    fields!(base, async |b: S3, it| { b.abort_upload(&it).await.unwrap(); }, {
        bucket => other(),
        key => key("b"),
        id => "u2".into(),
    });
    let send = async |b: S3, it: Upload| drop(b.parts(&it).try_collect::<Vec<_>>().await.unwrap());
    fields!(upload(), send, {
        bucket => other(),
        key => key("b"),
        id => "u2".into(),
    });
}

#[tokio::test]
async fn of_a_part() {
    let send = async |b: S3, it: Upload| {
        drop(b.upload_part(&it, number(1), "hello".into()).await.unwrap());
    };
    fields!(upload(), send, {
        bucket => other(),
        key => key("b"),
        id => "u2".into(),
    });
    let part = async |n, body: &'static str| {
        sent(async |b| drop(b.upload_part(&upload(), number(n), body.into()).await.unwrap())).await
    };
    let first = part(1, "hello").await;
    assert_ne!(first, part(2, "hello").await);
    assert_ne!(first, part(1, "hullo").await);
}

#[tokio::test]
async fn of_a_completion() {
    let base = complete();
    let Complete { upload: _, parts: _, mode: _, checksum: _ } = &base;
    let changed = |change: fn(&mut Part)| {
        let mut part = part(1);
        change(&mut part);
        vec![part]
    };
    fields!(base, async |b: S3, it| { b.complete_upload(it).await.unwrap(); }, {
        upload.bucket => other(),
        upload.key => key("b"),
        upload.id => "u2".into(),
        parts => vec![part(1), part(2)],
        parts => changed(|it| it.number = number(3)),
        parts => changed(|it| it.size += 1),
        parts => changed(|it| it.tag = tag("\"p2\"")),
        parts => changed(|it| it.checksum = None),
        mode => Mode::IfAbsent,
        mode => Mode::IfMatch(tag("\"e1\"")),
        checksum => "AAAAAA==".parse().ok(),
    });
}

#[tokio::test]
async fn of_a_bucket() {
    let base = CreateBucket::new(bucket());
    let CreateBucket { name: _, labels: _ } = &base;
    // What becomes of it is for other tests.
    fields!(base, async |b: S3, it| { drop(b.create_bucket(it).await); }, {
        name => other(),
        labels => Labels::new().with("app", "links").unwrap(),
    });
    let set = async |rules: Vec<Rule>| {
        sent(async |b| b.set_lifecycle(&bucket(), rules).await.unwrap()).await
    };
    let Rule { prefix: _, action: _ } = Rule::expire("", 1);
    let (Action::Expire { days: _ } | Action::ExpireNoncurrent { days: _ }) =
        Rule::expire("", 1).action;
    let first = set(vec![Rule::expire("tmp/", 1)]).await;
    for rules in [
        vec![],
        vec![Rule::expire("tmp", 1)],
        vec![Rule::expire("tmp/", 2)],
        vec![Rule::expire_noncurrent("tmp/", 1)],
        vec![Rule::expire("tmp/", 1), Rule::expire("log/", 1)],
    ] {
        assert_ne!(first, set(rules.clone()).await, "{rules:?}");
    }
    let on = sent(async |b| b.set_versioning(&bucket(), Versioning::On).await.unwrap()).await;
    let off = sent(async |b| b.set_versioning(&bucket(), Versioning::Off).await.unwrap()).await;
    assert!(on[0].contains("<Status>Enabled</Status>"), "{on:?}");
    assert!(off[0].contains("<Status>Suspended</Status>"), "{off:?}");
}

#[tokio::test]
async fn of_a_url() {
    let server = Server::start(|_| None).await;
    let blob = server.blob().await;
    let base = Presign::put(bucket(), key("a"), Duration::from_mins(1));
    let Presign { method: _, bucket: _, key: _, expires: _, content_type: _ } = &base;
    let signed = async |it: Presign| {
        let signed = blob.presign(it).await.unwrap();
        // The time of the call, and the signature, which depends on it.
        let parts = signed.url.split(['?', '&']);
        let kept = parts.filter(|it| !it.starts_with("X-Amz-Date") && !it.contains("Signature="));
        (signed.method, kept.collect::<Vec<_>>().join("&"), signed.headers)
    };
    let first = signed(base.clone()).await;
    assert_eq!(first, signed(base.clone()).await);
    for changed in [
        Presign::get(bucket(), key("a"), Duration::from_mins(1)),
        Presign { bucket: other(), ..base.clone() },
        Presign { key: key("b"), ..base.clone() },
        Presign { expires: Duration::from_mins(2), ..base.clone() },
        base.clone().content_type("text/plain"),
    ] {
        assert_ne!(first, signed(changed.clone()).await, "{changed:?}");
    }
    assert!(server.all().is_empty(), "nothing is sent to sign");
}

#[tokio::test]
async fn of_every_write_the_body_and_its_checksum_are_there() {
    let server = Server::start(|_| None).await;
    let blob = server.blob().await;
    blob.put(put(), "hello world".into()).await.unwrap();
    blob.upload_part(&upload(), number(1), Body::from("hello world")).await.unwrap();
    for call in server.all() {
        assert_eq!(call.text(), "hello world", "{}", call.op);
        assert_eq!(call.header("x-amz-checksum-crc32c"), Some("yZRlqg=="), "{}", call.op);
        let checksums = call.headers.keys().filter(|it| it.as_str().starts_with("x-amz-checksum-"));
        assert_eq!(checksums.count(), 1, "one is enough");
        assert_eq!(call.header("content-encoding"), None, "{}", call.op);
    }
}
