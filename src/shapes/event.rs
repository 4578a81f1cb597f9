//! One event as JSON, read into [`Inbound`] with every bound of `limits.rs` checked and named.
//!
//! Not the routes, and not the engine: whether the conversation, line or flow exists is known there only. Strings are borrowed
//! from the input until they are known to be right, and copied once.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::conversation::Choice;
use crate::engine::record::Question;
use crate::engine::request::{Inbound, What, Who};
use crate::id::ConversationId;
use crate::limits;
use crate::moment::Moment;
use crate::shapes::discreet;
use crate::shapes::pairs::{PairsSeed, Text};

/// The types of events, as `type` names them.
pub const TYPES: [&str; 12] = [
    "user_message",
    "question",
    "answer",
    "succeeded",
    "failed",
    "cancelled",
    "opt_out",
    "opt_in",
    "hold",
    "release",
    "postpone",
    "send_now",
];

/// The keys of an event.
const KEYS: &str = "type, id, conversation, at, text, question, choice, until, flow, line, to, vars, attributes";

/// How deep a payload may nest.
const PAYLOAD_DEPTH: usize = 32;

/// Instants lie in the years 1970 to 2200, as in plans; this is the first that does not.
const AFTER_LAST: Moment = Moment(7_289_654_400_000);

/// Why an event was not understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadEvent {
    /// What kind of mistake it is.
    pub kind: BadKind,
    /// The key it lies in; empty where it lies in none.
    pub field: &'static str,
    /// The key, the value (shortened) and what would be right, in one line.
    pub message: String,
}

/// Kinds of mistakes in an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadKind {
    /// It is not JSON.
    NotJson,
    /// It is JSON, but no event.
    Invalid,
    /// It is larger than [`limits::EVENT_BYTES`].
    TooLarge,
}

impl fmt::Display for BadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BadEvent {}

/// Reads one event.
///
/// # Errors
/// [`BadEvent`]: what is wrong, where, and what would be right.
pub fn read(bytes: &[u8]) -> Result<Inbound, BadEvent> {
    if bytes.len() > limits::EVENT_BYTES {
        return Err(too_large());
    }
    let field = Cell::new("");
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let fields = Reader { field: &field }.deserialize(&mut json).map_err(|e| not_understood(&e, field.get()))?;
    json.end().map_err(|e| not_understood(&e, ""))?;
    fields.into_inbound()
}

/// The mistake of an event that is longer than [`limits::EVENT_BYTES`].
#[must_use]
pub fn too_large() -> BadEvent {
    let message = format!("an event is larger than {} bytes; leave out what is not needed", limits::EVENT_BYTES);
    BadEvent { kind: BadKind::TooLarge, field: "", message }
}

fn not_understood(error: &serde_json::Error, field: &'static str) -> BadEvent {
    let text = discreet::sentence(&error.to_string());
    if error.classify() == Category::Data {
        let sentence = text.rfind(" at line ").map_or(&*text, |end| &text[..end]);
        let message = if field.is_empty() { sentence.to_owned() } else { format!("{field}: {sentence}") };
        return BadEvent { kind: BadKind::Invalid, field, message };
    }
    BadEvent { kind: BadKind::NotJson, field: "", message: format!("the event is not JSON: {text}") }
}

fn invalid(field: &'static str, what: impl fmt::Display) -> BadEvent {
    BadEvent { kind: BadKind::Invalid, field, message: format!("{field}: {what}") }
}

/// A value as it stands in an error: at most 40 characters, and no number of a person.
pub(crate) fn shortened(value: &str) -> String {
    let value = &*discreet::numbers(value);
    match value.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}…", &value[..end]),
        None => format!("{value:?}"),
    }
}

/// What was read, before it is known to be right.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    conversation: Option<Cow<'a, str>>,
    at: Option<Cow<'a, str>>,
    text: Option<Cow<'a, str>>,
    question: Option<Asked<'a>>,
    choice: Option<Cow<'a, str>>,
    until: Option<Cow<'a, str>>,
    flow: Option<Cow<'a, str>>,
    line: Option<Cow<'a, str>>,
    to: Option<Cow<'a, str>>,
    vars: Vec<(String, String)>,
    attributes: Vec<(String, String)>,
}

