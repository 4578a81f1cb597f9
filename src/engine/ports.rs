//! The traits through which the engine meets the world. Edges implement them; the engine owns them.
//!
//! Not async: a store's reads are short, and its flush runs on a thread of its own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::conversation::{Capabilities, Form, Purpose, Refusal};
use crate::engine::approval::{Approval, Submission, TemplateDraft, Unsubmitted};
use crate::engine::heard::{Item, Trouble};
use crate::engine::record::{Change, Details, Header, HookRecord, LedgerEnd, NameId, PauseScope, Question, Stored};
use crate::engine::registry::Register;
use crate::id::{AliasKey, ConversationId, EventKey, Keys, PersonKey, SendId};
use crate::limits;
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
    /// A call for it was claimed as a template.
    pub template: bool,
    /// How it ended; `None` while it is under way, or where nobody will ever know.
    pub end: Option<LedgerEnd>,
}

/// One thing found at start, streamed so that a large store is never held twice.
#[derive(Clone, PartialEq, Debug)]
pub enum Restored {
    /// About how many conversations follow, so that room is made for them at once. Not told by every store.
    About(usize),
    /// A conversation that is not finished; each is told once.
    Conversation(Stored),
    /// An identity of an event, and the day (since the epoch) on which it was seen. May be told twice after a crash.
    Identity(EventKey, i64),
    /// A name.
    Name(NameId, Arc<str>),
    /// A person who opted out, and when.
    OptOut(PersonKey, Moment),
    /// A pause in force.
    Pause(PauseScope),
    /// A template of a line that cannot be sent at present.
    Template(NameId, Arc<str>),
    /// A record of the registry.
    Filed(Register, Arc<str>, Arc<[u8]>),
    /// A hook record that some hook still has to get.
    Hook(HookRecord),
    /// A send in the ledger whose last call has no end: nobody knows how it ended. (Ended ones are asked for one by one.)
    Dangling(Standing),
    /// A send in the ledger whose call ended shortly before the end: the process may have died before its conversation heard.
    Ended(Standing),
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

    /// Sends whose last call was claimed at `since` or later, oldest first: what pacing has to know at a start.
    fn claims(&self, since: Moment) -> Vec<Standing>;

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
    /// What it is for.
    pub purpose: Purpose,
    /// Free text or template.
    pub form: Form,
    /// The text, variables filled in.
    pub text: String,
    /// The labels of *yes* and *no* under a follow-up, of *continue* and *cancel* under an invitation.
    pub buttons: Option<(Arc<str>, Arc<str>)>,
    /// The choices under a question of ours: what comes back with a tap, and the title.
    pub choices: Vec<(String, String)>,
    /// What opens the list, where the choices are one.
    pub choices_label: Arc<str>,
    /// The picture, video or document above the template's text, with its address, where it has one.
    pub media: Option<(Header, String)>,
    /// The template is a one-time password: a button below it copies the only variable.
    pub password: bool,
    /// The approved template, where the form is one.
    pub template: Option<Arc<str>>,
    /// Every variable of the conversation, sorted by name.
    pub vars: Vec<(String, String)>,
    /// The variables that the template takes, in its order; empty where the form is none.
    pub template_vars: Vec<(String, String)>,
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
    /// The provider's id of the message, where it was taken and has one.
    pub message: Option<String>,
    /// The error by its kind, where there was one: what it means for the line beside this call.
    pub trouble: Option<Trouble>,
}

impl Called {
    /// A call that ended so, without an id and without an error of the provider's.
    #[must_use]
    pub fn new(end: CallEnd, detail: impl Into<String>) -> Called {
        Called { end, detail: detail.into(), message: None, trouble: None }
    }

    /// Taken, under this id of the provider's.
    #[must_use]
    pub fn accepted(message: impl Into<String>, detail: impl Into<String>) -> Called {
        Called { message: Some(message.into()), ..Called::new(CallEnd::Accepted, detail) }
    }

