//! Erased means gone: from every answer, from the ledger, from the backup made afterwards, and from the disk once the database is made
//! anew from that backup; what stays is a keyed hash that still keeps the person from being written to.
//!
//! Not the decision: `tests/scenarios` has what comes of an opt-out. Until the database is made anew, sled's file keeps old pages: see
//! SECURITY.md.

use std::path::Path;
use std::time::Duration;

use reengaged::clock::Clock;
use reengaged::moment::MINUTE;
use serde_json::{Value, json};

use super::planted::{NUMBER, TEXT, files, found, number};
use crate::stub::Stub;
use crate::whole::process::{Daemon, client, get, post, verb};

fn configuration(receiver: &Stub) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
[store]
path = "data"
any_filesystem = true
[lines.support]
provider = "webhook"
url = "{}"
secret_env = "REENGAGED_TEST_SECRET"
flow = "onboarding"
[flows.onboarding]
enable_follow_up = true
follow_up_delay = 30
start_business_hours = "00:00"
end_business_hours = "00:00"
[hooks.crm]
url = "{}"
secret_env = "REENGAGED_TEST_SECRET"
allow_private = true
"#,
        receiver.url("/message"),
        receiver.url("/hook")
    )
}

async fn told(daemon: &Daemon, event: &Value) -> Value {
    let (status, answer) = post(&client(), &format!("{}/v1/events", daemon.base), event).await.expect("an answer");
    assert_eq!(status, 200, "{answer}");
    answer
}

fn asked(id: &str) -> Value {
    let at = Clock::system().wall().plus(-31 * MINUTE).to_string();
    json!({"type": "question", "id": id, "conversation": format!("{TEXT} +{NUMBER}"), "to": format!("+{NUMBER}"), "at": at,
        "question": {"id": "q", "text": format!("{TEXT}?"), "payload": {"of": TEXT}}, "vars": {"name": TEXT}, "attributes": {"note": TEXT}})
}

/// Erases, once no call is under way to the person.
async fn erase(daemon: &Daemon, name: &str) {
    for _ in 0..10_000 {
        let erased = client().delete(format!("{}/v1/conversations/{name}", daemon.base)).send().await.expect("an answer");
        match erased.status().as_u16() {
            200 => return,
            409 => tokio::task::yield_now().await,
            other => panic!("erasing: {other}"),
        }
    }
    panic!("a call to the person never ends");
}

/// What is found of the person in the files beneath a directory.
fn traces(dir: &Path) -> Vec<String> {
    let canaries: Vec<&str> = number().into_iter().chain([TEXT]).collect();
    let found = files(dir).into_iter().filter_map(|(name, bytes)| found(&bytes, &canaries).map(|_| name));
    found.collect()
}

/// A life with everything in it: asked, followed up, answered, told to hooks, asked again, opted out.
async fn life(daemon: &Daemon, receiver: &Stub) {
    told(daemon, &asked("q1")).await;
    receiver.wait_for(1);
    while receiver.requests().iter().filter(|request| request.target() == "/message").count() < 1 {
        receiver.has_within(receiver.requests().len() + 1, Duration::from_secs(20));
    }
    let person = format!("{TEXT} +{NUMBER}");
    told(daemon, &json!({"type": "answer", "conversation": person, "choice": "yes"})).await;
    told(daemon, &json!({"type": "user_message", "conversation": person, "text": TEXT})).await;
    told(daemon, &json!({"type": "question", "conversation": person, "question": {"text": format!("{TEXT} again?")}})).await;
    told(daemon, &json!({"type": "opt_out", "conversation": person})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erased_is_gone_but_for_the_hash_of_the_opt_out() {
    let receiver = Stub::answering(200, "", "ok");
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("config.toml"), configuration(&receiver)).expect("a file");
    let mut daemon = Daemon::start(dir.path());
    life(&daemon, &receiver).await;
    // Somebody else stays.
    told(&daemon, &json!({"type": "question", "conversation": "somebody-else", "line": "support", "question": {"text": "STAYSHERE"}}))
        .await;
    let name = format!("{TEXT}%20%2B{NUMBER}");
    erase(&daemon, &name).await;

    let canaries: Vec<&str> = number().into_iter().chain([TEXT]).collect();
    for path in ["/v1/conversations", "/v1/doubts", "/v1/hooks/dead", "/v1/schedule/upcoming?late=true", "/metrics"] {
        let (status, answer) = get(&client(), &format!("{}{path}", daemon.base)).await;
        assert_eq!((status, found(answer.to_string().as_bytes(), &canaries)), (200, None), "{path}");
    }
    for path in ["", "/explain"] {
        let (status, answer) = get(&client(), &format!("{}/v1/conversations/{name}{path}", daemon.base)).await;
        assert_eq!(status, 404, "{answer}");
    }
    // The event that began it, delivered once more, brings nobody back; and nothing new reaches who has opted out.
    let (status, answer) = post(&client(), &format!("{}/v1/events", daemon.base), &asked("q1")).await.expect("an answer");
    assert!(status == 200 && answer["due_at"].is_null() && answer["ignored"].is_string(), "{answer}");
    let again = told(&daemon, &asked("q2")).await;
    assert!(again["due_at"].is_null(), "{again}");
    erase(&daemon, &name).await;

    let backup = dir.path().join("backup");
    let to = backup.to_str().expect("text").to_owned();
    let backed = tokio::task::block_in_place(|| verb(dir.path(), &["backup", &to, "--url", &daemon.base.clone()]));
    assert_eq!(backed.0, 0, "{backed:?}");
    let bytes = std::fs::read(&backup).expect("the backup");
    assert_eq!(found(&bytes, &canaries), None, "a backup made after it has nothing of it");
    assert!(found(&bytes, &["STAYSHERE"]).is_some(), "and the rest of it");
    assert_eq!(traces(&dir.path().join("data/ledger")), Vec::<String>::new(), "the ledger never had any");

    daemon.signal("TERM");
    assert!(daemon.wait().success(), "{}", daemon.log());
    let lingering = traces(&dir.path().join("data"));
    // The truth that SECURITY.md tells. What was erased before its changes were folded was never in sled's pages; the log's file is gone.
    assert!(lingering.iter().all(|path| path.ends_with("/store/db")), "sled's own pages, and nothing else, may linger: {lingering:?}");

    // Made anew from the backup, the database has no old pages.
    std::fs::create_dir(dir.path().join("old")).expect("a directory");
    for part in std::fs::read_dir(dir.path().join("data")).expect("the store").map(|entry| entry.expect("an entry")) {
        if !["ledger", "lock"].contains(&part.file_name().to_str().expect("text")) {
            std::fs::rename(part.path(), dir.path().join("old").join(part.file_name())).expect("it can be moved");
        }
    }
    let restored = tokio::task::block_in_place(|| verb(dir.path(), &["restore", &to]));
    assert_eq!(restored.0, 0, "{restored:?}");
    assert_eq!(traces(&dir.path().join("data")), Vec::<String>::new());
    let daemon = Daemon::start(dir.path());
    let (status, _) = get(&client(), &format!("{}/v1/conversations/somebody-else", daemon.base)).await;
    assert_eq!(status, 200);
    post(&client(), &format!("{}/v1/resume", daemon.base), &json!({})).await.expect("an answer");
    let after = told(&daemon, &asked("q3")).await;
    assert!(after["due_at"].is_null(), "the opt-out outlives the rewriting: {after}");
    assert_eq!(
        receiver.requests().iter().filter(|request| request.target() == "/message").count(),
        2,
        "the follow-up and the answer to yes"
    );
}
