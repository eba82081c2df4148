//! Expiry's settings, over REST.

use std::sync::Mutex;

use mvi_core::{
    Applied, ErrorKind, Kv as _,
    kv::{Attr, CreateTable, TableState},
};
use mvi_gcp::{Gcp, Service};

use crate::{
    builder, make_table, name,
    server::{Call, Server},
    store::Store,
};

const DONE: &str = r#"{"name": "projects/demo/databases/(default)/operations/1"}"#;

async fn start(
    answer: impl Fn(&Call) -> Option<(u16, String)> + Send + Sync + 'static,
) -> (Store, Server, Server, Gcp) {
    let store = Store::default();
    let data = store.serve().await;
    let admin = Server::rest(answer).await;
    let builder = builder(&data).endpoint_for(Service::FirestoreAdmin, admin.url());
    let gcp = builder.build().await.unwrap();
    (store, data, admin, gcp)
}

/// Answers as Firestore does where the setting is in `state`; nothing where it is empty.
fn in_state(state: &'static str) -> impl Fn(&Call) -> Option<(u16, String)> {
    move |call| {
        let config = format!(r#"{{"name": "f", "ttlConfig": {{"state": "{state}"}}}}"#);
        let field = if state.is_empty() { r#"{"name": "f"}"#.to_owned() } else { config };
        Some((200, if call.method.starts_with("GET") { field } else { DONE.to_owned() }))
    }
}

fn asked(admin: &Server) -> Vec<(String, String)> {
    let text = |call: Call| (call.method, String::from_utf8(call.body.to_vec()).unwrap());
    admin.calls().into_iter().map(text).collect()
}

#[tokio::test]
async fn a_table_with_expiry_gets_its_policy_and_loses_it_with_its_records() {
    let (store, _data, admin, gcp) = start(in_state("")).await;
    let table = make_table(&gcp).await.unwrap();
    let born = table.created.unwrap().as_microsecond();
    let field = format!(
        "/v1/projects/demo/databases/(default)/collectionGroups/mvi-kv-links-{born:x}/fields/_x"
    );
    let calls = asked(&admin);
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls[0].0.starts_with(&format!("GET {field}")), "{calls:?}");
    assert!(calls[1].0.starts_with(&format!("PATCH {field}")), "{calls:?}");
    assert!(calls[1].0.contains("updateMask=ttlConfig%2CindexConfig"), "{calls:?}");
    let body: serde_json::Value = serde_json::from_str(&calls[1].1).unwrap();
    assert_eq!(body["ttlConfig"], serde_json::json!({}));
    assert_eq!(body["indexConfig"], serde_json::json!({}));

    admin.forget();
    gcp.kv.delete_table(&name("links")).await.unwrap();
    let calls = asked(&admin);
    assert_eq!(calls.len(), 1, "{calls:?}");
    let body: serde_json::Value = serde_json::from_str(&calls[0].1).unwrap();
    assert_eq!(body.get("ttlConfig"), None);
    assert!(store.documents("").is_empty());
}

#[tokio::test]
async fn a_policy_that_is_there_is_not_asked_for_again() {
    for (state, calls) in [("ACTIVE", 1), ("CREATING", 1), ("NEEDS_REPAIR", 2)] {
        let (_store, _data, admin, gcp) = start(in_state(state)).await;
        make_table(&gcp).await.unwrap();
        assert_eq!(asked(&admin).len(), calls, "{state}");
    }
}

#[tokio::test]
async fn a_table_without_expiry_asks_for_nothing() {
    let (_store, _data, admin, gcp) = start(in_state("")).await;
    gcp.kv.create_table(CreateTable::new(name("plain"), Attr::text("id"))).await.unwrap();
    gcp.kv.delete_table(&name("plain")).await.unwrap();
    assert!(asked(&admin).is_empty());
}

#[tokio::test]
async fn a_creation_that_stopped_before_its_policy_is_finished_by_the_next() {
    let refused = Mutex::new(true);
    let (_store, _data, admin, gcp) = start(move |call| {
        if call.method.starts_with("PATCH") && std::mem::take(&mut *refused.lock().unwrap()) {
            let error =
                r#"{"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "No."}}"#;
            return Some((403, error.to_owned()));
        }
        in_state("")(call)
    })
    .await;
    let error = make_table(&gcp).await.unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::Forbidden, "kv.create_table"), "{error}");
    assert_eq!(error.code(), Some("PERMISSION_DENIED"));
    assert_eq!(error.applied(), Applied::Yes, "the entry is there");
    assert_eq!(make_table(&gcp).await.unwrap().state, TableState::Active);
    assert_eq!(asked(&admin).len(), 4);
}

#[tokio::test]
async fn settings_that_are_never_answered_are_an_error_in_time() {
    let (_store, _data, admin, gcp) = start(|_| None).await;
    let start = tokio::time::Instant::now();
    let error = make_table(&gcp).await.unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::Timeout, "kv.create_table"), "{error}");
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(!asked(&admin).is_empty());
}
