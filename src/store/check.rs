//! What a check of a store found: each damaged place by file and offset or key, and what it means.
//!
//! Not the checking: the ledger and the database each know their own.

use std::path::PathBuf;

/// Places that are named; more are counted.
const NAMED: usize = 1_000;

/// One damaged place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The file, or the table of the database.
    pub file: PathBuf,
    /// Where in it: an offset, or a key.
    pub place: String,
    /// What is wrong there, and what that means.
    pub what: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.file.display(), self.place, self.what)
    }
}

/// What a check found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checked {
    /// Records that were read.
    pub records: u64,
    /// Damaged places, at most a thousand of them.
    pub damages: Vec<Damage>,
    /// How many there are.
    pub damaged: u64,
}

impl Checked {
    /// Notes a damaged place.
    pub(crate) fn found(&mut self, file: impl Into<PathBuf>, place: impl Into<String>, what: impl Into<String>) {
        self.damaged += 1;
        if self.damages.len() < NAMED {
            self.damages.push(Damage { file: file.into(), place: place.into(), what: what.into() });
        }
    }

    /// Whether nothing is damaged.
    #[must_use]
    pub fn whole(&self) -> bool {
        self.damaged == 0
    }
}
