//! What gives back memory that no process owns, with the sizes of this machine.

use super::action::{Action, Setting, UNKNOWN};
use super::names::is_plain;
use super::settings::file;
use crate::diagnose::evidence::facts::Facts;
use crate::model::memory_account::{HugePool, MemoryKind};

/// Share of the memory from which a pool, a cache or a mount is worth a command.
const WORTH_SHARE: f64 = 0.05;

const ARC_MAX: &str = "/sys/module/zfs/parameters/zfs_arc_max";

const IN_HUGE_PAGES: &str = "HugetlbPages";
const SEGMENTS: &str = "-m";
const SLABS: &str = "/proc/slabinfo";

/// What can be done.
#[derive(Debug, Default)]
pub(super) struct MemoryActions {
    /// Fewer huge pages.
    pub(super) huge_pages: Option<Action>,
    /// A smaller ZFS cache.
    pub(super) zfs_cache: Option<Action>,
    /// The tmpfs with most in it.
    pub(super) tmpfs: Option<String>,
    /// The word of `/proc/PID/status` for huge pages in use, where there are any.
    pub(super) in_huge_pages: Option<String>,
    /// The option of ipcs(1) for shared memory, where there is much.
    pub(super) segments: Option<String>,
    /// The file with the caches of the kernel, where they hold much.
    pub(super) slabs: Option<String>,
}

impl MemoryActions {
    /// Words instead of names and values.
    pub(super) fn words() -> Self {
        let name = "vm.nr_hugepages".to_owned();
        let back = (name.clone(), UNKNOWN.to_owned());
        Self {
            huge_pages: Some(Action::Sysctl(vec![Setting { name, value: "PAGES".to_owned(), back }])),
            zfs_cache: Some(Action::Write(vec![file(ARC_MAX.to_owned(), "BYTES", None)])),
            tmpfs: Some("MOUNT".to_owned()),
            in_huge_pages: Some(IN_HUGE_PAGES.to_owned()),
            segments: Some(SEGMENTS.to_owned()),
            slabs: Some(SLABS.to_owned()),
        }
    }
}

pub(super) fn actions(facts: &Facts<'_>) -> MemoryActions {
    let Ok(account) = &facts.rates.memory_account else { return MemoryActions::default() };
    let worth = |bytes: u64| bytes as f64 >= WORTH_SHARE * account.total_bytes as f64;
    let pools = &facts.rates.limits.memory_pools;
    let arc = pools.arc.filter(|arc| worth(arc.size_bytes.saturating_sub(arc.min_bytes)));
    let mut mounts = account.parts.iter().filter(|part| part.kind == MemoryKind::Tmpfs && worth(part.bytes));
    MemoryActions {
        huge_pages: fewer_huge_pages(facts, &worth),
        zfs_cache: arc.map(|arc| {
            let wanted = (arc.size_bytes / 2).max(arc.min_bytes).to_string();
            Action::Write(vec![file(ARC_MAX.to_owned(), &wanted, Some(&arc.max_bytes.to_string()))])
        }),
        in_huge_pages: worth(account.bytes(MemoryKind::HugePagesUsed)).then(|| IN_HUGE_PAGES.to_owned()),
        segments: worth(account.bytes(MemoryKind::SharedMemory)).then(|| SEGMENTS.to_owned()),
        slabs: worth(account.bytes(MemoryKind::SlabUnreclaimable)).then(|| SLABS.to_owned()),
        tmpfs: mounts.find_map(|part| part.name.clone()).filter(|mount| is_plain(mount)),
    }
}

/// As many pages in each pool as are used or promised.
fn fewer_huge_pages(facts: &Facts<'_>, worth: &dyn Fn(u64) -> bool) -> Option<Action> {
    let default = facts.rates.memory.as_ref().ok().and_then(|memory| memory.huge_pool);
    let pools = &facts.rates.limits.memory_pools.huge;
    let pools: Vec<HugePool> = if pools.is_empty() { default.into_iter().collect() } else { pools.clone() };
    let pool = pools.iter().max_by_key(|pool| pool.unused_count().saturating_mul(pool.page_bytes))?;
    if !worth(pool.unused_count().saturating_mul(pool.page_bytes)) {
        return None;
    }
    let (wanted, before) =
        ((pool.total_count - pool.unused_count()).to_string(), pool.total_count.to_string());
    if default.is_some_and(|default| default.page_bytes == pool.page_bytes) {
        let name = "vm.nr_hugepages".to_owned();
        return Some(Action::Sysctl(vec![Setting { value: wanted, back: (name.clone(), before), name }]));
    }
    let path = format!("/sys/kernel/mm/hugepages/hugepages-{}kB/nr_hugepages", pool.page_bytes / 1024);
    Some(Action::Write(vec![file(path, &wanted, Some(&before))]))
}
