//! Conditions and filters as `DynamoDB`'s expressions.
//!
//! Every name and value is a placeholder: an attribute may be called `size`, which is a reserved word, or `a.b`.
//! Each expression means exactly what mvi-core's evaluator means, which is what every provider is held to:
//! `NOT a = b` rather than `a <> b`, since what is absent differs from every value; a type test before a sum.
//!
//! Source: [expressions][source].
//!
//! [source]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html

use std::{collections::HashMap, fmt::Write as _};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use mvi_core::{
    Error, Result,
    kv::{Comparison, Condition, Operand, Path, Table, Ttl, Value, time_value},
};

use super::value::{Attributes, EXPIRES, VERSION, from_value, seconds};

/// The names and values of one request's expressions.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    names: Vec<String>,
    values: Vec<AttributeValue>,
}

impl Placeholders {
    /// The attributes' names by placeholder; `None` where there are none, as `DynamoDB` wants it.
    pub(super) fn take(self) -> (Option<HashMap<String, String>>, Option<Attributes>) {
        let Self { names, values } = self;
        let names: HashMap<_, _> =
            names.into_iter().enumerate().map(|(n, name)| (format!("#{n}"), name)).collect();
        let values: HashMap<_, _> =
            values.into_iter().enumerate().map(|(n, value)| (format!(":{n}"), value)).collect();
        (Some(names).filter(|it| !it.is_empty()), Some(values).filter(|it| !it.is_empty()))
    }

    pub(super) fn name(&mut self, to: &mut String, name: &str) {
        let known = self.names.iter().position(|it| it == name);
        let number = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        write!(to, "#{number}").expect("a string takes all that is written");
    }

    pub(super) fn value(&mut self, to: &mut String, value: AttributeValue) {
        write!(to, ":{}", self.values.len()).expect("a string takes all that is written");
        self.values.push(value);
    }

    pub(super) fn path(&mut self, to: &mut String, parts: &[String]) {
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                to.push('.');
            }
            self.name(to, part);
        }
    }

    /// `path operator value`.
    pub(super) fn compare(
        &mut self,
        to: &mut String,
        path: &[String],
        operator: &str,
        value: AttributeValue,
    ) {
        self.path(to, path);
        to.push_str(operator);
        self.value(to, value);
    }

    /// `function(path)`.
    pub(super) fn test(&mut self, to: &mut String, function: &str, path: &[String]) {
        to.push_str(function);
        to.push('(');
        self.path(to, path);
        to.push(')');
    }

    /// `function(path, value)`.
    pub(super) fn test_with(
        &mut self,
        to: &mut String,
        function: &str,
        path: &[String],
        value: AttributeValue,
    ) {
        to.push_str(function);
        to.push('(');
        self.compare(to, path, ", ", value);
        to.push(')');
    }

    pub(super) fn is_type(&mut self, to: &mut String, path: &[String], of: &str) {
        self.test_with(to, "attribute_type", path, AttributeValue::S(of.to_owned()));
    }

    fn key_test(&mut self, to: &mut String, function: &str, table: &Table) {
        self.test(to, function, std::slice::from_ref(&table.partition.name));
    }

    /// `_x operator now`.
    fn expires(&mut self, to: &mut String, operator: &str, now: Timestamp) {
        self.name(to, EXPIRES);
        to.push_str(operator);
        self.value(to, seconds(now));
    }
}

/// Writes that `condition` holds of what is live; an expired record is none.
pub(super) fn condition(
    placeholders: &mut Placeholders,
    to: &mut String,
    table: &Table,
    condition: &Condition,
    now: Timestamp,
) -> Result<()> {
    let holds_of_none = condition.holds(None, now)?;
    match (holds_of_none, table.ttl) {
        (true, ttl) => {
            placeholders.key_test(to, "attribute_not_exists", table);
            if ttl == Ttl::On {
                to.push_str(" OR ");
                placeholders.expires(to, " <= ", now);
            }
            if *condition == Condition::Absent {
                return Ok(());
            }
            to.push_str(" OR ");
        }
        (false, ttl) => {
            placeholders.key_test(to, "attribute_exists", table);
            to.push_str(" AND ");
            if ttl == Ttl::On {
                live(placeholders, to, now);
                to.push_str(" AND ");
            }
        }
    }
    term(placeholders, to, table, condition, now)
}

/// Writes that the record, if any, has not expired.
pub(super) fn live(placeholders: &mut Placeholders, to: &mut String, now: Timestamp) {
    to.push('(');
    placeholders.test(to, "attribute_not_exists", &[EXPIRES.to_owned()]);
    to.push_str(" OR ");
    placeholders.expires(to, " > ", now);
    to.push(')');
}

