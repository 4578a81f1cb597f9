//! Requests to the Cloud API: free text with buttons or a list, plain text, templates.
//!
//! Not what its answers mean: that is `judge.rs`.

use serde::ser::{Serialize, SerializeMap, Serializer};
use url::Url;

use crate::conversation::{Capabilities, Form, Refusal};
use crate::engine::approval::{Approval, TemplateDraft, Unsubmitted};
use crate::engine::ports::{Called, Message};
use crate::engine::record::Header;
use crate::provider::client::{Ended, Reply};
use crate::provider::meta::write::{Free, free, opener, parameters, payloads};
use crate::provider::meta::{digits, is_user_id};
use crate::provider::remote::{Api, Key, Outgoing, Submitting};
use crate::provider::whatsapp::read::ADDRESS_CHARS;
use crate::provider::whatsapp::submit::{self, Submitter};
use crate::provider::whatsapp::{CAPABILITIES, Settings, judge};

/// Writes the requests of a line of the Cloud API.
pub struct Writer {
    messages: Url,
    number: Url,
    authorization: Key,
    submitter: Option<Submitter>,
    template_language: String,
    user_id_field: Option<String>,
}

impl Writer {
    /// The writer of a line.
    ///
    /// # Errors
    /// Which setting cannot be used.
    pub fn new(settings: &Settings) -> Result<Writer, String> {
        let id = &settings.phone_number_id;
        if id.is_empty() || id.len() > ADDRESS_CHARS || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err("the phone number id is no number; it stands in Meta's app under WhatsApp, API setup".into());
        }
        let mut number = settings.api.clone();
        number.path_segments_mut().map_err(|()| "the API's address takes no path")?.pop_if_empty().push(id);
        let mut messages = number.clone();
        messages.path_segments_mut().map_err(|()| "the API's address takes no path")?.push("messages");
        number.set_query(Some("fields=id"));
        let authorization = Key::new(format!("Bearer {}", settings.token.expose()));
        Ok(Writer {
            messages,
            number,
            submitter: Submitter::new(&settings.api, settings.waba_id.as_deref(), &authorization)?,
            authorization,
            template_language: settings.template_language.clone(),
            user_id_field: settings.user_id_field.clone(),
        })
    }

    fn recipient<'a>(&'a self, to: &'a str) -> Result<Recipient<'a>, Refusal> {
        let digits = digits(to);
        match &self.user_id_field {
            _ if !digits.is_empty() => Ok(Recipient { field: "to", value: format!("+{digits}") }),
            Some(field) if is_user_id(to) => Ok(Recipient { field, value: to.to_owned() }),
            _ => Err(Refusal::Recipient),
        }
    }

    fn content<'a>(&'a self, message: &'a Message) -> Result<Content<'a>, Refusal> {
        if message.form == Form::Template {
            return self.template(message).map(Content::Template);
        }
        Ok(match free(message)? {
            Free::Plain(body) => Content::Text(Body { body }),
            Free::Buttons(text, buttons) => {
                let button = |(id, title)| Button { kind: "reply", reply: Tap { id, title } };
                let action = Action::Buttons { buttons: buttons.into_iter().map(button).collect() };
                Content::Interactive(Interactive { kind: "button", body: Text { text }, action })
            }
            Free::List(text, rows) => {
                let rows = rows.into_iter().map(|(id, title)| Tap { id, title }).collect();
                let action = Action::List { button: opener(message), sections: [Section { rows }] };
                Content::Interactive(Interactive { kind: "list", body: Text { text }, action })
            }
        })
    }

    fn template<'a>(&'a self, message: &'a Message) -> Result<Template<'a>, Refusal> {
        let template = message.template.as_deref().filter(|name| !name.is_empty()).ok_or(Refusal::Template)?;
        let (name, code) = template.split_once('/').unwrap_or((template, &self.template_language));
        let mut components = Vec::new();
        if let Some(header) = message.media.as_ref().and_then(|(header, address)| Parameter::of_header(*header, address)) {
            components.push(Component { kind: "header", sub_type: None, index: None, parameters: vec![header] });
        }
        let body: Vec<Parameter> = parameters(message)?.into_iter().map(|text| Parameter::Text { text }).collect();
        // A one-time password stands in the text and on the button that copies it.
        if let Some(code) = body.first().filter(|_| message.password).cloned() {
            components.push(Component { kind: "button", sub_type: Some("url"), index: Some("0"), parameters: vec![code] });
        }
        if !body.is_empty() {
            components
                .insert(usize::from(message.media.is_some()), Component { kind: "body", sub_type: None, index: None, parameters: body });
        }
        if message.buttons.is_some() {
            components.extend(payloads(message).into_iter().zip(["0", "1"]).map(|(payload, index)| Component {
                kind: "button",
                sub_type: Some("quick_reply"),
                index: Some(index),
                parameters: vec![Parameter::Payload { payload }],
            }));
        }
        Ok(Template { name, language: Language { code }, components })
    }

    fn headers(&self) -> Vec<(&'static str, Key)> {
        vec![("authorization", self.authorization.clone())]
    }
}

