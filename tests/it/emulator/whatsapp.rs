//! The WhatsApp Cloud API: `POST /v25.0/{phone_number_id}/messages` and `GET /v25.0/{phone_number_id}`. Its webhooks stand in
//! `whatsapp_hooks.rs`.
//!
//! Unconfirmed, so a choice of this emulator: a key that the API does not know is refused; a person without a number is addressed by
//! the field of `user_id_field` where there is one.

use std::sync::atomic::AtomicU64;

use reengaged::moment::Moment;
use serde_json::{Map, Value};

use super::form::digits;
use super::json::{array, object, text};
use super::whatsapp_templates::Templates;
use super::{Answer, Fate, Heard, Hook, Manners, Sent};
use crate::stub::Request;

/// The first message that the fixtures' line sent.
const FIRST: u64 = 0x00AB_C001;

/// A template as it was approved: name, language, how many variables its text has, and what stands on its quick replies.
pub(crate) type Template = (&'static str, &'static str, usize, &'static [&'static str]);

/// An app, a number and its templates.
pub(crate) struct Meta {
    pub(crate) token: String,
    pub(crate) app_secret: String,
    pub(crate) phone_number_id: String,
    pub(crate) phone: String,
    pub(crate) account: String,
    pub(crate) templates: Vec<Template>,
    /// Templates that were submitted by its API.
    pub(crate) submitted: Templates,
    pub(crate) user_id_field: Option<&'static str>,
    /// The number of the next message of a person.
    pub(crate) next: AtomicU64,
}

impl Meta {
    /// The app and the number of the fixtures.
    pub(crate) fn new() -> Meta {
        Meta {
            token: "test-only-meta-token".to_owned(),
            app_secret: "test-only-meta-app-secret".to_owned(),
            phone_number_id: "106540352242922".to_owned(),
            phone: "5716000001".to_owned(),
            account: "102290129340398".to_owned(),
            templates: vec![("reengage_es", "es", 1, &["Sí, continuar", "No, gracias"])],
            submitted: Templates::default(),
            user_id_field: None,
            next: AtomicU64::new(1),
        }
    }

    /// The path of the number, beneath the base of the API.
    fn path(&self) -> String {
        format!("/v25.0/{}", self.phone_number_id)
    }

    fn number(&self) -> Answer {
        let members = [
            ("verified_name", text("Reengaged Test")),
            ("display_phone_number", text(&self.phone)),
            ("quality_rating", text("GREEN")),
            ("id", text(&self.phone_number_id)),
        ];
        Answer::new(200, object(members))
    }

    fn take(&self, body: &[u8], number: u64) -> Result<(Sent, Answer), Wrong> {
        let body: Value = serde_json::from_slice(body).map_err(|_| Wrong(100, "the body is no JSON".to_owned()))?;
        let mut known =
            vec!["messaging_product", "recipient_type", "to", "type", "text", "interactive", "template", "biz_opaque_callback_data"];
        known.extend(self.user_id_field);
        let body = only(&body, "message", &known)?;
        one_of(body, "messaging_product", &["whatsapp"])?;
        if body.contains_key("recipient_type") {
            one_of(body, "recipient_type", &["individual"])?;
        }
        let to = self.recipient(body)?;
        let correlation = match body.get("biz_opaque_callback_data") {
            None => String::new(),
            Some(_) => line(body, "biz_opaque_callback_data", 512)?,
        };
        let sent = match one_of(body, "type", &["text", "interactive", "template"])? {
            "text" => plain(body)?,
            "interactive" => interactive(body)?,
            _ => self.template(body)?,
        };
        let sent = Sent { id: message_id(FIRST + number), to, correlation, ..sent };
        let contact = object([("input", text(format!("+{}", sent.to))), ("wa_id", text(&sent.to))]);
        let mut message = vec![("id", text(&sent.id))];
        if sent.template.is_some() {
            message.push(("message_status", text("accepted")));
        }
        let answer = [("messaging_product", text("whatsapp")), ("contacts", array([contact])), ("messages", array([object(message)]))];
        Ok((sent, Answer::new(200, object(answer))))
    }

