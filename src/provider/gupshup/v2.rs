//! Webhooks of Gupshup's version 2: one event each.
//!
//! Not version 3, which is Meta's envelope. Where both tell of the same message, they tell the same identity.

use serde::Deserialize;

use crate::conversation::Choice;
use crate::engine::heard::{Heard, Item, MediaKind, Party, Person, Tap, TemplateNews, Trouble};
use crate::engine::picks;
use crate::engine::request::What;
use crate::id::SendId;
use crate::moment::Moment;
use crate::provider::gupshup::table;
use crate::provider::meta::{identity, person, status, tapped, usable};
use crate::provider::soft::{Soft, Word, object};
use crate::shapes::button;

/// The envelope.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    app: Word<'a>,
    /// In milliseconds.
    #[serde(borrow, default)]
    timestamp: Word<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Word<'a>,
    #[serde(borrow, default)]
    payload: Soft<Payload<'a>>,
}

/// What an event is about; which fields there are depends on its type.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default)]
    id: Word<'a>,
    /// Gupshup's own id of a message to a person, where `id` is WhatsApp's.
    #[serde(borrow, default, rename = "gsId")]
    gs_id: Word<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Word<'a>,
    #[serde(borrow, default)]
    source: Word<'a>,
    #[serde(borrow, default)]
    destination: Word<'a>,
    #[serde(borrow, default)]
    phone: Word<'a>,
    #[serde(borrow, default)]
    status: Word<'a>,
    #[serde(borrow, default)]
    sender: Soft<Sender<'a>>,
    #[serde(borrow, default)]
    context: Soft<Context<'a>>,
    #[serde(borrow, default)]
    payload: Soft<Inner<'a>>,
}

#[derive(Deserialize)]
struct Sender<'a> {
    #[serde(borrow, default)]
    phone: Word<'a>,
}

/// The message that is answered.
#[derive(Deserialize)]
struct Context<'a> {
    #[serde(borrow, default)]
    id: Word<'a>,
    #[serde(borrow, default, rename = "gsId")]
    gs_id: Word<'a>,
}

/// A message's content, or what there is to say of a status.
#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow, default)]
    id: Word<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Word<'a>,
    #[serde(borrow, default)]
    text: Word<'a>,
    #[serde(borrow, default)]
    title: Word<'a>,
    #[serde(borrow, default)]
    reply: Word<'a>,
    #[serde(borrow, default, rename = "postbackText")]
    postback_text: Word<'a>,
    #[serde(borrow, default)]
    code: Word<'a>,
    #[serde(borrow, default)]
    ts: Word<'a>,
    #[serde(borrow, default)]
    url: Word<'a>,
}

/// Reads one event; the text is the whole body.
pub(super) fn read(text: &str, reactions: bool) -> Item {
    let Some(envelope) = object::<Envelope<'_>>(text) else { return Item::Passed("malformed") };
    let event = Event { text, envelope: &envelope };
    match (envelope.kind.as_str(), &envelope.payload.0) {
        ("message", Some(payload)) => event.message(payload, reactions),
        ("message-event", Some(payload)) => event.status(payload),
        ("user-event", Some(payload)) => event.person_event(payload),
        ("template-event", Some(payload)) => event.template(payload),
        ("message" | "message-event" | "user-event" | "template-event", None) => Item::Passed("malformed"),
        ("account-event", _) => Item::Passed("account-event"),
        ("billing-event", _) => Item::Passed("billing-event"),
        ("platform-event", _) => Item::Passed("platform-event"),
        ("preference-event", _) => Item::Passed("preference-event"),
        ("system-event", _) => Item::Passed("system-event"),
        _ => Item::Passed("event_other"),
    }
}

/// An event with what surrounds it.
struct Event<'a> {
    text: &'a str,
    envelope: &'a Envelope<'a>,
}

