//! Whom an event speaks of: the conversation of a person, under every name they are known by, and whether they want to hear from us.
//!
//! Not what the event does: that is `ingest.rs`.

use crate::conversation::{Choice, Event, Finish, State};
use crate::engine::core::{Context, Engine, InHand};
use crate::engine::heard::Person;
use crate::engine::ingest::{begins, damaged};
use crate::engine::record::{Change, Delta};
use crate::engine::request::{Inbound, Rejected, Who};
use crate::id::{AliasKey, ConversationId, PersonKey};
use crate::moment::Moment;

/// The conversation that an event speaks of, and what its source knows of the person.
pub(super) struct Found {
    pub(super) in_hand: InHand,
    /// Names under which it is to be found from now on.
    pub(super) aliases: Vec<AliasKey>,
    /// The person's numbers and user ids, as far as the event brings them.
    pub(super) names: Vec<String>,
    /// Other conversations of the line that these lead to.
    pub(super) others: Vec<ConversationId>,
    /// Where to send from now on, where that is new.
    pub(super) to: Option<String>,
}

impl Found {
    fn of(in_hand: InHand) -> Found {
        Found { in_hand, aliases: Vec::new(), names: Vec::new(), others: Vec::new(), to: None }
    }
}

impl Engine {
    /// The conversation that an event speaks of; a new one where the event may begin one.
    pub(super) fn resolve(&mut self, event: &Inbound) -> Result<Found, Rejected> {
        if let Some(line) = event.line.as_ref().filter(|line| !self.book.lines.contains_key(line.as_str())) {
            return Err(Rejected::UnknownLine(line.clone(), self.line_names()));
        }
        match &event.who {
            Who::Id(id) => {
                let known = self.in_hand(*id).map_err(damaged)?;
                self.on_its_line(known.ok_or_else(|| Rejected::UnknownConversation(id.to_string()))?, event)
            }
            Who::Caller(name) => match self.by_caller(name)? {
                Some(known) => self.on_its_line(known, event),
                None => self.new_by_caller(name, event),
            },
            Who::Named(names) => {
                for name in names {
                    if let Some(known) = self.by_caller(name)? {
                        return Ok(Found::of(known));
                    }
                }
                Err(Rejected::UnknownConversation(names.join(", ")))
            }
            Who::Person(person) => self.by_person(person, event),
            Who::Message => Err(Rejected::Impossible("a message speaks of nobody but by its status".to_owned())),
        }
    }

    /// A conversation that is known stays on its line, and its number is nobody else's.
    fn on_its_line(&mut self, in_hand: InHand, event: &Inbound) -> Result<Found, Rejected> {
        if event.line.is_none() && event.to.is_none() {
            return Ok(Found::of(in_hand));
        }
        let line = self.names.name(in_hand.line);
        if let Some(named) = event.line.as_ref().filter(|named| ***named != *line) {
            return Err(Rejected::OtherLine(line.to_string(), named.clone()));
        }
        if let Some(to) = &event.to
            && let Some(other) = self.by_number(&line, to)?
            && other != in_hand.id
        {
            return Err(Rejected::AliasTaken(other));
        }
        Ok(self.with_number(Found::of(in_hand), event))
    }

    fn with_number(&self, found: Found, event: &Inbound) -> Found {
        let Some(to) = &event.to else { return found };
        let mut aliases = found.aliases;
        aliases.push(self.keys.alias_on(&self.names.name(found.in_hand.line), to));
        Found { aliases, names: vec![to.clone()], to: Some(to.clone()), ..found }
    }

    fn new_by_caller(&mut self, name: &str, event: &Inbound) -> Result<Found, Rejected> {
        if !begins(&event.what) {
            return Err(Rejected::UnknownConversation(name.to_owned()));
        }
        let line = event.line.clone().map_or_else(|| self.only_line(), Ok)?;
        let owner = event.to.as_ref().map(|to| self.by_number(&line, to)).transpose()?.flatten();
        if let Some(known) = owner
            && let Some(in_hand) = self.in_hand(known).map_err(damaged)?
        {
            // The same person on the same line: one conversation, under one more name.
            let found = Found { aliases: vec![self.keys.alias_of_caller(name)], ..Found::of(in_hand) };
            return Ok(self.with_number(found, event));
        }
        let id = self.keys.conversation(name);
        let in_hand = self.new_on(id, &line, event.flow.as_deref(), event.to.as_slice())?;
        Ok(self.with_number(Found::of(in_hand), event))
    }

