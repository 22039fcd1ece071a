//! A value as a tree that tells fields of a type, keys of a map and places of a list apart, which JSON does not.

use std::fmt::Display;

use serde::ser::{self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple};
use serde::ser::{SerializeStructVariant, SerializeTupleStruct, SerializeTupleVariant};

/// A value as a tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// Fields of a type, or the one variant of an enum.
    Fields(Vec<(&'static str, Node)>),
    /// Keys of a map, in the map's order.
    Keys(Vec<(String, Node)>),
    /// Places of a list.
    Places(Vec<Node>),
    /// Anything else.
    Leaf(serde_json::Value),
}

impl Node {
    /// A value as a tree.
    pub(crate) fn of(value: &impl Serialize) -> Self {
        // What cannot be serialised cannot be in a journal either.
        value
            .serialize(Builder)
            .unwrap_or(Self::Leaf(serde_json::Value::Null))
    }

    /// The same as JSON text.
    pub(crate) fn to_text(&self) -> String {
        self.to_json().to_string()
    }

    fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Fields(fields) => fields
                .iter()
                .map(|(name, node)| ((*name).to_owned(), node.to_json()))
                .collect(),
            Self::Keys(keys) => keys
                .iter()
                .map(|(key, node)| (key.clone(), node.to_json()))
                .collect(),
            Self::Places(places) => places.iter().map(Self::to_json).collect(),
            Self::Leaf(leaf) => leaf.clone(),
        }
    }
}

struct Builder;

/// Why a value has no such form: it says so itself.
#[derive(Debug)]
struct Unserialisable(String);

impl Display for Unserialisable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unserialisable {}

impl ser::Error for Unserialisable {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Built = Result<Node, Unserialisable>;

fn leaf(value: impl Into<serde_json::Value>) -> Built {
    Ok(Node::Leaf(value.into()))
}

/// What is being built, and what wraps it: the variant of an enum.
struct Parts<T> {
    variant: Option<&'static str>,
    parts: Vec<T>,
    key: Option<String>,
}

impl<T> Parts<T> {
    fn new(variant: Option<&'static str>) -> Self {
        Self {
            variant,
            parts: Vec::new(),
            key: None,
        }
    }
}

fn wrapped(variant: Option<&'static str>, node: Node) -> Built {
    Ok(match variant {
        Some(variant) => Node::Fields(vec![(variant, node)]),
        None => node,
    })
}

macro_rules! leaves {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, value: $type) -> Built { leaf(value) })*
    };
}

impl ser::Serializer for Builder {
    type Ok = Node;
    type Error = Unserialisable;
    type SerializeSeq = Parts<Node>;
    type SerializeTuple = Parts<Node>;
    type SerializeTupleStruct = Parts<Node>;
    type SerializeTupleVariant = Parts<Node>;
    type SerializeMap = Parts<(String, Node)>;
    type SerializeStruct = Parts<(&'static str, Node)>;
    type SerializeStructVariant = Parts<(&'static str, Node)>;

    leaves!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f32: f32,
        serialize_f64: f64, serialize_str: &str
    );

    fn serialize_char(self, value: char) -> Built {
        leaf(value.to_string())
    }
    fn serialize_bytes(self, value: &[u8]) -> Built {
        leaf(value.to_vec())
    }
    fn serialize_none(self) -> Built {
        leaf(serde_json::Value::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Built {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Built {
        leaf(serde_json::Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Built {
        leaf(serde_json::Value::Null)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Built {
        leaf(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Built {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Built {
        wrapped(Some(variant), value.serialize(self)?)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Unserialisable> {
        Ok(Parts::new(None))
    }
    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unserialisable> {
        Ok(Parts::new(None))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<Node>, Unserialisable> {
        Ok(Parts::new(None))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<Node>, Unserialisable> {
        Ok(Parts::new(Some(variant)))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unserialisable> {
        Ok(Parts::new(None))
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Unserialisable> {
        Ok(Parts::new(None))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unserialisable> {
        Ok(Parts::new(Some(variant)))
    }
}

macro_rules! places {
    ($($trait:ident::$push:ident),*) => {
        $(impl $trait for Parts<Node> {
            type Ok = Node;
            type Error = Unserialisable;
            fn $push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unserialisable> {
                self.parts.push(value.serialize(Builder)?);
                Ok(())
            }
            fn end(self) -> Built {
                wrapped(self.variant, Node::Places(self.parts))
            }
        })*
    };
}

places!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! fields {
    ($($trait:ident),*) => {
        $(impl $trait for Parts<(&'static str, Node)> {
            type Ok = Node;
            type Error = Unserialisable;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Unserialisable> {
                self.parts.push((name, value.serialize(Builder)?));
                Ok(())
            }
            fn end(self) -> Built {
                wrapped(self.variant, Node::Fields(self.parts))
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Parts<(String, Node)> {
    type Ok = Node;
    type Error = Unserialisable;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unserialisable> {
        self.key = Some(match key.serialize(Builder)? {
            Node::Leaf(serde_json::Value::String(key)) => key,
            other => other.to_text(),
        });
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unserialisable> {
        let key = self.key.take().unwrap_or_default();
        self.parts.push((key, value.serialize(Builder)?));
        Ok(())
    }
    fn end(self) -> Built {
        wrapped(self.variant, Node::Keys(self.parts))
    }
}
