//! What can be read of a damaged database, made into a new one; the damaged one is set aside, with a list of what is lost.
//!
//! Not done by itself: an operator says `--accept-loss`, and sending starts held. Nothing is made up: a conversation whose record is lost
//! goes on with the state that is known of it, marked as damaged, or is named as lost.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::ports::Fault;
use crate::id::ConversationId;
use crate::store::backup::Row;
use crate::store::check::Checked;
use crate::store::files::{exchange, failed, remove_dir, sync_dir};
use crate::store::sled::base::{Base, Table, snapshots, wait_closed};
use crate::store::sled::blocks::Blocks;
use crate::store::sled::build::{Builder, readable, table};
use crate::store::sled::details::{self, Head, Raw};
use crate::store::sled::frames::{self, End};
use crate::store::sled::items::{self, Item};
use crate::store::sled::log;
use crate::store::sled::open::kept;
use crate::store::sled::overlay::Kept;
use crate::store::sled::written::Arena;
use crate::store::sled::{check, fsck, hooks, packed, remains, small};

/// Rows handed to the new database at a time.
const SOME: usize = 100;
/// The list of what is lost, beside the damaged database.
const REPORT: &str = "LOST.txt";

/// Puts a new database in the place of the damaged one in `store`. Answers where that is now, and what is lost.
///
/// # Errors
/// [`Fault::Corrupt`] where nothing of it can be read; [`Fault::Unavailable`] where the disk refuses. Everything is as it was then.
pub(super) fn salvage(store: &Path) -> Result<(PathBuf, Checked), Fault> {
    let fresh = store.with_extension("new");
    remove_dir(&fresh)?;
    remove_dir(&store.with_extension("whole"))?;
    let base = open(store)?;
    let mut lost = Checked::default();
    fsck::check_log(store, store, &mut lost)?;
    check::check(&base, store, None, &mut || (), &mut lost)?;
    let folded = log::folded(&base.log).unwrap_or(0);
    let mut builder = Builder::create(&fresh, folded)?;
    records(&base, &mut builder)?;
    cells(&base, &mut builder)?;
    for (number, from) in [(table::IDENTITIES, &base.identities), (table::OPTED_OUT, &base.opted_out), (table::SMALL, &base.small)] {
        rows(number, from, &mut builder)?;
    }
    let made = builder.finish()?;
    // The one that the builder began, in which there is nothing yet.
    let mut end = End::open(&frames::path(&fresh, folded), 0, folded)?;
    let mut arena = Arena::default();
    remains::whole_groups(store, &mut |group| {
        let later: Vec<(u64, Kept)> =
            group.into_iter().filter(|(seq, _)| *seq > end.last()).map(|(seq, change)| (seq, kept(change, &mut arena))).collect();
        end.append(&log::pack(&later)).map(drop)
    })?;
    made.sync()?;
    drop((made, base));
    wait_closed(&fresh)?;
    wait_closed(store)?;
    let aside = exchange(store)?;
    report(&aside, &lost)?;
    Ok((aside, lost))
}

fn open(store: &Path) -> Result<Base, Fault> {
    let first = match Base::open(store, false) {
        Err(fault @ Fault::Corrupt(_)) => fault,
        opened => return opened,
    };
    for snapshot in snapshots(store) {
        fs::remove_file(&snapshot).map_err(|e| failed("removing", &snapshot, &e))?;
    }
    Base::open(store, false).map_err(|_| match first {
        Fault::Corrupt(why) => {
            Fault::Corrupt(format!("{why} (nothing in it can be read, so there is nothing to go on with; restore a backup)"))
        }
        other => other,
    })
}

/// The last item of each conversation, as far as blocks can be read.
fn items(base: &Base) -> HashMap<ConversationId, Item> {
    let mut items: HashMap<ConversationId, Item> = HashMap::new();
    for (_, payload) in whole(&base.blocks).filter(|(key, _)| key.len() == 8) {
        for item in items::read(&payload).unwrap_or_default() {
            if items.get(&item.id).is_none_or(|known| item.seq >= known.seq) {
                items.insert(item.id, item);
            }
        }
    }
    items
}

