//! The loop: the one place where the engine is driven, over a closed list of reasons to wake.
//!
//! Not a decision: each arm calls one verb of the engine. It never sleeps longer than [`limits::NAP`], and reads the clock
//! again after every sleep, so that a suspended machine or a stepped clock strands nothing.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::conversation::{Refusal, Verdict};
use crate::daemon::patience::Patience;
use crate::daemon::start;
use crate::engine::Engine;
use crate::engine::book::Book;
use crate::engine::desk::Request;
use crate::engine::group::Group;
use crate::engine::guard::{self, ClockGuard};
use crate::engine::heard::Trouble;
use crate::engine::ports::Fault;
use crate::engine::reads::Snapshot;
use crate::engine::record::{Change, NameId};
use crate::engine::request::StoppedLine;
use crate::id::SendId;
use crate::limits;
use crate::moment::{DAY, Moment, SECOND};
use crate::points;

/// Requests taken from the desk at a time.
const REQUESTS: usize = 1_024;
/// How soon it is looked again whether the store has put away enough of what it has.
const FOLDING: Duration = Duration::from_millis(20);
/// While a group is on its way to the disk, what comes is looked at so often, together: each wake of a thread costs as much as deciding
/// an event does. As long as a fast disk takes.
const GATHER: Duration = Duration::from_micros(300);
/// How often the daemon notes that it is alive, and forgets identities whose days are over.
const TICK: i64 = 10 * SECOND;
/// How often the watchdog is fed at most; systemd waits thirty seconds.
const FEED: i64 = 5 * SECOND;

/// Why the loop wakes, beside the desk and the clock.
pub(super) enum Wakeup {
    /// A group is durable.
    Durable,
    /// The last look before calls: which of them may go out.
    Doors(Vec<SendId>, oneshot::Sender<Vec<bool>>),
    /// A call ended.
    Ended(SendId, How),
    /// A call told something about its whole line: what, for how many milliseconds (0: it does not say), and in one line for people.
    Trouble(NameId, Trouble, i64, String),
    /// A line that had stopped was asked about.
    Probed(NameId, Probed),
    /// What the courier of hooks wants kept.
    Keep(Change),
    /// New rules; answers what is in use and would be lost, and then nothing has changed.
    Reload(Arc<Book>, oneshot::Sender<Result<(), String>>),
    /// What has outlived so many days is forgotten.
    Forget(i64),
    /// Somebody wants figures.
    Figures(oneshot::Sender<Snapshot>),
    /// The disk has too little room, and how much; or has enough again.
    Room(Option<String>),
    /// The store failed.
    Failed(Fault),
    /// Stop taking in and claiming; end when what is under way has ended.
    Stop,
}

/// How a call ended.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum How {
    /// By what its provider said or did not say; the provider's id of the message, where it told one.
    Asked(Verdict, Option<String>),
    /// There is no message that could be sent; its provider was asked nothing.
    Unasked(Refusal),
}

/// What came of asking about a line that had stopped.
#[derive(Debug)]
pub(super) enum Probed {
    /// It works.
    Works,
    /// It does not, and why.
    Failed(String),
    /// Its provider cannot be asked.
    Unasked,
}

/// What the loop waited for.
enum Come {
    /// A reason to wake; `None` where nobody is left who could have one.
    Wakeup(Option<Wakeup>),
    /// So many requests; none where the desk is closed.
    Requests(usize),
}

/// How the loop ended.
#[derive(Debug)]
pub(super) enum End {
    /// As told.
    Stopped,
    /// Because the store failed.
    Failed(Fault),
}

/// The loop and what it holds.
pub(super) struct Loop {
    pub(super) engine: Engine,
    pub(super) clock: Clock,
    pub(super) guard: Option<ClockGuard>,
    pub(super) requests: Receiver<Request>,
    pub(super) wakeups: UnboundedReceiver<Wakeup>,
    pub(super) groups: std::sync::mpsc::Sender<Group>,
    /// Lines to ask about.
    pub(super) probes: UnboundedSender<NameId>,
    /// Fed whenever the engine and the store are both seen to move.
    pub(super) watchdog: Box<dyn Fn() + Send>,
    pub(super) stopping: Option<Duration>,
    pub(super) forget_before: Option<Moment>,
    pub(super) ticked: i64,
    pub(super) fed: i64,
    /// Groups that are on their way to the disk.
    pub(super) under_way: usize,
    pub(super) patience: Patience,
}

