//! The portable limits, held for every provider before anything is sent.

use std::collections::HashSet;

use super::{
    Attr, Change, Comparison, Condition, Consistency, CreateTable, Cursor, Delete, Get, GetMany,
    Index, Item, Key, KeyKind, KeyValue, Operand, Path, Put, Query, Range, Record, Scan, Step,
    Table, Transact, Ttl, Update, Value, Write, WriteMany, item_bytes, key_bytes, value_bytes,
};
use crate::{Error, Name, Result};

/// The most bytes of a key, partition and sort together, and of an index's attributes and the key together.
pub const MAX_KEY_BYTES: usize = 700;
/// The most bytes of an item with its key and hidden fields, as [`item_bytes`] counts.
pub const MAX_ITEM_BYTES: usize = 400_000;
/// The most maps and lists inside each other.
pub const MAX_DEPTH: usize = 16;
/// The most values in an item, maps and lists not counted but where they are empty.
pub const MAX_LEAVES: usize = 5_000;
/// The most bytes of an attribute's name.
pub const MAX_NAME_BYTES: usize = 255;
/// The most indexes of a table.
pub const MAX_INDEXES: usize = 20;
/// The most steps of a transaction.
pub const MAX_STEPS: usize = 100;
/// The most bytes of a transaction's items.
pub const MAX_TRANSACT_BYTES: usize = 4_000_000;
/// The most comparisons in a condition or a filter.
pub const MAX_TERMS: usize = 50;
/// The most changes in an update.
pub const MAX_CHANGES: usize = 50;
/// The most segments of a scan.
pub const MAX_SEGMENTS: u32 = 256;
/// The most names in the paths of one condition or one update: `DynamoDB`'s expressions are at most 4 KB.
const MAX_PARTS: usize = 200;

impl CreateTable {
    /// Checks names and limits.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { name: _, partition, sort, indexes, ttl: _, labels: _ } = self;
        check_attrs(partition, sort.as_ref())?;
        if indexes.len() > MAX_INDEXES {
            return invalid(format!("{} indexes, wanted at most {MAX_INDEXES}", indexes.len()));
        }
        let key = [Some(partition), sort.as_ref()];
        let mut names = HashSet::new();
        for Index { name, partition, sort } in indexes {
            if !names.insert(name) {
                return invalid(format!("two indexes called {name}"));
            }
            check_attrs(partition, sort.as_ref())?;
            for attr in [Some(partition), sort.as_ref()].into_iter().flatten() {
                let all = indexes.iter().flat_map(|it| [Some(&it.partition), it.sort.as_ref()]);
                let mut same = all.chain(key).flatten().filter(|it| it.name == attr.name);
                if same.any(|it| it.kind != attr.kind) {
                    return invalid(format!("attribute {:?} is of two kinds", attr.name));
                }
            }
        }
        Ok(())
    }
}

