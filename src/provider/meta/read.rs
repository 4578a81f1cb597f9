//! Meta's envelope read: every change of every entry, in order.
//!
//! Not the wire's shapes (`shape.rs`), and not what the events move.

use std::collections::HashMap;

use crate::engine::heard::{Heard, Item, MediaKind, Party, Person, TemplateNews, Trouble};
use crate::engine::picks;
use crate::engine::ports::Unreadable;
use crate::engine::request::What;
use crate::id::SendId;
use crate::provider::meta::shape::{Change, Contact, Entry, Envelope, Failure, Media, Message, Preference, Status, System, Value};
use crate::provider::meta::{Dialect, Items, identity, person, status, tapped, usable};
use crate::provider::soft::{List, Word, object};

/// Reads an envelope. What is merely unknown is passed, by a word of a closed list; a piece of the wrong kind takes nothing else
/// with it.
///
/// # Errors
/// [`Unreadable`] for more updates than a webhook has.
pub(in crate::provider) fn read(envelope: &Envelope<'_>, dialect: &Dialect, items: &mut Items) -> Result<(), Unreadable> {
    for entry in envelope.entry.raw() {
        let Some(entry) = object::<Entry<'_>>(entry) else {
            items.push(Item::Passed("malformed"))?;
            continue;
        };
        for raw in entry.changes.raw() {
            match object::<Change<'_>>(raw) {
                Some(Change { field, value }) => match value.0 {
                    Some(value) => change(&field, &value, dialect, items)?,
                    None => items.push(Item::Passed(passed(&field)))?,
                },
                None => items.push(Item::Passed("malformed"))?,
            }
        }
    }
    Ok(())
}

fn change(field: &Word<'_>, value: &Value<'_>, dialect: &Dialect, items: &mut Items) -> Result<(), Unreadable> {
    let at = Place::of(value, dialect);
    match field.as_str() {
        "messages" => {
            each(&value.messages, items, |raw, message| at.message(raw, &message))?;
            each(&value.statuses, items, |raw, news| at.status(raw, &news))?;
            let silent = value.messages.raw().next().is_none() && value.statuses.raw().next().is_none();
            if silent {
                items.push(Item::Passed(if value.errors.is_there() { "errors" } else { "nothing" }))?;
            }
            Ok(())
        }
        "smb_message_echoes" | "message_echoes" => each(&value.message_echoes, items, |raw, echo| at.echo(raw, &echo)),
        "user_preferences" => each(&value.user_preferences, items, |raw, wish| at.preference(raw, &wish)),
        "message_template_status_update" if dialect.templates => items.push(at.template(value)),
        _ => items.push(Item::Passed(passed(field))),
    }
}

/// Reads each element of a list into one item, in order.
fn each<'a, T: serde::Deserialize<'a>>(
    list: &List<'a>,
    items: &mut Items,
    mut item: impl FnMut(&str, T) -> Item,
) -> Result<(), Unreadable> {
    for raw in list.raw() {
        items.push(object::<T>(raw).map_or(Item::Passed("malformed"), |element| item(raw, element)))?;
    }
    Ok(())
}

/// Fields that tell nothing of a person's conversation.
fn passed(field: &Word<'_>) -> &'static str {
    const KNOWN: &[&str] = &[
        "account_alerts",
        "account_review_update",
        "account_settings_update",
        "account_update",
        "business_capability_update",
        "calls",
        "flows",
        "history",
        "message_template_components_update",
        "message_template_quality_update",
        "message_template_status_update",
        "partner_solutions",
        "payment_configuration_update",
        "phone_number_name_update",
        "phone_number_quality_update",
        "platform-event",
        "security",
        "smb_app_state_sync",
        "standby",
        "template_category_update",
        "user_id_update",
    ];
    let field = field.as_str();
    match KNOWN.iter().find(|known| **known == field) {
        Some(known) => known,
        None if field.starts_with("group_") => "group",
        None => "field_other",
    }
}

/// One change's common ground: where it happened, and who is spoken of.
struct Place<'a> {
    address: String,
    dialect: &'a Dialect,
    /// User ids by number, and numbers by user id, as the contacts tell them.
    users: HashMap<String, String>,
    phones: HashMap<String, String>,
    /// The person, where only one is spoken of.
    only: Option<Person>,
}

