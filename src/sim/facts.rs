//! What is known for certain, beside the engine: which changes are kept, what was acknowledged, what was handed over.
//!
//! Not the engine's word for it: changes come from the watched store once they are durable or have survived a crash,
//! acknowledgements from those who got them, hand-overs from the provider.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::broken::Broken;
use super::setup::QUESTIONS;
use crate::conversation::{Event, Phase, Purpose, State, Verdict};
use crate::engine::record::{Change, Delta, HookRecord, LedgerEntry, Moved, NameId, PauseScope, Stored};
use crate::id::{ConversationId, Keys, SendId};
use crate::moment::Moment;

/// Something that ends what was armed before it, with its place in the order of changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activity {
    pub(super) order: u64,
    pub(super) acked: bool,
    pub(super) post: usize,
    pub(super) kind: Kind,
    /// The person's number was known then.
    pub(super) numbered: bool,
}

/// What an activity says beside "I am here".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It ends what was armed.
    Word,
    /// It is too old to end what was armed when it came.
    OldWord,
    /// No more messages.
    OptOut,
    /// Messages again.
    OptIn,
    /// A human takes over.
    Hold,
    /// The human is done.
    Release,
}

/// What is known of a conversation.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// As last kept.
    pub(super) stored: Option<Stored>,
    /// The number of the change that armed what is planned.
    pub(super) armed: u64,
    /// The number of the change by which it last was over or new, so that a hold from before is void.
    pub(super) fresh: u64,
    pub(super) activities: Vec<Activity>,
    /// The person's words, by the time that counts.
    pub(super) inbounds: Vec<(u64, Moment)>,
    /// Its number was told, by this change.
    pub(super) number: Option<u64>,
    /// Runs and silences in which a follow-up arrived.
    pub(super) sent: BTreeSet<(Moment, Moment)>,
    /// Changes by events that were not history when they came.
    pub(super) live: Vec<u64>,
    /// Answers to the flow's own questions, of this run through them.
    pub(super) answers: usize,
}

/// How a hand-over ended, by the provider's own knowledge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Handed {
    /// The provider said that it did not take it.
    Refused,
    /// Taken, or nobody said anything.
    Open,
}

/// What is known of a send.
#[derive(Clone, Debug)]
pub(super) struct SendFacts {
    pub(super) conversation: ConversationId,
    pub(super) silence: Moment,
    pub(super) step: u8,
    /// Outcomes kept.
    pub(super) ended: Vec<&'static str>,
    pub(super) handed: Vec<Handed>,
    /// Times an operator had it made again.
    pub(super) again: usize,
    /// Planned before a restore or erased: its outcome is not asked for.
    pub(super) exempt: bool,
}

/// A claim that was kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) line: NameId,
    pub(super) at: Moment,
    pub(super) send: SendId,
    pub(super) conversation: ConversationId,
}

/// Everything known for certain.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    keys: Keys,
    /// Every change up to this number is kept or lost for good.
    pub(super) upto: u64,
    pub(super) known: BTreeMap<ConversationId, Known>,
    pub(super) sends: BTreeMap<SendId, SendFacts>,
    /// Events that were taken in, by number of the post: the change that did it.
    pub(super) processed: BTreeMap<usize, u64>,
    pub(super) names: BTreeMap<NameId, Arc<str>>,
    pub(super) hooks: BTreeMap<u64, HookRecord>,
    /// Records that nobody has to get any more.
    pub(super) hooks_spent: BTreeSet<(NameId, u64)>,
    pub(super) pauses: BTreeSet<PauseScope>,
    pub(super) alive: Option<Moment>,
    /// Claims kept of the last seconds, for the pace.
    pub(super) claims: Vec<Claim>,
    /// Those of the last day that were made as templates.
    pub(super) templates: Vec<Claim>,
    /// Held by a restore until everything is resumed.
    pub(super) held: bool,
    /// A backup was restored: numbers of hook records may come again.
    pub(super) restored: bool,
}

impl Facts {
    pub(super) fn new(keys: Keys) -> Facts {
        Facts {
            keys,
            upto: 0,
            known: BTreeMap::new(),
            sends: BTreeMap::new(),
            processed: BTreeMap::new(),
            names: BTreeMap::new(),
            hooks: BTreeMap::new(),
            hooks_spent: BTreeSet::new(),
            pauses: BTreeSet::new(),
            alive: None,
            claims: Vec::new(),
            templates: Vec::new(),
            held: false,
            restored: false,
        }
    }

    pub(super) fn name(&self, id: NameId) -> &str {
        self.names.get(&id).map_or("?", |name| name)
    }

    /// Whether the name of this number was kept.
    pub(super) fn is_named(&self, id: NameId) -> bool {
        self.names.contains_key(&id)
    }

