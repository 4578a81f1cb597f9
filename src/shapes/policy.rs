//! The policy of a `plan` request: the schedule keys of a flow, and what else may stand beside them.
//!
//! Not a flow of the configuration: texts, steps and hooks are no part of a request.

use super::rules::ScheduleShape;
use super::{Calendars, Loose, Mistake};
use crate::schedule::Rules;
use serde::Deserialize;

/// A policy as it was understood.
#[derive(Clone)]
pub(super) struct Policy {
    pub(super) rules: Rules,
    /// The wait as it was written, where the clamp changed it.
    pub(super) clamped: Option<i64>,
    pub(super) spread_key: Option<u64>,
}

/// The keys of a policy in a request: the schedule keys, the guide's text (not read here), and a key for the spread.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyShape {
    enable_follow_up: Option<Loose>,
    follow_up_delay: Option<Loose>,
    follow_up_message: Option<Loose>,
    start_business_hours: Option<Loose>,
    end_business_hours: Option<Loose>,
    calendar: Option<Loose>,
    session: Option<Loose>,
    spread_minutes: Option<Loose>,
    spread_key: Option<Loose>,
}

/// Reads a policy from its JSON; what is wrong with it goes to `mistakes`.
pub(super) fn read_policy(text: &str, calendars: &mut Calendars, mistakes: &mut Vec<Mistake>) -> Option<Policy> {
    if !text.starts_with('{') {
        mistakes.push(Mistake::new("policy", text, "write an object with the flow's keys"));
        return None;
    }
    let read = serde_json::from_str(text);
    let read = read.or_else(|error| if is_out_of_range(&error) { serde_json::from_str(&with_short_numbers(text)) } else { Err(error) });
    let shape: PolicyShape = match read {
        Ok(shape) => shape,
        Err(error) => {
            mistakes.push(Mistake::new("policy", shortened(text), error));
            return None;
        }
    };
    if let Some(message) = shape.follow_up_message.as_ref().filter(|message| !matches!(message, Loose::Text(_))) {
        mistakes.push(Mistake::new("policy.follow_up_message", message, "write a text"));
    }
    let key = shape.spread_key.as_ref().map(|key| (key, spread_key(key)));
    if let Some((value, None)) = key {
        mistakes.push(Mistake::new("policy.spread_key", value, "write a text or a whole number"));
    }
    let schedule = ScheduleShape {
        enable_follow_up: shape.enable_follow_up,
        follow_up_delay: shape.follow_up_delay,
        start_business_hours: shape.start_business_hours,
        end_business_hours: shape.end_business_hours,
        calendar: shape.calendar,
        session: shape.session,
        spread_minutes: shape.spread_minutes,
    };
    let reading = schedule.read(false, calendars);
    match reading.rules {
        Ok(rules) => Some(Policy { rules, clamped: reading.clamped, spread_key: key.and_then(|(_, key)| key) }),
        Err(found) => {
            mistakes.extend(found.into_iter().map(|mistake| Mistake { key: format!("policy.{}", mistake.key), ..mistake }));
            None
        }
    }
}

/// A key for the spread: a number as it is, a text by 64-bit FNV-1a.
pub(super) fn spread_key(key: &Loose) -> Option<u64> {
    match key {
        Loose::Whole(number) => Some(*number as u64),
        Loose::Text(text) => {
            Some(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)))
        }
        _ => None,
    }
}

fn is_out_of_range(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("number out of range")
}

/// A delay may have any size, also one that no float holds: whole numbers are cut to their first digits, which are as far
/// beyond every clamp as the rest.
fn with_short_numbers(text: &str) -> String {
    const DIGITS: usize = 40;
    let (mut short, mut quoted, mut escaped, mut run) = (String::with_capacity(text.len()), false, false, 0);
    for letter in text.chars() {
        if quoted {
            quoted = escaped || letter != '"';
            escaped = letter == '\\' && !escaped;
        } else {
            quoted = letter == '"';
            run = if letter.is_ascii_digit() { run + 1 } else { 0 };
            if run > DIGITS {
                continue;
            }
        }
        short.push(letter);
    }
    short
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(60)]
}
