//! Where all of the memory is: parts that add up to what there is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, IntoStaticStr};

/// All of `MemTotal` at the end of the window, part by part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryAccount {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// What the kernel thinks could be had without swapping, and what the ZFS cache could give up; null where it does not
    /// say.
    pub available_bytes: Option<u64>,
    /// How fast that falls, over the window; negative where it rises. Null where it is not known.
    pub available_fall_bytes_per_second: Option<f64>,
    /// The parts, in the order of the kinds. They add up to the total, but for the moments between the counters.
    pub parts: Vec<MemoryPart>,
    /// What no process owns: it does not come back when a program is restarted.
    pub unowned_bytes: u64,
    /// The largest caches of the kernel's allocator, parts of the two slabs; known to root, where they take a good part.
    pub caches: Vec<SlabCache>,
}

impl MemoryAccount {
    /// What all parts of a kind hold.
    pub fn bytes(&self, kind: MemoryKind) -> u64 {
        let parts = self.parts.iter().filter(|part| part.kind == kind);
        parts.fold(0, |sum, part| sum.saturating_add(part.bytes))
    }

    /// The part with most memory that no process owns.
    pub fn largest_unowned(&self) -> Option<&MemoryPart> {
        self.parts.iter().filter(|part| part.unowned_bytes > 0).max_by_key(|part| part.unowned_bytes)
    }

    /// Share of the total that no process owns.
    pub fn unowned_ratio(&self) -> f64 {
        self.unowned_bytes as f64 / self.total_bytes.max(1) as f64
    }
}

/// One part of the memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryPart {
    /// What it is.
    pub kind: MemoryKind,
    /// Which one: mount point, size of the huge pages; null where there is one only.
    pub name: Option<String>,
    /// Bytes.
    pub bytes: u64,
    /// How much of it no process owns.
    pub unowned_bytes: u64,
}

/// The kinds of memory.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Display,
    EnumIter,
    IntoStaticStr,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum MemoryKind {
    /// Free.
    Free,
    /// Files in memory, and blocks of devices.
    PageCache,
    /// Anonymous memory of processes.
    Anonymous,
    /// Swapped pages that are in memory as well, and in no process yet.
    SwapCache,
    /// Files in a tmpfs, by mount point.
    Tmpfs,
    /// Shared memory in no mounted tmpfs: System V, anonymous and memfd.
    SharedMemory,
    /// Slab that can be reclaimed: names and inodes of files most of all.
    SlabReclaimable,
    /// Slab that cannot.
    SlabUnreclaimable,
    /// Other kernel memory that can be reclaimed.
    KernelReclaimable,
    /// Page tables of processes and of virtual machines.
    PageTables,
    /// Kernel stacks of threads.
    KernelStacks,
    /// Memory that the kernel keeps per CPU.
    PerCpu,
    /// Memory that the kernel maps piece by piece: modules, BPF, tables.
    Vmalloc,
    /// Huge pages of a pool that processes use.
    HugePagesUsed,
    /// Huge pages of a pool that are promised to processes and not yet used.
    HugePagesReserved,
    /// Huge pages of a pool that are free: nothing else can use them.
    HugePagesFree,
    /// Compressed pages of zswap.
    Zswap,
    /// Compressed pages of zram.
    Zram,
    /// ZFS's cache, as far as no other part counts it.
    ZfsArc,
    /// What a balloon driver gave back to the hypervisor.
    Balloon,
    /// What no counter explains: drivers, graphics, a balloon, pages on their way.
    Unexplained,
}

impl MemoryKind {
    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::PageCache => "page cache",
            Self::Anonymous => "anonymous memory of processes",
            Self::SwapCache => "swap cache",
            Self::Tmpfs => "files in tmpfs",
            Self::SharedMemory => "shared memory",
            Self::SlabReclaimable => "slab, reclaimable",
            Self::SlabUnreclaimable => "slab, not reclaimable",
            Self::KernelReclaimable => "other reclaimable kernel memory",
            Self::PageTables => "page tables",
            Self::KernelStacks => "kernel stacks",
            Self::PerCpu => "per-CPU memory",
            Self::Vmalloc => "vmalloc",
            Self::HugePagesUsed => "huge pages in use",
            Self::HugePagesReserved => "huge pages, promised",
            Self::HugePagesFree => "huge pages, unused",
            Self::Zswap => "zswap",
            Self::Zram => "zram",
            Self::ZfsArc => "ZFS cache (ARC)",
            Self::Balloon => "balloon",
            Self::Unexplained => "not explained by any counter",
        }
    }
}

/// One cache of the kernel's allocator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlabCache {
    /// Name: `dentry`.
    pub name: String,
    /// Bytes of its slabs.
    pub bytes: u64,
}

/// Pools of memory that `/proc/meminfo` does not tell apart, read at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryPools {
    /// Pools of huge pages by page size; empty where there are none, or where they were not read.
    pub huge: Vec<HugePool>,
    /// ZFS's cache.
    pub arc: Option<Arc>,
    /// The largest caches of the kernel's allocator.
    pub caches: Vec<SlabCache>,
}

/// A pool of huge pages of one size (kernel `Documentation/admin-guide/mm/hugetlbpage.rst`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HugePool {
    /// Size of a page.
    pub page_bytes: u64,
    /// Pages in the pool.
    pub total_count: u64,
    /// Pages that are free.
    pub free_count: u64,
    /// Of the free ones, those that are promised to a process.
    pub reserved_count: u64,
}

impl HugePool {
    /// Pages that nobody uses and nobody was promised.
    pub fn unused_count(&self) -> u64 {
        self.free_count.min(self.total_count).saturating_sub(self.reserved_count)
    }

    /// Pages in use.
    pub fn used_count(&self) -> u64 {
        self.total_count.saturating_sub(self.free_count)
    }
}

/// ZFS's cache (`/proc/spl/kstat/zfs/arcstats`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arc {
    /// Size.
    pub size_bytes: u64,
    /// What it never gives up.
    pub min_bytes: u64,
    /// What it may grow to.
    pub max_bytes: u64,
}
