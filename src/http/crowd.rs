//! The connections of a listener: how many there may be, and which one goes when there are too many.
//!
//! Not a queue: whoever comes in when all are busy is told to come back. Whoever sits idle makes room, longest idle first, so that
//! a thousand silent sockets keep nobody out.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The connections of one listener.
pub(super) struct Crowd {
    most: usize,
    /// Of one address.
    each: usize,
    seats: Mutex<Seats>,
    /// Somebody has left.
    left: Notify,
}

#[derive(Default)]
struct Seats {
    taken: usize,
    of: HashMap<IpAddr, usize>,
    next: u64,
    /// Connections without a request under way, in the order in which they fell idle.
    idle: BTreeMap<u64, (Option<IpAddr>, Arc<Notify>)>,
}

/// A connection's place.
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    from: Option<IpAddr>,
    leave: Arc<Notify>,
    idle_as: Mutex<Option<u64>>,
}

/// While this lives, the connection is not idle.
pub(super) struct Busy(Arc<Seat>);

impl Crowd {
    /// Places for so many, and for so many of one address.
    pub(super) fn new(most: usize, each: usize) -> Arc<Crowd> {
        Arc::new(Crowd { most, each, seats: Mutex::default(), left: Notify::new() })
    }

    /// A place at once, or `None`; then the longest idle connection has been asked to leave, so that there soon is one. `from`: whom
    /// it is counted for, beside all.
    pub(super) fn sit(self: &Arc<Crowd>, from: Option<IpAddr>) -> Option<Arc<Seat>> {
        let seat = self.take(from);
        if seat.is_none() {
            let mut seats = self.seats();
            // Who has all the places of its address makes room by itself.
            let own = self.is_full_of(&seats, from);
            let longest = seats.idle.iter().find(|(_, (other, _))| !own || *other == from).map(|(number, _)| *number);
            if let Some((_, leave)) = longest.and_then(|number| seats.idle.remove(&number)) {
                leave.notify_one();
            }
        }
        seat
    }

    /// A place when one is free.
    pub(super) async fn wait(self: &Arc<Crowd>, from: Option<IpAddr>) -> Arc<Seat> {
        loop {
            // Before it is looked: whoever leaves between the look and the wait is not missed.
            let left = self.left.notified();
            if let Some(seat) = self.take(from) {
                return seat;
            }
            left.await;
        }
    }

    fn take(self: &Arc<Crowd>, from: Option<IpAddr>) -> Option<Arc<Seat>> {
        let mut seats = self.seats();
        if seats.taken >= self.most || self.is_full_of(&seats, from) {
            return None;
        }
        seats.taken += 1;
        if let Some(from) = from {
            *seats.of.entry(from).or_default() += 1;
        }
        drop(seats);
        let seat = Seat { crowd: Arc::clone(self), from, leave: Arc::default(), idle_as: Mutex::new(None) };
        seat.fall_idle();
        Some(Arc::new(seat))
    }

    fn is_full_of(&self, seats: &Seats, from: Option<IpAddr>) -> bool {
        from.and_then(|from| seats.of.get(&from)).is_some_and(|taken| *taken >= self.each)
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        // Nothing between lock and unlock can leave the tables half changed.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut seats = self.crowd.seats();
        let number = seats.next;
        seats.next += 1;
        seats.idle.insert(number, (self.from, Arc::clone(&self.leave)));
        drop(seats);
        *self.mine() = Some(number);
    }

    fn rise(&self) {
        if let Some(number) = self.mine().take() {
            self.crowd.seats().idle.remove(&number);
        }
    }

    fn mine(&self) -> MutexGuard<'_, Option<u64>> {
        self.idle_as.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.rise();
        let mut seats = self.crowd.seats();
        seats.taken -= 1;
        if let Some(from) = self.from
            && let Some(taken) = seats.of.get_mut(&from)
        {
            *taken -= 1;
            if *taken == 0 {
                seats.of.remove(&from);
            }
        }
        drop(seats);
        self.crowd.left.notify_waiters();
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
        let crowd = Crowd::new(3, 3);
        let seats: Vec<Arc<Seat>> = (0..3).map(|_| crowd.sit(None).unwrap()).collect();
        let busy = seats[0].busy();
        assert!(crowd.sit(None).is_none());
        let left: Vec<bool> = seats.iter().map(|s| s.asked_to_leave().now_or_never().is_some()).collect();
        assert_eq!(left, [false, true, false]);
        drop(busy);
        assert!(crowd.sit(None).is_none());
        assert!(seats[2].asked_to_leave().now_or_never().is_some(), "the one that has been idle longer");
    }

    #[test]
    fn a_place_given_up_is_free_again() {
        let crowd = Crowd::new(1, 1);
        let seat = crowd.sit(None).unwrap();
        drop(seat);
        assert!(crowd.seats().idle.is_empty());
        assert!(crowd.sit(None).is_some());
    }

    #[tokio::test]
    async fn one_address_has_its_share_and_makes_room_for_itself() {
        let [greedy, other] = [1, 2].map(|n| Some(IpAddr::from([192, 0, 2, n])));
        let crowd = Crowd::new(4, 2);
        let first = crowd.sit(other).unwrap();
        let mut own = vec![crowd.sit(greedy).unwrap(), crowd.sit(greedy).unwrap()];
        assert!(crowd.sit(greedy).is_none());
        assert!(first.asked_to_leave().now_or_never().is_none(), "another's place is not taken");
        assert!(own[0].asked_to_leave().now_or_never().is_some());
        assert!(crowd.sit(None).is_some(), "who is not counted by address has the places of all");
        own.remove(0);
        let waited = tokio::time::timeout(std::time::Duration::from_secs(60), crowd.wait(greedy)).await;
        assert!(waited.is_ok());
        drop((waited, own, first));
        let seats = crowd.seats();
        assert_eq!((seats.taken, seats.of.len()), (0, 0));
    }
}
