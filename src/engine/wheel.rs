//! The wheel: which conversation wakes next. Buckets of some seconds, the near ones sorted by millisecond.
//!
//! Not the truth: a deadline is a field of the state, and the wheel is derived from it. An entry is a hint: whoever takes one
//! out asks the state again. So a deadline that only moves later moves no entry; the stale hint comes up, and is put back.

mod links;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::moment::{Moment, SECOND};

use links::{Chain, Links};

/// Milliseconds of a bucket: few buckets, so that each has many entries and little room that is empty.
const SPAN: i64 = 16 * SECOND;

/// The index of a conversation in the hot table.
pub type Slot = u32;

/// The number of a [`SPAN`] since the epoch.
type Span = u32;

/// No entry stands for a slot. No deadline lies so far.
const NONE: Span = Span::MAX;

/// The derived index of deadlines.
#[derive(Debug, Default)]
pub struct Wheel {
    /// Entries by the span in which their deadline lies.
    far: BTreeMap<Span, Chain>,
    /// What these are made of.
    links: Links,
    /// Entries of the spans that have begun, by deadline.
    near: BinaryHeap<Reverse<(Moment, Slot)>>,
    /// Entries that belong to spans before this one are in `near`.
    horizon: Span,
    /// The span in which the deadline of each slot's entry lies; an entry found in another has been overtaken by a sooner one.
    noted: Vec<Span>,
    /// Entries that a start told, until it is over: each the number of its span, and behind it its slot.
    told: Vec<u64>,
}

impl Wheel {
    /// Makes room for so many more slots.
    pub fn reserve(&mut self, more: usize) {
        self.noted.reserve_exact(more);
        self.told.reserve_exact(more);
    }

    /// Notes one of many deadlines that a start tells, each slot once. None of them comes before [`Wheel::settle`] was called.
    pub fn restore(&mut self, at: Moment, slot: Slot) {
        self.told.push(u64::from(span(at)) << Slot::BITS | u64::from(slot));
    }

    /// Puts what a start told into its buckets: once, when all of it was told.
    pub fn settle(&mut self) {
        let mut told = std::mem::take(&mut self.told);
        told.sort_unstable();
        let slots = told.iter().map(|entry| *entry as Slot as usize + 1).max().unwrap_or(0);
        self.noted.resize(self.noted.len().max(slots), NONE);
        for some in told.chunk_by(|a, b| a >> Slot::BITS == b >> Slot::BITS) {
            let span = (some[0] >> Slot::BITS) as Span;
            let bucket = self.far.entry(span).or_default();
            for slot in some.iter().map(|entry| *entry as Slot) {
                self.noted[slot as usize] = span;
                self.links.push(bucket, slot);
            }
        }
    }

    /// Notes that `slot` wants to be woken at `at`. Where a sooner entry stands, that one will do; and where one stands in the same
    /// bucket that has not begun, since each entry of it is asked for its deadline then.
    pub fn insert(&mut self, at: Moment, slot: Slot) {
        let index = slot as usize;
        if index >= self.noted.len() {
            self.noted.resize(index + 1, NONE);
        }
        let (span, noted) = (span(at), self.noted[index]);
        let far = span >= self.horizon;
        if span > noted || (span == noted && far) {
            return;
        }
        self.noted[index] = span;
        if far {
            self.links.push(self.far.entry(span).or_default(), slot);
        } else {
            self.near.push(Reverse((at, slot)));
        }
    }

    /// When to look again: never later than the first deadline, and earlier by less than a bucket.
    #[must_use]
    pub fn next(&self) -> Option<Moment> {
        let near = self.near.peek().map(|Reverse((at, _))| *at);
        let far = self.far.keys().next().map(|span| Moment(i64::from(*span) * SPAN));
        match (near, far) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Takes one entry whose deadline has come by `now`. `deadline` tells the present deadline of a slot; entries whose deadline
    /// has moved later are put back there, those without one are dropped.
    pub fn pop(&mut self, now: Moment, deadline: impl Fn(Slot) -> Option<Moment>) -> Option<(Moment, Slot)> {
        self.approach(now, &deadline);
        while let Some(Reverse((at, slot))) = self.near.peek().copied() {
            if at > now {
                return None;
            }
            self.near.pop();
            if self.noted[slot as usize] != span(at) {
                continue;
            }
            self.noted[slot as usize] = NONE;
            match deadline(slot) {
                Some(present) if present <= now => return Some((present, slot)),
                Some(present) => self.insert(present, slot),
                None => {}
            }
        }
        None
    }

    /// Moves the buckets that have begun into the heap, each entry by its present deadline.
    fn approach(&mut self, now: Moment, deadline: &impl Fn(Slot) -> Option<Moment>) {
        self.horizon = self.horizon.max(span(now).saturating_add(1));
        while let Some(bucket) = self.far.first_entry() {
            let begun = *bucket.key();
            if begun > span(now) {
                break;
            }
            let mut left = bucket.remove();
            while let Some(slot) = self.links.pop(&mut left) {
                if self.noted[slot as usize] != begun {
                    continue;
                }
                self.noted[slot as usize] = NONE;
                if let Some(at) = deadline(slot) {
                    self.insert(at, slot);
                }
            }
        }
    }
}

/// The span of an instant; the first of all for what lies before them, the last for what lies behind.
fn span(at: Moment) -> Span {
    at.0.div_euclid(SPAN).clamp(0, i64::from(NONE) - 1) as Span
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeSet, HashMap};

