//! A time zone: what the clocks on the wall show at an instant.
//!
//! Not the recipient's zone: numbers are not looked up here. The data is the IANA release compiled into `chrono-tz`.

use chrono::{DateTime, Offset, TimeZone};
use std::fmt;

/// An IANA time zone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Zone(chrono_tz::Tz);

/// A stretch of time under one offset. Seconds since the epoch, `[from, until)`; the offset is local less UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stretch {
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) offset: i64,
}

/// No zone has kept an offset for less than a day since 1970 (the shortest stretch is Casey's, exactly one), so a probe a day
/// meets every stretch. `laws.rs` looks at zones and years at random.
const PROBE: i64 = 24 * 3600;

impl Zone {
    /// Finds a zone by its IANA name, as `America/Bogota`; `None` where the database has none of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Zone> {
        name.parse().ok().map(Zone)
    }

    /// The IANA name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Local less UTC, in seconds, at an instant in seconds since the epoch; 0 outside the years that a date can have.
    pub(super) fn offset(&self, second: i64) -> i64 {
        DateTime::from_timestamp(second, 0)
            .map_or(0, |utc| i64::from(self.0.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc()))
    }

    /// Cuts `from .. until` where the offset changes.
    pub(super) fn stretches(&self, from: i64, until: i64) -> Vec<Stretch> {
        let mut list: Vec<Stretch> = Vec::with_capacity(6);
        let mut open = Stretch { from, until, offset: self.offset(from) };
        let mut at = from;
        while at < until {
            let probe = (at + PROBE).min(until);
            let found = self.offset(probe);
            if found == open.offset {
                at = probe;
                continue;
            }
            // The clocks change in (at, probe]: halve until the first second of the new offset is known.
            let (mut before, mut after) = (at, probe);
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                if self.offset(middle) == open.offset { before = middle } else { after = middle }
            }
            if after >= until {
                break;
            }
            list.push(Stretch { until: after, ..open });
            open = Stretch { from: after, until, offset: self.offset(after) };
            at = after;
        }
        list.push(open);
        list
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_iana_names() {
        assert_eq!(Zone::named("America/Bogota").unwrap().name(), "America/Bogota");
        for wrong in ["", "america/bogota", "Bogota", "UTC+5", "recipient"] {
            assert_eq!(Zone::named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn stretches_are_cut_where_the_clocks_change() {
        let year = |zone: &str| {
            let start = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().timestamp();
            Zone::named(zone).unwrap().stretches(start, start + 365 * 86_400)
        };
        assert_eq!(year("America/Bogota").len(), 1);
        let york = year("America/New_York");
        assert_eq!(york.iter().map(|s| s.offset / 3600).collect::<Vec<_>>(), [-5, -4, -5]);
        assert_eq!(DateTime::from_timestamp(york[1].from, 0).unwrap().to_rfc3339(), "2026-03-08T07:00:00+00:00");
        assert_eq!(year("Africa/Casablanca").len(), 3, "Ramadan");
        assert!(york.windows(2).all(|pair| pair[0].until == pair[1].from));
    }
}
