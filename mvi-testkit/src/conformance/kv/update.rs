//! Updates: changes in place.

use std::{collections::BTreeMap, sync::Arc};

use mvi_core::{
    ErrorKind, Kv, Result,
    kv::{Condition, Item, Key, Path, Update, Value},
};

use super::{Scope, Shape, Store, fails, one};

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Makes the record `item`, wants `update` to fail so, and the record to be as it was.
async fn refuses(
    store: &Store<'_>,
    item: Item,
    update: impl FnOnce(Update) -> Update,
    kind: ErrorKind,
) -> Result<()> {
    let key = store.key("a");
    let version = store.save(&key, item.clone()).await?;
    let error = fails(store.kv.update(update(store.update(&key))).await, kind);
    assert!(!error.may_have_applied(), "{error:?}");
    let found = store.get(&key).await?.expect("still there");
    assert_eq!((found.item, found.version), (item, version));
    Ok(())
}

/// Makes the record `item`, and gives what `update` makes of it: the same in its answer and read back.
async fn makes(
    store: &Store<'_>,
    item: Item,
    update: impl FnOnce(Update) -> Update,
) -> Result<Item> {
    let key = store.key("a");
    store.save(&key, item).await?;
    let record = store.kv.update(update(store.update(&key))).await?;
    assert_eq!(store.get(&key).await?.as_ref(), Some(&record));
    Ok(record.item)
}

pub(super) async fn an_update_of_nothing_starts_empty(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    let key = store.at("a", 1);
    let update = store.update(&key).set("text", "b").increment("n", 3).remove("none");
    let record = kv.update(update.append("list", vec![1.into()])).await?;
    let wanted = one(3).with("text", "b").with("list", vec![1.into()]);
    assert_eq!((&record.key, &record.item), (&key, &wanted));
    assert_eq!(store.get(&key).await?, Some(record));
    Ok(())
}

pub(super) async fn an_update_without_changes_makes_a_record(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key: Key = store.key("a");
    let made = kv.update(store.update(&key)).await?;
    assert_eq!((&made.item, made.expires), (&Item::new(), None));
    assert_eq!(store.get(&key).await?.as_ref(), Some(&made));
    // It is a write all the same.
    let again = kv.update(store.update(&key)).await?;
    assert_ne!(again.version, made.version);
    Ok(())
}

pub(super) async fn an_update_gives_the_record_as_it_is_now(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let found = makes(&store, one(1).with("kept", "text"), |it| it.set("n", 2)).await?;
    assert_eq!(found, one(2).with("kept", "text"));
    Ok(())
}

pub(super) async fn a_set_changes_one_attribute(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let item = one(1).with("b", "old").with("c", vec![1.into()]);
    let found = makes(&store, item, |it| it.set("b", Value::Null).set("d", true)).await?;
    let wanted = one(1).with("b", Value::Null).with("c", vec![1.into()]).with("d", true);
    assert_eq!(found, wanted);
    // A map is put in place of what was there, not merged with it.
    let item = Item::new().with("m", map([("a", 1.into())]));
    let found = makes(&store, item, |it| it.set("m", map([("b", 2.into())]))).await?;
    assert_eq!(found, Item::new().with("m", map([("b", 2.into())])));
    Ok(())
}

pub(super) async fn an_increment_adds_and_starts_from_zero(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let item = one(40).with("max", i64::MAX - 1).with("min", i64::MIN);
    let found = makes(&store, item, |it| {
        it.increment("n", 2).increment("new", -5).increment("max", 1).increment("min", i64::MAX)
    });
    let wanted = one(42).with("new", -5).with("max", i64::MAX).with("min", -1);
    assert_eq!(found.await?, wanted);
    Ok(())
}

pub(super) async fn an_increment_of_a_float_adds(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let item = Item::new().with("n", Value::try_from(1.5)?);
    let found = makes(&store, item, |it| it.increment("n", 2)).await?;
    assert_eq!(found, Item::new().with("n", Value::try_from(3.5)?));
    Ok(())
}

pub(super) async fn an_append_keeps_order_and_repeats(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let item = Item::new().with("list", vec![2.into(), 1.into()]);
    let more = vec![1.into(), "b".into(), map([("c", 1.into())]), 1.into()];
    let found =
        makes(&store, item, |it| it.append("list", more.clone()).append("new", vec![])).await?;
    let all: Vec<Value> = [2.into(), 1.into()].into_iter().chain(more).collect();
    assert_eq!(found, Item::new().with("list", all).with("new", vec![]));
    Ok(())
}

pub(super) async fn a_remove_of_nothing_changes_nothing(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let item = one(1).with("b", 2).with("m", map([("a", 1.into()), ("b", 2.into())]));
    let found = makes(&store, item, |it| {
        it.remove("b").remove("none").remove(Path::new(["m", "a"])).remove(Path::new(["m", "none"]))
    });
    assert_eq!(found.await?, one(1).with("m", map([("b", 2.into())])));
    Ok(())
}

