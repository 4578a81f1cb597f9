//! The HTTP edge with a real engine behind it, on a store in memory: everything but the daemon's threads and a provider.
//!
//! Not the binary: the walk through the guide runs that.

use std::sync::Arc;

use reengaged::config::{self, Withheld};
use reengaged::engine::Engine;
use reengaged::engine::desk::Desk;
use reengaged::engine::group::Notice;
use reengaged::http::{self, Address, Inside, Listener, Settings, Site, Tokens};
use reengaged::id::Keys;
use reengaged::moment::Moment;
use reengaged::store::MemoryStore;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::http::fake::Idle;
use crate::whole::process::client;

/// Noon in Colombia, so that hours do not matter.
pub(super) const NOW: Moment = Moment(1_772_470_800_000);

/// Two lines and two flows: one that asks its own questions, and one whose bot talks.
pub(super) const CONFIGURATION: &str = r#"
[store]
path = "data"
[lines.support]
provider = "console"
phone = "57317770000"
flow = "onboarding"
[lines.sales]
provider = "console"
phone = "5716000001"
flow = "onboarding"
[flows.onboarding]
enable_follow_up = true
id = "IPF0123456789abcdef0123456789abcdef"
[flows.kyc]
enable_follow_up = true
[[flows.kyc.questions]]
id = "name"
kind = "text"
prompt = "¿Su nombre?"
[hooks.crm]
url = "https://example.com/hook"
secret_env = "X"
"#;

/// A server of the guide's calls.
pub(super) struct Guide {
    pub(super) base: String,
    client: reqwest::Client,
    /// What the daemon would look after.
    pub(super) notices: mpsc::UnboundedReceiver<Notice>,
    pub(super) desk: Desk,
    pub(super) store: Arc<MemoryStore>,
}

impl Guide {
    pub(super) async fn start(tokens: Tokens) -> Guide {
        let book = config::parse(CONFIGURATION, "config.toml", &Withheld).expect("a configuration").book;
        let store = Arc::new(MemoryStore::new(Keys::new(&[3; 32])));
        let mut engine = Engine::recover(store.clone(), Arc::new(book), NOW).expect("an empty store");
        let (requests, mut asked) = mpsc::channel(64);
        let (tell, notices) = mpsc::unbounded_channel();
        let disk = store.clone();
        tokio::spawn(async move {
            while let Some(request) = asked.recv().await {
                engine.serve(request, NOW);
                let Some(group) = engine.cut() else { continue };
                let durable = reengaged::engine::ports::Store::flush(disk.as_ref()).expect("memory keeps");
                let released = group.release(durable).expect("it is covered");
                released.answers.into_iter().for_each(|(reply, answers)| reply.send(answers).unwrap_or_default());
                released.done.into_iter().for_each(|done| done.tell());
                released.notices.into_iter().for_each(|notice| tell.send(notice).unwrap_or_default());
            }
        });
        let desk = Desk::new(requests);
        let site = Site::new(Settings::standard(|| reengaged::clock::Clock::system().elapsed()), tokens);
        site.open(Inside { desk: desk.clone(), figures: Arc::new(Vec::new), caretaker: Arc::new(Idle) });
        let listener = Listener::everything(&Address::Tcp("127.0.0.1:0".parse().expect("an address"))).await.expect("a port");
        let base = match listener.address() {
            Address::Tcp(at) => format!("http://{at}/v1/whatsapp"),
            Address::Unix(path) => unreachable!("{}", path.display()),
        };
        tokio::spawn(http::serve(vec![listener], site, std::future::pending()));
        Guide { base, client: client(), notices, desk, store }
    }

    /// Sends a form; status and answer.
    pub(super) async fn form(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.raw(method, path, "application/x-www-form-urlencoded", body.into_bytes()).await
    }

    /// Sends bytes; status and answer. Every refusal is as the guide's API would tell it.
    pub(super) async fn raw(&self, method: &str, path: &str, kind: &str, body: Vec<u8>) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let sent = self.client.request(method, format!("{}{path}", self.base)).header("content-type", kind).body(body);
        let answer = sent.send().await.expect("an answer");
        let (status, kind) = (answer.status().as_u16(), answer.headers()["content-type"].to_str().expect("text").to_owned());
        let value: Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
        assert_eq!(kind, "application/json");
        if status >= 400 {
            let (code, http_code) = (value["code"].as_u64(), value["http_code"].as_u64());
            assert_eq!((code, http_code), (Some(10_000 + u64::from(status)), Some(u64::from(status))), "{value}");
            assert!(value["message"].as_str().is_some_and(|message| !message.is_empty()), "{value}");
        }
        (status, value)
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        self.raw("GET", path, "text/plain", Vec::new()).await
    }
}

/// These fields with some of them changed (`Some`), left out (`None`) or added.
pub(super) fn with<'a>(own: &[(&'a str, &'a str)], other: &[(&'a str, Option<&'a str>)]) -> Vec<(&'a str, &'a str)> {
    let kept = own.iter().filter(|(name, _)| !other.iter().any(|(changed, _)| changed == name)).copied();
    kept.chain(other.iter().filter_map(|(name, value)| Some((*name, (*value)?)))).collect()
}

/// The guide's own inbound.
pub(super) const INBOUND: [(&str, &str); 4] =
    [("waba_provider", "console"), ("waba_phone_number", "57317770000"), ("flow_id", "onboarding"), ("inbound_message", "Testing message")];

/// The guide's own outbound that starts a flow.
pub(super) const OUTBOUND: [(&str, &str); 11] = [
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

/// The guide's own send; the outbound's id comes last.
pub(super) fn send(id: &str) -> Vec<(&str, &str)> {
    vec![
        ("phone_number", "3181230000"),
        ("country_code", "57"),
        ("user_authorized", "true"),
        ("flow_id", "onboarding"),
        ("var.name", "Roger"),
        ("var.lastname", "Federer"),
        ("outbound_id", id),
    ]
}
