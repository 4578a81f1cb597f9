//! Who may go now: the rooms of the lines and their pace, put together.
//!
//! Not the claim: `fire.rs` makes that, one by one, for whoever is let go here. Not how fast: that is `pace.rs`.
//!
//! What binds at a restart is told by the ledger: claims of the last second for the rate, people of the last day for the number of
//! people a day, calls of the last moments for the gap between two of them.

use crate::conversation::{Event, Form, Policy, Purpose, State, Verdict, step};
use crate::engine::book::Line;
use crate::engine::core::{Engine, InHand};
use crate::engine::fire::ledger_end;
use crate::engine::group::Call;
use crate::engine::record::{LedgerEnd, NameId, PauseScope};
use crate::engine::room::{Place, Turn};
use crate::engine::wheel::Slot;
use crate::id::{ConversationId, SendId};
use crate::limits;
use crate::moment::{DAY, MINUTE, Moment, SECOND};

/// A call begins at most so long after its claim, or it is known that it never did.
const BEGINS: i64 = MINUTE;

impl Engine {
    /// What would come of waking this follow-up at `now`: how it would go out, if it would, and its turn. Nothing is kept. Whatever
    /// would not go out comes first: it takes nobody's place.
    pub(super) fn foretold(&self, in_hand: &InHand, now: Moment) -> (Option<Form>, Turn) {
        let policy = self.policy_or_retired(in_hand.line, in_hand.flow);
        let step = step(&policy, &in_hand.state, &Event::Woke, now);
        let closes = step.send.map_or(Moment::MIN, |send| last_instant(&policy, &step.state, send.not_after));
        let follow_up = in_hand.state.purpose == Purpose::FollowUp;
        let turn = Turn { follow_up, closes, due: in_hand.state.due.unwrap_or(Moment::MIN) };
        (step.send.map(|send| send.form), turn)
    }

    /// Somebody who is due waits for its line from now on, unless it does already.
    pub(super) fn enter_room(&mut self, slot: Slot, now: Moment) {
        let Some(hot) = self.hot.get(slot).filter(|hot| hot.waits.is_none()) else { return };
        let in_hand = InHand { id: hot.id, line: hot.line, flow: hot.flow, state: hot.state };
        let (_, turn) = self.foretold(&in_hand, now);
        self.wait_at(slot, Place::Line(turn));
    }

    fn wait_at(&mut self, slot: Slot, place: Place) {
        if let Some(hot) = self.hot.get(slot) {
            self.hot.set_waits(slot, Some(place));
            self.rooms.entry(hot.line).or_default().enter(slot, place);
        }
    }

    /// Somebody waits for its line no more.
    pub(super) fn leave_room(&mut self, slot: Slot) {
        if let Some(place) = self.hot.set_waits(slot, None)
            && let Some(hot) = self.hot.get(slot)
            && let Some(room) = self.rooms.get_mut(&hot.line)
        {
            room.leave(slot, place);
        }
    }

    /// The conversation is in memory no more.
    pub(super) fn drop_hot(&mut self, id: ConversationId) {
        if let Some(slot) = self.hot.find(id) {
            self.leave_room(slot);
        }
        self.hot.remove(id);
    }

    /// Those of a flow whose pause is over wait for their lines again.
    pub(super) fn unpark(&mut self, scope: PauseScope) {
        let PauseScope::Flow(flow) = scope else { return };
        let lines: Vec<NameId> = self.rooms.keys().copied().collect();
        for line in lines {
            for (turn, slot) in self.rooms.get_mut(&line).map(|room| room.of_flow(flow)).unwrap_or_default() {
                self.wait_at(slot, Place::Line(turn));
            }
        }
    }

    /// Claims for a line what its permits and its pace allow, in the order of its room; answers when it has to be asked again.
    pub(super) fn claim_on(&mut self, id: NameId, line: &Line, now: Moment) -> Option<Moment> {
        let steady = self.steady.at(now);
        self.paces.entry(id).or_default().forget(line, steady);
        self.let_in(id, steady);
        for _ in 0..limits::GROUP {
            if !self.health.lets_claim(id) || !self.paces.entry(id).or_default().permits(line, steady) {
                return self.opens(id, line, steady);
            }
            let Some(slot) = self.next_in(id, line, now, steady) else { return self.opens(id, line, steady) };
            self.claim_slot(slot, line, now);
        }
        Some(now)
    }

