//! What providers tell later of messages: ours, by which a doubt is settled, a delivery noted or a send taken back; and the bot's
//! own, by which it is seen to speak.
//!
//! Not the end of a call: that is `fire.rs`. Order does not matter here: a lower rank after a higher one tells nothing.

use crate::conversation::{Event, Ignored, Phase, Purpose, Refusal, Report, Verdict, clamped};
use crate::engine::core::{Context, Engine, InHand, ended};
use crate::engine::heard::{Fate, Status, Trouble};
use crate::engine::ingest::damaged;
use crate::engine::ports::CallEnd;
use crate::engine::record::{Change, Delta, HookRecord, LedgerEnd, LedgerEntry, Moved, NameId, Reach, Stored};
use crate::engine::request::{Answer, Inbound, Rejected, What, Who};
use crate::id::{AliasKey, ConversationId, EventKey, SendId};
use crate::limits;
use crate::moment::Moment;

/// A status that arrived while a call to its person was under way, which may be the one it speaks of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Early {
    conversation: ConversationId,
    message: AliasKey,
    fate: Fate,
    at: Moment,
}

/// A change of a conversation beside its state.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) identity: Option<EventKey>,
    pub(super) deltas: Vec<Delta>,
    pub(super) aliases: Vec<AliasKey>,
    pub(super) hooks: Vec<HookRecord>,
    pub(super) ledger: Option<LedgerEntry>,
}

impl Engine {
    /// Keeps what is learnt of a conversation whose state does not move.
    pub(super) fn keep_beside(&mut self, in_hand: &InHand, now: Moment, beside: Beside) {
        let InHand { id, line, flow, state } = *in_hand;
        let Beside { identity, deltas, aliases, hooks, ledger } = beside;
        let stored = Stored { id, line, flow, state };
        if state.outcome().is_none() && self.hot.find(id).is_none() {
            self.place(&stored);
        }
        self.push(Change::Moved(Box::new(Moved { stored, identity, now, deltas, aliases, hooks, ledger })));
    }

    /// Under what a message of this line is found by the provider's id.
    pub(super) fn message_key(&self, line: &str, message: &str) -> AliasKey {
        self.keys.alias_on(line, &format!("message {message}"))
    }

    /// The send of a conversation that became this message.
    pub(super) fn send_of(&mut self, in_hand: &InHand, message: &str) -> Result<Option<SendId>, Rejected> {
        let key = self.message_key(&self.names.name(in_hand.line), message);
        Ok(self.details(in_hand.id)?.send_of(key).map(|record| record.send))
    }

    /// Takes in what became of a message.
    pub(super) fn take_status(&mut self, now: Moment, event: &Inbound, status: &Status) -> Result<Answer, Rejected> {
        let at = clamped(event.at.unwrap_or(now), now);
        let Some(line) = event.line.clone() else { return Err(Rejected::LineMissing(self.line_names())) };
        self.apply();
        let message = self.message_key(&line, &status.message);
        let by_send = status.send.and_then(|send| self.store.standing(send)).map(|standing| (standing.conversation, standing.send));
        let ours = match by_send {
            Some(ours) => Some(ours),
            None => match self.store.alias(message).map_err(damaged)? {
                Some(id) => self.details(id)?.send_of(message).map(|record| (id, record.send)),
                None => None,
            },
        };
        if let Some((id, send)) = ours {
            let Some(in_hand) = self.in_hand(id).map_err(damaged)? else {
                return Err(Rejected::UnknownConversation(id.to_string()));
            };
            let identity = self.identify(event, id);
            let known = Answer::of(id, &in_hand.state);
            if identity.duplicate {
                return Ok(Answer { ignored: Some(Ignored::Duplicate), ..known });
            }
            let record = self.details(id)?.send(send).copied();
            let in_call = in_hand.state.phase == Phase::Sending && self.step_in_hand(&in_hand, send) == Some(in_hand.state.step);
            // A send may have become a second message in the place of one that did not arrive: the first is of no interest any
            // more, also while the second has no id yet.
            let present = match record.and_then(|record| record.message) {
                None => true,
                Some(before) if in_call && record.is_some_and(|record| record.reach == Reach::Failed) => before != message,
                Some(present) => present == message,
            };
            if !present {
                return Ok(Answer { ignored: Some(Ignored::Stale), ..known });
            }
            let of_call = self.in_flight.contains_key(&send);
            if let (Fate::Failed(trouble), true) = (status.fate, of_call) {
                // The call has not even ended for us: it is judged when it has, and until then nothing of this is on disk.
                if let Some(call) = self.in_flight.get_mut(&send) {
                    call.failed = Some(trouble);
                }
                return Err(Rejected::NotYet);
            }
            self.note(identity.key, now);
            return self.fate_of_ours(in_hand, send, (status.fate, at), (message, identity.key), now);
        }
        self.fate_of_theirs(now, event, status, message)
    }

