//! Problems as `application/problem+json`: a closed list of kinds, each with its slug, title, status and code.
//!
//! Not the finding of problems; and no internals: a message says what was asked for, what was wrong with it and what would be right.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::engine::request::Rejected;
use crate::shapes::discreet;
use crate::shapes::event::{BadEvent, BadKind};

/// What kind of problem it is. The slugs and codes are for programs and never change meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The body is not JSON.
    NotJson,
    /// The query or the path cannot be read.
    BadRequest,
    /// The body's length is told in two ways.
    AmbiguousLength,
    /// A field of a form is missing or wrong.
    BadField,
    /// The webhook is not what the line's provider sends.
    BadWebhook,
    /// The token is missing or unknown.
    Unauthorized,
    /// The webhook does not prove that the line's provider sent it.
    Unproved,
    /// The token does not allow this.
    Forbidden,
    /// A web page of another origin asks where no token is needed.
    ForeignOrigin,
    /// Whoever sets up a webhook does not know the line's word.
    WrongWord,
    /// No such path.
    NotFound,
    /// No such conversation.
    UnknownConversation,
    /// The line takes no provider webhooks.
    NoWebhooks,
    /// No such inbound or outbound.
    UnknownRecord,
    /// No such method on this path.
    MethodNotAllowed,
    /// The body did not come in time.
    BodyTimeout,
    /// The number belongs to another conversation.
    AliasTaken,
    /// The conversation is on another line.
    OtherLine,
    /// What was asked cannot be done in this state.
    Impossible,
    /// A person could not tell two inbounds apart.
    TwinInbound,
    /// The outbound may not be sent.
    NotApproved,
    /// The person wants to hear nothing.
    OptedOut,
    /// The body is too large.
    TooLarge,
    /// The body is of a type that is not read here.
    UnsupportedType,
    /// The JSON is not what is taken here.
    Invalid,
    /// No such line.
    UnknownLine,
    /// No such flow.
    UnknownFlow,
    /// The first event of a conversation names no line.
    LineMissing,
    /// Neither the event nor the line names a flow.
    FlowMissing,
    /// Too many tries with wrong tokens.
    TooManyTries,
    /// A stored record cannot be read.
    Damaged,
    /// Answering the request ended in a panic.
    Panicked,
    /// The bot that a webhook was handed on to did not take it.
    BotFailed,
    /// The daemon is starting.
    Starting,
    /// Too much at once.
    Overloaded,
    /// The store cannot keep anything, or the daemon is stopping.
    Unavailable,
    /// The engine did not answer in time: it may or may not have been kept.
    NoAnswer,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 37] = [
        Kind::NotJson,
        Kind::BadRequest,
        Kind::AmbiguousLength,
        Kind::BadField,
        Kind::BadWebhook,
        Kind::Unauthorized,
        Kind::Unproved,
        Kind::Forbidden,
        Kind::ForeignOrigin,
        Kind::WrongWord,
        Kind::NotFound,
        Kind::UnknownConversation,
        Kind::NoWebhooks,
        Kind::UnknownRecord,
        Kind::MethodNotAllowed,
        Kind::BodyTimeout,
        Kind::AliasTaken,
        Kind::OtherLine,
        Kind::Impossible,
        Kind::TwinInbound,
        Kind::NotApproved,
        Kind::OptedOut,
        Kind::TooLarge,
        Kind::UnsupportedType,
        Kind::Invalid,
        Kind::UnknownLine,
        Kind::UnknownFlow,
        Kind::LineMissing,
        Kind::FlowMissing,
        Kind::TooManyTries,
        Kind::Damaged,
        Kind::Panicked,
        Kind::BotFailed,
        Kind::Starting,
        Kind::Overloaded,
        Kind::Unavailable,
        Kind::NoAnswer,
    ];

    /// Code, slug and title. The HTTP status is the code without its last two digits.
    const fn row(self) -> (u32, &'static str, &'static str) {
        match self {
            Kind::NotJson => (40001, "not-json", "The body is not JSON"),
            Kind::BadRequest => (40002, "bad-request", "The request cannot be read"),
            Kind::AmbiguousLength => (40003, "ambiguous-length", "The length of the body is told in two ways"),
            Kind::BadField => (40005, "bad-field", "A field of the form is not right"),
            Kind::BadWebhook => (40004, "bad-webhook", "The webhook cannot be read"),
            Kind::Unauthorized => (40101, "unauthorized", "The token is missing or unknown"),
            Kind::Unproved => (40102, "unproved", "The webhook does not prove where it comes from"),
            Kind::Forbidden => (40301, "forbidden", "The token does not allow this"),
            Kind::ForeignOrigin => (40302, "foreign-origin", "A web page of another origin may not ask this"),
            Kind::WrongWord => (40303, "wrong-word", "The word of the handshake is not the line's"),
            Kind::NotFound => (40401, "not-found", "No such path"),
            Kind::UnknownConversation => (40402, "unknown-conversation", "No such conversation"),
            Kind::NoWebhooks => (40403, "no-webhooks", "The line takes no provider webhooks"),
            Kind::UnknownRecord => (40404, "unknown-record", "No such inbound or outbound"),
            Kind::MethodNotAllowed => (40501, "method-not-allowed", "No such method on this path"),
            Kind::BodyTimeout => (40801, "body-timeout", "The body did not come in time"),
            Kind::AliasTaken => (40901, "alias-taken", "The number belongs to another conversation"),
            Kind::OtherLine => (40902, "other-line", "The conversation is on another line"),
            Kind::Impossible => (40903, "impossible", "It cannot be done in this state"),
            Kind::OptedOut => (40904, "opted-out", "The person has opted out"),
            Kind::TwinInbound => (40905, "twin-inbound", "A person could not tell two inbounds apart"),
            Kind::NotApproved => (40906, "not-approved", "The outbound may not be sent"),
            Kind::TooLarge => (41301, "too-large", "The body is too large"),
            Kind::UnsupportedType => (41501, "unsupported-type", "The body is of a type that is not read here"),
            Kind::Invalid => (42201, "invalid", "The JSON is not what is taken here"),
            Kind::UnknownLine => (42202, "unknown-line", "No such line"),
            Kind::UnknownFlow => (42203, "unknown-flow", "No such flow"),
            Kind::LineMissing => (42204, "line-missing", "The line is not named"),
            Kind::FlowMissing => (42205, "flow-missing", "The flow is not named"),
            Kind::TooManyTries => (42901, "too-many-tries", "Too many tries with wrong tokens"),
            Kind::Damaged => (50001, "damaged", "A stored record cannot be read"),
            Kind::Panicked => (50002, "panicked", "The request met a mistake of the program"),
            Kind::BotFailed => (50201, "bot-failed", "The bot did not take the webhook"),
            Kind::Starting => (50301, "starting", "The daemon is starting"),
            Kind::Overloaded => (50302, "overloaded", "Too much at once"),
            Kind::Unavailable => (50303, "unavailable", "Nothing can be kept now"),
            Kind::NoAnswer => (50304, "no-answer", "The engine did not answer in time"),
        }
    }

    /// The number that programs tell problems apart by.
    #[must_use]
    pub const fn code(self) -> u32 {
        self.row().0
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        (self.row().0 / 100) as u16
    }

    /// The word in `type`, after `urn:reengaged:`.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        self.row().1
    }

    /// The same sentence for every problem of the kind.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// Seconds after which the same request may succeed, where waiting is what helps.
    #[must_use]
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Kind::Starting | Kind::Overloaded | Kind::TooManyTries | Kind::NoAnswer => Some(1),
            Kind::Unavailable => Some(5),
            _ => None,
        }
    }
}

