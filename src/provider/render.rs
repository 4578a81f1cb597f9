//! A message as the JSON that a webhook line posts and the console prints with `json`.
//!
//! Not its signature, and not a provider's own format: those with an API of their own write that.

use serde_json::{Map, Value, json};

use crate::conversation::{Form, Purpose};
use crate::engine::ports::Message;
use crate::shapes::question;

/// The whole body, `{"type":"message.send","timestamp":…,"data":{…}}`. The number as `to` says.
pub(super) fn body(message: &Message, to: &str) -> Value {
    let vars: Map<String, Value> = message.vars.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let conversation = if message.caller.is_empty() { message.conversation.to_string() } else { message.caller.clone() };
    json!({
        "type": "message.send",
        "timestamp": message.now.to_string(),
        "data": {
            "send": message.send.to_string(),
            "attempt": message.attempt,
            "conversation": conversation,
            "conversation_id": message.conversation.to_string(),
            "line": &*message.line,
            "flow": &*message.flow,
            "to": if to.is_empty() { Value::Null } else { Value::from(to) },
            "purpose": purpose(message.purpose),
            "form": form(message.form),
            "text": message.text,
            "buttons": buttons(message),
            "template": message.template.as_deref(),
            "vars": vars,
            "question": message.question.as_ref().map(question::to_json),
            "episode": message.episode,
            "step": message.step,
            "silence": message.silence.to_string(),
        },
    })
}

/// The word for what a message is for.
pub(super) fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::FollowUp => "follow_up",
        Purpose::Ask => "question",
    }
}

fn form(form: Form) -> &'static str {
    match form {
        Form::Message => "message",
        Form::Template => "template",
    }
}

/// The buttons: `choice` is what to tell the events API when one is tapped; `id` also carries conversation and send, so that a
/// program that sets it on the real button knows an old one when it comes back.
fn buttons(message: &Message) -> Value {
    let Some((yes, no)) = &message.buttons else { return Value::Array(Vec::new()) };
    let button = |choice: &str, title: &str| {
        let id = format!("{choice}.{}.{}", message.conversation, message.send);
        json!({"id": id, "choice": choice, "title": title})
    };
    Value::Array(vec![button("yes", yes), button("no", no)])
}
