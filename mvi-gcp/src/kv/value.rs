//! Values as Firestore keeps them.

use gcloud_sdk::{
    google::firestore::v1::{ArrayValue, MapValue, Value as Wire, value::ValueType},
    prost_types::Timestamp as WireTime,
};
use jiff::Timestamp;
use mvi_core::{
    Error, ErrorKind, Result,
    kv::{Item, Number, Value},
};

pub(super) fn wire(value_type: ValueType) -> Wire {
    Wire { value_type: Some(value_type) }
}

/// `value` as Firestore keeps it.
pub(super) fn to_wire(value: &Value) -> Wire {
    wire(match value {
        Value::Null => ValueType::NullValue(0),
        Value::Bool(bool) => ValueType::BooleanValue(*bool),
        Value::Number(number) => match number.as_i64() {
            Some(int) => ValueType::IntegerValue(int),
            None => ValueType::DoubleValue(number.as_f64()),
        },
        Value::Text(text) => ValueType::StringValue(text.clone()),
        Value::Bytes(bytes) => ValueType::BytesValue(bytes.to_vec()),
        Value::List(list) => {
            ValueType::ArrayValue(ArrayValue { values: list.iter().map(to_wire).collect() })
        }
        Value::Map(map) => {
            let fields = map.iter().map(|(name, value)| (name.clone(), to_wire(value))).collect();
            ValueType::MapValue(MapValue { fields })
        }
    })
}

/// `item` as Firestore keeps it: one map, so that none of its names is one of ours.
pub(super) fn item_to_wire(item: &Item) -> Wire {
    let fields =
        item.attributes().iter().map(|(name, value)| (name.clone(), to_wire(value))).collect();
    wire(ValueType::MapValue(MapValue { fields }))
}

/// The value that Firestore keeps as `wire`.
pub(super) fn from_wire(wire: Wire) -> Result<Value> {
    Ok(match wire.value_type {
        Some(ValueType::NullValue(_)) => Value::Null,
        Some(ValueType::BooleanValue(bool)) => Value::Bool(bool),
        Some(ValueType::IntegerValue(int)) => Value::from(int),
        Some(ValueType::DoubleValue(float)) => Value::Number(Number::try_from(float)?),
        Some(ValueType::StringValue(text)) => Value::Text(text),
        Some(ValueType::BytesValue(bytes)) => Value::Bytes(bytes.into()),
        Some(ValueType::ArrayValue(ArrayValue { values })) => {
            Value::List(values.into_iter().map(from_wire).collect::<Result<_>>()?)
        }
        Some(ValueType::MapValue(map)) => Value::Map(item_from_map(map)?.into_attributes()),
        _ => return Err(foreign("a value of another kind")),
    })
}

/// The item that Firestore keeps as `map`.
pub(super) fn item_from_map(map: MapValue) -> Result<Item> {
    let pairs = map.fields.into_iter().map(|(name, wire)| Ok((name, from_wire(wire)?)));
    pairs.collect()
}

/// A document that somebody else wrote, or changed.
pub(super) fn foreign(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the document holds {what}: wanted one that MVI wrote"))
}

/// `time` as Firestore keeps it: whole microseconds, of which expiry uses the seconds.
pub(super) fn time_to_wire(time: Timestamp) -> WireTime {
    WireTime { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

/// The time that Firestore keeps as `wire`.
pub(super) fn time_from_wire(wire: &WireTime) -> Result<Timestamp> {
    Timestamp::new(wire.seconds, wire.nanos).map_err(|e| foreign("no time").with_source(e))
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter_map("out of range", |it| Value::try_from(it).ok()),
            ".{0,8}".prop_map(Value::from),
            any::<Vec<u8>>().prop_map(|it| Value::Bytes(it.into())),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                proptest::collection::btree_map(".{0,4}", inner, 0..4).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_comes_back_as_it_was(value in values()) {
            prop_assert_eq!(from_wire(to_wire(&value)).unwrap(), value);
        }

        #[test]
        fn a_time_comes_back_to_the_second(seconds in -100_000_000_000_i64..100_000_000_000) {
            let time = Timestamp::from_second(seconds).unwrap();
            prop_assert_eq!(time_from_wire(&time_to_wire(time)).unwrap(), time);
        }
    }

    #[test]
    fn what_others_wrote_is_not_guessed_at() {
        let place = wire(ValueType::ReferenceValue("projects/other".into()));
        let map = MapValue { fields: [("at".to_owned(), place)].into() };
        assert_eq!(item_from_map(map).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(from_wire(Wire { value_type: None }).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
