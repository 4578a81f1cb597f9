//! Taking events in: which conversation, seen before, by which rules, and what the details learn.
//!
//! Crash story: nothing here is acknowledged; the answer leaves with the group once its changes are durable. A crash before
//! that loses the event and its acknowledgement together, and the source sends it again.

use tokio::sync::oneshot;

use crate::conversation::{Choice, Event, Finish, Ignored, Policy, State, answer, clamped};
use crate::engine::core::{Context, Engine, InHand};
use crate::engine::group::Answers;
use crate::engine::ports::Fault;
use crate::engine::record::{Change, Delta, Details};
use crate::engine::request::{Answer, Inbound, Rejected, What, Who};
use crate::engine::tables::Identities;
use crate::engine::template;
use crate::id::{AliasKey, ConversationId, EventKey, PersonKey};
use crate::moment::Moment;
use crate::schedule::SkipReason;

/// What an event's source calls it.
struct Identity {
    key: Option<EventKey>,
    duplicate: bool,
}

impl Engine {
    /// Takes events in; their answers wait for the disk.
    pub fn take(&mut self, now: Moment, events: &[Inbound], reply: oneshot::Sender<Answers>) {
        let answers = events.iter().map(|event| self.take_one(now, event)).collect();
        self.pending().answers.push((reply, answers));
    }

    /// Takes one event in. The answer may be given only once the group that this event belongs to is durable.
    ///
    /// # Errors
    /// [`Rejected`], with nothing kept.
    pub fn take_one(&mut self, now: Moment, event: &Inbound) -> Result<Answer, Rejected> {
        let answer = match &self.failed {
            Some(why) => Err(Rejected::Unavailable(why.clone())),
            None => self.decide(now, event),
        };
        match &answer {
            Ok(answer) => {
                *self.counters.events.entry(event.what.kind()).or_default() += 1;
                if let Some(ignored) = answer.ignored {
                    *self.counters.ignored.entry(ignored.as_str()).or_default() += 1;
                }
            }
            Err(_) => self.counters.rejected += 1,
        }
        answer
    }

    fn decide(&mut self, now: Moment, event: &Inbound) -> Result<Answer, Rejected> {
        let (mut in_hand, mut aliases) = self.resolve(event)?;
        let identity = self.identify(event, in_hand.id);
        let not_deduplicated = event.id.is_none() && event.at.is_none();
        if identity.duplicate {
            let known = Answer::of(in_hand.id, &in_hand.state);
            return Ok(Answer { ignored: Some(Ignored::Duplicate), not_deduplicated, ..known });
        }
        self.change_flow(&mut in_hand, now, event)?;
        self.recognise(&mut in_hand, event, now);
        let at = clamped(event.at.unwrap_or(now), now);
        let mut deltas = details_learnt(event);
        if let Some(to) = &event.to {
            aliases.push(self.keys.alias_on(&self.names.name(in_hand.line), to));
        }
        let machine_event = self.machine_event(&in_hand, event, at)?;
        if let (What::Question(question), Event::Question { at, .. }) = (&event.what, machine_event)
            && in_hand.state.passes_over(at).is_none()
        {
            deltas.push(Delta::Asked(question.clone()));
        }
        let id = in_hand.id;
        // Before the change that carries the event's identity: of what a crash leaves, that one is the last.
        self.spread_opt_out(&in_hand, event, &machine_event, at, now)?;
        if let Some(key) = identity.key {
            self.identities.note(key, Identities::day(now));
        }
        let context = Context { identity: identity.key, deltas, aliases, ledger: None };
        let step = self.step_and_keep(in_hand, &machine_event, now, context);
        Ok(Answer { ignored: step.ignored, not_deduplicated, ..Answer::of(id, &step.state) })
    }

