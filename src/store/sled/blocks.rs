//! Where every conversation stands and where its record is, many to a value: what a start reads.
//!
//! Not their details. Each fold appends what it came to behind the last, so it writes what changed and no more; the last item of a
//! conversation counts, and it is the one that names the place of its record. Blocks are numbered without a hole, so that a lost one is
//! seen. The oldest block is taken away when too much of what is there is outdated, and what still counts in it is appended again. A
//! fold done again after a crash appends again: that changes no answer.

use std::sync::Mutex;

use crate::engine::ports::Fault;
use crate::engine::record::Stored;
use crate::id::ConversationId;
use crate::store::codec::PAYLOAD_BYTES;
use crate::store::codec::words::{Reader, put_u};
use crate::store::sled::base::{Base, Table, Writes};
use crate::store::sled::items::{Item, marks, put_item, read};
use crate::store::sled::lock;
use crate::store::sled::places::{Places, name_entry, record_entry};
use crate::store::sled::stands::{Met, Stands};

/// Under which it is noted where the blocks begin: shorter than every number, so it stands before them.
pub(super) const MARKER: [u8; 1] = [0];
/// Outdated items that are always left alone.
const SLACK: u64 = 4_096;
/// Blocks by which it is judged how full the others are.
const SAMPLE: u64 = 32;
/// Blocks taken away in one fold, at least.
const COLLECT: u64 = 2;

/// The blocks' ends.
#[derive(Debug)]
pub(super) struct Blocks {
    first: u64,
    /// The number of the last block, and what is in it.
    last: u64,
    open: Vec<u8>,
    /// Items in all blocks.
    items: u64,
    /// Conversations that were not finished when the blocks were opened.
    pub(super) unfinished: usize,
    /// What was read of them, until it is told or outdated.
    stands: Option<Stands>,
}

impl Blocks {
    /// The blocks of a new store.
    ///
    /// # Errors
    /// Where sled cannot write.
    pub(super) fn create(base: &Base) -> Result<(), Fault> {
        let blocks = Blocks { first: 1, last: 1, open: Vec::new(), items: 0, unfinished: 0, stands: None };
        let mut writes = base.blocks.writes();
        blocks.put_ends(&mut writes);
        writes.apply()
    }

    /// Reads all blocks for where records are. Where conversations stand is told by [`Blocks::tell`].
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where one is damaged or lost.
    pub(super) fn open(table: &Table) -> Result<(Blocks, Places), Fault> {
        let note = table.get(&MARKER)?.ok_or_else(|| table.damaged(&MARKER, "where the blocks begin is not known"))?;
        let first = Reader::new(&note).u64().ok_or_else(|| table.damaged(&MARKER, "where the blocks begin cannot be read"))?;
        let (key, open) = table.at_or_before(&[0xff; 8])?.ok_or_else(|| table.damaged(&MARKER, "there is no block"))?;
        let last = key.as_slice().try_into().map(u64::from_be_bytes).ok().filter(|last| *last >= first);
        let last = last.ok_or_else(|| table.damaged(&key, "it is no block, and there must be one"))?;
        let mut stands = Stands::default();
        let (mut items, mut records, mut names) = (0, Vec::new(), Vec::new());
        let before = table.at_or_before(&first.saturating_sub(1).to_be_bytes())?.filter(|(key, _)| first > 0 && *key != MARKER);
        if let Some((key, _)) = before {
            return Err(table.damaged(&key, &format!("it stands before block {first}, which is noted as the first")));
        }
        let mut left = last - first;
        // From the last to the first: what is met first of a conversation is what counts.
        table.read_ahead((first..=last).rev(), |key, payload| {
            let marks = marks(payload).ok_or_else(|| table.damaged(key, "its conversations cannot be read"))?;
            items += marks.len() as u64;
            if last - first - left == SAMPLE {
                // At once, not doubled again and again: the others are as full, by all that is known.
                let more = (items / SAMPLE * left) as usize;
                stands.reserve(more);
                records.reserve(more);
                names.reserve(more);
            }
            for mark in marks.iter().rev() {
                let met = stands.meet(mark);
                records.extend(mark.place.filter(|_| met == Met::Last).map(|place| record_entry(mark.id, place)));
                // One with many aliases has several items.
                names.extend(mark.names().filter(|_| met != Met::Outdated).map(|name| name_entry(mark.id, name)));
            }
            left = left.saturating_sub(1);
            Ok(())
        })?;
        stands.settle();
        let places = Places::of(records, names);
        Ok((Blocks { first, last, open, items, unfinished: stands.unfinished(), stands: Some(stands) }, places))
    }

