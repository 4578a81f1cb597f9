//! Outbounds: a message that reaches people first, its form, its record, and what is submitted of it for approval.
//!
//! Not its sending (`send.rs`), and not the submission: that is the line's provider's.

use std::sync::Arc;

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use crate::conversation::answer;
use crate::engine::approval::{CallButton, TemplateCategory, TemplateDraft};
use crate::engine::book::Book;
use crate::engine::record::Header;
use crate::moment::Moment;
use crate::shapes::guide::fields::{address, call_to_action, labels, language, media, template_type, variables};
use crate::shapes::guide::form::Form;
use crate::shapes::guide::{BadField, CONTENT_CHARS, NAME_CHARS, line_of, number};

/// The fields of the call.
const FIELDS: &str = "waba_phone_number, is_notification, content, category, template_type, language_code, outbound_name, media_url, \
    continue_process_message, cancel_process_message, var.<name>, call_to_action.phone.message, call_to_action.phone.number, \
    call_to_action.url.message, call_to_action.url.url";

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
        let link = call_to_action(&mut form, "url.message", "url.url", |field, value| address(field, value).map(|_| value.to_owned()))?;
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