/// The value with the latest record of each conversation, as far as values can be read, and up to which change that is folded.
fn latest(base: &Base) -> HashMap<ConversationId, (u64, u64)> {
    let mut latest: HashMap<ConversationId, (u64, u64)> = HashMap::new();
    values(base, &mut |place, raw| {
        let known = latest.entry(raw.id).or_default();
        *known = (*known).max((raw.folded, place));
        Ok(())
    })
    .unwrap_or_default();
    latest
}

/// Tells every record that can be read, with the value in which it is.
fn values(base: &Base, take: &mut dyn FnMut(u64, &Raw<'_>) -> Result<(), Fault>) -> Result<(), Fault> {
    for key in base.details.keys(&[0; 8]).map_while(Result::ok) {
        let Ok(place) = key.as_ref().try_into().map(u64::from_be_bytes) else { continue };
        let Some(bytes) = packed::value(&base.details, place).ok().flatten() else { continue };
        let raws = packed::records(&bytes).unwrap_or_default();
        raws.iter().filter(|raw| raw.read().is_some()).try_for_each(|raw| take(place, raw))?;
    }
    Ok(())
}

/// Rows that are what was written.
fn whole(table: &Table) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    table.each().map_while(Result::ok).filter_map(|(key, payload)| payload.ok().map(|payload| (key, payload)))
}

fn records(base: &Base, builder: &mut Builder) -> Result<(), Fault> {
    let (items, mut wanted) = (items(base), latest(base));
    let mut left = Vec::new();
    for item in items.values() {
        if wanted.get(&item.id).is_some_and(|(folded, _)| *folded < item.seq) {
            // It was forgotten, or what can be read is older than what is known of it.
            wanted.remove(&item.id);
        }
        if let Some(stored) = item.stored().filter(|_| !wanted.contains_key(&item.id)) {
            let head = Head { folded: item.seq, stored: *stored, touched: stored.state.silence };
            let payload = details::encode_lost(&head, item.names());
            left.push(Row { key: item.id.0.to_be_bytes().to_vec(), stamp: item.seq, payload });
        }
    }
    if Blocks::open(&base.blocks).is_ok() {
        // A record of which no block speaks was forgotten, and its old self is left behind.
        wanted.retain(|id, _| items.contains_key(id));
    }
    let mut some = [Vec::new(), Vec::new()];
    values(base, &mut |place, raw| {
        if wanted.get(&raw.id) == Some(&(raw.folded, place)) {
            let (number, rows) = if raw.lost { (table::DAMAGED, &mut some[1]) } else { (table::DETAILS, &mut some[0]) };
            rows.push(Row { key: raw.id.0.to_be_bytes().to_vec(), stamp: raw.folded, payload: raw.body.to_vec() });
            if rows.len() >= SOME {
                builder.rows(number, rows)?;
                rows.clear();
            }
        }
        Ok(())
    })?;
    let [records, lost] = some;
    builder.rows(table::DETAILS, &records)?;
    builder.rows(table::DAMAGED, &lost)?;
    left.sort_by(|a, b| a.key.cmp(&b.key));
    left.chunks(SOME).try_for_each(|some| builder.rows(table::DAMAGED, some))
}

fn cells(base: &Base, builder: &mut Builder) -> Result<(), Fault> {
    for n in hooks::numbers(&base.hooks, 0).map_while(Result::ok) {
        if let Ok(Some(long)) = hooks::long(&base.hooks, n) {
            builder.rows(table::HOOKS, &[Row { key: n.to_be_bytes().to_vec(), stamp: long.stamp, payload: long.bytes }])?;
        }
    }
    Ok(())
}

fn rows(number: u8, from: &Table, builder: &mut Builder) -> Result<(), Fault> {
    let counted = |key: &[u8]| number == table::OPTED_OUT && key == small::COUNT;
    let rows = whole(from).filter(|(key, _)| !counted(key)).map(|(key, payload)| Row { key, stamp: 0, payload });
    let rows: Vec<Row> = rows.filter(|row| readable(number, row)).collect();
    rows.chunks(SOME).try_for_each(|some| builder.rows(number, some))
}

/// Writes what is lost beside the damaged database.
fn report(aside: &Path, lost: &Checked) -> Result<(), Fault> {
    let mut text = format!("{} places of this database cannot be read; the first of them:\n", lost.damaged);
    for damage in &lost.damages {
        text.push_str(&format!("{damage}\n"));
    }
    let path = aside.join(REPORT);
    fs::write(&path, text).map_err(|e| failed("writing", &path, &e))?;
    sync_dir(aside)
}