    /// An error of this kind; `wait` is what the provider asks for, in milliseconds, at most
    /// [`limits::RETRY_AFTER_CEILING`] of it.
    #[must_use]
    pub fn failed(trouble: Trouble, wait: i64, detail: impl Into<String>) -> Called {
        let wait = wait.clamp(0, limits::RETRY_AFTER_CEILING);
        Called { trouble: Some(trouble), ..Called::new(trouble.end(wait), detail) }
    }
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
    /// The message cannot be written for this provider, which was asked nothing.
    Unwritten(Refusal),
    /// Nobody knows.
    Unknown,
}

/// A wait for something from outside.
pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A provider's line: makes one call for one message. Never retries, follows no redirect, keeps its time budget.
pub trait Provider: Send + Sync {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Makes the call. Dropping the future leaves the call in doubt.
    fn send<'a>(&'a self, message: &'a Message) -> Waiting<'a, Called>;

    /// Asks, without sending anything to anybody, whether a line that had stopped works again; `None` where the provider has no
    /// such question, and then one send tells. The error is one line for people.
    fn probe(&self) -> Option<Waiting<'_, Result<(), String>>> {
        None
    }

    /// Submits a template for approval; `None` where the provider takes none. Made again after a crash, with the same name.
    fn submit<'a>(&'a self, _draft: &'a TemplateDraft) -> Option<Waiting<'a, Result<Submission, Unsubmitted>>> {
        None
    }

    /// Asks where the approval of a submission ([`Submission::id`]) stands; `None` where the provider has no such question. The
    /// error is one line for people.
    fn approval<'a>(&'a self, _submission: &'a str) -> Option<Waiting<'a, Result<Approval, String>>> {
        None
    }

    /// What arrived from people since `since` while nobody listened; `None` where the provider redelivers its webhooks by itself.
    /// The error is one line for people.
    fn missed(&self, _since: Moment) -> Option<Waiting<'_, Result<Vec<Item>, String>>> {
        None
    }
}

/// A request that arrived at `/hooks/{line}`, whole.
#[derive(Clone, Copy, Debug)]
pub struct Webhook<'a> {
    /// Path and query, as they came: `/hooks/twilio?token=x`.
    pub target: &'a str,
    /// Names in lower case, and values; in the order of arrival, names may repeat.
    pub headers: &'a [(String, Vec<u8>)],
    /// The address it came from, as text; the nearest one that is not a trusted proxy's.
    pub peer: Option<&'a str>,
    /// The body's bytes.
    pub body: &'a [u8],
}

impl Webhook<'_> {
    /// The value of a header that stands there exactly once and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        let value = values.next()?;
        if values.next().is_some() { None } else { std::str::from_utf8(value).ok() }
    }

    /// The query, without the question mark; empty where there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

/// The answer to a provider's question whether this is the right address (`GET`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Handshake {
    /// It is: this text is sent back.
    Challenge(String),
    /// Whoever asks does not know the word.
    Refused,
    /// This provider asks no such question.
    Unasked,
}

/// A webhook whose origin is not proved: why, for the log; never with what was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forged(pub &'static str);

/// A webhook that is no such thing: where and what, without what was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable(pub String);

/// The other half of a provider: what its webhooks prove and say. Pure.
pub trait Inbox: Send + Sync {
    /// Answers the provider's question on setting up.
    fn handshake(&self, hook: &Webhook<'_>) -> Handshake;

    /// Proves the origin, over the raw bytes and in constant time.
    ///
    /// # Errors
    /// [`Forged`], where it does not come from the provider.
    fn verify(&self, hook: &Webhook<'_>) -> Result<(), Forged>;

    /// Reads what it says; called after [`Inbox::verify`] alone.
    ///
    /// # Errors
    /// [`Unreadable`], where it is not what the provider sends. What is merely unknown is [`Item::Passed`].
    fn read(&self, hook: &Webhook<'_>) -> Result<Vec<Item>, Unreadable>;

    /// Whether this is the address ([`crate::engine::heard::Heard::address`]) of this line.
    fn is_at(&self, address: &str) -> bool;

    /// Whether the provider sends again what was not answered with 2xx.
    fn redelivers(&self) -> bool;

    /// What the bot says in its own answer to a webhook that was handed on to it (`forward_to`), where the provider sends such
    /// answers to the person: the content type and the body of a 2xx. `None` where it says nothing.
    fn answered(&self, _content_type: &str, _body: &[u8]) -> Option<String> {
        None
    }
}
