//! The configuration once it is read and found right: plain values with their units.
//!
//! Not the file: how that is written, and what may be left out, is in the readers beside this.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use url::Url;

use super::mistake::Warning;
pub use super::provider::{
    ConsoleFormat, GupshupConfig, HookAlgorithm, ProviderConfig, ProviderKind, TruoraConfig, TwilioConfig, WhatsAppConfig,
};
use super::secret::Secret;
use crate::conversation::questionnaire::Question;
use crate::conversation::{ArmOn, InDoubt, OnYes, StepRule};
use crate::engine::book::{Book, Completion};
use crate::schedule::Rules;

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the daemon listens, and who may come in.
    pub server: Server,
    /// Where conversations are kept.
    pub store: StoreConfig,
    /// What is done when nobody looks.
    pub maintenance: Maintenance,
    /// The business lines.
    pub lines: BTreeMap<String, LineConfig>,
    /// The flows.
    pub flows: BTreeMap<String, FlowConfig>,
    /// Those who want to hear of results.
    pub hooks: BTreeMap<String, HookConfig>,
    /// What is logged, and how.
    pub log: LogConfig,
    /// The rules as the engine has them.
    pub book: Book,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Warning>,
    /// Every value in force, in the order of the sections.
    pub settings: Vec<Setting>,
}

impl Config {
    /// The flow of this name, or whose `id` this is.
    #[must_use]
    pub fn flow(&self, name: &str) -> Option<(&str, &FlowConfig)> {
        let by_id = || self.flows.iter().find(|(_, flow)| flow.id.as_deref() == Some(name));
        self.flows.get_key_value(name).or_else(by_id).map(|(name, flow)| (name.as_str(), flow))
    }
}

/// One value in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Its key, as `flows.onboarding.expires_after`.
    pub key: String,
    /// The value as the file would have it; `None` where it is not set and has no default. Secrets say where they come from.
    pub value: Option<String>,
    /// It stands in the file.
    pub given: bool,
    /// A default exists.
    pub optional: bool,
    /// Of a secret: changes whenever the secret does.
    pub(super) mark: Option<[u8; 32]>,
}

/// `[server]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Server {
    /// Where everything is served.
    pub listen: Listen,
    /// Where `/hooks/*` and `/healthz` alone are served, for the outside.
    pub webhooks: Option<Listen>,
    /// Who may come in.
    pub tokens: Vec<Token>,
    /// How long a connection may take for a request's head, in milliseconds.
    pub header_timeout: i64,
    /// How long a connection may stay silent within a request's body, in milliseconds.
    pub body_timeout: i64,
    /// Connections at once, on each listener.
    pub max_connections: usize,
    /// Connections at once of one address, on each listener; those of trusted proxies and socket files are not counted so.
    pub max_connections_per_address: usize,
    /// Proxies whose word on where a request comes from is believed.
    pub trusted_proxies: TrustedProxies,
}

/// Who is believed when it says for whom it asks (`X-Forwarded-For`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustedProxies {
    /// Their addresses.
    pub addresses: Vec<IpNet>,
    /// Programs that come in by a socket file.
    pub unix: bool,
}

/// A place to listen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listen {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Listen {
    /// Whether only programs on this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Listen::Tcp(address) => address.ip().is_loopback(),
            Listen::Unix(_) => true,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What a token allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scopes {
    /// To bring events.
    pub ingest: bool,
    /// To look.
    pub read: bool,
    /// To act.
    pub operate: bool,
}

/// A bearer token of `[server.tokens.NAME]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Its name, for the log.
    pub name: String,
    /// What it allows.
    pub scopes: Scopes,
    /// The secrets that are this token; more than one while it is being renewed.
    pub secrets: Vec<Secret>,
}

/// `[store]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreConfig {
    /// The directory; `store/` and `ledger/` stand inside.
    pub path: PathBuf,
    /// A file system that is known to lose what was synced (network, memory) is accepted.
    pub any_filesystem: bool,
    /// Bytes of the disk that stay free: with less, nothing is taken in and nothing is sent.
    pub min_free: u64,
}

/// `[maintenance]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Maintenance {
    /// When what has outlived its time is forgotten; UTC.
    pub retention: cron::Schedule,
    /// How many days finished conversations and dead hooks stay.
    pub retention_days: i64,
    /// When a backup is made, where that is wanted; UTC.
    pub backup: Option<cron::Schedule>,
    /// The directory that backups are put into; `backups/` in the store's where absent.
    pub backup_path: Option<PathBuf>,
    /// How many of them stay.
    pub backup_keep: usize,
    /// When every record is checked, where that is wanted; UTC.
    pub fsck: Option<cron::Schedule>,
    /// When providers are asked about templates under review; UTC.
    pub approvals: cron::Schedule,
}

