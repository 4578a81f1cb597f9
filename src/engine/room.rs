//! The room of a line: who waits for it, in the order in which they are served.
//!
//! Not the truth: who waits is a field of the hot table, and says where in the room it stands. Not the pace: that is `pace.rs`.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::record::NameId;
use crate::engine::wheel::Slot;
use crate::moment::Moment;

/// A place in the order: what goes out at once first (replies, notifications, invitations), then what closes soonest, then what was
/// due first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Turn {
    /// A follow-up; `false` for what goes out at once.
    pub follow_up: bool,
    /// The last instant at which it may go out, as the rules stood when it came due.
    pub closes: Moment,
    /// Since when it is due.
    pub due: Moment,
}

/// Where somebody waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// For the line.
    Line(Turn),
    /// For the line, and for a place among the people it may write to in a day.
    Crowded(Turn),
    /// For the gap after the last send to the same person: until this instant of pacing.
    Early(Moment, Turn),
    /// For the end of its flow's pause.
    Paused(NameId, Turn),
}

impl Place {
    /// Its turn among those who wait.
    #[must_use]
    pub fn turn(self) -> Turn {
        match self {
            Place::Line(turn) | Place::Crowded(turn) | Place::Early(_, turn) | Place::Paused(_, turn) => turn,
        }
    }
}

/// Who waits for a line.
#[derive(Debug, Default)]
pub(super) struct Room {
    line: BTreeSet<(Turn, Slot)>,
    crowded: BTreeSet<(Turn, Slot)>,
    early: BTreeSet<(Moment, Slot, Turn)>,
    paused: BTreeMap<NameId, BTreeSet<(Turn, Slot)>>,
}

impl Room {
    /// Somebody waits from now on.
    pub(super) fn enter(&mut self, slot: Slot, place: Place) {
        match place {
            Place::Line(turn) => self.line.insert((turn, slot)),
            Place::Crowded(turn) => self.crowded.insert((turn, slot)),
            Place::Early(until, turn) => self.early.insert((until, slot, turn)),
            Place::Paused(flow, turn) => self.paused.entry(flow).or_default().insert((turn, slot)),
        };
    }

    /// Somebody waits no more.
    pub(super) fn leave(&mut self, slot: Slot, place: Place) {
        match place {
            Place::Line(turn) => self.line.remove(&(turn, slot)),
            Place::Crowded(turn) => self.crowded.remove(&(turn, slot)),
            Place::Early(until, turn) => self.early.remove(&(until, slot, turn)),
            Place::Paused(flow, turn) => self.paused.get_mut(&flow).is_some_and(|paused| paused.remove(&(turn, slot))),
        };
    }

    /// The first who waits for the line alone.
    pub(super) fn first(&self) -> Option<(Turn, Slot)> {
        self.line.first().copied()
    }

    /// Those who wait for a place among the people of the day and close soonest: of what goes out at once, and of follow-ups. Whoever
    /// goes first may close last, and hides nobody whose time is over.
    pub(super) fn first_crowded(&self) -> impl Iterator<Item = (Turn, Slot)> {
        let follow_ups = Turn { follow_up: true, closes: Moment::MIN, due: Moment::MIN };
        let at_once = self.crowded.first().filter(|(turn, _)| !turn.follow_up);
        at_once.into_iter().chain(self.crowded.range((follow_ups, Slot::MIN)..).next()).copied()
    }

    /// Whose gap is over first, and when.
    pub(super) fn first_early(&self) -> Option<(Moment, Slot, Turn)> {
        self.early.first().copied()
    }

    /// All who wait for the end of a flow's pause.
    pub(super) fn of_flow(&mut self, flow: NameId) -> BTreeSet<(Turn, Slot)> {
        self.paused.remove(&flow).unwrap_or_default()
    }

    /// Whether nobody waits that a line, a gap or a day could let go.
    pub(super) fn is_idle(&self) -> bool {
        self.line.is_empty() && self.crowded.is_empty() && self.early.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(follow_up: bool, closes: i64, due: i64) -> Turn {
        Turn { follow_up, closes: Moment(closes), due: Moment(due) }
    }

    #[test]
    fn replies_go_first_then_what_closes_soonest_then_what_was_due_first() {
        let mut room = Room::default();
        let order = [turn(false, 90, 90), turn(true, 10, 8), turn(true, 10, 9), turn(true, 20, 1)];
        for (slot, turn) in order.iter().enumerate().rev() {
            room.enter(slot as Slot, Place::Line(*turn));
        }
        for (slot, turn) in order.into_iter().enumerate() {
            assert_eq!(room.first(), Some((turn, slot as Slot)));
            room.leave(slot as Slot, Place::Line(turn));
        }
        assert!(room.is_idle());
    }

    #[test]
    fn whoever_leaves_is_gone_from_wherever_it_stood() {
        let (mut room, turn) = (Room::default(), turn(true, 1, 1));
        let flow = NameId(3);
        let places = [Place::Line(turn), Place::Crowded(turn), Place::Early(Moment(5), turn), Place::Paused(flow, turn)];
        for place in places {
            room.enter(7, place);
            assert_eq!(place.turn(), turn);
            room.leave(7, place);
            assert!(room.is_idle() && room.of_flow(flow).is_empty(), "{place:?}");
        }
    }
}
