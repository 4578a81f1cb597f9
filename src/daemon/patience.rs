//! How the engine's thread waits: parked by the system itself, until something has come or a nap is over.
//!
//! Not tokio's timer, which counts in milliseconds, rounds up, and wakes a worker before it wakes whoever sleeps: a follow-up that
//! is due alone was two to three milliseconds late for that. Nothing of the runtime is needed for the channels that are waited for.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// The patience of one thread.
pub(super) struct Patience {
    waker: Waker,
}

/// Wakes a thread.
struct Nudge(Thread);

impl Wake for Nudge {
    fn wake(self: Arc<Nudge>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Nudge>) {
        self.0.unpark();
    }
}

impl Patience {
    /// That of the thread that asks, and no other's: whoever has it made waits with it.
    pub(super) fn of_this_thread() -> Patience {
        Patience { waker: Arc::new(Nudge(thread::current())).into() }
    }

    /// Waits for what `look` finds, for `nap` at most; `None` where nothing has come by then, or somebody woke the thread for
    /// nothing. What was there before is found whatever the nap.
    pub(super) fn wait<T>(&self, nap: Duration, mut look: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        let mut cx = Context::from_waker(&self.waker);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_there_is_found_without_a_nap_and_what_comes_ends_the_nap() {
        let patience = Patience::of_this_thread();
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
        let patience = Patience::of_this_thread();
        assert_eq!(patience.wait(Duration::from_millis(1), |_| Poll::<()>::Pending), None);
    }
}
