//! Answers that are lost: what was applied is found out where it can be, and nothing is done twice.

use std::sync::{Arc, Mutex};

use mvi_core::{
    Applied, ErrorKind, Kv as _, Labels,
    kv::{Attr, Condition, CreateTable, Delete, Put, Transact, Ttl, Update, WriteMany},
};
use serde_json::{Value, json};

use crate::{
    item, key, links, record,
    server::{Call, Reply, Server, version_in},
    version,
};

const FAILED: &str = "ConditionalCheckFailedException";

/// Loses the first answer to `op`, and then answers with what `then` makes of the call that was lost.
async fn losing(
    op: &'static str,
    then: impl Fn(&Call, &Value) -> Reply + Send + Sync + 'static,
) -> Server {
    let lost = Arc::new(Mutex::new(Value::Null));
    Server::start(move |call| {
        let mut lost = lost.lock().unwrap();
        match call.op.as_str() {
            it if it == op && call.nth == 0 => {
                *lost = call.body.clone();
                Some(Reply::Lost)
            }
            "DescribeTable" | "ListTagsOfResource" => None,
            _ => Some(then(call, &lost)),
        }
    })
    .await
}

#[tokio::test]
async fn a_put_is_sent_again() {
    let server = losing("PutItem", |_, _| Reply::Ok(json!({}))).await;
    let version = server.aws().await.kv.put(Put::new(links(), key(), item())).await.unwrap();
    let puts = server.calls("PutItem");
    assert_eq!(puts.len(), 2);
    assert_eq!(puts[0].body, puts[1].body, "each attempt has the same nonce");
    assert_eq!(puts[1].body["Item"]["_v"]["S"], version.as_str());
}

#[tokio::test]
async fn a_put_on_a_version_that_was_applied_finds_its_own_nonce() {
    let server =
        losing("PutItem", |_, lost| Reply::Error(400, FAILED, json!({"Item": lost["Item"]}))).await;
    let put = Put::new(links(), key(), item()).only_if(Condition::Version(version("old")));
    let version = server.aws().await.kv.put(put).await.unwrap();
    let puts = server.calls("PutItem");
    assert_eq!(puts.len(), 2);
    assert_eq!(puts[0].body["Item"]["_v"]["S"], version.as_str());
    assert_eq!(puts[0].body["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
}

#[tokio::test]
async fn a_put_on_a_version_that_finds_another_nonce_may_have_been_applied_before() {
    let server =
        losing("PutItem", |_, _| Reply::Error(400, FAILED, json!({"Item": record(1, "other")})))
            .await;
    let put = Put::new(links(), key(), item()).only_if(Condition::Version(version("old")));
    let error = server.aws().await.kv.put(put).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::Unknown));
}

#[tokio::test]
async fn a_put_where_nothing_was_is_not_sent_again_but_read_back() {
    let server = losing("PutItem", |call, lost| {
        assert_eq!(call.op, "GetItem");
        assert_eq!(call.body["ConsistentRead"], true);
        Reply::Ok(json!({"Item": lost["Item"]}))
    })
    .await;
    let put = Put::new(links(), key(), item()).only_if(Condition::Absent);
    let version = server.aws().await.kv.put(put).await.unwrap();
    assert_eq!(server.ops(), ["PutItem", "GetItem"]);
    assert_eq!(server.calls("PutItem")[0].body["Item"]["_v"]["S"], version.as_str());
}

#[tokio::test]
async fn a_put_where_nothing_was_that_is_not_there_may_have_been_applied() {
    for found in [json!({}), json!({"Item": record(1, "other")})] {
        let server = losing("PutItem", move |_, _| Reply::Ok(found.clone())).await;
        let put = Put::new(links(), key(), item()).only_if(Condition::Absent);
        let error = server.aws().await.kv.put(put).await.unwrap_err();
        let expected = (ErrorKind::Unavailable, Applied::Unknown);
        assert_eq!((error.kind(), error.applied()), expected, "{error:?}");
        assert_eq!(server.ops(), ["PutItem", "GetItem"]);
    }
}

#[tokio::test]
async fn an_increment_is_made_once() {
    let server = losing("UpdateItem", |call, lost| {
        assert_eq!(call.op, "GetItem");
        let mut record = record(1, "");
        record["_v"] = version_in(lost);
        record["hits"] = json!({"N": "2"});
        Reply::Ok(json!({"Item": record}))
    })
    .await;
    let update = Update::new(links(), key()).increment("hits", 1);
    let record = server.aws().await.kv.update(update).await.unwrap();
    assert_eq!(record.item.get("hits"), Some(&2.into()));
    assert_eq!(server.ops(), ["UpdateItem", "GetItem"]);
}

#[tokio::test]
async fn an_append_whose_fate_is_unknown_says_so() {
    let server = losing("UpdateItem", |_, _| Reply::Ok(json!({"Item": record(1, "other")}))).await;
    let update = Update::new(links(), key()).append("log", vec!["x".into()]);
    let error = server.aws().await.kv.update(update).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::Unknown));
    assert_eq!(server.ops(), ["UpdateItem", "GetItem"]);
}

