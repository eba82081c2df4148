//! `Typed`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};

use super::store::{Fault, Store, name};
use crate::{
    Applied, Error, ErrorKind, Kv, Name, When,
    kv::{Attr, Get, Item, Key, Put, Query, Scan, Typed, Update, Value},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Build {
    app: String,
    number: i64,
    log: Option<Bytes>,
    state: State,
    runs: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Running,
    Failed { reason: String },
}

fn build(number: i64) -> Build {
    Build { app: "web".into(), number, log: None, state: State::Running, runs: 0 }
}

fn key(number: i64) -> Key {
    Key::sorted("web", number)
}

fn builds() -> (Arc<Store>, Typed<Build>) {
    let store = Store::new(Attr::text("app"), Some(Attr::int("number")));
    let kv = Arc::clone(&store) as Arc<dyn Kv>;
    let typed = Typed::new(kv, &store.table_now());
    (store, typed)
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[tokio::test(start_paused = true)]
async fn the_key_is_in_the_type_and_not_in_the_item() {
    let (store, builds) = builds();
    let mut failed = build(7);
    failed.state = State::Failed { reason: "disk".into() };
    failed.log = Some(Bytes::from_static(b"log"));
    let version = builds.put(&failed).await.unwrap();
    let record = store.get(Get::new(name(), key(7))).await.unwrap().unwrap();
    let names: Vec<_> = record.item.attributes().keys().map(String::as_str).collect();
    assert_eq!(names, ["log", "runs", "state"]);
    let read = builds.get(key(7)).await.unwrap().unwrap();
    assert_eq!((&read.value, &read.version, read.expires), (&failed, &version, None));
    assert_eq!(builds.get(key(8)).await.unwrap(), None);
    assert_eq!(kind(builds.fetch(key(8)).await), ErrorKind::NotFound);
    builds.delete(key(7)).await.unwrap();
    builds.delete(key(7)).await.unwrap();
    assert_eq!(builds.get(key(7)).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_insert_does_not_overwrite() {
    let (_, builds) = builds();
    builds.insert(&build(1)).await.unwrap();
    let mut other = build(1);
    other.runs = 9;
    assert_eq!(kind(builds.insert(&other).await), ErrorKind::Conflict);
    assert_eq!(builds.fetch(key(1)).await.unwrap().runs, 0);
}

#[tokio::test(start_paused = true)]
async fn a_replace_wants_it_as_it_was_read_and_keeps_its_expiry() {
    let (store, builds) = builds();
    let expires = When::In(Duration::from_mins(1));
    store.put(builds.to_put(&build(1)).unwrap().expires(expires)).await.unwrap();
    let mut mine = builds.fetch(key(1)).await.unwrap();
    let mut theirs = mine.clone();
    theirs.runs = 1;
    theirs.version = builds.replace(&theirs).await.unwrap();
    mine.runs = 2;
    assert_eq!(kind(builds.replace(&mine).await), ErrorKind::Conflict);
    theirs.runs = 3;
    builds.replace(&theirs).await.unwrap();
    let read = builds.fetch(key(1)).await.unwrap();
    assert_eq!((read.runs, read.expires), (3, mine.expires));
    assert!(read.expires.is_some());
}

#[tokio::test(start_paused = true)]
async fn racing_changes_all_happen() {
    let (_, builds) = builds();
    builds.put(&build(1)).await.unwrap();
    let racers = (0..8).map(|_| {
        let builds = builds.clone();
        tokio::spawn(async move { builds.modify(key(1), |it| it.runs += 1).await.unwrap().runs })
    });
    let mut seen = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        seen.push(racer.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(builds.fetch(key(1)).await.unwrap().runs, 8);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_tried_a_bounded_number_of_times_and_not_after_a_lost_answer() {
    let (store, builds) = builds();
    builds.put(&build(1)).await.unwrap();
    store.calls();
    for _ in 0..100 {
        store.fault("put", Fault::Refuse(ErrorKind::Conflict));
    }
    assert_eq!(kind(builds.modify(key(1), |it| it.runs += 1).await), ErrorKind::Conflict);
    assert_eq!(store.calls(), ["get_strong", "put"].repeat(12));

    let (store, builds) = self::builds();
    builds.put(&build(1)).await.unwrap();
    store.fault("put", Fault::Lose);
    let error = builds.modify(key(1), |it| it.runs += 1).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::Unknown));
    assert_eq!(builds.fetch(key(1)).await.unwrap().runs, 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_nothing_or_of_the_key_is_refused() {
    let (_, builds) = builds();
    assert_eq!(kind(builds.modify(key(1), |_| ()).await), ErrorKind::NotFound);
    builds.put(&build(1)).await.unwrap();
    assert_eq!(kind(builds.modify(key(1), |it| it.number = 2).await), ErrorKind::Invalid);
    assert_eq!(builds.get(key(2)).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_update_gives_the_value_as_it_is_now() {
    let (store, builds) = builds();
    builds.put(&build(1)).await.unwrap();
    let again = Update::new(name(), key(1)).increment("runs", 2);
    assert_eq!(builds.update(again).await.unwrap().runs, 2);
    let broken = Update::new(name(), key(1)).set("runs", "two");
    let error = builds.update(broken).await.unwrap_err();
    assert_eq!(error.message(), "runs: found text, wanted u32");
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Invalid, Applied::Yes));
    store.calls();
    let foreign = Update::new(Name::new("other").unwrap(), key(1));
    assert_eq!(kind(builds.update(foreign).await), ErrorKind::Invalid);
    assert_eq!(store.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn streams_and_batches_read_values_and_one_that_cannot_be_read_stands_alone() {
    let (store, builds) = builds();
    for number in 1..4 {
        builds.put(&build(number)).await.unwrap();
    }
    let numbers = |found: Vec<super::super::Versioned<Build>>| {
        found.into_iter().map(|it| it.number).collect::<Vec<_>>()
    };
    let query = Query::new(name(), "web").descending();
    assert_eq!(numbers(builds.query(query).try_collect().await.unwrap()), [3, 2, 1]);
    assert_eq!(numbers(builds.scan(Scan::new(name())).try_collect().await.unwrap()), [1, 2, 3]);
    store.put(Put::new(name(), key(2), Item::new().with("runs", Value::Null))).await.unwrap();
    let found: Vec<_> = futures::StreamExt::collect(builds.scan(Scan::new(name()))).await;
    let told: Vec<_> = found.iter().map(Result::is_ok).collect();
    assert_eq!(told, [true, false, true]);
    store.calls();
    let found = builds.clone().strong().get_many([key(3), key(9), key(2)]).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().as_ref().unwrap().number, 3);
    assert!(found[1].as_ref().unwrap().is_none());
    let error = found[2].as_ref().unwrap_err();
    assert_eq!(error.to_string(), "kv.get table: runs: found null, wanted u32 (Invalid)");
    builds.strong().get(key(1)).await.unwrap();
    assert_eq!(store.calls(), ["get_many", "get_strong"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_another_table_is_refused() {
    let (_, builds) = builds();
    let other = Name::new("other").unwrap();
    let found = builds.scan(Scan::new(other.clone())).try_collect::<Vec<_>>().await;
    assert_eq!(kind(found), ErrorKind::Invalid);
    let found = builds.query(Query::new(other, "web")).try_collect::<Vec<_>>().await;
    assert_eq!(kind(found), ErrorKind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn a_type_without_the_key_is_refused_by_name() {
    #[derive(Serialize)]
    struct Other {
        app: Option<f64>,
    }
    let store = Store::new(Attr::text("app"), Some(Attr::int("number")));
    let others = Typed::<Other>::new(Arc::clone(&store) as Arc<dyn Kv>, &store.table_now());
    let error = others.put(&Other { app: Some(0.5) }).await.unwrap_err();
    let text = "kv.put table: app: found number, wanted text: it is in the key (Invalid)";
    assert_eq!(error.to_string(), text);
    let error = others.put(&Other { app: None }).await.unwrap_err();
    assert_eq!(error.message(), "app: found null, wanted text: it is in the key");
    let number = Typed::<Item>::new(store, &{
        let mut table =
            crate::kv::Table::new(name(), Attr::int("n"), None, crate::kv::TableState::Active);
        table.labels = crate::Labels::new();
        table
    });
    let error = number.to_put(&Item::new().with("n", Value::try_from(0.5).unwrap())).unwrap_err();
    assert_eq!(
        error.message(),
        "n: found a number with a fraction, wanted a whole number: it is in the key"
    );
    let error = number.to_put(&Item::new()).unwrap_err();
    assert_eq!(error.message(), "n: found nothing, wanted a whole number: it is in the key");
    let put = number.to_put(&Item::new().with("n", 3).with("m", 4)).unwrap();
    assert_eq!((put.key, put.item), (Key::new(3), Item::new().with("m", 4)));
}
