//! Each limit: what is at it passes, what is beyond it is refused.

use std::{collections::BTreeMap, num::NonZeroU32};

use bytes::Bytes;

use super::store::name;
use crate::{
    ErrorKind, Name, Result, When,
    kv::{
        Attr, Change, Check, Condition, Consistency, CreateTable, Cursor, Delete, Expiry, Get,
        GetMany, Index, Item, Key, KeyKind, KeyValue, MAX_CHANGES, MAX_DEPTH, MAX_INDEXES,
        MAX_ITEM_BYTES, MAX_KEY_BYTES, MAX_LEAVES, MAX_NAME_BYTES, MAX_SEGMENTS, MAX_STEPS,
        MAX_TERMS, MAX_TRANSACT_BYTES, Path, Put, Query, Range, Record, Scan, Segment, Step, Table,
        TableState, Transact, Ttl, Update, Value, Version, WriteMany, item_bytes,
    },
};

/// Passes at the limit, and is refused one beyond it.
fn limit<T>(make: impl Fn(usize) -> T, check: impl Fn(&T) -> Result<()>, most: usize) {
    check(&make(most)).unwrap();
    refused(check(&make(most + 1)));
}

#[track_caller]
fn refused(result: Result<()>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Invalid);
}

fn named(name: &str) -> Name {
    Name::new(name).unwrap()
}

/// Text, then integers; an index by `owner` and `created`, one by the sort attribute; records may expire.
fn table() -> Table {
    let mut table = Table::new(name(), Attr::text("p"), Some(Attr::int("s")), TableState::Active);
    table.ttl = Ttl::On;
    table.indexes = vec![
        Index::new(named("by-owner"), Attr::text("owner")).sort(Attr::int("created")),
        Index::new(named("by-sort"), Attr::int("s")),
    ];
    table
}

fn texts() -> Table {
    Table::new(name(), Attr::text("p"), Some(Attr::text("s")), TableState::Active)
}

fn put(item: Item) -> Put {
    Put::new(name(), Key::sorted("p", 1), item)
}

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[test]
fn a_key_is_at_most_700_bytes_and_not_empty() {
    let get = |sort: KeyValue| Get::new(name(), Key::sorted("p", sort));
    limit(|n| get(text(n - 1).into()), |it| it.check(&texts()), MAX_KEY_BYTES);
    let wide = |n: usize| Get::new(name(), Key::sorted(text(n - 16), 1));
    limit(wide, |it| it.check(&table()), MAX_KEY_BYTES);
    refused(get("".into()).check(&texts()));
    refused(Get::new(name(), Key::sorted("", 1)).check(&table()));
    let bytes = Table::new(name(), Attr::bytes("p"), None, TableState::Active);
    refused(Get::new(name(), Key::new(Bytes::new())).check(&bytes));
    Get::new(name(), Key::new(Bytes::from_static(&[0]))).check(&bytes).unwrap();
}

#[test]
fn a_key_has_its_tables_shape() {
    let get = |key: Key| Get::new(name(), key).check(&table());
    get(Key::sorted("p", i64::MIN)).unwrap();
    refused(get(Key::new("p")));
    refused(get(Key::sorted("p", "1")));
    refused(get(Key::sorted(1, 1)));
    let unsorted = Table::new(name(), Attr::text("p"), None, TableState::Active);
    refused(Get::new(name(), Key::sorted("p", 1)).check(&unsorted));
    refused(GetMany::new(name(), [Key::sorted("p", 1), Key::new("p")]).check(&table()));
    refused(Delete::new(name(), "p").check(&table()));
    refused(Update::new(name(), "p").check(&table()));
}

#[test]
fn an_item_is_at_most_400_000_bytes_with_key_and_hidden_fields() {
    let table = texts();
    let empty = item_bytes(&Key::sorted("p", "s"), &Item::new()) + "p".len() + "s".len();
    assert!(empty > 50, "{empty}");
    let make = |n: usize| {
        Put::new(name(), Key::sorted("p", "s"), Item::new().with("a", text(n - empty - 1)))
    };
    limit(make, |it| it.check(&table), MAX_ITEM_BYTES);
    let update = |n: usize| Update::new(name(), Key::sorted("p", "s")).set("a", text(n));
    limit(update, |it| it.check(&table), MAX_ITEM_BYTES);
    let half = MAX_ITEM_BYTES / 2;
    let append = |n: usize| update(half).append("b", vec![text(n - half).into()]);
    limit(append, |it| it.check(&table), MAX_ITEM_BYTES);
    let condition = |n: usize| put(Item::new()).only_if(Condition::eq("a", text(n)));
    limit(condition, |it| it.check(&self::table()), MAX_ITEM_BYTES);
}

