//! The configuration: one TOML file, read whole, checked whole, and then forgotten.
//!
//! Not where anything is decided at run time: what comes out is [`Config`], plain values and the engine's
//! [`Book`](crate::engine::book::Book). Secrets never stand in the file. All mistakes are told at once, each with its line,
//! key, value and what would be right.

mod book;
mod completions;
pub mod diff;
pub mod env;
pub mod explain;
mod flows;
mod hooks;
mod lines;
mod mistake;
mod notes;
mod placeholders;
mod provider;
mod questions;
mod read;
mod relations;
mod secret;
mod sections;
pub mod settings;
pub use crate::shapes::units;

pub use flows::MESSAGE;
pub use hooks::EVENTS;
pub use mistake::{Mistake, Mistakes, Warning};
pub use secret::{Machine, Secret, SecretSource, Withheld};
pub use settings::{
    Config, ConsoleFormat, FlowConfig, ForwardConfig, GupshupConfig, HookAlgorithm, HookConfig, LineConfig, Listen, LogConfig, LogFormat,
    LogLevel, Maintenance, OnEcho, ProviderConfig, ProviderKind, Scopes, Server, Setting, StoreConfig, Token, TruoraConfig, TrustedProxies,
    TwilioConfig, WhatsAppConfig,
};

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use crate::engine::book::Hook;
use crate::shapes::Calendars;
use notes::{Closed, Notes};
use read::Table;

/// The largest configuration, in bytes.
const BYTES: usize = 1 << 20;

/// Reads the configuration at `path`, with the secrets of this machine.
///
/// # Errors
/// Every mistake there is.
pub fn load(path: &Path) -> Result<Config, Mistakes> {
    load_with(path, &Machine::beside(path))
}

/// Reads the configuration at `path`, with secrets from elsewhere.
///
/// # Errors
/// Every mistake there is.
pub fn load_with(path: &Path, secrets: &dyn SecretSource) -> Result<Config, Mistakes> {
    use std::io::Read;
    let name = path.display().to_string();
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(BYTES as u64 + 1).read_to_string(&mut text));
    match read {
        Ok(_) => {
            let mut config = parse(&text, &name, secrets)?;
            // As with secrets: what is relative counts from the file, not from where the daemon happens to be started.
            config.store.path = path.parent().unwrap_or(Path::new("")).join(&config.store.path);
            Ok(config)
        }
        Err(why) => {
            Err(Mistakes::whole(&name, format!("the configuration cannot be read: {why}; name it by --config or $REENGAGED_CONFIG")))
        }
    }
}

/// Reads a configuration; `source` is the file's name in messages.
///
/// # Errors
/// Every mistake there is.
pub fn parse(text: &str, source: &str, secrets: &dyn SecretSource) -> Result<Config, Mistakes> {
    read(text, source, secrets).0
}

/// Every key that the readers know, with `*` for names of the operator's own and `[]` for elements of lists.
#[must_use]
pub fn keys() -> BTreeSet<String> {
    let mut every =
        "[server.tokens.a]\n[flows.a]\n[[flows.a.steps]]\n[[flows.a.completions]]\n[[flows.a.questions]]\n[hooks.a]\n".to_owned();
    for (at, kind) in ProviderKind::ALL.into_iter().enumerate() {
        every += &format!("[lines.l{at}]\nprovider = {:?}\n", kind.as_str());
    }
    read(&every, "keys", &Withheld).1
}

fn read(text: &str, source: &str, secrets: &dyn SecretSource) -> (Result<Config, Mistakes>, BTreeSet<String>) {
    if text.len() > BYTES {
        let cure = format!("the configuration is longer than {BYTES} bytes; this is hardly a configuration");
        return (Err(Mistakes::whole(source, cure)), BTreeSet::new());
    }
    let mut notes = Notes::new(source, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What stands behind a broken line is anybody's guess, so nothing more is asked of it.
        for error in errors {
            notes
                .mistake_at(error.span().map_or(0, |span| span.start), format!("this is no TOML: {}", error.message().replace('\n', "; ")));
        }
        let Closed { mistakes, warnings, known, .. } = notes.close();
        return (Err(Mistakes { mistakes, warnings }), known);
    }
    notes.place(document.get_ref());
    let config = sections(&Table::root(&notes, document.get_ref()), secrets);
    let Closed { mistakes, warnings, settings, known } = notes.close();
    let config = if mistakes.is_empty() { Ok(Config { warnings, settings, ..config }) } else { Err(Mistakes { mistakes, warnings }) };
    (config, known)
}

fn sections(root: &Table<'_>, secrets: &dyn SecretSource) -> Config {
    let server = sections::server(root, secrets);
    let store = sections::store(root);
    let maintenance = sections::maintenance(root);
    let log = sections::log(root);
    let mut lines = BTreeMap::new();
    for (name, table) in root.named("lines") {
        lines.extend(lines::line(&table, secrets).map(|line| (name, line)));
    }
    let mut calendars = Calendars::default();
    let mut flows = BTreeMap::new();
    for (name, table) in root.named("flows") {
        flows.extend(flows::flow(&table, &mut calendars).map(|flow| (name, flow)));
    }
    let mut hooks = BTreeMap::new();
    let mut order = Vec::new();
    for (name, table) in root.named("hooks") {
        if let Some(hook) = hooks::hook(&table, secrets) {
            order.push(Hook { name: Arc::from(name.as_str()), events: hook.events.clone(), flows: hook.flows.clone() });
            hooks.insert(name, hook);
        }
    }
    relations::check(root.notes(), &server, &lines, &flows, &hooks);
    let book = book::book(&lines, &flows, order);
    Config { server, store, maintenance, lines, flows, hooks, log, book, warnings: Vec::new(), settings: Vec::new() }
}
