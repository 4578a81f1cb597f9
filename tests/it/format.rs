//! The format of each release, kept: a directory and a backup as that release wrote them are opened by every later one.
//!
//! Not an upgrade: there is one format so far. A directory of a newer format is refused (`store/sled/place.rs`).
//! Written once, by `UPDATE_GOLDEN=1 cargo test --test it format` where it is missing; never written again for a format that was released.

use std::path::{Path, PathBuf};

use reengaged::conversation::{Event, Outcome, Phase, Report, SendOutcome};
use reengaged::engine::ports::Store;
use reengaged::engine::record::{Change, Decision, Delta, HookRecord, LedgerEnd, LedgerEntry, Moved, NameId, PauseScope, Question};
use reengaged::engine::registry::{Filed, Register};
use reengaged::id::{AliasKey, ConversationId, EventKey, PersonKey, SendId};
use reengaged::moment::{DAY, HOUR, Moment};
use reengaged::schedule::{Trail, Tzdata};
use reengaged::store::{MemoryStore, Progress, SledStore};

use crate::store_damage::{held, open, options};
use crate::{answers, samples};

const NOW: Moment = Moment(1_772_400_000_000);

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format/1")
}

fn id(n: u128) -> ConversationId {
    ConversationId(n << 96)
}

fn conversation(n: u128) -> Moved {
    let mut stored = samples::waiting(id(n), NOW.plus(n as i64));
    stored.state.phase = match n % 5 {
        0 => Phase::Quiet,
        1 => Phase::Waiting,
        2 => Phase::Sending,
        3 => Phase::Answering,
        _ => Phase::Finished(Outcome::Declined),
    };
    let decision = Decision {
        now: NOW,
        before: stored.state,
        event: Event::Question { at: NOW, obstacle: None },
        trail: Trail::default(),
        fingerprint: 7,
        tzdata: Tzdata::default(),
        due: Some(NOW.plus(HOUR)),
    };
    let send = SendId(n);
    Moved {
        stored,
        identity: Some(EventKey(n)),
        now: NOW.plus(n as i64 * DAY),
        deltas: vec![
            Delta::Caller(format!("person-{n}")),
            Delta::To(format!("57300000000{n}")),
            Delta::Vars(vec![("name".to_owned(), "Ana María".to_owned()), ("long".to_owned(), "x".repeat(1_000))]),
            Delta::Attributes(vec![("plan".to_owned(), "pro".to_owned())]),
            Delta::Asked(Question {
                id: "name".to_owned(),
                text: "¿Cómo te llamas?".to_owned(),
                payload: "{}".to_owned(),
                choices: Vec::new(),
            }),
            Delta::Decided(Box::new(decision)),
            Delta::Ended { send, step: 0, outcome: SendOutcome::Accepted, at: NOW },
        ],
        aliases: vec![AliasKey(n << 96)],
        hooks: vec![HookRecord {
            seq: n as u64,
            conversation: id(n),
            report: Report::FollowUpSent { unknown: false },
            at: NOW,
            episode: 3,
            step: 0,
            send: Some(send),
            question: None,
            answers: Vec::new(),
            outbound: None,
            hooks: vec![NameId(7), NameId(8)],
        }],
        ledger: Some(LedgerEntry::Intent { send, attempt: 1, at: NOW, conversation: id(n), line: NameId(1), template: false }),
    }
}

fn filed(register: Register, n: u8, value: Option<&str>) -> Change {
    let (id, value) = (format!("{}{n:032x}", register.prefix()).into(), value.map(|value| value.as_bytes().into()));
    Change::Filed(Box::new(Filed { register, id, value, hooks: Vec::new() }))
}

