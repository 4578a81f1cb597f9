//! The trail: why a decision came out as it did, as data, written in the same pass as the decision.
//!
//! Not a log and not text: a reason is a few numbers, and becomes a sentence only when somebody reads it.
//!
//! The closed list of rules (the word in `rule`, what it says, the number beside it):
//!
//! | rule | says |
//! |---|---|
//! | `disabled` | the flow sends no follow-ups |
//! | `clamped` | the wait was outside its bounds and became the nearest bound |
//! | `silence` | the wait after the last activity, and when it is over |
//! | `late` | that moment had passed, so now counts |
//! | `open` | the hours are open then |
//! | `closed` | the hours are closed then, and when they open |
//! | `window` | a free message fits the messaging window |
//! | `window_passed` | it does not: the window is over before |
//! | `never_wrote` | the person never wrote, so there is no window |
//! | `advance` | brought forward to the last open second inside the window |
//! | `template` | sent as the approved template instead |
//! | `spread` | moved on from the opening, so that not all go at once |
//! | a word of [`SkipReason`] | nothing is sent, for this reason |
//! | `woke` `later` `postponed` `sent_now` `held` `released` `retry` `outcome` | what the conversation met |
//! | `policy_changed` `capped` `opted_out` `too_late` `revived` `superseded` | what the conversation decided |

use super::SkipReason;
use crate::moment::{DAY, HOUR, MINUTE, Moment, SECOND};
use std::fmt;

/// How many reasons a trail holds. A decision of `plan` writes at most six; the rest is room for the conversation.
pub const TRAIL_LEN: usize = 10;

/// The reasons of one decision, in the order in which they were applied. Copied whole, no heap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Trail {
    len: u8,
    list: [Reason; TRAIL_LEN],
}

/// One reason: what was applied, and the moment that came out of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reason {
    /// The moment the rule led to (or at which it was looked at, where it moves nothing).
    pub at: Moment,
    /// The rule, with its number.
    pub what: What,
}

/// The rules, a closed list. Durations are milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// The flow sends no follow-ups. At: now.
    Disabled,
    /// The wait asked for was outside its bounds; [`What::Silence`] says what it became. At: the beginning of the silence.
    Clamped {
        /// The wait as it was asked for.
        asked: i64,
    },
    /// The wait after the last activity. At: when it is over.
    Silence {
        /// The wait in force.
        wait: i64,
    },
    /// Planned late: the end of the wait had passed. At: now.
    RaisedTo {
        /// The moment that had passed.
        from: Moment,
    },
    /// The hours are open at the target.
    Open,
    /// The hours are closed at the target. At: when they open.
    Closed {
        /// The target.
        from: Moment,
    },
    /// A free message fits the messaging window. At: when it is due.
    WindowFits {
        /// The end of the window less its margin.
        closes: Moment,
    },
    /// The window is over before the follow-up is due. At: when it would be due.
    WindowClosed {
        /// The end of the window less its margin.
        closes: Moment,
    },
    /// The person never wrote: there is no window. At: when it would be due.
    NeverWrote,
    /// Brought forward to the last open second in the window. At: the new moment.
    Advanced {
        /// When it was due before.
        from: Moment,
    },
    /// Sent as the approved template. At: when it is due.
    Template,
    /// Moved on from the opening. At: the new moment.
    Spread {
        /// By how much.
        by: i64,
    },
    /// Nothing is sent. At: when it would have been.
    Skipped(SkipReason),
    /// The timer came due and everything was asked again. At: now.
    Woke,
    /// The person answered "later". At: when they said so.
    Later {
        /// The wait until it is planned again.
        wait: i64,
    },
    /// An operator put it off. At: until when.
    Postponed,
    /// An operator asked to send it at once. At: now.
    SentNow,
    /// The conversation is held. At: since when.
    Held,
    /// The hold was lifted. At: when.
    Released,
    /// The provider refused and may be asked again. At: the moment of the next attempt.
    Retry {
        /// The number of the next attempt; the first call is 1.
        attempt: u32,
    },
    /// How the send ended. At: when that was known.
    Outcome(SendEnd),
    /// The flow's policy changed and the follow-up was planned again. At: now.
    PolicyChanged,
    /// A cap on follow-ups is reached. At: now.
    Capped {
        /// The cap.
        limit: u32,
    },
    /// The person opted out. At: when.
    OptedOut,
    /// Its moment passed too long ago. At: now.
    TooLate {
        /// How late it was.
        late: i64,
    },
    /// A late "yes" revived a finished conversation. At: when.
    Revived,
    /// Another flow took the conversation's place. At: when.
    Superseded,
}

