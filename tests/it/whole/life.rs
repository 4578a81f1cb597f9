//! How the daemon starts, reloads and stops, as systemd and an operator see it.

use std::time::Duration;

use serde_json::json;

use super::process::{Daemon, client, get, post};
use super::receiver::Receiver;

fn configuration(extra: &str) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
[store]
path = "data"
any_filesystem = true
{extra}
[flows.onboarding]
enable_follow_up = true
follow_up_delay = 30
start_business_hours = "00:00"
end_business_hours = "00:00"
"#
    )
}

const CONSOLE: &str = "[lines.support]\nprovider = \"console\"\nflow = \"onboarding\"\n";

fn directory(configuration: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("config.toml"), configuration).expect("a file");
    dir
}

fn asked(conversation: &str, minutes_ago: i64) -> serde_json::Value {
    let at = reengaged::clock::Clock::system().wall().plus(-minutes_ago * reengaged::moment::MINUTE);
    json!({"type": "question", "conversation": conversation, "at": at.to_string(), "question": {"text": "Your name?"}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_the_call_under_way() {
    let receiver = Receiver::start(Duration::from_millis(300)).await;
    let line = format!(
        "[lines.support]\nprovider = \"webhook\"\nurl = \"{}\"\nsecret_env = \"REENGAGED_TEST_SECRET\"\nflow = \"onboarding\"\n",
        receiver.url
    );
    let dir = directory(&configuration(&line));
    let mut daemon = Daemon::start(dir.path());
    let (status, _) = post(&client(), &format!("{}/v1/events", daemon.base), &asked("ana", 31)).await.expect("an answer");
    assert_eq!(status, 200);
    receiver.reached(1).await;
    daemon.signal("TERM");
    assert!(daemon.wait().success(), "{}", daemon.log());
    let daemon = Daemon::start(dir.path());
    let (_, shown) = get(&client(), &format!("{}/v1/conversations/ana", daemon.base)).await;
    assert_eq!(shown["state"], "answering", "the outcome of the call was waited for and kept: {shown}");
    let (_, doubts) = get(&client(), &format!("{}/v1/doubts", daemon.base)).await;
    assert_eq!(doubts["doubts"].as_array().map(Vec::len), Some(0));
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_configuration_changes_nothing_and_a_good_one_does() {
    let dir = directory(&configuration(CONSOLE));
    let mut daemon = Daemon::start(dir.path());
    post(&client(), &format!("{}/v1/events", daemon.base), &asked("ana", 1)).await.expect("an answer");
    let (_, before) = get(&client(), &format!("{}/v1/conversations/ana", daemon.base)).await;

    std::fs::write(dir.path().join("config.toml"), configuration(CONSOLE).replace("30", "\"soon\"")).expect("a file");
    daemon.signal("HUP");
    daemon.wait_notified("has mistakes");
    let (_, same) = get(&client(), &format!("{}/v1/conversations/ana", daemon.base)).await;
    assert_eq!(before["due_at"], same["due_at"]);

    std::fs::write(dir.path().join("config.toml"), configuration(CONSOLE).replace("= 30", "= 60")).expect("a file");
    daemon.signal("HUP");
    daemon.wait_notified("read again");
    loop {
        let (_, after) = get(&client(), &format!("{}/v1/conversations/ana", daemon.base)).await;
        if after["due_at"] != before["due_at"] {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(daemon.log().contains("follow_up_delay"), "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_do_not_share_a_directory() {
    let dir = directory(&configuration(CONSOLE));
    let first = Daemon::start(dir.path());
    let second_home = directory(&configuration(CONSOLE).replace("\"data\"", &format!("{:?}", dir.path().join("data"))));
    let mut second = Daemon::spawn(second_home.path(), &[]);
    assert_eq!(second.wait().code(), Some(75), "{}", second.log());
    assert!(second.log().contains("locked"), "{}", second.log());
    let (status, _) = get(&client(), &format!("{}/healthz", first.base)).await;
    assert_eq!(status, 200);
}

#[test]
fn a_configuration_with_mistakes_ends_with_78_and_names_them() {
    let dir = directory(&configuration(CONSOLE).replace("enable_follow_up = true", "enable_followup = true"));
    let mut daemon = Daemon::spawn(dir.path(), &[]);
    assert_eq!(daemon.wait().code(), Some(78));
    let log = daemon.log();
    assert!(log.contains("config.toml:") && log.contains("enable_followup") && log.contains("enable_follow_up"), "{log}");
}
