//! The store on disk: what a commit costs beside a bare write and fdatasync of as many bytes, and what a start costs.
//!
//! Not a pass or a fail: disks differ and are shared. Ratios to the bare disk, measured in turn with it, say more than times.
//!
//! ```text
//! cargo bench --bench store                       commits, and a start with 100,000 conversations
//! cargo bench --bench store -- commit [CHANGES]   commits alone, of so many changes in all for each size of group
//! cargo bench --bench store -- start N [bare|full] [ROUNDS]
//!                                                 a start with N conversations, each touched so often, without details or with
//! ```
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reengaged::conversation::{Event, Phase, State};
use reengaged::engine::ports::{Restored, Store};
use reengaged::engine::record::{Change, Decision, Delta, Moved, NameId, Question, Stored};
use reengaged::id::{ConversationId, EventKey, Keys};
use reengaged::moment::{DAY, HOUR, Moment};
use reengaged::schedule::{Reason, Trail, Tzdata};
use reengaged::store::{OpenOptions, SledStore};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |at: usize, otherwise: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    match arguments.first().map(String::as_str) {
        Some("commit") => commits(number(1, 60_000)),
        Some("start") => start(number(1, 1_000_000), arguments.get(2).is_some_and(|kind| kind == "full"), number(3, 1)),
        Some("measure") => measure(Path::new(&arguments[1])),
        _ => {
            commits(30_000);
            start(100_000, false, 1);
            start(100_000, true, 1);
        }
    }
}

/// Groups of each size, each followed by a bare write and fdatasync of as many bytes in the same directory.
fn commits(changes: usize) {
    println!("commit: group, commits, changes/s, median ms, p99 ms, bare median ms, bare p99 ms, ratio of medians");
    for group in [1, 64, 1_024, 4_096] {
        let home = tempfile::tempdir_in(".").expect("a directory beside the sources");
        let store = open(home.path());
        let keys = Keys::new(&[1; 32]);
        let mut bare = File::create(home.path().join("bare")).expect("a file");
        let rounds = (changes / group).clamp(12, 1_500);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let batch: Vec<Change> = (0..group).map(|n| touched(&keys, (round * group + n) % 100_000, round)).collect();
            let begin = Instant::now();
            store.apply(batch);
            store.flush().expect("a flush");
            ours.push(begin.elapsed());
            let bytes = vec![7; 190 * group];
            let begin = Instant::now();
            bare.write_all(&bytes).and_then(|()| bare.sync_data()).expect("a write");
            theirs.push(begin.elapsed());
        }
        let total: Duration = ours.iter().sum();
        let rate = (group * rounds) as f64 / total.as_secs_f64();
        let [a, b, c, d] = [quantile(&mut ours, 0.5), quantile(&mut ours, 0.99), quantile(&mut theirs, 0.5), quantile(&mut theirs, 0.99)];
        println!("commit: {group}, {rounds}, {rate:.0}, {a:.2}, {b:.2}, {c:.2}, {d:.2}, {:.2}", a / c);
    }
}

