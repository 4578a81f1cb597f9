//! Twilio's Programmable Messaging for WhatsApp: `read` for what its webhooks say and `signature` for their proof, `write` for what
//! we send, `judge` for what its answers mean and `table` for its error codes, `missed` for the messages that arrived while nobody
//! listened, `twiml` for what a bot answers.
//!
//! Not the network (`remote.rs` makes the calls), and not the platform's limits: `meta/` has those.

mod judge;
mod missed;
mod read;
mod signature;
mod submit;
mod table;
mod twiml;
mod write;

use std::time::Duration;

use url::Url;

use crate::conversation::Capabilities;
use crate::provider::Built;
use crate::provider::remote::{Key, Remote};

pub use read::Reader;
pub use write::Writer;

/// What a line of Twilio can do. Its statuses echo nothing of ours: a doubt stays one.
pub const CAPABILITIES: Capabilities = Capabilities { free_text: true, buttons: true, template: true, correlation: false, recipient: true };

/// What a line of Twilio needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The base of the API, as `https://api.twilio.com`.
    pub api: Url,
    /// The base of the Content API, as `https://content.twilio.com`.
    pub content_api: Url,
    /// The account, `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// The account's auth token: authorises calls and signs webhooks; the first in use, all of them accepted in signatures.
    pub auth_tokens: Vec<Key>,
    /// The business number, digits with country code.
    pub phone: String,
    /// Sends through this messaging service in place of the number.
    pub messaging_service_sid: Option<String>,
    /// The address of this line's webhook as Twilio calls it: it is part of what is signed. It decides scheme, host and port, and,
    /// by what stands before its `/hooks/`, the prefix that a proxy takes away; the rest is the request's own path and query.
    pub public_url: Url,
    /// Where Twilio reports what became of messages; `public_url` where absent.
    pub status_callback: Option<Url>,
    /// A content template with two quick replies, for follow-ups inside the window: its first variable is the text, the second and
    /// the third are the ids of *yes* and *no*. Without it, and for a text that no variable takes (longer than 1 024 characters, line
    /// breaks, tabs, long runs of spaces), the labels stand under the text, to be typed.
    pub quick_reply: Option<String>,
}

/// Makes a line; a call takes `budget`.
///
/// # Errors
/// Which setting is missing or cannot be used.
pub fn line(settings: &Settings, client: reqwest::Client, budget: Duration) -> Result<Built, String> {
    Ok(Built::both(Remote::new(Writer::new(settings)?, client, budget), Reader::new(settings)?))
}

#[cfg(test)]
pub(super) fn settings() -> Settings {
    Settings {
        api: "https://api.twilio.com".parse().expect("a URL"),
        content_api: "https://content.twilio.com".parse().expect("a URL"),
        account_sid: "AC00000000000000000000000000000001".into(),
        auth_tokens: vec![Key::new("test-only-twilio-auth-token")],
        phone: "5716000001".into(),
        messaging_service_sid: None,
        public_url: "https://reengaged.example.test/hooks/twilio".parse().expect("a URL"),
        status_callback: Some("https://reengaged.example.test/hooks/twilio/status".parse().expect("a URL")),
        quick_reply: None,
    }
}
