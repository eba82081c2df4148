//! Indexes.

use std::{num::NonZeroU32, sync::Arc};

use mvi_core::{
    ErrorKind, Kv, Name, Result,
    kv::{Condition, Cursor, Item, Query, Record, Value},
};

use super::{Scope, Shape, Store, eventually, fails, query::pages, store::keys, stream_fails};

/// An item in the index `by-owner`.
fn owned(store: &Store<'_>, owner: &str, created: i64) -> Item {
    Item::new().with("owner", store.scope.text(owner)).with("created", created)
}

/// What the index gives, once it has `count` records.
async fn settled(store: &Store<'_>, query: &Query, count: usize) -> Result<Vec<Record>> {
    eventually(&format!("index with {count} records"), Scope::PATIENCE, || async {
        let found = store.records(query.clone()).await?;
        Ok((found.len() == count).then_some(found))
    })
    .await
}

fn created(records: Vec<Record>) -> Vec<i64> {
    let created = records.into_iter().map(|it| it.item.get("created").and_then(Value::as_int));
    created.map(|it| it.expect("the index wants it")).collect()
}

pub(super) async fn an_index_has_only_records_with_its_attributes(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Indexed.shared(kv, scope).await?;
    let all = ["both", "owner", "created", "tag", "none", "other"].map(|it| store.key(it));
    let [both, owner, of_time, tag, none, other] = all;
    store.save(&both, owned(&store, "ann", 1).with("kept", "text")).await?;
    store.save(&owner, Item::new().with("owner", scope.text("ann"))).await?;
    store.save(&of_time, Item::new().with("created", 1)).await?;
    store.save(&tag, Item::new().with("tag", scope.text("ann"))).await?;
    store.save(&none, Item::new()).await?;
    store.save(&other, owned(&store, "bob", 1)).await?;
    // It gives the whole record.
    let wanted = store.get(&both).await?.into_iter().collect::<Vec<_>>();
    assert_eq!(wanted.len(), 1);
    store.gives(&store.index("by-owner", "ann")?, |it| it, wanted).await?;
    store.gives(&store.index("by-tag", "ann")?, keys, vec![tag]).await
}

pub(super) async fn an_index_is_ordered_by_its_sort_attribute(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Indexed.shared(kv, scope).await?;
    let sorted = [i64::MIN, -100, -11, -1, 0, 1, 2, 10, 100, i64::MAX];
    for (n, at) in sorted.into_iter().enumerate() {
        // The keys are in another order.
        let key = store.key(&format!("{}", (n * 7) % 10));
        store.save(&key, owned(&store, "ann", at)).await?;
    }
    let query = store.index("by-owner", "ann")?;
    let reversed = sorted.into_iter().rev().collect::<Vec<_>>();
    store.gives(&query, created, sorted.to_vec()).await?;
    store.gives(&query.clone().descending(), created, reversed.clone()).await?;
    store.gives(&query.clone().limit(3), created, sorted[..3].to_vec()).await?;
    for page in pages() {
        let paged = query.clone().page(page);
        store.gives(&paged, created, sorted.to_vec()).await?;
        store.gives(&paged.descending(), created, reversed.clone()).await?;
    }
    Ok(())
}

pub(super) async fn equal_places_in_an_index_are_neither_lost_nor_repeated(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Indexed.shared(kv, scope).await?;
    let mut all = Vec::new();
    for n in 0..9 {
        let key = store.key(&n.to_string());
        let item = owned(&store, "ann", n / 4).with("tag", scope.text("tag"));
        store.save(&key, item).await?;
        all.push(key);
    }
    let sorted = |records| {
        let mut keys = keys(records);
        keys.sort();
        keys
    };
    let table = kv.table(&store.name).await?;
    let (owner, tag) = (store.index("by-owner", "ann")?, store.index("by-tag", "tag")?);
    for query in [owner.clone(), tag.clone(), owner.descending(), tag.descending()] {
        for page in pages() {
            store.gives(&query.clone().page(page), sorted, all.clone()).await?;
        }
        // And a cursor goes on between equals.
        let index = query.index.clone().expect("of an index");
        let found = settled(&store, &query, 9).await?;
        for (at, record) in found.iter().enumerate() {
            let cursor = Cursor::after_in(&table, &index, record)?;
            let rest = Query { page: NonZeroU32::new(3), ..query.clone().after(cursor) };
            store.gives(&rest, keys, keys(found[at + 1..].to_vec())).await?;
        }
    }
    Ok(())
}

pub(super) async fn a_cursor_resumes_an_index_after_every_record(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Indexed.shared(kv, scope).await?;
    for n in 0..6 {
        store.save(&store.key(&n.to_string()), owned(&store, "ann", -n)).await?;
    }
    let index = Name::new("by-owner")?;
    let table = kv.table(&store.name).await?;
    for query in [store.index("by-owner", "ann")?, store.index("by-owner", "ann")?.descending()] {
        let query = Query { page: NonZeroU32::new(2), ..query };
        let found = settled(&store, &query, 6).await?;
        for (at, record) in found.iter().enumerate() {
            let cursor = Cursor::after_in(&table, &index, record)?;
            let rest = found[at + 1..].to_vec();
            store.gives(&query.clone().after(cursor), |it| it, rest).await?;
        }
        // A cursor of the table is no place in the index.
        let of_table = query.after(Cursor::after(&found[0]));
        stream_fails(kv.query(of_table), ErrorKind::Invalid).await;
    }
    Ok(())
}

