//! The messages by which people start a flow on a line: which flow a text starts.
//!
//! Not where they are kept: the registry is. What two texts have to have in common to be the same is [`answer::fold`]'s to say.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::conversation::answer;
use crate::engine::core::Engine;
use crate::limits;

/// The inbounds of all lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inbounds {
    /// By line: the flow that each message starts, the message folded.
    pub by_line: BTreeMap<Arc<str>, BTreeMap<String, Arc<str>>>,
}

impl Engine {
    /// The messages that start flows from now on.
    pub fn start_by(&mut self, inbounds: Inbounds) {
        self.inbounds = inbounds;
    }
}

impl Inbounds {
    /// A message that starts `flow` on `line` from now on; the flow that it started before, where it did.
    pub fn insert(&mut self, line: &str, message: &str, flow: &str) -> Option<Arc<str>> {
        self.by_line.entry(Arc::from(line)).or_default().insert(answer::fold(message), Arc::from(flow))
    }

    /// The flow that a person's message starts on a line; `None` where it is no inbound.
    #[must_use]
    pub fn started_by(&self, line: &str, text: &str) -> Option<&Arc<str>> {
        let messages = self.by_line.get(line)?;
        // Folding takes its time, and no inbound is as long as a message may be.
        if text.len() > limits::QUESTION_CHARS {
            return None;
        }
        messages.get(&answer::fold(text))
    }

    /// Whether a line has any.
    #[must_use]
    pub fn any_on(&self, line: &str) -> bool {
        self.by_line.get(line).is_some_and(|messages| !messages.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_starts_its_flow_on_its_line_alone() {
        let mut inbounds = Inbounds::default();
        assert_eq!(inbounds.insert("support", "Quiero mi crédito", "credit"), None);
        assert_eq!(inbounds.insert("support", "hola", "onboarding"), None);
        let flow = |line, text| inbounds.started_by(line, text).map(|flow| &**flow);
        assert_eq!(flow("support", "  QUIERO  mi credito\n"), Some("credit"));
        assert_eq!(flow("support", "quiero mi credito ya"), None);
        assert_eq!(flow("sales", "hola"), None);
        assert_eq!(flow("support", &"hola ".repeat(2_000)), None);
        assert!(inbounds.any_on("support") && !inbounds.any_on("sales"));
    }
}
