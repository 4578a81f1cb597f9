//! The store on disk against the model: random histories with flushes, folds and crashes between, and a fold cut short at every point.
//!
//! Not the contract of all stores: that is in `tests/it/store_contract.rs`.

use proptest::prelude::*;

use super::*;
use crate::store::MemoryStore;
use crate::store::answers::{difference, killed};
use crate::store::samples;

fn options() -> OpenOptions {
    OpenOptions { any_filesystem: true, machine: Some("test".to_owned()), ..OpenOptions::default() }
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
