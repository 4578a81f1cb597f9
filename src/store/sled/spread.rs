//! A set of numbers in order, in few more bytes than tell them apart.
//!
//! Not for any numbers: their first bits are spread evenly, as those of keyed hashes are.

/// At most about so many numbers share a bucket.
const SHARE: usize = 96;
/// So many buckets are laid anew together: more than an allocator keeps at hand of one size, so that it looks for room.
const ANEW: usize = 1_024;

/// A set of numbers whose first bits are spread evenly, in order: small sorted buckets by their first bits, which stand nowhere else.
#[derive(Debug, Default)]
pub(super) struct Spread {
    /// In each, the numbers of a bucket one behind the other without the bits that all of them begin with, first bytes first.
    buckets: Vec<Vec<u8>>,
    /// How many first bits tell the bucket.
    bits: u32,
    len: usize,
    /// Buckets that got more room since some were laid anew, and which of them is the next to be.
    moved: usize,
    next: usize,
}

impl Spread {
    /// Of these numbers, in any order.
    pub(super) fn of(mut entries: Vec<u64>) -> Spread {
        entries.sort_unstable();
        entries.dedup();
        let bits = (entries.len() / SHARE).max(1).next_power_of_two().ilog2();
        let mut spread = Spread { buckets: vec![Vec::new(); 1 << bits], bits, len: entries.len(), ..Spread::default() };
        for some in entries.chunk_by(|a, b| bucket(*a, bits) == bucket(*b, bits)) {
            spread.buckets[bucket(some[0], bits)] = packed(some, width(bits));
        }
        spread
    }

    /// How many numbers are in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn contains(&self, entry: u64) -> bool {
        !self.buckets.is_empty() && self.find(entry).is_ok()
    }

    pub(super) fn insert(&mut self, entry: u64) {
        if self.len >= self.buckets.len() * SHARE {
            self.grow();
        }
        if let Err(at) = self.find(entry) {
            let width = width(self.bits);
            let bytes = &mut self.buckets[bucket(entry, self.bits)];
            if bytes.len() == bytes.capacity() {
                // Not doubled: most of what is kept would be empty.
                bytes.reserve_exact(room(bytes.len() / width) * width);
                self.moved += 1;
            }
            bytes.splice(at * width..at * width, last(entry, width));
            self.len += 1;
        }
        if self.moved >= ANEW {
            self.lay_anew();
        }
    }

    /// Lays the next buckets of a round anew, as they are. All of them outgrow a size at about the same time, and the few that do not
    /// would keep nearly all the pages of that size: some 40 MB at ten million. Laid anew, they go together.
    fn lay_anew(&mut self) {
        let until = (self.next + ANEW).min(self.buckets.len());
        let some = &mut self.buckets[self.next..until];
        let mut anew: Vec<Vec<u8>> = some.iter().map(again).collect();
        // Only now is the room free that they had.
        some.swap_with_slice(&mut anew);
        self.next = if until == self.buckets.len() { 0 } else { until };
        self.moved = 0;
    }

    pub(super) fn remove(&mut self, entry: u64) {
        if self.buckets.is_empty() {
            return;
        }
        if let Ok(at) = self.find(entry) {
            let width = width(self.bits);
            self.buckets[bucket(entry, self.bits)].drain(at * width..(at + 1) * width);
            self.len -= 1;
        }
    }

    /// Everything from a number on, in order.
    pub(super) fn range(&self, from: u64) -> impl Iterator<Item = u64> + '_ {
        let first = bucket(from, self.bits);
        let begin = if self.buckets.is_empty() { 0 } else { self.find(from).unwrap_or_else(|at| at) };
        (first..self.buckets.len()).flat_map(move |bucket| self.of_bucket(bucket, if bucket == first { begin } else { 0 }))
    }

    /// Where a number stands in its bucket, or would.
    fn find(&self, entry: u64) -> Result<usize, usize> {
        let width = width(self.bits);
        let wanted = last_bits(entry, width);
        let bytes = &self.buckets[bucket(entry, self.bits)];
        let (mut from, mut to) = (0, bytes.len() / width);
        while from < to {
            let middle = usize::midpoint(from, to);
            match read(&bytes[middle * width..], width).cmp(&wanted) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(from)
    }

    /// The numbers of a bucket from a place on.
    fn of_bucket(&self, bucket: usize, from: usize) -> impl Iterator<Item = u64> + '_ {
        let width = width(self.bits);
        let first = (bucket as u64).checked_shl(64 - self.bits).unwrap_or(0);
        self.buckets[bucket][from * width..].chunks_exact(width).map(move |bytes| first | last_bits(read(bytes, width), width))
    }

    /// Each bucket becomes two.
    fn grow(&mut self) {
        let bits = if self.buckets.is_empty() { 0 } else { self.bits + 1 };
        let mut buckets = Vec::with_capacity(1 << bits);
        for low in 0..self.buckets.len() {
            let entries: Vec<u64> = self.of_bucket(low, 0).collect();
            let middle = entries.partition_point(|entry| bucket(*entry, bits) == buckets.len());
            buckets.extend([&entries[..middle], &entries[middle..]].map(|some| packed(some, width(bits))));
            self.buckets[low] = Vec::new();
        }
        buckets.resize(1 << bits, Vec::new());
        (self.buckets, self.bits, self.next) = (buckets, bits, 0);
    }

    /// What it takes of memory, in bytes.
    #[cfg(test)]
    pub(super) fn heap(&self) -> usize {
        self.buckets.iter().map(|bytes| bytes.capacity() + size_of::<Vec<u8>>()).sum()
    }
}

