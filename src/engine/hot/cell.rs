//! One conversation of the table, in fifty-six bytes.
//!
//! Not every state: one that does not come back from its cell exactly stands beside the table.

use crate::conversation::{Form, Outcome, Phase, Purpose, SendOutcome, State};
use crate::engine::record::NameId;
use crate::id::ConversationId;
use crate::limits;
use crate::moment::Moment;
use crate::schedule::SkipReason;

/// One conversation, packed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    id: [u64; 2],
    /// When the silence began, and what is counted: [`SILENCE`] and those after it.
    counts: u64,
    /// Instants, as distances from the silence; [`NONE`] where there is none.
    begun: i32,
    last_inbound: i32,
    handed_over: i32,
    wake: i32,
    expires: i32,
    not_after: i32,
    pub(super) line: NameId,
    pub(super) flow: NameId,
    /// [`USED`] and the flags after it, and where it stands: [`PHASE`] and those after it.
    flags: u32,
}

const _: () = assert!(size_of::<Cell>() == 56, "ten million of them are 560 MB");

/// So many bits of a word, from a bit on. A number that has more loses them, and so does not come back.
struct Bits {
    from: u32,
    count: u32,
}

/// Milliseconds since [`SINCE`]: until 2054.
const SILENCE: Bits = Bits { from: 0, count: 40 };
const EPISODE: Bits = Bits { from: 40, count: 12 };
const EPISODES_SENT: Bits = Bits { from: 52, count: 4 };
/// Of what is no follow-up, how far its step is above [`limits::CLOSE_STEP`], the lowest of them.
const STEP: Bits = Bits { from: 56, count: 4 };
const ATTEMPT: Bits = Bits { from: 60, count: 4 };

/// 2020-01-01: whoever has been silent has been so since later.
const SINCE: i64 = 1_577_836_800_000;

const PHASE: Bits = Bits { from: 15, count: 4 };
const SENT: Bits = Bits { from: 19, count: 5 };
const SKIP: Bits = Bits { from: 24, count: 4 };
const OBSTACLE: Bits = Bits { from: 28, count: 4 };