    /// What became of one of our sends.
    fn fate_of_ours(
        &mut self,
        in_hand: InHand,
        send: SendId,
        (fate, at): (Fate, Moment),
        (message, identity): (AliasKey, Option<EventKey>),
        now: Moment,
    ) -> Result<Answer, Rejected> {
        let known = self.details(in_hand.id)?.send(send).map_or(Reach::Accepted, |record| record.reach);
        let reach = reach_of(fate);
        let in_call = in_hand.state.phase == Phase::Sending && self.step_in_hand(&in_hand, send) == Some(in_hand.state.step);
        // What was delivered was not lost after all; and what is known already tells nothing.
        if !in_call && reach <= known && reach != Reach::Accepted {
            return Ok(Answer { ignored: Some(Ignored::Stale), ..Answer::of(in_hand.id, &in_hand.state) });
        }
        let step = match fate {
            Fate::Failed(trouble) => return Ok(self.failed_later(in_hand, send, trouble, identity, now)),
            _ if in_call => {
                let (silence, step) = (in_hand.state.silence, in_hand.state.step);
                let verdict = Verdict::Accepted(at);
                self.step_and_keep(in_hand, &Event::Sent { silence, step, verdict }, now, Context::none());
                Some(step)
            }
            _ => match self.in_flight.get_mut(&send).filter(|call| !call.proved) {
                // The person spoke while the call was under way, and the provider is quicker than its answer, which adds nothing more.
                Some(call) => {
                    call.proved = true;
                    let step = call.step;
                    let ledger = self.store.standing(send).map(|standing| ended(&standing, now, LedgerEnd::Accepted));
                    self.settle_late(in_hand, (send, step), Verdict::Accepted(at), Beside { ledger, ..Beside::default() }, now);
                    Some(step)
                }
                None => {
                    self.settle_ledger(send, LedgerEnd::Accepted, now);
                    self.step_in_hand(&in_hand, send)
                }
            },
        };
        let in_hand = self.in_hand(in_hand.id).map_err(damaged)?.unwrap_or(in_hand);
        let news =
            known < Reach::Delivered && reach >= Reach::Delivered && step.is_none_or(|step| Purpose::of_step(step) == Purpose::FollowUp);
        let hook =
            if news { self.hook_record(&in_hand, Report::FollowUpDelivered, step.unwrap_or(0), Some(send), None, now) } else { None };
        // Whoever tells of the call before it has ended tells the id of its message too.
        let of_call = in_call || self.in_flight.contains_key(&send);
        let (mut deltas, aliases) = if of_call { (vec![Delta::Handed(send, message)], vec![message]) } else { (Vec::new(), Vec::new()) };
        deltas.push(Delta::Reached(send, reach));
        self.keep_beside(&in_hand, now, Beside { identity, deltas, aliases, hooks: hook.into_iter().collect(), ..Beside::default() });
        Ok(Answer::of(in_hand.id, &in_hand.state))
    }

    /// A doubt of a send whose conversation has gone on: the ledger still wants to know.
    fn settle_ledger(&mut self, send: SendId, end: LedgerEnd, now: Moment) {
        let doubtful = |end: Option<LedgerEnd>| matches!(end, None | Some(LedgerEnd::Unknown));
        if self.in_flight.contains_key(&send) {
            return;
        }
        if let Some(standing) = self.store.standing(send).filter(|standing| doubtful(standing.end)) {
            self.push(Change::Ledger(ended(&standing, now, end)));
        }
    }

    /// The provider says that a send will not arrive, whose call has ended.
    pub(super) fn failed_later(
        &mut self,
        in_hand: InHand,
        send: SendId,
        trouble: Trouble,
        identity: Option<EventKey>,
        now: Moment,
    ) -> Answer {
        let refusal = refusal_of(trouble);
        let ledger = self.store.standing(send).map(|standing| {
            let end = if standing.end == Some(LedgerEnd::Accepted) { LedgerEnd::Undelivered } else { LedgerEnd::Refused };
            ended(&standing, now, end)
        });
        let event = match self.step_in_hand(&in_hand, send) {
            Some(step) if in_hand.state.phase == Phase::Sending && in_hand.state.step == step => {
                Event::Sent { silence: in_hand.state.silence, step, verdict: Verdict::Refused(refusal) }
            }
            Some(step) => Event::Undelivered { silence: in_hand.state.silence, step, refusal },
            None => Event::Undelivered { silence: Moment::MIN, step: 0, refusal },
        };
        let deltas = vec![Delta::Reached(send, Reach::Failed)];
        let step = self.step_and_keep(in_hand, &event, now, Context { deltas, ledger, ..Context::none() });
        if refusal == Refusal::OptedOut {
            self.opt_out(in_hand.id, now);
        }
        self.line_troubled(in_hand.line, trouble, now);
        if let Some(in_hand) = self.in_hand(in_hand.id).ok().flatten().filter(|_| identity.is_some()) {
            // Last, so that whatever a crash loses of this is told again.
            self.keep_beside(&in_hand, now, Beside { identity, ..Beside::default() });
        }
        Answer { ignored: step.ignored, ..Answer::of(in_hand.id, &step.state) }
    }

