//! Records packed into values, each behind the last: what is written is written once, whatever the order of the ids. Records of one flow
//! are much alike, so the records of a value are compressed together.
//!
//! Not what a record says, nor where it is (`details.rs`, `places.rs`). A record that is written again leaves its old self behind; when
//! half of them are such, the oldest values are gone through, what counts in them is appended again, and they are removed by the next
//! fold, when that is on disk. A value that cannot be read stays where it is.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::engine::ports::Fault;
use crate::id::ConversationId;
use crate::store::codec::PAYLOAD_BYTES;
use crate::store::codec::words::{Reader, put_bytes, put_id, put_u};
use crate::store::sled::base::{Base, Table, Writes};
use crate::store::sled::details::{Head, Raw};
use crate::store::sled::items::Item;
use crate::store::sled::lock;
use crate::store::sled::places::{PLACE_BITS, Places, tag};

/// Under which it is noted how many records there are: shorter than every number, so it stands before them.
pub(super) const MARKER: [u8; 1] = [0];
/// Records that nobody needs any more and that are always left alone.
const SLACK: u64 = 4_096;
/// Values gone through in one fold, at least.
const COLLECT: u64 = 2;

/// What is in a value: whole records, as they are or compressed, or a part of one that is longer than a value.
const WHOLE: u8 = 0;
const FIRST: u8 = 1;
const FURTHER: u8 = 2;
const COMPRESSED: u8 = 3;
/// Room for records in a value, and for a part of one.
const ROOM: usize = PAYLOAD_BYTES - 1;
const PART: usize = PAYLOAD_BYTES - 11;
/// Records of one value have about so many bytes at most: whoever reads one of them decompresses all.
const SPAN: usize = 8 * 1024;
/// No value of ours says that it has more.
const MOST: usize = SPAN + 2 * ROOM;

/// The end at which records are appended, and the one at which values are gone through.
#[derive(Debug)]
pub(super) struct Packed {
    /// The number of the next value, and the records that wait for it or for one behind it: where each ends, and its tag.
    next: u64,
    open: Vec<u8>,
    ends: Vec<usize>,
    tags: Vec<u64>,
    /// Bytes of records that fill a value, going by the last ones.
    fill: usize,
    /// Values of the records that were pushed since [`Packed::finish`] and are written, in their order.
    placed: Vec<u64>,
    /// The oldest value that was not gone through.
    first: u64,
    /// Records in all values, those included that nobody needs any more; about so many after a crash.
    records: u64,
    /// Values in which nothing counts any more, once the fold that saw to it is on disk.
    emptied: Vec<u64>,
}

