//! The log: every change since the last fold, in the order in which it was made, packed into values of two kilobytes.
//!
//! Not a table of conversations. A group of changes is written together and is there whole or not at all: each value says which
//! part of how many it is, and an incomplete group at the end is dropped. Keys are consecutive numbers, so that a hole is seen.

use std::collections::VecDeque;

use crate::engine::ports::Fault;
use crate::engine::record::Change;
use crate::store::codec::PAYLOAD_BYTES;
use crate::store::codec::change::{put_change, read_change};
use crate::store::codec::words::{Reader, put_u};
use crate::store::sled::base::{Base, Table};
use crate::store::sled::overlay::Kept;

/// Under which the log's beginning is noted: shorter than every number, so it stands before them.
pub(super) const MARKER: [u8; 1] = [0];
/// Room that a part's own numbers take at most.
const PART_BYTES: usize = PAYLOAD_BYTES - 24;
/// Bytes of changes in one group: what one atomic batch takes.
const GROUP_BYTES: usize = 400 * PART_BYTES;

/// Where the log begins and ends.
#[derive(Debug)]
pub(super) struct Log {
    /// The key of the next value.
    next: u64,
    /// Groups in it, oldest first.
    groups: VecDeque<Group>,
    /// Everything up to this change is folded, and not in the log any more.
    folded: u64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_key: u64,
    parts: u64,
    last_seq: u64,
    bytes: u64,
}

impl Log {
    /// The log of a new store, whose rows are folded up to a change.
    ///
    /// # Errors
    /// Where sled cannot write.
    pub(super) fn create(base: &Base, folded: u64) -> Result<(), Fault> {
        let mut writes = base.log.writes();
        writes.put(&MARKER, &marker(folded, 1));
        writes.apply()
    }

    /// Reads the log, telling each change with its number. A group that is not whole at its end is removed.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where a value is missing or damaged.
    pub(super) fn open(table: &Table, take: &mut dyn FnMut(u64, Change)) -> Result<Log, Fault> {
        let note = table.get(&MARKER)?.ok_or_else(|| table.damaged(&MARKER, "where the log begins is not known"))?;
        let mut read = Reader::new(&note);
        let (Some(folded), Some(first)) = (read.u64(), read.u64()) else {
            return Err(table.damaged(&MARKER, "where the log begins cannot be read"));
        };
        let mut log = Log { next: first, groups: VecDeque::new(), folded };
        let mut body = Vec::new();
        let mut expected = first;
        for row in table.rows(&[0; 8]) {
            let (key, payload) = row?;
            let part = Part::read(&payload).ok_or_else(|| table.damaged(&key, "it is no part of a group"))?;
            let place = key.as_ref().try_into().map(u64::from_be_bytes).ok();
            if place != Some(expected) || part.first != log.next || part.first + part.index != expected || part.index >= part.parts {
                return Err(table.damaged(&key, &format!("the log has a hole before it, at {expected}")));
            }
            body.extend_from_slice(part.bytes);
            expected += 1;
            if part.index + 1 == part.parts {
                let last_seq = read_group(&body, take).ok_or_else(|| table.damaged(&key, "its group cannot be read"))?;
                log.groups.push_back(Group { first_key: part.first, parts: part.parts, last_seq, bytes: body.len() as u64 });
                log.next = expected;
                body.clear();
            }
        }
        let mut writes = table.writes();
        (log.next..expected).for_each(|torn| writes.remove(&torn.to_be_bytes()));
        writes.apply()?;
        Ok(log)
    }

    /// The last change in the log, or the last that was ever in it.
    pub(super) fn last_seq(&self) -> u64 {
        self.groups.back().map_or(self.folded, |group| group.last_seq)
    }

    /// Everything up to this change is folded.
    pub(super) fn folded(&self) -> u64 {
        self.folded
    }

    /// Bytes of the changes in it.
    pub(super) fn bytes(&self) -> u64 {
        self.groups.iter().map(|group| group.bytes).sum()
    }

