//! The engine moves conversations through ports: it decides, keeps and claims, and knows neither sockets nor files.
//!
//! Not a clock: every verb is told `now`. Not a thread: the daemon and the simulator drive the same verbs.

pub mod book;
pub mod desk;
pub mod guard;
pub mod ports;
pub mod record;
pub mod request;
