//! Stories: what happened to a conversation and what came of it, as one text that people read, tests replay and bug reports carry.
//!
//! Not a runner of the whole engine: `sim/scenario.rs` is. Here a story is read and printed, one is made from the decisions of a
//! conversation, and such a recorded one is replayed by the machine alone.
//!
//! ```text
//! policy   45m, then 4h; open Mo-Fr 07:00-19:00 America/Bogota
//! 2026-03-06 23:40Z  bot asks "¿Cuál es su cédula?"
//! ----
//! 2026-03-06 23:40Z  bot asks "¿Cuál es su cédula?"
//!     waiting; follow-up 1 of 2 goes out as message Mon 2026-03-09 12:00Z (07:00 -05)
//!     silence  2026-03-07 00:25Z  45 min of silence are over
//!     closed   2026-03-09 12:00Z  closed at 2026-03-07T00:25:00.000Z; this is the next opening
//! ```

mod asks;
mod replay;
mod rules;
mod standing;
mod state;
mod words;

pub use replay::{of_view, replay};
pub use rules::{read_policy, write_policy};
pub use standing::{reasons, standing};
pub use words::{read_ending, words};

use std::sync::Arc;

use crate::conversation::questionnaire::Question;
use crate::conversation::{Policy, State};
use crate::moment::Moment;

/// What stands between the events of a story and its transcript.
const RULE: &str = "----";
/// The column in which the text of a header begins.
const COLUMN: usize = 9;

/// One thing that happens in a story.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// When.
    pub at: Moment,
    /// What, in the words of the story.
    pub words: String,
}

/// A story as it was read.
#[derive(Clone, Debug)]
pub struct Story {
    /// The text up to and with the rule, as it was written.
    pub head: String,
    /// The rules of its flow.
    pub policy: Policy,
    /// Further flows by name.
    pub flows: Vec<(String, Policy)>,
    /// The questions that its flow asks by itself.
    pub questions: Vec<Question>,
    /// Further lines by name.
    pub lines: Vec<String>,
    /// The state in which a recorded story begins; `None` for one that is told.
    pub recorded: Option<State>,
    /// What happens, in order.
    pub events: Vec<Line>,
    /// The transcript that is expected.
    pub expected: String,
}

impl Story {
    /// Reads a story.
    ///
    /// # Errors
    /// One line: the number of the line, what stands there, what would be right.
    pub fn read(text: &str) -> Result<Story, String> {
        let (head, expected) = match text.split_once(&format!("{RULE}\n")) {
            Some((head, expected)) => (format!("{head}{RULE}\n"), expected.to_owned()),
            None => (format!("{}\n{RULE}\n", text.trim_end()), String::new()),
        };
        let (mut policy, mut flows, mut lines, mut recorded, mut events) = (None, Vec::new(), Vec::new(), None, Vec::new());
        let (mut questions, mut closing) = (Vec::new(), None);
        for (number, line) in head.lines().enumerate() {
            let wrong = |why: String| format!("line {}: {line:?}: {why}", number + 1);
            let (first, rest) = line.split_once(' ').map_or((line, ""), |(first, rest)| (first, rest.trim()));
            match first {
                "" | "#" | RULE => {}
                "policy" => policy = Some(read_policy(rest).map_err(wrong)?),
                "flow" => {
                    let (name, rules) = rest.split_once(' ').ok_or_else(|| wrong("write the flow's name, then its rules".to_owned()))?;
                    flows.push((name.to_owned(), read_policy(rules.trim()).map_err(wrong)?));
                }
                "asks" => questions.push(asks::read_question(rest).map_err(wrong)?),
                "closes" => closing = Some(Arc::from(rest.trim_matches('"'))),
                "line" => lines.push(rest.to_owned()),
                "recorded" => recorded = Some(state::read_state(rest).map_err(wrong)?),
                _ => events
                    .push(read_line(line).ok_or_else(|| wrong("write an instant as 2026-03-02 15:00Z, then what happens".to_owned()))?),
            }
        }
        let policy = policy.ok_or("no policy: write one, as `policy   45m; open Mo-Fr 08:00-18:00 America/Bogota`")?;
        let policy = Policy { asks: policy.asks || !questions.is_empty(), closing, ..policy };
        Ok(Story { head, policy, flows, questions, lines, recorded, events, expected })
    }
}

fn read_line(line: &str) -> Option<Line> {
    let (at, words) = line.split_once("Z ")?;
    Some(Line { at: read_moment(&format!("{at}Z"))?, words: words.trim().to_owned() })
}

/// Reads `2026-03-02 15:00Z`, with seconds and milliseconds where there are some.
#[must_use]
pub fn read_moment(text: &str) -> Option<Moment> {
    let (date, time) = text.strip_suffix('Z')?.split_once(' ')?;
    let seconds = if time.len() == 5 { ":00" } else { "" };
    Moment::parse(&format!("{date}T{time}{seconds}Z"))
}

/// Writes an instant as [`read_moment`] reads it.
#[must_use]
pub fn write_moment(at: Moment) -> String {
    let text = at.to_string().replacen('T', " ", 1);
    let short = text.strip_suffix(".000Z").map(|text| text.strip_suffix(":00").unwrap_or(text));
    short.map_or(text.clone(), |short| format!("{short}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_short_and_read_back() {
        for (at, text) in [(0, "1970-01-01 00:00Z"), (5_000, "1970-01-01 00:00:05Z"), (5_250, "1970-01-01 00:00:05.250Z")] {
            assert_eq!(write_moment(Moment(at)), text);
            assert_eq!(read_moment(text), Some(Moment(at)));
        }
        for wrong in ["1970-01-01", "1970-01-01 00:00", "yesterday 00:00Z", ""] {
            assert_eq!(read_moment(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_story_without_its_parts_says_which() {
        for (text, why) in [
            ("", "no policy"),
            ("policy 45x\n", "line 1"),
            ("policy 45m\nflow sales\n", "line 2: \"flow sales\": write the flow's name"),
            ("policy 45m\nbot asks\n", "write an instant"),
            ("policy 45m\nrecorded asleep\n", "line 2"),
        ] {
            let told = Story::read(text).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
