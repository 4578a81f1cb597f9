//! Requests to Gupshup: forms with JSON inside, spaced as Gupshup's own examples are.
//!
//! Not what its answers mean: that is `judge.rs`.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;
use url::{Url, form_urlencoded};

use crate::conversation::{Capabilities, Form, Refusal};
use crate::engine::approval::{Approval, TemplateDraft, Unsubmitted};
use crate::engine::ports::{Called, Message};
use crate::engine::record::Header;
use crate::provider::client::{Ended, Reply};
use crate::provider::gupshup::submit::{self, Submitter};
use crate::provider::gupshup::{CAPABILITIES, Settings, judge};
use crate::provider::meta::digits;
use crate::provider::meta::write::{Free, free, opener, parameters, payloads};
use crate::provider::remote::{Api, Key, Outgoing, Submitting};

/// Writes the requests of a line of Gupshup.
pub struct Writer {
    messages: Url,
    templates: Url,
    api_key: Key,
    app: String,
    phone: String,
    submitter: Option<Submitter>,
}

impl Writer {
    /// The writer of a line.
    ///
    /// # Errors
    /// Which setting cannot be used.
    pub fn new(settings: &Settings) -> Result<Writer, String> {
        let phone = digits(&settings.phone);
        if phone.is_empty() {
            return Err("the business number is no number: digits with country code".into());
        }
        if settings.app.is_empty() {
            return Err("the app's name is empty; it stands on Gupshup's dashboard".into());
        }
        let at = |path: &[&str]| {
            let mut url = settings.api.clone();
            url.path_segments_mut().map_err(|()| "the API's address takes no path")?.pop_if_empty().extend(path);
            Ok::<Url, String>(url)
        };
        Ok(Writer {
            messages: at(&["wa", "api", "v1", "msg"])?,
            templates: at(&["wa", "api", "v1", "template", "msg"])?,
            api_key: settings.api_key.clone(),
            app: settings.app.clone(),
            phone,
            submitter: settings.approvals.as_ref().map(|with| Submitter::new(&with.api, &with.app_id, &with.token)).transpose()?,
        })
    }
}

impl Api for Writer {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn write(&self, message: &Message) -> Result<Outgoing, Refusal> {
        // Gupshup has no field for a business-scoped user id.
        let destination = Some(digits(&message.to)).filter(|digits| !digits.is_empty()).ok_or(Refusal::Recipient)?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("channel", "whatsapp").append_pair("source", &self.phone).append_pair("destination", &destination);
        form.append_pair("src.name", &self.app);
        let url = match message.form {
            Form::Message => {
                form.append_pair("message", &spaced(&content(message)?));
                &self.messages
            }
            Form::Template => {
                let id = message.template.as_deref().filter(|id| !id.is_empty()).ok_or(Refusal::Template)?;
                form.append_pair("template", &spaced(&Template { id, params: parameters(message)? }));
                if let Some(above) = message.media.as_ref().and_then(|(header, link)| above(*header, link)) {
                    form.append_pair("message", &spaced(&above));
                }
                if message.buttons.is_some() {
                    let [yes, no] = payloads(message);
                    let postbacks = [Postback { index: 0, text: yes }, Postback { index: 1, text: no }];
                    form.append_pair("postbackTexts", &spaced(&postbacks));
                }
                &self.templates
            }
        };
        let body = Some(("application/x-www-form-urlencoded", form.finish()));
        Ok(Outgoing { url: url.clone(), headers: vec![("apikey", self.api_key.clone())], body })
    }

    fn judge(&self, message: &Message, ended: &Ended) -> Called {
        judge::called(ended, message.attempt)
    }

    fn submit(&self, draft: &TemplateDraft, replies: &[Reply]) -> Submitting {
        match &self.submitter {
            Some(submitter) => submitter.submit(draft, replies),
            None => {
                let why = "app_id and partner_token are not configured; write both below the line".to_owned();
                Submitting::Ended(Err(Unsubmitted::Later(why)))
            }
        }
    }

    fn approval(&self, _submission: &str) -> Option<Outgoing> {
        self.submitter.as_ref().map(Submitter::approval)
    }

    fn read_approval(&self, submission: &str, reply: &Reply) -> Result<Approval, String> {
        submit::read_approval(submission, reply)
    }
}

fn content(message: &Message) -> Result<Content, Refusal> {
    Ok(match free(message)? {
        Free::Plain(text) => Content::Text { text },
        Free::Buttons(text, buttons) => Content::QuickReply {
            // A tap brings it back, the same for both buttons; which of them, their order tells.
            msgid: message.send.to_string(),
            content: Piece { kind: "text", text },
            options: buttons.into_iter().map(|(_, title)| Choice { kind: "text", title }).collect(),
        },
        Free::List(text, rows) => {
            let row = |(id, title)| Row { kind: "text", title, description: String::new(), postback_text: id };
            Content::List {
                // It has to have one.
                title: opener(message),
                body: text,
                msgid: message.send.to_string(),
                global_buttons: [Choice { kind: "text", title: opener(message) }],
                items: [Items { title: String::new(), subtitle: String::new(), options: rows.into_iter().map(row).collect() }],
            }
        }
    })
}

/// The field `message`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content {
    Text {
        text: String,
    },
    QuickReply {
        msgid: String,
        content: Piece,
        options: Vec<Choice>,
    },
    List {
        title: String,
        body: String,
        msgid: String,
        #[serde(rename = "globalButtons")]
        global_buttons: [Choice; 1],
        items: [Items; 1],
    },
}

/// The one section of a list.
#[derive(Serialize)]
struct Items {
    title: String,
    subtitle: String,
    options: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    description: String,
    #[serde(rename = "postbackText")]
    postback_text: String,
}

/// What stands above the text of a template: its kind, and under the same name its address.
fn above(header: Header, link: &str) -> Option<serde_json::Value> {
    let kind = match header {
        Header::None => return None,
        Header::Image => "image",
        Header::Video => "video",
        Header::Document => "document",
    };
    Some(serde_json::json!({ "type": kind, kind: { "link": link } }))
}

#[derive(Serialize)]
struct Piece {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Choice {
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
}

/// The field `template`.
#[derive(Serialize)]
struct Template<'a> {
    id: &'a str,
    params: Vec<String>,
}

/// What a tap on the template's button of this place brings back.
#[derive(Serialize)]
struct Postback {
    index: u8,
    text: String,
}

/// JSON with a space after each comma and colon.
fn spaced(value: &impl Serialize) -> String {
    let mut json = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, Spaced)).expect("texts and numbers are always JSON");
    String::from_utf8(json).expect("JSON is UTF-8")
}

struct Spaced;

impl Spaced {
    fn comma(first: bool, writer: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
}

impl Formatter for Spaced {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        Spaced::comma(first, writer)
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        Spaced::comma(first, writer)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
