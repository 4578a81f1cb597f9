//! The command line: one file a verb.
//!
//! Not the work behind a verb: that lives in the layers above.

pub mod check;
pub mod plan;
