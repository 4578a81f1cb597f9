//! The WhatsApp Cloud API of Meta: `read` for what its webhooks say, `write` for what we send, `judge` for what its answers mean.
//!
//! Not the network (`remote.rs` makes the calls), and not the platform's shapes and error codes: `meta/` has those.

mod judge;
mod read;
mod submit;
#[cfg(test)]
mod tests;
mod write;

use std::time::Duration;

use url::Url;

use crate::conversation::Capabilities;
use crate::provider::Built;
use crate::provider::remote::{Key, Remote};

pub use read::Reader;
pub use write::Writer;

/// What a line of the Cloud API can do.
pub const CAPABILITIES: Capabilities = Capabilities { free_text: true, buttons: true, template: true, correlation: true, recipient: true };

/// What a line of the Cloud API needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The base of the API with its version, as `https://graph.facebook.com/v25.0`.
    pub api: Url,
    /// The id of the business number: part of the address that is called, and how webhooks name the line.
    pub phone_number_id: String,
    /// The business account, under which templates are submitted; `None`: none are.
    pub waba_id: Option<String>,
    /// The access token.
    pub token: Key,
    /// App secrets that sign webhooks; any of them.
    pub app_secrets: Vec<Key>,
    /// The words of the verification handshake; any of them.
    pub verify_tokens: Vec<Key>,
    /// The language of templates whose name says none.
    pub template_language: String,
    /// A reaction counts as a sign of life.
    pub reactions: bool,
    /// The field of a request that takes a business-scoped user id; `None`: people without a number cannot be written to.
    pub user_id_field: Option<String>,
}

/// Makes a line; a call takes `budget`.
///
/// # Errors
/// Which setting is missing or cannot be used.
pub fn line(settings: &Settings, client: reqwest::Client, budget: Duration) -> Result<Built, String> {
    Ok(Built::both(Remote::new(Writer::new(settings)?, client, budget), Reader::new(settings)?))
}
