//! The rules for one file: sizes, first words, leftovers, paths of machines. Not the layers: `layers.rs` has them.

use super::lex::{code_of, is_name};

/// Lines of a source file, at most. About 400 is the aim; past that a file is two.
const FILE_LINES: usize = 450;
/// Lines of a function from its `fn` to its closing brace, at most.
const FUNCTION_LINES: usize = 70;
/// Characters of a line, at most; the same number stands in rustfmt.toml.
const LINE_COLUMNS: usize = 140;
/// Characters of a line that is long for a text in it, at most.
const LITERAL_COLUMNS: usize = 320;

/// A broken rule: where, what, and what to do.
#[derive(Debug)]
pub(super) struct Complaint(String);

impl Complaint {
    pub(super) fn new(path: &str, line: usize, what: impl std::fmt::Display, cure: &str) -> Complaint {
        Complaint(format!("{path}:{line}: {what}\n    cure: {cure}"))
    }
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of the line, from 1, that holds byte `at`.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Everything that holds for any Rust file.
pub(super) fn check_source(path: &str, source: &str) -> Vec<Complaint> {
    let code = code_of(source);
    let mut complaints = check_sizes(path, source, &code);
    complaints.extend(check_functions(path, &code));
    complaints.extend(check_leftovers(path, source, &code));
    if !source.starts_with("//! ") {
        complaints.push(Complaint::new(
            path,
            1,
            "does not open with `//!`",
            "say in a sentence or two what the file is, and what it is not",
        ));
    }
    complaints
}

fn check_sizes(path: &str, source: &str, code: &str) -> Vec<Complaint> {
    let lines = source.lines().count();
    let long = source.lines().zip(code.lines()).enumerate().map(|(at, (line, code))| (at + 1, width(line, code), line));
    let mut complaints: Vec<_> = long
        .filter(|(_, width, line)| *width > LINE_COLUMNS || line.chars().count() > LITERAL_COLUMNS)
        .map(|(at, _, line)| {
            let cure = "run `cargo fmt`; break the comment; go on with a long text after a `\\`";
            Complaint::new(path, at, format!("{} columns, at most {LINE_COLUMNS}", line.chars().count()), cure)
        })
        .collect();
    if lines > FILE_LINES {
        let cure = "split it where its `//!` needs an `and`; long test tables go into a file of their own beside it";
        complaints.push(Complaint::new(path, lines, format!("{lines} lines, at most {FILE_LINES}"), cure));
    }
    complaints
}

/// The columns of a line; one text in it counts as nothing, because cutting a text to fit helps no reader.
fn width(line: &str, code: &str) -> usize {
    let columns = line.chars().count();
    if code.trim().is_empty() && !line.trim_start().starts_with("//") {
        return 0; // inside a text of many lines
    }
    let longest_blank = code.trim_start().split(|c| c != ' ').map(str::len).max().unwrap_or(0);
    if line.contains('"') { columns - longest_blank } else { columns }
}

/// Functions longer than allowed, by matching braces. `code` has its comments and literals blanked.
fn check_functions(path: &str, code: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let name: String = code[at + 3..].trim_start().chars().take_while(|c| is_name(*c)).collect();
        if name.is_empty() || code[..at].chars().next_back().is_some_and(is_name) {
            continue;
        }
        let Some(length) = body_end(&code[at..]) else { continue };
        let lines = code[at..at + length].matches('\n').count() + 1;
        if lines > FUNCTION_LINES {
            let cure = "keep the decisions in it and move the straight-line parts into helpers below it";
            complaints.push(Complaint::new(
                path,
                line_of(code, at),
                format!("fn {name} has {lines} lines, at most {FUNCTION_LINES}"),
                cure,
            ));
        }
    }
    complaints
}

