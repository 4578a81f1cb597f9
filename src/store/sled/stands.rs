//! Where conversations stand and where their records are, as the blocks said when they were opened: read once, for whoever is told
//! of them first.
//!
//! Not kept: gone when it was told, or when a fold has written more. It holds some sixty bytes for each conversation meanwhile.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::engine::record::Stored;
use crate::id::ConversationId;
use crate::store::codec::PAYLOAD_BYTES;
use crate::store::sled::items::{Mark, stored};
use crate::store::sled::places::PLACE_BITS;

/// Bits of the length of a state: it is part of a value.
const LENGTH_BITS: u32 = 64 - PLACE_BITS;
const _: () = assert!(PAYLOAD_BYTES < 1 << LENGTH_BITS, "a state is not longer than its value");
/// Bytes of states that are kept together, and let go of together.
const PIECE: usize = 1 << 20;

/// What blocks said of conversations, from the last item to the first.
#[derive(Debug, Default)]
pub(super) struct Stands {
    /// Each conversation: its id, the number of the value that has its record (0 where it was forgotten), the length of its state.
    met: Vec<([u64; 2], u64)>,
    /// Where a conversation is in `met`, while blocks are read.
    index: HashTable<u32>,
    /// States of those that are not finished, one behind the other.
    states: Vec<Vec<u8>>,
    unfinished: usize,
}

/// What an item is, met behind those that stand after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Met {
    /// The last of its conversation: it counts.
    Last,
    /// Another with the same record: it has more of its aliases.
    More,
    /// It is outdated.
    Outdated,
}

impl Stands {
    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        let met = &mut self.met;
        met.reserve(more);
        self.index.reserve(more, |at| hash(&met[*at as usize].0));
    }

    /// Takes an item that stands before all that were taken.
    pub(super) fn meet(&mut self, mark: &Mark<'_>) -> Met {
        let Stands { met, index, states, unfinished } = self;
        let id = [(mark.id.0 >> 64) as u64, mark.id.0 as u64];
        let place = mark.place.unwrap_or(0);
        match index.entry(hash(&id), |at| met[*at as usize].0 == id, |at| hash(&met[*at as usize].0)) {
            Entry::Occupied(at) if met[*at.get() as usize].1 >> LENGTH_BITS != place => Met::Outdated,
            Entry::Occupied(_) => Met::More,
            Entry::Vacant(vacant) => {
                // Slots of the engine's table are as long.
                vacant.insert(met.len() as u32);
                met.push((id, place << LENGTH_BITS | mark.state().len() as u64));
                *unfinished += usize::from(mark.is_unfinished());
                match states.last_mut().filter(|piece| piece.len() + mark.state().len() <= PIECE) {
                    Some(piece) => piece.extend_from_slice(mark.state()),
                    None => {
                        let mut piece = Vec::with_capacity(PIECE);
                        piece.extend_from_slice(mark.state());
                        states.push(piece);
                    }
                }
                Met::Last
            }
        }
    }

    /// All blocks are read.
    pub(super) fn settle(&mut self) {
        self.index = HashTable::new();
        self.states.iter_mut().for_each(Vec::shrink_to_fit);
    }

    /// How many are not finished.
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Tells each conversation that is not finished; `false` at one whose state cannot be decoded, and no more are told.
    ///
    /// Decoded here: a state that another processor has written takes as long to fetch as to decode.
    pub(super) fn tell(self, take: &mut dyn FnMut(Stored)) -> bool {
        self.decoded().all(|stored| stored.map(&mut *take).is_some())
    }

    /// Each conversation that is not finished; `None` where its state cannot be decoded. What was decoded is let go of on the way.
    fn decoded(self) -> impl Iterator<Item = Option<Stored>> {
        let mut pieces = self.states.into_iter();
        let (mut piece, mut at) = (Vec::new(), 0);
        let length = |what: u64| (what & ((1 << LENGTH_BITS) - 1)) as usize;
        self.met.into_iter().filter(move |(_, what)| length(*what) > 0).map(move |(id, what)| {
            if at == piece.len() {
                (piece, at) = (pieces.next().unwrap_or_default(), 0);
            }
            let from = at;
            at += length(what);
            piece.get(from..at).and_then(|state| stored(ConversationId(u128::from(id[0]) << 64 | u128::from(id[1])), state))
        })
    }
}

/// Ids are keyed hashes already.
fn hash(id: &[u64; 2]) -> u64 {
    (id[0] ^ id[1]).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Outcome, Phase};
    use crate::moment::Moment;
    use crate::store::samples::waiting;
    use crate::store::sled::items::{Item, marks, put_item};
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    proptest! {
        /// From the last to the first, the last of each conversation counts, with more of the same record; what is told is where those
        /// stood that are not finished.
        #[test]
        fn the_last_of_each_counts(items in prop::collection::vec((0u128..12, 0u64..4, 0u8..4), 0..80), reserved in 0usize..40) {
            let item = |(n, place, what): &(u128, u64, u8)| {
                let mut stored = waiting(ConversationId(n << 100 | n), Moment(1_772_000_000_000 + *place as i64));
                if *what == 0 {
                    stored.state.phase = Phase::Finished(Outcome::Expired);
                }
                if *place == 0 { Item::gone(1, stored.id, 7) } else { Item::new(1, &stored, *place, Vec::new()) }
            };
            let items: Vec<Item> = items.iter().map(item).collect();
            let mut bytes = Vec::new();
            items.iter().for_each(|item| put_item(&mut bytes, item));
            let (mut stands, mut truth) = (Stands::default(), HashMap::new());
            for (n, (mark, item)) in marks(&bytes).unwrap().iter().zip(&items).enumerate().rev() {
                if n == items.len() / 2 {
                    stands.reserve(reserved);
                }
                let expected = match truth.get(&item.id).map(|last: &&Item| last.place() == item.place()) {
                    None => Met::Last,
                    Some(true) => Met::More,
                    Some(false) => Met::Outdated,
                };
                prop_assert_eq!(stands.meet(mark), expected);
                truth.entry(item.id).or_insert(item);
            }
            stands.settle();
            let unfinished: HashSet<ConversationId> = truth.values().filter(|item| item.stored().is_some()).map(|item| item.id).collect();
            prop_assert_eq!(stands.unfinished(), unfinished.len());
            let mut told = HashSet::new();
            let mut take = |stored: Stored| assert!(told.insert(stored.id) && truth[&stored.id].stored() == Some(&stored));
            prop_assert!(stands.tell(&mut take));
            prop_assert_eq!(told, unfinished);
        }
    }

    #[test]
    fn one_that_cannot_be_decoded_ends_it() {
        let mut bytes = Vec::new();
        (1..4u128).for_each(|n| put_item(&mut bytes, &Item::new(1, &waiting(ConversationId(n << 100), Moment(9)), 1, Vec::new())));
        let mut stands = Stands::default();
        marks(&bytes).unwrap().iter().rev().for_each(|mark| assert_eq!(stands.meet(mark), Met::Last));
        let middle = stands.states[0].len() / 3;
        stands.states[0][middle + 2..middle + 6].fill(0xff);
        let mut told = Vec::new();
        assert!(!stands.tell(&mut |stored| told.push(stored.id)));
        assert_eq!(told, [ConversationId(3 << 100)]);
    }
}
