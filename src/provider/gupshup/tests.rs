//! Gupshup's webhooks in both versions, what proves them, and its requests.

use proptest::prelude::*;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::conversation::{Choice, Form, Purpose, Refusal};
use crate::engine::heard::{Fate, Heard, Item, MediaKind, Party, Person, Status, Tap, TemplateNews, Trouble};
use crate::engine::picks;
use crate::engine::ports::{Forged, Handshake, Inbox, Message, Unreadable, Webhook};
use crate::engine::record::Header;
use crate::engine::request::What;
use crate::id::{ConversationId, SendId};
use crate::moment::Moment;
use crate::provider::remote::Api;
use crate::provider::testing::message;
use crate::shapes::button;

fn settings() -> Settings {
    Settings {
        api: Url::parse("https://gupshup.example").unwrap(),
        api_key: Key::new("CANARY-key"),
        app: "DemoApp".into(),
        phone: "5716000001".into(),
        approvals: None,
        proof: Proof { tokens: vec![Key::new("first"), Key::new("second")], ..Proof::default() },
        reactions: false,
    }
}

fn read(body: &str) -> Result<Vec<Item>, Unreadable> {
    Reader::new(&settings()).unwrap().read(&Webhook { target: "/hooks/gupshup", headers: &[], peer: None, body: body.as_bytes() })
}

fn only(body: &Value) -> Item {
    let mut items = read(&body.to_string()).unwrap();
    assert_eq!(items.len(), 1, "{items:?}");
    items.remove(0)
}

/// An event of version 2.
fn event(kind: &str, payload: Value) -> Value {
    json!({"app": "DemoApp", "timestamp": 1_789_398_000_370_i64, "version": 2, "type": kind, "payload": payload})
}

/// A message from Ana in version 2.
fn from_ana(kind: &str, inner: Value) -> Item {
    let sender = json!({"phone": "573181230000", "name": "Ana"});
    let context = json!({"id": "gBEG", "gsId": "ee4a"});
    only(&event("message", json!({"id": "wamid.1", "type": kind, "source": "x", "sender": sender, "context": context, "payload": inner})))
}

fn heard(id: &str, at: i64, what: What) -> Item {
    let party = Party::Person(Person { phone: "573181230000".into(), user: String::new() });
    Item::Event(Box::new(Heard { id: id.into(), at: Some(Moment(at)), address: "DemoApp".into(), party, what }))
}

fn said(text: &str) -> Item {
    heard("wamid.1", 1_789_398_000_370, What::UserMessage(text.into()))
}

fn tap(send: Option<SendId>, choice: Option<Choice>, label: &str) -> Item {
    tap_on(send, choice, None, label)
}

fn tap_on(send: Option<SendId>, choice: Option<Choice>, pick: Option<u8>, label: &str) -> Item {
    let tap = Tap { send, message: Some("ee4a".into()), choice, pick, label: label.into() };
    heard("wamid.1", 1_789_398_000_370, What::Tapped(tap))
}

#[test]
fn every_kind_of_message_has_its_reading() {
    assert_eq!(from_ana("text", json!({"text": "Hola"})), said("Hola"));
    let sent = |kind, reference: &str| heard("wamid.1", 1_789_398_000_370, What::Media { kind, reference: reference.into() });
    for (kind, what, reference) in [
        ("image", MediaKind::Photo, "https://x/1"),
        ("file", MediaKind::Document, "https://x/1"),
        ("audio", MediaKind::Other, ""),
        ("video", MediaKind::Other, ""),
        ("sticker", MediaKind::Other, ""),
    ] {
        assert_eq!(from_ana(kind, json!({"url": "https://x/1", "caption": "sí"})), sent(what, reference), "{kind}");
    }
    for kind in ["contact", "location", "list_reply"] {
        assert_eq!(from_ana(kind, json!({"caption": "sí", "title": "Sí", "text": "sí"})), said(""), "{kind}");
    }
    assert_eq!(from_ana("reaction", json!({"emoji": "👍"})), Item::Passed("reaction"));
    assert_eq!(from_ana("poll", json!({})), Item::Passed("message_other"));
    let blank =
        event("message", json!({"id": "wamid.1", "type": "text", "source": "573181230000", "sender": {"phone": ""}, "payload": {}}));
    assert_eq!(only(&blank), said(""), "the sender may be blank");
    assert_eq!(only(&event("message", json!({"id": "1", "type": "text"}))), Item::Passed("nameless"));
}