/// A value inside of `depth - 1` maps, the item not counted.
fn deep(depth: usize, leaf: Value) -> Value {
    (1..depth).fold(leaf, |inner, _| Value::Map([("m".to_owned(), inner)].into()))
}

#[test]
fn maps_and_lists_are_at_most_16_deep() {
    let leaf = || Value::from(1);
    limit(|n| put(Item::new().with("a", deep(n, leaf()))), |it| it.check(&table()), MAX_DEPTH);
    let path = |n: usize| Path::new(vec!["m"; n]);
    let set = |n: usize| Update::new(name(), Key::sorted("p", 1)).set(path(n), 1);
    limit(set, |it| it.check(&table()), MAX_DEPTH);
    let below =
        |n: usize| Update::new(name(), Key::sorted("p", 1)).set(path(6), deep(n - 5, leaf()));
    limit(below, |it| it.check(&table()), MAX_DEPTH);
    let append =
        |n: usize| Update::new(name(), Key::sorted("p", 1)).append(path(n - 1), vec![leaf()]);
    limit(append, |it| it.check(&table()), MAX_DEPTH);
    limit(
        |n| put(Item::new()).only_if(Condition::has(path(n))),
        |it| it.check(&table()),
        MAX_DEPTH,
    );
}

#[test]
fn leaves_are_at_most_5_000() {
    let list = |n: usize| put(Item::new().with("a", vec![Value::Null; n]));
    limit(list, |it| it.check(&table()), MAX_LEAVES);
    let many = |n: usize| put((0..n).map(|it| (it.to_string(), 1)).collect());
    limit(many, |it| it.check(&table()), MAX_LEAVES);
    let empty = |n: usize| put(Item::new().with("a", vec![Value::Map(BTreeMap::new()); n]));
    limit(empty, |it| it.check(&table()), MAX_LEAVES);
    let two = |n: usize| {
        let nulls = |n| vec![Value::Null; n];
        Update::new(name(), Key::sorted("p", 1)).set("a", nulls(n - 1)).append("b", nulls(1))
    };
    limit(two, |it| it.check(&table()), MAX_LEAVES);
}

#[test]
fn what_firestore_keeps_for_itself_or_cannot_keep_is_refused() {
    let check = |value: Value| put(Item::new().with("a", value)).check(&table());
    refused(check(Value::List(vec![Value::List(vec![])])));
    let in_map = Value::Map([("l".to_owned(), Value::List(vec![]))].into());
    check(Value::List(vec![in_map])).unwrap();
    let path = || Path::from("a");
    let lists = vec![Value::List(vec![])];
    refused(Update::new(name(), Key::sorted("p", 1)).append(path(), lists.clone()).check(&table()));
    refused(put(Item::new()).only_if(Condition::contains("a", lists)).check(&table()));
    for bad in ["", "____", "__x__", "_v", "_x", "p", "s"] {
        refused(put(Item::new().with(bad, 1)).check(&table()));
        refused(Update::new(name(), Key::sorted("p", 1)).remove(bad).check(&table()));
        for condition in [Condition::has(bad), Condition::eq(bad, 1), Condition::contains(bad, 1)] {
            refused(put(Item::new()).only_if(condition.clone()).check(&table()));
            refused(Scan::new(name()).filter(condition.clone().not()).check(&table()));
            refused(Step::from(Check::new(name(), Key::sorted("p", 1), condition)).check(&table()));
        }
    }
    for bad in ["", "__x__"] {
        refused(check(Value::Map([(bad.to_owned(), 1.into())].into())));
        refused(put(Item::new()).only_if(Condition::has(Path::new(["a", bad]))).check(&table()));
    }
    for good in ["_", "__", "___", "__x", "x__", "_y", "a.b", "a/b", "`", "é"] {
        put(Item::new().with(good, 1)).only_if(Condition::has(good)).check(&table()).unwrap();
    }
    check(Value::Map([("_v".to_owned(), 1.into()), ("p".to_owned(), 1.into())].into())).unwrap();
}

