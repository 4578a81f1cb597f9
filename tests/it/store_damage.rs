//! The store on disk, damaged: it opens with the same answers, or says what is damaged and stays shut. It never opens with less.
//!
//! Not kills (`store_kill.rs`) and not the ledger's own file, whose tests are beside it.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::Command;

use reengaged::engine::ports::{Fault, Restored, Store};
use reengaged::engine::record::{Change, Delta, LedgerEntry, Moved, NameId, PauseScope};
use reengaged::engine::registry::{Filed, Register};
use reengaged::id::{AliasKey, ConversationId, EventKey, PersonKey, SendId};
use reengaged::moment::Moment;
use reengaged::store::{MemoryStore, OpenOptions, SledStore};

use crate::{answers, samples};

const NOW: i64 = 1_772_400_000_000;

pub(crate) fn options() -> OpenOptions {
    OpenOptions { any_filesystem: true, machine: Some("test".to_owned()), ..OpenOptions::default() }
}

pub(crate) fn open(path: &Path) -> Result<SledStore, Fault> {
    SledStore::open(path, &options())
}

pub(crate) fn id(n: u128) -> ConversationId {
    ConversationId(n << 96)
}

pub(crate) fn change(n: u128) -> Change {
    let (at, line) = (Moment(NOW), NameId(1));
    let send = LedgerEntry::Intent { send: SendId(n), attempt: 1, at, conversation: id(n), line, template: false };
    Change::Moved(Box::new(Moved {
        stored: samples::waiting(id(n), Moment(NOW)),
        identity: Some(EventKey(n)),
        now: Moment(NOW + n as i64),
        deltas: vec![
            Delta::Caller(format!("caller {n}")),
            Delta::To("5".repeat((n % 90) as usize)),
            Delta::Vars(vec![("long".to_owned(), "x".repeat(900))]),
        ],
        aliases: vec![AliasKey(n << 96)],
        hooks: Vec::new(),
        ledger: Some(send).filter(|_| n.is_multiple_of(5)),
    }))
}

/// A store with some hundred conversations, most of them folded, and the model of it. It is closed. Its file has several of sled's
/// segments, so that not every byte of it is needed, and it has a snapshot.
pub(crate) fn filled() -> (tempfile::TempDir, MemoryStore) {
    let (home, model) = filled_with(20);
    drop(open(home.path()).unwrap());
    (home, model)
}

pub(crate) fn filled_with(groups: u128) -> (tempfile::TempDir, MemoryStore) {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).unwrap();
    let model = MemoryStore::new(store.keys().clone());
    for group in 0..groups {
        let mut changes: Vec<Change> = (1..=30).map(|n| change(group * 30 + n)).collect();
        changes.push(Change::OptedOut(PersonKey(group), Moment(NOW)));
        store.apply(changes.clone());
        model.apply(changes);
        store.flush().unwrap();
        model.flush().unwrap();
        if group + 3 < groups {
            while store.fold().unwrap() {}
        }
    }
    drop(store);
    (home, model)
}

fn corrupt(opened: Result<SledStore, Fault>) -> String {
    match opened {
        Err(Fault::Corrupt(why)) => why,
        Err(other) => panic!("expected damage, not: {other}"),
        Ok(_) => panic!("a damaged store was opened"),
    }
}

#[test]
fn a_database_that_lost_its_end_is_made_whole_from_the_log_or_refused() {
    // A small file, of which sled takes every cut for the end; and a large one, in which it sees that pages are missing.
    let mut whole = 0;
    for (home, model) in [filled_with(6), filled()] {
        for snapshot in snapshots(home.path()) {
            fs::remove_file(snapshot).unwrap();
        }
        for part in 1..12 {
            match open(cut(home.path(), "store/db", part).path()) {
                // What was cut off is in the log still.
                Ok(store) => {
                    assert_eq!(answers::difference(&store, &model), None, "{part} twelfths");
                    whole += 1;
                }
                opened => drop(corrupt(opened)),
            }
        }
    }
    assert!(whole > 3, "{whole} were made whole");
}

fn cut(home: &Path, file: &str, twelfths: u64) -> tempfile::TempDir {
    let copy = answers::killed(home);
    let file = fs::OpenOptions::new().write(true).open(copy.path().join(file)).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length * twelfths / 12).unwrap();
    copy
}

