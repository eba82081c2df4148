//! The promises of [`Kv`].

mod record;

use std::sync::Arc;

use futures::{FutureExt as _, TryStreamExt as _};
use mvi_core::{
    Kv, Labels, Name, Result,
    kv::{self, Attr, CreateTable, Get, Item, Key, Record, TableState},
};

use super::{Scope, Service, cases, eventually};

pub(super) static SERVICE: Service = Service {
    name: "kv",
    ops: kv::OPS,
    cases: cases! { kv:
        record {
            a_get_of_nothing_is_none,
            a_put_is_read_back,
        }
    },
    sweep: |cloud, scope| sweep(&cloud.kv, scope).boxed(),
};

/// Deletes the tables that a case made, and sees that none of its own is left.
async fn sweep(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let given = scope.given();
    if given.is_empty() {
        return Ok(());
    }
    for name in &given {
        kv.delete_table(name).await?;
    }
    eventually("end of the case's tables", Scope::PATIENCE, || async {
        let own =
            kv.list_tables(Labels::new()).try_filter(|it| std::future::ready(scope.owns(&it.name)));
        let left: Vec<_> = own.try_collect().await?;
        Ok(left.is_empty().then_some(()))
    })
    .await
}

/// Tables that cases share: one for each form.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Text keys, one record each.
    Text,
}

impl Shape {
    fn role(self) -> &'static str {
        match self {
            Self::Text => "text",
        }
    }

    fn request(self, name: Name) -> CreateTable {
        match self {
            Self::Text => CreateTable::new(name, Attr::text("id")),
        }
    }

    /// The shared table's name. Keys in it begin with the case's own [`Scope::text`].
    async fn table(self, kv: &Arc<dyn Kv>, scope: &Scope) -> Result<Name> {
        scope.shared(self.role(), |name| async move { create(kv, self.request(name)).await }).await
    }
}

/// Creates a table and waits until its records can be used.
async fn create(kv: &Arc<dyn Kv>, request: CreateTable) -> Result<()> {
    let name = request.name.clone();
    kv.create_table(request).await?;
    eventually("active table", Scope::PATIENCE, || async {
        Ok((kv.table(&name).await?.state == TableState::Active).then_some(()))
    })
    .await
}

/// A strong read.
async fn get(kv: &Arc<dyn Kv>, table: &Name, key: impl Into<Key>) -> Result<Option<Record>> {
    kv.get(Get::new(table.clone(), key).strong()).await
}

/// An item with one number.
fn one(n: i64) -> Item {
    Item::new().with("n", n)
}
