//! The answer to each call that changes something is lost once, as where the connection breaks after it was applied.

use mvi_core::{
    Applied, Blob as _, ErrorKind,
    blob::{CreateBucket, Delete, DeleteMany, Mode, Rule, StartUpload, Versioning},
};

use super::{
    bucket, complete, copy, key, number, put,
    server::{Reply, Server, object, stamp, tags},
    tag, upload,
};

/// Loses the first answer to `op`.
async fn losing(op: &'static str) -> Server {
    Server::start(move |call| (call.op == op && call.nth == 0).then_some(Reply::Lost)).await
}

/// Makes a call whose first answer is lost; it succeeds, and was sent twice.
macro_rules! twice {
    ($op:literal, $call:expr) => {{
        let server = losing($op).await;
        let call = $call;
        call(server.blob().await).await.unwrap();
        assert_eq!(server.calls($op).len(), 2, "{}", $op);
        let calls = server.calls($op);
        assert_eq!(calls[0].shown(), calls[1].shown(), "the same is sent again");
        assert_eq!(calls[0].nonce(), calls[1].nonce(), "by the same name");
    }};
}

#[tokio::test]
async fn what_is_once_however_often_is_sent_again() {
    twice!("PutObject", async |b: super::S3| b.put(put(), "hello".into()).await);
    twice!("PutObject", async |b: super::S3| {
        b.put(put().mode(Mode::IfAbsent), "hello".into()).await
    });
    twice!("DeleteObject", async |b: super::S3| b.delete(Delete::new(bucket(), key("a"))).await);
    twice!("DeleteObjects", async |b: super::S3| {
        b.delete_many(DeleteMany::new(bucket(), [key("a")])).await
    });
    twice!("CopyObject", async |b: super::S3| b.copy(copy()).await);
    twice!("CreateMultipartUpload", async |b: super::S3| {
        b.start_upload(StartUpload::new(bucket(), key("a"))).await
    });
    twice!("UploadPart", async |b: super::S3| {
        b.upload_part(&upload(), number(1), "hello".into()).await
    });
    twice!("CompleteMultipartUpload", async |b: super::S3| b.complete_upload(complete()).await);
    twice!("AbortMultipartUpload", async |b: super::S3| b.abort_upload(&upload()).await);
    twice!("DeleteBucket", async |b: super::S3| b.delete_bucket(&bucket()).await);
    twice!("PutBucketVersioning", async |b: super::S3| {
        b.set_versioning(&bucket(), Versioning::On).await
    });
    twice!("PutBucketLifecycleConfiguration", async |b: super::S3| {
        b.set_lifecycle(&bucket(), vec![Rule::expire("tmp/", 1)]).await
    });
    twice!("PutPublicAccessBlock", async |b: super::S3| {
        b.create_bucket(CreateBucket::new(bucket())).await
    });
}

/// Loses the first answer to `op`, then says that its condition does not hold; what is there was written with its own nonce, or
/// with another's.
async fn refusing(op: &'static str, status: u16, code: &'static str, own: bool) -> Server {
    let written = std::sync::Mutex::new(String::new());
    Server::start(move |call| {
        if let Some(nonce) = call.nonce() {
            nonce.clone_into(&mut written.lock().unwrap());
        }
        match (call.op, call.nth) {
            (it, 0) if it == op => Some(Reply::Lost),
            (it, _) if it == op => Some(Reply::error(status, code)),
            ("HeadObject", _) => {
                let nonce = if own { written.lock().unwrap().clone() } else { "other".into() };
                let nonce = if nonce.is_empty() { "n1".into() } else { nonce };
                Some(object(call, b"hello").with("x-amz-meta-mvi-nonce", nonce))
            }
            _ => None,
        }
    })
    .await
}

#[tokio::test]
async fn a_write_that_is_refused_by_its_own_nonce_has_won() {
    for mode in [Mode::IfAbsent, Mode::IfMatch(tag("\"e0\""))] {
        let server = refusing("PutObject", 412, "PreconditionFailed", true).await;
        let meta = server.blob().await.put(put().mode(mode.clone()), "hello".into()).await.unwrap();
        assert_eq!((meta.size, meta.tag), (5, tag("\"e1\"")));
        assert_eq!(meta.properties.metadata.get("owner"), Some("ann"));
        assert_eq!(server.ops(), ["PutObject", "PutObject", "HeadObject"]);

        let server = refusing("CopyObject", 412, "PreconditionFailed", true).await;
        server.blob().await.copy(copy().mode(mode)).await.unwrap();
        assert_eq!(server.ops(), ["HeadObject", "CopyObject", "CopyObject", "HeadObject"]);
    }
}

