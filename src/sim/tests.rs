//! Many seeds, and the same twice; every sabotage noticed; every fault met in every phase.

use std::collections::BTreeMap;

use super::sabotage::Sabotage;
use super::*;

#[test]
fn first_look() {
    let from: u64 = std::env::var("FROM").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let n: u64 = std::env::var("SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    let mut all = Tally::default();
    let (mut failed, mut kinds) = (0, BTreeMap::<String, Vec<u64>>::new());
    for seed in from..from + n {
        match std::panic::catch_unwind(|| live(seed, n == 1)) {
            Ok(Ok(lived)) => all.add(&lived.tally),
            Ok(Err(failure)) => {
                failed += 1;
                if n == 1 {
                    eprintln!("{failure}");
                }
                kinds.entry(failure.broken.promise.to_owned()).or_default().push(seed);
                if kinds[failure.broken.promise].len() <= 2 {
                    eprintln!("{seed} @{}: {}", failure.turn, failure.broken);
                }
            }
            Err(_) => kinds.entry("panic".to_owned()).or_default().push(seed),
        }
    }
    eprintln!("{failed} of {n} failed: {kinds:#?}");
    eprintln!("{:#?} {} turns, {} pairs", all.counts, all.turns, all.pairs.len());
}

#[test]
#[ignore]
fn sabotages() {
    let n: u64 = std::env::var("SAB").ok().and_then(|s| s.parse().ok()).unwrap_or(200);
    for sabotage in Sabotage::ALL {
        let (mut first, mut hits, mut how) = (None, 0, BTreeMap::<String, u64>::new());
        for seed in 0..n {
            let broken = std::panic::catch_unwind(|| {
                let mut world = World::new(seed, false);
                world.sabotage(sabotage);
                run(&mut world, seed).err().map(|failure| failure.broken.promise)
            });
            let broken = broken.unwrap_or(Some("panic"));
            if let Some(promise) = broken {
                first.get_or_insert(seed);
                hits += 1;
                *how.entry(promise.to_owned()).or_default() += 1;
            }
        }
        eprintln!("{sabotage:?}: first {first:?}, {} %: {how:?}", hits * 100 / n);
    }
}
