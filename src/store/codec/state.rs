//! A [`State`] in 30 to 45 bytes: flags, small numbers, and instants as distances from the beginning of the silence.
//!
//! Not its meaning: `conversation/` has that. The salt is not written; it is a function of the conversation's id.

use crate::conversation::{Form, Outcome, Phase, Purpose, SendOutcome, State};
use crate::engine::record::{NameId, Stored};
use crate::id::ConversationId;
use crate::moment::Moment;
use crate::schedule::SkipReason;
use crate::store::codec::words::{Reader, put_at, put_i, put_id, put_u};

const HELD: u32 = 1 << 3;
const OPTED_OUT: u32 = 1 << 4;
const DOUBT: u32 = 1 << 5;
const HURRIED: u32 = 1 << 6;
const LATER: u32 = 1 << 7;
const SENT_IN_EPISODE: u32 = 1 << 8;
const ASK: u32 = 1 << 9;
const TEMPLATE: u32 = 1 << 10;
const SENT: u32 = 1 << 11;
const OBSTACLE: u32 = 1 << 12;
const SKIP: u32 = 1 << 13;
const QUESTION: u32 = 1 << 14;
const QUESTION_IS_SILENCE: u32 = 1 << 15;
const LAST_INBOUND: u32 = 1 << 16;
const HANDED_OVER: u32 = 1 << 17;
const EARLIEST: u32 = 1 << 18;
const WAKE: u32 = 1 << 19;
const DUE: u32 = 1 << 20;
const DUE_IS_WAKE: u32 = 1 << 21;
const EXPIRES: u32 = 1 << 22;
const NO_END: u32 = 1 << 23;
const STARTED: u32 = 1 << 24;
const SHUT: u32 = 1 << 25;
const OUTBOUND: u32 = 1 << 26;
const CLOSE: u32 = 1 << 27;

/// Appends a state.
pub(crate) fn put_state(out: &mut Vec<u8>, state: &State) {
    let flags = flags(state);
    out.extend_from_slice(&flags.to_le_bytes());
    if let Phase::Finished(outcome) = state.phase {
        out.push(outcome.code());
    }
    put_u(out, u64::from(state.episode));
    out.extend_from_slice(&[state.episodes_sent, state.step, state.attempt]);
    if let Some(sent) = state.sent {
        put_outcome(out, sent);
    }
    for reason in [state.obstacle, state.skip].into_iter().flatten() {
        out.push(reason.code());
    }
    put_i(out, state.begun.0);
    put_at(out, state.silence, state.begun);
    let mut put_if = |condition: bool, at: Option<Moment>| {
        if let (true, Some(at)) = (condition, at) {
            put_at(out, at, state.silence);
        }
    };
    put_if(flags & QUESTION_IS_SILENCE == 0, state.question);
    for at in [state.last_inbound, state.handed_over, state.earliest, state.wake] {
        put_if(true, at);
    }
    put_if(flags & DUE_IS_WAKE == 0, state.due);
    put_if(true, state.expires);
    put_if(flags & NO_END == 0, Some(state.not_after));
}

/// The state of conversation `id`.
pub(crate) fn read_state(read: &mut Reader<'_>, id: ConversationId) -> Option<State> {
    let flags = read.flags()?;
    let set = |flag: u32| flags & flag != 0;
    let mut state = State::new(id, set(OPTED_OUT));
    state.phase = read_phase(read, flags & 7)?;
    state.held = set(HELD);
    state.started = set(STARTED);
    state.doubt = set(DOUBT);
    state.shut = set(SHUT);
    state.hurried = set(HURRIED);
    state.later = set(LATER);
    state.sent_in_episode = set(SENT_IN_EPISODE);
    state.purpose = purpose(set(ASK), set(OUTBOUND), set(CLOSE))?;
    state.form = if set(TEMPLATE) { Form::Template } else { Form::Message };
    state.episode = read.u32()?;
    state.episodes_sent = read.u8()?;
    state.step = read.u8()?;
    state.attempt = read.u8()?;
    state.sent = maybe(set(SENT), || read_outcome(read))?;
    state.obstacle = maybe(set(OBSTACLE), || SkipReason::from_code(read.u8()?))?;
    state.skip = maybe(set(SKIP), || SkipReason::from_code(read.u8()?))?;
    state.begun = Moment(read.i64()?);
    state.silence = read.at(state.begun)?;
    let silence = state.silence;
    state.question = match set(QUESTION) && set(QUESTION_IS_SILENCE) {
        true => Some(silence),
        false => maybe(set(QUESTION), || read.at(silence))?,
    };
    state.last_inbound = maybe(set(LAST_INBOUND), || read.at(silence))?;
    state.handed_over = maybe(set(HANDED_OVER), || read.at(silence))?;
    state.earliest = maybe(set(EARLIEST), || read.at(silence))?;
    state.wake = maybe(set(WAKE), || read.at(silence))?;
    state.due = match set(DUE) && set(DUE_IS_WAKE) {
        true => state.wake,
        false => maybe(set(DUE), || read.at(silence))?,
    };
    state.expires = maybe(set(EXPIRES), || read.at(silence))?;
    state.not_after = if set(NO_END) { Moment::MAX } else { read.at(silence)? };
    Some(state)
}

/// Appends a conversation with its id.
pub(crate) fn put_stored(out: &mut Vec<u8>, stored: &Stored) {
    put_id(out, stored.id.0);
    put_u(out, u64::from(stored.line.0));
    put_u(out, u64::from(stored.flow.0));
    put_state(out, &stored.state);
}

