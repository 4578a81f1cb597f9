//! Every refusal of an event, by its sentence; and what is forgiven.
//!
//! Not the wire: HTTP statuses are tested with the server.

use super::*;
use proptest::prelude::*;

fn refused(json: &str) -> BadEvent {
    read(json.as_bytes()).expect_err("the event should have been refused")
}

#[test]
fn reads_a_whole_event() {
    let event = read(
        br#"{"type":"question","id":"q-1","conversation":"alice","at":"2026-03-01T17:30:00-05:00","flow":"onboarding","line":"support",
            "to":"+57 (300) 111-22.33","vars":{"name":"Ana"},"attributes":{"plan":"gold"},
            "question":{"id":"name","text":"\u00bfTu nombre?","payload":{"a":[1,{"b":null}]}}}"#,
    )
    .unwrap();
    assert_eq!(event.id.as_deref(), Some("q-1"));
    assert_eq!(event.who, Who::Caller("alice".into()));
    assert_eq!(event.at, Moment::parse("2026-03-01T22:30:00Z"));
    assert_eq!(event.to.as_deref(), Some("573001112233"));
    assert_eq!((event.line.as_deref(), event.flow.as_deref()), (Some("support"), Some("onboarding")));
    assert_eq!(event.vars, [("name".to_owned(), "Ana".to_owned())]);
    assert_eq!(event.attributes, [("plan".to_owned(), "gold".to_owned())]);
    let question =
        Question { id: "name".into(), text: "¿Tu nombre?".into(), payload: r#"{"a":[1,{"b":null}]}"#.into(), choices: Vec::new() };
    assert_eq!(event.what, What::Question(question));
}

