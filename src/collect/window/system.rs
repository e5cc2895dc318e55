//! The system's own counters at one moment, from one file after the other.

use crate::collect::kernel::{
    diskstats, interrupts, loadavg, meminfo, net_dev, pressure, stat, swaps, uptime, vmstat,
};
use crate::collect::root::Root;
use crate::model::snapshot::SystemSnapshot;
use std::time::Duration;

/// Reads the counters. At the window's `ends` also those that are costly and only needed there.
pub fn read(root: &Root, at: Duration, ends: bool, buffer: &mut Vec<u8>) -> SystemSnapshot {
    SystemSnapshot {
        at,
        load: loadavg::read(root, buffer),
        stat: stat::read(root, buffer),
        cpu_pressure: pressure::read(root, "cpu", buffer),
        memory_pressure: pressure::read(root, "memory", buffer),
        io_pressure: pressure::read(root, "io", buffer),
        memory: meminfo::read(root, buffer),
        vm: vmstat::read(root, buffer),
        disks: diskstats::read(root, buffer),
        swaps: ends.then(|| swaps::read(root, buffer)),
        uptime_seconds: ends.then(|| uptime::read(root, buffer)),
        softirqs: ends.then(|| interrupts::read_softirqs(root, buffer)),
        interrupts: ends.then(|| interrupts::read_interrupts(root, buffer)),
        interfaces: ends.then(|| net_dev::read(root, buffer)),
    }
}
