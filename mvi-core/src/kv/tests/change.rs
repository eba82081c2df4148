//! Changes to an item.

use jiff::Timestamp;
use proptest::{collection, prelude::*};

use super::values;
use crate::{
    ErrorKind, Result, When,
    kv::{Change, Item, Path, Value, apply},
};

fn items() -> impl Strategy<Value = Item> {
    let value = prop_oneof![
        values(),
        any::<i64>().prop_map(Value::from),
        collection::vec(any::<i64>().prop_map(Value::from), 0..3).prop_map(Value::List),
        collection::btree_map("[abc]", any::<i64>().prop_map(Value::from), 0..3)
            .prop_map(Value::Map),
    ];
    collection::btree_map("[abc]", value, 0..4).prop_map(Item::from)
}

fn changes() -> impl Strategy<Value = Change> {
    let path = || {
        prop_oneof![
            3 => "[abcd]".prop_map(Path::from),
            2 => ("[abc]", "[abcd]").prop_map(|(a, b)| Path::new([a, b])),
        ]
    };
    prop_oneof![
        (path(), values()).prop_map(|(path, value)| Change::Set(path, value)),
        path().prop_map(|path| Change::SetTime(path, When::Now)),
        (path(), any::<i64>()).prop_map(|(path, by)| Change::Increment(path, by)),
        (path(), collection::vec(values(), 0..3)).prop_map(|(path, add)| Change::Append(path, add)),
        path().prop_map(Change::Remove),
    ]
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_123).unwrap()
}

fn changed(item: &Item, changes: &[Change]) -> Result<Item> {
    let mut item = item.clone();
    apply(changes, &mut item, now()).map(|()| item)
}

/// What a change leaves at its path, if anything. It fails where it does not fit.
fn wanted(change: &Change, before: Option<&Value>) -> Result<Option<Value>, ()> {
    Ok(match (change, before) {
        (Change::Set(_, value), _) => Some(value.clone()),
        (Change::SetTime(..), _) => Some(1_700_000_000_123_i64.into()),
        (Change::Remove(_), _) => None,
        (Change::Increment(_, by), None) => Some((*by).into()),
        (Change::Increment(_, by), Some(Value::Number(number))) => match number.as_i64() {
            Some(int) => Some(int.checked_add(*by).ok_or(())?.into()),
            #[expect(clippy::cast_precision_loss, reason = "as the sum of a float is")]
            None => Some(Value::try_from(number.as_f64() + *by as f64).map_err(|_| ())?),
        },
        (Change::Append(_, add), None) => Some(Value::List(add.clone())),
        (Change::Append(_, add), Some(Value::List(list))) => {
            Some(Value::List(list.iter().chain(add).cloned().collect()))
        }
        (Change::Increment(..) | Change::Append(..), Some(_)) => return Err(()),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_change_is_made_at_its_path_and_nowhere_else(change in changes(), item in items()) {
        let path = change.path();
        let parent_is_map = match path.parts() {
            [_] => true,
            [first, _] => matches!(item.get(first), Some(Value::Map(_))),
            _ => false,
        };
        let wanted = if parent_is_map { wanted(&change, item.at(path)) } else { Err(()) };
        match (changed(&item, std::slice::from_ref(&change)), wanted) {
            (Ok(after), Ok(wanted)) => {
                prop_assert_eq!(after.at(path), wanted.as_ref());
                let back = match item.at(path) {
                    Some(value) => Change::Set(path.clone(), value.clone()),
                    None => Change::Remove(path.clone()),
                };
                prop_assert_eq!(changed(&after, &[back]).unwrap(), item);
            }
            (Err(e), Err(())) => prop_assert_eq!(e.kind(), ErrorKind::Conflict),
            (got, wanted) => prop_assert!(false, "{:?}, wanted {:?}", got, wanted),
        }
    }

    #[test]
    fn all_or_none(changes in collection::vec(changes(), 1..4), item in items()) {
        let mut after = item.clone();
        let one_by_one = changes.iter().try_fold(item.clone(), |item, it| changed(&item, std::slice::from_ref(it)));
        match (apply(&changes, &mut after, now()), one_by_one) {
            (Ok(()), Ok(wanted)) => prop_assert_eq!(after, wanted),
            (Err(_), Err(_)) => prop_assert_eq!(after, item),
            (got, _) => prop_assert!(false, "{:?}", got),
        }
    }
}

#[test]
fn a_sum_beyond_an_i64_conflicts_and_a_float_takes_integers() {
    let at = |value: Value| Item::new().with("n", value);
    let by = |by| [Change::Increment("n".into(), by)];
    for (value, more) in [(i64::MAX, 1), (i64::MIN, -1), (1, i64::MAX)] {
        let error = changed(&at(value.into()), &by(more)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    let sum = changed(&at(i64::MAX.into()), &by(i64::MIN)).unwrap();
    assert_eq!(sum, at((-1).into()));
    let sum = changed(&at(Value::try_from(0.5).unwrap()), &by(2)).unwrap();
    assert_eq!(sum, at(Value::try_from(2.5).unwrap()));
}

#[test]
fn a_time_out_of_range_is_invalid_and_changes_nothing() {
    let never = Change::SetTime("t".into(), When::In(std::time::Duration::MAX));
    let error = changed(&Item::new(), &[Change::Set("a".into(), 1.into()), never]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let error = changed(&Item::new(), &[Change::Remove(Path::new::<String>([]))]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
