//! The portable limits, and the checks that hold them.

use std::collections::HashSet;

use super::{
    Attr, Change, Comparison, Condition, Cursor, Index, Key, KeyKind, KeyValue, Operand, Path,
    Step, Table, Ttl, Value, item_bytes, key_bytes, value_bytes,
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

pub(super) fn check_after(
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

pub(super) fn check_attrs(partition: &Attr, sort: Option<&Attr>) -> Result<()> {
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

pub(super) fn check_against(partition: &Attr, sort: Option<&Attr>, key: &Key) -> Result<()> {
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

pub(super) fn check_part(attr: &Attr, value: &KeyValue) -> Result<()> {
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

pub(super) fn check_index_value(attr: &Attr, value: &Value) -> Result<KeyValue> {
    let found = key_value(value).filter(|it| it.kind() == attr.kind);
    let Some(found) = found else {
        let (name, kind) = (&attr.name, value.kind());
        return invalid(format!("{name:?} is {kind}, and an index wants {:?}", attr.kind));
    };
    check_part(attr, &found)?;
    Ok(found)
}

pub(super) fn key_value(value: &Value) -> Option<KeyValue> {
    match value {
        Value::Text(text) => Some(KeyValue::Text(text.clone())),
        Value::Bytes(bytes) => Some(KeyValue::Bytes(bytes.clone())),
        Value::Number(number) => number.as_i64().map(KeyValue::Int),
        _ => None,
    }
}

/// What an update sets must fit the indexes, whatever is there.
pub(super) fn check_fits_indexes(table: &Table, change: &Change) -> Result<()> {
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

pub(super) fn check_expiry(table: &Table, expires: bool) -> Result<()> {
    if expires && table.ttl == Ttl::Off {
        return invalid("an expiry, in a table whose ttl is off");
    }
    Ok(())
}

pub(super) fn check_name(name: &str) -> Result<()> {
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
pub(super) fn check_value(value: &Value, depth: usize, leaves: &mut usize) -> Result<()> {
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

pub(super) fn check_element(value: &Value, depth: usize, leaves: &mut usize) -> Result<()> {
    if matches!(value, Value::List(_)) {
        return invalid("a list in a list");
    }
    check_value(value, depth, leaves)
}

/// What a condition is for.
#[derive(Clone, Copy)]
pub(super) enum Use<'a> {
    Write,
    /// A scan or, maybe of an index, a query.
    Filter(Option<&'a Index>),
}

/// Checks a condition on the items of `table`.
pub(super) fn check_condition(
    condition: &Condition,
    purpose: Use<'_>,
    table: &Table,
) -> Result<()> {
    Terms { purpose, table, count: 0, parts: 0, bytes: 0 }.check(condition, 1)
}

struct Terms<'a> {
    purpose: Use<'a>,
    table: &'a Table,
    count: usize,
    parts: usize,
    bytes: usize,
}

impl Terms<'_> {
    fn check(&mut self, condition: &Condition, depth: usize) -> Result<()> {
        self.count += 1;
        if self.count > MAX_TERMS || depth > MAX_DEPTH {
            return invalid(format!(
                "a condition of more than {MAX_TERMS} terms or more than {MAX_DEPTH} deep"
            ));
        }
        let mut leaves = 0;
        match condition {
            Condition::Absent | Condition::Present | Condition::Version(_) => {
                if matches!(self.purpose, Use::Filter(_)) {
                    return invalid("a filter on absence, presence or version, wanted attributes");
                }
                Ok(())
            }
            Condition::Has(path) | Condition::Lacks(path) => self.check_path(path),
            Condition::Compare(path, comparison, operand) => {
                self.check_path(path)?;
                let Operand::Value(value) = operand else { return Ok(()) };
                check_value(value, 1, &mut leaves)?;
                self.check_bytes(value)?;
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
                    return invalid(format!(
                        "a prefix that is {}, wanted text or bytes",
                        value.kind()
                    ));
                }
                self.check_path(path)?;
                self.check_bytes(value)
            }
            Condition::Contains(path, value) => {
                self.check_path(path)?;
                self.check_bytes(value)?;
                check_element(value, 1, &mut leaves)
            }
            Condition::All(several) | Condition::Any(several) => {
                if several.is_empty() {
                    return invalid("an empty list of conditions");
                }
                several.iter().try_for_each(|it| self.check(it, depth + 1))
            }
            Condition::Not(one) => self.check(one, depth + 1),
        }
    }

    /// A condition is on what the item holds, and the key's attributes and hidden ones are not in it.
    fn check_path(&mut self, path: &Path) -> Result<()> {
        check_path(path, &mut self.parts)?;
        let name = &path.parts()[0];
        self.table.check_attribute(name)?;
        let Use::Filter(Some(index)) = self.purpose else { return Ok(()) };
        let keys = [Some(&index.partition), index.sort.as_ref()];
        if keys.into_iter().flatten().any(|it| it.name == *name) {
            return invalid(format!("a filter on {name:?}, the index's own: wanted a range"));
        }
        Ok(())
    }

    fn check_bytes(&mut self, value: &Value) -> Result<()> {
        self.bytes += value_bytes(value);
        if self.bytes > MAX_ITEM_BYTES {
            return invalid(format!("a condition of more than {MAX_ITEM_BYTES} bytes"));
        }
        Ok(())
    }
}

pub(super) fn check_path(path: &Path, parts: &mut usize) -> Result<()> {
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

pub(super) fn check_overlap(changes: &[Change]) -> Result<()> {
    let mut paths: Vec<&[String]> = changes.iter().map(|it| it.path().parts()).collect();
    // Sorted, a path is followed by those below it.
    paths.sort_unstable();
    match paths.windows(2).find(|pair| pair[1].starts_with(pair[0])) {
        Some(pair) => invalid(format!("two changes at {}", Path::new(pair[0].iter().cloned()))),
        None => Ok(()),
    }
}

pub(super) fn check_unique<'a>(targets: impl Iterator<Item = (&'a Name, &'a Key)>) -> Result<()> {
    let mut seen = HashSet::new();
    for target in targets {
        if !seen.insert(target) {
            return invalid(format!("{} is there twice, wanted each record once", target.0));
        }
    }
    Ok(())
}

pub(super) fn step_bytes(step: &Step) -> usize {
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

pub(super) fn resource<'a>(mut tables: impl Iterator<Item = &'a Name>) -> String {
    let Some(first) = tables.next() else { return String::new() };
    if tables.any(|it| it != first) { format!("{first} and others") } else { first.to_string() }
}

pub(super) fn invalid<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::invalid(message))
}
