//! How near the box is to its limits: what the rules about limits and the step *limits and errors* both go by.

use crate::diagnose::evidence::facts::Facts;
use crate::diagnose::thresholds::algorithm::ROOM_ENOUGH;
use crate::diagnose::thresholds::{DISK_ROOM_BYTES, DISK_USED, INODES_USED};
use crate::model::limits::Mount;

/// Smaller file systems hold locks and sockets, not data.
const SIZE_MIN_BYTES: u64 = 8 << 20;

/// How full a file system is.
#[derive(Debug, Clone, Copy)]
pub struct Fullness {
    /// Share of the room in use.
    pub used: f64,
    /// Free for any user.
    pub available_bytes: u64,
    /// Whether that is worth a word.
    pub is_full: bool,
    /// Whether hardly anything is left.
    pub is_out_of_room: bool,
    /// Whether a process writes to it: an archive that nobody writes to may be as full as it likes.
    pub is_written: bool,
}

impl Facts<'_> {
    /// The file system that is nearest to refusing a write: full ones that are written to first.
    pub fn fullest_mount(&self) -> Option<(&Mount, Fullness)> {
        let order = |full: &Fullness| {
            (full.is_out_of_room && full.is_written, full.is_out_of_room, full.is_full, full.used)
        };
        self.mounts()
            .filter_map(|mount| Some((mount, self.fullness(mount)?)))
            // Of equals the last in the order of the mounts.
            .max_by(|a, b| order(&a.1).partial_cmp(&order(&b.1)).unwrap_or(std::cmp::Ordering::Equal))
    }

    /// The other file systems that are full.
    pub fn other_full_mounts(&self, but: &Mount) -> impl Iterator<Item = &Mount> {
        let but = but.path.clone();
        self.mounts()
            .filter(move |mount| mount.path != but)
            .filter(|mount| self.fullness(mount).is_some_and(|full| full.is_full))
    }

    fn mounts(&self) -> impl Iterator<Item = &Mount> {
        self.rates.limits.mounts.iter().flatten().filter(|mount| !mount.made_read_only)
    }

    /// How full it is; none for one that did not answer, or is too small to hold data.
    fn fullness(&self, mount: &Mount) -> Option<Fullness> {
        let room = mount.room.as_ref().ok().filter(|room| room.total_bytes >= SIZE_MIN_BYTES)?;
        let used = room.used_ratio()?;
        let limit = self.limit(&DISK_USED);
        let left = room.available_bytes as f64;
        let enough = self.setting(&DISK_ROOM_BYTES);
        let is_out_of_room = limit.critical.is_some_and(|limit| used >= limit) && left < enough;
        Some(Fullness {
            used,
            available_bytes: room.available_bytes,
            is_full: is_out_of_room || used >= limit.warning && left < ROOM_ENOUGH * enough,
            is_out_of_room,
            is_written: !mount.writers.is_empty(),
        })
    }

    /// The file system with the largest share of its inodes in use, one that is written to before others that are as full.
    pub fn most_inodes_used_mount(&self) -> Option<(&Mount, f64)> {
        let limit = self.limit(&INODES_USED).critical.unwrap_or(1.0);
        let used =
            self.mounts().filter_map(|mount| Some((mount, mount.room.as_ref().ok()?.inodes_used_ratio()?)));
        let order = |(mount, used): &(&Mount, f64)| (*used >= limit && !mount.writers.is_empty(), *used);
        used.max_by(|a, b| order(a).partial_cmp(&order(b)).unwrap_or(std::cmp::Ordering::Equal))
    }

    /// A file system that the kernel made read-only.
    pub fn read_only_mount(&self) -> Option<&Mount> {
        self.rates.limits.mounts.iter().flatten().find(|mount| mount.made_read_only)
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