#[tokio::test]
async fn a_write_that_is_refused_by_another_has_lost_and_may_have_been_there_before() {
    let server = refusing("PutObject", 412, "PreconditionFailed", false).await;
    let lost = server.blob().await.put(put().mode(Mode::IfAbsent), "hello".into()).await;
    let error = lost.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::Unknown));

    let server = refusing("CopyObject", 412, "PreconditionFailed", false).await;
    let error = server.blob().await.copy(copy().mode(Mode::IfAbsent)).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::Unknown));
}

#[tokio::test]
async fn a_write_that_is_refused_at_once_has_lost_and_nobody_looks() {
    let server = Server::start(|call| {
        (call.op == "PutObject").then(|| Reply::error(412, "PreconditionFailed"))
    })
    .await;
    let lost = server.blob().await.put(put().mode(Mode::IfAbsent), "hello".into()).await;
    let error = lost.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::No));
    assert_eq!(server.ops(), ["PutObject"]);
}

#[tokio::test]
async fn an_upload_that_was_completed_before_is_that_object() {
    // By an attempt before, or by another process: S3 has forgotten the upload, or sees that something is there.
    for (status, code) in [(404, "NoSuchUpload"), (412, "PreconditionFailed")] {
        let server = Server::start(move |call| {
            (call.op == "CompleteMultipartUpload").then(|| Reply::error(status, code))
        })
        .await;
        let blob = server.blob().await;
        let meta = blob.complete_upload(complete().mode(Mode::IfAbsent)).await.unwrap();
        assert_eq!((meta.size, meta.tag), (5, tag("\"e1\"")));

        let mut other = complete();
        other.upload.nonce = Some("other".into());
        let error = blob.complete_upload(other).await.unwrap_err();
        let kind = if status == 404 { ErrorKind::NotFound } else { ErrorKind::Conflict };
        assert_eq!((error.kind(), error.applied()), (kind, Applied::No), "{error:?}");

        let mut listed = complete();
        listed.upload.nonce = None;
        assert_eq!(blob.complete_upload(listed).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn a_conditional_delete_whose_answer_is_lost_may_have_been_done() {
    let server = refusing("DeleteObject", 404, "NoSuchKey", true).await;
    let mut delete = Delete::new(bucket(), key("a"));
    delete.if_match = Some(tag("\"e1\""));
    let error = server.blob().await.delete(delete).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::Unknown));
}

#[tokio::test]
async fn what_s3_could_not_judge_is_asked_again() {
    let server = Server::start(|call| {
        let busy = call.op == "PutObject" && call.nth == 0;
        busy.then(|| Reply::error(409, "ConditionalRequestConflict"))
    })
    .await;
    server.blob().await.put(put().mode(Mode::IfAbsent), "hello".into()).await.unwrap();
    assert_eq!(server.ops(), ["PutObject", "PutObject"]);

    let server = Server::start(|call| {
        (call.op == "PutObject").then(|| Reply::error(409, "ConditionalRequestConflict"))
    })
    .await;
    let lost = server.blob().await.put(put().mode(Mode::IfAbsent), "hello".into()).await;
    let error = lost.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::No));
    assert_eq!(server.ops().len(), 2, "no more often than attempts are made");

    // Of an upload the parts would have to be stored anew.
    let server = Server::start(|call| {
        let completes = call.op == "CompleteMultipartUpload";
        completes.then(|| Reply::error(409, "ConditionalRequestConflict"))
    })
    .await;
    let mut complete = complete().mode(Mode::IfAbsent);
    complete.upload.nonce = Some("mine".into());
    let error = server.blob().await.complete_upload(complete).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::No));
    assert_eq!(server.calls("CompleteMultipartUpload").len(), 1);
}

