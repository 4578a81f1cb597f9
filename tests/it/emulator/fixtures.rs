//! The emulators against the fixtures: the same values give the same bytes and the same signatures. Not how they behave: `behaviour.rs`.

use reengaged::moment::{Moment, SECOND};
use serde_json::Value;

use super::json::{compact, escaped};
use super::{Answer, Fate, Gupshup, Hook, Manners, Meta, Person, Sent, Truora, Twilio, sign};

/// 2026-09-14T15:00:00Z, from which the fixtures count.
const T0: i64 = 1_789_398_000;

/// The moment so many seconds after it.
fn at(seconds: i64) -> Moment {
    Moment((T0 + seconds) * SECOND)
}

pub(super) fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(crate::shared().join("fixtures").join(path)).unwrap_or_else(|error| panic!("reading the fixture {path}: {error}"))
}

fn text(path: &str) -> String {
    String::from_utf8(fixture(path)).expect("the fixture is text")
}

/// The headers of a fixture's request, by name in lower case.
fn headers(path: &str) -> Vec<(String, String)> {
    let signatures: Value = serde_json::from_slice(&fixture("SIGNATURES.json")).expect("SIGNATURES.json is JSON");
    let headers = signatures["requests"][path]["headers"].as_object().unwrap_or_else(|| panic!("{path} is not in SIGNATURES.json")).clone();
    headers.into_iter().map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned())).collect()
}

fn assert_headers(path: &str, hook: &Hook) {
    let expected = headers(path);
    for (name, value) in &hook.headers {
        assert!(expected.iter().any(|(known, other)| known == name && other == value), "{path}: {name}: {value}, not {expected:?}");
    }
    assert_eq!(hook.headers.len(), expected.len(), "{path}");
}

fn camila() -> Person {
    Person::number(0)
}

/// The message of the fixtures' line: OUR in the manifest.
fn ours(buttons: [&str; 2], template: bool, id: &str, correlation: &str) -> Sent {
    let labels = ["Sí, continuar", "No, gracias"];
    Sent {
        id: id.to_owned(),
        to: camila().phone,
        template: template.then(|| "reengage_es/es".to_owned()),
        buttons: buttons.into_iter().zip(labels).map(|(id, label)| (id.to_owned(), label.to_owned())).collect(),
        correlation: correlation.to_owned(),
        ..Sent::default()
    }
}

fn of_meta(template: bool, correlation: &str) -> Sent {
    let id = "wamid.HBgMNTczMTgxMjMwMDAwFQIAEhgU00000000000000ABC001AA==";
    ours(["reengage:yes:conv-0001", "reengage:no:conv-0001"], template, id, correlation)
}

/// Meta with the number of a person's next message.
fn meta(number: u64) -> Meta {
    let meta = Meta::new();
    meta.next.store(number, std::sync::atomic::Ordering::Relaxed);
    meta
}

#[test]
fn meta_makes_the_bytes_of_its_fixtures() {
    // The fixture as it would be on the wire: what Meta escapes, and no space.
    let same = |path: &str, hook: &Hook| {
        assert_eq!(String::from_utf8_lossy(&hook.body), escaped(&compact(&text(path))), "{path}");
    };
    let person = camila();
    let yes = "whatsapp_cloud/in_button_reply_yes.json";
    same("whatsapp_cloud/in_text.json", &meta(1).says(&person, "Hola, quiero continuar con mi solicitud", at(0)));
    same(yes, &meta(3).taps(&person, &of_meta(false, ""), 0, at(7_500)));
    same("whatsapp_cloud/in_button_reply_no.json", &meta(4).taps(&person, &of_meta(false, ""), 1, at(7_500)));
    same("whatsapp_cloud/in_template_button_yes.json", &meta(5).taps(&person, &of_meta(true, ""), 0, at(90_000)));
    same("whatsapp_cloud/smb_message_echo.json", &meta(0x1e).echo(&person, "Hola, le escribe un asesor humano", at(800)));
    same("whatsapp_cloud/user_preferences_stop.json", &meta(1).stops(&person, at(900)));
    same("whatsapp_cloud/template_status_paused.json", &meta(1).template_becomes("reengage_es", "es", "PAUSED", at(1_000)));
    let read = meta(1).status(&of_meta(false, ""), Fate::Read, at(7_300)).expect("Meta reports fates");
    same("whatsapp_cloud/status_read_no_delivered.json", &read);

    // In this one nothing is left to bring into form: body and signature, byte for byte.
    let path = "whatsapp_cloud/in_text_unicode_escaped.json";
    let hook = meta(2).says(&person, "Sí, mañana a las 8 😀 https://example.test/a?b=1&c=ñ", at(60));
    assert_eq!(hook.body, fixture(path));
    assert_headers(path, &hook);
}

