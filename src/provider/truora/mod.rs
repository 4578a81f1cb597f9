//! Truora: follow-ups go out as its outbound messages, and its hooks tell how processes ended.
//!
//! Not a conversation: Truora's own bot hears the person; what the person says reaches us by the events API alone.

use url::Url;

use crate::provider::remote::Key;

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
