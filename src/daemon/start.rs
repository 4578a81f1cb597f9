//! Making the parts from the configuration: the one place where the settings of one edge become those of another.
//!
//! Not running them: that is `mod.rs`.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::Clock;
use crate::config::Secret;
use crate::config::settings::{
    Config, ConsoleFormat, GupshupConfig, HookAlgorithm, Listen, OnEcho, ProviderConfig, Scopes, TruoraConfig, TrustedProxies,
    TwilioConfig, WhatsAppConfig,
};
use crate::daemon::Failure;
use crate::daemon::deliver::Providers;
use crate::daemon::forward::Bot;
use crate::engine::Engine;
use crate::engine::inboxes::LineInbox;
use crate::engine::registry::Register;
use crate::hooks::guard::PublicOnly;
use crate::http::{self, Address, Listener};
use crate::limits;
use crate::moment::Moment;
use crate::provider::remote::Key;
use crate::provider::{self, Printer};
use crate::shapes::guide::inbound::in_force;
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
        connections_each: server.max_connections_per_address,
        ..http::Settings::standard(|| Clock::system().elapsed())
    }
}

/// Who may come in.
pub(super) fn tokens(config: &Config) -> http::Tokens {
    let scopes = |Scopes { ingest, read, operate }| http::Scopes { ingest, read, operate };
    let tokens = config.server.tokens.iter();
    let known =
        tokens.flat_map(|token| token.secrets.iter().map(move |s| (Arc::from(token.name.as_str()), s.digest(), scopes(token.scopes))));
    http::Tokens::named(known.collect())
}

/// What the lines need while the daemon runs.
pub(super) struct Lines {
    /// What hands messages over, by line.
    pub(super) providers: Providers,
    /// What takes webhooks in.
    pub(super) hooks: http::Hooks,
}

/// The providers of all lines, both halves, and the bots behind them.
pub(super) fn lines(config: &Config, printer: &Printer) -> Result<Lines, Failure> {
    let mut providers = Providers::new();
    let mut inboxes = Vec::new();
    let mut bots: BTreeMap<Arc<str>, Arc<dyn http::Forward>> = BTreeMap::new();
    for (name, line) in &config.lines {
        let failed = |why: String| Failure::setup(format!("lines.{name}: {why}"));
        let built = provider::build(settings(name, &line.provider, printer)?).map_err(failed)?;
        let name: Arc<str> = Arc::from(name.as_str());
        providers.insert(Arc::clone(&name), built.provider);
        if let Some(inbox) = built.inbox {
            let echo_holds = line.on_echo == OnEcho::Holds;
            inboxes.push((Arc::clone(&name), LineInbox { provider: line.provider.as_str(), inbox, echo_holds }));
        }
        if let Some(forward) = &line.forward {
            let bot = Bot::new(forward.to.clone(), millis(forward.timeout)).map_err(failed)?;
            bots.insert(name, Arc::new(bot));
        }
    }
    let TrustedProxies { addresses, unix } = config.server.trusted_proxies.clone();
    let hooks = http::Hooks { inboxes: inboxes.into_iter().collect(), bots, proxies: http::Proxies { addresses, unix } };
    Ok(Lines { providers, hooks })
}

/// The settings of a line's provider.
fn settings(name: &str, provider: &ProviderConfig, printer: &Printer) -> Result<provider::Settings, Failure> {
    let budget = millis(limits::CALL_BUDGET);
    Ok(match provider {
        ProviderConfig::Console { format } => {
            provider::Settings::Console { printer: Arc::clone(printer), json: *format == ConsoleFormat::Json, reveal: false }
        }
        ProviderConfig::Webhook { url, secrets, timeout, allow_private } => provider::Settings::Webhook {
            url: url.clone(),
            keys: keys(&format!("lines.{name}.secret"), secrets)?,
            budget: millis(*timeout),
            resolver: (!allow_private).then(|| Arc::new(PublicOnly::system()) as _),
        },
        ProviderConfig::WhatsApp(line) => provider::Settings::WhatsApp(whatsapp(name, line)?, budget),
        ProviderConfig::Gupshup(line) => provider::Settings::Gupshup(gupshup(name, line)?, budget),
        ProviderConfig::Twilio(line) => provider::Settings::Twilio(twilio(line), budget),
        ProviderConfig::Truora(line) => provider::Settings::Truora(truora(name, line)?, budget),
    })
}

