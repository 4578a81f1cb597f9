//! A question as JSON, as it stands in messages, hooks and answers.
//!
//! Not its reading: what comes in is checked where events are.

use serde_json::{Value, json};

use crate::engine::record::Question;

/// `{"id","text","payload"}`; the payload as the JSON that it is, as a text where it is none, and null where there is none.
#[must_use]
pub fn to_json(question: &Question) -> Value {
    let payload = match question.payload.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
    };
    json!({"id": question.id, "text": question.text, "payload": payload})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_json_where_it_is_json() {
        for (payload, expected) in [
            (r#"{"step": 3}"#, json!({"step": 3})),
            ("", Value::Null),
            ("{step", json!("{step")),
            ("[1,2]", json!([1, 2])),
            ("7", json!(7)),
        ] {
            let question = Question { id: "q1".into(), text: "¿Y?".into(), payload: payload.into() };
            assert_eq!(to_json(&question), json!({"id": "q1", "text": "¿Y?", "payload": expected}));
        }
    }
}
