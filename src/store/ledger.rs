//! The ledger of sends: append-only files of fixed records, on disk before any call is made.
//!
//! Not the store and not in its backup: a store that goes back in time must still find here what was sent since.
//! A torn end is dropped (no call was made for it: the flush that wrote it never returned); damage before the end is refused.

mod check;
#[cfg(any(test, fuzzing))]
mod probe;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::engine::ports::Fault;
use crate::engine::record::{LedgerEntry, NameId};
use crate::id::{ConversationId, SendId};
use crate::limits;
use crate::moment::{DAY, Moment};
use crate::points;
use crate::store::files::{Tail, failed, sync_dir};
use crate::store::sends::{Sends, end_of};

pub(crate) use check::{check, rescue};
#[cfg(any(test, fuzzing))]
pub(crate) use probe::probe;

/// Bytes of a record: no record straddles a sector.
const RECORD: usize = 64;
/// Records of a segment before the next is begun: 4 MiB.
const SEGMENT_RECORDS: u32 = 65_536;
/// A segment is also closed this long after its first claim, so that old ones can be dropped whole.
const SEGMENT_AGE: i64 = 30 * DAY;
/// Ends at the end of the ledger that a start looks at again: many times more than a flush writes, so that also those of starts that
/// were cut short are among them.
const ENDS: usize = 1_024;
const VERSION: u8 = 1;
const HEADER: u8 = b'L';
const INTENT: u8 = 1;
const ENDED: u8 = 2;
const MAGIC: [u8; 16] = *b"reengaged ledger";

/// The open ledger.
#[derive(Debug)]
pub(crate) struct Ledger {
    dir: PathBuf,
    tail: Tail,
    /// Every segment there is, oldest first; the last is the open one.
    segments: Vec<Segment>,
    /// Sends whose ends stood last in it when it was opened: the store may not have heard of them.
    ended: VecDeque<SendId>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u32,
    /// Records in it, the header included.
    records: u32,
    /// The first and the last claim in it.
    claims: Option<(Moment, Moment)>,
}

/// One record, read back.
struct Read64 {
    /// The place of the first record that was written with it.
    start: u32,
    entry: Option<LedgerEntry>,
}

impl Ledger {
    /// Makes an empty ledger in a new directory.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub(crate) fn create(dir: &Path) -> Result<(), Fault> {
        fs::create_dir(dir).map_err(|e| failed("making the directory", dir, &e))?;
        begin(dir, 1).map(drop)
    }

    /// Opens the ledger and reads it whole.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where a segment is missing or damaged before its end.
    pub(crate) fn open(dir: &Path) -> Result<(Ledger, Sends), Fault> {
        let numbers = segments_in(dir)?;
        let Some(last) = numbers.last().copied() else {
            return Err(Fault::Corrupt(format!(
                "opening the ledger {}: it has no segment, so what was sent is not known; put the directory back as it was",
                dir.display()
            )));
        };
        if let Some(gap) = numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
            let missing = path_of(dir, gap[0] + 1);
            return Err(Fault::Corrupt(format!("opening the ledger: {} is missing; put it back", missing.display())));
        }
        let mut sends = Sends::default();
        let (mut segments, mut ended) = (Vec::new(), VecDeque::new());
        for number in numbers {
            segments.push(read_segment(dir, number, number == last, (&mut sends, &mut ended))?);
        }
        let path = path_of(dir, last);
        let file = OpenOptions::new().write(true).open(&path);
        let opened = file.and_then(|file| file.metadata().map(|found| (file, found.len())));
        let (file, length) = opened.map_err(|e| failed("opening", &path, &e))?;
        let place = segments.last().map_or(0, |open: &Segment| open.end());
        Ok((Ledger { dir: dir.to_owned(), tail: Tail::new(file, place, length), segments, ended }, sends))
    }

    /// Sends whose ends stood last in it when it was opened, oldest first.
    pub(crate) fn ended(&self) -> impl Iterator<Item = SendId> + '_ {
        self.ended.iter().copied()
    }

    /// Appends entries and returns when they are on disk. The instant before which sends were dropped, where some were.
    ///
    /// # Errors
    /// [`Fault::Unavailable`]; the ledger must then not be written again by this process.
    pub(crate) fn append(&mut self, entries: &[LedgerEntry]) -> Result<Option<Moment>, Fault> {
        let dropped = self.roll(entries)?;
        let Some(open) = self.segments.last_mut() else { return Err(Fault::Unavailable("the ledger has no segment".to_owned())) };
        let start = open.records;
        let mut bytes = Vec::with_capacity(entries.len() * RECORD);
        for entry in entries {
            bytes.extend_from_slice(&encode(entry, open.number, open.records, start));
            open.records += 1;
            open.learn(entry);
        }
        let written = self.tail.append(&bytes).and_then(|()| {
            points::at("ledger.written");
            if points::wrong("wrong.skip_the_fsync") { Ok(()) } else { self.tail.file.sync_data() }
        });
        written.map_err(|e| failed("writing the ledger", &path_of(&self.dir, open.number), &e))?;
        Ok(dropped)
    }

    /// Begins another segment where the open one is full or old, and drops those that no send needs any more.
    fn roll(&mut self, entries: &[LedgerEntry]) -> Result<Option<Moment>, Fault> {
        let newest = entries.iter().filter_map(claimed).max();
        let Some(open) = self.segments.last().copied() else { return Ok(None) };
        let old = matches!((open.claims, newest), (Some((first, _)), Some(now)) if now.since(first) > SEGMENT_AGE);
        if open.records < SEGMENT_RECORDS && !old {
            return Ok(None);
        }
        // Only the last one has an end to look for.
        self.tail.cut().map_err(|e| failed("closing", &path_of(&self.dir, open.number), &e))?;
        let file = begin(&self.dir, open.number + 1)?;
        self.tail = Tail::new(file, RECORD as u64, RECORD as u64);
        self.segments.push(Segment { number: open.number + 1, records: 1, claims: None });
        let Some(before) = newest.map(|now| now.plus(-limits::LEDGER)) else { return Ok(None) };
        let outlived = self.segments.iter().take_while(|s| matches!(s.claims, Some((_, last)) if last < before)).count();
        // Two are always kept: a clock that ran years ahead for a moment must not empty the ledger.
        let outlived = outlived.min(self.segments.len().saturating_sub(2));
        for segment in self.segments.drain(..outlived) {
            let path = path_of(&self.dir, segment.number);
            fs::remove_file(&path).map_err(|e| failed("removing", &path, &e))?;
        }
        Ok((outlived > 0).then_some(before))
    }
}

