//! Backup, restore and check with the real binary: a backup under load is whole; restored, nothing is sent before `resume`, and
//! nothing that was sent is sent again.
//!
//! Not what a backup holds: that is `store_backup.rs`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{Daemon, client, get, post, verb};
use super::receiver::Receiver;

fn configuration(receiver: &str, maintenance: &str) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
[store]
path = "data"
any_filesystem = true
{maintenance}
[lines.support]
provider = "webhook"
url = "{receiver}"
secret_env = "REENGAGED_TEST_SECRET"
flow = "onboarding"
catch_up_wait = "0s"
[flows.onboarding]
enable_follow_up = true
follow_up_delay = 30
start_business_hours = "00:00"
end_business_hours = "00:00"
"#
    )
}

fn home(configuration: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("config.toml"), configuration).expect("a file");
    dir
}

fn question(n: usize, minutes_ago: i64) -> Value {
    let at = reengaged::clock::Clock::system().wall().plus(-minutes_ago * reengaged::moment::MINUTE);
    json!({"type": "question", "id": format!("q-{n}"), "conversation": format!("person-{n}"), "at": at.to_string(),
        "question": {"id": "name", "text": "What is your name?"}})
}

async fn tell(daemon: &Daemon, numbers: std::ops::Range<usize>, minutes_ago: i64) {
    let client = client();
    for n in numbers {
        let (status, body) = post(&client, &format!("{}/v1/events", daemon.base), &question(n, minutes_ago)).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
    }
}

