//! `SECURITY.md` names tests that are there. Not whether they pass: they are run beside this one.

use crate::named::Sources;

const PAGE: &str = include_str!("../../../SECURITY.md");

#[test]
fn every_test_that_the_page_names_is_there() {
    let rows: Vec<&str> = PAGE.lines().filter(|line| line.starts_with('|') && line.matches(" | ").count() == 3).skip(1).collect();
    assert!(rows.len() >= 15, "{} rows", rows.len());
    let sources = Sources::read();
    for row in rows {
        let name = row.trim_end_matches(" |").rsplit('`').nth(1).unwrap_or_else(|| panic!("no test: {row}"));
        sources.expect(name, row);
    }
}
