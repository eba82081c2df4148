//! Kv as a list.

use std::cmp::Ordering;

use mvi_core::{
    ErrorKind, Timestamp, When,
    kv::{
        Change, Comparison, Condition, Expiry, Item, Key, KeyValue, Operand, Order, Path, Query,
        Range, Step, Value, Version,
    },
};

/// What a caller sees of a record, but for its version.
pub(super) type Row = (Key, Item, Option<i64>);

#[derive(Clone, Debug, Default)]
pub(super) struct List(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    key: Key,
    item: Item,
    /// In whole seconds since 1970.
    expires: Option<i64>,
    version: Version,
}

impl Entry {
    fn row(&self) -> Row {
        (self.key.clone(), self.item.clone(), self.expires)
    }
}

fn second(when: When, now: Timestamp) -> i64 {
    let millis = now.as_millisecond();
    let span = |it: std::time::Duration| i64::try_from(it.as_millis()).unwrap();
    let at = match when {
        When::Now => millis,
        When::Ago(ago) => millis - span(ago),
        When::In(wait) => millis + span(wait),
        When::At(time) => time.as_millisecond(),
    };
    at.div_euclid(1_000)
}

impl List {
    /// Forgets what has expired: nobody sees it any more.
    fn forget(&mut self, now: Timestamp) {
        // It is gone from the moment at which it expires.
        self.0.retain(|it| it.expires.is_none_or(|at| now.as_millisecond() < at * 1_000));
    }

    fn find(&self, key: &Key) -> Option<&Entry> {
        self.0.iter().find(|it| it.key == *key)
    }

    pub(super) fn get(&mut self, key: &Key, now: Timestamp) -> Option<Row> {
        self.forget(now);
        self.find(key).map(Entry::row)
    }

    /// The record that a write has just made, expired or not.
    pub(super) fn made(&self, key: &Key) -> Option<Row> {
        self.find(key).map(Entry::row)
    }

    pub(super) fn scan(&mut self, filter: Option<&Condition>, now: Timestamp) -> Vec<Row> {
        self.forget(now);
        let kept = self.0.iter().filter(|it| filter.is_none_or(|filter| holds(filter, Some(it))));
        let mut rows: Vec<_> = kept.map(Entry::row).collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    }

    pub(super) fn query(&mut self, query: &Query, now: Timestamp) -> Result<Vec<Row>, ErrorKind> {
        self.forget(now);
        // What an index is read by has a range, and no filter.
        if query.index.is_some()
            && query.filter.as_ref().is_some_and(|it| speaks_of(it, &["o", "n"]))
        {
            return Err(ErrorKind::Invalid);
        }
        // A place is where it is in what is read: partition, sort value, and its key among equals.
        let place = |it: &Entry| {
            let (partition, sort) = if query.index.is_some() {
                (it.item.get("o")?.as_text()?.to_owned(), it.item.get("n")?.as_int()?)
            } else {
                let KeyValue::Text(partition) = &it.key.partition else { return None };
                let Some(KeyValue::Int(sort)) = it.key.sort else { return None };
                (partition.clone(), sort)
            };
            Some((partition, sort, it.key.clone()))
        };
        let mut found = Vec::new();
        for entry in &self.0 {
            let Some((partition, sort, key)) = place(entry) else { continue };
            if query.partition == KeyValue::Text(partition) && is_in(&query.range, sort) {
                found.push((sort, key, entry));
            }
        }
        found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        if query.order == Order::Descending {
            found.reverse();
        }
        if let Some(cursor) = &query.after {
            let sort = match (&cursor.place, &cursor.key.sort) {
                (Some(Key { sort: Some(KeyValue::Int(sort)), .. }), _)
                | (None, Some(KeyValue::Int(sort))) => *sort,
                other => panic!("a cursor without a place: {other:?}"),
            };
            let last = (sort, cursor.key.clone());
            found.retain(|(sort, key, _)| match query.order {
                Order::Ascending => (*sort, key.clone()) > last,
                Order::Descending => (*sort, key.clone()) < last,
            });
        }
        let kept = found.into_iter().map(|it| it.2);
        let kept =
            kept.filter(|it| query.filter.as_ref().is_none_or(|filter| holds(filter, Some(it))));
        let limit = query.limit.map_or(usize::MAX, |it| usize::try_from(it).unwrap());
        Ok(kept.take(limit).map(Entry::row).collect())
    }

