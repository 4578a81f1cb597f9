//! What people and programs ask: one conversation, a page of them, doubts, what is coming, figures.
//!
//! Not a change: nothing here moves a conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::core::Engine;
use crate::engine::counters::Counters;
use crate::engine::ingest::damaged;
use crate::engine::ports::Store;
use crate::engine::record::{Details, LedgerEnd, NameId, PauseScope, Stored};
use crate::engine::request::{DeadLetter, Doubt, Filter, Listed, Rejected, Standing, Upcoming, View, Who, due_of};
use crate::id::ConversationId;
use crate::limits;
use crate::moment::{HOUR, Moment};

/// Figures of the engine at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Counts since start.
    pub counters: Counters,
    /// Conversations in memory, by state.
    pub conversations: BTreeMap<&'static str, u64>,
    /// Milliseconds by which the oldest follow-up that is due and not claimed is late.
    pub oldest_due_lateness: i64,
    /// Calls under way, by line.
    pub in_flight: BTreeMap<Arc<str>, u64>,
    /// Sends in doubt.
    pub doubts: u64,
    /// Identities of events kept.
    pub identities: u64,
    /// Every line that is configured, and whether it has stopped.
    pub lines: BTreeMap<Arc<str>, bool>,
    /// What holds sending.
    pub standing: Standing,
}

impl Engine {
    /// How many changes the store has in its log and in memory, and has not put where they rest.
    #[must_use]
    pub fn unfolded(&self) -> usize {
        self.store.unfolded()
    }

    /// One conversation, whole.
    ///
    /// # Errors
    /// [`Rejected::UnknownConversation`], or a damaged record.
    pub fn show(&mut self, who: &Who) -> Result<View, Rejected> {
        let id = self.find(who)?;
        self.apply();
        let loaded = self.store.load(id).map_err(damaged)?;
        let (stored, details) = loaded.ok_or_else(|| Rejected::UnknownConversation(name_of(who)))?;
        Ok(self.view(stored, details))
    }

    /// The id of a conversation that is known.
    pub(super) fn find(&mut self, who: &Who) -> Result<ConversationId, Rejected> {
        match who {
            Who::Id(id) => self.in_hand(*id).map_err(damaged)?.map(|in_hand| in_hand.id),
            Who::Caller(name) => self.by_caller(name)?.map(|in_hand| in_hand.id),
            Who::Person(_) | Who::Named(_) | Who::Message => None,
        }
        .ok_or_else(|| Rejected::UnknownConversation(name_of(who)))
    }

    fn view(&self, stored: Stored, details: Details) -> View {
        let stored =
            self.in_hand_hot(stored.id).map_or(stored, |hot| Stored { state: hot.state, line: hot.line, flow: hot.flow, ..stored });
        let (line, flow) = (self.names.name(stored.line), self.names.name(stored.flow));
        View { policy: self.policy(stored.line, stored.flow), stored, line, flow, details }
    }

