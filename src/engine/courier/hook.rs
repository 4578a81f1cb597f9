//! One hook's deliveries: a lane for each conversation, what is ready, what waits, and how the hook itself stands.
//!
//! Not shared between hooks: one that hangs costs itself alone.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::engine::courier::{Delivery, Figures, Order, Outcome, Settled};
use crate::engine::record::NameId;
use crate::id::ConversationId;
use crate::limits;
use crate::moment::Moment;

/// Records of one refill from disk, in numbers asked for.
const REFILL: u64 = 256;

/// One hook.
#[derive(Debug, Default)]
pub(super) struct Hook {
    pub(super) open: bool,
    lanes: BTreeMap<ConversationId, Lane>,
    /// Conversations whose next record can go at once, in the order in which they came to be so.
    ready: VecDeque<ConversationId>,
    /// Conversations whose next record waits for its next try.
    waiting: BTreeSet<(Moment, ConversationId)>,
    in_flight: usize,
    /// Records in `lanes`.
    held: usize,
    /// Records that are remembered by the store alone, as the range of numbers in which they are.
    spilled: Option<(u64, u64)>,
    refilling: bool,
    /// Failures since the last success.
    streak: u32,
    /// Nothing is delivered before this.
    not_before: Option<Moment>,
    /// The hook was just found to take nothing: what is too old is given up without a try of its own.
    sweep: bool,
}

/// The records of one conversation, in order; the first is the one in hand.
#[derive(Debug)]
struct Lane {
    records: VecDeque<(u64, Moment)>,
    failures: u32,
    stands: Stands,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stands {
    Ready,
    Waiting(Moment),
    InFlight,
}

impl Lane {
    /// Puts a record in its place by number; `false` where it is there already. An older one, replayed, does not push aside
    /// what is on its way or was tried: only what is behind that is in order.
    fn insert(&mut self, seq: u64, since: Moment) -> bool {
        let pinned = usize::from(self.stands != Stands::Ready || self.failures > 0);
        if self.records.iter().take(pinned).any(|(s, _)| *s == seq) {
            return false;
        }
        if self.records.len() <= pinned || self.records.back().is_some_and(|(last, _)| *last < seq) {
            self.records.push_back((seq, since));
            return true;
        }
        match self.records.make_contiguous()[pinned..].binary_search_by_key(&seq, |(s, _)| *s) {
            Ok(_) => false,
            Err(at) => {
                self.records.insert(pinned + at, (seq, since));
                true
            }
        }
    }
}

impl Hook {
    pub(super) fn offer(&mut self, conversation: ConversationId, seq: u64, since: Moment, backlog: usize) {
        match &mut self.spilled {
            // Once something was left on disk, so is what comes after it: order is kept.
            Some((from, upto)) => (*from, *upto) = ((*from).min(seq), (*upto).max(seq)),
            None if self.held >= backlog => self.spilled = Some((seq, seq)),
            None => self.remember(conversation, seq, since),
        }
    }

    pub(super) fn remember(&mut self, conversation: ConversationId, seq: u64, since: Moment) {
        let lane = match self.lanes.entry(conversation) {
            Entry::Occupied(lane) => lane.into_mut(),
            Entry::Vacant(place) => {
                self.ready.push_back(conversation);
                place.insert(Lane { records: VecDeque::new(), failures: 0, stands: Stands::Ready })
            }
        };
        if lane.insert(seq, since) {
            self.held += 1;
        }
    }

    pub(super) fn refilled(&mut self, from: u64, upto: u64) {
        self.refilling = false;
        // Meanwhile something older may have been added to the range: then it is read again, and what is known is not taken twice.
        if let Some((first, last)) = self.spilled
            && first == from
        {
            self.spilled = (upto < last).then(|| (upto + 1, last));
        }
    }

    pub(super) fn next(&mut self, id: NameId, now: Moment, most: usize, backlog: usize, orders: &mut Vec<Order>) {
        if !self.open {
            self.abandon(id, orders);
        }
        if std::mem::take(&mut self.sweep) {
            self.give_up(id, now, orders);
        }
        if let Some((from, last)) = self.spilled
            && !self.refilling
            && self.held <= backlog / 2
        {
            self.refilling = true;
            orders.push(Order::Refill { hook: id, from, upto: last.min(from.saturating_add(REFILL - 1)) });
        }
        while let Some((at, conversation)) = self.waiting.first().copied() {
            if at > now {
                break;
            }
            self.waiting.pop_first();
            self.make_ready(conversation);
        }
        if self.not_before.is_some_and(|at| at > now) {
            return;
        }
        while self.in_flight < self.allowed(most) {
            let Some(conversation) = self.ready.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&conversation) else { continue };
            let Some((seq, _)) = lane.records.front() else { continue };
            lane.stands = Stands::InFlight;
            self.in_flight += 1;
            orders.push(Order::Deliver(Delivery { hook: id, conversation, seq: *seq, attempt: lane.failures.saturating_add(1) }));
        }
    }

    /// As many at once as a hook may have; only one, as a probe, while it takes nothing at all.
    fn allowed(&self, most: usize) -> usize {
        if self.is_down(most) { 1 } else { most }
    }