impl<'a> Place<'a> {
    fn of(value: &Value<'_>, dialect: &'a Dialect) -> Place<'a> {
        let contacts: Vec<Person> = value.contacts.of::<Contact<'_>>().map(|c| person(c.wa_id.as_str(), c.user_id.as_str())).collect();
        let both = || contacts.iter().filter(|p| !p.phone.is_empty() && !p.user.is_empty());
        Place {
            address: value.metadata.0.as_ref().map_or_else(String::new, dialect.address),
            dialect,
            users: both().map(|p| (p.phone.clone(), p.user.clone())).collect(),
            phones: both().map(|p| (p.user.clone(), p.phone.clone())).collect(),
            only: match &contacts[..] {
                [only] => Some(only.clone()),
                _ => None,
            },
        }
    }

    /// A person, with what the contacts add; `None` where nothing names anybody.
    fn person(&self, phone: &Word<'_>, user: &Word<'_>) -> Option<Person> {
        let mut person = person(phone.as_str(), user.as_str());
        match (person.phone.is_empty(), person.user.is_empty()) {
            (true, true) => person = self.only.clone()?,
            (true, false) => person.phone = self.phones.get(&person.user).cloned().unwrap_or_default(),
            (false, true) => person.user = self.users.get(&person.phone).cloned().unwrap_or_default(),
            (false, false) => {}
        }
        (!person.phone.is_empty() || !person.user.is_empty()).then_some(person)
    }

    fn heard(&self, id: String, at: &Word<'_>, party: Party, what: What) -> Item {
        Item::Event(Box::new(Heard { id, at: at.moment(), address: self.address.clone(), party, what }))
    }

    fn message(&self, raw: &str, message: &Message<'_>) -> Item {
        if !message.group_id.is_empty() {
            return Item::Passed("group");
        }
        let said = match message.kind.as_str() {
            "system" => return self.system(raw, message),
            _ => said(message, self.dialect.reactions),
        };
        let what = match said {
            Ok(what) => what,
            Err(word) => return Item::Passed(word),
        };
        let Some(person) = self.person(&message.from, &message.from_user_id) else { return Item::Passed("nameless") };
        self.heard(identity(message.id.as_str(), raw), &message.timestamp, Party::Person(person), what)
    }

    /// A person's number or user id has changed. Nothing else that the system tells concerns us.
    fn system(&self, raw: &str, message: &Message<'_>) -> Item {
        let Some(system) = &message.system.0 else { return Item::Passed("system") };
        let System { kind, wa_id, new_wa_id, user_id, previous_user_id } = system;
        if !matches!(kind.as_str(), "user_changed_number" | "customer_changed_number" | "user_changed_user_id") {
            return Item::Passed("system");
        }
        let before_user = if previous_user_id.is_empty() { &message.from_user_id } else { previous_user_id };
        let before = person(message.from.as_str(), before_user.as_str());
        let after = person(if wa_id.is_empty() { new_wa_id } else { wa_id }.as_str(), user_id.as_str());
        let nobody = |p: &Person| p.phone.is_empty() && p.user.is_empty();
        if nobody(&before) || nobody(&after) || before == after {
            return Item::Passed("system");
        }
        self.heard(identity(message.id.as_str(), raw), &message.timestamp, Party::Person(before), What::Moved(after))
    }

    fn echo(&self, raw: &str, echo: &Message<'_>) -> Item {
        if !echo.group_id.is_empty() {
            return Item::Passed("group");
        }
        let text = match echo.kind.as_str() {
            "reaction" | "edit" | "revoke" | "system" => return Item::Passed("echo_other"),
            "text" => echo.text.0.as_ref().map(|text| text.body.as_str().to_owned()),
            _ => None,
        };
        let Some(person) = self.person(&echo.to, &echo.to_user_id) else { return Item::Passed("nameless") };
        self.heard(identity(echo.id.as_str(), raw), &echo.timestamp, Party::Person(person), What::Spoke(text))
    }

    fn status(&self, raw: &str, news: &Status<'_>) -> Item {
        if news.recipient_type.as_str() == "group" {
            return Item::Passed("group");
        }
        let message = if news.gs_id.is_empty() { &news.id } else { &news.gs_id }.as_str();
        let send = SendId::parse(news.biz_opaque_callback_data.as_str());
        if message.is_empty() {
            return Item::Passed("nameless");
        }
        let Some(told) = status(&news.status, message, send, || failure(&news.errors, self.dialect.trouble)) else {
            return Item::Passed("status_other");
        };
        let party = self.person(&news.recipient_id, &news.recipient_user_id).map_or(Party::Unnamed, Party::Person);
        let id = identity(&format!("{message}/{}", news.status.as_str()), raw);
        self.heard(id, &news.timestamp, party, What::Status(told))
    }

    fn preference(&self, raw: &str, wish: &Preference<'_>) -> Item {
        let what = match (wish.category.as_str(), wish.value.as_str()) {
            ("" | "marketing_messages", "stop") => What::OptOut,
            ("" | "marketing_messages", "resume") => What::OptIn,
            _ => return Item::Passed("preference_other"),
        };
        let Some(person) = self.person(&wish.wa_id, &wish.user_id) else { return Item::Passed("nameless") };
        self.heard(identity("", raw), &wish.timestamp, Party::Person(person), what)
    }

    fn template(&self, value: &Value<'_>) -> Item {
        let (name, language) = (value.message_template_name.as_str(), value.message_template_language.as_str());
        let word = value.event.as_str();
        let Some(usable) = usable(word).filter(|_| !name.is_empty()) else { return Item::Passed("template_other") };
        let template = if language.is_empty() { name.to_owned() } else { format!("{name}/{language}") };
        Item::Template(TemplateNews { address: self.address.clone(), template, usable, word: word.to_owned() })
    }
}

