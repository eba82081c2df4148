//! Simulated time: as fast as its events, held for real I/O, and real where nothing pauses it.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _};
use mvi_core::{
    ErrorKind, Kv, KvExt as _, When,
    kv::{Condition, Get, Scan, Update},
};
use mvi_testkit::{EPOCH, Entry, Outcome, Sim, Weather};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{link, links, links_table, make_tables, seconds, sim_in, simulated, watched};

#[test]
fn a_day_passes_as_fast_as_its_events() {
    simulated(|| async {
        let sim = sim_in(Weather::fair()).await;
        // A link that expires every minute of the day, and a timer every second.
        sim.set_weather(|it| *it = Weather::calm());
        for minute in 1..=1_440 {
            let expires = When::In(seconds(minute * 60));
            sim.kv.put(link(&format!("{minute}")).expires(expires)).await.unwrap();
        }
        let ticks = Arc::new(Mutex::new(0));
        for second in 0..86_400 {
            let ticks = Arc::clone(&ticks);
            sim.after(seconds(second), move |_| *ticks.lock().unwrap() += 1);
        }
        for hour in 1..=24 {
            sim.sleep(Duration::from_hours(1)).await.unwrap();
            let left = sim.kv.scan(Scan::new(links()).strong()).count().await;
            assert_eq!(left, 1_440 - hour * 60);
        }
        assert_eq!(sim.elapsed(), Duration::from_hours(24));
        assert_eq!(*ticks.lock().unwrap(), 86_400);
        let removed = sim.log().into_iter().filter(|it| it.op == "kv.expired").count();
        assert_eq!(removed, 1_440);
    });
}

#[test]
fn it_begins_in_2030() {
    simulated(|| async {
        let sim = Sim::new(7);
        assert_eq!(sim.now(), EPOCH);
        assert_eq!(EPOCH.to_string(), "2030-01-01T00:00:00Z");
        sim.sleep(Duration::from_millis(1_500)).await.unwrap();
        assert_eq!(sim.now().to_string(), "2030-01-01T00:00:01.5Z");
    });
}

#[test]
fn events_happen_in_order_of_time_and_then_of_asking() {
    simulated(|| async {
        let sim = Sim::new(7);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let event = |name: &'static str| {
            let seen = Arc::clone(&seen);
            move |_| seen.lock().unwrap().push(name)
        };
        sim.after(seconds(2), event("third"));
        sim.after(seconds(1), event("first"));
        sim.after(seconds(1), event("second"));
        let (later, fourth, fifth) = (sim.clone(), event("fourth"), event("fifth"));
        sim.after(seconds(3), move |now| {
            fourth(now);
            // Asked for late, and due before the world had caught up.
            later.at(now + Duration::from_millis(1), fifth);
            assert_eq!(later.now(), EPOCH + seconds(10), "it is served as the world is");
        });
        sim.after(seconds(4), event("sixth"));
        assert!(seen.lock().unwrap().is_empty());
        tokio::time::sleep(seconds(10)).await;
        sim.now();
        let seen = seen.lock().unwrap();
        assert_eq!(*seen, ["first", "second", "third", "fourth", "fifth", "sixth"]);
    });
}

/// A server on a thread of its own, which answers what it is sent after a while of real time.
fn slow_echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (wake, slept) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        let (mut stream, _): (TcpStream, _) = listener.accept().unwrap();
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).unwrap();
        let _ = slept.recv_timeout(Duration::from_millis(50));
        drop(wake);
        stream.write_all(&bytes).unwrap();
    });
    address
}

async fn round_trip(address: std::net::SocketAddr) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"ping");
}

