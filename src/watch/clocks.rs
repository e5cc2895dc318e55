//! Which windows are none: three clocks, read at both ends of a window, tell sleep and a set wall clock apart.

use jiff::Timestamp;
use std::time::Duration;

/// Sleep that is shorter than this is the time between two looks at the clocks.
const SUSPEND_SECONDS: f64 = 0.25;

/// A wall clock that is off by less is being slewed, not set.
const JUMP_SECONDS: f64 = 1.0;

/// The clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clocks {
    /// CLOCK_MONOTONIC: stands still while the machine sleeps.
    pub monotonic: Duration,
    /// CLOCK_BOOTTIME: does not.
    pub boottime: Duration,
    /// The wall clock, which anybody may set.
    pub wall: Timestamp,
}

/// What the clocks say of the time between two moments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passed {
    /// Length, sleep included.
    pub seconds: f64,
    /// Time that the machine slept; zero for none.
    pub suspended_seconds: f64,
    /// How far the wall clock was set; zero for not.
    pub jumped_seconds: f64,
}

impl Passed {
    /// Between `then` and `now`.
    pub fn between(then: &Clocks, now: &Clocks) -> Self {
        let since = |then: Duration, now: Duration| now.as_secs_f64() - then.as_secs_f64();
        let seconds = since(then.boottime, now.boottime).max(0.0);
        let suspended = seconds - since(then.monotonic, now.monotonic);
        let wall = now.wall.as_nanosecond().saturating_sub(then.wall.as_nanosecond()) as f64 / 1e9;
        let jumped = wall - seconds;
        Self {
            seconds,
            suspended_seconds: if suspended >= SUSPEND_SECONDS { suspended } else { 0.0 },
            jumped_seconds: if jumped.abs() >= JUMP_SECONDS { jumped } else { 0.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic: f64, boottime: f64, wall: i64) -> Clocks {
        Clocks {
            monotonic: Duration::from_secs_f64(monotonic),
            boottime: Duration::from_secs_f64(boottime),
            wall: Timestamp::from_second(wall).unwrap(),
        }
    }

    #[test]
    fn sleep_and_set_clocks_are_told_apart() {
        let start = at(100.0, 150.0, 1_000_000);
        let plain = Passed::between(&start, &at(110.0, 160.001, 1_000_010));
        assert_eq!((plain.suspended_seconds, plain.jumped_seconds), (0.0, 0.0));
        let slept = Passed::between(&start, &at(105.0, 3_755.0, 1_003_605));
        assert!((slept.suspended_seconds - 3600.0).abs() < 0.01 && slept.jumped_seconds == 0.0, "{slept:?}");
        let set = Passed::between(&start, &at(110.0, 160.0, 996_410));
        assert!((set.jumped_seconds + 3600.0).abs() < 0.01 && set.suspended_seconds == 0.0, "{set:?}");
        let backwards = Passed::between(&start, &at(0.0, 0.0, 0));
        assert_eq!(backwards.seconds, 0.0);
    }
}
