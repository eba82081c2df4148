//! One record: put, get, delete.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use futures::TryStreamExt as _;
use mvi_core::{
    ErrorKind, Kv, Result,
    kv::{Condition, Get, GetMany, Item, Key, Number, Put, Query, Record, Scan, Value, Version},
};

use super::{Scope, Shape, eventually, fails, one};

pub(super) async fn a_get_of_nothing_is_none(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    assert_eq!(store.get(&store.key("nothing")).await?, None);
    Ok(())
}

pub(super) async fn a_put_is_read_back(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    let key = store.at("a", -7);
    let version = store.save(&key, one(1)).await?;
    let found = store.get(&key).await?.expect("the record just put");
    assert_eq!((&found.key, &found.item), (&key, &one(1)));
    assert_eq!((found.version, found.expires), (version, None));
    Ok(())
}

pub(super) async fn a_put_replaces_the_whole_item(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    store.save(&key, one(1).with("old", true)).await?;
    store.save(&key, Item::new().with("new", 2)).await?;
    assert_eq!(store.item(&key).await?, Some(Item::new().with("new", 2)));
    Ok(())
}

pub(super) async fn every_kind_of_value_is_read_back(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let inner = BTreeMap::from([
        ("empty".to_owned(), Value::Map(BTreeMap::new())),
        ("list".to_owned(), Value::List(vec![Value::Null, "in a map".into()])),
    ]);
    let item = Item::new()
        .with("null", Value::Null)
        .with("true", true)
        .with("false", false)
        .with("int", -42)
        .with("float", Value::try_from(0.1)?)
        .with("text", "a\u{0}b \u{e9} \u{65}\u{301} \u{10ffff} 日本 🦀")
        .with("empty text", "")
        .with("bytes", Bytes::from_static(&[0, 1, 127, 128, 255]))
        .with("empty bytes", Bytes::new())
        .with("list", vec![1.into(), "two".into(), Value::Map(inner.clone()), Value::Null])
        .with("empty list", vec![])
        .with("map", inner);
    store.save(&store.key("a"), item.clone()).await?;
    assert_eq!(store.item(&store.key("a")).await?, Some(item));
    Ok(())
}

pub(super) async fn numbers_keep_their_value(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let floats = [
        0.1,
        -0.1,
        1.0 / 3.0,
        f64::from(f32::MAX),
        9.007_199_254_740_993e15,
        1.5e-100,
        -2.5e100,
        Number::MIN_FLOAT,
        Number::MAX_FLOAT,
        -Number::MAX_FLOAT,
        1.8e19,
    ];
    let floats = floats.into_iter().map(Value::try_from).collect::<Result<Vec<_>>>()?;
    let ints = [i64::MAX, i64::MIN, i64::MAX - 1, (1 << 53) + 1, -1, 0, 1, 10, 1_000_000];
    let numbers: Vec<Value> = ints.into_iter().map(Value::from).chain(floats).collect();
    let item = Item::new().with("numbers", numbers);
    store.save(&store.key("a"), item.clone()).await?;
    assert_eq!(store.item(&store.key("a")).await?, Some(item));
    Ok(())
}

pub(super) async fn equal_numbers_are_equal_however_they_were_written(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    store
        .save(
            &key,
            Item::new().with("two", Value::try_from(2.0)?).with("zero", Value::try_from(-0.0)?),
        )
        .await?;
    let found = store.item(&key).await?.expect("the item just put");
    assert_eq!(found.get("two").and_then(Value::as_int), Some(2));
    assert_eq!(found.get("zero").and_then(Value::as_int), Some(0));
    let equal = Condition::eq("two", 2).and(Condition::eq("zero", 0));
    kv.put(store.put(&key, one(1)).only_if(equal)).await?;
    Ok(())
}

pub(super) async fn an_item_without_attributes_is_a_record(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    store.save(&store.key("a"), Item::new()).await?;
    assert_eq!(store.item(&store.key("a")).await?, Some(Item::new()));
    fails(
        kv.put(store.put(&store.key("a"), one(1)).only_if(Condition::Absent)).await,
        ErrorKind::Conflict,
    );
    Ok(())
}

