//! How large things are, as DynamoDB counts.
//!
//! Its [rules][source]: a name and text count their UTF-8 bytes, a number about half a byte a digit, null and bool
//! one, a list or a map three and one more an element.
//!
//! [source]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html

use super::{Item, Key, KeyValue, Number, Value};

/// What a provider adds to each item: the version (`_v`, up to 36 bytes) and the expiry (`_x`).
const HIDDEN_BYTES: usize = 2 + 36 + 2 + 11;

/// An item's size with its key, in bytes, hidden fields included. The names of the key's attributes count at their longest.
pub fn item_bytes(key: &Key, item: &Item) -> usize {
    let attributes = item.attributes().iter().map(|(name, value)| name.len() + value_bytes(value));
    HIDDEN_BYTES + key_bytes(key) + attributes.sum::<usize>()
}

/// A key's size in bytes, without its attributes' names.
pub fn key_bytes(key: &Key) -> usize {
    let size = |it: &KeyValue| match it {
        KeyValue::Text(text) => text.len(),
        KeyValue::Bytes(bytes) => bytes.len(),
        // What it takes at most: 16 hexadecimal digits on Firestore.
        KeyValue::Int(_) => 16,
    };
    size(&key.partition) + key.sort.as_ref().map_or(0, size)
}

/// A value's size in bytes.
pub fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(number) => number_bytes(*number),
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => 3 + list.iter().map(|it| 1 + value_bytes(it)).sum::<usize>(),
        Value::Map(map) => {
            3 + map.iter().map(|(name, value)| 1 + name.len() + value_bytes(value)).sum::<usize>()
        }
    }
}

/// One byte, one for each two significant digits, and one for a minus sign.
fn number_bytes(number: Number) -> usize {
    if let Some(int) = number.as_i64() {
        let mut size = int.unsigned_abs();
        while size != 0 && size.is_multiple_of(10) {
            size /= 10;
        }
        let digits = size.checked_ilog10().map_or(0, |it| it as usize + 1);
        return 1 + digits.div_ceil(2) + usize::from(int < 0);
    }
    let text = number.to_string();
    let mantissa = text.split('e').next().unwrap_or(&text);
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    1 + digits.div_ceil(2) + usize::from(mantissa.starts_with('-'))
}
