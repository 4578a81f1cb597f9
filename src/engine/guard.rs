//! Whether the wall clock can be believed: promise 8, as data.
//!
//! Not a clock: it is told both the wall's time and the time since boot. Not a pause: while it holds, events are still
//! taken in and kept; only sending waits.

use crate::limits;
use crate::moment::{MINUTE, Moment, SECOND};

/// Compares the wall clock with the time since boot, which never steps, and with the last instant the daemon was alive.
#[derive(Clone, Debug)]
pub struct ClockGuard {
    /// The wall may not be before this: the year of the release, or when the daemon was last alive.
    floor: Moment,
    /// Nor after this: when the clock was last believed, in this life or the one before, and [`limits::CLOCK_AHEAD`].
    ceiling: Moment,
    /// The wall clock's lead over boot time, and since when it has been compared with that.
    anchor: Option<Anchor>,
    /// Held by a jump: boot time since which the clock has been steady.
    steady_since: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    lead: i64,
    at: i64,
}

/// What an observation says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The clock is believed: send.
    Steady,
    /// The wall clock just stepped by so many milliseconds (negative: back). Sending is held from now on; worth an alert.
    Jumped {
        /// How far.
        by: i64,
    },
    /// Sending is held.
    Held(Held),
}

/// Why sending is held, and until when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// The clock jumped; sending goes on by itself when it has been steady for so many milliseconds more.
    Settling {
        /// How long still.
        left: i64,
    },
    /// The clock is before this instant, at which this daemon was already running, or which is older than the program.
    Before(Moment),
    /// The clock is far beyond the instant at which this daemon was last running.
    After(Moment),
}

impl Verdict {
    /// Whether something may be sent.
    #[must_use]
    pub fn may_send(self) -> bool {
        self == Verdict::Steady
    }

    /// Why nothing is sent, as one line for people; `None` where the clock is believed.
    #[must_use]
    pub fn why(self) -> Option<String> {
        match self {
            Verdict::Steady => None,
            Verdict::Jumped { by } => Some(format!("the clock jumped by {} s; sending waits until it is steady", by / SECOND)),
            Verdict::Held(Held::Settling { left }) => {
                Some(format!("the clock jumped; sending goes on when it has been steady for {} s more", left.max(0) / SECOND + 1))
            }
            Verdict::Held(Held::Before(floor)) => {
                Some(format!("the clock is before {floor}, when it was last known to be right; set it, or resume to believe it"))
            }
            Verdict::Held(Held::After(ceiling)) => {
                Some(format!("the clock is after {ceiling}, long after this daemon last ran; set it, or resume to believe it"))
            }
        }
    }
}

impl ClockGuard {
    /// A guard at start. `alive`: the last instant at which the daemon was known to be alive, by the store.
    #[must_use]
    pub fn new(alive: Option<Moment>) -> ClockGuard {
        let floor = alive.map_or(limits::CLOCK_EARLIEST, |a| a.plus(-limits::CLOCK_DRIFT).max(limits::CLOCK_EARLIEST));
        let ceiling = alive.map_or(Moment::MAX, |a| a.plus(limits::CLOCK_AHEAD));
        ClockGuard { floor, ceiling, anchor: None, steady_since: None }
    }

    /// Takes one reading of both clocks, best every few seconds: the wall's instant, and milliseconds since boot.
    pub fn observe(&mut self, wall: Moment, monotonic_ms: i64) -> Verdict {
        let lead = wall.0.saturating_sub(monotonic_ms);
        let Some(anchor) = self.anchor else {
            self.anchor = Some(Anchor { lead, at: monotonic_ms });
            return self.standing(wall, monotonic_ms);
        };
        let by = lead.saturating_sub(anchor.lead);
        // While it settles even a small step says that somebody is still setting it.
        let limit = if self.steady_since.is_some() { limits::CLOCK_DRIFT } else { limits::CLOCK_JUMP };
        if by.saturating_abs() > limit {
            // Years ahead of a clock that was believed, or before this program was made: no steadiness makes that the time.
            let ahead = by > limits::CLOCK_AHEAD && self.floor == Moment::MIN && self.steady_since.is_none();
            let beyond = ahead || wall < limits::CLOCK_EARLIEST;
            if ahead {
                self.ceiling = Moment(anchor.lead.saturating_add(monotonic_ms)).plus(limits::CLOCK_AHEAD);
            }
            if wall < limits::CLOCK_EARLIEST {
                self.floor = limits::CLOCK_EARLIEST;
            }
            let first = self.steady_since.replace(monotonic_ms).is_none();
            self.anchor = Some(Anchor { lead, at: monotonic_ms });
            return if beyond {
                self.standing(wall, monotonic_ms)
            } else if first || by.saturating_abs() > limits::CLOCK_JUMP {
                Verdict::Jumped { by }
            } else {
                self.standing(wall, monotonic_ms)
            };
        }
        // The anchor is kept a minute, so that many small steps add up, and then follows, so that slow drift does not.
        if monotonic_ms.saturating_sub(anchor.at) >= MINUTE {
            self.anchor = Some(Anchor { lead, at: monotonic_ms });
        }
        self.standing(wall, monotonic_ms)
    }

