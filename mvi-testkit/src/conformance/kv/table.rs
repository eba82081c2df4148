//! Tables.

use std::{collections::BTreeSet, sync::Arc};

use futures::TryStreamExt as _;
use mvi_core::{
    ErrorKind, Kv, Labels, Name, Result,
    kv::{
        Attr, CreateTable, Delete, Get, GetMany, Index, Put, Query, Scan, TableState, Transact,
        Ttl, Update, WriteMany,
    },
};

use super::{Scope, Shape, Store, eventually, fails, one, race, store::create, stream_fails};

pub(super) async fn a_table_is_as_it_was_asked_for(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let labels = Labels::new().with("team", "links")?;
    let request = Shape::Indexed.request(scope.name("table")?)?.labels(labels);
    create(kv, request.clone()).await?;
    let found = kv.table(&request.name).await?;
    assert_eq!(found.state, TableState::Active);
    let mut indexes = found.indexes;
    // Providers list indexes in an order of their own.
    indexes.sort_by_key(|it| request.indexes.iter().position(|asked| asked.name == it.name));
    assert_eq!((&found.name, &found.partition), (&request.name, &request.partition));
    assert_eq!((&found.sort, &indexes), (&request.sort, &request.indexes));
    assert_eq!((found.ttl, &found.labels), (request.ttl, &request.labels));
    Ok(())
}

pub(super) async fn a_create_repeats_safely(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByInt.own(kv, scope).await?;
    store.save(&store.at("a", 1), one(1)).await?;
    let again = kv.create_table(Shape::ByInt.request(store.name.clone())?).await?;
    assert_eq!((again.name, again.state), (store.name.clone(), TableState::Active));
    assert_eq!(store.item(&store.at("a", 1)).await?, Some(one(1)));
    // The order of indexes is no setting.
    let store = Shape::Indexed.own(kv, scope).await?;
    let mut turned = Shape::Indexed.request(store.name.clone())?;
    turned.indexes.reverse();
    assert_eq!(kv.create_table(turned).await?.name, store.name);
    Ok(())
}

pub(super) async fn a_name_with_other_settings_already_exists(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByInt.own(kv, scope).await?;
    let same = || Shape::ByInt.request(store.name.clone());
    let index = Index::new(Name::new("by-tag")?, Attr::text("tag"));
    let others = [
        CreateTable { partition: Attr::text("other"), ..same()? },
        CreateTable { partition: Attr::int("id"), ..same()? },
        CreateTable { sort: None, ..same()? },
        same()?.sort(Attr::text("at")),
        same()?.index(index),
        same()?.ttl(Ttl::On),
        same()?.labels(Labels::new().with("team", "links")?),
    ];
    for other in others {
        let asked = format!("{other:?}");
        let error = fails(kv.create_table(other).await, ErrorKind::AlreadyExists);
        assert_eq!(error.resource(), store.name.as_str(), "{asked}");
    }
    // And it is as it was.
    store.save(&store.at("a", 1), one(1)).await?;
    assert_eq!(kv.table(&store.name).await?.indexes, []);
    Ok(())
}

pub(super) async fn a_table_created_after_its_deletion_is_empty(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.own(kv, scope).await?;
    store.save(&store.key("a"), one(1)).await?;
    kv.delete_table(&store.name).await?;
    gone(&store).await?;
    // The name is free again, for other settings too.
    create(kv, Shape::ByText.request(store.name.clone())?).await?;
    let left: Vec<_> = kv.scan(Scan::new(store.name.clone()).strong()).try_collect().await?;
    assert_eq!(left, []);
    store.save(&store.at("a", "b"), one(2)).await?;
    assert_eq!(store.item(&store.at("a", "b")).await?, Some(one(2)));
    Ok(())
}

pub(super) async fn a_table_that_is_not_there_is_not_found(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let name = scope.name("none")?;
    let error = fails(kv.table(&name).await, ErrorKind::NotFound);
    assert_eq!((error.op(), error.resource()), ("kv.table", name.as_str()));
    Ok(())
}

pub(super) async fn a_delete_of_no_table_succeeds(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    kv.delete_table(&scope.name("none")?).await?;
    let store = Shape::Text.own(kv, scope).await?;
    kv.delete_table(&store.name).await?;
    kv.delete_table(&store.name).await?;
    gone(&store).await
}

