//! How fast a line sends: permits for calls under way, its rate, the gap between two sends to one person, people a day. Data,
//! with the time passed in.
//!
//! Not a sleep and not a semaphore: the engine asks, and asks again at the instant it is told. Not the order: that is `room.rs`.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::engine::book::Line;
use crate::id::ConversationId;
use crate::limits;
use crate::moment::{DAY, Moment, SECOND};

/// The wall clock with its steps back taken out: what pacing is measured by. A clock set back closes no line for as long as it
/// was set back, and opens none: everything is as old as when it was last looked at.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    seen: Moment,
    ahead: i64,
}

impl Default for Steady {
    fn default() -> Steady {
        Steady { seen: Moment::MIN, ahead: 0 }
    }
}

impl Steady {
    /// The time of pacing when the wall shows `wall`; never earlier than any before.
    pub fn at(&mut self, wall: Moment) -> Moment {
        let steady = wall.plus(self.ahead);
        if steady < self.seen {
            self.ahead = self.ahead.saturating_add(self.seen.since(steady));
        }
        self.seen = self.seen.max(steady);
        self.seen
    }

    /// What the wall will show at an instant of pacing, if it steps no more.
    #[must_use]
    pub fn wall(&self, steady: Moment) -> Moment {
        steady.plus(self.ahead.saturating_neg())
    }
}

/// When something last happened to each of some people.
#[derive(Clone, Debug, Default)]
struct Lately {
    last: HashMap<ConversationId, Moment>,
    order: BTreeSet<(Moment, ConversationId)>,
}

impl Lately {
    fn note(&mut self, who: ConversationId, at: Moment) {
        let last = self.last.entry(who).or_insert(at);
        self.order.remove(&(*last, who));
        *last = at.max(*last);
        self.order.insert((*last, who));
    }

    /// Forgets what happened at or before an instant.
    fn forget(&mut self, upto: Moment) {
        while let Some((_, who)) = self.order.first().copied().filter(|(at, _)| *at <= upto) {
            self.order.pop_first();
            self.last.remove(&who);
        }
    }
}

/// The pacing state of one line. Every instant is one of [`Steady`].
#[derive(Clone, Debug)]
pub struct Pace {
    /// Permits out: claims whose outcome is not durable yet.
    in_flight: usize,
    /// The last claims, oldest first: those of the last second, at least.
    recent: VecDeque<Moment>,
    /// Nothing is claimed before this instant.
    closed: Moment,
    /// Throttles since the last call that was taken.
    throttles: u32,
    /// Whom a template was claimed for within the last 24 hours.
    written: Lately,
    /// With whom a call was under way within the line's gap.
    called: Lately,
}

impl Default for Pace {
    fn default() -> Pace {
        let (written, called) = (Lately::default(), Lately::default());
        Pace { in_flight: 0, recent: VecDeque::new(), closed: Moment::MIN, throttles: 0, written, called }
    }
}

impl Pace {
    /// Whether a claim may be made at `now`, as far as permits and rate go.
    #[must_use]
    pub fn permits(&self, line: &Line, now: Moment) -> bool {
        self.in_flight < line.max_in_flight && self.waits(line, now).is_none()
    }

    /// Until when the rate, a throttle or the wait after downtime forbids a claim; `None` where nothing does.
    #[must_use]
    pub fn waits(&self, line: &Line, now: Moment) -> Option<Moment> {
        // The window is half open: a claim leaves it when it is a second old.
        let full = line.rate.and_then(|rate| {
            let first = self.recent.len().checked_sub(rate.max(1) as usize)?;
            self.recent.get(first).map(|at| at.plus(SECOND))
        });
        let opens = full.unwrap_or(Moment::MIN).max(self.closed);
        (opens > now).then_some(opens)
    }

    /// A claim is made: a permit goes out.
    pub fn claim(&mut self, now: Moment) {
        self.in_flight += 1;
        self.claimed(now);
    }

    /// A claim was made at `at`: it counts for the rate.
    pub fn claimed(&mut self, at: Moment) {
        while self.recent.len() >= limits::RATE || self.recent.front().is_some_and(|first| at.since(*first) >= SECOND) {
            self.recent.pop_front();
        }
        self.recent.push_back(at);
    }

