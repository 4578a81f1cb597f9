//! What every store promises, held against each of them: the one in memory and the one on disk.
//!
//! Not what one of them does beyond that: damage, locks and kills of the store on disk are in `store_damage.rs` and `store_kill.rs`.

use std::sync::Arc;

use proptest::prelude::*;
use reengaged::conversation::{Event, Outcome, Phase, Report};
use reengaged::engine::ports::{Restored, Store};
use reengaged::engine::record::{Change, Decision, Delta, HookRecord, LedgerEnd, LedgerEntry, Moved, NameId, PauseScope, Question, Stored};
use reengaged::id::{AliasKey, ConversationId, EventKey, Keys, PersonKey, SendId};
use reengaged::limits;
use reengaged::moment::{DAY, Moment};
use reengaged::schedule::{Trail, Tzdata};
use reengaged::store::{MemoryStore, OpenOptions, SledStore};

use crate::{answers, samples};

mod registry;

const NOW: Moment = Moment(1_772_400_000_000);

/// A store under test.
enum Subject {
    Memory(Box<MemoryStore>),
    /// The directory lives as long as the store in it.
    Sled(tempfile::TempDir, Option<Box<SledStore>>),
}

impl Subject {
    fn all() -> [Subject; 2] {
        let home = tempfile::tempdir().unwrap();
        let sled = open(home.path());
        [Subject::Memory(Box::new(MemoryStore::new(Keys::new(&[1; 32])))), Subject::Sled(home, Some(Box::new(sled)))]
    }

    fn store(&self) -> &dyn Store {
        match self {
            Subject::Memory(store) => store.as_ref(),
            Subject::Sled(_, store) => store.as_deref().unwrap(),
        }
    }

    fn apply(&self, changes: impl IntoIterator<Item = Change>) -> u64 {
        self.store().apply(changes.into_iter().collect())
    }

    fn flush(&self) {
        self.store().flush().unwrap();
    }

    /// Folds everything that can be.
    fn fold(&self) {
        while self.store().fold().unwrap() {}
    }

    /// As `kill -9` would: what was not flushed is gone.
    fn crash(&mut self) {
        match self {
            Subject::Memory(store) => store.crash(|_| 0),
            Subject::Sled(home, store) => {
                *home = answers::killed(home.path());
                // The old one is closed first: it must not write into what the new one reads.
                drop(store.take());
                *store = Some(Box::new(open(home.path())));
            }
        }
    }

    fn told(&self) -> Vec<Restored> {
        let mut told = Vec::new();
        self.store().recover(&mut |restored| told.push(restored)).unwrap();
        // What stood last in the ledger when it was opened is told once more: only a file knows that.
        told.retain(|restored| !matches!(restored, Restored::Held(_) | Restored::Ended(_) | Restored::About(_)));
        told
    }
}

fn open(path: &std::path::Path) -> SledStore {
    let options = OpenOptions { any_filesystem: true, machine: Some("test".to_owned()), ..OpenOptions::default() };
    SledStore::open(path, &options).unwrap()
}

/// Runs a promise on every store: as it is, folded at every step, and crashed (after a flush) at every step.
fn each(promise: impl Fn(&mut Subject, &dyn Fn(&mut Subject))) {
    for mut subject in Subject::all() {
        promise(&mut subject, &|_| {});
    }
    for mut subject in Subject::all() {
        promise(&mut subject, &|subject| {
            subject.flush();
            subject.fold();
        });
    }
    for mut subject in Subject::all() {
        promise(&mut subject, &|subject| {
            subject.flush();
            subject.crash();
        });
    }
    for mut subject in Subject::all() {
        promise(&mut subject, &|subject| {
            subject.flush();
            subject.fold();
            subject.crash();
        });
    }
}

fn id(n: u128) -> ConversationId {
    ConversationId(n << 100)
}

fn moved(n: u128) -> Moved {
    let stored = samples::waiting(id(n), NOW);
    Moved { stored, identity: None, now: NOW, deltas: Vec::new(), aliases: Vec::new(), hooks: Vec::new(), ledger: None }
}

