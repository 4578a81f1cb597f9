//! What the simulator sees of a running engine: read only, nothing that a decision could want.
//!
//! Not a port and not for edges: they ask by [`crate::engine::desk`].

use crate::conversation::State;
use crate::engine::core::Engine;
use crate::engine::hot::Hot;
use crate::engine::pace::Pace;
use crate::engine::record::{Change, NameId, PauseScope};
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

    /// Whether a claim may be made on this line now, as far as pace, pauses and holds go.
    pub(crate) fn may_claim(&self, line: NameId, flow: NameId, now: Moment) -> bool {
        let name = self.names.name(line);
        let Some(rules) = self.book.lines.get(&name) else { return false };
        let open = self.paces.get(&line).copied().unwrap_or_default().permits(rules, now);
        let paused = self.pauses.contains(&PauseScope::Line(line)) || self.pauses.contains(&PauseScope::Flow(flow));
        open && self.failed.is_none() && !self.everything_is_held() && !paused
    }

    /// Permits that are out, over all lines.
    pub(crate) fn permits_out(&self) -> usize {
        self.paces.values().map(Pace::in_flight).sum()
    }
}