impl Table {
    /// Checks that `key` is one of this table's.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check_key(&self, key: &Key) -> Result<()> {
        check_against(&self.partition, self.sort.as_ref(), key)
    }

    /// Checks that `item` fits at `key`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check_item(&self, key: &Key, item: &Item) -> Result<()> {
        let names = self.partition.name.len() + self.sort.as_ref().map_or(0, |it| it.name.len());
        let bytes = item_bytes(key, item) + names;
        if bytes > MAX_ITEM_BYTES {
            return invalid(format!("an item of {bytes} bytes, wanted at most {MAX_ITEM_BYTES}"));
        }
        let mut leaves = 0;
        for (name, value) in &item.0 {
            self.check_attribute(name)?;
            check_value(value, 1, &mut leaves)?;
        }
        for index in &self.indexes {
            self.check_indexed(index, key, item)?;
        }
        Ok(())
    }

    fn check_attribute(&self, name: &str) -> Result<()> {
        check_name(name)?;
        if matches!(name, "_v" | "_x") {
            return invalid(format!("attribute {name:?} is MVI's own"));
        }
        if self.is_key(name) {
            return invalid(format!(
                "attribute {name:?} is in the key, and has no place in the item"
            ));
        }
        Ok(())
    }

    fn is_key(&self, name: &str) -> bool {
        self.partition.name == name || self.sort.as_ref().is_some_and(|it| it.name == name)
    }

    fn check_indexed(&self, index: &Index, key: &Key, item: &Item) -> Result<()> {
        let mut bytes = key_bytes(key);
        for attr in [Some(&index.partition), index.sort.as_ref()].into_iter().flatten() {
            let value = match (self.key_part(&attr.name, key), item.get(&attr.name)) {
                (Some(part), _) => part.clone(),
                (None, Some(value)) => check_index_value(attr, value)?,
                (None, None) => continue,
            };
            bytes += key_bytes(&Key::new(value));
        }
        if bytes > MAX_KEY_BYTES {
            return invalid(format!(
                "index {} and the key are {bytes} bytes, wanted at most {MAX_KEY_BYTES}",
                index.name
            ));
        }
        Ok(())
    }

    /// The part of the key that is called `name`.
    fn key_part<'k>(&self, name: &str, key: &'k Key) -> Option<&'k KeyValue> {
        if self.partition.name == name {
            return Some(&key.partition);
        }
        key.sort.as_ref().filter(|_| self.sort.as_ref().is_some_and(|it| it.name == name))
    }

    /// Where the record at `key` is in `index`; `None` where it is not in it.
    pub fn place(&self, index: &Index, key: &Key, item: &Item) -> Option<Key> {
        let value = |attr: &Attr| {
            let found = match self.key_part(&attr.name, key) {
                Some(part) => part.clone(),
                None => key_value(item.get(&attr.name)?)?,
            };
            Some(found).filter(|it| it.kind() == attr.kind)
        };
        let partition = value(&index.partition)?;
        match &index.sort {
            Some(attr) => Some(Key::sorted(partition, value(attr)?)),
            None => Some(Key::new(partition)),
        }
    }
}

impl Cursor {
    /// The place after `record` in one of the table's indexes.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where the table has no such index, or the record is not in it.
    pub fn after_in(table: &Table, index: &Name, record: &Record) -> Result<Self> {
        let place = table.index(index).and_then(|it| table.place(it, &record.key, &record.item));
        match place {
            Some(place) => Ok(Self { key: record.key.clone(), place: Some(place) }),
            None => invalid(format!("{:?} is not in an index {index}", record.key)),
        }
    }
}

impl Get {
    /// Checks it against its table.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self, table: &Table) -> Result<()> {
        table.check_key(&self.key)
    }
}

impl GetMany {
    /// Checks it against its table.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self, table: &Table) -> Result<()> {
        self.keys.iter().try_for_each(|key| table.check_key(key))
    }
}

impl Put {
    /// Checks it against its table.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self, table: &Table) -> Result<()> {
        let Self { table: _, key, item, only_if, expires } = self;
        table.check_key(key)?;
        table.check_item(key, item)?;
        only_if.as_ref().map_or(Ok(()), |it| check_condition(it, Use::Write))?;
        check_expiry(table, expires.is_some())
    }
}

impl Delete {
    /// Checks it against its table.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self, table: &Table) -> Result<()> {
        let Self { table: _, key, only_if } = self;
        table.check_key(key)?;
        only_if.as_ref().map_or(Ok(()), |it| check_condition(it, Use::Write))
    }
}

impl Update {
    /// Checks it against its table.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self, table: &Table) -> Result<()> {
        let Self { table: _, key, changes, only_if, expires } = self;
        table.check_key(key)?;
        only_if.as_ref().map_or(Ok(()), |it| check_condition(it, Use::Write))?;
        check_expiry(table, matches!(expires, Some(super::Expiry::At(_))))?;
        if changes.len() > MAX_CHANGES {
            return invalid(format!("{} changes, wanted at most {MAX_CHANGES}", changes.len()));
        }
        let (mut parts, mut leaves, mut bytes) = (0, 0, 0);
        for change in changes {
            let path = change.path();
            check_path(path, &mut parts)?;
            table.check_attribute(&path.parts()[0])?;
            check_fits_indexes(table, change)?;
            let depth = path.parts().len();
            match change {
                Change::Set(_, value) => {
                    check_value(value, depth, &mut leaves)?;
                    bytes += value_bytes(value);
                }
                Change::Append(_, values) => {
                    for value in values {
                        check_element(value, depth + 1, &mut leaves)?;
                        bytes += value_bytes(value);
                    }
                }
                Change::SetTime(..) | Change::Increment(..) | Change::Remove(_) => {}
            }
        }
        if bytes > MAX_ITEM_BYTES {
            return invalid(format!("changes of {bytes} bytes, wanted at most {MAX_ITEM_BYTES}"));
        }
        check_overlap(changes)
    }
}

