//! The trail: why a decision came out as it did, as data, written in the same pass as the decision.
//!
//! Not a log and not text: a reason is a few numbers, and becomes a sentence only when somebody reads it.

use super::Reason;
use crate::moment::Moment;
use std::fmt;

/// How many reasons a trail holds. A decision of `plan` writes at most six; the rest is room for the conversation.
pub const TRAIL_LEN: usize = 10;

/// The reasons of one decision, in the order in which they were applied. Copied whole, no heap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Trail {
    len: u8,
    list: [Reason; TRAIL_LEN],
}

impl Trail {
    const NOTHING: Reason = Reason::Disabled { at: Moment(0) };

    /// An empty trail.
    #[must_use]
    pub const fn new() -> Trail {
        Trail { len: 0, list: [Trail::NOTHING; TRAIL_LEN] }
    }

    /// Adds a reason. A full trail keeps its beginning and replaces its last reason: how it started and how it ended matter most.
    pub fn push(&mut self, reason: Reason) {
        let index = usize::from(self.len).min(TRAIL_LEN - 1);
        self.list[index] = reason;
        self.len = index as u8 + 1;
    }

    /// The reasons, in the order in which they were applied.
    pub fn iter(&self) -> std::slice::Iter<'_, Reason> {
        self.list[..usize::from(self.len).min(TRAIL_LEN)].iter()
    }

    /// How many reasons there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The last reason.
    #[must_use]
    pub fn last(&self) -> Option<&Reason> {
        self.iter().next_back()
    }
}

impl Default for Trail {
    fn default() -> Trail {
        Trail::new()
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for &'a Trail {
    type Item = &'a Reason;
    type IntoIter = std::slice::Iter<'a, Reason>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_trail_keeps_its_beginning_and_its_end() {
        let mut trail = Trail::new();
        for attempt in 0..20 {
            trail.push(Reason::Retry { at: Moment(0), attempt });
        }
        assert_eq!(trail.len(), TRAIL_LEN);
        assert_eq!(*trail.iter().next().unwrap(), Reason::Retry { at: Moment(0), attempt: 0 });
        assert_eq!(*trail.last().unwrap(), Reason::Retry { at: Moment(0), attempt: 19 });
    }
}