#[derive(Default)]
struct Asked<'a> {
    id: Option<Cow<'a, str>>,
    text: Option<Cow<'a, str>>,
    payload: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    fn into_inbound(mut self) -> Result<Inbound, BadEvent> {
        let what = self.what()?;
        self.nothing_left(what.kind())?;
        let conversation =
            self.conversation.ok_or_else(|| invalid("conversation", "missing; name the conversation, or give its cnv_ id"))?;
        Ok(Inbound {
            id: self.id.map(|id| name("id", id, limits::EVENT_ID_BYTES)).transpose()?,
            who: who(conversation)?,
            at: self.at.map(|at| instant("at", &at)).transpose()?,
            what,
            line: self.line.map(|line| name("line", line, limits::CONVERSATION_BYTES)).transpose()?,
            flow: self.flow.map(|flow| name("flow", flow, limits::CONVERSATION_BYTES)).transpose()?,
            to: self.to.map(|to| e164(&to)).transpose()?,
            vars: self.vars,
            attributes: self.attributes,
        })
    }

    fn what(&mut self) -> Result<What, BadEvent> {
        let kind = self.kind.take().ok_or_else(|| invalid("type", format_args!("missing; one of {}", TYPES.join(", "))))?;
        Ok(match &*kind {
            "user_message" => What::UserMessage(self.text.take().unwrap_or_default().into_owned()),
            "question" => What::Question(question(
                self.question.take().ok_or_else(|| invalid("question", "missing; {\"id\",\"text\",\"payload\"}"))?,
            )?),
            "answer" => What::Answer(choice(self.choice.take())?),
            "succeeded" => What::Succeeded,
            "failed" => What::Failed,
            "cancelled" => What::Cancelled,
            "opt_out" => What::OptOut,
            "opt_in" => What::OptIn,
            "hold" => What::Hold,
            "release" => What::Release,
            "postpone" => {
                let until = self.until.take().ok_or_else(|| invalid("until", "missing; the earliest instant, as 2026-03-02T12:00:00Z"))?;
                What::Postpone(instant("until", &until)?)
            }
            "send_now" => What::SendNow,
            other => return Err(invalid("type", format_args!("{} is none; one of {}", shortened(other), TYPES.join(", ")))),
        })
    }

    /// A key that this type has no use for is a mistake, not decoration.
    fn nothing_left(&self, kind: &str) -> Result<(), BadEvent> {
        let left = [
            ("text", self.text.is_some(), "user_message"),
            ("question", self.question.is_some(), "question"),
            ("choice", self.choice.is_some(), "answer"),
            ("until", self.until.is_some(), "postpone"),
        ];
        match left.into_iter().find(|(_, there, _)| *there) {
            Some((field, _, owner)) => Err(invalid(field, format_args!("has no meaning in a {kind}; it belongs to {owner}"))),
            None => Ok(()),
        }
    }
}

/// The conversation that a text names: our id, or the caller's own name.
///
/// # Errors
/// [`BadEvent`] where it is empty, too long, or an id of ours that is none.
pub fn who(conversation: Cow<'_, str>) -> Result<Who, BadEvent> {
    if conversation.starts_with(ConversationId::PREFIX) {
        let id = ConversationId::parse(&conversation);
        let wrong = || format!("{} is no id; cnv_ and 26 letters and digits, and no name of your own begins so", shortened(&conversation));
        return id.map(Who::Id).ok_or_else(|| invalid("conversation", wrong()));
    }
    name("conversation", conversation, limits::CONVERSATION_BYTES).map(Who::Caller)
}

fn name(field: &'static str, value: Cow<'_, str>, most: usize) -> Result<String, BadEvent> {
    if value.is_empty() {
        return Err(invalid(field, "is empty"));
    }
    if value.len() > most {
        return Err(invalid(field, format_args!("{} has {} bytes; at most {most}", shortened(&value), value.len())));
    }
    if value.chars().any(char::is_control) {
        return Err(invalid(field, format_args!("{} has a control character", shortened(&value))));
    }
    Ok(value.into_owned())
}

/// Reads an instant of the years 1970 to 2200.
///
/// # Errors
/// [`BadEvent`] naming `field`.
pub fn instant(field: &'static str, text: &str) -> Result<Moment, BadEvent> {
    match Moment::parse(text) {
        Some(at) if at >= Moment(0) && at < AFTER_LAST => Ok(at),
        Some(_) => Err(invalid(field, format_args!("{} is outside the years 1970 to 2200", shortened(text)))),
        None => Err(invalid(field, format_args!("{} is no instant; RFC 3339, as 2026-03-02T12:00:00Z", shortened(text)))),
    }
}

fn choice(word: Option<Cow<'_, str>>) -> Result<Choice, BadEvent> {
    let word = word.ok_or_else(|| invalid("choice", "missing; yes, no, later or stop"))?;
    match &*word {
        "yes" => Ok(Choice::Yes),
        "no" => Ok(Choice::No),
        "later" => Ok(Choice::Later),
        "stop" => Ok(Choice::Stop),
        other => Err(invalid("choice", format_args!("{} is none; yes, no, later or stop", shortened(other)))),
    }
}

fn question(asked: Asked<'_>) -> Result<Question, BadEvent> {
    let text = asked.text.unwrap_or_default();
    let payload = asked.payload.map_or("", RawValue::get);
    if text.is_empty() && payload.is_empty() {
        return Err(invalid("question", "has neither text nor payload; give what was asked"));
    }
    // Characters are never more than bytes, so most texts need no count.
    if text.len() > limits::QUESTION_CHARS && text.chars().count() > limits::QUESTION_CHARS {
        return Err(invalid("question.text", format_args!("is longer than {} characters", limits::QUESTION_CHARS)));
    }
    if payload.len() > limits::PAYLOAD_BYTES {
        return Err(invalid("question.payload", format_args!("has {} bytes; at most {}", payload.len(), limits::PAYLOAD_BYTES)));
    }
    if depth(payload) > PAYLOAD_DEPTH {
        return Err(invalid("question.payload", format_args!("nests deeper than {PAYLOAD_DEPTH} levels")));
    }
    let id = asked.id.filter(|id| !id.is_empty()).map(|id| name("question.id", id, limits::EVENT_ID_BYTES)).transpose()?;
    Ok(Question { id: id.unwrap_or_default(), text: text.into_owned(), payload: payload.to_owned(), choices: Vec::new() })
}

