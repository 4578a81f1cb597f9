//! A database made from rows: of a backup, or of what could be read of a damaged one.
//!
//! Not where the rows come from. What can be derived is derived, not copied: compact states, lists of touched conversations, whose a
//! hook record is. Rows may be newer than the change up to which they are called folded: the changes that follow are then folded over
//! them as after a crash, which gives the same result.

use std::fs;
use std::path::{Path, PathBuf};

use crate::conversation::Phase;
use crate::engine::ports::Fault;
use crate::engine::record::Stored;
use crate::id::ConversationId;
use crate::store::backup::Row;
use crate::store::codec::PAYLOAD_BYTES;
use crate::store::codec::record::read_cell;
use crate::store::codec::words::Reader;
use crate::store::files::{failed, sync_dir};
use crate::store::model::day_of;
use crate::store::sled::base::{Base, Table, Writes};
use crate::store::sled::blocks::{Blocks, Item};
use crate::store::sled::days::Days;
use crate::store::sled::details::{self, Head};
use crate::store::sled::log::Log;
use crate::store::sled::{chunks, hooks, small};

/// The tables as backups number them; a number never changes its meaning.
pub(super) mod table {
    pub(in crate::store::sled) const DETAILS: u8 = 1;
    pub(in crate::store::sled) const ALIASES: u8 = 2;
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
        Log::create(&base, folded)?;
        Blocks::create(&base)?;
        small::create_opted_out(&base)?;
        let blocks = Blocks::open(&base.blocks)?;
        Ok(Builder { dir: dir.to_owned(), base, blocks, touched: Days::default(), opted_out: 0 })
    }

    /// Adds rows of one table.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where a row is not what its table has; [`Fault::Unavailable`] where the disk refuses.
    pub(super) fn rows(&mut self, number: u8, rows: &[Row]) -> Result<(), Fault> {
        let Builder { base, opted_out, .. } = self;
        match number {
            table::DETAILS => self.records(rows),
            table::HOOKS => self.cells(rows),
            table::DAMAGED => self.damaged(rows),
            table::ALIASES => copy(&base.aliases, rows),
            table::IDENTITIES => copy(&base.identities, rows),
            table::SMALL => copy(&base.small, rows),
            table::OPTED_OUT => {
                *opted_out += rows.len() as u64;
                copy(&base.opted_out, rows)
            }
            other => Err(Fault::Corrupt(format!("making {}: there is no table {other}; use a newer reengaged", self.dir.display()))),
        }
    }

    /// Notes conversations whose records are lost, and of which this much is known.
    ///
    /// # Errors
    /// As [`Builder::rows`].
    pub(super) fn bare(&mut self, heads: &[Head]) -> Result<(), Fault> {
        let mut writes = self.base.damaged.writes();
        for head in heads {
            details::put_damaged(&mut writes, head);
            next(&mut writes)?;
        }
        writes.apply()?;
        self.states(heads.iter())
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

    fn records(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let mut heads = Vec::with_capacity(rows.len());
        let mut writes = self.base.details.writes();
        for row in rows {
            let bad = || self.base.details.damaged(&row.key, "it is no record");
            let id = row.key.as_slice().try_into().map(|id| ConversationId(u128::from_be_bytes(id))).map_err(|_| bad())?;
            let entry = details::decode(id, &row.payload).ok_or_else(bad)?;
            chunks::put(&mut writes, &row.key, row.stamp, &row.payload, 0);
            heads.push(Head { folded: row.stamp, stored: entry.stored, touched: entry.touched });
            next(&mut writes)?;
        }
        writes.apply()?;
        self.states(heads.iter())
    }

    fn damaged(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let head = |row: &Row| {
            let id = row.key.as_slice().try_into().map(|id| ConversationId(u128::from_be_bytes(id))).ok()?;
            details::decode_damaged(id, &row.payload)
        };
        let heads: Option<Vec<Head>> = rows.iter().map(head).collect();
        let heads = heads.ok_or_else(|| Fault::Corrupt(format!("making {}: a row is no damaged record", self.dir.display())))?;
        self.bare(&heads)
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

    /// Appends compact states, and lists conversations under the day on which they were touched.
    fn states<'a>(&mut self, heads: impl Iterator<Item = &'a Head> + Clone) -> Result<(), Fault> {
        let unfinished = |stored: &Stored| !matches!(stored.state.phase, Phase::Finished(_));
        let counting = heads.clone().filter(|head| unfinished(&head.stored));
        let items: Vec<Item> = counting.map(|head| Item::new(head.folded, head.stored.id, Some(head.stored))).collect();
        self.blocks.append(&self.base.blocks, &items, items.len() as u64, 0)?;
        let mut writes = self.base.touched.writes();
        for head in heads {
            self.touched.push(&self.base.touched, &mut writes, day_of(head.touched), head.stored.id.0)?;
        }
        self.touched.write(&mut writes)
    }
}

/// Whether a row is what its table has.
pub(super) fn readable(number: u8, row: &Row) -> bool {
    let id = || row.key.as_slice().try_into().map(|id| ConversationId(u128::from_be_bytes(id))).ok();
    match number {
        table::DETAILS => id().is_some_and(|id| details::decode(id, &row.payload).is_some()),
        table::DAMAGED => id().is_some_and(|id| details::decode_damaged(id, &row.payload).is_some()),
        table::HOOKS => row.key.len() == 8 && read_cell(&mut Reader::new(&row.payload)).is_some(),
        table::ALIASES => row.key.len() == 16 && row.payload.len() == 16,
        table::IDENTITIES => row.key.len() == 12 && row.payload.len().is_multiple_of(16) && row.payload.len() <= PAYLOAD_BYTES,
        table::OPTED_OUT => row.key.len() == 16 && Reader::new(&row.payload).i64().is_some() && row.payload.len() <= PAYLOAD_BYTES,
        // Read as a whole when the store is put together.
        table::SMALL => row.payload.len() <= PAYLOAD_BYTES,
        _ => false,
    }
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
