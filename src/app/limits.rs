//! The limits of the configuration as the plain numbers that `collect` and `delta` take.

use crate::collect::window::DetailLimits;
use crate::delta;
use crate::diagnose::thresholds::{
    DISK_USED, INODES_USED, LINK_USED, LOCK_TURNS_PER_SECOND, PORTS, Thresholds,
};

/// What the end of a window is read by.
pub fn of_window(thresholds: &Thresholds) -> DetailLimits {
    DetailLimits {
        disk_used_ratio: thresholds.limit(&DISK_USED).warning,
        inodes_used_ratio: thresholds.limit(&INODES_USED).warning,
        link_used_ratio: thresholds.limit(&LINK_USED).warning,
        local_ports_ratio: thresholds.limit(&PORTS).warning,
    }
}

/// What the rates are computed by.
pub fn of_delta(thresholds: &Thresholds) -> delta::Options {
    delta::Options { lock_turns_per_second: thresholds.setting(&LOCK_TURNS_PER_SECOND) }
}
