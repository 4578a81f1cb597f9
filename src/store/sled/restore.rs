//! A store made from a backup: the backup is read whole before anything is written, and the store starts held until `resume`.
//!
//! Not a merge: the directory must be empty but for the ledger, which is kept and used. What stands there is never sent again.

use std::path::Path;
use std::sync::atomic::Ordering;

use crate::engine::ports::Fault;
use crate::engine::record::Change;
use crate::moment::Moment;
use crate::store::backup::{self, Head, Piece, Progress, Row};
use crate::store::ledger::Ledger;
use crate::store::sled::build::{Builder, readable};
use crate::store::sled::mark::Mark;
use crate::store::sled::open::read as read_parts;
use crate::store::sled::place::{self, FORMAT, Place};
use crate::store::sled::written::Arena;
use crate::store::sled::{OpenOptions, SledStore, filesystem, lock, log};

/// Changes that are folded together: as much memory as that takes.
const AT_ONCE: usize = 4_096;

/// What became of a restore.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// When the backup was begun.
    pub made: Moment,
    /// Conversations that are there again.
    pub conversations: u64,
    /// Records that the backup says it could not read.
    pub left_out: u64,
    /// Sends that the ledger in place knows; `None` where there was no ledger.
    pub ledger: Option<u64>,
}

impl SledStore {
    /// What is in the way of restoring into `root`, in one line that says what to do.
    #[must_use]
    pub fn obstacle(root: &Path, without_ledger: bool) -> Option<String> {
        let no_ledger = || {
            (!without_ledger && !root.join("ledger").exists()).then(|| {
                format!(
                    "restoring into {}: there is no ledger/, which says what was sent since the backup was made: without it these follow-ups \
                     are sent again; put ledger/ back, or say --without-ledger",
                    root.display()
                )
            })
        };
        place::obstacle(root).or_else(no_ledger)
    }

    /// Makes a store in `root` from the backup at `source`.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where the backup is damaged or from a newer release, or something is in the way; nothing is written then.
    /// [`Fault::Unavailable`] where the disk refuses; the directory is no store then, and the next try begins anew.
    pub fn restore(root: &Path, source: &Path, options: &OpenOptions, progress: &Progress) -> Result<Restored, Fault> {
        if !options.any_filesystem {
            filesystem::check(root)?;
        }
        let (head, left_out) = look_through(source, progress)?;
        let place = Place::vacant(root, options.machine.as_deref(), head.instance.clone(), &head.key)?;
        let there = place.ledger().exists();
        if !there {
            Ledger::create(&place.ledger())?;
        }
        let mut builder = Builder::create(&place.store(), head.folded)?;
        backup::read(source, progress, &mut |piece| match piece {
            Piece::Rows(number, rows) => builder.rows(number, &rows),
            Piece::Head(_) | Piece::Changes(_) => Ok(()),
        })?;
        let base = builder.finish()?;
        let mark = Mark::create(&place.mark(), head.folded)?;
        // It is not held while changes are replayed: among them may be a `resume` of then, which would bind it.
        let (ledger, sends) = Ledger::open(&place.ledger())?;
        let known = there.then_some(sends.len() as u64);
        let store = SledStore::of(read_parts(base, &place.store(), None)?, place, ledger, mark, sends)?;
        store.replay_all(source, progress)?;
        lock(&store.place).restored()?;
        let conversations = lock(&store.places).len();
        Ok(Restored { made: head.made, conversations, left_out, ledger: known })
    }

    /// Replays every change of a backup over its rows, and folds as it goes.
    fn replay_all(&self, source: &Path, progress: &Progress) -> Result<(), Fault> {
        let mut waiting = 0;
        let mut arena = Arena::default();
        let settle = || -> Result<(), Fault> {
            self.flush_all()?;
            while self.fold_some(AT_ONCE)? {}
            Ok(())
        };
        backup::read(source, progress, &mut |piece| {
            let Piece::Changes(body) = piece else { return Ok(()) };
            let mut changes = Vec::new();
            log::read_group(&body, &mut |seq, change| changes.push((seq, change))).ok_or_else(|| no_changes(source))?;
            waiting += changes.len();
            {
                let mut inner = lock(&self.inner);
                changes.into_iter().for_each(|(seq, change)| inner.replay(seq, change, &mut arena));
            }
            if waiting >= AT_ONCE {
                waiting = 0;
                settle()?;
            }
            Ok(())
        })?;
        settle()
    }
}

/// Reads a backup whole: every frame, every row and every change must be what the store would take.
fn look_through(source: &Path, progress: &Progress) -> Result<(Head, u64), Fault> {
    let mut found: Option<Head> = None;
    let mut last = 0;
    let trailer = backup::read(source, progress, &mut |piece| {
        match piece {
            Piece::Head(head) if head.format > FORMAT => {
                return Err(Fault::Corrupt(format!(
                    "reading the backup {}: it has format {} and this program knows formats up to {FORMAT}; use a newer reengaged",
                    source.display(),
                    head.format
                )));
            }
            Piece::Head(head) => {
                last = head.folded;
                found = Some(head);
            }
            Piece::Rows(number, rows) => {
                rows.iter().find(|row| !readable(number, row)).map_or(Ok(()), |row| Err(no_row(source, row)))?;
            }
            Piece::Changes(body) => {
                let mut seqs = last;
                let mut in_order = true;
                let read = log::read_group(&body, &mut |seq, _: Change| {
                    in_order &= seq > seqs;
                    seqs = seq;
                });
                last = read.filter(|_| in_order).ok_or_else(|| no_changes(source))?;
            }
        }
        Ok(())
    })?;
    let head = found.filter(|_| trailer.last >= last).ok_or_else(|| no_changes(source))?;
    progress.done.store(0, Ordering::Relaxed);
    Ok((head, trailer.left_out))
}

fn no_changes(source: &Path) -> Fault {
    Fault::Corrupt(format!("reading the backup {}: its changes cannot be read; take another backup", source.display()))
}

fn no_row(source: &Path, row: &Row) -> Fault {
    let key: String = row.key.iter().map(|byte| format!("{byte:02x}")).collect();
    Fault::Corrupt(format!("reading the backup {}: its row {key} cannot be read; take another backup", source.display()))
}
