//! A question as JSON, as it stands in messages, hooks and answers.
//!
//! Not its reading: what comes in is checked where events are.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::engine::record::Question;

/// A question: `{"id","text","payload"}`.
#[derive(Serialize)]
pub struct Asked<'a> {
    id: &'a str,
    text: &'a str,
    payload: Payload<'a>,
}

impl<'a> From<&'a Question> for Asked<'a> {
    fn from(question: &'a Question) -> Asked<'a> {
        Asked { id: &question.id, text: &question.text, payload: Payload(&question.payload) }
    }
}

/// A payload, byte for byte the JSON that it was when it came in; as a text where it is none, and null where there is none.
pub struct Payload<'a>(pub &'a str);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(self.0) {
            Ok(json) => json.serialize(serializer),
            Err(_) if self.0.is_empty() => serializer.serialize_unit(),
            Err(_) => serializer.serialize_str(self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_the_json_that_it_was() {
        for (payload, expected) in [
            (r#"{"z": 1.50, "a": 123456789012345678901234567890}"#, r#"{"z": 1.50, "a": 123456789012345678901234567890}"#),
            ("", "null"),
            ("{step", r#""{step""#),
            ("[1,2]", "[1,2]"),
            ("7", "7"),
        ] {
            let question = Question { id: "q1".into(), text: "¿Y?".into(), payload: payload.into(), choices: Vec::new() };
            let json = serde_json::to_string(&Asked::from(&question)).unwrap();
            assert_eq!(json, format!(r#"{{"id":"q1","text":"¿Y?","payload":{expected}}}"#));
        }
    }
}