#[test]
fn a_name_is_at_most_255_bytes() {
    limit(|n| put(Item::new().with(text(n), 1)), |it| it.check(&table()), MAX_NAME_BYTES);
    let nested = |n: usize| put(Item::new().with("a", Value::Map([(text(n), 1.into())].into())));
    limit(nested, |it| it.check(&table()), MAX_NAME_BYTES);
    limit(|n| CreateTable::new(name(), Attr::text(text(n))), CreateTable::check, MAX_NAME_BYTES);
    let path = |n: usize| Update::new(name(), Key::sorted("p", 1)).remove(text(n));
    limit(path, |it| it.check(&table()), MAX_NAME_BYTES);
}

#[test]
fn a_table_has_at_most_20_indexes_and_each_attribute_one_kind() {
    let create = || CreateTable::new(name(), Attr::text("p")).sort(Attr::int("s"));
    let indexes = |n: usize| {
        (0..n).fold(create(), |it, n| {
            it.index(Index::new(named(&format!("index-{n}")), Attr::text("a")))
        })
    };
    limit(indexes, CreateTable::check, MAX_INDEXES);
    let index = |partition, sort| Index::new(named("one"), partition).sort(sort);
    create().index(index(Attr::int("s"), Attr::text("p"))).check().unwrap();
    refused(create().index(index(Attr::text("s"), Attr::text("p"))).check());
    refused(create().index(index(Attr::text("a"), Attr::text("a"))).check());
    let two = create().index(index(Attr::text("a"), Attr::text("b")));
    refused(two.clone().index(Index::new(named("two"), Attr::int("b"))).check());
    refused(two.clone().index(Index::new(named("one"), Attr::text("c"))).check());
    two.index(Index::new(named("two"), Attr::text("b"))).check().unwrap();
    refused(CreateTable::new(name(), Attr::text("p")).sort(Attr::text("p")).check());
    for bad in ["", "_v", "_x", "__x__"] {
        refused(CreateTable::new(name(), Attr::text(bad)).check());
        refused(create().sort(Attr::int(bad)).check());
        refused(create().index(Index::new(named("one"), Attr::text(bad))).check());
    }
}

#[test]
fn what_is_in_an_index_fits_it_and_700_bytes_with_the_key() {
    // The key takes 1 and 16, the index's integer 16.
    let make = |n: usize| put(Item::new().with("owner", text(n - 33)).with("created", 1));
    limit(make, |it| it.check(&table()), MAX_KEY_BYTES);
    let both = Key::sorted(text(MAX_KEY_BYTES - 32), 1);
    Put::new(name(), both.clone(), Item::new()).check(&table()).unwrap();
    let longer = Key::sorted(text(MAX_KEY_BYTES - 31), 1);
    refused(Put::new(name(), longer, Item::new()).check(&table()));
    for bad in [Value::Null, 1.into(), "".into(), vec![].into()] {
        refused(put(Item::new().with("owner", bad.clone())).check(&table()));
        refused(Update::new(name(), Key::sorted("p", 1)).set("owner", bad).check(&table()));
    }
    let half = Value::try_from(0.5).unwrap();
    refused(put(Item::new().with("owner", "ann").with("created", half)).check(&table()));
    put(Item::new().with("owner", "ann")).check(&table()).unwrap();
    let update = || Update::new(name(), Key::sorted("p", 1));
    update().increment("created", 1).remove("owner").check(&table()).unwrap();
    update().change(Change::SetTime("created".into(), When::Now)).check(&table()).unwrap();
    refused(update().increment("owner", 1).check(&table()));
    refused(update().append("owner", vec![]).check(&table()));
    refused(update().set(Path::new(["owner", "a"]), "x").check(&table()));
}

#[test]
fn an_expiry_wants_a_table_with_ttl() {
    let (on, off) = (table(), texts());
    let key = || Key::sorted("p", "s");
    put(Item::new()).expires(When::Now).check(&on).unwrap();
    refused(Put::new(name(), key(), Item::new()).expires(When::Now).check(&off));
    refused(Update::new(name(), key()).expires(Expiry::At(When::Now)).check(&off));
    Update::new(name(), key()).expires(Expiry::Never).check(&off).unwrap();
}

