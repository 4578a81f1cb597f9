//! Small tables: names, pauses, templates that cannot be sent, the registry, opt-outs, the last sign of life, the last hook number.
//!
//! Not conversations. All but the opt-outs are held in memory whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::ports::Fault;
use crate::engine::record::{Change, NameId};
use crate::engine::registry::Register;
use crate::id::PersonKey;
use crate::moment::Moment;
use crate::store::codec::change::{put_scope, read_scope};
use crate::store::codec::words::{Reader, put_i, put_u};
use crate::store::sled::base::{Base, Table, Writes};
use crate::store::sled::chunks;
use crate::store::sled::overlay::{Kept, Small};

const NAME: u8 = b'n';
const PAUSE: u8 = b'p';
const TEMPLATE: u8 = b't';
const FILED: u8 = b'r';
const ALIVE: [u8; 1] = *b"a";
const BURIED: [u8; 1] = *b"b";
const LAST_HOOK: [u8; 1] = *b"h";
/// Under which the number of opt-outs is kept: an opt-out that is lost must be seen.
pub(super) const COUNT: [u8; 1] = [0];

/// Reads the small tables, and before when dead letters are gone.
///
/// # Errors
/// [`Fault::Corrupt`] where they cannot be read.
pub(super) fn open(table: &Table) -> Result<(Small, Moment), Fault> {
    let mut small = Small::default();
    let mut buried = Moment::MIN;
    for row in table.rows(&[]) {
        let (key, payload) = row?;
        let bad = || table.damaged(&key, "it cannot be read");
        let mut read = Reader::new(&payload);
        match key.as_ref() {
            [NAME, rest @ ..] => {
                let id = chunks::first_of(rest).and_then(|id| id.try_into().ok()).map(u16::from_be_bytes);
                if let Some(id) = id {
                    let long = chunks::get(table, &[&[NAME], &id.to_be_bytes()[..]].concat())?.ok_or_else(bad)?;
                    let name = String::from_utf8(long.bytes).map_err(|_| bad())?;
                    small.names.insert(NameId(id), Arc::from(name));
                }
            }
            [PAUSE, scope @ ..] => drop(small.pauses.insert(read_scope(&mut Reader::new(scope)).ok_or_else(bad)?)),
            [TEMPLATE, high, low, template @ ..] => {
                let template = std::str::from_utf8(template).map_err(|_| bad())?;
                small.templates.insert((NameId(u16::from_be_bytes([*high, *low])), Arc::from(template)));
            }
            [FILED, rest @ ..] => {
                let FiledKey { register, id, long, first } = filed_key(&key, rest).ok_or_else(bad)?;
                if first {
                    let long = chunks::get(table, long)?.ok_or_else(bad)?;
                    small.filed.insert((register, id), Arc::from(long.bytes));
                }
            }
            key if key == ALIVE => small.alive = Some(Moment(read.i64().ok_or_else(bad)?)),
            key if key == BURIED => buried = Moment(read.i64().ok_or_else(bad)?),
            key if key == LAST_HOOK => small.last_hook = Some(read.u64().ok_or_else(bad)?),
            _ => return Err(bad()),
        }
    }
    Ok((small, buried))
}

/// Of which record of the registry a row is a chunk.
struct FiledKey<'k> {
    register: Register,
    id: Arc<str>,
    /// The key of all its chunks.
    long: &'k [u8],
    /// Whether it is the first.
    first: bool,
}

fn filed_key<'k>(key: &'k [u8], rest: &[u8]) -> Option<FiledKey<'k>> {
    let [register, length, rest @ ..] = rest else { return None };
    let (id, index) = rest.split_at_checked(usize::from(*length))?;
    let (register, id) = (Register::from_code(*register)?, std::str::from_utf8(id).ok()?);
    let first = match index {
        [0, 0] => true,
        [_, _] => false,
        _ => return None,
    };
    Some(FiledKey { register, id: Arc::from(id), long: key.get(..key.len() - 2)?, first })
}

/// Writes the last of what changes made of each record of the registry.
fn fold_filed(table: &Table, writes: &mut Writes<'_>, window: &[(u64, Kept)]) -> Result<(), Fault> {
    let mut last = BTreeMap::new();
    for (seq, kept) in window {
        if let Kept::Other(Change::Filed(filed)) = kept {
            last.insert((filed.register, &*filed.id), (*seq, &filed.value));
        }
    }
    for ((register, id), (seq, value)) in last {
        // Ids are of the program's own making and short; one length byte keeps keys of different ids apart.
        let key = [&[FILED, register as u8, id.len() as u8], id.as_bytes()].concat();
        let before = chunks::beginning(table, &key)?.map_or(0, |long| long.chunks);
        match value {
            Some(value) => chunks::put(writes, &key, seq, value, before),
            None => chunks::remove(writes, &key, before),
        }
        if writes.full() {
            writes.apply()?;
        }
    }
    Ok(())
}