/// What a person's message says, or the word under which it is passed.
fn said(message: &Message<'_>, reactions: bool) -> Result<What, &'static str> {
    let answered = message.context.0.as_ref().map_or("", |c| if c.gs_id.is_empty() { c.id.as_str() } else { c.gs_id.as_str() });
    let silent = || What::UserMessage(String::new());
    Ok(match message.kind.as_str() {
        "text" => What::UserMessage(message.text.0.as_ref().map_or_else(String::new, |text| text.body.as_str().to_owned())),
        "interactive" => match message.interactive.0.as_ref().map(|i| (i.button_reply.0.as_ref(), i.list_reply.0.as_ref())) {
            Some((Some(reply), _)) => tapped(reply.id.as_str(), reply.title.as_str(), answered),
            // What somebody else's list says is no answer to us, whatever stands in it.
            Some((None, Some(row))) if picks::read(row.id.as_str()).is_some() => tapped(row.id.as_str(), row.title.as_str(), answered),
            // A form, a permission to call, or none of them with an error beside it: the person did something.
            _ => silent(),
        },
        "button" => match &message.button.0 {
            Some(button) => tapped(button.payload.as_str(), button.text.as_str(), answered),
            None => silent(),
        },
        // Captions are no whole message: whoever sends a picture answers nothing with it.
        "image" => media(MediaKind::Photo, message.image.0.as_ref()),
        "document" => media(MediaKind::Document, message.document.0.as_ref()),
        "video" | "audio" | "voice" | "sticker" => media(MediaKind::Other, None),
        "location" | "contacts" | "order" | "unsupported" | "unknown" | "ephemeral" => silent(),
        // Whatever it shows, it is no answer.
        "reaction" if reactions => silent(),
        "reaction" => return Err("reaction"),
        "edit" => return Err("edit"),
        "revoke" => return Err("revoke"),
        "request_welcome" => return Err("request_welcome"),
        _ => return Err("message_other"),
    })
}

fn media(kind: MediaKind, file: Option<&Media<'_>>) -> What {
    What::Media { kind, reference: file.map_or("", |file| file.id.as_str()).to_owned() }
}

/// What the errors of a failed message mean: the first that is known. Without one, this person will not get this message.
fn failure(errors: &List<'_>, trouble: fn(i64) -> Option<Trouble>) -> Trouble {
    let known = errors.of::<Failure<'_>>().filter_map(|error| error.code.number()).find_map(trouble);
    known.unwrap_or(Trouble::Permanent)
}
