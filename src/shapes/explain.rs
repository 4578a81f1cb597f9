//! A conversation with its history as JSON: every decision with its reasons, every send, and whether the same would be decided today.
//!
//! Not words for people: the command line makes sentences of this.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::conversation::{Event, Finish, Policy, Purpose, State, Verdict, step};
use crate::engine::record::{Decision, Reach, SendRecord};
use crate::engine::request::View;
use crate::moment::{MINUTE, Moment};
use crate::schedule::{self, Trail, Tzdata};
use crate::shapes::answer::Instant;
use crate::shapes::{story, view};

/// Everything that is known of a conversation.
#[derive(Debug)]
pub struct Explained<'a>(pub &'a View);

impl Serialize for Explained<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let found = self.0;
        let policy = found.policy.as_deref();
        let mut map = serializer.serialize_map(None)?;
        view::standing(&mut map, found)?;
        view::whole(&mut map, found)?;
        map.serialize_entry("tzdata", schedule::TZDATA)?;
        map.serialize_entry("policy", &policy.map(PolicyShape))?;
        map.serialize_entry("decisions", &Decisions { view: found, policy })?;
        map.serialize_entry("sends", &Sends(found))?;
        map.serialize_entry("scenario", &story::of_view(found))?;
        map.end()
    }
}

struct PolicyShape<'a>(&'a Policy);

impl Serialize for PolicyShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("fingerprint", &fingerprint(self.0.fingerprint()))?;
        map.serialize_entry("enable_follow_up", &self.0.rules.enabled)?;
        map.serialize_entry("follow_up_delay", &(self.0.rules.wait / MINUTE))?;
        map.serialize_entry("follow_ups", &self.0.ladder())?;
        map.serialize_entry("expires_after_minutes", &(self.0.expires_after / MINUTE))?;
        map.end()
    }
}

fn fingerprint(number: u64) -> String {
    format!("{number:016x}")
}

struct Decisions<'a> {
    view: &'a View,
    policy: Option<&'a Policy>,
}

impl Serialize for Decisions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let decisions = &self.view.details.decisions;
        let mut list = serializer.serialize_seq(Some(decisions.len()))?;
        for decision in decisions {
            list.serialize_element(&DecisionShape { decision, policy: self.policy })?;
        }
        list.end()
    }
}

struct DecisionShape<'a> {
    decision: &'a Decision,
    policy: Option<&'a Policy>,
}

impl Serialize for DecisionShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let decision = self.decision;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &Instant(decision.now))?;
        map.serialize_entry("event", &EventShape(&decision.event))?;
        map.serialize_entry("before", &Before(&decision.before))?;
        map.serialize_entry("due_at", &decision.due.map(Instant))?;
        map.serialize_entry("reasons", &Reasons(&decision.trail))?;
        map.serialize_entry("fingerprint", &fingerprint(decision.fingerprint))?;
        map.serialize_entry("tzdata", &format_args!("{}", decision.tzdata))?;
        map.serialize_entry("same_as_replay", &same_as_replay(decision, self.policy))?;
        map.end()
    }
}

/// Whether the same rules decide the same today; `None` where the rules or the time zone data are other ones, so that the
/// question has no meaning.
#[must_use]
pub fn same_as_replay(decision: &Decision, policy: Option<&Policy>) -> Option<bool> {
    let policy = policy.filter(|policy| policy.fingerprint() == decision.fingerprint && decision.tzdata == Tzdata::compiled_in())?;
    let again = step(policy, &decision.before, &decision.event, decision.now);
    Some(again.trail == decision.trail && again.state.due == decision.due)
}

/// The state before a decision, as far as it matters to a reader.
struct Before<'a>(&'a State);

impl Serialize for Before<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let state = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("state", state.phase.as_str())?;
        map.serialize_entry("outcome", &state.outcome().map(|o| o.as_str()))?;
        map.serialize_entry("held", &state.held)?;
        map.serialize_entry("opted_out", &state.opted_out)?;
        map.serialize_entry("episode", &state.episode)?;
        map.serialize_entry("episodes_sent", &state.episodes_sent)?;
        map.serialize_entry("step", &state.step)?;
        map.serialize_entry("attempt", &state.attempt)?;
        map.serialize_entry("silence_since", &(state.episode > 0).then_some(Instant(state.silence)))?;
        map.serialize_entry("last_inbound_at", &state.last_inbound.map(Instant))?;
        map.serialize_entry("question_at", &state.question.map(Instant))?;
        map.serialize_entry("handed_over_at", &state.handed_over.map(Instant))?;
        map.serialize_entry("due_at", &state.due.map(Instant))?;
        map.end()
    }
}

struct Reasons<'a>(&'a Trail);

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct One<'a>(&'a schedule::Reason);

        impl Serialize for One<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry("rule", self.0.rule())?;
                map.serialize_entry("at", &Instant(self.0.at()))?;
                map.serialize_entry("because", &format_args!("{}", self.0.because()))?;
                map.end()
            }
        }

        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for reason in self.0.iter() {
            list.serialize_element(&One(reason))?;
        }
        list.end()
    }
}

