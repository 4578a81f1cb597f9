//! A store that is watched: the store in memory, and beside it a record of every change the engine made.
//!
//! Not a store of its own: what it keeps and what it loses is the store in memory's doing. The record is what the checks go by.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::ports::{Durable, Fault, Restored, Standing, Store};
use crate::engine::record::{Change, Details, HookRecord, NameId, Stored};
use crate::id::{AliasKey, ConversationId, Keys, SendId};
use crate::moment::Moment;
#[cfg(test)]
use crate::moment::{DAY, MINUTE};
use crate::store::MemoryStore;

/// What a sabotage does to a change on its way into the store; `None` loses it.
#[cfg(test)]
pub(super) type Tamper = fn(Change) -> Option<Change>;

/// The watched store.
pub(super) struct Witness {
    store: MemoryStore,
    record: Mutex<Record>,
    #[cfg(test)]
    pub(super) tamper: Option<Tamper>,
    /// A sabotage: what was claimed before a start is not told.
    #[cfg(test)]
    pub(super) forgetful: bool,
}

#[derive(Default)]
struct Record {
    /// The number of the last change applied, as the store counts.
    seq: u64,
    /// Changes applied and not yet told to the checks as kept.
    tail: Vec<(u64, Change)>,
}

impl Witness {
    pub(super) fn new(keys: Keys) -> Witness {
        Witness {
            store: MemoryStore::new(keys),
            record: Mutex::default(),
            #[cfg(test)]
            tamper: None,
            #[cfg(test)]
            forgetful: false,
        }
    }

    /// The store itself, for crashes and backups.
    pub(super) fn inner(&self) -> &MemoryStore {
        &self.store
    }

    /// The number of the last change applied.
    pub(super) fn seq(&self) -> u64 {
        self.lock().seq
    }

    /// Whether a conversation moved in a change after number `seq`, and which: the last one.
    pub(super) fn moved_since(&self, seq: u64) -> Option<ConversationId> {
        self.lock().tail.iter().rev().take_while(|(n, _)| *n > seq).find_map(|(_, change)| moved(change))
    }

    /// Everything up to number `seq` is kept for good: tells it, and forgets it here.
    pub(super) fn keep(&self, seq: u64) -> Vec<(u64, Change)> {
        let mut record = self.lock();
        let kept = record.tail.partition_point(|(n, _)| *n <= seq);
        record.tail.drain(..kept).collect()
    }

    /// How many changes are not known to be kept.
    pub(super) fn unkept(&self) -> usize {
        self.lock().tail.len()
    }

    /// The process is gone: the first `survivors` changes of the tail are kept; the others, told beside them, never were.
    pub(super) fn survive(&self, survivors: usize) -> [Vec<(u64, Change)>; 2] {
        let mut tail = std::mem::take(&mut self.lock().tail);
        let lost = tail.split_off(survivors.min(tail.len()));
        [tail, lost]
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The conversation that a change moves.
pub(super) fn moved(change: &Change) -> Option<ConversationId> {
    match change {
        Change::Moved(moved) => Some(moved.stored.id),
        _ => None,
    }
}

impl Store for Witness {
    fn apply(&self, changes: Vec<Change>) -> u64 {
        let mut record = self.lock();
        let first = record.seq + 1;
        record.tail.extend((first..).zip(changes.iter().cloned()));
        record.seq += changes.len() as u64;
        #[cfg(test)]
        if let Some(tamper) = self.tamper {
            self.store.apply(changes.into_iter().filter_map(tamper).collect());
            return record.seq;
        }
        self.store.apply(changes);
        record.seq
    }

    fn flush(&self) -> Result<Durable, Fault> {
        let upto = self.seq();
        self.store.flush().map(|_| Durable::upto(upto))
    }

    fn load(&self, id: ConversationId) -> Result<Option<(Stored, Details)>, Fault> {
        self.store.load(id)
    }

    fn alias(&self, key: AliasKey) -> Result<Option<ConversationId>, Fault> {
        self.store.alias(key)
    }

    fn page(&self, after: Option<ConversationId>, limit: usize) -> Result<Vec<ConversationId>, Fault> {
        self.store.page(after, limit)
    }

    fn hook(&self, seq: u64) -> Result<Option<HookRecord>, Fault> {
        self.store.hook(seq)
    }

    fn dead(&self, from: u64, limit: usize) -> Result<Vec<(NameId, HookRecord, Moment)>, Fault> {
        self.store.dead(from, limit)
    }

    fn recover(&self, take: &mut dyn FnMut(Restored)) -> Result<(), Fault> {
        self.store.recover(take)
    }

    fn standing(&self, send: SendId) -> Option<Standing> {
        self.store.standing(send)
    }

    fn doubts(&self, limit: usize) -> Vec<Standing> {
        self.store.doubts(limit)
    }

    fn keys(&self) -> &Keys {
        self.store.keys()
    }

    fn claims(&self, since: Moment) -> Vec<Standing> {
        #[cfg(test)]
        if self.forgetful {
            // Of the day, all but the last minutes.
            return self.store.claims(since.plus(DAY - 5 * MINUTE));
        }
        self.store.claims(since)
    }

    fn outlived(&self, before: Moment, limit: usize) -> Result<Vec<ConversationId>, Fault> {
        self.store.outlived(before, limit)
    }

    fn fold(&self) -> Result<bool, Fault> {
        self.store.fold()
    }

    fn unfolded(&self) -> usize {
        self.store.unfolded()
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        self.store.figures()
    }
}