/// How a send ended (`interfaces.md`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum SendEnd {
    /// The provider took it.
    Accepted,
    /// The provider refused it for good.
    Rejected,
    /// Nobody knows.
    Unknown,
    /// It was decided not to send it.
    Skipped,
    /// It was called off before the call.
    Cancelled,
}

impl Trail {
    const NOTHING: Reason = Reason { at: Moment(0), what: What::Disabled };

    /// An empty trail.
    #[must_use]
    pub const fn new() -> Trail {
        Trail { len: 0, list: [Trail::NOTHING; TRAIL_LEN] }
    }

    /// Adds a reason. A full trail keeps its beginning and replaces its last reason: how it started and how it ended matter most.
    pub fn push(&mut self, at: Moment, what: What) {
        let index = usize::from(self.len).min(TRAIL_LEN - 1);
        self.list[index] = Reason { at, what };
        self.len = index as u8 + 1;
    }

    /// The reasons, in the order in which they were applied.
    pub fn iter(&self) -> std::slice::Iter<'_, Reason> {
        self.list[..usize::from(self.len).min(TRAIL_LEN)].iter()
    }

    /// How many reasons there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The last reason.
    #[must_use]
    pub fn last(&self) -> Option<&Reason> {
        self.iter().next_back()
    }
}