    /// The conversation that an event speaks of, and the names under which it is to be found from now on.
    fn resolve(&mut self, event: &Inbound) -> Result<(InHand, Vec<AliasKey>), Rejected> {
        let mut aliases = Vec::new();
        let known = match &event.who {
            Who::Id(id) => Some(self.in_hand(*id).map_err(damaged)?.ok_or_else(|| Rejected::UnknownConversation(id.to_string()))?),
            Who::Caller(name) => self.by_caller(name)?,
            Who::Person(_) | Who::Named(_) | Who::Message => None,
        };
        let line_named = match &event.line {
            Some(line) if !self.book.lines.contains_key(line.as_str()) => {
                return Err(Rejected::UnknownLine(line.clone(), self.line_names()));
            }
            line => line.clone(),
        };
        if let Some(in_hand) = known {
            let line = self.names.name(in_hand.line);
            if let Some(named) = line_named.filter(|named| **named != *line) {
                return Err(Rejected::OtherLine(line.to_string(), named));
            }
            if let Some(to) = &event.to
                && let Some(other) = self.by_number(&line, to)?
                && other != in_hand.id
            {
                return Err(Rejected::AliasTaken(other));
            }
            return Ok((in_hand, aliases));
        }
        let Who::Caller(name) = &event.who else { return Err(Rejected::UnknownConversation(String::new())) };
        if !begins(&event.what) {
            return Err(Rejected::UnknownConversation(name.clone()));
        }
        let line = line_named.map_or_else(|| self.only_line(), Ok)?;
        if let Some(to) = &event.to
            && let Some(known) = self.by_number(&line, to)?
            && let Some(in_hand) = self.in_hand(known).map_err(damaged)?
        {
            // The same person on the same line: one conversation, under one more name.
            aliases.push(self.keys.alias_of_caller(name));
            return Ok((in_hand, aliases));
        }
        let flow = self.flow_of(&line, event.flow.as_deref())?;
        let id = self.keys.conversation(name);
        let opted_out = self.persons(id, event.to.as_deref()).iter().any(|person| self.opted_out.contains_key(person));
        let state = State::new(id, opted_out);
        let (line, flow) = (self.number(&line), self.number(&flow));
        Ok((InHand { id, line, flow, state }, aliases))
    }

    pub(super) fn by_caller(&mut self, name: &str) -> Result<Option<InHand>, Rejected> {
        let id = self.keys.conversation(name);
        if let Some(in_hand) = self.in_hand_hot(id) {
            return Ok(Some(in_hand));
        }
        self.apply();
        let alias = self.store.alias(self.keys.alias_of_caller(name)).map_err(damaged)?;
        self.in_hand(alias.unwrap_or(id)).map_err(damaged)
    }

    fn by_number(&mut self, line: &str, to: &str) -> Result<Option<ConversationId>, Rejected> {
        self.apply();
        self.store.alias(self.keys.alias_on(line, to)).map_err(damaged)
    }

    pub(super) fn flow_names(&self) -> Vec<String> {
        self.book.flows.iter().map(ToString::to_string).collect()
    }

    pub(super) fn line_names(&self) -> Vec<String> {
        self.book.lines.keys().map(ToString::to_string).collect()
    }

    fn only_line(&self) -> Result<String, Rejected> {
        match self.book.lines.keys().next() {
            Some(line) if self.book.lines.len() == 1 => Ok(line.to_string()),
            _ => Err(Rejected::LineMissing(self.line_names())),
        }
    }

    fn flow_of(&self, line: &str, named: Option<&str>) -> Result<String, Rejected> {
        let own = || self.book.lines.get(line).and_then(|l| l.flow.as_ref()).map(ToString::to_string);
        let only = || self.book.flows.first().filter(|_| self.book.flows.len() == 1).map(ToString::to_string);
        match named {
            Some(flow) if self.book.policy(line, flow).is_none() => Err(Rejected::UnknownFlow(flow.to_owned(), self.flow_names())),
            Some(flow) => Ok(flow.to_owned()),
            None => own().or_else(only).ok_or_else(|| Rejected::FlowMissing(line.to_owned())),
        }
    }

