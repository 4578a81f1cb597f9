//! `reengaged plan`: a stream of requests in, a stream of answers out, a line each.
//!
//! Not the reading of a request ([`crate::shapes::plan`]). Memory stays bounded whatever comes in, also one endless line.

use crate::schedule::Rules;
use crate::shapes::plan::{Line, Planner, refuse};
use std::io::{self, BufRead, Write};

/// The longest line that is read, in bytes; a longer one is answered with an error and passed over.
const LINE_BYTES: usize = 1 << 20;
/// Answers are handed on when so many bytes are at hand, and whenever the input has to be waited for.
const OUT_BYTES: usize = 64 << 10;

/// Answers every request of `input`. `default` is the policy of requests that bring none (`--flow`).
/// `true` where every line was a request; the command ends with status 1 otherwise.
///
/// # Errors
/// What reading or writing met. A reader of the answers that goes away early is one of them.
pub fn stream(mut input: impl BufRead, output: impl Write, default: Option<Rules>) -> io::Result<bool> {
    let mut answers = Answers { planner: Planner::new(default), output, text: String::new(), line: 0, fine: true };
    // The beginning of a line whose end is not read yet, or `None` where it is too long already.
    let mut begun: Option<Vec<u8>> = Some(Vec::new());
    loop {
        let bytes = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if bytes.is_empty() {
            break;
        }
        let read = bytes.len();
        let mut rest = bytes;
        while let Some(end) = newline(rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            match &mut begun {
                Some(begun) if begun.is_empty() => answers.line(Some(line))?,
                Some(begun) if begun.len() + line.len() <= LINE_BYTES => {
                    begun.extend_from_slice(line);
                    answers.line(Some(begun))?;
                }
                _ => answers.line(None)?,
            }
            // A long line's room is given back.
            begun = Some(begun.filter(|begun| begun.capacity() <= OUT_BYTES).map_or_else(Vec::new, |mut begun| {
                begun.clear();
                begun
            }));
            rest = after;
        }
        begun = begun.filter(|begun| begun.len() + rest.len() <= LINE_BYTES).map(|mut begun| {
            begun.extend_from_slice(rest);
            begun
        });
        input.consume(read);
        // The next read may wait: whoever asks line by line gets the answers so far.
        answers.hand_on()?;
    }
    match begun {
        Some(begun) if begun.is_empty() => {}
        last => answers.line(last.as_deref())?,
    }
    answers.hand_on()?;
    Ok(answers.fine)
}

struct Answers<W> {
    planner: Planner,
    output: W,
    text: String,
    line: u64,
    fine: bool,
}

impl<W: Write> Answers<W> {
    /// Answers a line, or `None` for one that was too long to keep.
    fn line(&mut self, line: Option<&[u8]>) -> io::Result<()> {
        self.line += 1;
        let became = match line {
            Some(line) if line.len() <= LINE_BYTES => {
                // Some editors begin a file with a byte order mark.
                let line = if self.line == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
                self.planner.answer_into(line, &mut self.text)
            }
            _ => {
                let error = format!("line {} is longer than {LINE_BYTES} bytes: write one request a line", self.line);
                refuse("null", &error, &mut self.text);
                Line::Refused
            }
        };
        if became != Line::Blank {
            self.text.push('\n');
        }
        self.fine &= became != Line::Refused;
        if self.text.len() >= OUT_BYTES { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.output.write_all(self.text.as_bytes())?;
        self.text.clear();
        self.output.flush()
    }
}

/// Where the first line ends.
fn newline(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let through = rest.skip_until(b'\n').ok()?;
    (bytes[..through].last() == Some(&b'\n')).then(|| through - 1)
}
