//! JSON as nobody means it, in bodies that prove themselves: no reader stumbles, and nothing of it becomes somebody's word. And texts as
//! nobody writes them: the log of the real binary stays one line for each thing that it says.
//!
//! Not random bytes: `provider_contract` and the fuzzer have those.

use reengaged::engine::heard::Item;
use reengaged::engine::ports::{Inbox, Webhook};
use reengaged::provider::remote::Key;
use reengaged::provider::{gupshup, truora, whatsapp};
use serde_json::{Value, json};

use crate::whole::process::{Daemon, client, post};

fn inboxes() -> Vec<(&'static str, Box<dyn Inbox>)> {
    let url = |text: &str| text.parse().expect("a URL");
    let meta = whatsapp::Reader::new(&whatsapp::Settings {
        waba_id: None,
        api: url("https://graph.facebook.com/v25.0"),
        phone_number_id: "106540352242922".into(),
        token: Key::new("token"),
        app_secrets: vec![Key::new("secret")],
        verify_tokens: vec![Key::new("word")],
        template_language: "es".into(),
        reactions: true,
        user_id_field: None,
    });
    let gupshup = gupshup::Reader::new(&gupshup::Settings {
        approvals: None,
        api: url("https://api.gupshup.io"),
        api_key: Key::new("key"),
        app: "DemoApp".into(),
        phone: "5716000001".into(),
        proof: gupshup::Proof { tokens: vec![Key::new("token")], ..gupshup::Proof::default() },
        reactions: true,
    });
    let truora = truora::Reader::new(&truora::Settings {
        api: url("https://api.connect.truora.com"),
        api_key: Key::new("key"),
        hook_secrets: vec![Key::new("secret")],
        hook_algorithm: truora::HookAlgorithm::Hs256,
        flow_id: None,
        flows: Vec::new(),
    });
    vec![
        ("whatsapp", Box::new(meta.expect("a reader"))),
        ("gupshup", Box::new(gupshup.expect("a reader"))),
        ("truora", Box::new(truora.expect("a reader"))),
    ]
}

/// A message of Meta's shape whose parts are as they are given.
fn message(id: &str, body: &str, timestamp: &str) -> String {
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{"messaging_product":"whatsapp",
        "metadata":{{"phone_number_id":"106540352242922"}},"contacts":[{{"wa_id":"573001112233"}}],
        "messages":[{{"from":"573001112233","id":{id},"timestamp":{timestamp},"type":"text","text":{{"body":{body}}}}}]}}}}]}}]}}"#
    )
}

#[test]
fn no_shape_of_json_makes_a_reader_stumble() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    let right = message("\"wamid.1\"", "\"hola\"", "\"1772404200\"");
    let bodies = [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        deep("{\"entry\":[", "]}"),
        "[".repeat(100_000),
        message("\"wamid.1\"", &deep("[", "]"), "\"1\""),
        message("\"wamid.1\"", "\"\\ud800\"", "\"1\""),
        message("\"wamid.1\"", "\"\\u0000\"", "\"1\""),
        message("\"wamid.1\"", "NaN", "\"1\""),
        message("123456789012345678901234567890", "\"a\"", "1e999"),
        message("\"wamid.1\"", "\"a\"", "99999999999999999999999999"),
        message("\"wamid.1\"", "\"a\"", "-1"),
        message("null", "null", "null"),
        right.replace("\"type\":\"text\"", "\"type\":\"text\",\"type\":\"image\",\"from\":\"1\",\"id\":\"other\""),
        format!("\u{feff}{right}"),
        format!("{right}\0"),
        format!("{right}{right}"),
        "\"\\u0000\"".to_owned(),
        String::new(),
    ];
    for (name, inbox) in inboxes() {
        for body in &bodies {
            let hook = Webhook { target: "/hooks/line", headers: &[], peer: None, body: body.as_bytes() };
            let said = inbox.read(&hook);
            for item in said.iter().flatten() {
                let Item::Event(heard) = item else { continue };
                assert!(!heard.id.is_empty() && heard.id.len() <= reengaged::limits::EVENT_ID_BYTES, "{name}: {body:.200}");
            }
        }
        // Bytes that are no text at all.
        let mut bytes = right.clone().into_bytes();
        bytes[40] = 0xff;
        assert!(inbox.read(&Webhook { target: "/hooks/line", headers: &[], peer: None, body: &bytes }).is_err(), "{name}");
    }
    let (_, meta) = inboxes().remove(0);
    let read = meta.read(&Webhook { target: "/hooks/line", headers: &[], peer: None, body: right.as_bytes() });
    assert!(read.is_ok_and(|items| items.iter().any(|item| matches!(item, Item::Event(_)))), "the right one is one");
}

const HOSTILE: [&str; 6] = [
    "one\ntwo\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "%n%s%d{} ${jndi:ldap://x} $(reboot) `reboot`",
    "\u{202e}txet\u{2066}\u{200b}\u{feff}",
    "<script>alert(1)</script>' OR 1=1 --",
    "👩‍👩‍👧‍👦",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_text_is_not_in_the_log_and_a_line_stays_a_line() {
    for format in ["json", "human"] {
        let dir = tempfile::tempdir().expect("a directory");
        let configuration = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"data\"\nany_filesystem = true\n[log]\nlevel = \"trace\"\nformat = \"{format}\"\n\
             [lines.support]\nprovider = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\nsecret_env = \"REENGAGED_TEST_SECRET\"\nflow = \"onboarding\"\n\
             [flows.onboarding]\nenable_follow_up = true\nfollow_up_delay = 30\nstart_business_hours = \"00:00\"\nend_business_hours = \"00:00\"\n"
        );
        std::fs::write(dir.path().join("config.toml"), configuration).expect("a file");
        let mut daemon = Daemon::start(dir.path());
        let (client, url) = (client(), format!("{}/v1/events", daemon.base));
        let at = reengaged::clock::Clock::system().wall().plus(-31 * reengaged::moment::MINUTE).to_string();
        for (n, text) in HOSTILE.iter().enumerate() {
            for event in [
                json!({"type": "user_message", "id": format!("m{n}"), "conversation": format!("c{n}"), "text": text}),
                json!({"type": "question", "conversation": format!("c{n}"), "at": at, "question": {"text": text, "payload": text}}),
                json!({"type": "question", "conversation": text, "at": at, "question": {"text": text}, "vars": {"v": text}}),
                json!({"type": text, "conversation": text, "line": text, "flow": text}),
                json!({"type": "hold", "conversation": "c", "line": text, "flow": text}),
            ] {
                let (status, _) = post(&client, &url, &event).await.expect("an answer");
                assert!(status < 500, "{event}");
            }
        }
        let long = json!({"type": "user_message", "conversation": "c0", "text": "👋".repeat(300_000)});
        assert_eq!(post(&client, &url, &long).await.map_or(413, |(status, _)| status), 413);
        daemon.signal("TERM");
        assert!(daemon.wait().success(), "{}", daemon.log());
        let log = daemon.log();
        for piece in ["forged", "\u{1b}", "\u{7}", "jndi", "\u{202e}", "<script>", "👩", "👋", "\r"] {
            assert!(!log.contains(piece), "{piece:?} is in the log");
        }
        for line in log.lines() {
            let whole = if format == "json" { serde_json::from_str::<Value>(line).is_ok() } else { line.starts_with("20") };
            assert!(whole, "a line that is none of ours: {line}");
        }
        assert!(log.lines().count() > HOSTILE.len() * 5, "{log}");
    }
}
