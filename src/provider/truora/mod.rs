//! Truora: follow-ups go out as its outbound messages (`write`, to numbers split by `calling`; `judge` for what its answers mean),
//! and its hooks tell how processes ended (`read`, proved by `token`).
//!
//! Not a conversation: Truora's own bot hears the person; what the person says reaches us by the events API alone.

mod calling;
mod judge;
mod read;
mod submit;
mod token;
mod write;

use std::time::Duration;

use url::Url;

use crate::conversation::Capabilities;
use crate::provider::Built;
use crate::provider::remote::{Key, Remote};

pub use read::Reader;
pub use write::Writer;

/// What a line of Truora can do: its approved outbound with *continue* and *cancel*, and nothing else.
pub const CAPABILITIES: Capabilities =
    Capabilities { free_text: false, buttons: true, template: true, correlation: false, recipient: true };

/// What a line of Truora needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The base of the API, as `https://api.connect.truora.com`.
    pub api: Url,
    /// The API key, `Truora-API-Key`.
    pub api_key: Key,
    /// The secrets that sign hooks; any of them.
    pub hook_secrets: Vec<Key>,
    /// The algorithm of that signature; no other is taken, whatever a token says of itself.
    pub hook_algorithm: HookAlgorithm,
    /// Truora's flow that the follow-up's *continue* starts, `IPF…`; absent where the outbound is a notification.
    pub flow_id: Option<String>,
    /// Identity flows whose hooks concern this line; all where empty.
    pub flows: Vec<String>,
}

/// How a hook is signed. With a shared secret alone: another way is not confirmed by Truora's documentation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HookAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
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
        api: "https://api.connect.truora.com".parse().expect("a URL"),
        api_key: Key::new("test-only-truora-key"),
        hook_secrets: vec![Key::new("test-only-truora-hook-secret")],
        hook_algorithm: HookAlgorithm::Hs256,
        flow_id: Some("IPF00000000000000000000000000000001".into()),
        flows: Vec::new(),
    }
}
