//! The compact states of conversations that are not finished, many to a value: what a start reads.
//!
//! Not their details. A block holds the conversations of one range of ids, and its key is where the range begins; ids are hashes,
//! so ranges fill evenly. A block that grows too large is split in two, an empty one is removed. Writing a conversation twice
//! changes nothing, so a fold can be done again after a crash.

use crate::conversation::Phase;
use crate::engine::ports::Fault;
use crate::engine::record::Stored;
use crate::id::ConversationId;
use crate::store::codec::state::{put_stored, read_stored};
use crate::store::codec::words::{Reader, put_u};
use crate::store::sled::base::{Base, Table, Writes};

/// Bytes in a block. Larger ones make a start shorter and every fold dearer, in time and on disk: a fold writes whole blocks, and
/// sled keeps some generations of each.
const BLOCK_BYTES: usize = 640;
/// Where the first range begins.
const FIRST: [u8; 16] = [0; 16];
/// Under which the number of conversations is kept: written with every batch, so that a lost block is seen.
const COUNT: [u8; 1] = [0];

/// How many conversations the blocks hold.
#[derive(Debug)]
pub(super) struct Blocks {
    count: u64,
}

/// One block, read.
struct Block {
    key: Vec<u8>,
    /// Where the next range begins; `None` for the last.
    next: Option<Vec<u8>>,
    conversations: Vec<Stored>,
}

impl Blocks {
    /// The blocks of a new store.
    ///
    /// # Errors
    /// Where sled cannot write.
    pub(super) fn create(base: &Base) -> Result<(), Fault> {
        let mut writes = base.blocks.writes();
        writes.put(&FIRST, &[]);
        put_count(&mut writes, 0);
        writes.apply()
    }

    /// Reads all blocks, telling each conversation.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where one is damaged or lost.
    pub(super) fn open(table: &Table, take: &mut dyn FnMut(Stored)) -> Result<Blocks, Fault> {
        let noted = table.get(&COUNT)?.and_then(|bytes| Reader::new(&bytes).u64());
        let mut count = 0;
        for row in table.rows(&FIRST) {
            let (key, payload) = row?;
            let conversations = read(&payload).ok_or_else(|| table.damaged(&key, "its conversations cannot be read"))?;
            count += conversations.len() as u64;
            conversations.into_iter().for_each(&mut *take);
        }
        if noted != Some(count) {
            let noted = noted.map_or_else(|| "an unknown number of".to_owned(), |n| n.to_string());
            return Err(Fault::Corrupt(format!(
                "reading store/blocks: {count} conversations are there of {noted}; put a good copy of the directory in its place, or start with `--accept-loss`"
            )));
        }
        Ok(Blocks { count })
    }

    /// Puts conversations in, or takes those out that are finished or forgotten (`None`). In the order of their ids.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where a block cannot be read; [`Fault::Unavailable`] where sled cannot write.
    pub(super) fn fold(&mut self, table: &Table, changes: &[(ConversationId, Option<Stored>)]) -> Result<(), Fault> {
        let mut writes = table.writes();
        let mut block: Option<Block> = None;
        for (id, stored) in changes {
            let key = id.0.to_be_bytes();
            if block.as_ref().is_none_or(|b| b.next.as_ref().is_some_and(|next| key.as_slice() >= next.as_slice())) {
                self.write(&mut writes, block.take())?;
                block = Some(find(table, &key)?);
            }
            let Some(block) = &mut block else { continue };
            let wanted = stored.filter(|s| !matches!(s.state.phase, Phase::Finished(_)));
            match (block.conversations.binary_search_by_key(id, |s| s.id), wanted) {
                (Ok(i), Some(stored)) => block.conversations[i] = stored,
                (Ok(i), None) => {
                    block.conversations.remove(i);
                    self.count -= 1;
                }
                (Err(i), Some(stored)) => {
                    block.conversations.insert(i, stored);
                    self.count += 1;
                }
                (Err(_), None) => {}
            }
        }
        self.write(&mut writes, block)?;
        put_count(&mut writes, self.count);
        writes.apply()
    }

    fn write(&self, writes: &mut Writes<'_>, block: Option<Block>) -> Result<(), Fault> {
        let Some(block) = block else { return Ok(()) };
        if block.conversations.is_empty() && block.key != FIRST {
            writes.remove(&block.key);
        } else {
            put(writes, &block.key, &block.conversations);
        }
        if writes.full() {
            put_count(writes, self.count);
            writes.apply()?;
        }
        Ok(())
    }
}

