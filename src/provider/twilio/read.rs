//! What Twilio's webhooks say: a message from a person, a tap, or what became of a message of ours. Forms, one thing each.
//!
//! Not their proof (`signature.rs`), and not the list of messages (`missed.rs`). There is no time on the wire: arrival counts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use url::{Url, form_urlencoded};

use super::{Settings, signature, table, twiml};
use crate::engine::heard::{Fate, Heard, Item, MediaKind, Party, Person, Status};
use crate::engine::ports::{Forged, Handshake, Inbox, Unreadable, Webhook};
use crate::engine::request::What;
use crate::moment::Moment;
use crate::provider::meta::{self, digits};
use crate::provider::remote::Key;

/// Longer than any id of Twilio's (two letters and 32 digits), and short enough to be an identity with a status behind it.
const SID_BYTES: usize = 64;
/// How Twilio marks what goes over WhatsApp.
const CHANNEL: &str = "whatsapp:";

/// Reads the webhooks of a line of Twilio.
pub struct Reader {
    auth_tokens: Vec<Key>,
    addresses: Vec<Url>,
    phone: String,
}

impl Reader {
    /// The reader of a line.
    ///
    /// # Errors
    /// An auth token is missing or empty: nothing would prove where a webhook comes from; or the address has no host.
    pub fn new(settings: &Settings) -> Result<Reader, String> {
        let Settings { auth_tokens, public_url, status_callback, .. } = settings;
        if auth_tokens.is_empty() || auth_tokens.iter().any(|token| token.expose().is_empty()) {
            return Err("the auth token is missing or empty: without it nothing proves where a webhook comes from".into());
        }
        let addresses: Vec<Url> = std::iter::once(public_url).chain(status_callback).cloned().collect();
        if addresses.iter().any(|address| !address.has_host()) {
            return Err("the public address of the webhook has no host; it is the one that stands on Twilio's console".into());
        }
        Ok(Reader { auth_tokens: auth_tokens.clone(), addresses, phone: digits(&settings.phone) })
    }
}

impl Inbox for Reader {
    fn handshake(&self, _hook: &Webhook<'_>) -> Handshake {
        Handshake::Unasked
    }

    fn verify(&self, hook: &Webhook<'_>) -> Result<(), Forged> {
        signature::verify(&self.auth_tokens, &self.addresses, hook)
    }

    fn read(&self, hook: &Webhook<'_>) -> Result<Vec<Item>, Unreadable> {
        // Other products of Twilio post JSON; messages never.
        if !signature::is_form(hook) {
            return Ok(vec![Item::Passed("no_form")]);
        }
        let fields = Fields::of(hook.body);
        if fields.any(&["AccountSid"]).is_none() {
            return Err(Unreadable("AccountSid: missing; every form of Twilio's has one".into()));
        }
        Ok(vec![item(&fields)])
    }

    fn is_at(&self, address: &str) -> bool {
        !address.is_empty() && address == self.phone
    }

    /// Once, where it could not connect; then what it had to say is lost, and the list of messages is read again.
    fn redelivers(&self) -> bool {
        false
    }

    fn answered(&self, content_type: &str, body: &[u8]) -> Option<String> {
        twiml::text(content_type, body)
    }
}

fn item(fields: &Fields<'_>) -> Item {
    let Some(sid) = fields.any(&["MessageSid", "SmsSid", "SmsMessageSid"]).filter(|sid| sid.len() <= SID_BYTES) else {
        return Item::Passed("no_message");
    };
    match fields.any(&["MessageStatus", "SmsStatus"]) {
        Some("received") => message(fields, sid),
        None if fields.has("Body") => message(fields, sid),
        Some(status) => fate(status, fields).map_or(Item::Passed("status"), |fate| became(fields, sid, status, fate)),
        None => Item::Passed("unknown"),
    }
}

