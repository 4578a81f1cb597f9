//! Opening a store: everything in it that a start relies on is read and checked before it is called open.
//!
//! Not creation's order of files (`place.rs`) and not the reading of records, which are checked when they are read.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::engine::ports::Fault;
use crate::engine::record::Change;
use crate::points;
use crate::store::files::{failed, finish_exchange, free_name};
use crate::store::ledger::{self, Ledger};
use crate::store::sends::Sends;
use crate::store::sled::ahead::beside;
use crate::store::sled::base::{Base, snapshots};
use crate::store::sled::blocks::Blocks;
use crate::store::sled::fold::Folder;
use crate::store::sled::frames::End;
use crate::store::sled::log::Log;
use crate::store::sled::mark::Mark;
use crate::store::sled::overlay::{Kept, Overlay};
use crate::store::sled::packed::Packed;
use crate::store::sled::place::Place;
use crate::store::sled::places::Places;
use crate::store::sled::written::{Arena, Written};
use crate::store::sled::{Commit, Inner, SledStore, days, filesystem, hooks, items, salvage, small};

/// How a store is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Also on file systems that are known not to keep what is flushed: for tests and containers without a volume.
    pub any_filesystem: bool,
    /// Go on where the store has gone back in time, or with what can be read of it where it is damaged; what cannot be read is set
    /// aside and named, and the store starts held.
    pub accept_loss: bool,
    /// The machine's identity; `None` for `/etc/machine-id`.
    pub machine: Option<String>,
}

/// The parts of an open database.
pub(super) struct Parts {
    base: Base,
    log: Log,
    end: End,
    overlay: Overlay,
    folder: Folder,
    places: Places,
}

/// Opens the store in `root`, or makes one where there is none.
pub(super) fn open(root: &Path, options: &OpenOptions) -> Result<SledStore, Fault> {
    if !options.any_filesystem {
        filesystem::check(root)?;
    }
    // A database just made is used as it is: sled lets go of a closed one only some time later.
    let mut made = None;
    let mut place = Place::open(root, options, |place| {
        made = Some(create(place)?);
        Ok(())
    })?;
    finish_exchange(&place.store())?;
    finish_exchange(&place.ledger())?;
    let (ledger, sends) = match Ledger::open(&place.ledger()) {
        Err(fault @ Fault::Corrupt(_)) if options.accept_loss => reopen_ledger(&mut place, &fault)?,
        opened => opened?,
    };
    points::at("start.ledger");
    let (parts, mark) = match Mark::open(&place.mark()) {
        Ok(mark) => match made {
            Some(base) => (read(base, &place.store(), Some(mark.seq())), Some(mark)),
            None => (read_or_repair(&place.store(), Some(mark.seq())), Some(mark)),
        },
        Err(_) if options.accept_loss => (read_or_repair(&place.store(), None), None),
        Err(fault) => return Err(fault),
    };
    let parts = match parts.and_then(|parts| if options.accept_loss { readable(parts) } else { Ok(parts) }) {
        Err(Fault::Corrupt(why)) if options.accept_loss => rescue(&mut place, &why)?,
        parts => parts?,
    };
    points::at("start.read");
    let last = parts.end.last();
    let mark = match mark {
        Some(mark) if mark.seq() <= last => mark,
        _ => {
            place.unbind("this store went back in time, with leave; see what was sent meanwhile, then resume")?;
            Mark::create(&place.mark(), last)?
        }
    };
    SledStore::of(parts, place, ledger, mark, sends)
}

/// Reads all that a start reads, so that damage is found while it can still be set aside.
fn readable(parts: Parts) -> Result<Parts, Fault> {
    let Parts { base, .. } = &parts;
    for row in base.blocks.rows(&[0; 8]) {
        let (key, payload) = row?;
        items::read(&payload).ok_or_else(|| base.blocks.damaged(&key, "its conversations cannot be read"))?;
    }
    for row in days::rows(&base.identities) {
        row?;
    }
    for n in hooks::numbers(&base.hooks, 0) {
        hooks::long(&base.hooks, n?)?;
    }
    Ok(parts)
}

