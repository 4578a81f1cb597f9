//! The laws of the contract, as properties, with the minute scan as oracle. Not examples: those stand beside the code.

use super::*;
use crate::limits::WAIT_CEILING;
use crate::moment::{DAY, HOUR, MINUTE, SECOND};
use chrono::NaiveDate;
use proptest::prelude::*;
use std::sync::Arc;

/// Zones and days that are strange for ever: gaps and folds of an hour, half an hour and two; no midnight; no Friday; Ramadan;
/// negative summer time; odd offsets.
const STRANGE: [(&str, &str); 14] = [
    ("America/New_York", "2025-03-09T07:00:00Z"),
    ("America/New_York", "2025-11-02T06:00:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Antarctica/Troll", "2026-03-29T01:00:00Z"),
    ("Antarctica/Troll", "2026-10-25T01:00:00Z"),
    ("Africa/Casablanca", "2026-02-15T02:00:00Z"),
    ("Europe/Dublin", "2026-10-25T01:00:00Z"),
    ("Asia/Kathmandu", "1985-12-31T18:30:00Z"),
    ("America/Havana", "2026-03-08T05:00:00Z"),
    ("Africa/Monrovia", "1972-01-07T00:44:30Z"),
    ("America/Bogota", "2026-06-01T00:00:00Z"),
];

fn instant(text: &str) -> Moment {
    Moment::parse(text).unwrap()
}

/// A day of the contract, or one around the strange instants, to the millisecond.
fn near_something() -> impl Strategy<Value = (&'static str, Moment)> {
    (0..STRANGE.len(), -3 * DAY..3 * DAY).prop_map(|(index, by)| (STRANGE[index].0, instant(STRANGE[index].1).plus(by)))
}

fn any_moment() -> impl Strategy<Value = Moment> {
    prop_oneof![
        4 => (0..7_289_654_400_000_i64).prop_map(Moment),
        1 => any::<i64>().prop_map(Moment),
        1 => prop_oneof![Just(Moment::MIN), Just(Moment::MAX), Just(Moment(0))],
    ]
}

fn daily() -> impl Strategy<Value = Daily> {
    let time = prop_oneof![0..DAY, (0..96_i64).prop_map(|quarter| quarter * 15 * MINUTE)];
    (time.clone(), time).prop_map(|(start, end)| Daily::new(start, end))
}

fn time_range() -> impl Strategy<Value = String> {
    (0..96_u32, 1..96_u32).prop_map(|(from, length)| {
        let until = (from + length) % 96;
        let until = if until == 0 { 96 } else { until };
        format!("{:02}:{:02}-{:02}:{:02}", from / 4, from % 4 * 15, until / 4, until % 4 * 15)
    })
}

fn rule() -> impl Strategy<Value = String> {
    let days = prop_oneof![
        3 => prop::sample::subsequence(vec!["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"], 1..=7).prop_map(|days| days.join(",")),
        1 => Just("PH".to_owned()),
        1 => Just("Sa-Mo,PH".to_owned()),
        1 => Just("Mo[1],We[-1]".to_owned()),
        1 => Just("Dec 24-Jan 2".to_owned()),
        1 => Just("2025 Mar 9".to_owned()),
        1 => Just("Mar,Oct-Nov".to_owned()),
    ];
    let times = prop_oneof![5 => time_range().prop_map(|t| format!(" {t}")), 1 => Just(String::new())];
    (days, times, prop::bool::weighted(0.2)).prop_map(|(days, times, off)| format!("{days}{times}{}", if off { " off" } else { "" }))
}

fn notation() -> impl Strategy<Value = String> {
    let more = prop::collection::vec((prop_oneof![Just(", "), Just("; ")], rule()), 0..4);
    (rule(), more).prop_map(|(first, more)| more.into_iter().fold(first, |text, (join, rule)| text + join + &rule))
}

/// A calendar near a strange instant, some of the days around it holidays.
fn strange_calendar() -> impl Strategy<Value = (Arc<Calendar>, Moment)> {
    (near_something(), notation(), prop::collection::vec(-2..3_i64, 0..3)).prop_map(|((zone, at), text, days)| {
        let date = |by: i64| chrono::DateTime::from_timestamp_millis(at.plus(by * DAY).0).unwrap().date_naive();
        let holidays: Vec<NaiveDate> = days.into_iter().map(date).collect();
        let notation = Notation::read(&text).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
        (Arc::new(Calendar::new(Zone::named(zone).unwrap(), notation, &holidays)), at)
    })
}

