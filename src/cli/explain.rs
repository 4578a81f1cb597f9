//! One conversation in plain words: where it stands, what comes next and why, what was decided, what was sent.
//!
//! Not the facts: they are the JSON of `GET /v1/conversations/{id}` and `…/explain`; nothing here is computed again.

use std::io::{self, Write};

use serde_json::Value;

use crate::cli::print::{Paint, cell, masked, visible};

/// Prints a conversation; with its history where the JSON has it.
///
/// # Errors
/// What writing met.
pub fn print(out: &mut dyn Write, paint: Paint, one: &Value) -> io::Result<()> {
    let name = masked(one["conversation"].as_str().unwrap_or_default());
    let id = cell(&one["conversation_id"]);
    let beside = if name == id { String::new() } else { format!("{id}, ") };
    writeln!(out, "{}  {}", paint.bold(&name), paint.dim(&format!("{beside}line {}, flow {}", cell(&one["line"]), cell(&one["flow"]))))?;
    writeln!(out, "{}", next_of(one))?;
    let decisions = one["decisions"].as_array();
    if let Some(reasons) =
        decisions.and_then(|all| all.iter().rev().map(|d| &d["reasons"]).find(|r| !r.as_array().is_none_or(Vec::is_empty)))
    {
        print_reasons(out, reasons)?;
    }
    print_facts(out, one)?;
    if let Some(decisions) = decisions {
        writeln!(out, "\n{}", paint.bold("Decisions"))?;
        for decision in decisions {
            print_decision(out, paint, decision)?;
        }
    }
    if let Some(sends) = one["sends"].as_array().filter(|sends| !sends.is_empty()) {
        writeln!(out, "\n{}", paint.bold("Sends"))?;
        for send in sends {
            let other = || format!("the {}", cell(&send["purpose"]).replace('_', " "));
            let what = send["step"].as_u64().map_or_else(other, |step| format!("follow-up {}", step + 1));
            let why = send["reason"].as_str().map(|why| format!(" ({why})")).unwrap_or_default();
            let reached =
                send["reached"].as_str().filter(|reached| *reached != "accepted").map(|far| format!(", {far}")).unwrap_or_default();
            writeln!(out, "{}  {}  {what}: {}{why}{reached}", cell(&send["at"]), cell(&send["send"]), cell(&send["outcome"]))?;
        }
    }
    Ok(())
}

/// Where a conversation stands and what comes next, in one sentence.
#[must_use]
pub fn next_of(one: &Value) -> String {
    let state = one["state"].as_str().unwrap_or_default();
    let due = one["due_at"].as_str();
    let held = if one["held"] == Value::Bool(true) { "held; " } else { "" };
    let step = one["step"].as_u64().map_or_else(|| "the follow-up".to_owned(), |step| format!("follow-up {}", step + 1));
    let next = match (one["action"].as_str().unwrap_or_default(), due) {
        ("message", Some(due)) => Some(format!("{step} goes out as a message at {due}")),
        ("template", Some(due)) => Some(format!("{step} goes out as a template at {due}")),
        ("skip", _) => Some(format!("{step} will be skipped: {}", cell(&one["reason"]))),
        _ => None,
    };
    let stands = match state {
        "quiet" => "quiet: the bot has the next word, nothing is planned".to_owned(),
        "waiting" => "waiting".to_owned(),
        "sending" if one["in_doubt"] == Value::Bool(true) => {
            "sending: nobody knows whether it was taken; not sent again by itself".to_owned()
        }
        "sending" => "sending: a call is under way".to_owned(),
        "retrying" => "retrying: the provider refused for now".to_owned(),
        "answering" => "answering: the person has the next word".to_owned(),
        "finished" => format!("finished: {}", cell(&one["outcome"])),
        other => visible(other),
    };
    match next.filter(|_| state != "sending") {
        Some(next) => format!("{held}{stands}; {next}"),
        None => format!("{held}{stands}"),
    }
}