    /// Takes all of the steps or none; `versions` are those that the provider made up.
    pub(super) fn transact(
        &mut self,
        steps: Vec<Step>,
        versions: &[Option<Version>],
        now: Timestamp,
    ) -> Result<Vec<bool>, ErrorKind> {
        self.forget(now);
        if twice(steps.iter().map(|it| it.target().1)) || steps.iter().any(overlaps) {
            return Err(ErrorKind::Invalid);
        }
        let mut after = self.clone();
        let mut written = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            let version = versions.get(number).cloned().flatten();
            // One that is not there is never asked for again: the provider has refused the write.
            let version = version.unwrap_or_else(|| Version::new("refused"));
            let key = step.target().1.clone();
            let found = after.find(&key).cloned();
            let condition = match &step {
                Step::Put(it) => it.only_if.as_ref(),
                Step::Update(it) => it.only_if.as_ref(),
                Step::Delete(it) => it.only_if.as_ref(),
                Step::Check(it) => Some(&it.condition),
            };
            if condition.is_some_and(|it| !holds(it, found.as_ref())) {
                return Err(ErrorKind::Conflict);
            }
            let entry = match step {
                Step::Check(_) => {
                    written.push(false);
                    continue;
                }
                Step::Delete(_) => None,
                Step::Put(put) => {
                    let expires = put.expires.map(|it| second(it, now));
                    Some(Entry { key: key.clone(), item: put.item, expires, version })
                }
                Step::Update(update) => {
                    let (mut item, old) =
                        found.map_or((Item::new(), None), |it| (it.item, it.expires));
                    for change in &update.changes {
                        make(change, &mut item).ok_or(ErrorKind::Conflict)?;
                    }
                    let expires = match update.expires {
                        None => old,
                        Some(Expiry::Never) => None,
                        Some(Expiry::At(when)) => Some(second(when, now)),
                    };
                    Some(Entry { key: key.clone(), item, expires, version })
                }
            };
            written.push(entry.is_some());
            after.0.retain(|it| it.key != key);
            after.0.extend(entry);
        }
        *self = after;
        Ok(written)
    }
}

/// Whether one is there twice.
pub(super) fn twice<'a>(keys: impl Iterator<Item = &'a Key>) -> bool {
    let keys: Vec<_> = keys.collect();
    (1..keys.len()).any(|at| keys[..at].contains(&keys[at]))
}

fn overlaps(step: &Step) -> bool {
    let Step::Update(update) = step else { return false };
    let paths: Vec<_> = update.changes.iter().map(|it| it.path().parts()).collect();
    let over = |a: &[String], b: &[String]| a.starts_with(b) || b.starts_with(a);
    (1..paths.len()).any(|at| paths[..at].iter().any(|it| over(it, paths[at])))
}

fn is_in(range: &Range, sort: i64) -> bool {
    use std::ops::Bound::{Excluded, Included};
    let Range::Between(from, to) = range else { return true };
    let starts = match from {
        Included(KeyValue::Int(from)) => *from <= sort,
        Excluded(KeyValue::Int(from)) => *from < sort,
        _ => true,
    };
    let ends = match to {
        Included(KeyValue::Int(to)) => sort <= *to,
        Excluded(KeyValue::Int(to)) => sort < *to,
        _ => true,
    };
    starts && ends
}

fn speaks_of(condition: &Condition, names: &[&str]) -> bool {
    match condition {
        Condition::All(several) | Condition::Any(several) => {
            several.iter().any(|it| speaks_of(it, names))
        }
        Condition::Not(one) => speaks_of(one, names),
        Condition::Has(path)
        | Condition::Lacks(path)
        | Condition::Compare(path, ..)
        | Condition::StartsWith(path, _)
        | Condition::Contains(path, _) => names.contains(&path.parts()[0].as_str()),
        Condition::Absent | Condition::Present | Condition::Version(_) => false,
    }
}

