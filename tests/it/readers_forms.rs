//! The webhooks of Twilio and Truora, read as the manifest of the fixtures says: every file and every further delivery of it.
//!
//! Not the HTTP endpoint, and not Meta's and Gupshup's: here the readers stand alone, through what they show to the engine.

use std::time::Duration;

use reengaged::conversation::Choice;
use reengaged::engine::heard::{Fate, Heard, Item, Party, Person, Status, Tap, Trouble};
use reengaged::engine::ports::{Forged, Handshake, Inbox};
use reengaged::engine::request::What;
use reengaged::id::{ConversationId, SendId};
use reengaged::provider::remote::Key;
use reengaged::provider::{self, truora, twilio};
use reengaged::shapes::button;
use serde_json::Value;
use url::Url;

use crate::fixtures::{Delivery, body, delivery, files, secret};

const OUR_MESSAGE: &str = "MM00000000000000000000000000000abc";
const LINE: &str = "5716000001";

pub(crate) fn twilio() -> twilio::Settings {
    twilio::Settings {
        api: "https://api.twilio.com".parse().unwrap(),
        content_api: "https://content.twilio.com".parse().unwrap(),
        account_sid: "AC00000000000000000000000000000001".into(),
        auth_tokens: vec![Key::new("the-next-token"), Key::new(secret("TWILIO_TOKEN"))],
        phone: LINE.into(),
        messaging_service_sid: None,
        public_url: "https://reengaged.example.test/hooks/twilio".parse().unwrap(),
        status_callback: None,
        quick_reply: None,
    }
}

pub(crate) fn truora() -> truora::Settings {
    truora::Settings {
        api: "https://api.connect.truora.com".parse().unwrap(),
        api_key: Key::new("test-only-truora-key"),
        hook_secrets: vec![Key::new(secret("TRUORA_SECRET")), Key::new("the-next-secret")],
        hook_algorithm: truora::HookAlgorithm::Hs256,
        flow_id: None,
        flows: Vec::new(),
    }
}

/// The keys of `SIGNATURES.json` for a provider, `file` or `file#another delivery`.
fn keys(provider: &str) -> Vec<String> {
    let table: Value = serde_json::from_slice(&body("SIGNATURES.json")).unwrap();
    table["requests"].as_object().unwrap().keys().filter(|key| key.starts_with(provider)).cloned().collect()
}

/// What a delivery that is believed says.
fn told(inbox: &dyn Inbox, delivery: &Delivery) -> Vec<Item> {
    let hook = delivery.hook();
    assert_eq!(inbox.verify(&hook), Ok(()));
    assert_eq!(inbox.handshake(&hook), Handshake::Unasked);
    inbox.read(&hook).expect("a webhook of the provider's")
}

/// An event on our number without a time: Twilio tells none, arrival counts.
fn heard(id: &str, user: &str, what: What) -> Vec<Item> {
    let party = Party::Person(Person { phone: "573181230000".into(), user: user.into() });
    vec![Item::Event(Box::new(Heard { id: id.into(), at: None, address: LINE.into(), party, what }))]
}

fn wrote(n: u8, text: &str) -> Vec<Item> {
    heard(&format!("SM0000000000000000000000000000000{n}"), "", What::UserMessage(text.into()))
}

fn became(word: &str, fate: Fate) -> Vec<Item> {
    heard(&format!("{OUR_MESSAGE}/{word}"), "", What::Status(Status { message: OUR_MESSAGE.into(), send: None, fate }))
}

fn tapped(send: Option<SendId>, choice: Option<Choice>) -> Vec<Item> {
    let tap = Tap { send, message: Some(OUR_MESSAGE.into()), choice, pick: None, label: "Sí, continuar".into() };
    heard("SM00000000000000000000000000000003", "CO.13491208655302741918", What::Tapped(tap))
}

/// The manifest's reading of a webhook of Twilio; `None` where the key is none.
fn manifest_twilio(key: &str) -> Option<Vec<Item>> {
    Some(match key {
        "in_text.form" | "in_text.form#explicit-port" | "in_text.form#retry" => wrote(1, "Hola, quiero continuar"),
        "in_text_unicode.form" => wrote(2, "Sí, mañana 😀 & listo = 100%"),
        // The id on the button is none that we issued: the label decides.
        "in_button_yes.form" => tapped(None, None),
        "status_delivered.form" => became("delivered", Fate::Delivered),
        "status_read.form" => became("read", Fate::Read),
        "status_undelivered_63016.form" => became("undelivered", Fate::Failed(Trouble::WindowClosed)),
        _ => return None,
    })
}

#[test]
fn every_webhook_of_twilio_reads_as_the_manifest_says() {
    let reader = twilio::Reader::new(&twilio()).unwrap();
    let mut read = 0;
    for key in keys("twilio/") {
        match key.strip_prefix("twilio/").unwrap() {
            "in_text.form#wrong-signature" => assert!(matches!(reader.verify(&delivery(&key).hook()), Err(Forged(_)))),
            "#published-test-vector" => {}
            short => {
                let reading = manifest_twilio(short).unwrap_or_else(|| panic!("{key} has no reading here"));
                assert_eq!(told(&reader, &delivery(&key)), reading, "{key}");
                read += 1;
            }
        }
    }
    assert_eq!(read, 8);
    let webhooks = files("twilio").into_iter().filter(|file| file.starts_with("in_") || file.starts_with("status_"));
    assert!(webhooks.into_iter().all(|file| manifest_twilio(&file).is_some()), "every file has a reading");
}

