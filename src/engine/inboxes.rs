//! The inboxes of all lines: which line each thing that a webhook tells belongs to, and what becomes of it there.
//!
//! Not the reading of webhooks (each provider's [`Inbox`]), not their transport, and no decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::heard::{Heard, Item, Party, TemplateNews};
use crate::engine::ports::Inbox;
use crate::engine::request::{Inbound, What, Who};

/// A line that takes webhooks.
#[derive(Clone)]
pub struct LineInbox {
    /// The word of its provider: lines of one provider may get each other's webhooks, since some providers know one address alone.
    pub provider: &'static str,
    /// What its webhooks prove and say.
    pub inbox: Arc<dyn Inbox>,
    /// What is written at the business's phone holds the conversation, and does not count as the bot speaking.
    pub echo_holds: bool,
}

/// The lines that take webhooks.
#[derive(Clone, Default)]
pub struct Inboxes(BTreeMap<Arc<str>, LineInbox>);

/// Where things that were told come from: what "the business spoke" means depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A webhook: of what the business says it tells only what was written at a phone. (What the bot sends is seen in statuses.)
    Webhook,
    /// The provider's list of messages, which has those of the bot.
    List,
}

/// What a webhook told, line by line.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Sorted {
    /// What concerns conversations, in the order in which it was told.
    pub events: Vec<Inbound>,
    /// What concerns templates, with the line.
    pub templates: Vec<(String, TemplateNews)>,
    /// What is of no concern, by its kind.
    pub passed: BTreeMap<&'static str, u64>,
}

/// The kind under which what belongs to no line is counted.
pub const ELSEWHERE: &str = "elsewhere";

impl FromIterator<(Arc<str>, LineInbox)> for Inboxes {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, LineInbox)>>(lines: I) -> Inboxes {
        Inboxes(lines.into_iter().collect())
    }
}

impl Inboxes {
    /// The line of this name, where it takes webhooks.
    #[must_use]
    pub fn get(&self, line: &str) -> Option<(&Arc<str>, &LineInbox)> {
        self.0.get_key_value(line)
    }

    /// Sorts what arrived for `line`.
    #[must_use]
    pub fn sort(&self, line: &str, items: Vec<Item>, source: Source) -> Sorted {
        let mut sorted = Sorted::default();
        for item in items {
            match item {
                Item::Event(heard) => match self.line_of(line, &heard.address) {
                    Some((name, target)) => sorted.events.push(inbound(name, target, *heard, source)),
                    None => *sorted.passed.entry(ELSEWHERE).or_default() += 1,
                },
                Item::Template(news) => {
                    let lines = self.lines_of(line, &news.address);
                    if lines.is_empty() {
                        *sorted.passed.entry(ELSEWHERE).or_default() += 1;
                    }
                    sorted.templates.extend(lines.into_iter().map(|line| (line.to_string(), news.clone())));
                }
                Item::Passed(kind) => *sorted.passed.entry(kind).or_default() += 1,
            }
        }
        sorted
    }

    /// The line that an address names: the one that the webhook came in by, else another of the same provider.
    fn line_of(&self, line: &str, address: &str) -> Option<(&Arc<str>, &LineInbox)> {
        let (name, own) = self.get(line)?;
        if address.is_empty() || own.inbox.is_at(address) {
            return Some((name, own));
        }
        self.0.iter().find(|(_, other)| other.provider == own.provider && other.inbox.is_at(address))
    }

    /// Every line that an address names: templates may be shared. Where there is none, all of the provider: one address takes the
    /// webhooks of an account with many numbers.
    fn lines_of(&self, line: &str, address: &str) -> Vec<&Arc<str>> {
        let Some((_, own)) = self.get(line) else { return Vec::new() };
        let named = |other: &LineInbox| address.is_empty() || other.inbox.is_at(address);
        let same = self.0.iter().filter(|(_, other)| other.provider == own.provider && named(other));
        same.map(|(name, _)| name).collect()
    }
}

fn inbound(line: &str, target: &LineInbox, heard: Heard, source: Source) -> Inbound {
    let Heard { id, at, party, what, .. } = heard;
    let what = match what {
        What::Spoke(_) if source == Source::Webhook && target.echo_holds => What::Hold,
        what => what,
    };
    let who = match party {
        Party::Person(person) => Who::Person(person),
        Party::Named(names) => Who::Named(names),
        Party::Unnamed => Who::Message,
    };
    let id = Some(id).filter(|id| !id.is_empty());
    Inbound { id, who, at, what, line: Some(line.to_owned()), flow: None, to: None, vars: Vec::new(), attributes: Vec::new() }
}