impl WriteMany {
    /// Checks that no record is written twice. Each write is checked against its own table.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let targets = self.writes.iter().map(|write| match write {
            Write::Put(Put { table, key, .. }) | Write::Delete(Delete { table, key, .. }) => {
                (table, key)
            }
        });
        check_unique(targets)
    }

    /// The tables it is for, as a call names them: the first, and whether there are others.
    pub fn resource(&self) -> String {
        resource(self.writes.iter().map(|write| match write {
            Write::Put(put) => &put.table,
            Write::Delete(delete) => &delete.table,
        }))
    }
}

impl Write {
    /// Checks it against its table.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self, table: &Table) -> Result<()> {
        match self {
            Self::Put(put) => put.check(table),
            Self::Delete(delete) => delete.check(table),
        }
    }

    /// The table and the key of the write's record.
    pub fn target(&self) -> (&Name, &Key) {
        match self {
            Self::Put(Put { table, key, .. }) | Self::Delete(Delete { table, key, .. }) => {
                (table, key)
            }
        }
    }
}

impl Transact {
    /// Checks the number of steps, their size, and that no record is in two. Each step is checked against its own table.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        if !(1..=MAX_STEPS).contains(&self.steps.len()) {
            return invalid(format!("{} steps, wanted 1 to {MAX_STEPS}", self.steps.len()));
        }
        check_unique(self.steps.iter().map(Step::target))?;
        let bytes: usize = self.steps.iter().map(step_bytes).sum();
        if bytes > MAX_TRANSACT_BYTES {
            return invalid(format!("steps of {bytes} bytes, wanted at most {MAX_TRANSACT_BYTES}"));
        }
        Ok(())
    }

    /// The tables it is for, as a call names them: the first, and whether there are others.
    pub fn resource(&self) -> String {
        resource(self.steps.iter().map(|step| step.target().0))
    }
}

impl Step {
    /// Checks it against its table.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self, table: &Table) -> Result<()> {
        match self {
            Self::Put(put) => put.check(table),
            Self::Update(update) => update.check(table),
            Self::Delete(delete) => delete.check(table),
            Self::Check(check) => {
                table.check_key(&check.key)?;
                check_condition(&check.condition, Use::Write)
            }
        }
    }
}

impl Query {
    /// Checks it against its table.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self, table: &Table) -> Result<()> {
        let Self {
            table: _,
            index,
            partition,
            range,
            filter,
            order: _,
            limit: _,
            after,
            consistency,
            page: _,
        } = self;
        let (index, attrs) = match index {
            None => (None, (&table.partition, table.sort.as_ref())),
            Some(name) => match table.index(name) {
                Some(index) => (Some(index), (&index.partition, index.sort.as_ref())),
                None => return invalid(format!("no index {name}")),
            },
        };
        if index.is_some() && *consistency == Consistency::Strong {
            return invalid("a strong read of an index, wanted an eventual one");
        }
        check_part(attrs.0, partition)?;
        let ends = match range {
            Range::All => vec![],
            Range::Prefix(KeyValue::Int(_)) => {
                return invalid("a prefix of an integer, wanted one of text or bytes");
            }
            Range::Prefix(prefix) => vec![prefix],
            Range::Between(from, to) => [from, to]
                .into_iter()
                .filter_map(|it| match it {
                    std::ops::Bound::Included(value) | std::ops::Bound::Excluded(value) => {
                        Some(value)
                    }
                    std::ops::Bound::Unbounded => None,
                })
                .collect(),
        };
        for end in ends {
            match attrs.1 {
                Some(attr) => check_part(attr, end)?,
                None => return invalid("a range of what has no sort attribute"),
            }
        }
        filter.as_ref().map_or(Ok(()), |it| check_condition(it, Use::Filter))?;
        check_after(table, index, after.as_ref(), Some(partition))
    }
}