/// Fills a store, and lets another process open it, so that its memory is its own.
fn start(conversations: usize, details: bool, rounds: usize) {
    let home = tempfile::tempdir_in(".").expect("a directory beside the sources");
    let keys = Keys::new(&[1; 32]);
    let store = open(home.path());
    for round in 0..rounds {
        let begin = Instant::now();
        let (mut flushing, mut folding, mut slowest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        for first in (0..conversations).step_by(4_096) {
            let last = conversations.min(first + 4_096);
            let change = |n| if details { touched(&keys, n, round) } else { armed(&keys, n, round) };
            store.apply((first..last).map(change).collect());
            let flush = Instant::now();
            store.flush().expect("a flush");
            flushing += flush.elapsed();
            loop {
                let fold = Instant::now();
                let more = store.fold().expect("a fold");
                slowest = slowest.max(fold.elapsed());
                folding += fold.elapsed();
                if !more {
                    break;
                }
            }
        }
        println!(
            "start: {conversations} conversations in {:.1} s: flushing {:.1} s, folding {:.1} s ({:.0} a second, \
             slowest fold {:.0} ms); {:.0} bytes on disk each",
            begin.elapsed().as_secs_f64(),
            flushing.as_secs_f64(),
            folding.as_secs_f64(),
            conversations as f64 / folding.as_secs_f64(),
            slowest.as_secs_f64() * 1e3,
            figure(&store, "disk_bytes") / conversations as f64
        );
    }
    drop(store);
    let program = std::env::current_exe().expect("this program");
    for _ in 0..2 {
        assert!(Command::new(&program).arg("measure").arg(home.path()).status().expect("this program again").success());
    }
}

/// Opens a store and reads what a start needs.
fn measure(path: &Path) {
    let before = resident();
    let begin = Instant::now();
    let store = open(path);
    let (opened, opened_cpu) = (begin.elapsed(), cpu());
    let mut count = 0u64;
    store.recover(&mut |restored| count += u64::from(matches!(restored, Restored::Conversation(_)))).expect("a recovery");
    let told = begin.elapsed() - opened;
    let resident = resident() - before;
    println!(
        "start: opened in {:.2} s (cpu {opened_cpu:.2}), told {count} conversations in {:.2} s (cpu {:.2}); \
         {} MB resident, {:.0} bytes a conversation",
        opened.as_secs_f64(),
        told.as_secs_f64(),
        cpu() - opened_cpu,
        resident / 1_000_000,
        resident as f64 / count.max(1) as f64
    );
}

fn open(path: &Path) -> SledStore {
    SledStore::open(path, &OpenOptions { any_filesystem: true, ..OpenOptions::default() }).expect("a store")
}

fn figure(store: &SledStore, name: &str) -> f64 {
    store.figures().into_iter().find(|(figure, _)| *figure == name).map_or(0.0, |(_, value)| value)
}

/// Seconds of processor time that this process took so far, of all its threads.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.split(' ').skip(13).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
}

/// A conversation that is armed.
fn armed(keys: &Keys, n: usize, round: usize) -> Change {
    let id = keys.conversation(&n.to_string());
    Change::Moved(Box::new(Moved {
        stored: stored(id, Moment(1_772_400_000_000 + 977 * n as i64 + 60_000 * round as i64)),
        identity: None,
        now: Moment(1_772_400_000_000 + 60_000 * round as i64),
        deltas: Vec::new(),
        aliases: Vec::new(),
        hooks: Vec::new(),
        ledger: None,
    }))
}

/// A question asked, with the decision that came of it.
fn touched(keys: &Keys, n: usize, round: usize) -> Change {
    let id = keys.conversation(&n.to_string());
    let now = Moment(1_772_400_000_000 + 977 * n as i64 + 60_000 * round as i64);
    let stored = stored(id, now);
    let mut trail = Trail::new();
    trail.push(Reason::Open { at: now.plus(HOUR) });
    let event = Event::Question { at: now, obstacle: None };
    let decision =
        Decision { now, before: stored.state, event, trail, fingerprint: 99, tzdata: Tzdata::compiled_in(), due: stored.state.due };
    let question = Question {
        id: format!("q{n}"),
        text: "How many people shall the table be for?".to_owned(),
        payload: String::new(),
        choices: Vec::new(),
    };
    Change::Moved(Box::new(Moved {
        stored,
        identity: Some(EventKey(id.0 ^ round as u128)),
        now,
        deltas: vec![Delta::To(format!("57300{n:07}")), Delta::Asked(question), Delta::Decided(Box::new(decision))],
        aliases: vec![keys.alias_of_caller(&n.to_string())],
        hooks: Vec::new(),
        ledger: None,
    }))
}

fn stored(id: ConversationId, at: Moment) -> Stored {
    let mut state = State::new(id, false);
    state.phase = Phase::Waiting;
    state.episode = 1;
    state.begun = at.plus(-DAY);
    state.silence = at;
    state.question = Some(at);
    state.last_inbound = Some(at.plus(-90_000));
    state.wake = Some(at.plus(5 * HOUR));
    state.due = state.wake;
    state.not_after = at.plus(9 * HOUR);
    state.expires = Some(at.plus(53 * HOUR));
    Stored { id, line: NameId(1), flow: NameId(2), state }
}