    /// Removes the groups of which every change is folded, up to change `folded`, and notes it in the same batch.
    ///
    /// # Errors
    /// Where sled cannot write.
    pub(super) fn trim(&mut self, table: &Table, folded: u64) -> Result<(), Fault> {
        let mut writes = table.writes();
        let (mut seq, mut first) = (self.folded, self.groups.front().map_or(self.next, |group| group.first_key));
        while let Some(group) = self.groups.front().copied().filter(|group| group.last_seq <= folded) {
            (group.first_key..group.first_key + group.parts).for_each(|key| writes.remove(&key.to_be_bytes()));
            (seq, first) = (group.last_seq, group.first_key + group.parts);
            self.groups.pop_front();
            if writes.full() {
                writes.put(&MARKER, &marker(seq, first));
                writes.apply()?;
            }
        }
        writes.put(&MARKER, &marker(seq, first));
        self.folded = seq;
        writes.apply()
    }

    /// Notes a group that was written.
    pub(super) fn push(&mut self, group: &Packed) {
        self.next = group.first_key + group.parts.len() as u64;
        let bytes = group.parts.iter().map(|part| part.len() as u64).sum();
        let parts = group.parts.len() as u64;
        self.groups.push_back(Group { first_key: group.first_key, parts, last_seq: group.last_seq, bytes });
    }

    /// The key under which the next group begins.
    pub(super) fn next(&self) -> u64 {
        self.next
    }
}

/// A group, encoded.
#[derive(Debug)]
pub(super) struct Packed {
    first_key: u64,
    parts: Vec<Vec<u8>>,
    last_seq: u64,
}

impl Packed {
    /// How many values it takes.
    pub(super) fn parts(&self) -> u64 {
        self.parts.len() as u64
    }

    /// Writes the group to the log, whole or not at all.
    ///
    /// # Errors
    /// Where sled cannot write.
    pub(super) fn write(&self, table: &Table) -> Result<(), Fault> {
        let mut writes = table.writes();
        for (key, part) in (self.first_key..).zip(&self.parts) {
            writes.put(&key.to_be_bytes(), part);
        }
        writes.apply()
    }
}

/// Packs changes into groups, the first of which begins at key `next`.
pub(super) fn pack(changes: &[(u64, Kept)], mut next: u64) -> Vec<Packed> {
    let mut groups = Vec::new();
    let mut body = Vec::new();
    let mut before = 0;
    for (i, (seq, kept)) in changes.iter().enumerate() {
        put_kept(&mut body, seq - before, kept);
        before = *seq;
        if body.len() >= GROUP_BYTES || i + 1 == changes.len() {
            let group = cut(&body, next, *seq);
            next += group.parts.len() as u64;
            groups.push(group);
            body.clear();
            before = 0;
        }
    }
    groups
}

/// Changes as the body of a group has them.
pub(super) fn encode(changes: &[(u64, Kept)]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut before = 0;
    for (seq, kept) in changes {
        put_kept(&mut body, seq - before, kept);
        before = *seq;
    }
    body
}

fn put_kept(body: &mut Vec<u8>, distance: u64, kept: &Kept) {
    put_u(body, distance);
    match kept {
        Kept::Moved(moved) => body.extend_from_slice(moved.bytes()),
        Kept::Other(change) => put_change(body, change),
    }
}

/// Cuts a group's bytes into values.
fn cut(body: &[u8], first_key: u64, last_seq: u64) -> Packed {
    let parts = body.len().div_ceil(PART_BYTES);
    let part = |(index, bytes): (usize, &[u8])| {
        let mut out = Vec::with_capacity(PAYLOAD_BYTES);
        put_u(&mut out, first_key);
        put_u(&mut out, parts as u64);
        put_u(&mut out, index as u64);
        out.extend_from_slice(bytes);
        out
    };
    Packed { first_key, parts: body.chunks(PART_BYTES).enumerate().map(part).collect(), last_seq }
}

/// One value of the log, read.
pub(super) struct Part<'a> {
    /// The key of its group's first part.
    pub(super) first: u64,
    pub(super) parts: u64,
    pub(super) index: u64,
    pub(super) bytes: &'a [u8],
}

