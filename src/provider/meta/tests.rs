//! What is read of each kind of change, status and message; and that nothing that arrives breaks the reader.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::conversation::Choice;
use crate::engine::heard::{Heard, MediaKind, Party, TemplateNews};
use crate::id::ConversationId;
use crate::moment::Moment;

fn dialect(reactions: bool) -> Dialect {
    let address = |metadata: &Metadata<'_>| metadata.phone_number_id.as_str().to_owned();
    Dialect { reactions, address, trouble: table::trouble, templates: true }
}

fn read_with(body: &str, reactions: bool) -> Result<Vec<Item>, Unreadable> {
    let envelope: Envelope<'_> = serde_json::from_str(body).map_err(|e| unreadable(&e))?;
    let mut items = Items::default();
    read(&envelope, &dialect(reactions), &mut items)?;
    Ok(items.into_vec())
}

/// What is read of one change.
fn change(field: &str, value: &Value) -> Vec<Item> {
    read_with(&json!({"entry": [{"changes": [{"field": field, "value": value}]}]}).to_string(), false).unwrap()
}

/// The value of field `messages` with this one message, and one contact.
fn messages(message: &Value) -> Value {
    json!({"metadata": {"phone_number_id": "1065"}, "contacts": [{"wa_id": "573181230000", "user_id": "CO.13"}], "messages": [message]})
}

/// What is read of one message from Ana, without its envelope.
fn message(kind: &str, content: Value) -> Item {
    let mut message = json!({"from": "573181230000", "id": "wamid.1", "timestamp": "1789398000", "type": kind});
    message[kind] = content;
    only(change("messages", &messages(&message)))
}

fn only(mut items: Vec<Item>) -> Item {
    assert_eq!(items.len(), 1, "{items:?}");
    items.remove(0)
}

fn ana() -> Person {
    Person { phone: "573181230000".into(), user: "CO.13".into() }
}

/// What Ana did at 1789398000 on line 1065, told as `id`.
fn did(id: &str, what: What) -> Item {
    let (at, address) = (Some(Moment(1_789_398_000_000)), "1065".into());
    Item::Event(Box::new(Heard { id: id.into(), at, address, party: Party::Person(ana()), what }))
}

fn said(text: &str) -> Item {
    did("wamid.1", What::UserMessage(text.into()))
}

#[test]
fn every_kind_of_message_has_its_reading() {
    assert_eq!(message("text", json!({"body": "Hola"})), said("Hola"));
    for kind in ["location", "contacts", "order", "unsupported", "unknown"] {
        assert_eq!(message(kind, json!({"caption": "sí", "body": "sí"})), said(""), "{kind}");
    }
    let sent = |kind, reference: &str| did("wamid.1", What::Media { kind, reference: reference.into() });
    for (kind, what, reference) in [
        ("image", MediaKind::Photo, "m1"),
        ("document", MediaKind::Document, "m1"),
        ("video", MediaKind::Other, ""),
        ("audio", MediaKind::Other, ""),
        ("voice", MediaKind::Other, ""),
        ("sticker", MediaKind::Other, ""),
    ] {
        assert_eq!(message(kind, json!({"id": "m1", "caption": "sí"})), sent(what, reference), "{kind}");
    }
    assert_eq!(message("image", json!("broken")), sent(MediaKind::Photo, ""));
    for kind in ["list_reply", "nfm_reply", "call_permission_reply", "whatever"] {
        assert_eq!(message("interactive", json!({"type": kind, kind: {"id": "x", "title": "Sí"}})), said(""), "{kind}");
    }
    assert_eq!(message("interactive", json!(null)), said(""), "no inner object");
    for (kind, word) in [
        ("reaction", "reaction"),
        ("edit", "edit"),
        ("revoke", "revoke"),
        ("request_welcome", "request_welcome"),
        ("poll_vote", "message_other"),
        ("", "message_other"),
    ] {
        assert_eq!(message(kind, json!({"emoji": "👍"})), Item::Passed(word), "{kind}");
    }
}

#[test]
fn a_reaction_is_a_sign_of_life_where_configured_and_never_an_answer() {
    for reaction in [json!({"message_id": "wamid.0", "emoji": "👍"}), json!({"message_id": "wamid.0"})] {
        let body = messages(&json!({
            "from": "573181230000", "id": "wamid.1", "timestamp": "1789398000", "type": "reaction", "reaction": reaction,
        }));
        let body = json!({"entry": [{"changes": [{"field": "messages", "value": body}]}]}).to_string();
        assert_eq!(read_with(&body, true).unwrap(), [said("")]);
    }
}