/// Writes `condition` of a live record.
pub(super) fn term(
    placeholders: &mut Placeholders,
    to: &mut String,
    table: &Table,
    condition: &Condition,
    now: Timestamp,
) -> Result<()> {
    match condition {
        Condition::Absent => placeholders.key_test(to, "attribute_not_exists", table),
        Condition::Present => placeholders.key_test(to, "attribute_exists", table),
        Condition::Version(version) if version.as_str().is_empty() => {
            placeholders.test(to, "attribute_not_exists", &[VERSION.to_owned()]);
        }
        Condition::Version(version) => {
            let value = AttributeValue::S(version.as_str().to_owned());
            placeholders.compare(to, &[VERSION.to_owned()], " = ", value);
        }
        Condition::Has(path) => placeholders.test(to, "attribute_exists", item_path(table, path)?),
        Condition::Lacks(path) => {
            placeholders.test(to, "attribute_not_exists", item_path(table, path)?);
        }
        Condition::Compare(path, comparison, operand) => {
            let value = match operand {
                Operand::Value(value) => from_value(value.clone()),
                Operand::Time(when) => from_value(time_value(when.resolve(now)?)),
            };
            let path = item_path(table, path)?;
            let is_null = matches!(operand, Operand::Value(Value::Null));
            let (not, operator) = match comparison {
                Comparison::Eq => ("", " = "),
                Comparison::Ne => ("NOT ", " = "),
                Comparison::Lt => ("", " < "),
                Comparison::Le => ("", " <= "),
                Comparison::Gt => ("", " > "),
                Comparison::Ge => ("", " >= "),
            };
            to.push_str(not);
            if is_null {
                // What is absent is not null.
                placeholders.is_type(to, path, "NULL");
            } else {
                placeholders.compare(to, path, operator, value);
            }
        }
        Condition::StartsWith(path, prefix) => {
            let path = item_path(table, path)?;
            match empty_type(prefix) {
                // DynamoDB refuses an empty operand, and everything of the type starts with it.
                Some(of) => placeholders.is_type(to, path, of),
                None => {
                    placeholders.test_with(to, "begins_with", path, from_value(prefix.clone()));
                }
            }
        }
        Condition::Contains(path, part) => {
            let path = item_path(table, path)?;
            if let Some(of) = empty_type(part) {
                to.push('(');
                placeholders.is_type(to, path, of);
                to.push_str(" OR ");
                placeholders.test_with(to, "contains", path, from_value(part.clone()));
                to.push(')');
            } else {
                placeholders.test_with(to, "contains", path, from_value(part.clone()));
            }
        }
        Condition::All(all) => several(placeholders, to, table, " AND ", all, now)?,
        Condition::Any(any) => several(placeholders, to, table, " OR ", any, now)?,
        Condition::Not(not) => {
            to.push_str("NOT ");
            if has_parentheses(not) {
                term(placeholders, to, table, not, now)?;
            } else {
                to.push('(');
                term(placeholders, to, table, not, now)?;
                to.push(')');
            }
        }
    }
    Ok(())
}

fn several(
    placeholders: &mut Placeholders,
    to: &mut String,
    table: &Table,
    between: &str,
    conditions: &[Condition],
    now: Timestamp,
) -> Result<()> {
    if let [one] = conditions {
        return term(placeholders, to, table, one, now);
    }
    to.push('(');
    for (n, condition) in conditions.iter().enumerate() {
        if n > 0 {
            to.push_str(between);
        }
        term(placeholders, to, table, condition, now)?;
    }
    to.push(')');
    Ok(())
}

/// Whether `condition` is written in parentheses of its own: DynamoDB refuses redundant ones.
fn has_parentheses(condition: &Condition) -> bool {
    match condition {
        Condition::All(several) | Condition::Any(several) => match several.as_slice() {
            [one] => has_parentheses(one),
            _ => true,
        },
        Condition::Contains(_, part) => empty_type(part).is_some(),
        _ => false,
    }
}

/// The type of an empty text or of empty bytes.
fn empty_type(value: &Value) -> Option<&'static str> {
    match value {
        Value::Text(text) if text.is_empty() => Some("S"),
        Value::Bytes(bytes) if bytes.is_empty() => Some("B"),
        _ => None,
    }
}

/// A path into the item, which the key and the hidden attributes are no part of.
fn item_path<'a>(table: &Table, path: &'a Path) -> Result<&'a [String]> {
    let parts = path.parts();
    let first = parts.first().map_or("", String::as_str);
    let is_key =
        first == table.partition.name || table.sort.as_ref().is_some_and(|sort| first == sort.name);
    if is_key || matches!(first, VERSION | EXPIRES) {
        return Err(Error::invalid(format!("{first:?} is no attribute of the item")));
    }
    Ok(parts)
}