    proptest! {
        /// The wheel hands out what an ordered set of (deadline, slot) would, whatever moves where in between.
        #[test]
        fn the_wheel_is_an_ordered_set(steps in prop::collection::vec((0u32..20, 0i64..90_000, any::<bool>()), 1..200)) {
            let mut wheel = Wheel::default();
            let mut truth: HashMap<Slot, Moment> = HashMap::new();
            let mut now = Moment(0);
            for (slot, delta, advance) in steps {
                if advance {
                    now = now.plus(delta);
                    let mut seen = BTreeSet::new();
                    while let Some((at, slot)) = wheel.pop(now, |s| truth.get(&s).copied()) {
                        prop_assert_eq!(truth.remove(&slot), Some(at));
                        seen.insert((at, slot));
                    }
                    prop_assert!(truth.values().all(|at| *at > now), "something due was left in the wheel");
                    if let Some(first) = truth.values().min() {
                        let next = wheel.next().expect("something is armed");
                        prop_assert!(next <= *first);
                    }
                } else {
                    let at = now.plus(delta);
                    truth.insert(slot, at);
                    wheel.insert(at, slot);
                    let far: usize = wheel.far.values().map(|bucket| wheel.links.count(bucket)).sum();
                    prop_assert!(wheel.near.len() + far < 400, "entries pile up");
                }
            }
        }
    }

    #[test]
    fn what_a_start_tells_comes_when_it_is_time_once_that_is_over() {
        let mut wheel = Wheel::default();
        let at = |slot: Slot| Moment(1_000_000 - i64::from(slot % 7) * 5_000);
        (0..40).for_each(|slot| wheel.restore(at(slot), slot));
        assert_eq!(wheel.next(), None);
        wheel.settle();
        let deadline = |slot| Some(at(slot));
        let mut came: Vec<(Moment, Slot)> = Vec::new();
        for now in (900_000..1_000_001).step_by(1_000) {
            came.extend(std::iter::from_fn(|| wheel.pop(Moment(now), deadline)));
        }
        let mut expected: Vec<(Moment, Slot)> = (0..40).map(|slot| (at(slot), slot)).collect();
        expected.sort_unstable();
        assert_eq!(came, expected);
    }

    #[test]
    fn deadlines_beyond_all_spans_are_held_and_come_when_it_is_time() {
        let (first, last) = (Moment(i64::MIN), Moment(i64::MAX));
        let mut wheel = Wheel::default();
        wheel.insert(last, 1);
        wheel.insert(first, 2);
        let deadline = |slot| Some(if slot == 1 { last } else { first });
        assert_eq!(wheel.pop(Moment(0), deadline), Some((first, 2)));
        assert_eq!(wheel.pop(Moment(1 << 50), deadline), None);
        assert_eq!(wheel.pop(last, deadline), Some((last, 1)));
    }

    #[test]
    fn a_clock_set_back_strands_nothing() {
        let mut wheel = Wheel::default();
        wheel.insert(Moment(50_000), 1);
        assert_eq!(wheel.pop(Moment(40_000), |_| Some(Moment(50_000))), None);
        wheel.insert(Moment(10_000), 2);
        assert_eq!(wheel.pop(Moment(20_000), |s| Some(Moment(if s == 1 { 50_000 } else { 10_000 }))), Some((Moment(10_000), 2)));
        assert_eq!(wheel.pop(Moment(50_000), |_| Some(Moment(50_000))), Some((Moment(50_000), 1)));
    }
}
