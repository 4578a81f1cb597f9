//! What happens to a conversation, and what comes of it: the machine's input and output, as data.
//!
//! Not the wire: webhooks and JSON are read into these at the edges.

use crate::conversation::answer::Choice;
use crate::conversation::state::{Form, Outcome, Purpose, State};
use crate::limits;
use crate::moment::Moment;
use crate::schedule::{SendEnd, SkipReason, Trail};

/// A time from outside, as it counts: more than [`limits::AHEAD`] after its arrival it is clamped to that.
#[must_use]
pub fn clamped(at: Moment, arrival: Moment) -> Moment {
    if at.since(arrival) > limits::AHEAD { arrival } else { at }
}

/// Something that happened. `at` is when it happened by the sender's clock, already clamped to at most
/// [`limits::AHEAD`] after its arrival.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The person wrote; `typed` where the whole message reads as an answer.
    Message {
        /// When.
        at: Moment,
        /// The typed answer, if it is one.
        typed: Option<Choice>,
    },
    /// The person tapped a button, or the caller tells the answer.
    Answer {
        /// When.
        at: Moment,
        /// Which.
        choice: Choice,
        /// The silence of the follow-up that carried the button, where the provider tells; an older one is known as old.
        silence: Option<Moment>,
    },
    /// The bot asked, and this is now the last unanswered question; or the bot was seen to speak.
    Question {
        /// When.
        at: Moment,
        /// Why a follow-up could not be sent to this person, as far as is known on arming.
        obstacle: Option<SkipReason>,
    },
    /// We are the bot: the person said something at `at`, and the question in the details goes out in reply.
    Ask {
        /// When.
        at: Moment,
    },
    /// An invitation to the flow goes out now, of our own accord: a new run begins with it.
    Invite {
        /// When.
        at: Moment,
    },
    /// A notification goes out now, of our own accord: the conversation is over with it.
    Notify {
        /// When.
        at: Moment,
    },
    /// We are the bot, and everything is answered: the flow's last word goes out in reply to what the person said at `at`.
    Close {
        /// When.
        at: Moment,
    },
    /// What was to go out of our own accord cannot, as is seen at the last moment.
    Blocked {
        /// Why.
        reason: SkipReason,
    },
    /// The bot's process ended, or was called off.
    Finish {
        /// When.
        at: Moment,
        /// How.
        how: Finish,
    },
    /// The person wants to hear nothing more, on any line.
    OptOut {
        /// When.
        at: Moment,
    },
    /// The person takes the opt-out back.
    OptIn {
        /// When.
        at: Moment,
    },
    /// A human has taken over: nothing is sent until released.
    Hold,
    /// The hold is lifted.
    Release,
    /// Nothing goes out before this instant.
    Postpone {
        /// The earliest instant.
        until: Moment,
    },
    /// The operator wants the follow-up now; hours and the floor of 30 minutes still rule.
    SendNow,
    /// A timer came due. A question, not an order: everything is asked again.
    Woke,
    /// A call ended. Ignored unless it is the call in hand.
    Sent {
        /// The silence whose send it was.
        silence: Moment,
        /// The step whose send it was.
        step: u8,
        /// How it ended.
        verdict: Verdict,
    },
    /// A claim was found at start whose call nobody is making any more.
    Orphaned,
    /// The ledger knows of a call for the send that is planned: a crash, or a restore, lost the claim. It is not made again.
    Found {
        /// The silence whose send it was.
        silence: Moment,
        /// The step whose send it was.
        step: u8,
        /// How it ended.
        verdict: Verdict,
    },
    /// The provider says of a message that it had taken that it will not arrive.
    Undelivered {
        /// The silence whose send it was.
        silence: Moment,
        /// The step whose send it was.
        step: u8,
        /// Why.
        refusal: Refusal,
    },
    /// The operator wants the send in doubt made again.
    Resend,
    /// The rules of the flow changed.
    PolicyChanged,
}

/// A final fact, as the bot tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finish {
    /// Came to a good end.
    Succeeded,
    /// Came to a bad end.
    Failed,
    /// Called off.
    Cancelled,
    /// Another flow took its place.
    Superseded,
}

/// How one call for a send ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The provider took it, at this instant.
    Accepted(Moment),
    /// The provider said that it did not take it, for now; try again after this many milliseconds at the soonest.
    Busy(i64),
    /// The provider said that it will not take it.
    Refused(Refusal),
    /// Nobody knows: timeout, reset, 5xx, an unreadable answer, a crash.
    Unknown,
    /// The door was found closed before the call began: too late, or no longer wanted. Nothing was handed over.
    NotBegun,
    /// The line's credentials or account are not taken: nothing was handed over, and it is no fault of this send. It waits for
    /// its line, and the call does not count.
    Stopped,
}

/// Why a provider refused for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Refusal {
    /// The messaging window is closed.
    WindowClosed = 1,
    /// The template is paused, rejected or unknown.
    Template = 2,
    /// The person cannot be reached there, or does not want to be.
    Recipient = 3,
    /// The line may not, cannot, or is wrongly set up.
    Line = 4,
    /// The person does not want to hear from the business.
    OptedOut = 5,
}

