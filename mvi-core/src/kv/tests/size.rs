//! Sizes, by DynamoDB's rules:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>.

use bytes::Bytes;
use proptest::prelude::*;

use super::{numbers, values};
use crate::kv::{Item, Key, Number, Value, item_bytes, key_bytes, value_bytes};

/// An item's attributes alone.
fn attributes(item: &Item) -> usize {
    item_bytes(&Key::new("k"), item) - item_bytes(&Key::new("k"), &Item::new())
}

#[test]
fn names_and_values_count() {
    // Amazon's own example: 23 bytes.
    let shirt = Item::new().with("shirt-color", "R").with("shirt-size", "M");
    assert_eq!(attributes(&shirt), 23);
    assert_eq!(attributes(&Item::new().with("é", "日本")), 2 + 6);
    assert_eq!(attributes(&Item::new().with("b", Bytes::from_static(b"123"))), 1 + 3);
    assert_eq!(attributes(&Item::new().with("n", Value::Null).with("t", true)), 2 + 2);
}

#[test]
fn a_list_or_map_counts_three_and_one_an_element() {
    assert_eq!(value_bytes(&Value::List(vec![])), 3);
    assert_eq!(value_bytes(&Value::Map([].into())), 3);
    let list = Value::List(vec!["ab".into(), true.into(), Value::Null]);
    assert_eq!(value_bytes(&list), 3 + (1 + 2) + (1 + 1) + (1 + 1));
    let map = Value::Map([("name".to_owned(), "ab".into()), ("list".to_owned(), list)].into());
    assert_eq!(value_bytes(&map), 3 + (1 + 4 + 2) + (1 + 4 + 10));
}

#[test]
fn a_number_counts_one_and_half_a_byte_a_digit() {
    let size = |number: Number| value_bytes(&number.into());
    for (number, bytes) in [(0, 1), (7, 2), (10, 2), (12, 2), (123, 3), (1_000_000, 2), (-12, 3)] {
        assert_eq!(size(number.into()), bytes, "{number}");
    }
    assert_eq!(size(i64::MAX.into()), 11);
    assert_eq!(size(i64::MIN.into()), 12);
    assert_eq!(size(Number::try_from(0.5).unwrap()), 2);
    assert_eq!(size(Number::try_from(-1.25).unwrap()), 4);
    assert_eq!(size(Number::try_from(1.5e100).unwrap()), 2);
}

#[test]
fn an_integer_in_a_key_counts_as_its_longest_form() {
    assert_eq!(key_bytes(&Key::new(0)), 16);
    assert_eq!(key_bytes(&Key::sorted("é", i64::MIN)), 2 + 16);
    assert_eq!(key_bytes(&Key::new(Bytes::from_static(b"123"))), 3);
}

proptest! {
    #[test]
    fn no_number_is_larger_than_amazon_says(number in numbers()) {
        // 17 digits of a float, 19 of an integer, and one byte for the sign.
        prop_assert!((1..=12).contains(&value_bytes(&number.into())));
    }

    #[test]
    fn what_is_added_counts(name in "[a-z]{1,9}", value in values()) {
        let item = Item::new().with("0", 0).with(name.clone(), value.clone());
        let without = Item::new().with("0", 0);
        let key = Key::new("k");
        prop_assert_eq!(
            item_bytes(&key, &item) - item_bytes(&key, &without),
            name.len() + value_bytes(&value)
        );
    }
}
