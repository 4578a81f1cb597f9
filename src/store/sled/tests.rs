//! The store on disk against the model: random histories with flushes, folds and crashes between, and a fold cut short at every point.
//!
//! Not the contract of all stores: that is in `tests/it/store_contract.rs`.

use proptest::prelude::*;

use super::*;
use crate::store::answers::{difference, killed};
use crate::store::samples;
use crate::store::{MemoryStore, Progress};

fn options() -> OpenOptions {
    OpenOptions { any_filesystem: true, machine: Some("test".to_owned()), ..OpenOptions::default() }
}

/// Looks for what changes are about to make, as the engine does: what is not there is remembered as absent.
fn look_for(store: &SledStore, changes: &[Change]) {
    for change in changes {
        if let Change::Moved(moved) = change {
            store.load(moved.stored.id).unwrap();
            for alias in &moved.aliases {
                store.alias(*alias).unwrap();
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Turn {
    Apply(Vec<Change>),
    Flush,
    Fold(usize),
    Reopen,
    Kill,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let cut = proptest::collection::vec(
        (
            1..12usize,
            prop_oneof![
                4 => Just(Turn::Flush),
                2 => (1..9usize).prop_map(Turn::Fold),
                1 => Just(Turn::Reopen),
                1 => Just(Turn::Kill),
            ],
        ),
        1..14,
    );
    (samples::history(60), cut).prop_map(|(changes, cuts)| {
        let mut changes = changes.into_iter();
        let mut turns = Vec::new();
        for (n, turn) in cuts {
            turns.push(Turn::Apply(changes.by_ref().take(n).collect()));
            turns.push(turn);
        }
        turns
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn answers_as_the_model_does(turns in turns()) {
        let mut home = tempfile::tempdir().unwrap();
        let mut store = Some(SledStore::open(home.path(), &options()).unwrap());
        let model = MemoryStore::new(store.as_ref().unwrap().keys().clone());
        for turn in turns {
            let open = store.as_ref().unwrap();
            match turn {
                Turn::Apply(changes) => {
                    look_for(open, &changes);
                    open.apply(changes.clone());
                    model.apply(changes);
                }
                Turn::Flush => {
                    open.flush().unwrap();
                    model.flush().unwrap();
                }
                Turn::Fold(most) => drop(open.fold_some(most).unwrap()),
                Turn::Reopen | Turn::Kill => {
                    let image = killed(home.path());
                    drop(store.take());
                    if matches!(turn, Turn::Kill) {
                        home = image;
                    }
                    store = Some(SledStore::open(home.path(), &options()).unwrap());
                    model.crash(|_| 0);
                }
            }
            prop_assert_eq!(difference(store.as_ref().unwrap(), &model), None);
        }
    }

    #[test]
    fn a_fold_cut_short_anywhere_changes_no_answer(
        changes in samples::history(60), cut: prop::sample::Index, batches in 0..12u64, again in 0..12u64, most in 1..40usize
    ) {
        let home = tempfile::tempdir().unwrap();
        let store = SledStore::open(home.path(), &options()).unwrap();
        let model = MemoryStore::new(store.keys().clone());
        let mut image = home;
        let mut store = Some(store);
        // Two stretches, each folded up to some batch, then killed: what the second folds lies over the first's half-done result.
        let (first, second) = changes.split_at(cut.index(changes.len()));
        for (changes, batches) in [(first.to_vec(), batches), (second.to_vec(), again)] {
            let open = store.take().unwrap();
            look_for(&open, &changes);
            open.apply(changes.clone());
            model.apply(changes);
            open.flush().unwrap();
            model.flush().unwrap();
            open.base.burn_after(batches);
            while open.fold_some(most) == Ok(true) {}
            prop_assert_eq!(difference(&open, &model), None, "in the process that failed");
            open.base.burn_after(u64::MAX);
            open.base.sync().unwrap();
            image = killed(image.path());
            drop(open);
            let open = SledStore::open(image.path(), &options()).unwrap();
            prop_assert_eq!(difference(&open, &model), None, "after the kill");
            store = Some(open);
        }
        let open = store.unwrap();
        while open.fold_some(most).unwrap() {}
        prop_assert_eq!(difference(&open, &model), None, "folded");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// While a backup is made, changes and folds come between any two of its reads; restored, it is the store as it was at its end.
    #[test]
    fn a_backup_under_load_is_the_store_at_its_end(before in samples::history(60), during in samples::history(120), fold in 1..5usize) {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("data");
        let store = SledStore::open(&root, &options()).unwrap();
        let model = MemoryStore::new(store.keys().clone());
        let shift = hooks_in(&before);
        let before_count = before.len();
        store.apply(before.clone());
        store.flush().unwrap();
        while store.fold().unwrap() {}
        model.apply(before);
        let mut waiting = shifted(during, shift).into_iter();
        let mut applied: Vec<(u64, Change)> = Vec::new();
        let dest = home.path().join("backup");
        let mut steps = 0;
        let backed = store.backup_watched(&dest, Moment(7), &mut || {
            steps += 1;
            for change in waiting.by_ref().take(2) {
                let seq = store.apply(vec![change.clone()]);
                applied.push((seq, change));
            }
            store.flush().unwrap();
            if steps % fold == 0 {
                while store.fold_some(3).unwrap() {}
            }
        }).unwrap();
        prop_assert_eq!((&backed.damaged, backed.left_out), (&Vec::new(), 0));
        prop_assert!(backed.last >= before_count as u64);
        for (seq, change) in applied {
            prop_assert!(seq <= backed.last, "everything was durable");
            model.apply(vec![change]);
        }
        model.flush().unwrap();
        drop(store);

        // Into a directory in which the ledger alone is left.
        let restored = home.path().join("restored");
        std::fs::create_dir(&restored).unwrap();
        std::fs::rename(root.join("ledger"), restored.join("ledger")).unwrap();
        let told = SledStore::restore(&restored, &dest, &options(), &Progress::default()).unwrap();
        prop_assert_eq!((told.made, told.left_out, told.ledger.is_some()), (Moment(7), 0, true));
        let again = SledStore::open(&restored, &options()).unwrap();
        prop_assert_eq!(difference(&again, &model), None);
        while again.fold().unwrap() {}
        prop_assert_eq!(difference(&again, &model), None);
        let mut held = None;
        again.recover(&mut |told| if let Restored::Held(why) = told { held = Some(why) }).unwrap();
        prop_assert!(held.is_some_and(|why| why.contains("backup")));
    }
}

/// In the last group, damage looks like a torn write: the mark alone knows that it was whole.
#[test]
fn a_start_that_is_refused_leaves_the_log_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let store = SledStore::open(home.path(), &options()).unwrap();
    for n in 0..3 {
        store.apply(vec![Change::Alive(Moment(n))]);
        store.flush().unwrap();
    }
    drop(store);
    let log = frames::path(&home.path().join("store"), 0);
    let mut bytes = std::fs::read(&log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    for _ in 0..2 {
        let refused = SledStore::open(home.path(), &options());
        assert!(matches!(&refused, Err(Fault::Corrupt(why)) if why.contains("gone back in time")), "{refused:?}");
        assert!(std::fs::read(&log).unwrap() == bytes, "what is left of the log was thrown away");
    }
}

/// Hook records made by these changes.
fn hooks_in(changes: &[Change]) -> u64 {
    let count = |change: &Change| match change {
        Change::Moved(moved) => moved.hooks.len(),
        Change::Filed(filed) => filed.hooks.len(),
        _ => 0,
    };
    changes.iter().map(count).sum::<usize>() as u64
}

/// The same changes, with the numbers of their own hook records after `shift` others.
fn shifted(mut changes: Vec<Change>, shift: u64) -> Vec<Change> {
    for change in &mut changes {
        let hooks = match change {
            Change::Moved(moved) => &mut moved.hooks,
            Change::Filed(filed) => &mut filed.hooks,
            _ => continue,
        };
        hooks.iter_mut().for_each(|record| record.seq += shift);
    }
    changes
}
