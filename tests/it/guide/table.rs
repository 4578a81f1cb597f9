//! `docs/guide.md` against the guide and the tests: every sentence is the guide's own, every line of the guide is spoken for, no cell
//! is empty, and every test that is named is there.
//!
//! Not whether the tests pass: they are run beside this one.

use crate::named::Sources;

const PAGE: &str = include_str!("../../../docs/guide.md");

/// Words alone, whatever ends a line and whatever begins an item.
fn words(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "-").collect::<Vec<_>>().join(" ")
}

/// The rows of the first table, without its head.
fn rows() -> Vec<Vec<String>> {
    let table = PAGE.split("|---|---|---|\n").nth(1).expect("the first table").split("\n\n").next().expect("its end");
    table.lines().map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn rest() -> Vec<String> {
    let section = PAGE.split("## What is left of the guide").nth(1).expect("the section").split("\n## ").next().expect("its end");
    section.lines().filter_map(|line| line.strip_prefix("- ")).map(str::to_owned).collect()
}

#[test]
fn every_sentence_is_the_guides_and_every_line_of_it_is_spoken_for() {
    let guide = std::fs::read_to_string(crate::shared().join("seed/whatsapp-integration-guide.txt")).expect("the guide");
    let all = words(&guide);
    let mut spoken_for = vec![false; all.len()];
    let sentences: Vec<String> = rows().into_iter().filter_map(|row| row.into_iter().next()).chain(rest()).collect();
    for sentence in &sentences {
        let quoted = words(sentence);
        let mut places = all.match_indices(&quoted).peekable();
        assert!(places.peek().is_some(), "the guide does not say: {sentence}");
        // What it says twice, of several calls, is spoken for at each.
        places.for_each(|(from, _)| spoken_for[from..from + quoted.len()].fill(true));
    }
    let mut at = 0;
    for (number, line) in guide.lines().map(words).enumerate().filter(|(_, line)| !line.is_empty()) {
        // A line of signs alone belongs to its neighbours.
        let says = line.chars().filter(|c| c.is_alphanumeric()).count() > 2;
        assert!(!says || spoken_for[at..at + line.len()].contains(&true), "line {} of the guide: {line}", number + 1);
        at += line.len() + 1;
    }
}

#[test]
fn no_cell_is_empty_and_every_test_is_there() {
    let sources = Sources::read();
    let rows = rows();
    assert!(rows.len() > 50, "{} rows", rows.len());
    for row in &rows {
        let [sentence, here, test] = row.as_slice() else { panic!("three cells: {row:?}") };
        assert!(!sentence.is_empty() && !here.is_empty(), "{row:?}");
        let name = test.strip_prefix('`').and_then(|name| name.strip_suffix('`')).unwrap_or_else(|| panic!("one test: {row:?}"));
        sources.expect(name, sentence);
    }
}
