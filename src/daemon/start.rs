//! Making the parts from the configuration: the one place where the settings of one edge become those of another.
//!
//! Not running them: that is `mod.rs`.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::Clock;
use crate::config::Secret;
use crate::config::settings::{Config, ConsoleFormat, Listen, ProviderConfig, Scopes};
use crate::daemon::Failure;
use crate::daemon::deliver::Providers;
use crate::hooks::guard::PublicOnly;
use crate::http::{self, Address, Listener};
use crate::provider::{self, Printer};
use crate::shapes::signature::SigningKey;

/// The listeners of `[server]`, bound.
pub(super) async fn listeners(config: &Config) -> Result<Vec<Listener>, Failure> {
    let mut listeners = vec![Listener::everything(&address(&config.server.listen)).await.map_err(Failure::setup)?];
    if let Some(webhooks) = &config.server.webhooks {
        listeners.push(Listener::webhooks(&address(webhooks)).await.map_err(Failure::setup)?);
    }
    Ok(listeners)
}

fn address(listen: &Listen) -> Address {
    match listen {
        Listen::Tcp(address) => Address::Tcp(*address),
        Listen::Unix(path) => Address::Unix(path.clone()),
    }
}

/// The bounds of the listeners.
pub(super) fn bounds(config: &Config) -> http::Settings {
    let server = &config.server;
    http::Settings {
        head: millis(server.header_timeout),
        body: millis(server.body_timeout),
        connections: server.max_connections,
        ..http::Settings::standard(|| Clock::system().elapsed())
    }
}

/// Who may come in.
pub(super) fn tokens(config: &Config) -> http::Tokens {
    let scopes = |Scopes { ingest, read, operate }| http::Scopes { ingest, read, operate };
    let tokens = config.server.tokens.iter();
    http::Tokens::new(tokens.flat_map(|token| token.secrets.iter().map(move |s| (s.digest(), scopes(token.scopes)))).collect())
}

/// The provider of each line.
pub(super) fn providers(config: &Config, printer: &Printer) -> Result<Providers, Failure> {
    let mut providers = Providers::new();
    for (name, line) in &config.lines {
        let settings = match &line.provider {
            ProviderConfig::Console { format } => {
                provider::Settings::Console { printer: Arc::clone(printer), json: *format == ConsoleFormat::Json, reveal: false }
            }
            ProviderConfig::Webhook { url, secrets, timeout, allow_private } => provider::Settings::Webhook {
                url: url.clone(),
                keys: keys(&format!("lines.{name}.secret"), secrets)?,
                budget: millis(*timeout),
                resolver: (!allow_private).then(|| Arc::new(PublicOnly::system()) as _),
            },
        };
        let built = provider::build(settings).map_err(|why| Failure::setup(format!("lines.{name}: {why}")))?;
        providers.insert(Arc::from(name.as_str()), built.provider);
    }
    Ok(providers)
}

/// Secrets as keys that sign.
pub(super) fn keys(what: &str, secrets: &[Secret]) -> Result<Vec<SigningKey>, Failure> {
    let read = |secret: &Secret| SigningKey::read(secret.expose()).map_err(|why| Failure::setup(format!("{what}: {why}")));
    secrets.iter().map(read).collect()
}

/// Standard output, shared by all console lines.
pub(super) fn printer() -> Printer {
    Arc::new(Mutex::new(io::stdout()))
}

pub(super) fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
