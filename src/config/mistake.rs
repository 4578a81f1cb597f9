//! What is wrong with a configuration: every mistake with its place, its key, its value and what would be right.
//!
//! Not an error that stops the reading: all mistakes are collected, and told at once.

use std::fmt;

/// One mistake, or one warning.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mistake {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; 0 where it concerns no line of the file.
    pub line: usize,
    /// The key, as `flows.onboarding.follow_up_delay`; empty where it concerns no key.
    pub key: String,
    /// The value that stands there, quoted; empty where the key is missing.
    pub value: String,
    /// What would be right, or, of a warning, what it means.
    pub cure: String,
}

/// Something that is allowed and still is probably not meant. Prints as a mistake does.
pub type Warning = Mistake;

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        match (self.key.is_empty(), self.value.is_empty()) {
            (true, _) => write!(f, ": {}", self.cure),
            (false, true) => write!(f, ": {} is missing: {}", self.key, self.cure),
            (false, false) => write!(f, ": {} = {}: {}", self.key, self.value, self.cure),
        }
    }
}

/// Every mistake of a configuration, in the order of its lines; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistakes {
    /// The mistakes.
    pub mistakes: Vec<Mistake>,
    /// What was warned of besides.
    pub warnings: Vec<Warning>,
}

impl Mistakes {
    /// A single mistake that concerns the whole file.
    #[must_use]
    pub fn whole(file: &str, cure: String) -> Mistakes {
        let mistake = Mistake { file: file.to_owned(), line: 0, key: String::new(), value: String::new(), cure };
        Mistakes { mistakes: vec![mistake], warnings: Vec::new() }
    }
}

impl fmt::Display for Mistakes {
    /// One mistake a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.mistakes.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
