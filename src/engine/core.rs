//! The engine itself: its tables, how it wakes up from a store, and the one place where the machine is asked.
//!
//! Not the verbs: taking events in is `ingest.rs`, sending is `fire.rs`, what operators ask is `reads.rs` and `control.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::conversation::{Event, Policy, Purpose, Report, SendOutcome, State, Step, Verdict, step};
use crate::engine::book::Book;
use crate::engine::counters::Counters;
use crate::engine::group::{Group, Released};
use crate::engine::health::Health;
use crate::engine::heard::Trouble;
use crate::engine::hot::HotTable;
use crate::engine::identities::Identities;
use crate::engine::inbounds::Inbounds;
use crate::engine::pace::{Pace, Steady};
use crate::engine::ports::{Fault, Standing, Store};
use crate::engine::record::{
    Change, Decision, Delta, Details, HookRecord, LedgerEnd, LedgerEntry, Moved, NameId, PauseScope, Question, Stored,
};
use crate::engine::registry::Registry;
use crate::engine::room::Room;
use crate::engine::status::Early;
use crate::engine::tables::Names;
use crate::engine::templates::Unusable;
use crate::engine::wheel::{Slot, Wheel};
use crate::id::{ConversationId, Keys, PersonKey, SendId};
use crate::moment::Moment;
use crate::schedule::Tzdata;

/// A claim whose call has not ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) conversation: ConversationId,
    pub(super) line: NameId,
    pub(super) silence: Moment,
    pub(super) step: u8,
    pub(super) attempt: u8,
    /// The person answered it before the provider did: it arrived, whatever the call says.
    pub(super) proved: bool,
    /// The provider's status said that it failed, and why, before the call had ended.
    pub(super) failed: Option<Trouble>,
}

/// The engine. One thread drives it; every verb is told `now`.
pub struct Engine {
    pub(super) store: Arc<dyn Store>,
    pub(super) keys: Keys,
    pub(super) book: Arc<Book>,
    pub(super) hot: HotTable,
    pub(super) wheel: Wheel,
    pub(super) names: Arc<Names>,
    pub(super) identities: Identities,
    pub(super) opted_out: HashMap<PersonKey, Moment>,
    /// In the order of lines, so that the same events make the same claims in the same order.
    pub(super) rooms: BTreeMap<NameId, Room>,
    pub(super) paces: HashMap<NameId, Pace>,
    /// The time of pacing.
    pub(super) steady: Steady,
    pub(super) health: Health,
    pub(super) in_flight: HashMap<SendId, InFlight>,
    pub(super) pauses: BTreeSet<PauseScope>,
    pub(super) unusable: Unusable,
    pub(super) registry: Registry,
    /// The messages by which people start a flow.
    pub(super) inbounds: Inbounds,
    /// Statuses of messages that may turn out to be ours, when the calls under way have told their ids.
    pub(super) early: Vec<Early>,
    pub(super) held: Option<String>,
    pub(super) clock_held: Option<String>,
    /// There is too little room on the disk.
    pub(super) no_room: Option<String>,
    /// An operator resumed everything, the clock as it is included.
    pub(super) resumed: bool,
    pub(super) failed: Option<String>,
    pub(super) last_alive: Option<Moment>,
    pub(super) next_hook: u64,
    /// Where planning again after a change of rules has got to; `None` where it is done.
    pub(super) replan: Option<Slot>,
    pub(super) counters: Counters,
    /// The rules of conversations whose own are gone.
    retired: Arc<Policy>,
    pub(super) changes: Vec<Change>,
    pending: Group,
    applied: u64,
    /// What a sabotage makes of a step, so that the checks are checked.
    #[cfg(any(test, feature = "failpoints"))]
    pub(crate) bend: Option<crate::engine::bend::Bend>,
}

/// What moving a conversation needs to know beside the event.
pub(super) struct Context {
    pub(super) identity: Option<crate::id::EventKey>,
    pub(super) deltas: Vec<Delta>,
    pub(super) aliases: Vec<crate::id::AliasKey>,
    pub(super) ledger: Option<LedgerEntry>,
}

impl Context {
    pub(super) fn none() -> Context {
        Context { identity: None, deltas: Vec::new(), aliases: Vec::new(), ledger: None }
    }
}

/// A conversation taken in hand: from memory, from the store, or new.
#[derive(Clone, Copy, Debug)]
pub(super) struct InHand {
    pub(super) id: ConversationId,
    pub(super) line: NameId,
    pub(super) flow: NameId,
    pub(super) state: State,
}

