//! The sentences of a story that is told through the engine: what each says. Not what comes of it: that is `world.rs`.

use reengaged::conversation::Choice;
use reengaged::engine::heard::MediaKind;
use reengaged::engine::record::Question;
use reengaged::engine::request::{Inbound, Target, What, Who};
use reengaged::moment::Moment;
use reengaged::shapes::story::read_moment;

/// What a line of a story says.
pub(super) enum Said {
    /// An event of the API.
    Event(Box<Inbound>),
    /// Calls end so from now on, in the words of a verdict; `None`: they hang.
    Calls(Option<String>),
    /// The call that hangs ends so.
    CallEnds(String),
    /// A status of the provider tells how the last call ended after all.
    Status(String),
    /// A message of our own accord: to the flow, or (`None`) a notification; asked for under an identity or none.
    Invite(Option<String>, Option<String>),
    Pause(Target, bool),
    Erase(String),
    /// The last send in doubt is made again.
    Resend,
    /// The process dies, and what was under way with it.
    Stops,
    Starts,
    BackupTaken,
    BackupRestored,
    /// The flow of the story has these rules from now on.
    RulesBecome(String),
    /// Time passes until here.
    End,
}

/// The person of a story that names none.
pub(super) const ANA: &str = "ana";

/// Reads a sentence, said at `now`.
pub(super) fn read(words: &str, now: Moment) -> Option<Said> {
    let rest = |prefix: &str| words.strip_prefix(prefix);
    match words {
        "calls hang" => return Some(Said::Calls(None)),
        "operator resends" => return Some(Said::Resend),
        "daemon stops" => return Some(Said::Stops),
        "daemon starts" => return Some(Said::Starts),
        "backup is taken" => return Some(Said::BackupTaken),
        "backup is restored" => return Some(Said::BackupRestored),
        "we invite" => return Some(Said::Invite(Some("main".to_owned()), None)),
        "we notify" => return Some(Said::Invite(None, None)),
        "the end" => return Some(Said::End),
        _ => {}
    }
    if let Some(ending) = rest("calls end: ") {
        return Some(Said::Calls(Some(ending.to_owned())));
    }
    if let Some(ending) = rest("the call ends: ") {
        return Some(Said::CallEnds(ending.to_owned()));
    }
    if let Some(ending) = rest("the status says: ") {
        return Some(Said::Status(ending.to_owned()));
    }
    if let Some(id) = rest("we invite, id ") {
        return Some(Said::Invite(Some("main".to_owned()), Some(id.to_owned())));
    }
    if let Some(id) = rest("we notify, id ") {
        return Some(Said::Invite(None, Some(id.to_owned())));
    }
    if let Some(rules) = rest("rules become ") {
        return Some(Said::RulesBecome(rules.to_owned()));
    }
    if let Some(pause) = pause(words) {
        return Some(pause);
    }
    let (name, words) = words.split_once(": ").filter(|(name, _)| !name.contains([' ', '"'])).unwrap_or((ANA, words));
    if words == "operator erases" {
        return Some(Said::Erase(name.to_owned()));
    }
    event(name, words, now).map(|event| Said::Event(Box::new(event)))
}

fn pause(words: &str) -> Option<Said> {
    let (what, on) = match words.strip_suffix(" paused") {
        Some(what) => (what, true),
        None => (words.strip_suffix(" resumed")?, false),
    };
    let target = match what.split_once(' ') {
        None if what == "all" => Target::All,
        Some(("line", name)) => Target::Line(name.to_owned()),
        Some(("flow", name)) => Target::Flow(name.to_owned()),
        _ => return None,
    };
    Some(Said::Pause(target, on))
}

fn event(name: &str, words: &str, now: Moment) -> Option<Inbound> {
    let mut parts = split_outside_quotes(words).into_iter();
    let what = what(parts.next()?)?;
    let mut event = Inbound {
        id: None,
        who: Who::Caller(name.to_owned()),
        at: Some(now),
        what,
        line: None,
        flow: None,
        to: None,
        vars: Vec::new(),
        attributes: Vec::new(),
    };
    for part in parts {
        let rest = |prefix: &str| part.strip_prefix(prefix).map(str::to_owned);
        if part == "without a time" {
            event.at = None;
        } else if let Some(at) = rest("said at ") {
            event.at = Some(read_moment(&at)?);
        } else if let Some(id) = rest("id ") {
            event.id = Some(id);
        } else if let Some(to) = rest("to ") {
            event.to = Some(to);
        } else if let Some(line) = rest("on line ") {
            event.line = Some(line);
        } else if let Some(flow) = rest("in flow ") {
            event.flow = Some(flow);
        } else {
            let (name, value) = part.strip_prefix("with ")?.split_once('=')?;
            event.vars.push((name.to_owned(), value.to_owned()));
        }
    }
    event.line.get_or_insert_with(|| "line".to_owned());
    Some(event)
}

fn split_outside_quotes(words: &str) -> Vec<&str> {
    let (mut quoted, mut from, mut found) = (false, 0, Vec::new());
    for (at, byte) in words.bytes().enumerate() {
        quoted ^= byte == b'"';
        if !quoted && words[at..].is_char_boundary(0) && words[at..].starts_with(", ") {
            found.push(&words[from..at]);
            from = at + 2;
        }
    }
    found.push(&words[from..]);
    found
}

fn what(words: &str) -> Option<What> {
    let quoted = |text: &str| text.trim().trim_matches('"').to_owned();
    if let Some(text) = words.strip_prefix("bot asks") {
        return Some(What::Question(Question { text: quoted(text), ..Question::default() }));
    }
    if let Some(text) = words.strip_prefix("person writes ") {
        return Some(What::UserMessage(quoted(text)));
    }
    if let Some(word) = words.strip_prefix("person answers ") {
        return Some(What::Answer(Choice::parse(word)?));
    }
    if let Some(until) = words.strip_prefix("operator postpones until ") {
        return Some(What::Postpone(read_moment(until)?));
    }
    if let Some(reference) = words.strip_prefix("person sends a photo ") {
        return Some(What::Media { kind: MediaKind::Photo, reference: quoted(reference) });
    }
    Some(match words {
        "process succeeded" => What::Succeeded,
        "process failed" => What::Failed,
        "process cancelled" => What::Cancelled,
        "person opts out" => What::OptOut,
        "person opts in" => What::OptIn,
        "operator holds" => What::Hold,
        "operator releases" => What::Release,
        "operator sends now" => What::SendNow,
        _ => return None,
    })
}
