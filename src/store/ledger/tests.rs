//! The ledger: what is read back, what a torn write is, and what is damage.

use super::*;
use crate::engine::record::LedgerEnd;

fn intent(send: u128, at: i64) -> LedgerEntry {
    let (conversation, line) = (ConversationId(5), NameId(3));
    LedgerEntry::Intent { send: SendId(send), attempt: 1, at: Moment(at), conversation, line, template: send == 2 }
}

fn ended(send: u128) -> LedgerEntry {
    LedgerEntry::Ended { send: SendId(send), attempt: 1, at: Moment(1), end: LedgerEnd::Accepted }
}

/// A ledger of three groups: intents 1 and 2, the end of 1, intent 3.
fn filled() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("ledger");
    Ledger::create(&dir).unwrap();
    let (mut ledger, sends) = Ledger::open(&dir).unwrap();
    assert_eq!(sends.len(), 0);
    ledger.append(&[intent(1, 0), intent(2, 0)]).unwrap();
    ledger.append(&[ended(1)]).unwrap();
    ledger.append(&[intent(3, 0)]).unwrap();
    (home, dir)
}

fn known(dir: &Path) -> Result<Vec<(u128, bool)>, Fault> {
    let (_, sends) = Ledger::open(dir)?;
    Ok((1..9).filter_map(|n| sends.get(SendId(n)).map(|s| (n, s.end.is_some()))).collect())
}

#[test]
fn what_was_appended_is_there_and_more_can_be() {
    let (_home, dir) = filled();
    assert_eq!(known(&dir).unwrap(), [(1, true), (2, false), (3, false)]);
    let (mut ledger, _) = Ledger::open(&dir).unwrap();
    ledger.append(&[ended(3)]).unwrap();
    assert_eq!(known(&dir).unwrap(), [(1, true), (2, false), (3, true)]);
    assert_eq!(Ledger::open(&dir).unwrap().0.ended().collect::<Vec<_>>(), [SendId(1), SendId(3)]);
}

#[test]
fn a_torn_end_is_dropped_at_every_length() {
    let (_home, dir) = filled();
    let path = path_of(&dir, 1);
    let bytes = fs::read(&path).unwrap();
    for length in (0..5 * RECORD).rev().step_by(13) {
        fs::write(&path, &bytes[..length]).unwrap();
        let whole = length / RECORD;
        assert_eq!(known(&dir).unwrap().len(), [0, 0, 1, 2, 2][whole], "cut at {length}");
        let (mut ledger, _) = Ledger::open(&dir).unwrap();
        ledger.append(&[intent(8, 0)]).unwrap();
        assert!(known(&dir).unwrap().contains(&(8, false)));
    }
}

#[test]
fn damage_before_the_end_is_refused_and_at_the_end_it_is_a_torn_write() {
    let (_home, dir) = filled();
    let path = path_of(&dir, 1);
    let bytes = fs::read(&path).unwrap();
    for bit in (0..8 * RECORD * 8).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        match (bit / 8 / RECORD, known(&dir)) {
            (4, found) => assert_eq!(found.unwrap(), [(1, true), (2, false)]),
            (5.., found) => assert_eq!(found.unwrap(), [(1, true), (2, false), (3, false)], "in the zeros behind them"),
            (record, found) => assert!(matches!(found, Err(Fault::Corrupt(_))), "record {record}: {found:?}"),
        }
    }
}

#[test]
fn of_a_write_into_the_zeros_any_sectors_may_be_missing() {
    let (_home, dir) = filled();
    let (mut ledger, _) = Ledger::open(&dir).unwrap();
    let group: Vec<LedgerEntry> = (4..24).map(|send| intent(send, 0)).collect();
    ledger.append(&group).unwrap();
    let path = path_of(&dir, 1);
    let bytes = fs::read(&path).unwrap();
    let sends = |upto: u128| (1..upto).filter(|send| known_to(&dir, *send)).count();
    for sector in 1..4 {
        let mut torn = bytes.clone();
        torn[sector * 512..(sector + 1) * 512].fill(0);
        fs::write(&path, &torn).unwrap();
        assert_eq!(sends(99), sector * 8 - 2, "the end of a send, and the header, are no sends");
        let (mut ledger, _) = Ledger::open(&dir).unwrap();
        ledger.append(&[intent(70, 0)]).unwrap();
        assert_eq!(sends(99), sector * 8 - 1);
    }
    let mut damaged = bytes.clone();
    damaged[..512].fill(0);
    fs::write(&path, &damaged).unwrap();
    assert!(matches!(known(&dir), Err(Fault::Corrupt(_))), "what was acknowledged before is no torn write");
}

fn known_to(dir: &Path, send: u128) -> bool {
    Ledger::open(dir).unwrap().1.get(SendId(send)).is_some()
}

#[test]
fn segments_are_begun_by_age_and_dropped_when_outlived() {
    let (_home, dir) = filled();
    let (mut ledger, _) = Ledger::open(&dir).unwrap();
    let mut dropped = Vec::new();
    for month in 1..8 {
        dropped.extend(ledger.append(&[intent(3 + month, month as i64 * 31 * DAY)]).unwrap());
    }
    assert!(!dropped.is_empty());
    let left = segments_in(&dir).unwrap();
    assert!(left.len() <= 5 && left[0] > 1, "{left:?}");
    assert!(known(&dir).unwrap().iter().all(|(send, _)| *send > 3));
    fs::remove_file(path_of(&dir, left[1])).unwrap();
    assert!(matches!(known(&dir), Err(Fault::Corrupt(_))));
    fs::remove_dir_all(&dir).unwrap();
    assert!(matches!(known(&dir), Err(Fault::Corrupt(_))));
}