pub(super) async fn a_nested_path_changes_only_its_value(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let deep = map([("n", 1.into()), ("list", vec![1.into()].into()), ("kept", "b".into())]);
    let item = one(1).with("m", map([("deep", deep), ("a.b", 1.into())]));
    let found = makes(&store, item, |it| {
        it.increment(Path::new(["m", "deep", "n"]), 1)
            .append(Path::new(["m", "deep", "list"]), vec![2.into()])
            .set(Path::new(["m", "new"]), "c")
            .set(Path::new(["m", "a.b"]), 2)
    });
    let deep =
        map([("n", 2.into()), ("list", vec![1.into(), 2.into()].into()), ("kept", "b".into())]);
    let wanted = map([("deep", deep), ("a.b", 2.into()), ("new", "c".into())]);
    assert_eq!(found.await?, one(1).with("m", wanted));
    Ok(())
}

pub(super) async fn a_path_without_its_parents_conflicts(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let item = one(1).with("list", vec![map([("a", 1.into())])]).with("m", map([]));
    for parts in [["none", "a"], ["n", "a"], ["list", "0"]] {
        let path = Path::new(parts);
        refuses(&store, item.clone(), |it| it.set(path.clone(), 1), ErrorKind::Conflict).await?;
        refuses(&store, item.clone(), |it| it.increment(path.clone(), 1), ErrorKind::Conflict)
            .await?;
    }
    let deep = Path::new(["m", "none", "a"]);
    refuses(&store, item, |it| it.append(deep, vec![1.into()]), ErrorKind::Conflict).await?;
    // Nothing has no parents either.
    let nested = store.update(&store.key("nothing")).set(Path::new(["m", "a"]), 1);
    fails(kv.update(nested).await, ErrorKind::Conflict);
    assert_eq!(store.get(&store.key("nothing")).await?, None);
    Ok(())
}

pub(super) async fn an_increment_beyond_64_bits_conflicts_and_changes_nothing(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let item = one(1).with("max", i64::MAX).with("min", i64::MIN);
    let change = |it: Update| it.increment("max", 1).set("n", 2);
    refuses(&store, item.clone(), change, ErrorKind::Conflict).await?;
    refuses(&store, item.clone(), |it| it.increment("min", -1), ErrorKind::Conflict).await?;
    refuses(&store, item, |it| it.increment("max", i64::MAX), ErrorKind::Conflict).await
}

pub(super) async fn an_increment_of_no_number_conflicts(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    for value in ["1".into(), Value::Null, true.into(), vec![1.into()].into(), map([])] {
        let item = Item::new().with("n", value);
        refuses(&store, item, |it| it.increment("n", 1), ErrorKind::Conflict).await?;
    }
    Ok(())
}

pub(super) async fn an_append_to_no_list_conflicts(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    for value in ["1".into(), Value::Null, 1.into(), Value::Map(BTreeMap::new())] {
        let item = Item::new().with("list", value);
        refuses(&store, item, |it| it.append("list", vec![1.into()]), ErrorKind::Conflict).await?;
    }
    Ok(())
}

pub(super) async fn one_change_that_does_not_fit_undoes_the_others(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let item = one(1).with("list", vec![]).with("text", "b");
    let changes = |it: Update| {
        it.set("new", 1)
            .remove("n")
            .append("list", vec![1.into()])
            .increment("text", 1)
            .set("last", 1)
    };
    refuses(&store, item, changes, ErrorKind::Conflict).await
}

pub(super) async fn overlapping_changes_are_invalid(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let item = one(1).with("m", map([("a", map([]))]));
    let nested = || Path::new(["m", "a"]);
    let invalid = ErrorKind::Invalid;
    refuses(&store, item.clone(), |it| it.set("n", 2).set("n", 3), invalid).await?;
    refuses(&store, item.clone(), |it| it.increment("n", 2).remove("n"), invalid).await?;
    refuses(&store, item.clone(), |it| it.set("m", 1).set(nested(), 1), invalid).await?;
    refuses(&store, item.clone(), |it| it.set(nested(), 1).remove("m"), invalid).await?;
    // A name that starts with another is beside it, not below.
    let beside = |it: Update| it.set("n", 2).set("nn", 3).set("n.n", 4);
    assert_eq!(makes(&store, one(1), beside).await?, one(2).with("nn", 3).with("n.n", 4));
    Ok(())
}

pub(super) async fn a_conditional_update_that_does_not_hold_changes_nothing(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let change = |it: Update| it.set("n", 2).only_if(Condition::eq("n", 5));
    refuses(&store, one(1), change, ErrorKind::Conflict).await?;
    let create = store.update(&store.key("nothing")).set("n", 2).only_if(Condition::Present);
    fails(kv.update(create).await, ErrorKind::Conflict);
    assert_eq!(store.get(&store.key("nothing")).await?, None);
    let change = |it: Update| it.increment("n", 1).only_if(Condition::eq("n", 1));
    assert_eq!(makes(&store, one(1), change).await?, one(2));
    Ok(())
}
