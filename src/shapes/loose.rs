//! A value as it was written, before anything is asked of it, so that one wrong type does not hide the mistakes after it.
//!
//! Not a document: it keeps what a check needs (numbers exactly, tables with their doubled keys) and nothing else.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Any value of JSON or TOML.
#[derive(Clone, PartialEq, Debug)]
pub enum Loose {
    /// `null`, which is absent.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number of any size: beyond the ends of `i128` it is that end.
    Whole(i128),
    /// A number written with a fraction or an exponent.
    Fraction(f64),
    /// A text. A date or time that TOML writes without quotes is its text.
    Text(String),
    /// A list.
    List(Vec<Loose>),
    /// A table, its keys as often as they were written.
    Table(Vec<(String, Loose)>),
}

/// The key under which `toml` hands over its dates and times.
const TOML_DATE: &str = "$__toml_private_datetime";
/// From here on every number that a float can hold is whole.
const ALL_WHOLE: f64 = 9_223_372_036_854_775_808.0;
/// How much of a text or list a message quotes, in characters.
const QUOTED: usize = 60;

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Loose, D::Error> {
        from.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Loose, E> {
        Ok(Loose::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Loose, E> {
        Ok(Loose::Whole(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Loose, E> {
        Ok(Loose::Whole(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Loose, E> {
        // Digits beyond 64 bits arrive as a float; so large, it is whole however it was written.
        Ok(if value.abs() >= ALL_WHOLE { Loose::Whole(value as i128) } else { Loose::Fraction(value) })
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Loose, E> {
        Ok(Loose::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Loose, E> {
        Ok(Loose::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Loose::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        let mut table = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Loose>()? {
            if key == TOML_DATE {
                return Ok(value);
            }
            table.push((key, value));
        }
        Ok(Loose::Table(table))
    }
}

impl fmt::Display for Loose {
    /// As JSON would write it, cut short where it is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loose::Null => f.write_str("null"),
            Loose::Bool(value) => write!(f, "{value}"),
            Loose::Whole(value) => write!(f, "{value}"),
            Loose::Fraction(value) => write!(f, "{value:?}"),
            Loose::Text(text) if text.chars().nth(QUOTED).is_some() => {
                write!(f, "{:?}...", text.chars().take(QUOTED).collect::<String>())
            }
            Loose::Text(text) => write!(f, "{text:?}"),
            Loose::List(list) => write!(f, "a list of {}", list.len()),
            Loose::Table(table) => write!(f, "a table of {}", table.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_what_they_are() {
        let read = |text| serde_json::from_str::<Loose>(text).unwrap();
        assert_eq!(read("45"), Loose::Whole(45));
        assert_eq!(read("-1"), Loose::Whole(-1));
        assert_eq!(read("18446744073709551615"), Loose::Whole(u64::MAX.into()));
        assert!(matches!(read("100000000000000000000000000000"), Loose::Whole(n) if n > i128::from(u64::MAX)));
        assert!(matches!(read("-100000000000000000000000000000"), Loose::Whole(n) if n < 0));
        assert_eq!(read("45.0"), Loose::Fraction(45.0));
        assert_eq!(read("\"45\""), Loose::Text("45".into()));
        assert_eq!(read("null"), Loose::Null);
    }

    #[test]
    fn doubled_keys_are_kept_and_toml_dates_are_texts() {
        let Loose::Table(table) = serde_json::from_str(r#"{"a":1,"a":2}"#).unwrap() else { panic!() };
        assert_eq!(table.len(), 2);
        #[derive(serde::Deserialize)]
        struct Dates {
            day: Loose,
            time: Loose,
        }
        let dates: Dates = toml::from_str("day = 2026-01-01\ntime = 13:00:00").unwrap();
        assert_eq!((dates.day, dates.time), (Loose::Text("2026-01-01".into()), Loose::Text("13:00:00".into())));
    }
}
