//! The compact states of conversations that are not finished, many to a value: what a start reads.
//!
//! Not their details. Each fold appends the states it came to behind the last, so it writes what changed and no more; the last one
//! of a conversation counts. Blocks are numbered without a hole, so that a lost one is seen. The oldest block is taken away when
//! too much of what is there is outdated, and what still counts in it is appended again. A fold done again after a crash appends
//! again: that changes no answer.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::conversation::Phase;
use crate::engine::ports::Fault;
use crate::engine::record::Stored;
use crate::id::ConversationId;
use crate::store::codec::PAYLOAD_BYTES;
use crate::store::codec::state::{put_stored, read_stored};
use crate::store::codec::words::{Reader, put_id, put_u};
use crate::store::sled::base::{Base, Table, Writes};

/// Under which it is noted where the blocks begin: shorter than every number, so it stands before them.
pub(super) const MARKER: [u8; 1] = [0];
/// Outdated states that are always left alone.
const SLACK: u64 = 4_096;
/// Blocks taken away in one fold, at least.
const COLLECT: u64 = 2;

/// The blocks' ends, and how much of them counts.
#[derive(Debug)]
pub(super) struct Blocks {
    first: u64,
    /// The number of the last block, and what is in it.
    last: u64,
    open: Vec<u8>,
    /// States in all blocks, and those of them that count; after a crash, until the blocks are read, about so many.
    states: u64,
    counting: u64,
}

/// Where one conversation stood after a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) seq: u64,
    pub(super) id: ConversationId,
    /// `None` where it was finished or forgotten.
    pub(super) stored: Option<Stored>,
}

impl Item {
    pub(super) fn new(seq: u64, id: ConversationId, stored: Option<Stored>) -> Item {
        Item { seq, id, stored: stored.filter(|stored| !matches!(stored.state.phase, Phase::Finished(_))) }
    }
}

impl Blocks {
    /// The blocks of a new store.
    ///
    /// # Errors
    /// Where sled cannot write.
    pub(super) fn create(base: &Base) -> Result<(), Fault> {
        let blocks = Blocks { first: 1, last: 1, open: Vec::new(), states: 0, counting: 0 };
        let mut writes = base.blocks.writes();
        blocks.put_ends(&mut writes);
        writes.apply()
    }

    /// Finds the blocks' ends. The blocks themselves are read by [`Blocks::tell`].
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where they are damaged.
    pub(super) fn open(table: &Table) -> Result<Blocks, Fault> {
        let note = table.get(&MARKER)?.ok_or_else(|| table.damaged(&MARKER, "where the blocks begin is not known"))?;
        let mut read = Reader::new(&note);
        let (Some(first), Some(states), Some(counting)) = (read.u64(), read.u64(), read.u64()) else {
            return Err(table.damaged(&MARKER, "where the blocks begin cannot be read"));
        };
        let (key, open) = table.at_or_before(&[0xff; 8])?.ok_or_else(|| table.damaged(&MARKER, "there is no block"))?;
        let last = key.as_slice().try_into().map(u64::from_be_bytes).ok().filter(|last| *last >= first);
        let last = last.ok_or_else(|| table.damaged(&key, "it is no block, and there must be one"))?;
        Ok(Blocks { first, last, open, states, counting })
    }

    /// Reads all blocks, telling each conversation that is not finished.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where one is damaged or lost.
    pub(super) fn tell(&mut self, table: &Table, take: &mut dyn FnMut(Stored)) -> Result<(), Fault> {
        let mut seen: HashTable<[u8; 16]> = HashTable::with_capacity(self.counting as usize);
        let (mut states, mut counting) = (0, 0);
        let mut expected = self.last;
        // From the last to the first: what is met first of a conversation is what counts.
        for row in table.rows_back(&[0; 8]) {
            let (key, payload) = row?;
            if key.as_ref() != expected.to_be_bytes() {
                return Err(table.damaged(&key, &format!("block {expected}, which stood before it, is lost")));
            }
            let items = read(&payload).ok_or_else(|| table.damaged(&key, "its conversations cannot be read"))?;
            states += items.len() as u64;
            for item in items.into_iter().rev() {
                let Entry::Vacant(first) = seen.entry(hash(&item.id.0.to_be_bytes()), |known| *known == item.id.0.to_be_bytes(), hash)
                else {
                    continue;
                };
                first.insert(item.id.0.to_be_bytes());
                if let Some(stored) = item.stored {
                    counting += 1;
                    take(stored);
                }
            }
            expected = expected.saturating_sub(1);
        }
        if expected + 1 != self.first {
            return Err(table.damaged(&self.first.to_be_bytes(), &format!("the blocks up to {expected} are lost")));
        }
        (self.states, self.counting) = (states, counting);
        Ok(())
    }