    fn recipient(&self, body: &Map<String, Value>) -> Result<String, Wrong> {
        if let Some(field) = self.user_id_field.filter(|field| body.contains_key(*field) && !body.contains_key("to")) {
            return line(body, field, 131);
        }
        let to = line(body, "to", 20)?;
        let number = to.strip_prefix('+').unwrap_or(&to);
        if digits(number) { Ok(number.to_owned()) } else { Err(Wrong(131_009, "`to` is no phone number".to_owned())) }
    }

    fn template(&self, body: &Map<String, Value>) -> Result<Sent, Wrong> {
        let part = only(member(body, "template")?, "template", &["name", "language", "components"])?;
        let (name, language) = (line(part, "name", 512)?, only(member(part, "language")?, "language", &["code"])?);
        let code = line(language, "code", 15)?;
        let known = self.templates.iter().find(|(known, language, ..)| *known == name && *language == code);
        let known = known.map(|(_, _, variables, labels)| (*variables, labels.iter().map(|label| (*label).to_owned()).collect()));
        let submitted = || self.submitted.find(&name, &code).map(|one| (one.variables, one.labels));
        let Some((variables, labels)): Option<(usize, Vec<String>)> = known.or_else(submitted) else {
            return Err(Wrong(132_001, format!("template name ({name}) does not exist in {code}")));
        };
        let mut sent = Sent {
            template: Some(format!("{name}/{code}")),
            buttons: labels.iter().map(|label| (label.clone(), label.clone())).collect(),
            ..Sent::default()
        };
        for component in list(part.get("components"), "components")? {
            let part = only(component, "components", &["type", "sub_type", "index", "parameters"])?;
            match one_of(part, "type", &["body", "button"])? {
                "body" => sent.vars = variables_of(part)?,
                _ => {
                    let (index, payload) = payload_of(part)?;
                    let button = sent.buttons.get_mut(index).ok_or(Wrong(132_000, format!("there is no button {index}")))?;
                    button.0 = payload;
                }
            }
        }
        if sent.vars.len() != variables {
            return Err(Wrong(132_000, format!("body: number of localizable_params ({}) does not match ({variables})", sent.vars.len())));
        }
        Ok(sent)
    }
}

/// A request that the API does not take: the code, and what it says.
struct Wrong(u32, String);

fn plain(body: &Map<String, Value>) -> Result<Sent, Wrong> {
    let part = only(member(body, "text")?, "text", &["body", "preview_url"])?;
    Ok(Sent { text: line(part, "body", 4_096)?, ..Sent::default() })
}

fn interactive(body: &Map<String, Value>) -> Result<Sent, Wrong> {
    let part = only(member(body, "interactive")?, "interactive", &["type", "body", "footer", "action"])?;
    let is_list = one_of(part, "type", &["button", "list"])? == "list";
    let said = line(only(member(part, "body")?, "body", &["text"])?, "text", 1_024)?;
    if let Some(footer) = part.get("footer") {
        line(only(footer, "footer", &["text"])?, "text", 60)?;
    }
    if is_list {
        return Ok(Sent { text: said, buttons: rows(part)?, ..Sent::default() });
    }
    let action = only(member(part, "action")?, "action", &["buttons"])?;
    let mut buttons: Vec<(String, String)> = Vec::new();
    for button in list(action.get("buttons"), "buttons")? {
        let button = only(button, "buttons", &["type", "reply"])?;
        one_of(button, "type", &["reply"])?;
        let reply = only(member(button, "reply")?, "reply", &["id", "title"])?;
        let (id, title) = (line(reply, "id", 256)?, line(reply, "title", 20)?);
        if id.trim() != id || buttons.iter().any(|(known, label)| *known == id || *label == title) {
            return Err(Wrong(131_009, "ids and titles of buttons differ, and an id has no space around it".to_owned()));
        }
        buttons.push((id, title));
    }
    if !(1..=3).contains(&buttons.len()) {
        return Err(Wrong(131_009, format!("{} buttons; there are one to three", buttons.len())));
    }
    Ok(Sent { text: said, buttons, ..Sent::default() })
}

