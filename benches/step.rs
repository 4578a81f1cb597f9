//! What one turn of the machine costs, and one event through the engine onto a store in memory. Not the disk: `store` has that.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use reengaged::conversation::{Event, Policy, State, step};
use reengaged::engine::Engine;
use reengaged::engine::book::{Book, Line};
use reengaged::engine::ports::Store;
use reengaged::engine::record::Question;
use reengaged::engine::request::{Inbound, What, Who};
use reengaged::id::{ConversationId, Keys};
use reengaged::moment::{DAY, MINUTE, Moment, SECOND};
use reengaged::shapes::story::read_policy;
use reengaged::store::MemoryStore;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

const RULES: &str = "45m, then 4h; open Mo-Fr 07:00-12:00,13:00-19:00, Sa 08:00-15:00 America/New_York; closed on 2026-12-25; \
    window 1d less 10m, advance, template OTB1, skip; spread 20m";
/// Conversations of the engine's bench.
const PEOPLE: usize = 10_000;

fn policy() -> Policy {
    read_policy(RULES).expect("rules")
}

/// Instants over two years, at every time of the day and of the week, so that no branch is learnt by heart.
fn instants() -> Vec<Moment> {
    let start = Moment::parse("2026-01-01T00:00:00Z").expect("an instant").0;
    (0..1024).map(|n: i64| Moment(start + n * 7_919 * 61_003 % (730 * DAY))).collect()
}

fn turns(c: &mut Criterion) {
    let policy = policy();
    let quiet = State::new(ConversationId(7 << 96), false);
    let instants = instants();
    let asked: Vec<(State, Event, Moment)> = instants
        .iter()
        .map(|at| {
            (State { started: true, last_inbound: Some(at.plus(-SECOND)), ..quiet }, Event::Question { at: *at, obstacle: None }, *at)
        })
        .collect();
    let armed: Vec<State> = asked.iter().map(|(state, event, now)| step(&policy, state, event, *now).state).collect();
    let mut turn = asked.iter().cycle();
    c.bench_function("step: a question, on a calendar with a zone", |b| {
        b.iter(|| {
            let (state, event, now) = turn.next().expect("a cycle");
            step(&policy, black_box(state), event, *now)
        });
    });
    let mut turn = armed.iter().cycle();
    c.bench_function("step: the person answers", |b| {
        b.iter(|| {
            let state = turn.next().expect("a cycle");
            let at = state.silence.plus(10 * MINUTE);
            step(&policy, black_box(state), &Event::Message { at, typed: None }, at)
        });
    });
    let mut turn = armed.iter().cycle();
    c.bench_function("step: the timer, and a claim", |b| {
        b.iter(|| {
            let state = turn.next().expect("a cycle");
            step(&policy, black_box(state), &Event::Woke, state.wake.expect("armed"))
        });
    });
    let mut turn = armed.iter().cycle();
    c.bench_function("step: woken too soon", |b| {
        b.iter(|| {
            let state = turn.next().expect("a cycle");
            step(&policy, black_box(state), &Event::Woke, state.silence)
        });
    });
}

fn book() -> Book {
    let (policy, line) = (Arc::new(policy()), Arc::<str>::from("support"));
    let flow = Arc::<str>::from("onboarding");
    let capabilities = policy.line;
    let rules =
        Line { flow: Some(Arc::clone(&flow)), max_in_flight: 64, rate: None, pair_gap: 0, daily: None, catch_up_wait: 0, capabilities };
    Book {
        lines: BTreeMap::from([(Arc::clone(&line), rules)]),
        hooks: Vec::new(),
        flows: vec![Arc::clone(&flow)],
        policies: BTreeMap::from([(line, BTreeMap::from([(flow, policy)]))]),
        ..Book::default()
    }
}

fn event(person: usize, at: Moment, what: What) -> Inbound {
    let who = Who::Caller(format!("person-{person}"));
    let (line, id) = (Some("support".to_owned()), Some(format!("{person}-{}", at.0)));
    Inbound { id, who, at: Some(at), what, line, flow: None, to: None, vars: Vec::new(), attributes: Vec::new() }
}

fn engine(c: &mut Criterion) {
    let start = Moment::parse("2026-03-02T15:00:00Z").expect("an instant");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Keys::new(&[7; 32])));
    let mut engine = Engine::recover(Arc::clone(&store), Arc::new(book()), start).expect("a store in memory recovers");
    let question = || What::Question(Question { text: "¿Cuál es su cédula?".to_owned(), ..Question::default() });
    let mut now = start;
    for person in 0..PEOPLE {
        engine.take_one(now, &event(person, now, question())).expect("a first event");
    }
    engine.cut();
    let mut person = 0;
    c.bench_function("engine: one event of 10 000 conversations, taken in and kept in memory", |b| {
        b.iter_batched(
            || {
                person += 1;
                now = now.plus(1);
                let what = if person % 2 == 0 { question() } else { What::UserMessage("hola".to_owned()) };
                event(person / 2 % PEOPLE, now, what)
            },
            |event| {
                let answer = engine.take_one(event.at.expect("a time"), &event).expect("taken");
                engine.cut();
                store.flush().expect("a store in memory flushes");
                answer
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, turns, engine);
criterion_main!(benches);
