//! Messages of our own accord: invitations to a flow, and notifications. Each is a send like any other, claimed and settled in
//! `fire.rs`; here it is begun.
//!
//! Not their approval, and not whether the person has agreed to be written to: whoever asks has made sure of both.
//!
//! Crash story: one change begins the conversation and carries the identity. Nothing goes out before that is durable; asked for
//! again under the same identity, nothing is begun twice.

use crate::conversation::{Event, Finish, Ignored, Purpose, State};
use crate::engine::core::{Context, Engine, InHand};
use crate::engine::ingest::damaged;
use crate::engine::record::{Delta, Outgoing};
use crate::engine::request::{Answer, Invitation, Rejected};
use crate::id::{ConversationId, EventKey};
use crate::limits;
use crate::moment::Moment;
use crate::schedule::SkipReason;

impl Engine {
    /// Invites a person to a flow, or notifies them. An invitation begins a new run: the one before ends as superseded.
    ///
    /// # Errors
    /// [`Rejected`], with nothing kept: the line or flow is unknown or cannot do it, the template may not be sent, the person has
    /// opted out.
    pub fn invite(&mut self, invitation: &Invitation, now: Moment) -> Result<Answer, Rejected> {
        let Invitation { line, flow, phone, outgoing, id } = invitation;
        let Some(rules) = self.book.lines.get(line.as_str()) else {
            return Err(Rejected::UnknownLine(line.clone(), self.line_names()));
        };
        if !rules.capabilities.template {
            return Err(Rejected::Impossible(format!("line {line:?} cannot send templates")));
        }
        let identity = id.as_ref().map(|id| self.keys.event(&format!("outbound {line} {id}")));
        match flow {
            Some(flow) => self.invite_to(line, flow, (phone, outgoing), identity, now),
            None => self.notify(line, (phone, outgoing), (identity, id.as_deref()), now),
        }
    }

    fn invite_to(
        &mut self,
        line: &str,
        flow: &str,
        (phone, outgoing): (&str, &Outgoing),
        identity: Option<EventKey>,
        now: Moment,
    ) -> Result<Answer, Rejected> {
        let flow = self.flow_of(line, Some(flow))?;
        let known = match self.by_number(line, phone)? {
            Some(id) => self.in_hand(id).map_err(damaged)?,
            None => None,
        };
        let id = known.map_or_else(|| self.keys.conversation_on(line, phone), |known| known.id);
        let (line_id, flow_id) = (self.number(line), self.number(&flow));
        let mut in_hand = known.unwrap_or(InHand { id, line: line_id, flow: flow_id, state: State::new(id, false) });
        if let Some(known) = self.known_already(identity, &in_hand) {
            return Ok(known);
        }
        self.may_be_sent(&in_hand, line, phone, outgoing)?;
        if in_hand.state.started && in_hand.state.outcome().is_none() {
            let ended = Event::Finish { at: now.plus(-1).max(in_hand.state.begun), how: Finish::Superseded };
            in_hand.state = self.step_and_keep(in_hand, &ended, now, Context::none()).state;
        }
        in_hand.flow = flow_id;
        let deltas = vec![
            Delta::To(phone.to_owned()),
            Delta::Vars(outgoing.vars.clone()),
            Delta::AnswersCleared,
            Delta::Outbound(Some(Box::new(outgoing.clone()))),
        ];
        let aliases = vec![self.keys.alias_on(line, phone)];
        self.note(identity, now);
        let step = self.step_and_keep(in_hand, &Event::Invite { at: now }, now, Context { identity, deltas, aliases, ledger: None });
        Ok(Answer { ignored: step.ignored, not_deduplicated: identity.is_none(), ..Answer::of(id, &step.state) })
    }

    fn notify(
        &mut self,
        line: &str,
        (phone, outgoing): (&str, &Outgoing),
        (identity, name): (Option<EventKey>, Option<&str>),
        now: Moment,
    ) -> Result<Answer, Rejected> {
        let id = match name {
            Some(name) => self.keys.conversation_on(line, &format!("notification {name}")),
            None => self.unused(line, phone, now)?,
        };
        let (line_id, flow) = (self.number(line), self.number(limits::NOTIFICATION));
        let in_hand = self.in_hand(id).map_err(damaged)?;
        let in_hand = in_hand.unwrap_or(InHand { id, line: line_id, flow, state: State::new(id, false) });
        if let Some(known) = self.known_already(identity, &in_hand) {
            return Ok(known);
        }
        self.may_be_sent(&in_hand, line, phone, outgoing)?;
        // The person's words are not for this conversation, so it has none of their names.
        let deltas = vec![Delta::To(phone.to_owned()), Delta::Outbound(Some(Box::new(outgoing.clone())))];
        self.note(identity, now);
        let context = Context { identity, deltas, aliases: Vec::new(), ledger: None };
        let step = self.step_and_keep(in_hand, &Event::Notify { at: now }, now, context);
        Ok(Answer { ignored: step.ignored, not_deduplicated: identity.is_none(), ..Answer::of(id, &step.state) })
    }

    fn known_already(&self, identity: Option<EventKey>, in_hand: &InHand) -> Option<Answer> {
        let seen = identity.is_some_and(|key| self.identities.seen(key));
        seen.then(|| Answer { ignored: Some(Ignored::Duplicate), ..Answer::of(in_hand.id, &in_hand.state) })
    }

    /// A conversation that does not exist yet, for a notification without an identity.
    fn unused(&mut self, line: &str, phone: &str, now: Moment) -> Result<ConversationId, Rejected> {
        let mut n = 0_u32;
        loop {
            let id = self.keys.conversation_on(line, &format!("notification of {now} to {phone}, {n}"));
            if self.in_hand(id).map_err(damaged)?.is_none() {
                return Ok(id);
            }
            n += 1;
        }
    }

    fn may_be_sent(&self, in_hand: &InHand, line: &str, phone: &str, outgoing: &Outgoing) -> Result<(), Rejected> {
        if in_hand.state.opted_out || self.opted_out.contains_key(&self.keys.person(phone)) {
            return Err(Rejected::OptedOut);
        }
        if self.is_unusable(in_hand, outgoing) {
            let (outbound, template) = (&outgoing.outbound, &outgoing.template);
            return Err(Rejected::Impossible(format!(
                "outbound {outbound}: the provider of line {line:?} has paused or rejected {template:?}"
            )));
        }
        Ok(())
    }

    fn is_unusable(&self, in_hand: &InHand, outgoing: &Outgoing) -> bool {
        self.unusable.contains(&(in_hand.line, outgoing.template.as_str().into()))
    }

    /// What has come between the request and the moment at which an invitation or a notification goes out.
    pub(super) fn blocked(&mut self, in_hand: &InHand) -> Option<SkipReason> {
        if !matches!(in_hand.state.purpose, Purpose::Invite | Purpose::Notify) {
            return None;
        }
        // A record that cannot be read is found so again where the message is put together.
        let details = self.details(in_hand.id).ok()?;
        if self.opted_out.contains_key(&self.keys.person(&details.to)) {
            return Some(SkipReason::OptedOut);
        }
        let unusable = details.outbound.is_some_and(|outgoing| self.is_unusable(in_hand, &outgoing));
        unusable.then_some(SkipReason::TemplateUnavailable)
    }
}
