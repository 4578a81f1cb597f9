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
    /// The oldest value that was not gone through, and the first that the fold under way writes.
    first: u64,
    begun: u64,
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
            begun: next,
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

    /// Begins a fold: removes the values that the fold before emptied, which is on disk by now.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where sled cannot write.
    pub(super) fn begin(&mut self, writes: &mut Writes<'_>) -> Result<(), Fault> {
        self.begun = self.next;
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
        for round in 0.. {
            let outdated = self.records > 2 * lock(places).len() + SLACK;
            if !outdated || (round >= COLLECT && budget == 0) {
                break;
            }
            let Some(key) = table.keys(&self.first.to_be_bytes()).next().transpose()? else { break };
            let place = key.as_ref().try_into().map(u64::from_be_bytes).map_err(|_| table.damaged(&key, "it is no number of a value"))?;
            // What this fold wrote is noted in `places` when it is over: until then nothing in it seems to count.
            if place >= self.begun {
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
mod tests;
