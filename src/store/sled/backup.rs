//! A backup of the store while it runs: rows as they are found, then every change that was folded meanwhile or is not folded yet.
//!
//! Not a stop of the world: commits go on, and folding waits only at the beginning and the end. Rows read while they change are at
//! least as new as the change at which the backup began, and each record says up to which change it is folded; replaying the changes
//! over them gives the store as it was at the end.

use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::engine::ports::Fault;
use crate::id::ConversationId;
use crate::moment::Moment;
use crate::store::backup::{self, Progress, Writer};
use crate::store::sled::base::Table;
use crate::store::sled::blocks::Blocks;
use crate::store::sled::build::table;
use crate::store::sled::details::{Found, Head};
use crate::store::sled::overlay::Kept;
use crate::store::sled::place::FORMAT;
use crate::store::sled::{FOLD, SledStore, details, hooks, lock, log, small};

/// Changes put into one frame.
const SOME: usize = 256;
/// Damaged records that are named; more are counted.
const NAMED: usize = 100;

/// What became of a backup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backed {
    /// Records of conversations in it; those of the last moments are in it as changes.
    pub records: u64,
    /// Bytes of it.
    pub bytes: u64,
    /// The number of the last change in it.
    pub last: u64,
    /// Records that could not be read and are not in it, each with its place; at most a hundred are named.
    pub damaged: Vec<String>,
    /// How many they are.
    pub left_out: u64,
}

/// Where folds put their changes while a backup is being made.
pub(super) struct Tape {
    writer: Mutex<Writer>,
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tape(..)")
    }
}

impl Tape {
    /// Takes changes that are durable. What goes wrong here is the backup's trouble, not the store's.
    pub(super) fn take(&self, changes: &[(u64, Kept)]) {
        for some in changes.chunks(SOME) {
            lock(&self.writer).changes(some.len() as u64, &log::encode(some));
        }
    }

    fn row(&self, number: u8, key: &[u8], stamp: u64, payload: &[u8]) -> Result<(), Fault> {
        let mut writer = lock(&self.writer);
        writer.row(number, key, stamp, payload);
        writer.fault().map_or(Ok(()), Err)
    }
}

/// Takes the tape away again, however a backup ends.
struct Taping<'a>(&'a SledStore);

impl Drop for Taping<'_> {
    fn drop(&mut self) {
        *lock(&self.0.tape) = None;
    }
}

impl SledStore {
    /// Writes a backup to `dest`, which must not exist. `now` is noted in it. One at a time.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where it cannot be written; [`Fault::Corrupt`] where more than single conversations is damaged. Nothing
    /// stands at `dest` then.
    pub fn backup(&self, dest: &Path, now: Moment, progress: &Progress) -> Result<Backed, Fault> {
        self.backup_watched(dest, now, &mut || progress.step())
    }

