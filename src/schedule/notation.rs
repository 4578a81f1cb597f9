//! Reads the OpenStreetMap `opening_hours` notation into day rules.
//!
//! Not a parser: the crate `opening-hours-syntax` parses. This file decides what is taken (days, times, dates, `off`, `PH`)
//! and refuses the rest by name, so that nothing is ever taken for something it does not mean.

use super::days::{DateRange, DayRule, Join, Minutes, NthWeekdays};
use crate::limits;
use chrono::{Datelike, NaiveDate};
use opening_hours_syntax::rules::day::{Date, DateOffset, HolidayKind, MonthdayRange, WeekDayRange, YearRange};
use opening_hours_syntax::rules::time::{Time, TimeSpan};
use opening_hours_syntax::rules::{RuleOperator, RuleSequence};
use opening_hours_syntax::{Error, RuleKind};

/// Hours as they were written, and as they were understood.
#[derive(Clone, Debug)]
pub struct Notation {
    text: Box<str>,
    rules: Box<[DayRule]>,
}

/// A notation that is not taken: which part of it, and why, in one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The part that is not taken, as written.
    pub part: String,
    /// Why not, and what would be right.
    pub why: String,
}

impl Notation {
    /// Reads a notation such as `Mo-Fr 07:00-19:00, Sa 08:00-15:00; PH off`.
    ///
    /// # Errors
    /// The first part that is not taken, by name.
    pub fn read(text: &str) -> Result<Notation, Refusal> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err(refuse(text, "it is empty: write days and times, as Mo-Fr 07:00-19:00"));
        }
        if text.len() > limits::NOTATION_BYTES {
            return Err(refuse(
                &text[..text.floor_char_boundary(40)],
                &format!("it is longer than {} bytes: write fewer rules", limits::NOTATION_BYTES),
            ));
        }
        if holiday_beside_weekdays(text) {
            let why = "holidays that fall on certain weekdays are not taken: write PH,Mo for both, or a rule for each";
            return Err(refuse(text, why));
        }
        let parsed = opening_hours_syntax::parse(text).map_err(|error| unreadable(text, &error))?;
        let rules = parsed.rules.iter().map(day_rule).collect::<Result<Box<[DayRule]>, Refusal>>()?;
        // Whatever still has a plus is an open end: day offsets were refused above, and the parser turns `Dec 24+` into a date.
        if text.contains('+') {
            return Err(refuse(text, "open ends (+) are not taken: write where it ends"));
        }
        Ok(Notation { text: text.into(), rules })
    }

    /// The text, as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a rule names public holidays (`PH`).
    #[must_use]
    pub fn names_holidays(&self) -> bool {
        self.rules.iter().any(|rule| rule.holidays)
    }

    pub(super) fn rules(&self) -> &[DayRule] {
        &self.rules
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.part, self.why)
    }
}

fn refuse(part: impl ToString, why: &str) -> Refusal {
    Refusal { part: part.to_string(), why: why.to_owned() }
}

fn unreadable(text: &str, error: &Error) -> Refusal {
    let why = match error {
        Error::Syntax(at) => {
            // The parser's message is drawn over several lines; its first says where: ` --> 1:14`.
            let drawn = at.to_string();
            let digits = drawn.split("--> 1:").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
            let column = digits.and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(1);
            let rest: String = text.chars().skip(column.saturating_sub(1)).take(20).collect();
            let cure = match text.chars().nth(column.saturating_sub(2)) {
                Some(',') if column > 1 => "write a space after the comma between two rules",
                _ => "write it as Mo-Fr 07:00-19:00, Sa 08:00-15:00; PH off",
            };
            format!("not the opening_hours notation from character {column} ({rest:?}): {cure}")
        }
        Error::Unsupported(what) => format!("{what} is not taken: write days, times, dates, off and PH"),
        // The other errors print as one line.
        other => format!("{other}"),
    };
    Refusal { part: text.to_owned(), why }
}

