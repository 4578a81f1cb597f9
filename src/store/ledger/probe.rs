//! The ledger as a fuzzer sees it: records made of its bytes, written as the ledger writes them, then cut or damaged.
//!
//! Not in the program: built for tests and the fuzzer alone.

use super::{RECORD, believed, decode, encode, header};
use crate::engine::record::{LedgerEntry, NameId};
use crate::id::{ConversationId, SendId};
use crate::moment::Moment;
use crate::store::sends::end_of;

const SEGMENT: u32 = 7;

/// Cut anywhere, a segment gives what was whole before the cut; with any bit flipped, what stands before the write that was hit, or
/// nothing at all: never another record.
pub(crate) fn probe(data: &[u8]) {
    let Some((head, rest)) = data.split_first_chunk::<12>() else { return };
    let entries: Vec<LedgerEntry> = rest.chunks(21).take(24).filter_map(entry).collect();
    let (starts, bytes) = written(&entries, u32::from_le_bytes([head[0], head[1], head[2], head[3]]));
    assert_eq!(read(&bytes), Some(entries.clone()), "as it was written");

    let place = usize::from(u16::from_le_bytes([head[4], head[5]]));
    let cut = place % (bytes.len() + 1);
    let whole = (cut / RECORD).saturating_sub(1).min(entries.len());
    assert_eq!(read(&bytes[..cut]), Some(entries[..whole].to_vec()), "cut at byte {cut}");

    let mut flipped = bytes.clone();
    let bit = usize::from(u16::from_le_bytes([head[6], head[7]])) % (bytes.len() * 8);
    flipped[bit / 8] ^= 1 << (bit % 8);
    let hit = bit / 8 / RECORD;
    // What was written after it knows that it was whole then.
    let after = starts.iter().any(|start| *start as usize > hit);
    let expected = if after { None } else { Some(entries[..hit.saturating_sub(1)].to_vec()) };
    assert_eq!(read(&flipped), expected, "bit {bit} of {} records", entries.len());

    // Whatever else stands there is read or not, and never worse.
    let _ = read(rest);
}

fn entry(bytes: &[u8]) -> Option<LedgerEntry> {
    let bytes: &[u8; 21] = bytes.try_into().ok()?;
    let (send, at) = (SendId(u128::from(bytes[1])), Moment(i64::from_le_bytes(*bytes[2..].first_chunk::<8>()?)));
    let attempt = bytes[10];
    Some(match end_of(bytes[0]) {
        Some(end) => LedgerEntry::Ended { send, attempt, at, end },
        None => {
            let conversation = ConversationId(u128::from(u64::from_le_bytes(*bytes[11..].first_chunk::<8>()?)));
            LedgerEntry::Intent { send, attempt, at, conversation, line: NameId(u16::from(bytes[19])), template: bytes[20] & 1 == 1 }
        }
    })
}

/// A segment of these entries; a bit of `groups` says where a write began. Where each record's write began, too.
fn written(entries: &[LedgerEntry], groups: u32) -> (Vec<u32>, Vec<u8>) {
    let (mut bytes, mut starts, mut start) = (header(SEGMENT).to_vec(), vec![0], 1);
    for (index, entry) in (1..).zip(entries) {
        if groups >> (index - 1) & 1 == 1 {
            start = index;
        }
        starts.push(start);
        bytes.extend_from_slice(&encode(entry, SEGMENT, index, start));
    }
    (starts, bytes)
}

fn read(bytes: &[u8]) -> Option<Vec<LedgerEntry>> {
    let records: Vec<_> = bytes.chunks(RECORD).enumerate().map(|(i, chunk)| decode(chunk, SEGMENT, i)).collect();
    let whole = believed(&records, true).ok()?;
    Some(records.into_iter().take(whole).flatten().filter_map(|record| record.entry).collect())
}
