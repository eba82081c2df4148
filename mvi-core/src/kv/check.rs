//! Checks of requests against their tables, made for every provider before anything is sent.

use std::{collections::HashSet, ops::Bound};

use super::{
    Attr, Change, Consistency, CreateTable, Cursor, Delete, Expiry, Get, GetMany, Index, Item, Key,
    KeyKind, KeyValue, Put, Query, Range, Record, Scan, Step, Table, Transact, Ttl, Update, Write,
    WriteMany, item_bytes, key_bytes,
    limits::{
        MAX_CHANGES, MAX_INDEXES, MAX_ITEM_BYTES, MAX_KEY_BYTES, MAX_SEGMENTS, MAX_STEPS,
        MAX_TRANSACT_BYTES, Use, check_after, check_against, check_attrs, check_condition,
        check_element, check_expiry, check_fits_indexes, check_index_value, check_name,
        check_overlap, check_part, check_path, check_unique, check_value, invalid, key_value,
        resource, step_bytes,
    },
    value_bytes,
};
use crate::{Name, Result, ensure::Fingerprint};

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

impl CreateTable {
    /// What makes another request for the name the same: all of it but the name. For provider authors.
    ///
    /// The order of indexes means nothing.
    pub fn fingerprint(&self) -> Fingerprint {
        let Self { name: _, partition, sort, indexes, ttl, labels } = self;
        let index = |it: &Index| {
            let Index { name, partition, sort } = it;
            Fingerprint::of("kv.index")
                .field("name", name)
                .field("partition", attr_text(partition))
                .optional("sort", sort.as_ref().map(attr_text))
        };
        let on = |ttl: Ttl| if ttl == Ttl::On { "on" } else { "off" };
        Fingerprint::of("kv.table")
            .field("partition", attr_text(partition))
            .optional("sort", sort.as_ref().map(attr_text))
            .set("indexes", indexes.iter().map(index))
            .unless("ttl", on(*ttl), on(Ttl::Off))
            .set("labels", labels.iter().map(|(key, value)| format!("{key}={value}")))
    }
}

/// Spelled out: what is stamped on a table must not follow a type's `Debug`.
fn attr_text(attr: &Attr) -> String {
    let Attr { name, kind } = attr;
    let kind = match kind {
        KeyKind::Text => "text",
        KeyKind::Int => "int",
        KeyKind::Bytes => "bytes",
    };
    format!("{kind} {name}")
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
        for (name, value) in item.attributes() {
            self.check_attribute(name)?;
            check_value(value, 1, &mut leaves)?;
        }
        for index in &self.indexes {
            self.check_indexed(index, key, item)?;
        }
        Ok(())
    }

    pub(super) fn check_attribute(&self, name: &str) -> Result<()> {
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
        only_if.as_ref().map_or(Ok(()), |it| check_condition(it, Use::Write, table))?;
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
        only_if.as_ref().map_or(Ok(()), |it| check_condition(it, Use::Write, table))
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
        only_if.as_ref().map_or(Ok(()), |it| check_condition(it, Use::Write, table))?;
        check_expiry(table, matches!(expires, Some(Expiry::At(_))))?;
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
                check_condition(&check.condition, Use::Write, table)
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
                    Bound::Included(value) | Bound::Excluded(value) => Some(value),
                    Bound::Unbounded => None,
                })
                .collect(),
        };
        for end in ends {
            match attrs.1 {
                Some(attr) => check_part(attr, end)?,
                None => return invalid("a range of what has no sort attribute"),
            }
        }
        filter.as_ref().map_or(Ok(()), |it| check_condition(it, Use::Filter(index), table))?;
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
        use Bound::{Excluded, Included};
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
        filter.as_ref().map_or(Ok(()), |it| check_condition(it, Use::Filter(None), table))?;
        check_after(table, None, after.as_ref(), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Labels;

    fn index(name: &str, attr: Attr) -> Index {
        Index::new(Name::new(name).unwrap(), attr)
    }

    fn links() -> CreateTable {
        CreateTable::new(Name::new("links").unwrap(), Attr::text("code")).sort(Attr::int("at"))
    }

    #[test]
    fn what_is_stamped_on_tables_stays_as_it_is() {
        let (a, b) = (index("by-owner", Attr::text("owner")), index("by-hits", Attr::int("hits")));
        let labels = Labels::new().with("app", "links").unwrap();
        let full = links().index(a.clone()).index(b.clone()).ttl(Ttl::On).labels(labels);
        // Tables that stand in clouds carry these.
        assert_eq!(links().fingerprint().to_string(), "v1-108872e4f024ff6c5dbea28cecb4fd26");
        assert_eq!(full.fingerprint().to_string(), "v1-08b723dba744542f7017227d00d184c2");
        let turned = CreateTable { indexes: vec![b, a], ..full.clone() };
        assert_eq!(turned.fingerprint(), full.fingerprint());
        let other = CreateTable { ttl: Ttl::Off, ..full.clone() };
        assert_ne!(other.fingerprint(), full.fingerprint());
        let renamed = CreateTable { name: Name::new("other").unwrap(), ..full.clone() };
        assert_eq!(renamed.fingerprint(), full.fingerprint());
    }
}
