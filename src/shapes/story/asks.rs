//! The questions of a story whose flow asks its own: `asks  edad "¿Su edad?" number 18..120 else "Escriba un número"`.
//!
//! Not the configuration, which has more words for them.

use std::sync::Arc;

use crate::conversation::questionnaire::{DateOrder, Kind, Millionths, Question};

/// Reads a question: its name, its prompt, what answers it (any text where nothing is said), what is said to anything else.
pub(super) fn read_question(text: &str) -> Result<Question, String> {
    let wrong = || format!("{text:?}: write a name, the prompt in quotes, then a kind, as edad \"¿Su edad?\" number 18..120");
    let (id, rest) = text.split_once(' ').ok_or_else(wrong)?;
    let (prompt, rest) = quoted(rest.trim()).ok_or_else(wrong)?;
    let (kind, retry) = rest.split_once("else ").unwrap_or((rest, ""));
    let retry = if retry.is_empty() { None } else { Some(quoted(retry.trim()).ok_or_else(wrong)?.0) };
    Ok(Question {
        id: Arc::from(id),
        prompt: Arc::from(prompt),
        kind: read_kind(kind.trim()).ok_or_else(wrong)?,
        retry: retry.map(Arc::from),
    })
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('"')?.split_once('"')
}

fn read_kind(text: &str) -> Option<Kind> {
    Some(match text.split_once(' ').unwrap_or((text, "")) {
        ("" | "text", _) => Kind::Text,
        ("number", "") => Kind::Number { min: None, max: None },
        ("number", range) => {
            let (min, max) = range.split_once("..")?;
            let bound = |text: &str| if text.is_empty() { Some(None) } else { Some(Some(Millionths::from(text.parse::<i64>().ok()?))) };
            Kind::Number { min: bound(min)?, max: bound(max)? }
        }
        ("choice", titles) => Kind::Choice(titles.split('|').map(Arc::from).collect()),
        ("date", _) => Kind::Date(DateOrder::DayFirst),
        ("email", _) => Kind::Email,
        ("document", _) => Kind::Document,
        ("photo", _) => Kind::Photo,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_with_all_they_have() {
        let age = read_question("edad \"¿Su edad?\" number 18.. else \"Un número, por favor\"").unwrap();
        assert_eq!((&*age.id, &*age.prompt, age.retry.as_deref()), ("edad", "¿Su edad?", Some("Un número, por favor")));
        assert_eq!(age.kind, Kind::Number { min: Some(Millionths::from(18)), max: None });
        assert_eq!(read_question("q \"¿?\"").unwrap().kind, Kind::Text);
        assert_eq!(read_question("q \"¿?\" choice Sí|No sé").unwrap().kind, Kind::Choice(vec!["Sí".into(), "No sé".into()]));
        for wrong in ["", "q", "q ¿?", "q \"¿?", "q \"¿?\" poem", "q \"¿?\" number many", "q \"¿?\" else no"] {
            assert!(read_question(wrong).is_err(), "{wrong}");
        }
    }
}
