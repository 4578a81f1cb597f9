//! Sending: what is due is asked again, claimed under a permit, looked at once more before the call, and settled after it.
//!
//! Crash story: the claim and its ledger entry are durable before [`Call`]s leave the engine. A crash after that leaves a claim
//! whose call may or may not have been made: in doubt, and not made again. A crash before it leaves nothing.

use std::sync::Arc;

use crate::conversation::{Event, Form, InDoubt, Phase, Purpose, Refusal, Report, Verdict};
use crate::engine::core::{Context, Engine, InFlight, InHand};
use crate::engine::group::{Call, Told};
use crate::engine::ports::Standing;
use crate::engine::record::{Change, Delta, HookRecord, LedgerEnd, LedgerEntry, NameId, PauseScope};
use crate::engine::status::{Beside, refusal_of};
use crate::engine::wheel::Slot;
use crate::id::{ConversationId, SendId};
use crate::limits;
use crate::moment::Moment;

impl Engine {
    /// Wakes what is due and claims as much of it as permits and pace allow, at most a group's worth at a time.
    /// Answers when to be called again; `None` where only an event or an outcome can bring something to do.
    pub fn fire(&mut self, now: Moment) -> Option<Moment> {
        if self.failed.is_some() {
            return None;
        }
        if self.clock_held.is_some() {
            // What comes due by a clock that nobody believes is not over.
            return Some(now.plus(limits::NAP));
        }
        for _ in 0..limits::GROUP {
            let Some((_, slot)) = self.pop_due(now) else { return self.claim_what_may_go(now) };
            self.woken(slot, now);
        }
        // Who closes soonest may be among those who were not woken yet: nobody goes before them.
        Some(now)
    }

