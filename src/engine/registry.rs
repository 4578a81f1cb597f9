//! The registry: small records that are no conversations, kept by register and id: inbounds and outbounds of the guide.
//!
//! Not their meaning: to the engine a record is bytes, which `shapes::guide` reads. Whoever changes one says what was last seen
//! ([`Shelf::version`]), so that two who change at once never undo each other's checks.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use crate::conversation::Report;
use crate::engine::book::Book;
use crate::engine::core::Engine;
use crate::engine::group::{Notice, Told};
use crate::engine::inbounds::Inbounds;
use crate::engine::record::{Change, HookRecord};
use crate::engine::request::Rejected;
use crate::id::ConversationId;
use crate::limits;
use crate::moment::Moment;

/// Which kind of record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Register {
    /// Messages with which people start a flow.
    Inbound = 1,
    /// Messages that reach people first, and their approval.
    Outbound = 2,
}

impl Register {
    /// All of them.
    pub const ALL: [Register; 2] = [Register::Inbound, Register::Outbound];

    /// What is stored as `code`.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Register> {
        Register::ALL.into_iter().find(|register| *register as u8 == code)
    }

    /// How its ids begin; 32 hexadecimal digits follow.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Register::Inbound => "INB",
            Register::Outbound => "OTB",
        }
    }

    /// The most records that it takes.
    #[must_use]
    pub fn most(self) -> usize {
        match self {
            Register::Inbound => limits::INBOUNDS,
            Register::Outbound => limits::OUTBOUNDS,
        }
    }

    /// Whether this may be an id of it.
    #[must_use]
    pub fn is_id(self, id: &str) -> bool {
        id.strip_prefix(self.prefix()).is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

/// A record was put in its place, or taken away.
#[derive(Clone, PartialEq, Debug)]
pub struct Filed {
    /// Where.
    pub register: Register,
    /// Under which id.
    pub id: Arc<str>,
    /// What is there from now on; `None` where it was taken away.
    pub value: Option<Arc<[u8]>>,
    /// What hooks are told of it.
    pub hooks: Vec<HookRecord>,
}

/// What hooks are told of an outbound: it belongs to no conversation, so all that there is to tell is here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboundNews {
    /// Its id.
    pub id: Arc<str>,
    /// The name that it was given.
    pub name: String,
    /// The line's name.
    pub line: String,
    /// Why it was rejected; empty where it was approved, or nobody said.
    pub why: String,
}

/// A register as it is, with the rules under which it is read.
#[derive(Clone, Debug)]
pub struct Shelf {
    /// What a change of it has to have seen: grows with each change of the registry and of the rules.
    pub version: u64,
    /// The present.
    pub now: Moment,
    /// The records, in the order of their ids.
    pub records: Vec<(Arc<str>, Arc<[u8]>)>,
    /// The rules in force.
    pub book: Arc<Book>,
}

impl Shelf {
    /// The record of this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Arc<[u8]>> {
        let at = self.records.binary_search_by(|(known, _)| (**known).cmp(id)).ok()?;
        self.records.get(at).map(|(_, value)| value)
    }
}

/// A change that is asked for.
#[derive(Clone, Debug)]
pub struct Filing {
    /// Where.
    pub register: Register,
    /// Which record; a new one where it says none.
    pub id: Option<Arc<str>>,
    /// What it becomes; `None` takes it away.
    pub value: Option<Arc<[u8]>>,
    /// The [`Shelf::version`] that it was decided on.
    pub version: u64,
    /// Inbounds as they are afterwards, where they change.
    pub inbounds: Option<Inbounds>,
    /// What hooks are to be told: approved (`true`) or rejected.
    pub tell: Option<(bool, OutboundNews)>,
}

/// The records in memory.
#[derive(Debug, Default)]
pub(super) struct Registry {
    version: u64,
    records: BTreeMap<(Register, Arc<str>), Arc<[u8]>>,
}

impl Registry {
    pub(super) fn restore(&mut self, register: Register, id: Arc<str>, value: Arc<[u8]>) {
        self.records.insert((register, id), value);
    }

    fn of(&self, register: Register) -> impl Iterator<Item = (&Arc<str>, &Arc<[u8]>)> {
        let from = (register, Arc::from(""));
        let records = self.records.range(from..).take_while(move |((known, _), _)| *known == register);
        records.map(|((_, id), value)| (id, value))
    }
}

