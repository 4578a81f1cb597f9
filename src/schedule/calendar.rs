//! A calendar: day rules and holidays in a zone, as a set of instants.
//!
//! An instant is open iff the clock on the wall then lies in a range: [`Calendar::open_by_definition`] says it in a few lines
//! and is slow. Decisions ask tables instead: sorted open UTC intervals, compiled lazily a year at a time, so that a question
//! is a binary search. The tables may not change an answer; `laws.rs` holds them to the definition.
//!
//! Not a list of holidays by country, and not the recipient's zone: both are refused where the configuration is read.

use super::Open;
use super::days::{self, Day, Minutes};
use super::notation::Notation;
use super::zone::Zone;
use crate::limits::HORIZON;
use crate::moment::{DAY, MINUTE, Moment, SECOND};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The span of one table, in seconds: 366 days, so that a year's table is found by a division.
const YEAR: i64 = 366 * 86_400;
/// Where the first table begins: 366 days before the epoch.
const FIRST: i64 = -YEAR;
/// How many tables there are: up to the year 2203. Every instant of the contract (1970 to 2200) lies well inside.
const YEARS: usize = 234;
/// How far a table reaches past its own end: a question that begins in it is answered without the next one.
const OVERHANG: i64 = HORIZON / SECOND + 86_400;

/// A flow's calendar. Nothing is open outside the years 1969 to 2203.
pub struct Calendar {
    zone: Zone,
    notation: Notation,
    /// Local dates, days since the epoch, sorted.
    holidays: Box<[i32]>,
    years: Box<[OnceLock<Table>]>,
    held: AtomicUsize,
}

/// Open intervals in seconds from the table's beginning, sorted and apart from each other.
type Table = Box<[(u32, u32)]>;

impl Calendar {
    /// A calendar of these rules in this zone. Holidays are local dates, in any order.
    #[must_use]
    pub fn new(zone: Zone, notation: Notation, holidays: &[chrono::NaiveDate]) -> Calendar {
        let mut holidays: Vec<i32> = holidays.iter().map(|date| super::notation::days_since_epoch(*date)).collect();
        holidays.sort_unstable();
        holidays.dedup();
        let years = (0..YEARS).map(|_| OnceLock::new()).collect();
        Calendar { zone, notation, holidays: holidays.into(), years, held: AtomicUsize::new(0) }
    }

