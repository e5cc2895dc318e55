//! All of the memory, part by part, so that the parts add up.
//!
//! What overlaps in `/proc/meminfo` (kernel `Documentation/filesystems/proc.rst`, `fs/proc/meminfo.c`) is counted once:
//! `Cached` includes `Shmem`; a page in the swap cache that a process has back is in `AnonPages` as well, so only what is on
//! the anonymous lists beyond that is swap cache; `KReclaimable` includes `SReclaimable`; mapped kernel stacks are in
//! `VmallocUsed`; the pages of zswap and of zram are both in `nr_zspages`; part of the ZFS cache is slab. So the last
//! three get at most what no other counter explains.

use crate::delta::counter::rate_of;
use crate::model::limits::Mount;
use crate::model::memory_account::{HugePool, MemoryAccount, MemoryKind, MemoryPart};
use crate::model::reading::Reading;
use crate::model::snapshot::{MemInfo, Recording};
use std::collections::{BTreeMap, BTreeSet};

/// Mounts with a part of their own, the fullest.
const MOUNTS_MAX: usize = 6;

/// A mount with less has no part of its own.
const MOUNT_MIN_BYTES: u64 = 1 << 20;

/// The account at the end of the window.
pub fn account(recording: &Recording, seconds: f64) -> Reading<MemoryAccount> {
    let memory = recording.after.system.memory.as_ref().map_err(Clone::clone)?;
    let mut parts = Parts { total: memory.total_bytes, list: Vec::new() };
    parts.add(MemoryKind::Free, Some(memory.free_bytes));
    let cached = memory.buffers_bytes.saturating_add(memory.cached_bytes);
    parts.add(MemoryKind::PageCache, Some(cached.saturating_sub(memory.shmem_bytes.unwrap_or(0))));
    parts.add(MemoryKind::Anonymous, memory.anonymous_bytes);
    parts.add(MemoryKind::SwapCache, swap_cache(memory));
    shared(&mut parts, memory, recording);
    parts.add(MemoryKind::SlabReclaimable, memory.slab_reclaimable_bytes);
    parts.add_unowned(MemoryKind::SlabUnreclaimable, None, memory.slab_unreclaimable_bytes.unwrap_or(0));
    let other = memory.kernel_reclaimable_bytes.zip(memory.slab_reclaimable_bytes);
    parts.add(MemoryKind::KernelReclaimable, other.map(|(all, slab)| all.saturating_sub(slab)));
    parts.add(MemoryKind::PageTables, memory.page_tables_bytes);
    parts.add(MemoryKind::KernelStacks, memory.kernel_stacks_bytes);
    parts.add_unowned(MemoryKind::PerCpu, None, memory.per_cpu_bytes.unwrap_or(0));
    huge_pages(&mut parts, memory, recording);
    parts.add(MemoryKind::Zswap, memory.zswap_bytes);
    parts.add_unowned(MemoryKind::Balloon, None, memory.balloon_bytes.unwrap_or(0));
    rest(&mut parts, memory, recording);
    parts.list.retain(|part| part.bytes > 0);
    parts
        .list
        .sort_by(|a, b| a.kind.cmp(&b.kind).then(b.bytes.cmp(&a.bytes)).then_with(|| a.name.cmp(&b.name)));
    let pools = &recording.limits.memory_pools;
    Ok(MemoryAccount {
        total_bytes: memory.total_bytes,
        available_bytes: available(memory, recording),
        available_fall_bytes_per_second: fall(memory, recording, seconds),
        unowned_bytes: parts.list.iter().fold(0, |sum, part| sum.saturating_add(part.unowned_bytes)),
        parts: parts.list,
        caches: pools.caches.clone(),
    })
}

struct Parts {
    total: u64,
    list: Vec<MemoryPart>,
}

impl Parts {
    /// What a kernel does not count is not there: it is part of what no counter explains.
    fn add(&mut self, kind: MemoryKind, bytes: Option<u64>) {
        self.push(kind, None, bytes.unwrap_or(0), 0);
    }

    fn add_unowned(&mut self, kind: MemoryKind, name: Option<String>, bytes: u64) {
        self.push(kind, name, bytes, bytes);
    }

    fn push(&mut self, kind: MemoryKind, name: Option<String>, bytes: u64, unowned_bytes: u64) {
        self.list.push(MemoryPart { kind, name, bytes, unowned_bytes });
    }

