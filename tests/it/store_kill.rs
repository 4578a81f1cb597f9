//! The store on disk, killed: a process of its own writes and says what was acknowledged; whatever moment it is killed at, all of
//! that is there afterwards.
//!
//! Not a power cut: what the kernel was given survives a kill.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reengaged::engine::ports::{Restored, Store};
use reengaged::engine::record::{Change, LedgerEntry, Moved, NameId};
use reengaged::id::{AliasKey, ConversationId, SendId};
use reengaged::moment::Moment;
use reengaged::store::{OpenOptions, SledStore};

use crate::samples;

/// Names the directory that a child writes in.
pub(crate) const CHILD: &str = "REENGAGED_STORE_CHILD";
/// Says after how many groups the child ends by itself; without it, it is killed long before.
pub(crate) const ROUNDS_OF_CHILD: &str = "REENGAGED_STORE_ROUNDS";
const ROUNDS: u64 = 20;
/// Changes that are written, and acknowledged, together.
const GROUP: u64 = 7;

#[test]
fn everything_acknowledged_survives_kills() {
    let home = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    let (mut in_open, mut in_write) = (0, 0);
    for round in 0..ROUNDS {
        let mut child = spawn(home.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Some rounds are killed as soon as the child begins to open the store, the others after some acknowledgements.
        let wanted = if round % 4 == 1 { 0 } else { 1 + round * 7919 % 60 };
        let mut seen = 0;
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some((_, number)) = line.split_once("acknowledged ") {
                acknowledged = number.parse().unwrap();
                seen += 1;
            }
            if (wanted == 0 && line.contains("opening")) || (wanted > 0 && seen >= wanted) {
                break;
            }
        }
        child.kill().unwrap();
        // What it said before it died counts too.
        for line in lines.map_while(Result::ok) {
            if let Some((_, number)) = line.split_once("acknowledged ") {
                acknowledged = number.parse().unwrap();
            }
        }
        let status = child.wait().unwrap();
        assert!(!status.success(), "the child ended by itself in round {round}: see its output");
        if wanted == 0 {
            in_open += 1
        } else {
            in_write += 1
        }
        check(home.path(), acknowledged);
    }
    assert!(acknowledged > 100 && in_open > 2 && in_write > 2, "{acknowledged} acknowledged");
}

#[test]
fn child() {
    #[allow(clippy::disallowed_methods)]
    let Some(home) = std::env::var_os(CHILD) else { return };
    println!("opening");
    std::io::stdout().flush().unwrap();
    let store = open(Path::new(&home));
    let mut next = count(&store) + 1;
    // More than any round waits for; the parent kills it long before.
    #[allow(clippy::disallowed_methods)]
    let rounds = std::env::var(ROUNDS_OF_CHILD).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5_000);
    for round in 0..rounds {
        let last = next + GROUP - 1;
        store.apply((next..=last).map(change).collect());
        assert!(store.flush().unwrap().covers(0));
        println!("acknowledged {last}");
        std::io::stdout().flush().unwrap();
        next = last + 1;
        if round % 3 == 0 {
            store.fold().unwrap();
        }
    }
}

fn spawn(home: &Path) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", "store_kill::child", "--nocapture"]).env(CHILD, home).stdout(Stdio::piped());
    command.spawn().unwrap()
}

fn open(home: &Path) -> SledStore {
    SledStore::open(home, &OpenOptions { any_filesystem: true, ..OpenOptions::default() }).unwrap()
}

fn id(n: u64) -> ConversationId {
    ConversationId(u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn change(n: u64) -> Change {
    let stored = samples::waiting(id(n), Moment(n as i64));
    let (send, at, line) = (SendId(u128::from(n)), Moment(n as i64), NameId(1));
    let ledger = LedgerEntry::Intent { send, attempt: 1, at, conversation: id(n), line, template: false };
    Change::Moved(Box::new(Moved {
        stored,
        identity: None,
        now: Moment(n as i64),
        deltas: Vec::new(),
        aliases: vec![AliasKey(u128::from(n))],
        hooks: Vec::new(),
        ledger: Some(ledger).filter(|_| n.is_multiple_of(3)),
    }))
}

/// How many conversations there are: they are numbered from 1.
fn count(store: &SledStore) -> u64 {
    let mut count = 0;
    store.recover(&mut |restored| count += u64::from(matches!(restored, Restored::Conversation(_)))).unwrap();
    count
}

/// Everything acknowledged is there, and of each group all or nothing.
pub(crate) fn check(home: &Path, acknowledged: u64) {
    let store = open(home);
    let count = count(&store);
    assert!(count >= acknowledged, "{count} are there and {acknowledged} were acknowledged");
    assert_eq!(count % GROUP, 0, "a group is torn");
    for n in 1..=count {
        let (stored, _) = store.load(id(n)).unwrap().unwrap();
        assert_eq!(stored.state.silence, Moment(n as i64));
        assert_eq!(store.alias(AliasKey(u128::from(n))).unwrap(), Some(id(n)));
        assert_eq!(store.standing(SendId(u128::from(n))).is_some(), n.is_multiple_of(3));
    }
}
