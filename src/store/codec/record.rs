//! Details, decisions, deltas and hook records as bytes.
//!
//! Not their chunks: a record longer than one value is cut where it is stored.

use std::sync::Arc;

use crate::conversation::SendOutcome;
use crate::engine::record::{Decision, Delta, Details, Header, HookRecord, NameId, Outgoing, Question, Reach, SendRecord};
use crate::engine::registry::OutboundNews;
use crate::id::{AliasKey, ConversationId, SendId};
use crate::limits;
use crate::moment::Moment;
use crate::schedule::Tzdata;
use crate::store::codec::event::{put_event, put_report, put_trail, read_event, read_report, read_trail};
use crate::store::codec::state::{maybe, put_outcome, put_state, read_outcome, read_state};
use crate::store::codec::words::{Reader, put_at, put_i, put_id, put_list, put_str, put_u};
use crate::store::model::HookCell;

/// Appends the details of a conversation.
pub(crate) fn put_details(out: &mut Vec<u8>, details: &Details) {
    put_str(out, &details.caller);
    put_str(out, &details.to);
    put_pairs(out, &details.vars);
    put_pairs(out, &details.attributes);
    let choices = details.question.as_ref().is_some_and(|question| !question.choices.is_empty());
    out.push(there([details.question.is_some(), choices, details.outbound.is_some(), !details.answers.is_empty()]));
    if let Some(question) = &details.question {
        put_question(out, question);
    }
    out.push(u8::from(details.asked_at.is_some()));
    if let Some(at) = details.asked_at {
        put_i(out, at.0);
    }
    put_list(out, details.sends.iter(), put_send);
    put_list(out, details.decisions.iter(), put_decision);
    if let Some(outgoing) = &details.outbound {
        put_outgoing(out, outgoing);
    }
    if !details.answers.is_empty() {
        put_pairs(out, &details.answers);
    }
}

/// The details of conversation `id`.
pub(crate) fn read_details(read: &mut Reader<'_>, id: ConversationId) -> Option<Details> {
    let (caller, to, vars, attributes) = (read.text()?, read.text()?, read_pairs(read)?, read_pairs(read)?);
    let [asked, choices, outbound, answers] = are_there(read.u8()?)?;
    Some(Details {
        caller,
        to,
        vars,
        attributes,
        question: maybe(asked, || read_question(read, choices))?,
        asked_at: maybe(read.u8()? == 1, || read.i64().map(Moment))?,
        sends: read.list(read_send)?.into(),
        decisions: read.list(|read| read_decision(read, id)).filter(|d| d.len() <= limits::DECISIONS)?.into(),
        outbound: maybe(outbound, || read_outgoing(read))?,
        answers: maybe(answers, || read_pairs(read))?.unwrap_or_default(),
    })
}

/// What follows, as a byte: what came to the format later is written where there is something to write.
fn there<const N: usize>(are: [bool; N]) -> u8 {
    are.into_iter().zip(0..).fold(0, |flags, (is, bit)| flags | u8::from(is) << bit)
}

fn are_there<const N: usize>(flags: u8) -> Option<[bool; N]> {
    (u32::from(flags) < 1 << N).then(|| std::array::from_fn(|bit| flags & 1 << bit != 0))
}

/// Appends one change of a conversation's details.
pub(crate) fn put_delta(out: &mut Vec<u8>, delta: &Delta) {
    match delta {
        Delta::Caller(name) => {
            out.push(1);
            put_str(out, name);
        }
        Delta::To(to) => {
            out.push(2);
            put_str(out, to);
        }
        Delta::Vars(vars) => {
            out.push(3);
            put_pairs(out, vars);
        }
        Delta::Attributes(attributes) => {
            out.push(4);
            put_pairs(out, attributes);
        }
        Delta::Asked(question) => {
            out.push(if question.choices.is_empty() { 5 } else { 13 });
            put_question(out, question);
        }
        Delta::AskedAt(at) => {
            out.push(20);
            put_i(out, at.0);
        }
        Delta::Decided(decision) => {
            out.push(6);
            put_decision(out, decision);
        }
        Delta::Ended { send, step, outcome, at } => {
            out.push(7);
            put_ended(out, *send, *step, *outcome, *at);
        }
        Delta::Handed(send, message) => {
            out.push(8);
            put_id(out, send.0);
            put_id(out, message.0);
        }
        Delta::Reached(send, reach) => {
            out.push(9);
            put_id(out, send.0);
            out.push(*reach as u8);
        }
        Delta::Outbound(outgoing) => {
            out.extend_from_slice(&[10, u8::from(outgoing.is_some())]);
            if let Some(outgoing) = outgoing {
                put_outgoing(out, outgoing);
            }
        }
        Delta::Answered(question, answer) => {
            out.push(11);
            put_str(out, question);
            put_str(out, answer);
        }
        Delta::AnswersCleared => out.push(12),
    }
}