pub(super) async fn attribute_names_may_hold_any_character(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let names = [
        "a.b", "a b", "`a`", "a\\b", "a/b", "#a", ":a", "$a", "a[0]", "*", "~", "é", "日本", "🦀",
        "0", "name", "size", "key", "value", "__a", "_", "item", "\"", "'", "a\u{0}b", "SET", "i",
        "_k",
    ];
    let item: Item = names.iter().zip(0_i64..).map(|(name, n)| (*name, n)).collect();
    store.save(&key, item.clone()).await?;
    assert_eq!(store.item(&key).await?.as_ref(), Some(&item));
    // Conditions and changes name them too.
    for (name, n) in names.iter().zip(0_i64..) {
        let update = store.update(&key).increment(*name, 100).only_if(Condition::eq(*name, n));
        let found = kv.update(update).await?.item;
        assert_eq!(found.get(name), Some(&Value::from(n + 100)), "{name:?}");
    }
    let item: Item = names.iter().zip(100_i64..).map(|(name, n)| (*name, n)).collect();
    assert_eq!(store.item(&key).await?, Some(item));
    Ok(())
}

pub(super) async fn keys_of_every_kind_hold_records(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Int.shared(kv, scope).await?;
    let ints = [scope.int(1), scope.int(2), -scope.int(1), scope.int(10)];
    for (key, n) in ints.map(Key::new).iter().zip(0..) {
        store.save(key, one(n)).await?;
    }
    for (key, n) in ints.map(Key::new).iter().zip(0..) {
        let found = store.get(key).await?.expect("the record just put");
        assert_eq!((&found.key, found.item), (key, one(n)));
    }
    let store = Shape::Bytes.shared(kv, scope).await?;
    let bytes = |end: &[u8]| {
        let all: Vec<u8> = scope.text("").bytes().chain(end.iter().copied()).collect();
        Key::new(Bytes::from(all))
    };
    let keys = [bytes(&[]), bytes(&[0]), bytes(&[0, 0]), bytes(&[255]), bytes(b"a"), bytes(b"/")];
    for (key, n) in keys.iter().zip(0..) {
        store.save(key, one(n)).await?;
    }
    for (key, n) in keys.iter().zip(0..) {
        let found = store.get(key).await?.expect("the record just put");
        assert_eq!((&found.key, found.item), (key, one(n)));
    }
    Ok(())
}

pub(super) async fn odd_keys_are_kept_apart(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByText.shared(kv, scope).await?;
    let odd = [
        ".",
        "..",
        "/",
        "//",
        "%",
        "%2F",
        "%2f",
        " ",
        "a",
        "A",
        "a.",
        "a/",
        "a.0",
        "a.1",
        "a.-b",
        "a.-",
        "__a__",
        "\u{0}",
        "\u{10ffff}",
        "é",
        "e\u{301}",
        "🦀",
        "~",
        "#",
        "?",
        "\\",
        "a\nb",
        "0",
        "00",
        "-",
        "\u{fffd}",
    ];
    let pairs = odd.iter().flat_map(|it| [("p".to_owned(), *it), (format!("p{it}"), "a")]);
    let keys: BTreeSet<_> = pairs.map(|(partition, sort)| store.at(&partition, sort)).collect();
    for (key, n) in keys.iter().zip(0..) {
        store.save(key, one(n)).await?;
    }
    for (key, n) in keys.iter().zip(0..) {
        let found = store.get(key).await?.expect("the record just put");
        assert_eq!((&found.key, found.item), (key, one(n)));
    }
    Ok(())
}

pub(super) async fn each_write_has_a_version_of_its_own(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let mut versions = Vec::new();
    // The same item again is another write.
    for _ in 0..3 {
        versions.push(store.save(&key, one(1)).await?);
        assert_eq!(store.get(&key).await?.map(|it| it.version).as_ref(), versions.last());
    }
    for _ in 0..2 {
        versions.push(kv.update(store.update(&key).set("n", 1)).await?.version);
        assert_eq!(store.get(&key).await?.map(|it| it.version).as_ref(), versions.last());
    }
    kv.delete(store.delete(&key)).await?;
    versions.push(store.save(&key, one(1)).await?);
    let all: BTreeSet<_> = versions.iter().map(Version::as_str).collect();
    assert_eq!(all.len(), versions.len(), "{versions:?}");
    Ok(())
}

