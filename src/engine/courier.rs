//! Which hook record is delivered next: in order per conversation, at least once, each hook for itself. As data.
//!
//! Not the delivery: `hooks/` posts what this hands out and tells it how that ended. Its time is any clock that never
//! steps, given as [`Moment`]s: the daemon gives time since boot, so that neither a jump nor the demo's fast clock moves a retry.

mod hook;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::engine::courier::hook::Hook;
use crate::engine::record::NameId;
use crate::id::ConversationId;
use crate::moment::Moment;

/// What there is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Deliver this record to this hook, now; tell [`Courier::settle`] how it ended.
    Deliver(Delivery),
    /// The record is a dead letter: the hook is no longer configured, or has taken nothing for too long.
    Dead(NameId, u64),
    /// Read the records `from..=upto` from disk and give those that this hook still has to get to [`Courier::refilled`].
    Refill {
        /// For which hook.
        hook: NameId,
        /// The first number.
        from: u64,
        /// The last number.
        upto: u64,
    },
}

/// One record on its way to one hook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// To which hook.
    pub hook: NameId,
    /// Of which conversation.
    pub conversation: ConversationId,
    /// Which record.
    pub seq: u64,
    /// Which time, from 1.
    pub attempt: u32,
}

/// How a delivery ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The hook took it, or there is nothing to deliver any more (its conversation was erased).
    Taken,
    /// It did not; it wants no other before so many milliseconds have passed (0 where it did not say).
    Failed {
        /// The wait it asks for.
        after: i64,
    },
    /// It wants this no more (410).
    Gone,
}

/// What becomes of the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settled {
    /// Delivered: keep `HookDone`.
    Done,
    /// Given up: keep `HookDead`.
    Dead,
    /// Nothing to keep: it will be delivered again, or was not on its way.
    Again,
}

/// How a hook stands, for metrics and pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Records it still has to get, as far as they are remembered by number.
    pub pending: usize,
    /// More of them are on disk.
    pub more: bool,
    /// Deliveries under way.
    pub in_flight: usize,
    /// Deliveries that failed since the last that did not.
    pub failing: u32,
}

/// The deliveries of all hooks.
#[derive(Debug)]
pub struct Courier {
    hooks: BTreeMap<NameId, Hook>,
    in_flight: usize,
    backlog: usize,
}

impl Courier {
    /// No hooks yet. At most `in_flight` deliveries to one hook at once, and `backlog` records of one in memory (a few more
    /// while a refill is under way).
    #[must_use]
    pub fn new(in_flight: usize, backlog: usize) -> Courier {
        Courier { hooks: BTreeMap::new(), in_flight: in_flight.max(1), backlog: backlog.max(1) }
    }

    /// The hooks that are configured from now on. What others still had to get becomes dead letters, one by one.
    pub fn configure(&mut self, hooks: &[NameId]) {
        for (id, hook) in &mut self.hooks {
            hook.open = hooks.contains(id);
        }
        for id in hooks {
            self.hooks.entry(*id).or_default().open = true;
        }
    }

    /// A record is durable, and `hook` has to get it. In the order of their numbers, for each conversation; one that is offered
    /// twice is delivered once. `since`: when it was made, by this clock; its age decides when it is given up.
    pub fn offer(&mut self, hook: NameId, conversation: ConversationId, seq: u64, since: Moment) {
        let backlog = self.backlog;
        self.hooks.entry(hook).or_default().offer(conversation, seq, since, backlog);
    }

    /// What [`Order::Refill`] asked for, of `from..=upto`: conversation, number and beginning of each, in the order of numbers.
    pub fn refilled(&mut self, hook: NameId, from: u64, upto: u64, records: &[(ConversationId, u64, Moment)]) {
        let Some(hook) = self.hooks.get_mut(&hook) else { return };
        for (conversation, seq, since) in records {
            hook.remember(*conversation, *seq, *since);
        }
        hook.refilled(from, upto);
    }

    /// All there is to do at `now`. What is handed out counts as begun.
    pub fn next(&mut self, now: Moment) -> Vec<Order> {
        let mut orders = Vec::new();
        for (id, hook) in &mut self.hooks {
            hook.next(*id, now, self.in_flight, self.backlog, &mut orders);
        }
        self.hooks.retain(|_, hook| hook.open || !hook.is_empty());
        orders
    }

    /// When [`Courier::next`] has something to do again, unless something happens before; `None` where only that can help.
    #[must_use]
    pub fn wake(&self) -> Option<Moment> {
        self.hooks.values().filter_map(|hook| hook.wake(self.in_flight)).min()
    }

    /// A delivery ended.
    pub fn settle(&mut self, delivery: &Delivery, outcome: Outcome, now: Moment) -> Settled {
        let most = self.in_flight;
        match self.hooks.get_mut(&delivery.hook) {
            Some(hook) => hook.settle(delivery, outcome, now, most),
            // Only a hook without records is forgotten, so this one had none on its way.
            None => Settled::Again,
        }
    }

    /// How each hook stands.
    pub fn figures(&self) -> impl Iterator<Item = (NameId, Figures)> + '_ {
        self.hooks.iter().map(|(id, hook)| (*id, hook.figures()))
    }
}
