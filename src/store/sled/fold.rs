//! Folding: the oldest changes of the log are written to where they rest, made durable, and then leave the log.
//!
//! Not the log and not the tables. A fold replays a prefix of the log in order, so doing it again over its own half-done result
//! gives the same result: that is what happens after a crash. The order of the steps is part of that: an alias goes before the
//! record that names it, dead letters before the instant until which they are buried.

use std::collections::{BTreeMap, BTreeSet};

use crate::conversation::Phase;
use crate::engine::ports::Fault;
use crate::engine::record::{Change, Stored};
use crate::id::{AliasKey, ConversationId, PersonKey};
use crate::moment::Moment;
use crate::points;
use crate::store::model::{Entry, HookOp, day_of};
use crate::store::sled::base::Base;
use crate::store::sled::blocks::{Blocks, Item};
use crate::store::sled::days::Days;
use crate::store::sled::details::{self, Head};
use crate::store::sled::overlay::{CellStep, Kept, Step, after, merge};
use crate::store::sled::{hooks, small};

/// What folding remembers from one time to the next.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) blocks: Blocks,
    pub(super) damaged: BTreeSet<ConversationId>,
    identities: Days,
    touched: Days,
    /// Where the sweep of dead letters goes on, while one is under way.
    sweep: Option<u64>,
}

/// A prefix of the log, sorted by what it changes.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) changes: Vec<(u64, Kept)>,
    /// The last change in it.
    pub(super) upto: u64,
    /// Dead letters given up before this are gone, by each change that said so.
    pub(super) buried: Vec<(u64, Moment)>,
}

/// What one conversation's steps make of it.
struct Folded {
    id: ConversationId,
    after: Option<Entry>,
    /// Chunks of the record before.
    chunks: u16,
    /// Its record is damaged; this is the head that is known.
    damaged: bool,
    /// The last of its steps, and the last that the record before has already.
    folded: u64,
    folded_before: u64,
    aliases: Vec<(u64, AliasKey, bool)>,
    before: Option<Stored>,
    touched_before: Option<Moment>,
}

impl Folder {
    pub(super) fn new(blocks: Blocks, damaged: BTreeSet<ConversationId>) -> Folder {
        Folder { blocks, damaged, identities: Days::default(), touched: Days::default(), sweep: Some(0) }
    }

    /// Whether there is something to do without any change to fold.
    pub(super) fn sweeping(&self) -> bool {
        self.sweep.is_some()
    }

    /// Writes a window. It is durable, and may leave the log, when the base was synced after it. `spent` are lists of touched
    /// conversations that say nothing any more.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where sled cannot write; [`Fault::Corrupt`] where more is damaged than single records.
    pub(super) fn fold(&mut self, base: &Base, window: &Window, spent: &[Vec<u8>]) -> Result<(), Fault> {
        let mut by_id: BTreeMap<ConversationId, Vec<(u64, Step)>> = BTreeMap::new();
        for (seq, kept) in &window.changes {
            match kept {
                Kept::Moved(moved) => by_id.entry(moved.id).or_default().push((*seq, Step::Moved(moved.clone()))),
                Kept::Other(Change::Forgotten(id, _)) => by_id.entry(*id).or_default().push((*seq, Step::Forgotten)),
                Kept::Other(_) => {}
            }
        }
        let folded = by_id.iter().map(|(id, steps)| self.conversation(base, *id, steps)).collect::<Result<Vec<_>, _>>()?;
        fold_aliases(base, &folded)?;
        points::at("fold.aliases");
        self.fold_identities(base, window)?;
        self.fold_touched(base, &folded, spent)?;
        self.append_blocks(base, &folded)?;
        points::at("fold.blocks");
        self.fold_details(base, &folded)?;
        points::at("fold.details");
        self.collect_blocks(base, folded.len())?;
        points::at("fold.collected");
        self.fold_hooks(base, window)?;
        fold_opted_out(base, window)?;
        small::fold(&base.small, &window.changes, window.buried_at(u64::MAX))
    }