/// The first event in which a person speaks: who an answer to the webhook goes to.
#[must_use]
pub fn spoken(events: &[Inbound]) -> Option<&Inbound> {
    events
        .iter()
        .find(|event| matches!(event.what, What::UserMessage(_) | What::Media { .. } | What::Tapped(_) | What::OptOut | What::OptIn))
}

/// What the bot said in its own answer to the webhook that brought this event.
#[must_use]
pub fn answer_to(message: &Inbound, text: String) -> Inbound {
    let id = message.id.as_ref().map(|id| format!("{id}/answer"));
    // At arrival: after the message that it answers.
    Inbound { id, at: None, what: What::Spoke(Some(text)), ..message.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::heard::Person;
    use crate::engine::ports::{Forged, Handshake, Unreadable, Webhook};

    struct At(&'static str);

    impl Inbox for At {
        fn handshake(&self, _: &Webhook<'_>) -> Handshake {
            Handshake::Unasked
        }
        fn verify(&self, _: &Webhook<'_>) -> Result<(), Forged> {
            Ok(())
        }
        fn read(&self, _: &Webhook<'_>) -> Result<Vec<Item>, Unreadable> {
            Ok(Vec::new())
        }
        fn is_at(&self, address: &str) -> bool {
            address == self.0 || address == "both"
        }
        fn redelivers(&self) -> bool {
            true
        }
    }

    fn lines() -> Inboxes {
        let line = |provider, at, echo_holds| LineInbox { provider, inbox: Arc::new(At(at)), echo_holds };
        let lines = [("sales", line("chat", "1", false)), ("support", line("chat", "2", true)), ("other", line("mail", "3", false))];
        lines.into_iter().map(|(name, line)| (Arc::from(name), line)).collect()
    }

    fn heard(id: &str, address: &str, what: What) -> Item {
        let party = Party::Person(Person { phone: "573001112233".into(), user: String::new() });
        Item::Event(Box::new(Heard { id: id.into(), at: None, address: address.into(), party, what }))
    }

    fn named(sorted: &Sorted) -> Vec<(&str, &str)> {
        sorted.events.iter().map(|event| (event.line.as_deref().unwrap(), event.what.kind())).collect()
    }

    #[test]
    fn each_event_goes_to_the_line_that_it_names() {
        let text = || What::UserMessage("hi".into());
        let items = vec![
            heard("a", "", text()),
            heard("b", "1", text()),
            heard("c", "2", text()),
            heard("d", "both", text()),
            heard("e", "3", text()),
            Item::Passed("reaction"),
            Item::Passed("reaction"),
        ];
        let sorted = lines().sort("support", items, Source::Webhook);
        let kinds: Vec<&str> = named(&sorted).into_iter().map(|(line, _)| line).collect();
        assert_eq!(kinds, ["support", "sales", "support", "support"]);
        assert_eq!(sorted.passed, BTreeMap::from([("elsewhere", 1), ("reaction", 2)]));
        assert_eq!(lines().sort("nobody", vec![heard("a", "", text())], Source::Webhook).passed, BTreeMap::from([("elsewhere", 1)]));
    }

    #[test]
    fn an_echo_holds_where_the_line_says_so_and_a_listed_message_never_does() {
        let spoke = || vec![heard("a", "1", What::Spoke(None)), heard("b", "2", What::Spoke(None))];
        let sorted = lines().sort("sales", spoke(), Source::Webhook);
        assert_eq!(named(&sorted), [("sales", "spoke"), ("support", "hold")]);
        let sorted = lines().sort("sales", spoke(), Source::List);
        assert_eq!(named(&sorted), [("sales", "spoke"), ("support", "spoke")]);
    }

    #[test]
    fn a_template_concerns_every_line_that_shares_it() {
        let news = |address: &str| {
            Item::Template(TemplateNews { address: address.into(), template: "t/es".into(), usable: false, word: "PAUSED".into() })
        };
        let sorted = lines().sort("support", vec![news("both"), news(""), news("3")], Source::Webhook);
        let names: Vec<&str> = sorted.templates.iter().map(|(line, _)| line.as_str()).collect();
        assert_eq!((names, sorted.passed), (vec!["sales", "support", "sales", "support"], BTreeMap::from([("elsewhere", 1)])));
    }

    #[test]
    fn the_bots_answer_is_to_whoever_wrote() {
        let items = vec![heard("", "", What::Spoke(None)), heard("m1", "", What::UserMessage("hi".into()))];
        let sorted = lines().sort("sales", items, Source::Webhook);
        let told = answer_to(spoken(&sorted.events).unwrap(), "¿Su nombre?".into());
        assert_eq!((told.id.as_deref(), told.at, told.what), (Some("m1/answer"), None, What::Spoke(Some("¿Su nombre?".into()))));
        assert_eq!(spoken(&sorted.events[..1]), None);
    }
}
