//! The messages with which people start a flow, by line: what the registry's inbounds come to under the rules in force.
//!
//! Not their records, and not the starting: whoever takes a message in asks here which flow it begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::conversation::answer;

/// Inbounds in force. A message is one of them when it is the same text; case, accents and space around and between words do not
/// matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inbounds {
    /// Line, then folded text: the flow that it starts.
    by_line: BTreeMap<Arc<str>, BTreeMap<String, Arc<str>>>,
}

impl Inbounds {
    /// Adds one; answers whether a person could have told it from those there are. Where not, the first one stays.
    pub fn add(&mut self, line: &Arc<str>, message: &str, flow: &Arc<str>) -> bool {
        let of_line = self.by_line.entry(Arc::clone(line)).or_default();
        let new = !of_line.contains_key(&key(message));
        if new {
            of_line.insert(key(message), Arc::clone(flow));
        }
        new
    }

    /// The flow that this message starts on this line.
    #[must_use]
    pub fn flow(&self, line: &str, message: &str) -> Option<&Arc<str>> {
        self.by_line.get(line)?.get(&key(message))
    }

    /// Whether the line has any: then its flow begins with one of them and not with just any message.
    #[must_use]
    pub fn any(&self, line: &str) -> bool {
        self.by_line.get(line).is_some_and(|of_line| !of_line.is_empty())
    }
}

/// What two messages have in common that a person cannot tell apart.
fn key(message: &str) -> String {
    answer::fold(message)
}