impl Loop {
    /// Runs until told to stop, or until the store fails.
    pub(super) fn run(mut self) -> End {
        let mut batch = Vec::with_capacity(REQUESTS);
        loop {
            points::at("engine.turn");
            let now = self.clock.now();
            self.look_at_the_clock();
            self.tick(now);
            let next = if self.stopping.is_none() { self.engine.fire(now) } else { None };
            let next = self.probe(now, next);
            for StoppedLine { line, why, .. } in self.engine.newly_stopped() {
                tracing::error!(%line, %why, "the line has stopped: nothing is sent on it, nothing is lost; it starts when it works again");
            }
            let busy = self.upkeep(now);
            self.hand_over_group();
            if self.drained() {
                return End::Stopped;
            }
            let nap = if busy { Duration::ZERO } else { self.nap(next) };
            let gathered = self.gather(nap);
            let nap = nap - gathered;
            match self.wait(nap, &mut batch) {
                None => {}
                Some(Come::Wakeup(None)) => return End::Stopped,
                Some(Come::Wakeup(Some(first))) => {
                    if let Some(end) = self.wake_all(first) {
                        return end;
                    }
                }
                Some(Come::Requests(taken)) => {
                    let now = self.clock.now();
                    for request in batch.drain(..) {
                        self.engine.serve(request, now);
                    }
                    if taken == 0 {
                        self.stop();
                    }
                }
            }
        }
    }

    /// Lets what comes come together: whatever is decided now waits for the group under way all the same. Answers how much of the nap
    /// may be over.
    fn gather(&self, nap: Duration) -> Duration {
        if self.under_way == 0 || nap.is_zero() {
            return Duration::ZERO;
        }
        let most = nap.min(GATHER);
        self.patience.gather(most);
        most
    }

    /// Waits for whatever comes first: wakeups go before requests. While the store is crowded, and while it stops, no more is taken in.
    fn wait(&mut self, nap: Duration, batch: &mut Vec<Request>) -> Option<Come> {
        let crowded = self.engine.unfolded() >= limits::UNFOLDED;
        let nap = if crowded { nap.min(FOLDING) } else { nap };
        let open = self.stopping.is_none() && !crowded;
        let (wakeups, requests) = (&mut self.wakeups, &mut self.requests);
        self.patience.wait(nap, |cx| match wakeups.poll_recv(cx) {
            Poll::Ready(wakeup) => Poll::Ready(Come::Wakeup(wakeup)),
            Poll::Pending if open => requests.poll_recv_many(cx, batch, REQUESTS).map(Come::Requests),
            Poll::Pending => Poll::Pending,
        })
    }

    /// This wakeup, and all that have come behind it.
    fn wake_all(&mut self, first: Wakeup) -> Option<End> {
        let mut next = Some(first);
        while let Some(wakeup) = next {
            if let Some(end) = self.wake(wakeup) {
                return Some(end);
            }
            next = self.wakeups.try_recv().ok();
        }
        None
    }

    fn wake(&mut self, wakeup: Wakeup) -> Option<End> {
        let now = self.clock.now();
        // Whoever asked may be gone; then nobody misses the answer.
        match wakeup {
            Wakeup::Durable => {
                self.under_way = self.under_way.saturating_sub(1);
                self.feed();
            }
            Wakeup::Doors(sends, reply) => {
                let open = sends.into_iter().map(|send| self.engine.door(send, now)).collect();
                let _ = reply.send(open);
            }
            Wakeup::Ended(send, How::Asked(verdict, message)) => self.engine.settle_as(send, verdict, message.as_deref(), now),
            Wakeup::Ended(send, How::Unasked(refusal)) => self.engine.settle_unasked(send, refusal, now),
            Wakeup::Trouble(line, trouble, wait, detail) => self.trouble(line, trouble, (wait, &detail), now),
            Wakeup::Probed(line, probed) => self.probed(line, probed, now),
            Wakeup::Keep(change) => self.engine.keep(change),
            Wakeup::Reload(book, reply) => {
                let _ = reply.send(self.reload(book));
            }
            Wakeup::Room(missing) => self.engine.hold_for_room(missing),
            // By its next time the clock may be right.
            Wakeup::Forget(_) if self.engine.doubts_the_clock() => tracing::warn!("the clock is not believed, so nothing is forgotten"),
            Wakeup::Forget(days) => self.forget_before = Some(now.plus(-days.saturating_mul(DAY))),
            Wakeup::Figures(reply) => {
                let _ = reply.send(self.engine.snapshot(now));
            }
            Wakeup::Failed(fault) => {
                self.engine.fail(&fault.to_string());
                self.refuse_waiting(now);
                return Some(End::Failed(fault));
            }
            Wakeup::Stop => self.stop(),
        }
        None
    }

    /// Has lines asked about whose time has come; answers when to look again.
    fn probe(&mut self, now: Moment, next: Option<Moment>) -> Option<Moment> {
        if self.stopping.is_some() {
            return next;
        }
        for line in self.engine.probe_due(now) {
            // Whoever asks ends after the loop.
            let _ = self.probes.send(line);
        }
        next.into_iter().chain(self.engine.next_probe()).min()
    }

