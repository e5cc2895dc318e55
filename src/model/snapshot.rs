//! Raw readings of one window, as the kernel gave them: counters, not yet rates.

use crate::model::cgroup::CgroupReading;
use crate::model::host::Host;
use crate::model::kernel_log::KernelMessage;
use crate::model::limits::{CpuFrequency, Hardware, InotifyInstances, Mount, OpenFiles, Tables, UserTasks};
use crate::model::memory_account::{HugePool, MemoryPools};
use crate::model::network::{NamespaceCounters, NetCounters, PeerWait, Sockets};
use crate::model::reading::{Absence, Reading};
use crate::model::target::TargetReadings;
use crate::model::task::{Pid, ProcessDetails, ProcessReading, ThreadObservation};
use crate::model::tuning::KernelSettings;
use crate::model::wait_details::{Refused, WatchReadings};
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that one window collected.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Where it came from.
    pub source: Source,
    /// The machine.
    pub host: Host,
    /// Wall clock at the window's start.
    pub started_at: jiff::Timestamp,
    /// Wall clock at the window's end.
    pub ended_at: jiff::Timestamp,
    /// Full snapshot at the start.
    pub before: FullSnapshot,
    /// Full snapshot at the end.
    pub after: FullSnapshot,
    /// System counters about once a second in between, the two ends not included.
    pub slices: Vec<SystemSnapshot>,
    /// Sampled thread states.
    pub samples: StateSamples,
    /// Details of the processes that matter, read at the end.
    pub details: BTreeMap<Pid, ProcessDetails>,
    /// Block devices: what they are and what they stand on.
    pub block_devices: Reading<Vec<BlockDevice>>,
    /// What may be full, read at the end.
    pub limits: LimitReadings,
    /// The threads of the process or unit that was asked for.
    pub target: Option<TargetReadings>,
    /// The threads of the processes that did most, followed for a profile when nothing was asked for.
    pub watched: Option<WatchReadings>,
    /// WaitReader looks that were refused.
    pub refused: Refused,
    /// Whether Ctrl-C ended the window early.
    pub interrupted: bool,
}

/// Tables, file systems and sockets at the end of the window, and the kernel's own messages.
#[derive(Debug, Clone)]
pub struct LimitReadings {
    /// Sizes of the kernel's tables.
    pub tables: Tables,
    /// Processes with many open files.
    pub open_files: Vec<OpenFiles>,
    /// Users with many inotify instances.
    pub inotify: Vec<InotifyInstances>,
    /// Users with many tasks.
    pub user_tasks: Vec<UserTasks>,
    /// How fast busy CPUs run; empty where that is not seen.
    pub frequencies: Vec<CpuFrequency>,
    /// Mounted file systems.
    pub mounts: Reading<Vec<Mount>>,
    /// Sockets in trouble; read only when a counter asked for it.
    pub sockets: Option<Sockets>,
    /// Whose answers active processes wait for; asked for in a calm window only.
    pub peers: Vec<PeerWait>,
    /// Settings of the kernel.
    pub settings: KernelSettings,
    /// The kernel log.
    pub kernel_log: Reading<Vec<KernelMessage>>,
    /// Pools of memory.
    pub memory_pools: MemoryPools,
}

impl Default for LimitReadings {
    fn default() -> Self {
        Self {
            tables: Tables::default(),
            open_files: Vec::new(),
            inotify: Vec::new(),
            user_tasks: Vec::new(),
            frequencies: Vec::new(),
            mounts: Err(Absence::missing("/proc/self/mountinfo")),
            sockets: None,
            peers: Vec::new(),
            settings: KernelSettings::default(),
            kernel_log: Err(Absence::missing("/dev/kmsg")),
            memory_pools: MemoryPools::default(),
        }
    }
}

/// Where a recording came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// This machine, now.
    Live,
    /// A capture file.
    Capture,
}