#[test]
fn buttons_are_ours_by_their_id_alone() {
    let send = SendId(7);
    let id = button::write(Choice::No, ConversationId(42), send);
    let tap = |tap: Tap| did("wamid.1", What::Tapped(tap));
    let ours = tap(Tap { send: Some(send), message: None, choice: Some(Choice::No), pick: None, label: "No".into() });
    assert_eq!(message("interactive", json!({"type": "button_reply", "button_reply": {"id": id, "title": "No"}})), ours);
    assert_eq!(message("button", json!({"payload": id, "text": "No"})), ours);
    let others = tap(Tap { send: None, message: None, choice: None, pick: None, label: "Sí".into() });
    assert_eq!(message("interactive", json!({"type": "button_reply", "button_reply": {"id": "yes", "title": "Sí"}})), others);
    assert_eq!(message("button", json!({"payload": "Sí", "text": "Sí"})), others);
    assert_eq!(message("button", json!([])), said(""));
}

#[test]
fn a_choice_of_ours_is_known_by_its_place_in_a_list_as_under_a_button() {
    let send = SendId(7);
    let id = picks::write(4, ConversationId(42), send);
    let tap = Tap { send: Some(send), message: None, choice: None, pick: Some(4), label: "Azul".into() };
    for kind in ["button_reply", "list_reply"] {
        let reply = json!({"type": kind, kind: {"id": id, "title": "Azul"}});
        assert_eq!(message("interactive", reply), did("wamid.1", What::Tapped(tap.clone())), "{kind}");
    }
}

#[test]
fn a_person_is_known_by_number_by_user_id_or_by_the_contacts() {
    let who = |message: Value, contacts: Value| {
        let value = json!({"contacts": contacts, "messages": [message]});
        match only(change("messages", &value)) {
            Item::Event(heard) => Some(heard.party),
            _ => None,
        }
    };
    let named = |phone: &str, user: &str| Some(Party::Person(Person { phone: phone.into(), user: user.into() }));
    let text = |from: &str, user: &str| json!({"from": from, "from_user_id": user, "id": "1", "type": "text"});
    assert_eq!(who(text("573181230000", ""), json!(null)), named("573181230000", ""));
    assert_eq!(who(text("", "CO.13"), json!(null)), named("", "CO.13"));
    assert_eq!(who(text("+57 318 1230000", "CO.13"), json!([])), named("573181230000", "CO.13"));
    assert_eq!(who(text("CO.13", ""), json!(null)), named("", "CO.13"), "a user id in the place of the number");
    assert_eq!(who(json!({"from": 573_181_230_000_i64, "id": 1, "type": "text"}), json!(null)), named("573181230000", ""));
    let contacts = json!([{"wa_id": "1", "user_id": "CO.1"}, {"wa_id": "2", "user_id": "CO.2"}, {"wa_id": "", "user_id": "CO.3"}]);
    assert_eq!(who(text("2", ""), contacts.clone()), named("2", "CO.2"));
    assert_eq!(who(text("", "CO.1"), contacts.clone()), named("1", "CO.1"));
    assert_eq!(who(text("", ""), contacts), None, "which of three is not guessed");
    assert_eq!(who(text("", ""), json!([{"wa_id": "2"}])), named("2", ""));
    assert_eq!(who(text("9191****873", "\u{0}"), json!(null)), None);
}

#[test]
fn a_change_of_number_or_user_id_moves_the_person() {
    let system = |from: &str, system: Value| {
        let message = json!({"from": from, "id": "wamid.1", "timestamp": "1789398000", "type": "system", "system": system});
        only(change("messages", &json!({"metadata": {"phone_number_id": "1065"}, "messages": [message]})))
    };
    let moved = |before: Person, after: Person| match did("wamid.1", What::Moved(after)) {
        Item::Event(heard) => Item::Event(Box::new(Heard { party: Party::Person(before), ..*heard })),
        other => other,
    };
    let person = |phone: &str, user: &str| Person { phone: phone.into(), user: user.into() };
    for kind in ["user_changed_number", "customer_changed_number"] {
        for field in ["wa_id", "new_wa_id"] {
            let read = system("573181230000", json!({"type": kind, field: "573009999999", "body": "User A changed"}));
            assert_eq!(read, moved(person("573181230000", ""), person("573009999999", "")), "{kind} {field}");
        }
    }
    let ids = json!({"type": "user_changed_user_id", "previous_user_id": "CO.1", "user_id": "MX.2"});
    assert_eq!(system("", ids), moved(person("", "CO.1"), person("", "MX.2")));
    let both = json!({"type": "user_changed_number", "wa_id": "52155", "previous_user_id": "CO.1", "user_id": "MX.2"});
    assert_eq!(system("57318", both), moved(person("57318", "CO.1"), person("52155", "MX.2")));
    for nothing in [
        json!({"type": "customer_identity_changed"}),
        json!({"type": "user_changed_number"}),
        json!({"type": "user_changed_number", "wa_id": "57318"}),
        json!(null),
    ] {
        assert_eq!(system("57318", nothing.clone()), Item::Passed("system"), "{nothing}");
    }
}

