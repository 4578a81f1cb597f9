//! What is known of a conversation: small, copied freely, nothing on the heap.
//!
//! Not the texts: question, variables and story are details that the machine never reads.

use crate::conversation::event::{Ignored, SendOutcome};
use crate::id::ConversationId;
use crate::limits;
use crate::moment::Moment;
use crate::schedule::SkipReason;

/// Where a conversation stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The person owes nothing; the bot has the next word.
    Quiet,
    /// Armed: a follow-up, or the question again, goes out at `wake`.
    Waiting,
    /// Claimed: a call may be under way, or its outcome is in doubt.
    Sending,
    /// The provider refused for now; the call is made again at `wake`.
    Retrying,
    /// The follow-up is out, or was not to be sent; wakes for the next step or for expiry.
    Answering,
    /// Over, with the way it ended.
    Finished(Outcome),
}

impl Phase {
    /// The word of the interface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Quiet => "quiet",
            Phase::Waiting => "waiting",
            Phase::Sending => "sending",
            Phase::Retrying => "retrying",
            Phase::Answering => "answering",
            Phase::Finished(_) => "finished",
        }
    }
}

/// How a conversation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Outcome {
    /// The bot's process came to a good end.
    Succeeded = 1,
    /// The bot's process came to a bad end.
    Failed = 2,
    /// The person said no.
    Declined = 3,
    /// Nobody answered in time.
    Expired = 4,
    /// The operator or the bot called it off, or another flow took its place.
    Cancelled = 5,
    /// The person wants to hear nothing more.
    OptedOut = 6,
}

impl Outcome {
    /// All of them, in the order of their codes.
    pub const ALL: [Outcome; 6] =
        [Outcome::Succeeded, Outcome::Failed, Outcome::Declined, Outcome::Expired, Outcome::Cancelled, Outcome::OptedOut];

    /// The word of the interface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Declined => "declined",
            Outcome::Expired => "expired",
            Outcome::Cancelled => "cancelled",
            Outcome::OptedOut => "opted_out",
        }
    }

    /// The number it is stored as; never reused.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The outcome stored as `code`.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|o| o.code() == code)
    }
}

/// What the send in hand is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A follow-up of the ladder.
    FollowUp,
    /// A question of the conversation: asked again after "yes", or the next one of a flow that asks its own.
    Ask,
    /// The invitation to a flow, of our own accord: an approved template with *continue* and *cancel*.
    Invite,
    /// A single notification, of our own accord: an approved template that wants no answer.
    Notify,
    /// The last word of a flow that asks its own questions; then it has come to its good end.
    Close,
}

impl Purpose {
    /// The number by which sends for this are identified in the place of a step of the ladder; `None` for follow-ups, which have one.
    #[must_use]
    pub fn step(self) -> Option<u8> {
        match self {
            Purpose::FollowUp => None,
            Purpose::Ask => Some(limits::ASK_STEP),
            Purpose::Invite => Some(limits::INVITE_STEP),
            Purpose::Notify => Some(limits::NOTIFY_STEP),
            Purpose::Close => Some(limits::CLOSE_STEP),
        }
    }

    /// What a send of this number was for.
    #[must_use]
    pub fn of_step(step: u8) -> Purpose {
        let own = [Purpose::Ask, Purpose::Invite, Purpose::Notify, Purpose::Close];
        own.into_iter().find(|purpose| purpose.step() == Some(step)).unwrap_or(Purpose::FollowUp)
    }

    /// The word of people and interfaces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::FollowUp => "follow_up",
            Purpose::Ask => "question",
            Purpose::Invite => "invitation",
            Purpose::Notify => "notification",
            Purpose::Close => "last_word",
        }
    }
}

/// How a send is worded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Free text, inside the provider's messaging window.
    Message,
    /// The approved template.
    Template,
}

/// The state of one conversation. Every instant is a [`Moment`]; `None` where there was none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// Where it stands.
    pub phase: Phase,
    /// Set by `hold`: while set, only expiry wakes the conversation.
    pub held: bool,
    /// A hook was told that this run of the conversation began.
    pub started: bool,
    /// The person opted out; nothing is ever sent.
    pub opted_out: bool,
    /// In doubt: the call was made and nobody knows how it ended (only in `Sending`).
    pub doubt: bool,
    /// The provider said that the messaging window is closed, whatever the clock says; until the person's next word.
    pub shut: bool,
    /// The operator asked for it now: the flow's wait no longer counts, the floor of 30 minutes does.
    pub hurried: bool,
    /// "later" was said: the wait of this silence is three hours.
    pub later: bool,
    /// Stretches of silence so far; the number of the present one.
    pub episode: u32,
    /// Episodes in which something was sent, or may have been.
    pub episodes_sent: u8,
    /// Something was sent, or may have been, in this episode.
    pub sent_in_episode: bool,
    /// The follow-up in hand or next, counted from 0.
    pub step: u8,
    /// Calls made for the send in hand.
    pub attempt: u8,
    /// What the send in hand is for.
    pub purpose: Purpose,
    /// How the send in hand is worded.
    pub form: Form,
    /// As planned at present, the send in hand will be skipped, and why.
    pub skip: Option<SkipReason>,
    /// How the latest send of this silence ended.
    pub sent: Option<SendOutcome>,
    /// Why this conversation cannot be sent to, seen when it was armed.
    pub obstacle: Option<SkipReason>,
    /// Spreads conversations that share an instant: a function of the conversation's id, so never stored.
    pub salt: u32,
    /// The time of the event that began this run of the conversation.
    pub begun: Moment,
    /// The beginning of the silence: half of the identity of its sends.
    pub silence: Moment,
    /// When the last unanswered question was asked; `None` when nothing is unanswered.
    pub question: Option<Moment>,
    /// The person's last message, by the provider's time.
    pub last_inbound: Option<Moment>,
    /// The last hand-over to the provider.
    pub handed_over: Option<Moment>,
    /// The operator's postponement: nothing goes out earlier.
    pub earliest: Option<Moment>,
    /// What the phase waits for: hand-over from then on, end of doubt, next call, next step.
    pub wake: Option<Moment>,
    /// When the follow-up is due (the same as `wake`, but for an advanced one).
    pub due: Option<Moment>,
    /// The last instant at which the send in hand may be handed over.
    pub not_after: Moment,
    /// When the conversation expires; in `Finished`, when it ended.
    pub expires: Option<Moment>,
}

