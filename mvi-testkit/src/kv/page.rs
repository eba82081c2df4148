//! Reads that page: nothing is locked, and time may pass, between two pages.

use std::{
    num::NonZeroU32,
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_core::{
    Error, Items, Name, Result,
    kv::{Condition, Consistency, Cursor, Found, Order, Query, Record, Scan, Table},
};

use super::{
    SimKv, op,
    records::{Last, Reads, Records, Stored},
    store::{Store, is_expired},
};
use crate::sim::world::{Turn, lock};

/// What a stream was asked for.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Query(Query),
    Scan(Scan),
}

impl Request {
    fn op(&self) -> &'static str {
        match self {
            Self::Query(_) => "kv.query",
            Self::Scan(_) => "kv.scan",
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

    /// The most records to read at a time.
    fn page(&self, turn: &Turn<'_>) -> u32 {
        let page = match self {
            Self::Query(query) => query.page,
            Self::Scan(scan) => scan.page,
        };
        page.map_or(turn.weather.kv.page, NonZeroU32::get).max(1)
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

/// A stream being read.
struct Reading {
    kv: SimKv,
    request: Arc<Request>,
    /// How many records may still be given.
    left: Option<u64>,
    progress: Progress,
}

/// How far a stream has come.
#[derive(Clone, Debug)]
enum Progress {
    Start,
    /// After the last record that was read; and whether the page had none.
    After(Option<Last>, bool),
    End,
}

struct Page {
    found: Vec<Arc<Stored>>,
    progress: Progress,
}

impl SimKv {
    pub(super) fn stream(&self, request: Request) -> Items<Record> {
        let (kv, left) = (self.clone(), request.limit());
        let reading = Reading { kv, request: Arc::new(request), left, progress: Progress::Start };
        let pages = stream::try_unfold(reading, |mut reading| async move {
            Ok::<_, Error>(reading.next().await?.map(|found| (found, reading)))
        });
        // Copied one by one, where nothing is locked.
        let records = |found: Vec<Arc<Stored>>| found.into_iter().map(|it| Ok(it.record.clone()));
        pages.map_ok(move |found| stream::iter(records(found))).try_flatten().boxed()
    }
}

impl Reading {
    /// What the next page has, which may be nothing; `None` after the last.
    async fn next(&mut self) -> Result<Option<Vec<Arc<Stored>>>> {
        // A limit of 0 asks for nothing, and is checked all the same.
        let begun = !matches!(self.progress, Progress::Start);
        if matches!(self.progress, Progress::End) || (begun && self.left == Some(0)) {
            return Ok(None);
        }
        let Page { found, progress } = self.page().await?;
        self.left = self.left.map(|left| left.saturating_sub(found.len() as u64));
        self.progress = progress;
        Ok(Some(found))
    }

    async fn page(&self) -> Result<Page> {
        let Self { kv, request, left, progress } = self;
        let (op, table) = (op(request.op()), request.table().clone());
        if matches!(progress, Progress::Start) {
            kv.check(&table, |it| request.check(it)).map_err(|e| e.or_at(op.name(), &table))?;
        }
        let (store, request) = (Arc::clone(&kv.store), Arc::clone(request));
        let (left, progress) = (*left, progress.clone());
        let read = move |turn: &Turn<'_>| read_page(&store, turn, &request, left, progress);
        kv.world.call(op, table.as_str(), read).await
    }
}

fn read_page(
    store: &Mutex<Store>,
    turn: &Turn<'_>,
    request: &Request,
    left: Option<u64>,
    progress: Progress,
) -> Result<Page> {
    let mut store = lock(store);
    if let Request::Query(query) = request {
        store.pace(turn, &query.table, &query.partition)?;
    }
    let room = store.room(turn, request.table())?;
    request.check(&room.table)?;
    let mut page = Page { found: Vec::new(), progress: Progress::End };
    let Some(reads) = request.reads(&room.table, &room.records) else { return Ok(page) };
    let (last, was_empty) = match progress {
        Progress::After(last, was_empty) => (last, was_empty),
        Progress::Start | Progress::End => {
            let start = request.after();
            (start.map(|it| room.records.last(&it.key, it.place.as_ref())), false)
        }
    };
    // Never two in a row, so that a stream comes to its end.
    if !was_empty && turn.world.chance(turn.weather.kv.empty_page) {
        page.progress = Progress::After(last, true);
        return Ok(page);
    }
    let mut size = request.page(turn);
    if turn.world.chance(turn.weather.kv.short_page) {
        size = 1 + turn.world.pick(size);
    }
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