impl Segment {
    /// Where its records end.
    fn end(&self) -> u64 {
        u64::from(self.records) * RECORD as u64
    }

    fn learn(&mut self, entry: &LedgerEntry) {
        if let Some(at) = claimed(entry) {
            self.claims = Some(self.claims.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        }
    }
}

fn claimed(entry: &LedgerEntry) -> Option<Moment> {
    match entry {
        LedgerEntry::Intent { at, .. } => Some(*at),
        LedgerEntry::Ended { .. } => None,
    }
}

fn path_of(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:010}.ledger"))
}

/// The segments there are, in order.
fn segments_in(dir: &Path) -> Result<Vec<u32>, Fault> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| missing_or("reading the ledger", dir, &e))? {
        let name = entry.map_err(|e| failed("reading the ledger", dir, &e))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".ledger")).and_then(|n| n.parse::<u32>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A missing ledger is damage: what was sent is not known without it.
fn missing_or(doing: &str, path: &Path, error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Fault::Corrupt(format!("{doing} {}: it is not there, so what was sent is not known; put it back", path.display()))
        }
        _ => failed(doing, path, error),
    }
}

/// Makes a segment with its header, durable with its name.
fn begin(dir: &Path, number: u32) -> Result<File, Fault> {
    let path = path_of(dir, number);
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).open(&path).and_then(|mut file| {
        file.write_all(&header(number))?;
        file.sync_all()?;
        Ok(file)
    });
    let file = file.map_err(|e| failed("beginning", &path, &e))?;
    sync_dir(dir)?;
    Ok(file)
}

/// Reads one segment into `sends`; of the last one, a torn end is cut off.
fn read_segment(dir: &Path, number: u32, last: bool, (sends, ended): (&mut Sends, &mut VecDeque<SendId>)) -> Result<Segment, Fault> {
    let path = path_of(dir, number);
    let mut bytes = Vec::new();
    File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|e| failed("reading", &path, &e))?;
    let records = records(&bytes, number, last);
    let whole = believed(&records, last).map_err(|damaged| {
        Fault::Corrupt(format!(
            "reading the ledger {}: the record at byte {} is damaged and others follow it; put the file back as it was, or go on with \
             the other records by `reengaged serve --accept-loss`",
            path.display(),
            damaged * RECORD
        ))
    })?;
    if whole < records.len() || records.is_empty() {
        cut(&path, number, whole)?;
    }
    let mut segment = Segment { number, records: whole.max(1) as u32, claims: None };
    for entry in records.into_iter().take(whole).flatten().filter_map(|record| record.entry) {
        sends.take(&entry);
        segment.learn(&entry);
        if let LedgerEntry::Ended { send, .. } = entry {
            ended.push_back(send);
            if ended.len() > ENDS {
                ended.pop_front();
            }
        }
    }
    Ok(segment)
}

