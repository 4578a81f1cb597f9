//! What the house rules of CONTRIBUTING.md ask of every file, as tests. Not style: `cargo fmt` and clippy have that.
//!
//! Each failure names the place, the rule and the cure. The rules themselves are tested on planted faults, beside them.

mod layers;
mod lex;
mod rules;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rules::Complaint;

#[test]
fn every_source_file_keeps_the_rules_of_form() {
    let complaints = sources().iter().flat_map(|(path, source)| rules::check_source(path, source)).collect();
    report(complaints);
}

#[test]
fn imports_point_to_lower_layers_only() {
    let complaints = sources().iter().flat_map(|(path, source)| layers::check_imports(path, &lex::code_of(source))).collect();
    report(complaints);
}

#[test]
fn each_layer_does_without_what_it_must_not_know() {
    let sources = sources();
    let for_tests = test_files(&sources);
    let code = sources.iter().filter(|(path, _)| !for_tests.contains(path));
    let complaints = code.flat_map(|(path, source)| layers::check_names(path, rules::without_tests(&lex::code_of(source)))).collect();
    report(complaints);
}

#[test]
fn nothing_names_the_machine_it_was_made_on() {
    let complaints = texts().iter().flat_map(|(path, text)| rules::check_places(path, text)).collect();
    report(complaints);
}

#[test]
fn the_walk_sees_the_repository() {
    let sources: Vec<String> = sources().into_iter().map(|(path, _)| path).collect();
    for path in ["src/lib.rs", "src/main.rs", "src/moment.rs", "tests/it/tidy.rs"] {
        assert!(sources.iter().any(|seen| seen == path), "{path} was not looked at");
    }
    let texts: Vec<String> = texts().into_iter().map(|(path, _)| path).collect();
    for path in ["Cargo.toml", "CONTRIBUTING.md", ".ci/run", "tests/run"] {
        assert!(texts.iter().any(|seen| seen == path), "{path} was not looked at");
    }
    assert!(!texts.iter().any(|path| path.starts_with("target/") || path.starts_with(".git/")), "looked at what is not ours");
}

#[test]
fn rustfmt_and_tidy_agree_on_the_width_of_a_line() {
    assert!(
        include_str!("../../rustfmt.toml").contains("max_width = 140"),
        "rustfmt.toml and LINE_COLUMNS in tests/it/tidy/rules.rs must say the same"
    );
}

/// Fails with every complaint at once.
fn report(complaints: Vec<Complaint>) {
    let lines: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} broken rules (CONTRIBUTING.md says why they are rules):\n{}\n", lines.len(), lines.join("\n"));
}

/// Every Rust file under src, tests, benches and examples, with its path from the manifest.
fn sources() -> Vec<(String, String)> {
    let rust = texts().into_iter().filter(|(path, _)| path.ends_with(".rs"));
    rust.filter(|(path, _)| ["src/", "tests/", "benches/", "examples/"].iter().any(|folder| path.starts_with(folder))).collect()
}

/// The files that hold tests alone: declared by `#[cfg(test)] mod name;` in the file above them.
fn test_files(sources: &[(String, String)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, source) in sources {
        let folder = path.trim_end_matches("/mod.rs").trim_end_matches(".rs").trim_end_matches("/lib");
        for name in rules::test_modules(&lex::code_of(source)) {
            found.insert(format!("{folder}/{name}.rs"));
        }
    }
    found
}

/// Every text file of the repository (what a commit would hold), with its path from the manifest.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(root.join(&folder)).unwrap_or_else(|error| panic!("reading {}: {error}", folder.display()));
        for entry in entries {
            let entry = entry.expect("an entry of a folder just listed");
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().expect("the type of an entry just listed");
            if kind.is_dir() && ![Path::new("target"), Path::new(".git")].contains(&path.as_path()) {
                folders.push(path);
            } else if kind.is_file()
                && let Ok(text) = std::fs::read_to_string(root.join(&path))
            {
                found.push((path.to_string_lossy().into_owned(), text));
            }
        }
    }
    found.sort();
    found
}