/// Goes on with what can be read of the database, with leave.
fn rescue(place: &mut Place, why: &str) -> Result<Parts, Fault> {
    let store = place.store();
    place.unbind("this store was damaged and goes on with what could be read, with leave; see what is missing, then resume")?;
    match reopen(&store, None).and_then(readable) {
        // It had only gone back in time, or its snapshots were damaged.
        Ok(parts) => {
            tracing::warn!("{why}; taken as it is, with leave");
            return Ok(parts);
        }
        Err(Fault::Corrupt(_)) => {}
        Err(fault) => return Err(fault),
    }
    let (aside, lost) = salvage::salvage(&store)?;
    tracing::error!(places = lost.damaged, aside = %aside.display(), "the store was damaged; it goes on with what could be read: {why}");
    lost.damages.iter().for_each(|damage| tracing::error!("lost: {damage}"));
    reopen(&store, None)
}

/// Goes on with what can be read of the ledger, with leave.
fn reopen_ledger(place: &mut Place, fault: &Fault) -> Result<(Ledger, Sends), Fault> {
    place
        .unbind("the ledger was damaged and goes on with what could be read, with leave; what is lost of it may be sent again on resume")?;
    let (aside, lost) = ledger::rescue(&place.ledger())?;
    let aside = aside.map_or_else(|| "nowhere: it was not there".to_owned(), |aside| aside.display().to_string());
    tracing::error!(records = lost.damaged, aside, "the ledger of sends was damaged; it goes on with what could be read: {fault}");
    lost.damages.iter().for_each(|damage| tracing::error!("lost: {damage}"));
    Ledger::open(&place.ledger())
}

impl SledStore {
    /// The store of these parts.
    ///
    /// # Errors
    /// Where the process has too many files open.
    pub(super) fn of(parts: Parts, place: Place, ledger: Ledger, mark: Mark, sends: Sends) -> Result<SledStore, Fault> {
        let Parts { base, log, end, overlay, folder, places } = parts;
        let last = end.last();
        Ok(SledStore {
            mark: mark.other()?,
            keys: place.keys.clone(),
            base,
            inner: Mutex::new(Inner::new(overlay, sends, last)),
            arena: Mutex::default(),
            log: Mutex::new(log),
            commit: Mutex::new(Commit { ledger, log: end, mark }),
            folder: Mutex::new(folder),
            places: Mutex::new(places),
            spent: Mutex::new(Vec::new()),
            place: Mutex::new(place),
            tape: Mutex::new(None),
        })
    }
}

/// Fills a new directory.
fn create(place: &Place) -> Result<Base, Fault> {
    let store = place.store();
    fs::create_dir(&store).map_err(|e| failed("making the directory", &store, &e))?;
    let base = Base::open(&store, true)?;
    points::at("create.base");
    Log::create(&base, &store, 0)?;
    Blocks::create(&base)?;
    small::create_opted_out(&base)?;
    base.sync()?;
    points::at("create.store");
    Ledger::create(&place.ledger())?;
    points::at("create.ledger");
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
pub(super) fn read(base: Base, store: &Path, mark: Option<u64>) -> Result<Parts, Fault> {
    let (small, buried) = small::open(&base.small)?;
    let mut overlay = Overlay::new(small, buried);
    let mut arena = Arena::default();
    // The log may have much that is not folded.
    let (blocks, log) = beside(
        "reading store/blocks",
        || Blocks::open(&base.blocks),
        || Log::open(&base, store, &mut |seq, change| overlay.take(seq, kept(change, &mut arena))),
    )?;
    let (log, end) = log?;
    if let Some(mark) = mark.filter(|mark| *mark > end.last()) {
        return Err(Fault::Corrupt(format!(
            "opening {}: it ends with change {} and change {mark} was on disk, so it has gone back in time; \
             restore a copy of the directory, or take what is left with `reengaged serve --accept-loss`",
            store.display(),
            end.last()
        )));
    }
    let (blocks, places) = blocks?;
    small::opted_out(&base.opted_out, &mut |_, _| {})?;
    let folder = Folder::new(blocks, Packed::open(&base.details)?);
    Ok(Parts { base, log, end, overlay, folder, places })
}

/// A change, as the overlay keeps it; `arena` is memory to write in.
pub(super) fn kept(change: Change, arena: &mut Arena) -> Kept {
    match change {
        Change::Moved(moved) => Kept::Moved(Written::new(&moved, arena)),
        other => Kept::Other(other),
    }
}

/// Copies the database to `store.damaged-N` beside it.
fn set_aside(store: &Path) -> Result<PathBuf, Fault> {
    let copy = free_name(store, "damaged")?;
    copy_dir(store, &copy).map_err(|e| failed("copying the damaged database to", &copy, &e))?;
    Ok(copy)
}

pub(super) fn copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
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
