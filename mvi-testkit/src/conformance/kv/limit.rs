//! Limits: what a provider would refuse is refused before it is sent, and what is within them is taken.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use mvi_core::{
    ErrorKind, Kv, Result,
    kv::{
        Condition, Get, GetMany, Item, Key, MAX_CHANGES, MAX_DEPTH, MAX_ITEM_BYTES, MAX_KEY_BYTES,
        MAX_LEAVES, MAX_TERMS, MAX_TRANSACT_BYTES, Query, Scan, Transact, Update, Value,
        item_bytes,
    },
};

use super::{Scope, Shape, Store, fails, one, stream_fails};

/// Wants `item` to be refused at `key` in every way of writing it, and nothing to be there.
async fn refuses(store: &Store<'_>, key: &Key, item: &Item) -> Result<()> {
    fails(store.kv.put(store.put(key, item.clone())).await, ErrorKind::Invalid);
    let transact = Transact::new().step(store.put(key, item.clone()));
    fails(store.kv.transact(transact).await, ErrorKind::Invalid);
    assert_eq!(store.get(key).await?, None);
    Ok(())
}

pub(super) async fn a_key_is_at_most_700_bytes(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let fill = |bytes: usize, with: &str| {
        let own = scope.text("");
        let room = bytes - own.len();
        let mut text = own + &with.repeat(room / with.len());
        text += &"a".repeat(bytes - text.len());
        text
    };
    // Also of characters that an encoding makes longer.
    for with in ["k", "/", ".", "é", "🦀", "\u{0}"] {
        let key = Key::new(fill(MAX_KEY_BYTES, with));
        store.save(&key, one(1)).await?;
        assert_eq!(store.item(&key).await?, Some(one(1)), "{with:?}");
        let long = Key::new(fill(MAX_KEY_BYTES + 1, with));
        fails(kv.put(store.put(&long, one(1))).await, ErrorKind::Invalid);
        fails(store.get(&long).await, ErrorKind::Invalid);
    }
    let store = Shape::ByText.shared(kv, scope).await?;
    let partition = scope.text("p");
    let room = MAX_KEY_BYTES - partition.len();
    for with in ["s", "/"] {
        let key = Key::sorted(&*partition, with.repeat(room));
        store.save(&key, one(1)).await?;
        assert_eq!(store.item(&key).await?, Some(one(1)));
        let long = Key::sorted(&*partition, with.repeat(room + 1));
        fails(kv.put(store.put(&long, one(1))).await, ErrorKind::Invalid);
    }
    assert_eq!(store.records(store.query("p")).await?.len(), 2);
    Ok(())
}

pub(super) async fn an_item_is_at_most_400_000_bytes(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let of = |bytes: usize| Item::new().with("blob", Bytes::from(vec![7; bytes]));
    let names = "id".len();
    let room = MAX_ITEM_BYTES - names - item_bytes(&key, &of(0));
    refuses(&store, &key, &of(room + 1)).await?;
    let update = store.update(&key).set("blob", Bytes::from(vec![7; MAX_ITEM_BYTES + 1]));
    fails(kv.update(update).await, ErrorKind::Invalid);
    assert_eq!(store.get(&key).await?, None);
    store.save(&key, of(room)).await?;
    let found = store.item(&key).await?.expect("the record just put");
    assert!(found == of(room), "it comes back changed");
    kv.delete(store.delete(&key)).await
}

pub(super) async fn an_item_is_at_most_16_deep(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let nest = |value: Value, list: bool| {
        let map = Value::Map(BTreeMap::from([("m".to_owned(), value)]));
        if list { Value::List(vec![map]) } else { map }
    };
    // The item is the first of them: this many maps may be inside of it.
    let maps = |count: usize| {
        let value = (0..count).fold(Value::from(1), |value, _| nest(value, false));
        Item::new().with("m", value)
    };
    store.save(&store.key("maps"), maps(MAX_DEPTH - 1)).await?;
    assert_eq!(store.item(&store.key("maps")).await?, Some(maps(MAX_DEPTH - 1)));
    refuses(&store, &store.key("a"), &maps(MAX_DEPTH)).await?;
    let both = |count: usize| {
        let value = (0..count).fold(Value::from(1), |value, _| nest(value, true));
        Item::new().with("m", value)
    };
    store.save(&store.key("both"), both(MAX_DEPTH / 2 - 1)).await?;
    assert_eq!(store.item(&store.key("both")).await?, Some(both(MAX_DEPTH / 2 - 1)));
    refuses(&store, &store.key("a"), &both(MAX_DEPTH / 2)).await
}

