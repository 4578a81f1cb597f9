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
    /// RFC 3339 in UTC with milliseconds, as `2026-03-02T12:00:00.000Z`; the bare number outside chrono's years.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chrono::DateTime::from_timestamp_millis(self.0) {
            Some(utc) => write!(f, "{}", utc.format("%Y-%m-%dT%H:%M:%S%.3fZ")),
            None => write!(f, "{}ms", self.0),
        }
    }
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
    fn arithmetic_saturates() {
        assert_eq!(Moment::MAX.plus(1), Moment::MAX);
        assert_eq!(Moment::MIN.since(Moment(1)), i64::MIN);
        assert_eq!(Moment::MAX.to_string(), "9223372036854775807ms");
    }
}
