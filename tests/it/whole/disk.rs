//! The disk is full, slow, stuck, failing, read-only, gone: the real binary refuses what it cannot keep and ends or waits, and
//! everything that it acknowledged is there afterwards.
//!
//! Not damage to what is on the disk (`store_damage.rs`, `store_bytes.rs`) and not power cuts.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::faults::{
    Answered, Mounted, Told, configure, directory, figure, fill, keeps, load, question, ready, run, tell, until, until_ready,
};
use super::process::{Daemon, client, get};
use super::receiver::Receiver;
use crate::support::{debian, skipped};

/// 503 with the word when to come back, or no answer from a process that is gone; never anything else.
fn check_refusals(told: &Told) {
    for refused in &told.refused {
        assert!(matches!(refused, Answered::Refused(503, true) | Answered::Unanswered), "{refused:?}");
    }
}

/// Load until nothing is taken any more, and the end of the process: 75, so that systemd starts it again.
async fn fails_under_load(daemon: &mut Daemon, name: &str) -> Told {
    let told = load(&daemon.base, name, 16, 100_000).await;
    assert!(!told.acknowledged.is_empty(), "nothing was ever acknowledged\n{}", daemon.log());
    assert!(told.refused.contains(&Answered::Refused(503, true)), "whoever was being served was told: {:?}", told.refused);
    check_refusals(&told);
    assert_eq!(daemon.wait().code(), Some(75), "{}", daemon.log());
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_loses_nothing_and_a_start_waits_for_room_without_a_hand() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "min_free_mib = 0", "");
    let data = dir.path().join("data");
    let Some(disk) = Mounted::tmpfs(&data, "6m") else { return skipped("a full disk", "only root can mount a tmpfs") };
    let mut daemon = Daemon::start(dir.path());
    let told = fails_under_load(&mut daemon, "full").await;
    fill(&data);

    let mut daemon = Daemon::spawn_through(dir.path(), &[], &[]);
    let message = daemon.wait_waiting();
    assert!(message.contains("EXTEND_TIMEOUT_USEC=60000000"), "systemd is asked for patience: {message}");
    let client = client();
    assert_eq!(get(&client, &format!("{}/healthz", daemon.base)).await.0, 200);
    let (status, why) = ready(&daemon).await;
    assert!(status == 503 && why.contains("KiB free") && why.contains("make room"), "{status}: {why}");
    assert_eq!(tell(&client, &daemon.base, &question("ana", None)).await, Answered::Refused(503, true));
    assert!(daemon.log().contains("the start waits for it"), "{}", daemon.log());

    disk.again("size=64m");
    daemon.wait_ready();
    assert_eq!(ready(&daemon).await.0, 200);
    keeps(&daemon, &told.acknowledged).await;
    assert_eq!(tell(&client, &daemon.base, &question("ana", Some(1_860))).await, Answered::Acknowledged);
    receiver.reached(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_the_reserve_nothing_is_taken_in_or_sent_until_there_is_room() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "min_free_mib = 16", "");
    let data = dir.path().join("data");
    let Some(_disk) = Mounted::tmpfs(&data, "48m") else { return skipped("a disk's reserve", "only root can mount a tmpfs") };
    let daemon = Daemon::start(dir.path());
    let client = client();
    // Due in six seconds.
    assert_eq!(tell(&client, &daemon.base, &question("ana", Some(1_794))).await, Answered::Acknowledged);
    let ballast = data.join("ballast");
    fs::write(&ballast, vec![1; 36 << 20]).expect("room for it");
    until_ready(&daemon, Some("sending is held: the store's disk has")).await;
    assert_eq!(tell(&client, &daemon.base, &question("bruno", None)).await, Answered::Refused(503, true));
    assert_eq!(figure(&daemon, "reengaged_sending_held").await, Some(1.0));
    assert_eq!(get(&client, &format!("{}/v1/conversations/ana", daemon.base)).await.0, 200, "it can be looked at");
    until("ana is due", async || figure(&daemon, "reengaged_oldest_due_lateness_seconds").await.is_some_and(|late| late > 0.0)).await;
    assert_eq!(receiver.count(), 0);
    assert!(daemon.log().contains("nothing is taken in and sending is held"), "{}", daemon.log());

    fs::remove_file(&ballast).expect("it goes");
    until_ready(&daemon, None).await;
    receiver.reached(1).await;
    assert_eq!(tell(&client, &daemon.base, &question("bruno", None)).await, Answered::Acknowledged);
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_becomes_read_only_ends_the_process_and_loses_nothing() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "min_free_mib = 0", "");
    let (image, data) = (dir.path().join("image"), dir.path().join("data"));
    let Some(disk) = Mounted::ext4(&image, &[], &data) else { return skipped("a read-only disk", "no loop device can be mounted") };
    let mut daemon = Daemon::start(dir.path());
    let base = daemon.base.clone();
    let before = load(&base, "before", 8, 20).await;
    assert_eq!(before.acknowledged.len(), 160);
    // As after an error of the device: the journal is given up, and nothing is written any more.
    disk.again("abort");
    let mut told = load(&base, "after", 8, 10_000).await;
    check_refusals(&told);
    assert_eq!(daemon.wait().code(), Some(75), "{}", daemon.log());
    told.acknowledged.extend(before.acknowledged);
    drop(disk);
    until("it is let go of", async || !fs::read_to_string("/proc/mounts").unwrap_or_default().contains(data.to_str().unwrap())).await;
    let _disk = Mounted::ext4(&image, &[], &data).expect("mounted before");
    keeps(&Daemon::start(dir.path()), &told.acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_any_write_or_sync_ends_the_process_and_loses_nothing() {
    if !debian("strace", "strace") {
        return;
    }
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    drop(Daemon::start(dir.path()));
    let mut all = std::collections::BTreeSet::new();
    for (round, fault) in
        ["fdatasync:error=EIO:when=30+", "sync_file_range:error=EIO:when=30+", "pwrite64:error=EIO:when=90+", "fdatasync:error=EIO:when=25"]
            .into_iter()
            .enumerate()
    {
        let mut daemon = traced(dir.path(), fault);
        daemon.wait_ready();
        let told = fails_under_load(&mut daemon, &format!("eio{round}")).await;
        all.extend(told.acknowledged);
        keeps(&Daemon::start(dir.path()), &all).await;
    }
}

/// The daemon under strace, which injects this fault into all its threads.
fn traced(dir: &Path, fault: &str) -> Daemon {
    let (call, inject) = (fault.split(':').next().unwrap_or_default(), format!("inject={fault}"));
    let traced = format!("trace={call}");
    let strace = ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", &traced, "-e", &inject];
    Daemon::spawn_through(dir, &strace, &[])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_slows_the_answers_down_and_loses_nothing() {
    if !debian("strace", "strace") {
        return;
    }
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let mut daemon = traced(dir.path(), "fdatasync:delay_enter=300000");
    daemon.wait_ready();
    let told = load(&daemon.base, "slow", 32, 4).await;
    assert_eq!((told.acknowledged.len(), told.refused), (128, Vec::new()));
    assert_eq!(ready(&daemon).await.0, 200, "slow is not stuck");
    assert_eq!(tell(&client(), &daemon.base, &question("due", Some(1_860))).await, Answered::Acknowledged);
    receiver.reached(1).await;
    daemon.kill();
    keeps(&Daemon::start(dir.path()), &told.acknowledged).await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_stands_still_starves_the_watchdog_and_is_not_ready() {
    if !debian("strace", "strace") {
        return;
    }
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    drop(Daemon::start(dir.path()));
    let mut daemon = traced(dir.path(), "fdatasync:delay_enter=600000000:when=40+");
    daemon.wait_ready();
    daemon.wait_notified("WATCHDOG=1");
    let (base, impatient) = (daemon.base.clone(), Duration::from_secs(2));
    let client = client();
    let mut acknowledged = std::collections::BTreeSet::new();
    for i in 0.. {
        let (name, event) = (format!("p{i}"), question(&format!("p{i}"), None));
        match tokio::time::timeout(impatient, tell(&client, &base, &event)).await {
            Ok(answered) => assert_eq!(answered, Answered::Acknowledged),
            Err(_) => break,
        };
        acknowledged.insert(name);
    }
    let (status, why) = ready(&daemon).await;
    assert!(status == 503 && why.contains("does not answer"), "{status}: {why}");
    // It is fed every ten seconds at rest.
    assert!(!daemon.feeds_within(Duration::from_secs(16)), "the watchdog is fed by a daemon that keeps nothing");
    daemon.kill();
    assert!(!acknowledged.is_empty());
    keeps(&Daemon::start(dir.path()), &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_grow_is_as_a_full_disk() {
    if !debian("prlimit", "util-linux") {
        return;
    }
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let mut daemon = Daemon::spawn_through(dir.path(), &["prlimit", "--fsize=3000000"], &[]);
    daemon.wait_ready();
    let told = fails_under_load(&mut daemon, "fsize").await;
    keeps(&Daemon::start(dir.path()), &told.acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_no_more_files_is_waited_for() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "min_free_mib = 0", "");
    let (image, data) = (dir.path().join("image"), dir.path().join("data"));
    let Some(_disk) = Mounted::ext4(&image, &["-N", "64"], &data) else { return skipped("no more files", "no loop device can be mounted") };
    let mut daemon = Daemon::start(dir.path());
    let taken: Vec<_> = (0..64).map(|i| data.join(format!("file{i}"))).take_while(|path| fs::write(path, "").is_ok()).collect();
    assert!(taken.len() < 60);
    // It has the files that it needs, and goes no further than what it has.
    until_ready(&daemon, Some("more files")).await;
    assert_eq!(tell(&client(), &daemon.base, &question("ana", None)).await, Answered::Refused(503, true));
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());

    let mut daemon = Daemon::spawn_through(dir.path(), &[], &[]);
    assert!(daemon.wait_waiting().contains("more files"));
    taken.iter().for_each(|path| fs::remove_file(path).expect("it goes"));
    daemon.wait_ready();
    assert_eq!(tell(&client(), &daemon.base, &question("ana", None)).await, Answered::Acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_taken_away_ends_the_process_for_good() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let (data, moved) = (dir.path().join("data"), dir.path().join("moved"));
    let mut daemon = Daemon::start(dir.path());
    let before = load(&daemon.base, "before", 4, 5).await;
    fs::rename(&data, &moved).expect("it moves");
    // A start would make an empty store in its place: 78 keeps systemd from that.
    assert_eq!(daemon.wait().code(), Some(78), "{}", daemon.log());
    assert!(daemon.log().contains("is not there any more"), "{}", daemon.log());
    assert!(!data.exists());
    fs::rename(&moved, &data).expect("it moves back");
    keeps(&Daemon::start(dir.path()), &before.acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_may_not_be_entered_ends_the_process_and_loses_nothing() {
    // Root enters every directory, so the daemon is nobody here.
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    if !debian("setpriv", "util-linux") {
        return;
    }
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let data = dir.path().join("data");
    if !run("chown", &["-R", "65534:65534", dir.path().to_str().expect("text")]) {
        return skipped("a directory that may not be entered", "only root can be somebody else");
    }
    if !run("setpriv", &[&nobody[1..], &[env!("CARGO_BIN_EXE_reengaged"), "--version"]].concat()) {
        return skipped("a directory that may not be entered", "nobody may run the binary where it stands");
    }
    let mut daemon = Daemon::spawn_through(dir.path(), &nobody, &[]);
    daemon.wait_ready();
    let before = load(&daemon.base, "before", 4, 5).await;
    assert!(run("chmod", &["000", data.to_str().expect("text")]));
    assert_eq!(daemon.wait().code(), Some(78), "{}", daemon.log());
    assert!(run("chmod", &["700", data.to_str().expect("text")]));
    let mut daemon = Daemon::spawn_through(dir.path(), &nobody, &[]);
    daemon.wait_ready();
    keeps(&daemon, &before.acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_on_a_directory_leaves_the_first_unharmed() {
    let receiver = Receiver::start(Duration::ZERO).await;
    let dir = directory(&receiver.url, "", "", "");
    let first = Daemon::start(dir.path());
    let before = load(&first.base, "before", 4, 5).await;
    let other = tempfile::tempdir().expect("a directory");
    configure(other.path(), &receiver.url, "", "", "");
    let configuration = fs::read_to_string(other.path().join("config.toml")).expect("a file");
    let same = configuration.replace("\"data\"", &json!(dir.path().join("data")).to_string());
    fs::write(other.path().join("config.toml"), same).expect("a file");
    let mut second = Daemon::spawn(other.path(), &[]);
    assert_eq!(second.wait().code(), Some(75));
    assert!(second.log().contains(&format!("is locked by pid {}", first.pid())), "{}", second.log());
    let after = load(&first.base, "after", 4, 5).await;
    assert_eq!((before.acknowledged.len(), after.acknowledged.len()), (20, 20));
    keeps(&first, &before.acknowledged).await;
    first.kill();
    // The first is gone: its lock with it.
    keeps(&Daemon::start(dir.path()), &after.acknowledged).await;
}
