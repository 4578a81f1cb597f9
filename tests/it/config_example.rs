//! `config.toml.example` says the truth: it parses without a warning, names every key there is, and shows their defaults.
//! Not what single keys mean, nor how mistakes are told: `config` has that.

use std::collections::BTreeSet;

use reengaged::config::{self, Config, Setting, Withheld};

const EXAMPLE: &str = include_str!("../../config.toml.example");
/// Values that the example sets to something else than their default, because without them nothing would be seen.
const LIVE: [&str; 1] = ["flows.onboarding.enable_follow_up"];
/// The keys that a table cannot be without.
const NEEDED: [(&str, &[&str]); 7] = [
    ("server.tokens.*", &["scopes", "file"]),
    ("lines.*", &LINES),
    ("flows.*.calendar", &["timezone", "hours"]),
    ("flows.*.steps[]", &["delay", "message"]),
    ("flows.*.completions[]", &["bot_says", "outcome"]),
    ("flows.*.questions[]", &["id", "prompt"]),
    ("hooks.*", &["url", "secret_file"]),
];
/// The same for lines, of all providers together: a table has those of its own.
const LINES: [&str; 15] = [
    "provider",
    "url",
    "phone",
    "phone_number_id",
    "app",
    "account_sid",
    "public_url",
    "secret_file",
    "token_file",
    "app_secret_file",
    "verify_token_file",
    "api_key_file",
    "webhook_token_file",
    "auth_token_file",
    "hook_secret_file",
];

/// A key of the example.
#[derive(Clone, Debug)]
struct Entry {
    /// The line of the table's header, from 0, and whether it is commented out.
    header: (usize, bool),
    /// The table, with `*` for names and `[]` for lists.
    table: String,
    /// The table as it is written.
    path: String,
    key: String,
    line: usize,
    commented: bool,
}

fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut header = None;
    for (at, line) in EXAMPLE.lines().enumerate() {
        let (commented, code) = line.strip_prefix('#').map_or((false, line), |code| (true, code));
        if let Some(path) = code.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let list = path.starts_with('[');
            let path = path.trim_matches(['[', ']']);
            let mut parts: Vec<&str> = path.split('.').collect();
            match parts.as_slice() {
                ["lines" | "flows" | "hooks", ..] => parts[1] = "*",
                ["server", "tokens", _] => parts[2] = "*",
                _ => {}
            }
            header =
                Some(((at, commented), parts.join(".") + if list { "[]" } else { "" }, path.to_owned() + if list { "[0]" } else { "" }));
        } else if let Some((key, _)) = code.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            let (header, table, path) = header.clone().expect("a key stands under a header");
            entries.push(Entry { header, table, path, key: key.to_owned(), line: at, commented });
        }
    }
    entries
}

/// The example with these lines (from 0) uncommented, and these left out.
fn with(uncommented: &[usize], without: &[usize]) -> String {
    let lines = EXAMPLE.lines().enumerate().filter(|(at, _)| !without.contains(at));
    let line =
        |(at, line): (usize, &str)| if uncommented.contains(&at) { line.trim_start_matches('#').to_owned() } else { line.to_owned() };
    lines.map(line).collect::<Vec<_>>().join("\n")
}

fn parse(text: &str) -> Config {
    config::parse(text, "config.toml.example", &Withheld).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn setting<'c>(config: &'c Config, key: &str) -> Option<&'c Setting> {
    config.settings.iter().find(|setting| setting.key == key)
}

#[test]
fn it_parses_without_a_warning() {
    let config = parse(EXAMPLE);
    assert_eq!(config.warnings, []);
    assert_eq!(config.lines["console"].provider.as_str(), "console");
    assert!(config.book.policy("console", "onboarding").is_some_and(|policy| policy.rules.enabled));
}

