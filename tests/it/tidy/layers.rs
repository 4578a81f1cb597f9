//! The table of layers and the test of one file against it. A file imports from the rows above its own, never sideways or down.

use super::lex::is_name;
use super::rules::{Complaint, line_of};

/// A row: its modules, whether they may import each other, and the names that must not stand in their code.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) modules: &'static [&'static str],
    siblings_meet: bool,
    forbidden: &'static [&'static str],
}

/// What the pure rows do without: waiting, the outside, the clock, chance, bytes.
const PURE: &[&str] = &[
    "async",
    "await",
    "tokio",
    "futures_util",
    "serde",
    "serde_json",
    "toml",
    "sled",
    "reqwest",
    "axum",
    "hyper",
    "tracing",
    "rand",
    "getrandom",
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "std::time",
    "SystemTime",
    "Instant",
    "Utc::now",
    "Local::now",
    "RandomState",
    "HashMap",
    "HashSet",
    "println",
    "eprintln",
];
/// The engine may wait (on ports), but owns no socket, file, clock or runtime.
const ENGINE: &[&str] = &[
    "tokio::net",
    "tokio::fs",
    "tokio::time",
    "tokio::spawn",
    "tokio::runtime",
    "tokio::process",
    "serde",
    "serde_json",
    "toml",
    "sled",
    "reqwest",
    "axum",
    "hyper",
    "rand",
    "getrandom",
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "Utc::now",
    "Local::now",
    "println",
    "eprintln",
];
/// Shapes turn text into core values and back; where the text comes from is not theirs.
const SHAPES: &[&str] = &[
    "async",
    "await",
    "tokio",
    "sled",
    "reqwest",
    "axum",
    "hyper",
    "rand",
    "getrandom",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Utc::now",
    "Local::now",
    "println",
    "eprintln",
];
/// Only `clock` reads the clock.
const EDGES: &[&str] = &["SystemTime::now", "Instant::now", "Utc::now", "Local::now", "rand", "println"];

/// The rows from the bottom up.
pub(super) const ROWS: &[Row] = &[
    Row { name: "words", modules: &["moment", "id", "limits"], siblings_meet: true, forbidden: PURE },
    Row { name: "schedule", modules: &["schedule"], siblings_meet: false, forbidden: PURE },
    Row { name: "conversation", modules: &["conversation"], siblings_meet: false, forbidden: PURE },
    Row { name: "engine", modules: &["engine"], siblings_meet: false, forbidden: ENGINE },
    Row { name: "shapes", modules: &["shapes"], siblings_meet: false, forbidden: SHAPES },
    Row { name: "clock", modules: &["clock"], siblings_meet: false, forbidden: &[] },
    Row { name: "points", modules: &["points"], siblings_meet: false, forbidden: &[] },
    Row { name: "edges", modules: &["ledger", "store", "provider", "hooks", "http", "config"], siblings_meet: false, forbidden: EDGES },
    Row { name: "roots", modules: &["daemon", "sim"], siblings_meet: false, forbidden: &[] },
    Row { name: "demo", modules: &["demo"], siblings_meet: false, forbidden: &[] },
    Row { name: "commands", modules: &["cli"], siblings_meet: false, forbidden: &[] },
    Row { name: "the program", modules: &["main", "lib"], siblings_meet: false, forbidden: &[] },
];

/// The row and the module of `src/<module>...`; `None` where the table does not know it.
pub(super) fn row_of(module: &str) -> Option<(usize, &'static Row)> {
    ROWS.iter().enumerate().find(|(_, row)| row.modules.contains(&module))
}

/// The top module of a path under `src/`: `src/store/keys.rs` and `src/store.rs` are both `store`.
pub(super) fn module_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    Some(rest.split('/').next().unwrap_or(rest).trim_end_matches(".rs"))
}

/// Imports against the table. `code` has its comments and literals blanked.
pub(super) fn check_imports(path: &str, code: &str) -> Vec<Complaint> {
    let Some(module) = module_of(path) else { return Vec::new() };
    if module == "lib" {
        return Vec::new(); // it names every module, that is what it is for
    }
    let Some((own, row)) = row_of(module) else {
        let cure = "add it to ROWS in tests/it/tidy/layers.rs, in the lowest row that fits";
        return vec![Complaint::new(path, 1, format!("module `{module}` stands in no layer"), cure)];
    };
    let mut complaints = Vec::new();
    for (at, target) in imports(path, code) {
        let line = line_of(code, at);
        match row_of(&target) {
            _ if target == module => {}
            Some((other, _)) if other < own => {}
            Some((other, _)) if other == own && row.siblings_meet => {}
            Some((other, row_of_other)) => {
                let what = format!("{module} ({}) imports {target} ({})", row.name, row_of_other.name);
                let cure = if other == own {
                    "modules of this row never meet: let the row below own what both need, and a root join them"
                } else {
                    "imports point to lower rows only: move what is needed down, or pass it in as an argument or through engine::ports"
                };
                complaints.push(Complaint::new(path, line, what, cure));
            }
            None if path == "src/main.rs" => {}
            None => complaints.push(Complaint::new(
                path,
                line,
                format!("imports `{target}` from the crate root"),
                "name the module that owns it",
            )),
        }
    }
    complaints
}

