//! Values and keys, to `DynamoDB`'s form and back: one pass, each string and buffer moved.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, ScalarAttributeType};
use aws_smithy_types::Blob;
use bytes::Bytes;
use jiff::Timestamp;
use mvi_core::{
    Error, ErrorKind, Result,
    kv::{Key, KeyKind, KeyValue, Number, Record, Table, Value, Version},
};

use crate::clock::now;

/// An item as the SDK has it.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// The hidden attribute that names the last write: a fresh nonce each.
pub(super) const VERSION: &str = "_v";

/// The hidden attribute that says when the record expires, in seconds since 1970.
pub(super) const EXPIRES: &str = "_x";

pub(super) fn scalar(kind: KeyKind) -> ScalarAttributeType {
    match kind {
        KeyKind::Text => ScalarAttributeType::S,
        KeyKind::Int => ScalarAttributeType::N,
        KeyKind::Bytes => ScalarAttributeType::B,
    }
}

pub(super) fn kind(scalar: &ScalarAttributeType) -> Result<KeyKind> {
    match scalar {
        ScalarAttributeType::S => Ok(KeyKind::Text),
        ScalarAttributeType::N => Ok(KeyKind::Int),
        ScalarAttributeType::B => Ok(KeyKind::Bytes),
        other => Err(Error::new(
            ErrorKind::Unsupported,
            format!("a key of type {other}: wanted S, N or B"),
        )),
    }
}

pub(super) fn from_key_value(value: KeyValue) -> AttributeValue {
    match value {
        KeyValue::Text(text) => AttributeValue::S(text),
        KeyValue::Int(int) => AttributeValue::N(int.to_string()),
        KeyValue::Bytes(bytes) => AttributeValue::B(Blob::new(bytes)),
    }
}

fn to_key_value(value: AttributeValue) -> Result<KeyValue> {
    match value {
        AttributeValue::S(text) => Ok(KeyValue::Text(text)),
        AttributeValue::N(digits) => match digits.parse::<Number>().map(Number::as_i64) {
            Ok(Some(int)) => Ok(KeyValue::Int(int)),
            _ => Err(corrupt("a key that is no whole number of 64 bits")),
        },
        AttributeValue::B(blob) => Ok(KeyValue::Bytes(Bytes::from(blob.into_inner()))),
        _ => Err(corrupt("a key that is not text, a number or bytes")),
    }
}

pub(super) fn from_value(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(bool) => AttributeValue::Bool(bool),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::Text(text) => AttributeValue::S(text),
        Value::Bytes(bytes) => AttributeValue::B(Blob::new(bytes)),
        Value::List(list) => AttributeValue::L(list.into_iter().map(from_value).collect()),
        Value::Map(map) => AttributeValue::M(from_map(map, 0)),
    }
}

/// `map` as the SDK has it, with room for `more`.
pub(super) fn from_map(map: BTreeMap<String, Value>, more: usize) -> Attributes {
    let mut attributes = Attributes::with_capacity(map.len() + more);
    attributes.extend(map.into_iter().map(|(name, value)| (name, from_value(value))));
    attributes
}

fn to_value(value: AttributeValue) -> Result<Value> {
    Ok(match value {
        AttributeValue::S(text) => Value::Text(text),
        AttributeValue::N(digits) => Value::Number(to_number(&digits)?),
        AttributeValue::Bool(bool) => Value::Bool(bool),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::M(map) => Value::Map(to_map(map)?),
        AttributeValue::L(list) => {
            Value::List(list.into_iter().map(to_value).collect::<Result<_>>()?)
        }
        AttributeValue::B(blob) => Value::Bytes(Bytes::from(blob.into_inner())),
        // Written by another program: no kind of ours is a set, and a list has the same members.
        AttributeValue::Ss(set) => Value::List(set.into_iter().map(Value::Text).collect()),
        AttributeValue::Ns(set) => Value::List(
            set.iter().map(|it| to_number(it).map(Value::Number)).collect::<Result<_>>()?,
        ),
        AttributeValue::Bs(set) => {
            let bytes = |blob: Blob| Value::Bytes(Bytes::from(blob.into_inner()));
            Value::List(set.into_iter().map(bytes).collect())
        }
        _ => return Err(corrupt("a value of a type that this version does not know")),
    })
}

fn to_number(digits: &str) -> Result<Number> {
    digits.parse().map_err(|e: Error| corrupt("a number beyond what MVI keeps").with_source(e))
}

fn to_map(attributes: Attributes) -> Result<BTreeMap<String, Value>> {
    attributes.into_iter().map(|(name, value)| Ok((name, to_value(value)?))).collect()
}

