//! Where each conversation's record stands, and whose each alias is: in memory, some eight bytes for each.
//!
//! Not the ids: the first bits of one stand for it, and whoever finds a record looks whether it is the one that was meant. Made at a
//! start from the blocks, which name the place of every record; never written itself.

use std::collections::HashMap;
use std::thread;

use crate::id::{AliasKey, ConversationId};
use crate::store::sled::spread::Spread;

/// Bits of a conversation's id that stand for it.
const TAG_BITS: u32 = 28;
/// Bits of a value's number: at a thousand values a second, enough for two years.
pub(super) const PLACE_BITS: u32 = 64 - TAG_BITS;
/// Bits of an alias that stand for it.
const NAME_BITS: u32 = 64 - TAG_BITS;
/// The first bits of a conversation's id. They sort as ids do.
pub(super) fn tag(id: ConversationId) -> u64 {
    (id.0 >> (128 - TAG_BITS)) as u64
}

/// Bits that stand for an alias.
pub(super) fn name(alias: AliasKey) -> u64 {
    (alias.0 as u64 ^ (alias.0 >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - NAME_BITS)
}

/// Places of records, and owners of aliases.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Tag of a conversation, then the number of the value that has its record. No value has records of two conversations with one tag,
    /// so that an entry means one record.
    records: Spread,
    /// Bits of an alias, then the tag of the conversation whose record names it.
    names: Spread,
    /// Conversations whose records stood in a value that cannot be read, as far as somebody asked for one.
    unreadable: HashMap<u64, Vec<ConversationId>>,
}

impl Places {
    /// Of these entries: each a [`record_entry`] or a [`name_entry`].
    pub(super) fn of(mut records: Vec<u64>, mut names: Vec<u64>) -> Places {
        // Sorting is most of it: on two processors. Where there is no thread for it, it is done below.
        thread::scope(|scope| {
            let _ = thread::Builder::new().name("read".to_owned()).spawn_scoped(scope, || names.sort_unstable());
            records.sort_unstable();
        });
        Places { records: Spread::of(records), names: Spread::of(names), unreadable: HashMap::new() }
    }

    /// Values that may have the record of a conversation: mostly one, or none where there is no such conversation.
    pub(super) fn candidates(&self, id: ConversationId) -> Vec<u64> {
        let from = tag(id) << PLACE_BITS;
        self.records.range(from).take_while(|entry| entry >> PLACE_BITS == tag(id)).map(place).collect()
    }

    /// Whether the record of this conversation in this value is the one that counts.
    pub(super) fn has(&self, id: ConversationId, place: u64) -> bool {
        self.records.contains(record_entry(id, place))
    }

    /// The record of a conversation is in another value, or in one for the first time, or nowhere any more.
    pub(super) fn moves(&mut self, id: ConversationId, before: Option<u64>, after: Option<u64>) {
        if let Some(before) = before {
            self.records.remove(record_entry(id, before));
        }
        if let Some(after) = after {
            self.records.insert(record_entry(id, after));
        }
    }

    /// Tags of the conversations that may have an alias.
    pub(super) fn owners(&self, alias: AliasKey) -> Vec<u64> {
        let name = name(alias);
        self.names
            .range(name << TAG_BITS)
            .take_while(|entry| entry >> TAG_BITS == name)
            .map(|entry| entry & ((1 << TAG_BITS) - 1))
            .collect()
    }

    /// Values that may have the records of conversations with this tag.
    pub(super) fn with_tag(&self, tag: u64) -> Vec<u64> {
        self.records.range(tag << PLACE_BITS).take_while(|entry| entry >> PLACE_BITS == tag).map(place).collect()
    }

    /// A conversation is not found any more under the aliases of these bits; told before others are [`Places::named`] so, since two
    /// conversations with one tag share their entries.
    pub(super) fn unnamed(&mut self, id: ConversationId, names: &[u64]) {
        names.iter().for_each(|name| self.names.remove(name_entry(id, *name)));
    }

