//! What is kept: the change that one decision makes, and the details of a conversation that the machine never reads.
//!
//! Not bytes: the store's codec has mirror shapes of these.

use std::collections::VecDeque;
use std::sync::Arc;

pub use crate::engine::outgoing::{Header, Outgoing};

use crate::conversation::{Event, Report, SendOutcome, State};
use crate::engine::registry::{Filed, OutboundNews};
use crate::id::{AliasKey, ConversationId, EventKey, PersonKey, SendId};
use crate::limits;
use crate::moment::Moment;
use crate::schedule::{Trail, Tzdata};

/// A name (of a line, a flow, a hook) as a small number; the store keeps the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NameId(pub u16);

/// The last unanswered question.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Question {
    /// The bot's own id of it; may be empty.
    pub id: String,
    /// What was asked.
    pub text: String,
    /// Whatever the bot wants back with `resumed`: JSON, kept as text; may be empty.
    pub payload: String,
    /// The titles of its choices, in their order; empty where any text answers it.
    pub choices: Vec<String>,
}

/// One decision of a conversation, with all that is needed to make it again.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Decision {
    /// When it was made.
    pub now: Moment,
    /// The state before.
    pub before: State,
    /// What happened.
    pub event: Event,
    /// Why.
    pub trail: Trail,
    /// The policy's fingerprint.
    pub fingerprint: u64,
    /// The time zone data in force.
    pub tzdata: Tzdata,
    /// The phase's wake after it, for a reader who cannot replay.
    pub due: Option<Moment>,
}

/// One change of a conversation's details. Applied in order; applying one twice is harmless but for `Decided`.
#[derive(Clone, PartialEq, Debug)]
pub enum Delta {
    /// The caller's own name of the conversation.
    Caller(String),
    /// Where to send: E.164 digits or a provider's user id.
    To(String),
    /// Variables for templates and messages, replacing those of the same name.
    Vars(Vec<(String, String)>),
    /// Attributes, replacing those of the same name.
    Attributes(Vec<(String, String)>),
    /// The last unanswered question.
    Asked(Question),
    /// When that was asked, by its own time: the sight of it may have come first, with another.
    AskedAt(Moment),
    /// A decision, kept for `explain`.
    Decided(Box<Decision>),
    /// How a send ended. A later word on the same send takes the place of an earlier one.
    Ended {
        /// Which.
        send: SendId,
        /// Its step.
        step: u8,
        /// How.
        outcome: SendOutcome,
        /// When it was known.
        at: Moment,
    },
    /// The provider's id of the message that a send became, hashed.
    Handed(SendId, AliasKey),
    /// How far the message of a send has come.
    Reached(SendId, Reach),
    /// What the invitation or notification in hand says; `None` where there is none any more.
    Outbound(Option<Box<Outgoing>>),
    /// The answer to a question of ours, by its id. A later one takes the place of an earlier one.
    Answered(String, String),
    /// A new run has begun: earlier answers were to another.
    AnswersCleared,
}

/// How far a message has come, by the provider's statuses, in rising rank.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(u8)]
pub enum Reach {
    /// The provider took it; nothing more is known.
    #[default]
    Accepted = 0,
    /// On its way.
    Sent = 1,
    /// It was on its way and will not arrive.
    Failed = 2,
    /// It reached the person's device.
    Delivered = 3,
    /// The person saw it.
    Read = 4,
}

impl Reach {
    /// All of them, in the order of their codes.
    pub const ALL: [Reach; 5] = [Reach::Accepted, Reach::Sent, Reach::Failed, Reach::Delivered, Reach::Read];

    /// The word of `explain`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reach::Accepted => "accepted",
            Reach::Sent => "sent",
            Reach::Failed => "failed",
            Reach::Delivered => "delivered",
            Reach::Read => "read",
        }
    }

    /// What is stored as `code`.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Reach> {
        Reach::ALL.into_iter().find(|reach| *reach as u8 == code)
    }
}

/// How one send of a conversation ended, or that it is in hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendRecord {
    /// Which.
    pub send: SendId,
    /// Its step; [`limits::ASK_STEP`] for a question asked again.
    pub step: u8,
    /// How it ended.
    pub outcome: SendOutcome,
    /// When that was known.
    pub at: Moment,
    /// The provider's id of its message, hashed, where it told one.
    pub message: Option<AliasKey>,
    /// How far its message has come.
    pub reach: Reach,
}

