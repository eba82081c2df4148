//! A sound Kv, and what breaks one of its promises.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    ops::Bound,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_core::{
    Error, ErrorKind, Items, Kv, Labels, Name, Result, Timestamp, When,
    kv::{
        Change, Check, Comparison, Condition, Consistency, CreateTable, Cursor, Delete, Found, Get,
        GetMany, Item, Key, KeyValue, Operand, Order, Put, Query, Range, Record, Scan, Segment,
        Step, Table, Transact, Update, Value, Version, Write, WriteMany, apply,
    },
};

use super::{
    super::{Border, at_borders, eager, rewrite},
    Flaw,
};

/// A sound Kv that keeps all of its promises but one.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    kv: Arc<dyn Kv>,
    flaw: Option<Flaw>,
    memory: Arc<Mutex<Memory>>,
}

/// What a flaw remembers that a sound Kv would have forgotten.
#[derive(Debug, Default)]
struct Memory {
    created: BTreeSet<Name>,
    /// The items of records that were put with an expiry of the past.
    expired: HashMap<(Name, Key), Item>,
    /// What an index gave first.
    indexed: HashMap<(Name, Name, KeyValue), Vec<Record>>,
}

impl Broken {
    pub(crate) fn new(kv: Arc<dyn Kv>, flaw: Option<Flaw>) -> Self {
        Self { kv, flaw, memory: Arc::default() }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn remember<R>(&self, act: impl FnOnce(&mut Memory) -> R) -> R {
        act(&mut self.memory.lock().unwrap())
    }

    async fn strong(&self, table: &Name, key: &Key) -> Result<Option<Record>> {
        self.kv.get(Get::new(table.clone(), key.clone()).strong()).await
    }

    /// What the flaw makes of a write's condition.
    fn condition(&self, condition: Condition) -> Condition {
        let each = |all: Vec<Condition>| all.into_iter().map(|it| self.condition(it)).collect();
        match condition {
            Condition::All(all) => Condition::All(each(all)),
            Condition::Any(any) => Condition::Any(each(any)),
            Condition::Not(not) => Condition::Not(Box::new(self.condition(*not))),
            Condition::Version(_) if self.has(Flaw::VersionMeansPresent) => Condition::Present,
            Condition::Compare(path, Comparison::Ne, operand)
                if self.has(Flaw::NeWantsSomething) =>
            {
                let has = Condition::Has(path.clone());
                Condition::Compare(path, Comparison::Ne, operand).and(has)
            }
            // 5 is less than 10, and "5" is not less than "10".
            Condition::Compare(path, Comparison::Lt, Operand::Value(Value::Number(number)))
                if self.has(Flaw::NumbersCompareAsText) && number.to_string().starts_with('1') =>
            {
                Condition::Compare(path, Comparison::Lt, Operand::Value(1.into()))
            }
            Condition::Compare(path, comparison, Operand::Time(When::Now))
                if self.has(Flaw::NowIsLongAgo) =>
            {
                Condition::Compare(path, comparison, Operand::Value(0.into()))
            }
            other => other,
        }
    }

    /// What the flaw makes of an item on its way in.
    fn item(&self, item: Item) -> Item {
        let change = |value: Value| match value {
            Value::Number(number) if self.has(Flaw::IntegersAreFloats) => {
                Value::try_from(number.as_f64()).unwrap()
            }
            Value::Bytes(bytes) if self.has(Flaw::LongBytesAreCut) && bytes.len() > 65_536 => {
                Value::Bytes(bytes.slice(..65_536))
            }
            other => other,
        };
        let change = |value: Value| match value {
            Value::List(list) => Value::List(list.into_iter().map(change).collect()),
            other => change(other),
        };
        let keep = |value: &Value| !(self.has(Flaw::NullsAreDropped) && *value == Value::Null);
        let all = item.into_attributes().into_iter().filter(|(_, value)| keep(value));
        all.map(|(name, value)| (name, change(value))).collect()
    }

    /// Answers as it would be without the operation and the table.
    fn nameless<R>(&self, answer: Result<R>) -> Result<R> {
        match answer {
            Err(e) if self.has(Flaw::ErrorsAreNameless) => {
                Err(Error::new(e.kind(), "something failed"))
            }
            other => other,
        }
    }

    async fn put_item(&self, mut put: Put) -> Result<Version> {
        let place = (put.table.clone(), put.key.clone());
        put.item = self.item(put.item);
        put.only_if = put.only_if.map(|it| self.condition(it));
        match self.flaw {
            Some(Flaw::PutForgetsItsCondition) => put.only_if = None,
            Some(Flaw::NothingExpires) => put.expires = None,
            Some(Flaw::PutMerges) => {
                let old =
                    self.strong(&place.0, &place.1).await?.map(|it| it.item.into_attributes());
                put.item = old.into_iter().flatten().chain(put.item.into_attributes()).collect();
            }
            Some(Flaw::TheSameItemIsNoWrite) if put.only_if.is_none() => {
                match self.strong(&place.0, &place.1).await? {
                    Some(old) if old.item == put.item => return Ok(old.version),
                    _ => {}
                }
            }
            Some(Flaw::PutLooksThenWrites) => {
                if let Some(condition) = put.only_if.take() {
                    let old = self.strong(&place.0, &place.1).await?;
                    holds(&condition, old.as_ref())?;
                }
            }
            Some(Flaw::ConditionsSeeTheExpired)
                if put.only_if == Some(Condition::Absent)
                    && self.remember(|it| it.expired.contains_key(&place)) =>
            {
                return Err(Error::conflict("there is one still").at("kv.put", &put.table));
            }
            _ => {}
        }
        let is_expired = matches!(put.expires, Some(When::Ago(_)));
        let item = put.item.clone();
        let answer = self.kv.put(put).await;
        if is_expired && answer.is_ok() {
            self.remember(|it| it.expired.insert(place, item));
        } else if answer.is_ok() {
            self.remember(|it| it.expired.remove(&place));
        }
        match answer {
            Err(e)
                if self.has(Flaw::WhatIsTooLongIsIgnored) && e.message().contains("a key of") =>
            {
                Ok(Version::new("none"))
            }
            answer => answer,
        }
    }

    async fn update_item(&self, mut update: Update) -> Result<Record> {
        let place = (update.table.clone(), update.key.clone());
        update.only_if = update.only_if.map(|it| self.condition(it));
        match self.flaw {
            Some(Flaw::UpdateForgetsItsCondition) => update.only_if = None,
            Some(Flaw::UpdateReadsThenWrites) => {
                let old = self.strong(&place.0, &place.1).await?;
                let mut item = old.map(|it| it.item).unwrap_or_default();
                apply(&update.changes, &mut item, Timestamp::UNIX_EPOCH)?;
                self.kv.put(Put::new(place.0.clone(), place.1.clone(), item)).await?;
                let new = self.strong(&place.0, &place.1).await?;
                return new.ok_or_else(|| Error::conflict("it is gone"));
            }
            Some(Flaw::OverflowSaturates) => {
                let old = self.strong(&place.0, &place.1).await?;
                let old = old.map(|it| it.item).unwrap_or_default();
                for change in &mut update.changes {
                    if let Change::Increment(path, by) = change
                        && let Some(int) = old.at(path).and_then(Value::as_int)
                    {
                        *change = Change::Set(path.clone(), int.saturating_add(*by).into());
                    }
                }
            }
            Some(Flaw::AppendSkipsRepeats) => {
                let old = self.strong(&place.0, &place.1).await?;
                let old = old.map(|it| it.item).unwrap_or_default();
                for change in &mut update.changes {
                    if let Change::Append(path, values) = change
                        && let Some(Value::List(list)) = old.at(path)
                    {
                        values.retain(|it| !list.contains(it));
                    }
                }
            }
            Some(Flaw::UpdateGivesWhatWas) => {
                let old = self.strong(&place.0, &place.1).await?;
                let mut new = self.kv.update(update).await?;
                new.item = old.map_or(new.item, |it| it.item);
                return Ok(new);
            }
            Some(Flaw::ChangesAreMadeOneByOne) => {
                check_alone(&update)?;
                for change in std::mem::take(&mut update.changes) {
                    let one = Update { changes: vec![change], ..update.clone() };
                    self.kv.update(one).await?;
                }
            }
            Some(Flaw::UpdateRevivesTheExpired) => {
                if let Some(item) = self.remember(|it| it.expired.remove(&place)) {
                    self.kv.put(Put::new(place.0, place.1, item)).await?;
                }
            }
            Some(Flaw::UpdateForgetsTheExpiry) if update.expires.is_none() => {
                let ttl = self.kv.table(&place.0).await?.ttl;
                if ttl == mvi_core::kv::Ttl::On {
                    update.expires = Some(mvi_core::kv::Expiry::Never);
                }
            }
            _ => {}
        }
        self.kv.update(update).await
    }

    async fn delete_item(&self, mut delete: Delete) -> Result<()> {
        let (table, key) = (delete.table.clone(), delete.key.clone());
        delete.only_if = delete.only_if.map(|it| self.condition(it));
        match self.flaw {
            Some(Flaw::DeleteForgetsItsCondition) => delete.only_if = None,
            Some(Flaw::DeleteOfNothingFails) if self.strong(&table, &key).await?.is_none() => {
                return Err(Error::new(ErrorKind::NotFound, "none").at("kv.delete", table));
            }
            Some(Flaw::DeleteTakesThePartition) => {
                let query = Query::new(table.clone(), key.partition).strong();
                for record in self.kv.query(query).try_collect::<Vec<_>>().await? {
                    self.kv.delete(Delete::new(table.clone(), record.key)).await?;
                }
            }
            _ => {}
        }
        self.kv.delete(delete).await
    }

    async fn step(&self, step: Step) -> Result<Option<Version>> {
        match step {
            Step::Put(put) => self.kv.put(put).await.map(Some),
            Step::Update(update) => self.kv.update(update).await.map(|it| Some(it.version)),
            Step::Delete(delete) => self.kv.delete(delete).await.map(|()| None),
            Step::Check(Check { table, key, condition }) => {
                holds(&condition, self.strong(&table, &key).await?.as_ref()).map(|()| None)
            }
        }
    }

    fn query_table(&self, mut query: Query) -> Items<Record> {
        let kv = Arc::clone(&self.kv);
        let asked = query.clone();
        match self.flaw {
            Some(Flaw::StrongQueryIsEventual) => query.consistency = Consistency::Eventual,
            Some(Flaw::DescendingIsIgnored) => query.order = Order::Ascending,
            Some(Flaw::LimitIsIgnored) => query.limit = None,
            Some(Flaw::FilterIsIgnored) => query.filter = None,
            Some(Flaw::ExcludedBoundsAreIncluded) => {
                let include = |bound| match bound {
                    Bound::Excluded(value) => Bound::Included(value),
                    other => other,
                };
                if let Range::Between(from, to) = query.range {
                    query.range = Range::Between(include(from), include(to));
                }
            }
            Some(Flaw::PrefixIsAnyPart) => {
                if let Range::Prefix(KeyValue::Text(part)) = asked.range {
                    query.range = Range::All;
                    return rewrite(self.kv.query(query), async move |mut all| {
                        all.retain(|it| matches!(&it.key.sort, Some(KeyValue::Text(text)) if text.contains(&part)));
                        Ok(all)
                    });
                }
            }
            Some(Flaw::LimitComesBeforeTheFilter) => {
                if let Some(filter) = query.filter.take() {
                    return rewrite(self.kv.query(query), async move |mut all| {
                        all.retain(|it| holds(&filter, Some(it)).is_ok());
                        Ok(all)
                    });
                }
            }
            Some(Flaw::CursorIsIncluded) => {
                if let Some(Cursor { key, .. }) = query.after.take() {
                    return rewrite(self.kv.query(query), async move |all| {
                        Ok(all.into_iter().skip_while(|it| it.key != key).collect())
                    });
                }
            }
            Some(Flaw::CursorNeedsItsRecord) => {
                if let Some(Cursor { key, .. }) = query.after.clone() {
                    let gone = Query { after: None, ..query.clone() };
                    return rewrite(self.kv.query(query), async move |rest| {
                        let there = kv.get(Get::new(gone.table.clone(), key).strong()).await?;
                        if there.is_some() { Ok(rest) } else { kv.query(gone).try_collect().await }
                    });
                }
            }
            Some(Flaw::PartitionIsAPrefix) => {
                if let KeyValue::Text(prefix) = &asked.partition {
                    let (prefix, scan) = (prefix.clone(), Scan::new(asked.table.clone()).strong());
                    return rewrite(self.kv.scan(scan), async move |mut all| {
                        all.retain(|it| matches!(&it.key.partition, KeyValue::Text(text) if text.starts_with(&prefix)));
                        Ok(all)
                    });
                }
            }
            Some(Flaw::StreamsAreEager) => return eager(kv.query(query)),
            Some(flaw @ (Flaw::PagesLoseARecord | Flaw::PagesRepeatARecord)) => {
                if let Some(page) = query.page {
                    let page = usize::try_from(page.get()).unwrap();
                    let loses = flaw == Flaw::PagesLoseARecord;
                    let border = if loses { Border::Loses } else { Border::Repeats };
                    let items = self.kv.query(query);
                    return rewrite(items, async move |all| Ok(at_borders(all, page, border)));
                }
            }
            Some(Flaw::IntegersAreSortedAsText) => {
                return rewrite(self.kv.query(query), async |mut all| {
                    all.sort_by_key(|it| match it.key.sort {
                        Some(KeyValue::Int(int)) => Some(int.to_string()),
                        _ => None,
                    });
                    Ok(all)
                });
            }
            Some(Flaw::TextIsSortedAsInADictionary) => {
                return rewrite(self.kv.query(query), async |mut all| {
                    all.sort_by_key(|it| match &it.key.sort {
                        Some(KeyValue::Text(text)) => Some(text.to_lowercase()),
                        _ => None,
                    });
                    Ok(all)
                });
            }
            _ => {}
        }
        self.kv.query(query)
    }

    fn query_index(&self, mut query: Query, index: Name) -> Items<Record> {
        match self.flaw {
            Some(Flaw::StrongIndexIsEventual) => query.consistency = Consistency::Eventual,
            Some(Flaw::IndexIsNotSparse) if index.as_str() == "by-owner" => {
                let KeyValue::Text(owner) = query.partition else { return self.kv.query(query) };
                let scan = Scan::new(query.table).filter(Condition::eq("owner", owner));
                return self.kv.scan(scan.strong());
            }
            Some(Flaw::IndexIsNotSorted) => {
                return rewrite(self.kv.query(query), async |mut all| {
                    all.sort_by_key(|it| Reverse(it.key.clone()));
                    Ok(all)
                });
            }
            Some(Flaw::IndexIsNotUpdated) => {
                let (this, place) =
                    (self.clone(), (query.table.clone(), index, query.partition.clone()));
                return rewrite(self.kv.query(query), async move |all| {
                    Ok(this.remember(|it| match it.indexed.get(&place) {
                        Some(before) => before.clone(),
                        None if all.is_empty() => all,
                        None => it.indexed.entry(place).or_insert(all).clone(),
                    }))
                });
            }
            _ => {}
        }
        self.kv.query(query)
    }
}

fn holds(condition: &Condition, found: Option<&Record>) -> Result<()> {
    let found = found.map(|it| Found { item: &it.item, version: &it.version });
    if condition.holds(found, Timestamp::UNIX_EPOCH)? {
        return Ok(());
    }
    Err(Error::conflict("it does not hold").at("kv.put", "table"))
}

/// Checks changes by themselves, as a sound Kv would before it makes any.
fn check_alone(update: &Update) -> Result<()> {
    let paths: BTreeSet<_> = update.changes.iter().map(Change::path).collect();
    if paths.len() == update.changes.len() {
        return Ok(());
    }
    Err(Error::invalid("two changes at a path").at("kv.update", &update.table))
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Kv for Broken {
    async fn create_table(&self, request: CreateTable) -> Result<Table> {
        let name = request.name.clone();
        let again = !self.remember(|it| it.created.insert(name.clone()));
        if self.has(Flaw::CreateRefusesARepeat) && again {
            let error = Error::new(ErrorKind::AlreadyExists, "it is there");
            return Err(error.at("kv.create_table", name));
        }
        match self.kv.create_table(request).await {
            Err(e)
                if e.kind() == ErrorKind::AlreadyExists
                    && self.has(Flaw::CreateTakesOtherSettings) =>
            {
                self.kv.table(&name).await
            }
            answer => answer,
        }
    }

    async fn table(&self, name: &Name) -> Result<Table> {
        self.kv.table(name).await
    }

    fn list_tables(&self, labels: Labels) -> Items<Table> {
        let ignored = self.has(Flaw::ListIgnoresLabels);
        self.kv.list_tables(if ignored { Labels::new() } else { labels })
    }

    async fn delete_table(&self, name: &Name) -> Result<()> {
        match self.flaw {
            Some(Flaw::DeletedTablesKeepTheirRecords) => return Ok(()),
            Some(Flaw::DeleteOfNoTableFails) => drop(self.kv.table(name).await?),
            _ => {}
        }
        self.kv.delete_table(name).await
    }

    async fn get(&self, mut request: Get) -> Result<Option<Record>> {
        if self.has(Flaw::StrongGetIsEventual) {
            request.consistency = Consistency::Eventual;
        }
        match self.kv.get(request).await {
            Err(e) if e.kind() == ErrorKind::NotFound && self.has(Flaw::NoTableReadsAsEmpty) => {
                Ok(None)
            }
            answer => self.nameless(answer),
        }
    }

    async fn put(&self, request: Put) -> Result<Version> {
        self.nameless(self.put_item(request).await)
    }

    async fn update(&self, request: Update) -> Result<Record> {
        self.nameless(self.update_item(request).await)
    }

    async fn delete(&self, request: Delete) -> Result<()> {
        self.nameless(self.delete_item(request).await)
    }

    async fn get_many(&self, mut request: GetMany) -> Result<Vec<Result<Option<Record>>>> {
        let asked = request.keys.len();
        if self.has(Flaw::GetManyStopsAtAHundred) {
            request.keys.truncate(100);
        }
        let mut found = self.kv.get_many(request).await?;
        found.resize_with(asked, || Ok(None));
        if self.has(Flaw::GetManyAnswersInItsOwnOrder) {
            found.reverse();
        }
        Ok(found)
    }

    async fn write_many(&self, request: WriteMany) -> Result<Vec<Result<Option<Version>>>> {
        if self.has(Flaw::WriteManyTakesARecordTwice) {
            let mut outcomes = Vec::new();
            for write in request.writes {
                outcomes.push(match write {
                    Write::Put(put) => self.kv.put(put).await.map(Some),
                    Write::Delete(delete) => self.kv.delete(delete).await.map(|()| None),
                });
            }
            return Ok(outcomes);
        }
        let outcomes = self.kv.write_many(request).await?;
        if self.has(Flaw::WriteManySwallowsErrors) {
            return Ok(outcomes.into_iter().map(|it| Ok(it.unwrap_or(None))).collect());
        }
        Ok(outcomes)
    }

    async fn transact(&self, mut request: Transact) -> Result<Vec<Option<Version>>> {
        match self.flaw {
            Some(Flaw::TransactSkipsChecks) => {
                request.steps.retain(|it| !matches!(it, Step::Check(_)));
                let left = request.steps.len();
                return if left == 0 { Ok(vec![]) } else { self.kv.transact(request).await };
            }
            Some(Flaw::TransactTakesStepsOneByOne) => {
                request.check().map_err(|e| e.at("kv.transact", "table"))?;
                let mut versions = Vec::new();
                for step in request.steps {
                    versions.push(self.step(step).await?);
                }
                return Ok(versions);
            }
            Some(Flaw::TransactReadsThenWrites) => {
                // Conditions first, then writes without them.
                let mut writes = Vec::new();
                for step in request.steps {
                    if let Step::Put(Put { table, key, item, only_if, .. }) = step {
                        let found = self.strong(&table, &key).await?;
                        only_if.map_or(Ok(()), |it| holds(&it, found.as_ref()))?;
                        writes.push(Step::Put(Put::new(table, key, item)));
                    }
                }
                let mut versions = Vec::new();
                for write in writes {
                    versions.push(self.step(write).await?);
                }
                return Ok(versions);
            }
            Some(Flaw::TransactTakesMoreThanAHundred) => {
                let rest = request.steps.split_off(request.steps.len().min(100));
                let mut versions = self.kv.transact(request).await?;
                if !rest.is_empty() {
                    versions.extend(self.kv.transact(Transact { steps: rest }).await?);
                }
                return Ok(versions);
            }
            _ => {}
        }
        self.kv.transact(request).await
    }

    fn query(&self, request: Query) -> Items<Record> {
        match request.index.clone() {
            Some(index) => self.query_index(request, index),
            None => self.query_table(request),
        }
    }

    fn scan(&self, mut request: Scan) -> Items<Record> {
        match (self.flaw, request.segment, request.page) {
            (Some(Flaw::ScanStopsAfterAPage), _, Some(page)) => {
                request.limit = Some(page.get().into());
            }
            (Some(Flaw::SegmentsOverlap), Some(Segment { number, of }), _) if of > 1 => {
                // The last is the first.
                request.segment = Some(Segment { number: number % (of - 1), of });
            }
            (Some(Flaw::LastSegmentIsEmpty), Some(Segment { number, of }), _)
                if of > 1 && number == of - 1 =>
            {
                return stream::empty().boxed();
            }
            _ => {}
        }
        self.kv.scan(request)
    }
}