fn look<'a>(item: &'a Item, path: &Path) -> Option<&'a Value> {
    match path.parts() {
        [name] => item.attributes().get(name),
        [name, inner] => match item.attributes().get(name) {
            Some(Value::Map(map)) => map.get(inner),
            _ => None,
        },
        other => panic!("no path is as deep as {other:?}"),
    }
}

fn holds(condition: &Condition, found: Option<&Entry>) -> bool {
    let at = |path: &Path| found.and_then(|it| look(&it.item, path));
    match condition {
        Condition::Absent => found.is_none(),
        Condition::Present => found.is_some(),
        Condition::Version(version) => found.is_some_and(|it| it.version == *version),
        Condition::Has(path) => at(path).is_some(),
        Condition::Lacks(path) => at(path).is_none(),
        Condition::Compare(path, how, Operand::Value(wanted)) => {
            let found = at(path);
            match how {
                Comparison::Eq => found == Some(wanted),
                Comparison::Ne => found != Some(wanted),
                Comparison::Lt => order(found, wanted) == Some(Ordering::Less),
                Comparison::Le => order(found, wanted).is_some_and(Ordering::is_le),
                Comparison::Gt => order(found, wanted) == Some(Ordering::Greater),
                Comparison::Ge => order(found, wanted).is_some_and(Ordering::is_ge),
            }
        }
        Condition::StartsWith(path, Value::Text(prefix)) => {
            at(path).and_then(Value::as_text).is_some_and(|it| it.starts_with(&**prefix))
        }
        Condition::Contains(path, part) => match (at(path), part) {
            (Some(Value::Text(text)), Value::Text(part)) => text.contains(&**part),
            (Some(Value::List(list)), part) => list.iter().any(|it| it == part),
            (Some(Value::Bytes(bytes)), Value::Bytes(part)) => {
                (0..=bytes.len()).any(|at| bytes[at..].starts_with(part))
            }
            _ => false,
        },
        Condition::All(all) => !all.iter().any(|it| !holds(it, found)),
        Condition::Any(any) => any.iter().any(|it| holds(it, found)),
        Condition::Not(not) => !holds(not, found),
        other => panic!("the model has no {other:?}"),
    }
}

fn order(found: Option<&Value>, wanted: &Value) -> Option<Ordering> {
    match (found?, wanted) {
        // The numbers here are few, and floats tell them apart but for the two largest.
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64().partial_cmp(&b.as_f64()),
        },
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Makes a change, where it fits.
fn make(change: &Change, item: &mut Item) -> Option<()> {
    let map = match change.path().parts() {
        [_] => item.attributes_mut(),
        [name, _] => match item.attributes_mut().get_mut(name)? {
            Value::Map(map) => map,
            _ => return None,
        },
        other => panic!("no path is as deep as {other:?}"),
    };
    let name = change.path().parts().last().unwrap().clone();
    let old = map.get(&name).cloned();
    match change {
        Change::Set(_, value) => {
            map.insert(name, value.clone());
        }
        Change::Remove(_) => {
            map.remove(&name);
        }
        Change::Increment(_, by) => {
            let sum = match old.unwrap_or(Value::from(0)) {
                Value::Number(number) => {
                    if let Some(int) = number.as_i64() {
                        Value::from(int.checked_add(*by)?)
                    } else {
                        let Value::Number(by) = Value::from(*by) else { return None };
                        Value::try_from(number.as_f64() + by.as_f64()).ok()?
                    }
                }
                _ => return None,
            };
            map.insert(name, sum);
        }
        Change::Append(_, values) => {
            let Value::List(mut list) = old.unwrap_or(Value::List(vec![])) else { return None };
            list.extend(values.iter().cloned());
            map.insert(name, Value::List(list));
        }
        Change::SetTime(..) => panic!("the model sets no times"),
    }
    Some(())
}