fn any_hours() -> impl Strategy<Value = (Hours, Moment)> {
    prop_oneof![
        (daily(), any_moment()).prop_map(|(daily, at)| (Hours::Daily(daily), at)),
        strange_calendar().prop_map(|(calendar, at)| (Hours::Calendar(calendar), at)),
        (strange_calendar(), any_moment()).prop_map(|((calendar, _), at)| (Hours::Calendar(calendar), at)),
    ]
}

fn any_session() -> impl Strategy<Value = Option<Session>> {
    let choices = prop::collection::vec(prop::sample::select(Otherwise::ALL.to_vec()), 0..4);
    let session =
        (1..3_000_i64, 0..3_000_i64, choices, any::<bool>(), 0..100_i64).prop_map(|(window, margin, choices, template, lead)| Session {
            window: window * MINUTE,
            margin: margin.min(window - 1) * MINUTE,
            when_closed: WhenClosed::new(&choices),
            template: template.then(|| Arc::from("OTB1")),
            advance_lead: lead * MINUTE,
        });
    prop::option::of(session)
}

/// Rules, and a silence near which they have something to say.
fn any_case() -> impl Strategy<Value = (Rules, Silence)> {
    let silence = (prop::option::of(-2 * DAY..2 * DAY), -DAY..4 * DAY, any::<u64>());
    let numbers = (prop::bool::weighted(0.9), WAIT_FLOOR..=WAIT_CEILING, 0..6 * HOUR);
    (any_hours(), any_session(), silence, numbers).prop_map(
        |((hours, at), session, (inbound, later, spread_key), (enabled, wait, spread))| {
            let silence =
                Silence { inactive_since: at, last_inbound_at: inbound.map(|by| at.plus(by)), now: at.plus(later.max(-HOUR)), spread_key };
            (Rules { enabled, wait, hours, session, spread }, silence)
        },
    )
}

fn founding(daily: Daily, wait: i64) -> Rules {
    Rules { enabled: true, wait, hours: Hours::Daily(daily), session: None, spread: 0 }
}

