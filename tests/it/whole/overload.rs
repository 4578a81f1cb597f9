//! More than it can take: floods, silent and slow connections, too few file descriptors and threads, a hook and a provider that
//! hang. The real binary refuses before it keeps anything, stays small, serves the others, and keeps what it acknowledged.
//!
//! Not broken requests: those are `http/hostile.rs`.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::clock::Group;
use super::faults::{Answered, directory, figure, keeps, load, question, ready, tell, until, until_ready};
use super::process::{Daemon, client, get};
use super::receiver::Receiver;
use crate::stub::{Mood, Stub};
use crate::support::{debian, long, skipped};

/// What the daemon may come to under any of this, in KiB. At rest it has some fifty MiB, sled's cache may take 64 more.
const BOUND: u64 = 320 * 1024;

fn address(daemon: &Daemon) -> &str {
    daemon.base.trim_start_matches("http://")
}

/// A connection that has sent so much, and says nothing more.
async fn silent(address: &str, sent: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(sent.as_bytes()).await?;
    Ok(stream)
}

const HALF_HEAD: &str = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-ty";
const HALF_BODY: &str =
    "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"type\": \"quest";

const ASKS_FIRST: &str = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                          content-length: 1000\r\nexpect: 100-continue\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_as_many_as_there_are_places_are_refused_before_anything_is_kept() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "max_connections = 64\nmax_connections_per_address = 64", "", "");
    let daemon = Daemon::start(dir.path());
    let client = client();
    let (mut acknowledged, mut refused) = (std::collections::BTreeSet::new(), 0);
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..640 {
        let (client, base) = (client.clone(), daemon.base.clone());
        lanes.spawn(async move {
            let mut all = Vec::new();
            for i in 0..if long() { 100 } else { 8 } {
                let conversation = format!("p-{lane}-{i}");
                let answered = tell(&client, &base, &question(&conversation, None)).await;
                all.push((conversation, answered));
            }
            all
        });
    }
    for (conversation, answered) in lanes.join_all().await.into_iter().flatten() {
        match answered {
            Answered::Acknowledged => drop(acknowledged.insert(conversation)),
            // Beyond those that are told to come back, connections are closed without a word.
            Answered::Refused(503, true) | Answered::Unanswered => refused += 1,
            other => panic!("{conversation}: {other:?}"),
        }
    }
    assert!(acknowledged.len() > 64 && refused > 0, "{} acknowledged, {refused} refused", acknowledged.len());
    drop(client);
    until_ready(&daemon, None).await;
    keeps(&daemon, &acknowledged).await;
    let peak = daemon.memory("VmHWM");
    println!("flood: {} acknowledged, {refused} refused, at most {peak} KiB", acknowledged.len());
    assert!(peak < BOUND, "{peak} KiB");
    assert_eq!(ready(&daemon).await.0, 200);
    daemon.kill();
    keeps(&Daemon::start(dir.path()), &acknowledged).await;
}

