//! An instant, as a number: milliseconds since the epoch, UTC.
//!
//! Not a clock: nothing here reads one. Time enters the program in `clock.rs` and travels as an argument.

use std::fmt;

/// Milliseconds in a second.
pub const SECOND: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Milliseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Milliseconds in 24 hours.
pub const DAY: i64 = 24 * HOUR;

/// An instant in milliseconds since 1970-01-01T00:00:00Z. Arithmetic saturates, so no input can overflow it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Moment(pub i64);

impl Moment {
    /// Before every instant a program meets.
    pub const MIN: Moment = Moment(i64::MIN);
    /// After every instant a program meets.
    pub const MAX: Moment = Moment(i64::MAX);

    /// This instant, `millis` milliseconds later (earlier where negative).
    #[must_use]
    pub const fn plus(self, millis: i64) -> Moment {
        Moment(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this instant; negative where `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Moment) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads RFC 3339 with any offset. Digits below a millisecond are dropped (toward the past).
    /// `None` where the text is no RFC 3339 instant.
    #[must_use]
    pub fn parse(text: &str) -> Option<Moment> {
        let instant = chrono::DateTime::parse_from_rfc3339(text).ok()?;
        Some(Moment(instant.timestamp_millis()))
    }
}

impl fmt::Display for Moment {
    /// RFC 3339 in UTC with milliseconds, as `2026-03-02T12:00:00.000Z`. By hand in the years 1 to 9999, because bulk answers
    /// are mostly instants; chrono prints the years beyond, and outside its years it is the bare number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !(YEAR_1..YEAR_10000).contains(&self.0) {
            return match chrono::DateTime::from_timestamp_millis(self.0) {
                Some(utc) => write!(f, "{}", utc.format("%Y-%m-%dT%H:%M:%S%.3fZ")),
                None => write!(f, "{}ms", self.0),
            };
        }
        let (year, month, day) = civil(self.0.div_euclid(DAY));
        let time = self.0.rem_euclid(DAY) as u64;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (end, mut number) in [
            (4, year),
            (7, month),
            (10, day),
            (13, time / 3_600_000),
            (16, time / 60_000 % 60),
            (19, time / 1_000 % 60),
            (23, time % 1_000),
        ] {
            let mut at = end;
            while number > 0 {
                at -= 1;
                text[at] = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

const YEAR_1: i64 = -62_135_596_800_000;
const YEAR_10000: i64 = 253_402_300_800_000;

/// Year, month and day of a count of days since the epoch, from year 1 on (the algorithm of Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (u64, u64, u64) {
    let days = (days + 719_468) as u64;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_rfc_3339() {
        for (text, printed) in [
            ("2026-03-01T22:30:00Z", "2026-03-01T22:30:00.000Z"),
            ("2026-03-01T22:30:00.1239Z", "2026-03-01T22:30:00.123Z"),
            ("2026-03-01T17:30:00-05:00", "2026-03-01T22:30:00.000Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Moment::parse(text).unwrap().to_string(), printed);
        }
        assert_eq!(Moment::parse("yesterday"), None);
    }

    #[test]
    fn prints_as_chrono_does() {
        let chrono = |at: Moment| chrono::DateTime::from_timestamp_millis(at.0).unwrap().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let ends = [YEAR_1 - 1, YEAR_1, -1, 0, 951_782_400_000, YEAR_10000 - 1, YEAR_10000];
        let steps = (0..40_000).map(|n| YEAR_1 + n * 7_889_238_011);
        for at in ends.into_iter().chain(steps).map(Moment) {
            assert_eq!(at.to_string(), chrono(at));
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Moment::MAX.plus(1), Moment::MAX);
        assert_eq!(Moment::MIN.since(Moment(1)), i64::MIN);
        assert_eq!(Moment::MAX.to_string(), "9223372036854775807ms");
    }
}