    fn trouble(&mut self, id: NameId, trouble: Trouble, (wait, detail): (i64, &str), now: Moment) {
        let line = self.engine.names().name(id);
        if trouble.stops() {
            self.engine.stop_line(id, trouble == Trouble::Account, &format!("{trouble}: {detail}"), now);
        } else {
            tracing::warn!(%line, %detail, "the provider says that the line sends too fast; it waits");
            self.engine.throttle(id, wait, now);
        }
    }

    fn probed(&mut self, id: NameId, probed: Probed, now: Moment) {
        let line = self.engine.names().name(id);
        match probed {
            Probed::Works if self.engine.probed(id, Ok(()), now) => tracing::info!(%line, "the line works again"),
            Probed::Works => {}
            Probed::Failed(why) => {
                tracing::info!(%line, %why, "the line does not work yet");
                self.engine.probed(id, Err(why), now);
            }
            Probed::Unasked => self.engine.try_one(id),
        }
    }

    /// Requests that arrived before the failure are answered, not left hanging.
    fn refuse_waiting(&mut self, now: Moment) {
        while let Ok(request) = self.requests.try_recv() {
            self.engine.serve(request, now);
        }
        self.hand_over_group();
    }

    fn reload(&mut self, book: Arc<Book>) -> Result<(), String> {
        let in_use = self.engine.orphaned_by(&book);
        if in_use.is_empty() {
            self.engine.reload(book);
            start::put_inbounds_in_force(&mut self.engine, self.clock.now());
            return Ok(());
        }
        let lost: Vec<String> = in_use.iter().map(|(what, count)| format!("{what} ({count} conversations)")).collect();
        Err(format!("still in use: {}; keep it, or restart with --drop to call these conversations off", lost.join(", ")))
    }

    /// Upkeep in pieces, so that nobody waits for it; whether there is more.
    fn upkeep(&mut self, now: Moment) -> bool {
        let mut more = self.engine.replan_some(now);
        if let Some(before) = self.forget_before {
            match self.engine.forget(before) {
                Ok(true) => more = true,
                Ok(false) => self.forget_before = None,
                Err(why) => {
                    tracing::error!(%why, "retention cannot go on; it tries again at its next time");
                    self.forget_before = None;
                }
            }
        }
        more
    }

    /// Notes being alive by the machine's own time, whatever the scale.
    fn tick(&mut self, now: Moment) {
        let elapsed = self.clock.elapsed_ms();
        if elapsed - self.ticked >= TICK {
            self.ticked = elapsed;
            self.engine.tick(now);
        }
    }

    /// Not more often than it takes: whoever listens may be slow to read, and the loop would wait for it.
    fn feed(&mut self) {
        let elapsed = self.clock.elapsed_ms();
        if elapsed - self.fed >= FEED {
            self.fed = elapsed;
            (self.watchdog)();
        }
    }

    fn look_at_the_clock(&mut self) {
        let Some(guard) = &mut self.guard else { return };
        if self.engine.clock_was_resumed() {
            guard.release(self.clock.wall(), self.clock.elapsed_ms());
        }
        let verdict = guard.observe(self.clock.wall(), self.clock.elapsed_ms());
        let why = verdict.why();
        let jumped = matches!(verdict, guard::Verdict::Jumped { .. });
        if self.engine.hold_for_clock(why.as_deref()) || jumped {
            match why {
                Some(why) => tracing::error!(%why, "sending is held"),
                None => tracing::info!("the clock is believed again; sending goes on"),
            }
        }
    }

    fn hand_over_group(&mut self) {
        let Some(group) = self.engine.cut() else { return };
        match self.groups.send(group) {
            Ok(()) => self.under_way += 1,
            Err(refused) => refused.0.refuse("the store has stopped"),
        }
    }

    fn stop(&mut self) {
        if self.stopping.is_none() {
            self.stopping = Some(self.clock.elapsed() + Duration::from_millis(limits::DRAIN as u64));
            self.requests.close();
        }
    }

    /// Whether everything under way has ended. Calls that do not end in time are in doubt, durably: their claims stand.
    fn drained(&mut self) -> bool {
        let Some(until) = self.stopping else { return false };
        let now = self.clock.now();
        while let Ok(request) = self.requests.try_recv() {
            self.engine.serve(request, now);
        }
        let left = self.engine.calls_under_way();
        if left > 0 && self.clock.elapsed() < until {
            return false;
        }
        if left > 0 {
            tracing::warn!(calls = left, "calls did not end in time; their sends are in doubt");
            self.engine.abandon_calls(now);
        }
        self.engine.tick(now);
        self.hand_over_group();
        true
    }

    fn nap(&self, next: Option<Moment>) -> Duration {
        let longest = Duration::from_millis(limits::NAP as u64);
        match (self.stopping, next) {
            (Some(until), _) => until.saturating_sub(self.clock.elapsed()).min(longest),
            (None, Some(next)) => self.clock.until(next).min(longest),
            (None, None) => longest,
        }
    }
}

#[cfg(test)]
mod tests;
