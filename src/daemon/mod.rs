//! The daemon: configuration, clock, store, providers, hooks, engine and servers, put together and taken apart.
//!
//! Not a decision: when and whether something is sent is the engine's. This is the only place where the edges meet.

mod commit;
mod deliver;
mod wakeups;
