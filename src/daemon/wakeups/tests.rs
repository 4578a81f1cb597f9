//! The loop beside a store that cannot follow.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{channel, unbounded_channel};
use tokio::sync::oneshot;

use super::{Come, Loop, Wakeup};
use crate::clock::Clock;
use crate::daemon::patience::Patience;
use crate::engine::Engine;
use crate::engine::book::Book;
use crate::engine::desk::Request;
use crate::engine::ports::Store;
use crate::engine::record::Change;
use crate::limits;
use crate::store::{OpenOptions, SledStore};

#[test]
fn while_too_much_waits_to_be_folded_nothing_is_taken_in_and_the_rest_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let options = OpenOptions { any_filesystem: true, ..OpenOptions::default() };
    let store: Arc<dyn Store> = Arc::new(SledStore::open(home.path(), &options).unwrap());
    store.apply(vec![Change::Alive(clock.now()); limits::UNFOLDED]);
    let engine = Engine::recover(Arc::clone(&store), Arc::new(Book::default()), clock.now()).unwrap();
    let (groups, _committed) = std::sync::mpsc::channel();
    let (probes, _probed) = unbounded_channel();
    let (woken, wakeups) = unbounded_channel();
    let (asked, requests) = channel(1);
    let mut engine_loop = Loop {
        engine,
        clock,
        guard: None,
        requests,
        wakeups,
        groups,
        probes,
        watchdog: Box::new(|| {}),
        stopping: None,
        forget_before: None,
        ticked: 0,
        fed: 0,
        under_way: 0,
        patience: Patience::new().0,
    };
    asked.try_send(Request::Doubts(oneshot::channel().0)).unwrap();
    let mut batch = Vec::new();
    let come = engine_loop.wait(Duration::ZERO, &mut batch);
    assert!(come.is_none() && batch.is_empty());
    woken.send(Wakeup::Stop).unwrap();
    let come = engine_loop.wait(Duration::ZERO, &mut batch);
    assert!(matches!(come, Some(Come::Wakeup(Some(Wakeup::Stop)))) && batch.is_empty());
    store.flush().unwrap();
    while store.fold().unwrap() {}
    let come = engine_loop.wait(Duration::ZERO, &mut batch);
    assert!(matches!(come, Some(Come::Requests(1))) && batch.len() == 1);
}