/// The records of a segment, `None` for those that are not whole. Zeros behind those of the last one are room for more.
fn records(bytes: &[u8], number: u32, last: bool) -> Vec<Option<Read64>> {
    let written = if last { bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1) } else { bytes.len() };
    let written = written.next_multiple_of(RECORD).min(bytes.len());
    bytes[..written].chunks(RECORD).enumerate().map(|(i, chunk)| decode(chunk, number, i)).collect()
}

/// How many records of a segment count: all, or of the last segment those before a torn end. The error is the place of a record that
/// is damaged.
fn believed(records: &[Option<Read64>], last: bool) -> Result<usize, usize> {
    let whole = records.iter().take_while(|record| record.is_some()).count();
    let sound = !records.is_empty() && whole == records.len();
    if sound || (last && torn(&records[whole..], whole)) { Ok(whole) } else { Err(whole) }
}

/// Whether the bad record at place `bad`, with which `rest` begins, can be part of one write that was cut short: whole records
/// behind it, if any, were written together with it.
fn torn(rest: &[Option<Read64>], bad: usize) -> bool {
    rest.iter().flatten().all(|record| record.start as usize <= bad)
}

/// Cuts a segment off behind its `whole` records; one without even a header gets it again.
fn cut(path: &Path, number: u32, whole: usize) -> Result<(), Fault> {
    let cut = OpenOptions::new().write(true).open(path).and_then(|mut file| {
        file.set_len((whole * RECORD) as u64)?;
        if whole == 0 {
            file.write_all(&header(number))?;
        }
        file.sync_all()
    });
    cut.map_err(|e| failed("cutting the torn end of", path, &e))
}

fn header(number: u32) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[0] = HEADER;
    record[3] = VERSION;
    record[16..32].copy_from_slice(&MAGIC);
    finish(record, number, 0, 0)
}

fn encode(entry: &LedgerEntry, segment: u32, index: u32, start: u32) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[3] = VERSION;
    let (at, send) = match *entry {
        LedgerEntry::Intent { send, attempt, at, conversation, line, template } => {
            record[..3].copy_from_slice(&[INTENT, attempt, u8::from(template)]);
            record[4..6].copy_from_slice(&line.0.to_le_bytes());
            record[32..48].copy_from_slice(&conversation.0.to_be_bytes());
            (at, send)
        }
        LedgerEntry::Ended { send, attempt, at, end } => {
            record[..3].copy_from_slice(&[ENDED, attempt, end as u8]);
            (at, send)
        }
    };
    record[8..16].copy_from_slice(&at.0.to_le_bytes());
    record[16..32].copy_from_slice(&send.0.to_be_bytes());
    finish(record, segment, index, start)
}

/// Adds where the record stands, and the checksum.
fn finish(mut record: [u8; RECORD], segment: u32, index: u32, start: u32) -> [u8; RECORD] {
    record[48..52].copy_from_slice(&start.to_le_bytes());
    record[52..56].copy_from_slice(&index.to_le_bytes());
    record[56..60].copy_from_slice(&segment.to_le_bytes());
    let sum = crc32c::crc32c(&record[..60]);
    record[60..].copy_from_slice(&sum.to_le_bytes());
    record
}

/// The record at place `index` of segment `segment`; `None` where it is not what was written there.
fn decode(bytes: &[u8], segment: u32, index: usize) -> Option<Read64> {
    let record: &[u8; RECORD] = bytes.try_into().ok()?;
    let u32_at = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
    let id_at = |at: usize| record[at..].first_chunk::<16>().map(|bytes| u128::from_be_bytes(*bytes));
    if crc32c::crc32c(&record[..60]) != u32_at(60) || record[3] != VERSION || u32_at(56) != segment || u32_at(52) as usize != index {
        return None;
    }
    let at = Moment(i64::from_le_bytes(*record[8..].first_chunk::<8>()?));
    let (send, attempt) = (SendId(id_at(16)?), record[1]);
    let entry = match (record[0], index) {
        (HEADER, 0) => (record[16..32] == MAGIC).then_some(None)?,
        (INTENT, 1..) => {
            let line = NameId(u16::from_le_bytes([record[4], record[5]]));
            let template = match record[2] {
                0 => false,
                1 => true,
                _ => return None,
            };
            Some(LedgerEntry::Intent { send, attempt, at, conversation: ConversationId(id_at(32)?), line, template })
        }
        (ENDED, 1..) => Some(LedgerEntry::Ended { send, attempt, at, end: end_of(record[2])? }),
        _ => return None,
    };
    Some(Read64 { start: u32_at(48), entry })
}

#[cfg(test)]
mod tests;
