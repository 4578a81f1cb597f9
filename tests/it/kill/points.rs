//! The daemon dies at every place that the program has a name for: between any two steps of its start, its commit, its calls and its
//! folding. And that no release has such places.
//!
//! Not chance: `mod.rs` has that. The places are built in by the feature `failpoints` alone; without it these tests say SKIPPED.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use reengaged::clock::Clock;
use serde_json::Value;

use super::dice::Dice;
use super::provider::Temper;
use super::stage::Stage;
use super::{load, seed};
use crate::support::skipped;
use crate::whole::process::{client, get};

/// Whether the program that is tested has them.
pub(super) const BUILT_IN: bool = cfg!(feature = "failpoints");

/// The first start of all: the directory is made.
const CREATE: [&str; 3] = ["create.base", "create.store", "create.ledger"];
/// Every start.
const START: [&str; 7] =
    ["start.listening", "start.ledger", "start.read", "start.opened", "start.recovered", "start.threads", "start.ready"];
/// Every commit, from the first change to the last answer; and the turns of the loop.
const COMMIT: [&str; 10] = [
    "engine.turn",
    "commit.begin",
    "ledger.written",
    "commit.ledger",
    "commit.written",
    "sync.flushed",
    "commit.durable",
    "mark.written",
    "commit.acknowledge",
    "commit.released",
];
/// Every call.
const CALL: [&str; 3] = ["call.claimed", "call.allowed", "call.answered"];
/// Folding: blocks are rewritten, made durable, and the log is trimmed behind them.
const FOLD: [&str; 8] =
    ["fold.begin", "fold.lists", "fold.details", "fold.collected", "fold.blocks", "fold.written", "fold.durable", "fold.trimmed"];

/// A place, and how often it is passed before it kills.
pub(super) fn some_point(dice: &mut Dice) -> (&'static str, u64) {
    match dice.below(8) {
        0 | 1 => (START[dice.below(START.len() as u64) as usize], 0),
        2..5 => (COMMIT[dice.below(COMMIT.len() as u64) as usize], dice.below(20)),
        5 | 6 => (CALL[dice.below(CALL.len() as u64) as usize], dice.below(8)),
        _ => (FOLD[dice.below(FOLD.len() as u64) as usize], dice.below(2)),
    }
}

