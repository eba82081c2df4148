//! Records that expire.

use std::{sync::Arc, time::Duration};

use futures::TryStreamExt as _;
use mvi_core::{
    ErrorKind, Kv, Result, When,
    kv::{Condition, Expiry, GetMany, Item, Scan, Transact, Write, WriteMany},
};
use tokio::time::sleep;

use super::{Scope, Shape, eventually, fails, one, store::keys};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

fn item(scope: &Scope, n: i64) -> Item {
    one(n).with("owner", scope.text("owner"))
}

pub(super) async fn an_expired_record_is_never_returned(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Expiring.shared(kv, scope).await?;
    let (dead, alive) = (store.at("a", 1), store.at("a", 2));
    kv.put(store.put(&dead, item(scope, 1)).expires(When::Ago(SECOND))).await?;
    kv.put(store.put(&alive, item(scope, 2)).expires(When::In(HOUR))).await?;

    assert_eq!(store.get(&dead).await?, None);
    let many = GetMany::new(store.name.clone(), [dead.clone(), alive.clone()]).strong();
    let found = kv.get_many(many).await?.into_iter().collect::<Result<Vec<_>>>()?;
    let found: Vec<_> = found.into_iter().map(|it| it.map(|it| it.key)).collect();
    assert_eq!(found, [None, Some(alive.clone())]);

    let all = store.records(store.query("a")).await?;
    assert_eq!(keys(all), std::slice::from_ref(&alive));
    // A limit counts what is given, not what has expired.
    assert_eq!(store.records(store.query("a").limit(1)).await?.len(), 1);

    let scan = kv.scan(Scan::new(store.name.clone()).strong());
    let scanned: Vec<_> = scan.map_ok(|it| it.key).try_collect().await?;
    assert!(scanned.contains(&alive) && !scanned.contains(&dead), "{scanned:?}");

    let index = store.index("by-owner", "owner")?;
    eventually("live record in the index", Scope::PATIENCE, || async {
        let found = store.records(index.clone()).await?;
        assert!(found.iter().all(|it| it.key != dead), "{found:?}");
        Ok(found.iter().any(|it| it.key == alive).then_some(()))
    })
    .await
}

pub(super) async fn a_record_is_there_until_it_expires(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Expiring.shared(kv, scope).await?;
    let key = store.at("a", 1);
    // The part of a second that is cut off may be nearly all of one.
    kv.put(store.put(&key, item(scope, 1)).expires(When::In(20 * SECOND))).await?;
    assert_eq!(store.item(&key).await?, Some(item(scope, 1)));
    sleep(20 * SECOND).await;
    assert_eq!(store.get(&key).await?, None);
    assert_eq!(store.records(store.query("a")).await?, []);
    kv.put(store.put(&key, item(scope, 2)).only_if(Condition::Absent)).await?;
    assert_eq!(store.item(&key).await?, Some(item(scope, 2)));
    Ok(())
}

pub(super) async fn conditions_take_an_expired_record_as_absent(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Expiring.shared(kv, scope).await?;
    let key = store.at("a", 1);
    let expired = || store.put(&key, item(scope, 1)).expires(When::Ago(SECOND));
    let version = kv.put(expired()).await?;
    for condition in [
        Condition::Present,
        Condition::Version(version),
        Condition::eq("n", 1),
        Condition::has("n"),
    ] {
        let shown = format!("{condition:?}");
        let put = store.put(&key, one(2)).only_if(condition.clone());
        fails(kv.put(put).await, ErrorKind::Conflict);
        let update = store.update(&key).set("n", 2).only_if(condition.clone());
        fails(kv.update(update).await, ErrorKind::Conflict);
        fails(kv.delete(store.delete(&key).only_if(condition)).await, ErrorKind::Conflict);
        assert_eq!(store.get(&key).await?, None, "{shown}");
    }
    let holding =
        [Condition::Absent, Condition::lacks("n"), Condition::ne("n", 1), Condition::Present.not()];
    for (condition, n) in holding.into_iter().zip(0..) {
        kv.put(expired()).await?;
        kv.delete(store.delete(&key).only_if(condition.clone())).await?;
        kv.put(expired()).await?;
        kv.put(store.put(&key, one(n)).only_if(condition)).await?;
        assert_eq!(store.item(&key).await?, Some(one(n)));
    }
    Ok(())
}

