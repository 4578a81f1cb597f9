//! What a configuration comes to: per flow, what becomes of the follow-ups of a week.
//!
//! Not an estimate: a follow-up is planned, by the function that the daemon plans with, for a silence that begins at each minute.

use crate::moment::{DAY, MINUTE, Moment};
use crate::schedule::{Action, Hours, Reason, Rules, Silence, plan};

/// A week, in milliseconds.
const WEEK: i64 = 7 * DAY;
/// The minutes of a week, and so the follow-ups that are planned.
pub const MINUTES: u32 = (WEEK / MINUTE) as u32;
/// How far an ordinary week is looked for, in weeks.
const LOOKED: i64 = 60;
/// Most open ranges of a week that are compared.
const RANGES: usize = 20_000;

/// What becomes of the first follow-ups of a week, one for a silence beginning at each of its [`MINUTES`]. The person wrote at
/// that same minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shares {
    /// The Monday, midnight UTC, with which the week begins.
    pub from: Moment,
    /// The week is open at the same times as those around it: no holiday, no change of clocks.
    pub ordinary: bool,
    /// The flow sends follow-ups. Where it does not, the counts say what it would do.
    pub enabled: bool,
    /// Sent when the wait is over.
    pub at_once: u32,
    /// Sent at the next opening.
    pub deferred: u32,
    /// Brought forward, into the messaging window.
    pub advanced: u32,
    /// Sent as the approved template.
    pub template: u32,
    /// Not sent.
    pub dropped: u32,
}

/// Plans a week of follow-ups by these rules: the first ordinary week after `now`.
#[must_use]
pub fn shares(rules: &Rules, now: Moment) -> Shares {
    let enabled = rules.enabled;
    let rules = Rules { enabled: true, ..rules.clone() };
    let monday = next_monday(now);
    let weeks = (0..LOOKED).map(|week| monday.plus(week * WEEK));
    let found = weeks.into_iter().find(|from| is_ordinary(&rules.hours, *from));
    let from = found.unwrap_or(monday);
    let mut shares = Shares { from, ordinary: found.is_some(), enabled, at_once: 0, deferred: 0, advanced: 0, template: 0, dropped: 0 };
    for minute in 0..MINUTES {
        let at = from.plus(i64::from(minute) * MINUTE);
        let silence = Silence { inactive_since: at, last_inbound_at: Some(at), now: at, spread_key: u64::from(minute) };
        let plan = plan(&rules, &silence);
        let has = |wanted: fn(&Reason) -> bool| plan.trail.iter().any(wanted);
        let count = match plan.action {
            Action::Template(_) => &mut shares.template,
            Action::Skip(_) | Action::None => &mut shares.dropped,
            Action::Message(_) if has(|reason| matches!(reason, Reason::Advanced { .. })) => &mut shares.advanced,
            Action::Message(_) if has(|reason| matches!(reason, Reason::Closed { .. })) => &mut shares.deferred,
            Action::Message(_) => &mut shares.at_once,
        };
        *count += 1;
    }
    shares
}

/// The first Monday, midnight UTC, after an instant.
fn next_monday(now: Moment) -> Moment {
    // 1970-01-05 was a Monday.
    const MONDAY: i64 = 4 * DAY;
    Moment((now.0.saturating_sub(MONDAY).div_euclid(WEEK) + 1).saturating_mul(WEEK).saturating_add(MONDAY))
}

/// Whether a week is open at the same times as the one before it and the two after it, into which its follow-ups reach.
fn is_ordinary(hours: &Hours, from: Moment) -> bool {
    let this = opens(hours, from);
    [-1, 1, 2].into_iter().all(|week| opens(hours, from.plus(week * WEEK)) == this)
}

/// The open ranges of the week from `from`, in milliseconds from there.
fn opens(hours: &Hours, from: Moment) -> Vec<(i64, i64)> {
    let end = from.plus(WEEK);
    let mut opens = Vec::new();
    let mut at = from;
    while at < end && opens.len() < RANGES {
        let Some(open) = hours.next_range(at, end.since(at) - 1) else { break };
        opens.push((open.from.since(from), open.until.min(end).since(from)));
        at = open.until;
    }
    opens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Withheld, parse};

    fn of(keys: &str, now: &str) -> Shares {
        let text = format!("[lines.a]\nprovider = \"console\"\n[flows.f]\nenable_follow_up = true\n{keys}");
        let config = parse(&text, "test", &Withheld).unwrap();
        shares(&config.flows["f"].rules, Moment::parse(now).unwrap())
    }

    fn counts(s: &Shares) -> [u32; 5] {
        [s.at_once, s.deferred, s.advanced, s.template, s.dropped]
    }

    #[test]
    fn the_default_hours_defer_13_of_24() {
        // Open 13:00 to 24:00 UTC, so 11 of 24 hours.
        let shares = of("", "2026-03-04T10:00:00Z");
        assert_eq!(shares.from.to_string(), "2026-03-09T00:00:00.000Z");
        assert_eq!(counts(&shares), [MINUTES / 24 * 11, MINUTES / 24 * 13, 0, 0, 0]);
        assert!(shares.ordinary && shares.enabled);
    }

    #[test]
    fn the_messaging_window_advances_or_takes_the_template() {
        // Open on Mondays from 10:00 to 11:00 alone: only what becomes due then, or shortly before, can be a free message.
        let hours = "calendar = { timezone = \"Etc/UTC\", hours = \"Mo 10:00-11:00\" }\nfollow_up_delay = 30\n";
        let dropped = of(&format!("{hours}session = {{ when_closed = [] }}"), "2026-03-04T10:00:00Z");
        let template = of(&format!("{hours}session = {{ template = \"T\" }}"), "2026-03-04T10:00:00Z");
        assert_eq!(dropped.at_once, 60);
        assert_eq!((dropped.advanced, dropped.template), (0, 0));
        assert_eq!((template.template, template.dropped), (dropped.dropped, 0));
        assert_eq!(counts(&dropped).iter().sum::<u32>(), MINUTES);
        assert_eq!(counts(&template).iter().sum::<u32>(), MINUTES);
    }

    #[test]
    fn a_week_with_a_holiday_or_a_change_of_clocks_is_passed_over() {
        let hours = "calendar = { timezone = \"America/New_York\", hours = \"Mo-Fr 09:00-17:00\", holidays = [\"2026-03-23\"] }";
        let shares = of(hours, "2026-03-04T10:00:00Z");
        // Clocks change on the 8th; the week around the 23rd is no ordinary one, nor are those whose neighbours it is.
        assert_eq!(shares.from.to_string(), "2026-04-06T00:00:00.000Z");
        assert!(shares.ordinary);
    }

    #[test]
    fn a_flow_that_is_off_says_what_it_would_do() {
        let config = parse("[lines.a]\nprovider = \"console\"\n[flows.f]\n", "test", &Withheld).unwrap();
        let shares = shares(&config.flows["f"].rules, Moment(0));
        assert!(!shares.enabled);
        assert_eq!(shares.at_once, MINUTES / 24 * 11);
    }

    proptest::proptest! {
        #[test]
        fn the_next_monday_is_after_and_within_a_week(now in -4_000_000_000_000i64..4_000_000_000_000) {
            let monday = next_monday(Moment(now));
            proptest::prop_assert!((1..=WEEK).contains(&monday.since(Moment(now))));
        }
    }
}
