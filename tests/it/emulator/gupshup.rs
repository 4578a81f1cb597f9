//! Gupshup: `POST /wa/api/v1/msg` and `POST /wa/api/v1/template/msg`, and its webhooks of version 2.
//!
//! Unconfirmed, so a choice of this emulator: a tap in a session carries the message's `msgid` and the button's title and place, not
//! what the button was given; a tap on a template carries its `postbackText`.

use std::sync::atomic::{AtomicU64, Ordering};

use reengaged::moment::{Moment, SECOND};
use serde_json::Value;

use super::json::{object, text};
use super::{Answer, Fate, Heard, Hook, Manners, Person, Sent, form};
use crate::stub::Request;

/// An app, its number and its templates.
pub(crate) struct Gupshup {
    pub(crate) api_key: String,
    pub(crate) app: String,
    pub(crate) phone: String,
    pub(crate) webhook_token: String,
    /// The header that carries the token in place of the address.
    pub(crate) webhook_header: Option<&'static str>,
    /// Id, how many variables, and what stands on the quick replies.
    pub(crate) templates: Vec<(&'static str, usize, &'static [&'static str])>,
    /// The number of the next message of a person.
    pub(crate) next: AtomicU64,
}

impl Gupshup {
    /// The app of the fixtures.
    pub(crate) fn new() -> Gupshup {
        Gupshup {
            api_key: "test-only-gupshup-key".to_owned(),
            app: "DemoApp".to_owned(),
            phone: "5716000001".to_owned(),
            webhook_token: "test-only-gupshup-url-token".to_owned(),
            webhook_header: None,
            templates: vec![("c6aecef6-bcb0-4fb1-8100-28c094e3bc6b", 1, &["Sí, continuar", "No, gracias"])],
            next: AtomicU64::new(0x0c),
        }
    }

    /// A person writes.
    pub(crate) fn says(&self, person: &Person, said: &str, at: Moment) -> Hook {
        self.message(person, "text", object([("text", text(said))]), None, at)
    }

    /// A person taps the button at this place under a message: one of a session, or a template's quick reply.
    pub(crate) fn taps(&self, person: &Person, sent: &Sent, place: usize, at: Moment) -> Hook {
        let (id, label) = &sent.buttons[place];
        if sent.template.is_some() {
            let tap = object([("text", text(label)), ("type", text("button")), ("postbackText", text(id))]);
            let flag = || "false".to_owned();
            let context = object([("id", text(whatsapp_id(sent))), ("forwarded", flag()), ("frequently_forwarded", flag())]);
            return self.message(person, "quick_reply", tap, Some(context), at);
        }
        let reply = format!("{label} {}", place + 1);
        let tap = object([("id", text(&sent.correlation)), ("title", text(label)), ("reply", text(reply))]);
        let context = object([("id", text(whatsapp_id(sent))), ("gsId", text(&sent.id))]);
        self.message(person, "button_reply", tap, Some(context), at)
    }

    /// Something about a person that is no message: `opted-out`, `sandbox-start`.
    pub(crate) fn user_event(&self, person: &Person, word: &str, at: Moment) -> Hook {
        self.envelope("user-event", object([("phone", text(&person.phone)), ("type", text(word))]), at)
    }

    /// WhatsApp's client has the message: the event that ties the two ids together.
    pub(crate) fn enqueued(&self, sent: &Sent, at: Moment) -> Hook {
        let inner = object([("whatsappMessageId", text(whatsapp_id(sent))), ("type", text("session"))]);
        let ids = vec![("id", text(&sent.id))];
        self.event(ids, "enqueued", sent, inner, at)
    }

    fn event(&self, ids: Vec<(&str, String)>, word: &str, sent: &Sent, inner: String, at: Moment) -> Hook {
        let rest = [("type", text(word)), ("destination", text(&sent.to)), ("payload", inner)];
        self.envelope("message-event", object(ids.into_iter().chain(rest)), at)
    }

    fn message(&self, person: &Person, kind: &str, inner: String, context: Option<String>, at: Moment) -> Hook {
        let id = format!("ABEGkYaYVSEEAhAL3SLAWwHKeKrt6s3FKB{:02x}", self.next.fetch_add(1, Ordering::Relaxed));
        let (country, dial) = person.phone.split_at(2);
        let sender = object([
            ("phone", text(&person.phone)),
            ("name", text(&person.name)),
            ("country_code", text(country)),
            ("dial_code", text(dial)),
        ]);
        let mut payload =
            vec![("id", text(id)), ("source", text(&person.phone)), ("type", text(kind)), ("payload", inner), ("sender", sender)];
        payload.extend(context.map(|context| ("context", context)));
        self.envelope("message", object(payload), at)
    }

    fn envelope(&self, kind: &str, payload: String, at: Moment) -> Hook {
        let members = [
            ("app", text(&self.app)),
            ("timestamp", at.0.to_string()),
            ("version", "2".to_owned()),
            ("type", text(kind)),
            ("payload", payload),
        ];
        let mut headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        let mut query = String::new();
        match self.webhook_header {
            Some(header) => headers.push((header, self.webhook_token.clone())),
            None => query = format!("?token={}", self.webhook_token),
        }
        Hook { query, headers, body: object(members).into_bytes() }
    }

    fn take(&self, request: &Request, number: u64) -> Result<(Sent, Answer), String> {
        let fields = form::read(request).ok_or("Unsupported Content Type")?;
        let field = |name: &str| form::one(&fields, name);
        if field("channel") != Some("whatsapp") {
            return Err("Invalid Channel".to_owned());
        }
        if field("source") != Some(self.phone.as_str()) || field("src.name") != Some(self.app.as_str()) {
            return Err("Invalid App Details".to_owned());
        }
        let to = field("destination").filter(|to| form::digits(to)).ok_or("Invalid Destination")?.to_owned();
        let sent = match request.target() {
            "/wa/api/v1/msg" => session(field("message").ok_or("Message is missing")?)?,
            _ => self.template(field("template").ok_or("Template is missing")?, field("postbackTexts"))?,
        };
        let sent = Sent { id: format!("ee4a68a0-1203-4c85-8dc3-{:012x}", 0x49d0_b322_6a35_u64 + number), to, ..sent };
        let answer = object([("status", text("submitted")), ("messageId", text(&sent.id))]);
        Ok((sent, Answer::new(202, answer)))
    }

    fn template(&self, template: &str, postbacks: Option<&str>) -> Result<Sent, String> {
        let template: Value = serde_json::from_str(template).map_err(|_| "Invalid Template JSON")?;
        let id = words(&template["id"], 100)?;
        let known = self.templates.iter().find(|(known, ..)| *known == id);
        let (_, variables, labels) = known.ok_or("Template did not match")?;
        let vars: Vec<String> = match &template["params"] {
            Value::Null => Vec::new(),
            params => params.as_array().ok_or("Invalid Params")?.iter().map(|param| words(param, 1_024)).collect::<Result<_, _>>()?,
        };
        if vars.len() != *variables {
            return Err("Template did not match".to_owned());
        }
        let mut buttons: Vec<(String, String)> = labels.iter().map(|label| ((*label).to_owned(), (*label).to_owned())).collect();
        let postbacks: Value = postbacks.map_or(Ok(Value::Array(Vec::new())), serde_json::from_str).map_err(|_| "Invalid Postback")?;
        for postback in postbacks.as_array().ok_or("Invalid Postback")? {
            let place = postback["index"].as_u64().and_then(|index| usize::try_from(index).ok());
            let button = place.and_then(|place| buttons.get_mut(place)).ok_or("Invalid Postback")?;
            button.0 = words(&postback["text"], 256)?;
        }
        Ok(Sent { template: Some(id), vars, buttons, ..Sent::default() })
    }
}

/// A message inside the window: a text, or a text with quick replies. Meta's limits apply beneath.
fn session(message: &str) -> Result<Sent, String> {
    let message: Value = serde_json::from_str(message).map_err(|_| "Invalid Message JSON")?;
    match message["type"].as_str() {
        Some("text") => Ok(Sent { text: words(&message["text"], 4_096)?, ..Sent::default() }),
        Some("quick_reply") => {
            let content = &message["content"];
            if content["type"] != "text" {
                return Err("Invalid Content".to_owned());
            }
            let mut sent = Sent { text: words(&content["text"], 1_024)?, ..Sent::default() };
            if !message["msgid"].is_null() {
                sent.correlation = words(&message["msgid"], 256)?;
            }
            for option in message["options"].as_array().ok_or("Invalid Options")? {
                let label = words(&option["title"], 20)?;
                if option["type"] != "text" || sent.buttons.iter().any(|(_, known)| *known == label) {
                    return Err("Invalid Options".to_owned());
                }
                sent.buttons.push((label.clone(), label));
            }
            if (1..=3).contains(&sent.buttons.len()) { Ok(sent) } else { Err("Invalid Options".to_owned()) }
        }
        _ => Err("Invalid Message Type".to_owned()),
    }
}

/// A text of one to so many characters.
fn words(value: &Value, most: usize) -> Result<String, String> {
    let text = value.as_str().filter(|text| (1..=most).contains(&text.chars().count()));
    text.map(str::to_owned).ok_or_else(|| "Invalid Length".to_owned())
}

/// WhatsApp's own id of a message, by which late events name it.
fn whatsapp_id(sent: &Sent) -> String {
    match sent.id.strip_prefix("ee4a68a0-1203-4c85-8dc3-") {
        Some("49d0b3226a35") => "gBEGkYaYVSEEAgnZxQ3JmKK6Wvg".to_owned(),
        Some(rest) => format!("gBEGkYaYVSEEAgnZxQ3{rest}"),
        None => sent.id.clone(),
    }
}

fn error(status: u16, message: &str) -> Answer {
    Answer::new(status, object([("status", text("error")), ("message", text(message))]))
}

impl Manners for Gupshup {
    fn hear(&self, request: &Request, number: u64) -> Heard {
        if request.header("apikey") != self.api_key {
            return Heard::Wrong(self.expired());
        }
        match (request.method(), request.target()) {
            ("POST", "/wa/api/v1/msg" | "/wa/api/v1/template/msg") => match self.take(request, number) {
                Ok((sent, answer)) => Heard::Send(Box::new(sent), answer),
                Err(why) => Heard::Wrong(error(400, &why)),
            },
            _ => Heard::Wrong(error(404, "Not Found")),
        }
    }

    fn error(&self, code: u32) -> Answer {
        let members = [("status", text("error")), ("message", object([("code", code.to_string()), ("reason", text(reason(code)))]))];
        Answer::new(400, object(members))
    }

    fn throttled(&self) -> Answer {
        error(429, "Too Many Requests")
    }

    fn expired(&self) -> Answer {
        error(401, "Authentication Failed")
    }

    fn status(&self, sent: &Sent, fate: Fate, at: Moment) -> Option<Hook> {
        let both = || vec![("id", text(whatsapp_id(sent))), ("gsId", text(&sent.id))];
        let time = || (at.0 / SECOND).to_string();
        Some(match fate {
            Fate::Sent => self.event(both(), "sent", sent, object([("ts", time())]), at),
            Fate::Delivered => self.event(both(), "delivered", sent, object([("ts", time())]), at),
            // Told as a text in what was seen of it, and as a number in the documentation of the others.
            Fate::Read => self.event(both(), "read", sent, object([("ts", text(time()))]), at),
            Fate::Failed(code) => {
                // Its own errors come before WhatsApp had the message, so they name our id alone.
                let ids = if (1_000..5_000).contains(&code) { vec![("id", text(&sent.id))] } else { both() };
                self.event(ids, "failed", sent, object([("code", code.to_string()), ("reason", text(reason(code)))]), at)
            }
        })
    }
}

fn reason(code: u32) -> &'static str {
    match code {
        470 => "Message failed to send because more than 24 hours have passed since the customer last replied to this number",
        1_005 => "Message sending failed as user is inactive for session message and template did not match",
        _ => "See the page of error codes",
    }
}
