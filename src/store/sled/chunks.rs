//! Records longer than one value, cut into several.
//!
//! Not their meaning. Every chunk says how many there are and carries the record's stamp, so that a reader who meets half of an
//! older and half of a newer record sees it and reads again.

use crate::engine::ports::Fault;
use crate::store::codec::PAYLOAD_BYTES;
use crate::store::codec::words::{Reader, put_u};
use crate::store::sled::base::{Table, Writes};

/// Room that a chunk's own numbers take at most.
const CHUNK_BYTES: usize = PAYLOAD_BYTES - 14;
/// How often a record is read again that was being replaced.
const READS: usize = 64;

/// A record as it was found.
#[derive(Debug)]
pub(super) struct Long {
    /// How many chunks it takes.
    pub(super) chunks: u16,
    pub(super) stamp: u64,
    pub(super) bytes: Vec<u8>,
}

/// Puts a record in place of one of `before` chunks. `stamp` differs from that one's, unless the bytes are the same.
pub(super) fn put(writes: &mut Writes<'_>, key: &[u8], stamp: u64, bytes: &[u8], before: u16) {
    let chunks = bytes.len().div_ceil(CHUNK_BYTES).max(1);
    assert!(chunks <= usize::from(u16::MAX), "limits.rs keeps every record far below {} bytes", CHUNK_BYTES * usize::from(u16::MAX));
    let mut payload = Vec::with_capacity(PAYLOAD_BYTES.min(bytes.len() + 14));
    for index in 0..chunks {
        let part = &bytes[index * CHUNK_BYTES..bytes.len().min((index + 1) * CHUNK_BYTES)];
        payload.clear();
        put_u(&mut payload, chunks as u64);
        put_u(&mut payload, stamp);
        payload.extend_from_slice(part);
        writes.put(&chunk_key(key, index as u16), &payload);
    }
    (chunks as u16..before).for_each(|index| writes.remove(&chunk_key(key, index)));
}

/// Removes a record of `chunks` chunks.
pub(super) fn remove(writes: &mut Writes<'_>, key: &[u8], chunks: u16) {
    (0..chunks).for_each(|index| writes.remove(&chunk_key(key, index)));
}

/// The record under `key`.
///
/// # Errors
/// [`Fault::Corrupt`] where a chunk is missing or damaged.
pub(super) fn get(table: &Table, key: &[u8]) -> Result<Option<Long>, Fault> {
    for _ in 0..READS {
        let Some(first) = table.get(&chunk_key(key, 0))? else { return Ok(None) };
        let (chunks, stamp, part) = split(&first).ok_or_else(|| table.damaged(key, "its first chunk cannot be read"))?;
        let mut bytes = part.to_vec();
        let mut whole = true;
        for index in 1..chunks {
            let chunk = table.get(&chunk_key(key, index))?;
            match chunk.as_deref().and_then(split).filter(|(n, s, _)| (*n, *s) == (chunks, stamp)) {
                Some((_, _, part)) => bytes.extend_from_slice(part),
                None => whole = false,
            }
        }
        if whole {
            return Ok(Some(Long { chunks, stamp, bytes }));
        }
        std::thread::yield_now();
    }
    Err(table.damaged(key, "a chunk of it is missing"))
}

/// The first chunk of the record under `key`: its beginning.
///
/// # Errors
/// As [`get`].
pub(super) fn beginning(table: &Table, key: &[u8]) -> Result<Option<Long>, Fault> {
    let Some(first) = table.get(&chunk_key(key, 0))? else { return Ok(None) };
    let (chunks, stamp, part) = split(&first).ok_or_else(|| table.damaged(key, "its first chunk cannot be read"))?;
    Ok(Some(Long { chunks, stamp, bytes: part.to_vec() }))
}

/// Whether a key is that of a first chunk, and of which record.
pub(super) fn first_of(key: &[u8]) -> Option<&[u8]> {
    key.strip_suffix(&[0, 0])
}

fn chunk_key(key: &[u8], index: u16) -> Vec<u8> {
    [key, &index.to_be_bytes()].concat()
}

fn split(payload: &[u8]) -> Option<(u16, u64, &[u8])> {
    let mut read = Reader::new(payload);
    let chunks = read.u16().filter(|n| *n > 0)?;
    let stamp = read.u64()?;
    Some((chunks, stamp, read.take(read.left())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sled::base::Base;

    #[test]
    fn records_of_every_length_come_back_and_leave_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        let mut before = 0;
        for (stamp, length) in (1..).zip([0, 1, 9_000, CHUNK_BYTES, CHUNK_BYTES + 1, 100_000, 3]) {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mut writes = base.hooks.writes();
            put(&mut writes, b"key", stamp, &bytes, before);
            writes.apply().unwrap();
            let long = get(&base.hooks, b"key").unwrap().unwrap();
            assert_eq!((long.stamp, long.bytes == bytes), (stamp, true));
            assert_eq!(base.hooks.keys(b"").count(), usize::from(long.chunks));
            before = long.chunks;
        }
        let mut writes = base.hooks.writes();
        put(&mut writes, b"key", 9, &[7; 5_000], before);
        writes.apply().unwrap();
        let mut writes = base.hooks.writes();
        writes.remove(&chunk_key(b"key", 1));
        writes.apply().unwrap();
        assert!(matches!(get(&base.hooks, b"key"), Err(Fault::Corrupt(_))));
        assert!(get(&base.hooks, b"kez").unwrap().is_none());
    }
}
