//! The clock: the only file that reads the time. From here on it travels as a plain argument.
//!
//! Not a timer, and not a judge: sleeping is tokio's, and whether the wall clock can be believed is asked of
//! [`crate::engine::guard`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::moment::Moment;

/// The machine's clocks, and the schedule time made of them. Cheap to clone; clones agree.
#[derive(Clone, Debug)]
pub struct Clock {
    scale: Option<Scale>,
}

/// Schedule time that runs faster than the world: for the demo.
#[derive(Clone, Copy, Debug)]
struct Scale {
    factor: u32,
    start: Moment,
    began: Duration,
}

impl Clock {
    /// The machine's own time.
    #[must_use]
    pub fn system() -> Clock {
        Clock { scale: None }
    }

    /// Schedule time that begins at `start`, now, and runs `factor` times as fast as the world (0 is read as 1). Only
    /// [`Clock::now`] and [`Clock::until`] know of it: time limits of calls and waits between them stay real.
    #[must_use]
    pub fn scaled(factor: u32, start: Moment) -> Clock {
        Clock { scale: Some(Scale { factor: factor.max(1), start, began: since_boot() }) }
    }

    /// The instant by schedule time: what decisions are made with.
    #[must_use]
    pub fn now(&self) -> Moment {
        match self.scale {
            None => wall(),
            Some(scale) => scale.now(since_boot()),
        }
    }

    /// The clock that another process described with [`Clock::described`]: both agree to the millisecond.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn like(described: &str) -> Result<Clock, String> {
        let wrong = || format!("{described:?} is no clock; FACTOR,START,BEGAN as the demo writes it");
        if described == "system" {
            return Ok(Clock::system());
        }
        let mut parts = described.split(',');
        let (factor, start, began) = (parts.next(), parts.next().and_then(Moment::parse), parts.next());
        let factor = factor.and_then(|f| f.parse().ok()).filter(|f| *f > 0);
        let began = began.and_then(|b| b.parse().ok()).map(Duration::from_micros);
        match (factor, start, began, parts.next()) {
            (Some(factor), Some(start), Some(began), None) => Ok(Clock { scale: Some(Scale { factor, start, began }) }),
            _ => Err(wrong()),
        }
    }

    /// This clock in words that [`Clock::like`] reads, on the same machine since the same boot.
    #[must_use]
    pub fn described(&self) -> String {
        match self.scale {
            None => "system".to_owned(),
            Some(Scale { factor, start, began }) => format!("{factor},{start},{}", began.as_micros()),
        }
    }

    /// Whether schedule time differs from the world's.
    #[must_use]
    pub fn is_scaled(&self) -> bool {
        self.scale.is_some()
    }

    /// The instant by the wall clock, whatever the scale: for signatures, logs, and the guard of the clock.
    #[must_use]
    pub fn wall(&self) -> Moment {
        wall()
    }

    /// Time since boot, time asleep included: it never steps and never goes back. For measuring, and for waits.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        since_boot()
    }

    /// [`Clock::elapsed`] in milliseconds, as the guard and the courier take it.
    #[must_use]
    pub fn elapsed_ms(&self) -> i64 {
        i64::try_from(since_boot().as_millis()).unwrap_or(i64::MAX)
    }

    /// How long to sleep, in real time, until schedule time reaches `moment`; zero where it has. Rounded up, so that one
    /// who slept so long is not early.
    #[must_use]
    pub fn until(&self, moment: Moment) -> Duration {
        match self.scale {
            // By more than the milliseconds that a moment has: the one under way is not waited for twice.
            None => Duration::from_millis(u64::try_from(moment.0).unwrap_or(0)).saturating_sub(since_epoch()),
            Some(scale) => real(moment.since(self.now()), scale.factor),
        }
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::system()
    }
}

