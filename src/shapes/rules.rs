//! The schedule keys of a flow, as TOML and JSON write them, turned into [`Rules`].
//!
//! Not the rest of a flow (texts, steps, hooks): those keys belong to the configuration. All mistakes are collected; none
//! hides another.

use super::{Calendars, Loose, Mistake};
use crate::limits;
use crate::moment::{DAY, HOUR, MINUTE, Moment, SECOND};
use crate::schedule::{Calendar, Daily, Hours, Notation, Otherwise, Refusal, Rules, Session, WhenClosed, Zone};
use chrono::NaiveDate;
use serde::Deserialize;
use std::sync::Arc;

/// The schedule keys of a flow. Every field takes any value: what is wrong with it is told by [`ScheduleShape::read`].
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleShape {
    /// Follow-ups are sent at all; absent: false.
    pub enable_follow_up: Option<Loose>,
    /// Minutes of silence; absent: 120.
    pub follow_up_delay: Option<Loose>,
    /// Opening time of day, UTC; absent: 13:00.
    pub start_business_hours: Option<Loose>,
    /// Closing time of day, UTC; absent: 00:00.
    pub end_business_hours: Option<Loose>,
    /// `{ timezone, hours, holidays, fallback_timezone }`, in place of the two daily keys.
    pub calendar: Option<Loose>,
    /// `{ window_minutes, margin_minutes, when_closed, template, advance_lead_minutes }`, or false.
    pub session: Option<Loose>,
    /// Minutes over which deferred follow-ups are spread; absent: 0.
    pub spread_minutes: Option<Loose>,
}

/// What became of the schedule keys.
#[derive(Debug)]
pub struct Reading {
    /// The rules, or every mistake.
    pub rules: Result<Rules, Vec<Mistake>>,
    /// What is not refused but worth a word. The `cure` says what it became.
    pub warnings: Vec<Mistake>,
    /// The wait as it was written, in milliseconds, where the clamp changed it.
    pub clamped: Option<i64>,
}

const WHOLE_MINUTES: &str = "write a whole number of minutes, 0 or more, without quotes";
const TIME_OF_DAY: &str = "write an RFC 3339 instant (its date does not matter), or HH:MM, HH:MM:SS or 24:00 in UTC";
const ZONE: &str = "write an IANA name, as America/Bogota";
const DATE: &str = "write a date as 2026-12-25";
const NOT_BUILT: &str = "not built yet";

impl ScheduleShape {
    /// Reads the keys. `default_session` says whether the messaging window is on where the key `session` is absent
    /// (lines whose provider has the 24-hour rule). Mistakes hide nothing: every key is looked at.
    #[must_use]
    pub fn read(&self, default_session: bool, calendars: &mut Calendars) -> Reading {
        let mut reader = Reader { mistakes: Vec::new(), warnings: Vec::new() };
        let enabled = reader.truth("enable_follow_up", self.enable_follow_up.as_ref(), false);
        let asked = reader.minutes("follow_up_delay", self.follow_up_delay.as_ref(), 120);
        let wait = asked.clamp(limits::WAIT_FLOOR, limits::WAIT_CEILING);
        if asked != wait && reader.mistakes.is_empty() {
            let became = format!("outside 30 minutes to 23 hours, so it became {} minutes", wait / MINUTE);
            reader.warn("follow_up_delay", self.follow_up_delay.as_ref(), became);
        }
        let start = reader.time_of_day("start_business_hours", self.start_business_hours.as_ref(), 13 * HOUR);
        let end = reader.time_of_day("end_business_hours", self.end_business_hours.as_ref(), 0);
        let calendar = reader.calendar(self.calendar.as_ref(), calendars);
        if calendar.is_some() {
            for (key, value) in [("start_business_hours", &self.start_business_hours), ("end_business_hours", &self.end_business_hours)] {
                if let Some(value) = present(value.as_ref()) {
                    reader.warn(key, Some(value), "not read, because calendar.hours stands in its place".to_owned());
                }
            }
        }
        let session = reader.session(self.session.as_ref(), default_session);
        let spread = reader.minutes("spread_minutes", self.spread_minutes.as_ref(), 0);
        let hours = calendar.map_or_else(|| Hours::Daily(Daily::new(start, end)), Hours::Calendar);
        let Reader { mistakes, warnings } = reader;
        let rules = if mistakes.is_empty() { Ok(Rules { enabled, wait, hours, session, spread }) } else { Err(mistakes) };
        Reading { rules, warnings, clamped: (asked != wait).then_some(asked) }
    }
}

/// Reads a time of day, in milliseconds since midnight UTC: RFC 3339 with any offset, `HH:MM`, `HH:MM:SS`, `24:00`.
#[must_use]
pub fn time_of_day(text: &str) -> Option<i64> {
    if text == "24:00" {
        return Some(DAY);
    }
    if text.len() > 8 {
        return Some(Moment::parse(text)?.0.rem_euclid(DAY));
    }
    let mut millis = 0;
    let mut parts = text.split(':');
    for (unit, below) in [(HOUR, 24), (MINUTE, 60), (SECOND, 60)] {
        let Some(part) = parts.next() else { return (unit == SECOND).then_some(millis) };
        if part.len() != 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        millis += part.parse::<i64>().ok().filter(|number| *number < below)? * unit;
    }
    parts.next().is_none().then_some(millis)
}

