//! A database made from rows: of a backup, or of what could be read of a damaged one.
//!
//! Not where the rows come from. What can be derived is derived, not copied: compact states, lists of touched conversations, whose a
//! hook record is. Rows may be newer than the change up to which they are called folded: the changes that follow are then folded over
//! them as after a crash, which gives the same result.

use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::ports::Fault;
use crate::id::ConversationId;
use crate::store::backup::Row;
use crate::store::codec::PAYLOAD_BYTES;
use crate::store::codec::record::read_cell;
use crate::store::codec::words::Reader;
use crate::store::files::{failed, sync_dir};
use crate::store::model::day_of;
use crate::store::sled::base::{Base, Table, Writes};
use crate::store::sled::blocks::Blocks;
use crate::store::sled::days::Days;
use crate::store::sled::details::{self, Raw};
use crate::store::sled::items::Item;
use crate::store::sled::log::Log;
use crate::store::sled::packed::Packed;
use crate::store::sled::{chunks, hooks, small};

/// The tables as backups number them; a number never changes its meaning.
pub(super) mod table {
    pub(in crate::store::sled) const DETAILS: u8 = 1;
    pub(in crate::store::sled) const IDENTITIES: u8 = 3;
    pub(in crate::store::sled) const OPTED_OUT: u8 = 4;
    pub(in crate::store::sled) const SMALL: u8 = 5;
    pub(in crate::store::sled) const HOOKS: u8 = 6;
    pub(in crate::store::sled) const DAMAGED: u8 = 7;
}

/// A database being made.
pub(super) struct Builder {
    dir: PathBuf,
    base: Base,
    packed: Packed,
    blocks: Blocks,
    touched: Days,
    opted_out: u64,
}

impl Builder {
    /// Begins one in a new directory; its rows are at least as new as change `folded`.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub(super) fn create(dir: &Path, folded: u64) -> Result<Builder, Fault> {
        fs::create_dir(dir).map_err(|e| failed("making the directory", dir, &e))?;
        let base = Base::open(dir, true)?;
        Log::create(&base, dir, folded)?;
        Blocks::create(&base)?;
        small::create_opted_out(&base)?;
        let (blocks, _) = Blocks::open(&base.blocks)?;
        let packed = Packed::open(&base.details)?;
        Ok(Builder { dir: dir.to_owned(), base, packed, blocks, touched: Days::default(), opted_out: 0 })
    }

    /// Adds rows of one table.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where a row is not what its table has; [`Fault::Unavailable`] where the disk refuses.
    pub(super) fn rows(&mut self, number: u8, rows: &[Row]) -> Result<(), Fault> {
        let Builder { base, opted_out, .. } = self;
        match number {
            table::DETAILS | table::DAMAGED => self.records(number == table::DAMAGED, rows),
            table::HOOKS => self.cells(rows),
            table::IDENTITIES => copy(&base.identities, rows),
            table::SMALL => copy(&base.small, rows),
            table::OPTED_OUT => {
                *opted_out += rows.len() as u64;
                copy(&base.opted_out, rows)
            }
            other => Err(Fault::Corrupt(format!("making {}: there is no table {other}; use a newer reengaged", self.dir.display()))),
        }
    }

    /// Ends it, durable.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub(super) fn finish(self) -> Result<Base, Fault> {
        let mut writes = self.base.opted_out.writes();
        small::put_count(&mut writes, self.opted_out);
        writes.apply()?;
        self.base.sync()?;
        sync_dir(&self.dir)?;
        Ok(self.base)
    }

    /// Appends records, or what is left of them, with the blocks that name their places, and lists conversations under the day on which
    /// they were touched.
    fn records(&mut self, lost: bool, rows: &[Row]) -> Result<(), Fault> {
        let mut stands = Vec::with_capacity(rows.len());
        let mut writes = self.base.details.writes();
        let mut touched = self.base.touched.writes();
        for row in rows {
            let bad = || self.base.details.damaged(&row.key, "it is no record");
            let id = id(row).ok_or_else(bad)?;
            let raw = Raw { id, folded: row.stamp, lost, body: &row.payload };
            let (head, names) = raw.read().and_then(|_| raw.stands()).ok_or_else(bad)?;
            self.packed.push(&mut writes, &raw)?;
            stands.push((row.stamp, head.stored, names));
            self.touched.push(&self.base.touched, &mut touched, day_of(head.touched), id.0)?;
        }
        let placed = self.packed.finish(&mut writes)?;
        let items: Vec<Item> =
            stands.into_iter().zip(placed).map(|((seq, stored, names), place)| Item::new(seq, &stored, place, names)).collect();
        self.touched.write(&mut touched)?;
        self.blocks.append(&self.base.blocks, &items)
    }

    fn cells(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let mut writes = self.base.hooks.writes();
        let mut owners = self.base.hooks_of.writes();
        for row in rows {
            let bad = || self.base.hooks.damaged(&row.key, "it is no hook record");
            let n = row.key.as_slice().try_into().map(u64::from_be_bytes).map_err(|_| bad())?;
            let cell = read_cell(&mut Reader::new(&row.payload)).ok_or_else(bad)?;
            owners.put(&hooks::owned(cell.record.conversation, n), &[]);
            next(&mut owners)?;
            chunks::put(&mut writes, &row.key, row.stamp, &row.payload, 0);
            next(&mut writes)?;
        }
        owners.apply()?;
        writes.apply()
    }
}

/// Whether a row is what its table has.
pub(super) fn readable(number: u8, row: &Row) -> bool {
    match number {
        table::DETAILS => id(row).is_some_and(|id| details::decode(id, &row.payload).is_some()),
        table::DAMAGED => id(row).is_some_and(|id| details::decode_lost(id, row.stamp, &row.payload).is_some()),
        table::HOOKS => row.key.len() == 8 && read_cell(&mut Reader::new(&row.payload)).is_some(),
        table::IDENTITIES => row.key.len() == 12 && row.payload.len().is_multiple_of(16) && row.payload.len() <= PAYLOAD_BYTES,
        table::OPTED_OUT => row.key.len() == 16 && Reader::new(&row.payload).i64().is_some() && row.payload.len() <= PAYLOAD_BYTES,
        // Read as a whole when the store is put together.
        table::SMALL => row.payload.len() <= PAYLOAD_BYTES,
        _ => false,
    }
}

fn id(row: &Row) -> Option<ConversationId> {
    row.key.as_slice().try_into().ok().map(|id| ConversationId(u128::from_be_bytes(id)))
}

fn copy(to: &Table, rows: &[Row]) -> Result<(), Fault> {
    let mut writes = to.writes();
    for row in rows {
        if row.payload.len() > PAYLOAD_BYTES {
            return Err(to.damaged(&row.key, "it is longer than any row"));
        }
        writes.put(&row.key, &row.payload);
        next(&mut writes)?;
    }
    writes.apply()
}

fn next(writes: &mut Writes<'_>) -> Result<(), Fault> {
    if writes.full() { writes.apply() } else { Ok(()) }
}
