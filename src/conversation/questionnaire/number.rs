//! Numbers as people write them: `1.234.567,5`, `1,234.5`, `$ 12 000`, `-3`. Kept in millionths, without rounding.
//!
//! Not money and not units: what is left beside digits, separators and a sign is no number.

use std::fmt;

/// Digits on either side of the decimal point.
const WHOLE_DIGITS: usize = 18;
const DECIMALS: usize = 6;
const ONE: i128 = 1_000_000;

/// A number in millionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Millionths(pub i128);

impl From<i64> for Millionths {
    fn from(whole: i64) -> Millionths {
        Millionths(i128::from(whole) * ONE)
    }
}

impl fmt::Display for Millionths {
    /// Digits with a point before the decimals, where there are some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, size) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (whole, rest) = (size / ONE as u128, size % ONE as u128);
        let decimals = format!("{rest:06}");
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            decimals => write!(f, "{sign}{whole}.{decimals}"),
        }
    }
}

/// Reads a number. One separator with three digits behind it separates thousands ("1.500" is fifteen hundred), unless nothing but
/// a zero or more than three digits stand before it; any other lone separator is the decimal one.
pub(super) fn read(text: &str) -> Option<Millionths> {
    let plain: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '$' | '€' | '\'' | '’')).collect();
    let (negative, digits) = match plain.strip_prefix(['-', '−']) {
        Some(rest) => (true, rest),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let (whole, decimals) = parts(digits)?;
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > WHOLE_DIGITS || decimals.len() > DECIMALS || !all_digits(&whole) || !all_digits(decimals) {
        return None;
    }
    let millionths = whole.parse::<i128>().ok()? * ONE + format!("{decimals:0<6}").parse::<i128>().ok()?;
    Some(Millionths(if negative { -millionths } else { millionths }))
}

/// The digits before and behind the decimal separator.
fn parts(digits: &str) -> Option<(String, &str)> {
    let Some(last) = digits.rfind(['.', ',']) else { return Some((digits.to_owned(), "")) };
    let (before, behind) = (&digits[..last], &digits[last + 1..]);
    let separator = &digits[last..=last];
    let other = if separator == "." { ',' } else { '.' };
    let thousands = |text: &str, by: &str| {
        let mut groups = text.split(by);
        let first = groups.next().is_some_and(|first| (1..=3).contains(&first.len()));
        (first && groups.all(|group| group.len() == 3)).then(|| text.replace(by, ""))
    };
    if before.contains(separator) {
        // The same one several times separates nothing but thousands.
        return if before.contains(other) { None } else { thousands(digits, separator).map(|whole| (whole, "")) };
    }
    if before.contains(other) {
        return thousands(before, if other == ',' { "," } else { "." }).map(|whole| (whole, behind)).filter(|_| !behind.is_empty());
    }
    if behind.len() == 3
        && before != "0"
        && let Some(whole) = thousands(digits, separator)
    {
        return Some((whole, ""));
    }
    (!behind.is_empty()).then(|| (before.to_owned(), behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (written, number) in [
            ("7", "7"),
            ("-3", "-3"),
            ("+ 4", "4"),
            ("12,5", "12.5"),
            ("12.50", "12.5"),
            ("1.500", "1500"),
            ("1,500", "1500"),
            ("0.125", "0.125"),
            ("1234.125", "1234.125"),
            ("1.234.567", "1234567"),
            ("1.234.567,89", "1234567.89"),
            ("1,234,567.8", "1234567.8"),
            ("$ 12 000", "12000"),
            ("1’000’000", "1000000"),
            ("1020304050", "1020304050"),
            ("-0", "0"),
        ] {
            assert_eq!(read(written).map(|n| n.to_string()).as_deref(), Some(number), "{written}");
        }
        for none in
            ["", "-", "doce", "12 años", "1.2.3", "1,23,456", "1.234,567.8", "1.", ".5", "1e5", "1234.567.890", "½", "١", "0.1234567"]
        {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(read(&"9".repeat(19)), None);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(millionths in -999_999_999_999_999_999_i128 * ONE..999_999_999_999_999_999 * ONE) {
            // One that prints with just three decimals reads as thousands: people are asked for the bounds of that.
            let printed = Millionths(millionths).to_string();
            if printed.split_once('.').is_none_or(|(whole, rest)| rest.len() != 3 || whole.len() > 4) {
                prop_assert_eq!(read(&printed), Some(Millionths(millionths)));
            }
        }

        #[test]
        fn it_is_total(text in "[-+0-9., $]{0,30}") {
            let _ = read(&text);
        }
    }
}