    /// What a status says of the line counts as if a call had said it.
    pub(super) fn line_troubled(&mut self, line: NameId, trouble: Trouble, now: Moment) {
        match trouble {
            Trouble::ThrottleLine => self.throttle(line, 0, now),
            trouble if trouble.stops() => {
                self.stop_line(line, trouble == Trouble::Account, &format!("a status says {trouble}"), now);
            }
            _ => {}
        }
    }

    /// The provider says that the person wants to hear nothing more.
    pub(super) fn opt_out(&mut self, id: ConversationId, now: Moment) {
        let event = Inbound::of(Who::Id(id), Some(now), What::OptOut);
        // Nobody waits for the answer; a record that cannot be read is told at the next event.
        let _ = self.take_one(now, &event);
    }

    /// A message that is none of ours, or not known to be: the bot is seen to speak, where that is certain.
    fn fate_of_theirs(&mut self, now: Moment, event: &Inbound, status: &Status, message: AliasKey) -> Result<Answer, Rejected> {
        let at = clamped(event.at.unwrap_or(now), now);
        let spoke = Inbound { id: Some(format!("{}/spoke", status.message)), what: What::Spoke(None), ..event.clone() };
        if !matches!(event.who, Who::Person(_)) {
            return Err(Rejected::UnknownConversation("the message of a status".to_owned()));
        }
        let speaks = status.fate == Fate::Sent;
        let probe = if speaks { spoke } else { Inbound { what: What::Release, ..spoke } };
        let in_hand = match self.resolve(&probe) {
            Ok(found) => found.in_hand,
            Err(Rejected::UnknownConversation(_)) if !speaks => {
                return Err(Rejected::UnknownConversation("the message of a status".to_owned()));
            }
            Err(other) => return Err(other),
        };
        let state = &in_hand.state;
        let correlated = self.policy(in_hand.line, in_hand.flow).is_some_and(|policy| policy.line.correlation);
        if !correlated && self.in_flight.values().any(|call| call.conversation == in_hand.id) {
            // It may be the call under way, whose answer has not told its id yet. Whose provider tells it again is understood then.
            if self.early.len() < limits::EARLY_STATUSES {
                self.early.push(Early { conversation: in_hand.id, message, fate: status.fate, at });
            }
            return Err(Rejected::NotYet);
        }
        // Nor does it count as the bot's while it may be ours that nobody knows of: silence is the safer mistake.
        let maybe_ours = !correlated && state.phase == Phase::Answering && state.in_doubt();
        if !speaks || maybe_ours {
            return Ok(Answer { ignored: Some(Ignored::NothingToDo), ..Answer::of(in_hand.id, state) });
        }
        self.take_one(now, &probe)
    }

    /// What arrived early, now that the last call to a person has ended: of its message it counts, of others it is told again.
    pub(super) fn catch_up_on(&mut self, id: ConversationId, send: SendId, message: Option<AliasKey>, now: Moment) {
        let (mine, others) = std::mem::take(&mut self.early).into_iter().partition(|early: &Early| early.conversation == id);
        self.early = others;
        for Early { message: of, fate, at, .. } in mine {
            if message == Some(of)
                && let Some(in_hand) = self.in_hand(id).ok().flatten()
            {
                // Nobody waits for this answer.
                let _ = self.fate_of_ours(in_hand, send, (fate, at), (of, None), now);
            }
        }
    }
}

fn reach_of(fate: Fate) -> Reach {
    match fate {
        Fate::Sent => Reach::Sent,
        Fate::Delivered => Reach::Delivered,
        Fate::Read => Reach::Read,
        Fate::Failed(_) => Reach::Failed,
    }
}

/// A message that the provider had taken is not made again for what would only be a reason to wait.
pub(super) fn refusal_of(trouble: Trouble) -> Refusal {
    match trouble.end(0) {
        CallEnd::Refused(refusal) | CallEnd::Unwritten(refusal) => refusal,
        CallEnd::Accepted | CallEnd::Busy(_) | CallEnd::Unknown => Refusal::Recipient,
    }
}
