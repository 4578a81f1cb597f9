//! What operators and upkeep change: pauses, holds, erasure, retention, new rules, doubts made again, hooks.
//!
//! Not an event of a conversation: those come in by `ingest.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::conversation::{Event, Finish, Phase, Verdict};
use crate::engine::book::Book;
use crate::engine::core::{Context, Engine};
use crate::engine::desk::Request;
use crate::engine::group::{Done, Told};
use crate::engine::ingest::damaged;
use crate::engine::record::{Change, LedgerEnd, LedgerEntry, NameId, PauseScope};
use crate::engine::request::{Answer, Rejected, Standing, Target, Who};
use crate::engine::tables::Names;
use crate::id::{ConversationId, SendId};
use crate::limits;
use crate::moment::Moment;

/// Slots walked at a time when conversations are planned again after a change of rules.
const REPLAN: u32 = 2_000;
/// Conversations forgotten at a time.
const FORGET: usize = 500;

impl Engine {
    /// Answers one request from the desk. Whatever changes something is answered when that is durable; reads at once.
    pub fn serve(&mut self, request: Request, now: Moment) {
        match request {
            Request::Events(events, reply) => self.take(now, &events, reply),
            Request::Show(who, reply) => tell(reply, self.show(&who)),
            Request::List(filter, reply) => tell(reply, self.list(&filter)),
            Request::Erase(who, reply) => self.tell_when_durable(reply, |engine| engine.erase(&who)),
            Request::Pause(target, on, reply) => self.tell_when_durable(reply, |engine| engine.pause(&target, on)),
            Request::Doubts(reply) => tell(reply, self.doubts()),
            Request::Resend(send, reply) => self.tell_when_durable(reply, |engine| engine.resend(send, now)),
            Request::Upcoming(reply) => tell(reply, Ok(self.upcoming(now))),
            Request::Late(limit, reply) => tell(reply, Ok(self.late(limit, now))),
            Request::Dead(from, limit, reply) => tell(reply, self.dead(from, limit)),
            Request::Replay(hook, seq, reply) => self.tell_when_durable(reply, |engine| engine.replay(&hook, seq, now)),
            Request::Template(news, reply) => self.tell_when_durable(reply, |engine| engine.hear_of_templates(&news)),
            Request::Unusable(reply) => tell(reply, Ok(self.unusable_templates())),
            Request::Shelf(register, reply) => tell(reply, Ok(self.shelf(register, now))),
            Request::File(filing, reply) => {
                self.tell_when_durable(reply, |engine| engine.has_room().and_then(|()| engine.file(*filing, now)));
            }
            Request::Invite(invitation, reply) => {
                self.tell_when_durable(reply, |engine| engine.has_room().and_then(|()| engine.invite(&invitation, now)));
            }
            // Behind what is being written: a disk that stands still is told by the answer's absence.
            Request::Standing(reply) => {
                let standing = Ok(self.standing());
                self.pending().done.push(Done::new(reply, standing));
            }
        }
    }

