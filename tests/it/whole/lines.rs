//! Real lines in the real binary: what their providers send is proved, read and kept, and what was missed is asked for.
//! Not what single webhooks mean: each reader has its own tests; and not what is sent.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;

use serde_json::{Value, json};

use super::process::{Daemon, client, get};
use crate::stub::{Mood, Stub, answer};

/// All four providers, named as the fixtures have them; nothing is sent, because nothing waits long enough.
fn configuration(api: &url::Url, secrets: &Path, signatures: &Value) -> String {
    let named = [
        ("app", "META_SECRET"),
        ("verify", "VERIFY_TOKEN"),
        ("twilio", "TWILIO_TOKEN"),
        ("truora", "TRUORA_SECRET"),
        ("gupshup", "GS_TOKEN"),
    ];
    for (file, name) in named {
        let path = secrets.join(file);
        std::fs::write(&path, signatures["secrets"][name].as_str().expect("a secret")).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
[store]
path = "data"
any_filesystem = true
[lines.whatsapp]
provider = "whatsapp_cloud"
api = "{api}"
phone_number_id = "106540352242922"
token_file = "app"
app_secret_file = "app"
verify_token_file = "verify"
daily = 250
[lines.gupshup]
provider = "gupshup"
api = "{api}"
phone = "5716000001"
api_key_file = "gupshup"
app = "DemoApp"
webhook_token_file = "gupshup"
daily = 250
[lines.twilio]
provider = "twilio"
api = "{api}"
phone = "5716000001"
account_sid = "AC0123456789abcdef0123456789abcdef"
auth_token_file = "twilio"
public_url = "https://reengaged.example.test/hooks/twilio/inbound"
status_callback = "https://reengaged.example.test/hooks/twilio/status"
forward_to = "{api}webhook"
daily = 250
[lines.truora]
provider = "truora"
api = "{api}"
api_key_file = "truora"
hook_secret_file = "truora"
[flows.onboarding]
enable_follow_up = true
session.template = "OTB0123456789abcdef0123456789abcdef"
"#
    )
}

fn directory(configuration: impl FnOnce(&Path) -> String) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("config.toml"), configuration(dir.path())).expect("a file");
    dir
}

fn signatures() -> Value {
    let text = std::fs::read_to_string(crate::shared().join("fixtures/SIGNATURES.json")).expect("the fixtures");
    serde_json::from_str(&text).expect("JSON")
}

/// Sends a fixture as its provider does; status and body.
async fn deliver(daemon: &Daemon, name: &str, request: &Value) -> (u16, String) {
    let url = url::Url::parse(request["url"].as_str().expect("an address")).expect("an address");
    let target = format!("{}{}{}", daemon.base, url.path(), url.query().map(|query| format!("?{query}")).unwrap_or_default());
    let file = name.split('#').next().unwrap_or_default();
    let mut sent = if request["method"] == "GET" {
        client().get(target)
    } else {
        let body = std::fs::read(crate::shared().join("fixtures").join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        client().post(target).body(body)
    };
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        sent = sent.header(name, value.as_str().expect("a value"));
    }
    let reply = sent.send().await.unwrap_or_else(|error| panic!("{name}: {error}"));
    (reply.status().as_u16(), reply.text().await.expect("a body"))
}