    /// Appends where conversations stand. `more` and `less` say how many begin and how many cease to count.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where sled cannot write.
    pub(super) fn append(&mut self, table: &Table, items: &[Item], more: u64, less: u64) -> Result<(), Fault> {
        let mut writes = table.writes();
        items.iter().for_each(|item| self.push(&mut writes, item));
        self.counting = (self.counting + more).saturating_sub(less);
        self.put_ends(&mut writes);
        writes.apply()
    }

    /// Takes the oldest blocks away, some more than `appended` states would fill, while too much is outdated. `counts` says whether
    /// the state after a change is the last of its conversation.
    ///
    /// # Errors
    /// As [`Blocks::append`], and where a block cannot be read.
    pub(super) fn collect(&mut self, table: &Table, appended: usize, counts: impl Fn(&Item) -> Result<bool, Fault>) -> Result<(), Fault> {
        let mut budget = 2 * appended as u64;
        let mut writes = table.writes();
        for round in 0.. {
            let outdated = self.states > 2 * self.counting + SLACK;
            if !outdated || self.first == self.last || writes.full() || (round >= COLLECT && budget == 0) {
                break;
            }
            let key = self.first.to_be_bytes();
            let payload = table.get(&key)?.ok_or_else(|| table.damaged(&key, "the block is lost"))?;
            let items = read(&payload).ok_or_else(|| table.damaged(&key, "its conversations cannot be read"))?;
            for item in items.iter().filter(|item| item.stored.is_some()) {
                if counts(item)? {
                    self.push(&mut writes, item);
                }
            }
            writes.remove(&key);
            self.first += 1;
            self.states = self.states.saturating_sub(items.len() as u64);
            budget = budget.saturating_sub(items.len() as u64);
        }
        if !writes.is_empty() {
            self.put_ends(&mut writes);
        }
        writes.apply()
    }

