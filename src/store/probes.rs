//! What is stored, as a fuzzer sees it: bytes that are read must be read the same when they are written again, and bytes that were
//! changed must not be read at all.
//!
//! Not in the program: built for tests and the fuzzer alone, which gets at what is private here through these doors.

use std::fmt::Debug;

use crate::id::ConversationId;
use crate::moment::Moment;
use crate::store::codec::words::Reader;
use crate::store::codec::{change, event, record, seal, state, unseal};
use crate::store::{ledger, sled};

/// Some conversation, and some instant from which others are told.
const ID: ConversationId = ConversationId(7);
const NOW: Moment = Moment(1_800_000_000_000);

/// Every codec: the first byte says which, the others are its payload.
pub fn records(data: &[u8]) {
    let Some((which, payload)) = data.split_first() else { return };
    match which % 14 {
        0 => same(payload, |read| record::read_details(read, ID), record::put_details),
        1 => same(payload, |read| record::read_delta(read, ID), record::put_delta),
        2 => same(payload, record::read_cell, record::put_cell),
        3 => same(payload, record::read_hook, record::put_hook),
        4 => same(payload, |read| state::read_state(read, ID), state::put_state),
        5 => same(payload, state::read_stored, state::put_stored),
        6 => same(payload, state::read_outcome, |out, outcome| state::put_outcome(out, *outcome)),
        7 => same(payload, |read| event::read_event(read, NOW), |out, event| event::put_event(out, event, NOW)),
        8 => same(payload, |read| event::read_trail(read, NOW), |out, trail| event::put_trail(out, trail, NOW)),
        9 => same(payload, event::read_report, |out, report| event::put_report(out, *report)),
        10 => same(payload, change::read_scope, |out, scope| change::put_scope(out, *scope)),
        11 | 12 => same(payload, change::read_change, change::put_change),
        _ => sled::probe_log(payload),
    }
}

/// What is read, written and read again is the same.
fn same<T: PartialEq + Debug>(payload: &[u8], read: impl Fn(&mut Reader<'_>) -> Option<T>, put: impl Fn(&mut Vec<u8>, &T)) {
    let Some(found) = read(&mut Reader::new(payload)) else { return };
    let mut again = Vec::new();
    put(&mut again, &found);
    let mut reader = Reader::new(&again);
    let twice = read(&mut reader);
    assert_eq!((twice.as_ref(), reader.left()), (Some(&found), 0), "written as {again:02x?}");
}

/// A sealed value opens under its key; damaged in one place, cut, or under another key, it does not.
pub fn sealed(data: &[u8]) {
    let Some((place, rest)) = data.split_first_chunk::<3>() else { return };
    let (key, payload) = rest.split_at(rest.len().min(usize::from(place[2] % 32)));
    let value = seal(key, payload);
    assert_eq!(unseal(key, &value), Some(payload));
    let at = usize::from(u16::from_le_bytes([place[0], place[1]]));
    let mut flipped = value.clone();
    flipped[at / 8 % value.len()] ^= 1 << (at % 8);
    assert_eq!(unseal(key, &flipped), None, "one bit flipped");
    let mut zeroed = value.clone();
    zeroed[at % value.len()..].iter_mut().take(4).for_each(|byte| *byte = 0);
    assert!(zeroed == value || unseal(key, &zeroed).is_none(), "up to four bytes zeroed");
    if let Some(found) = unseal(key, rest) {
        assert_eq!(seal(key, found), rest, "what opens was sealed so");
    }
}

/// The ledger of sends: cut, and damaged.
pub fn sends(data: &[u8]) {
    ledger::probe(data);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_are_misread(data in prop::collection::vec(any::<u8>(), 0..700)) {
            records(&data);
            sealed(&data);
            sends(&data);
        }

        #[test]
        fn the_ledger_gives_a_prefix_or_nothing(
            groups in any::<u32>(), cut in any::<u16>(), bit in any::<u16>(), n in 0..24usize, seed in any::<u8>()
        ) {
            let mut data = groups.to_le_bytes().to_vec();
            data.extend(cut.to_le_bytes());
            data.extend(bit.to_le_bytes());
            data.extend([0; 4]);
            data.extend((0..n * 21).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)));
            sends(&data);
        }
    }
}