impl Refusal {
    /// The reason of the closed list that it is shown as.
    #[must_use]
    pub fn reason(self) -> SkipReason {
        match self {
            Refusal::WindowClosed => SkipReason::WindowClosed,
            Refusal::Template => SkipReason::TemplateUnavailable,
            Refusal::Recipient => SkipReason::NoRecipient,
            Refusal::Line => SkipReason::LineCannot,
            Refusal::OptedOut => SkipReason::OptedOut,
        }
    }
}

/// How a send ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendOutcome {
    /// The provider took it.
    Accepted,
    /// The provider refused it for good.
    Rejected(SkipReason),
    /// Nobody knows; it counts as sent.
    Unknown,
    /// It was decided not to send it.
    Skipped(SkipReason),
    /// The person spoke, or the conversation ended, first.
    Cancelled,
}

impl SendOutcome {
    /// The word of the interface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SendOutcome::Accepted => "accepted",
            SendOutcome::Rejected(_) => "rejected",
            SendOutcome::Unknown => "unknown",
            SendOutcome::Skipped(_) => "skipped",
            SendOutcome::Cancelled => "cancelled",
        }
    }

    /// The same, as a trail has it.
    #[must_use]
    pub fn end(self) -> SendEnd {
        match self {
            SendOutcome::Accepted => SendEnd::Accepted,
            SendOutcome::Rejected(_) => SendEnd::Rejected,
            SendOutcome::Unknown => SendEnd::Unknown,
            SendOutcome::Skipped(_) => SendEnd::Skipped,
            SendOutcome::Cancelled => SendEnd::Cancelled,
        }
    }

    /// The reason, where nothing went out by decision or refusal.
    #[must_use]
    pub fn reason(self) -> Option<SkipReason> {
        match self {
            SendOutcome::Rejected(reason) | SendOutcome::Skipped(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether the person may have received it.
    #[must_use]
    pub fn counts_as_sent(self) -> bool {
        matches!(self, SendOutcome::Accepted | SendOutcome::Unknown)
    }
}

/// A call to make, once the state that claims it is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Send {
    /// What it is for.
    pub purpose: Purpose,
    /// How it is worded.
    pub form: Form,
    /// The silence and
    pub silence: Moment,
    /// the step that identify it.
    pub step: u8,
    /// Which call for it this is, from 1.
    pub attempt: u8,
    /// The last instant at which the call may begin.
    pub not_after: Moment,
}

/// Something that a hook may want to hear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// A conversation began, or began anew.
    Started,
    /// A follow-up was handed over, or may have been (`unknown`).
    FollowUpSent {
        /// Nobody knows whether it was taken.
        unknown: bool,
    },
    /// A follow-up reached the person's device.
    FollowUpDelivered,
    /// The person came back; carries the last unanswered question.
    Resumed {
        /// After the conversation had already expired or been declined.
        revived: bool,
    },
    /// The person said no.
    Declined,
    /// The bot's process came to a good end.
    Succeeded,
    /// The bot's process came to a bad end.
    Failed,
    /// Nobody answered.
    Expired,
    /// A follow-up was not sent, or refused, and why.
    Skipped(SkipReason),
    /// The person wants to hear nothing more.
    OptedOut,
    /// A message that reaches people first may be sent from now on; of no conversation.
    OutboundApproved,
    /// It may not; of no conversation.
    OutboundRejected,
}

impl Report {
    /// The type of the hook.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Report::Started => "conversation.started",
            Report::FollowUpSent { .. } => "conversation.follow_up_sent",
            Report::FollowUpDelivered => "conversation.follow_up_delivered",
            Report::Resumed { .. } => "conversation.resumed",
            Report::Declined => "conversation.declined",
            Report::Succeeded => "conversation.succeeded",
            Report::Failed => "conversation.failed",
            Report::Expired => "conversation.expired",
            Report::Skipped(_) => "conversation.skipped",
            Report::OptedOut => "conversation.opted_out",
            Report::OutboundApproved => "outbound.approved",
            Report::OutboundRejected => "outbound.rejected",
        }
    }
}

/// Why an event changed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ignored {
    /// The same event was seen before.
    Duplicate,
    /// It is older than what is already known.
    Stale,
    /// The person opted out.
    OptedOut,
    /// The conversation is over.
    Finished,
    /// The call that it speaks of is not in hand any more.
    NotInHand,
    /// There is nothing in this state that it could change.
    NothingToDo,
}

impl Ignored {
    /// The word of the interface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Ignored::Duplicate => "duplicate",
            Ignored::Stale => "stale",
            Ignored::OptedOut => "opted_out",
            Ignored::Finished => "finished",
            Ignored::NotInHand => "not_in_hand",
            Ignored::NothingToDo => "nothing_to_do",
        }
    }
}

/// What one event made of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The state from now on.
    pub state: State,
    /// The call to make when that state is durable.
    pub send: Option<Send>,
    /// What hooks are told, in order.
    pub reports: [Option<Report>; 3],
    /// How the send that was in hand ended, where this event ended it: silence, step and outcome.
    pub ended: Option<(Moment, u8, SendOutcome)>,
    /// Why.
    pub trail: Trail,
    /// Why nothing changed, where nothing did.
    pub ignored: Option<Ignored>,
}

impl Step {
    /// The outcome, where this event ended the conversation.
    #[must_use]
    pub fn finished(&self) -> Option<Outcome> {
        self.state.outcome()
    }
}