/// A conversation with its id.
pub(crate) fn read_stored(read: &mut Reader<'_>) -> Option<Stored> {
    let id = ConversationId(read.id()?);
    let line = NameId(read.u16()?);
    let flow = NameId(read.u16()?);
    Some(Stored { id, line, flow, state: read_state(read, id)? })
}

/// Appends how a send ended.
pub(crate) fn put_outcome(out: &mut Vec<u8>, outcome: SendOutcome) {
    out.push(match outcome {
        SendOutcome::Accepted => 1,
        SendOutcome::Rejected(_) => 2,
        SendOutcome::Unknown => 3,
        SendOutcome::Skipped(_) => 4,
        SendOutcome::Cancelled => 5,
    });
    if let Some(reason) = outcome.reason() {
        out.push(reason.code());
    }
}

/// How a send ended.
pub(crate) fn read_outcome(read: &mut Reader<'_>) -> Option<SendOutcome> {
    Some(match read.u8()? {
        1 => SendOutcome::Accepted,
        2 => SendOutcome::Rejected(SkipReason::from_code(read.u8()?)?),
        3 => SendOutcome::Unknown,
        4 => SendOutcome::Skipped(SkipReason::from_code(read.u8()?)?),
        5 => SendOutcome::Cancelled,
        _ => return None,
    })
}

fn flags(state: &State) -> u32 {
    let phase = match state.phase {
        Phase::Quiet => 0,
        Phase::Waiting => 1,
        Phase::Sending => 2,
        Phase::Retrying => 3,
        Phase::Answering => 4,
        Phase::Finished(_) => 5,
    };
    // Field by field, so that a new one does not compile until it is written.
    #[rustfmt::skip]
    let State {
        phase: _, held, started, opted_out, doubt, shut, hurried, later, episode: _, episodes_sent: _, sent_in_episode, step: _, attempt: _,
        purpose, form, skip, sent, obstacle, salt: _, begun: _, silence, question, last_inbound, handed_over, earliest, wake, due,
        not_after, expires,
    } = *state;
    [
        (HELD, held),
        (STARTED, started),
        (OPTED_OUT, opted_out),
        (DOUBT, doubt),
        (SHUT, shut),
        (HURRIED, hurried),
        (LATER, later),
        (SENT_IN_EPISODE, sent_in_episode),
        (ASK, matches!(purpose, Purpose::Ask | Purpose::Invite)),
        (OUTBOUND, matches!(purpose, Purpose::Invite | Purpose::Notify)),
        (CLOSE, purpose == Purpose::Close),
        (TEMPLATE, form == Form::Template),
        (SENT, sent.is_some()),
        (OBSTACLE, obstacle.is_some()),
        (SKIP, skip.is_some()),
        (QUESTION, question.is_some()),
        (QUESTION_IS_SILENCE, question == Some(silence)),
        (LAST_INBOUND, last_inbound.is_some()),
        (HANDED_OVER, handed_over.is_some()),
        (EARLIEST, earliest.is_some()),
        (WAKE, wake.is_some()),
        (DUE, due.is_some()),
        (DUE_IS_WAKE, due.is_some() && due == wake),
        (EXPIRES, expires.is_some()),
        (NO_END, not_after == Moment::MAX),
    ]
    .into_iter()
    .fold(phase, |flags, (bit, set)| if set { flags | bit } else { flags })
}

fn purpose(ask: bool, outbound: bool, close: bool) -> Option<Purpose> {
    Some(match (ask, outbound, close) {
        (false, false, false) => Purpose::FollowUp,
        (true, false, false) => Purpose::Ask,
        (true, true, false) => Purpose::Invite,
        (false, true, false) => Purpose::Notify,
        (false, false, true) => Purpose::Close,
        _ => return None,
    })
}

fn read_phase(read: &mut Reader<'_>, code: u32) -> Option<Phase> {
    Some(match code {
        0 => Phase::Quiet,
        1 => Phase::Waiting,
        2 => Phase::Sending,
        3 => Phase::Retrying,
        4 => Phase::Answering,
        5 => Phase::Finished(Outcome::from_code(read.u8()?)?),
        _ => return None,
    })
}

/// Reads what is there; `Some(None)` where nothing was written.
pub(crate) fn maybe<T>(there: bool, read: impl FnOnce() -> Option<T>) -> Option<Option<T>> {
    if there { read().map(Some) } else { Some(None) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_state_comes_back(stored in samples::stored()) {
            let mut out = Vec::new();
            put_stored(&mut out, &stored);
            let mut read = Reader::new(&out);
            prop_assert_eq!(read_stored(&mut read), Some(stored));
            prop_assert!(read.end().is_some());
        }

        #[test]
        fn garbage_is_no_state_or_one_that_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(state) = read_state(&mut Reader::new(&bytes), ConversationId(0)) {
                let mut out = Vec::new();
                put_state(&mut out, &state);
                prop_assert_eq!(read_state(&mut Reader::new(&out), ConversationId(0)), Some(state));
            }
        }
    }

    #[test]
    fn a_waiting_conversation_takes_few_bytes() {
        let mut out = Vec::new();
        put_state(&mut out, &samples::waiting(ConversationId(1), Moment(1_772_400_000_123)).state);
        assert!(out.len() <= 40, "{} bytes", out.len());
    }
}
