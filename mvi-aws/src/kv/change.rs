//! Changes as `DynamoDB`'s update expressions, and what must hold for them to fit.
//!
//! `DynamoDB` has its own errors for what does not fit, in words only; a condition says the same by a code.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use mvi_core::{
    Result,
    kv::{Change, Condition, Expiry, Table, Ttl, Value, time_value},
};

use super::{
    expression::{Placeholders, condition, live},
    value::{Attributes, EXPIRES, VERSION, from_value, seconds},
};

/// An update, as `DynamoDB` takes it.
#[derive(Debug)]
pub(super) struct Changes {
    /// The update expression.
    pub(super) update: String,
    /// What must hold for it to fit what is there.
    pub(super) guard: String,
}

/// Writes `changes` and the write's `version`, and what must hold for the changes to fit: types, parents, and sums within 64 bits.
pub(super) fn changes(
    placeholders: &mut Placeholders,
    table: &Table,
    changes: Vec<Change>,
    version: &str,
    expiry: Option<Expiry>,
    now: Timestamp,
) -> Result<Changes> {
    let mut guards = Guards::default();
    if table.ttl == Ttl::On {
        guards.add(|to| live(placeholders, to, now));
    }
    let mut set = String::from("SET ");
    let mut remove = String::new();
    placeholders.compare(
        &mut set,
        &[VERSION.to_owned()],
        " = ",
        AttributeValue::S(version.to_owned()),
    );
    match expiry {
        None => {}
        Some(Expiry::Never) => placeholders.name(&mut remove, EXPIRES),
        Some(Expiry::At(when)) => {
            let at = seconds(when.resolve(now)?);
            set.push_str(", ");
            placeholders.compare(&mut set, &[EXPIRES.to_owned()], " = ", at);
        }
    }
    for change in changes {
        let path = change.path().parts();
        if let [parent @ .., _] = path
            && !parent.is_empty()
        {
            guards.add(|to| placeholders.is_type(to, parent, "M"));
        }
        match change {
            Change::Set(path, value) => {
                set.push_str(", ");
                placeholders.compare(&mut set, path.parts(), " = ", from_value(value));
            }
            Change::SetTime(path, when) => {
                let value = from_value(time_value(when.resolve(now)?));
                set.push_str(", ");
                placeholders.compare(&mut set, path.parts(), " = ", value);
            }
            Change::Increment(path, by) => {
                let path = path.parts();
                guards.add(|to| sum_fits(placeholders, to, path, by));
                set.push_str(", ");
                if_absent(placeholders, &mut set, path, "", AttributeValue::N("0".to_owned()));
                set.push_str(" + ");
                placeholders.value(&mut set, AttributeValue::N(by.to_string()));
            }
            Change::Append(path, values) => {
                let path = path.parts();
                guards.add(|to| {
                    to.push('(');
                    placeholders.test(to, "attribute_not_exists", path);
                    to.push_str(" OR ");
                    placeholders.is_type(to, path, "L");
                    to.push(')');
                });
                set.push_str(", ");
                if_absent(placeholders, &mut set, path, "list_append(", AttributeValue::L(vec![]));
                set.push_str(", ");
                placeholders.value(&mut set, from_value(Value::List(values)));
                set.push(')');
            }
            Change::Remove(path) => {
                if !remove.is_empty() {
                    remove.push_str(", ");
                }
                placeholders.path(&mut remove, path.parts());
            }
        }
    }
    if !remove.is_empty() {
        set.push_str(" REMOVE ");
        set.push_str(&remove);
    }
    Ok(Changes { update: set, guard: guards.0 })
}

/// Writes `path = function(if_not_exists(path, absent)`.
fn if_absent(
    placeholders: &mut Placeholders,
    to: &mut String,
    path: &[String],
    function: &str,
    absent: AttributeValue,
) {
    placeholders.path(to, path);
    to.push_str(" = ");
    to.push_str(function);
    placeholders.test_with(to, "if_not_exists", path, absent);
}

