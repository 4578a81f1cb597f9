//! The store on one machine's disk, on sled 0.34.7.
//!
//! Not sled's guarantees: its traps are closed in `base.rs`, and what it does not promise is added here and beside.
//!
//! ```text
//! apply ──▶ overlay (reads see it) ──▶ flush: ledger, fdatasync; log, fdatasync ──▶ Durable; the mark follows
//!                  │
//!                  └──▶ fold: records, blocks, lists into sled; flush, fdatasync; then the log is trimmed and the overlay forgets
//! ```
//!
//! No lock is held over a disk by anything that `apply` waits for: `inner` guards memory alone.

mod ahead;
mod backup;
mod base;
mod blocks;
mod build;
mod check;
mod chunks;
mod days;
mod details;
mod filesystem;
mod fold;
mod frames;
mod fsck;
mod hooks;
mod items;
mod log;
mod mark;
mod open;
mod overlay;
mod packed;
mod place;
mod places;
mod reads;
mod remains;
mod restore;
mod salvage;
mod small;
mod spread;
mod stands;
#[cfg(test)]
mod tests;
mod written;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::ports::{Durable, Fault, Restored, Standing, Store};
use crate::engine::record::{Change, Details, HookRecord, LedgerEntry, NameId, PauseScope, Stored};
use crate::id::{AliasKey, ConversationId, Keys, SendId};
use crate::moment::Moment;
use crate::points;
use crate::store::ledger::Ledger;
use crate::store::sends::Sends;
use backup::Tape;
use base::Base;
use fold::{Folder, Window};
use frames::End;
use log::Log;
use mark::Mark;
use overlay::{Kept, Overlay};
use place::Place;
use places::Places;
use written::Arena;

pub use backup::Backed;
#[cfg(any(test, fuzzing))]
pub(in crate::store) use log::probe as probe_log;
pub use open::OpenOptions;
pub use restore::Restored as RestoredStore;

/// Changes folded at a time: a conversation that moved several times among them is written once.
const FOLD: usize = 8_192;
/// Of these, so many are taken from memory or out of it at a time: whoever decides waits so long.
const SLICE: usize = 256;

/// Conversations on disk.
#[derive(Debug)]
pub struct SledStore {
    keys: Keys,
    base: Base,
    inner: Mutex<Inner>,
    /// Where the next changes are written down.
    arena: Mutex<Arena>,
    log: Mutex<Log>,
    commit: Mutex<Commit>,
    folder: Mutex<Folder>,
    /// Made durable behind folds, so that no commit waits for it.
    mark: Mark,
    /// Where records are: locked for moments, never over a disk.
    places: Mutex<Places>,
    /// Lists of touched conversations that say nothing any more, for the next fold to remove.
    spent: Mutex<Vec<Vec<u8>>>,
    place: Mutex<Place>,
    /// Where folds leave their changes while a backup is being made.
    tape: Mutex<Option<Arc<Tape>>>,
}

/// What is in memory: locked for moments, never over a disk.
#[derive(Debug)]
struct Inner {
    overlay: Overlay,
    sends: Sends,
    /// The last change applied.
    seq: u64,
    /// The last change on disk.
    durable: u64,
    /// Changes applied and not flushed, and the ledger's part of them.
    pending: Vec<(u64, Kept)>,
    entries: Vec<LedgerEntry>,
    /// How often the overlay has forgotten what was folded: a read that spans it is done again.
    folds: u64,
    /// The latest instant that changes told.
    now: Moment,
    /// When it was, by that, when something was last made durable.
    flushed: Moment,
    fault: Option<Fault>,
}

/// A change on its way in, written down before `inner` is locked.
struct Told {
    /// For the ledger.
    entry: Option<LedgerEntry>,
    /// When it was made, where it says so.
    now: Moment,
    /// For the log; `None` where the ledger has all of it.
    kept: Option<Kept>,
}

impl Told {
    fn new(change: Change, arena: &mut Arena) -> Told {
        let (entry, now) = match &change {
            Change::Moved(moved) => (moved.ledger, moved.now),
            Change::Ledger(entry) => (Some(*entry), Moment::MIN),
            Change::Alive(at) => (None, *at),
            _ => (None, Moment::MIN),
        };
        let kept = (!matches!(change, Change::Ledger(_))).then(|| open::kept(change, arena));
        Told { entry, now, kept }
    }
}

#[derive(Debug)]
struct Commit {
    ledger: Ledger,
    log: End,
    mark: Mark,
}

