//! The webhooks of Twilio and Truora, read as the manifest of the fixtures says: every file and every further delivery of it.
//!
//! Not the HTTP endpoint, and not Meta's and Gupshup's: here the readers stand alone, through what they show to the engine.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use reengaged::conversation::Choice;
use reengaged::engine::heard::{Fate, Heard, Item, Party, Person, Status, Tap, Trouble};
use reengaged::engine::ports::{Forged, Handshake, Inbox, Webhook};
use reengaged::engine::request::What;
use reengaged::provider::remote::Key;
use reengaged::provider::{truora, twilio};
use serde_json::Value;
use url::Url;

const OUR_MESSAGE: &str = "MM00000000000000000000000000000abc";

/// The requests of `SIGNATURES.json`, and the secrets.
struct Fixtures(Value);

/// One delivery of a fixture, as it would arrive.
struct Delivery {
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Delivery {
    fn hook(&self) -> Webhook<'_> {
        Webhook { target: &self.target, headers: &self.headers, peer: Some("203.0.113.7"), body: &self.body }
    }
}

impl Fixtures {
    fn open() -> Fixtures {
        let text = fs::read(crate::shared().join("fixtures/SIGNATURES.json")).expect("the fixtures are at hand (REENGAGED_SHARED)");
        Fixtures(serde_json::from_slice(&text).expect("SIGNATURES.json is JSON"))
    }

    fn secret(&self, name: &str) -> Key {
        Key::new(self.0["secrets"][name].as_str().expect("a secret"))
    }

    /// The delivery called `file` or `file#suffix`.
    fn delivery(&self, name: &str) -> Delivery {
        let request = &self.0["requests"][name];
        let url: Url = request["url"].as_str().unwrap_or_else(|| panic!("no request {name}")).parse().expect("a URL");
        let target = url[url::Position::BeforePath..].to_owned();
        let headers = request["headers"].as_object().expect("headers").iter();
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().expect("text").as_bytes().to_vec())).collect();
        let file = name.split('#').next().expect("a name");
        let body = fs::read(crate::shared().join("fixtures").join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        Delivery { target, headers, body }
    }

    /// Every delivery of a provider, by name.
    fn names(&self, provider: &str) -> BTreeSet<String> {
        let requests = self.0["requests"].as_object().expect("requests").keys();
        requests.filter(|name| name.starts_with(provider)).cloned().collect()
    }

    fn twilio(&self, public_url: &str) -> Arc<dyn Inbox> {
        let auth_tokens = vec![Key::new("the-next-token"), self.secret("TWILIO_TOKEN")];
        twilio::inbox(twilio::Settings { auth_tokens, ..twilio_settings(public_url) })
    }

    fn truora(&self) -> Arc<dyn Inbox> {
        truora::inbox(truora::Settings {
            api: "https://api.connect.truora.com".parse().expect("a URL"),
            api_key: Key::new("test-only-truora-key"),
            hook_secrets: vec![self.secret("TRUORA_SECRET"), Key::new("the-next-secret")],
            hook_algorithm: truora::HookAlgorithm::Hs256,
            flow_id: None,
            flows: Vec::new(),
        })
    }
}

/// What a delivery that is believed says.
fn told(inbox: &dyn Inbox, delivery: &Delivery) -> Vec<Item> {
    let hook = delivery.hook();
    assert_eq!(inbox.verify(&hook), Ok(()));
    assert_eq!(inbox.handshake(&hook), Handshake::Unasked);
    inbox.read(&hook).expect("a webhook of the provider's")
}

fn person(user: &str) -> Party {
    Party::Person(Person { phone: "573181230000".into(), user: user.into() })
}

/// An event on our number without a time: Twilio tells none, arrival counts.
fn heard(id: &str, party: Party, what: What) -> Vec<Item> {
    vec![Item::Event(Box::new(Heard { id: id.into(), at: None, address: "5716000001".into(), party, what }))]
}