impl Event<'_> {
    fn heard(&self, id: String, at: Option<Moment>, party: Party, what: What) -> Item {
        let at = at.or_else(|| self.envelope.timestamp.moment());
        Item::Event(Box::new(Heard { id, at, address: self.envelope.app.as_str().to_owned(), party, what }))
    }

    fn message(&self, payload: &Payload<'_>, reactions: bool) -> Item {
        let what = match said(payload, reactions) {
            Ok(what) => what,
            Err(word) => return Item::Passed(word),
        };
        // Either may be blank in practice.
        let sender = payload.sender.0.as_ref().map(|sender| named(&sender.phone)).filter(is_somebody);
        let Some(person) = sender.or_else(|| Some(named(&payload.source)).filter(is_somebody)) else { return Item::Passed("nameless") };
        self.heard(identity(payload.id.as_str(), self.text), None, Party::Person(person), what)
    }

    fn status(&self, payload: &Payload<'_>) -> Item {
        // Our message is `gsId` where there is one, else `id`; more than a week after sending, that is WhatsApp's id alone.
        let message = if payload.gs_id.is_empty() { &payload.id } else { &payload.gs_id }.as_str();
        if message.is_empty() {
            return Item::Passed("nameless");
        }
        let inner = payload.payload.0.as_ref();
        let code = || inner.and_then(|inner| inner.code.number()).and_then(table::trouble).unwrap_or(Trouble::Permanent);
        let Some(told) = status(&payload.kind, message, None, code) else { return Item::Passed("status_other") };
        let party = Some(named(&payload.destination)).filter(is_somebody).map_or(Party::Unnamed, Party::Person);
        let id = identity(&format!("{message}/{}", payload.kind.as_str()), self.text);
        self.heard(id, inner.and_then(|inner| inner.ts.moment()), party, What::Status(told))
    }

    fn person_event(&self, payload: &Payload<'_>) -> Item {
        let what = match payload.kind.as_str() {
            "opted-in" => What::OptIn,
            "opted-out" => What::OptOut,
            "sandbox-start" => return Item::Passed("sandbox-start"),
            _ => return Item::Passed("user_event_other"),
        };
        let person = named(&payload.phone);
        if !is_somebody(&person) {
            return Item::Passed("nameless");
        }
        self.heard(identity("", self.text), None, Party::Person(person), what)
    }

    fn template(&self, payload: &Payload<'_>) -> Item {
        let (template, word) = (payload.id.as_str(), payload.status.as_str());
        match usable(word) {
            Some(usable) if payload.kind.as_str() == "status-update" && !template.is_empty() => Item::Template(TemplateNews {
                address: self.envelope.app.as_str().to_owned(),
                template: template.to_owned(),
                usable,
                word: word.to_owned(),
            }),
            _ => Item::Passed("template_other"),
        }
    }
}

fn named(phone: &Word<'_>) -> Person {
    person(phone.as_str(), "")
}

fn is_somebody(person: &Person) -> bool {
    !person.phone.is_empty() || !person.user.is_empty()
}

/// What a person's message says, or the word under which it is passed.
fn said(payload: &Payload<'_>, reactions: bool) -> Result<What, &'static str> {
    let inner = payload.payload.0.as_ref();
    let silent = || What::UserMessage(String::new());
    let is_button = inner.is_some_and(|inner| inner.kind.as_str() == "button");
    Ok(match (payload.kind.as_str(), inner) {
        ("quick_reply", Some(inner)) => quick_reply(inner, payload),
        ("text", Some(inner)) if is_button => quick_reply(inner, payload),
        ("button_reply", Some(inner)) => session_button(inner, payload),
        // What somebody else's list says is no answer to us, whatever stands in it.
        ("list_reply", Some(inner)) if picks::read(inner.postback_text.as_str()).is_some() => session_button(inner, payload),
        ("image", inner) => media(MediaKind::Photo, inner),
        ("file" | "document", inner) => media(MediaKind::Document, inner),
        ("audio" | "voice" | "video" | "sticker", _) => media(MediaKind::Other, None),
        ("text", Some(inner)) => What::UserMessage(inner.text.as_str().to_owned()),
        (
            "text" | "quick_reply" | "button_reply" | "list_reply" | "contact" | "contacts" | "location" | "order" | "unsupported"
            | "unknown",
            _,
        ) => silent(),
        // Whatever it shows, it is no answer.
        ("reaction", _) if reactions => silent(),
        ("reaction", _) => return Err("reaction"),
        _ => return Err("message_other"),
    })
}

/// A tap under a template: it carries what we sent with it, or the label alone.
fn quick_reply(inner: &Inner<'_>, payload: &Payload<'_>) -> What {
    tapped(inner.postback_text.as_str(), inner.text.as_str(), answered(payload))
}

/// A tap under a free text: it carries the id that we gave the message, the same for both buttons, and the place of the button
/// after its label.
fn session_button(inner: &Inner<'_>, payload: &Payload<'_>) -> What {
    let carried = inner.postback_text.as_str();
    if button::read(carried).is_some() || picks::read(carried).is_some() {
        return tapped(inner.postback_text.as_str(), inner.title.as_str(), answered(payload));
    }
    let send = SendId::parse(inner.id.as_str());
    let place = inner.reply.as_str().strip_prefix(inner.title.as_str()).map(str::trim);
    // Of another's message the places mean nothing to us. Under a question the place is one of its choices.
    let place = place.filter(|_| send.is_some()).and_then(|place| place.parse::<u8>().ok()?.checked_sub(1));
    let choice = match place {
        Some(0) => Some(Choice::Yes),
        Some(1) => Some(Choice::No),
        _ => None,
    };
    let message = answered(payload);
    What::Tapped(Tap {
        send,
        message: (!message.is_empty()).then(|| message.to_owned()),
        choice,
        pick: place,
        label: inner.title.as_str().to_owned(),
    })
}

/// A file that a person sent, by the address at which Gupshup keeps it.
fn media(kind: MediaKind, inner: Option<&Inner<'_>>) -> What {
    What::Media { kind, reference: inner.map_or("", |inner| inner.url.as_str()).to_owned() }
}

/// The message that is answered: by Gupshup's id, which its API answered, else by WhatsApp's.
fn answered<'a>(payload: &'a Payload<'_>) -> &'a str {
    payload.context.0.as_ref().map_or("", |c| if c.gs_id.is_empty() { c.id.as_str() } else { c.gs_id.as_str() })
}
