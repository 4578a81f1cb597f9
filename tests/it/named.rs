//! Tests that pages name: where `module::function` stands in the sources. Not whether they pass: they are run beside.

use std::collections::BTreeMap;
use std::path::Path;

/// Every source of the project by its module; the tests of a module that stand beside it are its own.
pub(crate) struct Sources(BTreeMap<String, String>);

impl Sources {
    pub(crate) fn read() -> Sources {
        let mut sources = BTreeMap::new();
        for directory in ["src", "tests/it"] {
            walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), "", &mut sources);
        }
        Sources(sources)
    }

    /// Panics, with `place`, where there is no such test.
    pub(crate) fn expect(&self, name: &str, place: &str) {
        let (module, function) = name.rsplit_once("::").unwrap_or_else(|| panic!("module and name: {name}: {place}"));
        let source = self.0.get(module).unwrap_or_else(|| panic!("no module {module}: {place}"));
        // A story that is told on every provider's line takes the line as a parameter.
        let there = ["(", "<"].iter().any(|next| source.contains(&format!("fn {function}{next}")));
        assert!(there, "no test {name}: {place}");
    }
}

fn walk(directory: &Path, module: &str, sources: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        let stem = entry.file_stem().and_then(|stem| stem.to_str()).expect("a name").trim_end_matches("_tests");
        let named = if stem == "mod" { module.to_owned() } else { format!("{module}::{stem}") };
        let inner = named.trim_start_matches("::");
        if entry.is_dir() {
            walk(&entry, inner, sources);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            sources.entry(inner.to_owned()).or_default().push_str(&std::fs::read_to_string(&entry).expect("a source"));
        }
    }
}
