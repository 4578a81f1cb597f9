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
