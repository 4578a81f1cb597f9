//! What the outside asks of the engine, and what it answers: plain data between the edges and the engine.
//!
//! Not the wire: `shapes/` and `http/` turn JSON into these and back.

use std::fmt;
use std::sync::Arc;

use crate::conversation::{Choice, Form, Ignored, Outcome, Phase, Policy, State};
use crate::engine::heard::{MediaKind, Person, Status, Tap};
use crate::engine::record::{Details, HookRecord, NameId, Outgoing, Question, Stored};
use crate::id::{ConversationId, SendId};
use crate::moment::Moment;
use crate::schedule::SkipReason;

/// Which conversation is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// By our id, `cnv_…`.
    Id(ConversationId),
    /// By the caller's own name of it.
    Caller(String),
    /// The person on the event's line, as its provider knows them.
    Person(Person),
    /// By one of these names, tried in order; none is begun by it.
    Named(Vec<String>),
    /// By the message that a status speaks of.
    Message,
}

/// One event, as it came in.
#[derive(Clone, PartialEq, Debug)]
pub struct Inbound {
    /// The source's identity of it, at most [`crate::limits::EVENT_ID_BYTES`].
    pub id: Option<String>,
    /// Whose.
    pub who: Who,
    /// When it happened; arrival where absent.
    pub at: Option<Moment>,
    /// What happened.
    pub what: What,
    /// The line, on the first event of a conversation; the only one where absent.
    pub line: Option<String>,
    /// The flow; the line's where absent. Another than the present one ends the present one as superseded.
    pub flow: Option<String>,
    /// Where to send: E.164 digits.
    pub to: Option<String>,
    /// Variables for messages and templates.
    pub vars: Vec<(String, String)>,
    /// Whatever the caller wants to see again in lists and hooks.
    pub attributes: Vec<(String, String)>,
}

impl Inbound {
    /// An event that says no more than what happened to whom.
    #[must_use]
    pub fn of(who: Who, at: Option<Moment>, what: What) -> Inbound {
        Inbound { id: None, who, at, what, line: None, flow: None, to: None, vars: Vec::new(), attributes: Vec::new() }
    }
}

/// What happened, or what an operator wants.
#[derive(Clone, PartialEq, Debug)]
pub enum What {
    /// The person wrote this.
    UserMessage(String),
    /// The bot asked this.
    Question(Question),
    /// The person answered the follow-up.
    Answer(Choice),
    /// Good end.
    Succeeded,
    /// Bad end.
    Failed,
    /// Called off.
    Cancelled,
    /// No more messages, on any line.
    OptOut,
    /// Messages again.
    OptIn,
    /// A human takes over.
    Hold,
    /// The human is done.
    Release,
    /// Not before this instant.
    Postpone(Moment),
    /// Now, within hours.
    SendNow,
    /// The person sent something that is no text; the reference is what its provider finds it by.
    Media {
        /// What it is.
        kind: MediaKind,
        /// Its id, or its address, at the provider; may be empty.
        reference: String,
    },
    /// The person tapped a button.
    Tapped(Tap),
    /// The business spoke to the person, as the provider saw it: the bot or somebody at a phone; the text where it is known.
    Spoke(Option<String>),
    /// What became of a message to the person.
    Status(Status),
    /// The person is known by this from now on.
    Moved(Person),
}

impl What {
    /// The type's word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            What::UserMessage(_) => "user_message",
            What::Question(_) => "question",
            What::Answer(_) => "answer",
            What::Succeeded => "succeeded",
            What::Failed => "failed",
            What::Cancelled => "cancelled",
            What::OptOut => "opt_out",
            What::OptIn => "opt_in",
            What::Hold => "hold",
            What::Release => "release",
            What::Postpone(_) => "postpone",
            What::SendNow => "send_now",
            What::Media { .. } => "media",
            What::Tapped(_) => "tapped",
            What::Spoke(_) => "spoke",
            What::Status(_) => "status",
            What::Moved(_) => "moved",
        }
    }
}

/// What becomes of a conversation next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing is planned.
    None,
    /// A message, or a template, is planned.
    Send(Form),
    /// It will be skipped, and why.
    Skip(SkipReason),
}

