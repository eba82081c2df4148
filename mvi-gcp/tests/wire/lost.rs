//! Answers that are lost, races that are lost, and what a caller is told of each.

use std::time::Duration;

use gcloud_sdk::{
    google::{
        firestore::v1::Document,
        rpc::{RequestInfo, RetryInfo, Status},
    },
    prost::Message as _,
    prost_types::Any,
};
use mvi_core::{
    Applied, Error, ErrorKind, Kv as _, Result,
    kv::{
        Check, Condition, Delete, Get, Item, Key, Put, Record, Transact, Update, Value, Version,
        WriteMany,
    },
};
use mvi_gcp::Gcp;

use crate::{
    client, item, make_table, name,
    server::Server,
    store::{Fault, Store},
};

const UNAVAILABLE: i32 = 14;
const RESOURCE_EXHAUSTED: i32 = 8;
const ABORTED: i32 = 10;
const INVALID_ARGUMENT: i32 = 3;

fn key() -> Key {
    Key::sorted("gh", 1)
}

fn put() -> Put {
    Put::new(name("links"), key(), item())
}

fn put_item(item: Item) -> Put {
    Put::new(name("links"), key(), item)
}

fn update() -> Update {
    Update::new(name("links"), key()).increment("hits", 1)
}

/// A table with one record, which has been there once.
async fn start() -> (Store, Server, Gcp, Version) {
    let store = Store::default();
    let server = store.serve().await;
    let gcp = client(&server).await;
    make_table(&gcp).await.unwrap();
    let version = gcp.kv.put(put()).await.unwrap();
    server.forget();
    (store, server, gcp, version)
}

async fn read(gcp: &Gcp) -> Option<Record> {
    gcp.kv.get(Get::new(name("links"), key())).await.unwrap()
}

fn hits(record: &Record) -> i64 {
    record.item.get("hits").and_then(Value::as_int).unwrap()
}

/// The document of the record, as somebody else writes it.
fn others(store: &Store) -> Document {
    let mut document = store.documents("mvi-kv-").pop().unwrap();
    let version = gcloud_sdk::google::firestore::v1::value::ValueType::StringValue("other".into());
    document.fields.get_mut("_v").unwrap().value_type = Some(version);
    document
}

fn told(error: &Error) -> (ErrorKind, Applied) {
    (error.kind(), error.applied())
}

#[tokio::test]
async fn a_lost_answer_is_not_a_lost_race() {
    for fault in [Fault::Lose, Fault::Swallow] {
        let (store, _server, gcp, version) = start().await;
        store.befall("Commit", [fault.clone()]);
        let made = gcp.kv.put(put().only_if(Condition::Version(version))).await.unwrap();
        assert_eq!(read(&gcp).await.unwrap().version, made);

        store.befall("Commit", [fault.clone()]);
        let made = gcp.kv.update(update()).await.unwrap();
        assert_eq!((hits(&made), read(&gcp).await.unwrap()), (2, made));

        store.befall("Commit", [fault.clone()]);
        let transact = Transact::new().step(update()).step(Check::new(
            name("links"),
            Key::sorted("gh", 2),
            Condition::Absent,
        ));
        let made = gcp.kv.transact(transact).await.unwrap();
        let found = read(&gcp).await.unwrap();
        assert_eq!((hits(&found), made), (3, vec![Some(found.version), None]));

        store.befall("Commit", [fault.clone()]);
        gcp.kv.put(put()).await.unwrap();
        store.befall("Commit", [fault.clone()]);
        gcp.kv.delete(Delete::new(name("links"), key())).await.unwrap();
        assert_eq!(read(&gcp).await, None);

        store.befall("Commit", [fault.clone()]);
        gcp.kv.put(put().only_if(Condition::Absent)).await.unwrap();

        store.befall("BatchWrite", [fault]);
        let made = gcp.kv.write_many(WriteMany::new([put()])).await.unwrap().pop().unwrap();
        assert_eq!(Some(read(&gcp).await.unwrap().version), made.unwrap());
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_conditional_delete_may_have_been_applied() {
    let (store, _server, gcp, version) = start().await;
    store.befall("Commit", [Fault::Lose]);
    let delete = Delete::new(name("links"), key()).only_if(Condition::Version(version));
    // It is gone, by us or by another: nothing is left to tell.
    let error = gcp.kv.delete(delete).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Conflict, Applied::Unknown), "{error}");
}

#[tokio::test]
async fn a_lost_answer_that_others_wrote_over_may_have_been_applied() {
    let (store, _server, gcp, version) = start().await;
    store.befall("Commit", [Fault::LoseAfter(others(&store))]);
    let error = gcp.kv.put(put().only_if(Condition::Version(version))).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Conflict, Applied::Unknown), "{error}");
}

