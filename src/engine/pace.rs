//! How fast a line sends: permits for calls under way, and a rate, as data with `now` passed in.
//!
//! Not a sleep and not a semaphore: the engine asks, and asks again at the instant it is told.

use crate::engine::book::Line;
use crate::moment::{Moment, SECOND};

/// The pacing state of one line.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Permits out: claims whose outcome is not durable yet.
    in_flight: usize,
    /// Nothing is claimed before this instant.
    opens: Moment,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { in_flight: 0, opens: Moment::MIN }
    }
}

impl Pace {
    /// Whether a claim may be made at `now`.
    #[must_use]
    pub fn permits(&self, line: &Line, now: Moment) -> bool {
        self.in_flight < line.max_in_flight && self.waits(line, now).is_none()
    }

    /// Until when the rate, or a wait after downtime, forbids a claim; `None` where it does not.
    #[must_use]
    pub fn waits(&self, line: &Line, now: Moment) -> Option<Moment> {
        // A clock set back must not close the line for as long as it was set back.
        let longest = line.catch_up_wait.max(2 * SECOND);
        (self.opens > now && self.opens.since(now) <= longest).then_some(self.opens)
    }

    /// A claim is made: a permit goes out, and the next claim waits its turn.
    pub fn claim(&mut self, line: &Line, now: Moment) {
        self.in_flight += 1;
        if let Some(rate) = line.rate {
            let gap = (SECOND + i64::from(rate) - 1) / i64::from(rate.max(1));
            self.opens = now.plus(gap);
        }
    }

    /// The outcome of a claim is durable: its permit comes back.
    pub fn settle(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Nothing is claimed before `until`.
    pub fn close_until(&mut self, until: Moment) {
        self.opens = self.opens.max(until);
    }

    /// Permits out.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Capabilities;
    use proptest::prelude::*;

    fn line(max_in_flight: usize, rate: Option<u32>) -> Line {
        let capabilities = Capabilities { free_text: true, buttons: true, template: true, correlation: false, recipient: false };
        Line { flow: None, max_in_flight, rate, pair_gap: 0, daily: None, catch_up_wait: 0, capabilities }
    }

    #[test]
    fn a_permit_returns_only_when_settled() {
        let (line, mut pace) = (line(2, None), Pace::default());
        for _ in 0..2 {
            assert!(pace.permits(&line, Moment(0)));
            pace.claim(&line, Moment(0));
        }
        assert!(!pace.permits(&line, Moment(1_000_000)));
        pace.settle();
        assert!(pace.permits(&line, Moment(0)));
    }

    proptest! {
        /// In no second are there more claims than the rate.
        #[test]
        fn never_faster_than_the_rate(rate in 1u32..1_000, asks in prop::collection::vec(0i64..50, 1..500)) {
            let (line, mut pace) = (line(usize::MAX, Some(rate)), Pace::default());
            let (mut now, mut claims) = (Moment(0), Vec::new());
            for ask in asks {
                now = now.plus(ask);
                if pace.permits(&line, now) {
                    pace.claim(&line, now);
                    claims.push(now);
                }
            }
            for (i, from) in claims.iter().enumerate() {
                let in_second = claims[i..].iter().take_while(|at| at.since(*from) < SECOND).count();
                prop_assert!(in_second <= rate as usize);
            }
        }
    }
}
