//! The events of the machine in the words of a story, read and written.
//!
//! Not the events of the API: stories that are told through the engine have sentences of their own (`sim/scenario.rs`).

use crate::conversation::{Choice, Event, Finish, Refusal, State, Verdict};
use crate::moment::Moment;
use crate::schedule::SkipReason;
use crate::shapes::story::{read_moment, write_moment};
use crate::shapes::units;

const FACTS: [(Finish, &str); 4] = [
    (Finish::Succeeded, "process succeeded"),
    (Finish::Failed, "process failed"),
    (Finish::Cancelled, "process cancelled"),
    (Finish::Superseded, "another flow took its place"),
];
const REFUSALS: [(Refusal, &str); 5] = [
    (Refusal::WindowClosed, "window closed"),
    (Refusal::Template, "template"),
    (Refusal::Recipient, "recipient"),
    (Refusal::Line, "line"),
    (Refusal::OptedOut, "opted out"),
];
const PLAIN: [(Event, &str); 7] = [
    (Event::Hold, "operator holds"),
    (Event::Release, "operator releases"),
    (Event::SendNow, "operator sends now"),
    (Event::Resend, "operator resends"),
    (Event::Woke, "timer"),
    (Event::Orphaned, "the claim of a process that is gone"),
    (Event::PolicyChanged, "the rules changed"),
];

/// What happened, taken in at `now`. A time of its own follows, where it has another.
#[must_use]
pub fn words(event: &Event, now: Moment) -> String {
    let (what, at) = match *event {
        Event::Message { at, typed: None } => ("person writes".to_owned(), at),
        Event::Message { at, typed: Some(choice) } => (format!("person writes {}", choice.as_str()), at),
        Event::Answer { at, choice, silence: None } => (format!("person answers {}", choice.as_str()), at),
        Event::Answer { at, choice, silence: Some(silence) } => {
            (format!("person answers {} to the silence of {}", choice.as_str(), write_moment(silence)), at)
        }
        Event::Question { at, obstacle: None } => ("bot asks".to_owned(), at),
        Event::Question { at, obstacle: Some(why) } => (format!("bot asks, which nobody can be sent: {}", why.as_str()), at),
        Event::Finish { at, how } => (name_of(&FACTS, how).to_owned(), at),
        Event::OptOut { at } => ("person opts out".to_owned(), at),
        Event::OptIn { at } => ("person opts in".to_owned(), at),
        Event::Ask { at } => ("we ask".to_owned(), at),
        Event::Invite { at } => ("we invite".to_owned(), at),
        Event::Notify { at } => ("we notify".to_owned(), at),
        Event::Close { at } => ("we say the last word".to_owned(), at),
        Event::Blocked { reason } => (format!("what was to go out cannot: {}", reason.as_str()), now),
        Event::Postpone { until } => (format!("operator postpones until {}", write_moment(until)), now),
        Event::Sent { verdict, .. } => (format!("call {}", ending(verdict, now)), now),
        Event::Found { verdict, .. } => (format!("the ledger knows the call: {}", ending(verdict, now)), now),
        Event::Undelivered { step, refusal, .. } => {
            (format!("follow-up {} did not arrive: {}", u32::from(step) + 1, name_of(&REFUSALS, refusal)), now)
        }
        Event::Hold | Event::Release | Event::SendNow | Event::Woke | Event::Orphaned | Event::Resend | Event::PolicyChanged => {
            (name_of(&PLAIN, *event).to_owned(), now)
        }
    };
    if at == now { what } else { format!("{what}, said at {}", write_moment(at)) }
}

/// Reads what [`words`] wrote; a call is the one that `state` has in hand, or plans. `None` where it is nothing of the kind.
pub(super) fn read_words(text: &str, now: Moment, state: &State) -> Option<Event> {
    let (text, at) = match text.split_once(", said at ") {
        Some((text, at)) => (text, read_moment(at)?),
        None => (text, now),
    };
    if let Some(how) = value_of(&FACTS, text) {
        return Some(Event::Finish { at, how });
    }
    if let Some(plain) = value_of(&PLAIN, text) {
        return Some(plain);
    }
    let (silence, step) = (state.silence, state.step);
    let rest = |prefix: &str| text.strip_prefix(prefix);
    match text {
        "person writes" => return Some(Event::Message { at, typed: None }),
        "bot asks" => return Some(Event::Question { at, obstacle: None }),
        "we ask" => return Some(Event::Ask { at }),
        "we invite" => return Some(Event::Invite { at }),
        "we notify" => return Some(Event::Notify { at }),
        "we say the last word" => return Some(Event::Close { at }),
        "person opts out" => return Some(Event::OptOut { at }),
        "person opts in" => return Some(Event::OptIn { at }),
        _ => {}
    }
    if let Some(word) = rest("person writes ") {
        return Some(Event::Message { at, typed: Some(Choice::parse(word)?) });
    }
    if let Some(answer) = rest("person answers ") {
        let (word, silence) = match answer.split_once(" to the silence of ") {
            Some((word, silence)) => (word, Some(read_moment(silence)?)),
            None => (answer, None),
        };
        return Some(Event::Answer { at, choice: Choice::parse(word)?, silence });
    }
    if let Some(why) = rest("bot asks, which nobody can be sent: ") {
        return Some(Event::Question { at, obstacle: Some(SkipReason::parse(why)?) });
    }
    if let Some(why) = rest("what was to go out cannot: ") {
        return Some(Event::Blocked { reason: SkipReason::parse(why)? });
    }
    if let Some(until) = rest("operator postpones until ") {
        return Some(Event::Postpone { until: read_moment(until)? });
    }
    if let Some(found) = rest("the ledger knows the call: ") {
        return Some(Event::Found { silence, step, verdict: read_ending(found, now)? });
    }
    if let Some((number, why)) = rest("follow-up ").and_then(|rest| rest.split_once(" did not arrive: ")) {
        let step = number.parse::<u8>().ok()?.checked_sub(1)?;
        return Some(Event::Undelivered { silence, step, refusal: value_of(&REFUSALS, why)? });
    }
    Some(Event::Sent { silence, step, verdict: read_ending(rest("call ")?, now)? })
}

