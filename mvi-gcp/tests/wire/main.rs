//! What goes over the wire, against a Firestore and a Cloud Storage of our own: what no emulator does.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod blob;
mod fields;
mod lost;
mod server;
mod settings;
mod silent;
mod store;

use std::time::Duration;

use mvi_core::{
    Kv as _, Name, Result,
    kv::{Attr, CreateTable, Index, Item, Table, Ttl},
};
use mvi_gcp::{Gcp, GcpBuilder, Retries, Service, Timeouts};

use server::Server;

/// A client of `server`, in a hurry.
fn builder(server: &Server) -> GcpBuilder {
    let pause = Duration::from_millis(1);
    Gcp::builder()
        .project("demo")
        .endpoint_for(Service::Firestore, server.url())
        .emulated()
        .timeouts(Timeouts {
            connect: Duration::from_millis(500),
            attempt: Duration::from_millis(300),
            operation: Duration::from_secs(2),
            per_mib: Duration::ZERO,
        })
        .retries(Retries { attempts: 3, first_pause: pause, longest_pause: pause })
}

async fn client(server: &Server) -> Gcp {
    builder(server).build().await.unwrap()
}

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn item() -> Item {
    Item::new().with("owner", "ann").with("hits", 1)
}

/// A table with a sort attribute, an index and expiry.
async fn make_table(gcp: &Gcp) -> Result<Table> {
    let by_owner = Index::new(name("by-owner"), Attr::text("owner")).sort(Attr::int("hits"));
    let request = CreateTable::new(name("links"), Attr::text("code"))
        .sort(Attr::int("number"))
        .index(by_owner)
        .ttl(Ttl::On);
    gcp.kv.create_table(request).await
}
