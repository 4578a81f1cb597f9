//! Providers: what hands a message over. One file each, all behind [`Provider`].
//!
//! Not the decision when, whether and to whom: that is the engine's. Nothing here repeats a call.

mod approving;
pub mod client;
pub mod console;
mod fit;
mod form;
pub mod gupshup;
mod meta;
pub mod remote;
mod render;
mod soft;
#[cfg(test)]
mod testing;
pub mod truora;
pub mod twilio;
mod verdict;
pub mod webhook;
pub mod whatsapp;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::dns::Resolve;
use url::Url;

use crate::conversation::Capabilities;
use crate::engine::approval::{Approval, Submission, TemplateDraft, Unsubmitted};
use crate::engine::ports::{Inbox, Provider, Waiting};
use crate::shapes::address;
use crate::shapes::signature::SigningKey;

/// Where the console provider prints; shared by all lines that print there.
pub type Printer = Arc<Mutex<dyn Write + Send>>;

/// What a line's provider needs to know, as plain values.
#[derive(Clone)]
pub enum Settings {
    /// Prints.
    Console {
        /// Where.
        printer: Printer,
        /// One JSON object a line, in place of one line for people.
        json: bool,
        /// The person's number in full, in place of its last four digits.
        reveal: bool,
    },
    /// Calls the operator's own program.
    Webhook {
        /// Where.
        url: Url,
        /// The keys that sign; all of them do.
        keys: Vec<SigningKey>,
        /// The time a call may take, all of it; at most [`crate::limits::CALL_BUDGET`] counts.
        budget: Duration,
        /// Looks the name up instead of the system, where private addresses are not allowed.
        resolver: Option<Arc<dyn Resolve>>,
    },
    /// The WhatsApp Cloud API, with the time a call may take.
    WhatsApp(whatsapp::Settings, Duration),
    /// Gupshup, with the time a call may take.
    Gupshup(gupshup::Settings, Duration),
    /// Twilio, with the time a call may take.
    Twilio(twilio::Settings, Duration),
    /// Truora, with the time a call may take.
    Truora(truora::Settings, Duration),
}

/// A line's provider, made.
pub struct Built {
    /// What hands messages over.
    pub provider: Arc<dyn Provider>,
    /// What reads its webhooks, where it has any.
    pub inbox: Option<Arc<dyn Inbox>>,
}

impl Built {
    /// A provider that calls nobody back.
    fn mute(provider: impl Provider + 'static) -> Built {
        Built { provider: Arc::new(provider), inbox: None }
    }

    /// A provider with both halves.
    fn both(provider: impl Provider + 'static, inbox: impl Inbox + 'static) -> Built {
        Built { provider: Arc::new(provider), inbox: Some(Arc::new(inbox)) }
    }
}

/// What providers of these kinds can do. The console and the operator's own program take whatever form is planned and know
/// their people by the conversation; neither tells later what became of a message.
pub const CAPABILITIES: Capabilities =
    Capabilities { free_text: true, buttons: true, template: true, correlation: false, recipient: false };

/// What lines whose templates nobody reviews make of a submission: it is approved at once, under its own name.
fn approved_at_once(draft: &TemplateDraft) -> Option<Waiting<'_, Result<Submission, Unsubmitted>>> {
    let submission = Submission { id: draft.name.clone(), template: draft.name.clone(), approval: Approval::Approved };
    Some(Box::pin(std::future::ready(Ok(submission))))
}

/// Makes the provider of a line.
///
/// # Errors
/// Why it cannot be: for a webhook line, an address that its resolver would refuse; for a line with an API of its own, a setting
/// that it cannot be without; or what [`client::build`] says.
pub fn build(settings: Settings) -> Result<Built, String> {
    let client = || client::build(&client::Settings::default());
    Ok(match settings {
        Settings::Console { printer, json, reveal } => Built::mute(console::Console::new(printer, json, reveal)),
        Settings::Webhook { url, keys, budget, resolver } => {
            if resolver.is_some() {
                address::check(&url).map_err(|why| format!("calling {}: it {why}", url.host_str().unwrap_or("a URL without host")))?;
            }
            let client = client::build(&client::Settings { resolver, ..client::Settings::default() })?;
            Built::mute(webhook::Webhook::new(client, url, keys, budget))
        }
        Settings::WhatsApp(settings, budget) => whatsapp::line(&settings, client()?, budget)?,
        Settings::Gupshup(settings, budget) => gupshup::line(&settings, client()?, budget)?,
        Settings::Twilio(settings, budget) => twilio::line(&settings, client()?, budget)?,
        Settings::Truora(settings, budget) => truora::line(&settings, client()?, budget)?,
    })
}
