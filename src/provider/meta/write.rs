//! What the WhatsApp platform takes of a message, whoever hands it over: lengths, labels, parameters.
//!
//! Not a request: each provider writes its own.

use crate::conversation::{Choice, Purpose, Refusal};
use crate::engine::ports::Message;
use crate::limits;
use crate::provider::fit::fit;
use crate::shapes::button;

/// Longest plain text, in characters.
pub(in crate::provider) const TEXT: usize = 4_096;
/// Longest text above buttons, in characters.
pub(in crate::provider) const BODY: usize = 1_024;
/// Longest label of a button, in characters.
pub(in crate::provider) const LABEL: usize = 20;

/// A free text as the platform takes it.
pub(in crate::provider) enum Free {
    /// Alone.
    Plain(String),
    /// Above buttons, at most three: what each carries, and its label.
    Buttons(String, Vec<(String, String)>),
    /// Above a list of rows, at most ten: what each carries, and its title.
    List(String, Vec<(String, String)>),
}

/// The free text of a message: a question goes above its choices where it has some, a follow-up above its buttons.
///
/// # Errors
/// [`Refusal::Template`] for no text at all, [`Refusal::Line`] for labels that are none or the same, and for more choices than a list
/// has rows.
pub(in crate::provider) fn free(message: &Message) -> Result<Free, Refusal> {
    if message.text.trim().is_empty() {
        return Err(Refusal::Template);
    }
    match &message.buttons {
        Some((yes, no)) if message.purpose == Purpose::FollowUp => {
            let [carries_yes, carries_no] = payloads(message);
            let buttons = titled([(carries_yes, &**yes), (carries_no, &**no)].into_iter(), LABEL)?;
            Ok(Free::Buttons(fit(&message.text, BODY), buttons))
        }
        _ if !message.choices.is_empty() => {
            let choices = message.choices.iter().map(|(id, title)| (id.clone(), title.as_str()));
            let text = fit(&message.text, BODY);
            match message.choices.len() {
                count if count <= limits::BUTTONS => Ok(Free::Buttons(text, titled(choices, LABEL)?)),
                count if count <= limits::CHOICES => Ok(Free::List(text, titled(choices, limits::ROW_CHARS)?)),
                _ => Err(Refusal::Line),
            }
        }
        _ => Ok(Free::Plain(fit(&message.text, TEXT))),
    }
}

/// What our buttons carry: *yes*, *no*.
pub(in crate::provider) fn payloads(message: &Message) -> [String; 2] {
    [Choice::Yes, Choice::No].map(|choice| button::write(choice, message.conversation, message.send))
}

/// What buttons or rows carry, with titles that fit and differ.
fn titled<'a>(all: impl Iterator<Item = (String, &'a str)>, most: usize) -> Result<Vec<(String, String)>, Refusal> {
    let mut titled: Vec<(String, String)> = Vec::new();
    for (id, title) in all {
        let title = fit(title.trim(), most);
        if title.is_empty() || titled.iter().any(|(_, known)| *known == title) {
            return Err(Refusal::Line);
        }
        titled.push((id, title));
    }
    Ok(titled)
}

/// What opens a list.
pub(in crate::provider) fn opener(message: &Message) -> String {
    match message.choices_label.trim() {
        "" => "...".to_owned(),
        label => fit(label, LABEL),
    }
}

/// The parameters of a message's template, in its order. The platform takes neither an empty one nor one with line breaks, tabs
/// or long runs of spaces: those become one space.
///
/// # Errors
/// [`Refusal::Template`] for an empty one.
pub(in crate::provider) fn parameters(message: &Message) -> Result<Vec<String>, Refusal> {
    let line = |(_, value): &(String, String)| {
        let words: Vec<&str> = value.split_whitespace().collect();
        if words.is_empty() { Err(Refusal::Template) } else { Ok(words.join(" ")) }
    };
    message.template_vars.iter().map(line).collect()
}
