//! Kv on one screen: a table, a put that only one can win, a query, a conflict.
//!
//! `cargo run --example kv` runs it on the simulated cloud; any other [`Kv`] would do.

use std::{sync::Arc, time::Duration};

use futures::TryStreamExt as _;
use mvi_core::{
    ErrorKind, Kv, KvExt as _, Name, Result,
    kv::{Attr, CreateTable, Query, Typed},
};
use mvi_testkit::Sim;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Build {
    app: String,
    number: u32,
    passed: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let kv: Arc<dyn Kv> = Sim::new(7).cloud().kv;

    // Creating what is there already succeeds, as long as it is the same.
    let builds =
        CreateTable::new(Name::new("builds")?, Attr::text("app")).sort(Attr::int("number"));
    let table = kv.create_table(builds).await?;
    kv.wait_active(&table.name, Duration::from_mins(1)).await?;
    let builds = Typed::<Build>::new(kv, &table);

    for number in 1..=3 {
        let build = Build { app: "web".into(), number, passed: number != 2 };
        builds.insert(&build).await?;
    }

    // Of many who insert at one key, exactly one wins. Errors say what to do, on every cloud the same.
    let late = Build { app: "web".into(), number: 3, passed: false };
    match builds.insert(&late).await {
        Err(error) if error.kind() == ErrorKind::Conflict => println!("{error}"),
        other => println!("expected a conflict: {other:?}"),
    }

    // A stream, lazy, that pages underneath.
    let newest = Query::new(table.name, "web").descending().limit(2).strong();
    let mut found = builds.query(newest);
    while let Some(build) = found.try_next().await? {
        println!("build {} passed: {}", build.number, build.passed);
    }
    Ok(())
}
