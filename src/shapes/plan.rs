//! `plan`, one request: a line of JSON in, a line of JSON out, as `schedule.md` has it.
//!
//! Not the stream of them (that is the command) and not the decision (that is the schedule library).

use super::policy::{Policy, read_policy, spread_key};
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
const POLICIES: usize = 4_096;
const POLICY_BYTES: usize = 4 << 10;
/// How often the weight of compiled calendars is looked at, in requests.
const WEIGH_EVERY: u32 = 256;

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
    default: Option<Policy>,
    policies: HashMap<Box<str>, Policy>,
    calendars: Calendars,
    answered: u32,
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
        Planner { default: default.map(|rules| Policy { rules, clamped: None, spread_key: None }), ..Planner::default() }
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
            mistakes.push(Mistake::new("id", request.id.map_or("", RawValue::get), "write a text or a number"));
            "null"
        });
        let silence = silence(&request, &mut mistakes);
        let known = self.known(request.policy, &mut mistakes);
        let (Some(mut silence), Some(known), true) = (silence, known, mistakes.is_empty()) else {
            return Err(all(&mistakes));
        };
        let key = match &request.spread_key {
            Some(key) => Some(spread_key(key).ok_or_else(|| all(&[Mistake::new("spread_key", key, "write a text or a whole number")]))?),
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
    fn known(&mut self, policy: Option<&RawValue>, mistakes: &mut Vec<Mistake>) -> Option<Policy> {
        self.answered = self.answered.wrapping_add(1);
        if self.answered.is_multiple_of(WEIGH_EVERY) && self.calendars.is_heavy() {
            self.forget();
        }
        let Some(policy) = policy.map(RawValue::get) else {
            if self.default.is_none() {
                mistakes.push(Mistake::new("policy", "", "write the flow's keys, as {\"enable_follow_up\":true}"));
            }
            return self.default.clone();
        };
        if let Some(known) = self.policies.get(policy) {
            return Some(known.clone());
        }
        // Both are forgotten together: a policy would keep alive the calendar that is no longer weighed.
        if self.policies.len() >= POLICIES || self.calendars.is_full() {
            self.forget();
        }
        let known = read_policy(policy, &mut self.calendars, mistakes)?;
        if policy.len() <= POLICY_BYTES {
            self.policies.insert(policy.into(), known.clone());
        }
        Some(known)
    }

    fn forget(&mut self) {
        self.calendars.clear();
        self.policies.clear();
    }
}

/// Writes the answer to something that is no request: `{"id":…,"error":"…"}`.
pub fn refuse(id: &str, error: &str, answer: &mut String) {
    let error = serde_json::to_string(error).unwrap_or_else(|_| "\"not a request\"".to_owned());
    let _ = write!(answer, "{{\"id\":{id},\"error\":{error}}}");
}

