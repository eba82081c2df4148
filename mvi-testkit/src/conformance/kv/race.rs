//! Writers that race.

use std::{collections::BTreeSet, sync::Arc};

use mvi_core::{
    ErrorKind, Kv, Result,
    kv::{Condition, Get, Key, Put, Transact, Update, Value},
};

use super::{Scope, Shape, fails, help, one, race};

/// How many race.
const RACERS: usize = 16;

/// The number of the one who won; the others must have met a conflict.
#[track_caller]
fn winner<R: std::fmt::Debug>(results: Vec<Result<R>>) -> usize {
    help::winner("kv.", results)
}

fn number(racer: usize) -> i64 {
    i64::try_from(racer).expect("few racers")
}

pub(super) async fn one_of_many_creators_wins(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    for round in 0..3 {
        let key = store.key(&round.to_string());
        let results = race(RACERS, |racer| {
            let create = store.put(&key, one(number(racer))).only_if(Condition::Absent);
            let kv = Arc::clone(kv);
            async move { kv.put(create).await }
        });
        let won = winner(results.await);
        assert_eq!(store.item(&key).await?, Some(one(number(won))));
    }
    Ok(())
}

pub(super) async fn one_of_many_writers_with_a_version_wins(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let version = store.save(&key, one(-1)).await?;
    let results = race(RACERS, |racer| {
        let put = store.put(&key, one(number(racer)));
        let put = put.only_if(Condition::Version(version.clone()));
        let kv = Arc::clone(kv);
        async move { kv.put(put).await }
    });
    let won = winner(results.await);
    assert_eq!(store.item(&key).await?, Some(one(number(won))));
    Ok(())
}

pub(super) async fn one_of_many_deleters_wins(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    store.save(&key, one(1)).await?;
    let results = race(RACERS, |_| {
        let delete = store.delete(&key).only_if(Condition::Present);
        let kv = Arc::clone(kv);
        async move { kv.delete(delete).await }
    });
    winner(results.await);
    assert_eq!(store.get(&key).await?, None);
    Ok(())
}

pub(super) async fn increments_add_up(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let results = race(RACERS, |_| {
        let update = store.update(&key).increment("n", 1);
        let kv = Arc::clone(kv);
        async move { kv.update(update).await }
    });
    let mut seen = BTreeSet::new();
    for result in results.await {
        seen.insert(result?.item.get("n").and_then(Value::as_int));
    }
    // Each sees the sum as its own write left it.
    assert_eq!(seen, (1..=number(RACERS)).map(Some).collect());
    assert_eq!(store.item(&key).await?, Some(one(number(RACERS))));
    Ok(())
}

pub(super) async fn appends_keep_every_value(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    let results = race(RACERS, |racer| {
        let update = store.update(&key).append("list", vec![number(racer).into()]);
        let kv = Arc::clone(kv);
        async move { kv.update(update).await }
    });
    for result in results.await {
        result?;
    }
    let found = store.item(&key).await?.expect("the record they made");
    let Some(Value::List(list)) = found.get("list") else { panic!("no list in {found:?}") };
    let mut list: Vec<_> = list.iter().filter_map(Value::as_int).collect();
    list.sort_unstable();
    assert_eq!(list, (0..number(RACERS)).collect::<Vec<_>>());
    Ok(())
}

pub(super) async fn a_counter_by_versions_loses_nothing(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    const WRITERS: usize = 8;
    const EACH: usize = 3;
    let store = Shape::Text.shared(kv, scope).await?;
    let key = store.key("a");
    store.save(&key, one(0)).await?;
    let results = race(WRITERS, |_| {
        let (kv, table, key) = (Arc::clone(kv), store.name.clone(), key.clone());
        async move {
            let mut done = 0;
            while done < EACH {
                let get = Get::new(table.clone(), key.clone()).strong();
                let found = kv.get(get).await?.expect("it is never deleted");
                let n = found.item.get("n").and_then(Value::as_int).expect("a number");
                let put = Put::new(table.clone(), key.clone(), one(n + 1));
                match kv.put(put.only_if(Condition::Version(found.version))).await {
                    Ok(_) => done += 1,
                    // Somebody else was first, so the whole moves on all the same.
                    Err(e) if e.kind() == ErrorKind::Conflict => {}
                    Err(e) => return Err(e),
                }
            }
            Ok(())
        }
    });
    for result in results.await {
        result?;
    }
    assert_eq!(store.item(&key).await?, Some(one(number(WRITERS * EACH))));
    Ok(())
}

pub(super) async fn transfers_keep_the_sum(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    const WRITERS: usize = 6;
    let store = Shape::Text.shared(kv, scope).await?;
    let accounts: Vec<Key> = ["a", "b", "c"].iter().map(|it| store.key(it)).collect();
    for account in &accounts {
        store.save(account, one(2)).await?;
    }
    let results = race(WRITERS, |racer| {
        let (from, to) = (&accounts[racer % 3], &accounts[(racer + 1) % 3]);
        let (kv, table) = (Arc::clone(kv), store.name.clone());
        let take = Update::new(table.clone(), from.clone()).increment("n", -1);
        let give = Update::new(table, to.clone()).increment("n", 1);
        let take = take.only_if(Condition::gt("n", 0));
        async move {
            // A conflict with another transfer is no refusal: what is there is for all of them.
            loop {
                match kv.transact(Transact::new().step(take.clone()).step(give.clone())).await {
                    Ok(_) => return Ok(()),
                    Err(e) if e.kind() == ErrorKind::Conflict => {}
                    Err(e) => return Err(e),
                }
            }
        }
    });
    for result in results.await {
        result?;
    }
    // Six transfers around a circle of three: each has what it had.
    for account in &accounts {
        assert_eq!(store.item(account).await?, Some(one(2)));
    }
    Ok(())
}

pub(super) async fn one_of_many_transactions_takes_all_the_keys(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    let keys: Vec<Key> = ["a", "b", "c"].iter().map(|it| store.key(it)).collect();
    let results = race(RACERS, |racer| {
        let mut transact = Transact::new();
        // Each in another order, as callers have it.
        for at in 0..keys.len() {
            let key = &keys[(at + racer) % keys.len()];
            let create = store.put(key, one(number(racer))).only_if(Condition::Absent);
            transact = transact.step(create);
        }
        let kv = Arc::clone(kv);
        async move { kv.transact(transact).await }
    });
    let results = results.await;
    // All may lose to each other where they overlap; two never win, and nobody wins a part.
    let winners: Vec<_> = (0..).zip(&results).filter(|(_, it)| it.is_ok()).map(|it| it.0).collect();
    for result in results {
        if result.is_err() {
            fails(result, ErrorKind::Conflict);
        }
    }
    assert!(winners.len() <= 1, "{winners:?} won");
    for key in &keys {
        assert_eq!(store.item(key).await?, winners.first().map(|won| one(number(*won))));
    }
    let late = keys.iter().map(|key| store.put(key, one(-1)).only_if(Condition::Absent));
    let late = kv.transact(late.fold(Transact::new(), Transact::step)).await;
    assert_eq!(late.is_ok(), winners.is_empty(), "{late:?}");
    Ok(())
}
