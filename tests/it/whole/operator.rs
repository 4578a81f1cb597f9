//! What operators and their machines do to the daemon: a secret that changes, an output that nobody reads, a host in another zone, events
//! that come a thousand times at once, names made to hurt. Not starts and stops (`life`), and not faults of the disk.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use reengaged::shapes::signature::{self, Signed, SigningKey};
use serde_json::{Value, json};

use super::faults::directory;
use super::process::{Daemon, SECRET, client, get, post};
use super::receiver::Receiver;
use crate::stub::{Request, Stub};

fn asked(conversation: &str, id: &str) -> Value {
    let at = reengaged::clock::Clock::system().wall().plus(-31 * reengaged::moment::MINUTE);
    json!({"type": "question", "id": id, "conversation": conversation, "at": at.to_string(), "question": {"text": "Your name?"}})
}

fn write_secret(path: &Path, secret: &str) {
    std::fs::write(path, secret).expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
}

/// Whether a request was signed with this secret.
fn signed_with(request: &Request, secret: &str) -> bool {
    let text = |name: &str| request.header(name).to_owned();
    let signed = Signed { id: text("webhook-id"), timestamp: text("webhook-timestamp"), signature: text("webhook-signature") };
    let now = reengaged::clock::Clock::system().wall();
    signature::verify(&[SigningKey::read(secret).expect("a secret")], &signed, &request.body, now).is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_changed_is_in_force_after_a_reload() {
    const NEW: &str = "whsec_bmV3IHNlY3JldCBvZiB0aGUgbGluZSwgMzI=";
    let stub = Stub::answering(200, "", "{}");
    let dir = directory(stub.url("/message").as_str(), "", "", "");
    let file = dir.path().join("config.toml");
    let configuration = std::fs::read_to_string(&file).expect("it was written");
    let (by_name, by_file) = ("secret_env = \"REENGAGED_TEST_SECRET\"", "secret_file = \"secret\"");
    assert!(configuration.contains(by_name));
    std::fs::write(&file, configuration.replace(by_name, by_file)).expect("a file");
    write_secret(&dir.path().join("secret"), SECRET);
    let mut daemon = Daemon::start(dir.path());
    let url = format!("{}/v1/events", daemon.base);
    assert_eq!(post(&client(), &url, &asked("ana", "1")).await.expect("an answer").0, 200);
    stub.wait_for(1);
    write_secret(&dir.path().join("secret"), NEW);
    daemon.signal("HUP");
    daemon.wait_notified("read again");
    assert_eq!(post(&client(), &url, &asked("beto", "2")).await.expect("an answer").0, 200);
    stub.wait_for(2);
    let requests = stub.requests();
    assert!(signed_with(&requests[0], SECRET) && !signed_with(&requests[0], NEW));
    assert!(signed_with(&requests[1], NEW) && !signed_with(&requests[1], SECRET));
    // A secret that others may read is refused, and the one in force stays.
    std::fs::set_permissions(dir.path().join("secret"), std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    daemon.signal("HUP");
    daemon.wait_notified("has mistakes");
    assert_eq!(post(&client(), &url, &asked("carla", "3")).await.expect("an answer").0, 200);
    stub.wait_for(3);
    assert!(signed_with(&stub.requests()[2], NEW));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_that_nobody_reads_costs_nothing() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let socket = dir.path().join("notify.sock");
    let notify = UnixDatagram::bind(&socket).expect("a socket");
    notify.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let mut child = Command::new(env!("CARGO_BIN_EXE_reengaged"))
        .arg("serve")
        .arg("--config")
        .arg(dir.path().join("config.toml"))
        .env("NOTIFY_SOCKET", &socket)
        .env("REENGAGED_TEST_SECRET", SECRET)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // Nobody holds the other ends: whatever it writes is an error from now on.
    drop((child.stdout.take(), child.stderr.take()));
    let base = loop {
        let mut buffer = [0; 4_096];
        let n = notify.recv(&mut buffer).expect("it starts");
        let message = String::from_utf8_lossy(&buffer[..n]).into_owned();
        if let Some((_, rest)) = message.split_once("listening at ") {
            break format!("http://{}", rest.split_whitespace().next().expect("an address"));
        }
    };
    for (number, name) in ["ana", "beto", "carla"].into_iter().enumerate() {
        let (status, _) = post(&client(), &format!("{base}/v1/events"), &asked(name, &number.to_string())).await.expect("an answer");
        assert_eq!(status, 200);
    }
    receiver.reached(3).await;
    assert!(child.try_wait().expect("it can be asked").is_none(), "it goes on");
    let killed = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill is there");
    assert!(killed.success() && child.wait().expect("it ends").success());
}

#[test]
fn the_zone_of_the_host_changes_nothing() {
    let requests = crate::shared().join("vectors/requests.jsonl");
    let plan = |zone: &str| {
        let input = std::fs::File::open(&requests).expect("the vectors");
        let output = Command::new(env!("CARGO_BIN_EXE_reengaged")).arg("plan").env("TZ", zone).stdin(input).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let utc = plan("UTC");
    assert!(utc.len() > 100_000);
    for zone in ["America/St_Johns", "Pacific/Apia", "Asia/Kathmandu", "nonsense"] {
        assert!(plan(zone) == utc, "TZ={zone} plans otherwise");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_copies_of_an_event_at_once_are_one() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let daemon = Daemon::start(dir.path());
    let (event, url) = (asked("ana", "the-same"), format!("{}/v1/events", daemon.base));
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (client, event, url) = (client(), event.clone(), url.clone());
        lanes.spawn(async move {
            let mut duplicates = 0;
            for _ in 0..20 {
                let (status, answer) = post(&client, &url, &event).await.expect("an answer");
                assert_eq!(status, 200, "{answer}");
                duplicates += usize::from(answer["ignored"] == "duplicate");
            }
            duplicates
        });
    }
    let duplicates: usize = lanes.join_all().await.into_iter().sum();
    assert_eq!(duplicates, 999, "one of them was the first");
    receiver.reached(1).await;
    // Somebody behind them: whatever the copies could have sent has been sent by then.
    post(&client(), &url, &asked("beto", "another")).await.expect("an answer");
    receiver.reached(2).await;
    assert!(receiver.received().values().all(|bodies| bodies.len() == 1) && receiver.count() == 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_of_a_caller_becomes_a_figure() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let daemon = Daemon::start(dir.path());
    let figures = async || client().get(format!("{}/metrics", daemon.base)).send().await.expect("an answer").text().await.expect("a text");
    let url = format!("{}/v1/events", daemon.base);
    post(&client(), &url, &asked("first", "0")).await.expect("an answer");
    receiver.reached(1).await;
    let before = figures().await;
    for number in 0..200 {
        let breaks = number % 2 == 0;
        let name = format!("hurt-{number}\"}}{}# {{x=\"1\"}} 1e999", if breaks { '\n' } else { ' ' });
        let (status, answer) = post(&client(), &url, &asked(&name, &format!("id-{number}\"}}"))).await.expect("an answer");
        assert_eq!(status, if breaks { 422 } else { 200 }, "{answer}");
    }
    let after = figures().await;
    assert!(!after.contains("hurt-"), "{after}");
    // Another state, another status: what is counted by a label has a closed list of values.
    assert!(after.lines().count() <= before.lines().count() + 20, "{after}");
    let families: Vec<&str> = after.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let distinct: std::collections::BTreeSet<&&str> = families.iter().collect();
    assert_eq!(families.len(), distinct.len(), "each figure is told under a name of its own: {families:?}");
    let (status, _) = get(&client(), &format!("{}/healthz", daemon.base)).await;
    assert_eq!(status, 200);
}
