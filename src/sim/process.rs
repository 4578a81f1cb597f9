//! The daemon's process as the simulator has it: the engine, the clock's guard and the hooks' courier, between start and crash.
//!
//! Not the order in which things happen: `world.rs` draws that. What is in here is gone after a crash.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::engine::Engine;
use crate::engine::book::Book;
use crate::engine::courier::Courier;
use crate::engine::group::{Call, Group};
use crate::engine::guard::ClockGuard;
use crate::engine::ports::{Fault, Store};
use crate::engine::record::{Change, NameId};
use crate::limits;
use crate::moment::{HOUR, Moment, SECOND};

use super::witness::{Witness, moved};

/// How often the daemon notes that it is alive.
const TICK: i64 = 10 * SECOND;

/// A running process.
pub(super) struct Process {
    pub(super) engine: Engine,
    guard: ClockGuard,
    booted: Moment,
    ticked: Moment,
    /// Groups that wait for a flush, oldest first.
    pub(super) groups: VecDeque<Group>,
    /// Calls whose claim is durable and that were not begun: each from this instant on.
    pub(super) calls: Vec<(Moment, Call)>,
    pub(super) courier: Courier,
    /// Hooks that the courier knows.
    pub(super) hooks: Vec<NameId>,
    /// Something happened that the engine has not looked at.
    pub(super) dirty: bool,
    /// Something was decided that is in no group.
    pub(super) uncut: bool,
    /// When the engine wants to look again, by the wall clock.
    pub(super) next: Option<Moment>,
    /// Sending is held because of the clock.
    pub(super) clock_held: bool,
    pub(super) replanning: bool,
    /// The instant of the start by the wall clock.
    pub(super) started: Moment,
    /// It was down for so long that lines wait for what their providers have queued.
    pub(super) catch_up: bool,
}

impl Process {
    pub(super) fn start(
        store: &Arc<Witness>,
        book: &Arc<Book>,
        alive: Option<Moment>,
        now: Moment,
        wall: Moment,
    ) -> Result<Process, Fault> {
        let port: Arc<dyn Store> = Arc::<Witness>::clone(store);
        let engine = Engine::recover(port, Arc::clone(book), wall)?;
        Ok(Process {
            engine,
            guard: ClockGuard::new(alive),
            booted: now,
            ticked: now,
            groups: VecDeque::new(),
            calls: Vec::new(),
            courier: Courier::new(2, 1_000),
            hooks: Vec::new(),
            dirty: true,
            uncut: true,
            next: None,
            clock_held: false,
            replanning: false,
            started: wall,
            catch_up: alive.is_some_and(|alive| wall.since(alive) > limits::DOWN),
        })
    }

    /// Looks at the clock, and notes being alive when it is time; as the daemon's loop does each time round.
    pub(super) fn look_around(&mut self, now: Moment, wall: Moment, often: bool) {
        let monotonic = now.since(self.booted);
        if self.engine.clock_was_resumed() {
            self.guard.release(wall, monotonic);
        }
        let why = self.guard.observe(wall, monotonic).why();
        self.engine.hold_for_clock(why.as_deref());
        self.clock_held = why.is_some();
        let since = now.since(self.ticked);
        if since >= TICK && (often || since >= HOUR) {
            self.ticked = now;
            self.engine.tick(wall);
            self.uncut = true;
        }
    }

    /// The number that the last change decided so far has, or will have.
    pub(super) fn position(&self, store: &Witness) -> u64 {
        store.seq() + self.engine.changes().len() as u64
    }

    /// Whether a conversation moved since that position.
    pub(super) fn moved_since(&self, store: &Witness, position: u64) -> bool {
        let old = position.saturating_sub(store.seq()) as usize;
        let undecided: &[Change] = self.engine.changes().get(old..).unwrap_or_default();
        undecided.iter().any(|change| moved(change).is_some()) || store.moved_since(position).is_some()
    }

    /// Time on the clock that never steps.
    pub(super) fn steady(&self, now: Moment) -> Moment {
        Moment(now.since(self.booted))
    }

    /// The same instant on everybody's clock.
    pub(super) fn unsteady(&self, steady: Moment) -> Moment {
        self.booted.plus(steady.0)
    }
}
