//! Transactions.

use std::sync::Arc;

use mvi_core::{
    ErrorKind, Kv, Result,
    kv::{Condition, Item, Key, MAX_STEPS, Step, Transact},
};

use super::{Scope, Shape, Store, fails, one};

fn steps(steps: impl IntoIterator<Item = Step>) -> Transact {
    Transact { steps: steps.into_iter().collect() }
}

/// Records `a` = 1, `b` = 2, `c` = 3, and the key `new` of none.
async fn records(store: &Store<'_>) -> Result<[Key; 4]> {
    let keys = ["a", "b", "c", "new"].map(|it| store.key(it));
    for (key, n) in keys[..3].iter().zip(1..) {
        store.save(key, one(n)).await?;
    }
    Ok(keys)
}

/// Wants the transaction to fail so, and every record to be as [`records`] made it.
async fn refuses(store: &Store<'_>, transact: Transact, kind: ErrorKind) -> Result<()> {
    let keys = records(store).await?;
    let mut before = Vec::new();
    for key in &keys {
        before.push(store.get(key).await?);
    }
    let error = fails(store.kv.transact(transact).await, kind);
    assert!(!error.may_have_applied(), "{error:?}");
    for (key, before) in keys.iter().zip(before) {
        assert_eq!(store.get(key).await?, before);
    }
    Ok(())
}

pub(super) async fn a_transaction_takes_every_step(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let [a, b, c, new] = records(&store).await?;
    let done = kv.transact(steps([
        store.put(&new, one(9)).only_if(Condition::Absent).into(),
        store.update(&a).increment("n", 10).set("b", true).into(),
        store.check(&c, Condition::eq("n", 3)).into(),
        store.delete(&b).only_if(Condition::Present).into(),
    ]));
    let done = done.await?;
    let Ok([put, updated, checked, deleted]) = <[_; 4]>::try_from(done) else {
        panic!("four steps have four answers");
    };
    let (made, changed) = (store.get(&new).await?, store.get(&a).await?);
    let (made, changed) = (made.expect("put"), changed.expect("updated"));
    assert_eq!((made.item, Some(made.version)), (one(9), put));
    assert_eq!((changed.item, Some(changed.version)), (one(11).with("b", true), updated));
    assert_eq!((checked, deleted), (None, None));
    assert_eq!((store.get(&b).await?, store.item(&c).await?), (None, Some(one(3))));
    Ok(())
}

pub(super) async fn a_failing_check_changes_nothing(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let [a, b, c, new] = records(&store).await?;
    let checks = [
        (&c, Condition::eq("n", 4)),
        (&c, Condition::Absent),
        (&c, Condition::lacks("n")),
        (&new, Condition::Present),
    ];
    for (key, condition) in checks {
        let other = if key == &new { &c } else { &new };
        let transact = steps([
            store.put(other, one(9)).into(),
            store.update(&a).increment("n", 10).into(),
            store.delete(&b).into(),
            store.check(key, condition).into(),
        ]);
        refuses(&store, transact, ErrorKind::Conflict).await?;
    }
    Ok(())
}

pub(super) async fn a_failing_condition_of_any_step_changes_nothing(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let [a, b, c, new] = records(&store).await?;
    let no = || Condition::eq("n", 99);
    let failing: [Step; 3] = [
        store.put(&a, one(0)).only_if(no()).into(),
        store.update(&a).set("n", 0).only_if(no()).into(),
        store.delete(&a).only_if(no()).into(),
    ];
    for step in failing {
        let others: [Step; 3] = [
            store.put(&new, one(9)).into(),
            store.update(&b).set("n", 0).into(),
            store.delete(&c).into(),
        ];
        // First, and last.
        let last = others.clone().into_iter().chain([step.clone()]);
        refuses(&store, steps(last), ErrorKind::Conflict).await?;
        refuses(&store, steps([step].into_iter().chain(others)), ErrorKind::Conflict).await?;
    }
    Ok(())
}

