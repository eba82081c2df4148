//! Records as documents.
//!
//! | field | holds | for |
//! |---|---|---|
//! | `i` | the item, as one map | its names are never ours |
//! | `_k` | the key as sortable bytes, where the table has a sort attribute | descending queries |
//! | `_ix_NAME` | the place in index `NAME` and the key, as sortable bytes | queries of the index |
//! | `_v` | a fresh nonce a write | the version, and what tells a lost answer from a lost race |
//! | `_x` | when the record expires | reads, and Firestore's own removal |
//!
//! The document's id is the key's ([`codec::document_id`]).

use std::collections::HashMap;

use gcloud_sdk::{
    google::firestore::v1::{Document, Value as Wire, value::ValueType},
    prost_types::Timestamp as WireTime,
};
use jiff::Timestamp;
use mvi_core::{
    Result,
    kv::{Index, Item, Key, Record, Table, Version, codec},
};

use super::value::{foreign, item_from_map, item_to_wire, time_from_wire, time_to_wire, wire};

pub(super) const ITEM: &str = "i";
pub(super) const SORT: &str = "_k";
pub(super) const EXPIRES: &str = "_x";
const VERSION: &str = "_v";

/// The field that holds a record's place in `index`.
pub(super) fn index_field(index: &Index) -> String {
    format!("_ix_{}", index.name)
}

/// `names` as a path of Firestore's: quoted where it does not take them bare.
pub(super) fn field_path<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = |name: &str| {
        let bare = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if bare {
            name.to_owned()
        } else {
            format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
        }
    };
    names.into_iter().map(quoted).collect::<Vec<_>>().join(".")
}

/// A document, as a record and as a precondition names its state.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) record: Record,
    /// When it was last changed: no two states of a document have the same.
    pub(super) updated: WireTime,
}

impl Stored {
    /// Reads `document`, which is one of `table`'s.
    pub(super) fn read(table: &Table, document: Document) -> Result<Self> {
        let Document { name, mut fields, create_time: _, update_time } = document;
        let id = name.rsplit('/').next().unwrap_or_default();
        let sort = table.sort.as_ref().map(|it| it.kind);
        let key = codec::parse_document_id(id, table.partition.kind, sort)?;
        let item = match take(&mut fields, ITEM) {
            Some(ValueType::MapValue(map)) => item_from_map(map)?,
            _ => return Err(foreign("no item")),
        };
        let mut record = Record::new(key, item, version_of(&mut fields)?);
        record.expires = match take(&mut fields, EXPIRES) {
            Some(ValueType::TimestampValue(time)) => Some(time_from_wire(&time)?),
            None => None,
            Some(_) => return Err(foreign("an expiry that is no time")),
        };
        Ok(Self { record, updated: update_time.ok_or_else(|| foreign("no time of its change"))? })
    }

    /// Whether anybody sees it at `now`.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.record.expires.is_none_or(|expires| now < expires)
    }
}

/// The version that `document` has, without reading the rest of it.
pub(super) fn version(mut document: Document) -> Result<Version> {
    version_of(&mut document.fields)
}

fn version_of(fields: &mut HashMap<String, Wire>) -> Result<Version> {
    match take(fields, VERSION) {
        Some(ValueType::StringValue(version)) => Ok(Version::new(version)),
        _ => Err(foreign("no version")),
    }
}

fn take(fields: &mut HashMap<String, Wire>, name: &str) -> Option<ValueType> {
    fields.remove(name)?.value_type
}

/// The document called `name` that holds a record.
pub(super) fn write(
    table: &Table,
    name: String,
    key: &Key,
    item: &Item,
    version: &Version,
    expires: Option<Timestamp>,
) -> Document {
    let mut fields = HashMap::from([
        (ITEM.to_owned(), item_to_wire(item)),
        (VERSION.to_owned(), wire(ValueType::StringValue(version.as_str().to_owned()))),
    ]);
    if table.sort.is_some() {
        fields.insert(SORT.to_owned(), wire(ValueType::BytesValue(codec::sort_bytes(key))));
    }
    for index in &table.indexes {
        if let Some(place) = table.place(index, key, item) {
            let bytes = codec::index_bytes(&place, key);
            fields.insert(index_field(index), wire(ValueType::BytesValue(bytes)));
        }
    }
    if let Some(time) = expires {
        fields.insert(EXPIRES.to_owned(), wire(ValueType::TimestampValue(time_to_wire(time))));
    }
    Document { name, fields, create_time: None, update_time: None }
}

