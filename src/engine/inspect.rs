//! What the simulator sees of a running engine: read only, nothing that a decision could want.
//!
//! Not a port and not for edges: they ask by [`crate::engine::desk`].

use crate::conversation::{Form, State};
use crate::engine::core::{Engine, InHand};
use crate::engine::hot::Hot;
use crate::engine::pace::Pace;
use crate::engine::record::{Change, PauseScope};
use crate::id::ConversationId;
use crate::moment::Moment;

impl Engine {
    /// Conversations in memory.
    pub(crate) fn hot(&self) -> impl Iterator<Item = Hot> {
        self.hot.iter()
    }

    /// The state of a conversation that is not over.
    pub(crate) fn state_of(&self, id: ConversationId) -> Option<State> {
        self.in_hand_hot(id).map(|in_hand| in_hand.state)
    }

    /// Changes decided and not yet in the store.
    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether this conversation may be claimed now, as far as pace, health, pauses and holds go.
    pub(crate) fn may_claim(&self, hot: &Hot, now: Moment) -> bool {
        let name = self.names.name(hot.line);
        let Some(rules) = self.book.lines.get(&name) else { return false };
        let fresh = Pace::default();
        let pace = self.paces.get(&hot.line).unwrap_or(&fresh);
        let mut steady = self.steady;
        let steady = steady.at(now);
        let in_hand = InHand { id: hot.id, line: hot.line, flow: hot.flow, state: hot.state };
        // The clock may have been set back while it waited: how it would go out is told by the instant at which it is due again.
        let due = hot.state.wake_at().map_or(now, |wake| wake.max(now));
        let template = self.foretold(&in_hand, due).0 == Some(Form::Template);
        let crowded = template && pace.crowded(rules, hot.id, steady).is_some();
        let open = pace.permits(rules, steady) && pace.early(rules, hot.id, steady).is_none() && self.health.lets_claim(hot.line);
        let paused = self.pauses.contains(&PauseScope::Line(hot.line)) || self.pauses.contains(&PauseScope::Flow(hot.flow));
        open && !crowded && self.failed.is_none() && !self.everything_is_held() && !paused
    }

    /// Permits that are out, over all lines.
    pub(crate) fn permits_out(&self) -> usize {
        self.paces.values().map(Pace::in_flight).sum()
    }
}
