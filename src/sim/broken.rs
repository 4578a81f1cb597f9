//! A promise that did not hold: the sentence, and what was seen.
//!
//! Not an error of the program's: only the simulator makes these.

use std::fmt;

/// A promise that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The promise, as a sentence.
    pub promise: &'static str,
    /// What was seen instead.
    pub seen: String,
}

impl Broken {
    pub(super) fn new(promise: &'static str, seen: impl Into<String>) -> Broken {
        Broken { promise, seen: seen.into() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} But: {}", self.promise, self.seen)
    }
}
