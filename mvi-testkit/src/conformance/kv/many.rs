//! Many reads or writes in one call.

use std::sync::Arc;

use mvi_core::{
    ErrorKind, Kv, Result,
    kv::{Condition, GetMany, Item, Key, Put, Query, Write, WriteMany},
};

use super::{Scope, Shape, Store, fails, one, some};

/// The numbers of the records at `keys`, in one strong call.
async fn numbers(store: &Store<'_>, keys: &[Key]) -> Result<Vec<Option<Item>>> {
    let many = GetMany::new(store.name.clone(), keys.to_vec()).strong();
    let found = store.kv.get_many(many).await?;
    let found = found.into_iter().zip(keys).map(|(found, key)| {
        let found = found?;
        assert!(found.as_ref().is_none_or(|it| it.key == *key), "{found:?} at {key:?}");
        Ok(found.map(|it| it.item))
    });
    found.collect()
}

pub(super) async fn get_many_answers_in_the_order_of_the_keys(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    some(&store, 5).await?;
    let order = ["003", "none", "000", "003", "004", "none", "001"];
    let keys = order.map(|it| store.key(it));
    let wanted = [Some(3), None, Some(0), Some(3), Some(4), None, Some(1)];
    assert_eq!(numbers(&store, &keys).await?, wanted.map(|it| it.map(one)));
    Ok(())
}

pub(super) async fn get_many_reads_more_than_one_request_can(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let made = made(&store, 250);
    for result in kv.write_many(WriteMany::new(made.clone())).await? {
        result?;
    }
    let mut keys: Vec<_> = made.iter().map(|it| it.target().1.clone()).collect();
    let mut wanted: Vec<_> = (0..250).map(|n| Some(one(n))).collect();
    // Not in the order in which they were made, and with gaps.
    keys.reverse();
    wanted.reverse();
    for at in (0..250).step_by(50) {
        keys.insert(at, store.key("none"));
        wanted.insert(at, None);
    }
    assert_eq!(numbers(&store, &keys).await?, wanted);
    Ok(())
}

/// Puts of `n` = 0, 1, …
fn made(store: &Store<'_>, count: i64) -> Vec<Write> {
    (0..count).map(|n| store.put(&store.key(&n.to_string()), one(n)).into()).collect()
}

pub(super) async fn get_many_of_nothing_is_empty(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    assert_eq!(numbers(&store, &[]).await?, []);
    assert!(kv.write_many(WriteMany::default()).await?.is_empty());
    Ok(())
}

pub(super) async fn write_many_makes_more_writes_than_one_request_can(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let old: Vec<_> = (0..30).map(|n| store.key(&format!("old {n}"))).collect();
    for key in &old {
        store.save(key, one(-1)).await?;
    }
    let mut writes = made(&store, 90);
    for (key, n) in old.iter().zip(0..) {
        writes.insert(n * 3, store.delete(key).into());
    }
    let results = kv.write_many(WriteMany::new(writes.clone())).await?;
    assert_eq!(results.len(), writes.len());
    for (write, result) in writes.iter().zip(results) {
        let (version, key) = (result?, write.target().1);
        let found = store.get(key).await?;
        match write {
            Write::Put(put) => {
                let found = found.expect("the record just put");
                assert_eq!((&found.item, Some(found.version)), (&put.item, version));
            }
            Write::Delete(_) => assert_eq!((found, version), (None, None)),
        }
    }
    Ok(())
}

pub(super) async fn one_failed_write_of_many_leaves_the_others(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let [taken, free, other, gone, kept] =
        ["taken", "free", "other", "gone", "kept"].map(|it| store.key(it));
    for key in [&taken, &gone, &kept] {
        store.save(key, one(0)).await?;
    }
    let writes: Vec<Write> = vec![
        store.put(&other, one(1)).into(),
        store.put(&taken, one(1)).only_if(Condition::Absent).into(),
        store.put(&free, one(1)).only_if(Condition::Absent).into(),
        store.delete(&kept).only_if(Condition::eq("n", 1)).into(),
        store.delete(&gone).only_if(Condition::eq("n", 0)).into(),
    ];
    let results = kv.write_many(WriteMany::new(writes)).await?;
    let Ok([one_, two, three, four, five]) = <[_; 5]>::try_from(results) else {
        panic!("five writes have five results");
    };
    assert!(one_?.is_some() && three?.is_some() && five?.is_none());
    fails(two, ErrorKind::Conflict);
    fails(four, ErrorKind::Conflict);
    let found = numbers(&store, &[taken, free, other, gone, kept]).await?;
    assert_eq!(found, [Some(0), Some(1), Some(1), None, Some(0)].map(|it| it.map(one)));
    Ok(())
}

pub(super) async fn one_invalid_write_of_many_leaves_the_others(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let [bad, good] = ["bad", "good"].map(|it| store.key(it));
    let invalid = Item::new().with("__x__", 1);
    let writes = [store.put(&bad, invalid), store.put(&good, one(1))];
    let results = kv.write_many(WriteMany::new(writes)).await?;
    let Ok([first, second]) = <[_; 2]>::try_from(results) else {
        panic!("two writes have two results");
    };
    fails(first, ErrorKind::Invalid);
    assert!(second?.is_some());
    assert_eq!(numbers(&store, &[bad, good]).await?, [None, Some(one(1))]);
    Ok(())
}

pub(super) async fn a_write_to_no_table_leaves_the_others(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let [a, b] = ["a", "b"].map(|it| store.key(it));
    let nowhere = Put::new(scope.name("none")?, a.clone(), one(1));
    let writes = [store.put(&a, one(1)), nowhere, store.put(&b, one(2))];
    let results = kv.write_many(WriteMany::new(writes)).await?;
    let Ok([first, second, third]) = <[_; 3]>::try_from(results) else {
        panic!("three writes have three results");
    };
    assert!(first?.is_some() && third?.is_some());
    fails(second, ErrorKind::NotFound);
    assert_eq!(numbers(&store, &[a, b]).await?, [Some(one(1)), Some(one(2))]);
    Ok(())
}

pub(super) async fn two_writes_of_one_record_are_invalid_and_nothing_is_written(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let [a, b] = ["a", "b"].map(|it| store.key(it));
    store.save(&a, one(0)).await?;
    let twice: [Write; 3] =
        [store.put(&b, one(1)).into(), store.put(&a, one(1)).into(), store.delete(&a).into()];
    fails(kv.write_many(WriteMany::new(twice)).await, ErrorKind::Invalid);
    assert_eq!(numbers(&store, &[a, b]).await?, [Some(one(0)), None]);
    Ok(())
}

pub(super) async fn write_many_writes_to_several_tables(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let text = Shape::Text.shared(kv, scope).await?;
    let sorted = Shape::ByInt.shared(kv, scope).await?;
    let (key, at) = (text.key("a"), sorted.at("a", 1));
    let writes = [text.put(&key, one(1)), sorted.put(&at, one(2))];
    for result in kv.write_many(WriteMany::new(writes)).await? {
        assert!(result?.is_some());
    }
    assert_eq!(text.item(&key).await?, Some(one(1)));
    let query = Query::new(sorted.name.clone(), at.partition).strong();
    let found = sorted.records(query).await?;
    assert_eq!(found.into_iter().map(|it| it.item).collect::<Vec<_>>(), [one(2)]);
    Ok(())
}
