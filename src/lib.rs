//! reengaged: brings people back to the conversation they left.

pub mod conversation;
#[cfg(feature = "daemon")]
pub mod engine;
pub mod id;
pub mod limits;
pub mod moment;
pub mod schedule;
