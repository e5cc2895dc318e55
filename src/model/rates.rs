//! What happened within the window: shares of time and rates, derived from two snapshots and the samples.

use crate::model::cgroup::{CgroupRates, OwnLimits};
use crate::model::host::Host;
use crate::model::limits::{Hardware, MemoryErrors};
use crate::model::memory_account::MemoryAccount;
use crate::model::network::{NamespaceRates, NetCounters};
use crate::model::reading::{Absence, Reading};
use crate::model::snapshot::{BlockKind, LimitReadings, LoadAverage, MemInfo, Source, Swap};
use crate::model::target::TargetRates;
use crate::model::task::Pid;
use crate::model::wait_details::WaitRates;
use std::collections::BTreeMap;

pub use crate::model::task_rates::{LoadMakeup, LoadPart, ProcessRates, ThreadRates, Turns, WaitShare};

/// Everything the diagnosis looks at.
#[derive(Debug, Clone)]
pub struct Rates {
    /// Where the numbers come from.
    pub source: Source,
    /// The machine.
    pub host: Host,
    /// Start, wall clock.
    pub started_at: jiff::Timestamp,
    /// End, wall clock.
    pub ended_at: jiff::Timestamp,
    /// Length by the monotonic clock.
    pub seconds: f64,
    /// Whether Ctrl-C ended it early.
    pub interrupted: bool,
    /// Time since boot.
    pub uptime_seconds: Option<f64>,
    /// CPUs online.
    pub cpus_online_count: u32,
    /// CPUs that this run may use.
    pub cpus_effective: f64,
    /// The limits of the container that the run is in; none outside of one.
    pub own_limits: Option<OwnLimits>,
    /// Load averages at the end.
    pub load: Reading<LoadAverage>,
    /// CPU time by mode.
    pub cpu: Reading<CpuRates>,
    /// Each CPU.
    pub cpus: Vec<(u32, CpuRates)>,
    /// CPU time by mode, about once a second.
    pub cpu_slices: Vec<CpuRates>,
    /// Context switches.
    pub context_switches_per_second: Option<f64>,
    /// Forks, threads included.
    pub forks_per_second: Option<f64>,
    /// Mean of the threads that wait for a block device (`nr_iowait`), seen once a second.
    pub procs_blocked_mean: Option<f64>,
    /// Time stalled for a CPU.
    pub cpu_pressure: Reading<PressureRates>,
    /// Time stalled for memory.
    pub memory_pressure: Reading<PressureRates>,
    /// Time stalled for I/O.
    pub io_pressure: Reading<PressureRates>,
    /// Memory at the end.
    pub memory: Reading<MemInfo>,
    /// All of it, part by part.
    pub memory_account: Reading<MemoryAccount>,
    /// Paging.
    pub paging: Reading<PagingRates>,
    /// Paging, about once a second.
    pub paging_slices: Vec<PagingRates>,
    /// Whole devices, leaves first.
    pub disks: Reading<Vec<DiskRates>>,
    /// Swap areas at the end.
    pub swaps: Vec<Swap>,
    /// Softirqs by kind, all CPUs.
    pub softirqs_per_second: Vec<(String, f64)>,
    /// Interrupt lines by rate, highest first.
    pub interrupts_per_second: Vec<(String, f64)>,
    /// Share of the window in which a CPU was slowed down for heat, the worst of them; none where no CPU tells.
    pub heat_ratio: Option<f64>,
    /// Software RAID and memory modules at the end.
    pub hardware: Hardware,
    /// Errors of memory modules within the window; none without an EDAC driver.
    pub memory_errors: Option<MemoryErrors>,
    /// Network interfaces.
    pub interfaces: Vec<InterfaceRates>,
    /// Processes that lived at the end.
    pub processes: Vec<ProcessRates>,
    /// Threads that were seen running or blocked.
    pub threads: Vec<ThreadRates>,
    /// What the load is made of.
    pub makeup: LoadMakeup,
    /// CPU time of processes that ended, or were born and ended, within the window; in CPUs.
    pub vanished_cpus: Option<f64>,
    /// Share of that time that was kernel time; none without any.
    pub vanished_system_share: Option<f64>,
    /// Number of samples of the thread states.
    pub samples_count: u32,
    /// Wait channels of others could not be read.
    pub wait_channels_hidden: bool,
    /// Processes whose I/O could not be read.
    pub io_denied_count: usize,
    /// Control groups that did something.
    pub cgroups: Reading<Vec<CgroupRates>>,
    /// Counters of the network stack per second.
    pub net_per_second: Reading<BTreeMap<String, f64>>,
    /// The same of the containers' network stacks.
    pub net_namespaces: Vec<NamespaceRates>,
    /// The same counters and table sizes at the end.
    pub net: Reading<NetCounters>,
    /// What may be full.
    pub limits: LimitReadings,
    /// Parents of zombies that were there at both ends: parent, zombies at the start, at the end.
    pub zombies: Vec<(Pid, usize, usize)>,
    /// The process or unit that was asked for.
    pub target: Option<TargetRates>,
    /// Where the threads that were looked at spent their time.
    pub waits: WaitRates,
    /// Whether no counter moved: these are files that were copied, not those of a running kernel.
    pub still: bool,
    /// Absences that matter, to be told.
    pub absences: Vec<Absence>,
}

