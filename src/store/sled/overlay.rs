//! What is in the log and not yet folded, in memory: so that reads see a change at once, and a fold knows what to write.
//!
//! Not the whole store: what is older is on disk. Each part holds its changes in the order of their numbers; folding takes a
//! prefix of all of them away.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::engine::record::{Change, HookRecord, NameId, PauseScope};
use crate::engine::registry::{Filed, Register};
use crate::id::{AliasKey, BySpread, ConversationId, PersonKey};
use crate::moment::Moment;
use crate::store::model::{Entry, HookCell, HookOp};
use crate::store::sled::written::Written;

/// Changes for which there is always room.
const ROOM: usize = 4_096;

/// A change, cheap to copy.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Moved(Written),
    /// Never a `Moved`.
    Other(Change),
}

/// What happened to one conversation.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Moved(Written),
    Forgotten,
    /// Another conversation took this name from it. Made by a fold alone.
    Unnamed(AliasKey),
}

/// What happened to one conversation, by the numbers of the changes: most move once until they are folded.
pub(super) type Steps = SmallVec<[(u64, Step); 1]>;

/// What happened to one hook record.
#[derive(Clone, Debug)]
pub(super) enum CellStep {
    /// It was made by this change, under this number.
    Made(Written, u64),
    /// It was made of a record of the registry.
    Told(Box<HookRecord>),
    Op(HookOp),
    /// Its conversation was erased.
    Gone,
}

/// Small tables, held whole; unfolded changes included.
#[derive(Clone, Debug, Default)]
pub(super) struct Small {
    pub(super) names: BTreeMap<NameId, Arc<str>>,
    pub(super) pauses: BTreeSet<PauseScope>,
    pub(super) templates: BTreeSet<(NameId, Arc<str>)>,
    pub(super) filed: BTreeMap<(Register, Arc<str>), Arc<[u8]>>,
    pub(super) alive: Option<Moment>,
    pub(super) last_hook: Option<u64>,
}

/// Everything that is not folded.
#[derive(Debug)]
pub(super) struct Overlay {
    /// Every unfolded change, in order.
    pub(super) queue: VecDeque<(u64, Kept)>,
    /// In no order: whoever asks for one of many thousands asks often, whoever asks for all of them seldom.
    pub(super) conversations: HashMap<ConversationId, Steps, BySpread>,
    aliases: HashMap<AliasKey, (u64, ConversationId), BySpread>,
    pub(super) hooks: BTreeMap<u64, Vec<(u64, CellStep)>>,
    /// People whose opt-out changed: when they opted out, or that they took it back.
    pub(super) opted_out: BTreeMap<PersonKey, (u64, Option<Moment>)>,
    pub(super) small: Small,
    /// Dead letters given up before this are gone; folded.
    pub(super) buried: Moment,
    burials: VecDeque<(u64, Moment)>,
}

impl Overlay {
    pub(super) fn new(small: Small, buried: Moment) -> Overlay {
        Overlay {
            queue: VecDeque::new(),
            conversations: HashMap::default(),
            aliases: HashMap::default(),
            hooks: BTreeMap::new(),
            opted_out: BTreeMap::new(),
            small,
            buried,
            burials: VecDeque::new(),
        }
    }

    /// Takes change `seq` in.
    pub(super) fn take(&mut self, seq: u64, kept: Kept) {
        match &kept {
            Kept::Moved(moved) => self.moved(seq, moved),
            Kept::Other(change) => self.other(seq, change),
        }
        self.queue.push_back((seq, kept));
    }

    fn moved(&mut self, seq: u64, moved: &Written) {
        let id = moved.id();
        self.conversations.entry(id).or_default().push((seq, Step::Moved(moved.clone())));
        for alias in moved.aliases() {
            self.aliases.insert(alias, (seq, id));
        }
        self.small.last_hook = self.small.last_hook.max(moved.last_hook());
        for n in moved.hooks() {
            self.hooks.entry(n).or_default().push((seq, CellStep::Made(moved.clone(), n)));
        }
    }

