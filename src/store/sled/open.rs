//! Opening a store: everything in it that a start relies on is read and checked before it is called open.
//!
//! Not creation's order of files (`place.rs`) and not the reading of records, which are checked when they are read.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::engine::ports::Fault;
use crate::engine::record::Change;
use crate::store::files::failed;
use crate::store::ledger::Ledger;
use crate::store::sled::base::{Base, snapshots};
use crate::store::sled::blocks::Blocks;
use crate::store::sled::fold::Folder;
use crate::store::sled::log::Log;
use crate::store::sled::mark::Mark;
use crate::store::sled::overlay::{Kept, Overlay};
use crate::store::sled::place::Place;
use crate::store::sled::{Commit, Inner, SledStore, details, filesystem, small};

/// Copies of a damaged database that are kept beside it at most.
const COPIES: usize = 3;

/// How a store is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Also on file systems that are known not to keep what is flushed: for tests and containers without a volume.
    pub any_filesystem: bool,
    /// Take the database as it is where it has gone back in time, or its mark is lost; the store then starts held.
    pub accept_rollback: bool,
    /// The machine's identity; `None` for `/etc/machine-id`.
    pub machine: Option<String>,
}

/// The parts of an open database.
struct Parts {
    base: Base,
    log: Log,
    overlay: Overlay,
    folder: Folder,
}

/// Opens the store in `root`, or makes one where there is none.
pub(super) fn open(root: &Path, options: &OpenOptions) -> Result<SledStore, Fault> {
    if !options.any_filesystem {
        filesystem::check(root)?;
    }
    // A database just made is used as it is: sled lets go of a closed one only some time later.
    let mut made = None;
    let mut place = Place::open(root, options.machine.as_deref(), |place| {
        made = Some(create(place)?);
        Ok(())
    })?;
    let (ledger, sends) = Ledger::open(&place.ledger())?;
    let (parts, mark) = match Mark::open(&place.mark()) {
        Ok(mark) => match made {
            Some(base) => (read(base, &place.store(), Some(mark.seq())), Some(mark)),
            None => (read_or_repair(&place.store(), Some(mark.seq())), Some(mark)),
        },
        Err(_) if options.accept_rollback => (read_or_repair(&place.store(), None), None),
        Err(fault) => return Err(fault),
    };
    let parts = match parts {
        Err(Fault::Corrupt(_)) if options.accept_rollback => reopen(&place.store(), None)?,
        parts => parts?,
    };
    let last = parts.log.last_seq();
    let mark = match mark {
        Some(mark) if mark.seq() <= last => mark,
        _ => {
            place.unbind("this store went back in time, with leave; see what was sent meanwhile, then resume")?;
            Mark::create(&place.mark(), last)?
        }
    };
    let Parts { base, log, overlay, folder } = parts;
    Ok(SledStore {
        keys: place.keys.clone(),
        base,
        inner: Mutex::new(Inner::new(overlay, sends, last)),
        log: Mutex::new(log),
        commit: Mutex::new(Commit { ledger, mark }),
        folder: Mutex::new(folder),
        spent: Mutex::new(Vec::new()),
        place: Mutex::new(place),
    })
}

/// Fills a new directory.
fn create(place: &Place) -> Result<Base, Fault> {
    let store = place.store();
    fs::create_dir(&store).map_err(|e| failed("making the directory", &store, &e))?;
    let base = Base::open(&store, true)?;
    Log::create(&base)?;
    Blocks::create(&base)?;
    small::create_opted_out(&base)?;
    base.sync()?;
    Ledger::create(&place.ledger())?;
    Mark::create(&place.mark(), 0)?;
    Ok(base)
}

/// Reads the database; where it is damaged and sled's snapshots may be to blame, copies it aside and reads it without them.
fn read_or_repair(store: &Path, mark: Option<u64>) -> Result<Parts, Fault> {
    let fault = match reopen(store, mark) {
        Err(fault @ Fault::Corrupt(_)) if !snapshots(store).is_empty() => fault,
        read => return read,
    };
    let copy = set_aside(store)?;
    for snapshot in snapshots(store) {
        fs::remove_file(&snapshot).map_err(|e| failed("removing", &snapshot, &e))?;
    }
    tracing::warn!("{fault}; a copy is in {}; reading the whole database anew, without its snapshots", copy.display());
    reopen(store, mark).map_err(|second| match second {
        Fault::Corrupt(why) => Fault::Corrupt(format!("{why} (a copy as it was found is in {})", copy.display())),
        other => other,
    })
}

fn reopen(store: &Path, mark: Option<u64>) -> Result<Parts, Fault> {
    read(Base::open(store, false)?, store, mark)
}

/// Reads what a start relies on. `mark` is the last change that must be there.
fn read(base: Base, store: &Path, mark: Option<u64>) -> Result<Parts, Fault> {
    let (small, buried) = small::open(&base.small)?;
    let mut overlay = Overlay::new(small, buried);
    let log = Log::open(&base.log, &mut |seq, change| overlay.take(seq, kept(change)))?;
    if let Some(mark) = mark.filter(|mark| *mark > log.last_seq()) {
        return Err(Fault::Corrupt(format!(
            "opening {}: it ends with change {} and change {mark} was on disk, so it has gone back in time; \
             restore a copy of the directory, or take what is left with `reengaged serve --accept-loss`",
            store.display(),
            log.last_seq()
        )));
    }
    let blocks = Blocks::open(&base.blocks)?;
    small::opted_out(&base.opted_out, &mut |_, _| {})?;
    let folder = Folder::new(blocks, details::all_damaged(&base)?);
    Ok(Parts { base, log, overlay, folder })
}

/// A change, as the overlay keeps it.
pub(super) fn kept(change: Change) -> Kept {
    match change {
        Change::Moved(moved) => Kept::Moved(Arc::new(*moved)),
        other => Kept::Other(other),
    }
}

/// Copies the database to `store.damaged-N` beside it.
fn set_aside(store: &Path) -> Result<PathBuf, Fault> {
    let copy = (1..=COPIES).map(|n| store.with_extension(format!("damaged-{n}"))).find(|copy| !copy.exists()).ok_or_else(|| {
        Fault::Corrupt(format!(
            "opening {}: it is damaged, and {COPIES} damaged copies are beside it already; move those away, or restore a backup",
            store.display()
        ))
    })?;
    copy_dir(store, &copy).map_err(|e| failed("copying the damaged database to", &copy, &e))?;
    Ok(copy)
}

fn copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
