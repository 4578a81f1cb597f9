//! `plan`, one request: a line of JSON in, a line of JSON out, as `schedule.md` has it.
//!
//! Not the stream of them (that is the command) and not the decision (that is the schedule library).

use super::rules::ScheduleShape;
use super::{Calendars, Loose, Mistake};
use crate::moment::Moment;
use crate::schedule::{Plan, Reason, Rules, Silence, plan};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt::Write;

/// The first instant taken: 1970.
const FIRST: Moment = Moment(0);
/// The first that is not any more: 2201-01-01T00:00:00Z.
const AFTER_LAST: Moment = Moment(7_289_654_400_000);
/// Most policies remembered, and the longest that is, in bytes.
const POLICIES: usize = 1_024;
const POLICY_BYTES: usize = 2_048;
/// How often the weight of compiled calendars is looked at, in requests.
const WEIGH_EVERY: u32 = 1_024;

/// What became of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// A blank line: nothing was written.
    Blank,
    /// An answer was written.
    Answered,
    /// An error was written.
    Refused,
}

/// Answers requests, and remembers policies it has read: bulk input repeats them. Bounded, whatever comes in.
#[derive(Default)]
pub struct Planner {
    default: Option<Known>,
    policies: HashMap<Box<str>, Known>,
    calendars: Calendars,
    answered: u32,
}

/// A policy as it was understood.
#[derive(Clone)]
struct Known {
    rules: Rules,
    /// The wait as it was written, where the clamp changed it.
    clamped: Option<i64>,
    spread_key: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    policy: Option<&'a RawValue>,
    inactive_since: Option<Loose>,
    /// Outer: whether the key is there. Inner: whether it is more than `null`.
    #[serde(default, deserialize_with = "there")]
    last_inbound_at: Option<Option<Loose>>,
    now: Option<Loose>,
    recipient: Option<Loose>,
    spread_key: Option<Loose>,
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

/// The identity alone, of a line that is otherwise wrong.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

impl Planner {
    /// A planner whose requests may leave out `policy` where `default` is given.
    #[must_use]
    pub fn new(default: Option<Rules>) -> Planner {
        Planner { default: default.map(|rules| Known { rules, clamped: None, spread_key: None }), ..Planner::default() }
    }

    /// Answers one request: the line, without its end, and what became of it. `None` for a blank line.
    pub fn answer(&mut self, request: &[u8]) -> Option<(String, Line)> {
        let mut text = String::new();
        let line = self.answer_into(request, &mut text);
        (line != Line::Blank).then_some((text, line))
    }

    /// The same, appended to `answer`, so that a stream needs no new text for each line.
    pub fn answer_into(&mut self, request: &[u8], answer: &mut String) -> Line {
        if request.iter().all(u8::is_ascii_whitespace) {
            return Line::Blank;
        }
        let before = answer.len();
        match self.answer_request(request, answer) {
            Ok(()) => Line::Answered,
            Err(error) => {
                answer.truncate(before);
                refuse(id_of(request), &error, answer);
                Line::Refused
            }
        }
    }

    fn answer_request(&mut self, request: &[u8], answer: &mut String) -> Result<(), String> {
        if request.trim_ascii_start().first() != Some(&b'{') {
            return Err("not a request: write one JSON object a line, {\"id\":…,\"policy\":{…},\"inactive_since\":…}".to_owned());
        }
        let request: Request = serde_json::from_slice(request).map_err(|error| format!("not a request: {error}"))?;
        let mut mistakes = Vec::new();
        let id = id_text(request.id).unwrap_or_else(|| {
            mistakes.push(mistake("id", request.id.map_or("", RawValue::get), "write a text or a number"));
            "null"
        });
        let silence = silence(&request, &mut mistakes);
        let known = self.known(request.policy, &mut mistakes);
        let (Some(mut silence), Some(known), true) = (silence, known, mistakes.is_empty()) else {
            return Err(all(&mistakes));
        };
        let key = match &request.spread_key {
            Some(key) => Some(spread_key(key).ok_or_else(|| all(&[mistake("spread_key", key, "write a text or a whole number")]))?),
            None => known.spread_key,
        };
        silence.spread_key = key.unwrap_or(0);
        let decision = if key.is_none() && known.rules.spread != 0 {
            // Without a key there is nothing to place the follow-up by.
            plan(&Rules { spread: 0, ..known.rules.clone() }, &silence)
        } else {
            plan(&known.rules, &silence)
        };
        let clamped = known.clamped.filter(|_| known.rules.enabled);
        write_answer(id, &decision, clamped.map(|asked| Reason::Clamped { at: silence.inactive_since, asked }), answer);
        Ok(())
    }

