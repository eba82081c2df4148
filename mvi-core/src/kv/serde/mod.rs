//! Any type that serde knows, to and from values and items, with no format in between.
//!
//! | in Rust | as a value |
//! |---|---|
//! | `None`, `()`, a unit struct | null |
//! | a number | a number; beyond an `i64`, NaN and infinities are refused |
//! | `str`, `char`, what writes itself as text, as times and addresses do | text |
//! | what serde calls bytes (`serde_bytes`, `bytes::Bytes`) | bytes |
//! | a sequence, a tuple | a list |
//! | a struct, a map whose keys are text, whole numbers, bools or unit variants | a map, such keys as text |
//! | a unit variant | its name as text |
//! | another variant | a map from its name to what it holds |
//! | a newtype | what it holds |

mod de;
mod ser;

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, MapAccess, SeqAccess, Unexpected, Visitor},
};

use super::{Attr, Item, Number, Record, Value};
use crate::{Error, Result};

impl Value {
    /// Writes `value` as serde does.
    ///
    /// ```
    /// use mvi_core::kv::Value;
    ///
    /// assert_eq!(Value::of(&Some("text"))?, Value::from("text"));
    /// # Ok::<(), mvi_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), naming the field, where it has a number that is [none to keep](Number), or a map
    /// with keys that are not text.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Ok(value.serialize(ser::ToValue)?)
    }

    /// Reads a type that serde knows. Text and bytes may be borrowed.
    ///
    /// ```
    /// use mvi_core::kv::Value;
    ///
    /// let value = Value::from("text");
    /// assert_eq!(value.to::<&str>()?, "text");
    /// # Ok::<(), mvi_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), naming the field, where the type is another.
    pub fn to<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        Ok(T::deserialize(de::Source::open(self))?)
    }

    /// Reads a type that serde knows, as [`to`](Self::to) does, but moves text and bytes in place of copying them.
    ///
    /// # Errors
    ///
    /// Those of [`to`](Self::to).
    pub fn decode<T: DeserializeOwned>(self) -> Result<T> {
        Ok(T::deserialize(de::Source::open(self))?)
    }
}

impl Item {
    /// Writes `value` as serde does: a struct, or a map whose keys are text. A field that is `None` is null.
    ///
    /// ```
    /// use mvi_core::kv::{Item, Value};
    /// use serde::Serialize;
    ///
    /// #[derive(Serialize)]
    /// struct Link {
    ///     url: String,
    ///     hits: u32,
    /// }
    ///
    /// let item = Item::of(&Link { url: "https://example.com".into(), hits: 3 })?;
    /// assert_eq!(item.get("hits"), Some(&Value::from(3)));
    /// # Ok::<(), mvi_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where it is neither, or as [`Value::of`] says.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        match Value::of(value)? {
            Value::Map(map) => Ok(map.into()),
            other => {
                Err(Error::invalid(format!("found {}, wanted a struct or a map", other.kind())))
            }
        }
    }

    /// Reads a type that serde knows. Text and bytes may be borrowed.
    ///
    /// ```
    /// use mvi_core::kv::Item;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Link<'a> {
    ///     url: &'a str,
    /// }
    ///
    /// let item = Item::new().with("url", "https://example.com").with("hits", 3);
    /// assert_eq!(item.to::<Link>()?.url, "https://example.com");
    /// # Ok::<(), mvi_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), naming the field, where the type is another.
    pub fn to<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        Ok(T::deserialize(de::borrowed_map(self.attributes()))?)
    }

    /// Reads a type that serde knows, as [`to`](Self::to) does, but moves text and bytes in place of copying them.
    ///
    /// # Errors
    ///
    /// Those of [`to`](Self::to).
    pub fn decode<T: DeserializeOwned>(self) -> Result<T> {
        Ok(T::deserialize(de::Source::open(Value::Map(self.into_attributes())))?)
    }
}

impl Record {
    /// Reads a type that has the key's attributes, called as `partition` and `sort` say, beside the item's.
    pub(super) fn decode<T: DeserializeOwned>(
        self,
        partition: &Attr,
        sort: Option<&Attr>,
    ) -> Result<T> {
        let Self { key, item, version: _, expires: _ } = self;
        let partition = (partition.name.as_str(), key.partition);
        let sort = sort.zip(key.sort).map(|(attr, value)| (attr.name.as_str(), value));
        Ok(T::deserialize(de::Keyed::new(partition, sort, item))?)
    }
}

/// Why a type could not be written or read, and where in it. Small while it travels.
#[derive(Debug)]
struct Fault(Box<FaultInner>);

#[derive(Debug)]
struct FaultInner {
    message: String,
    /// From the inside out.
    path: Vec<Place>,
}