fn status(word: &str, fate: Fate) -> Vec<Item> {
    let what = What::Status(Status { message: OUR_MESSAGE.into(), send: None, fate });
    heard(&format!("{OUR_MESSAGE}/{word}"), person(""), what)
}

#[test]
fn every_webhook_of_twilio_is_read_as_the_manifest_says() {
    let fixtures = Fixtures::open();
    let inbox = fixtures.twilio("https://reengaged.example.test/hooks/twilio");
    let text = || heard("SM00000000000000000000000000000001", person(""), What::UserMessage("Hola, quiero continuar".into()));
    // The id on the button is none of ours, so that the label decides; with our ids see below.
    let tap = Tap { send: None, message: Some(OUR_MESSAGE.into()), choice: None, pick: None, label: "Sí, continuar".into() };
    let expected = [
        ("twilio/in_text.form", text()),
        ("twilio/in_text.form#explicit-port", text()),
        ("twilio/in_text.form#retry", text()),
        (
            "twilio/in_text_unicode.form",
            heard("SM00000000000000000000000000000002", person(""), What::UserMessage("Sí, mañana 😀 & listo = 100%".into())),
        ),
        ("twilio/in_button_yes.form", heard("SM00000000000000000000000000000003", person("CO.13491208655302741918"), What::Tapped(tap))),
        ("twilio/status_delivered.form", status("delivered", Fate::Delivered)),
        ("twilio/status_read.form", status("read", Fate::Read)),
        ("twilio/status_undelivered_63016.form", status("undelivered", Fate::Failed(Trouble::WindowClosed))),
    ];
    for (name, items) in &expected {
        assert_eq!(told(&*inbox, &fixtures.delivery(name)), *items, "{name}");
    }
    let mut seen: BTreeSet<String> = expected.iter().map(|(name, _)| (*name).to_owned()).collect();

    let wrong = "twilio/in_text.form#wrong-signature";
    assert!(matches!(inbox.verify(&fixtures.delivery(wrong).hook()), Err(Forged(_))));
    seen.extend([wrong.to_owned(), "twilio/#published-test-vector".to_owned()]);
    assert_eq!(seen, fixtures.names("twilio/"), "every delivery stands in this test");
}

#[test]
fn the_published_example_of_a_signature_is_believed() {
    let fixtures = Fixtures::open();
    let example = &fixtures.0["requests"]["twilio/#published-test-vector"];
    let url: Url = example["url"].as_str().expect("a URL").parse().expect("a URL");
    let token = Key::new(example["auth_token"].as_str().expect("a token"));
    let params = example["params"].as_object().expect("params").iter().map(|(name, value)| (name.as_str(), value.as_str().expect("text")));
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    let signature = example["expect"].as_str().and_then(|text| text.strip_prefix("X-Twilio-Signature = ")).expect("a signature");
    let delivery = Delivery {
        // Our own path: a proxy has mapped the public one to it.
        target: format!("/hooks/twilio?{}", url.query().expect("a query")),
        headers: vec![("x-twilio-signature".into(), signature.into())],
        body: body.into_bytes(),
    };
    let at = |public_url: &str| {
        let auth_tokens = vec![token.clone()];
        twilio::inbox(twilio::Settings { auth_tokens, ..twilio_settings(public_url) }).verify(&delivery.hook())
    };
    assert_eq!(at("https://mycompany.com/myapp.php"), Ok(()));
    assert!(at("https://mycompany.com/hooks/twilio").is_err(), "another path");
}

