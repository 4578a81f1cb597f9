//! What a run met: how often each thing happened, and which fault met a conversation in which phase.
//!
//! Not a check by itself: a run set that never met a pair proves nothing about it, and the test then fails.

use std::collections::{BTreeMap, BTreeSet};

use crate::conversation::Phase;

/// Counts of one run, or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Turns taken.
    pub turns: u64,
    /// How often each thing happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// Fault and the phase of a conversation that was there when it struck.
    pub pairs: BTreeSet<(&'static str, &'static str)>,
}

impl Tally {
    /// One more of these.
    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// A fault struck while conversations were in these phases.
    pub(super) fn fault(&mut self, fault: &'static str, phases: impl Iterator<Item = Phase>) {
        self.count(fault);
        self.pairs.extend(phases.map(|phase| (fault, phase.as_str())));
    }

    /// Takes another run's counts in.
    pub fn add(&mut self, other: &Tally) {
        self.turns += other.turns;
        for (what, count) in &other.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.pairs.extend(&other.pairs);
    }
}
