//! The answers of the engine as JSON, with the names of the interface.
//!
//! Not the routes: which answer goes where, and with which status, is in `http/`.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::conversation::{Form, Report};
use crate::engine::request::{Action, Answer, DeadLetter, Doubt, Late, Standing, StoppedLine, Upcoming, Who};
use crate::moment::Moment;

/// A [`Moment`] as RFC 3339.
#[derive(Clone, Copy)]
pub(crate) struct Instant(pub(crate) Moment);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The word of an action: `none`, `message`, `template` or `skip`, as in plans.
#[must_use]
pub fn action_word(action: Action) -> &'static str {
    match action {
        Action::None => "none",
        Action::Send(Form::Message) => "message",
        Action::Send(Form::Template) => "template",
        Action::Skip(_) => "skip",
    }
}

/// The answer to an event, told to whoever brought it: under the name that they gave the conversation.
#[derive(Debug)]
pub struct Answered<'a> {
    /// The conversation, as the event named it.
    pub who: &'a Who,
    /// The answer.
    pub answer: &'a Answer,
}

impl Serialize for Answered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let answer = self.answer;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", &200)?;
        match self.who {
            Who::Caller(name) => map.serialize_entry("conversation", name)?,
            Who::Id(id) => map.serialize_entry("conversation", &format_args!("{id}"))?,
            // Answers to webhooks are told to nobody.
            Who::Person(_) | Who::Named(_) | Who::Message => {}
        }
        map.serialize_entry("conversation_id", &format_args!("{}", answer.conversation))?;
        map.serialize_entry("state", answer.state.as_str())?;
        if let Some(outcome) = answer.outcome() {
            map.serialize_entry("outcome", outcome.as_str())?;
        }
        if answer.held {
            map.serialize_entry("held", &true)?;
        }
        map.serialize_entry("action", action_word(answer.action))?;
        if let Action::Skip(reason) = answer.action {
            map.serialize_entry("reason", reason.as_str())?;
        }
        map.serialize_entry("due_at", &answer.due_at.map(Instant))?;
        map.serialize_entry("episode", &answer.episode)?;
        if let Some(ignored) = answer.ignored {
            map.serialize_entry("ignored", ignored.as_str())?;
        }
        if answer.not_deduplicated {
            map.serialize_entry("not_deduplicated", &true)?;
        }
        map.end()
    }
}

/// A send in doubt.
#[derive(Debug)]
pub struct DoubtShape<'a>(pub &'a Doubt);

impl Serialize for DoubtShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let doubt = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("send", &format_args!("{}", doubt.send))?;
        match doubt.caller.as_str() {
            "" => map.serialize_entry("conversation", &format_args!("{}", doubt.conversation))?,
            name => map.serialize_entry("conversation", name)?,
        }
        map.serialize_entry("conversation_id", &format_args!("{}", doubt.conversation))?;
        map.serialize_entry("line", &*doubt.line)?;
        map.serialize_entry("since", &Instant(doubt.since))?;
        map.serialize_entry("open", &doubt.open)?;
        map.end()
    }
}

/// Follow-ups of an hour on a line.
#[derive(Debug)]
pub struct UpcomingShape<'a>(pub &'a Upcoming);

impl Serialize for UpcomingShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("hour", &Instant(self.0.hour))?;
        map.serialize_entry("line", &*self.0.line)?;
        map.serialize_entry("count", &self.0.count)?;
        map.serialize_entry("late", &self.0.late)?;
        map.end()
    }
}

/// A follow-up that cannot go out in time.
#[derive(Debug)]
pub struct LateShape<'a>(pub &'a Late);