/// The longer, colder part of a conversation.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Details {
    /// The caller's own name of it; empty where it has none.
    pub caller: String,
    /// Where to send; empty where unknown.
    pub to: String,
    /// Variables, sorted by name.
    pub vars: Vec<(String, String)>,
    /// Attributes, sorted by name.
    pub attributes: Vec<(String, String)>,
    /// The last question asked (whether it is unanswered is in the state).
    pub question: Option<Question>,
    /// When it was asked, by its own time.
    pub asked_at: Option<Moment>,
    /// The last decisions, oldest first, at most [`limits::DECISIONS`].
    pub decisions: VecDeque<Decision>,
    /// The last sends, oldest first, at most [`limits::DECISIONS`].
    pub sends: VecDeque<SendRecord>,
    /// What the invitation or notification of this run says.
    pub outbound: Option<Outgoing>,
    /// Answers to questions of ours in this run, in the order in which they were given.
    pub answers: Vec<(String, String)>,
}

impl Details {
    /// Takes one change in.
    pub fn apply(&mut self, delta: &Delta) {
        match delta {
            Delta::Caller(name) => self.caller.clone_from(name),
            Delta::To(to) => self.to.clone_from(to),
            Delta::Vars(vars) => merge(&mut self.vars, vars),
            Delta::Attributes(attributes) => merge(&mut self.attributes, attributes),
            Delta::Asked(question) => self.question = Some(question.clone()),
            Delta::AskedAt(at) => self.asked_at = Some(*at),
            Delta::Decided(decision) => push_bounded(&mut self.decisions, **decision),
            Delta::Ended { send, step, outcome, at } => match self.send_mut(*send) {
                Some(record) => {
                    (record.outcome, record.at) = (*outcome, *at);
                    // Another message in the place of one that did not arrive.
                    if *outcome == SendOutcome::Accepted && record.reach == Reach::Failed {
                        record.reach = Reach::Accepted;
                    }
                }
                None => {
                    let (message, reach) = (None, Reach::Accepted);
                    push_bounded(&mut self.sends, SendRecord { send: *send, step: *step, outcome: *outcome, at: *at, message, reach });
                }
            },
            Delta::Handed(send, message) => {
                // A status may have told first which message it is, and how far that came.
                if let Some(record) = self.send_mut(*send).filter(|record| record.message != Some(*message)) {
                    (record.message, record.reach) = (Some(*message), Reach::Accepted);
                }
            }
            Delta::Reached(send, reach) => {
                if let Some(record) = self.send_mut(*send) {
                    record.reach = record.reach.max(*reach);
                }
            }
            Delta::Outbound(outgoing) => self.outbound = outgoing.as_deref().cloned(),
            Delta::Answered(question, answer) => match self.answers.iter().position(|(known, _)| known == question) {
                Some(at) => self.answers[at].1.clone_from(answer),
                None if self.answers.len() < limits::QUESTIONS => self.answers.push((question.clone(), answer.clone())),
                None => {}
            },
            Delta::AnswersCleared => self.answers.clear(),
        }
    }
}

impl Details {
    /// What a text of a flow that asks may name: the variables, and the answers by the ids of their questions. Sorted by name.
    #[must_use]
    pub fn known(&self) -> Vec<(String, String)> {
        let mut known = self.vars.clone();
        merge(&mut known, &self.answers);
        known
    }

    /// What is known of one send.
    #[must_use]
    pub fn send(&self, send: SendId) -> Option<&SendRecord> {
        self.sends.iter().rev().find(|record| record.send == send)
    }

    /// The send that became this message of the provider's.
    #[must_use]
    pub fn send_of(&self, message: AliasKey) -> Option<&SendRecord> {
        self.sends.iter().rev().find(|record| record.message == Some(message))
    }

    fn send_mut(&mut self, send: SendId) -> Option<&mut SendRecord> {
        self.sends.iter_mut().rev().find(|record| record.send == send)
    }
}

fn merge(into: &mut Vec<(String, String)>, from: &[(String, String)]) {
    for (name, value) in from {
        match into.binary_search_by(|(n, _)| n.cmp(name)) {
            Ok(i) => into[i].1.clone_from(value),
            Err(i) if into.len() < limits::VARIABLES => into.insert(i, (name.clone(), value.clone())),
            Err(_) => {}
        }
    }
}

fn push_bounded<T>(into: &mut VecDeque<T>, value: T) {
    if into.len() == limits::DECISIONS {
        into.pop_front();
    }
    into.push_back(value);
}