struct Reader {
    mistakes: Vec<Mistake>,
    warnings: Vec<Mistake>,
}

fn value_of(text: Option<&str>) -> Option<Loose> {
    text.map(|text| Loose::Text(text.to_owned()))
}

/// `null` is absent.
fn present(value: Option<&Loose>) -> Option<&Loose> {
    value.filter(|value| **value != Loose::Null)
}

impl Reader {
    fn mistake(&mut self, key: impl Into<String>, value: impl ToString, cure: impl Into<String>) {
        self.mistakes.push(Mistake { key: key.into(), value: value.to_string(), cure: cure.into() });
    }

    fn warn(&mut self, key: &str, value: Option<&Loose>, cure: String) {
        self.warnings.push(Mistake { key: key.to_owned(), value: value.map(Loose::to_string).unwrap_or_default(), cure });
    }

    fn truth(&mut self, key: &str, value: Option<&Loose>, absent: bool) -> bool {
        match present(value) {
            None => absent,
            Some(Loose::Bool(value)) => *value,
            Some(other) => {
                self.mistake(key, other, "write true or false, without quotes");
                absent
            }
        }
    }

    /// Whole minutes, as milliseconds; any size.
    fn minutes(&mut self, key: &str, value: Option<&Loose>, absent: i64) -> i64 {
        match present(value) {
            None => absent * MINUTE,
            Some(Loose::Whole(minutes)) if *minutes >= 0 => i64::try_from(*minutes).unwrap_or(i64::MAX).saturating_mul(MINUTE),
            Some(other) => {
                self.mistake(key, other, WHOLE_MINUTES);
                absent * MINUTE
            }
        }
    }

    fn time_of_day(&mut self, key: &str, value: Option<&Loose>, absent: i64) -> i64 {
        match present(value) {
            None => absent,
            Some(value) => {
                let read = if let Loose::Text(text) = value { time_of_day(text) } else { None };
                read.unwrap_or_else(|| {
                    self.mistake(key, value, TIME_OF_DAY);
                    absent
                })
            }
        }
    }