/// Writes that what is at `path` is nothing, or a number to which `by` can be added within 64 bits.
fn sum_fits(placeholders: &mut Placeholders, to: &mut String, path: &[String], by: i64) {
    to.push('(');
    placeholders.test(to, "attribute_not_exists", path);
    to.push_str(" OR (");
    placeholders.is_type(to, path, "N");
    to.push_str(" AND ");
    let (operator, limit) =
        if by < 0 { (" >= ", i64::MIN.saturating_sub(by)) } else { (" <= ", i64::MAX - by) };
    placeholders.compare(to, path, operator, AttributeValue::N(limit.to_string()));
    to.push_str("))");
}

/// Conditions that must all hold.
#[derive(Default)]
struct Guards(String);

impl Guards {
    fn add(&mut self, write: impl FnOnce(&mut String)) {
        if !self.0.is_empty() {
            self.0.push_str(" AND ");
        }
        write(&mut self.0);
    }
}

/// Writes what must hold for an update: that `guard` does, and `only_if`.
pub(super) fn with_guard(
    placeholders: &mut Placeholders,
    table: &Table,
    only_if: Option<&Condition>,
    guard: String,
    now: Timestamp,
) -> Result<Option<String>> {
    let Some(only_if) = only_if else { return Ok(Some(guard).filter(|it| !it.is_empty())) };
    let mut text = String::from("(");
    condition(placeholders, &mut text, table, only_if, now)?;
    text.push(')');
    if !guard.is_empty() {
        text.push_str(" AND ");
        text.push_str(&guard);
    }
    Ok(Some(text))
}

/// Writes that a record is as it was when it was `old`.
pub(super) fn unchanged(placeholders: &mut Placeholders, to: &mut String, old: &Attributes) {
    for (n, name) in [VERSION, EXPIRES].into_iter().enumerate() {
        if n > 0 {
            to.push_str(" AND ");
        }
        let path = [name.to_owned()];
        match old.get(name) {
            Some(value) => placeholders.compare(to, &path, " = ", value.clone()),
            None => placeholders.test(to, "attribute_not_exists", &path),
        }
    }
}

#[cfg(test)]
mod tests {
    use mvi_core::{
        Name,
        kv::{Attr, Path, TableState},
    };

    use super::*;

    fn table() -> Table {
        let name = Name::new("links").unwrap();
        Table::new(name, Attr::text("p"), Some(Attr::int("s")), TableState::Active)
    }

    #[test]
    fn changes_say_what_they_need() {
        let mut placeholders = Placeholders::default();
        let list = vec![
            Change::Set(Path::new(["m", "x"]), 1.into()),
            Change::Increment("n".into(), 2),
            Change::Increment("k".into(), i64::MIN),
            Change::Append("l".into(), vec![3.into()]),
            Change::Remove("r".into()),
        ];
        let now = Timestamp::from_second(1_000).unwrap();
        let never = Some(Expiry::Never);
        let written = changes(&mut placeholders, &table(), list, "n1", never, now).unwrap();
        assert_eq!(
            written.update,
            "SET #0 = :0, #2.#3 = :2, #4 = if_not_exists(#4, :5) + :6, #5 = if_not_exists(#5, :9) + :10, \
             #6 = list_append(if_not_exists(#6, :12), :13) REMOVE #1, #7"
        );
        assert_eq!(
            written.guard,
            "attribute_type(#2, :1) AND \
             (attribute_not_exists(#4) OR (attribute_type(#4, :3) AND #4 <= :4)) AND \
             (attribute_not_exists(#5) OR (attribute_type(#5, :7) AND #5 >= :8)) AND \
             (attribute_not_exists(#6) OR attribute_type(#6, :11))"
        );
        let values = placeholders.take().1.unwrap();
        let number = |n: usize| values[&format!(":{n}")].as_n().unwrap().clone();
        assert_eq!(number(4), (i64::MAX - 2).to_string());
        assert_eq!(number(8), "0", "adding the least to what is negative goes beyond 64 bits");
    }
}
