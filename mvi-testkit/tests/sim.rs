//! The simulated cloud keeps its word.

use mvi_core::{Kv, Name, kv::{Attr, CreateTable, Get, Item, Put}};
use mvi_testkit::Sim;

#[tokio::test(start_paused = true)]
async fn smoke() {
    let sim = Sim::new(7);
    let links = Name::new("links").unwrap();
    sim.kv.create_table(CreateTable::new(links.clone(), Attr::text("code"))).await.unwrap();
    sim.sleep(std::time::Duration::from_secs(10)).await.unwrap();
    sim.kv.put(Put::new(links.clone(), "gh", Item::new().with("url", "x"))).await.unwrap();
    assert!(sim.kv.get(Get::new(links, "gh").strong()).await.unwrap().is_some());
    for entry in sim.log() {
        println!("{entry}");
    }
}
