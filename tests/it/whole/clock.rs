//! The clock lies to the real binary: steps, a machine asleep, 1970, 2099, jitter. Sending is held and says so, nothing is over that is
//! not, and after the release everything goes out once.
//!
//! Not the guard's arithmetic, which has its laws beside it; and not a machine asleep as the kernel has it, where both clocks go on.
//! The daemon's wall clock is libfaketime's, read from a file at every look; its time since boot is the machine's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::faults::{Answered, directory, figure, keeps, load, question, ready, run, tell, until, until_ready};
use super::process::{Daemon, client, get, post};
use super::receiver::Receiver;
use crate::support::{debian, long, skipped};

/// The library that stands before the C library's clock; `None` where it cannot be had, aloud.
fn library() -> Option<String> {
    if !debian("faketime", "faketime") {
        return None;
    }
    let places = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    let found = places.into_iter().find(|path| path.exists());
    if found.is_none() {
        skipped("a clock that lies", "libfaketime is not where Debian puts it");
    }
    found.map(|path| path.display().to_string())
}

/// A daemon whose wall clock we set.
struct Dreamer {
    library: String,
    dir: tempfile::TempDir,
    receiver: Receiver,
}

impl Dreamer {
    async fn new() -> Option<Dreamer> {
        let library = library()?;
        let receiver = Receiver::start(Duration::ZERO).await;
        let dir = directory(&receiver.url, "", "", "");
        Some(Dreamer { library, dir, receiver })
    }

    /// What the wall clock shows, as libfaketime has it: "+9h" of the machine's time, or "@" and an instant.
    fn shows(&self, time: &str) {
        // In one step: whoever reads it meanwhile would find nothing, and believe the machine.
        let fresh = self.dir.path().join("time.new");
        fs::write(&fresh, format!("{time}\n")).and_then(|()| fs::rename(&fresh, self.file())).expect("a file");
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("time")
    }

