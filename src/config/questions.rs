//! `[[flows.NAME.questions]]`: what a flow asks by itself, in its order.
//!
//! Not the asking, and not what answers a question: the engine does the one, `conversation/questionnaire.rs` the other.

use std::sync::Arc;

use super::placeholders;
use super::read::{Show, Table, text, texts};
use crate::conversation::questionnaire::{DateOrder, Kind, Millionths, Question};
use crate::conversation::{Choice, answer};
use crate::limits;
use crate::shapes::Loose;

/// The longest text that a line takes with choices below it, in characters.
const PROMPT_CHARS: usize = 1_024;
/// The longest id, in bytes.
const ID_BYTES: usize = 64;
/// Beyond this a number has more digits than anybody writes.
const BOUND: f64 = 1e15;

/// A bound of a number.
#[derive(Clone, Copy)]
struct Bound(Millionths);

impl Show for Bound {
    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// The words of the kinds.
#[derive(Clone, Copy, PartialEq)]
enum Word {
    Text,
    Choice,
    Number,
    Date,
    Email,
    Document,
    Photo,
}

const WORDS: [(&str, Word); 7] = [
    ("text", Word::Text),
    ("choice", Word::Choice),
    ("number", Word::Number),
    ("date", Word::Date),
    ("email", Word::Email),
    ("document", Word::Document),
    ("photo", Word::Photo),
];

/// Reads the questions of a flow.
pub(super) fn questions(table: &Table<'_>) -> Vec<Question> {
    let tables = table.list("questions");
    if tables.len() > limits::QUESTIONS {
        let cure = format!("at most {} questions; nobody answers as many", limits::QUESTIONS);
        table.notes().mistake(&table.path("questions"), format!("a list of {}", tables.len()), cure);
    }
    let mut questions: Vec<Question> = Vec::with_capacity(tables.len());
    for table in tables {
        let Some(question) = question(&table) else { continue };
        if questions.iter().any(|known| known.id == question.id) {
            table.notes().mistake(
                &table.path("id"),
                format!("{:?}", question.id),
                "another question of the flow has it; write one that differs",
            );
        }
        questions.push(question);
    }
    questions
}

/// The last word of a flow that asks.
pub(super) fn completed_message(table: &Table<'_>) -> Option<Arc<str>> {
    table.maybe("completed_message", prompt).map(Arc::from)
}

fn question(table: &Table<'_>) -> Option<Question> {
    let id = table.need("id", "write a name for the answer, as \"email\"", id);
    let asked = table.need("prompt", "write what is asked", prompt);
    let kind = table.word("kind", kind_by_keys(table), &WORDS);
    let retry = table.maybe("retry", prompt);
    let kind = read_kind(table, kind);
    Some(Question { id: Arc::from(id?), prompt: Arc::from(asked?), kind: kind?, retry: retry.map(Arc::from) })
}

/// The kind where none is written: the one whose keys stand there.
fn kind_by_keys(table: &Table<'_>) -> Word {
    let keys = [("choices", Word::Choice), ("min", Word::Number), ("max", Word::Number), ("date_order", Word::Date)];
    keys.into_iter().find(|(key, _)| table.holds(key)).map_or(Word::Text, |(_, kind)| kind)
}

/// The kind with the keys that it has; a key of another kind is a mistake.
fn read_kind(table: &Table<'_>, kind: Word) -> Option<Kind> {
    let orders = [("dmy", DateOrder::DayFirst), ("mdy", DateOrder::MonthFirst)];
    let choices = table.maybe("choices", texts);
    let (min, max) = (table.maybe("min", bound), table.maybe("max", bound));
    let order = table.maybe_word("date_order", &orders);
    for (key, given, owner) in [
        ("choices", choices.is_some(), Word::Choice),
        ("min", min.is_some(), Word::Number),
        ("max", max.is_some(), Word::Number),
        ("date_order", order.is_some(), Word::Date),
    ] {
        if given && owner != kind {
            let word = WORDS.iter().find(|(_, known)| *known == owner).map_or("", |(word, _)| word);
            table.notes().mistake(&table.path(key), "given", format!("only a question with kind = {word:?} has this key; leave it out"));
        }
    }
    Some(match kind {
        Word::Text => Kind::Text,
        Word::Choice => Kind::Choice(read_choices(table, choices)?),
        Word::Number => {
            if let (Some(least), Some(most)) = (min, max)
                && least.0 > most.0
            {
                table.notes().mistake(&table.path("max"), most.show(), "is less than min: nothing would be taken");
            }
            Kind::Number { min: min.map(|bound| bound.0), max: max.map(|bound| bound.0) }
        }
        Word::Date => Kind::Date(order.unwrap_or(DateOrder::DayFirst)),
        Word::Email => Kind::Email,
        Word::Document => Kind::Document,
        Word::Photo => Kind::Photo,
    })
}

fn read_choices(table: &Table<'_>, choices: Option<Vec<String>>) -> Option<Vec<Arc<str>>> {
    let (key, notes) = (table.path("choices"), table.notes());
    let Some(choices) = choices else {
        if !notes.is_given(&key) {
            notes.mistake(&key, "", "write the titles to choose from, as [\"Sí\", \"No\"]");
        }
        return None;
    };
    if !(2..=limits::CHOICES).contains(&choices.len()) {
        notes.mistake(&key, format!("a list of {}", choices.len()), format!("write 2 to {} titles", limits::CHOICES));
        return None;
    }
    let (most, place) = if choices.len() <= limits::BUTTONS { (limits::LABEL_CHARS, "a button") } else { (limits::ROW_CHARS, "a list") };
    let mut folded: Vec<String> = Vec::new();
    for title in &choices {
        let this = answer::fold(title);
        if title.trim() != title || title.contains(['\n', '\r', '\t']) || this.is_empty() || title.chars().count() > most {
            let cure = format!("write a plain title for {place}, without space around it, at most {most} characters");
            notes.mistake(&key, format!("{title:?}"), cure);
        } else if folded.contains(&this) {
            notes.mistake(&key, format!("{title:?}"), "another title says the same; nobody could tell them apart");
        } else if answer::read(title) == Some(Choice::Stop) {
            notes.warn(&key, format!("{title:?}"), "typed and not tapped, this opts the person out on all lines");
        }
        folded.push(this);
    }
    Some(choices.iter().map(|title| Arc::from(title.as_str())).collect())
}

fn id(value: &Loose) -> Result<String, String> {
    let id = text(1, ID_BYTES)(value)?;
    placeholders::check_name(&id)?;
    if id.len() <= ID_BYTES { Ok(id) } else { Err(format!("write at most {ID_BYTES} bytes")) }
}

fn prompt(value: &Loose) -> Result<String, String> {
    let text = text(1, PROMPT_CHARS)(value)?;
    if text.trim().is_empty() {
        return Err("write a text that can be seen".to_owned());
    }
    placeholders::check(&text)?;
    Ok(text)
}

fn bound(value: &Loose) -> Result<Bound, String> {
    let number = match value {
        Loose::Whole(number) => *number as f64,
        Loose::Fraction(number) => *number,
        _ => return Err("write a number, without quotes".to_owned()),
    };
    if !number.is_finite() || number.abs() > BOUND {
        return Err(format!("write a number between {} and {}", -BOUND, BOUND));
    }
    Ok(Bound(match value {
        Loose::Whole(number) => Millionths(number * 1_000_000),
        _ => Millionths((number * 1e6).round() as i128),
    }))
}
