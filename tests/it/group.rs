//! What waits for the disk: operators are answered when what they did is durable, and refused when it is not.
//!
//! Not the engine's decisions: those are in `engine.rs` and the stories.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::oneshot::{self, Receiver};

use reengaged::conversation::Policy;
use reengaged::engine::Engine;
use reengaged::engine::book::{Book, Line};
use reengaged::engine::desk::Request;
use reengaged::engine::group::Done;
use reengaged::engine::ports::Store;
use reengaged::engine::request::{Inbound, Rejected, Standing, Target, What, Who};
use reengaged::id::{ConversationId, Keys, SendId};
use reengaged::moment::Moment;
use reengaged::store::MemoryStore;

const NOW: Moment = Moment(1_790_000_000_000);

fn engine(store: &Arc<MemoryStore>) -> Engine {
    let policy = Policy::retired();
    let (line, flow): (Arc<str>, Arc<str>) = (Arc::from("support"), Arc::from("chat"));
    let rules = Line {
        flow: Some(flow.clone()),
        max_in_flight: 1,
        rate: None,
        pair_gap: 0,
        daily: None,
        catch_up_wait: 0,
        capabilities: policy.line,
    };
    let book = Book {
        lines: [(line.clone(), rules)].into(),
        hooks: Vec::new(),
        flows: vec![flow.clone()],
        policies: [(line, [(flow, Arc::new(policy))].into())].into(),
        ..Book::default()
    };
    Engine::recover(Arc::clone(store) as Arc<dyn Store>, Arc::new(book), NOW).unwrap()
}

fn ask<T>(engine: &mut Engine, request: impl FnOnce(oneshot::Sender<Result<T, Rejected>>) -> Request) -> Receiver<Result<T, Rejected>> {
    let (reply, answer) = oneshot::channel();
    engine.serve(request(reply), NOW);
    answer
}

fn pause(engine: &mut Engine) -> Receiver<Result<Standing, Rejected>> {
    ask(engine, |reply| Request::Pause(Target::All, true, reply))
}

fn written(engine: &mut Engine) -> ConversationId {
    let event = Inbound {
        id: None,
        who: Who::Caller("ana".to_owned()),
        at: None,
        what: What::UserMessage("hello".to_owned()),
        line: None,
        flow: None,
        to: None,
        vars: Vec::new(),
        attributes: Vec::new(),
    };
    engine.take_one(NOW, &event).unwrap().conversation
}

fn refused<T: fmt::Debug>(answer: &mut Receiver<Result<T, Rejected>>) -> String {
    match answer.try_recv().unwrap().unwrap_err() {
        Rejected::Unavailable(why) => why,
        other => panic!("refused otherwise: {other:?}"),
    }
}

#[test]
fn what_operators_change_is_answered_when_it_is_durable() {
    let store = Arc::new(MemoryStore::new(Keys::new(&[1; 32])));
    let mut engine = engine(&store);
    let id = written(&mut engine);
    let mut paused = pause(&mut engine);
    let mut erased = ask(&mut engine, |reply| Request::Erase(Who::Id(id), reply));
    let mut resent = ask(&mut engine, |reply| Request::Resend(SendId(7), reply));
    let mut replayed = ask(&mut engine, |reply| Request::Replay("crm".to_owned(), None, reply));
    let group = engine.cut().unwrap();
    assert!(store.unflushed() > 0);
    assert_eq!(paused.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(erased.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(resent.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(replayed.try_recv(), Err(TryRecvError::Empty));
    let released = group.release(store.flush().unwrap()).unwrap();
    released.done.into_iter().for_each(Done::tell);
    assert_eq!(paused.try_recv().unwrap().unwrap().paused, ["all"]);
    assert_eq!(erased.try_recv().unwrap(), Ok(id));
    assert!(matches!(resent.try_recv().unwrap(), Err(Rejected::Impossible(_))));
    assert!(matches!(replayed.try_recv().unwrap(), Err(Rejected::Impossible(_))));
}

#[test]
fn an_answer_alone_is_not_an_idle_group() {
    let store = Arc::new(MemoryStore::new(Keys::new(&[1; 32])));
    let mut engine = engine(&store);
    assert!(engine.cut().is_some(), "the names of its lines");
    assert!(engine.cut().is_none());
    let mut resent = ask(&mut engine, |reply| Request::Resend(SendId(7), reply));
    let group = engine.cut().unwrap();
    group.release(store.flush().unwrap()).unwrap().done.into_iter().for_each(Done::tell);
    assert!(matches!(resent.try_recv().unwrap(), Err(Rejected::Impossible(_))));
    assert!(engine.cut().is_none());
}

#[test]
fn what_the_store_did_not_keep_is_refused() {
    let store = Arc::new(MemoryStore::new(Keys::new(&[1; 32])));
    let mut engine = engine(&store);
    let mut paused = pause(&mut engine);
    store.fail_flush(true);
    assert!(store.flush().is_err());
    engine.cut().unwrap().refuse("the disk is full");
    assert_eq!(refused(&mut paused), "the disk is full");
}

#[test]
fn a_failed_engine_changes_nothing_for_anybody() {
    let store = Arc::new(MemoryStore::new(Keys::new(&[1; 32])));
    let mut engine = engine(&store);
    let id = written(&mut engine);
    engine.cut().unwrap().refuse("gone");
    let before = store.unflushed();
    engine.fail("the disk is full");
    let mut paused = pause(&mut engine);
    let mut erased = ask(&mut engine, |reply| Request::Erase(Who::Id(id), reply));
    let group = engine.cut().unwrap();
    group.refuse("later");
    assert_eq!(refused(&mut paused), "the disk is full");
    assert_eq!(refused(&mut erased), "the disk is full");
    assert_eq!(store.unflushed(), before);
    assert!(engine.standing().paused.is_empty());
}
