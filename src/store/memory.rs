//! A store that forgets everything with the process, and says exactly what a disk promises: visible on apply, durable on flush.
//!
//! Not a cache and not the daemon's store: the simulator crashes it, makes it fail and makes it lie; tests hold the other
//! stores against it. Deterministic: what survives a crash is the caller's choice.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::ports::{Durable, Fault, Restored, Standing, Store};
use crate::engine::record::{Change, Details, HookRecord, LedgerEntry, NameId, PauseScope, Stored};
use crate::id::{AliasKey, ConversationId, Keys, SendId};
use crate::moment::Moment;
use crate::store::model::Model;
use crate::store::sends::Sends;

/// A store in memory. Cloning it copies everything, the unflushed part too.
#[derive(Debug)]
pub struct MemoryStore {
    keys: Keys,
    inner: Mutex<Inner>,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    /// The number of the last change applied.
    seq: u64,
    /// What reads see.
    visible: Model,
    sends: Sends,
    /// What a crash leaves at least.
    durable: Model,
    durable_sends: Sends,
    /// Changes that are visible and not durable, in order; their ledger entries with them.
    pending: Vec<Change>,
    /// A flush failed, and so does every one until the process ends.
    failed: bool,
    fail: bool,
    lie: bool,
    lie_about_ledger: bool,
    held: Option<String>,
}

impl Clone for MemoryStore {
    fn clone(&self) -> MemoryStore {
        MemoryStore { keys: self.keys.clone(), inner: Mutex::new(self.lock().clone()) }
    }
}

impl MemoryStore {
    /// An empty store with these keys.
    #[must_use]
    pub fn new(keys: Keys) -> MemoryStore {
        MemoryStore { keys, inner: Mutex::new(Inner::default()) }
    }

    /// Loses what was not durable, as `kill -9` or a power cut would: `keep(n)` says how many of `n` may survive.
    ///
    /// It is asked twice: how many of the changes that were not flushed survive, in order; then how many further ledger
    /// entries do (the ledger is made durable before the changes, so it may be ahead of them, never behind).
    /// Failures end with the process: the store answers again. Orders to fail or to lie stay.
    pub fn crash(&self, mut keep: impl FnMut(usize) -> usize) {
        let mut inner = self.lock();
        let pending = std::mem::take(&mut inner.pending);
        let survivors = keep(pending.len()).min(pending.len());
        let (kept, lost) = pending.split_at(survivors);
        for change in kept {
            inner.durable.take(change);
            if let (Some(entry), false) = (entry_of(change), inner.lie_about_ledger) {
                inner.durable_sends.take(entry);
            }
        }
        let entries: Vec<&LedgerEntry> = lost.iter().filter_map(entry_of).collect();
        let further = if inner.lie_about_ledger { 0 } else { keep(entries.len()).min(entries.len()) };
        for entry in entries.into_iter().take(further) {
            inner.durable_sends.take(entry);
        }
        inner.visible = inner.durable.clone();
        inner.sends = inner.durable_sends.clone();
        inner.failed = false;
    }

