//! The window cut into slices: what the system did in each, for the pictures of the tuning report.

use crate::model::rates::CpuRates;

/// The slices of one window, in order. They follow each other without a gap; what could not be told of one is absent
/// within it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// The slices; empty where no counter moved.
    pub slices: Vec<Slice>,
    /// Runnable threads over the window by `/proc/loadavg`, as the samples met them; each stands for an equal part.
    pub runnable_counts: Vec<f64>,
}

/// One slice, about a second long.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slice {
    /// Start, since that of the window.
    pub start_seconds: f64,
    /// End, since the start of the window.
    pub end_seconds: f64,
    /// CPU time by mode, all CPUs (`/proc/stat`).
    pub cpu: Option<CpuRates>,
    /// Busy share of each CPU that was online at both ends.
    pub cpus_busy_ratio: Vec<(u32, f64)>,
    /// Share of the slice in which some thread was stalled (`/proc/pressure`).
    pub stalls: Stalls,
    /// Threads that waited for a block device at the end (`/proc/stat procs_blocked`).
    pub blocked_count: Option<f64>,
    /// Memory at the end.
    pub memory: Option<MemoryLevel>,
    /// Bytes from swap.
    pub swap_in_bytes_per_second: Option<f64>,
    /// Bytes to swap.
    pub swap_out_bytes_per_second: Option<f64>,
    /// Whole devices that stand on no other.
    pub disks: Vec<DiskSlice>,
}

/// Stalls by resource; absent where the kernel does not count them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stalls {
    /// For a CPU.
    pub cpu_ratio: Option<f64>,
    /// For memory.
    pub memory_ratio: Option<f64>,
    /// For I/O.
    pub io_ratio: Option<f64>,
}

/// What `/proc/meminfo` said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLevel {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemAvailable` (3.14).
    pub available_bytes: Option<u64>,
    /// `SwapTotal` less `SwapFree`.
    pub swap_used_bytes: u64,
}

/// One device within one slice.
#[derive(Debug, Clone, PartialEq)]
pub struct DiskSlice {
    /// Name.
    pub name: String,
    /// Share of the time with a request on its way.
    pub utilization_ratio: f64,
    /// Mean number of requests on their way.
    pub queue_mean: f64,
    /// Mean time of a request; none where none completed.
    pub await_seconds: Option<f64>,
}
