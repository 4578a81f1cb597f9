//! reengaged: brings people back to the conversation they left.

pub mod moment;
pub mod schedule;
