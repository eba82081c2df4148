//! `KvExt`, but for locks.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::store::{Fault, Store, name};
use crate::{
    Applied, ErrorKind, Kv as _, KvExt as _, Retry,
    kv::{Attr, Get, Item, Key, Put, Scan, TableState, Value},
    time::instant,
};

const MINUTE: Duration = Duration::from_mins(1);

fn one() -> std::sync::Arc<Store> {
    Store::new(Attr::text("code"), None)
}

#[tokio::test(start_paused = true)]
async fn fetch_says_that_nothing_is_there() {
    let store = one();
    let error = store.fetch(Get::new(name(), "gh")).await.unwrap_err();
    assert_eq!(error.to_string(), "kv.get table: no record at the key (NotFound)");
    store.put(Put::new(name(), "gh", Item::new())).await.unwrap();
    assert_eq!(store.fetch(Get::new(name(), "gh")).await.unwrap().key, Key::new("gh"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_the_table_is_active() {
    let store = one();
    store.set_state(TableState::Creating);
    let waiting = tokio::spawn({
        let store = std::sync::Arc::clone(&store);
        async move { store.wait_active(&name(), MINUTE).await }
    });
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(!waiting.is_finished());
    let active: Instant = instant();
    store.set_state(TableState::Active);
    assert_eq!(waiting.await.unwrap().unwrap().state, TableState::Active);
    assert!(active.elapsed() < Duration::from_secs(2), "{:?}", active.elapsed());
    store.set_state(TableState::Updating);
    store.wait_active(&name(), Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_too_early_says_what_it_saw() {
    let store = one();
    store.set_state(TableState::Creating);
    let begun = instant();
    let error = store.wait_active(&name(), MINUTE).await.unwrap_err();
    let text = "kv.wait_active table: the table is still being created, after 60s (Timeout)";
    assert_eq!(error.to_string(), text);
    assert_eq!(error.retry(), Retry::Safe);
    assert!((MINUTE..MINUTE + Duration::from_secs(1)).contains(&begun.elapsed()));
    store.fault("table", Fault::Refuse(ErrorKind::Throttled));
    let error = store.wait_active(&name(), Duration::ZERO).await.unwrap_err();
    assert_eq!(error.message(), "the last look at the table failed: refused, after 0ns");
}

#[tokio::test(start_paused = true)]
async fn a_fresh_table_may_be_unseen_but_not_for_long() {
    let store = one();
    for _ in 0..3 {
        store.fault("table", Fault::Refuse(ErrorKind::NotFound));
    }
    store.wait_active(&name(), MINUTE).await.unwrap();
    for _ in 0..1_000 {
        store.fault("table", Fault::Refuse(ErrorKind::NotFound));
    }
    let begun = instant();
    let error = store.wait_active(&name(), MINUTE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!((10..13).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_once_on_what_waiting_cannot_mend() {
    let store = one();
    for kind in [ErrorKind::Forbidden, ErrorKind::Unauthenticated, ErrorKind::Unsupported] {
        store.fault("table", Fault::Refuse(kind));
        assert_eq!(store.wait_active(&name(), MINUTE).await.unwrap_err().kind(), kind);
        assert_eq!(store.calls(), ["table"]);
    }
    store.set_state(TableState::Deleting);
    let error = store.wait_active(&name(), MINUTE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(store.calls(), ["table"]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_goes_on_after_what_may_pass() {
    let store = one();
    for fault in [
        Fault::Refuse(ErrorKind::Throttled),
        Fault::Refuse(ErrorKind::Unavailable),
        Fault::Lose,
        Fault::Hang,
    ] {
        store.fault("table", fault);
    }
    store.wait_active(&name(), Duration::MAX).await.unwrap();
    assert_eq!(store.calls().len(), 5);
}

async fn builds(store: &Store) {
    for number in 0..250 {
        let key = Key::sorted("web", format!("2025-{number:03}"));
        store.put(Put::new(name(), key, Item::new())).await.unwrap();
    }
    for key in
        [Key::sorted("web", "2024-1"), Key::sorted("web", "2026-1"), Key::sorted("api", "2025-1")]
    {
        store.put(Put::new(name(), key, Item::new())).await.unwrap();
    }
    store.calls();
}

#[tokio::test(start_paused = true)]
async fn a_prefix_goes_and_the_rest_stays() {
    let store = Store::new(Attr::text("app"), Some(Attr::text("date")));
    builds(&store).await;
    assert_eq!(store.delete_prefix(&name(), "web", "2025-").await.unwrap(), 250);
    let left =
        [Key::sorted("api", "2025-1"), Key::sorted("web", "2024-1"), Key::sorted("web", "2026-1")];
    assert_eq!(store.keys(), left);
    let batches = store.calls().into_iter().filter(|it| *it == "write_many").count();
    assert_eq!(batches, 3);
    assert_eq!(store.delete_prefix(&name(), "web", "").await.unwrap(), 2);
    assert_eq!(store.delete_prefix(&name(), "web", "").await.unwrap(), 0);
    assert_eq!(store.keys(), left[..1]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_prefix_is_of_any_kind_and_one_of_integers_is_refused() {
    let store = Store::new(Attr::text("app"), Some(Attr::int("number")));
    for number in -2..2 {
        store.put(Put::new(name(), Key::sorted("web", number), Item::new())).await.unwrap();
    }
    let error = store.delete_prefix(&name(), "web", 1).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Invalid, Applied::No));
    assert_eq!(store.delete_prefix(&name(), "web", "").await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_error_leaves_the_rest_and_asking_again_goes_on() {
    let store = Store::new(Attr::text("app"), Some(Attr::text("date")));
    builds(&store).await;
    for _ in 0..2 {
        store.fault("write", Fault::Refuse(ErrorKind::Throttled));
    }
    let error = store.delete_prefix(&name(), "web", "2025-").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "kv.delete_prefix table: 98 records removed, then: refused (Throttled)"
    );
    assert_eq!(error.applied(), Applied::Unknown);
    assert_eq!(store.delete_prefix(&name(), "web", "2025-").await.unwrap(), 152);
    assert_eq!(store.keys().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn counts_add_up() {
    let store = one();
    let owners = [Some("ann"), Some("bob"), Some("ann"), None];
    for (code, owner) in owners.into_iter().enumerate() {
        let item = owner.map_or(Item::new(), |it| Item::new().with("owner", it));
        store.put(Put::new(name(), code.to_string(), item)).await.unwrap();
    }
    let counts = store.count_by(store.scan(Scan::new(name())), "owner").await.unwrap();
    let wanted = [(Value::Null, 1), ("ann".into(), 2), ("bob".into(), 1)];
    assert_eq!(counts, BTreeMap::from(wanted));
    let failing = futures::stream::iter([Err(crate::Error::conflict("no"))]);
    store.count_by(Box::pin(failing), "owner").await.unwrap_err();
}