async fn gone(store: &Store<'_>) -> Result<()> {
    eventually("end of the table", Scope::CHANGE, || async {
        match store.kv.table(&store.name).await {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Some(())),
            Err(e) => Err(e),
            Ok(table) => {
                assert_eq!(table.state, TableState::Deleting);
                Ok(None)
            }
        }
    })
    .await
}

pub(super) async fn every_operation_on_no_table_is_not_found(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let name = || scope.name("none");
    fails(kv.get(Get::new(name()?, "a")).await, ErrorKind::NotFound);
    fails(kv.put(Put::new(name()?, "a", one(1))).await, ErrorKind::NotFound);
    fails(kv.update(Update::new(name()?, "a").set("n", 1)).await, ErrorKind::NotFound);
    fails(kv.delete(Delete::new(name()?, "a")).await, ErrorKind::NotFound);
    fails(kv.get_many(GetMany::new(name()?, ["a"])).await, ErrorKind::NotFound);
    // Writes may be to several tables, so that each has its own outcome.
    let many = WriteMany::new([Put::new(name()?, "a", one(1))]);
    let each =
        kv.write_many(many).await.and_then(|all| all.into_iter().collect::<Result<Vec<_>>>());
    fails(each, ErrorKind::NotFound);
    let transact = Transact::new().step(Put::new(name()?, "a", one(1)));
    fails(kv.transact(transact).await, ErrorKind::NotFound);
    stream_fails(kv.query(Query::new(name()?, "a")), ErrorKind::NotFound).await;
    stream_fails(kv.scan(Scan::new(name()?)), ErrorKind::NotFound).await;
    Ok(())
}

pub(super) async fn tables_are_listed_by_all_of_their_labels(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    // The run's own value, so that tables of others do not count.
    let run = scope.name("labelled")?;
    let labels = |env: &str| Labels::new().with("run", run.as_str())?.with("env", env);
    let names = [scope.name("one")?, scope.name("two")?, scope.name("three")?];
    for (name, env) in names.iter().zip(["test", "live", "test"]) {
        create(kv, Shape::Text.request(name.clone())?.labels(labels(env)?)).await?;
    }
    let cases = [
        (Labels::new().with("run", run.as_str())?, vec![&names[0], &names[1], &names[2]]),
        (labels("test")?, vec![&names[0], &names[2]]),
        (labels("none")?, vec![]),
    ];
    for (labels, wanted) in cases {
        let wanted: BTreeSet<_> = wanted.into_iter().cloned().collect();
        eventually(&format!("list of {wanted:?} by {labels:?}"), Scope::PATIENCE, || async {
            let found: Vec<_> = kv.list_tables(labels.clone()).try_collect().await?;
            assert!(found.iter().all(|it| it.labels.contains(&labels)), "{found:?}");
            let all: BTreeSet<_> = found.iter().map(|it| it.name.clone()).collect();
            Ok((all == wanted && found.len() == wanted.len()).then_some(()))
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn racers_create_one_table(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let name = scope.name("table")?;
    let results = race(6, |_| {
        let (kv, name) = (Arc::clone(kv), name.clone());
        async move { kv.create_table(Shape::ByInt.request(name)?).await }
    });
    for result in results.await {
        assert_eq!(result?.name, name);
    }
    eventually("one table in the list", Scope::PATIENCE, || async {
        let found: Vec<_> = kv
            .list_tables(Labels::new())
            .try_filter(|it| std::future::ready(it.name == name))
            .try_collect()
            .await?;
        assert!(found.len() <= 1, "{found:?}");
        Ok((found.len() == 1).then_some(()))
    })
    .await
}

pub(super) async fn settings_that_no_table_can_have_are_invalid(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let name = scope.name("table")?;
    let table = || CreateTable::new(name.clone(), Attr::text("id"));
    let index = Index::new(Name::new("by-tag")?, Attr::text("tag"));
    let requests = [
        table().sort(Attr::text("id")),
        CreateTable::new(name.clone(), Attr::text("")),
        CreateTable::new(name.clone(), Attr::text("__id__")),
        CreateTable::new(name.clone(), Attr::text("_v")),
        table().index(index.clone()).index(index),
        table().sort(Attr::int("n")).index(Index::new(Name::new("by-n")?, Attr::text("n"))),
    ];
    for request in requests {
        fails(kv.create_table(request).await, ErrorKind::Invalid);
        fails(kv.table(&name).await, ErrorKind::NotFound);
    }
    Ok(())
}
