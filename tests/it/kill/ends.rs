//! Ends that are no kill: a panic in one request, a panic of a thread, the kernel out of memory, and the signals of an operator.
//!
//! Not what a stop or a reload is: `whole/life.rs`. Here they come under load, and the promises are looked at afterwards.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::dice::Dice;
use super::points::built_in;
use super::provider::Temper;
use super::seed;
use super::stage::Stage;
use crate::support::skipped;
use crate::whole::process::{client, get};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_one_request_is_that_requests_500() {
    if !built_in("a panic in a handler") {
        return;
    }
    let mut stage = Stage::bare(5);
    let daemon = stage.restart("").await.expect("it starts");
    drop(daemon);
    let mut daemon = stage.spawn("http.handler=2*off->2*panic");
    assert!(tokio::task::block_in_place(|| daemon.ready_or_gone()));
    let client = client();
    let mut seen = Vec::new();
    for _ in 0..6 {
        let (status, body) = get(&client, &format!("{}/v1/conversations?limit=1", daemon.base)).await;
        assert!(status == 200 || body["type"] == "urn:reengaged:panicked", "{body}");
        seen.push(status);
    }
    assert_eq!(seen, [200, 200, 500, 500, 200, 200]);
    assert!(stage.load.asks_now(&daemon.base, 0).await);
    stage.handed(1).await;
    assert!(daemon.gone().is_none());
}

