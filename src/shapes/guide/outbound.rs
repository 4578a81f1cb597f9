//! Outbounds: a message that reaches people first, its form, its record, and what is submitted of it for approval.
//!
//! Not its sending (`send.rs`), and not the submission: that is the line's provider's.

use std::sync::Arc;

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::conversation::answer;
use crate::engine::approval::{CallButton, TemplateCategory, TemplateDraft};
use crate::engine::book::Book;
use crate::engine::record::Header;
use crate::engine::template;
use crate::limits;
use crate::moment::Moment;
use crate::shapes::event::shortened;
use crate::shapes::guide::form::Form;
use crate::shapes::guide::{
    BadField, CONTENT_CHARS, LABEL_CHARS, NAME_CHARS, URL_BYTES, VALUE_CHARS, VARIABLE_BYTES, digits, line_of, number,
};

/// The fields of the call.
const FIELDS: &str = "waba_phone_number, is_notification, content, category, template_type, language_code, outbound_name, media_url, \
    continue_process_message, cancel_process_message, var.<name>, call_to_action.phone.message, call_to_action.phone.number, \
    call_to_action.url.message, call_to_action.url.url";
/// Most variables of one text.
const VARIABLES: usize = 32;

/// Where the approval stands.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Under review.
    Pending,
    /// It may be sent.
    Approved,
    /// It will never be.
    Rejected,
}

impl Status {
    /// The guide's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "PENDING",
            Status::Approved => "APPROVED",
            Status::Rejected => "REJECTED",
        }
    }
}

/// The category, in the guide's words.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "UPPERCASE")]
pub enum Category {
    /// Campaigns.
    Marketing,
    /// One-time passwords.
    Authentication,
    /// Anything else.
    Utility,
}

impl Category {
    /// The guide's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Category::Marketing => "MARKETING",
            Category::Authentication => "AUTHENTICATION",
            Category::Utility => "UTILITY",
        }
    }
}

/// What stands above the text.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "UPPERCASE")]
pub enum TemplateType {
    /// Nothing.
    Text,
    /// A video.
    Video,
    /// A picture.
    Image,
    /// A document.
    Document,
}

/// A button that leads away: what stands on it, and where it leads.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct CallToAction {
    /// The label.
    pub message: String,
    /// A number with country code, or an address.
    pub target: String,
}

/// An outbound as it is kept.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Outbound {
    /// The line's number.
    pub waba_phone_number: String,
    /// A single notification; otherwise it starts a flow.
    pub is_notification: bool,
    /// The text, with variables as `{{.name}}`.
    pub content: String,
    /// Its category.
    pub category: Category,
    /// What stands above the text.
    pub template_type: TemplateType,
    /// The language, as `es` or `pt-BR`.
    pub language_code: String,
    /// A name for whoever looks for it.
    pub outbound_name: String,
    /// Where its picture, video or document is.
    pub media_url: Option<String>,
    /// The label that starts the flow.
    pub continue_process_message: Option<String>,
    /// The label that declines.
    pub cancel_process_message: Option<String>,
    /// The variables of the text with an example each, in the order of the text.
    pub variables: Vec<(String, String)>,
    /// A button that calls.
    pub call: Option<CallToAction>,
    /// A button that opens an address.
    pub link: Option<CallToAction>,
    /// Where the approval stands.
    pub status: Status,
    /// Approved, and held by the provider at present.
    #[serde(default)]
    pub paused: bool,
    /// Why it was rejected, where the provider says; or why it could not be submitted yet.
    #[serde(default)]
    pub reason: String,
    /// What the provider calls it when it is sent; empty until it was submitted.
    #[serde(default)]
    pub template: String,
    /// What the provider is asked with about its approval; empty until it was submitted.
    #[serde(default)]
    pub submission: String,
    /// When it was created, in milliseconds since the epoch.
    pub created_at: i64,
    /// When its status last changed.
    pub updated_at: i64,
}