fn kept(moved: Moved) -> Change {
    Change::Moved(Box::new(moved))
}

fn finished(n: u128, now: Moment) -> Change {
    let mut moved = moved(n);
    moved.stored.state.phase = Phase::Finished(Outcome::Expired);
    moved.now = now;
    kept(moved)
}

fn decided(n: u128, fingerprint: u64) -> Change {
    let stored = samples::waiting(id(n), NOW);
    let decision = Decision {
        now: NOW,
        before: stored.state,
        event: Event::Woke,
        trail: Trail::new(),
        fingerprint,
        tzdata: Tzdata::compiled_in(),
        due: None,
    };
    kept(Moved { deltas: vec![Delta::Decided(Box::new(decision))], ..moved(n) })
}

fn record(seq: u64, n: u128, hooks: &[u16]) -> HookRecord {
    HookRecord {
        seq,
        conversation: id(n),
        report: Report::Started,
        at: NOW,
        episode: 1,
        step: 0,
        send: None,
        question: Some(Question { text: "¿Sí?".to_owned(), ..Question::default() }),
        outbound: None,
        answers: Vec::new(),
        hooks: hooks.iter().map(|hook| NameId(*hook)).collect(),
    }
}

fn told_hook(seq: u64, n: u128, hooks: &[u16]) -> Change {
    kept(Moved { hooks: vec![record(seq, n, hooks)], ..moved(n) })
}

#[test]
fn a_change_is_visible_at_once_and_the_last_one_counts() {
    each(|subject, step| {
        assert_eq!(subject.store().load(id(1)).unwrap(), None);
        subject.apply([kept(moved(1))]);
        step(subject);
        let (stored, details) = subject.store().load(id(1)).unwrap().unwrap();
        assert_eq!((stored, details.caller.as_str()), (samples::waiting(id(1), NOW), ""));
        let mut later = moved(1);
        later.stored.state.episode = 9;
        later.stored.flow = NameId(77);
        later.deltas = vec![Delta::Caller("anna".to_owned()), Delta::To("57300".to_owned())];
        subject.apply([kept(later.clone())]);
        step(subject);
        let (stored, details) = subject.store().load(id(1)).unwrap().unwrap();
        assert_eq!((stored, details.caller.as_str(), details.to.as_str()), (later.stored, "anna", "57300"));
    });
}

#[test]
fn what_was_flushed_survives_and_of_the_rest_a_prefix_does() {
    for mut subject in Subject::all() {
        let third = subject.apply((1..=3).map(|n| kept(moved(n))));
        let durable = subject.store().flush().unwrap();
        assert!(durable.covers(third));
        subject.apply((4..=6).map(|n| kept(moved(n))));
        subject.crash();
        let there: Vec<bool> = (1..=6).map(|n| subject.store().load(id(n)).unwrap().is_some()).collect();
        let survived = there.iter().take_while(|there| **there).count();
        assert!(survived >= 3 && there[survived..].iter().all(|there| !there), "{there:?}");
        assert!(subject.apply([kept(moved(7))]) > third, "numbers go on");
    }
}

#[test]
fn details_add_up_and_none_is_counted_twice() {
    each(|subject, step| {
        for n in 0..limits::DECISIONS as u64 + 6 {
            subject.apply([decided(1, n)]);
            if n % 9 == 0 {
                step(subject);
            }
        }
        let (_, details) = subject.store().load(id(1)).unwrap().unwrap();
        let kept: Vec<u64> = details.decisions.iter().map(|decision| decision.fingerprint).collect();
        assert_eq!(kept, (6..limits::DECISIONS as u64 + 6).collect::<Vec<_>>());

        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for vars in [vec![pair("b", "1"), pair("a", "1")], vec![pair("b", "2")]] {
            subject.apply([kept_with(Delta::Vars(vars))]);
            step(subject);
        }
        let long = "x".repeat(9_000);
        subject.apply([kept_with(Delta::Asked(Question {
            id: "q".to_owned(),
            text: long.clone(),
            payload: String::new(),
            choices: Vec::new(),
        }))]);
        step(subject);
        let (_, details) = subject.store().load(id(1)).unwrap().unwrap();
        assert_eq!(details.vars, [pair("a", "1"), pair("b", "2")]);
        assert_eq!(details.question.unwrap().text, long);
    });
}

