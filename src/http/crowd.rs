//! The connections of a listener: how many there may be, and which one goes when there are too many.
//!
//! Not a queue: whoever comes in when all are busy is told to come back. Whoever sits idle makes room, longest idle first, so that
//! a thousand silent sockets keep nobody out.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// In [`Place::idle`]: a request is under way.
const BUSY: u64 = 0;
/// In [`Place::idle`], beside the number: the connection has been asked to leave, and is not asked again before its next request.
const ASKED: u64 = 1 << 63;

/// The connections of one listener.
pub(super) struct Crowd {
    most: usize,
    /// Of one address.
    each: usize,
    seats: Mutex<Seats>,
    /// The last number that was given to a connection which fell idle.
    fell: AtomicU64,
    /// Somebody has left.
    left: Notify,
}

#[derive(Default)]
struct Seats {
    taken: usize,
    of: HashMap<IpAddr, usize>,
    next: u64,
    /// All connections. Only somebody for whom there is no place looks through them: requests, which are many more, touch none of this.
    places: BTreeMap<u64, Arc<Place>>,
}

/// What is known of a connection.
struct Place {
    from: Option<IpAddr>,
    leave: Notify,
    /// Since when it is idle, by the numbers of [`Crowd::fell`]; or [`BUSY`].
    idle: AtomicU64,
}

/// A connection's place.
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    number: u64,
    place: Arc<Place>,
}

/// While this lives, the connection is not idle.
pub(super) struct Busy(Arc<Seat>);

impl Crowd {
    /// Places for so many, and for so many of one address.
    pub(super) fn new(most: usize, each: usize) -> Arc<Crowd> {
        Arc::new(Crowd { most, each, seats: Mutex::default(), fell: AtomicU64::new(BUSY), left: Notify::new() })
    }

    /// A place at once, or `None`; then the longest idle connection has been asked to leave, so that there soon is one. `from`: whom
    /// it is counted for, beside all.
    pub(super) fn sit(self: &Arc<Crowd>, from: Option<IpAddr>) -> Option<Arc<Seat>> {
        let seat = self.take(from);
        if seat.is_none() {
            self.ask_one_to_leave(from);
        }
        seat
    }

    /// The longest idle of those who were not asked yet; of the same address where that has all the places that it may have.
    fn ask_one_to_leave(&self, from: Option<IpAddr>) {
        let seats = self.seats();
        let own = self.is_full_of(&seats, from);
        let idle = |place: &Place| Some(place.idle.load(Ordering::Relaxed)).filter(|since| *since != BUSY && since & ASKED == 0);
        let eligible = seats.places.values().filter(|place| !own || place.from == from);
        let longest = eligible.filter_map(|place| Some((idle(place)?, place))).min_by_key(|(since, _)| *since);
        if let Some((since, place)) = longest
            // Otherwise a request has just begun: whoever comes next asks another.
            && place.idle.compare_exchange(since, since | ASKED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            place.leave.notify_one();
        }
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
        let number = seats.next;
        seats.next += 1;
        let place = Arc::new(Place { from, leave: Notify::new(), idle: AtomicU64::new(self.fall()) });
        seats.places.insert(number, Arc::clone(&place));
        drop(seats);
        Some(Arc::new(Seat { crowd: Arc::clone(self), number, place }))
    }

    /// A number for a connection that falls idle: higher than those of all that fell idle before.
    fn fall(&self) -> u64 {
        self.fell.fetch_add(1, Ordering::Relaxed) + 1
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
        self.place.leave.notified().await;
    }

    /// Whether no request is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.place.idle.load(Ordering::Relaxed) != BUSY
    }

    /// A request began.
    pub(super) fn busy(self: &Arc<Seat>) -> Busy {
        self.place.idle.store(BUSY, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    fn fall_idle(&self) {
        self.place.idle.store(self.crowd.fall(), Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let from = self.place.from;
        let mut seats = self.crowd.seats();
        seats.places.remove(&self.number);
        seats.taken -= 1;
        if let Some(from) = from
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
        assert!(crowd.seats().places.is_empty());
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