#[test]
fn a_log_that_lost_its_end_is_refused() {
    let (home, model) = filled();
    let mut refused = 0;
    for part in 0..12 {
        match open(cut(home.path(), "store/log.0000000000000000", part).path()) {
            Ok(store) => assert_eq!(answers::difference(&store, &model), None, "{part} twelfths"),
            opened => refused += usize::from(corrupt(opened).contains("gone back in time")),
        }
    }
    assert!(refused > 3, "the mark saw {refused}");
}

#[test]
fn a_database_older_than_the_log_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("data");
    drop(open(&path).unwrap());
    let older = answers::killed(&path);
    let store = open(&path).unwrap();
    for round in 0..3 {
        // More than a file of the log holds.
        for group in 0..10u128 {
            store.apply((1..=1_000).map(|n| change((round * 10 + group) * 1_000 + n)).collect());
            store.flush().unwrap();
        }
        while store.fold().unwrap() {}
    }
    drop(store);
    assert!(!path.join("store/log.0000000000000000").exists(), "what is folded has left the log");
    fs::copy(older.path().join("store/db"), path.join("store/db")).unwrap();
    snapshots(&path).into_iter().for_each(|snapshot| fs::remove_file(snapshot).unwrap());
    let why = corrupt(open(&path));
    assert!(why.contains("its beginning is lost"), "{why}");
}

#[test]
fn a_database_behind_its_mark_is_taken_only_with_leave_and_starts_held() {
    let (home, _) = filled();
    // An older whole state: the file as it was some commits ago.
    let older = answers::killed(home.path());
    let store = open(older.path()).unwrap();
    store.apply(vec![change(999)]);
    store.flush().unwrap();
    fs::copy(older.path().join("mark"), home.path().join("mark")).unwrap();
    drop(store);
    let why = corrupt(open(home.path()));
    assert!(why.contains("gone back in time") && why.contains("--accept"), "{why}");
    let accepted = SledStore::open(home.path(), &OpenOptions { accept_loss: true, ..options() }).unwrap();
    assert!(held(&accepted).is_some(), "it starts held");
    drop(accepted);
    let again = open(home.path()).unwrap();
    assert!(held(&again).is_some(), "until it is resumed");
    again.apply(vec![Change::Paused(PauseScope::All, false)]);
    again.flush().unwrap();
    drop(again);
    assert!(held(&open(home.path()).unwrap()).is_none());
}

#[test]
fn flipped_bits_change_no_answer_unseen() {
    let (home, model) = filled();
    let length = fs::metadata(home.path().join("store/db")).unwrap().len();
    let (mut whole, mut seen) = (0, 0);
    // Spread over the file by a multiplicative sequence: the same bits in every run.
    for n in 1..=60u64 {
        let copy = answers::killed(home.path());
        let db = copy.path().join("store/db");
        let mut bytes = fs::read(&db).unwrap();
        let bit = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (length * 8);
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        fs::write(&db, bytes).unwrap();
        match open(copy.path()) {
            Err(_) => seen += 1,
            // A record that cannot be read says so when it is asked for; the questions of the suite unwrap it.
            Ok(store) => match catch_unwind(std::panic::AssertUnwindSafe(|| answers::difference(&store, &model))) {
                Err(_) => seen += 1,
                Ok(difference) => {
                    assert_eq!(difference, None, "bit {bit}");
                    whole += 1;
                }
            },
        }
    }
    assert!(whole + seen == 60 && whole > 0, "{whole} opened whole, {seen} were seen to be damaged");
}

#[test]
fn a_damaged_snapshot_costs_a_full_read_and_nothing_else() {
    let (home, model) = filled();
    let snapshots = snapshots(home.path());
    assert!(!snapshots.is_empty(), "sled wrote no snapshot, so nothing was tested");
    for snapshot in snapshots {
        let mut bytes = fs::read(&snapshot).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs::write(&snapshot, bytes).unwrap();
    }
    let store = open(home.path()).unwrap();
    assert_eq!(answers::difference(&store, &model), None);
    assert!(home.path().join("store.damaged-1/db").is_file(), "what was found was copied aside first");
}

#[test]
fn half_written_snapshots_are_removed() {
    let (home, model) = filled();
    fs::write(home.path().join("store/snap.0000000000000FFF.generating"), b"half").unwrap();
    assert_eq!(answers::difference(&open(home.path()).unwrap(), &model), None);
}

