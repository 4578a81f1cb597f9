//! Requests of the Cloud API as they are written, and webhooks as they are proved. Not the readings: `meta/tests.rs` has those.

use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::conversation::{Choice, Form, Purpose, Refusal};
use crate::engine::ports::{Handshake, Inbox, Message, Webhook};
use crate::engine::record::Header;
use crate::provider::remote::Api;
use crate::provider::testing::message;
use crate::shapes::button;

fn settings() -> Settings {
    Settings {
        api: Url::parse("https://graph.example/v25.0/").unwrap(),
        phone_number_id: "1065".into(),
        waba_id: None,
        token: Key::new("CANARY-token"),
        app_secrets: vec![Key::new("old"), Key::new("secret")],
        verify_tokens: vec![Key::new("word"), Key::new("other word")],
        template_language: "es".into(),
        reactions: false,
        user_id_field: None,
    }
}

fn written(settings: &Settings, message: &Message) -> Result<Value, Refusal> {
    let outgoing = Writer::new(settings).unwrap().write(message)?;
    Ok(serde_json::from_str(&outgoing.body.unwrap().1).unwrap())
}

#[test]
fn a_follow_up_is_a_text_above_two_buttons() {
    let m = message();
    let outgoing = Writer::new(&settings()).unwrap().write(&m).unwrap();
    assert_eq!(outgoing.url.as_str(), "https://graph.example/v25.0/1065/messages");
    assert_eq!(outgoing.headers, [("authorization", Key::new("Bearer CANARY-token"))]);
    assert!(!format!("{outgoing:?}").contains("CANARY"));
    let id = |choice| button::write(choice, m.conversation, m.send);
    let expected = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+573001234567",
        "biz_opaque_callback_data": m.send.to_string(), "type": "interactive",
        "interactive": {"type": "button", "body": {"text": "¿Seguimos, Ana?"}, "action": {"buttons": [
            {"type": "reply", "reply": {"id": id(Choice::Yes), "title": "Sí"}},
            {"type": "reply", "reply": {"id": id(Choice::No), "title": "No"}},
        ]}},
    });
    assert_eq!(written(&settings(), &m), Ok(expected));
}

#[test]
fn a_question_asked_again_goes_alone_and_whole() {
    let m = Message { purpose: Purpose::Ask, text: "¿".repeat(4_096), ..message() };
    let request = written(&settings(), &m).unwrap();
    assert_eq!((&request["type"], &request["text"]), (&json!("text"), &json!({"body": m.text})));
    let follow_up = Message { buttons: None, ..message() };
    assert_eq!(written(&settings(), &follow_up).unwrap()["type"], "text");
}

#[test]
fn a_template_carries_its_language_parameters_and_payloads() {
    let vars = vec![("name".into(), "Ana\n María".into()), ("city".into(), "Cali".into())];
    let m = Message { form: Form::Template, template: Some("reengage".into()), template_vars: vars, ..message() };
    let template = &written(&settings(), &m).unwrap()["template"];
    let parameters = json!([{"type": "text", "text": "Ana María"}, {"type": "text", "text": "Cali"}]);
    assert_eq!(template["language"], json!({"code": "es"}));
    assert_eq!(template["components"][0], json!({"type": "body", "parameters": parameters}));
    let no = button::write(Choice::No, m.conversation, m.send);
    let payload = json!({"type": "button", "sub_type": "quick_reply", "index": "1", "parameters": [{"type": "payload", "payload": no}]});
    assert_eq!(template["components"][2], payload);

    let bare = Message { template: Some("reengage/pt_BR".into()), template_vars: Vec::new(), buttons: None, ..m.clone() };
    let template = &written(&settings(), &bare).unwrap()["template"];
    assert_eq!(*template, json!({"name": "reengage", "language": {"code": "pt_BR"}}), "no component where there is nothing to fill");

    let empty = Message { template_vars: vec![("name".into(), " ".into())], ..m.clone() };
    assert_eq!(written(&settings(), &empty), Err(Refusal::Template));
    assert_eq!(written(&settings(), &Message { template: None, ..m }), Err(Refusal::Template));
}

