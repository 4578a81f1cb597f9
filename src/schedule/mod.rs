//! When a follow-up is sent: the contract of `schedule.md`, as one pure function.
//!
//! Not a timer and not a clock: `now` is an argument, and nothing here knows of conversations, files or sockets.
//!
//! The order is stated once, in [`plan_after`]: silence → raised to now → deferred into the hours → the messaging window
//! (as planned, brought forward, as template, or skipped) → spread, inside the open range and the window.
//!
//! ```
//! use reengaged::moment::{HOUR, Moment};
//! use reengaged::schedule::{Action, Daily, Hours, Rules, Silence, plan};
//!
//! let rules = Rules { enabled: true, wait: 2 * HOUR, hours: Hours::Daily(Daily::default()), session: None, spread: 0 };
//! let asked = Moment::parse("2026-03-01T22:30:00Z").unwrap();
//! let plan = plan(&rules, &Silence { inactive_since: asked, last_inbound_at: Some(asked), now: asked, spread_key: 0 });
//! let Action::Message(slot) = plan.action else { panic!() };
//! assert_eq!(slot.due.to_string(), "2026-03-02T13:00:00.000Z"); // half past midnight UTC is closed; opens at 13:00
//! for reason in &plan.trail {
//!     println!("{} {} {}", reason.rule(), reason.at(), reason.because());
//! }
//! # assert_eq!(plan.trail.len(), 2);
//! ```

mod calendar;
mod daily;
mod days;
mod fingerprint;
mod hours;
#[cfg(test)]
mod laws;
mod notation;
mod reason;
mod sentence;
mod session;
mod skip;
mod spread;
mod trail;
mod tzdata;
mod zone;

pub use calendar::Calendar;
pub use daily::Daily;
pub use hours::{Hours, Open};
pub use notation::{Notation, Refusal};
pub use reason::{Reason, SendEnd};
pub use session::{Otherwise, Session, WhenClosed};
pub use skip::SkipReason;
pub use trail::{TRAIL_LEN, Trail};
pub use tzdata::Tzdata;
pub use zone::Zone;

use crate::limits::{HORIZON, STEP_CEILING, WAIT_FLOOR};
use crate::moment::Moment;

/// The release of the IANA time zone database that is compiled in, as `2025b`.
pub const TZDATA: &str = chrono_tz::IANA_TZDB_VERSION;

/// The rules of a flow: validated, immutable.
#[derive(Clone, PartialEq, Debug)]
pub struct Rules {
    /// Whether follow-ups are sent at all.
    pub enabled: bool,
    /// The wait in force, milliseconds, clamped to [`WAIT_FLOOR`] ..= [`limits::WAIT_CEILING`](crate::limits::WAIT_CEILING).
    pub wait: i64,
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
    plan_after(rules, rules.wait, silence)
}

/// Decides a further follow-up, or one asked for "later", which bring a `wait` of their own in milliseconds. Validated already;
/// clamped to [`WAIT_FLOOR`] ..= [`STEP_CEILING`] all the same, so that nothing goes out sooner whatever is asked.
#[must_use]
pub fn plan_after(rules: &Rules, wait: i64, silence: &Silence) -> Plan {
    let mut trail = Trail::new();
    if !rules.enabled {
        trail.push(Reason::Disabled { at: silence.now });
        return Plan { action: Action::None, trail };
    }
    let (asked, wait) = (wait, wait.clamp(WAIT_FLOOR, STEP_CEILING));
    if asked != wait {
        trail.push(Reason::Clamped { at: silence.inactive_since, asked });
    }
    let ripe = silence.inactive_since.plus(wait);
    trail.push(Reason::Silence { at: ripe, wait });
    let target = ripe.max(silence.now);
    if target > ripe {
        trail.push(Reason::RaisedTo { at: target, from: ripe });
    }
    let Some(open) = rules.hours.next_range(target, HORIZON) else {
        trail.push(Reason::Skipped { at: target, reason: SkipReason::NoOpening });
        return Plan { action: Action::Skip(SkipReason::NoOpening), trail };
    };
    let deferred = open.from > target;
    if deferred {
        trail.push(Reason::Closed { at: open.from, from: target });
    } else {
        trail.push(Reason::Open { at: target });
    }
    let action = session::within_window(rules, silence, open, deferred, &mut trail);
    Plan { action, trail }
}
