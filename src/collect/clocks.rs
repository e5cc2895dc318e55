//! The clocks of clock_gettime(2), for runs that outlive a suspend and a wall clock that is set.

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// CLOCK_MONOTONIC, which excludes the time that the machine was suspended.
pub fn monotonic() -> Duration {
    read(ClockId::Monotonic)
}

/// CLOCK_BOOTTIME, which includes that time and cannot be set.
pub fn boottime() -> Duration {
    read(ClockId::Boottime)
}

/// The wall clock.
pub fn wall() -> Timestamp {
    Timestamp::now()
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0))
}
