//! The engine's tables: names as numbers, identities by day, and conversations that are not over.
//!
//! Not durable: all of it is derived from the store at start.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use crate::conversation::State;
use crate::engine::record::NameId;
use crate::engine::request::unnamed;
use crate::engine::room::Place;
use crate::engine::wheel::Slot;
use crate::id::{ConversationId, EventKey};
use crate::limits;
use crate::moment::{DAY, Moment};

/// Names of lines, flows and hooks, each with its number for ever. Shared with those who render beside the engine.
#[derive(Debug, Default)]
pub struct Names {
    table: RwLock<NameTable>,
}

#[derive(Debug, Default)]
struct NameTable {
    by_name: HashMap<Arc<str>, NameId>,
    by_id: HashMap<NameId, Arc<str>>,
}

impl Names {
    /// A name and number found in the store.
    pub fn restore(&self, id: NameId, name: Arc<str>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.by_name.insert(Arc::clone(&name), id);
        table.by_id.insert(id, name);
    }

    /// The number of `name`; `None` where it has none yet.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NameId> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name).copied()
    }

    /// The number of `name`, a new one where it has none; `true` where it is new and must be kept.
    pub fn number(&self, name: &str) -> (NameId, bool) {
        if let Some(id) = self.find(name) {
            return (id, false);
        }
        // 65 536 names of lines, flows and hooks over a store's life; beyond, the last number is shared and shown as such.
        let last = self.table.read().unwrap_or_else(PoisonError::into_inner).by_id.keys().map(|id| id.0).max();
        let next = NameId(last.map_or(0, |last| last.saturating_add(1)));
        self.restore(next, Arc::from(name));
        (next, true)
    }

    /// The name of a number.
    #[must_use]
    pub fn name(&self, id: NameId) -> Arc<str> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_id.get(&id).map_or_else(|| unnamed(id), Arc::clone)
    }
}

/// Identities of events, kept by the day on which they came in.
#[derive(Debug, Default)]
pub struct Identities {
    days: BTreeMap<i64, HashSet<EventKey>>,
}

impl Identities {
    /// The day of an instant, counted from the epoch.
    #[must_use]
    pub fn day(at: Moment) -> i64 {
        at.0.div_euclid(DAY)
    }

    /// Whether this event was seen.
    #[must_use]
    pub fn seen(&self, key: EventKey) -> bool {
        self.days.values().rev().any(|day| day.contains(&key))
    }

    /// Notes that it was seen on this day.
    pub fn note(&mut self, key: EventKey, day: i64) {
        self.days.entry(day).or_default().insert(key);
    }

    /// Forgets the days that are over; answers the last day forgotten, where any was.
    pub fn forget(&mut self, now: Moment) -> Option<i64> {
        let last = Identities::day(now) - limits::IDENTITY_DAYS - 1;
        let kept = self.days.split_off(&(last + 1));
        let forgotten = std::mem::replace(&mut self.days, kept);
        (!forgotten.is_empty()).then_some(last)
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.days.values().map(HashSet::len).sum()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }
}

/// A conversation in memory.
#[derive(Clone, Debug)]
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

/// Conversations that are not over, by slot and by id.
#[derive(Debug, Default)]
pub struct HotTable {
    slots: Vec<Option<Hot>>,
    free: Vec<Slot>,
    by_id: HashMap<ConversationId, Slot>,
}

impl HotTable {
    /// The slot of a conversation.
    #[must_use]
    pub fn find(&self, id: ConversationId) -> Option<Slot> {
        self.by_id.get(&id).copied()
    }