impl Packed {
    /// Finds the ends.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub(super) fn open(table: &Table) -> Result<Packed, Fault> {
        let number = |key: Option<Vec<u8>>| key.and_then(|key| key.try_into().ok()).map(u64::from_be_bytes);
        let first = number(table.keys(&[0; 8]).next().transpose()?.map(|key| key.to_vec())).unwrap_or(1);
        let next = number(table.last_key()?).map_or(1, |last| last + 1);
        let records = table.get(&MARKER).ok().flatten().and_then(|note| Reader::new(&note).u64()).unwrap_or(0);
        Ok(Packed {
            next,
            open: Vec::new(),
            ends: Vec::new(),
            tags: Vec::new(),
            fill: ROOM,
            placed: Vec::new(),
            first,
            records,
            emptied: Vec::new(),
        })
    }

    /// The number of the next value: every record so far is in one before it.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The oldest value in which a record may be, one that nobody needs any more included.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Appends a record. [`Packed::finish`] answers where it is.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where sled cannot write, or numbers have run out.
    pub(super) fn push(&mut self, writes: &mut Writes<'_>, raw: &Raw<'_>) -> Result<(), Fault> {
        let mut record = Vec::with_capacity(raw.body.len() + 30);
        put_id(&mut record, raw.id.0);
        put_u(&mut record, raw.folded << 1 | u64::from(raw.lost));
        record.extend_from_slice(raw.body);
        let mut bytes = Vec::with_capacity(record.len() + 3);
        put_bytes(&mut bytes, &record);
        self.records += 1;
        if bytes.len() > ROOM {
            self.close(writes)?;
            return self.push_long(writes, &bytes);
        }
        if self.tags.contains(&tag(raw.id)) {
            self.close(writes)?;
        }
        self.open.extend_from_slice(&bytes);
        self.ends.push(self.open.len());
        self.tags.push(tag(raw.id));
        if self.open.len() >= self.fill { self.fill_one(writes) } else { Ok(()) }
    }

    fn push_long(&mut self, writes: &mut Writes<'_>, bytes: &[u8]) -> Result<(), Fault> {
        self.placed.push(self.next);
        let parts = bytes.chunks(PART);
        let count = parts.len() as u64;
        for (index, part) in (0..).zip(parts) {
            let mut payload = Vec::with_capacity(PAYLOAD_BYTES);
            payload.push(if index == 0 { FIRST } else { FURTHER });
            put_u(&mut payload, if index == 0 { count } else { index });
            payload.extend_from_slice(part);
            self.put(writes, &payload)?;
        }
        Ok(())
    }

    /// Writes the records that wait.
    fn close(&mut self, writes: &mut Writes<'_>) -> Result<(), Fault> {
        while !self.open.is_empty() {
            self.fill_one(writes)?;
        }
        Ok(())
    }

    /// Writes a value with as many of the waiting records as go into it.
    fn fill_one(&mut self, writes: &mut Writes<'_>) -> Result<(), Fault> {
        let mut count = self.ends.len();
        let (end, payload) = loop {
            let end = self.ends[count - 1];
            let payload = pack(&self.open[..end]);
            // One alone goes into a value as it is.
            if payload.len() <= PAYLOAD_BYTES {
                break (end, payload);
            }
            count = (count * PAYLOAD_BYTES / payload.len()).clamp(1, count - 1);
        };
        self.fill = (end * PAYLOAD_BYTES / payload.len()).clamp(ROOM, SPAN);
        self.placed.extend(std::iter::repeat_n(self.next, count));
        self.open.drain(..end);
        self.tags.drain(..count);
        self.ends.drain(..count);
        self.ends.iter_mut().for_each(|at| *at -= end);
        self.put(writes, &payload)
    }

    fn put(&mut self, writes: &mut Writes<'_>, payload: &[u8]) -> Result<(), Fault> {
        if self.next >> PLACE_BITS != 0 {
            return Err(Fault::Unavailable("writing store/details: its values are numbered to the end; restore a backup".to_owned()));
        }
        writes.put(&self.next.to_be_bytes(), payload);
        self.next += 1;
        if writes.full() { writes.apply() } else { Ok(()) }
    }

    /// Ends what a fold writes: the records that wait, and how many there are. Answers the value of each record that was pushed, in
    /// their order.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where sled cannot write.
    pub(super) fn finish(&mut self, writes: &mut Writes<'_>) -> Result<Vec<u64>, Fault> {
        self.close(writes)?;
        let mut note = Vec::new();
        put_u(&mut note, self.records);
        writes.put(&MARKER, &note);
        writes.apply()?;
        Ok(std::mem::take(&mut self.placed))
    }

    /// Removes the values that the fold before emptied: it is on disk by now.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where sled cannot write.
    pub(super) fn remove_emptied(&mut self, writes: &mut Writes<'_>) -> Result<(), Fault> {
        for place in self.emptied.drain(..) {
            writes.remove(&place.to_be_bytes());
            if writes.full() {
                writes.apply()?;
            }
        }
        Ok(())
    }

    /// Goes through the oldest values, some more than as many records fill, while too much in them is outdated: what counts is
    /// appended again. Of the conversations in `written` the same fold has appended a newer record. Answers what was moved, each with the
    /// value in which it was before.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where sled cannot read or write.
    pub(super) fn collect(
        &mut self,
        base: &Base,
        places: &Mutex<Places>,
        written: &HashSet<ConversationId>,
    ) -> Result<Vec<(u64, Item)>, Fault> {
        let table = &base.details;
        let mut budget = 2 * written.len() as u64;
        let mut writes = table.writes();
        let mut moved = Vec::new();
        let end = self.next;
        for round in 0.. {
            let outdated = self.records > 2 * lock(places).len() + SLACK;
            if !outdated || (round >= COLLECT && budget == 0) {
                break;
            }
            let Some(key) = table.keys(&self.first.to_be_bytes()).next().transpose()? else { break };
            let place = key.as_ref().try_into().map(u64::from_be_bytes).map_err(|_| table.damaged(&key, "it is no number of a value"))?;
            if place >= end {
                break;
            }
            self.first = place + 1;
            let found = match value_and_parts(table, place) {
                Err(fault @ Fault::Unavailable(_)) => return Err(fault),
                // A part of a record whose beginning a crash has taken away.
                Ok(None) => {
                    self.emptied.push(place);
                    continue;
                }
                read => read.ok().flatten(),
            };
            // What cannot be read stays, for whoever asks for it to be told.
            let Some((raws, parts)) = found.as_ref().and_then(|(bytes, parts)| Some((records(bytes)?, *parts))) else { continue };
            let live: Vec<&Raw<'_>> = raws.iter().filter(|raw| !written.contains(&raw.id) && lock(places).has(raw.id, place)).collect();
            let Some(stands) = live.iter().map(|raw| raw.stands()).collect::<Option<Vec<_>>>() else { continue };
            for (raw, (head, names)) in live.into_iter().zip(stands) {
                self.push(&mut writes, raw)?;
                moved.push((place, head, names));
            }
            self.records = self.records.saturating_sub(raws.len() as u64);
            budget = budget.saturating_sub(raws.len() as u64);
            self.emptied.extend(place..place + parts);
            self.first = place + parts;
        }
        if moved.is_empty() {
            return Ok(Vec::new());
        }
        let placed = self.finish(&mut writes)?;
        let item = |((from, head, names), to): ((u64, Head, Vec<u64>), u64)| (from, Item::new(head.folded, &head.stored, to, names));
        Ok(moved.into_iter().zip(placed).map(item).collect())
    }
}