    fn new_on(&mut self, id: ConversationId, line: &str, flow: Option<&str>, names: &[String]) -> Result<InHand, Rejected> {
        let flow = self.flow_of(line, flow)?;
        let opted_out = !self.opted_out.is_empty() && self.persons(id, names).iter().any(|person| self.opted_out.contains_key(person));
        let (line, flow) = (self.number(line), self.number(&flow));
        Ok(InHand { id, line, flow, state: State::new(id, opted_out) })
    }

    /// The conversation of a person whom a provider tells of. The user id goes before the number, which may have had another owner.
    fn by_person(&mut self, person: &Person, event: &Inbound) -> Result<Found, Rejected> {
        let Some(line) = event.line.clone() else { return Err(Rejected::LineMissing(self.line_names())) };
        let names: Vec<String> = [&person.user, &person.phone].into_iter().filter(|name| !name.is_empty()).cloned().collect();
        let Some(first) = names.first() else {
            return Err(Rejected::Impossible("the provider tells neither number nor user id of the person".to_owned()));
        };
        let mut known = Vec::with_capacity(names.len());
        for name in &names {
            known.push(self.by_number(&line, name)?);
        }
        let mut in_hand = None;
        for id in known.iter().flatten() {
            in_hand = in_hand.or(self.in_hand(*id).map_err(damaged)?);
        }
        let in_hand = match in_hand {
            Some(in_hand) => in_hand,
            None if begins(&event.what) => self.new_on(self.keys.conversation_on(&line, first), &line, event.flow.as_deref(), &names)?,
            None => return Err(Rejected::UnknownConversation("the person of this webhook".to_owned())),
        };
        let new: Vec<&String> = names.iter().zip(&known).filter(|(_, id)| **id != Some(in_hand.id)).map(|(name, _)| name).collect();
        let aliases = new.iter().map(|name| self.keys.alias_on(&line, name)).collect();
        let to = if new.is_empty() { None } else { Some(person.address().to_owned()) };
        let mut others: Vec<ConversationId> = known.into_iter().flatten().filter(|id| *id != in_hand.id).collect();
        others.dedup();
        Ok(Found { in_hand, aliases, names, others, to })
    }

    /// Other conversations than this to which names lead on a line.
    pub(super) fn others(&mut self, line: &str, names: &[String], than: ConversationId) -> Result<Vec<ConversationId>, Rejected> {
        let mut others = Vec::new();
        for name in names {
            others.extend(self.by_number(line, name)?.filter(|other| *other != than));
        }
        others.dedup();
        Ok(others)
    }

    /// Other conversations of the line that a person's names lead to: the same person was taken for two. The one in hand goes on, with
    /// what was known and heard in the others; what it learns of them.
    pub(super) fn merge_others(&mut self, found: &mut Found, at: Moment, now: Moment) -> Result<Vec<Delta>, Rejected> {
        let mut learnt = Vec::new();
        for other in std::mem::take(&mut found.others) {
            if let Some(other) = self.in_hand(other).map_err(damaged)? {
                learnt.extend(self.merge(found, other, at, now)?);
            }
        }
        Ok(learnt)
    }

    fn merge(&mut self, found: &mut Found, other: InHand, at: Moment, now: Moment) -> Result<Vec<Delta>, Rejected> {
        let (theirs, ours) = (self.details(other.id)?, self.details(found.in_hand.id)?);
        let mut learnt = Vec::new();
        if !theirs.caller.is_empty() {
            found.aliases.push(self.keys.alias_of_caller(&theirs.caller));
            if ours.caller.is_empty() {
                learnt.push(Delta::Caller(theirs.caller));
            }
        }
        // What the one that goes on says itself counts more.
        learnt.extend([Delta::Vars(theirs.vars), Delta::Vars(ours.vars), Delta::Attributes(theirs.attributes)]);
        learnt.push(Delta::Attributes(ours.attributes));
        learnt.retain(|delta| !matches!(delta, Delta::Vars(pairs) | Delta::Attributes(pairs) if pairs.is_empty()));
        if other.flow == found.in_hand.flow && ours.answers.is_empty() {
            learnt.extend(theirs.answers.into_iter().map(|(question, answer)| Delta::Answered(question, answer)));
        }
        let State { last_inbound, question, begun, .. } = other.state;
        if other.state.outcome().is_none() {
            let ended = Event::Finish { at: at.max(begun), how: Finish::Superseded };
            self.step_and_keep(other, &ended, now, Context::none());
        }
        if other.state.opted_out && !found.in_hand.state.opted_out {
            let at = self.persons(other.id, &[]).iter().find_map(|person| self.opted_out.get(person).copied()).unwrap_or(at);
            self.step_beside(found, &Event::OptOut { at }, now);
        }
        if let Some(at) = last_inbound.filter(|at| found.in_hand.state.last_inbound < Some(*at)) {
            self.step_beside(found, &Event::Message { at, typed: None }, now);
        }
        if let Some(at) = question.filter(|at| found.in_hand.state.passes_over(*at).is_none()) {
            learnt.extend(theirs.question.map(Delta::Asked));
            learnt.extend(theirs.asked_at.map(Delta::AskedAt));
            let obstacle = self.obstacle(&found.in_hand, &learnt)?;
            self.step_beside(found, &Event::Question { at, obstacle }, now);
        }
        Ok(learnt)
    }

