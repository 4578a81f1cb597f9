//! A state in which a recorded story begins, as one line: whatever differs from a conversation of which nothing is known.
//!
//! Not for people: they read the sentence of `standing.rs`.

use crate::conversation::{Form, Outcome, Phase, Purpose, SendOutcome, State};
use crate::id::ConversationId;
use crate::schedule::SkipReason;
use crate::shapes::story::{read_moment, write_moment};

const PHASES: [Phase; 5] = [Phase::Quiet, Phase::Waiting, Phase::Sending, Phase::Retrying, Phase::Answering];

/// Writes a state as [`read_state`] reads it.
pub(super) fn write_state(state: &State) -> String {
    let plain = State::new(ConversationId(0), false);
    let mut parts = vec![state.outcome().map_or(state.phase.as_str(), |outcome| outcome.as_str()).to_owned()];
    let flags = [
        ("held", state.held),
        ("started", state.started),
        ("opted-out", state.opted_out),
        ("doubt", state.doubt),
        ("shut", state.shut),
        ("hurried", state.hurried),
        ("later", state.later),
        ("sent-in-episode", state.sent_in_episode),
        ("ask", state.purpose == Purpose::Ask),
        ("invite", state.purpose == Purpose::Invite),
        ("notify", state.purpose == Purpose::Notify),
        ("close", state.purpose == Purpose::Close),
        ("template", state.form == Form::Template),
    ];
    parts.extend(flags.into_iter().filter(|(_, on)| *on).map(|(name, _)| name.to_owned()));
    let numbers = [
        ("episode", state.episode),
        ("episodes-sent", u32::from(state.episodes_sent)),
        ("step", u32::from(state.step)),
        ("attempt", u32::from(state.attempt)),
        ("salt", state.salt),
    ];
    parts.extend(numbers.into_iter().filter(|(_, number)| *number > 0).map(|(name, number)| format!("{name} {number}")));
    let reasons = [("skip", state.skip), ("obstacle", state.obstacle), ("sent-reason", state.sent.and_then(SendOutcome::reason))];
    parts.extend(state.sent.map(|sent| format!("sent {}", sent.as_str())));
    parts.extend(reasons.into_iter().filter_map(|(name, reason)| Some(format!("{name} {}", reason?.as_str()))));
    let moments = [
        ("begun", Some(state.begun).filter(|at| *at != plain.begun)),
        ("silence", Some(state.silence).filter(|at| *at != plain.silence)),
        ("question", state.question),
        ("last-inbound", state.last_inbound),
        ("handed-over", state.handed_over),
        ("earliest", state.earliest),
        ("wake", state.wake),
        ("due", state.due),
        ("not-after", Some(state.not_after).filter(|at| *at != plain.not_after)),
        ("expires", state.expires),
    ];
    parts.extend(moments.into_iter().filter_map(|(name, at)| Some(format!("{name} {}", write_moment(at?)))));
    parts.join("; ")
}

/// Reads a state.
pub(super) fn read_state(text: &str) -> Result<State, String> {
    let mut parts = text.split("; ");
    let first = parts.next().unwrap_or_default();
    let known = PHASES.into_iter().find(|phase| phase.as_str() == first);
    let ended = || Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == first).map(Phase::Finished);
    let phase = known.or_else(ended).ok_or_else(|| format!("{first:?}: no state and no outcome"))?;
    let mut state = State { phase, ..State::new(ConversationId(0), false) };
    for part in parts {
        read_part(&mut state, part).ok_or_else(|| format!("{part:?}: no part of a state"))?;
    }
    Ok(state)
}

