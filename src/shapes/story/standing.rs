//! Where a conversation stands, as a sentence, and the reasons that led there, a line each.
//!
//! Not data: nothing reads these back.

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use crate::conversation::{Form, Phase, Policy, Purpose, State};
use crate::moment::Moment;
use crate::schedule::{Hours, Trail};
use crate::shapes::story::write_moment;

/// Where it stands and what comes next, under these rules.
#[must_use]
pub fn standing(state: &State, policy: &Policy) -> String {
    let step = match state.purpose {
        Purpose::Ask if policy.asks => "the question".to_owned(),
        Purpose::Ask => "the question again".to_owned(),
        Purpose::Invite => "the invitation".to_owned(),
        Purpose::Notify => "the notification".to_owned(),
        Purpose::Close => "the last word".to_owned(),
        Purpose::FollowUp => format!("follow-up {} of {}", state.step.saturating_add(1), policy.ladder()),
    };
    let form = if state.form == Form::Template { "template" } else { "message" };
    let at = |at: Option<Moment>| at.map_or_else(|| "never".to_owned(), |at| local(at, policy));
    let next = match (state.skip, state.due, state.wake) {
        (Some(reason), _, wake) => format!("{step} will be skipped {}: {}", at(wake), reason.as_str()),
        (None, Some(due), Some(wake)) if wake < due => {
            format!("{step} goes out as {form} from {} to {}", local(wake, policy), local(due, policy))
        }
        (None, due, _) => format!("{step} goes out as {form} {}", at(due)),
    };
    let stands = match state.phase {
        Phase::Quiet => "quiet".to_owned(),
        Phase::Waiting => format!("waiting; {next}"),
        Phase::Sending if state.doubt => format!("sending; nobody knows whether it was taken, until {}", at(state.wake)),
        Phase::Sending => format!("sending; {step}, call {}", state.attempt),
        Phase::Retrying => format!("retrying; {step}, call {} {}", state.attempt.saturating_add(1), at(state.wake)),
        Phase::Answering if state.wake.is_some() => format!("answering until {}; {next}", at(state.expires)),
        Phase::Answering => format!("answering until {}", at(state.expires)),
        Phase::Finished(outcome) => format!("finished: {}", outcome.as_str()),
    };
    let held = if state.held && state.outcome().is_none() { "held; " } else { "" };
    format!("{held}{stands}")
}

/// An instant with its weekday, and the time on the wall where the flow has a zone.
fn local(at: Moment, policy: &Policy) -> String {
    let Some(utc) = DateTime::from_timestamp_millis(at.0) else { return write_moment(at) };
    let text = format!("{} {}", utc.format("%a"), write_moment(at));
    match &policy.rules.hours {
        Hours::Daily(_) => text,
        Hours::Calendar(calendar) => match calendar.zone_name().parse::<Tz>() {
            Ok(zone) => format!("{text} ({})", on_the_wall(&zone, utc)),
            Err(_) => text,
        },
    }
}

fn on_the_wall(zone: &Tz, utc: DateTime<Utc>) -> String {
    let wall = zone.from_utc_datetime(&utc.naive_utc());
    let day = if wall.date_naive() == utc.date_naive() { String::new() } else { format!("{} ", wall.format("%a")) };
    let minutes = wall.offset().fix().local_minus_utc() / 60;
    let (sign, hours, rest) = (if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60);
    let rest = if rest == 0 { String::new() } else { format!(":{rest:02}") };
    format!("{day}{} {sign}{hours:02}{rest}", wall.format("%H:%M"))
}

/// The reasons, a line each: the rule, its moment, the sentence.
#[must_use]
pub fn reasons(trail: &Trail) -> String {
    let width = trail.iter().map(|reason| reason.rule().len()).max().unwrap_or(0);
    let line =
        |reason: &crate::schedule::Reason| format!("    {:width$}  {}  {}\n", reason.rule(), write_moment(reason.at()), reason.because());
    trail.iter().map(line).collect()
}