impl Default for Trail {
    fn default() -> Trail {
        Trail::new()
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for &'a Trail {
    type Item = &'a Reason;
    type IntoIter = std::slice::Iter<'a, Reason>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Reason {
    /// A reason.
    #[must_use]
    pub const fn new(at: Moment, what: What) -> Reason {
        Reason { at, what }
    }

    /// The word of the rule, from the closed list above.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self.what {
            What::Disabled => "disabled",
            What::Clamped { .. } => "clamped",
            What::Silence { .. } => "silence",
            What::RaisedTo { .. } => "late",
            What::Open => "open",
            What::Closed { .. } => "closed",
            What::WindowFits { .. } => "window",
            What::WindowClosed { .. } => "window_passed",
            What::NeverWrote => "never_wrote",
            What::Advanced { .. } => "advance",
            What::Template => "template",
            What::Spread { .. } => "spread",
            What::Skipped(reason) => reason.as_str(),
            What::Woke => "woke",
            What::Later { .. } => "later",
            What::Postponed => "postponed",
            What::SentNow => "sent_now",
            What::Held => "held",
            What::Released => "released",
            What::Retry { .. } => "retry",
            What::Outcome(_) => "outcome",
            What::PolicyChanged => "policy_changed",
            What::Capped { .. } => "capped",
            What::OptedOut => "opted_out",
            What::TooLate { .. } => "too_late",
            What::Revived => "revived",
            What::Superseded => "superseded",
        }
    }

    /// The moment of the reason.
    #[must_use]
    pub const fn at(&self) -> Moment {
        self.at
    }

    /// The reason as a sentence.
    #[must_use]
    pub fn because(&self) -> impl fmt::Display + use<> {
        Because(*self)
    }

    /// The reason for storage: a stable code, the moment, and one number.
    #[must_use]
    pub const fn to_parts(&self) -> (u8, Moment, i64) {
        let (code, number) = match self.what {
            What::Disabled => (1, 0),
            What::Clamped { asked } => (2, asked),
            What::Silence { wait } => (3, wait),
            What::RaisedTo { from } => (4, from.0),
            What::Open => (5, 0),
            What::Closed { from } => (6, from.0),
            What::WindowFits { closes } => (7, closes.0),
            What::WindowClosed { closes } => (8, closes.0),
            What::NeverWrote => (9, 0),
            What::Advanced { from } => (10, from.0),
            What::Template => (11, 0),
            What::Spread { by } => (12, by),
            What::Skipped(reason) => (13, reason.code() as i64),
            What::Woke => (32, 0),
            What::Later { wait } => (33, wait),
            What::Postponed => (34, 0),
            What::SentNow => (35, 0),
            What::Held => (36, 0),
            What::Released => (37, 0),
            What::Retry { attempt } => (38, attempt as i64),
            What::Outcome(end) => (39, end.code() as i64),
            What::PolicyChanged => (40, 0),
            What::Capped { limit } => (41, limit as i64),
            What::OptedOut => (42, 0),
            What::TooLate { late } => (43, late),
            What::Revived => (44, 0),
            What::Superseded => (45, 0),
        };
        (code, self.at, number)
    }

    /// Reads a stored reason back; `None` where no release wrote it.
    #[must_use]
    pub fn from_parts(code: u8, at: Moment, number: i64) -> Option<Reason> {
        let moment = Moment(number);
        let what = match code {
            1 => What::Disabled,
            2 => What::Clamped { asked: number },
            3 => What::Silence { wait: number },
            4 => What::RaisedTo { from: moment },
            5 => What::Open,
            6 => What::Closed { from: moment },
            7 => What::WindowFits { closes: moment },
            8 => What::WindowClosed { closes: moment },
            9 => What::NeverWrote,
            10 => What::Advanced { from: moment },
            11 => What::Template,
            12 => What::Spread { by: number },
            13 => What::Skipped(SkipReason::from_code(u8::try_from(number).ok()?)?),
            32 => What::Woke,
            33 => What::Later { wait: number },
            34 => What::Postponed,
            35 => What::SentNow,
            36 => What::Held,
            37 => What::Released,
            38 => What::Retry { attempt: u32::try_from(number).ok()? },
            39 => What::Outcome(SendEnd::from_code(u8::try_from(number).ok()?)?),
            40 => What::PolicyChanged,
            41 => What::Capped { limit: u32::try_from(number).ok()? },
            42 => What::OptedOut,
            43 => What::TooLate { late: number },
            44 => What::Revived,
            45 => What::Superseded,
            _ => return None,
        };
        Some(Reason { at, what })
    }
}

impl SendEnd {
    /// Every ending, in the order of their codes.
    pub const ALL: [SendEnd; 5] = [SendEnd::Accepted, SendEnd::Rejected, SendEnd::Unknown, SendEnd::Skipped, SendEnd::Cancelled];

    /// The word, as in trail, hook, metric and page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            SendEnd::Accepted => "accepted",
            SendEnd::Rejected => "rejected",
            SendEnd::Unknown => "unknown",
            SendEnd::Skipped => "skipped",
            SendEnd::Cancelled => "cancelled",
        }
    }

    /// A number for storage: 1 to 5, never reused.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8 + 1
    }

    /// Reads a stored number back.
    #[must_use]
    pub fn from_code(code: u8) -> Option<SendEnd> {
        SendEnd::ALL.get(usize::from(code.checked_sub(1)?)).copied()
    }
}

