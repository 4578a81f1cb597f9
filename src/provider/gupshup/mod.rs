//! Gupshup: `read` for what its webhooks say (`v2`, and version 3 in Meta's shapes), `write` for what we send, `table` for its
//! error codes, `judge` for what its answers mean.
//!
//! Not the network: `remote.rs` makes the calls. Not the platform's own shapes and codes: `meta/` has those.

mod judge;
mod read;
mod submit;
mod table;
#[cfg(test)]
mod tests;
mod v2;
mod write;

use std::time::Duration;

use url::Url;

use crate::conversation::Capabilities;
use crate::provider::Built;
use crate::provider::remote::{Key, Remote};

pub use read::Reader;
pub use write::Writer;

/// What a line of Gupshup can do.
pub const CAPABILITIES: Capabilities = Capabilities { free_text: true, buttons: true, template: true, correlation: false, recipient: true };

/// What a line of Gupshup needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The base of the API, as `https://api.gupshup.io`.
    pub api: Url,
    /// The API key.
    pub api_key: Key,
    /// The app's name, `src.name`: how webhooks of version 2 name the line.
    pub app: String,
    /// The business number, digits with country code: how webhooks of version 3 name the line.
    pub phone: String,
    /// The app's id and the token of the partner API, by which templates are submitted; without both none are.
    pub approvals: Option<Approvals>,
    /// What proves where a webhook comes from. Nothing signs it, so at least one of these must be there, and all that are must hold.
    pub proof: Proof,
    /// A reaction counts as a sign of life.
    pub reactions: bool,
}

/// What the submission of templates needs to know.
#[derive(Clone, Debug)]
pub struct Approvals {
    /// The base of the partner API, as `https://partner.gupshup.io`.
    pub api: Url,
    /// The app's id.
    pub app_id: String,
    /// The app's access token.
    pub token: Key,
}

/// What proves a webhook's origin. All parts that are there must hold.
#[derive(Clone, Default, Debug)]
pub struct Proof {
    /// Secrets, any of which stands in the address (`?token=`) or, where `header` names one, in that header.
    pub tokens: Vec<Key>,
    /// The header that carries the secret in place of the address; lower case.
    pub header: Option<String>,
    /// Addresses or ranges (`203.0.113.0/24`) that webhooks come from; any where empty.
    pub allow_from: Vec<ipnet::IpNet>,
}

/// Makes a line; a call takes `budget`.
///
/// # Errors
/// Which setting is missing or cannot be used.
pub fn line(settings: &Settings, client: reqwest::Client, budget: Duration) -> Result<Built, String> {
    Ok(Built::both(Remote::new(Writer::new(settings)?, client, budget), Reader::new(settings)?))
}