/// There is a conversation in the cell.
pub(super) const USED: u32 = 1;
/// It waits, and where stands beside the table.
pub(super) const WAITS: u32 = 1 << 1;
/// The state stands beside the table.
pub(super) const RARE: u32 = 1 << 2;
const HELD: u32 = 1 << 3;
const STARTED: u32 = 1 << 4;
const OPTED_OUT: u32 = 1 << 5;
const DOUBT: u32 = 1 << 6;
const HURRIED: u32 = 1 << 7;
const LATER: u32 = 1 << 8;
const SENT_IN_EPISODE: u32 = 1 << 9;
/// What is in hand is no follow-up: its step tells what it is.
const OWN: u32 = 1 << 10;
const TEMPLATE: u32 = 1 << 11;
/// There is a question, asked when the silence began.
const QUESTION: u32 = 1 << 12;
/// It is due when it wakes.
const DUE: u32 = 1 << 13;
const SHUT: u32 = 1 << 14;

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
        let own = if state.purpose == Purpose::FollowUp { 0 } else { limits::CLOSE_STEP };
        Cell {
            id: [(id.0 >> 64) as u64, id.0 as u64],
            counts: SILENCE.put(state.silence.0.wrapping_sub(SINCE) as u64)
                | EPISODE.put(state.episode.into())
                | EPISODES_SENT.put(state.episodes_sent.into())
                | STEP.put(state.step.wrapping_sub(own).into())
                | ATTEMPT.put(state.attempt.into()),
            begun: distance(state.begun),
            last_inbound: maybe(state.last_inbound),
            handed_over: maybe(state.handed_over),
            wake: maybe(state.wake),
            expires: maybe(state.expires),
            not_after: distance(state.not_after),
            line,
            flow,
            flags: flags.into_iter().fold(0, |flags, (bit, set)| if set { flags | bit } else { flags })
                | PHASE.put(of_phase(state.phase)) as u32
                | SENT.put(of_sent(state.sent)) as u32
                | SKIP.put(of_reason(state.skip)) as u32
                | OBSTACLE.put(of_reason(state.obstacle)) as u32,
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

    pub(super) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn set(&mut self, flag: u32, to: bool) {
        self.flags = if to { self.flags | flag } else { self.flags & !flag };
    }

    /// Where the conversation stands: every cell holds that, [`RARE`] or not.
    pub(super) fn phase(&self) -> Phase {
        phase(self.flag(PHASE))
    }

    fn flag(&self, bits: Bits) -> u8 {
        bits.get(self.flags.into()) as u8
    }

    fn count(&self, bits: Bits) -> u8 {
        bits.get(self.counts) as u8
    }

    pub(super) fn state(&self) -> State {
        let silence = SILENCE.get(self.counts) as i64 + SINCE;
        let at = |distance: i32| (distance != NONE).then(|| Moment(silence + i64::from(distance)));
        let own = if self.has(OWN) { limits::CLOSE_STEP } else { 0 };
        let step = own.wrapping_add(self.count(STEP));
        let wake = at(self.wake);
        State {
            phase: self.phase(),
            held: self.has(HELD),
            started: self.has(STARTED),
            opted_out: self.has(OPTED_OUT),
            doubt: self.has(DOUBT),
            shut: self.has(SHUT),
            hurried: self.has(HURRIED),
            later: self.has(LATER),
            episode: EPISODE.get(self.counts) as u32,
            episodes_sent: self.count(EPISODES_SENT),
            sent_in_episode: self.has(SENT_IN_EPISODE),
            step,
            attempt: self.count(ATTEMPT),
            purpose: if self.has(OWN) { Purpose::of_step(step) } else { Purpose::FollowUp },
            form: if self.has(TEMPLATE) { Form::Template } else { Form::Message },
            skip: SkipReason::from_code(self.flag(SKIP)),
            sent: sent(self.flag(SENT)),
            obstacle: SkipReason::from_code(self.flag(OBSTACLE)),
            salt: State::salt_of(self.id()),
            begun: at(self.begun).unwrap_or(Moment::MIN),
            silence: Moment(silence),
            question: self.has(QUESTION).then_some(Moment(silence)),
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

impl Bits {
    fn put(self, number: u64) -> u64 {
        (number & self.mask()) << self.from
    }

    fn get(self, word: u64) -> u64 {
        (word >> self.from) & self.mask()
    }

    fn mask(&self) -> u64 {
        (1 << self.count) - 1
    }
}

fn of_phase(phase: Phase) -> u64 {
    match phase {
        Phase::Quiet => 0,
        Phase::Waiting => 1,
        Phase::Sending => 2,
        Phase::Retrying => 3,
        Phase::Answering => 4,
        Phase::Finished(outcome) => 4 + u64::from(outcome.code()),
    }
}

fn phase(number: u8) -> Phase {
    match number {
        1 => Phase::Waiting,
        2 => Phase::Sending,
        3 => Phase::Retrying,
        4 => Phase::Answering,
        ended => Outcome::from_code(ended.saturating_sub(4)).map_or(Phase::Quiet, Phase::Finished),
    }
}

/// [`SkipReason::code`], from 1 on; 0 where there is none.
fn of_reason(reason: Option<SkipReason>) -> u64 {
    reason.map_or(0, |reason| reason.code().into())
}

fn of_sent(sent: Option<SendOutcome>) -> u64 {
    match sent {
        None => 0,
        Some(SendOutcome::Accepted) => 1,
        Some(SendOutcome::Unknown) => 2,
        Some(SendOutcome::Cancelled) => 3,
        Some(SendOutcome::Rejected(reason)) => REJECTED + of_reason(Some(reason)),
        Some(SendOutcome::Skipped(reason)) => SKIPPED + of_reason(Some(reason)),
    }
}

fn sent(number: u8) -> Option<SendOutcome> {
    let reason = |below: u64| SkipReason::from_code(number.saturating_sub(below as u8));
    match u64::from(number) {
        0 => None,
        1 => Some(SendOutcome::Accepted),
        2 => Some(SendOutcome::Unknown),
        3 => Some(SendOutcome::Cancelled),
        4..=SKIPPED => reason(REJECTED).map(SendOutcome::Rejected),
        _ => reason(SKIPPED).map(SendOutcome::Skipped),
    }
}

/// Below the numbers of what was refused for a reason.
const REJECTED: u64 = 3;
/// Below the numbers of what was skipped for a reason.
const SKIPPED: u64 = REJECTED + SkipReason::ALL.len() as u64;