#[test]
fn meta_signs_every_fixture_as_it_is_signed() {
    let signatures: Value = serde_json::from_slice(&fixture("SIGNATURES.json")).expect("SIGNATURES.json is JSON");
    let requests = signatures["requests"].as_object().expect("requests by file");
    let mut signed = 0;
    for (path, request) in requests.iter().filter(|(path, _)| path.starts_with("whatsapp_cloud/") && !path.contains('#')) {
        let signature = sign::meta(&Meta::new().app_secret, &fixture(path));
        assert_eq!(request["headers"]["X-Hub-Signature-256"], signature, "{path}");
        signed += 1;
    }
    assert!(signed >= 20, "only {signed} were compared");
}

#[test]
fn meta_says_the_same_of_a_failure() {
    let hook = meta(1).status(&of_meta(false, "conv-0001/attempt-1"), Fate::Failed(131_047), at(90_001)).expect("Meta reports fates");
    let (mine, mut theirs): (Value, Value) = (
        serde_json::from_slice(&hook.body).expect("JSON"),
        serde_json::from_slice(&fixture("whatsapp_cloud/status_failed_131047.json")).expect("JSON"),
    );
    // The details and the link are the documentation's; we read neither.
    let error = &mut theirs["entry"][0]["changes"][0]["value"]["statuses"][0]["errors"][0];
    let error = error.as_object_mut().expect("an error");
    assert!(error.remove("error_data").is_some() && error.remove("href").is_some());
    assert_eq!(mine, theirs);
}

#[test]
fn answers_are_those_of_the_fixtures() {
    let same = |path: &str, status: u16, answer: &Answer| {
        assert_eq!(answer.body, compact(&text(path)), "{path}");
        assert_eq!(answer.status, status, "{path}");
    };
    let meta = Meta::new();
    for (code, status) in [(130_429, 429), (131_056, 429), (131_047, 400), (132_001, 400)] {
        same(&format!("whatsapp_cloud/resp_error_{code}.json"), status, &meta.error(code));
    }
    same("whatsapp_cloud/resp_error_190.json", 401, &meta.expired());
    same("gupshup/resp_error_401.json", 401, &Gupshup::new().expired());
    same("gupshup/resp_error_429.json", 429, &Gupshup::new().throttled());
    same("twilio/resp_error_400_63016.json", 400, &Twilio::new().error(63_016));
    same("twilio/resp_error_401_20003.json", 401, &Twilio::new().expired());
    same("truora/resp_error_400.json", 400, &Truora::new().error(10_400));
}

