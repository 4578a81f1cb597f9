//! The rules of a story: a policy as clauses in one line, read and written.
//!
//! Not the configuration: a story says only what matters to the machine, and is read under the same rules ten years on.

use std::sync::Arc;

use chrono::NaiveDate;

use crate::conversation::{ArmOn, Capabilities, InDoubt, OnYes, Policy, StepRule};
use crate::limits;
use crate::moment::{HOUR, MINUTE, SECOND};
use crate::schedule::{Calendar, Daily, Hours, Notation, Otherwise, Rules, Session, WhenClosed, Zone};
use crate::shapes::{time_of_day, units};

/// The text of a follow-up where the story gives none.
const MESSAGE: &str = "Tienes un proceso activo en curso";

/// Reads a policy: the waits, then clauses between semicolons. What is not said is the plainest: always open, no messaging window,
/// expiry after 48 hours, a line that can send everything and settles no doubt.
///
/// # Errors
/// What is wrong with the first clause that is.
pub fn read_policy(text: &str) -> Result<Policy, String> {
    let mut clauses = clauses(text).into_iter();
    let hours = Hours::Daily(Daily::new(0, 0));
    let mut policy = Policy {
        rules: Rules { enabled: true, wait: limits::WAIT_FLOOR, hours, session: None, spread: 0 },
        message: Arc::from(MESSAGE),
        yes: Arc::from("Sí"),
        no: Arc::from("No"),
        on_yes: OnYes::Ask,
        line: Capabilities { free_text: true, buttons: true, template: true, correlation: false, recipient: false },
        ..Policy::retired()
    };
    read_waits(clauses.next().unwrap_or_default(), &mut policy)?;
    let mut holidays = Vec::new();
    let mut open = None;
    for clause in clauses {
        let (first, rest) = clause.split_once(' ').unwrap_or((clause, ""));
        match first {
            "open" => open = Some(rest),
            "closed" => holidays = read_dates(rest.trim_start_matches("on "))?,
            "window" => policy.rules.session = Some(read_window(rest)?),
            "spread" => policy.rules.spread = span(rest)?,
            "expires" => policy.expires_after = span(rest)?,
            "late" => policy.max_lateness = Some(span(rest.trim_start_matches("by at most "))?),
            "says" => policy.message = Arc::from(rest.trim_matches('"')),
            _ => read_switch(clause, &mut policy)?,
        }
    }
    if let Some(open) = open {
        policy.rules.hours = read_hours(open, &holidays)?;
    }
    Ok(policy)
}

/// Splits at semicolons that stand outside quotes.
fn clauses(text: &str) -> Vec<&str> {
    let (mut quoted, mut from, mut found) = (false, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        quoted ^= byte == b'"';
        if byte == b';' && !quoted {
            found.push(text[from..at].trim());
            from = at + 1;
        }
    }
    found.push(text[from..].trim());
    found
}

fn read_waits(text: &str, policy: &mut Policy) -> Result<(), String> {
    let mut waits = text.split(", then ");
    let wait = span(waits.next().unwrap_or_default())?;
    policy.rules.wait = wait.clamp(limits::WAIT_FLOOR, limits::WAIT_CEILING);
    for delay in waits {
        policy.steps.push(StepRule { delay: span(delay)?, message: Arc::from(MESSAGE) });
    }
    Ok(())
}

fn span(text: &str) -> Result<i64, String> {
    units::parse(text).ok_or_else(|| format!("{text:?}: write a duration, as 45m or 48h"))
}

fn read_dates(text: &str) -> Result<Vec<NaiveDate>, String> {
    let read = |date: &str| date.trim().parse().map_err(|_| format!("{date:?}: write a date, as 2026-12-25"));
    text.split(',').map(read).collect()
}