    /// How many changes a crash could lose.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        self.lock().pending.len()
    }

    /// From now on flushes fail (`true`), as on a full disk; as with a real disk, the first failure lasts until [`MemoryStore::crash`].
    pub fn fail_flush(&self, fail: bool) {
        self.lock().fail = fail;
    }

    /// A sabotage: from now on flushes say "durable" and keep nothing (`true`).
    pub fn skip_flush(&self, lie: bool) {
        self.lock().lie = lie;
    }

    /// A sabotage: from now on the ledger is never written (`true`); what is durable of it stays.
    pub fn skip_ledger(&self, lie: bool) {
        self.lock().lie_about_ledger = lie;
    }

    /// Makes it a copy, for this reason: every recovery tells [`Restored::Held`] until `Paused(All, false)` is durable.
    pub fn hold(&self, reason: &str) {
        self.lock().held = Some(reason.to_owned());
    }

    /// Restores a backup: the store becomes what `older` was at its last flush, held; the ledger stays as it is.
    pub fn restore(&self, older: &MemoryStore) {
        let durable = older.lock().durable.clone();
        let mut inner = self.lock();
        inner.pending.clear();
        inner.visible = durable.clone();
        inner.durable = durable;
        inner.sends = inner.durable_sends.clone();
        inner.failed = false;
        inner.held = Some("the store was restored from a backup".to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held leaves whole changes: every method takes them one by one.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ledger's part of a change.
fn entry_of(change: &Change) -> Option<&LedgerEntry> {
    match change {
        Change::Moved(moved) => moved.ledger.as_ref(),
        Change::Ledger(entry) => Some(entry),
        _ => None,
    }
}

impl Store for MemoryStore {
    fn apply(&self, changes: Vec<Change>) -> u64 {
        let mut inner = self.lock();
        for change in &changes {
            inner.visible.take(change);
            if let Some(entry) = entry_of(change) {
                inner.sends.take(entry);
            }
        }
        inner.seq += changes.len() as u64;
        inner.pending.extend(changes);
        inner.seq
    }

    fn flush(&self) -> Result<Durable, Fault> {
        let mut inner = self.lock();
        inner.failed |= inner.fail;
        if inner.failed {
            return Err(Fault::Unavailable("flushing the store in memory: it was told to fail".to_owned()));
        }
        if !inner.lie {
            for change in std::mem::take(&mut inner.pending) {
                if let (Some(entry), false) = (entry_of(&change), inner.lie_about_ledger) {
                    inner.durable_sends.take(entry);
                }
                inner.durable.take(&change);
                if matches!(change, Change::Paused(PauseScope::All, false)) {
                    inner.held = None;
                }
            }
        }
        Ok(Durable::upto(inner.seq))
    }

    fn load(&self, id: ConversationId) -> Result<Option<(Stored, Details)>, Fault> {
        Ok(self.lock().visible.load(id).map(|entry| (entry.stored, entry.details.clone())))
    }

    fn alias(&self, key: AliasKey) -> Result<Option<ConversationId>, Fault> {
        Ok(self.lock().visible.alias(key))
    }

    fn page(&self, after: Option<ConversationId>, limit: usize) -> Result<Vec<ConversationId>, Fault> {
        Ok(self.lock().visible.page(after, limit))
    }

    fn hook(&self, seq: u64) -> Result<Option<HookRecord>, Fault> {
        Ok(self.lock().visible.hook(seq).cloned())
    }

    fn dead(&self, from: u64, limit: usize) -> Result<Vec<(NameId, HookRecord, Moment)>, Fault> {
        Ok(self.lock().visible.dead(from, limit))
    }

    fn recover(&self, take: &mut dyn FnMut(Restored)) -> Result<(), Fault> {
        let inner = self.lock();
        inner.visible.recover(take);
        for standing in inner.sends.doubts().filter(|s| s.end.is_none()) {
            take(Restored::Dangling(standing));
        }
        if let Some(reason) = &inner.held {
            take(Restored::Held(reason.clone()));
        }
        Ok(())
    }

    fn keys(&self) -> &Keys {
        &self.keys
    }

    fn standing(&self, send: SendId) -> Option<Standing> {
        self.lock().sends.get(send)
    }

    fn doubts(&self, limit: usize) -> Vec<Standing> {
        self.lock().sends.doubts().take(limit).collect()
    }

    fn claims(&self, since: Moment) -> Vec<Standing> {
        self.lock().sends.claims(since)
    }

    fn outlived(&self, before: Moment, limit: usize) -> Result<Vec<ConversationId>, Fault> {
        Ok(self.lock().visible.outlived(before, limit))
    }

    fn fold(&self) -> Result<bool, Fault> {
        Ok(false)
    }

    fn unfolded(&self) -> usize {
        0
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let inner = self.lock();
        vec![("conversations", inner.visible.len() as f64), ("unflushed_changes", inner.pending.len() as f64)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn named(n: u16) -> Change {
        Change::Named(NameId(n), Arc::from(format!("line {n}")))
    }

    fn intent(send: u128) -> Change {
        Change::Ledger(LedgerEntry::Intent {
            send: SendId(send),
            attempt: 1,
            at: Moment(0),
            conversation: ConversationId(1),
            line: NameId(0),
            template: false,
        })
    }

    fn names(store: &MemoryStore) -> usize {
        let mut names = 0;
        store.recover(&mut |r| names += usize::from(matches!(r, Restored::Name(..)))).unwrap();
        names
    }

    #[test]
    fn a_crash_leaves_what_was_flushed_and_the_prefix_it_was_told() {
        let store = MemoryStore::new(Keys::new(&[1; 32]));
        let first = store.apply(vec![named(1)]);
        assert!(store.flush().unwrap().covers(first));
        store.apply(vec![named(2), named(3)]);
        assert_eq!((names(&store), store.unflushed()), (3, 2));
        store.crash(|n| n / 2);
        assert_eq!((names(&store), store.unflushed()), (2, 0));
    }

    #[test]
    fn the_ledger_may_be_ahead_of_the_changes_and_never_behind() {
        for (answers, expected) in [([0, 1], [true, false]), ([1, 0], [true, false]), ([1, 1], [true, true]), ([2, 0], [true, true])] {
            let store = MemoryStore::new(Keys::new(&[1; 32]));
            store.apply(vec![intent(7), intent(8)]);
            let mut answers = answers.into_iter();
            store.crash(|_| answers.next().unwrap());
            assert_eq!([7, 8].map(|s| store.standing(SendId(s)).is_some()), expected);
        }
    }

    #[test]
    fn a_failed_flush_fails_until_the_process_ends() {
        let store = MemoryStore::new(Keys::new(&[1; 32]));
        store.apply(vec![named(1)]);
        store.fail_flush(true);
        assert!(store.flush().is_err());
        store.fail_flush(false);
        assert!(store.flush().is_err());
        store.crash(|n| n);
        assert!(store.flush().is_ok());
        assert_eq!(names(&store), 1);
    }

    #[test]
    fn a_lying_flush_loses_what_it_called_durable() {
        let store = MemoryStore::new(Keys::new(&[1; 32]));
        store.skip_flush(true);
        let seq = store.apply(vec![named(1)]);
        assert!(store.flush().unwrap().covers(seq));
        store.crash(|_| 0);
        assert_eq!(names(&store), 0);
    }

    #[test]
    fn a_restored_store_is_held_until_resume_and_keeps_its_ledger() {
        let store = MemoryStore::new(Keys::new(&[1; 32]));
        let older = store.clone();
        store.apply(vec![named(1), intent(7)]);
        store.flush().unwrap();
        store.restore(&older);
        let held = |store: &MemoryStore| {
            let mut held = false;
            store.recover(&mut |r| held |= matches!(r, Restored::Held(_))).unwrap();
            held
        };
        assert!(held(&store) && names(&store) == 0 && store.standing(SendId(7)).is_some());
        store.apply(vec![Change::Paused(PauseScope::All, false)]);
        store.flush().unwrap();
        assert!(!held(&store));
    }
}