/// System counters and every process.
#[derive(Debug, Clone)]
pub struct FullSnapshot {
    /// System counters.
    pub system: SystemSnapshot,
    /// Control groups.
    pub cgroups: Reading<Vec<CgroupReading>>,
    /// The network stack.
    pub net: Reading<NetCounters>,
    /// The network stacks of containers.
    pub net_namespaces: Vec<NamespaceCounters>,
    /// Whether the pressure is that of the container that the run is in, not of the whole machine.
    pub own_pressure: bool,
    /// Software RAID and memory modules.
    pub hardware: Hardware,
    /// CPUs that can tell how long they were slowed down for heat.
    pub heat: Vec<CpuHeat>,
    /// Every process, in the order of `/proc`.
    pub processes: Vec<ProcessReading>,
    /// How many processes had an `io` file that could not be read: permission denied.
    pub io_denied_count: usize,
    /// How many processes could not be read or understood, though they were there, and why not the last.
    pub unreadable: Option<(usize, String)>,
}

/// Time since boot that a CPU ran slowed down because it was too hot; absent where the kernel does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuHeat {
    /// Number.
    pub cpu: u32,
    /// For the heat of its core.
    pub core_milliseconds: Option<u64>,
    /// For the heat of its package.
    pub package_milliseconds: Option<u64>,
}

/// The counters of the whole system at one moment.
#[derive(Debug, Clone)]
pub struct SystemSnapshot {
    /// Since the window's start, by CLOCK_MONOTONIC.
    pub at: Duration,
    /// `/proc/loadavg`.
    pub load: Reading<LoadAverage>,
    /// `/proc/stat`.
    pub stat: Reading<KernelStat>,
    /// `/proc/pressure/cpu`.
    pub cpu_pressure: Reading<Pressure>,
    /// `/proc/pressure/memory`.
    pub memory_pressure: Reading<Pressure>,
    /// `/proc/pressure/io`.
    pub io_pressure: Reading<Pressure>,
    /// `/proc/meminfo`.
    pub memory: Reading<MemInfo>,
    /// `/proc/vmstat`.
    pub vm: Reading<VmStat>,
    /// `/proc/diskstats`.
    pub disks: Reading<Vec<DiskStat>>,
    /// `/proc/swaps`; read at both ends only.
    pub swaps: Option<Reading<Vec<Swap>>>,
    /// `/proc/uptime`, seconds since boot; read at both ends only.
    pub uptime_seconds: Option<Reading<f64>>,
    /// `/proc/softirqs`; read at both ends only.
    pub softirqs: Option<Reading<Vec<InterruptLine>>>,
    /// `/proc/interrupts`; read at both ends only.
    pub interrupts: Option<Reading<Vec<InterruptLine>>>,
    /// `/proc/net/dev`; read at both ends only.
    pub interfaces: Option<Reading<Vec<Interface>>>,
}

/// `/proc/loadavg`, proc_loadavg(5).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadAverage {
    /// Damped mean of runnable and uninterruptible threads over about a minute.
    pub one: f64,
    /// Over about five minutes.
    pub five: f64,
    /// Over about fifteen minutes.
    pub fifteen: f64,
    /// Threads that are runnable at this moment, the reader included.
    pub runnable_count: u64,
    /// Threads that exist.
    pub threads_count: u64,
}

/// `/proc/stat`, proc_stat(5).
#[derive(Debug, Clone, PartialEq)]
pub struct KernelStat {
    /// Sum over the CPUs.
    pub cpu: CpuTicks,
    /// Each CPU that is online, by number.
    pub cpus: BTreeMap<u32, CpuTicks>,
    /// Context switches since boot.
    pub context_switches_count: Option<u64>,
    /// Interrupts since boot.
    pub interrupts_count: Option<u64>,
    /// Forks since boot; threads count as well.
    pub forks_count: Option<u64>,
    /// Threads that are runnable at this moment, the reader included.
    pub procs_running_count: Option<u64>,
    /// Threads that wait for a block device (`nr_iowait`): not all of state D.
    pub procs_blocked_count: Option<u64>,
}

