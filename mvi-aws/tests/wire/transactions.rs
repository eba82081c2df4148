//! Transactions: one token a call, and the step that was in the way.

use mvi_core::{
    Applied, ErrorKind, Kv as _,
    kv::{Check, Condition, Key, Put, Transact, Update},
};
use serde_json::{Value, json};

use crate::{
    expired, item, key, links, record,
    server::{Call, Reply, Server, version_in},
};

const CANCELLED: &str = "TransactionCanceledException";

fn two_steps() -> Transact {
    let other = Key::sorted("ann", 2);
    Transact::new()
        .step(Put::new(links(), key(), item()).only_if(Condition::Absent))
        .step(Update::new(links(), other).increment("hits", 1))
}

async fn transacting(script: impl Fn(&Call) -> Option<Reply> + Send + Sync + 'static) -> Server {
    Server::start(move |call| (call.op == "TransactWriteItems").then(|| script(call)).flatten())
        .await
}

fn cancelled(reasons: &Value) -> Reply {
    Reply::Error(400, CANCELLED, json!({"CancellationReasons": reasons}))
}

#[tokio::test]
async fn the_step_that_was_in_the_way_is_named() {
    for (code, kind) in [
        ("ConditionalCheckFailed", ErrorKind::Conflict),
        ("ItemCollectionSizeLimitExceeded", ErrorKind::Exhausted),
        ("ProvisionedThroughputExceeded", ErrorKind::Throttled),
        ("ThrottlingError", ErrorKind::Throttled),
        ("ValidationError", ErrorKind::Invalid),
        ("AccessDenied", ErrorKind::Forbidden),
    ] {
        let server = transacting(move |_| {
            Some(cancelled(&json!([{"Code": "None"}, {"Code": code, "Message": "No."}])))
        })
        .await;
        let error = server.aws().await.kv.transact(two_steps()).await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (kind, Applied::No), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!("kv.transact links: steps[1]: no ({kind:?}, {code}, REQ1)")
        );
    }
}

#[tokio::test]
async fn each_call_has_its_own_token_and_all_its_attempts_have_that() {
    let server = transacting(|call| {
        let met = json!([{"Code": "TransactionConflict"}, {"Code": "None"}]);
        (call.nth % 2 == 0).then(|| cancelled(&met))
    })
    .await;
    let kv = server.aws().await.kv;
    for _ in 0..2 {
        kv.transact(two_steps()).await.unwrap();
    }
    let tokens: Vec<_> = server
        .calls("TransactWriteItems")
        .iter()
        .map(|it| it.body["ClientRequestToken"].clone())
        .collect();
    assert_eq!(tokens.len(), 4);
    assert_eq!((&tokens[0], &tokens[2]), (&tokens[1], &tokens[3]));
    assert_ne!(tokens[0], tokens[2]);
}

#[tokio::test]
async fn what_meets_others_for_ever_is_a_conflict() {
    let server = transacting(|_| {
        Some(cancelled(&json!([{"Code": "TransactionConflict"}, {"Code": "None"}])))
    })
    .await;
    let error = server.aws().await.kv.transact(two_steps()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::No));
    assert_eq!(server.calls("TransactWriteItems").len(), 2, "the configured attempts");
}

#[tokio::test]
async fn a_transaction_that_finds_its_own_nonce_was_applied() {
    let server = transacting(|call| {
        let step = &call.body["TransactItems"][0]["Put"];
        let mut found = record(1, "");
        found["_v"] = version_in(step);
        Some(cancelled(
            &json!([{"Code": "ConditionalCheckFailed", "Item": found}, {"Code": "None"}]),
        ))
    })
    .await;
    let versions = server.aws().await.kv.transact(two_steps()).await.unwrap();
    assert!(versions.iter().all(Option::is_some));
}

#[tokio::test]
async fn a_step_on_what_has_expired_starts_empty() {
    let server = transacting(|call| {
        let found = json!([{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": expired(2, "dead")}]);
        (call.nth == 0).then(|| cancelled(&found))
    })
    .await;
    server.aws().await.kv.transact(two_steps()).await.unwrap();
    let calls = server.calls("TransactWriteItems");
    assert_eq!(calls.len(), 2);
    let step = &calls[1].body["TransactItems"][1]["Put"];
    assert_eq!(step["Item"]["hits"]["N"], "1", "what was there is not added to");
    assert_eq!(step["ExpressionAttributeValues"][":0"]["S"], "dead");
    assert_ne!(calls[0].body["ClientRequestToken"], calls[1].body["ClientRequestToken"]);
}

#[tokio::test]
async fn a_step_that_breaks_a_limit_is_named_and_nothing_is_sent() {
    let server = transacting(|_| None).await;
    let steps = two_steps().step(Check::new(links(), Key::new("no sort"), Condition::Present));
    let error = server.aws().await.kv.transact(steps).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().starts_with("steps[2]: "), "{error}");
    assert!(server.ops().is_empty());
}
