//! Reading: what is on disk, with what is not folded yet laid over it.
//!
//! Not caching: the engine holds what it needs often. A read first goes to the disk and then takes the lock; where a fold ended in
//! between, it is done again, so that no change is missed on its way from one to the other.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::ports::{Fault, Restored};
use crate::engine::record::{Change, Details, HookRecord, NameId, Stored};
use crate::id::{AliasKey, ConversationId, EventKey, PersonKey, SendId};
use crate::moment::Moment;
use crate::store::model::{HookCell, at_rest, day_of};
use crate::store::sled::ahead::beside;
use crate::store::sled::overlay::{Kept, Step, Steps, merge};
use crate::store::sled::{Inner, SledStore, days, details, hooks, lock, small};

impl SledStore {
    /// Reads from the disk, then from memory, until no fold ended in between.
    fn steady<D, T>(&self, disk: impl Fn() -> Result<D, Fault>, memory: impl Fn(&mut Inner, D) -> T) -> Result<T, Fault> {
        loop {
            let folds = lock(&self.inner).folds;
            let found = disk()?;
            let mut inner = lock(&self.inner);
            if inner.folds == folds {
                return Ok(memory(&mut inner, found));
            }
        }
    }

    pub(super) fn load_one(&self, id: ConversationId) -> Result<Option<(Stored, Details)>, Fault> {
        // A record that cannot be read matters only where nothing takes its place.
        let disk = || Ok(details::get(&self.base, &self.places, id));
        let (found, steps) =
            self.steady(disk, |inner, found| (found, inner.overlay.conversations.get(&id).cloned().unwrap_or_default()))?;
        let base = match found {
            Err(fault @ Fault::Unavailable(_)) => return Err(fault),
            Err(_) if steps.iter().any(|(_, step)| matches!(step, Step::Forgotten)) => None,
            found => found?,
        };
        Ok(merge(base, steps.iter()).map(|entry| (entry.stored, entry.details)))
    }

    pub(super) fn find_alias(&self, key: AliasKey) -> Result<Option<ConversationId>, Fault> {
        if let Some(known) = lock(&self.inner).overlay.alias(key) {
            return Ok(known);
        }
        self.steady(
            || details::owner(&self.base, &self.places, key),
            |inner, disk| match inner.overlay.alias(key) {
                Some(known) => known,
                None => disk.filter(|id| !inner.overlay.forgotten_after(*id, 0)),
            },
        )
    }

    pub(super) fn ids_after(&self, after: Option<ConversationId>, limit: usize) -> Result<Vec<ConversationId>, Fault> {
        loop {
            // As many more as may turn out to be forgotten.
            let more = lock(&self.inner).overlay.forgotten();
            let wanted = limit.saturating_add(more);
            let disk = || details::ids_after(&self.base, &self.places, after, wanted);
            let found = self.steady(disk, |inner, disk| {
                let mut ids: BTreeSet<ConversationId> = disk.into_iter().collect();
                for (id, steps) in inner.overlay.conversations.iter().filter(|(id, _)| after < Some(**id)) {
                    match steps.last() {
                        Some((_, Step::Forgotten)) => drop(ids.remove(id)),
                        _ => drop(ids.insert(*id)),
                    }
                }
                (inner.overlay.forgotten() <= more).then(|| ids.into_iter().take(limit).collect())
            })?;
            if let Some(ids) = found {
                return Ok(ids);
            }
        }
    }

    pub(super) fn cell(&self, n: u64) -> Result<Option<HookCell>, Fault> {
        self.steady(|| hooks::get(&self.base.hooks, n), |inner, disk| inner.overlay.cell(n, disk.map(|found| (found.folded, found.cell))))
    }

    pub(super) fn dead_letters(&self, from: u64, limit: usize) -> Result<Vec<(NameId, HookRecord, Moment)>, Fault> {
        let mut found = Vec::new();
        let mut next = Some(from);
        while let Some(from) = next.filter(|_| found.len() < limit) {
            let numbers = self.hook_numbers(from)?;
            next = numbers.last().and_then(|n| n.checked_add(1));
            for n in numbers {
                if found.len() >= limit {
                    break;
                }
                let Some(cell) = self.cell(n)? else { continue };
                found.extend(cell.dead.iter().map(|(hook, at)| (*hook, cell.record.clone(), *at)));
            }
        }
        Ok(found)
    }