impl State {
    /// A conversation of which nothing is known yet; `opted_out` where the person is on the opt-out list.
    #[must_use]
    pub fn new(id: ConversationId, opted_out: bool) -> State {
        State {
            phase: Phase::Quiet,
            held: false,
            started: false,
            opted_out,
            doubt: false,
            shut: false,
            hurried: false,
            later: false,
            episode: 0,
            episodes_sent: 0,
            sent_in_episode: false,
            step: 0,
            attempt: 0,
            purpose: Purpose::FollowUp,
            form: Form::Message,
            skip: None,
            sent: None,
            obstacle: None,
            salt: State::salt_of(id),
            begun: Moment::MIN,
            silence: Moment::MIN,
            question: None,
            last_inbound: None,
            handed_over: None,
            earliest: None,
            wake: None,
            due: None,
            not_after: Moment::MAX,
            expires: None,
        }
    }

    /// The salt of a conversation: the first bits of its id, which is a hash.
    #[must_use]
    pub fn salt_of(id: ConversationId) -> u32 {
        (id.0 >> 96) as u32
    }

    /// When this conversation wants to be woken; waking it earlier, later or twice is harmless.
    #[must_use]
    pub fn wake_at(&self) -> Option<Moment> {
        match self.phase {
            Phase::Quiet | Phase::Finished(_) => None,
            Phase::Sending => self.wake,
            Phase::Waiting | Phase::Retrying | Phase::Answering if self.held => self.expires,
            Phase::Waiting | Phase::Retrying | Phase::Answering => match (self.wake, self.expires) {
                (Some(wake), Some(expires)) => Some(wake.min(expires)),
                (wake, expires) => wake.or(expires),
            },
        }
    }

    /// Since when a follow-up of this silence, or the invitation, is out. (A silence that began with our asking began with a
    /// hand-over, but not with a follow-up.)
    #[must_use]
    pub fn out_since(&self) -> Option<Moment> {
        match self.purpose {
            Purpose::FollowUp => self.handed_over.filter(|at| *at > self.silence && self.sent_in_episode),
            Purpose::Invite => self.handed_over.filter(|at| *at >= self.silence && self.sent.is_some_and(SendOutcome::counts_as_sent)),
            Purpose::Ask | Purpose::Notify | Purpose::Close => None,
        }
    }

    /// Whether what is in hand is out, or may be, and the person may have read it by `at`, although nobody has told yet.
    #[must_use]
    pub fn may_be_read(&self, at: Moment) -> bool {
        let claimed = self.wake.map(|wake| wake.plus(-limits::DOUBT));
        self.phase == Phase::Sending && (self.doubt || claimed.is_some_and(|claimed| at >= claimed.plus(limits::READ)))
    }

    /// Whether an invitation, a notification or a last word goes on its way whatever is said at `at`: nobody can have read it by
    /// then, and it is no reminder that a word makes needless.
    #[must_use]
    pub fn goes_on(&self, at: Moment) -> bool {
        let going = matches!(self.phase, Phase::Waiting | Phase::Sending | Phase::Retrying);
        going
            && match self.purpose {
                Purpose::FollowUp | Purpose::Ask => false,
                Purpose::Invite => !self.may_be_read(at),
                Purpose::Notify | Purpose::Close => true,
            }
    }

    /// How it ended, where it has.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.phase {
            Phase::Finished(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Why a question asked at `at` would not become the last unanswered one; `None` where it would.
    #[must_use]
    pub fn passes_over(&self, at: Moment) -> Option<Ignored> {
        if self.opted_out {
            return Some(Ignored::OptedOut);
        }
        if self.goes_on(at) {
            return Some(Ignored::NothingToDo);
        }
        let known = self.last_inbound.max(self.question);
        let ended = self.outcome().and(self.expires);
        (known.is_some_and(|k| k > at) || ended.is_some_and(|e| e >= at)).then_some(Ignored::Stale)
    }

    /// Whether the outcome of a send in hand, or of the latest one, is unknown.
    #[must_use]
    pub fn in_doubt(&self) -> bool {
        self.doubt || self.sent == Some(SendOutcome::Unknown)
    }

    /// What must hold of every state; the sentence that does not, where one does not.
    #[must_use]
    pub fn check(&self) -> Option<&'static str> {
        let armed = matches!(self.phase, Phase::Waiting | Phase::Sending | Phase::Retrying);
        if armed && self.wake.is_none() {
            return Some("an armed conversation has a wake");
        }
        if matches!(self.phase, Phase::Waiting | Phase::Retrying | Phase::Answering) && self.expires.is_none() {
            return Some("a conversation that owes an answer expires");
        }
        if matches!(self.phase, Phase::Quiet) && self.wake_at().is_some() {
            return Some("a quiet conversation does not wake");
        }
        if self.doubt && self.phase != Phase::Sending {
            return Some("only a claimed send is in doubt");
        }
        if self.phase == Phase::Sending && self.attempt == 0 {
            return Some("a claimed send has an attempt");
        }
        if self.opted_out && armed && self.phase != Phase::Sending {
            return Some("nobody who opted out is armed");
        }
        None
    }
}
