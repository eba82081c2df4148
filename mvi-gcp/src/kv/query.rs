//! Queries and scans, a page at a time.
//!
//! Ascending, a table is read by document id; descending, by the sortable key; an index by its own field. Each is one
//! range of one field with an order, which Firestore's automatic indexes serve. Equality in the filter of an ascending
//! read goes along; the rest of a filter, and expiry, are held here, on what was read.

use std::{ops::Bound, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use gcloud_sdk::google::firestore::v1::{
    Cursor as WireCursor, Document, StructuredQuery, Value as Wire,
    structured_query::{
        CollectionSelector, CompositeFilter, Direction, FieldFilter, FieldReference, Filter,
        Order as WireOrder, composite_filter::Operator as Junction,
        field_filter::Operator as Relation, filter::FilterType,
    },
    value::ValueType,
};
use mvi_core::{
    Error, ErrorKind, Items, Result,
    kv::{
        Comparison, Condition, Cursor, Found, Key, Operand, Order, Path, Query, Record, Scan,
        Table, Value, codec,
    },
};

use super::{
    client::Client,
    document::{ITEM, SORT, Stored, field_path, index_field},
    value::{foreign, to_wire, wire},
};
use crate::clock;

/// The most records to read at a time, where the caller does not say: at most 40 MB.
const PAGE: u32 = 100;
/// The longest text or bytes that Firestore indexes whole, less what it adds: what is longer is compared here.
///
/// [Source](https://cloud.google.com/firestore/quotas#indexes): 1,500 bytes.
const MAX_INDEXED_BYTES: usize = 1_400;

/// What to read, in terms of documents.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    table: Arc<Table>,
    collection: String,
    /// The field that is read in order: its name, and its path as Firestore writes it.
    field: Field,
    descending: bool,
    /// The field's values, from and to.
    from: Option<(Relation, Wire)>,
    to: Option<(Relation, Wire)>,
    /// What of the filter Firestore holds.
    pushed: Vec<Filter>,
    filter: Option<Condition>,
    /// The value after which to go on.
    after: Option<Wire>,
    /// How many more to give.
    limit: Option<u64>,
    page: u32,
}

/// A field by which documents are read in order.
#[derive(Clone, Debug)]
enum Field {
    /// The document's own name.
    Name,
    /// A field of ours.
    Own(String),
}

impl Field {
    fn path(&self) -> String {
        match self {
            Self::Name => "__name__".to_owned(),
            Self::Own(name) => field_path([name.as_str()]),
        }
    }

    fn value(&self, document: &Document) -> Result<Wire> {
        match self {
            Self::Name => Ok(wire(ValueType::ReferenceValue(document.name.clone()))),
            Self::Own(name) => document
                .fields
                .get(name)
                .cloned()
                .ok_or_else(|| foreign("no field that its query is on")),
        }
    }
}

/// What a query comes down to.
#[derive(Debug)]
pub(super) enum Reads {
    /// Nothing.
    Nothing,
    /// The one record at this key, where the filter holds.
    One(Key, Option<Condition>),
    /// Pages of documents.
    Pages(Box<Plan>),
}

