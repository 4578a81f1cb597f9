//! One conversation of the table, in sixty-four bytes.
//!
//! Not every state: one that does not come back from its cell exactly stands beside the table.

use crate::conversation::{Form, Phase, Purpose, SendOutcome, State};
use crate::engine::record::NameId;
use crate::id::ConversationId;
use crate::moment::Moment;
use crate::schedule::SkipReason;

/// One conversation, packed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    id: [u64; 2],
    silence: Moment,
    /// Instants, as distances from the silence; [`NONE`] where there is none.
    begun: i32,
    last_inbound: i32,
    handed_over: i32,
    wake: i32,
    expires: i32,
    not_after: i32,
    pub(super) line: NameId,
    pub(super) flow: NameId,
    episode: u16,
    flags: u16,
    pub(super) phase: Phase,
    sent: Option<SendOutcome>,
    skip: Option<SkipReason>,
    obstacle: Option<SkipReason>,
    episodes_sent: u8,
    step: u8,
    attempt: u8,
}

const _: () = assert!(size_of::<Cell>() == 64, "a million of them are 64 MB");

/// There is a conversation in the cell.
pub(super) const USED: u16 = 1;
/// It waits, and where stands beside the table.
pub(super) const WAITS: u16 = 1 << 1;
/// The state stands beside the table.
pub(super) const RARE: u16 = 1 << 2;
const HELD: u16 = 1 << 3;
const STARTED: u16 = 1 << 4;
const OPTED_OUT: u16 = 1 << 5;
const DOUBT: u16 = 1 << 6;
const HURRIED: u16 = 1 << 7;
const LATER: u16 = 1 << 8;
const SENT_IN_EPISODE: u16 = 1 << 9;
/// What is in hand is no follow-up: its step tells what it is.
const OWN: u16 = 1 << 10;
const TEMPLATE: u16 = 1 << 11;
/// There is a question, asked when the silence began.
const QUESTION: u16 = 1 << 12;
/// It is due when it wakes.
const DUE: u16 = 1 << 13;
const SHUT: u16 = 1 << 14;

/// No instant; for `not_after`, none that ends it.
const NONE: i32 = i32::MIN;

impl Cell {
    /// The cell that comes nearest to a state: whether it holds it exactly is seen by reading it.
    fn of(id: ConversationId, line: NameId, flow: NameId, state: &State) -> Cell {
        let distance = |at: Moment| i32::try_from(at.0.saturating_sub(state.silence.0)).unwrap_or(NONE);
        let maybe = |at: Option<Moment>| at.map_or(NONE, distance);
        let flags = [
            (USED, true),
            (HELD, state.held),
            (STARTED, state.started),
            (OPTED_OUT, state.opted_out),
            (DOUBT, state.doubt),
            (SHUT, state.shut),
            (HURRIED, state.hurried),
            (LATER, state.later),
            (SENT_IN_EPISODE, state.sent_in_episode),
            (OWN, state.purpose != Purpose::FollowUp),
            (TEMPLATE, state.form == Form::Template),
            (QUESTION, state.question == Some(state.silence)),
            (DUE, state.due.is_some()),
        ];
        Cell {
            id: [(id.0 >> 64) as u64, id.0 as u64],
            silence: state.silence,
            begun: distance(state.begun),
            last_inbound: maybe(state.last_inbound),
            handed_over: maybe(state.handed_over),
            wake: maybe(state.wake),
            expires: maybe(state.expires),
            not_after: distance(state.not_after),
            line,
            flow,
            episode: state.episode as u16,
            flags: flags.into_iter().fold(0, |flags, (bit, set)| if set { flags | bit } else { flags }),
            phase: state.phase,
            sent: state.sent,
            skip: state.skip,
            obstacle: state.obstacle,
            episodes_sent: state.episodes_sent,
            step: state.step,
            attempt: state.attempt,
        }
    }

    /// [`Cell::of`], marked where it does not hold the state exactly; whether it does.
    pub(super) fn marked(id: ConversationId, line: NameId, flow: NameId, state: &State) -> (Cell, bool) {
        let mut cell = Cell::of(id, line, flow, state);
        let exact = cell.state() == *state;
        cell.set(RARE, !exact);
        (cell, exact)
    }

    pub(super) fn id(&self) -> ConversationId {
        ConversationId(u128::from(self.id[0]) << 64 | u128::from(self.id[1]))
    }

    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn set(&mut self, flag: u16, to: bool) {
        self.flags = if to { self.flags | flag } else { self.flags & !flag };
    }

    pub(super) fn state(&self) -> State {
        let at = |distance: i32| (distance != NONE).then(|| Moment(self.silence.0.saturating_add(i64::from(distance))));
        let wake = at(self.wake);
        State {
            phase: self.phase,
            held: self.has(HELD),
            started: self.has(STARTED),
            opted_out: self.has(OPTED_OUT),
            doubt: self.has(DOUBT),
            shut: self.has(SHUT),
            hurried: self.has(HURRIED),
            later: self.has(LATER),
            episode: u32::from(self.episode),
            episodes_sent: self.episodes_sent,
            sent_in_episode: self.has(SENT_IN_EPISODE),
            step: self.step,
            attempt: self.attempt,
            purpose: if self.has(OWN) { Purpose::of_step(self.step) } else { Purpose::FollowUp },
            form: if self.has(TEMPLATE) { Form::Template } else { Form::Message },
            skip: self.skip,
            sent: self.sent,
            obstacle: self.obstacle,
            salt: State::salt_of(self.id()),
            begun: at(self.begun).unwrap_or(Moment::MIN),
            silence: self.silence,
            question: self.has(QUESTION).then_some(self.silence),
            last_inbound: at(self.last_inbound),
            handed_over: at(self.handed_over),
            earliest: None,
            wake,
            due: if self.has(DUE) { wake } else { None },
            not_after: at(self.not_after).unwrap_or(Moment::MAX),
            expires: at(self.expires),
        }
    }
}
