//! Wrong things that the real binary is told to do, each of which the kills or the power cuts must notice: the checks are checked.
//!
//! Not the sabotages of the simulator, which break its engine; these break the program that is built. Built in by the feature
//! `failpoints` alone.

use std::time::Duration;

use reengaged::clock::Clock;
use reengaged::moment::{HOUR, MINUTE, Moment};

use super::checker::Broken;
use super::points::built_in;
use super::power::{Disk, cut};
use super::provider::Temper;
use super::stage::{Kill, Stage};
use crate::whole::process::{client, get};

/// Rounds in which it must be noticed. Each alone is noticed by the fourth nearly always.
const ROUNDS: usize = 12;

/// How many rounds it takes until one of these is found.
async fn noticed(wrong: &str, expected: &[Broken], kill: impl Fn(usize) -> Kill) -> usize {
    let mut stage = Stage::new(11, Temper::Moody, None);
    stage.wrong = wrong.to_owned();
    let mut found = Vec::new();
    for round in 0..ROUNDS {
        stage.round(&kill(round)).await;
        // What is left behind is looked at by a daemon that does nothing wrong but this.
        if let Some(daemon) = stage.restart("").await {
            drop(daemon);
            stage.killed(false);
        }
        found.extend(stage.checker.found());
        if let Some(first) = found.iter().find(|violation| expected.contains(&violation.broken)) {
            println!("{wrong}: noticed in round {}: {}", round + 1, first.to_string().chars().take(160).collect::<String>());
            return round + 1;
        }
    }
    panic!("{wrong} is not noticed in {ROUNDS} rounds; found: {:?}", found.iter().map(|v| v.broken).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_before_the_disk_are_noticed() {
    if built_in("sabotage: acknowledging early") {
        // What one flush leaves the next one writes, a moment later: a kill hits where several in a row write nothing.
        noticed("wrong.acknowledge_early=90%return", &[Broken::Lost], |round| Kill::UnderLoad(300 + 97 * round as u64)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_unknown_that_is_made_again_is_noticed() {
    if built_in("sabotage: resending an unknown") {
        noticed("wrong.resend_unknown=return", &[Broken::Twice], |_| Kill::UnderLoad(900)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_that_is_trimmed_before_its_checkpoint_is_noticed() {
    if built_in("sabotage: trimming the log first") {
        let kill = |_| Kill::AtPoint("fold.trimmed=return(kill)".to_owned());
        noticed("wrong.trim_first=return", &[Broken::Lost], kill).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ledger_that_is_not_written_is_noticed() {
    if built_in("sabotage: skipping the ledger") {
        noticed("wrong.skip_the_ledger=return", &[Broken::Unlisted], |round| Kill::UnderLoad(500 + 61 * round as u64)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_is_not_synced_is_noticed() {
    if !built_in("sabotage: skipping the fsync") {
        return;
    }
    let Some(disk) = Disk::new("sabotage: skipping the fsync") else { return };
    let mut stage = Stage::new(11, Temper::Moody, Some(&disk.data()));
    stage.wrong = "wrong.skip_the_fsync=return".to_owned();
    for round in 0..ROUNDS {
        cut(&mut stage, &disk, 400 + 77 * round as u64).await;
        if let Some(daemon) = stage.restart("").await {
            daemon.kill();
        }
        let found = stage.checker.found();
        if found.iter().any(|violation| violation.broken == Broken::Lost) {
            println!("wrong.skip_the_fsync: noticed at cut {}: {}", round + 1, found[0]);
            return;
        }
    }
    panic!("it is not noticed in {ROUNDS} cuts");
}

/// A call that takes seconds to begin, and a person who answers meanwhile; what is wrong when somebody else's call has been made.
async fn answered_before_the_call_begins(wrong: &str) -> Vec<Broken> {
    let mut stage = Stage::new(13, Temper::Silent, None);
    stage.wrong = [wrong, "call.claimed=1*sleep(3000)"].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(";");
    let daemon = stage.restart("").await.expect("it starts");
    assert!(stage.load.asks_now(&daemon.base, 0).await);
    let url = format!("{}/v1/conversations/p-0", daemon.base);
    while get(&client(), &url).await.1["state"] != "sending" {
        tokio::task::yield_now().await;
    }
    assert!(stage.load.writes(&daemon.base, 0).await);
    let stopped = format!("{}/metrics", daemon.base);
    loop {
        let (_, metrics) = get(&client(), &stopped).await;
        if stage.history.handed() > 0 || metrics.as_str().is_some_and(|text| text.contains("stopped_at_the_door_total 1")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = stage.history.handed();
    assert!(stage.load.asks_now(&daemon.base, 1).await);
    stage.handed(before + 1).await;
    stage.checker.read(&stage.history);
    stage.checker.found().into_iter().map(|violation| violation.broken).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_without_a_last_look_is_noticed() {
    if !built_in("sabotage: skipping the last look") {
        return;
    }
    assert_eq!(answered_before_the_call_begins("").await, [], "as it is built");
    let found = answered_before_the_call_begins("wrong.skip_the_door=return").await;
    assert!(found.contains(&Broken::AfterTheAnswer), "{found:?}");
}

/// A follow-up comes due while the daemon is down, and the hours end; whether it goes out at night.
async fn sent_at_night(wrong: &str) -> bool {
    let mut stage = Stage::new(17, Temper::Silent, None);
    stage.wrong = wrong.to_owned();
    // The hours of the line begin in about eight hours and last one.
    let opens = Moment((Clock::system().wall().0 + 8 * HOUR) / MINUTE * MINUTE);
    let before = Clock::scaled(1, opens.plus(50 * MINUTE));
    let mut daemon = stage.spawn_at(&before);
    assert!(tokio::task::block_in_place(|| daemon.ready_or_gone()), "{}", daemon.log());
    assert!(stage.load.asks_at(&daemon.base, 0, false, opens.plus(25 * MINUTE)).await);
    let url = |base: &str| format!("{base}/v1/conversations/p-0");
    let (_, shown) = get(&client(), &url(&daemon.base)).await;
    let due = |shown: &serde_json::Value| shown["due_at"].as_str().and_then(Moment::parse);
    assert_eq!(due(&shown), Some(opens.plus(55 * MINUTE)), "{shown}");
    daemon.kill();
    let night = Clock::scaled(1, opens.plus(3 * HOUR));
    let mut daemon = stage.spawn_at(&night);
    assert!(tokio::task::block_in_place(|| daemon.ready_or_gone()), "{}", daemon.log());
    loop {
        let (_, shown) = get(&client(), &url(&daemon.base)).await;
        stage.checker.read(&stage.history);
        if stage.checker.found().iter().any(|violation| violation.broken == Broken::Closed) {
            return true;
        }
        if shown["state"] == "waiting" && due(&shown).is_some_and(|due| due >= opens.plus(24 * HOUR)) {
            return false;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_came_due_while_it_was_down_is_not_sent_at_night() {
    assert!(!sent_at_night("").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_timer_that_is_trusted_is_noticed() {
    if built_in("sabotage: trusting the timer") {
        assert!(sent_at_night("wrong.trust_the_timer=return;wrong.skip_the_door=return").await);
    }
}
