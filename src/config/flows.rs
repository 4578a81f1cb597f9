//! `[flows.NAME]`: the guide's keys, the texts, the ladder of further follow-ups.
//!
//! Not the schedule keys themselves: `shapes::rules` reads those; here they get their place in the file.

use std::sync::Arc;

use super::completions;
use super::placeholders;
use super::questions;
use super::read::{Show, Table, text, texts};
use super::sections::{Span, span};
use super::settings::FlowConfig;
use super::units;
use crate::conversation::{OnYes, StepRule};
use crate::limits;
use crate::moment::{DAY, HOUR, MINUTE};
use crate::schedule::{Hours, Otherwise, Rules, Session};
use crate::shapes::rules::ScheduleShape;
use crate::shapes::{Calendars, Loose};

/// The text where the guide's key is absent.
pub const MESSAGE: &str = "Tienes un proceso activo en curso";
/// The longest text of a follow-up, in characters: what WhatsApp takes above buttons.
const MESSAGE_CHARS: usize = 1_024;
/// How long a silence after the hand-over lasts before the conversation is over, unless configured.
const EXPIRES_AFTER: i64 = 48 * HOUR;

/// The keys in the table `calendar`.
const CALENDAR: [&str; 4] = ["timezone", "hours", "holidays", "fallback_timezone"];
/// The keys in the table `session`.
const SESSION: [&str; 6] = ["window_minutes", "margin_minutes", "when_closed", "template", "advance_lead_minutes", TEMPLATE_VARS];
/// The key in it that is no schedule key.
const TEMPLATE_VARS: &str = "template_vars";

/// Reads a flow. `None` where its schedule is wrong; that is noted.
pub(super) fn flow(table: &Table<'_>, calendars: &mut Calendars) -> Option<FlowConfig> {
    let session = table.find_with("session", &SESSION);
    let (session, template_vars) = take(session, TEMPLATE_VARS);
    let session_by_line = session.is_none();
    let rules = rules(table, session, calendars);
    let message = table.or("follow_up_message", MESSAGE.to_owned(), message);
    let template_vars = read_template_vars(table, template_vars, &message, session_by_line);
    let yes = table.or("yes", "Sí".to_owned(), label);
    let no = table.or("no", "No".to_owned(), label);
    let id = table.maybe("id", id);
    let steps = steps(table);
    let completions = completions::completions(table);
    let questions = questions::questions(table);
    let choices_label = table.or("choices_label", "Opciones".to_owned(), label);
    let completed_message = questions::completed_message(table);
    let on_yes = table.maybe_word("on_yes", &[("ask", OnYes::Ask), ("hook", OnYes::Hook)]);
    let expires_after = table.or("expires_after", Span(EXPIRES_AFTER), span(30 * MINUTE, 30 * DAY)).0;
    let max_lateness = table.maybe("max_lateness", span(MINUTE, 30 * DAY)).map(|span| span.0);
    if yes.to_lowercase() == no.to_lowercase() {
        table.notes().mistake(&table.path("no"), format!("{no:?}"), "says the same as yes; write two labels that differ");
    }
    let (message, yes, no) = (Arc::from(message), Arc::from(yes), Arc::from(no));
    let rules = rules?;
    let (questions, choices_label) = (Arc::from(questions), Arc::from(choices_label));
    let flow = FlowConfig {
        id,
        rules,
        message,
        steps,
        session_by_line,
        template_vars,
        completions,
        questions,
        choices_label,
        completed_message,
        yes,
        no,
        on_yes,
        expires_after,
        max_lateness,
    };
    check_asking(table, &flow);
    warn(table, &flow);
    Some(flow)
}

/// What a flow that asks its own questions cannot have beside them, and what only it can.
fn check_asking(table: &Table<'_>, flow: &FlowConfig) {
    let asks = !flow.questions.is_empty();
    let notes = table.notes();
    if asks && flow.on_yes == Some(OnYes::Hook) {
        notes.mistake(&table.path("on_yes"), "\"hook\"", "a flow with questions asks them itself; leave it out");
    }
    if asks && !flow.completions.is_empty() {
        let cure = "there is no bot to say it: a flow with questions ends with the last answer; leave completions out";
        notes.mistake(&table.path("completions"), format!("a list of {}", flow.completions.len()), cure);
    }
}