#[test]
fn a_session_button_is_told_by_its_place_under_our_message() {
    let send = SendId(7);
    let tapped = |id: &str, reply: &str| from_ana("button_reply", json!({"id": id, "title": "Sí, claro", "reply": reply}));
    let id = send.to_string();
    assert_eq!(tapped(&id, "Sí, claro 1"), tap_on(Some(send), Some(Choice::Yes), Some(0), "Sí, claro"));
    assert_eq!(tapped(&id, "Sí, claro 2"), tap_on(Some(send), Some(Choice::No), Some(1), "Sí, claro"));
    assert_eq!(tapped(&id, "Sí, claro 3"), tap_on(Some(send), None, Some(2), "Sí, claro"));
    for reply in ["Sí, claro", "", "1", "otro 1", "Sí, claro 0", "Sí, claro 999"] {
        assert_eq!(tapped(&id, reply), tap(Some(send), None, "Sí, claro"), "{reply}");
    }
    assert_eq!(tapped("the bot's own", "Sí, claro 1"), tap(None, None, "Sí, claro"), "another's message has places too");
}

#[test]
fn a_row_of_our_list_is_told_by_what_it_carries() {
    let send = SendId(7);
    let row = |postback: &str| from_ana("list_reply", json!({"id": "list1", "title": "Azul", "reply": "Azul 5", "postbackText": postback}));
    let carried = picks::write(4, ConversationId(42), send);
    assert_eq!(row(&carried), tap_on(Some(send), None, Some(4), "Azul"));
    assert_eq!(row("the bot's own"), said(""), "another's list");
}

#[test]
fn a_template_button_carries_what_we_sent_or_its_label() {
    let send = SendId(7);
    let id = button::write(Choice::No, ConversationId(42), send);
    for kind in ["quick_reply", "text"] {
        let ours = from_ana(kind, json!({"type": "button", "text": "No", "postbackText": id}));
        assert_eq!(ours, tap(Some(send), Some(Choice::No), "No"), "{kind}");
        assert_eq!(from_ana(kind, json!({"type": "button", "text": "No"})), tap(None, None, "No"), "{kind}");
    }
    let echoed = from_ana("button_reply", json!({"id": "x", "title": "No", "reply": "No 1", "postbackText": id}));
    assert_eq!(echoed, tap(Some(send), Some(Choice::No), "No"));
}

#[test]
fn statuses_speak_of_our_message_by_its_own_id() {
    let status = |payload: Value| {
        let mut all = json!({"destination": "573181230000"});
        all.as_object_mut().unwrap().extend(payload.as_object().cloned().unwrap_or_default());
        only(&event("message-event", all))
    };
    let told = |id: &str, at, message: &str, fate| heard(id, at, What::Status(Status { message: message.into(), send: None, fate }));
    let (ms, ts) = (1_789_398_000_370, 1_789_405_300_000);
    let read = status(json!({"id": "gBEG", "gsId": "ee4a", "type": "read", "payload": {"ts": "1789405300"}}));
    assert_eq!(read, told("ee4a/read", ts, "ee4a", Fate::Read));
    let read = status(json!({"id": "gBEG", "gsId": "ee4a", "type": "delivered", "payload": {"ts": 1_789_405_300}}));
    assert_eq!(read, told("ee4a/delivered", ts, "ee4a", Fate::Delivered));
    let on_its_way = status(json!({"id": "ee4a", "type": "enqueued", "payload": {"whatsappMessageId": "gBEG"}}));
    assert_eq!(on_its_way, told("ee4a/enqueued", ms, "ee4a", Fate::Sent));
    for (code, trouble) in [
        (json!(470), Trouble::WindowClosed),
        (json!("1012"), Trouble::OptOut),
        (json!(131_049), Trouble::Permanent),
        (json!(null), Trouble::Permanent),
    ] {
        let failed = status(json!({"id": "ee4a", "type": "failed", "payload": {"code": code, "reason": "x"}}));
        assert_eq!(failed, told("ee4a/failed", ms, "ee4a", Fate::Failed(trouble)), "{code}");
    }
    for other in ["deleted", "mismatch", "others"] {
        assert_eq!(status(json!({"id": "ee4a", "type": other})), Item::Passed("status_other"), "{other}");
    }
}

