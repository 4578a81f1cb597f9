//! The engine moves conversations through ports: it decides, keeps and claims, and knows neither sockets nor files.
//!
//! Not a clock: every verb is told `now`. Not a thread: the daemon and the simulator drive the same verbs.

pub mod book;
pub mod compose;
mod control;
mod core;
pub mod counters;
pub mod courier;
pub mod desk;
mod fire;
pub mod group;
pub mod guard;
pub mod heard;
mod ingest;
mod inspect;
pub mod pace;
pub mod ports;
pub mod reads;
pub mod record;
pub mod request;
pub mod tables;
pub mod template;
pub mod upkeep;
pub mod wheel;

pub use core::Engine;
