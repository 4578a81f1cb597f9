//! One record for each conversation, finished ones included: what the machine never reads, and where it stood when it was written.
//!
//! Not the source of a start: that reads the blocks. A record says up to which change it is folded, so that a log replayed over it
//! repeats nothing. A record that was found damaged stays as it is, noted in `damaged`, and only its conversation is affected.

use std::collections::BTreeSet;

use crate::engine::ports::Fault;
use crate::engine::record::{NameId, Stored};
use crate::id::{AliasKey, ConversationId};
use crate::moment::Moment;
use crate::store::codec::record::{put_details, read_details};
use crate::store::codec::state::{put_state, read_state};
use crate::store::codec::words::{Reader, put_i, put_id, put_list, put_u};
use crate::store::model::Entry;
use crate::store::sled::base::{Base, Table, Writes};
use crate::store::sled::chunks;

/// A record, read.
#[derive(Debug)]
pub(super) struct Record {
    /// Up to which change it is folded.
    pub(super) folded: u64,
    pub(super) chunks: u16,
    pub(super) entry: Entry,
}

/// The beginning of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Up to which change the record is folded.
    pub(super) folded: u64,
    pub(super) stored: Stored,
    pub(super) touched: Moment,
}

/// The record of a conversation.
///
/// # Errors
/// [`Fault::Corrupt`] where it cannot be read.
pub(super) fn get(table: &Table, id: ConversationId) -> Result<Option<Record>, Fault> {
    let key = id.0.to_be_bytes();
    let Some(long) = chunks::get(table, &key)? else { return Ok(None) };
    let entry = decode(id, &long.bytes).ok_or_else(|| table.damaged(&key, &format!("the details of {id} cannot be read")))?;
    Ok(Some(Record { folded: long.stamp, chunks: long.chunks, entry }))
}

/// The bytes of a conversation's record, seen to be readable.
///
/// # Errors
/// As [`get`].
pub(super) fn long(table: &Table, id: ConversationId) -> Result<Option<chunks::Long>, Fault> {
    let key = id.0.to_be_bytes();
    let Some(long) = chunks::get(table, &key)? else { return Ok(None) };
    match decode(id, &long.bytes) {
        Some(_) => Ok(Some(long)),
        None => Err(table.damaged(&key, &format!("the details of {id} cannot be read"))),
    }
}

/// The beginning of a conversation's record.
///
/// # Errors
/// As [`get`].
pub(super) fn head(table: &Table, id: ConversationId) -> Result<Option<Head>, Fault> {
    let key = id.0.to_be_bytes();
    let Some(long) = chunks::beginning(table, &key)? else { return Ok(None) };
    let head = read_head(&mut Reader::new(&long.bytes), id, long.stamp);
    head.map(Some).ok_or_else(|| table.damaged(&key, &format!("the details of {id} cannot be read")))
}

/// Puts a record, folded up to change `folded`, in place of one of `before` chunks.
pub(super) fn put(writes: &mut Writes<'_>, folded: u64, entry: &Entry, before: u16) {
    let mut bytes = Vec::new();
    put_head(&mut bytes, &entry.stored, entry.touched);
    put_list(&mut bytes, entry.aliases.iter(), |out, alias| put_id(out, alias.0));
    put_details(&mut bytes, &entry.details);
    chunks::put(writes, &entry.stored.id.0.to_be_bytes(), folded, &bytes, before);
}

/// Removes every chunk of a record, readable or not.
///
/// # Errors
/// Where the keys cannot be read.
pub(super) fn remove(table: &Table, writes: &mut Writes<'_>, id: ConversationId) -> Result<(), Fault> {
    let key = id.0.to_be_bytes();
    for found in table.keys(&key) {
        match found? {
            chunk if chunk.starts_with(&key) => writes.remove(&chunk),
            _ => break,
        }
    }
    Ok(())
}

/// Every conversation with a record, behind `after`, in the order of ids. Its record is not read.
pub(super) fn ids(table: &Table, after: Option<ConversationId>) -> impl Iterator<Item = Result<ConversationId, Fault>> + '_ {
    let from = after.map_or_else(Vec::new, |id| chunks::past(&id.0.to_be_bytes()));
    table.keys(&from).filter_map(|key| match key {
        Ok(key) => chunks::first_of(&key)?.try_into().ok().map(|id| Ok(ConversationId(u128::from_be_bytes(id)))),
        Err(fault) => Some(Err(fault)),
    })
}

