//! Folding: the oldest changes of the log are written to where they rest, made durable, and then leave the log.
//!
//! Not the log and not the tables. A fold replays a prefix of the log in order, so doing it again over its own half-done result
//! gives the same result: that is what happens after a crash. The order of the steps is part of that: a record goes before the block
//! that says where it is, dead letters before the instant until which they are buried.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use crate::engine::ports::Fault;
use crate::engine::record::Change;
use crate::id::{AliasKey, ConversationId, PersonKey};
use crate::moment::Moment;
use crate::points;
use crate::store::model::{Entry, HookOp, day_of};
use crate::store::sled::base::Base;
use crate::store::sled::blocks::Blocks;
use crate::store::sled::days::Days;
use crate::store::sled::details::{self, Found, Head, Raw, Record};
use crate::store::sled::items::Item;
use crate::store::sled::overlay::{self, CellStep, Kept, Step, after, merge};
use crate::store::sled::packed::Packed;
use crate::store::sled::places::{Places, name};
use crate::store::sled::{hooks, lock, small};

/// Records of which the places are noted at a time: reads wait so long.
const NOTED: usize = 64;

/// What folding remembers from one time to the next.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) blocks: Blocks,
    packed: Packed,
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
    /// The last of its steps.
    seq: u64,
    after: After,
    /// The value that has its record so far, and bits of the aliases it names.
    place: Option<u64>,
    names: Vec<u64>,
    touched: Option<Moment>,
}

/// The record that steps leave.
#[allow(clippy::large_enum_variant, reason = "nearly all are of the large kind")]
enum After {
    /// As it is: every step is in it already, or nothing is known of it that could be written.
    Same,
    None,
    Whole(Entry),
    Lost(Head, Vec<u64>),
}

type Steps = BTreeMap<ConversationId, overlay::Steps>;