impl Outbound {
    /// Reads the form of a new one.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn create(mut form: Form, book: &Book, now: Moment) -> Result<Outbound, BadField> {
        let phone = form.need("waba_phone_number", 40, "write the line's number with country code, as 57317770000")?;
        let waba_phone_number = number("waba_phone_number", &phone)?;
        line_of(book, &waba_phone_number)?;
        let is_notification = form.truth("is_notification")?;
        let content = form.need("content", CONTENT_CHARS, "write the text of the message")?;
        let categories = [Category::Marketing, Category::Authentication, Category::Utility].map(|c| (c.as_str(), c));
        let category = form.word("category", &categories)?;
        let template_type = template_type(&mut form)?;
        let language_code = form.need("language_code", 20, "write the language, as es, pt-BR or en").and_then(language)?;
        let outbound_name = form.need("outbound_name", NAME_CHARS, "write a name to find it by")?;
        let media_url = media(&mut form, template_type)?;
        let (continue_process_message, cancel_process_message) = labels(&mut form, is_notification)?;
        let variables = variables(&mut form, &content)?;
        let call = call_to_action(&mut form, "phone.message", "phone.number", |field, value| {
            number(field, value).map(|digits| format!("+{digits}"))
        })?;
        let link = call_to_action(&mut form, "url.message", "url.url", |field, value| address(field, value).map(|()| value.to_owned()))?;
        form.end(FIELDS)?;
        let outbound = Outbound {
            waba_phone_number,
            is_notification,
            content,
            category,
            template_type,
            language_code,
            outbound_name,
            media_url,
            continue_process_message,
            cancel_process_message,
            variables,
            call,
            link,
            status: Status::Pending,
            paused: false,
            reason: String::new(),
            template: String::new(),
            submission: String::new(),
            created_at: now.0,
            updated_at: now.0,
        };
        outbound.labels_differ()?;
        Ok(outbound)
    }

    /// A person who taps or types a label must mean one thing by it.
    fn labels_differ(&self) -> Result<(), BadField> {
        let labels = [
            ("continue_process_message", self.continue_process_message.as_deref()),
            ("cancel_process_message", self.cancel_process_message.as_deref()),
            ("call_to_action.phone.message", self.call.as_ref().map(|call| &*call.message)),
            ("call_to_action.url.message", self.link.as_ref().map(|link| &*link.message)),
        ];
        let given: Vec<(&str, String)> = labels.iter().filter_map(|(field, label)| Some((*field, answer::fold((*label)?)))).collect();
        for (at, (field, label)) in given.iter().enumerate() {
            if let Some((other, _)) = given[..at].iter().find(|(_, known)| known == label) {
                return Err(BadField::new(*field, format!("says the same as {other}; write labels that differ")));
            }
        }
        Ok(())
    }

    /// The bytes that are kept.
    #[must_use]
    pub fn to_bytes(&self) -> Arc<[u8]> {
        Arc::from(serde_json::to_vec(self).expect("texts and numbers are always JSON"))
    }

    /// The record that was kept as these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Outbound> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether it may be sent now.
    #[must_use]
    pub fn can_be_sent(&self) -> bool {
        self.status == Status::Approved && !self.paused && !self.template.is_empty()
    }

    /// What is submitted for approval.
    #[must_use]
    pub fn draft(&self, id: &str) -> TemplateDraft {
        let button = |to: &Option<CallToAction>| to.as_ref().map(|to| CallButton { label: to.message.clone(), target: to.target.clone() });
        TemplateDraft {
            // Unique at the provider, so that submitting it twice cannot make two.
            name: format!("reengaged_{}", id.to_ascii_lowercase()),
            title: self.outbound_name.clone(),
            phone: self.waba_phone_number.clone(),
            notification: self.is_notification,
            text: self.content.clone(),
            variables: self.variables.clone(),
            category: match self.category {
                Category::Marketing => TemplateCategory::Marketing,
                Category::Authentication => TemplateCategory::Authentication,
                Category::Utility => TemplateCategory::Utility,
            },
            language: self.language_code.clone(),
            media: self.media_url.clone().map(|url| (self.header(), url)),
            buttons: self.continue_process_message.clone().zip(self.cancel_process_message.clone()),
            call: button(&self.call),
            link: button(&self.link),
        }
    }

    /// What stands above the text.
    #[must_use]
    pub fn header(&self) -> Header {
        match self.template_type {
            TemplateType::Text => Header::None,
            TemplateType::Video => Header::Video,
            TemplateType::Image => Header::Image,
            TemplateType::Document => Header::Document,
        }
    }
}

fn template_type(form: &mut Form) -> Result<TemplateType, BadField> {
    use TemplateType::{Document, Image, Text, Video};
    form.word("template_type", &[("TEXT", Text), ("VIDEO", Video), ("IMAGE", Image), ("DOCUMENT", Document)])
}