impl Plan {
    /// Plans `query`, which was checked.
    pub(super) fn query(
        client: &Client,
        table: Arc<Table>,
        collection: String,
        query: Query,
    ) -> Reads {
        let Query {
            table: _,
            index,
            partition,
            range,
            filter,
            order,
            limit,
            after,
            // Firestore's reads are strong; of an index it was refused before.
            consistency: _,
            page,
        } = query;
        if limit == Some(0) || range.is_empty() {
            return Reads::Nothing;
        }
        let descending = order == Order::Descending;
        let index = index.and_then(|name| table.index(&name).cloned());
        let bytes = |bytes| wire(ValueType::BytesValue(bytes));
        let within = |(from, to)| {
            (
                Some((Relation::GreaterThanOrEqual, bytes(from))),
                Some((Relation::LessThan, bytes(to))),
            )
        };
        let (field, (from, to), after) = match index {
            Some(index) => {
                let place =
                    |it: Cursor| codec::index_bytes(&it.place.unwrap_or(it.key.clone()), &it.key);
                let range = within(codec::byte_range(&partition, &range));
                (Field::Own(index_field(&index)), range, after.map(|it| bytes(place(it))))
            }
            None if table.sort.is_none() => {
                return match after {
                    Some(_) => Reads::Nothing,
                    None => Reads::One(Key::new(partition), filter),
                };
            }
            None if descending => {
                let range = within(codec::byte_range(&partition, &range));
                let after = after.map(|it| bytes(codec::sort_bytes(&it.key)));
                (Field::Own(SORT.to_owned()), range, after)
            }
            None => {
                let name =
                    |id: &str| wire(ValueType::ReferenceValue(client.document(&collection, id)));
                let (from, to) = codec::id_range(&partition, &range);
                let from = match from {
                    Bound::Included(id) => Some((Relation::GreaterThanOrEqual, name(&id))),
                    Bound::Excluded(id) => Some((Relation::GreaterThan, name(&id))),
                    Bound::Unbounded => None,
                };
                let to = match to {
                    Bound::Included(id) => Some((Relation::LessThanOrEqual, name(&id))),
                    Bound::Excluded(id) => Some((Relation::LessThan, name(&id))),
                    Bound::Unbounded => None,
                };
                let after = after.map(|it| name(&codec::document_id(&it.key)));
                (Field::Name, (from, to), after)
            }
        };
        let pushed = match (&field, &filter) {
            (Field::Name, Some(filter)) => equalities(filter),
            _ => Vec::new(),
        };
        let page = page.map_or(PAGE, Into::into);
        Reads::Pages(Box::new(Self {
            table,
            collection,
            field,
            descending,
            from,
            to,
            pushed,
            filter,
            after,
            limit,
            page,
        }))
    }

    /// Plans `scan`, which was checked.
    pub(super) fn scan(
        client: &Client,
        table: Arc<Table>,
        collection: String,
        scan: Scan,
    ) -> Reads {
        let Scan {
            table: _,
            filter,
            segment,
            limit,
            after,
            // Firestore's reads are strong.
            consistency: _,
            page,
        } = scan;
        if limit == Some(0) {
            return Reads::Nothing;
        }
        let name = |id: &str| wire(ValueType::ReferenceValue(client.document(&collection, id)));
        let (from, to) = match segment.map(|it| codec::segment_range(it.number, it.of)) {
            None => (None, None),
            // More segments than digits: some are empty.
            Some((from, Some(to))) if from == to => return Reads::Nothing,
            Some((from, to)) => (
                Some((Relation::GreaterThanOrEqual, name(&from))),
                to.map(|to| (Relation::LessThan, name(&to))),
            ),
        };
        Reads::Pages(Box::new(Self {
            after: after.map(|it| name(&codec::document_id(&it.key))),
            pushed: filter.as_ref().map(equalities).unwrap_or_default(),
            table,
            collection,
            field: Field::Name,
            descending: false,
            from,
            to,
            filter,
            limit,
            page: page.map_or(PAGE, Into::into),
        }))
    }

    /// Plans every document of `collection`, whatever it holds.
    pub(super) fn documents(collection: &str, page: u32, after: Option<String>) -> StructuredQuery {
        let after = after.map(|name| wire(ValueType::ReferenceValue(name)));
        structured(collection, "__name__", false, Vec::new(), after, page)
    }

    fn structured(&self, count: u32) -> StructuredQuery {
        let path = self.field.path();
        let range = [self.from.clone(), self.to.clone()].into_iter().flatten();
        let mut filters: Vec<_> =
            range.map(|(relation, value)| compare(path.clone(), relation, value)).collect();
        filters.extend(self.pushed.iter().cloned());
        let after = self.after.clone();
        structured(&self.collection, &path, self.descending, filters, after, count)
    }