    fn claim_what_may_go(&mut self, now: Moment) -> Option<Moment> {
        let line_opens = self.claim_ready(now);
        let next = self.wheel.next();
        match (line_opens, next) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn pop_due(&mut self, now: Moment) -> Option<(Moment, Slot)> {
        let hot = &self.hot;
        self.wheel.pop(now, |slot| hot.wake_at(slot))
    }

    /// A deadline came. Expiry and the end of a doubt need no permit; a follow-up waits for its line.
    fn woken(&mut self, slot: Slot, now: Moment) {
        let Some(hot) = self.hot.get(slot) else { return };
        let state = &hot.state;
        let expired = state.expires.is_some_and(|at| at <= now);
        if state.phase == Phase::Sending || expired || state.held {
            let id = hot.id;
            return self.wake(id, now);
        }
        self.enter_room(slot, now);
        // While it waits for its line it can still expire.
        if let Some(expires) = state.expires {
            self.wheel.insert(expires, slot);
        }
    }

    fn wake(&mut self, id: ConversationId, now: Moment) {
        if let Some(in_hand) = self.in_hand_hot(id) {
            self.step_and_keep(in_hand, &Event::Woke, now, Context::none());
        }
    }

    /// Claims from every line that has a permit; answers when the first line that waits for its pace opens.
    fn claim_ready(&mut self, now: Moment) -> Option<Moment> {
        if self.everything_is_held() {
            return None;
        }
        let book = Arc::clone(&self.book);
        let lines: Vec<NameId> = self.rooms.iter().filter(|(_, room)| !room.is_idle()).map(|(line, _)| *line).collect();
        let mut opens: Option<Moment> = None;
        for id in lines {
            let name = self.names.name(id);
            let Some(line) = book.lines.get(&name).filter(|_| !self.pauses.contains(&PauseScope::Line(id))) else { continue };
            opens = match (opens, self.claim_on(id, line, now)) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        opens
    }

    pub(super) fn everything_is_held(&self) -> bool {
        self.held.is_some() || self.clock_held.is_some() || self.no_room.is_some() || self.pauses.contains(&PauseScope::All)
    }

    /// Asks the machine whether this follow-up goes out now; if so, its claim and its ledger entry join the group.
    pub(super) fn claim(&mut self, in_hand: InHand, now: Moment) {
        let InHand { id, line, flow, state } = in_hand;
        if let Some(reason) = self.blocked(&in_hand) {
            self.step_and_keep(in_hand, &Event::Blocked { reason }, now, Context::none());
            return;
        }
        let send = self.keys.send(id, state.silence, state.step);
        if state.attempt > 0 || state.phase == Phase::Retrying {
            // The end of the call before this one may stand in the group that is being made.
            self.apply();
        }
        let known = self.store.standing(send);
        if let Some(known) = known.filter(|known| !self.may_be_made_again(&in_hand, known)) {
            // What stands in the ledger is never sent again.
            self.counters.stopped_by_the_ledger += 1;
            let verdict = if known.end == Some(LedgerEnd::Accepted) { Verdict::Accepted(known.at) } else { Verdict::Unknown };
            return self.found_in_ledger(in_hand, verdict, None, now);
        }
        // The ledger numbers the calls of a send through, also where a restored store has forgotten some.
        let attempt = known.map_or(0, |known| known.attempt).max(state.attempt).saturating_add(1);
        let step = self.step_and_keep(in_hand, &Event::Woke, now, Context { ledger: None, ..Context::none() });
        let Some(to_send) = step.send else { return };
        let template = to_send.form == Form::Template;
        self.push(Change::Ledger(LedgerEntry::Intent { send, attempt, at: now, conversation: id, line, template }));
        self.counters.claims += 1;
        let (silence, step) = (to_send.silence, to_send.step);
        self.in_flight.insert(send, InFlight { conversation: id, line, silence, step, attempt, proved: false, failed: None });
        let call = Call { id: send, conversation: id, line, flow, send: to_send };
        self.claimed(&call, now);
        self.pending().calls.push(call);
    }

    /// Whether another call may be made for a send that stands in the ledger: after a refusal, and where the line prefers twice to never.
    fn may_be_made_again(&self, in_hand: &InHand, known: &Standing) -> bool {
        let resends = || self.policy(in_hand.line, in_hand.flow).is_some_and(|policy| policy.in_doubt == InDoubt::Resend);
        match known.end {
            Some(LedgerEnd::Refused | LedgerEnd::Undelivered) => true,
            Some(LedgerEnd::Unknown) => in_hand.state.phase == Phase::Retrying && resends(),
            Some(LedgerEnd::Accepted) | None => false,
        }
    }

    /// The last look before a call: is this send still wanted, and still in time? Whatever was acknowledged before this moment counts.
    pub fn door(&mut self, send: SendId, now: Moment) -> bool {
        let open = self.may_go_out(send, now) && !self.is_blocked(send);
        match self.in_flight.get(&send).copied() {
            Some(call) if open => self.called(call.line, call.conversation, now),
            _ => self.counters.stopped_at_the_door += 1,
        }
        open
    }

    /// An opt-out since the claim is not spread to a notification: no name of the person leads to it.
    fn is_blocked(&mut self, send: SendId) -> bool {
        let call = self.in_flight.get(&send).copied();
        let in_hand = call.and_then(|call| self.in_hand_hot(call.conversation));
        in_hand.is_some_and(|in_hand| self.blocked(&in_hand).is_some())
    }

    fn may_go_out(&self, send: SendId, now: Moment) -> bool {
        let Some(call) = self.in_flight.get(&send) else { return false };
        let Some(hot) = self.hot.find(call.conversation).and_then(|slot| self.hot.get(slot)) else { return false };
        let state = &hot.state;
        let in_hand = state.phase == Phase::Sending && !state.doubt && state.silence == call.silence && state.step == call.step;
        let stopped = state.held || self.everything_is_held() || self.failed.is_some() || !self.health.lets_out(call.line, send);
        let paused = self.pauses.contains(&PauseScope::Line(hot.line)) || self.pauses.contains(&PauseScope::Flow(hot.flow));
        // The hours are those of follow-ups.
        let open =
            state.purpose != Purpose::FollowUp || self.policy(hot.line, hot.flow).is_some_and(|policy| policy.rules.hours.is_open(now));
        in_hand && !stopped && !paused && open && now <= state.not_after
    }

    /// A call ended, or never began, and the provider told no id of a message.
    pub fn settle(&mut self, send: SendId, verdict: Verdict, now: Moment) {
        self.settle_as(send, verdict, None, now);
    }

    /// A call ended, or never began; `message` is the provider's id of what it took.
    pub fn settle_as(&mut self, send: SendId, verdict: Verdict, message: Option<&str>, now: Moment) {
        self.settle_call(send, (verdict, true), message, now);
    }

    /// A call was refused here: there is no message that could be sent. Its provider was asked nothing, so that says nothing of the
    /// line: whether one that has stopped works again, the next send tells.
    pub fn settle_unasked(&mut self, send: SendId, refusal: Refusal, now: Moment) {
        self.settle_call(send, (Verdict::Refused(refusal), false), None, now);
    }

    fn settle_call(&mut self, send: SendId, (end, asked): (Verdict, bool), message: Option<&str>, now: Moment) {
        let Some(call) = self.in_flight.remove(&send) else { return };
        let said = self.line_heard(call.line, call.conversation, send, if asked { end } else { Verdict::NotBegun }, now);
        let verdict = if asked { said } else { end };
        // A status that said so came before the answer to the call.
        let verdict = match (verdict, call.failed) {
            (Verdict::Accepted(_) | Verdict::Unknown, Some(trouble)) if !call.proved => {
                self.line_troubled(call.line, trouble, now);
                Verdict::Refused(refusal_of(trouble))
            }
            (verdict, _) => verdict,
        };
        self.return_permit(call.line);
        match (call.proved, asked) {
            (true, _) => self.line_answered(call.line, Verdict::Accepted(now), now),
            (false, true) => self.line_answered(call.line, verdict, now),
            (false, false) => {}
        }
        if verdict == Verdict::Refused(Refusal::OptedOut) {
            // First, so that a crash in between leaves it in force.
            self.opt_out(call.conversation, now);
        }
        let end = if call.proved { LedgerEnd::Accepted } else { ledger_end(verdict) };
        let ledger = LedgerEntry::Ended { send, attempt: call.attempt, at: now, end };
        let in_hand = self.in_hand(call.conversation).ok().flatten();
        let Some(in_hand) = in_hand else { return self.push(Change::Ledger(ledger)) };
        let state = &in_hand.state;
        let wanted = state.phase == Phase::Sending && state.silence == call.silence && state.step == call.step && !call.proved;
        let message = message.map(|message| self.message_key(&self.names.name(call.line), message));
        let (aliases, deltas): (Vec<_>, Vec<_>) = message.map(|message| (message, Delta::Handed(send, message))).into_iter().unzip();
        if wanted {
            let event = Event::Sent { silence: call.silence, step: call.step, verdict };
            self.step_and_keep(in_hand, &event, now, Context { identity: None, deltas, aliases, ledger: Some(ledger) });
        } else if call.proved {
            self.keep_beside(&in_hand, now, Beside { deltas, aliases, ledger: Some(ledger), ..Beside::default() });
            if let Some(trouble) = call.failed {
                self.apply();
                self.failed_later(in_hand, send, trouble, None, now);
            }
        } else {
            self.settle_late(
                in_hand,
                (send, call.step),
                verdict,
                Beside { deltas, aliases, ledger: Some(ledger), ..Beside::default() },
                now,
            );
        }
        self.catch_up_on(in_hand.id, send, message, now);
    }

    /// The conversation has gone on while the call was under way: the outcome is kept with the send, and moves nothing.
    pub(super) fn settle_late(&mut self, in_hand: InHand, (send, step): (SendId, u8), verdict: Verdict, beside: Beside, now: Moment) {
        let Some(outcome) = Engine::late_outcome(verdict) else { return };
        self.counters.races += 1;
        self.counters.send_ended(outcome);
        let mut deltas = vec![Delta::Ended { send, step, outcome, at: now }];
        deltas.extend(beside.deltas);
        let mut hooks = beside.hooks;
        if outcome.counts_as_sent() && Purpose::of_step(step) == Purpose::FollowUp {
            let report = Report::FollowUpSent { unknown: verdict == Verdict::Unknown };
            hooks.extend(self.hook_record(&in_hand, report, step, Some(send), None, now));
        }
        self.keep_beside(&in_hand, now, Beside { deltas, hooks, ..beside });
    }

    /// A call has ended, and its permit is free. Whoever takes it is claimed behind that outcome, in the same write or a later one, and
    /// called when that write is durable: so no disk ever holds more claims without an outcome than there are permits.
    pub(crate) fn return_permit(&mut self, line: NameId) {
        self.paces.entry(line).or_default().settle();
    }

    pub(super) fn hook_record(
        &mut self,
        in_hand: &InHand,
        report: Report,
        step: u8,
        send: Option<SendId>,
        question: Option<crate::engine::record::Question>,
        now: Moment,
    ) -> Option<HookRecord> {
        self.counters.report(report);
        if self.book.hooks.is_empty() {
            return None;
        }
        let (book, flow) = (Arc::clone(&self.book), self.names.name(in_hand.flow));
        let wanting = book.hooks.iter().filter(|hook| hook.wants(report.kind(), &flow));
        let hooks: Vec<NameId> = wanting.map(|hook| self.number(&hook.name)).collect();
        if hooks.is_empty() {
            return None;
        }
        let seq = self.next_hook;
        self.next_hook += 1;
        let (conversation, episode) = (in_hand.id, in_hand.state.episode);
        for hook in &hooks {
            self.pending().told.push(Told { hook: *hook, seq, conversation, at: now });
        }
        Some(HookRecord { seq, conversation, report, at: now, episode, step, send, question, answers: Vec::new(), outbound: None, hooks })
    }
}

pub(super) fn ledger_end(verdict: Verdict) -> LedgerEnd {
    match verdict {
        Verdict::Accepted(_) => LedgerEnd::Accepted,
        Verdict::Busy(_) | Verdict::Refused(_) | Verdict::NotBegun | Verdict::Stopped => LedgerEnd::Refused,
        Verdict::Unknown => LedgerEnd::Unknown,
    }
}