    /// The entries of a table with these keys, in their order; what is unknown, doubled or no table is a mistake.
    fn table<'a, const N: usize>(&mut self, name: &str, value: &'a Loose, keys: [&str; N]) -> Option<[Option<&'a Loose>; N]> {
        let Loose::Table(table) = value else {
            self.mistake(name, value, format!("write a table with {}", keys.join(", ")));
            return None;
        };
        let mut found = [None; N];
        for (key, value) in table {
            match keys.iter().position(|known| known == key) {
                None => self.mistake(format!("{name}.{key}"), value, format!("unknown; the keys are {}", keys.join(", "))),
                Some(index) if found[index].is_some() => self.mistake(format!("{name}.{key}"), value, "written twice: keep one"),
                Some(index) => found[index] = Some(value),
            }
        }
        Some(found.map(present))
    }

    fn text<'a>(&mut self, key: &str, value: Option<&'a Loose>, cure: &str) -> Option<&'a str> {
        match value? {
            Loose::Text(text) => Some(text),
            other => {
                self.mistake(key, other, cure);
                None
            }
        }
    }

    fn calendar(&mut self, value: Option<&Loose>, calendars: &mut Calendars) -> Option<Arc<Calendar>> {
        let keys = ["timezone", "hours", "holidays", "fallback_timezone"];
        let [timezone, hours, holidays, fallback] = self.table("calendar", present(value)?, keys)?;
        let zone = self.zone(timezone);
        if let Some(name) = self.text("calendar.fallback_timezone", fallback, ZONE) {
            if Zone::named(name).is_none() {
                self.mistake("calendar.fallback_timezone", Loose::Text(name.to_owned()), ZONE);
            }
            self.warn("calendar.fallback_timezone", fallback, "read only where timezone is recipient".to_owned());
        }
        let wanted = "write the opening hours, as Mo-Fr 07:00-19:00";
        if hours.is_none() {
            self.mistake("calendar.hours", "", wanted);
        }
        let hours = self.text("calendar.hours", hours, wanted).map(str::trim);
        let holidays = self.holidays(holidays);
        // Hours are read even where the zone is wrong, so that both mistakes are told.
        let key = zone.map(|zone| key_of(zone, hours.unwrap_or_default(), &holidays)).unwrap_or_default();
        let made: Result<Arc<Calendar>, Option<Refusal>> = calendars.get_or_make(&key, || {
            let notation = Notation::read(hours.ok_or(None)?).map_err(Some)?;
            Ok(Calendar::new(zone.ok_or(None)?, notation, &holidays))
        });
        match made {
            Ok(calendar) => {
                if calendar.names_holidays() && calendar.holidays().is_empty() {
                    self.warn("calendar.hours", value_of(hours).as_ref(), "PH never applies, because no holidays are listed".to_owned());
                }
                Some(calendar)
            }
            Err(refusal) => {
                if let Some(refusal) = refusal {
                    self.mistake("calendar.hours", Loose::Text(refusal.part), refusal.why);
                }
                None
            }
        }
    }

    fn zone(&mut self, value: Option<&Loose>) -> Option<Zone> {
        if value.is_none() {
            self.mistake("calendar.timezone", "", ZONE);
        }
        let name = self.text("calendar.timezone", value, ZONE)?;
        let zone = Zone::named(name);
        if zone.is_none() {
            let cure = if name == "recipient" { format!("the recipient's zone is {NOT_BUILT}: {ZONE}") } else { ZONE.to_owned() };
            self.mistake("calendar.timezone", Loose::Text(name.to_owned()), cure);
        }
        zone
    }

    fn holidays(&mut self, value: Option<&Loose>) -> Vec<NaiveDate> {
        let list = match value {
            None => return Vec::new(),
            Some(Loose::List(list)) => list.as_slice(),
            Some(single) => std::slice::from_ref(single),
        };
        if list.len() > limits::HOLIDAYS {
            self.mistake("calendar.holidays", format!("a list of {}", list.len()), format!("list at most {} dates", limits::HOLIDAYS));
            return Vec::new();
        }
        let mut dates = Vec::with_capacity(list.len());
        for value in list {
            match value {
                Loose::Text(text) => match date(text) {
                    Some(date) => dates.push(date),
                    None => self.mistake("calendar.holidays", value, no_date(text)),
                },
                other => self.mistake("calendar.holidays", other, DATE),
            }
        }
        dates
    }

    fn session(&mut self, value: Option<&Loose>, default_session: bool) -> Option<Session> {
        let value = match present(value) {
            None => return default_session.then(Session::default),
            Some(Loose::Bool(on)) => return on.then(Session::default),
            Some(value) => value,
        };
        let keys = ["window_minutes", "margin_minutes", "when_closed", "template", "advance_lead_minutes"];
        let [window, margin, when_closed, template, lead] = self.table("session", value, keys)?;
        let absent = Session::default();
        let before = self.mistakes.len();
        let window_minutes = self.minutes("session.window_minutes", window, absent.window / MINUTE);
        let margin_minutes = self.minutes("session.margin_minutes", margin, absent.margin / MINUTE);
        if margin_minutes >= window_minutes && self.mistakes.len() == before {
            let cure = format!("a margin as long as the window ({} minutes) leaves nothing of it", window_minutes / MINUTE);
            self.mistake("session.margin_minutes", margin_minutes / MINUTE, cure);
        }
        let template = self.text("session.template", template, "write the name of an approved template");
        Some(Session {
            window: window_minutes,
            margin: margin_minutes,
            when_closed: self.when_closed(when_closed),
            template: template.filter(|name| !name.trim().is_empty()).map(Arc::from),
            advance_lead: self.minutes("session.advance_lead_minutes", lead, absent.advance_lead / MINUTE),
        })
    }

    fn when_closed(&mut self, value: Option<&Loose>) -> WhenClosed {
        const WORDS: &str = "write a list of \"advance\", \"template\" and \"skip\"";
        let list = match value {
            None => return WhenClosed::default(),
            Some(Loose::List(list)) => list,
            Some(other) => {
                self.mistake("session.when_closed", other, WORDS);
                return WhenClosed::default();
            }
        };
        let mut choices = Vec::with_capacity(3);
        for value in list {
            match if let Loose::Text(word) = value { Otherwise::parse(word) } else { None } {
                Some(choice) => choices.push(choice),
                None => self.mistake("session.when_closed", value, WORDS),
            }
        }
        WhenClosed::new(&choices)
    }
}

/// What a calendar is found again by.
fn key_of(zone: Zone, hours: &str, holidays: &[NaiveDate]) -> String {
    use std::fmt::Write;
    let mut key = format!("{}\n{hours}\n", zone.name());
    for date in holidays {
        let _ = write!(key, "{date} ");
    }
    key
}

/// A date as `2026-12-25`, exactly.
fn date(text: &str) -> Option<NaiveDate> {
    let shape = text.len() == 10 && text.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    if !shape {
        return None;
    }
    NaiveDate::from_ymd_opt(text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..].parse().ok()?)
}

/// Why a text is no holiday: what is planned is refused by name.
fn no_date(text: &str) -> String {
    let country = text.get(..2).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_alphabetic()));
    if text.to_ascii_lowercase().ends_with(".ics") {
        format!("calendar files (.ics) are {NOT_BUILT}: {DATE}")
    } else if country && (text.len() == 2 || text.as_bytes()[2] == b'-') {
        format!("holidays by country code are {NOT_BUILT}: {DATE}")
    } else {
        DATE.to_owned()
    }
}