impl Engine {
    /// A register as it is.
    #[must_use]
    pub fn shelf(&self, register: Register, now: Moment) -> Shelf {
        let records = self.registry.of(register).map(|(id, value)| (Arc::clone(id), Arc::clone(value))).collect();
        Shelf { version: self.registry.version, now, records, book: Arc::clone(&self.book) }
    }

    /// The inbounds in force from now on: at a start and with new rules. Filed ones bring their own.
    pub fn set_inbounds(&mut self, inbounds: Inbounds) {
        self.inbounds = inbounds;
        self.registry.version += 1;
    }

    /// Changes a register; answers the id.
    ///
    /// # Errors
    /// [`Rejected::Outdated`] where it has changed since it was looked at: look again. [`Rejected::Impossible`] where it is full or
    /// the record is too long or unknown.
    pub fn file(&mut self, filing: Filing, now: Moment) -> Result<Arc<str>, Rejected> {
        let Filing { register, id, value, version, inbounds, tell } = filing;
        if version != self.registry.version {
            return Err(Rejected::Outdated);
        }
        let new = id.is_none();
        let id = match id {
            Some(id) if self.registry.records.contains_key(&(register, Arc::clone(&id))) => id,
            Some(id) => return Err(Rejected::Impossible(format!("there is no record {id}"))),
            None if self.registry.of(register).count() >= register.most() => {
                return Err(Rejected::Impossible(format!("there are {} already; delete those that nobody needs", register.most())));
            }
            None => self.new_id(register, now),
        };
        if value.as_ref().is_some_and(|value| value.len() > limits::FILED_BYTES) {
            return Err(Rejected::Impossible(format!("the record is longer than {} bytes", limits::FILED_BYTES)));
        }
        match &value {
            Some(value) => self.registry.restore(register, Arc::clone(&id), Arc::clone(value)),
            None => drop(self.registry.records.remove(&(register, Arc::clone(&id)))),
        }
        self.registry.version += 1;
        if let Some(inbounds) = inbounds {
            self.inbounds = inbounds;
        }
        let hooks = tell.and_then(|(approved, news)| self.outbound_record(approved, news, now)).into_iter().collect();
        if new {
            self.pending().notices.push(Notice::Filed(register, Arc::clone(&id)));
        }
        self.push(Change::Filed(Box::new(Filed { register, id: Arc::clone(&id), value, hooks })));
        Ok(id)
    }

    /// An id that nothing had: this store's key, the instant and a count that never comes twice in one process make it.
    fn new_id(&self, register: Register, now: Moment) -> Arc<str> {
        let mut nth = self.registry.version;
        loop {
            let mut id = register.prefix().to_owned();
            // Writing to a String cannot fail.
            let _ = write!(id, "{:032x}", self.keys.filed(register as u8, now, nth));
            let id: Arc<str> = Arc::from(id);
            if !self.registry.records.contains_key(&(register, Arc::clone(&id))) {
                return id;
            }
            nth = nth.wrapping_add(1);
        }
    }

    /// The record for the hooks that want to hear of it. An outbound is a lane of its own, as a conversation is.
    fn outbound_record(&mut self, approved: bool, news: OutboundNews, now: Moment) -> Option<HookRecord> {
        let report = if approved { Report::OutboundApproved } else { Report::OutboundRejected };
        self.counters.report(report);
        let book = Arc::clone(&self.book);
        let wanting = book.hooks.iter().filter(|hook| hook.wants_beside(report.kind()));
        let hooks: Vec<_> = wanting.map(|hook| self.number(&hook.name)).collect();
        if hooks.is_empty() {
            return None;
        }
        let lane = news.id.get(Register::Outbound.prefix().len()..).and_then(|digits| u128::from_str_radix(digits, 16).ok());
        let conversation = ConversationId(lane.unwrap_or_default());
        let seq = self.next_hook;
        self.next_hook += 1;
        for hook in &hooks {
            self.pending().told.push(Told { hook: *hook, seq, conversation, at: now });
        }
        let (answers, outbound) = (Vec::new(), Some(Box::new(news)));
        Some(HookRecord { seq, conversation, report, at: now, episode: 0, step: 0, send: None, question: None, answers, outbound, hooks })
    }
}
