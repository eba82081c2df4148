//! A connection that is made at the first call, and given up where it falls silent.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mvi_core::Result;
use tokio::{sync::OnceCell, time::Instant};

/// A client, connected at the first call.
#[derive(Debug)]
pub(crate) struct Lazy<T>(Mutex<Arc<OnceCell<T>>>);

impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Lazy<T> {
    fn current(&self) -> MutexGuard<'_, Arc<OnceCell<T>>> {
        // It is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client, and a watch over one attempt of `limit` with it.
    ///
    /// A connection that a network on the way has forgotten looks alive, and would take the next attempt with it: an attempt
    /// without an answer gives it up.
    pub(crate) async fn get<F>(
        &self,
        limit: Duration,
        connect: impl FnOnce() -> F,
    ) -> Result<(T, Watch<'_, T>)>
    where
        F: Future<Output = Result<T>>,
    {
        let cell = Arc::clone(&self.current());
        let watch = Watch { all: self, cell: Arc::clone(&cell), since: Instant::now(), limit };
        let client = cell.get_or_try_init(connect).await?;
        Ok((client.clone(), watch))
    }
}

/// Gives a connection up that did not answer within the limit. Whoever is still at it goes on.
#[derive(Debug)]
pub(crate) struct Watch<'a, T: Clone> {
    all: &'a Lazy<T>,
    cell: Arc<OnceCell<T>>,
    since: Instant,
    limit: Duration,
}

impl<T: Clone> Drop for Watch<'_, T> {
    fn drop(&mut self) {
        let mut current = self.all.current();
        if self.since.elapsed() >= self.limit && Arc::ptr_eq(&current, &self.cell) {
            *current = Arc::default();
        }
    }
}
