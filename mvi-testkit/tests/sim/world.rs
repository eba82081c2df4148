//! What the simulated cloud does by itself, as its weather says.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use mvi_core::{
    Applied, ErrorKind, Kv, KvExt as _, Labels, Result,
    hook::Plane,
    kv::{Get, GetMany, Item, Key, Put, Query, Record, Scan, TableState, Transact, WriteMany},
};
use mvi_testkit::{KvWeather, Sim, Weather};

use super::{by_owner, link, links, links_table, seconds, sim_in, simulated, visits};

fn kv_weather(change: impl FnOnce(&mut KvWeather)) -> Weather {
    let mut weather = Weather::calm();
    change(&mut weather.kv);
    weather
}

async fn with_visits(sim: &Sim, count: i64) {
    for at in 0..count {
        sim.kv.put(Put::new(visits(), Key::sorted("ann", at), Item::new())).await.unwrap();
    }
}

#[test]
fn an_eventual_read_may_be_old_and_a_strong_one_never() {
    simulated(|| async {
        let sim = sim_in(kv_weather(|kv| kv.lag = Duration::ZERO..=seconds(1))).await;
        let (mut old, mut missed_by_index) = (0, 0);
        for round in 0..50 {
            sim.kv.put(link("gh").clone()).await.unwrap();
            let version = sim.kv.put(link("gh")).await.unwrap();
            let strong = sim.kv.get(Get::new(links(), "gh").strong()).await.unwrap().unwrap();
            assert_eq!(strong.version, version, "round {round}");
            let read = sim.kv.get(Get::new(links(), "gh")).await.unwrap();
            old += u32::from(read.is_none_or(|it| it.version != version));
            let query = Query::new(links(), "ann").index(by_owner());
            let found: Vec<Record> = sim.kv.query(query).try_collect().await.unwrap();
            missed_by_index += u32::from(found.iter().all(|it| it.version != version));

            sim.sleep(seconds(1)).await.unwrap();
            let read = sim.kv.get(Get::new(links(), "gh")).await.unwrap().unwrap();
            assert_eq!(read.version, version, "older than the weather allows");
        }
        assert!((10..50).contains(&old), "{old} of 50 reads were old");
        assert!((10..50).contains(&missed_by_index), "{missed_by_index} of 50 were old");
    });
}

#[test]
fn the_past_is_forgotten() {
    simulated(|| async {
        let sim = sim_in(kv_weather(|kv| kv.lag = Duration::ZERO..=seconds(1))).await;
        sim.kv.put(link("gh")).await.unwrap();
        let owned = Item::new().with("owner", "bob").with("created", 2);
        sim.kv.put(Put::new(links(), "gh", owned)).await.unwrap();
        sim.kv.delete(mvi_core::kv::Delete::new(links(), "gh")).await.unwrap();
        sim.sleep(seconds(2)).await.unwrap();
        for owner in ["ann", "bob"] {
            let query = Query::new(links(), owner).index(by_owner());
            assert_eq!(sim.kv.query(query).count().await, 0, "{owner}");
        }
        assert_eq!(sim.kv.scan(Scan::new(links())).count().await, 0);
    });
}

#[test]
fn a_batch_may_be_served_in_part() {
    simulated(|| async {
        let sim = sim_in(kv_weather(|kv| kv.partial_batch = 0.3)).await;
        let codes: Vec<_> = (0..100).map(|n| format!("{n:03}")).collect();
        let puts = codes.iter().map(|code| link(code));
        let written = sim.kv.write_many(WriteMany::new(puts)).await.unwrap();
        let throttled =
            |it: &mvi_core::Error| it.kind() == ErrorKind::Throttled && it.applied() == Applied::No;
        assert!(written.iter().all(|it| it.as_ref().map_or_else(throttled, Option::is_some)));
        let refused = written.iter().filter(|it| it.is_err()).count();
        assert!((10..60).contains(&refused), "{refused} of 100 were refused");
        for (code, written) in codes.iter().zip(&written) {
            let found = sim.kv.get(Get::new(links(), code.as_str())).await.unwrap();
            assert_eq!(found.is_some(), written.is_ok(), "{code}");
        }
        let read = sim.kv.get_many(GetMany::new(links(), codes.clone())).await.unwrap();
        let refused = read.iter().filter(|it| it.is_err()).count();
        assert!((10..60).contains(&refused), "{refused} of 100 were refused");
    });
}

