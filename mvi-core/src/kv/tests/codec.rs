//! Keys as text and as bytes: they come back, and they sort as the keys do.

use std::ops::{Bound, RangeBounds as _};

use bytes::Bytes;
use proptest::{collection, prelude::*, sample};

use crate::{
    ErrorKind,
    kv::{
        Key, KeyKind, KeyValue, MAX_KEY_BYTES, MAX_SEGMENTS, Range,
        codec::{
            bucket, byte_range, document_id, id_range, index_bytes, parse_document_id,
            segment_range, sort_bytes,
        },
        key_bytes,
    },
};

/// What Firestore takes as a document's id and as an indexed value: <https://cloud.google.com/firestore/quotas>.
const FIRESTORE_BYTES: usize = 1_500;

/// The characters around which an encoding goes wrong, so that even short texts meet.
fn text() -> impl Strategy<Value = String> {
    let odd = vec![
        '\0',
        '\u{1}',
        '\u{2}',
        '-',
        '.',
        '/',
        '0',
        '1',
        'a',
        '\u{7f}',
        '\u{80}',
        'é',
        '\u{d7ff}',
        '\u{e000}',
        '\u{ffff}',
        '\u{10000}',
        '\u{10ffff}',
    ];
    let char = prop_oneof![4 => sample::select(odd), 1 => any::<char>()];
    collection::vec(char, 1..5).prop_map(|it| it.into_iter().collect())
}

fn part(kind: KeyKind) -> BoxedStrategy<KeyValue> {
    let byte = prop_oneof![sample::select(vec![0, 1, 2, 127, 128, 254, 255]), any::<u8>()];
    match kind {
        KeyKind::Text => text().prop_map(KeyValue::Text).boxed(),
        KeyKind::Int => prop_oneof![
            any::<i64>(),
            -3_i64..3,
            sample::select(vec![i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX])
        ]
        .prop_map(KeyValue::Int)
        .boxed(),
        KeyKind::Bytes => {
            collection::vec(byte, 1..5).prop_map(|it| KeyValue::Bytes(it.into())).boxed()
        }
    }
}

fn kind() -> impl Strategy<Value = KeyKind> {
    sample::select(vec![KeyKind::Text, KeyKind::Int, KeyKind::Bytes])
}

fn key((partition, sort): (KeyKind, Option<KeyKind>)) -> BoxedStrategy<Key> {
    match sort {
        None => part(partition).prop_map(Key::new).boxed(),
        Some(sort) => (part(partition), part(sort)).prop_map(|(p, s)| Key::sorted(p, s)).boxed(),
    }
}

fn kinds() -> impl Strategy<Value = (KeyKind, Option<KeyKind>)> {
    (kind(), proptest::option::of(kind()))
}

fn range(kind: KeyKind) -> BoxedStrategy<Range> {
    let bound = || {
        (0..3, part(kind)).prop_map(|(which, value)| match which {
            0 => Bound::Unbounded,
            1 => Bound::Included(value),
            _ => Bound::Excluded(value),
        })
    };
    let between = (bound(), bound()).prop_map(|(from, to)| Range::Between(from, to));
    match kind {
        KeyKind::Int => prop_oneof![1 => Just(Range::All), 4 => between].boxed(),
        _ => prop_oneof![1 => Just(Range::All), 3 => between, 3 => part(kind).prop_map(Range::Prefix)].boxed(),
    }
}