/// The answer to an event, true once it is durable.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// Whose.
    pub conversation: ConversationId,
    /// Where it stands.
    pub state: Phase,
    /// Held by an operator or the bot.
    pub held: bool,
    /// What is planned.
    pub action: Action,
    /// When.
    pub due_at: Option<Moment>,
    /// The stretch of silence.
    pub episode: u32,
    /// Why the event changed nothing, where it did not.
    pub ignored: Option<Ignored>,
    /// It had neither id nor time, so that a repetition would not be recognised.
    pub not_deduplicated: bool,
}

impl Answer {
    /// The answer that describes `state`.
    #[must_use]
    pub fn of(conversation: ConversationId, state: &State) -> Answer {
        Answer {
            conversation,
            state: state.phase,
            held: state.held,
            action: action_of(state),
            due_at: due_of(state),
            episode: state.episode,
            ignored: None,
            not_deduplicated: false,
        }
    }

    /// How it ended, where it has.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.state {
            Phase::Finished(outcome) => Some(outcome),
            _ => None,
        }
    }
}

/// What is planned in this state.
#[must_use]
pub fn action_of(state: &State) -> Action {
    let planned = matches!(state.phase, Phase::Waiting | Phase::Sending | Phase::Retrying)
        || (state.phase == Phase::Answering && state.wake.is_some());
    match (planned, state.skip) {
        (false, _) => Action::None,
        (true, Some(reason)) => Action::Skip(reason),
        (true, None) => Action::Send(state.form),
    }
}

/// When that is, where something is sent.
#[must_use]
pub fn due_of(state: &State) -> Option<Moment> {
    match action_of(state) {
        Action::Send(_) => state.due,
        Action::None | Action::Skip(_) => None,
    }
}

/// Why a request was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rejected {
    /// No such conversation.
    UnknownConversation(String),
    /// The first event of a conversation must say on which line it is, where there are several: their names.
    LineMissing(Vec<String>),
    /// No such line: the name given, and those there are.
    UnknownLine(String, Vec<String>),
    /// No such flow: the name given, and those there are.
    UnknownFlow(String, Vec<String>),
    /// The line has no flow of its own and the event names none.
    FlowMissing(String),
    /// A conversation does not move to another line: where it is, and where it should go.
    OtherLine(String, String),
    /// This number belongs to another conversation of the line.
    AliasTaken(ConversationId),
    /// The person wants to hear nothing from the business.
    OptedOut,
    /// What was asked cannot be done in this state: the sentence.
    Impossible(String),
    /// What was to be changed has changed since it was looked at; nothing was kept.
    Outdated,
    /// Too much at once; nothing was kept.
    Overloaded,
    /// It speaks of a call that is still under way, and is understood when that has ended; nothing was kept.
    NotYet,
    /// The store cannot keep anything now; nothing was kept.
    Unavailable(String),
    /// A stored record of this conversation cannot be read; it is quarantined.
    Damaged(String),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::UnknownConversation(name) => write!(f, "conversation: no conversation {name:?}"),
            Rejected::LineMissing(lines) => write!(f, "line: missing; the first event of a conversation names one of {}", lines.join(", ")),
            Rejected::UnknownLine(name, lines) => write!(f, "line: no line {name:?}; there are {}", lines.join(", ")),
            Rejected::UnknownFlow(name, flows) => write!(f, "flow: no flow {name:?}; there are {}", flows.join(", ")),
            Rejected::FlowMissing(line) => write!(f, "flow: missing; line {line:?} has no flow of its own"),
            Rejected::OtherLine(is, wanted) => write!(f, "line: this conversation is on line {is:?}, not on {wanted:?}"),
            Rejected::AliasTaken(other) => write!(f, "to: this number already belongs to {other} on the same line"),
            Rejected::OptedOut => f.write_str("the person has opted out; only their own opt-in lets anything be sent to them"),
            Rejected::Impossible(why) => f.write_str(why),
            Rejected::NotYet => f.write_str("this speaks of a call that is still under way; nothing was kept, tell it again in a moment"),
            Rejected::Outdated => f.write_str("somebody else changed it meanwhile; nothing of this was kept, ask again"),
            Rejected::Overloaded => f.write_str("too many events at once; none of this was kept, send it again in a second"),
            Rejected::Unavailable(why) => write!(f, "the store cannot keep anything now; nothing was kept: {why}"),
            Rejected::Damaged(why) => write!(f, "a stored record of this conversation cannot be read: {why}"),
        }
    }
}

