//! Reads that page: nothing is locked, and time may pass, between two pages.

use std::{
    num::NonZeroU32,
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use futures::{StreamExt as _, TryStreamExt as _};
use mvi_core::{
    Items, Name, Result,
    hook::Op,
    kv::{Condition, Consistency, Cursor, Found, Order, Query, Record, Scan, Table},
};

use super::{
    SimKv, op,
    records::{Last, Reads, Records, Stored},
    store::{Store, is_expired},
};
use crate::sim::{
    shared::{Page, Progress, paged},
    world::{Turn, lock},
};

/// What a stream was asked for.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Query(Query),
    Scan(Scan),
}

impl Request {
    fn op(&self) -> &'static Op {
        match self {
            Self::Query(_) => const { op("kv.query") },
            Self::Scan(_) => const { op("kv.scan") },
        }
    }

    fn table(&self) -> &Name {
        match self {
            Self::Query(query) => &query.table,
            Self::Scan(scan) => &scan.table,
        }
    }

    fn limit(&self) -> Option<u64> {
        match self {
            Self::Query(query) => query.limit,
            Self::Scan(scan) => scan.limit,
        }
    }

    fn after(&self) -> Option<&Cursor> {
        match self {
            Self::Query(query) => query.after.as_ref(),
            Self::Scan(scan) => scan.after.as_ref(),
        }
    }

    fn filter(&self) -> Option<&Condition> {
        match self {
            Self::Query(query) => query.filter.as_ref(),
            Self::Scan(scan) => scan.filter.as_ref(),
        }
    }

    fn descending(&self) -> bool {
        matches!(self, Self::Query(query) if query.order == Order::Descending)
    }

    /// The most records to read at a time, where the caller says.
    fn page(&self) -> Option<NonZeroU32> {
        match self {
            Self::Query(query) => query.page,
            Self::Scan(scan) => scan.page,
        }
    }

    fn consistency(&self) -> Consistency {
        match self {
            // An index is never read strongly: the check refuses it.
            Self::Query(query) => query.consistency,
            Self::Scan(scan) => scan.consistency,
        }
    }

    fn check(&self, table: &Table) -> Result<()> {
        match self {
            Self::Query(query) => query.check(table),
            Self::Scan(scan) => scan.check(table),
        }
    }

    fn reads(&self, table: &Table, records: &Records) -> Option<Reads> {
        match self {
            Self::Query(query) => records.query(table, query),
            Self::Scan(scan) => Some(Records::scan(scan)),
        }
    }
}

impl SimKv {
    pub(super) fn stream(&self, request: Request) -> Items<Record> {
        let (kv, limit) = (self.clone(), request.limit());
        let request = Arc::new(request);
        let pages = paged(limit, move |progress, left| {
            let (kv, request) = (kv.clone(), Arc::clone(&request));
            async move {
                let (op, table) = (request.op(), request.table().clone());
                if matches!(progress, Progress::Start) {
                    let checked = kv.check(&table, |it| request.check(it));
                    checked.map_err(|e| e.or_at(op.name(), &table))?;
                }
                let store = Arc::clone(&kv.store);
                let read = move |turn: &Turn<'_>| read_page(&store, turn, &request, left, progress);
                kv.world.call(op, table.as_str(), read).await
            }
        });
        // Copied one by one, where nothing is locked.
        pages.map_ok(|it: Arc<Stored>| it.record.clone()).boxed()
    }
}

fn read_page(
    store: &Mutex<Store>,
    turn: &Turn<'_>,
    request: &Request,
    left: Option<u64>,
    progress: Progress<Last>,
) -> Result<Page<Arc<Stored>, Last>> {
    let mut store = lock(store);
    if let Request::Query(query) = request {
        store.pace(turn, &query.table, &query.partition)?;
    }
    let room = store.room(turn, request.table())?;
    request.check(&room.table)?;
    let mut page = Page { found: Vec::new(), progress: Progress::End };
    let Some(reads) = request.reads(&room.table, &room.records) else { return Ok(page) };
    let (last, was_empty) = progress.place();
    let start = || request.after().map(|it| room.records.last(&it.key, it.place.as_ref()));
    let last = last.or_else(start);
    let Some(size) = turn.page(request.page(), turn.weather.kv.pages(), was_empty) else {
        return Ok(Page::empty(last));
    };
    let (mut read, mut failed, mut reached) = (0, None, None);
    let moment = turn.as_of(request.consistency());
    let filter = request.filter().map(|it| (it, turn.now()));
    room.records.read(&reads, last.as_ref(), request.descending(), moment, |at, stored| {
        let full = left.is_some_and(|left| page.found.len() as u64 >= left);
        if read == size || full {
            page.progress = Progress::After(reached.map(Last::from), false);
            return ControlFlow::Break(());
        }
        read += 1;
        reached = Some(at);
        let Stored { record, .. } = &**stored;
        let found = Found { item: &record.item, version: &record.version };
        let wanted = match filter {
            _ if is_expired(record, turn) => Ok(false),
            Some((filter, now)) => filter.holds(Some(found), now),
            None => Ok(true),
        };
        match wanted {
            Ok(true) => page.found.push(Arc::clone(stored)),
            Ok(false) => {}
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    failed.map_or(Ok(page), Err)
}
