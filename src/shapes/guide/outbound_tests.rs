//! Every field of the form of an outbound, right and wrong.
//!
//! Not the routes: those are asked over sockets.

use super::*;
use crate::shapes::guide::fields::joined;
use crate::shapes::guide::{LABEL_CHARS, URL_BYTES, VALUE_CHARS};

fn book() -> Book {
    let mut book = Book { flows: vec![Arc::from("onboarding")], ..Book::default() };
    book.numbers.insert(Arc::from("57317770000"), Arc::from("support"));
    book
}

const NOW: Moment = Moment(1_772_400_000_000);

/// The form of the guide's own example, with these fields in place of its own or besides; one without a value is left out.
fn form(other: &[(&str, Option<&str>)]) -> Form {
    let own = [
        ("waba_phone_number", "57317770000"),
        ("is_notification", "false"),
        ("content", "Hello {{.name}} {{.lastname}}, ¿Are you ready to start the process?"),
        ("category", "UTILITY"),
        ("template_type", "TEXT"),
        ("language_code", "en"),
        ("outbound_name", "Welcome"),
        ("continue_process_message", "Continue"),
        ("cancel_process_message", "Cancel"),
        ("var.name", "Jhon"),
        ("var.lastname", "Doe"),
    ];
    let kept = own.iter().filter(|(name, _)| !other.iter().any(|(changed, _)| changed == name)).map(|(name, value)| (*name, *value));
    let changed = other.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
    Form::of(kept.chain(changed).map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap()
}

fn create(other: &[(&str, Option<&str>)]) -> Result<Outbound, BadField> {
    Outbound::create(form(other), &book(), NOW)
}

#[test]
fn the_guides_example_is_an_outbound() {
    let outbound = create(&[]).unwrap();
    let names: Vec<&str> = outbound.variables.iter().map(|(name, _)| &**name).collect();
    assert_eq!((names, outbound.status, outbound.can_be_sent()), (vec!["name", "lastname"], Status::Pending, false));
    assert_eq!(Outbound::from_bytes(&outbound.to_bytes()), Some(outbound.clone()));
    let draft = outbound.draft("OTB0A");
    assert_eq!((&*draft.name, &*draft.numbered()), ("reengaged_otb0a", "Hello {{1}} {{2}}, ¿Are you ready to start the process?"));
    let (book, id) = (book(), "OTB0A");
    let shape = serde_json::to_value(OutboundShape { id, outbound: &outbound, book: &book }).unwrap();
    assert_eq!((&shape["outbound_id"], &shape["status"], &shape["var.lastname"]), (&"OTB0A".into(), &"PENDING".into(), &"Doe".into()));
}

#[test]
fn every_optional_part_is_taken_up() {
    let outbound = create(&[
        ("template_type", Some("IMAGE")),
        ("media_url", Some("https://my-page.com/a.png")),
        ("language_code", Some("pt_BR")),
        ("call_to_action.phone.message", Some("Call us")),
        ("call_to_action.phone.number", Some("+57 318 123 0000")),
        ("call_to_action.url.message", Some("Follow us")),
        ("call_to_action.url.url", Some("https://my-page.com")),
    ])
    .unwrap();
    assert_eq!((outbound.language_code.as_str(), outbound.header()), ("pt-BR", Header::Image));
    let target = |button: &Option<CallToAction>| button.as_ref().map(|button| button.target.clone());
    assert_eq!(
        (target(&outbound.call).as_deref(), target(&outbound.link).as_deref()),
        (Some("+573181230000"), Some("https://my-page.com"))
    );
    let notification = [("is_notification", Some("true")), ("continue_process_message", None), ("cancel_process_message", None)];
    assert!(create(&notification).unwrap().draft("OTB").buttons.is_none());
}

#[test]
fn every_field_that_is_missing_or_wrong_is_named() {
    let (label, name, content) = ("x".repeat(LABEL_CHARS + 1), "x".repeat(NAME_CHARS + 1), "x".repeat(CONTENT_CHARS + 1));
    let long = format!("https://my-page.com/{}", "x".repeat(URL_BYTES));
    let value = "x".repeat(VALUE_CHARS + 1);
    let needed = [
        ("waba_phone_number", &["", "57", "57317770001", "none"][..]),
        ("is_notification", &["", "yes", "TRUE", "1"]),
        ("content", &["", " ", "Hello {{name}}", "Hello {{.name", &content]),
        ("category", &["", "OTHER", "utility"]),
        ("template_type", &["", "AUDIO"]),
        ("language_code", &["", "english", "e", "ES", "es-", "pt-BRAZIL"]),
        ("outbound_name", &["", &name]),
        ("continue_process_message", &["", &label, "two\nlines", "\u{200b}"]),
        ("cancel_process_message", &["", &label, "Continue", "CONTINUE "]),
        ("var.name", &["", &value, "two\nlines"]),
        ("var.lastname", &["", "tab\t"]),
    ];
    for (field, wrong) in needed {
        assert_eq!(create(&[(field, None)]).unwrap_err().field, field, "missing");
        for value in wrong {
            let bad = create(&[(field, Some(value))]).unwrap_err();
            // A text without its variable, or with a broken one, may be told where the variable is.
            assert_eq!(bad.field, field, "{value:?}: {}", bad.why);
        }
    }
    for (fields, field) in [
        (&[("media_url", Some("https://my-page.com/a"))][..], "media_url"),
        (&[("template_type", Some("VIDEO"))], "media_url"),
        (&[("template_type", Some("VIDEO")), ("media_url", Some("my-page.com/a"))], "media_url"),
        (&[("template_type", Some("VIDEO")), ("media_url", Some("file:///etc/passwd"))], "media_url"),
        (&[("template_type", Some("VIDEO")), ("media_url", Some(&long))], "media_url"),
        (&[("is_notification", Some("true"))], "continue_process_message"),
        (&[("var.city", Some("Cali"))], "var.city"),
        (&[("colour", Some("red"))], "colour"),
        (&[("call_to_action.phone.message", Some("Call us"))], "call_to_action.phone.number"),
        (&[("call_to_action.phone.number", Some("+573181230000"))], "call_to_action.phone.message"),
        (&[("call_to_action.phone.message", Some("Call")), ("call_to_action.phone.number", Some("ask"))], "call_to_action.phone.number"),
        (
            &[("call_to_action.phone.message", Some("Cancel")), ("call_to_action.phone.number", Some("573181230000"))],
            "call_to_action.phone.message",
        ),
        (&[("call_to_action.url.message", Some("Follow us"))], "call_to_action.url.url"),
        (&[("call_to_action.url.url", Some("https://my-page.com"))], "call_to_action.url.message"),
        (&[("call_to_action.url.message", Some("Follow")), ("call_to_action.url.url", Some("https://a:b@c.d"))], "call_to_action.url.url"),
        (&[("call_to_action.url.message", Some("Follow")), ("call_to_action.url.url", Some("http://"))], "call_to_action.url.url"),
    ] {
        let bad = create(fields).unwrap_err();
        assert_eq!((bad.field.as_str(), bad.why.is_empty()), (field, false), "{fields:?}");
    }
}

#[test]
fn numbers_of_people_are_joined_and_never_repeated() {
    assert_eq!(joined("+57", "318 123-0000").as_deref(), Ok("573181230000"));
    assert_eq!(joined("1", "5551234567").as_deref(), Ok("15551234567"));
    for (code, phone, field) in [
        ("", "3181230000", "country_code"),
        ("0057", "3181230000", "country_code"),
        ("CO", "3181230000", "country_code"),
        ("57", "+573181230000", "phone_number"),
        ("57", "9", "phone_number"),
        ("57", "31812300003181230000", "phone_number"),
        ("57", "call me", "phone_number"),
    ] {
        let bad = joined(code, phone).unwrap_err();
        assert_eq!(bad.field, field, "{code:?} {phone:?}");
        assert!(field == "country_code" || !bad.why.contains(phone), "{}", bad.why);
    }
}

#[test]
fn media_is_nowhere_in_a_network_of_ours() {
    for url in crate::shapes::address::tests::table(false) {
        let bad = create(&[("template_type", Some("IMAGE")), ("media_url", Some(url))]).expect_err(url);
        assert_eq!(bad.field, "media_url", "{url}: {}", bad.why);
    }
    let found = create(&[("template_type", Some("IMAGE")), ("media_url", Some("https://cdn.my-page.com/a.png"))]).expect("an outbound");
    assert_eq!(found.media_url.as_deref(), Some("https://cdn.my-page.com/a.png"));
}
