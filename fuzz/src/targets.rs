//! What is fuzzed, and what must hold of it: everything that reads what comes from outside before anybody is known to have sent it.
//!
//! Not where inputs come from (`inputs.rs`). A new reader is a line in [`TARGETS`] for its bodies, one for its proof of origin, and
//! the function that makes it.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reengaged::engine::heard::{Item, Party, Person};
use reengaged::engine::ports::{Inbox, Webhook};
use reengaged::limits::EVENT_ID_BYTES;
use reengaged::provider::remote::Key;
use reengaged::provider::{truora, twilio};
use reengaged::shapes::event;

/// Takes one input; a panic is a finding.
pub type Run = fn(&[u8]);

/// Every target by its name: that of the line in the fixtures, and what is done with it.
pub const TARGETS: &[(&str, Run)] = &[
    ("twilio-read", |data| read(&TWILIO, data)),
    ("twilio-verify", |data| verify(&TWILIO, data)),
    ("twilio-answer", answer),
    ("truora-read", |data| read(&TRUORA, data)),
    ("truora-verify", |data| verify(&TRUORA, data)),
    ("truora-claims", claims),
    ("events", events),
];

/// A line as two inboxes: with the secret of the fixtures, and with one that no input knows.
struct Line {
    ours: Arc<dyn Inbox>,
    strangers: Arc<dyn Inbox>,
}

impl Line {
    fn of(make: fn(Key) -> Arc<dyn Inbox>, secret: &str) -> Line {
        Line { ours: make(Key::new(secret)), strangers: make(Key::new("1d1c0a94 a secret that stands in no input 7be04ce2")) }
    }
}

static TWILIO: LazyLock<Line> = LazyLock::new(|| Line::of(twilio_with, "test-only-twilio-auth-token"));
static TRUORA: LazyLock<Line> = LazyLock::new(|| Line::of(truora_with, "test-only-truora-hook-secret"));

fn twilio_with(token: Key) -> Arc<dyn Inbox> {
    twilio::inbox(twilio::Settings {
        api: "https://api.twilio.com".parse().expect("a URL"),
        account_sid: "AC00000000000000000000000000000001".into(),
        auth_tokens: vec![token],
        phone: "5716000001".into(),
        messaging_service_sid: None,
        public_url: "https://reengaged.example.test/hooks/twilio".parse().expect("a URL"),
        status_callback: None,
        quick_reply: None,
    })
}

fn truora_with(secret: Key) -> Arc<dyn Inbox> {
    truora::inbox(truora::Settings {
        api: "https://api.connect.truora.com".parse().expect("a URL"),
        api_key: Key::new("test-only-truora-key"),
        hook_secrets: vec![secret],
        hook_algorithm: truora::HookAlgorithm::Hs256,
        flow_id: None,
        flows: vec!["IPF00000000000000000000000000000001".into()],
    })
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