    fn conversation(&self, base: &Base, id: ConversationId, steps: &[(u64, Step)]) -> Result<Folded, Fault> {
        let known_damaged = self.damaged.contains(&id);
        let begins = matches!(steps.first(), Some((_, Step::Moved(moved))) if moved.first);
        let record = match known_damaged {
            true => Err(details::is_damaged(id)),
            false if begins => Ok(None),
            false => match details::get(&base.details, id) {
                Err(Fault::Unavailable(why)) => return Err(Fault::Unavailable(why)),
                read => read,
            },
        };
        // A damaged record forgets nothing but itself: state, aliases and the rest of the store go on.
        let damaged = record.is_err();
        let base_entry = match record {
            Ok(record) => record.map(|r| (r.folded, r.chunks, r.entry)),
            Err(_) => details::damaged_head(base, id)?.map(|head| (head.folded, 0, bare(&head))),
        };
        let chunks = base_entry.as_ref().map_or(0, |(_, chunks, _)| *chunks);
        let folded_before = base_entry.as_ref().map_or(0, |(folded, _, _)| *folded);
        let stored_before = base_entry.as_ref().map(|(_, _, entry)| entry.stored);
        let touched_before = base_entry.as_ref().map(|(_, _, entry)| entry.touched);
        let before: Vec<AliasKey> = base_entry.as_ref().map_or_else(Vec::new, |(_, _, entry)| entry.aliases.clone());
        let mut aliases = Vec::new();
        let mut known = before;
        for (seq, step) in steps {
            match step {
                Step::Moved(moved) => {
                    aliases.extend(moved.aliases.iter().map(|alias| (*seq, *alias, true)));
                    known.extend(moved.aliases.iter());
                }
                Step::Forgotten => aliases.extend(known.drain(..).map(|alias| (*seq, alias, false))),
            }
        }
        if damaged && steps.iter().any(|(_, step)| matches!(step, Step::Forgotten)) {
            let first = steps.first().map_or(0, |(seq, _)| *seq);
            aliases.extend(aliases_of(base, id)?.into_iter().map(|alias| (first, alias, false)));
        }
        let folded = steps.last().map_or(0, |(seq, _)| *seq);
        let still_damaged = damaged && !steps.iter().any(|(_, step)| matches!(step, Step::Forgotten));
        let after = merge(base_entry.map(|(folded, _, entry)| (folded, entry)), steps.iter());
        Ok(Folded { id, after, chunks, damaged: still_damaged, folded, folded_before, aliases, before: stored_before, touched_before })
    }

    /// Appends states, before the records that say that they are the last.
    fn append_blocks(&mut self, base: &Base, folded: &[Folded]) -> Result<(), Fault> {
        let after = |f: &Folded| f.after.as_ref().map(|entry| entry.stored);
        let items: Vec<Item> = folded.iter().map(|f| Item::new(f.folded.max(f.folded_before), f.id, after(f))).collect();
        let unfinished = |stored: Option<Stored>| u64::from(stored.is_some_and(|s| !matches!(s.state.phase, Phase::Finished(_))));
        let more = folded.iter().map(|f| unfinished(after(f))).sum();
        let less = folded.iter().map(|f| unfinished(f.before)).sum();
        self.blocks.append(&base.blocks, &items, more, less)
    }

    /// Takes blocks away in which too much is outdated: a conversation's record says which state is its last.
    fn collect_blocks(&mut self, base: &Base, appended: usize) -> Result<(), Fault> {
        let damaged = &self.damaged;
        self.blocks.collect(&base.blocks, appended, |item| {
            let head = match damaged.contains(&item.id) {
                true => details::damaged_head(base, item.id)?,
                false => match details::head(&base.details, item.id) {
                    Err(Fault::Corrupt(_)) => return Ok(!Blocks::later_than(&base.blocks, item)?),
                    head => head?,
                },
            };
            Ok(head.is_some_and(|head| head.folded == item.seq))
        })
    }

