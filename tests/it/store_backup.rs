//! Backups of the store on disk: what is restored is what was, starts held, and never takes the place of anything.
//!
//! Not a backup under load: that is beside the code (`store/sled/tests.rs`), where every interleaving can be made; and not the verbs.

use std::fs;
use std::path::Path;

use reengaged::engine::ports::{Fault, Store};
use reengaged::engine::record::{Change, PauseScope};
use reengaged::moment::Moment;
use reengaged::store::{Progress, RestoredStore, SledStore};

use crate::store_damage::{change, filled, held, id, open, options, overwrite_record};
use crate::{answers, support};

fn restore(root: &Path, source: &Path) -> Result<RestoredStore, Fault> {
    SledStore::restore(root, source, &options(), &Progress::default())
}

fn backed_up() -> (tempfile::TempDir, reengaged::store::MemoryStore, std::path::PathBuf) {
    let (home, model) = filled();
    let dest = home.path().join("backup");
    let store = open(home.path()).unwrap();
    let backed = store.backup(&dest, Moment(5), &Progress::default()).unwrap();
    assert_eq!((backed.left_out, backed.records > 500), (0, true), "{backed:?}");
    drop(store);
    (home, model, dest)
}

#[test]
fn what_is_restored_beside_its_ledger_is_what_was_and_starts_held() {
    let (home, model, dest) = backed_up();
    assert_eq!(support::mode(&dest), 0o600, "it holds the store's key, and what people said");
    let to = tempfile::tempdir().unwrap();
    answers::copy(home.path().join("ledger").as_path(), &support::made(to.path().join("ledger")));
    assert_eq!(SledStore::obstacle(to.path(), false), None);
    let restored = restore(to.path(), &dest).unwrap();
    assert_eq!((restored.made, restored.conversations, restored.ledger), (Moment(5), 600, Some(120)));
    let store = open(to.path()).unwrap();
    assert_eq!(answers::difference(&store, &model), None);
    assert!(held(&store).is_some_and(|why| why.contains("restored from a backup")));
    store.apply(vec![Change::Paused(PauseScope::All, false)]);
    store.flush().unwrap();
    drop(store);
    assert!(held(&open(to.path()).unwrap()).is_none());
    let checked = SledStore::check(to.path(), None, &mut || ()).unwrap();
    assert!(checked.whole(), "{:?}", checked.damages);
}

#[test]
fn without_a_ledger_it_is_said_and_nothing_is_overwritten() {
    let (home, _, dest) = backed_up();
    let to = tempfile::tempdir().unwrap();
    assert!(SledStore::obstacle(to.path(), false).is_some_and(|why| why.contains("sent again") && why.contains("--without-ledger")));
    assert_eq!(SledStore::obstacle(to.path(), true), None);
    assert_eq!(restore(to.path(), &dest).unwrap().ledger, None);
    for full in [to.path(), home.path()] {
        assert!(SledStore::obstacle(full, true).is_some_and(|why| why.contains("move all but ledger/ away")));
        assert!(matches!(restore(full, &dest), Err(Fault::Corrupt(_))));
    }
    open(home.path()).unwrap();
}

#[test]
fn a_damaged_backup_leaves_nothing_behind() {
    let (home, _, dest) = backed_up();
    let bytes = fs::read(&dest).unwrap();
    let bad = home.path().join("bad");
    for at in [30, bytes.len() / 3, bytes.len() / 2, bytes.len() - 10] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        fs::write(&bad, flipped).unwrap();
        let to = tempfile::tempdir().unwrap();
        assert!(matches!(restore(to.path(), &bad), Err(Fault::Corrupt(_))));
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0, "flipped at {at}");
    }
    fs::write(&bad, "anything").unwrap();
    assert!(restore(&home.path().join("to"), &bad).is_err_and(|fault| fault.to_string().contains("no backup")));
}

#[test]
fn an_interrupted_restore_is_no_store_and_is_begun_again() {
    let (home, model, dest) = backed_up();
    let to = tempfile::tempdir().unwrap();
    answers::copy(home.path().join("ledger").as_path(), &support::made(to.path().join("ledger")));
    restore(to.path(), &dest).unwrap();
    // As a kill before its end leaves it: the marker is there, and FORMAT is not.
    fs::write(to.path().join("RESTORING"), "").unwrap();
    fs::remove_file(to.path().join("FORMAT")).unwrap();
    assert!(open(to.path()).is_err_and(|fault| fault.to_string().contains("run `reengaged restore` again")));
    restore(to.path(), &dest).unwrap();
    assert_eq!(answers::difference(&open(to.path()).unwrap(), &model), None);
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_restored_as_damaged() {
    let (home, _) = filled();
    overwrite_record(home.path(), id(7));
    let store = open(home.path()).unwrap();
    let dest = home.path().join("backup");
    let backed = store.backup(&dest, Moment(5), &Progress::default()).unwrap();
    assert_eq!(backed.left_out, 1);
    assert!(backed.damaged[0].contains("store/details"), "{:?}", backed.damaged);
    let to = tempfile::tempdir().unwrap();
    assert_eq!(restore(to.path(), &dest).unwrap().left_out, 1);
    let again = open(to.path()).unwrap();
    assert!(matches!(again.load(id(7)), Err(Fault::Corrupt(why)) if why.contains("erase")));
    assert_eq!(again.page(Some(id(6)), 2).unwrap(), [id(7), id(8)], "it is listed");
    // What is noted of it survives the next backup too, and erasing ends it.
    let second = home.path().join("second");
    assert_eq!(again.backup(&second, Moment(6), &Progress::default()).unwrap().left_out, 1);
    again.apply(vec![Change::Forgotten(id(7), true), change(7)]);
    again.flush().unwrap();
    while again.fold().unwrap() {}
    assert!(again.load(id(7)).unwrap().is_some());
    assert!(again.backup(&second, Moment(6), &Progress::default()).is_err(), "nothing is overwritten");
    assert_eq!(again.backup(&home.path().join("third"), Moment(6), &Progress::default()).unwrap().left_out, 0);
}