/// The change that [`put_delta`] wrote, of conversation `id`.
pub(crate) fn read_delta(read: &mut Reader<'_>, id: ConversationId) -> Option<Delta> {
    Some(match read.u8()? {
        1 => Delta::Caller(read.text()?),
        2 => Delta::To(read.text()?),
        3 => Delta::Vars(read_pairs(read)?),
        4 => Delta::Attributes(read_pairs(read)?),
        5 => Delta::Asked(read_question(read, false)?),
        6 => Delta::Decided(Box::new(read_decision(read, id)?)),
        7 => {
            let (send, step, outcome, at) = read_ended(read)?;
            Delta::Ended { send, step, outcome, at }
        }
        20 => Delta::AskedAt(Moment(read.i64()?)),
        8 => Delta::Handed(SendId(read.id()?), AliasKey(read.id()?)),
        9 => Delta::Reached(SendId(read.id()?), Reach::from_code(read.u8()?)?),
        10 => {
            let there = read.u8()? == 1;
            Delta::Outbound(maybe(there, || read_outgoing(read).map(Box::new))?)
        }
        11 => Delta::Answered(read.text()?, read.text()?),
        12 => Delta::AnswersCleared,
        13 => Delta::Asked(read_question(read, true)?),
        _ => return None,
    })
}

/// Appends a hook record with those who never took it.
pub(crate) fn put_cell(out: &mut Vec<u8>, cell: &HookCell) {
    put_hook(out, &cell.record);
    put_list(out, cell.dead.iter(), |out, (hook, at)| {
        put_u(out, u64::from(hook.0));
        put_at(out, *at, cell.record.at);
    });
}

/// The hook record that [`put_cell`] wrote.
pub(crate) fn read_cell(read: &mut Reader<'_>) -> Option<HookCell> {
    let record = read_hook(read)?;
    let dead = read.list(|read| Some((NameId(read.u16()?), read.at(record.at)?)))?;
    Some(HookCell { record, dead })
}

/// Appends a hook record.
pub(crate) fn put_hook(out: &mut Vec<u8>, record: &HookRecord) {
    put_u(out, record.seq);
    put_id(out, record.conversation.0);
    put_report(out, record.report);
    put_i(out, record.at.0);
    put_u(out, u64::from(record.episode));
    let choices = record.question.as_ref().is_some_and(|question| !question.choices.is_empty());
    let presence = [record.send.is_some(), record.question.is_some(), choices, !record.answers.is_empty(), record.outbound.is_some()];
    out.extend_from_slice(&[record.step, there(presence)]);
    if let Some(send) = record.send {
        put_id(out, send.0);
    }
    if let Some(question) = &record.question {
        put_question(out, question);
    }
    if !record.answers.is_empty() {
        put_pairs(out, &record.answers);
    }
    if let Some(news) = &record.outbound {
        put_str(out, &news.id);
        put_str(out, &news.name);
        put_str(out, &news.line);
        put_str(out, &news.why);
    }
    put_list(out, record.hooks.iter(), |out, hook| put_u(out, u64::from(hook.0)));
}

/// The hook record that [`put_hook`] wrote.
pub(crate) fn read_hook(read: &mut Reader<'_>) -> Option<HookRecord> {
    let seq = read.u64()?;
    let conversation = ConversationId(read.id()?);
    let report = read_report(read)?;
    let at = Moment(read.i64()?);
    let episode = read.u32()?;
    let step = read.u8()?;
    let [sent, asked, choices, answers, outbound] = are_there(read.u8()?)?;
    let send = maybe(sent, || read.id().map(SendId))?;
    let question = maybe(asked, || read_question(read, choices))?;
    let answers = maybe(answers, || read_pairs(read))?.unwrap_or_default();
    let outbound = maybe(outbound, || read_outbound(read).map(Box::new))?;
    let hooks = read.list(|read| read.u16().map(NameId))?;
    Some(HookRecord { seq, conversation, report, at, episode, step, send, question, answers, outbound, hooks })
}

fn read_outbound(read: &mut Reader<'_>) -> Option<OutboundNews> {
    Some(OutboundNews { id: Arc::from(read.text()?), name: read.text()?, line: read.text()?, why: read.text()? })
}

fn put_decision(out: &mut Vec<u8>, decision: &Decision) {
    let now = decision.now;
    put_i(out, now.0);
    put_state(out, &decision.before);
    put_event(out, &decision.event, now);
    put_trail(out, &decision.trail, now);
    out.extend_from_slice(&decision.fingerprint.to_le_bytes());
    out.extend_from_slice(&decision.tzdata.code().to_le_bytes());
    out.push(u8::from(decision.due.is_some()));
    if let Some(due) = decision.due {
        put_at(out, due, now);
    }
}

