//! `docs/reliability.md` against the list of faults and the tests: every fault but those of several nodes has its row, no cell is empty,
//! and every test that is named is there. A row without a test says in words why.

use std::collections::BTreeSet;

use crate::named::Sources;

const PAGE: &str = include_str!("../../docs/reliability.md");

/// What a table's row is called: a letter and a number.
fn id(row: &str) -> Option<&str> {
    let id = row.strip_prefix("| ")?.split(' ').next()?;
    let (letter, number) = id.split_at_checked(1)?;
    (letter.chars().all(|c| c.is_ascii_uppercase()) && number.parse::<u8>().is_ok()).then_some(id)
}

#[test]
fn every_fault_has_its_row() {
    let faults = std::fs::read_to_string(crate::shared().join("spec/faults.md")).expect("the list of faults");
    let catalogue = faults.split("## 3. Fault catalogue").nth(1).expect("the catalogue");
    let (catalogue, rest) = catalogue.split_once("### 3.8").expect("its end");
    let security = rest.split("## 5. Security").nth(1).expect("the checklist");
    let wanted: BTreeSet<&str> =
        catalogue.lines().chain(security.lines()).filter_map(id).filter(|id| !id.starts_with('G') && !id.starts_with('F')).collect();
    let ours: BTreeSet<&str> = PAGE.lines().filter_map(id).collect();
    assert!(wanted.len() > 120, "{wanted:?}");
    assert_eq!(wanted.difference(&ours).collect::<Vec<_>>(), Vec::<&&str>::new(), "faults without a row");
}

#[test]
fn no_cell_is_empty_and_every_test_is_there() {
    let sources = Sources::read();
    for row in PAGE.lines().filter(|row| id(row).is_some()) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, fault, seen, test, runs] = cells[..] else { panic!("five cells: {row}") };
        assert!([id, fault, seen, test, runs].iter().all(|cell| !cell.is_empty()), "{row}");
        let names: Vec<&str> = test.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect();
        assert!(!names.is_empty() || test.starts_with("not here: "), "a test, or why there is none: {row}");
        names.iter().for_each(|name| sources.expect(name, id));
    }
}
