//! What comes into the program from others, against deny.toml: licences, bans, sources; and that the pure core stays alone.
//!
//! Not a search for advisories: their database is a repository of its own. `cargo deny check` does that where it is installed.

use std::process::{Command, Stdio};

use serde_json::Value;

/// What must not be in the tree of `--no-default-features`: no runtime, no store, no network.
const NOT_IN_THE_CORE: &[&str] = &[
    "tokio",
    "sled",
    "reqwest",
    "hyper",
    "hyper-util",
    "axum",
    "rustls",
    "ring",
    "h2",
    "http",
    "mio",
    "socket2",
    "serde",
    "serde_json",
    "toml",
    "tracing",
    "clap",
    "rand",
    "getrandom",
    "url",
    "openssl",
    "native-tls",
];

#[test]
fn every_licence_is_an_allowed_one() {
    let policy = policy();
    let allowed = strings(&policy, &["licenses", "allow"]);
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or("none");
        let allows = |name: &str| allowed.iter().any(|known| known == name);
        assert!(is_allowed(licence, &allows), "{} {}: licence {licence} is not in deny.toml's list", name(&package), package["version"]);
    }
}

#[test]
fn nothing_banned_and_nothing_from_elsewhere() {
    let policy = policy();
    let banned: Vec<&str> =
        policy["bans"]["deny"].as_array().expect("bans.deny").iter().map(|ban| ban["crate"].as_str().expect("a crate's name")).collect();
    let registries = strings(&policy, &["sources", "allow-registry"]);
    for package in packages() {
        assert!(!banned.contains(&name(&package)), "{} is banned by deny.toml", name(&package));
        let source = package["source"].as_str().unwrap_or("a path");
        assert!(registries.iter().any(|known| source == format!("registry+{known}")), "{} comes from {source}", name(&package));
    }
}

#[test]
fn every_exception_of_the_policy_is_still_needed_and_explained() {
    let policy = policy();
    let ignored = policy["advisories"]["ignore"].as_array().expect("advisories.ignore");
    let packages = packages();
    for (id, package) in [("RUSTSEC-2025-0057", "fxhash"), ("RUSTSEC-2024-0384", "instant")] {
        let entry = ignored.iter().find(|entry| entry["id"].as_str() == Some(id)).unwrap_or_else(|| panic!("{id} is not in deny.toml"));
        assert!(entry["reason"].as_str().is_some_and(|reason| reason.contains(package)), "{id}: the reason names the crate");
        assert!(packages.iter().any(|found| name(found) == package), "{package} is gone: take {id} out of deny.toml");
    }
    assert_eq!(ignored.len(), 2, "a new exception needs a line here");
}

#[test]
fn the_core_alone_brings_no_runtime_no_store_no_network() {
    let tree = cargo(&["tree", "--no-default-features", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let inside: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(inside.contains(&"chrono-tz"), "the tree was read: {tree}");
    let wrong: Vec<&&str> = inside.iter().filter(|package| NOT_IN_THE_CORE.contains(package)).collect();
    assert!(wrong.is_empty(), "`--no-default-features` brings {wrong:?}: gate it behind the feature `daemon` in Cargo.toml");
}

#[test]
fn licence_expressions_are_read_as_meant() {
    let allows = |name: &str| ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC"].contains(&name);
    for expression in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "Apache-2.0 AND ISC",
        "(GPL-3.0 OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
    ] {
        assert!(is_allowed(expression, &allows), "{expression}");
    }
    for expression in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR AGPL-3.0) AND MIT", "MIT OR GPL-3.0 AND", "", "none", "(MIT"] {
        assert!(!is_allowed(expression, &allows), "{expression}");
    }
}

/// The packages of the whole program on this platform, ours left out, as `cargo metadata` tells.
fn packages() -> Vec<Value> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let told = cargo(&["metadata", "--format-version", "1", "--filter-platform", &platform]);
    let mut told: Value = serde_json::from_str(&told).expect("JSON from cargo metadata");
    let Value::Array(mut packages) = told["packages"].take() else { panic!("no packages in cargo metadata") };
    packages.retain(|package| name(package) != env!("CARGO_PKG_NAME"));
    assert!(packages.len() > 50, "cargo metadata told of {} packages only", packages.len());
    packages
}

fn name(package: &Value) -> &str {
    package["name"].as_str().expect("a package's name")
}

fn policy() -> toml::Table {
    include_str!("../../deny.toml").parse().expect("deny.toml is TOML")
}

fn strings(policy: &toml::Table, path: &[&str; 2]) -> Vec<String> {
    let list = policy[path[0]][path[1]].as_array().unwrap_or_else(|| panic!("{}.{} in deny.toml", path[0], path[1]));
    list.iter().map(|item| item.as_str().expect("a string").to_owned()).collect()
}

fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).args(["--locked", "--offline"]).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("running cargo {arguments:?}: {error}"));
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8 from cargo")
}

/// Whether an SPDX expression can be met with allowed licences alone; `/` is the old way to write OR. Unreadable is not allowed.
fn is_allowed(expression: &str, allows: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    any_of(&mut rest, allows).is_some_and(|allowed| allowed && rest.is_empty())
}

fn any_of(rest: &mut &[&str], allows: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut allowed = all_of(rest, allows)?;
    while take(rest, "OR") {
        allowed |= all_of(rest, allows)?;
    }
    Some(allowed)
}

fn all_of(rest: &mut &[&str], allows: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut allowed = one(rest, allows)?;
    while take(rest, "AND") {
        allowed &= one(rest, allows)?;
    }
    Some(allowed)
}

fn one(rest: &mut &[&str], allows: &dyn Fn(&str) -> bool) -> Option<bool> {
    if take(rest, "(") {
        let allowed = any_of(rest, allows)?;
        return take(rest, ")").then_some(allowed);
    }
    let (name, after) = rest.split_first()?;
    *rest = after;
    if take(rest, "WITH") {
        let (exception, after) = rest.split_first()?;
        *rest = after;
        return Some(allows(&format!("{name} WITH {exception}")));
    }
    Some(allows(name))
}

fn take(rest: &mut &[&str], token: &str) -> bool {
    let found = rest.first() == Some(&token);
    if found {
        *rest = &rest[1..];
    }
    found
}