/// Where the points are not built in: says so.
pub(super) fn built_in(what: &str) -> bool {
    if !BUILT_IN {
        skipped(what, "the points are not built in; `tests/run` builds them in (`--features failpoints`)");
    }
    BUILT_IN
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_every_named_point_it_keeps_its_promises() {
    if !built_in("kills at every named point") {
        return;
    }
    let seed = seed();
    let mut dice = Dice::new(seed, 3);
    for point in CREATE {
        let mut stage = Stage::new(seed, Temper::Moody, None);
        assert!(stage.at_point(&format!("{point}=return(kill)"), Duration::from_secs(1)).await, "{point} was not reached");
        stage.end().await;
        stage.judge(seed, 0);
    }
    let mut stage = Stage::new(seed, Temper::Moody, None);
    let places = START.iter().chain(&COMMIT).chain(&CALL).chain(&FOLD);
    for (round, point) in places.enumerate() {
        let passes = match point.split_once('.').map_or("", |(group, _)| group) {
            "start" => 0,
            "fold" => dice.below(2),
            _ => dice.below(12),
        };
        let mut reached = stage.at_point(&format!("{point}={passes}*off->return(kill)"), Duration::from_secs(3)).await;
        if !reached {
            reached = stage.at_point(&format!("{point}=return(kill)"), Duration::from_secs(20)).await;
        }
        assert!(reached, "{point} was not reached");
        let daemon = stage.restart("").await;
        drop(daemon);
        stage.killed(false);
        stage.judge(seed, round);
    }
    let figures = stage.end().await;
    stage.judge(seed, places_in_all());
    println!("seed {seed}: {figures:?}");
    assert!(figures.handed_over > 50, "{figures:?}");
}

fn places_in_all() -> usize {
    START.len() + COMMIT.len() + CALL.len() + FOLD.len()
}

/// The claim is on disk and the process dies before, during or after the call: one doubt, listed, never made again, settled by the
/// provider's report where the message had come so far.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crash_around_a_call_leaves_one_doubt_and_the_report_settles_it() {
    if !built_in("crashes around a call") {
        return;
    }
    let silent = ["call.claimed", "call.allowed", "call.answered"].map(|point| (Temper::Silent, Some(point)));
    for (temper, point) in silent.into_iter().chain([(Temper::Hanging, None)]) {
        let mut stage = Stage::new(5, temper, None);
        let mut daemon = stage.spawn(&point.map(|point| format!("{point}=return(kill)")).unwrap_or_default());
        assert!(tokio::task::block_in_place(|| daemon.ready_or_gone()));
        // It may die before it can say that it has heard.
        let acknowledged = stage.load.asks_now(&daemon.base, 0).await;
        match point {
            Some(_) => {
                let gone = tokio::task::block_in_place(|| daemon.gone_within(Duration::from_secs(30)));
                assert!(gone.is_some_and(|status| !status.success()), "{point:?}: {gone:?}");
            }
            // The request is written, and there is no answer.
            None => {
                assert!(acknowledged);
                stage.handed(1).await;
                daemon.kill();
            }
        }
        stage.killed(false);
        let handed = usize::from(matches!(point, None | Some("call.answered")));
        assert_eq!(stage.history.handed(), handed, "{point:?}");

        let daemon = stage.restart("").await.expect("it starts");
        let doubts = |listed: Value| -> Vec<String> {
            listed["doubts"].as_array().into_iter().flatten().map(|doubt| doubt["send"].as_str().unwrap_or_default().to_owned()).collect()
        };
        let (_, listed) = get(&client(), &format!("{}/v1/doubts", daemon.base)).await;
        let [send] = doubts(listed.clone()).try_into().unwrap_or_else(|_| panic!("{point:?}: not one doubt: {listed}"));
        // Somebody else's follow-up goes out after it: what was not made again by now will not be.
        assert!(stage.load.asks_now(&daemon.base, 1).await);
        stage.handed(handed + 1).await;
        assert_eq!(stage.history.handed(), handed + 1, "{point:?}: made again");
        assert!(stage.load.reports_delivered(&daemon.base, 0, &send).await);
        let (_, listed) = get(&client(), &format!("{}/v1/doubts", daemon.base)).await;
        assert!(!doubts(listed.clone()).contains(&send), "{point:?}: still in doubt: {listed}");
        let (_, shown) = get(&client(), &format!("{}/v1/conversations/{}/explain", daemon.base, load::name(0))).await;
        assert_eq!((&shown["sends"][0]["send"], &shown["sends"][0]["outcome"]), (&send.into(), &"accepted".into()), "{shown}");
        drop(daemon);
        stage.judge(5, 0);
    }
}

/// The provider reports of a send in doubt, and the process dies when the ledger has heard and the conversation has not: at the next
/// start both know.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_report_that_only_the_ledger_has_heard_settles_the_doubt_at_the_next_start() {
    if !built_in("a crash while a report is kept") {
        return;
    }
    let mut stage = Stage::new(5, Temper::Silent, None);
    for (armed, reported) in [("call.answered=return(kill)", false), ("", false), ("ledger.written=return(kill)", true)] {
        let mut daemon = stage.spawn(armed);
        assert!(tokio::task::block_in_place(|| daemon.ready_or_gone()), "{armed}");
        if reported {
            let (_, listed) = get(&client(), &format!("{}/v1/doubts", daemon.base)).await;
            let send = listed["doubts"][0]["send"].as_str().unwrap_or_else(|| panic!("no doubt: {listed}"));
            assert!(!stage.load.reports_delivered(&daemon.base, 0, send).await, "it dies before it can answer");
        } else if !armed.is_empty() {
            stage.load.asks_now(&daemon.base, 0).await;
        } else {
            // What is acknowledged after the start is on disk behind what the start itself has to keep.
            assert!(stage.load.asks_at(&daemon.base, 1, false, Clock::system().wall()).await);
        }
        if !armed.is_empty() {
            assert!(tokio::task::block_in_place(|| daemon.gone_within(Duration::from_secs(30))).is_some(), "{armed}");
        }
        drop(daemon);
        stage.killed(false);
    }
    let daemon = stage.restart("").await.expect("it starts");
    let (_, shown) = get(&client(), &format!("{}/v1/conversations/{}/explain", daemon.base, load::name(0))).await;
    assert_eq!(
        (&shown["state"], &shown["in_doubt"], &shown["sends"][0]["outcome"]),
        (&"answering".into(), &false.into(), &"accepted".into()),
        "{shown}"
    );
    drop(daemon);
    stage.judge(5, 0);
}