/// Reads the schedule keys, notes their mistakes where they stand, and what they came to.
fn rules(table: &Table<'_>, session: Option<Loose>, calendars: &mut Calendars) -> Option<Rules> {
    let shape = ScheduleShape {
        enable_follow_up: table.find("enable_follow_up"),
        follow_up_delay: table.find("follow_up_delay"),
        start_business_hours: table.find("start_business_hours"),
        end_business_hours: table.find("end_business_hours"),
        calendar: table.find_with("calendar", &CALENDAR),
        session,
        spread_minutes: table.find("spread_minutes"),
    };
    // Where the file says nothing of a messaging window, each line has that of its provider: [`FlowConfig::rules_on`].
    let reading = shape.read(false, calendars);
    for warning in reading.warnings {
        table.notes().warn(&table.path(&warning.key), warning.value, warning.cure);
    }
    match reading.rules {
        Ok(rules) => {
            note(table, &rules, &shape);
            Some(rules)
        }
        Err(mistakes) => {
            for mistake in mistakes {
                table.notes().mistake(&table.path(&mistake.key), mistake.value, mistake.cure);
            }
            None
        }
    }
}

/// Notes the schedule values in force.
fn note(table: &Table<'_>, rules: &Rules, shape: &ScheduleShape) {
    let note = |key: &str, value: Option<String>, optional| table.notes().setting(&table.path(key), value, optional, None);
    let minutes = |millis: i64| Some((millis / MINUTE).to_string());
    note("enable_follow_up", Some(rules.enabled.show()), true);
    note("follow_up_delay", minutes(rules.wait), true);
    match &rules.hours {
        Hours::Daily(daily) => {
            note("start_business_hours", Some(time_of_day(daily.start())), true);
            note("end_business_hours", Some(time_of_day(daily.end())), true);
        }
        Hours::Calendar(hours) => {
            note("calendar.timezone", Some(format!("{:?}", hours.zone_name())), false);
            note("calendar.hours", Some(format!("{:?}", hours.notation())), false);
            let holidays = entry(shape.calendar.as_ref(), "holidays").map(|value| match value {
                Loose::List(list) => format!("[{}]", list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
                single => single.to_string(),
            });
            note("calendar.holidays", holidays.or(Some("[]".to_owned())), true);
        }
    }
    match &rules.session {
        None => note("session", shape.session.as_ref().map(|_| "false".to_owned()), false),
        Some(session) => note_session(session, note),
    }
    note("spread_minutes", minutes(rules.spread), true);
}

fn note_session(session: &Session, note: impl Fn(&str, Option<String>, bool)) {
    let minutes = |millis: i64| Some((millis / MINUTE).to_string());
    note("session.window_minutes", minutes(session.window), true);
    note("session.margin_minutes", minutes(session.margin), true);
    let words: Vec<String> = session.when_closed.iter().map(|choice| choice.as_str().to_owned()).collect();
    note("session.when_closed", Some(words.show()), true);
    note("session.template", session.template.as_ref().map(|name| format!("{name:?}")), false);
    note("session.advance_lead_minutes", minutes(session.advance_lead), true);
}

/// The value without an entry, and that entry.
fn take(value: Option<Loose>, key: &str) -> (Option<Loose>, Option<Loose>) {
    let Some(Loose::Table(mut entries)) = value else { return (value, None) };
    let at = entries.iter().position(|(name, _)| name == key);
    let taken = at.map(|at| entries.remove(at).1);
    (Some(Loose::Table(entries)), taken)
}

/// The variables that the template takes: those listed, or those of the first follow-up's text.
fn read_template_vars(table: &Table<'_>, listed: Option<Loose>, message: &str, session_by_line: bool) -> Vec<Arc<str>> {
    let key = table.path("session.template_vars");
    let names = match listed {
        None => placeholders::names(message),
        Some(listed) => texts(&listed)
            .and_then(|names| names.iter().try_for_each(|name| placeholders::check_name(name)).map(|()| names))
            .unwrap_or_else(|cure| {
                table.notes().mistake(&key, &listed, cure);
                Vec::new()
            }),
    };
    if names.len() > limits::VARIABLES {
        table.notes().mistake(&key, format!("a list of {}", names.len()), format!("at most {} variables", limits::VARIABLES));
    }
    if !session_by_line {
        table.notes().setting(&key, Some(names.show()), true, None);
    }
    names.iter().map(|name| Arc::from(name.as_str())).collect()
}

fn entry<'l>(table: Option<&'l Loose>, key: &str) -> Option<&'l Loose> {
    let Some(Loose::Table(entries)) = table else { return None };
    entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// A time of day as `"13:00"`, `"13:00:01"` or, to the millisecond, `"13:00:01.500Z"` in UTC.