/// Two keys of one shape, half of them in one partition, and a range of that partition.
fn neighbours() -> impl Strategy<Value = (Key, Key, Range)> {
    (kind(), kind()).prop_flat_map(|(p, s)| {
        (key((p, Some(s))), key((p, Some(s))), any::<bool>(), range(s)).prop_map(
            |(a, mut b, same, range)| {
                if same {
                    b.partition = a.partition.clone();
                }
                (a, b, range)
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_key_comes_back_from_its_id((kinds, key) in kinds().prop_flat_map(|it| (Just(it), key(it)))) {
        let id = document_id(&key);
        prop_assert_eq!(parse_document_id(&id, kinds.0, kinds.1).unwrap(), key);
        prop_assert!(!id.contains('/') && !id.starts_with("__"));
    }

    #[test]
    fn two_keys_have_two_ids((a, b) in kinds().prop_flat_map(|it| (key(it), key(it)))) {
        prop_assert_eq!(a == b, document_id(&a) == document_id(&b));
        prop_assert_eq!(a == b, sort_bytes(&a) == sort_bytes(&b));
    }

    #[test]
    fn a_foreign_id_is_corrupt_and_no_panic(id in ".{0,20}|[0-9a-f]{2}[.\\-/01a-f]{0,20}", kinds in kinds()) {
        match parse_document_id(&id, kinds.0, kinds.1) {
            Ok(key) => prop_assert_eq!(document_id(&key), id),
            Err(e) => prop_assert_eq!(e.kind(), ErrorKind::Corrupt),
        }
    }

    #[test]
    fn within_a_partition_order_is_kept((a, mut b, _) in neighbours()) {
        b.partition = a.partition.clone();
        prop_assert_eq!(document_id(&a).cmp(&document_id(&b)), a.cmp(&b));
    }

    #[test]
    fn bytes_sort_as_keys_do((a, b) in kinds().prop_flat_map(|it| (key(it), key(it)))) {
        prop_assert_eq!(sort_bytes(&a).cmp(&sort_bytes(&b)), a.cmp(&b));
    }

    #[test]
    fn an_index_sorts_by_place_and_then_by_key(
        (a, b) in (kinds(), kinds()).prop_flat_map(|(place, own)| {
            ((key(place), key(own)), (key(place), key(own)))
        }),
    ) {
        prop_assert_eq!(index_bytes(&a.0, &a.1).cmp(&index_bytes(&b.0, &b.1)), a.cmp(&b));
    }

    #[test]
    fn a_range_of_ids_is_the_range_of_keys((a, b, range) in neighbours()) {
        let within = id_range(&a.partition, &range);
        for key in [&a, &b] {
            // As if both partitions were in one bucket, where only the range tells them apart.
            let id = format!("{:02x}{}", bucket(&a.partition), &document_id(key)[2..]);
            let wanted = key.partition == a.partition && range.contains(key.sort.as_ref());
            prop_assert_eq!(within.contains(&id), wanted, "{} in {:?}", id, within);
        }
    }

    #[test]
    fn a_range_of_bytes_is_the_range_of_keys((a, b, range) in neighbours(), own in key((KeyKind::Text, None))) {
        let (from, to) = byte_range(&a.partition, &range);
        for key in [&a, &b] {
            let wanted = key.partition == a.partition && range.contains(key.sort.as_ref());
            prop_assert_eq!((&from..&to).contains(&&sort_bytes(key)), wanted);
            prop_assert_eq!((&from..&to).contains(&&index_bytes(key, &own)), wanted);
        }
    }

    #[test]
    fn segments_share_every_bucket_out(of in 1..=MAX_SEGMENTS, bucket in any::<u8>()) {
        let digits = format!("{bucket:02x}");
        let holds = |number: &u32| {
            let (from, to) = segment_range(*number, of);
            from <= digits && to.is_none_or(|to| digits < to)
        };
        prop_assert_eq!((0..of).filter(holds).count(), 1);
    }
}

/// The keys of the most bytes whose encodings are the longest.
fn longest() -> Vec<Key> {
    let half = MAX_KEY_BYTES / 2;
    let mut keys = Vec::new();
    for unit in [".", "/", "\0", "\u{7f}"] {
        keys.push(Key::new(unit.repeat(MAX_KEY_BYTES)));
        keys.push(Key::sorted(unit.repeat(half), unit.repeat(half)));
        keys.push(Key::sorted(i64::MIN, unit.repeat(MAX_KEY_BYTES - 16)));
    }
    keys.push(Key::new("\u{10ffff}".repeat(MAX_KEY_BYTES / 4)));
    keys.push(Key::new(Bytes::from(vec![0; MAX_KEY_BYTES])));
    keys.push(Key::sorted(Bytes::from(vec![255; half]), Bytes::from(vec![0; half])));
    keys
}

#[test]
fn the_longest_keys_fit_firestore() {
    for key in longest() {
        assert_eq!(key_bytes(&key), MAX_KEY_BYTES, "{key:?}");
        let id = document_id(&key);
        assert!(id.len() <= 1_404 && id.len() <= FIRESTORE_BYTES, "{} bytes", id.len());
        assert!(sort_bytes(&key).len() <= FIRESTORE_BYTES);
        let (kind, sort) = (key.partition.kind(), key.sort.as_ref().map(KeyValue::kind));
        assert_eq!(parse_document_id(&id, kind, sort).unwrap(), key);
    }
    let quarter = "\0".repeat(MAX_KEY_BYTES / 4);
    let place = Key::sorted(quarter.as_str(), quarter.as_str());
    assert!(index_bytes(&place, &place).len() <= FIRESTORE_BYTES);
}

#[test]
fn an_id_of_another_bucket_or_shape_is_corrupt() {
    let id = document_id(&Key::sorted("a", 1));
    let foreign = format!("{:02x}{}", bucket(&"a".into()).wrapping_add(1), &id[2..]);
    for (id, sort) in
        [(foreign.as_str(), Some(KeyKind::Int)), (&id, None), (&id, Some(KeyKind::Bytes))]
    {
        let error = parse_document_id(id, KeyKind::Text, sort).err().map(|it| it.kind());
        // Sixteen hexadecimal digits are bytes as well: that is no foreign shape.
        let wanted = if sort == Some(KeyKind::Bytes) { None } else { Some(ErrorKind::Corrupt) };
        assert_eq!(error, wanted, "{id} {sort:?}");
    }
    for id in ["", "a", "é", "00", "00.-", "00a", "zza", "00.", "00.2"] {
        let error = parse_document_id(id, KeyKind::Text, Some(KeyKind::Text)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{id}");
    }
}

#[test]
fn buckets_are_many() {
    let used: std::collections::BTreeSet<u8> = (0..4_000).map(|it| bucket(&it.into())).collect();
    assert_eq!(used.len(), 256);
}
