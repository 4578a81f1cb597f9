//! What the engine counts, for `/metrics`. Not a registry: plain numbers, read when somebody asks.

use std::collections::BTreeMap;

use crate::conversation::{Report, SendOutcome};

/// Counts since start.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Events taken in, by type.
    pub events: BTreeMap<&'static str, u64>,
    /// Events that changed nothing, by reason.
    pub ignored: BTreeMap<&'static str, u64>,
    /// Events refused.
    pub rejected: u64,
    /// Sends ended, by outcome and reason (empty where there is none).
    pub sends: BTreeMap<(&'static str, &'static str), u64>,
    /// Reports, by type.
    pub reports: BTreeMap<&'static str, u64>,
    /// Claims made.
    pub claims: u64,
    /// Calls that the last look before them stopped.
    pub stopped_at_the_door: u64,
    /// Claims refused because the ledger knows the send.
    pub stopped_by_the_ledger: u64,
    /// The person spoke while the call was under way.
    pub races: u64,
}

impl Counters {
    /// A send ended.
    pub fn send_ended(&mut self, outcome: SendOutcome) {
        let reason = outcome.reason().map_or("", |reason| reason.as_str());
        *self.sends.entry((outcome.as_str(), reason)).or_default() += 1;
    }

    /// A report was made.
    pub fn report(&mut self, report: Report) {
        *self.reports.entry(report.kind()).or_default() += 1;
    }
}
