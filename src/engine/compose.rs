//! Putting a message together from a call, the conversation's details and the rules. Pure.
//!
//! Not a provider's format: each provider writes its own request from the [`Message`].

use std::sync::Arc;

use crate::conversation::{Capabilities, Form, Policy, Purpose, Refusal};
use crate::engine::group::Call;
use crate::engine::ports::Message;
use crate::engine::record::{Details, Header, Outgoing};
use crate::engine::{picks, template};
use crate::moment::Moment;

/// The message of a call; names are those of its line and flow, `episode` that of its conversation.
///
/// # Errors
/// What is missing, as the refusal it amounts to: a variable, or the question that was to be asked again.
pub fn compose(
    call: &Call,
    details: &Details,
    policy: &Policy,
    names: (Arc<str>, Arc<str>),
    episode: u32,
    now: Moment,
) -> Result<Message, Refusal> {
    let Capabilities { buttons, .. } = policy.line;
    let outgoing = || details.outbound.as_ref().filter(|outgoing| !outgoing.template.is_empty()).ok_or(Refusal::Template);
    let (text, buttons) = match call.send.purpose {
        Purpose::Ask => (details.question.as_ref().map(|q| q.text.clone()).filter(|t| !t.is_empty()).ok_or(Refusal::Template)?, None),
        Purpose::FollowUp => {
            let text = template::fill(policy.text(call.send.step), &details.vars).map_err(|_| Refusal::Template)?;
            (text, buttons.then(|| (Arc::clone(&policy.yes), Arc::clone(&policy.no))))
        }
        Purpose::Invite => {
            let outgoing = outgoing()?;
            (outgoing.text.clone(), Some((Arc::from(&*outgoing.yes), Arc::from(&*outgoing.no))))
        }
        Purpose::Notify => (outgoing()?.text.clone(), None),
        Purpose::Close => {
            let text = policy.closing.as_deref().ok_or(Refusal::Template)?;
            (template::fill(text, &details.known()).map_err(|_| Refusal::Template)?, None)
        }
    };
    let own = matches!(call.send.purpose, Purpose::Invite | Purpose::Notify);
    let template = match call.send.form {
        Form::Message => None,
        Form::Template if own => Some(Arc::from(&*outgoing()?.template)),
        Form::Template => Some(policy.rules.session.as_ref().and_then(|s| s.template.clone()).ok_or(Refusal::Template)?),
    };
    Ok(Message {
        send: call.id,
        conversation: call.conversation,
        caller: details.caller.clone(),
        to: details.to.clone(),
        line: names.0,
        flow: names.1,
        purpose: call.send.purpose,
        form: call.send.form,
        text,
        buttons,
        choices: choices(call, details),
        choices_label: Arc::clone(&policy.choices_label),
        media: details.outbound.as_ref().filter(|_| own).and_then(media),
        password: own && outgoing()?.category == PASSWORDS,
        template,
        vars: details.vars.clone(),
        template_vars: if own { outgoing()?.vars.clone() } else { template_vars(call, details, policy)? },
        question: details.question.clone(),
        step: call.send.step,
        episode,
        attempt: call.send.attempt,
        silence: call.send.silence,
        now,
    })
}

/// The guide's category of one-time passwords.
const PASSWORDS: &str = "AUTHENTICATION";

fn media(outgoing: &Outgoing) -> Option<(Header, String)> {
    let address = outgoing.media.clone().filter(|_| outgoing.header != Header::None)?;
    Some((outgoing.header, address))
}

/// The choices of the question that is asked, each with what a tap on it brings back.
fn choices(call: &Call, details: &Details) -> Vec<(String, String)> {
    let Some(question) = details.question.as_ref().filter(|_| call.send.purpose == Purpose::Ask) else { return Vec::new() };
    let pick = |(place, title): (u8, &String)| (picks::write(place, call.conversation, call.id), title.clone());
    (0..).zip(&question.choices).map(pick).collect()
}

/// The variables of the template with their values, in its order.
fn template_vars(call: &Call, details: &Details, policy: &Policy) -> Result<Vec<(String, String)>, Refusal> {
    if call.send.form != Form::Template {
        return Ok(Vec::new());
    }
    let value = |name: &Arc<str>| {
        let at = details.vars.binary_search_by(|(known, _)| known.as_str().cmp(name)).map_err(|_| Refusal::Template)?;
        Ok(details.vars[at].clone())
    };
    policy.template_vars.iter().map(value).collect()
}