/// What is in the sample: changes of every kind, in two parts; the first is folded, the second is in the log.
fn history() -> [Vec<Change>; 2] {
    let names = [(1, "support"), (2, "onboarding"), (7, "crm"), (8, "audit")].map(|(n, name)| Change::Named(NameId(n), name.into()));
    let ended = |n: u128, end| Change::Ledger(LedgerEntry::Ended { send: SendId(n), attempt: 1, at: NOW, end });
    let mut folded: Vec<Change> = names.into_iter().collect();
    folded.extend((1..=12).map(|n| Change::Moved(Box::new(conversation(n)))));
    folded.extend([
        ended(1, LedgerEnd::Accepted),
        ended(2, LedgerEnd::Refused),
        ended(3, LedgerEnd::Unknown),
        Change::OptedOut(PersonKey(1), NOW),
        Change::OptedOut(PersonKey(2), NOW),
        Change::OptedIn(PersonKey(2), NOW),
        Change::HookDone(NameId(7), 1),
        Change::HookDead(NameId(8), 1, NOW),
        Change::Paused(PauseScope::Line(NameId(1)), true),
        Change::Forgotten(id(12), true),
        filed(Register::Inbound, 1, Some("{\"message\": \"hola\"}")),
        filed(Register::Outbound, 1, Some("{\"content\": \"¿Seguimos?\"}")),
        filed(Register::Outbound, 2, Some("{}")),
        Change::Alive(NOW),
    ]);
    let mut later = conversation(3);
    later.stored.state.phase = Phase::Finished(Outcome::Succeeded);
    later.hooks.clear();
    later.ledger = None;
    let log = vec![
        Change::Moved(Box::new(later)),
        Change::HookDead(NameId(7), 2, NOW),
        Change::HookReplay(NameId(7), 2),
        Change::DeadUntil(NOW.plus(-DAY)),
        Change::IdentitiesUntil(NOW.0 / DAY),
        Change::OptedOut(PersonKey(3), NOW),
        filed(Register::Outbound, 2, None),
        filed(Register::Inbound, 2, Some("{}")),
        Change::Forgotten(id(11), false),
        Change::Alive(NOW.plus(HOUR)),
    ];
    [folded, log]
}

fn write(dir: &Path) {
    std::fs::create_dir_all(dir.parent().unwrap()).unwrap();
    let store = open(dir).unwrap();
    let [folded, log] = history();
    store.apply(folded);
    store.flush().unwrap();
    while store.fold().unwrap() {}
    store.apply(log);
    store.flush().unwrap();
    store.backup(&dir.with_extension("backup"), NOW, &Progress::default()).unwrap();
    drop(store);
    std::fs::remove_file(dir.join("lock")).unwrap();
    // Empty, which a repository does not keep.
    std::fs::remove_dir(dir.join("store/blobs")).unwrap();
}

fn model(like: &SledStore) -> MemoryStore {
    let model = MemoryStore::new(like.keys().clone());
    for changes in history() {
        model.apply(changes);
    }
    model.flush().unwrap();
    model
}

#[test]
fn a_directory_and_a_backup_of_this_format_are_opened() {
    #[allow(clippy::disallowed_methods)]
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !sample().exists() {
        write(&sample());
    }
    let copy = answers::killed(&sample());
    let store = open(copy.path()).unwrap();
    assert_eq!(answers::difference(&store, &model(&store)), None);
    assert!(held(&store).is_some_and(|why| why.contains("copy")), "it is a copy");
    while store.fold().unwrap() {}
    assert_eq!(answers::difference(&store, &model(&store)), None);
    drop(store);
    assert!(SledStore::check(copy.path(), None, &mut || ()).unwrap().whole());

    let restored = tempfile::tempdir().unwrap();
    let ledger = restored.path().join("ledger");
    std::fs::create_dir(&ledger).unwrap();
    answers::copy(&sample().join("ledger"), &ledger);
    SledStore::restore(restored.path(), &sample().with_extension("backup"), &options(), &Progress::default()).unwrap();
    let store = open(restored.path()).unwrap();
    assert_eq!(answers::difference(&store, &model(&store)), None);
}