fn media(form: &mut Form, template_type: TemplateType) -> Result<Option<String>, BadField> {
    let field = "media_url";
    if template_type == TemplateType::Text {
        let given = form.maybe(field, URL_BYTES)?;
        let none = given.is_none().then_some(None);
        return none.ok_or_else(|| BadField::new(field, "a message of template_type TEXT has no media; leave it out"));
    }
    let url = form.need(field, URL_BYTES, "write where the picture, video or document is: template_type is not TEXT")?;
    address(field, &url)?;
    Ok(Some(url))
}

/// The labels of *continue* and *cancel*: needed where a flow starts, and out of place in a notification.
fn labels(form: &mut Form, is_notification: bool) -> Result<(Option<String>, Option<String>), BadField> {
    let mut label = |field: &'static str, wanted: &str| {
        let given = if is_notification { form.maybe(field, LABEL_CHARS)? } else { Some(form.need(field, LABEL_CHARS, wanted)?) };
        match given {
            Some(_) if is_notification => Err(BadField::new(field, "a notification has no such button; leave it out")),
            Some(label) => one_line(field, &label).map(Some),
            None => Ok(None),
        }
    };
    let go_on = label("continue_process_message", "write the label of the button that starts the flow, as Continue")?;
    let cancel = label("cancel_process_message", "write the label of the button that declines, as Cancel")?;
    Ok((go_on, cancel))
}

fn one_line(field: &str, text: &str) -> Result<String, BadField> {
    let text = text.trim();
    let fine = !text.chars().any(char::is_control) && !answer::fold(text).is_empty();
    fine.then(|| text.to_owned()).ok_or_else(|| BadField::new(field, "is no label; write one line that can be seen"))
}

/// One example for each variable of the text, and none for others.
fn variables(form: &mut Form, content: &str) -> Result<Vec<(String, String)>, BadField> {
    let mut examples = form.prefixed("var.");
    let names = names(content)?;
    let mut variables = Vec::with_capacity(names.len());
    for name in names {
        let Some(at) = examples.iter().position(|(known, _)| known == name) else {
            return Err(BadField::new(format!("var.{name}"), "is missing: content has this variable; write an example of it"));
        };
        let (name, example) = examples.remove(at);
        variables.push((name.clone(), value(&name, example)?));
    }
    match examples.into_iter().next() {
        Some((name, _)) => Err(BadField::new(format!("var.{name}"), "content has no such variable; leave it out")),
        None => Ok(variables),
    }
}