#[derive(Debug)]
enum Place {
    Name(String),
    Number(usize),
}

impl Fault {
    #[cold]
    fn new(message: impl Into<String>) -> Self {
        Self(Box::new(FaultInner { message: message.into(), path: Vec::new() }))
    }

    /// Says that it happened inside of what `name` names.
    #[cold]
    fn within(mut self, name: &str) -> Self {
        self.0.path.push(Place::Name(name.to_owned()));
        self
    }

    /// Says that it happened in the name itself, unless it says where already.
    #[cold]
    fn named(self, name: &str) -> Self {
        if self.0.path.is_empty() { self.within(name) } else { self }
    }

    /// Says that it happened in a list's value at `number`, from 0.
    #[cold]
    fn at(mut self, number: usize) -> Self {
        self.0.path.push(Place::Number(number));
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut places = self.0.path.iter().rev().peekable();
        if places.peek().is_none() {
            return f.write_str(&self.0.message);
        }
        let mut first = true;
        for place in places {
            match place {
                Place::Name(name) if first => f.write_str(name)?,
                Place::Name(name) => write!(f, ".{name}")?,
                Place::Number(number) => write!(f, "[{number}]")?,
            }
            first = false;
        }
        write!(f, ": {}", self.0.message)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::invalid(fault.to_string())
    }
}

impl serde::ser::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

/// Serde's own messages show what was found; an error must not, so kinds stand in for values.
impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn serde::de::Expected) -> Self {
        Self::new(format!("found {}, wanted {wanted}", kind(found)))
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn serde::de::Expected) -> Self {
        Self::new(format!("found {} that does not fit, wanted {wanted}", kind(found)))
    }

    fn invalid_length(found: usize, wanted: &dyn serde::de::Expected) -> Self {
        Self::new(format!("found {found} values, wanted {wanted}"))
    }

    fn unknown_variant(_: &str, wanted: &'static [&'static str]) -> Self {
        Self::new(format!("found an unknown variant, wanted {}", one_of(wanted)))
    }

    fn unknown_field(name: &str, wanted: &'static [&'static str]) -> Self {
        Self::new(format!("not a field, wanted {}", one_of(wanted))).within(name)
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new("absent").within(name)
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::new("there twice").within(name)
    }
}

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a bool",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Char(_) | Unexpected::Str(_) => "text",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map | Unexpected::StructVariant => "a map",
        Unexpected::UnitVariant => "a variant that holds nothing",
        Unexpected::NewtypeVariant => "a variant that holds a value",
        Unexpected::TupleVariant => "a variant that holds a list",
        _ => "something else",
    }
}

fn one_of(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [name] => format!("`{name}`"),
        names => format!("one of `{}`", names.join("`, `")),
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_i64() {
            Some(int) => serializer.serialize_i64(int),
            None => serializer.serialize_f64(self.as_f64()),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;

        impl Visitor<'_> for Numbers {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_i64<E: serde::de::Error>(self, int: i64) -> Result<Number, E> {
                Ok(int.into())
            }

            fn visit_u64<E: serde::de::Error>(self, int: u64) -> Result<Number, E> {
                i64::try_from(int)
                    .map(Number::from)
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(int), &BEYOND))
            }

            fn visit_f64<E: serde::de::Error>(self, float: f64) -> Result<Number, E> {
                Number::try_from(float)
                    .map_err(|_| E::invalid_value(Unexpected::Float(float), &"a number to keep"))
            }
        }

        deserializer.deserialize_any(Numbers)
    }
}

/// What an integer is wanted to be.
const BEYOND: &str = "one that an i64 holds";

/// Bytes come back as a list of numbers from a format that has no bytes, as JSON has none.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(bool) => serializer.serialize_bool(*bool),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(list) => list.serialize(serializer),
            Self::Map(map) => map.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E: serde::de::Error>(self, bool: bool) -> Result<Value, E> {
        Ok(bool.into())
    }

    fn visit_i64<E: serde::de::Error>(self, int: i64) -> Result<Value, E> {
        Ok(int.into())
    }

    fn visit_u64<E: serde::de::Error>(self, int: u64) -> Result<Value, E> {
        i64::try_from(int)
            .map(Value::from)
            .map_err(|_| E::invalid_value(Unexpected::Unsigned(int), &BEYOND))
    }

    fn visit_f64<E: serde::de::Error>(self, float: f64) -> Result<Value, E> {
        Value::try_from(float)
            .map_err(|_| E::invalid_value(Unexpected::Float(float), &"a number to keep"))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Bytes::copy_from_slice(bytes).into())
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Bytes::from(bytes).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        // A hint may lie, and what it says is allocated.
        let mut list = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1_024));
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry()? {
            map.insert(name, value);
        }
        Ok(map.into())
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.attributes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests;
