//! Hooks: results told to the operator's own systems, by Standard Webhooks.
//!
//! Not a decision: a hook record is written in the commit of the decision that caused it. Here it is delivered.

pub mod courier;
pub mod deliver;
pub mod guard;
