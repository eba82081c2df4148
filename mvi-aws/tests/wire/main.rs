//! What no emulator does: answers that are lost, late, partial or never come, on the wire as DynamoDB would have it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod blob;
mod errors;
mod fields;
mod lost;
mod never;
mod pages;
mod partial;
mod server;
mod transactions;

use mvi_core::{
    Name, Timestamp,
    kv::{Item, Key, Version},
};

fn links() -> Name {
    Name::new("links").unwrap()
}

fn key() -> Key {
    Key::sorted("ann", 1)
}

fn item() -> Item {
    Item::new().with("hits", 1)
}

fn version(text: &str) -> Version {
    Version::new(text)
}

/// A record on the wire.
fn record(sort: i64, version: &str) -> serde_json::Value {
    serde_json::json!({
        "p": {"S": "ann"}, "s": {"N": sort.to_string()}, "hits": {"N": "1"}, "_v": {"S": version},
    })
}

/// The same, long expired.
fn expired(sort: i64, version: &str) -> serde_json::Value {
    let mut record = record(sort, version);
    record["_x"] = serde_json::json!({"N": "1000"});
    record
}

/// A time that no test sees pass.
fn later() -> Timestamp {
    "2100-01-01T00:00:00Z".parse().unwrap()
}
