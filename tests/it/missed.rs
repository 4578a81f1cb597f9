//! What arrived while nobody listened, over real sockets: the pages of Twilio's list of messages.
//!
//! Not the reading of a page: that stands beside the provider.

use std::sync::Arc;
use std::time::Duration;

use reengaged::engine::heard::Item;
use reengaged::moment::Moment;
use reengaged::provider::remote::Key;
use reengaged::provider::{self, truora, twilio};
use serde_json::json;

use crate::stub::{self, Mood, Stub};

const SINCE: &str = "2026-09-14T16:00:00Z";

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What a line of Twilio at this stub has missed since [`SINCE`].
fn missed(stub: &Stub) -> Result<Vec<Item>, String> {
    let settings = twilio::Settings {
        api: stub.url("/"),
        content_api: "https://content.twilio.com".parse().unwrap(),
        account_sid: "AC1".into(),
        auth_tokens: vec![Key::new("token")],
        phone: "5716000001".into(),
        messaging_service_sid: None,
        public_url: "https://reengaged.example.test/hooks/twilio".parse().unwrap(),
        status_callback: None,
        quick_reply: None,
    };
    let built = provider::build(provider::Settings::Twilio(settings, Duration::from_secs(10))).unwrap();
    run(built.provider.missed(Moment::parse(SINCE).unwrap()).expect("Twilio redelivers nothing"))
}

fn message(n: usize, text: &str) -> serde_json::Value {
    json!({"sid": format!("SM{n}"), "direction": "inbound", "from": "whatsapp:+573181230000", "to": "whatsapp:+5716000001",
        "body": text, "date_sent": "Mon, 14 Sep 2026 17:00:00 +0000"})
}

/// The ids of the messages, in order.
fn ids(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| if let Item::Event(heard) = item { heard.id.as_str() } else { "?" }).collect()
}

#[test]
fn all_pages_are_read_and_long_ones_whole() {
    let stub = Stub::new(Mood::Decide(Arc::new(|request| {
        let second = request.line().contains("PageToken=PA1");
        // Longer than any answer to a send may be.
        let messages: Vec<_> = if second { vec![message(101, "b")] } else { (1..=100).map(|n| message(n, &"ñ".repeat(1_600))).collect() };
        let next = if second { json!(null) } else { json!("/2010-04-01/Accounts/AC1/Messages.json?PageToken=PA1") };
        stub::answer(200, "", &json!({"messages": messages, "next_page_uri": next}).to_string())
    })));
    let items = missed(&stub).unwrap();
    assert_eq!(items.len(), 101);
    assert_eq!(ids(&items)[..2], ["SM1", "SM2"]);
    assert_eq!(ids(&items)[100], "SM101");

    let [first, second] = stub.requests().try_into().unwrap_or_else(|all: Vec<_>| panic!("{} requests", all.len()));
    assert!(first.line().starts_with("GET /2010-04-01/Accounts/AC1/Messages.json?To=whatsapp%3A%2B5716000001&DateSent%3E=2026-09-14T15"));
    assert!(second.line().starts_with("GET /2010-04-01/Accounts/AC1/Messages.json?PageToken=PA1 "));
    assert!([first, second].iter().all(|request| request.header("authorization").starts_with("Basic ")));
}

#[test]
fn a_page_that_cannot_be_read_or_leads_away_is_told() {
    for (answer, told) in [
        (stub::answer(401, "", r#"{"code":20003,"message":"secret"}"#), "HTTP 401, error 20003: credentials not valid"),
        (stub::answer(200, "", "<html>"), "a page of the list of messages is no such JSON, or was cut short"),
        (stub::answer(200, "", r#"{"messages":[],"next_page_uri":"https://evil.test/x"}"#), "the list of messages goes on at another host"),
        (stub::answer(302, "location: https://evil.test/", ""), "HTTP 302"),
    ] {
        let stub = Stub::new(Mood::Answer(answer));
        let why = missed(&stub).unwrap_err();
        assert!(why.starts_with(told), "{why}");
        assert_eq!(stub.requests().len(), 1);
    }
}

#[test]
fn a_list_without_end_is_given_up() {
    let next = r#"{"messages":[],"next_page_uri":"/again"}"#;
    let stub = Stub::new(Mood::Answer(stub::answer(200, "", next)));
    assert!(missed(&stub).unwrap_err().contains("more than 100 pages"));
    assert_eq!(stub.requests().len(), 100);
}

#[test]
fn a_provider_that_redelivers_is_asked_for_nothing() {
    let settings = truora::Settings {
        api: "https://api.connect.truora.com".parse().unwrap(),
        api_key: Key::new("key"),
        hook_secrets: vec![Key::new("secret")],
        hook_algorithm: truora::HookAlgorithm::Hs256,
        flow_id: None,
        flows: Vec::new(),
    };
    let built = provider::build(provider::Settings::Truora(settings, Duration::from_secs(10))).unwrap();
    assert!(built.provider.missed(Moment(0)).is_none() && built.provider.probe().is_none());
}