impl Engine {
    pub(super) fn empty(store: Arc<dyn Store>, book: Arc<Book>) -> Engine {
        let keys = store.keys().clone();
        Engine {
            store,
            keys,
            book,
            hot: HotTable::default(),
            wheel: Wheel::default(),
            names: Arc::default(),
            identities: Identities::default(),
            opted_out: HashMap::new(),
            rooms: BTreeMap::new(),
            paces: HashMap::new(),
            steady: Steady::default(),
            health: Health::default(),
            in_flight: HashMap::new(),
            pauses: BTreeSet::new(),
            unusable: Unusable::default(),
            registry: Registry::default(),
            inbounds: Inbounds::default(),
            early: Vec::new(),
            held: None,
            clock_held: None,
            no_room: None,
            resumed: false,
            failed: None,
            last_alive: None,
            next_hook: 0,
            replan: None,
            counters: Counters::default(),
            retired: Arc::new(Policy::retired()),
            changes: Vec::new(),
            pending: Group::default(),
            applied: 0,
            #[cfg(any(test, feature = "failpoints"))]
            bend: None,
        }
    }

    /// Numbers for all hooks and lines of the rules in force: records and couriers speak of the same hooks, and the name of a line is kept
    /// with the first change under these rules, not with the first claim, whose entry in the ledger a crash may leave without it.
    pub(super) fn number_names(&mut self) {
        let book = Arc::clone(&self.book);
        for name in book.hooks.iter().map(|hook| &hook.name).chain(book.lines.keys()) {
            self.number(name);
        }
    }

    /// The number of a name; a new one is kept with the next change.
    pub(super) fn number(&mut self, name: &str) -> NameId {
        let (id, new) = self.names.number(name);
        if new {
            self.push(Change::Named(id, Arc::from(name)));
        }
        id
    }

    /// The rules of a conversation; `None` where its line or flow is no longer configured.
    pub(super) fn policy(&self, line: NameId, flow: NameId) -> Option<Arc<Policy>> {
        self.book.policy(&self.names.name(line), &self.names.name(flow)).cloned()
    }

    pub(super) fn policy_or_retired(&self, line: NameId, flow: NameId) -> Arc<Policy> {
        self.policy(line, flow).unwrap_or_else(|| Arc::clone(&self.retired))
    }

    pub(super) fn in_hand_hot(&self, id: ConversationId) -> Option<InHand> {
        let hot = self.hot.get(self.hot.find(id)?)?;
        Some(InHand { id, line: hot.line, flow: hot.flow, state: hot.state })
    }

    /// The conversation, from memory or from the store.
    pub(super) fn in_hand(&mut self, id: ConversationId) -> Result<Option<InHand>, Fault> {
        if let Some(in_hand) = self.in_hand_hot(id) {
            return Ok(Some(in_hand));
        }
        self.apply();
        Ok(self.store.load(id)?.map(|(Stored { id, line, flow, state }, _)| InHand { id, line, flow, state }))
    }

    /// Asks the machine and keeps its answer. The only caller of [`step`] that changes anything.
    pub(super) fn step_and_keep(&mut self, in_hand: InHand, event: &Event, now: Moment, context: Context) -> Step {
        let InHand { id, line, flow, state: before } = in_hand;
        let policy = self.policy_or_retired(line, flow);
        let step = step(&policy, &before, event, now);
        #[cfg(any(test, feature = "failpoints"))]
        let step = self.bend.map_or(step, |bend| bend(&before, event, now, step));
        debug_assert_eq!(step.state.check(), None, "{event:?} at {now} on {before:?}");
        let Context { identity, mut deltas, aliases, mut ledger } = context;
        if let Some((silence, number, outcome)) = step.ended {
            let send = self.keys.send(id, silence, number);
            deltas.insert(0, Delta::Ended { send, step: number, outcome, at: now });
            self.counters.send_ended(outcome);
            ledger = ledger.or_else(|| self.settled_otherwise(send, outcome, now));
        }
        if step.ignored.is_none() || step.state != before {
            deltas.push(Delta::Decided(Box::new(Decision {
                now,
                before,
                event: *event,
                trail: step.trail,
                fingerprint: policy.fingerprint(),
                tzdata: Tzdata::compiled_in(),
                due: step.state.due,
            })));
        }
        if let Some(at) = step.state.question.filter(|at| step.state.handed_over == Some(*at) && before.question != Some(*at)) {
            // We have spoken for the bot: whatever it asked before that is not the last question.
            deltas.push(Delta::AskedAt(at));
        }
        if step.finished().is_some() && before.purpose == Purpose::Notify {
            // A one-time password is nothing to keep.
            deltas.push(Delta::Outbound(None));
        }
        let hooks = self.reports(&in_hand, &step, &deltas, now);
        let stored = Stored { id, line, flow, state: step.state };
        self.place(&stored);
        self.push(Change::Moved(Box::new(Moved { stored, identity, now, deltas, aliases, hooks, ledger })));
        step
    }

    /// The ledger's part of an outcome that no call told: a status, or the person's answer.
    fn settled_otherwise(&mut self, send: SendId, outcome: SendOutcome, now: Moment) -> Option<LedgerEntry> {
        let end = match outcome {
            SendOutcome::Accepted => LedgerEnd::Accepted,
            SendOutcome::Rejected(_) => LedgerEnd::Refused,
            SendOutcome::Unknown | SendOutcome::Skipped(_) | SendOutcome::Cancelled => return None,
        };
        if let Some(call) = self.in_flight.get_mut(&send) {
            call.proved = end == LedgerEnd::Accepted;
            if !call.proved {
                return None;
            }
            // Acknowledged before the call ends, so it is on disk before that.
        }
        let doubtful = self.store.standing(send).filter(|s| matches!(s.end, None | Some(LedgerEnd::Unknown)));
        doubtful.map(|standing| ended(&standing, now, end))
    }