/// How a call ended.
pub(super) fn ending(verdict: Verdict, now: Moment) -> String {
    match verdict {
        Verdict::Accepted(at) if at == now => "taken".to_owned(),
        Verdict::Accepted(at) => format!("taken at {}", write_moment(at)),
        Verdict::Busy(after) => format!("not taken for now, again after {}", units::print(after)),
        Verdict::Refused(refusal) => format!("refused: {}", name_of(&REFUSALS, refusal)),
        Verdict::Unknown => "without an answer".to_owned(),
        Verdict::NotBegun => "not begun".to_owned(),
        Verdict::Stopped => "line stopped".to_owned(),
    }
}

/// Reads how a call ended, as [`words`] writes it. `None` where it is no end of a call.
#[must_use]
pub fn read_ending(text: &str, now: Moment) -> Option<Verdict> {
    let rest = |prefix: &str| text.strip_prefix(prefix);
    Some(match text {
        "taken" => Verdict::Accepted(now),
        "without an answer" => Verdict::Unknown,
        "not begun" => Verdict::NotBegun,
        "line stopped" => Verdict::Stopped,
        _ => {
            if let Some(at) = rest("taken at ") {
                Verdict::Accepted(read_moment(at)?)
            } else if let Some(after) = rest("not taken for now, again after ") {
                Verdict::Busy(units::parse(after)?)
            } else {
                Verdict::Refused(value_of(&REFUSALS, rest("refused: ")?)?)
            }
        }
    })
}

fn name_of<T: PartialEq>(table: &[(T, &'static str)], value: T) -> &'static str {
    table.iter().find(|(known, _)| *known == value).map_or("", |(_, name)| name)
}

fn value_of<T: Copy>(table: &[(T, &'static str)], name: &str) -> Option<T> {
    table.iter().find(|(_, known)| *known == name).map(|(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ConversationId;

    #[test]
    fn every_event_reads_back() {
        let (now, at) = (Moment(1_772_463_600_000), Moment(1_772_463_500_250));
        let state = State { silence: at, step: 2, ..State::new(ConversationId(0), false) };
        let verdicts = [
            Verdict::Accepted(now),
            Verdict::Accepted(at),
            Verdict::Busy(30_000),
            Verdict::Busy(0),
            Verdict::Refused(Refusal::Recipient),
            Verdict::Unknown,
            Verdict::NotBegun,
            Verdict::Stopped,
        ];
        let mut events: Vec<Event> = PLAIN.iter().map(|(event, _)| *event).collect();
        events.extend(verdicts.map(|verdict| Event::Sent { silence: at, step: 2, verdict }));
        events.extend(verdicts.map(|verdict| Event::Found { silence: at, step: 2, verdict }));
        events.extend(FACTS.map(|(how, _)| Event::Finish { at, how }));
        for at in [at, now] {
            for choice in Choice::ALL {
                events.push(Event::Message { at, typed: Some(choice) });
                events.push(Event::Answer { at, choice, silence: None });
                events.push(Event::Answer { at, choice, silence: Some(now) });
            }
            events.extend([Event::Message { at, typed: None }, Event::OptOut { at }, Event::OptIn { at }, Event::Postpone { until: at }]);
            events.extend([Event::Ask { at }, Event::Invite { at }, Event::Notify { at }, Event::Close { at }]);
            events.push(Event::Blocked { reason: SkipReason::OptedOut });
            events.extend([None, Some(SkipReason::NoRecipient)].map(|obstacle| Event::Question { at, obstacle }));
        }
        for event in events {
            let told = words(&event, now);
            assert_eq!(read_words(&told, now, &state), Some(event), "{told}");
        }
        for wrong in ["", "call", "person sings", "call taken at noon", "person writes maybe", "bot asks, said at noon"] {
            assert_eq!(read_words(wrong, now, &state), None, "{wrong}");
        }
    }
}
