//! What must hold for a write to happen or a record to be given: built by callers, and evaluated here for every provider
//! that can't evaluate it itself.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::{Item, Path, Value, Version};
use crate::{Result, When};

/// What must hold of a record.
///
/// Values of different kinds are never equal and in no order. What is absent is different from every value, and
/// that is all that holds of it.
///
/// As the filter of a query or a scan it speaks of attributes only: [`Absent`](Self::Absent), [`Present`](Self::Present) and
/// [`Version`](Self::Version) are for writes.
///
/// It is about what the item holds. The key's attributes are not in the item, and a path that starts with one is
/// [`Invalid`](crate::ErrorKind::Invalid); so is, in the filter of an index's query, one that starts with an attribute of that index: a
/// [range](super::Query::between) says it better.
///
/// ```
/// use mvi_core::{When, kv::Condition};
///
/// let free = Condition::lacks("holder").or(Condition::le("until", When::Now));
/// # let _ = free;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no record.
    Absent,
    /// There is a record.
    Present,
    /// The record is as that write left it.
    Version(Version),
    /// The record has something at the path, null included.
    Has(Path),
    /// The record has nothing there, or there is no record.
    Lacks(Path),
    /// What is at the path compares so with the operand.
    Compare(Path, Comparison, Operand),
    /// The text or bytes at the path start with this.
    StartsWith(Path, Value),
    /// The text at the path contains this text, the bytes these bytes, or the list has this value.
    Contains(Path, Value),
    /// All of them hold.
    All(Vec<Condition>),
    /// One of them holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// They are equal; numbers as numbers.
    Eq,
    /// They are not equal, or there is nothing at the path.
    Ne,
    /// What is at the path is less. Of numbers, text and bytes only, as with the next three.
    Lt,
    /// It is less or equal.
    Le,
    /// It is greater.
    Gt,
    /// It is greater or equal.
    Ge,
}

/// What to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A value.
    Value(Value),
    /// A time as the provider's clock has it, in milliseconds since 1970: what [`Change::SetTime`](super::Change::SetTime) writes.
    Time(When),
}

impl Operand {
    /// The value that it stands for at `now`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where it is a time out of range.
    pub fn resolve(&self, now: Timestamp) -> Result<Value> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Time(when) => when.resolve(now).map(time_value),
        }
    }
}

/// A time as an attribute holds it: milliseconds since 1970.
pub fn time_value(time: Timestamp) -> Value {
    time.as_millisecond().into()
}

impl<V: Into<Value>> From<V> for Operand {
    fn from(value: V) -> Self {
        Self::Value(value.into())
    }
}

impl From<When> for Operand {
    fn from(when: When) -> Self {
        Self::Time(when)
    }
}

macro_rules! compare {
    ($($(#[$doc:meta])* $name:ident $comparison:ident)+) => {
        $($(#[$doc])*
        pub fn $name(path: impl Into<Path>, operand: impl Into<Operand>) -> Self {
            Self::Compare(path.into(), Comparison::$comparison, operand.into())
        })+
    };
}

impl Condition {
    compare! {
        /// What is at `path` equals `operand`.
        eq Eq
        /// What is at `path` is not `operand`, or is absent.
        ne Ne
        /// What is at `path` is less than `operand`.
        lt Lt
        /// What is at `path` is at most `operand`.
        le Le
        /// What is at `path` is more than `operand`.
        gt Gt
        /// What is at `path` is at least `operand`.
        ge Ge
    }

    /// The record has something at `path`.
    pub fn has(path: impl Into<Path>) -> Self {
        Self::Has(path.into())
    }

    /// The record has nothing at `path`.
    pub fn lacks(path: impl Into<Path>) -> Self {
        Self::Lacks(path.into())
    }

    /// The text or bytes at `path` start with `prefix`.
    pub fn starts_with(path: impl Into<Path>, prefix: impl Into<Value>) -> Self {
        Self::StartsWith(path.into(), prefix.into())
    }

    /// The text, bytes or list at `path` contain `part`.
    pub fn contains(path: impl Into<Path>, part: impl Into<Value>) -> Self {
        Self::Contains(path.into(), part.into())
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::All(mut all) => {
                all.push(other);
                Self::All(all)
            }
            one => Self::All(vec![one, other]),
        }
    }

    /// One of the two holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Any(mut any) => {
                any.push(other);
                Self::Any(any)
            }
            one => Self::Any(vec![one, other]),
        }
    }

    /// It does not hold.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "it reads as the other builders do")]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Whether it holds of `found` at `now`. An expired record is `None`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where it holds a time out of range.
    pub fn holds(&self, found: Option<Found<'_>>, now: Timestamp) -> Result<bool> {
        let at = |path: &Path| found.and_then(|it| it.item.at(path));
        Ok(match self {
            Self::Absent => found.is_none(),
            Self::Present => found.is_some(),
            Self::Version(version) => found.is_some_and(|it| it.version == version),
            Self::Has(path) => at(path).is_some(),
            Self::Lacks(path) => at(path).is_none(),
            Self::Compare(path, comparison, operand) => {
                compares(at(path), *comparison, &operand.resolve(now)?)
            }
            Self::StartsWith(path, prefix) => match (at(path), prefix) {
                (Some(Value::Text(text)), Value::Text(prefix)) => text.starts_with(prefix.as_str()),
                (Some(Value::Bytes(bytes)), Value::Bytes(prefix)) => bytes.starts_with(prefix),
                _ => false,
            },
            Self::Contains(path, part) => match (at(path), part) {
                (Some(Value::Text(text)), Value::Text(part)) => text.contains(part.as_str()),
                (Some(Value::Bytes(bytes)), Value::Bytes(part)) => {
                    part.is_empty() || bytes.windows(part.len()).any(|it| it == part)
                }
                (Some(Value::List(list)), part) => list.contains(part),
                _ => false,
            },
            Self::All(all) => {
                for it in all {
                    if !it.holds(found, now)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Any(any) => {
                for it in any {
                    if it.holds(found, now)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Not(not) => !not.holds(found, now)?,
        })
    }
}

fn compares(found: Option<&Value>, comparison: Comparison, wanted: &Value) -> bool {
    let order = found.and_then(|found| match (found, wanted) {
        (Value::Number(a), Value::Number(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        _ => None,
    });
    match comparison {
        Comparison::Eq => found == Some(wanted),
        Comparison::Ne => found != Some(wanted),
        Comparison::Lt => order == Some(Ordering::Less),
        Comparison::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Gt => order == Some(Ordering::Greater),
        Comparison::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

/// A record that a [`Condition`] is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Its attributes.
    pub item: &'a Item,
    /// The write that made it so.
    pub version: &'a Version,
}
