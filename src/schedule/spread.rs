//! Spread: a stable place for each key inside a span, so that a weekend does not land on one second.
//!
//! Not chance: the same key gives the same place for ever (golden values below).

/// One round of splitmix64: every bit of the key moves every bit of the result.
#[must_use]
pub(super) const fn mix(key: u64) -> u64 {
    let mut z = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The place of a key in `0 .. span` milliseconds; 0 where the span is empty.
#[must_use]
pub(super) const fn place(key: u64, span: i64) -> i64 {
    if span <= 0 {
        return 0;
    }
    // The high half of the product: even over any span, without a division.
    ((mix(key) as u128 * span as u128) >> 64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_places_never_move() {
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!([0, 1, 2, u64::MAX].map(|key| place(key, 600_000)), GOLDEN);
        assert_eq!(place(7, 0), 0);
        assert_eq!(place(7, -5), 0);
        assert_eq!(place(7, 1), 0);
    }

    const GOLDEN: [i64; 4] = [529_986, 339_936, 354_713, 536_365];

    #[test]
    fn a_weekend_does_not_land_on_one_second() {
        let mut seconds = [0u32; 600];
        for key in 0..6_000 {
            seconds[(place(key, 600_000) / 1_000) as usize] += 1;
        }
        assert!(*seconds.iter().max().unwrap() < 40, "ten a second on average");
    }
}