    fn identify(&self, event: &Inbound, id: ConversationId) -> Identity {
        let key = match (&event.id, event.at) {
            (Some(given), _) => Some(self.keys.event(given)),
            (None, Some(at)) => {
                let question = match &event.what {
                    What::Question(question) => question.id.as_str(),
                    _ => "",
                };
                Some(self.keys.event_by_content(event.what.kind(), id, at, question))
            }
            (None, None) => None,
        };
        Identity { key, duplicate: key.is_some_and(|key| self.identities.seen(key)) }
    }

    /// Starting another flow ends the present one as superseded.
    fn change_flow(&mut self, in_hand: &mut InHand, now: Moment, event: &Inbound) -> Result<(), Rejected> {
        let Some(named) = event.flow.as_deref().filter(|_| begins(&event.what)) else { return Ok(()) };
        let flow = self.flow_of(&self.names.name(in_hand.line), Some(named))?;
        let flow = self.number(&flow);
        if flow == in_hand.flow {
            return Ok(());
        }
        let at = event.at.unwrap_or(now).min(now);
        if in_hand.state.passes_over(at).is_some() {
            return Ok(());
        }
        if in_hand.state.outcome().is_none() {
            // Ended just before what follows, which is the first event of the new flow.
            let ended = Event::Finish { at: at.plus(-1), how: Finish::Superseded };
            in_hand.state = self.step_and_keep(*in_hand, &ended, now, Context::none()).state;
        }
        in_hand.flow = flow;
        Ok(())
    }

    /// A number that turns out to belong to somebody who opted out.
    fn recognise(&mut self, in_hand: &mut InHand, event: &Inbound, now: Moment) {
        let Some(to) = &event.to else { return };
        if let Some(at) = self.opted_out.get(&self.keys.person(to)).copied()
            && !in_hand.state.opted_out
        {
            in_hand.state = self.step_and_keep(*in_hand, &Event::OptOut { at }, now, Context::none()).state;
        }
    }

    fn machine_event(&mut self, in_hand: &InHand, event: &Inbound, at: Moment) -> Result<Event, Rejected> {
        Ok(match &event.what {
            What::UserMessage(text) => Event::Message { at, typed: answer::read(text) },
            What::Question(_) => Event::Question { at, obstacle: self.obstacle(in_hand, event)? },
            What::Answer(choice) => Event::Answer { at, choice: *choice, silence: None },
            What::Succeeded => Event::Finish { at, how: Finish::Succeeded },
            What::Failed => Event::Finish { at, how: Finish::Failed },
            What::Cancelled => Event::Finish { at, how: Finish::Cancelled },
            What::OptOut => Event::OptOut { at },
            What::OptIn => Event::OptIn { at },
            What::Hold => Event::Hold,
            What::Release => Event::Release,
            What::Postpone(until) => Event::Postpone { until: *until },
            What::SendNow => Event::SendNow,
            What::Tapped(_) | What::Spoke(_) | What::Status(_) | What::Moved(_) => return Err(Rejected::Impossible(String::new())),
        })
    }

    /// Why this person could not be sent a follow-up, as far as is known when it is armed.
    fn obstacle(&mut self, in_hand: &InHand, event: &Inbound) -> Result<Option<SkipReason>, Rejected> {
        let Some(policy) = self.policy(in_hand.line, in_hand.flow) else { return Ok(None) };
        let needs_number = policy.line.recipient && event.to.is_none();
        let needs_vars = (0..policy.ladder()).any(|step| template::has_variables(policy.text(step)));
        if !needs_number && !needs_vars {
            return Ok(None);
        }
        self.apply();
        let mut details = self.store.load(in_hand.id).map_err(damaged)?.map_or_else(Details::default, |(_, details)| details);
        details_learnt(event).iter().for_each(|delta| details.apply(delta));
        Ok(missing(&policy, &details))
    }

