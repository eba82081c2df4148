//! Keys as text and as bytes that sort as the keys do: for providers that have no keys of two parts, and for the Sim.
//!
//! A document's id is `hh` + partition + `.-` + sort. `hh`, two hexadecimal digits of a hash of the partition, spreads the
//! load and splits parallel scans. In text `.` becomes `.0` and `/` becomes `.1`, which keeps the order and frees
//! `.-` for the separator; integers are 16 hexadecimal digits, the smallest first; bytes are hexadecimal.
//!
//! Sortable bytes are each part with 0 escaped, and a separator after it that is less than all that can go on.

use std::ops::Bound;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{Key, KeyKind, KeyValue, Range, key_bytes};
use crate::{Error, ErrorKind, Result};

const BETWEEN_PARTS: &str = ".-";
/// The first text after everything that starts with the separator.
const AFTER_PARTS: &str = "..";

/// Which of 256 buckets a partition is in.
pub fn bucket(partition: &KeyValue) -> u8 {
    let mut text = String::new();
    push_text(&mut text, partition);
    Sha256::digest(text.as_bytes())[0]
}

/// The id of the document at `key`: at most 1,404 bytes where the key is at most 700.
///
/// ```
/// use mvi_core::kv::{Key, KeyKind, codec};
///
/// let key = Key::sorted("a/b.c", 7);
/// let id = codec::document_id(&key);
/// assert_eq!(&id[2..], "a.1b.0c.-8000000000000007");
/// assert_eq!(codec::parse_document_id(&id, KeyKind::Text, Some(KeyKind::Int))?, key);
/// # Ok::<(), mvi_core::Error>(())
/// ```
pub fn document_id(key: &Key) -> String {
    let mut id = String::new();
    push_bucket(&mut id, &key.partition);
    push_text(&mut id, &key.partition);
    if let Some(sort) = &key.sort {
        id.push_str(BETWEEN_PARTS);
        push_text(&mut id, sort);
    }
    id
}

/// The key of the document called `id`, in a table with keys of these kinds.
///
/// # Errors
///
/// [`Corrupt`](ErrorKind::Corrupt) where no such key has this id.
pub fn parse_document_id(id: &str, partition: KeyKind, sort: Option<KeyKind>) -> Result<Key> {
    let foreign = || Error::new(ErrorKind::Corrupt, "a document whose id is no key of its table");
    let parts = id.get(2..).ok_or_else(foreign)?;
    let key = match (parts.split_once(BETWEEN_PARTS), sort) {
        (Some((left, right)), Some(kind)) => {
            let partition = parse_text(left, partition).ok_or_else(foreign)?;
            Key::sorted(partition, parse_text(right, kind).ok_or_else(foreign)?)
        }
        (None, None) => Key::new(parse_text(parts, partition).ok_or_else(foreign)?),
        _ => return Err(foreign()),
    };
    if document_id(&key) == id { Ok(key) } else { Err(foreign()) }
}

/// The ids in `range` of a partition whose table has a sort attribute.
pub fn id_range(partition: &KeyValue, range: &Range) -> (Bound<String>, Bound<String>) {
    let mut start = String::new();
    push_bucket(&mut start, partition);
    push_text(&mut start, partition);
    let end = format!("{start}{AFTER_PARTS}");
    start.push_str(BETWEEN_PARTS);
    let with = |value: &KeyValue| {
        let mut id = start.clone();
        push_text(&mut id, value);
        id
    };
    match range {
        Range::All => (Bound::Included(start), Bound::Excluded(end)),
        Range::Prefix(prefix) => {
            let from = with(prefix);
            let to = after_prefix(&from);
            (Bound::Included(from), Bound::Excluded(to))
        }
        Range::Between(from, to) => {
            let from = match from {
                Bound::Unbounded => Bound::Included(start.clone()),
                bound => bound.as_ref().map(with),
            };
            let to = match to {
                Bound::Unbounded => Bound::Excluded(end),
                bound => bound.as_ref().map(with),
            };
            (from, to)
        }
    }
}

/// The ids in segment `number` of `of`: their first two digits, from and up to but not including.
pub fn segment_range(number: u32, of: u32) -> (String, Option<String>) {
    // 64 bits, so that no segment overflows.
    let digits = |part: u32| u64::from(part) * 256 / u64::from(of.max(1));
    let text = |digits: u64| format!("{digits:02x}");
    let end = digits(number.saturating_add(1));
    (text(digits(number)), (end < 256).then(|| text(end)))
}

/// The bytes by which records of a table sort within their partition.
pub fn sort_bytes(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key_bytes(key) + 2 * SEPARATOR.len());
    push_key(&mut bytes, key);
    bytes
}

