//! reengaged: brings people back to the conversation they left.

#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod clock;
#[cfg(feature = "daemon")]
pub mod config;
pub mod conversation;
#[cfg(feature = "daemon")]
pub mod engine;
pub mod id;
pub mod limits;
pub mod moment;
pub mod schedule;
#[cfg(feature = "daemon")]
pub mod shapes;
#[cfg(feature = "daemon")]
pub mod store;
