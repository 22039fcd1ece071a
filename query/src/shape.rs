//! What serde knows of an enum: its variants, their fields, and one value of each.
//!
//! The graph lists events, facts and effects without a list of its own: a type that derives `Deserialize` hands its
//! variants' and fields' names to any deserializer that asks. This one asks, and makes a value up as it goes.

use std::cell::RefCell;
use std::fmt::Display;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, Expected, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde::{Deserializer, forward_to_deserialize_any};

/// A variant of an enum, or of an enum within a variant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variant<T> {
    /// Names of the variants, from the outermost enum inwards.
    pub(crate) path: Vec<&'static str>,
    /// Names of the fields that the innermost variant has.
    pub(crate) fields: Vec<&'static str>,
    /// A made-up value; none where one could not be made.
    pub(crate) sample: Option<T>,
}

/// All variants of an enum. Enums that variants hold are taken apart as well, to this depth.
pub(crate) fn variants<T: DeserializeOwned>(depth: usize) -> Vec<Variant<T>> {
    let mut all = Vec::new();
    let mut choices = vec![0usize; depth];
    loop {
        let seen = RefCell::new(Seen::default());
        let sample = T::deserialize(Spine {
            level: 0,
            choices: &choices,
            seen: &seen,
        })
        .ok();
        let Seen { levels, fields } = seen.into_inner();
        let path = levels
            .iter()
            .zip(&choices)
            .filter_map(|(level, choice)| level.get(*choice).copied())
            .collect();
        all.push(Variant { path, fields, sample });
        // The next choice: the innermost level that has one more variant.
        let next = (0..levels.len()).rev().find(|level| {
            let more = |count: usize| choices.get(*level).is_some_and(|choice| choice + 1 < count);
            levels.get(*level).is_some_and(|variants| more(variants.len()))
        });
        let Some(level) = next else {
            return all;
        };
        for (place, choice) in choices.iter_mut().enumerate().skip(level) {
            *choice = if place == level { *choice + 1 } else { 0 };
        }
    }
}

#[derive(Default)]
struct Seen {
    levels: Vec<&'static [&'static str]>,
    fields: Vec<&'static str>,
}

/// Why no value could be made up.
#[derive(Debug)]
struct Refused;

impl Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no value could be made up")
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<M: Display>(_: M) -> Self {
        Self
    }
}

/// Deserializes the enum whose variants are wanted.
struct Spine<'a> {
    level: usize,
    choices: &'a [usize],
    seen: &'a RefCell<Seen>,
}

/// What is no enum on the way to the wanted one is made up.
macro_rules! delegate {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            Filler.$method(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Spine<'_> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        Filler.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let Some(choice) = self.choices.get(self.level) else {
            return Filler.deserialize_enum(name, variants, visitor);
        };
        self.seen.borrow_mut().levels.push(variants);
        let variant = variants.get(*choice).copied().ok_or(Refused)?;
        visitor.visit_enum(Chosen {
            variant,
            held: Self {
                level: self.level + 1,
                ..self
            },
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.seen.borrow_mut().fields = fields.to_vec();
        visitor.visit_map(Fill { names: fields.iter() })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    delegate! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
        deserialize_seq deserialize_map deserialize_identifier deserialize_unit deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        Filler.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        Filler.deserialize_tuple(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        Filler.deserialize_tuple_struct(name, length, visitor)
    }
}

struct Chosen<'a> {
    variant: &'static str,
    held: Spine<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Chosen<'a> {
    type Error = Refused;
    type Variant = Spine<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Spine<'a>), Refused> {
        Ok((seed.deserialize(StrDeserializer::new(self.variant))?, self.held))
    }
}

impl<'de> VariantAccess<'de> for Spine<'_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refused> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(Repeat(length))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.seen.borrow_mut().fields = fields.to_vec();
        visitor.visit_map(Fill { names: fields.iter() })
    }
}

/// Makes up values: the smallest of each type.
#[derive(Clone, Copy)]
struct Filler;

