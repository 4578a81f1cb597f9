//! kill -9 in the middle of load and of sends, again and again: every acknowledged event is there, nothing was sent twice,
//! doubts are listed and bounded, and every conversation can say why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::process::{Daemon, client, get, post};
use super::receiver::Receiver;

const CONVERSATIONS: usize = 1_000;
const ROUNDS: usize = 10;
const MAX_IN_FLIGHT: usize = 16;

/// What the daemon acknowledged: conversation → the last thing that it said 200 to.
type Acknowledged = Arc<Mutex<BTreeMap<String, &'static str>>>;

fn configuration(receiver: &str) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
[store]
path = "data"
any_filesystem = true
[lines.support]
provider = "webhook"
url = "{receiver}"
secret_env = "REENGAGED_TEST_SECRET"
flow = "onboarding"
max_in_flight = {MAX_IN_FLIGHT}
catch_up_wait = "0s"
[flows.onboarding]
enable_follow_up = true
follow_up_delay = 30
start_business_hours = "00:00"
end_business_hours = "00:00"
"#
    )
}

fn minutes_ago(minutes: i64) -> String {
    let now = reengaged::clock::Clock::system().wall();
    now.plus(-minutes * reengaged::moment::MINUTE).to_string()
}

/// Sends this round's events, 32 at a time, until the daemon dies under them.
async fn load(base: String, round: usize, acknowledged: Acknowledged) {
    let client = client();
    let mine: Vec<usize> = (0..CONVERSATIONS).filter(|i| i * ROUNDS / CONVERSATIONS == round).collect();
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..32 {
        let (client, base, acknowledged) = (client.clone(), base.clone(), Arc::clone(&acknowledged));
        let mine: Vec<usize> = mine.iter().copied().skip(lane).step_by(32).collect();
        lanes.spawn(async move {
            for i in mine {
                let conversation = format!("person-{i:04}");
                // Due at once: the silence began half an hour ago. Every fifth person answers before that can be.
                let asked = minutes_ago(if i % 5 == 0 { 1 } else { 31 });
                let question = json!({"type": "question", "id": format!("q-{i}"), "conversation": conversation, "at": asked,
                    "question": {"id": "name", "text": format!("What is your name, {i}?")}});
                if !acknowledge(&client, &base, &question, &conversation, "question", &acknowledged).await {
                    return;
                }
                if i % 5 == 0 {
                    let message = json!({"type": "user_message", "id": format!("m-{i}"), "conversation": conversation, "text": "Ana"});
                    if !acknowledge(&client, &base, &message, &conversation, "user_message", &acknowledged).await {
                        return;
                    }
                }
            }
        });
    }
    lanes.join_all().await;
}

async fn acknowledge(
    client: &reqwest::Client,
    base: &str,
    event: &serde_json::Value,
    conversation: &str,
    what: &'static str,
    acknowledged: &Acknowledged,
) -> bool {
    match post(client, &format!("{base}/v1/events"), event).await {
        Ok((200, _)) => {
            acknowledged.lock().expect("nobody panics here").insert(conversation.to_owned(), what);
            true
        }
        Ok((status, body)) => panic!("an event was refused with {status}: {body}"),
        Err(_) => false,
    }
}

/// Every fifth person answers.
fn answers(conversation: &str) -> bool {
    conversation.ends_with('0') || conversation.ends_with('5')
}

/// Every acknowledged event is in the state, every conversation says why, and every doubt is listed.
async fn check(daemon: &Daemon, receiver: &Receiver, acknowledged: &Acknowledged, doubts_before: usize) -> usize {
    let client = client();
    let known = acknowledged.lock().expect("nobody panics here").clone();
    for (conversation, what) in known {
        let (status, shown) = get(&client, &format!("{}/v1/conversations/{conversation}", daemon.base)).await;
        assert_eq!(status, 200, "{conversation} was acknowledged and is gone: {shown}\n{}", daemon.log());
        let state = shown["state"].as_str().unwrap_or_default();
        match what {
            "user_message" => assert_eq!(state, "quiet", "{conversation} answered, and that was acknowledged: {shown}"),
            // An answer that was not acknowledged may be there all the same: the kill came between disk and wire.
            _ if answers(&conversation) => assert_eq!(shown["question"]["id"], "name", "{shown}"),
            _ => assert_ne!(state, "quiet", "{conversation} was asked, and that was acknowledged: {shown}"),
        }
        let (status, why) = get(&client, &format!("{}/v1/conversations/{conversation}/explain", daemon.base)).await;
        assert_eq!(status, 200);
        assert!(why["decisions"].as_array().is_some_and(|d| !d.is_empty()), "{conversation} says nothing of why: {why}");
    }
    for (send, bodies) in receiver.received() {
        assert_eq!(bodies.len(), 1, "{send} was handed over {} times: {bodies:?}", bodies.len());
    }
    let (status, doubts) = get(&client, &format!("{}/v1/doubts", daemon.base)).await;
    assert_eq!(status, 200);
    let doubts = doubts["doubts"].as_array().map_or(0, Vec::len);
    let fresh = doubts - doubts_before.min(doubts);
    assert!(fresh <= MAX_IN_FLIGHT, "{fresh} sends in doubt after one kill, with {MAX_IN_FLIGHT} permits");
    doubts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_ten_times_it_loses_nothing_and_repeats_nothing() {
    let receiver = Receiver::start(Duration::from_millis(20)).await;
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("config.toml"), configuration(&receiver.url)).expect("a file");
    let acknowledged = Acknowledged::default();
    let mut doubts = 0;
    for round in 0..ROUNDS {
        let daemon = Daemon::start(dir.path());
        doubts = check(&daemon, &receiver, &acknowledged, doubts).await;
        let loading = tokio::spawn(load(daemon.base.clone(), round, Arc::clone(&acknowledged)));
        // In the middle of load and of sends: a different depth in each round.
        receiver.reached(receiver.count() + 5 + 7 * round).await;
        daemon.kill();
        loading.await.expect("the load ends when the daemon does");
    }
    let daemon = Daemon::start(dir.path());
    check(&daemon, &receiver, &acknowledged, doubts).await;
    // Nothing is lost: whoever was asked and did not answer is handed one message, or is in doubt and listed.
    let silent: Vec<String> =
        acknowledged.lock().expect("nobody panics here").iter().filter(|(_, what)| **what == "question").map(|(c, _)| c.clone()).collect();
    let client = client();
    let outstanding = |sends: &serde_json::Value| sends.as_array().is_some_and(|sends| !sends.is_empty());
    for conversation in silent.iter().filter(|c| !answers(c)) {
        loop {
            let (_, shown) = get(&client, &format!("{}/v1/conversations/{conversation}", daemon.base)).await;
            if shown["state"] == "answering" {
                let (_, why) = get(&client, &format!("{}/v1/conversations/{conversation}/explain", daemon.base)).await;
                assert!(outstanding(&why["sends"]), "{conversation} is answering and was sent nothing: {why}");
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    assert!(receiver.received().len() > CONVERSATIONS / 4, "the test must send something to say something");
    for (send, bodies) in receiver.received() {
        assert_eq!(bodies.len(), 1, "{send} was handed over {} times", bodies.len());
    }
}
