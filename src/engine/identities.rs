//! Identities of events, by the day on which they came in: nine days of them, of which most are asked for and few are found.
//!
//! Not a cache: every identity that was noted is found until its day is over. What comes in goes to a hash set; when that is a ninth of
//! its day, or the day is over, it is sorted in, and takes eleven bytes an identity: the first eighty bits of it, of which no two
//! identities are the same by chance (of a hundred million, once in 10^8 times), with a directory, since they are keyed hashes and
//! spread evenly.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use crate::id::EventKey;
use crate::limits;
use crate::moment::{DAY, Moment};

/// Identities kept, by day.
#[derive(Debug, Default)]
pub struct Identities {
    days: BTreeMap<i64, Day>,
}

/// The identities of a day.
#[derive(Debug, Default)]
struct Day {
    sorted: Sorted,
    /// Those that came since it was last sorted.
    fresh: Fresh,
    /// Those that a start was told, until it is over.
    told: Vec<Key>,
}

impl Identities {
    /// The day of an instant, counted from the epoch.
    #[must_use]
    pub fn day(at: Moment) -> i64 {
        at.0.div_euclid(DAY)
    }

    /// Whether this event was seen.
    #[must_use]
    pub fn seen(&self, key: EventKey) -> bool {
        self.days.values().rev().any(|day| day.fresh.contains(key.0) || day.sorted.contains(key.0))
    }

    /// Notes that it was seen on this day. The first of a new day has the days before it sorted.
    pub fn note(&mut self, key: EventKey, day: i64) {
        if !self.days.contains_key(&day) {
            self.days.range_mut(..day).for_each(|(_, before)| before.sort(Vec::new()));
        }
        let day = self.days.entry(day).or_default();
        if !day.sorted.contains(key.0) {
            day.fresh.insert(key.0);
            if day.fresh.keys.len() > FRESH.max(day.sorted.keys.len() / 8) {
                day.sort(Vec::new());
            }
        }
    }

    /// Takes in what a store kept. Not found before [`Identities::settle`] was called.
    pub fn restore(&mut self, identity: EventKey, day: i64) {
        self.days.entry(day).or_default().told.push(key(identity.0));
    }

    /// Sorts in what a store kept: once, when all of it was told.
    pub fn settle(&mut self) {
        for day in self.days.values_mut() {
            let told = std::mem::take(&mut day.told);
            day.sort(told);
        }
    }

    /// Forgets the days that are over; answers the last day forgotten, where any was.
    pub fn forget(&mut self, now: Moment) -> Option<i64> {
        let last = Identities::day(now) - limits::IDENTITY_DAYS - 1;
        let kept = self.days.split_off(&(last + 1));
        let forgotten = std::mem::replace(&mut self.days, kept);
        (!forgotten.is_empty()).then_some(last)
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.days.values().map(|day| day.sorted.keys.len() + day.fresh.keys.len()).sum()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }
}

/// Identities that are not sorted in, at least.
const FRESH: usize = 32_768;

impl Day {
    /// Sorts in what is fresh, and `told`.
    fn sort(&mut self, told: Vec<Key>) {
        let mut fresh = told;
        fresh.extend(std::mem::take(&mut self.fresh).keys);
        if !fresh.is_empty() {
            fresh.sort_unstable();
            let mut keys = std::mem::take(&mut self.sorted).keys;
            match keys.is_empty() {
                true => keys = fresh,
                false => {
                    keys.reserve_exact(fresh.len());
                    keys.extend(fresh);
                }
            }
            self.sorted = Sorted::of(keys);
        }
    }
}

/// What is kept of a key: its first bits.
type Key = [u16; 5];

fn key(key: u128) -> Key {
    [112, 96, 80, 64, 48].map(|shift| (key >> shift) as u16)
}

/// The first bits of a key.
fn first(key: &Key) -> u32 {
    u32::from(key[0]) << 16 | u32::from(key[1])
}

/// Keys in a hash table. They are hashes themselves.
#[derive(Debug, Default)]
struct Fresh {
    keys: HashTable<Key>,
}

impl Fresh {
    fn contains(&self, wanted: u128) -> bool {
        let wanted = key(wanted);
        self.keys.find(hash(&wanted), |known| *known == wanted).is_some()
    }

    fn insert(&mut self, new: u128) {
        let new = key(new);
        self.keys.entry(hash(&new), |known| *known == new, hash).or_insert(new);
    }
}