fn kept_with(delta: Delta) -> Change {
    kept(Moved { deltas: vec![delta], ..moved(1) })
}

#[test]
fn aliases_lead_to_the_last_conversation_that_took_them() {
    each(|subject, step| {
        let named = |n: u128| kept(Moved { aliases: vec![AliasKey(7), AliasKey(n)], ..moved(n) });
        subject.apply([named(1)]);
        step(subject);
        assert_eq!(subject.store().alias(AliasKey(7)).unwrap(), Some(id(1)));
        subject.apply([named(2)]);
        step(subject);
        assert_eq!(subject.store().alias(AliasKey(7)).unwrap(), Some(id(2)));
        subject.apply([Change::Forgotten(id(1), true)]);
        step(subject);
        assert_eq!(subject.store().alias(AliasKey(1)).unwrap(), None);
        assert_eq!(subject.store().alias(AliasKey(7)).unwrap(), Some(id(2)), "it is the other's by now");
        subject.apply([Change::Forgotten(id(2), false)]);
        step(subject);
        assert_eq!(subject.store().alias(AliasKey(7)).unwrap(), None);
    });
}

#[test]
fn pages_are_in_the_order_of_ids_and_skip_what_is_forgotten() {
    each(|subject, step| {
        for n in [5, 3, 9, 1, 7] {
            subject.apply([kept(moved(n))]);
            step(subject);
        }
        subject.apply([finished(3, NOW), Change::Forgotten(id(5), false)]);
        step(subject);
        let page = |after: Option<u128>, limit| subject.store().page(after.map(id), limit).unwrap();
        assert_eq!(page(None, 2), [id(1), id(3)]);
        assert_eq!(page(Some(3), 2), [id(7), id(9)]);
        assert_eq!(page(Some(9), 2), []);
        assert_eq!(page(Some(4), 100), [id(7), id(9)]);
        assert!(subject.store().load(id(5)).unwrap().is_none());
        subject.apply([kept(moved(5))]);
        step(subject);
        assert_eq!(subject.store().page(Some(id(3)), 1).unwrap(), [id(5)]);
        assert!(subject.store().load(id(5)).unwrap().unwrap().1.decisions.is_empty());
    });
}

#[test]
fn hook_records_stay_until_every_hook_had_them_or_gave_up() {
    each(|subject, step| {
        subject.apply([told_hook(1, 1, &[4, 5]), told_hook(2, 1, &[4]), told_hook(3, 2, &[])]);
        step(subject);
        subject.apply([Change::HookDone(NameId(4), 1)]);
        step(subject);
        assert_eq!(subject.store().hook(1).unwrap(), Some(record(1, 1, &[5])));
        assert_eq!(subject.store().hook(3).unwrap(), None, "no hook has to get it");
        subject.apply([Change::HookDead(NameId(5), 1, NOW), Change::HookDead(NameId(4), 2, NOW.plus(DAY))]);
        step(subject);
        let dead = |from, limit| {
            subject.store().dead(from, limit).unwrap().into_iter().map(|(hook, r, at)| (hook.0, r.seq, at)).collect::<Vec<_>>()
        };
        assert_eq!(dead(0, 9), [(5, 1, NOW), (4, 2, NOW.plus(DAY))]);
        assert_eq!((dead(0, 1), dead(2, 9)), (vec![(5, 1, NOW)], vec![(4, 2, NOW.plus(DAY))]));
        assert!(!subject.told().iter().any(|told| matches!(told, Restored::Hook(_))));
        subject.apply([Change::HookReplay(NameId(5), 1)]);
        step(subject);
        let hooks: Vec<Restored> = subject.told().into_iter().filter(|told| matches!(told, Restored::Hook(_))).collect();
        assert_eq!(hooks, [Restored::Hook(record(1, 1, &[5]))]);
        subject.apply([Change::HookDone(NameId(5), 1), Change::DeadUntil(NOW.plus(DAY + 1))]);
        step(subject);
        assert_eq!((subject.store().hook(1).unwrap(), subject.store().hook(2).unwrap()), (None, None));
        assert!(subject.told().contains(&Restored::LastHook(3)));
    });
}

