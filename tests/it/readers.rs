//! Every fixture of the Cloud API's and Gupshup's webhooks, proved and read as the manifest says.
//!
//! Not the endpoint: here a delivery goes straight to the reader.

use std::time::Duration;

use reengaged::conversation::Choice;
use reengaged::engine::heard::{Fate, Heard, Item, MediaKind, Party, Person, Status, Tap, TemplateNews, Trouble};
use reengaged::engine::ports::{Handshake, Inbox};
use reengaged::engine::request::What;
use reengaged::id::{ConversationId, SendId};
use reengaged::moment::{HOUR, Moment, SECOND};
use reengaged::provider::remote::Key;
use reengaged::provider::{self, gupshup, whatsapp};
use reengaged::shapes::button;
use url::Url;

use crate::fixtures::{body, delivery, files, secret};

/// 2026-09-14T15:00:00Z, the manifest's T0.
const T0: i64 = 1_789_398_000_000;
/// The re-engagement message of the manifest: Meta's id of it, and Gupshup's.
const OUR: &str = "wamid.HBgMNTczMTgxMjMwMDAwFQIAEhgU00000000000000ABC001AA==";
const OUR_GS: &str = "ee4a68a0-1203-4c85-8dc3-49d0b3226a35";
const LINE: &str = "106540352242922";

pub(crate) fn whatsapp() -> whatsapp::Settings {
    whatsapp::Settings {
        api: Url::parse("https://graph.facebook.com/v25.0").unwrap(),
        phone_number_id: LINE.into(),
        waba_id: None,
        token: Key::new("token"),
        app_secrets: vec![Key::new(secret("META_SECRET"))],
        verify_tokens: vec![Key::new(secret("VERIFY_TOKEN"))],
        template_language: "es".into(),
        reactions: false,
        user_id_field: None,
    }
}

pub(crate) fn gupshup() -> gupshup::Settings {
    gupshup::Settings {
        api: Url::parse("https://api.gupshup.io").unwrap(),
        api_key: Key::new("key"),
        app: "DemoApp".into(),
        phone: "5716000001".into(),
        approvals: None,
        proof: gupshup::Proof { tokens: vec![Key::new(secret("GS_TOKEN"))], ..gupshup::Proof::default() },
        reactions: false,
    }
}

fn person(phone: &str, user: &str) -> Party {
    Party::Person(Person { phone: phone.into(), user: user.into() })
}

/// The manifest's user A, as the Cloud API knows her.
fn a() -> Party {
    person("573181230000", "CO.13491208655302741918")
}

fn heard(id: &str, at: i64, party: Party, what: What) -> Item {
    Item::Event(Box::new(Heard { id: id.into(), at: Some(Moment(at)), address: LINE.into(), party, what }))
}

/// What A did: message `n` of the fixtures, so many seconds after T0.
fn did(n: &str, seconds: i64, what: What) -> Item {
    heard(&wamid(n), T0 + seconds * SECOND, a(), what)
}

fn wamid(n: &str) -> String {
    format!("wamid.HBgMNTczMTgxMjMwMDAwFQIAEhgU000000000000000000{n}AA==")
}

fn sent(kind: MediaKind, reference: &str) -> What {
    What::Media { kind, reference: reference.into() }
}

fn wrote(text: &str) -> What {
    What::UserMessage(text.into())
}

/// A button that nobody issued, under `message`.
fn old_button(message: Option<&str>, label: &str) -> What {
    What::Tapped(Tap { send: None, message: message.map(str::to_owned), choice: None, pick: None, label: label.into() })
}

/// A status of OUR, whose correlation field is none of ours.
fn became(word: &str, seconds: i64, party: Party, fate: Fate) -> Item {
    let status = Status { message: OUR.into(), send: None, fate };
    heard(&format!("{OUR}/{word}"), T0 + seconds * SECOND, party, What::Status(status))
}