#[test]
fn a_batch_is_not_one_transaction() {
    simulated(|| async {
        let latency = Duration::from_millis(5)..=Duration::from_millis(50);
        let sim = sim_in(Weather { latency, ..Weather::calm() }).await;
        let batch = WriteMany::new((0..50).map(|n| link(&format!("{n}"))));
        let kv = sim.kv.clone();
        let writing = tokio::spawn(async move { kv.write_many(batch).await });
        let mut between = 0;
        while !writing.is_finished() {
            let there = sim.kv.scan(Scan::new(links()).strong()).count().await;
            between += u32::from(!matches!(there, 0 | 50));
        }
        assert!(writing.await.unwrap().unwrap().iter().all(Result::is_ok));
        assert!(between > 0, "all fifty came at once");
    });
}

#[test]
fn a_hot_partition_is_throttled_until_the_next_second() {
    simulated(|| async {
        let sim = sim_in(kv_weather(|kv| kv.partition_rate = Some(10))).await;
        for _ in 0..10 {
            sim.kv.get(Get::new(links(), "hot")).await.unwrap();
        }
        let error = sim.kv.put(link("hot")).await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Throttled, Applied::No));
        sim.kv.get(Get::new(links(), "cold")).await.unwrap();
        sim.sleep(seconds(1)).await.unwrap();
        sim.kv.put(link("hot")).await.unwrap();
    });
}

#[test]
fn short_and_empty_pages_lose_nothing() {
    simulated(|| async {
        let pages = |sim: &Sim| sim.log().iter().filter(|it| it.op == "kv.query").count();
        let all = || Query::new(visits(), "ann");
        let sim = sim_in(kv_weather(|kv| kv.page = 10)).await;
        with_visits(&sim, 50).await;
        let whole: Vec<Record> = sim.kv.query(all()).try_collect().await.unwrap();
        assert_eq!((whole.len(), pages(&sim)), (50, 5));

        for (short, empty) in [(1.0, 0.0), (0.0, 1.0), (0.7, 0.7)] {
            sim.set_weather(|it| (it.kv.short_page, it.kv.empty_page) = (short, empty));
            let before = pages(&sim);
            let seen: Vec<Record> = sim.kv.query(all()).try_collect().await.unwrap();
            assert!(seen == whole, "short {short}, empty {empty}");
            assert!(pages(&sim) - before > 5, "{} pages", pages(&sim) - before);
            let down = sim.kv.query(all().descending().limit(33));
            let down: Vec<Record> = down.try_collect().await.unwrap();
            assert!(down.iter().eq(whole.iter().rev().take(33)), "short {short}, empty {empty}");
        }
    });
}

#[test]
fn another_write_may_come_between_a_transactions() {
    simulated(|| async {
        let sim = sim_in(kv_weather(|kv| kv.transaction_conflict = 1.0)).await;
        let both = || Transact::new().step(link("one")).step(link("two"));
        let error = sim.kv.transact(both()).await.unwrap_err();
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Conflict, Applied::No));
        assert_eq!(sim.kv.scan(Scan::new(links())).count().await, 0);
        sim.set_weather(|it| it.kv.transaction_conflict = 0.0);
        sim.kv.transact(both()).await.unwrap();
    });
}