fn day_rule(rule: &RuleSequence) -> Result<DayRule, Refusal> {
    let off = match rule.kind {
        RuleKind::Open => false,
        RuleKind::Closed => true,
        RuleKind::Unknown => return Err(refuse(rule, "the state unknown is not taken: write the hours, or off")),
    };
    let join = match rule.operator {
        RuleOperator::Normal => Join::Replace,
        RuleOperator::Additional => Join::Add,
        RuleOperator::Fallback => return Err(refuse(rule, "fallback rules (||) are not taken: write one rule after ; or ,")),
    };
    if !rule.comment.is_empty() {
        return Err(refuse(rule, "comments are not taken: write days and times alone"));
    }
    if !rule.day_selector.week.is_empty() {
        return Err(refuse(rule, "week numbers are not taken: write dates, as Jan 5-11"));
    }
    let spans = rule.time_selector.spans.iter().map(span).collect::<Result<Vec<Minutes>, Refusal>>()?;
    let mut weekdays = Vec::new();
    let mut holidays = false;
    for range in &rule.day_selector.weekday {
        match days_of_week(range)? {
            Some(days) => weekdays.push(days),
            None => holidays = true,
        }
    }
    Ok(DayRule {
        join,
        off,
        whole_day: spans == [Minutes { from: 0, until: 1440 }],
        years: rule.day_selector.year.iter().map(years).collect::<Result<_, _>>()?,
        dates: rule.day_selector.monthday.iter().map(dates).collect::<Result<_, _>>()?,
        weekdays,
        holidays,
        spans,
    })
}

fn span(span: &TimeSpan) -> Result<Minutes, Refusal> {
    if span.open_end {
        return Err(refuse(span, "open ends (+) are not taken: write where it ends"));
    }
    if span.repeats.is_some() {
        return Err(refuse(span, "repeated points in time (/) are not taken: write ranges"));
    }
    let (Time::Fixed(from), Time::Fixed(until)) = (span.range.start, span.range.end) else {
        return Err(refuse(span, "sun events (dawn, sunrise, sunset, dusk) are not taken: write times of day"));
    };
    let (from, until) = (from.mins_from_midnight(), until.mins_from_midnight());
    if from == until {
        return Err(refuse(span, "its ends are equal: write 00:00-24:00 for a whole day"));
    }
    Ok(Minutes { from, until: if until < from { until + 1440 } else { until } })
}

/// The weekdays of a range; `None` for public holidays.
fn days_of_week(range: &WeekDayRange) -> Result<Option<NthWeekdays>, Refusal> {
    let offset_refused = "days counted from another day are not taken: write the day itself";
    match range {
        WeekDayRange::Holiday { kind: HolidayKind::School, .. } => {
            Err(refuse(range, "school holidays (SH) are not taken: write dates, or list them as holidays"))
        }
        WeekDayRange::Holiday { offset, .. } | WeekDayRange::Fixed { offset, .. } if *offset != 0 => Err(refuse(range, offset_refused)),
        WeekDayRange::Holiday { .. } => Ok(None),
        WeekDayRange::Fixed { range, nth_from_start, nth_from_end, .. } => {
            let (first, last) = (range.start().num_days_from_monday(), range.end().num_days_from_monday());
            let days = (0..=(last + 7 - first) % 7).fold(0, |mask, step| mask | 1 << ((first + step) % 7));
            let mask = |flags: &[bool; 5]| flags.iter().enumerate().fold(0, |mask, (n, on)| mask | u8::from(*on) << n);
            Ok(Some(NthWeekdays { days, from_start: mask(nth_from_start), from_end: mask(nth_from_end) }))
        }
    }
}

fn years(range: &YearRange) -> Result<(i32, i32, i32), Refusal> {
    let (years, step) = range.into_parts();
    if years.end().0 == 9999 {
        return Err(refuse(range, "open ends (+) are not taken: write the last year"));
    }
    Ok((years.start().0, years.end().0, i32::from(step.max(1))))
}