/// The manifest's reading of a webhook of the Cloud API; `None` where the file is none.
fn manifest_whatsapp(file: &str) -> Option<Vec<Item>> {
    let number = || person("573181230000", "");
    let one = match file {
        "in_text.json" => did("01", 0, wrote("Hola, quiero continuar con mi solicitud")),
        "in_text_unicode_escaped.json" => did("02", 60, wrote("Sí, mañana a las 8 😀 https://example.test/a?b=1&c=ñ")),
        "in_button_reply_yes.json" => did("03", 7_500, old_button(Some(OUR), "Sí, continuar")),
        "in_button_reply_no.json" => did("04", 7_500, old_button(Some(OUR), "No, gracias")),
        "in_template_button_yes.json" => did("05", 90_000, old_button(Some(OUR), "Sí, continuar")),
        "in_template_button_no_context.json" => did("06", 90_000, old_button(None, "Sí, continuar")),
        "in_list_reply.json" => did("07", 120, wrote("")),
        "in_flow_nfm_reply.json" => did("08", 180, wrote("")),
        "in_text_typed_yes_quoted.json" => did("09", 7_600, wrote("sí")),
        "in_image.json" => did("0A", 240, sent(MediaKind::Photo, "65463453")),
        "in_reaction.json" | "in_reaction_removed.json" => Item::Passed("reaction"),
        "in_unsupported.json" => did("0D", 300, wrote("")),
        "in_group_text.json" => Item::Passed("group"),
        "in_out_of_order_late.json" => did("19", -HOUR / SECOND, wrote("mensaje anterior que llega tarde")),
        "status_sent_opaque.json" => became("sent", 7_202, a(), Fate::Sent),
        "status_read_no_delivered.json" => became("read", 7_300, number(), Fate::Read),
        "status_failed_131047.json" => became("failed", 90_001, number(), Fate::Failed(Trouble::WindowClosed)),
        "status_failed_131026.json" => became("failed", 7_205, number(), Fate::Failed(Trouble::Permanent)),
        "status_failed_131049.json" => became("failed", 90_002, number(), Fate::Failed(Trouble::Permanent)),
        "smb_message_echo.json" => did("1E", 800, What::Spoke(Some("Hola, le escribe un asesor humano".into()))),
        "template_status_paused.json" => {
            Item::Template(TemplateNews { address: String::new(), template: "reengage_es/es".into(), usable: false, word: "PAUSED".into() })
        }
        "batch_mixed.json" => return Some(batch()),
        _ => return None,
    };
    Some(vec![one])
}

/// Two accounts, four changes: three activities on our line, a status, one activity on another line, one foreign change.
fn batch() -> Vec<Item> {
    let delivered = "wamid.HBgMNTczMTgxMjMwMDAwFQIAEhgU00000000000000ABC002AA==";
    let status = Status { message: delivered.into(), send: None, fate: Fate::Delivered };
    let b = person("573181230001", "CO.13491208655302741919");
    let other_line = match did("17", 604, wrote("a la otra línea")) {
        Item::Event(heard) => Item::Event(Box::new(Heard { address: "106540352242999".into(), ..*heard })),
        other => other,
    };
    vec![
        did("14", 600, wrote("uno")),
        did("15", 601, wrote("dos")),
        heard(&wamid("16"), T0 + 602 * SECOND, b, wrote("otro usuario")),
        heard(&format!("{delivered}/delivered"), T0 + 603 * SECOND, person("573181230000", ""), What::Status(status)),
        other_line,
        Item::Passed("phone_number_quality_update"),
    ]
}

#[test]
fn every_webhook_of_the_cloud_api_reads_as_the_manifest_says() {
    let reader = whatsapp::Reader::new(&whatsapp()).unwrap();
    let mut read = 0;
    for file in files("whatsapp_cloud").iter().filter(|file| !file.starts_with("req_") && !file.starts_with("resp_")) {
        let delivery = delivery(&format!("whatsapp_cloud/{file}"));
        assert_eq!(reader.verify(&delivery.hook()), Ok(()), "{file}");
        let items = reader.read(&delivery.hook());
        match file.as_str() {
            "empty_body.raw" => assert!(items.is_err()),
            "user_preferences_stop.json" => {
                let items = items.unwrap();
                let [Item::Event(heard)] = &items[..] else { panic!("{items:?}") };
                assert_eq!((heard.at, &heard.party, &heard.what), (Some(Moment(T0 + 900 * SECOND)), &a(), &What::OptOut));
                assert!(heard.id.starts_with("sha256/") && heard.address == LINE);
            }
            file => assert_eq!(items.ok(), Some(manifest_whatsapp(file).unwrap_or_else(|| panic!("{file} has no reading here"))), "{file}"),
        }
        read += 1;
    }
    assert_eq!(read, 25);
    assert!(reader.is_at(LINE) && !reader.is_at("106540352242999") && !reader.is_at(""));
}