/// Conversations whose record was found damaged.
///
/// # Errors
/// Where the list itself is.
pub(super) fn all_damaged(base: &Base) -> Result<BTreeSet<ConversationId>, Fault> {
    let id = |row: Result<(sled::IVec, Vec<u8>), Fault>| {
        let (key, _) = row?;
        let id = key.as_ref().try_into().map_err(|_| base.damaged.damaged(&key, "it is no conversation"))?;
        Ok(ConversationId(u128::from_be_bytes(id)))
    };
    base.damaged.rows(&[]).map(id).collect()
}

/// Notes what is still known of a conversation whose record is damaged.
pub(super) fn put_damaged(writes: &mut Writes<'_>, head: &Head) {
    writes.put(&head.stored.id.0.to_be_bytes(), &damaged_payload(head));
}

/// What [`put_damaged`] notes.
pub(super) fn damaged_payload(head: &Head) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_u(&mut bytes, head.folded);
    put_head(&mut bytes, &head.stored, head.touched);
    bytes
}

/// What is still known of a conversation whose record is damaged.
///
/// # Errors
/// Where that is damaged too.
pub(super) fn damaged_head(base: &Base, id: ConversationId) -> Result<Option<Head>, Fault> {
    Ok(base.damaged.get(&id.0.to_be_bytes())?.and_then(|bytes| decode_damaged(id, &bytes)))
}

/// What [`put_damaged`] noted.
pub(super) fn decode_damaged(id: ConversationId, bytes: &[u8]) -> Option<Head> {
    let mut read = Reader::new(bytes);
    read.u64().and_then(|folded| read_head(&mut read, id, folded))
}

/// The fault of a conversation whose record is damaged.
pub(super) fn is_damaged(id: ConversationId) -> Fault {
    Fault::Corrupt(format!("reading store/details of {id}: its record is damaged; restore a backup, or erase {id}"))
}

fn put_head(out: &mut Vec<u8>, stored: &Stored, touched: Moment) {
    put_i(out, touched.0);
    put_u(out, u64::from(stored.line.0));
    put_u(out, u64::from(stored.flow.0));
    put_state(out, &stored.state);
}

fn read_head(read: &mut Reader<'_>, id: ConversationId, folded: u64) -> Option<Head> {
    let touched = Moment(read.i64()?);
    let (line, flow) = (NameId(read.u16()?), NameId(read.u16()?));
    Some(Head { folded, stored: Stored { id, line, flow, state: read_state(read, id)? }, touched })
}

/// What the bytes of a record say.
pub(super) fn decode(id: ConversationId, bytes: &[u8]) -> Option<Entry> {
    let mut read = Reader::new(bytes);
    let head = read_head(&mut read, id, 0)?;
    let aliases = read.list(|read| read.id().map(AliasKey))?;
    let details = read_details(&mut read, id)?;
    read.end()?;
    Some(Entry { stored: head.stored, details, touched: head.touched, aliases })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn records_come_back_and_are_removed_whole(moves in samples::moves_of_one()) {
            let home = tempfile::tempdir().unwrap();
            let base = Base::open(home.path(), true).unwrap();
            let id = moves[0].stored.id;
            let mut before = 0;
            let mut entry = Entry::new(&moves[0]);
            for (seq, moved) in (1..).zip(&moves) {
                entry.take(moved);
                let mut writes = base.details.writes();
                put(&mut writes, seq, &entry, before);
                writes.apply().unwrap();
                let record = get(&base.details, id).unwrap().unwrap();
                let head = head(&base.details, id).unwrap().unwrap();
                prop_assert_eq!((head.stored, head.touched), (entry.stored, entry.touched));
                prop_assert_eq!((record.folded, &record.entry), (seq, &entry));
                before = record.chunks;
            }
            prop_assert_eq!(ids(&base.details, None).collect::<Result<Vec<_>, _>>().unwrap(), vec![id]);
            prop_assert_eq!(ids(&base.details, Some(id)).count(), 0);
            let mut writes = base.details.writes();
            remove(&base.details, &mut writes, id).unwrap();
            writes.apply().unwrap();
            prop_assert_eq!(base.details.keys(&[]).count(), 0);
        }
    }
}