#[test]
fn whoever_has_no_number_is_written_to_where_the_field_is_known() {
    let by_user = Message { to: "CO.13491208655302741918".into(), ..message() };
    assert_eq!(written(&settings(), &by_user), Err(Refusal::Recipient));
    let known = Settings { user_id_field: Some("recipient".into()), ..settings() };
    let request = written(&known, &by_user).unwrap();
    assert_eq!((&request["recipient"], &request["to"]), (&json!("CO.13491208655302741918"), &Value::Null));
    assert_eq!(written(&known, &message()).unwrap()["to"], "+573001234567");
    for nobody in ["", "+", "Ana", "CO.", "57-x", "123456789012345678"] {
        assert_eq!(written(&known, &Message { to: nobody.into(), ..message() }), Err(Refusal::Recipient), "{nobody:?}");
    }
}

#[test]
fn what_the_platform_would_not_take_is_not_written() {
    let labelled = |yes: &str, no: &str| Message { buttons: Some((yes.into(), no.into())), ..message() };
    assert_eq!(written(&settings(), &Message { text: " \n".into(), ..message() }), Err(Refusal::Template));
    assert_eq!(written(&settings(), &labelled("Sí", " Sí")), Err(Refusal::Line));
    assert_eq!(written(&settings(), &labelled("", "No")), Err(Refusal::Line));
    let request = written(&settings(), &labelled("Sí, quiero continuar ahora mismo", "No")).unwrap();
    assert_eq!(request["interactive"]["action"]["buttons"][0]["reply"]["title"], "Sí, quiero continua…");
}

#[test]
fn the_probe_asks_for_the_number_alone() {
    let probe = Writer::new(&settings()).unwrap().probe().unwrap();
    assert_eq!((probe.url.as_str(), probe.body), ("https://graph.example/v25.0/1065?fields=id", None));
}

#[test]
fn a_line_without_what_it_needs_is_not_made() {
    assert!(Writer::new(&Settings { phone_number_id: "../me".into(), ..settings() }).is_err());
    assert!(Writer::new(&Settings { api: Url::parse("data:x").unwrap(), ..settings() }).is_err());
    assert!(Reader::new(&Settings { app_secrets: Vec::new(), ..settings() }).is_err());
    assert!(Reader::new(&Settings { app_secrets: vec![Key::new("")], ..settings() }).is_err());
    assert!(Reader::new(&Settings { verify_tokens: vec![Key::new("")], ..settings() }).is_err());
}

#[test]
fn the_handshake_takes_any_of_the_words_and_nothing_doubled() {
    let reader = Reader::new(&settings()).unwrap();
    let ask = |query: &str| {
        let target = format!("/hooks/whatsapp?{query}");
        reader.handshake(&Webhook { target: &target, headers: &[], peer: None, body: b"" })
    };
    for word in ["word", "other%20word", "other+word"] {
        let query = format!("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={word}");
        assert_eq!(ask(&query), Handshake::Challenge("1158201444".into()), "{word}");
    }
    for query in [
        "",
        "hub.mode=subscribe&hub.challenge=1",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=wor",
        "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=word",
        "hub.mode=subscribe&hub.verify_token=word",
        "hub.mode=subscribe&hub.challenge=&hub.verify_token=word",
        "hub.mode=subscribe&hub.challenge=<script>&hub.verify_token=word",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=word&hub.verify_token=word",
        "hub.mode=subscribe&hub.challenge=1&hub.challenge=2&hub.verify_token=word",
    ] {
        assert_eq!(ask(query), Handshake::Refused, "{query}");
    }
}