/// `[lines.NAME]`.
#[derive(Clone, PartialEq, Debug)]
pub struct LineConfig {
    /// What sends.
    pub provider: ProviderConfig,
    /// The business number: digits with country code.
    pub phone: Option<String>,
    /// The flow of its conversations, unless an event names another.
    pub flow: Option<String>,
    /// What arms a follow-up.
    pub arm_on: ArmOn,
    /// What becomes of a call whose outcome is unknown.
    pub in_doubt: InDoubt,
    /// Calls under way at once.
    pub max_in_flight: usize,
    /// Sends in any second; `None` for no limit but `max_in_flight`.
    pub rate: Option<u32>,
    /// Milliseconds between two sends to one person; 0 for none.
    pub pair_gap: i64,
    /// People who may be written to outside their messaging window in any 24 hours; `None` for no limit.
    pub daily: Option<u32>,
    /// How long overdue sends wait after the daemon was down for more than a minute, in milliseconds.
    pub catch_up_wait: i64,
    /// The bot that the provider's webhooks are handed on to.
    pub forward: Option<ForwardConfig>,
    /// What it means that somebody writes from the business's phone.
    pub on_echo: OnEcho,
}

/// `forward_to`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForwardConfig {
    /// The bot's address. It stands in the operator's own file and is trusted.
    pub to: Url,
    /// How long the bot may take, in milliseconds.
    pub timeout: i64,
}

/// What it means that somebody writes to a person from the business's phone, or a device linked to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnEcho {
    /// It counts as the bot speaking.
    Speaks,
    /// A human has taken over: the conversation is held.
    Holds,
}

/// `[flows.NAME]`.
#[derive(Clone, PartialEq, Debug)]
pub struct FlowConfig {
    /// Its id towards the guide's clients: `IPF` and 32 hexadecimal digits.
    pub id: Option<String>,
    /// When a follow-up goes out, on a line without a messaging window of its own; [`FlowConfig::rules_on`] says when on others.
    pub rules: Rules,
    /// The text of the first follow-up.
    pub message: Arc<str>,
    /// Further follow-ups.
    pub steps: Vec<StepRule>,
    /// The file says nothing of a messaging window: each line has that of its provider.
    pub session_by_line: bool,
    /// Names of the variables that the approved template takes, in its order.
    pub template_vars: Vec<Arc<str>>,
    /// What the bot says when the conversation has come to its end.
    pub completions: Vec<Completion>,
    /// The questions that it asks by itself; none where a bot talks.
    pub questions: Arc<[Question]>,
    /// What opens the list of a question with more choices than there are buttons.
    pub choices_label: Arc<str>,
    /// Its last word, when they are answered.
    pub completed_message: Option<Arc<str>>,
    /// The label of the button that resumes.
    pub yes: Arc<str>,
    /// The label of the button that declines.
    pub no: Arc<str>,
    /// What "yes" does, where the file says it; [`FlowConfig::on_yes_on`] says what on each line.
    pub on_yes: Option<OnYes>,
    /// Silence after the hand-over before the conversation is over, in milliseconds.
    pub expires_after: i64,
    /// A follow-up later than this many milliseconds is skipped.
    pub max_lateness: Option<i64>,
}

/// `[hooks.NAME]`.
#[derive(Clone, PartialEq, Debug)]
pub struct HookConfig {
    /// Where results go.
    pub url: Url,
    /// The secrets that sign; all of them do, the first in use.
    pub secrets: Vec<Secret>,
    /// The types it wants; all where empty.
    pub events: Vec<String>,
    /// The flows it wants; all where empty.
    pub flows: Vec<String>,
    /// Loopback and private addresses may be called.
    pub allow_private: bool,
}

/// `[log]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogConfig {
    /// How.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// The journal under systemd, lines for people on a terminal, JSON elsewhere.
    Auto,
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
    /// The journal, with fields.
    Journald,
}

/// How much is logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what is doubtful.
    Warn,
    /// And what happens.
    Info,
    /// And how.
    Debug,
    /// And everything else.
    Trace,
}

impl LogLevel {
    /// The word, as a filter of the log takes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}
