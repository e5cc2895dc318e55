//! How near the box is to its limits: what the rules about limits and the step *limits and errors* both go by.

use crate::diagnose::evidence::facts::Facts;
use crate::model::limits::Mount;

/// Smaller file systems hold locks and sockets, not data.
const SIZE_MIN_BYTES: u64 = 8 << 20;

impl Facts<'_> {
    /// The file system with the largest share of its room in use.
    pub fn fullest_mount(&self) -> Option<(&Mount, f64)> {
        self.most_used_mount(|mount| {
            mount.room.as_ref().ok().filter(|room| room.total_bytes >= SIZE_MIN_BYTES)?.used_ratio()
        })
    }

    /// The file system with the largest share of its inodes in use.
    pub fn most_inodes_used_mount(&self) -> Option<(&Mount, f64)> {
        self.most_used_mount(|mount| mount.room.as_ref().ok()?.inodes_used_ratio())
    }

    fn most_used_mount(&self, used: impl Fn(&Mount) -> Option<f64>) -> Option<(&Mount, f64)> {
        let mounts = self.rates.limits.mounts.as_ref().ok()?;
        let used = mounts.iter().filter_map(|mount| Some((mount, used(mount)?)));
        // Of equals the last in the order of the mounts.
        used.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Open files of the system, as a share of their limit.
    pub fn system_files_ratio(&self) -> Option<f64> {
        let tables = self.rates.limits.tables;
        tables.files_count.zip(tables.files_max).map(|(count, max)| count as f64 / max.max(1) as f64)
    }

    /// Threads of the system, as a share of the smaller of their two limits.
    pub fn system_threads_ratio(&self) -> Option<f64> {
        let tables = self.rates.limits.tables;
        let limit = tables.pid_max.into_iter().chain(tables.threads_max).min()?;
        let threads = self.rates.load.as_ref().ok()?.threads_count;
        Some(threads as f64 / limit.max(1) as f64)
    }

    /// Entries of the connection tracking table, and its size.
    pub fn conntrack_entries(&self) -> Option<(u64, u64)> {
        let net = self.rates.net.as_ref().ok()?;
        net.conntrack_count.zip(net.conntrack_max).filter(|(_, max)| *max > 0)
    }
}