#[test]
fn an_erased_conversation_takes_its_hook_records_along_and_an_outlived_one_does_not() {
    each(|subject, step| {
        subject.apply([told_hook(1, 1, &[4]), told_hook(2, 2, &[4]), told_hook(3, 1, &[4]), told_hook(4, 3, &[4])]);
        subject.apply([Change::HookDead(NameId(4), 3, NOW)]);
        step(subject);
        subject.apply([Change::Forgotten(id(1), true), Change::Forgotten(id(2), false)]);
        step(subject);
        let there = [1, 2, 3, 4].map(|n| subject.store().hook(n).unwrap().is_some());
        assert_eq!((there, subject.store().dead(0, 9).unwrap().len()), ([false, true, false, true], 0));
    });
}

#[test]
fn conversations_at_rest_outlive_their_time() {
    each(|subject, step| {
        subject.apply([finished(1, NOW), finished(2, NOW.plus(3 * DAY)), kept(moved(3))]);
        let mut quiet = moved(4);
        quiet.stored.state.phase = Phase::Quiet;
        subject.apply([kept(quiet)]);
        step(subject);
        let outlived = |subject: &Subject, before: Moment| {
            let mut ids = subject.store().outlived(before, 9).unwrap();
            ids.sort();
            ids
        };
        assert_eq!(outlived(subject, NOW), []);
        assert_eq!(outlived(subject, NOW.plus(1)), [id(1), id(4)]);
        assert_eq!(subject.store().outlived(NOW.plus(1), 1).unwrap().len(), 1);
        subject.apply([finished(4, NOW.plus(2 * DAY))]);
        step(subject);
        assert_eq!(outlived(subject, NOW.plus(1)), [id(1)]);
        subject.apply([Change::Forgotten(id(1), false)]);
        step(subject);
        assert_eq!(outlived(subject, NOW.plus(DAY)), []);
        assert_eq!(outlived(subject, NOW.plus(9 * DAY)), [id(2), id(4)]);
    });
}

#[test]
fn a_start_is_told_everything_it_needs() {
    each(|subject, step| {
        subject.apply([
            Change::Named(NameId(2), Arc::from("soporte")),
            Change::Named(NameId(1), Arc::from("support")),
            kept(Moved { identity: Some(EventKey(8)), ..moved(1) }),
            finished(2, NOW),
            Change::OptedOut(PersonKey(5), NOW),
            Change::OptedOut(PersonKey(6), NOW),
        ]);
        step(subject);
        subject.apply([
            Change::OptedIn(PersonKey(5), NOW),
            Change::Paused(PauseScope::All, true),
            Change::Paused(PauseScope::Line(NameId(1)), true),
            Change::Paused(PauseScope::All, false),
            Change::Template(NameId(1), Arc::from("reengage/es"), false),
            Change::Template(NameId(1), Arc::from("other/es"), false),
            Change::Template(NameId(1), Arc::from("other/es"), true),
            Change::Alive(NOW.plus(5)),
        ]);
        step(subject);
        let told = subject.told();
        assert!(matches!(told[0], Restored::Name(..)) && matches!(told[1], Restored::Name(..)), "names come first");
        let expected = [
            Restored::Name(NameId(1), Arc::from("support")),
            Restored::Name(NameId(2), Arc::from("soporte")),
            Restored::Conversation(Stored { id: id(1), ..moved(1).stored }),
            Restored::Identity(EventKey(8), NOW.0 / DAY),
            Restored::OptOut(PersonKey(6), NOW),
            Restored::Pause(PauseScope::Line(NameId(1))),
            Restored::Template(NameId(1), Arc::from("reengage/es")),
            Restored::Alive(NOW.plus(5)),
        ];
        let mut once: Vec<&Restored> = Vec::new();
        told.iter().for_each(|one| {
            // An identity may be told twice after a crash.
            if !once.contains(&one) || !matches!(one, Restored::Identity(..)) {
                once.push(one);
            }
        });
        assert_eq!(once.len(), expected.len(), "{told:?}");
        assert!(expected.iter().all(|one| told.contains(one)), "{told:?}");
        subject.apply([Change::IdentitiesUntil(NOW.0 / DAY)]);
        step(subject);
        assert!(!subject.told().iter().any(|told| matches!(told, Restored::Identity(..))));
    });
}