#[test]
fn missing_parts_are_not_made_up() {
    let (home, _) = filled();
    for part in ["store/db", "store", "ledger", "mark", "KEY", "FORMAT"] {
        let copy = answers::killed(home.path());
        let path = copy.path().join(part);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        corrupt(open(copy.path()));
    }
    for part in ["mark", "KEY", "FORMAT", "store/conf"] {
        let copy = answers::killed(home.path());
        let path = copy.path().join(part);
        let zeros = vec![0; fs::metadata(&path).unwrap().len() as usize];
        fs::write(&path, zeros).unwrap();
        corrupt(open(copy.path()));
    }
}

#[test]
fn one_damaged_record_stays_one_damaged_record() {
    let (home, _) = filled();
    overwrite_record(home.path(), id(7));
    let store = open(home.path()).unwrap();
    let damaged = |store: &SledStore| {
        assert!(matches!(store.load(id(7)), Err(Fault::Corrupt(why)) if why.contains("store/details")));
        assert!(store.load(id(8)).unwrap().is_some());
        assert_eq!(store.page(Some(id(6)), 2).unwrap(), [id(7), id(8)]);
    };
    damaged(&store);
    // Its state goes on, folds included, and the others do not notice.
    let mut later = samples::waiting(id(7), Moment(NOW));
    later.state.episode = 9;
    let moved = |stored| Moved { stored, identity: None, now: Moment(NOW), deltas: vec![], aliases: vec![], hooks: vec![], ledger: None };
    store.apply(vec![Change::Moved(Box::new(moved(later))), change(8)]);
    store.flush().unwrap();
    while store.fold().unwrap() {}
    damaged(&store);
    drop(store);
    let store = open(home.path()).unwrap();
    damaged(&store);
    let mut episode = None;
    let take = &mut |restored| {
        if let Restored::Conversation(stored) = restored
            && stored.id == id(7)
        {
            episode = Some(stored.state.episode);
        }
    };
    store.recover(take).unwrap();
    assert_eq!(episode, Some(9));
    // Erasing it is the way out.
    store.apply(vec![Change::Forgotten(id(7), true)]);
    store.flush().unwrap();
    assert_eq!(store.load(id(7)).unwrap(), None);
    while store.fold().unwrap() {}
    drop(store);
    let store = open(home.path()).unwrap();
    assert_eq!((store.load(id(7)).unwrap(), store.alias(AliasKey(7 << 96)).unwrap()), (None, None));
    store.apply(vec![change(7)]);
    store.flush().unwrap();
    while store.fold().unwrap() {}
    assert_eq!(store.load(id(7)).unwrap().unwrap().1.caller, "caller 7");
}

#[test]
fn a_damaged_block_or_opt_out_keeps_the_store_shut() {
    for (table, key) in [("blocks", &[0; 8][..]), ("opted_out", &3u128.to_be_bytes()[..])] {
        let (home, _) = filled();
        overwrite(home.path(), table, key);
        let told = open(home.path()).and_then(|store| store.recover(&mut |_| {}));
        assert!(matches!(&told, Err(Fault::Corrupt(why)) if why.contains(table)), "{told:?}");
    }
}

#[test]
fn a_damaged_record_of_the_registry_keeps_the_store_shut() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).unwrap();
    let value = Some(std::sync::Arc::from(vec![7; 9_000]));
    let filed = Filed { register: Register::Outbound, id: std::sync::Arc::from("OTB1"), value, hooks: Vec::new() };
    store.apply(vec![Change::Filed(Box::new(filed))]);
    store.flush().unwrap();
    while store.fold().unwrap() {}
    drop(store);
    for chunk in [0, 3] {
        let copy = answers::killed(home.path());
        overwrite(copy.path(), "small", &[b"r\x02\x04OTB1", &[0, chunk][..]].concat());
        let why = corrupt(open(copy.path()));
        assert!(why.contains("store/small"), "{why}");
    }
}

#[test]
fn a_second_opener_is_refused_and_the_first_unharmed() {
    let (home, model) = filled();
    let first = open(home.path()).unwrap();
    let refused = open(home.path()).unwrap_err().to_string();
    assert!(refused.contains("locked by pid"), "{refused}");
    assert_eq!(answers::difference(&first, &model), None);
}