    fn is_down(&self, most: usize) -> bool {
        self.streak as usize >= most
    }

    /// Everything of a hook that is no longer configured, but for what is on its way.
    fn abandon(&mut self, id: NameId, orders: &mut Vec<Order>) {
        self.ready.clear();
        self.waiting.clear();
        for lane in self.lanes.values_mut() {
            let keep = usize::from(lane.stands == Stands::InFlight);
            for (seq, _) in lane.records.drain(keep..) {
                self.held -= 1;
                orders.push(Order::Dead(id, seq));
            }
        }
        self.lanes.retain(|_, lane| !lane.records.is_empty());
    }

    /// Everything too old, but for what is on its way.
    fn give_up(&mut self, id: NameId, now: Moment, orders: &mut Vec<Order>) {
        for lane in self.lanes.values_mut().filter(|lane| lane.stands != Stands::InFlight) {
            while let Some((seq, since)) = lane.records.front().copied()
                && now.since(since) >= limits::HOOK_AGE
            {
                lane.records.pop_front();
                lane.failures = 0;
                self.held -= 1;
                orders.push(Order::Dead(id, seq));
            }
        }
        self.lanes.retain(|_, lane| !lane.records.is_empty());
        self.ready.retain(|conversation| self.lanes.contains_key(conversation));
        self.waiting.retain(|(_, conversation)| self.lanes.contains_key(conversation));
    }

    fn make_ready(&mut self, conversation: ConversationId) {
        if let Some(lane) = self.lanes.get_mut(&conversation) {
            lane.stands = Stands::Ready;
            self.ready.push_back(conversation);
        }
    }

    pub(super) fn wake(&self, most: usize) -> Option<Moment> {
        let free = self.in_flight < self.allowed(most);
        let soonest = match self.ready.is_empty() {
            false if free => Some(Moment::MIN),
            _ => self.waiting.first().map(|(at, _)| *at),
        };
        soonest.filter(|_| free).map(|at| self.not_before.map_or(at, |b| at.max(b)))
    }

    pub(super) fn settle(&mut self, delivery: &Delivery, outcome: Outcome, now: Moment, most: usize) -> Settled {
        let Some(lane) = self.lanes.get_mut(&delivery.conversation) else { return Settled::Again };
        if lane.stands != Stands::InFlight || lane.records.front().is_none_or(|(seq, _)| *seq != delivery.seq) {
            return Settled::Again;
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        let since = lane.records.front().map_or(now, |(_, since)| *since);
        let too_old = now.since(since) >= limits::HOOK_AGE;
        let settled = match outcome {
            Outcome::Taken => Settled::Done,
            Outcome::Failed { .. } if !too_old && self.open => Settled::Again,
            Outcome::Failed { .. } | Outcome::Gone => Settled::Dead,
        };
        match settled {
            Settled::Again => {
                lane.failures = lane.failures.saturating_add(1);
                let at = now.plus(backoff(limits::HOOK_BACKOFF_CEILING, lane.failures));
                lane.stands = Stands::Waiting(at);
                self.waiting.insert((at, delivery.conversation));
            }
            Settled::Done | Settled::Dead => self.drop_first(delivery.conversation),
        }
        self.heed(outcome, now, most);
        settled
    }

    fn drop_first(&mut self, conversation: ConversationId) {
        let Some(lane) = self.lanes.get_mut(&conversation) else { return };
        lane.records.pop_front();
        lane.failures = 0;
        self.held -= 1;
        if lane.records.is_empty() {
            self.lanes.remove(&conversation);
        } else {
            self.make_ready(conversation);
        }
    }

    /// What an outcome says of the hook itself.
    fn heed(&mut self, outcome: Outcome, now: Moment, most: usize) {
        match outcome {
            Outcome::Taken | Outcome::Gone => {
                if self.is_down(most) {
                    // It is back: those that waited because it was down need not wait on.
                    for (_, conversation) in std::mem::take(&mut self.waiting) {
                        self.make_ready(conversation);
                    }
                }
                self.streak = 0;
                self.not_before = None;
            }
            Outcome::Failed { after } => {
                self.streak = self.streak.saturating_add(1);
                let probes = (self.streak as usize + 1).saturating_sub(most);
                let pause = if probes == 0 { 0 } else { backoff(limits::HOOK_PROBE_CEILING, u32::try_from(probes).unwrap_or(u32::MAX)) };
                let wait = pause.max(after.clamp(0, limits::HOOK_BACKOFF_CEILING));
                if wait > 0 {
                    self.not_before = self.not_before.max(Some(now.plus(wait)));
                }
                self.sweep = self.is_down(most);
            }
        }
    }

    pub(super) fn figures(&self) -> Figures {
        Figures { pending: self.held, more: self.spilled.is_some(), in_flight: self.in_flight, failing: self.streak }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty() && self.spilled.is_none()
    }
}

/// The wait after the `n`-th failure in a row, from 1.
fn backoff(ceiling: i64, n: u32) -> i64 {
    limits::HOOK_BACKOFF.saturating_mul(1 << n.saturating_sub(1).min(20)).min(ceiling)
}
