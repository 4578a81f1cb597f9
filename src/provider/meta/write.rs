//! What the WhatsApp platform takes of a message, whoever hands it over: lengths, labels, parameters.
//!
//! Not a request: each provider writes its own.

use crate::conversation::{Choice, Purpose, Refusal};
use crate::engine::ports::Message;
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
    /// Above two buttons: *yes* and *no* with their ids.
    Buttons(String, [(String, String); 2]),
}

/// The free text of a message: a question asked again goes alone, a follow-up above its buttons.
///
/// # Errors
/// [`Refusal::Template`] for no text at all, [`Refusal::Line`] for labels that are none or the same.
pub(in crate::provider) fn free(message: &Message) -> Result<Free, Refusal> {
    if message.text.trim().is_empty() {
        return Err(Refusal::Template);
    }
    match &message.buttons {
        Some((yes, no)) if message.purpose == Purpose::FollowUp => {
            let labels = labels(yes, no)?;
            let [yes, no] = payloads(message);
            Ok(Free::Buttons(fit(&message.text, BODY), [(yes, labels.0), (no, labels.1)]))
        }
        _ => Ok(Free::Plain(fit(&message.text, TEXT))),
    }
}

/// What our buttons carry: *yes*, *no*.
pub(in crate::provider) fn payloads(message: &Message) -> [String; 2] {
    [Choice::Yes, Choice::No].map(|choice| button::write(choice, message.conversation, message.send))
}

fn labels(yes: &str, no: &str) -> Result<(String, String), Refusal> {
    let (yes, no) = (fit(yes.trim(), LABEL), fit(no.trim(), LABEL));
    if yes.is_empty() || no.is_empty() || yes == no { Err(Refusal::Line) } else { Ok((yes, no)) }
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
