//! Reads a type that serde knows from a value: borrowed, or given up and then moved out of.

use std::{
    collections::{BTreeMap, btree_map},
    fmt, slice, vec,
};

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
        Unexpected, VariantAccess, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::{Fault, Item, Number, Value};
use crate::kv::KeyValue;

type Result<T> = std::result::Result<T, Fault>;

/// A value to read, borrowed or owned.
pub(super) trait Source<'de>: Sized {
    type Text: Text<'de>;
    type Bytes: Binary<'de>;
    type List: ExactSizeIterator<Item = Self>;
    type Map: ExactSizeIterator<Item = (Self::Text, Self)>;

    fn open(self) -> Node<'de, Self>;
}

/// Text that a visitor is shown, or given.
pub(super) trait Text<'de>: AsRef<str> {
    fn show<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value>;
    fn give<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value>;
}

/// Bytes that a visitor is given.
pub(super) trait Binary<'de> {
    fn give<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value>;
}

/// One value, its parts not looked at yet.
pub(super) enum Node<'de, S: Source<'de>> {
    Null,
    Bool(bool),
    Number(Number),
    Text(S::Text),
    Bytes(S::Bytes),
    List(S::List),
    Map(S::Map),
}

impl<'de> Source<'de> for &'de Value {
    type Text = &'de String;
    type Bytes = &'de Bytes;
    type List = slice::Iter<'de, Value>;
    type Map = btree_map::Iter<'de, String, Value>;

    fn open(self) -> Node<'de, Self> {
        match self {
            Value::Null => Node::Null,
            Value::Bool(bool) => Node::Bool(*bool),
            Value::Number(number) => Node::Number(*number),
            Value::Text(text) => Node::Text(text),
            Value::Bytes(bytes) => Node::Bytes(bytes),
            Value::List(list) => Node::List(list.iter()),
            Value::Map(map) => Node::Map(map.iter()),
        }
    }
}

impl<'de> Source<'de> for Value {
    type Text = String;
    type Bytes = Bytes;
    type List = vec::IntoIter<Self>;
    type Map = btree_map::IntoIter<String, Self>;

    fn open(self) -> Node<'de, Self> {
        match self {
            Self::Null => Node::Null,
            Self::Bool(bool) => Node::Bool(bool),
            Self::Number(number) => Node::Number(number),
            Self::Text(text) => Node::Text(text),
            Self::Bytes(bytes) => Node::Bytes(bytes),
            Self::List(list) => Node::List(list.into_iter()),
            Self::Map(map) => Node::Map(map.into_iter()),
        }
    }
}

impl<'de> Text<'de> for &'de String {
    fn show<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_str(self)
    }

    fn give<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_str(self)
    }
}

impl<'de> Text<'de> for String {
    fn show<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value> {
        visitor.visit_str(self)
    }

    fn give<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_string(self)
    }
}

impl<'de> Binary<'de> for &'de Bytes {
    fn give<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_bytes(self)
    }
}

impl<'de> Binary<'de> for Bytes {
    fn give<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_byte_buf(self.into())
    }
}

/// A map that is read in place.
pub(super) fn borrowed_map(map: &BTreeMap<String, Value>) -> Node<'_, &Value> {
    Node::Map(map.iter())
}

impl<'de, S: Source<'de>> Node<'de, S> {
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(bool) => Unexpected::Bool(*bool),
            Self::Number(number) => match number.as_i64() {
                Some(int) => Unexpected::Signed(int),
                None => Unexpected::Float(number.as_f64()),
            },
            Self::Text(text) => Unexpected::Str(text.as_ref()),
            Self::Bytes(_) => Unexpected::Bytes(&[]),
            Self::List(_) => Unexpected::Seq,
            Self::Map(_) => Unexpected::Map,
        }
    }

    fn is_not(&self, wanted: &dyn Expected) -> Fault {
        Fault::invalid_type(self.unexpected(), wanted)
    }
}