fn silence(request: &Request, mistakes: &mut Vec<Mistake>) -> Option<Silence> {
    if request.inactive_since.is_none() {
        mistakes.push(Mistake::new("inactive_since", "", "write the last activity in RFC 3339"));
    }
    if let Some(recipient) = request.recipient.as_ref().filter(|recipient| !matches!(recipient, Loose::Text(_))) {
        mistakes.push(Mistake::new("recipient", recipient, "write a number as \"+573001234567\""));
    }
    let mut read = |key: &str, value: &Loose| {
        let instant = if let Loose::Text(text) = value { Moment::parse(text) } else { None };
        let instant = instant.filter(|instant| (FIRST..AFTER_LAST).contains(instant));
        if instant.is_none() {
            mistakes.push(Mistake::new(key, value, "write an RFC 3339 instant of the years 1970 to 2200, as 2026-03-01T22:30:00.000Z"));
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

fn all(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("; ")
}

fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Loose>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn answer(request: &str) -> Value {
        let (text, line) = Planner::new(None).answer(request.as_bytes()).expect("not blank");
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(line == Line::Refused, value.get("error").is_some(), "{text}");
        assert!(!text.contains('\n'));
        value
    }

    fn with(policy: Value, more: Value) -> Value {
        let mut request = json!({"id": 1, "policy": policy, "inactive_since": "2026-03-01T22:30:00.000Z"});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer(&request.to_string())
    }

    fn rules_of(answer: &Value) -> Vec<&str> {
        answer["trail"].as_array().unwrap().iter().map(|reason| reason["rule"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_example_of_the_contract() {
        let example = r#"{"id":1,"policy":{"enable_follow_up":true,"follow_up_delay":45,"start_business_hours":"2021-01-01T13:00:00.000Z",
            "calendar":{"timezone":"America/Bogota","hours":"Mo,Tu 07:00-19:00, Sa 08:00-15:00","holidays":["2026-01-01"]},
            "session":{"window_minutes":1440,"margin_minutes":10,"when_closed":["advance","template","skip"],"template":"OTB1"}},
            "inactive_since":"2026-03-01T22:30:00.000Z","last_inbound_at":"2026-03-01T22:30:00.000Z","now":"2026-03-01T22:30:00.000Z"}"#;
        assert_eq!(
            answer(example),
            json!({"id": 1, "action": "message", "due_at": "2026-03-02T12:00:00.000Z", "not_before": "2026-03-02T12:00:00.000Z",
                "not_after": "2026-03-02T22:20:00.000Z", "trail": [
                    {"rule": "silence", "at": "2026-03-01T23:15:00.000Z", "because": "45 min of silence are over"},
                    {"rule": "closed", "at": "2026-03-02T12:00:00.000Z", "because": "closed at 2026-03-01T23:15:00.000Z; this is the next opening"},
                    {"rule": "window", "at": "2026-03-02T12:00:00.000Z",
                        "because": "inside the messaging window, which closes at 2026-03-02T22:20:00.000Z"}]})
        );
    }

    #[test]
    fn every_kind_of_answer() {
        let off = with(json!({}), json!({}));
        assert_eq!((&off["action"], rules_of(&off)), (&json!("none"), vec!["disabled"]));
        assert!(off.get("due_at").is_none());

        let clamped = with(json!({"enable_follow_up": true, "follow_up_delay": 1, "start_business_hours": "00:00"}), json!({}));
        assert_eq!(rules_of(&clamped), ["clamped", "silence", "open"]);
        assert_eq!((&clamped["due_at"], &clamped["not_after"]), (&json!("2026-03-01T23:00:00.000Z"), &json!("2026-03-22T23:00:00.000Z")));

        let night =
            json!({"enable_follow_up": true, "start_business_hours": "13:00", "end_business_hours": "14:00", "session": {"template": "T"}});
        let late = json!({"inactive_since": "2026-03-01T13:50:00Z"});
        let advanced = with(night.clone(), late.clone());
        assert_eq!((&advanced["action"], rules_of(&advanced)), (&json!("message"), vec!["silence", "closed", "window"]));

        let mut short = night.clone();
        short["session"] = json!({"window_minutes": 60, "when_closed": ["advance"], "advance_lead_minutes": 3});
        let advanced = with(short, json!({"inactive_since": "2026-03-01T13:15:00Z", "last_inbound_at": "2026-03-01T13:20:00Z"}));
        assert_eq!(rules_of(&advanced), ["silence", "closed", "window_passed", "advance"]);
        assert_eq!([&advanced["due_at"], &advanced["not_after"]], ["2026-03-01T13:59:59.000Z"; 2]);
        assert_eq!(advanced["not_before"], "2026-03-01T13:56:59.000Z");

        let never_wrote = with(night, json!({"last_inbound_at": null}));
        assert_eq!(
            (&never_wrote["action"], rules_of(&never_wrote)),
            (&json!("template"), vec!["silence", "closed", "never_wrote", "template"])
        );
        assert_eq!(never_wrote["not_after"], "2026-03-02T14:00:00.000Z");

        let skip = json!({"enable_follow_up": true, "session": {"when_closed": [], "template": "T"}});
        let skipped = with(skip, json!({"last_inbound_at": null}));
        assert_eq!((&skipped["action"], rules_of(&skipped)[3]), (&json!("skip"), "window_closed"));

        let shut = json!({"enable_follow_up": true, "calendar": {"timezone": "Etc/UTC", "hours": "off"}});
        assert_eq!(rules_of(&with(shut, json!({}))), ["silence", "no_opening"]);
    }

    #[test]
    fn spread_needs_a_key_and_takes_texts_and_numbers() {
        let due = |more: Value| {
            with(json!({"enable_follow_up": true, "spread_minutes": 30, "follow_up_delay": 120}), more)["due_at"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let opening = "2026-03-02T13:00:00.000Z";
        assert_eq!(due(json!({})), opening);
        let moved = due(json!({"spread_key": "anna"}));
        assert!(moved.as_str() > opening && moved.as_str() < "2026-03-02T13:30:00.000Z", "{moved}");
        assert_eq!(moved, due(json!({"spread_key": "anna"})));
        assert_ne!(moved, due(json!({"spread_key": "berta"})));
        assert_ne!(moved, due(json!({"spread_key": 18_446_744_073_709_551_615_u64})));
    }

    #[test]
    fn what_is_no_request_is_an_error_with_its_id() {
        for (request, id, word) in [
            ("{", json!(null), "not a request"),
            ("[1,2]", json!(null), "one JSON object"),
            ("7", json!(null), "one JSON object"),
            ("\0", json!(null), "one JSON object"),
            (r#"{"id":7}"#, json!(7), "inactive_since is missing"),
            (r#"{"id":7} x"#, json!(null), "trailing"),
            (r#"{"id":"a\"b","policy":{},"inactive_since":"2026-03-01T22:30:00Z","extra":1}"#, json!("a\"b"), "unknown field `extra`"),
            (r#"{"id":[1],"policy":{},"inactive_since":"2026-03-01T22:30:00Z"}"#, json!(null), "a text or a number"),
            (r#"{"id":1,"id":2,"policy":{},"inactive_since":"2026-03-01T22:30:00Z"}"#, json!(null), "duplicate field `id`"),
            (r#"{"id":1,"policy":{},"policy":{},"inactive_since":"2026-03-01T22:30:00Z"}"#, json!(1), "duplicate field `policy`"),
            (r#"{"id":1,"policy":{"yes":"x"},"inactive_since":"2026-03-01T22:30:00Z"}"#, json!(1), "unknown field `yes`"),
            (r#"{"id":1,"policy":[true,30],"inactive_since":"2026-03-01T22:30:00Z"}"#, json!(1), "write an object"),
            (r#"{"id":1,"policy":{}}"#, json!(1), "inactive_since is missing"),
            (r#"{"id":1,"inactive_since":"2026-03-01T22:30:00Z"}"#, json!(1), "policy is missing"),
            (r#"{"id":1,"policy":null,"inactive_since":"2026-03-01T22:30:00Z"}"#, json!(1), "policy is missing"),
            (r#"{"id":1,"policy":{},"inactive_since":"1969-12-31T23:59:59.999Z"}"#, json!(1), "1970 to 2200"),
            (r#"{"id":1,"policy":{},"inactive_since":"2201-01-01T00:00:00Z"}"#, json!(1), "1970 to 2200"),
            (r#"{"id":1,"policy":{},"inactive_since":1772404200}"#, json!(1), "RFC 3339"),
            (r#"{"id":1,"policy":{},"inactive_since":"2026-03-01T22:30:00Z","now":"yesterday"}"#, json!(1), "now = \"yesterday\""),
            (r#"{"id":1,"policy":{},"inactive_since":"2026-03-01T22:30:00Z","recipient":57300}"#, json!(1), "recipient"),
            (r#"{"id":1,"policy":{},"inactive_since":"2026-03-01T22:30:00Z","spread_key":1.5}"#, json!(1), "spread_key"),
        ] {
            let answer = answer(request);
            assert_eq!(answer["id"], id, "{request}");
            assert!(answer["error"].as_str().unwrap().contains(word), "{request}: {answer}");
        }
    }

    #[test]
    fn all_mistakes_are_told_also_when_disabled() {
        let policy = json!({"enable_follow_up": "no", "follow_up_delay": "45", "start_business_hours": "25:00", "follow_up_message": 5});
        let error = with(policy, json!({"now": 5}))["error"].as_str().unwrap().to_owned();
        for key in ["enable_follow_up", "follow_up_delay", "start_business_hours", "follow_up_message", "now"] {
            assert!(error.contains(key), "{key}: {error}");
        }
    }

    #[test]
    fn null_is_absent_and_ids_come_back_as_written() {
        let request = r#"{"id":100000000000000000000000000001,"policy":{"enable_follow_up":true,"session":null,"calendar":null,"follow_up_delay":null},
            "inactive_since":"2026-03-01T22:30:00Z","now":null,"recipient":null,"spread_key":null}"#;
        let (text, line) = Planner::new(None).answer(request.as_bytes()).unwrap();
        assert_eq!(line, Line::Answered, "{text}");
        assert!(
            text.starts_with(r#"{"id":100000000000000000000000000001,"action":"message","due_at":"2026-03-02T13:00:00.000Z""#),
            "{text}"
        );
        assert!(Planner::new(None).answer(b" \r").is_none());
        assert!(Planner::new(None).answer(b"").is_none());
    }

    #[test]
    fn a_delay_may_have_any_size() {
        for digits in [3, 19, 20, 39, 40, 309, 4_000] {
            let delay = "9".repeat(digits);
            let request = format!(
                r#"{{"id":1,"policy":{{"enable_follow_up":true,"follow_up_delay":{delay},"follow_up_message":"{delay}"}},"inactive_since":"2026-03-01T15:00:00Z"}}"#
            );
            let expected = if digits == 3 { "2026-03-02T13:00:00.000Z" } else { "2026-03-02T14:00:00.000Z" };
            assert_eq!(answer(&request)["due_at"], expected, "{digits} digits");
            assert!(answer(&request.replace(":9", ":-9"))["error"].as_str().unwrap().contains("follow_up_delay"));
        }
    }

    #[test]
    fn a_default_policy_stands_in() {
        let request = br#"{"id":1,"inactive_since":"2026-03-01T22:30:00Z"}"#;
        let (mut planner, mut calendars) = (Planner::new(None), Calendars::default());
        let policy = read_policy(r#"{"enable_follow_up":true}"#, &mut calendars, &mut Vec::new()).unwrap();
        assert_eq!(planner.answer(request).unwrap().1, Line::Refused);
        assert_eq!(Planner::new(Some(policy.rules)).answer(request).unwrap().1, Line::Answered);
    }

    #[test]
    fn what_is_remembered_stays_bounded() {
        let mut planner = Planner::new(None);
        for n in 0..5_000 {
            let hours = format!("Mo {:02}:{:02}-20:00", n / 60 % 20, n % 60);
            let policy = json!({"enable_follow_up": true, "follow_up_delay": n, "calendar": {"timezone": "Etc/UTC", "hours": hours}});
            let request = json!({"id": n, "policy": policy, "inactive_since": "2026-03-01T22:30:00Z"}).to_string();
            assert_eq!(planner.answer(request.as_bytes()).unwrap().1, Line::Answered);
            assert!(planner.policies.len() <= POLICIES);
        }
    }
}
