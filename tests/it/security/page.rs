//! `SECURITY.md` names tests that are there. Not whether they pass: they are run beside this one.

use std::path::Path;

const PAGE: &str = include_str!("../../../SECURITY.md");

#[test]
fn every_test_that_the_page_names_is_there() {
    let rows: Vec<&str> = PAGE.lines().filter(|line| line.starts_with('|') && line.matches(" | ").count() == 3).skip(1).collect();
    assert!(rows.len() >= 15, "{} rows", rows.len());
    for row in rows {
        let name = row.trim_end_matches(" |").rsplit('`').nth(1).unwrap_or_else(|| panic!("no test: {row}"));
        let (module, function) = name.rsplit_once("::").unwrap_or_else(|| panic!("module and name: {name}"));
        // A module within a file is the file's.
        let modules = [module, module.rsplit_once("::").map_or("", |(outer, _)| outer)].map(|module| module.replace("::", "/"));
        let files = modules
            .iter()
            .flat_map(|module| ["src", "tests/it"].map(|root| [format!("{root}/{module}.rs"), format!("{root}/{module}/mod.rs")]));
        let found = files.flatten().any(|file| {
            let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default();
            source.contains(&format!("fn {function}("))
        });
        assert!(found, "no test {name}: {row}");
    }
}
