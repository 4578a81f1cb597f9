//! What a provider's webhook costs before the engine sees it: its origin proved over the raw bytes, and its words read.
//!
//! Not HTTP, and not what the engine makes of it. The bodies are those of the fixtures in `../shared` (or `$REENGAGED_SHARED`).
#![allow(clippy::disallowed_methods, reason = "a benchmark asks where the fixtures are")]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reengaged::engine::ports::{Inbox, Webhook};
use reengaged::provider::remote::Key;
use reengaged::provider::{self, Settings, gupshup, truora, twilio, whatsapp};
use serde_json::Value;

/// The budget of calls, none of which is made.
const BUDGET: Duration = Duration::from_secs(1);

/// A delivery: where it goes, its headers and its body.
struct Delivery {
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Delivery {
    fn hook(&self) -> Webhook<'_> {
        Webhook { target: &self.target, headers: &self.headers, peer: None, body: &self.body }
    }
}

fn fixtures() -> PathBuf {
    let shared = std::env::var_os("REENGAGED_SHARED");
    shared.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from).join("fixtures")
}

/// The deliveries of a provider that are believed and read.
fn deliveries(signatures: &Value, provider: &str, inbox: &dyn Inbox) -> Vec<Delivery> {
    let requests = signatures["requests"].as_object().expect("requests");
    let of_provider = requests.iter().filter(|(key, _)| key.starts_with(provider) && !key.contains('#'));
    let delivery = |(key, request): (&String, &Value)| {
        let url: url::Url = request["url"].as_str()?.parse().ok()?;
        let headers = request["headers"].as_object()?.iter();
        Some(Delivery {
            target: url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path())),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().unwrap_or_default().into())).collect(),
            body: std::fs::read(fixtures().join(key)).ok()?,
        })
    };
    let found = of_provider.filter_map(delivery);
    found.filter(|d| inbox.verify(&d.hook()).is_ok() && inbox.read(&d.hook()).is_ok_and(|items| !items.is_empty())).collect()
}

fn inboxes(secret: impl Fn(&str) -> Vec<Key>) -> Vec<(&'static str, Arc<dyn Inbox>)> {
    let whatsapp = whatsapp::Settings {
        api: "https://graph.facebook.com/v25.0".parse().expect("a URL"),
        phone_number_id: "106540352242922".into(),
        waba_id: None,
        token: Key::new("token"),
        app_secrets: secret("META_SECRET"),
        verify_tokens: secret("VERIFY_TOKEN"),
        template_language: "es".into(),
        reactions: false,
        user_id_field: None,
    };
    let gupshup = gupshup::Settings {
        api: "https://api.gupshup.io".parse().expect("a URL"),
        api_key: Key::new("key"),
        app: "DemoApp".into(),
        phone: "5716000001".into(),
        approvals: None,
        proof: gupshup::Proof { tokens: secret("GS_TOKEN"), ..gupshup::Proof::default() },
        reactions: false,
    };
    let twilio = twilio::Settings {
        api: "https://api.twilio.com".parse().expect("a URL"),
        content_api: "https://content.twilio.com".parse().expect("a URL"),
        account_sid: "AC00000000000000000000000000000001".into(),
        auth_tokens: secret("TWILIO_TOKEN"),
        phone: "5716000001".into(),
        messaging_service_sid: None,
        public_url: "https://reengaged.example.test/hooks/twilio".parse().expect("a URL"),
        status_callback: None,
        quick_reply: None,
    };
    let truora = truora::Settings {
        api: "https://api.connect.truora.com".parse().expect("a URL"),
        api_key: Key::new("key"),
        hook_secrets: secret("TRUORA_SECRET"),
        hook_algorithm: truora::HookAlgorithm::Hs256,
        flow_id: None,
        flows: Vec::new(),
    };
    let built = [
        ("whatsapp_cloud", Settings::WhatsApp(whatsapp, BUDGET)),
        ("gupshup", Settings::Gupshup(gupshup, BUDGET)),
        ("twilio", Settings::Twilio(twilio, BUDGET)),
        ("truora", Settings::Truora(truora, BUDGET)),
    ];
    built.map(|(name, settings)| (name, provider::build(settings).expect("a line").inbox.expect("with an inbox"))).into()
}

fn readers(c: &mut Criterion) {
    let Ok(text) = std::fs::read(fixtures().join("SIGNATURES.json")) else {
        println!("SKIPPED: there are no fixtures at {}; set REENGAGED_SHARED", fixtures().display());
        return;
    };
    let signatures: Value = serde_json::from_slice(&text).expect("SIGNATURES.json is JSON");
    let secret = |name: &str| vec![Key::new(signatures["secrets"][name].as_str().expect("a secret"))];
    let mut group = c.benchmark_group("read a webhook");
    for (provider, inbox) in inboxes(secret) {
        let deliveries = deliveries(&signatures, provider, &*inbox);
        assert!(deliveries.len() > 1, "{provider}: {} fixtures are read", deliveries.len());
        group.throughput(Throughput::Elements(deliveries.len() as u64));
        group.bench_function(format!("{provider}, proved and read"), |b| {
            b.iter(|| {
                for delivery in &deliveries {
                    let hook = delivery.hook();
                    inbox.verify(&hook).expect("believed");
                    black_box(inbox.read(&hook).expect("read"));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, readers);
criterion_main!(benches);
