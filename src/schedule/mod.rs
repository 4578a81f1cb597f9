//! When a follow-up is sent: the contract of `schedule.md`, as one pure function.
//!
//! Not a timer and not a clock: `now` is an argument, and nothing here knows of conversations, files or sockets.
//!
//! The order is stated once, in [`plan_after`]: silence → raised to now → deferred into the hours → the messaging window
//! (as planned, brought forward, as template, or skipped) → spread, inside the open range and the window.
//!
//! ```
//! use reengaged::moment::{HOUR, MINUTE, Moment};
//! use reengaged::schedule::{Action, Daily, Hours, Rules, Silence, plan};
//!
//! let rules = Rules { enabled: true, wait: 2 * HOUR, asked: 2 * HOUR, hours: Hours::Daily(Daily::default()), session: None, spread: 0 };
//! let asked = Moment::parse("2026-03-01T22:30:00Z").unwrap();
//! let plan = plan(&rules, &Silence { inactive_since: asked, last_inbound_at: Some(asked), now: asked, spread_key: 0 });
//! let Action::Message(slot) = plan.action else { panic!() };
//! assert_eq!(slot.due.to_string(), "2026-03-02T13:00:00.000Z"); // half past midnight UTC is closed; opens at 13:00
//! for reason in &plan.trail {
//!     println!("{} {} {}", reason.rule(), reason.at(), reason.because());
//! }
//! # assert_eq!(plan.trail.len(), 2);
//! # let _ = MINUTE;
//! ```

mod calendar;
mod daily;
mod days;
mod fingerprint;
mod hours;
mod notation;
mod session;
mod skip;
mod spread;
mod trail;
mod zone;

pub use calendar::Calendar;
pub use daily::Daily;
pub use hours::{Hours, Open};
pub use notation::{MAX_NOTATION, Notation, Refusal};
pub use session::{Otherwise, Session, WhenClosed};
pub use skip::SkipReason;
pub use trail::{Reason, SendEnd, TRAIL_LEN, Trail, What};
pub use zone::Zone;

use crate::moment::{DAY, HOUR, MINUTE, Moment};

/// The release of the IANA time zone database that is compiled in, as `2025b`.
pub const TZDATA: &str = chrono_tz::IANA_TZDB_VERSION;
/// The shortest wait after the last activity (the guide: "minimum 30 minutes"), in milliseconds.
pub const MIN_WAIT: i64 = 30 * MINUTE;
/// The longest wait of the first follow-up (the guide: "maximum 23 hours"), in milliseconds.
pub const MAX_WAIT: i64 = 23 * HOUR;
/// The longest wait of a further follow-up, in milliseconds.
pub const MAX_STEP_WAIT: i64 = 30 * DAY;
/// How far an opening is looked for from the target, in milliseconds; both ends count.
pub const HORIZON: i64 = 21 * DAY;

/// The rules of a flow: validated, immutable.
#[derive(Clone, PartialEq, Debug)]
pub struct Rules {
    /// Whether follow-ups are sent at all.
    pub enabled: bool,
    /// The wait in force, milliseconds, clamped to [`MIN_WAIT`] ..= [`MAX_WAIT`].
    pub wait: i64,
    /// The wait as it was written, before the clamp, milliseconds; for the trail alone.
    pub asked: i64,
    /// When something may be sent.
    pub hours: Hours,
    /// The messaging window, where the line has one.
    pub session: Option<Session>,
    /// How far deferred follow-ups are spread from the opening, milliseconds.
    pub spread: i64,
}

/// One stretch of silence, as a decision sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silence {
    /// The last activity, from which the wait counts.
    pub inactive_since: Moment,
    /// The person's last message; `None` where they never wrote.
    pub last_inbound_at: Option<Moment>,
    /// The time of the decision.
    pub now: Moment,
    /// What the spread is computed from: stable per send.
    pub spread_key: u64,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing: the flow sends no follow-ups.
    None,
    /// A free message.
    Message(Slot),
    /// The approved template.
    Template(Slot),
    /// Nothing is sent, for this reason.
    Skip(SkipReason),
}

/// When to hand over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// The moment to hand over at. Always open.
    pub due: Moment,
    /// The earliest moment to hand over at.
    pub not_before: Moment,
    /// The latest: the end of the open range (itself closed: the hours are asked again at the hand-over) or of the messaging
    /// window, whichever is sooner. A range without end is cut [`HORIZON`] after its start in the plan.
    pub not_after: Moment,
}

/// A decision with its reasons.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// What to do.
    pub action: Action,
    /// Why.
    pub trail: Trail,
}

impl Action {
    /// The slot, where something is sent.
    #[must_use]
    pub const fn slot(&self) -> Option<Slot> {
        match *self {
            Action::Message(slot) | Action::Template(slot) => Some(slot),
            Action::None | Action::Skip(_) => None,
        }
    }

    /// The word of the answer: `none`, `message`, `template` or `skip`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Action::None => "none",
            Action::Message(_) => "message",
            Action::Template(_) => "template",
            Action::Skip(_) => "skip",
        }
    }
}

/// Decides the first follow-up of a silence. Total: every input has an answer.
#[must_use]
pub fn plan(rules: &Rules, silence: &Silence) -> Plan {
    decide(rules, rules.wait, rules.asked, silence)
}

/// Decides a further follow-up, or one asked for "later", which bring a wait of their own in milliseconds
/// ([`MIN_WAIT`] ..= [`MAX_STEP_WAIT`]; clamped here, so that nothing goes out sooner whatever is asked).
#[must_use]
pub fn plan_after(rules: &Rules, wait: i64, silence: &Silence) -> Plan {
    decide(rules, wait.clamp(MIN_WAIT, MAX_STEP_WAIT), wait, silence)
}

fn decide(rules: &Rules, wait: i64, asked: i64, silence: &Silence) -> Plan {
    let mut trail = Trail::new();
    if !rules.enabled {
        trail.push(silence.now, What::Disabled);
        return Plan { action: Action::None, trail };
    }
    if asked != wait {
        trail.push(silence.inactive_since, What::Clamped { asked });
    }
    let ripe = silence.inactive_since.plus(wait);
    trail.push(ripe, What::Silence { wait });
    let target = ripe.max(silence.now);
    if target > ripe {
        trail.push(target, What::RaisedTo { from: ripe });
    }
    let Some(open) = rules.hours.next_range(target, HORIZON) else {
        trail.push(target, What::Skipped(SkipReason::NoOpening));
        return Plan { action: Action::Skip(SkipReason::NoOpening), trail };
    };
    if open.from > target {
        trail.push(open.from, What::Closed { from: target });
    } else {
        trail.push(target, What::Open);
    }
    let deferred = open.from > target;
    let action = session::within_window(rules, silence, open, deferred, &mut trail);
    Plan { action, trail }
}