#[test]
fn a_table_takes_time_to_come_and_to_go() {
    simulated(|| async {
        let change = seconds(5)..=seconds(5);
        let sim = Sim::new(7).weather(kv_weather(|kv| kv.change = change));
        let table = sim.kv.create_table(links_table()).await.unwrap();
        assert_eq!(table.state, TableState::Creating);
        let error = sim.kv.put(link("gh")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let again = sim.kv.create_table(links_table()).await.unwrap();
        assert_eq!(again.state, TableState::Creating);
        let table = sim.kv.wait_active(&links(), seconds(10)).await.unwrap();
        assert_eq!(table.state, TableState::Active);
        sim.kv.put(link("gh")).await.unwrap();

        sim.kv.delete_table(&links()).await.unwrap();
        assert_eq!(sim.kv.table(&links()).await.unwrap().state, TableState::Deleting);
        sim.kv.delete_table(&links()).await.unwrap();
        assert_eq!(sim.kv.put(link("gh")).await.unwrap_err().kind(), ErrorKind::NotFound);

        // A namesake is going: the create waits until it is gone, and makes a new one.
        let gone = sim.elapsed() + seconds(5);
        sim.kv.create_table(links_table()).await.unwrap();
        assert_eq!(sim.elapsed(), gone);
        sim.sleep(seconds(5)).await.unwrap();
        assert_eq!(sim.kv.scan(Scan::new(links())).count().await, 0);
    });
}

#[test]
fn a_fresh_table_may_not_be_found_and_a_removed_one_still_listed() {
    simulated(|| async {
        let visibility = seconds(2)..=seconds(2);
        let sim = Sim::new(7).weather(kv_weather(|kv| kv.visibility = visibility));
        let listed = || sim.kv.list_tables(Labels::new()).count();
        sim.kv.create_table(links_table()).await.unwrap();
        assert_eq!(sim.kv.table(&links()).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(listed().await, 0);
        sim.kv.create_table(links_table()).await.unwrap();
        sim.sleep(seconds(2)).await.unwrap();
        assert_eq!(sim.kv.table(&links()).await.unwrap().state, TableState::Active);
        assert_eq!(listed().await, 1);

        sim.kv.delete_table(&links()).await.unwrap();
        assert_eq!(sim.kv.table(&links()).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(listed().await, 1, "the list is behind");
        sim.sleep(seconds(2)).await.unwrap();
        assert_eq!(listed().await, 0);
    });
}

#[test]
fn an_outage_is_of_its_plane_and_ends() {
    simulated(|| async {
        let sim = sim_in(Weather::calm()).await;
        sim.outage(Some(Plane::Control), seconds(10)..seconds(20));
        sim.outage(None, seconds(30)..seconds(40));
        for second in 0..50 {
            let data = sim.kv.put(link("gh")).await;
            let control = sim.kv.table(&links()).await;
            let (first, both) = ((10..20).contains(&second), (30..40).contains(&second));
            assert_eq!((data.is_err(), control.is_err()), (both, first || both), "at {second} s");
            if let Err(error) = data {
                assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::No));
            }
            sim.sleep(seconds(1)).await.unwrap();
        }
    });
}

#[test]
fn a_call_under_way_when_an_outage_begins_may_have_been_applied() {
    simulated(|| async {
        let latency = seconds(4)..=seconds(4);
        let sim = sim_in(Weather { latency, ..Weather::calm() }).await;
        let begins = Duration::from_millis(3_900);
        sim.outage(None, begins..seconds(5));
        let codes: Vec<_> = (0..20).map(|n| format!("{n}")).collect();
        let puts = codes.iter().map(|code| sim.kv.put(link(code)));
        for answer in futures::future::join_all(puts).await {
            let error = answer.unwrap_err();
            assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::Unknown));
        }
        sim.sleep(seconds(5)).await.unwrap();
        assert!(sim.kv.scan(Scan::new(links()).strong()).count().await > 10);
    });
}

#[test]
fn what_is_unordered_is_in_another_order_in_another_world() {
    let order = |seed| {
        simulated(move || async move {
            let sim = Sim::new(seed).calm();
            sim.kv.create_table(links_table()).await.unwrap();
            for n in 0..30 {
                sim.kv.put(link(&format!("{n:02}"))).await.unwrap();
            }
            let all: Vec<Record> = sim.kv.scan(Scan::new(links())).try_collect().await.unwrap();
            assert_eq!(all.len(), 30);
            all.into_iter().map(|it| it.key).collect::<Vec<_>>()
        })
    };
    assert!(!order(1).is_sorted(), "a scan is in no order that means anything");
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}
