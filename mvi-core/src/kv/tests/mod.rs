//! Tests of what providers and callers share, and what they are made of.

mod change;
mod codec;
mod condition;
mod ext;
mod limits;
mod lock;
mod size;
mod store;
mod typed;

use proptest::{collection, prelude::*};

use super::{Number, Value};

pub(super) fn numbers() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        (-3_i64..3).prop_map(Number::from),
        any::<f64>().prop_filter_map("out of range", |it| Number::try_from(it).ok()),
    ]
}

/// Values of every shape, lists in lists too.
pub(super) fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        numbers().prop_map(Value::Number),
        any::<String>().prop_map(Value::Text),
        collection::vec(any::<u8>(), 0..8).prop_map(|it| Value::Bytes(it.into())),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            collection::btree_map(any::<String>(), inner, 0..6).prop_map(Value::Map),
        ]
    })
}