struct EventShape<'a>(&'a Event);

impl Serialize for EventShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let (kind, at): (&str, Option<Moment>) = match self.0 {
            Event::Message { at, .. } => ("user_message", Some(*at)),
            Event::Answer { at, .. } => ("answer", Some(*at)),
            Event::Question { at, .. } => ("question", Some(*at)),
            Event::Finish { at, how } => (finish_word(*how), Some(*at)),
            Event::Ask { at } => ("ask", Some(*at)),
            Event::Invite { at } => ("invite", Some(*at)),
            Event::Notify { at } => ("notify", Some(*at)),
            Event::Close { at } => ("close", Some(*at)),
            Event::Blocked { .. } => ("blocked", None),
            Event::OptOut { at } => ("opt_out", Some(*at)),
            Event::OptIn { at } => ("opt_in", Some(*at)),
            Event::Hold => ("hold", None),
            Event::Release => ("release", None),
            Event::Postpone { .. } => ("postpone", None),
            Event::SendNow => ("send_now", None),
            Event::Woke => ("woke", None),
            Event::Sent { .. } => ("sent", None),
            Event::Found { .. } => ("found", None),
            Event::Undelivered { .. } => ("undelivered", None),
            Event::Resend => ("resend", None),
            Event::Orphaned => ("orphaned", None),
            Event::PolicyChanged => ("policy_changed", None),
        };
        map.serialize_entry("type", kind)?;
        if let Some(at) = at {
            map.serialize_entry("at", &Instant(at))?;
        }
        match self.0 {
            Event::Message { typed: Some(choice), .. } => map.serialize_entry("typed", choice.as_str())?,
            Event::Answer { choice, .. } => map.serialize_entry("choice", choice.as_str())?,
            Event::Question { obstacle: Some(reason), .. } => map.serialize_entry("obstacle", reason.as_str())?,
            Event::Blocked { reason } => map.serialize_entry("reason", reason.as_str())?,
            Event::Postpone { until } => map.serialize_entry("until", &Instant(*until))?,
            Event::Sent { silence, step, verdict } | Event::Found { silence, step, verdict } => {
                map.serialize_entry("silence_since", &Instant(*silence))?;
                map.serialize_entry("step", step)?;
                verdict_entries(&mut map, *verdict)?;
            }
            Event::Undelivered { silence, step, refusal } => {
                map.serialize_entry("silence_since", &Instant(*silence))?;
                map.serialize_entry("step", step)?;
                map.serialize_entry("reason", refusal.reason().as_str())?;
            }
            _ => {}
        }
        map.end()
    }
}

fn finish_word(how: Finish) -> &'static str {
    match how {
        Finish::Succeeded => "succeeded",
        Finish::Failed => "failed",
        Finish::Cancelled => "cancelled",
        Finish::Superseded => "superseded",
    }
}

fn verdict_entries<M: SerializeMap>(map: &mut M, verdict: Verdict) -> Result<(), M::Error> {
    match verdict {
        Verdict::Accepted(at) => {
            map.serialize_entry("verdict", "accepted")?;
            map.serialize_entry("handed_over_at", &Instant(at))
        }
        Verdict::Busy(millis) => {
            map.serialize_entry("verdict", "busy")?;
            map.serialize_entry("again_after_ms", &millis)
        }
        Verdict::Refused(refusal) => {
            map.serialize_entry("verdict", "refused")?;
            map.serialize_entry("reason", refusal.reason().as_str())
        }
        Verdict::Unknown => map.serialize_entry("verdict", "unknown"),
        Verdict::NotBegun => map.serialize_entry("verdict", "not_begun"),
        Verdict::Stopped => map.serialize_entry("verdict", "line_stopped"),
    }
}

struct Sends<'a>(&'a View);

impl Serialize for Sends<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct One<'a>(&'a SendRecord);

        impl Serialize for One<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let record = self.0;
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("send", &format_args!("{}", record.send))?;
                // What goes out at once is no step of the ladder.
                let purpose = Purpose::of_step(record.step);
                map.serialize_entry("purpose", purpose.as_str())?;
                map.serialize_entry("step", &(purpose == Purpose::FollowUp).then_some(record.step))?;
                map.serialize_entry("outcome", record.outcome.as_str())?;
                map.serialize_entry("reason", &record.outcome.reason().map(|r| r.as_str()))?;
                // How far the message came is known where the provider tells statuses.
                let came = record.outcome.counts_as_sent() || record.reach != Reach::Accepted;
                map.serialize_entry("reached", &came.then(|| record.reach.as_str()))?;
                map.serialize_entry("at", &Instant(record.at))?;
                map.end()
            }
        }

        serializer.collect_seq(self.0.details.sends.iter().map(One))
    }
}