    fn fold_details(&mut self, base: &Base, folded: &[Folded]) -> Result<(), Fault> {
        let mut writes = base.details.writes();
        for f in folded {
            let was_damaged = self.damaged.contains(&f.id);
            match &f.after {
                Some(entry) if f.damaged => {
                    let mut noted = base.damaged.writes();
                    details::put_damaged(
                        &mut noted,
                        &Head { folded: f.folded.max(f.folded_before), stored: entry.stored, touched: entry.touched },
                    );
                    noted.apply()?;
                    self.damaged.insert(f.id);
                }
                // A fold that is done again: the record has every step.
                Some(_) if f.folded_before >= f.folded => {}
                after => {
                    if was_damaged || after.is_none() {
                        details::remove(&base.details, &mut writes, f.id)?;
                    }
                    if let Some(entry) = after {
                        details::put(&mut writes, f.folded, entry, if was_damaged { 0 } else { f.chunks });
                    }
                    if was_damaged {
                        writes.apply()?;
                        let mut noted = base.damaged.writes();
                        noted.remove(&f.id.0.to_be_bytes());
                        noted.apply()?;
                        self.damaged.remove(&f.id);
                    }
                }
            }
            if writes.full() {
                writes.apply()?;
            }
        }
        writes.apply()
    }

    fn fold_identities(&mut self, base: &Base, window: &Window) -> Result<(), Fault> {
        let mut writes = base.identities.writes();
        for (_, kept) in &window.changes {
            match kept {
                Kept::Moved(moved) => {
                    if let Some(key) = moved.identity {
                        self.identities.push(&base.identities, &mut writes, day_of(moved.now), key.0)?;
                    }
                }
                Kept::Other(Change::IdentitiesUntil(day)) => self.identities.drop_until(&base.identities, &mut writes, *day)?,
                Kept::Other(_) => {}
            }
        }
        self.identities.write(&mut writes)
    }

    fn fold_touched(&mut self, base: &Base, folded: &[Folded], spent: &[Vec<u8>]) -> Result<(), Fault> {
        let mut writes = base.touched.writes();
        for f in folded {
            if let Some(entry) = &f.after
                && f.touched_before.map(day_of) != Some(day_of(entry.touched))
            {
                self.touched.push(&base.touched, &mut writes, day_of(entry.touched), f.id.0)?;
            }
        }
        spent.iter().for_each(|key| self.touched.remove(&mut writes, key));
        self.touched.write(&mut writes)
    }

    fn fold_hooks(&mut self, base: &Base, window: &Window) -> Result<(), Fault> {
        let mut steps: BTreeMap<u64, Vec<(u64, CellStep)>> = BTreeMap::new();
        for (seq, kept) in &window.changes {
            let mut add = |n: u64, step: CellStep| steps.entry(n).or_default().push((*seq, step));
            match kept {
                Kept::Moved(moved) => {
                    moved.hooks.iter().for_each(|n| add(*n, CellStep::Made(moved.clone(), *n)));
                }
                Kept::Other(Change::Filed(filed)) => {
                    let made = filed.hooks.iter().filter(|record| !record.hooks.is_empty());
                    made.for_each(|record| add(record.seq, CellStep::Told(Box::new(record.clone()))));
                }
                Kept::Other(Change::HookDone(hook, n)) => add(*n, CellStep::Op(HookOp::Done(*hook))),
                Kept::Other(Change::HookDead(hook, n, at)) => add(*n, CellStep::Op(HookOp::Dead(*hook, *at))),
                Kept::Other(Change::HookReplay(hook, n)) => add(*n, CellStep::Op(HookOp::Replay(*hook))),
                Kept::Other(Change::DeadUntil(_)) => self.sweep = Some(0),
                Kept::Other(Change::Forgotten(id, true)) => {
                    let on_disk = hooks::of(base, *id)?;
                    on_disk.into_iter().for_each(|n| add(n, CellStep::Gone));
                    let made = |(_, step): &(u64, CellStep)| match step {
                        CellStep::Made(moved, _) => moved.id == *id,
                        CellStep::Told(record) => record.conversation == *id,
                        CellStep::Op(_) | CellStep::Gone => false,
                    };
                    steps.values_mut().filter(|s| s.iter().any(made)).for_each(|s| s.push((*seq, CellStep::Gone)));
                }
                Kept::Other(_) => {}
            }
        }
        if let Some(from) = self.sweep {
            let (numbers, next) = hooks::to_sweep(&base.hooks, from)?;
            for n in numbers {
                steps.entry(n).or_default();
            }
            self.sweep = next;
        }
        let mut writes = base.hooks.writes();
        for (n, steps) in &steps {
            let before = hooks::get(&base.hooks, *n)?;
            let known = before.as_ref().map(|found| (found.folded, found.cell.clone()));
            let now = after(known, steps.iter(), |at| window.buried_at(at));
            // Written even where it looks the same: it must say that these steps are in it.
            if !steps.is_empty() || before.as_ref().map(|found| &found.cell) != now.as_ref() {
                hooks::put(base, &mut writes, *n, window.upto, before.as_ref(), now.as_ref())?;
            }
        }
        writes.apply()
    }
}