    /// New rules: whoever waits for a gap of the old ones waits for the line again, which will say what holds now.
    pub(super) fn let_all_in(&mut self) {
        let lines: Vec<NameId> = self.rooms.keys().copied().collect();
        lines.into_iter().for_each(|line| self.let_in(line, Moment::MAX));
    }

    /// Those whose gap is over wait for the line again.
    fn let_in(&mut self, id: NameId, steady: Moment) {
        while let Some((_, slot, turn)) = self.rooms.get(&id).and_then(|room| room.first_early()).filter(|(until, ..)| *until <= steady) {
            self.leave_room(slot);
            self.wait_at(slot, Place::Line(turn));
        }
    }

    /// Whose turn it is. Among those who wait for a place in the day are some whom that does not hold: the machine has something
    /// else for them by now, or a place is free.
    fn next_in(&self, id: NameId, line: &Line, now: Moment, steady: Moment) -> Option<Slot> {
        let room = self.rooms.get(&id)?;
        let crowded = room.first_crowded().filter(|(turn, slot)| {
            let who = self.hot.get(*slot).map(|hot| hot.id);
            let full = self.paces.get(&id).zip(who).is_some_and(|(pace, who)| pace.crowded(line, who, steady).is_some());
            !full || turn.closes < now
        });
        room.first().into_iter().chain(crowded).min().map(|(_, slot)| slot)
    }

    /// When somebody who waits for this line can go, where that is known; on the wall.
    fn opens(&self, id: NameId, line: &Line, steady: Moment) -> Option<Moment> {
        let (room, pace) = (self.rooms.get(&id)?, self.paces.get(&id)?);
        let early = room.first_early().map(|(until, ..)| self.steady.wall(until));
        if !self.health.lets_claim(id) || room.is_idle() {
            return None;
        }
        let rate = pace.waits(line, steady).map(|opens| self.steady.wall(opens));
        if pace.in_flight() >= line.max_in_flight {
            return None;
        }
        let crowded = room.first_crowded().filter_map(|(turn, slot)| {
            let who = self.hot.get(slot)?.id;
            let frees = pace.crowded(line, who, steady).map_or(Moment::MIN, |at| self.steady.wall(at));
            Some(frees.min(turn.closes.plus(1)).max(rate.unwrap_or(Moment::MIN)))
        });
        let first = room.first().and(rate);
        [early, first].into_iter().flatten().chain(crowded).min()
    }

    /// Whoever waits is taken at its turn: claimed, or told what it waits for instead.
    fn claim_slot(&mut self, slot: Slot, line: &Line, now: Moment) {
        let Some(hot) = self.hot.get(slot) else { return };
        let (in_hand, waits) = (InHand { id: hot.id, line: hot.line, flow: hot.flow, state: hot.state }, hot.waits);
        let turn = waits.map_or(Turn { follow_up: true, closes: Moment::MAX, due: now }, Place::turn);
        self.leave_room(slot);
        // The clock may have been set back while it waited; the wheel knows its deadline.
        if in_hand.state.wake_at().is_none_or(|wake| wake > now) {
            return self.note_deadline(slot);
        }
        if self.pauses.contains(&PauseScope::Flow(in_hand.flow)) {
            return self.wait_at(slot, Place::Paused(in_hand.flow, turn));
        }
        let steady = self.steady.at(now);
        let pace = self.paces.entry(in_hand.line).or_default();
        if let Some(until) = pace.early(line, in_hand.id, steady) {
            return self.wait_at(slot, Place::Early(until, turn));
        }
        let full = pace.crowded(line, in_hand.id, steady).is_some();
        if full || turn.closes < now {
            match self.foretold(&in_hand, now) {
                (Some(Form::Template), anew) if full => return self.wait_at(slot, Place::Crowded(anew)),
                // What was planned when it came due has passed: it goes by what is planned now.
                (Some(_), anew) if anew.closes > turn.closes => return self.wait_at(slot, Place::Line(anew)),
                _ => {}
            }
        }
        self.claim(in_hand, now);
        self.note_deadline(slot);
    }

