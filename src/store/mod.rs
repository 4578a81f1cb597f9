//! Where conversations are kept: one contract ([`crate::engine::ports::Store`]), several places.
//!
//! Not the contract and not the engine's decisions: a store keeps what it is told, in order, and tells it again.

mod codec;
mod memory;
mod model;
#[cfg(test)]
#[path = "../../tests/it/samples.rs"]
mod samples;
mod sends;

pub use memory::MemoryStore;