#[test]
fn gupshup_makes_the_bytes_of_its_fixtures() {
    let same = |path: &str, hook: &Hook| {
        assert_eq!(String::from_utf8_lossy(&hook.body), compact(&text(path)), "{path}");
        assert_headers(path, hook);
        assert_eq!(hook.query, "?token=test-only-gupshup-url-token", "{path}");
    };
    let (person, millis) = (camila(), Moment(T0 * SECOND + 370));
    let sent = |template| {
        let buttons = ["reengage:yes:conv-0001", "reengage:no:conv-0001"];
        ours(buttons, template, "ee4a68a0-1203-4c85-8dc3-49d0b3226a35", "reengage:conv-0001")
    };
    let gupshup = Gupshup::new();
    same("gupshup/in_text.json", &gupshup.says(&person, "Hola, quiero continuar 😀", millis));
    same("gupshup/in_button_reply_yes.json", &gupshup.taps(&person, &sent(false), 0, millis));
    same("gupshup/in_quick_reply_template_yes.json", &gupshup.taps(&person, &sent(true), 0, millis));
    same("gupshup/user_event_opted_out.json", &gupshup.user_event(&person, "opted-out", at(0)));
    same("gupshup/user_event_sandbox_start.json", &gupshup.user_event(&person, "sandbox-start", at(0)));
    let then = Moment(1_789_405_202_083);
    same("gupshup/ev_enqueued.json", &gupshup.enqueued(&sent(false), then));
    let status = |fate, at| gupshup.status(&sent(false), fate, at).expect("Gupshup reports fates");
    same("gupshup/ev_sent.json", &status(Fate::Sent, then));
    same("gupshup/ev_read.json", &status(Fate::Read, Moment(1_789_405_300_009)));
    same("gupshup/ev_failed_sync_1005.json", &status(Fate::Failed(1_005), then));
    // The event's own id is another one there; which of the two is ours is what matters.
    let (mine, theirs) = (status(Fate::Failed(470), then), text("gupshup/ev_failed_async_470.json"));
    let theirs = compact(&theirs).replace("9163a016-710e-41ee-978b-79a1adbd734e", "gBEGkYaYVSEEAgnZxQ3JmKK6Wvg");
    assert_eq!(String::from_utf8_lossy(&mine.body), theirs);
}

#[test]
fn twilio_makes_the_bytes_and_the_signatures_of_its_fixtures() {
    let same = |path: &str, hook: &Hook| {
        assert_eq!(String::from_utf8_lossy(&hook.body), text(path), "{path}");
        assert_headers(path, hook);
    };
    let person = camila();
    let sent = ours(["reengage:yes:conv-0001", ""], false, "MM00000000000000000000000000000abc", "");
    let inbound = Twilio { public_url: "https://reengaged.example.test/hooks/twilio/inbound".to_owned(), ..Twilio::new() };
    same("twilio/in_text.form", &inbound.says(&person, "Hola, quiero continuar"));
    same("twilio/in_text_unicode.form", &inbound.says(&person, "Sí, mañana 😀 & listo = 100%"));
    same("twilio/in_button_yes.form", &inbound.taps(&person, &sent, 0));
    let outbound = Twilio { public_url: "https://reengaged.example.test/hooks/twilio/status".to_owned(), ..Twilio::new() };
    for (path, fate) in [("delivered", Fate::Delivered), ("read", Fate::Read), ("undelivered_63016", Fate::Failed(63_016))] {
        same(&format!("twilio/status_{path}.form"), &outbound.status(&sent, fate, at(0)).expect("Twilio reports fates"));
    }
}

#[test]
fn truora_makes_the_bytes_and_the_signatures_of_its_fixtures() {
    let same = |path: &str, hook: &Hook| {
        assert_eq!(String::from_utf8_lossy(&hook.body), text(path), "{path}");
        assert_headers(path, hook);
    };
    let (id, account) = ("IDP00000000000000000000000000000001", "ACC-reengaged-0001");
    let identity = [("identity_process_id", id), ("account_id", account)];
    let process = [("process_id", id), ("account_id", account)];
    let good = [identity[0], identity[1], ("validation_status", "success")];
    let truora = Truora::new();
    same("truora/hook_process_succeeded.jwt", &truora.tells(&[("succeeded", &good)]));
    same("truora/hook_process_failed_two_events.jwt", &truora.tells(&[("failed", &process), ("some_future_action", &identity)]));
    let forged = Truora { hook_secret: "another".to_owned(), ..Truora::new() }.tells(&[("succeeded", &identity)]);
    let tampered = text("truora/hook_tampered.jwt");
    assert_eq!(String::from_utf8_lossy(&forged.body).rsplit_once('.').map(|(signed, _)| signed.to_owned()), {
        tampered.rsplit_once('.').map(|(signed, _)| signed.to_owned())
    });
}
