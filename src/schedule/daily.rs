//! The guide's hours: one range of the day, in UTC, the same every day.
//!
//! Not a calendar: no weekdays, no zone, no holidays. Arithmetic alone, so a question costs nanoseconds.

use super::Open;
use crate::moment::{DAY, HOUR, Moment, SECOND};

/// A daily range `[start, end)` in UTC, to the millisecond. `end < start` wraps past midnight; `end == start` is always open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Daily {
    start: i64,
    length: i64,
}

impl Daily {
    /// A range from its two times of day, in milliseconds since midnight UTC (whole days are dropped, so that 24:00 is 00:00).
    #[must_use]
    pub const fn new(start: i64, end: i64) -> Daily {
        let start = start.rem_euclid(DAY);
        Daily { start, length: (end.rem_euclid(DAY) - start).rem_euclid(DAY) }
    }

    /// The opening time of day, milliseconds since midnight UTC.
    #[must_use]
    pub const fn start(&self) -> i64 {
        self.start
    }

    /// The closing time of day, milliseconds since midnight UTC; the opening time where it is always open.
    #[must_use]
    pub const fn end(&self) -> i64 {
        (self.start + self.length).rem_euclid(DAY)
    }

    /// Whether the range holds every instant.
    #[must_use]
    pub const fn is_always(&self) -> bool {
        self.length == 0
    }

    /// Whether an instant is open.
    #[must_use]
    pub const fn is_open(&self, at: Moment) -> bool {
        self.is_always() || self.phase(at) < self.length
    }

    /// The open range that holds `at`, or the next one after it, cut to begin at `at`.
    /// `None` only where it would lie after [`Moment::MAX`].
    #[must_use]
    pub(super) const fn next_range(&self, at: Moment) -> Option<Open> {
        if self.is_always() {
            return Some(Open { from: at, until: Moment::MAX });
        }
        let phase = self.phase(at);
        if phase < self.length {
            return Some(Open { from: at, until: at.plus(self.length - phase) });
        }
        match at.0.checked_add(DAY - phase) {
            Some(opening) => Some(Open { from: Moment(opening), until: Moment(opening).plus(self.length) }),
            None => None,
        }
    }

    /// The latest open whole second in `from ..= to`.
    #[must_use]
    pub(super) fn last_open_second(&self, from: Moment, to: Moment) -> Option<Moment> {
        let mut end = to;
        // The range that holds `end` or the one before it, then at most one more: where the latest is cut so short that it
        // holds no whole second, the day before it has the whole range, and where that has none either, no day has.
        for _ in 0..3 {
            let second = Moment(end.0.checked_sub(end.0.rem_euclid(SECOND))?);
            if second < from {
                return None;
            }
            if self.is_open(second) {
                return Some(second);
            }
            // Closed at this second: back to the last instant before the closing it stands behind.
            end = Moment(second.0.checked_sub(self.phase(second) - self.length + 1)?);
        }
        None
    }

    /// Milliseconds since the last opening, `0 .. DAY`.
    const fn phase(&self, at: Moment) -> i64 {
        (at.0.rem_euclid(DAY) - self.start).rem_euclid(DAY)
    }
}

impl Default for Daily {
    /// The guide's default: 13:00 to 24:00 UTC.
    fn default() -> Daily {
        Daily::new(13 * HOUR, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::MINUTE;

    #[test]
    fn the_default_runs_from_13_to_midnight() {
        let hours = Daily::default();
        for (at, open) in [
            ("2026-03-01T12:59:59.999Z", false),
            ("2026-03-01T13:00:00.000Z", true),
            ("2026-03-01T23:59:59.999Z", true),
            ("2026-03-02T00:00:00.000Z", false),
        ] {
            assert_eq!(hours.is_open(Moment::parse(at).unwrap()), open, "{at}");
        }
    }

    #[test]
    fn equal_ends_are_always_open_and_24_00_is_midnight() {
        assert!(Daily::new(HOUR, HOUR).is_always());
        assert!(Daily::new(0, DAY).is_always());
        assert_eq!(Daily::new(DAY, HOUR), Daily::new(0, HOUR));
        assert_eq!(Daily::new(22 * HOUR, 6 * HOUR).end(), 6 * HOUR);
    }

    #[test]
    fn last_open_second_steps_over_ranges_without_one() {
        // Half a second a day, never on a whole one.
        let hours = Daily::new(HOUR + 200, HOUR + 700);
        assert_eq!(hours.last_open_second(Moment(0), Moment(40 * DAY)), None);
        // 01:00:00.200 to 01:00:01.200 holds 01:00:01 alone.
        let hours = Daily::new(HOUR + 200, HOUR + 1_200);
        assert_eq!(hours.last_open_second(Moment(0), Moment(DAY)), Some(Moment(HOUR + SECOND)));
        assert_eq!(hours.last_open_second(Moment(0), Moment(HOUR + 900)), None);
        assert_eq!(hours.last_open_second(Moment(0), Moment(DAY + HOUR + 900)), Some(Moment(HOUR + SECOND)));
        assert_eq!(hours.last_open_second(Moment(HOUR + 1_001), Moment(DAY)), None);
    }

    #[test]
    fn the_ends_of_time_are_answered() {
        let hours = Daily::new(HOUR, HOUR + MINUTE);
        assert_eq!(hours.next_range(Moment::MAX), None);
        assert_eq!(hours.last_open_second(Moment::MIN, Moment::MIN), None);
        assert!(hours.next_range(Moment::MIN).is_some());
        assert!(hours.last_open_second(Moment::MIN, Moment::MAX).is_some());
    }
}