impl<'de, S: Source<'de>> Deserializer<'de> for Node<'de, S> {
    type Error = Fault;

    // A visitor says itself what it takes and what not, so what it asks for is needed only where
    // the same value reads in two ways.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(bool) => visitor.visit_bool(bool),
            Self::Number(number) => match number.as_i64() {
                Some(int) => visitor.visit_i64(int),
                None => visitor.visit_f64(number.as_f64()),
            },
            Self::Text(text) => text.give(visitor),
            Self::Bytes(bytes) => bytes.give(visitor),
            Self::List(list) => read_list::<S, V>(list, visitor),
            Self::Map(map) => read_map(Entries::<S>::new(map), visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self {
            Self::Null => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self {
            Self::Text(name) => visitor.visit_enum(Tagged::<S> { name, value: None }),
            Self::Map(mut map) if map.len() == 1 => match map.next() {
                Some((name, value)) => {
                    visitor.visit_enum(Tagged { name, value: Some(value.open()) })
                }
                None => Err(Fault::invalid_length(0, &"a map with one variant")),
            },
            Self::Map(map) => Err(Fault::invalid_length(map.len(), &"a map with one variant")),
            other => Err(other.is_not(&"a variant")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

fn read_list<'de, S: Source<'de>, V: Visitor<'de>>(list: S::List, visitor: V) -> Result<V::Value> {
    let mut elements = Elements { list, read: 0 };
    let value = visitor.visit_seq(&mut elements)?;
    match elements.list.len() {
        0 => Ok(value),
        left => Err(Fault::invalid_length(elements.read + left, &TheseMany(elements.read))),
    }
}

fn read_map<'de, A: Left + MapAccess<'de, Error = Fault>, V: Visitor<'de>>(
    mut entries: A,
    visitor: V,
) -> Result<V::Value> {
    let count = entries.left();
    let value = visitor.visit_map(&mut entries)?;
    match entries.left() {
        0 => Ok(value),
        left => Err(Fault::invalid_length(count, &TheseMany(count - left))),
    }
}

/// What a type wanted that left values unread.
struct TheseMany(usize);

impl Expected for TheseMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

struct Elements<I> {
    list: I,
    read: usize,
}

impl<'de, S: Source<'de>, I: ExactSizeIterator<Item = S>> SeqAccess<'de> for Elements<I> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(value) = self.list.next() else { return Ok(None) };
        let value = seed.deserialize(value.open()).map_err(|e| e.at(self.read))?;
        self.read += 1;
        Ok(Some(value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.list.len())
    }
}

/// How many entries are not read yet.
trait Left {
    fn left(&self) -> usize;
}

struct Entries<'de, S: Source<'de>> {
    map: S::Map,
    /// The entry whose value comes next.
    entry: Option<(S::Text, S)>,
}

impl<'de, S: Source<'de>> Entries<'de, S> {
    fn new(map: S::Map) -> Self {
        Self { map, entry: None }
    }
}

impl<'de, S: Source<'de>> Left for Entries<'de, S> {
    fn left(&self) -> usize {
        self.map.len()
    }
}

impl<'de, S: Source<'de>> MapAccess<'de> for Entries<'de, S> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((name, value)) = self.map.next() else { return Ok(None) };
        let key = seed.deserialize(Name::<S::Text>(&name)).map_err(|e| e.named(name.as_ref()))?;
        self.entry = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let (name, value) = self.entry.take().ok_or_else(early)?;
        seed.deserialize(value.open()).map_err(|e| e.within(name.as_ref()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.map.len())
    }
}

#[cold]
fn early() -> Fault {
    Fault::new("a value was asked for before its key")
}

/// A map entry's name. The entry keeps it, for errors.
struct Name<'a, T>(&'a T);