    /// What is in a slot.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Hot> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// What is in a slot, to change it.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Hot> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Puts a conversation in, or replaces it.
    pub fn put(&mut self, hot: Hot) -> Slot {
        if let Some(slot) = self.find(hot.id) {
            self.slots[slot as usize] = Some(hot);
            return slot;
        }
        let id = hot.id;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(hot);
                slot
            }
            None => {
                self.slots.push(Some(hot));
                (self.slots.len() - 1) as Slot
            }
        };
        self.by_id.insert(id, slot);
        slot
    }

    /// Takes a conversation out.
    pub fn remove(&mut self, id: ConversationId) {
        if let Some(slot) = self.by_id.remove(&id) {
            self.slots[slot as usize] = None;
            self.free.push(slot);
        }
    }

    /// All of them, in no order that matters.
    pub fn iter(&self) -> impl Iterator<Item = &Hot> {
        self.slots.iter().flatten()
    }

    /// All of them with their slots.
    pub fn slots(&self) -> impl Iterator<Item = (Slot, &Hot)> {
        self.slots.iter().enumerate().filter_map(|(slot, hot)| Some((slot as Slot, hot.as_ref()?)))
    }

    /// One past the last slot: for walking the table in pieces.
    #[must_use]
    pub fn end(&self) -> Slot {
        self.slots.len() as Slot
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap as Truth;

    #[test]
    fn a_name_keeps_its_number_for_ever() {
        let names = Names::default();
        names.restore(NameId(7), Arc::from("support"));
        assert_eq!(names.number("support"), (NameId(7), false));
        assert_eq!(names.number("ventas"), (NameId(8), true));
        assert_eq!(names.number("ventas"), (NameId(8), false));
        assert_eq!((names.find("ventas"), names.find("nobody")), (Some(NameId(8)), None));
        assert_eq!((&*names.name(NameId(7)), &*names.name(NameId(9))), ("support", "#9"));
        names.restore(NameId(u16::MAX), Arc::from("the last"));
        assert_eq!(names.number("one too many"), (NameId(u16::MAX), true));
    }

    #[test]
    fn identities_are_kept_nine_days() {
        let mut identities = Identities::default();
        let day = |n: i64| Moment(n * DAY);
        identities.note(EventKey(1), Identities::day(day(100)));
        identities.note(EventKey(2), Identities::day(day(101)));
        assert!(identities.seen(EventKey(1)) && !identities.seen(EventKey(3)));
        assert_eq!(identities.forget(day(109)), None);
        assert!(identities.seen(EventKey(1)), "nine days are not over");
        assert_eq!(identities.forget(day(110)), Some(100));
        assert_eq!((identities.seen(EventKey(1)), identities.seen(EventKey(2)), identities.len()), (false, true, 1));
        assert_eq!(identities.forget(Moment(111 * DAY + DAY - 1)), Some(101));
        assert!(identities.is_empty());
        assert_eq!(Identities::day(Moment(-1)), -1);
    }

    proptest! {
        /// The hot table is a map by id whose slots are used again.
        #[test]
        fn the_hot_table_is_a_map(steps in prop::collection::vec((0u128..12, any::<bool>()), 1..100)) {
            let (mut table, mut truth) = (HotTable::default(), Truth::new());
            for (n, (id, put)) in steps.into_iter().enumerate() {
                let id = ConversationId(id);
                if put {
                    let state = State { salt: n as u32, ..State::new(id, false) };
                    let slot = table.put(Hot { id, line: NameId(0), flow: NameId(0), waits: None, state });
                    prop_assert_eq!(table.find(id), Some(slot));
                    truth.insert(id, n as u32);
                } else {
                    table.remove(id);
                    truth.remove(&id);
                }
                let found: Truth<ConversationId, u32> = table.iter().map(|hot| (hot.id, hot.state.salt)).collect();
                prop_assert_eq!(&found, &truth);
                prop_assert_eq!((table.len(), table.is_empty()), (truth.len(), truth.is_empty()));
                prop_assert!(table.end() <= 12, "slots are not used again");
                for (id, salt) in &truth {
                    let slot = table.find(*id).expect("it is there");
                    prop_assert_eq!(table.get(slot).map(|hot| hot.state.salt), Some(*salt));
                }
            }
        }
    }
}