/// The bytes by which the record at `key` sorts in an index where its place is `place`.
pub fn index_bytes(place: &Key, key: &Key) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_key(&mut bytes, place);
    push_key(&mut bytes, key);
    bytes
}

/// The [`sort_bytes`] or [`index_bytes`] in `range` of a partition: from the first, up to but not including the second.
pub fn byte_range(partition: &KeyValue, range: &Range) -> (Vec<u8>, Vec<u8>) {
    let mut start = Vec::new();
    push_part(&mut start, partition);
    let whole = |bytes: &[u8], end: &[u8]| [bytes, end].concat();
    let with = |value: &KeyValue| {
        let mut bytes = whole(&start, SEPARATOR);
        push_part(&mut bytes, value);
        bytes
    };
    let (first, last) = (whole(&start, SEPARATOR), whole(&start, AFTER_SEPARATOR));
    match range {
        Range::All => (first, last),
        Range::Prefix(prefix) => {
            let from = with(prefix);
            let mut to = from.clone();
            // The bytes before the prefix hold a separator, so something is left to count up.
            while to.pop_if(|last| *last == u8::MAX).is_some() {}
            if let Some(last) = to.last_mut() {
                *last += 1;
            }
            (from, to)
        }
        Range::Between(from, to) => {
            let from = match from {
                Bound::Unbounded => first,
                Bound::Included(value) => whole(&with(value), SEPARATOR),
                Bound::Excluded(value) => whole(&with(value), AFTER_SEPARATOR),
            };
            let to = match to {
                Bound::Unbounded => last,
                Bound::Included(value) => whole(&with(value), AFTER_SEPARATOR),
                Bound::Excluded(value) => whole(&with(value), SEPARATOR),
            };
            (from, to)
        }
    }
}

fn push_bucket(id: &mut String, partition: &KeyValue) {
    id.push_str(&HEXLOWER.encode(&[bucket(partition)]));
}

fn push_text(id: &mut String, value: &KeyValue) {
    match value {
        KeyValue::Text(text) => {
            for char in text.chars() {
                match char {
                    '.' => id.push_str(".0"),
                    '/' => id.push_str(".1"),
                    other => id.push(other),
                }
            }
        }
        KeyValue::Int(int) => id.push_str(&HEXLOWER.encode(&sortable(*int))),
        KeyValue::Bytes(bytes) => id.push_str(&HEXLOWER.encode(bytes)),
    }
}

fn parse_text(text: &str, kind: KeyKind) -> Option<KeyValue> {
    Some(match kind {
        KeyKind::Text => KeyValue::Text(text.replace(".1", "/").replace(".0", ".")),
        KeyKind::Int => {
            let bytes: [u8; 8] = HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()?;
            KeyValue::Int((u64::from_be_bytes(bytes) ^ SIGN).cast_signed())
        }
        KeyKind::Bytes => KeyValue::Bytes(HEXLOWER.decode(text.as_bytes()).ok()?.into()),
    })
}

/// The first text after all that start with `prefix`. UTF-8 sorts as its characters do.
fn after_prefix(prefix: &str) -> String {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The step over the surrogates, which are no characters.
        let next =
            if last == '\u{D7FF}' { Some('\u{E000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            chars.push(next);
            break;
        }
    }
    chars.into_iter().collect()
}

const SIGN: u64 = 1 << 63;

/// An integer as bytes that sort as it does.
fn sortable(int: i64) -> [u8; 8] {
    (int.cast_unsigned() ^ SIGN).to_be_bytes()
}

/// Less than a zero byte that goes on (0, 255), and than every other byte.
const SEPARATOR: &[u8] = &[0, 1];
const AFTER_SEPARATOR: &[u8] = &[0, 2];

fn push_key(bytes: &mut Vec<u8>, key: &Key) {
    for part in [Some(&key.partition), key.sort.as_ref()].into_iter().flatten() {
        push_part(bytes, part);
        bytes.extend_from_slice(SEPARATOR);
    }
}

fn push_part(bytes: &mut Vec<u8>, value: &KeyValue) {
    let mut escape = |part: &[u8]| {
        for run in part.split_inclusive(|byte| *byte == 0) {
            bytes.extend_from_slice(run);
            if run.ends_with(&[0]) {
                bytes.push(u8::MAX);
            }
        }
    };
    match value {
        KeyValue::Text(text) => escape(text.as_bytes()),
        KeyValue::Bytes(part) => escape(part),
        KeyValue::Int(int) => bytes.extend_from_slice(&sortable(*int)),
    }
}
