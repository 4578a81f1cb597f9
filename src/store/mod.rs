//! Where conversations are kept: one contract ([`crate::engine::ports::Store`]), several places.
//!
//! Not the contract and not the engine's decisions: a store keeps what it is told, in order, and tells it again.

#[cfg(test)]
#[path = "../../tests/it/answers.rs"]
mod answers;
mod backup;
mod check;
mod codec;
mod files;
mod ledger;
mod memory;
mod model;
#[cfg(any(test, fuzzing))]
pub mod probes;
mod sends;
mod sled;

#[cfg(test)]
use crate::engine::samples;

pub use backup::Progress;
pub use check::{Checked, Damage};
pub use memory::MemoryStore;
pub use sled::{Backed, OpenOptions, RestoredStore, SledStore};
