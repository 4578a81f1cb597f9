//! The schedule keys of a flow, as TOML and JSON write them, turned into [`Rules`].
//!
//! Not the rest of a flow (texts, steps, hooks): those keys belong to the configuration. All mistakes are collected; none
//! hides another.

use super::reader::{Reader, date, present};
use super::{Calendars, Loose, Mistake};
use crate::limits;
use crate::moment::{HOUR, MINUTE};
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

const ZONE: &str = "write an IANA name, as America/Bogota";
const DATE: &str = "write a date as 2026-12-25";
const NOT_BUILT: &str = "not built yet";

impl ScheduleShape {
    /// Reads the keys. `default_session` says whether the messaging window is on where the key `session` is absent
    /// (lines whose provider has the 24-hour rule). Mistakes hide nothing: every key is looked at.
    #[must_use]
    pub fn read(&self, default_session: bool, calendars: &mut Calendars) -> Reading {
        let mut reader = Reader::default();
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

impl Reader {
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

fn value_of(text: Option<&str>) -> Option<Loose> {
    text.map(|text| Loose::Text(text.to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::DAY;
    use serde_json::{Value, json};

    fn read(shape: Value) -> Reading {
        serde_json::from_value::<ScheduleShape>(shape).unwrap().read(false, &mut Calendars::default())
    }

    fn rules(shape: Value) -> Rules {
        read(shape.clone()).rules.unwrap_or_else(|mistakes| panic!("{shape}: {mistakes:?}"))
    }

    fn mistakes(shape: Value) -> Vec<String> {
        read(shape).rules.expect_err("a mistake").iter().map(Mistake::to_string).collect()
    }

    #[test]
    fn absent_keys_have_the_defaults_of_the_guide() {
        let absent = rules(json!({}));
        let expected = Rules { enabled: false, wait: 2 * HOUR, hours: Hours::Daily(Daily::default()), session: None, spread: 0 };
        assert_eq!(absent, expected);
        let on = ScheduleShape::default().read(true, &mut Calendars::default()).rules.unwrap();
        assert_eq!(on.session, Some(Session::default()));
        assert_eq!(rules(json!({"session": true})).session, Some(Session::default()));
        assert_eq!(rules(json!({"session": {}})).session, Some(Session::default()));
        let off: ScheduleShape = toml::from_str("session = false").unwrap();
        assert_eq!(off.read(true, &mut Calendars::default()).rules.unwrap().session, None);
    }

    #[test]
    fn toml_reads_as_json_does() {
        let toml: ScheduleShape = toml::from_str(
            r#"
            enable_follow_up = true
            follow_up_delay = 45
            start_business_hours = 08:30:00
            end_business_hours = 2021-01-01T00:30:00.000Z
            calendar = { timezone = "America/Bogota", hours = "Mo-Fr 07:00-19:00; PH off", holidays = [2026-01-01, "2026-12-25"] }
            session = { window_minutes = 600, template = "OTB1", when_closed = ["template"] }
            spread_minutes = 10
            "#,
        )
        .unwrap();
        let json = rules(json!({"enable_follow_up": true, "follow_up_delay": 45, "start_business_hours": "08:30",
            "end_business_hours": "00:30:00",
            "calendar": {"timezone": "America/Bogota", "hours": " Mo-Fr 07:00-19:00; PH off", "holidays": ["2026-12-25", "2026-01-01"]},
            "session": {"window_minutes": 600, "template": "OTB1", "when_closed": ["template", "template"]}, "spread_minutes": 10}));
        let toml = toml.read(false, &mut Calendars::default()).rules.unwrap();
        assert_eq!((&toml, toml.fingerprint()), (&json, json.fingerprint()));
        assert_eq!(rules(json!({"calendar": {"timezone": "Etc/UTC", "hours": "off", "holidays": "2026-12-25"}})).hours, {
            rules(json!({"calendar": {"timezone": "Etc/UTC", "hours": "off", "holidays": ["2026-12-25", "2026-12-25"]}})).hours
        });
    }

    #[test]
    fn the_wait_is_clamped_and_said_so() {
        for (minutes, wait) in [(0, 30), (29, 30), (30, 30), (1380, 1380), (1381, 1380), (i64::MAX, 1380)] {
            let reading = read(json!({"follow_up_delay": minutes}));
            assert_eq!(reading.rules.unwrap().wait, wait * MINUTE);
            assert_eq!((reading.warnings.len(), reading.clamped.is_some()), (usize::from(minutes != wait), minutes != wait));
            assert!(reading.warnings.iter().all(|warning| warning.to_string().contains(&format!("became {wait} minutes"))));
        }
    }

    #[test]
    fn times_of_day() {
        for (text, millis) in [
            ("00:00", Some(0)),
            ("24:00", Some(DAY)),
            ("13:05", Some(13 * HOUR + 5 * MINUTE)),
            ("13:05:09", Some(13 * HOUR + 5 * MINUTE + 9_000)),
            ("2021-01-01T13:00:00.1239Z", Some(13 * HOUR + 123)),
            ("1999-06-01T20:00:00-05:00", Some(HOUR)),
            ("1960-06-01T13:00:00Z", Some(13 * HOUR)),
            ("24:01", None),
            ("1:00", None),
            ("13:60", None),
            ("13:00:60", None),
            ("13", None),
            ("", None),
            ("13:00:00:00", None),
            ("+1:00", None),
            ("2021-01-01", None),
            ("2021-01-01T13:00:00", None),
        ] {
            assert_eq!(super::super::time_of_day(text), millis, "{text}");
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_key_and_its_cure() {
        let all = mistakes(json!({"enable_follow_up": 1, "follow_up_delay": 1.5, "start_business_hours": "late", "end_business_hours": 7,
            "calendar": {"timezone": "Bogota", "hours": "Mo-Fr sunrise-12:00", "tz": "x", "holidays": ["2026-02-30", "CO", 5]},
            "session": {"window_minutes": -1, "margin_minutes": "10", "when_closed": ["send"], "template": 3, "lead": 2},
            "spread_minutes": true}));
        let keys: Vec<&str> = all.iter().map(|mistake| mistake.split(' ').next().unwrap()).collect();
        let expected = [
            "enable_follow_up",
            "follow_up_delay",
            "start_business_hours",
            "end_business_hours",
            "calendar.tz",
            "calendar.timezone",
            "calendar.holidays",
            "calendar.holidays",
            "calendar.holidays",
            "calendar.hours",
            "session.lead",
            "session.window_minutes",
            "session.margin_minutes",
            "session.template",
            "session.when_closed",
            "spread_minutes",
        ];
        assert_eq!(keys, expected);
        assert!(all[9].contains("sun events") && all[5].contains("IANA"), "{all:?}");
    }

    #[test]
    fn what_is_not_built_or_makes_no_sense_is_refused_by_name() {
        let calendar = |more: Value| {
            let mut calendar = json!({"timezone": "Etc/UTC", "hours": "Mo 08:00-12:00"});
            calendar.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"calendar": calendar})
        };
        for (shape, word) in [
            (calendar(json!({"timezone": "recipient"})), "the recipient's zone is not built yet"),
            (calendar(json!({"holidays": "CO"})), "country code are not built yet"),
            (calendar(json!({"holidays": ["ES-CT"]})), "country code are not built yet"),
            (calendar(json!({"holidays": ["2026-01-01", "feiertage.ics"]})), "(.ics) are not built yet"),
            (calendar(json!({"holidays": "2026-1-1"})), "write a date as"),
            (calendar(json!({"timezone": null})), "calendar.timezone is missing"),
            (calendar(json!({"hours": null})), "calendar.hours is missing"),
            (calendar(json!({"hours": ""})), "it is empty"),
            (calendar(json!({"fallback_timezone": "Mars"})), "calendar.fallback_timezone"),
            (json!({"calendar": {}}), "calendar.hours is missing"),
            (json!({"calendar": "Mo"}), "write a table with timezone, hours"),
            (json!({"session": {"margin_minutes": 1440}}), "a margin as long as the window"),
            (json!({"session": {"window_minutes": 10}}), "a margin as long as the window"),
            (json!({"session": {"when_closed": "skip"}}), "write a list of"),
            (json!({"session": "off"}), "write a table with window_minutes"),
        ] {
            let told = mistakes(shape);
            assert!(told.iter().any(|mistake| mistake.contains(word)), "{word}: {told:?}");
        }
        let doubled: ScheduleShape = serde_json::from_str(r#"{"session":{"window_minutes":1,"window_minutes":2}}"#).unwrap();
        assert!(doubled.read(false, &mut Calendars::default()).rules.unwrap_err()[0].cure.contains("written twice"));
    }

    #[test]
    fn what_is_of_no_use_is_warned_of() {
        let warned = |shape: Value| read(shape).warnings.iter().map(Mistake::to_string).collect::<Vec<_>>().join("; ");
        let calendar = json!({"timezone": "Etc/UTC", "hours": "Mo 08:00-12:00; PH off"});
        assert!(warned(json!({"calendar": calendar})).contains("PH never applies"));
        assert!(warned(json!({"calendar": calendar, "end_business_hours": "19:00"})).contains("not read, because calendar.hours"));
        assert_eq!(warned(json!({"end_business_hours": "19:00", "session": {"template": "", "when_closed": []}})), "");
    }
}
