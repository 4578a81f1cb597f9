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

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(zone: &str, hours: &str, holidays: &[&str]) -> Calendar {
        let holidays: Vec<chrono::NaiveDate> = holidays.iter().map(|date| date.parse().unwrap()).collect();
        Calendar::new(Zone::named(zone).unwrap(), Notation::read(hours).unwrap(), &holidays)
    }

    /// The open ranges that begin in the hours after `from`, as `MM-DDTHH:MM HH:MM` of their two ends in UTC.
    fn ranges(calendar: &Calendar, from: &str, hours: i64) -> Vec<String> {
        let from = Moment::parse(from).unwrap();
        let (mut at, end, mut list) = (from, from.plus(hours * 60 * MINUTE), Vec::new());
        while let Some(open) = calendar.next_range(at, end.since(at)) {
            assert!(calendar.open_by_definition(open.from) && !calendar.open_by_definition(open.until), "{open:?}");
            list.push(format!("{} {}", &open.from.to_string()[5..16], &open.until.to_string()[11..16]));
            at = open.until;
        }
        list
    }

    #[test]
    fn clock_changes_are_decided_by_the_clock_on_the_wall() {
        for (what, zone, hours, from, expected) in [
            ("starts inside a gap", "America/New_York", "02:30-04:00", "2025-03-09T00:00:00Z", &["03-09T07:00 08:00"][..]),
            ("wholly inside a gap", "America/New_York", "02:15-02:45", "2025-03-09T00:00:00Z", &[]),
            (
                "both passes of a fold",
                "America/New_York",
                "01:15-01:45",
                "2025-11-02T00:00:00Z",
                &["11-02T05:15 05:45", "11-02T06:15 06:45"],
            ),
            ("across a fold", "America/New_York", "00:30-02:30", "2025-11-02T00:00:00Z", &["11-02T04:30 07:30"]),
            ("no midnight", "America/Sao_Paulo", "Su 00:00-02:00", "2018-11-04T00:00:00Z", &["11-04T03:00 04:00"]),
            ("no Friday: Thursday has no night", "Pacific/Apia", "Th 22:00-02:00", "2011-12-30T00:00:00Z", &["12-30T08:00 10:00"]),
            ("no Friday: its night is there", "Pacific/Apia", "Fr 22:00-02:00", "2011-12-30T00:00:00Z", &["12-30T10:00 12:00"]),
            ("half an hour", "Australia/Lord_Howe", "02:10-02:40", "2026-10-03T12:00:00Z", &["10-03T15:30 15:40"]),
            ("two hours", "Antarctica/Troll", "01:30-03:30", "2026-03-29T00:00:00Z", &["03-29T01:00 01:30"]),
            ("a quarter off", "Asia/Kathmandu", "09:00-10:00", "2026-03-29T00:00:00Z", &["03-29T03:15 04:15"]),
        ] {
            assert_eq!(ranges(&calendar(zone, hours, &[]), from, 22), expected, "{what}");
        }
    }

    #[test]
    fn a_holiday_is_closed_with_both_its_nights() {
        // Thursday 2026-01-01.
        for (hours, holidays, expected) in [
            ("We-Fr 20:00-04:00", &[][..], &["12-31T20:00 04:00", "01-01T20:00 04:00", "01-02T20:00 04:00"][..]),
            ("We-Fr 20:00-04:00", &["2026-01-01"], &["12-31T20:00 00:00", "01-02T20:00 04:00"]),
            ("We-Fr 20:00-04:00; PH off", &["2026-01-01"], &["12-31T20:00 00:00", "01-02T20:00 04:00"]),
            ("We-Fr 20:00-04:00; PH 22:00-02:00", &["2026-01-01"], &["12-31T20:00 00:00", "01-01T22:00 02:00", "01-02T20:00 04:00"]),
            (
                "We-Fr 20:00-04:00, PH 22:00-02:00",
                &["2026-01-01", "2026-01-02"],
                &["12-31T20:00 00:00", "01-01T22:00 00:00", "01-02T22:00 02:00"],
            ),
            ("24/7", &["2026-01-03", "2026-01-01"], &["12-31T12:00 00:00", "01-02T00:00 00:00"]),
            ("PH,We 10:00-12:00", &["2026-01-01"], &["01-01T10:00 12:00"]),
            ("Dec PH 10:00-12:00; Mo-Fr 08:00-09:00", &["2026-01-01"], &["01-02T08:00 09:00"]),
        ] {
            assert_eq!(ranges(&calendar("Etc/UTC", hours, holidays), "2025-12-31T12:00:00Z", 60), expected, "{hours} {holidays:?}");
        }
    }

    #[test]
    fn rules_add_override_and_take_away() {
        // Monday 2026-03-02 to Wednesday.
        for (hours, expected) in [
            (
                "Mo-We 08:00-12:00, Tu 14:00-16:00",
                &["03-02T08:00 12:00", "03-03T08:00 12:00", "03-03T14:00 16:00", "03-04T08:00 12:00"][..],
            ),
            ("Mo-We 08:00-12:00; Tu 14:00-16:00", &["03-02T08:00 12:00", "03-03T14:00 16:00", "03-04T08:00 12:00"]),
            ("Mo-We 08:00-12:00; Tu off", &["03-02T08:00 12:00", "03-04T08:00 12:00"]),
            ("Mo-We 08:00-12:00, Tu off", &["03-02T08:00 12:00", "03-04T08:00 12:00"]),
            ("Mo-We 08:00-12:00; Tu off; Tu 09:00-10:00", &["03-02T08:00 12:00", "03-03T09:00 10:00", "03-04T08:00 12:00"]),
            ("Mo-Tu 08:00-12:00; 10:00-11:00 off", &["03-02T08:00 10:00", "03-02T11:00 12:00", "03-03T08:00 10:00", "03-03T11:00 12:00"]),
            ("Mo 22:00-04:00; Tu off", &["03-02T22:00 04:00"]),
            ("Mo 22:00-04:00; Tu 01:00-02:00 off", &["03-02T22:00 01:00", "03-03T02:00 04:00"]),
            ("Mo-We; Mo 22:00-06:00 off", &["03-02T00:00 22:00", "03-03T06:00 00:00"]),
            ("Mo 22:00-26:00", &["03-02T22:00 02:00"]),
            ("Mo 18:15-00:00", &["03-02T18:15 00:00"]),
            ("Mo 08:00-10:00,09:00-11:00,11:00-12:00", &["03-02T08:00 12:00"]),
            ("Mar 3 08:00-09:00", &["03-03T08:00 09:00"]),
            ("2026 Mar 03-04 08:00-09:00", &["03-03T08:00 09:00", "03-04T08:00 09:00"]),
            ("2025 Mar 3 08:00-09:00", &[]),
            ("2026 Mo 08:00-09:00; 2027 off", &["03-02T08:00 09:00"]),
            ("2022-2026/2 Mo 08:00-09:00", &["03-02T08:00 09:00"]),
            ("2023-2027/2 Mo 08:00-09:00", &[]),
            ("Dec-Mar Mo 08:00-09:00", &["03-02T08:00 09:00"]),
            ("2025 Nov-Feb Mo 08:00-09:00", &[]),
            ("Oct 15-Mar 2 08:00-09:00", &["03-02T08:00 09:00"]),
            ("2025 Oct 15-Mar 3 08:00-09:00", &["03-02T08:00 09:00", "03-03T08:00 09:00"]),
            ("Mo[1],Tu[2],We[-5] 08:00-09:00", &["03-02T08:00 09:00"]),
            ("Sa-Mo 08:00-09:00", &["03-02T08:00 09:00"]),
        ] {
            assert_eq!(ranges(&calendar("Etc/UTC", hours, &[]), "2026-03-02T00:00:00Z", 71), expected, "{hours}");
        }
    }

    #[test]
    fn a_table_hands_over_to_the_next() {
        let calendar = calendar("Etc/UTC", "24/7", &[]);
        for year in [0, 1, 100] {
            let border = Moment((FIRST + year * YEAR) * SECOND);
            let open = calendar.next_range(border.plus(-1), 0);
            assert_eq!(open.is_some(), year > 0, "nothing before the first table");
            assert!(open.is_none_or(|open| open.until >= open.from.plus(HORIZON)));
            assert_eq!(calendar.last_open_second(border, border.plus(500)), Some(border));
        }
        let sundays = self::calendar("Etc/UTC", "Su 23:59-24:00", &[]);
        let border = Moment((FIRST + 58 * YEAR) * SECOND);
        let last = sundays.last_open_second(Moment(0), border).unwrap();
        assert!(border.since(last) < 7 * DAY);
        assert_eq!(sundays.last_open_second(last.plus(1), border), None);
        let next = sundays.next_range(border, HORIZON).unwrap();
        assert_eq!(next.from.since(last.plus(SECOND)), 7 * DAY - MINUTE);
    }

    #[test]
    fn nothing_is_open_outside_the_years_of_the_tables() {
        let calendar = calendar("Asia/Kathmandu", "24/7", &[]);
        let end = Moment((FIRST + YEARS as i64 * YEAR) * SECOND);
        for (at, open) in [(Moment::MIN, false), (Moment(FIRST * SECOND - 1), false), (Moment(0), true), (end.plus(-1), true), (end, false)]
        {
            assert_eq!((calendar.is_open(at), calendar.open_by_definition(at)), (open, open), "{at}");
        }
        assert_eq!(calendar.next_range(Moment::MAX, i64::MAX), None);
        assert_eq!(calendar.next_range(Moment::MIN, i64::MAX).map(|open| open.from), Some(Moment(FIRST * SECOND)));
        assert!(calendar.last_open_second(Moment::MIN, Moment::MAX).is_some());
        assert_eq!(calendar.last_open_second(Moment::MAX, Moment::MIN), None);
        assert!(end > Moment::parse("2201-06-01T00:00:00Z").unwrap());
    }
}
