//! A damaged store looked at and taken with leave: the check names every damaged place, `--accept-loss` goes on with the rest, held.
//!
//! Not how a start refuses damage: that is `store_damage.rs`.

use std::fs;
use std::path::Path;

use reengaged::engine::ports::{Restored, Store};
use reengaged::engine::record::{Change, PauseScope};
use reengaged::store::{Checked, OpenOptions, SledStore};

use crate::answers;
use crate::store_damage::{filled, held, id, open, options, overwrite, overwrite_record, snapshots};

fn check(home: &Path) -> Checked {
    SledStore::check(home, None, &mut || ()).unwrap()
}

fn accept(home: &Path) -> SledStore {
    SledStore::open(home, &OpenOptions { accept_loss: true, ..options() }).unwrap()
}

fn conversations(store: &SledStore) -> usize {
    let mut count = 0;
    store.recover(&mut |told| count += usize::from(matches!(told, Restored::Conversation(_)))).unwrap();
    count
}

#[test]
fn a_whole_store_is_found_whole_at_rest_and_running_and_is_not_changed() {
    let (home, model) = filled();
    let before = bytes_of(home.path());
    let checked = check(home.path());
    assert!(checked.whole() && checked.records > 500, "{checked:?}");
    assert_eq!(bytes_of(home.path()), before, "a check changes nothing");
    let store = open(home.path()).unwrap();
    let running = store.check_running(&mut || ()).unwrap();
    assert!(running.whole() && running.records > 500, "{running:?}");
    assert!(SledStore::check(home.path(), None, &mut || ()).is_err_and(|fault| fault.to_string().contains("locked by pid")));
    assert_eq!(answers::difference(&store, &model), None);
}

