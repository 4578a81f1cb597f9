//! Chance, from one seed: the only random generator of the program, and it lives in the simulator alone.
//!
//! Not for keys and not for spread: those are functions of what they name.

/// A stream of numbers that a seed decides (splitmix64).
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The stream of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        let mut dice = Dice { state: seed ^ 0x6a09_e667_f3bc_c908 };
        // Neighbouring seeds part company at once.
        dice.state = dice.next();
        dice
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait, reason = "a stream without end, and not an iterator")]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 where `n` is 0. The bias is below one in 2^32 for what is asked here.
    pub fn below(&mut self, n: usize) -> usize {
        (((self.next() >> 32) * n as u64) >> 32) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.saturating_sub(low).max(0) as u64;
        low + (self.next() % (span + 1)) as i64
    }

    /// A length of time from `low` to `high` milliseconds, short ones as likely as long ones: even over orders of magnitude.
    pub fn stretch(&mut self, low: i64, high: i64) -> i64 {
        let (low, high) = (low.max(1) as f64, high.max(1) as f64);
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (low * (high / low).powf(unit)) as i64
    }

    /// True `percent` times in a hundred.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.per_mille(percent * 10)
    }

    /// True so many times in a thousand.
    pub fn per_mille(&mut self, per_mille: u32) -> bool {
        self.below(1_000) < per_mille as usize
    }

    /// One of these; they are never none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
