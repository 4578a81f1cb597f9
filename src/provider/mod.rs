//! Providers: what hands a message over. One file each, all behind [`Provider`].
//!
//! Not the decision when, whether and to whom: that is the engine's. Nothing here repeats a call.

pub mod client;
pub mod console;
pub mod gupshup;
pub mod remote;
mod render;
#[cfg(test)]
mod testing;
pub mod truora;
pub mod twilio;
pub mod webhook;
pub mod whatsapp;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::dns::Resolve;
use url::Url;

use crate::conversation::Capabilities;
use crate::engine::ports::{Inbox, Provider};
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
    /// The Cloud API of Meta, and the time a call may take.
    WhatsApp(whatsapp::Settings, Duration),
    /// Gupshup, and the time a call may take.
    Gupshup(gupshup::Settings, Duration),
    /// Twilio, and the time a call may take.
    Twilio(twilio::Settings, Duration),
    /// Truora, and the time a call may take.
    Truora(truora::Settings, Duration),
}

/// A line's provider, both halves.
pub struct Built {
    /// What hands messages over.
    pub provider: Arc<dyn Provider>,
    /// What its webhooks prove and say; `None` where it sends none.
    pub inbox: Option<Arc<dyn Inbox>>,
}

impl Built {
    fn sender(provider: impl Provider + 'static) -> Built {
        Built { provider: Arc::new(provider), inbox: None }
    }
}

/// What providers of these kinds can do. The console and the operator's own program take whatever form is planned and know
/// their people by the conversation; neither tells later what became of a message.
pub const CAPABILITIES: Capabilities =
    Capabilities { free_text: true, buttons: true, template: true, correlation: false, recipient: false };

/// Makes the provider of a line.
///
/// # Errors
/// Why it cannot be: for a webhook line, an address that its resolver would refuse, or what [`client::build`] says.
pub fn build(settings: Settings) -> Result<Built, String> {
    Ok(match settings {
        Settings::Console { printer, json, reveal } => Built::sender(console::Console::new(printer, json, reveal)),
        Settings::Webhook { url, keys, budget, resolver } => {
            if resolver.is_some() {
                address::check(&url).map_err(|why| format!("calling {}: it {why}", url.host_str().unwrap_or("a URL without host")))?;
            }
            let client = client::build(&client::Settings { resolver, ..client::Settings::default() })?;
            Built::sender(webhook::Webhook::new(client, url, keys, budget))
        }
        Settings::WhatsApp(..) | Settings::Gupshup(..) | Settings::Twilio(..) | Settings::Truora(..) => {
            return Err("its adapter is not in this build".to_owned());
        }
    })
}