impl Window {
    fn buried_at(&self, seq: u64) -> Moment {
        self.buried.iter().take_while(|(at, _)| *at < seq).map(|(_, before)| *before).fold(Moment::MIN, Moment::max)
    }
}

/// What is left of a conversation whose record is damaged.
fn bare(head: &Head) -> Entry {
    Entry { stored: head.stored, details: Default::default(), touched: head.touched, aliases: Vec::new() }
}

/// Writes aliases in the order in which they were given and taken away.
fn fold_aliases(base: &Base, folded: &[Folded]) -> Result<(), Fault> {
    let mut steps: Vec<(u64, AliasKey, Option<ConversationId>, ConversationId)> = Vec::new();
    for f in folded {
        steps.extend(f.aliases.iter().map(|(seq, alias, set)| (*seq, *alias, set.then_some(f.id), f.id)));
    }
    steps.sort_by_key(|(seq, _, _, _)| *seq);
    let mut now: BTreeMap<AliasKey, Option<ConversationId>> = BTreeMap::new();
    for (_, alias, set, id) in steps {
        // Whose it was matters only where it is taken away.
        let known = match (set, now.get(&alias)) {
            (Some(_), _) => None,
            (None, Some(known)) => *known,
            (None, None) => read_alias(base, alias)?,
        };
        now.insert(alias, set.or(known.filter(|known| *known != id)));
    }
    let mut writes = base.aliases.writes();
    for (alias, id) in now {
        match id {
            Some(id) => writes.put(&alias.0.to_be_bytes(), &id.0.to_be_bytes()),
            None => writes.remove(&alias.0.to_be_bytes()),
        }
        if writes.full() {
            writes.apply()?;
        }
    }
    writes.apply()
}

/// The conversation under an alias on disk.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn read_alias(base: &Base, alias: AliasKey) -> Result<Option<ConversationId>, Fault> {
    let key = alias.0.to_be_bytes();
    let Some(payload) = base.aliases.get(&key)? else { return Ok(None) };
    let id = payload.as_slice().try_into().map_err(|_| base.aliases.damaged(&key, "the alias cannot be read"))?;
    Ok(Some(ConversationId(u128::from_be_bytes(id))))
}

/// Every alias of a conversation whose record, which would name them, is damaged.
fn aliases_of(base: &Base, id: ConversationId) -> Result<Vec<AliasKey>, Fault> {
    let mut found = Vec::new();
    for row in base.aliases.rows(&[]) {
        let (key, payload) = row?;
        if payload == id.0.to_be_bytes() {
            found.extend(key.as_ref().try_into().ok().map(|alias| AliasKey(u128::from_be_bytes(alias))));
        }
    }
    Ok(found)
}

fn fold_opted_out(base: &Base, window: &Window) -> Result<(), Fault> {
    let mut changed: BTreeMap<PersonKey, Option<Moment>> = BTreeMap::new();
    for (_, kept) in &window.changes {
        match kept {
            Kept::Other(Change::OptedOut(person, at)) => drop(changed.insert(*person, Some(*at))),
            Kept::Other(Change::OptedIn(person, _)) => drop(changed.insert(*person, None)),
            _ => {}
        }
    }
    small::fold_opted_out(&base.opted_out, &changed)
}
