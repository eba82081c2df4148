//! Conditions of writes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use mvi_core::{
    ErrorKind, Kv, Result, When,
    kv::{Change, Condition, Item, Key, Path, Value},
};

use super::{Scope, Shape, Store, fails, one};

/// What [`truths`] are about.
pub(super) fn subject() -> Result<Item> {
    let deep = BTreeMap::from([("n".to_owned(), Value::from(1))]);
    let map = [("city", Value::from("Bonn")), ("deep", Value::Map(deep))];
    let map: BTreeMap<_, _> = map.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
    Ok(Item::new()
        .with("n", 5)
        .with("big", i64::MAX)
        .with("float", Value::try_from(1.5)?)
        .with("text", "mango")
        .with("empty", "")
        .with("bytes", Bytes::from_static(&[1, 2, 255]))
        .with("flag", true)
        .with("nil", Value::Null)
        .with("list", vec![1.into(), "a".into()])
        .with("a.b", 7)
        .with("map", map))
}

fn path<const N: usize>(parts: [&str; N]) -> Path {
    Path::new(parts)
}

type Truths = Vec<(Condition, bool)>;

fn of_numbers() -> Result<Truths> {
    Ok(vec![
        (Condition::eq("n", 5), true),
        (Condition::eq("n", Value::try_from(5.0)?), true),
        (Condition::eq("n", 50), false),
        (Condition::ne("n", 6), true),
        (Condition::ne("n", 5), false),
        (Condition::lt("n", 6), true),
        (Condition::lt("n", 5), false),
        (Condition::lt("n", 10), true),
        (Condition::le("n", 5), true),
        (Condition::le("n", 4), false),
        (Condition::gt("n", 4), true),
        (Condition::gt("n", 5), false),
        (Condition::gt("n", -10), true),
        (Condition::ge("n", 5), true),
        (Condition::ge("n", 6), false),
        (Condition::gt("big", i64::MAX - 1), true),
        (Condition::lt("big", i64::MAX), false),
        (Condition::eq("float", Value::try_from(1.5)?), true),
        (Condition::lt("float", 2), true),
        (Condition::gt("float", 1), true),
        (Condition::lt("n", Value::try_from(5.5)?), true),
    ])
}

fn of_text_and_bytes() -> Truths {
    let bytes = |it: &'static [u8]| Bytes::from_static(it);
    vec![
        (Condition::eq("text", "mango"), true),
        (Condition::eq("text", "Mango"), false),
        (Condition::lt("text", "melon"), true),
        (Condition::gt("text", "Melon"), true),
        (Condition::lt("text", "man"), false),
        (Condition::gt("text", "man"), true),
        (Condition::lt("text", "é"), true),
        (Condition::ge("text", "mango"), true),
        (Condition::gt("text", "mango"), false),
        (Condition::eq("empty", ""), true),
        (Condition::lt("empty", "a"), true),
        (Condition::eq("bytes", bytes(&[1, 2, 255])), true),
        (Condition::ne("bytes", bytes(&[1, 2])), true),
        (Condition::gt("bytes", bytes(&[1, 2])), true),
        (Condition::lt("bytes", bytes(&[1, 3])), true),
        (Condition::lt("bytes", bytes(&[1, 2, 254])), false),
    ]
}

fn of_other_kinds() -> Truths {
    let list = |values: Vec<Value>| Value::List(values);
    vec![
        (Condition::eq("n", "5"), false),
        (Condition::ne("n", "5"), true),
        (Condition::lt("n", "9"), false),
        (Condition::gt("n", "1"), false),
        (Condition::lt("n", "9").not(), true),
        (Condition::eq("text", Bytes::from_static(b"mango")), false),
        (Condition::eq("flag", true), true),
        (Condition::eq("flag", false), false),
        (Condition::eq("flag", 1), false),
        (Condition::gt("flag", 0), false),
        (Condition::eq("nil", Value::Null), true),
        (Condition::ne("nil", Value::Null), false),
        (Condition::eq("nil", false), false),
        (Condition::ne("nil", 0), true),
        (Condition::eq("list", list(vec![1.into(), "a".into()])), true),
        (Condition::eq("list", list(vec!["a".into(), 1.into()])), false),
        (Condition::ne("list", list(vec![])), true),
        (Condition::lt("list", 3), false),
        (Condition::eq("map", Value::Map(BTreeMap::new())), false),
        (Condition::ne("map", Value::Map(BTreeMap::new())), true),
    ]
}