/// Something that a person sent.
fn message(fields: &Fields<'_>, sid: &str) -> Item {
    let what = match fields.any(&["ButtonPayload", "ButtonText"]) {
        Some(_) => {
            let label = fields.any(&["ButtonText", "Body"]).unwrap_or_default();
            meta::tapped(fields.text("ButtonPayload"), label, fields.text("OriginalRepliedMessageSid"))
        }
        // Captions are no whole message: whoever sends a picture answers nothing with its words.
        None if !fields.text("MediaUrl0").is_empty() => {
            let reference = fields.text("MediaUrl0").to_owned();
            What::Media { kind: media(fields.text("MediaContentType0")), reference }
        }
        None => What::UserMessage(fields.text("Body").to_owned()),
    };
    let from = fields.text("From");
    let mut person = person(from, fields.text("ExternalUserId"));
    if person.phone.is_empty() {
        person.phone = digits(fields.text("WaId"));
    }
    heard(from, fields.text("To"), Heard { id: sid.to_owned(), at: None, address: String::new(), party: Party::Person(person), what })
}

fn media(content_type: &str) -> MediaKind {
    match content_type.split_once('/') {
        Some(("image", kind)) if kind != "webp" => MediaKind::Photo,
        Some(("application" | "text", kind)) if kind != "vcard" => MediaKind::Document,
        // Stickers are image/webp; films and voices.
        _ => MediaKind::Other,
    }
}

/// What became of a message that went out; the roles are changed: `To` is the person.
fn became(fields: &Fields<'_>, sid: &str, status: &str, fate: Fate) -> Item {
    let what = What::Status(Status { message: sid.to_owned(), send: None, fate });
    let to = fields.text("To");
    let (id, party) = (format!("{sid}/{status}"), Party::Person(person(to, "")));
    heard(to, fields.text("From"), Heard { id, at: None, address: String::new(), party, what })
}

/// The fate that a status tells; `None` where none is told yet.
fn fate(status: &str, fields: &Fields<'_>) -> Option<Fate> {
    Some(match status {
        "sent" => Fate::Sent,
        "delivered" => Fate::Delivered,
        "read" => Fate::Read,
        "failed" | "undelivered" => Fate::Failed(table::afterwards(fields.text("ErrorCode"))),
        _ => return None,
    })
}

/// A text of the list of messages, as its webhook would have told it.
pub(super) fn listed(from: &str, to: &str, sid: &str, at: Option<Moment>, text: &str) -> Item {
    if sid.is_empty() || sid.len() > SID_BYTES {
        return Item::Passed("no_message");
    }
    let (party, what) = (Party::Person(person(from, "")), What::UserMessage(text.to_owned()));
    heard(from, to, Heard { id: sid.to_owned(), at, address: String::new(), party, what })
}

/// The item, on our side's number, where it is one of WhatsApp's: the same account may have lines of text messages.
fn heard(theirs: &str, ours: &str, heard: Heard) -> Item {
    if !theirs.starts_with(CHANNEL) {
        return Item::Passed("other_channel");
    }
    if heard.party == Party::Person(Person::default()) {
        return Item::Passed("nobody");
    }
    Item::Event(Box::new(Heard { address: digits(bare(ours)), ..heard }))
}

/// The person behind addresses of the wire: `whatsapp:+57…`, `whatsapp:CO.1349…`.
fn person(address: &str, user: &str) -> Person {
    meta::person(bare(address), bare(user))
}

fn bare(address: &str) -> &str {
    address.strip_prefix(CHANNEL).unwrap_or(address)
}

/// The fields of a form, the first of each name.
struct Fields<'a>(BTreeMap<Cow<'a, str>, Cow<'a, str>>);