/// Ticks of one CPU by mode. Guest time is inside `user` already. Modes that an old kernel lacks are absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuTicks {
    /// User mode.
    pub user: u64,
    /// User mode at lowered priority.
    pub nice: u64,
    /// Kernel mode.
    pub system: u64,
    /// Nothing to do.
    pub idle: u64,
    /// Nothing to do while a thread of this CPU waits for a disk (2.5.41). A kind of idle; may go backwards.
    pub iowait: Option<u64>,
    /// Interrupt handlers (2.6.0).
    pub irq: Option<u64>,
    /// Softirqs (2.6.0).
    pub softirq: Option<u64>,
    /// Taken by the hypervisor (2.6.11).
    pub steal: Option<u64>,
}

/// One file of `/proc/pressure` (kernel `Documentation/accounting/psi.rst`, 4.20).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pressure {
    /// Some threads were stalled.
    pub some: PressureLine,
    /// All threads that were not idle were stalled; not told for cpu before 5.13.
    pub full: Option<PressureLine>,
}

/// One line of a pressure file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PressureLine {
    /// Share of time, 10 s average, 0 to 1.
    pub avg10_ratio: f64,
    /// 60 s average.
    pub avg60_ratio: f64,
    /// 300 s average.
    pub avg300_ratio: f64,
    /// Stall time since boot.
    pub total_microseconds: u64,
}

/// `/proc/meminfo`, proc_meminfo(5), in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemInfo {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemFree`.
    pub free_bytes: u64,
    /// `MemAvailable` (3.14).
    pub available_bytes: Option<u64>,
    /// `Buffers`.
    pub buffers_bytes: u64,
    /// `Cached`.
    pub cached_bytes: u64,
    /// `SwapTotal`.
    pub swap_total_bytes: u64,
    /// `SwapFree`.
    pub swap_free_bytes: u64,
    /// `AnonPages` (2.6.18).
    pub anonymous_bytes: Option<u64>,
    /// `Shmem` (2.6.32): tmpfs and shared memory.
    pub shmem_bytes: Option<u64>,
    /// `SUnreclaim` (2.6.19).
    pub slab_unreclaimable_bytes: Option<u64>,
    /// `HugePages_Total` times `Hugepagesize`: reserved, used or not.
    pub huge_pages_bytes: Option<u64>,
    /// `Hugetlb` (4.16): the same of all page sizes.
    pub all_huge_pages_bytes: Option<u64>,
    /// The pool of the default page size.
    pub huge_pool: Option<HugePool>,
    /// `SwapCached`: pages of swap that are in memory.
    pub swap_cached_bytes: Option<u64>,
    /// `Active(anon)` and `Inactive(anon)` (2.6.28): anonymous, swap cache and shared memory, locked pages left out.
    pub anonymous_lists_bytes: Option<u64>,
    /// `SReclaimable` (2.6.19).
    pub slab_reclaimable_bytes: Option<u64>,
    /// `KReclaimable` (4.20): that and other kernel memory that can be reclaimed.
    pub kernel_reclaimable_bytes: Option<u64>,
    /// `KernelStack` (2.6.32).
    pub kernel_stacks_bytes: Option<u64>,
    /// `PageTables` (2.6.18) and `SecPageTables` (6.2).
    pub page_tables_bytes: Option<u64>,
    /// `Percpu` (4.21).
    pub per_cpu_bytes: Option<u64>,
    /// `VmallocUsed` where it counts pages (5.3).
    pub vmalloc_bytes: Option<u64>,
    /// `Zswap` (5.19).
    pub zswap_bytes: Option<u64>,
    /// `Balloon` (6.16).
    pub balloon_bytes: Option<u64>,
    /// `Dirty` (2.6).
    pub dirty_bytes: Option<u64>,
    /// `Writeback` (2.6).
    pub writeback_bytes: Option<u64>,
}

impl MemInfo {
    /// What is yet to be written to a disk, or on its way there.
    pub fn unwritten_bytes(&self) -> Option<u64> {
        Some(self.dirty_bytes?.saturating_add(self.writeback_bytes?))
    }

    /// Huge pages of all sizes, as far as this kernel tells.
    pub fn hugetlb_bytes(&self) -> Option<u64> {
        self.all_huge_pages_bytes.or(self.huge_pages_bytes)
    }
}

/// `/proc/vmstat`, proc_vmstat(5), by name; the set of names differs from kernel to kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VmStat(pub BTreeMap<String, u64>);