#[test]
fn a_copy_starts_held_until_it_is_resumed() {
    let (home, model) = filled();
    let copy = answers::killed(home.path());
    let store = open(copy.path()).unwrap();
    assert!(held(&store).is_some_and(|why| why.contains("copy")));
    assert_eq!(answers::difference(&store, &model), None);
    drop(store);
    assert!(held(&open(home.path()).unwrap()).is_none(), "the first one is not");
}

#[test]
fn a_full_disk_refuses_every_commit_after_it_and_loses_nothing_before() {
    let home = tempfile::tempdir().unwrap();
    let mount = |options: &str| {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(home.path()).output();
        mounted.is_ok_and(|output| output.status.success())
    };
    if !mount("size=8m") {
        println!("SKIPPED a_full_disk_refuses_every_commit_after_it_and_loses_nothing_before: only root can mount a tmpfs");
        return;
    }
    let _unmount = Unmount(home.path().to_owned());
    let path = home.path().join("data");
    let store = open(&path).unwrap();
    let mut acknowledged = 0;
    let fault = (0..4_000u128).find_map(|group| {
        store.apply((1..=40).map(|n| change(group * 40 + n)).collect());
        match store.flush() {
            Ok(_) => acknowledged = (group + 1) * 40,
            Err(fault) => return Some(fault),
        }
        None
    });
    let fault = fault.expect("8 MB are full by then");
    assert!(matches!(&fault, Fault::Unavailable(_)), "{fault}");
    fs::write(home.path().join("room"), b"").unwrap_or_default();
    assert!(mount("remount,size=64m"));
    assert_eq!(store.flush(), Err(fault), "a store that failed stays failed");
    assert!(store.fold().is_err());
    drop(store);
    let store = open(&path).unwrap();
    assert!(acknowledged > 0);
    for n in 1..=acknowledged {
        assert!(store.load(id(n)).unwrap().is_some(), "{n} of {acknowledged}");
    }
    store.apply(vec![change(1)]);
    store.flush().unwrap();
}

/// Takes a file system away again.
struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(&self.0).status();
    }
}

pub(crate) fn snapshots(home: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(home.join("store")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("snap.")).collect()
}

pub(crate) fn held(store: &SledStore) -> Option<String> {
    let mut held = None;
    let take = &mut |restored| {
        if let Restored::Held(why) = restored {
            held = Some(why);
        }
    };
    store.recover(take).unwrap();
    held
}

/// The database alone. sled lets go of its lock on threads of its own, a little after whoever had it is gone.
fn opened(home: &Path) -> sled::Db {
    let config = sled::Config::new().path(home.join("store"));
    for _ in 0..500 {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            other => return other.unwrap(),
        }
    }
    panic!("the database stays locked")
}

/// Flips a bit of the first value at or behind `key`, so that sled takes it for good.
pub(crate) fn overwrite(home: &Path, table: &str, key: &[u8]) {
    let db = opened(home);
    let tree = db.open_tree(table).unwrap();
    let (key, value) = tree.range(key..).next().unwrap().unwrap();
    spoil(&db, &tree, &key, &value);
}

/// Does the same to the value with the last record of a conversation.
pub(crate) fn overwrite_record(home: &Path, id: ConversationId) {
    let db = opened(home);
    let tree = db.open_tree("details").unwrap();
    let has = |value: &sled::IVec| records_of(value).windows(16).any(|bytes| bytes == id.0.to_be_bytes());
    let (key, value) = tree.iter().rev().map(Result::unwrap).find(|(_, value)| has(value)).expect("its record is there");
    spoil(&db, &tree, &key, &value);
}

/// The records in a value, as they were before they were compressed (kind 3): how long they were stands before them.
fn records_of(value: &[u8]) -> Vec<u8> {
    let Some((&[_, 3], rest)) = value.split_first_chunk::<2>() else { return value.to_vec() };
    let digits = rest.iter().take_while(|byte| **byte >= 0x80).count() + 1;
    lz4_flex::block::decompress(&rest[digits..rest.len() - 4], 16 * 1024).expect("it was compressed")
}

fn spoil(db: &sled::Db, tree: &sled::Tree, key: &[u8], value: &[u8]) {
    let mut value = value.to_vec();
    let middle = value.len() / 2;
    value[middle] ^= 1;
    tree.insert(key, value).unwrap();
    db.flush().unwrap();
}
