//! The courier at work: makes the calls that `engine/courier.rs` orders, and keeps how they ended.
//!
//! Not the order of deliveries, and no copy of the records: those are read from the store one by one as they go out.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};

use crate::engine::courier::{self as orders, Delivery, Figures, Order, Outcome, Settled};
use crate::engine::ports::Fault;
use crate::engine::record::{Change, HookRecord, NameId};
use crate::hooks::deliver::{self, Hook, Letter};
use crate::id::ConversationId;
use crate::limits;
use crate::moment::Moment;

/// What the courier needs of the daemon. All of it is short; none of it may call the courier.
pub trait Office: Send + Sync + 'static {
    /// The record of this number, with the hooks that still have to get it (`Store::hook`).
    ///
    /// # Errors
    /// A [`Fault`] where it cannot be read.
    fn record(&self, seq: u64) -> Result<Option<HookRecord>, Fault>;

    /// The record for the hook of this name, with the names that it speaks of.
    ///
    /// # Errors
    /// A [`Fault`] where its conversation cannot be read.
    fn letter(&self, hook: &str, record: HookRecord) -> Result<Letter, Fault>;

    /// Keeps [`Change::HookDone`] or [`Change::HookDead`]. Durable some time later: a record delivered before that is delivered again.
    fn keep(&self, change: Change);

    /// The wall clock, for signatures.
    fn wall(&self) -> Moment;

    /// A clock that never steps (time since boot), for waits.
    fn tick(&self) -> Moment;
}

/// The deliveries of all hooks; a cheap handle. [`Courier::run`] makes them.
#[derive(Clone)]
pub struct Courier {
    shared: Arc<Shared>,
}

struct Shared {
    office: Arc<dyn Office>,
    orders: Mutex<orders::Courier>,
    hooks: Mutex<BTreeMap<NameId, Arc<Hook>>>,
    nudge: Notify,
    stopping: AtomicBool,
}

impl Courier {
    /// A courier for these hooks.
    #[must_use]
    pub fn new(office: Arc<dyn Office>, hooks: Vec<Hook>) -> Courier {
        let courier = Courier {
            shared: Arc::new(Shared {
                office,
                orders: Mutex::new(orders::Courier::new(limits::HOOK_IN_FLIGHT, limits::HOOK_BACKLOG)),
                hooks: Mutex::default(),
                nudge: Notify::new(),
                stopping: AtomicBool::new(false),
            }),
        };
        courier.configure(hooks);
        courier
    }

    /// The hooks from now on. What one that is gone still had to get becomes dead letters; calls under way are finished.
    pub fn configure(&self, hooks: Vec<Hook>) {
        let ids: Vec<NameId> = hooks.iter().map(|hook| hook.id).collect();
        *locked(&self.shared.hooks) = hooks.into_iter().map(|hook| (hook.id, Arc::new(hook))).collect();
        locked(&self.shared.orders).configure(&ids);
        self.shared.nudge.notify_one();
    }

    /// A record is durable, and `hook` has to get it. Records of a conversation are offered in the order of their numbers, at
    /// start (`Restored::Hook`), when they become durable, and when a dead letter is replayed. `at`: when it was made; now,
    /// for a replay.
    pub fn offer(&self, hook: NameId, conversation: ConversationId, seq: u64, at: Moment) {
        let since = self.shared.since(at);
        locked(&self.shared.orders).offer(hook, conversation, seq, since);
        self.shared.nudge.notify_one();
    }

    /// How each hook stands.
    #[must_use]
    pub fn figures(&self) -> Vec<(NameId, Figures)> {
        locked(&self.shared.orders).figures().collect()
    }