macro_rules! parsed {
    ($($method:ident $visit:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.0.as_ref().parse() {
                Ok(parsed) => visitor.$visit(parsed),
                Err(_) => Err(Fault::invalid_value(Unexpected::Str(""), &visitor)),
            }
        })+
    };
}

impl<'de, T: Text<'de>> Deserializer<'de> for Name<'_, T> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.0.show(visitor)
    }

    parsed! {
        deserialize_bool visit_bool
        deserialize_i8 visit_i8
        deserialize_i16 visit_i16
        deserialize_i32 visit_i32
        deserialize_i64 visit_i64
        deserialize_i128 visit_i128
        deserialize_u8 visit_u8
        deserialize_u16 visit_u16
        deserialize_u32 visit_u32
        deserialize_u64 visit_u64
        deserialize_u128 visit_u128
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let name: StrDeserializer<'_, Fault> = self.0.as_ref().into_deserializer();
        visitor.visit_enum(name)
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// A variant, and what it holds.
struct Tagged<'de, S: Source<'de>> {
    name: S::Text,
    value: Option<Node<'de, S>>,
}

impl<'de, S: Source<'de>> EnumAccess<'de> for Tagged<'de, S> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        let variant = seed.deserialize(Name::<S::Text>(&self.name))?;
        Ok((variant, self))
    }
}

impl<'de, S: Source<'de>> Tagged<'de, S> {
    fn value(self, wanted: &dyn Expected) -> Result<(S::Text, Node<'de, S>)> {
        let Some(value) = self.value else {
            let fault = Fault::invalid_type(Unexpected::UnitVariant, wanted);
            return Err(fault.within(self.name.as_ref()));
        };
        Ok((self.name, value))
    }
}

impl<'de, S: Source<'de>> VariantAccess<'de> for Tagged<'de, S> {
    type Error = Fault;

    fn unit_variant(self) -> Result<()> {
        match self.value {
            None | Some(Node::Null) => Ok(()),
            Some(other) => Err(other.is_not(&"null").within(self.name.as_ref())),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        let (name, value) = self.value(&"a variant that holds a value")?;
        seed.deserialize(value).map_err(|e| e.within(name.as_ref()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        let (name, value) = self.value(&visitor)?;
        value.deserialize_any(visitor).map_err(|e| e.within(name.as_ref()))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let (name, value) = self.value(&visitor)?;
        value.deserialize_any(visitor).map_err(|e| e.within(name.as_ref()))
    }
}

/// An item and, before its own attributes, its key's.
pub(super) struct Keyed<'k, 'de> {
    partition: Option<(&'k str, KeyValue)>,
    sort: Option<(&'k str, KeyValue)>,
    /// The key's attribute whose value comes next.
    attribute: Option<(&'k str, KeyValue)>,
    rest: Entries<'de, Value>,
}

impl<'k> Keyed<'k, '_> {
    pub(super) fn new(
        partition: (&'k str, KeyValue),
        sort: Option<(&'k str, KeyValue)>,
        item: Item,
    ) -> Self {
        let rest = Entries::new(item.into_attributes().into_iter());
        Self { partition: Some(partition), sort, attribute: None, rest }
    }
}

impl Left for Keyed<'_, '_> {
    fn left(&self) -> usize {
        usize::from(self.partition.is_some()) + usize::from(self.sort.is_some()) + self.rest.left()
    }
}

impl<'de> MapAccess<'de> for Keyed<'_, 'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        match self.partition.take().or_else(|| self.sort.take()) {
            Some((name, value)) => {
                self.attribute = Some((name, value));
                let name: StrDeserializer<'_, Fault> = name.into_deserializer();
                seed.deserialize(name).map(Some)
            }
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        match self.attribute.take() {
            Some((name, value)) => {
                seed.deserialize(Value::from(value).open()).map_err(|e| e.within(name))
            }
            None => self.rest.next_value_seed(seed),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left())
    }
}

impl<'de> Deserializer<'de> for Keyed<'_, 'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        read_map(self, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
