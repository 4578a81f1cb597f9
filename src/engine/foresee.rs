//! Who cannot go out in time at the rate of its line: named before it is late.
//!
//! Not a promise about the others: calls may fail, people may speak, and the number of people a day is not looked at. What is
//! lived through here, on a copy of the pace, is what the line will do if nothing comes in between: soonest closing first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::conversation::Phase;
use crate::engine::core::{Engine, InHand};
use crate::engine::hot::Hot;
use crate::engine::pace::Pace;
use crate::engine::record::NameId;
use crate::engine::request::{Late, LateOnes, due_of};
use crate::engine::room::Turn;
use crate::engine::wheel::Slot;
use crate::id::ConversationId;
use crate::limits;
use crate::moment::Moment;

/// A follow-up that will want to go out: from when on, and its turn.
type Coming = (Moment, Turn, Slot);

impl Engine {
    /// The follow-ups of a line, due by now or within [`limits::FORESEE`], that cannot go out in time at its rate, as far as is
    /// known now. By the moment each is due.
    #[must_use]
    pub fn infeasible(&self, line: NameId, now: Moment) -> Vec<ConversationId> {
        let slots = self.late_on(line, now).into_iter().map(|(_, slot)| slot);
        slots.filter_map(|slot| self.hot.get(slot)).map(|hot| hot.id).collect()
    }

    /// The same with their turns.
    pub(super) fn late_on(&self, id: NameId, now: Moment) -> Vec<(Turn, Slot)> {
        let name = self.names.name(id);
        let Some(line) = self.book.lines.get(&name).filter(|line| line.rate.is_some()) else { return Vec::new() };
        let mut coming = self.coming(id, now).into_iter().peekable();
        let mut pace = self.paces.get(&id).map_or_else(Pace::default, Pace::rate_alone);
        let (mut room, mut late) = (BinaryHeap::new(), Vec::new());
        let mut steady = self.steady;
        let mut at = steady.at(now);
        loop {
            let wall = steady.wall(at);
            while let Some((_, turn, slot)) = coming.next_if(|(from, ..)| *from <= wall) {
                room.push(Reverse((turn, slot)));
            }
            match (pace.waits(line, at), room.is_empty()) {
                (_, true) => match coming.peek() {
                    Some((from, ..)) => at = steady.at(*from),
                    None => break,
                },
                (Some(opens), false) => at = opens,
                (None, false) => match room.pop() {
                    Some(Reverse((turn, slot))) if turn.closes < wall => late.push((turn, slot)),
                    _ => pace.claimed(at),
                },
            }
        }
        late.sort_unstable_by_key(|(turn, slot)| (turn.due, *turn, *slot));
        late
    }

    /// Everything on a line that will want to go out, by when.
    fn coming(&self, line: NameId, now: Moment) -> Vec<Coming> {
        let of_line = self.hot.slots().filter(|(_, hot)| hot.line == line && waits(hot));
        let mut coming: Vec<Coming> = of_line.filter_map(|(slot, hot)| self.when_it_comes(slot, &hot, now)).collect();
        coming.sort_unstable();
        coming
    }

    fn when_it_comes(&self, slot: Slot, hot: &Hot, now: Moment) -> Option<Coming> {
        if let Some(place) = hot.waits.filter(|place| place.turn().closes >= now) {
            return Some((now, place.turn(), slot));
        }
        let wake = hot.state.wake?.max(now);
        if wake > now.plus(limits::FORESEE) {
            return None;
        }
        let in_hand = InHand { id: hot.id, line: hot.line, flow: hot.flow, state: hot.state };
        let (form, turn) = self.foretold(&in_hand, wake);
        form.map(|_| (wake, turn, slot))
    }

    /// At most so many of all lines' late ones, soonest due first, and how many there are.
    #[must_use]
    pub fn late(&self, limit: usize, now: Moment) -> LateOnes {
        let lines = self.book.lines.keys().filter_map(|line| self.names.find(line));
        let mut late: Vec<(Turn, Slot)> = lines.flat_map(|line| self.late_on(line, now)).collect();
        late.sort_unstable_by_key(|(turn, slot)| (turn.due, *turn, *slot));
        let total = late.len() as u64;
        let told = late.into_iter().take(limit.clamp(1, limits::PAGE)).filter_map(|(turn, slot)| {
            let hot = self.hot.get(slot)?;
            let caller = self.store.load(hot.id).ok().flatten().map(|(_, details)| details.caller).unwrap_or_default();
            let (conversation, line) = (hot.id, self.names.name(hot.line));
            Some(Late { conversation, caller, line, due: turn.due, not_after: turn.closes })
        });
        LateOnes { late: told.collect(), total }
    }
}

/// Whether something is planned that nobody has claimed.
fn waits(hot: &Hot) -> bool {
    hot.state.phase != Phase::Sending && !hot.state.held && due_of(&hot.state).is_some()
}
