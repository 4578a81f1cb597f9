//! Shapes: what JSON and TOML look like, turned into values of the core. Pure: no file, no socket, no clock.
//!
//! Not the core and not the edges: the core knows no serde, and the edges bring the bytes.

pub mod address;
pub mod answer;
pub mod button;
mod calendars;
pub mod discreet;
pub mod event;
pub mod explain;
pub mod guide;
mod loose;
pub mod pacing;
mod pairs;
pub mod plan;
mod policy;
pub mod problem;
pub mod question;
mod reader;
pub mod rules;
pub mod signature;
pub mod story;
pub mod units;
pub mod upkeep;
pub mod view;

pub use calendars::Calendars;
pub use loose::Loose;
pub use reader::time_of_day;

use std::fmt;

/// One mistake in a shape (or one warning): where, what stands there, and what would be right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The path of the key, as `calendar.hours`.
    pub key: String,
    /// The value that stands there, as JSON would write it; empty where the key is missing.
    pub value: String,
    /// What would be right, as the end of a sentence.
    pub cure: String,
}

impl Mistake {
    pub(crate) fn new(key: &str, value: impl ToString, cure: impl ToString) -> Mistake {
        Mistake { key: key.to_owned(), value: value.to_string(), cure: cure.to_string() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_empty() {
            write!(f, "{} is missing: {}", self.key, self.cure)
        } else {
            write!(f, "{} = {}: {}", self.key, self.value, self.cure)
        }
    }
}