#[test]
fn changes_are_at_most_50_and_do_not_overlap() {
    let update = || Update::new(name(), Key::sorted("p", 1));
    let many = |n: usize| (0..n).fold(update(), |it, n| it.increment(n.to_string(), 1));
    limit(many, |it| it.check(&table()), MAX_CHANGES);
    refused(update().set("a", 1).remove("a").check(&table()));
    refused(update().set(Path::new(["a", "b"]), 1).set("a-b", 1).remove("a").check(&table()));
    refused(update().set("a", 1).set("a-b", 1).set(Path::new(["a", "b"]), 1).check(&table()));
    let apart = update().set(Path::new(["a", "b"]), 1).set(Path::new(["a", "c"]), 1).set("ab", 1);
    apart.check(&table()).unwrap();
    refused(update().set(Path::new::<String>([]), 1).check(&table()));
}

#[test]
fn a_condition_is_at_most_50_terms_and_16_deep() {
    let any = |n: usize| put(Item::new()).only_if(Condition::Any(vec![Condition::has("a"); n - 1]));
    limit(any, |it| it.check(&table()), MAX_TERMS);
    let deep =
        |n: usize| put(Item::new()).only_if((1..n).fold(Condition::Present, |it, _| it.not()));
    limit(deep, |it| it.check(&table()), MAX_DEPTH);
    let names = |n: usize| {
        let path = |n: usize| Condition::has(Path::new(vec!["m"; n]));
        put(Item::new()).only_if(Condition::All(vec![path(10); 19]).and(path(n - 190)))
    };
    limit(names, |it| it.check(&table()), 200);
    refused(put(Item::new()).only_if(Condition::All(vec![])).check(&table()));
    refused(put(Item::new()).only_if(Condition::Any(vec![])).check(&table()));
    refused(put(Item::new()).only_if(Condition::lt("a", true)).check(&table()));
    refused(put(Item::new()).only_if(Condition::starts_with("a", 1)).check(&table()));
    refused(put(Item::new()).only_if(Condition::has(Path::new::<String>([]))).check(&table()));
    put(Item::new()).only_if(Condition::le("a", When::Now)).check(&table()).unwrap();
}

#[test]
fn a_filter_is_on_attributes_and_not_on_the_ones_of_the_index() {
    let owner = named("by-owner");
    for bad in [Condition::Absent, Condition::Present, Condition::Version(Version::new("v"))] {
        refused(Query::new(name(), "p").filter(bad.clone()).check(&table()));
        refused(Scan::new(name()).filter(bad.not()).check(&table()));
    }
    for own in ["owner", "created"] {
        let filter = Condition::eq(own, 1).or(Condition::has("a"));
        Query::new(name(), "p").filter(filter.clone()).check(&table()).unwrap();
        Scan::new(name()).filter(filter.clone()).check(&table()).unwrap();
        refused(Query::new(name(), "ann").index(owner.clone()).filter(filter).check(&table()));
    }
    let other = Condition::eq("a", 1);
    Query::new(name(), "ann").index(owner).filter(other).check(&table()).unwrap();
}

#[test]
fn a_query_fits_its_table_or_index() {
    let query = || Query::new(name(), "p");
    query().strong().check(&table()).unwrap();
    query().between(1..=3).descending().limit(1).page(NonZeroU32::MIN).check(&table()).unwrap();
    query().between::<i64>(..).check(&table()).unwrap();
    refused(query().between("a".."b").check(&table()));
    refused(query().prefix(1).check(&table()));
    refused(query().prefix("a").check(&table()));
    Query::new(name(), "p").prefix("a").check(&texts()).unwrap();
    refused(Query::new(name(), "p").prefix("").check(&texts()));
    refused(Query::new(name(), "").check(&texts()));
    refused(Query::new(name(), 1).check(&table()));
    refused(query().index(named("no-such")).check(&table()));
    let by_owner = || Query::new(name(), "ann").index(named("by-owner"));
    by_owner().between(1..).check(&table()).unwrap();
    refused(by_owner().strong().check(&table()));
    let by_sort = || Query::new(name(), 1).index(named("by-sort"));
    by_sort().check(&table()).unwrap();
    refused(by_sort().between(1..).check(&table()));
    assert_eq!(by_sort().consistency, Consistency::Eventual);
}

