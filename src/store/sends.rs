//! What the ledger knows of each send: its last call and how that ended, in memory.
//!
//! Not the file: `ledger.rs` keeps the entries on disk and fills this at start.

use std::collections::{BTreeSet, HashMap};

use crate::engine::ports::Standing;
use crate::engine::record::{LedgerEnd, LedgerEntry, NameId};
use crate::id::{ConversationId, SendId};
use crate::moment::Moment;

/// The sends of the last months, and those of them that are in doubt.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sends {
    known: HashMap<[u8; 16], Packed>,
    /// Sends whose last call ended unknown or has no end, by the instant of their claim.
    doubts: BTreeSet<(Moment, SendId)>,
}

/// The bit beside the end that says that a call was claimed as a template.
const TEMPLATE: u8 = 0x80;

/// A [`Standing`] without padding: there may be a million of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Packed {
    conversation: [u8; 16],
    at: [u8; 8],
    line: [u8; 2],
    attempt: u8,
    end: u8,
}

impl Sends {
    /// Takes an entry in. A later call takes the place of an earlier one; "taken" is final but for the provider's own word that it
    /// was never delivered, so that nothing else can open the way to another call. An end without a claim is kept too: what stands
    /// here is never sent again.
    pub(crate) fn take(&mut self, entry: &LedgerEntry) {
        let (LedgerEntry::Intent { send, .. } | LedgerEntry::Ended { send, .. }) = *entry;
        let before = self.get(send);
        let now = after(before, entry);
        if let Some(before) = before.filter(in_doubt) {
            self.doubts.remove(&(before.at, send));
        }
        if in_doubt(&now) {
            self.doubts.insert((now.at, send));
        }
        self.known.insert(send.0.to_be_bytes(), pack(&now));
    }

    /// What is known of `send`.
    pub(crate) fn get(&self, send: SendId) -> Option<Standing> {
        self.known.get(&send.0.to_be_bytes()).map(|packed| unpack(send, packed))
    }

    /// Sends in doubt or under way, oldest first.
    pub(crate) fn doubts(&self) -> impl Iterator<Item = Standing> + '_ {
        self.doubts.iter().filter_map(|(_, send)| self.get(*send))
    }

    /// Sends whose last call was claimed at `since` or later, oldest first.
    pub(crate) fn claims(&self, since: Moment) -> Vec<Standing> {
        let late = self.known.iter().filter(|(_, packed)| i64::from_be_bytes(packed.at) >= since.0);
        let mut claims: Vec<Standing> = late.map(|(send, packed)| unpack(SendId(u128::from_be_bytes(*send)), packed)).collect();
        claims.sort_unstable_by_key(|standing| (standing.at, standing.send));
        claims
    }

    /// Forgets sends claimed before `before`.
    pub(crate) fn forget(&mut self, before: Moment) {
        self.known.retain(|_, packed| i64::from_be_bytes(packed.at) >= before.0);
        self.doubts = self.doubts.split_off(&(before, SendId(0)));
    }

    /// How many sends are known.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

fn in_doubt(standing: &Standing) -> bool {
    matches!(standing.end, None | Some(LedgerEnd::Unknown))
}

fn after(known: Option<Standing>, entry: &LedgerEntry) -> Standing {
    match *entry {
        LedgerEntry::Intent { send, attempt, at, conversation, line, template } => match known {
            Some(known) if known.end == Some(LedgerEnd::Accepted) || known.attempt > attempt => known,
            // Once a template, always one: whoever counts those has to count the earlier call too.
            known => {
                let template = template || known.is_some_and(|known| known.template);
                Standing { send, conversation, line, attempt, at, template, end: None }
            }
        },
        LedgerEntry::Ended { send, attempt, at, end } => match known {
            Some(known) if known.attempt > attempt => known,
            Some(known) if known.end == Some(LedgerEnd::Accepted) && end != LedgerEnd::Undelivered => known,
            Some(known) => Standing { attempt, end: Some(end), ..known },
            None => {
                let (conversation, line) = (ConversationId(0), NameId(0));
                Standing { send, conversation, line, attempt, at, template: false, end: Some(end) }
            }
        },
    }
}

fn pack(standing: &Standing) -> Packed {
    Packed {
        conversation: standing.conversation.0.to_be_bytes(),
        at: standing.at.0.to_be_bytes(),
        line: standing.line.0.to_be_bytes(),
        attempt: standing.attempt,
        end: standing.end.map_or(0, |end| end as u8) | if standing.template { TEMPLATE } else { 0 },
    }
}

fn unpack(send: SendId, packed: &Packed) -> Standing {
    Standing {
        send,
        conversation: ConversationId(u128::from_be_bytes(packed.conversation)),
        line: NameId(u16::from_be_bytes(packed.line)),
        attempt: packed.attempt,
        at: Moment(i64::from_be_bytes(packed.at)),
        template: packed.end & TEMPLATE != 0,
        end: end_of(packed.end & !TEMPLATE),
    }
}

/// The end stored as `code`; 0 stands for none yet.
pub(crate) fn end_of(code: u8) -> Option<LedgerEnd> {
    [LedgerEnd::Accepted, LedgerEnd::Refused, LedgerEnd::Unknown, LedgerEnd::Undelivered].into_iter().find(|end| *end as u8 == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(attempt: u8, at: i64) -> LedgerEntry {
        LedgerEntry::Intent {
            send: SendId(9),
            attempt,
            at: Moment(at),
            conversation: ConversationId(4),
            line: NameId(2),
            template: attempt == 1,
        }
    }

    fn ended(attempt: u8, end: LedgerEnd) -> LedgerEntry {
        LedgerEntry::Ended { send: SendId(9), attempt, at: Moment(50), end }
    }

    fn last(entries: &[LedgerEntry]) -> (u8, Option<LedgerEnd>, usize) {
        let mut sends = Sends::default();
        entries.iter().for_each(|e| sends.take(e));
        let standing = sends.get(SendId(9)).unwrap();
        (standing.attempt, standing.end, sends.doubts().count())
    }

    #[test]
    fn the_last_call_counts_and_taken_is_final() {
        use LedgerEnd::{Accepted, Refused, Unknown};
        assert_eq!(last(&[intent(1, 0)]), (1, None, 1));
        assert_eq!(last(&[intent(1, 0), ended(1, Refused)]), (1, Some(Refused), 0));
        assert_eq!(last(&[intent(1, 0), ended(1, Refused), intent(2, 9)]), (2, None, 1));
        assert_eq!(last(&[intent(1, 0), intent(2, 9), ended(1, Refused)]), (2, None, 1));
        assert_eq!(last(&[intent(1, 0), ended(1, Unknown)]), (1, Some(Unknown), 1));
        assert_eq!(last(&[intent(1, 0), ended(1, Unknown), ended(1, Accepted), ended(1, Refused)]), (1, Some(Accepted), 0));
        assert_eq!(last(&[intent(1, 0), ended(1, Accepted), intent(2, 9)]), (1, Some(Accepted), 0));
        assert_eq!(last(&[ended(1, Unknown)]), (1, Some(Unknown), 1));
    }

    #[test]
    fn what_is_old_is_forgotten_doubts_included() {
        let mut sends = Sends::default();
        sends.take(&intent(1, 10));
        sends.forget(Moment(10));
        assert_eq!((sends.len(), sends.doubts().count()), (1, 1));
        sends.forget(Moment(11));
        assert_eq!((sends.len(), sends.doubts().count()), (0, 0));
    }
}