    /// No delivery is begun any more; [`Courier::run`] ends when those under way have, [`limits::HOOK_BUDGET`] later at most.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.nudge.notify_one();
    }

    /// Makes deliveries until [`Courier::stop`]. To be run once. Dropping it leaves what is under way to be delivered again.
    pub async fn run(self) {
        let mut calls = Calls::default();
        loop {
            let stopping = self.shared.stopping.load(Ordering::Acquire);
            if stopping && calls.set.is_empty() {
                return;
            }
            let nap = if stopping { None } else { self.hand_out(&mut calls).await };
            tokio::select! {
                () = self.shared.nudge.notified() => {}
                Some(end) = calls.set.join_next_with_id() => self.shared.settle(&mut calls, end),
                () = tokio::time::sleep(nap.unwrap_or(Duration::MAX)), if nap.is_some() => {}
            }
        }
    }

    /// Begins all that can go now. Returns how long to sleep if nothing happens.
    async fn hand_out(&self, calls: &mut Calls) -> Option<Duration> {
        loop {
            let now = self.shared.office.tick();
            let todo = locked(&self.shared.orders).next(now);
            if todo.is_empty() {
                let wake = locked(&self.shared.orders).wake()?;
                let millis = wake.since(now).clamp(1, limits::NAP);
                return Some(Duration::from_millis(millis.unsigned_abs()));
            }
            for order in todo {
                match order {
                    Order::Deliver(delivery) => self.begin(calls, delivery),
                    Order::Dead(hook, seq) => {
                        tracing::warn!(hook = hook.0, seq, "a hook record was given up; it is kept as a dead letter");
                        self.shared.office.keep(Change::HookDead(hook, seq, self.shared.office.wall()));
                    }
                    Order::Refill { hook, from, upto } => self.shared.refill(hook, from, upto),
                }
            }
            // A long refill must not keep other tasks from this thread.
            tokio::task::yield_now().await;
        }
    }

    fn begin(&self, calls: &mut Calls, delivery: Delivery) {
        let hook = locked(&self.shared.hooks).get(&delivery.hook).cloned();
        let shared = Arc::clone(&self.shared);
        let task = calls.set.spawn(async move {
            match hook {
                Some(hook) => shared.deliver(&hook, &delivery).await,
                // It was taken out of the configuration a moment ago.
                None => Outcome::Failed { after: 0 },
            }
        });
        calls.what.insert(task.id(), delivery);
    }
}

/// Calls under way, and what each is for: known also of one that panics.
#[derive(Default)]
struct Calls {
    set: JoinSet<Outcome>,
    what: HashMap<Id, Delivery>,
}

impl Shared {
    /// `at`, which is by the wall clock, as an instant of the clock that never steps.
    fn since(&self, at: Moment) -> Moment {
        self.office.tick().plus(self.office.wall().since(at).max(0).saturating_neg())
    }

    async fn deliver(&self, hook: &Hook, delivery: &Delivery) -> Outcome {
        let letter = match self.office.record(delivery.seq) {
            Ok(Some(record)) if record.hooks.contains(&hook.id) => self.office.letter(&hook.name, record),
            // Erased, or taken already: there is nothing to deliver any more.
            Ok(_) => return Outcome::Taken,
            Err(fault) => Err(fault),
        };
        let (outcome, detail) = match letter {
            Ok(letter) => deliver::post(hook, &letter, self.office.wall()).await,
            Err(fault) => (Outcome::Failed { after: 0 }, fault.to_string()),
        };
        let Delivery { seq, attempt, .. } = *delivery;
        match outcome {
            Outcome::Taken => tracing::debug!(hook = &*hook.name, seq, attempt, detail, "hook record delivered"),
            Outcome::Failed { .. } | Outcome::Gone => tracing::warn!(hook = &*hook.name, seq, attempt, detail, "hook record not delivered"),
        }
        outcome
    }

    fn settle(&self, calls: &mut Calls, end: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = match end {
            Ok(end) => end,
            Err(error) => (error.id(), Outcome::Failed { after: 0 }),
        };
        let Some(delivery) = calls.what.remove(&id) else { return };
        let mut orders = locked(&self.orders);
        // Kept before the lock is given back, so that a refill does not find it still to be delivered.
        match orders.settle(&delivery, outcome, self.office.tick()) {
            Settled::Done => self.office.keep(Change::HookDone(delivery.hook, delivery.seq)),
            Settled::Dead => {
                tracing::warn!(hook = delivery.hook.0, seq = delivery.seq, "a hook record was given up; it is kept as a dead letter");
                self.office.keep(Change::HookDead(delivery.hook, delivery.seq, self.office.wall()));
            }
            Settled::Again => {}
        }
    }

    /// Finds on disk what was not remembered.
    fn refill(&self, hook: NameId, from: u64, upto: u64) {
        let mut found = Vec::new();
        for seq in from..=upto {
            match self.office.record(seq) {
                Ok(Some(record)) if record.hooks.contains(&hook) => found.push((record.conversation, seq, self.since(record.at))),
                Ok(_) => {}
                Err(fault) => tracing::error!(hook = hook.0, seq, %fault, "a hook record cannot be read; it is passed over"),
            }
        }
        locked(&self.orders).refilled(hook, from, upto, &found);
    }
}

/// A panic while it was held leaves nothing half done that the next holder would mind.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
