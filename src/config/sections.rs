//! The sections of the machine: `[server]`, `[store]`, `[maintenance]`, `[log]`, with their defaults.
//!
//! Not lines, flows and hooks: each of those has a file of its own.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;

use super::lines::GUESSABLE;
use super::read::{Show, Table, text, texts, truth, whole};
use super::secret::SecretSource;
use super::settings::{Listen, LogConfig, LogFormat, LogLevel, Maintenance, Scopes, Server, StoreConfig, Token, TrustedProxies};
use super::units;
use crate::limits;
use crate::moment::{DAY, MINUTE, SECOND};
use crate::shapes::Loose;

/// A duration in milliseconds, shown as people write it.
pub(super) struct Span(pub(super) i64);

impl Show for Span {
    fn show(&self) -> String {
        format!("{:?}", units::print(self.0))
    }
}

impl Show for Listen {
    fn show(&self) -> String {
        format!("{:?}", self.to_string())
    }
}

impl Show for PathBuf {
    fn show(&self) -> String {
        format!("{:?}", self.display().to_string())
    }
}

/// A cron expression and what was written.
struct Cron(String, cron::Schedule);

impl Show for Cron {
    fn show(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// Reads a duration from `least` to `most` milliseconds.
pub(super) fn span(least: i64, most: i64) -> impl Fn(&Loose) -> Result<Span, String> {
    move |value| {
        let read = if let Loose::Text(text) = value { units::parse(text) } else { None };
        read.filter(|millis| (least..=most).contains(millis)).map(Span).ok_or_else(|| {
            format!("write a duration from {:?} to {:?}, as \"90s\", \"45m\", \"48h\" or \"2d\"", units::print(least), units::print(most))
        })
    }
}

/// Addresses and ranges of addresses.
pub(super) struct Networks(pub(super) Vec<IpNet>);

impl Show for Networks {
    fn show(&self) -> String {
        let texts: Vec<String> = self.0.iter().map(network).collect();
        texts.show()
    }
}

/// A range as people write it: a single address without the length of its prefix.
fn network(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

/// Reads a list of addresses and ranges.
pub(super) fn networks(value: &Loose) -> Result<Networks, String> {
    let wrong = |text: &str| format!("{text:?} is no address; write addresses or ranges, as \"203.0.113.7\" or \"203.0.113.0/24\"");
    let each = |text: &String| {
        let address = IpAddr::from_str(text).map(|address| IpNet::from(address.to_canonical()));
        address.or_else(|_| IpNet::from_str(text)).map_err(|_| wrong(text))
    };
    texts(value)?.iter().map(each).collect::<Result<_, _>>().map(Networks)
}

impl Show for TrustedProxies {
    fn show(&self) -> String {
        let unix = self.unix.then(|| "unix".to_owned());
        self.addresses.iter().map(network).chain(unix).collect::<Vec<_>>().show()
    }
}

fn proxies(value: &Loose) -> Result<TrustedProxies, String> {
    let Loose::List(list) = value else { return networks(value).map(|_| TrustedProxies::default()) };
    let is_unix = |item: &Loose| *item == Loose::Text("unix".to_owned());
    let addresses = Loose::List(list.iter().filter(|item| !is_unix(item)).cloned().collect());
    let addresses = networks(&addresses).map_err(|why| format!("{why}; \"unix\" is who comes in by a socket file"))?.0;
    Ok(TrustedProxies { addresses, unix: list.iter().any(is_unix) })
}

/// Reads `[server]`.
pub(super) fn server(root: &Table<'_>, secrets: &dyn SecretSource) -> Server {
    let table = root.table("server");
    let default = Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 8787)));
    let server = Server {
        listen: table.or("listen", default, listen),
        webhooks: table.maybe("webhooks", listen),
        tokens: tokens(&table, secrets),
        header_timeout: table.or("header_timeout", Span(10 * SECOND), span(SECOND, 5 * MINUTE)).0,
        body_timeout: table.or("body_timeout", Span(30 * SECOND), span(SECOND, 5 * MINUTE)).0,
        max_connections: table.or("max_connections", 1_024, whole(8, 65_536)) as usize,
        max_connections_per_address: table.or("max_connections_per_address", 512, whole(1, 65_536)) as usize,
        trusted_proxies: table.or("trusted_proxies", TrustedProxies::default(), proxies),
    };
    let notes = table.notes();
    if server.webhooks.as_ref() == Some(&server.listen) {
        notes.mistake("server.webhooks", server.listen.show(), "server.listen is there already; write another port, or leave it out");
    }
    if !server.listen.is_local() && server.tokens.is_empty() {
        let meaning = "can be reached from other machines, and no token is configured: every request but health will be refused";
        notes.warn("server.listen", server.listen.show(), meaning);
    }
    server
}