/// A message that is to go out of our own accord.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invitation {
    /// On which line.
    pub line: String,
    /// The flow that it invites to; `None` for a notification.
    pub flow: Option<String>,
    /// To whom: digits with country code.
    pub phone: String,
    /// What it says.
    pub outgoing: Outgoing,
    /// Its identity, at most [`crate::limits::EVENT_ID_BYTES`]: asked for twice, it goes out once.
    pub id: Option<String>,
}

/// A conversation with everything about it.
#[derive(Clone, Debug)]
pub struct View {
    /// Which, and where it stands.
    pub stored: Stored,
    /// The name of its line.
    pub line: Arc<str>,
    /// The name of its flow.
    pub flow: Arc<str>,
    /// The rest.
    pub details: Details,
    /// The rules it is under now; `None` where its line or flow is no longer configured.
    pub policy: Option<Arc<Policy>>,
}

/// Which conversations a list shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Only in this state, by its word.
    pub state: Option<String>,
    /// Only of this flow.
    pub flow: Option<String>,
    /// Only on this line.
    pub line: Option<String>,
    /// After this conversation, in the order of ids.
    pub after: Option<ConversationId>,
    /// At most so many.
    pub limit: usize,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The conversations.
    pub conversations: Vec<View>,
    /// Where the next page begins, if there is one.
    pub next: Option<ConversationId>,
}

/// A send whose outcome is unknown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Doubt {
    /// Which.
    pub send: SendId,
    /// Of which conversation.
    pub conversation: ConversationId,
    /// The caller's name of it.
    pub caller: String,
    /// The line's name.
    pub line: Arc<str>,
    /// When the call was claimed, or when it was known that nobody knows.
    pub since: Moment,
    /// Still waiting for a status that settles it.
    pub open: bool,
}

/// How many follow-ups are due in an hour on a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upcoming {
    /// The beginning of the hour, UTC.
    pub hour: Moment,
    /// The line's name.
    pub line: Arc<str>,
    /// How many.
    pub count: u64,
    /// How many of them cannot go out in time at the line's rate, as far as is known; within [`crate::limits::FORESEE`].
    pub late: u64,
}

/// A follow-up that cannot go out in time at the rate of its line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Late {
    /// Of which conversation.
    pub conversation: ConversationId,
    /// The caller's name of it.
    pub caller: String,
    /// The line's name.
    pub line: Arc<str>,
    /// When it is due.
    pub due: Moment,
    /// The last instant at which it may go out.
    pub not_after: Moment,
}

/// Some of them, and how many there are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LateOnes {
    /// The first, soonest due.
    pub late: Vec<Late>,
    /// All.
    pub total: u64,
}

/// What a pause or a resume speaks of, by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Everything.
    All,
    /// A line.
    Line(String),
    /// A flow.
    Flow(String),
}

/// Why nothing is sent at present, where nothing is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// Pauses in force, as `all`, `line support`, `flow onboarding`.
    pub paused: Vec<String>,
    /// The whole store is held, and why: a copy, a restore, a clock that jumped, a disk without room.
    pub held: Option<String>,
    /// The store can no longer keep anything, and why.
    pub failed: Option<String>,
    /// Lines whose credentials or account are not taken; each starts by itself when they are.
    pub stopped: Vec<StoppedLine>,
}

/// A line that has stopped by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoppedLine {
    /// Its name.
    pub line: String,
    /// What its provider said.
    pub why: String,
    /// Since when.
    pub since: Moment,
}

/// A dead letter of a hook.
#[derive(Clone, PartialEq, Debug)]
pub struct DeadLetter {
    /// The hook's name.
    pub hook: Arc<str>,
    /// Its number, for replay.
    pub record: HookRecord,
    /// When it was given up.
    pub since: Moment,
}

/// A name that a stored record carries as a number, where nothing knows it any more.
#[must_use]
pub fn unnamed(id: NameId) -> Arc<str> {
    Arc::from(format!("#{}", id.0))
}