    /// Numbers of hook records from `from` on, some at a time; none where there are no more.
    fn hook_numbers(&self, from: u64) -> Result<Vec<u64>, Fault> {
        const SOME: usize = 256;
        let disk = || hooks::numbers(&self.base.hooks, from).take(SOME).collect::<Result<Vec<_>, Fault>>();
        self.steady(disk, |inner, disk| {
            let last = disk.last().copied().filter(|_| disk.len() == SOME).unwrap_or(u64::MAX);
            let mut numbers: BTreeSet<u64> = disk.into_iter().collect();
            numbers.extend(inner.overlay.hooks.range(from..=last).map(|(n, _)| *n));
            numbers.into_iter().collect()
        })
    }

    pub(super) fn at_rest_before(&self, before: Moment, limit: usize) -> Result<Vec<ConversationId>, Fault> {
        let disk = || self.touched_before(before, limit);
        let (found, spent) = self.steady(disk, |inner, (disk, spent)| {
            let mut found: BTreeSet<ConversationId> = disk;
            for (id, steps) in &inner.overlay.conversations {
                found.remove(id);
                if let Some((_, Step::Moved(moved))) = steps.last()
                    && moved.at_rest()
                    && moved.now() < before
                {
                    found.insert(*id);
                }
            }
            (found.into_iter().take(limit).collect(), spent)
        })?;
        let mut known = lock(&self.spent);
        spent.into_iter().for_each(|key| {
            if !known.contains(&key) {
                known.push(key);
            }
        });
        Ok(found)
    }

    /// On disk: conversations at rest last touched before `before`, and lists in which no entry counts any more.
    fn touched_before(&self, before: Moment, limit: usize) -> Result<(BTreeSet<ConversationId>, Vec<Vec<u8>>), Fault> {
        let busy: BTreeSet<ConversationId> = lock(&self.inner).overlay.conversations.keys().copied().collect();
        let mut found = BTreeSet::new();
        let mut spent = Vec::new();
        for row in days::rows(&self.base.touched) {
            let (key, day, ids) = row?;
            if day > day_of(before) || found.len() >= limit.saturating_add(busy.len()) {
                break;
            }
            let mut counts = false;
            for id in ids.into_iter().map(ConversationId) {
                if busy.contains(&id) {
                    counts = true;
                    continue;
                }
                // A record that cannot be read is not outlived: it is shown where it is asked for.
                let Ok(head) = details::head(&self.base, &self.places, id) else {
                    counts = true;
                    continue;
                };
                let Some(head) = head.filter(|head| day_of(head.touched) == day) else { continue };
                counts = true;
                if at_rest(head.stored.state.phase) && head.touched < before {
                    found.insert(id);
                }
            }
            if !counts {
                spent.push(key);
            }
        }
        Ok((found, spent))
    }

    pub(super) fn tell_all(&self, take: &mut dyn FnMut(Restored)) -> Result<(), Fault> {
        let small = lock(&self.inner).overlay.small.clone();
        for (id, name) in &small.names {
            take(Restored::Name(*id, name.clone()));
        }
        let (identities, told) = beside("reading store/identities", || self.identities(), || self.tell_conversations(take))?;
        told?;
        for (day, keys) in identities? {
            keys.into_iter().for_each(|key| take(Restored::Identity(key, day)));
        }
        self.tell_opted_out(take)?;
        small.pauses.iter().for_each(|scope| take(Restored::Pause(*scope)));
        small.templates.iter().for_each(|(line, template)| take(Restored::Template(*line, template.clone())));
        small.filed.iter().for_each(|((register, id), value)| take(Restored::Filed(*register, id.clone(), value.clone())));
        self.tell_hooks(take)?;
        if let Some(n) = small.last_hook {
            take(Restored::LastHook(n));
        }
        if let Some(at) = small.alive {
            take(Restored::Alive(at));
        }
        let dangling: Vec<_> = lock(&self.inner).sends.doubts().filter(|standing| standing.end.is_none()).collect();
        dangling.into_iter().for_each(|standing| take(Restored::Dangling(standing)));
        let ended: Vec<SendId> = lock(&self.commit).ledger.ended().collect();
        let ended: Vec<_> = ended.into_iter().filter_map(|send| lock(&self.inner).sends.get(send)).collect();
        ended.into_iter().for_each(|standing| take(Restored::Ended(standing)));
        if let Some(why) = lock(&self.place).held.clone() {
            take(Restored::Held(why));
        }
        Ok(())
    }