pub(super) async fn a_record_moves_in_an_index_with_its_attributes(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Indexed.shared(kv, scope).await?;
    let (a, b) = (store.key("a"), store.key("b"));
    let (ann, bob) = (store.index("by-owner", "ann")?, store.index("by-owner", "bob")?);
    store.save(&a, owned(&store, "ann", 1)).await?;
    store.save(&b, owned(&store, "ann", 2)).await?;
    store.gives(&ann, keys, vec![a.clone(), b.clone()]).await?;
    // By an update, to another partition and another place there.
    kv.update(store.update(&a).set("owner", scope.text("bob")).increment("created", 5)).await?;
    store.gives(&bob, keys, vec![a.clone()]).await?;
    store.gives(&ann, keys, vec![b.clone()]).await?;
    store.gives(&bob, created, vec![6]).await?;
    store.gives(&bob.clone().between(..6), keys, vec![]).await?;
    // By the loss of an attribute, a put, and a deletion.
    kv.update(store.update(&a).remove("created")).await?;
    store.gives(&bob, keys, vec![]).await?;
    store.save(&a, owned(&store, "bob", 7)).await?;
    store.gives(&bob, keys, vec![a.clone()]).await?;
    store.save(&a, Item::new().with("text", "no longer")).await?;
    store.gives(&bob, keys, vec![]).await?;
    kv.delete(store.delete(&b)).await?;
    store.gives(&ann, keys, vec![]).await
}

pub(super) async fn an_index_may_be_of_the_keys_attributes(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Indexed.shared(kv, scope).await?;
    for key in ["b", "d", "a", "c"] {
        store.save(&store.key(key), Item::new().with("group", scope.text("g"))).await?;
    }
    store.save(&store.key("e"), Item::new()).await?;
    let query = store.index("by-group", "g")?;
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|it| store.key(it));
    store.gives(&query, keys, vec![a.clone(), b.clone(), c.clone(), d.clone()]).await?;
    let from = query.clone().between(scope.text("b")..scope.text("d"));
    store.gives(&from, keys, vec![b.clone(), c.clone()]).await?;
    store.gives(&query.descending(), keys, vec![d, c, b, a]).await
}

pub(super) async fn a_range_and_a_filter_hold_in_an_index(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Indexed.shared(kv, scope).await?;
    for n in -4..4_i64 {
        let item = owned(&store, "ann", n).with("even", n % 2 == 0);
        store.save(&store.key(&n.to_string()), item).await?;
    }
    let query = store.index("by-owner", "ann")?;
    let even = Condition::eq("even", true);
    let cases = [
        (query.clone(), (-4..4).collect()),
        (query.clone().between(-2..=1), vec![-2, -1, 0, 1]),
        (query.clone().between(-2..1), vec![-2, -1, 0]),
        (query.clone().between(2..), vec![2, 3]),
        (query.clone().between(..-3).descending(), vec![-4]),
        (query.clone().filter(even.clone()), vec![-4, -2, 0, 2]),
        (query.clone().filter(even.clone()).limit(2).descending(), vec![2, 0]),
        (query.between(-3..3).filter(even).page(NonZeroU32::MIN), vec![-2, 0, 2]),
    ];
    for (query, wanted) in cases {
        store.gives(&query, created, wanted).await?;
    }
    Ok(())
}

pub(super) async fn a_strong_read_of_an_index_is_invalid(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Indexed.shared(kv, scope).await?;
    let strong = store.index("by-owner", "ann")?.strong();
    let error = stream_fails(kv.query(strong), ErrorKind::Invalid).await;
    assert_eq!((error.op(), error.resource()), ("kv.query", store.name.as_str()));
    Ok(())
}

pub(super) async fn an_attribute_of_another_kind_than_its_index_is_invalid(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Indexed.shared(kv, scope).await?;
    let key = store.key("a");
    let version = store.save(&key, owned(&store, "ann", 1)).await?;
    let wrong = [
        Item::new().with("owner", 1),
        Item::new().with("owner", ""),
        Item::new().with("created", "1"),
        Item::new().with("created", Value::try_from(1.5)?),
        Item::new().with("tag", vec![]),
        Item::new().with("tag", Value::Null),
        Item::new().with("tag", "t".repeat(700)),
    ];
    for item in wrong {
        fails(kv.put(store.put(&key, item)).await, ErrorKind::Invalid);
    }
    let updates = [
        store.update(&key).set("owner", 1),
        store.update(&key).set("created", "1"),
        store.update(&key).append("tag", vec![]),
        store.update(&key).increment("owner", 1),
    ];
    for update in updates {
        fails(kv.update(update).await, ErrorKind::Invalid);
    }
    assert_eq!(store.get(&key).await?.map(|it| it.version), Some(version));
    Ok(())
}
