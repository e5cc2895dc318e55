//! What the load says: whether more is wanted than the box has, now or earlier.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::thresholds::{LOAD_BUSY, LOAD_PER_CPU};

/// What the load says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadAnswer {
    /// Less is wanted than there is.
    Calm,
    /// Nearly all of it is wanted.
    Busy,
    /// More is wanted.
    Queueing,
    /// It was, and no longer is.
    Earlier,
}

impl Facts<'_> {
    /// Mean number of threads in R and D per CPU.
    pub fn load_per_cpu(&self) -> f64 {
        let makeup = &self.rates.makeup;
        (makeup.running_mean + makeup.uninterruptible_mean) / self.cpus
    }

    /// The load of the window beside that of the last minute.
    pub fn load_answer(&self) -> LoadAnswer {
        let now = self.load_per_cpu();
        let one = self.rates.load.as_ref().map_or(now, |load| load.one / self.cpus);
        let limit = self.limit(&LOAD_PER_CPU).warning;
        match now {
            now if now > limit => LoadAnswer::Queueing,
            now if one > limit && now < one / 2.0 => LoadAnswer::Earlier,
            now if now >= self.setting(&LOAD_BUSY) => LoadAnswer::Busy,
            _ => LoadAnswer::Calm,
        }
    }
}
