//! reengaged: brings people back to the conversation they left.

#[cfg(test)]
extern crate self as reengaged; // so that the generators of tests/it serve the tests in here as well

#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod clock;
#[cfg(feature = "daemon")]
pub mod config;
pub mod conversation;
#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "daemon")]
pub mod demo;
#[cfg(feature = "daemon")]
pub mod engine;
#[cfg(feature = "daemon")]
pub mod hooks;
#[cfg(feature = "daemon")]
pub mod http;
pub mod id;
pub mod limits;
pub mod moment;
#[cfg(feature = "daemon")]
mod points;
#[cfg(feature = "daemon")]
pub mod provider;
pub mod schedule;
#[cfg(feature = "daemon")]
pub mod shapes;
#[cfg(feature = "daemon")]
pub mod sim;
#[cfg(feature = "daemon")]
pub mod store;
