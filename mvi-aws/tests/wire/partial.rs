//! Partial answers.

use std::collections::HashSet;

use mvi_core::{
    Applied, ErrorKind, Kv as _, Name,
    kv::{Condition, Delete, GetMany, Key, Put, Write, WriteMany},
};
use serde_json::{Value, json};

use crate::{
    expired, item, key, links, record,
    server::{Reply, Server},
};

/// How often a batch is asked for that makes no progress.
const ROUNDS: usize = 8;

fn keys_of(body: &Value) -> Vec<Value> {
    body["RequestItems"]["links"]["Keys"].as_array().unwrap().clone()
}

fn keys(count: i64) -> Vec<Key> {
    (0..count).map(|n| Key::sorted("ann", n)).collect()
}

fn answered(key: &Value) -> Value {
    record(key["s"]["N"].as_str().unwrap().parse().unwrap(), "n1")
}

#[tokio::test]
async fn keys_that_are_left_over_are_asked_for_again() {
    let server = Server::start(|call| {
        if call.op != "BatchGetItem" {
            return None;
        }
        // One at a time.
        let mut keys = keys_of(&call.body);
        let first = keys.remove(0);
        let left = if keys.is_empty() { json!({}) } else { json!({"links": {"Keys": keys}}) };
        Some(Reply::Ok(
            json!({"Responses": {"links": [answered(&first)]}, "UnprocessedKeys": left}),
        ))
    })
    .await;
    let got =
        server.aws().await.kv.get_many(GetMany::new(links(), keys(5)).strong()).await.unwrap();
    let sorts: Vec<_> = got.into_iter().map(|it| it.unwrap().unwrap().key).collect();
    assert_eq!(sorts, keys(5), "in the order of the request");
    let calls = server.calls("BatchGetItem");
    assert_eq!(calls.len(), 5);
    for call in calls {
        assert_eq!(call.body["RequestItems"]["links"]["ConsistentRead"], true);
    }
}

#[tokio::test]
async fn keys_that_are_left_over_for_ever_end_with_an_error_each() {
    let server = Server::start(|call| {
        if call.op != "BatchGetItem" {
            return None;
        }
        let (done, left): (Vec<_>, Vec<_>) =
            keys_of(&call.body).into_iter().partition(|key| key["s"]["N"] == "0");
        let records: Vec<_> = done.iter().map(answered).collect();
        let body =
            json!({"Responses": {"links": records}, "UnprocessedKeys": {"links": {"Keys": left}}});
        Some(Reply::Ok(body))
    })
    .await;
    let got = server.aws().await.kv.get_many(GetMany::new(links(), keys(3))).await.unwrap();
    assert!(got[0].as_ref().unwrap().is_some());
    for result in &got[1..] {
        let error = result.as_ref().unwrap_err();
        assert_eq!((error.kind(), error.op()), (ErrorKind::Throttled, "kv.get_many"));
    }
    assert_eq!(server.calls("BatchGetItem").len(), 1 + ROUNDS);
}

#[tokio::test]
async fn a_key_that_is_there_twice_is_read_once_and_answered_twice() {
    let server = Server::start(|call| {
        let answer = || {
            let records: Vec<_> = keys_of(&call.body).iter().map(answered).collect();
            Reply::Ok(json!({"Responses": {"links": records}}))
        };
        (call.op == "BatchGetItem").then(answer)
    })
    .await;
    let keys = [Key::sorted("ann", 1), Key::sorted("ann", 2), Key::sorted("ann", 1)];
    let got = server.aws().await.kv.get_many(GetMany::new(links(), keys.clone())).await.unwrap();
    let found: Vec<_> = got.into_iter().map(|it| it.unwrap().unwrap().key).collect();
    assert_eq!(found, keys);
    assert_eq!(keys_of(&server.calls("BatchGetItem")[0].body).len(), 2);
}

#[tokio::test]
async fn many_keys_are_asked_for_by_the_hundred_and_none_is_lost() {
    let server = Server::start(|call| {
        let answer = || {
            let keys = keys_of(&call.body);
            let records: Vec<_> =
                keys.iter().filter(|it| it["s"]["N"] != "7").map(answered).collect();
            Reply::Ok(json!({"Responses": {"links": records}}))
        };
        (call.op == "BatchGetItem").then(answer)
    })
    .await;
    let got = server.aws().await.kv.get_many(GetMany::new(links(), keys(250))).await.unwrap();
    for (n, result) in got.into_iter().enumerate() {
        let found = result.unwrap().map(|it| it.key);
        assert_eq!(found, (n != 7).then(|| keys(250).remove(n)));
    }
    let mut sizes: Vec<_> =
        server.calls("BatchGetItem").iter().map(|it| keys_of(&it.body).len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
}

#[tokio::test]
async fn what_befell_one_call_of_several_is_with_its_keys_only() {
    let server = Server::start(|call| {
        let answer = || {
            let keys = keys_of(&call.body);
            if keys.len() == 100 {
                return Reply::Error(400, "ThrottlingException", json!({}));
            }
            let records: Vec<_> = keys.iter().map(answered).collect();
            Reply::Ok(json!({"Responses": {"links": records}}))
        };
        (call.op == "BatchGetItem").then(answer)
    })
    .await;
    let kv = server.aws().await.kv;
    let got = kv.get_many(GetMany::new(links(), keys(120))).await.unwrap();
    assert_eq!(got.iter().filter(|it| it.is_ok()).count(), 20);
    let error = got.into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    let error = kv.get_many(GetMany::new(links(), keys(100))).await.unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::Throttled, "links"));
}

