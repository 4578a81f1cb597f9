//! What sends on a line, as plain values: one variant for each kind of provider.
//!
//! Not the provider: the daemon makes it from this. Not the reading: that is in `lines/`.

use std::fmt;

use ipnet::IpNet;
use url::Url;

use super::secret::Secret;
use crate::conversation::Capabilities;
use crate::moment::SECOND;

/// What sends on a line.
#[derive(Clone, PartialEq, Debug)]
pub enum ProviderConfig {
    /// Prints to standard output.
    Console {
        /// How.
        format: ConsoleFormat,
    },
    /// Calls an address of the operator's own.
    Webhook {
        /// The address. It stands in the operator's own file and so is trusted, unless `allow_private` is off.
        url: Url,
        /// The secrets that sign the call; the first in use.
        secrets: Vec<Secret>,
        /// How long a call may take, in milliseconds; at most [`crate::limits::CALL_BUDGET`].
        timeout: i64,
        /// Loopback and private addresses may be called.
        allow_private: bool,
    },
    /// The Cloud API of Meta.
    WhatsApp(Box<WhatsAppConfig>),
    /// Gupshup.
    Gupshup(Box<GupshupConfig>),
    /// Twilio.
    Twilio(Box<TwilioConfig>),
    /// Truora.
    Truora(Box<TruoraConfig>),
}

/// How the console line prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsoleFormat {
    /// One line for people.
    Line,
    /// One JSON object a line.
    Json,
}

/// `provider = "whatsapp_cloud"`.
#[derive(Clone, PartialEq, Debug)]
pub struct WhatsAppConfig {
    /// The base of the API, with its version.
    pub api: Url,
    /// The id of the business number.
    pub phone_number_id: String,
    /// The business account, under which templates are submitted.
    pub waba_id: Option<String>,
    /// The access token; the first in use.
    pub tokens: Vec<Secret>,
    /// App secrets that sign webhooks.
    pub app_secrets: Vec<Secret>,
    /// Words of the verification handshake.
    pub verify_tokens: Vec<Secret>,
    /// The language of templates whose name says none.
    pub template_language: String,
    /// A reaction counts as a sign of life.
    pub reactions: bool,
    /// The field of a request that takes a business-scoped user id.
    pub user_id_field: Option<String>,
}

/// `provider = "gupshup"`.
#[derive(Clone, PartialEq, Debug)]
pub struct GupshupConfig {
    /// The base of the API.
    pub api: Url,
    /// The API key; the first in use.
    pub api_keys: Vec<Secret>,
    /// The app's name.
    pub app: String,
    /// The business number: digits with country code.
    pub phone: String,
    /// The base of the API for partners, by which templates are submitted.
    pub partner_api: Url,
    /// The app's id.
    pub app_id: Option<String>,
    /// The app's access token for that API; the first in use.
    pub partner_tokens: Vec<Secret>,
    /// Secrets that webhooks carry.
    pub webhook_tokens: Vec<Secret>,
    /// The header that carries them, in place of the address; lower case.
    pub webhook_header: Option<String>,
    /// Where webhooks come from; anywhere where empty.
    pub allow_from: Vec<IpNet>,
    /// A reaction counts as a sign of life.
    pub reactions: bool,
}

/// `provider = "twilio"`.
#[derive(Clone, PartialEq, Debug)]
pub struct TwilioConfig {
    /// The base of the API.
    pub api: Url,
    /// The base of the API for contents, by which templates are submitted.
    pub content_api: Url,
    /// The account.
    pub account_sid: String,
    /// Its auth token; the first in use, all of them accepted in signatures.
    pub auth_tokens: Vec<Secret>,
    /// The business number: digits with country code.
    pub phone: String,
    /// The messaging service that sends in place of the number.
    pub messaging_service_sid: Option<String>,
    /// The address of this line's webhook as Twilio calls it.
    pub public_url: Url,
    /// Where Twilio reports what became of messages.
    pub status_callback: Option<Url>,
    /// A content template with two quick replies.
    pub quick_reply: Option<String>,
}

/// `provider = "truora"`.
#[derive(Clone, PartialEq, Debug)]
pub struct TruoraConfig {
    /// The base of the API.
    pub api: Url,
    /// The API key; the first in use.
    pub api_keys: Vec<Secret>,
    /// Secrets that sign hooks.
    pub hook_secrets: Vec<Secret>,
    /// The algorithm of that signature.
    pub hook_algorithm: HookAlgorithm,
    /// Truora's flow that *continue* starts.
    pub flow_id: Option<String>,
    /// Identity flows whose hooks concern this line; all where empty.
    pub identity_flows: Vec<String>,
}

/// How Truora signs its hooks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HookAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