/// The records that begin in a value, as bytes; those of a long one put together. `None` where nothing begins there.
///
/// # Errors
/// [`Fault::Corrupt`] where it is damaged.
pub(super) fn value(table: &Table, place: u64) -> Result<Option<Vec<u8>>, Fault> {
    Ok(value_and_parts(table, place)?.map(|(bytes, _)| bytes))
}

/// [`value`], and how many rows it is made of.
fn value_and_parts(table: &Table, place: u64) -> Result<Option<(Vec<u8>, u64)>, Fault> {
    let Some(mut payload) = table.get(&place.to_be_bytes())? else { return Ok(None) };
    let unknown = || table.damaged(&place.to_be_bytes(), "what is in it is not known");
    match payload.first() {
        Some(&WHOLE) => {
            payload.remove(0);
            Ok(Some((payload, 1)))
        }
        Some(&COMPRESSED) => unpack(&payload[1..]).map(|bytes| Some((bytes, 1))).ok_or_else(unknown),
        Some(&FIRST) => long(table, place, &payload[1..]).map(Some),
        Some(&FURTHER) => Ok(None),
        _ => Err(unknown()),
    }
}

/// The payload of a value with these records: as short as it gets.
fn pack(records: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(PAYLOAD_BYTES);
    payload.push(COMPRESSED);
    put_u(&mut payload, records.len() as u64);
    payload.extend_from_slice(&lz4_flex::block::compress(records));
    if payload.len() > records.len() {
        payload.clear();
        payload.push(WHOLE);
        payload.extend_from_slice(records);
    }
    payload
}