/// A problem, as the body tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// What kind.
    pub kind: Kind,
    /// One line: what was being done, to what, the value, and what would be right.
    pub message: Cow<'static, str>,
    /// The key of the request that it lies in; empty where it lies in none.
    pub field: Cow<'static, str>,
}

impl Problem {
    /// A problem of this kind.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Problem {
        Problem { kind, message: message.into(), field: Cow::Borrowed("") }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", &self.kind.status())?;
        map.serialize_entry("type", &format_args!("urn:reengaged:{}", self.kind.slug()))?;
        map.serialize_entry("title", self.kind.title())?;
        map.serialize_entry("code", &self.kind.code())?;
        map.serialize_entry("message", &*self.message)?;
        if !self.field.is_empty() {
            map.serialize_entry("field", &*self.field)?;
        }
        map.end()
    }
}

impl From<BadEvent> for Problem {
    fn from(bad: BadEvent) -> Problem {
        let kind = match bad.kind {
            BadKind::NotJson => Kind::NotJson,
            BadKind::Invalid => Kind::Invalid,
            BadKind::TooLarge => Kind::TooLarge,
        };
        Problem { kind, message: Cow::Owned(bad.message), field: Cow::Borrowed(bad.field) }
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Problem {
        let (kind, field) = match &rejected {
            Rejected::UnknownConversation(_) => (Kind::UnknownConversation, "conversation"),
            Rejected::LineMissing(_) => (Kind::LineMissing, "line"),
            Rejected::UnknownLine(..) => (Kind::UnknownLine, "line"),
            Rejected::UnknownFlow(..) => (Kind::UnknownFlow, "flow"),
            Rejected::FlowMissing(_) => (Kind::FlowMissing, "flow"),
            Rejected::OtherLine(..) => (Kind::OtherLine, "line"),
            Rejected::AliasTaken(_) => (Kind::AliasTaken, "to"),
            Rejected::OptedOut => (Kind::OptedOut, ""),
            Rejected::Impossible(_) => (Kind::Impossible, ""),
            Rejected::Outdated | Rejected::Overloaded | Rejected::NotYet => (Kind::Overloaded, ""),
            Rejected::Unavailable(_) => (Kind::Unavailable, ""),
            Rejected::Damaged(_) => (Kind::Damaged, ""),
        };
        // What broke in the store is for the log and the operator, not for whoever asks.
        let message = match &rejected {
            Rejected::Unavailable(_) => Cow::Borrowed("nothing can be kept now, and nothing of this was; send it again later"),
            Rejected::Damaged(_) => Cow::Borrowed("a stored record of this conversation cannot be read; the daemon's log says which"),
            other => Cow::Owned(discreet::numbers(&other.to_string())),
        };
        Problem { kind, message, field: Cow::Borrowed(field) }
    }
}

/// A problem as the guide's API tells one: `code` is 10000 and the status; what else there is to tell stands beside it.
#[derive(Clone, Copy, Debug)]
pub struct GuideShape<'a>(pub &'a Problem);