/// The rows of a list, ten at most in all its sections; one section needs no title.
fn rows(part: &Map<String, Value>) -> Result<Vec<(String, String)>, Wrong> {
    let action = only(member(part, "action")?, "action", &["button", "sections"])?;
    line(action, "button", 20)?;
    let mut rows: Vec<(String, String)> = Vec::new();
    for section in list(action.get("sections"), "sections")? {
        let section = only(section, "sections", &["title", "rows"])?;
        for row in list(section.get("rows"), "rows")? {
            let row = only(row, "rows", &["id", "title", "description"])?;
            let (id, title) = (line(row, "id", 200)?, line(row, "title", 24)?);
            if rows.iter().any(|(known, _)| *known == id) {
                return Err(Wrong(131_009, "ids of rows differ".to_owned()));
            }
            rows.push((id, title));
        }
    }
    if (1..=10).contains(&rows.len()) { Ok(rows) } else { Err(Wrong(131_009, format!("{} rows; there are one to ten", rows.len()))) }
}

fn variables_of(part: &Map<String, Value>) -> Result<Vec<String>, Wrong> {
    let mut values = Vec::new();
    for parameter in list(part.get("parameters"), "parameters")? {
        let parameter = only(parameter, "parameters", &["type", "text", "parameter_name"])?;
        one_of(parameter, "type", &["text"])?;
        let value = line(parameter, "text", 1_024)?;
        if value.contains(['\n', '\t']) || value.contains("     ") {
            return Err(Wrong(132_018, "a parameter has no new line, no tab and no five spaces in a row".to_owned()));
        }
        values.push(value);
    }
    Ok(values)
}

fn payload_of(part: &Map<String, Value>) -> Result<(usize, String), Wrong> {
    one_of(part, "sub_type", &["quick_reply"])?;
    let index = line(part, "index", 1)?.parse().map_err(|_| Wrong(131_009, "`index` is no number".to_owned()))?;
    let [parameter] = list(part.get("parameters"), "parameters")? else {
        return Err(Wrong(132_000, "a quick reply has one parameter".to_owned()));
    };
    let parameter = only(parameter, "parameters", &["type", "payload"])?;
    one_of(parameter, "type", &["payload"])?;
    Ok((index, line(parameter, "payload", 256)?))
}

/// The object, where it has no member but these.
fn only<'v>(value: &'v Value, what: &str, known: &[&str]) -> Result<&'v Map<String, Value>, Wrong> {
    let object = value.as_object().ok_or_else(|| Wrong(100, format!("Param {what} must be a JSON object.")))?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Wrong(100, format!("Unexpected key \"{key}\" on param \"{what}\"."))),
        None => Ok(object),
    }
}

fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Result<&'v Value, Wrong> {
    object.get(name).ok_or_else(|| Wrong(131_008, format!("The parameter {name} is required.")))
}

/// A text that is there, is not empty, and has so many characters at most.
fn line(object: &Map<String, Value>, name: &str, most: usize) -> Result<String, Wrong> {
    let text = member(object, name)?.as_str().ok_or_else(|| Wrong(100, format!("Param {name} must be a string.")))?;
    match text.chars().count() {
        0 => Err(Wrong(131_008, format!("The parameter {name} is required."))),
        n if n > most => Err(Wrong(131_009, format!("Param {name} must have at most {most} characters, not {n}."))),
        _ => Ok(text.to_owned()),
    }
}

fn one_of<'w>(object: &Map<String, Value>, name: &str, words: &[&'w str]) -> Result<&'w str, Wrong> {
    let text = line(object, name, 40)?;
    words.iter().find(|word| **word == text).copied().ok_or_else(|| Wrong(100, format!("Param {name} must be one of {words:?}.")))
}

