//! Durations as people write them: `90s`, `45m`, `48h`, `2d`, `1h30m`.
//!
//! Not dates, and no months: a duration is a number of milliseconds.

use crate::moment::{DAY, HOUR, MINUTE, SECOND};

/// The units, largest first.
const UNITS: [(&str, i64); 5] = [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)];

/// Reads a duration: whole numbers with units, the larger unit first, space allowed. `None` where the text is none.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    let mut total: i64 = 0;
    let mut smallest = i64::MAX;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        if unit >= smallest {
            return None;
        }
        smallest = unit;
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = after.trim_start();
    }
    Some(total)
}

/// Writes a duration in the largest unit that leaves no rest: `48h` as `2d`, 90 minutes as `90m`. Negative ones as milliseconds.
#[must_use]
pub fn print(millis: i64) -> String {
    let (unit, length) = UNITS.iter().find(|(_, length)| millis >= *length && millis % length == 0).unwrap_or(&("ms", 1));
    match millis {
        0 => "0s".to_owned(),
        _ => format!("{}{unit}", millis / length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("48h", 48 * HOUR),
            ("2d", 2 * DAY),
            ("90m", 90 * MINUTE),
            ("1h30m", 90 * MINUTE),
            (" 1 d 12 h ", 36 * HOUR),
            ("500ms", 500),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(millis), "{text}");
        }
    }

    #[test]
    fn refuses_what_could_be_misread() {
        for text in ["", "48", "h", "1.5h", "-2h", "30m1h", "1h1h", "2 days", "1M", "99999999999999999999d", "9223372036854775807d", "٣h"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_read(millis in 0..=i64::MAX) {
            proptest::prop_assert_eq!(parse(&print(millis)), Some(millis));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse(&text);
        }
    }
}
