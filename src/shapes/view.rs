//! A conversation as JSON: the entry of a list and the whole of it.
//!
//! Not its history: that is `explain.rs`.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::conversation::State;
use crate::engine::record::Question;
use crate::engine::request::{Action, Listed, View, action_of, due_of};
use crate::shapes::answer::{Instant, action_word};
use crate::shapes::question::Payload;

/// The entry of a list; with `whole`, everything but the history.
#[derive(Debug)]
pub struct ViewShape<'a> {
    /// The conversation.
    pub view: &'a View,
    /// With the person's number, variables and question.
    pub whole: bool,
}

impl Serialize for ViewShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        standing(&mut map, self.view)?;
        if self.whole {
            whole(&mut map, self.view)?;
        }
        map.end()
    }
}

/// A page of a list.
#[derive(Debug)]
pub struct ListedShape<'a>(pub &'a Listed);

impl Serialize for ListedShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Entries<'a>(&'a [View]);

        impl Serialize for Entries<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut list = serializer.serialize_seq(Some(self.0.len()))?;
                for view in self.0 {
                    list.serialize_element(&ViewShape { view, whole: false })?;
                }
                list.end()
            }
        }

        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("conversations", &Entries(&self.0.conversations))?;
        map.serialize_entry("next", &self.0.next.map(|id| id.to_string()))?;
        map.end()
    }
}

/// Which conversation it is and where it stands: the keys that answers to events have, and a few more.
pub(crate) fn standing<M: SerializeMap>(map: &mut M, view: &View) -> Result<(), M::Error> {
    let state = &view.stored.state;
    match view.details.caller.as_str() {
        "" => map.serialize_entry("conversation", &format_args!("{}", view.stored.id))?,
        name => map.serialize_entry("conversation", name)?,
    }
    map.serialize_entry("conversation_id", &format_args!("{}", view.stored.id))?;
    map.serialize_entry("line", &*view.line)?;
    map.serialize_entry("flow", &*view.flow)?;
    map.serialize_entry("state", state.phase.as_str())?;
    map.serialize_entry("outcome", &state.outcome().map(|o| o.as_str()))?;
    map.serialize_entry("held", &state.held)?;
    map.serialize_entry("in_doubt", &state.in_doubt())?;
    let action = action_of(state);
    map.serialize_entry("action", action_word(action))?;
    if let Action::Skip(reason) = action {
        map.serialize_entry("reason", reason.as_str())?;
    }
    map.serialize_entry("due_at", &due_of(state).map(Instant))?;
    map.serialize_entry("episode", &state.episode)?;
    map.serialize_entry("step", &state.step)?;
    map.serialize_entry("expires_at", &expires(state).map(Instant))
}

fn expires(state: &State) -> Option<crate::moment::Moment> {
    if state.outcome().is_some() { None } else { state.expires }
}

/// The rest of what is known, but for the history.
pub(crate) fn whole<M: SerializeMap>(map: &mut M, view: &View) -> Result<(), M::Error> {
    let (state, details) = (&view.stored.state, &view.details);
    map.serialize_entry("opted_out", &state.opted_out)?;
    map.serialize_entry("attempt", &state.attempt)?;
    map.serialize_entry("episodes_sent", &state.episodes_sent)?;
    map.serialize_entry("silence_since", &(state.episode > 0).then_some(Instant(state.silence)))?;
    map.serialize_entry("last_inbound_at", &state.last_inbound.map(Instant))?;
    map.serialize_entry("handed_over_at", &state.handed_over.map(Instant))?;
    map.serialize_entry("postponed_until", &state.earliest.map(Instant))?;
    map.serialize_entry("wakes_at", &state.wake_at().map(Instant))?;
    map.serialize_entry("ended_at", &state.outcome().and(state.expires).map(Instant))?;
    map.serialize_entry("to", &Some(&details.to).filter(|to| !to.is_empty()))?;
    map.serialize_entry("vars", &Pairs(&details.vars))?;
    map.serialize_entry("attributes", &Pairs(&details.attributes))?;
    map.serialize_entry("answers", &Pairs(&details.answers))?;
    map.serialize_entry("outbound", &details.outbound.as_ref().map(|outgoing| &outgoing.outbound))?;
    map.serialize_entry("question", &details.question.as_ref().map(|question| QuestionShape { question, state }))
}

/// Names and values as an object.
pub(crate) struct Pairs<'a>(pub(crate) &'a [(String, String)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

struct QuestionShape<'a> {
    question: &'a Question,
    state: &'a State,
}

impl Serialize for QuestionShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.question.id)?;
        map.serialize_entry("text", &self.question.text)?;
        map.serialize_entry("payload", &Payload(&self.question.payload))?;
        map.serialize_entry("asked_at", &self.state.question.map(Instant))?;
        map.serialize_entry("unanswered", &self.state.question.is_some())?;
        map.end()
    }
}