/// A bucket that is not there until it is created, and then has the tags of `stamp`.
fn appearing(stamp: String) -> impl Fn(&super::server::Call, bool) -> Option<Reply> {
    move |call, made| match call.op {
        "GetBucketTagging" if !made => Some(Reply::error(404, "NoSuchBucket")),
        "GetBucketTagging" => Some(tags(&stamp)),
        _ => None,
    }
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_makes_one_bucket() {
    let appears = appearing(stamp());
    let made = std::sync::atomic::AtomicBool::new(false);
    let server = Server::start(move |call| {
        use std::sync::atomic::Ordering::SeqCst;
        if call.op == "CreateBucket" {
            made.store(true, SeqCst);
            let owned = Reply::error(409, "BucketAlreadyOwnedByYou");
            return Some(if call.nth == 0 { Reply::Lost } else { owned });
        }
        appears(call, made.load(SeqCst))
    })
    .await;
    let made = server.blob().await.create_bucket(CreateBucket::new(bucket())).await.unwrap();
    assert_eq!(made.name, bucket());
    assert_eq!(server.calls("CreateBucket").len(), 2);
    assert_eq!(server.calls("PutPublicAccessBlock").len(), 1);
}

#[tokio::test]
async fn in_the_first_region_a_bucket_of_other_settings_is_not_taken_for_ours() {
    // CreateBucket answers 200 there, whoever of the account made it, and here another came first.
    let other = format!("v1-{}", "0".repeat(32));
    let appears = appearing(other);
    let made = std::sync::atomic::AtomicBool::new(false);
    let server = Server::start(move |call| {
        use std::sync::atomic::Ordering::SeqCst;
        if call.op == "CreateBucket" {
            made.store(true, SeqCst);
        }
        appears(call, made.load(SeqCst))
    })
    .await;
    let blob = server.builder().region("us-east-1").build().await.unwrap().blob;
    let error = blob.create_bucket(CreateBucket::new(bucket())).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::AlreadyExists, Applied::No));
    assert_eq!(server.calls("CreateBucket").len(), 1);
    let sent = server.calls("CreateBucket").remove(0).text();
    assert!(!sent.contains("LocationConstraint"), "{sent}");
    assert!(!server.ops().contains(&"PutPublicAccessBlock"), "nothing of it is changed");
}

#[tokio::test]
async fn a_bucket_of_somebody_else_is_not_ours() {
    let server = Server::start(|call| match call.op {
        "GetBucketTagging" => Some(Reply::error(403, "AccessDenied")),
        "CreateBucket" => Some(Reply::error(409, "BucketAlreadyExists")),
        _ => None,
    })
    .await;
    let error = server.blob().await.create_bucket(CreateBucket::new(bucket())).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::AlreadyExists, Applied::No));
    assert_eq!(server.calls("CreateBucket").len(), 1);
}

#[tokio::test]
async fn a_bucket_that_a_crash_left_half_done_is_finished() {
    let server = Server::start(|_| None).await;
    server.blob().await.create_bucket(CreateBucket::new(bucket())).await.unwrap();
    assert!(!server.ops().contains(&"CreateBucket"), "it is there");
    let [closed] = &server.calls("PutPublicAccessBlock")[..] else { panic!("it is open") };
    let closed = closed.text();
    for block in
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
    {
        assert!(closed.contains(&format!("<{block}>true</{block}>")), "{closed}");
    }
    let rules = server.calls("PutBucketLifecycleConfiguration").remove(0).text();
    assert!(rules.contains("<DaysAfterInitiation>7</DaysAfterInitiation>"), "{rules}");
}

#[tokio::test]
async fn a_bucket_keeps_the_rules_that_it_got_when_it_is_created_again() {
    let server = Server::start(|call| {
        let rules = "<LifecycleConfiguration><Rule><ID>mvi-uploads</ID><Status>Enabled</Status></Rule>\
                     <Rule><ID>mvi-0</ID><Status>Enabled</Status><Filter><Prefix>tmp/</Prefix></Filter>\
                     <Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";
        (call.op == "GetBucketLifecycleConfiguration").then(|| Reply::xml(rules))
    })
    .await;
    let made = server.blob().await.create_bucket(CreateBucket::new(bucket())).await.unwrap();
    assert_eq!(made.lifecycle, [Rule::expire("tmp/", 1)], "without our own");
    assert!(server.calls("PutBucketLifecycleConfiguration").is_empty());
}