    /// Keeps the wheel in step with a slot's deadline.
    fn note_deadline(&mut self, slot: Slot) {
        if let Some(wake) = self.hot.wake_at(slot) {
            self.wheel.insert(wake, slot);
        }
    }

    /// A claim was made: it takes a permit and its part of the pace.
    pub(super) fn claimed(&mut self, call: &Call, now: Moment) {
        let steady = self.steady.at(now);
        let name = self.names.name(call.line);
        let pace = self.paces.entry(call.line).or_default();
        pace.claim(steady);
        if call.send.form == Form::Template {
            pace.wrote(call.conversation, steady);
        }
        if let Some(line) = self.book.lines.get(&name) {
            pace.called(line, call.conversation, steady);
        }
        self.health.claimed(call.line, call.id);
    }

    /// A call to this person begins, or has ended: the gap to the next counts from then on.
    pub(super) fn called(&mut self, line: NameId, who: ConversationId, now: Moment) {
        let steady = self.steady.at(now);
        if let Some(rules) = self.book.lines.get(&self.names.name(line)) {
            self.paces.entry(line).or_default().called(rules, who, steady);
        }
    }

    /// What the end of a call says about its line. A call that was not begun because its line had stopped has met a stopped line.
    pub(super) fn line_heard(&mut self, line: NameId, who: ConversationId, send: SendId, verdict: Verdict, now: Moment) -> Verdict {
        let steady = self.steady.at(now);
        let stopped = self.health.is_stopped(line);
        // Before it is called otherwise: a trial that never began tells nothing.
        self.health.heard(line, send, verdict, steady);
        let verdict = match verdict {
            Verdict::NotBegun if stopped => Verdict::Stopped,
            verdict => verdict,
        };
        if ledger_end(verdict) != LedgerEnd::Refused {
            self.called(line, who, now);
        }
        if matches!(verdict, Verdict::Accepted(_)) {
            self.paces.entry(line).or_default().taken();
        }
        verdict
    }

    /// The provider says that the line sends too fast: it claims nothing for `wait` milliseconds, at most
    /// [`limits::RETRY_AFTER_CEILING`]; for a time of our own choosing, which doubles while this goes on, where the provider does
    /// not say (0).
    pub fn throttle(&mut self, line: NameId, wait: i64, now: Moment) {
        let steady = self.steady.at(now);
        self.paces.entry(line).or_default().throttle(wait, steady);
    }

    /// What the ledger tells of the time before the start.
    pub(super) fn recover_pace(&mut self, now: Moment) {
        let steady = self.steady.at(now);
        let claims = self.store.claims(now.plus(-DAY));
        for claim in claims {
            let Some(line) = self.book.lines.get(&self.names.name(claim.line)).cloned() else { continue };
            let pace = self.paces.entry(claim.line).or_default();
            // A clock that was set back in between: it was not later than now.
            let at = claim.at.min(steady);
            if steady.since(at) < SECOND {
                pace.claimed(at);
            }
            if claim.template {
                pace.wrote(claim.conversation, at);
            }
            if claim.end != Some(LedgerEnd::Refused) && steady.since(at) < line.pair_gap.saturating_add(BEGINS) {
                pace.called(&line, claim.conversation, steady);
            }
        }
    }
}

/// The last instant at which a claim of this follow-up can still go out: `not_after` may be the end of the open hours, which is
/// closed itself, and the flow may want nothing that is so late.
fn last_instant(policy: &Policy, state: &State, not_after: Moment) -> Moment {
    let follow_up = state.purpose == Purpose::FollowUp;
    let closed = follow_up && not_after < Moment::MAX && !policy.rules.hours.is_open(not_after);
    let late = policy.max_lateness.zip(state.due).filter(|_| follow_up).map_or(Moment::MAX, |(most, due)| due.plus(most));
    not_after.plus(-i64::from(closed)).min(late)
}