#[test]
fn both_versions_of_one_thing_have_one_identity() {
    let v3 = |value: Value| {
        let metadata = json!({"display_phone_number": "5716000001", "phone_number_id": "1065"});
        let mut all = json!({"metadata": metadata});
        all.as_object_mut().unwrap().extend(value.as_object().cloned().unwrap_or_default());
        match only(&json!({"gs_app_id": "0a6f", "entry": [{"changes": [{"field": "messages", "value": all}]}]})) {
            Item::Event(heard) => *heard,
            other => panic!("{other:?}"),
        }
    };
    let same = |two: Item, three: Heard| {
        let Item::Event(two) = two else { panic!("{two:?}") };
        assert_eq!((&two.id, &two.party, &two.what), (&three.id, &three.party, &three.what));
        assert!([&two.address, &three.address].into_iter().all(|address| Reader::new(&settings()).unwrap().is_at(address)));
    };
    let text = json!({"messages": [{"from": "573181230000", "id": "wamid.1", "type": "text", "timestamp": "1", "text": {"body": "Hola"}}]});
    same(from_ana("text", json!({"text": "Hola"})), v3(text));
    let failed = json!({"id": "ee4a", "type": "failed", "destination": "573181230000", "payload": {"code": 470}});
    let errors = json!([{"code": 470}]);
    let status = |word: &str, at: Value| {
        json!({
            "id": "wamid.2", "gs_id": "ee4a", "status": word, "timestamp": at, "recipient_id": "573181230000", "errors": errors,
        })
    };
    same(only(&event("message-event", failed)), v3(json!({"statuses": [status("failed", json!("1789398000"))]})));
    let enqueued = json!({"id": "ee4a", "type": "enqueued", "destination": "573181230000", "payload": {}});
    let three = v3(json!({"statuses": [status("enqueued", json!(1_710_941_393_420_i64))]}));
    assert_eq!(three.at, Some(Moment(1_710_941_393_420)));
    same(only(&event("message-event", enqueued)), three);
}

/// As Gupshup's own example has it: then it is the line of the address that was called.
#[test]
fn version_3_may_name_no_line() {
    let value = json!({"messaging_product": "whatsapp", "statuses": [{"gs_id": "2baf", "id": "wamid.1", "status": "enqueued"}]});
    let Item::Event(heard) = only(&json!({"entry": [{"changes": [{"field": "messages", "value": value}]}]})) else { panic!("no event") };
    assert_eq!((heard.address.as_str(), heard.at, heard.party), ("", None, Party::Unnamed));
}