    /// A page of conversations, in the order of their ids.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn list(&mut self, filter: &Filter) -> Result<Listed, Rejected> {
        self.apply();
        let limit = filter.limit.clamp(1, limits::PAGE);
        let (mut conversations, mut after) = (Vec::new(), filter.after);
        loop {
            let ids = self.store.page(after, limits::PAGE).map_err(damaged)?;
            let Some(last) = ids.last().copied() else {
                return Ok(Listed { conversations, next: None });
            };
            for id in ids {
                if conversations.len() == limit {
                    return Ok(Listed { conversations, next: after });
                }
                after = Some(id);
                // A record that cannot be read is shown by `show` and `fsck`; the others go on.
                let Ok(Some((stored, details))) = self.store.load(id) else { continue };
                let view = self.view(stored, details);
                if matches(filter, &view) {
                    conversations.push(view);
                }
            }
            after = Some(last);
        }
    }

    /// Sends whose outcome is unknown, oldest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn doubts(&mut self) -> Result<Vec<Doubt>, Rejected> {
        self.apply();
        let mut doubts = Vec::new();
        for standing in self.store.doubts(limits::PAGE) {
            if self.in_flight.contains_key(&standing.send) {
                continue;
            }
            let caller = self.store.load(standing.conversation).ok().flatten().map(|(_, details)| details.caller).unwrap_or_default();
            let state = self.in_hand_hot(standing.conversation).map(|hot| hot.state);
            let open = state.is_some_and(|s| s.doubt && self.keys.send(standing.conversation, s.silence, s.step) == standing.send);
            let (send, conversation, since) = (standing.send, standing.conversation, standing.at);
            doubts.push(Doubt { send, conversation, caller, line: self.names.name(standing.line), since, open });
        }
        Ok(doubts)
    }

    /// Follow-ups due per hour and line, and how many of them will be too late.
    #[must_use]
    pub fn upcoming(&self, now: Moment) -> Vec<Upcoming> {
        let mut counts: BTreeMap<(i64, NameId), (u64, u64)> = BTreeMap::new();
        let hour = |due: Moment| due.0.div_euclid(HOUR);
        for hot in self.hot.iter() {
            if let Some(due) = due_of(&hot.state) {
                counts.entry((hour(due), hot.line)).or_default().0 += 1;
            }
        }
        let lines: BTreeSet<NameId> = counts.keys().map(|(_, line)| *line).collect();
        for line in lines {
            for (turn, _) in self.late_on(line, now) {
                counts.entry((hour(turn.due), line)).or_default().1 += 1;
            }
        }
        let told = |((hour, line), (count, late))| {
            let hour = Moment(i64::saturating_mul(hour, HOUR));
            Upcoming { hour, line: self.names.name(line), count, late }
        };
        counts.into_iter().map(told).collect()
    }

    /// Dead letters of hooks, from a number on.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn dead(&mut self, from: u64, limit: usize) -> Result<Vec<DeadLetter>, Rejected> {
        self.apply();
        let dead = self.store.dead(from, limit.clamp(1, limits::PAGE)).map_err(damaged)?;
        Ok(dead.into_iter().map(|(hook, record, since)| DeadLetter { hook: self.names.name(hook), record, since }).collect())
    }

    /// What holds sending at present.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let paused = self.pauses.iter().map(|scope| match scope {
            PauseScope::All => "all".to_owned(),
            PauseScope::Line(line) => format!("line {}", self.names.name(*line)),
            PauseScope::Flow(flow) => format!("flow {}", self.names.name(*flow)),
        });
        let held = self.held.clone().or_else(|| self.clock_held.clone());
        Standing { paused: paused.collect(), held, failed: self.failed.clone(), stopped: self.stopped_lines() }
    }

    /// Figures for `/metrics`.
    #[must_use]
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        let mut conversations: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut oldest = 0;
        for hot in self.hot.iter() {
            *conversations.entry(hot.state.phase.as_str()).or_default() += 1;
            let waits = hot.state.phase != crate::conversation::Phase::Sending && !hot.state.held;
            if let Some(due) = due_of(&hot.state).filter(|_| waits) {
                oldest = oldest.max(now.since(due));
            }
        }
        let lines = self.paces.iter().map(|(line, pace)| (self.names.name(*line), pace.in_flight() as u64));
        Snapshot {
            counters: self.counters.clone(),
            conversations,
            oldest_due_lateness: oldest,
            in_flight: lines.collect(),
            doubts: self.store.doubts(limits::PAGE).iter().filter(|d| d.end == Some(LedgerEnd::Unknown)).count() as u64,
            identities: self.identities.len() as u64,
            lines: self.book.lines.keys().map(|line| (Arc::clone(line), self.has_stopped(line))).collect(),
            standing: self.standing(),
        }
    }

    /// The store behind the engine, for those who read details beside it.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
}

pub(super) fn name_of(who: &Who) -> String {
    match who {
        Who::Id(id) => id.to_string(),
        Who::Caller(name) => name.clone(),
        Who::Person(_) | Who::Named(_) | Who::Message => "the person of a webhook".to_owned(),
    }
}

fn matches(filter: &Filter, view: &View) -> bool {
    let phase = view.stored.state.phase;
    let outcome = view.stored.state.outcome().map(|outcome| outcome.as_str());
    let state = filter.state.as_deref().is_none_or(|word| word == phase.as_str() || Some(word) == outcome);
    let line = filter.line.as_deref().is_none_or(|line| line == &*view.line);
    state && line && filter.flow.as_deref().is_none_or(|flow| flow == &*view.flow)
}