impl Range {
    /// Whether `value` is in it. A table without a sort attribute has no value there.
    pub fn contains(&self, value: Option<&KeyValue>) -> bool {
        match (self, value) {
            (Self::All, _) => true,
            (Self::Prefix(KeyValue::Text(prefix)), Some(KeyValue::Text(text))) => {
                text.starts_with(prefix.as_str())
            }
            (Self::Prefix(KeyValue::Bytes(prefix)), Some(KeyValue::Bytes(bytes))) => {
                bytes.starts_with(prefix)
            }
            (Self::Between(from, to), Some(value)) => {
                std::ops::RangeBounds::contains(&(from.as_ref(), to.as_ref()), value)
            }
            (Self::Prefix(_), Some(_)) | (_, None) => false,
        }
    }

    /// Whether no value can be in it, since it ends before it begins.
    pub fn is_empty(&self) -> bool {
        use std::ops::Bound::{Excluded, Included};
        match self {
            Self::Between(Included(from), Included(to)) => from > to,
            Self::Between(Included(from) | Excluded(from), Included(to) | Excluded(to)) => {
                from >= to
            }
            _ => false,
        }
    }
}

impl Scan {
    /// Checks it against its table.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self, table: &Table) -> Result<()> {
        let Self { table: _, filter, segment, limit: _, after, consistency: _, page: _ } = self;
        if let Some(it) = segment
            && (!(1..=MAX_SEGMENTS).contains(&it.of) || it.number >= it.of)
        {
            return invalid(format!(
                "segment {} of {}, wanted one from 0 of at most {MAX_SEGMENTS}",
                it.number, it.of
            ));
        }
        filter.as_ref().map_or(Ok(()), |it| check_condition(it, Use::Filter))?;
        check_after(table, None, after.as_ref(), None)
    }
}

fn check_after(
    table: &Table,
    index: Option<&Index>,
    after: Option<&Cursor>,
    partition: Option<&KeyValue>,
) -> Result<()> {
    let Some(Cursor { key, place }) = after else { return Ok(()) };
    table.check_key(key)?;
    let place = match (index, place) {
        (None, None) => key,
        (Some(index), Some(place)) => {
            check_against(&index.partition, index.sort.as_ref(), place)?;
            place
        }
        (None, Some(_)) => return invalid("a cursor of an index, wanted one of the table"),
        (Some(_), None) => return invalid("a cursor of the table, wanted one of the index"),
    };
    if partition.is_some_and(|it| *it != place.partition) {
        return invalid("a cursor of another partition");
    }
    Ok(())
}

fn check_attrs(partition: &Attr, sort: Option<&Attr>) -> Result<()> {
    for attr in [Some(partition), sort].into_iter().flatten() {
        check_name(&attr.name)?;
        if matches!(attr.name.as_str(), "_v" | "_x") {
            return invalid(format!("attribute {:?} is MVI's own", attr.name));
        }
    }
    if sort.is_some_and(|it| it.name == partition.name) {
        return invalid(format!("attribute {:?} is both partition and sort", partition.name));
    }
    Ok(())
}

fn check_against(partition: &Attr, sort: Option<&Attr>, key: &Key) -> Result<()> {
    check_part(partition, &key.partition)?;
    match (sort, &key.sort) {
        (None, None) => {}
        (Some(attr), Some(value)) => check_part(attr, value)?,
        (Some(attr), None) => {
            return invalid(format!("a key without a sort value, wanted {:?}", attr.name));
        }
        (None, Some(_)) => {
            return invalid("a key with a sort value, in what has no sort attribute");
        }
    }
    let bytes = key_bytes(key);
    if bytes > MAX_KEY_BYTES {
        return invalid(format!("a key of {bytes} bytes, wanted at most {MAX_KEY_BYTES}"));
    }
    Ok(())
}

