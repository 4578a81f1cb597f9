//! Every record of every table looked at: its checksum, whether it can be read, and whether it is where the blocks say.
//!
//! Not a repair, and not the files beside the database: `fsck.rs` puts those together.

use std::path::Path;
use std::sync::Mutex;

use crate::engine::ports::Fault;
use crate::store::check::Checked;
use crate::store::codec::words::Reader;
use crate::store::sled::base::{Base, Table};
use crate::store::sled::blocks::{self, Blocks};
use crate::store::sled::details::{Found, Record};
use crate::store::sled::items;
use crate::store::sled::log::{self, Log};
use crate::store::sled::overlay::{Overlay, Small};
use crate::store::sled::places::Places;
use crate::store::sled::written::Arena;
use crate::store::sled::{chunks, days, details, hooks, packed, small};

/// Conversations looked at together.
const SOME: usize = 256;

/// Looks at every record. `places` are those of a store that runs: rows change then under the eyes of whoever looks, and tables are not
/// held against each other.
///
/// # Errors
/// [`Fault::Unavailable`] where the disk refuses.
pub(super) fn check(
    base: &Base,
    dir: &Path,
    places: Option<&Mutex<Places>>,
    step: &mut dyn FnMut(),
    checked: &mut Checked,
) -> Result<(), Fault> {
    let running = places.is_some();
    let mut looking = Looking { base, checked, step };
    looking.rows(&base.details, packed::readable)?;
    let cells = looking.rows(&base.hooks, |key, _| key.len() == 10)?;
    looking.cells()?;
    looking.orphans(&base.hooks, cells, running);
    looking.rows(&base.identities, days::readable)?;
    looking.rows(&base.touched, days::readable)?;
    looking.rows(&base.hooks_of, |key, payload| key.len() == 24 && payload.is_empty())?;
    looking.rows(&base.opted_out, |key, payload| key == small::COUNT || (key.len() == 16 && Reader::new(payload).i64().is_some()))?;
    looking.rows(&base.blocks, |key, payload| key == blocks::MARKER || (key.len() == 8 && items::read(payload).is_some()))?;
    looking.rows(&base.log, |key, _| key == log::MARKER)?;
    looking.rows(&base.small, |_, _| true)?;
    match places {
        Some(places) => looking.records(places),
        None => looking.together(dir),
    }
}

struct Looking<'a> {
    base: &'a Base,
    checked: &'a mut Checked,
    step: &'a mut dyn FnMut(),
}

impl Looking<'_> {
    fn found(&mut self, table: &Table, key: &[u8], what: &str) {
        self.checked.found(format!("store/{}", table.name()), place(key), what);
    }

    /// Each row of a table for itself; answers the keys of later chunks without a first one. An error of the database ends the table,
    /// and is what was found.
    fn rows(&mut self, table: &Table, right: impl Fn(&[u8], &[u8]) -> bool) -> Result<Vec<Vec<u8>>, Fault> {
        let mut orphans = Vec::new();
        let mut last: Option<Vec<u8>> = None;
        for row in table.each() {
            let (key, payload) = match row {
                Ok(row) => row,
                Err(fault @ Fault::Unavailable(_)) => return Err(fault),
                Err(Fault::Corrupt(why)) => {
                    self.checked.found(format!("store/{}", table.name()), "from here on", why);
                    break;
                }
            };
            (self.step)();
            match payload {
                Err(Fault::Corrupt(_)) => self.found(table, &key, "its checksum is wrong"),
                Err(fault) => return Err(fault),
                Ok(payload) if !right(&key, &payload) => self.found(table, &key, "it cannot be read"),
                Ok(_) => self.checked.records += 1,
            }
            // Those of hooks, which have chunks.
            let Some((head, index)) = key.split_last_chunk::<2>().filter(|(head, _)| head.len() == 8) else { continue };
            if *index == [0, 0] {
                last = Some(head.to_vec());
            } else if last.as_deref() != Some(head) {
                orphans.push(key);
            }
        }
        Ok(orphans)
    }

    /// The record of every conversation that the blocks name.
    fn records(&mut self, places: &Mutex<Places>) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let ids = match details::ids_after(self.base, places, after, SOME) {
                // An error of the database was found already, by the rows.
                Err(Fault::Corrupt(_)) => return Ok(()),
                ids => ids?,
            };
            let Some(last) = ids.last().copied() else { return Ok(()) };
            for id in ids {
                (self.step)();
                let what = match details::find(self.base, places, id) {
                    Ok(Found::At(_, Record::Whole(..)) | Found::No) => continue,
                    Ok(Found::At(_, Record::Lost(..))) => "was found damaged earlier",
                    Ok(Found::Unreadable(_)) | Err(Fault::Corrupt(_)) => "cannot be read",
                    Err(fault) => return Err(fault),
                };
                let what = format!("the record of {id} {what}: erase it, or restore a backup");
                self.found(&self.base.details, &id.0.to_be_bytes(), &what);
            }
            after = Some(last);
        }
    }

    fn cells(&mut self) -> Result<(), Fault> {
        for n in hooks::numbers(&self.base.hooks, 0) {
            let Ok(n) = n else { break };
            (self.step)();
            if let Some(what) = judged(hooks::long(&self.base.hooks, n))? {
                self.found(&self.base.hooks, &n.to_be_bytes(), &format!("hook record {n} cannot be read: {what}"));
            }
        }
        Ok(())
    }

    fn orphans(&mut self, table: &Table, orphans: Vec<Vec<u8>>, running: bool) {
        // A running store may have removed the first chunk and not yet this one.
        for key in orphans.into_iter().filter(|_| !running) {
            self.found(table, &key, "the first part of its record is lost");
        }
    }

    /// What one table says against what the others say.
    fn together(&mut self, dir: &Path) -> Result<(), Fault> {
        let mut overlay = Overlay::new(Small::default(), crate::moment::Moment::MIN);
        let whole = |result: Result<(), Fault>, checked: &mut Checked, file: &str| match result {
            Err(Fault::Corrupt(why)) => {
                checked.found(file, "as a whole", why);
                Ok(())
            }
            other => other,
        };
        let base = self.base;
        whole(small::open(&base.small).map(drop), self.checked, "store/small")?;
        whole(small::opted_out(&base.opted_out, &mut |_, _| {}), self.checked, "store/opted_out")?;
        let mut arena = Arena::default();
        let log = Log::open(base, dir, &mut |seq, change| overlay.take(seq, super::open::kept(change, &mut arena)));
        whole(log.map(drop), self.checked, "store/log")?;
        match Blocks::open(&base.blocks) {
            Ok((_, places)) => self.records(&Mutex::new(places)),
            Err(fault) => whole(Err(fault), self.checked, "store/blocks"),
        }
    }
}

/// What is wrong with a record, where something is.
fn judged(read: Result<Option<chunks::Long>, Fault>) -> Result<Option<String>, Fault> {
    match read {
        Ok(_) => Ok(None),
        Err(Fault::Corrupt(why)) => Ok(Some(why)),
        Err(fault) => Err(fault),
    }
}

fn place(key: &[u8]) -> String {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("key {hex}")
}
