//! The audit trail of the real binary: each act of an operator is one line of the log, at any level, with who, what and what came of
//! it, and nothing personal. Not what the acts do.

use serde_json::{Value, json};

use super::planted::{NUMBER, TEXT, all, found};
use crate::whole::process::{Daemon, client};

/// Logged as sparsely as can be.
const CONFIGURATION: &str = r#"
[server]
listen = "127.0.0.1:0"
tokens.anas-laptop = { scopes = ["operate", "ingest"], file = "ana" }
tokens.grafana = { scopes = ["read"], file = "grafana" }
[store]
path = "data"
any_filesystem = true
[log]
level = "error"
format = "json"
[lines.support]
provider = "console"
flow = "onboarding"
phone = "5716000001"
[flows.onboarding]
enable_follow_up = true
"#;

fn home() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("config.toml"), CONFIGURATION).expect("a file");
    for name in ["ana", "grafana"] {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("CANARYSECRET-{name}")).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    dir
}

/// The lines of the trail: actor, method and route, about, status.
fn trail(log: &str) -> Vec<(String, String, String, u64)> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    lines
        .filter(|line| line["target"] == "reengaged::audit")
        .map(|line| {
            assert!(text(&line, "timestamp").ends_with('Z'), "each says when: {line}");
            let what = format!("{} {}", text(&line, "method"), text(&line, "route")).trim().to_owned();
            (text(&line, "actor"), what, text(&line, "about"), line["status"].as_u64().unwrap_or_default())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_acts_is_written_down_without_saying_on_whom() {
    let dir = home();
    let mut daemon = Daemon::start(dir.path());
    let client = client();
    let ask = |method: &str, path: &str, token: &str, body: Value| {
        let request = client.request(method.parse().expect("a method"), format!("{}{path}", daemon.base));
        let request = request.bearer_auth(format!("CANARYSECRET-{token}")).header("content-type", "application/json");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        async move {
            let answer = request.body(body).send().await.expect("an answer");
            let status = answer.status().as_u16();
            (status, answer.text().await.expect("a body"))
        }
    };
    let asked = json!({"type": "question", "conversation": format!("+{NUMBER}"), "to": format!("+{NUMBER}"), "question": {"text": TEXT}});
    let (status, answer) = ask("POST", "/v1/events", "ana", asked).await;
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let id = answer["conversation_id"].as_str().expect("an id").to_owned();
    let person = format!("/v1/conversations/%2B{NUMBER}");
    for (method, path, token, body, status) in [
        ("POST", format!("{person}/hold"), "ana", Value::Null, 200),
        ("POST", format!("{person}/postpone"), "ana", json!({"until": "2099-01-01T00:00:00Z"}), 200),
        ("POST", "/v1/pause".to_owned(), "ana", json!({"line": "support"}), 200),
        ("POST", "/v1/pause".to_owned(), "ana", json!({"line": NUMBER}), 422),
        ("POST", "/v1/resume".to_owned(), "ana", json!({}), 200),
        ("POST", "/v1/hooks/crm/replay".to_owned(), "ana", Value::Null, 404),
        ("POST", "/v1/fsck".to_owned(), "ana", Value::Null, 200),
        ("GET", person.clone(), "grafana", Value::Null, 200),
        ("DELETE", person.clone(), "grafana", Value::Null, 403),
        ("DELETE", person.clone(), "nobody", Value::Null, 401),
        ("DELETE", person.clone(), "ana", Value::Null, 200),
    ] {
        let (got, answer) = ask(method, &path, token, body).await;
        assert!(got == status || (status == 404 && got / 100 == 4), "{method} {path}: {got} {answer}");
    }
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let log = daemon.log();
    let told: Vec<String> = trail(&log)
        .into_iter()
        .map(|(actor, what, about, status)| format!("{actor}|{what}|{}|{status}", about.replace(&id, "ID")))
        .collect();
    let expected = [
        "anas-laptop|POST /v1/conversations/{id}/hold|ID|200",
        "anas-laptop|POST /v1/conversations/{id}/postpone|ID|200",
        "anas-laptop|POST /v1/pause|line support|200",
        "anas-laptop|POST /v1/pause||422",
        "anas-laptop|POST /v1/resume|all|200",
        "anas-laptop|POST /v1/hooks/{name}/replay||",
        "anas-laptop|POST /v1/fsck||200",
        "grafana|||0",
        "|||0",
        "anas-laptop|DELETE /v1/conversations/{id}|ID|200",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told} in place of {expected}");
    }
    assert!(log.contains("does not have the scope") && log.contains("a wrong token"), "{log}");
    assert_eq!(found(log.as_bytes(), &all()), None);
}