#[test]
fn the_signature_is_one_header_of_64_digits_by_any_of_the_secrets() {
    let reader = Reader::new(&settings()).unwrap();
    let name = "x-hub-signature-256";
    let check = |headers: &[(&str, String)]| {
        let headers: Vec<(String, Vec<u8>)> = headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone().into_bytes())).collect();
        reader.verify(&Webhook { target: "/hooks/whatsapp", headers: &headers, peer: None, body: b"test" }).is_ok()
    };
    // The published vector: secret `secret`, body `test`.
    let good = "sha256=0329a06b62cd16b33eb6792be8c60b158d89a2ee3a876fce9a881ebb488c0914";
    assert!(check(&[(name, good.into())]));
    assert!(!check(&[]));
    assert!(!check(&[(name, good.into()), (name, good.into())]));
    assert!(!check(&[("x-hub-signature", good.into())]));
    for bad in
        [good.to_uppercase(), good.replace("sha256=", ""), format!("{good}0"), format!("{good} "), good[..70].into(), "sha256=".into()]
    {
        assert!(!check(&[(name, bad.clone())]), "{bad}");
    }
}

#[test]
fn choices_are_buttons_up_to_three_and_a_list_up_to_ten() {
    let ask = |titles: &[&str]| {
        let choices = titles.iter().enumerate().map(|(place, title)| (format!("pick{place}"), (*title).to_owned())).collect();
        Message { purpose: Purpose::Ask, buttons: None, text: "¿Color?".into(), choices, ..message() }
    };
    let buttons = written(&settings(), &ask(&["Rojo", "Un verde que es muy largo"])).unwrap();
    let expected = json!({"type": "button", "body": {"text": "¿Color?"}, "action": {"buttons": [
        {"type": "reply", "reply": {"id": "pick0", "title": "Rojo"}},
        {"type": "reply", "reply": {"id": "pick1", "title": "Un verde que es muy…"}},
    ]}});
    assert_eq!((&buttons["type"], &buttons["interactive"]), (&json!("interactive"), &expected));
    let list = written(&settings(), &ask(&["Rojo", "Verde", "Azul", "Un amarillo que es muy largo"])).unwrap();
    let rows: Vec<Value> = [("pick0", "Rojo"), ("pick1", "Verde"), ("pick2", "Azul"), ("pick3", "Un amarillo que es muy…")]
        .map(|(id, title)| json!({"id": id, "title": title}))
        .into();
    let expected = json!({"type": "list", "body": {"text": "¿Color?"}, "action": {"button": "Opciones", "sections": [{"rows": rows}]}});
    assert_eq!(list["interactive"], expected);
    let eleven: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    for wrong in [&["a", " a "][..], &["a", " "], &eleven.iter().map(String::as_str).collect::<Vec<_>>()] {
        assert_eq!(written(&settings(), &ask(wrong)), Err(Refusal::Line), "{wrong:?}");
    }
}

#[test]
fn a_template_has_its_picture_above_and_its_buttons_below() {
    let m = Message {
        purpose: Purpose::Invite,
        form: Form::Template,
        template: Some("start/es".into()),
        media: Some((Header::Image, "https://example.com/a.png".into())),
        ..message()
    };
    let components = written(&settings(), &m).unwrap()["template"]["components"].clone();
    assert_eq!(components[0], json!({"type": "header", "parameters": [{"type": "image", "image": {"link": "https://example.com/a.png"}}]}));
    let payload = |place: usize| components[place]["parameters"][0]["payload"].as_str().and_then(button::read).map(|(choice, ..)| choice);
    assert_eq!((payload(1), payload(2)), (Some(Choice::Yes), Some(Choice::No)));
    for (header, word) in [(Header::Video, "video"), (Header::Document, "document")] {
        let m = Message { media: Some((header, "https://example.com/x".into())), ..m.clone() };
        let header = &written(&settings(), &m).unwrap()["template"]["components"][0]["parameters"][0];
        assert_eq!(header, &json!({"type": word, word: {"link": "https://example.com/x"}}));
    }
}
