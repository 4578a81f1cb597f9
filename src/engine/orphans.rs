//! Claims of a process that is gone, found at start: in doubt, and never made again.
//!
//! Not the start itself: that is `core.rs`. Recovery is nothing special: each is an event like any other.

use std::collections::BTreeSet;

use crate::conversation::{Event, Phase, State, Verdict};
use crate::engine::core::{Context, Engine, InHand, ended};
use crate::engine::ports::Standing;
use crate::engine::record::{Change, Decision, LedgerEnd, LedgerEntry};
use crate::engine::status::Beside;
use crate::id::{ConversationId, SendId};
use crate::moment::Moment;

impl Engine {
    /// Claims whose process is gone: in doubt. A send that stands in the ledger while the store has not heard of its claim
    /// (a crash between the two, or a restored store) is in doubt as well.
    pub(super) fn adopt_orphans(&mut self, dangling: Vec<Standing>, now: Moment) {
        let claimed: Vec<ConversationId> = self.hot.in_phase(Phase::Sending).collect();
        let mut adopted = BTreeSet::new();
        for id in claimed {
            let Some(in_hand) = self.in_hand_hot(id) else { continue };
            let State { silence, step, doubt, .. } = in_hand.state;
            let send = self.keys.send(id, silence, step);
            let standing = self.store.standing(send);
            let ledger = standing.filter(|s| s.end.is_none()).map(|s| ended(&s, now, LedgerEnd::Unknown));
            // The ledger may have heard an end that the store has not: a crash between the two, or a restored store.
            let heard = match standing.and_then(|s| s.end.map(|end| (end, s.at))) {
                Some((LedgerEnd::Accepted, at)) => Some(Verdict::Accepted(at)),
                // It was not taken, and may be made again. A doubt waits for the report that said so to be told again, with its reason.
                Some((LedgerEnd::Refused | LedgerEnd::Undelivered, _)) if !doubt => Some(Verdict::Busy(0)),
                _ if doubt => continue,
                _ => None,
            };
            adopted.insert(send);
            let event = heard.map_or(Event::Orphaned, |verdict| Event::Sent { silence, step, verdict });
            self.step_and_keep(in_hand, &event, now, Context { ledger, ..Context::none() });
        }
        for standing in dangling.into_iter().filter(|standing| !adopted.contains(&standing.send)) {
            if let Some(end) = standing.end {
                self.tell_the_end(&standing, end, now);
                continue;
            }
            // One change for ledger and conversation: a crash between two would leave a send that has ended and has no outcome.
            let (ledger, send) = (ended(&standing, now, LedgerEnd::Unknown), standing.send);
            let in_hand = self.in_hand(standing.conversation).ok().flatten();
            let claimed = self.step_of(standing.conversation, send);
            match (in_hand, claimed) {
                (Some(in_hand), _) if self.is_planned(&in_hand, send) => {
                    self.found_in_ledger(in_hand, Verdict::Unknown, Some(ledger), now);
                }
                // The person spoke while the call was under way, and then the process died.
                (Some(in_hand), Some(step)) => {
                    self.settle_late(in_hand, (send, step), Verdict::Unknown, Beside { ledger: Some(ledger), ..Beside::default() }, now)
                }
                // Erased; or the store has lost what planned it, and it will be planned again; or a record that cannot be read,
                // which costs this send its outcome and not the others their start.
                _ => self.push(Change::Ledger(ledger)),
            }
        }
    }

    /// The ledger has heard how a call ended. A conversation that had gone on meanwhile, and of which nothing is in hand any more, hears
    /// it here where it has not.
    fn tell_the_end(&mut self, standing: &Standing, end: LedgerEnd, now: Moment) {
        let verdict = match end {
            LedgerEnd::Accepted => Verdict::Accepted(standing.at),
            LedgerEnd::Unknown => Verdict::Unknown,
            LedgerEnd::Refused | LedgerEnd::Undelivered => return,
        };
        let Some(in_hand) = self.in_hand(standing.conversation).ok().flatten() else { return };
        let state = &in_hand.state;
        let in_doubt = state.phase == Phase::Sending && self.keys.send(in_hand.id, state.silence, state.step) == standing.send;
        let known = self.details(in_hand.id).is_ok_and(|details| details.send(standing.send).is_some());
        // What is still planned asks the ledger when it comes due.
        if in_doubt || known || self.is_planned(&in_hand, standing.send) {
            return;
        }
        if let Some(step) = self.step_of(in_hand.id, standing.send) {
            self.settle_late(in_hand, (standing.send, step), verdict, Beside::default(), now);
        }
    }

    fn is_planned(&self, in_hand: &InHand, send: SendId) -> bool {
        let state = &in_hand.state;
        let planned = state.wake.is_some() && matches!(state.phase, Phase::Waiting | Phase::Retrying | Phase::Answering);
        planned && self.keys.send(in_hand.id, state.silence, state.step) == send
    }

    /// The step of a send whose conversation has gone on since, from the decision that claimed it; `None` where none did.
    fn step_of(&self, id: ConversationId, send: SendId) -> Option<u8> {
        let (_, details) = self.store.load(id).ok().flatten()?;
        let claim = |d: &&Decision| d.event == Event::Woke && self.keys.send(id, d.before.silence, d.before.step) == send;
        details.decisions.iter().rev().find(claim).map(|decision| decision.before.step)
    }

    /// Moves a conversation whose next send turns out to stand in the ledger already.
    pub(super) fn found_in_ledger(&mut self, in_hand: InHand, verdict: Verdict, ledger: Option<LedgerEntry>, now: Moment) {
        let State { silence, step, .. } = in_hand.state;
        self.step_and_keep(in_hand, &Event::Found { silence, step, verdict }, now, Context { ledger, ..Context::none() });
    }
}
