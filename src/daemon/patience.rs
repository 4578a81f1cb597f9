//! How the engine's thread waits: parked by the system itself, until something has come or a nap is over.
//!
//! Not tokio's timer, which counts in milliseconds, rounds up, and wakes a worker before it wakes whoever sleeps: a follow-up that
//! is due alone was two to three milliseconds late for that. Nothing of the runtime is needed for the channels that are waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// The patience of one thread: the one that first waits.
pub(super) struct Patience {
    nudge: Arc<Nudge>,
    waker: Waker,
}

/// Ends a gathering of that thread.
#[derive(Clone)]
pub(super) struct Hurry(Arc<Nudge>);

/// Wakes a thread.
#[derive(Default)]
struct Nudge {
    thread: OnceLock<Thread>,
    /// The thread was to be woken, and has not looked since.
    given: AtomicBool,
    /// It gathers: what comes is found when that is over.
    gathering: AtomicBool,
}

impl Nudge {
    fn give(&self) {
        self.given.store(true, Ordering::SeqCst);
        // One that has not begun to wait has nothing to be woken from.
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl Wake for Nudge {
    fn wake(self: Arc<Nudge>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Nudge>) {
        if !self.gathering.load(Ordering::SeqCst) {
            self.give();
        }
    }
}

impl Hurry {
    /// There is something that shall not wait for others to come.
    pub(super) fn up(&self) {
        self.0.give();
    }
}

impl Patience {
    /// Of the thread that will wait with it, and what ends its gatherings.
    pub(super) fn new() -> (Patience, Hurry) {
        let nudge = Arc::<Nudge>::default();
        (Patience { waker: Arc::clone(&nudge).into(), nudge: Arc::clone(&nudge) }, Hurry(nudge))
    }

    /// Lets things come together, for `most` or until somebody says [`Hurry::up`]: what comes meanwhile wakes nobody, and is found by
    /// the next [`Patience::wait`].
    pub(super) fn gather(&self, most: Duration) {
        self.begin();
        self.nudge.gathering.store(true, Ordering::SeqCst);
        thread::park_timeout(most);
        self.nudge.given.store(false, Ordering::SeqCst);
        // Before the look that follows: who comes after that look wakes the thread again.
        self.nudge.gathering.store(false, Ordering::SeqCst);
    }

    /// Waits for what `look` finds, for `nap` at most; `None` where nothing has come by then, or somebody woke the thread for
    /// nothing. What was there before is found whatever the nap.
    pub(super) fn wait<T>(&self, nap: Duration, mut look: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        self.begin();
        let mut cx = Context::from_waker(&self.waker);
        if self.nudge.given.swap(false, Ordering::SeqCst) {
            // The look below finds what that wake was for; its token would end the nap that follows for nothing.
            thread::park_timeout(Duration::ZERO);
        }
        if let Poll::Ready(found) = look(&mut cx) {
            return Some(found);
        }
        if nap.is_zero() {
            return None;
        }
        // Whatever came since the look has left the thread a token, with which it is not parked at all.
        thread::park_timeout(nap);
        match look(&mut cx) {
            Poll::Ready(found) => Some(found),
            Poll::Pending => None,
        }
    }

    fn begin(&self) {
        self.nudge.thread.get_or_init(thread::current);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_there_is_found_without_a_nap_and_what_comes_ends_the_nap() {
        let (patience, _) = Patience::new();
        let (give, mut take) = unbounded_channel();
        assert_eq!(patience.wait(Duration::ZERO, |cx| take.poll_recv(cx)), None);
        give.send(1).unwrap();
        assert_eq!(patience.wait(Duration::ZERO, |cx| take.poll_recv(cx)), Some(Some(1)));
        let other = thread::spawn(move || give.send(2).unwrap());
        // The token of a wake before it may end the first wait with nothing.
        let found = (0..10).find_map(|_| patience.wait(LONG, |cx| take.poll_recv(cx)));
        assert_eq!(found, Some(Some(2)));
        other.join().unwrap();
        assert_eq!((0..10).find_map(|_| patience.wait(LONG, |cx| take.poll_recv(cx))), Some(None), "whoever gave is gone");
    }

    #[test]
    fn a_nap_ends_by_itself() {
        let (patience, _) = Patience::new();
        assert_eq!(patience.wait(Duration::from_millis(1), |_| Poll::<()>::Pending), None);
    }

    #[test]
    fn what_comes_while_it_gathers_wakes_nobody_and_is_found_and_who_is_in_a_hurry_ends_it() {
        let (patience, hurry) = Patience::new();
        let (give, mut take) = unbounded_channel();
        assert_eq!(patience.wait(Duration::ZERO, |cx| take.poll_recv(cx)), None);
        let giver = give.clone();
        let other = thread::spawn(move || giver.send(1).unwrap());
        patience.gather(Duration::from_millis(20));
        other.join().unwrap();
        assert_eq!(patience.wait(LONG, |cx| take.poll_recv(cx)), Some(Some(1)));
        let other = thread::spawn(move || {
            give.send(2).unwrap();
            hurry.up();
        });
        // A minute would be noticed.
        patience.gather(LONG);
        assert_eq!((0..10).find_map(|_| patience.wait(LONG, |cx| take.poll_recv(cx))), Some(Some(2)));
        other.join().unwrap();
    }
}