#[test]
fn people_opt_out_and_templates_change() {
    let person = |kind: &str| only(&event("user-event", json!({"phone": "573181230000", "type": kind})));
    for (kind, what) in [("opted-out", What::OptOut), ("opted-in", What::OptIn)] {
        let Item::Event(read) = person(kind) else { panic!("{kind}") };
        assert_eq!(Item::Event(read.clone()), heard(&read.id, 1_789_398_000_370, what), "{kind}");
        assert!(!read.id.contains("57318"), "{}", read.id);
    }
    assert_eq!(person("sandbox-start"), Item::Passed("sandbox-start"));
    assert_eq!(only(&event("user-event", json!({"phone": "callbackSetPhone", "type": "opted-out"}))), Item::Passed("nameless"));
    let template = |status: &str| only(&event("template-event", json!({"id": "c6ae", "type": "status-update", "status": status})));
    let news =
        |usable, word: &str| Item::Template(TemplateNews { address: "DemoApp".into(), template: "c6ae".into(), usable, word: word.into() });
    assert_eq!(template("approved"), news(true, "approved"));
    assert_eq!(template("PAUSED"), news(false, "PAUSED"));
    assert_eq!(template("whatever"), Item::Passed("template_other"));
    for (kind, word) in [("billing-event", "billing-event"), ("platform-event", "platform-event"), ("new-event", "event_other")] {
        assert_eq!(only(&event(kind, json!({"type": "connectivity-check"}))), Item::Passed(word));
        assert_eq!(only(&event(kind, json!("text"))), Item::Passed(word));
    }
}

#[test]
fn what_is_no_webhook_is_unreadable_and_quotes_nothing() {
    for body in ["", " ", "{", "[]", "{}", "null", "\"CANARY\"", r#"{"type":""}"#, r#"{"type":"CANARY"#, r#"{"app":"CANARY" "type":1}"#] {
        let Err(Unreadable(why)) = read(body) else { panic!("{body}") };
        assert!(!why.contains("CANARY"), "{why}");
    }
}