fn read_decision(read: &mut Reader<'_>, id: ConversationId) -> Option<Decision> {
    let now = Moment(read.i64()?);
    let before = read_state(read, id)?;
    let event = read_event(read, now)?;
    let trail = read_trail(read, now)?;
    let fingerprint = read.fixed()?;
    let tzdata = Tzdata::from_code(u16::from_le_bytes([read.u8()?, read.u8()?]));
    let due = maybe(read.u8()? == 1, || read.at(now))?;
    Some(Decision { now, before, event, trail, fingerprint, tzdata, due })
}

fn put_ended(out: &mut Vec<u8>, send: SendId, step: u8, outcome: SendOutcome, at: Moment) {
    put_id(out, send.0);
    out.push(step);
    put_outcome(out, outcome);
    put_i(out, at.0);
}

fn read_ended(read: &mut Reader<'_>) -> Option<(SendId, u8, SendOutcome, Moment)> {
    Some((SendId(read.id()?), read.u8()?, read_outcome(read)?, Moment(read.i64()?)))
}

/// The code of how far a message has come, and above it whether its id is known.
const HAS_MESSAGE: u8 = 1 << 4;

fn put_send(out: &mut Vec<u8>, record: &SendRecord) {
    put_ended(out, record.send, record.step, record.outcome, record.at);
    out.push(record.reach as u8 | if record.message.is_some() { HAS_MESSAGE } else { 0 });
    if let Some(message) = record.message {
        put_id(out, message.0);
    }
}

fn read_send(read: &mut Reader<'_>) -> Option<SendRecord> {
    let (send, step, outcome, at) = read_ended(read)?;
    let there = read.u8()?;
    let reach = Reach::from_code(there & !HAS_MESSAGE)?;
    let message = maybe(there & HAS_MESSAGE != 0, || read.id().map(AliasKey))?;
    Some(SendRecord { send, step, outcome, at, message, reach })
}

fn put_question(out: &mut Vec<u8>, question: &Question) {
    put_str(out, &question.id);
    put_str(out, &question.text);
    put_str(out, &question.payload);
    if !question.choices.is_empty() {
        put_list(out, question.choices.iter(), |out, title| put_str(out, title));
    }
}

fn read_question(read: &mut Reader<'_>, choices: bool) -> Option<Question> {
    let (id, text, payload) = (read.text()?, read.text()?, read.text()?);
    let choices = maybe(choices, || read.list(Reader::text))?.unwrap_or_default();
    Some(Question { id, text, payload, choices })
}

fn put_outgoing(out: &mut Vec<u8>, outgoing: &Outgoing) {
    let Outgoing { outbound, template, text, yes, no, vars, header, media, category } = outgoing;
    out.extend_from_slice(&[*header as u8, u8::from(media.is_some())]);
    for text in [outbound, template, text, yes, no, category].into_iter().chain(media) {
        put_str(out, text);
    }
    put_pairs(out, vars);
}

fn read_outgoing(read: &mut Reader<'_>) -> Option<Outgoing> {
    let (header, media) = (Header::from_code(read.u8()?)?, read.u8()? == 1);
    Some(Outgoing {
        header,
        outbound: read.text()?,
        template: read.text()?,
        text: read.text()?,
        yes: read.text()?,
        no: read.text()?,
        category: read.text()?,
        media: maybe(media, || read.text())?,
        vars: read_pairs(read)?,
    })
}

fn put_pairs(out: &mut Vec<u8>, pairs: &[(String, String)]) {
    put_list(out, pairs.iter(), |out, (name, value)| {
        put_str(out, name);
        put_str(out, value);
    });
}

fn read_pairs(read: &mut Reader<'_>) -> Option<Vec<(String, String)>> {
    read.list(|read| Some((read.text()?, read.text()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn details_and_hook_records_come_back(moves in samples::moves_of_one(), record in samples::hook_record(), dead: u16, at: i64) {
            let id = moves[0].stored.id;
            let mut details = Details::default();
            moves.iter().flat_map(|m| &m.deltas).for_each(|delta| details.apply(delta));
            let cell = HookCell { record, dead: vec![(NameId(dead), Moment(at))] };
            let mut out = Vec::new();
            put_details(&mut out, &details);
            put_cell(&mut out, &cell);
            let mut read = Reader::new(&out);
            prop_assert_eq!(read_details(&mut read, id), Some(details));
            prop_assert_eq!(read_cell(&mut read), Some(cell));
            prop_assert!(read.end().is_some());
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let id = ConversationId(1);
            if let Some(details) = read_details(&mut Reader::new(&bytes), id) {
                prop_assert!(details.decisions.len() <= limits::DECISIONS);
            }
            if let Some(cell) = read_cell(&mut Reader::new(&bytes)) {
                prop_assert!(cell.dead.len() <= bytes.len());
            }
        }
    }
}
