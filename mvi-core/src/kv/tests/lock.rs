//! `KvExt::lock` and its kin.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use proptest::{collection, prelude::*};
use tokio::time::{Instant, sleep};

use super::store::{Fault, Store, name};
use crate::{
    Applied, ErrorKind, Kv as _, KvExt as _,
    kv::{Attr, Get, Lease, Lock, Value},
    time::instant,
};

const LEASE: Duration = Duration::from_secs(10);

fn store() -> Arc<Store> {
    Store::new(Attr::text("name"), None)
}

fn lock(holder: &str) -> Lock {
    Lock::new(name(), "nightly", LEASE).holder(holder)
}

async fn in_record(store: &Store, attribute: &str) -> Option<Value> {
    let record = store.get(Get::new(name(), "nightly")).await.unwrap().unwrap();
    store.calls();
    record.item.get(attribute).cloned()
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_held_by_one_and_tokens_grow() {
    let store = store();
    let first = store.lock(lock("web-1")).await.unwrap();
    assert_eq!(first.token, 1);
    assert_eq!(store.calls(), ["update"]);
    let error = store.lock(lock("web-2")).await.unwrap_err();
    assert_eq!(error.to_string(), "kv.lock table: held by \"web-1\", waited 0ns (Conflict)");
    assert_eq!(error.applied(), Applied::No);
    store.unlock(first).await.unwrap();
    assert_eq!(store.lock(lock("web-2")).await.unwrap().token, 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_by_itself_and_its_holder_cannot_have_it_back() {
    let store = store();
    let mut old = store.lock(lock("web-1")).await.unwrap();
    let begun = instant();
    let new = store.lock(lock("web-2").patience(LEASE * 2)).await.unwrap();
    assert_eq!(new.token, 2);
    assert!((LEASE * 99 / 100..LEASE + Duration::from_secs(2)).contains(&begun.elapsed()));
    assert!(old.left().is_zero());
    let error = store.renew_lock(&mut old).await.unwrap_err();
    let text = "kv.renew_lock table: the lease is over: held by \"web-2\" (Conflict)";
    assert_eq!(error.to_string(), text);
    store.unlock(old).await.unwrap();
    assert_eq!(in_record(&store, "holder").await, Some("web-2".into()));
    store.lock(lock("web-3")).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_renewed_lease_goes_on() {
    let store = store();
    let mut lease = store.lock(lock("web-1")).await.unwrap();
    for _ in 0..5 {
        sleep(LEASE / 2).await;
        assert!(lease.left() <= LEASE / 2, "{:?}", lease.left());
        store.renew_lock(&mut lease).await.unwrap();
        assert!(lease.left() > LEASE * 9 / 10 && lease.left() <= LEASE);
        store.lock(lock("web-2")).await.unwrap_err();
    }
    assert_eq!(lease.token, 1);
    sleep(LEASE * 2).await;
    store.renew_lock(&mut lease).await.unwrap();
    store.lock(lock("web-2")).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_lost_yes_is_found_again() {
    let store = store();
    store.fault("update", Fault::Lose);
    let lease = store.lock(lock("web-1")).await.unwrap();
    assert_eq!(store.calls(), ["update", "get_strong"]);
    assert_eq!(in_record(&store, "token").await, Some(1.into()));
    assert_eq!(lease.token, 1);
    assert!(lease.left() < LEASE);
    store.unlock(lease).await.unwrap();
    assert_eq!(in_record(&store, "until").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_late_yes_is_found_again() {
    let store = store();
    store.fault("update", Fault::Late);
    let lease = store.lock(lock("web-1").patience(LEASE)).await.unwrap();
    assert_eq!(store.calls(), ["update", "get_strong", "update", "get_strong"]);
    assert_eq!(lease.token, 1);
    store.unlock(lease).await.unwrap();
    assert_eq!(store.lock(lock("web-2")).await.unwrap().token, 2);
}

#[tokio::test(start_paused = true)]
async fn a_yes_that_cannot_be_read_back_is_unknown_and_ends_by_itself() {
    let store = store();
    store.fault("update", Fault::Lose);
    store.fault("get_strong", Fault::Refuse(ErrorKind::Unavailable));
    let error = store.lock(lock("web-1")).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Timeout, Applied::Unknown));
    let next = store.lock(lock("web-2").patience(LEASE * 2)).await.unwrap();
    assert_eq!(next.token, 2);
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_no_deadlock() {
    let store = store();
    store.fault("update", Fault::Hang);
    store.fault("get_strong", Fault::Hang);
    let lease = store.lock(lock("web-1").patience(Duration::from_mins(1))).await.unwrap();
    assert_eq!(lease.token, 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_goes_on_after_what_may_pass_and_ends_at_once_after_what_may_not() {
    let store = store();
    store.fault("update", Fault::Refuse(ErrorKind::Throttled));
    store.lock(lock("web-1")).await.unwrap_err();
    assert_eq!(store.calls(), ["update"]);
    store.fault("update", Fault::Refuse(ErrorKind::Throttled));
    let lease = store.lock(lock("web-1").patience(LEASE)).await.unwrap();
    store.unlock(lease).await.unwrap();
    store.calls();
    store.fault("update", Fault::Refuse(ErrorKind::Forbidden));
    let error = store.lock(lock("web-1").patience(LEASE)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(store.calls(), ["update"]);
}

#[tokio::test(start_paused = true)]
async fn giving_back_twice_succeeds() {
    let store = store();
    let lease = store.lock(lock("web-1")).await.unwrap();
    store.fault("update", Fault::Lose);
    store.unlock(lease).await.unwrap_err();
    assert_eq!(store.lock(lock("web-2")).await.unwrap().token, 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_no_time_or_of_all_time_is_refused() {
    let store = store();
    for lease in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let error = store.lock(Lock::new(name(), "nightly", lease)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{lease:?}");
    }
    assert_eq!(store.keys(), []);
}

/// When a lease was taken, until when its holder believes in it, and its token.
type Held = (Instant, Instant, u64);

async fn work(store: Arc<Store>, held: Arc<Mutex<Vec<Held>>>, holder: usize, busy: Duration) {
    let request = lock(&holder.to_string()).patience(Duration::from_mins(5));
    let Ok(mut lease) = store.lock(request).await else { return };
    let taken = instant();
    let ends = |lease: &Lease| instant() + lease.left();
    held.lock().unwrap().push((taken, ends(&lease), lease.token));
    let mine = held.lock().unwrap().len() - 1;
    sleep(busy / 2).await;
    if lease.left() > Duration::ZERO && store.renew_lock(&mut lease).await.is_ok() {
        held.lock().unwrap()[mine].1 = ends(&lease);
    }
    sleep(busy / 2).await;
    // From here on it believes no longer, whatever the answer is.
    let over = |it: &mut Held| it.1 = it.1.min(instant());
    over(&mut held.lock().unwrap()[mine]);
    let _ = store.unlock(lease).await;
}

fn faults() -> impl Strategy<Value = Vec<(&'static str, Fault)>> {
    let op = prop_oneof![3 => Just("update"), 1 => Just("get_strong")];
    let fault = prop_oneof![
        Just(Fault::Lose),
        Just(Fault::Late),
        Just(Fault::Hang),
        Just(Fault::Refuse(ErrorKind::Throttled)),
        Just(Fault::Refuse(ErrorKind::Unavailable)),
    ];
    collection::vec((op, fault), 0..12)
}

proptest! {
    #[test]
    fn whatever_is_lost_no_two_hold_it_and_tokens_grow(
        faults in faults(),
        busy in collection::vec(0_u64..25_000, 2..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let held = Arc::new(Mutex::new(Vec::new()));
        runtime.block_on(async {
            let store = store();
            for (op, fault) in faults {
                store.fault(op, fault);
            }
            let workers = busy.iter().enumerate().map(|(holder, millis)| {
                let (store, held) = (Arc::clone(&store), Arc::clone(&held));
                tokio::spawn(work(store, held, holder, Duration::from_millis(*millis)))
            });
            for worker in workers.collect::<Vec<_>>() {
                worker.await.unwrap();
            }
        });
        let mut held = held.lock().unwrap().clone();
        held.sort_by_key(|it| it.2);
        prop_assert!(!held.is_empty());
        for pair in held.windows(2) {
            prop_assert!(pair[0].2 < pair[1].2, "{pair:?}");
            prop_assert!(pair[0].1 <= pair[1].0, "{pair:?}");
        }
    }
}
