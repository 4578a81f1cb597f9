//! The check of a whole directory: small files, ledger, mark and database; of a store at rest, or of one that runs.
//!
//! Not a repair: it changes nothing. The database of a store at rest is copied first, because sled, when it opens a damaged file, may
//! go back in time and write over what was there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::ports::Fault;
use crate::store::check::Checked;
use crate::store::files::failed;
use crate::store::ledger;
use crate::store::sled::base::{Base, snapshots};
use crate::store::sled::log::Log;
use crate::store::sled::mark::Mark;
use crate::store::sled::open::copy_dir;
use crate::store::sled::{SledStore, check, lock, place, remains};

impl SledStore {
    /// Checks every record of the store in `root`, which nobody else may have open. The database is copied into `scratch`, or beside it.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where somebody has it, or there is no room for the copy; [`Fault::Corrupt`] where there is no store, or it
    /// is from a newer release. What is damaged is no error here.
    pub fn check(root: &Path, scratch: Option<&Path>, step: &mut dyn FnMut()) -> Result<Checked, Fault> {
        let mut checked = Checked::default();
        if !root.is_dir() {
            return Err(Fault::Corrupt(format!("checking {}: there is no store", root.display())));
        }
        // Held until the end: nobody may open it meanwhile.
        let _lock = place::lock(&root.join("lock"))?;
        place::check(root, &mut checked)?;
        ledger::check(&root.join("ledger"), false, &mut checked)?;
        let mark = Mark::look(&root.join("mark"));
        match mark {
            Some(_) => checked.records += 1,
            None => checked.found(root.join("mark"), "as a whole", "it is missing or damaged, so whether the store is whole is not known"),
        }
        check_database(&root.join("store"), scratch.unwrap_or(root), mark, step, &mut checked)?;
        Ok(checked)
    }

    /// Checks every record while the store runs: each for itself, as it is on disk or in sled's memory.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where the disk refuses.
    pub fn check_running(&self, step: &mut dyn FnMut()) -> Result<Checked, Fault> {
        let mut checked = Checked::default();
        let (root, ledger) = {
            let place = lock(&self.place);
            (place.root().to_owned(), place.ledger())
        };
        place::check(&root, &mut checked)?;
        ledger::check(&ledger, true, &mut checked)?;
        check_log(&root.join("store"), &root.join("store"), &mut checked)?;
        check::check(&self.base, &root.join("store"), Some(&self.places), step, &mut checked)?;
        Ok(checked)
    }
}

fn check_database(store: &Path, scratch: &Path, mark: Option<u64>, step: &mut dyn FnMut(), checked: &mut Checked) -> Result<(), Fault> {
    if !store.join("db").is_file() {
        checked.found(store.join("db"), "as a whole", "it is not there");
        return Ok(());
    }
    if fs::read_dir(store.join("blobs")).into_iter().flatten().next().is_some() {
        checked.found(store.join("blobs"), "as a whole", "there are values in files of their own, which no flush covers");
    }
    let copy = tempfile::Builder::new().prefix("fsck-").tempdir_in(scratch).map_err(|e| failed("making a directory in", scratch, &e))?;
    let copied = copy.path().join("store");
    copy_dir(store, &copied).map_err(|error| {
        Fault::Unavailable(format!(
            "copying {} to {}, to be looked at: {error}; give room elsewhere by --scratch",
            store.display(),
            scratch.display()
        ))
    })?;
    check_log(&copied, store, checked)?;
    let Some(base) = open(store, &copied, checked)? else { return Ok(()) };
    let last = Log::open(&base, &copied, &mut |_, _| {}).map(|(_, end)| end.last());
    if let (Ok(last), Some(mark)) = (&last, mark)
        && mark > *last
    {
        let what = format!("it ends with change {last} and change {mark} was on disk, so it has gone back in time");
        checked.found(store.join("db"), "as a whole", what);
    }
    check::check(&base, &copied, None, step, checked)
}

/// Every group of the log in `dir`, which stands for that in `store`.
///
/// # Errors
/// [`Fault::Unavailable`] where the disk refuses.
pub(super) fn check_log(dir: &Path, store: &Path, checked: &mut Checked) -> Result<(), Fault> {
    let whole = remains::look(dir, &mut |path, place, what| {
        checked.found(store.join(path.file_name().unwrap_or_default()), format!("byte {place}"), what);
    })?;
    checked.records += whole;
    Ok(())
}

/// Opens a copy of a database; without sled's snapshots where those are to blame.
fn open(store: &Path, copied: &Path, checked: &mut Checked) -> Result<Option<Base>, Fault> {
    let found = match Base::open(copied, false) {
        Ok(base) => return Ok(Some(base)),
        Err(Fault::Corrupt(why)) => why,
        Err(fault) => return Err(fault),
    };
    let snaps: Vec<PathBuf> = snapshots(copied);
    for snapshot in &snaps {
        fs::remove_file(snapshot).map_err(|e| failed("removing", snapshot, &e))?;
    }
    match Base::open(copied, false) {
        Ok(base) if !snaps.is_empty() => {
            checked.found(
                store.join("snap.*"),
                "as a whole",
                "it is damaged; a start reads the whole database without it, and loses nothing",
            );
            Ok(Some(base))
        }
        Ok(base) => Ok(Some(base)),
        Err(Fault::Corrupt(_)) => {
            checked.found(store.join("db"), "as a whole", found);
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}