impl Rates {
    /// The process `pid`, if it lived at the end.
    pub fn process(&self, pid: Pid) -> Option<&ProcessRates> {
        self.processes.iter().find(|process| process.pid == pid)
    }
}

/// Shares of CPU time; `1.0` is all CPUs all the time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CpuRates {
    /// User mode at normal priority.
    pub user_ratio: f64,
    /// User mode at lowered priority.
    pub nice_ratio: f64,
    /// Kernel mode.
    pub system_ratio: f64,
    /// Nothing to do.
    pub idle_ratio: f64,
    /// Idle while a thread waits for a disk.
    pub iowait_ratio: f64,
    /// Interrupt handlers.
    pub irq_ratio: f64,
    /// Softirqs.
    pub softirq_ratio: f64,
    /// Taken by the hypervisor.
    pub steal_ratio: f64,
    /// Whether this kernel counts stolen time at all.
    pub steal_known: bool,
    /// Whether it counts idle time with I/O on its way, and time in interrupts, at all.
    pub waits_known: bool,
    /// Whether it ever counted time in hard interrupts.
    pub irq_counted: bool,
}

impl CpuRates {
    /// Everything but idle and iowait.
    pub fn busy_ratio(&self) -> f64 {
        (1.0 - self.idle_ratio - self.iowait_ratio).clamp(0.0, 1.0)
    }

    /// User time at any priority.
    pub fn all_user_ratio(&self) -> f64 {
        self.user_ratio + self.nice_ratio
    }

    /// Hard and soft interrupts.
    pub fn interrupts_ratio(&self) -> f64 {
        self.irq_ratio + self.softirq_ratio
    }
}

/// Share of the window in which threads were stalled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PressureRates {
    /// Some were.
    pub some_ratio: f64,
    /// All that were not idle were.
    pub full_ratio: Option<f64>,
    /// The kernel's averages of `some` at the end: 10, 60, 300 seconds.
    pub some_averages: [f64; 3],
}

/// Paging per second; `None` where this kernel has no such counter.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PagingRates {
    /// Pages from swap.
    pub swap_in_per_second: Option<f64>,
    /// Pages to swap.
    pub swap_out_per_second: Option<f64>,
    /// Faults that read from a device.
    pub major_faults_per_second: Option<f64>,
    /// Pages scanned by threads that needed memory themselves.
    pub direct_scan_per_second: Option<f64>,
    /// Pages that such scans freed.
    pub direct_steal_per_second: Option<f64>,
    /// Pages scanned by kswapd.
    pub kswapd_scan_per_second: Option<f64>,
    /// Times a thread had to reclaim itself.
    pub allocation_stalls_per_second: Option<f64>,
    /// Pages of files that came back soon after they were dropped.
    pub refault_file_per_second: Option<f64>,
    /// Pages scanned because a cgroup, not the box, was short of memory.
    pub cgroup_scan_per_second: Option<f64>,
    /// Times a thread had to move pages together before it got a large one.
    pub compaction_stalls_per_second: Option<f64>,
    /// Of those, the ones that were in vain.
    pub compaction_failures_per_second: Option<f64>,
    /// Pages that came from the node that was wanted.
    pub numa_hit_per_second: Option<f64>,
    /// Pages that came from another node than the one wanted.
    pub numa_miss_per_second: Option<f64>,
    /// Times that the page cache or the caches of the kernel were dropped on request, within the window.
    pub cache_drops_count: Option<u64>,
    /// Pages that came from another node than that of the CPU and were not meant for all nodes in turn.
    pub numa_bound_per_second: Option<f64>,
    /// OOM kills within the window.
    pub oom_kills_count: Option<u64>,
}

impl PagingRates {
    /// Pages scanned for the box as a whole, by kswapd and by threads themselves; none where neither is counted.
    pub fn global_scan_per_second(&self) -> Option<f64> {
        self.kswapd_scan_per_second.into_iter().chain(self.direct_scan_per_second).reduce(|a, b| a + b)
    }
}