    /// A change is kept for good.
    pub(super) fn keep(&mut self, seq: u64, change: &Change) -> Result<(), Broken> {
        self.upto = self.upto.max(seq);
        match change {
            Change::Moved(moved) => return self.moved(seq, moved),
            Change::Named(id, name) => drop(self.names.insert(*id, Arc::clone(name))),
            Change::Paused(scope, true) => drop(self.pauses.insert(*scope)),
            Change::Paused(scope, false) => {
                self.pauses.remove(scope);
                self.held &= *scope != PauseScope::All;
            }
            Change::HookDone(hook, seq) | Change::HookDead(hook, seq, _) => drop(self.hooks_spent.insert((*hook, *seq))),
            Change::HookReplay(hook, seq) => drop(self.hooks_spent.remove(&(*hook, *seq))),
            Change::Ledger(entry) => self.ledger(entry),
            Change::Forgotten(id, erased) => self.forget(*id, *erased),
            Change::Alive(at) => self.alive = Some(*at),
            Change::OptedOut(..)
            | Change::OptedIn(..)
            | Change::DeadUntil(_)
            | Change::IdentitiesUntil(_)
            | Change::Template(..)
            | Change::Filed(_) => {}
        }
        Ok(())
    }

    fn ledger(&mut self, entry: &LedgerEntry) {
        if let LedgerEntry::Intent { at, line, send, conversation, template, .. } = *entry {
            let claim = Claim { line, at, send, conversation };
            self.claims.push(claim);
            self.templates.extend(template.then_some(claim));
        }
    }

    fn forget(&mut self, id: ConversationId, erased: bool) {
        if let Some(known) = self.known.get_mut(&id) {
            known.stored = None;
            known.fresh = self.upto;
            // What the person said before is gone with the rest; that they want no more is not.
            known.inbounds.clear();
            known.sent.clear();
            known.number = None;
            known.answers = 0;
        }
        for send in self.sends.values_mut().filter(|send| send.conversation == id) {
            send.exempt = true;
        }
        if erased {
            self.hooks.retain(|_, record| record.conversation != id);
        }
    }

    fn moved(&mut self, seq: u64, moved: &Moved) -> Result<(), Broken> {
        let Stored { id, state, .. } = moved.stored;
        if let Some(why) = state.check() {
            return Err(Broken::new("Every state holds together.", format!("{id}: {why}: {state:?}")));
        }
        let known = self.known.entry(id).or_default();
        let before = known.stored.map(|stored| stored.state);
        if armed_anew(before.as_ref(), &state) {
            known.armed = seq;
        }
        if before.is_none() || before.is_some_and(|b| b.outcome().is_some()) {
            known.fresh = seq;
        }
        known.stored = Some(moved.stored);
        if let Some((silence, step)) = planned(&state) {
            self.send(id, silence, step);
        }
        // A question of the flow's own is one because we ask it, not because somebody told of it.
        let told = |delta: &Delta| matches!(delta, Delta::Asked(question) if !QUESTIONS.contains(&&*question.id));
        let asked = moved.deltas.iter().any(told);
        if asked && state.question == before.and_then(|before| before.question) && !took_a_question(&moved.deltas) {
            return Err(Broken::new("A question that is not taken is not remembered.", format!("{id}: {:?}", moved.deltas)));
        }
        for delta in &moved.deltas {
            match delta {
                Delta::Decided(decision) if decision.event == Event::Resend => {
                    // The step that was planned behind it is planned no more; it will be again.
                    if let Some((silence, step)) = planned(&decision.before).filter(|_| decision.before.phase == Phase::Answering) {
                        self.send(id, silence, step).exempt = true;
                    }
                    self.send(id, state.silence, state.step).again += 1;
                }
                Delta::Decided(decision) => stopped_for_nothing(&decision.event, &decision.before, &state)?,
                Delta::Ended { send, outcome, .. } => self.ended(*send, outcome.as_str())?,
                Delta::To(_) => _ = self.known.entry(id).or_default().number.get_or_insert(seq),
                Delta::AnswersCleared => self.known.entry(id).or_default().answers = 0,
                Delta::Answered(question, _) => self.answered(id, question)?,
                _ => {}
            }
        }
        self.asked(id, &moved.deltas)?;
        for record in moved.hooks.iter().filter(|record| !record.hooks.is_empty()) {
            let before = self.hooks.insert(record.seq, record.clone());
            if before.is_some() && !self.restored {
                return Err(Broken::new("No number of a hook record is given twice.", format!("record {} of {id}", record.seq)));
            }
        }
        if let Some(entry) = &moved.ledger {
            self.ledger(entry);
        }
        Ok(())
    }

    /// A question of the flow's own is answered.
    fn answered(&mut self, id: ConversationId, question: &str) -> Result<(), Broken> {
        let known = self.known.entry(id).or_default();
        let next = QUESTIONS.get(known.answers);
        known.answers += 1;
        if next.is_none_or(|next| *next != question) {
            return Err(Broken::new("Questions are answered in their order, each once.", format!("{id}: {question}, and not {next:?}")));
        }
        Ok(())
    }

