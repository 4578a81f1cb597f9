//! Small pieces of JSON that several shapes read: text without a copy, and objects of text.
//!
//! Not events: what the pieces mean is told where they are used.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use crate::limits;
use crate::shapes::event::shortened;

/// A string, borrowed from the input where it has no escapes.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'de>, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// Reads an object whose values are text, within the bounds of variables; `null` is an empty one.
pub(crate) struct PairsSeed;

impl<'de> DeserializeSeed<'de> for PairsSeed {
    type Value = Vec<(String, String)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PairsSeed {
    type Value = Vec<(String, String)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of names with texts")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let name = name.0;
            if pairs.len() == limits::VARIABLES {
                return Err(A::Error::custom(format_args!("more than {} names", limits::VARIABLES)));
            }
            if name.is_empty() || name.len() > limits::VARIABLE_BYTES || name.chars().any(char::is_control) {
                let most = limits::VARIABLE_BYTES;
                return Err(A::Error::custom(format_args!("{} is no name; 1 to {most} bytes, no control characters", shortened(&name))));
            }
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format_args!("{} is given twice", shortened(&name))));
            }
            let value = map.next_value::<Text<'de>>()?.0;
            if value.len() > limits::VARIABLE_BYTES {
                let (name, most) = (shortened(&name), limits::VARIABLE_BYTES);
                return Err(A::Error::custom(format_args!("{name} has a value of {} bytes; at most {most}", value.len())));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(pairs)
    }
}
