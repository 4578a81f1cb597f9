//! Day rules: which minutes of the clock on the wall are open on a date.
//!
//! Not instants and not zones: a date is a number of days, a time of day is minutes since midnight as the clock shows them.
//!
//! The rules of a day are composed in their order, as OSM has it: a rule replaces what stood there for the days it names,
//! or adds to it (after `, `); `off` takes away. A range belongs to the day it starts on, also where it wraps past midnight.
//! An `off` with times takes those times of the clock away, also from what the day before left open.

use super::notation::days_since_epoch;
use chrono::{Datelike, NaiveDate};

/// Minutes of a day, `[from, until)`; beyond 1440 they lie on the day after (up to 2880 and more, where a range is that long).
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(super) struct Minutes {
    pub(super) from: u16,
    pub(super) until: u16,
}

/// One rule: the days it names, and what it says of them.
#[derive(Clone, Debug)]
pub(super) struct DayRule {
    pub(super) join: Join,
    pub(super) off: bool,
    /// Exactly 00:00-24:00: an `off` of this kind clears the day.
    pub(super) whole_day: bool,
    /// First year, last year, step; none means every year.
    pub(super) years: Vec<(i32, i32, i32)>,
    /// None means every date.
    pub(super) dates: Vec<DateRange>,
    /// None, and no `PH`, means every day.
    pub(super) weekdays: Vec<NthWeekdays>,
    /// Whether it names public holidays.
    pub(super) holidays: bool,
    pub(super) spans: Vec<Minutes>,
}

/// How a rule meets those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Join {
    /// After `; `: it overrides the days it names.
    Replace,
    /// After `, `: it adds.
    Add,
}

/// Dates, both ends in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DateRange {
    /// (month, day) in every year; wraps past New Year where the end is the smaller.
    Yearly { from: (u32, u32), until: (u32, u32) },
    /// Days since the epoch.
    Once { from: i32, until: i32 },
}

/// Weekdays, and which of them in the month. Bit 0 of `days` is Monday; bit 0 of the others is the first (or the last).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NthWeekdays {
    pub(super) days: u8,
    pub(super) from_start: u8,
    pub(super) from_end: u8,
}

/// What the rules say of one date.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub(super) struct Day {
    /// Open; may reach into the day after.
    pub(super) open: Vec<Minutes>,
    /// Taken away by `off` with times; may reach into the day after.
    pub(super) off: Vec<Minutes>,
    /// Nothing of the day before reaches into a holiday.
    pub(super) holiday: bool,
}

/// Composes the rules for a date (days since the epoch), into `day`. A holiday obeys the rules that name `PH`, and no others.
pub(super) fn compose(rules: &[DayRule], date: i32, holiday: bool, day: &mut Day) {
    day.open.clear();
    day.off.clear();
    day.holiday = holiday;
    for rule in rules.iter().filter(|rule| rule.names(date, holiday)) {
        if rule.off && rule.whole_day {
            day.open.clear();
            day.off.clear();
        } else if rule.off {
            rule.spans.iter().for_each(|cut| subtract(&mut day.open, *cut));
            day.off.extend_from_slice(&rule.spans);
        } else {
            if rule.join == Join::Replace {
                day.open.clear();
                day.off.clear();
            }
            rule.spans.iter().for_each(|opened| subtract(&mut day.off, *opened));
            day.open.extend_from_slice(&rule.spans);
        }
    }
}

/// The definition: whether a minute of a date is open, given the day and the one before it.
pub(super) fn holds(before: &Day, day: &Day, minute: u16) -> bool {
    let here = |list: &[Minutes]| list.iter().any(|span| span.from <= minute && minute < span.until);
    let reaching = |list: &[Minutes]| list.iter().any(|span| span.until > minute + 1440 && span.from <= minute + 1440);
    if day.holiday {
        return here(&day.open);
    }
    (here(&day.open) && !reaching(&before.off)) || (reaching(&before.open) && !here(&day.off))
}

/// The same as a list: appends the open minutes of a date, sorted and merged, each within `0 .. 1440`.
pub(super) fn open_minutes(before: &Day, day: &Day, list: &mut Vec<Minutes>) {
    list.clear();
    list.extend(day.open.iter().filter(|span| span.from < 1440).map(|span| Minutes { from: span.from, until: span.until.min(1440) }));
    if !day.holiday {
        before.off.iter().filter_map(tail).for_each(|cut| subtract(list, cut));
        let mut left: Vec<Minutes> = before.open.iter().filter_map(tail).collect();
        day.off.iter().for_each(|cut| subtract(&mut left, *cut));
        list.append(&mut left);
    }
    list.sort_unstable();
    list.dedup_by(|next, kept| {
        let touches = next.from <= kept.until;
        if touches {
            kept.until = kept.until.max(next.until);
        }
        touches
    });
}

/// The part of a span that lies on the day after, counted from its midnight.
fn tail(span: &Minutes) -> Option<Minutes> {
    (span.until > 1440).then(|| Minutes { from: span.from.saturating_sub(1440), until: (span.until - 1440).min(1440) })
}

fn subtract(list: &mut Vec<Minutes>, cut: Minutes) {
    for index in 0..list.len() {
        let span = list[index];
        if cut.until <= span.from || span.until <= cut.from {
            continue;
        }
        list[index].until = cut.from.max(span.from);
        if cut.until < span.until {
            list.push(Minutes { from: cut.until, until: span.until });
        }
    }
    list.retain(|span| span.from < span.until);
}

impl DayRule {
    fn names(&self, date: i32, holiday: bool) -> bool {
        let day_named = if holiday {
            self.holidays
        } else {
            (self.weekdays.is_empty() && !self.holidays) || self.weekdays.iter().any(|days| days.hold(date))
        };
        // Most rules name weekdays alone, and need no month and no year.
        let every_date = self.years.is_empty() && self.dates.is_empty();
        day_named && (every_date || civil(date).is_some_and(|civil| self.names_date(civil)))
    }

    fn names_date(&self, date: NaiveDate) -> bool {
        (self.years.is_empty() || self.years.iter().any(|years| year_in(*years, date.year())))
            && (self.dates.is_empty() || self.dates.iter().any(|dates| dates.hold(date)))
    }
}

/// The date of a count of days since the epoch; `None` beyond the years a date can have.
fn civil(date: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(date.checked_add(719_163)?)
}

fn year_in((first, last, step): (i32, i32, i32), year: i32) -> bool {
    first <= year && year <= last && (year - first) % step.max(1) == 0
}

impl DateRange {
    fn hold(&self, date: NaiveDate) -> bool {
        match *self {
            DateRange::Once { from, until } => (from..=until).contains(&days_since_epoch(date)),
            DateRange::Yearly { from, until } => {
                let at = (date.month(), date.day());
                if from <= until { from <= at && at <= until } else { from <= at || at <= until }
            }
        }
    }
}

impl NthWeekdays {
    fn hold(&self, date: i32) -> bool {
        // The epoch was a Thursday.
        let weekday = (i64::from(date) + 3).rem_euclid(7);
        if self.days >> weekday & 1 == 0 {
            return false;
        }
        if self.from_start & self.from_end == 0b1_1111 {
            return true;
        }
        let Some(date) = civil(date) else { return false };
        let nth = date.day0() / 7;
        let nth_last = (u32::from(date.num_days_in_month()) - date.day()) / 7;
        self.from_start >> nth & 1 == 1 || self.from_end >> nth_last & 1 == 1
    }
}