    fn tell_conversations(&self, take: &mut dyn FnMut(Restored)) -> Result<(), Fault> {
        let latest: BTreeMap<ConversationId, Option<Stored>> = {
            let inner = lock(&self.inner);
            let last = |steps: &Steps| match steps.last() {
                Some((_, Step::Moved(moved))) if !moved.over() => Some(moved.read().stored),
                _ => None,
            };
            inner.overlay.conversations.iter().map(|(id, steps)| (*id, last(steps))).collect()
        };
        let mut folder = lock(&self.folder);
        take(Restored::About(folder.blocks.unfinished));
        folder.blocks.tell(&self.base.blocks, &self.places, &mut |stored| {
            if !latest.contains_key(&stored.id) {
                take(Restored::Conversation(stored));
            }
        })?;
        latest.into_values().flatten().for_each(|stored| take(Restored::Conversation(stored)));
        Ok(())
    }

    /// Identities by their day, those of a day in order: for whoever sorts them, and while conversations are told.
    fn identities(&self) -> Result<BTreeMap<i64, Vec<EventKey>>, Fault> {
        let queue: Vec<(u64, Kept)> = lock(&self.inner).overlay.queue.iter().cloned().collect();
        // From the last to the first: an identity is dropped by what came after it.
        let mut until = i64::MIN;
        let mut days: BTreeMap<i64, Vec<EventKey>> = BTreeMap::new();
        for (_, kept) in queue.iter().rev() {
            match kept {
                Kept::Moved(moved) => {
                    let day = day_of(moved.now());
                    moved.identity().filter(|_| day > until).into_iter().for_each(|key| days.entry(day).or_default().push(key));
                }
                Kept::Other(Change::IdentitiesUntil(day)) => until = until.max(*day),
                Kept::Other(_) => {}
            }
        }
        for row in days::rows(&self.base.identities) {
            let (_, day, keys) = row?;
            if day > until {
                days.entry(day).or_default().extend(keys.into_iter().map(EventKey));
            }
        }
        days.values_mut().for_each(|keys| keys.sort_unstable());
        Ok(days)
    }

    fn tell_opted_out(&self, take: &mut dyn FnMut(Restored)) -> Result<(), Fault> {
        let changed: BTreeMap<PersonKey, Option<Moment>> =
            lock(&self.inner).overlay.opted_out.iter().map(|(person, (_, at))| (*person, *at)).collect();
        small::opted_out(&self.base.opted_out, &mut |person, at| {
            if !changed.contains_key(&person) {
                take(Restored::OptOut(person, at));
            }
        })?;
        for (person, at) in changed {
            if let Some(at) = at {
                take(Restored::OptOut(person, at));
            }
        }
        Ok(())
    }

    fn tell_hooks(&self, take: &mut dyn FnMut(Restored)) -> Result<(), Fault> {
        let mut next = Some(0);
        while let Some(from) = next {
            let numbers = self.hook_numbers(from)?;
            next = numbers.last().and_then(|n| n.checked_add(1));
            for n in numbers {
                if let Some(cell) = self.cell(n)?.filter(|cell| !cell.record.hooks.is_empty()) {
                    take(Restored::Hook(cell.record));
                }
            }
        }
        Ok(())
    }
}
