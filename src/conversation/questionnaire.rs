//! The questions of a flow that asks its own, in their order, and what answers each. A questionnaire: no branches, no scripting.
//!
//! Not when they are asked: the machine has that. Total: whatever a person sends is an answer or is none.

mod date;
mod number;

use std::sync::Arc;

use crate::conversation::answer;
use crate::limits;

pub use date::DateOrder;
pub use number::Millionths;

/// The longest e-mail address, in bytes.
const EMAIL_BYTES: usize = 254;
/// The longest part before its @, in bytes.
const LOCAL_BYTES: usize = 64;

/// One question.
#[derive(Clone, PartialEq, Debug)]
pub struct Question {
    /// Its name, under which its answer is reported.
    pub id: Arc<str>,
    /// What is asked; may name variables and earlier answers as `{{.name}}`.
    pub prompt: Arc<str>,
    /// What answers it.
    pub kind: Kind,
    /// What is said to something that does not answer it; the question once more where absent.
    pub retry: Option<Arc<str>>,
}

/// What answers a question.
#[derive(Clone, PartialEq, Debug)]
pub enum Kind {
    /// Any text.
    Text,
    /// One of these.
    Choice(Vec<Arc<str>>),
    /// A number, within bounds where there are some.
    Number {
        /// The least that is taken.
        min: Option<Millionths>,
        /// The most that is taken.
        max: Option<Millionths>,
    },
    /// A date; numbers alone are read in this order.
    Date(DateOrder),
    /// An e-mail address.
    Email,
    /// A document.
    Document,
    /// A picture.
    Photo,
}

impl Kind {
    /// The word of the configuration.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Choice(_) => "choice",
            Kind::Number { .. } => "number",
            Kind::Date(_) => "date",
            Kind::Email => "email",
            Kind::Document => "document",
            Kind::Photo => "photo",
        }
    }
}

/// Something that a person sent which is no text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MediaKind {
    /// A picture.
    Photo,
    /// A document.
    Document,
    /// A voice, a film, a place, a sticker.
    Other,
}

/// What a person said to a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said<'a> {
    /// A text.
    Text(&'a str),
    /// A tap on the choice at this place, from 0.
    Pick(u8),
    /// Something that is no text, with what its provider finds it by.
    Media(MediaKind, &'a str),
}

impl Question {
    /// The answer in what was said, as it is kept; `None` where it is none.
    #[must_use]
    pub fn answer(&self, said: Said<'_>) -> Option<String> {
        match (&self.kind, said) {
            (Kind::Choice(choices), Said::Pick(place)) => choices.get(usize::from(place)).map(ToString::to_string),
            (Kind::Document, Said::Media(MediaKind::Document, reference)) | (Kind::Photo, Said::Media(MediaKind::Photo, reference)) => {
                (reference.len() <= limits::ANSWER_BYTES).then(|| reference.to_owned())
            }
            (_, Said::Pick(_) | Said::Media(..)) => None,
            (kind, Said::Text(text)) => in_text(kind, text.trim()),
        }
    }

    /// The titles of its choices; none where it has none.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        match &self.kind {
            Kind::Choice(choices) => choices.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }
}

/// The first question without an answer; `None` where all have one.
#[must_use]
pub fn open<'q>(questions: &'q [Question], answers: &[(String, String)]) -> Option<&'q Question> {
    questions.iter().find(|question| answers.iter().all(|(answered, _)| **answered != *question.id))
}

fn in_text(kind: &Kind, text: &str) -> Option<String> {
    if text.is_empty() || text.len() > limits::ANSWER_BYTES {
        return None;
    }
    match kind {
        Kind::Text => Some(text.to_owned()),
        Kind::Choice(choices) => choice(choices, text),
        Kind::Number { min, max } => {
            let number = number::read(text)?;
            let within = min.is_none_or(|min| min <= number) && max.is_none_or(|max| number <= max);
            within.then(|| number.to_string())
        }
        Kind::Date(order) => date::read(text, *order),
        Kind::Email => email(text),
        Kind::Document | Kind::Photo => None,
    }
}

/// The choice with this title, or at this place, from 1: some lines show a numbered list.
fn choice(choices: &[Arc<str>], text: &str) -> Option<String> {
    let folded = answer::fold(text);
    let by_title = choices.iter().find(|title| answer::fold(title) == folded);
    let by_place = || folded.trim_end_matches(['.', ')']).parse::<usize>().ok().and_then(|place| choices.get(place.checked_sub(1)?));
    by_title.or_else(by_place).map(ToString::to_string)
}

