//! The connections of a listener: how many there may be, and which one goes when there are too many.
//!
//! Not a queue: whoever comes in when all are busy is told to come back. Whoever sits idle makes room, longest idle first, so that
//! a thousand silent sockets keep nobody out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The connections of one listener.
pub(super) struct Crowd {
    room: Arc<Semaphore>,
    idle: Mutex<Idle>,
}

/// Connections without a request under way, in the order in which they fell idle.
#[derive(Default)]
struct Idle {
    next: u64,
    waiting: BTreeMap<u64, Arc<Notify>>,
}

/// A connection's place.
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    leave: Arc<Notify>,
    idle_as: Mutex<Option<u64>>,
    _room: OwnedSemaphorePermit,
}

/// While this lives, the connection is not idle.
pub(super) struct Busy(Arc<Seat>);

impl Crowd {
    pub(super) fn new(most: usize) -> Arc<Crowd> {
        Arc::new(Crowd { room: Arc::new(Semaphore::new(most)), idle: Mutex::default() })
    }

    /// A place at once, or `None`; then the longest idle connection has been asked to leave, so that there soon is one.
    pub(super) fn sit(self: &Arc<Crowd>) -> Option<Arc<Seat>> {
        match Arc::clone(&self.room).try_acquire_owned() {
            Ok(room) => Some(self.seat(room)),
            Err(_) => {
                if let Some((_, leave)) = self.idle().waiting.pop_first() {
                    leave.notify_one();
                }
                None
            }
        }
    }

    /// A place when one is free.
    pub(super) async fn wait(self: &Arc<Crowd>) -> Option<Arc<Seat>> {
        let room = Arc::clone(&self.room).acquire_owned().await.ok()?;
        Some(self.seat(room))
    }

    fn seat(self: &Arc<Crowd>, room: OwnedSemaphorePermit) -> Arc<Seat> {
        let seat = Seat { crowd: Arc::clone(self), leave: Arc::default(), idle_as: Mutex::new(None), _room: room };
        seat.fall_idle();
        Arc::new(seat)
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing between lock and unlock can leave the map half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Resolves when this connection shall make room.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Whether no request is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.mine().is_some()
    }

    /// A request began.
    pub(super) fn busy(self: &Arc<Seat>) -> Busy {
        self.rise();
        Busy(Arc::clone(self))
    }

    fn fall_idle(&self) {
        let mut idle = self.crowd.idle();
        let number = idle.next;
        idle.next += 1;
        idle.waiting.insert(number, Arc::clone(&self.leave));
        drop(idle);
        *self.mine() = Some(number);
    }

    fn rise(&self) {
        if let Some(number) = self.mine().take() {
            self.crowd.idle().waiting.remove(&number);
        }
    }

    fn mine(&self) -> MutexGuard<'_, Option<u64>> {
        self.idle_as.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.rise();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fall_idle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn the_longest_idle_leaves_and_the_busy_stay() {
        let crowd = Crowd::new(3);
        let seats: Vec<Arc<Seat>> = (0..3).map(|_| crowd.sit().unwrap()).collect();
        let busy = seats[0].busy();
        assert!(crowd.sit().is_none());
        let left: Vec<bool> = seats.iter().map(|s| s.asked_to_leave().now_or_never().is_some()).collect();
        assert_eq!(left, [false, true, false]);
        drop(busy);
        assert!(crowd.sit().is_none());
        assert!(seats[2].asked_to_leave().now_or_never().is_some(), "the one that has been idle longer");
    }

    #[test]
    fn a_place_given_up_is_free_again() {
        let crowd = Crowd::new(1);
        let seat = crowd.sit().unwrap();
        drop(seat);
        assert!(crowd.idle().waiting.is_empty());
        assert!(crowd.sit().is_some());
    }
}