    fn start(&self, time: &str) -> Daemon {
        self.shows(time);
        let file = self.file();
        let variables = [
            ("LD_PRELOAD", self.library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", file.to_str().expect("text")),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ];
        let mut daemon = Daemon::spawn_through(self.dir.path(), &[], &variables);
        daemon.wait_ready();
        daemon
    }

    /// The clock is not believed: `/readyz`, the metric and the log say so, and how to go on; nothing goes out.
    async fn held(&self, daemon: &Daemon, why: &str) {
        let sent = self.receiver.count();
        until_ready(daemon, Some(why)).await;
        let (_, told) = ready(daemon).await;
        assert!(told.contains("sending is held: the clock"), "{told}");
        assert!(told.contains("steady") || told.contains("resume to believe it"), "it says how to go on: {told}");
        assert_eq!(figure(daemon, "reengaged_sending_held").await, Some(1.0));
        let log = daemon.log();
        assert!(log.contains("sending is held") && log.contains(why), "{log}");
        assert_eq!(self.receiver.count(), sent);
    }

    async fn resume(&self, daemon: &Daemon) {
        let (status, body) = post(&client(), &format!("{}/v1/resume", daemon.base), &json!({})).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
        until_ready(daemon, None).await;
    }

    /// Nobody was sent anything twice, and so many were sent something.
    fn sent(&self, count: usize) {
        assert_eq!(self.receiver.count(), count, "{:?}", self.receiver.received());
        assert!(self.receiver.received().values().all(|bodies| bodies.len() == 1));
    }
}

async fn show(daemon: &Daemon, conversation: &str) -> Value {
    let (status, shown) = get(&client(), &format!("{}/v1/conversations/{conversation}", daemon.base)).await;
    assert_eq!(status, 200, "{shown}");
    shown
}

async fn ask(daemon: &Daemon, conversation: &str) {
    assert_eq!(tell(&client(), &daemon.base, &question(conversation, None)).await, Answered::Acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_for_nine_hours_it_holds_and_sends_once_when_released() {
    let Some(dreamer) = Dreamer::new().await else { return };
    let daemon = dreamer.start("+0");
    ask(&daemon, "ana").await;
    daemon.signal("STOP");
    dreamer.shows("+9h");
    daemon.signal("CONT");
    dreamer.held(&daemon, "the clock jumped").await;
    assert_eq!(show(&daemon, "ana").await["state"], "waiting");
    dreamer.resume(&daemon).await;
    dreamer.receiver.reached(1).await;
    // One more who is due goes out after her, so that a second message to her would have been seen.
    let asked = question("bruno", None);
    let mut late = asked.clone();
    late["at"] = json!(reengaged::clock::Clock::system().wall().plus(8 * reengaged::moment::HOUR).to_string());
    assert_eq!(tell(&client(), &daemon.base, &late).await, Answered::Acknowledged);
    dreamer.receiver.reached(2).await;
    dreamer.sent(2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_of_hours_and_days_in_both_directions_send_nothing_twice_and_nothing_early() {
    let Some(dreamer) = Dreamer::new().await else { return };
    let daemon = dreamer.start("+0");
    ask(&daemon, "ana").await;
    dreamer.shows("+2h");
    dreamer.held(&daemon, "the clock jumped").await;
    dreamer.resume(&daemon).await;
    dreamer.receiver.reached(1).await;
    dreamer.shows("+0");
    dreamer.held(&daemon, "the clock jumped").await;
    dreamer.resume(&daemon).await;
    ask(&daemon, "bruno").await;
    let due = show(&daemon, "bruno").await["due_at"].clone();
    dreamer.shows("-2h");
    dreamer.held(&daemon, "the clock jumped").await;
    dreamer.resume(&daemon).await;
    assert_eq!(show(&daemon, "bruno").await["due_at"], due, "a clock set back moves nothing");
    dreamer.sent(1);
    dreamer.shows("+1d");
    dreamer.held(&daemon, "the clock jumped").await;
    dreamer.resume(&daemon).await;
    dreamer.receiver.reached(2).await;
    ask(&daemon, "carla").await;
    dreamer.shows("-1d");
    dreamer.held(&daemon, "the clock jumped").await;
    dreamer.resume(&daemon).await;
    assert_eq!(show(&daemon, "carla").await["state"], "waiting");
    dreamer.sent(2);
    // And a crash changes nothing of it; a clock behind the last life is not believed until it is set.
    daemon.kill();
    let daemon = dreamer.start("-2d");
    dreamer.held(&daemon, "the clock is before").await;
    dreamer.shows("+2d");
    dreamer.held(&daemon, "the clock jumped").await;
    dreamer.resume(&daemon).await;
    dreamer.receiver.reached(3).await;
    dreamer.sent(3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_second_of_jitter_does_nothing() {
    let Some(dreamer) = Dreamer::new().await else { return };
    let daemon = dreamer.start("+0");
    let mut asked = question("ana", None);
    asked["at"] = question("", Some(1_796))["at"].clone();
    assert_eq!(tell(&client(), &daemon.base, &asked).await, Answered::Acknowledged);
    for i in 0..40 {
        dreamer.shows(["+0.5", "-0.5", "+0.1", "-0.3"][i % 4]);
        assert_eq!(ready(&daemon).await, (200, String::new()), "turn {i}");
    }
    // Drift: a little more each time, as a clock that is slewed.
    for i in 0..40 {
        dreamer.shows(&format!("+{}", f64::from(i) * 0.05));
        assert_eq!(ready(&daemon).await.0, 200, "turn {i}");
    }
    dreamer.receiver.reached(1).await;
    assert!(!daemon.log().contains("sending is held"), "{}", daemon.log());
    dreamer.sent(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_in_1970_sends_nothing_until_the_clock_is_set() {
    let Some(dreamer) = Dreamer::new().await else { return };
    // A first life, and somebody who waits.
    let daemon = dreamer.start("+0");
    ask(&daemon, "ana").await;
    daemon.kill();
    let daemon = dreamer.start("@1970-01-02 00:00:00");
    dreamer.held(&daemon, "the clock is before").await;
    ask(&daemon, "bruno").await;
    dreamer.shows("+31m");
    dreamer.held(&daemon, "the clock jumped").await;
    if long() {
        // By itself, when it has been steady for a minute.
        until_ready(&daemon, None).await;
        assert!(daemon.log().contains("the clock is believed again"), "{}", daemon.log());
    } else {
        dreamer.resume(&daemon).await;
    }
    until("ana is sent her message", async || show(&daemon, "ana").await["state"] == "answering").await;
    keeps(&daemon, &["ana", "bruno"].map(str::to_owned).into()).await;

    // A first boot of all with a dead battery.
    drop(daemon);
    let fresh = Dreamer::new().await.expect("as before");
    let daemon = fresh.start("@1970-01-02 00:00:00");
    fresh.held(&daemon, "the clock is before 2026-01-01").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_2099_nothing_is_due_nothing_is_over_and_nothing_is_forgotten() {
    let Some(dreamer) = Dreamer::new().await else { return };
    let mut daemon = dreamer.start("+0");
    ask(&daemon, "ana").await;
    let mut sent = question("bruno", None);
    sent["at"] = question("", Some(1_860))["at"].clone();
    assert_eq!(tell(&client(), &daemon.base, &sent).await, Answered::Acknowledged);
    dreamer.receiver.reached(1).await;
    until("bruno's message is settled", async || show(&daemon, "bruno").await["state"] == "answering").await;
    let identities = figure(&daemon, "reengaged_identities").await;
    assert_eq!(identities, Some(2.0));

    // While it runs, and at a start: no steadiness makes that the time.
    dreamer.shows("@2099-06-01 12:00:00");
    dreamer.held(&daemon, "the clock is after").await;
    // It notes nothing by such a clock, and is alive all the same.
    daemon.wait_notified("WATCHDOG=1");
    let after = |state: &str, shown: Value| assert_eq!(shown["state"], state, "{shown}");
    after("waiting", show(&daemon, "ana").await);
    after("answering", show(&daemon, "bruno").await);
    assert_eq!(figure(&daemon, "reengaged_identities").await, identities);
    daemon.kill();
    let daemon = dreamer.start("@2099-06-01 12:00:00");
    dreamer.held(&daemon, "the clock is after").await;
    after("waiting", show(&daemon, "ana").await);
    after("answering", show(&daemon, "bruno").await);
    daemon.kill();

    // The battery is changed: nobody has to say that the clock is right now, and an hour later ana is due.
    let daemon = dreamer.start("+1h");
    until_ready(&daemon, None).await;
    dreamer.receiver.reached(2).await;
    let (_, again) = post(&client(), &format!("{}/v1/events", daemon.base), &question("ana", None)).await.expect("an answer");
    assert_eq!(again["ignored"], "duplicate", "{again}");
    dreamer.sent(2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_while_somebody_comes_due_it_sends_once_and_goes_on() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let daemon = Daemon::start(dir.path());
    let asked = question("ana", Some(1_798));
    assert_eq!(tell(&client(), &daemon.base, &asked).await, Answered::Acknowledged);
    daemon.signal("STOP");
    // Longer than it takes her to come due; thirty seconds in the long form.
    pause(if long() { 30 } else { 3 }).await;
    assert_eq!(receiver.count(), 0);
    daemon.signal("CONT");
    receiver.reached(1).await;
    assert_eq!(ready(&daemon).await.0, 200);
    let more = load(&daemon.base, "more", 4, 5).await;
    assert_eq!(more.acknowledged.len(), 20);
    assert_eq!(receiver.count(), 1);
}

/// Time that passes for a process that does nothing: there is nothing to be seen meanwhile.
async fn pause(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_with_its_group_it_sends_once_and_goes_on() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let daemon = Daemon::start(dir.path());
    let group = Path::new("/sys/fs/cgroup/freezer").join(format!("reengaged-test-{}", daemon.pid()));
    if fs::create_dir(&group).is_err() {
        return skipped("a frozen control group", "no freezer of version 1 can be made here");
    }
    let _gone = Group(group.clone());
    fs::write(group.join("cgroup.procs"), daemon.pid().to_string()).expect("it joins");
    assert_eq!(tell(&client(), &daemon.base, &question("ana", Some(1_798))).await, Answered::Acknowledged);
    fs::write(group.join("freezer.state"), "FROZEN").expect("it freezes");
    pause(if long() { 30 } else { 3 }).await;
    assert_eq!(receiver.count(), 0);
    fs::write(group.join("freezer.state"), "THAWED").expect("it thaws");
    receiver.reached(1).await;
    assert_eq!(ready(&daemon).await.0, 200);
    assert_eq!(load(&daemon.base, "more", 4, 5).await.acknowledged.len(), 20);
    assert_eq!(receiver.count(), 1);
    daemon.kill();
}

/// A control group, removed when nobody is in it any more.
pub(super) struct Group(pub(super) PathBuf);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("freezer.state"), "THAWED");
        // Whoever is in it has to be gone first, which the kernel takes a moment for.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_since_boot_may_differ_from_monotonic_time() {
    // --kill-child: the namespace's first process is a child of unshare.
    let unshare = ["unshare", "--time", "--boottime", "86400", "--monotonic", "3600", "--fork", "--kill-child"];
    if !run("unshare", &[&unshare[1..], &["true"]].concat()) {
        return skipped("a namespace of time", "the kernel or the user does not allow one");
    }
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let mut daemon = Daemon::spawn_through(dir.path(), &unshare, &[]);
    daemon.wait_ready();
    let asked = question("ana", Some(1_860));
    assert_eq!(tell(&client(), &daemon.base, &asked).await, Answered::Acknowledged);
    receiver.reached(1).await;
    until("it is settled", async || show(&daemon, "ana").await["state"] == "answering").await;
    daemon.kill();
    // Back on the machine's own, where less time has passed since boot than it remembers.
    let daemon = Daemon::start(dir.path());
    assert_eq!(ready(&daemon).await.0, 200);
    assert_eq!(load(&daemon.base, "more", 4, 5).await.acknowledged.len(), 20);
    assert_eq!(receiver.count(), 1);
}
