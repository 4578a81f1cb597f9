//! What is fuzzed, and what must hold of it: everything that reads what comes from outside before anybody is known to have sent it,
//! and in `own.rs` everything that reads formats of our own.
//!
//! Not where inputs come from (`inputs.rs`). A new reader is a line in [`TARGETS`] for its bodies, one for its proof of origin, and
//! the function that makes it.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reengaged::engine::heard::{Item, Party, Person};
use reengaged::engine::ports::{Inbox, Webhook};
use reengaged::limits::EVENT_ID_BYTES;
use reengaged::provider::remote::Key;
use reengaged::provider::{gupshup, truora, twilio, whatsapp};
use reengaged::shapes::event;
use reengaged::store::probes;
use url::Url;

use crate::own;

/// Takes one input; a panic is a finding.
pub type Run = fn(&[u8]);

/// Every target by its name: that of the line in the fixtures, and what is done with it.
pub const TARGETS: &[(&str, Run)] = &[
    ("whatsapp-read", |data| read(&WHATSAPP, data)),
    ("whatsapp-verify", |data| verify(&WHATSAPP, data)),
    ("gupshup-read", |data| read(&GUPSHUP, data)),
    ("gupshup-verify", |data| verify(&GUPSHUP, data)),
    ("twilio-read", |data| read(&TWILIO, data)),
    ("twilio-verify", |data| verify(&TWILIO, data)),
    ("twilio-answer", answer),
    ("truora-read", |data| read(&TRUORA, data)),
    ("truora-verify", |data| verify(&TRUORA, data)),
    ("truora-claims", claims),
    ("events", events),
    ("configuration", own::configuration),
    ("opening-hours", own::hours),
    ("waits", own::waits),
    ("forms", own::forms),
    ("numbers", own::numbers),
    ("addresses", own::addresses),
    ("masks", own::masks),
    ("listener", own::listener),
    ("records", probes::records),
    ("sealed", probes::sealed),
    ("sends", probes::sends),
];

/// A line as two inboxes: with the secret of the fixtures, and with one that no input knows.
struct Line {
    ours: Box<dyn Inbox>,
    strangers: Box<dyn Inbox>,
}

impl Line {
    fn of<I: Inbox + 'static>(make: fn(Key) -> Result<I, String>, secret: &str) -> Line {
        let make = |secret| Box::new(make(Key::new(secret)).expect("settings that can be used")) as Box<dyn Inbox>;
        Line { ours: make(secret), strangers: make("1d1c0a94 a secret that stands in no input 7be04ce2") }
    }
}

static WHATSAPP: LazyLock<Line> = LazyLock::new(|| Line::of(whatsapp_with, "test-only-meta-app-secret"));
static GUPSHUP: LazyLock<Line> = LazyLock::new(|| Line::of(gupshup_with, "test-only-gupshup-url-token"));
static TWILIO: LazyLock<Line> = LazyLock::new(|| Line::of(twilio_with, "test-only-twilio-auth-token"));
static TRUORA: LazyLock<Line> = LazyLock::new(|| Line::of(truora_with, "test-only-truora-hook-secret"));

fn whatsapp_with(secret: Key) -> Result<whatsapp::Reader, String> {
    whatsapp::Reader::new(&whatsapp::Settings {
        waba_id: None,
        api: url("https://graph.facebook.com/v25.0"),
        phone_number_id: "106540352242922".into(),
        token: Key::new("token"),
        app_secrets: vec![secret],
        verify_tokens: vec![Key::new("test-only-verify-token")],
        template_language: "es".into(),
        reactions: true,
        user_id_field: None,
    })
}

fn gupshup_with(token: Key) -> Result<gupshup::Reader, String> {
    gupshup::Reader::new(&gupshup::Settings {
        approvals: None,
        api: url("https://api.gupshup.io"),
        api_key: Key::new("key"),
        app: "DemoApp".into(),
        phone: "5716000001".into(),
        proof: gupshup::Proof { tokens: vec![token], ..gupshup::Proof::default() },
        reactions: true,
    })
}

fn twilio_with(token: Key) -> Result<twilio::Reader, String> {
    twilio::Reader::new(&twilio::Settings {
        api: url("https://api.twilio.com"),
        content_api: url("https://content.twilio.com"),
        account_sid: "AC00000000000000000000000000000001".into(),
        auth_tokens: vec![token],
        phone: "5716000001".into(),
        messaging_service_sid: None,
        public_url: url("https://reengaged.example.test/hooks/twilio"),
        status_callback: None,
        quick_reply: None,
    })
}

fn truora_with(secret: Key) -> Result<truora::Reader, String> {
    truora::Reader::new(&truora::Settings {
        api: url("https://api.connect.truora.com"),
        api_key: Key::new("test-only-truora-key"),
        hook_secrets: vec![secret],
        hook_algorithm: truora::HookAlgorithm::Hs256,
        flow_id: None,
        flows: vec!["IPF00000000000000000000000000000001".into()],
    })
}

fn url(text: &str) -> Url {
    text.parse().expect("a URL")
}

/// A body: reading is total and says the same twice, and what it says keeps the bounds that the engine relies on.
fn read(line: &Line, body: &[u8]) {
    let hook = Webhook { target: "/hooks/line", headers: &[], peer: None, body };
    let said = line.ours.read(&hook);
    assert_eq!(said, line.ours.read(&hook));
    for item in said.iter().flatten() {
        let Item::Event(heard) = item else { continue };
        assert!(!heard.id.is_empty() && heard.id.len() <= EVENT_ID_BYTES, "an identity of {} bytes", heard.id.len());
        match &heard.party {
            Party::Person(person) => assert!(*person != Person::default(), "a person without a name"),
            Party::Named(names) => assert!(!names.is_empty() && names.iter().all(|name| !name.is_empty()), "an empty name"),
            Party::Unnamed => {}
        }
    }
}

/// A whole request: proving its origin is total, and nobody is believed who does not know the secret.
fn verify(line: &Line, data: &[u8]) {
    let (target, headers, body) = request(data);
    let hook = Webhook { target: &target, headers: &headers, peer: Some("203.0.113.7"), body };
    let _ = line.ours.handshake(&hook);
    if line.ours.verify(&hook).is_ok() {
        let _ = line.ours.read(&hook);
    }
    assert!(line.strangers.verify(&hook).is_err(), "believed without the secret");
}

/// The claims of a token, without the coding that hides them from a fuzzer.
fn claims(data: &[u8]) {
    read(&TRUORA, format!("e30.{}.AA", URL_SAFE_NO_PAD.encode(data)).as_bytes());
}

/// What a bot answers to Twilio: whatever it is, a text that is there is not empty.
fn answer(data: &[u8]) {
    for kind in ["text/xml", "text/plain"] {
        let text = TWILIO.ours.answered(kind, data);
        assert!(text.is_none_or(|text| !text.trim().is_empty()));
    }
}

/// The events API: whatever is taken keeps its bounds, whatever is not says why.
fn events(data: &[u8]) {
    match event::read(data) {
        Ok(event) => assert!(event.id.is_none_or(|id| id.len() <= EVENT_ID_BYTES)),
        Err(bad) => assert!(!bad.message.is_empty()),
    }
}

/// A request as text: the target, a line for each header, an empty line, and the body.
fn request(data: &[u8]) -> (String, Vec<(String, Vec<u8>)>, &[u8]) {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((data, &[][..]), |at| (&data[..at], &data[at + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let target = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
        Some((name, line[colon + 1..].trim_ascii_start().to_vec()))
    };
    (target, lines.filter_map(header).collect(), body)
}