/// The names of the variables of a text, each once, in the order of the text.
fn names(content: &str) -> Result<Vec<&str>, BadField> {
    let all = template::variables(content)
        .map_err(|piece| BadField::new("content", format!("{} is no variable; write it as {{{{.name}}}}", shortened(piece))))?;
    let mut names: Vec<&str> = Vec::with_capacity(all.len());
    for name in all {
        if name.len() > VARIABLE_BYTES {
            return Err(BadField::new("content", format!("the variable {} is too long; at most {VARIABLE_BYTES} bytes", shortened(name))));
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > VARIABLES {
        return Err(BadField::new("content", format!("has {} variables; at most {VARIABLES}", names.len())));
    }
    Ok(names)
}

/// The value of a variable: WhatsApp takes neither line breaks nor tabs in one.
pub(super) fn value(name: &str, value: String) -> Result<String, BadField> {
    let field = || format!("var.{name}");
    if value.trim().is_empty() {
        return Err(BadField::new(field(), "is empty; write its value"));
    }
    if value.chars().nth(VALUE_CHARS).is_some() || value.len() > limits::VARIABLE_BYTES {
        return Err(BadField::new(field(), format!("has {} bytes; at most {}", value.len(), limits::VARIABLE_BYTES)));
    }
    if value.chars().any(char::is_control) {
        return Err(BadField::new(field(), "has a line break or a tab in it, which WhatsApp does not take; write one line"));
    }
    Ok(value)
}

/// A button that leads away: label and target, both or neither.
fn call_to_action(
    form: &mut Form,
    label: &str,
    target: &str,
    read: impl Fn(&str, &str) -> Result<String, BadField>,
) -> Result<Option<CallToAction>, BadField> {
    let (label, target) = (format!("call_to_action.{label}"), format!("call_to_action.{target}"));
    let message = form.maybe(&label, LABEL_CHARS)?;
    let to = form.maybe(&target, URL_BYTES)?;
    match (message, to) {
        (Some(message), Some(to)) => Ok(Some(CallToAction { message: one_line(&label, &message)?, target: read(&target, &to)? })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(BadField::new(target, format!("is missing: {label} is given"))),
        (None, Some(_)) => Err(BadField::new(label, format!("is missing: {target} is given"))),
    }
}

fn address(field: &str, text: &str) -> Result<(), BadField> {
    let wrong = || BadField::new(field, format!("{} is no address; write it whole, as https://my-page.com", shortened(text)));
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong());
    }
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.has_host();
    if matches!(url.scheme(), "http" | "https") && plain { Ok(()) } else { Err(wrong()) }
}

/// A language as the guide writes it: `es`, `pt-BR`; an underscore is taken as well.
fn language(code: String) -> Result<String, BadField> {
    let (one, region) = code.split_once(['-', '_']).map_or((&*code, None), |(one, region)| (one, Some(region)));
    let language = (2..=3).contains(&one.len()) && one.bytes().all(|b| b.is_ascii_lowercase());
    let place = |region: &str| (2..=4).contains(&region.len()) && region.bytes().all(|b| b.is_ascii_alphanumeric());
    if language && region.is_none_or(place) {
        return Ok(code.replace('_', "-"));
    }
    Err(BadField::new("language_code", format!("{} is no code of a language; write it as es, pt-BR or en", shortened(&code))))
}

/// Country code and national number as one.
pub(super) fn joined(country_code: &str, phone_number: &str) -> Result<String, BadField> {
    let code = digits(country_code).filter(|code| code.len() <= 3 && !code.starts_with('0'));
    let code = code.ok_or_else(|| {
        BadField::new("country_code", format!("{} is no country code; write 1 to 3 digits, as 57", shortened(country_code)))
    })?;
    let national = digits(phone_number).filter(|_| !phone_number.trim_start().starts_with('+'));
    let whole = national.map(|national| format!("{code}{national}")).filter(|whole| (7..=15).contains(&whole.len()));
    // The number is a person's: it is not repeated.
    whole.ok_or_else(|| BadField::new("phone_number", "is no number without country code; write its digits, as 3181230000"))
}

/// What the calls answer of an outbound.
#[derive(Clone, Copy, Debug)]
pub struct OutboundShape<'a> {
    /// Its id.
    pub id: &'a str,
    /// The record.
    pub outbound: &'a Outbound,
    /// The rules in force.
    pub book: &'a Book,
}

impl Serialize for OutboundShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let OutboundShape { id, outbound, book } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("outbound_id", id)?;
        map.serialize_entry("status", outbound.status.as_str())?;
        map.serialize_entry("paused", &outbound.paused)?;
        if !outbound.reason.is_empty() {
            map.serialize_entry("reason", &outbound.reason)?;
        }
        map.serialize_entry("waba_phone_number", &outbound.waba_phone_number)?;
        map.serialize_entry("line", &line_of(book, &outbound.waba_phone_number).ok().as_deref())?;
        map.serialize_entry("is_notification", &outbound.is_notification)?;
        map.serialize_entry("content", &outbound.content)?;
        map.serialize_entry("category", &outbound.category)?;
        map.serialize_entry("template_type", &outbound.template_type)?;
        map.serialize_entry("language_code", &outbound.language_code)?;
        map.serialize_entry("outbound_name", &outbound.outbound_name)?;
        let texts = [
            ("media_url", &outbound.media_url),
            ("continue_process_message", &outbound.continue_process_message),
            ("cancel_process_message", &outbound.cancel_process_message),
        ];
        for (name, text) in texts.iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
            map.serialize_entry(name, text)?;
        }
        for (name, example) in &outbound.variables {
            map.serialize_entry(&format!("var.{name}"), example)?;
        }
        for (kind, target, button) in [("phone", "number", &outbound.call), ("url", "url", &outbound.link)] {
            if let Some(button) = button {
                map.serialize_entry(&format!("call_to_action.{kind}.message"), &button.message)?;
                map.serialize_entry(&format!("call_to_action.{kind}.{target}"), &button.target)?;
            }
        }
        if !outbound.template.is_empty() {
            map.serialize_entry("template", &outbound.template)?;
        }
        map.serialize_entry("creation_date", &Moment(outbound.created_at).to_string())?;
        map.serialize_entry("update_date", &Moment(outbound.updated_at).to_string())?;
        map.end()
    }
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;