pub(super) async fn transactions_take_an_expired_record_as_absent(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Expiring.shared(kv, scope).await?;
    let (expired, key, third) = (store.at("a", 1), store.at("a", 2), store.at("a", 3));
    kv.put(store.put(&expired, one(1)).expires(When::Ago(SECOND))).await?;
    kv.put(store.put(&third, one(7)).expires(When::Ago(SECOND))).await?;
    let present = Transact::new()
        .step(store.check(&expired, Condition::Present))
        .step(store.put(&key, one(2)));
    fails(kv.transact(present).await, ErrorKind::Conflict);
    assert_eq!(store.get(&key).await?, None);
    let absent = Transact::new()
        .step(store.check(&expired, Condition::Absent))
        .step(store.put(&key, one(2)))
        .step(store.update(&third).increment("n", 1));
    kv.transact(absent).await?;
    assert_eq!(store.item(&key).await?, Some(one(2)));
    assert_eq!(store.item(&third).await?, Some(one(1)));
    Ok(())
}

pub(super) async fn an_update_of_an_expired_record_starts_empty(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Expiring.shared(kv, scope).await?;
    let key = store.at("a", 1);
    let old = one(41).with("old", true);
    kv.put(store.put(&key, old.clone()).expires(When::Ago(SECOND))).await?;
    let made = kv.update(store.update(&key).increment("n", 1)).await?;
    // What it had is gone, its expiry too: else nobody would see it now.
    assert_eq!((&made.item, made.expires), (&one(1), None));
    assert_eq!(store.get(&key).await?, Some(made));
    kv.put(store.put(&key, old).expires(When::Ago(SECOND))).await?;
    let update = store.update(&key).set("new", 1).only_if(Condition::Absent);
    let made = kv.update(update.expires(Expiry::At(When::In(HOUR)))).await?;
    assert_eq!(made.item, Item::new().with("new", 1));
    assert_eq!(store.get(&key).await?, Some(made));
    Ok(())
}

pub(super) async fn a_put_forgets_the_expiry_of_what_was_there(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Expiring.shared(kv, scope).await?;
    let key = store.at("a", 1);
    kv.put(store.put(&key, one(1)).expires(When::In(HOUR))).await?;
    assert!(store.get(&key).await?.expect("alive").expires.is_some());
    store.save(&key, one(2)).await?;
    let found = store.get(&key).await?.expect("the record just put");
    assert_eq!((found.item, found.expires), (one(2), None));
    kv.put(store.put(&key, one(3)).expires(When::Ago(SECOND))).await?;
    store.save(&key, one(4)).await?;
    assert_eq!(store.item(&key).await?, Some(one(4)));
    Ok(())
}

pub(super) async fn an_update_keeps_or_changes_the_expiry(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Expiring.shared(kv, scope).await?;
    let key = store.at("a", 1);
    let at = |text: &str| text.parse::<mvi_core::Timestamp>().expect("a time");
    let (then, later) = (at("2100-01-01T00:00:00Z"), at("2100-01-02T00:00:00Z"));
    kv.put(store.put(&key, one(1)).expires(When::At(then))).await?;
    let kept = kv.update(store.update(&key).increment("n", 1)).await?;
    assert_eq!((kept.item, kept.expires), (one(2), Some(then)));
    let moved = store.update(&key).increment("n", 1).expires(Expiry::At(When::At(later)));
    assert_eq!(kv.update(moved).await?.expires, Some(later));
    assert_eq!(store.get(&key).await?.map(|it| it.expires), Some(Some(later)));
    let ever = store.update(&key).increment("n", 1).expires(Expiry::Never);
    assert_eq!(kv.update(ever).await?.expires, None);
    let found = store.get(&key).await?.expect("it never expires");
    assert_eq!((found.item, found.expires), (one(4), None));
    let over = store.update(&key).expires(Expiry::At(When::Ago(SECOND)));
    kv.update(over).await?;
    assert_eq!(store.get(&key).await?, None);
    Ok(())
}

pub(super) async fn an_expiry_counts_whole_seconds(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Expiring.shared(kv, scope).await?;
    let at = |text: &str| text.parse::<mvi_core::Timestamp>().expect("a time");
    let key = store.at("a", 1);
    kv.put(store.put(&key, one(1)).expires(When::At(at("2100-01-01T00:00:00.9Z")))).await?;
    let found = store.get(&key).await?.expect("the record just put");
    assert_eq!(found.expires, Some(at("2100-01-01T00:00:00Z")));
    Ok(())
}

pub(super) async fn an_expiry_where_ttl_is_off_is_invalid(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    let key = store.at("a", 1);
    let put = || store.put(&key, one(1)).expires(When::In(HOUR));
    fails(kv.put(put()).await, ErrorKind::Invalid);
    let update = store.update(&key).set("n", 1).expires(Expiry::At(When::In(HOUR)));
    fails(kv.update(update).await, ErrorKind::Invalid);
    fails(kv.transact(Transact::new().step(put())).await, ErrorKind::Invalid);
    let many = kv.write_many(WriteMany::new([Write::Put(put())])).await;
    fails(many.and_then(|all| all.into_iter().collect::<Result<Vec<_>>>()), ErrorKind::Invalid);
    assert_eq!(store.get(&key).await?, None);
    Ok(())
}