impl Folder {
    pub(super) fn new(blocks: Blocks, packed: Packed) -> Folder {
        Folder { blocks, packed, identities: Days::default(), touched: Days::default(), sweep: Some(0) }
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
    pub(super) fn fold(&mut self, base: &Base, places: &Mutex<Places>, window: &Window, spent: &[Vec<u8>]) -> Result<(), Fault> {
        let steps = by_conversation(base, places, window)?;
        let folded = steps.iter().map(|(id, steps)| conversation(base, places, *id, steps)).collect::<Result<Vec<_>, _>>()?;
        drop(steps);
        self.fold_identities(base, window)?;
        self.fold_touched(base, &folded, spent)?;
        points::at("fold.lists");
        let changed: Vec<&Folded> = folded.iter().filter(|f| !matches!(f.after, After::Same)).collect();
        let items = self.fold_records(base, &changed)?;
        points::at("fold.details");
        let moved = self.packed.collect(base, places, &changed.iter().map(|f| f.id).collect())?;
        points::at("fold.collected");
        // Behind the records: a block that names a value is not on disk before it. And places are what the blocks say.
        let both = || items.iter().chain(moved.iter().map(|(_, item)| item));
        self.blocks.append(&base.blocks, both())?;
        note_places(places, &changed, &items, &moved);
        let first = self.packed.first();
        self.blocks.collect(&base.blocks, both().count(), places, first)?;
        points::at("fold.blocks");
        self.fold_hooks(base, window)?;
        fold_opted_out(base, window)?;
        small::fold(&base.small, &window.changes, window.buried_at(u64::MAX))
    }

    /// Appends the records that changed; answers where they are.
    fn fold_records(&mut self, base: &Base, changed: &[&Folded]) -> Result<Vec<Item>, Fault> {
        let mut writes = base.details.writes();
        self.packed.begin(&mut writes)?;
        let mut stands = Vec::with_capacity(changed.len());
        for f in changed {
            let (stored, lost, body, names) = match &f.after {
                After::Same | After::None => continue,
                After::Whole(entry) => {
                    (entry.stored, false, details::encode(entry), entry.aliases.iter().map(|alias| name(*alias)).collect())
                }
                After::Lost(head, names) => (head.stored, true, details::encode_lost(head, names), names.clone()),
            };
            self.packed.push(&mut writes, &Raw { id: f.id, folded: f.seq, lost, body: &body })?;
            stands.push((stored, names));
        }
        let placed = self.packed.finish(&mut writes)?;
        let mut written = stands.into_iter().zip(placed);
        let next = self.packed.next();
        let item = |f: &&Folded| match &f.after {
            After::None => Some(Item::gone(f.seq, f.id, next)),
            _ => written.next().map(|((stored, names), place)| Item::new(f.seq, &stored, place, names)),
        };
        Ok(changed.iter().filter_map(item).collect())
    }

    fn fold_identities(&mut self, base: &Base, window: &Window) -> Result<(), Fault> {
        let mut writes = base.identities.writes();
        for (_, kept) in &window.changes {
            match kept {
                Kept::Moved(moved) => {
                    if let Some(key) = moved.identity() {
                        self.identities.push(&base.identities, &mut writes, day_of(moved.now()), key.0)?;
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
            let touched = match &f.after {
                After::Same | After::None => None,
                After::Whole(entry) => Some(entry.touched),
                After::Lost(head, _) => Some(head.touched),
            };
            if let Some(day) = touched.map(day_of).filter(|day| f.touched.map(day_of) != Some(*day)) {
                self.touched.push(&base.touched, &mut writes, day, f.id.0)?;
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
                    moved.hooks().for_each(|n| add(n, CellStep::Made(moved.clone(), n)));
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
                        CellStep::Made(moved, _) => moved.id() == *id,
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

/// Notes where records are by now, and who is found under which alias: some at a time, since reads wait meanwhile.
fn note_places(places: &Mutex<Places>, changed: &[&Folded], items: &[Item], moved: &[(u64, Item)]) {
    for (f, item) in changed.iter().zip(items).filter(|(f, _)| !f.names.is_empty()) {
        let lost: Vec<u64> = f.names.iter().copied().filter(|name| !item.names().contains(name)).collect();
        lock(places).unnamed(f.id, &lost);
    }
    for (changed, items) in changed.chunks(NOTED).zip(items.chunks(NOTED)) {
        let mut known = lock(places);
        for (f, item) in changed.iter().zip(items) {
            known.moves(f.id, f.place, item.place());
            known.named(f.id, item.names());
        }
    }
    for moved in moved.chunks(NOTED) {
        let mut known = lock(places);
        moved.iter().for_each(|(from, item)| known.moves(item.id, Some(*from), item.place()));
    }
}

/// The steps of each conversation, those included by which another takes a name from it.
fn by_conversation(base: &Base, places: &Mutex<Places>, window: &Window) -> Result<Steps, Fault> {
    let mut steps: Steps = BTreeMap::new();
    let mut owners: HashMap<AliasKey, ConversationId> = HashMap::new();
    for (seq, kept) in &window.changes {
        match kept {
            Kept::Moved(moved) => {
                let id = moved.id();
                for alias in moved.aliases() {
                    let mut before = details::other_owners(base, places, alias, id)?;
                    before.extend(owners.insert(alias, id).filter(|owner| *owner != id));
                    before.into_iter().for_each(|owner| steps.entry(owner).or_default().push((*seq, Step::Unnamed(alias))));
                }
                steps.entry(id).or_default().push((*seq, Step::Moved(moved.clone())));
            }
            Kept::Other(Change::Forgotten(id, _)) => steps.entry(*id).or_default().push((*seq, Step::Forgotten)),
            Kept::Other(_) => {}
        }
    }
    Ok(steps)
}

/// What steps make of one conversation. A record that cannot be read forgets nothing but itself: state, aliases and the rest of the
/// store go on.
fn conversation(base: &Base, places: &Mutex<Places>, id: ConversationId, steps: &[(u64, Step)]) -> Result<Folded, Fault> {
    let seq = steps.last().map_or(0, |(seq, _)| *seq);
    let forgotten = steps.iter().any(|(_, step)| matches!(step, Step::Forgotten));
    let mut folded = Folded { id, seq, after: After::Same, place: None, names: Vec::new(), touched: None };
    let (known, left) = match details::find(base, places, id)? {
        Found::No => (None, None),
        Found::At(place, Record::Whole(upto, entry)) => {
            folded.place = Some(place);
            folded.names = entry.aliases.iter().map(|alias| name(*alias)).collect();
            folded.touched = Some(entry.touched);
            (Some((upto, entry)), None)
        }
        Found::At(place, Record::Lost(head, names)) => {
            folded.place = Some(place);
            folded.names = names;
            folded.touched = Some(head.touched);
            (Some((head.folded, bare(&head))), Some(()))
        }
        Found::Unreadable(place) => {
            folded.place = Some(place);
            folded.names = Blocks::names(&base.blocks, id, place)?;
            (None, Some(()))
        }
    };
    if known.as_ref().is_some_and(|(upto, _)| *upto >= seq) {
        // A fold that is done again: the record has every step.
        return Ok(folded);
    }
    let unreadable = known.is_none() && left.is_some();
    folded.after = match merge(known, steps.iter()) {
        None if folded.place.is_none() || (unreadable && !forgotten) => After::Same,
        None => After::None,
        Some(entry) if left.is_some() && !forgotten => {
            let gone = |of: &u64| steps.iter().any(|(_, step)| matches!(step, Step::Unnamed(alias) if name(*alias) == *of));
            let mut names: Vec<u64> = folded.names.iter().copied().filter(|of| !gone(of)).collect();
            names.extend(entry.aliases.iter().map(|alias| name(*alias)));
            names.sort_unstable();
            names.dedup();
            After::Lost(Head { folded: seq, stored: entry.stored, touched: entry.touched }, names)
        }
        Some(entry) => After::Whole(entry),
    };
    Ok(folded)
}

/// What is left of a conversation whose record is lost.
fn bare(head: &Head) -> Entry {
    Entry { stored: head.stored, details: Default::default(), touched: head.touched, aliases: Vec::new() }
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