fn read_part(state: &mut State, part: &str) -> Option<()> {
    let (name, value) = part.split_once(' ').unwrap_or((part, ""));
    let at = || read_moment(value);
    match name {
        "held" => state.held = true,
        "started" => state.started = true,
        "opted-out" => state.opted_out = true,
        "doubt" => state.doubt = true,
        "shut" => state.shut = true,
        "hurried" => state.hurried = true,
        "later" => state.later = true,
        "sent-in-episode" => state.sent_in_episode = true,
        "ask" => state.purpose = Purpose::Ask,
        "invite" => state.purpose = Purpose::Invite,
        "notify" => state.purpose = Purpose::Notify,
        "close" => state.purpose = Purpose::Close,
        "template" => state.form = Form::Template,
        "episode" => state.episode = value.parse().ok()?,
        "episodes-sent" => state.episodes_sent = value.parse().ok()?,
        "step" => state.step = value.parse().ok()?,
        "attempt" => state.attempt = value.parse().ok()?,
        "salt" => state.salt = value.parse().ok()?,
        "skip" => state.skip = Some(SkipReason::parse(value)?),
        "obstacle" => state.obstacle = Some(SkipReason::parse(value)?),
        "sent" => state.sent = Some(read_sent(value)?),
        "sent-reason" => state.sent = Some(with_reason(state.sent?, SkipReason::parse(value)?)),
        "begun" => state.begun = at()?,
        "silence" => state.silence = at()?,
        "question" => state.question = Some(at()?),
        "last-inbound" => state.last_inbound = Some(at()?),
        "handed-over" => state.handed_over = Some(at()?),
        "earliest" => state.earliest = Some(at()?),
        "wake" => state.wake = Some(at()?),
        "due" => state.due = Some(at()?),
        "not-after" => state.not_after = at()?,
        "expires" => state.expires = Some(at()?),
        _ => return None,
    }
    Some(())
}

fn read_sent(word: &str) -> Option<SendOutcome> {
    let unsaid = SkipReason::TooLate;
    let all =
        [SendOutcome::Accepted, SendOutcome::Rejected(unsaid), SendOutcome::Unknown, SendOutcome::Skipped(unsaid), SendOutcome::Cancelled];
    all.into_iter().find(|sent| sent.as_str() == word)
}

fn with_reason(sent: SendOutcome, reason: SkipReason) -> SendOutcome {
    match sent {
        SendOutcome::Rejected(_) => SendOutcome::Rejected(reason),
        SendOutcome::Skipped(_) => SendOutcome::Skipped(reason),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;

    #[test]
    fn a_state_with_everything_in_it_reads_back() {
        let plain = State::new(ConversationId(0), false);
        let at = |n: i64| Moment(1_772_463_600_000 + n);
        let flags = State { held: true, started: true, opted_out: true, doubt: true, shut: true, hurried: true, later: true, ..plain };
        let full = State {
            phase: Phase::Answering,
            sent_in_episode: true,
            purpose: Purpose::Ask,
            form: Form::Template,
            episode: 7,
            episodes_sent: 2,
            step: 255,
            attempt: 3,
            salt: 99,
            skip: Some(SkipReason::Capped),
            obstacle: Some(SkipReason::NoRecipient),
            sent: Some(SendOutcome::Skipped(SkipReason::WindowClosed)),
            begun: at(0),
            silence: at(1),
            question: Some(at(2)),
            last_inbound: Some(at(3)),
            handed_over: Some(at(4)),
            earliest: Some(at(5)),
            wake: Some(at(6)),
            due: Some(at(7)),
            not_after: at(8),
            expires: Some(at(9)),
            ..flags
        };
        let ended = State { phase: Phase::Finished(Outcome::Declined), sent: Some(SendOutcome::Accepted), ..plain };
        let own = [Purpose::Invite, Purpose::Notify, Purpose::Close].map(|purpose| State { purpose, ..plain });
        for state in [plain, full, ended].into_iter().chain(own) {
            assert_eq!(read_state(&write_state(&state)), Ok(state));
        }
        assert_eq!(write_state(&plain), "quiet");
        assert!(read_state("quiet; mood good").unwrap_err().contains("mood good"));
    }
}
