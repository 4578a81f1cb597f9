//! Taking events in: which conversation, seen before, by which rules, and what the details learn.
//!
//! Crash story: nothing here is acknowledged; the answer leaves with the group once its changes are durable. A crash before
//! that loses the event and its acknowledgement together, and the source sends it again.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::conversation::{Choice, Event, Finish, Ignored, Policy, Purpose, answer, clamped};
use crate::engine::asking::Word;
use crate::engine::core::{Context, Engine, InHand};
use crate::engine::group::Answers;
use crate::engine::heard::{Person, Tap};
use crate::engine::identities::Identities;
use crate::engine::people::Found;
use crate::engine::ports::Fault;
use crate::engine::record::{Delta, Details, Question};
use crate::engine::request::{Answer, Inbound, Rejected, What, Who};
use crate::engine::status::Beside;
use crate::engine::template;
use crate::id::{ConversationId, EventKey, SendId};
use crate::limits;
use crate::moment::Moment;
use crate::schedule::SkipReason;

/// What an event's source calls it.
pub(super) struct Identity {
    pub(super) key: Option<EventKey>,
    pub(super) duplicate: bool,
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
        let answer = self.has_room().and_then(|()| self.decide(now, event));
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
        if let What::Status(status) = &event.what {
            return self.take_status(now, event, status);
        }
        let event = &*self.started(event);
        let mut found = self.resolve(event)?;
        let identity = self.identify(event, found.in_hand.id);
        let not_deduplicated = event.id.is_none() && event.at.is_none();
        if identity.duplicate {
            let known = Answer::of(found.in_hand.id, &found.in_hand.state);
            return Ok(Answer { ignored: Some(Ignored::Duplicate), not_deduplicated, ..known });
        }
        let at = clamped(event.at.unwrap_or(now), now);
        if let What::Moved(person) = &event.what {
            return self.take_move(now, at, found, person, identity.key);
        }
        self.change_flow(&mut found.in_hand, now, event)?;
        let mut deltas = self.merge_others(&mut found, at, now)?;
        self.recognise(&mut found, now);
        let (in_hand, id) = (found.in_hand, found.in_hand.id);
        deltas.extend(details_learnt(event, &found));
        let word = self.word(&in_hand, event, at, &deltas)?;
        let machine_event = match &word {
            Word::Moves(event, _) => *event,
            Word::Plain(_) | Word::Beside(_) => self.machine_event(&in_hand, event, at, &deltas)?,
        };
        let overruled = self.is_overruled(&found, &machine_event).then_some(Ignored::Stale);
        let passed = if let Word::Beside(why) = word { Some(why) } else { overruled };
        if let Some(why) = passed {
            self.note(identity.key, now);
            self.keep_beside(&in_hand, now, Beside { identity: identity.key, deltas, aliases: found.aliases, ..Beside::default() });
            return Ok(Answer { ignored: Some(why), not_deduplicated, ..Answer::of(id, &in_hand.state) });
        }
        if let Word::Plain(learnt) | Word::Moves(_, learnt) = word {
            deltas.extend(learnt);
        }
        if let Event::Question { at, .. } = machine_event {
            deltas.extend(self.question_learnt(&in_hand, &event.what, at)?);
        }
        // Before the change that carries the event's identity: of what a crash leaves, that one is the last.
        self.spread_opt_out(&found, &machine_event, at, now)?;
        self.note(identity.key, now);
        let context = Context { identity: identity.key, deltas, aliases: found.aliases, ledger: None };
        let step = self.step_and_keep(in_hand, &machine_event, now, context);
        Ok(Answer { ignored: step.ignored, not_deduplicated, ..Answer::of(id, &step.state) })
    }

    /// A person's message that starts a flow names it.
    fn started<'a>(&self, event: &'a Inbound) -> Cow<'a, Inbound> {
        let What::UserMessage(text) = &event.what else { return Cow::Borrowed(event) };
        let line = event.line.clone().or_else(|| self.only_line().ok());
        let starts = |line: &String| self.inbounds.started_by(line, text).filter(|flow| self.book.policy(line, flow).is_some());
        match line.as_ref().and_then(starts) {
            Some(flow) if event.flow.is_none() => Cow::Owned(Inbound { flow: Some(flow.to_string()), ..event.clone() }),
            _ => Cow::Borrowed(event),
        }
    }

    /// The person is known by other names from now on: the conversation goes with them.
    fn take_move(
        &mut self,
        now: Moment,
        at: Moment,
        mut found: Found,
        person: &Person,
        identity: Option<EventKey>,
    ) -> Result<Answer, Rejected> {
        let line = self.names.name(found.in_hand.line);
        let names = [&person.user, &person.phone].into_iter().filter(|name| !name.is_empty());
        found.names = names.cloned().collect();
        found.others = self.others(&line, &found.names, found.in_hand.id)?;
        let mut deltas = self.merge_others(&mut found, at, now)?;
        self.recognise(&mut found, now);
        let in_hand = found.in_hand;
        let noted = if in_hand.state.opted_out { Event::OptOut { at } } else { Event::Release };
        self.spread_opt_out(&found, &noted, at, now)?;
        let mut aliases = found.aliases;
        aliases.extend(found.names.iter().map(|name| self.keys.alias_on(&line, name)));
        self.note(identity, now);
        if !found.names.is_empty() {
            deltas.push(Delta::To(person.address().to_owned()));
        }
        self.keep_beside(&in_hand, now, Beside { identity, deltas, aliases, ..Beside::default() });
        Ok(Answer::of(in_hand.id, &in_hand.state))
    }

    pub(super) fn flow_names(&self) -> Vec<String> {
        self.book.flows.iter().map(ToString::to_string).collect()
    }

    pub(super) fn line_names(&self) -> Vec<String> {
        self.book.lines.keys().map(ToString::to_string).collect()
    }

    pub(super) fn only_line(&self) -> Result<String, Rejected> {
        match self.book.lines.keys().next() {
            Some(line) if self.book.lines.len() == 1 => Ok(line.to_string()),
            _ => Err(Rejected::LineMissing(self.line_names())),
        }
    }

    pub(super) fn flow_of(&self, line: &str, named: Option<&str>) -> Result<String, Rejected> {
        let own = || self.book.lines.get(line).and_then(|l| l.flow.as_ref()).map(ToString::to_string);
        let only = || self.book.flows.first().filter(|_| self.book.flows.len() == 1).map(ToString::to_string);
        match named {
            Some(flow) if self.book.policy(line, flow).is_none() => Err(Rejected::UnknownFlow(flow.to_owned(), self.flow_names())),
            Some(flow) => Ok(flow.to_owned()),
            None => own().or_else(only).ok_or_else(|| Rejected::FlowMissing(line.to_owned())),
        }
    }

    pub(super) fn identify(&self, event: &Inbound, id: ConversationId) -> Identity {
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

    /// From now on an event of this identity is known when it comes again.
    pub(super) fn note(&mut self, identity: Option<EventKey>, now: Moment) {
        if let Some(key) = identity {
            self.identities.note(key, Identities::day(now));
        }
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

    fn machine_event(&mut self, in_hand: &InHand, event: &Inbound, at: Moment, deltas: &[Delta]) -> Result<Event, Rejected> {
        Ok(match &event.what {
            What::UserMessage(text) => Event::Message { at, typed: self.typed(in_hand, text) },
            What::Media { .. } => Event::Message { at, typed: None },
            What::Question(Question { text, .. }) | What::Spoke(Some(text)) if self.completes(in_hand, text).is_some() => {
                Event::Finish { at, how: self.completes(in_hand, text).unwrap_or(Finish::Succeeded) }
            }
            What::Question(_) | What::Spoke(_) => Event::Question { at, obstacle: self.obstacle(in_hand, deltas)? },
            What::Answer(choice) => Event::Answer { at, choice: *choice, silence: None },
            What::Tapped(tap) => self.tapped(in_hand, tap, at)?,
            What::Succeeded => Event::Finish { at, how: Finish::Succeeded },
            What::Failed => Event::Finish { at, how: Finish::Failed },
            What::Cancelled => Event::Finish { at, how: Finish::Cancelled },
            What::OptOut => Event::OptOut { at },
            What::OptIn => Event::OptIn { at },
            What::Hold => Event::Hold,
            What::Release => Event::Release,
            What::Postpone(until) => Event::Postpone { until: *until },
            What::SendNow => Event::SendNow,
            What::Status(_) | What::Moved(_) => {
                return Err(Rejected::Impossible(format!("{}: not a word of the person", event.what.kind())));
            }
        })
    }

    /// How the process has ended, where the bot's words say so by a rule of its flow.
    fn completes(&self, in_hand: &InHand, said: &str) -> Option<Finish> {
        let rules = !self.book.completions.is_empty();
        rules.then(|| self.book.completion(&self.names.name(in_hand.flow), said))?
    }

    /// What a text says to a follow-up, or to an invitation: an answer as people type it, or what stands on our buttons.
    pub(super) fn typed(&mut self, in_hand: &InHand, text: &str) -> Option<Choice> {
        answer::read(text).or_else(|| {
            // The longest label has twenty characters; a longer text is none.
            let text = Some(text).filter(|text| text.len() <= 4 * limits::LABEL_CHARS).map(answer::fold)?;
            let [yes, no] = self.labels(in_hand)?;
            let on = |label: &str| !text.is_empty() && answer::fold(label) == text;
            if on(&yes) { Some(Choice::Yes) } else { on(&no).then_some(Choice::No) }
        })
    }

    /// What stands on the buttons of the follow-up or the invitation that a person may be answering.
    fn labels(&mut self, in_hand: &InHand) -> Option<[Arc<str>; 2]> {
        if in_hand.state.purpose == Purpose::Invite {
            // A record that cannot be read is told where the event is kept.
            let outgoing = self.details(in_hand.id).ok()?.outbound?;
            return Some([Arc::from(outgoing.yes), Arc::from(outgoing.no)]);
        }
        let policy = self.policy(in_hand.line, in_hand.flow)?;
        Some([Arc::clone(&policy.yes), Arc::clone(&policy.no)])
    }

    /// A tap. Under one of our own sends it is an answer to that send, and known as old where a later silence has begun; under a
    /// message that the bot was seen to send it is an answer to the bot; under anything else it says what stands on it.
    fn tapped(&mut self, in_hand: &InHand, tap: &Tap, at: Moment) -> Result<Event, Rejected> {
        let typed = self.typed(in_hand, &tap.label);
        let send = match (tap.send, &tap.message) {
            (None, Some(message)) => self.send_of(in_hand, message)?,
            (send, _) => send,
        };
        let seen = |id: String| self.identities.seen(self.keys.event(&id));
        let bots = |message: &String| seen(message.clone()) || seen(format!("{message}/spoke"));
        Ok(match (send, tap.choice.or(typed)) {
            (Some(send), Some(choice)) => {
                let present = self.step_in_hand(in_hand, send).is_some();
                let silence = if present { in_hand.state.silence } else { Moment::MIN };
                Event::Answer { at, choice, silence: Some(silence) }
            }
            _ if tap.message.as_ref().is_some_and(bots) => Event::Message { at, typed: typed.filter(|said| *said == Choice::Stop) },
            _ => Event::Message { at, typed },
        })
    }

    /// The step of the present silence whose send this is.
    pub(super) fn step_in_hand(&self, in_hand: &InHand, send: SendId) -> Option<u8> {
        let silence = in_hand.state.silence;
        (0..=limits::STEPS as u8)
            .chain(limits::CLOSE_STEP..=limits::ASK_STEP)
            .find(|step| self.keys.send(in_hand.id, silence, *step) == send)
    }

    /// What the details learn of a question. Where the business was only seen to speak, an unanswered question stays the last one;
    /// where its text comes after the sight of it, the text is taken up.
    fn question_learnt(&mut self, in_hand: &InHand, what: &What, at: Moment) -> Result<Vec<Delta>, Rejected> {
        let state = &in_hand.state;
        let counts = state.passes_over(at).is_none();
        let asked = |question: Question| vec![Delta::Asked(question), Delta::AskedAt(at)];
        Ok(match what {
            What::Question(question) if counts => asked(question.clone()),
            What::Question(question) => {
                // Seen, and not asked by ourselves.
                let seen = state.question.filter(|seen| state.handed_over != Some(*seen));
                let seen = seen.is_some_and(|seen| (0..=limits::DISORDER).contains(&seen.since(at)));
                let newer = seen && self.details(in_hand.id)?.asked_at.is_none_or(|known| at > known);
                if newer { asked(question.clone()) } else { Vec::new() }
            }
            What::Spoke(Some(text)) if counts => {
                let text = text.chars().take(limits::QUESTION_CHARS).collect();
                asked(Question { text, ..Question::default() })
            }
            What::Spoke(_) if counts && state.question.is_none() => vec![Delta::Asked(Question::default())],
            _ => Vec::new(),
        })
    }

    /// Why this person could not be sent a follow-up, as far as is known when it is armed; `learnt` comes with the event.
    pub(super) fn obstacle(&mut self, in_hand: &InHand, learnt: &[Delta]) -> Result<Option<SkipReason>, Rejected> {
        let Some(policy) = self.policy(in_hand.line, in_hand.flow) else { return Ok(None) };
        let needs_number = policy.line.recipient && !learnt.iter().any(|delta| matches!(delta, Delta::To(_)));
        let needs_vars = (0..policy.ladder()).any(|step| template::has_variables(policy.text(step)));
        if !needs_number && !needs_vars {
            return Ok(None);
        }
        let mut details = self.details(in_hand.id)?;
        learnt.iter().for_each(|delta| details.apply(delta));
        Ok(missing(&policy, &details))
    }

    /// The details of a conversation, as they are kept or about to be.
    pub(super) fn details(&mut self, id: ConversationId) -> Result<Details, Rejected> {
        self.apply();
        Ok(self.store.load(id).map_err(damaged)?.map_or_else(Details::default, |(_, details)| details))
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
pub(super) fn begins(what: &What) -> bool {
    use What::{Cancelled, Failed, Media, OptIn, OptOut, Question, Spoke, Succeeded, Tapped, UserMessage};
    matches!(what, UserMessage(_) | Media { .. } | Tapped(_) | Question(_) | Spoke(_) | OptOut | OptIn | Succeeded | Failed | Cancelled)
}

fn details_learnt(event: &Inbound, found: &Found) -> Vec<Delta> {
    let mut deltas = Vec::new();
    if let Who::Caller(name) = &event.who {
        deltas.push(Delta::Caller(name.clone()));
    }
    deltas.extend(found.to.clone().map(Delta::To));
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