/// Which provider.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ProviderKind {
    /// The Cloud API of Meta.
    WhatsApp,
    /// Gupshup.
    Gupshup,
    /// Twilio.
    Twilio,
    /// Truora.
    Truora,
    /// A program of the operator's own.
    Webhook,
    /// Standard output.
    Console,
}

impl ProviderKind {
    /// All of them, in the order in which they are told.
    pub const ALL: [ProviderKind; 6] = [
        ProviderKind::WhatsApp,
        ProviderKind::Gupshup,
        ProviderKind::Twilio,
        ProviderKind::Truora,
        ProviderKind::Webhook,
        ProviderKind::Console,
    ];

    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ProviderKind::WhatsApp => "whatsapp_cloud",
            ProviderKind::Gupshup => "gupshup",
            ProviderKind::Twilio => "twilio",
            ProviderKind::Truora => "truora",
            ProviderKind::Webhook => "webhook",
            ProviderKind::Console => "console",
        }
    }

    /// It sends webhooks to `/hooks/{line}`. The others are fed by the events API alone.
    #[must_use]
    pub const fn has_webhooks(self) -> bool {
        matches!(self, ProviderKind::WhatsApp | ProviderKind::Gupshup | ProviderKind::Twilio | ProviderKind::Truora)
    }

    /// It stands directly before WhatsApp: free text for 24 hours after the person's last message, so many messages to one person,
    /// so many people a day outside that window. (Truora does all of that by itself, and publishes no numbers.)
    #[must_use]
    pub const fn has_window(self) -> bool {
        matches!(self, ProviderKind::WhatsApp | ProviderKind::Gupshup | ProviderKind::Twilio)
    }

    /// Sends in any second, unless configured; `None` for no limit.
    #[must_use]
    pub const fn rate(self) -> Option<u32> {
        match self {
            ProviderKind::WhatsApp | ProviderKind::Twilio => Some(80),
            // Truora's number is unpublished: the smaller of those of the providers it sends through.
            ProviderKind::Gupshup | ProviderKind::Truora => Some(20),
            ProviderKind::Webhook | ProviderKind::Console => None,
        }
    }

    /// Milliseconds between two sends to one person, unless configured.
    #[must_use]
    pub const fn pair_gap(self) -> i64 {
        if self.has_window() { 6 * SECOND } else { 0 }
    }

    /// People outside their window in any 24 hours, unless configured: the tier of a new portfolio. `None` for no limit.
    #[must_use]
    pub const fn daily(self) -> Option<u32> {
        if self.has_window() { Some(250) } else { None }
    }

    /// How long overdue sends wait after downtime, unless configured: what queued up at a provider arrives by webhooks.
    #[must_use]
    pub const fn catch_up_wait(self) -> i64 {
        if self.has_webhooks() { 60 * SECOND } else { 0 }
    }

    /// What it can do.
    #[must_use]
    pub const fn capabilities(self) -> Capabilities {
        let chat = Capabilities { free_text: true, buttons: true, template: true, correlation: false, recipient: true };
        match self {
            ProviderKind::WhatsApp => Capabilities { correlation: true, ..chat },
            ProviderKind::Gupshup | ProviderKind::Twilio => chat,
            ProviderKind::Truora => Capabilities { free_text: false, ..chat },
            // What is printed needs nobody to be printed to, and nothing ever comes back; the operator's own program knows its
            // people by the caller's id, and gets whatever form is planned.
            ProviderKind::Webhook | ProviderKind::Console => Capabilities { recipient: false, ..chat },
        }
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ProviderConfig {
    /// Which provider.
    #[must_use]
    pub fn kind(&self) -> ProviderKind {
        match self {
            ProviderConfig::Console { .. } => ProviderKind::Console,
            ProviderConfig::Webhook { .. } => ProviderKind::Webhook,
            ProviderConfig::WhatsApp(_) => ProviderKind::WhatsApp,
            ProviderConfig::Gupshup(_) => ProviderKind::Gupshup,
            ProviderConfig::Twilio(_) => ProviderKind::Twilio,
            ProviderConfig::Truora(_) => ProviderKind::Truora,
        }
    }

    /// The word of the configuration.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        self.kind().as_str()
    }

    /// What it can do.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.kind().capabilities()
    }

    /// The key and the value by which its webhooks name the line; `None` where they name none, or there are no webhooks.
    #[must_use]
    pub fn address(&self) -> Option<(&'static str, &str)> {
        match self {
            ProviderConfig::WhatsApp(settings) => Some(("phone_number_id", &settings.phone_number_id)),
            ProviderConfig::Gupshup(settings) => Some(("app", &settings.app)),
            ProviderConfig::Twilio(settings) => Some(("phone", &settings.phone)),
            ProviderConfig::Truora(_) | ProviderConfig::Webhook { .. } | ProviderConfig::Console { .. } => None,
        }
    }
}