/// A reason, printed as a sentence.
struct Because(Reason);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.0.at;
        match self.0.what {
            What::Disabled => f.write_str("follow-ups are switched off for this flow"),
            What::Clamped { asked } => write!(f, "a wait of {} is outside its bounds and becomes the nearest bound", Span(asked)),
            What::Silence { wait } => write!(f, "{} of silence are over", Span(wait)),
            What::RaisedTo { from } => write!(f, "planned late: {from} has passed, so now counts"),
            What::Open => f.write_str("the hours are open then"),
            What::Closed { from } => write!(f, "closed at {from}; this is the next opening"),
            What::WindowFits { closes } => write!(f, "inside the messaging window, which closes at {closes}"),
            What::WindowClosed { closes } => write!(f, "the messaging window closes before, at {closes}"),
            What::NeverWrote => f.write_str("the person never wrote, so no messaging window is open"),
            What::Advanced { from } => write!(f, "brought forward from {from} to the last open second in the messaging window"),
            What::Template => f.write_str("sent as the approved template instead of free text"),
            What::Spread { by } => write!(f, "moved on by {} from the opening, so that not all go at once", Span(by)),
            What::Skipped(reason) => write!(f, "skipped: {}", reason.sentence()),
            What::Woke => f.write_str("the moment came, and everything was asked again"),
            What::Later { wait } => write!(f, "the person asked for later: planned again after {}", Span(wait)),
            What::Postponed => write!(f, "an operator put it off until {at}"),
            What::SentNow => f.write_str("an operator asked to send it at once"),
            What::Held => f.write_str("the conversation is held"),
            What::Released => f.write_str("the hold was lifted"),
            What::Retry { attempt } => write!(f, "the provider refused for now: attempt {attempt} follows"),
            What::Outcome(end) => write!(f, "the send ended as {}", end.as_str()),
            What::PolicyChanged => f.write_str("the flow's policy changed, so it was planned again"),
            What::Capped { limit } => write!(f, "the cap of {limit} is reached"),
            What::OptedOut => f.write_str("the person opted out"),
            What::TooLate { late } => write!(f, "its moment passed {} ago, longer than max_lateness allows", Span(late)),
            What::Revived => f.write_str("a late yes revived the conversation"),
            What::Superseded => f.write_str("another flow took its place"),
        }
    }
}

/// A duration in milliseconds, printed as people say it: `1 h 30 min`.
pub(crate) struct Span(pub(crate) i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0 min");
        }
        let mut rest = self.0.unsigned_abs();
        let mut gap = if self.0 < 0 { "-" } else { "" };
        for (unit, name) in [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (1, "ms")] {
            // 23 h and 30 h read better than 1 d 6 h: days only from two on.
            let unit = unit.unsigned_abs();
            let count = if name == "d" && rest < 2 * unit { 0 } else { rest / unit };
            if count > 0 {
                write!(f, "{gap}{count} {name}")?;
                rest -= count * unit;
                gap = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_reason_reads_back() {
        let mut known = 0;
        for code in 0..=u8::MAX {
            for number in [1, 2, 5, 12] {
                let Some(reason) = Reason::from_parts(code, Moment(7), number) else { continue };
                known += usize::from(number == 1);
                let (again, at, kept) = reason.to_parts();
                assert_eq!((again, at), (code, Moment(7)));
                assert_eq!(Reason::from_parts(again, at, kept), Some(reason));
                assert!(reason.rule().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", reason.rule());
                assert!(reason.because().to_string().len() > 10);
            }
        }
        assert_eq!(known, 27);
        assert_eq!(Reason::from_parts(13, Moment(0), 99), None);
        assert_eq!(Reason::from_parts(38, Moment(0), -1), None);
    }

    #[test]
    fn a_full_trail_keeps_its_beginning_and_its_end() {
        let mut trail = Trail::new();
        for attempt in 0..20 {
            trail.push(Moment(0), What::Retry { attempt });
        }
        assert_eq!(trail.len(), TRAIL_LEN);
        assert_eq!(trail.iter().next().unwrap().what, What::Retry { attempt: 0 });
        assert_eq!(trail.last().unwrap().what, What::Retry { attempt: 19 });
    }

    #[test]
    fn durations_read_as_people_say_them() {
        for (millis, text) in [
            (0, "0 min"),
            (45 * MINUTE, "45 min"),
            (90 * MINUTE, "1 h 30 min"),
            (30 * HOUR, "30 h"),
            (49 * HOUR, "2 d 1 h"),
            (61_001, "1 min 1 s 1 ms"),
            (-MINUTE, "-1 min"),
        ] {
            assert_eq!(Span(millis).to_string(), text);
        }
        assert!(Span(i64::MIN).to_string().starts_with('-'));
    }
}