    /// The policy of a request, remembered by its text, or the default.
    fn known(&mut self, policy: Option<&RawValue>, mistakes: &mut Vec<Mistake>) -> Option<Known> {
        self.answered = self.answered.wrapping_add(1);
        if self.answered.is_multiple_of(WEIGH_EVERY) && self.calendars.is_heavy() {
            self.calendars.clear();
            self.policies.clear();
        }
        let Some(policy) = policy.map(RawValue::get) else {
            if self.default.is_none() {
                mistakes.push(mistake("policy", "", "write the flow's keys, as {\"enable_follow_up\":true}"));
            }
            return self.default.clone();
        };
        if let Some(known) = self.policies.get(policy) {
            return Some(known.clone());
        }
        let known = read_policy(policy, &mut self.calendars, mistakes)?;
        if policy.len() <= POLICY_BYTES {
            if self.policies.len() >= POLICIES {
                self.policies.clear();
            }
            self.policies.insert(policy.into(), known.clone());
        }
        Some(known)
    }
}

/// Writes the answer to something that is no request: `{"id":…,"error":"…"}`.
pub fn refuse(id: &str, error: &str, answer: &mut String) {
    let error = serde_json::to_string(error).unwrap_or_else(|_| "\"not a request\"".to_owned());
    let _ = write!(answer, "{{\"id\":{id},\"error\":{error}}}");
}

fn read_policy(text: &str, calendars: &mut Calendars, mistakes: &mut Vec<Mistake>) -> Option<Known> {
    if !text.starts_with('{') {
        mistakes.push(mistake("policy", text, "write an object with the flow's keys"));
        return None;
    }
    let read = serde_json::from_str(text);
    let read = read.or_else(|error| if is_out_of_range(&error) { serde_json::from_str(&with_short_numbers(text)) } else { Err(error) });
    let shape: PolicyShape = match read {
        Ok(shape) => shape,
        Err(error) => {
            mistakes.push(mistake("policy", shortened(text), error));
            return None;
        }
    };
    if let Some(message) = shape.follow_up_message.as_ref().filter(|message| !matches!(message, Loose::Text(_))) {
        mistakes.push(mistake("policy.follow_up_message", message, "write a text"));
    }
    let key = shape.spread_key.as_ref().map(|key| (key, spread_key(key)));
    if let Some((value, None)) = key {
        mistakes.push(mistake("policy.spread_key", value, "write a text or a whole number"));
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
        Ok(rules) => Some(Known { rules, clamped: reading.clamped, spread_key: key.and_then(|(_, key)| key) }),
        Err(found) => {
            mistakes.extend(found.into_iter().map(|mistake| Mistake { key: format!("policy.{}", mistake.key), ..mistake }));
            None
        }
    }
}

fn silence(request: &Request, mistakes: &mut Vec<Mistake>) -> Option<Silence> {
    if request.inactive_since.is_none() {
        mistakes.push(mistake("inactive_since", "", "write the last activity in RFC 3339"));
    }
    if let Some(recipient) = request.recipient.as_ref().filter(|recipient| !matches!(recipient, Loose::Text(_))) {
        mistakes.push(mistake("recipient", recipient, "write a number as \"+573001234567\""));
    }
    let mut read = |key: &str, value: &Loose| {
        let instant = if let Loose::Text(text) = value { Moment::parse(text) } else { None };
        let instant = instant.filter(|instant| (FIRST..AFTER_LAST).contains(instant));
        if instant.is_none() {
            mistakes.push(mistake(key, value, "write an RFC 3339 instant of the years 1970 to 2200, as 2026-03-01T22:30:00.000Z"));
        }
        instant
    };
    let since = request.inactive_since.as_ref().map(|value| read("inactive_since", value));
    let inbound = request.last_inbound_at.as_ref().map(|value| value.as_ref().map(|value| read("last_inbound_at", value)));
    let now = request.now.as_ref().map(|value| read("now", value));
    let since = since??;
    let last_inbound_at = match inbound {
        None => Some(since),
        Some(None) => None,
        Some(Some(read)) => Some(read?),
    };
    let now = now.unwrap_or(Some(since))?;
    Some(Silence { inactive_since: since, last_inbound_at, now, spread_key: 0 })
}

fn write_answer(id: &str, plan: &Plan, clamped: Option<Reason>, answer: &mut String) {
    // Writing to a text cannot fail.
    let _ = write!(answer, "{{\"id\":{id},\"action\":\"{}\"", plan.action.as_str());
    if let Some(slot) = plan.action.slot() {
        let _ = write!(answer, ",\"due_at\":\"{}\",\"not_before\":\"{}\",\"not_after\":\"{}\"", slot.due, slot.not_before, slot.not_after);
    }
    answer.push_str(",\"trail\":[");
    let mut gap = "";
    for reason in clamped.iter().chain(&plan.trail) {
        // The sentences hold no quote, no backslash and no control character (tested), so they stand as they are.
        let _ = write!(answer, "{gap}{{\"rule\":\"{}\",\"at\":\"{}\",\"because\":\"{}\"}}", reason.rule(), reason.at(), reason.because());
        gap = ",";
    }
    answer.push_str("]}");
}

/// The identity as it was written, where it is a text, a number, a truth value or absent.
fn id_text(id: Option<&RawValue>) -> Option<&str> {
    let text = id.map_or("null", RawValue::get);
    (!text.starts_with(['{', '['])).then_some(text)
}

fn id_of(request: &[u8]) -> &str {
    let object = request.trim_ascii_start().first() == Some(&b'{');
    let named = object.then(|| serde_json::from_slice::<Named>(request).ok()).flatten();
    named.and_then(|named| id_text(named.id)).unwrap_or("null")
}

/// A key for the spread: a number as it is, a text by 64-bit FNV-1a.
fn spread_key(key: &Loose) -> Option<u64> {
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

fn mistake(key: &str, value: impl ToString, cure: impl ToString) -> Mistake {
    Mistake { key: key.to_owned(), value: value.to_string(), cure: cure.to_string() }
}

fn all(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("; ")
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(60)]
}

fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Loose>>, D::Error> {
    Option::deserialize(from).map(Some)
}