#[test]
fn null_is_absent_and_our_own_id_is_known() {
    let id = ConversationId(42);
    let json = format!(r#"{{"type":"hold","conversation":"{id}","id":null,"at":null,"vars":null}}"#);
    let event = read(json.as_bytes()).unwrap();
    assert_eq!((event.who, event.id, event.at, event.what), (Who::Id(id), None, None, What::Hold));
}

#[test]
fn every_type_is_read_by_its_word() {
    for kind in TYPES {
        let beside = match kind {
            "question" => r#","question":{"text":"?"}"#,
            "answer" => r#","choice":"later""#,
            "postpone" => r#","until":"2026-03-02T12:00:00Z""#,
            _ => "",
        };
        let event = read(format!(r#"{{"type":"{kind}","conversation":"c"{beside}}}"#).as_bytes()).unwrap();
        assert_eq!(event.what.kind(), kind);
    }
}

#[test]
fn mistakes_name_the_key_the_value_and_what_is_right() {
    let long = "x".repeat(200);
    let wide = format!(r#"{{"type":"hold","conversation":"c","vars":{{"v":"{}"}}}}"#, "x".repeat(1025));
    let many: Vec<String> = (0..65).map(|n| format!(r#""v{n}":"""#)).collect();
    let many = format!(r#"{{"type":"hold","conversation":"c","attributes":{{{}}}}}"#, many.join(","));
    let asked = format!(r#"{{"type":"question","conversation":"c","question":{{"text":"{}"}}}}"#, "ñ".repeat(4097));
    let load = format!(r#"{{"type":"question","conversation":"c","question":{{"payload":"{}"}}}}"#, "x".repeat(4096));
    let deep = format!(r#"{{"type":"question","conversation":"c","question":{{"payload":{}1{}}}}}"#, "[".repeat(33), "]".repeat(33));
    for (json, field, says) in [
        (r#"{"conversation":"c"}"#, "type", "type: missing; one of user_message"),
        (r#"{"type":"hold"}"#, "conversation", "conversation: missing"),
        (r#"{"type":"sing","conversation":"c"}"#, "type", "type: \"sing\" is none; one of"),
        (r#"{"type":5,"conversation":"c"}"#, "type", "type: invalid type: integer `5`, expected a string"),
        (r#"{"type":"hold","conversation":""}"#, "conversation", "conversation: is empty"),
        (r#"{"type":"hold","conversation":"a\nb"}"#, "conversation", "control character"),
        (r#"{"type":"hold","conversation":"cnv_1"}"#, "conversation", "\"cnv_1\" is no id"),
        (&format!(r#"{{"type":"hold","conversation":"{long}"}}"#), "conversation", "has 200 bytes; at most 128"),
        (&format!(r#"{{"type":"hold","conversation":"c","id":"{long}"}}"#), "id", "has 200 bytes; at most 128"),
        (r#"{"type":"hold","conversation":"c","at":"yesterday"}"#, "at", "at: \"yesterday\" is no instant; RFC 3339"),
        (r#"{"type":"hold","conversation":"c","at":"1969-12-31T23:59:59Z"}"#, "at", "outside the years 1970 to 2200"),
        (r#"{"type":"hold","conversation":"c","at":1772400000}"#, "at", "at: invalid type: integer"),
        (r#"{"type":"hold","conversation":"c","to":"3001112233"}"#, "to", "does not begin with a plus sign"),
        (r#"{"type":"hold","conversation":"c","to":"+0123456789"}"#, "to", "has no country code"),
        (r#"{"type":"hold","conversation":"c","to":"+57300x112233"}"#, "to", "no digit"),
        (r#"{"type":"hold","conversation":"c","to":"+1234567890123456"}"#, "to", "more than 15 digits"),
        (r#"{"type":"answer","conversation":"c","choice":"maybe"}"#, "choice", "\"maybe\" is none; yes, no, later or stop"),
        (r#"{"type":"answer","conversation":"c"}"#, "choice", "choice: missing"),
        (r#"{"type":"question","conversation":"c"}"#, "question", "question: missing"),
        (r#"{"type":"question","conversation":"c","question":{}}"#, "question", "neither text nor payload"),
        (r#"{"type":"question","conversation":"c","question":{"txt":"?"}}"#, "question", "unknown key \"txt\""),
        (r#"{"type":"postpone","conversation":"c"}"#, "until", "until: missing"),
        (r#"{"type":"hold","conversation":"c","text":"hi"}"#, "text", "has no meaning in a hold; it belongs to user_message"),
        (r#"{"type":"hold","type":"hold","conversation":"c"}"#, "type", "type: is given twice"),
        (r#"{"type":"hold","conversation":"c","vars":{"a":"1","a":"2"}}"#, "vars", "\"a\" is given twice"),
        (r#"{"type":"hold","conversation":"c","vars":{"a":1}}"#, "vars", "expected a string"),
        (r#"{"type":"hold","conversation":"c","vars":["a"]}"#, "vars", "expected an object of names with texts"),
        (r#"{"type":"hold","conversation":"c","kind":"x"}"#, "", "unknown key \"kind\"; an event has type, id"),
        (r#"[1]"#, "", "expected an event"),
        (&wide, "vars", "has a value of 1025 bytes; at most 1024"),
        (&many, "attributes", "more than 64 names"),
        (&asked, "question.text", "longer than 4096 characters"),
        (&load, "question.payload", "has 4098 bytes; at most 4096"),
        (&deep, "question.payload", "nests deeper than 32 levels"),
    ] {
        let bad = refused(json);
        assert_eq!((bad.kind, bad.field), (BadKind::Invalid, field), "{json}: {bad}");
        assert!(bad.message.contains(says), "{json}: {bad}");
        assert!(!bad.message.contains('\n') && bad.message.len() < 320, "{bad}");
    }
}

#[test]
fn what_is_no_json_is_told_from_what_is_no_event() {
    for json in ["", "{", "nonsense", "\u{feff}{}", "{\"type\":NaN}", r#"{"type":"\ud800"}"#, r#"{"type":"hold","conversation":"c"} x"#] {
        assert_eq!(refused(json).kind, BadKind::NotJson, "{json:?}");
    }
    assert_eq!(refused(&"[".repeat(10_000)).kind, BadKind::Invalid);
    assert_eq!(
        refused(&format!(r#"{{"type":"question","conversation":"c","question":{{"payload":{}"#, "[".repeat(10_000))).kind,
        BadKind::NotJson
    );
    assert_eq!(read(&[b' '; limits::EVENT_BYTES + 1]).unwrap_err().kind, BadKind::TooLarge);
    assert_eq!(read(b"{\"type\":\"\xff\"}").unwrap_err().kind, BadKind::NotJson);
}

proptest! {
    #[test]
    fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}