#[tokio::test]
async fn expired_records_are_nothing() {
    let server = Server::start(|call| match call.op.as_str() {
        "BatchGetItem" => {
            Some(Reply::Ok(json!({"Responses": {"links": [expired(0, "n1"), record(1, "n1")]}})))
        }
        "GetItem" => Some(Reply::Ok(json!({"Item": expired(0, "n1")}))),
        _ => None,
    })
    .await;
    let kv = server.aws().await.kv;
    let got = kv.get_many(GetMany::new(links(), keys(2))).await.unwrap();
    assert!(got[0].as_ref().unwrap().is_none() && got[1].as_ref().unwrap().is_some());
    assert_eq!(kv.get(mvi_core::kv::Get::new(links(), key())).await.unwrap(), None);
}

#[tokio::test]
async fn a_record_that_can_not_be_read_is_its_own_error() {
    let mut odd = record(1, "n1");
    for name in 'a'..='z' {
        odd[name.to_string()] = json!({"N": "1E+200"});
    }
    odd["p"] = json!({"S": "ann"});
    odd["s"] = json!({"N": "1"});
    let server = Server::start(move |call| {
        let answer = json!({"Responses": {"links": [record(0, "n1"), odd]}});
        (call.op == "BatchGetItem").then_some(Reply::Ok(answer))
    })
    .await;
    let got = server.aws().await.kv.get_many(GetMany::new(links(), keys(2))).await.unwrap();
    assert!(got[0].as_ref().unwrap().is_some());
    let error = got[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error:?}");
    assert!(error.message().contains("a number beyond what MVI keeps"), "{error:?}");
}

fn sort_of(request: &Value) -> String {
    let key = if request["PutRequest"].is_object() {
        &request["PutRequest"]["Item"]
    } else {
        &request["DeleteRequest"]["Key"]
    };
    key["s"]["N"].as_str().unwrap().to_owned()
}

fn put(n: i64) -> Put {
    Put::new(links(), Key::sorted("ann", n), item())
}

#[tokio::test]
async fn writes_that_are_left_over_for_ever_end_with_an_error_each() {
    let server = Server::start(|call| {
        let answer = || {
            let all = call.body["RequestItems"]["links"].as_array().unwrap();
            // One is never written, another only the third time.
            let left: Vec<_> = all
                .iter()
                .filter(|it| sort_of(it) == "1" || sort_of(it) == "2" && call.nth < 2)
                .cloned()
                .collect();
            Reply::Ok(json!({"UnprocessedItems": {"links": left}}))
        };
        (call.op == "BatchWriteItem").then(answer)
    })
    .await;
    let writes: [Write; 4] = [
        put(0).into(),
        put(1).into(),
        Delete::new(links(), Key::sorted("ann", 2)).into(),
        put(3).into(),
    ];
    let results = server.aws().await.kv.write_many(WriteMany::new(writes)).await.unwrap();
    assert!(results[0].as_ref().unwrap().is_some());
    let error = results[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Throttled, Applied::No));
    assert_eq!(results[2].as_ref().unwrap(), &None, "a delete has no version");
    assert!(results[3].as_ref().unwrap().is_some());
    assert_eq!(server.calls("BatchWriteItem").len(), 3 + ROUNDS);
}

#[tokio::test]
async fn writes_go_by_twenty_five_and_those_with_a_condition_alone() {
    let server = Server::start(|_| None).await;
    let mut writes: Vec<Write> = (0..30).map(|n| put(n).into()).collect();
    writes.push(put(30).only_if(Condition::Absent).into());
    let gone = Delete::new(links(), Key::sorted("ann", 31)).only_if(Condition::Present);
    writes.push(gone.into());
    let results = server.aws().await.kv.write_many(WriteMany::new(writes)).await.unwrap();
    let versions: HashSet<_> =
        results.iter().filter_map(|it| it.as_ref().unwrap().as_ref()).collect();
    assert_eq!((results.len(), versions.len()), (32, 31), "each write has its own version");
    let mut sizes: Vec<_> = server
        .calls("BatchWriteItem")
        .iter()
        .map(|it| it.body["RequestItems"]["links"].as_array().unwrap().len())
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [5, 25]);
    assert_eq!((server.calls("PutItem").len(), server.calls("DeleteItem").len()), (1, 1));
}

#[tokio::test]
async fn a_table_that_is_gone_does_not_befall_the_writes_to_another() {
    let server = Server::start(|call| {
        let gone = Reply::Error(400, "ResourceNotFoundException", json!({}));
        (call.body["TableName"] == "gone").then_some(gone)
    })
    .await;
    let kv = server.aws().await.kv;
    let gone = || Put::new(Name::new("gone").unwrap(), key(), item());
    let results = kv.write_many(WriteMany::new([put(0), gone(), put(2)])).await.unwrap();
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    let error = kv.write_many(WriteMany::new([gone()])).await.unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::NotFound, "kv.write_many"));
}

#[tokio::test]
async fn a_write_that_breaks_a_limit_is_its_own_error() {
    let server = Server::start(|_| None).await;
    let large = Put::new(links(), Key::sorted("ann", 9), item().with("x", "x".repeat(400_000)));
    let results = server.aws().await.kv.write_many(WriteMany::new([large, put(1)])).await.unwrap();
    assert_eq!(results[0].as_ref().unwrap_err().kind(), ErrorKind::Invalid);
    assert!(results[1].is_ok());
}

#[tokio::test]
async fn nothing_is_sent_for_nothing() {
    let server = Server::start(|_| None).await;
    let kv = server.aws().await.kv;
    assert!(kv.get_many(GetMany::new(links(), keys(0))).await.unwrap().is_empty());
    assert!(kv.write_many(WriteMany::default()).await.unwrap().is_empty());
    assert!(server.ops().is_empty());
}