    fn step_beside(&mut self, found: &mut Found, event: &Event, now: Moment) {
        found.in_hand.state = self.step_and_keep(found.in_hand, event, now, Context::none()).state;
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

    pub(super) fn by_number(&mut self, line: &str, to: &str) -> Result<Option<ConversationId>, Rejected> {
        self.apply();
        self.store.alias(self.keys.alias_on(line, to)).map_err(damaged)
    }

    /// Names that turn out to belong to somebody who opted out.
    pub(super) fn recognise(&mut self, found: &mut Found, now: Moment) {
        if self.opted_out.is_empty() {
            return;
        }
        let known = found.names.iter().find_map(|name| self.opted_out.get(&self.keys.person(name)).copied());
        if let Some(at) = known.filter(|_| !found.in_hand.state.opted_out) {
            self.step_beside(found, &Event::OptOut { at }, now);
        }
    }

    /// Whether the person opted out later than they took it back: then taking it back changes nothing. (An opt-out counts however
    /// late it arrives: silence is the safer mistake.)
    pub(super) fn is_overruled(&self, found: &Found, told: &Event) -> bool {
        let Event::OptIn { at } = told else { return false };
        let persons = self.persons(found.in_hand.id, &found.names);
        persons.iter().any(|person| self.opted_out.get(person).is_some_and(|known| known > at))
    }

    /// An opt-out holds for the person on all lines, and so does taking it back; a name learnt later is the same person's.
    pub(super) fn spread_opt_out(&mut self, found: &Found, told: &Event, at: Moment, now: Moment) -> Result<(), Rejected> {
        let (id, was) = (found.in_hand.id, found.in_hand.state.opted_out);
        let says_stop = matches!(
            told,
            Event::OptOut { .. } | Event::Message { typed: Some(Choice::Stop), .. } | Event::Answer { choice: Choice::Stop, .. }
        );
        let is = says_stop || (was && !matches!(told, Event::OptIn { .. }));
        let learnt = is && found.names.iter().any(|name| !self.opted_out.contains_key(&self.keys.person(name)));
        // Said again, it is spread again: of the first time a crash may have left a part.
        if !says_stop && !matches!(told, Event::OptIn { .. }) && !learnt {
            return Ok(());
        }
        // The number that is known, also where they spoke under their user id alone.
        let known = Some(self.details(id)?.to).filter(|to| !to.is_empty() && !found.names.contains(to));
        let names: Vec<String> = known.into_iter().chain(found.names.iter().cloned()).collect();
        let since = self.persons(id, &[]).iter().find_map(|person| self.opted_out.get(person).copied());
        let at = match since.filter(|_| was && is) {
            Some(since) if says_stop => at.max(since),
            Some(since) => since,
            None => at,
        };
        let told = if is { Event::OptOut { at } } else { Event::OptIn { at } };
        for (line, name) in self.line_names().iter().flat_map(|line| names.iter().map(move |name| (line, name))) {
            if let Some(other) = self.by_number(line, name)?.filter(|other| *other != id)
                && let Some(in_hand) = self.in_hand(other).map_err(damaged)?
            {
                self.note_opt_out(other, &[], is, at);
                self.step_and_keep(in_hand, &told, now, Context::none());
            }
        }
        // The names that it was learnt by go last: while one of them is missing, it is spread when the event is told again.
        self.note_opt_out(id, &names, is, at);
        Ok(())
    }

    fn note_opt_out(&mut self, id: ConversationId, names: &[String], out: bool, at: Moment) {
        for person in self.persons(id, names) {
            if out {
                // The latest word counts, so that no older one takes it back.
                let at = self.opted_out.get(&person).map_or(at, |known| at.max(*known));
                self.opted_out.insert(person, at);
                self.push(Change::OptedOut(person, at));
            } else {
                self.opted_out.remove(&person);
                self.push(Change::OptedIn(person, at));
            }
        }
    }

    /// The person behind a conversation, under every name that an opt-out must be found by: the number where it is known, and the
    /// conversation, which after an erasure may come back without its number.
    fn persons(&self, id: ConversationId, names: &[String]) -> Vec<PersonKey> {
        let by_id = self.keys.person(&id.to_string());
        names.iter().map(|name| self.keys.person(name)).chain([by_id]).collect()
    }
}