/// A text that a visitor takes. What it expects says what that is: names of things give an example between
/// backticks, and all other texts with a form are either `provider/model` or an effect's `seq/ordinal`.
fn text<'de, V: Visitor<'de>>(visitor: &V) -> String {
    let expected = (visitor as &dyn Expected).to_string();
    match expected.split('`').nth(1) {
        Some(example) => example.to_owned(),
        None if expected.contains("UUID") => "00000000-0000-0000-0000-000000000000".to_owned(),
        None => "1/0".to_owned(),
    }
}

impl<'de> Deserializer<'de> for Filler {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        // What takes a number as well as a text gives an example of the text.
        match (&visitor as &dyn Expected).to_string().contains('`') {
            true => self.deserialize_str(visitor),
            false => visitor.visit_unit(),
        }
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_bool(false)
    }
    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_i64(1)
    }
    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_i64(1)
    }
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_i64(1)
    }
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_i64(1)
    }
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u64(1)
    }
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u64(1)
    }
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u64(1)
    }
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u64(1)
    }
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_f64(1.0)
    }
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_f64(1.0)
    }
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_char('1')
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let text = text(&visitor);
        visitor.visit_string(text)
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_bytes(&[])
    }
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_bytes(&[])
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_none()
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(Repeat(0))
    }
    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(Repeat(length))
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_seq(Repeat(length))
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_map(Fill { names: [].iter() })
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_map(Fill { names: fields.iter() })
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_enum(First(variants.first().copied().ok_or(Refused)?))
    }

    forward_to_deserialize_any! { unit unit_struct ignored_any }
}

/// So many made-up values.
struct Repeat(usize);

impl<'de> SeqAccess<'de> for Repeat {
    type Error = Refused;
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        if self.0 == 0 {
            return Ok(None);
        }
        self.0 -= 1;
        seed.deserialize(Filler).map(Some)
    }
}

/// A made-up value for each of these names.
struct Fill {
    names: std::slice::Iter<'static, &'static str>,
}

impl<'de> MapAccess<'de> for Fill {
    type Error = Refused;
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        self.names
            .next()
            .map(|name| seed.deserialize(StrDeserializer::new(name)))
            .transpose()
    }
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        seed.deserialize(Filler)
    }
}

/// The first variant of an enum, holding made-up values.
struct First(&'static str);

impl<'de> EnumAccess<'de> for First {
    type Error = Refused;
    type Variant = Filler;
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Filler), Refused> {
        Ok((seed.deserialize(StrDeserializer::new(self.0))?, Filler))
    }
}

impl<'de> VariantAccess<'de> for Filler {
    type Error = Refused;
    fn unit_variant(self) -> Result<(), Refused> {
        Ok(())
    }
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refused> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(Repeat(length))
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_map(Fill { names: fields.iter() })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Outer {
        Plain,
        Held(Inner),
        Named { count: u64, name: String },
    }

    #[derive(Debug, Clone, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Inner {
        One(bool),
        Two {
            effect: glasswork_engine::EffectKey,
            scope: glasswork_engine::ScopeId,
        },
    }

    #[test]
    fn every_variant_is_found_with_its_fields_and_a_value() {
        let found: Vec<_> = variants::<Outer>(2);
        let variant = |path: &[&'static str], fields: &[&'static str], sample| Variant {
            path: path.to_vec(),
            fields: fields.to_vec(),
            sample: Some(sample),
        };
        let effect = glasswork_engine::EffectKey { seq: 1, ordinal: 0 };
        let scope = glasswork_engine::ScopeId::from_u128(0);
        assert_eq!(
            found,
            [
                variant(&["plain"], &[], Outer::Plain),
                variant(&["held", "one"], &[], Outer::Held(Inner::One(false))),
                variant(
                    &["held", "two"],
                    &["effect", "scope"],
                    Outer::Held(Inner::Two { effect, scope })
                ),
                variant(
                    &["named"],
                    &["count", "name"],
                    Outer::Named {
                        count: 1,
                        name: "1/0".into()
                    }
                ),
            ]
        );
    }
}