impl Api for Writer {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn write(&self, message: &Message) -> Result<Outgoing, Refusal> {
        let content = self.content(message)?;
        let request = Request {
            messaging_product: "whatsapp",
            recipient_type: "individual",
            to: self.recipient(&message.to)?,
            biz_opaque_callback_data: message.send.to_string(),
            kind: content.kind(),
            content,
        };
        let body = serde_json::to_string(&request).expect("texts are always JSON");
        Ok(Outgoing { url: self.messages.clone(), headers: self.headers(), body: Some(("application/json", body)) })
    }

    fn judge(&self, message: &Message, ended: &Ended) -> Called {
        judge::called(ended, message.attempt)
    }

    fn submit(&self, draft: &TemplateDraft, replies: &[Reply]) -> Submitting {
        match &self.submitter {
            Some(submitter) => submitter.submit(draft, replies),
            None => Submitting::Ended(Err(Unsubmitted::Later("waba_id is not configured; write it below the line".to_owned()))),
        }
    }

    fn approval(&self, submission: &str) -> Option<Outgoing> {
        self.submitter.as_ref().map(|submitter| submitter.approval(submission))
    }

    fn read_approval(&self, submission: &str, reply: &Reply) -> Result<Approval, String> {
        submit::read_approval(submission, reply)
    }

    fn probe(&self) -> Option<Outgoing> {
        Some(Outgoing { url: self.number.clone(), headers: self.headers(), body: None })
    }

    fn probed(&self, reply: &Reply) -> Result<(), String> {
        judge::probed(reply)
    }
}

/// The whole request, its fields in the order of Meta's documentation.
#[derive(serde::Serialize)]
struct Request<'a> {
    messaging_product: &'static str,
    recipient_type: &'static str,
    #[serde(flatten)]
    to: Recipient<'a>,
    biz_opaque_callback_data: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    content: Content<'a>,
}

/// To whom: one field, whose name is a setting for those without a number.
struct Recipient<'a> {
    field: &'a str,
    value: String,
}

impl Serialize for Recipient<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.field, &self.value)?;
        map.end()
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Content<'a> {
    Text(Body),
    Interactive(Interactive),
    Template(Template<'a>),
}

impl Content<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Content::Text(_) => "text",
            Content::Interactive(_) => "interactive",
            Content::Template(_) => "template",
        }
    }
}

#[derive(serde::Serialize)]
struct Body {
    body: String,
}

#[derive(serde::Serialize)]
struct Interactive {
    #[serde(rename = "type")]
    kind: &'static str,
    body: Text,
    action: Action,
}

#[derive(serde::Serialize)]
struct Text {
    text: String,
}

#[derive(serde::Serialize)]
#[serde(untagged)]
enum Action {
    Buttons { buttons: Vec<Button> },
    List { button: String, sections: [Section; 1] },
}

#[derive(serde::Serialize)]
struct Section {
    rows: Vec<Tap>,
}

#[derive(serde::Serialize)]
struct Button {
    #[serde(rename = "type")]
    kind: &'static str,
    reply: Tap,
}

#[derive(serde::Serialize)]
struct Tap {
    id: String,
    title: String,
}

#[derive(serde::Serialize)]
struct Template<'a> {
    name: &'a str,
    language: Language<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<Component>,
}

#[derive(serde::Serialize)]
struct Language<'a> {
    code: &'a str,
}

#[derive(serde::Serialize)]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'static str>,
    parameters: Vec<Parameter>,
}

#[derive(Clone, serde::Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Parameter {
    Text { text: String },
    Payload { payload: String },
    Image { image: Link },
    Video { video: Link },
    Document { document: Link },
}

impl Parameter {
    fn of_header(header: Header, address: &str) -> Option<Parameter> {
        let link = Link { link: address.to_owned() };
        match header {
            Header::None => None,
            Header::Image => Some(Parameter::Image { image: link }),
            Header::Video => Some(Parameter::Video { video: link }),
            Header::Document => Some(Parameter::Document { document: link }),
        }
    }
}

#[derive(Clone, serde::Serialize)]
struct Link {
    link: String,
}
