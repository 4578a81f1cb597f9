//! What changes mean: the tables that a store stands for, as plain maps in memory.
//!
//! Not durable and not concurrent: `memory.rs` adds flush and crash to it, and the stores on disk must answer as this one does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::conversation::Phase;
use crate::engine::ports::Restored;
use crate::engine::record::{Change, Details, HookRecord, Moved, NameId, PauseScope, Stored};
use crate::engine::registry::{Filed, Register};
use crate::id::{AliasKey, ConversationId, EventKey, PersonKey};
use crate::moment::{DAY, Moment};

/// A conversation with all that is known of it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Entry {
    pub(crate) stored: Stored,
    pub(crate) details: Details,
    /// When it last changed.
    pub(crate) touched: Moment,
    /// Every name it was ever given; some may point elsewhere by now.
    pub(crate) aliases: Vec<AliasKey>,
}

impl Entry {
    /// The entry that a first change makes.
    pub(crate) fn new(moved: &Moved) -> Entry {
        let mut entry = Entry { stored: moved.stored, details: Details::default(), touched: moved.now, aliases: Vec::new() };
        entry.take(moved);
        entry
    }

    /// Takes a change in.
    pub(crate) fn take(&mut self, moved: &Moved) {
        self.stored = moved.stored;
        self.touched = moved.now;
        for delta in &moved.deltas {
            self.details.apply(delta);
        }
        for alias in &moved.aliases {
            if !self.aliases.contains(alias) {
                self.aliases.push(*alias);
            }
        }
    }

    /// Whether retention may take it: at rest, and last touched before `before`.
    pub(crate) fn outlived(&self, before: Moment) -> bool {
        at_rest(self.stored.state.phase) && self.touched < before
    }
}

/// Whether nothing will happen to a conversation in this phase by itself.
pub(crate) fn at_rest(phase: Phase) -> bool {
    matches!(phase, Phase::Quiet | Phase::Finished(_))
}

/// The day of an instant, counted from the epoch.
pub(crate) fn day_of(at: Moment) -> i64 {
    at.0.div_euclid(DAY)
}

/// A hook record, the hooks that still have to get it, and those that never took it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct HookCell {
    pub(crate) record: HookRecord,
    pub(crate) dead: Vec<(NameId, Moment)>,
}

/// What may happen to a hook record. Doing the last of several again changes nothing: a log may be replayed over its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HookOp {
    Done(NameId),
    Dead(NameId, Moment),
    Replay(NameId),
}

impl HookCell {
    pub(crate) fn new(record: HookRecord) -> HookCell {
        HookCell { record, dead: Vec::new() }
    }

    pub(crate) fn take(&mut self, op: HookOp) {
        match op {
            HookOp::Done(hook) => {
                self.record.hooks.retain(|h| *h != hook);
                self.dead.retain(|(h, _)| *h != hook);
            }
            HookOp::Dead(hook, at) => {
                if let Some(i) = self.record.hooks.iter().position(|h| *h == hook) {
                    self.record.hooks.remove(i);
                    self.dead.push((hook, at));
                }
            }
            HookOp::Replay(hook) => {
                if let Some(i) = self.dead.iter().position(|(h, _)| *h == hook) {
                    self.dead.remove(i);
                    self.record.hooks.push(hook);
                }
            }
        }
    }

    /// Forgets those who gave up before `before`.
    pub(crate) fn bury(&mut self, before: Moment) {
        self.dead.retain(|(_, at)| *at >= before);
    }

    /// Whether nobody needs it any more.
    pub(crate) fn spent(&self) -> bool {
        self.record.hooks.is_empty() && self.dead.is_empty()
    }
}

/// Everything but the ledger.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Model {
    names: BTreeMap<NameId, Arc<str>>,
    conversations: BTreeMap<ConversationId, Arc<Entry>>,
    aliases: BTreeMap<AliasKey, ConversationId>,
    identities: BTreeMap<EventKey, i64>,
    opted_out: BTreeMap<PersonKey, Moment>,
    pauses: BTreeSet<PauseScope>,
    templates: BTreeSet<(NameId, Arc<str>)>,
    filed: BTreeMap<(Register, Arc<str>), Arc<[u8]>>,
    hooks: BTreeMap<u64, HookCell>,
    last_hook: Option<u64>,
    buried: Moment,
    alive: Option<Moment>,
}

impl Default for Model {
    fn default() -> Model {
        Model {
            names: BTreeMap::new(),
            conversations: BTreeMap::new(),
            aliases: BTreeMap::new(),
            identities: BTreeMap::new(),
            opted_out: BTreeMap::new(),
            pauses: BTreeSet::new(),
            templates: BTreeSet::new(),
            filed: BTreeMap::new(),
            hooks: BTreeMap::new(),
            last_hook: None,
            buried: Moment::MIN,
            alive: None,
        }
    }
}

