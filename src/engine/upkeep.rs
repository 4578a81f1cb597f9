//! Long works on the store that an operator or the calendar asks for, and how far they have come: plain data and the port.
//!
//! Not the works, and not retention, which is a verb of the engine.

use crate::engine::request::Rejected;
use crate::moment::Moment;

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Task {
    /// A backup is written to this file, which must not exist.
    Backup(String),
    /// Every record is checked.
    Fsck,
}

impl Task {
    /// Its word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Task::Backup(_) => "backup",
            Task::Fsck => "fsck",
        }
    }
}

/// How a work ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It is done, and nothing is damaged.
    Fine,
    /// It is done, and so many places are damaged; the first of them.
    Damaged(u64, Vec<String>),
    /// It could not be done; `true` where trying again may help.
    Failed(String, bool),
}

/// A work under way, or the last one of its kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Work {
    /// What.
    pub task: Task,
    /// When it was begun.
    pub began: Moment,
    /// Records done so far.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
    /// When it ended and how; `None` while it is under way.
    pub ended: Option<(Moment, Ended)>,
}

/// Whoever does these works, one at a time.
pub trait Caretaker: Send + Sync {
    /// Begins one; answers at once.
    ///
    /// # Errors
    /// [`Rejected::Impossible`] where another is under way, or it cannot be done.
    fn begin(&self, task: Task) -> Result<(), Rejected>;

    /// The last work of each kind, or the one under way.
    fn works(&self) -> Vec<Work>;
}
