//! Words, tables and colours for people at a terminal.
//!
//! Not for programs: those take `--json`. Numbers of people are masked here.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::config::env;

/// Exit codes, as the interface has them.
pub mod code {
    /// All is well.
    pub const FINE: u8 = 0;
    /// Some part failed.
    pub const FAILED: u8 = 1;
    /// Wrong usage.
    pub const USAGE: u8 = 2;
    /// Try again later.
    pub const AGAIN: u8 = 75;
    /// The configuration is wrong, or something is damaged.
    pub const CONFIG: u8 = 78;
}

/// Why a verb failed: its exit code, and one line that says what was being done, to what, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// The line.
    pub message: String,
}

impl Failure {
    /// A failure.
    #[must_use]
    pub fn new(code: u8, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into() }
    }
}

impl From<io::Error> for Failure {
    /// Whoever stopped reading has what they wanted: that is no failure, and there is nobody to tell.
    fn from(error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::new(code::FINE, "");
        }
        Failure::new(code::FAILED, format!("reading or writing: {error}"))
    }
}

/// Emphasis on a terminal, nothing elsewhere or where `NO_COLOR` is set.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// As the standard output and the environment have it.
    #[must_use]
    pub fn of_stdout() -> Paint {
        Paint { on: io::stdout().is_terminal() && env::variable("NO_COLOR").is_none() && env::variable("TERM").is_none_or(|t| t != "dumb") }
    }

    /// No emphasis.
    #[must_use]
    pub fn plain() -> Paint {
        Paint { on: false }
    }

    /// Important.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.code("1", text)
    }

    /// Beside the point.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.code("2", text)
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Prints rows below their headings, columns aligned. Control characters of foreign texts are shown, not obeyed.
///
/// # Errors
/// What writing met.
pub fn table(out: &mut dyn Write, paint: Paint, headings: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    writeln!(out, "{}", paint.bold(&line(headings)))?;
    for row in &rows {
        writeln!(out, "{}", line(&row.iter().map(String::as_str).collect::<Vec<_>>()))?;
    }
    Ok(())
}

/// A foreign text that cannot move the cursor.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A person's number with its middle hidden: `57300*****33`. A name that is no number stays as it is.
#[must_use]
pub fn masked(text: &str) -> String {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let others = text.chars().filter(|c| c.is_alphabetic()).count();
    if digits < 7 || others > 0 {
        return visible(text);
    }
    let count = text.chars().count();
    let shown = |i: usize| i < 5.min(count / 2) || i + 2 >= count;
    visible(text).chars().enumerate().map(|(i, c)| if shown(i) || !c.is_ascii_digit() { c } else { '*' }).collect()
}

/// A text of JSON for a table; `-` where there is none.
#[must_use]
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_masked_and_names_are_not() {
        assert_eq!(masked("573001112233"), "57300*****33");
        assert_eq!(masked("+57 300 111 2233"), "+57 3** *** **33");
        assert_eq!(masked("alice"), "alice");
        assert_eq!(masked("order-123456789"), "order-123456789");
        assert_eq!(masked("12345"), "12345");
    }

    #[test]
    fn a_table_is_aligned_and_obeys_no_escape() {
        let mut out = Vec::new();
        let rows = vec![vec!["a".into(), "1".into()], vec!["ñandú\x1b[2J".into(), "22".into()]];
        table(&mut out, Paint::plain(), &["NAME", "N"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME       N\na          1\nñandú\u{fffd}[2J  22\n");
    }
}
