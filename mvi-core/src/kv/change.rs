//! Changes to an item, made here for every provider that can't make them itself.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Change, Item, Path, Value, time_value};
use crate::{Error, Result};

/// Makes `changes` to `item`, all or none.
///
/// # Errors
///
/// [`Conflict`](crate::ErrorKind::Conflict) where a change does not fit what is there, and [`Invalid`](crate::ErrorKind::Invalid) where it holds a time out of range:
/// then `item` is as it was.
pub fn apply(changes: &[Change], item: &mut Item, now: Timestamp) -> Result<()> {
    let mut copy = item.clone();
    for change in changes {
        make(change, &mut copy, now)?;
    }
    *item = copy;
    Ok(())
}

fn make(change: &Change, item: &mut Item, now: Timestamp) -> Result<()> {
    let path = change.path();
    let (map, name) = parent(item, path)?;
    match change {
        Change::Set(_, value) => {
            map.insert(name.to_owned(), value.clone());
        }
        Change::SetTime(_, when) => {
            map.insert(name.to_owned(), time_value(when.resolve(now)?));
        }
        Change::Increment(_, by) => {
            let sum = match map.get(name) {
                None => Some(Value::from(*by)),
                Some(Value::Number(number)) => match number.as_i64() {
                    Some(int) => int.checked_add(*by).map(Value::from),
                    #[expect(clippy::cast_precision_loss, reason = "the sum is a float anyway")]
                    None => Value::try_from(number.as_f64() + *by as f64).ok(),
                },
                Some(other) => {
                    let kind = other.kind();
                    return Err(Error::conflict(format!("{path} is {kind}, wanted a number")));
                }
            };
            let beyond = || Error::conflict(format!("{path} plus {by} is beyond 64 bits"));
            map.insert(name.to_owned(), sum.ok_or_else(beyond)?);
        }
        Change::Append(_, values) => match map.get_mut(name) {
            None => {
                map.insert(name.to_owned(), Value::List(values.clone()));
            }
            Some(Value::List(list)) => list.extend_from_slice(values),
            Some(other) => {
                let kind = other.kind();
                return Err(Error::conflict(format!("{path} is {kind}, wanted a list")));
            }
        },
        Change::Remove(_) => {
            map.remove(name);
        }
    }
    Ok(())
}

/// The map that holds the path's last name, and that name.
fn parent<'a, 'p>(
    item: &'a mut Item,
    path: &'p Path,
) -> Result<(&'a mut BTreeMap<String, Value>, &'p str)> {
    let Some((name, parents)) = path.parts().split_last() else {
        return Err(Error::invalid("an empty path, wanted an attribute's name"));
    };
    let mut map = item.attributes_mut();
    for part in parents {
        map = match map.get_mut(part) {
            Some(Value::Map(map)) => map,
            _ => return Err(Error::conflict(format!("{path} has no map at {part:?}"))),
        };
    }
    Ok((map, name))
}
