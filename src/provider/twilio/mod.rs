//! Twilio's Programmable Messaging for WhatsApp: `read` for what its webhooks say, `write` for what we send, `table` for its error
//! codes, `missed` for the messages that arrived while nobody listened.
//!
//! Not the network: `remote.rs` makes the calls.

use url::Url;

use crate::provider::remote::Key;

/// What a line of Twilio needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The base of the API, as `https://api.twilio.com`.
    pub api: Url,
    /// The account, `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// The account's auth token: authorises calls and signs webhooks; the first in use, all of them accepted in signatures.
    pub auth_tokens: Vec<Key>,
    /// The business number, digits with country code.
    pub phone: String,
    /// Sends through this messaging service in place of the number.
    pub messaging_service_sid: Option<String>,
    /// The address of this line's webhook as Twilio calls it: it is part of what is signed.
    pub public_url: Url,
    /// Where Twilio reports what became of messages; `public_url` where absent.
    pub status_callback: Option<Url>,
    /// A content template with two quick replies, for follow-ups inside the window: its first variable is the text, the second and
    /// the third are the ids of *yes* and *no*. Without it the labels stand under the text, to be typed.
    pub quick_reply: Option<String>,
}