impl<'a> Part<'a> {
    pub(super) fn read(payload: &'a [u8]) -> Option<Part<'a>> {
        let mut read = Reader::new(payload);
        let (first, parts, index) = (read.u64()?, read.u64()?, read.u64()?);
        Some(Part { first, parts, index, bytes: read.take(read.left())? }).filter(|part| part.first < u64::MAX / 2)
    }
}

/// Tells the changes of a group; the number of the last.
pub(super) fn read_group(body: &[u8], take: &mut dyn FnMut(u64, Change)) -> Option<u64> {
    let mut read = Reader::new(body);
    let mut seq: u64 = 0;
    while read.left() > 0 {
        seq = seq.checked_add(read.u64()?)?;
        take(seq, read_change(&mut read)?);
    }
    Some(seq)
}

/// The changes of a group as a fuzzer has them: what is read, written and read again is the same.
#[cfg(any(test, fuzzing))]
pub(in crate::store) fn probe(body: &[u8]) {
    let read = |body: &[u8]| {
        let mut changes = Vec::new();
        read_group(body, &mut |seq, change| changes.push((seq, change))).map(|_| changes)
    };
    let _ = Part::read(body);
    let Some(found) = read(body) else { return };
    let mut room = Vec::new();
    let kept: Vec<(u64, Kept)> = found.iter().map(|(seq, change)| (*seq, super::open::kept(change.clone(), &mut room))).collect();
    assert_eq!(read(&encode(&kept)), Some(found));
}

fn marker(folded: u64, first: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_u(&mut out, folded);
    put_u(&mut out, first);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;
    use std::sync::Arc;

    fn alive(seq: u64, n: i64) -> (u64, Kept) {
        (seq, Kept::Other(Change::Alive(Moment(n))))
    }

    fn long(seq: u64, bytes: usize) -> (u64, Kept) {
        (seq, Kept::Other(Change::Named(crate::engine::record::NameId(1), Arc::from("x".repeat(bytes)))))
    }

    fn read(base: &Base) -> Result<(Log, Vec<u64>), Fault> {
        let mut seqs = Vec::new();
        let log = Log::open(&base.log, &mut |seq, _| seqs.push(seq))?;
        Ok((log, seqs))
    }

    fn write(base: &Base, log: &mut Log, changes: &[(u64, Kept)]) {
        for group in pack(changes, log.next()) {
            group.write(&base.log).unwrap();
            log.push(&group);
        }
    }

    #[test]
    fn groups_come_back_in_order_and_are_trimmed_whole() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        Log::create(&base, 0).unwrap();
        let (mut log, _) = read(&base).unwrap();
        write(&base, &mut log, &[alive(1, 7), alive(3, 8)]);
        write(&base, &mut log, &[long(4, 5_000), alive(5, 9)]);
        write(&base, &mut log, &[alive(9, 9)]);
        let (mut log, seqs) = read(&base).unwrap();
        assert_eq!((seqs, log.last_seq(), log.groups.len()), (vec![1, 3, 4, 5, 9], 9, 3));
        log.trim(&base.log, 4).unwrap();
        assert_eq!(read(&base).unwrap().1, [4, 5, 9]);
        log.trim(&base.log, 9).unwrap();
        let (log, seqs) = read(&base).unwrap();
        assert_eq!((seqs.len(), log.last_seq(), log.folded(), log.next()), (0, 9, 9, 6));
    }

    #[test]
    fn an_unfinished_group_is_dropped_at_the_end_and_a_hole_is_damage() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        Log::create(&base, 0).unwrap();
        let (mut log, _) = read(&base).unwrap();
        write(&base, &mut log, &[alive(1, 7)]);
        write(&base, &mut log, &[long(2, 5_000)]);
        let remove = |key: u64| {
            let mut writes = base.log.writes();
            writes.remove(&key.to_be_bytes());
            writes.apply().unwrap();
        };
        remove(4);
        let (mut log, seqs) = read(&base).unwrap();
        assert_eq!((seqs, log.next()), (vec![1], 2));
        write(&base, &mut log, &[alive(2, 7)]);
        write(&base, &mut log, &[alive(3, 7)]);
        assert_eq!(read(&base).unwrap().1, [1, 2, 3]);
        remove(2);
        assert!(matches!(read(&base), Err(Fault::Corrupt(_))));
        remove(3);
        remove(1);
        assert_eq!(read(&base).unwrap().0.last_seq(), 0, "a log that lost its end is short: the mark sees that");
    }

    #[test]
    fn a_large_flush_is_several_groups() {
        let changes: Vec<(u64, Kept)> = (1..=40).map(|seq| long(seq, 60_000)).collect();
        let groups = pack(&changes, 1);
        assert!(groups.len() >= 3 && groups.iter().all(|group| group.parts.len() <= 432));
        assert!(groups.windows(2).all(|pair| pair[1].first_key == pair[0].first_key + pair[0].parts.len() as u64));
    }
}
