//! One record for each conversation, finished ones included: what the machine never reads, and where it stood when it was written.
//!
//! Not the source of a start: that reads the blocks. Records are found by `places`, and stand in values as `packed` puts them. A record
//! says up to which change it is folded, so that a log replayed over it repeats nothing. Where one cannot be read only its
//! conversation is affected: it goes on, with a record that says that the rest of it is lost.

use std::sync::Mutex;

use crate::engine::ports::Fault;
use crate::engine::record::{NameId, Stored};
use crate::id::{AliasKey, ConversationId};
use crate::moment::Moment;
use crate::store::codec::record::{put_details, read_details};
use crate::store::codec::state::{put_state, read_state};
use crate::store::codec::words::{Reader, put_i, put_id, put_list, put_u};
use crate::store::model::Entry;
use crate::store::sled::base::Base;
use crate::store::sled::blocks::Blocks;
use crate::store::sled::lock;
use crate::store::sled::packed;
use crate::store::sled::places::{Places, name, tag};

/// How often a record is looked for again that was being moved.
const READS: usize = 64;

/// The beginning of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Up to which change the record is folded.
    pub(super) folded: u64,
    pub(super) stored: Stored,
    pub(super) touched: Moment,
}

/// A record as it stands in its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub(super) id: ConversationId,
    /// Up to which change it is folded.
    pub(super) folded: u64,
    /// What it says beside where the conversation stands is lost.
    pub(super) lost: bool,
    pub(super) body: &'a [u8],
}

/// What was looked for.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// It is not there.
    No,
    /// It is in this value.
    At(u64, T),
    /// It is in this value, which cannot be read.
    Unreadable(u64),
}

/// A record, read.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly all are of the large kind")]
pub(super) enum Record {
    /// With the change up to which it is folded.
    Whole(u64, Entry),
    /// What is left of it, with the bits of the aliases it had.
    Lost(Head, Vec<u64>),
}

/// The record of a conversation.
///
/// # Errors
/// [`Fault::Unavailable`] where the database cannot be read.
pub(super) fn find(base: &Base, places: &Mutex<Places>, id: ConversationId) -> Result<Found<Record>, Fault> {
    look(base, places, id, &|raw| raw.read())
}

/// The record of a conversation, whole.
///
/// # Errors
/// [`Fault::Corrupt`] where it cannot be read.
pub(super) fn get(base: &Base, places: &Mutex<Places>, id: ConversationId) -> Result<Option<(u64, Entry)>, Fault> {
    match find(base, places, id)? {
        Found::No => Ok(None),
        Found::At(_, Record::Whole(folded, entry)) => Ok(Some((folded, entry))),
        Found::At(_, Record::Lost(..)) | Found::Unreadable(_) => Err(is_damaged(id)),
    }
}

/// The beginning of a conversation's record; what is left of it, where the rest is lost.
///
/// # Errors
/// As [`get`].
pub(super) fn head(base: &Base, places: &Mutex<Places>, id: ConversationId) -> Result<Option<Head>, Fault> {
    match look(base, places, id, &|raw| raw.head())? {
        Found::No => Ok(None),
        Found::At(_, head) => Ok(Some(head)),
        Found::Unreadable(_) => Err(is_damaged(id)),
    }
}

/// The body of a conversation's record with the change up to which it is folded, seen to be readable.
///
/// # Errors
/// As [`find`].
pub(super) fn body(base: &Base, places: &Mutex<Places>, id: ConversationId) -> Result<Found<(u64, bool, Vec<u8>)>, Fault> {
    look(base, places, id, &|raw| raw.read().map(|_| (raw.folded, raw.lost, raw.body.to_vec())))
}