fn whatsapp(name: &str, line: &WhatsAppConfig) -> Result<provider::whatsapp::Settings, Failure> {
    Ok(provider::whatsapp::Settings {
        api: line.api.clone(),
        phone_number_id: line.phone_number_id.clone(),
        waba_id: line.waba_id.clone(),
        token: in_use(name, "token", &line.tokens)?,
        app_secrets: credentials(&line.app_secrets),
        verify_tokens: credentials(&line.verify_tokens),
        template_language: line.template_language.clone(),
        reactions: line.reactions,
        user_id_field: line.user_id_field.clone(),
    })
}

fn gupshup(name: &str, line: &GupshupConfig) -> Result<provider::gupshup::Settings, Failure> {
    Ok(provider::gupshup::Settings {
        api: line.api.clone(),
        api_key: in_use(name, "api_key", &line.api_keys)?,
        app: line.app.clone(),
        phone: line.phone.clone(),
        approvals: line.app_id.clone().zip(line.partner_tokens.first()).map(|(app_id, token)| provider::gupshup::Approvals {
            api: line.partner_api.clone(),
            app_id,
            token: Key::new(token.expose()),
        }),
        proof: provider::gupshup::Proof {
            tokens: credentials(&line.webhook_tokens),
            header: line.webhook_header.clone(),
            allow_from: line.allow_from.clone(),
        },
        reactions: line.reactions,
    })
}

fn twilio(line: &TwilioConfig) -> provider::twilio::Settings {
    provider::twilio::Settings {
        api: line.api.clone(),
        content_api: line.content_api.clone(),
        account_sid: line.account_sid.clone(),
        auth_tokens: credentials(&line.auth_tokens),
        phone: line.phone.clone(),
        messaging_service_sid: line.messaging_service_sid.clone(),
        public_url: line.public_url.clone(),
        status_callback: line.status_callback.clone(),
        quick_reply: line.quick_reply.clone(),
    }
}

fn truora(name: &str, line: &TruoraConfig) -> Result<provider::truora::Settings, Failure> {
    use provider::truora::HookAlgorithm as Algorithm;
    Ok(provider::truora::Settings {
        api: line.api.clone(),
        api_key: in_use(name, "api_key", &line.api_keys)?,
        hook_secrets: credentials(&line.hook_secrets),
        hook_algorithm: match line.hook_algorithm {
            HookAlgorithm::Hs256 => Algorithm::Hs256,
            HookAlgorithm::Hs384 => Algorithm::Hs384,
            HookAlgorithm::Hs512 => Algorithm::Hs512,
        },
        flow_id: line.flow_id.clone(),
        flows: line.identity_flows.clone(),
    })
}

fn credentials(secrets: &[Secret]) -> Vec<Key> {
    secrets.iter().map(|secret| Key::new(secret.expose())).collect()
}

/// The secret that calls are made with: the first.
fn in_use(line: &str, key: &str, secrets: &[Secret]) -> Result<Key, Failure> {
    let first = secrets.first().map(|secret| Key::new(secret.expose()));
    first.ok_or_else(|| Failure::setup(format!("lines.{line}.{key}: there is none")))
}

/// Secrets as keys that sign.
pub(super) fn keys(what: &str, secrets: &[Secret]) -> Result<Vec<SigningKey>, Failure> {
    let read = |secret: &Secret| SigningKey::read(secret.expose()).map_err(|why| Failure::setup(format!("{what}: {why}")));
    secrets.iter().map(read).collect()
}

/// The registry's inbounds under the rules in force: at a start, and when the rules change.
pub(super) fn put_inbounds_in_force(engine: &mut Engine, now: Moment) {
    let shelf = engine.shelf(Register::Inbound, now);
    let records = shelf.records.iter().map(|(id, bytes)| (&**id, &**bytes));
    match in_force(records, None, &shelf.book) {
        Ok(inbounds) => engine.set_inbounds(inbounds),
        // Only an inbound that is being changed can be another's twin.
        Err(twin) => tracing::error!(%twin, "the inbounds cannot be put in force"),
    }
}

/// Standard output, shared by all console lines.
pub(super) fn printer() -> Printer {
    Arc::new(Mutex::new(io::stdout()))
}

pub(super) fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