/// Whether `condition` holds of one version of one record only, so that what held once and was applied can't hold again.
pub(super) fn is_pinned(condition: &Condition) -> bool {
    match condition {
        Condition::Version(version) => !version.as_str().is_empty(),
        Condition::All(all) => all.iter().any(is_pinned),
        Condition::Any(any) => !any.is_empty() && any.iter().all(is_pinned),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use mvi_core::{
        ErrorKind, Name, When,
        kv::{Attr, TableState, Version},
    };

    use super::*;

    fn table(ttl: Ttl) -> Table {
        let name = Name::new("links").unwrap();
        let mut table = Table::new(name, Attr::text("p"), Some(Attr::int("s")), TableState::Active);
        table.ttl = ttl;
        table
    }

    fn written(ttl: Ttl, it: &Condition) -> (String, Placeholders) {
        let (mut placeholders, mut to) = (Placeholders::default(), String::new());
        let now = Timestamp::from_second(1_000).unwrap();
        condition(&mut placeholders, &mut to, &table(ttl), it, now).unwrap();
        (to, placeholders)
    }

    #[test]
    fn an_expired_record_is_none() {
        let (text, placeholders) = written(Ttl::On, &Condition::Absent);
        assert_eq!(text, "attribute_not_exists(#0) OR #1 <= :0");
        assert_eq!(placeholders.names, ["p", "_x"]);
        assert_eq!(placeholders.values, [AttributeValue::N("1000".into())]);

        let (text, placeholders) = written(Ttl::On, &Condition::Version(Version::new("n1")));
        assert_eq!(
            text,
            "attribute_exists(#0) AND (attribute_not_exists(#1) OR #1 > :0) AND #2 = :1"
        );
        assert_eq!(placeholders.names, ["p", "_x", "_v"]);

        let (text, _) = written(Ttl::On, &Condition::ne("a", 1));
        assert_eq!(text, "attribute_not_exists(#0) OR #1 <= :0 OR NOT #2 = :1");
    }

    #[test]
    fn what_can_not_expire_is_not_asked_when() {
        assert_eq!(written(Ttl::Off, &Condition::Absent).0, "attribute_not_exists(#0)");
        let (text, _) = written(Ttl::Off, &Condition::Present);
        assert_eq!(text, "attribute_exists(#0) AND attribute_exists(#0)");
    }

    #[test]
    fn each_kind_of_condition_is_written() {
        let path = Path::new(["a", "b.c"]);
        let none = "attribute_not_exists(#0) OR ";
        let some = "attribute_exists(#0) AND ";
        for (condition, start, text) in [
            (Condition::has(path.clone()), some, "attribute_exists(#1.#2)"),
            (Condition::lacks("a"), none, "attribute_not_exists(#1)"),
            (Condition::eq("a", 1), some, "#1 = :0"),
            (Condition::lt("a", 1), some, "#1 < :0"),
            (Condition::le("a", 1), some, "#1 <= :0"),
            (Condition::gt("a", 1), some, "#1 > :0"),
            (Condition::ge("a", When::Now), some, "#1 >= :0"),
            (Condition::starts_with("a", "x"), some, "begins_with(#1, :0)"),
            (Condition::starts_with("a", ""), some, "attribute_type(#1, :0)"),
            (Condition::contains("a", "x"), some, "contains(#1, :0)"),
            (Condition::contains("a", ""), some, "(attribute_type(#1, :0) OR contains(#1, :1))"),
            (Condition::eq("a", 1).and(Condition::eq("b", 2)), some, "(#1 = :0 AND #2 = :1)"),
            (Condition::eq("a", 1).or(Condition::eq("a", 2)), some, "(#1 = :0 OR #1 = :1)"),
            (Condition::eq("a", 1).not(), none, "NOT (#1 = :0)"),
            (Condition::eq("a", Value::Null), some, "attribute_type(#1, :0)"),
            (Condition::ne("a", Value::Null), none, "NOT attribute_type(#1, :0)"),
            (Condition::ne("a", 1).not(), some, "NOT (NOT #1 = :0)"),
            (
                Condition::eq("a", 1).or(Condition::eq("b", 1)).not(),
                none,
                "NOT (#1 = :0 OR #2 = :1)",
            ),
            (Condition::All(vec![Condition::eq("a", 1)]), some, "#1 = :0"),
            (
                Condition::All(vec![Condition::eq("a", 1).or(Condition::eq("b", 1))]).not(),
                none,
                "NOT (#1 = :0 OR #2 = :1)",
            ),
            (
                Condition::contains("a", "").not(),
                none,
                "NOT (attribute_type(#1, :0) OR contains(#1, :1))",
            ),
        ] {
            assert_eq!(written(Ttl::Off, &condition).0, format!("{start}{text}"), "{condition:?}");
        }
    }

    #[test]
    fn the_key_and_the_hidden_attributes_are_not_the_items() {
        for name in ["p", "s", "_v", "_x"] {
            let (mut placeholders, mut to) = (Placeholders::default(), String::new());
            let it = Condition::eq(name, 1);
            let now = Timestamp::UNIX_EPOCH;
            let error = condition(&mut placeholders, &mut to, &table(Ttl::On), &it, now);
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid, "{name}");
        }
    }

    #[test]
    fn only_a_version_pins() {
        let version = || Condition::Version(Version::new("n1"));
        assert!(is_pinned(&version()));
        assert!(is_pinned(&version().and(Condition::eq("a", 1))));
        assert!(is_pinned(&version().or(version())));
        assert!(!is_pinned(&version().or(Condition::Absent)));
        assert!(!is_pinned(&version().not()));
        assert!(!is_pinned(&Condition::Version(Version::new(""))));
        assert!(!is_pinned(&Condition::Absent));
    }
}
