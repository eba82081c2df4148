//! Queries of a table: order, ranges, pages, cursors.

use std::{num::NonZeroU32, ops::Bound, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use mvi_core::{
    ErrorKind, Kv, Name, Result,
    kv::{Condition, Cursor, Item, KeyValue, Query, Range, Record},
};

use super::{Scope, Shape, Store, condition, one, store::create, stream_fails};

/// Sizes of a page that meet the ends of what is there, and those that do not.
pub(super) fn pages() -> impl Iterator<Item = NonZeroU32> {
    [1, 2, 3, 7].into_iter().filter_map(NonZeroU32::new)
}

/// Keeps a record at each of `sorts` in the partition `p`, written in another order.
async fn keep(store: &Store<'_>, sorts: &[KeyValue]) -> Result<()> {
    let (odd, even): (Vec<_>, Vec<_>) = sorts.iter().enumerate().partition(|(n, _)| n % 2 == 1);
    for (_, sort) in odd.into_iter().rev().chain(even) {
        store.save(&store.at("p", sort.clone()), one(1)).await?;
    }
    Ok(())
}

fn texts(texts: &[&str]) -> Vec<KeyValue> {
    texts.iter().map(|it| KeyValue::from(*it)).collect()
}

fn ints(ints: &[i64]) -> Vec<KeyValue> {
    ints.iter().map(|it| KeyValue::from(*it)).collect()
}

fn bytes(bytes: &[&'static [u8]]) -> Vec<KeyValue> {
    bytes.iter().map(|it| KeyValue::from(Bytes::from_static(it))).collect()
}

/// Text in the order of its bytes, which is not a dictionary's.
const TEXTS: [&str; 24] = [
    "\u{0}", "\u{1}", " ", "%", "-", ".", "..", "/", "0", "00", "10", "9", "A", "__a__", "a",
    "a\u{0}", "a.", "a/", "aa", "b", "~", "é", "日", "🦀",
];

const INTS: [i64; 14] = [
    i64::MIN,
    i64::MIN + 1,
    -1_000_000,
    -100,
    -11,
    -2,
    -1,
    0,
    1,
    2,
    10,
    100,
    i64::MAX - 1,
    i64::MAX,
];

const BYTES: [&[u8]; 10] =
    [&[0], &[0, 0], &[0, 1], &[1], &[1, 255], &[2], &[127], &[128], &[255], &[255, 255]];

pub(super) async fn text_is_ordered_by_its_bytes(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByText.shared(kv, scope).await?;
    let mut all = texts(&TEXTS);
    all.push("\u{10ffff}".into());
    keep(&store, &all).await?;
    assert_eq!(store.sorts(store.query("p")).await?, all);
    Ok(())
}

pub(super) async fn integers_are_ordered_as_numbers(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    keep(&store, &ints(&INTS)).await?;
    assert_eq!(store.sorts(store.query("p")).await?, ints(&INTS));
    Ok(())
}

pub(super) async fn bytes_are_ordered_as_bytes(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByBytes.shared(kv, scope).await?;
    keep(&store, &bytes(&BYTES)).await?;
    assert_eq!(store.sorts(store.query("p")).await?, bytes(&BYTES));
    Ok(())
}

pub(super) async fn descending_is_ascending_reversed(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let (text, int) =
        (Shape::ByText.shared(kv, scope).await?, Shape::ByInt.shared(kv, scope).await?);
    let binary = Shape::ByBytes.shared(kv, scope).await?;
    for (store, all) in [(text, texts(&TEXTS)), (int, ints(&INTS)), (binary, bytes(&BYTES))] {
        keep(&store, &all).await?;
        let mut found = store.sorts(store.query("p").descending()).await?;
        found.reverse();
        assert_eq!(found, all);
    }
    Ok(())
}

pub(super) async fn a_range_has_the_bounds_it_says(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    use Bound::{Excluded, Included, Unbounded};
    let bounds = |all: &[KeyValue]| {
        let (low, high) = (all[2].clone(), all[6].clone());
        [
            (Unbounded, Unbounded, 0..all.len()),
            (Included(low.clone()), Unbounded, 2..all.len()),
            (Excluded(low.clone()), Unbounded, 3..all.len()),
            (Unbounded, Included(high.clone()), 0..7),
            (Unbounded, Excluded(high.clone()), 0..6),
            (Included(low.clone()), Included(high.clone()), 2..7),
            (Included(low.clone()), Excluded(high.clone()), 2..6),
            (Excluded(low.clone()), Included(high.clone()), 3..7),
            (Excluded(low.clone()), Excluded(high.clone()), 3..6),
            (Included(low.clone()), Included(low.clone()), 2..3),
            // These end before they begin.
            (Excluded(low.clone()), Excluded(low.clone()), 0..0),
            (Included(low.clone()), Excluded(low.clone()), 0..0),
            (Included(high), Included(low), 0..0),
        ]
    };
    let (text, int) =
        (Shape::ByText.shared(kv, scope).await?, Shape::ByInt.shared(kv, scope).await?);
    let binary = Shape::ByBytes.shared(kv, scope).await?;
    for (store, all) in
        [(text, texts(&TEXTS[..9])), (int, ints(&INTS[3..12])), (binary, bytes(&BYTES[..9]))]
    {
        keep(&store, &all).await?;
        for (from, to, wanted) in bounds(&all) {
            let shown = format!("{from:?} {to:?}");
            let query = Query { range: Range::Between(from, to), ..store.query("p") };
            let wanted = &all[wanted];
            assert_eq!(store.sorts(query.clone()).await?, wanted, "{shown}");
            let mut found = store.sorts(query.descending()).await?;
            found.reverse();
            assert_eq!(found, wanted, "{shown} descending");
        }
    }
    Ok(())
}

pub(super) async fn a_prefix_is_a_prefix(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByText.shared(kv, scope).await?;
    let all = texts(&["a", "ab", "abc", "ac", "b", "ba", "bab", "\u{10ffff}", "\u{10ffff}a"]);
    keep(&store, &all).await?;
    for (prefix, wanted) in [
        ("a", 0..4),
        ("ab", 1..3),
        ("abc", 2..3),
        ("abcd", 0..0),
        ("b", 4..7),
        ("\u{10ffff}", 7..9),
        ("c", 0..0),
    ] {
        let query = store.query("p").prefix(prefix);
        assert_eq!(store.sorts(query.clone()).await?, all[wanted.clone()], "{prefix:?}");
        let mut found = store.sorts(query.descending()).await?;
        found.reverse();
        assert_eq!(found, all[wanted], "{prefix:?} descending");
    }
    let store = Shape::ByBytes.shared(kv, scope).await?;
    keep(&store, &bytes(&BYTES)).await?;
    for (prefix, wanted) in
        [(&[0_u8][..], 0..3), (&[1], 3..5), (&[255], 8..10), (&[255, 255], 9..10)]
    {
        let query = store.query("p").prefix(Bytes::copy_from_slice(prefix));
        assert_eq!(store.sorts(query).await?, bytes(&BYTES)[wanted], "{prefix:?}");
    }
    Ok(())
}

pub(super) async fn a_limit_is_the_most_given(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    let all = ints(&[1, 2, 3, 4, 5]);
    keep(&store, &all).await?;
    for limit in [0, 1, 3, 5, 6, 1000] {
        let given = all.len().min(usize::try_from(limit).expect("small"));
        let query = store.query("p").limit(limit);
        assert_eq!(store.sorts(query.clone()).await?, all[..given], "{limit}");
        for page in pages() {
            assert_eq!(
                store.sorts(query.clone().page(page)).await?,
                all[..given],
                "{limit} by {page}"
            );
        }
        let mut last = store.sorts(query.descending()).await?;
        last.reverse();
        assert_eq!(last, all[all.len() - given..], "the last {limit}");
    }
    Ok(())
}

pub(super) async fn pages_of_any_size_lose_and_repeat_nothing(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let (text, int) =
        (Shape::ByText.shared(kv, scope).await?, Shape::ByInt.shared(kv, scope).await?);
    for (store, all) in [(text, texts(&TEXTS)), (int, ints(&INTS))] {
        keep(&store, &all).await?;
        for page in pages() {
            let query = store.query("p").page(page);
            assert_eq!(store.sorts(query.clone()).await?, all, "pages of {page}");
            let mut found = store.sorts(query.descending()).await?;
            found.reverse();
            assert_eq!(found, all, "pages of {page} descending");
        }
    }
    Ok(())
}

pub(super) async fn a_cursor_resumes_after_every_record(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let (text, int) =
        (Shape::ByText.shared(kv, scope).await?, Shape::ByInt.shared(kv, scope).await?);
    let binary = Shape::ByBytes.shared(kv, scope).await?;
    for (store, all) in [(text, texts(&TEXTS)), (int, ints(&INTS)), (binary, bytes(&BYTES))] {
        keep(&store, &all).await?;
        // Pages that end between cursors, of few requests: the smallest have a case of their own.
        for (query, page) in [(store.query("p"), 7), (store.query("p").descending(), 5)] {
            let query = Query { page: NonZeroU32::new(page), ..query };
            let records = store.records(query.clone()).await?;
            assert_eq!(records.len(), all.len());
            for (at, record) in records.iter().enumerate() {
                let rest = store.records(query.clone().after(Cursor::after(record))).await?;
                assert_eq!(rest, records[at + 1..], "after {:?}", record.key);
            }
        }
    }
    Ok(())
}

pub(super) async fn a_cursor_of_a_deleted_record_still_resumes(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    keep(&store, &ints(&[1, 2, 3, 4])).await?;
    let first: Vec<Record> = store.records(store.query("p").limit(2)).await?;
    let cursor = Cursor::after(&first[1]);
    kv.delete(store.delete(&first[1].key)).await?;
    let query = store.query("p").after(cursor.clone());
    assert_eq!(store.sorts(query).await?, ints(&[3, 4]));
    let query = store.query("p").descending().after(cursor.clone());
    assert_eq!(store.sorts(query).await?, ints(&[1]));
    // A range goes with it.
    let query = store.query("p").between(..4).after(cursor);
    assert_eq!(store.sorts(query).await?, ints(&[3]));
    Ok(())
}

/// Wants a filter to hold wherever a condition would.
async fn filters(store: &Store<'_>, truths: Vec<(Condition, bool)>) -> Result<()> {
    store.save(&store.at("p", 1), condition::subject()?).await?;
    // Beside it, one of which nothing holds but what holds of the absent.
    store.save(&store.at("p", 2), Item::new()).await?;
    for (filter, holds) in truths {
        let shown = format!("{filter:?}");
        let found = store.sorts(store.query("p").filter(filter)).await?;
        assert_eq!(found.contains(&KeyValue::Int(1)), holds, "{shown}");
    }
    Ok(())
}

pub(super) async fn a_filter_holds_as_a_condition_does(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    filters(&store, condition::truths()?).await?;
    let lacking = store.query("p").filter(Condition::lacks("n"));
    assert_eq!(store.sorts(lacking).await?, ints(&[2]));
    Ok(())
}

pub(super) async fn a_filter_holds_of_odd_kinds_as_a_condition_does(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    filters(&store, condition::odd_truths()).await
}

pub(super) async fn a_limit_counts_what_the_filter_lets_through(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    for n in 0..12 {
        store.save(&store.at("p", n), one(n % 3)).await?;
    }
    let query = store.query("p").filter(Condition::eq("n", 2));
    assert_eq!(store.sorts(query.clone()).await?, ints(&[2, 5, 8, 11]));
    assert_eq!(store.sorts(query.clone().limit(2)).await?, ints(&[2, 5]));
    assert_eq!(store.sorts(query.clone().limit(2).descending()).await?, ints(&[11, 8]));
    for page in pages() {
        let paged = query.clone().limit(3).page(page);
        assert_eq!(store.sorts(paged).await?, ints(&[2, 5, 8]), "pages of {page}");
    }
    Ok(())
}

pub(super) async fn partitions_are_kept_apart(kv: &Arc<dyn Kv>, scope: &Scope) -> Result<()> {
    let store = Shape::ByText.shared(kv, scope).await?;
    // Each is the start of another, with what an encoding might put between.
    let partitions = ["p", "pp", "p.", "p/", "p.-", "p\u{0}", "P", "q"];
    for partition in partitions {
        for sort in ["a", "-a", ".a"] {
            let item = Item::new().with("in", partition);
            store.save(&store.at(partition, sort), item).await?;
        }
    }
    for partition in partitions {
        for query in [store.query(partition), store.query(partition).descending()] {
            let found = store.records(query).await?;
            assert_eq!(found.len(), 3, "{partition:?}: {found:?}");
            let item = Item::new().with("in", partition);
            assert!(found.iter().all(|it| it.item == item), "{partition:?}: {found:?}");
        }
    }
    assert_eq!(store.records(store.query("none")).await?, []);
    Ok(())
}

pub(super) async fn a_partition_without_a_sort_attribute_is_one_record(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::Text.shared(kv, scope).await?;
    for key in ["p", "pp", "p.", "q"] {
        store.save(&store.key(key), one(1)).await?;
    }
    for query in [store.query("p"), store.query("p").descending()] {
        let found = store.records(query).await?;
        assert_eq!(found.into_iter().map(|it| it.key).collect::<Vec<_>>(), [store.key("p")]);
    }
    Ok(())
}

pub(super) async fn a_strong_query_sees_the_write_before_it(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByInt.shared(kv, scope).await?;
    for n in 1..=10 {
        store.save(&store.at("p", n), one(n)).await?;
        assert_eq!(store.sorts(store.query("p").descending().limit(1)).await?, ints(&[n]));
    }
    kv.delete(store.delete(&store.at("p", 10))).await?;
    assert_eq!(store.sorts(store.query("p").descending().limit(1)).await?, ints(&[9]));
    Ok(())
}

pub(super) async fn nothing_is_asked_until_a_stream_is_polled(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let table = scope.name("table")?;
    // Made before there is a table: what asks at once fails.
    let query = kv.query(Query::new(table.clone(), "p"));
    let scan = kv.scan(mvi_core::kv::Scan::new(table.clone()).strong());
    drop(kv.scan(mvi_core::kv::Scan::new(scope.name("none")?)));
    create(kv, Shape::ByInt.request(table)?).await?;
    assert_eq!(query.try_collect::<Vec<_>>().await?, []);
    assert_eq!(scan.count().await, 0);
    Ok(())
}

pub(super) async fn queries_that_make_no_sense_are_invalid(
    kv: &Arc<dyn Kv>,
    scope: &Scope,
) -> Result<()> {
    let store = Shape::ByText.shared(kv, scope).await?;
    let numbers = Shape::ByInt.shared(kv, scope).await?;
    let flat = Shape::Text.shared(kv, scope).await?;
    let queries = [
        store.query("p").between(1..),
        store.query("p").prefix(1),
        store.query("p").prefix(""),
        numbers.query("p").prefix(1),
        numbers.query("p").between("a"..),
        flat.query("p").prefix("a"),
        Query::new(store.name.clone(), 1),
        Query::new(store.name.clone(), ""),
        store.query("p").index(Name::new("none")?),
        store.query("p").after(store.at("q", "a")),
        store.query("p").after(store.key("p")),
        store.query("p").filter(Condition::Absent),
        store.query("p").prefix(1).limit(0),
        store.query("p").filter(Condition::eq("id", scope.text("p"))),
        store.query("p").filter(Condition::has("at").or(Condition::has("n"))),
    ];
    for query in queries {
        let shown = format!("{query:?}");
        let error = stream_fails(kv.query(query), ErrorKind::Invalid).await;
        assert_eq!(error.op(), "kv.query", "{shown}");
    }
    Ok(())
}