    /// The zone's IANA name.
    #[must_use]
    pub fn zone_name(&self) -> &'static str {
        self.zone.name()
    }

    /// The hours as they were written.
    #[must_use]
    pub fn notation(&self) -> &str {
        self.notation.text()
    }

    /// Whether a rule names public holidays (`PH`).
    #[must_use]
    pub fn names_holidays(&self) -> bool {
        self.notation.names_holidays()
    }

    /// The holidays, days since 1970-01-01, sorted.
    #[must_use]
    pub fn holidays(&self) -> &[i32] {
        &self.holidays
    }

    /// Bytes of compiled tables held so far.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// The definition of open: the clock on the wall lies in a range of its day, or in one of the day before that wraps.
    /// Slow; the tables answer the same.
    #[must_use]
    pub fn open_by_definition(&self, at: Moment) -> bool {
        let second = at.0.div_euclid(SECOND);
        if !(FIRST..FIRST + YEARS as i64 * YEAR).contains(&second) {
            return false;
        }
        let wall = at.plus(self.zone.offset(second) * SECOND).0;
        let date = wall.div_euclid(DAY) as i32;
        let minute = (wall.rem_euclid(DAY) / MINUTE) as u16;
        let (mut before, mut day) = (Day::default(), Day::default());
        self.day(date - 1, &mut before);
        self.day(date, &mut day);
        days::holds(&before, &day, minute)
    }

    /// Whether an instant is open.
    #[must_use]
    pub fn is_open(&self, at: Moment) -> bool {
        self.next_range(at, 0).is_some()
    }

    /// The open range from the earliest open instant in `at ..= at + horizon` (milliseconds). Its end is true up to
    /// [`HORIZON`] after its beginning.
    #[must_use]
    pub(super) fn next_range(&self, at: Moment, horizon: i64) -> Option<Open> {
        let latest = at.plus(horizon);
        let second = at.0.div_euclid(SECOND).max(FIRST);
        let mut year = usize::try_from((second - FIRST) / YEAR).ok()?;
        while year < YEARS {
            let begin = FIRST + year as i64 * YEAR;
            if begin.saturating_mul(SECOND) > latest.0 {
                return None;
            }
            let table = self.table(year);
            let from_begin = (second - begin).max(0) as u32;
            let index = table.partition_point(|open| open.1 <= from_begin);
            if let Some(open) = table.get(index) {
                let from = Moment((begin + i64::from(open.0)) * SECOND).max(at);
                return (from <= latest).then(|| Open { from, until: Moment((begin + i64::from(open.1)) * SECOND) });
            }
            year += 1;
        }
        None
    }

    /// The latest open whole second in `from ..= to`.
    #[must_use]
    pub(super) fn last_open_second(&self, from: Moment, to: Moment) -> Option<Moment> {
        let end = FIRST + YEARS as i64 * YEAR - 1;
        let latest = to.0.div_euclid(SECOND).min(end);
        // The first whole second not before `from`.
        let earliest = (from.0.div_euclid(SECOND) + i64::from(from.0.rem_euclid(SECOND) > 0)).max(FIRST);
        if latest < earliest {
            return None;
        }
        let mut year = (latest - FIRST) / YEAR;
        while year >= (earliest - FIRST) / YEAR {
            let begin = FIRST + year * YEAR;
            // Within its own year alone: what hangs over belongs to the next table, which was asked before.
            let last = (latest - begin).min(YEAR - 1) as u32;
            let table = self.table(year as usize);
            let index = table.partition_point(|open| open.0 <= last);
            if let Some(open) = index.checked_sub(1).map(|before| table[before]) {
                let second = begin + i64::from(last.min(open.1 - 1));
                return (second >= earliest).then(|| Moment(second * SECOND));
            }
            year -= 1;
        }
        None
    }

    fn table(&self, year: usize) -> &[(u32, u32)] {
        self.years[year].get_or_init(|| {
            let table = self.compile(FIRST + year as i64 * YEAR);
            self.held.fetch_add(std::mem::size_of_val(&*table), Ordering::Relaxed);
            table
        })
    }

    /// The open intervals of the year that begins at `begin` (seconds), and of what hangs over.
    fn compile(&self, begin: i64) -> Table {
        let stretches = self.zone.stretches(begin, begin + YEAR + OVERHANG);
        // A day to spare at both ends covers every offset.
        let wall = self.wall(begin.div_euclid(86_400) - 1, (begin + YEAR + OVERHANG).div_euclid(86_400) + 1);
        let mut table: Vec<(u32, u32)> = Vec::with_capacity(wall.len() + 4);
        for stretch in stretches {
            let (from, until) = (stretch.from + stretch.offset, stretch.until + stretch.offset);
            let first = wall.partition_point(|open| open.1 <= from);
            for open in wall[first..].iter().take_while(|open| open.0 < until) {
                let from = (open.0.max(from) - stretch.offset - begin) as u32;
                let until = (open.1.min(until) - stretch.offset - begin) as u32;
                match table.last_mut() {
                    Some(last) if last.1 >= from => last.1 = last.1.max(until),
                    _ => table.push((from, until)),
                }
            }
        }
        table.into()
    }

    /// The open times of the wall clock from one date to another (days since the epoch), in seconds as that clock counts them.
    fn wall(&self, first: i64, last: i64) -> Vec<(i64, i64)> {
        let (mut before, mut day) = (Day::default(), Day::default());
        let mut minutes: Vec<Minutes> = Vec::new();
        let mut wall: Vec<(i64, i64)> = Vec::with_capacity((last - first) as usize);
        self.day(first as i32 - 1, &mut before);
        for date in first..=last {
            self.day(date as i32, &mut day);
            days::open_minutes(&before, &day, &mut minutes);
            for span in &minutes {
                let (from, until) = (date * 86_400 + i64::from(span.from) * 60, date * 86_400 + i64::from(span.until) * 60);
                match wall.last_mut() {
                    Some(open) if open.1 == from => open.1 = until,
                    _ => wall.push((from, until)),
                }
            }
            std::mem::swap(&mut before, &mut day);
        }
        wall
    }

    fn day(&self, date: i32, day: &mut Day) {
        days::compose(self.notation.rules(), date, self.holidays.binary_search(&date).is_ok(), day);
    }
}

impl PartialEq for Calendar {
    fn eq(&self, other: &Calendar) -> bool {
        (self.zone, self.notation.text(), &self.holidays) == (other.zone, other.notation.text(), &other.holidays)
    }
}

impl std::fmt::Debug for Calendar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calendar")
            .field("zone", &self.zone)
            .field("hours", &self.notation.text())
            .field("holidays", &self.holidays)
            .finish_non_exhaustive()
    }
}