/// How deep well-formed JSON nests.
fn depth(json: &str) -> usize {
    let (mut now, mut most, mut quoted, mut escaped) = (0usize, 0usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// The digits of a number in E.164. The plus sign is required: without it a national number would be another country's.
/// Spaces, dashes, dots and brackets between the digits are passed over.
///
/// # Errors
/// [`BadEvent`] for the key `to`.
pub fn e164(text: &str) -> Result<String, BadEvent> {
    let wrong = |why: &str| {
        invalid("to", format_args!("{} {why}; a plus sign, the country code and the number, as +573001112233", shortened(text)))
    };
    let rest = text.trim().strip_prefix('+').ok_or_else(|| wrong("does not begin with a plus sign"))?;
    let mut digits = String::with_capacity(15);
    for c in rest.chars() {
        match c {
            '0'..='9' if digits.len() == 15 => return Err(wrong("has more than 15 digits")),
            '0'..='9' => digits.push(c),
            ' ' | '-' | '.' | '(' | ')' => {}
            _ => return Err(wrong("has something that is no digit")),
        }
    }
    match digits.len() {
        0..=6 => Err(wrong("has too few digits")),
        _ if digits.starts_with('0') => Err(wrong("has no country code")),
        _ => Ok(digits),
    }
}

/// Reads the object; tells `field` where it is, so that an error can name it.
struct Reader<'c> {
    field: &'c Cell<&'static str>,
}

impl<'c> Reader<'c> {
    /// The next value as text, `null` being absent.
    fn text<'de, A: MapAccess<'de>>(&self, map: &mut A, name: &'static str, into: &mut Option<Cow<'de, str>>) -> Result<(), A::Error> {
        self.once::<A>(name, into.is_some())?;
        *into = map.next_value::<Option<Text<'de>>>()?.map(|t| t.0);
        Ok(())
    }

    fn pairs<'de, A: MapAccess<'de>>(&self, map: &mut A, name: &'static str, into: &mut Vec<(String, String)>) -> Result<(), A::Error> {
        self.once::<A>(name, !into.is_empty())?;
        *into = map.next_value_seed(PairsSeed)?;
        Ok(())
    }

    fn once<'de, A: MapAccess<'de>>(&self, name: &'static str, there: bool) -> Result<(), A::Error> {
        self.field.set(name);
        if there { Err(A::Error::custom("is given twice")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Fields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event: a JSON object with type and conversation")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut to = Fields::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key.0 {
                "type" => self.text(&mut map, "type", &mut to.kind)?,
                "id" => self.text(&mut map, "id", &mut to.id)?,
                "conversation" => self.text(&mut map, "conversation", &mut to.conversation)?,
                "at" => self.text(&mut map, "at", &mut to.at)?,
                "text" => self.text(&mut map, "text", &mut to.text)?,
                "choice" => self.text(&mut map, "choice", &mut to.choice)?,
                "until" => self.text(&mut map, "until", &mut to.until)?,
                "flow" => self.text(&mut map, "flow", &mut to.flow)?,
                "line" => self.text(&mut map, "line", &mut to.line)?,
                "to" => self.text(&mut map, "to", &mut to.to)?,
                "vars" => self.pairs(&mut map, "vars", &mut to.vars)?,
                "attributes" => self.pairs(&mut map, "attributes", &mut to.attributes)?,
                "question" => {
                    self.once::<A>("question", to.question.is_some())?;
                    to.question = Some(map.next_value_seed(AskedReader { field: self.field })?);
                }
                other => {
                    self.field.set("");
                    return Err(A::Error::custom(format_args!("unknown key {}; an event has {KEYS}", shortened(other))));
                }
            }
            self.field.set("");
        }
        Ok(to)
    }
}

/// Reads `question`.
struct AskedReader<'c> {
    field: &'c Cell<&'static str>,
}

impl<'de> DeserializeSeed<'de> for AskedReader<'_> {
    type Value = Asked<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Asked<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AskedReader<'_> {
    type Value = Asked<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with id, text and payload")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Asked<'de>, A::Error> {
        let (reader, mut to) = (Reader { field: self.field }, Asked::default());
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key.0 {
                "id" => reader.text(&mut map, "question.id", &mut to.id)?,
                "text" => reader.text(&mut map, "question.text", &mut to.text)?,
                "payload" => {
                    reader.once::<A>("question.payload", to.payload.is_some())?;
                    to.payload = map.next_value::<Option<&'de RawValue>>()?;
                }
                other => {
                    return Err(A::Error::custom(format_args!("unknown key {}; a question has id, text and payload", shortened(other))));
                }
            }
            self.field.set("question");
        }
        Ok(to)
    }
}

#[cfg(test)]
mod tests;
