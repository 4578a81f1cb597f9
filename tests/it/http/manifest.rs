//! Every fixture of a webhook through the real endpoint and its provider's real inbox: what the engine is told, written down in
//! `manifest.txt` to be read beside the manifest of the fixtures. `UPDATE_GOLDEN=1` writes it anew; read the diff.
//! Not the readers alone (`readers*.rs`), and not what the engine makes of it (`heard.rs`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reengaged::engine::inboxes::{Inboxes, LineInbox};
use reengaged::engine::ports::Inbox;
use reengaged::engine::request::{Inbound, What, Who};
use reengaged::http::Hooks;
use reengaged::provider::{self, whatsapp};
use serde_json::Value;

use super::webhooks::{Mind, server};
use super::wire::standard;
use crate::fixtures::body;
use crate::{readers, readers_forms};

/// The lines of the fixtures; `whatsapp2` is the second line of the mixed batch.
fn hooks() -> Hooks {
    let budget = Duration::from_secs(10);
    let built = |settings| provider::build(settings).expect("a line").inbox.expect("it takes webhooks");
    let second = whatsapp::Settings { phone_number_id: "106540352242999".into(), ..readers::whatsapp() };
    let lines: [(&str, &'static str, Arc<dyn Inbox>); 5] = [
        ("whatsapp", "whatsapp_cloud", built(provider::Settings::WhatsApp(readers::whatsapp(), budget))),
        ("whatsapp2", "whatsapp_cloud", built(provider::Settings::WhatsApp(second, budget))),
        ("gupshup", "gupshup", built(provider::Settings::Gupshup(readers::gupshup(), budget))),
        ("twilio", "twilio", built(provider::Settings::Twilio(readers_forms::twilio(), budget))),
        ("truora", "truora", built(provider::Settings::Truora(readers_forms::truora(), budget))),
    ];
    let line = |(name, provider, inbox): (&str, &'static str, _)| (Arc::from(name), LineInbox { provider, inbox, echo_holds: false });
    Hooks { inboxes: lines.into_iter().map(line).collect::<Inboxes>(), bots: BTreeMap::new(), ..Hooks::default() }
}

/// One event as a sentence.
fn sentence(event: &Inbound) -> String {
    let who = match &event.who {
        Who::Person(person) => {
            [&person.phone, &person.user].into_iter().filter(|n| !n.is_empty()).cloned().collect::<Vec<_>>().join(" or ")
        }
        Who::Named(names) => format!("who is called {}", names.join(" or ")),
        Who::Message => "whoever got it".to_owned(),
        Who::Id(_) | Who::Caller(_) => unreachable!("no webhook names conversations"),
    };
    let what = match &event.what {
        What::UserMessage(text) => format!("{who} writes {text:?}"),
        What::Media { kind, reference } => format!("{who} sends {kind:?} {reference:?}"),
        What::Tapped(tap) => {
            let ours = tap.send.map(|send| format!(" of {send}")).unwrap_or_default();
            let under = tap.message.as_ref().map(|message| format!(" under {message}")).unwrap_or_default();
            format!("{who} taps {:?}{ours}{under}", tap.label)
        }
        What::Spoke(text) => format!("the business writes {text:?} to {who}"),
        What::Status(status) => {
            let ours = status.send.map(|send| format!(", our {send}")).unwrap_or_default();
            format!("the message {} to {who}{ours}: {:?}", status.message, status.fate)
        }
        What::Moved(person) => format!("{who} is {} {} from now on", person.phone, person.user),
        other => format!("{who}: {}", other.kind()),
    };
    let at = event.at.map_or_else(|| "on arrival".to_owned(), |at| at.to_string());
    format!("{} {at} {what}  [{}]", event.line.as_deref().unwrap_or("-"), event.id.as_deref().unwrap_or("-"))
}

#[tokio::test]
async fn every_fixture_is_read_at_the_endpoint_as_the_manifest_says() {
    let (server, recorder) = server(standard(), Mind::Keeps, None).await;
    server.site.replace_hooks(hooks());
    let signatures: Value = serde_json::from_slice(&body("SIGNATURES.json")).expect("JSON");
    let (mut told, mut heard) = (String::new(), 0);
    for (name, request) in signatures["requests"].as_object().expect("requests").iter().filter(|(_, r)| r["method"] == "POST") {
        let url = url::Url::parse(request["url"].as_str().expect("an address")).expect("an address");
        let headers: Vec<(String, String)> = request["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().expect("text").to_owned()))
            .collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let file = name.split('#').next().expect("a file");
        let text = String::from_utf8(body(file)).expect("fixtures are text");
        let reply = server.ask(&format!("POST {}", &url[url::Position::BeforePath..]), &headers, &text).await;
        writeln!(told, "{name} -> {}", reply.status).expect("a string");
        for event in recorder.take() {
            writeln!(told, "    {}", sentence(&event)).expect("a string");
        }
        let groups = recorder.seen();
        for news in groups[heard..].iter().flatten().filter(|told| told.contains(" template ")) {
            writeln!(told, "    {news}").expect("a string");
        }
        heard = groups.len();
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/http/manifest.txt");
    #[allow(clippy::disallowed_methods)]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &told).expect("the golden file");
    }
    let was = std::fs::read_to_string(&golden).unwrap_or_default();
    for (line, (is, was)) in told.lines().zip(was.lines()).enumerate() {
        assert_eq!(is, was, "{}:{}; UPDATE_GOLDEN=1 rewrites it, then read the diff", golden.display(), line + 1);
    }
    assert_eq!(told.lines().count(), was.lines().count(), "{} has another length", golden.display());
}
