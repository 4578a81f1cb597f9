//! The engine moves conversations through ports: it decides, keeps and claims, and knows neither sockets nor files.
//!
//! Not a clock: every verb is told `now`. Not a thread: the daemon and the simulator drive the same verbs.

pub mod approval;
mod asking;
pub mod book;
pub mod compose;
mod control;
mod core;
pub mod counters;
pub mod courier;
pub mod desk;
mod fire;
mod foresee;
pub mod group;
pub mod guard;
mod health;
pub mod heard;
pub mod hot;
pub mod identities;
pub mod inbounds;
pub mod inboxes;
mod ingest;
mod inspect;
mod invite;
mod orphans;
pub mod outgoing;
pub mod pace;
mod pacing;
mod people;
pub mod picks;
pub mod ports;
pub mod reads;
pub mod record;
mod recover;
pub mod registry;
pub mod request;
pub mod room;
mod status;
pub mod tables;
pub mod template;
mod templates;
pub mod upkeep;
pub mod wheel;

#[cfg(test)]
#[path = "../../tests/it/samples.rs"]
pub(crate) mod samples;

#[cfg(any(test, feature = "failpoints"))]
pub(crate) mod bend;

pub use core::Engine;
