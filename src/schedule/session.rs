//! The messaging window: free text only for so long after the person's last message.
//!
//! Not the provider's rule itself (`protocols.md`): window and margin are settings, and a flow may have none.

use super::spread::place;
use super::{Action, Open, Reason, Rules, Silence, SkipReason, Slot, Trail};
use crate::limits::WAIT_FLOOR;
use crate::moment::{MINUTE, Moment};
use std::sync::Arc;

/// The messaging window of a flow. Durations are milliseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// How long free text is taken after the person's last message.
    pub window: i64,
    /// How much of it is left unused, at its end.
    pub margin: i64,
    /// What is done when a follow-up would come after it.
    pub when_closed: WhenClosed,
    /// The approved template, where there is one.
    pub template: Option<Arc<str>>,
    /// How much sooner than its moment a follow-up that was brought forward may be handed over.
    pub advance_lead: i64,
}

/// What may be done when the messaging window is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Otherwise {
    /// A free message at the last open second inside the window.
    Advance,
    /// The approved template, when due.
    Template,
    /// Nothing.
    Skip,
}

/// What is done when the messaging window is over: the first that applies. Inline, no heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WhenClosed {
    list: [Option<Otherwise>; 3],
}

impl Otherwise {
    /// The three words, in the order of the default.
    pub const ALL: [Otherwise; 3] = [Otherwise::Advance, Otherwise::Template, Otherwise::Skip];

    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Otherwise::Advance => "advance",
            Otherwise::Template => "template",
            Otherwise::Skip => "skip",
        }
    }

    /// Reads the word; `None` where it is none of the three.
    #[must_use]
    pub fn parse(word: &str) -> Option<Otherwise> {
        Otherwise::ALL.into_iter().find(|choice| choice.as_str() == word)
    }
}

impl WhenClosed {
    /// The list in its order. A word that comes again changes nothing and is dropped.
    #[must_use]
    pub fn new(choices: &[Otherwise]) -> WhenClosed {
        let mut list = [None; 3];
        let mut len = 0;
        for choice in choices {
            if len < list.len() && !list.contains(&Some(*choice)) {
                list[len] = Some(*choice);
                len += 1;
            }
        }
        WhenClosed { list }
    }

    /// The choices, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Otherwise> + use<> {
        self.list.into_iter().flatten()
    }
}

impl Default for WhenClosed {
    /// `["advance", "template", "skip"]`.
    fn default() -> WhenClosed {
        WhenClosed::new(&Otherwise::ALL)
    }
}

impl Default for Session {
    /// 24 hours less 10 minutes, no template, a lead of 15 minutes.
    fn default() -> Session {
        Session {
            window: 1440 * MINUTE,
            margin: 10 * MINUTE,
            when_closed: WhenClosed::default(),
            template: None,
            advance_lead: 15 * MINUTE,
        }
    }
}

impl Session {
    /// The last instant for free text after a message of the person: the end of the window less its margin.
    #[must_use]
    pub fn closes(&self, last_inbound_at: Moment) -> Moment {
        last_inbound_at.plus(self.window.saturating_sub(self.margin))
    }
}

/// Rules 4 to 6 of the contract: `open` begins at the moment it is due by hours alone.
pub(super) fn within_window(rules: &Rules, silence: &Silence, open: Open, deferred: bool, trail: &mut Trail) -> Action {
    let spread = if deferred { rules.spread } else { 0 };
    let due = open.from;
    let Some(session) = &rules.session else {
        return Action::Message(placed(due, open.until, spread, silence.spread_key, trail));
    };
    let closes = silence.last_inbound_at.map(|last| session.closes(last));
    match closes {
        Some(closes) if due <= closes => {
            trail.push(Reason::WindowFits { at: due, closes });
            return Action::Message(placed(due, open.until.min(closes), spread, silence.spread_key, trail));
        }
        Some(closes) => trail.push(Reason::WindowClosed { at: due, closes }),
        None => trail.push(Reason::NeverWrote { at: due }),
    }
    for choice in session.when_closed.iter() {
        match (choice, closes) {
            (Otherwise::Advance, Some(closes)) => {
                let earliest = silence.inactive_since.plus(WAIT_FLOOR).max(silence.now);
                if let Some(last) = rules.hours.last_open_second(earliest, closes) {
                    trail.push(Reason::Advanced { at: last, from: due });
                    let not_before = earliest.max(last.plus(session.advance_lead.saturating_neg())).min(last);
                    return Action::Message(Slot { due: last, not_before, not_after: last });
                }
            }
            (Otherwise::Template, _) if session.template.is_some() => {
                trail.push(Reason::Template { at: due });
                return Action::Template(placed(due, open.until, spread, silence.spread_key, trail));
            }
            (Otherwise::Advance | Otherwise::Template, _) => {}
            (Otherwise::Skip, _) => break,
        }
    }
    trail.push(Reason::Skipped { at: due, reason: SkipReason::WindowClosed });
    Action::Skip(SkipReason::WindowClosed)
}

