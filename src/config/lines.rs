//! `[lines.NAME]`: a business line, and what sends on it.
//!
//! Not the provider itself: here stands what it needs to know.

use url::Url;

use super::read::{Show, Table, nearest, text, truth, whole};
use super::secret::{Secret, SecretSource};
use super::sections::{Span, span};
use super::settings::{ConsoleFormat, LineConfig, ProviderConfig};
use crate::conversation::{ArmOn, InDoubt};
use crate::limits;
use crate::moment::{MINUTE, SECOND};
use crate::shapes::signature::SigningKey;
use crate::shapes::{Loose, address as addresses};

/// The keys of the webhook provider, beside its secret.
const WEBHOOK_KEYS: [&str; 6] = ["url", "secret_file", "secret_credential", "secret_env", "timeout", "allow_private"];
/// Providers of the contract that this release does not have.
const UNBUILT: [&str; 4] = ["whatsapp_cloud", "gupshup", "twilio", "truora"];

impl Show for Url {
    fn show(&self) -> String {
        format!("{:?}", self.as_str())
    }
}

/// A secret shorter than this, in bytes, could be guessed: Standard Webhooks asks for 24 bytes of chance.
pub(super) const GUESSABLE: usize = 24;

/// Which provider, before its keys are read.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Console,
    Webhook,
}

/// Reads a line. `None` where what it cannot be without is wrong; that is noted.
pub(super) fn line(table: &Table<'_>, secrets: &dyn SecretSource) -> Option<LineConfig> {
    let provider = provider(table, secrets);
    table.unbuilt("forward_to", "let your bot tell of its messages by POST /v1/events");
    let phone = table.maybe("phone", phone);
    let flow = table.maybe("flow", text(1, 64));
    let arm_on = table.word("arm_on", ArmOn::Question, &[("question", ArmOn::Question), ("any_message", ArmOn::AnyMessage)]);
    let in_doubt = table.word("in_doubt", InDoubt::Unknown, &[("unknown", InDoubt::Unknown), ("resend", InDoubt::Resend)]);
    let max_in_flight = table.or("max_in_flight", limits::MAX_IN_FLIGHT as i64, whole(1, 4_096)) as usize;
    let rate = table.maybe("rate", whole(1, 10_000)).map(|rate| rate as u32);
    // Both providers of this release are fed by the events API: nothing queues up elsewhere while the daemon is down.
    let catch_up_wait = table.or("catch_up_wait", Span(0), span(0, 60 * MINUTE)).0;
    Some(LineConfig { provider: provider?, phone, flow, arm_on, in_doubt, max_in_flight, rate, pair_gap: 0, daily: None, catch_up_wait })
}

fn provider(table: &Table<'_>, secrets: &dyn SecretSource) -> Option<ProviderConfig> {
    let kind = kind(table);
    let format = match kind {
        Some(Kind::Webhook) => foreign(table, "format", "console"),
        _ => table.word("format", ConsoleFormat::Line, &[("line", ConsoleFormat::Line), ("json", ConsoleFormat::Json)]),
    };
    if kind == Some(Kind::Console) {
        for key in WEBHOOK_KEYS {
            foreign(table, key, "webhook");
        }
        return Some(ProviderConfig::Console { format });
    }
    if kind.is_none() {
        // Whatever it should have been, its keys are not unknown ones.
        WEBHOOK_KEYS.iter().for_each(|key| drop(table.find(key)));
        return None;
    }
    let url = table.need("url", "write the address that is called, as \"http://127.0.0.1:9000/send\"", address);
    let signing = signing(table, secrets);
    let most = limits::CALL_BUDGET;
    let timeout = table.or("timeout", Span(most), span(SECOND / 10, most)).0;
    let allow_private = table.or("allow_private", true, truth);
    let url = url?;
    check_address(table, &url, allow_private);
    Some(ProviderConfig::Webhook { url, secrets: signing, timeout, allow_private })
}

fn kind(table: &Table<'_>) -> Option<Kind> {
    table
        .need("provider", "write \"webhook\" or \"console\"", |value| match value {
            Loose::Text(word) if word == "console" || word == "webhook" => Ok(word.clone()),
            Loose::Text(word) if UNBUILT.contains(&word.as_str()) => {
                Err("not built in this release; write \"webhook\", and send through a program of your own, or \"console\"".to_owned())
            }
            _ => Err("write \"webhook\" or \"console\"".to_owned()),
        })
        .map(|word| if word == "console" { Kind::Console } else { Kind::Webhook })
}

/// A key of another provider: a mistake where it stands. Returns the default.
fn foreign(table: &Table<'_>, key: &str, provider: &str) -> ConsoleFormat {
    if let Some(value) = table.find(key) {
        table.notes().mistake(&table.path(key), value, format!("only a line with provider = {provider:?} has this key; leave it out"));
    }
    ConsoleFormat::Line
}

/// Reads the secrets of what is signed by Standard Webhooks.
pub(super) fn signing(table: &Table<'_>, secrets: &dyn SecretSource) -> Vec<Secret> {
    let secrets = table.secret("secret", secrets, true);
    let key = ["secret_file", "secret_credential", "secret_env"].into_iter().find(|key| table.notes().is_given(&table.path(key)));
    let key = table.path(key.unwrap_or("secret_file"));
    for secret in &secrets {
        if let Err(why) = SigningKey::read(secret.expose()) {
            table.notes().mistake(&key, "(withheld)", why);
        } else if secret.expose().len() < GUESSABLE {
            table.notes().warn(&key, "(withheld)", "is so short that it could be guessed; make one with: head -c 32 /dev/urandom | base64");
        }
    }
    secrets
}

fn phone(value: &Loose) -> Result<String, String> {
    match value {
        Loose::Text(digits)
            if (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') =>
        {
            Ok(digits.clone())
        }
        _ => Err("write the number in quotes, digits alone, with country code and without +, as \"57317770000\"".to_owned()),
    }
}

/// Reads an address that is called: `http` or `https`, with a host, without name and password.
pub(super) fn address(value: &Loose) -> Result<Url, String> {
    let cure = "write an address, as \"https://example.com/hook\"";
    let url = Url::parse(&text(1, 2_000)(value)?).map_err(|why| format!("{why}; {cure}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!("{cure}: http or https, and a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("leave out the name and the password: calls are signed by the secret".to_owned());
    }
    if url.fragment().is_some() {
        return Err("leave out what follows #: it is never sent".to_owned());
    }
    Ok(url)
}

/// What an address itself tells of its dangers. What its name resolves to is asked at each call.
pub(super) fn check_address(table: &Table<'_>, url: &Url, allow_private: bool) {
    let key = table.path("url");
    let here = addresses::private(url).is_some();
    if here && !allow_private {
        let cure = "a loopback or private address; write allow_private = true beside it if this is your own program";
        table.notes().mistake(&key, url.show(), cure);
    }
    if !here && url.scheme() == "http" {
        table.notes().warn(&key, url.show(), "is called in plain text over the network; https would keep people's messages from others");
    }
}

/// The hint for a name that is not among those there are.
pub(super) fn there_are<'n>(name: &str, names: impl Iterator<Item = &'n str> + Clone) -> String {
    match nearest(name, names.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if names.clone().next().is_none() => "there are none".to_owned(),
        None => format!("there are {}", names.map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")),
    }
}