/// What is read of one status.
fn status_of(status: &Value) -> Item {
    only(change("messages", &json!({"metadata": {"phone_number_id": "1065"}, "statuses": [status]})))
}

fn fate(item: &Item) -> Option<Fate> {
    match item {
        Item::Event(heard) => match &heard.what {
            What::Status(status) => Some(status.fate),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn statuses_tell_fate_and_send() {
    let send = SendId(9);
    let read = status_of(&json!({
        "id": "wamid.2", "status": "delivered", "timestamp": "1789398000", "recipient_id": "573181230000", "recipient_user_id": "CO.13",
        "biz_opaque_callback_data": send.to_string(),
    }));
    let told = Status { message: "wamid.2".into(), send: Some(send), fate: Fate::Delivered };
    assert_eq!(read, did("wamid.2/delivered", What::Status(told)));
    let bare = |status: &str, errors: Value| json!({"id": "wamid.2", "status": status, "timestamp": 1, "errors": errors});
    for (status, expected) in [
        ("sent", Fate::Sent),
        ("delivered", Fate::Delivered),
        ("read", Fate::Read),
        ("played", Fate::Read),
        ("failed", Fate::Failed(Trouble::Permanent)),
    ] {
        assert_eq!(fate(&status_of(&bare(status, json!(null)))), Some(expected), "{status}");
    }
    for (code, trouble) in [
        (json!(131_047), Trouble::WindowClosed),
        (json!("131047"), Trouble::WindowClosed),
        (json!(131_049), Trouble::Permanent),
        (json!(131_050), Trouble::OptOut),
        (json!(131_000), Trouble::Retry),
        (json!(999_999), Trouble::Permanent),
    ] {
        assert_eq!(fate(&status_of(&bare("failed", json!([{"title": "x"}, {"code": code}])))), Some(Fate::Failed(trouble)), "{code}");
    }
    match status_of(&bare("sent", json!(null))) {
        Item::Event(heard) => assert_eq!(heard.party, Party::Unnamed),
        other => panic!("{other:?}"),
    }
    assert_eq!(status_of(&bare("warning", json!(null))), Item::Passed("status_other"));
    assert_eq!(status_of(&json!({"id": "w", "status": "sent", "recipient_id": "Y2Fw", "recipient_type": "group"})), Item::Passed("group"));
    assert_eq!(status_of(&json!({"status": "sent"})), Item::Passed("nameless"));
    match status_of(&json!({"id": "w", "status": "sent", "biz_opaque_callback_data": "conv-0001/attempt-1"})) {
        Item::Event(heard) => assert!(matches!(heard.what, What::Status(Status { send: None, .. })), "{heard:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn echoes_are_the_business_speaking() {
    let echo = |kind: &str, more: Value| {
        let mut echo =
            json!({"from": "5716", "to": "573181230000", "to_user_id": "CO.13", "id": "e", "timestamp": "1789398000", "type": kind});
        echo.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let value = json!({"metadata": {"phone_number_id": "1065"}, "message_echoes": [echo]});
        only(change("smb_message_echoes", &value))
    };
    assert_eq!(echo("text", json!({"text": {"body": "Hola"}})), did("e", What::Spoke(Some("Hola".into()))));
    assert_eq!(echo("image", json!({})), did("e", What::Spoke(None)));
    assert_eq!(echo("reaction", json!({})), Item::Passed("echo_other"));
    assert_eq!(echo("text", json!({"group_id": "g"})), Item::Passed("group"));
}

#[test]
fn wishes_about_marketing_are_opt_outs_and_opt_ins() {
    let wish = |value: &str, category: &str| {
        let wish = json!({"wa_id": "573181230000", "user_id": "CO.13", "value": value, "category": category, "timestamp": 1_789_398_000});
        only(change("user_preferences", &json!({"metadata": {"phone_number_id": "1065"}, "user_preferences": [wish]})))
    };
    for (value, what) in [("stop", What::OptOut), ("resume", What::OptIn)] {
        let Item::Event(heard) = wish(value, "marketing_messages") else { panic!("{value}") };
        assert_eq!((heard.at, &heard.what), (Some(Moment(1_789_398_000_000)), &what));
        assert_eq!(heard.party, Party::Person(ana()));
        assert_eq!(wish(value, "marketing_messages"), Item::Event(heard.clone()), "the same wish has the same identity");
        assert!(!heard.id.contains("57318"), "{}", heard.id);
    }
    assert_eq!(wish("maybe", "marketing_messages"), Item::Passed("preference_other"));
    assert_eq!(wish("stop", "calls"), Item::Passed("preference_other"));
}

#[test]
fn templates_change_by_name_and_language() {
    let update = |event: &str| {
        let value = json!({"event": event, "message_template_name": "reengage", "message_template_language": "es"});
        only(change("message_template_status_update", &value))
    };
    let news = |usable, word: &str| {
        Item::Template(TemplateNews { address: String::new(), template: "reengage/es".into(), usable, word: word.into() })
    };
    for (word, usable) in [("APPROVED", true), ("FLAGGED", true), ("PAUSED", false), ("DISABLED", false), ("REJECTED", false)] {
        assert_eq!(update(word), news(usable, word));
    }
    assert_eq!(update("LOCKED"), Item::Passed("template_other"));
    assert_eq!(only(change("message_template_status_update", &json!({"event": "PAUSED"}))), Item::Passed("template_other"));
}

#[test]
fn other_changes_are_passed_by_a_word() {
    for (field, word) in [
        ("history", "history"),
        ("smb_app_state_sync", "smb_app_state_sync"),
        ("phone_number_quality_update", "phone_number_quality_update"),
        ("group_participants_update", "group"),
        ("calls", "calls"),
        ("something new", "field_other"),
        ("", "field_other"),
    ] {
        assert_eq!(only(change(field, &json!({"messages": [{"from": "1", "id": "1", "type": "text"}]}))), Item::Passed(word), "{field}");
    }
    assert_eq!(only(change("messages", &json!({"errors": [{"code": 131_000}]}))), Item::Passed("errors"));
    assert_eq!(only(change("messages", &json!({}))), Item::Passed("nothing"));
    assert_eq!(only(change("messages", &json!({"messages": [7]}))), Item::Passed("malformed"));
}

#[test]
fn identities_stay_within_their_bound() {
    assert_eq!(identity("wamid.1", "{}"), "wamid.1");
    let long = "w".repeat(limits::EVENT_ID_BYTES + 1);
    assert!(identity(&long, "").len() <= limits::EVENT_ID_BYTES && identity(&long, "") != identity(&format!("{long}w"), ""));
    assert_eq!(identity("", "{}"), identity("", "{}"));
    assert_ne!(identity("", "{}"), identity("", "{ }"));
}

#[test]
fn a_batch_keeps_its_order_and_reads_in_time_linear_in_its_size() {
    let batch = |count: usize| {
        let pad = "x".repeat(2_500);
        let contacts: Vec<Value> = (0..count).map(|n| json!({"wa_id": format!("57{n:08}"), "user_id": format!("CO.{n}")})).collect();
        let messages: Vec<Value> = (0..count)
            .map(|n| json!({"from": format!("57{n:08}"), "id": format!("w{n}"), "type": "text", "text": {"body": format!("{n} {pad}")}}))
            .collect();
        let value = json!({"contacts": contacts, "messages": messages});
        json!({"entry": [{"changes": [{"field": "messages", "value": value}]}]}).to_string()
    };
    let body = batch(1_000);
    assert!(body.len() > 2_500_000);
    let items = read_with(&body, false).unwrap();
    assert_eq!(items.len(), 1_000);
    for (n, item) in items.iter().enumerate() {
        let Item::Event(heard) = item else { panic!("{n}") };
        assert_eq!(heard.id, format!("w{n}"));
        assert_eq!(heard.party, Party::Person(Person { phone: format!("57{n:08}"), user: format!("CO.{n}") }));
    }
    let many = format!(r#"{{"entry":[{{"changes":[{{"field":"messages","value":{{"messages":[{}0]}}}}]}}]}}"#, "0,".repeat(1_400_000));
    assert!(read_with(&many, false).is_err(), "more updates than a webhook has are refused, not kept");
}

proptest! {
    #[test]
    fn the_reader_is_total_on_any_envelope(body in arbitrary_json(4)) {
        let body = json!({"entry": [{"changes": [{"field": "messages", "value": body}]}, body]}).to_string();
        prop_assert!(read_with(&body, true).is_ok());
    }
}

/// JSON whose keys are those that the reader asks for, with values of any kind below them.
fn arbitrary_json(depth: u32) -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "metadata",
        "contacts",
        "messages",
        "statuses",
        "errors",
        "from",
        "id",
        "type",
        "text",
        "body",
        "system",
        "interactive",
        "button",
        "button_reply",
        "context",
        "timestamp",
        "wa_id",
        "user_id",
        "status",
        "changes",
        "value",
        "field",
        "code",
        "recipient_id",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec!["text", "system", "sent", "failed", "573181230000", "CO.1", "interactive", "button"])
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}
