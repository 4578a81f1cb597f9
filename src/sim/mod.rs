//! The simulator: the real engine on a store in memory, in a world of virtual time whose every turn one seed decides.
//!
//! Not a model of the engine: the verbs it drives are those the daemon drives. What the outside does to them (networks,
//! providers, operators, clocks, crashes) is drawn, and the promises are asked after every turn. The same seed, the same trace.

#[cfg(test)]
mod bell;
mod broken;
mod carrier;
mod checks;
mod dice;
mod facts;
mod lines;
mod network;
mod operator;
mod outbound;
mod people;
mod process;
#[cfg(test)]
mod sabotage;
mod setup;
mod tally;
#[cfg(test)]
mod tests;
mod weather;
mod witness;
mod work;
mod world;

use std::fmt;

pub mod rehearse;

pub use broken::Broken;
pub use dice::Dice;
pub use tally::Tally;
pub use weather::Weather;
use world::World;

/// A seed whose run broke a promise.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The turn at which it was seen.
    pub turn: u64,
    /// The promise, and what was seen.
    pub broken: Broken,
    /// What happened up to then, where it was traced.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.trace.iter().skip(self.trace.len().saturating_sub(3000)) {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {}, turn {}: {}", self.seed, self.turn, self.broken)?;
        write!(f, "replay it with: reengaged simulate --faults --seed {}", self.seed)
    }
}

/// A seed lived through without a broken promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lived {
    /// What it met.
    pub tally: Tally,
    /// A number that stands for its whole trace: equal seeds, equal prints.
    pub print: u64,
}

/// Lives a seed through, faults and all.
///
/// # Errors
/// The first promise that did not hold.
pub fn live(seed: u64, traced: bool) -> Result<Lived, Box<Failure>> {
    run(&mut World::new(seed, traced), seed)
}

fn run(world: &mut World, seed: u64) -> Result<Lived, Box<Failure>> {
    match world.run() {
        Ok(print) => Ok(Lived { tally: world.tally.clone(), print }),
        Err(broken) => Err(Box::new(Failure { seed, turn: world.tally.turns, broken, trace: world.trace().to_vec() })),
    }
}