/// An address as people have them: it is not asked whether it exists. The domain in lower case; the part before it as it is.
fn email(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let local_right = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    if text.len() > EMAIL_BYTES || local.is_empty() || local.len() > LOCAL_BYTES || dots || !local.chars().all(local_right) {
        return None;
    }
    let label = |label: &str| {
        let plain = label.chars().all(|c| c.is_alphanumeric() || c == '-');
        !label.is_empty() && label.len() <= 63 && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    let top = domain.rsplit('.').next()?;
    let named = top.chars().count() >= 2 && !top.chars().all(|c| c.is_ascii_digit());
    (domain.contains('.') && named && domain.split('.').all(label)).then(|| format!("{local}@{}", domain.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn question(kind: Kind) -> Question {
        Question { id: "q".into(), prompt: "¿?".into(), kind, retry: None }
    }

    fn kinds() -> Vec<Kind> {
        let whole = |n: i64| Some(Millionths::from(n));
        vec![
            Kind::Text,
            Kind::Choice(vec!["Sí".into(), "No sé".into(), "7".into()]),
            Kind::Number { min: whole(1), max: whole(1_000) },
            Kind::Date(DateOrder::DayFirst),
            Kind::Email,
            Kind::Document,
            Kind::Photo,
        ]
    }

    #[test]
    fn each_kind_takes_its_own() {
        let said = |kind: Kind, said: Said<'_>| question(kind).answer(said);
        let text = |kind: Kind, text: &str| said(kind, Said::Text(text));
        let [any, choice, number, date, email, document, photo] = kinds().try_into().unwrap();
        assert_eq!(text(any.clone(), "  Ana María\n").as_deref(), Some("Ana María"));
        assert_eq!(text(any.clone(), " \n "), None);
        assert_eq!(text(any, &"a".repeat(limits::ANSWER_BYTES + 1)), None);
        for (written, title) in [("SI", Some("Sí")), ("no  se", Some("No sé")), ("2", Some("No sé")), ("2)", Some("No sé"))] {
            assert_eq!(text(choice.clone(), written).as_deref(), title, "{written}");
        }
        for none in ["0", "4", "-1", "quizás", "99999999999999999999999"] {
            assert_eq!(text(choice.clone(), none), None, "{none}");
        }
        assert_eq!(text(choice.clone(), "7").as_deref(), Some("7"), "a title goes before a place");
        assert_eq!(said(choice.clone(), Said::Pick(1)).as_deref(), Some("No sé"));
        assert_eq!((said(choice, Said::Pick(3)), said(number.clone(), Said::Pick(0))), (None, None));
        assert_eq!((text(number.clone(), "12,5"), text(number.clone(), "0"), text(number, "1001")), (Some("12.5".into()), None, None));
        assert_eq!(text(date, "1/2/2026").as_deref(), Some("2026-02-01"));
        assert_eq!(text(email, "Ana.P@Example.COM").as_deref(), Some("Ana.P@example.com"));
        assert_eq!(said(document.clone(), Said::Media(MediaKind::Document, "m1")).as_deref(), Some("m1"));
        assert_eq!(said(photo.clone(), Said::Media(MediaKind::Photo, "m2")).as_deref(), Some("m2"));
        for kind in [document, photo] {
            assert_eq!((said(kind.clone(), Said::Media(MediaKind::Other, "m")), text(kind, "later")), (None, None));
        }
    }

    #[test]
    fn addresses_are_those_that_people_have() {
        for right in ["a@b.co", "ana+crm@sub.example.com", "o'neil@example.ie", "josé@correo.es", "x_1@a-b.org"] {
            assert!(email(right).is_some(), "{right}");
        }
        for wrong in [
            "a@b",
            "@b.co",
            "a@",
            "a b@c.co",
            "a@b..co",
            ".a@b.co",
            "a..b@c.co",
            "a@-b.co",
            "a@b.c",
            "a@1.2.3.4",
            "a@b.co.",
            "ana arroba x",
            "<a@b.co>",
            "a@b@c.co d",
        ] {
            assert_eq!(email(wrong), None, "{wrong}");
        }
        assert_eq!(email(&format!("{}@b.co", "a".repeat(65))), None);
        assert_eq!(email(&format!("a@{}.co", "b".repeat(64))), None);
    }

    #[test]
    fn the_first_without_an_answer_is_open() {
        let questions: Vec<Question> = ["a", "b", "c"].map(|id| Question { id: id.into(), ..question(Kind::Text) }).into();
        let answers = |ids: &[&str]| ids.iter().map(|id| ((*id).to_owned(), String::new())).collect::<Vec<_>>();
        let id = |answered: &[&str]| open(&questions, &answers(answered)).map(|question| &*question.id);
        assert_eq!((id(&[]), id(&["a", "gone"]), id(&["a", "c"]), id(&["c", "b", "a"])), (Some("a"), Some("b"), Some("b"), None));
    }

    proptest! {
        /// Whatever is said: an answer is not long, and said again it is the same answer.
        #[test]
        fn an_answer_answers(kind in prop::sample::select(kinds()), text in any::<String>(), place: u8, reference in ".{0,40}") {
            let question = question(kind);
            for said in [Said::Text(&text), Said::Pick(place), Said::Media(MediaKind::Photo, &reference)] {
                if let Some(kept) = question.answer(said) {
                    prop_assert!(kept.len() <= limits::ANSWER_BYTES);
                    if matches!(said, Said::Text(_)) {
                        prop_assert_eq!(question.answer(Said::Text(&kept)), Some(kept.clone()));
                    }
                }
            }
        }
    }
}
