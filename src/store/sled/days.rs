//! Lists of 128-bit keys by day: identities of events, and which conversations were last touched when.
//!
//! Not a set: a key may be in a list twice, and a conversation stays in the list of a day after it was touched on a later one;
//! the reader knows which entries still count.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::engine::ports::Fault;
use crate::store::codec::PAYLOAD_BYTES;
use crate::store::sled::base::{Table, Writes};

/// Keys in one value.
const KEYS: usize = PAYLOAD_BYTES / 16;

/// The lists of one table, with the open end of those that were written to.
#[derive(Debug, Default)]
pub(super) struct Days {
    /// Number and keys of the last value of a day.
    open: HashMap<i64, (u32, Vec<u8>)>,
}

impl Days {
    /// Appends a key to the list of a day. It is in the table when [`Days::write`] was called.
    ///
    /// # Errors
    /// Where the day's list cannot be read.
    pub(super) fn push(&mut self, table: &Table, writes: &mut Writes<'_>, day: i64, key: u128) -> Result<(), Fault> {
        let (n, keys) = match self.open.entry(day) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(unread) => unread.insert(last_of(table, day)?),
        };
        if keys.len() >= KEYS * 16 {
            writes.put(&place(day, *n), keys);
            (*n, *keys) = (*n + 1, Vec::new());
        }
        keys.extend_from_slice(&key.to_be_bytes());
        if writes.full() {
            writes.apply()?;
        }
        Ok(())
    }

    /// Writes the open ends, and keeps only the latest two days' in memory.
    ///
    /// # Errors
    /// Where sled cannot write.
    pub(super) fn write(&mut self, writes: &mut Writes<'_>) -> Result<(), Fault> {
        for (day, (n, keys)) in &self.open {
            writes.put(&place(*day, *n), keys);
        }
        let newest = self.open.keys().copied().max().unwrap_or(i64::MIN);
        self.open.retain(|day, _| *day >= newest.saturating_sub(1));
        writes.apply()
    }

    /// Drops the lists of `upto` and earlier days.
    ///
    /// # Errors
    /// Where sled cannot read or write.
    pub(super) fn drop_until(&mut self, table: &Table, writes: &mut Writes<'_>, upto: i64) -> Result<(), Fault> {
        self.open.retain(|day, _| *day > upto);
        writes.apply()?;
        let keys: Vec<Vec<u8>> = keys_until(table, upto).collect::<Result<_, _>>()?;
        for key in keys {
            writes.remove(&key);
            if writes.full() {
                writes.apply()?;
            }
        }
        writes.apply()
    }

    /// Removes one value, unless it may still grow.
    pub(super) fn remove(&self, writes: &mut Writes<'_>, key: &[u8]) {
        let open = day_and_number(key).is_some_and(|(day, n)| self.open.get(&day).is_some_and(|(open, _)| *open == n));
        if !open {
            writes.remove(key);
        }
    }
}

/// Every value of every day: its key, the day and its keys.
pub(super) fn rows(table: &Table) -> impl Iterator<Item = Result<(Vec<u8>, i64, Vec<u128>), Fault>> + '_ {
    table.rows(&[]).map(|row| {
        let (key, payload) = row?;
        let (day, _) = day_and_number(&key).ok_or_else(|| table.damaged(&key, "it is no day"))?;
        let (ids, rest) = payload.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(table.damaged(&key, "its keys cannot be read"));
        }
        Ok((key.to_vec(), day, ids.iter().map(|id| u128::from_be_bytes(*id)).collect()))
    })
}

/// Whether a row is the value of a day.
pub(super) fn readable(key: &[u8], payload: &[u8]) -> bool {
    key.len() == 12 && payload.len().is_multiple_of(16)
}

fn keys_until(table: &Table, upto: i64) -> impl Iterator<Item = Result<Vec<u8>, Fault>> + '_ {
    let within = move |key: &sled::IVec| day_and_number(key).is_some_and(|(day, _)| day <= upto);
    table.keys(&[]).take_while(move |key| key.as_ref().map_or(true, within)).map(|key| key.map(|key| key.to_vec()))
}

/// The last value of a day: its number and keys, to be appended to.
fn last_of(table: &Table, day: i64) -> Result<(u32, Vec<u8>), Fault> {
    let last = table.at_or_before(&place(day, u32::MAX))?;
    Ok(match last.and_then(|(key, keys)| Some((day_and_number(&key)?, keys))) {
        Some(((found, n), keys)) if found == day => (n, keys),
        _ => (0, Vec::new()),
    })
}

/// Keys sort as days do, negative ones too.
fn place(day: i64, n: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&(day.cast_unsigned() ^ (1 << 63)).to_be_bytes());
    key[8..].copy_from_slice(&n.to_be_bytes());
    key
}

fn day_and_number(key: &[u8]) -> Option<(i64, u32)> {
    let (day, n) = key.split_first_chunk::<8>()?;
    Some(((u64::from_be_bytes(*day) ^ (1 << 63)).cast_signed(), u32::from_be_bytes(n.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sled::base::Base;

    #[test]
    fn lists_grow_over_restarts_and_are_dropped_by_day() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        let table = &base.identities;
        for start in 0..4u128 {
            let mut days = Days::default();
            let mut writes = table.writes();
            for n in 0..100 {
                for day in [-3, 5, i64::MAX] {
                    days.push(table, &mut writes, day, start * 100 + n).unwrap();
                }
            }
            days.write(&mut writes).unwrap();
        }
        let all = |day: i64| -> Vec<u128> {
            let rows = rows(table).map(Result::unwrap);
            rows.filter(|(_, d, _)| *d == day).flat_map(|(_, _, ids)| ids).collect()
        };
        for day in [-3, 5, i64::MAX] {
            assert_eq!(all(day), (0..400).collect::<Vec<_>>());
        }
        assert!(base.identities.keys(&[]).count() <= 12);
        let mut days = Days::default();
        let mut writes = table.writes();
        days.push(table, &mut writes, 5, 9).unwrap();
        days.drop_until(table, &mut writes, 5).unwrap();
        days.push(table, &mut writes, 5, 7).unwrap();
        days.write(&mut writes).unwrap();
        assert_eq!((all(-3).len(), all(5), all(i64::MAX).len()), (0, vec![7], 400));
    }
}