/// Writes what changes up to `upto` made of the small tables.
///
/// # Errors
/// Where sled cannot write.
pub(super) fn fold(table: &Table, window: &[(u64, Kept)], buried: Moment) -> Result<(), Fault> {
    let mut writes = table.writes();
    let number = |value: i64| {
        let mut payload = Vec::new();
        put_i(&mut payload, value);
        payload
    };
    let mut last_hook = None;
    let mut sweeps = false;
    for (seq, kept) in window {
        match kept {
            Kept::Moved(moved) => last_hook = last_hook.max(moved.last_hook()),
            Kept::Other(Change::Filed(filed)) => last_hook = last_hook.max(filed.hooks.iter().map(|record| record.seq).max()),
            Kept::Other(Change::Named(id, name)) => {
                let key = [&[NAME], &id.0.to_be_bytes()[..]].concat();
                let before = chunks::beginning(table, &key)?.map_or(0, |long| long.chunks);
                chunks::put(&mut writes, &key, *seq, name.as_bytes(), before);
            }
            Kept::Other(Change::Paused(scope, paused)) => {
                let mut key = vec![PAUSE];
                put_scope(&mut key, *scope);
                if *paused { writes.put(&key, &[]) } else { writes.remove(&key) }
            }
            Kept::Other(Change::Template(line, template, usable)) => {
                let key = [&[TEMPLATE], &line.0.to_be_bytes()[..], template.as_bytes()].concat();
                if *usable { writes.remove(&key) } else { writes.put(&key, &[]) }
            }
            Kept::Other(Change::Alive(at)) => writes.put(&ALIVE, &number(at.0)),
            Kept::Other(Change::DeadUntil(_)) => sweeps = true,
            Kept::Other(_) => {}
        }
        if writes.full() {
            writes.apply()?;
        }
    }
    fold_filed(table, &mut writes, window)?;
    if sweeps {
        writes.put(&BURIED, &number(buried.0));
    }
    if let Some(n) = last_hook {
        let known = table.get(&LAST_HOOK)?.and_then(|bytes| Reader::new(&bytes).u64());
        let mut payload = Vec::new();
        put_u(&mut payload, known.map_or(n, |known| known.max(n)));
        writes.put(&LAST_HOOK, &payload);
    }
    writes.apply()
}

/// Makes the table of opt-outs of a new store.
///
/// # Errors
/// Where sled cannot write.
pub(super) fn create_opted_out(base: &Base) -> Result<(), Fault> {
    let mut writes = base.opted_out.writes();
    writes.put(&COUNT, &[0]);
    writes.apply()
}

/// Tells every opt-out on disk.
///
/// # Errors
/// [`Fault::Corrupt`] where one is damaged or lost.
pub(super) fn opted_out(table: &Table, take: &mut dyn FnMut(PersonKey, Moment)) -> Result<(), Fault> {
    let mut found = 0;
    for row in table.rows(&[0; 16]) {
        let (key, payload) = row?;
        let person = key.as_ref().try_into().ok().map(|id| PersonKey(u128::from_be_bytes(id)));
        let (Some(person), Some(at)) = (person, Reader::new(&payload).i64()) else {
            return Err(table.damaged(&key, "the opt-out cannot be read"));
        };
        take(person, Moment(at));
        found += 1;
    }
    match count(table)? {
        noted if noted == found => Ok(()),
        noted => Err(Fault::Corrupt(format!(
            "reading store/opted_out: {found} opt-outs are there of {noted}; put a good copy of the directory in its place, or start with `--accept-loss`"
        ))),
    }
}

/// Writes the opt-outs that changed.
///
/// # Errors
/// Where sled cannot write.
pub(super) fn fold_opted_out(table: &Table, changed: &BTreeMap<PersonKey, Option<Moment>>) -> Result<(), Fault> {
    let mut count = count(table)?;
    let mut writes = table.writes();
    for (person, at) in changed {
        let key = person.0.to_be_bytes();
        let there = table.get(&key)?.is_some();
        match at {
            Some(at) => {
                let mut payload = Vec::new();
                put_i(&mut payload, at.0);
                writes.put(&key, &payload);
                count += u64::from(!there);
            }
            None => {
                writes.remove(&key);
                count -= u64::from(there);
            }
        }
        if writes.full() {
            put_count(&mut writes, count);
            writes.apply()?;
        }
    }
    if !changed.is_empty() {
        put_count(&mut writes, count);
    }
    writes.apply()
}

fn count(table: &Table) -> Result<u64, Fault> {
    let noted = table.get(&COUNT)?.and_then(|bytes| Reader::new(&bytes).u64());
    noted.ok_or_else(|| table.damaged(&COUNT, "the number of opt-outs cannot be read"))
}

/// Notes how many opt-outs there are.
pub(super) fn put_count(writes: &mut Writes<'_>, count: u64) {
    let mut payload = Vec::new();
    put_u(&mut payload, count);
    writes.put(&COUNT, &payload);
}