    /// A conversation is found under the aliases of these bits.
    pub(super) fn named(&mut self, id: ConversationId, names: &[u64]) {
        names.iter().for_each(|name| self.names.insert(name_entry(id, *name)));
    }

    /// How many aliases lead to conversations with this tag.
    #[cfg(test)]
    pub(super) fn named_with(&self, id: ConversationId) -> usize {
        self.names.range(0).filter(|entry| entry & ((1 << TAG_BITS) - 1) == tag(id)).count()
    }

    /// Tags and places from a tag on, in the order of ids; some at a time, those of one tag together.
    pub(super) fn from(&self, tag: u64, some: usize) -> Vec<(u64, u64)> {
        let mut found: Vec<(u64, u64)> = Vec::new();
        for entry in self.records.range(tag << PLACE_BITS) {
            let tag = entry >> PLACE_BITS;
            if found.len() >= some && found.last().is_some_and(|(last, _)| *last != tag) {
                break;
            }
            found.push((tag, place(entry)));
        }
        found
    }

    /// How many records count.
    pub(super) fn len(&self) -> u64 {
        self.records.len() as u64
    }

    /// Whose records stood in a value that cannot be read, where that is known already.
    pub(super) fn unreadable(&self, place: u64) -> Option<&[ConversationId]> {
        self.unreadable.get(&place).map(Vec::as_slice)
    }

    /// Notes whose records stood in a value that cannot be read.
    pub(super) fn note_unreadable(&mut self, place: u64, ids: Vec<ConversationId>) {
        self.unreadable.insert(place, ids);
    }
}

/// What says that the record of a conversation is in a value.
pub(super) fn record_entry(id: ConversationId, place: u64) -> u64 {
    tag(id) << PLACE_BITS | place
}

/// What says that a conversation is found under an alias of which these are bits.
pub(super) fn name_entry(id: ConversationId, name: u64) -> u64 {
    name << TAG_BITS | tag(id)
}

fn place(entry: u64) -> u64 {
    entry & ((1 << PLACE_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_take_few_bytes_each() {
        let spread_id = |n: u128| ConversationId(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let mut places = Places::default();
        (0..100_000).for_each(|n| places.moves(spread_id(n), None, Some(n as u64)));
        assert!(places.records.heap() <= 100_000 * 9, "{} bytes", places.records.heap());
        (0..100_000).for_each(|n| assert!(places.candidates(spread_id(n)).contains(&(n as u64))));
        places.moves(spread_id(7), Some(7), Some(100_001));
        assert!(!places.has(spread_id(7), 7) && places.has(spread_id(7), 100_001));
        assert_eq!(places.len(), 100_000);
    }

    #[test]
    fn ids_come_in_their_order() {
        let mut places = Places::default();
        for n in [9u128, 1, 5, 5, 3] {
            places.moves(ConversationId(n << 100), None, Some(n as u64 * 10));
        }
        places.moves(ConversationId(5 << 100 | 1), None, Some(77));
        assert_eq!(places.from(1, 2), [(1, 10), (3, 30)]);
        assert_eq!(places.from(3, 2), [(3, 30), (5, 50), (5, 77)], "those of one tag together");
    }

    #[test]
    fn aliases_have_owners() {
        let (a, b, alias) = (ConversationId(1 << 100), ConversationId(2 << 100), AliasKey(77));
        let mut places = Places::default();
        places.named(a, &[name(alias), name(AliasKey(5))]);
        places.named(b, &[name(alias)]);
        assert_eq!(places.owners(alias), [1, 2]);
        assert_eq!((places.named_with(a), places.named_with(b)), (2, 1));
        places.unnamed(a, &[name(alias)]);
        assert_eq!(places.owners(alias), [2]);
        assert!(places.owners(AliasKey(6)).is_empty());
    }
}