impl<'a> Fields<'a> {
    fn of(body: &'a [u8]) -> Fields<'a> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            fields.entry(name).or_insert(value);
        }
        Fields(fields)
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Its value; empty where it is not there.
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value)
    }

    /// The first of these that says something.
    fn any(&self, names: &[&str]) -> Option<&str> {
        names.iter().map(|name| self.text(name)).find(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Choice;
    use crate::engine::heard::{Tap, Trouble};
    use crate::id::{ConversationId, SendId};
    use crate::provider::form;
    use crate::provider::twilio::settings;
    use crate::shapes::button;
    use proptest::prelude::*;

    fn reader() -> Reader {
        Reader::new(&settings()).unwrap()
    }

    fn read(fields: &[(&str, &str)]) -> Result<Vec<Item>, Unreadable> {
        let body = form::body(fields.iter().copied());
        reader().read(&Webhook { target: "/hooks/twilio", headers: &[], peer: None, body: body.as_bytes() })
    }

    /// One item of a form with what every inbound message has, changed by `fields`.
    fn inbound(fields: &[(&str, &str)]) -> Item {
        let all = [("AccountSid", "AC1"), ("MessageSid", "SM1"), ("SmsStatus", "received"), ("To", "whatsapp:+5716000001")];
        let mut items = read(&[fields, &all].concat()).expect("a form");
        assert_eq!(items.len(), 1);
        items.remove(0)
    }

    fn event(item: Item) -> Heard {
        match item {
            Item::Event(heard) => *heard,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_person_is_known_by_number_by_user_id_or_by_both() {
        let named = |fields: &[(&str, &str)]| match event(inbound(fields)).party {
            Party::Person(Person { phone, user }) => (phone, user),
            other => panic!("{other:?}"),
        };
        let named = |fields: &[(&str, &str)]| {
            let (phone, user) = named(fields);
            format!("{phone}/{user}")
        };
        assert_eq!(named(&[("From", "whatsapp:+573181230000"), ("Body", "x")]), "573181230000/");
        assert_eq!(named(&[("From", "whatsapp:+573181230000"), ("ExternalUserId", "whatsapp:CO.13")]), "573181230000/CO.13");
        assert_eq!(named(&[("From", "whatsapp:CO.13"), ("Body", "x")]), "/CO.13");
        assert_eq!(named(&[("From", "whatsapp:CO.13"), ("WaId", "573181230000")]), "573181230000/CO.13");
    }

    #[test]
    fn a_tap_carries_our_choice_or_its_label() {
        let (conversation, send) = (ConversationId(4), SendId(9));
        let ours = button::write(Choice::No, conversation, send);
        let from = ("From", "whatsapp:+573181230000");
        let What::Tapped(tap) =
            event(inbound(&[from, ("ButtonPayload", &ours), ("ButtonText", "No"), ("OriginalRepliedMessageSid", "MM1")])).what
        else {
            panic!("no tap")
        };
        assert_eq!(tap, Tap { send: Some(send), message: Some("MM1".into()), choice: Some(Choice::No), pick: None, label: "No".into() });
        let What::Tapped(tap) = event(inbound(&[from, ("ButtonPayload", "foreign"), ("Body", "Sí")])).what else { panic!("no tap") };
        assert_eq!(tap, Tap { send: None, message: None, choice: None, pick: None, label: "Sí".into() });
        assert_eq!(event(inbound(&[from, ("ButtonPayload", ""), ("Body", "Sí")])).what, What::UserMessage("Sí".into()));
        assert_eq!(
            event(inbound(&[from, ("NumMedia", "1"), ("Body", "")])).what,
            What::UserMessage(String::new()),
            "a picture of no address"
        );
        for (kind, what) in [
            ("image/jpeg", MediaKind::Photo),
            ("image/webp", MediaKind::Other),
            ("application/pdf", MediaKind::Document),
            ("text/vcard", MediaKind::Other),
            ("audio/ogg", MediaKind::Other),
            ("", MediaKind::Other),
        ] {
            let fields = [from, ("NumMedia", "1"), ("MediaUrl0", "https://x/1"), ("MediaContentType0", kind), ("Body", "sí")];
            assert_eq!(event(inbound(&fields)).what, What::Media { kind: what, reference: "https://x/1".into() }, "{kind}");
        }
    }

    #[test]
    fn statuses_are_told_by_message_and_status() {
        let status = |status: &str, code: &str| {
            let fields = [("AccountSid", "AC1"), ("MessageSid", "MM1"), ("MessageStatus", status), ("ErrorCode", code)];
            let addresses = [("To", "whatsapp:+573181230000"), ("From", "whatsapp:+5716000001")];
            read(&[fields.as_slice(), &addresses].concat()).unwrap().remove(0)
        };
        for (word, code, fate) in [
            ("sent", "", Some(Fate::Sent)),
            ("delivered", "", Some(Fate::Delivered)),
            ("read", "", Some(Fate::Read)),
            ("failed", "63016", Some(Fate::Failed(Trouble::WindowClosed))),
            ("undelivered", "63018", Some(Fate::Failed(Trouble::ThrottleLine))),
            ("undelivered", "", Some(Fate::Failed(Trouble::Permanent))),
            ("failed", "99999", Some(Fate::Failed(Trouble::Permanent))),
            ("queued", "", None),
            ("accepted", "", None),
            ("sending", "", None),
            ("scheduled", "", None),
            ("canceled", "", None),
            ("partially_delivered", "", None),
        ] {
            let expected = fate.map_or(Item::Passed("status"), |fate| {
                Item::Event(Box::new(Heard {
                    id: format!("MM1/{word}"),
                    at: None,
                    address: "5716000001".into(),
                    party: Party::Person(Person { phone: "573181230000".into(), user: String::new() }),
                    what: What::Status(Status { message: "MM1".into(), send: None, fate }),
                }))
            });
            assert_eq!(status(word, code), expected, "{word} {code}");
        }
    }

    #[test]
    fn what_is_no_message_of_whatsapp_is_passed_over_and_garbage_is_told() {
        let from = ("From", "whatsapp:+573181230000");
        assert_eq!(inbound(&[("From", "+573181230000"), ("Body", "x")]), Item::Passed("other_channel"));
        assert_eq!(inbound(&[("From", "messenger:123"), ("Body", "x")]), Item::Passed("other_channel"));
        assert_eq!(inbound(&[("From", "whatsapp:+57x"), ("Body", "x")]), Item::Passed("nobody"));
        assert_eq!(inbound(&[from, ("MessageSid", &"S".repeat(65))]), Item::Passed("no_message"));
        assert_eq!(read(&[("AccountSid", "AC1"), ("CallSid", "CA1")]), Ok(vec![Item::Passed("no_message")]));
        assert_eq!(read(&[("AccountSid", "AC1"), ("MessageSid", "SM1"), from]), Ok(vec![Item::Passed("unknown")]));
        assert!(read(&[("MessageSid", "SM1"), from]).unwrap_err().0.contains("AccountSid"));
        assert!(read(&[]).is_err());
    }

    #[test]
    fn it_is_at_its_number_alone() {
        let reader = reader();
        assert!(reader.is_at("5716000001") && !reader.is_at("5716000002") && !reader.is_at(""));
        assert!(!reader.redelivers());
    }

    #[test]
    fn a_line_that_nothing_proves_is_not_made() {
        for (settings, told) in [
            (Settings { auth_tokens: Vec::new(), ..settings() }, "auth token"),
            (Settings { auth_tokens: vec![Key::new("x"), Key::new("")], ..settings() }, "auth token"),
            (Settings { public_url: "mailto:a@example.test".parse().unwrap(), ..settings() }, "host"),
        ] {
            assert!(Reader::new(&settings).is_err_and(|why| why.contains(told)), "{told}");
        }
    }

    proptest! {
        #[test]
        fn it_is_total(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = reader().read(&Webhook { target: "/hooks/twilio", headers: &[], peer: None, body: &body });
        }

        #[test]
        fn whatever_the_fields_the_identity_is_short_and_somebody_is_named(
            values in proptest::collection::vec("(whatsapp:)?[+]?[0-9A-Z.]{0,20}|received|failed|[a-z]{0,80}", 9),
        ) {
            let names = ["AccountSid", "MessageSid", "MessageStatus", "From", "To", "WaId", "ExternalUserId", "ButtonPayload", "Body"];
            let fields: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
            for item in read(&fields).into_iter().flatten() {
                if let Item::Event(heard) = item {
                    prop_assert!(heard.id.len() <= crate::limits::EVENT_ID_BYTES && !heard.id.is_empty());
                    prop_assert!(matches!(&heard.party, Party::Person(p) if *p != Person::default()));
                }
            }
        }
    }
}