#[test]
fn a_cursor_is_of_the_same_query() {
    let key = Key::sorted("p", 1);
    let mut record = Record::new(key.clone(), Item::new().with("owner", "ann"), Version::new("v"));
    let own = Cursor::after(&record);
    let query = || Query::new(name(), "p");
    let by_owner = || Query::new(name(), "ann").index(named("by-owner"));
    query().after(own.clone()).check(&table()).unwrap();
    Scan::new(name()).after(own.clone()).check(&table()).unwrap();
    refused(query().after(Key::sorted("q", 1)).check(&table()));
    refused(query().after(Key::new("p")).check(&table()));
    refused(Scan::new(name()).after(Key::new("p")).check(&table()));
    refused(by_owner().after(own).check(&table()));
    Cursor::after_in(&table(), &named("by-owner"), &record).unwrap_err();
    Cursor::after_in(&table(), &named("no-such"), &record).unwrap_err();
    record.item = record.item.with("created", 7);
    let place = Cursor::after_in(&table(), &named("by-owner"), &record).unwrap();
    assert_eq!(place.place, Some(Key::sorted("ann", 7)));
    by_owner().after(place.clone()).check(&table()).unwrap();
    refused(
        Query::new(name(), "bob").index(named("by-owner")).after(place.clone()).check(&table()),
    );
    refused(query().after(place.clone()).check(&table()));
    refused(Scan::new(name()).after(place).check(&table()));
    let place = Cursor::after_in(&table(), &named("by-sort"), &record).unwrap();
    assert_eq!(place.place, Some(Key::new(1)));
}

#[test]
fn a_range_that_ends_before_it_begins_is_empty() {
    let range = |query: Query| query.range;
    let query = || Query::new(name(), "p");
    let (two, three) = (2, 3);
    for empty in [two..two, three..two]
        .map(|it| range(query().between(it)))
        .into_iter()
        .chain([range(query().between(three..=two))])
    {
        assert!(empty.is_empty(), "{empty:?}");
        assert!((0..5).all(|it| !empty.contains(Some(&KeyValue::Int(it)))));
    }
    for full in [
        range(query().between(2..=2)),
        range(query().between(..0)),
        Range::All,
        Range::Prefix("".into()),
    ] {
        assert!(!full.is_empty(), "{full:?}");
    }
    assert!(!range(query().between(1..)).contains(None) && Range::All.contains(None));
}

#[test]
fn a_scan_has_at_most_256_segments() {
    let scan = |number, of| {
        let mut scan = Scan::new(name());
        scan.segment = Some(Segment { number, of });
        scan.check(&table())
    };
    scan(MAX_SEGMENTS - 1, MAX_SEGMENTS).unwrap();
    scan(0, 1).unwrap();
    for (number, of) in [(0, 0), (1, 1), (0, MAX_SEGMENTS + 1), (u32::MAX, MAX_SEGMENTS)] {
        refused(scan(number, of));
    }
}

#[test]
fn a_transaction_is_1_to_100_steps_of_4_mb_each_record_once() {
    let delete = |n: usize| Delete::new(name(), Key::sorted("p", i64::try_from(n).unwrap()));
    let steps = |n: usize| (0..n).fold(Transact::new(), |it, n| it.step(delete(n)));
    limit(steps, Transact::check, MAX_STEPS);
    refused(Transact::new().check());
    refused(steps(2).step(put(Item::new())).check());
    steps(1).step(put(Item::new())).check().unwrap();
    let key = |n: usize| Key::sorted("p", i64::try_from(n).unwrap());
    let empty = item_bytes(&key(0), &Item::new()) + 1;
    let each = MAX_ITEM_BYTES - 1_000;
    let large = |n: usize| Put::new(name(), key(n), Item::new().with("a", text(each - empty)));
    let whole = MAX_TRANSACT_BYTES / each;
    let rest = |n: usize| text(n - whole * each - empty);
    let make = |n: usize| {
        let full = (0..whole).fold(Transact::new(), |it, n| it.step(large(n)));
        full.step(Put::new(name(), key(whole), Item::new().with("a", rest(n))))
    };
    limit(make, Transact::check, MAX_TRANSACT_BYTES);
}

#[test]
fn a_batch_writes_each_record_once() {
    let one = || Delete::new(name(), Key::sorted("p", 1));
    let other = Delete::new(named("other"), Key::sorted("p", 1));
    WriteMany::new([one(), other.clone()]).check().unwrap();
    refused(WriteMany::new([one(), one()]).check());
    assert_eq!(WriteMany::new([one(), other]).resource(), "table and others");
    assert_eq!(WriteMany::new([one()]).resource(), "table");
    assert_eq!(WriteMany::default().resource(), "");
    assert_eq!(Attr::text("p").kind, KeyKind::Text);
}
