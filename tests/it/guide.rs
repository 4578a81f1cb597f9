//! The guide's calls, from their fields to whole conversations.
//!
//! `desk` serves them over sockets with a real engine on a store in memory; the modules are what is asked of it.

mod approvals;
mod desk;
mod fields;
mod random;
mod rely;
mod stage;
mod table;
mod verbs;
mod walk;