/// The provider does not take a message, and the process dies when the ledger has heard and the conversation has not: that is no doubt.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refusal_that_only_the_ledger_has_heard_is_no_doubt() {
    if !built_in("a crash while a refusal is kept") {
        return;
    }
    let mut stage = Stage::new(5, Temper::Throttling, None);
    // The claim is written first, then the refusal.
    let mut daemon = stage.spawn("ledger.written=1*off->return(kill)");
    assert!(tokio::task::block_in_place(|| daemon.ready_or_gone()));
    assert!(stage.load.asks_now(&daemon.base, 0).await);
    assert!(tokio::task::block_in_place(|| daemon.gone_within(Duration::from_secs(30))).is_some());
    stage.killed(false);
    let daemon = stage.restart("").await.expect("it starts");
    let (_, shown) = get(&client(), &format!("{}/v1/conversations/{}/explain", daemon.base, load::name(0))).await;
    assert_eq!((&shown["state"], &shown["in_doubt"]), (&"retrying".into(), &false.into()), "{shown}");
    drop(daemon);
    stage.judge(5, 0);
}

/// The person speaks during the call, and the process dies when the ledger has heard the end of the call and the conversation has not:
/// at the next start it has an outcome all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_end_that_only_the_ledger_has_heard_is_told_to_a_conversation_that_has_gone_on() {
    if !built_in("a crash while the end of a call is kept") {
        return;
    }
    let mut stage = Stage::new(5, Temper::Silent, None);
    let mut daemon = stage.spawn("call.answered=sleep(1500);ledger.written=1*off->return(kill)");
    assert!(tokio::task::block_in_place(|| daemon.ready_or_gone()));
    assert!(stage.load.asks_now(&daemon.base, 0).await);
    stage.handed(1).await;
    assert!(stage.load.writes(&daemon.base, 0).await);
    assert!(tokio::task::block_in_place(|| daemon.gone_within(Duration::from_secs(30))).is_some());
    stage.killed(false);
    // A start that is cut short as well changes nothing of that.
    assert!(stage.at_point("commit.ledger=return(kill)", Duration::from_secs(30)).await);
    let daemon = stage.restart("").await.expect("it starts");
    let (_, shown) = get(&client(), &format!("{}/v1/conversations/{}/explain", daemon.base, load::name(0))).await;
    assert_eq!((&shown["state"], &shown["sends"][0]["outcome"]), (&"quiet".into(), &"accepted".into()), "{shown}");
    drop(daemon);
    stage.judge(5, 0);
}

#[test]
fn the_list_of_points_is_that_of_the_program() {
    let mut built = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the sources").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let text = std::fs::read_to_string(&entry).expect("a source");
                built.extend(text.split("points::at(\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
    }
    let named: BTreeSet<String> = CREATE
        .iter()
        .chain(&START)
        .chain(&COMMIT)
        .chain(&CALL)
        .chain(&FOLD)
        .chain(&["http.handler"])
        .map(|name| (*name).to_owned())
        .collect();
    assert_eq!(built, named);
}

/// What is released has no such places, and does not read the variable.
#[test]
fn no_release_has_points() {
    let tree = |features: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["tree", "--locked", "--offline", "-e", "normal", "--prefix", "none"]);
        let output = command.args(features).stdin(Stdio::null()).output().expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let has = |tree: &str| tree.lines().any(|line| line.starts_with("fail v"));
    assert!(!has(&tree(&[])), "the default features must not have the crate `fail`");
    assert!(has(&tree(&["--features", "failpoints"])), "the search finds what is there");
    if !BUILT_IN {
        // Told to die while it starts, this build does not.
        let stage = Stage::bare(5);
        let mut daemon = stage.spawn("start.listening=return(kill);start.ready=panic");
        assert!(daemon.ready_or_gone(), "{}", daemon.log());
    }
}
