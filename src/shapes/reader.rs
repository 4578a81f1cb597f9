//! Reads single values of a shape, and remembers what is wrong with them.
//!
//! Not the keys of a flow: which value belongs where is in `rules.rs`.

use super::{Loose, Mistake};
use crate::moment::{DAY, HOUR, MINUTE, Moment, SECOND};
use chrono::NaiveDate;

const WHOLE_MINUTES: &str = "write a whole number of minutes, 0 or more, without quotes";
const TIME_OF_DAY: &str = "write an RFC 3339 instant (its date does not matter), or HH:MM, HH:MM:SS or 24:00 in UTC";

/// Mistakes and warnings so far.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Mistake>,
}

/// `null` is absent.
pub(super) fn present(value: Option<&Loose>) -> Option<&Loose> {
    value.filter(|value| **value != Loose::Null)
}

/// Reads a time of day, in milliseconds since midnight UTC: RFC 3339 with any offset, `HH:MM`, `HH:MM:SS`, `24:00`.
#[must_use]
pub fn time_of_day(text: &str) -> Option<i64> {
    if text == "24:00" {
        return Some(DAY);
    }
    if text.len() > 8 {
        return Some(Moment::parse(text)?.0.rem_euclid(DAY));
    }
    let mut millis = 0;
    let mut parts = text.split(':');
    for (unit, below) in [(HOUR, 24), (MINUTE, 60), (SECOND, 60)] {
        let Some(part) = parts.next() else { return (unit == SECOND).then_some(millis) };
        if part.len() != 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        millis += part.parse::<i64>().ok().filter(|number| *number < below)? * unit;
    }
    parts.next().is_none().then_some(millis)
}

/// A date as `2026-12-25`, exactly.
pub(super) fn date(text: &str) -> Option<NaiveDate> {
    let shape = text.len() == 10 && text.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    if !shape {
        return None;
    }
    NaiveDate::from_ymd_opt(text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..].parse().ok()?)
}

impl Reader {
    pub(super) fn mistake(&mut self, key: impl Into<String>, value: impl ToString, cure: impl Into<String>) {
        self.mistakes.push(Mistake { key: key.into(), value: value.to_string(), cure: cure.into() });
    }

    pub(super) fn warn(&mut self, key: &str, value: Option<&Loose>, cure: String) {
        self.warnings.push(Mistake { key: key.to_owned(), value: value.map(Loose::to_string).unwrap_or_default(), cure });
    }

    pub(super) fn truth(&mut self, key: &str, value: Option<&Loose>, absent: bool) -> bool {
        match present(value) {
            None => absent,
            Some(Loose::Bool(value)) => *value,
            Some(other) => {
                self.mistake(key, other, "write true or false, without quotes");
                absent
            }
        }
    }

    /// Whole minutes, as milliseconds; any size.
    pub(super) fn minutes(&mut self, key: &str, value: Option<&Loose>, absent: i64) -> i64 {
        match present(value) {
            None => absent * MINUTE,
            Some(Loose::Whole(minutes)) if *minutes >= 0 => i64::try_from(*minutes).unwrap_or(i64::MAX).saturating_mul(MINUTE),
            Some(other) => {
                self.mistake(key, other, WHOLE_MINUTES);
                absent * MINUTE
            }
        }
    }

    pub(super) fn time_of_day(&mut self, key: &str, value: Option<&Loose>, absent: i64) -> i64 {
        match present(value) {
            None => absent,
            Some(value) => {
                let read = if let Loose::Text(text) = value { time_of_day(text) } else { None };
                read.unwrap_or_else(|| {
                    self.mistake(key, value, TIME_OF_DAY);
                    absent
                })
            }
        }
    }

    /// The entries of a table with these keys, in their order; what is unknown, doubled or no table is a mistake.
    pub(super) fn table<'a, const N: usize>(&mut self, name: &str, value: &'a Loose, keys: [&str; N]) -> Option<[Option<&'a Loose>; N]> {
        let Loose::Table(table) = value else {
            self.mistake(name, value, format!("write a table with {}", keys.join(", ")));
            return None;
        };
        let mut found = [None; N];
        for (key, value) in table {
            match keys.iter().position(|known| known == key) {
                None => self.mistake(format!("{name}.{key}"), value, format!("unknown; the keys are {}", keys.join(", "))),
                Some(index) if found[index].is_some() => self.mistake(format!("{name}.{key}"), value, "written twice: keep one"),
                Some(index) => found[index] = Some(value),
            }
        }
        Some(found.map(present))
    }

    pub(super) fn text<'a>(&mut self, key: &str, value: Option<&'a Loose>, cure: &str) -> Option<&'a str> {
        match value? {
            Loose::Text(text) => Some(text),
            other => {
                self.mistake(key, other, cure);
                None
            }
        }
    }
}
