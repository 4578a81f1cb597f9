//! An inbox that a test can read: webhooks are lines of words, proved by a header. Not a provider's: those have tests of their own.

use std::sync::Arc;

use reengaged::engine::heard::{Fate, Heard, Item, Party, Person, Status, TemplateNews};
use reengaged::engine::inboxes::LineInbox;
use reengaged::engine::ports::{Forged, Handshake, Inbox, Unreadable, Webhook};
use reengaged::engine::request::What;
use reengaged::http::{Forward, Hooks, Proxies};
use reengaged::moment::Moment;

/// One line's inbox.
pub(super) struct Words {
    /// What `is_at` answers to.
    pub(super) at: &'static str,
    /// Whether the provider sends again.
    pub(super) redelivers: bool,
}

impl Inbox for Words {
    fn handshake(&self, hook: &Webhook<'_>) -> Handshake {
        match hook.query().split_once('=') {
            Some(("right", word)) => Handshake::Challenge(word.to_owned()),
            Some(_) => Handshake::Refused,
            None => Handshake::Unasked,
        }
    }

    fn verify(&self, hook: &Webhook<'_>) -> Result<(), Forged> {
        match hook.header("x-proof") {
            Some("bytes") if hook.body.len() != 3 << 20 => Err(Forged("it is not as long as it was")),
            Some("right" | "bytes") => Ok(()),
            Some("peer") if hook.peer == Some("198.51.100.7") => Ok(()),
            Some("target") if hook.target == "/hooks/chat/status?a=%20b" => Ok(()),
            _ => Err(Forged("the header x-proof is not right")),
        }
    }

    /// Each line: `said ID ADDRESS TEXT`, `spoke ID ADDRESS TEXT`, `status ID ADDRESS -`, `template NAME ADDRESS -` or a kind to
    /// pass over. A body that begins with `#` is one that is only long.
    fn read(&self, hook: &Webhook<'_>) -> Result<Vec<Item>, Unreadable> {
        let text = std::str::from_utf8(hook.body).map_err(|_| Unreadable("it is no text".into()))?;
        if text.starts_with('#') {
            return Ok(Vec::new());
        }
        assert!(!text.starts_with("poison"), "a reader with a fault in it");
        text.lines().map(item).collect()
    }

    fn is_at(&self, address: &str) -> bool {
        address == self.at
    }

    fn redelivers(&self) -> bool {
        self.redelivers
    }

    fn answered(&self, content_type: &str, body: &[u8]) -> Option<String> {
        (content_type == "text/said").then(|| String::from_utf8_lossy(body).into_owned())
    }
}

fn item(line: &str) -> Result<Item, Unreadable> {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let [kind, id, address, rest] = words[..] else {
        return if line == "reaction" { Ok(Item::Passed("reaction")) } else { Err(Unreadable("it is no line of four words".into())) };
    };
    let address = address.trim_matches('-').to_owned();
    let person = Party::Person(Person { phone: "573001112233".into(), user: String::new() });
    let at = Some(Moment(1_772_404_200_000));
    let (party, what) = match kind {
        "said" => (person, What::UserMessage(rest.to_owned())),
        "spoke" => (person, What::Spoke(Some(rest.to_owned()))),
        "named" => (Party::Named(vec![rest.to_owned(), "another".into()]), What::Succeeded),
        "status" => (Party::Unnamed, What::Status(Status { message: id.to_owned(), send: None, fate: Fate::Read })),
        "template" => {
            return Ok(Item::Template(TemplateNews { address, template: id.to_owned(), usable: false, word: "PAUSED".into() }));
        }
        _ => return Err(Unreadable("it is no line of four words".into())),
    };
    Ok(Item::Event(Box::new(Heard { id: id.to_owned(), at, address, party, what })))
}

/// The lines of the tests: `chat` redelivers, `mail` (of another provider) does not; `echo` is of chat's provider and holds on echoes.
/// The first two may have a bot.
pub(super) fn hooks(bot: Option<&Arc<dyn Forward>>) -> Hooks {
    let line = |provider, at, redelivers, echo_holds| LineInbox { provider, inbox: Arc::new(Words { at, redelivers }), echo_holds };
    let lines = [("chat", line("x", "1", true, false)), ("echo", line("x", "2", true, true)), ("mail", line("y", "3", false, false))];
    let inboxes = lines.into_iter().map(|(name, line)| (Arc::from(name), line)).collect();
    let bots = bot.into_iter().flat_map(|bot| ["chat", "mail"].map(|name| (Arc::from(name), Arc::clone(bot)))).collect();
    let addresses = vec!["127.0.0.0/8".parse().expect("a range")];
    Hooks { inboxes, bots, proxies: Proxies { addresses, unix: false } }
}