fn list<'v>(value: Option<&'v Value>, what: &str) -> Result<&'v [Value], Wrong> {
    match value {
        None => Ok(&[]),
        Some(value) => value.as_array().map(Vec::as_slice).ok_or_else(|| Wrong(100, format!("Param {what} must be an array."))),
    }
}

/// The id of a message of a line or a person, as the fixtures number them.
pub(super) fn message_id(number: u64) -> String {
    format!("wamid.HBgMNTczMTgxMjMwMDAwFQIAEhgU{number:020X}AA==")
}

/// The title and the explanation of an error.
pub(super) fn words(code: u32) -> (&'static str, &'static str) {
    match code {
        130_429 => ("Rate limit hit", "Cloud API message throughput has been reached."),
        131_026 => ("Message undeliverable", "Message Undeliverable."),
        131_047 => ("Re-engagement message", "More than 24 hours have passed since the recipient last replied to the sender number."),
        131_056 => (
            "(Business Account, Consumer Account) pair rate limit hit",
            "Too many messages sent from the sender phone number to the same recipient phone number in a short period of time.",
        ),
        132_001 => (
            "Template name does not exist in the translation",
            "The template does not exist in the specified language or the template has not been approved.",
        ),
        132_015 => ("Template is Paused", "Template is paused due to low quality so it cannot be sent in a template message."),
        _ => ("Something went wrong", "See the page of error codes."),
    }
}

fn status_of(code: u32) -> u16 {
    match code {
        4 | 80_007 | 130_429 | 131_056 => 429,
        0 | 190 => 401,
        3 | 10 | 200..=299 | 131_005 => 403,
        2 => 503,
        1 | 131_000 | 131_016 => 500,
        _ => 400,
    }
}

fn refusal(code: u32, title: &str, details: Option<&str>) -> Answer {
    let mut error = vec![("message", text(title)), ("type", text("OAuthException")), ("code", code.to_string())];
    if let Some(details) = details {
        error.push(("error_data", object([("messaging_product", text("whatsapp")), ("details", text(details))])));
    }
    error.push(("fbtrace_id", text("Az8or2yhqkZfEZ-_4Qn_Bam")));
    Answer::new(status_of(code), object([("error", object(error))]))
}

impl Manners for Meta {
    fn hear(&self, request: &Request, number: u64) -> Heard {
        if request.header("authorization") != format!("Bearer {}", self.token) {
            return Heard::Wrong(self.expired());
        }
        let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
        if path == format!("/v25.0/{}/message_templates", self.account) {
            return match request.method() {
                "POST" => self.submitted.submit(&request.body),
                _ => self.submitted.list(query),
            };
        }
        match (request.method(), path.strip_prefix(&self.path())) {
            ("GET", Some("")) => Heard::Read(self.number()),
            ("POST", Some("/messages")) if request.header("content-type").starts_with("application/json") => {
                match self.take(&request.body, number) {
                    Ok((sent, answer)) => Heard::Send(Box::new(sent), answer),
                    Err(Wrong(code, why)) => Heard::Wrong(refusal(code, &format!("(#{code}) {}", words(code).0), Some(&why))),
                }
            }
            _ => Heard::Wrong(refusal(100, "Unsupported request: the object does not exist, or this cannot be done with it", None)),
        }
    }

    fn error(&self, code: u32) -> Answer {
        let (title, details) = words(code);
        refusal(code, &format!("(#{code}) {title}"), Some(details))
    }

    fn throttled(&self) -> Answer {
        self.error(130_429)
    }

    fn expired(&self) -> Answer {
        refusal(190, "Error validating access token: Session has expired.", None)
    }

    fn status(&self, sent: &Sent, fate: Fate, at: Moment) -> Option<Hook> {
        Some(self.hook(&[self.fate(sent, fate, at)]))
    }
}