/// The slot from `due` to `not_after`, with its due moved on from the opening by the spread.
fn placed(due: Moment, not_after: Moment, spread: i64, key: u64, trail: &mut Trail) -> Slot {
    let by = place(key, spread.min(not_after.since(due)));
    let moved = due.plus(by);
    if by > 0 {
        trail.push(Reason::Spread { at: moved, by });
    }
    Slot { due: moved, not_before: moved, not_after }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::HOUR;
    use crate::schedule::{Daily, Hours, plan};

    /// Open from 13:00 to 14:00, a wait of an hour, a window of two hours without margin.
    fn rules(choices: &[Otherwise], template: bool) -> Rules {
        let session = Session {
            window: 2 * HOUR,
            margin: 0,
            when_closed: WhenClosed::new(choices),
            template: template.then(|| Arc::from("OTB1")),
            advance_lead: 15 * MINUTE,
        };
        Rules { enabled: true, wait: HOUR, hours: Hours::Daily(Daily::new(13 * HOUR, 14 * HOUR)), session: Some(session), spread: HOUR }
    }

    fn at(hour: i64, minute: i64) -> Moment {
        Moment(hour * HOUR + minute * MINUTE)
    }

    fn silence(since: Moment, last_inbound_at: Option<Moment>) -> Silence {
        Silence { inactive_since: since, last_inbound_at, now: since, spread_key: 1 }
    }

    #[test]
    fn the_window_counts_to_its_last_millisecond() {
        // Due at 13:00, the opening, where the window closes too; with a place for the spread neither moves it.
        let fits = plan(&rules(&[], false), &silence(at(11, 0), Some(at(11, 0))));
        assert_eq!(fits.action, Action::Message(Slot { due: at(13, 0), not_before: at(13, 0), not_after: at(13, 0) }));
        let late = plan(&rules(&[], false), &silence(at(11, 0), Some(at(11, 0).plus(-1))));
        assert_eq!(late.action, Action::Skip(SkipReason::WindowClosed));
    }

    #[test]
    fn only_what_was_deferred_is_spread() {
        let on_time = plan(&rules(&[], false), &silence(at(12, 5), Some(at(12, 5))));
        assert_eq!(on_time.action, Action::Message(Slot { due: at(13, 5), not_before: at(13, 5), not_after: at(14, 0) }));
        let deferred = plan(&rules(&[], false), &silence(at(11, 30), Some(at(11, 30)))).action.slot().unwrap();
        assert!(deferred.due > at(13, 0) && deferred.due < at(13, 30) && deferred.not_after == at(13, 30), "{deferred:?}");
        let template = plan(&rules(&[Otherwise::Template], true), &silence(at(11, 30), None));
        let Action::Template(slot) = template.action else { panic!("{template:?}") };
        assert!(slot.due > at(13, 0) && slot.due == slot.not_before && slot.not_after == at(14, 0), "{slot:?}");
    }

    #[test]
    fn the_first_choice_that_applies_is_taken() {
        use Otherwise::{Advance, Skip, Template};
        // Due at 13:00 tomorrow; the window closes at 14:50 today. An hour at most can be gone back.
        let since = at(12, 50);
        for (choices, template, expected) in [
            (&[Advance, Template, Skip][..], true, "message"),
            (&[Template, Advance], true, "template"),
            (&[Template, Advance], false, "message"),
            (&[Skip, Advance], true, "skip"),
            (&[Template], false, "skip"),
            (&[], true, "skip"),
        ] {
            let rules = Rules { wait: 2 * HOUR, ..rules(choices, template) };
            let decided = plan(&rules, &silence(since, Some(since)));
            assert_eq!(decided.action.as_str(), expected, "{choices:?}");
            if let Action::Message(slot) = decided.action {
                let last = at(14, 0).plus(-1_000);
                assert_eq!(slot, Slot { due: last, not_before: last.plus(-15 * MINUTE), not_after: last });
            }
        }
    }

    #[test]
    fn nothing_is_brought_forward_into_the_first_half_hour() {
        let since = at(13, 40);
        let rules = Rules { wait: 2 * HOUR, ..rules(&[Otherwise::Advance], false) };
        assert_eq!(plan(&rules, &silence(since, Some(since))).action, Action::Skip(SkipReason::WindowClosed));
        let slot = plan(&rules, &silence(at(13, 20), Some(at(13, 20)))).action.slot().unwrap();
        assert_eq!((slot.not_before, slot.due), (at(13, 50), at(14, 0).plus(-1_000)));
    }
}
