//! Hook records that outlive a fold: those that some hook still has to get, and dead letters.
//!
//! Not their delivery. Most records are done before they would be written here, and never are.

use crate::engine::ports::Fault;
use crate::id::ConversationId;
use crate::store::codec::record::{put_cell, read_cell};
use crate::store::codec::words::Reader;
use crate::store::model::HookCell;
use crate::store::sled::base::{Base, Table, Writes};
use crate::store::sled::chunks;

/// Records looked at for dead letters that are old enough to go, in one fold.
const SWEEP: usize = 500;

/// A record, read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) cell: HookCell,
    /// Up to which change it is folded.
    pub(super) folded: u64,
    chunks: u16,
}

/// The record with this number.
///
/// # Errors
/// [`Fault::Corrupt`] where it cannot be read.
pub(super) fn get(table: &Table, n: u64) -> Result<Option<Found>, Fault> {
    let key = n.to_be_bytes();
    let Some(long) = chunks::get(table, &key)? else { return Ok(None) };
    let cell = read_cell(&mut Reader::new(&long.bytes)).ok_or_else(|| table.damaged(&key, "the hook record cannot be read"))?;
    Ok(Some(Found { cell, folded: long.stamp, chunks: long.chunks }))
}

/// The bytes of the record with this number, seen to be readable.
///
/// # Errors
/// As [`get`].
pub(super) fn long(table: &Table, n: u64) -> Result<Option<chunks::Long>, Fault> {
    let key = n.to_be_bytes();
    let Some(long) = chunks::get(table, &key)? else { return Ok(None) };
    match read_cell(&mut Reader::new(&long.bytes)) {
        Some(_) => Ok(Some(long)),
        None => Err(table.damaged(&key, "the hook record cannot be read")),
    }
}

/// The numbers of the records from `from` on, in order.
pub(super) fn numbers(table: &Table, from: u64) -> impl Iterator<Item = Result<u64, Fault>> + '_ {
    table.keys(&from.to_be_bytes()).filter_map(|key| match key {
        Ok(key) => chunks::first_of(&key)?.try_into().ok().map(|n| Ok(u64::from_be_bytes(n))),
        Err(fault) => Some(Err(fault)),
    })
}

/// Puts the record as it is after change `folded` in place of `before`, or removes it. Whose it is is written before it and removed
/// after it, so that an erasure finds every record.
///
/// # Errors
/// Where sled cannot write.
pub(super) fn put(
    base: &Base,
    writes: &mut Writes<'_>,
    n: u64,
    folded: u64,
    before: Option<&Found>,
    after: Option<&HookCell>,
) -> Result<(), Fault> {
    let key = n.to_be_bytes();
    let chunks_before = before.map_or(0, |found| found.chunks);
    let mut owner = base.hooks_of.writes();
    match (before, after) {
        (_, Some(cell)) => {
            if before.is_none() {
                owner.put(&owned(cell.record.conversation, n), &[]);
                owner.apply()?;
            }
            let mut bytes = Vec::new();
            put_cell(&mut bytes, cell);
            // Never less than was said before: a fold that is done again may be a shorter one.
            let folded = before.map_or(folded, |found| found.folded.max(folded));
            chunks::put(writes, &key, folded, &bytes, chunks_before);
        }
        (Some(found), None) => {
            chunks::remove(writes, &key, found.chunks);
            writes.apply()?;
            owner.remove(&owned(found.cell.record.conversation, n));
            owner.apply()?;
        }
        (None, None) => {}
    }
    if writes.full() {
        writes.apply()?;
    }
    Ok(())
}

/// The numbers of the records of a conversation.
///
/// # Errors
/// Where they cannot be read.
pub(super) fn of(base: &Base, id: ConversationId) -> Result<Vec<u64>, Fault> {
    let prefix = id.0.to_be_bytes();
    let mut numbers = Vec::new();
    for key in base.hooks_of.keys(&prefix) {
        match key?.strip_prefix(&prefix).map(|n| n.try_into().map(u64::from_be_bytes)) {
            Some(Ok(n)) => numbers.push(n),
            _ => break,
        }
    }
    Ok(numbers)
}

/// The next records to sweep, from `from` on; and where to go on, where there are more.
///
/// # Errors
/// Where they cannot be read.
pub(super) fn to_sweep(table: &Table, from: u64) -> Result<(Vec<u64>, Option<u64>), Fault> {
    let numbers: Vec<u64> = numbers(table, from).take(SWEEP).collect::<Result<_, _>>()?;
    let next = (numbers.len() == SWEEP).then(|| numbers.last().map(|n| n + 1)).flatten();
    Ok((numbers, next))
}

/// The key under which it is noted whose a record is.
pub(super) fn owned(id: ConversationId, n: u64) -> Vec<u8> {
    [&id.0.to_be_bytes()[..], &n.to_be_bytes()].concat()
}