#[test]
fn other_deliveries_are_refused_or_repeated_as_the_manifest_says() {
    let reader = whatsapp::Reader::new(&whatsapp()).unwrap();
    for key in ["in_button_reply_yes.json#wrong-signature", "in_button_reply_yes.json#missing-signature"] {
        assert!(reader.verify(&delivery(&format!("whatsapp_cloud/{key}")).hook()).is_err(), "{key}");
    }
    let (first, again) = (delivery("whatsapp_cloud/in_text.json"), delivery("whatsapp_cloud/in_text.json#duplicate-delivery"));
    assert_eq!(reader.verify(&again.hook()), Ok(()));
    assert_eq!(reader.read(&again.hook()), reader.read(&first.hook()), "the same identity, so that it is known again");
    let handshake = |key: &str| reader.handshake(&delivery(key).hook());
    assert_eq!(handshake("whatsapp_cloud/#verify-get-ok"), Handshake::Challenge("1158201444".into()));
    assert_eq!(handshake("whatsapp_cloud/#verify-get-bad-token"), Handshake::Refused);
}

/// The manifest's placeholders filled with the id of a send: then the tap is ours.
#[test]
fn our_own_buttons_are_answers() {
    let (send, conversation) = (SendId(7), ConversationId(1));
    let reader = whatsapp::Reader::new(&whatsapp()).unwrap();
    for (file, choice, word) in [
        ("in_button_reply_yes.json", Choice::Yes, "yes"),
        ("in_button_reply_no.json", Choice::No, "no"),
        ("in_template_button_yes.json", Choice::Yes, "yes"),
    ] {
        let text = String::from_utf8(body(&format!("whatsapp_cloud/{file}"))).unwrap();
        let filled = text.replace(&format!("reengage:{word}:conv-0001"), &button::write(choice, conversation, send));
        assert_ne!(filled, text);
        let items = reader.read(&crate::fixtures::Delivery::new("/hooks/whatsapp", &[], filled).hook()).unwrap();
        let [Item::Event(heard)] = &items[..] else { panic!("{items:?}") };
        let What::Tapped(tap) = &heard.what else { panic!("{heard:?}") };
        assert_eq!((tap.send, tap.choice, tap.message.as_deref()), (Some(send), Some(choice), Some(OUR)), "{file}");
    }
    let reader = gupshup::Reader::new(&gupshup()).unwrap();
    for (file, placeholder, id) in [
        ("in_button_reply_yes.json", "reengage:conv-0001", send.to_string()),
        ("in_quick_reply_template_yes.json", "reengage:yes:conv-0001", button::write(Choice::Yes, conversation, send)),
    ] {
        let text = String::from_utf8(body(&format!("gupshup/{file}"))).unwrap();
        let items = reader.read(&crate::fixtures::Delivery::new("/hooks/gupshup", &[], text.replace(placeholder, &id)).hook()).unwrap();
        let [Item::Event(heard)] = &items[..] else { panic!("{items:?}") };
        let What::Tapped(tap) = &heard.what else { panic!("{heard:?}") };
        assert_eq!((tap.send, tap.choice), (Some(send), Some(Choice::Yes)), "{file}");
    }
}

/// The same status with our own correlation field settles which send it was.
#[test]
fn our_correlation_field_names_the_send() {
    let reader = whatsapp::Reader::new(&whatsapp()).unwrap();
    let text = String::from_utf8(body("whatsapp_cloud/status_sent_opaque.json")).unwrap();
    let filled = text.replace("conv-0001/attempt-1", &SendId(7).to_string());
    let items = reader.read(&crate::fixtures::Delivery::new("/hooks/whatsapp", &[], filled).hook()).unwrap();
    let status = Status { message: OUR.into(), send: Some(SendId(7)), fate: Fate::Sent };
    assert_eq!(items, [heard(&format!("{OUR}/sent"), T0 + 7_202 * SECOND, a(), What::Status(status))]);
}