impl Inner {
    fn new(overlay: Overlay, sends: Sends, last: u64) -> Inner {
        Inner {
            overlay,
            sends,
            seq: last,
            durable: last,
            pending: Vec::new(),
            entries: Vec::new(),
            folds: 0,
            now: Moment::MIN,
            flushed: Moment::MIN,
            fault: None,
        }
    }

    fn take(&mut self, change: Told) {
        self.seq += 1;
        if let Some(entry) = change.entry {
            self.sends.take(&entry);
            self.entries.push(entry);
        }
        self.now = self.now.max(change.now);
        if let Some(kept) = change.kept {
            self.overlay.take(self.seq, kept.clone());
            self.pending.push((self.seq, kept));
        }
    }

    /// Takes a change in again, under the number it had.
    fn replay(&mut self, seq: u64, change: Change, arena: &mut Arena) {
        self.seq = seq.saturating_sub(1);
        self.take(Told::new(change, arena));
    }

    fn check(&self) -> Result<(), Fault> {
        self.fault.clone().map_or(Ok(()), Err)
    }
}

impl SledStore {
    /// Opens the store in a directory, or makes one where there is none.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where another process has it or the disk refuses; [`Fault::Corrupt`] where something in it is missing,
    /// damaged, older than what was on disk, or from a newer release: nothing is ever made up in its place.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<SledStore, Fault> {
        open::open(path, options)
    }

    fn flush_all(&self) -> Result<Durable, Fault> {
        let mut commit = lock(&self.commit);
        points::at("commit.begin");
        let (pending, entries, upto, now) = {
            let mut inner = lock(&self.inner);
            inner.check()?;
            (std::mem::take(&mut inner.pending), std::mem::take(&mut inner.entries), inner.seq, inner.now)
        };
        if !entries.is_empty()
            && !points::wrong("wrong.skip_the_ledger")
            && let Some(before) = commit.ledger.append(&entries)?
        {
            lock(&self.inner).sends.forget(before);
        }
        if let Some((last, _)) = pending.last() {
            points::at("commit.ledger");
            let groups = log::pack(&pending);
            let begun = commit.log.append(&groups)?;
            points::at("commit.durable");
            lock(&self.log).pushed(&groups, begun);
            commit.mark.advance(*last)?;
        }
        if pending.iter().any(|(_, kept)| matches!(kept, Kept::Other(Change::Paused(PauseScope::All, false)))) {
            let mut place = lock(&self.place);
            if place.held.is_some() {
                place.bind()?;
            }
        }
        let mut inner = lock(&self.inner);
        inner.durable = upto;
        inner.flushed = now;
        Ok(Durable::upto(upto))
    }

    /// Folds at most so many changes.
    fn fold_some(&self, most: usize) -> Result<bool, Fault> {
        let mut folder = lock(&self.folder);
        let spent = std::mem::take(&mut *lock(&self.spent));
        let window = self.window(most)?;
        if window.changes.is_empty() && spent.is_empty() && !folder.sweeping() {
            return Ok(false);
        }
        if let Some(tape) = lock(&self.tape).as_ref() {
            tape.take(&window.changes);
        }
        points::at("fold.begin");
        if points::wrong("wrong.trim_first") {
            lock(&self.log).trim(&self.base.log, window.upto)?;
            self.base.sync()?;
            points::at("fold.trimmed");
        }
        folder.fold(&self.base, &self.places, &window, &spent)?;
        points::at("fold.written");
        self.base.sync()?;
        self.mark.sync()?;
        points::at("fold.durable");
        self.forget(window.upto);
        let more = {
            let inner = lock(&self.inner);
            inner.overlay.queue.front().is_some_and(|(seq, _)| *seq <= inner.durable)
        };
        lock(&self.log).trim(&self.base.log, window.upto)?;
        points::at("fold.trimmed");
        if window.changes.iter().any(|(_, kept)| matches!(kept, Kept::Other(Change::Forgotten(_, true)))) {
            self.leave_log(window.upto)?;
        }
        Ok(more || folder.sweeping())
    }

    /// Takes what is folded out of memory.
    fn forget(&self, upto: u64) {
        loop {
            let gone = {
                let mut inner = lock(&self.inner);
                inner.folds += 1;
                inner.overlay.forget(upto, SLICE)
            };
            // What is gone is freed without the lock.
            if gone.is_empty() {
                return;
            }
        }
    }

    /// What was erased does not stay in the log until its file is long: a new one is begun, and the old one goes when all of it is folded.
    fn leave_log(&self, folded: u64) -> Result<(), Fault> {
        {
            // Held for both, so that a flush notes no file of its own between them.
            let mut commit = lock(&self.commit);
            let begun = commit.log.begin()?;
            lock(&self.log).pushed(&[], begun);
        }
        self.base.sync()?;
        lock(&self.log).trim(&self.base.log, folded)
    }

    /// The oldest changes that are durable and not folded, at most so many.
    fn window(&self, most: usize) -> Result<Window, Fault> {
        let folded = lock(&self.log).folded();
        let mut changes: Vec<(u64, Kept)> = Vec::new();
        loop {
            let inner = lock(&self.inner);
            inner.check()?;
            let before = changes.len();
            let ready = inner.overlay.queue.range(before..).take_while(|(seq, _)| *seq <= inner.durable);
            changes.extend(ready.take(SLICE.min(most - before)).cloned());
            if changes.len() == before {
                break;
            }
        }
        let inner = lock(&self.inner);
        let upto = changes.last().map_or(folded, |(seq, _)| *seq);
        let until = |(seq, kept): &(u64, Kept)| match kept {
            Kept::Other(Change::DeadUntil(before)) => Some((*seq, *before)),
            _ => None,
        };
        let buried = std::iter::once((0, inner.overlay.buried)).chain(changes.iter().filter_map(until)).collect();
        Ok(Window { changes, upto, buried })
    }

    /// Notes a fault: nothing is called durable after it.
    fn failed<T>(&self, result: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(fault) = &result {
            lock(&self.inner).fault.get_or_insert_with(|| fault.clone());
        }
        result
    }
}