    /// Reads the next page; `None` where there is none.
    async fn next(&mut self, client: &Client) -> Result<Option<Vec<Record>>> {
        let count = match self.limit {
            Some(0) => return Ok(None),
            // What is filtered here is read all the same, so a page of the limit's size would be too few.
            Some(left) if self.filter.is_none() => {
                u32::try_from(left).unwrap_or(self.page).min(self.page)
            }
            _ => self.page,
        };
        let documents = match client.run_query(client.deadline(), &self.structured(count)).await {
            // No index serves the filter beside the order: it is held here anyway.
            Err(e) if e.kind() == ErrorKind::Unsupported && !self.pushed.is_empty() => {
                self.pushed.clear();
                client.run_query(client.deadline(), &self.structured(count)).await?
            }
            answer => answer?,
        };
        let Some(last) = documents.last() else { return Ok(None) };
        self.after = Some(self.field.value(last)?);
        let is_last = documents.len() < count as usize;
        let now = clock::now();
        let mut page = Vec::with_capacity(documents.len());
        for document in documents {
            let stored = Stored::read(&self.table, document)?;
            if stored.is_live(now) && holds(self.filter.as_ref(), &stored.record, now)? {
                page.push(stored.record);
            }
        }
        if let Some(left) = &mut self.limit {
            page.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= page.len() as u64;
        }
        if is_last {
            self.limit = Some(0);
        }
        Ok(Some(page))
    }

    /// The records, read as they are asked for.
    pub(super) fn stream(self, client: Arc<Client>) -> Items<Record> {
        let pages = stream::try_unfold((self, client), |(mut plan, client)| async move {
            let page = plan.next(&client).await?;
            Ok::<_, Error>(page.map(|page| (page, (plan, client))))
        });
        pages.map_ok(|page| stream::iter(page.into_iter().map(Ok))).try_flatten().boxed()
    }
}

/// Whether `filter` holds of `record`.
pub(super) fn holds(
    filter: Option<&Condition>,
    record: &Record,
    now: jiff::Timestamp,
) -> Result<bool> {
    let Record { item, version, .. } = record;
    filter.map_or(Ok(true), |it| it.holds(Some(Found { item, version }), now))
}

/// The terms of `filter` that Firestore can hold beside the order by name: equality, and all of several.
fn equalities(filter: &Condition) -> Vec<Filter> {
    match filter {
        Condition::Compare(path, Comparison::Eq, Operand::Value(value)) if is_comparable(value) => {
            vec![compare(item_path(path), Relation::Equal, to_wire(value))]
        }
        Condition::All(all) => all.iter().flat_map(equalities).collect(),
        _ => Vec::new(),
    }
}

/// Whether Firestore's equality is ours, and its index holds the whole value.
fn is_comparable(value: &Value) -> bool {
    match value {
        Value::Bool(_) | Value::Number(_) => true,
        Value::Text(text) => text.len() <= MAX_INDEXED_BYTES,
        Value::Bytes(bytes) => bytes.len() <= MAX_INDEXED_BYTES,
        Value::Null | Value::List(_) | Value::Map(_) => false,
    }
}

fn item_path(path: &Path) -> String {
    field_path([ITEM].into_iter().chain(path.parts().iter().map(String::as_str)))
}

fn compare(path: String, relation: Relation, value: Wire) -> Filter {
    let field = Some(FieldReference { field_path: path });
    let filter = FieldFilter { field, op: relation.into(), value: Some(value) };
    Filter { filter_type: Some(FilterType::FieldFilter(filter)) }
}

fn structured(
    collection: &str,
    path: &str,
    descending: bool,
    filters: Vec<Filter>,
    after: Option<Wire>,
    count: u32,
) -> StructuredQuery {
    let filtered = !filters.is_empty();
    let all = CompositeFilter { op: Junction::And.into(), filters };
    let direction = if descending { Direction::Descending } else { Direction::Ascending };
    StructuredQuery {
        from: vec![CollectionSelector {
            collection_id: collection.to_owned(),
            all_descendants: false,
        }],
        r#where: filtered.then_some(Filter { filter_type: Some(FilterType::CompositeFilter(all)) }),
        order_by: vec![WireOrder {
            field: Some(FieldReference { field_path: path.to_owned() }),
            direction: direction.into(),
        }],
        start_at: after.map(|value| WireCursor { values: vec![value], before: false }),
        limit: Some(i32::try_from(count).unwrap_or(i32::MAX)),
        ..StructuredQuery::default()
    }
}
