//! What an item holds.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use bytes::Bytes;

use crate::{Error, Result};

/// An attribute's value.
///
/// Values compare as the providers compare them: numbers as numbers, text by its UTF-8 bytes. Across kinds
/// there is an order as well, so that values can be keys of a map; no provider compares across kinds.
///
/// ```
/// use mvi_core::kv::Value;
///
/// assert_eq!(Value::try_from(2.0)?, Value::from(2));
/// assert!(Value::from(10) > Value::from(9));
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Nothing, said explicitly.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text, which may be empty.
    Text(String),
    /// Bytes, which may be empty.
    Bytes(Bytes),
    /// Values in order; none of them may be a list.
    List(Vec<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// Its kind, as errors name it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }

    /// The integer, where it is one.
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Number(Number(Repr::Int(int))) => Some(*int),
            _ => None,
        }
    }

    /// The text, where it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A number: an `i64`, or a finite `f64` in the range of every provider.
///
/// A float that is a whole number in `i64`'s range is that integer, so equal numbers are equal
/// however they were written, and −0 is 0. NaN, the infinities, and what is not 0 but nearer to it
/// than 1e-130 or beyond 9.9e125 ([DynamoDB's range][source]) are refused.
///
/// ```
/// use mvi_core::kv::Number;
///
/// assert_eq!(Number::try_from(-0.0)?, Number::from(0));
/// assert!(Number::try_from(f64::NAN).is_err());
/// # Ok::<(), mvi_core::Error>(())
/// ```
///
/// [source]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
#[derive(Clone, Copy)]
pub struct Number(Repr);

/// `Float` is never a whole number in `i64`'s range, so the two never mean the same.
#[derive(Clone, Copy)]
enum Repr {
    Int(i64),
    Float(f64),
}

impl Number {
    /// The smallest magnitude but zero.
    pub const MIN_FLOAT: f64 = 1e-130;
    /// The largest magnitude.
    pub const MAX_FLOAT: f64 = 9.9e125;

    /// The integer, where it is one.
    pub const fn as_i64(self) -> Option<i64> {
        match self.0 {
            Repr::Int(int) => Some(int),
            Repr::Float(_) => None,
        }
    }

    /// The nearest float.
    #[expect(clippy::cast_precision_loss, reason = "the nearest is what it promises")]
    pub const fn as_f64(self) -> f64 {
        match self.0 {
            Repr::Int(int) => int as f64,
            Repr::Float(float) => float,
        }
    }
}

impl TryFrom<f64> for Number {
    type Error = Error;

    fn try_from(float: f64) -> Result<Self> {
        // 2^63: the first float above every i64.
        const END: f64 = 9_223_372_036_854_775_808.0;
        if float.fract() == 0.0 && (-END..END).contains(&float) {
            #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
            return Ok(Self(Repr::Int(float as i64)));
        }
        let size = float.abs();
        if (Self::MIN_FLOAT..=Self::MAX_FLOAT).contains(&size) {
            return Ok(Self(Repr::Float(float)));
        }
        Err(Error::invalid(format!(
            "{float:e} is not a number to keep: wanted 0 or a size of {:e} to {:e}",
            Self::MIN_FLOAT,
            Self::MAX_FLOAT
        )))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Repr::Int(a), Repr::Int(b)) => a.cmp(&b),
            (Repr::Float(a), Repr::Float(b)) => a.total_cmp(&b),
            (Repr::Int(a), Repr::Float(b)) => int_to_float(a, b),
            (Repr::Float(a), Repr::Int(b)) => int_to_float(b, a).reverse(),
        }
    }
}

/// Compares exactly, where casting the integer would round it.
fn int_to_float(int: i64, float: f64) -> Ordering {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if float >= END {
        Ordering::Less
    } else if float < -END {
        Ordering::Greater
    } else {
        // Never equal: a float here has a fraction.
        #[expect(clippy::cast_possible_truncation, reason = "in range")]
        let floor = float.floor() as i64;
        if int <= floor { Ordering::Less } else { Ordering::Greater }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0 {
            Repr::Int(int) => int.hash(state),
            Repr::Float(float) => float.to_bits().hash(state),
        }
    }
}

/// As the shortest decimal that reads back as the same number.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Int(int) => fmt::Display::fmt(&int, f),
            Repr::Float(float) => fmt::LowerExp::fmt(&float, f),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads what [`Display`](fmt::Display) writes, and any other decimal.
impl std::str::FromStr for Number {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Ok(int) = text.parse::<i64>() {
            return Ok(int.into());
        }
        let float: f64 = text.parse().map_err(|e| Error::invalid("not a number").with_source(e))?;
        float.try_into()
    }
}

macro_rules! from_int {
    ($($int:ty),+) => {
        $(impl From<$int> for Number {
            fn from(int: $int) -> Self {
                Self(Repr::Int(int.into()))
            }
        }

        impl From<$int> for Value {
            fn from(int: $int) -> Self {
                Self::Number(int.into())
            }
        })+
    };
}
from_int!(i8, i16, i32, i64, u8, u16, u32);

