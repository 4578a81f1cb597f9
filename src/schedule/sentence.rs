//! Reasons and durations in plain words, in English and UTC.
//!
//! Not data: nothing is decided by a sentence, and none is stored.

use super::Reason;
use crate::moment::{DAY, HOUR, MINUTE, SECOND};
use std::fmt;

/// A reason, printed as a sentence.
pub(super) struct Because(pub(super) Reason);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Reason::Disabled { .. } => f.write_str("follow-ups are switched off for this flow"),
            Reason::Clamped { asked, .. } => write!(f, "a wait of {} is outside its bounds and becomes the nearest bound", Span(asked)),
            Reason::Silence { wait, .. } => write!(f, "{} of silence are over", Span(wait)),
            Reason::RaisedTo { from, .. } => write!(f, "planned late: {from} has passed, so now counts"),
            Reason::Open { .. } => f.write_str("the hours are open then"),
            Reason::Closed { from, .. } => write!(f, "closed at {from}; this is the next opening"),
            Reason::WindowFits { closes, .. } => write!(f, "inside the messaging window, which closes at {closes}"),
            Reason::WindowClosed { closes, .. } => write!(f, "the messaging window closes before, at {closes}"),
            Reason::NeverWrote { .. } => f.write_str("the person never wrote, so no messaging window is open"),
            Reason::WindowShut { .. } => f.write_str("the provider said that the messaging window is closed"),
            Reason::Advanced { from, .. } => write!(f, "brought forward from {from} to the last open second in the messaging window"),
            Reason::Template { .. } => f.write_str("sent as the approved template instead of free text"),
            Reason::Spread { by, .. } => write!(f, "moved on by {} from the opening, so that not all go at once", Span(by)),
            Reason::Skipped { reason, .. } => write!(f, "skipped: {}", reason.sentence()),
            Reason::Woke { .. } => f.write_str("the moment came, and everything was asked again"),
            Reason::Later { .. } => f.write_str("the person asked for later"),
            Reason::Postponed { at } => write!(f, "an operator put it off until {at}"),
            Reason::SentNow { .. } => f.write_str("an operator asked to send it at once"),
            Reason::Held { .. } => f.write_str("the conversation is held"),
            Reason::Released { .. } => f.write_str("the hold was lifted"),
            Reason::Retry { attempt, .. } => write!(f, "the provider refused for now: attempt {attempt} follows"),
            Reason::Outcome { end, .. } => write!(f, "the send ended as {}", end.as_str()),
            Reason::PolicyChanged { .. } => f.write_str("the flow's policy changed, so it was planned again"),
            Reason::Capped { .. } => f.write_str("the cap on follow-ups is reached"),
            Reason::OptedOut { .. } => f.write_str("the person opted out"),
            Reason::TooLate { .. } => f.write_str("its moment passed longer ago than is allowed"),
            Reason::Revived { .. } => f.write_str("a late word revived the conversation"),
            Reason::Superseded { .. } => f.write_str("another flow took its place"),
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
