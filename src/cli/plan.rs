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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Read};

    const REQUEST: &str = r#"{"id":1,"policy":{"enable_follow_up":true},"inactive_since":"2026-03-01T22:30:00.000Z"}"#;

    /// The answers, by how they begin, and whether all was fine; read through buffers of several sizes, which change nothing.
    fn answers(input: &[u8]) -> (Vec<String>, bool) {
        let mut all = [1, 7, 64, 1 << 16].map(|room| {
            let mut output = Vec::new();
            let fine = stream(BufReader::with_capacity(room, input), &mut output, None).unwrap();
            let text = String::from_utf8(output).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'));
            (text.lines().map(|line| line.chars().take(24).collect()).collect::<Vec<String>>(), fine)
        });
        let last = all[3].clone();
        assert!(all.iter_mut().all(|answers| *answers == last), "{all:?}");
        last
    }

    #[test]
    fn blank_lines_are_passed_over_and_the_last_line_may_lack_its_end() {
        let good = r#"{"id":1,"action":"message"#[..24].to_owned();
        assert_eq!(answers(b""), (vec![], true));
        assert_eq!(answers(b"\n \n\r\n"), (vec![], true));
        for text in [format!("{REQUEST}\n\n{REQUEST}"), format!("\u{feff}{REQUEST}\r\n{REQUEST}\r\n")] {
            assert_eq!(answers(text.as_bytes()), (vec![good.clone(), good.clone()], true), "{text}");
        }
    }

    #[test]
    fn a_bad_line_does_not_spoil_its_neighbours() {
        let bad = r#"{"id":null,"error":"not a request"#[..24].to_owned();
        let good = r#"{"id":1,"action":"message"#[..24].to_owned();
        for line in [&b"\xff\xfe"[..], b"\0", b"{", b"null", b"{\"id\":\"\xff\"}"] {
            let text = [REQUEST.as_bytes(), line, REQUEST.as_bytes()].join(&b'\n');
            assert_eq!(answers(&text), (vec![good.clone(), bad.clone(), good.clone()], false), "{line:?}");
        }
    }

    /// So many bytes without a newline, then a request.
    struct Endless {
        left: usize,
    }

    impl Read for Endless {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let count = room.len().min(self.left);
            room[..count].fill(b'{');
            self.left -= count;
            Ok(count)
        }
    }

    #[test]
    fn one_endless_line_is_one_error() {
        for length in [LINE_BYTES, LINE_BYTES + 1, 64 << 20] {
            let input = Endless { left: length }.chain(&b"\n"[..]).chain(REQUEST.as_bytes());
            let mut output = Vec::new();
            assert!(!stream(BufReader::new(input), &mut output, None).unwrap());
            let text = String::from_utf8(output).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 2, "{text}");
            assert_eq!(lines[0].contains("line 1 is longer than"), length > LINE_BYTES, "{text}");
            assert!(lines[1].starts_with(r#"{"id":1,"action":"message""#));
        }
        let mut output = Vec::new();
        assert!(!stream(BufReader::new(Endless { left: 5 << 20 }), &mut output, None).unwrap());
        assert_eq!(output.iter().filter(|byte| **byte == b'\n').count(), 1);
    }

    #[test]
    fn answers_are_handed_on_before_the_input_is_waited_for() {
        struct Watched<'a>(&'a std::cell::Cell<usize>);
        impl Write for Watched<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.set(self.0.get() + bytes.iter().filter(|byte| **byte == b'\n').count());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        struct LineByLine<'a>(usize, &'a std::cell::Cell<usize>);
        impl Read for LineByLine<'_> {
            fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
                assert_eq!(self.1.get(), self.0, "each line is answered before the next is asked for");
                self.0 += 1;
                let line = format!("{REQUEST}\n");
                room[..line.len()].copy_from_slice(line.as_bytes());
                Ok(if self.0 > 3 { 0 } else { line.len() })
            }
        }
        let written = std::cell::Cell::new(0);
        assert!(stream(BufReader::new(LineByLine(0, &written)), Watched(&written), None).unwrap());
        assert_eq!(written.get(), 3);
    }
}