#[test]
fn the_published_example_of_a_signature_is_believed() {
    let table: Value = serde_json::from_slice(&body("SIGNATURES.json")).unwrap();
    let example = &table["requests"]["twilio/#published-test-vector"];
    let url: Url = example["url"].as_str().unwrap().parse().unwrap();
    let params = example["params"].as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    let signature = example["expect"].as_str().and_then(|text| text.strip_prefix("X-Twilio-Signature = ")).unwrap();
    // Our own path: a proxy has mapped the public one to it.
    let delivery = Delivery::new(&format!("/hooks/twilio?{}", url.query().unwrap()), &[("x-twilio-signature", signature)], body);
    let at = |public_url: &str| {
        let auth_tokens = vec![Key::new(example["auth_token"].as_str().unwrap())];
        let settings = twilio::Settings { auth_tokens, public_url: public_url.parse().unwrap(), ..twilio() };
        twilio::Reader::new(&settings).unwrap().verify(&delivery.hook())
    };
    assert_eq!(at("https://mycompany.com/myapp.php"), Ok(()));
    assert!(at("https://mycompany.com/hooks/twilio").is_err(), "another path");
}

/// The manifest's placeholder filled with the id of a send: then the tap is ours, and the signature another's.
#[test]
fn our_own_buttons_are_answers() {
    let (conversation, send) = (ConversationId(12), SendId(34));
    let reader = twilio::Reader::new(&twilio()).unwrap();
    let mut delivery = delivery("twilio/in_button_yes.form");
    let body = String::from_utf8(delivery.body).unwrap();
    delivery.body = body.replace("reengage%3Ayes%3Aconv-0001", &button::write(Choice::Yes, conversation, send)).into_bytes();
    assert!(reader.verify(&delivery.hook()).is_err(), "the signature covers the button");
    assert_eq!(reader.read(&delivery.hook()), Ok(tapped(Some(send), Some(Choice::Yes))));
}

#[test]
fn every_hook_of_truora_reads_as_the_manifest_says() {
    let reader = truora::Reader::new(&truora()).unwrap();
    let named = || Party::Named(vec!["ACC-reengaged-0001".into(), "IDP00000000000000000000000000000001".into()]);
    let ended = |item: &Item| match item {
        Item::Event(heard) => (heard.what.clone(), heard.party.clone(), heard.at, heard.address.clone()),
        other => panic!("{other:?}"),
    };
    for key in keys("truora/") {
        let delivery = delivery(&key);
        match key.strip_prefix("truora/").unwrap() {
            "hook_process_succeeded.jwt" => {
                let items = told(&reader, &delivery);
                assert_eq!(items.len(), 1);
                assert_eq!(ended(&items[0]), (What::Succeeded, named(), None, String::new()));
            }
            "hook_process_failed_two_events.jwt" => {
                let items = told(&reader, &delivery);
                assert_eq!(ended(&items[0]), (What::Failed, named(), None, String::new()));
                assert_eq!(items[1..], [Item::Passed("action")], "the second is ignored, and the hook is taken");
                assert_eq!(items, told(&reader, &delivery), "the same identities again");
            }
            "hook_tampered.jwt" => assert!(matches!(reader.verify(&delivery.hook()), Err(Forged(_)))),
            _ => panic!("{key} has no reading here"),
        }
    }
    assert_eq!(keys("truora/").len(), 3);
}

#[test]
fn a_form_with_any_byte_changed_is_forged_or_says_the_same() {
    let reader = twilio::Reader::new(&twilio()).unwrap();
    let (mut tried, mut believed) = (0, 0);
    for key in ["twilio/in_text.form", "twilio/in_button_yes.form", "twilio/status_read.form"] {
        let good = delivery(key);
        let said = told(&reader, &good);
        for at in 0..good.body.len() {
            for bit in 0..8 {
                let mut other = good.clone();
                other.body[at] ^= 1 << bit;
                let read = reader.read(&other.hook());
                if reader.verify(&other.hook()).is_ok() {
                    assert_eq!(read.as_ref(), Ok(&said), "{key} with bit {bit} of byte {at} changed");
                    believed += 1;
                }
                tried += 1;
            }
        }
    }
    // `%2B` and `%2b` are the same text.
    assert!(tried > 9_000 && believed < 100, "{believed} of {tried}");
}

#[test]
fn a_line_is_built_with_both_its_halves() {
    let budget = Duration::from_secs(10);
    for (settings, capabilities, address) in [
        (provider::Settings::Twilio(twilio(), budget), twilio::CAPABILITIES, LINE),
        (provider::Settings::Truora(truora(), budget), truora::CAPABILITIES, ""),
    ] {
        let built = provider::build(settings).unwrap();
        assert_eq!(built.provider.capabilities(), capabilities);
        assert!(built.inbox.unwrap().is_at(address));
    }
    let unproved = truora::Settings { hook_secrets: Vec::new(), ..truora() };
    assert!(provider::build(provider::Settings::Truora(unproved, budget)).is_err_and(|why| why.contains("nothing proves")));
}
