//! Reads: one record, a partition in order, a whole table.

use std::{ops::Bound, sync::Arc};

use aws_sdk_dynamodb::operation::{
    query::builders::QueryFluentBuilder, scan::builders::ScanFluentBuilder,
};
use futures::{Stream, TryStreamExt as _, stream};
use mvi_core::{
    Error, Name, Result,
    kv::{
        Attr, Condition, Consistency, Cursor, Get, KeyValue, Order, Query, Range, Record, Scan,
        Segment, Table,
    },
};

use super::{
    Inner,
    expression::{self, Placeholders},
    key_attributes,
    value::{Attributes, from_key_value, live, to_record},
};
use crate::{
    attempt::{Repeat, send},
    clock::now,
};

impl Inner {
    pub(super) async fn get(&self, request: Get) -> Result<Option<Record>> {
        let table = self.schema(&request.table).await?;
        request.check(&table)?;
        self.get_item(&table, request).await
    }

    pub(super) async fn get_item(&self, table: &Table, request: Get) -> Result<Option<Record>> {
        let Get { table: name, key, consistency } = request;
        let call = self
            .client
            .get_item()
            .table_name(name.as_str())
            .set_key(Some(key_attributes(table, key)))
            .consistent_read(consistency == Consistency::Strong);
        match send("GetItem", Repeat::Read, call.send()).await {
            Ok(answer) => {
                let record = answer.item.map(|it| to_record(table, it)).transpose()?;
                Ok(record.and_then(live))
            }
            Err(failure) => Err(self.failed(&name, failure)),
        }
    }
}

pub(super) fn query(
    inner: Arc<Inner>,
    request: Query,
) -> impl Stream<Item = Result<Record>> + Send + 'static {
    let pages = async move {
        let table = inner.schema(&request.table).await?;
        request.check(&table)?;
        let Query {
            table: name,
            index,
            partition,
            range,
            filter,
            order,
            limit,
            after,
            consistency,
            page,
        } = request;
        let index = index.as_ref().and_then(|name| table.index(name));
        let (partition_attr, sort_attr) = match index {
            Some(index) => (&index.partition, index.sort.as_ref()),
            None => (&table.partition, table.sort.as_ref()),
        };

        let mut parts = Placeholders::default();
        let mut keys = String::new();
        parts.name(&mut keys, &partition_attr.name);
        keys.push_str(" = ");
        parts.value(&mut keys, from_key_value(partition));
        if let Some(attr) = sort_attr {
            sort_condition(&mut parts, &mut keys, attr, &range);
        }
        let filtered = filter.is_some();
        let filter = written_filter(&mut parts, &table, filter)?;
        let (names, values) = parts.take();
        let call = inner
            .client
            .query()
            .table_name(name.as_str())
            .set_index_name(index.map(|it| it.name.to_string()))
            .key_condition_expression(keys)
            .set_filter_expression(filter)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .scan_index_forward(order == Order::Ascending)
            .consistent_read(consistency == Consistency::Strong);
        let next = after.map(|cursor| {
            let Cursor { key, place } = cursor;
            let mut start = key_attributes(&table, key);
            if let (Some(index), Some(place)) = (index, place) {
                start.insert(index.partition.name.clone(), from_key_value(place.partition));
                if let (Some(attr), Some(value)) = (&index.sort, place.sort) {
                    start.insert(attr.name.clone(), from_key_value(value));
                }
            }
            start
        });
        let nothing = range.is_empty();
        let open = open_ends(&range).then(|| (index.map(|it| it.name.clone()), range));
        Ok(Pages {
            call: Call::Query(call),
            wanted: Wanted { left: limit, page: page.map(Into::into), filtered },
            open,
            next,
            done: nothing,
            table,
            inner,
        })
    };
    records(pages)
}

pub(super) fn scan(
    inner: Arc<Inner>,
    request: Scan,
) -> impl Stream<Item = Result<Record>> + Send + 'static {
    let pages = async move {
        let table = inner.schema(&request.table).await?;
        request.check(&table)?;
        let Scan { table: name, filter, segment, limit, after, consistency, page } = request;
        let mut parts = Placeholders::default();
        let filtered = filter.is_some();
        let filter = written_filter(&mut parts, &table, filter)?;
        let (names, values) = parts.take();
        let number = |it: u32| i32::try_from(it).unwrap_or(i32::MAX);
        let (segment, segments) = match segment {
            Some(Segment { number: part, of }) => (Some(number(part)), Some(number(of))),
            None => (None, None),
        };
        let call = inner
            .client
            .scan()
            .table_name(name.as_str())
            .set_segment(segment)
            .set_total_segments(segments)
            .set_filter_expression(filter)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .consistent_read(consistency == Consistency::Strong);
        Ok(Pages {
            call: Call::Scan(call),
            wanted: Wanted { left: limit, page: page.map(Into::into), filtered },
            open: None,
            next: after.map(|cursor| key_attributes(&table, cursor.key)),
            done: false,
            table,
            inner,
        })
    };
    records(pages)
}