    /// What the flow asks is the first that has no answer; its last word is said when all have one.
    fn asked(&self, id: ConversationId, deltas: &[Delta]) -> Result<(), Broken> {
        let next = QUESTIONS.get(self.known.get(&id).map_or(0, |known| known.answers));
        for delta in deltas {
            let wrong = match delta {
                Delta::Asked(question) if QUESTIONS.contains(&&*question.id) => next.is_none_or(|next| *next != question.id),
                Delta::Decided(decision) => matches!(decision.event, Event::Close { .. }) && next.is_some(),
                _ => false,
            };
            if wrong {
                let why = format!("{id}: {delta:?}, and {next:?} is open");
                return Err(Broken::new("A flow asks the first question without an answer, and ends when all have one.", why));
            }
        }
        Ok(())
    }

    /// Whether every question of the flow's own has an answer.
    pub(super) fn has_all_answers(&self, id: ConversationId) -> bool {
        self.known.get(&id).is_some_and(|known| known.answers == QUESTIONS.len())
    }

    /// The send of a step of a silence, noted if it is new.
    pub(super) fn send(&mut self, conversation: ConversationId, silence: Moment, step: u8) -> &mut SendFacts {
        let id = self.keys.send(conversation, silence, step);
        let new = SendFacts { conversation, silence, step, ended: Vec::new(), handed: Vec::new(), again: 0, exempt: false };
        self.sends.entry(id).or_insert(new)
    }

    fn ended(&mut self, send: SendId, outcome: &'static str) -> Result<(), Broken> {
        let Some(facts) = self.sends.get_mut(&send) else {
            return Err(Broken::new("Only what was planned ends.", format!("{send} ended {outcome}")));
        };
        facts.ended.push(outcome);
        if facts.ended.len() > 1 + facts.again && !facts.exempt {
            let why = format!("{send} of {}: {:?}", facts.conversation, facts.ended);
            return Err(Broken::new("Every armed follow-up ends as exactly one outcome.", why));
        }
        Ok(())
    }

    /// Of changes that a crash lost, the first `ahead` ledger entries were kept. Where one is the end of a call, the ledger knows an
    /// outcome that the conversation may never hear of: it had gone on while the call was under way.
    pub(super) fn ledger_alone_heard(&mut self, lost: &[(u64, Change)], ahead: usize) {
        let entry = |(_, change): &(u64, Change)| match change {
            Change::Ledger(entry) => Some(*entry),
            Change::Moved(moved) => moved.ledger,
            _ => None,
        };
        for entry in lost.iter().filter_map(entry).take(ahead) {
            if let LedgerEntry::Ended { send, .. } = entry
                && let Some(facts) = self.sends.get_mut(&send)
            {
                facts.exempt = true;
            }
        }
    }

    /// The process is gone; of what was not kept, nothing was.
    pub(super) fn lose_after(&mut self, upto: u64) {
        self.processed.retain(|_, order| *order <= upto);
        for known in self.known.values_mut() {
            known.activities.retain(|activity| activity.order <= upto);
            known.inbounds.retain(|(order, _)| *order <= upto);
            known.live.retain(|order| *order <= upto);
            known.number = known.number.filter(|order| *order <= upto);
        }
    }

    /// Goes back to what was known when a backup was made; what was handed over stays handed over.
    pub(super) fn go_back_to(&mut self, backup: Facts) {
        let now = std::mem::replace(self, backup);
        self.upto = now.upto;
        self.names.extend(now.names);
        for (id, send) in now.sends {
            let back = self.sends.entry(id).or_insert_with(|| send.clone());
            back.handed = send.handed;
            back.again = back.again.max(send.again);
            back.exempt = true;
        }
        self.known.values_mut().for_each(|known| known.sent.clear());
        // The ledger does not go back.
        (self.claims, self.templates) = (now.claims, now.templates);
        self.held = true;
        self.restored = true;
    }

    /// The last word of the person that counts for the messaging window.
    pub(super) fn last_inbound(&self, id: ConversationId) -> Option<Moment> {
        self.known.get(&id)?.inbounds.iter().map(|(_, at)| *at).max()
    }
}

/// The send that a state plans or has in hand.
pub(super) fn planned(state: &State) -> Option<(Moment, u8)> {
    let planned = match state.phase {
        Phase::Waiting | Phase::Retrying | Phase::Sending => true,
        Phase::Answering => state.wake.is_some(),
        Phase::Quiet | Phase::Finished(_) => false,
    };
    planned.then_some((state.silence, state.step))
}

/// A line that has stopped is no fault of the send that met it.
fn stopped_for_nothing(event: &Event, before: &State, after: &State) -> Result<(), Broken> {
    let met = matches!(event, Event::Sent { verdict: Verdict::Stopped, .. }) && before.phase == Phase::Sending;
    if met && (after.phase != Phase::Retrying || after.attempt + 1 != before.attempt) {
        return Err(Broken::new("A stopped line costs a send nothing.", format!("{before:?} became {after:?}")));
    }
    Ok(())
}

fn took_a_question(deltas: &[Delta]) -> bool {
    deltas.iter().any(|delta| matches!(delta, Delta::Decided(decision) if matches!(decision.event, Event::Question { .. })))
}

fn armed_anew(before: Option<&State>, after: &State) -> bool {
    let plan = |state: &State| planned(state).map(|(silence, _)| (silence, state.episode, state.purpose == Purpose::Ask));
    plan(after).is_some() && before.and_then(plan) != plan(after)
}
