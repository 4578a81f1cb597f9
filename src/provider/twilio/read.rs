//! What Twilio's webhooks say: a message from a person, a tap, or what became of a message of ours. Forms, one thing each.
//!
//! Not their proof (`signature.rs`), and not the list of messages (`missed.rs`). There is no time on the wire: arrival counts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use url::form_urlencoded;

use super::{Settings, signature, table, twiml};
use crate::engine::heard::{Fate, Heard, Item, MediaKind, Party, Person, Status, Tap};
use crate::engine::ports::{Forged, Handshake, Inbox, Unreadable, Webhook};
use crate::engine::request::What;
use crate::moment::Moment;
use crate::provider::form;
use crate::shapes::button;

/// Longer than any id of Twilio's (two letters and 32 digits), and short enough to be an identity with a status behind it.
const SID_BYTES: usize = 64;

/// The half of a line that hears.
pub(super) struct Reader {
    settings: Settings,
}

impl Reader {
    pub(super) fn new(settings: Settings) -> Reader {
        Reader { settings }
    }
}

impl Inbox for Reader {
    fn handshake(&self, _hook: &Webhook<'_>) -> Handshake {
        Handshake::Unasked
    }

    fn verify(&self, hook: &Webhook<'_>) -> Result<(), Forged> {
        let Settings { auth_tokens, public_url, status_callback, .. } = &self.settings;
        let addresses: Vec<_> = std::iter::once(public_url).chain(status_callback).collect();
        signature::verify(auth_tokens, &addresses, hook)
    }

    fn read(&self, hook: &Webhook<'_>) -> Result<Vec<Item>, Unreadable> {
        // Other products of Twilio post JSON; messages never.
        if !signature::is_form(hook) {
            return Ok(vec![Item::Passed("no_form")]);
        }
        let fields = Fields::of(hook.body);
        if fields.of_any(&["AccountSid"]).is_none() {
            return Err(Unreadable("AccountSid: missing; every form of Twilio's has one".into()));
        }
        Ok(vec![item(&fields)])
    }

    fn is_at(&self, address: &str) -> bool {
        address == self.settings.phone
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
    let Some(sid) = fields.of_any(&["MessageSid", "SmsSid", "SmsMessageSid"]).filter(|sid| sid.len() <= SID_BYTES) else {
        return Item::Passed("no_message");
    };
    match fields.of_any(&["MessageStatus", "SmsStatus"]) {
        Some("received") => message(fields, sid),
        None if fields.has("Body") => message(fields, sid),
        Some(status) => fate(status, fields).map_or(Item::Passed("status"), |fate| became(fields, sid, status, fate)),
        None => Item::Passed("unknown"),
    }
}

/// Something that a person sent.
fn message(fields: &Fields<'_>, sid: &str) -> Item {
    let button = fields.of_any(&["ButtonPayload", "ButtonText"]).is_some();
    let what = match fields.of_any(&["MediaUrl0"]) {
        _ if button => What::Tapped(tap(fields)),
        // Captions are no whole message: whoever sends a picture answers nothing with its words.
        Some(address) => What::Media { kind: media(fields.text("MediaContentType0")), reference: address.to_owned() },
        None => What::UserMessage(fields.text("Body").to_owned()),
    };
    let mut person = person(fields.text("From"));
    if let Some(known) = fields.of_any(&["ExternalUserId"]).and_then(user) {
        person.user = known;
    }
    if person.phone.is_empty() && form::is_number(fields.text("WaId")) {
        fields.text("WaId").clone_into(&mut person.phone);
    }
    heard(fields.text("From"), fields.text("To"), sid.to_owned(), None, person, what)
}

fn media(content_type: &str) -> MediaKind {
    match content_type.split_once('/') {
        Some(("image", kind)) if kind != "webp" => MediaKind::Photo,
        Some(("application" | "text", kind)) if kind != "vcard" => MediaKind::Document,
        // Stickers are image/webp; films and voices.
        _ => MediaKind::Other,
    }
}

fn tap(fields: &Fields<'_>) -> Tap {
    let ours = button::read(fields.text("ButtonPayload"));
    Tap {
        send: ours.map(|(_, _, send)| send),
        message: fields.of_any(&["OriginalRepliedMessageSid"]).map(str::to_owned),
        choice: ours.map(|(choice, _, _)| choice),
        pick: None,
        label: fields.of_any(&["ButtonText", "Body"]).unwrap_or_default().to_owned(),
    }
}

/// What became of a message that went out; the roles are changed: `To` is the person.
fn became(fields: &Fields<'_>, sid: &str, status: &str, fate: Fate) -> Item {
    let what = What::Status(Status { message: sid.to_owned(), send: None, fate });
    heard(fields.text("To"), fields.text("From"), format!("{sid}/{status}"), None, person(fields.text("To")), what)
}

/// The fate that a status tells; `None` where it is still ours to wait.
fn fate(status: &str, fields: &Fields<'_>) -> Option<Fate> {
    Some(match status {
        "sent" => Fate::Sent,
        "delivered" => Fate::Delivered,
        "read" => Fate::Read,
        "failed" | "undelivered" => Fate::Failed(table::afterwards(fields.text("ErrorCode"))),
        _ => return None,
    })
}

/// The item, where it is one of WhatsApp's: the same account may have lines of text messages.
pub(super) fn heard(theirs: &str, ours: &str, id: String, at: Option<Moment>, person: Person, what: What) -> Item {
    if !theirs.starts_with(CHANNEL) {
        return Item::Passed("other_channel");
    }
    if person == Person::default() {
        return Item::Passed("nobody");
    }
    let address = number(ours).unwrap_or_default().to_owned();
    Item::Event(Box::new(Heard { id, at, address, party: Party::Person(person), what }))
}

const CHANNEL: &str = "whatsapp:";

/// The person behind an address of the wire, `whatsapp:+57…` or `whatsapp:CO.1349…`.
pub(super) fn person(address: &str) -> Person {
    match number(address) {
        Some(phone) => Person { phone: phone.to_owned(), user: String::new() },
        None => Person { phone: String::new(), user: user(address).unwrap_or_default() },
    }
}

fn number(address: &str) -> Option<&str> {
    let digits = address.strip_prefix(CHANNEL)?;
    Some(digits.strip_prefix('+').unwrap_or(digits)).filter(|digits| form::is_number(digits))
}

/// A business-scoped user id: a country, a dot, and plain characters.
fn user(address: &str) -> Option<String> {
    let id = address.strip_prefix(CHANNEL).unwrap_or(address);
    let (country, rest) = id.split_once('.')?;
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    (id.len() <= SID_BYTES * 2 && country.len() == 2 && plain(country) && plain(rest)).then(|| id.to_owned())
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
    fn of_any(&self, names: &[&str]) -> Option<&str> {
        names.iter().map(|name| self.text(name)).find(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Choice;
    use crate::engine::heard::Trouble;
    use crate::id::{ConversationId, SendId};
    use crate::provider::twilio::settings;
    use proptest::prelude::*;

    fn read(fields: &[(&str, &str)]) -> Result<Vec<Item>, Unreadable> {
        let body = form::body(fields.iter().copied());
        Reader::new(settings()).read(&Webhook { target: "/hooks/twilio", headers: &[], peer: None, body: body.as_bytes() })
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
        let reader = Reader::new(settings());
        assert!(reader.is_at("5716000001") && !reader.is_at("5716000002") && !reader.is_at(""));
        assert!(!reader.redelivers());
    }

    proptest! {
        #[test]
        fn it_is_total(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Reader::new(settings()).read(&Webhook { target: "/hooks/twilio", headers: &[], peer: None, body: &body });
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