/// The most file descriptors that this process may have, of these that it would like.
fn descriptors(wanted: usize) -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let soft = line.split_whitespace().nth(3).and_then(|n| n.parse().ok()).unwrap_or(1_024);
    wanted.min(soft)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let server = "max_connections = 12000\nmax_connections_per_address = 12000\nheader_timeout = \"5m\"";
    let dir = directory(&receiver.url, server, "", "");
    let daemon = Daemon::start(dir.path());
    // Other tests of this process have files of their own.
    let count = descriptors(12_000).saturating_sub(2_000);
    if count < 10_000 {
        skipped("10 000 idle connections", &format!("`ulimit -n` allows {count}, and so many are opened"));
    }
    let before = daemon.memory("VmRSS");
    let mut idle = Vec::with_capacity(count);
    for i in 0..count {
        // Every third is in the middle of a head.
        let sent = if i % 3 == 0 { HALF_HEAD } else { "" };
        idle.push(silent(address(&daemon), sent).await.unwrap_or_else(|error| panic!("{i}: {error}")));
    }
    until("all of them are in", async || figure(&daemon, "reengaged_http_connections").await.is_some_and(|n| n >= count as f64)).await;
    let told = load(&daemon.base, "beside", 16, 20).await;
    assert_eq!((told.acknowledged.len(), told.refused), (320, Vec::new()));
    assert_eq!(tell(&client(), &daemon.base, &question("due", Some(1_860))).await, Answered::Acknowledged);
    receiver.reached(1).await;
    let after = daemon.memory("VmRSS");
    println!("idle: {count} connections, {before} KiB before, {after} KiB with them");
    assert!(after < BOUND, "{after} KiB");
    drop(idle);
    until("they are gone", async || figure(&daemon, "reengaged_http_connections").await.is_some_and(|n| n < 100.0)).await;
    keeps(&daemon, &told.acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_connections_are_closed_and_others_served() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "header_timeout = \"2s\"\nbody_timeout = \"2s\"\nmax_connections = 700", "", "");
    let daemon = Daemon::start(dir.path());
    let mut slow = Vec::new();
    for i in 0..450 {
        slow.push(silent(address(&daemon), ["", HALF_HEAD, HALF_BODY][i % 3]).await.expect("a connection"));
    }
    let told = load(&daemon.base, "beside", 8, 10).await;
    assert_eq!((told.acknowledged.len(), told.refused), (80, Vec::new()));
    // Each is closed from the other side, with an answer at most.
    for mut stream in slow {
        let mut rest = String::new();
        let ended = tokio::time::timeout(Duration::from_secs(60), stream.read_to_string(&mut rest)).await;
        assert!(ended.is_ok(), "it is still open");
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408 "), "{rest}");
    }
    until("their places are free", async || figure(&daemon, "reengaged_http_connections").await.is_some_and(|n| n < 50.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_has_its_share_of_the_connections() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let server = "max_connections = 16\nmax_connections_per_address = 8\nbody_timeout = \"5m\"";
    let dir = directory(&receiver.url, server, "", "");
    let daemon = Daemon::start(dir.path());
    let mut busy = Vec::new();
    for _ in 0..8 {
        let mut stream = silent(address(&daemon), ASKS_FIRST).await.expect("a connection");
        // It has begun a request, so it cannot be asked to leave.
        let mut go_on = [0; 21];
        stream.read_exact(&mut go_on).await.expect("it is asked for the rest");
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue");
        busy.push(stream);
    }
    let asks = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    until("its ninth connection is told to come back", async || {
        let mut ninth = silent(address(&daemon), asks).await.expect("a connection");
        let mut answer = String::new();
        let _ = ninth.read_to_string(&mut answer).await;
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1")
    })
    .await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.2:0".parse().expect("an address")).expect("another address of this machine");
    let mut other = socket.connect(address(&daemon).parse().expect("an address")).await.expect("a connection");
    other.write_all(asks.as_bytes()).await.expect("it writes");
    let mut answer = String::new();
    other.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "another address is served: {answer}");
    drop(busy);
    until("it is served again", async || tell(&client(), &daemon.base, &question("ana", None)).await == Answered::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_file_descriptors_it_waits_and_goes_on() {
    if !debian("prlimit", "util-linux") {
        return;
    }
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let mut daemon = Daemon::spawn_through(dir.path(), &["prlimit", "--nofile=64"], &[]);
    daemon.wait_ready();
    let before = load(&daemon.base, "before", 4, 5).await;
    // Due while there are no descriptors: the call has no connection, so it is made again, and once.
    assert_eq!(tell(&client(), &daemon.base, &question("ana", Some(1_797))).await, Answered::Acknowledged);
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(silent(address(&daemon), "").await.expect("the kernel takes it"));
    }
    until("accepting fails", async || daemon.log().contains("accepting a connection failed")).await;
    drop(idle);
    until_ready(&daemon, None).await;
    receiver.reached(1).await;
    let after = load(&daemon.base, "after", 4, 5).await;
    assert_eq!((before.acknowledged.len(), after.acknowledged.len()), (20, 20));
    keeps(&daemon, &before.acknowledged).await;
    until("ana's message is settled", async || {
        get(&client(), &format!("{}/v1/conversations/ana", daemon.base)).await.1["state"] == "answering"
    })
    .await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_threads_it_starts_whole_or_not_at_all() {
    let root = Path::new("/sys/fs/cgroup/pids");
    let receiver = Receiver::start(Duration::ZERO).await;
    let (mut started, mut refused) = (0, 0);
    for most in [2, 6, 12, 20, 64] {
        let dir = directory(&receiver.url, "", "", "");
        let group = root.join(format!("reengaged-test-{}-{most}", std::process::id()));
        if fs::create_dir(&group).is_err() || fs::write(group.join("pids.max"), most.to_string()).is_err() {
            return skipped("a limit of threads", "no control group of pids can be made here");
        }
        let _gone = Group(group.clone());
        // The shell joins the group, and becomes the daemon.
        let join = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.display());
        let mut daemon = Daemon::spawn_through(dir.path(), &["sh", "-c", &join, "sh"], &[]);
        match daemon.ready_or_ended() {
            None => {
                started += 1;
                let told = load(&daemon.base, "p", 8, 5).await;
                assert!(told.refused.iter().all(|refused| matches!(refused, Answered::Refused(503, true) | Answered::Unanswered)));
                daemon.kill();
                keeps(&Daemon::start(dir.path()), &told.acknowledged).await;
            }
            Some(code) => {
                refused += 1;
                assert_ne!(code, Some(0), "{most}: {}", daemon.log());
                assert!(!daemon.log().is_empty(), "{most}: it says nothing");
            }
        }
    }
    println!("threads: {started} limits let it start, {refused} did not");
    assert!(started > 0 && refused > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_hangs_holds_up_nothing_else() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let (hangs, works) = (Stub::new(Mood::Hang), Stub::answering(200, "", ""));
    let hook = |name: &str, stub: &Stub| {
        format!("[hooks.{name}]\nurl = \"{}\"\nsecret_env = \"REENGAGED_TEST_SECRET\"\nallow_private = true\n", stub.url("/hook"))
    };
    let dir = directory(&receiver.url, "", "", &format!("{}{}", hook("hangs", &hangs), hook("works", &works)));
    let daemon = Daemon::start(dir.path());
    let client = client();
    for i in 0..300 {
        assert_eq!(tell(&client, &daemon.base, &question(&format!("p{i}"), Some(1_860))).await, Answered::Acknowledged);
    }
    receiver.reached(300).await;
    until("the hook that works is told of all", async || works.requests().len() >= 300).await;
    // Sixteen at once, and each has fifteen seconds: in whatever time this took, not more than a few rounds of that.
    assert!(hangs.connections() >= 1, "the other is tried");
    let peak = daemon.memory("VmHWM");
    println!("hook: 300 sent beside a hook that hangs on {} connections, at most {peak} KiB", hangs.connections());
    assert!(peak < BOUND, "{peak} KiB");
    assert_eq!(ready(&daemon).await.0, 200);
    daemon.kill();
    assert_eq!(receiver.count(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_takes_half_a_minute_holds_up_its_own_line_alone() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let (slow, works) = (Stub::new(Mood::Hang), Stub::answering(200, "", ""));
    let rest = format!(
        "[lines.slow]\nprovider = \"webhook\"\nurl = \"{}\"\nsecret_env = \"REENGAGED_TEST_SECRET\"\nflow = \"onboarding\"\n\
         catch_up_wait = \"0s\"\nmax_in_flight = 4\n\
         [hooks.works]\nurl = \"{}\"\nsecret_env = \"REENGAGED_TEST_SECRET\"\nallow_private = true\n",
        slow.url("/message"),
        works.url("/hook")
    );
    let dir = directory(&receiver.url, "", "", &rest);
    let daemon = Daemon::start(dir.path());
    let client = client();
    for i in 0..200 {
        let line = ["slow", "support"][i % 2];
        let mut event = question(&format!("p{i}"), Some(1_860));
        event["line"] = json!(line);
        assert_eq!(tell(&client, &daemon.base, &event).await, Answered::Acknowledged);
    }
    receiver.reached(100).await;
    until("its hooks are told", async || works.requests().len() >= 100).await;
    let under_way = figure(&daemon, "reengaged_in_flight{line=\"slow\"}").await.unwrap_or_default();
    assert!(under_way <= 4.0, "{under_way} calls under way on a line with four permits");
    assert!(slow.requests().len() >= 4);
    let peak = daemon.memory("VmHWM");
    assert!(peak < BOUND, "{peak} KiB");
    daemon.kill();
    assert_eq!(receiver.count(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_flooded_leaves_places_to_the_others() {
    let receiver = Receiver::start(Duration::ZERO).await;
    // Its bot hangs too, so that each of its webhooks takes as long as it may.
    let bot = Stub::new(Mood::Hang);
    let dir = directory(&receiver.url, "max_connections = 64\nmax_connections_per_address = 64", "", "");
    let secret = dir.path().join("secret");
    fs::write(&secret, "a-secret-of-the-tests-0123456789").expect("a file");
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
    let line = |name: &str, app: &str, forward: &str| {
        format!(
            "[lines.{name}]\nprovider = \"gupshup\"\nphone = \"5716000001\"\napp = \"{app}\"\napi = \"{}\"\napi_key_file = \"secret\"\n\
             webhook_token_file = \"secret\"\nflow = \"onboarding\"\ndaily = 250\n{forward}\n",
            bot.url("/")
        )
    };
    let flooded = line("flooded", "DemoApp", &format!("forward_to = \"{}\"", bot.url("/bot")));
    let file = dir.path().join("config.toml");
    let configuration = fs::read_to_string(&file).expect("a file");
    let configuration = configuration
        .replace("[flows.onboarding]", &format!("{flooded}{}[flows.onboarding]\nsession.template = \"back\"", line("calm", "CalmApp", "")));
    fs::write(&file, configuration).expect("a file");
    let daemon = Daemon::start(dir.path());
    let client = Arc::new(client());
    let webhook = |line: &str, i: usize| {
        let app = if line == "calm" { "CalmApp" } else { "DemoApp" };
        let body = json!({"app": app, "timestamp": 1_772_404_200_000i64 + i as i64, "version": 2, "type": "message", "payload": {
            "id": format!("{line}-{i}"), "source": format!("57300{i:07}"), "type": "text", "payload": {"text": "hello"},
            "sender": {"phone": format!("57300{i:07}"), "name": "Ana", "country_code": "57", "dial_code": "300"}}});
        let url = format!("{}/hooks/{line}?token=a-secret-of-the-tests-0123456789", daemon.base);
        client.post(url).header("content-type", "application/json").body(body.to_string()).send()
    };
    let mut flood = tokio::task::JoinSet::new();
    for i in 0..48 {
        let sent = webhook("flooded", i);
        flood.spawn(async move { sent.await.map(|answer| (answer.status().as_u16(), answer.headers().contains_key("retry-after"))) });
    }
    // A quarter of the places is its share: the bot gets no more, the rest are told to come back.
    let mut refused = 0;
    while refused < 32 {
        let answered = flood.join_next().await.expect("more of them").expect("it ends");
        assert_eq!(answered.expect("an answer"), (503, true));
        refused += 1;
    }
    // Who was refused may hear of it before the last of the others has reached the bot.
    bot.wait_for(16);
    assert_eq!(bot.connections(), 16);
    for i in 0..20 {
        let answer = webhook("calm", i).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200, "the other line is served: {}", answer.text().await.unwrap_or_default());
    }
    assert_eq!(ready(&daemon).await.0, 200);
    flood.abort_all();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_that_does_not_read_holds_up_nothing() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let daemon = Daemon::start(dir.path());
    let socket = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    socket.set_nonblocking(true).expect("it does not wait");
    while socket.send_to(b"full", dir.path().join("notify.sock")).is_ok() {}
    // The watchdog is fed every ten seconds at rest; nobody waits for that to be read.
    for _ in 0..260 {
        assert_eq!(ready(&daemon).await.0, 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(load(&daemon.base, "p", 4, 5).await.acknowledged.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_conversations_take_little_memory_each() {
    let (people, batch) = (if long() { 1_000_000 } else { 20_000 }, 5_000);
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let daemon = Daemon::start(dir.path());
    let empty = daemon.memory("VmRSS");
    let client = client();
    for first in (0..people).step_by(batch) {
        let lines: String = (first..first + batch).map(|i| format!("{}\n", question(&format!("p{i}"), None))).collect();
        let sent = client.post(format!("{}/v1/events", daemon.base)).header("content-type", "application/x-ndjson").body(lines).send();
        let answer = sent.await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
        let kept = answer.text().await.expect("answers").lines().filter(|line| line.contains("\"status\":200")).count();
        assert_eq!(kept, batch, "from {first}");
    }
    until("all is put away", async || figure(&daemon, "reengaged_store{figure=\"log_changes\"}").await == Some(0.0)).await;
    let busy = daemon.memory("VmHWM");
    daemon.kill();
    let daemon = Daemon::start(dir.path());
    let waiting = figure(&daemon, "reengaged_conversations{state=\"waiting\"}").await;
    assert_eq!(waiting, Some(people as f64));
    let full = daemon.memory("VmRSS");
    println!("many: {people} conversations: {empty} KiB without, at most {busy} KiB while they came, {full} KiB after a start");
    // Sled's cache is 64 MiB at most, whatever there is.
    let each = full.saturating_sub(empty + 64 * 1024) * 1024 / people as u64;
    assert!(each < 512, "{each} bytes a conversation");
}
