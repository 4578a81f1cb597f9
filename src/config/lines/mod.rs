//! `[lines.NAME]`: a business line, and what sends on it.
//!
//! Not the provider itself: here stands what it needs to know. The keys of each kind of provider have a file of their own.

mod gupshup;
mod truora;
mod twilio;
mod values;
mod webhook;
mod whatsapp;

pub(super) use values::{address, check_address, is_id, there_are};
pub(super) use webhook::{GUESSABLE, signing};

use super::read::{Show, Table, text, whole};
use super::secret::SecretSource;
use super::sections::{Span, span};
use super::settings::{ConsoleFormat, ForwardConfig, LineConfig, OnEcho, ProviderConfig, ProviderKind};
use crate::conversation::{ArmOn, InDoubt};
use crate::limits;
use crate::moment::{HOUR, MINUTE, SECOND};
use crate::shapes::Loose;
use values::{check_plain, phone};

/// How long the bot may take with a webhook that is handed on, unless configured.
const FORWARD_TIMEOUT: i64 = 8 * SECOND;
/// Most people a day outside their window that can be written down as a number.
const DAILY: i64 = 10_000_000;

/// The keys of a secret.
macro_rules! secret {
    ($name:literal) => {
        [concat!($name, "_file"), concat!($name, "_credential"), concat!($name, "_env")]
    };
}