    /// Does it, unless the store has failed. A refusal waits as well: it may rest on what is not durable yet.
    fn tell_when_durable<T: Send + 'static>(
        &mut self,
        reply: oneshot::Sender<Result<T, Rejected>>,
        change: impl FnOnce(&mut Engine) -> Result<T, Rejected>,
    ) {
        let answer = match &self.failed {
            Some(why) => Err(Rejected::Unavailable(why.clone())),
            None => change(self),
        };
        self.pending().done.push(Done::new(reply, answer));
    }

    /// Pauses (`on`) or resumes. Resuming everything also lifts a hold of the whole store; resuming a line that has stopped starts
    /// it at once.
    ///
    /// # Errors
    /// A line or flow of that name does not exist.
    pub fn pause(&mut self, target: &Target, on: bool) -> Result<Standing, Rejected> {
        let scope = self.scope(target)?;
        if on {
            self.pauses.insert(scope);
        } else {
            self.pauses.remove(&scope);
            self.unpark(scope);
            if let PauseScope::Line(line) = scope {
                self.start_line(line);
            }
            if scope == PauseScope::All {
                self.start_all_lines();
                self.held = None;
                self.clock_held = None;
                self.resumed = true;
            }
        }
        self.push(Change::Paused(scope, on));
        // Nothing bursts on resume: what became overdue goes out at the line's pace, soonest closing first.
        Ok(self.standing())
    }

    fn scope(&mut self, target: &Target) -> Result<PauseScope, Rejected> {
        match target {
            Target::All => Ok(PauseScope::All),
            Target::Line(line) if self.book.lines.contains_key(line.as_str()) => Ok(PauseScope::Line(self.number(line))),
            Target::Line(line) => Err(Rejected::UnknownLine(line.clone(), self.line_names())),
            Target::Flow(flow) if self.book.flows.iter().any(|f| **f == **flow) => Ok(PauseScope::Flow(self.number(flow))),
            Target::Flow(flow) => Err(Rejected::UnknownFlow(flow.clone(), self.flow_names())),
        }
    }

    /// Holds sending because the clock cannot be believed (`Some`), or lifts that (`None`); whether anything changed.
    pub fn hold_for_clock(&mut self, why: Option<&str>) -> bool {
        let changed = self.clock_held.is_some() != why.is_some();
        self.clock_held = why.map(str::to_owned);
        changed
    }

    /// Takes nothing in and holds sending because the disk has too little room (`Some`), or lifts that (`None`). What is under way
    /// goes on, and is kept: the room that is left is for that.
    pub fn hold_for_room(&mut self, why: Option<String>) {
        self.no_room = why;
    }

    /// Whether something new can be taken in.
    pub(super) fn has_room(&self) -> Result<(), Rejected> {
        self.failed.as_ref().or(self.no_room.as_ref()).map_or(Ok(()), |why| Err(Rejected::Unavailable(why.clone())))
    }

    /// Whether the clock is doubted.
    #[must_use]
    pub fn doubts_the_clock(&self) -> bool {
        self.clock_held.is_some()
    }

    /// Whether an operator has resumed everything since this was last asked: then the clock is to be believed as it is.
    pub fn clock_was_resumed(&mut self) -> bool {
        std::mem::take(&mut self.resumed)
    }

    /// How many conversations are in memory: those that are not over.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.hot.len()
    }

    /// When the daemon was last known to be alive, by the store.
    #[must_use]
    pub fn last_alive(&self) -> Option<Moment> {
        self.last_alive
    }

    /// Calls whose end has not been told.
    #[must_use]
    pub fn calls_under_way(&self) -> usize {
        self.in_flight.len()
    }

    /// Nobody will tell how the calls under way ended: they are in doubt.
    pub fn abandon_calls(&mut self, now: Moment) {
        let sends: Vec<SendId> = self.in_flight.keys().copied().collect();
        for send in sends {
            self.settle(send, Verdict::Unknown, now);
        }
    }

    /// The names of lines, flows and hooks, for those who render beside the engine.
    #[must_use]
    pub fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names)
    }

    /// Holds all sending, for a reason that people can read; lifted by resuming everything.
    pub fn hold_all(&mut self, why: &str) {
        self.held = Some(why.to_owned());
    }

    /// All traces of a conversation go; the opt-out, a keyed hash, stays.
    ///
    /// # Errors
    /// It is unknown, or a call for it is under way.
    pub fn erase(&mut self, who: &Who) -> Result<ConversationId, Rejected> {
        let id = self.find(who)?;
        if self.in_flight.values().any(|call| call.conversation == id) {
            let why = format!("erasing {id}: a call for it is under way; try again in {} s", limits::CALL_BUDGET / 1000);
            return Err(Rejected::Impossible(why));
        }
        self.drop_hot(id);
        self.push(Change::Forgotten(id, true));
        Ok(id)
    }

    /// Forgets what has outlived its retention, a batch at a time; answers whether there may be more.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn forget(&mut self, before: Moment) -> Result<bool, Rejected> {
        self.apply();
        let ids = self.store.outlived(before, FORGET).map_err(damaged)?;
        for id in &ids {
            self.drop_hot(*id);
            self.push(Change::Forgotten(*id, false));
        }
        Ok(ids.len() == FORGET)
    }

    /// Notes that the daemon is alive, and forgets identities whose days are over; not by a clock that nobody believes.
    pub fn tick(&mut self, now: Moment) {
        if self.clock_held.is_some() {
            // The loop shall see all the same that the commit thread moves.
            let (reply, _) = oneshot::channel::<Result<(), Rejected>>();
            self.pending().done.push(Done::new(reply, Ok(())));
            return;
        }
        self.push(Change::Alive(now));
        if let Some(day) = self.identities.forget(now) {
            self.push(Change::IdentitiesUntil(day));
        }
    }

    /// A send in doubt is made again, because an operator says so: the doubt is recorded as refused, and the follow-up is due now.
    ///
    /// # Errors
    /// The send is not in doubt, or its conversation has gone on.
    pub fn resend(&mut self, send: SendId, now: Moment) -> Result<Answer, Rejected> {
        let standing = self.store.standing(send).filter(|s| s.end != Some(LedgerEnd::Accepted) && s.end != Some(LedgerEnd::Refused));
        let standing = standing.filter(|_| !self.in_flight.contains_key(&send));
        let Some(standing) = standing else {
            return Err(Rejected::Impossible(format!("resend: {send} is not in doubt; `reengaged doubts` lists those that are")));
        };
        let Some(in_hand) = self.in_hand(standing.conversation).map_err(damaged)? else {
            return Err(Rejected::UnknownConversation(standing.conversation.to_string()));
        };
        if !in_hand.state.in_doubt() || !matches!(in_hand.state.phase, Phase::Sending | Phase::Answering) {
            return Err(Rejected::Impossible(format!("resend: {} has gone on since; nothing is sent into it", in_hand.id)));
        }
        let last = match in_hand.state.phase {
            Phase::Answering if in_hand.state.wake.is_some() && in_hand.state.step > 0 => in_hand.state.step - 1,
            _ => in_hand.state.step,
        };
        if self.keys.send(in_hand.id, in_hand.state.silence, last) != send {
            return Err(Rejected::Impossible(format!("resend: {} has gone on since; nothing is sent into it", in_hand.id)));
        }
        let refused = LedgerEntry::Ended { send, attempt: standing.attempt, at: now, end: LedgerEnd::Refused };
        let step = self.step_and_keep(in_hand, &Event::Resend, now, Context { ledger: Some(refused), ..Context::none() });
        Ok(Answer { ignored: step.ignored, ..Answer::of(in_hand.id, &step.state) })
    }

    fn replay(&mut self, hook: &str, seq: Option<u64>, now: Moment) -> Result<usize, Rejected> {
        let Some(id) = self.names.find(hook) else {
            return Err(Rejected::Impossible(format!("replay: no hook {hook:?} has ever been configured")));
        };
        let mut replayed = 0;
        for letter in self.dead(seq.unwrap_or(0), limits::PAGE)? {
            if &*letter.hook != hook || seq.is_some_and(|seq| seq != letter.record.seq) {
                continue;
            }
            self.push(Change::HookReplay(id, letter.record.seq));
            // Its three days begin again.
            let told = Told { hook: id, seq: letter.record.seq, conversation: letter.record.conversation, at: now };
            self.pending().told.push(told);
            replayed += 1;
        }
        Ok(replayed)
    }

    /// Keeps what the courier of hooks learnt.
    pub fn keep(&mut self, change: Change) {
        self.push(change);
    }

    /// How many conversations are in use of each line and flow that `book` no longer has.
    #[must_use]
    pub fn orphaned_by(&self, book: &Book) -> BTreeMap<String, usize> {
        let mut in_use: BTreeMap<(NameId, NameId), usize> = BTreeMap::new();
        for line_and_flow in self.hot.flows() {
            *in_use.entry(line_and_flow).or_default() += 1;
        }
        let mut missing = BTreeMap::new();
        for ((line, flow), count) in in_use {
            let (line, flow) = (self.names.name(line), self.names.name(flow));
            if !book.lines.contains_key(&line) {
                *missing.entry(format!("line {line}")).or_default() += count;
            } else if book.policy(&line, &flow).is_none() {
                *missing.entry(format!("flow {flow}")).or_default() += count;
            }
        }
        missing
    }

    /// New rules. Conversations that wait are planned again, a piece at a time, by [`Engine::replan_some`].
    pub fn reload(&mut self, book: Arc<Book>) {
        self.book = self.in_force(&book);
        self.number_names();
        self.probe_soon();
        self.let_all_in();
        self.replan = Some(0);
    }

    /// Plans the next piece of the table again under the rules in force; answers whether there is more.
    pub fn replan_some(&mut self, now: Moment) -> bool {
        let Some(from) = self.replan else { return false };
        let to = self.hot.end().min(from.saturating_add(REPLAN));
        for slot in from..to {
            let Some(hot) = self.hot.get(slot) else { continue };
            let id = hot.id;
            if let Some(in_hand) = self.in_hand_hot(id) {
                self.step_if_it_matters(in_hand, now);
            }
        }
        self.replan = (to < self.hot.end()).then_some(to);
        self.replan.is_some()
    }

    /// Plans again, and keeps it only where the plan came out differently.
    fn step_if_it_matters(&mut self, in_hand: crate::engine::core::InHand, now: Moment) {
        let Some(policy) = self.policy(in_hand.line, in_hand.flow) else { return };
        let step = crate::conversation::step(&policy, &in_hand.state, &Event::PolicyChanged, now);
        if step.ignored.is_none() && step.state != in_hand.state {
            self.step_and_keep(in_hand, &Event::PolicyChanged, now, Context::none());
        }
    }

    /// Ends every conversation whose line or flow is no longer configured, as cancelled; answers how many.
    pub fn drop_orphans(&mut self, now: Moment) -> usize {
        let book = Arc::clone(&self.book);
        let gone: Vec<ConversationId> = self
            .hot
            .iter()
            .filter(|hot| book.policy(&self.names.name(hot.line), &self.names.name(hot.flow)).is_none())
            .map(|hot| hot.id)
            .collect();
        for id in &gone {
            if let Some(in_hand) = self.in_hand_hot(*id) {
                let called_off = Event::Finish { at: now, how: Finish::Cancelled };
                self.step_and_keep(in_hand, &called_off, now, Context::none());
            }
        }
        gone.len()
    }
}

/// Whoever asked may be gone; then nobody misses the answer.
fn tell<T>(reply: oneshot::Sender<Result<T, Rejected>>, answer: Result<T, Rejected>) {
    let _ = reply.send(answer);
}