/// One block device.
#[derive(Debug, Clone, PartialEq)]
pub struct DiskRates {
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: BlockKind,
    /// Whether it stands on no other block device.
    pub leaf: bool,
    /// Devices it stands on.
    pub slaves: Vec<String>,
    /// Claims to be a spinning disk.
    pub rotational: Option<bool>,
    /// Whether it has moving heads, or stands on a device that has.
    pub spins: bool,
    /// Major and minor number, where they were told.
    pub number: Option<(u32, u32)>,
    /// Backing file of a loop device.
    pub backing_file: Option<String>,
    /// Reads.
    pub reads_per_second: f64,
    /// Writes.
    pub writes_per_second: f64,
    /// Flushes.
    pub flushes_per_second: Option<f64>,
    /// Discards (TRIM).
    pub discards_per_second: Option<f64>,
    /// Bytes read.
    pub read_bytes_per_second: f64,
    /// Bytes written.
    pub write_bytes_per_second: f64,
    /// Share of time with a request on its way.
    pub utilization_ratio: f64,
    /// Mean number of requests on their way.
    pub queue_mean: f64,
    /// Mean time of a read, queueing included; none without reads.
    pub read_await_seconds: Option<f64>,
    /// Mean time of a write.
    pub write_await_seconds: Option<f64>,
    /// Mean time of a flush.
    pub flush_await_seconds: Option<f64>,
    /// Requests that completed within the window.
    pub completed_count: u64,
    /// Requests on their way at the end.
    pub in_flight_count: u64,
    /// Mean read time from boot to the window, the device's own normal; none where that means nothing.
    pub read_await_since_boot_seconds: Option<f64>,
    /// The same of writes.
    pub write_await_since_boot_seconds: Option<f64>,
    /// The same of flushes.
    pub flush_await_since_boot_seconds: Option<f64>,
    /// Longest span of slices without a completion while requests were on their way.
    pub stuck_seconds: f64,
}

/// Whether `name` is the name of the device `whole` with the number of a partition: `sda1`, `nvme0n1p1`. A `p` keeps the
/// number apart from one that the device ends in.
pub fn is_partition(name: &str, whole: &str) -> bool {
    name.strip_prefix(whole).is_some_and(|rest| {
        let digits = match rest.strip_prefix('p') {
            Some(digits) => digits,
            None if whole.ends_with(|last: char| last.is_ascii_digit()) => return false,
            None => rest,
        };
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// What a request asks of a device. The kinds take different times, so each is held against its own normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// Data from the device.
    Read,
    /// Data to the device.
    Write,
    /// All that was written is to be safe.
    Flush,
}

impl RequestKind {
    /// One of them.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
        }
    }

    /// Many of them.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
            Self::Flush => "flushes",
        }
    }
}

/// The requests of one kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KindRates {
    /// The kind.
    pub kind: RequestKind,
    /// Requests that completed.
    pub per_second: f64,
    /// Mean time of one, queueing included.
    pub await_seconds: f64,
    /// What is normal for this kind on this device.
    pub normal_seconds: Option<f64>,
}

impl KindRates {
    /// Mean number on their way.
    pub fn in_flight_mean(&self) -> f64 {
        self.per_second * self.await_seconds
    }
}

impl DiskRates {
    /// The kinds of which a request completed.
    pub fn kinds(&self) -> impl Iterator<Item = KindRates> {
        let kind = |kind, per_second: Option<f64>, await_seconds: Option<f64>, normal_seconds| {
            let (per_second, await_seconds) = (per_second.filter(|rate| *rate > 0.0)?, await_seconds?);
            Some(KindRates { kind, per_second, await_seconds, normal_seconds })
        };
        let read = kind(
            RequestKind::Read,
            Some(self.reads_per_second),
            self.read_await_seconds,
            self.read_await_since_boot_seconds,
        );
        let write = kind(
            RequestKind::Write,
            Some(self.writes_per_second),
            self.write_await_seconds,
            self.write_await_since_boot_seconds,
        );
        let flush = kind(
            RequestKind::Flush,
            self.flushes_per_second,
            self.flush_await_seconds,
            self.flush_await_since_boot_seconds,
        );
        [read, write, flush].into_iter().flatten()
    }

    /// Whether `name` is this device or a partition of it.
    pub fn is_called(&self, name: &str) -> bool {
        name == self.name || is_partition(name, &self.name)
    }

    /// Whether it stands on `other`, or on a partition of it.
    pub fn stands_on(&self, other: &DiskRates) -> bool {
        self.slaves.iter().any(|slave| other.is_called(slave))
    }

    /// Bytes moved.
    pub fn bytes_per_second(&self) -> f64 {
        self.read_bytes_per_second + self.write_bytes_per_second
    }

    /// Mean time of a request of any direction.
    pub fn await_seconds(&self) -> Option<f64> {
        let (reads, writes) = (self.reads_per_second, self.writes_per_second);
        let total = reads + writes;
        if total <= 0.0 {
            return None;
        }
        let read = self.read_await_seconds.unwrap_or(0.0) * reads;
        let write = self.write_await_seconds.unwrap_or(0.0) * writes;
        Some((read + write) / total)
    }
}

/// One network interface.
#[derive(Debug, Clone, PartialEq)]
pub struct InterfaceRates {
    /// Name.
    pub name: String,
    /// Whether there is a device behind it.
    pub physical: Option<bool>,
    /// What the link can carry, each way.
    pub speed_bits_per_second: Option<u64>,
    /// Packets received.
    pub received_packets_per_second: f64,
    /// Packets sent.
    pub sent_packets_per_second: f64,
    /// Bytes received.
    pub received_bytes_per_second: f64,
    /// Bytes sent.
    pub sent_bytes_per_second: f64,
    /// Packets that the card had no room for; known of devices.
    pub missed_per_second: Option<f64>,
    /// Packets that the queueing discipline dropped before they were sent.
    pub queue_drops_per_second: Option<f64>,
}