#[test]
fn all_parts_of_the_proof_must_hold() {
    let token = |tokens: &[&str]| tokens.iter().map(|t| Key::new(*t)).collect::<Vec<_>>();
    let ranges = || vec!["203.0.113.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
    let in_url = Proof { tokens: token(&["first", "second"]), ..Proof::default() };
    let in_header = Proof { header: Some("X-Gupshup-Token".into()), ..in_url.clone() };
    let by_address = Proof { allow_from: ranges(), ..Proof::default() };
    let both = Proof { allow_from: ranges(), ..in_url.clone() };
    let header = |values: &[&str]| values.iter().map(|v| ("x-gupshup-token".to_owned(), v.as_bytes().to_vec())).collect::<Vec<_>>();
    for (proof, query, headers, peer, holds) in [
        (&in_url, "?token=first", header(&[]), None, true),
        (&in_url, "?a=b&token=second", header(&[]), None, true),
        (&in_url, "?token=", header(&[]), None, false),
        (&in_url, "", header(&["first"]), None, false),
        (&in_url, "?token=firs", header(&[]), None, false),
        (&in_url, "?token=first&token=first", header(&[]), None, false),
        (&in_header, "", header(&["second"]), None, true),
        (&in_header, "?token=first", header(&[]), None, false),
        (&in_header, "", header(&["first", "first"]), None, false),
        (&in_header, "", header(&["third"]), None, false),
        (&by_address, "", header(&[]), Some("203.0.113.7"), true),
        (&by_address, "", header(&[]), Some("::ffff:203.0.113.7"), true),
        (&by_address, "", header(&[]), Some("2001:db8::1"), true),
        (&by_address, "", header(&[]), Some("203.0.114.7"), false),
        (&by_address, "", header(&[]), Some("no address"), false),
        (&by_address, "", header(&[]), None, false),
        (&both, "?token=first", header(&[]), Some("203.0.113.7"), true),
        (&both, "?token=first", header(&[]), Some("203.0.114.7"), false),
        (&both, "?token=third", header(&[]), Some("203.0.113.7"), false),
    ] {
        let reader = Reader::new(&Settings { proof: proof.clone(), ..settings() }).unwrap();
        let target = format!("/hooks/gupshup{query}");
        let hook = Webhook { target: &target, headers: &headers, peer, body: b"{}" };
        let verdict = reader.verify(&hook);
        assert_eq!(verdict.is_ok(), holds, "{proof:?} {query} {headers:?} {peer:?}: {verdict:?}");
        assert!(verdict.err().is_none_or(|Forged(why)| !why.contains("first")));
        assert_eq!(reader.handshake(&hook), Handshake::Unasked);
    }
    for nothing in [
        Proof::default(),
        Proof { tokens: token(&[""]), ..Proof::default() },
        Proof { header: Some("x".into()), allow_from: ranges(), ..Proof::default() },
    ] {
        assert!(Reader::new(&Settings { proof: nothing, ..settings() }).is_err());
    }
}

fn written(message: &Message) -> Result<(String, Vec<(String, String)>), Refusal> {
    let outgoing = Writer::new(&settings()).unwrap().write(message)?;
    assert!(!format!("{outgoing:?}").contains("CANARY"));
    let (_, body) = outgoing.body.unwrap();
    Ok((outgoing.url.path().to_owned(), url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()))
}

#[test]
fn messages_are_forms_with_json_inside() {
    let (path, form) = written(&Message { purpose: Purpose::Ask, text: "¿Tu \"correo\"?".into(), ..message() }).unwrap();
    let pairs: Vec<(&str, &str)> = form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let expected = [
        ("channel", "whatsapp"),
        ("source", "5716000001"),
        ("destination", "573001234567"),
        ("src.name", "DemoApp"),
        ("message", r#"{"type": "text", "text": "¿Tu \"correo\"?"}"#),
    ];
    assert_eq!((path.as_str(), &pairs[..]), ("/wa/api/v1/msg", &expected[..]));
    let bare = Message { form: Form::Template, template: Some("c6ae".into()), buttons: None, ..message() };
    let (path, form) = written(&bare).unwrap();
    assert_eq!((path.as_str(), form.len(), form[4].1.as_str()), ("/wa/api/v1/template/msg", 5, r#"{"id": "c6ae", "params": []}"#));
}

#[test]
fn choices_are_a_quick_reply_up_to_three_and_a_list_up_to_ten() {
    let ask = |titles: &[&str]| {
        let choices = titles.iter().enumerate().map(|(place, title)| (format!("pick{place}"), (*title).to_owned())).collect();
        let (_, form) = written(&Message { purpose: Purpose::Ask, buttons: None, text: "¿Color?".into(), choices, ..message() }).unwrap();
        serde_json::from_str::<Value>(&form[4].1).unwrap()
    };
    let (send, plain) = (message().send.to_string(), |title: &str| json!({"type": "text", "title": title}));
    let buttons = json!({"type": "quick_reply", "msgid": send, "content": {"type": "text", "text": "¿Color?"}, "options": [plain("Sí"), plain("No")]});
    assert_eq!(ask(&["Sí", "No"]), buttons);
    let row = |title: &str| json!({"type": "text", "title": title, "description": "", "postbackText": format!("pick{title}")});
    let rows = ["0", "1", "2", "3"].map(row);
    let items = json!([{"title": "", "subtitle": "", "options": rows}]);
    let list = json!({
        "type": "list", "title": "Opciones", "body": "¿Color?", "msgid": send, "globalButtons": [plain("Opciones")], "items": items,
    });
    assert_eq!(ask(&["0", "1", "2", "3"]), list);
}

#[test]
fn a_template_has_its_picture_beside_it() {
    let media = Some((Header::Image, "https://example.com/a.png".into()));
    let (_, form) = written(&Message { form: Form::Template, template: Some("c6ae".into()), media, ..message() }).unwrap();
    assert_eq!(
        (form[5].0.as_str(), form[5].1.as_str()),
        ("message", r#"{"image": {"link": "https://example.com/a.png"}, "type": "image"}"#)
    );
}

#[test]
fn whoever_has_no_number_is_not_written_to() {
    for nobody in ["", "CO.13491208655302741918", "Ana"] {
        assert_eq!(written(&Message { to: nobody.into(), ..message() }), Err(Refusal::Recipient), "{nobody:?}");
    }
    assert!(Writer::new(&Settings { phone: "x".into(), ..settings() }).is_err());
    assert!(Writer::new(&Settings { app: String::new(), ..settings() }).is_err());
    assert!(Writer::new(&settings()).unwrap().probe().is_none());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Reader::new(&settings()).unwrap().read(&Webhook { target: "/", headers: &[], peer: None, body: &body });
    }
}