/// Keys that not every line has, with the providers that have them.
fn own_keys() -> Vec<(&'static str, &'static [ProviderKind])> {
    use ProviderKind::{Console, Gupshup, Truora, Twilio, Webhook, WhatsApp};
    const CHATS: &[ProviderKind] = &[WhatsApp, Gupshup, Twilio, Truora];
    let mut keys: Vec<(&'static str, &'static [ProviderKind])> = vec![
        ("format", &[Console]),
        ("url", &[Webhook]),
        ("timeout", &[Webhook]),
        ("allow_private", &[Webhook]),
        ("api", CHATS),
        ("forward_to", CHATS),
        ("forward_timeout", CHATS),
        // Nobody else tells of what is written at the business's phone.
        ("on_echo", &[WhatsApp, Gupshup]),
        ("reactions", &[WhatsApp, Gupshup]),
        ("phone_number_id", &[WhatsApp]),
        ("waba_id", &[WhatsApp]),
        ("template_language", &[WhatsApp]),
        ("user_id_field", &[WhatsApp]),
        ("app", &[Gupshup]),
        ("app_id", &[Gupshup]),
        ("partner_api", &[Gupshup]),
        ("webhook_header", &[Gupshup]),
        ("allow_from", &[Gupshup]),
        ("account_sid", &[Twilio]),
        ("content_api", &[Twilio]),
        ("messaging_service_sid", &[Twilio]),
        ("public_url", &[Twilio]),
        ("status_callback", &[Twilio]),
        ("quick_reply", &[Twilio]),
        ("hook_algorithm", &[Truora]),
        ("flow_id", &[Truora]),
        ("identity_flows", &[Truora]),
    ];
    let secrets: [([&'static str; 3], &'static [ProviderKind]); 8] = [
        (secret!("secret"), &[Webhook]),
        (secret!("token"), &[WhatsApp]),
        (secret!("app_secret"), &[WhatsApp]),
        (secret!("verify_token"), &[WhatsApp]),
        (secret!("api_key"), &[Gupshup, Truora]),
        (secret!("webhook_token"), &[Gupshup]),
        (secret!("partner_token"), &[Gupshup]),
        (secret!("auth_token"), &[Twilio]),
    ];
    for (names, kinds) in secrets {
        keys.extend(names.map(|name| (name, kinds)));
    }
    keys.extend(secret!("hook_secret").map(|name| (name, &[Truora][..])));
    keys
}

/// Reads a line. `None` where what it cannot be without is wrong; that is noted.
pub(super) fn line(table: &Table<'_>, secrets: &dyn SecretSource) -> Option<LineConfig> {
    let kind = kind(table);
    foreign(table, kind);
    let phone = match kind {
        Some(ProviderKind::Gupshup | ProviderKind::Twilio) => table.need("phone", "write the business number, as \"57317770000\"", phone),
        _ => table.maybe("phone", phone),
    };
    let provider = kind.and_then(|kind| provider(kind, phone.as_deref(), table, secrets));
    let flow = table.maybe("flow", text(1, 64));
    let arm_on = table.word("arm_on", ArmOn::Question, &[("question", ArmOn::Question), ("any_message", ArmOn::AnyMessage)]);
    let in_doubt = table.word("in_doubt", InDoubt::Unknown, &[("unknown", InDoubt::Unknown), ("resend", InDoubt::Resend)]);
    let max_in_flight = table.or("max_in_flight", limits::MAX_IN_FLIGHT as i64, whole(1, 4_096)) as usize;
    // Where the kind is wrong, the others' defaults mislead nobody: nothing of this line is in force.
    let kind = kind.unwrap_or(ProviderKind::Console);
    let rate = rate(table, kind);
    let pair_gap = table.or("pair_gap", Span(kind.pair_gap()), span(0, HOUR)).0;
    let daily = daily(table, kind);
    let catch_up_wait = table.or("catch_up_wait", Span(kind.catch_up_wait()), span(0, 60 * MINUTE)).0;
    let forward = if kind.has_webhooks() { forward(table) } else { None };
    let echoes = [("speaks", OnEcho::Speaks), ("holds", OnEcho::Holds)];
    let on_echo = match kind {
        ProviderKind::WhatsApp | ProviderKind::Gupshup => table.word("on_echo", OnEcho::Speaks, &echoes),
        _ => OnEcho::Speaks,
    };
    let provider = provider?;
    Some(LineConfig { provider, phone, flow, arm_on, in_doubt, max_in_flight, rate, pair_gap, daily, catch_up_wait, forward, on_echo })
}

fn provider(kind: ProviderKind, phone: Option<&str>, table: &Table<'_>, secrets: &dyn SecretSource) -> Option<ProviderConfig> {
    Some(match kind {
        ProviderKind::Console => {
            let formats = [("line", ConsoleFormat::Line), ("json", ConsoleFormat::Json)];
            ProviderConfig::Console { format: table.word("format", ConsoleFormat::Line, &formats) }
        }
        ProviderKind::Webhook => webhook::read(table, secrets)?,
        ProviderKind::WhatsApp => ProviderConfig::WhatsApp(Box::new(whatsapp::read(table, secrets)?)),
        ProviderKind::Gupshup => ProviderConfig::Gupshup(Box::new(gupshup::read(table, phone, secrets)?)),
        ProviderKind::Twilio => ProviderConfig::Twilio(Box::new(twilio::read(table, phone, secrets)?)),
        ProviderKind::Truora => ProviderConfig::Truora(Box::new(truora::read(table, secrets)?)),
    })
}

fn kind(table: &Table<'_>) -> Option<ProviderKind> {
    let words = ProviderKind::ALL.map(|kind| format!("{:?}", kind.as_str()));
    let (last, others) = words.split_last()?;
    let cure = format!("write {} or {last}", others.join(", "));
    let find = |word: &str| ProviderKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    let word = table.need("provider", &cure, |value| match value {
        Loose::Text(word) if find(word).is_some() => Ok(word.clone()),
        _ => Err(cure.clone()),
    })?;
    find(&word)
}

/// Keys of other providers are mistakes where they stand. Where nobody knows which provider was meant, they are none.
fn foreign(table: &Table<'_>, kind: Option<ProviderKind>) {
    let own = |kinds: &[ProviderKind]| kind.is_some_and(|kind| kinds.contains(&kind));
    for (key, kinds) in own_keys().into_iter().filter(|(key, kinds)| table.holds(key) && !own(kinds)) {
        let value = table.find(key).filter(|_| kind.is_some());
        if let Some(value) = value {
            let words: Vec<String> = kinds.iter().map(|kind| format!("{:?}", kind.as_str())).collect();
            let whose = format!("only a line with provider = {} has this key; leave it out", words.join(" or "));
            table.notes().mistake(&table.path(key), value, whose);
        }
    }
}

fn rate(table: &Table<'_>, kind: ProviderKind) -> Option<u32> {
    let read = whole(1, 10_000);
    let rate = match kind.rate() {
        Some(rate) => Some(table.or("rate", i64::from(rate), read)),
        None => table.maybe("rate", read),
    };
    rate.map(|rate| rate as u32)
}

/// People a day outside their window: a number, or none.
struct Daily(Option<u32>);

impl Show for Daily {
    fn show(&self) -> String {
        self.0.map_or_else(|| "\"unlimited\"".to_owned(), |people| people.to_string())
    }
}

fn daily(table: &Table<'_>, kind: ProviderKind) -> Option<u32> {
    let key = table.path("daily");
    let daily = table.or("daily", Daily(kind.daily()), |value| match value {
        Loose::Text(word) if word == "unlimited" => Ok(Daily(None)),
        Loose::Whole(_) => whole(1, DAILY)(value).map(|people| Daily(Some(people as u32))),
        _ => Err(format!("write a whole number, 1 to {DAILY}, without quotes, or \"unlimited\"")),
    });
    if let Some(people) = daily.0.filter(|_| !table.notes().is_given(&key)) {
        let meaning = format!(
            "{people} people a day get a template, as the provider allows a new business; write what it allows yours (250, 2000, 10000, \
             100000), or \"unlimited\""
        );
        table.notes().warn(&key, "", meaning);
    }
    daily.0
}

fn forward(table: &Table<'_>) -> Option<ForwardConfig> {
    let to = table.maybe("forward_to", address);
    let most = limits::FORWARD_BUDGET;
    let timeout = table.or("forward_timeout", Span(FORWARD_TIMEOUT), span(SECOND / 10, most)).0;
    let to = to?;
    check_plain(table, "forward_to", &to, "what people write could be read by others");
    Some(ForwardConfig { to, timeout })
}