fn listen(value: &Loose) -> Result<Listen, String> {
    let cure = "write an address and a port, as \"127.0.0.1:8787\" or \"[::1]:8787\", or \"unix:\" and an absolute path";
    let Loose::Text(text) = value else { return Err(cure.to_owned()) };
    if let Some(path) = text.strip_prefix("unix:") {
        // The kernel's sun_path holds 108 bytes, the last of them zero.
        let right = path.starts_with('/') && path.len() < 108 && !path.contains('\0');
        return right.then(|| Listen::Unix(PathBuf::from(path))).ok_or_else(|| format!("{cure} of at most 107 bytes"));
    }
    let address = SocketAddr::from_str(text).map_err(|_| cure.to_owned())?;
    // Port 0 is whatever is free: for tests and the demo, which are told the port by the status that systemd gets.
    Ok(Listen::Tcp(address))
}

fn tokens(table: &Table<'_>, secrets: &dyn SecretSource) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for (name, table) in table.named("tokens") {
        let wanted = "write what it allows, a list of \"ingest\", \"read\" and \"operate\"";
        let scopes = table.need("scopes", wanted, texts).map(|words| scopes(&table, &words)).unwrap_or_default();
        let secrets = table.secret("", secrets, true);
        if let Some(same) = tokens.iter().find(|token| token.secrets.iter().any(|secret| secrets.contains(secret))) {
            let cure = format!("has the same secret as server.tokens.{}; give each its own, so that one can be withdrawn", same.name);
            table.notes().mistake(&format!("server.tokens.{name}"), "(withheld)", cure);
        }
        if secrets.iter().any(|secret| secret.expose().len() < GUESSABLE) {
            table.notes().warn(&format!("server.tokens.{name}"), "(withheld)", "its secret is so short that it could be guessed");
        }
        tokens.push(Token { name, scopes, secrets });
    }
    tokens
}

fn scopes(table: &Table<'_>, words: &[String]) -> Scopes {
    let mut scopes = Scopes::default();
    for word in words {
        match word.as_str() {
            "ingest" => scopes.ingest = true,
            "read" => scopes.read = true,
            "operate" => scopes.operate = true,
            _ => table.notes().mistake(&table.path("scopes"), format!("{word:?}"), "write \"ingest\", \"read\" or \"operate\""),
        }
    }
    if words.is_empty() {
        table.notes().warn(&table.path("scopes"), "[]", "this token allows nothing");
    }
    scopes
}

/// Reads `[store]`.
pub(super) fn store(root: &Table<'_>) -> StoreConfig {
    let table = root.table("store");
    table.unbuilt("url", "this release keeps conversations in store.path");
    StoreConfig {
        path: table.or("path", PathBuf::from("/var/lib/reengaged"), |value| match text(1, 4_000)(value)? {
            path if path.contains("://") => Err("this is an address; write the path of a directory".to_owned()),
            path => Ok(PathBuf::from(path)),
        }),
        any_filesystem: table.or("any_filesystem", false, truth),
        min_free: (table.or("min_free_mib", 64, whole(0, 1_048_576)) as u64) << 20,
    }
}

/// Reads `[maintenance]`.
pub(super) fn maintenance(root: &Table<'_>) -> Maintenance {
    let table = root.table("maintenance");
    let default = |text: &str| Cron(text.to_owned(), cron::Schedule::from_str(text).expect("the default is an expression"));
    // The ledger must outlive whatever could still be sent.
    let most = (limits::LEDGER - limits::STEP_CEILING) / DAY - 1;
    Maintenance {
        backup: table.maybe("backup", expression).map(|times| times.1),
        backup_path: table.maybe("backup_path", absolute),
        backup_keep: table.or("backup_keep", 7, whole(1, 10_000)) as usize,
        fsck: table.maybe("fsck", expression).map(|times| times.1),
        retention: table.or("retention", default("0 15 3 * * *"), expression).1,
        retention_days: table.or("retention_days", limits::RETENTION / DAY, whole(1, most)),
        approvals: table.or("approvals", default("0 */5 * * * *"), expression).1,
    }
}

fn absolute(value: &Loose) -> Result<PathBuf, String> {
    let cure = "write the absolute path of a directory, best on another disk than the store's";
    let path = PathBuf::from(text(1, 4_000)(value).map_err(|_| cure.to_owned())?);
    if path.is_absolute() { Ok(path) } else { Err(cure.to_owned()) }
}

fn expression(value: &Loose) -> Result<Cron, String> {
    let cure = "write six fields (second minute hour day-of-month month day-of-week, UTC), as \"0 15 3 * * *\"";
    let Loose::Text(text) = value else { return Err(cure.to_owned()) };
    if text.split_whitespace().count() != 6 || text.len() > 200 {
        return Err(cure.to_owned());
    }
    let schedule = cron::Schedule::from_str(text).map_err(|_| cure.to_owned())?;
    // Any date will do: what comes at all comes after it, until the year 2100, where the expressions end.
    if schedule.after(&chrono::DateTime::UNIX_EPOCH).next().is_none() {
        return Err(format!("this moment never comes; {cure}"));
    }
    Ok(Cron(text.clone(), schedule))
}

/// Reads `[log]`.
pub(super) fn log(root: &Table<'_>) -> LogConfig {
    let table = root.table("log");
    let formats = [("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json), ("journald", LogFormat::Journald)];
    let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    LogConfig {
        format: table.word("format", LogFormat::Auto, &formats),
        level: table.word("level", LogLevel::Info, &levels.map(|level| (level.as_str(), level))),
    }
}