pub(super) async fn a_strong_read_sees_the_write_before_it(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    for n in 0..20 {
        store.save(&key, one(n)).await?;
        assert_eq!(store.item(&key).await?, Some(one(n)));
    }
    kv.delete(store.delete(&key)).await?;
    assert_eq!(store.item(&key).await?, None);
    Ok(())
}

pub(super) async fn other_reads_see_it_in_time(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    let key = store.at("p", 1);
    let (name, partition) = (store.name.clone(), key.partition.clone());
    store.save(&key, one(1)).await?;
    for wanted in [one(1), one(2)] {
        let version = store.save(&key, wanted.clone()).await?;
        let is_it = |it: &Record| it.version == version && it.item == wanted;
        eventually("get that sees the write", Scope::PATIENCE, || async {
            let found = kv.get(Get::new(name.clone(), key.clone())).await?;
            Ok(found.is_some_and(|it| is_it(&it)).then_some(()))
        })
        .await?;
        eventually("get_many that sees the write", Scope::PATIENCE, || async {
            let found = kv.get_many(GetMany::new(name.clone(), [key.clone()])).await?;
            let found = found.into_iter().collect::<Result<Vec<_>>>()?;
            Ok(found.iter().flatten().any(is_it).then_some(()))
        })
        .await?;
        eventually("query that sees the write", Scope::PATIENCE, || async {
            let found = store.records(Query::new(name.clone(), partition.clone())).await?;
            Ok(found.iter().any(is_it).then_some(()))
        })
        .await?;
        eventually("scan that sees the write", Scope::PATIENCE, || async {
            let found: Vec<_> = kv.scan(Scan::new(name.clone())).try_collect().await?;
            Ok(found.iter().any(is_it).then_some(()))
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn a_delete_removes_the_record(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    store.save(&store.at("a", 1), one(1)).await?;
    store.save(&store.at("a", 2), one(2)).await?;
    kv.delete(store.delete(&store.at("a", 1))).await?;
    assert_eq!(store.get(&store.at("a", 1)).await?, None);
    assert_eq!(store.item(&store.at("a", 2)).await?, Some(one(2)));
    Ok(())
}

pub(super) async fn a_delete_of_nothing_succeeds(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    kv.delete(store.delete(&store.key("nothing"))).await?;
    // As it does where it was asked to hold.
    let absent = store.delete(&store.key("nothing")).only_if(Condition::Absent);
    kv.delete(absent).await
}

pub(super) async fn errors_name_the_operation_and_the_table(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let none = scope.name("none")?;
    let invalid = store.put(&key, Item::new().with("__x__", 1));
    let refused = store.put(&key, one(1)).only_if(Condition::Present);
    let errors = [
        (fails(kv.get(Get::new(none.clone(), "a")).await, ErrorKind::NotFound), "kv.get", &none),
        (
            fails(kv.put(Put::new(none.clone(), "a", one(1))).await, ErrorKind::NotFound),
            "kv.put",
            &none,
        ),
        (fails(kv.put(invalid).await, ErrorKind::Invalid), "kv.put", &store.name),
        (fails(kv.put(refused).await, ErrorKind::Conflict), "kv.put", &store.name),
        (
            fails(
                kv.update(store.update(&key).set("n", 1).only_if(Condition::Present)).await,
                ErrorKind::Conflict,
            ),
            "kv.update",
            &store.name,
        ),
        (
            fails(
                kv.delete(store.delete(&key).only_if(Condition::Present)).await,
                ErrorKind::Conflict,
            ),
            "kv.delete",
            &store.name,
        ),
    ];
    for (error, op, resource) in errors {
        assert_eq!((error.op(), error.resource()), (op, resource.as_str()));
        assert!(!error.may_have_applied(), "{error:?}");
        assert!(!error.message().is_empty(), "{error:?}");
    }
    Ok(())
}
