//! The fingerprint of rules: a number that changes when what they decide may change.
//!
//! Not a secret and not a checksum of the file: comments, order of keys and values that come to the same do not count.

use super::{Hours, Rules};

/// 64-bit FNV-1a: small, and the same on every machine and in every release.
struct Fnv(u64);

impl Rules {
    /// A stable hash of the effective values, stored beside each decision. The same for ever (golden values below).
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
        hash.text("rules 1");
        hash.number(i64::from(self.enabled));
        hash.number(self.wait);
        hash.number(self.spread);
        match &self.hours {
            Hours::Daily(daily) => {
                hash.text("daily");
                hash.number(daily.start());
                hash.number(daily.end());
            }
            Hours::Calendar(calendar) => {
                hash.text("calendar");
                hash.text(calendar.zone_name());
                hash.text(calendar.notation());
                hash.number(calendar.holidays().len() as i64);
                for day in calendar.holidays() {
                    hash.number(i64::from(*day));
                }
            }
        }
        match &self.session {
            None => hash.text("no session"),
            Some(session) => {
                hash.text("session");
                hash.number(session.window);
                hash.number(session.margin);
                hash.number(session.advance_lead);
                for choice in session.when_closed.iter() {
                    hash.text(choice.as_str());
                }
                hash.text(session.template.as_deref().unwrap_or(""));
            }
        }
        hash.0
    }
}

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn number(&mut self, number: i64) {
        self.bytes(&number.to_le_bytes());
    }

    /// A text with its length, so that neighbours cannot run into each other.
    fn text(&mut self, text: &str) {
        self.number(text.len() as i64);
        self.bytes(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::{HOUR, MINUTE};
    use crate::schedule::{Calendar, Daily, Notation, Otherwise, Session, WhenClosed, Zone};
    use std::sync::Arc;

    fn rules() -> Rules {
        Rules { enabled: true, wait: 2 * HOUR, hours: Hours::Daily(Daily::default()), session: Some(Session::default()), spread: 0 }
    }

    fn calendar(zone: &str, text: &str, holidays: &[&str]) -> Hours {
        let holidays: Vec<chrono::NaiveDate> = holidays.iter().map(|date| date.parse().unwrap()).collect();
        Hours::Calendar(Arc::new(Calendar::new(Zone::named(zone).unwrap(), Notation::read(text).unwrap(), &holidays)))
    }

    #[test]
    fn golden_fingerprints_never_move() {
        assert_eq!(rules().fingerprint(), GOLDEN_DAILY);
        let hours = calendar("America/Bogota", "Mo-Fr 07:00-19:00", &["2026-12-25", "2026-01-01"]);
        assert_eq!(Rules { hours, ..rules() }.fingerprint(), GOLDEN_CALENDAR);
    }

    const GOLDEN_DAILY: u64 = 16_873_600_705_866_054_855;
    const GOLDEN_CALENDAR: u64 = 2_609_470_722_750_317_066;

    #[test]
    fn every_value_counts() {
        let session = |change: fn(&mut Session)| {
            let mut session = Session::default();
            change(&mut session);
            Rules { session: Some(session), ..rules() }
        };
        let all = [
            rules(),
            Rules { enabled: false, ..rules() },
            Rules { wait: HOUR, ..rules() },
            Rules { spread: MINUTE, ..rules() },
            Rules { hours: Hours::Daily(Daily::new(HOUR, 0)), ..rules() },
            Rules { hours: Hours::Daily(Daily::new(13 * HOUR, HOUR)), ..rules() },
            Rules { hours: calendar("America/Bogota", "Mo-Fr 07:00-19:00", &[]), ..rules() },
            Rules { hours: calendar("America/Lima", "Mo-Fr 07:00-19:00", &[]), ..rules() },
            Rules { hours: calendar("America/Bogota", "Mo-Fr 07:00-18:00", &[]), ..rules() },
            Rules { hours: calendar("America/Bogota", "Mo-Fr 07:00-19:00", &["2026-01-01"]), ..rules() },
            Rules { session: None, ..rules() },
            session(|session| session.window = 2 * HOUR),
            session(|session| session.margin = 0),
            session(|session| session.advance_lead = 0),
            session(|session| session.template = Some(Arc::from("OTB1"))),
            session(|session| session.when_closed = WhenClosed::new(&[Otherwise::Template])),
            session(|session| session.when_closed = WhenClosed::new(&[])),
        ];
        let mut prints: Vec<u64> = all.iter().map(Rules::fingerprint).collect();
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), all.len());
    }
}