#[test]
fn a_button_with_our_id_says_which_choice_of_which_send() {
    use reengaged::id::{ConversationId, SendId};
    let fixtures = Fixtures::open();
    let mut delivery = fixtures.delivery("twilio/in_button_yes.form");
    let (conversation, send) = (ConversationId(12), SendId(34));
    let ours = reengaged::shapes::button::write(Choice::Yes, conversation, send);
    let body = String::from_utf8(delivery.body).expect("a form").replace("reengage%3Ayes%3Aconv-0001", &ours);
    delivery.body = body.into_bytes();
    let inbox = fixtures.twilio("https://reengaged.example.test/hooks/twilio");
    assert!(inbox.verify(&delivery.hook()).is_err(), "the signature covers the button");
    let items = inbox.read(&delivery.hook()).expect("a form");
    let [Item::Event(heard)] = items.as_slice() else { panic!("{items:?}") };
    let tap =
        Tap { send: Some(send), message: Some(OUR_MESSAGE.into()), choice: Some(Choice::Yes), pick: None, label: "Sí, continuar".into() };
    assert_eq!(heard.what, What::Tapped(tap));
}

#[test]
fn every_hook_of_truora_is_read_as_the_manifest_says() {
    let fixtures = Fixtures::open();
    let inbox = fixtures.truora();
    let named = || Party::Named(vec!["ACC-reengaged-0001".into(), "IDP00000000000000000000000000000001".into()]);
    let ended = |items: &[Item]| match &items[0] {
        Item::Event(heard) => (heard.what.clone(), heard.party.clone(), heard.at, heard.address.clone()),
        other => panic!("{other:?}"),
    };
    let succeeded = told(&*inbox, &fixtures.delivery("truora/hook_process_succeeded.jwt"));
    assert_eq!(succeeded.len(), 1);
    assert_eq!(ended(&succeeded), (What::Succeeded, named(), None, String::new()));

    let failed = told(&*inbox, &fixtures.delivery("truora/hook_process_failed_two_events.jwt"));
    assert_eq!(ended(&failed), (What::Failed, named(), None, String::new()));
    assert_eq!(failed[1..], [Item::Passed("action")], "the second is ignored, and the hook is still taken");
    assert_eq!(failed, told(&*inbox, &fixtures.delivery("truora/hook_process_failed_two_events.jwt")), "the same identity again");

    assert!(matches!(inbox.verify(&fixtures.delivery("truora/hook_tampered.jwt").hook()), Err(Forged(_))));
    let seen = ["hook_process_succeeded.jwt", "hook_process_failed_two_events.jwt", "hook_tampered.jwt"];
    assert_eq!(BTreeSet::from(seen.map(|name| format!("truora/{name}"))), fixtures.names("truora/"), "every delivery stands in this test");
}

#[test]
fn a_fixture_with_any_byte_changed_is_forged_or_says_the_same() {
    let fixtures = Fixtures::open();
    let twilio = fixtures.twilio("https://reengaged.example.test/hooks/twilio");
    let truora = fixtures.truora();
    let mut tried = 0;
    for (name, inbox) in [
        ("twilio/in_text.form", &twilio),
        ("twilio/in_button_yes.form", &twilio),
        ("twilio/status_read.form", &twilio),
        ("truora/hook_process_succeeded.jwt", &truora),
        ("truora/hook_process_failed_two_events.jwt", &truora),
    ] {
        let good = fixtures.delivery(name);
        let said = told(&**inbox, &good);
        for at in 0..good.body.len() {
            for change in [0x01, 0x20, 0x80] {
                let mut body = good.body.clone();
                body[at] ^= change;
                let other = Delivery { target: good.target.clone(), headers: good.headers.clone(), body };
                // Reading is total whether or not it is believed.
                let read = inbox.read(&other.hook());
                if inbox.verify(&other.hook()).is_ok() {
                    assert_eq!(read.expect("what is believed is read"), said, "{name} with byte {at} changed");
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 3_000, "only {tried} were tried");
}

fn twilio_settings(public_url: &str) -> twilio::Settings {
    twilio::Settings {
        api: "https://api.twilio.com".parse().expect("a URL"),
        content_api: "https://content.twilio.com".parse().unwrap(),
        account_sid: "AC00000000000000000000000000000001".into(),
        auth_tokens: Vec::new(),
        phone: "5716000001".into(),
        messaging_service_sid: None,
        public_url: public_url.parse().expect("a URL"),
        status_callback: None,
        quick_reply: None,
    }
}