pub(super) async fn an_item_has_at_most_5_000_values(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let of = |count: usize| {
        let (list, map) = (count / 2, count - count / 2);
        let map: BTreeMap<String, Value> =
            (0..map).map(|it| (it.to_string(), true.into())).collect();
        Item::new().with("list", vec![Value::from(1); list]).with("map", map)
    };
    refuses(&store, &store.key("a"), &of(MAX_LEAVES + 1)).await?;
    store.save(&store.key("a"), of(MAX_LEAVES)).await?;
    let found = store.item(&store.key("a")).await?.expect("the record just put");
    assert!(found == of(MAX_LEAVES), "it comes back changed");
    Ok(())
}

pub(super) async fn a_key_of_another_form_than_the_tables_is_invalid(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    let own = || scope.text("p");
    let keys = [
        Key::new(own()),
        Key::sorted(own(), "text"),
        Key::sorted(own(), Bytes::from_static(b"bytes")),
        Key::sorted(1, 1),
        Key::sorted("", 1),
        Key::sorted(Bytes::from_static(b"bytes"), 1),
    ];
    for key in keys {
        let name = || store.name.clone();
        fails(kv.get(Get::new(name(), key.clone())).await, ErrorKind::Invalid);
        fails(kv.put(store.put(&key, one(1))).await, ErrorKind::Invalid);
        fails(kv.update(store.update(&key).set("n", 1)).await, ErrorKind::Invalid);
        fails(kv.delete(store.delete(&key)).await, ErrorKind::Invalid);
        let many = kv.get_many(GetMany::new(name(), [key.clone()])).await;
        fails(many.and_then(|all| all.into_iter().collect::<Result<Vec<_>>>()), ErrorKind::Invalid);
        let check = Transact::new().step(store.check(&key, Condition::Absent));
        fails(kv.transact(check).await, ErrorKind::Invalid);
        stream_fails(kv.scan(Scan::new(name()).after(key)), ErrorKind::Invalid).await;
    }
    let flat = Shape::Text.shared(kv, scope).await?;
    for key in [flat.at("p", 1), Key::new(""), Key::new(1)] {
        fails(kv.put(flat.put(&key, one(1))).await, ErrorKind::Invalid);
    }
    let binary = Shape::Bytes.shared(kv, scope).await?;
    fails(kv.put(binary.put(&Key::new(Bytes::new()), one(1))).await, ErrorKind::Invalid);
    let query = Query::new(binary.name.clone(), "text");
    stream_fails(kv.query(query), ErrorKind::Invalid).await;
    Ok(())
}

pub(super) async fn names_that_a_provider_keeps_are_invalid(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    for name in ["", "__x__", "____", "__name__", "_v", "_x", &"n".repeat(256)] {
        refuses(&store, &key, &Item::new().with(name, 1)).await?;
        fails(kv.update(store.update(&key).set(name, 1)).await, ErrorKind::Invalid);
        fails(kv.update(store.update(&key).remove(name)).await, ErrorKind::Invalid);
    }
    // What is MVI's own at the top is anybody's further down; what is Google's is not.
    let nested = |name: &str| {
        let map = BTreeMap::from([(name.to_owned(), Value::from(1))]);
        Item::new().with("m", map)
    };
    refuses(&store, &key, &nested("__x__")).await?;
    store.save(&key, nested("_v").with("n".repeat(255), 1)).await?;
    let found = store.item(&key).await?;
    assert_eq!(found, Some(nested("_v").with("n".repeat(255), 1)));
    Ok(())
}