fn dates(range: &MonthdayRange) -> Result<DateRange, Refusal> {
    let ((start, start_offset), (end, end_offset)) = match range {
        MonthdayRange::Month { range: months, year } => {
            let (first, last) = (*months.start() as u32, *months.end() as u32);
            let Some(year) = year.map(|y| y.0) else { return Ok(DateRange::Yearly { from: (first, 1), until: (last, 31) }) };
            let last_year = if last < first { year + 1 } else { year };
            let after = if last == 12 { (last_year + 1, 1) } else { (last_year, last + 1) };
            return absolute(range, NaiveDate::from_ymd_opt(year, first, 1), day_before(NaiveDate::from_ymd_opt(after.0, after.1, 1)));
        }
        MonthdayRange::Date { start, end } => (*start, *end),
    };
    if start_offset != DateOffset::default() || end_offset != DateOffset::default() {
        return Err(refuse(range, "days counted from another day are not taken: write the date itself"));
    }
    let (from_year, from) = fixed(range, start)?;
    let (until_year, until) = fixed(range, end)?;
    match (from_year, until_year) {
        (None, None) => Ok(DateRange::Yearly { from, until }),
        (None, Some(_)) => Err(refuse(range, "only its end has a year: write the year at the beginning, or at both")),
        (Some(year), other) => {
            let last_year = other.unwrap_or(if until < from { year + 1 } else { year });
            absolute(range, NaiveDate::from_ymd_opt(year, from.0, from.1), NaiveDate::from_ymd_opt(last_year, until.0, until.1))
        }
    }
}

/// The year and the (month, day) of a date that can exist.
fn fixed(range: &MonthdayRange, date: Date) -> Result<(Option<i32>, (u32, u32)), Refusal> {
    match date {
        Date::Fixed { year, month, day } => {
            let (month, day) = (month as u32, u32::from(day));
            // 2024 has every day that any year has.
            if NaiveDate::from_ymd_opt(2024, month, day).is_none() {
                return Err(refuse(range, "there is no such date"));
            }
            Ok((year.map(|y| y.0), (month, day)))
        }
        Date::Easter { .. } => Err(refuse(range, "easter is not taken: list the dates as holidays")),
        Date::Weekday { .. } => Err(refuse(range, "dates by weekday are not taken: write the date itself")),
    }
}

fn day_before(date: Option<NaiveDate>) -> Option<NaiveDate> {
    date?.pred_opt()
}

fn absolute(range: &MonthdayRange, from: Option<NaiveDate>, until: Option<NaiveDate>) -> Result<DateRange, Refusal> {
    match (from, until) {
        (Some(from), Some(until)) if from <= until => Ok(DateRange::Once { from: days_since_epoch(from), until: days_since_epoch(until) }),
        (Some(_), Some(_)) => Err(refuse(range, "it ends before it begins: write the earlier date first")),
        _ => Err(refuse(range, "there is no such date in that year")),
    }
}

/// Days since 1970-01-01.
pub(super) fn days_since_epoch(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - 719_163
}

/// `PH Mo` means the holidays that fall on a Monday, which the parser does not tell from `PH,Mo`: the holidays and the Mondays.
fn holiday_beside_weekdays(text: &str) -> bool {
    text.match_indices("PH").any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + 2..]);
        let trimmed = before.trim_end_matches(' ');
        let weekday_before = trimmed.len() < before.len() && (trimmed.ends_with(']') || ends_with_weekday(trimmed));
        let trimmed = after.trim_start_matches(' ');
        let weekday_after = trimmed.len() < after.len() && begins_with_weekday(trimmed);
        weekday_before || weekday_after
    })
}

fn is_weekday(letters: &[u8]) -> bool {
    [b"mo", b"tu", b"we", b"th", b"fr", b"sa", b"su"].iter().any(|day| letters.eq_ignore_ascii_case(*day))
}