    /// Puts the state into memory, or out of it where the conversation is over, and the wheel in step with it.
    pub(super) fn place(&mut self, stored: &Stored) {
        // Whoever moves has to come due again, and then waits by what is planned then.
        if let Some(slot) = self.hot.find(stored.id) {
            self.leave_room(slot);
        }
        if stored.state.outcome().is_some() {
            return self.hot.remove(stored.id);
        }
        self.put(stored);
    }

    fn put(&mut self, stored: &Stored) {
        let slot = self.hot.put(stored.id, stored.line, stored.flow, &stored.state);
        if let Some(wake) = stored.state.wake_at() {
            self.wheel.insert(wake, slot);
        }
    }

    /// The hook records of a step's reports, for the hooks that want them.
    fn reports(&mut self, before: &InHand, step: &Step, learnt: &[Delta], now: Moment) -> Vec<HookRecord> {
        let mut records = Vec::new();
        for report in step.reports.into_iter().flatten() {
            let question = match report {
                Report::Resumed { .. } if before.state.question.is_some() => self.question(before.id),
                _ => None,
            };
            let (silence, number) = match step.ended {
                Some((silence, number, _)) => (silence, number),
                None => (before.state.silence, before.state.step),
            };
            let speaks_of_send = matches!(report, Report::FollowUpSent { .. } | Report::Skipped(_));
            let send = speaks_of_send.then(|| self.keys.send(before.id, silence, number));
            if let Some(record) = self.hook_record(before, report, number, send, question, now) {
                let answers = if tells_answers(report) { self.answers(before, learnt) } else { Vec::new() };
                records.push(HookRecord { answers, ..record });
            }
        }
        records
    }

    /// Answers to questions of ours, for the hook that hears of the end; what the same event brings is among them.
    fn answers(&mut self, of: &InHand, learnt: &[Delta]) -> Vec<(String, String)> {
        if self.policy(of.line, of.flow).is_some_and(|policy| !policy.asks) {
            return Vec::new();
        }
        self.apply();
        // As with the question: a record that cannot be read costs the hook the answers.
        let mut details = self.store.load(of.id).ok().flatten().map_or_else(Details::default, |(_, details)| details);
        learnt.iter().for_each(|delta| details.apply(delta));
        details.answers
    }

    /// The last question of a conversation, for the hook that hears of its resumption.
    fn question(&mut self, id: ConversationId) -> Option<Question> {
        self.apply();
        // A record that cannot be read costs the hook its question, not the person their answer.
        self.store.load(id).ok().flatten().and_then(|(_, details)| details.question)
    }

    /// Takes a change into the group that is being made.
    pub(super) fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(super) fn pending(&mut self) -> &mut Released {
        &mut self.pending.released
    }

    /// Makes everything decided so far visible to reads of the store.
    pub(super) fn apply(&mut self) {
        if !self.changes.is_empty() {
            self.applied = self.store.apply(std::mem::take(&mut self.changes));
        }
    }

    /// Ends the group that is being made: everything in it is in the store, and waits for the proof that it is durable.
    /// `None` where nothing happened.
    pub fn cut(&mut self) -> Option<Group> {
        self.apply();
        if self.pending.released.is_empty() && self.pending.seq == self.applied {
            return None;
        }
        let group = std::mem::take(&mut self.pending);
        self.pending.seq = self.applied;
        Some(Group { seq: self.applied, ..group })
    }

    /// How many changes wait for [`Engine::cut`].
    #[must_use]
    pub fn undecided(&self) -> usize {
        self.changes.len()
    }

    /// The store failed: from now on everything is refused, and nothing is sent.
    pub fn fail(&mut self, why: &str) {
        self.failed = Some(why.to_owned());
    }

    /// How the send of a late verdict ended, for a conversation that has gone on without it.
    pub(super) fn late_outcome(verdict: Verdict) -> Option<SendOutcome> {
        match verdict {
            Verdict::Accepted(_) => Some(SendOutcome::Accepted),
            Verdict::Unknown => Some(SendOutcome::Unknown),
            Verdict::Busy(_) | Verdict::NotBegun | Verdict::Stopped => Some(SendOutcome::Cancelled),
            Verdict::Refused(refusal) => Some(SendOutcome::Rejected(refusal.reason())),
        }
    }
}

fn tells_answers(report: Report) -> bool {
    matches!(report, Report::Succeeded | Report::Failed | Report::Declined | Report::Expired)
}

pub(super) fn ended(standing: &Standing, at: Moment, end: LedgerEnd) -> LedgerEntry {
    LedgerEntry::Ended { send: standing.send, attempt: standing.attempt, at, end }
}