/// The records that were compressed.
fn unpack(payload: &[u8]) -> Option<Vec<u8>> {
    let mut read = Reader::new(payload);
    let len = usize::try_from(read.u64()?).ok().filter(|len| *len <= MOST)?;
    let bytes = lz4_flex::block::decompress(read.take(read.left())?, len).ok()?;
    (bytes.len() == len).then_some(bytes)
}

fn long(table: &Table, place: u64, first: &[u8]) -> Result<(Vec<u8>, u64), Fault> {
    let bad = || table.damaged(&place.to_be_bytes(), "a part of its record is missing");
    let mut read = Reader::new(first);
    let parts = read.u64().ok_or_else(bad)?;
    let mut bytes = read.take(read.left()).unwrap_or_default().to_vec();
    for index in 1..parts {
        let part = table.get(&(place + index).to_be_bytes())?.ok_or_else(bad)?;
        let mut read = Reader::new(&part);
        if (read.u8(), read.u64()) != (Some(FURTHER), Some(index)) {
            return Err(bad());
        }
        bytes.extend_from_slice(read.take(read.left()).unwrap_or_default());
    }
    Ok((bytes, parts.max(1)))
}

/// The records in the bytes of a value.
pub(super) fn records(bytes: &[u8]) -> Option<Vec<Raw<'_>>> {
    let mut read = Reader::new(bytes);
    let mut raws = Vec::new();
    while read.left() > 0 {
        let mut record = Reader::new(read.bytes()?);
        let id = ConversationId(record.id()?);
        let number = record.u64()?;
        raws.push(Raw { id, folded: number >> 1, lost: number & 1 == 1, body: record.take(record.left())? });
    }
    Some(raws)
}

/// Whether a row is one of ours, as far as it can be seen alone.
pub(super) fn readable(key: &[u8], payload: &[u8]) -> bool {
    match payload.split_first() {
        _ if key == MARKER => Reader::new(payload).u64().is_some(),
        Some((&WHOLE, bytes)) => key.len() == 8 && all_readable(bytes),
        Some((&COMPRESSED, bytes)) => key.len() == 8 && unpack(bytes).is_some_and(|bytes| all_readable(&bytes)),
        Some((&(FIRST | FURTHER), bytes)) => key.len() == 8 && Reader::new(bytes).u64().is_some(),
        _ => false,
    }
}