fn bucket(entry: u64, bits: u32) -> usize {
    entry.checked_shr(64 - bits).unwrap_or(0) as usize
}

/// Bytes in which a number is told from others of its bucket.
fn width(bits: u32) -> usize {
    (64 - bits).div_ceil(8) as usize
}

/// For how many more numbers there is room beside so many.
fn room(len: usize) -> usize {
    len / 16 + 2
}

fn packed(entries: &[u64], width: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity((entries.len() + room(entries.len())) * width);
    entries.iter().for_each(|entry| bytes.extend(last(*entry, width)));
    bytes
}

/// The same bytes, with the same room, elsewhere.
fn again(bytes: &Vec<u8>) -> Vec<u8> {
    let mut anew = Vec::with_capacity(bytes.capacity());
    anew.extend_from_slice(bytes);
    anew
}

/// The last bytes of a number, the first of them first.
fn last(entry: u64, width: usize) -> impl Iterator<Item = u8> {
    entry.to_be_bytes().into_iter().skip(8 - width)
}

fn last_bits(entry: u64, width: usize) -> u64 {
    entry & (u64::MAX >> (64 - 8 * width))
}

/// The number of which these are the last bytes, and zeros the others.
fn read(bytes: &[u8], width: usize) -> u64 {
    let mut word = [0; 8];
    word[8 - width..].copy_from_slice(&bytes[..width]);
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// A spread is a set in order, however it was made and however its numbers lie.
        #[test]
        fn a_spread_is_a_set_in_order(
            made in prop::collection::vec(any::<u64>(), 0..300),
            steps in prop::collection::vec((any::<u64>(), any::<bool>(), any::<bool>()), 0..600),
            from: u64
        ) {
            let mut truth: BTreeSet<u64> = made.iter().copied().collect();
            let mut spread = Spread::of(made);
            for (entry, crowded, add) in steps {
                let entry = if crowded { entry % 64 } else { entry };
                if add {
                    truth.insert(entry);
                    spread.insert(entry);
                } else {
                    truth.remove(&entry);
                    spread.remove(entry);
                }
                prop_assert_eq!(spread.contains(entry), add);
            }
            prop_assert_eq!(spread.len, truth.len());
            for from in [0, from, from % 64] {
                prop_assert_eq!(spread.range(from).collect::<Vec<_>>(), truth.range(from..).copied().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn many_take_few_bytes_each_and_are_all_found() {
        let nth = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut spread = Spread::default();
        (0..200_000).for_each(|n| spread.insert(nth(n)));
        assert!(spread.heap() <= 200_000 * 9, "{} bytes", spread.heap());
        assert!((0..200_000).all(|n| spread.contains(nth(n))) && !(200_000..300_000).any(|n| spread.contains(nth(n))));
        let sorted = |n: std::ops::Range<u64>| n.map(nth).collect::<BTreeSet<_>>();
        assert!(spread.range(0).eq(sorted(0..200_000)));
        (0..100_000).for_each(|n| spread.remove(nth(n)));
        assert!(spread.range(0).eq(sorted(100_000..200_000)));
        let made = Spread::of((0..200_000).map(nth).collect());
        assert!(made.heap() <= 200_000 * 9 && made.range(0).eq(sorted(0..200_000)));
    }
}