/// Every conversation, without what changes by itself.
async fn conversations(daemon: &Daemon) -> Vec<Value> {
    let (_, page) = get(&client(), &format!("{}/v1/conversations?limit=1000", daemon.base)).await;
    page["conversations"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fixture_is_taken_or_refused_as_its_signature_says() {
    let signatures = signatures();
    // The providers' APIs, where nothing is asked, and the bot of Twilio's line.
    let api = Stub::answering(200, "", "");
    let dir = directory(|dir| configuration(&api.url("/"), dir, &signatures));
    let mut daemon = Daemon::start(dir.path());
    let requests = signatures["requests"].as_object().expect("requests");
    let (mut taken, mut refused) = (0, 0);
    for (name, request) in requests.iter().filter(|(_, request)| request["method"].is_string()) {
        let (status, body) = deliver(&daemon, name, request).await;
        let expect = request["expect"].as_str().unwrap_or_default();
        let right = match expect {
            _ if name.contains("verify-get-ok") => (200, "1158201444"),
            _ if name.contains("verify-get-bad") => (403, body.as_str()),
            _ if name.contains("empty_body") => (400, body.as_str()),
            _ if expect.contains("reject") || name.contains("tampered") => (401, body.as_str()),
            _ => (200, ""),
        };
        assert_eq!((status, body.as_str()), right, "{name}: {expect}");
        assert!(status == 200 || body.contains("urn:reengaged:"), "{name}: {body}");
        *if status == 200 { &mut taken } else { &mut refused } += 1;
    }
    assert!(taken >= 45 && refused >= 5, "{taken} taken, {refused} refused");
    let before = conversations(&daemon).await;
    for line in ["whatsapp", "gupshup", "twilio"] {
        assert!(before.iter().any(|one| one["line"] == line), "nobody wrote on {line}: {before:?}");
    }

    let handed_on: Vec<String> = api.requests().iter().map(|request| request.head.lines().next().unwrap_or_default().to_owned()).collect();
    let proved = requests.iter().filter(|(name, request)| name.starts_with("twilio/") && request["expect"] != "reject, no state change");
    let expected = proved.filter(|(_, request)| request["method"] == "POST").map(|(_, request)| {
        let path = request["url"].as_str().and_then(|url| url.split("/hooks/twilio").nth(1)).expect("an address of Twilio's line");
        format!("POST /webhook{path} HTTP/1.1")
    });
    assert_eq!(handed_on, expected.collect::<Vec<_>>(), "what is proved is handed on, and nothing else is called");

    // A week-old batch of everything, after a restart and in another order, changes nothing.
    daemon.signal("TERM");
    assert!(daemon.wait().success(), "{}", daemon.log());
    let daemon = Daemon::start(dir.path());
    for (name, request) in requests.iter().rev().filter(|(_, request)| request["method"].is_string()) {
        deliver(&daemon, name, request).await;
    }
    assert_eq!(conversations(&daemon).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_wrote_while_it_was_down_is_asked_for_where_nobody_sends_it_again() {
    let signatures = signatures();
    let asked = |request: &crate::stub::Request| {
        request.head.starts_with("GET /2010-04-01/Accounts/AC") && request.head.contains("/Messages.json?")
    };
    let failures = std::sync::atomic::AtomicUsize::new(1);
    let twilio = Stub::new(Mood::Decide(std::sync::Arc::new(move |request| {
        if !asked(request) || failures.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return answer(500, "", "{}");
        }
        let message = |sid: &str, minutes: i64, text: &str| {
            let at = chrono::DateTime::from_timestamp_millis(reengaged::clock::Clock::system().wall().plus(-minutes * 1_000).0);
            json!({
                "sid": sid, "direction": "inbound", "from": "whatsapp:+573001112233", "to": "whatsapp:+5716000001",
                "body": text, "date_sent": at.expect("now").to_rfc2822(), "status": "received"
            })
        };
        // The newest first, as the list has it.
        let page = json!({"messages": [message("SM2", 5, "sigo aquí"), message("SM1", 9, "hola")], "next_page_uri": null});
        answer(200, "content-type: application/json", &page.to_string())
    })));
    let dir = directory(|dir| configuration(&twilio.url("/"), dir, &signatures));
    let mut daemon = Daemon::start(dir.path());
    assert_eq!(conversations(&daemon).await, Vec::<Value>::new());
    assert_eq!(twilio.connections(), 0, "where nothing was known before, nothing was missed");
    daemon.signal("TERM");
    assert!(daemon.wait().success(), "{}", daemon.log());

    let daemon = Daemon::start(dir.path());
    // The first question fails, and is asked again.
    twilio.wait_for(2);
    let mut found = Vec::new();
    while found.is_empty() {
        found = conversations(&daemon).await;
    }
    assert_eq!((found.len(), &found[0]["line"], &found[0]["state"]), (1, &json!("twilio"), &json!("quiet")));
    let (_, shown) =
        get(&client(), &format!("{}/v1/conversations/{}/explain", daemon.base, found[0]["conversation_id"].as_str().expect("an id"))).await;
    assert_eq!(shown["decisions"].as_array().map(Vec::len), Some(2), "both messages, in the order of time: {shown}");
}