fn check_part(attr: &Attr, value: &KeyValue) -> Result<()> {
    if value.kind() != attr.kind {
        return invalid(format!("{:?} is {:?}, wanted {:?}", attr.name, value.kind(), attr.kind));
    }
    let bytes = match value {
        KeyValue::Text(text) => text.len(),
        KeyValue::Bytes(bytes) => bytes.len(),
        KeyValue::Int(_) => 8,
    };
    if !(1..=MAX_KEY_BYTES).contains(&bytes) {
        return invalid(format!("{:?} is {bytes} bytes, wanted 1 to {MAX_KEY_BYTES}", attr.name));
    }
    Ok(())
}

fn check_index_value(attr: &Attr, value: &Value) -> Result<KeyValue> {
    let found = key_value(value).filter(|it| it.kind() == attr.kind);
    let Some(found) = found else {
        let (name, kind) = (&attr.name, value.kind());
        return invalid(format!("{name:?} is {kind}, and an index wants {:?}", attr.kind));
    };
    check_part(attr, &found)?;
    Ok(found)
}

fn key_value(value: &Value) -> Option<KeyValue> {
    match value {
        Value::Text(text) => Some(KeyValue::Text(text.clone())),
        Value::Bytes(bytes) => Some(KeyValue::Bytes(bytes.clone())),
        Value::Number(number) => number.as_i64().map(KeyValue::Int),
        _ => None,
    }
}

/// What an update sets must fit the indexes, whatever is there.
fn check_fits_indexes(table: &Table, change: &Change) -> Result<()> {
    let path = change.path().parts();
    for index in &table.indexes {
        for attr in [Some(&index.partition), index.sort.as_ref()].into_iter().flatten() {
            if path.first() != Some(&attr.name) {
                continue;
            }
            let fits = match change {
                Change::Remove(_) => true,
                _ if path.len() > 1 => false,
                Change::Set(_, value) => check_index_value(attr, value).map(|_| true)?,
                Change::Increment(..) | Change::SetTime(..) => attr.kind == KeyKind::Int,
                Change::Append(..) => false,
            };
            if !fits {
                return invalid(format!(
                    "{:?} is in an index that wants {:?}",
                    attr.name, attr.kind
                ));
            }
        }
    }
    Ok(())
}