#[tokio::test]
async fn an_update_that_sets_is_sent_again() {
    let server = losing("UpdateItem", |_, lost| {
        let mut record = record(1, "");
        record["_v"] = version_in(lost);
        Reply::Ok(json!({"Attributes": record}))
    })
    .await;
    let record = server.aws().await.kv.update(Update::new(links(), key()).set("hits", 1)).await;
    assert_eq!(record.unwrap().item.get("hits"), Some(&1.into()));
    assert_eq!(server.ops(), ["UpdateItem", "UpdateItem"]);
}

#[tokio::test]
async fn an_update_of_a_version_that_was_applied_finds_its_own_nonce() {
    let server = losing("UpdateItem", |_, lost| {
        let mut record = record(1, "");
        record["_v"] = version_in(lost);
        record["hits"] = json!({"N": "7"});
        Reply::Error(400, FAILED, json!({"Item": record}))
    })
    .await;
    let pinned = Condition::Version(version("old"));
    let update = Update::new(links(), key()).increment("hits", 6).only_if(pinned);
    let record = server.aws().await.kv.update(update).await.unwrap();
    assert_eq!(record.item.get("hits"), Some(&7.into()));
    assert_eq!(server.ops(), ["UpdateItem", "UpdateItem"]);
}

#[tokio::test]
async fn a_delete_is_sent_again() {
    let server = losing("DeleteItem", |_, _| Reply::Ok(json!({}))).await;
    server.aws().await.kv.delete(Delete::new(links(), key())).await.unwrap();
    assert_eq!(server.ops(), ["DeleteItem", "DeleteItem"]);
}

#[tokio::test]
async fn a_delete_on_a_version_that_finds_nothing_may_have_been_applied_before() {
    let server = losing("DeleteItem", |_, _| Reply::Error(400, FAILED, json!({}))).await;
    let delete = Delete::new(links(), key()).only_if(Condition::Version(version("old")));
    let error = server.aws().await.kv.delete(delete).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::Unknown));
}

#[tokio::test]
async fn a_delete_on_what_may_hold_again_is_not_sent_again() {
    let server = losing("DeleteItem", |_, _| Reply::Ok(json!({}))).await;
    let delete = Delete::new(links(), key()).only_if(Condition::eq("hits", 1));
    let error = server.aws().await.kv.delete(delete).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::Unknown));
    assert_eq!(server.ops(), ["DeleteItem"]);
}

#[tokio::test]
async fn a_transaction_is_sent_again_with_its_token() {
    let server = losing("TransactWriteItems", |_, _| Reply::Ok(json!({}))).await;
    let transact = Transact::new().step(Update::new(links(), key()).increment("hits", 1));
    let versions = server.aws().await.kv.transact(transact).await.unwrap();
    assert_eq!(versions.len(), 1);
    let sent = server.calls("TransactWriteItems");
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].body, sent[1].body, "token and all");
    assert!(sent[0].body["ClientRequestToken"].is_string());
}

#[tokio::test]
async fn writes_are_sent_again() {
    let server = losing("BatchWriteItem", |_, _| Reply::Ok(json!({}))).await;
    let writes = WriteMany::new([Put::new(links(), key(), item())]);
    let versions = server.aws().await.kv.write_many(writes).await.unwrap();
    assert!(versions[0].as_ref().unwrap().is_some());
    let sent = server.calls("BatchWriteItem");
    assert_eq!((sent.len(), &sent[0].body), (2, &sent[1].body));
}

#[tokio::test]
async fn a_table_is_made_once() {
    let made = Arc::new(Mutex::new(Value::Null));
    let server = Server::start(move |call| {
        let mut made = made.lock().unwrap();
        match call.op.as_str() {
            "DescribeTable" if made.is_null() => {
                Some(Reply::Error(400, "ResourceNotFoundException", json!({})))
            }
            "ListTagsOfResource" => Some(Reply::Ok(json!({"Tags": made["Tags"]}))),
            "CreateTable" if made.is_null() => {
                *made = call.body.clone();
                Some(Reply::Lost)
            }
            "CreateTable" => Some(Reply::Error(400, "ResourceInUseException", json!({}))),
            _ => None,
        }
    })
    .await;
    let labels = Labels::new().with("app", "links").unwrap();
    let request = CreateTable::new(links(), Attr::text("p")).ttl(Ttl::On).labels(labels.clone());
    let table = server.aws().await.kv.create_table(request).await.unwrap();
    assert_eq!((table.name, table.labels, table.ttl), (links(), labels, Ttl::On));
    assert_eq!(server.calls("UpdateTimeToLive").len(), 1);
}

#[tokio::test]
async fn a_table_is_removed_once() {
    let server =
        losing("DeleteTable", |_, _| Reply::Error(400, "ResourceNotFoundException", json!({})))
            .await;
    server.aws().await.kv.delete_table(&links()).await.unwrap();
    assert_eq!(server.ops(), ["DeleteTable", "DeleteTable"]);
}

#[tokio::test]
async fn an_answer_that_was_cut_was_given() {
    let server = Server::start(|call| (call.op == "PutItem").then_some(Reply::Cut)).await;
    let kv = server.builder().retries(mvi_aws::Retries { attempts: 1, ..Default::default() });
    let kv = kv.build().await.unwrap().kv;
    let error = kv.put(Put::new(links(), key(), item())).await.unwrap_err();
    assert_eq!(error.applied(), Applied::Yes, "{error:?}");
}