pub(super) async fn a_list_in_a_list_is_invalid(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let inner = || Value::List(vec![1.into()]);
    refuses(&store, &key, &Item::new().with("list", vec![1.into(), inner()])).await?;
    refuses(&store, &key, &Item::new().with("list", vec![Value::List(vec![])])).await?;
    fails(kv.update(store.update(&key).append("list", vec![inner()])).await, ErrorKind::Invalid);
    // A map between them is enough.
    let map = BTreeMap::from([("list".to_owned(), inner())]);
    let item = Item::new().with("list", vec![Value::Map(map)]);
    store.save(&key, item.clone()).await?;
    assert_eq!(store.item(&key).await?, Some(item));
    Ok(())
}

pub(super) async fn an_item_holds_no_attribute_of_its_key(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    let key = store.at("a", 1);
    refuses(&store, &key, &one(1).with("id", scope.text("a"))).await?;
    refuses(&store, &key, &one(1).with("at", 1)).await?;
    fails(kv.update(store.update(&key).set("at", 2)).await, ErrorKind::Invalid);
    fails(kv.update(store.update(&key).remove("id")).await, ErrorKind::Invalid);
    assert_eq!(store.get(&key).await?, None);
    Ok(())
}

pub(super) async fn a_condition_or_an_update_has_at_most_50_terms(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    // The list counts as one.
    let terms = |count: i64| {
        let terms = (0..count - 1).map(|n| Condition::ne(format!("a{n}"), n)).collect();
        Condition::All(terms)
    };
    let max = i64::try_from(MAX_TERMS).expect("small");
    let delete = |count| store.delete(&key).only_if(terms(count));
    kv.delete(delete(max)).await?;
    fails(kv.delete(delete(max + 1)).await, ErrorKind::Invalid);
    fails(kv.delete(store.delete(&key).only_if(Condition::All(vec![]))).await, ErrorKind::Invalid);
    let update = |count: usize| {
        let changes = (0..count).map(|n| format!("a{n}"));
        changes.fold(store.update(&key), |update: Update, name| update.increment(name, 1))
    };
    fails(kv.update(update(MAX_CHANGES + 1)).await, ErrorKind::Invalid);
    assert_eq!(store.get(&key).await?, None);
    assert_eq!(kv.update(update(MAX_CHANGES)).await?.item.attributes().len(), MAX_CHANGES);
    Ok(())
}

pub(super) async fn a_transaction_is_at_most_4_mb(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let item = Item::new().with("blob", Bytes::from(vec![7; MAX_TRANSACT_BYTES / 11]));
    let keys: Vec<_> = (0..11).map(|it| store.key(&it.to_string())).collect();
    let puts = keys.iter().map(|key| store.put(key, item.clone()));
    let transact = puts.fold(Transact::new(), Transact::step);
    fails(kv.transact(transact).await, ErrorKind::Invalid);
    assert_eq!(store.get(&keys[0]).await?, None);
    Ok(())
}

pub(super) async fn a_condition_is_on_what_the_item_holds(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    let key = store.at("a", 1);
    for condition in [
        Condition::eq("id", scope.text("a")),
        Condition::has("at"),
        Condition::lacks("n").or(Condition::gt("at", 0)),
        Condition::has("_v"),
        Condition::has("__name__"),
    ] {
        let put = store.put(&key, one(1)).only_if(condition.clone());
        fails(kv.put(put).await, ErrorKind::Invalid);
        let update = store.update(&key).set("n", 1).only_if(condition.clone());
        fails(kv.update(update).await, ErrorKind::Invalid);
        fails(kv.delete(store.delete(&key).only_if(condition.clone())).await, ErrorKind::Invalid);
        let check = Transact::new().step(store.check(&key, condition));
        fails(kv.transact(check).await, ErrorKind::Invalid);
    }
    assert_eq!(store.get(&key).await?, None);
    Ok(())
}

pub(super) async fn a_filter_is_of_attributes_only(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    let version = store.save(&store.at("a", 1), one(1)).await?;
    for filter in [
        Condition::Absent,
        Condition::Present,
        Condition::Version(version.clone()),
        Condition::eq("n", 1).and(Condition::Present),
        Condition::Version(version).not(),
    ] {
        let query = store.query("a").filter(filter.clone());
        stream_fails(kv.query(query), ErrorKind::Invalid).await;
        let scan = Scan::new(store.name.clone()).filter(filter);
        stream_fails(kv.scan(scan), ErrorKind::Invalid).await;
    }
    Ok(())
}