fn due_of(rules: &Rules, inactive_since: Moment, now: Moment) -> Option<Moment> {
    plan(rules, &Silence { inactive_since, last_inbound_at: None, now, spread_key: 0 }).action.slot().map(|slot| slot.due)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_keeps_its_bounds((rules, silence) in any_case(), wait in any::<i64>()) {
        for decision in [plan(&rules, &silence), plan_after(&rules, wait, &silence)] {
            let closes = rules.session.as_ref().and_then(|session| Some(session.closes(silence.last_inbound_at?)));
            prop_assert!(!decision.trail.is_empty());
            prop_assert_eq!(matches!(decision.action, Action::None), !rules.enabled);
            let Some(slot) = decision.action.slot() else { continue };
            prop_assert!(rules.hours.is_open(slot.due), "open at due");
            prop_assert!(slot.due >= silence.inactive_since.plus(WAIT_FLOOR));
            prop_assert!(slot.due >= silence.now);
            prop_assert!(slot.not_before <= slot.due && slot.due <= slot.not_after);
            prop_assert!(slot.not_before >= silence.inactive_since.plus(WAIT_FLOOR) && slot.not_before >= silence.now);
            if let (Action::Message(_), Some(session)) = (decision.action, &rules.session) {
                prop_assert!(silence.last_inbound_at.is_some());
                prop_assert!(slot.not_after <= closes.unwrap(), "never after {}", session.window);
            }
        }
    }

    #[test]
    fn tables_say_what_the_definition_says((calendar, at) in strange_calendar()) {
        for minute in -40 * 60..40 * 60 {
            let at = at.plus(minute * MINUTE);
            prop_assert_eq!(calendar.is_open(at), calendar.open_by_definition(at), "{:?} at {}", calendar, at);
        }
    }

    #[test]
    fn the_next_opening_is_what_a_minute_scan_finds((calendar, at) in strange_calendar(), horizon in 0..4 * DAY) {
        // Ranges begin on whole minutes of the wall clock; so do the clock changes near `at`, but for Monrovia's half minute.
        let step = if calendar.zone_name() == "Africa/Monrovia" { 30 * SECOND } else { MINUTE };
        let mut scan = at;
        while !calendar.open_by_definition(scan) && scan <= at.plus(horizon) {
            scan = Moment((scan.0.div_euclid(step) + 1) * step);
        }
        let hours = Hours::Calendar(calendar.clone());
        let found = (scan <= at.plus(horizon)).then_some(scan);
        prop_assert_eq!(hours.next_open(at, horizon), found, "{:?} from {}", calendar, at);
        let Some(until) = found.and_then(|found| hours.open_until(found)) else { return Ok(()) };
        prop_assert!(calendar.open_by_definition(until.plus(-1)));
        prop_assert!(!calendar.open_by_definition(until) || until == scan.plus(HORIZON));
    }

    #[test]
    fn the_last_second_is_open_and_no_later_one_is((hours, at) in any_hours(), length in 0..7 * HOUR) {
        let to = at.plus(length);
        let last = hours.last_open_second(at, to);
        if let Some(last) = last {
            prop_assert!(hours.is_open(last) && last >= at && last <= to && last.0 % SECOND == 0);
        }
        let mut second = last.map_or(at.0.saturating_add(999).div_euclid(SECOND), |last| last.0 / SECOND + 1);
        while second.saturating_mul(SECOND) <= to.0 && second < i64::MAX / SECOND {
            prop_assert!(!hours.is_open(Moment(second * SECOND)), "{}", Moment(second * SECOND));
            second += 1;
        }
    }

    #[test]
    fn every_zone_is_cut_where_its_offset_changes(index in 0..chrono_tz::TZ_VARIANTS.len(), year in 1970..2040_i64) {
        let zone = Zone::named(chrono_tz::TZ_VARIANTS[index].name()).unwrap();
        let from = (year - 1970) * 31_556_952;
        let stretches = zone.stretches(from, from + 366 * 86_400);
        for second in (from..from + 366 * 86_400).step_by(900) {
            let stretch = stretches.iter().find(|stretch| stretch.from <= second && second < stretch.until).unwrap();
            prop_assert_eq!(stretch.offset, zone.offset(second), "{:?} at {}", zone, Moment(second * SECOND));
        }
    }

    #[test]
    fn a_fold_or_gap_in_any_zone_agrees_with_the_definition(
        index in 0..chrono_tz::TZ_VARIANTS.len(), year in 1970..2040_i64, text in notation()
    ) {
        let zone = Zone::named(chrono_tz::TZ_VARIANTS[index].name()).unwrap();
        let calendar = Calendar::new(zone, Notation::read(&text).unwrap(), &[]);
        let from = (year - 1970) * 31_556_952;
        for change in zone.stretches(from, from + 366 * 86_400).iter().skip(1).take(2) {
            for second in (-26 * 3600..26 * 3600).step_by(450).chain(-2..2) {
                let at = Moment((change.from + second) * SECOND);
                prop_assert_eq!(calendar.is_open(at), calendar.open_by_definition(at), "{:?} at {}", calendar, at);
            }
        }
    }

    #[test]
    fn spread_stays_in_the_open_range_and_is_stable((rules, silence) in any_case(), key in any::<u64>()) {
        let still = plan(&Rules { spread: 0, ..rules.clone() }, &silence);
        let silence = Silence { spread_key: key, ..silence };
        let moved = plan(&rules, &silence);
        prop_assert_eq!(moved, plan(&rules, &silence));
        let (Some(still), Some(moved)) = (still.action.slot(), moved.action.slot()) else { return Ok(()) };
        prop_assert!(moved.due >= still.due && (moved.due == still.due || moved.due.since(still.due) < rules.spread));
        prop_assert_eq!(moved.not_after, still.not_after);
        prop_assert!(moved.due == still.due || moved.due < moved.not_after);
    }

    #[test]
    fn nothing_is_open_between_target_and_due(
        daily in daily(), wait in WAIT_FLOOR..=WAIT_CEILING, since in any_moment(), late in 0..3 * DAY
    ) {
        let target = since.plus(wait).max(since.plus(late));
        let Some(due) = due_of(&founding(daily, wait), since, since.plus(late)) else {
            prop_assert!(target.0 > i64::MAX - DAY, "only the end of time has no opening");
            return Ok(());
        };
        prop_assert!(daily.is_open(due) && due >= target);
        if due > target {
            // From closed to open there must be an opening, and openings lie one day apart.
            prop_assert!(!daily.is_open(target) && !daily.is_open(due.plus(-1)));
            prop_assert!(due.since(target) < DAY && due.0.rem_euclid(DAY) == daily.start());
        }
    }

    #[test]
    fn later_silence_or_a_longer_wait_is_never_due_earlier(
        daily in daily(), since in any_moment(), later in 0..3 * DAY, wait in WAIT_FLOOR..=WAIT_CEILING, longer in 0..23 * HOUR
    ) {
        let longer = (wait + longer).min(WAIT_CEILING);
        let due = due_of(&founding(daily, wait), since, since);
        let after_later_silence = due_of(&founding(daily, wait), since.plus(later), since.plus(later));
        for other in [after_later_silence, due_of(&founding(daily, longer), since, since)] {
            prop_assert!(other.unwrap_or(Moment::MAX) >= due.unwrap_or(Moment::MAX));
        }
    }

    #[test]
    fn planning_again_at_due_gives_due(daily in daily(), since in any_moment(), wait in WAIT_FLOOR..=WAIT_CEILING) {
        let rules = founding(daily, wait);
        let Some(due) = due_of(&rules, since, since) else { return Ok(()) };
        prop_assert_eq!(due_of(&rules, since, due), Some(due));
    }

    #[test]
    fn a_day_later_is_due_a_day_later(daily in daily(), since in 0..7_289_654_400_000_i64, wait in WAIT_FLOOR..=WAIT_CEILING) {
        let rules = founding(daily, wait);
        let due = due_of(&rules, Moment(since), Moment(since)).unwrap();
        prop_assert_eq!(due_of(&rules, Moment(since + DAY), Moment(since + DAY)), Some(due.plus(DAY)));
    }

    #[test]
    fn a_wrapping_range_is_the_complement_of_its_ends_swapped(start in 0..DAY, end in 0..DAY, at in any_moment()) {
        prop_assume!(start != end);
        prop_assert_ne!(Daily::new(start, end).is_open(at), Daily::new(end, start).is_open(at));
    }

    #[test]
    fn every_input_has_an_answer(
        (hours, _) in any_hours(), session in any_session(), numbers in any::<(i64, i64, u64)>(),
        moments in (any_moment(), prop::option::of(any_moment()), any_moment())
    ) {
        let (wait, spread, spread_key) = numbers;
        let rules = Rules { enabled: true, wait, hours: hours.clone(), session, spread };
        let silence = Silence { inactive_since: moments.0, last_inbound_at: moments.1, now: moments.2, spread_key };
        let decision = plan(&rules, &silence);
        if let Some(slot) = decision.action.slot() {
            prop_assert!(hours.is_open(slot.due));
        }
        for reason in &decision.trail {
            let (code, at, number) = reason.to_parts();
            prop_assert_eq!(Reason::from_parts(code, at, number), Some(*reason));
            prop_assert!(!reason.because().to_string().contains(['"', '\\', '\n']));
        }
        let _ = (hours.next_open(moments.0, wait), hours.open_until(moments.0), hours.last_open_second(moments.0, moments.2));
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in "[A-Za-z0-9 ,;:|+\\-/\\[\\]()\"\\PC]{0,40}", rule in rule(), at in any::<prop::sample::Index>()
    ) {
        let _ = Notation::read(&text);
        // A text that was right, with something wrong in the middle of it.
        let cut = rule.floor_char_boundary(at.index(rule.len() + 1));
        let refused = Notation::read(&format!("{}{text}{}", &rule[..cut], &rule[cut..]));
        if let Err(refusal) = refused {
            prop_assert!(!refusal.why.contains('\n'), "{}", refusal.why);
        }
    }
}