    /// An opt-out holds for the person on all lines, and so does taking it back; a number learnt later is the same person's.
    fn spread_opt_out(&mut self, in_hand: &InHand, event: &Inbound, told: &Event, at: Moment, now: Moment) -> Result<(), Rejected> {
        let (id, was) = (in_hand.id, in_hand.state.opted_out);
        let says = match told {
            Event::OptOut { .. } | Event::Message { typed: Some(Choice::Stop), .. } | Event::Answer { choice: Choice::Stop, .. } => {
                Some(true)
            }
            Event::OptIn { .. } => Some(false),
            _ => None,
        };
        let is = says.unwrap_or(was);
        let learnt = is && event.to.as_ref().is_some_and(|to| !self.opted_out.contains_key(&self.keys.person(to)));
        // Said again, it is spread again: of the first time a crash may have left a part.
        if says.is_none() && !learnt {
            return Ok(());
        }
        let to = match &event.to {
            Some(to) => Some(to.clone()),
            None => {
                self.apply();
                self.store.load(id).map_err(damaged)?.map(|(_, details)| details.to).filter(|to| !to.is_empty())
            }
        };
        let since = self.persons(id, None).iter().find_map(|person| self.opted_out.get(person).copied());
        let at = if was && is { since.unwrap_or(at) } else { at };
        self.note_opt_out(id, to.as_deref(), is, at);
        let told = if is { Event::OptOut { at } } else { Event::OptIn { at } };
        let Some(to) = to else { return Ok(()) };
        for line in self.line_names() {
            if let Some(other) = self.by_number(&line, &to)?.filter(|other| *other != id)
                && let Some(in_hand) = self.in_hand(other).map_err(damaged)?
            {
                self.note_opt_out(other, None, is, at);
                self.step_and_keep(in_hand, &told, now, Context::none());
            }
        }
        Ok(())
    }

    fn note_opt_out(&mut self, id: ConversationId, to: Option<&str>, out: bool, at: Moment) {
        for person in self.persons(id, to) {
            if out {
                self.opted_out.entry(person).or_insert(at);
                self.push(Change::OptedOut(person, at));
            } else {
                self.opted_out.remove(&person);
                self.push(Change::OptedIn(person, at));
            }
        }
    }

    /// The person behind a conversation, under every name that an opt-out must be found by: the number where it is known, and the
    /// conversation, which after an erasure may come back without its number.
    fn persons(&self, id: ConversationId, to: Option<&str>) -> Vec<PersonKey> {
        let by_id = self.keys.person(&id.to_string());
        to.map(|to| self.keys.person(to)).into_iter().chain([by_id]).collect()
    }
}

/// Why a follow-up of these rules cannot be put together for a person with these details.
pub(super) fn missing(policy: &Policy, details: &Details) -> Option<SkipReason> {
    if policy.line.recipient && details.to.is_empty() {
        return Some(SkipReason::NoRecipient);
    }
    let lacks = (0..policy.ladder()).any(|step| template::fill(policy.text(step), &details.vars).is_err());
    lacks.then_some(SkipReason::TemplateUnavailable)
}

/// Events that may be the first of a conversation.
fn begins(what: &What) -> bool {
    matches!(what, What::UserMessage(_) | What::Question(_) | What::OptOut | What::OptIn | What::Succeeded | What::Failed | What::Cancelled)
}

fn details_learnt(event: &Inbound) -> Vec<Delta> {
    let mut deltas = Vec::new();
    if let Who::Caller(name) = &event.who {
        deltas.push(Delta::Caller(name.clone()));
    }
    if let Some(to) = &event.to {
        deltas.push(Delta::To(to.clone()));
    }
    if !event.vars.is_empty() {
        deltas.push(Delta::Vars(event.vars.clone()));
    }
    if !event.attributes.is_empty() {
        deltas.push(Delta::Attributes(event.attributes.clone()));
    }
    deltas
}

pub(super) fn damaged(fault: Fault) -> Rejected {
    match fault {
        Fault::Unavailable(why) => Rejected::Unavailable(why),
        Fault::Corrupt(why) => Rejected::Damaged(why),
    }
}