fn of_what_is_absent() -> Truths {
    vec![
        (Condition::eq("none", 1), false),
        (Condition::ne("none", 1), true),
        (Condition::eq("none", Value::Null), false),
        (Condition::ne("none", Value::Null), true),
        (Condition::lt("none", 1), false),
        (Condition::le("none", 1), false),
        (Condition::gt("none", 1), false),
        (Condition::ge("none", 1), false),
        (Condition::eq("none", 1).not(), true),
        (Condition::ge("none", 1).not(), true),
        (Condition::ne("none", 1).not(), false),
        (Condition::starts_with("none", "a"), false),
        (Condition::contains("none", "a"), false),
        (Condition::contains("none", "a").not(), true),
    ]
}

fn of_has_and_lacks() -> Truths {
    vec![
        (Condition::has("n"), true),
        (Condition::has("nil"), true),
        (Condition::has("empty"), true),
        (Condition::has("none"), false),
        (Condition::lacks("n"), false),
        (Condition::lacks("nil"), false),
        (Condition::lacks("none"), true),
        (Condition::has("none").not(), true),
    ]
}

fn of_paths() -> Truths {
    vec![
        (Condition::eq(path(["map", "city"]), "Bonn"), true),
        (Condition::gt(path(["map", "deep", "n"]), 0), true),
        (Condition::eq(path(["map", "deep", "n"]), 2), false),
        (Condition::has(path(["map", "deep"])), true),
        (Condition::has(path(["map", "none"])), false),
        (Condition::lacks(path(["map", "none"])), true),
        (Condition::has(path(["none", "city"])), false),
        (Condition::ne(path(["none", "city"]), "Bonn"), true),
        (Condition::has(path(["text", "city"])), false),
        (Condition::lacks(path(["text", "city"])), true),
        (Condition::has(path(["list", "0"])), false),
        // A dot is a character like others.
        (Condition::eq("a.b", 7), true),
        (Condition::has(path(["a", "b"])), false),
        (Condition::has("map.city"), false),
    ]
}

fn of_prefixes_and_parts() -> Truths {
    vec![
        (Condition::starts_with("text", "man"), true),
        (Condition::starts_with("text", "mango"), true),
        (Condition::starts_with("text", "mangos"), false),
        (Condition::starts_with("text", "ang"), false),
        (Condition::contains("text", "ang"), true),
        (Condition::contains("text", "Ang"), false),
        (Condition::contains("list", 1), true),
        (Condition::contains("list", "a"), true),
        (Condition::contains("list", 2), false),
    ]
}

fn of_prefixes_of_bytes() -> Truths {
    vec![
        (Condition::starts_with("bytes", Bytes::from_static(&[1, 2])), true),
        (Condition::starts_with("bytes", Bytes::from_static(&[2])), false),
    ]
}

fn of_what_has_no_parts() -> Truths {
    vec![
        (Condition::starts_with("n", "5"), false),
        (Condition::starts_with("n", "5").not(), true),
        (Condition::contains("n", "5"), false),
        (Condition::contains("map", "city"), false),
    ]
}

fn of_combinations() -> Truths {
    let (yes, no) = (Condition::eq("n", 5), Condition::eq("n", 6));
    vec![
        (yes.clone().and(yes.clone()), true),
        (yes.clone().and(no.clone()), false),
        (no.clone().or(yes.clone()), true),
        (no.clone().or(no.clone()), false),
        (no.clone().not(), true),
        (yes.clone().not(), false),
        (yes.clone().and(no.clone()).not(), true),
        (no.clone().or(yes.clone()).and(no.clone().not()), true),
        (no.clone().and(yes.clone()).or(yes.clone()), true),
        (no.clone().and(no.clone().or(yes.clone())), false),
        (Condition::Any(vec![no.clone(), Condition::All(vec![yes.clone(), no.not()])]), true),
        (Condition::All(vec![yes]), true),
    ]
}

