//! A reason of a decision, as data: the rule that was applied, a moment, and at most one number.
//!
//! Not a text: [`Reason::because`] makes the sentence when somebody reads it.

use super::SkipReason;
use super::sentence::Because;
use crate::moment::Moment;
use std::fmt;

/// One reason: the rule that was applied, and the moment that came out of it (or at which it was looked at, where it moves
/// nothing). Durations are milliseconds.
///
/// The closed list of rules (the word in `rule`, and what it says):
///
/// | rule | says |
/// |---|---|
/// | `disabled` | the flow sends no follow-ups |
/// | `clamped` | the wait was outside its bounds and became the nearest bound |
/// | `silence` | the wait after the last activity, and when it is over |
/// | `late` | that moment had passed, so now counts |
/// | `open` | the hours are open then |
/// | `closed` | the hours are closed then, and when they open |
/// | `window` | a free message fits the messaging window |
/// | `window_passed` | it does not: the window is over before |
/// | `never_wrote` | the person never wrote, so there is no window |
/// | `window_shut` | the provider said that the window is closed |
/// | `advance` | brought forward to the last open second inside the window |
/// | `template` | sent as the approved template instead |
/// | `spread` | moved on from the opening, so that not all go at once |
/// | a word of [`SkipReason`] | nothing is sent, for this reason |
/// | `woke` `later` `postponed` `sent_now` `held` `released` `retry` `outcome` | what the conversation met |
/// | `policy_changed` `capped` `opted_out` `too_late` `revived` `superseded` | what the conversation decided |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "`at` is the same everywhere and is told in the line of each reason")]
pub enum Reason {
    /// The flow sends no follow-ups. At: now.
    Disabled { at: Moment },
    /// The wait `asked` for was outside its bounds; [`Reason::Silence`] says what it became. At: the beginning of the silence.
    Clamped { at: Moment, asked: i64 },
    /// The wait after the last activity. At: when it is over.
    Silence { at: Moment, wait: i64 },
    /// Planned late: the end of the wait, `from`, had passed. At: now.
    RaisedTo { at: Moment, from: Moment },
    /// The hours are open at the target. At: the target.
    Open { at: Moment },
    /// The hours are closed at the target, `from`. At: when they open.
    Closed { at: Moment, from: Moment },
    /// A free message fits the messaging window, which `closes` (less its margin). At: when it is due.
    WindowFits { at: Moment, closes: Moment },
    /// The window `closes` (less its margin) before. At: when it would be due.
    WindowClosed { at: Moment, closes: Moment },
    /// The person never wrote: there is no window. At: when it would be due.
    NeverWrote { at: Moment },
    /// The provider said that the window is closed, whatever the person's last word says. At: when it would be due.
    WindowShut { at: Moment },
    /// Brought forward from `from` to the last open second in the window. At: the new moment.
    Advanced { at: Moment, from: Moment },
    /// Sent as the approved template. At: when it is due.
    Template { at: Moment },
    /// Moved on from the opening `by` so much. At: the new moment.
    Spread { at: Moment, by: i64 },
    /// Nothing is sent. At: when it would have been.
    Skipped { at: Moment, reason: SkipReason },
    /// The timer came due and everything was asked again. At: now.
    Woke { at: Moment },
    /// The person answered "later". At: when they said so.
    Later { at: Moment },
    /// An operator put it off. At: until when.
    Postponed { at: Moment },
    /// An operator asked to send it at once. At: now.
    SentNow { at: Moment },
    /// The conversation is held. At: since when.
    Held { at: Moment },
    /// The hold was lifted. At: when.
    Released { at: Moment },
    /// The provider refused and is asked again; the first call is attempt 1. At: the moment of the next.
    Retry { at: Moment, attempt: u8 },
    /// How the send ended. At: when that was known.
    Outcome { at: Moment, end: SendEnd },
    /// The flow's policy changed and the follow-up was planned again. At: now.
    PolicyChanged { at: Moment },
    /// A cap on follow-ups is reached. At: now.
    Capped { at: Moment },
    /// The person opted out. At: when.
    OptedOut { at: Moment },
    /// Its moment passed too long ago. At: now.
    TooLate { at: Moment },
    /// A late "yes" revived a finished conversation. At: when.
    Revived { at: Moment },
    /// Another flow took the conversation's place. At: when.
    Superseded { at: Moment },
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

impl Reason {
    /// The word of the rule, from the closed list above.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match *self {
            Reason::Disabled { .. } => "disabled",
            Reason::Clamped { .. } => "clamped",
            Reason::Silence { .. } => "silence",
            Reason::RaisedTo { .. } => "late",
            Reason::Open { .. } => "open",
            Reason::Closed { .. } => "closed",
            Reason::WindowFits { .. } => "window",
            Reason::WindowClosed { .. } => "window_passed",
            Reason::NeverWrote { .. } => "never_wrote",
            Reason::WindowShut { .. } => "window_shut",
            Reason::Advanced { .. } => "advance",
            Reason::Template { .. } => "template",
            Reason::Spread { .. } => "spread",
            Reason::Skipped { reason, .. } => reason.as_str(),
            Reason::Woke { .. } => "woke",
            Reason::Later { .. } => "later",
            Reason::Postponed { .. } => "postponed",
            Reason::SentNow { .. } => "sent_now",
            Reason::Held { .. } => "held",
            Reason::Released { .. } => "released",
            Reason::Retry { .. } => "retry",
            Reason::Outcome { .. } => "outcome",
            Reason::PolicyChanged { .. } => "policy_changed",
            Reason::Capped { .. } => "capped",
            Reason::OptedOut { .. } => "opted_out",
            Reason::TooLate { .. } => "too_late",
            Reason::Revived { .. } => "revived",
            Reason::Superseded { .. } => "superseded",
        }
    }

    /// The moment of the reason.
    #[must_use]
    pub const fn at(&self) -> Moment {
        match *self {
            Reason::Disabled { at, .. }
            | Reason::Clamped { at, .. }
            | Reason::Silence { at, .. }
            | Reason::RaisedTo { at, .. }
            | Reason::Open { at, .. }
            | Reason::Closed { at, .. }
            | Reason::WindowFits { at, .. }
            | Reason::WindowClosed { at, .. }
            | Reason::NeverWrote { at, .. }
            | Reason::WindowShut { at, .. }
            | Reason::Advanced { at, .. }
            | Reason::Template { at, .. }
            | Reason::Spread { at, .. }
            | Reason::Skipped { at, .. }
            | Reason::Woke { at, .. }
            | Reason::Later { at, .. }
            | Reason::Postponed { at, .. }
            | Reason::SentNow { at, .. }
            | Reason::Held { at, .. }
            | Reason::Released { at, .. }
            | Reason::Retry { at, .. }
            | Reason::Outcome { at, .. }
            | Reason::PolicyChanged { at, .. }
            | Reason::Capped { at, .. }
            | Reason::OptedOut { at, .. }
            | Reason::TooLate { at, .. }
            | Reason::Revived { at, .. }
            | Reason::Superseded { at, .. } => at,
        }
    }

    /// The reason as a sentence.
    #[must_use]
    pub fn because(&self) -> impl fmt::Display + use<> {
        Because(*self)
    }

    /// The reason for storage: a stable code, the moment, and one number.
    #[must_use]
    pub const fn to_parts(&self) -> (u8, Moment, i64) {
        let (code, number) = match *self {
            Reason::Disabled { .. } => (1, 0),
            Reason::Clamped { asked, .. } => (2, asked),
            Reason::Silence { wait, .. } => (3, wait),
            Reason::RaisedTo { from, .. } => (4, from.0),
            Reason::Open { .. } => (5, 0),
            Reason::Closed { from, .. } => (6, from.0),
            Reason::WindowFits { closes, .. } => (7, closes.0),
            Reason::WindowClosed { closes, .. } => (8, closes.0),
            Reason::NeverWrote { .. } => (9, 0),
            Reason::WindowShut { .. } => (14, 0),
            Reason::Advanced { from, .. } => (10, from.0),
            Reason::Template { .. } => (11, 0),
            Reason::Spread { by, .. } => (12, by),
            Reason::Skipped { reason, .. } => (13, reason.code() as i64),
            Reason::Woke { .. } => (32, 0),
            Reason::Later { .. } => (33, 0),
            Reason::Postponed { .. } => (34, 0),
            Reason::SentNow { .. } => (35, 0),
            Reason::Held { .. } => (36, 0),
            Reason::Released { .. } => (37, 0),
            Reason::Retry { attempt, .. } => (38, attempt as i64),
            Reason::Outcome { end, .. } => (39, end.code() as i64),
            Reason::PolicyChanged { .. } => (40, 0),
            Reason::Capped { .. } => (41, 0),
            Reason::OptedOut { .. } => (42, 0),
            Reason::TooLate { .. } => (43, 0),
            Reason::Revived { .. } => (44, 0),
            Reason::Superseded { .. } => (45, 0),
        };
        (code, self.at(), number)
    }

    /// Reads a stored reason back; `None` where no release wrote it.
    #[must_use]
    pub fn from_parts(code: u8, at: Moment, number: i64) -> Option<Reason> {
        let moment = Moment(number);
        Some(match code {
            1 => Reason::Disabled { at },
            2 => Reason::Clamped { at, asked: number },
            3 => Reason::Silence { at, wait: number },
            4 => Reason::RaisedTo { at, from: moment },
            5 => Reason::Open { at },
            6 => Reason::Closed { at, from: moment },
            7 => Reason::WindowFits { at, closes: moment },
            8 => Reason::WindowClosed { at, closes: moment },
            9 => Reason::NeverWrote { at },
            14 => Reason::WindowShut { at },
            10 => Reason::Advanced { at, from: moment },
            11 => Reason::Template { at },
            12 => Reason::Spread { at, by: number },
            13 => Reason::Skipped { at, reason: SkipReason::from_code(u8::try_from(number).ok()?)? },
            32 => Reason::Woke { at },
            33 => Reason::Later { at },
            34 => Reason::Postponed { at },
            35 => Reason::SentNow { at },
            36 => Reason::Held { at },
            37 => Reason::Released { at },
            38 => Reason::Retry { at, attempt: u8::try_from(number).ok()? },
            39 => Reason::Outcome { at, end: SendEnd::from_code(u8::try_from(number).ok()?)? },
            40 => Reason::PolicyChanged { at },
            41 => Reason::Capped { at },
            42 => Reason::OptedOut { at },
            43 => Reason::TooLate { at },
            44 => Reason::Revived { at },
            45 => Reason::Superseded { at },
            _ => return None,
        })
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
        assert_eq!(known, 28);
        assert_eq!(Reason::from_parts(13, Moment(0), 99), None);
        assert_eq!(Reason::from_parts(38, Moment(0), -1), None);
    }
}
