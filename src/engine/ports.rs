//! The traits through which the engine meets the world. Edges implement them; the engine owns them.
//!
//! Not async: a store's reads are short, and its flush runs on a thread of its own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::conversation::{Capabilities, Form, Purpose, Refusal};
use crate::engine::record::{Change, Details, HookRecord, LedgerEnd, NameId, PauseScope, Question, Stored};
use crate::id::{AliasKey, ConversationId, EventKey, Keys, PersonKey, SendId};
use crate::moment::Moment;
use std::sync::Arc;

/// The proof that everything up to a point is on disk. Made by stores only; releasing an answer or making a call needs one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Durable {
    upto: u64,
}

impl Durable {
    /// For stores: everything applied up to and including change number `upto` is on disk.
    #[must_use]
    pub fn upto(upto: u64) -> Durable {
        Durable { upto }
    }

    /// Whether change number `seq` is on disk.
    #[must_use]
    pub fn covers(self, seq: u64) -> bool {
        seq <= self.upto
    }
}

/// What a store can fail with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It could not write: disk full, I/O error, read-only. Nothing may be acknowledged any more; the process must end and start again.
    Unavailable(String),
    /// What is there is not what was written: file and offset or key, and the way out.
    Corrupt(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unavailable(why) | Fault::Corrupt(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Fault {}

/// What the ledger knows of a send: its last call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Which send.
    pub send: SendId,
    /// Of which conversation.
    pub conversation: ConversationId,
    /// On which line.
    pub line: NameId,
    /// The last call for it, from 1.
    pub attempt: u8,
    /// When that was claimed.
    pub at: Moment,
    /// How it ended; `None` while it is under way, or where nobody will ever know.
    pub end: Option<LedgerEnd>,
}

/// One thing found at start, streamed so that a large store is never held twice.
#[derive(Clone, PartialEq, Debug)]
pub enum Restored {
    /// A conversation that is not finished.
    Conversation(Stored),
    /// An identity of an event, and the day (since the epoch) on which it was seen. May be told twice after a crash.
    Identity(EventKey, i64),
    /// A name.
    Name(NameId, Arc<str>),
    /// A person who opted out, and when.
    OptOut(PersonKey, Moment),
    /// A pause in force.
    Pause(PauseScope),
    /// A hook record that some hook still has to get.
    Hook(HookRecord),
    /// A send in the ledger whose last call has no end: nobody knows how it ended. (Ended ones are asked for one by one.)
    Dangling(Standing),
    /// The highest number a hook record ever had, so that none is given twice.
    LastHook(u64),
    /// The last instant at which the daemon was known to be alive.
    Alive(Moment),
    /// This store is a copy or was restored: sending starts held until `resume`. The reason, for people. Told at every start until
    /// `Paused(All, false)` is durable.
    Held(String),
}

/// Where conversations are kept.
///
/// The contract, checked by one suite for every store: [`Store::apply`] makes a change visible to every read at once;
/// it is durable when a [`Durable`] that covers its number was returned by [`Store::flush`]. After a crash the store holds
/// every durable change and, of the others, some prefix in order. Each change is there whole or not at all.
pub trait Store: Send + Sync {
    /// Takes changes in, in order; returns the number of the last one. Memory only: does not block, cannot fail.
    fn apply(&self, changes: Vec<Change>) -> u64;

    /// Puts everything applied so far on disk: ledger entries first, then the changes. Called by one thread.
    ///
    /// # Errors
    /// A [`Fault`], after which no flush of this store succeeds again.
    fn flush(&self) -> Result<Durable, Fault>;

    /// The conversation, finished ones included, and its details.
    ///
    /// # Errors
    /// A [`Fault`] where the record cannot be read; other records are unaffected.
    fn load(&self, id: ConversationId) -> Result<Option<(Stored, Details)>, Fault>;

    /// The conversation known by this name.
    ///
    /// # Errors
    /// A [`Fault`] where it cannot be read.
    fn alias(&self, key: AliasKey) -> Result<Option<ConversationId>, Fault>;

    /// Ids of conversations after `after`, in id order, at most `limit`.
    ///
    /// # Errors
    /// A [`Fault`] where they cannot be read.
    fn page(&self, after: Option<ConversationId>, limit: usize) -> Result<Vec<ConversationId>, Fault>;

    /// The record of a hook by its number, dead letters included; its `hooks` are those that still have to get it.
    ///
    /// # Errors
    /// A [`Fault`] where it cannot be read.
    fn hook(&self, seq: u64) -> Result<Option<HookRecord>, Fault>;

    /// Dead letters: hook, record and when it was given up; oldest first, from number `from` on, until there are `limit` of them
    /// (one record's hooks are not split, so a page may be that much longer).
    ///
    /// # Errors
    /// A [`Fault`] where they cannot be read.
    fn dead(&self, from: u64, limit: usize) -> Result<Vec<(NameId, HookRecord, Moment)>, Fault>;

    /// Tells all that is needed to go on, once, at start. Names come first.
    ///
    /// # Errors
    /// A [`Fault`] where the store is damaged; it names the place and the way out.
    fn recover(&self, take: &mut dyn FnMut(Restored)) -> Result<(), Fault>;

    /// What the ledger knows of this send. What stands there is never sent again, unless its last call was refused.
    fn standing(&self, send: SendId) -> Option<Standing>;

    /// Sends whose last call ended unknown or has no end yet, oldest first, at most `limit`.
    fn doubts(&self, limit: usize) -> Vec<Standing>;

    /// The keys of this store.
    fn keys(&self) -> &Keys;

    /// Finished or quiet conversations last touched before `before`, at most `limit`: what retention forgets.
    ///
    /// # Errors
    /// A [`Fault`] where they cannot be read.
    fn outlived(&self, before: Moment, limit: usize) -> Result<Vec<ConversationId>, Fault>;

    /// Writes some of what is only in the log to its resting place and trims the log. By one thread, which may be another than the
    /// one that flushes: it takes tens of milliseconds, and flushes go on meanwhile. Returns whether anything was left to do.
    ///
    /// # Errors
    /// A [`Fault`], after which no flush of this store succeeds again.
    fn fold(&self) -> Result<bool, Fault>;

    /// How many changes wait to be folded; each takes about a kilobyte of memory until it is. Cheap.
    fn unfolded(&self) -> usize;

    /// Figures for metrics: (name, value), names as in `/metrics` without prefix.
    fn figures(&self) -> Vec<(&'static str, f64)>;
}

/// What a provider is asked to hand over: complete, so that it needs nothing else.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    /// Its identity: the provider's idempotency or correlation key.
    pub send: SendId,
    /// Of which conversation.
    pub conversation: ConversationId,
    /// The caller's name of it; may be empty.
    pub caller: String,
    /// To whom: E.164 digits or the provider's user id; may be empty where the line needs none.
    pub to: String,
    /// The line's name.
    pub line: Arc<str>,
    /// The flow's name.
    pub flow: Arc<str>,
    /// A follow-up, or the question again.
    pub purpose: Purpose,
    /// Free text or template.
    pub form: Form,
    /// The text, variables filled in.
    pub text: String,
    /// The labels of *yes* and *no*, under a follow-up.
    pub buttons: Option<(Arc<str>, Arc<str>)>,
    /// The approved template, where the form is one.
    pub template: Option<Arc<str>>,
    /// Variables of the template.
    pub vars: Vec<(String, String)>,
    /// The last unanswered question.
    pub question: Option<Question>,
    /// The step of the ladder, from 0.
    pub step: u8,
    /// The stretch of silence.
    pub episode: u32,
    /// Which call, from 1.
    pub attempt: u8,
    /// When the silence began.
    pub silence: Moment,
    /// When the call begins.
    pub now: Moment,
}

/// How a call ended, in the provider's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Called {
    /// What it means.
    pub end: CallEnd,
    /// One line for people: status and code, no number and no text.
    pub detail: String,
}

/// What the end of a call means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallEnd {
    /// Taken.
    Accepted,
    /// Not taken for now, and the provider or the missing connection proves it; again after so many milliseconds at the soonest.
    Busy(i64),
    /// Not taken, for good.
    Refused(Refusal),
    /// Nobody knows.
    Unknown,
}

/// A provider's line: makes one call for one message. Never retries, follows no redirect, keeps its time budget.
pub trait Provider: Send + Sync {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Makes the call. Dropping the future leaves the call in doubt.
    fn send<'a>(&'a self, message: &'a Message) -> Pin<Box<dyn Future<Output = Called> + Send + 'a>>;
}