    /// As [`SledStore::backup`]; `step` is called for each record and before each table.
    pub(super) fn backup_watched(&self, dest: &Path, now: Moment, step: &mut dyn FnMut()) -> Result<Backed, Fault> {
        self.fold_what_is_durable()?;
        let tape = self.begin_tape(dest, now)?;
        let taping = Taping(self);
        let mut backed = Backed { records: 0, bytes: 0, last: 0, damaged: Vec::new(), left_out: 0 };
        let copied = self.copy_rows(&tape, &mut backed, now, step);
        let last = copied.map(|()| {
            // No fold runs from here on, so that what is not folded is on the tape once, in order.
            let _folder = lock(&self.folder);
            let (rest, last) = {
                let inner = lock(&self.inner);
                let durable = inner.overlay.queue.iter().take_while(|(seq, _)| *seq <= inner.durable);
                (durable.cloned().collect::<Vec<_>>(), inner.durable)
            };
            tape.take(&rest);
            drop(taping);
            last
        });
        let writer = Arc::into_inner(tape).map(|tape| tape.writer.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner));
        let writer = writer.ok_or_else(|| Fault::Unavailable("ending the backup: a fold still writes to it".to_owned()))?;
        match last {
            Ok(last) => {
                backed.last = last;
                backed.bytes = writer.finish(last, backed.left_out)?;
                Ok(backed)
            }
            Err(fault) => {
                writer.abandon();
                Err(fault)
            }
        }
    }

    /// What was erased before a backup begins is in no part of it: neither as a row that a fold would have removed, nor as a change.
    fn fold_what_is_durable(&self) -> Result<(), Fault> {
        let upto = lock(&self.inner).durable;
        while lock(&self.inner).overlay.queue.front().is_some_and(|(seq, _)| *seq <= upto) {
            self.failed(self.fold_some(FOLD))?;
        }
        Ok(())
    }

    /// From here on every fold leaves its changes on the tape.
    fn begin_tape(&self, dest: &Path, now: Moment) -> Result<Arc<Tape>, Fault> {
        let _folder = lock(&self.folder);
        if lock(&self.tape).is_some() {
            return Err(Fault::Unavailable(format!("writing the backup {}: another one is being made", dest.display())));
        }
        let folded = {
            let inner = lock(&self.inner);
            inner.check()?;
            inner.overlay.queue.front().map_or(inner.durable, |(seq, _)| seq - 1)
        };
        let (instance, key) = lock(&self.place).identity()?;
        let head = backup::Head { format: FORMAT, instance, key, made: now, folded };
        let tape = Arc::new(Tape { writer: Mutex::new(Writer::create(dest, &head)?) });
        *lock(&self.tape) = Some(Arc::clone(&tape));
        Ok(tape)
    }

    fn copy_rows(&self, tape: &Tape, backed: &mut Backed, now: Moment, step: &mut dyn FnMut()) -> Result<(), Fault> {
        self.copy_details(tape, backed, now, step)?;
        step();
        self.copy_hooks(tape, backed, step)?;
        step();
        self.copy_table(tape, table::IDENTITIES, &self.base.identities, step)?;
        step();
        self.copy_table(tape, table::OPTED_OUT, &self.base.opted_out, step)?;
        step();
        // Records of the registry may be long, and are copied chunk by chunk: no fold changes one in between.
        let _folder = lock(&self.folder);
        self.copy_table(tape, table::SMALL, &self.base.small, &mut || ())
    }

    fn copy_details(&self, tape: &Tape, backed: &mut Backed, now: Moment, step: &mut dyn FnMut()) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let ids = details::ids_after(&self.base, &self.places, after, SOME)?;
            let Some(last) = ids.last().copied() else { return Ok(()) };
            for id in ids {
                step();
                self.copy_record(tape, backed, now, id)?;
            }
            after = Some(last);
        }
    }

    fn copy_record(&self, tape: &Tape, backed: &mut Backed, now: Moment, id: ConversationId) -> Result<(), Fault> {
        let key = id.0.to_be_bytes();
        match details::body(&self.base, &self.places, id)? {
            // It was forgotten meanwhile; the tape says so.
            Found::No => {}
            Found::At(_, (folded, false, body)) => {
                tape.row(table::DETAILS, &key, folded, &body)?;
                backed.records += 1;
            }
            Found::At(_, (folded, true, body)) => {
                note(backed, &details::is_damaged(id));
                tape.row(table::DAMAGED, &key, folded, &body)?;
            }
            Found::Unreadable(_) => {
                note(backed, &details::is_damaged(id));
                let item = {
                    let _folder = lock(&self.folder);
                    Blocks::find(&self.base.blocks, id)?
                };
                if let Some((item, stored)) = item.and_then(|item| item.stored().copied().map(|stored| (item, stored))) {
                    let head = Head { folded: item.seq, stored, touched: now };
                    tape.row(table::DAMAGED, &key, item.seq, &details::encode_lost(&head, item.names()))?;
                }
            }
        }
        Ok(())
    }

    fn copy_hooks(&self, tape: &Tape, backed: &mut Backed, step: &mut dyn FnMut()) -> Result<(), Fault> {
        for n in hooks::numbers(&self.base.hooks, 0) {
            let n = n?;
            step();
            match hooks::long(&self.base.hooks, n) {
                Ok(None) => {}
                Ok(Some(long)) => tape.row(table::HOOKS, &n.to_be_bytes(), long.stamp, &long.bytes)?,
                Err(fault @ Fault::Unavailable(_)) => return Err(fault),
                Err(fault) => note(backed, &fault),
            }
        }
        Ok(())
    }

    fn copy_table(&self, tape: &Tape, number: u8, from: &Table, step: &mut dyn FnMut()) -> Result<(), Fault> {
        for row in from.each() {
            let (key, payload) = row?;
            step();
            if number != table::OPTED_OUT || key != small::COUNT {
                tape.row(number, &key, 0, &payload?)?;
            }
        }
        Ok(())
    }
}

fn note(backed: &mut Backed, fault: &Fault) {
    backed.left_out += 1;
    if backed.damaged.len() < NAMED {
        backed.damaged.push(fault.to_string());
    }
}
