//! The real binary, killed under load in every way and at every place, and judged by what was acknowledged and what was handed over.
//!
//! Not the logic, which the simulator has; and not single faults of the disk. A failure names its seed: `REENGAGED_SEED` makes the same
//! choices again. `REENGAGED_KILLS` says how many kills there are at least; without it a bounded number, more in the long form.

mod chance;
mod checker;
mod dice;
mod ends;
mod history;
mod load;
mod points;
mod power;
mod provider;
mod sabotage;
mod stage;

/// A number from the environment.
#[allow(clippy::disallowed_methods, reason = "an order to the tests, not configuration")]
fn ordered(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seed of this run: ordered, or of the moment.
fn seed() -> u64 {
    ordered("REENGAGED_SEED").unwrap_or_else(|| reengaged::clock::Clock::system().wall().0 as u64)
}
