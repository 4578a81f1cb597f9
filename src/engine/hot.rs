//! Conversations that are not over, by slot and by id, in fifty-six bytes each.
//!
//! Not the working value: whoever asks gets the whole [`State`]. A state is kept as flags and distances from the beginning of its
//! silence; one that does not come back from that exactly, field by field, is kept whole beside the table. They are rare: further
//! than 24 days from one instant to another, postponed, brought forward, not silent yet.

mod cell;

use std::collections::HashMap;
use std::hash::BuildHasher;

use hashbrown::HashTable;

use cell::{Cell, RARE, USED, WAITS};

use crate::conversation::{Phase, State};
use crate::engine::record::NameId;
use crate::engine::room::Place;
use crate::engine::wheel::Slot;
use crate::id::{BySpread, ConversationId};
use crate::moment::Moment;

/// A conversation in memory.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Hot {
    /// Which.
    pub id: ConversationId,
    /// On which line.
    pub line: NameId,
    /// In which flow.
    pub flow: NameId,
    /// Where it waits in the room of its line, while it does.
    pub waits: Option<Place>,
    /// Where it stands.
    pub state: State,
}

/// Conversations that are not over.
#[derive(Debug, Default)]
pub struct HotTable {
    cells: Vec<Cell>,
    free: Vec<Slot>,
    /// Slots by the id that stands in their cell.
    by_id: HashTable<Slot>,
    /// States that no cell holds.
    rare: HashMap<Slot, State>,
    /// Where those wait that are in the room of their line.
    waiting: HashMap<Slot, Place>,
}

impl HotTable {
    /// The slot of a conversation.
    #[must_use]
    pub fn find(&self, id: ConversationId) -> Option<Slot> {
        self.by_id.find(hash(id), |slot| self.cells[*slot as usize].id() == id).copied()
    }

