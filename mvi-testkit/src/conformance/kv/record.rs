//! One record: put, get, delete.

use std::sync::Arc;

use mvi_core::{Kv, Result, kv::Put};

use super::{Scope, Shape, get, one};

pub(super) async fn a_get_of_nothing_is_none(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let table = Shape::Text.table(kv, scope).await?;
    assert_eq!(get(kv, &table, scope.text("nothing")).await?, None);
    Ok(())
}

pub(super) async fn a_put_is_read_back(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let table = Shape::Text.table(kv, scope).await?;
    let version = kv.put(Put::new(table.clone(), scope.text("a"), one(1))).await?;
    let found = get(kv, &table, scope.text("a")).await?.expect("the record just put");
    assert_eq!((found.item, found.version), (one(1), version));
    Ok(())
}