pub(super) async fn a_change_that_does_not_fit_changes_nothing(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let [a, b, _, new] = records(&store).await?;
    let text = store.key("text");
    store.save(&text, Item::new().with("n", "text").with("max", i64::MAX)).await?;
    let unfit = [
        store.update(&text).increment("n", 1),
        store.update(&text).increment("max", 1),
        store.update(&text).append("n", vec![1.into()]),
        store.update(&text).set(mvi_core::kv::Path::new(["none", "n"]), 1),
    ];
    for update in unfit {
        let transact = steps([
            store.put(&new, one(9)).into(),
            update.into(),
            store.update(&a).increment("n", 10).into(),
            store.delete(&b).into(),
        ]);
        refuses(&store, transact, ErrorKind::Conflict).await?;
    }
    let wanted = Item::new().with("n", "text").with("max", i64::MAX);
    assert_eq!(store.item(&text).await?, Some(wanted));
    Ok(())
}

pub(super) async fn a_write_in_between_conflicts(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let [a, b, _, _] = records(&store).await?;
    let read = store.get(&a).await?.expect("a record");
    store.save(&a, one(5)).await?;
    let transact = |version| {
        steps([store.check(&a, Condition::Version(version)).into(), store.put(&b, one(0)).into()])
    };
    fails(kv.transact(transact(read.version)).await, ErrorKind::Conflict);
    assert_eq!(store.item(&b).await?, Some(one(2)));
    let read = store.get(&a).await?.expect("a record");
    kv.transact(transact(read.version)).await?;
    assert_eq!(store.item(&b).await?, Some(one(0)));
    Ok(())
}

pub(super) async fn checks_alone_are_a_transaction(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let [a, b, _, new] = records(&store).await?;
    let before = store.get(&a).await?;
    let checks = |n| {
        steps([
            store.check(&a, Condition::eq("n", 1)).into(),
            store.check(&b, Condition::eq("n", n)).into(),
            store.check(&new, Condition::Absent).into(),
        ])
    };
    assert_eq!(kv.transact(checks(2)).await?, [None, None, None]);
    fails(kv.transact(checks(3)).await, ErrorKind::Conflict);
    // A check is no write.
    assert_eq!((store.get(&a).await?, store.get(&new).await?), (before, None));
    Ok(())
}

pub(super) async fn one_record_in_two_steps_is_invalid(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let [a, b, ..] = records(&store).await?;
    let pairs: [[Step; 2]; 3] = [
        [store.put(&a, one(8)).into(), store.put(&a, one(9)).into()],
        [store.check(&a, Condition::Present).into(), store.put(&a, one(9)).into()],
        [store.update(&a).set("n", 9).into(), store.delete(&a).into()],
    ];
    for pair in pairs {
        let transact = steps([store.delete(&b).into()].into_iter().chain(pair));
        refuses(&store, transact, ErrorKind::Invalid).await?;
    }
    Ok(())
}

pub(super) async fn a_hundred_steps_are_taken_and_more_are_invalid(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let puts = |count: usize| {
        let keys = (0..count).map(|n| store.key(&n.to_string()));
        steps(keys.map(|key| store.put(&key, one(1)).into()))
    };
    fails(kv.transact(puts(0)).await, ErrorKind::Invalid);
    fails(kv.transact(puts(MAX_STEPS + 1)).await, ErrorKind::Invalid);
    assert_eq!(store.get(&store.key("0")).await?, None);
    let versions = kv.transact(puts(MAX_STEPS)).await?;
    assert_eq!(versions.iter().filter(|it| it.is_some()).count(), MAX_STEPS);
    for n in [0, 50, MAX_STEPS - 1] {
        assert_eq!(store.item(&store.key(&n.to_string())).await?, Some(one(1)));
    }
    Ok(())
}

pub(super) async fn a_transaction_spans_tables(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let text = Shape::Text.shared(kv, scope).await?;
    let sorted = Shape::ByInt.shared(kv, scope).await?;
    let (a, at) = (text.key("a"), sorted.at("a", 1));
    let both = |condition| {
        steps([text.put(&a, one(1)).into(), sorted.put(&at, one(2)).only_if(condition).into()])
    };
    fails(kv.transact(both(Condition::Present)).await, ErrorKind::Conflict);
    assert_eq!((text.get(&a).await?, sorted.get(&at).await?), (None, None));
    kv.transact(both(Condition::Absent)).await?;
    assert_eq!((text.item(&a).await?, sorted.item(&at).await?), (Some(one(1)), Some(one(2))));
    Ok(())
}