fn hash(key: &Key) -> u64 {
    let middle = u64::from(key[2]) << 32 | u64::from(key[3]) << 16 | u64::from(key[4]);
    (u64::from(first(key)) << 16 ^ middle).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// How many keys share an entry of the directory, about.
const SHARE: usize = 12;

/// Keys in order, with where those begin that share their first bits.
#[derive(Debug, Default)]
struct Sorted {
    keys: Vec<Key>,
    /// For each value of the first bits, the place of its first key.
    begins: Vec<u32>,
    /// How far a key is shifted to leave its first bits.
    shift: u32,
}

impl Sorted {
    fn of(mut keys: Vec<Key>) -> Sorted {
        // Two runs, of which the first is sorted: this sort sees that.
        keys.sort();
        keys.dedup();
        keys.shrink_to_fit();
        let bits = (keys.len() / SHARE).max(1).next_power_of_two().ilog2().max(1);
        let shift = 32 - bits;
        let mut begins = Vec::with_capacity(1 << bits);
        for (place, key) in keys.iter().enumerate() {
            // More than four thousand million in a day would not be kept anyhow.
            begins.resize(begins.len().max((first(key) >> shift) as usize + 1), place as u32);
        }
        begins.resize(1 << bits, keys.len() as u32);
        Sorted { keys, begins, shift }
    }

    fn contains(&self, wanted: u128) -> bool {
        if self.keys.is_empty() {
            return false;
        }
        let wanted = key(wanted);
        let at = (first(&wanted) >> self.shift) as usize;
        let (from, to) = (self.begins[at] as usize, self.begins.get(at + 1).map_or(self.keys.len(), |next| *next as usize));
        self.keys[from..to].binary_search(&wanted).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap as Truth;

    fn spread(n: u128) -> EventKey {
        EventKey(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    #[test]
    fn identities_are_kept_nine_days() {
        let mut identities = Identities::default();
        let day = |n: i64| Moment(n * DAY);
        identities.note(spread(1), Identities::day(day(100)));
        identities.note(spread(2), Identities::day(day(101)));
        assert!(identities.seen(spread(1)) && !identities.seen(spread(3)));
        assert_eq!(identities.forget(day(109)), None);
        assert!(identities.seen(spread(1)), "nine days are not over");
        assert_eq!(identities.forget(day(110)), Some(100));
        assert_eq!((identities.seen(spread(1)), identities.seen(spread(2)), identities.len()), (false, true, 1));
        assert_eq!(identities.forget(Moment(111 * DAY + DAY - 1)), Some(101));
        assert!(identities.is_empty());
        assert_eq!(Identities::day(Moment(-1)), -1);
    }

    #[test]
    fn what_a_start_is_told_is_found_once_it_is_over() {
        let mut identities = Identities::default();
        [(3, 7), (1, 7), (3, 7), (2, 8)].into_iter().for_each(|(key, day)| identities.restore(spread(key), day));
        identities.settle();
        assert!((1..4).all(|n| identities.seen(spread(n))) && !identities.seen(spread(4)));
        assert_eq!(identities.len(), 3);
        identities.note(spread(4), 8);
        assert!(identities.seen(spread(4)));
    }

    #[test]
    fn many_of_one_day_are_sorted_in_while_they_come() {
        let mut identities = Identities::default();
        (0..100_000).for_each(|n| identities.note(spread(n), 5));
        assert_eq!(identities.len(), 100_000);
        assert!((0..100_000).all(|n| identities.seen(spread(n))) && !(100_000..110_000).any(|n| identities.seen(spread(n))));
        assert!(identities.days[&5].fresh.keys.len() <= FRESH && identities.days[&5].sorted.keys.len() > FRESH);
    }

    proptest! {
        /// What was noted is seen, once in each day, however the days come; what was not is not.
        #[test]
        fn identities_are_a_set_for_each_day(notes in prop::collection::vec((0u128..40, 0i64..4), 0..200), high: bool) {
            let spread = |key: u128| EventKey(if high { key << 120 | key << 48 } else { key << 48 });
            let (mut identities, mut truth) = (Identities::default(), Truth::<i64, std::collections::BTreeSet<u128>>::new());
            for (key, day) in notes {
                identities.note(spread(key), day);
                truth.entry(day).or_default().insert(key);
                prop_assert!(identities.seen(spread(key)));
            }
            prop_assert_eq!(identities.len(), truth.values().map(|day| day.len()).sum::<usize>());
            for key in 0..50 {
                prop_assert_eq!(identities.seen(spread(key)), truth.values().any(|day| day.contains(&key)));
            }
        }
    }
}