fn put_count(writes: &mut Writes<'_>, count: u64) {
    let mut payload = Vec::new();
    put_u(&mut payload, count);
    writes.put(&COUNT, &payload);
}

/// Puts the conversations of one range, in as many blocks as it takes.
fn put(writes: &mut Writes<'_>, key: &[u8], conversations: &[Stored]) {
    let mut payload = Vec::with_capacity(2 * BLOCK_BYTES);
    conversations.iter().for_each(|stored| put_stored(&mut payload, stored));
    if payload.len() <= BLOCK_BYTES {
        writes.put(key, &payload);
        return;
    }
    let (low, high) = conversations.split_at(conversations.len() / 2);
    put(writes, key, low);
    if let Some(first) = high.first() {
        put(writes, &first.id.0.to_be_bytes(), high);
    }
}

/// The block whose range holds `key`.
fn find(table: &Table, key: &[u8; 16]) -> Result<Block, Fault> {
    let found = table.at_or_before(key)?.filter(|(at, _)| at.len() == FIRST.len());
    let (at, payload) = found.ok_or_else(|| table.damaged(key, "no block holds its range"))?;
    let conversations = read(&payload).ok_or_else(|| table.damaged(&at, "its conversations cannot be read"))?;
    let next = table.behind(&at)?;
    Ok(Block { key: at, next, conversations })
}

fn read(payload: &[u8]) -> Option<Vec<Stored>> {
    let mut read = Reader::new(payload);
    let mut conversations = Vec::new();
    while read.left() > 0 {
        conversations.push(read_stored(&mut read)?);
    }
    Some(conversations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Outcome;
    use crate::moment::Moment;
    use crate::store::samples::waiting;
    use std::collections::BTreeMap;

    fn scattered(n: u128) -> ConversationId {
        ConversationId(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    fn all(table: &Table) -> Result<BTreeMap<ConversationId, Stored>, Fault> {
        let mut found = BTreeMap::new();
        Blocks::open(table, &mut |stored| {
            found.insert(stored.id, stored);
        })?;
        Ok(found)
    }

    #[test]
    fn blocks_split_shrink_and_hold_what_they_were_told() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        Blocks::create(&base).unwrap();
        let mut blocks = Blocks::open(&base.blocks, &mut |_| {}).unwrap();
        let mut model = BTreeMap::new();
        for round in 0..8u128 {
            let mut changes: Vec<(ConversationId, Option<Stored>)> = (0..700)
                .map(|n| {
                    let id = scattered((n * 7 + round * 131) % 1_500);
                    let mut stored = waiting(id, Moment(1_772_000_000_000 + (n * round) as i64));
                    if (n + round) % 5 == 0 {
                        stored.state.phase = Phase::Finished(Outcome::Expired);
                    }
                    (id, Some(stored).filter(|_| (n + round) % 7 != 0 && round < 6))
                })
                .collect();
            changes.sort_by_key(|(id, _)| *id);
            changes.dedup_by_key(|(id, _)| *id);
            // Done twice, as after a crash.
            blocks.fold(&base.blocks, &changes).unwrap();
            blocks.fold(&base.blocks, &changes).unwrap();
            for (id, stored) in changes {
                match stored.filter(|s| !matches!(s.state.phase, Phase::Finished(_))) {
                    Some(stored) => model.insert(id, stored),
                    None => model.remove(&id),
                };
            }
            assert_eq!(all(&base.blocks).unwrap(), model);
            assert_eq!(blocks.count, model.len() as u64);
        }
        let kept = base.blocks.keys(&FIRST).count();
        assert!((2..200).contains(&kept), "{kept} blocks");
    }

    #[test]
    fn a_lost_block_is_seen() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        Blocks::create(&base).unwrap();
        let mut blocks = Blocks::open(&base.blocks, &mut |_| {}).unwrap();
        let mut changes: Vec<_> = (0..200).map(|n| (scattered(n), Some(waiting(scattered(n), Moment(0))))).collect();
        changes.sort_by_key(|(id, _)| *id);
        blocks.fold(&base.blocks, &changes).unwrap();
        let last = base.blocks.keys(&FIRST).last().unwrap().unwrap();
        let mut writes = base.blocks.writes();
        writes.remove(&last);
        writes.apply().unwrap();
        assert!(matches!(all(&base.blocks), Err(Fault::Corrupt(why)) if why.contains("of 200")));
    }
}