fn read_hours(text: &str, holidays: &[NaiveDate]) -> Result<Hours, String> {
    if let Some((start, end)) = text.strip_prefix("daily ").and_then(|range| range.trim_end_matches(" UTC").split_once('-')) {
        // Digits below a second only an instant has.
        let instant = |text: &str| text.contains('.').then(|| format!("1970-01-01T{text}Z"));
        let time = |text: &str| {
            let read = time_of_day(instant(text).as_deref().unwrap_or(text));
            read.ok_or_else(|| format!("{text:?}: write a time of day, as 13:00"))
        };
        return Ok(Hours::Daily(Daily::new(time(start)?, time(end)?)));
    }
    let (notation, zone) = text.rsplit_once(' ').ok_or_else(|| format!("{text:?}: write the hours, then the zone"))?;
    let zone = Zone::named(zone).ok_or_else(|| format!("{zone:?}: write an IANA name, as America/Bogota"))?;
    let notation = Notation::read(notation.trim_matches('"')).map_err(|refusal| refusal.to_string())?;
    Ok(Hours::Calendar(Arc::new(Calendar::new(zone, notation, holidays))))
}

fn read_window(text: &str) -> Result<Session, String> {
    let mut session = Session::default();
    let mut choices = Vec::new();
    let mut parts = text.split(", ");
    let mut sizes = parts.next().unwrap_or_default().split(' ');
    session.window = span(sizes.next().unwrap_or_default())?;
    session.margin = 0;
    while let (Some(word), Some(size)) = (sizes.next(), sizes.next()) {
        match word {
            "less" => session.margin = span(size)?,
            "lead" => session.advance_lead = span(size)?,
            _ => return Err(format!("{word:?}: a window has a size, less a margin, and a lead")),
        }
    }
    for part in parts {
        let (word, name) = part.split_once(' ').unwrap_or((part, ""));
        if word == "template" && !name.is_empty() {
            session.template = Some(Arc::from(name));
        }
        choices.push(Otherwise::parse(word).ok_or_else(|| format!("{word:?}: write advance, template or skip"))?);
    }
    session.when_closed = WhenClosed::new(&choices);
    Ok(session)
}

fn read_switch(clause: &str, policy: &mut Policy) -> Result<(), String> {
    match clause {
        "off" => policy.rules.enabled = false,
        "yes by hook" => policy.on_yes = OnYes::Hook,
        "messages arm" => policy.arm_on = ArmOn::AnyMessage,
        "doubts are resent" => policy.in_doubt = InDoubt::Resend,
        "doubts are settled" => policy.line.correlation = true,
        "no free text" => policy.line.free_text = false,
        "no templates" => policy.line.template = false,
        "no buttons" => policy.line.buttons = false,
        "we ask" => policy.asks = true,
        "needs a number" => policy.line.recipient = true,
        "the template is paused" => policy.template_paused = true,
        _ => return Err(format!("{clause:?}: not a rule that stories know")),
    }
    Ok(())
}

/// Writes a policy as [`read_policy`] reads it: all that decides, and no text.
#[must_use]
pub fn write_policy(policy: &Policy) -> String {
    let rules = &policy.rules;
    let waits = std::iter::once(rules.wait).chain(policy.steps.iter().map(|step| step.delay));
    let mut clauses = vec![waits.map(units::print).collect::<Vec<_>>().join(", then ")];
    clauses.extend(write_hours(&rules.hours));
    clauses.extend(rules.session.as_ref().map(write_window));
    if rules.spread > 0 {
        clauses.push(format!("spread {}", units::print(rules.spread)));
    }
    if policy.expires_after != limits::EXPIRES_AFTER {
        clauses.push(format!("expires {}", units::print(policy.expires_after)));
    }
    clauses.extend(policy.max_lateness.map(|most| format!("late by at most {}", units::print(most))));
    let line = policy.line;
    let switches = [
        (!rules.enabled, "off"),
        (policy.on_yes == OnYes::Hook, "yes by hook"),
        (policy.arm_on == ArmOn::AnyMessage, "messages arm"),
        (policy.in_doubt == InDoubt::Resend, "doubts are resent"),
        (line.correlation, "doubts are settled"),
        (!line.free_text, "no free text"),
        (!line.template, "no templates"),
        (!line.buttons, "no buttons"),
        (line.recipient, "needs a number"),
        (policy.template_paused, "the template is paused"),
        (policy.asks, "we ask"),
    ];
    clauses.extend(switches.into_iter().filter(|(on, _)| *on).map(|(_, clause)| clause.to_owned()));
    clauses.join("; ")
}

