//! Writes a type that serde knows as a value.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{
    Serialize, Serializer,
    ser::{
        Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
        SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::{BEYOND, Fault, Value};

type Result<T> = std::result::Result<T, Fault>;

/// Makes a value.
pub(super) struct ToValue;

fn int(int: impl TryInto<i64>) -> Result<Value> {
    match int.try_into() {
        Ok(int) => Ok(int.into()),
        Err(_) => Err(Fault::new(format!("found a number that does not fit, wanted {BEYOND}"))),
    }
}

fn tagged(variant: &str, value: Value) -> Value {
    Value::Map(BTreeMap::from([(variant.to_owned(), value)]))
}

impl Serializer for ToValue {
    type Ok = Value;
    type Error = Fault;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = Variant<List>;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Variant<Entries>;

    fn serialize_bool(self, value: bool) -> Result<Value> {
        Ok(value.into())
    }

    fn serialize_i8(self, value: i8) -> Result<Value> {
        Ok(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<Value> {
        Ok(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<Value> {
        Ok(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<Value> {
        Ok(value.into())
    }

    fn serialize_i128(self, value: i128) -> Result<Value> {
        int(value)
    }

    fn serialize_u8(self, value: u8) -> Result<Value> {
        Ok(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<Value> {
        Ok(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<Value> {
        Ok(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<Value> {
        int(value)
    }

    fn serialize_u128(self, value: u128) -> Result<Value> {
        int(value)
    }

    fn serialize_f32(self, value: f32) -> Result<Value> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Value> {
        value.try_into().map_err(|e: crate::Error| Fault::new(e.message()))
    }

    fn serialize_char(self, value: char) -> Result<Value> {
        Ok(value.to_string().into())
    }

    fn serialize_str(self, value: &str) -> Result<Value> {
        Ok(value.into())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value> {
        Ok(Bytes::copy_from_slice(value).into())
    }

    fn serialize_none(self) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value> {
        let value = value.serialize(self).map_err(|e| e.within(variant))?;
        Ok(tagged(variant, value))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<List> {
        Ok(List(Vec::with_capacity(len.unwrap_or(0))))
    }

    fn serialize_tuple(self, len: usize) -> Result<List> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<List> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Variant<List>> {
        Ok(Variant { name, inner: self.serialize_seq(Some(len))? })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries> {
        Ok(Entries::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries> {
        Ok(Entries::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Variant<Entries>> {
        Ok(Variant { name, inner: Entries::default() })
    }
}

/// A list in the making.
pub(super) struct List(Vec<Value>);

impl SerializeSeq for List {
    type Ok = Value;
    type Error = Fault;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let value = value.serialize(ToValue).map_err(|e| e.at(self.0.len()))?;
        self.0.push(value);
        Ok(())
    }

    fn end(self) -> Result<Value> {
        Ok(self.0.into())
    }
}

impl SerializeTuple for List {
    type Ok = Value;
    type Error = Fault;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Value> {
        SerializeSeq::end(self)
    }
}

impl SerializeTupleStruct for List {
    type Ok = Value;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Value> {
        SerializeSeq::end(self)
    }
}

/// A map in the making.
#[derive(Default)]
pub(super) struct Entries {
    map: BTreeMap<String, Value>,
    name: Option<String>,
}

impl SerializeMap for Entries {
    type Ok = Value;
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.name = Some(key.serialize(ToName)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let name = self.name.take().ok_or_else(|| Fault::new("found a value before its key"))?;
        match value.serialize(ToValue) {
            Ok(value) => {
                self.map.insert(name, value);
                Ok(())
            }
            Err(e) => Err(e.within(&name)),
        }
    }

    fn end(self) -> Result<Value> {
        Ok(self.map.into())
    }
}

impl SerializeStruct for Entries {
    type Ok = Value;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<()> {
        let value = value.serialize(ToValue).map_err(|e| e.within(name))?;
        self.map.insert(name.to_owned(), value);
        Ok(())
    }

    fn end(self) -> Result<Value> {
        Ok(self.map.into())
    }
}

/// A variant's values in the making.
pub(super) struct Variant<C> {
    name: &'static str,
    inner: C,
}

impl SerializeTupleVariant for Variant<List> {
    type Ok = Value;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        SerializeSeq::serialize_element(&mut self.inner, value).map_err(|e| e.within(self.name))
    }

    fn end(self) -> Result<Value> {
        Ok(tagged(self.name, SerializeSeq::end(self.inner)?))
    }
}

impl SerializeStructVariant for Variant<Entries> {
    type Ok = Value;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<()> {
        self.inner.serialize_field(name, value).map_err(|e| e.within(self.name))
    }

    fn end(self) -> Result<Value> {
        Ok(tagged(self.name, SerializeStruct::end(self.inner)?))
    }
}

/// Makes the name of a map's entry.
struct ToName;

fn not_a_name<T>(found: &str) -> Result<T> {
    Err(Fault::new(format!(
        "found {found} as a map's key, wanted text, a whole number, a bool or a unit variant"
    )))
}

macro_rules! names {
    ($($method:ident($type:ty))+) => {
        $(fn $method(self, key: $type) -> Result<String> {
            Ok(key.to_string())
        })+
    };
}

impl Serializer for ToName {
    type Ok = String;
    type Error = Fault;
    type SerializeSeq = Impossible<String, Fault>;
    type SerializeTuple = Impossible<String, Fault>;
    type SerializeTupleStruct = Impossible<String, Fault>;
    type SerializeTupleVariant = Impossible<String, Fault>;
    type SerializeMap = Impossible<String, Fault>;
    type SerializeStruct = Impossible<String, Fault>;
    type SerializeStructVariant = Impossible<String, Fault>;

    names! {
        serialize_bool(bool) serialize_char(char) serialize_str(&str)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
    }

    fn serialize_f32(self, _: f32) -> Result<String> {
        not_a_name("a float")
    }

    fn serialize_f64(self, _: f64) -> Result<String> {
        not_a_name("a float")
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<String> {
        not_a_name("bytes")
    }

    fn serialize_none(self) -> Result<String> {
        not_a_name("null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, key: &T) -> Result<String> {
        key.serialize(self)
    }

    fn serialize_unit(self) -> Result<String> {
        not_a_name("null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<String> {
        not_a_name("null")
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<String> {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        key: &T,
    ) -> Result<String> {
        key.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String> {
        not_a_name("a variant that holds a value")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq> {
        not_a_name("a list")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple> {
        not_a_name("a list")
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct> {
        not_a_name("a list")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        not_a_name("a variant that holds a list")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap> {
        not_a_name("a map")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct> {
        not_a_name("a map")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant> {
        not_a_name("a variant that holds a map")
    }
}
