//! Every record of every table looked at: its checksum, whether it can be read, and, where nothing else runs, whether what one table
//! says agrees with what the others do.
//!
//! Not a repair, and not the files beside the database: `fsck.rs` puts those together.

use std::collections::HashMap;

use crate::conversation::Phase;
use crate::engine::ports::Fault;
use crate::id::ConversationId;
use crate::store::check::Checked;
use crate::store::codec::words::Reader;
use crate::store::sled::base::{Base, Table};
use crate::store::sled::blocks::{self, Blocks};
use crate::store::sled::log::{self, Log};
use crate::store::sled::overlay::{Overlay, Small};
use crate::store::sled::{chunks, days, details, hooks, small};

/// Looks at every record. With `running`, rows change under the eyes of whoever looks, and only each for itself can be judged.
///
/// # Errors
/// [`Fault::Unavailable`] where the disk refuses.
pub(super) fn check(base: &Base, running: bool, step: &mut dyn FnMut(), checked: &mut Checked) -> Result<(), Fault> {
    let mut looking = Looking { base, checked, step };
    let details = looking.rows(&base.details, |key, _| key.len() == 18)?;
    looking.records()?;
    looking.orphans(&base.details, details, running);
    let cells = looking.rows(&base.hooks, |key, _| key.len() == 10)?;
    looking.cells()?;
    looking.orphans(&base.hooks, cells, running);
    looking.rows(&base.aliases, |key, payload| key.len() == 16 && payload.len() == 16)?;
    looking.rows(&base.identities, days::readable)?;
    looking.rows(&base.touched, days::readable)?;
    looking.rows(&base.hooks_of, |key, payload| key.len() == 24 && payload.is_empty())?;
    looking.rows(&base.opted_out, |key, payload| key == small::COUNT || (key.len() == 16 && Reader::new(payload).i64().is_some()))?;
    looking.rows(&base.blocks, |key, payload| key == blocks::MARKER || (key.len() == 8 && blocks::read(payload).is_some()))?;
    looking.rows(&base.log, |key, _| key == log::MARKER || key.len() == 8)?;
    looking.rows(&base.small, |_, _| true)?;
    looking.damaged_ones()?;
    if !running {
        looking.together()?;
    }
    Ok(())
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
            let Some((head, index)) = key.split_last_chunk::<2>() else { continue };
            if *index == [0, 0] {
                last = Some(head.to_vec());
            } else if last.as_deref() != Some(head) {
                orphans.push(key);
            }
        }
        Ok(orphans)
    }

    fn damaged_ones(&mut self) -> Result<(), Fault> {
        for row in self.base.damaged.each() {
            let (key, _) = row?;
            let id = key.as_slice().try_into().map_or(ConversationId(0), |id| ConversationId(u128::from_be_bytes(id)));
            self.found(&self.base.damaged, &key, &format!("the record of {id} was found damaged earlier: erase it, or restore a backup"));
        }
        Ok(())
    }

    /// The records of conversations, put together from their chunks.
    fn records(&mut self) -> Result<(), Fault> {
        for id in details::ids(&self.base.details, None) {
            // An error of the database was found already, by the rows.
            let Ok(id) = id else { break };
            (self.step)();
            if let Some(what) = judged(details::long(&self.base.details, id))? {
                self.found(&self.base.details, &id.0.to_be_bytes(), &format!("the record of {id} cannot be read: {what}"));
            }
        }
        Ok(())
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
    fn together(&mut self) -> Result<(), Fault> {
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
        let mut room = Vec::new();
        let log = Log::open(&base.log, &mut |seq, change| overlay.take(seq, super::open::kept(change, &mut room)));
        whole(log.map(drop), self.checked, "store/log")?;
        let mut states: HashMap<[u8; 16], Phase> = HashMap::new();
        let told = Blocks::open(&base.blocks).and_then(|mut blocks| {
            blocks.tell(&base.blocks, &mut |stored| {
                states.insert(stored.id.0.to_be_bytes(), stored.state.phase);
            })
        });
        let blocks_whole = told.is_ok();
        whole(told, self.checked, "store/blocks")?;
        if blocks_whole {
            self.states(&states, &overlay)?;
        }
        self.names(&overlay)
    }

    /// Records and compact states must agree: a start reads the states alone.
    fn states(&mut self, states: &HashMap<[u8; 16], Phase>, overlay: &Overlay) -> Result<(), Fault> {
        for id in details::ids(&self.base.details, None) {
            let Ok(id) = id else { break };
            let key = id.0.to_be_bytes();
            let Ok(Some(head)) = details::head(&self.base.details, id) else { continue };
            let unfinished = !matches!(head.stored.state.phase, Phase::Finished(_));
            // What is in the log is newer than both, and a fold that was cut short may have written one of them.
            if unfinished && !states.contains_key(&key) && !overlay.conversations.contains_key(&id) {
                self.found(&self.base.blocks, &key, &format!("the state of {id} is lost: it would wait for ever"));
            }
        }
        for key in states.keys() {
            let id = ConversationId(u128::from_be_bytes(*key));
            if !overlay.conversations.contains_key(&id) && !self.there(id)? {
                self.found(&self.base.details, key, &format!("the record of {id} is lost"));
            }
        }
        Ok(())
    }

    /// Whether there is a record of a conversation, readable or not.
    fn there(&self, id: ConversationId) -> Result<bool, Fault> {
        let key = id.0.to_be_bytes();
        Ok(self.base.details.has(&[&key[..], &[0, 0]].concat())? || self.base.damaged.has(&key)?)
    }

    /// Every alias leads to a conversation.
    fn names(&mut self, overlay: &Overlay) -> Result<(), Fault> {
        let mut lost = Vec::new();
        for row in self.base.aliases.each() {
            // An error of the database was found already, by the rows.
            let Ok((key, payload)) = row else { break };
            let Ok(Ok(id)) = payload.map(|id| id.as_slice().try_into().map(u128::from_be_bytes)) else { continue };
            let id = ConversationId(id);
            if !overlay.conversations.contains_key(&id) && !self.there(id)? {
                lost.push((key, id));
            }
        }
        for (key, id) in lost {
            self.found(&self.base.aliases, &key, &format!("it leads to {id}, which is not there"));
        }
        Ok(())
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