/// Bytes from a `fn` to its closing brace; `None` for one without a body.
fn body_end(code: &str) -> Option<usize> {
    let (mut round, mut curly) = (0_i32, 0_i32);
    for (i, c) in code.char_indices() {
        match c {
            '(' | '[' => round += 1,
            ')' | ']' => round -= 1,
            ';' if curly == 0 && round == 0 => return None,
            '{' => curly += 1,
            '}' => {
                curly -= 1;
                if curly == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn check_leftovers(path: &str, source: &str, code: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    // Spelled apart, so that this file does not hold what it looks for.
    for mark in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
        for (at, _) in source.match_indices(mark) {
            let (before, after) = (source[..at].chars().next_back(), source[at + mark.len()..].chars().next());
            if before.is_none_or(|c| !is_name(c)) && after.is_none_or(|c| !is_name(c)) {
                complaints.push(Complaint::new(
                    path,
                    line_of(source, at),
                    format!("leftover {mark}"),
                    "do it now, or file it as an issue and say here what holds today",
                ));
            }
        }
    }
    for call in ["todo!", "unimplemented!", "dbg!"] {
        for (at, _) in code.match_indices(call).filter(|(at, _)| code[..*at].chars().next_back().is_none_or(|c| !is_name(c))) {
            complaints.push(Complaint::new(path, line_of(code, at), format!("leftover {call}"), "finish it, or take it out"));
        }
    }
    complaints
}

/// Names of machines and of the place where this was made, in any text file of the repository.
pub(super) fn check_places(path: &str, text: &str) -> Vec<Complaint> {
    // Spelled apart, so that this file does not hold what it looks for.
    let places = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("arti", "factory"),
        concat!("bash", "_jobs"),
    ];
    let found = places.iter().flat_map(|place| text.match_indices(place));
    found
        .map(|(at, place)| {
            let cure = "name it relative to the manifest (CARGO_MANIFEST_DIR), by a variable, or as a reader's machine would have it";
            Complaint::new(path, line_of(text, at), format!("`{place}` is a place on one machine"), cure)
        })
        .collect()
}

/// `code` up to its tests: what stands behind the first `#[cfg(test)]` that opens a module in place.
pub(super) fn without_tests(code: &str) -> &str {
    let tests = code.match_indices("#[cfg(test)]").find(|(at, _)| {
        let rest = code[at + "#[cfg(test)]".len()..].trim_start();
        rest.starts_with("mod ") && rest.find('{').is_some_and(|brace| !rest[..brace].contains(';'))
    });
    tests.map_or(code, |(at, _)| &code[..at])
}

/// The modules that `code` declares for tests alone: `#[cfg(test)] mod laws;`.
pub(super) fn test_modules(code: &str) -> Vec<String> {
    let after = code.match_indices("#[cfg(test)]").map(|(at, mark)| code[at + mark.len()..].trim_start());
    let names = after.filter_map(|rest| rest.strip_prefix("mod ")).map(|rest| rest.chars().take_while(|c| is_name(*c)).collect::<String>());
    names.filter(|name| code.contains(&format!("mod {name};"))).collect()
}

#[test]
fn planted_faults_of_form_are_found() {
    let count = |source: &str| check_source("src/x.rs", source).len();
    assert_eq!(count("//! Fine.\nfn f() {}\n"), 0);
    assert_eq!(count("fn f() {}\n"), 1, "no //!");
    assert_eq!(count(&format!("//! x\n// {}", "é".repeat(LINE_COLUMNS - 3))), 0, "columns, not bytes");
    assert_eq!(count(&format!("//! x\n// {}", "é".repeat(LINE_COLUMNS - 2))), 1, "a long line");
    assert_eq!(count(&format!("//! x\nconst A: &str = \"{}\";", "x".repeat(LINE_COLUMNS))), 0, "a long text");
    assert_eq!(count(&format!("//! x\nconst A: &str = \"{}\";", "x".repeat(LITERAL_COLUMNS))), 1, "a text beyond reason");
    assert_eq!(count(&format!("//! x\nfn f() {{ g(\"x\", {}) }}", "a, ".repeat(LINE_COLUMNS / 3))), 1, "a long line with a short text");
    assert_eq!(count(&format!("//! x\n{}", "\n".repeat(FILE_LINES - 1))), 0);
    assert_eq!(count(&format!("//! x\n{}", "\n".repeat(FILE_LINES))), 1, "a long file");
    assert_eq!(count(&format!("//! x\nfn f(a: [u8; 2]) -> u8 {{\n{}}}\n", "    g('{');\n".repeat(FUNCTION_LINES - 2))), 0);
    assert_eq!(
        count(&format!("//! x\nfn f(a: [u8; 2]) -> u8 {{\n{}}}\n", "    g('{');\n".repeat(FUNCTION_LINES - 1))),
        1,
        "a long function"
    );
    assert_eq!(count("//! x\ntrait T { fn f(&self); fn g(&self); }\n"), 0);
    assert_eq!(count(concat!("//! x\n// TO", "DO later\nfn f() { to", "do!(); d", "bg!(1) }")), 3, "leftovers");
    assert_eq!(count("//! x\n// todo! and dbg! in a comment, \"todo!\" said\n"), 0);
}

#[test]
fn planted_places_are_found() {
    assert_eq!(check_places("README.md", concat!("run /wo", "rk/x and /ro", "ot/y")).len(), 2);
    assert_eq!(check_places("README.md", "run target/debug/x, /var/lib/reengaged, network/work").len(), 0);
}

#[test]
fn tests_are_told_from_code() {
    assert_eq!(without_tests("a\n#[cfg(test)]\nmod laws;\nb\n#[cfg(test)]\nmod tests {\n c }"), "a\n#[cfg(test)]\nmod laws;\nb\n");
    assert_eq!(test_modules("mod a;\n#[cfg(test)]\nmod laws;\n#[cfg(test)]\nmod tests { }"), ["laws"]);
}