#[test]
fn every_live_value_is_the_default() {
    let shown = parse(EXAMPLE);
    let least = parse("[lines.console]\nprovider = \"console\"\n[flows.onboarding]");
    let mut live = 0;
    for setting in shown.settings.iter().filter(|setting| setting.given && setting.optional) {
        live += 1;
        let default = &self::setting(&least, &setting.key).unwrap().value;
        assert_eq!(*default != setting.value, LIVE.contains(&setting.key.as_str()), "{setting:?}, while the default is {default:?}");
    }
    assert!(live > 8, "only {live} values were compared");
    for section in ["server", "store", "maintenance"] {
        let hidden: Vec<&Setting> = shown.settings.iter().filter(|s| s.key.starts_with(section) && s.optional && !s.given).collect();
        assert!(hidden.is_empty(), "[{section}] shows its defaults, but not {hidden:?}");
    }
}

#[test]
fn it_names_every_key_and_no_other() {
    let named: BTreeSet<String> = entries().iter().map(|entry| format!("{}.{}", entry.table, entry.key)).collect();
    // Keys whose value is a table stand in the example as that table.
    let known: BTreeSet<String> =
        config::keys().into_iter().filter(|key| !["flows.*.calendar", "flows.*.session"].contains(&key.as_str())).collect();
    assert!(known.len() > 50);
    assert_eq!(known.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "keys that the example does not name");
    assert_eq!(named.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "keys that only the example knows");
}

#[test]
fn each_key_that_is_commented_out_can_be_uncommented() {
    let all = entries();
    let (mut unbuilt, mut same, mut other) = (0, 0, 0);
    for entry in all.iter().filter(|entry| entry.commented) {
        let base = base(entry, &all);
        let added: Vec<usize> = base.iter().copied().chain([entry.line]).collect();
        // A header without its key would be another table; a live key of the same name would be doubled.
        let key = format!("{}.{}", entry.path, entry.key);
        match config::parse(&with(&added, &[]), "example", &Withheld) {
            Err(mistakes) => {
                assert!(mistakes.mistakes.iter().all(|m| m.cure.starts_with("not built in this release")), "{key}: {mistakes}");
                unbuilt += 1;
            }
            Ok(config) => {
                let Some(found) = setting(&config, &key) else {
                    assert_eq!(entry.key, "fallback_timezone", "{key} is read and not told");
                    continue;
                };
                assert!(found.given, "{key}");
                if found.optional {
                    let without = parse(&with(&base, &[]));
                    assert_eq!(setting(&without, &key).unwrap().value, found.value, "{key}: the example shows another default");
                    same += 1;
                } else {
                    other += 1;
                }
            }
        }
    }
    assert_eq!(unbuilt, 1, "url");
    assert!(same >= 40 && other >= 60, "{same} defaults and {other} keys without one");
}

/// The lines that must be uncommented for this key to have a place: its table's header, and what that table cannot be without.
fn base(entry: &Entry, all: &[Entry]) -> Vec<usize> {
    if !entry.header.1 {
        return Vec::new();
    }
    let needed = NEEDED.iter().find(|(table, _)| *table == entry.table).map_or(&[][..], |(_, keys)| keys);
    let siblings = all.iter().filter(|other| other.header == entry.header && other.key != entry.key);
    let same_secret = |other: &Entry| secret(&other.key).is_some_and(|name| secret(&entry.key) == Some(name));
    let lines = siblings.filter(|other| needed.contains(&other.key.as_str()) && !same_secret(other));
    // Truora's lines send templates alone, so the flow has to have one.
    let template = all.iter().filter(|other| entry.path == "lines.truora" && other.table == "flows.*.session" && other.key == "template");
    let template = template.flat_map(|other| [other.header.0, other.line]);
    let mut base: Vec<usize> = lines.map(|other| other.line).chain([entry.header.0]).chain(template).collect();
    base.sort_unstable();
    base
}

/// The name of the secret that a key belongs to, without the way in which it is named.
fn secret(key: &str) -> Option<&str> {
    ["file", "credential", "env"].into_iter().find_map(|way| key.strip_suffix(way)).map(|name| name.trim_end_matches('_'))
}