#[test]
fn the_ledger_knows_every_send_and_which_are_in_doubt() {
    each(|subject, step| {
        let intent = |send: u128, attempt, at| {
            let (conversation, line, template) = (id(1), NameId(3), send == 1);
            LedgerEntry::Intent { send: SendId(send), attempt, at, conversation, line, template }
        };
        let ended = |send: u128, attempt, end| LedgerEntry::Ended { send: SendId(send), attempt, at: NOW, end };
        subject.apply([kept(Moved { ledger: Some(intent(1, 1, NOW.plus(9))), ..moved(1) }), Change::Ledger(intent(2, 1, NOW))]);
        step(subject);
        subject.apply([Change::Ledger(intent(3, 1, NOW.plus(5))), Change::Ledger(ended(3, 1, LedgerEnd::Refused))]);
        subject.apply([Change::Ledger(ended(2, 1, LedgerEnd::Unknown))]);
        step(subject);
        let standing = subject.store().standing(SendId(1)).unwrap();
        assert_eq!((standing.conversation, standing.line, standing.attempt, standing.end), (id(1), NameId(3), 1, None));
        assert_eq!(subject.store().standing(SendId(3)).unwrap().end, Some(LedgerEnd::Refused));
        assert_eq!(subject.store().standing(SendId(4)), None);
        let doubts = |limit| subject.store().doubts(limit).into_iter().map(|doubt| doubt.send.0).collect::<Vec<_>>();
        assert_eq!((doubts(9), doubts(1)), (vec![2, 1], vec![2]));
        let claims = |since| subject.store().claims(since).iter().map(|s| (s.send.0, s.template)).collect::<Vec<_>>();
        assert_eq!(claims(NOW.plus(5)), [(3, false), (1, true)], "at that instant or later, oldest first");
        assert_eq!(claims(NOW.plus(10)), []);
        let dangling: Vec<Restored> = subject.told().into_iter().filter(|told| matches!(told, Restored::Dangling(_))).collect();
        assert_eq!(dangling, [Restored::Dangling(standing)]);
        subject.apply([Change::Ledger(ended(1, 1, LedgerEnd::Accepted)), Change::Forgotten(id(1), true)]);
        step(subject);
        assert_eq!(subject.store().standing(SendId(1)).unwrap().end, Some(LedgerEnd::Accepted), "also of who is forgotten");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_store_answers_alike(changes in samples::history(50), pieces in 1..9usize) {
        let mut subjects = Subject::all();
        for (turn, piece) in changes.chunks(changes.len().div_ceil(pieces)).enumerate() {
            for subject in &mut subjects {
                subject.apply(piece.to_vec());
                subject.flush();
                if turn % 2 == 1 {
                    subject.fold();
                }
                if turn % 3 == 2 {
                    subject.crash();
                }
            }
            let [memory, others @ ..] = &subjects;
            for other in others {
                prop_assert_eq!(answers::difference(memory.store(), other.store()), None);
            }
        }
    }
}