    /// What no part explains so far.
    fn left(&self) -> u64 {
        self.total.saturating_sub(self.list.iter().fold(0, |sum, part| sum.saturating_add(part.bytes)))
    }
}

/// Pages of the swap cache that no process has mapped.
fn swap_cache(memory: &MemInfo) -> Option<u64> {
    let in_processes = memory.anonymous_bytes?.saturating_add(memory.shmem_bytes?);
    Some(memory.anonymous_lists_bytes?.saturating_sub(in_processes).min(memory.swap_cached_bytes?))
}

/// tmpfs by mount, and shared memory that lies in none.
fn shared(parts: &mut Parts, memory: &MemInfo, recording: &Recording) {
    let Some(shared) = memory.shmem_bytes else { return };
    let mounts = mounts(recording);
    let in_mounts = mounts.iter().fold(0_u64, |sum, (_, used)| sum.saturating_add(*used));
    // What of a tmpfs is swapped out is no memory: then each has its share of what is left.
    let fit = if in_mounts > shared { shared as f64 / in_mounts as f64 } else { 1.0 };
    let resident = |used: u64| (used as f64 * fit) as u64;
    // Memory that processes map comes back when they end. First that of no mount, then the fullest mounts.
    let mut mapped = mapped_once(recording).min(shared);
    let mut take = |bytes: u64| {
        let owned = mapped.min(bytes);
        mapped -= owned;
        bytes - owned
    };
    let elsewhere = shared.saturating_sub(mounts.iter().fold(0, |sum, (_, used)| sum + resident(*used)));
    let unowned = take(elsewhere);
    parts.push(MemoryKind::SharedMemory, None, elsewhere, unowned);
    let small = |used: u64| used < MOUNT_MIN_BYTES;
    let mut others = (0, 0);
    for (index, (mount, used)) in mounts.iter().enumerate() {
        let bytes = resident(*used);
        let unowned = take(bytes);
        if index < MOUNTS_MAX && !small(*used) {
            parts.push(MemoryKind::Tmpfs, Some(mount.path.clone()), bytes, unowned);
        } else {
            others = (others.0 + bytes, others.1 + unowned);
        }
    }
    parts.push(MemoryKind::Tmpfs, None, others.0, others.1);
}

/// The mounts of tmpfs and what lies in them, the fullest first.
fn mounts(recording: &Recording) -> Vec<(&Mount, u64)> {
    let mounts = recording.limits.mounts.iter().flatten();
    let used = |mount: &Mount| {
        let room = mount.room.as_ref().ok()?;
        Some(room.total_bytes.saturating_sub(room.free_bytes)).filter(|used| *used > 0)
    };
    let mut mounts: Vec<(&Mount, u64)> = mounts
        .filter(|mount| ["tmpfs", "devtmpfs"].contains(&mount.kind.as_str()))
        .filter_map(|mount| Some((mount, used(mount)?)))
        .collect();
    // Of mounts over each other only the one on top is seen by its path.
    let mut seen = BTreeSet::new();
    mounts.retain(|(mount, _)| seen.insert(mount.path.clone()));
    mounts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.path.cmp(&b.0.path)));
    mounts
}

/// Shared memory that processes map, that of one name counted once: the workers of a service share theirs.
fn mapped_once(recording: &Recording) -> u64 {
    let mut largest: BTreeMap<&[u8], u64> = BTreeMap::new();
    for process in &recording.after.processes {
        let status = recording.details.get(&process.stat.pid).and_then(|details| details.status.as_ref());
        let mapped = status.and_then(|status| status.as_ref().ok()?.rss_shmem_bytes);
        let most = largest.entry(process.stat.comm.as_bytes()).or_default();
        *most = mapped.map_or(*most, |mapped| mapped.max(*most));
    }
    largest.values().fold(0, |sum, bytes| sum.saturating_add(*bytes))
}