    fn other(&mut self, seq: u64, change: &Change) {
        let op = |op| (seq, CellStep::Op(op));
        match change {
            Change::Moved(_) | Change::Ledger(_) | Change::IdentitiesUntil(_) => {}
            Change::Named(id, name) => drop(self.small.names.insert(*id, name.clone())),
            Change::OptedOut(person, at) => drop(self.opted_out.insert(*person, (seq, Some(*at)))),
            Change::OptedIn(person, _) => drop(self.opted_out.insert(*person, (seq, None))),
            Change::Paused(scope, true) => drop(self.small.pauses.insert(*scope)),
            Change::Paused(scope, false) => drop(self.small.pauses.remove(scope)),
            Change::Template(line, template, false) => drop(self.small.templates.insert((*line, template.clone()))),
            Change::Template(line, template, true) => drop(self.small.templates.remove(&(*line, template.clone()))),
            Change::Filed(filed) => self.filed(seq, filed),
            Change::HookDone(hook, n) => self.hooks.entry(*n).or_default().push(op(HookOp::Done(*hook))),
            Change::HookDead(hook, n, at) => self.hooks.entry(*n).or_default().push(op(HookOp::Dead(*hook, *at))),
            Change::HookReplay(hook, n) => self.hooks.entry(*n).or_default().push(op(HookOp::Replay(*hook))),
            Change::DeadUntil(before) => self.burials.push_back((seq, *before)),
            Change::Forgotten(id, erased) => {
                self.conversations.entry(*id).or_default().push((seq, Step::Forgotten));
                if *erased {
                    self.erase_hooks(seq, *id);
                }
            }
            Change::Alive(at) => self.small.alive = Some(*at),
        }
    }

    fn filed(&mut self, seq: u64, filed: &Filed) {
        let key = (filed.register, filed.id.clone());
        match &filed.value {
            Some(value) => drop(self.small.filed.insert(key, value.clone())),
            None => drop(self.small.filed.remove(&key)),
        }
        self.small.last_hook = self.small.last_hook.max(filed.hooks.iter().map(|record| record.seq).max());
        for record in filed.hooks.iter().filter(|record| !record.hooks.is_empty()) {
            self.hooks.entry(record.seq).or_default().push((seq, CellStep::Told(Box::new(record.clone()))));
        }
    }

    /// Ends the hook records of an erased conversation that were made since the last fold; those on disk are hidden by
    /// [`Overlay::erased_after`].
    fn erase_hooks(&mut self, seq: u64, id: ConversationId) {
        for steps in self.hooks.values_mut() {
            let of_it = |step: &CellStep| match step {
                CellStep::Made(moved, _) => moved.id() == id,
                CellStep::Told(record) => record.conversation == id,
                CellStep::Op(_) | CellStep::Gone => false,
            };
            if steps.iter().any(|(_, step)| of_it(step)) {
                steps.push((seq, CellStep::Gone));
            }
        }
    }

    /// What the alias says since the last fold.
    pub(super) fn alias(&self, key: AliasKey) -> Option<Option<ConversationId>> {
        let (seq, id) = self.aliases.get(&key)?;
        Some((!self.forgotten_after(*id, *seq)).then_some(*id))
    }

    /// Whether a conversation was forgotten by a change after `seq`.
    pub(super) fn forgotten_after(&self, id: ConversationId, seq: u64) -> bool {
        let steps = self.conversations.get(&id);
        steps.is_some_and(|steps| steps.iter().any(|(at, step)| *at > seq && matches!(step, Step::Forgotten)))
    }

    /// How many conversations were forgotten and not made anew.
    pub(super) fn forgotten(&self) -> usize {
        self.conversations.values().filter(|steps| matches!(steps.last(), Some((_, Step::Forgotten)))).count()
    }

    /// Whether a conversation was erased with its hook records by a change after `seq`. (Erasures are rare: the queue is searched.)
    fn erased_after(&self, id: ConversationId, seq: u64) -> bool {
        let erases = |kept: &Kept| matches!(kept, Kept::Other(Change::Forgotten(who, true)) if *who == id);
        self.forgotten_after(id, seq) && self.queue.iter().any(|(at, kept)| *at > seq && erases(kept))
    }

    /// Dead letters given up before this were gone when change `seq` was made.
    pub(super) fn buried_at(&self, seq: u64) -> Moment {
        let later = self.burials.iter().take_while(|(at, _)| *at < seq).map(|(_, before)| *before);
        later.fold(self.buried, Moment::max)
    }

    /// A hook record as it is now, from what is on disk of it and the change up to which that is folded.
    pub(super) fn cell(&self, n: u64, disk: Option<(u64, HookCell)>) -> Option<HookCell> {
        let disk = disk.filter(|(folded, cell)| !self.erased_after(cell.record.conversation, *folded));
        let steps = self.hooks.get(&n).map_or(&[][..], |steps| steps);
        after(disk, steps.iter(), |at| self.buried_at(at))
    }