fn look<T>(base: &Base, places: &Mutex<Places>, id: ConversationId, read: &dyn Fn(&Raw<'_>) -> Option<T>) -> Result<Found<T>, Fault> {
    for _ in 0..READS {
        let candidates = lock(places).candidates(id);
        let mut unreadable = Vec::new();
        for place in &candidates {
            let bytes = match packed::value(&base.details, *place) {
                Err(fault @ Fault::Unavailable(_)) => return Err(fault),
                read => read.ok().flatten(),
            };
            let Some(raws) = bytes.as_deref().and_then(packed::records) else {
                unreadable.push(*place);
                continue;
            };
            if let Some(raw) = raws.iter().find(|raw| raw.id == id) {
                return Ok(read(raw).map_or(Found::Unreadable(*place), |read| Found::At(*place, read)));
            }
        }
        if !unreadable.is_empty() && lock(places).candidates(id) != candidates {
            // It was moved under our eyes.
            continue;
        }
        for place in unreadable {
            if whose(base, places, place)?.contains(&id) {
                return Ok(Found::Unreadable(place));
            }
        }
        return Ok(Found::No);
    }
    Err(Fault::Unavailable(format!("reading store/details of {id}: it was moved again and again")))
}

/// Whose records stood in a value that cannot be read. The blocks say so, and are read whole the first time.
fn whose(base: &Base, places: &Mutex<Places>, place: u64) -> Result<Vec<ConversationId>, Fault> {
    if let Some(known) = lock(places).unreadable(place) {
        return Ok(known.to_vec());
    }
    let said = Blocks::at(&base.blocks, place)?;
    let known = lock(places);
    let ids: Vec<ConversationId> = said.into_iter().filter(|id| known.has(*id, place)).collect();
    drop(known);
    lock(places).note_unreadable(place, ids.clone());
    Ok(ids)
}

/// The conversation under an alias on disk. One whose record cannot be read has it where no other has.
///
/// # Errors
/// [`Fault::Unavailable`] where the database cannot be read.
pub(super) fn owner(base: &Base, places: &Mutex<Places>, alias: AliasKey) -> Result<Option<ConversationId>, Fault> {
    let mut lost = None;
    for id in possible_owners(base, places, alias)? {
        match find(base, places, id)? {
            Found::At(_, Record::Whole(_, entry)) if entry.aliases.contains(&alias) => return Ok(Some(id)),
            Found::At(_, Record::Lost(_, names)) if names.contains(&name(alias)) => lost = Some(id),
            Found::Unreadable(_) => lost = Some(id),
            Found::At(..) | Found::No => {}
        }
    }
    Ok(lost)
}

/// Conversations with a readable record that names an alias, but for one.
///
/// # Errors
/// [`Fault::Unavailable`] where the database cannot be read.
pub(super) fn other_owners(
    base: &Base,
    places: &Mutex<Places>,
    alias: AliasKey,
    not: ConversationId,
) -> Result<Vec<ConversationId>, Fault> {
    let mut owners = Vec::new();
    for id in possible_owners(base, places, alias)?.into_iter().filter(|id| *id != not) {
        if let Found::At(_, Record::Whole(_, entry)) = find(base, places, id)?
            && entry.aliases.contains(&alias)
        {
            owners.push(id);
        }
    }
    Ok(owners)
}

fn possible_owners(base: &Base, places: &Mutex<Places>, alias: AliasKey) -> Result<Vec<ConversationId>, Fault> {
    let tags = lock(places).owners(alias);
    let mut ids = Vec::new();
    for tag in tags {
        let entries = lock(places).with_tag(tag).into_iter().map(|place| (tag, place)).collect::<Vec<_>>();
        ids.extend(ids_at(base, places, &entries)?);
    }
    Ok(ids)
}

/// Conversations with a record, readable or not, from one on or from the first, in the order of ids; some at a time.
///
/// # Errors
/// Where the database cannot be read.
pub(super) fn ids_after(
    base: &Base,
    places: &Mutex<Places>,
    after: Option<ConversationId>,
    some: usize,
) -> Result<Vec<ConversationId>, Fault> {
    let mut ids = Vec::new();
    let mut from = after.map_or(0, tag);
    loop {
        let entries = lock(places).from(from, some.max(1));
        let Some((last, _)) = entries.last().copied() else { break };
        ids.extend(ids_at(base, places, &entries)?.into_iter().filter(|id| after.is_none_or(|after| *id > after)));
        from = last + 1;
        if ids.len() >= some {
            break;
        }
    }
    ids.truncate(some);
    Ok(ids)
}

/// Whose records stand at places, in order. One that was moved meanwhile is found where it is now.
fn ids_at(base: &Base, places: &Mutex<Places>, entries: &[(u64, u64)]) -> Result<Vec<ConversationId>, Fault> {
    let mut ids = Vec::with_capacity(entries.len());
    for (wanted, place) in entries {
        let bytes = match packed::value(&base.details, *place) {
            Err(fault @ Fault::Unavailable(_)) => return Err(fault),
            read => read.ok().flatten(),
        };
        match bytes.as_deref().and_then(packed::records) {
            Some(raws) => ids.extend(raws.iter().map(|raw| raw.id).filter(|id| tag(*id) == *wanted)),
            None => {
                let now: Vec<(u64, u64)> = lock(places).with_tag(*wanted).into_iter().map(|place| (*wanted, place)).collect();
                if now.contains(&(*wanted, *place)) {
                    ids.extend(whose(base, places, *place)?.into_iter().filter(|id| tag(*id) == *wanted));
                } else {
                    ids.extend(ids_at(base, places, &now)?);
                }
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The fault of a conversation whose record is damaged.
pub(super) fn is_damaged(id: ConversationId) -> Fault {
    Fault::Corrupt(format!("reading store/details of {id}: its record is damaged; restore a backup, or erase {id}"))
}

impl Raw<'_> {
    /// Where the conversation stands.
    pub(super) fn head(&self) -> Option<Head> {
        read_head(&mut Reader::new(self.body), self.id, self.folded)
    }

    /// What it says.
    pub(super) fn read(&self) -> Option<Record> {
        match self.lost {
            true => decode_lost(self.id, self.folded, self.body).map(|(head, names)| Record::Lost(head, names)),
            false => decode(self.id, self.body).map(|entry| Record::Whole(self.folded, entry)),
        }
    }

    /// Where the conversation stands, and the bits of its aliases.
    pub(super) fn stands(&self) -> Option<(Head, Vec<u64>)> {
        let mut read = Reader::new(self.body);
        let head = read_head(&mut read, self.id, self.folded)?;
        let names = match self.lost {
            true => read.list(Reader::u64)?,
            false => read.list(|read| read.id().map(AliasKey))?.into_iter().map(name).collect(),
        };
        Some((head, names))
    }
}

/// The body of a record.
pub(super) fn encode(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    put_head(&mut bytes, &entry.stored, entry.touched);
    put_list(&mut bytes, entry.aliases.iter(), |out, alias| put_id(out, alias.0));
    put_details(&mut bytes, &entry.details);
    bytes
}

/// The body of a record of which no more is known than this.
pub(super) fn encode_lost(head: &Head, names: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_head(&mut bytes, &head.stored, head.touched);
    put_list(&mut bytes, names.iter(), |out, name| put_u(out, *name));
    bytes
}

/// What the body of a record says.
pub(super) fn decode(id: ConversationId, bytes: &[u8]) -> Option<Entry> {
    let mut read = Reader::new(bytes);
    let head = read_head(&mut read, id, 0)?;
    let aliases = read.list(|read| read.id().map(AliasKey))?;
    let details = read_details(&mut read, id)?;
    read.end()?;
    Some(Entry { stored: head.stored, details, touched: head.touched, aliases })
}

/// What [`encode_lost`] wrote.
pub(super) fn decode_lost(id: ConversationId, folded: u64, bytes: &[u8]) -> Option<(Head, Vec<u64>)> {
    let mut read = Reader::new(bytes);
    let head = read_head(&mut read, id, folded)?;
    let names = read.list(Reader::u64)?;
    read.end()?;
    Some((head, names))
}

fn put_head(out: &mut Vec<u8>, stored: &Stored, touched: Moment) {
    put_i(out, touched.0);
    put_u(out, u64::from(stored.line.0));
    put_u(out, u64::from(stored.flow.0));
    put_state(out, &stored.state);
}

fn read_head(read: &mut Reader<'_>, id: ConversationId, folded: u64) -> Option<Head> {
    let touched = Moment(read.i64()?);
    let (line, flow) = (NameId(read.u16()?), NameId(read.u16()?));
    Some(Head { folded, stored: Stored { id, line, flow, state: read_state(read, id)? }, touched })
}