    /// The operator believes the clock as it is now.
    pub fn release(&mut self, wall: Moment, monotonic_ms: i64) {
        let lead = wall.0.saturating_sub(monotonic_ms);
        self.anchor = Some(Anchor { lead, at: monotonic_ms });
        self.steady_since = None;
        self.floor = self.floor.min(wall);
        self.ceiling = Moment::MAX;
    }

    fn standing(&mut self, wall: Moment, monotonic_ms: i64) -> Verdict {
        if wall < self.floor {
            return Verdict::Held(Held::Before(self.floor));
        }
        if wall > self.ceiling {
            return Verdict::Held(Held::After(self.ceiling));
        }
        if let Some(since) = self.steady_since {
            let left = limits::CLOCK_STEADY.saturating_sub(monotonic_ms.saturating_sub(since));
            if left > 0 {
                return Verdict::Held(Held::Settling { left });
            }
            self.steady_since = None;
        }
        // Believed: from here on only a jump can cast doubt on it.
        self.floor = Moment::MIN;
        self.ceiling = Moment::MAX;
        Verdict::Steady
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::{DAY, HOUR};
    use proptest::prelude::*;

    const T: i64 = 1_800_000_000_000;
    const ALIVE: Option<Moment> = Some(Moment(T - HOUR));

    /// Readings as (seconds since boot, the wall clock's error in seconds) and what each must say.
    fn story(alive: Option<Moment>, readings: &[(i64, i64, Verdict)]) {
        let mut guard = ClockGuard::new(alive);
        for (i, (boot, error, expected)) in readings.iter().enumerate() {
            let wall = Moment(T + (boot + error) * SECOND);
            assert_eq!(guard.observe(wall, boot * SECOND), *expected, "reading {i} at {boot} s");
        }
    }

    fn settling(seconds: i64) -> Verdict {
        Verdict::Held(Held::Settling { left: seconds * SECOND })
    }

    fn jumped(seconds: i64) -> Verdict {
        Verdict::Jumped { by: seconds * SECOND }
    }

    #[test]
    fn a_steady_clock_is_believed_and_sleep_is_no_jump() {
        use Verdict::Steady;
        story(None, &[(0, 0, Steady), (5, 0, Steady), (8 * 3_600, 0, Steady)]);
        story(ALIVE, &[(0, 0, Steady), (5, 1, Steady), (10, -1, Steady)]);
    }

    #[test]
    fn a_jump_holds_until_a_minute_of_steadiness() {
        use Verdict::Steady;
        for by in [7_200, -7_200, 61, -61] {
            story(
                ALIVE,
                &[
                    (0, 0, Steady),
                    (5, by, jumped(by)),
                    (10, by, settling(55)),
                    (64, by + 1, settling(1)),
                    (65, by, Steady),
                    (70, by, Steady),
                ],
            );
        }
    }

    #[test]
    fn a_jump_within_the_limit_does_nothing_and_slow_drift_never_does() {
        use Verdict::Steady;
        story(ALIVE, &[(0, 0, Steady), (5, 60, Steady), (70, 60, Steady), (75, 120, Steady), (140, 120, Steady)]);
        let mut guard = ClockGuard::new(ALIVE);
        for i in 0..10_000 {
            // 500 parts in a million, all that NTP slews by, for 14 hours.
            let boot = i * 5 * SECOND;
            assert_eq!(guard.observe(Moment(T + boot + boot / 2_000), boot), Steady);
        }
    }

    #[test]
    fn small_steps_within_a_minute_add_up() {
        use Verdict::Steady;
        story(ALIVE, &[(0, 0, Steady), (5, 25, Steady), (10, 50, Steady), (15, 75, jumped(75)), (75, 75, Steady)]);
    }

    #[test]
    fn a_step_while_settling_begins_the_minute_again() {
        use Verdict::Steady;
        story(ALIVE, &[(0, 0, Steady), (5, 100, jumped(100)), (60, 103, settling(60)), (66, 103, settling(54)), (120, 103, Steady)]);
        story(ALIVE, &[(0, 0, Steady), (5, 100, jumped(100)), (60, 0, jumped(-100)), (119, 0, settling(1)), (120, 0, Steady)]);
    }

    #[test]
    fn a_clock_before_the_last_life_or_the_release_is_not_believed_until_it_is_set() {
        use Verdict::Steady;
        let floor = Moment(T - HOUR - 2 * SECOND);
        let before = Verdict::Held(Held::Before(floor));
        let dead = -(T / SECOND);
        story(ALIVE, &[(0, -7_203, before), (600, -7_203, before), (605, 0, jumped(7_203)), (665, 0, Steady)]);
        story(ALIVE, &[(0, -3_602, Steady)]);
        story(ALIVE, &[(0, -3_603, before), (1, -3_603, Steady)]);
        story(None, &[(0, dead, Verdict::Held(Held::Before(limits::CLOCK_EARLIEST))), (5, 0, jumped(-dead)), (65, 0, Steady)]);
        // Once believed, the wall may go back by a little, as clocks do.
        story(ALIVE, &[(0, -3_600, Steady), (1, -3_610, Steady)]);
    }

    #[test]
    fn a_clock_far_beyond_the_last_life_is_not_believed() {
        use Verdict::Steady;
        let ahead = 73 * 365 * DAY / SECOND;
        let after = Verdict::Held(Held::After(Moment(T - HOUR + limits::CLOCK_AHEAD)));
        story(ALIVE, &[(0, ahead, after), (5, ahead, after), (10, 0, jumped(-ahead)), (70, 0, Steady)]);
        story(ALIVE, &[(0, 90 * DAY / SECOND, Steady)]);
    }

    #[test]
    fn a_step_of_years_or_to_before_the_release_is_not_believed_for_being_steady() {
        use Verdict::Steady;
        let years = 73 * 365 * DAY / SECOND;
        let after = Verdict::Held(Held::After(Moment(T + 5 * SECOND + limits::CLOCK_AHEAD)));
        story(ALIVE, &[(0, 0, Steady), (5, years, after), (10, years, after), (600, years, after), (605, 0, jumped(-years))]);
        let dead = -(T / SECOND);
        let before = Verdict::Held(Held::Before(limits::CLOCK_EARLIEST));
        let set =
            [(0, 0, Steady), (5, dead, before), (600, dead, before), (605, 0, jumped(-dead)), (664, 0, settling(1)), (665, 0, Steady)];
        story(ALIVE, &set);
    }

    #[test]
    fn the_operator_releases_every_hold() {
        for error in [-2 * HOUR, 500 * DAY] {
            let mut guard = ClockGuard::new(ALIVE);
            let wall = Moment(T + error);
            assert!(guard.observe(wall, 0).why().is_some_and(|why| why.contains("resume")));
            guard.release(wall, SECOND);
            assert_eq!(guard.observe(wall.plus(2 * SECOND), 3 * SECOND), Verdict::Steady);
        }
        let mut guard = ClockGuard::new(None);
        assert!(guard.observe(Moment(T), 0).may_send());
        assert!(!guard.observe(Moment(T + DAY), SECOND).may_send());
        guard.release(Moment(T + DAY), SECOND);
        assert_eq!(guard.observe(Moment(T + DAY), SECOND).why(), None);
    }

    proptest! {
        /// Whatever the clocks do, sending is allowed only when no reading of the last minute stepped beyond the limit, and
        /// a clock that then runs true is believed again after at most that minute.
        #[test]
        fn no_jump_is_slept_through_and_every_hold_by_jump_ends(
            steps in prop::collection::vec((1i64..120_000, -200_000i64..200_000), 1..60)
        ) {
            let mut guard = ClockGuard::new(None);
            let (mut boot, mut error, mut last_jump) = (0, 0, None);
            prop_assert!(guard.observe(Moment(T), 0).may_send());
            for (passed, by) in steps {
                boot += passed;
                error += by;
                let verdict = guard.observe(Moment(T + boot + error), boot);
                if by.abs() > 2 * limits::CLOCK_JUMP {
                    prop_assert!(matches!(verdict, Verdict::Jumped { .. }), "{verdict:?} after a step of {by}");
                    last_jump = Some(boot);
                }
                if verdict.may_send() {
                    prop_assert!(last_jump.is_none_or(|j| boot - j >= limits::CLOCK_STEADY));
                }
            }
            for _ in 0..13 {
                boot += 5 * SECOND;
                guard.observe(Moment(T + boot + error), boot);
            }
            prop_assert_eq!(guard.observe(Moment(T + boot + error), boot), Verdict::Steady);
        }

        /// No reading can break it.
        #[test]
        fn it_is_total(alive in any::<Option<i64>>(), readings in prop::collection::vec((any::<i64>(), any::<i64>()), 1..20)) {
            let mut guard = ClockGuard::new(alive.map(Moment));
            for (wall, boot) in readings {
                let verdict = guard.observe(Moment(wall), boot);
                prop_assert_eq!(verdict.why().is_none(), verdict.may_send());
            }
        }
    }
}