/// The record in `attributes`, expired or not.
pub(super) fn to_record(table: &Table, attributes: Attributes) -> Result<Record> {
    match read(table, attributes)? {
        Found::Record(record) => Ok(record),
        Found::Unreadable(_, error) => Err(error),
    }
}

/// What an item is found to be.
pub(super) enum Found {
    Record(Record),
    /// There is something at this key that is no record.
    Unreadable(Key, Error),
}

/// The record in `attributes`, if it is one.
pub(super) fn read(table: &Table, attributes: Attributes) -> Result<Found> {
    let (partition_name, sort_name) = names(table);
    let (mut partition, mut sort, mut version, mut expires) = (None, None, None, None);
    let mut unread = None;
    // One pass, without asking the map for what is special: that would hash each name again.
    let rest: BTreeMap<String, Value> = attributes
        .into_iter()
        .filter_map(|(name, value)| {
            let special = match name.as_str() {
                it if it == partition_name => &mut partition,
                it if Some(it) == sort_name => &mut sort,
                VERSION => &mut version,
                EXPIRES => &mut expires,
                _ => match to_value(value) {
                    Ok(value) => return Some((name, value)),
                    Err(error) => {
                        // The key may be still to come.
                        unread.get_or_insert(error);
                        return None;
                    }
                },
            };
            *special = Some(value);
            None
        })
        .collect();
    let key = to_key(table, partition, sort)?;
    let parts = match unread {
        Some(error) => Err(error),
        None => to_version(version).and_then(|version| Ok((version, to_expires(expires)?))),
    };
    Ok(match parts {
        Ok((version, expires)) => {
            let mut record = Record::new(key, rest.into(), version);
            record.expires = expires;
            Found::Record(record)
        }
        Err(error) => Found::Unreadable(key, error),
    })
}

fn names(table: &Table) -> (&str, Option<&str>) {
    (&table.partition.name, table.sort.as_ref().map(|it| it.name.as_str()))
}

fn to_key(
    table: &Table,
    partition: Option<AttributeValue>,
    sort: Option<AttributeValue>,
) -> Result<Key> {
    let part = |value: Option<AttributeValue>| match value {
        Some(value) => to_key_value(value),
        None => Err(corrupt("a key without its attributes")),
    };
    let partition = part(partition)?;
    let sort = table.sort.as_ref().map(|_| part(sort)).transpose()?;
    Ok(Key { partition, sort })
}

/// The key in `attributes`.
pub(super) fn key_of(table: &Table, attributes: &Attributes) -> Result<Key> {
    let (partition, sort) = names(table);
    let value = |name: &str| attributes.get(name).cloned();
    to_key(table, value(partition), sort.and_then(value))
}

fn to_version(version: Option<AttributeValue>) -> Result<Version> {
    match version {
        Some(AttributeValue::S(version)) => Ok(Version::new(version)),
        Some(_) => Err(corrupt("a version that is not text")),
        // Written by another program: every record of ours has one.
        None => Ok(Version::new("")),
    }
}

fn to_expires(expires: Option<AttributeValue>) -> Result<Option<Timestamp>> {
    match expires {
        None => Ok(None),
        Some(AttributeValue::N(digits)) => match digits.parse().map(Timestamp::from_second) {
            Ok(Ok(time)) => Ok(Some(time)),
            _ => Err(corrupt("an expiry that is no time")),
        },
        Some(_) => Err(corrupt("an expiry that is not a number")),
    }
}

/// A time as the expiry has it.
pub(super) fn seconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_second().to_string())
}

/// The record, unless it has expired by now.
pub(super) fn live(record: Record) -> Option<Record> {
    // Most records never expire: they don't ask for the time.
    match record.expires {
        Some(at) if at <= now() => None,
        _ => Some(record),
    }
}

/// Whether a record with these attributes has expired at `now`.
pub(super) fn is_expired(attributes: &Attributes, now: Timestamp) -> bool {
    match attributes.get(EXPIRES) {
        Some(AttributeValue::N(digits)) => {
            digits.parse().is_ok_and(|at: i64| at <= now.as_second())
        }
        _ => false,
    }
}

/// The version of the write that made these attributes.
pub(super) fn version_of(attributes: &Attributes) -> Option<&str> {
    match attributes.get(VERSION) {
        Some(AttributeValue::S(version)) => Some(version),
        _ => None,
    }
}

/// What the provider keeps is not what MVI writes.
fn corrupt(found: &'static str) -> Error {
    Error::new(ErrorKind::Internal, format!("the answer holds {found}"))
}