fn time_of_day(millis: i64) -> String {
    let (hour, minute, second, rest) = (millis / HOUR, millis / MINUTE % 60, millis / 1_000 % 60, millis % 1_000);
    match (second, rest) {
        (0, 0) => format!("\"{hour:02}:{minute:02}\""),
        (_, 0) => format!("\"{hour:02}:{minute:02}:{second:02}\""),
        _ => format!("\"2021-01-01T{hour:02}:{minute:02}:{second:02}.{rest:03}Z\""),
    }
}

fn steps(table: &Table<'_>) -> Vec<StepRule> {
    let tables = table.list("steps");
    if tables.len() > limits::STEPS {
        let cure = format!("at most {} further follow-ups; leave out the others", limits::STEPS);
        table.notes().mistake(&table.path("steps"), format!("a list of {}", tables.len()), cure);
    }
    let mut steps = Vec::with_capacity(tables.len());
    for table in tables {
        let cure = "write the delay from the hand-over before, as \"4h\"";
        let delay = table.need("delay", cure, span(limits::WAIT_FLOOR, limits::STEP_CEILING));
        let text = table.need("message", "write the text of this follow-up", message);
        if let (Some(delay), Some(text)) = (delay, text) {
            steps.push(StepRule { delay: delay.0, message: Arc::from(text) });
        }
    }
    steps
}

fn message(value: &Loose) -> Result<String, String> {
    let text = text(1, MESSAGE_CHARS)(value)?;
    if text.trim().is_empty() {
        return Err("write a text that can be seen".to_owned());
    }
    placeholders::check(&text)?;
    Ok(text)
}

fn label(value: &Loose) -> Result<String, String> {
    let label = text(1, limits::LABEL_CHARS)(value)?;
    let plain = label.trim() == label && !label.contains('\n') && !label.contains("{{");
    plain.then_some(label).ok_or_else(|| "write a plain label, without space around it and without placeholders".to_owned())
}

fn id(value: &Loose) -> Result<String, String> {
    match value {
        Loose::Text(id) if id.strip_prefix("IPF").is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())) => {
            Ok(id.clone())
        }
        _ => Err("write IPF and 32 hexadecimal digits".to_owned()),
    }
}

/// What is allowed in a flow and probably not meant.
fn warn(table: &Table<'_>, flow: &FlowConfig) {
    let notes = table.notes();
    let expires = units::print(flow.expires_after);
    for (i, step) in flow.steps.iter().enumerate() {
        if step.delay >= flow.expires_after {
            let meaning = format!("never sent: the conversation expires after {expires} of silence (expires_after)");
            notes.warn(&table.path(&format!("steps[{i}].delay")), format!("{:?}", units::print(step.delay)), meaning);
        }
    }
    if let Some(lateness) = flow.max_lateness
        && lateness >= flow.expires_after
    {
        let meaning = format!("has no effect: the conversation expires after {expires} anyhow (expires_after)");
        notes.warn(&table.path("max_lateness"), format!("{:?}", units::print(lateness)), meaning);
    }
    if let Some(message) = flow.completed_message.as_ref().filter(|_| flow.questions.is_empty()) {
        let meaning = "is never said: only a flow with questions ([[flows.NAME.questions]]) knows when everything is answered";
        notes.warn(&table.path("completed_message"), format!("{message:?}"), meaning);
    }
    let listed = table.find("session").as_ref().and_then(|session| entry(Some(session), "when_closed")).and_then(|list| texts(list).ok());
    let session = flow.rules.session.as_ref();
    if session.is_some_and(|session| session.template.is_none())
        && let Some(words) = listed.filter(|words| words.iter().any(|word| word == Otherwise::Template.as_str()))
    {
        notes.warn(&table.path("session.when_closed"), words.show(), "\"template\" is passed over: session.template names none");
    }
    if session.is_some_and(|session| session.window - session.margin < flow.rules.wait) {
        let meaning = "the messaging window closes before the follow-up is due, so none goes out when it is due as a free message";
        notes.warn(&table.path("follow_up_delay"), flow.rules.wait / MINUTE, meaning);
    }
    let switch = table.path("enable_follow_up");
    if !notes.is_given(&switch) {
        notes.warn(&switch, "", "no follow-up of this flow goes out; write true or false");
    }
}