impl Scale {
    fn now(&self, elapsed: Duration) -> Moment {
        let passed = elapsed.saturating_sub(self.began).as_micros().saturating_mul(u128::from(self.factor)) / 1_000;
        self.start.plus(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

/// The real time in which schedule time moves on by `millis`.
fn real(millis: i64, factor: u32) -> Duration {
    let micros = u64::try_from(millis).unwrap_or(0).saturating_mul(1_000);
    Duration::from_micros(micros.div_ceil(u64::from(factor)))
}

fn wall() -> Moment {
    let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    match wall_exactly() {
        Ok(after) => Moment(millis(after)),
        Err(before) => Moment(-millis(before)),
    }
}

/// The wall clock since the epoch; zero where it is set before that.
fn since_epoch() -> Duration {
    wall_exactly().unwrap_or_default()
}

/// Since the epoch, or, as an error, before it. By the C library, so that tests of the whole program can lie to it (libfaketime).
#[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn wall_exactly() -> Result<Duration, Duration> {
    SystemTime::now().duration_since(UNIX_EPOCH).map_err(|before| before.duration())
}

/// `Instant` stands still while a Linux machine is suspended; this does not.
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Elsewhere the standard library's clock has to do: since the first reading, time asleep as the system counts it.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
fn since_boot() -> Duration {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::{DAY, HOUR, SECOND};

    #[test]
    fn the_wall_clock_is_in_this_century_and_boot_time_never_goes_back() {
        let clock = Clock::system();
        assert!(clock.now() > Moment::parse("2025-01-01T00:00:00Z").unwrap());
        let (first, second) = (clock.elapsed(), clock.elapsed());
        assert!(first <= second && first > Duration::ZERO);
        assert!(clock.elapsed_ms() >= first.as_millis() as i64);
    }

    #[test]
    fn a_described_clock_agrees() {
        let start = Moment::parse("2026-03-03T22:00:00Z").unwrap();
        let clock = Clock::scaled(2_880, start);
        let same = Clock::like(&clock.described()).unwrap();
        assert_eq!(same.described(), clock.described());
        assert!(!Clock::like("system").unwrap().is_scaled());
        for wrong in ["", "fast", "0,2026-03-03T22:00:00Z,1", "2880,soon,1", "2880,2026-03-03T22:00:00Z,1,2"] {
            assert!(Clock::like(wrong).unwrap_err().contains("FACTOR"), "{wrong}");
        }
    }

    #[test]
    fn a_scaled_clock_runs_from_its_start_by_its_factor() {
        let scale = Scale { factor: 3_600, start: Moment(DAY), began: Duration::from_secs(1_000) };
        for (elapsed_ms, expected) in [(1_000_000, DAY), (1_000_001, DAY + 3_600), (1_001_000, DAY + HOUR), (1_024_000, 2 * DAY), (0, DAY)]
        {
            assert_eq!(scale.now(Duration::from_millis(elapsed_ms)), Moment(expected), "after {elapsed_ms} ms");
        }
        let late = Scale { factor: u32::MAX, start: Moment::MAX, began: Duration::ZERO };
        assert_eq!(late.now(Duration::MAX), Moment::MAX);
    }

    #[test]
    fn sleeping_is_never_too_short() {
        for (millis, factor, micros) in
            [(SECOND, 1, 1_000_000), (HOUR, 3_600, 1_000_000), (1, 3_600, 1), (1, 3, 334), (0, 1, 0), (-5, 1, 0), (i64::MIN, 7, 0)]
        {
            assert_eq!(real(millis, factor), Duration::from_micros(micros), "{millis} ms at {factor}");
        }
        assert!(real(i64::MAX, 1) > Duration::from_secs(1 << 40));
    }

    #[test]
    fn until_is_zero_in_the_past_and_scaled_ahead() {
        let clock = Clock::scaled(1_000, Moment(0));
        assert_eq!(clock.until(Moment(-1)), Duration::ZERO);
        let ahead = clock.until(Moment(HOUR));
        assert!(ahead <= Duration::from_millis(3_600) && ahead > Duration::from_secs(3), "{ahead:?}");
        assert!(clock.clone().now() >= Moment(0));
        assert_eq!(Clock::default().until(Moment::MIN), Duration::ZERO);
    }
}