    /// The call of a claim has ended: its permit comes back.
    pub fn settle(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Nothing is claimed before `until`.
    pub fn close_until(&mut self, until: Moment) {
        self.closed = self.closed.max(until);
    }

    /// The provider says that the line sends too fast, and for how long it wants nothing (0: it does not say). Where it goes on
    /// saying so, the waits of our own choosing double.
    pub fn throttle(&mut self, wait: i64, now: Moment) {
        if self.closed <= now {
            self.throttles = self.throttles.saturating_add(1);
        }
        let own = limits::BACKOFF.saturating_mul(1 << self.throttles.saturating_sub(1).min(20)).min(limits::BACKOFF_CEILING);
        self.close_until(now.plus(if wait > 0 { wait.min(limits::RETRY_AFTER_CEILING) } else { own }));
    }

    /// A call was taken: throttles are over.
    pub fn taken(&mut self) {
        self.throttles = 0;
    }

    /// A template was claimed for this person.
    pub fn wrote(&mut self, who: ConversationId, at: Moment) {
        self.written.note(who, at);
    }

    /// When a template may be claimed for this person, if everybody else keeps still; `None` for now. Never
    /// ([`Moment::MAX`]) where the line allows nobody.
    #[must_use]
    pub fn crowded(&self, line: &Line, who: ConversationId, now: Moment) -> Option<Moment> {
        let most = line.daily? as usize;
        let day_ago = now.plus(-DAY);
        if self.written.last.get(&who).is_some_and(|at| *at > day_ago) {
            return None;
        }
        let over = self.written.order.len().checked_sub(most)?;
        // The one whose leaving makes room: those before leave as well.
        let leaves = self.written.order.iter().nth(over).map_or(Moment::MAX, |(at, _)| at.plus(DAY));
        (leaves > now).then_some(leaves)
    }

    /// A call to this person is, or may be, under way.
    pub fn called(&mut self, line: &Line, who: ConversationId, at: Moment) {
        if line.pair_gap > 0 {
            self.called.note(who, at);
        }
    }

    /// When this person may be written to again; `None` for now.
    #[must_use]
    pub fn early(&self, line: &Line, who: ConversationId, now: Moment) -> Option<Moment> {
        let opens = self.called.last.get(&who)?.plus(line.pair_gap);
        (opens > now).then_some(opens)
    }

    /// Forgets what is too old to matter.
    pub fn forget(&mut self, line: &Line, now: Moment) {
        self.written.forget(now.plus(-DAY));
        self.called.forget(now.plus(line.pair_gap.saturating_neg()));
    }

    /// Permits out.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The same line with all its permits at home and nobody written to: what is left is the rate.
    #[must_use]
    pub fn rate_alone(&self) -> Pace {
        Pace { recent: self.recent.clone(), closed: self.closed, ..Pace::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Capabilities;
    use crate::moment::{HOUR, MINUTE};
    use proptest::prelude::*;

    fn line(max_in_flight: usize, rate: Option<u32>) -> Line {
        let capabilities = Capabilities { free_text: true, buttons: true, template: true, correlation: false, recipient: false };
        Line { flow: None, max_in_flight, rate, pair_gap: 0, daily: None, catch_up_wait: 0, capabilities }
    }

    fn who(n: u8) -> ConversationId {
        ConversationId(u128::from(n))
    }

    #[test]
    fn a_permit_returns_only_when_settled() {
        let (line, mut pace) = (line(2, None), Pace::default());
        for _ in 0..2 {
            assert!(pace.permits(&line, Moment(0)));
            pace.claim(Moment(0));
        }
        assert!(!pace.permits(&line, Moment(1_000_000)));
        pace.settle();
        assert!(pace.permits(&line, Moment(0)));
    }

    #[test]
    fn throttles_double_while_they_last_and_what_is_asked_for_is_bounded() {
        let (line, mut pace) = (line(9, None), Pace::default());
        let mut now = Moment(0);
        for wait in [5, 10, 20, 40, 80, 160, 320, 600, 600].map(|s| s * SECOND) {
            pace.throttle(0, now);
            // Calls that were under way at the time tell the same: it is one throttle.
            pace.throttle(0, now);
            assert_eq!(pace.waits(&line, now), Some(now.plus(wait)));
            now = now.plus(wait);
            assert_eq!(pace.waits(&line, now), None);
        }
        pace.taken();
        pace.throttle(0, now);
        assert_eq!(pace.waits(&line, now), Some(now.plus(5 * SECOND)));
        pace.throttle(i64::MAX, now);
        assert_eq!(pace.waits(&line, now), Some(now.plus(limits::RETRY_AFTER_CEILING)));
    }

    #[test]
    fn a_new_rate_counts_the_claims_of_the_last_second() {
        let mut pace = Pace::default();
        (0..5).for_each(|i| pace.claim(Moment(i * 100)));
        assert_eq!(pace.waits(&line(99, Some(6)), Moment(400)), None);
        assert_eq!(pace.waits(&line(99, Some(5)), Moment(400)), Some(Moment(1_000)));
        assert_eq!(pace.waits(&line(99, Some(2)), Moment(400)), Some(Moment(1_300)));
        assert_eq!(pace.waits(&line(99, None), Moment(400)), None);
    }

    proptest! {
        /// In no second are there more claims than the rate, and none waits longer than that asks for: whenever the line is
        /// closed, the second before it opens is full. Also when the clock steps back: measured by a clock that does not.
        #[test]
        fn as_fast_as_the_rate_and_never_faster(
            rate in 1u32..60, asks in prop::collection::vec((0i64..400, prop::option::weighted(0.05, 1i64..HOUR)), 1..500)
        ) {
            let (line, mut pace, mut steady) = (line(usize::MAX, Some(rate)), Pace::default(), Steady::default());
            let (mut real, mut wall, mut claims) = (Moment(0), Moment(0), Vec::<Moment>::new());
            for (ask, back) in asks {
                (real, wall) = (real.plus(ask), wall.plus(ask));
                if let Some(back) = back {
                    // What is known when the clock steps: the time of the last look.
                    steady.at(wall);
                    wall = wall.plus(-back);
                }
                let now = steady.at(wall);
                let full = claims.iter().filter(|at| real.since(**at) < SECOND).count() >= rate as usize;
                prop_assert_eq!(pace.waits(&line, now).is_some(), full, "at {}", real);
                if let Some(opens) = pace.waits(&line, now) {
                    let first = claims[claims.len() - rate as usize];
                    prop_assert_eq!(opens.since(now), first.plus(SECOND).since(real));
                    prop_assert_eq!(steady.wall(opens).since(wall), opens.since(now));
                } else {
                    pace.claim(now);
                    claims.push(real);
                }
            }
        }

        /// A step back that nobody looked before makes nothing older than it was at the last look, so it never opens a line early.
        #[test]
        fn a_step_back_opens_nothing(
            rate in 1u32..5, asks in prop::collection::vec((0i64..400, -HOUR..HOUR / 50), 1..300)
        ) {
            let (line, mut pace, mut steady) = (line(usize::MAX, Some(rate)), Pace::default(), Steady::default());
            let (mut real, mut wall, mut claims) = (Moment(0), Moment(0), Vec::<Moment>::new());
            for (ask, step) in asks {
                real = real.plus(ask);
                wall = wall.plus(ask + step.min(0));
                let now = steady.at(wall);
                if pace.permits(&line, now) {
                    pace.claim(now);
                    claims.push(real);
                    prop_assert!(claims.iter().filter(|at| real.since(**at) < SECOND).count() <= rate as usize);
                } else {
                    prop_assert!(pace.waits(&line, now).is_some_and(|opens| opens.since(now) <= SECOND), "closed for longer than a second");
                }
            }
        }

        /// In no 24 hours are more people written to than the line allows; nobody is made to wait while there is room; a person
        /// who has been written to counts once. A restart tells the last template of each, and nothing is forgotten by it.
        #[test]
        fn so_many_people_a_day(
            daily in 1u32..6, asks in prop::collection::vec((0u8..12, 0i64..8 * HOUR, any::<bool>()), 1..200)
        ) {
            let line = Line { daily: Some(daily), ..line(9, None) };
            let (mut pace, mut now, mut truth) = (Pace::default(), Moment(0), Vec::<(Moment, u8)>::new());
            for (person, passed, restart) in asks {
                now = now.plus(passed);
                if restart {
                    pace = Pace::default();
                    let told = truth.iter().filter(|(at, _)| now.since(*at) < DAY);
                    told.for_each(|(at, person)| pace.wrote(who(*person), *at));
                }
                pace.forget(&line, now);
                let day: BTreeSet<u8> = truth.iter().filter(|(at, _)| now.since(*at) < DAY).map(|(_, person)| *person).collect();
                let fits = day.len() < daily as usize || day.contains(&person);
                prop_assert_eq!(pace.crowded(&line, who(person), now).is_none(), fits);
                match pace.crowded(&line, who(person), now) {
                    None => {
                        pace.wrote(who(person), now);
                        truth.push((now, person));
                    }
                    Some(opens) => {
                        let mut then = pace.clone();
                        then.forget(&line, opens);
                        prop_assert_eq!(then.crowded(&line, who(person), opens), None);
                        prop_assert!(pace.crowded(&line, who(person), opens.plus(-1)).is_some());
                    }
                }
            }
        }

        /// Two calls to one person are so far apart, whoever else is called; others never wait for it.
        #[test]
        fn so_far_apart_for_one_person(gap in 1i64..MINUTE, asks in prop::collection::vec((0u8..4, 0i64..MINUTE / 2), 1..200)) {
            let line = Line { pair_gap: gap, ..line(9, None) };
            let (mut pace, mut now, mut last) = (Pace::default(), Moment(0), HashMap::<u8, Moment>::new());
            for (person, passed) in asks {
                now = now.plus(passed);
                pace.forget(&line, now);
                let opens = last.get(&person).map(|at| at.plus(gap)).filter(|opens| *opens > now);
                prop_assert_eq!(pace.early(&line, who(person), now), opens);
                if opens.is_none() {
                    pace.called(&line, who(person), now);
                    last.insert(person, now);
                }
            }
        }
    }
}
