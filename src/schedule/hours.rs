//! The hours of a flow: a set of instants, daily or by calendar, with the four questions that a decision asks.
//!
//! Not their notation: [`Calendar`] reads that.

use super::{Calendar, Daily};
use crate::limits::HORIZON;
use crate::moment::Moment;
use std::sync::Arc;

/// When something may be sent.
#[derive(Clone, PartialEq, Debug)]
pub enum Hours {
    /// The guide's range of the day, in UTC.
    Daily(Daily),
    /// Days, times, dates and holidays in a zone.
    Calendar(Arc<Calendar>),
}

/// A stretch of open instants, `[from, until)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Open {
    /// The first open instant asked for.
    pub from: Moment,
    /// The first instant that is closed again; cut [`HORIZON`] after `from`.
    pub until: Moment,
}

impl Hours {
    /// Whether an instant is open.
    #[must_use]
    pub fn is_open(&self, at: Moment) -> bool {
        match self {
            Hours::Daily(daily) => daily.is_open(at),
            Hours::Calendar(calendar) => calendar.is_open(at),
        }
    }

    /// The earliest open instant in `at ..= at + horizon` (milliseconds).
    #[must_use]
    pub fn next_open(&self, at: Moment, horizon: i64) -> Option<Moment> {
        Some(self.next_range(at, horizon)?.from)
    }

    /// The end of the open range that holds `at` (the first closed instant after it), cut [`HORIZON`] after `at`.
    /// `None` where `at` is closed.
    #[must_use]
    pub fn open_until(&self, at: Moment) -> Option<Moment> {
        Some(self.next_range(at, 0)?.until)
    }

    /// The latest open whole second in `from ..= to`.
    #[must_use]
    pub fn last_open_second(&self, from: Moment, to: Moment) -> Option<Moment> {
        match self {
            Hours::Daily(daily) => daily.last_open_second(from, to),
            Hours::Calendar(calendar) => calendar.last_open_second(from, to),
        }
    }

    /// The open range that begins at the earliest open instant in `at ..= at + horizon` (milliseconds).
    #[must_use]
    pub fn next_range(&self, at: Moment, horizon: i64) -> Option<Open> {
        let open = match self {
            Hours::Daily(daily) => daily.next_range(at),
            Hours::Calendar(calendar) => calendar.next_range(at, horizon),
        }?;
        let open = Open { from: open.from, until: open.until.min(open.from.plus(HORIZON)) };
        (open.from.since(at) <= horizon).then_some(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::HOUR;

    #[test]
    fn the_horizon_counts_at_both_ends() {
        let hours = Hours::Daily(Daily::new(13 * HOUR, 14 * HOUR));
        let noon = Moment(12 * HOUR);
        assert_eq!(hours.next_open(noon, HOUR), Some(Moment(13 * HOUR)));
        assert_eq!(hours.next_open(noon, HOUR - 1), None);
        assert_eq!(hours.open_until(noon), None);
        assert_eq!(hours.open_until(Moment(13 * HOUR)), Some(Moment(14 * HOUR)));
        assert_eq!(Hours::Daily(Daily::new(0, 0)).open_until(noon), Some(noon.plus(HORIZON)));
    }
}