/// A version that no write had before.
pub(super) fn fresh_version() -> Result<Version> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|e| {
        mvi_core::Error::new(mvi_core::ErrorKind::Internal, "no random bytes for a version")
            .with_applied(mvi_core::Applied::No)
            .with_source(e)
    })?;
    Ok(Version::new(format!("{:032x}", u128::from_be_bytes(nonce))))
}

/// When a record expires as it is kept: whole seconds, in the years that Firestore knows.
pub(super) fn expiry(time: Timestamp) -> Timestamp {
    // The first second of the year 1, the first that Firestore keeps: expired, like all before it.
    const FIRST: i64 = -62_135_596_800;
    let seconds = time.as_second() - i64::from(time.subsec_nanosecond() < 0);
    Timestamp::from_second(seconds.max(FIRST)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use mvi_core::{
        Name,
        kv::{Attr, TableState},
    };

    use super::*;

    fn table() -> Table {
        let name = Name::new("links").unwrap();
        let sort = Some(Attr::int("number"));
        let mut table = Table::new(name, Attr::text("owner"), sort, TableState::Active);
        table.indexes.push(Index::new(Name::new("by-url").unwrap(), Attr::text("url")));
        table
    }

    fn document(item: &Item, expires: Option<Timestamp>) -> Document {
        let key = Key::sorted("ann/b", 3);
        let name = format!("projects/p/databases/d/documents/c/{}", codec::document_id(&key));
        let mut document = write(&table(), name, &key, item, &Version::new("nonce"), expires);
        document.update_time = Some(WireTime { seconds: 7, nanos: 0 });
        document
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let item = Item::new().with("url", "https://example.com").with("_ix_by-url", 1);
        let expires = Timestamp::from_second(1_000).unwrap();
        let stored = Stored::read(&table(), document(&item, Some(expires))).unwrap();
        assert_eq!(stored.record.item, item);
        assert_eq!(stored.record.key, Key::sorted("ann/b", 3));
        assert_eq!(stored.record.version, Version::new("nonce"));
        assert_eq!(stored.record.expires, Some(expires));
        assert!(!stored.is_live(expires));
        assert!(stored.is_live(Timestamp::from_second(999).unwrap()));
    }

    #[test]
    fn a_record_without_its_attribute_is_not_in_an_index() {
        let fields = |item| document(&item, None).fields;
        assert!(fields(Item::new().with("url", "x")).contains_key("_ix_by-url"));
        assert!(!fields(Item::new()).contains_key("_ix_by-url"));
        assert!(fields(Item::new()).contains_key("_k"));
    }

    #[test]
    fn a_document_that_others_wrote_is_corrupt() {
        let good = document(&Item::new(), None);
        let without = |field: &str| {
            let mut document = good.clone();
            document.fields.remove(field);
            document
        };
        let renamed = Document { name: "projects/p/x".into(), ..good.clone() };
        for document in [without("i"), without("_v"), renamed] {
            let error = Stored::read(&table(), document).unwrap_err();
            assert_eq!(error.kind(), mvi_core::ErrorKind::Corrupt, "{error}");
        }
    }

    #[test]
    fn paths_quote_what_is_not_bare() {
        assert_eq!(field_path(["i", "a_1"]), "i.a_1");
        assert_eq!(field_path(["i", "a.b", "1x", "q`\\"]), "i.`a.b`.`1x`.`q\\`\\\\`");
        assert_eq!(field_path(["_ix_by-owner"]), "`_ix_by-owner`");
    }

    #[test]
    fn expiry_is_in_whole_seconds_and_in_range() {
        let at = |text: &str| expiry(text.parse().unwrap()).to_string();
        assert_eq!(at("2026-01-02T03:04:05.999Z"), "2026-01-02T03:04:05Z");
        assert_eq!(at("1969-12-31T23:59:58.5Z"), "1969-12-31T23:59:58Z");
        assert_eq!(expiry(Timestamp::MIN).to_string(), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn versions_differ() {
        assert_ne!(fresh_version().unwrap(), fresh_version().unwrap());
    }
}
