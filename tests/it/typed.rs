//! The corpus of typed answers, line by line against `answer::read`. Not the laws of reading: those stand beside the code.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use reengaged::conversation::answer::{self, Choice};

/// One line of the corpus: expected TAB language TAB text.
struct Line<'a> {
    number: usize,
    expected: Option<Choice>,
    language: &'a str,
    text: &'a str,
}

fn corpus() -> Vec<Line<'static>> {
    let lines = include_str!("../typed/corpus.tsv").lines().enumerate().filter(|(_, line)| !line.starts_with("# "));
    lines
        .map(|(at, line)| {
            let number = at + 1;
            let mut fields = line.splitn(3, '\t');
            let (Some(expected), Some(language), Some(text)) = (fields.next(), fields.next(), fields.next()) else {
                panic!("tests/typed/corpus.tsv:{number}: {line:?} is not `expected TAB language TAB text`");
            };
            let known = expected == "-" || Choice::parse(expected).is_some();
            assert!(known, "tests/typed/corpus.tsv:{number}: {expected:?} is none of yes, no, later, stop, -");
            Line { number, expected: Choice::parse(expected), language, text }
        })
        .collect()
}

#[test]
fn every_line_of_the_corpus_reads_as_expected() {
    let mut wrong = String::new();
    for line in corpus() {
        let got = answer::read(line.text);
        if got != line.expected {
            let word = |choice: Option<Choice>| choice.map_or("-", Choice::as_str);
            let _ = writeln!(wrong, "  line {}: {:?} read as {}, expected {}", line.number, line.text, word(got), word(line.expected));
        }
    }
    assert!(wrong.is_empty(), "tests/typed/corpus.tsv:\n{wrong}");
}

#[test]
fn the_corpus_is_large_and_speaks_four_languages() {
    let mut per_language: BTreeMap<&str, usize> = BTreeMap::new();
    let mut per_choice: BTreeMap<Option<Choice>, usize> = BTreeMap::new();
    let lines = corpus();
    for line in &lines {
        *per_language.entry(line.language).or_default() += 1;
        *per_choice.entry(line.expected).or_default() += 1;
    }
    assert!(lines.len() >= 400, "{} lines", lines.len());
    assert_eq!(per_language.keys().copied().collect::<Vec<_>>(), ["en", "es", "fr", "pt"]);
    assert!(per_language.values().all(|count| *count >= 80), "{per_language:?}");
    assert!(per_choice.len() == 5 && per_choice.values().all(|count| *count >= 80), "{per_choice:?}");
}

#[test]
fn a_line_of_the_corpus_with_more_behind_it_is_no_answer() {
    for line in corpus() {
        let longer = format!("{} and something else entirely different", line.text);
        assert_eq!(answer::read(&longer), None, "line {}: {longer:?}", line.number);
    }
}