#[tokio::test]
async fn no_answer_at_all_is_settled_by_reading_back() {
    let (store, _server, gcp, _) = start().await;
    store.befall("Commit", [Fault::Swallow, Fault::Ignore, Fault::Ignore]);
    let made = gcp.kv.put(put()).await.unwrap();
    assert_eq!(read(&gcp).await.unwrap().version, made);

    store.befall("Commit", [Fault::Ignore, Fault::Ignore, Fault::Ignore]);
    let error = gcp.kv.put(put()).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Timeout, Applied::Unknown), "{error}");
    assert_eq!(read(&gcp).await.unwrap().version, made);
}

#[tokio::test]
async fn a_throttled_attempt_after_a_timed_out_one_is_not_unapplied() {
    let (store, server, gcp, _) = start().await;
    let refused = Fault::Refuse(RESOURCE_EXHAUSTED);
    store.befall("Commit", [Fault::Ignore, refused.clone(), refused.clone()]);
    let error = gcp.kv.put(put()).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Throttled, Applied::Unknown), "{error}");
    assert_eq!(server.count("Commit"), 3);

    store.befall("Commit", [refused.clone(), refused.clone(), refused]);
    let error = gcp.kv.put(put()).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Throttled, Applied::No), "{error}");
    assert_eq!(error.code(), Some("RESOURCE_EXHAUSTED"));
}

#[tokio::test]
async fn an_error_says_when_to_come_back_and_what_google_calls_it() {
    let detail = |name: &str, value| Any { type_url: format!("x/google.rpc.{name}"), value };
    let delay = Some(gcloud_sdk::prost_types::Duration { seconds: 3_600, nanos: 0 });
    let retry = RetryInfo { retry_delay: delay }.encode_to_vec();
    let request = RequestInfo { request_id: "4XR".into(), serving_data: String::new() };
    let details = vec![detail("RetryInfo", retry), detail("RequestInfo", request.encode_to_vec())];
    let details = Status { details, ..Status::default() }.encode_to_vec();

    let (store, server, gcp, _) = start().await;
    store.befall("Commit", [Fault::Explain(RESOURCE_EXHAUSTED, details)]);
    let error = gcp.kv.put(put()).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Throttled, Applied::No));
    assert_eq!(error.retry_after(), Some(Duration::from_hours(1)));
    assert_eq!(error.request_id(), Some("4XR"));
    assert_eq!((error.op(), error.resource()), ("kv.put", "links"));
    assert_eq!(server.count("Commit"), 1, "an hour is longer than the call may take");
}

#[tokio::test]
async fn what_is_written_is_in_no_error() {
    let (store, _server, gcp, _) = start().await;
    let secret = || put_item(Item::new().with("owner", "hunter2"));
    for code in 1..=16 {
        store.befall("Commit", (0..3).map(|_| Fault::Refuse(code)));
        let shown = format!("{:?}", gcp.kv.put(secret()).await.unwrap_err());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert!(!format!("{gcp:?}").contains("owner"), "{gcp:?}");
}

#[tokio::test]
async fn what_was_refused_for_now_is_tried_again_and_what_is_wrong_is_not() {
    let (store, server, gcp, _) = start().await;
    store.befall("Commit", [Fault::Refuse(UNAVAILABLE), Fault::Refuse(RESOURCE_EXHAUSTED)]);
    gcp.kv.put(put()).await.unwrap();
    assert_eq!(server.count("Commit"), 3);
    store.befall("Commit", [Fault::Refuse(INVALID_ARGUMENT)]);
    let error = gcp.kv.put(put()).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Invalid, Applied::No));
    assert_eq!(server.count("Commit"), 4);
}

#[tokio::test]
async fn another_write_in_between_is_read_and_decided_again() {
    let (store, server, gcp, version) = start().await;
    store.befall("Commit", [Fault::Before(others(&store)), Fault::Refuse(ABORTED)]);
    let made = gcp.kv.update(update()).await.unwrap();
    assert_eq!(hits(&made), 2);
    assert_eq!((server.count("Commit"), server.count("BatchGetDocuments")), (3, 3));

    store.befall("Commit", [Fault::Before(others(&store))]);
    let held = put().only_if(Condition::Version(made.version));
    let error = gcp.kv.put(held).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Conflict, Applied::No), "{error}");
    let error = gcp.kv.put(put().only_if(Condition::Version(version))).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Conflict, Applied::No), "{error}");
    assert_eq!(read(&gcp).await.unwrap().version, Version::new("other"));
}

#[tokio::test]
async fn others_that_always_come_between_are_a_conflict_in_the_end() {
    let (store, server, gcp, _) = start().await;
    let other = others(&store);
    store.befall("Commit", (0..1_000).map(|_| Fault::Before(other.clone())));
    let error = gcp.kv.update(update()).await.unwrap_err();
    assert_eq!(told(&error), (ErrorKind::Conflict, Applied::No), "{error}");
    assert!(server.count("Commit") > 5, "{}", server.count("Commit"));
}