fn move_all_but_the_ledger(data: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(data).expect("the store").map(|entry| entry.expect("an entry")) {
        if entry.file_name() != "ledger" && entry.file_name() != "lock" {
            std::fs::rename(entry.path(), to.join(entry.file_name())).expect("it can be moved");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_restored_sends_nothing_twice_and_nothing_before_resume() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = home(&configuration(&receiver.url, ""));
    let mut daemon = Daemon::start(dir.path());
    tell(&daemon, 0..40, 1).await;
    tell(&daemon, 100..120, 31).await;
    receiver.reached(10).await;
    let dest = dir.path().join("backup");
    let to = dest.to_str().expect("text");
    let url = daemon.base.clone();
    // The backup is made while events come in.
    let (backed, ()) = tokio::join!(
        async { tokio::task::block_in_place(|| verb(dir.path(), &["backup", to, "--url", &url])) },
        tell(&daemon, 200..260, 31)
    );
    assert_eq!((backed.0, backed.1.contains("is written")), (0, true), "{backed:?}");
    let again = verb(dir.path(), &["backup", to, "--url", &url]);
    assert!(again.0 == 1 && again.2.contains("not overwritten"), "{again:?}");
    receiver.reached(80).await;
    let sent: BTreeSet<String> = receiver.received().into_keys().collect();
    daemon.signal("TERM");
    assert!(daemon.wait().success());

    let refused = verb(dir.path(), &["restore", to]);
    assert!(refused.0 == 2 && refused.2.contains("move all but ledger/ away"), "{refused:?}");
    move_all_but_the_ledger(&dir.path().join("data"), &dir.path().join("old"));
    let restored = verb(dir.path(), &["restore", to]);
    assert_eq!(restored.0, 0, "{restored:?}");
    assert!(restored.1.contains("the ledger in place knows 80 sends") && restored.1.contains("starts held"), "{restored:?}");

    let daemon = Daemon::start(dir.path());
    let client = client();
    for n in (0..40).chain(100..120) {
        let (status, shown) = get(&client, &format!("{}/v1/conversations/person-{n}", daemon.base)).await;
        assert_eq!(status, 200, "person-{n} was acknowledged before the backup began: {shown}");
    }
    tell(&daemon, 300..301, 31).await;
    let (_, standing) = post(&client, &format!("{}/v1/pause", daemon.base), &json!({"flow": "onboarding"})).await.expect("an answer");
    assert!(standing["held"].as_str().is_some_and(|why| why.contains("backup")), "{standing}");
    post(&client, &format!("{}/v1/resume", daemon.base), &json!({"flow": "onboarding"})).await.expect("an answer");
    assert_eq!(receiver.count(), 80, "held: nothing is sent");
    post(&client, &format!("{}/v1/resume", daemon.base), &json!({})).await.expect("an answer");
    receiver.reached(81).await;
    for (send, bodies) in receiver.received() {
        assert_eq!(bodies.len(), 1, "{send} was handed over {} times", bodies.len());
        assert!(sent.contains(&send) || bodies[0]["data"]["conversation"] == "person-300", "{bodies:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_run_beside_the_daemon_and_see_more_at_rest() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = home(&configuration(&receiver.url, ""));
    let none = verb(dir.path(), &["fsck"]);
    assert!(none.0 == 78 && none.2.contains("there is no store"), "{none:?}");
    let mut daemon = Daemon::start(dir.path());
    tell(&daemon, 0..30, 31).await;
    receiver.reached(30).await;
    let running = verb(dir.path(), &["fsck", "--url", &daemon.base.clone()]);
    assert!(running.0 == 0 && running.1.contains("stop it and run this again"), "{running:?}");
    let locked = verb(dir.path(), &["fsck"]);
    assert!(locked.0 == 75 && locked.2.contains("locked by pid"), "{locked:?}");
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let rest = verb(dir.path(), &["fsck"]);
    assert!(rest.0 == 0 && rest.1.contains("all of them are what was written"), "{rest:?}");
    // At rest a backup is made by the verb itself.
    let dest = dir.path().join("backup");
    let backed = verb(dir.path(), &["backup", dest.to_str().expect("text"), "--json"]);
    let told: Value = serde_json::from_str(&backed.1).expect("JSON");
    assert_eq!((backed.0, &told["state"]), (0, &json!("fine")), "{backed:?}");

    let ledger = dir.path().join("data/ledger/0000000001.ledger");
    let mut bytes = std::fs::read(&ledger).expect("the ledger");
    bytes[64 * 5 + 3] ^= 1;
    std::fs::write(&ledger, bytes).expect("a file");
    let damaged = verb(dir.path(), &["fsck"]);
    assert!(damaged.0 == 78 && damaged.2.contains("0000000001.ledger byte 320") && damaged.2.contains("--accept-loss"), "{damaged:?}");
    let mut refused = Daemon::spawn(dir.path(), &[]);
    assert_eq!(refused.wait().code(), Some(78));
    let mut accepted = Daemon::spawn(dir.path(), &["--accept-loss"]);
    accepted.wait_ready();
    assert!(accepted.log().contains("0000000001.ledger byte 320"), "{}", accepted.log());
    let (_, standing) = post(&client(), &format!("{}/v1/pause", accepted.base), &json!({"flow": "onboarding"})).await.expect("an answer");
    assert!(standing["held"].as_str().is_some_and(|why| why.contains("ledger")), "{standing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_calendar_makes_backups_and_checks() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let maintenance = "[maintenance]\nbackup = \"* * * * * *\"\nfsck = \"* * * * * *\"\nbackup_keep = 1\n";
    let dir = home(&configuration(&receiver.url, maintenance));
    let daemon = Daemon::start(dir.path());
    tell(&daemon, 0..3, 1).await;
    let client = client();
    // Every five seconds the calendar is looked at; which of the two comes first is not said.
    let made = loop {
        let (_, works) = get(&client, &format!("{}/v1/upkeep", daemon.base)).await;
        if works["backup"]["state"] == "fine" {
            break works["backup"]["to"].as_str().expect("a path").to_owned();
        }
        assert_ne!(works["backup"]["state"], "failed", "{works}");
        tokio::task::yield_now().await;
    };
    assert!(made.contains("/data/backups/reengaged-") && Path::new(&made).is_file(), "{made}");
    let (_, metrics) = get(&client, &format!("{}/metrics", daemon.base)).await;
    assert!(metrics.as_str().is_some_and(|text| text.contains("reengaged_upkeep_damaged{what=\"backup\"} 0")), "{metrics}");
}