/// What holds of the [`subject`], as a condition and as a filter.
pub(super) fn truths() -> Result<Truths> {
    Ok([
        of_numbers()?,
        of_text_and_bytes(),
        of_what_is_absent(),
        of_has_and_lacks(),
        of_paths(),
        of_prefixes_and_parts(),
        of_combinations(),
    ]
    .concat())
}

/// The rest, where kinds meet that have nothing to do with each other: emulators often get it wrong.
pub(super) fn odd_truths() -> Truths {
    [of_other_kinds(), of_prefixes_of_bytes(), of_what_has_no_parts()].concat()
}

/// Whether the condition lets a write through.
async fn holds(store: &Store<'_>, key: &Key, condition: Condition) -> Result<bool> {
    match store.kv.put(store.put(key, subject()?).only_if(condition)).await {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::Conflict => Ok(false),
        Err(e) => Err(e),
    }
}

async fn hold(kv: &Arc<dyn Kv>, scope: &Scope, truths: Truths) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    store.save(&key, subject()?).await?;
    for (condition, wanted) in truths {
        let shown = format!("{condition:?}");
        assert_eq!(holds(&store, &key, condition).await?, wanted, "{shown}");
    }
    Ok(())
}

pub(super) async fn numbers_compare_as_numbers(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    hold(kv, scope, of_numbers()?).await
}

pub(super) async fn text_and_bytes_compare_by_their_bytes(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    hold(kv, scope, of_text_and_bytes()).await
}

pub(super) async fn values_of_other_kinds_are_neither_equal_nor_in_order(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    hold(kv, scope, of_other_kinds()).await
}

pub(super) async fn what_is_absent_is_different_from_every_value(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    hold(kv, scope, of_what_is_absent()).await
}

pub(super) async fn has_and_lacks_see_null_as_something(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    hold(kv, scope, of_has_and_lacks()).await
}

pub(super) async fn paths_lead_into_maps_only(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    hold(kv, scope, of_paths()).await
}

pub(super) async fn prefixes_and_parts_are_found(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    hold(kv, scope, of_prefixes_and_parts()).await
}

pub(super) async fn a_prefix_of_bytes_is_found(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    hold(kv, scope, of_prefixes_of_bytes()).await
}

pub(super) async fn what_is_neither_text_nor_list_has_no_parts(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    hold(kv, scope, of_what_has_no_parts()).await
}

pub(super) async fn conditions_combine(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    hold(kv, scope, of_combinations()).await
}

pub(super) async fn conditions_hold_of_no_record_as_of_an_empty_one(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("nothing");
    let truths = [
        (Condition::Absent, true),
        (Condition::Present, false),
        (Condition::Present.not(), true),
        (Condition::lacks("n"), true),
        (Condition::has("n"), false),
        (Condition::ne("n", 1), true),
        (Condition::eq("n", 1), false),
        (Condition::eq("n", 1).not(), true),
        (Condition::Absent.or(Condition::eq("n", 1)), true),
        (Condition::Absent.and(Condition::eq("n", 1)), false),
    ];
    for (condition, wanted) in truths {
        let shown = format!("{condition:?}");
        // A delete leaves nothing behind where it holds.
        let result = kv.delete(store.delete(&key).only_if(condition)).await;
        if wanted {
            assert!(result.is_ok(), "{shown}: {result:?}");
        } else {
            fails(result, ErrorKind::Conflict);
        }
    }
    Ok(())
}