    /// Takes changes up to `upto` away, at most `most` of them: they are folded. Nothing is left of these where it answers nothing.
    pub(super) fn forget(&mut self, upto: u64, most: usize) -> Vec<(u64, Kept)> {
        let mut gone = Vec::new();
        while gone.len() < most
            && let Some((seq, kept)) = self.queue.pop_front_if(|(seq, _)| *seq <= upto)
        {
            match &kept {
                Kept::Moved(moved) => {
                    self.forget_steps(moved.id(), seq);
                    for alias in moved.aliases() {
                        if self.aliases.get(&alias).is_some_and(|(at, _)| *at == seq) {
                            self.aliases.remove(&alias);
                        }
                    }
                    moved.hooks().for_each(|n| self.forget_cell(n, seq));
                }
                Kept::Other(change) => self.forget_other(change, seq),
            }
            gone.push((seq, kept));
        }
        let last = gone.last().map_or(upto, |(seq, _)| *seq);
        while let Some((_, before)) = self.burials.pop_front_if(|(seq, _)| *seq <= last) {
            self.buried = self.buried.max(before);
        }
        if self.queue.is_empty() && self.queue.capacity() > ROOM {
            // What a rush of events took is not kept for the next.
            self.queue.shrink_to_fit();
            self.conversations.shrink_to_fit();
            self.aliases.shrink_to_fit();
        }
        gone
    }

    fn forget_other(&mut self, change: &Change, upto: u64) {
        match change {
            Change::Forgotten(id, _) => self.forget_steps(*id, upto),
            Change::Filed(filed) => filed.hooks.iter().for_each(|record| self.forget_cell(record.seq, upto)),
            Change::HookDone(_, n) | Change::HookDead(_, n, _) | Change::HookReplay(_, n) => self.forget_cell(*n, upto),
            Change::OptedOut(person, _) | Change::OptedIn(person, _) if self.opted_out.get(person).is_some_and(|(seq, _)| *seq <= upto) => {
                self.opted_out.remove(person);
            }
            _ => {}
        }
    }

    fn forget_steps(&mut self, id: ConversationId, upto: u64) {
        let Some(steps) = self.conversations.get_mut(&id) else { return };
        steps.retain(|(seq, _)| *seq > upto);
        if steps.is_empty() {
            self.conversations.remove(&id);
        }
    }

    fn forget_cell(&mut self, n: u64, upto: u64) {
        let Some(steps) = self.hooks.get_mut(&n) else { return };
        steps.retain(|(seq, _)| *seq > upto);
        if steps.is_empty() {
            self.hooks.remove(&n);
        }
    }
}

/// A conversation after steps. `base` is what is on disk of it and the change up to which that is folded: older steps are in it
/// already.
pub(super) fn merge<'a>(base: Option<(u64, Entry)>, steps: impl Iterator<Item = &'a (u64, Step)>) -> Option<Entry> {
    let (folded, mut entry) = base.map_or((0, None), |(folded, entry)| (folded, Some(entry)));
    for (_, step) in steps.filter(|(seq, _)| *seq > folded) {
        match (step, &mut entry) {
            (Step::Forgotten, _) => entry = None,
            (Step::Moved(moved), Some(entry)) => entry.take(&moved.read()),
            (Step::Moved(moved), None) => entry = Some(Entry::new(&moved.read())),
            (Step::Unnamed(alias), Some(entry)) => entry.aliases.retain(|known| known != alias),
            (Step::Unnamed(_), None) => {}
        }
    }
    entry
}

/// A hook record after steps; `None` where nobody needs it. `disk` is what is on disk of it and the change up to which that is
/// folded: older steps are in it already. `buried` says which dead letters were gone by when a change was made.
pub(super) fn after<'a>(
    disk: Option<(u64, HookCell)>,
    steps: impl Iterator<Item = &'a (u64, CellStep)>,
    buried: impl Fn(u64) -> Moment,
) -> Option<HookCell> {
    let (folded, mut cell) = disk.map_or((0, None), |(folded, cell)| (folded, Some(cell)));
    for (seq, step) in steps.filter(|(seq, _)| *seq > folded) {
        match step {
            CellStep::Made(moved, n) => cell = moved.hook(*n).map(HookCell::new),
            CellStep::Told(record) => cell = Some(HookCell::new((**record).clone())),
            CellStep::Gone => cell = None,
            CellStep::Op(op) => {
                if let Some(cell) = &mut cell {
                    cell.bury(buried(*seq));
                    cell.take(*op);
                }
            }
        }
    }
    if let Some(cell) = &mut cell {
        cell.bury(buried(u64::MAX));
    }
    cell.filter(|cell| !cell.spent())
}