fn print_facts(out: &mut dyn Write, one: &Value) -> io::Result<()> {
    let said = [
        ("silence_since", "silent since"),
        ("last_inbound_at", "last wrote at"),
        ("handed_over_at", "last follow-up handed over at"),
        ("postponed_until", "postponed until"),
        ("expires_at", "expires at"),
        ("ended_at", "ended at"),
    ];
    for (key, says) in said {
        if let Some(at) = one[key].as_str() {
            writeln!(out, "  {says} {at}")?;
        }
    }
    if one["opted_out"] == Value::Bool(true) {
        writeln!(out, "  the person opted out: nothing is sent on any line")?;
    }
    if let Some(to) = one["to"].as_str() {
        writeln!(out, "  to {}", masked(to))?;
    }
    if let Some(text) = one["question"]["text"].as_str() {
        let answered = if one["question"]["unanswered"] == Value::Bool(true) { "unanswered" } else { "answered" };
        let short: String = visible(text).chars().take(80).collect();
        writeln!(out, "  last question ({answered}): {short}")?;
    }
    for key in ["vars", "attributes"] {
        let pairs = one[key].as_object().into_iter().flatten();
        let pairs: Vec<String> = pairs.map(|(name, value)| format!("{}={}", visible(name), masked(&cell(value)))).collect();
        if !pairs.is_empty() {
            writeln!(out, "  {key}: {}", pairs.join(", "))?;
        }
    }
    Ok(())
}

fn print_reasons(out: &mut dyn Write, reasons: &Value) -> io::Result<()> {
    let reasons = reasons.as_array().map(Vec::as_slice).unwrap_or_default();
    let width = reasons.iter().map(|reason| cell(&reason["rule"]).len()).max().unwrap_or(0);
    for reason in reasons {
        writeln!(out, "  {:width$}  {}  {}", cell(&reason["rule"]), cell(&reason["at"]), visible(&cell(&reason["because"])))?;
    }
    Ok(())
}

fn print_decision(out: &mut dyn Write, paint: Paint, decision: &Value) -> io::Result<()> {
    let event = &decision["event"];
    let beside = ["choice", "typed", "until", "verdict", "reason", "obstacle"];
    let beside: Vec<String> = beside.iter().filter_map(|key| event[*key].as_str()).map(visible).collect();
    let what = cell(&event["type"]).replace('_', " ");
    let what = if beside.is_empty() { what } else { format!("{what}: {}", beside.join(", ")) };
    let again = match &decision["same_as_replay"] {
        Value::Bool(true) => "",
        Value::Bool(false) => "  (today the same rules would decide otherwise; what stands here is what was decided)",
        _ => "  (the rules have changed since)",
    };
    writeln!(out, "{}  {}{}", cell(&decision["at"]), what, paint.dim(again))?;
    print_reasons(out, &decision["reasons"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_conversation_is_told_in_words() {
        let one = json!({
            "conversation": "573001112233", "conversation_id": "cnv_1", "line": "support", "flow": "onboarding", "state": "waiting",
            "outcome": null, "held": true, "in_doubt": false, "action": "message", "due_at": "2026-03-02T12:00:00.000Z", "step": 0,
            "to": "573001112233", "question": {"text": "Name?\u{1b}[2J", "unanswered": true}, "vars": {"phone": "573001112233"},
            "decisions": [{"at": "2026-03-01T22:30:00.000Z", "event": {"type": "question"}, "same_as_replay": null,
                "reasons": [{"rule": "silence", "at": "2026-03-01T23:15:00.000Z", "because": "45 minutes of silence"}]}],
            "sends": [{"send": "snd_1", "step": 0, "outcome": "skipped", "reason": "too_late", "at": "2026-03-01T00:00:00.000Z"}],
        });
        let mut out = Vec::new();
        print(&mut out, Paint::plain(), &one).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "\
57300*****33  cnv_1, line support, flow onboarding
held; waiting; follow-up 1 goes out as a message at 2026-03-02T12:00:00.000Z
  silence  2026-03-01T23:15:00.000Z  45 minutes of silence
  to 57300*****33
  last question (unanswered): Name?\u{fffd}[2J
  vars: phone=57300*****33

Decisions
2026-03-01T22:30:00.000Z  question  (the rules have changed since)
  silence  2026-03-01T23:15:00.000Z  45 minutes of silence

Sends
2026-03-01T00:00:00.000Z  snd_1  follow-up 1: skipped (too_late)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn every_state_is_a_sentence() {
        for (state, says) in [("quiet", "quiet: the bot"), ("retrying", "retrying: the provider"), ("finished", "finished: declined")] {
            let one = json!({ "state": state, "outcome": "declined", "action": "none", "due_at": null });
            assert!(next_of(&one).starts_with(says), "{}", next_of(&one));
        }
        assert_eq!(
            next_of(&json!({"state": "waiting", "action": "skip", "reason": "capped"})),
            "waiting; the follow-up will be skipped: capped"
        );
    }
}
