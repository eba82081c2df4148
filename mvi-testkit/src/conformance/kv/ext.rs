//! What callers do most: waits, prefixes, counts, typed tables.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use futures::TryStreamExt as _;
use mvi_core::{
    ErrorKind, Kv, KvExt as _, Result,
    kv::{
        Attr, CreateTable, Get, Item, Scan, TableState, Typed, Update, Value, Versioned, WriteMany,
    },
};
use serde::{Deserialize, Serialize};

use super::{Scope, Shape, fails, one, race};

pub(super) async fn a_wait_ends_when_the_table_is_active(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let name = scope.name("table")?;
    kv.create_table(Shape::Text.request(name.clone())?).await?;
    let table = kv.wait_active(&name, Scope::CHANGE).await?;
    assert_eq!((table.name, table.state), (name, TableState::Active));
    Ok(())
}

pub(super) async fn a_fetch_of_nothing_is_not_found(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let fetch = || Get::new(store.name.clone(), key.clone()).strong();
    let error = fails(kv.fetch(fetch()).await, ErrorKind::NotFound);
    assert_eq!(error.resource(), store.name.as_str());
    store.save(&key, one(1)).await?;
    assert_eq!(kv.fetch(fetch()).await?.item, one(1));
    Ok(())
}

pub(super) async fn delete_prefix_removes_what_starts_with_it(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByText.shared(kv, scope).await?;
    // More than it removes at a time, and than a batch takes.
    let many = (0..120).map(|n| store.put(&store.at("p", format!("2025-{n}")), one(n)));
    for result in kv.write_many(WriteMany::new(many)).await? {
        result?;
    }
    for (partition, sort) in [("p", "2024-1"), ("p", "202"), ("p", "2026-1"), ("q", "2025-1")] {
        store.save(&store.at(partition, sort), one(1)).await?;
    }
    let partition = scope.text("p");
    let removed = kv.delete_prefix(&store.name, &*partition, "2025-").await?;
    assert_eq!(removed, 120);
    let left = store.sorts(store.query("p")).await?;
    assert_eq!(left, ["202", "2024-1", "2026-1"].map(Into::into));
    assert_eq!(kv.delete_prefix(&store.name, &*partition, "2025-").await?, 0);
    assert_eq!(kv.delete_prefix(&store.name, &*partition, "").await?, 3);
    assert_eq!(store.records(store.query("p")).await?, []);
    assert_eq!(store.records(store.query("q")).await?.len(), 1);
    Ok(())
}

pub(super) async fn counts_add_up(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    for n in 0..10 {
        let item = match n % 4 {
            0 => Item::new().with("owner", "ann"),
            1 => Item::new().with("owner", "bob"),
            2 => Item::new().with("owner", Value::Null),
            _ => Item::new(),
        };
        store.save(&store.at("p", n), item).await?;
    }
    let query = store.query("p").page(NonZeroU32::MIN);
    let counts = kv.count_by(kv.query(query), "owner").await?;
    let wanted = BTreeMap::from([("ann".into(), 3), ("bob".into(), 3), (Value::Null, 4)]);
    assert_eq!(counts, wanted);
    Ok(())
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Link {
    code: String,
    day: i64,
    url: String,
    hits: u64,
    weight: f64,
    tags: Vec<String>,
    note: Option<String>,
}

async fn links(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<Typed<Link>> {
    let name = scope.name("links")?;
    let request = CreateTable::new(name.clone(), Attr::text("code")).sort(Attr::int("day"));
    kv.create_table(request).await?;
    let table = kv.wait_active(&name, Scope::CHANGE).await?;
    Ok(Typed::new(Arc::clone(kv), &table).strong())
}

fn link(code: &str, day: i64) -> Link {
    Link {
        code: code.to_owned(),
        day,
        url: "https://example.com/\u{e9}".to_owned(),
        hits: 0,
        weight: 0.5,
        tags: vec!["a".to_owned(), String::new()],
        note: None,
    }
}

pub(super) async fn a_typed_table_gives_what_was_written(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let links = links(kv, scope).await?;
    let all = [link("a", -1), link("a", 2), link("b", 1)];
    for it in &all {
        links.put(it).await?;
    }
    let key = |it: &Link| mvi_core::kv::Key::sorted(&*it.code, it.day);
    for it in &all {
        assert_eq!(links.fetch(key(it)).await?.into_inner(), *it);
    }
    assert!(links.get(mvi_core::kv::Key::sorted("a", 3)).await?.is_none());
    fails(links.insert(&all[0]).await, ErrorKind::Conflict);
    let query = mvi_core::kv::Query::new(links.table().clone(), "a").strong();
    let found: Vec<_> = links.query(query).map_ok(Versioned::into_inner).try_collect().await?;
    assert_eq!(found, all[..2]);
    let scan = links.scan(Scan::new(links.table().clone()).strong());
    assert_eq!(scan.try_fold(0, async |sum, _| Ok(sum + 1)).await?, 3);
    let hit = Update::new(links.table().clone(), key(&all[1])).increment("hits", 2);
    assert_eq!(links.update(hit).await?.hits, 2);
    links.delete(key(&all[2])).await?;
    assert!(links.get(key(&all[2])).await?.is_none());
    Ok(())
}

pub(super) async fn a_typed_value_is_replaced_only_as_it_was_read(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    const WRITERS: u64 = 4;
    let links = links(kv, scope).await?;
    links.insert(&link("a", 1)).await?;
    let key = || mvi_core::kv::Key::sorted("a", 1);
    let (mut mine, mut theirs) = (links.fetch(key()).await?, links.fetch(key()).await?);
    theirs.url = "theirs".into();
    links.replace(&theirs).await?;
    mine.url = "mine".into();
    fails(links.replace(&mine).await, ErrorKind::Conflict);
    let results = race(4, |_| {
        let links = links.clone();
        async move { links.modify(key(), |it| it.hits += 1).await.map(drop) }
    });
    for result in results.await {
        result?;
    }
    let found = links.fetch(key()).await?;
    assert_eq!((found.hits, &*found.url), (WRITERS, "theirs"));
    Ok(())
}