/// Every file but the lock, byte for byte.
fn bytes_of(home: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for dir in [home.to_owned(), home.join("store"), home.join("ledger")] {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file()) {
            if entry.file_name() != "lock" {
                all.push((entry.path().display().to_string(), fs::read(entry.path()).unwrap()));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn a_damaged_row_of_any_table_is_named_and_the_rest_is_taken_with_leave() {
    let all = [
        ("details", &[0; 8][..]),
        ("blocks", &[0; 8]),
        ("log", &[0]),
        ("identities", &[0]),
        ("touched", &[0]),
        ("opted_out", &[0; 16]),
        ("small", &[0]),
    ];
    for (table, key) in all {
        let (home, _) = filled();
        if table == "small" {
            let store = open(home.path()).unwrap();
            store.apply(vec![Change::Paused(PauseScope::All, true)]);
            store.flush().unwrap();
            while store.fold().unwrap() {}
        }
        match table {
            "details" => overwrite_record(home.path(), id(7)),
            _ => overwrite(home.path(), table, key),
        }
        let checked = check(home.path());
        let named = checked.damages.iter().any(|damage| damage.file.ends_with(table) && damage.place.starts_with("key "));
        assert!(named, "{table}: {:?}", checked.damages);
        let store = accept(home.path());
        let least = 599;
        assert!(conversations(&store) >= least, "{table}: {} conversations are left of 600", conversations(&store));
        while store.fold().unwrap() {}
        drop(store);
        // From here on it opens by itself; held, where something was given up.
        let again = open(home.path()).unwrap();
        assert!(conversations(&again) >= least, "{table}");
        let report = report_of(home.path());
        if let Some(report) = &report {
            assert!(held(&again).is_some(), "{table}");
            assert!(report.contains(&format!("store/{table} key ")), "{report}");
        }
        again.apply(vec![Change::Paused(PauseScope::All, false)]);
        again.flush().unwrap();
        drop(again);
        assert!(held(&open(home.path()).unwrap()).is_none());
        // One damaged record keeps no store shut: it stays where it is, and named.
        let left = check(home.path()).damages;
        assert!(left.is_empty() == report.is_some(), "{table}: {left:?}");
    }
}

fn report_of(home: &Path) -> Option<String> {
    (1..9).find_map(|n| fs::read_to_string(home.join(format!("store.damaged-{n}/LOST.txt"))).ok())
}

#[test]
fn a_damaged_log_is_named_by_its_byte_and_its_other_groups_are_taken_with_leave() {
    let (home, _) = filled();
    let log = home.path().join("store/log.0000000000000000");
    let mut bytes = fs::read(&log).unwrap();
    // In the last group but one: the log is not folded there.
    let starts: Vec<usize> = bytes.windows(4).enumerate().filter(|(_, bytes)| *bytes == b"RLG1").map(|(at, _)| at).collect();
    let at = starts[starts.len() - 2];
    bytes[at + 99] ^= 1;
    fs::write(&log, bytes).unwrap();
    assert!(open(home.path()).is_err_and(|fault| fault.to_string().contains(&format!("damaged at byte {at}"))));
    let checked = check(home.path());
    assert_eq!((checked.damages[0].file.ends_with("log.0000000000000000"), checked.damages[0].place.clone()), (true, format!("byte {at}")));
    let store = accept(home.path());
    // A group is thirty changes that were made durable together.
    assert!(conversations(&store) >= 570, "{} conversations are left of 600", conversations(&store));
    assert!(held(&store).is_some());
    while store.fold().unwrap() {}
    drop(store);
    assert!(conversations(&open(home.path()).unwrap()) >= 570);
    assert!(report_of(home.path()).expect("what is lost is said").contains(&format!("byte {at}")));
}

#[test]
fn a_damaged_ledger_is_named_by_its_byte_and_its_other_records_still_count() {
    let (home, _) = filled();
    let path = home.path().join("ledger/0000000001.ledger");
    let mut bytes = fs::read(&path).unwrap();
    bytes[64 * 9 + 5] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(open(home.path()).is_err());
    let checked = check(home.path());
    assert_eq!((checked.damaged, checked.damages[0].place.as_str()), (1, "byte 576"));
    let store = accept(home.path());
    assert!(held(&store).is_some_and(|why| why.contains("ledger")));
    assert_eq!(store.doubts(usize::MAX).len(), 119);
    drop(store);
    assert!(home.path().join("ledger.damaged-1").is_dir());
    assert!(check(home.path()).whole());
}

#[test]
fn lost_and_damaged_files_are_named() {
    let cases: [(&str, &str); 5] = [("mark", "mark"), ("KEY", "KEY"), ("FORMAT", "FORMAT"), ("store/db", "db"), ("ledger", "ledger")];
    for (part, file) in cases {
        let (home, _) = filled();
        let path = home.path().join(part);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        let checked = check(home.path());
        assert!(checked.damages.iter().any(|damage| damage.file.ends_with(file)), "{part}: {:?}", checked.damages);
    }
    let (home, _) = filled();
    for snapshot in snapshots(home.path()) {
        fs::write(snapshot, [1; 64]).unwrap();
    }
    let checked = check(home.path());
    assert!(checked.damages.iter().any(|damage| damage.what.contains("loses nothing")), "{checked:?}");
}

#[test]
fn a_lost_end_is_found_and_a_database_of_which_nothing_can_be_read_stays_refused() {
    let (home, _) = filled();
    let older = answers::killed(home.path());
    let store = open(older.path()).unwrap();
    store.apply((900..990).map(crate::store_damage::change).collect());
    store.flush().unwrap();
    drop(store);
    fs::copy(older.path().join("mark"), home.path().join("mark")).unwrap();
    assert!(check(home.path()).damages.iter().any(|damage| damage.what.contains("gone back in time")));

    let conf = home.path().join("store/conf");
    fs::write(&conf, [0; 32]).unwrap();
    let refused = SledStore::open(home.path(), &OpenOptions { accept_loss: true, ..options() });
    assert!(refused.is_err_and(|fault| fault.to_string().contains("restore a backup")));
    assert!(home.path().join("store/db").is_file(), "everything is as it was");
}
