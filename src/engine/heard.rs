//! What a provider's webhook says, once read: the words between the readers and the engine.
//!
//! Not the wire, and not a decision: a reader turns bytes into these, the engine decides what they move.

use std::fmt;

pub use crate::conversation::questionnaire::MediaKind;
use crate::conversation::{Choice, Refusal};
use crate::engine::ports::CallEnd;
use crate::engine::request::What;
use crate::id::SendId;
use crate::moment::Moment;

/// One thing that a webhook tells.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// Something that concerns a conversation.
    Event(Box<Heard>),
    /// Something that concerns a template.
    Template(TemplateNews),
    /// Understood, or unknown, and of no concern: its kind, for counting. A word of a closed list, never text from outside.
    Passed(&'static str),
}

/// Something that happened to a person on a line, as the provider tells it.
#[derive(Clone, PartialEq, Debug)]
pub struct Heard {
    /// The provider's identity of it: the message's id, or for a status the message's id and the status.
    pub id: String,
    /// When, by the provider's clock; arrival where the wire does not say.
    pub at: Option<Moment>,
    /// The business's side, by which a line is found: a phone number id, a number's digits, an app. Empty: the line of the address.
    pub address: String,
    /// Whom it concerns.
    pub party: Party,
    /// What happened.
    pub what: What,
}

/// Whom a webhook speaks of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Party {
    /// A person, by what the provider tells of them.
    Person(Person),
    /// A conversation by one of these names that a caller may have given it, tried in order; none is begun by it.
    Named(Vec<String>),
    /// Nobody is named: the message that a status speaks of tells.
    Unnamed,
}

/// A person as a provider knows them. Either name may be empty, not both.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Person {
    /// The number, digits alone with country code.
    pub phone: String,
    /// The business-scoped user id.
    pub user: String,
}

impl Person {
    /// Where to send: the number where it is known.
    #[must_use]
    pub fn address(&self) -> &str {
        if self.phone.is_empty() { &self.user } else { &self.phone }
    }
}

/// A tap on a button.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tap {
    /// The send that the button belongs to, where it carries our id.
    pub send: Option<SendId>,
    /// The provider's id of the message that the button stood under, where it tells.
    pub message: Option<String>,
    /// Which of our buttons, where it carries our id or stands at its place. Otherwise the label is read like typed text.
    pub choice: Option<Choice>,
    /// Which of the choices of a question of ours, from 0, where it carries our id or stands at its place.
    pub pick: Option<u8>,
    /// What stands on it.
    pub label: String,
}

/// What became of a message that went out from the business to a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The provider's id of the message.
    pub message: String,
    /// The send, where the provider echoes our correlation field.
    pub send: Option<SendId>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a message, in rising rank but for the last: a lower rank after a higher one tells nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// On its way.
    Sent,
    /// It reached the person's device.
    Delivered,
    /// The person saw it.
    Read,
    /// It did not and will not arrive.
    Failed(Trouble),
}

/// A template's state at the provider has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplateNews {
    /// The business's side, as in [`Heard`].
    pub address: String,
    /// The template, as `session.template` names it (`name/language` for the Cloud API, the provider's id elsewhere).
    pub template: String,
    /// It may be sent.
    pub usable: bool,
    /// The provider's word for its state, for people; at most 40 plain characters.
    pub word: String,
}

/// What an error of a provider means. Each provider has one table from its codes to these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trouble {
    /// Free text is not taken any more: the template, or nothing.
    WindowClosed,
    /// The line sends too fast: all of it waits.
    ThrottleLine,
    /// This person was written to too fast: only this send waits.
    ThrottlePair,
    /// Not taken for now.
    Retry,
    /// This person will not get this message.
    Permanent,
    /// The person does not want to hear from the business.
    OptOut,
    /// The template is paused, rejected, unknown or wrongly filled.
    Template,
    /// The request or the line is wrongly set up.
    Configuration,
    /// The credentials are not taken: the line stops until they are.
    Authentication,
    /// The account may not send at present: the line stops until it may.
    Account,
    /// Nobody knows whether it was taken.
    Doubt,
}

impl Trouble {
    /// What the end of a call with this error means; `wait` is what the provider asks for, in milliseconds.
    #[must_use]
    pub fn end(self, wait: i64) -> CallEnd {
        match self {
            Trouble::WindowClosed => CallEnd::Refused(Refusal::WindowClosed),
            Trouble::ThrottleLine | Trouble::ThrottlePair | Trouble::Retry | Trouble::Authentication | Trouble::Account => {
                CallEnd::Busy(wait)
            }
            Trouble::Permanent => CallEnd::Refused(Refusal::Recipient),
            Trouble::OptOut => CallEnd::Refused(Refusal::OptedOut),
            Trouble::Template => CallEnd::Refused(Refusal::Template),
            Trouble::Configuration => CallEnd::Refused(Refusal::Line),
            Trouble::Doubt => CallEnd::Unknown,
        }
    }

    /// Whether it stops the line: nobody's message would be taken.
    #[must_use]
    pub fn stops(self) -> bool {
        matches!(self, Trouble::Authentication | Trouble::Account)
    }

    /// The word of logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Trouble::WindowClosed => "window_closed",
            Trouble::ThrottleLine => "throttle_line",
            Trouble::ThrottlePair => "throttle_pair",
            Trouble::Retry => "retry",
            Trouble::Permanent => "permanent",
            Trouble::OptOut => "opt_out",
            Trouble::Template => "template",
            Trouble::Configuration => "configuration",
            Trouble::Authentication => "authentication",
            Trouble::Account => "account",
            Trouble::Doubt => "doubt",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