fn huge_pages(parts: &mut Parts, memory: &MemInfo, recording: &Recording) {
    let pools = &recording.limits.memory_pools.huge;
    let default = memory.huge_pool.filter(|pool| pool.total_count > 0);
    let pools: Vec<HugePool> = if pools.is_empty() { default.into_iter().collect() } else { pools.clone() };
    let mut counted = 0_u64;
    for pool in &pools {
        let name = || Some(format!("{} kB", pool.page_bytes / 1024));
        let bytes = |pages: u64| pages.saturating_mul(pool.page_bytes);
        parts.push(MemoryKind::HugePagesUsed, name(), bytes(pool.used_count()), 0);
        let promised = pool.free_count.min(pool.total_count) - pool.unused_count();
        parts.push(MemoryKind::HugePagesReserved, name(), bytes(promised), 0);
        parts.add_unowned(MemoryKind::HugePagesFree, name(), bytes(pool.unused_count()));
        counted = counted.saturating_add(bytes(pool.total_count));
    }
    // Pools of other sizes, where they could not be read.
    let more = memory.hugetlb_bytes().map(|all| all.saturating_sub(counted));
    parts.add(MemoryKind::HugePagesUsed, more);
}

/// What may be in another part as well, and what is left.
fn rest(parts: &mut Parts, memory: &MemInfo, recording: &Recording) {
    let vmalloc =
        memory.vmalloc_bytes.map(|bytes| bytes.saturating_sub(memory.kernel_stacks_bytes.unwrap_or(0)));
    parts.add_unowned(MemoryKind::Vmalloc, None, vmalloc.unwrap_or(0).min(parts.left()));
    let vm = recording.after.system.vm.as_ref().ok();
    let compressed = vm.and_then(|vm| vm.get("nr_zspages")?.checked_mul(recording.host.page_bytes));
    let zram =
        compressed.map(|bytes| bytes.saturating_sub(memory.zswap_bytes.unwrap_or(0)).min(parts.left()));
    parts.add(MemoryKind::Zram, zram);
    let arc = recording.limits.memory_pools.arc.map_or(0, |arc| arc.size_bytes);
    parts.add_unowned(MemoryKind::ZfsArc, None, arc.min(parts.left()));
    let left = parts.left();
    parts.push(MemoryKind::Unexplained, None, left, left.saturating_sub(beyond_counters(memory, recording)));
}

/// What processes say that they hold beyond what the counters of the whole machine have: that is not nobody's.
fn beyond_counters(memory: &MemInfo, recording: &Recording) -> u64 {
    let statuses = recording.details.values().filter_map(|details| details.status.as_ref()?.as_ref().ok());
    let held = statuses.filter_map(|status| status.rss_anon_bytes).fold(0, u64::saturating_add);
    held.saturating_sub(memory.anonymous_bytes.unwrap_or(0))
}

/// What the kernel would get without swapping. It does not know that ZFS gives its cache back.
fn available(memory: &MemInfo, recording: &Recording) -> Option<u64> {
    let arc = recording.limits.memory_pools.arc;
    let from_arc = arc.map_or(0, |arc| arc.size_bytes.saturating_sub(arc.min_bytes));
    Some(memory.available_bytes?.saturating_add(from_arc).min(memory.total_bytes))
}

fn fall(memory: &MemInfo, recording: &Recording, seconds: f64) -> Option<f64> {
    let then = recording.before.system.memory.as_ref().ok()?.available_bytes?;
    let now = memory.available_bytes?;
    rate_of(Some(now), Some(then), seconds)
        .or_else(|| rate_of(Some(then), Some(now), seconds).map(|rise| -rise))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_swap_cache_is_what_no_process_has_back() {
        let memory = |lists, cached| MemInfo {
            anonymous_bytes: Some(100),
            shmem_bytes: Some(10),
            anonymous_lists_bytes: Some(lists),
            swap_cached_bytes: Some(cached),
            ..MemInfo::default()
        };
        assert_eq!(swap_cache(&memory(130, 50)), Some(20));
        assert_eq!(swap_cache(&memory(200, 50)), Some(50));
        assert_eq!(swap_cache(&memory(90, 50)), Some(0), "locked pages are on another list");
        assert_eq!(swap_cache(&MemInfo::default()), None);
    }

    #[test]
    fn what_is_left_never_falls_below_nothing() {
        let mut parts = Parts { total: 10, list: Vec::new() };
        parts.add(MemoryKind::Free, Some(4));
        parts.add(MemoryKind::Anonymous, None);
        assert_eq!(parts.left(), 6);
        parts.add(MemoryKind::PageCache, Some(9));
        assert_eq!(parts.left(), 0);
    }
}