#[test]
fn a_line_is_built_with_both_its_halves() {
    let budget = Duration::from_secs(10);
    for (settings, capabilities, address) in [
        (provider::Settings::WhatsApp(whatsapp(), budget), whatsapp::CAPABILITIES, LINE),
        (provider::Settings::Gupshup(gupshup(), budget), gupshup::CAPABILITIES, "DemoApp"),
    ] {
        let built = provider::build(settings).unwrap();
        assert_eq!(built.provider.capabilities(), capabilities);
        assert!(built.inbox.unwrap().is_at(address));
    }
    let unproved = gupshup::Settings { proof: gupshup::Proof::default(), ..gupshup() };
    assert!(provider::build(provider::Settings::Gupshup(unproved, budget)).is_err_and(|why| why.contains("nothing proves")));
}

/// The manifest's reading of a webhook of Gupshup; `None` where the file is none.
fn manifest_gupshup(file: &str) -> Option<Item> {
    let at = |id: &str, at: i64, what: What| match heard(id, at, person("573181230000", ""), what) {
        Item::Event(heard) => Item::Event(Box::new(Heard { address: "DemoApp".into(), ..*heard })),
        other => other,
    };
    let did = |n: &str, what: What| at(&format!("ABEGkYaYVSEEAhAL3SLAWwHKeKrt6s3FKB0{n}"), T0 + 370, what);
    let became = |word: &str, when: i64, fate: Fate| {
        at(&format!("{OUR_GS}/{word}"), when, What::Status(Status { message: OUR_GS.into(), send: None, fate }))
    };
    let closed = Fate::Failed(Trouble::WindowClosed);
    Some(match file {
        "in_text.json" => did("c", wrote("Hola, quiero continuar 😀")),
        "in_button_reply_yes.json" => did("d", old_button(Some(OUR_GS), "Sí, continuar")),
        "in_quick_reply_template_yes.json" => did("e", old_button(Some("gBEGkYaYVSEEAgnZxQ3JmKK6Wvg"), "Sí, continuar")),
        "ev_enqueued.json" => became("enqueued", T0 + 7_202_083, Fate::Sent),
        "ev_sent.json" => became("sent", T0 + 7_202_000, Fate::Sent),
        "ev_read.json" => became("read", T0 + 7_300_000, Fate::Read),
        "ev_failed_sync_1005.json" | "ev_failed_async_470.json" => became("failed", T0 + 7_202_083, closed),
        "user_event_sandbox_start.json" => Item::Passed("sandbox-start"),
        "v3_connectivity_check.json" => Item::Passed("platform-event"),
        _ => return None,
    })
}

#[test]
fn every_webhook_of_gupshup_reads_as_the_manifest_says() {
    let reader = gupshup::Reader::new(&gupshup()).unwrap();
    let mut read = 0;
    for file in files("gupshup").iter().filter(|file| !file.starts_with("req_") && !file.starts_with("resp_")) {
        let delivery = delivery(&format!("gupshup/{file}"));
        assert_eq!(reader.verify(&delivery.hook()), Ok(()), "{file}");
        let items = reader.read(&delivery.hook()).unwrap();
        match file.as_str() {
            "user_event_opted_out.json" => {
                let [Item::Event(heard)] = &items[..] else { panic!("{items:?}") };
                assert_eq!((heard.at, &heard.what), (Some(Moment(T0)), &What::OptOut));
                assert_eq!((&heard.party, heard.address.as_str()), (&person("573181230000", ""), "DemoApp"));
            }
            file => assert_eq!(items, [manifest_gupshup(file).unwrap_or_else(|| panic!("{file} has no reading here"))], "{file}"),
        }
        read += 1;
    }
    assert_eq!(read, 11);
    assert!(reader.is_at("DemoApp") && reader.is_at("5716000001") && !reader.is_at("OtherApp") && !reader.is_at(""));
}
