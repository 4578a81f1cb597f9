//! A message as the JSON that a webhook line posts and the console prints with `json`.
//!
//! Not its signature, and not a provider's own format: those with an API of their own write that.

use serde::Serialize;

use crate::conversation::{Choice, Form};
use crate::engine::ports::Message;
use crate::shapes::button;
use crate::shapes::question::Asked;
use crate::shapes::view::Pairs;

/// Bytes of a body, mostly fewer.
const ROOM: usize = 1_024;

/// The whole body, `{"type":"message.send","timestamp":…,"data":{…}}`, with `to` in place of the message's own.
pub(super) fn body(message: &Message, to: &str) -> String {
    let conversation_id = message.conversation.to_string();
    let data = Data {
        send: message.send.to_string(),
        attempt: message.attempt,
        conversation: if message.caller.is_empty() { &conversation_id } else { &message.caller },
        conversation_id: &conversation_id,
        line: &message.line,
        flow: &message.flow,
        to: (!to.is_empty()).then_some(to),
        purpose: message.purpose.as_str(),
        form: form(message.form),
        text: &message.text,
        buttons: buttons(message),
        choices: message.choices.iter().map(|(id, title)| Pick { id, title }).collect(),
        media: message.media.as_ref().map(|(_, address)| address.as_str()),
        template: message.template.as_deref(),
        vars: Pairs(&message.vars),
        question: message.question.as_ref().map(Asked::from),
        episode: message.episode,
        step: message.step,
        silence: message.silence.to_string(),
    };
    let body = Body { kind: "message.send", timestamp: message.now.to_string(), data };
    let mut written = Vec::with_capacity(ROOM);
    serde_json::to_writer(&mut written, &body).expect("texts and numbers are always JSON");
    String::from_utf8(written).expect("JSON is text")
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    send: String,
    attempt: u8,
    conversation: &'a str,
    conversation_id: &'a str,
    line: &'a str,
    flow: &'a str,
    to: Option<&'a str>,
    purpose: &'static str,
    form: &'static str,
    text: &'a str,
    buttons: Vec<Button<'a>>,
    /// Under a question of ours, where it has some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choices: Vec<Pick<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<&'a str>,
    template: Option<&'a str>,
    vars: Pairs<'a>,
    question: Option<Asked<'a>>,
    episode: u32,
    step: u8,
    silence: String,
}

/// A button: `choice` is what to tell the events API when it is tapped; `id` also carries conversation and send, so that a
/// program that sets it on the real button knows an old one when it comes back.
#[derive(Serialize)]
struct Button<'a> {
    id: String,
    choice: &'static str,
    title: &'a str,
}

/// A choice under a question: a program that sets `id` on the real button tells a tap on an earlier question from one on this.
#[derive(Serialize)]
struct Pick<'a> {
    id: &'a str,
    title: &'a str,
}

fn buttons(message: &Message) -> Vec<Button<'_>> {
    let Some((yes, no)) = &message.buttons else { return Vec::new() };
    let button = |choice, word, title| Button { id: button::write(choice, message.conversation, message.send), choice: word, title };
    vec![button(Choice::Yes, "yes", yes), button(Choice::No, "no", no)]
}

fn form(form: Form) -> &'static str {
    match form {
        Form::Message => "message",
        Form::Template => "template",
    }
}