pub(super) async fn times_are_resolved_by_the_provider(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    const MINUTE: Duration = Duration::from_mins(1);
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let made = store.update(&key).change(Change::SetTime("at".into(), When::Now));
    let late = made.change(Change::SetTime("late".into(), When::In(MINUTE)));
    let found = kv.update(late).await?.item;
    let (at, late) = (found.get("at"), found.get("late"));
    let apart = late.and_then(Value::as_int).zip(at.and_then(Value::as_int)).map(|(b, a)| b - a);
    assert_eq!(apart, Some(60_000), "{found:?}");
    let truths = [
        (Condition::le("at", When::Now), true),
        (Condition::gt("at", When::Ago(MINUTE)), true),
        (Condition::lt("at", When::In(MINUTE)), true),
        (Condition::ge("at", When::In(MINUTE)), false),
        (Condition::lt("late", When::Now), false),
        (Condition::le("late", When::In(MINUTE)), true),
        (Condition::gt("late", When::In(2 * MINUTE)), false),
    ];
    for (condition, wanted) in truths {
        let shown = format!("{condition:?}");
        let result = kv.update(store.update(&key).increment("n", 1).only_if(condition)).await;
        assert_eq!(result.is_ok(), wanted, "{shown}: {result:?}");
    }
    Ok(())
}

pub(super) async fn absent_holds_only_where_nothing_is(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let create = |n| store.put(&key, one(n)).only_if(Condition::Absent);
    let version = kv.put(create(1)).await?;
    let error = fails(kv.put(create(2)).await, ErrorKind::Conflict);
    assert!(!error.may_have_applied(), "{error:?}");
    let found = store.get(&key).await?.expect("the record just put");
    assert_eq!((found.item, found.version), (one(1), version));
    kv.delete(store.delete(&key)).await?;
    kv.put(create(3)).await?;
    Ok(())
}

pub(super) async fn present_holds_only_where_a_record_is(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let replace = |n| store.put(&key, one(n)).only_if(Condition::Present);
    fails(kv.put(replace(1)).await, ErrorKind::Conflict);
    assert_eq!(store.get(&key).await?, None);
    store.save(&key, one(2)).await?;
    kv.put(replace(3)).await?;
    assert_eq!(store.item(&key).await?, Some(one(3)));
    Ok(())
}

pub(super) async fn a_stale_version_conflicts_and_changes_nothing(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let first = store.save(&key, one(1)).await?;
    let only_if = |version| Condition::Version(version);
    let second = kv.put(store.put(&key, one(2)).only_if(only_if(first.clone()))).await?;
    fails(
        kv.put(store.put(&key, one(3)).only_if(only_if(first.clone()))).await,
        ErrorKind::Conflict,
    );
    let found = store.get(&key).await?.expect("still there");
    assert_eq!((found.item, found.version), (one(2), second.clone()));
    // An update makes a version stale too.
    let third = kv.update(store.update(&key).set("n", 4).only_if(only_if(second.clone()))).await?;
    fails(kv.delete(store.delete(&key).only_if(only_if(second))).await, ErrorKind::Conflict);
    kv.delete(store.delete(&key).only_if(only_if(third.version))).await?;
    assert_eq!(store.get(&key).await?, None);
    Ok(())
}

pub(super) async fn a_version_ends_with_its_record(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let before = store.save(&key, one(1)).await?;
    kv.delete(store.delete(&key)).await?;
    let late = || store.put(&key, one(2)).only_if(Condition::Version(before.clone()));
    fails(kv.put(late()).await, ErrorKind::Conflict);
    // The same item put again is not the record of before.
    store.save(&key, one(1)).await?;
    fails(kv.put(late()).await, ErrorKind::Conflict);
    assert_eq!(store.item(&key).await?, Some(one(1)));
    Ok(())
}

pub(super) async fn a_conditional_delete_that_does_not_hold_changes_nothing(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let version = store.save(&key, one(1)).await?;
    fails(kv.delete(store.delete(&key).only_if(Condition::eq("n", 2))).await, ErrorKind::Conflict);
    assert_eq!(store.get(&key).await?.map(|it| it.version), Some(version));
    kv.delete(store.delete(&key).only_if(Condition::eq("n", 1))).await?;
    assert_eq!(store.get(&key).await?, None);
    Ok(())
}