#[test]
fn time_is_held_for_a_real_round_trip_and_runs_ahead_without() {
    simulated(|| async {
        let sim = Sim::new(7);
        // Somebody waits for an hour: without a guard, time jumps there while the socket is silent.
        let waiting = sim.clone();
        let hours = tokio::spawn(async move {
            loop {
                waiting.sleep(Duration::from_hours(1)).await.unwrap();
            }
        });

        let held = sim.hold_time();
        round_trip(slow_echo()).await;
        assert_eq!(sim.elapsed(), Duration::ZERO, "time passed while it was held");
        drop(held);

        round_trip(slow_echo()).await;
        assert!(sim.elapsed() >= Duration::from_hours(1), "only {:?} passed", sim.elapsed());

        let (one, other) = (sim.hold_time(), sim.hold_time());
        let before = sim.elapsed();
        drop(one);
        round_trip(slow_echo()).await;
        assert_eq!(sim.elapsed(), before, "one of two guards was enough");
        drop(other);
        hours.abort();
    });
}

#[test]
fn racing_writers_really_race() {
    let order = |seed| {
        simulated(move || async move {
            let sim = Sim::new(seed).calm();
            make_tables(&sim.kv).await.unwrap();
            let sim = sim.weather(Weather::fair());
            let started = sim.log().len();
            let racers = (0..16).map(|_| {
                let kv = sim.kv.clone();
                async move { kv.put(link("gh").only_if(Condition::Absent)).await }
            });
            let results = futures::future::join_all(racers).await;
            assert_eq!(results.iter().filter(|it| it.is_ok()).count(), 1);
            let lost = results.iter().filter_map(|it| it.as_ref().err());
            assert!(lost.clone().all(|it| it.kind() == ErrorKind::Conflict));
            assert_eq!(lost.count(), 15);

            let log: Vec<Entry> = sim.log().split_off(started);
            let sent = |it: &Entry| it.outcome == Outcome::Sent;
            assert!(log[..16].iter().all(sent), "they are not all under way at once");
            let applied = |it: &&Entry| matches!(it.outcome, Outcome::Applied(_));
            log.iter().filter(applied).map(|it| it.call.unwrap()).collect::<Vec<_>>()
        })
    };
    let orders: Vec<_> = (0..8).map(order).collect();
    assert!(orders.iter().all(|it| it.len() == 16));
    assert!(orders.iter().any(|it| !it.is_sorted()), "who asks first is always first");
    assert!(orders.iter().any(|it| *it != orders[0]), "every seed has the same winner");
}

#[test]
fn a_call_that_is_given_up_still_takes_effect() {
    simulated(|| async {
        let sim = sim_in(Weather::fair()).await;
        let put = sim.kv.put(link("gh"));
        tokio::time::timeout(Duration::from_millis(1), put).await.unwrap_err();
        sim.sleep(seconds(1)).await.unwrap();
        assert!(sim.kv.get(Get::new(links(), "gh").strong()).await.unwrap().is_some());
    });
}

#[test]
fn without_a_runtime_what_takes_time_is_refused_and_what_takes_none_works() {
    watched(|| {
        let sim = Sim::new(7);
        let error = sim.kv.create_table(links_table()).now_or_never().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(!error.may_have_applied());
        assert!(error.to_string().contains("tokio runtime"), "{error}");
        assert!(sim.sleep(seconds(1)).now_or_never().unwrap().is_err());
        drop(sim.hold_time());

        let sim = sim.calm();
        let tables = sim.kv.list_tables(mvi_core::Labels::new()).count();
        assert_eq!(tables.now_or_never().unwrap(), 0, "a refused create has made a table");
        sim.kv.create_table(links_table()).now_or_never().unwrap().unwrap();
        sim.kv.put(link("gh")).now_or_never().unwrap().unwrap();
    });
}

#[test]
fn it_runs_in_real_time_on_many_threads() {
    watched(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let latency = Duration::from_millis(1)..=Duration::from_millis(5);
            let sim = sim_in(Weather { latency, ..Weather::calm() }).await;
            sim.kv.put(link("gh")).await.unwrap();
            let tasks = (0..64).map(|_| {
                let kv = sim.kv.clone();
                tokio::spawn(async move {
                    for _ in 0..10 {
                        let hit = Update::new(links(), "gh").increment("hits", 1);
                        kv.update(hit).await.unwrap();
                    }
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
            let record = sim.kv.fetch(Get::new(links(), "gh").strong()).await.unwrap();
            assert_eq!(record.item.get("hits"), Some(&640.into()));
        });
    });
}
