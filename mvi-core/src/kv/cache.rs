//! Tables that a provider has seen lately, so that checks need no call.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Table, TableState};
use crate::{Name, Result, time::instant};

/// How long a table is believed to be as it was seen.
const FRESH: Duration = Duration::from_secs(30);

/// The tables that a provider has seen in the last 30 s: for provider authors.
///
/// A table that others delete, or make again with other keys, is taken as it was for that long; a provider
/// [forgets](Self::forget) it where an answer says that it has changed.
#[derive(Debug, Default)]
pub struct Tables(Mutex<HashMap<Name, (Instant, Arc<Table>)>>);

impl Tables {
    /// The table called `name`: as it was seen, or as `load` finds it now.
    ///
    /// Only a table whose records can be used is remembered.
    ///
    /// # Errors
    ///
    /// What `load` fails with.
    pub async fn get(
        &self,
        name: &Name,
        load: impl Future<Output = Result<Table>>,
    ) -> Result<Arc<Table>> {
        let seen = self
            .lock()
            .get(name)
            .filter(|(seen, _)| seen.elapsed() < FRESH)
            .map(|it| Arc::clone(&it.1));
        match seen {
            Some(table) => Ok(table),
            None => Ok(self.remember(load.await?)),
        }
    }

    /// Remembers `table` as it is now.
    pub fn remember(&self, table: Table) -> Arc<Table> {
        let table = Arc::new(table);
        if matches!(table.state, TableState::Active | TableState::Updating) {
            self.lock().insert(table.name.clone(), (instant(), Arc::clone(&table)));
        }
        table
    }

    /// Forgets the table called `name`.
    pub fn forget(&self, name: &Name) {
        self.lock().remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, (Instant, Arc<Table>)>> {
        // A map of what was seen is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
