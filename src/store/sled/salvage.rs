//! What can be read of a damaged database, made into a new one; the damaged one is set aside, with a list of what is lost.
//!
//! Not done by itself: an operator says `--accept-loss`, and sending starts held. Nothing is made up: a conversation whose record is lost
//! goes on with the state that is known of it, marked as damaged, or is named as lost.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::ports::Fault;
use crate::engine::record::{Change, Stored};
use crate::id::ConversationId;
use crate::store::backup::Row;
use crate::store::check::Checked;
use crate::store::codec::words::Reader;
use crate::store::files::{exchange, failed, remove_dir, sync_dir};
use crate::store::sled::base::{Base, Table, snapshots, wait_closed};
use crate::store::sled::blocks;
use crate::store::sled::build::{Builder, readable, table};
use crate::store::sled::details::{self, Head};
use crate::store::sled::log::{self, Part};
use crate::store::sled::open::kept;
use crate::store::sled::overlay::Kept;
use crate::store::sled::{check, hooks, small};

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
    check::check(&base, false, &mut || (), &mut lost)?;
    let folded = base.log.get(&log::MARKER).ok().flatten().and_then(|note| Reader::new(&note).u64()).unwrap_or(0);
    let mut builder = Builder::create(&fresh, folded)?;
    records(&base, &mut builder)?;
    cells(&base, &mut builder)?;
    for (number, from) in [
        (table::ALIASES, &base.aliases),
        (table::IDENTITIES, &base.identities),
        (table::OPTED_OUT, &base.opted_out),
        (table::SMALL, &base.small),
    ] {
        rows(number, from, &mut builder)?;
    }
    let made = builder.finish()?;
    let mut next = 1;
    changes(&base, &mut |changes| {
        for group in log::pack(changes, next) {
            group.write(&made.log)?;
            next += group.parts();
        }
        Ok(())
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

/// The last state of each conversation, as far as blocks can be read.
fn states(base: &Base) -> HashMap<ConversationId, (u64, Option<Stored>)> {
    let mut states = HashMap::new();
    for (_, payload) in whole(&base.blocks) {
        for item in blocks::read(&payload).unwrap_or_default() {
            let known: &mut (u64, Option<Stored>) = states.entry(item.id).or_default();
            if item.seq >= known.0 {
                *known = (item.seq, item.stored);
            }
        }
    }
    states
}

/// Rows that are what was written.
fn whole(table: &Table) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    table.each().map_while(Result::ok).filter_map(|(key, payload)| payload.ok().map(|payload| (key, payload)))
}

fn records(base: &Base, builder: &mut Builder) -> Result<(), Fault> {
    let mut states = states(base);
    let mut some = Vec::new();
    for id in details::ids(&base.details, None).map_while(Result::ok) {
        if base.damaged.has(&id.0.to_be_bytes())? {
            continue;
        }
        if let Ok(Some(long)) = details::long(&base.details, id) {
            states.remove(&id);
            some.push(Row { key: id.0.to_be_bytes().to_vec(), stamp: long.stamp, payload: long.bytes });
            if some.len() >= SOME {
                builder.rows(table::DETAILS, &some)?;
                some.clear();
            }
        }
    }
    builder.rows(table::DETAILS, &some)?;
    // Found damaged earlier: what was noted then may be newer.
    for (key, payload) in whole(&base.damaged) {
        let id = key.as_slice().try_into().ok().map(|id| ConversationId(u128::from_be_bytes(id)));
        if let Some((id, head)) = id.and_then(|id| details::decode_damaged(id, &payload).map(|head| (id, head))) {
            states.insert(id, (head.folded, Some(head.stored)));
        }
    }
    let mut bare: Vec<Head> = states
        .into_values()
        .filter_map(|(folded, stored)| stored.map(|stored| Head { folded, stored, touched: stored.state.silence }))
        .collect();
    bare.sort_by_key(|head| head.stored.id);
    bare.chunks(SOME).try_for_each(|some| builder.bare(some))
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

type Take<'a> = dyn FnMut(&[(u64, Kept)]) -> Result<(), Fault> + 'a;

/// Tells the groups of the log that are whole, in order. What comes behind a hole is told too: a later change of a conversation says
/// where it stands.
fn changes(base: &Base, take: &mut Take<'_>) -> Result<(), Fault> {
    let mut body = Vec::new();
    let mut expected = (0, 0);
    for (key, payload) in whole(&base.log).filter(|(key, _)| key.len() == 8) {
        let (Some(part), Ok(place)) = (Part::read(&payload), key.as_slice().try_into().map(u64::from_be_bytes)) else { continue };
        if part.index == 0 {
            body.clear();
            expected = (part.first, part.first);
        }
        if (part.first, place) != expected || part.first + part.index != place {
            expected = (u64::MAX, u64::MAX);
            continue;
        }
        expected.1 += 1;
        body.extend_from_slice(part.bytes);
        if part.index + 1 == part.parts {
            let (mut group, mut room): (Vec<(u64, Kept)>, _) = (Vec::new(), Vec::new());
            if log::read_group(&body, &mut |seq, change: Change| group.push((seq, kept(change, &mut room)))).is_some() {
                take(&group)?;
            }
        }
    }
    Ok(())
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