/// A conversation as the store holds it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Stored {
    /// Which.
    pub id: ConversationId,
    /// On which line.
    pub line: NameId,
    /// In which flow.
    pub flow: NameId,
    /// Where it stands.
    pub state: State,
}

/// A hook record: written in the commit of the decision that caused it, gone when every hook has had it.
#[derive(Clone, PartialEq, Debug)]
pub struct HookRecord {
    /// Its number; grows without gaps that matter.
    pub seq: u64,
    /// Whose.
    pub conversation: ConversationId,
    /// What.
    pub report: Report,
    /// When.
    pub at: Moment,
    /// The stretch of silence.
    pub episode: u32,
    /// The step of the ladder.
    pub step: u8,
    /// The send it speaks of, if any.
    pub send: Option<SendId>,
    /// The question that `resumed` carries.
    pub question: Option<Question>,
    /// The outbound that it speaks of; then `conversation` is that outbound's own lane and no conversation.
    pub outbound: Option<Box<OutboundNews>>,
    /// Answers to questions of ours, where the report is of the end of a run that asked some.
    pub answers: Vec<(String, String)>,
    /// The hooks that still have to get it.
    pub hooks: Vec<NameId>,
}

/// A claim or its end, for the ledger of sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LedgerEntry {
    /// A call is about to be made: stands in the ledger, durable, before the network is touched.
    Intent {
        /// For which send.
        send: SendId,
        /// Which call, from 1.
        attempt: u8,
        /// When it was claimed.
        at: Moment,
        /// Of which conversation.
        conversation: ConversationId,
        /// On which line.
        line: NameId,
        /// As a template: outside the messaging window.
        template: bool,
    },
    /// The call ended. Only `Refused` and `Undelivered` permit another call for the send.
    Ended {
        /// For which send.
        send: SendId,
        /// Which call.
        attempt: u8,
        /// When.
        at: Moment,
        /// How.
        end: LedgerEnd,
    },
}

/// How a call ended, as far as the ledger cares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum LedgerEnd {
    /// Taken.
    Accepted = 1,
    /// Definitely not taken, or the call never began: another call may be made.
    Refused = 2,
    /// Unknown.
    Unknown = 3,
    /// Taken, and reported later as never delivered: another call may be made.
    Undelivered = 4,
}

/// Whom a pause holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PauseScope {
    /// Everything.
    All,
    /// One line.
    Line(NameId),
    /// One flow.
    Flow(NameId),
}

/// The change that one decision makes: kept whole or not at all.
#[derive(Clone, PartialEq, Debug)]
pub struct Moved {
    /// The conversation as it is from now on.
    pub stored: Stored,
    /// The identity of the event, so that it is known when it comes again.
    pub identity: Option<EventKey>,
    /// When the change was made.
    pub now: Moment,
    /// What its details learn.
    pub deltas: Vec<Delta>,
    /// Names under which it can be found from now on.
    pub aliases: Vec<AliasKey>,
    /// What hooks are told.
    pub hooks: Vec<HookRecord>,
    /// For the ledger.
    pub ledger: Option<LedgerEntry>,
}

/// Everything that can be kept.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// A conversation moved.
    Moved(Box<Moved>),
    /// A name got its number.
    Named(NameId, Arc<str>),
    /// A person opted out.
    OptedOut(PersonKey, Moment),
    /// A person took it back.
    OptedIn(PersonKey, Moment),
    /// Sending was paused (`true`) or resumed.
    Paused(PauseScope, bool),
    /// A template of a line can no longer be sent, by the provider's word (`false`), or can again.
    Template(NameId, Arc<str>, bool),
    /// A record of the registry was put in its place, or taken away.
    Filed(Box<Filed>),
    /// A hook took a record.
    HookDone(NameId, u64),
    /// A hook did not take a record in time; it is kept as a dead letter from this instant.
    HookDead(NameId, u64, Moment),
    /// A dead letter is to be delivered again.
    HookReplay(NameId, u64),
    /// Dead letters given up before this instant are dropped.
    DeadUntil(Moment),
    /// The ledger learns something that no conversation does.
    Ledger(LedgerEntry),
    /// A conversation is erased (`true`: its hook records go too, delivered or not) or has outlived its retention.
    Forgotten(ConversationId, bool),
    /// Identities of this and earlier days (days since the epoch) may be dropped.
    IdentitiesUntil(i64),
    /// The daemon was alive at this instant.
    Alive(Moment),
}
