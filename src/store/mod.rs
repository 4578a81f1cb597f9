//! Where conversations are kept: one contract ([`crate::engine::ports::Store`]), several places.
//!
//! Not the contract and not the engine's decisions: a store keeps what it is told, in order, and tells it again.

mod memory;
mod model;
mod sends;

pub use memory::MemoryStore;