fn check_expiry(table: &Table, expires: bool) -> Result<()> {
    if expires && table.ttl == Ttl::Off {
        return invalid("an expiry, in a table whose ttl is off");
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let reserved = name.len() >= 4 && name.starts_with("__") && name.ends_with("__");
    if !(1..=MAX_NAME_BYTES).contains(&name.len()) || reserved {
        let cut: String = name.chars().take(40).collect();
        return invalid(format!(
            "{cut:?} is not an attribute's name: wanted 1 to {MAX_NAME_BYTES} bytes, and not __…__"
        ));
    }
    Ok(())
}

/// `depth` is how many maps and lists the value is inside of, the item itself included.
fn check_value(value: &Value, depth: usize, leaves: &mut usize) -> Result<()> {
    let is_leaf = match value {
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => true,
    };
    *leaves += usize::from(is_leaf);
    if *leaves > MAX_LEAVES {
        return invalid(format!("more than {MAX_LEAVES} values"));
    }
    if depth > MAX_DEPTH {
        return invalid(format!("maps and lists more than {MAX_DEPTH} deep"));
    }
    match value {
        Value::List(list) => list.iter().try_for_each(|it| check_element(it, depth + 1, leaves)),
        Value::Map(map) => map.iter().try_for_each(|(name, value)| {
            check_name(name)?;
            check_value(value, depth + 1, leaves)
        }),
        _ => Ok(()),
    }
}

fn check_element(value: &Value, depth: usize, leaves: &mut usize) -> Result<()> {
    if matches!(value, Value::List(_)) {
        return invalid("a list in a list");
    }
    check_value(value, depth, leaves)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Write,
    Filter,
}

fn check_condition(condition: &Condition, purpose: Use) -> Result<()> {
    let (mut terms, mut parts) = (0, 0);
    check_terms(condition, purpose, 1, &mut terms, &mut parts)
}

fn check_terms(
    condition: &Condition,
    purpose: Use,
    depth: usize,
    terms: &mut usize,
    parts: &mut usize,
) -> Result<()> {
    *terms += 1;
    if *terms > MAX_TERMS || depth > MAX_DEPTH {
        return invalid(format!(
            "a condition of more than {MAX_TERMS} terms or more than {MAX_DEPTH} deep"
        ));
    }
    let mut leaves = 0;
    match condition {
        Condition::Absent | Condition::Present | Condition::Version(_) => {
            if purpose == Use::Filter {
                return invalid("a filter on absence, presence or version, wanted attributes");
            }
            Ok(())
        }
        Condition::Has(path) | Condition::Lacks(path) => check_path(path, parts),
        Condition::Compare(path, comparison, operand) => {
            check_path(path, parts)?;
            let Operand::Value(value) = operand else { return Ok(()) };
            check_value(value, 1, &mut leaves)?;
            let ordered = matches!(value, Value::Number(_) | Value::Text(_) | Value::Bytes(_));
            if !ordered && !matches!(comparison, Comparison::Eq | Comparison::Ne) {
                return invalid(format!(
                    "an order on {}, wanted number, text or bytes",
                    value.kind()
                ));
            }
            Ok(())
        }
        Condition::StartsWith(path, value) => {
            if !matches!(value, Value::Text(_) | Value::Bytes(_)) {
                return invalid(format!("a prefix that is {}, wanted text or bytes", value.kind()));
            }
            check_path(path, parts)
        }
        Condition::Contains(path, value) => {
            check_path(path, parts)?;
            check_element(value, 1, &mut leaves)
        }
        Condition::All(several) | Condition::Any(several) => {
            if several.is_empty() {
                return invalid("an empty list of conditions");
            }
            several.iter().try_for_each(|it| check_terms(it, purpose, depth + 1, terms, parts))
        }
        Condition::Not(one) => check_terms(one, purpose, depth + 1, terms, parts),
    }
}

fn check_path(path: &Path, parts: &mut usize) -> Result<()> {
    let names = path.parts();
    *parts += names.len();
    if names.is_empty() || names.len() > MAX_DEPTH || *parts > MAX_PARTS {
        return invalid(format!(
            "a path of {} names, wanted 1 to {MAX_DEPTH}, and {MAX_PARTS} in all",
            names.len()
        ));
    }
    names.iter().try_for_each(|name| check_name(name))
}

fn check_overlap(changes: &[Change]) -> Result<()> {
    let mut paths: Vec<&[String]> = changes.iter().map(|it| it.path().parts()).collect();
    // Sorted, a path is followed by those below it.
    paths.sort_unstable();
    match paths.windows(2).find(|pair| pair[1].starts_with(pair[0])) {
        Some(pair) => invalid(format!("two changes at {}", Path::new(pair[0].iter().cloned()))),
        None => Ok(()),
    }
}

fn check_unique<'a>(targets: impl Iterator<Item = (&'a Name, &'a Key)>) -> Result<()> {
    let mut seen = HashSet::new();
    for target in targets {
        if !seen.insert(target) {
            return invalid(format!("{} is there twice, wanted each record once", target.0));
        }
    }
    Ok(())
}

fn step_bytes(step: &Step) -> usize {
    match step {
        Step::Put(put) => item_bytes(&put.key, &put.item),
        Step::Update(update) => update
            .changes
            .iter()
            .map(|change| match change {
                Change::Set(_, value) => value_bytes(value),
                Change::Append(_, values) => values.iter().map(value_bytes).sum(),
                _ => 9,
            })
            .sum(),
        Step::Delete(_) | Step::Check(_) => 0,
    }
}

fn resource<'a>(mut tables: impl Iterator<Item = &'a Name>) -> String {
    let Some(first) = tables.next() else { return String::new() };
    if tables.any(|it| it != first) { format!("{first} and others") } else { first.to_string() }
}

fn invalid<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::invalid(message))
}
