//! Records of every length and likeness: found again, moved, and packed no longer than they are.

use super::*;
use crate::id::Keys;
use crate::moment::Moment;
use crate::store::samples::waiting;
use crate::store::sled::details::encode_lost;
use proptest::prelude::*;
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
        self.packed.begin(&mut writes).unwrap();
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
fn what_a_fold_wrote_is_not_gone_through_by_the_same_fold() {
    let mut rig = Rig::new();
    rig.write(1, (0..3 * SLACK).map(|n| (n, body(n, 1, 3))));
    rig.write(2, (0..10).map(|n| (n, body(n, 2, 3))));
    rig.check();
    // A crash leaves a count that is too high.
    rig.packed.records += 4 * SLACK;
    rig.write(3, (0..3 * SLACK).map(|n| (n, body(n, 3, 3))));
    rig.write(4, (0..10).map(|n| (n, body(n, 4, 3))));
    rig.check();
}

#[test]
fn records_that_are_alike_share_a_value_and_others_are_not_made_longer() {
    let mut rig = Rig::new();
    let alike = rig.write(1, (0..2_000).map(|n| (n, body(n, 1, 60))));
    let values = rig.base.details.keys(&[0; 8]).count();
    let room: usize = rig.truth.values().map(|(_, body)| body.len() + 24).sum();
    assert!(values * ROOM * 10 < room * 8 && alike == 0, "{values} values for {room} bytes");
    rig.check();
    let chance: Vec<u8> = (0..ROOM as u64).map(|n| Keys::new(&[7; 32]).event(&n.to_string()).0 as u8).collect();
    assert_eq!((pack(&chance).len(), pack(&chance)[0]), (ROOM + 1, WHOLE));
}

proptest! {
    #[test]
    fn what_was_packed_comes_back_and_nothing_else_is_taken_for_it(bytes in prop::collection::vec(0u8..4, 0..MOST), other: Vec<u8>) {
        let packed = pack(&bytes);
        let back = if packed[0] == WHOLE { Some(packed[1..].to_vec()) } else { unpack(&packed[1..]) };
        prop_assert_eq!(back, Some(bytes));
        prop_assert!(unpack(&other).is_none_or(|bytes| bytes.len() <= MOST));
    }
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