/// As sled may when a write has failed: the thread that makes things durable never comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_stands_still_for_a_minute_ends_the_process() {
    if !built_in("a disk that stands still") {
        return;
    }
    let stage = Stage::bare(5);
    let mut daemon = stage.spawn("commit.acknowledge=2*off->sleep(600000)");
    assert!(tokio::task::block_in_place(|| daemon.ready_or_gone()));
    let base = daemon.base.clone();
    let lane = tokio::spawn(async move {
        let question = serde_json::json!({"type": "user_message", "conversation": "ana", "text": "hola"});
        while crate::whole::process::post(&client(), &format!("{base}/v1/events"), &question).await.is_ok() {}
    });
    let ended = tokio::task::block_in_place(|| daemon.gone_within(Duration::from_secs(150)));
    assert_eq!(ended.and_then(|status| status.code()), Some(75), "{}", daemon.log());
    assert!(daemon.log().contains("has moved for a minute"), "{}", daemon.log());
    lane.await.expect("whoever waited was cut off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_one_call_is_that_sends_doubt() {
    if !built_in("a panic in a call") {
        return;
    }
    let stage = Stage::bare(5);
    let mut daemon = stage.spawn("call.claimed=1*panic");
    assert!(tokio::task::block_in_place(|| daemon.ready_or_gone()));
    for person in 0..3 {
        assert!(stage.load.asks_now(&daemon.base, person).await);
    }
    stage.handed(2).await;
    let doubts = loop {
        let (_, listed) = get(&client(), &format!("{}/v1/doubts", daemon.base)).await;
        if let Some([doubt]) = listed["doubts"].as_array().map(Vec::as_slice) {
            break doubt.clone();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&doubts["open"], stage.history.handed()), (&true.into(), 2), "{doubts}");
    // Its permit comes back as those of the others do.
    loop {
        let (_, metrics) = get(&client(), &format!("{}/metrics", daemon.base)).await;
        let told = metrics.as_str().and_then(|text| text.lines().find(|line| line.starts_with("reengaged_in_flight{line=\"open\"}")));
        if told.is_none_or(|line| line.ends_with(" 0.0")) {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// Whatever thread panics, the process ends and says that it is to be started again; what was acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_panic_of_a_thread_is_the_end_of_the_process() {
    if !built_in("a panic of a thread") {
        return;
    }
    let seed = seed();
    let mut stage = Stage::new(seed, Temper::Moody, None);
    for (round, armed) in ["engine.turn=40*off->panic", "commit.begin=12*off->panic", "fold.begin=panic"].iter().enumerate() {
        let mut daemon = stage.spawn(armed);
        assert!(tokio::task::block_in_place(|| daemon.ready_or_gone()), "{armed}");
        let loading = tokio::spawn(Arc::clone(&stage.load).run(daemon.base.clone(), 100));
        let gone = tokio::task::block_in_place(|| daemon.gone_within(PATIENCE));
        assert_eq!(gone.and_then(|status| status.code()), Some(75), "{armed}: {gone:?}\n{}", daemon.log());
        loading.await.expect("the load ends when the daemon does");
        stage.killed(false);
        let daemon = stage.restart("").await;
        drop(daemon);
        stage.killed(false);
        stage.judge(seed, round);
    }
    stage.end().await;
    stage.judge(seed, 9);
}

/// SIGTERM under load, once and twice; SIGTERM while it starts; SIGHUP while messages are going out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn signals_under_load_and_while_starting_break_no_promise() {
    let seed = seed();
    let mut dice = Dice::new(seed, 6);
    let mut stage = Stage::new(seed, Temper::Moody, None);
    for (round, signals) in [&["TERM"][..], &["TERM", "TERM"], &["INT", "TERM"], &["HUP", "HUP", "TERM"]].into_iter().enumerate() {
        for _ in 0..3 {
            let mut starting = stage.spawn("");
            std::thread::sleep(Duration::from_millis(dice.below(120)));
            starting.signal("TERM");
            let ended = tokio::task::block_in_place(|| starting.gone_within(PATIENCE)).expect("a signal while it starts ends it");
            let by_signal = std::os::unix::process::ExitStatusExt::signal(&ended);
            assert!(ended.success() || by_signal == Some(15), "{ended}: {}", starting.log());
        }
        let Some(mut daemon) = stage.restart("").await else { break };
        let loading = tokio::spawn(Arc::clone(&stage.load).run(daemon.base.clone(), usize::MAX / 2));
        stage.handed(stage.history.handed() + 10).await;
        for signal in signals {
            daemon.signal(signal);
            stage.handed(stage.history.handed() + usize::from(*signal == "HUP")).await;
        }
        let ended = tokio::task::block_in_place(|| daemon.gone_within(PATIENCE));
        assert!(ended.is_some_and(|status| status.success()), "{signals:?}: {ended:?}\n{}", daemon.log());
        loading.await.expect("the load ends when the daemon does");
        // A stop leaves no doubt behind: it waits for the calls under way.
        stage.judge(seed, round);
    }
    let figures = stage.end().await;
    stage.judge(seed, 9);
    assert_eq!(figures.doubts_by_crash, 0, "{figures:?}");
}

/// A group of processes that may use so much memory.
struct Group(PathBuf);

impl Group {
    fn new() -> Option<Group> {
        let folder = PathBuf::from(format!("/sys/fs/cgroup/memory/reengaged-test-{}", std::process::id()));
        let group = fs::create_dir(&folder).is_ok().then_some(Group(folder))?;
        group.0.join("memory.limit_in_bytes").exists().then_some(group)
    }

    fn put(&self, name: &str, value: u64) {
        fs::write(self.0.join(name), value.to_string()).expect("the group takes it");
    }

    fn used(&self) -> u64 {
        fs::read_to_string(self.0.join("memory.usage_in_bytes")).ok().and_then(|text| text.trim().parse().ok()).expect("a number")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Empty when the last process in it has been waited for.
        let _ = fs::remove_dir(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kernel_out_of_memory_is_a_kill() {
    let Some(group) = Group::new() else {
        return skipped("the kernel out of memory", "no memory group can be made here: that takes root and cgroup v1");
    };
    let seed = seed();
    let mut stage = Stage::new(seed, Temper::Moody, None);
    let mut daemon = stage.restart("").await.expect("it starts");
    group.put("cgroup.procs", u64::from(daemon.pid()));
    let loading = tokio::spawn(Arc::clone(&stage.load).run(daemon.base.clone(), usize::MAX / 2));
    stage.handed(10).await;
    // From here on there is hardly a page more: what it has is not charged to this group, what it takes is.
    group.put("memory.limit_in_bytes", (group.used() / 4_096 + 8) * 4_096);
    let gone = tokio::task::block_in_place(|| daemon.gone_within(PATIENCE));
    let signal = gone.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status));
    assert_eq!(signal, Some(9), "{gone:?}\n{}", daemon.log());
    loading.await.expect("the load ends when the daemon does");
    stage.killed(false);
    stage.end().await;
    stage.judge(seed, 0);
}