    /// Tells each conversation that is not finished: as it was read when the blocks were opened, if that was not told and no fold has
    /// written more since; then all blocks are read again.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where one is damaged.
    pub(super) fn tell(&mut self, table: &Table, places: &Mutex<Places>, take: &mut dyn FnMut(Stored)) -> Result<(), Fault> {
        if let Some(stands) = self.stands.take()
            && stands.tell(take)
        {
            return Ok(());
        }
        // Also where one cannot be decoded: this says in which block.
        table.read_ahead((self.first..=self.last).rev(), |key, payload| {
            let bad = || table.damaged(key, "its conversations cannot be read");
            let mut marks = marks(payload).ok_or_else(bad)?;
            let known = lock(places);
            marks.retain(|mark| mark.place.is_some_and(|place| known.has(mark.id, place)));
            drop(known);
            marks.iter().filter(|mark| mark.is_unfinished()).try_for_each(|mark| mark.stored().map(&mut *take)).ok_or_else(bad)
        })
    }

    /// Appends where conversations stand.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where sled cannot write.
    pub(super) fn append<'a>(&mut self, table: &Table, items: impl IntoIterator<Item = &'a Item>) -> Result<(), Fault> {
        self.stands = None;
        let mut writes = table.writes();
        items.into_iter().for_each(|item| self.push(&mut writes, item));
        self.put_ends(&mut writes);
        writes.apply()
    }

    /// Takes the oldest blocks away, some more than `appended` items would fill, while too much is outdated. `first` is the oldest value
    /// of records.
    ///
    /// # Errors
    /// As [`Blocks::append`], and where a block cannot be read.
    pub(super) fn collect(&mut self, table: &Table, appended: usize, places: &Mutex<Places>, first: u64) -> Result<(), Fault> {
        let mut budget = 2 * appended as u64;
        let mut writes = table.writes();
        for round in 0.. {
            let outdated = self.items > 2 * lock(places).len() + SLACK;
            if !outdated || self.first == self.last || writes.full() || (round >= COLLECT && budget == 0) {
                break;
            }
            let key = self.first.to_be_bytes();
            let payload = table.get(&key)?.ok_or_else(|| table.damaged(&key, "the block is lost"))?;
            let items = read(&payload).ok_or_else(|| table.damaged(&key, "its conversations cannot be read"))?;
            let known = lock(places);
            items.iter().filter(|item| item.counts(&known, first)).for_each(|item| self.push(&mut writes, item));
            drop(known);
            writes.remove(&key);
            self.first += 1;
            self.items = self.items.saturating_sub(items.len() as u64);
            budget = budget.saturating_sub(items.len() as u64);
        }
        if !writes.is_empty() {
            self.put_ends(&mut writes);
        }
        writes.apply()
    }

    /// Whose records are said to be in a value, now or earlier. Reads all blocks: for the rare value that cannot be read.
    ///
    /// # Errors
    /// Where a block cannot be read.
    pub(super) fn at(table: &Table, place: u64) -> Result<Vec<ConversationId>, Fault> {
        let mut ids = Vec::new();
        for row in table.rows(&[0; 8]) {
            let (key, payload) = row?;
            let marks = marks(&payload).ok_or_else(|| table.damaged(&key, "its conversations cannot be read"))?;
            ids.extend(marks.into_iter().filter(|mark| mark.place == Some(place)).map(|mark| mark.id));
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Bits of the aliases of a conversation whose record is in a value. Reads all blocks: for the rare record that cannot be read.
    ///
    /// # Errors
    /// Where a block cannot be read.
    pub(super) fn names(table: &Table, id: ConversationId, place: u64) -> Result<Vec<u64>, Fault> {
        let mut names = Vec::new();
        for row in table.rows(&[0; 8]) {
            let (key, payload) = row?;
            let marks = marks(&payload).ok_or_else(|| table.damaged(&key, "its conversations cannot be read"))?;
            names.extend(marks.into_iter().filter(|mark| (mark.id, mark.place) == (id, Some(place))).flat_map(|mark| mark.names()));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The last item of one conversation. Reads the blocks from the end: for the rare case that its record cannot be read.
    ///
    /// # Errors
    /// Where a block cannot be read.
    pub(super) fn find(table: &Table, id: ConversationId) -> Result<Option<Item>, Fault> {
        for row in table.rows_back(&[0; 8]) {
            let (key, payload) = row?;
            let items = read(&payload).ok_or_else(|| table.damaged(&key, "its conversations cannot be read"))?;
            if let Some(item) = items.into_iter().rev().find(|item| item.id == id) {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    fn push(&mut self, writes: &mut Writes<'_>, item: &Item) {
        if let Some(parts) = item.parts() {
            return parts.iter().for_each(|part| self.push(writes, part));
        }
        let mut bytes = Vec::with_capacity(96);
        put_item(&mut bytes, item);
        if self.open.len() + bytes.len() > PAYLOAD_BYTES {
            writes.put(&self.last.to_be_bytes(), &self.open);
            self.last += 1;
            self.open.clear();
        }
        self.open.extend_from_slice(&bytes);
        self.items += 1;
    }

    fn put_ends(&self, writes: &mut Writes<'_>) {
        writes.put(&self.last.to_be_bytes(), &self.open);
        let mut payload = Vec::new();
        put_u(&mut payload, self.first);
        writes.put(&MARKER, &payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Outcome, Phase};
    use crate::moment::Moment;
    use crate::store::samples::waiting;
    use crate::store::sled::items::NAMES;
    use std::collections::BTreeMap;

    fn all(table: &Table) -> Result<BTreeMap<ConversationId, Stored>, Fault> {
        let (mut blocks, places) = Blocks::open(table)?;
        let places = Mutex::new(places);
        let mut told = || {
            let mut found = BTreeMap::new();
            blocks.tell(table, &places, &mut |stored| assert_eq!(found.insert(stored.id, stored), None, "told twice"))?;
            Ok(found)
        };
        let (kept, read) = (told()?, told()?);
        assert_eq!(kept, read, "what was read at first, and what is read again");
        Ok(kept)
    }

    fn item(seq: u64, n: u128, round: u64) -> Item {
        let id = ConversationId(n << 90);
        let mut stored = waiting(id, Moment(1_772_000_000_000 + round as i64));
        if (n + u128::from(round)).is_multiple_of(5) {
            stored.state.phase = Phase::Finished(Outcome::Expired);
        }
        match (n + u128::from(round)).is_multiple_of(7) {
            true => Item::gone(seq, id, 1),
            false => Item::new(seq, &stored, seq, vec![n as u64; (n % 3) as usize * NAMES / 3 + round as usize % 5]),
        }
    }

    #[test]
    fn the_last_item_of_each_conversation_counts_and_outdated_ones_are_taken_away() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        Blocks::create(&base).unwrap();
        let opened = || Blocks::open(&base.blocks).map(|(blocks, places)| (blocks, Mutex::new(places))).unwrap();
        let (mut blocks, mut places) = opened();
        let mut model: BTreeMap<ConversationId, Item> = BTreeMap::new();
        let mut seq = 0;
        for round in 0..90 {
            let items: Vec<Item> = (0..200u128).map(|n| item(seq + n as u64 + 1, (n * 7 + u128::from(round) * 131) % 500, round)).collect();
            seq += 200;
            for item in &items {
                let before = model.insert(item.id, item.clone()).and_then(|before| before.place());
                lock(&places).moves(item.id, before, item.place());
            }
            blocks.append(&base.blocks, &items).unwrap();
            blocks.collect(&base.blocks, items.len(), &places, u64::MAX).unwrap();
            if round % 10 == 0 {
                let counting = model.values().filter_map(|item| item.stored().map(|stored| (item.id, *stored))).collect();
                assert_eq!(all(&base.blocks).unwrap(), counting);
                (blocks, places) = opened();
                for item in model.values() {
                    assert!(item.place().is_none_or(|place| lock(&places).has(item.id, place)), "{item:?}");
                }
                assert_eq!(lock(&places).len(), model.values().filter(|item| item.place().is_some()).count() as u64);
            }
        }
        assert!(blocks.first > 100, "{blocks:?}");
        let live = lock(&places).len();
        assert!(blocks.items <= 2 * live + SLACK + 400, "{} items for {live}", blocks.items);
    }

    #[test]
    fn an_item_comes_back_however_many_aliases_it_has() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        Blocks::create(&base).unwrap();
        let (mut blocks, _) = Blocks::open(&base.blocks).unwrap();
        let stored = waiting(ConversationId(7 << 100), Moment(1_772_000_000_000));
        let names: Vec<u64> = (0..2_000).collect();
        blocks.append(&base.blocks, &[Item::new(3, &stored, 9, names.clone())]).unwrap();
        assert_eq!(Blocks::names(&base.blocks, stored.id, 9).unwrap(), names);
        let (_, places) = Blocks::open(&base.blocks).unwrap();
        assert_eq!(places.named_with(stored.id), names.len());
        assert_eq!(all(&base.blocks).unwrap().into_values().collect::<Vec<_>>(), [stored]);
        assert_eq!(Blocks::at(&base.blocks, 9).unwrap(), [stored.id]);
        assert_eq!(Blocks::find(&base.blocks, stored.id).unwrap().unwrap().stored(), Some(&stored));
    }

    #[test]
    fn who_was_forgotten_is_remembered_while_an_old_record_may_be_there() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        Blocks::create(&base).unwrap();
        let (mut blocks, places) = Blocks::open(&base.blocks).map(|(blocks, places)| (blocks, Mutex::new(places))).unwrap();
        let gone: Vec<Item> =
            (0..6_000u128).map(|n| Item::gone(n as u64, ConversationId(n << 90), if n < 3_000 { 5 } else { 9 })).collect();
        blocks.append(&base.blocks, &gone).unwrap();
        (0..10).for_each(|_| blocks.collect(&base.blocks, 2_000, &places, 6).unwrap());
        let left: Vec<Item> = base.blocks.rows(&[0; 8]).flat_map(|row| read(&row.unwrap().1).unwrap()).collect();
        assert!(left.iter().filter(|item| item.id.0 >= 3_000 << 90).count() == 3_000, "all of those");
        assert!(left.len() <= SLACK as usize + 400, "{} are left", left.len());
    }

    #[test]
    fn a_lost_block_is_seen_wherever_it_was() {
        for lost in [1, 3, u64::MAX] {
            let home = tempfile::tempdir().unwrap();
            let base = Base::open(home.path(), true).unwrap();
            Blocks::create(&base).unwrap();
            let (mut blocks, _) = Blocks::open(&base.blocks).unwrap();
            let items: Vec<Item> = (1..200).map(|n| item(n, u128::from(n), 1)).collect();
            blocks.append(&base.blocks, &items).unwrap();
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
