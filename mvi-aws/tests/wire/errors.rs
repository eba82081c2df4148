//! What errors say, and what attempts say together.

use std::time::Duration;

use mvi_aws::{Aws, Retries, Service};
use mvi_core::{
    Applied, ErrorKind, Kv as _, Retry,
    kv::{Condition, Get, Put, Update},
};
use serde_json::json;

use crate::{
    expired, item, key, links,
    server::{Call, Reply, Server},
};

const THROTTLED: &str = "ProvisionedThroughputExceededException";

async fn putting(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> mvi_core::Error {
    let server = Server::start(move |call| (call.op == "PutItem").then(|| script(call))).await;
    server.hasty().await.kv.put(Put::new(links(), key(), item())).await.unwrap_err()
}

#[tokio::test]
async fn a_throttled_attempt_after_a_timed_out_one_may_have_been_applied() {
    let error = putting(|call| match call.nth {
        0 => Reply::Never,
        _ => Reply::Error(400, THROTTLED, json!({})),
    })
    .await;
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Throttled, Applied::Unknown));
    assert_eq!(error.retry(), Retry::IfIdempotent);
}

#[tokio::test]
async fn attempts_that_were_all_throttled_were_not_applied() {
    let error = putting(|_| Reply::Error(400, THROTTLED, json!({}))).await;
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Throttled, Applied::No));
    assert_eq!(error.retry(), Retry::Safe);
}

#[tokio::test]
async fn a_refused_attempt_after_a_failed_one_may_have_been_applied() {
    let error = putting(|call| match call.nth {
        0 => Reply::Error(500, "InternalServerError", json!({})),
        _ => Reply::Error(400, "AccessDeniedException", json!({})),
    })
    .await;
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Forbidden, Applied::Unknown));
}

#[tokio::test]
async fn a_read_is_not_applied_however_it_fails() {
    let server = Server::start(|call| (call.op == "GetItem").then_some(Reply::Never)).await;
    let error = server.hasty().await.kv.get(Get::new(links(), key())).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Safe));
}

#[tokio::test]
async fn an_error_says_where_and_what_and_who_to_ask() {
    let message = json!({"message": "The conditional request failed"});
    let server = Server::start(move |call| {
        let reply = Reply::Error(400, "ConditionalCheckFailedException", message.clone());
        (call.op == "PutItem").then_some(reply)
    })
    .await;
    let put = Put::new(links(), key(), item()).only_if(Condition::Present);
    let error = server.aws().await.kv.put(put).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "kv.put links: the conditional request failed (Conflict, ConditionalCheckFailedException, REQ1)"
    );
    assert_eq!(error.applied(), Applied::No);
}

#[tokio::test]
async fn what_an_item_holds_and_the_key_to_the_account_are_in_no_error() {
    let held = json!({"Item": {"p": {"S": "ann"}, "s": {"N": "1"}, "pin": {"S": "hunter2"}}});
    let server = Server::start(move |call| {
        let reply = Reply::Error(400, "ConditionalCheckFailedException", held.clone());
        (call.op == "PutItem").then_some(reply)
    })
    .await;
    let aws = server.aws().await;
    let put = Put::new(links(), key(), item().with("pin", "hunter2")).only_if(Condition::Absent);
    let error = aws.kv.put(put).await.unwrap_err();
    let printed = format!("{error:?} {aws:?} {:?} {:?}", aws.cloud(), server.builder());
    assert!(!printed.contains("hunter2") && !printed.contains("test-key"), "{printed}");
}

#[tokio::test]
async fn what_is_called_after_a_table_is_gone_looks_again() {
    let server = Server::start(|call| {
        let reply = Reply::Error(400, "ResourceNotFoundException", json!({}));
        (call.op == "GetItem").then_some(reply)
    })
    .await;
    let kv = server.aws().await.kv;
    for looks in 1..=2 {
        let error = kv.get(Get::new(links(), key())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(server.calls("DescribeTable").len(), looks);
    }
    assert_eq!(server.calls("ListTagsOfResource").len(), 1, "they are rationed");
}

#[tokio::test]
async fn a_table_is_looked_at_once() {
    let server = Server::start(|_| None).await;
    let kv = server.aws().await.kv;
    for _ in 0..3 {
        kv.put(Put::new(links(), key(), item())).await.unwrap();
    }
    assert_eq!(server.calls("DescribeTable").len(), 1);
}

#[tokio::test]
async fn an_endpoint_of_one_service_comes_first() {
    let server = Server::start(|_| None).await;
    let nowhere = Aws::builder().region("eu-central-1").endpoint("http://127.0.0.1:9");
    let builder = nowhere.credentials("id", "key").endpoint_for(Service::DynamoDb, &server.url);
    builder.build().await.unwrap().kv.delete_table(&links()).await.unwrap();
    assert_eq!(server.ops(), ["DeleteTable"]);
}

#[tokio::test]
async fn the_configured_attempts_are_made() {
    for attempts in [1, 3] {
        let server = Server::start(|call| {
            let reply = Reply::Error(500, "InternalServerError", json!({}));
            (call.op == "GetItem").then_some(reply)
        })
        .await;
        let pause = Duration::from_millis(1);
        let retries = Retries { attempts, first_pause: pause, longest_pause: pause };
        let kv = server.builder().retries(retries).build().await.unwrap().kv;
        kv.get(Get::new(links(), key())).await.unwrap_err();
        assert_eq!(server.calls("GetItem").len(), attempts as usize);
    }
}

#[tokio::test]
async fn a_change_of_what_has_expired_starts_empty() {
    let server = Server::start(|call| match call.op.as_str() {
        "UpdateItem" => {
            let found = json!({"Item": expired(1, "dead")});
            Some(Reply::Error(400, "ConditionalCheckFailedException", found))
        }
        _ => None,
    })
    .await;
    let update = Update::new(links(), key()).increment("hits", 5).set("url", "u");
    let record = server.aws().await.kv.update(update).await.unwrap();
    assert_eq!(record.item, item().with("hits", 5).with("url", "u"));
    assert_eq!(record.expires, None);
    assert_eq!(server.ops(), ["UpdateItem", "PutItem"]);
    let put = &server.calls("PutItem")[0].body;
    assert_eq!(put["Item"]["_v"]["S"], record.version.as_str());
    assert_eq!(put["ConditionExpression"], "#0 = :0 AND #1 = :1");
    assert_eq!(put["ExpressionAttributeValues"], json!({":0": {"S": "dead"}, ":1": {"N": "1000"}}));
}

#[tokio::test]
async fn a_change_of_what_expired_and_then_changed_begins_again_and_ends() {
    let server = Server::start(|call| {
        let found = json!({"Item": expired(1, "dead")});
        matches!(call.op.as_str(), "UpdateItem" | "PutItem").then_some(Reply::Error(
            400,
            "ConditionalCheckFailedException",
            found,
        ))
    })
    .await;
    let update = Update::new(links(), key()).set("hits", 5);
    let error = server.aws().await.kv.update(update).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::No));
    assert_eq!(server.calls("UpdateItem").len(), 4);
}

#[tokio::test]
async fn what_meets_a_transaction_waits_for_it() {
    let server = Server::start(|call| {
        let met = Reply::Error(400, "TransactionConflictException", json!({}));
        (call.op == "PutItem" && call.nth == 0).then_some(met)
    })
    .await;
    server.aws().await.kv.put(Put::new(links(), key(), item())).await.unwrap();
    assert_eq!(server.calls("PutItem").len(), 2);
}
