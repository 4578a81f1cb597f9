//! The rules in force: lines, flows, hooks and the policy of each flow on each line. Replaced whole on reload.
//!
//! Not the configuration file: `config/` reads and checks that, and makes this.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::conversation::{Capabilities, Policy};

/// The engine's side of a line.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// The flow of its conversations, unless an event names another.
    pub flow: Option<Arc<str>>,
    /// Calls under way at once, and so the most sends that can ever be in doubt together.
    pub max_in_flight: usize,
    /// Sends in any second; `None` for no limit but `max_in_flight`.
    pub rate: Option<u32>,
    /// Milliseconds between two sends to one person; 0 for none.
    pub pair_gap: i64,
    /// People who may be written to outside their messaging window in any 24 hours; `None` for no limit.
    pub daily: Option<u32>,
    /// After the daemon was down for more than a minute, overdue sends of this line wait so long, in milliseconds.
    pub catch_up_wait: i64,
    /// What its provider can do.
    pub capabilities: Capabilities,
}

/// The engine's side of a hook: what it wants to hear.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hook {
    /// Its name.
    pub name: Arc<str>,
    /// The types it wants, as `conversation.resumed`; all where empty.
    pub events: Vec<String>,
    /// The flows it wants; all where empty.
    pub flows: Vec<String>,
}

impl Hook {
    /// Whether it wants to hear of this type in this flow.
    #[must_use]
    pub fn wants(&self, kind: &str, flow: &str) -> bool {
        let event = self.events.is_empty() || self.events.iter().any(|e| e == kind);
        event && (self.flows.is_empty() || self.flows.iter().any(|f| f == flow))
    }
}

/// All rules in force.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Lines by name.
    pub lines: BTreeMap<Arc<str>, Line>,
    /// Hooks, in the order of the file.
    pub hooks: Vec<Hook>,
    /// Names of the flows.
    pub flows: Vec<Arc<str>>,
    /// The policy of each flow on each line: line, then flow.
    pub policies: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<Policy>>>,
}

impl Book {
    /// The rules of `flow` on `line`; `None` where either is not configured.
    #[must_use]
    pub fn policy(&self, line: &str, flow: &str) -> Option<&Arc<Policy>> {
        self.policies.get(line)?.get(flow)
    }
}