/// Writes which sort values are wanted, as far as the key condition can say it: an open end of two is cut off here.
fn sort_condition(parts: &mut Placeholders, to: &mut String, attr: &Attr, range: &Range) {
    let mut one = |operator: &str, value: &KeyValue| {
        to.push_str(" AND ");
        parts.name(to, &attr.name);
        to.push_str(operator);
        parts.value(to, from_key_value(value.clone()));
    };
    match range {
        Range::All | Range::Between(Bound::Unbounded, Bound::Unbounded) => {}
        Range::Between(Bound::Included(from), Bound::Unbounded) => one(" >= ", from),
        Range::Between(Bound::Excluded(from), Bound::Unbounded) => one(" > ", from),
        Range::Between(Bound::Unbounded, Bound::Included(to)) => one(" <= ", to),
        Range::Between(Bound::Unbounded, Bound::Excluded(to)) => one(" < ", to),
        Range::Between(
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(end) | Bound::Excluded(end),
        ) => {
            one(" BETWEEN ", from);
            to.push_str(" AND ");
            parts.value(to, from_key_value(end.clone()));
        }
        Range::Prefix(prefix) => {
            to.push_str(" AND begins_with(");
            parts.name(to, &attr.name);
            to.push_str(", ");
            parts.value(to, from_key_value(prefix.clone()));
            to.push(')');
        }
    }
}

/// Whether a range has two ends of which one does not belong to it.
fn open_ends(range: &Range) -> bool {
    use Bound::{Excluded, Unbounded};
    match range {
        Range::Between(Unbounded, _) | Range::Between(_, Unbounded) => false,
        Range::Between(from, to) => matches!(from, Excluded(_)) || matches!(to, Excluded(_)),
        _ => false,
    }
}

fn written_filter(
    parts: &mut Placeholders,
    table: &Table,
    filter: Option<Condition>,
) -> Result<Option<String>> {
    let Some(filter) = filter else { return Ok(None) };
    let mut text = String::new();
    expression::term(parts, &mut text, table, &filter, now())?;
    Ok(Some(text))
}

enum Call {
    Query(QueryFluentBuilder),
    Scan(ScanFluentBuilder),
}

/// How much of the results is wanted.
struct Wanted {
    left: Option<u64>,
    page: Option<u32>,
    filtered: bool,
}

impl Wanted {
    /// The most items that the next page may read.
    fn page(&self) -> Option<i32> {
        // Of what is filtered, more must be read than is given.
        let left = self.left.filter(|_| !self.filtered);
        let most = [left, self.page.map(u64::from)].into_iter().flatten().min()?;
        Some(i32::try_from(most).unwrap_or(i32::MAX))
    }
}

/// The pages of a query or a scan, being read.
struct Pages {
    inner: Arc<Inner>,
    table: Arc<Table>,
    call: Call,
    wanted: Wanted,
    /// A range, of the table or an index, that the call reads a little more than.
    open: Option<(Option<Name>, Range)>,
    next: Option<Attributes>,
    done: bool,
}

/// The records of pages that are opened when they are first asked for.
fn records(
    pages: impl Future<Output = Result<Pages>> + Send + 'static,
) -> impl Stream<Item = Result<Record>> + Send + 'static {
    let read = |mut pages: Pages| async move {
        let records = pages.turn().await?;
        Ok::<_, Error>(records.map(|records| (stream::iter(records), pages)))
    };
    stream::once(pages)
        .map_ok(move |pages| stream::try_unfold(pages, read).try_flatten())
        .try_flatten()
}

impl Pages {
    /// Reads the next page, which may be empty and not be the last.
    async fn turn(&mut self) -> Result<Option<Vec<Result<Record>>>> {
        if self.done || self.wanted.left == Some(0) {
            return Ok(None);
        }
        let items = self.page().await?;
        let mut records = Vec::with_capacity(items.len());
        for item in items {
            if self.wanted.left == Some(0) {
                break;
            }
            match to_record(&self.table, item) {
                Ok(record) => {
                    if let Some(record) = live(record)
                        && self.is_in_range(&record)
                    {
                        self.wanted.left = self.wanted.left.map(|left| left - 1);
                        records.push(Ok(record));
                    }
                }
                Err(error) => {
                    records.push(Err(error));
                    self.done = true;
                    break;
                }
            }
        }
        Ok(Some(records))
    }

    fn is_in_range(&self, record: &Record) -> bool {
        let Some((index, range)) = &self.open else { return true };
        match index.as_ref().and_then(|name| self.table.index(name)) {
            None => range.contains(record.key.sort.as_ref()),
            Some(index) => self
                .table
                .place(index, &record.key, &record.item)
                .is_some_and(|place| range.contains(place.sort.as_ref())),
        }
    }

    async fn page(&mut self) -> Result<Vec<Attributes>> {
        let (after, most) = (self.next.take(), self.wanted.page());
        let (items, next) = match &self.call {
            Call::Query(call) => {
                let call = call.clone().set_exclusive_start_key(after).set_limit(most);
                match send("Query", Repeat::Read, call.send()).await {
                    Ok(answer) => (answer.items, answer.last_evaluated_key),
                    Err(failure) => return Err(self.inner.failed(&self.table.name, failure)),
                }
            }
            Call::Scan(call) => {
                let call = call.clone().set_exclusive_start_key(after).set_limit(most);
                match send("Scan", Repeat::Read, call.send()).await {
                    Ok(answer) => (answer.items, answer.last_evaluated_key),
                    Err(failure) => return Err(self.inner.failed(&self.table.name, failure)),
                }
            }
        };
        self.done = next.is_none();
        self.next = next;
        Ok(items.unwrap_or_default())
    }
}
