//! What the buckets of the wheel are made of: short links of one long vector, strung together.
//!
//! Not a vector for each bucket: ten thousand of them, growing side by side, leave a third of their room empty, and holes where they grew.

use crate::engine::wheel::Slot;

/// Slots in a link: with the number of the next, one cache line.
const SHARE: usize = 15;
/// The number of no link.
const NONE: u32 = u32::MAX;

/// Some slots of a bucket.
#[derive(Clone, Copy, Debug)]
struct Link {
    slots: [Slot; SHARE],
    next: u32,
}

/// The slots of one bucket: the last put in comes out first.
#[derive(Debug)]
pub(super) struct Chain {
    /// The link that is being filled; those behind it are full.
    first: u32,
    /// How many slots are in it.
    filled: u32,
}

impl Default for Chain {
    fn default() -> Chain {
        Chain { first: NONE, filled: 0 }
    }
}

/// The links of all buckets.
#[derive(Debug)]
pub(super) struct Links {
    links: Vec<Link>,
    /// The first of those that no bucket has.
    free: u32,
}

impl Default for Links {
    fn default() -> Links {
        Links { links: Vec::new(), free: NONE }
    }
}

impl Links {
    /// Puts a slot into a bucket.
    pub(super) fn push(&mut self, chain: &mut Chain, slot: Slot) {
        if chain.first == NONE || chain.filled as usize == SHARE {
            *chain = Chain { first: self.take(chain.first), filled: 0 };
        }
        self.links[chain.first as usize].slots[chain.filled as usize] = slot;
        chain.filled += 1;
    }

    /// Takes a slot out of a bucket; `None` where it is empty. Its link is free again when the last of it is out.
    pub(super) fn pop(&mut self, chain: &mut Chain) -> Option<Slot> {
        if chain.first == NONE {
            return None;
        }
        let link = &mut self.links[chain.first as usize];
        chain.filled -= 1;
        let slot = link.slots[chain.filled as usize];
        if chain.filled == 0 {
            let next = std::mem::replace(&mut link.next, self.free);
            self.free = std::mem::replace(&mut chain.first, next);
            chain.filled = SHARE as u32;
        }
        Some(slot)
    }

    /// An empty link before `next`.
    fn take(&mut self, next: u32) -> u32 {
        if self.free == NONE {
            self.links.push(Link { slots: [0; SHARE], next });
            return (self.links.len() - 1) as u32;
        }
        let link = &mut self.links[self.free as usize];
        std::mem::replace(&mut self.free, std::mem::replace(&mut link.next, next))
    }

    /// How many slots are in a bucket.
    #[cfg(test)]
    pub(super) fn count(&self, chain: &Chain) -> usize {
        let next = |link: &u32| Some(self.links[*link as usize].next).filter(|next| *next != NONE);
        let links = std::iter::successors(Some(chain.first).filter(|first| *first != NONE), next).count();
        (links * SHARE + chain.filled as usize).saturating_sub(SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Buckets are stacks of their own, and what they leave is used again.
        #[test]
        fn buckets_are_stacks(steps in prop::collection::vec((0usize..3, any::<Slot>(), 0u8..5), 0..300)) {
            let mut links = Links::default();
            let (mut chains, mut truth): ([Chain; 3], [Vec<Slot>; 3]) = Default::default();
            let mut most = [0; 3];
            for (which, slot, what) in steps {
                if what < 3 {
                    links.push(&mut chains[which], slot);
                    truth[which].push(slot);
                    most[which] = most[which].max(truth[which].len().div_ceil(SHARE));
                } else {
                    prop_assert_eq!(links.pop(&mut chains[which]), truth[which].pop());
                }
                prop_assert_eq!(links.count(&chains[which]), truth[which].len());
            }
            prop_assert!(links.links.len() <= most.iter().sum(), "links are not used again");
            for (chain, truth) in chains.iter_mut().zip(&mut truth) {
                while let Some(slot) = truth.pop() {
                    prop_assert_eq!(links.pop(chain), Some(slot));
                }
                prop_assert_eq!(links.pop(chain), None);
            }
        }
    }
}