    /// Whether a later block than the first has a later state of a conversation. Reads them all: for the rare case that its record,
    /// which would say so, is damaged.
    ///
    /// # Errors
    /// Where a block cannot be read.
    pub(super) fn later_than(table: &Table, item: &Item) -> Result<bool, Fault> {
        for row in table.rows(&[0; 8]) {
            let (key, payload) = row?;
            let items = read(&payload).ok_or_else(|| table.damaged(&key, "its conversations cannot be read"))?;
            if items.iter().any(|other| other.id == item.id && other.seq > item.seq) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The last state of one conversation. Reads the blocks from the end: for the rare case that its record is damaged.
    ///
    /// # Errors
    /// Where a block cannot be read.
    pub(super) fn find(table: &Table, id: ConversationId) -> Result<Option<(u64, Option<Stored>)>, Fault> {
        for row in table.rows_back(&[0; 8]) {
            let (key, payload) = row?;
            let items = read(&payload).ok_or_else(|| table.damaged(&key, "its conversations cannot be read"))?;
            if let Some(item) = items.iter().rev().find(|item| item.id == id) {
                return Ok(Some((item.seq, item.stored)));
            }
        }
        Ok(None)
    }

    fn push(&mut self, writes: &mut Writes<'_>, item: &Item) {
        let mut bytes = Vec::with_capacity(96);
        put_item(&mut bytes, item);
        if self.open.len() + bytes.len() > PAYLOAD_BYTES {
            writes.put(&self.last.to_be_bytes(), &self.open);
            self.last += 1;
            self.open.clear();
        }
        self.open.extend_from_slice(&bytes);
        self.states += 1;
    }

    fn put_ends(&self, writes: &mut Writes<'_>) {
        writes.put(&self.last.to_be_bytes(), &self.open);
        let mut payload = Vec::new();
        put_u(&mut payload, self.first);
        put_u(&mut payload, self.states);
        put_u(&mut payload, self.counting);
        writes.put(&MARKER, &payload);
    }
}

fn put_item(out: &mut Vec<u8>, item: &Item) {
    match &item.stored {
        Some(stored) => {
            put_u(out, item.seq << 1);
            put_stored(out, stored);
        }
        None => {
            put_u(out, item.seq << 1 | 1);
            put_id(out, item.id.0);
        }
    }
}

/// Ids are keyed hashes already.
fn hash(id: &[u8; 16]) -> u64 {
    let [high, low] = id.as_chunks::<8>().0 else { return 0 };
    (u64::from_le_bytes(*high) ^ u64::from_le_bytes(*low)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The states in a block.
pub(super) fn read(payload: &[u8]) -> Option<Vec<Item>> {
    let mut read = Reader::new(payload);
    let mut items = Vec::new();
    while read.left() > 0 {
        let number = read.u64()?;
        let seq = number >> 1;
        items.push(match number & 1 {
            0 => {
                let stored = read_stored(&mut read)?;
                Item { seq, id: stored.id, stored: Some(stored) }
            }
            _ => Item { seq, id: ConversationId(read.id()?), stored: None },
        });
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Outcome;
    use crate::moment::Moment;
    use crate::store::samples::waiting;
    use std::collections::BTreeMap;

    fn all(table: &Table) -> Result<BTreeMap<ConversationId, Stored>, Fault> {
        let mut found = BTreeMap::new();
        Blocks::open(table)?.tell(table, &mut |stored| {
            assert_eq!(found.insert(stored.id, stored), None, "told twice");
        })?;
        Ok(found)
    }

    fn item(seq: u64, n: u128, round: u64) -> Item {
        let id = ConversationId(n << 90);
        let mut stored = waiting(id, Moment(1_772_000_000_000 + round as i64));
        if (n + u128::from(round)).is_multiple_of(5) {
            stored.state.phase = Phase::Finished(Outcome::Expired);
        }
        Item::new(seq, id, Some(stored).filter(|_| !(n + u128::from(round)).is_multiple_of(7)))
    }

    #[test]
    fn the_last_state_of_each_conversation_counts_and_outdated_ones_are_taken_away() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        Blocks::create(&base).unwrap();
        let mut blocks = Blocks::open(&base.blocks).unwrap();
        let mut model: BTreeMap<ConversationId, (u64, Option<Stored>)> = BTreeMap::new();
        let mut seq = 0;
        for round in 0..90 {
            let items: Vec<Item> = (0..200u128).map(|n| item(seq + n as u64 + 1, (n * 7 + u128::from(round) * 131) % 500, round)).collect();
            seq += 200;
            let before = model.values().filter(|(_, stored)| stored.is_some()).count() as u64;
            model.extend(items.iter().map(|item| (item.id, (item.seq, item.stored))));
            let after = model.values().filter(|(_, stored)| stored.is_some()).count() as u64;
            blocks.append(&base.blocks, &items, after, before).unwrap();
            blocks.collect(&base.blocks, items.len(), |item| Ok(model.get(&item.id).is_some_and(|(seq, _)| *seq == item.seq))).unwrap();
            if round % 10 == 0 {
                let counting = model.iter().filter_map(|(id, (_, stored))| stored.map(|stored| (*id, stored))).collect();
                assert_eq!(all(&base.blocks).unwrap(), counting);
                blocks = Blocks::open(&base.blocks).unwrap();
            }
        }
        assert!(blocks.first > 100, "{blocks:?}");
        assert!(blocks.states <= 2 * blocks.counting + SLACK + 400, "{} states for {}", blocks.states, blocks.counting);
    }

    #[test]
    fn a_lost_block_is_seen_wherever_it_was() {
        for lost in [1, 3, u64::MAX] {
            let home = tempfile::tempdir().unwrap();
            let base = Base::open(home.path(), true).unwrap();
            Blocks::create(&base).unwrap();
            let mut blocks = Blocks::open(&base.blocks).unwrap();
            let items: Vec<Item> = (1..200).map(|n| item(n, u128::from(n), 1)).collect();
            blocks.append(&base.blocks, &items, 0, 0).unwrap();
            let mut writes = base.blocks.writes();
            // The last one's loss is the loss of the database's end, which its mark shows; here all are lost.
            match lost {
                u64::MAX => (1..=blocks.last).for_each(|n| writes.remove(&n.to_be_bytes())),
                lost => writes.remove(&lost.to_be_bytes()),
            }
            writes.apply().unwrap();
            assert!(matches!(all(&base.blocks), Err(Fault::Corrupt(_))));
        }
    }
}
