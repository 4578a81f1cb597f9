//! Many seeds, and the same twice; every sabotage noticed; every fault met in every phase; every seed that ever failed, again.
//!
//! `REENGAGED_SEED=n` lives one seed through, with its trace; `REENGAGED_LONG=1` lives many more.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::sabotage::Sabotage;
use super::*;

/// Seeds of an ordinary run.
const SEEDS: u64 = 2_000;
/// Seeds of a long one.
const MANY: u64 = 10_000;
/// Seeds within which a sabotage has to be noticed.
const NOTICED: u64 = 400;

/// A fault that meets conversations in every phase must have met them in each of these.
const PHASES: [&str; 6] = ["quiet", "waiting", "sending", "retrying", "answering", "finished"];
/// Faults that can strike at any time.
const FAULTS: [&str; 16] = [
    "crash",
    "prefix survives",
    "flush failed",
    "long down",
    "stop",
    "clock ahead",
    "clock back",
    "reload",
    "pause",
    "operator's word",
    "accepted",
    "busy",
    "refused",
    "stopped",
    "throttled",
    "lost answer",
];
/// What must have happened at all.
const HAPPENED: [&str; 24] = [
    "arrived",
    "disorder",
    "doubt settled by status",
    "erase",
    "hook dead",
    "hook taken",
    "late",
    "ledger ahead",
    "line stopped",
    "line tried",
    "lost ack",
    "lost call",
    "probe",
    "probe in vain",
    "resend",
    "resend answered",
    "invitation answered",
    "invitation refused",
    "restore",
    "retention",
    "stopped at the door",
    "duplicate answered",
    "question answered",
    "questionnaire completed",
];

fn variable(name: &str) -> Option<String> {
    #[allow(clippy::disallowed_methods, reason = "a test is told by its environment how long to run")]
    std::env::var(name).ok()
}

/// The first 64 bits of the commit, so that every commit looks where no other has.
fn seed_of_the_commit() -> Option<u64> {
    let git = std::process::Command::new("git").args(["rev-parse", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    u64::from_str_radix(std::str::from_utf8(&git.stdout).ok()?.get(..16)?, 16).ok()
}

/// Does something with every number, on every core.
fn side_by_side(numbers: &[u64], work: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    work(*number);
                }
            });
        }
    });
}

/// A failure, told with its trace; living the seed again has to fail in the same way.
fn told(failure: &Failure) -> String {
    match live(failure.seed, true) {
        Err(again) if again.broken == failure.broken && again.turn == failure.turn => again.to_string(),
        other => format!("{failure}\nand then, with the same seed, something else: {other:?}"),
    }
}

#[test]
fn many_seeds_keep_every_promise_and_meet_every_fault() {
    let seeds: Vec<u64> = match variable("REENGAGED_SEED").map(|seed| seed.parse().expect("REENGAGED_SEED is a number")) {
        Some(seed) => vec![seed],
        None if variable("REENGAGED_LONG").is_some() => (0..MANY).chain(seed_of_the_commit()).collect(),
        None => (0..SEEDS).chain(seed_of_the_commit()).collect(),
    };
    let (tally, failures) = (Mutex::new(Tally::default()), Mutex::new(BTreeMap::new()));
    side_by_side(&seeds, |seed| match live(seed, false) {
        Ok(lived) => tally.lock().unwrap().add(&lived.tally),
        Err(failure) => drop(failures.lock().unwrap().insert(seed, failure)),
    });
    let failures = failures.into_inner().unwrap();
    if let Some(first) = failures.values().next() {
        let others: Vec<u64> = failures.keys().skip(1).copied().collect();
        panic!("{} of {} seeds broke a promise; the first:\n{}\nthe others: {others:?}", failures.len(), seeds.len(), told(first));
    }
    let tally = tally.into_inner().unwrap();
    println!("{} turns: {:?}", tally.turns, tally.counts);
    if seeds.len() > 1 {
        let pairs = FAULTS.iter().flat_map(|fault| PHASES.iter().map(move |phase| (*fault, *phase)));
        let missed: Vec<_> = pairs.filter(|pair| !tally.pairs.contains(pair)).collect();
        let never: Vec<_> = HAPPENED.iter().filter(|what| !tally.counts.contains_key(**what)).collect();
        assert!(missed.is_empty() && never.is_empty(), "no seed ever met {missed:?}, {never:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in (0..40).chain(seed_of_the_commit()) {
        let lived = live(seed, false).unwrap_or_else(|failure| panic!("{}", told(&failure)));
        assert_eq!(Some(lived), live(seed, true).ok(), "seed {seed}");
    }
}

#[test]
fn seeds_that_once_failed_do_not_fail_again() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds.txt");
    let text = std::fs::read_to_string(path).expect("tests/seeds.txt is there");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let seeds: Vec<u64> = lines.map(|line| line.split_whitespace().next().and_then(|seed| seed.parse().ok()).expect(line)).collect();
    assert!(!seeds.is_empty());
    side_by_side(&seeds, |seed| {
        live(seed, false).unwrap_or_else(|failure| panic!("{}", told(&failure)));
    });
}

/// The promise that a sabotage broke, if it was noticed.
fn noticed(sabotage: Sabotage, seed: u64) -> Option<&'static str> {
    let lived = std::panic::catch_unwind(|| {
        let mut world = World::new(seed, false);
        world.sabotage(sabotage);
        run(&mut world, seed).err().map(|failure| failure.broken.promise)
    });
    lived.unwrap_or(Some("Nothing panics."))
}

#[test]
fn every_sabotage_is_noticed() {
    let all: Vec<u64> = (0..Sabotage::ALL.len() as u64).collect();
    let (report, missed) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    let long = variable("REENGAGED_LONG").is_some();
    side_by_side(&all, |number| {
        let sabotage = Sabotage::ALL[number as usize];
        let first = (0..NOTICED).find_map(|seed| noticed(sabotage, seed).map(|promise| (seed, promise)));
        let hits = || (0..NOTICED).filter(|seed| noticed(sabotage, *seed).is_some()).count();
        let rate = long.then(|| format!("{:.1} %", hits() as f64 * 100.0 / NOTICED as f64));
        match first {
            Some(first) => drop(report.lock().unwrap().insert(format!("{sabotage:?}"), (first, rate))),
            None => missed.lock().unwrap().push(sabotage),
        }
    });
    println!("{:#?}", report.into_inner().unwrap());
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "{NOTICED} seeds did not notice {missed:?}");
}