impl Model {
    /// Takes a change in. Its ledger entry is not the model's.
    pub(crate) fn take(&mut self, change: &Change) {
        match change {
            Change::Moved(moved) => self.moved(moved),
            Change::Named(id, name) => drop(self.names.insert(*id, name.clone())),
            Change::OptedOut(person, at) => drop(self.opted_out.insert(*person, *at)),
            Change::OptedIn(person, _) => drop(self.opted_out.remove(person)),
            Change::Paused(scope, true) => drop(self.pauses.insert(*scope)),
            Change::Paused(scope, false) => drop(self.pauses.remove(scope)),
            Change::Template(line, template, false) => drop(self.templates.insert((*line, template.clone()))),
            Change::Template(line, template, true) => drop(self.templates.remove(&(*line, template.clone()))),
            Change::Filed(filed) => self.file(filed),
            Change::HookDone(hook, seq) => self.hook_op(*seq, HookOp::Done(*hook)),
            Change::HookDead(hook, seq, at) => self.hook_op(*seq, HookOp::Dead(*hook, *at)),
            Change::HookReplay(hook, seq) => self.hook_op(*seq, HookOp::Replay(*hook)),
            Change::DeadUntil(before) => self.bury(*before),
            Change::Ledger(_) => {}
            Change::Forgotten(id, erased) => self.forget(*id, *erased),
            Change::IdentitiesUntil(day) => self.identities.retain(|_, seen| *seen > *day),
            Change::Alive(at) => self.alive = Some(*at),
        }
    }

    fn moved(&mut self, moved: &Moved) {
        let id = moved.stored.id;
        match self.conversations.get_mut(&id) {
            Some(entry) => Arc::make_mut(entry).take(moved),
            None => drop(self.conversations.insert(id, Arc::new(Entry::new(moved)))),
        }
        for alias in &moved.aliases {
            self.aliases.insert(*alias, id);
        }
        if let Some(key) = moved.identity {
            self.identities.insert(key, day_of(moved.now));
        }
        self.made(&moved.hooks);
    }

    fn file(&mut self, filed: &Filed) {
        let key = (filed.register, filed.id.clone());
        match &filed.value {
            Some(value) => drop(self.filed.insert(key, value.clone())),
            None => drop(self.filed.remove(&key)),
        }
        self.made(&filed.hooks);
    }

    fn made(&mut self, records: &[HookRecord]) {
        self.last_hook = self.last_hook.max(records.iter().map(|record| record.seq).max());
        for record in records.iter().filter(|r| !r.hooks.is_empty()) {
            self.hooks.insert(record.seq, HookCell::new(record.clone()));
        }
    }

    fn hook_op(&mut self, seq: u64, op: HookOp) {
        if let Some(cell) = self.hooks.get_mut(&seq) {
            cell.take(op);
            cell.bury(self.buried);
            if cell.spent() {
                self.hooks.remove(&seq);
            }
        }
    }

    fn bury(&mut self, before: Moment) {
        self.buried = self.buried.max(before);
        self.hooks.retain(|_, cell| {
            cell.bury(before);
            !cell.spent()
        });
    }

    fn forget(&mut self, id: ConversationId, erased: bool) {
        if erased {
            self.hooks.retain(|_, cell| cell.record.conversation != id);
        }
        let Some(entry) = self.conversations.remove(&id) else { return };
        for alias in &entry.aliases {
            if self.aliases.get(alias) == Some(&id) {
                self.aliases.remove(alias);
            }
        }
    }

    pub(crate) fn load(&self, id: ConversationId) -> Option<&Entry> {
        self.conversations.get(&id).map(|entry| &**entry)
    }

    pub(crate) fn alias(&self, key: AliasKey) -> Option<ConversationId> {
        self.aliases.get(&key).copied()
    }

    pub(crate) fn page(&self, after: Option<ConversationId>, limit: usize) -> Vec<ConversationId> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.conversations.range((from, Unbounded)).map(|(id, _)| *id).take(limit).collect()
    }

    pub(crate) fn hook(&self, seq: u64) -> Option<&HookRecord> {
        self.hooks.get(&seq).map(|cell| &cell.record)
    }

    pub(crate) fn dead(&self, from: u64, limit: usize) -> Vec<(NameId, HookRecord, Moment)> {
        let mut found = Vec::new();
        for cell in self.hooks.range(from..).map(|(_, cell)| cell) {
            if found.len() >= limit {
                break;
            }
            found.extend(cell.dead.iter().map(|(hook, at)| (*hook, cell.record.clone(), *at)));
        }
        found
    }

    pub(crate) fn outlived(&self, before: Moment, limit: usize) -> Vec<ConversationId> {
        self.conversations.iter().filter(|(_, entry)| entry.outlived(before)).map(|(id, _)| *id).take(limit).collect()
    }

    /// Tells everything a start needs, names first.
    pub(crate) fn recover(&self, take: &mut dyn FnMut(Restored)) {
        for (id, name) in &self.names {
            take(Restored::Name(*id, name.clone()));
        }
        for entry in self.conversations.values().filter(|e| !matches!(e.stored.state.phase, Phase::Finished(_))) {
            take(Restored::Conversation(entry.stored));
        }
        for (key, day) in &self.identities {
            take(Restored::Identity(*key, *day));
        }
        for (person, at) in &self.opted_out {
            take(Restored::OptOut(*person, *at));
        }
        for scope in &self.pauses {
            take(Restored::Pause(*scope));
        }
        for (line, template) in &self.templates {
            take(Restored::Template(*line, template.clone()));
        }
        for ((register, id), value) in &self.filed {
            take(Restored::Filed(*register, id.clone(), value.clone()));
        }
        for cell in self.hooks.values().filter(|c| !c.record.hooks.is_empty()) {
            take(Restored::Hook(cell.record.clone()));
        }
        if let Some(seq) = self.last_hook {
            take(Restored::LastHook(seq));
        }
        if let Some(at) = self.alive {
            take(Restored::Alive(at));
        }
    }

    /// How many conversations there are.
    pub(crate) fn len(&self) -> usize {
        self.conversations.len()
    }
}
