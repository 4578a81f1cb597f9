//! What the webhooks of the WhatsApp Cloud API say, in the shapes of its documentation, signed by the app's secret. Not its API.

use std::sync::atomic::Ordering;

use reengaged::moment::{Moment, SECOND};

use super::json::{array, escaped, object, text};
use super::whatsapp::{Meta, message_id, words};
use super::{Fate, Hook, Person, Sent, sign};

impl Meta {
    /// A person writes.
    pub(crate) fn says(&self, person: &Person, said: &str, at: Moment) -> Hook {
        self.hook(&[self.messages(&[person], [self.message(person, said, at)])])
    }

    /// Persons write, and all of it comes in one webhook.
    pub(crate) fn batch(&self, said: &[(Person, String)], at: Moment) -> Hook {
        let persons: Vec<&Person> = said.iter().map(|(person, _)| person).collect();
        self.hook(&[self.messages(&persons, said.iter().map(|(person, said)| self.message(person, said, at)))])
    }

    /// A person taps the button at this place under a message: one of a session, or a template's quick reply.
    pub(crate) fn taps(&self, person: &Person, sent: &Sent, place: usize, at: Moment) -> Hook {
        let (id, label) = &sent.buttons[place];
        let context = object([("from", text(&self.phone)), ("id", text(&sent.id))]);
        let (kind, tap) = match sent.template {
            Some(_) => ("button", object([("payload", text(id)), ("text", text(label))])),
            None => {
                // With more than three of them they are the rows of a list.
                let kind = if sent.buttons.len() > 3 { "list_reply" } else { "button_reply" };
                let reply = object([("id", text(id)), ("title", text(label))]);
                ("interactive", object([("type", text(kind)), (kind, reply)]))
            }
        };
        let mut message = vec![("context", context)];
        message.extend(self.head(person, at));
        message.extend([("type", text(kind)), (kind, tap)]);
        self.hook(&[self.messages(&[person], [object(message)])])
    }

    /// Somebody of the business writes to a person from the app on a phone.
    pub(crate) fn echo(&self, person: &Person, said: &str, at: Moment) -> Hook {
        let id = message_id(self.next.fetch_add(1, Ordering::Relaxed));
        let message = object([
            ("from", text(&self.phone)),
            ("to", text(&person.phone)),
            ("to_user_id", text(&person.user)),
            ("id", text(id)),
            ("timestamp", seconds(at)),
            ("type", text("text")),
            ("text", object([("body", text(said))])),
        ]);
        let value = [("messaging_product", text("whatsapp")), ("metadata", self.metadata()), ("message_echoes", array([message]))];
        self.hook(&[object([("value", object(value)), ("field", text("smb_message_echoes"))])])
    }

    /// A person does not want to hear from the business any more.
    pub(crate) fn stops(&self, person: &Person, at: Moment) -> Hook {
        let preference = object([
            ("wa_id", text(&person.phone)),
            ("detail", text("User requested to stop marketing messages")),
            ("category", text("marketing_messages")),
            ("value", text("stop")),
            ("timestamp", (at.0 / SECOND).to_string()),
        ]);
        let value = [
            ("messaging_product", text("whatsapp")),
            ("metadata", self.metadata()),
            ("contacts", array([contact(person)])),
            ("user_preferences", array([preference])),
        ];
        self.hook(&[object([("value", object(value)), ("field", text("user_preferences"))])])
    }

    /// The state of a template changes: `PAUSED`, `APPROVED`.
    pub(crate) fn template_becomes(&self, name: &str, language: &str, event: &str, at: Moment) -> Hook {
        let value = [
            ("event", text(event)),
            ("message_template_id", "1689556908129832".to_owned()),
            ("message_template_name", text(name)),
            ("message_template_language", text(language)),
            ("reason", text("NONE")),
        ];
        let change = object([("field", text("message_template_status_update")), ("value", object(value))]);
        self.signed(&[("id", text(&self.account)), ("time", (at.0 / SECOND).to_string()), ("changes", array([change]))])
    }

    /// What became of a message, as one change of a webhook.
    pub(super) fn fate(&self, sent: &Sent, fate: Fate, at: Moment) -> String {
        let word = match fate {
            Fate::Sent => "sent",
            Fate::Delivered => "delivered",
            Fate::Read => "read",
            Fate::Failed(_) => "failed",
        };
        let mut status = vec![("id", text(&sent.id)), ("status", text(word)), ("timestamp", seconds(at)), ("recipient_id", text(&sent.to))];
        if !sent.correlation.is_empty() {
            status.push(("biz_opaque_callback_data", text(&sent.correlation)));
        }
        if let Fate::Failed(code) = fate {
            let (title, _) = words(code);
            let error = object([("code", code.to_string()), ("title", text(title)), ("message", text(title))]);
            status.push(("errors", array([error])));
        }
        let value = [("messaging_product", text("whatsapp")), ("metadata", self.metadata()), ("statuses", array([object(status)]))];
        object([("value", object(value)), ("field", text("messages"))])
    }

    /// A webhook of these changes of the line's account.
    pub(super) fn hook(&self, changes: &[String]) -> Hook {
        self.signed(&[("id", text(&self.account)), ("changes", array(changes.iter().cloned()))])
    }

    fn signed(&self, entry: &[(&str, String)]) -> Hook {
        let envelope = [("object", text("whatsapp_business_account")), ("entry", array([object(entry.iter().cloned())]))];
        let body = escaped(&object(envelope)).into_bytes();
        let signature = sign::meta(&self.app_secret, &body);
        let headers = vec![("content-type", "application/json".to_owned()), ("x-hub-signature-256", signature)];
        Hook { query: String::new(), headers, body }
    }

    fn messages(&self, persons: &[&Person], messages: impl IntoIterator<Item = String>) -> String {
        let value = [
            ("messaging_product", text("whatsapp")),
            ("metadata", self.metadata()),
            ("contacts", array(persons.iter().map(|person| contact(person)))),
            ("messages", array(messages)),
        ];
        object([("value", object(value)), ("field", text("messages"))])
    }

    fn message(&self, person: &Person, said: &str, at: Moment) -> String {
        let mut message = self.head(person, at);
        message.extend([("type", text("text")), ("text", object([("body", text(said))]))]);
        object(message)
    }

    fn head(&self, person: &Person, at: Moment) -> Vec<(&'static str, String)> {
        let id = message_id(self.next.fetch_add(1, Ordering::Relaxed));
        vec![("from", text(&person.phone)), ("from_user_id", text(&person.user)), ("id", text(id)), ("timestamp", seconds(at))]
    }

    fn metadata(&self) -> String {
        object([("display_phone_number", text(&self.phone)), ("phone_number_id", text(&self.phone_number_id))])
    }
}

fn contact(person: &Person) -> String {
    object([("profile", object([("name", text(&person.name))])), ("wa_id", text(&person.phone)), ("user_id", text(&person.user))])
}

fn seconds(at: Moment) -> String {
    text((at.0 / SECOND).to_string())
}
