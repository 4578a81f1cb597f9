//! What writing a change down and reading it back costs, through the store that does it: the codec with the overlay around it.
//!
//! Not the disk of a commit: nothing is flushed while it is measured. `store` has that.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use reengaged::conversation::{Event, Phase, State};
use reengaged::engine::ports::Store;
use reengaged::engine::record::{Change, Decision, Delta, Moved, NameId, Question, Stored};
use reengaged::id::{EventKey, Keys};
use reengaged::moment::{DAY, HOUR, Moment};
use reengaged::schedule::{Reason, Trail, Tzdata};
use reengaged::store::{OpenOptions, SledStore};
use std::cell::Cell;
use std::hint::black_box;

/// Conversations of the bench.
const PEOPLE: u64 = 4_096;

/// A question of forty bytes, with the decision that came of it.
fn asked(keys: &Keys, n: u64, round: u64) -> Change {
    let id = keys.conversation(&n.to_string());
    let now = Moment(1_772_400_000_000 + 977 * n as i64 + 60_000 * round as i64);
    let mut state = State::new(id, false);
    state.phase = Phase::Waiting;
    state.episode = 1;
    state.begun = now.plus(-DAY);
    state.silence = now;
    state.question = Some(now);
    state.wake = Some(now.plus(5 * HOUR));
    state.due = state.wake;
    state.not_after = now.plus(9 * HOUR);
    let mut trail = Trail::new();
    trail.push(Reason::Open { at: now.plus(HOUR) });
    let event = Event::Question { at: now, obstacle: None };
    let decision = Decision { now, before: state, event, trail, fingerprint: 99, tzdata: Tzdata::compiled_in(), due: state.due };
    let text = "How many people shall the table be for?".to_owned();
    let question = Question { id: format!("q{n}"), text, payload: String::new(), choices: Vec::new() };
    Change::Moved(Box::new(Moved {
        stored: Stored { id, line: NameId(1), flow: NameId(2), state },
        identity: Some(EventKey(id.0 ^ u128::from(round))),
        now,
        deltas: vec![Delta::To(format!("57300{n:07}")), Delta::Asked(question), Delta::Decided(Box::new(decision))],
        aliases: vec![keys.alias_of_caller(&n.to_string())],
        hooks: Vec::new(),
        ledger: None,
    }))
}

fn codec(c: &mut Criterion) {
    let keys = Keys::new(&[1; 32]);
    let home = tempfile::tempdir().expect("a directory");
    let options = OpenOptions { any_filesystem: true, ..OpenOptions::default() };
    let store = SledStore::open(home.path(), &options).expect("a store");
    let fold = || {
        store.flush().expect("a flush");
        while store.fold().expect("a fold") {}
    };
    let mut group = c.benchmark_group("codec");
    let (n, round) = (Cell::new(0), Cell::new(1));
    let next = || {
        n.set((n.get() + 1) % PEOPLE);
        if n.get() == 0 {
            round.set(round.get() + 1);
            fold();
        }
        asked(&keys, n.get(), round.get())
    };
    group.bench_function("a change written down", |b| {
        b.iter_batched(next, |change| store.apply(vec![change]), BatchSize::PerIteration);
    });
    for n in 0..PEOPLE {
        store.apply(vec![asked(&keys, n, 0)]);
    }
    fold();
    let ids: Vec<_> = (0..PEOPLE).map(|n| keys.conversation(&n.to_string())).collect();
    let ask = Cell::new(0);
    let load = || {
        ask.set((ask.get() + 1) % ids.len());
        black_box(store.load(ids[ask.get()])).expect("a record").expect("is there")
    };
    group.bench_function("a record read from the database", |b| b.iter(load));
    for n in 0..PEOPLE {
        store.apply(vec![asked(&keys, n, 1_000_000)]);
    }
    group.bench_function("a record and a change laid over it", |b| b.iter(load));
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