fn all_readable(bytes: &[u8]) -> bool {
    records(bytes).is_some_and(|raws| raws.iter().all(|raw| raw.read().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;
    use crate::store::samples::waiting;
    use crate::store::sled::details::encode_lost;
    use std::collections::BTreeMap;

    fn id(n: u64) -> ConversationId {
        ConversationId(u128::from(n) << 100)
    }

    /// A record that is as long as it has names.
    fn body(n: u64, round: u64, names: u64) -> Vec<u8> {
        let stored = waiting(id(n), Moment(1_772_000_000_000 + round as i64));
        encode_lost(&Head { folded: round, stored, touched: Moment(round as i64) }, &(0..names).collect::<Vec<_>>())
    }

    struct Rig {
        base: Base,
        places: Mutex<Places>,
        packed: Packed,
        truth: BTreeMap<u64, (u64, Vec<u8>)>,
        _home: tempfile::TempDir,
    }

    impl Rig {
        fn new() -> Rig {
            let home = tempfile::tempdir().unwrap();
            let base = Base::open(home.path(), true).unwrap();
            let packed = Packed::open(&base.details).unwrap();
            Rig { base, places: Mutex::default(), packed, truth: BTreeMap::new(), _home: home }
        }

        /// Writes records as a fold does; answers how many were moved to make room.
        fn write(&mut self, round: u64, records: impl Iterator<Item = (u64, Vec<u8>)>) -> usize {
            let mut writes = self.base.details.writes();
            self.packed.remove_emptied(&mut writes).unwrap();
            let records: Vec<(u64, Vec<u8>)> = records.collect();
            for (n, body) in &records {
                self.packed.push(&mut writes, &Raw { id: id(*n), folded: round, lost: true, body }).unwrap();
            }
            let placed = self.packed.finish(&mut writes).unwrap();
            let written = records.iter().map(|(n, _)| id(*n)).collect();
            let moved = self.packed.collect(&self.base, &self.places, &written).unwrap();
            for (from, item) in &moved {
                self.truth.get_mut(&((item.id.0 >> 100) as u64)).unwrap().0 = item.place().unwrap();
                lock(&self.places).moves(item.id, Some(*from), item.place());
            }
            for ((n, body), place) in records.into_iter().zip(&placed) {
                let before = self.truth.insert(n, (*place, body)).map(|(place, _)| place);
                lock(&self.places).moves(id(n), before, Some(*place));
            }
            moved.len()
        }

        fn check(&self) {
            for (n, (place, body)) in &self.truth {
                assert_eq!(lock(&self.places).candidates(id(*n)), [*place]);
                let bytes = value(&self.base.details, *place).unwrap().unwrap();
                let raws = records(&bytes).unwrap();
                assert_eq!(raws.iter().find(|raw| raw.id == id(*n)).unwrap().body, body);
            }
        }
    }

    #[test]
    fn records_of_every_length_are_found_again_and_moved_when_too_much_is_outdated() {
        let mut rig = Rig::new();
        // Some are never written again.
        let mut moved = rig.write(0, (1_000..1_300).map(|n| (n, body(n, 0, 12))));
        for round in 0..120 {
            let long = if round % 7 == 0 { 9_000 } else { 20 };
            moved += rig.write(
                round,
                (0..150).map(|n| ((n * 3 + round * 41) % 700, n)).map(|(n, i)| (n, body(n, round, if i == 0 { long } else { n % 90 }))),
            );
            if round % 30 == 0 {
                rig.packed = Packed::open(&rig.base.details).unwrap();
            }
        }
        rig.check();
        assert!(moved > 100, "{moved} were moved");
        let values = rig.base.details.keys(&[0; 8]).count();
        let room: usize = rig.truth.values().map(|(_, body)| body.len() + 24).sum();
        assert!(values * ROOM < 8 * room + 20 * 4_096 * 12, "{values} values for {room} bytes");
        assert!(rig.packed.records <= 2 * 1_000 + SLACK + 400, "{}", rig.packed.records);
    }

    #[test]
    fn two_conversations_with_one_tag_are_in_two_values() {
        let mut rig = Rig::new();
        let mut writes = rig.base.details.writes();
        let twin = ConversationId(id(5).0 | 1);
        let bytes = body(5, 1, 0);
        let mut push = |id| rig.packed.push(&mut writes, &Raw { id, folded: 1, lost: true, body: &bytes }).unwrap();
        [id(5), twin, id(6)].into_iter().for_each(&mut push);
        let placed = rig.packed.finish(&mut writes).unwrap();
        assert!(placed[0] != placed[1] && placed[1] == placed[2], "{placed:?}");
    }

    #[test]
    fn a_value_that_cannot_be_read_stays_and_the_others_are_moved_on() {
        let mut rig = Rig::new();
        rig.write(0, (0..400).map(|n| (n, body(n, 0, 10))));
        let (spoilt, _) = rig.truth[&7].clone();
        let mut writes = rig.base.details.writes();
        writes.put(&spoilt.to_be_bytes(), b"\x09what is this");
        writes.apply().unwrap();
        let with_it: Vec<u64> = rig.truth.iter().filter(|(_, (place, _))| *place == spoilt).map(|(n, _)| *n).collect();
        for round in 1..60 {
            rig.write(round, (0..400).filter(|n| !with_it.contains(n) && n % 2 == 0).map(|n| (n, body(n, round, 10))));
        }
        assert!(value(&rig.base.details, spoilt).is_err(), "it is there still");
        assert!(rig.packed.first > spoilt);
        with_it.iter().for_each(|n| drop(rig.truth.remove(n)));
        rig.check();
    }
}
