//! Fields of JSON read one by one: a field of the wrong kind is absent, and takes nothing else with it.
//!
//! Not a document: only what a reader names is kept, borrowed from the body. Each level is scanned once more than the one above
//! it, and what nobody names is skipped without recursion, so deep or long bodies cost no more than their length.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

use crate::moment::{Moment, SECOND};

/// A number of this size or more is milliseconds; below, seconds. It lies in 1973 as the one and in the year 5138 as the other.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// An object of this shape, where it is one.
#[derive(Clone, Debug)]
pub(super) struct Soft<T>(pub(super) Option<T>);

impl<T> Default for Soft<T> {
    fn default() -> Soft<T> {
        Soft(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Soft<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Soft<T>, D::Error> {
        Ok(Soft(object(<&'de RawValue>::deserialize(from)?.get())))
    }
}

/// Reads an object of this shape. (A derived reader would take a list for one too.)
pub(super) fn object<'de, T: Deserialize<'de>>(json: &'de str) -> Option<T> {
    if json.starts_with('{') { serde_json::from_str(json).ok() } else { None }
}

/// A text, or a number as it is written; empty where it is neither.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Word<'a>(Cow<'a, str>);

impl<'a> Word<'a> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The whole number that it is.
    pub(super) fn number(&self) -> Option<i64> {
        self.0.trim().parse().ok()
    }

    /// The instant that it is: seconds or milliseconds since the epoch, told apart by their size.
    pub(super) fn moment(&self) -> Option<Moment> {
        let number = self.number().filter(|number| *number > 0)?;
        Some(Moment(if number < MILLISECONDS_FROM { number * SECOND } else { number }))
    }

    /// A value's text, where it is one, or a number's digits.
    fn of(raw: &'a str) -> Word<'a> {
        Word(match raw.as_bytes() {
            [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => Cow::Borrowed(&raw[1..raw.len() - 1]),
            [b'"', ..] => Cow::Owned(serde_json::from_str::<Lossy>(raw).map_or_else(|_| String::new(), |text| text.0)),
            [b'-' | b'0'..=b'9', ..] => Cow::Borrowed(raw),
            _ => Cow::Borrowed(""),
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Word<'a>, D::Error> {
        Ok(Word::of(<&'de RawValue>::deserialize(from)?.get()))
    }
}

/// A text with escapes; half a surrogate pair becomes the sign for what cannot be read, not an error.
struct Lossy(String);

impl<'de> Deserialize<'de> for Lossy {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Lossy, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Lossy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Lossy, E> {
                Ok(Lossy(String::from_utf8_lossy(bytes).into_owned()))
            }
        }

        from.deserialize_bytes(Bytes)
    }
}

/// A list, its elements unread; absent where it is none.
#[derive(Clone, Default, Debug)]
pub(super) struct List<'a>(Option<Vec<&'a RawValue>>);

impl<'a> List<'a> {
    /// Whether it is there and is a list.
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// The elements, as they are written.
    pub(super) fn raw(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().flatten().map(|raw| raw.get())
    }

    /// The elements that are objects of this shape.
    pub(super) fn of<T: Deserialize<'a>>(&self) -> impl Iterator<Item = T> {
        self.raw().filter_map(object)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<List<'a>, D::Error> {
        let raw = <&'de RawValue>::deserialize(from)?;
        Ok(List(serde_json::from_str(raw.get()).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Probe<'a> {
        #[serde(borrow, default)]
        a: Word<'a>,
        #[serde(borrow, default)]
        b: List<'a>,
        #[serde(borrow, default)]
        c: Soft<Inner<'a>>,
    }

    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(borrow, default)]
        d: Word<'a>,
    }

    fn word(json: &str) -> String {
        Word::of(json).as_str().to_owned()
    }

    #[test]
    fn a_field_of_another_kind_is_absent_and_the_rest_is_read() {
        let probe: Probe<'_> = serde_json::from_str(r#"{"a":{"x":1},"b":"no","c":{"d":7},"e":[[[]]]}"#).unwrap();
        assert!(probe.a.is_empty() && !probe.b.is_there());
        assert_eq!(probe.c.0.unwrap().d.as_str(), "7");
        let probe: Probe<'_> = serde_json::from_str(r#"{"a":"x","b":[1,{"d":"y"}],"c":[]}"#).unwrap();
        assert_eq!(probe.a.as_str(), "x");
        assert_eq!(probe.b.of::<Inner<'_>>().map(|inner| inner.d.as_str().to_owned()).collect::<Vec<_>>(), ["y"]);
        assert!(probe.c.0.is_none());
    }

    #[test]
    fn texts_and_numbers_are_words() {
        assert_eq!(word(r#""plain""#), "plain");
        assert_eq!(word(r#""S\u00ed \ud83d\ude00 \/""#), "Sí 😀 /");
        assert_eq!(word("17"), "17");
        for nothing in ["null", "true", "{}", "[1]", "\"\""] {
            assert_eq!(word(nothing), "", "{nothing}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_does_not_lose_the_text() {
        assert!(word(r#""cut \ud83d""#).starts_with("cut "));
        assert!(word(r#""\ude00\ud83d x""#).ends_with(" x"));
    }

    #[test]
    fn times_are_told_apart_by_their_size() {
        let moment = |text| Word::of(text).moment();
        assert_eq!(moment("\"1789398000\""), Some(Moment(1_789_398_000_000)));
        assert_eq!(moment("1789398000"), Some(Moment(1_789_398_000_000)));
        assert_eq!(moment("1789398000370"), Some(Moment(1_789_398_000_370)));
        for nothing in ["0", "-5", "\"\"", "\"soon\"", "1.5e9", "99999999999999999999", "null"] {
            assert_eq!(moment(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn deep_values_are_skipped_and_cost_no_stack() {
        let deep = format!("{{\"z\":{}{},\"a\":\"x\"}}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(serde_json::from_str::<Probe<'_>>(&deep).unwrap().a.as_str(), "x");
        let deep = format!("{{\"c\":{}{},\"a\":\"x\"}}", "{\"d\":".repeat(200_000), "1".to_owned() + &"}".repeat(200_000));
        assert_eq!(serde_json::from_str::<Probe<'_>>(&deep).unwrap().a.as_str(), "x");
    }
}
