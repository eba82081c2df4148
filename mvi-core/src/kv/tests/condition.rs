//! The laws of conditions.

use jiff::Timestamp;
use proptest::{collection, prelude::*, sample};

use super::numbers;
use crate::{
    ErrorKind, When,
    kv::{Comparison, Condition, Found, Item, Operand, Path, Value, Version, time_value},
};

/// Values that often meet.
fn few() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-2_i64..3).prop_map(Value::from),
        (-4_i32..5).prop_map(|it| Value::try_from(f64::from(it) / 2.0).unwrap()),
        numbers().prop_map(Value::Number),
        "[ab]{0,3}".prop_map(Value::Text),
        collection::vec(0_u8..3, 0..3).prop_map(|it| Value::Bytes(it.into())),
        collection::vec((0_i64..3).prop_map(Value::from), 0..3).prop_map(Value::List),
        collection::btree_map("[ab]", (0_i64..3).prop_map(Value::from), 0..3).prop_map(Value::Map),
    ]
}

fn items() -> impl Strategy<Value = Option<Item>> {
    proptest::option::weighted(
        0.9,
        collection::btree_map("[abc]", few(), 0..4).prop_map(Item::from),
    )
}

fn paths() -> impl Strategy<Value = Path> {
    prop_oneof![3 => "[abcd]".prop_map(Path::from), 1 => ("[abc]", "[abc]").prop_map(|(a, b)| Path::new([a, b]))]
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge])
}

fn conditions() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        Just(Condition::Absent),
        Just(Condition::Present),
        "[12]".prop_map(|it| Condition::Version(Version::new(it))),
        paths().prop_map(Condition::Has),
        paths().prop_map(Condition::Lacks),
        (paths(), comparisons(), few()).prop_map(|(path, how, value)| Condition::Compare(
            path,
            how,
            value.into()
        )),
        (paths(), few()).prop_map(|(path, value)| Condition::StartsWith(path, value)),
        (paths(), few()).prop_map(|(path, value)| Condition::Contains(path, value)),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 1..4).prop_map(Condition::All),
            collection::vec(inner.clone(), 1..4).prop_map(Condition::Any),
            inner.prop_map(Condition::not),
        ]
    })
}

fn holds(condition: &Condition, item: Option<&Item>) -> bool {
    let version = Version::new("1");
    let found = item.map(|item| Found { item, version: &version });
    condition.holds(found, Timestamp::UNIX_EPOCH).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn not_is_not(a in conditions(), item in items()) {
        let item = item.as_ref();
        prop_assert_eq!(holds(&a.clone().not(), item), !holds(&a, item));
    }

    #[test]
    fn de_morgan(a in conditions(), b in conditions(), item in items()) {
        let item = item.as_ref();
        let neither = a.clone().or(b.clone()).not();
        prop_assert_eq!(holds(&neither, item), holds(&a.clone().not().and(b.clone().not()), item));
        prop_assert_eq!(holds(&a.clone().and(b.clone()), item), holds(&a, item) && holds(&b, item));
        prop_assert_eq!(holds(&a.clone().or(b.clone()), item), holds(&a, item) || holds(&b, item));
    }

    #[test]
    fn the_order_of_and_and_or_means_nothing(several in collection::vec(conditions(), 1..4), item in items()) {
        let item = item.as_ref();
        let back: Vec<_> = several.iter().rev().cloned().collect();
        prop_assert_eq!(holds(&Condition::All(several.clone()), item), holds(&Condition::All(back.clone()), item));
        prop_assert_eq!(holds(&Condition::Any(several), item), holds(&Condition::Any(back), item));
    }

    #[test]
    fn a_comparison_is_what_it_says(path in paths(), value in few(), item in items()) {
        let item = item.as_ref();
        let is = |how| holds(&Condition::Compare(path.clone(), how, value.clone().into()), item);
        let found = item.and_then(|it| it.at(&path));
        let ordered = matches!(
            (found, &value),
            (Some(Value::Number(_)), Value::Number(_))
                | (Some(Value::Text(_)), Value::Text(_))
                | (Some(Value::Bytes(_)), Value::Bytes(_))
        );
        prop_assert_eq!(is(Comparison::Eq), found == Some(&value));
        prop_assert_eq!(is(Comparison::Ne), found != Some(&value));
        prop_assert_eq!(is(Comparison::Lt), ordered && found < Some(&value));
        prop_assert_eq!(is(Comparison::Gt), ordered && found > Some(&value));
        prop_assert_eq!(is(Comparison::Le), ordered && found <= Some(&value));
        prop_assert_eq!(is(Comparison::Ge), ordered && found >= Some(&value));
    }

    #[test]
    fn has_is_not_lacks_and_absence_is_no_item(path in paths(), item in items()) {
        let item = item.as_ref();
        let has = item.is_some_and(|it| it.at(&path).is_some());
        prop_assert_eq!(holds(&Condition::Has(path.clone()), item), has);
        prop_assert_eq!(holds(&Condition::Lacks(path), item), !has);
        prop_assert_eq!(holds(&Condition::Absent, item), item.is_none());
        prop_assert_eq!(holds(&Condition::Present, item), item.is_some());
        prop_assert_eq!(holds(&Condition::Version(Version::new("1")), item), item.is_some());
        prop_assert!(!holds(&Condition::Version(Version::new("2")), item));
    }

    #[test]
    fn what_starts_with_a_part_contains_it(path in paths(), part in few(), item in items()) {
        let item = item.as_ref();
        if holds(&Condition::StartsWith(path.clone(), part.clone()), item) {
            prop_assert!(holds(&Condition::Contains(path, part), item));
        }
    }

    #[test]
    fn of_what_is_absent_only_that_it_differs_holds(path in paths(), value in few(), how in comparisons()) {
        let compare = Condition::Compare(path.clone(), how, value.clone().into());
        for item in [None, Some(&Item::new())] {
            prop_assert_eq!(holds(&compare, item), how == Comparison::Ne);
            prop_assert!(!holds(&Condition::StartsWith(path.clone(), value.clone()), item));
            prop_assert!(!holds(&Condition::Contains(path.clone(), value.clone()), item));
        }
    }

    #[test]
    fn a_time_is_its_milliseconds(now in 0_i64..1 << 40, at in 0_i64..1 << 40) {
        let time = |millis| Timestamp::from_millisecond(millis).unwrap();
        let item = Item::new().with("until", time_value(time(at)));
        let version = Version::new("1");
        let found = Some(Found { item: &item, version: &version });
        let over = Condition::le("until", When::Now);
        prop_assert_eq!(over.holds(found, time(now)).unwrap(), at <= now);
        let same = Condition::eq("until", When::At(time(at)));
        prop_assert!(same.holds(found, time(now)).unwrap());
    }
}

#[test]
fn a_time_out_of_range_is_invalid() {
    let never = Operand::Time(When::In(std::time::Duration::MAX));
    let condition = Condition::le("until", never.clone());
    let error = condition.holds(None, Timestamp::UNIX_EPOCH).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