impl VmStat {
    /// The value of `name`, where this kernel has it.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }
}

/// One line of `/proc/diskstats` (kernel `Documentation/admin-guide/iostats.rst`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskStat {
    /// Device name.
    pub name: String,
    /// Major and minor number.
    pub number: Option<(u32, u32)>,
    /// Reads that completed.
    pub reads_count: u64,
    /// Sectors read.
    pub read_sectors: u64,
    /// Milliseconds that reads took, summed.
    pub read_milliseconds: u64,
    /// Writes that completed.
    pub writes_count: u64,
    /// Sectors written.
    pub write_sectors: u64,
    /// Milliseconds that writes took, summed.
    pub write_milliseconds: u64,
    /// Requests on their way at this moment.
    pub in_flight_count: u64,
    /// Milliseconds with at least one request on its way.
    pub busy_milliseconds: u64,
    /// Milliseconds times requests on their way.
    pub weighted_milliseconds: u64,
    /// Discards that completed (4.18).
    pub discards_count: Option<u64>,
    /// Flushes that completed (5.5).
    pub flushes_count: Option<u64>,
    /// Milliseconds that flushes took (5.5).
    pub flush_milliseconds: Option<u64>,
}

/// What `/sys/block` says of a whole device; partitions have no entry there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockDevice {
    /// Device name as in `/proc/diskstats`.
    pub name: String,
    /// What it is.
    pub kind: BlockKind,
    /// Devices it stands on (`slaves/`).
    pub slaves: Vec<String>,
    /// `queue/rotational`; virtual disks often claim 1 wrongly.
    pub rotational: Option<bool>,
    /// Backing file of a loop device.
    pub backing_file: Option<String>,
}

/// The kinds of block device that are judged differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// A disk of its own.
    Disk,
    /// An NVMe name space.
    Nvme,
    /// Device mapper: LVM, crypt, multipath.
    DeviceMapper,
    /// Software RAID.
    Md,
    /// A file as a disk.
    Loop,
    /// Compressed memory as a disk: its cost is CPU time.
    Zram,
    /// Anything else without a medium: ram, nbd without a server, floppy, optical.
    Other,
}

/// One line of `/proc/swaps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// Device or file.
    pub path: String,
    /// Whether it is a file rather than a partition.
    pub file: bool,
    /// Size.
    pub size_bytes: u64,
    /// In use.
    pub used_bytes: u64,
}

/// One line of `/proc/interrupts` or `/proc/softirqs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterruptLine {
    /// `24`, `LOC`, `NET_RX`.
    pub name: String,
    /// Count per CPU, in the order of the header.
    pub counts: Vec<u64>,
    /// What handles it, where told.
    pub description: String,
}

/// One line of `/proc/net/dev`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// Whether there is a device behind it, by where `/sys/class/net` points; loopback, bridges and pairs of
    /// virtual interfaces carry traffic of the box itself.
    pub physical: Option<bool>,
    /// What the link can carry, each way; known of devices whose driver tells, while the link is up.
    pub speed_bits_per_second: Option<u64>,
    /// Received bytes.
    pub received_bytes: u64,
    /// Received packets.
    pub received_packets: u64,
    /// Packets that were lost on reception.
    pub received_drops: u64,
    /// Packets that found a queue of the card full, where the driver counts them so.
    pub received_overruns: u64,
    /// Sent bytes.
    pub sent_bytes: u64,
    /// Sent packets.
    pub sent_packets: u64,
    /// Packets that the card had no room for; known of devices.
    pub missed: Option<u64>,
    /// Packets that the queueing discipline dropped before they were sent.
    pub queue_drops: Option<u64>,
}

/// What the sampling of thread states saw.
#[derive(Debug, Clone, Default)]
pub struct StateSamples {
    /// How many samples were taken.
    pub ticks_count: u32,
    /// Runnable threads at each sample by `/proc/loadavg`, the reader left out.
    pub runnable_counts: Vec<u64>,
    /// Threads that were seen running or uninterruptible, or that used CPU time.
    pub threads: Vec<ThreadObservation>,
    /// Whether wait channels of other users could be read.
    pub wait_channels_hidden: bool,
}
