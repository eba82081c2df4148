//! Locks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use mvi_core::{ErrorKind, Kv, KvExt as _, Result, hook::Hooked, kv::Lock};
use tokio::time::sleep;

use super::{Scope, Shape, Store, fails, race};
use crate::{Fault, Faults, Lost};

/// Longer than any call takes, so that it never ends in a case.
const LEASE: Duration = Duration::from_mins(2);
const SHORT: Duration = Duration::from_secs(1);

fn lock(store: &Store<'_>, lease: Duration) -> Lock {
    Lock::new(store.name.clone(), store.key("lock"), lease)
}

pub(super) async fn a_lock_is_one_holders_at_a_time(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    const RACERS: usize = 6;
    let store = Shape::Text.shared(kv, scope).await?;
    let (inside, largest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
    let results = race(RACERS, |racer| {
        let (kv, inside, largest) = (Arc::clone(kv), Arc::clone(&inside), Arc::clone(&largest));
        let lock = lock(&store, LEASE).holder(racer.to_string()).patience(Duration::from_mins(1));
        async move {
            let lease = kv.lock(lock).await?;
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold the lock");
            let before = largest.swap(lease.token, Ordering::SeqCst);
            assert!(before < lease.token, "token {} after {before}", lease.token);
            sleep(Duration::from_millis(10)).await;
            inside.fetch_sub(1, Ordering::SeqCst);
            kv.unlock(lease).await
        }
    });
    for result in results.await {
        result?;
    }
    assert!(largest.load(Ordering::SeqCst) >= 6);
    Ok(())
}

pub(super) async fn a_held_lock_conflicts_and_names_its_holder(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let lease = kv.lock(lock(&store, LEASE).holder("web-1")).await?;
    let error = fails(kv.lock(lock(&store, LEASE).holder("web-2")).await, ErrorKind::Conflict);
    assert!(error.message().contains("web-1"), "{error:?}");
    assert!(!error.may_have_applied(), "{error:?}");
    kv.unlock(lease).await?;
    kv.unlock(kv.lock(lock(&store, LEASE)).await?).await
}

pub(super) async fn a_lock_is_free_when_its_lease_ends(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let mut late = kv.lock(lock(&store, SHORT)).await?;
    let patient = lock(&store, LEASE).patience(Duration::from_mins(1));
    let next = kv.lock(patient).await?;
    assert!(next.token > late.token, "token {} after {}", next.token, late.token);
    // Who held it before learns of it, and can't give away what is another's.
    fails(kv.renew_lock(&mut late).await, ErrorKind::Conflict);
    kv.unlock(late).await?;
    fails(kv.lock(lock(&store, LEASE)).await, ErrorKind::Conflict);
    kv.unlock(next).await
}

pub(super) async fn a_renewed_lock_is_kept(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    // Longer than a busy emulator may keep an answer, and shorter than all the renewals together.
    let mut lease = kv.lock(lock(&store, 20 * SHORT)).await?;
    let token = lease.token;
    for _ in 0..3 {
        sleep(10 * SHORT).await;
        kv.renew_lock(&mut lease).await?;
        fails(kv.lock(lock(&store, LEASE)).await, ErrorKind::Conflict);
    }
    assert_eq!(lease.token, token);
    kv.unlock(lease).await?;
    let next = kv.lock(lock(&store, LEASE)).await?;
    assert!(next.token > token);
    kv.unlock(next).await
}

pub(super) async fn a_lock_whose_answer_was_lost_is_held(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let lost = Faults::new(1).with(Fault::lose("kv.update", Lost::Timeout).times(1));
    let lossy = Hooked::new(Arc::clone(kv), lost);
    let patient = lock(&store, LEASE).holder("web-1").patience(Duration::from_secs(5));
    let lease = lossy.lock(patient).await?;
    // It took one lease, not two after each other.
    assert_eq!(lease.token, 1);
    fails(kv.lock(lock(&store, LEASE)).await, ErrorKind::Conflict);
    kv.unlock(lease).await
}