/// A lock whose holder panicked is taken all the same: everything behind these locks is changed by whole steps, and a fault that
/// went with the panic stops the next flush.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for SledStore {
    fn apply(&self, changes: Vec<Change>) -> u64 {
        let told: Vec<Told> = {
            let mut arena = lock(&self.arena);
            changes.into_iter().map(|change| Told::new(change, &mut arena)).collect()
        };
        let mut inner = lock(&self.inner);
        told.into_iter().for_each(|change| inner.take(change));
        inner.seq
    }

    fn flush(&self) -> Result<Durable, Fault> {
        if points::wrong("wrong.acknowledge_early") {
            return Ok(Durable::upto(lock(&self.inner).seq));
        }
        self.failed(self.flush_all())
    }

    fn load(&self, id: ConversationId) -> Result<Option<(Stored, Details)>, Fault> {
        self.load_one(id)
    }

    fn alias(&self, key: AliasKey) -> Result<Option<ConversationId>, Fault> {
        self.find_alias(key)
    }

    fn page(&self, after: Option<ConversationId>, limit: usize) -> Result<Vec<ConversationId>, Fault> {
        self.ids_after(after, limit)
    }

    fn hook(&self, seq: u64) -> Result<Option<HookRecord>, Fault> {
        Ok(self.cell(seq)?.map(|cell| cell.record))
    }

    fn dead(&self, from: u64, limit: usize) -> Result<Vec<(NameId, HookRecord, Moment)>, Fault> {
        self.dead_letters(from, limit)
    }

    fn recover(&self, take: &mut dyn FnMut(Restored)) -> Result<(), Fault> {
        self.tell_all(take)
    }

    fn keys(&self) -> &Keys {
        &self.keys
    }

    fn standing(&self, send: SendId) -> Option<Standing> {
        lock(&self.inner).sends.get(send)
    }

    fn doubts(&self, limit: usize) -> Vec<Standing> {
        lock(&self.inner).sends.doubts().take(limit).collect()
    }

    fn claims(&self, since: Moment) -> Vec<Standing> {
        lock(&self.inner).sends.claims(since)
    }

    fn outlived(&self, before: Moment, limit: usize) -> Result<Vec<ConversationId>, Fault> {
        self.at_rest_before(before, limit)
    }

    fn fold(&self) -> Result<bool, Fault> {
        self.failed(self.fold_some(FOLD))
    }

    fn unfolded(&self) -> usize {
        lock(&self.inner).overlay.queue.len()
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let (bytes, blobs) = self.base.sizes();
        let log_bytes = lock(&self.log).bytes();
        let inner = lock(&self.inner);
        vec![
            ("log_changes", inner.overlay.queue.len() as f64),
            ("log_bytes", log_bytes as f64),
            ("overlay_conversations", inner.overlay.conversations.len() as f64),
            ("unflushed_changes", inner.pending.len() as f64),
            ("disk_bytes", bytes as f64),
            ("blob_files", blobs as f64),
            ("last_flush_seconds", if inner.flushed == Moment::MIN { 0.0 } else { inner.flushed.0 as f64 / 1000.0 }),
            ("ledger_sends", inner.sends.len() as f64),
            ("records", lock(&self.places).len() as f64),
        ]
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        // At worst the mark is a second behind the store, which is what a crash leaves too.
        let _ = self.mark.sync();
    }
}