impl Serialize for LateShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let late = self.0;
        let mut map = serializer.serialize_map(Some(5))?;
        match late.caller.as_str() {
            "" => map.serialize_entry("conversation", &format_args!("{}", late.conversation))?,
            name => map.serialize_entry("conversation", name)?,
        }
        map.serialize_entry("conversation_id", &format_args!("{}", late.conversation))?;
        map.serialize_entry("line", &*late.line)?;
        map.serialize_entry("due_at", &Instant(late.due))?;
        map.serialize_entry("not_after", &Instant(late.not_after))?;
        map.end()
    }
}

/// What holds sending.
#[derive(Debug)]
pub struct StandingShape<'a>(pub &'a Standing);

impl Serialize for StandingShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("paused", &self.0.paused)?;
        map.serialize_entry("stopped", &StoppedShape::all(self.0))?;
        map.serialize_entry("held", &self.0.held)?;
        map.serialize_entry("failed", &self.0.failed)?;
        map.end()
    }
}

/// A line that has stopped by itself.
#[derive(Debug)]
pub struct StoppedShape<'a>(&'a StoppedLine);

impl StoppedShape<'_> {
    /// All of them.
    #[must_use]
    pub fn all(standing: &Standing) -> Vec<StoppedShape<'_>> {
        standing.stopped.iter().map(StoppedShape).collect()
    }
}

impl Serialize for StoppedShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("line", &self.0.line)?;
        map.serialize_entry("why", &self.0.why)?;
        map.serialize_entry("since", &Instant(self.0.since))?;
        map.end()
    }
}

/// A dead letter of a hook.
#[derive(Debug)]
pub struct DeadShape<'a>(pub &'a DeadLetter);

impl Serialize for DeadShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let DeadLetter { hook, record, since } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("seq", &record.seq)?;
        map.serialize_entry("hook", &**hook)?;
        map.serialize_entry("type", record.report.kind())?;
        if let Report::Skipped(reason) = record.report {
            map.serialize_entry("reason", reason.as_str())?;
        }
        match &record.outbound {
            Some(news) => map.serialize_entry("outbound_id", &*news.id)?,
            None => {
                map.serialize_entry("conversation_id", &format_args!("{}", record.conversation))?;
                map.serialize_entry("episode", &record.episode)?;
                map.serialize_entry("step", &record.step)?;
            }
        }
        if let Some(send) = record.send {
            map.serialize_entry("send", &format_args!("{send}"))?;
        }
        map.serialize_entry("at", &Instant(record.at))?;
        map.serialize_entry("dead_since", &Instant(*since))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Ignored, Outcome, Phase};
    use crate::id::ConversationId;
    use crate::schedule::SkipReason;

    #[test]
    fn an_answer_keeps_the_names_of_the_interface() {
        let answer = Answer {
            conversation: ConversationId(1),
            state: Phase::Waiting,
            held: false,
            action: Action::Send(Form::Message),
            due_at: Some(Moment(1_772_400_000_000)),
            episode: 2,
            ignored: None,
            not_deduplicated: false,
        };
        let who = Who::Caller("alice".into());
        assert_eq!(
            serde_json::to_string(&Answered { who: &who, answer: &answer }).unwrap(),
            r#"{"status":200,"conversation":"alice","conversation_id":"cnv_00000000000000000000000001","state":"waiting","action":"message","due_at":"2026-03-01T21:20:00.000Z","episode":2}"#
        );
        let ignored = Answer {
            state: Phase::Finished(Outcome::Declined),
            held: true,
            action: Action::Skip(SkipReason::OptedOut),
            due_at: None,
            ignored: Some(Ignored::Stale),
            not_deduplicated: true,
            ..answer
        };
        let who = Who::Id(ConversationId(1));
        assert_eq!(
            serde_json::to_string(&Answered { who: &who, answer: &ignored }).unwrap(),
            r#"{"status":200,"conversation":"cnv_00000000000000000000000001","conversation_id":"cnv_00000000000000000000000001","state":"finished","outcome":"declined","held":true,"action":"skip","reason":"opted_out","due_at":null,"episode":2,"ignored":"stale","not_deduplicated":true}"#
        );
    }
}