fn begins_with_weekday(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 2 && is_weekday(&bytes[..2]) && !bytes.get(2).is_some_and(u8::is_ascii_alphabetic)
}

fn ends_with_weekday(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(start) = bytes.len().checked_sub(2) else { return false };
    is_weekday(&bytes[start..]) && !(start > 0 && bytes[start - 1].is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_days_times_dates_off_and_ph_is_refused_by_name() {
        for (text, name) in [
            ("", "empty"),
            ("Mo-Fr 08:00", "character"),
            ("montag 08:00-12:00", "character 3"),
            ("Mo-Fr 08:00-12:00,Sa 08:00-12:00", "space after the comma"),
            ("Mo 08:00-08:00", "ends are equal"),
            ("Mo 00:00-00:00", "write 00:00-24:00"),
            ("Mo 08:00-49:00", "character"),
            ("Mo 24:00-25:00", "character"),
            ("Mo-Fr sunrise-sunset", "sun events"),
            ("Mo-Fr (sunrise+01:00)-18:00", "sun events"),
            ("week 10-20 Mo 08:00-12:00", "week numbers"),
            ("Mo 10:00+", "open ends"),
            ("Mo 10:00-12:00+", "open ends"),
            ("2026+ Mo 10:00-12:00", "open ends"),
            ("Dec 24+ off", "open ends"),
            ("SH 10:00-12:00", "school holidays"),
            ("PH +1 day off", "counted from another day"),
            ("Su[1] +1 day 10:00-12:00", "counted from another day"),
            ("Dec 25+Mo off", "counted from another day"),
            ("easter off", "easter"),
            ("Mar Su[-1]-Oct Su[-1] 10:00-12:00", "dates by weekday"),
            ("Mo 10:00-12:00 unknown", "unknown"),
            ("Mo 10:00-12:00 \"by appointment\"", "comments"),
            ("Mo 10:00-12:00 || Tu 10:00-12:00", "fallback"),
            ("Mo 10:00-16:00/01:30", "repeated"),
            ("PH Mo-Fr 10:00-12:00", "holidays that fall on"),
            ("Mo-Fr PH 10:00-12:00", "holidays that fall on"),
            ("Feb 30 off", "no such date"),
            ("2026 Feb 29 off", "no such date in that year"),
            ("2026 Dec 24-2025 Jan 2 off", "ends before it begins"),
            ("Dec 24-2026 Jan 2 off", "only its end has a year"),
            ("2027-2026 off", "nverted"),
        ] {
            let refusal = Notation::read(text).expect_err(text);
            assert!(refusal.why.contains(name) && !refusal.why.contains('\n'), "{text}: {refusal}");
        }
        let long = format!("Mo {}", vec!["08:00-09:00"; 500].join(","));
        assert!(Notation::read(&long).unwrap_err().why.contains("longer than 4096"));
    }

    #[test]
    fn what_is_taken_keeps_its_text() {
        for text in [
            "Mo-Fr 07:00-19:00, Sa 08:00-15:00",
            "24/7",
            "off",
            "mo-fr 8:00-12:00",
            "Mo-Fr 07:00-19:00; PH off",
            "PH,Mo-Fr 10:00-12:00",
            "Mo,PH 10:00-12:00",
            "Feb 29 off",
            "Jan 1,May 1,Dec 25-26 off",
            "2026 Dec 24-Jan 2 off",
            "Jan-Mar,Nov-Dec Mo-Fr 09:00-17:00",
            "Mo 22:00-26:00",
        ] {
            assert_eq!(Notation::read(text).unwrap_or_else(|refusal| panic!("{text}: {refusal}")).text(), text);
        }
        assert!(Notation::read("Mo 08:00-12:00; PH off").unwrap().names_holidays());
        assert!(!Notation::read("Mo 08:00-12:00").unwrap().names_holidays());
    }
}
