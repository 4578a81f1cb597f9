//! A [`Change`] as the log has it. Its ledger entry is not here: the ledger has that, and the log does not repeat it.
//!
//! Not the groups of the log: see `sled/log.rs`.

use std::sync::Arc;

use crate::engine::record::{Change, Moved, NameId, PauseScope};
use crate::engine::registry::{Filed, Register};
use crate::id::{AliasKey, ConversationId, EventKey, PersonKey};
use crate::moment::Moment;
use crate::store::codec::record::{put_delta, put_hook, read_delta, read_hook};
use crate::store::codec::state::{maybe, put_stored, read_stored};
use crate::store::codec::words::{Reader, put_i, put_id, put_list, put_str, put_u};

/// Appends a change of a conversation.
pub(crate) fn put_moved(out: &mut Vec<u8>, moved: &Moved) {
    out.push(1);
    put_stored(out, &moved.stored);
    put_i(out, moved.now.0);
    out.push(u8::from(moved.identity.is_some()));
    if let Some(key) = moved.identity {
        put_id(out, key.0);
    }
    put_list(out, moved.deltas.iter(), put_delta);
    put_list(out, moved.aliases.iter(), |out, alias| put_id(out, alias.0));
    put_list(out, moved.hooks.iter(), put_hook);
}

/// Appends a change; nothing for [`Change::Ledger`].
pub(crate) fn put_change(out: &mut Vec<u8>, change: &Change) {
    let hook = |out: &mut Vec<u8>, code: u8, hook: NameId, seq: u64| {
        out.push(code);
        put_u(out, u64::from(hook.0));
        put_u(out, seq);
    };
    let person = |out: &mut Vec<u8>, code: u8, person: PersonKey, at: Moment| {
        out.push(code);
        put_id(out, person.0);
        put_i(out, at.0);
    };
    let number = |out: &mut Vec<u8>, code: u8, value: i64| {
        out.push(code);
        put_i(out, value);
    };
    match change {
        Change::Moved(moved) => put_moved(out, moved),
        Change::Named(id, name) => {
            out.push(2);
            put_u(out, u64::from(id.0));
            put_str(out, name);
        }
        Change::OptedOut(key, at) => person(out, 3, *key, *at),
        Change::OptedIn(key, at) => person(out, 4, *key, *at),
        Change::Paused(scope, paused) => {
            out.extend_from_slice(&[5, u8::from(*paused)]);
            put_scope(out, *scope);
        }
        Change::HookDone(name, seq) => hook(out, 6, *name, *seq),
        Change::HookDead(name, seq, at) => {
            hook(out, 7, *name, *seq);
            put_i(out, at.0);
        }
        Change::HookReplay(name, seq) => hook(out, 8, *name, *seq),
        Change::DeadUntil(before) => number(out, 9, before.0),
        Change::Ledger(_) => {}
        Change::Forgotten(id, erased) => {
            out.extend_from_slice(&[10, u8::from(*erased)]);
            put_id(out, id.0);
        }
        Change::IdentitiesUntil(day) => number(out, 11, *day),
        Change::Alive(at) => number(out, 12, at.0),
        Change::Filed(filed) => {
            let Filed { register, id, value, hooks } = &**filed;
            out.extend_from_slice(&[14, *register as u8, u8::from(value.is_some())]);
            put_str(out, id);
            if let Some(value) = value {
                put_u(out, value.len() as u64);
                out.extend_from_slice(value);
            }
            put_list(out, hooks.iter(), put_hook);
        }
        Change::Template(line, template, usable) => {
            out.extend_from_slice(&[13, u8::from(*usable)]);
            put_u(out, u64::from(line.0));
            put_str(out, template);
        }
    }
}

/// The change that was written.
pub(crate) fn read_change(read: &mut Reader<'_>) -> Option<Change> {
    Some(match read.u8()? {
        1 => Change::Moved(Box::new(read_moved(read)?)),
        2 => Change::Named(NameId(read.u16()?), Arc::from(read.text()?)),
        3 => Change::OptedOut(PersonKey(read.id()?), Moment(read.i64()?)),
        4 => Change::OptedIn(PersonKey(read.id()?), Moment(read.i64()?)),
        5 => {
            let paused = read.u8()? == 1;
            Change::Paused(read_scope(read)?, paused)
        }
        6 => Change::HookDone(NameId(read.u16()?), read.u64()?),
        7 => Change::HookDead(NameId(read.u16()?), read.u64()?, Moment(read.i64()?)),
        8 => Change::HookReplay(NameId(read.u16()?), read.u64()?),
        9 => Change::DeadUntil(Moment(read.i64()?)),
        10 => {
            let erased = read.u8()? == 1;
            Change::Forgotten(ConversationId(read.id()?), erased)
        }
        11 => Change::IdentitiesUntil(read.i64()?),
        12 => Change::Alive(Moment(read.i64()?)),
        13 => {
            let usable = read.u8()? == 1;
            Change::Template(NameId(read.u16()?), Arc::from(read.text()?), usable)
        }
        14 => Change::Filed(Box::new(read_filed(read)?)),
        _ => return None,
    })
}

fn read_filed(read: &mut Reader<'_>) -> Option<Filed> {
    let register = Register::from_code(read.u8()?)?;
    let there = read.u8()? == 1;
    let id = Arc::from(read.text()?);
    let value = maybe(there, || {
        let length = usize::try_from(read.u64()?).ok()?;
        read.take(length).map(Arc::from)
    })?;
    Some(Filed { register, id, value, hooks: read.list(read_hook)? })
}

/// Appends whom a pause holds.
pub(crate) fn put_scope(out: &mut Vec<u8>, scope: PauseScope) {
    let (code, name) = match scope {
        PauseScope::All => (1, 0),
        PauseScope::Line(NameId(name)) => (2, name),
        PauseScope::Flow(NameId(name)) => (3, name),
    };
    out.push(code);
    put_u(out, u64::from(name));
}

/// Whom a pause holds.
pub(crate) fn read_scope(read: &mut Reader<'_>) -> Option<PauseScope> {
    let code = read.u8()?;
    let name = NameId(read.u16()?);
    match code {
        1 => Some(PauseScope::All),
        2 => Some(PauseScope::Line(name)),
        3 => Some(PauseScope::Flow(name)),
        _ => None,
    }
}

/// The change that [`put_moved`] wrote, behind the byte that says which kind it is.
pub(crate) fn read_moved(read: &mut Reader<'_>) -> Option<Moved> {
    let stored = read_stored(read)?;
    let id = stored.id;
    Some(Moved {
        stored,
        now: Moment(read.i64()?),
        identity: maybe(read.u8()? == 1, || read.id().map(EventKey))?,
        deltas: read.list(|read| read_delta(read, id))?,
        aliases: read.list(|read| read.id().map(AliasKey))?,
        hooks: read.list(read_hook)?,
        ledger: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn changes_come_back(mut change in samples::change()) {
            let mut out = Vec::new();
            put_change(&mut out, &change);
            if let Change::Moved(moved) = &mut change {
                moved.ledger = None;
            }
            if matches!(change, Change::Ledger(_)) {
                prop_assert!(out.is_empty());
            } else {
                let mut read = Reader::new(&out);
                prop_assert_eq!(read_change(&mut read), Some(change));
                prop_assert!(read.end().is_some());
            }
        }

        #[test]
        fn garbage_is_no_change_or_one_that_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(change) = read_change(&mut Reader::new(&bytes)) {
                let mut out = Vec::new();
                put_change(&mut out, &change);
                prop_assert_eq!(read_change(&mut Reader::new(&out)), Some(change));
            }
        }
    }
}