    /// What is in a slot.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<Hot> {
        let cell = self.cells.get(slot as usize).filter(|cell| cell.has(USED))?;
        let state = if cell.has(RARE) { *self.rare.get(&slot)? } else { cell.state() };
        Some(Hot { id: cell.id(), line: cell.line, flow: cell.flow, waits: self.waits(slot), state })
    }

    /// When what is in a slot wants to be woken.
    #[must_use]
    pub fn wake_at(&self, slot: Slot) -> Option<Moment> {
        self.get(slot)?.state.wake_at()
    }

    /// Where what is in a slot waits, while it does.
    #[must_use]
    pub fn waits(&self, slot: Slot) -> Option<Place> {
        let waits = self.cells.get(slot as usize).is_some_and(|cell| cell.has(WAITS));
        if waits { self.waiting.get(&slot).copied() } else { None }
    }

    /// Notes where what is in a slot waits from now on; answers where it waited before.
    pub fn set_waits(&mut self, slot: Slot, place: Option<Place>) -> Option<Place> {
        let before = self.waits(slot);
        if let Some(cell) = self.cells.get_mut(slot as usize) {
            cell.set(WAITS, place.is_some());
            match place {
                Some(place) => drop(self.waiting.insert(slot, place)),
                None if before.is_some() => drop(self.waiting.remove(&slot)),
                None => {}
            }
        }
        before
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, more: usize) {
        self.cells.reserve_exact(more);
    }

    /// Puts in one of many that a start tells, each once. None of them is found by its id before [`HotTable::settle`] was called.
    pub fn restore(&mut self, id: ConversationId, line: NameId, flow: NameId, state: &State) -> Slot {
        let (cell, exact) = Cell::marked(id, line, flow, state);
        let slot = self.end();
        self.cells.push(cell);
        if !exact {
            self.rare.insert(slot, *state);
        }
        slot
    }

    /// Has all that a start told found by their ids: at once, since looking for room for one of them waits for memory, and a
    /// processor waits for several at a time where it has nothing else to do.
    pub fn settle(&mut self) {
        let cells = &self.cells;
        self.by_id.reserve(cells.len() - self.by_id.len(), |slot| hash(cells[*slot as usize].id()));
        for slot in self.by_id.len()..cells.len() {
            let id = hash(cells[slot].id());
            self.by_id.insert_unique(id, slot as Slot, |slot| hash(cells[*slot as usize].id()));
        }
    }

    /// Puts a conversation in, or replaces it; where it waits stays as it is.
    pub fn put(&mut self, id: ConversationId, line: NameId, flow: NameId, state: &State) -> Slot {
        let (mut cell, exact) = Cell::marked(id, line, flow, state);
        let slot = match self.find(id) {
            Some(slot) => {
                cell.set(WAITS, self.cells[slot as usize].has(WAITS));
                self.cells[slot as usize] = cell;
                slot
            }
            None => self.take_slot(cell),
        };
        if !exact {
            self.rare.insert(slot, *state);
        } else if !self.rare.is_empty() {
            self.rare.remove(&slot);
        }
        slot
    }

    fn take_slot(&mut self, cell: Cell) -> Slot {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.cells[slot as usize] = cell;
                slot
            }
            None => {
                self.cells.push(cell);
                (self.cells.len() - 1) as Slot
            }
        };
        let cells = &self.cells;
        self.by_id.insert_unique(hash(cell.id()), slot, |slot| hash(cells[*slot as usize].id()));
        slot
    }

    /// Takes a conversation out.
    pub fn remove(&mut self, id: ConversationId) {
        let Ok(entry) = self.by_id.find_entry(hash(id), |slot| self.cells[*slot as usize].id() == id) else { return };
        let (slot, _) = entry.remove();
        self.set_waits(slot, None);
        self.cells[slot as usize].set(USED, false);
        self.rare.remove(&slot);
        self.free.push(slot);
    }

    /// All of them, in no order that matters.
    pub fn iter(&self) -> impl Iterator<Item = Hot> {
        (0..self.end()).filter_map(|slot| self.get(slot))
    }

    /// The line and the flow of each, for whoever asks for nothing else of a million.
    pub fn flows(&self) -> impl Iterator<Item = (NameId, NameId)> {
        self.cells.iter().filter(|cell| cell.has(USED)).map(|cell| (cell.line, cell.flow))
    }

    /// Those in this phase.
    pub fn in_phase(&self, phase: Phase) -> impl Iterator<Item = ConversationId> {
        self.cells.iter().filter(move |cell| cell.has(USED) && cell.phase() == phase).map(Cell::id)
    }

    /// All of them with their slots.
    pub fn slots(&self) -> impl Iterator<Item = (Slot, Hot)> {
        (0..self.end()).filter_map(|slot| Some((slot, self.get(slot)?)))
    }

    /// One past the last slot: for walking the table in pieces.
    #[must_use]
    pub fn end(&self) -> Slot {
        self.cells.len() as Slot
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

fn hash(id: ConversationId) -> u64 {
    BySpread::default().hash_one(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Purpose, SendOutcome};
    use crate::engine::room::Turn;
    use crate::engine::samples;
    use crate::limits;
    use crate::schedule::SkipReason;
    use proptest::prelude::*;
    use std::collections::BTreeMap as Truth;

    fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
        let mut items: Vec<T> = items.collect();
        items.sort_unstable();
        items
    }

    proptest! {
        /// The hot table is a map by id whose slots are used again, and gives back every state exactly.
        #[test]
        fn the_hot_table_is_a_map(steps in prop::collection::vec((samples::stored(), 0u128..12, 0u8..4), 1..100)) {
            let (mut table, mut truth) = (HotTable::default(), Truth::new());
            for (stored, id, what) in steps {
                let id = ConversationId(id << 100 | id);
                let state = State { salt: State::salt_of(id), ..stored.state };
                match what {
                    0 => {
                        table.remove(id);
                        truth.remove(&id);
                    }
                    1 if truth.contains_key(&id) => {
                        let slot = table.find(id).expect("it is there");
                        let hot: &mut Hot = truth.get_mut(&id).expect("it is there");
                        let place = Place::Line(Turn { follow_up: true, closes: Moment(1), due: Moment(2) });
                        let place = if hot.waits.is_some() { None } else { Some(place) };
                        prop_assert_eq!(table.set_waits(slot, place), hot.waits);
                        hot.waits = place;
                    }
                    _ => {
                        let slot = table.put(id, stored.line, stored.flow, &state);
                        prop_assert_eq!(table.find(id), Some(slot));
                        let waits = truth.get(&id).and_then(|hot| hot.waits);
                        truth.insert(id, Hot { id, line: stored.line, flow: stored.flow, waits, state });
                    }
                }
                let found: Truth<ConversationId, Hot> = table.iter().map(|hot| (hot.id, hot)).collect();
                prop_assert_eq!(&found, &truth);
                prop_assert_eq!((table.len(), table.is_empty()), (truth.len(), truth.is_empty()));
                let flows = |hot: &Hot| (hot.line, hot.flow);
                prop_assert_eq!(sorted(table.flows()), sorted(truth.values().map(flows)));
                let waiting = truth.values().filter(|hot| hot.state.phase == Phase::Waiting).map(|hot| hot.id);
                prop_assert_eq!(sorted(table.in_phase(Phase::Waiting)), sorted(waiting));
                prop_assert!(table.end() <= 12, "slots are not used again");
                prop_assert!(table.rare.len() <= truth.len() && table.waiting.len() <= truth.len());
                for (id, hot) in &truth {
                    let slot = table.find(*id).expect("it is there");
                    prop_assert_eq!(table.get(slot), Some(*hot));
                    prop_assert_eq!(table.wake_at(slot), hot.state.wake_at());
                }
            }
        }
    }

    #[test]
    fn what_a_start_tells_is_found_once_it_is_over() {
        let mut table = HotTable::default();
        table.reserve(40);
        let told: Vec<Hot> = (1..50u128)
            .map(|n| {
                let stored = samples::waiting(ConversationId(n << 90 | n), Moment(1_772_400_000_000 + n as i64));
                let state = if n == 7 { State { earliest: stored.state.expires, ..stored.state } } else { stored.state };
                Hot { id: stored.id, line: stored.line, flow: stored.flow, waits: None, state }
            })
            .collect();
        let slots: Vec<Slot> = told.iter().map(|hot| table.restore(hot.id, hot.line, hot.flow, &hot.state)).collect();
        assert_eq!(table.find(told[3].id), None);
        table.settle();
        for (slot, hot) in slots.into_iter().zip(&told) {
            assert_eq!((table.find(hot.id), table.get(slot)), (Some(slot), Some(*hot)));
        }
        assert_eq!((table.len(), table.rare.len()), (told.len(), 1));
        table.remove(told[0].id);
        assert_eq!((table.find(told[0].id), table.len()), (None, told.len() - 1));
    }

    #[test]
    fn what_conversations_are_in_the_whole_day_is_not_rare() {
        let mut table = HotTable::default();
        let id = ConversationId(7 << 100);
        let waiting = samples::waiting(id, Moment(1_772_400_000_123));
        let mut state = waiting.state;
        table.put(id, waiting.line, waiting.flow, &state);
        state = State { phase: Phase::Sending, attempt: 1, last_inbound: Some(state.silence.plus(-90_000)), ..state };
        table.put(id, waiting.line, waiting.flow, &state);
        state =
            State { phase: Phase::Answering, sent: Some(SendOutcome::Accepted), handed_over: state.wake, wake: None, due: None, ..state };
        table.put(id, waiting.line, waiting.flow, &state);
        assert!(table.rare.is_empty(), "{state:?}");
        table.put(id, waiting.line, waiting.flow, &State { earliest: state.expires, ..state });
        assert_eq!(table.rare.len(), 1);
    }

    #[test]
    fn every_end_reason_and_count_has_its_bits() {
        let waiting = samples::waiting(ConversationId(7 << 100), Moment(1_772_400_000_123));
        let exact = |state: State| assert!(Cell::marked(waiting.id, waiting.line, waiting.flow, &state).1, "{state:?}");
        for own in [Purpose::Ask, Purpose::Invite, Purpose::Notify, Purpose::Close] {
            exact(State { purpose: own, step: own.step().unwrap(), ..waiting.state });
        }
        for reason in SkipReason::ALL {
            let ends = [SendOutcome::Accepted, SendOutcome::Unknown, SendOutcome::Cancelled];
            for end in ends.into_iter().chain([SendOutcome::Rejected(reason), SendOutcome::Skipped(reason)]) {
                exact(State { sent: Some(end), skip: Some(reason), obstacle: Some(reason), ..waiting.state });
            }
        }
        let (attempt, step) = (limits::ATTEMPTS, limits::STEPS as u8);
        exact(State { episode: 4_095, episodes_sent: 15, attempt, step, ..waiting.state });
    }
}