impl TryFrom<f64> for Value {
    type Error = Error;

    fn try_from(float: f64) -> Result<Self> {
        float.try_into().map(Self::Number)
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Self::List(list)
    }
}

impl From<BTreeMap<String, Value>> for Value {
    fn from(map: BTreeMap<String, Value>) -> Self {
        Self::Map(map)
    }
}

/// A record's attributes by name, without those of its key. A clone shares them until one of the two is changed.
///
/// Any type that serde writes as a map or a struct becomes an item with [`Item::of`], and comes back with
/// [`Item::to`].
///
/// ```
/// use mvi_core::kv::{Item, Value};
///
/// let item = Item::new().with("url", "https://example.com").with("hits", 0);
/// assert_eq!(item.get("hits"), Some(&Value::from(0)));
/// ```
#[derive(Clone, Default)]
pub struct Item(Option<Arc<Attributes>>);

/// Values by name.
type Attributes = BTreeMap<String, Value>;

static NONE: Attributes = BTreeMap::new();

impl Item {
    /// No attributes.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Its attributes.
    pub fn attributes(&self) -> &BTreeMap<String, Value> {
        self.0.as_deref().unwrap_or(&NONE)
    }

    /// Its attributes, to be changed: they are copied first, where clones share them.
    pub fn attributes_mut(&mut self) -> &mut BTreeMap<String, Value> {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    /// Its attributes, by value: they are copied, where clones share them.
    pub fn into_attributes(self) -> BTreeMap<String, Value> {
        self.0.map(Arc::unwrap_or_clone).unwrap_or_default()
    }

    /// Adds an attribute, in place of one with the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attributes_mut().insert(name.into(), value.into());
        self
    }

    /// The attribute called `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.attributes().get(name)
    }

    /// The value at `path`.
    pub fn at(&self, path: &Path) -> Option<&Value> {
        let (first, rest) = path.parts().split_first()?;
        rest.iter().try_fold(self.attributes().get(first)?, |value, part| match value {
            Value::Map(map) => map.get(part),
            _ => None,
        })
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Item {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        pairs.collect::<BTreeMap<_, _>>().into()
    }
}

impl From<BTreeMap<String, Value>> for Item {
    fn from(attributes: BTreeMap<String, Value>) -> Self {
        Self((!attributes.is_empty()).then(|| Arc::new(attributes)))
    }
}

/// As a map of its attributes, be it none.
impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.attributes() == other.attributes()
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> Ordering {
        self.attributes().cmp(other.attributes())
    }
}

impl Hash for Item {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.attributes().hash(state);
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Item").field(self.attributes()).finish()
    }
}

/// Where a value is: an attribute's name, then names in the maps below it. Lists are not looked into.
///
/// A name may hold any character, a dot too: text is one name.
///
/// ```
/// use mvi_core::kv::Path;
///
/// assert_eq!(Path::from("hits").to_string(), "hits");
/// assert_eq!(Path::new(["address", "city"]).to_string(), "address.city");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<String>);

impl Path {
    /// The place that `parts` lead to.
    pub fn new<P: Into<String>>(parts: impl IntoIterator<Item = P>) -> Self {
        Self(parts.into_iter().map(Into::into).collect())
    }

    /// Its names, the attribute's first.
    pub fn parts(&self) -> &[String] {
        &self.0
    }
}

impl From<&str> for Path {
    fn from(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }
}

impl From<String> for Path {
    fn from(name: String) -> Self {
        Self(vec![name])
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers() -> impl Strategy<Value = Number> {
        prop_oneof![
            any::<i64>().prop_map(Number::from),
            (-3_i64..3).prop_map(Number::from),
            any::<f64>().prop_filter_map("out of range", |it| Number::try_from(it).ok()),
            (-3.0_f64..3.0).prop_map(|it| Number::try_from(it).unwrap()),
            (9.2e18..9.3e18_f64).prop_map(|it| Number::try_from(it).unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn numbers_have_one_total_order(a in numbers(), b in numbers(), c in numbers()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
            let nearest = a.as_f64().partial_cmp(&b.as_f64()).unwrap();
            prop_assert!(nearest == Ordering::Equal || nearest == a.cmp(&b));
        }

        #[test]
        fn a_number_reads_back_from_its_text(number in numbers()) {
            prop_assert_eq!(number.to_string().parse::<Number>().unwrap(), number);
        }
    }

    #[test]
    fn a_large_integer_is_not_rounded_to_a_float() {
        let big = Number::from(i64::MAX);
        let float = Number::try_from(9_223_372_036_854_775_808.0).unwrap();
        assert!(big < float);
        assert_eq!(Number::try_from(4e18).unwrap(), Number::from(4_000_000_000_000_000_000_i64));
    }

    #[test]
    fn what_no_provider_keeps_is_refused() {
        for float in [f64::NAN, f64::INFINITY, 1e-131, 1e126, -1e300] {
            assert!(Number::try_from(float).is_err(), "{float}");
        }
    }
}