impl Serialize for GuideShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Problem { kind, message, field } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", &(10_000 + u32::from(kind.status())))?;
        map.serialize_entry("http_code", &kind.status())?;
        map.serialize_entry("message", &**message)?;
        if !field.is_empty() {
            map.serialize_entry("field", &**field)?;
        }
        map.serialize_entry("type", &format_args!("urn:reengaged:{}", kind.slug()))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_kind_has_its_own_code_and_slug() {
        let codes: HashSet<u32> = Kind::ALL.iter().map(|k| k.code()).collect();
        let slugs: HashSet<&str> = Kind::ALL.iter().map(|k| k.slug()).collect();
        assert_eq!((codes.len(), slugs.len()), (Kind::ALL.len(), Kind::ALL.len()));
        for kind in Kind::ALL {
            assert!((400..=503).contains(&kind.status()), "{kind:?}");
            assert!(kind.status() == 503 || kind.status() == 429 || kind.retry_after().is_none(), "{kind:?}");
        }
    }

    #[test]
    fn a_problem_prints_in_this_order() {
        let problem = Problem::from(Rejected::UnknownLine("x".into(), vec!["support".into()]));
        assert_eq!(
            serde_json::to_string(&problem).unwrap(),
            r#"{"status":422,"type":"urn:reengaged:unknown-line","title":"No such line","code":42202,"message":"line: no line \"x\"; there are support","field":"line"}"#
        );
    }

    #[test]
    fn what_broke_inside_is_not_told_outside() {
        for rejected in [Rejected::Unavailable("/var/lib/x: ENOSPC".into()), Rejected::Damaged("tree 7, key 00ff".into())] {
            let message = Problem::from(rejected).message;
            assert!(!message.contains("/var") && !message.contains("00ff"), "{message}");
        }
    }
}