/// Forbidden names of the file's row. `code` has its comments and literals blanked and its tests cut off.
pub(super) fn check_names(path: &str, code: &str) -> Vec<Complaint> {
    let Some((_, row)) = module_of(path).and_then(row_of) else { return Vec::new() };
    let mut complaints = Vec::new();
    for name in row.forbidden {
        for (at, _) in code.match_indices(name).filter(|(at, _)| stands_alone(code, *at, name)) {
            let cure =
                "this row does without it: take the value as an argument, or move the code to the row that may (tests/it/tidy/layers.rs)";
            complaints.push(Complaint::new(path, line_of(code, at), format!("`{name}` in layer {}", row.name), cure));
        }
    }
    complaints
}

fn stands_alone(code: &str, at: usize, name: &str) -> bool {
    let before = code[..at].chars().next_back();
    let after = code[at + name.len()..].chars().next();
    before.is_none_or(|c| !is_name(c)) && after.is_none_or(|c| !is_name(c))
}

/// Every module of this crate that `code` names through `crate::`, `reengaged::` or a `super::` chain up to the root; with its place.
fn imports(path: &str, code: &str) -> Vec<(usize, String)> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let depth = inner.split('/').filter(|part| *part != "mod").count();
    let mut found = Vec::new();
    for prefix in ["crate::", "reengaged::"] {
        for (at, _) in code.match_indices(prefix) {
            if code[..at].chars().next_back().is_none_or(|c| !is_name(c) && c != ':') {
                found.extend(heads(&code[at + prefix.len()..]).into_iter().map(|head| (at, head)));
            }
        }
    }
    let climb = "super::".repeat(depth);
    for (at, _) in code.match_indices(&climb).filter(|(at, _)| !code[..*at].ends_with("super::")) {
        let rest = code[at + climb.len()..].trim_start_matches("super::");
        found.extend(heads(rest).into_iter().filter(|head| row_of(head).is_some()).map(|head| (at, head)));
    }
    found
}

/// The first names of a path or of each path of a `{group}`.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| is_name(*c)).collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut start, mut out) = (0_usize, 0, Vec::new());
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                out.push(name(&group[start..i]));
                start = i + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    out.retain(|head| !head.is_empty());
    out
}

#[test]
fn planted_imports_are_found() {
    let wrong = |path: &str, code: &str| check_imports(path, code).len();
    assert_eq!(wrong("src/schedule/mod.rs", "use crate::conversation::State;"), 1, "down");
    assert_eq!(wrong("src/store/keys.rs", "use crate::{moment::{A, B}, http::X, config};"), 2, "sideways, in a group");
    assert_eq!(wrong("src/store/mod.rs", "use super::http::X;"), 1, "over the root");
    assert_eq!(wrong("src/store/sled/log.rs", "use super::super::super::config::X;"), 1, "over the root from deep");
    assert_eq!(wrong("src/sim/world.rs", "use crate::daemon::X;"), 1, "roots meet in demo and cli");
    assert_eq!(wrong("src/daemon/mod.rs", "use reengaged::cli::X;"), 1, "by the crate's name");
    assert_eq!(wrong("src/hooks/mod.rs", "use crate::Thing;"), 1, "from the root");
    assert_eq!(wrong("src/novelty/mod.rs", ""), 1, "unknown module");
    assert_eq!(
        wrong("src/store/sled/log.rs", "use super::keys; use super::super::codec; use crate::{engine, store::Y, moment::Moment};"),
        0
    );
    assert_eq!(wrong("src/limits.rs", "use crate::moment::HOUR;"), 0);
    assert_eq!(wrong("src/cli/plan.rs", "use crate::{daemon, sim, config, shapes};"), 0);
}

#[test]
fn planted_names_are_found() {
    assert_eq!(check_names("src/conversation/step.rs", "pub async fn f() { let t = std::time::Instant::now(); }").len(), 3);
    assert_eq!(check_names("src/engine/desk.rs", "tokio::time::sleep(x).await; tokio::sync::oneshot::channel()").len(), 1);
    assert_eq!(check_names("src/http/mod.rs", "let now = Utc::now();").len(), 1);
    assert_eq!(check_names("src/schedule/mod.rs", "let instants = asynchronous(operand);").len(), 0);
    assert_eq!(check_names("src/clock.rs", "Utc::now()").len(), 0);
}