fn write_hours(hours: &Hours) -> Vec<String> {
    match hours {
        Hours::Daily(daily) if daily.is_always() => Vec::new(),
        Hours::Daily(daily) => vec![format!("open daily {}-{} UTC", time(daily.start()), time(daily.end()))],
        Hours::Calendar(calendar) => {
            let quote = if calendar.notation().contains(';') { "\"" } else { "" };
            let mut clauses = vec![format!("open {quote}{}{quote} {}", calendar.notation(), calendar.zone_name())];
            let date = |days: &i32| NaiveDate::default() + chrono::Duration::days(i64::from(*days));
            let dates: Vec<String> = calendar.holidays().iter().map(|days| date(days).to_string()).collect();
            if !dates.is_empty() {
                clauses.push(format!("closed on {}", dates.join(", ")));
            }
            clauses
        }
    }
}

fn time(millis: i64) -> String {
    let (hour, minute, second, rest) = (millis / HOUR, millis / MINUTE % 60, millis / SECOND % 60, millis % SECOND);
    match (second, rest) {
        (0, 0) => format!("{hour:02}:{minute:02}"),
        (_, 0) => format!("{hour:02}:{minute:02}:{second:02}"),
        _ => format!("{hour:02}:{minute:02}:{second:02}.{rest:03}"),
    }
}

fn write_window(session: &Session) -> String {
    let mut text = format!("window {} less {}", units::print(session.window), units::print(session.margin));
    if session.advance_lead != Session::default().advance_lead {
        text.push_str(&format!(" lead {}", units::print(session.advance_lead)));
    }
    for choice in session.when_closed.iter() {
        text.push_str(", ");
        text.push_str(choice.as_str());
        if let (Otherwise::Template, Some(name)) = (choice, &session.template) {
            text.push(' ');
            text.push_str(name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_reads_and_writes_itself() {
        for text in [
            "45m",
            "45m, then 4h, then 1d; open Mo-Fr 07:00-19:00, Sa 08:00-15:00 America/Bogota; closed on 2026-01-01, 2026-12-25",
            "2h; open \"Mo-Su 08:00-20:00; PH off\" Europe/Dublin; closed on 2026-03-17; spread 20m; expires 3d",
            "2h; open daily 13:00-00:00 UTC; window 1d less 10m, advance, template OTB1, skip; late by at most 2h",
            "2h; window 1d less 10m lead 5m, template OTB1; off; yes by hook; messages arm; doubts are resent",
            "30m; doubts are settled; no free text; no templates; no buttons; needs a number",
            "30m; the template is paused; we ask",
        ] {
            let policy = read_policy(text).unwrap();
            assert_eq!(write_policy(&policy), text);
            assert_eq!(read_policy(&write_policy(&policy)).unwrap().fingerprint(), policy.fingerprint());
        }
    }

    #[test]
    fn hours_to_the_millisecond_are_kept() {
        let mut policy = read_policy("2h").unwrap();
        policy.rules.hours = Hours::Daily(Daily::new(13 * HOUR + 1, 20 * HOUR + 30 * MINUTE + SECOND));
        let again = read_policy(&write_policy(&policy));
        assert_eq!(again.map(|p| p.rules), Ok(policy.rules));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, why) in [
            ("soon", "\"soon\": write a duration"),
            ("2h; sometimes", "\"sometimes\": not a rule"),
            ("2h; open Mo-Fr 07:00-19:00 Bogota", "\"Bogota\": write an IANA name"),
            ("2h; closed on Friday", "\"Friday\": write a date"),
            ("2h; window 1d, later", "\"later\": write advance"),
        ] {
            assert!(read_policy(text).unwrap_err().starts_with(why), "{:?}", read_policy(text));
        }
    }
}
