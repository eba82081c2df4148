//! The simulated cloud keeps its word: the same seed is the same world, time costs nothing, races race, and each
//! fault shows.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod blob;
mod determinism;
mod seam;
mod time;
mod world;

use std::{sync::mpsc, thread, time::Duration};

use mvi_core::{
    Cloud, Kv, Name, Result,
    kv::{Attr, CreateTable, Index, Item, Put, Ttl},
};
use mvi_testkit::{Sim, Weather};

/// Runs `test` in simulated time, on a runtime of its own. A watchdog ends it after a minute of real time.
fn simulated<T: Send + 'static, F: Future<Output = T>>(
    test: impl FnOnce() -> F + Send + 'static,
) -> T {
    watched(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(test())
    })
}

/// Fails `test` where it takes more than a minute of real time.
fn watched<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, ended) = mpsc::channel();
    let running = thread::spawn(move || {
        // Nobody waits any more where the watchdog has barked.
        let _ = done.send(test());
    });
    match ended.recv_timeout(Duration::from_mins(1)) {
        Ok(answer) => answer,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("still running after a minute of real time"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match running.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("a test that ends says so"),
        },
    }
}

fn links() -> Name {
    Name::new("links").unwrap()
}

fn by_owner() -> Name {
    Name::new("by-owner").unwrap()
}

/// Short links: one partition each, found by owner as well; they may expire.
fn links_table() -> CreateTable {
    let index = Index::new(by_owner(), Attr::text("owner")).sort(Attr::int("created"));
    CreateTable::new(links(), Attr::text("code")).index(index).ttl(Ttl::On)
}

/// A user's links: one partition a user.
fn visits_table() -> CreateTable {
    CreateTable::new(visits(), Attr::text("user")).sort(Attr::int("at"))
}

fn visits() -> Name {
    Name::new("visits").unwrap()
}

fn link(code: &str) -> Put {
    Put::new(links(), code, Item::new().with("owner", "ann").with("created", 1).with("hits", 0))
}

/// A cloud in `weather` whose tables, made in calm weather, can be used.
async fn sim_in(weather: Weather) -> Sim {
    let sim = Sim::new(7).calm();
    make_tables(&sim.kv).await.unwrap();
    sim.weather(weather)
}

async fn make_tables(kv: &dyn Kv) -> Result<()> {
    kv.create_table(links_table()).await?;
    kv.create_table(visits_table()).await?;
    Ok(())
}

/// The same with its seam.
async fn cloud_in(weather: Weather) -> (Sim, Cloud) {
    let sim = sim_in(weather).await;
    let cloud = sim.cloud();
    (sim, cloud)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