#[tokio::test]
async fn a_write_of_a_batch_that_fails_is_tried_again_alone_and_a_bounded_number_of_times() {
    let (store, server, gcp, _) = start().await;
    let put = |number: i64| Put::new(name("links"), Key::sorted("gh", number), item());
    store.befall("a write of a batch", [Fault::None, Fault::Refuse(ABORTED), Fault::None]);
    let outcomes = gcp.kv.write_many(WriteMany::new([put(1), put(2), put(3)])).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(server.count("BatchWrite"), 2);
    server.forget();

    store.befall("a write of a batch", (0..99).map(|_| Fault::Refuse(UNAVAILABLE)));
    let outcomes = gcp.kv.write_many(WriteMany::new([put(1), put(2)])).await.unwrap();
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(told(&error), (ErrorKind::Unavailable, Applied::Unknown), "{error}");
        assert_eq!((error.op(), error.resource()), ("kv.write_many", "links"));
    }
    assert_eq!(server.count("BatchWrite"), 3);
}

#[tokio::test]
async fn a_creation_or_a_removal_whose_answer_is_lost_goes_on() {
    for fault in [Fault::Lose, Fault::Swallow] {
        let store = Store::default();
        let server = store.serve().await;
        let gcp = client(&server).await;
        store.befall("Commit", [fault.clone()]);
        let table = make_table(&gcp).await.unwrap();
        assert_eq!(make_table(&gcp).await.unwrap(), table);
        gcp.kv.put(put()).await.unwrap();

        store.befall("Commit", [fault.clone(), fault.clone()]);
        store.befall("BatchWrite", [fault]);
        gcp.kv.delete_table(&name("links")).await.unwrap();
        assert!(store.documents("").is_empty());
        let error = gcp.kv.put(put()).await.unwrap_err();
        assert_eq!(told(&error), (ErrorKind::NotFound, Applied::No));
    }
}

#[tokio::test]
async fn a_removal_that_was_cut_short_is_finished_by_whoever_asks_next() {
    for finish_by_creating in [false, true] {
        let (store, _server, gcp, _) = start().await;
        let refused = (0..3).map(|_| Fault::Refuse(UNAVAILABLE));
        store.befall("BatchWrite", refused);
        let error = gcp.kv.delete_table(&name("links")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let table = gcp.kv.table(&name("links")).await.unwrap();
        assert_eq!(table.state, mvi_core::kv::TableState::Deleting);
        assert_eq!(gcp.kv.put(put()).await.unwrap_err().kind(), ErrorKind::NotFound);
        if finish_by_creating {
            let made = make_table(&gcp).await.unwrap();
            assert_ne!(made.created, table.created);
            assert_eq!(read(&gcp).await, None);
        } else {
            gcp.kv.delete_table(&name("links")).await.unwrap();
            assert_eq!(store.documents("").len(), 0);
        }
    }
}

#[tokio::test]
async fn a_late_write_to_a_table_that_is_gone_is_not_in_its_successor() {
    let (_store, server, gcp, _) = start().await;
    let late = client(&server).await;
    late.kv.put(put()).await.unwrap();
    gcp.kv.delete_table(&name("links")).await.unwrap();
    make_table(&gcp).await.unwrap();
    late.kv.put(put()).await.unwrap();
    assert_eq!(read(&gcp).await, None);
}

#[tokio::test]
async fn a_query_goes_on_where_a_page_was_lost() {
    use futures::TryStreamExt as _;
    use mvi_core::kv::Query;

    let (store, _server, gcp, _) = start().await;
    for number in 2..=7 {
        gcp.kv.put(Put::new(name("links"), Key::sorted("gh", number), item())).await.unwrap();
    }
    store.befall("RunQuery", [Fault::None, Fault::Lose, Fault::Refuse(UNAVAILABLE)]);
    let query = Query::new(name("links"), "gh").page(2.try_into().unwrap());
    let found: Vec<Record> = gcp.kv.query(query).try_collect().await.unwrap();
    let keys: Vec<_> = found.into_iter().map(|it| it.key).collect();
    assert_eq!(keys, (1..=7).map(|it| Key::sorted("gh", it)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_filter_without_an_index_for_it_is_held_here() {
    use futures::TryStreamExt as _;
    use mvi_core::kv::Query;

    const FAILED_PRECONDITION: i32 = 9;
    let (store, server, gcp, _) = start().await;
    let read = async |filter: Option<Condition>| {
        let query = Query::new(name("links"), "gh");
        let query = Query { filter, ..query };
        gcp.kv.query(query).try_collect::<Vec<_>>().await
    };
    store.befall("RunQuery", [Fault::Refuse(FAILED_PRECONDITION)]);
    assert_eq!(read(Some(Condition::eq("owner", "ann"))).await.unwrap().len(), 1);
    store.befall("RunQuery", [Fault::Refuse(FAILED_PRECONDITION)]);
    assert_eq!(read(Some(Condition::eq("owner", "bob"))).await.unwrap().len(), 0);
    assert_eq!(server.count("RunQuery"), 4);

    store.befall("RunQuery", [Fault::Refuse(FAILED_PRECONDITION)]);
    assert_eq!(read(None).await.unwrap_err().kind(), ErrorKind::Unsupported);
}
