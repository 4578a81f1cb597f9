//! The rules in force: lines, flows, hooks and the policy of each flow on each line. Replaced whole on reload.
//!
//! Not the configuration file: `config/` reads and checks that, and makes this.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::conversation::questionnaire::Question;
use crate::conversation::{Capabilities, Finish, Policy, answer};
use crate::limits;

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

    /// Whether it wants to hear of this type, which is of no flow: one that is narrowed to flows must name the type.
    #[must_use]
    pub fn wants_beside(&self, kind: &str) -> bool {
        match self.events.is_empty() {
            true => self.flows.is_empty(),
            false => self.events.iter().any(|e| e == kind),
        }
    }
}

/// What the bot says when a conversation has come to its end, for bots that tell of it in no other way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Completion {
    /// Folded.
    says: String,
    /// How the conversation ended.
    pub outcome: Finish,
}

impl Completion {
    /// The end that the bot tells by a message with this text in it; case, accents and kinds of space do not matter.
    #[must_use]
    pub fn new(says: &str, outcome: Finish) -> Completion {
        Completion { says: answer::fold(says), outcome }
    }

    /// Whether a text, folded by [`answer::fold`], says so.
    #[must_use]
    pub fn is_said_by(&self, folded: &str) -> bool {
        folded.contains(&self.says)
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
    /// The line of each business number, as digits; of several lines with one number the first.
    pub numbers: BTreeMap<Arc<str>, Arc<str>>,
    /// The word of each line's provider.
    pub providers: BTreeMap<Arc<str>, &'static str>,
    /// The flow of each id, in small letters.
    pub flow_ids: BTreeMap<String, Arc<str>>,
    /// Ends that a flow's bot tells by what it says, in the order of the file.
    pub completions: BTreeMap<Arc<str>, Vec<Completion>>,
    /// The questions of flows that ask their own.
    pub questions: BTreeMap<Arc<str>, Arc<[Question]>>,
}

impl Book {
    /// The rules of `flow` on `line`; `None` where either is not configured. For [`limits::NOTIFICATION`] those of any flow.
    #[must_use]
    pub fn policy(&self, line: &str, flow: &str) -> Option<&Arc<Policy>> {
        let flows = self.policies.get(line)?;
        // A notification is on its line and in no flow; of the rules only what the line can do concerns it.
        if flow == limits::NOTIFICATION { flows.values().next() } else { flows.get(flow) }
    }

    /// How a conversation of `flow` has ended, by what its bot said: the first rule that fits.
    #[must_use]
    pub fn completion(&self, flow: &str, said: &str) -> Option<Finish> {
        let rules = self.completions.get(flow).filter(|rules| !rules.is_empty())?;
        let folded = answer::fold(said);
        rules.iter().find(|rule| rule.is_said_by(&folded)).map(|rule| rule.outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_told_of_its_own_events_and_flows() {
        let hook = |events: &[&str], flows: &[&str]| {
            let all = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
            Hook { name: Arc::from("crm"), events: all(events), flows: all(flows) }
        };
        let (good, bad) = ("conversation.succeeded", "conversation.failed");
        assert!(hook(&[], &[]).wants(good, "kyc") && hook(&[], &[]).wants_beside("outbound.approved"));
        let one = hook(&[good], &["kyc"]);
        assert_eq!((one.wants(good, "kyc"), one.wants(bad, "kyc"), one.wants(good, "sales")), (true, false, false));
        assert!(hook(&[good, bad], &[]).wants(bad, "sales"));
        // An outbound is of no flow: a hook that is narrowed to flows hears of it only where it names the type.
        assert!(!hook(&[], &["kyc"]).wants_beside("outbound.approved") && !one.wants_beside("outbound.approved"));
        assert!(hook(&["outbound.approved"], &["kyc"]).wants_beside("outbound.approved"));
    }

    #[test]
    fn the_first_completion_that_fits_counts() {
        let rules = vec![Completion::new("no pudimos", Finish::Failed), Completion::new("Terminó  su trámite", Finish::Succeeded)];
        let book = Book { completions: [(Arc::from("onboarding"), rules)].into(), ..Book::default() };
        assert_eq!(book.completion("onboarding", "Felicidades: TERMINO SU TRAMITE."), Some(Finish::Succeeded));
        assert_eq!(book.completion("onboarding", "No pudimos seguir; terminó su trámite"), Some(Finish::Failed));
        assert_eq!(book.completion("onboarding", "¿Su nombre?"), None);
        assert_eq!(book.completion("another", "terminó su trámite"), None);
    }
}
